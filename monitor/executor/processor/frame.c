/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Stacks under construction and the commit of CS:EIP, shared by all transfers of control (transfer.h).
 * Executor side.
 */
#include "mem.h"
#include "mode.h"
#include "transfer.h"

static uint32_t frame_mask(const struct segment *ss)
{
    return ss->attr & X86_SEG_DB ? UINT32_MAX : 0xffff;
}

void frame_open_same(struct vcpu *v, struct frame *f)
{
    f->ss = v->seg[X86_SS];
    f->esp = v->gpr.d[X86_ESP];
    f->error = selector_error(v, 0);
    f->inner = false;
}

void frame_open_inner(struct vcpu *v, struct frame *f, unsigned dpl)
{
    tss_inner_stack(v, dpl, &f->ss, &f->esp);
    f->error = selector_error(v, f->ss.selector);
    f->inner = true;
}

void frame_push(struct vcpu *v, struct frame *f, unsigned size, uint32_t value)
{
    uint32_t mask = frame_mask(&f->ss);
    uint32_t offset = (f->esp - size) & mask;

    if (!f->ss.writable || !seg_contains(&f->ss, offset, size))
        raise_error(v, NULL, X86_VEC_SS, f->error);
    if (f->inner)
        mem_system_write(v, f->ss.base + offset, size, value);
    else if (size == 4)
        mem_write(v, NULL, f->ss.base + offset, 4, value);
    else
        mem_write(v, NULL, f->ss.base + offset, 2, value);
    f->esp = (f->esp & ~mask) | offset;
}

void frame_commit(struct vcpu *v, const struct frame *f)
{
    v->seg[X86_SS] = f->ss;
    v->gpr.d[X86_ESP] = f->esp;
}

uint32_t frame_peek(struct vcpu *v, uint32_t depth, unsigned size)
{
    return size == 4 ? stack_peek(v, NULL, depth, 4) : stack_peek(v, NULL, depth, 2);
}

void transfer_check_eip(struct vcpu *v, const struct segment *cs, uint32_t eip)
{
    if (eip > cs->limit)
        raise_error(v, NULL, X86_GP, selector_error(v, 0));
}

void transfer_commit(struct vcpu *v, const struct segment *cs, uint32_t eip, unsigned cpl)
{
    v->seg[X86_CS] = *cs;
    seg_derive(v, &v->seg[X86_CS]);
    v->cpl = (uint8_t)cpl;
    v->eip = eip;
    exec_mode_changed(v);
}
