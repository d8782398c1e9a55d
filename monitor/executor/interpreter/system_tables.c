/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Handlers of the instructions about descriptor tables: LGDT, LIDT, SGDT, SIDT, LLDT, SLDT, LTR, STR, and
 * of those that ask about selectors without loading them: LAR, LSL, VERR, VERW, ARPL.
 * SDM 2A and 2B under these names. Executor side.
 */
#include "system.h"

/* ---- GDTR, IDTR
 * -------------------------------------------------------------------------------------------- */

static void load_table(struct vcpu *v, const struct uop *u, struct d86_table *table)
{
    require_cpl0(v, u);
    guest_la la = ea_checked(v, u, 6, false);
    uint16_t limit = (uint16_t)mem_read(v, u, la, 2);
    uint32_t base = (uint32_t)mem_read(v, u, la + 2, 4);

    table->limit = limit;
    table->base = operand_size(u) == 2 ? base & 0xffffff : base;
}

HANDLER(lgdt)
{
    load_table(v, u, &v->gdt);
    NEXT(v, u);
}

HANDLER(lidt)
{
    load_table(v, u, &v->idt);
    NEXT(v, u);
}

/* All 32 bits of the base, whatever the operand size: what processors since the 386 do. */
static void store_table(struct vcpu *v, const struct uop *u, const struct d86_table *table)
{
    guest_la la = ea_checked(v, u, 6, true);

    mem_probe_write(v, u, la + 2, 4);
    mem_write(v, u, la, 2, table->limit);
    mem_write(v, u, la + 2, 4, table->base);
}

HANDLER(sgdt)
{
    store_table(v, u, &v->gdt);
    NEXT(v, u);
}

HANDLER(sidt)
{
    store_table(v, u, &v->idt);
    NEXT(v, u);
}

/* ---- LDTR, TR
 * ------------------------------------------------------------------------------------------------ */

HANDLER(sldt)
{
    require_protected(v, u);
    write_rm16(v, u, v->ldt.selector);
    NEXT(v, u);
}

HANDLER(str)
{
    require_protected(v, u);
    write_rm16(v, u, v->tr.selector);
    NEXT(v, u);
}

/* The selector of LLDT and LTR must name a GDT entry. v is synced. */
static void fetch_gdt_entry(struct vcpu *v, uint16_t selector, struct descriptor *d)
{
    if (selector & X86_SEL_TI)
        raise_selector(v, X86_GP, selector);
    desc_fetch(v, selector, X86_GP, d);
}

static NOINLINE void load_ldtr(struct vcpu *v, const struct uop *u)
{
    struct descriptor d;

    require_protected(v, u);
    require_cpl0(v, u);
    uint16_t selector = read_rm16(v, u, u->dst);
    if (selector_is_null(selector)) {
        seg_make_null(&v->ldt, selector);
        return;
    }
    cpu_sync(v, u);
    fetch_gdt_entry(v, selector, &d);
    if (desc_type(&d) != X86_LDT)
        raise_selector(v, X86_GP, selector);
    if (!desc_present(&d))
        raise_selector(v, X86_NP, selector);
    seg_fill(v, &v->ldt, selector, &d);
    cpu_unsync(v, u);
}

HANDLER(lldt)
{
    load_ldtr(v, u);
    NEXT(v, u);
}

static NOINLINE void load_tr(struct vcpu *v, const struct uop *u)
{
    struct descriptor d;

    require_protected(v, u);
    require_cpl0(v, u);
    uint16_t selector = read_rm16(v, u, u->dst);
    cpu_sync(v, u);
    if (selector_is_null(selector))
        raise_selector(v, X86_GP, 0);
    fetch_gdt_entry(v, selector, &d);
    if (desc_type(&d) != X86_TSS16_AVAIL && desc_type(&d) != X86_TSS32_AVAIL)
        raise_selector(v, X86_GP, selector);
    if (!desc_present(&d))
        raise_selector(v, X86_NP, selector);
    d.high |= 2u << 8; /* busy */
    mem_system_write(v, d.la + 5, 1, d.high >> 8 & 0xff);
    seg_fill(v, &v->tr, selector, &d);
    cpu_unsync(v, u);
}

HANDLER(ltr)
{
    load_tr(v, u);
    NEXT(v, u);
}

/* ---- LAR, LSL, VERR, VERW
 * ---------------------------------------------------------------------------------------- */

/* System descriptor types LAR and LSL know: SDM 2A, "LAR", "LSL", tables of types. */
#define LAR_TYPES                                                                                            \
    (1u << X86_TSS16_AVAIL | 1u << X86_LDT | 1u << X86_TSS16_BUSY | 1u << X86_CALL_GATE16 |                  \
     1u << X86_TASK_GATE | 1u << X86_TSS32_AVAIL | 1u << X86_TSS32_BUSY | 1u << X86_CALL_GATE32)
#define LSL_TYPES                                                                                            \
    (1u << X86_TSS16_AVAIL | 1u << X86_LDT | 1u << X86_TSS16_BUSY | 1u << X86_TSS32_AVAIL |                  \
     1u << X86_TSS32_BUSY)

