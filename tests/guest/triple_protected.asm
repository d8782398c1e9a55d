; SPDX-License-Identifier: GPL-2.0-or-later
; A fault while #DF is delivered: shutdown.
%include "guest.inc"

bits 16
start:
    ENTER_PROTECTED
    mov byte [IDT_AT + 8 * GP + 5], 0x0e
    mov byte [IDT_AT + 8 * DF + 5], 0x0e
    mov ax, 0xfff8
    mov fs, ax
    PASS

BEGIN_GDT
gdt_end:
