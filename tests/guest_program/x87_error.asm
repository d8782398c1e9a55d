; SPDX-License-Identifier: GPL-2.0-or-later
;
; x87 errors as the PC reports them: with CR0.NE clear a pending exception stops the processor at the next
; waiting instruction until IRQ 13 is answered; port F0h drops IRQ 13 and lets the handler use the FPU. A ROM
; in real mode, run by the program itself: processor, interrupt controllers and latch work together here.
; SDM 1, "Guidelines for Writing x87 FPU Exception Handlers", "MS-DOS Compatibility Sub-mode".
;
; Ends through the exit port with PASSED, or after a word on the debug console with FAILED.

bits 16
cpu 686
org 0xf000                              ; the last 4 KiB below 1 MiB

%include "guest_exit.inc"

%define PORT_ERROR 0xf0
%define PIC1 0x20
%define PIC2 0xa0
%define EOI 0x20
%define VECTOR_TIMER 0x08
%define VECTOR_ERROR 0x75               ; IRQ 13
%define VECTOR_MF 16
%define ONLY_CASCADE 0xfb               ; masks
%define CASCADE_AND_TIMER 0xfa
%define ONLY_ERROR 0xdf
%define NOTHING 0xff

%define FSW_ZE 0x04
%define FSW_ES 0x80
%define CR0_NE 0x20

; What the handlers leave behind.
absolute 0x500
errors:       resw 1                    ; times IRQ 13 came
error_ip:     resw 1                    ; where the last one interrupted
error_status: resw 1                    ; FSW as the handler found it
inside:       resw 1                    ; FSW after the handler used the FPU under IGNNE#
ticks:        resw 1
faults:       resw 1                    ; times #MF came
handler:      resw 1                    ; what on_error does
control:      resw 1
section .text

; Begin a check: nothing pending, nothing counted; `%1` sees to the next error.
%macro BEGIN 1
    fnclex
    mov word [errors], 0
    mov word [ticks], 0
    mov word [handler], %1
%endmacro

; Leave 1/0 pending: the exception itself stops nobody.
%macro DIVIDE_BY_ZERO 0
    fld1
    fldz
    fdivp st1, st0
%endmacro

%macro HOOK 2                           ; vector, handler
    mov word [%1 * 4], %2
    mov word [%1 * 4 + 2], cs
%endmacro

; A waiting instruction that has to be interrupted once, right before it.
%macro EXPECT_ERROR 2+                  ; text, instruction
%%at:
    %2
    cmp word [errors], 1
    CHECK e, {%1, ": IRQ 13 did not come once"}
    cmp word [error_ip], %%at
    CHECK e, {%1, ": not before the waiting instruction"}
    test word [error_status], FSW_ZE
    CHECK nz, {%1, ": no zero divide in FSW"}
%endmacro

start:
    cli
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov sp, 0x7c00
    HOOK VECTOR_TIMER, on_timer
    HOOK VECTOR_ERROR, on_error
    HOOK VECTOR_MF, on_mf
    mov word [faults], 0
    call set_up_chips
    mov eax, cr0
    and al, ~CR0_NE
    mov cr0, eax
    fninit
    mov word [control], 0x037b          ; all masked but zero divide
    fldcw [control]
    sti

    ; Instructions that do not wait are not stopped.
    BEGIN acknowledge_then_clear
    DIVIDE_BY_ZERO
    fnstcw [control]
    fnstsw ax
    test ax, FSW_ES
    CHECK nz, "no-wait: nothing is pending"
    mov cx, 1000
.idle:
    loop .idle
    cmp word [errors], 0
    CHECK e, "no-wait: IRQ 13 came before a waiting instruction"
    fnclex

    ; The usual handler. FNCLEX comes last, so that the program outside sees nothing between the end of one
    ; error and the next.
    mov di, 3
.again:
    BEGIN acknowledge_then_clear
    DIVIDE_BY_ZERO
    EXPECT_ERROR "usual", fwait
    dec di
    jnz .again

    ; Any waiting instruction will do, and it is executed afterwards.
    BEGIN acknowledge_then_clear
    fninit
    fldcw [control]
    DIVIDE_BY_ZERO
    EXPECT_ERROR "arithmetic", fld1
    fnstsw ax
    and ah, 0x38                        ; TOP: both operands stayed, and 1
    cmp ah, 5 << 3
    CHECK e, "arithmetic: not executed once"

    ; The other order: the latch finds FERR# inactive already and raises no IGNNE#.
    mov di, 2
.other:
    BEGIN clear_then_acknowledge
    fninit
    fldcw [control]
    DIVIDE_BY_ZERO
    EXPECT_ERROR "cleared first", fwait
    dec di
    jnz .other

    ; IGNNE#: the handler may use the FPU with the exception pending, and for this error only.
    mov di, 2
.ignored:
    BEGIN use_fpu
    fninit
    fldcw [control]
    DIVIDE_BY_ZERO
    mov word [inside], 0
    EXPECT_ERROR "IGNNE#", fwait
    test word [inside], FSW_ZE
    CHECK nz, "IGNNE#: the exception was lost"
    dec di
    jnz .ignored

    ; STI holds interrupts up for one instruction, which here waits for one.
    BEGIN acknowledge_then_clear
    fninit
    fldcw [control]
    cli
    DIVIDE_BY_ZERO
    sti
    EXPECT_ERROR "after STI", fwait

    ; The stopped processor takes other interrupts and stops again.
    BEGIN acknowledge_then_clear
    fninit
    fldcw [control]
    mov al, NOTHING
    out PIC2 + 1, al
    mov al, CASCADE_AND_TIMER
    out PIC1 + 1, al
    DIVIDE_BY_ZERO
    EXPECT_ERROR "other interrupts", fwait
    cmp word [ticks], 3
    CHECK ae, "other interrupts: none came"
    mov al, ONLY_CASCADE
    out PIC1 + 1, al

    ; With CR0.NE set there is #MF instead.
    BEGIN acknowledge_then_clear
    fninit
    fldcw [control]
    mov eax, cr0
    or al, CR0_NE
    mov cr0, eax
    DIVIDE_BY_ZERO
    fwait
    cmp word [faults], 1
    CHECK e, "NE: no #MF"
    cmp word [errors], 0
    CHECK e, "NE: IRQ 13 came"

    mov al, PASSED
    jmp finish

; ---- What becomes of an error ------------------------------------------------------------------------------

on_error:
    push ax
    push bp
    mov bp, sp
    mov ax, [bp + 4]
    mov [error_ip], ax
    fnstsw ax
    mov [error_status], ax
    inc word [errors]
    call [handler]
    pop bp
    pop ax
    iret

acknowledge:
    xor al, al
    out PORT_ERROR, al
end_interrupt:
    mov al, EOI
    out PIC2, al
    out PIC1, al
    ret

acknowledge_then_clear:
    call acknowledge
    fnclex
    ret

clear_then_acknowledge:
    fnclex
    jmp acknowledge

use_fpu:
    xor al, al
    out PORT_ERROR, al
    fld1                                ; these wait
    fstp st0
    fstsw [inside]
    fnclex
    jmp end_interrupt

; ---- Other interrupts --------------------------------------------------------------------------------------

on_mf:
    inc word [faults]
    fnclex
    iret

on_timer:
    push ax
    inc word [ticks]
    cmp word [ticks], 3
    jb .end
    mov al, ONLY_ERROR
    out PIC2 + 1, al
.end:
    mov al, EOI
    out PIC1, al
    pop ax
    iret

; ---- Chips -------------------------------------------------------------------------------------------------

; Port and value, until port 0.
chips:
    db PIC1, 0x11, PIC2, 0x11           ; ICW1: cascade, edge triggered, ICW4 follows
    db PIC1 + 1, VECTOR_TIMER, PIC2 + 1, VECTOR_ERROR - 5
    db PIC1 + 1, 4, PIC2 + 1, 2         ; ICW3
    db PIC1 + 1, 1, PIC2 + 1, 1         ; ICW4: 8086
    db PIC1 + 1, ONLY_CASCADE, PIC2 + 1, ONLY_ERROR
    db 0x43, 0x34, 0x40, 0, 0x40, 0x20  ; counter 0, mode 2, every 8192 clocks: 6.9 ms
    db 0

set_up_chips:
    mov si, chips
    xor dx, dx
.next:
    cs lodsb
    mov dl, al
    test al, al
    jz .end
    cs lodsb
    out dx, al
    jmp .next
.end:
    ret

; ---- Ends --------------------------------------------------------------------------------------------------

fail:
    cs lodsb
    test al, al
    jz .end
    out PORT_DEBUG, al
    jmp fail
.end:
    mov al, FAILED
finish:
    out PORT_EXIT, al
.stop:
    jmp .stop

    times 0xff0 - ($ - $$) db 0xff
    jmp 0xf000:start                    ; the reset vector
    times 0x1000 - ($ - $$) db 0xff
