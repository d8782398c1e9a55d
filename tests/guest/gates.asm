; SPDX-License-Identifier: GPL-2.0-or-later
; Far transfers in protected mode: conforming code, call gates of both widths with and without a change of
; privilege, parameters, returns to outer levels, and the faults on the way.
; SDM 2A, "CALL", "JMP"; SDM 2B, "RET".
%include "guest.inc"

%define CONFORMING FIRST_FREE
%define GATE_SAME FIRST_FREE + 0x08
%define GATE32 FIRST_FREE + 0x10       ; DPL 3, to CPL 0, 2 parameters
%define GATE16 FIRST_FREE + 0x18       ; the same, 16-bit
%define GATE_ABSENT FIRST_FREE + 0x20
%define GATE_DPL0 FIRST_FREE + 0x28
%define GATE_TO_DATA FIRST_FREE + 0x30
%define GATE_TO_NULL FIRST_FREE + 0x38
%define GATE_TO_ABSENT FIRST_FREE + 0x40
%define CODE_ABSENT FIRST_FREE + 0x48
%define GATE_CONFORMING FIRST_FREE + 0x50
%define CODE_SMALL FIRST_FREE + 0x58   ; limit 0xffff, 32-bit
%define STACK_SMALL FIRST_FREE + 0x60   ; DPL 1, limit 0xfff
%define CODE_DPL1 FIRST_FREE + 0x68
%define GATE_TO_1 FIRST_FREE + 0x70

; call GATE_TO_1 from CPL 3; raises vector, error
%macro CALL_FROM_CPL3 2
    mov dword [resume], %%after
    mov [resume_esp], esp
    mov dword [got_vector], NOTHING
    mov dword [got_error], 0
    push UDATA32
    push USER_STACK
    push 2
    push UCODE32
    push %%user
    iretd
%%user:
    call GATE_TO_1:0
%%after:
    CHECK_EQ dword [got_vector], %1
%if %1 != 0x80
    CHECK_EQ dword [got_error], %2
%endif
%endmacro

bits 16
start:
    ENTER_PROTECTED
    ; ---- same level ------------------------------------------------------------------------------------
    RUNS jmp CONFORMING:.conforming
.conforming:
    mov ax, cs
    CHECK_EQ ax, CONFORMING
    jmp CODE32:.back
.back:
    mov esp, 0x7c00
    call CODE32:.callee
    CHECK_EQ esp, 0x7c00
    jmp .gate_call
.callee:
    CHECK_EQ dword [esp + 4], CODE32
    retf
.gate_call:
    call GATE_SAME:0x12345678             ; the offset in the instruction does not count
    CHECK_EQ esp, 0x7c00
    CHECK_EQ dword [gate_seen], 1
    jmp GATE_SAME:0                       ; comes back to .jumped
.jumped:
    ; ---- faults of direct transfers at CPL 0 -----------------------------------------------------------------
    RAISES GP, 0, jmp 0:0
    RAISES GP, DATA32, jmp DATA32:0
    RAISES GP, UCODE32 & ~3, jmp UCODE32:0  ; DPL is not CPL
    RAISES GP, CODE32, jmp CODE32 | 3:0      ; RPL above CPL
    RAISES NP, CODE_ABSENT, jmp CODE_ABSENT:0
    RAISES GP, 0xfff8, jmp 0xfff8:0
    RAISES GP, 0, jmp CODE_SMALL:0x10000     ; beyond the limit of the new CS
    RAISES GP, TSS_MAIN, jmp TSS_MAIN:0      ; busy
    RAISES GP, 0, call CODE_SMALL:0x10000
    mov ebp, esp
    RAISES NP, CODE_ABSENT, call CODE_ABSENT:0
    CHECK_EQ ebp, esp
    RAISES NP, GATE_ABSENT, call GATE_ABSENT:0
    RAISES GP, DATA32, call GATE_TO_DATA:0
    RAISES GP, 0, call GATE_TO_NULL:0
    RAISES NP, CODE_ABSENT, call GATE_TO_ABSENT:0
    RAISES GP, GATE_SAME, call GATE_SAME | 3:0

    ; ---- from CPL 3 through gates -------------------------------------------------------------------------------
    AT_CPL3 user_gate32, 0x3246
    CHECK_EQ dword [got_vector], 0x80
    CHECK_EQ dword [after_call_esp], USER_STACK
    CHECK_EQ dword [inside_cs], CODE32
    CHECK_EQ dword [inside_ss], DATA32
    CHECK_EQ dword [inside_esp], 0x7c00 - 24
    CHECK_EQ dword [inside_param1], 0x11111111
    CHECK_EQ dword [inside_param2], 0x22222222
    CHECK_EQ dword [inside_old_ss], UDATA32
    CHECK_EQ dword [inside_old_esp], USER_STACK - 8
    ; data segments the outer level may not have were made null, others kept
    CHECK_EQ word [after_fs], 0
    CHECK_EQ word [after_gs], UDATA32

    AT_CPL3 user_gate16, 2
    CHECK_EQ dword [got_vector], 0x80
    CHECK_EQ word [inside16_cs], UCODE32
    CHECK_EQ word [inside16_ss], UDATA32
    CHECK_EQ word [inside16_sp], 0x1000
    CHECK_EQ word [inside16_param], 0x2222

    USER_RAISES GP, GATE_DPL0, 2, call GATE_DPL0:0
    USER_RAISES GP, CODE32, 2, call CODE32:0
    USER_RAISES GP, CODE32, 2, jmp GATE32:0  ; a jump may not change the level
    USER_RUNS 2, call GATE_CONFORMING:0      ; conforming: stays at CPL 3
    CHECK_EQ dword [got_cs], CONFORMING | 3

    ; stack faults, on the way to CPL 1 so that the handlers still have their stack of CPL 0
    mov dword [tss_main + 12], 0x6000
    mov word [tss_main + 16], 0
    CALL_FROM_CPL3 TS, 0
    mov word [tss_main + 16], DATA32 | 1     ; wrong DPL
    CALL_FROM_CPL3 TS, DATA32
    mov word [tss_main + 16], STACK_SMALL    ; wrong RPL
    CALL_FROM_CPL3 TS, STACK_SMALL
    mov word [tss_main + 16], 0xfff9
    CALL_FROM_CPL3 TS, 0xfff8
    mov word [tss_main + 16], CODE_DPL1
    CALL_FROM_CPL3 TS, CODE_DPL1
    mov word [tss_main + 16], STACK_SMALL | 1
    mov dword [tss_main + 12], 12            ; no room for SS, ESP, CS, EIP
    CALL_FROM_CPL3 SS_, STACK_SMALL
    and byte [gdt + STACK_SMALL + 5], 0x7f
    CALL_FROM_CPL3 SS_, STACK_SMALL
    or byte [gdt + STACK_SMALL + 5], 0x80
    mov dword [tss_main + 12], 0x400
    CALL_FROM_CPL3 0x80, 0                   ; and now it works
    CHECK_EQ dword [got_cs], CODE_DPL1 | 1
    CHECK_EQ dword [got_ss], STACK_SMALL | 1
    CHECK_EQ dword [got_esp], 0x400 - 16

    ; ---- RETF ---------------------------------------------------------------------------------------------------------
    mov ebp, esp
    push dword 0
    push dword 0
    RAISES GP, 0, retf
    mov dword [esp + 4], DATA32
    RAISES GP, DATA32, retf
    mov dword [esp + 4], CODE_ABSENT
    RAISES NP, CODE_ABSENT, retf
    mov dword [esp + 4], UCODE32 & ~3        ; DPL 3 at RPL 0
    RAISES GP, UCODE32 & ~3, retf
    mov dword [esp + 4], UCODE32
    push dword 0
    push dword 0
    mov dword [esp], 0
    mov dword [esp + 4], UCODE32
    mov dword [esp + 8], 0x1234              ; ESP
    mov dword [esp + 12], DATA32             ; SS of the wrong level
    RAISES GP, DATA32, retf
    mov dword [esp + 12], 0
    RAISES GP, 0, retf
    mov esp, ebp
    ; with a 16-bit outer stack only SP changes
    mov dword [resume], .outer16
    mov [resume_esp], esp
    mov esp, 0x7000
    push dword UDATA16
    push dword 0x00018000
    push dword UCODE32
    push dword .user16
    retf
.user16:
    int 0x80
.outer16:
    CHECK_EQ dword [got_vector], 0x80
    CHECK_EQ dword [got_esp], 0x8000         ; ESP's upper half was 0 from before
    PASS

user_gate32:
    mov ax, UDATA32
    mov gs, ax
    mov ds, ax
    push dword 0x22222222
    push dword 0x11111111
    call GATE32:0
    mov [after_call_esp], esp
    mov [after_fs], fs
    mov [after_gs], gs
    int 0x80

gate32_target:
    mov ax, DATA32
    mov fs, ax
    mov [inside_cs], cs
    mov [inside_ss], ss
    mov [inside_esp], esp
    mov eax, [esp + 8]
    mov [inside_param1], eax
    mov eax, [esp + 12]
    mov [inside_param2], eax
    mov eax, [esp + 16]
    mov [inside_old_esp], eax
    mov eax, [esp + 20]
    mov [inside_old_ss], eax
    retf 8

user_gate16:
    mov ax, UDATA32
    mov ds, ax
    mov esp, USER_STACK
    push word 0x2222
    mov ebp, esp
    call GATE16:0
    int 0x80
gate16_target:                                ; IP, CS, parameter, SP, SS: words; leave through INT 80h
    mov ax, DATA32
    mov ds, ax
    mov ax, [esp + 2]
    mov [inside16_cs], ax
    mov ax, [esp + 4]
    mov [inside16_param], ax
    mov ax, [esp + 8]
    mov [inside16_ss], ax
    mov ax, [esp + 6]
    sub ax, (USER_STACK - 2) & 0xffff
    add ax, 0x1000
    mov [inside16_sp], ax
    int 0x80

conforming_target:
    int 0x80

gate_same_target:
    inc dword [gate_seen]
    cmp dword [gate_seen], 2
    je start.jumped
    retf
level1_target:
    int 0x80

align 4
gate_seen: dd 0
inside_cs: dd 0
inside_ss: dd 0
inside_esp: dd 0
inside_param1: dd 0
inside_param2: dd 0
inside_old_esp: dd 0
inside_old_ss: dd 0
after_call_esp: dd 0
after_fs: dw 0
after_gs: dw 0
inside16_cs: dw 0
inside16_ss: dw 0
inside16_sp: dw 0
inside16_param: dw 0
BEGIN_GDT
    DESC 0, 0xfffff, 0x9f, 0xc
    GATE CODE32, gate_same_target, 0x8c, 0
    GATE CODE32, gate32_target, 0xec, 2
    GATE CODE32, gate16_target, 0xe4, 1
    GATE CODE32, gate32_target, 0x6c, 2
    GATE CODE32, gate32_target, 0x8c, 2
    GATE DATA32, gate32_target, 0xec, 0
    GATE 0, gate32_target, 0xec, 0
    GATE CODE_ABSENT, gate32_target, 0xec, 0
    DESC 0, 0xfffff, 0x1b, 0xc
    GATE CONFORMING, conforming_target, 0xec, 0
    DESC 0, 0xffff, 0x9b, 4
    DESC 0, 0xfff, 0xb3, 4
    DESC 0, 0xfffff, 0xbb, 0xc
    GATE CODE_DPL1, level1_target, 0xec, 0
gdt_end:
