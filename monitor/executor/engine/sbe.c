/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The engine's loop: enter the guest, and when it comes back find out what it needs. There are three answers:
 * a data page is mapped (shadow.c), code is scanned and mapped (code_cache.c), or the interpreter executes
 * one instruction from the guest's own bytes; the last is always right, so it is what every doubt ends in.
 * Executor process. docs/scan-before-execute.md
 */
#include "sbe.h"

#include "audit.h"
#include "bind.h"
#include "code_cache.h"
#include "door.h"
#include "event.h"
#include "executor.h"
#include "flags.h"
#include "fpu.h"
#include "host.h"
#include "host_segments.h"
#include "lockstep.h"
#include "mode.h"
#include "news.h"
#include "paging.h"
#include "pool.h"
#include "shadow.h"
#include "system_space.h"
#include "translated.h"
#include "translation.h"
#include "visit.h"

/* ---- When ------------------------------------------------------------------------------------------ */

bool sbe_possible(const struct vcpu *v)
{
    return v->cpl == 3 && cpu_pmode(v) && (v->seg[X86_CS].attr & X86_SEG_DB) && !v->fpu.hidden;
}

void sbe_translations_changed(struct vcpu *v, bool globals)
{
    if (!v->shadow)
        return;
    v->shadow->stale = true;
    system_space_changed(v, globals);
    v->translation->stale = true;
}

/* Is any page mapped in the 4 MiB around, as data or as code? */
static bool region_is_mapped(const struct vcpu *v, guest_la la)
{
    uint32_t region = (la >> 12) / SHADOW_REGION_PAGES;
    const uint16_t *slot = &v->code->slot_at[region * SHADOW_REGION_PAGES];
    bool found = v->shadow->region_pages[region] != 0;
    for (uint32_t i = 0; i < SHADOW_REGION_PAGES && !found; i++)
        found = slot[i] != 0;
    return found;
}

void sbe_page_changed(struct vcpu *v, guest_la la)
{
    if (v->engine == D86_ENGINE_INTERP)
        return;
    system_space_region_changed(v, la);
    translation_region_changed(v, la);
    /*
     * It may have been one of a large page's, and then all of them are meant: only a comparison finds out.
     * There is nothing to compare where the guest's kernel maps itself a page for a moment, as Linux does to
     * clear one above 896 MiB: without this, each page fault of a program would cost a comparison (1165
     * instead of 6 while half a GiB was written for the first time).
     */
    if (v->cr4 & (X86_CR4_PSE | X86_CR4_PAE)) {
        if (region_is_mapped(v, la))
            v->shadow->stale = true;
        return;
    }
    shadow_drop_page(v, v->shadow, la);
    code_unmap_page(v, la & ~0xfffu);
}

void sbe_frame_is_code(struct vcpu *v, uint64_t frame)
{
    tlb_forbid_writes(v, frame);
    if (v->engine != D86_ENGINE_INTERP)
        pool_protect_frame(v, frame);
}

/* ---- Flags ----------------------------------------------------------------------------------------- */

/* Flags the processor keeps for the guest while it runs natively; the others stay in v->eflags. */
enum { FLAGS_NATIVE = X86_ARITH | X86_DF | X86_TF | X86_NT | X86_AC | X86_ID };

uint32_t sbe_flags_out(const struct vcpu *v)
{
    return (flags_get(v) & FLAGS_NATIVE) | X86_FLAGS_ONE | X86_IF;
}

void sbe_flags_in(struct vcpu *v, uint32_t native)
{
    uint32_t before = v->eflags;
    flags_set(v, (native & FLAGS_NATIVE) | (before & ~(uint32_t)FLAGS_NATIVE));
    /* Alignment checking picks the interpreter's TLB. */
    if ((before ^ v->eflags) & X86_AC)
        exec_mode_changed(v);
}

/* ---- REP ------------------------------------------------------------------------------------------- */

/* Where a repeated instruction stands: its address and its counter. */
struct progress {
    uint32_t eip, count;
    bool repeating;
};

static struct progress progress(const struct vcpu *v)
{
    return (struct progress){ v->eip, v->gpr.d[X86_ECX], v->repeating };
}

/* The guest's bytes at la, as far as private pages are mapped. */
static unsigned fetch(struct vcpu *v, guest_la la, uint8_t *bytes)
{
    unsigned n = 0;
    const struct code_page *p = code_page_at(v, la);
    while (p && n < X86_INSN_MAX) {
        bytes[n++] = v->map.ram[(p->frame << 12) + (la++ & 0xfff)];
        if ((la & 0xfff) == 0)
            p = code_page_at(v, la);
    }
    return n;
}

