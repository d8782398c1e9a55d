; SPDX-License-Identifier: GPL-2.0-or-later
;
; A disk of DISK_SECTORS sectors whose boot sector a BIOS starts. It reads sectors through INT 13h by cylinder, head and sector
; and by number, all of a track at once too, writes one and reads it back, and looks for what each holds: its number, four bytes
; long, from its start to its end. Enhanced Disk Drive Specification 3.0; IBM PC/AT Technical Reference, "BIOS", "INT 13h".
;
; Ends through the exit port with PASSED, or with FAILED after the number of the check in hexadecimal on the debug console.

%include "guest_exit.inc"
%define SECTOR 512
%define BUFFER 0x8000                  ; up to the end of the segment
%define SCRATCH (DISK_SECTORS - 1)      ; the sector that is written

bits 16
org 0x7c00

start:
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov sp, 0x7c00
    cld
    mov [drive], dl

    ; 1: geometry. 2: it is that of the disk.
    mov ah, 0x08
    mov di, 0
    int 0x13
    call check_carry
    mov al, cl
    and al, 63
    mov [track], al
    inc dh
    mov [heads], dh
    xor ax, ax
    mov es, ax
    cmp byte [track], 63
    call check_equal

    ; 3 to 5: sector 1, head 1, cylinder 0; then as much as ends the track
    mov ax, 0x0201
    mov cx, 0x0001
    mov dh, 1
    call transfer_chs
    movzx eax, byte [track]
    mov cx, 1
    call check_sectors
    mov ax, 0x0200 + 62
    mov cx, 0x0002
    mov dh, 0
    call transfer_chs
    mov eax, 1
    mov cx, 62
    call check_sectors

    ; 7: there are packets. Then near the end, by number; across a track.
    mov ah, 0x41
    mov bx, 0x55aa
    mov dl, [drive]
    int 0x13
    call check_carry
    mov eax, DISK_SECTORS - 100
    mov cx, 64
    call read_lba

    ; Write the scratch sector with the one before its contents, read it again, put it back.
    mov eax, SCRATCH - 1
    mov cx, 1
    call read_lba
    mov dword [packet.lba], SCRATCH
    mov ah, 0x43
    call transfer_lba
    mov dword [packet.lba], SCRATCH
    mov ah, 0x42
    call transfer_lba
    mov eax, SCRATCH - 1
    mov cx, 1
    call check_sectors
    mov di, BUFFER
    mov cx, SECTOR / 4
    mov eax, SCRATCH
    rep stosd
    mov ah, 0x43
    call transfer_lba

    ; Behind the end there is nothing.
    mov dword [packet.lba], DISK_SECTORS
    mov si, packet
    mov dl, [drive]
    mov ah, 0x42
    int 0x13
    cmc
    call check_carry

    mov al, PASSED
    jmp leave_with

; AX, CX, DH for INT 13h
transfer_chs:
    mov bx, BUFFER
    mov dl, [drive]
    int 0x13
    jmp check_carry

; CX sectors from EAX on, and look at them
read_lba:
    mov [packet.lba], eax
    mov [packet.count], cx
    push eax
    push cx
    mov ah, 0x42
    call transfer_lba
    pop cx
    pop eax
    jmp check_sectors

; AH: 42h reads, 43h writes
transfer_lba:
    mov al, 0
    mov si, packet
    mov dl, [drive]
    int 0x13

; A check: carry is clear, the flags say equal, CX sectors in the buffer are those from EAX on.
check_carry:
    inc byte [number]
    jc fail
    ret

check_sectors:
    inc byte [number]
    mov di, BUFFER
.sector:
    push cx
    mov cx, SECTOR / 4
    repe scasd
    pop cx
    jne fail
    inc eax
    loop .sector
    ret

check_equal:
    lahf
    inc byte [number]
    sahf
    je done
fail:
    mov al, [number]
    shr al, 4
    call digit
    mov al, [number]
    and al, 15
    call digit
    mov al, FAILED
leave_with:
    out PORT_EXIT, al
    cli
    hlt

digit:
    cmp al, 10
    sbb al, 0x69
    das
    out PORT_DEBUG, al
done:
    ret

drive: db 0
track: db 0
heads: db 0
number: db 0

align 4
packet:
    db 16, 0
.count: dw 1
    dw BUFFER, 0
.lba: dq 0

    times 510 - ($ - $$) db 0
    dw 0xaa55

%assign n 1
%rep 4095
    times SECTOR / 4 dd n
%assign n n + 1
%endrep
