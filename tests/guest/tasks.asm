; SPDX-License-Identifier: GPL-2.0-or-later
; Hardware task switches: by JMP, CALL, task gates, interrupts and IRET; nesting, busy flags, CR0.TS, the T flag,
; 16-bit TSSs, and the faults before and after the switch is committed. SDM 3A, "Task Management".
%include "guest.inc"

%define TSS_B FIRST_FREE
%define GATE_B FIRST_FREE + 0x08       ; task gate to B, DPL 3
%define TSS_SHORT FIRST_FREE + 0x10
%define TSS_ABSENT FIRST_FREE + 0x18
%define TSS_16 FIRST_FREE + 0x20
%define TSS_C FIRST_FREE + 0x28        ; scratch task for bad states
%define LDT_B FIRST_FREE + 0x30
%define CODE_ABSENT FIRST_FREE + 0x38
%define GATE_ABSENT FIRST_FREE + 0x40
%define TSS_D FIRST_FREE + 0x48        ; handler tasks of #TS ...
%define TSS_E FIRST_FREE + 0x50        ; ... and #NP

%define tss_b SCRATCH
%define tss_c SCRATCH + 0x100
%define tss_16 SCRATCH + 0x200
%define tss_d SCRATCH + 0x300
%define tss_e SCRATCH + 0x400

%define T_LINK 0
%define T_EIP 0x20
%define T_EFLAGS 0x24
%define T_EAX 0x28
%define T_ESP 0x38
%define T_CS 0x4c
%define T_SS 0x50
%define T_DS 0x54
%define T_LDT 0x60
%define T_TRAP 0x64

%macro CHECK_BUSY 2                    ; selector, nz or z
    test byte [gdt + (%1) + 5], 2
    CHECK %2
%endmacro

; Prepare the TSS at %1 to start at %2.
%macro PREPARE 2
    mov edi, %1
    mov esi, tss_template
    mov ecx, 26
    rep movsd
    mov dword [%1 + T_EIP], %2
%endmacro

start:
    ENTER_PROTECTED
    ; ---- JMP ---------------------------------------------------------------------------------------------
    PREPARE tss_b, .in_b
    mov eax, 0x1234
    mov ebp, 0x77
    clts
    stc
    jmp TSS_B:0xdeadbeef
.back:
    CHECK c                              ; EFLAGS came back
    CHECK_EQ ebp, 0x77
    CHECK_EQ dword [tss_b + T_EIP], .in_b_end
    jmp .jmp_done
.in_b:
    CHECK_EQ eax, 0xaaaa
    CHECK_EQ esp, 0x5000
    mov ax, ds
    CHECK_EQ ax, DATA32
    str ax
    CHECK_EQ ax, TSS_B
    mov eax, cr0
    test al, 8                           ; TS
    CHECK nz
    pushfd
    pop eax
    test ah, 0x40                        ; NT
    CHECK z
    CHECK_BUSY TSS_B, nz
    CHECK_BUSY TSS_MAIN, z
    CHECK_EQ dword [tss_main + T_EIP], .back
    CHECK_EQ dword [tss_main + T_EAX], 0x1234
    CHECK_EQ word [tss_main + T_CS], CODE32
    test byte [tss_main + T_EFLAGS], 1
    CHECK nz
    jmp TSS_MAIN:0
.in_b_end:
.jmp_done:
    CHECK_BUSY TSS_B, z
    CHECK_BUSY TSS_MAIN, nz

    ; ---- CALL and IRET, directly and through a task gate --------------------------------------------------------
    PREPARE tss_b, .called
    mov word [tss_b + T_LDT], LDT_B
    call TSS_B:0
    CHECK_EQ dword [called], 1
    CHECK_BUSY TSS_B, z
    pushfd
    pop eax
    test ah, 0x40
    CHECK z
    call GATE_B:0                        ; goes on after B's IRET
    CHECK_EQ dword [called], 2
    USER_RUNS 2, call GATE_B:0
    CHECK_EQ dword [called], 3
    jmp .call_done
.called:
    inc dword [called]
    pushfd
    pop eax
    test ah, 0x40
    CHECK nz
    CHECK_EQ word [tss_b + T_LINK], TSS_MAIN
    CHECK_BUSY TSS_B, nz
    CHECK_BUSY TSS_MAIN, nz
    sldt ax
    CHECK_EQ ax, LDT_B
    iretd
    jmp .called
.call_done:

    ; ---- as an exception handler: the error code is on the new stack -----------------------------------------------
    PREPARE tss_b, .handler
    mov dword [IDT_AT + 8 * GP], TSS_B << 16
    mov dword [IDT_AT + 8 * GP + 4], 0x8500
    mov ax, 0xfff8
.fault_at:
    mov fs, ax
.skipped:
    CHECK_EQ dword [handler_error], 0xfff8
    CHECK_EQ dword [handler_eip], .fault_at
    test byte [handler_flags + 2], 1     ; RF in the faulting task's image
    CHECK nz
    jmp .handler_done
.handler:
    CHECK_EQ esp, 0x5000 - 4
    pop dword [handler_error]
    mov eax, [tss_main + T_EIP]
    mov [handler_eip], eax
    mov eax, [tss_main + T_EFLAGS]
    mov [handler_flags], eax
    add dword [tss_main + T_EIP], .skipped - .fault_at
    iretd
.handler_done:
    call build_idt

    ; ---- INT through a task gate: no error code, next instruction saved ----------------------------------------------
    PREPARE tss_b, .int_handler
    mov dword [IDT_AT + 8 * 0x40], TSS_B << 16
    mov dword [IDT_AT + 8 * 0x40 + 4], 0xe500
    int 0x40
.int_at:
    CHECK_EQ dword [handler_eip], .int_at
    jmp .int_done
.int_handler:
    CHECK_EQ esp, 0x5000
    mov eax, [tss_main + T_EIP]
    mov [handler_eip], eax
    iretd
.int_done:

    ; ---- an interrupt in the middle of a REP: RF in the image, so that its breakpoint does not strike anew ------------
    mov dword [IDT_AT + 8 * 0x60], TSS_B << 16
    mov dword [IDT_AT + 8 * 0x60 + 4], 0x8500
    PREPARE tss_b, .rep_handler
    mov al, 0x60
    out PORT_INTERRUPT, al
    mov esi, SCRATCH + 0x800
    mov edi, SCRATCH + 0x900
    mov ecx, 4
    sti                                  ; lets one iteration pass
.rep_at:
    rep movsb
    cli
    CHECK_EQ dword [handler_eip], .rep_at
    CHECK_EQ dword [tss_main + T_EAX + 4], 3 ; ECX
    test dword [handler_flags], 0x10000
    CHECK nz
    CHECK_EQ ecx, 0
    jmp .rep_done
.rep_handler:
    mov eax, [tss_main + T_EIP]
    mov [handler_eip], eax
    mov eax, [tss_main + T_EFLAGS]
    mov [handler_flags], eax
    iretd
.rep_done:
    call build_idt

    ; ---- the T flag -----------------------------------------------------------------------------------------------------
    PREPARE tss_b, .trapped
    mov word [tss_b + T_TRAP], 1
    xor eax, eax
    mov dr6, eax
    mov dword [resume], .trap_seen
    mov dword [resume_esp], 0x5000
    jmp TSS_B:0
.trapped:
    FAIL_HERE "no trap by the T flag"
.trap_seen:
    CHECK_EQ dword [got_vector], DB
    CHECK_EQ dword [got_eip], .trapped
    mov eax, dr6
    test eax, 1 << 15
    CHECK nz
    mov dword [tss_main + T_EIP], .t_done
    jmp TSS_MAIN:0
.t_done:
    ; one debug exception for it and for a breakpoint on the way
    mov eax, far_pointer
    mov dr0, eax
    mov eax, 0xf0002                     ; G0: reads and writes of four bytes
    mov dr7, eax
    PREPARE tss_b, .trapped2
    mov word [tss_b + T_TRAP], 1
    xor eax, eax
    mov dr6, eax
    mov dword [got_count], 0
    mov dword [resume], .trap2_seen
    jmp far [far_pointer]
.trapped2:
    FAIL_HERE "no trap by the T flag, with a breakpoint"
.trap2_seen:
    CHECK_EQ dword [got_vector], DB
    CHECK_EQ dword [got_eip], .trapped2
    CHECK_EQ dword [got_count], 1
    mov eax, dr6
    and eax, 0xe00f
    CHECK_EQ eax, 0x8001
    mov dword [tss_main + T_EIP], .t2_done
    jmp TSS_MAIN:0
.t2_done:
    ; the trap which MOV SS held back comes in the new task
    xor eax, eax
    mov dr7, eax
    mov word [far_pointer], DATA32
    mov eax, 0xf0002
    mov dr7, eax
    PREPARE tss_b, .held
    xor eax, eax
    mov dr6, eax
    mov dword [got_count], 0
    mov dword [resume], .held_seen
    mov ss, [far_pointer]
    jmp TSS_B:0
.held:
    FAIL_HERE "no trap held back by MOV SS"
.held_seen:
    CHECK_EQ dword [got_vector], DB
    CHECK_EQ dword [got_eip], .held
    CHECK_EQ dword [got_count], 1
    mov eax, dr6
    and eax, 0xe00f
    CHECK_EQ eax, 1
    xor eax, eax
    mov dr7, eax
    mov dword [tss_main + T_EIP], .held_done
    jmp TSS_MAIN:0
.held_done:

    ; ---- 16-bit TSS ---------------------------------------------------------------------------------------------------------
    mov edi, tss_16
    xor eax, eax
    mov ecx, 11
    rep stosd
    mov word [tss_16 + 0x0e], .in_16
    mov word [tss_16 + 0x10], 2
    mov word [tss_16 + 0x12], 0x5678
    mov word [tss_16 + 0x1a], 0x4000
    mov word [tss_16 + 0x22], DATA32
    mov word [tss_16 + 0x24], CODE32
    mov word [tss_16 + 0x26], DATA16
    mov word [tss_16 + 0x28], DATA32
    mov ecx, 0x11112222
    mov edi, ecx
    call TSS_16:0
    CHECK_EQ ecx, 0x11112222
    CHECK_EQ word [tss_16 + 0x0e], .after_16
    jmp .done_16
.in_16:
    CHECK_EQ eax, 0xffff5678             ; it has no upper halves: processors set them
    CHECK_EQ esp, 0xffff4000
    mov eax, 0xffff0000
    CHECK_EQ ecx, eax
    CHECK_EQ edx, eax
    CHECK_EQ ebx, eax
    CHECK_EQ ebp, eax
    CHECK_EQ esi, eax
    CHECK_EQ edi, eax
    mov ax, fs
    CHECK_EQ ax, 0
    CHECK_EQ word [tss_16], TSS_MAIN
    iretd
.after_16:
.done_16:

    ; ---- faults that leave the old task ------------------------------------------------------------------------------------------
    RAISES GP, TSS_MAIN, jmp TSS_MAIN:0  ; busy
    RAISES NP, TSS_ABSENT, call TSS_ABSENT:0
    RAISES TS, TSS_SHORT, jmp TSS_SHORT:0
    RAISES NP, GATE_ABSENT, jmp GATE_ABSENT:0
    RAISES GP, TSS_B, call TSS_B | 3:0   ; RPL above DPL
    USER_RAISES GP, TSS_B, 2, call TSS_B:0
    str ax
    CHECK_EQ ax, TSS_MAIN
    ; IRET with NT to a TSS that is not busy
    mov word [tss_main], TSS_B
    push dword 0x4002
    popfd
    mov dword [resume], .iret_bad
    mov [resume_esp], esp
    iretd
.iret_bad:
    CHECK_EQ dword [got_vector], TS
    CHECK_EQ dword [got_error], TSS_B
    push dword 2
    popfd

    ; ---- faults in the new task: each row spoils one field of C -------------------------------------------------------------------
    ; (their handlers are tasks, because the new task may have no stack to push on)
    mov dword [IDT_AT + 8 * TS], TSS_D << 16
    mov dword [IDT_AT + 8 * TS + 4], 0x8500
    mov dword [IDT_AT + 8 * NP], TSS_E << 16
    mov dword [IDT_AT + 8 * NP + 4], 0x8500
    mov dword [row], rows
.row:
    PREPARE tss_d, .in_ts
    PREPARE tss_e, .in_np
    PREPARE tss_c, .not_reached
    mov ebx, [row]
    movzx eax, word [ebx]
    mov cx, [ebx + 2]
    mov [tss_c + eax], cx
    call TSS_C:0
.not_reached:
    FAIL_HERE "the new task ran"
.in_ts:
    mov eax, TS
    jmp .row_caught
.in_np:
    mov eax, NP
.row_caught:
    mov [got_vector], eax
    pop dword [got_error]
    mov ebx, [row]
    movzx eax, word [ebx + 4]
    CHECK_EQ [got_vector], eax
    movzx eax, word [ebx + 6]
    CHECK_EQ [got_error], eax
    CHECK_EQ dword [tss_c + T_EIP], .not_reached
    CHECK_EQ word [tss_c + T_LINK], TSS_MAIN
    CHECK_BUSY TSS_C, nz
    ; back to main by hand
    and byte [gdt + TSS_C + 5], ~2
    and byte [gdt + TSS_MAIN + 5], ~2
    mov dword [tss_main + T_EIP], .row_back
    jmp TSS_MAIN:0
.row_back:
    add dword [row], 8
    cmp dword [row], rows_end
    jb .row
    PASS

align 4
far_pointer: dd 0
    dw TSS_B
align 4
called: dd 0
handler_error: dd 0
handler_eip: dd 0
handler_flags: dd 0
row: dd 0
rows:                                  ; field, value, vector, error
    dw T_LDT, DATA32, TS, DATA32
    dw T_LDT, LDT_B | 4, TS, LDT_B | 4
    dw T_CS, 0, TS, 0
    dw T_CS, DATA32, TS, DATA32
    dw T_CS, CODE_ABSENT, NP, CODE_ABSENT
    dw T_CS, CODE32 | 3, TS, CODE32
    dw T_SS, 0, TS, 0
    dw T_SS, UDATA32, TS, UDATA32 & ~3
    dw T_SS, CODE32, TS, CODE32
    dw T_DS, 0xfff8, TS, 0xfff8
    dw T_DS, TSS_MAIN, TS, TSS_MAIN
    dw T_DS, DATA32 | 3, TS, DATA32
rows_end:

tss_template:
    dd 0, 0x6800, DATA32, 0, 0, 0, 0, 0
    dd 0, 2, 0xaaaa, 0xcccc, 0xdddd, 0xbbbb, 0x5000, 0x5555, 0x6666, 0x7777
    dd DATA32, CODE32, DATA32, DATA32, 0, 0, 0
    dw 0, 0xffff

BEGIN_GDT
    DESC SCRATCH, 0x67, 0x89, 0
    GATE TSS_B, 0, 0xe5, 0
    DESC SCRATCH, 0x66, 0x89, 0
    DESC SCRATCH, 0x67, 0x09, 0
    DESC SCRATCH + 0x200, 0x2b, 0x81, 0
    DESC SCRATCH + 0x100, 0x67, 0x89, 0
    DESC 0, 0xff, 0x82, 0
    DESC 0, 0xfffff, 0x1b, 0xc
    GATE TSS_B, 0, 0x65, 0
    DESC SCRATCH + 0x300, 0x67, 0x89, 0
    DESC SCRATCH + 0x400, 0x67, 0x89, 0
gdt_end:
