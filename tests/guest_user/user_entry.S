/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The test programs' machine code proper: start, system calls, calls that a signal can end, and registers
 * given to and taken from a piece of code. Arguments are on the stack (System V ABI, i386 supplement).
 */

    .text
    .globl _start
_start:
    xorl %ebp, %ebp
    movl %esp, %eax
    andl $-16, %esp
    subl $12, %esp
    pushl %eax              /* argc, argv, environment, auxiliary vector */
    call start_program
    hlt

/* long linux_call(long number, ...): eax, ebx, ecx, edx, esi, edi, ebp */
    .globl linux_call
linux_call:
    pushl %ebp
    pushl %edi
    pushl %esi
    pushl %ebx
    movl 20(%esp), %eax
    movl 24(%esp), %ebx
    movl 28(%esp), %ecx
    movl 32(%esp), %edx
    movl 36(%esp), %esi
    movl 40(%esp), %edi
    movl 44(%esp), %ebp
    int $0x80
    popl %ebx
    popl %esi
    popl %edi
    popl %ebp
    ret

/* Where a kernel has no vdso, linux_call_vdso() comes here. */
    .globl linux_call_by_interrupt
linux_call_by_interrupt:
    int $0x80
    ret

    .globl linux_call_vdso
linux_call_vdso:
    pushl %ebp
    pushl %edi
    pushl %esi
    pushl %ebx
    movl 20(%esp), %eax
    movl 24(%esp), %ebx
    movl 28(%esp), %ecx
    movl 32(%esp), %edx
    movl 36(%esp), %esi
    movl 40(%esp), %edi
    movl 44(%esp), %ebp
    call *vdso_entry
    popl %ebx
    popl %esi
    popl %edi
    popl %ebp
    ret

/*
 * int start_thread(uint32_t flags, void *stack, int *tid, struct user_desc *tls): clone(2). The new thread
 * finds its function and argument on `stack`, calls it and ends.
 */
    .globl start_thread
start_thread:
    pushl %edi
    pushl %esi
    pushl %ebx
    movl $120, %eax
    movl 16(%esp), %ebx
    movl 20(%esp), %ecx
    movl 24(%esp), %edx
    movl 28(%esp), %esi
    movl %edx, %edi         /* CLONE_CHILD_CLEARTID: woken when the thread has ended */
    int $0x80
    testl %eax, %eax
    jz 1f
    popl %ebx
    popl %esi
    popl %edi
    ret
1:  popl %eax
    call *%eax
    xorl %ebx, %ebx
    movl $1, %eax
    int $0x80
    hlt

/* What a handler returns to: rt_sigreturn. */
    .globl signal_return
signal_return:
    movl $173, %eax
    int $0x80

/* int try_enter(void (*work)(void *), void *argument): 0, or 1 when a handler went to try_recover. */
    .globl try_enter
try_enter:
    pushl %ebp
    pushl %ebx
    pushl %esi
    pushl %edi
    movl 20(%esp), %eax
    movl 24(%esp), %edx
    movl %esp, try_esp
    subl $8, %esp
    pushl %edx
    call *%eax
    addl $12, %esp
    xorl %eax, %eax
    popl %edi
    popl %esi
    popl %ebx
    popl %ebp
    ret

    .globl try_recover
try_recover:                /* esp is try_esp again */
    movl $1, %eax
    popl %edi
    popl %esi
    popl %ebx
    popl %ebp
    ret

/* void call_code(const void *entry, struct registers *r) */
    .globl call_code
call_code:
    pushl %ebp
    pushl %ebx
    pushl %esi
    pushl %edi
    movl 20(%esp), %eax
    movl 24(%esp), %edx
    pushl %eax              /* 0(%esp) at the call: the entry */
    movl 0(%edx), %eax
    movl 4(%edx), %ebx
    movl 8(%edx), %ecx
    movl 16(%edx), %esi
    movl 20(%edx), %edi
    movl 24(%edx), %ebp
    pushl 28(%edx)
    movl 12(%edx), %edx
    popfl
    call *(%esp)
    pushfl
    cld
    pushl %edx
    movl 36(%esp), %edx     /* the argument r: 8 more than the four saved registers, entry and return */
    movl %eax, 0(%edx)
    movl %ebx, 4(%edx)
    movl %ecx, 8(%edx)
    popl 12(%edx)
    movl %esi, 16(%edx)
    movl %edi, 20(%edx)
    movl %ebp, 24(%edx)
    popl 28(%edx)
    pushl $0x202
    popfl
    addl $4, %esp
    popl %edi
    popl %esi
    popl %ebx
    popl %ebp
    ret

    .section .note.GNU-stack,"",@progbits
