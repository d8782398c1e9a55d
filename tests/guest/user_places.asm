; SPDX-License-Identifier: GPL-2.0-or-later
; Nothing may be special about any place: instructions whose data lies where an engine keeps their code, by every
; kind of operand; and code, data and stack where it might keep things of its own.
; SDM 3A, "Paging".
%include "user.inc"

%define FRAME(n) (FRAMES + (n) * 0x1000)
%define GIB 0x40000000
%ifdef SHORT
%define ROUNDS 3
%else
%define ROUNDS 12
%endif

start:
    START_KERNEL
    call test_pairs
    call test_table
    call test_windows
    PASS

bits 32
; ---- Code and data a monitor could have at one place ---------------------------------------------------------
; Each piece runs with its data, two pages, at EBP, and leaves a sum in EAX. The data is 11h, 22h, 33h, 44h first.

%macro PIECE 3                        ; label, offset in its page, EAX
    section .text
%1: dd %2, %3, .end - .bytes
.bytes:
%endmacro
%macro END_PIECE_BYTES 0
    int BACK
.end:
%endmacro

PIECE p_operand, 0, 0x23
    mov eax, [ebp]
    inc dword [ebp]
    add eax, [ebp]
END_PIECE_BYTES
PIECE p_stack, 0x40, 0x27
    lea esp, [ebp + 0x800]
    push dword 5
    push dword [ebp + 4]
    pop ebx
    pop eax
    add eax, ebx
END_PIECE_BYTES
PIECE p_stack_across, 0x80, 0x77
    mov eax, 0x77
    lea esp, [ebp + 0x100e]
    pushad
    xor eax, eax
    popad
END_PIECE_BYTES
PIECE p_call, 0xc0, 7
    lea esp, [ebp + 0x800]
    mov eax, 1
    call .f
    add eax, 2
    jmp .back
.f: add eax, 4
    ret
.back:
END_PIECE_BYTES
PIECE p_call_by_memory, 0x100, 7
    lea esp, [ebp + 0x800]
    mov eax, 1
    call .here
.here:
    pop ebx
    add ebx, .f - .here
    mov [ebp + 0x20], ebx
    call [ebp + 0x20]
    add eax, 2
    jmp .back
.f: add eax, 4
    ret 0
.back:
END_PIECE_BYTES
PIECE p_across, 0x140, 0x12345678
    mov dword [ebp + 0xffe], 0x12345678
    mov eax, [ebp + 0xffe]
END_PIECE_BYTES
PIECE p_strings, 0x180, 0x11 + 0x22 + 0x33
    mov esi, ebp
    lea edi, [ebp + 0x1100]
    movsd
    lodsd
    stosd
    mov ecx, 2
    rep movsd
    mov esi, ebp
    lea edi, [ebp + 0x1100]
    mov ecx, 4
    repe cmpsd
    jne .bad
    lea edi, [ebp + 0x1100]
    mov eax, 0x22
    scasd
    scasd
    jne .bad
    mov eax, [ebp + 0x1100]
    add eax, [ebp + 0x1104]
    add eax, [ebp + 0x1108]
    jmp .back
.bad:
    xor eax, eax
.back:
END_PIECE_BYTES
PIECE p_long_string, 0x1c0, 14
    mov eax, 7
    mov ecx, 0x200
    lea edi, [ebp + 0xc00]
    rep stosd
    mov eax, [ebp + 0xc00]
    add eax, [ebp + 0x13fc]
END_PIECE_BYTES
PIECE p_float, 0x200, 0x44
    fild dword [ebp]
    fistp dword [ebp + 0x20]
    movups xmm0, [ebp]
    movups [ebp + 0xff8], xmm0
    mov eax, [ebp + 0x20]
    add eax, [ebp + 0x1000]
END_PIECE_BYTES
PIECE p_locked, 0x240, 0x11 + 0x22 + 0x33
    mov eax, 1
    lock xadd [ebp], eax              ; 11h
    mov ebx, 2
    xchg [ebp + 4], ebx               ; 22h
    add ebx, eax
    mov eax, 0x33
    mov ecx, 5
    lock cmpxchg [ebp + 8], ecx       ; as it was: EAX stays
    jne .bad
    add eax, ebx
    jmp .back
