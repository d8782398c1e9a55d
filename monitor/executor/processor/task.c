/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Hardware task switching: by far JMP, CALL, task gate in the IDT, and IRET with NT set.
 * Everything up to committing TR is checked in the old task, where a fault leaves it intact; faults of the
 * LDT and the segment registers happen in the new one, with its state loaded and the registers not yet
 * loaded null. SDM 3A, "Task Switching", steps of the procedure and table "Exception Conditions Checked
 * During a Task Switch". Executor side.
 */
#include "task.h"

#include "event.h"
#include "flags.h"
#include "mem.h"
#include "mode.h"
#include "paging.h"
#include "transfer.h"

/* ---- The TSS in memory
 * --------------------------------------------------------------------------------------- */

/* Where a TSS keeps what: SDM 3A, figures "32-Bit Task-State Segment (TSS)" and "16-Bit TSS Format". */
struct tss_layout {
    uint8_t width;
    uint8_t eip, eflags, gpr; /* EAX first, in register-number order */
    uint8_t sreg;             /* ES first, in register-number order */
    uint8_t sreg_count, sreg_stride;
    uint8_t ldt, end; /* `end`: first byte past what a switch writes */
};

static const struct tss_layout layout32 = {
    .width = 4,
    .eip = 0x20,
    .eflags = 0x24,
    .gpr = 0x28,
    .sreg = 0x48,
    .sreg_count = 6,
    .sreg_stride = 4,
    .ldt = 0x60,
    .end = 0x60,
};
static const struct tss_layout layout16 = {
    .width = 2,
    .eip = 0x0e,
    .eflags = 0x10,
    .gpr = 0x12,
    .sreg = 0x22,
    .sreg_count = 4,
    .sreg_stride = 2,
    .ldt = 0x2a,
    .end = 0x2a,
};

enum { TSS32_CR3 = 0x1c, TSS32_TRAP = 0x64 };

static const struct tss_layout *layout_of(const struct segment *tr)
{
    return tss_is_32(tr) ? &layout32 : &layout16;
}

/* What the new task's TSS holds. */
struct task_state {
    uint32_t cr3, eip, eflags, gpr[8];
    uint16_t sreg[X86_SREG_COUNT], ldt;
    bool trap;
};

static void tss_save(struct vcpu *v, const struct segment *tr, uint32_t eflags)
{
    const struct tss_layout *l = layout_of(tr);

    mem_system_write(v, tr->base + l->eip, l->width, v->next_eip);
    mem_system_write(v, tr->base + l->eflags, l->width, eflags);
    for (unsigned i = 0; i < 8; i++)
        mem_system_write(v, tr->base + l->gpr + i * l->width, l->width, v->gpr.d[i]);
    for (unsigned i = 0; i < l->sreg_count; i++)
        mem_system_write(v, tr->base + l->sreg + i * l->sreg_stride, 2, v->seg[i].selector);
}

static uint32_t tss_field(struct vcpu *v, const struct segment *tr, unsigned offset)
{
    return (uint32_t)mem_system_read(v, tr->base + offset, layout_of(tr)->width);
}

static void tss_load(struct vcpu *v, const struct segment *tr, struct task_state *t)
{
    const struct tss_layout *l = layout_of(tr);

    *t = (struct task_state){ .eip = tss_field(v, tr, l->eip), .eflags = tss_field(v, tr, l->eflags) };
    for (unsigned i = 0; i < 8; i++)
        t->gpr[i] = tss_field(v, tr, l->gpr + i * l->width);
    for (unsigned i = 0; i < l->sreg_count; i++)
        t->sreg[i] = (uint16_t)mem_system_read(v, tr->base + l->sreg + i * l->sreg_stride, 2);
    t->ldt = (uint16_t)mem_system_read(v, tr->base + l->ldt, 2);
    if (tss_is_32(tr)) {
        t->cr3 = tss_field(v, tr, TSS32_CR3);
        t->trap = mem_system_read(v, tr->base + TSS32_TRAP, 2) & 1;
    }
}

/* ---- Checks in the old task
 * ----------------------------------------------------------------------------------- */

/* The new TSS's descriptor: present, of the right kind for this way in, large enough. */
static void check_descriptor(struct vcpu *v, uint16_t selector, enum task_source source, struct descriptor *d)
{
    bool back = source == TASK_IRET;
    uint8_t vector = back ? X86_TS : X86_GP;

    if (selector & X86_SEL_TI)
        raise_selector(v, vector, selector);
    desc_fetch(v, selector, vector, d);
    unsigned type = desc_type(d);
    bool right = back ? type == X86_TSS16_BUSY || type == X86_TSS32_BUSY
                      : type == X86_TSS16_AVAIL || type == X86_TSS32_AVAIL;
    if (!right)
        raise_selector(v, vector, selector);
    if (!desc_present(d))
        raise_selector(v, X86_NP, selector);
    if (desc_limit(d) < (desc_is_32(d) ? TSS32_LIMIT : TSS16_LIMIT))
        raise_selector(v, X86_TS, selector);
}

/* Fault now for whatever the switch will touch: the page of each end suffices, a TSS is shorter than one. */
static void check_pages(struct vcpu *v, const struct segment *old, const struct segment *new,
                        enum task_source source)
{
    const struct tss_layout *l = layout_of(old);

    mem_system_probe_write(v, old->base + l->eip, l->width);
    mem_system_probe_write(v, old->base + l->end - 2u, 2);
    if (source == TASK_CALL || source == TASK_EVENT)
        mem_system_probe_write(v, new->base, 2);
    (void)mem_system_read(v, new->base, 2);
    (void)mem_system_read(v, new->base + (tss_is_32(new) ? TSS32_TRAP : layout16.ldt), 2);
}

/* Set or clear the busy flag of the TSS descriptor at `la`. */
static void write_busy(struct vcpu *v, guest_la la, bool busy)
{
    uint8_t type = (uint8_t)mem_system_read(v, la + 5, 1);

    mem_system_write(v, la + 5, 1, busy ? type | 2 : type & ~2u);
}

/* ---- In the new task
 * ---------------------------------------------------------------------------------------------- */

/* DR7.L0..L3 and LE belong to the old task: SDM 3B, "Debug Control Register (DR7)". */
static void drop_local_breakpoints(struct vcpu *v)
{
    v->debug.dr[7] &= ~0x155u;
    v->debug.active = v->debug.dr[7] & 0xff;
}

static void load_cr3(struct vcpu *v, uint32_t cr3)
{
    if (!(v->cr0 & X86_CR0_PG))
        return;
    if ((v->cr4 & X86_CR4_PAE) && !paging_load_pdptes(v, cr3))
        raise_error(v, NULL, X86_GP, selector_error(v, 0));
    v->cr3 = cr3;
    tlb_flush(v);
}

/* Registers that cannot fault. Segment registers hold their selectors but are not usable yet. */
static void load_registers(struct vcpu *v, const struct task_state *t, bool is_32)
{
    v->eip = t->eip;
    v->next_eip = t->eip;
    flags_set(v, t->eflags);
    for (unsigned i = 0; i < 8; i++)
        /* The SDM leaves open what a 16-bit TSS makes of the upper halves; processors set them. */
        v->gpr.d[i] = is_32 ? t->gpr[i] : 0xffff0000 | t->gpr[i];
    for (unsigned i = 0; i < X86_SREG_COUNT; i++)
        seg_make_null(&v->seg[i], t->sreg[i]);
    seg_make_null(&v->ldt, t->ldt);
    v->cpl = (uint8_t)(t->eflags & X86_VM ? 3 : selector_rpl(t->sreg[X86_CS]));
}

static void load_ldt(struct vcpu *v, uint16_t selector)
{
    struct descriptor d;

    if (selector & X86_SEL_TI)
        raise_selector(v, X86_TS, selector);
    if (selector_is_null(selector))
        return;
    desc_fetch(v, selector, X86_TS, &d);
    if (desc_type(&d) != X86_LDT || !desc_present(&d))
        raise_selector(v, X86_TS, selector);
    seg_fill(v, &v->ldt, selector, &d);
}

