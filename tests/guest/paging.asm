; SPDX-License-Identifier: GPL-2.0-or-later
; Paging: error codes and CR2, accessed and dirty bits, CR0.WP, 4 MiB pages, global pages, INVLPG, PAE with NX,
; reserved bits, faults in the middle of a delivery. SDM 3A, "Paging".
%include "guest.inc"

%define DIR 0x100000                    ; 32-bit paging: identity of the first 4 MiB, and test pages
%define TABLE 0x101000
%define TEST_TABLE 0x102000             ; for linear 400000h..
%define PAE_PTRS 0x103000
%define PAE_DIR 0x104000                ; one directory for the first GiB
%define PAE_TABLE 0x106000              ; for linear 400000h..
%define PAE_IDENTITY 0x107000
%define FRAME 0x200000
%define L 0x400000                      ; linear address of the test page

%macro SET_PTE 1                        ; the test page's entry, then INVLPG
    mov dword [TEST_TABLE], %1
    invlpg [L]
%endmacro

; PF_RAISES error, cr2, instruction
%macro PF_RAISES 3+
    RAISES PF, %1, %3
    CHECK_EQ dword [got_cr2], %2
%endmacro
%macro USER_PF 3+
    USER_RAISES PF, %1, 2, %3
    CHECK_EQ dword [got_cr2], %2
%endmacro

start:
    ENTER_PROTECTED
    ; identity map of 0..3FFFFF, user-accessible, in 4 KiB pages
    mov edi, TABLE
    mov eax, 7
    mov ecx, 1024
.fill:
    stosd
    add eax, 0x1000
    loop .fill
    mov edi, DIR
    mov ecx, 1024
    xor eax, eax
    rep stosd
    mov dword [DIR], TABLE | 7
    mov dword [DIR + 4], TEST_TABLE | 7
    mov edi, TEST_TABLE
    mov ecx, 1024
    rep stosd
    mov eax, DIR
    mov cr3, eax
    ; PG needs PE; here it is set. NW without CD is refused.
    mov eax, cr0
    mov ecx, eax
    and eax, ~0x40000000
    or eax, 0x20000000
    RAISES GP, 0, mov cr0, eax
    mov eax, ecx
    and eax, 0x9fffffff
    or eax, 0x80000000
    mov cr0, eax
    jmp .paged
.paged:
    mov dword [FRAME], 0x11111111

    ; ---- 4 KiB pages: present, writable, user ---------------------------------------------------------------
    PF_RAISES 0, L, mov eax, [L]
    PF_RAISES 2, L + 8, mov [L + 8], eax
    USER_PF 4, L, mov eax, [L]
    USER_PF 6, L, mov [L], eax
    SET_PTE FRAME | 1                    ; read-only, supervisor
    RUNS mov eax, [L]
    CHECK_EQ dword [TEST_TABLE], FRAME | 0x21
    USER_PF 5, L, mov eax, [L]
    USER_PF 7, L, mov [L], eax
    RUNS mov [L], eax                    ; CR0.WP clear: the supervisor may
    CHECK_EQ dword [TEST_TABLE], FRAME | 0x61
    mov eax, cr0
    or eax, 0x10000
    mov cr0, eax
    PF_RAISES 3, L + 4, mov [L + 4], eax
    PF_RAISES 3, L, inc dword [L]
    PF_RAISES 3, L, bts dword [L], 0
    SET_PTE FRAME | 5                    ; read-only, user
    USER_PF 7, L, mov [L], eax
    USER_RUNS 2, mov eax, [L]
    PF_RAISES 3, L, mov [L], eax
    SET_PTE FRAME | 7
    USER_RUNS 2, mov eax, [L]
    CHECK_EQ dword [TEST_TABLE], FRAME | 0x27
    USER_RUNS 2, mov [L], eax
    CHECK_EQ dword [TEST_TABLE], FRAME | 0x67
    ; rights of both levels
    mov dword [DIR + 4], TEST_TABLE | 5
    invlpg [L]
    USER_PF 7, L, mov [L], eax
    mov dword [DIR + 4], TEST_TABLE | 3
    invlpg [L]
    USER_PF 5, L, mov eax, [L]
    mov dword [DIR + 4], TEST_TABLE | 7
    invlpg [L]
    ; across pages: CR2 is the second page's first byte, nothing is written
    mov dword [L + 0xffc], 0
    PF_RAISES 2, L + 0x1000, mov [L + 0xffe], eax
    CHECK_EQ dword [L + 0xffc], 0
    ; fetches
    mov byte [L], 0xc3
    RUNS call L
    SET_PTE 0
    mov dword [resume], .fetch_done
    mov [resume_esp], esp
    jmp L
