/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The run loop: between blocks it looks at everything that is not an instruction (exceptions, interrupts,
 * kicks, single-stepping) in the SDM's order of priority, then runs blocks until one returns to it.
 * Instructions leave it in the middle only by unwinding: to deliver an exception or to exit to the caller.
 * Executor side. SDM 3A, "Priority Among Concurrent Events".
 */
#include "exec.h"

#include "block.h"
#include "breakpoint.h"
#include "bus.h"
#include "channel.h"
#include "chips.h"
#include "code_cache.h"
#include "deadline.h"
#include "event.h"
#include "executor.h"
#include "fpu_state.h"
#include "host.h"
#include "lockstep.h"
#include "mem.h"
#include "mode.h"
#include "news.h"
#include "pool.h"
#include "sbe.h"
#include "translated.h"
#include "translation.h"
#include "visit.h"

/* ---- Leaving
 * ------------------------------------------------------------------------------------------------ */

static NORETURN void exit_with(struct vcpu *v, enum d86_exit_reason reason)
{
    v->exit->reason = reason;
    exec_exit(v);
}

static NORETURN void exit_debug(struct vcpu *v, enum d86_debug cause)
{
    v->exit->debug.cause = (uint8_t)cause;
    v->exit->debug.linear = v->seg[X86_CS].base + v->eip;
    exit_with(v, D86_EXIT_DEBUG);
}

/* ---- Events between instructions
 * ------------------------------------------------------------------------------ */

bool exec_can_interrupt(const struct vcpu *v)
{
    return (v->eflags & X86_IF) && !v->int_shadow && v->interrupt < 0 && v->bus.count == 0 &&
           !v->bus.waiting && v->event.kind == EVENT_NONE && !v->shutdown;
}

/*
 * A delivery may need the caller as an instruction does, when a table or the stack is not in RAM. It then
 * starts over from what is still there: v->event, v->delivering (an interrupt or NMI) or v->debug.trap.
 */
static bool resume_delivery(struct vcpu *v)
{
    v->bus.cursor = 0;
    if (v->event.kind != EVENT_NONE) {
        if ((v->debug_causes & D86_DEBUG_EXCEPTIONS) && !v->exception_shown) {
            v->exception_shown = true;
            exit_debug(v, D86_DEBUG_EXCEPTIONS);
        }
        event_deliver_exception(v);
        v->exception_shown = false;
    } else if (v->delivering.kind == EVENT_EXTERNAL) {
        event_deliver_interrupt(v, v->delivering.vector);
    } else if (v->debug.trap) {
        event_debug_trap(v, v->debug.trap);
        v->debug.trap = 0;
    } else {
        return false;
    }
    bus_commit(v);
    return true;
}

static void deliver_interrupt(struct vcpu *v)
{
    uint8_t vector = (uint8_t)v->interrupt;
    v->interrupt = -1;
    v->halted = false;
    event_deliver_interrupt(v, vector);
    bus_commit(v);
}

static void take_events(struct vcpu *v)
{
    if (v->nmi_pending && !v->nmi_blocked && !v->int_shadow) {
        v->nmi_pending = false;
        v->halted = false;
        event_deliver_nmi(v);
        bus_commit(v);
        return;
    }
    if (chips_intr(v) && exec_can_interrupt(v))
        v->interrupt = chips_acknowledge(v);
    if (v->interrupt >= 0 && (v->eflags & X86_IF) && !v->int_shadow) {
        deliver_interrupt(v);
        return;
    }
    if (v->exit->request_interrupt_window && exec_can_interrupt(v))
        exit_with(v, D86_EXIT_INTERRUPT_WINDOW);
    if (v->halted)
        exit_with(v, D86_EXIT_HLT);
}

/* A kick is taken once, and so is the end of the time. Others set these bits, so they are cleared atomically.
 */
static void take_kick(struct vcpu *v)
{
    uint32_t pending = __atomic_load_n(&v->pending, __ATOMIC_RELAXED);
    if (pending & PENDING_KICK) {
        __atomic_and_fetch(&v->pending, ~(uint32_t)PENDING_KICK, __ATOMIC_ACQ_REL);
        exit_with(v, D86_EXIT_KICKED);
    }
    bool due = pending & PENDING_DEADLINE || (pending & PENDING_POLL && host_ticks() >= v->poll_until);
    if (!due && !(pending & PENDING_CHIPS))
        return;
    __atomic_and_fetch(&v->pending, ~(uint32_t)(PENDING_DEADLINE | PENDING_CHIPS), __ATOMIC_ACQ_REL);
    if (due && chips_due(v))
        exit_with(v, D86_EXIT_DEADLINE);
    deadline_move(v, chips_deadline(v));
}

/* ---- Running
 * --------------------------------------------------------------------------------------------------- */

static void run_uops(struct vcpu *v, const struct uop *u)
{
    while (u)
        u = u->run(v, u);
}

/* Does the next instruction need a look before or after it? */
static bool must_step(const struct vcpu *v)
{
    return (v->eflags & (X86_TF | X86_RF)) || v->int_shadow || v->bus.count || v->debug.active ||
           (v->debug_causes & D86_DEBUG_SINGLE_STEP) || (v->translated.sweep && !translated_possible(v));
}

bool exec_would_interrupt(const struct vcpu *v)
{
    return v->interrupt >= 0 || chips_intr(v) || v->exit->request_interrupt_window;
}

bool exec_must_look(const struct vcpu *v)
{
    return v->pending || must_step(v) || v->halted || v->shutdown || v->event.kind != EVENT_NONE ||
           (v->nmi_pending && !v->nmi_blocked) || ((v->eflags & X86_IF) && exec_would_interrupt(v));
}

static void set_pending(struct vcpu *v, uint32_t bit, bool on)
{
    if (on)
        __atomic_or_fetch(&v->pending, bit, __ATOMIC_RELAXED);
    else
        __atomic_and_fetch(&v->pending, ~bit, __ATOMIC_RELAXED);
}

/*
 * The traps after an instruction. One that loaded SS holds them back: single-stepping skips it, the
 * breakpoints of its data wait for the next one (SDM 3A, "Masking Exceptions and Interrupts When Switching
 * Stacks").
 */
static void take_traps(struct vcpu *v, bool single_step)
{
    uint32_t dr6 = v->debug.hit | (single_step ? X86_DR6_BS : 0);
    v->debug.held = v->shadow_is_ss ? v->debug.hit : 0;
    v->debug.hit = 0;
    if (dr6 && !v->shadow_is_ss) {
        v->debug.trap = dr6;
        (void)resume_delivery(v);
    }
}

void exec_step(struct vcpu *v)
{
    bool trap = v->eflags & X86_TF, resume = v->eflags & X86_RF || v->repeating;
    if (v->debug.active && !resume && !v->shadow_is_ss) {
        uint32_t hit = breakpoint_fetch(v);
        if (hit) {
            v->debug.dr[6] |= hit;
            raise_exception(v, NULL, X86_DB);
        }
    }
    const struct uop *u = block_lookup(v, true);
    /* RF and the shadow last for this instruction; it may set them anew. A device access repeats it: keep. */
    bool shadow = v->int_shadow, shadow_is_ss = v->shadow_is_ss;
    v->eflags &= ~X86_RF;
    v->repeating = false;
    v->int_shadow = v->shadow_is_ss = false;
    v->no_trap = false;
    v->debug.hit = v->debug.held;
    v->bus.cursor = 0;
    v->step_state = (struct step_state){ .resume = resume, .shadow = shadow, .shadow_is_ss = shadow_is_ss };
    set_pending(v, PENDING_STEP, true);
    run_uops(v, u);
    set_pending(v, PENDING_STEP, false);
    v->step_state = (struct step_state){ 0 };
    bus_commit(v);

    take_traps(v, trap && !v->no_trap);
    if (v->translated.sweep && v->cpl == 0)
        set_pending(v, PENDING_KICK, true);
    if (v->debug_causes & D86_DEBUG_SINGLE_STEP)
        exit_debug(v, D86_DEBUG_SINGLE_STEP);
}

/* An instruction that did not complete (fault or device access) did not use up RF or the shadow. */
static void restore_step(struct vcpu *v)
{
    if (v->step_state.resume)
        v->eflags |= X86_RF;
    if (v->step_state.shadow) {
        v->int_shadow = true;
        v->shadow_is_ss = v->step_state.shadow_is_ss;
    }
    v->step_state = (struct step_state){ 0 };
    v->debug.hit = 0;
    v->bus.cursor = 0;
    set_pending(v, PENDING_STEP, false);
}

/* Of a block, nothing but the middle of a REP is kept that way. */
static void run_block(struct vcpu *v)
{
    const struct uop *u = block_lookup(v, false);
    v->repeat = (struct repeat_state){ .amid = v->repeating, .icount = v->icount };
    v->repeating = false; /* whoever still is says so */
    run_uops(v, u);
}

/* Left for a device in the next iteration, which was the first since. */
static void restore_repeat(struct vcpu *v)
{
    if (v->repeat.amid && v->icount == v->repeat.icount)
        v->repeating = true;
    v->repeat.amid = false;
}

/* One block, instead of all that follow it: the next may be worth more than interpreting. */
static void run_one_block(struct vcpu *v)
{
    set_pending(v, PENDING_SBE, true);
    run_block(v);
    set_pending(v, PENDING_SBE, false);
}

/* Ring 0 under the engines sbe and lockstep, in flat protected mode. */
static void run_translated(struct vcpu *v)
{
    switch (v->engine == D86_ENGINE_LOCKSTEP ? lockstep_translated(v) : translated_run(v)) {
    case TRANSLATED_LOOP:
        break;
    case TRANSLATED_STEP:
        exec_step(v);
        break;
    case TRANSLATED_INTERPRET:
        if (v->translated.sweep)
            exec_step(v);
        else
            run_one_block(v);
        break;
    }
}

/* What the run loop was asked about before a block; while it stays, so do the answers. */
struct look {
    uint32_t mode, eflags, cr3;
};

static struct look look_at(const struct vcpu *v)
{
    return (struct look){ v->mode, v->eflags, v->cr3 };
}

/*
 * After a block at CPL 3: is all as it was? Interrupts come with something pending, and exceptions by another
 * way.
 */
static bool is_quiet(const struct vcpu *v, const struct look *before)
{
    return v->pending == PENDING_SBE && v->mode == before->mode && v->eflags == before->eflags &&
           v->cr3 == before->cr3 && !must_step(v);
}

/* Blocks of a program that the engine sbe leaves to the interpreter: some, before it is asked again. */
static void interpret_user(struct vcpu *v)
{
    const struct look before = look_at(v);
    uint64_t began = v->icount, end = began + sbe_allowance(v);
    bool counted = !visit_is_young(v);
    set_pending(v, PENDING_SBE, counted);
    do
        run_block(v);
    while (counted && is_quiet(v, &before) && v->icount < end);
    set_pending(v, PENDING_SBE, false);
    visit_interpreted(v, v->icount - began);
}

/* CPL 3 under the engine sbe. */
static void run_sbe(struct vcpu *v)
{
    switch (sbe_run(v)) {
    case SBE_LOOP:
        break;
    case SBE_STEP:
        v->counts.steps++;
        exec_step(v);
        break;
    case SBE_INTERPRET:
        interpret_user(v);
        break;
    case SBE_TRANSLATE:
        run_translated(v);
        break;
    case SBE_MOVE:
        v->repeat.amid = false;
        exec_exit(v);
    }
}

