; SPDX-License-Identifier: GPL-2.0-or-later
; Delivery of interrupts and exceptions in protected mode: all gate types, privilege changes, error codes of
; failing deliveries, shadows of STI and MOV SS, HLT, NMI blocking.
; SDM 3A, "Interrupt and Exception Handling"; SDM 2A, "INT n".
%include "guest.inc"

%define CODE_ABSENT FIRST_FREE
%define CODE_DPL1 FIRST_FREE + 0x08
%define CONFORMING FIRST_FREE + 0x10
%define STACK_DPL1 FIRST_FREE + 0x18

; Gate for a vector. Its stub is the usual one unless an offset is given.
%macro SET_GATE 4                      ; vector, selector, offset (0: stub), access
%ifidn %3, 0
    mov eax, STUBS_AT + 16 * (%1)
%else
    mov eax, %3
%endif
    mov [IDT_AT + 8 * (%1)], ax
    mov word [IDT_AT + 8 * (%1) + 2], %2
    mov word [IDT_AT + 8 * (%1) + 4], (%4) << 8
    shr eax, 16
    mov [IDT_AT + 8 * (%1) + 6], ax
%endmacro

start:
    ENTER_PROTECTED
    ; ---- what is pushed and which flags change ------------------------------------------------------------
    mov dword [resume], .int_done
    mov [resume_esp], esp
    push dword 0x200 | 0x4000 | 2 | 1    ; IF, NT, CF
    popfd
    int 0x40
.int_at:
.int_done:
    CHECK_EQ dword [got_vector], 0x40
    CHECK_EQ dword [got_error], NOTHING
    CHECK_EQ dword [got_eip], .int_at
    CHECK_EQ dword [got_frame], 0x7c00 - 12
    CHECK_EQ dword [got_eflags], 0x4203
    test dword [handler_eflags], 0x4300  ; an interrupt gate clears IF, TF, NT
    CHECK z
    SET_GATE 0x41, CODE32, 0, 0x8f       ; trap gate
    mov dword [resume], .trap_done
    sti
    int 0x41
.trap_done:
    CHECK_EQ dword [got_vector], 0x41
    test dword [handler_eflags], 0x200
    CHECK nz
    cli
    ; faults push RF, INT n does not
    RAISES UD, NOTHING, ud2
    test dword [got_eflags], 0x10000
    CHECK nz
    ; INT3 and INTO are traps
    mov dword [resume], .int3_done
    int3
.int3_at:
.int3_done:
    CHECK_EQ dword [got_vector], BP
    CHECK_EQ dword [got_eip], .int3_at
    mov al, 0x7f
    add al, 1
    mov dword [resume], .into_done
    into
.into_at:
.into_done:
    CHECK_EQ dword [got_vector], OF
    CHECK_EQ dword [got_eip], .into_at
    xor eax, eax
    RUNS into
    mov dword [SCRATCH], 5
    mov dword [SCRATCH + 4], 7
    mov eax, 8
    RAISES BR, NOTHING, bound eax, [SCRATCH]
    mov eax, 7
    RUNS bound eax, [SCRATCH]

    ; 16-bit gate: words
    SET_GATE 0x42, CODE32, gate16_handler, 0xee - 8
    mov esp, 0x7c00
    stc
    int 0x42