static bool is_at_repeat(struct vcpu *v)
{
    uint8_t bytes[X86_INSN_MAX];
    unsigned size = fetch(v, v->seg[X86_CS].base + v->eip, bytes);
    return string_repeats(bytes, size);
}

/*
 * Native code was stopped between instructions, perhaps between the iterations of one, where an event has to
 * find RF set. The processor does not tell: Intel's set RF there, AMD's keep what it was, and may stop
 * between the last iteration and the end (ECX is 0 then). So a repeat counts as begun, unless it stands where
 * it stood when we entered. If that is wrong, a breakpoint which somebody enables on it before it goes on
 * strikes one time too few.
 */
static void note_repeat(struct vcpu *v, const struct progress *before)
{
    if (v->eip == before->eip && v->gpr.d[X86_ECX] == before->count)
        v->repeating = before->repeating;
    else
        v->repeating = is_at_repeat(v);
}

/* ---- What a trap needs ----------------------------------------------------------------------------- */

/* What to do next. */
enum next {
    NEXT_ENTER,     /* run natively again */
    NEXT_STEP,      /* the interpreter does this instruction */
    NEXT_INTERPRET, /* ... runs a block */
    NEXT_LOOP,      /* back to the run loop: something is pending */
    NEXT_DONE,      /* the same: an instruction was executed */
};

/*
 * A page is the interpreter's: one that is rewritten all the time, say. Whoever calls it, and writes it, is
 * interpreted along for a while, since every change between the two costs as much as thousands of
 * instructions.
 */
enum { STAY_INSTRUCTIONS = 20000 };

static enum next prepare(struct vcpu *v)
{
    guest_la la = v->seg[X86_CS].base + v->eip;
    switch (code_prepare(v, la)) {
    case CODE_READY:
        return NEXT_ENTER;
    case CODE_INTERPRET:
        v->sbe.interpret_until = v->icount + STAY_INSTRUCTIONS;
        return NEXT_INTERPRET;
    default:
        /* Without stops at each instruction native code would have come here by itself, and trapped. */
        if (v->engine == D86_ENGINE_LOCKSTEP && code_trap(v, la))
            v->counts.trap_site++;
        return NEXT_STEP;
    }
}

/* The split `tlb`: does a fetch from a page that is mapped fault since the processor has lost its entry? */
static bool prime_again(struct vcpu *v, guest_la la)
{
    if (!v->split.primed || !code_prime(v, la))
        return false;
    uint32_t cpu = host_cpu();
    v->counts.tlb_lost++;
    v->counts.tlb_lost_behind += (la ^ (v->seg[X86_CS].base + v->eip)) >> 12 != 0;
    v->counts.tlb_lost_moved += cpu != v->sbe.primed_on;
    v->sbe.primed_on = cpu;
    return true;
}

static enum next page_fault(struct vcpu *v, const struct native_trap *t)
{
    guest_la code = v->seg[X86_CS].base + v->eip;
    /* A fetch: at EIP, or at the second page of an instruction that crosses. */
    if (t->error & X86_PF_I) {
        v->counts.trap_fetch++;
        if (prime_again(v, (guest_la)t->address))
            return NEXT_ENTER;
        if ((t->address & ~0xfffull) == (code & ~0xfffu))
            return prepare(v);
        return NEXT_STEP;
    }
    v->counts.trap_data++;
    unsigned access = t->error & X86_PF_W ? ACCESS_WRITE : 0;
    guest_la la = split_guest(&v->split, (uint32_t)t->address);
    if (shadow_fault(v, v->shadow, la, access) == SHADOW_MAPPED)
        return NEXT_ENTER;
    v->sbe.refused.any = true;
    v->sbe.refused.la = la;
    v->sbe.refused.access = (uint8_t)access;
    v->sbe.refused.eip = v->eip;
    v->sbe.refused.cr3 = v->cr3;
    return NEXT_STEP;
}

/*
 * Is the guest back from its handler for an access that was refused? Then the page is there now, most likely.
 * The instruction may be done: its handler's IRET has set RF, with which the interpreter executes it, and it
 * is not the last to access the page.
 */
static void expect_refused(struct vcpu *v)
{
    if (!v->sbe.refused.any)
        return;
    v->sbe.refused.any = false;
    if (v->eip - v->sbe.refused.eip <= X86_INSN_MAX && v->sbe.refused.cr3 == v->cr3)
        shadow_expect(v, v->shadow, v->sbe.refused.la, v->sbe.refused.access);
}

/* INT3 where the private page has one: a site, or bytes nobody has scanned. */
static enum next breakpoint(struct vcpu *v)
{
    guest_la la = v->seg[X86_CS].base + v->eip;
    const struct scan_site *site = code_trap(v, la);
    if (site) {
        v->counts.trap_site++;
        /* All iterations of a REP at once: stepped, each would be a trap. */
        return site->reason == SCAN_STRING ? NEXT_INTERPRET : NEXT_STEP;
    }
    v->counts.trap_unscanned++;
    return prepare(v);
}

static enum next fault(struct vcpu *v, const struct native_trap *t)
{
    switch (t->vector) {
    case X86_VEC_PF:
        return page_fault(v, t);
    case X86_BP:
        return breakpoint(v);
    case X86_DB:
        /* TF set by the guest's own POPF: the trap comes after the instruction, which is done. */
        v->counts.trap_fault++;
        if (v->eflags & X86_TF)
            event_debug_trap(v, X86_DR6_BS);
        return NEXT_LOOP;
    default:
        v->counts.trap_fault++;
        if (!t->in_snippet)
            code_arrived(v, v->seg[X86_CS].base + v->eip);
        return NEXT_STEP;
    }
}

/*
 * Has nothing happened since the last trap? Then EIP and the general registers are the same, and nobody has
 * interpreted anything. The reverse may be false, for a loop that comes round to where it was: no harm done.
 */
static bool is_stuck(struct vcpu *v)
{
    bool same = v->sbe.trapped_at.eip == v->eip && v->sbe.trapped_at.icount == v->icount;
    for (unsigned i = 0; i < 8; i++) {
        same &= v->sbe.trapped_at.gpr[i] == v->gpr.d[i];
        v->sbe.trapped_at.gpr[i] = v->gpr.d[i];
    }
    v->sbe.trapped_at.eip = v->eip;
    v->sbe.trapped_at.icount = v->icount;
    return same;
}

/* For code that native runs do not pay for: so many instructions by the interpreter. */
enum { BURST_INSTRUCTIONS = 2000 };

static enum next burst(struct vcpu *v)
{
    v->counts.bursts++;
    v->sbe.interpret_until = v->icount + BURST_INSTRUCTIONS;
    return NEXT_INTERPRET;
}

/*
 * Mapping what an access needs may put out what another one needs, of the same instruction even: its data and
 * its code, the data and the second page of code, whatever shares one place. Instead of knowing all such
 * circles, the interpreter does an instruction that trapped twice. So every other trap gets on.
 */
static enum next trapped(struct vcpu *v, const struct native_trap *t)
{
    if (t->cause == NATIVE_KICK) {
        v->counts.native_kicks++;
        return NEXT_LOOP;
    }
    if (t->cause == NATIVE_DOOR) {
        v->counts.native_doors++;
        if (!door_run(v))
            return NEXT_STEP;
        v->counts.steps++;
        return NEXT_DONE;
    }
    v->counts.native_traps++;
    if (t->cause == NATIVE_SYSCALL)
        v->counts.trap_system_call++;
    else if (t->cause == NATIVE_REFUSED)
        v->counts.trap_refused++;
    bool stuck = is_stuck(v);
    enum next next = t->cause == NATIVE_FAULT ? fault(v, t) : NEXT_STEP;
    if (!stuck || next != NEXT_ENTER)
        return next;
    v->counts.repeats++;
    /* The split `tlb`: an entry that was lost before its first instruction will be again, as long as there is
     * who pushes it out; on Bochs's direct-mapped TLB pages of the kernel's, for as long as the page is where
     * it is. */
    return v->split.primed && t->vector == X86_VEC_PF && (t->error & X86_PF_I) ? burst(v) : NEXT_STEP;
}

/* ---- Running --------------------------------------------------------------------------------------- */

static uint32_t pages_mapped(const struct vcpu *v)
{
    return v->shadow->pages + v->code->mapping_count;
}

/*
 * Bring the mappings up to date with what the guest's kernel did since. False: they were another address
 * space's, and this one may not be here for long.
 */
static bool settle(struct vcpu *v)
{
    uint32_t before;
    code_nexus_yield(v);
    if (!v->shadow->stale)
        return true;
    before = pages_mapped(v);
    code_sync(v);
    shadow_sync(v, v->shadow);
    return pool_compared(v, before, pages_mapped(v));
}

/* Everything is compared with the guest's tables first, so that a guest which has yet to flush is no finding.
 */
static enum next audit(struct vcpu *v)
{
    v->shadow->stale = true;
    (void)settle(v);
    audit_all(v);
    return prepare(v);
}