static void set_zf(struct vcpu *v, bool on)
{
    v->arith = (uint16_t)((v->arith & ~ARITH_ZF) | (on ? ARITH_ZF : 0));
}

/* Read a descriptor for a question about it; false: no such descriptor. */
static bool ask(struct vcpu *v, const struct uop *u, uint16_t selector, struct descriptor *d)
{
    if (selector_is_null(selector))
        return false;
    cpu_sync(v, u);
    bool found = desc_lookup(v, selector, d);
    cpu_unsync(v, u);
    return found;
}

/* May the current level, through this selector's RPL, see the descriptor? Conforming code is for all. */
static bool is_visible(const struct vcpu *v, uint16_t selector, const struct descriptor *d)
{
    if (desc_is_code(d) && desc_is_conforming(d))
        return true;
    return v->cpl <= desc_dpl(d) && selector_rpl(selector) <= desc_dpl(d);
}

static bool ask_typed(struct vcpu *v, const struct uop *u, uint16_t selector, uint32_t types,
                      struct descriptor *d)
{
    if (!ask(v, u, selector, d))
        return false;
    bool known = desc_type(d) & X86_SEG_S || types >> desc_type(d) & 1;
    return known && is_visible(v, selector, d);
}

static void write_gpr(struct vcpu *v, const struct uop *u, uint32_t value)
{
    if (operand_size(u) == 4)
        v->gpr.d[u->dst] = value;
    else
        v->gpr.w[u->dst * 2] = (uint16_t)value;
}

static NOINLINE void ask_rights(struct vcpu *v, const struct uop *u)
{
    struct descriptor d;

    require_protected(v, u);
    bool ok = ask_typed(v, u, read_rm16(v, u, u->src), LAR_TYPES, &d);
    if (ok)
        write_gpr(v, u, d.high & 0x00ffff00); /* the limit's bits are undefined there; processors show them */
    set_zf(v, ok);
}

HANDLER(lar)
{
    ask_rights(v, u);
    NEXT(v, u);
}

static NOINLINE void ask_limit(struct vcpu *v, const struct uop *u)
{
    struct descriptor d;

    require_protected(v, u);
    bool ok = ask_typed(v, u, read_rm16(v, u, u->src), LSL_TYPES, &d);
    if (ok)
        write_gpr(v, u, desc_limit(&d));
    set_zf(v, ok);
}

HANDLER(lsl)
{
    ask_limit(v, u);
    NEXT(v, u);
}

static NOINLINE void ask_readable(struct vcpu *v, const struct uop *u)
{
    struct descriptor d;

    require_protected(v, u);
    uint16_t selector = read_rm16(v, u, u->dst);
    set_zf(v, ask(v, u, selector, &d) && desc_is_readable(&d) && is_visible(v, selector, &d));
}

HANDLER(verr)
{
    ask_readable(v, u);
    NEXT(v, u);
}

static NOINLINE void ask_writable(struct vcpu *v, const struct uop *u)
{
    struct descriptor d;

    require_protected(v, u);
    uint16_t selector = read_rm16(v, u, u->dst);
    set_zf(v, ask(v, u, selector, &d) && desc_is_writable_data(&d) && is_visible(v, selector, &d));
}

HANDLER(verw)
{
    ask_writable(v, u);
    NEXT(v, u);
}

/* Raise the RPL of a selector to that of another: Ew, Gw. */
HANDLER(arpl)
{
    require_protected(v, u);
    uint16_t other = v->gpr.w[u->src * 2] & X86_SEL_RPL;
    uint16_t selector;

    if (u->flags & UOP_MEM) {
        selector = (uint16_t)mem_read(v, u, ea_checked(v, u, 2, false), 2);
    } else {
        selector = v->gpr.w[u->dst * 2];
    }
    /* Only a selector that changes is written, so only then must the operand be writable. */
    bool lower = (selector & X86_SEL_RPL) < other;
    if (lower) {
        selector = (uint16_t)((selector & ~X86_SEL_RPL) | other);
        if (u->flags & UOP_MEM)
            mem_write(v, u, ea_checked(v, u, 2, true), 2, selector);
        else
            v->gpr.w[u->dst * 2] = selector;
    }
    set_zf(v, lower);
    NEXT(v, u);
}

static const struct system_row rows[] = {
    { X86_LGDT, false, lgdt }, { X86_LIDT, false, lidt }, { X86_SGDT, false, sgdt },
    { X86_SIDT, false, sidt }, { X86_SLDT, false, sldt }, { X86_STR, false, str },
    { X86_LLDT, false, lldt }, { X86_LTR, false, ltr },   { X86_LAR, false, lar },
    { X86_LSL, false, lsl },   { X86_VERR, false, verr }, { X86_VERW, false, verw },
    { X86_ARPL, false, arpl },
};

const struct system_table system_tables_table = SYSTEM_TABLE(rows);
