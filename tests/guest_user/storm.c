/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Signals at any instruction: a computation interrupted by timers and by another process must come out right,
 * and what a handler changes in the registers it was given must be what the program goes on with.
 */
#include "user.h"

static volatile uint32_t arrived;
static uint32_t floating_sum;

static void count_signal(int sig, struct signal_info *info, struct signal_context *c)
{
    (void)sig;
    (void)info;
    (void)c;
    arrived++;
}

/* Spoils every register a handler may: the kernel must give all of them back. */
static void spoil(int sig, struct signal_info *info, struct signal_context *c)
{
    static uint32_t mxcsr = 0x1fa0 | 3u << 13;
    static uint16_t control = 0x0c3f;
    (void)sig;
    (void)info;
    (void)c;
    __asm__ volatile("fninit\n fldcw %0\n fldpi\n fldl2e\n fld1\n"
                     "ldmxcsr %1\n pcmpeqb %%mm0, %%mm0\n emms\n"
                     "xorps %%xmm0, %%xmm0\n cmpps $0, %%xmm0, %%xmm0\n movaps %%xmm0, %%xmm7\n"
                     :
                     : "m"(control), "m"(mxcsr));
    arrived++;
}

/* A computation whose every step depends on the one before and on the carry flag. */
static uint32_t compute(uint32_t rounds)
{
    uint32_t a = 0x12345678, b = 0x9abcdef0, c = 1, d = 0;
    for (uint32_t i = 0; i < rounds; i++) {
        __asm__ volatile("addl %1, %0\n"
                         "adcl %2, %1\n"
                         "rcll $5, %2\n"
                         "sbbl %0, %3\n"
                         "pushl %3\n"
                         "rorl $7, %0\n"
                         "setc %%al\n"
                         "movzbl %%al, %%eax\n"
                         "addl %%eax, (%%esp)\n"
                         "popl %3\n"
                         "xchgl %0, %3\n"
                         : "+r"(a), "+r"(b), "+r"(c), "+r"(d)
                         :
                         : "eax", "cc", "memory");
    }
    return a ^ b ^ c ^ d;
}

/* x87 and SSE registers live across many instructions. */
static uint32_t compute_floating(uint32_t rounds)
{
    static const float step[4] = { 1, 2, 3, 4 };
    float sums[4];
    uint32_t whole;
    __asm__ volatile("fninit\n fldz\n fld1\n"
                     "xorps %%xmm0, %%xmm0\n movups %3, %%xmm1\n"
                     "1: fadd %%st(0), %%st(1)\n"
                     "addps %%xmm1, %%xmm0\n"
                     "decl %2\n jnz 1b\n"
                     "movups %%xmm0, %0\n"
                     "fstp %%st(0)\n fistpl %1\n"
                     : "=m"(sums), "=m"(whole), "+r"(rounds)
                     : "m"(step)
                     : "memory", "cc");
    uint32_t sum = whole, bits;
    for (unsigned i = 0; i < 4; i++) {
        memcpy(&bits, &sums[i], 4);
        sum = sum * 31 + bits;
    }
    return sum;
}

static void set_timer(uint32_t microseconds)
{
    uint32_t value[4] = { 0, microseconds, 0, microseconds };
    linux_call(NR_SETITIMER, 0, value, 0);
}

static void check_timer_storm(void)
{
    uint32_t expected = compute(20000), runs = 0, wrong = 0;
    set_handler(SIG_ALRM, count_signal, SA_THIS_STACK | SA_RESTART);
    arrived = 0;
    set_timer(500);
    while (arrived < 100) {
        wrong += compute(20000) != expected;
        runs++;
    }
    set_timer(0);
    check_equal(wrong, 0, "results while a timer interrupts");
    check(runs > 0, "and it ran");

    floating_sum = compute_floating(20000);
    wrong = 0;
    set_handler(SIG_ALRM, spoil, SA_THIS_STACK | SA_RESTART);
    arrived = 0;
    set_timer(500);
    while (arrived < 100)
        wrong += compute_floating(20000) != floating_sum;
    set_timer(0);
    check_equal(wrong, 0, "floating-point results while handlers compute too");
}

struct storm {
    int target;
    uint32_t count;
};

static int send_signals(void *argument)
{
    struct storm *storm = argument;
    for (uint32_t i = 0; i < storm->count; i++) {
        linux_call(NR_KILL, storm->target, SIG_USR1);
        if (i % 4 == 0)
            linux_call(NR_SCHED_YIELD);
    }
    return 0;
}

