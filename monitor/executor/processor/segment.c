/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Segment registers and descriptors: reading descriptors, checking them, filling the hidden part.
 * In real mode a load changes the base only, so limit and attributes left over from protected mode stay
 * ("big real" mode). SDM 3A, "Segment Registers" and "Privilege Levels". Executor side.
 */
#include "segment.h"

#include "mem.h"
#include "mode.h"

enum {
    ATTR_REAL_DATA = X86_SEG_P | X86_SEG_S | X86_SEG_W | X86_SEG_A,
    ATTR_V86 = ATTR_REAL_DATA | X86_SEG_DPL,
    ATTR_FLAT = X86_SEG_G | X86_SEG_DB | ATTR_REAL_DATA,
};

/* ---- The hidden part -------------------------------------------------------------------------------------
 */

/* Offsets an expand-down segment allows: above the limit, up to 64 KiB or 4 GiB. */
static void derive_expand_down(struct segment *s)
{
    if (s->limit == UINT32_MAX) { /* nothing is above that */
        s->min = 1;
        s->max = 0;
        return;
    }
    s->min = s->limit + 1;
    s->max = s->attr & X86_SEG_DB ? UINT32_MAX : 0xffff;
}

void seg_derive(struct vcpu *v, struct segment *s)
{
    bool code = s->attr & X86_SEG_CODE;

    s->min = 0;
    s->max = s->limit;
    s->readable = s->writable = false;
    if (s->unusable)
        return;
    s->readable = !code || (s->attr & X86_SEG_R);
    s->writable = !code && (s->attr & X86_SEG_W);
    if (!code && (s->attr & X86_SEG_E))
        derive_expand_down(s);
    /* Right after CR0.PE is cleared CS still has a code type, but real mode reads and writes through CS. */
    if (s == &v->seg[X86_CS] && !cpu_protected(v))
        s->readable = s->writable = true;
}

void seg_derive_all(struct vcpu *v)
{
    for (unsigned i = 0; i < X86_SREG_COUNT; i++)
        seg_derive(v, &v->seg[i]);
}

void seg_fill(struct vcpu *v, struct segment *s, uint16_t selector, const struct descriptor *d)
{
    s->selector = selector;
    s->base = desc_base(d);
    s->limit = desc_limit(d);
    s->attr = desc_attr(d);
    s->unusable = false;
    seg_derive(v, s);
}

void seg_make_null(struct segment *s, uint16_t selector)
{
    *s = (struct segment){ .selector = selector, .unusable = true };
}

void seg_fill_flat(struct vcpu *v, struct segment *s, uint16_t selector, bool code, unsigned dpl)
{
    *s = (struct segment){
        .selector = selector,
        .limit = UINT32_MAX,
        .attr = (uint16_t)(ATTR_FLAT | (code ? X86_SEG_CODE : 0) | dpl << X86_SEG_DPL_SHIFT),
    };
    seg_derive(v, s);
}

void seg_fill_v86(struct vcpu *v, struct segment *s, uint16_t selector)
{
    *s = (struct segment){
        .base = (uint32_t)selector << 4, .limit = 0xffff, .selector = selector, .attr = ATTR_V86
    };
    seg_derive(v, s);
}

void seg_load_real(struct vcpu *v, enum x86_sreg sreg, uint16_t selector)
{
    struct segment *s = &v->seg[sreg];

    if (cpu_v86(v)) {
        seg_fill_v86(v, s, selector);
        return;
    }
    s->selector = selector;
    s->base = (uint32_t)selector << 4;
    if (s->unusable) {
        s->unusable = false;
        s->limit = 0xffff;
        s->attr = ATTR_REAL_DATA;
    }
    seg_derive(v, s);
}

/* ---- Descriptors
 * -------------------------------------------------------------------------------------------- */

uint32_t selector_error(const struct vcpu *v, uint16_t selector)
{
    bool external = v->delivering.kind == EVENT_EXCEPTION || v->delivering.kind == EVENT_EXTERNAL;
    return (selector & ~X86_SEL_RPL) | (external ? X86_ERR_EXT : 0);
}

