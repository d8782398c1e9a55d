/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Firmware of a guest that is started without a BIOS: the last 4 KiB below 1 MiB. It offers no services and
 * says so: every BIOS call returns "function not supported", stray interrupts return, and the reset vector,
 * where kernels jump to restart a PC, pulls the processor's reset line.
 * IBM PC/AT Technical Reference, "BIOS" (interrupt 15h, AH = 86h); 8042 command FEh.
 */
    .section .rodata.direct_boot, "a", @progbits
    .code16

    .globl direct_boot_rom, direct_boot_rom_end
    .globl direct_boot_ignore, direct_boot_service
    .balign 16
direct_boot_rom:

/* Interrupts nobody handles: hardware lines are masked, so these are exceptions of lost code. */
direct_boot_ignore:
    iretw

/* BIOS calls, interrupts 10h-1Fh: carry set in the caller's flags, AH = 86h. */
direct_boot_service:
    pushw   %bp
    movw    %sp, %bp
    orw     $1, 6(%bp)          /* saved BP, IP, CS, then FLAGS */
    popw    %bp
    movb    $0x86, %ah
    iretw

restart:
    cli
1:  inb     $0x64, %al
    testb   $2, %al             /* input buffer full */
    jnz     1b
    movb    $0xfe, %al          /* pulse output port bit 0: reset */
    outb    %al, $0x64
2:  hlt
    jmp     2b

    .org    direct_boot_rom + 0xff0, 0
    .byte   0xea                /* JMP FAR F000:restart */
    .word   restart - direct_boot_rom + 0xf000
    .word   0xf000
    .ascii  "01/01/00"          /* BIOS date */
    .byte   0
    .byte   0xfc                /* model: PC/AT */
    .byte   0
direct_boot_rom_end:

    .section .note.GNU-stack, "", @progbits
