; SPDX-License-Identifier: GPL-2.0-or-later
;
; A ROM that starts the display adapter's own BIOS from its PCI expansion ROM, sets a mode by INT 10h or by
; registers, draws one of several scenes in it, and ends through the exit port. What the screen shows then is for
; vga_scenes.py to judge. SCENE chooses: vga_scenes in CMakeLists.txt has their names.

%include "guest_exit.inc"
%define PORT_CONFADD 0xcf8
%define PORT_CONFDATA 0xcfc
%define VGA_FUNCTION (2 << 3)           ; 00:02.0, as INT 1Ah has it
%define FRAME_BUFFER 0xf0000000
%define EXPANSION_ROM 0xfeb00000
%define STACK 0x7c00
%define BUFFER 0x5000                   ; for VBE
%define ROM_SEGMENT 0xf000

bits 16
org 0

; CONFIG function, offset, value: write a dword of configuration space.
%macro CONFIG 3
    mov edx, 0x80000000 | (%1) << 8 | (%2)
    mov ebx, %3
    call config_write
%endmacro

; REG port, index, value
%macro REG 3
    mov dx, %1
    mov ax, (%3) << 8 | (%2)
    out dx, ax
%endmacro

%define SEQ 0x3c4
%define GC 0x3ce
%define CRTC 0x3d4

start:
    cli
    cld
    xor ax, ax
    mov ss, ax
    mov sp, STACK
    mov ax, cs
    mov ds, ax

    CONFIG 0, 0x58, 0x00330000          ; PAM1: C0000 to C7FFF is RAM (58h to 5Bh)
    CONFIG 0, 0x58, 0x33330000          ; ... and PAM2: to CFFFF
    CONFIG VGA_FUNCTION, 0x10, FRAME_BUFFER
    CONFIG VGA_FUNCTION, 0x30, EXPANSION_ROM | 1
    CONFIG VGA_FUNCTION, 0x04, 3

    ; The expansion ROM to where it is to run
    call unreal
    mov esi, EXPANSION_ROM
    mov edi, 0xc0000
    cmp word [gs:esi], 0xaa55
    jne fail
    movzx ecx, byte [gs:esi + 2]
    shl ecx, 9 - 2
.copy:
    mov eax, [gs:esi]
    mov [gs:edi], eax
    add esi, 4
    add edi, 4
    dec ecx
    jnz .copy
    CONFIG VGA_FUNCTION, 0x30, 0

    ; Interrupts nobody handles return; the BIOS data area says 80 columns of colour.
    xor ax, ax
    mov es, ax
    xor di, di
    mov cx, 256
.vector:
    mov word [es:di], ignore
    mov word [es:di + 2], ROM_SEGMENT
    add di, 4
    loop .vector
    mov word [es:0x410], 0x0020
    mov ax, VGA_FUNCTION
    call 0xc000:0x0003
    mov ax, cs
    mov ds, ax
    cld

%if SCENE = 0
    ; Text: every character, every attribute; no cursor, and no blinking, so that time does not matter.
    mov ax, 0x0003
    int 0x10
    mov ax, 0x1003
    xor bx, bx
    int 0x10
    mov ah, 0x01
    mov cx, 0x2000
    int 0x10
    mov ax, 0xb800
    mov es, ax
    xor di, di
    xor ax, ax
.cell:
    mov [es:di], ax
    add di, 2
    add ax, 0x0101
    cmp di, 80 * 25 * 2
    jb .cell
    mov ah, 0x13                        ; a string, by the BIOS
    mov al, 0x01
    mov bx, 0x001e
    mov cx, text_end - text
    mov dx, 0x0c1a
    mov bp, text
    push cs
    pop es
    int 0x10
%elif SCENE = 1
    ; Sixteen colours: set/reset, write modes 0 to 3, functions, latches.
    mov ax, 0x0012
    int 0x10
    mov ax, 0xa000
    mov es, ax
    xor bl, bl                          ; sixteen bars of 5 bytes
    REG GC, 1, 0x0f
.bar:
    mov dx, GC
    mov ah, bl
    mov al, 0
    out dx, ax
    movzx di, bl
    imul di, 5
    mov cx, 200
.bar_line:
    mov dword [es:di], 0
    mov byte [es:di + 4], 0
    add di, 80
    loop .bar_line
    inc bl
    cmp bl, 16
    jb .bar
    REG GC, 1, 0x00
    REG GC, 3, 0x18                     ; XOR with stripes
    mov di, 50 * 80
    mov cx, 80 * 25
