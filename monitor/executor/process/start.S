/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Entry of the executor process: the kernel's initial stack is the argument of executor_main().
 */
        .text
        .globl  _start
_start:
        xor     %ebp, %ebp
        mov     %rsp, %rdi
        and     $-16, %rsp
        call    executor_main

        .section .note.GNU-stack, "", @progbits
