; SPDX-License-Identifier: GPL-2.0-or-later
; Paging as user code sees it and leaves it: accessed and dirty bits set exactly, error codes and CR2, changes of
; translations with the least invalidation the manual asks for, large pages, two address spaces, accesses across
; pages, string instructions that fault in the middle, and pages all over the 4 GiB.
; SDM 3A, "Paging", "Invalidation of TLBs and Paging-Structure Caches".
%include "user.inc"

; -D NO_CODE_READS leaves out what reads code that ran, -D IN_QEMU what its emulator gets wrong.
%define L 0x08048000            ; where programs used to be linked
%define HIGH 0xbffff000         ; where their stacks used to be
%define FRAME(n) (FRAMES + (n) * 0x1000)
%define MMIO 0x2000000          ; no memory: see run_guest.c
%define PRIVATE_DIR 0x180000    ; the second address space

start:
    START_KERNEL
    call test_bits
    call test_error_codes
    call test_changes
    call test_stale
    call test_straddle
    call test_strings
    call test_large
    call test_spaces
    call test_write_protect
    call test_places
    call test_devices
    call test_many
%if PAGING == PAGING_PAE
    call test_execute_disable
%endif
    PASS

bits 32
; ---- Accessed and dirty --------------------------------------------------------------------------------------
test_bits:
    mov dword [FRAME(0)], 0x11111111
    MAP L, FRAME(0) | PWU
    PTE_IS L, FRAME(0) | PWU
    SHOWS eax, 0x11111111, {mov eax, [L]}
    PTE_IS L, FRAME(0) | PWU | A
    U_RUNS {mov [L + 4], eax}
    PTE_IS L, FRAME(0) | PWU | A | D
    ; a write first
    MAP L, FRAME(0) | PWU
    U_RUNS {mov dword [L + 8], 5}
    PTE_IS L, FRAME(0) | PWU | A | D
    ; a read and write in one
    MAP L, FRAME(0) | PWU
    U_RUNS inc dword [L + 8]
    PTE_IS L, FRAME(0) | PWU | A | D
    CHECK_EQ dword [FRAME(0) + 8], 6
    ; CMPXCHG and MOVS
    MAP L, FRAME(0) | PWU
    MAP L + 0x1000, FRAME(1) | PWU
    mov esi, L
    mov edi, L + 0x1000
    U_RUNS movsd
    PTE_IS L, FRAME(0) | PWU | A
    PTE_IS L + 0x1000, FRAME(1) | PWU | A | D
    ; neighbours are not touched
    MAP L - 0x1000, FRAME(2) | PWU
    MAP L, FRAME(0) | PWU
    MAP L + 0x1000, FRAME(1) | PWU
    U_RUNS {mov eax, [L]}
    PTE_IS L - 0x1000, FRAME(2) | PWU
    PTE_IS L + 0x1000, FRAME(1) | PWU
    ; clearing them: A, then D, after which both come again
    MAP L, FRAME(0) | PWU
    U_RUNS {mov eax, [L]}, {mov [L], eax}
    PTE_IS L, FRAME(0) | PWU | A | D
    MAP L, FRAME(0) | PWU | D
    U_RUNS {mov eax, [L]}
    PTE_IS L, FRAME(0) | PWU | A | D
    MAP L, FRAME(0) | PWU | A
    U_RUNS {mov eax, [L]}
    PTE_IS L, FRAME(0) | PWU | A
    U_RUNS {mov [L], eax}
    PTE_IS L, FRAME(0) | PWU | A | D
    ; an access that faults sets neither
    MAP L, FRAME(0) | PU
    U_PF 7, L, {mov [L], eax}
    PTE_IS L, FRAME(0) | PU
    MAP L, FRAME(0) | P | W
    U_PF 5, L, {mov eax, [L]}
    PTE_IS L, FRAME(0) | P | W
    MAP L, FRAME(0) | W | U
    U_PF 6, L, {mov [L], eax}
    PTE_IS L, FRAME(0) | W | U
    ; reads on a page that may not be written, D of an old time stays
    MAP L, FRAME(0) | PU | D
    U_RUNS {mov eax, [L]}
    PTE_IS L, FRAME(0) | PU | D | A
    ; instruction fetches set A alone
    mov dword [FRAME(3)], 0x909030cd     ; int BACK
    MAP L, FRAME(3) | PWU
    ENTER L
    CAME_BACK
    PTE_IS L, FRAME(3) | PWU | A
    ; the frame written through another page: each has its own bits
    MAP L, FRAME(0) | PWU
    MAP L + 0x5000, FRAME(0) | PWU
    U_RUNS {mov dword [L], 0x77777777}, {mov eax, [L + 0x5000]}
    CHECK_EQ eax, 0x77777777
    PTE_IS L, FRAME(0) | PWU | A | D
    PTE_IS L + 0x5000, FRAME(0) | PWU | A
    ; the kernel's accesses, too, then the user's
    MAP L, FRAME(0) | PWU
    mov eax, [L]
    PTE_IS L, FRAME(0) | PWU | A
    U_RUNS {mov eax, [L]}
    PTE_IS L, FRAME(0) | PWU | A
    U_RUNS {mov [L], eax}
    PTE_IS L, FRAME(0) | PWU | A | D
    ret

; ---- Error codes and CR2 -------------------------------------------------------------------------------------
test_error_codes:
    MAP L, 0
    U_PF 4, L, {mov eax, [L]}
    U_PF 6, L + 0x123, {mov [L + 0x123], al}
    U_PF 6, L + 0x20, inc dword [L + 0x20] ; a write before all
    U_PF 4, L, {cmp [L], eax}
    U_PF 4, L + 0xfff, {mov al, [L + 0xfff]}
    mov ebx, L
    U_PF 4, L + 8, {movups xmm0, [ebx + 8]}
    U_PF 6, L + 8, {movups [ebx + 8], xmm0}
    U_PF 4, L, fld qword [ebx]
    U_PF 6, L, fstp qword [ebx]
    U_PF 6, L, {xchg [ebx], eax}
    U_PF 6, L, lock inc dword [ebx]
    mov dword [user_esp], L + 0x10
    U_PF 6, L + 0xc, push eax
    CHECK_EQ dword [got_esp], L + 0x10
    U_PF 4, L + 0x10, pop eax
    U_PF 4, L + 0x10, ret
    U_PF 6, L + 0xc, {call piece}
    U_PF 6, L + 0xc, push cs
    U_PF 6, L + 0xc, pushfd
    U_PF 4, L + 0x10, popfd
    U_PF 4, L + 0x10, pop ds
    U_RAISES PF, 4, iretd                ; any of its three words may be the first read
    CHECK_EQ dword [got_esp], L + 0x10
    mov dword [user_esp], U_STACK
    U_RAISES PF, 4, {les eax, [L]}       ; either half first
    U_PF 6, L, {mov [L], ds}
    U_PF 6, L, smsw [L]
    U_PF 4, L, jmp far [L]
    U_PF 4, L, {bound eax, [L]}
    ; a null in the directory
    U_PF 4, 0x70000000, {mov eax, [0x70000000]}
    U_PF 6, 0x70000000, {mov [0x70000000], eax}
    U_PF 4, 0xfffffffc, {mov eax, [0xfffffffc]}
    ; the kernel's pages
    U_PF 5, 0x8000, {mov eax, [0x8000]}
    U_PF 7, 0x8000, {mov [0x8000], eax}
    U_PF 5, IDT_AT, {mov eax, [IDT_AT]}
    ; fetches: bit 4 tells only with PAE and NX
%if PAGING == PAGING_PAE
%define FETCH 0x10
%else
%define FETCH 0
%endif
    ENTER L
    RAISED PF, FETCH | 4, L
    CHECK_EQ dword [got_cr2], L
    ENTER start
    RAISED PF, FETCH | 5, start
    CHECK_EQ dword [got_cr2], start
    USER_CODE .jump
    jmp L + 0x234
    END_USER
    ENTER .jump
    RAISED PF, FETCH | 4, L + 0x234
    CHECK_EQ dword [got_cr2], L + 0x234
    ; CR2 stays when nothing faults
    U_RUNS nop
    CHECK_EQ dword [got_cr2], L + 0x234
    ret

; ---- Changes -------------------------------------------------------------------------------------------------
test_changes:
    mov dword [FRAME(0)], 0x11111111
    mov dword [FRAME(1)], 0x22222222
    ; the handler maps the page; the instruction goes on
    MAP L, 0
    USER_CODE .reads
    mov ecx, [L]
    inc ecx
    END_USER
    ENTER .reads
    RAISED PF, 4, .reads
    MAP_STALE L, FRAME(0) | PWU          ; what was absent is cached nowhere
    call continue_user
    CAME_BACK
    CHECK_EQ ecx, 0x11111112
    ; absent in the directory before
    ENTER .reads_far
    RAISED PF, 4, .reads_far
    MAP_STALE 0x61234000, FRAME(1) | PWU
    call continue_user
    CAME_BACK
    CHECK_EQ ecx, 0x22222222
    USER_CODE .reads_far
    mov ecx, [0x61234000]
    END_USER
    ; another frame
    MAP L, FRAME(1) | PWU
    SHOWS eax, 0x22222222, {mov eax, [L]}
    MAP_STALE L, FRAME(0) | PWU
    FLUSH
    SHOWS eax, 0x11111111, {mov eax, [L]}
    U_RUNS {mov dword [L + 4], 1}
    MAP L, FRAME(1) | PWU
    U_RUNS {mov dword [L + 4], 2}
    CHECK_EQ dword [FRAME(0) + 4], 1
    CHECK_EQ dword [FRAME(1) + 4], 2
    ; away, and to another place
    MAP L, 0
    U_PF 4, L, {mov eax, [L]}
    MAP L, FRAME(1) | PWU
    SHOWS eax, 0x22222222, {mov eax, [L]}
    ; less: read-only, then the kernel's, after INVLPG
    MAP L, FRAME(1) | PU
    U_PF 7, L, {mov [L], eax}
    SHOWS eax, 0x22222222, {mov eax, [L]}
    MAP L, FRAME(1) | P | W
    U_PF 5, L, {mov eax, [L]}
    ; rights and presence in the directory
    MAP L, FRAME(1) | PWU
    U_RUNS {mov eax, [L]}
    mov edi, [.directory_entry]
    and dword [edi], ~W
    FLUSH
%if PAGING != PAGING_PAE
    U_PF 7, L, {mov [L], eax}
    and dword [edi], ~U
    FLUSH
    U_PF 5, L, {mov eax, [L]}
%else
    U_PF 7, L, {mov [L], eax}
    and dword [edi], ~U
    FLUSH
    U_PF 5, L, {mov eax, [L]}
%endif
    or dword [edi], W | U
    and dword [edi], ~P
    FLUSH
    U_PF 4, L, {mov eax, [L]}
    or dword [edi], P
    SHOWS eax, 0x22222222, {mov eax, [L]}
    ; INVLPG works on any address of the page
    MAP_STALE L, FRAME(0) | PWU
    invlpg [L + 0xabc]
    SHOWS eax, 0x11111111, {mov eax, [L]}
    ret
align 4
%if PAGING == PAGING_PAE
.directory_entry: dd PAE_DIRS + (L >> 21) * 8
%else
.directory_entry: dd PAGE_DIR + (L >> 22) * 4
%endif

; ---- More rights need no invalidation: an access that faults for want of them looks at the tables again ------
test_stale:
    mov dword [FRAME(0)], 0x33333333
    MAP L, FRAME(0) | PU
    SHOWS eax, 0x33333333, {mov eax, [L]}
    MAP_STALE L, FRAME(0) | PWU | A
    ; SDM 3A, "Optional Invalidation": one spurious #PF is allowed, and no more
    USER_CODE .writes
    mov dword [L], 0x44444444
    END_USER
    ENTER .writes
    cmp dword [got_vector], PF
    jne .written
    call continue_user
.written:
    CAME_BACK
    CHECK_EQ dword [FRAME(0)], 0x44444444
    PTE_IS L, FRAME(0) | PWU | A | D
    MAP L, FRAME(0) | P | W
    U_PF 5, L, {mov eax, [L]}
    MAP_STALE L, FRAME(0) | PWU
    USER_CODE .reads
    mov ecx, [L]
    END_USER
    ENTER .reads
    cmp dword [got_vector], PF
    jne .read
    call continue_user
.read:
    CAME_BACK
    CHECK_EQ ecx, 0x44444444
    ret

; ---- Across two pages ----------------------------------------------------------------------------------------
test_straddle:
    MAP L, FRAME(0) | PWU
    MAP L + 0x1000, 0
    mov dword [FRAME(0) + 0xffc], 0x55555555
    U_PF 4, L + 0x1000, {mov eax, [L + 0xffd]}
    U_PF 6, L + 0x1000, {mov [L + 0xffe], eax}
    CHECK_EQ dword [FRAME(0) + 0xffc], 0x55555555 ; nothing was written
    U_PF 6, L + 0x1000, {add dword [L + 0xfff], 1}
    U_PF 4, L + 0x1000, {movups xmm0, [L + 0xff8]}
%ifndef IN_QEMU                          ; it stores the first half all the same
    U_PF 6, L + 0x1000, {movups [L + 0xff8], xmm0}
%endif
    CHECK_EQ dword [FRAME(0) + 0xffc], 0x55555555
    ; the first absent
    MAP L, 0
    MAP L + 0x1000, FRAME(1) | PWU
    U_PF 4, L + 0xffe, {mov eax, [L + 0xffe]}
    U_PF 6, L + 0xffe, {mov [L + 0xffe], eax}
    PTE_IS L + 0x1000, FRAME(1) | PWU
    ; the second read-only
    MAP L, FRAME(0) | PWU
    MAP L + 0x1000, FRAME(1) | PU
    U_PF 7, L + 0x1000, {mov [L + 0xffe], eax}
    CHECK_EQ dword [FRAME(0) + 0xffc], 0x55555555
    ; frames in reverse order; all there
    MAP L, FRAME(5) | PWU
    MAP L + 0x1000, FRAME(4) | PWU
    U_RUNS {mov dword [L + 0xffe], 0x12345678}
    CHECK_EQ word [FRAME(5) + 0xffe], 0x5678
    CHECK_EQ word [FRAME(4)], 0x1234
    SHOWS eax, 0x12345678, {mov eax, [L + 0xffe]}
    PTE_IS L, FRAME(5) | PWU | A | D
    PTE_IS L + 0x1000, FRAME(4) | PWU | A | D
    ; the stack over a page that comes with the fault
    MAP L, 0
    MAP L + 0x1000, FRAME(4) | PWU
    USER_CODE .stack
    mov esp, L + 0x1008
    push dword 1
    push dword 2
.faults:
    push dword 3
    pop eax
    pop ebx
    pop ecx
    END_USER
    ENTER .stack
    RAISED PF, 6, .faults
    CHECK_EQ dword [got_cr2], L + 0xffc
    MAP_STALE L, FRAME(5) | PWU
    call continue_user
    CAME_BACK
    CHECK_EQ eax, 3
    CHECK_EQ ebx, 2
    CHECK_EQ ecx, 1
    ret

; ---- String instructions: registers show how far they came ---------------------------------------------------
test_strings:
    MAP L, FRAME(0) | PWU
    MAP L + 0x1000, 0
    MAP L + 0x8000, FRAME(6) | PWU
    MAP L + 0x9000, FRAME(7) | PWU
    mov edi, FRAME(6)
    mov ecx, 0x2000 / 4
    xor eax, eax
.fill:
    stosd
    inc eax
    loop .fill
    USER_CODE .moves
    rep movsd
    END_USER
    mov esi, L + 0x8800
    mov edi, L + 0xff0
    mov ecx, 0x100
    ENTER .moves
    RAISED PF, 6, .moves
    CHECK_EQ dword [got_cr2], L + 0x1000
    CHECK_EQ ecx, 0xfc
    CHECK_EQ esi, L + 0x8810
    CHECK_EQ edi, L + 0x1000
    MAP_STALE L + 0x1000, FRAME(1) | PWU
    call continue_user
    CAME_BACK
    CHECK_EQ ecx, 0
    CHECK_EQ edi, L + 0xff0 + 0x400
    CHECK_EQ dword [FRAME(0) + 0xffc], 0x203
    CHECK_EQ dword [FRAME(1) + 0x3ec], 0x2ff
    ; the source faults, with an element across the boundary
    MAP L + 0x1000, 0
    mov esi, L + 0xff2
    mov edi, L + 0x9000
    mov ecx, 0x10
    ENTER .moves
    RAISED PF, 4, .moves
    CHECK_EQ dword [got_cr2], L + 0x1000
    CHECK_EQ ecx, 13
    CHECK_EQ esi, L + 0xffe
    ; downwards
    USER_CODE .down
    std