void raise_selector(struct vcpu *v, uint8_t vector, uint16_t selector)
{
    raise_error(v, NULL, vector, selector_error(v, selector));
}

bool desc_lookup(struct vcpu *v, uint16_t selector, struct descriptor *d)
{
    uint32_t offset = selector & ~7u;
    uint32_t base = v->gdt.base, limit = v->gdt.limit;

    if (selector & X86_SEL_TI) {
        if (v->ldt.unusable)
            return false;
        base = v->ldt.base;
        limit = v->ldt.limit;
    }
    if (offset + 7 > limit)
        return false;
    d->la = base + offset;
    uint64_t raw = mem_system_read(v, d->la, 8);
    d->low = (uint32_t)raw;
    d->high = (uint32_t)(raw >> 32);
    return true;
}

void desc_fetch(struct vcpu *v, uint16_t selector, uint8_t vector, struct descriptor *d)
{
    if (!desc_lookup(v, selector, d))
        raise_selector(v, vector, selector);
}

void desc_mark_accessed(struct vcpu *v, struct descriptor *d)
{
    if (d->high & X86_SEG_A << 8)
        return;
    d->high |= X86_SEG_A << 8;
    mem_system_write(v, d->la + 5, 1, d->high >> 8 & 0xff);
}

/* ---- Loading data and stack segments
 * ---------------------------------------------------------------------------- */

void seg_check_stack(struct vcpu *v, uint16_t selector, unsigned cpl, uint8_t vector, struct segment *s)
{
    struct descriptor d;

    if (selector_is_null(selector))
        raise_selector(v, vector, 0);
    desc_fetch(v, selector, vector, &d);
    if (selector_rpl(selector) != cpl || desc_dpl(&d) != cpl || !desc_is_writable_data(&d))
        raise_selector(v, vector, selector);
    if (!desc_present(&d))
        raise_selector(v, X86_VEC_SS, selector);
    desc_mark_accessed(v, &d);
    seg_fill(v, s, selector, &d);
}

void seg_check_data(struct vcpu *v, uint16_t selector, unsigned cpl, uint8_t vector, struct segment *s)
{
    struct descriptor d;

    if (selector_is_null(selector)) {
        seg_make_null(s, selector);
        return;
    }
    desc_fetch(v, selector, vector, &d);
    if (!desc_is_readable(&d))
        raise_selector(v, vector, selector);
    bool conforming = desc_is_code(&d) && desc_is_conforming(&d);
    if (!conforming && (selector_rpl(selector) > desc_dpl(&d) || cpl > desc_dpl(&d)))
        raise_selector(v, vector, selector);
    if (!desc_present(&d))
        raise_selector(v, X86_NP, selector);
    desc_mark_accessed(v, &d);
    seg_fill(v, s, selector, &d);
}

void seg_load(struct vcpu *v, enum x86_sreg sreg, uint16_t selector)
{
    struct segment s;

    if (cpu_real_segments(v)) {
        seg_load_real(v, sreg, selector);
    } else {
        if (sreg == X86_SS)
            seg_check_stack(v, selector, v->cpl, X86_GP, &s);
        else
            seg_check_data(v, selector, v->cpl, X86_GP, &s);
        v->seg[sreg] = s;
    }
    if (sreg != X86_FS && sreg != X86_GS) /* the others are part of the mode */
        exec_mode_changed(v);
}

void seg_drop_privileged(struct vcpu *v, unsigned cpl)
{
    static const uint8_t data[] = { X86_ES, X86_DS, X86_FS, X86_GS };

    for (unsigned i = 0; i < sizeof(data); i++) {
        struct segment *s = &v->seg[data[i]];
        unsigned dpl = (s->attr & X86_SEG_DPL) >> X86_SEG_DPL_SHIFT;
        bool conforming = (s->attr & (X86_SEG_CODE | X86_SEG_C)) == (X86_SEG_CODE | X86_SEG_C);
        if (!s->unusable && dpl < cpl && !conforming)
            seg_make_null(s, 0);
    }
}

void seg_fault(struct vcpu *v, const struct uop *u, unsigned sreg)
{
    raise_error(v, u, sreg == X86_SS ? X86_VEC_SS : X86_GP, 0);
}