.bad:
    xor eax, eax
.back:
END_PIECE_BYTES
; An instruction across two pages of code, with data below either, and below both.
PIECE p_straddle_low, 0xffd, 0x12
    inc dword [dword ebp + 0]         ; six bytes
    mov eax, [ebp]
END_PIECE_BYTES
PIECE p_straddle_high, 0xffc, 0x2000
    mov dword [ebp + 0x1004], 0x2000
    mov eax, [ebp + 0x1004]
END_PIECE_BYTES
PIECE p_straddle_both, 0xffb, 0x01020304
    mov dword [ebp + 0xffd], 0x01020304
    mov eax, [ebp + 0xffd]
END_PIECE_BYTES
; From one page of code to the next and back, with data below the other each time.
PIECE p_two_pages, 0xfe0, 0x11 + 0x55
    mov dword [ebp + 0x1010], 0x55
    mov eax, [ebp]
    jmp short .over
    times 0x30 - ($ - p_two_pages.bytes) nop
.over:
    add eax, [ebp + 0x1010]
    inc dword [ebp]
END_PIECE_BYTES
; A loop that runs in a snippet after a while: 83 CA 01 hides a RETF.
PIECE p_loop, 0x280, 40 * 0x11
    xor eax, eax
    mov ecx, 40
.next:
    add eax, [ebp]
    or edx, 1
    inc dword [ebp + 0x1000]
    dec ecx
    jnz .next
END_PIECE_BYTES
; Single string instructions, which are snippets where ES has a base of its own.
PIECE p_string_loop, 0x2c0, 40 * 0x11
    xor ebx, ebx
    mov ecx, 40
.next:
    mov esi, ebp
    lea edi, [ebp + 0x1010]
    movsd
    mov eax, [ebp + 0x1010]
    add ebx, eax
    dec ecx
    jnz .next
    mov eax, ebx
END_PIECE_BYTES

align 4
pieces: dd p_operand, p_stack, p_stack_across, p_call, p_call_by_memory, p_across, p_strings, p_long_string
    dd p_float, p_locked, p_straddle_low, p_straddle_high, p_straddle_both, p_two_pages, p_loop, p_string_loop, 0

; FRAME(20) and (21) are the code, (22) and (23) the data.
prepare_data:
    mov edi, FRAME(22)
    mov ecx, 0x2000 / 4
    xor eax, eax
    rep stosd
    mov dword [FRAME(22)], 0x11
    mov dword [FRAME(22) + 4], 0x22
    mov dword [FRAME(22) + 8], 0x33
    mov dword [FRAME(22) + 12], 0x44
    ret

; All pieces, with code at [at_code] and data at [at_data].
run_pieces:
    mov dword [.piece], pieces
.next_piece:
    mov edx, [.piece]
    mov edx, [edx]
    test edx, edx
    jz .done
    mov edi, FRAME(20)
    mov ecx, 0x2000
    mov al, 0xf4                         ; HLT
    rep stosb
    mov edi, [edx]
    add edi, FRAME(20)
    lea esi, [edx + 12]
    mov ecx, [edx + 8]
    rep movsb
    mov dword [.rounds], ROUNDS
.next_round:
    call prepare_data
    mov edx, [.piece]
    mov edx, [edx]
    mov eax, [edx]
    add eax, [at_code]
    mov [user_eip], eax
    mov dword [user_flags], UFLAGS
    mov dword [user_esp], U_STACK
    mov ebp, [at_data]
    call enter_user
    CAME_BACK
    mov edx, [.piece]
    mov edx, [edx]
    CHECK_EQ eax, [edx + 4]
    dec dword [.rounds]
    jnz .next_round
    add dword [.piece], 4
    jmp .next_piece
.done:
    ret
align 4
.piece: dd 0
.rounds: dd 0
at_code: dd 0
at_data: dd 0

; PAIR code, data: both are mapped for it
%macro PAIR 2
    mov dword [at_code], %1
    mov dword [at_data], %2
    MAP (%1), FRAME(20) | PWU
    MAP (%1) + 0x1000, FRAME(21) | PWU
    MAP (%2), FRAME(22) | PWU
    MAP (%2) + 0x1000, FRAME(23) | PWU
    call run_pieces
    MAP (%1), 0
    MAP (%1) + 0x1000, 0
    MAP (%2), 0
    MAP (%2) + 0x1000, 0
%endmacro

test_pairs:
    PAIR 0x50400000, 0x50400000 - GIB
    PAIR 0x7ffff000, 0x7ffff000 - GIB
    PAIR 0x80400000, 0x80400000 - GIB
    PAIR 0xbfffe000, 0xbfffe000 - GIB
    PAIR 0xc0400000, 0xc0400000 - GIB
    PAIR 0xffff0000, 0xffff0000 - GIB
    PAIR 0x10400000, 0x10400000 + GIB    ; the other way round
    PAIR 0x50400000, 0x50400000 - GIB - 0x1000
    PAIR 0x50400000, 0x50400000 - GIB + 0x1000
    ret

; ---- Code in the page table that maps its data ---------------------------------------------------------------
; MOV EAX, imm32 with the entry itself as the constant; then the data is read and written, which sets A and D in it.
test_table:
%define TABLE_CODE 0x50400000
%define TABLE_DATA (TABLE_CODE - GIB + 0x100000)
    MAP TABLE_DATA, FRAME(22) | PWU
    mov eax, TABLE_DATA
    call pte_address
    lea ebx, [edi - 1]
    mov byte [ebx], 0xb8                 ; mov eax, entry
    add edi, 4
%if PAGING == PAGING_PAE
    add edi, 4                           ; its upper half is zero: add [eax], al, twice
%endif
    mov word [edi], 0x0d8b               ; mov ecx, [TABLE_DATA]
    mov dword [edi + 2], TABLE_DATA
    mov word [edi + 6], 0x05ff           ; inc dword [TABLE_DATA]
    mov dword [edi + 8], TABLE_DATA
    mov word [edi + 12], 0x30cd          ; int BACK
    mov edx, ebx
    and edx, ~0xfff
    or edx, PWU
    MAP TABLE_CODE, edx
    and ebx, 0xfff
    add ebx, TABLE_CODE
    mov [user_eip], ebx
    mov esi, FRAME(22) | PWU
    mov dword [.rounds], ROUNDS
.next:
    mov dword [FRAME(22)], 5
    call enter_user
    CAME_BACK
    CHECK_EQ eax, esi
    CHECK_EQ ecx, 5
    CHECK_EQ dword [FRAME(22)], 6
    mov esi, FRAME(22) | PWU | A | D
    dec dword [.rounds]
    jnz .next
    MAP TABLE_CODE, 0
    ret
align 4
.rounds: dd 0

; ---- Places an engine may have taken for itself --------------------------------------------------------------
; Snippets lie in a window of 16 MiB, where depends on the page they are for; the last page is scratch memory. In each
; window below 1 GiB there comes to be code, data and a stack of the user's, at just these pages, while snippets
; are in use: first until nowhere is room for them, then one window at a time.
%define HOT 0x08048000
%define SNIPPETS ((HOT + 0xecf000) & 0xfff000)
%define SCRATCH_PAGE 0xfff000
%define FIRST_WINDOW 0x3f000000
%define LAST_WINDOW 0x01000000
%ifdef SHORT
%define WINDOW_STEP 0x04000000
%define ENTRIES 64
%define HOT_ROUNDS 2
%else
%define WINDOW_STEP 0x01000000
%define ENTRIES 256
%define HOT_ROUNDS 10
%endif

PIECE p_hot, 0x100, 0
    mov ecx, 40
.loop:
    or edx, 1                         ; hides RETF: a snippet for the loop
    dec ecx
    jnz .loop
    mov ecx, 20
    mov eax, 0x030201cb
.compare:
    cmp eax, 0x030201cb               ; likewise, by way of scratch memory
    jne .bad
    loop .compare
    mov ecx, 20
.store:
    mov edi, U_FREE
    stosd
    dec ecx
    jnz .store
    cmp [U_FREE], eax
    je .good
.bad:
    ud2
.good:
END_PIECE_BYTES