.gate16_at:
    CHECK c
    CHECK_EQ esp, 0x7c00
    CHECK_EQ word [seen16_ip], .gate16_at
    CHECK_EQ word [seen16_cs], CODE32
    CHECK_EQ dword [seen16_esp], 0x7c00 - 6

    ; ---- privilege ----------------------------------------------------------------------------------------------
    SET_GATE 0x43, CODE32, 0, 0x8e
    USER_RAISES GP, 0x43 * 8 + 2, 2, int 0x43
    USER_RUNS 0x202, nop
    CHECK_EQ dword [got_cs], UCODE32
    CHECK_EQ dword [got_ss], UDATA32
    CHECK_EQ dword [got_esp], USER_STACK
    ; to CPL 1
    mov dword [tss_main + 12], 0x6000
    mov word [tss_main + 16], STACK_DPL1 | 1
    SET_GATE 0x80, CODE_DPL1, handler_dpl1, 0xee
    AT_CPL3 user_int80, 2
    CHECK_EQ dword [got_vector], 0x81
    CHECK_EQ dword [got_cs], CODE_DPL1 | 1
    CHECK_EQ dword [got_ss], STACK_DPL1 | 1
    CHECK_EQ dword [got_esp], 0x6000 - 20
    ; conforming: at CPL 3 on the user's stack
    SET_GATE 0x80, CONFORMING, handler_dpl1, 0xee
    AT_CPL3 user_int80, 2
    CHECK_EQ dword [got_vector], 0x81
    CHECK_EQ dword [got_cs], CONFORMING | 3
    CHECK_EQ dword [got_esp], USER_STACK - 12
    ; no stack for CPL 1
    SET_GATE 0x80, CODE_DPL1, handler_dpl1, 0xee
    mov word [tss_main + 16], 0
    AT_CPL3 user_int80, 2
    CHECK_EQ dword [got_vector], TS
    CHECK_EQ dword [got_error], 0
    mov word [tss_main + 16], STACK_DPL1 | 1
    mov dword [tss_main + 12], 16        ; one push short
    AT_CPL3 user_int80, 2
    CHECK_EQ dword [got_vector], SS_
    CHECK_EQ dword [got_error], STACK_DPL1
    ; the same for an external interrupt: EXT
    SET_GATE 0x50, CODE_DPL1, handler_dpl1, 0xee
    AT_CPL3 user_wait_50, 0x3202
    CHECK_EQ dword [got_vector], SS_
    CHECK_EQ dword [got_error], STACK_DPL1 | 1
    SET_GATE 0x80, CODE32, 0, 0xee

    ; ---- gates that do not work ------------------------------------------------------------------------------------
    SET_GATE 0x44, CODE32, 0, 0x6e       ; not present
    RAISES NP, 0x44 * 8 + 2, int 0x44
    SET_GATE 0x44, CODE32, 0, 0x8c       ; a call gate
    RAISES GP, 0x44 * 8 + 2, int 0x44
    SET_GATE 0x44, DATA32, 0, 0x8e
    RAISES GP, DATA32, int 0x44
    SET_GATE 0x44, 0, 0, 0x8e
    RAISES GP, 0, int 0x44
    SET_GATE 0x44, CODE_ABSENT, 0, 0x8e
    RAISES NP, CODE_ABSENT, int 0x44
    SET_GATE 0x44, UCODE32, 0, 0x8e      ; outward
    RAISES GP, UCODE32 & ~3, int 0x44
    SET_GATE 0x44, 0xfff8, 0, 0x8e
    RAISES GP, 0xfff8, int 0x44
    lidt [short_idt]
    RAISES GP, 0xff * 8 + 2, int 0xff
    lidt [idt_pointer]
    ; an exception whose gate fails: EXT, and the first is forgotten (benign)
    SET_GATE UD, CODE32, 0, 0x0e
    RAISES NP, UD * 8 + 3, ud2
    SET_GATE UD, CODE_ABSENT, 0, 0x8e
    RAISES NP, CODE_ABSENT | 1, ud2
    SET_GATE UD, CODE32, 0, 0x8e
    ; an external interrupt whose gate fails
    SET_GATE 0x50, CODE32, 0, 0x0e
    mov dword [resume], .external_bad
    mov [resume_esp], esp
    mov al, 0x50
    out PORT_INTERRUPT, al
    sti
    nop
.external_bad_at:
    nop
.external_bad:
    CHECK_EQ dword [got_vector], NP
    CHECK_EQ dword [got_error], 0x50 * 8 + 3
    CHECK_EQ dword [got_eip], .external_bad_at
    SET_GATE 0x50, CODE32, 0, 0x8e

    ; ---- when interrupts come -----------------------------------------------------------------------------------------
    ; STI shadows the next instruction, also if it is CLI
    mov dword [got_vector], NOTHING
    mov dword [resume], .sti_done
    mov al, 0x51
    out PORT_INTERRUPT, al
    sti
    inc ecx
.sti_at:
    inc ecx
