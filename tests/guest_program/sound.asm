; SPDX-License-Identifier: GPL-2.0-or-later
;
; A ROM in real mode that makes sound, for sound_check.py to hear: a tone of the speaker (1 kHz, half a second), then
; by the Sound Blaster 16 a square wave of 8 bits by automatic DMA (500 Hz, half a second of it, an interrupt each 50
; ms), then 16 bits in stereo, once (441 Hz on the left, 882 Hz on the right, half a second). Between them is silence.
; Creative's "Sound Blaster Series Hardware Programming Guide".
;
; Ends through the exit port with PASSED, or with FAILED.

bits 16
cpu 386
org 0xf000                              ; the last 4 KiB below 1 MiB

%include "guest_exit.inc"
%define PIC 0x20
%define PIT 0x40
%define PORT61 0x61
%define DMA_1 0x02                      ; address and count of channel 1
%define DMA_5 0xc4
%define DSP_RESET 0x226
%define DSP_DATA 0x22a
%define DSP_WRITE 0x22c
%define DSP_STATUS 0x22e                ; and what says that an 8-bit interrupt is noticed
%define DSP_STATUS_16 0x22f
%define MIXER 0x224
%define VECTOR_5 (8 + 5) * 4

%define BUFFER 0x10000                  ; physical
%define TICKS 0x500                     ; interrupts so far

%macro OUTB 2
    mov dx, %1
    mov al, %2
    out dx, al
%endmacro

%macro DSP 1
    mov al, %1
    call dsp
%endmacro

%macro MIX 2
    OUTB MIXER, %1
    OUTB MIXER + 1, %2
%endmacro

start:
    cli
    cld
    xor ax, ax
    mov ds, ax
    mov ss, ax
    mov sp, 0x7000
    mov word [VECTOR_5], interrupt
    mov [VECTOR_5 + 2], cs
    mov word [TICKS], 0
    OUTB PIC, 0x11
    OUTB PIC + 1, 0x08
    OUTB PIC + 1, 0x04
    OUTB PIC + 1, 0x01
    OUTB PIC + 1, 0xdf                  ; IRQ 5
    OUTB PIT + 3, 0x34                  ; counter 0 counts down for wait_ms
    OUTB PIT, 0
    OUTB PIT, 0

    ; The speaker
    OUTB PIT + 3, 0xb6
    OUTB PIT + 2, 1193 & 0xff
    OUTB PIT + 2, 1193 >> 8
    OUTB PORT61, 3
    mov cx, 500
    call wait_ms
    OUTB PORT61, 0
    mov cx, 300
    call wait_ms

    ; The card
    OUTB DSP_RESET, 1
    mov cx, 1
    call wait_ms
    OUTB DSP_RESET, 0
    mov cx, 1
    call wait_ms
    mov dx, DSP_STATUS
    in al, dx
    test al, 0x80
    jz failed
    mov dx, DSP_DATA
    in al, dx
    cmp al, 0xaa
    jne failed
    MIX 0x30, 0xf8
    MIX 0x31, 0xf8
    MIX 0x32, 0xf8
    MIX 0x33, 0xf8

    ; 8 bits at 20 kHz: 40 bytes are a wave. Two blocks of 1000.
    mov ax, BUFFER >> 4
    mov es, ax
    xor di, di
    mov bx, 2000 / 40
.wave:
    mov cx, 20
    mov al, 0xc0
    rep stosb
    mov cx, 20
    mov al, 0x40
    rep stosb
    dec bx
    jnz .wave
    OUTB 0xd6, 0xc0                     ; channel 4 is the first controller's, as a BIOS opens it
    OUTB 0xd4, 0
    OUTB 0x0a, 5
    OUTB 0x0c, 0
    OUTB 0x0b, 0x59                     ; single, automatic, from memory
    OUTB DMA_1, BUFFER & 0xff
    OUTB DMA_1, BUFFER >> 8 & 0xff
    OUTB DMA_1 + 1, 1999 & 0xff
    OUTB DMA_1 + 1, 1999 >> 8
    OUTB 0x83, BUFFER >> 16
    OUTB 0x0a, 1
    DSP 0x41
    DSP 20000 >> 8
    DSP 20000 & 0xff
    DSP 0xc6
    DSP 0x00
    DSP 999 & 0xff
    DSP 999 >> 8
    mov bx, 9
    call wait_ticks
    DSP 0xda                            ; to the end of the tenth block
    mov bx, 10
    call wait_ticks
    mov cx, 300
    call wait_ms
    cmp word [TICKS], 10
    jne failed

    ; 16 bits at 22050 Hz, stereo: 50 frames are a wave of the left, 25 one of the right.
    xor di, di
    mov bx, 11025
    xor cx, cx
.frame:
    mov ax, 16384
    cmp cx, 25
    jb .left
    neg ax
.left:
    stosw
    mov ax, 8192
    cmp cx, 12
    jb .right
    cmp cx, 25
    jb .negative
    cmp cx, 37
    jb .right
.negative:
    neg ax
.right:
    stosw
    inc cx
    cmp cx, 50
    jb .next
    xor cx, cx
.next:
    dec bx
    jnz .frame
    OUTB 0xd4, 5
    OUTB 0xd8, 0
    OUTB 0xd6, 0x49
    OUTB DMA_5, BUFFER >> 1 & 0xff
    OUTB DMA_5, BUFFER >> 9 & 0xff
    OUTB DMA_5 + 2, 22049 & 0xff
    OUTB DMA_5 + 2, 22049 >> 8
    OUTB 0x8b, BUFFER >> 16
    OUTB 0xd4, 1
    DSP 0x41
    DSP 22050 >> 8
    DSP 22050 & 0xff
    DSP 0xb0
    DSP 0x30
    DSP 22049 & 0xff
    DSP 22049 >> 8
    mov bx, 11
    call wait_ticks
    mov cx, 100
    call wait_ms
    cmp word [TICKS], 11
    jne failed
    mov al, PASSED
    jmp leave_guest
failed:
    mov al, FAILED
leave_guest:
    mov dx, PORT_EXIT
    out dx, al
.stop:
    hlt
    jmp .stop

; AL: to the DSP, when it takes it
dsp:
    mov ah, al
    mov dx, DSP_WRITE
.busy:
    in al, dx
    test al, 0x80
    jnz .busy
    mov al, ah
    out dx, al
    ret

; BX: until there have been so many interrupts
wait_ticks:
    sti
    hlt
    cli
    cmp [TICKS], bx
    jb wait_ticks
    ret

; The card's, of either kind
interrupt:
    push ax
    push dx
    OUTB MIXER, 0x82
    inc dx
    in al, dx
    mov dx, DSP_STATUS
    test al, 1
    jnz .notice
    mov dx, DSP_STATUS_16
.notice:
    in al, dx
    inc word [TICKS]
    OUTB PIC, 0x20
    pop dx
    pop ax
    iret

; CX: milliseconds, by counter 0
wait_ms:
    call counter
    mov si, ax
.more:
    call counter
    mov dx, si
    sub dx, ax                          ; it counts down
    cmp dx, 1193
    jb .more
    sub si, 1193
    loop .more
    ret

counter:
    OUTB PIT + 3, 0
    in al, PIT
    mov ah, al
    in al, PIT
    xchg al, ah
    ret

    times 0xff0 - ($ - $$) db 0xff
    jmp 0xf000:start                    ; the reset vector
    times 0x1000 - ($ - $$) db 0xff
