/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Far RET and IRET in all modes: to the same level, to an outer level (with data segments the outer level
 * may not have made null), to virtual-8086 mode, to the previous task.
 * SDM 2B, "RET", and SDM 2A, "IRET/IRETD", operation sections. Executor side.
 */
#include "flags.h"
#include "mem.h"
#include "mode.h"
#include "task.h"
#include "transfer.h"

/* Flags an IRET in protected mode restores beyond flags_writable() at CPL 0, with a 32-bit operand. */
#define CPL0_FLAGS (X86_VIF | X86_VIP)

/* ---- What a return reads from the stack
 * --------------------------------------------------------------------- */

struct return_frame {
    uint32_t eip;
    uint32_t flags; /* to be set, after merging */
    uint16_t cs;
};

static uint32_t merge_flags(const struct vcpu *v, uint32_t image, uint32_t mask)
{
    return (flags_get(v) & ~mask) | (image & mask);
}

/* The code segment a return goes to; its privilege level is the selector's RPL. */
static void check_return_cs(struct vcpu *v, uint16_t selector, struct segment *cs)
{
    struct descriptor d;
    unsigned rpl = selector_rpl(selector);

    if (selector_is_null(selector))
        raise_selector(v, X86_GP, 0);
    desc_fetch(v, selector, X86_GP, &d);
    if (!desc_is_code(&d) || rpl < v->cpl)
        raise_selector(v, X86_GP, selector);
    if (desc_is_conforming(&d) ? desc_dpl(&d) > rpl : desc_dpl(&d) != rpl)
        raise_selector(v, X86_GP, selector);
    if (!desc_present(&d))
        raise_selector(v, X86_NP, selector);
    desc_mark_accessed(v, &d);
    seg_fill(v, cs, selector, &d);
}

/* With a 16-bit stack only SP is loaded; ESP's upper half stays what it was. */
static void load_outer_esp(struct vcpu *v, const struct segment *ss, uint32_t esp)
{
    if (ss->attr & X86_SEG_DB)
        v->gpr.d[X86_ESP] = esp;
    else
        v->gpr.w[X86_ESP * 2] = (uint16_t)esp;
}

/*
 * Go to cs:eip at the level of its RPL. On the current stack `popped` bytes lie before what an outer
 * return also finds there, ESP and SS; `release` more go from the stack that is current afterwards, too.
 */
static void return_to(struct vcpu *v, const struct segment *cs, const struct return_frame *r, uint32_t popped,
                      uint32_t release, unsigned opsize)
{
    unsigned cpl = selector_rpl(cs->selector);
    struct segment ss;

    if (cpl == v->cpl) {
        transfer_check_eip(v, cs, r->eip);
        stack_set(v, v->gpr.d[X86_ESP] + popped + release);
        flags_set(v, r->flags);
        transfer_commit(v, cs, r->eip, cpl);
        return;
    }
    uint32_t esp = frame_peek(v, popped + release, opsize);
    uint16_t ss_selector = (uint16_t)frame_peek(v, popped + release + opsize, opsize);
    seg_check_stack(v, ss_selector, cpl, X86_GP, &ss);
    transfer_check_eip(v, cs, r->eip);
    v->seg[X86_SS] = ss;
    load_outer_esp(v, &ss, esp + release);
    seg_drop_privileged(v, cpl);
    flags_set(v, r->flags);
    transfer_commit(v, cs, r->eip, cpl);
}

/* ---- RET far
 * ---------------------------------------------------------------------------------------------------- */

void far_return(struct vcpu *v, uint32_t release, unsigned opsize)
{
    const struct return_frame r = {
        .eip = frame_peek(v, 0, opsize),
        .cs = (uint16_t)frame_peek(v, opsize, opsize),
        .flags = flags_get(v),
    };
    struct segment cs;

    if (cpu_real_segments(v)) {
        transfer_check_eip(v, &v->seg[X86_CS], r.eip);
        stack_set(v, v->gpr.d[X86_ESP] + 2 * opsize + release);
        seg_load_real(v, X86_CS, r.cs);
        v->eip = r.eip;
        return;
    }
    check_return_cs(v, r.cs, &cs);
    return_to(v, &cs, &r, 2 * opsize, release, opsize);
}

