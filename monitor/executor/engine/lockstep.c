/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * lockstep.h. Under this engine the interpreter has no data TLB at CPL 3 (exec_mode_changed()), so every
 * store passes place_write() and is noted. Executor process.
 */
#include "lockstep_private.h"

#include "block.h"
#include "code_cache.h"
#include "executor.h"
#include "flags.h"
#include "fpu.h"
#include "native.h"
#include "paging.h"
#include "sbe.h"
#include "translated.h"

/* All an instruction at CPL 3 that needs no trap can change, besides memory. */
struct state {
    union gpr_file gpr;
    uint32_t eip, eflags;
    uint16_t arith;
    bool repeating;
    uint64_t icount;
    struct fpu fpu;
};

static void state_save(struct vcpu *v, struct state *s)
{
    fpu_save(v);
    s->gpr = v->gpr;
    s->eip = v->eip;
    s->eflags = v->eflags;
    s->arith = v->arith;
    s->repeating = v->repeating;
    s->icount = v->icount;
    fpu_copy(&s->fpu, &v->fpu, sizeof(s->fpu));
}

static void state_restore(struct vcpu *v, const struct state *s)
{
    v->gpr = s->gpr;
    v->eip = s->eip;
    v->eflags = s->eflags;
    v->arith = s->arith;
    v->repeating = s->repeating;
    v->icount = s->icount;
    fpu_copy(&v->fpu, &s->fpu, sizeof(v->fpu));
    fpu_load(v);
    fpu_controls_changed(v);
}

/* ---- Stores ---------------------------------------------------------------------------------------- */

void lockstep_note_store(struct vcpu *v, uint8_t *host, unsigned size)
{
    struct lockstep *l = v->lockstep;
    unsigned n = l->count++;
    if (n >= LOCKSTEP_STORES_MAX)
        return;
    l->store[n].host = host;
    l->store[n].size = (uint8_t)size;
    fpu_copy(l->store[n].before, host, size);
}

/* Newest first: an instruction may store to a place twice. */
void lockstep_take_back(struct lockstep *l)
{
    for (unsigned i = l->count; i-- > 0;) {
        struct lockstep_store *s = &l->store[i];
        fpu_copy(s->after, s->host, s->size);
        fpu_copy(s->host, s->before, s->size);
    }
}

/* The same for what the processor did before something stopped it inside of a snippet. */
static void stores_undo(struct lockstep *l)
{
    for (unsigned i = l->count; i-- > 0;)
        fpu_copy(l->store[i].host, l->store[i].before, l->store[i].size);
}

/* What the interpreter stored, again. */
void lockstep_redo(struct lockstep *l)
{
    for (unsigned i = 0; i < l->count; i++)
        fpu_copy(l->store[i].host, l->store[i].after, l->store[i].size);
}

/* What memory holds after both, where the interpreter stored. The oldest store's `after` is the final value.
 */
const struct lockstep_store *lockstep_stores_differ(const struct lockstep *l)
{
    for (unsigned i = 0; i < l->count; i++) {
        for (unsigned k = 0; k < l->store[i].size; k++) {
            bool final = true;
            for (unsigned j = i + 1; j < l->count && final; j++)
                final = !(l->store[i].host + k - l->store[j].host < l->store[j].size &&
                          l->store[i].host + k >= l->store[j].host);
            if (final && l->store[i].host[k] != l->store[i].after[k])
                return &l->store[i];
        }
    }
    return NULL;
}

/* ---- Simulated keys -------------------------------------------------------------------------------- */

/*
 * The processor's turn comes with the same private pages mapped, so what the interpreter's turn accesses says
 * whether a key would have stopped it, and where first.
 */
void lockstep_note_access(struct vcpu *v, guest_la la, bool write)
{
    struct lockstep *l = v->lockstep;
    if (!v->split.key_simulated || l->met_code || !code_page_at(v, split_data(&v->split, la)))
        return;
    l->met_code = true;
    l->met_by_write = write;
    l->met_at = la;
}

/* The #PF the key would have raised. SDM 3A, "Page-Fault Exceptions" (P, W/R, U/S, PK). */
static struct native_trap trap_of_key(const struct vcpu *v)
{
    const struct lockstep *l = v->lockstep;
    return (struct native_trap){ .cause = NATIVE_FAULT,
                                 .vector = X86_VEC_PF,
                                 .error = X86_PF_P | X86_PF_U | X86_PF_PK | (l->met_by_write ? X86_PF_W : 0),
                                 .address = split_data(&v->split, l->met_at) };
}

/* ---- The instruction ------------------------------------------------------------------------------- */

