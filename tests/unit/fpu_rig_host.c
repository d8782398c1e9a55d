/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The host's side of the FP rig: the guest's instruction bytes, unchanged, between code that loads and
 * stores the registers. Exceptions arrive as signals; the state then is that of the signal frame.
 */
#define _GNU_SOURCE /* REG_TRAPNO */
#include "fpu_rig.h"

#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

static sigjmp_buf landing;
static struct rig_state *current;
static struct rig_state host; /* FP state of this program, kept meanwhile */

static void on_signal(int number, siginfo_t *info, void *context)
{
    const ucontext_t *c = context;
    (void)number, (void)info;
    if (!current) /* not the instruction: this program's own mistake */
        abort();
    memcpy(current->fx, c->uc_mcontext.fpregs, 512);
    siglongjmp(landing, (int)c->uc_mcontext.gregs[REG_TRAPNO]);
}

static void catch_signals(void)
{
    static const int numbers[] = { SIGFPE, SIGSEGV, SIGILL, SIGBUS };
    struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
    for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        if (sigaction(numbers[i], &action, NULL))
            abort();
}

/* code(s): everything into registers, the instruction, everything back. RBP and RBX are saved by hand. */
static __attribute__((noinline)) void run(const uint8_t *code, struct rig_state *s)
{
    __asm__ volatile("pushq %%rbp\n\t"
                     "pushq %%rbx\n\t"
                     "pushq %%rax\n\t" /* the state */
                     "pushq %%rdx\n\t" /* the code */
                     "fxrstor (%%rax)\n\t"
                     "movzbl %c[ah](%%rax), %%ecx\n\t"
                     "shll $8, %%ecx\n\t"
                     "movb %c[of](%%rax), %%cl\n\t"
                     "movl %c[gpr]+8(%%rax), %%edx\n\t"
                     "movl %c[gpr]+12(%%rax), %%ebx\n\t"
                     "movl %c[gpr]+20(%%rax), %%ebp\n\t"
                     "movl %c[gpr]+24(%%rax), %%esi\n\t"
                     "movl %c[gpr]+28(%%rax), %%edi\n\t"
                     "pushq %c[gpr](%%rax)\n\t"
                     "pushq %c[gpr]+4(%%rax)\n\t"
                     "movl %%ecx, %%eax\n\t"
                     "addb $0x7f, %%al\n\t"
                     "sahf\n\t"
                     "popq %%rcx\n\t"
                     "movl %%ecx, %%ecx\n\t"
                     "popq %%rax\n\t"
                     "movl %%eax, %%eax\n\t"
                     "call *(%%rsp)\n\t"
                     "pushq %%rax\n\t"
                     "lahf\n\t"
                     "seto %%al\n\t"
                     "pushq %%rax\n\t"
                     "movq 24(%%rsp), %%rax\n\t"
                     "fxsave (%%rax)\n\t"
                     "movl %%ecx, %c[gpr]+4(%%rax)\n\t"
                     "movl %%edx, %c[gpr]+8(%%rax)\n\t"
                     "movl %%ebx, %c[gpr]+12(%%rax)\n\t"
                     "movl %%ebp, %c[gpr]+20(%%rax)\n\t"
                     "movl %%esi, %c[gpr]+24(%%rax)\n\t"
                     "movl %%edi, %c[gpr]+28(%%rax)\n\t"
                     "popq %%rcx\n\t"
                     "movb %%ch, %c[ah](%%rax)\n\t"
                     "movb %%cl, %c[of](%%rax)\n\t"
                     "popq %%rcx\n\t"
                     "movl %%ecx, %c[gpr](%%rax)\n\t"
                     "popq %%rdx\n\t"
                     "popq %%rax\n\t"
                     "popq %%rbx\n\t"
                     "popq %%rbp\n\t"
                     : "+a"(s), "+d"(code)
                     : [ah] "i"(__builtin_offsetof(struct rig_state, flags_ah)),
                       [of] "i"(__builtin_offsetof(struct rig_state, flags_of)),
                       [gpr] "i"(__builtin_offsetof(struct rig_state, gpr))
                     : "rcx", "rsi", "rdi", "r8", "memory", "cc");
}

int rig_run_host(const uint8_t bytes[15], unsigned length, struct rig_state *s)
{
    static uint8_t *code;
    if (!code) {
        code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (code == MAP_FAILED)
            abort();
        catch_signals();
    }
    memcpy(code, bytes, length);
    code[length] = 0xc3;
    current = s;
    __asm__ volatile("fxsave %0" : "=m"(host.fx));
    int vector = sigsetjmp(landing, 1);
    if (!vector)
        run(code, s);
    current = NULL;
    __asm__ volatile("fninit\n\tfxrstor %0" : : "m"(host.fx));
    return vector;
}
