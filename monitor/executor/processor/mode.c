/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What blocks and caches depend on besides the code: worked out from the registers whenever one of those
 * changes. Executor side.
 */
#include "mode.h"

#include "lockstep_notes.h"
#include "mem.h"

static bool seg_is_flat(const struct segment *s)
{
    return s->base == 0 && s->min == 0 && s->max == 0xffffffffu && s->readable && s->writable;
}

static uint8_t current_mode(const struct vcpu *v)
{
    const struct segment *cs = &v->seg[X86_CS];
    uint8_t mode = 0;
    if (cs->attr & X86_SEG_DB)
        mode |= MODE_CODE32;
    if (v->seg[X86_SS].attr & X86_SEG_DB)
        mode |= MODE_STACK32;
    if (cs->base == 0 && cs->limit == 0xffffffffu && seg_is_flat(&v->seg[X86_DS]) &&
        seg_is_flat(&v->seg[X86_ES]) && seg_is_flat(&v->seg[X86_SS]))
        mode |= MODE_FLAT;
    if (v->cpl == 3)
        mode |= MODE_USER;
    return mode;
}

void exec_mode_changed(struct vcpu *v)
{
    bool check_each = v->debug.active || (v->cpl == 3 && (v->cr0 & X86_CR0_AM) && (v->eflags & X86_AC)) ||
                      (v->engine == D86_ENGINE_LOCKSTEP && (v->cpl == 3 || v->lockstep->recording));
    v->mode = current_mode(v);
    v->tlb = check_each ? v->tlb_none : v->cpl == 3 ? v->tlb_user : v->tlb_system;
    /* What the jump cache holds was checked against the CS limit of its time. */
    if (v->seg[X86_CS].limit != v->fetch_limit) {
        v->fetch_limit = v->seg[X86_CS].limit;
        tlb_new_generation(v);
    }
    v->fetch_tag = v->tlb_generation << MODE_BITS | v->mode;
    fpu_invalidate(v); /* CR0 and CR4 say what the next FP instruction may do */
}
