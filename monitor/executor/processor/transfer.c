/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Far JMP and CALL: to code segments, through call gates (with a stack switch for CALL to a more
 * privileged level), to task gates and TSSs. Faults come before changes.
 * SDM 2A, "JMP" and "CALL", operation sections. Returns are in return.c. Executor side.
 */
#include "transfer.h"

#include "mem.h"
#include "task.h"

/* ---- Real mode and virtual-8086 mode --------------------------------------------------------------------
 */

static void commit_real(struct vcpu *v, uint16_t selector, uint32_t eip)
{
    seg_load_real(v, X86_CS, selector);
    v->eip = eip;
}

/* ---- Where a far pointer leads in protected mode ---------------------------------------------------------
 */

/* The selector and descriptor a far JMP or CALL names. */
static void fetch_target(struct vcpu *v, uint16_t selector, struct descriptor *d)
{
    if (selector_is_null(selector))
        raise_selector(v, X86_GP, 0);
    desc_fetch(v, selector, X86_GP, d);
}

/* CONFORMING-CODE-SEGMENT and NONCONFORMING-CODE-SEGMENT: a direct transfer, which keeps the CPL. */
static void check_direct(struct vcpu *v, uint16_t selector, struct descriptor *d, struct segment *cs)
{
    bool allowed = desc_is_conforming(d) ? desc_dpl(d) <= v->cpl
                                         : selector_rpl(selector) <= v->cpl && desc_dpl(d) == v->cpl;

    if (!allowed)
        raise_selector(v, X86_GP, selector);
    if (!desc_present(d))
        raise_selector(v, X86_NP, selector);
    desc_mark_accessed(v, d);
    seg_fill(v, cs, (uint16_t)((selector & ~X86_SEL_RPL) | v->cpl), d);
}

/* Call gates, task gates and TSSs: may this level use it, and is it there? */
static void check_system(struct vcpu *v, uint16_t selector, const struct descriptor *d)
{
    if (desc_dpl(d) < v->cpl || desc_dpl(d) < selector_rpl(selector))
        raise_selector(v, X86_GP, selector);
    if (!desc_present(d))
        raise_selector(v, X86_NP, selector);
}

/* The code segment behind a call gate. Jumps keep the CPL; calls may lower it to the segment's DPL. */
static unsigned check_gate_target(struct vcpu *v, const struct descriptor *gate, bool is_call,
                                  struct segment *cs)
{
    uint16_t selector = gate_selector(gate);
    struct descriptor d;

    fetch_target(v, selector, &d);
    bool allowed = desc_is_code(&d) && desc_dpl(&d) <= v->cpl;
    if (allowed && !is_call && !desc_is_conforming(&d))
        allowed = desc_dpl(&d) == v->cpl;
    if (!allowed)
        raise_selector(v, X86_GP, selector);
    if (!desc_present(&d))
        raise_selector(v, X86_NP, selector);
    unsigned cpl = desc_is_conforming(&d) ? v->cpl : desc_dpl(&d);
    desc_mark_accessed(v, &d);
    seg_fill(v, cs, (uint16_t)((selector & ~X86_SEL_RPL) | cpl), &d);
    return cpl;
}

/* TASK-GATE and TASK-STATE-SEGMENT. */
static void transfer_to_task(struct vcpu *v, uint16_t selector, const struct descriptor *d,
                             enum task_source source)
{
    check_system(v, selector, d);
    task_switch(v, desc_type(d) == X86_TASK_GATE ? gate_selector(d) : selector, source, false, 0);
}

/* ---- JMP
 * ---------------------------------------------------------------------------------------------------- */

static void jump_through_gate(struct vcpu *v, uint16_t selector, const struct descriptor *gate)
{
    struct segment cs;

    check_system(v, selector, gate);
    check_gate_target(v, gate, false, &cs);
    transfer_check_eip(v, &cs, gate_offset(gate));
    transfer_commit(v, &cs, gate_offset(gate), v->cpl);
}

