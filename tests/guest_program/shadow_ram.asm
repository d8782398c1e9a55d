; SPDX-License-Identifier: GPL-2.0-or-later
;
; A ROM of SIZE bytes, 64 KiB at least, that has the host bridge hide it behind RAM and show it again: reads and writes of
; upper memory go where the bridge's PAM registers say, and code that runs there is what is shown there. Intel 82441FX datasheet, "PAM Registers".
;
; Ends through the exit port with PASSED, or after a line on the debug console with FAILED.

%include "guest_exit.inc"
%define PORT_CONFADD 0xcf8
%define PORT_CONFDATA 0xcfc
%define PORT_RESET 0xcf9
%define BEEN_HERE 0x600
%define PAGE 4096
%define MIB 0x100000
%define SEGMENT 0xf0000

%define RE 1
%define WE 2

bits 32
org 0x100000000 - SIZE

    times SIZE - 2 * PAGE db 0x5a

; PAM attributes: of all seven registers, PAM0 in its high half only.
%macro PAM 1
    mov bl, (%1) << 4 | (%1)
    call set_pam
%endmacro

protected:
    mov ax, 0x10
    mov ds, ax
    mov es, ax
    mov esp, 0x9000

    mov eax, 0x80000000
    call config
    in eax, dx
    cmp eax, 0x12378086
    CHECK e, "there is no 82441FX"

    ; As a reset leaves it
    cmp dword [SEGMENT], 0x5a5a5a5a
    CHECK e, "the ROM is not at F0000"
    cmp dword [0xc0000], -1
    CHECK e, "there is something at C0000"
    mov dword [SEGMENT], 0
    cmp dword [SEGMENT], 0x5a5a5a5a
    CHECK e, "the ROM was written to"

    ; Copy the ROM to the RAM behind it. Copies of the ROM's code are changed: they return something else.
    PAM WE
    mov esi, SEGMENT
    mov edi, SEGMENT
    mov ecx, 0x10000 / 4
    cld
    rep movsd
    mov byte [routine_low + 1], 'W'
    mov dword [0xc0000], 0x11223344
    cmp dword [0xc0000], -1
    CHECK e, "RAM at C0000 can be read and is write only"
    call routine_low
    cmp al, 'O'
    CHECK e, "code in ROM was overwritten"

    ; Reads show the copy, and writes do nothing.
    PAM RE
    cmp dword [0xc0000], 0x11223344
    CHECK e, "RAM at C0000 was not written to"
    cmp dword [SEGMENT], 0x5a5a5a5a
    CHECK e, "the copy of the ROM is not there"
    cmp dword [MIB - 16], 0xfff000ea
    CHECK ne, "the copy of the reset vector is not there"
    call routine_low
    cmp al, 'W'
    CHECK e, "code in RAM is not the one written there"
    mov byte [routine_low + 1], 'X'
    call routine_low
    cmp al, 'W'
    CHECK e, "read only RAM was written to"
    lock inc dword [0xc0000]
    cmp dword [0xc0000], 0x11223344
    CHECK e, "read only RAM was written to by LOCK INC"

    ; RAM, as any other
    PAM RE | WE
    mov byte [routine_low + 1], 'Y'
    call routine_low
    cmp al, 'Y'
    CHECK e, "code in RAM is an old one"
    lock inc dword [0xc0000]
    cmp dword [0xc0000], 0x11223345
    CHECK e, "RAM is not writable"

    ; Back and forth
    mov ecx, 100
.again:
    PAM 0
    call routine_low
    cmp al, 'O'
    CHECK e, "code in ROM is an old one"
    PAM RE
    call routine_low
    cmp al, 'Y'
    CHECK e, "code in RAM is an old one, after all"
    dec ecx
    jnz .again

    ; Only C8000h-CBFFFh
    PAM 0
    mov eax, 0x80000058
    call config
    in eax, dx
    and eax, 0x00ffffff
    or eax, 0x03000000                  ; PAM2, low half
    out dx, eax
    mov eax, 0x12345678
    mov [0xc8000], eax
    mov [0xcbffc], eax
    mov [0xcc000], eax
    mov [0xc7ffc], eax
    cmp [0xc8000], eax
    CHECK e, "C8000 is no RAM"
    cmp [0xcbffc], eax
    CHECK e, "CBFFC is no RAM"
    cmp dword [0xcc000], -1
    CHECK e, "CC000 is RAM"
    cmp dword [0xc7ffc], -1
    CHECK e, "C7FFC is RAM"

    ; SMRAM, opened
    mov eax, 0x80000070
    call config
    mov dl, (PORT_CONFDATA + 2) & 0xff
    mov al, 0x48
    out dx, al
    mov dword [0xa0000], 0x55667788
    cmp dword [0xa0000], 0x55667788
    CHECK e, "SMRAM is not there"
    mov al, 0x08
    out dx, al
    cmp dword [0xa0000], 0x55667788
    CHECK ne, "SMRAM is still there"

    ; Once more after a reset, which is to find nothing of all this
    PAM RE | WE
    mov dword [SEGMENT], 0
    mov al, PASSED
    cmp dword [BEEN_HERE], 0x12345678
    je leave_guest
    mov dword [BEEN_HERE], 0x12345678
    mov dx, PORT_RESET
    mov al, 0x06
    out dx, al
    hlt
    jmp leave_guest

; EAX: address of a configuration register; DX: where its data is
config:
    mov edx, PORT_CONFADD
    out dx, eax
    mov dl, PORT_CONFDATA & 0xff
    ret

; BL: attributes for PAM0 to PAM6, by two dwords, as SeaBIOS writes them
set_pam:
    mov eax, 0x80000058
    call config
    mov bh, bl
    mov eax, ebx
    shl eax, 16
    mov ah, bl
    and ah, 0xf0
    mov al, 0
    out dx, eax
    mov eax, 0x8000005c
    call config
    mov eax, ebx
    shl eax, 16
    mov ax, bx
    out dx, eax
    ret

fail:
    SAY_FAILURE
leave_guest:
    LEAVE_GUEST

routine:
    mov al, 'O'
    ret
routine_low equ routine - 0x100000000 + MIB

    align 8
gdt:
    dq 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdtr:
    dw 23
    dd gdt

    times PAGE - ($ - protected) db 0

bits 16
last_page:
start:
    o32 lgdt [cs:gdtr - last_page + 0xf000]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    jmp dword 8:protected

    times PAGE - 16 - ($ - last_page) db 0
    jmp 0xf000:start - last_page + 0xf000
    times PAGE - ($ - last_page) db 0
