; SPDX-License-Identifier: GPL-2.0-or-later
; A kernel that changes its page tables while it runs from them: code pages that lead elsewhere, however it comes
; to them; pages without a present, accessed, dirty or writable bit; large and global pages; many address
; spaces; NX. What was changed counts once the address was flushed, by each of the ways there are.
; SDM 3A, "Invalidation of TLBs and Paging-Structure Caches", "Accessed and Dirty Flags".
%include "guest.inc"

%define DIR 0x100000
%define TABLE 0x101000                  ; identity of the first 4 MiB
%define TEST_TABLE 0x102000             ; linear 400000h on
%define PAE_PTRS 0x103000
%define PAE_DIR 0x104000
%define PAE_TABLE 0x105000              ; linear 0 on
%define PAE_TEST 0x107000               ; linear 400000h on
%define DIRS 0x110000                   ; directories of other address spaces: 10h pages,
%define TABLES 0x120000                 ; ... their tables for 400000h
%define A_ 0x200000                     ; frames of code: each returns its number
%define B_ 0x210000
%define BIG_A 0x800000                  ; 4 MiB pages of such
%define BIG_B 0xc00000
%define L 0x400000
%define BIG 0x1000000                   ; linear address of the large page
%define SPACES 12

; The test page leads there now; nobody is told.
%macro LEAD 1
    mov dword [TEST_TABLE], %1
%endmacro
; FLUSH how
%macro FLUSH 1
%if %1 == 0
    invlpg [L]
%elif %1 == 1
    mov eax, cr3
    mov cr3, eax
%elif %1 == 2
    mov eax, cr0
    and eax, 0x7fffffff
    mov cr0, eax
    or eax, 0x80000000
    mov cr0, eax
%elif %1 == 3
    mov eax, cr4
    xor eax, 0x80
    mov cr4, eax
    xor eax, 0x80
    mov cr4, eax
%elif %1 == 4
    invlpg [L + 0x123]
%endif
%endmacro

; PF_AT eip, error, cr2: that was it
%macro EXPECT_PF 3
    CHECK_EQ dword [got_vector], PF
    CHECK_EQ dword [got_eip], %1
    CHECK_EQ dword [got_error], %2
    CHECK_EQ dword [got_cr2], %3
%endmacro
; CATCH label: faults go there
%macro CATCH 1
    mov dword [resume], %1
    mov [resume_esp], esp
    mov dword [got_vector], NOTHING
%endmacro
%macro PF_RAISES 3+
    RAISES PF, %1, %3
    CHECK_EQ dword [got_cr2], %2
%endmacro

start:
    ENTER_PROTECTED
    call make_tables
    call make_code
    mov eax, DIR
    mov cr3, eax
    mov eax, cr4
    or eax, 0x10                         ; PSE
    mov cr4, eax
    mov eax, cr0
    or eax, 0x80010000
    mov cr0, eax
    mov ebp, 3
.round:
    call remapped
    call unmapped
    call two_pages
    call fetched_earlier
    call accessed_and_dirty
    call large_bits
    call write_protect
    call large
    call global_pages
    call spaces
    dec ebp
    jnz .round
    call pae
    PASS

; ---- Code that leads elsewhere -----------------------------------------------------------------------------------
; What is there says make_code.
%macro REMAPPED 1                       ; how it is flushed
%push remapped
    mov esi, 20
%$again:
    LEAD A_ | 3
    FLUSH %1
    mov edi, 1
    call check_lands
    LEAD B_ | 3
    FLUSH %1
    mov edi, 2
    call check_lands
    dec esi
    jnz %$again
%pop
%endmacro
remapped:
    REMAPPED 0
    REMAPPED 1
    REMAPPED 2
    REMAPPED 3
    REMAPPED 4
    ret

; Code at L gives EDI, however it is come by.
check_lands:
    call L
    CHECK_EQ eax, edi
    mov ebx, L
    call ebx
    CHECK_EQ eax, edi
    mov ecx, .direct
    jmp L + 0x100
.direct:
    CHECK_EQ eax, edi
    mov ecx, .indirect
    lea ebx, [L + 0x100]
    jmp ebx
.indirect:
    CHECK_EQ eax, edi
    push .returned
    push L                               ; and from there to .returned
    xor eax, eax
    ret
.returned:
    CHECK_EQ eax, edi
    call [.pointer]
    CHECK_EQ eax, edi
    cmp edi, edi
    mov ecx, .branched
    je near L + 0x100
.branched:
    CHECK_EQ eax, edi
    ret
.pointer: dd L

; ---- Code that is gone ---------------------------------------------------------------------------------------------
unmapped:
    mov ebx, L
    mov ecx, 4
.again:
    push ecx
    LEAD A_ | 3
    invlpg [L]
    call L
    CHECK_EQ eax, 1
    LEAD 0
    invlpg [L]
    mov edx, esp
    CATCH .call
    call L
.call:
    EXPECT_PF L, 0, L
    mov eax, [got_frame]                 ; the return address is there
    CHECK_EQ dword [eax + 12], .call
    lea eax, [eax + 16]
    CHECK_EQ eax, edx
    CATCH .indirect
    mov ebx, L + 5
    call ebx
.indirect:
    EXPECT_PF L + 5, 0, L + 5
    CATCH .jump
    jmp L + 0x100
.jump:
    EXPECT_PF L + 0x100, 0, L + 0x100
    CATCH .branch
    test esp, esp
    jnz near L + 0x100
.branch:
    EXPECT_PF L + 0x100, 0, L + 0x100
    CATCH .return
    push L + 0x101
    ret
.return:
    EXPECT_PF L + 0x101, 0, L + 0x101
    pop ecx
    dec ecx
    jnz .again
    LEAD A_ | 3
    invlpg [L]
    ret

; ---- Out of one page into the next ---------------------------------------------------------------------------------
two_pages:
    mov esi, 10
.again:
    LEAD A_ | 3
    mov dword [TEST_TABLE + 4], (A_ + 0x1000) | 3
    invlpg [L]
    invlpg [L + 0x1000]
    call L + 0xff0                       ; falls through into it
    CHECK_EQ eax, 0x11
    call L + 0xfff                       ; an instruction in both
    CHECK_EQ edx, 0x01010190
    mov dword [TEST_TABLE + 4], (B_ + 0x1000) | 3
    invlpg [L + 0x1000]
    call L + 0xff0
    CHECK_EQ eax, 0x12
    call L + 0xfff
    CHECK_EQ edx, 0x02020290
    mov dword [TEST_TABLE], B_ | 3
    invlpg [L]
    call L + 0xff0
    CHECK_EQ eax, 0x22
    call L + 0xfff
    CHECK_EQ edx, 0x02020290
    mov dword [TEST_TABLE + 4], 0
    invlpg [L + 0x1000]
    CATCH .fell
    call L + 0xff0
.fell:
    EXPECT_PF L + 0xfff, 0, L + 0x1000
    CATCH .within
    call L + 0xfff
.within:
    EXPECT_PF L + 0xfff, 0, L + 0x1000
    ; there again, with other bytes
    mov dword [TEST_TABLE + 4], (A_ + 0x1000) | 3
    call L + 0xfff
    CHECK_EQ edx, 0x01010190
    dec esi
    jnz near .again
    ret

; ---- A translation the processor still had, and then not any more -----------------------------------------------------
; Executed first where an engine that translates might leave it to another one: with a data segment that is
; not flat. The entry is changed but not flushed, which leaves open what runs; then it is flushed.
fetched_earlier:
    mov esi, 10
.again:
    LEAD 0
    invlpg [L]
    LEAD A_ | 0x23
    mov eax, cr3
    mov cr3, eax
    mov ax, DATA16
    mov es, ax
    call L
    CHECK_EQ eax, 1
    mov ax, DATA32
    mov es, ax
    LEAD B_ | 0x23
    call L
    invlpg [L]
    call L
    CHECK_EQ eax, 2
    LEAD A_ | 0x23
    call L
    mov eax, cr3
    mov cr3, eax
    call L
    CHECK_EQ eax, 1
    dec esi
    jnz near .again
    ret

; ---- Accessed and dirty -------------------------------------------------------------------------------------------------
%macro BITS_ARE 2                       ; entry, of the bits 60h
    mov eax, [%1]
    and eax, 0x60
    CHECK_EQ eax, %2
%endmacro
accessed_and_dirty:
    mov esi, 10
.again:
    LEAD A_ | 3
    invlpg [L]
    call L
    BITS_ARE TEST_TABLE, 0x20
    and dword [TEST_TABLE], ~0x20
    invlpg [L]
    call L
    BITS_ARE TEST_TABLE, 0x20
    and dword [TEST_TABLE], ~0x20
    mov eax, cr3
    mov cr3, eax
    mov ecx, .back
    jmp L + 0x100
.back:
    BITS_ARE TEST_TABLE, 0x20
    and dword [TEST_TABLE], ~0x20
    invlpg [L]
    mov al, [L + 0x800]
    BITS_ARE TEST_TABLE, 0x20
    mov [L + 0x800], al
    BITS_ARE TEST_TABLE, 0x60
    and dword [TEST_TABLE], ~0x40
    invlpg [L]
    mov al, [L + 0x800]
    BITS_ARE TEST_TABLE, 0x20
    inc byte [L + 0x800]
    BITS_ARE TEST_TABLE, 0x60
    and dword [TEST_TABLE], ~0x60
    mov eax, cr3
    mov cr3, eax
    push dword [L + 0x800]
    BITS_ARE TEST_TABLE, 0x20
    pop dword [L + 0x800]
    BITS_ARE TEST_TABLE, 0x60
    dec esi
    jnz near .again
    LEAD A_ | 3
    invlpg [L]
    ret

; The same of a large page.
large_bits:
    mov esi, 10
.again:
    mov dword [DIR + (BIG >> 20)], BIG_A | 0x83
    mov eax, cr3
    mov cr3, eax
    BITS_ARE DIR + (BIG >> 20), 0
    mov al, [BIG + 0x2000]
    BITS_ARE DIR + (BIG >> 20), 0x20
    mov eax, cr3                         ; with it clear
    mov cr3, eax
    mov al, [BIG + 0x3000]
    mov [BIG + 0x3000], al
    BITS_ARE DIR + (BIG >> 20), 0x60
    and dword [DIR + (BIG >> 20)], ~0x40
    mov eax, cr3
    mov cr3, eax
    mov al, [BIG + 0x3000]
    BITS_ARE DIR + (BIG >> 20), 0x20
    mov [BIG + 0x3000], al
    BITS_ARE DIR + (BIG >> 20), 0x60
    and dword [DIR + (BIG >> 20)], ~0x60
    invlpg [BIG + 0x3000]
    BITS_ARE DIR + (BIG >> 20), 0
    mov al, [BIG + 0x3000]
    BITS_ARE DIR + (BIG >> 20), 0x20
    ; rights that grow need no flush; then they shrink
    and dword [DIR + (BIG >> 20)], ~2
    mov eax, cr3
    mov cr3, eax
    mov al, [BIG + 0x3000]
    PF_RAISES 3, BIG + 0x3000, mov [BIG + 0x3000], al
    or dword [DIR + (BIG >> 20)], 0x42
    mov [BIG + 0x3000], al
    and dword [DIR + (BIG >> 20)], ~0x42
    mov eax, cr3
    mov cr3, eax
    PF_RAISES 3, BIG + 0x3000, mov [BIG + 0x3000], al
    dec esi
    jnz near .again
    ret

; ---- CR0.WP --------------------------------------------------------------------------------------------------------------
write_protect:
    mov esi, 10
.again:
    LEAD A_ | 5
    invlpg [L]
    PF_RAISES 3, L + 0x800, mov [L + 0x800], al
    PF_RAISES 3, L + 0x800, not byte [L + 0x800]
    mov eax, cr0
    and eax, ~0x10000
    mov cr0, eax
    RUNS mov [L + 0x800], al
    BITS_ARE TEST_TABLE, 0x60
    or eax, 0x10000
    mov eax, cr0
    or eax, 0x10000
    mov cr0, eax
    PF_RAISES 3, L + 0x800, mov [L + 0x800], al
    mov al, [L + 0x800]
    PF_RAISES 3, L + 0x7fe, mov [L + 0x7fe], eax
    dec esi
    jnz near .again
    LEAD A_ | 3
    invlpg [L]
    ret

; ---- Code in large pages ---------------------------------------------------------------------------------------------------
large:
    mov esi, 10