void far_jump(struct vcpu *v, uint16_t selector, uint32_t offset, unsigned opsize)
{
    struct descriptor d;
    struct segment cs;

    if (opsize == 2)
        offset &= 0xffff;
    if (cpu_real_segments(v)) {
        transfer_check_eip(v, &v->seg[X86_CS], offset);
        commit_real(v, selector, offset);
        return;
    }
    fetch_target(v, selector, &d);
    if (desc_is_code(&d)) {
        check_direct(v, selector, &d, &cs);
        transfer_check_eip(v, &cs, offset);
        transfer_commit(v, &cs, offset, v->cpl);
        return;
    }
    switch (desc_type(&d)) {
    case X86_CALL_GATE16:
    case X86_CALL_GATE32:
        jump_through_gate(v, selector, &d);
        return;
    case X86_TASK_GATE:
    case X86_TSS16_AVAIL:
    case X86_TSS32_AVAIL:
        transfer_to_task(v, selector, &d, TASK_JUMP);
        return;
    default:
        raise_selector(v, X86_GP, selector);
    }
}

/* ---- CALL
 * ----------------------------------------------------------------------------------------------------- */

/* CS and EIP of the next instruction. */
static void push_return(struct vcpu *v, struct frame *f, unsigned size)
{
    frame_push(v, f, size, v->seg[X86_CS].selector);
    frame_push(v, f, size, v->next_eip);
}

/* MORE-PRIVILEGE: SS:ESP and the parameters go to the new stack first. */
static void push_old_stack(struct vcpu *v, struct frame *f, const struct descriptor *gate)
{
    unsigned size = desc_is_32(gate) ? 4 : 2;
    unsigned count = gate->high & 0x1f;

    frame_push(v, f, size, v->seg[X86_SS].selector);
    frame_push(v, f, size, v->gpr.d[X86_ESP]);
    for (unsigned i = count; i-- > 0;)
        frame_push(v, f, size, frame_peek(v, i * size, size));
}

static void call_through_gate(struct vcpu *v, uint16_t selector, const struct descriptor *gate)
{
    struct segment cs;
    struct frame f;

    check_system(v, selector, gate);
    unsigned cpl = check_gate_target(v, gate, true, &cs);
    if (cpl < v->cpl) {
        frame_open_inner(v, &f, cpl);
        push_old_stack(v, &f, gate);
    } else {
        frame_open_same(v, &f);
    }
    push_return(v, &f, desc_is_32(gate) ? 4 : 2);
    transfer_check_eip(v, &cs, gate_offset(gate));
    frame_commit(v, &f);
    transfer_commit(v, &cs, gate_offset(gate), cpl);
}

/* A call that stays on this stack, to a code segment already checked. */
static void call_direct(struct vcpu *v, const struct segment *cs, uint32_t offset, unsigned opsize)
{
    struct frame f;

    frame_open_same(v, &f);
    push_return(v, &f, opsize);
    transfer_check_eip(v, cs, offset);
    frame_commit(v, &f);
    transfer_commit(v, cs, offset, v->cpl);
}

static void call_real(struct vcpu *v, uint16_t selector, uint32_t offset, unsigned opsize)
{
    struct frame f;

    frame_open_same(v, &f);
    push_return(v, &f, opsize);
    transfer_check_eip(v, &v->seg[X86_CS], offset);
    frame_commit(v, &f);
    commit_real(v, selector, offset);
}

void far_call(struct vcpu *v, uint16_t selector, uint32_t offset, unsigned opsize)
{
    struct descriptor d;
    struct segment cs;

    if (opsize == 2)
        offset &= 0xffff;
    if (cpu_real_segments(v)) {
        call_real(v, selector, offset, opsize);
        return;
    }
    fetch_target(v, selector, &d);
    if (desc_is_code(&d)) {
        check_direct(v, selector, &d, &cs);
        call_direct(v, &cs, offset, opsize);
        return;
    }
    switch (desc_type(&d)) {
    case X86_CALL_GATE16:
    case X86_CALL_GATE32:
        call_through_gate(v, selector, &d);
        return;
    case X86_TASK_GATE:
    case X86_TSS16_AVAIL:
    case X86_TSS32_AVAIL:
        transfer_to_task(v, selector, &d, TASK_CALL);
        return;
    default:
        raise_selector(v, X86_GP, selector);
    }
}
