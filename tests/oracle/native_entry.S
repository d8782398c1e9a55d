/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Signal entry and exit of the native runner. Written out because of what the kernel leaves alone in a
 * handler: DS, ES, FS, GS, the bases of FS and GS, and EFLAGS.AC, NT, ID are still those of the 32-bit code
 * on entry, and rt_sigreturn restores none of them but AC. They are kept in struct native_segments.
 *
 *   on entry:  (%rsp) return address slot of the frame; %rdi, %rsi, %rdx: signal, siginfo, ucontext
 */
        .text
        .globl  native_trap_entry
        .type   native_trap_entry, @function
native_trap_entry:
        pushq   $2                      /* clear AC, NT, ID, DF: C code expects none of them */
        popfq
        leaq    native_segments(%rip), %rax
        movw    %ds, (%rax)
        movw    %es, 4(%rax)
        movw    %fs, 8(%rax)
        movw    %gs, 12(%rax)
        rdfsbase %rcx
        movq    %rcx, 16(%rax)
        rdgsbase %rcx
        movq    %rcx, 24(%rax)
        subq    $8, %rsp                /* the frame is aligned as after a call */
        call    native_trap
        addq    $16, %rsp               /* rt_sigreturn expects the frame without its return address */
        leaq    native_segments(%rip), %rdx
        movw    (%rdx), %ds
        movw    4(%rdx), %es
        movw    8(%rdx), %fs            /* loading a selector loads the base, too */
        movw    12(%rdx), %gs
        movq    16(%rdx), %rcx
        wrfsbase %rcx
        movq    24(%rdx), %rcx
        wrgsbase %rcx
        pushq   %rax
        popfq
        movl    $15, %eax               /* rt_sigreturn */
        syscall
        ud2
        .size   native_trap_entry, . - native_trap_entry
        .section .note.GNU-stack, "", @progbits