static void load_cs(struct vcpu *v, uint16_t selector)
{
    struct descriptor d;

    if (selector_is_null(selector))
        raise_selector(v, X86_TS, 0);
    desc_fetch(v, selector, X86_TS, &d);
    if (!desc_is_code(&d))
        raise_selector(v, X86_TS, selector);
    unsigned rpl = selector_rpl(selector);
    if (desc_is_conforming(&d) ? desc_dpl(&d) > rpl : desc_dpl(&d) != rpl)
        raise_selector(v, X86_TS, selector);
    if (!desc_present(&d))
        raise_selector(v, X86_NP, selector);
    desc_mark_accessed(v, &d);
    seg_fill(v, &v->seg[X86_CS], selector, &d);
}

static void load_segments(struct vcpu *v, const struct task_state *t)
{
    static const uint8_t data[] = { X86_DS, X86_ES, X86_FS, X86_GS };

    load_ldt(v, t->ldt);
    if (cpu_v86(v)) {
        for (unsigned i = 0; i < X86_SREG_COUNT; i++)
            seg_fill_v86(v, &v->seg[i], t->sreg[i]);
        return;
    }
    load_cs(v, t->sreg[X86_CS]);
    seg_check_stack(v, t->sreg[X86_SS], v->cpl, X86_TS, &v->seg[X86_SS]);
    for (unsigned i = 0; i < sizeof(data); i++)
        seg_check_data(v, t->sreg[data[i]], v->cpl, X86_TS, &v->seg[data[i]]);
}

static void push_error(struct vcpu *v, unsigned size, uint32_t error)
{
    struct frame f;

    frame_open_same(v, &f);
    frame_push(v, &f, size, error);
    frame_commit(v, &f);
}

/* ---- The switch
 * ------------------------------------------------------------------------------------------------------ */

/* Steps that change memory and TR; all of it was checked to be there. Fills in the new task's state. */
static void exchange(struct vcpu *v, const struct segment *tr, const struct descriptor *d,
                     enum task_source source, struct task_state *t)
{
    bool nests = source == TASK_CALL || source == TASK_EVENT;
    uint32_t eflags = flags_get(v) & ~(source == TASK_IRET ? X86_NT : 0);
    guest_la old_descriptor = v->gdt.base + (v->tr.selector & ~7u);

    if (!nests)
        write_busy(v, old_descriptor, false);
    tss_save(v, &v->tr, eflags);
    if (nests)
        mem_system_write(v, tr->base, 2, v->tr.selector);
    tss_load(v, tr, t);
    if (source != TASK_IRET)
        write_busy(v, d->la, true);
    if (nests)
        t->eflags |= X86_NT;
    v->tr = *tr;
    v->tr.attr |= 2; /* busy */
    v->cr0 |= X86_CR0_TS;
}

void task_switch(struct vcpu *v, uint16_t selector, enum task_source source, bool has_error, uint32_t error)
{
    struct descriptor d;
    struct segment tr;
    struct task_state t;

    check_descriptor(v, selector, source, &d);
    seg_fill(v, &tr, selector, &d);
    check_pages(v, &v->tr, &tr, source);
    /* The busy flags: the old task's descriptor only when it stops being busy. */
    mem_system_probe_write(v, d.la + 5, 1);
    if (source == TASK_JUMP || source == TASK_IRET)
        mem_system_probe_write(v, v->gdt.base + (v->tr.selector & ~7u) + 5, 1);

    exchange(v, &tr, &d, source, &t);
    drop_local_breakpoints(v);
    v->no_trap = true; /* the old task's TF is gone */
    load_registers(v, &t, tss_is_32(&tr));
    exec_mode_changed(v);
    if (tss_is_32(&tr))
        load_cr3(v, t.cr3);
    load_segments(v, &t);
    exec_mode_changed(v);
    if (has_error)
        push_error(v, tss_is_32(&tr) ? 4 : 2, error);
    transfer_check_eip(v, &v->seg[X86_CS], v->eip);
    if (t.trap) {
        v->delivering.kind = EVENT_NONE; /* done with it: the trap is an event of its own */
        uint32_t hit = v->debug.hit;     /* by the instruction that switched: the same #DB tells */
        v->debug.hit = 0;
        event_debug_trap(v, X86_DR6_BT | hit);
    }
}
