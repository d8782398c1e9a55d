; SPDX-License-Identifier: GPL-2.0-or-later
;
; A ROM of SIZE bytes that looks where it is: all of it below 4 GiB, its last 128 KiB below 1 MiB, and nowhere
; can it be written to; what else there is of upper memory is RAM. Every 4 KiB page begins with its number, counted
; from the end, which has number 1.
;
; Ends through the exit port with PASSED, or after a line on the debug console with FAILED.

%include "guest_exit.inc"
%define PAGE 4096
%define PAGES (SIZE / PAGE)
%define LOW_MAX 32                      ; pages below 1 MiB
%define MIB 0x100000

bits 32
org 0x100000000 - SIZE

; Pages with nothing but their number
%assign number PAGES
%rep PAGES - 1
    dd number
    times PAGE - 4 db 0
    %assign number number - 1
%endrep

last_page:
    dd 1

protected:
    mov ax, 0x10
    mov ds, ax
    mov es, ax

    ; All of the ROM, from the top
    mov edi, -PAGE
    mov ecx, 1
.high:
    cmp [edi], ecx
    CHECK e, "a page is not where it belongs below 4 GiB"
    mov dword [edi], 0x12345678
    cmp [edi], ecx
    CHECK e, "ROM below 4 GiB was written to"
    sub edi, PAGE
    inc ecx
    cmp ecx, PAGES
    jbe .high

    ; Its end
    mov edi, MIB - PAGE
    mov ecx, 1
.low:
    cmp [edi], ecx
    CHECK e, "a page is not where it belongs below 1 MiB"
    mov eax, 0x12345678
    mov [edi], eax
    cmp [edi], ecx
    CHECK e, "ROM below 1 MiB was written to"
    lock xadd [edi + 4], eax
    cmp byte [edi + 4], 0x78
    CHECK ne, "ROM below 1 MiB was written to by LOCK XADD"
    sub edi, PAGE
    inc ecx
    cmp ecx, PAGES
    ja .other
    cmp ecx, LOW_MAX
    jbe .low

    ; What follows is RAM, down to the VGA hole.
.other:
    add edi, PAGE
.ram:
    sub edi, PAGE
    cmp edi, 0xc0000
    jb .end
    cmp dword [edi], 0
    CHECK e, "upper memory is not empty"
    mov dword [edi], 0x12345678
    cmp dword [edi], 0x12345678
    CHECK e, "upper memory is no RAM"
    jmp .ram
.end:
    mov al, PASSED
    jmp leave_guest

fail:
    SAY_FAILURE
leave_guest:
    LEAVE_GUEST

    align 8
gdt:
    dq 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdtr:
    dw 23
    dd gdt

bits 16
start:
    o32 lgdt [cs:gdtr - last_page + 0xf000]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    jmp dword 8:protected

    times PAGE - 16 - ($ - last_page) db 0
    jmp 0xf000:start - last_page + 0xf000
    times PAGE - ($ - last_page) db 0
