; SPDX-License-Identifier: GPL-2.0-or-later
; Faults while faults are delivered: which pairs make a double fault, which are handled one after the other.
; SDM 3A, "Interrupt 8-Double Fault Exception (#DF)".
%include "guest.inc"

%macro BREAK_GATE 1                     ; make the vector's gate not present: its delivery raises #NP
    mov byte [IDT_AT + 8 * (%1) + 5], 0x0e
%endmacro
; HLT at CPL 3 raises #GP; delivering that raises %1 with error %2.
%macro USER_PAIR 2
    jmp %%start
%%user:
    hlt
%%start:
    AT_CPL3 %%user, 2
    CHECK_EQ dword [got_vector], %1
    CHECK_EQ dword [got_error], %2
    CHECK_EQ dword [got_eip], %%user
%endmacro
%macro MEND_GATE 1
    mov byte [IDT_AT + 8 * (%1) + 5], 0x8e
%endmacro

%define CODE_DPL1 FIRST_FREE
%define STACK_DPL1 FIRST_FREE + 8

bits 16
start:
    ENTER_PROTECTED
    ; contributory, then contributory: #DF with error code 0, at the first one's instruction
    BREAK_GATE GP
    mov ax, 0xfff8
    RAISES DF, 0, mov fs, ax
    BREAK_GATE DE
    xor ecx, ecx
    RAISES DF, 0, div cl
    MEND_GATE DE
    ; benign, then contributory: the second alone
    BREAK_GATE UD
    RAISES NP, UD * 8 + 3, ud2
    MEND_GATE UD
    ; software interrupt, then contributory: the second alone, EXT clear
    BREAK_GATE 0x60
    RAISES NP, 0x60 * 8 + 2, int 0x60
    MEND_GATE GP

    ; with paging: a page fault while a page fault is delivered, and the mixed pairs
    mov edi, 0x100000
    mov ecx, 1024
    xor eax, eax
    rep stosd
    mov dword [0x100000], 0x101007
    mov eax, 7
    mov ecx, 1024
.fill:
    stosd
    add eax, 0x1000
    loop .fill
    mov eax, 0x100000
    mov cr3, eax
    mov eax, cr0
    or eax, 0x80000000
    mov cr0, eax
    jmp .paged
.paged:
    ; contributory, then page fault: the page fault is delivered (a CPL 1 handler's stack is not there)
    mov dword [tss_main + 12], 0x500000
    mov word [tss_main + 16], STACK_DPL1 | 1
    mov word [IDT_AT + 8 * GP + 2], CODE_DPL1
    USER_PAIR PF, 2
    CHECK_EQ dword [got_cr2], 0x4ffffc
    ; page fault, then contributory: #DF
    mov word [IDT_AT + 8 * GP + 2], CODE32
    BREAK_GATE PF
    RAISES DF, 0, mov eax, [0x500000]
    MEND_GATE PF
    ; page fault, then page fault: #DF; CR2 is the second one's
    mov word [IDT_AT + 8 * PF + 2], CODE_DPL1
    jmp .user_done
.user:
    mov eax, [ss:0x600000]
.user_done:
    AT_CPL3 .user, 2
    CHECK_EQ dword [got_vector], DF
    CHECK_EQ dword [got_error], 0
    CHECK_EQ dword [got_eip], .user
    CHECK_EQ dword [got_cr2], 0x4ffffc
    PASS

BEGIN_GDT
    DESC 0, 0xfffff, 0xbb, 0xc
    DESC 0, 0xfffff, 0xb3, 0xc
gdt_end:
