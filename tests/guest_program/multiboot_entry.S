/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Multiboot header and entry of the test kernel. Built twice: as ELF, and with MULTIBOOT_ADDRESSES as a flat
 * binary that says in its header where it goes.
 * Multiboot Specification 0.6.96, "The layout of Multiboot header", "Machine state".
 */
#ifdef MULTIBOOT_ADDRESSES
#define FLAGS 0x00010003 /* modules page aligned, memory information, address fields */
#else
#define FLAGS 0x00000003
#endif
#define MAGIC 0x1badb002

        .section .multiboot, "a", @progbits
        .balign 4
header:
        .long   MAGIC, FLAGS, -(MAGIC + FLAGS)
#ifdef MULTIBOOT_ADDRESSES
        .long   header, header, image_data_end, image_end, entry
#endif

        .text
        .globl  entry
entry:
        /* The stack is the kernel's affair; so the first push is one of ours. */
        movl    $stack_top, %esp
        pushfl
        pushl   %ebx                    /* information structure */
        pushl   %eax                    /* magic */
        call    kernel_main             /* (magic, info, eflags) */
1:      hlt
        jmp     1b

        .section .bss.stack, "aw", @nobits
        .balign 16
        .skip   16384
stack_top:

        .section .note.GNU-stack, "", @progbits