.sti_done:
    CHECK_EQ dword [got_vector], 0x51
    CHECK_EQ dword [got_eip], .sti_at
    mov dword [got_vector], NOTHING
    mov dword [resume], .sti_cli_done
    mov al, 0x52
    out PORT_INTERRUPT, al
    sti
    cli
    nop
    nop
    CHECK_EQ dword [got_vector], NOTHING
    ; MOV SS shadows too
    sti
    nop
.sti_cli_done:
    CHECK_EQ dword [got_vector], 0x52
    mov dword [got_vector], NOTHING
    mov dword [resume], .ss_done
    mov ax, ss
    mov dx, PORT_INTERRUPT
    mov cl, 0x53
    sti
    nop
    xchg eax, ecx
    pushfd
    cli
    out dx, al
    xchg eax, ecx
    popfd                              ; opens; the interrupt comes right after it
.popf_at:
    nop
.ss_done:
    CHECK_EQ dword [got_vector], 0x53
    CHECK_EQ dword [got_eip], .popf_at
    ; MOV SS: request while IF is set is taken after the instruction following MOV SS
    mov dword [got_vector], NOTHING
    mov dword [resume], .ss2_done
    mov cx, ss
    mov al, 0x54
    out PORT_INTERRUPT, al
    push dword 0x202
    sti
    mov ss, cx
    mov esp, 0x7b00
.ss2_at:
    nop
.ss2_done:
    CHECK_EQ dword [got_vector], 0x54
    CHECK_EQ dword [got_eip], .ss2_at
    mov esp, 0x7c00
    ; HLT: the interrupt returns to the next instruction
    mov dword [got_vector], NOTHING
    mov dword [resume], .hlt_done
    mov [resume_esp], esp
    mov al, 0x55
    out PORT_INTERRUPT, al
    sti
    hlt
.hlt_at:
    nop
.hlt_done:
    CHECK_EQ dword [got_vector], 0x55
    CHECK_EQ dword [got_eip], .hlt_at

    ; ---- NMI ------------------------------------------------------------------------------------------------------------
    SET_GATE 2, CODE32, nmi_handler, 0x8e
    cli
    mov esp, 0x7c00
    out PORT_NMI, al
    nop
    CHECK_EQ dword [nmi_count], 2        ; the second came after the first one's IRET
    CHECK_EQ dword [nmi_nested], 0
    CHECK_EQ esp, 0x7c00
    ; even an IRET that faults opens them again
    mov dword [nmi_count], 0
    SET_GATE 2, CODE32, nmi_handler_faulting, 0x8e
    mov dword [resume], .nmi_faulted
    mov [resume_esp], esp
    out PORT_NMI, al
    nop
.nmi_faulted:
    CHECK_EQ dword [got_vector], GP
    SET_GATE 2, CODE32, nmi_handler_simple, 0x8e
    out PORT_NMI, al
    nop
    CHECK_EQ dword [nmi_count], 1
    PASS

bits 32
user_int80:
    int 0x80
user_wait_50:
    mov al, 0x50
    out PORT_INTERRUPT, al
.wait:
    jmp .wait

handler_dpl1:
    int 0x81

gate16_handler:
    mov [seen16_esp], esp
    mov ax, [esp]
    mov [seen16_ip], ax
    mov ax, [esp + 2]
    mov [seen16_cs], ax
    o16 iret

nmi_handler:
    inc dword [nmi_count]
    cmp dword [nmi_inside], 0
    je .outer
    inc dword [nmi_nested]
.outer:
    inc dword [nmi_inside]
    cmp dword [nmi_count], 1
    jne .leave
    out PORT_NMI, al
    nop
    nop
.leave:
    dec dword [nmi_inside]
    iretd

nmi_handler_faulting:
    mov dword [esp + 4], DATA32
    iretd

nmi_handler_simple:
    inc dword [nmi_count]
    iretd

align 4
nmi_count: dd 0
nmi_inside: dd 0
nmi_nested: dd 0
seen16_esp: dd 0
seen16_ip: dw 0
seen16_cs: dw 0
short_idt: dw 0xff * 8 - 1
    dd IDT_AT

BEGIN_GDT
    DESC 0, 0xfffff, 0x1b, 0xc
    DESC 0, 0xfffff, 0xbb, 0xc
    DESC 0, 0xfffff, 0x9f, 0xc
    DESC 0, 0xffff, 0xb3, 4
gdt_end:
