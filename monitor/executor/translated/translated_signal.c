/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Signals in translated code. A fault is the guest's, or a page that is not mapped yet: every form faults
 * before it changes anything, so the processor's registers are the guest's before the instruction. A kick may
 * come anywhere: where the instruction cannot begin anew, the processor is let on by single steps until the
 * next one begins. Executor process; runs on the signal stack.
 */
#include "translated.h"

#include <asm/sigcontext.h>
#include <asm/signal.h>
#include <asm/unistd.h>
#include <linux/mman.h>

#include "executor.h"
#include "host.h"
#include "native.h"
#include "translated_offsets.h"
#include "translated_stack.h"
#include "translation.h"

extern const char translated_window[], translated_window_end[], translated_resume[], translated_resume_end[],
    translated_stepped_window[], translated_stepped_window_end[], translated_dispatch[],
    translated_dispatch_end[], translated_segments[], translated_segments_end[], translated_cancelled[],
    translated_leave[];

/* ---- The stack of return addresses ------------------------------------------------------------------------
 */

enum { GUARD_SIZE = 4096, STACK_SIZE = 64 << 10 };

/* The guard page first: who calls deeper than this faults there. */
static _Alignas(4096) struct {
    uint8_t guard[GUARD_SIZE];
    uint64_t place[STACK_SIZE / 8];
} stack;

static struct {
    struct vcpu *v;
    bool stepping; /* TF is set: the next signal is of a step */
    /* Stepped on purpose (translated_signal_steps()): */
    bool counting;
    bool over;      /* a boundary has been reached */
    uint32_t steps; /* still to come */
    uint64_t rip;   /* of the host instruction under way */
} met;

uint64_t translated_stack_floor(void)
{
    return (uint64_t)(uintptr_t)&stack.place[STACK_SIZE / 8 - 1];
}

uint64_t translated_stack_init(uint64_t underflow)
{
    stack.place[STACK_SIZE / 8 - 1] = underflow;
    if (host_call(__NR_mprotect, (long)stack.guard, GUARD_SIZE, PROT_NONE, 0, 0, 0) < 0)
        return 0;
    return translated_stack_floor();
}

void translated_signal_init(struct vcpu *v)
{
    met.v = v;
}

/* ---- Taking over the state
 * ---------------------------------------------------------------------------------- */

static void registers_from(struct vcpu *v, const struct sigcontext *c)
{
    v->gpr.d[X86_EAX] = (uint32_t)c->rax;
    v->gpr.d[X86_ECX] = (uint32_t)c->rcx;
    v->gpr.d[X86_EDX] = (uint32_t)c->rdx;
    v->gpr.d[X86_EBX] = (uint32_t)c->rbx;
    v->gpr.d[X86_ESP] = (uint32_t)c->r14;
    v->gpr.d[X86_EBP] = (uint32_t)c->rbp;
    v->gpr.d[X86_ESI] = (uint32_t)c->rsi;
    v->gpr.d[X86_EDI] = (uint32_t)c->rdi;
    v->arith = (uint16_t)((c->eflags & 0xff) << 8 | (c->eflags & X86_OF ? ARITH_OF : 0));
}

/* Execution goes on there, in compiled code that takes its stack from struct vcpu. */
static void go_on_at(struct sigcontext *c, const char *where)
{
    native_leave(c, where, met.v->translated.c_stack, (uintptr_t)met.v);
}

static void leave(struct sigcontext *c, const struct translation_place *place, unsigned reason)
{
    struct vcpu *v = met.v;
    registers_from(v, c);
    v->eip = place->eip;
    v->translated.stack = c->rsp;
    v->translated.reason = reason;
    v->translated.begun = c->rip != place->begin;
    met.stepping = met.counting = false;
    go_on_at(c, translated_leave);
}

/* ---- Where it met us
 * ------------------------------------------------------------------------------------------ */

static bool within(uint64_t rip, const char *from, const char *to)
{
    return rip - (uintptr_t)from < (uintptr_t)(to - from);
}

/* For a kick, or a step after one. */
static void step_on(struct sigcontext *c)
{
    met.stepping = true;
    c->eflags |= X86_TF;
}

/* In translated_entry.S, or anywhere else in compiled code, with something pending. */
static bool met_compiled_code(bool wanted, struct sigcontext *c)
{
    bool was_stepping = met.stepping;
    if (!wanted && !was_stepping)
        return false;
    if (within(c->rip, translated_dispatch, translated_dispatch_end) ||
        within(c->rip, translated_segments, translated_segments_end)) {
        step_on(c);
        return true;
    }
    met.stepping = met.counting = false;
    c->eflags &= ~(uint64_t)X86_TF;
    if (within(c->rip, translated_window, translated_window_end) ||
        within(c->rip, translated_stepped_window, translated_stepped_window_end) ||
        within(c->rip, translated_resume, translated_resume_end)) {
        go_on_at(c, translated_cancelled);
        return true;
    }
    return was_stepping; /* on its way out: who comes next looks at what is pending */
}

/* More calls than the stack has places for: those below are forgotten, and will be missed as returns are. */
static bool stack_is_full(const struct sigcontext *c)
{
    return c->cr2 - (uintptr_t)stack.guard < GUARD_SIZE;
}

static bool fault(const struct translation_place *place, struct sigcontext *c)
{
    struct vcpu *v = met.v;
    if (c->trapno == X86_VEC_PF && stack_is_full(c)) {
        c->rsp = translated_stack_floor();
        /* A kick may meet this very handler, which is not left by way of the run loop: so that has a look
         * soon. */
        step_on(c);
        return true;
    }
    if (!place->restartable)
        return false;
    v->translated.fault.vector = (uint8_t)c->trapno;
    v->translated.fault.error = (uint32_t)c->err;
    v->translated.fault.address = c->cr2;
    v->translated.fault.resume = place->begin;
    leave(c, place, T_REASON_FAULT);
    return true;
}

/* ---- Stepping on purpose ------------------------------------------------------------------------------- */

void translated_signal_steps(uint64_t host, uint32_t steps)
{
    met.stepping = met.counting = true;
    met.over = false;
    met.steps = steps;
    met.rip = host;
}

void translated_signal_steps_end(void)
{
    met.stepping = met.counting = false;
}

enum { PUSHFQ = 0x9c };

/* The form of PUSHF takes the host's flags: not TF, which is not the guest's. */
static void hide_trap_flag(const struct sigcontext *c)
{
    if (c->rip == met.rip + 1 && *(const uint8_t *)(uintptr_t)met.rip == PUSHFQ)
        *(uint64_t *)(uintptr_t)c->rsp &= ~(uint64_t)X86_TF;
}

/* A host instruction of a stretch has been executed. True: that is not all. */
static bool counts_on(const struct translation_place *place, struct sigcontext *c)
{
    hide_trap_flag(c);
    met.over |= c->rip == place->begin || c->rip == met.rip;
    met.rip = c->rip;
    met.steps -= met.steps != 0;
    return !met.over || met.steps || !place->restartable;
}

bool translated_signal(int signal, bool kick, struct sigcontext *c)
{
    struct translation_place place;
    if (!met.v)
        return false;
    bool stepped = signal == SIGTRAP && met.stepping, wanted = kick || stepped;
    if (!translation_place(met.v->translation, c->rip, &place))
        return met_compiled_code(wanted, c);
    if (!wanted)
        return fault(&place, c);
    if (met.counting && (!stepped || counts_on(&place, c)))
        return true; /* a kick waits for the step's end, too */
    if (place.restartable)
        leave(c, &place, T_REASON_KICK);
    else
        step_on(c);
    return true;
}
