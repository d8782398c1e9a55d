/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Entry of the executor process: the kernel's initial stack is the argument of executor_main(). Before it, the
 * functions the library calls when it has mapped the image itself (library/resident.c): struct executor_calls.
 */
        .text
        .balign 16
        .quad   exec_run
        .quad   exec_take_writes
        .globl  _start
_start:
        xor     %ebp, %ebp
        mov     %rsp, %rdi
        and     $-16, %rsp
        call    executor_main

        .section .note.GNU-stack, "", @progbits
