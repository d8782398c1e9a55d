; SPDX-License-Identifier: GPL-2.0-or-later
;
; A boot sector that says on the screen which medium it is on, NAME, and has the BIOS try the next one: INT 18h. SIZE bytes long,
; which is a floppy's, a disk's, or that of a CD's boot image.

bits 16
org 0x7c00

    jmp 0:start

start:
    xor ax, ax
    mov ds, ax
    mov si, name
    cld
.next:
    lodsb
    test al, al
    jz .end
    mov ah, 0x0e
    mov bx, 7
    int 0x10
    jmp .next
.end:
    int 0x18
    jmp $

name:
    db "[", NAME, "]", 0

times 510 - ($ - $$) db 0
    dw 0xaa55
times SIZE - ($ - $$) db 0