/*
 * A signal and the way back cost as much as some 2000 interpreted instructions. Where sites that cannot be
 * promoted follow each other closely, the interpreter is faster: it gets that many instructions, then native
 * code has another try. So at worst the guest runs at half the interpreter's speed, and not at a tenth of it.
 * What the guest's kernel does in between counts as well: the fewer signals in all the time there is, the
 * less they matter. Doors are no signals.
 */
enum { SHORT_RUN_CYCLES = 10000, SHORT_RUNS_MAX = 16 };

/* A signal ended native code, and the interpreter is to do the instruction. */
static enum next weigh(struct vcpu *v)
{
    uint64_t now = host_ticks(), cycles = now - v->sbe.signalled;
    v->sbe.signalled = now;
    if (cycles >= SHORT_RUN_CYCLES || v->sbe.eager) {
        v->sbe.short_runs = 0;
    } else if (++v->sbe.short_runs >= SHORT_RUNS_MAX) {
        return burst(v);
    }
    return NEXT_STEP;
}

static void enter(struct vcpu *v, const struct native_segments *segments, uint32_t *eflags,
                  struct native_trap *trap)
{
    guest_la base = v->seg[X86_CS].base;
    struct scan_owed owed;
    v->eip = code_entry(v, base + v->eip) - base;
    native_enter(v, segments, eflags, trap);
    fpu_after_native(v);
    /* Registers in a snippet are not the guest's yet, nor are flags behind some rotations. */
    trap->in_snippet = code_in_nexus(v->code, v->eip);
    if (trap->in_snippet)
        (void)code_leave_snippet(v, v->eip);
    if (code_owes_flags(v, base + v->eip, &owed))
        *eflags = scan_flags_paid(&owed, v->gpr.d, *eflags);
    sbe_flags_in(v, *eflags);
}

static enum next run(struct vcpu *v)
{
    struct native_segments segments;
    struct native_trap trap;
    if (!host_segments(v, &segments))
        return NEXT_STEP;
    uint32_t eflags = sbe_flags_out(v);
    fpu_before_native(v);
    v->counts.native_entries++;
    enter(v, &segments, &eflags, &trap);
    enum next next = trapped(v, &trap);
    return next == NEXT_STEP && trap.cause != NATIVE_DOOR ? weigh(v) : next;
}

/* One instruction, twice. */
static enum next run_lockstep(struct vcpu *v)
{
    struct native_segments segments;
    struct native_trap trap;
    if (!host_segments(v, &segments))
        return NEXT_STEP;
    switch (lockstep_run(v, &segments, &trap)) {
    case LOCKSTEP_SAME:
        return v->pending ? NEXT_LOOP : prepare(v);
    case LOCKSTEP_STEP:
        return NEXT_STEP;
    default:
        return trapped(v, &trap);
    }
}

/* Lockstep runs everybody at home, if anybody is. */
static bool goes_by_visits(const struct vcpu *v)
{
    return v->engine == D86_ENGINE_SBE || v->sbe.translate_only;
}

uint64_t sbe_allowance(const struct vcpu *v)
{
    if (v->icount < v->sbe.interpret_until)
        return v->sbe.interpret_until - v->icount;
    return goes_by_visits(v) ? visit_allowance(v) : 1;
}

enum sbe_answer sbe_run(struct vcpu *v)
{
    enum visit_answer how = goes_by_visits(v) ? visit(v) : VISIT_HOME;
    if (how == VISIT_MOVE)
        return SBE_MOVE;
    if (how != VISIT_HOME)
        return how == VISIT_TRANSLATE && translated_possible(v) ? SBE_TRANSLATE : SBE_INTERPRET;
    if (v->icount < v->sbe.interpret_until)
        return SBE_INTERPRET;
    if (!settle(v))
        return SBE_INTERPRET;
    expect_refused(v);
    const struct progress before = progress(v);
    enum next next = prepare(v);
    while (next == NEXT_ENTER) {
        if (unlikely(audit_due(v)) && (next = audit(v)) != NEXT_ENTER)
            break;
        next = v->engine == D86_ENGINE_LOCKSTEP ? run_lockstep(v) : run(v);
    }
    /* What is interpreted now keeps account itself, and so does lockstep. */
    if (next == NEXT_LOOP && v->engine == D86_ENGINE_SBE && sbe_possible(v))
        note_repeat(v, &before);
    return next >= NEXT_LOOP ? SBE_LOOP : next == NEXT_STEP ? SBE_STEP : SBE_INTERPRET;
}