/* ---- IRET
 * ---------------------------------------------------------------------------------------------------------
 */

static void iret_commit_real(struct vcpu *v, const struct return_frame *r, uint32_t flags, unsigned opsize)
{
    transfer_check_eip(v, &v->seg[X86_CS], r->eip);
    stack_set(v, v->gpr.d[X86_ESP] + 3 * opsize);
    seg_load_real(v, X86_CS, r->cs);
    v->eip = r->eip;
    flags_set(v, flags);
    exec_mode_changed(v);
}

static void iret_real(struct vcpu *v, const struct return_frame *r, unsigned opsize)
{
    uint32_t mask = flags_writable(v, opsize) | X86_RF;

    iret_commit_real(v, r, merge_flags(v, r->flags, mask), opsize);
}

/* RETURN-FROM-VIRTUAL-8086-MODE, with the virtual interrupt flag if CR4.VME is set. */
static void iret_v86(struct vcpu *v, const struct return_frame *r, unsigned opsize)
{
    uint32_t mask = flags_writable(v, opsize) | X86_RF;
    uint32_t flags = r->flags;

    if (cpu_iopl(v) < 3) {
        bool pending = (flags_get(v) & X86_VIP) && (flags & X86_IF);
        if (!(v->cr4 & X86_CR4_VME) || opsize == 4 || pending || (flags & X86_TF))
            raise_error(v, NULL, X86_GP, 0);
        mask |= X86_VIF;
        flags |= flags & X86_IF ? X86_VIF : 0;
    }
    iret_commit_real(v, r, merge_flags(v, flags, mask), opsize);
}

/* TASK-RETURN: the nested task's TSS names the one to go back to. */
static void iret_task(struct vcpu *v)
{
    uint16_t link = (uint16_t)mem_system_read(v, v->tr.base, 2);

    task_switch(v, link, TASK_IRET, false, 0);
}

/* RETURN-TO-VIRTUAL-8086-MODE, from CPL 0. */
static void iret_to_v86(struct vcpu *v, const struct return_frame *r)
{
    static const uint8_t order[] = { X86_SS, X86_ES, X86_DS, X86_FS, X86_GS };
    uint32_t esp = frame_peek(v, 12, 4);
    uint16_t selector[sizeof(order)];

    for (unsigned i = 0; i < sizeof(order); i++)
        selector[i] = (uint16_t)frame_peek(v, 16 + 4 * i, 4);
    if (r->eip > 0xffff)
        raise_error(v, NULL, X86_GP, 0);
    flags_set(v, r->flags);
    for (unsigned i = 0; i < sizeof(order); i++)
        seg_fill_v86(v, &v->seg[order[i]], selector[i]);
    v->gpr.d[X86_ESP] = esp;
    struct segment cs;
    seg_fill_v86(v, &cs, r->cs);
    transfer_commit(v, &cs, r->eip, 3);
}

/* PROTECTED-MODE-RETURN: the old CPL decides which flags change. */
static void iret_protected(struct vcpu *v, struct return_frame *r, unsigned opsize)
{
    uint32_t mask = flags_writable(v, opsize) | X86_RF;
    struct segment cs;

    if (opsize == 4 && v->cpl == 0)
        mask |= CPL0_FLAGS;
    r->flags = merge_flags(v, r->flags, mask);
    check_return_cs(v, r->cs, &cs);
    return_to(v, &cs, r, 3 * opsize, 0, opsize);
}

void far_iret(struct vcpu *v, unsigned opsize)
{
    v->nmi_blocked = false; /* even if the instruction faults: SDM 3A, "Handling Multiple NMIs" */
    if (cpu_pmode(v) && (v->eflags & X86_NT)) {
        iret_task(v);
        return;
    }
    struct return_frame r = {
        .eip = frame_peek(v, 0, opsize),
        .cs = (uint16_t)frame_peek(v, opsize, opsize),
        .flags = frame_peek(v, 2 * opsize, opsize),
    };
    if (!cpu_protected(v))
        iret_real(v, &r, opsize);
    else if (cpu_v86(v))
        iret_v86(v, &r, opsize);
    else if (opsize == 4 && (r.flags & X86_VM) && v->cpl == 0)
        iret_to_v86(v, &r);
    else
        iret_protected(v, &r, opsize);
}
