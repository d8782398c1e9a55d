/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The loop around translated code: enter it, and when it comes back find out what it needs: a branch's
 * target, a data page, one interpreted instruction, or the run loop. Executor process.
 * docs/translated-code.md
 */
#include "translated.h"

#include "audit.h"
#include "bind.h"
#include "block.h"
#include "executor.h"
#include "host.h"
#include "paging.h"
#include "shadow.h"
#include "system_space.h"
#include "translated_offsets.h"
#include "translated_segment.h"
#include "translated_stack.h"
#include "translation.h"

enum translated_reason {
    REASON_KICK = T_REASON_KICK,         /* something is pending */
    REASON_DIRECT = T_REASON_DIRECT,     /* a direct branch whose target is not linked */
    REASON_INDIRECT = T_REASON_INDIRECT, /* an indirect one, or a return, to EIP */
    REASON_LEFT = T_REASON_LEFT,         /* a call-out found a reason not to go on */
    REASON_FAULT = T_REASON_FAULT,       /* v->translated.fault, at EIP */
};

#define CHECK_OFFSET(name, member)                                                                           \
    _Static_assert(offsetof(struct vcpu, member) == (name), "translated_offsets.h")
CHECK_OFFSET(T_GPR, gpr);
CHECK_OFFSET(T_EIP, eip);
CHECK_OFFSET(T_ARITH, arith);
CHECK_OFFSET(T_PENDING, pending);
CHECK_OFFSET(T_WINDOW, translated.window);
CHECK_OFFSET(T_FS_WINDOW, translated.fs_window);
CHECK_OFFSET(T_TARGETS, translated.targets);
CHECK_OFFSET(T_REASON, translated.reason);
CHECK_OFFSET(T_STACK, translated.stack);
CHECK_OFFSET(T_C_STACK, translated.c_stack);
CHECK_OFFSET(T_EXIT_AFTER, translated.exit_after);
CHECK_OFFSET(T_SPACE_KEY, translated.space_key);
CHECK_OFFSET(T_CODE_BASE, translated.code_base);
CHECK_OFFSET(T_GROUP_KEY, translated.group_key);
CHECK_OFFSET(T_FLOOR, translated.stack_floor);
CHECK_OFFSET(T_PLACE_CS, translated.place[X86_CS]);
CHECK_OFFSET(T_CS_BASE, seg[X86_CS].base);
CHECK_OFFSET(T_CS_SELECTOR, seg[X86_CS].selector);

unsigned translated_switch(struct vcpu *v, uint64_t host);
unsigned translated_switch_serialised(struct vcpu *v, uint64_t host);
unsigned translated_switch_stepped(struct vcpu *v, uint64_t host);
uint64_t translated_call_out(struct vcpu *v, uint32_t number);
extern const char translated_exit_direct[], translated_exit_indirect[], translated_exit_call_out[],
    translated_not_found[], translated_underflow[], translated_exit_indirect_segmented[],
    translated_exit_far[];

/* ---- Coming up ----------------------------------------------------------------------------------------- */

static uint64_t address_of(const void *p)
{
    return (uint64_t)(uintptr_t)p;
}

#define SELECTOR(sreg) offsetof(struct vcpu, seg[sreg].selector)
#define LOAD(sreg)     [sreg] = offsetof(struct vcpu, translated.load_segment[sreg])
#define POP(sreg)      [sreg] = offsetof(struct vcpu, translated.pop_segment[sreg])

#define OF_EACH(what)                                                                                        \
    {                                                                                                        \
        what(X86_ES), what(X86_CS), what(X86_SS), what(X86_DS), what(X86_FS), what(X86_GS)                   \
    }
#define BASE(sreg)        offsetof(struct vcpu, seg[sreg].base)
#define PLACE(sreg)       offsetof(struct vcpu, translated.place[sreg])
#define LIMIT_READ(sreg)  offsetof(struct vcpu, translated.limit_read[sreg])
#define LIMIT_WRITE(sreg) offsetof(struct vcpu, translated.limit_write[sreg])

struct gen_layout translated_layout(bool segmented)
{
    return (struct gen_layout){ .fs_base = offsetof(struct vcpu, translated.fs_base),
                                .exit_direct = offsetof(struct vcpu, translated.exit_direct),
                                .exit_indirect =
                                    segmented ? offsetof(struct vcpu, translated.exit_indirect_segmented)
                                              : offsetof(struct vcpu, translated.exit_indirect),
                                .call_out = offsetof(struct vcpu, translated.call_out),
                                .eflags = offsetof(struct vcpu, eflags),
                                .attention = offsetof(struct vcpu, translated.attention),
                                .if_clear = offsetof(struct vcpu, translated.if_clear),
                                .if_set = offsetof(struct vcpu, translated.if_set),
                                .after_sti = offsetof(struct vcpu, translated.after_sti),
                                .selector = OF_EACH(SELECTOR),
                                .load_segment = { LOAD(X86_ES), LOAD(X86_DS), LOAD(X86_FS), LOAD(X86_GS) },
                                .pop_segment = { POP(X86_ES), POP(X86_DS), POP(X86_FS), POP(X86_GS) },
                                .place = OF_EACH(PLACE),
                                .base = OF_EACH(BASE),
                                .limit_read = OF_EACH(LIMIT_READ),
                                .limit_write = OF_EACH(LIMIT_WRITE),
                                .exit_far = offsetof(struct vcpu, translated.exit_far),
                                .code_pointer = offsetof(struct vcpu, translated.space_key) };
}

uint64_t translated_no_target(void)
{
    return address_of(translated_not_found);
}

/* The second byte of EFLAGS by itself, with IF clear (first) and set: translated code may not AND and OR. */
static uint8_t if_table[2][256];

static void make_if_tables(struct translated *t)
{
    for (unsigned i = 0; i < 256; i++) {
        if_table[0][i] = (uint8_t)(i & ~(X86_IF >> 8));
        if_table[1][i] = (uint8_t)(i | X86_IF >> 8);
    }
    t->if_clear = if_table[0];
    t->if_set = if_table[1];
}

int translated_init(struct vcpu *v)
{
    struct translated *t = &v->translated;
    make_if_tables(t);
    t->window = v->shadow_system->base;
    t->exit_direct = address_of(translated_exit_direct);
    t->exit_indirect = address_of(translated_exit_indirect);
    t->exit_indirect_segmented = address_of(translated_exit_indirect_segmented);
    t->exit_far = address_of(translated_exit_far);
    t->call_out = address_of(translated_exit_call_out);
    t->targets = v->translation->target;
    t->nothing = NOTHING_BASE;
    translated_segment_init(v);
    t->stack = t->stack_floor = translated_stack_init(address_of(translated_underflow));
    if (!t->stack || translated_segmented_init() < 0)
        return -1;
    translated_signal_init(v);
    translation_forget_targets(v->translation);
    return 0;
}

/* Return addresses are on a stack of each process's own. */
void translated_arrive(struct vcpu *v)
{
    v->translated.stack = v->translated.stack_floor;
}

/* ---- When ------------------------------------------------------------------------------------------------
 */

static bool is_flat(const struct vcpu *v)
{
    return v->mode == (MODE_FLAT | MODE_CODE32 | MODE_STACK32) && v->cpl == 0 && cpu_protected(v);
}

bool translated_possible(const struct vcpu *v)
{
    if (v->eflags & X86_DF)
        return false;
    return is_flat(v) || translated_segmented_possible(v);
}

/* May code access memory by FS, whatever the offset? Otherwise it is to fault. */
static bool fs_is_open(const struct vcpu *v)
{
    const struct segment *s = &v->seg[X86_FS];
    return s->readable && s->writable && s->min == 0 && s->max == UINT32_MAX;
}

/* What translated code looks at and C code changes. */
static void prepare(struct vcpu *v)
{
    v->translated.attention = exec_would_interrupt(v);
    if (!is_flat(v)) {
        translated_segmented_prepare(v);
        return;
    }
    translated_segment_prepare(v);
    translation_choose_space(v, NULL);
    v->translated.space_key = v->translated.code_base = 0;
    v->translated.fs_base = v->seg[X86_FS].base;
    v->translated.fs_window = fs_is_open(v) ? v->translated.window : NOTHING_BASE;
}

/*
 * Translated code has loaded CS by itself: the present space is another one, but for the base the same. The
 * stack began anew then.
 */
static void follow_code_segment(struct vcpu *v)
{
    struct translation *t = v->translation;
    if (likely(v->translated.code_base == t->space[t->space_now].segmented.base))
        return;
    prepare(v);
    v->translated.stack_space = t->space_now;
}

/* Bring mappings and code up to date with what the guest did to its tables. */
static void settle(struct vcpu *v)
{
    if (shadow_is_stale(v->shadow_system) || !system_space_fits(v))
        system_space_choose(v);
    if (shadow_is_stale(v->shadow_system))
        shadow_sync(v, v->shadow_system);
    translation_sync(v);
    translation_check_tsc(v);
}

/* Return addresses must not lead to code that was dropped, nor to another space's. */
static void check_stack(struct vcpu *v)
{
    const struct translation *t = v->translation;
    if (v->translated.drops == t->drops && v->translated.stack_space == t->space_now)
        return;
    v->translated.drops = t->drops;
    v->translated.stack_space = t->space_now;
    v->translated.stack = translated_stack_floor();
}

/* ---- Call-outs -------------------------------------------------------------------------------------------
 */

/* Behind the one uop of a site. No handler: nothing of the guest's is done here. */
static const struct uop *site_done(struct vcpu *v, const struct uop *u)
{
    v->eip += u->eip_off;
    v->icount += u->n - 1u;
    return NULL;
}

/* Its handler would go on in the interpreter's blocks, or has host code in the blocks' pool. */
static bool needs_the_interpreter(const struct insn *in)
{
    bool state = in->op == X86_FXSAVE || in->op == X86_FXRSTOR; /* which is all C code's */
    bool plain = state || in->isa == X86_ISA_BASE || in->isa == X86_ISA_TSC || in->isa == X86_ISA_MSR ||
                 in->isa == X86_ISA_CX8 || in->isa == X86_ISA_SEP || in->isa == X86_ISA_CMOV;
    return in->class_ == X86_INVALID || in->class_ == X86_BRANCH || !plain;
}

void translated_bind_site(struct vcpu *v, struct translation_site *site, const uint8_t *bytes, unsigned size,
                          uint32_t eip)
{
    struct insn in;
    *site = (struct translation_site){ .eip = eip };
    if (x86_decode(bytes, size, v->mode & MODE_CODE32, &in) != X86_DECODE_OK)
        return;
    site->length = in.length;
    site->op = in.op;
    site->apart = !v->translation->space_now && translation_is_apart(v->translation, eip);
    if (needs_the_interpreter(&in))
        return;
    site->uop[0] = (struct uop){ .n = 1, .len = in.length };
    /* Segmented code stays the same when its data segments happen to become flat. */
    block_bind_alone(v, &in, v->translation->space_now ? v->mode & ~MODE_FLAT : v->mode, &site->uop[0]);
    site->uop[1] = (struct uop){ .run = site_done, .eip_off = in.length, .n = 2 };
}

/* What is dear takes a visitor's credit away: in interpreted instructions, which some steps and no fault
 * would cost less than. */
enum { FAULT_CREDIT = 2000, STEP_CREDIT = 10 };

static void charge_visitor(struct vcpu *v, int32_t credit)
{
    if (v->cpl == 3)
        v->sbe.visitor.credit -= credit;
}

static void run_site(struct vcpu *v, const struct translation_site *site)
{
    const struct uop *u = site->uop;
    v->counts.call_outs[site->op]++;
    if (!u->run) {
        v->counts.translated_steps++;
        charge_visitor(v, STEP_CREDIT);
        exec_step(v);
        return;
    }
    while (u)
        u = u->run(v, u);
    if (site->apart)
        translation_apart_executed(v, site->eip);
    if (site->op == X86_MOV_TO_SREG || site->op == X86_POP_SREG)
        translated_segment_note(v, site->uop[0].dst);
}

/* Would the loop around do nothing but enter again? It serialises, looks at what is new, and counts for
 * audits. */
static bool stays_inside(const struct vcpu *v)
{
    return !exec_must_look(v) && !v->bus.count && !v->repeating && translated_possible(v) && !v->sbe.audit &&
           v->engine == D86_ENGINE_SBE && !v->translated.sweep;
}

/*
 * A call-out led elsewhere, perhaps to another level or mode: IRET, INT n, a task switch. To leave and enter
 * for that costs more than to go there from here: the processor mispredicts each return on the way.
 */
static uint64_t go_elsewhere(struct vcpu *v)
{
    if (!stays_inside(v))
        return T_LEAVE;
    settle(v);
    prepare(v);
    uint64_t host = translation_find(v, v->eip);
    if (host <= TRANSLATION_INTERPRET || v->translation->changed)
        return T_LEAVE;
    check_stack(v);
    v->translated.begun = false;
    v->counts.translated_elsewhere++;
    return host;
}

/* From translated_entry.S: where to go on in host code, or T_LEAVE or T_GO_ON. */
uint64_t translated_call_out(struct vcpu *v, uint32_t number)
{
    const struct translation_site *site = &v->translation->site[number];
    uint32_t tag = v->fetch_tag, next = site->eip + site->length, drops = v->translation->drops;
    follow_code_segment(v);
    uint32_t space = v->translation->space_now;
    v->eip = site->eip;
    if (v->translated.stepped) {
        v->translated.called_out = true;
        return T_LEAVE;
    }
    if (v->translated.sweep) /* now, for one iteration of a string to be all */
        __atomic_or_fetch(&v->pending, PENDING_KICK, __ATOMIC_RELAXED);
    run_site(v, site);
    translation_check_tsc(v);
    bool on = v->eip == next && translated_possible(v) && !exec_must_look(v);
    /* A load of CR3, say. Where this leads to is still right if nothing was dropped. */
    if (on && v->fetch_tag != tag)
        settle(v);
    if (on)
        prepare(v);
    on = on && v->translation->space_now == space && v->translation->drops == drops &&
         !v->translation->changed && !v->translated.sweep;
    if (on)
        return T_GO_ON;
    uint64_t host = go_elsewhere(v);
    v->counts.translated_left += host == T_LEAVE;
    return host;
}

/* ---- Running ---------------------------------------------------------------------------------------------
 */

/* The guest's bytes at la, as far as pages have translated code. */
static unsigned fetch(const struct vcpu *v, guest_la la, uint8_t bytes[X86_INSN_MAX])
{
    const struct translation *t = v->translation;
    unsigned n = 0;
    for (; n < X86_INSN_MAX && t->page_at[(la + n) >> 12]; n++) {
        uint64_t frame = t->page[t->page_at[(la + n) >> 12] - 1].frame;
        bytes[n] = v->map.ram[(frame << 12) + (la + n) % GEN_PAGE_SIZE];
    }
    return n;
}

/*
 * The run is to end between instructions, perhaps between the iterations of one, where an event has to find
 * RF set. A repeat counts as begun when its host instruction has been reached, unless it stands where it
 * stood when we entered.
 */
static void note_repeat(struct vcpu *v, uint32_t eip, uint32_t count, bool repeating)
{
    uint8_t bytes[X86_INSN_MAX];
    if (v->eip == eip && v->gpr.d[X86_ECX] == count)
        v->repeating = repeating;
    else if (!v->translation->space_now && v->translated.begun)
        v->repeating = string_repeats(bytes, fetch(v, v->eip, bytes));
}

