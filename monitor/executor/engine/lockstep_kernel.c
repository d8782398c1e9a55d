/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Lockstep for translated code: an instruction by the interpreter, whose stores are taken back, then the same
 * as translated code, stepped (translated_step()). Both must come to the same registers, flags, segments and
 * stored memory; where the interpreter raises an exception or needs a device, translated code must have left
 * the instruction to it, with nothing changed. The first difference is an exit. Executor process.
 */
#include "lockstep_private.h"

#include "flags.h"
#include "mode.h"
#include "news.h"

/* All an instruction that is compared here can change, besides memory. */
struct kernel_state {
    union gpr_file gpr;
    uint32_t eip, eflags;
    uint16_t arith;
    bool repeating, int_shadow, shadow_is_ss, nmi_blocked;
    uint64_t icount;
    struct segment seg[X86_SREG_COUNT];
};

static void save(const struct vcpu *v, struct kernel_state *s)
{
    s->gpr = v->gpr;
    s->eip = v->eip;
    s->eflags = v->eflags;
    s->arith = v->arith;
    s->repeating = v->repeating;
    s->int_shadow = v->int_shadow;
    s->shadow_is_ss = v->shadow_is_ss;
    s->nmi_blocked = v->nmi_blocked;
    s->icount = v->icount;
    for (unsigned i = 0; i < X86_SREG_COUNT; i++)
        s->seg[i] = v->seg[i];
}

static void restore(struct vcpu *v, const struct kernel_state *s)
{
    v->gpr = s->gpr;
    v->eip = s->eip;
    v->eflags = s->eflags;
    v->arith = s->arith;
    v->repeating = s->repeating;
    v->int_shadow = s->int_shadow;
    v->shadow_is_ss = s->shadow_is_ss;
    v->nmi_blocked = s->nmi_blocked;
    v->icount = s->icount;
    for (unsigned i = 0; i < X86_SREG_COUNT; i++)
        v->seg[i] = s->seg[i];
    exec_mode_changed(v);
}

/* ---- Which ------------------------------------------------------------------------------------------- */

/* Those that bring another CS have forms where that is no descriptor. */
static bool is_comparable_far(const struct vcpu *v, const struct insn *in)
{
    switch (in->op) {
    case X86_JMP_FAR:
    case X86_JMP_FAR_IND:
    case X86_CALL_FAR:
    case X86_CALL_FAR_IND:
    case X86_RETF:
    case X86_IRET:
        return cpu_real_segments(v);
    case X86_INT:
        return !cpu_protected(v);
    default:
        return false;
    }
}

/*
 * Not those that do more than `struct kernel_state` holds. They are call-outs, handlers of the interpreter in
 * both turns.
 */
static bool is_comparable(const struct vcpu *v, const struct insn *in)
{
    if (in->isa != X86_ISA_BASE && in->isa != X86_ISA_CMOV && in->isa != X86_ISA_CX8)
        return false;
    switch (in->op) {
    case X86_PUSH_SREG:
    case X86_POP_SREG:
    case X86_MOV_FROM_SREG:
    case X86_MOV_TO_SREG:
    case X86_PUSHF:
    case X86_POPF:
    case X86_CLI:
    case X86_STI:
        return true;
    default:
        return in->class_ == X86_KEEP || in->class_ == X86_BRANCH || is_comparable_far(v, in);
    }
}

/*
 * An instruction here takes some thousand times as long as without, and a kernel needs 10^9 to boot. So,
 * unless everything is asked for (`eager`), translated code runs as it would under sbe, and what follows is
 * compared whenever something new was translated, and now and then when the run loop had to look for another
 * reason.
 */
enum { FOLLOWING = 48, EACH = 256 };

/* True: it is the run loop's turn, with *answer. */
static bool ran_freely(struct vcpu *v, enum translated_answer *answer)
{
    static unsigned following, runs;
    if (v->sbe.eager || following) {
        following -= following != 0;
        return false;
    }
    uint64_t made = v->counts.translated_stretches;
    *answer = translated_run(v);
    if (v->counts.translated_stretches != made || ++runs % EACH == 0)
        following = FOLLOWING;
    return true;
}

/* ---- Comparing --------------------------------------------------------------------------------------- */

static bool same_segments(const struct kernel_state *a, const struct kernel_state *b)
{
    for (unsigned i = 0; i < X86_SREG_COUNT; i++) {
        const struct segment *s = &a->seg[i], *t = &b->seg[i];
        if (s->selector != t->selector || s->base != t->base || s->limit != t->limit || s->attr != t->attr)
            return false;
    }
    return true;
}

static bool same_registers(const struct kernel_state *a, const struct kernel_state *b)
{
    for (unsigned i = 0; i < 8; i++) {
        if (a->gpr.d[i] != b->gpr.d[i])
            return false;
    }
    return true;
}

static uint32_t flags_of(struct vcpu *v, const struct kernel_state *s)
{
    uint32_t eflags = v->eflags;
    uint16_t arith = v->arith;
    v->eflags = s->eflags;
    v->arith = s->arith;
    uint32_t all = flags_get(v);
    v->eflags = eflags;
    v->arith = arith;
    return all & ~(uint32_t)X86_RF; /* nobody asks translated code for it */
}

/* What is not as it is to be; NULL: nothing. Flags in `mask` are compared. */
static const char *differ(struct vcpu *v, const struct kernel_state *wanted, const struct kernel_state *got,
                          uint32_t mask)
{
    if (!same_registers(wanted, got))
        return "general registers";
    if (wanted->eip != got->eip)
        return "EIP";
    if ((flags_of(v, wanted) ^ flags_of(v, got)) & mask)
        return "EFLAGS";
    return same_segments(wanted, got) ? NULL : "segment registers";
}

/* Is memory as it was before the interpreter's turn? */
static bool nothing_stored(const struct lockstep *l)
{
    for (unsigned i = 0; i < l->count; i++) {
        for (unsigned k = 0; k < l->store[i].size; k++) {
            bool first = true;
            for (unsigned j = 0; j < i && first; j++)
                first = !(l->store[i].host + k - l->store[j].host < l->store[j].size &&
                          l->store[i].host + k >= l->store[j].host);
            if (first && l->store[i].host[k] != l->store[i].before[k])
                return false;
        }
    }
    return true;
}

static void regs_of(struct vcpu *v, const struct kernel_state *s, struct d86_regs *r)
{
    const uint32_t *d = s->gpr.d;
    *r = (struct d86_regs){ d[X86_EAX], d[X86_ECX], d[X86_EDX], d[X86_EBX], d[X86_ESP],
                            d[X86_EBP], d[X86_ESI], d[X86_EDI], s->eip,     flags_of(v, s) };
}

/* ---- The two turns ----------------------------------------------------------------------------------- */

static struct turns {
    struct kernel_state before, interp, native;
    struct lockstep_bytes code;
    struct insn insn;
    struct unwind_buffer outer;
    int why; /* how the interpreter's turn ended: enum of unwind_to() */
} turns;     /* large, and there is one vCPU */

static NORETURN void report(struct vcpu *v, const char *what)
{
    struct d86_difference found = { .linear = v->seg[X86_CS].base + turns.before.eip,
                                    .length = turns.insn.length };
    regs_of(v, &turns.before, &found.before);
    regs_of(v, &turns.interp, &found.interp);
    regs_of(v, &turns.native, &found.native);
    restore(v, &turns.before);
    v->event.kind = EVENT_NONE;
    lockstep_report(v, &found, &turns.code, what);
}

/* exec_step() left something half done when it unwound; translated code is not to see that. */
static void set_stepping(struct vcpu *v, bool on)
{
    if (on)
        __atomic_or_fetch(&v->pending, PENDING_STEP, __ATOMIC_RELAXED);
    else
        __atomic_and_fetch(&v->pending, ~(uint32_t)PENDING_STEP, __ATOMIC_RELAXED);
}