.xor:
    mov al, [es:di]
    mov byte [es:di], 0x0f
    inc di
    loop .xor
    REG GC, 3, 0x03                     ; write mode 0, rotated by 3, through a bit mask
    REG GC, 8, 0x3c
    mov di, 100 * 80
    mov cx, 80 * 10
.rotate:
    mov al, [es:di]
    mov byte [es:di], 0x96
    inc di
    loop .rotate
    REG GC, 3, 0x00
    REG GC, 8, 0xff
    REG GC, 5, 0x02                     ; write mode 2: the colour is the data
    mov di, 220 * 80
    xor bl, bl
.mode_2:
    mov dx, GC
    mov ah, 0x80
    mov cl, bl
    and cl, 7
    shr ah, cl
    mov al, 8
    out dx, ax
    mov al, [es:di]
    mov [es:di], bl
    add di, 80
    inc bl
    test bl, 7
    jnz .mode_2
    inc di
    cmp bl, 160
    jb .mode_2
    REG GC, 0, 0x0a                     ; write mode 3: the data is a mask
    REG GC, 8, 0xff
    REG GC, 5, 0x03
    mov di, 240 * 80 + 40
    mov cx, 100
.mode_3:
    mov al, [es:di]
    mov [es:di], cl
    add di, 80
    loop .mode_3
    REG GC, 5, 0x01                     ; write mode 1: copy all planes, 150 lines down from 200
    mov si, 0
    mov di, 400 * 80
    mov cx, 80 * 70
.mode_1:
    mov al, [es:si]
    mov [es:di], al
    inc si
    inc di
    loop .mode_1
    REG GC, 5, 0x00
    REG SEQ, 2, 0x04                    ; one plane
    mov di, 380 * 80
    mov cx, 80
    mov al, 0xaa
    rep stosb
    REG SEQ, 2, 0x0f
%elif SCENE = 2 || SCENE = 3
    mov ax, 0x0013
    int 0x10
    mov dx, 0x3c8                       ; colours of our own: red goes up, green down, blue up twice
    xor al, al
    out dx, al
    inc dx
    xor cx, cx
.colour:
    mov al, cl
    shr al, 2
    out dx, al
    mov al, cl
    not al
    shr al, 2
    out dx, al
    mov al, cl
    and al, 0x1f
    shl al, 1
    out dx, al
    inc cl
    jnz .colour
    mov ax, 0xa000
    mov es, ax
%if SCENE = 2
    ; Mode 13h: x + 2 y
    xor di, di
    xor dx, dx
.line:
    mov al, dl
    mov cx, 320
.dot:
    stosb
    inc al
    loop .dot
    add dl, 2
    cmp di, 320 * 200
    jb .line
%else
    ; Mode X: unchained, 320 x 240, drawn plane by plane in the second page
    REG SEQ, 4, 0x06
    REG SEQ, 0, 0x01
    mov dx, 0x3c2
    mov al, 0xe3
    out dx, al
    REG SEQ, 0, 0x03
    mov dx, CRTC
    mov al, 0x11
    out dx, al
    inc dx
    in al, dx
    and al, 0x7f
    out dx, al
    mov si, mode_x
    mov cx, (mode_x_end - mode_x) / 2
    mov dx, CRTC
.crtc:
    lodsw
    out dx, ax
    loop .crtc
    mov bl, 0                           ; plane
.plane:
    mov cl, bl
    mov ah, 1
    shl ah, cl
    mov al, 2
    mov dx, SEQ
    out dx, ax
    mov di, 80 * 240
    mov si, 240
    mov bh, bl
.x_line:
    mov al, bh
    mov cx, 80
.x_dot:
    stosb
    add al, 4
    loop .x_dot
    add bh, 3
    dec si
    jnz .x_line
    inc bl
    cmp bl, 4
    jb .plane
    REG CRTC, 0x0c, (80 * 240) >> 8
    REG CRTC, 0x0d, (80 * 240) & 0xff
%endif
%elif SCENE = 4
    ; CGA's four colours: rows of both banks
    mov ax, 0x0004
    int 0x10
    mov ax, 0xb800
    mov es, ax
    xor di, di
    mov cx, 80 * 100
    xor al, al
.even:
    stosb
    inc al
    loop .even
    mov di, 0x2000
    mov cx, 80 * 100
.odd:
    stosb
    dec al
    loop .odd
%elif SCENE = 5 || SCENE = 8
    ; VBE: 1024 x 768 of 32 bits by the linear frame buffer; scene 8 draws the same from 32-bit protected mode
    mov ax, 0x4f01
    mov cx, 0x0144
    xor di, di
    mov es, di
    mov di, BUFFER
    int 0x10
    cmp ax, 0x004f
    jne fail
    mov ax, 0x4f02
    mov bx, 0x4144
    int 0x10
    cmp ax, 0x004f
    jne fail
    call unreal
    xor ax, ax
    mov es, ax
    cmp dword [es:BUFFER + 40], FRAME_BUFFER
    jne fail
    mov edi, [es:BUFFER + 40]
%if SCENE = 8
    movzx ebp, word [es:BUFFER + 16]
    jmp to_protected
%endif
    xor ebx, ebx                        ; y
.lfb_line:
    xor ecx, ecx
    push edi
.lfb_dot:
    mov eax, ecx                        ; red x / 4, green y / 3, blue x xor y
    shr eax, 2
    shl eax, 8
    mov edx, ebx
    shr edx, 2
    or al, dl
    shl eax, 8
    mov edx, ecx
    xor edx, ebx
    mov al, dl
    mov [gs:edi], eax
    add edi, 4
    inc ecx
    cmp ecx, 1024
    jb .lfb_dot
    pop edi
    movzx eax, word [es:BUFFER + 16]
    add edi, eax
    inc ebx
    cmp ebx, 768
    jb .lfb_line
%elif SCENE = 6
    ; VBE: 800 x 600 of 8 bits by 64 KiB windows
    mov ax, 0x4f02
    mov bx, 0x0103
    int 0x10
    cmp ax, 0x004f
    jne fail
    mov ax, 0xa000
    mov es, ax
    xor si, si                          ; window
.window:
    mov ax, 0x4f05
    xor bx, bx
    mov dx, si
    int 0x10
    cmp ax, 0x004f
    jne fail
    mov ax, si
    shl ax, 5
    xor di, di
.byte:
    mov [es:di], al
    inc al
    inc di
    jnz .byte
    inc si
    cmp si, 8
    jb .window
%elif SCENE = 7
    ; Text of 8 lines a character, two pages by line compare, panned
    mov ax, 0x0003
    int 0x10
    mov ax, 0x1112
    xor bx, bx
    int 0x10
    mov ah, 0x01
    mov cx, 0x2000
    int 0x10
    mov ax, 0xb800
    mov es, ax
    xor di, di
    mov cx, 80 * 100
    mov ax, 0x1f20
.letters:
    stosw
    inc al
    and al, 0x7f
    or al, 0x20
    loop .letters
    REG CRTC, 0x0c, (80 * 50 + 8) >> 8
    REG CRTC, 0x0d, (80 * 50 + 8) & 0xff
    REG CRTC, 0x18, 200
    mov dx, CRTC
    mov al, 0x07
    call clear_bit_4
    mov al, 0x09
    mov ah, 0x47
    out dx, ax
    mov ax, 0x0709
    out dx, ax
    mov dx, 0x3da
    in al, dx
    mov dx, 0x3c0
    mov al, 0x33
    out dx, al
    mov al, 0x03
    out dx, al
%elif SCENE = 9
    ; Sixteen colours from 32-bit protected mode
    mov ax, 0x0012
    int 0x10
    jmp to_protected
%elif SCENE = 10
    ; For planes_bench.py, nothing to look at: PASSES times set, read and copy a screen of sixteen colours.
    mov ax, 0x0012
    int 0x10
    mov ax, 0xa000
    mov es, ax
    mov ds, ax
    mov bp, PASSES
.pass:
    REG GC, 5, 0x02                     ; set: read the latches, write a colour through a mask
    REG GC, 8, 0x5a
    xor di, di
    mov cx, 80 * 240
.set:
    mov al, [es:di]
    mov [es:di], cl
    inc di
    loop .set
    REG GC, 8, 0xff
    REG GC, 5, 0x00
    xor si, si                          ; read
    mov cx, 80 * 240
.read:
    lodsb
    loop .read
    REG GC, 5, 0x01                     ; copy by latches
    xor si, si
    mov di, 80 * 240
    mov cx, 80 * 240
    rep movsb
    dec bp
    jnz .pass
%endif

    mov al, PASSED
    jmp leave_with

fail:
    mov si, text_failed
.next:
    mov al, [cs:si]
    test al, al
    jz .end
    out PORT_DEBUG, al
    inc si
    jmp .next
.end:
    mov al, FAILED
leave_with:
    LEAVE_GUEST
    jmp leave_with

ignore:
    iret

; EDX address, EBX value
config_write:
    mov eax, edx
    mov dx, PORT_CONFADD
    out dx, eax
    mov eax, ebx
    mov dx, PORT_CONFDATA
    out dx, eax
    ret

; Bit 4 of the CRT controller's register AL; DX stays
clear_bit_4:
    out dx, al
    inc dx
    in al, dx
    and al, 0xef
    out dx, al
    dec dx
    ret

; GS reaches all memory from now on.
unreal:
    push eax
    o32 lgdt [cs:gdt_pointer]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    jmp $ + 2
    push bx
    mov bx, 8
    mov gs, bx
    pop bx
    and al, 0xfe
    mov cr0, eax
    jmp $ + 2
    push word 0
    pop gs
    pop eax
    ret

%if SCENE = 8 || SCENE = 9
to_protected:
    o32 lgdt [cs:gdt_pointer]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    jmp dword 0x10:ROM_SEGMENT * 16 + protected

bits 32
protected:
    mov ax, 8
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov esp, STACK
    call draw
    mov al, PASSED
    LEAVE_GUEST

%if SCENE = 8
; EDI the frame buffer, EBP bytes of a line
draw:
    xor ebx, ebx                        ; y
.line:
    xor ecx, ecx                        ; x
.dot:
    mov eax, ecx
    shr eax, 2
    shl eax, 8
    mov edx, ebx
    shr edx, 2
    or al, dl
    shl eax, 8
    mov edx, ecx
    xor edx, ebx
    mov al, dl
    mov [edi + ecx * 4], eax
    inc ecx
    cmp ecx, 1024
    jb .dot
    add edi, ebp
    inc ebx
    cmp ebx, 768
    jb .line
    ret
%else
; A line of each colour in turn, of 16 lines; on them stripes through the bit mask, copied by doublewords
draw:
    REG GC, 1, 0x0f
    mov edi, 0xa0000
    xor ebx, ebx
.line:
    mov dx, GC
    mov eax, ebx
    shr eax, 4
    and al, 0x0f
    mov ah, al
    xor al, al
    out dx, ax
    mov ecx, 20
    rep stosd
    inc ebx
    cmp ebx, 480
    jb .line
    REG GC, 1, 0x00
    REG GC, 8, 0x11
    REG GC, 3, 0x18                     ; XOR
    mov edi, 0xa0000
    mov ecx, 80 * 240
.stripe:
    mov al, [edi]
    mov byte [edi], 0xff
    inc edi
    loop .stripe
    REG GC, 3, 0x00
    REG GC, 8, 0xff
    REG GC, 5, 0x01                     ; write mode 1
    mov esi, 0xa0000
    mov edi, 0xa0000 + 80 * 300
    mov ecx, 80 * 100
    rep movsb
    REG GC, 5, 0x08                     ; read mode 1: look for light cyan, and draw what it finds 8 lines below
    REG GC, 2, 0x0b
    mov esi, 0xa0000 + 80 * 176
    mov edi, 0xa0000 + 80 * 184
    mov ecx, 80 * 8
    REG SEQ, 2, 0x04
.compare:
    mov al, [esi]
    mov [edi], al
    inc esi
    inc edi
    loop .compare
    ret
%endif
bits 16
%endif

align 8
gdt:
    dq 0, 0x00cf92000000ffff, 0x00cf9a000000ffff
gdt_pointer:
    dw 23
    dd ROM_SEGMENT * 16 + gdt

text:
    db " written by the BIOS "
text_end:
text_failed:
    db "the display adapter or its BIOS did not do as asked", 10, 0

; 320 x 240: index and value for the CRT controller
mode_x:
    db 0x06, 0x0d, 0x07, 0x3e, 0x09, 0x41, 0x10, 0xea, 0x11, 0xac, 0x12, 0xdf, 0x14, 0x00, 0x15, 0xe7
    db 0x16, 0x06, 0x17, 0xe3
mode_x_end:

    times 0xfff0 - ($ - $$) db 0
    jmp ROM_SEGMENT:start
    times 0x10000 - ($ - $$) db 0