.moves_down:
    rep stosb
    cld
    END_USER
    mov edi, L + 0x2010
    mov ecx, 0x20
    MAP L + 0x2000, FRAME(2) | PWU
    ENTER .down
    RAISED PF, 6, .moves_down
    CHECK_EQ dword [got_cr2], L + 0x1fff
    CHECK_EQ ecx, 0xf
    cld
    MAP_STALE L + 0x1000, FRAME(1) | PWU
    call continue_user
    CAME_BACK
    CHECK_EQ ecx, 0
    CHECK_EQ edi, L + 0x2010 - 0x20
    ; comparing
    MAP L + 0x1000, 0
    mov edi, FRAME(0)
    mov ecx, 0x400
    mov eax, 0x41414141
    rep stosd
    mov edi, L + 0xf00
    mov eax, 0x41
    mov ecx, 0x200
    U_PF 4, L + 0x1000, repe scasb
    CHECK_EQ ecx, 0x100
    CHECK_EQ edi, L + 0x1000
    ret

; ---- Large pages ---------------------------------------------------------------------------------------------
%if PAGING == PAGING_PAE
%define LARGE_SIZE 0x200000
%define LARGE_ENTRY (PAE_DIRS + (0x50000000 >> 21) * 8)
%else
%define LARGE_SIZE 0x400000
%define LARGE_ENTRY (PAGE_DIR + (0x50000000 >> 22) * 4)
%endif
test_large:
    mov dword [FRAMES + LARGE_SIZE - 4], 0x66666666
    mov dword [LARGE_ENTRY], FRAMES | PWU | PS
    SHOWS eax, 0x66666666, {mov eax, [0x50000000 + LARGE_SIZE - 4]}
    CHECK_EQ dword [LARGE_ENTRY], FRAMES | PWU | PS | A
    U_RUNS {mov dword [0x50000000], 0x77777777}
    CHECK_EQ dword [FRAMES], 0x77777777
    CHECK_EQ dword [LARGE_ENTRY], FRAMES | PWU | PS | A | D
    mov dword [LARGE_ENTRY], FRAMES | PU | PS
    invlpg [0x50001000]
    U_PF 7, 0x50000000, {mov [0x50000000], eax}
    CHECK_EQ dword [LARGE_ENTRY], FRAMES | PU | PS
    SHOWS eax, 0x77777777, {mov eax, [0x50000000]}
    mov dword [LARGE_ENTRY], FRAMES | P | W | PS
    FLUSH
    U_PF 5, 0x50000000, {mov eax, [0x50000000]}
    mov dword [LARGE_ENTRY], FRAMES | PWU | PS | 0x100000 ; reserved
    FLUSH
    U_PF 13, 0x50000000, {mov eax, [0x50000000]}
    U_PF 15, 0x50000000, {mov [0x50000000], eax}
    ; from a large page to small ones that show other frames
    mov dword [LARGE_ENTRY], FRAMES | PWU | PS
    FLUSH
    U_RUNS {mov eax, [0x50003000]}
    mov dword [LARGE_ENTRY], 0
    MAP_STALE 0x50003000, FRAME(9) | PWU
    FLUSH
    mov dword [FRAME(9)], 0x99999999
    SHOWS eax, 0x99999999, {mov eax, [0x50003000]}
    U_PF 4, 0x50000000, {mov eax, [0x50000000]}
    mov dword [LARGE_ENTRY], 0
    FLUSH
    U_PF 4, 0x50003000, {mov eax, [0x50003000]}
    ret