.fetch_done:
    CHECK_EQ dword [got_vector], PF
    CHECK_EQ dword [got_error], 0
    CHECK_EQ dword [got_eip], L
    CHECK_EQ dword [got_cr2], L
    ; an instruction into the next page
    SET_PTE FRAME | 7
    mov byte [L + 0xfff], 0xb8
    mov dword [resume], .fetch2_done
    jmp L + 0xfff
.fetch2_done:
    CHECK_EQ dword [got_eip], L + 0xfff
    CHECK_EQ dword [got_cr2], L + 0x1000

    ; ---- INVLPG and the TLB ------------------------------------------------------------------------------------
    mov dword [FRAME + 0x1000], 0x22222222
    mov dword [FRAME], 0x11111111
    SET_PTE FRAME | 7
    CHECK_EQ dword [L], 0x11111111
    SET_PTE (FRAME + 0x1000) | 7
    CHECK_EQ dword [L], 0x22222222
    mov dword [TEST_TABLE], FRAME | 7
    mov eax, cr3
    mov cr3, eax
    CHECK_EQ dword [L], 0x11111111

    ; ---- the GDT, IDT and TSS are read as supervisor; writes to read-only descriptors fault ---------------------------
    SET_PTE FRAME | 1
    mov esi, gdt
    mov edi, FRAME
    mov ecx, (gdt_end - gdt) / 4
    rep movsd
    and byte [FRAME + DATA16 + 5], ~1    ; not accessed
    lgdt [paged_gdt]
    mov ax, DATA16
    PF_RAISES 3, L + DATA16 + 5, mov fs, ax
    USER_RUNS 2, nop                     ; through a supervisor-only GDT
    lgdt [gdt_pointer]

    ; ---- a page fault while delivering: IDT entry not present ------------------------------------------------------------
    SET_PTE FRAME | 3
    mov esi, IDT_AT
    mov edi, FRAME + 0x1000 - 0x90 * 8
    mov ecx, 0x90 * 8 / 4
    rep movsd
    mov dword [resume], .idt_done
    mov [resume_esp], esp
    lidt [paged_idt]                     ; #PF's gate is present, INT 90h's is in the missing page
    mov dword [got_vector], NOTHING
    int 0x90
.idt_done:
    CHECK_EQ dword [got_vector], PF
    CHECK_EQ dword [got_error], 0
    CHECK_EQ dword [got_cr2], L + 0x1000
    lidt [idt_pointer]

    ; ---- 4 MiB pages ---------------------------------------------------------------------------------------------------------
    mov eax, cr4
    or al, 0x10
    mov cr4, eax
    mov dword [DIR + 8], 0x00000087      ; linear 800000h -> 0, PS
    CHECK_EQ dword [0x800000 + FRAME + 0x1000], 0x22222222
    CHECK_EQ dword [DIR + 8], 0xa7
    mov [0x800000 + FRAME + 0x1004], eax
    CHECK_EQ dword [DIR + 8], 0xe7
    mov dword [DIR + 8], 0x00200087      ; reserved bit 21
    invlpg [0x800000]
    PF_RAISES 9, 0x800000, mov eax, [0x800000]
    USER_PF 13, 0x800000, mov eax, [0x800000]
    mov eax, cr4
    and al, ~0x10
    mov cr4, eax
    mov dword [DIR + 8], TEST_TABLE | 0x87 ; without PSE the bit is ignored
    SET_PTE FRAME | 7
    mov eax, [L]
    CHECK_EQ [0x800000], eax

    ; ---- PAE -------------------------------------------------------------------------------------------------------------------
    mov edi, PAE_PTRS
    mov ecx, 0x5000 / 4
    xor eax, eax
    rep stosd
    mov edi, PAE_IDENTITY
    mov eax, 7
    mov ecx, 512
