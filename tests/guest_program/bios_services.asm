; SPDX-License-Identifier: GPL-2.0-or-later
;
; What a kernel started without a BIOS finds of one, from real mode: interrupt controllers, timer and serial
; port as a BIOS leaves them, handlers that keep the machine going, and the services of bios/direct_boot.S. A
; Multiboot kernel that goes back to real mode first.
; IBM PS/2 and PC BIOS Interface Technical Reference, "Interrupts"; ACPI specification, "INT 15H, E820H".
;
; Started with --ram 64M and with COM2 as the only serial port. Ends through the exit port with PASSED, or
; after a line on the debug console with FAILED.

%include "guest_exit.inc"

%define LOAD 0x8000
%define PIC1 0x20
%define PIC2 0xa0
%define COM2 0x2f8
%define BDA_COM1 0x400
%define BDA_TICKS 0x46c
%define MAP 0x6000                      ; where E820 entries go
%define RAM_KIB (64 * 1024)
%define TICKS_A_DAY 0x1800b0

bits 32
org LOAD
header:
    dd 0x1badb002, 0x10000, -(0x1badb002 + 0x10000)
    dd header, header, end, 0, entry

entry:
    lgdt [gdtr]
    jmp 8:protected_16
bits 16
protected_16:
    mov ax, 16
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov eax, cr0
    and al, ~1
    mov cr0, eax
    jmp 0:real

gdt:
    dq 0, 0x00009b000000ffff, 0x000093000000ffff
gdtr:
    dw 23
    dd gdt

%macro HOOK 2                           ; vector, handler
    mov word [%1 * 4], %2
    mov word [%1 * 4 + 2], 0
%endmacro

real:
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov sp, LOAD
    lidt [real_idtr]

    call chips
    call ticks
    call midnight
    call other_interrupts
    call x87
    call sizes
    call map
    call a20
    call input_and_output
    call clock
    mov al, PASSED
    jmp leave_guest

fail:
    xor ax, ax
    mov ds, ax
    SAY_FAILURE
leave_guest:
    mov dx, PORT_EXIT
    out dx, al
    cli
    hlt

; ---- Chips ----

chips:
    in al, PIC1 + 1
    cmp al, 0xf8                        ; timer, keyboard and cascade are open
    CHECK e, "mask of the first interrupt controller"
    in al, PIC2 + 1
    cmp al, 0xdf                        ; x87 errors
    CHECK e, "mask of the second interrupt controller"
    cmp word [BDA_COM1], COM2
    CHECK e, "serial ports in the BIOS data area"
    mov dx, COM2 + 4
    in al, dx
    cmp al, 0x0b                        ; DTR, RTS, and OUT2, which lets interrupts through
    CHECK e, "modem control register"
    ret

; ---- Interrupts ----

; Ticks come without anything being programmed, are counted and told to who hooks INT 1Ch.
ticks:
    cmp dword [BDA_TICKS], TICKS_A_DAY
    CHECK b, "time of day"
    HOOK 0x1c, on_tick
    mov ebx, [BDA_TICKS]
    mov ebp, 0x12345678                 ; the handlers' callers get their registers back
    mov eax, 0x9abcdef0
    sti
.wait:
    hlt
    cmp word [tick_count], 3
    jb .wait
    cli
    cmp eax, 0x9abcdef0
    CHECK e, "EAX over an interrupt"
    mov eax, [BDA_TICKS]
    sub eax, ebx
    movzx ecx, word [tick_count]
    cmp eax, ecx
    CHECK e, "ticks in the BIOS data area are not those told"
    ret

on_tick:
    inc word [cs:tick_count]
    iret

midnight:
    mov ah, 1                           ; set the count
    mov cx, TICKS_A_DAY >> 16
    mov dx, (TICKS_A_DAY & 0xffff) - 1
    int 0x1a
    CHECK nc, "INT 1Ah 01h"
    sti
.wait:
    hlt
    cmp dword [BDA_TICKS], TICKS_A_DAY - 1
    je .wait
    cli
    mov ah, 0
    int 0x1a
    CHECK nc, "INT 1Ah 00h"
    cmp al, 1
    CHECK e, "midnight did not show"
    test cx, cx
    CHECK z, "ticks after midnight"
    cmp dx, 2
    CHECK b, "ticks right after midnight"
    mov ah, 0
    int 0x1a
    cmp al, 0
    CHECK e, "midnight shows twice"
    ret

; A key's byte is taken; a vector that is called acknowledges nothing; afterwards ticks go on.
other_interrupts:
    mov al, 0xd2                        ; the next byte, as if the keyboard had sent it
    out 0x64, al
    mov al, 0x1e
    out 0x60, al
    sti
    mov cx, 0xffff
.taken:
    in al, 0x64
    test al, 1
    loopnz .taken
    cli
    CHECK z, "nobody takes the keyboard's byte"
    int 0x0f
    int 0x77
    int 0x70
    int 0x1b
    int 0x60
    int 0xff
    mov ax, [tick_count]
    add ax, 2
    sti
.wait:
    hlt
    cmp [tick_count], ax
    jb .wait
    cli
    ret

; INT 75h drops IRQ 13 and calls INT 2.
x87:
    HOOK 0x02, on_nmi
    mov eax, cr0
    and al, ~0x20                       ; NE
    mov cr0, eax
    fninit
    fldcw [divide_unmasked]
    fld1
    fldz
    sti
    fdivp st1, st0
    fwait
    cli
    cmp word [nmi_count], 1
    CHECK e, "an x87 error does not get to INT 2"
    fninit
    mov al, 0x0b                        ; both controllers are done with it
    out PIC2, al
    in al, PIC2
    test al, al
    CHECK z, "IRQ 13 is still in service"
    ret

on_nmi:
    inc word [cs:nmi_count]
    fnclex
    iret

; ---- Memory ----

sizes:
    int 0x12
    cmp ax, 639
    CHECK e, "INT 12h"
    int 0x11
    test ax, 2
    CHECK nz, "INT 11h: no x87"
    mov ah, 0x88
    stc
    int 0x15
    CHECK nc, "INT 15h 88h: carry"
    cmp ax, RAM_KIB - 1024
    CHECK e, "INT 15h 88h"
    mov ax, 0xe801
    stc
    int 0x15
    CHECK nc, "INT 15h E801h: carry"
    cmp ax, 15 * 1024
    CHECK e, "INT 15h E801h: below 16 MiB"
    cmp bx, (RAM_KIB - 16 * 1024) / 64
    CHECK e, "INT 15h E801h: above 16 MiB"
    cmp ax, cx
    CHECK e, "INT 15h E801h: CX"
    cmp bx, dx
    CHECK e, "INT 15h E801h: DX"
    mov ah, 0xc0
    clc
    int 0x15
    CHECK c, "INT 15h C0h is said to be there"
    cmp ah, 0x86
    CHECK e, "INT 15h C0h: AH"
    mov ah, 0x08
    mov dl, 0x80
    clc
    int 0x13
    CHECK c, "INT 13h finds a disk"
    ret

map:
    xor ebx, ebx
    xor bp, bp                          ; entries
    mov di, MAP
    mov dword [largest], 0
.next:
    mov eax, 0xe820
    mov edx, 0x534d4150
    mov ecx, 24                         ; more than is used
    stc
    int 0x15
    CHECK nc, "INT 15h E820h: carry"
    cmp eax, 0x534d4150
    CHECK e, "INT 15h E820h: EAX"
    cmp ecx, 20
    CHECK e, "INT 15h E820h: ECX"
    cmp di, MAP
    CHECK e, "INT 15h E820h: DI"
    inc bp
    cmp bp, 16
    CHECK b, "INT 15h E820h: no end"
    cmp dword [MAP + 16], 1
    jne .more
    mov eax, [MAP + 8]
    cmp eax, [largest]
    jbe .more
    mov [largest], eax
    mov eax, [MAP]
    mov [largest_base], eax
.more:
    test ebx, ebx
    jnz .next
    cmp dword [largest], (RAM_KIB - 1024) * 1024
    CHECK e, "INT 15h E820h: RAM"
    cmp dword [largest_base], 0x100000
    CHECK e, "INT 15h E820h: where RAM begins"
    mov ebx, 16
    mov eax, 0xe820
    mov ecx, 20
    int 0x15
    CHECK c, "INT 15h E820h: an entry past the end"
    xor ebx, ebx
    mov eax, 0xe820
    mov ecx, 19
    int 0x15
    CHECK c, "INT 15h E820h: into too small a place"
    ret

a20:
    mov ax, 0x2403
    int 0x15
    CHECK nc, "INT 15h 2403h"
    mov bp, 0
    call .expect
    mov ax, 0x2400
    int 0x15
    CHECK nc, "INT 15h 2400h"
    mov bp, 1
    call .expect
    mov ax, 0x2401
    int 0x15
    CHECK nc, "INT 15h 2401h"
    mov bp, 0
; Is 0:MAP the same as 1 MiB above? BP says what to expect, and the BIOS must know.
.expect:
    mov ax, 0xffff
    mov fs, ax
    mov word [MAP], 0x1111
    mov word [fs:MAP + 16], 0x2222
    mov bx, 0
    cmp word [MAP], 0x2222
    sete bl
    cmp bx, bp
    CHECK e, "A20"
    mov ax, 0x2402
    int 0x15
    CHECK nc, "INT 15h 2402h"
    add ax, bx
    cmp ax, 1                           ; open, or the same
    CHECK e, "INT 15h 2402h: AX"
    ret

; ---- Screen, keyboard, clock ----

input_and_output:
    mov ah, 0x0f
    int 0x10
    cmp ax, 80 << 8 | 3
    CHECK e, "INT 10h 0Fh"
    mov ax, 0x4f00
    int 0x10
    cmp ax, 0x4f00
    CHECK e, "INT 10h 4F00h: there is a VESA BIOS"
    mov ax, 0x0e00 | "s"                ; to COM2
    int 0x10
    mov ah, 1
    int 0x16
    CHECK z, "INT 16h 01h: a key"
    ; Through the serial port's loopback comes one.
    mov dx, COM2 + 4
    mov al, 0x10
    out dx, al
    mov dx, COM2
    mov al, "k"
    out dx, al
    mov ah, 1
    int 0x16
    CHECK nz, "INT 16h 01h: no key"
    cmp al, "k"
    CHECK e, "INT 16h 01h: which key"
    mov ah, 0x11
    int 0x16
    CHECK nz, "INT 16h 11h: took the key"
    mov ah, 0
    int 0x16
    cmp al, "k"
    CHECK e, "INT 16h 00h: which key"
    mov ah, 1
    int 0x16
    CHECK z, "INT 16h 00h: left the key"
    mov cx, 40                          ; once around the buffer
.again:
    mov dx, COM2
    mov al, cl
    out dx, al
    mov ah, 0x10
    int 0x16
    cmp al, cl
    CHECK e, "INT 16h 10h: another key"
    loop .again
    ret

clock:
    mov ah, 2
    int 0x1a
    CHECK nc, "INT 1Ah 02h"
    cmp ch, 0x24
    CHECK b, "INT 1Ah 02h: hours"
    cmp cl, 0x60
    CHECK b, "INT 1Ah 02h: minutes"
    mov ah, 4
    int 0x1a
    CHECK nc, "INT 1Ah 04h"
    cmp ch, 0x20
    CHECK e, "INT 1Ah 04h: century"
    cmp dh, 0x12
    CHECK be, "INT 1Ah 04h: month"
    cmp dl, 0x31
    CHECK be, "INT 1Ah 04h: day"
    mov ax, 0xb101
    int 0x1a
    CHECK c, "INT 1Ah B101h: a PCI BIOS"
    ret

real_idtr:
    dw 0x3ff
    dd 0
divide_unmasked: dw 0x037b
tick_count: dw 0
nmi_count: dw 0
    align 4
largest: dd 0
largest_base: dd 0
end:
