/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * 32-bit code in this 64-bit process. A signal handler is the door both ways: it lets the processor go on in
 * the flat 32-bit code segment with the state asked for, and when that traps, in 64-bit code again. The code
 * run here loads no segment register, so the handlers find the C library's FS.
 */
#define _GNU_SOURCE
#include "test_scan_native.h"

#include "translator/scan.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

enum {
    CODE32 = 0x23, /* Linux's __USER32_CS and __USER_DS */
    DATA32 = 0x2b,
    FLAG_TRACE = 0x100,
    FLAGS_COMPARED = 0xcd5, /* CF, PF, AF, ZF, SF, DF, OF */
    VECTOR_BREAKPOINT = 3,
    SIGNAL_STACK_SIZE = 64 << 10,
};

/* In the order of a struct native_state's registers. */
static const int gregs[8] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI };

static const struct native_state *enter_with;
static bool stepping;
static struct native_stop *leave_to;
static ucontext_t outside;
static struct {
    uint8_t image[512];
} outside_fpu;

static void put_fpu(ucontext_t *uc, const uint8_t *image, size_t size)
{
    uint8_t *area = (uint8_t *)uc->uc_mcontext.fpregs;
    uint64_t components;

    memcpy(area, image, size);
    memcpy(&components, area + 512,
           sizeof(components)); /* XSTATE_BV: x87 and SSE are not in their initial state */
    components |= 3;
    memcpy(area + 512, &components, sizeof(components));
}

static void enter(ucontext_t *uc)
{
    greg_t *regs = uc->uc_mcontext.gregs;

    memcpy(&outside, uc, sizeof(outside));
    memcpy(&outside_fpu, uc->uc_mcontext.fpregs, sizeof(outside_fpu));
    for (unsigned i = 0; i < 8; i++)
        regs[gregs[i]] = enter_with->reg[i];
    regs[REG_RIP] = enter_with->eip;
    regs[REG_EFL] = (enter_with->flags & FLAGS_COMPARED) | 0x202 | (stepping ? FLAG_TRACE : 0);
    regs[REG_CSGSFS] = (regs[REG_CSGSFS] & 0x0000ffffffff0000) | CODE32;
    regs[REG_CSGSFS] = (regs[REG_CSGSFS] & 0x0000ffffffffffff) | (greg_t)((uint64_t)DATA32 << 48);
    put_fpu(uc, enter_with->fpu, FPU_IMAGE_SIZE);
    enter_with = NULL;
}

void native_normalise_fpu(uint8_t image[FPU_IMAGE_SIZE])
{
    image[3] &= (uint8_t)~2;  /* C1 */
    memset(image + 6, 0, 18); /* FOP, FIP, FDP */
    memset(image + 28, 0, 4); /* MXCSR_MASK */
}

static void leave(ucontext_t *uc)
{
    greg_t *regs = uc->uc_mcontext.gregs;
    struct native_state *state = &leave_to->state;

    for (unsigned i = 0; i < 8; i++)
        state->reg[i] = (uint32_t)regs[gregs[i]];
    leave_to->vector = (unsigned)regs[REG_TRAPNO];
    state->eip = (uint32_t)regs[REG_RIP] - (leave_to->vector == VECTOR_BREAKPOINT);
    state->flags = (uint32_t)regs[REG_EFL] & FLAGS_COMPARED;
    memcpy(state->fpu, uc->uc_mcontext.fpregs, FPU_IMAGE_SIZE);
    native_normalise_fpu(state->fpu);
    memcpy(uc->uc_mcontext.gregs, outside.uc_mcontext.gregs, sizeof(outside.uc_mcontext.gregs));
    put_fpu(uc, outside_fpu.image, FPU_IMAGE_SIZE);
    leave_to = NULL;
}

static void handle(int number, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;

    (void)info;
    if (enter_with) {
        enter(uc);
    } else if (leave_to) {
        leave(uc);
    } else {
        signal(number, SIG_DFL);
        raise(number);
    }
}

void native_run(const struct native_state *from, bool step, struct native_stop *stop)
{
    memcpy((void *)(uintptr_t)NATIVE_DATA, from->data, NATIVE_DATA_SIZE);
    enter_with = from;
    leave_to = stop;
    stepping = step;
    __asm__ volatile("int3" ::: "memory");
    memcpy(stop->state.data, (void *)(uintptr_t)NATIVE_DATA, NATIVE_DATA_SIZE);
}

static void map(uint32_t address, size_t size, int rights)
{
    void *at = (void *)(uintptr_t)address;

    if (mmap(at, size, rights, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != at) {
        perror("cannot map the test's low memory");
        exit(EXIT_FAILURE);
    }
}

uint32_t native_code_page(unsigned choice)
{
    static const uint32_t pages[] = { 0x08048000, 0x08123000, 0x56555000, 0x77e0f000 };

    return pages[choice % 4];
}

void native_open(void)
{
    const int all = PROT_READ | PROT_WRITE | PROT_EXEC;
    static const int signals[] = { SIGTRAP, SIGSEGV, SIGILL, SIGFPE, SIGBUS };
    struct sigaction action = { .sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    stack_t stack = { .ss_size = SIGNAL_STACK_SIZE, .ss_sp = malloc(SIGNAL_STACK_SIZE) };

    for (unsigned i = 0; i < 4; i++)
        map(native_code_page(i), SCAN_PAGE_SIZE, all);
    map(NATIVE_WINDOW, 16 << 20, all);
    map(NATIVE_DATA, NATIVE_DATA_SIZE, PROT_READ | PROT_WRITE);
    map(NATIVE_SCRATCH, SCAN_PAGE_SIZE, PROT_READ | PROT_WRITE);
    sigaltstack(&stack, NULL);
    for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        sigaction(signals[i], &action, NULL);
    /* A 64-bit process has none; 64-bit code does not care. */
    __asm__ volatile("mov %0, %%ds\n\tmov %0, %%es" ::"r"(DATA32));
}
