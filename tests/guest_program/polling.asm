; SPDX-License-Identifier: GPL-2.0-or-later
;
; A ROM in real mode that polls, with interrupts off everywhere: a port that nobody answers, the serial port for a byte
; from outside, the keyboard controller for an answer that takes its time. It need not leave the processor for any of
; these reads, and yet sees each change.
;
; Ends through the exit port with PASSED, or with FAILED.

bits 16
cpu 386
org 0xf000                              ; the last 4 KiB below 1 MiB

%include "guest_exit.inc"
%define PORT_NOBODY 0x300
%define COM1 0x3f8
%define LSR 5
%define LSR_DR 0x01
%define KBC_DATA 0x60
%define KBC_STATUS 0x64
%define KBC_OBF 0x01
%define KEYBOARD_ON 0xae
%define ECHO 0xee

start:
    cli
    mov dx, PORT_NOBODY
    mov ecx, 100000
.nobody:
    in al, dx
    cmp al, 0xff
    jne failed
    a32 loop .nobody

    mov dx, COM1 + LSR
.serial:
    in al, dx
    test al, LSR_DR
    jz .serial
    mov dx, COM1
    in al, dx
    cmp al, 'q'
    jne failed
    mov dx, COM1 + LSR
    in al, dx
    test al, LSR_DR
    jnz failed

    mov al, KEYBOARD_ON
    out KBC_STATUS, al
    mov bx, 100
.echo:
    mov al, ECHO
    out KBC_DATA, al
.keyboard:
    in al, KBC_STATUS
    test al, KBC_OBF
    jz .keyboard
    in al, KBC_DATA
    cmp al, ECHO
    jne failed
    in al, KBC_STATUS
    test al, KBC_OBF
    jnz failed
    dec bx
    jnz .echo

    mov al, PASSED
    jmp finish
failed:
    mov al, FAILED
finish:
    out PORT_EXIT, al
.stop:
    jmp .stop

    times 0xff0 - ($ - $$) db 0xff
    jmp 0xf000:start                    ; the reset vector
    times 0x1000 - ($ - $$) db 0xff
