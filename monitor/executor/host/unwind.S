/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Non-local return to the run loop: what setjmp and longjmp do, for the callee-saved integer registers
 * only. The FPU holds the guest's state and is left alone. Executor side; offsets: struct unwind_buffer.
 */
        .text

/* int unwind_save(struct unwind_buffer *b): 0 now, the code again whenever unwind_to() is called. */
        .globl  unwind_save
        .hidden unwind_save
        .type   unwind_save, @function
unwind_save:
        mov     %rbx, 0(%rdi)
        mov     %rbp, 8(%rdi)
        mov     %r12, 16(%rdi)
        mov     %r13, 24(%rdi)
        mov     %r14, 32(%rdi)
        mov     %r15, 40(%rdi)
        lea     8(%rsp), %rax           /* the stack pointer as the caller will see it */
        mov     %rax, 48(%rdi)
        mov     (%rsp), %rax
        mov     %rax, 56(%rdi)
        xor     %eax, %eax
        ret
        .size   unwind_save, . - unwind_save

/* void unwind_to(struct unwind_buffer *b, int code) */
        .globl  unwind_to
        .hidden unwind_to
        .type   unwind_to, @function
unwind_to:
        mov     0(%rdi), %rbx
        mov     8(%rdi), %rbp
        mov     16(%rdi), %r12
        mov     24(%rdi), %r13
        mov     32(%rdi), %r14
        mov     40(%rdi), %r15
        mov     48(%rdi), %rsp
        mov     %esi, %eax
        jmp     *56(%rdi)
        .size   unwind_to, . - unwind_to

        .section .note.GNU-stack, "", @progbits