.again:
    mov dword [DIR + (BIG >> 20)], BIG_A | 0x83
    invlpg [BIG + 0x300000]              ; any address in it will do
    call BIG + 0x123000
    CHECK_EQ eax, 3
    mov dword [DIR + (BIG >> 20)], BIG_B | 0x83
    invlpg [BIG]
    call BIG + 0x123000
    CHECK_EQ eax, 4
    mov dword [DIR + (BIG >> 20)], BIG_A | 0x83
    mov eax, cr3
    mov cr3, eax
    call BIG + 0x123000
    CHECK_EQ eax, 3
    ; small pages in its place
    mov dword [TEST_TABLE + 0x123 * 4], B_ | 3
    mov dword [DIR + (BIG >> 20)], TEST_TABLE | 3
    mov eax, cr3
    mov cr3, eax
    call BIG + 0x123000
    CHECK_EQ eax, 2
    mov dword [TEST_TABLE + 0x123 * 4], A_ | 3
    invlpg [BIG + 0x123000]
    call BIG + 0x123000
    CHECK_EQ eax, 1
    mov dword [TEST_TABLE + 0x123 * 4], 0
    dec esi
    jnz near .again
    ret

; ---- Global pages ------------------------------------------------------------------------------------------------------------
global_pages:
    mov eax, cr4
    or eax, 0x80
    mov cr4, eax
    mov esi, 10
.again:
    LEAD A_ | 0x103
    invlpg [L]
    call L
    CHECK_EQ eax, 1
    LEAD B_ | 0x103
    mov eax, cr3
    mov cr3, eax
    call L                               ; one or the other
    invlpg [L]
    call L
    CHECK_EQ eax, 2
    dec esi
    jnz near .again
    mov eax, cr4
    and eax, ~0x80
    mov cr4, eax
    LEAD A_ | 3
    invlpg [L]
    ret

; ---- Many address spaces -------------------------------------------------------------------------------------------------------
; Each has its own page of code and one of data at L; the rest they share.
spaces:
    mov ebx, 0
.make:
    mov edi, ebx
    shl edi, 12
    lea edx, [edi + TABLES]
    mov esi, DIR
    lea eax, [edi + DIRS]
    push edi
    mov edi, eax
    mov ecx, 1024
    rep movsd
    pop edi
    lea eax, [edx + 3]
    mov [edi + DIRS + 4], eax
    lea eax, [edi + 0x300000 + 3]        ; code: a frame of its own
    mov [edx], eax
    lea eax, [edi + 0x310000 + 3]
    mov [edx + 4], eax
    mov byte [edi + 0x300000], 0xb8
    lea eax, [ebx + 0x100]
    mov [edi + 0x300001], eax
    mov byte [edi + 0x300005], 0xc3
    mov [edi + 0x310000], ebx
    inc ebx
    cmp ebx, SPACES
    jb .make
    ; in turns of different lengths, so some are evicted and some are not
    mov esi, 200
    xor ebx, ebx
.visit:
    mov eax, ebx
    shl eax, 12
    add eax, DIRS
    mov cr3, eax
    call L
    lea edx, [ebx + 0x100]
    CHECK_EQ eax, edx
    CHECK_EQ [L + 0x1000], ebx
    add dword [L + 0x1000], 1000
    lea edx, [ebx + 1000]
    CHECK_EQ [L + 0x1000], edx
    sub dword [L + 0x1000], 1000
    lea ebx, [ebx + esi]
    and ebx, 15
    cmp ebx, SPACES
    jb .next
    sub ebx, SPACES
.next:
    dec esi
    jnz near .visit
    mov eax, DIR
    mov cr3, eax
    ret

; ---- PAE and NX ------------------------------------------------------------------------------------------------------------------
%macro PAE_LEAD 2                       ; low, high
    mov dword [PAE_TEST], %1
    mov dword [PAE_TEST + 4], %2
    invlpg [L]
%endmacro
pae:
    mov eax, cr0
    and eax, 0x7fffffff
    mov cr0, eax
    mov eax, cr4
    or eax, 0x20
    mov cr4, eax
    mov eax, PAE_PTRS
    mov cr3, eax
    mov ecx, 0xc0000080
    rdmsr
    or eax, 0x800
    wrmsr
    mov eax, cr0
    or eax, 0x80000000
    mov cr0, eax
    mov esi, 10