static void interpret(struct vcpu *v)
{
    turns.outer = v->unwind;
    v->lockstep->count = 0;
    v->lockstep->recording = true;
    exec_mode_changed(v); /* without a TLB every store is noted */
    turns.why = unwind_save(&v->unwind);
    if (turns.why == UNWIND_NONE)
        exec_step(v);
    v->unwind = turns.outer;
    v->lockstep->recording = false;
    exec_mode_changed(v);
    save(v, &turns.interp);
}

/* The interpreter's turn is what counts, and it unwound: let it. */
static NORETURN void unwind_again(struct vcpu *v)
{
    struct lockstep *l = v->lockstep;
    lockstep_redo(l);
    for (unsigned i = 0; i < l->count; i++) {
        uint64_t at = (uint64_t)(l->store[i].host - v->map.ram);
        if (frame_has_code(v, at >> 12))
            frame_written(v, at >> 12, (unsigned)(at & 0xfff), l->store[i].size);
    }
    restore(v, &turns.interp);
    set_stepping(v, true);
    unwind_to(&v->unwind, turns.why);
}

/*
 * Translated code has left the instruction to the interpreter. Has it touched anything? That of POPF may have
 * lost the arithmetic flags, which are all new behind it.
 */
static void check_untouched(struct vcpu *v)
{
    bool popf = turns.insn.op == X86_POPF && v->translated.called_out;
    const char *what = differ(v, &turns.before, &turns.native, popf ? ~(uint32_t)X86_ARITH : ~0u);
    v->counts.lockstep_checks++;
    if (what || !nothing_stored(v->lockstep))
        report(v, what ? what : "memory before a fault");
}

static void check_done(struct vcpu *v)
{
    const char *what = turns.why != UNWIND_NONE
                           ? "exception"
                           : differ(v, &turns.interp, &turns.native, ~lockstep_undefined_flags(&turns.insn));
    v->counts.lockstep_checks++;
    if (!what && lockstep_stores_differ(v->lockstep))
        what = "stored memory";
    if (what)
        report(v, what);
    v->icount = turns.interp.icount;
    v->repeating = turns.interp.repeating;
    v->int_shadow = turns.interp.int_shadow;
    v->shadow_is_ss = turns.interp.shadow_is_ss;
}

/* The instruction, which may cross a page. */
static enum x86_decode_status fetch(struct vcpu *v)
{
    struct lockstep_bytes *b = &turns.code;
    bool code32 = v->mode & MODE_CODE32;
    lockstep_fetch(v, b);
    enum x86_decode_status status = x86_decode(b->at, b->size, code32, &turns.insn);
    if (status != X86_DECODE_MORE)
        return status;
    lockstep_fetch_on(v, b);
    return x86_decode(b->at, b->size, code32, &turns.insn);
}

/* A kick may have come before translated code had begun. */
static bool was_kicked(struct vcpu *v)
{
    return v->pending && !differ(v, &turns.before, &turns.native, ~0u) && nothing_stored(v->lockstep);
}

enum translated_answer lockstep_translated(struct vcpu *v)
{
    struct lockstep *l = v->lockstep;
    enum translated_answer answer;
    if (ran_freely(v, &answer))
        return answer;
    if (fetch(v) != X86_DECODE_OK || !is_comparable(v, &turns.insn) ||
        lockstep_amid_a_long_repeat(v, &turns.insn))
        return TRANSLATED_STEP;
    save(v, &turns.before);
    interpret(v);
    if (l->count > LOCKSTEP_STORES_MAX) {
        if (turns.why != UNWIND_NONE)
            unwind_to(&v->unwind, turns.why);
        return TRANSLATED_LOOP;
    }
    lockstep_take_back(l);
    restore(v, &turns.before);
    set_stepping(v, false);
    answer = translated_step(v);
    save(v, &turns.native);
    if (answer == TRANSLATED_LOOP) {
        if (was_kicked(v)) /* both again, when the kick has been taken */
            return TRANSLATED_LOOP;
        check_done(v);
        return TRANSLATED_LOOP;
    }
    check_untouched(v);
    if (turns.why != UNWIND_NONE)
        unwind_again(v);
    return answer;
}
