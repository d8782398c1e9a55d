/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The border between compiled code and translated code. R15 points to struct vcpu on that side; which register
 * holds what is in translator/generate.h. Translated code has a stack of its own, of return addresses.
 * Executor process; offsets: T_* are checked in translated_run.c.
 *
 * A signal that is for the run to end finds the guest's registers either in the processor or in struct vcpu. Three
 * ranges are neither: translated_window (there are two), translated_resume (these give up, to translated_cancelled: nothing
 * has been changed) and translated_dispatch (the handler lets it go on, an instruction at a time).
 */
        .text

#include "translated_offsets.h"

        .set    HOST_CS, 0x33           /* HOST_CODE64, HOST_FLAT_DATA of native.h */
        .set    HOST_SS, 0x2b
        .set    TRAP_FLAG, 0x100        /* EFLAGS.TF */

        .macro  save_guest
        mov     %eax, T_GPR+0(%r15)
        mov     %ecx, T_GPR+4(%r15)
        mov     %edx, T_GPR+8(%r15)
        mov     %ebx, T_GPR+12(%r15)
        mov     %r14d, T_GPR+16(%r15)
        mov     %ebp, T_GPR+20(%r15)
        mov     %esi, T_GPR+24(%r15)
        mov     %edi, T_GPR+28(%r15)
        lahf
        seto    %al
        mov     %ax, T_ARITH(%r15)
        .endm

        .macro  load_guest
        movzwl  T_ARITH(%r15), %eax
        add     $0x7f, %al              /* OF, from SETO's 0 or 1 */
        sahf
        mov     T_GPR+0(%r15), %eax
        mov     T_GPR+4(%r15), %ecx
        mov     T_GPR+8(%r15), %edx
        mov     T_GPR+12(%r15), %ebx
        mov     T_GPR+16(%r15), %r14d
        mov     T_GPR+20(%r15), %ebp
        mov     T_GPR+24(%r15), %esi
        mov     T_GPR+28(%r15), %edi
        .endm

        .macro  function name
        .globl  \name
        .hidden \name
        .type   \name, @function
\name:
        .endm

/* unsigned translated_switch(struct vcpu *v, uint64_t host): enum translated_reason. */
        function translated_switch
        push    %rbx
        push    %rbp
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        sub     $8, %rsp
        mov     %rdi, %r15
        mov     %rsi, %r11
        mov     %rsp, T_C_STACK(%r15)
        function translated_window
        cmpl    $0, T_PENDING(%r15)
        jne     translated_cancelled
        mov     T_WINDOW(%r15), %r13
        cmpq    $0, T_SPACE_KEY(%r15)
        jne     1f                      /* segmented code has no use for GS */
        wrgsbase %r13
1:
        mov     T_FS_WINDOW(%r15), %r12
        load_guest
        mov     T_STACK(%r15), %rsp
        jmp     *%r11
        function translated_window_end

/*
 * The same with TF set from the first instruction of translated code on: a signal after each. IRET sets TF without
 * a trap before, and serialises.
 */
        function translated_switch_stepped
        push    %rbx
        push    %rbp
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        sub     $8, %rsp
        mov     %rdi, %r15
        mov     %rsi, %r11
        mov     %rsp, T_C_STACK(%r15)
        function translated_stepped_window
        cmpl    $0, T_PENDING(%r15)
        jne     translated_cancelled
        mov     T_WINDOW(%r15), %r13
        wrgsbase %r13
        mov     T_FS_WINDOW(%r15), %r12
        load_guest
        push    $HOST_SS
        push    T_STACK(%r15)
        pushfq
        mov     (%rsp), %r10
        lea     TRAP_FLAG(%r10), %r10   /* it is clear, and no flag may change */
        mov     %r10, (%rsp)
        push    $HOST_CS
        push    %r11
        iretq
        function translated_stepped_window_end

/*
 * The same by IRET, which serialises: host code was written since (SDM 3A, "Handling Self- and Cross-Modifying
 * Code"). RF, NT and the like are 0.
 */
        function translated_switch_serialised
        mov     %rsp, %rax
        push    $HOST_SS
        push    %rax
        pushfq
        push    $HOST_CS
        lea     translated_switch(%rip), %rax
        push    %rax
        iretq

/* Something is pending: the guest's registers are in struct vcpu as they were. */
        function translated_cancelled
        mov     T_C_STACK(%r15), %rsp
        mov     $T_REASON_KICK, %eax
        jmp     leave

/* Behind a signal: the handler has saved the guest's registers, and put the reason into struct vcpu. */
        function translated_leave
        mov     T_C_STACK(%r15), %rsp
        mov     T_REASON(%r15), %eax
leave:
        add     $8, %rsp
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %rbp
        pop     %rbx
        ret

/* A direct exit whose target is not known: called from its stub. */
        function translated_exit_direct
        pop     %r9
        save_guest
        mov     %r9, T_EXIT_AFTER(%r15)
        mov     %rsp, T_STACK(%r15)
        mov     T_C_STACK(%r15), %rsp
        mov     $T_REASON_DIRECT, %eax
        jmp     leave

/*
 * To another code segment as in real mode: R8D is the selector above the offset. The return addresses on the stack are
 * of the old one.
 */
        function translated_dispatch
        function translated_exit_far
        movzwl  %r8w, %r9d
        not     %r9
        lea     1(%r8, %r9), %r9        /* without the offset */
        mov     T_GROUP_KEY(%r15), %r10
        lea     (%r9, %r10), %r10
        mov     %r10, T_SPACE_KEY(%r15)
        movzwl  T_SPACE_KEY+2(%r15), %r10d
        mov     %r10w, T_CS_SELECTOR(%r15)
        lea     (, %r10, 8), %r9d
        lea     (%r9, %r9), %r9d
        mov     %r9d, T_CS_BASE(%r15)
        mov     %r9d, T_CODE_BASE(%r15)
        lea     (%r13, %r9), %r10
        mov     %r10, T_PLACE_CS(%r15)
        movzwl  %r8w, %r8d
        mov     T_FLOOR(%r15), %rsp
        jmp     translated_exit_indirect_segmented

/* More returns than calls: the lowest place of the stack leads here, and remains. */
        function translated_underflow
        lea     -8(%rsp), %rsp
/* From segmented code, R8D is an EIP. In flat code nothing is added. */
        function translated_exit_indirect_segmented
        mov     %rcx, %r10
        mov     T_CODE_BASE(%r15), %r9d
        lea     (%r8, %r9), %r9d
        mov     T_SPACE_KEY(%r15), %r11
        lea     (%r8, %r11), %r8
        movzwl  %r9w, %r9d
        jmp     look_up

/*
 * Go on at R8: by the table, if it has it there. No flag may change, so the comparison is an addition by LEA that
 * makes zero, and JRCXZ.
 */
        function translated_exit_indirect
        mov     %rcx, %r10
        movzwl  %r8w, %r9d
look_up:
        mov     T_TARGETS(%r15), %r11
        lea     (%r9, %r9), %r9
        lea     (%r11, %r9, 8), %r9
        mov     (%r9), %rcx             /* the negative of the key */
        lea     (%rcx, %r8), %rcx
        jrcxz   1f
        mov     %r10, %rcx
        jmp     translated_not_found
1:      mov     %r10, %rcx
        jmp     *8(%r9)
        function translated_dispatch_end

/* An entry of nobody's leads here too. */
        function translated_not_found
        save_guest
        sub     T_SPACE_KEY(%r15), %r8d
        mov     %r8d, T_EIP(%r15)
        mov     %rsp, T_STACK(%r15)
        mov     T_C_STACK(%r15), %rsp
        mov     $T_REASON_INDIRECT, %eax
        jmp     leave

/*
 * An instruction for the interpreter, R8D is the number of its site. What is behind the call is no place to return
 * to for the guest's RET, should this be left for good: so it comes off the stack first.
 */
        function translated_exit_call_out
        save_guest
        add     $8, %rsp
        mov     %rsp, T_STACK(%r15)
        mov     T_C_STACK(%r15), %rsp
        mov     %r15, %rdi
        mov     %r8d, %esi
        call    translated_call_out
        mov     %rax, %r11
        test    %rax, %rax
        jz      1f
        function translated_resume
        cmpl    $0, T_PENDING(%r15)
        jne     translated_cancelled
        cmp     $T_GO_ON, %r11
        jne     3f
        cmp     %r13, T_WINDOW(%r15)    /* another address space has another one */
        je      2f
        mov     T_WINDOW(%r15), %r13
        wrgsbase %r13
2:      mov     T_FS_WINDOW(%r15), %r12
        load_guest
        mov     T_STACK(%r15), %rsp
        lea     -8(%rsp), %rsp
        ret
/* To another place, in another space perhaps: as translated_window does. */
3:      mov     T_WINDOW(%r15), %r13
        cmpq    $0, T_SPACE_KEY(%r15)
        jne     4f
        wrgsbase %r13
4:      mov     T_FS_WINDOW(%r15), %r12
        load_guest
        mov     T_STACK(%r15), %rsp
        jmp     *%r11
        function translated_resume_end
1:      mov     $T_REASON_LEFT, %eax
        jmp     leave

        .section .note.GNU-stack, "", @progbits