; ---- Two address spaces --------------------------------------------------------------------------------------
test_spaces:
    ; the second is a copy of the first, apart from one table
    mov esi, PAGE_DIR
    mov edi, PRIVATE_DIR
    mov ecx, 0x5000 / 4
    rep movsd
    mov dword [FRAME(0)], 0xaaaaaaaa
    mov dword [FRAME(1)], 0xbbbbbbbb
    mov dword [FRAME(0) + 8], 0
    mov dword [FRAME(1) + 4], 0
    MAP L, FRAME(0) | PWU
    mov edi, 0x190000
    mov ecx, 0x400
    xor eax, eax
    rep stosd
%if PAGING == PAGING_PAE
    mov eax, PRIVATE_DIR + 0x1000 | P
    mov edi, PRIVATE_DIR
.pointer:
    mov [edi], eax
    add edi, 8
    add eax, 0x1000
    cmp edi, PRIVATE_DIR + 32
    jb .pointer
    mov dword [PRIVATE_DIR + 0x1000 + (L >> 21) * 8], 0x190000 | PWU
    mov dword [0x190000 + (L >> 12 & 511) * 8], FRAME(1) | PWU
%else
    mov dword [PRIVATE_DIR + (L >> 22) * 4], 0x190000 | PWU
    mov dword [0x190000 + (L >> 12 & 1023) * 4], FRAME(1) | PWU
%endif
    mov dword [.rounds], 50
.next:
    mov eax, PRIVATE_DIR
    mov cr3, eax
    SHOWS eax, 0xbbbbbbbb, {mov eax, [L]}
    U_RUNS inc dword [L + 4]
    U_PF 4, L + 0x1000, {mov eax, [L + 0x1000]}
    mov eax, PAGE_DIR
    mov cr3, eax
    SHOWS eax, 0xaaaaaaaa, {mov eax, [L]}
    U_RUNS inc dword [L + 8]
    dec dword [.rounds]
    jnz .next
    CHECK_EQ dword [FRAME(1) + 4], 50
    CHECK_EQ dword [FRAME(0) + 8], 50
    ; the same code at the same place in both, other code elsewhere
    mov dword [FRAME(10)], 0x30cd05b0    ; mov al, 5; int BACK
    mov dword [FRAME(11)], 0x30cd07b0    ; mov al, 7
    MAP L, FRAME(10) | PWU
%if PAGING == PAGING_PAE
    mov dword [0x190000 + (L >> 12 & 511) * 8], FRAME(11) | PWU
%else
    mov dword [0x190000 + (L >> 12 & 1023) * 4], FRAME(11) | PWU
%endif
    mov dword [.rounds], 50
.next_code:
    mov eax, PRIVATE_DIR
    mov cr3, eax
    ENTER L
    CAME_BACK
    CHECK_EQ al, 7
    mov eax, PAGE_DIR
    mov cr3, eax
    ENTER L
    CAME_BACK
    CHECK_EQ al, 5
    dec dword [.rounds]
    jnz .next_code
    ret
align 4
.rounds: dd 0

; ---- CR0.WP is about the kernel ------------------------------------------------------------------------------
test_write_protect:
    MAP L, FRAME(0) | PU
    mov eax, cr0
    and eax, ~CR0_WP
    mov cr0, eax
    mov dword [L], 0x12121212            ; the kernel may
    U_PF 7, L, {mov [L], eax}
    SHOWS eax, 0x12121212, {mov eax, [L]}
    mov eax, cr0
    or eax, CR0_WP
    mov cr0, eax
    RAISES PF, 3, mov [L], eax
    U_PF 7, L, {mov [L], eax}
    ret

