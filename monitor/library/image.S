/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The executor's program, carried inside the library so that nothing has to be found at run time.
 */
        .section .rodata
        .balign 16
        .globl  executor_image
        .hidden executor_image
executor_image:
        .incbin D86_EXECUTOR_IMAGE
        .globl  executor_image_end
        .hidden executor_image_end
executor_image_end:

        .section .note.GNU-stack, "", @progbits