static void run_once(struct vcpu *v)
{
    if (unlikely(v->event.kind != EVENT_NONE || v->bus.count) && resume_delivery(v))
        return;
    /* An instruction that has reached a device is completed first: so who kicks comes out between two. */
    if (likely(!v->bus.count)) {
        if (unlikely(v->pending))
            take_kick(v);
        take_events(v);
    }
    if (unlikely(must_step(v)))
        exec_step(v);
    else if (v->engine != D86_ENGINE_INTERP && sbe_possible(v))
        run_sbe(v);
    else if (v->translated.enabled && translated_possible(v))
        run_translated(v);
    else
        run_block(v);
}

/* All that was made of code, by whatever engine. */
static void forget_code(struct vcpu *v)
{
    block_flush(v);
    if (v->engine != D86_ENGINE_INTERP)
        code_drop_all(v);
    if (v->translated.enabled)
        translation_flush(v);
}

static void take_writes(struct vcpu *v, struct channel *c)
{
    if (c->write_count > CHANNEL_WRITES_MAX) {
        forget_code(v);
    } else {
        for (uint32_t i = 0; i < c->write_count; i++)
            frame_written(v, c->write[i].frame, c->write[i].offset, c->write[i].size);
    }
    c->write_count = 0;
}

void exec_take_changes(struct vcpu *v, struct channel *c)
{
    if (c->changed & CHANNEL_MODE)
        exec_mode_changed(v);
    if (c->changed & (CHANNEL_TRANSLATIONS | CHANNEL_A20)) {
        tlb_flush(v);
        /* The memory map may be another one. */
        if (v->engine != D86_ENGINE_INTERP)
            pool_map_changed(v);
    }
    /* A program that uses the high memory area moves A20 with each call: its own code is compared, and stays. */
    if (c->changed & CHANNEL_TRANSLATIONS && v->translated.enabled)
        translation_flush(v);
    c->changed = 0;
    take_writes(v, c);
}

/* Is another process to go on with the run? */
static bool is_moving(const struct vcpu *v)
{
    return v->pool && v->pool->moving;
}

/* To the run's end, or until another process goes on with it. */
static void run(struct vcpu *v)
{
    int why = unwind_save(&v->unwind);
    if (why != UNWIND_NONE && v->pending & PENDING_STEP)
        restore_step(v);
    else if (why == UNWIND_EXIT)
        restore_repeat(v);
    if (why != UNWIND_NONE && v->engine != D86_ENGINE_INTERP) {
        set_pending(v, PENDING_SBE, false);
        v->lockstep->recording = v->translated.stepped = false;
    }
    if (why == UNWIND_EXCEPTION) {
        /* What was under way is over: the exception takes its place. */
        bus_commit(v);
        v->exception_shown = v->repeating = false;
        v->debug.trap = v->debug.held = 0;
    }
    if (why != UNWIND_EXIT) {
        for (;;)
            run_once(v);
    }
    fpu_leave(v);
    if (is_moving(v))
        return;
    if (v->exit->reason == D86_EXIT_HLT || v->exit->reason == D86_EXIT_FERR)
        deadline_cancel();
    v->stats.exits++;
    v->stats.instructions = v->icount;
    v->exit->ready_for_interrupt = exec_can_interrupt(v);
    v->exit->interrupt_flag = !!(v->eflags & X86_IF);
}

void exec_run(struct vcpu *v)
{
    block_renew(v);
    if (v->shutdown) {
        v->exit->reason = D86_EXIT_SHUTDOWN;
        return;
    }
    v->exit->reason = D86_EXIT_NONE;
    chips_begin(v);
    deadline_begin(v, chips_deadline(v));
    bus_complete(v);
    run(v);
}

void exec_go_on(struct vcpu *v, uint32_t member)
{
    pool_arrive(v, member);
    deadline_move(v, chips_deadline(v));
    translated_arrive(v);
    run(v);
}
