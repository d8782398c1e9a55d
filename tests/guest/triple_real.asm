; SPDX-License-Identifier: GPL-2.0-or-later
; A fault without an interrupt table in real mode: #DF finds none either, and the processor shuts down.
%include "guest.inc"

bits 16
start:
    lidt [no_idt]
    ud2
    hlt
no_idt: dw 0
    dd 0
BEGIN_GDT
gdt_end:
