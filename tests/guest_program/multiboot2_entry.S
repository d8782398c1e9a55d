/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Multiboot 2 header and entry of the test kernel. Built twice: as ELF, and with MULTIBOOT_ADDRESSES as a flat
 * binary that says in its header where it goes.
 * Multiboot2 Specification 2.0, "The layout of Multiboot2 header", "I386".
 */
#define MAGIC 0xe85250d6
#define I386  0

        .section .multiboot, "a", @progbits
        .balign 8
header:
        .long   MAGIC, I386, header_end - header, -(MAGIC + I386 + (header_end - header))

        .balign 8                       /* information: command line, modules, memory map */
        .short  1, 0
        .long   20, 1, 3, 6

        .balign 8                       /* console: text will do */
        .short  4, 0
        .long   12, 3

        .balign 8                       /* modules on page boundaries */
        .short  6, 0
        .long   8

        .balign 8                       /* nobody's tag, which may be ignored */
        .short  0x4444, 1
        .long   8
#ifdef MULTIBOOT_ADDRESSES
        .balign 8                       /* address */
        .short  2, 0
        .long   24, header, header, image_data_end, image_end
        .balign 8                       /* entry address */
        .short  3, 0
        .long   12, entry
#endif
        .balign 8                       /* end */
        .short  0, 0
        .long   8
header_end:

        .text
        .globl  entry
entry:
        movl    $stack_top, %esp        /* none is promised */
        pushfl
        pushl   %ebx                    /* information */
        pushl   %eax                    /* magic */
        call    kernel_main             /* (magic, info, eflags) */
1:      hlt
        jmp     1b

        .section .bss.stack, "aw", @nobits
        .balign 16
        .skip   16384
stack_top:

        .section .note.GNU-stack, "", @progbits
