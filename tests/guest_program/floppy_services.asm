; SPDX-License-Identifier: GPL-2.0-or-later
;
; A bootable floppy that asks the PC's BIOS for its services in real mode, as DOS does: screen, memory size,
; diskette, system, keyboard, time. The BIOS is the distribution's, so this is about the chips below it.
; IBM PS/2 and PC BIOS Interface Technical Reference, "Interrupts".
;
; Assembled with TRACKS, HEADS and SECTORS. Ends through the exit port with PASSED, or after a line on the debug
; console with FAILED.

%include "guest_exit.inc"
%define PORT_CMOS 0x70
%define MORE 6                          ; sectors of this program behind the first
%define BUFFER 0x4000                   ; two of a sector each
%define BUFFER2 0x4200
%define PATTERN 0x5aa5

bits 16
org 0x7c00

    jmp 0:start
start:
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov sp, 0x7000
    sti
    cld
    mov [drive], dl
    mov cx, 3
.try:
    push cx
    mov ax, 0x0200 | MORE
    mov bx, 0x7e00
    mov cx, 2
    mov dl, [drive]
    mov dh, 0
    int 0x13
    pop cx
    jnc .loaded
    xor ax, ax                          ; the first access after a change may fail
    int 0x13
    loop .try
    mov si, not_loaded
    jmp fail
.loaded:
    jmp main

; A line on the debug console, and the end.
fail:
    lodsb
    test al, al
    jz .end
    out PORT_DEBUG, al
    jmp fail
.end:
    mov al, FAILED
    LEAVE_GUEST

not_loaded: db "INT 13h did not read the rest of the program", 10, 0
drive: db 0

    times 510 - ($ - $$) db 0
    dw 0xaa55

main:
    call screen
    call memory
    call diskette_parameters
    call diskette_data
    call diskette_errors
    call system
    call keyboard
    call time
    mov al, PASSED
    LEAVE_GUEST

; ---- INT 10h ----

screen:
    mov ah, 0x0f
    int 0x10
    cmp ah, 80
    CHECK e, "INT 10h AH=0Fh: the screen has not 80 columns"
    mov ah, 0x02
    mov bh, 0
    mov dx, 0x0510
    int 0x10
    mov ah, 0x03
    mov bh, 0
    int 0x10
    cmp dx, 0x0510
    CHECK e, "INT 10h AH=03h: the cursor is not where AH=02h put it"
    mov ax, 0x0e41
    mov bx, 7
    int 0x10
    mov ah, 0x03
    mov bh, 0
    int 0x10
    cmp dx, 0x0511
    CHECK e, "INT 10h AH=0Eh: the cursor did not move on"
    ret

; ---- INT 11h, 12h ----

memory:
    int 0x12
    cmp ax, 639
    CHECK e, "INT 12h: conventional memory is not 639 KiB"
    int 0x11
    and ax, 0xc1
    cmp al, 0x01
    CHECK e, "INT 11h: there is not one floppy drive"
    ret

; ---- INT 13h ----

diskette_parameters:
    mov ah, 0x08
    mov dl, [drive]
    xor di, di
    push es
    int 0x13
    pop es
    CHECK nc, "INT 13h AH=08h failed"
    cmp ch, TRACKS - 1
    CHECK e, "INT 13h AH=08h: another number of tracks"
    cmp cl, SECTORS
    CHECK e, "INT 13h AH=08h: another number of sectors"
    cmp dh, 1
    CHECK e, "INT 13h AH=08h: another number of heads"
    cmp dl, 1
    CHECK e, "INT 13h AH=08h: another number of drives"
    mov ah, 0x15
    mov dl, [drive]
    int 0x13
    CHECK nc, "INT 13h AH=15h failed"
    ret

; The last sector is written, read, verified.
diskette_data:
    mov cx, 256
    mov di, BUFFER
    mov ax, PATTERN
.fill:
    stosw
    add ax, 0x1357
    loop .fill
    mov ax, 0x0301
    mov bx, BUFFER
    call last_sector
    CHECK nc, "INT 13h AH=03h: the last sector was not written"
    mov ax, 0x0401
    mov bx, BUFFER
    call last_sector
    CHECK nc, "INT 13h AH=04h: the last sector was not verified"
    mov ax, 0x0201
    mov bx, BUFFER2
    call last_sector
    CHECK nc, "INT 13h AH=02h: the last sector was not read"
    mov si, BUFFER
    mov di, BUFFER2
    mov cx, 256
    repe cmpsw
    CHECK e, "INT 13h AH=02h: other data than was written"
    mov ax, 0x0201                      ; the first one again, from the other end of the disk
    mov bx, BUFFER2
    mov cx, 1
    mov dh, 0
    mov dl, [drive]
    int 0x13
    CHECK nc, "INT 13h AH=02h: the boot sector was not read"
    cmp word [BUFFER2 + 510], 0xaa55
    CHECK e, "INT 13h AH=02h: what was read is not the boot sector"
    ret

last_sector:
    mov ch, TRACKS - 1
    mov cl, SECTORS
    mov dh, HEADS - 1
    mov dl, [drive]
    int 0x13
    ret

diskette_errors:
    mov ax, 0x0201
    mov bx, BUFFER
    mov cx, SECTORS + 1
    mov dh, 0
    mov dl, [drive]
    int 0x13
    CHECK c, "INT 13h AH=02h read a sector that is not there"
    xor ax, ax
    mov dl, [drive]
    int 0x13
    CHECK nc, "INT 13h AH=00h failed"
    mov ah, 0x01
    mov dl, [drive]
    int 0x13
    CHECK nc, "INT 13h AH=01h: the last status is an error"
    ret

; ---- INT 15h ----

system:
    mov ah, 0x88
    int 0x15
    CHECK nc, "INT 15h AH=88h failed"
    cmp ax, 15 * 1024
    CHECK ae, "INT 15h AH=88h: too little extended memory"
    mov ah, 0xc0
    push es
    int 0x15
    CHECK nc, "INT 15h AH=C0h failed"
    cmp byte [es:bx + 2], 0xfc
    pop es
    CHECK e, "INT 15h AH=C0h: this is no AT"
    mov ax, 0x2401
    int 0x15
    CHECK nc, "INT 15h AX=2401h: the A20 gate did not open"
    call copy_up
    mov eax, 0xe820
    mov edx, 0x534d4150
    xor ebx, ebx
    mov ecx, 20
    mov di, BUFFER
    int 0x15
    CHECK nc, "INT 15h AX=E820h failed"
    cmp eax, 0x534d4150
    CHECK e, "INT 15h AX=E820h: no signature"
    cmp dword [BUFFER + 8], 639 * 1024
    CHECK e, "INT 15h AX=E820h: conventional memory has another size"
    mov ah, 0x86                        ; 0.1 s, by the RTC's periodic interrupt
    mov cx, 1
    mov dx, 0x86a0
    int 0x15
    CHECK nc, "INT 15h AH=86h failed"
    ret

; 512 bytes to 2 MiB and back.
copy_up:
    mov word [gdt.from + 2], BUFFER
    mov byte [gdt.from + 4], 0
    mov word [gdt.to + 2], 0
    mov byte [gdt.to + 4], 0x20
    mov word [BUFFER], 0x4711
    mov ah, 0x87
    mov cx, 256
    mov si, gdt
    int 0x15
    CHECK nc, "INT 15h AH=87h failed"
    mov word [gdt.from + 2], 0
    mov byte [gdt.from + 4], 0x20
    mov word [gdt.to + 2], BUFFER2
    mov byte [gdt.to + 4], 0
    mov word [BUFFER2], 0
    mov ah, 0x87
    mov cx, 256
    mov si, gdt
    int 0x15
    CHECK nc, "INT 15h AH=87h failed on the way back"
    cmp word [BUFFER2], 0x4711
    CHECK e, "INT 15h AH=87h: other data came back"
    ret

align 8
gdt:
    times 16 db 0
.from:
    dw 0xffff, 0
    db 0, 0x93, 0, 0
.to:
    dw 0xffff, 0
    db 0, 0x93, 0, 0
    times 16 db 0

; ---- INT 16h ----

keyboard:
    mov ah, 0x01
    int 0x16
    CHECK z, "INT 16h AH=01h: there is a key that nobody pressed"
    mov ah, 0x05
    mov cx, 0x1e61
    int 0x16
    test al, al
    CHECK z, "INT 16h AH=05h: the buffer took no key"
    mov ah, 0x01
    int 0x16
    CHECK nz, "INT 16h AH=01h: the key is not there"
    mov ah, 0x00
    int 0x16
    cmp ax, 0x1e61
    CHECK e, "INT 16h AH=00h: another key"
    mov al, 0xd2                        ; as if the keyboard had sent it: make and break of B
    out 0x64, al
    mov al, 0x30
    out 0x60, al
    mov ah, 0x00
    int 0x16
    cmp ax, 0x3062
    CHECK e, "INT 16h AH=00h: the keyboard's key did not come"
    mov ah, 0x02
    int 0x16
    test al, 0x0f
    CHECK z, "INT 16h AH=02h: a shift key is held"
    ret

; ---- INT 1Ah ----

time:
    mov ah, 0x00
    int 0x1a
    mov bx, dx
    mov ecx, 0x1000000                  ; waits for three ticks, by HLT; a monitor may make nothing of that,
.wait:                                  ; and 65,536 times then take less than three ticks on a quick host
    hlt
    push bx
    push ecx
    mov ah, 0x00
    int 0x1a
    pop ecx
    pop bx
    mov ax, dx
    sub ax, bx
    cmp ax, 3
    jae .ticked
    loop .wait, ecx
    CHECK e, "INT 1Ah AH=00h: time stands still"
.ticked:
    mov ah, 0x02
    int 0x1a
    CHECK nc, "INT 1Ah AH=02h failed"
    cmp ch, 0x23
    CHECK be, "INT 1Ah AH=02h: no hour"
    cmp cl, 0x59
    CHECK be, "INT 1Ah AH=02h: no minute"
    mov ah, 0x04
    int 0x1a
    CHECK nc, "INT 1Ah AH=04h failed"
    cmp ch, 0x20
    CHECK e, "INT 1Ah AH=04h: another century"
    mov ax, 0xb101                      ; PCI BIOS
    int 0x1a
    CHECK nc, "INT 1Ah AX=B101h failed"
    cmp edx, 0x20494350
    CHECK e, "INT 1Ah AX=B101h: no PCI BIOS"
    ret

    times (1 + MORE) * 512 - ($ - $$) db 0
    times TRACKS * HEADS * SECTORS * 512 - ($ - $$) db 0xf6
