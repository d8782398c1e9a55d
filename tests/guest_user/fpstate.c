/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The floating-point registers of several processes over thousands of switches: x87 with its control and tag
 * word, MMX, SSE and MXCSR. Each process has values of its own, and finds them again.
 */
#include "user.h"

enum { PROCESSES = 6, ROUNDS = 400 };

/* As FXSAVE writes it; SDM 2A, "FXSAVE". */
struct fx_state {
    uint16_t control, status;
    uint8_t tags, reserved;
    uint16_t opcode;
    uint32_t eip;
    uint16_t cs, reserved2;
    uint32_t data;
    uint16_t ds, reserved3;
    uint32_t mxcsr, mxcsr_mask;
    uint8_t st[8][16];
    uint8_t xmm[8][16];
    uint8_t rest[224];
} __attribute__((aligned(16)));

/* What of the state must be the same; pointers are left out, as processors differ in when they save them. */
static uint32_t compare_states(const struct fx_state *a, const struct fx_state *b)
{
    uint32_t wrong = a->control != b->control || a->status != b->status || a->tags != b->tags;
    wrong += a->mxcsr != b->mxcsr;
    for (unsigned i = 0; i < 8; i++)
        wrong += memcmp(a->st[i], b->st[i], 10) != 0;
    return wrong + (memcmp(a->xmm, b->xmm, sizeof(a->xmm)) != 0);
}

static void make_state(struct fx_state *state, uint32_t number)
{
    static const uint16_t controls[] = { 0x037f, 0x0c7f, 0x027f, 0x067f, 0x0b7f, 0x007f };
    uint32_t random = number * 7919 + 1;
    __asm__ volatile("fninit\n fxsave %0" : "=m"(*state));
    state->control = controls[number % 6];
    state->mxcsr = 0x1f80 | (number & 3) << 13;
    state->tags = (uint8_t)(0xff << number % 8);
    state->status = (uint16_t)(number % 8 << 11);
    for (unsigned i = 0; i < 8; i++) {
        for (unsigned k = 0; k < 8; k++)
            state->st[i][k] = (uint8_t)next_random(&random);
        state->st[i][7] |= 0x80; /* a normal number: the integer bit is set */
        state->st[i][8] = (uint8_t)number;
        state->st[i][9] = 0x3f;
        for (unsigned k = 0; k < 16; k++)
            state->xmm[i][k] = (uint8_t)next_random(&random);
    }
}

/* Arithmetic whose result depends on rounding and precision control. */
static uint32_t x87_sum(uint32_t number)
{
    static const uint16_t controls[] = { 0x037f, 0x0c7f, 0x027f, 0x067f, 0x0b7f, 0x007f };
    uint8_t result[10];
    uint32_t sum = 0;
    int32_t three = 3, value = (int32_t)number + 1;
    __asm__ volatile("fninit\n fldcw %1\n fildl %2\n fildl %3\n fdivrp %%st, %%st(1)\n fldpi\n fmulp %%st, "
                     "%%st(1)\n fstpt %0"
                     : "=m"(result)
                     : "m"(controls[number % 6]), "m"(value), "m"(three));
    for (unsigned i = 0; i < 10; i++)
        sum = sum * 31 + result[i];
    return sum;
}

static int keep_state(void *argument)
{
    static struct fx_state mine, seen;
    uint32_t number = (uint32_t)argument, wrong = 0, expected = x87_sum(number);
    make_state(&mine, number);
    for (unsigned i = 0; i < scaled(ROUNDS); i++) {
        long yield = NR_SCHED_YIELD;
        __asm__ volatile("fxrstor %1\n int $0x80\n fxsave %2"
                         : "+a"(yield)
                         : "m"(mine), "m"(seen)
                         : "memory");
        wrong += compare_states(&mine, &seen);
        wrong += x87_sum(number) != expected;
    }
    return wrong > 255 ? 255 : (int)wrong;
}

/* MMX registers are the x87's: both views of one state. */
static int keep_mmx(void *argument)
{
    uint32_t number = (uint32_t)argument, wrong = 0;
    for (uint32_t i = 0; i < scaled(ROUNDS); i++) {
        uint32_t low = number * 0x01010101 + i, high = ~low, got_low, got_high;
        uint16_t tags;
        struct {
            uint16_t control, r1, status, r2, tags, r3;
            uint32_t rest[4];
        } environment;
        __asm__ volatile(
            "movd %4, %%mm5\n movd %5, %%mm3\n punpckldq %%mm3, %%mm5\n movl %6, %%eax\n int $0x80\n"
            "movd %%mm5, %0\n psrlq $32, %%mm5\n movd %%mm5, %1\n fnstenv %2\n movw 8+%2, %3\n emms"
            : "=&r"(got_low), "=&r"(got_high), "=m"(environment), "=&r"(tags)
            : "r"(low), "r"(high), "i"(NR_SCHED_YIELD)
            : "eax", "memory");
        wrong += got_low != low || got_high != high || tags == 0xffff;
    }
    return wrong > 255 ? 255 : (int)wrong;
}

static void run_all(const char *name, int (*work)(void *))
{
    int children[PROCESSES];
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < PROCESSES; i++)
        children[i] = start_child(work, (void *)(i + 1));
    for (uint32_t i = 0; i < PROCESSES; i++)
        wrong += (uint32_t)wait_child(children[i]);
    check_equal(wrong, 0, "%s", name);
}

static int mixed(void *argument)
{
    return (uint32_t)argument % 2 ? keep_mmx(argument) : keep_state(argument);
}

/* A new program and a new process start with the state they are promised. */
static void check_initial(void)
{
    struct fx_state state;
    __asm__ volatile("fxsave %0" : "=m"(state));
    check_equal(state.control, 0x37f, "control word at the start");
    check_equal(state.mxcsr, 0x1f80, "MXCSR at the start");
    check_equal(state.tags, 0, "empty registers at the start");
}

static struct fx_state parents;

static int compare_inherited(void *argument)
{
    struct fx_state state;
    __asm__ volatile("fxsave %0" : "=m"(state));
    (void)argument;
    return (int)compare_states(&parents, &state);
}

static void check_inherited(void)
{
    int child;
    make_state(&parents, 3);
    __asm__ volatile("fxrstor %0" : : "m"(parents));
    child = start_child(compare_inherited, NULL);
    check_equal((uint32_t)wait_child(child), 0, "a child inherits its parent's registers");
}

int program(void)
{
    check_initial();
    check_inherited();
    run_all("x87 and SSE registers over switches", keep_state);
    run_all("MMX registers over switches", keep_mmx);
    run_all("both over switches", mixed);
    return 0;
}