; ---- All over the address space: code, data and stack at every place -----------------------------------------
; PLACE linear: code there that adds data of the same page, of the page behind, and uses a stack in the third
%macro PLACE 1
    MAP %1, FRAME(20) | PU
    MAP (%1) + 0x1000, FRAME(21) | PWU
    MAP (%1) + 0x2000, FRAME(22) | PWU
    mov dword [FRAME(20) + 0x800], 0x01010101
    mov dword [FRAME(21)], 0x10101010
    mov esi, .place_code
    mov edi, FRAME(20)
    mov ecx, .place_end - .place_code
    rep movsb
    mov dword [user_esp], ((%1) + 0x3000) & 0xffffffff
    mov ebp, %1
    ENTER %1
    CAME_BACK
    CHECK_EQ eax, 0x11111111
    CHECK_EQ ebx, %1 + .place_called - .place_code
    CHECK_EQ dword [FRAME(22) + 0xffc], %1 + .place_called - .place_code
    CHECK_EQ dword [FRAME(21) + 4], 0x11111111
    PTE_IS %1, FRAME(20) | PU | A
    PTE_IS (%1) + 0x1000, FRAME(21) | PWU | A | D
    MAP %1, 0
    MAP (%1) + 0x1000, 0
    MAP (%1) + 0x2000, 0
    mov dword [user_esp], U_STACK
%endmacro
test_places:
    PLACE 0x00010000 + 0x1000000
    PLACE 0x08048000
    PLACE 0x3effd000
    PLACE 0x3f000000                     ; round the edges of what an engine may want for itself
    PLACE 0x3ffff000
    PLACE 0x40000000
    PLACE 0x48048000
    PLACE 0x7fffe000
    PLACE 0x80000000
    PLACE 0xb7ff0000
    PLACE 0xbfffe000
    PLACE 0xbffff000
    PLACE 0xc0000000
    PLACE 0xf7fff000
    PLACE 0xffffc000
    PLACE 0xffffd000
    ; low pages, below what hosts let processes map: code, data, stack. The kernel lives there in 4 KiB pages.
    MAP 0x70000, FRAME(20) | PU
    mov dword [FRAME(21)], 0x10101010
    mov dword [user_esp], U_STACK
    MAP 0x1000, FRAME(21) | PWU
    MAP 0, FRAME(20) | PU
    SHOWS eax, 0x10101010, {mov eax, [0x1000]}
    mov dword [FRAME(20) + 0x800], 0x01010101
    SHOWS eax, 0x01010101, {mov eax, [0x800]}
    mov dword [FRAME(20)], 0x30cd05b0    ; mov al, 5; int BACK
    ENTER 0
    CAME_BACK
    CHECK_EQ al, 5
    ENTER 0x70000
    CAME_BACK
    CHECK_EQ al, 5
    MAP 0, P | W
    MAP 0x1000, 0x1000 | P | W
    MAP 0x70000, 0x70000 | P | W
    U_PF 5, 0, {mov eax, [0]}
    ; data at an address whose neighbour a 1 GiB further on is code
    mov dword [FRAME(21)], 0x21212121
    MAP 0x10400000, FRAME(21) | PWU
    MAP 0x50400000, FRAME(20) | PU
    MAP 0x90400000, FRAME(22) | PWU
    mov dword [FRAME(22)], 0x22222222
    mov dword [.rounds], 20
.mixed:
    ENTER 0x50400000
    CAME_BACK
    CHECK_EQ al, 5
    SHOWS eax, 0x21212121, {mov eax, [0x10400000]}
    SHOWS eax, 0x22222222, {mov eax, [0x90400000]}
%ifndef NO_CODE_READS
    SHOWS eax, 0x30cd05b0, {mov eax, [0x50400000]}
%endif
    dec dword [.rounds]
    jnz .mixed
    ret
align 4
.rounds: dd 0
.place_code:
%ifndef NO_CODE_READS
    mov eax, [ebp + 0x800]
%else
    mov eax, 0x01010101
%endif
    add eax, [ebp + 0x1000]
    mov [ebp + 0x1004], eax
    call .place_routine
.place_called:
    int BACK
.place_routine:
    mov ebx, [esp]
    ret
.place_end:

; ---- Memory that is not there: a device's --------------------------------------------------------------------
test_devices:
    MAP L, MMIO | PWU
    SHOWS eax, 0xfcfdfeff, {mov eax, [L]}
    SHOWS eax, 0xeb, {movzx eax, byte [L + 0x14]}
    U_RUNS {mov dword [L], 5}            ; vanishes
    SHOWS eax, 0xfcfdfeff, {mov eax, [L]}
    PTE_IS L, MMIO | PWU | A | D
    U_RUNS {xor eax, eax}, {add eax, [L + 4]}
    CHECK_EQ eax, 0xf8f9fafb
    MAP L + 0x1000, FRAME(0) | PWU
    mov esi, L
    mov edi, L + 0x1000
    mov ecx, 8
    U_RUNS rep movsb
    CHECK_EQ dword [FRAME(0)], 0xfcfdfeff
    CHECK_EQ dword [FRAME(0) + 4], 0xf8f9fafb
    U_RUNS {movq mm0, [L]}, {movq [L + 0x1000], mm0}, emms
    CHECK_EQ dword [FRAME(0)], 0xfcfdfeff
    ; half of an access in memory
    mov dword [FRAME(1) + 0xffc], 0x11111111
    MAP L - 0x1000, FRAME(1) | PWU
    SHOWS eax, 0xfeff1111, {mov eax, [L - 2]}
    ; memory again in its place
    MAP L, FRAME(1) | PWU
    SHOWS eax, 0x11111111, {mov eax, [L + 0xffc]}
    ret

; ---- Many pages: the same thousand, forwards, backwards, and in a mixed order --------------------------------
test_many:
    mov eax, 0x20000000
.map:
    mov edx, eax
    and edx, 0x3ff000
    xor edx, 0x155000                    ; no two neighbours in order
    or edx, FRAMES | PWU
    call pte_address
    mov [edi], edx
%if PAGING == PAGING_PAE
    mov dword [edi + 4], 0
%endif
    add eax, 0x1000
    cmp eax, 0x20400000
    jb .map
    FLUSH
    USER_CODE .touch
    mov eax, 0x20000000
.write:
    mov [eax], eax
    add eax, 0x1000
    cmp eax, 0x20400000
    jb .write
.read:
    sub eax, 0x1000
    cmp [eax], eax
    jne .bad
    cmp eax, 0x20000000
    ja .read
    mov ecx, 5000
    xor ebx, ebx
.mixed:
    imul ebx, ebx, 1664525
    add ebx, 1013904223
    mov eax, ebx
    shr eax, 10
    and eax, 0x3ff000
    add eax, 0x20000000
    cmp [eax], eax
    jne .bad
    loop .mixed
    END_USER
    section .user
.bad:
    ud2
    section .text
    ENTER .touch
    CAME_BACK
    mov eax, 0x20000000
.check:
    call pte_address
    mov edx, [edi]
    and edx, A | D
    CHECK_EQ edx, A | D
    add eax, 0x1000
    cmp eax, 0x20400000
    jb .check
    ret

%if PAGING == PAGING_PAE
; ---- Execute-disable -----------------------------------------------------------------------------------------
test_execute_disable:
    mov dword [FRAME(0)], 0x30cd05b0     ; mov al, 5; int BACK
    MAP L, FRAME(0) | PWU
    ENTER L
    CAME_BACK
    MAP_NX L, FRAME(0) | PWU
    ENTER L
    RAISED PF, 0x15, L
    CHECK_EQ dword [got_cr2], L
    PTE_IS L, FRAME(0) | PWU
%ifndef NO_CODE_READS
    SHOWS eax, 0x30cd05b0, {mov eax, [L]}
%endif
    U_RUNS {mov byte [L + 1], 6}
    MAP L, FRAME(0) | PWU
    ENTER L
    CAME_BACK
    CHECK_EQ al, 6
    ; an instruction into a page that may not be executed
    mov byte [FRAME(0) + 0xfff], 0xb0
    MAP_NX L + 0x1000, FRAME(1) | PWU
    ENTER L + 0xfff
    RAISED PF, 0x15, L + 0xfff
    CHECK_EQ dword [got_cr2], L + 0x1000
    ; and the directory's bit
    MAP L, FRAME(0) | PWU
    mov dword [PAE_DIRS + (L >> 21) * 8 + 4], 0x80000000
    FLUSH
    ENTER L
    RAISED PF, 0x15, L
    mov dword [PAE_DIRS + (L >> 21) * 8 + 4], 0
    FLUSH
    ENTER L
    CAME_BACK
    ret
%endif

BEGIN_GDT
END_GUEST
