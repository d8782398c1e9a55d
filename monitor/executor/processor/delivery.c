/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Entering an interrupt or exception handler: through the real-mode table, an interrupt, trap or task
 * gate, or, with VME, the table of a virtual-8086 program.
 * SDM 2A, "INT n/INTO/INT3/INT1", operation section, whose labels the functions carry. Executor side.
 */
#include "delivery.h"

#include "flags.h"
#include "mem.h"
#include "mode.h"
#include "task.h"

/* ---- Real mode ----------------------------------------------------------------------------------------- */

/* FLAGS, CS and IP on the current stack in 16 bits; then CS:IP from the interrupt table's entry. */
static void enter_8086(struct vcpu *v, uint32_t flags, uint32_t return_eip, uint32_t entry)
{
    struct frame f;

    frame_open_same(v, &f);
    frame_push(v, &f, 2, flags);
    frame_push(v, &f, 2, v->seg[X86_CS].selector);
    frame_push(v, &f, 2, return_eip);
    transfer_check_eip(v, &v->seg[X86_CS], entry & 0xffff);
    frame_commit(v, &f);
    seg_load_real(v, X86_CS, (uint16_t)(entry >> 16));
    v->eip = entry & 0xffff;
}

static void deliver_real(struct vcpu *v, const struct delivery *d)
{
    uint32_t offset = d->vector * 4u;

    if (offset + 3 > v->idt.limit)
        raise_error(v, NULL, X86_GP, offset * 2 + X86_ERR_IDT);
    uint32_t entry = (uint32_t)mem_system_read(v, v->idt.base + offset, 4);
    enter_8086(v, d->flags, d->return_eip, entry);
    v->eflags &= ~(X86_IF | X86_TF | X86_RF | X86_AC);
    exec_mode_changed(v);
}

/*
 * Methods 5 (IOPL 3) and 6 (IOPL below 3): the 8086 program sees its virtual interrupt flag as IF.
 * SDM 3B, "Method 5" and "Method 6".
 */
void deliver_v86_redirected(struct vcpu *v, uint8_t vector)
{
    uint32_t flags = flags_get(v);
    bool virtual_if = cpu_iopl(v) < 3;

    if (virtual_if) {
        flags = (flags | X86_IOPL) & ~X86_IF;
        flags |= flags & X86_VIF ? X86_IF : 0;
    }
    uint32_t entry = (uint32_t)mem_read(v, NULL, vector * 4u, 4);
    enter_8086(v, flags, v->next_eip, entry);
    v->eflags &= ~(X86_TF | X86_NT | X86_RF | (virtual_if ? X86_VIF : X86_IF));
    exec_mode_changed(v);
}

/* ---- Gates ------------------------------------------------------------------------------------------------
 */

/* Error code that names the vector: SDM 3A, "Error Code" (IDT set). */
static uint32_t vector_error(const struct vcpu *v, const struct delivery *d)
{
    return d->vector * 8u | X86_ERR_IDT | selector_error(v, 0);
}

static void read_gate(struct vcpu *v, const struct delivery *d, struct descriptor *gate)
{
    uint32_t offset = d->vector * 8u;

    if (offset + 7 > v->idt.limit)
        raise_error(v, NULL, X86_GP, vector_error(v, d));
    gate->la = v->idt.base + offset;
    uint64_t raw = mem_system_read(v, gate->la, 8);
    gate->low = (uint32_t)raw;
    gate->high = (uint32_t)(raw >> 32);
    switch (desc_type(gate)) {
    case X86_TASK_GATE:
    case X86_INT_GATE16:
    case X86_TRAP_GATE16:
    case X86_INT_GATE32:
    case X86_TRAP_GATE32:
        break;
    default:
        raise_error(v, NULL, X86_GP, vector_error(v, d));
    }
    if (d->software && desc_dpl(gate) < v->cpl)
        raise_error(v, NULL, X86_GP, vector_error(v, d));
    if (!desc_present(gate))
        raise_error(v, NULL, X86_NP, vector_error(v, d));
}

/* TASK-GATE */
static void deliver_task(struct vcpu *v, const struct delivery *d, const struct descriptor *gate)
{
    v->next_eip = d->return_eip;
    v->eflags |= d->flags & X86_RF;
    task_switch(v, gate_selector(gate), TASK_EVENT, d->has_error, d->error);
}

/* The handler's code segment and the privilege level it runs at. */
static unsigned check_handler(struct vcpu *v, uint16_t selector, struct segment *cs)
{
    struct descriptor d;

    if (selector_is_null(selector))
        raise_selector(v, X86_GP, 0);
    desc_fetch(v, selector, X86_GP, &d);
    if (!desc_is_code(&d) || desc_dpl(&d) > v->cpl)
        raise_selector(v, X86_GP, selector);
    if (!desc_present(&d))
        raise_selector(v, X86_NP, selector);
    unsigned cpl = desc_is_conforming(&d) ? v->cpl : desc_dpl(&d);
    if (cpu_v86(v) && cpl != 0)
        raise_selector(v, X86_GP, selector);
    desc_mark_accessed(v, &d);
    seg_fill(v, cs, (uint16_t)((selector & ~X86_SEL_RPL) | cpl), &d);
    return cpl;
}

/* Trap or interrupt gate: the labels from TRAP-OR-INTERRUPT-GATE to INTRA-PRIVILEGE-LEVEL-INTERRUPT. */
static void deliver_gate(struct vcpu *v, const struct delivery *d, const struct descriptor *gate)
{
    unsigned size = desc_is_32(gate) ? 4 : 2;
    bool v86 = cpu_v86(v);
    struct segment cs;
    struct frame f;
    unsigned cpl = check_handler(v, gate_selector(gate), &cs);

    if (cpl < v->cpl) {
        frame_open_inner(v, &f, cpl);
        if (v86) {
            frame_push(v, &f, size, v->seg[X86_GS].selector);
            frame_push(v, &f, size, v->seg[X86_FS].selector);
            frame_push(v, &f, size, v->seg[X86_DS].selector);
            frame_push(v, &f, size, v->seg[X86_ES].selector);
        }
        frame_push(v, &f, size, v->seg[X86_SS].selector);
        frame_push(v, &f, size, v->gpr.d[X86_ESP]);
    } else {
        frame_open_same(v, &f);
    }
    frame_push(v, &f, size, d->flags);
    frame_push(v, &f, size, v->seg[X86_CS].selector);
    frame_push(v, &f, size, d->return_eip);
    if (d->has_error)
        frame_push(v, &f, size, d->error);
    transfer_check_eip(v, &cs, gate_offset(gate));

    frame_commit(v, &f);
    if (v86) {
        seg_make_null(&v->seg[X86_DS], 0);
        seg_make_null(&v->seg[X86_ES], 0);
        seg_make_null(&v->seg[X86_FS], 0);
        seg_make_null(&v->seg[X86_GS], 0);
    }
    bool interrupt_gate = !(desc_type(gate) & 1);
    v->eflags &= ~(X86_TF | X86_NT | X86_RF | X86_VM | (interrupt_gate ? X86_IF : 0));
    transfer_commit(v, &cs, gate_offset(gate), cpl);
}

void deliver(struct vcpu *v, const struct delivery *d)
{
    struct descriptor gate;

    if (!cpu_protected(v)) {
        deliver_real(v, d);
        return;
    }
    read_gate(v, d, &gate);
    if (desc_type(&gate) == X86_TASK_GATE)
        deliver_task(v, d, &gate);
    else
        deliver_gate(v, d, &gate);
}