/* Up to the page's end or the limit of CS. */
static void fetch_from(struct vcpu *v, struct lockstep_bytes *b, guest_la la, uint64_t frame)
{
    uint32_t limit = v->seg[X86_CS].limit;
    do {
        if (frame == FRAME_NONE || v->eip > limit || b->size > limit - v->eip)
            break;
        b->at[b->size++] = v->map.ram[(frame << 12) + (la++ & 0xfff)];
    } while (b->size < X86_INSN_MAX && (la & 0xfff));
}

/* The limit comes before a page fault. */
void lockstep_fetch(struct vcpu *v, struct lockstep_bytes *b)
{
    guest_la la = v->seg[X86_CS].base + v->eip;
    b->size = 0;
    if (v->eip <= v->seg[X86_CS].limit)
        fetch_from(v, b, la, paging_fetch(v, la));
}

void lockstep_fetch_on(struct vcpu *v, struct lockstep_bytes *b)
{
    guest_la la = v->seg[X86_CS].base + v->eip + b->size;
    struct walk w;
    if ((la & 0xfff) == 0 && paging_walk(v, la, ACCESS_FETCH | (v->cpl == 3 ? ACCESS_USER : 0), &w))
        fetch_from(v, b, la, paging_fetch(v, la));
}

bool lockstep_amid_a_long_repeat(const struct vcpu *v, const struct insn *insn)
{
    uint32_t left = v->gpr.d[X86_ECX];
    switch (insn->op) {
    case X86_MOVS:
    case X86_CMPS:
    case X86_STOS:
    case X86_LODS:
    case X86_SCAS:
        return (insn->prefixes & (X86_PFX_REP | X86_PFX_REPNE)) && left > 16 && left % 64;
    default:
        return false;
    }
}

/*
 * Not compared: what shows or sets TF, which single-stepping uses; the clock; ports, since chips lent to the
 * processor would have the access twice; what stores FIP and FDP, which the interpreter keeps for itself. One
 * that goes on in the next page is not decoded here and left to the interpreter too.
 */
static bool comparable(const struct vcpu *v, const struct lockstep_bytes *b, struct insn *insn)
{
    if (x86_decode(b->at, b->size, true, insn) != X86_DECODE_OK || lockstep_amid_a_long_repeat(v, insn))
        return false;
    switch (insn->op) {
    case X86_PUSHF:
    case X86_POPF:
    case X86_IRET:
    case X86_RDTSC:
    case X86_IN:
    case X86_OUT:
    case X86_FXSAVE:
    case X86_FNSAVE:
    case X86_FNSTENV:
        return false;
    default:
        return true;
    }
}

/* Flags the SDM leaves undefined after an instruction, where the interpreter has not the host's
 * (docs/fpu.md). */
uint32_t lockstep_undefined_flags(const struct insn *insn)
{
    switch (insn->op) {
    case X86_AAA:
    case X86_AAS:
        return X86_OF | X86_SF | X86_ZF | X86_PF;
    case X86_DAA:
    case X86_DAS:
        return X86_OF;
    case X86_AAM:
    case X86_AAD:
        return X86_OF | X86_AF | X86_CF;
    default:
        return 0;
    }
}

/* ---- Comparing ------------------------------------------------------------------------------------- */

static void regs_of(const struct state *s, struct d86_regs *r)
{
    const uint32_t *d = s->gpr.d;
    *r = (struct d86_regs){ d[X86_EAX], d[X86_ECX], d[X86_EDX], d[X86_EBX], d[X86_ESP],
                            d[X86_EBP], d[X86_ESI], d[X86_EDI], s->eip,     s->eflags };
}

/* FIP, FDP and FOP are kept by the interpreter for itself: docs/fpu.md. */
static bool fpu_same(const struct fpu *a, const struct fpu *b)
{
    for (unsigned i = 0; i < FX_USED; i++) {
        bool pointer = i >= FX_FOP && i < FX_MXCSR;
        bool pad = i >= FX_ST && i < FX_XMM && (i & 15) >= 10;
        if (!pointer && !pad && a->image[i] != b->image[i])
            return false;
    }
    return true;
}

static const char *differ(const struct state *interp, const struct state *native, const struct insn *insn,
                          const struct lockstep_store *store)
{
    uint32_t mask = ~lockstep_undefined_flags(insn);
    for (unsigned i = 0; i < 8; i++) {
        if (interp->gpr.d[i] != native->gpr.d[i])
            return "general registers";
    }
    if (interp->eip != native->eip)
        return "EIP";
    if ((interp->eflags ^ native->eflags) & mask)
        return "EFLAGS";
    if (!fpu_same(&interp->fpu, &native->fpu))
        return "FP or SIMD state";
    return store ? "stored memory" : NULL;
}

/* The flags as the guest sees them, all in one word. */
static void state_see(struct vcpu *v, struct state *s)
{
    state_save(v, s);
    s->eflags = flags_get(v);
}

NORETURN void lockstep_report(struct vcpu *v, const struct d86_difference *found,
                              const struct lockstep_bytes *code, const char *what)
{
    struct d86_difference *d = &v->lockstep->difference;
    *d = *found;
    fpu_copy(d->code, code->at, d->length);
    for (unsigned i = 0; what[i] && i < sizeof(d->what) - 1; i++)
        d->what[i] = what[i];
    v->exit->reason = D86_EXIT_DIFFERENCE;
    exec_exit(v);
}

static NORETURN void report(struct vcpu *v, const struct state *before, const struct state *interp,
                            const struct state *native, const struct lockstep_bytes *code,
                            const struct insn *insn, const char *what)
{
    struct d86_difference found = { .linear = v->seg[X86_CS].base + before->eip, .length = insn->length };
    regs_of(before, &found.before);
    regs_of(interp, &found.interp);
    regs_of(native, &found.native);
    state_restore(v, before);
    lockstep_report(v, &found, code, what);
}

/* ---- Running it twice ------------------------------------------------------------------------------ */

static void interpret(struct vcpu *v)
{
    v->lockstep->count = 0;
    v->lockstep->met_code = false;
    v->lockstep->recording = true;
    exec_step(v);
    v->lockstep->recording = false;
}

/*
 * Is the guest's instruction over, the processor having come from native_before to v->eip in a snippet, where
 * it has several native ones? `start`: the first of these, once it is known.
 */
static bool is_over(struct vcpu *v, uint32_t native_before, uint32_t guest_eip, uint32_t *start)
{
    struct scan_resume resume;
    uint32_t base = v->seg[X86_CS].base;
    if (v->eip == native_before || v->eip == *start) /* an iteration of REP; a jump to itself */
        return true;
    if (!*start)
        *start = v->eip;
    return !code_snippet_state(v, v->eip, &resume) || resume.eip - base != guest_eip;
}

/* Let the processor do the guest's instruction. False: something else than its end came of it. */
static bool execute(struct vcpu *v, const struct native_segments *segments, struct native_trap *trap)
{
    uint32_t eflags = sbe_flags_out(v) | X86_TF, guest_eip = v->eip, native_before, start = 0;
    guest_la base = v->seg[X86_CS].base;
    struct scan_owed owed;
    v->eip = code_entry(v, base + v->eip) - base;
    if (v->eip != guest_eip)
        start = v->eip;
    do {
        native_before = v->eip;
        native_enter(v, segments, &eflags, trap);
        trap->in_snippet = code_in_nexus(v->code, v->eip);
        if (trap->cause != NATIVE_FAULT || trap->vector != X86_DB)
            return false;
    } while (trap->in_snippet && !is_over(v, native_before, guest_eip, &start));
    fpu_after_native(v);
    if (trap->in_snippet)
        (void)code_leave_snippet(v, v->eip);
    /* Owed by this very instruction: the flags were the guest's before it. */
    if (code_owes_flags(v, base + v->eip, &owed) && owed.offset == ((base + guest_eip) & 0xfff))
        eflags = scan_flags_paid(&owed, v->gpr.d, eflags);
    sbe_flags_in(v, eflags & ~X86_TF);
    return true;
}

enum lockstep_answer lockstep_run(struct vcpu *v, const struct native_segments *segments,
                                  struct native_trap *trap)
{
    static struct state before, interp, native, plain, done; /* large, and there is one vCPU */
    struct lockstep *l = v->lockstep;
    struct lockstep_bytes code;
    struct insn insn;
    lockstep_fetch(v, &code);
    if (!comparable(v, &code, &insn) || (v->eflags & X86_TF))
        return LOCKSTEP_STEP;

    fpu_before_native(v);
    state_save(v, &plain);
    state_see(v, &before);
    interpret(v); /* a guest fault unwinds from here; the engine sbe would come to the same by another way */
    state_save(v, &done);
    state_see(v, &interp);
    if (l->count > LOCKSTEP_STORES_MAX)
        return LOCKSTEP_SAME; /* FXSAVE and the like, in bytes: done by the interpreter */
    lockstep_take_back(l);
    state_restore(v, &plain);
    if (l->met_code) {
        *trap = trap_of_key(v);
        return LOCKSTEP_TRAP;
    }

    if (!execute(v, segments, trap)) {
        stores_undo(l);
        if (trap->cause == NATIVE_KICK) {
            /* To start over could take for ever: kicks may come faster than the steps of a snippet. */
            lockstep_redo(l);
            state_restore(v, &done);
            return LOCKSTEP_SAME;
        }
        state_restore(v, &plain);
        return LOCKSTEP_TRAP;
    }
    v->icount++;
    v->repeating = done.repeating; /* processors differ in what RF they show there */
    state_see(v, &native);
    v->counts.lockstep_checks++;
    const char *what = differ(&interp, &native, &insn, lockstep_stores_differ(l));
    if (what)
        report(v, &before, &interp, &native, &code, &insn, what);
    return LOCKSTEP_SAME;
}
