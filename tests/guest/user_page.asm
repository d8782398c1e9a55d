; SPDX-License-Identifier: GPL-2.0-or-later
; The page of docs/scan-before-execute.md, "One page from start to end": a loop that reads the code that runs, in which
; a far return is hidden twice. What it adds up must be the guest's own bytes, whatever is fetched in their place.
; -D NO_CODE_READS: it reads nothing, for engines without a split.
%include "user.inc"

%ifdef SHORT
%define ROUNDS 1000
%else
%define ROUNDS 100000
%endif

; The program is there eight times, a page each: in a direct-mapped TLB there may always be somebody else in the place
; of one of them.
%define COPIES 8

start:
    START_KERNEL
    call test_pages
    PASS

bits 32
%macro PROGRAM 1
    USER_CODE %1
    xor esi, esi
    mov edx, ecx                        ; 89 CA: a RETF is hidden in it
    mov ecx, ROUNDS / COPIES
%%again:
%ifdef NO_CODE_READS
    add esi, 0x4901ca83
%else
    add esi, [%%odd]                    ; reads the code that runs
%endif
%%odd:
    or edx, 1                           ; 83 CA 01: a RETF too; then 49: DEC ECX
    dec ecx
    jnz %%again
    int BACK
    jmp $                               ; nothing behind it is scanned
    align 4096, db 0
    section .text
%endmacro

test_pages:
%assign copy 0
%rep COPIES
    PROGRAM program_ %+ copy
    ENTER program_ %+ copy
    CAME_BACK
    CHECK_EQ esi, (ROUNDS / COPIES * 0x4901ca83) & 0xffffffff
    CHECK_EQ ecx, 0
%assign copy copy + 1
%endrep
    ret

BEGIN_GDT
END_GUEST