/*
 * Where STI leads nothing may be interrupted (SDM 2B, "STI"). Who comes there by another way waits for an
 * instruction that need not have waited.
 */
static void note_shadow(struct vcpu *v)
{
    if (v->eip == v->translated.after_sti && (v->eflags & X86_IF))
        v->int_shadow = true;
}

/* The exit that was taken; EIP is its target. */
static struct translation_exit *take_exit(struct vcpu *v)
{
    struct translation *t = v->translation;
    struct translation_exit *exit = translation_exit_at(t, v->translated.exit_after);
    if (!exit)
        exec_error(v, NULL, D86_ERROR_BUG, "translated code was left by a branch that is none of its exits");
    v->eip = exit->target - t->space[t->space_now].segmented.base;
    return exit;
}

static unsigned switch_stepped(struct vcpu *v, uint64_t host)
{
    translated_signal_steps(host, v->translated.stepped ? 0 : v->translated.sweep);
    unsigned reason = translated_switch_stepped(v, host);
    translated_signal_steps_end();
    if (!v->translated.sweep || reason == REASON_FAULT)
        return reason;
    follow_code_segment(v);
    if (reason == REASON_DIRECT)
        (void)take_exit(v);
    __atomic_or_fetch(&v->pending, PENDING_KICK, __ATOMIC_RELAXED);
    return reason == REASON_LEFT ? reason : REASON_KICK; /* before the target of a branch is looked at */
}

static unsigned enter(struct vcpu *v, uint64_t host)
{
    struct translation *t = v->translation;
    uint32_t eip = v->eip, count = v->gpr.d[X86_ECX];
    bool changed = t->changed, repeating = v->repeating;
    unsigned reason;
    t->changed = v->repeating = v->translated.begun = false;
    v->counts.translated_entries++;
    if (unlikely(v->translated.stepped || v->translated.sweep))
        reason = switch_stepped(v, host);
    else
        reason = changed ? translated_switch_serialised(v, host) : translated_switch(v, host);
    if (reason == REASON_KICK) {
        note_repeat(v, eip, count, repeating);
        note_shadow(v);
    }
    return reason;
}

/* A direct exit: find the target, and link the branch to it. */
static uint64_t follow_direct(struct vcpu *v)
{
    struct translation *t = v->translation;
    struct translation_exit *exit = take_exit(v);
    struct translation_place place;
    uint32_t drops = t->drops;
    uint64_t host = translation_find(v, v->eip);
    v->counts.translated_direct++;
    /* If something was dropped, it may have been the stretch with the exit. */
    if (translation_has(t, host) && t->drops == drops && translation_place(t, host, &place))
        translation_link(t, exit, place.stretch, host);
    return host;
}

/* Does CPL 3 have the page? */
static bool is_program_page(const struct vcpu *v, guest_la la)
{
    struct paging_span span;
    guest_pa pa;
    if (!(v->cr0 & X86_CR0_PG))
        return false;
    paging_span(v, la, &span);
    return !(~paging_span_page(v, &span, la, &pa) & (X86_PTE_P | X86_PTE_U));
}

/*
 * Where a mapping is not for long, or none is to be had although the guest may access the page (a device,
 * code, a page table that is code's neighbour), the instruction will fault again. What a kernel accesses of
 * its programs is not for long, either, if they do not live long.
 */
static bool map_data(struct vcpu *v, guest_la la)
{
    unsigned access = v->translated.fault.error & X86_PF_W ? ACCESS_WRITE : 0;
    bool churns = shadow_churns(v->shadow_system, la);
    struct walk w;
    bool mapped = shadow_fault(v, v->shadow_system, la, access) == SHADOW_MAPPED;
    if (v->translation->space_now)
        return mapped;
    if (mapped ? churns : paging_walk(v, la, access, &w))
        translation_note_trouble(v, v->eip);
    else if (mapped && is_program_page(v, la))
        translation_note_program(v, v->eip);
    return mapped;
}

/* A fault at EIP: where to go on in host code, or TRANSLATION_STEP. */
static uint64_t fault(struct vcpu *v)
{
    const struct translated *t = &v->translated;
    uint64_t la = t->fault.address - t->window, resume = t->fault.resume;
    uint32_t drops = v->translation->drops;
    v->counts.translated_faults++;
    charge_visitor(v, FAULT_CREDIT);
    bool mapped = t->fault.vector == X86_VEC_PF && la <= UINT32_MAX && map_data(v, (guest_la)la);
    if (v->translation->drops != drops)
        return translation_find(v, v->eip);
    if (mapped)
        return resume;
    v->counts.translated_emulated++;
    return TRANSLATION_STEP;
}

/* A call-out led elsewhere, perhaps into another mode. If that is all, there is nothing to look at. */
static uint64_t go_on(struct vcpu *v)
{
    if (exec_must_look(v) || v->bus.count || !translated_possible(v))
        return TRANSLATION_NOTHING;
    settle(v);
    prepare(v);
    return translation_find(v, v->eip);
}

/* Translated code was left at EIP for this reason: where to go on. TRANSLATION_NOTHING: the run loop has to
 * look. */
static uint64_t follow(struct vcpu *v, unsigned reason)
{
    follow_code_segment(v);
    switch (reason) {
    case REASON_DIRECT:
        return follow_direct(v);
    case REASON_INDIRECT:
        v->counts.translated_indirect++;
        return translation_find(v, v->eip);
    case REASON_FAULT:
        return fault(v);
    case REASON_KICK:
        v->counts.translated_kicks++;
        v->sbe.visitor.kicks += v->cpl == 3;
        return TRANSLATION_NOTHING;
    case REASON_LEFT:
        return go_on(v);
    default:
        return TRANSLATION_NOTHING;
    }
}

/* As in sbe.c: a guest that has yet to flush is no finding. */
static uint64_t audit(struct vcpu *v)
{
    v->shadow_system->stale = v->translation->stale = true;
    settle(v);
    audit_translated(v);
    return translation_find(v, v->eip);
}

enum translated_answer translated_run(struct vcpu *v)
{
    const uint64_t made = v->counts.translated_stretches;
    settle(v);
    prepare(v);
    uint64_t host = translation_find(v, v->eip);
    while (host > TRANSLATION_INTERPRET) {
        if (unlikely(audit_due(v)) && (host = audit(v)) <= TRANSLATION_INTERPRET)
            break;
        check_stack(v);
        host = follow(v, enter(v, host));
        /* Lockstep compares what is new. */
        if (unlikely(v->engine == D86_ENGINE_LOCKSTEP) && v->counts.translated_stretches != made)
            return host == TRANSLATION_STEP ? TRANSLATED_STEP : TRANSLATED_LOOP;
    }
    return host == TRANSLATION_STEP        ? TRANSLATED_STEP
           : host == TRANSLATION_INTERPRET ? TRANSLATED_INTERPRET
                                           : TRANSLATED_LOOP;
}

/* ---- For lockstep ----------------------------------------------------------------------------------------
 */

enum translated_answer translated_step(struct vcpu *v)
{
    unsigned reason = REASON_FAULT;
    settle(v);
    prepare(v);
    uint64_t host = unlikely(audit_due(v)) ? audit(v) : translation_find(v, v->eip);
    v->translated.stepped = true;
    v->translated.called_out = false;
    while (host > TRANSLATION_INTERPRET && reason == REASON_FAULT) {
        check_stack(v);
        reason = enter(v, host);
        follow_code_segment(v);
        if (reason == REASON_FAULT)
            host = fault(v);
        else if (reason == REASON_DIRECT)
            (void)take_exit(v);
    }
    v->translated.stepped = false;
    return host == TRANSLATION_INTERPRET                          ? TRANSLATED_INTERPRET
           : host == TRANSLATION_STEP || v->translated.called_out ? TRANSLATED_STEP
                                                                  : TRANSLATED_LOOP;
}