; EBX: a page of INC EAX, with RET for each 64th byte
USER_CODE call_all_over
    xor ecx, ecx
    xor edx, edx
.next:
    xor eax, eax
    lea esi, [ebx + ecx]
    call esi
    add edx, eax
    inc ecx
    cmp ecx, ENTRIES
    jb .next
END_USER
USER_CODE jump_there
    jmp ebx
END_USER
; EBX: a page of data
USER_CODE work_there
    mov ebp, esp
    mov dword [ebx], 0x11111111
    lea esp, [ebx + 0x800]
    push dword 0x22222222
    call .routine
    pop ecx
    mov esp, ebp
    add ecx, [ebx]
    jmp .end
.routine:
    mov eax, [esp]
    ret
.end:
END_USER

run_hot:
    mov dword [.rounds], HOT_ROUNDS
.next:
    mov dword [user_eip], HOT + 0x100
    mov dword [user_flags], UFLAGS
    call enter_user
    CAME_BACK
    dec dword [.rounds]
    jnz .next
    ret
align 4
.rounds: dd 0

; [window]: code, data and stack in it
use_window:
    call run_hot
    mov eax, [window]
    add eax, SNIPPETS
    call pte_address
    mov dword [edi], FRAME(25) | PU
    mov eax, [window]
    add eax, SCRATCH_PAGE
    call pte_address
    mov dword [edi], FRAME(26) | PWU
    mov ebx, [window]
    add ebx, SNIPPETS
    ENTER call_all_over
    CAME_BACK
    CHECK_EQ edx, ENTRIES / 64 * 63 * 64 / 2
    add ebx, 0x1000
    ENTER jump_there
    CHECK_EQ dword [got_vector], PF
    CHECK_EQ [got_cr2], ebx
    CHECK_EQ [got_eip], ebx
    mov ebx, [window]
    add ebx, SCRATCH_PAGE
    mov dword [FRAME(26) + 0x40], 0x44444444
    ENTER work_there
    CAME_BACK
    CHECK_EQ ecx, 0x33333333
    call run_hot
    CHECK_EQ dword [FRAME(26)], 0x11111111
    CHECK_EQ dword [FRAME(26) + 0x40], 0x44444444
    ret

; Nothing in [window], not even a page table.
free_window:
    mov edi, [window]
%if PAGING == PAGING_PAE
    shr edi, 21
    lea edi, [PAE_DIRS + edi * 8]
    mov ecx, 16
%else
    shr edi, 22
    lea edi, [PAGE_DIR + edi * 4]
    mov ecx, 4
%endif
    xor eax, eax
    rep stosd
    FLUSH
    ret

test_windows:
    MAP HOT, FRAME(24) | PU
    mov edi, FRAME(24)
    mov ecx, 0x1000
    mov al, 0xf4
    rep stosb
    mov esi, p_hot.bytes
    mov edi, FRAME(24) + 0x100
    mov ecx, p_hot.end - p_hot.bytes
    rep movsb
    mov edi, FRAME(25)
.routine:
    mov ecx, 63
    mov al, 0x40
    rep stosb
    mov al, 0xc3
    stosb
    cmp edi, FRAME(26)
    jb .routine
    mov dword [user_esp], U_STACK
    mov dword [window], FIRST_WINDOW
.fill:
    cmp dword [window], HOT & 0xff000000 ; there is the hot page itself
    je .next_fill
    call use_window
.next_fill:
    sub dword [window], WINDOW_STEP
    cmp dword [window], LAST_WINDOW
    jge .fill
    mov dword [window], FIRST_WINDOW
.free:
    cmp dword [window], HOT & 0xff000000
    je .next_free
    call free_window
.next_free:
    sub dword [window], WINDOW_STEP
    cmp dword [window], LAST_WINDOW
    jge .free
    mov dword [window], FIRST_WINDOW
.one:
    cmp dword [window], HOT & 0xff000000
    je .next_one
    call use_window
    call free_window
.next_one:
    sub dword [window], WINDOW_STEP
    cmp dword [window], LAST_WINDOW
    jge .one
    MAP HOT, 0
    ret
align 4
window: dd 0

BEGIN_GDT
END_GUEST