.again:
    PAE_LEAD A_ | 3, 0
    call L
    CHECK_EQ eax, 1
    PAE_LEAD A_ | 3, 0x80000000
    mov al, [L + 0x800]                  ; data it still is
    CATCH .no_call
    call L
.no_call:
    EXPECT_PF L, 0x11, L
    CATCH .no_jump
    jmp L + 0x100
.no_jump:
    EXPECT_PF L + 0x100, 0x11, L + 0x100
    PAE_LEAD B_ | 3, 0
    call L
    CHECK_EQ eax, 2
    ; the second page of an instruction
    mov dword [PAE_TEST + 8], (B_ + 0x1000) | 3
    mov dword [PAE_TEST + 12], 0
    invlpg [L + 0x1000]
    call L + 0xfff
    CHECK_EQ edx, 0x02020290
    mov dword [PAE_TEST + 12], 0x80000000
    invlpg [L + 0x1000]
    CATCH .no_tail
    call L + 0xfff
.no_tail:
    EXPECT_PF L + 0xfff, 0x11, L + 0x1000
    ; 2 MiB
    mov dword [PAE_DIR + 8 * 8], BIG_A | 0x83
    mov dword [PAE_DIR + 8 * 8 + 4], 0
    mov eax, cr3
    mov cr3, eax
    call BIG + 0x123000
    CHECK_EQ eax, 3
    mov dword [PAE_DIR + 8 * 8 + 4], 0x80000000
    mov eax, cr3
    mov cr3, eax
    CATCH .no_large
    call BIG + 0x123000
.no_large:
    EXPECT_PF BIG + 0x123000, 0x11, BIG + 0x123000
    dec esi
    jnz near .again
    ret

; ---- Tables and code -----------------------------------------------------------------------------------------------------------------
make_tables:
    mov edi, DIR
    xor eax, eax
    mov ecx, 0x20000 / 4
    rep stosd
    mov edi, TABLE
    mov eax, 3
    mov ecx, 1024
.fill:
    stosd
    add eax, 0x1000
    loop .fill
    mov dword [DIR], TABLE | 3
    mov dword [DIR + 4], TEST_TABLE | 3
    ; 2 MiB at 0 in small pages, 400000h in small ones
    mov edi, PAE_TABLE
    mov eax, 3
    mov ecx, 1024
.fill_pae:
    mov [edi], eax
    mov dword [edi + 4], 0
    add edi, 8
    add eax, 0x1000
    loop .fill_pae
    mov dword [PAE_PTRS], PAE_DIR | 1
    mov dword [PAE_DIR], PAE_TABLE | 3
    mov dword [PAE_DIR + 8], (PAE_TABLE + 0x1000) | 3
    mov dword [PAE_DIR + 16], PAE_TEST | 3
    ret

make_code:
    mov ebx, A_
    mov edx, 1
    call .put
    mov ebx, B_
    mov edx, 2
    call .put
    mov ebx, BIG_A + 0x123000
    mov edx, 3
    call .put
    mov ebx, BIG_B + 0x123000
    mov edx, 4
.put:
    mov byte [ebx], 0xb8                 ; mov eax, number; ret
    mov [ebx + 1], edx
    mov byte [ebx + 5], 0xc3
    mov byte [ebx + 0x100], 0xb8         ; mov eax, number; jmp ecx
    mov [ebx + 0x101], edx
    mov word [ebx + 0x105], 0xe1ff
    ; FF0h: mov eax, number * 10h; nop ...
    mov byte [ebx + 0xff0], 0xb8
    mov eax, edx
    shl eax, 4
    mov [ebx + 0xff1], eax
    mov dword [ebx + 0xff5], 0x90909090
    mov dword [ebx + 0xff9], 0x90909090
    mov word [ebx + 0xffd], 0x9090
    ; FFFh: mov edx, number * 01010100h | 90h; add eax, number; ret
    mov byte [ebx + 0xfff], 0xba
    imul eax, edx, 0x01010100
    or eax, 0x90
    mov [ebx + 0x1000], eax
    mov word [ebx + 0x1004], 0xc083
    mov [ebx + 0x1006], dl
    mov byte [ebx + 0x1007], 0xc3
    ret

    BEGIN_GDT
gdt_end:
