/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The border between monitor and guest code. Into the guest: native_switch(), by a far jump or an IRET. Out
 * of it: a signal, whose handler (native.c) goes on at native_return with the stack as native_switch() left it; or
 * a door (struct scan_page, `doors`), whose 64-bit half comes to native_door. Executor process; offsets: struct
 * native_frame.
 *
 * Between native_window and native_window_end the guest's registers are partly loaded: a signal there must not
 * be taken for the monitor's, and the entry is given up (native.c compares RIP with these labels).
 */
        .text

        .set    F_RSP, 0
        .set    F_DOOR, 8               /* SCAN_DOOR_OFFSET */
        .set    F_GPR, 16               /* eax ecx edx ebx esp ebp esi edi */
        .set    F_EIP, 48
        .set    F_EFLAGS, 52
        .set    F_ES, 56
        .set    F_CS, 60
        .set    F_SS, 64
        .set    F_DS, 68
        .set    F_FS, 72
        .set    F_GS, 76
        .set    F_FS_BASE, 80
        .set    F_GS_BASE, 88
        .set    F_SET_FS, 96            /* the selector is the flat one: the base is ours to set */
        .set    F_SET_GS, 100
        .set    F_PENDING, 104
        .set    F_LOAD_ALL, 112         /* descriptors were written since */
        .set    F_LOAD_GS, 116          /* ... or translated code has another base in it */
        .set    F_FAR, 120              /* EIP, CS */

        .set    FLAGS_OURS, 0x202
        .set    FLAGS_FOREIGN, 0x244500 /* ID, AC, NT, DF, TF: see native_handler */

/*
 * Loads take up to 40 ns, and mostly what is wanted is there: the monitor changes none, and a guest that did it behind
 * our back has another selector.
 */
        .macro  load_segment register, wanted, always=F_LOAD_ALL
        mov     \register, %ecx
        mov     \wanted(%rdi), %eax
        xor     %eax, %ecx
        or      \always(%rdi), %ecx
        jz      9f
        mov     %eax, \register
9:
        .endm

/*
 * int native_switch(struct native_frame *f): 0 when something was pending before the guest ran; 1 when a signal ended
 * it, 2 when it came out by a door. R15 is f while the guest runs: 32-bit code cannot change it.
 */
        .globl  native_switch
        .hidden native_switch
        .type   native_switch, @function
native_switch:
        push    %rbx
        push    %rbp
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        mov     %rsp, F_RSP(%rdi)
        mov     %rdi, %r15
        lea     native_door(%rip), %rax
        mov     %rax, F_DOOR(%r15)
        .globl  native_window
        .hidden native_window
native_window:
        mov     F_PENDING(%rdi), %rax
        cmpl    $0, (%rax)
        jne     native_cancelled

        load_segment %ds, F_DS
        load_segment %es, F_ES
        load_segment %fs, F_FS
        load_segment %gs, F_GS, F_LOAD_GS
        cmpl    $0, F_SET_FS(%rdi)
        je      1f
        mov     F_FS_BASE(%rdi), %rax
        wrfsbase %rax
1:      cmpl    $0, F_SET_GS(%rdi)
        je      2f
        mov     F_GS_BASE(%rdi), %rax
        wrgsbase %rax
2:
        testl   $FLAGS_FOREIGN, F_EFLAGS(%rdi)
        jnz     native_by_iret

        /* A far jump, with the arithmetic flags loaded before: 20 ns less than an IRET. */
        load_segment %ss, F_SS
        mov     F_EFLAGS(%rdi), %eax
        mov     %eax, %ecx
        shr     $11, %ecx
        and     $1, %ecx
        mov     %al, %ah
        mov     %cl, %al
        add     $0x7f, %al              /* OF, from 0 or 1 */
        sahf
        mov     F_GPR+0(%r15), %eax
        mov     F_GPR+4(%r15), %ecx
        mov     F_GPR+8(%r15), %edx
        mov     F_GPR+12(%r15), %ebx
        mov     F_GPR+16(%r15), %esp
        mov     F_GPR+20(%r15), %ebp
        mov     F_GPR+24(%r15), %esi
        mov     F_GPR+28(%r15), %edi
        ljmp    *F_FAR(%r15)

native_by_iret:
        /* SS, ESP, EFLAGS, CS, EIP: SDM 2A, "IRET", 64-bit operand size. */
        mov     F_SS(%rdi), %eax
        push    %rax
        mov     F_GPR+16(%rdi), %eax
        push    %rax
        mov     F_EFLAGS(%rdi), %eax
        push    %rax
        mov     F_CS(%rdi), %eax
        push    %rax
        mov     F_EIP(%rdi), %eax
        push    %rax
        mov     F_GPR+0(%rdi), %eax
        mov     F_GPR+4(%rdi), %ecx
        mov     F_GPR+8(%rdi), %edx
        mov     F_GPR+12(%rdi), %ebx
        mov     F_GPR+20(%rdi), %ebp
        mov     F_GPR+24(%rdi), %esi
        mov     F_GPR+28(%rdi), %edi
        iretq
        .globl  native_window_end
        .hidden native_window_end
native_window_end:

native_cancelled:
        xor     %eax, %eax
        jmp     native_leave

/* RSP is what F_RSP had, EFLAGS are ours; all else is the guest's or the handler's. */
        .globl  native_return
        .hidden native_return
native_return:
        mov     $1, %eax
native_leave:
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %rbp
        pop     %rbx
        ret
        .size   native_switch, . - native_switch

/*
 * The guest's registers, RSP among them, and flags; R8D is where the door's far jump stands. A kick that comes here
 * finds the run over and does nothing; the guest's TF has trapped before the far jump, or behind it.
 */
        .globl  native_door
        .hidden native_door
        .type   native_door, @function
native_door:
        mov     %eax, F_GPR+0(%r15)
        mov     %ecx, F_GPR+4(%r15)
        mov     %edx, F_GPR+8(%r15)
        mov     %ebx, F_GPR+12(%r15)
        mov     %esp, F_GPR+16(%r15)
        mov     %ebp, F_GPR+20(%r15)
        mov     %esi, F_GPR+24(%r15)
        mov     %edi, F_GPR+28(%r15)
        mov     %r8d, F_EIP(%r15)
        mov     F_RSP(%r15), %rsp
        pushfq
        pop     %rax
        mov     %eax, F_EFLAGS(%r15)
        test    $FLAGS_FOREIGN, %eax
        mov     $2, %eax
        jz      native_leave
        push    $FLAGS_OURS
        popfq
        jmp     native_leave
        .size   native_door, . - native_door

/*
 * Where the kernel delivers signals: on the alternate stack, with DF clear, but with other flags of the guest's.
 * AC would make the compiler's unaligned accesses fault. NT would be left over when the handler is left, and a 64-bit
 * IRET with NT set is a #GP (SDM 2A, "IRET"): no guest code could be entered any more. ID would be seen by what
 * translated code does for PUSHF.
 */
        .globl  native_handler
        .hidden native_handler
        .type   native_handler, @function
native_handler:
        pushfq
        andl    $~0x244000, (%rsp)      /* ID, AC, NT */
        popfq
        jmp     native_signal
        .size   native_handler, . - native_handler

/*
 * void native_go_on(const void *rip, uint64_t rsp, const void *fpu, uint64_t r15): out of a handler, for good. What the
 * kernel's sigreturn would do besides is nothing we need: no signal is blocked in a handler, and the FP state the
 * kernel has reset comes from the signal's frame.
 */
        .globl  native_go_on
        .hidden native_go_on
        .type   native_go_on, @function
native_go_on:
        fxrstor64 (%rdx)
        mov     %rsi, %rsp
        mov     %rcx, %r15
        jmp     *%rdi
        .size   native_go_on, . - native_go_on

/*
 * rt_sigreturn, from a handler that has nothing to do with what it met. The kernel brings back neither ID nor NT
 * (Linux, arch/x86/include/asm/sighandling.h, FIX_EFLAGS) but leaves those there are; native_handler has cleared them, and a
 * kick may have met native_door while the guest's were in the processor. RSP is where struct ucontext is.
 */
        .set    CONTEXT_EFLAGS, 40 + 136        /* uc_mcontext, eflags: native.c has it checked */

        .globl  native_restorer
        .hidden native_restorer
        .type   native_restorer, @function
native_restorer:
        mov     CONTEXT_EFLAGS(%rsp), %eax
        and     $0x204000, %eax         /* ID, NT */
        pushfq
        or      %rax, (%rsp)
        popfq
        mov     $15, %eax
        syscall
        .size   native_restorer, . - native_restorer

        .section .note.GNU-stack, "", @progbits