static void check_process_storm(void)
{
    struct storm storm = { (int)linux_call(NR_GETPID), 2000 };
    uint32_t expected = compute(3000), wrong = 0;
    set_handler(SIG_USR1, spoil, SA_THIS_STACK | SA_RESTART);
    arrived = 0;
    int child = start_child(send_signals, &storm);
    /* The child's end is seen when there is nobody left to send to. */
    while (linux_call(NR_WAITPID, child, 0, 1) == 0)
        wrong += compute(3000) != expected;
    check_equal(wrong, 0, "results while a process sends signals");
    check(arrived > 0 && arrived <= storm.count, "no more signals than were sent");
}

static uint32_t loops;

/* Ends an endless loop, which EDI is the end of, by registers, by flags or by EIP. Never counts twice. */
static void release(int sig, struct signal_info *info, struct signal_context *c)
{
    (void)sig;
    (void)info;
    if (c->edi - c->eip - 1 >= 4)
        return;                 /* not in the loop */
    if (c->esi == 0x5eed0001) { /* test esi, esi; jump if it is not zero */
        c->esi = 0;
        loops++;
    } else if (c->esi == 0x5eed0002 && !(c->eflags & EFLAGS_CF)) { /* jump while carry is clear */
        c->eflags |= EFLAGS_CF;
        loops++;
    } else if (c->esi == 0x5eed0003) { /* jump to itself */
        c->eip = c->edi;
        loops++;
    }
}

static void check_changed_registers(void)
{
    uint32_t esi;
    set_handler(SIG_ALRM, release, SA_THIS_STACK);
    set_timer(500);
    for (unsigned i = 0; i < 5; i++) {
        __asm__ volatile("movl $2f, %%edi\n 1: testl %%esi, %%esi\n jnz 1b\n 2:"
                         : "=S"(esi)
                         : "0"(0x5eed0001)
                         : "edi", "cc", "memory");
        __asm__ volatile("clc\n movl $2f, %%edi\n 1: jnc 1b\n 2:"
                         :
                         : "S"(0x5eed0002)
                         : "edi", "cc", "memory");
        __asm__ volatile("movl $2f, %%edi\n 1: jmp 1b\n 2:" : : "S"(0x5eed0003) : "edi", "memory");
    }
    set_timer(0);
    check_equal(loops, 15, "a handler releases loops by registers, flags and EIP");
}

/* A fault whose cause the handler removes: the instruction is run again. */
static uint32_t repairs;

static void repair(int sig, struct signal_info *info, struct signal_context *c)
{
    (void)sig;
    (void)info;
    repairs++;
    if (c->trapno == 14)
        c->eax = c->esp; /* any address that can be read */
    else if (c->trapno == 0)
        c->ecx = 7;
    else
        c->eip += 2; /* behind ud2 */
}

static void check_repaired_faults(void)
{
    uint32_t value, quotient, wrong = 0;
    set_handler(SIG_SEGV, repair, SA_THIS_STACK);
    set_handler(SIG_FPE, repair, SA_THIS_STACK);
    set_handler(SIG_ILL, repair, SA_THIS_STACK);
    for (uint32_t i = 0; i < 300; i++) {
        __asm__ volatile("pushl %1\n movl (%%eax), %0\n popl %1" : "=a"(value) : "r"(i), "0"(16) : "memory");
        wrong += value != i;
        uint32_t divisor = 0, high = 0;
        __asm__ volatile("divl %%ecx" : "=a"(quotient), "+c"(divisor), "+d"(high) : "0"(70) : "cc");
        wrong += quotient != 10 || divisor != 7;
        __asm__ volatile("movl %1, %0\n ud2\n addl $5, %0" : "=&a"(value) : "r"(i) : "cc");
        wrong += value != i + 5;
    }
    catch_faults();
    check_equal(wrong, 0, "instructions run again after a repair");
    check_equal(repairs, 900, "each fault came once");
}

/* A handler in a handler in a handler, on one stack. */
static uint32_t depth, deepest;

static void nest(int sig, struct signal_info *info, struct signal_context *c)
{
    (void)info;
    (void)c;
    if (++depth > deepest)
        deepest = depth;
    if (depth < 20)
        linux_call(NR_KILL, linux_call(NR_GETPID), sig);
    depth--;
}

int program(void)
{
    check_timer_storm();
    check_process_storm();
    check_changed_registers();
    check_repaired_faults();
    set_handler(SIG_USR1, nest, SA_THIS_STACK);
    linux_call(NR_KILL, linux_call(NR_GETPID), SIG_USR1);
    check_equal(deepest, 20, "handlers nest");
    return 0;
}