.pae_fill:
    mov [edi], eax
    mov dword [edi + 4], 0
    add edi, 8
    add eax, 0x1000
    loop .pae_fill
    mov dword [PAE_PTRS], PAE_DIR | 1
    mov dword [PAE_DIR], PAE_IDENTITY | 7
    mov dword [PAE_DIR + 8], 0x200087    ; 2 MiB page: 200000h
    mov dword [PAE_DIR + 16], PAE_TABLE | 7 ; 400000h
    mov dword [PAE_TABLE], FRAME | 7
    ; to PAE with paging off in between
    mov eax, cr0
    and eax, 0x7fffffff
    mov cr0, eax
    mov eax, cr4
    or al, 0x20
    mov cr4, eax
    mov eax, PAE_PTRS
    mov cr3, eax
    mov eax, cr0
    or eax, 0x80000000
    ; a reserved bit in a present PDPTE refuses the load
    mov dword [PAE_PTRS + 8], 2 | 1
    RAISES GP, 0, mov cr0, eax
    mov dword [PAE_PTRS + 8], 0
    mov cr0, eax
    jmp .pae
.pae:
    mov eax, PAE_PTRS
    mov dword [PAE_PTRS + 8], 0x1e1
    RAISES GP, 0, mov cr3, eax
    mov dword [PAE_PTRS + 8], 0
    mov dword [FRAME], 0x33333333
    CHECK_EQ dword [L], 0x33333333
    CHECK_EQ dword [PAE_TABLE], FRAME | 0x27 ; accessed
    CHECK_EQ dword [PAE_DIR + 8], 0x2000e7 ; the identity 2 MiB page: accessed and dirty
    PF_RAISES 0, 0x40000000, mov eax, [0x40000000] ; no PDPTE
    mov dword [PAE_TABLE + 12], 0x80000000
    mov dword [PAE_TABLE + 8], FRAME | 7
    PF_RAISES 9, L + 0x1000, mov eax, [L + 0x1000] ; NX is reserved without EFER.NXE
    mov ecx, 0xc0000080
    rdmsr
    or eax, 0x800
    wrmsr
    RUNS mov eax, [L + 0x1000]
    mov byte [FRAME], 0xc3
    mov dword [resume], .nx_done
    mov [resume_esp], esp
    mov dword [got_vector], NOTHING
    jmp L + 0x1000
.nx_done:
    CHECK_EQ dword [got_vector], PF
    CHECK_EQ dword [got_error], 0x11     ; present, instruction fetch
    CHECK_EQ dword [got_cr2], L + 0x1000
    RUNS call L
    ; with NXE a fetch from an absent page says so, too
    mov dword [resume], .nx2_done
    jmp L + 0x2000
.nx2_done:
    CHECK_EQ dword [got_error], 0x10
    ; bits above the 36 address bits are reserved
    mov dword [PAE_TABLE + 24], FRAME | 7
    mov dword [PAE_TABLE + 28], 0x10
    PF_RAISES 9, L + 0x3000, mov eax, [L + 0x3000]
    mov dword [PAE_DIR + 24], 0x402087   ; 2 MiB page with a reserved bit
    PF_RAISES 9, 0x600000, mov eax, [0x600000]

    ; ---- global pages stay over a load of CR3 if CR4.PGE is set (a guest may not rely on it); a change of PGE flushes --
    mov eax, cr4
    or al, 0x80
    mov cr4, eax
    mov dword [PAE_TABLE + 32], FRAME | 0x107
    CHECK_EQ byte [L + 0x4000], 0xc3
    mov dword [PAE_TABLE + 32], (FRAME + 0x1000) | 0x107
    mov eax, cr4
    and al, ~0x80
    mov cr4, eax
    CHECK_EQ dword [L + 0x4000], 0x22222222
    ; reserved CR4 bits
    mov eax, cr4
    or eax, 0x80000000
    RAISES GP, 0, mov cr4, eax
    ; clearing PE with PG set
    mov eax, cr0
    and al, ~1
    RAISES GP, 0, mov cr0, eax
    PASS

align 4
paged_gdt: dw gdt_end - gdt - 1
    dd L
paged_idt: dw 0x7ff
    dd L + 0x1000 - 0x90 * 8

BEGIN_GDT
gdt_end:
