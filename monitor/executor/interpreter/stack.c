/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Handlers of PUSH, POP, PUSHA, POPA, ENTER, LEAVE and BOUND. The stack's width is SS.B, the item's the
 * operand size; the common case, a flat 32-bit stack, has handlers of its own. ESP changes only after the
 * last access that may fault. Executor side. SDM 2B, "PUSH", "POP"; SDM 2A, "ENTER".
 */
#include "bind.h"
#include "mem.h"

static ALWAYS_INLINE unsigned item_size(const struct uop *u)
{
    return u->flags & UOP_O16 ? 2 : 4;
}

/* ---- PUSH -----------------------------------------------------------------------------------------------
 */

static inline void push(struct vcpu *v, const struct uop *u, uint32_t value)
{
    unsigned size = item_size(u);
    stack_poke(v, u, size, size, value);
    stack_set(v, v->gpr.d[X86_ESP] - size);
}

HANDLER(push_any)
{
    push(v, u, opnd_read_dst(v, u, item_size(u)));
    NEXT(v, u);
}

HANDLER(push_imm_any)
{
    push(v, u, u->imm);
    NEXT(v, u);
}

static ALWAYS_INLINE const struct uop *push_flat(struct vcpu *v, const struct uop *u, uint32_t value,
                                                 uop_fn *slow)
{
    guest_la la = v->gpr.d[X86_ESP] - 4;
    if (!mem_try_write(v, u, la, 4, slow, value))
        return slow(v, u);
    v->gpr.d[X86_ESP] = la;
    NEXT(v, u);
}

static ALWAYS_INLINE const struct uop *push_mem(struct vcpu *v, const struct uop *u, uop_fn *slow)
{
    uint32_t value;
    if (!mem_try_read(v, u, ea_offset32(v, u), 4, slow, &value))
        return slow(v, u);
    return push_flat(v, u, value, slow);
}

HANDLER_PAIR(push_reg_flat, push_flat(v, u, v->gpr.d[u->dst], slow))
HANDLER_PAIR(push_imm_flat, push_flat(v, u, u->imm, slow))
HANDLER_PAIR(push_mem_flat, push_mem(v, u, slow))

/* ---- POP --------------------------------------------------------------------------------------------------
 */

HANDLER(pop_reg_any)
{
    unsigned size = item_size(u);
    uint32_t value = stack_peek(v, u, 0, size);
    stack_set(v, v->gpr.d[X86_ESP] + size);
    gpr_write(v, u->dst, size, value);
    NEXT(v, u);
}

/* An address with ESP as its base is computed after ESP moved (SDM 2B, "POP"); a fault puts ESP back. */
HANDLER(pop_mem)
{
    unsigned size = item_size(u);
    uint32_t value = stack_peek(v, u, 0, size), esp = v->gpr.d[X86_ESP];
    stack_set(v, esp + size);
    uint32_t offset = ea_offset(v, u), moved = v->gpr.d[X86_ESP];
    v->gpr.d[X86_ESP] = esp;
    mem_write(v, u, seg_linear(v, u, u->seg, offset, size, true), size, value);
    v->gpr.d[X86_ESP] = moved;
    NEXT(v, u);
}

static ALWAYS_INLINE const struct uop *pop_flat(struct vcpu *v, const struct uop *u, uop_fn *slow)
{
    uint32_t value;
    guest_la la = v->gpr.d[X86_ESP];
    if (!mem_try_read(v, u, la, 4, slow, &value))
        return slow(v, u);
    v->gpr.d[X86_ESP] = la + 4;
    v->gpr.d[u->dst] = value;
    NEXT(v, u);
}

HANDLER_PAIR(pop_reg_flat, pop_flat(v, u, slow))

/* ---- PUSHA, POPA
 * --------------------------------------------------------------------------------------------- */

HANDLER(pusha)
{
    unsigned size = item_size(u);
    /* All eight slots must be writable before the first is written. Each may wrap on its own. */
    for (unsigned i = 1; i <= 8; i++) {
        uint32_t offset = (v->gpr.d[X86_ESP] - i * size) & stack_mask(v);
        mem_probe_write(v, u, seg_linear(v, u, X86_SS, offset, size, true), size);
    }
    for (unsigned i = 0; i < 8; i++)
        stack_poke(v, u, (i + 1) * size, size, v->gpr.d[i]);
    stack_set(v, v->gpr.d[X86_ESP] - 8 * size);
    NEXT(v, u);
}

HANDLER(popa)
{
    unsigned size = item_size(u);
    uint32_t value[8];
    for (unsigned i = 0; i < 8; i++)
        value[i] = stack_peek(v, u, i * size, size);
    stack_set(v, v->gpr.d[X86_ESP] + 8 * size);
    for (unsigned i = 0; i < 8; i++) {
        if (i != 7 - X86_ESP)
            gpr_write(v, gpr_index(7 - i, size), size, value[i]);
    }
    NEXT(v, u);
}

/* ---- ENTER, LEAVE
 * ------------------------------------------------------------------------------------------------ */

HANDLER(enter)
{
    unsigned size = item_size(u);
    uint32_t allocate = u->imm & 0xffff, level = (uint32_t)u->extra & 31;
    uint32_t mask = stack_mask(v), esp = v->gpr.d[X86_ESP], ebp = v->gpr.d[X86_EBP];
    uint32_t pushed = size;
    stack_poke(v, u, pushed, size, ebp);
    uint32_t frame = (esp & ~mask) | ((esp - size) & mask);
    if (level > 0) {
        for (uint32_t i = 1; i < level; i++) {
            uint32_t offset = (ebp - i * size) & mask;
            uint32_t link = (uint32_t)mem_read(v, u, seg_linear(v, u, X86_SS, offset, size, false), size);
            pushed += size;
            stack_poke(v, u, pushed, size, link);
        }
        pushed += size;
        stack_poke(v, u, pushed, size, frame);
    }
    /* The new top must be writable: processors touch it (SDM 2A, "ENTER", exceptions). */
    uint32_t top = (esp - pushed - allocate) & mask;
    mem_probe_write(v, u, seg_linear(v, u, X86_SS, top, size, true), size);
    gpr_write(v, gpr_index(X86_EBP, size), size, frame);
    stack_set(v, top);
    NEXT(v, u);
}

static ALWAYS_INLINE const struct uop *leave_template(struct vcpu *v, const struct uop *u, uop_fn *slow)
{
    guest_la la = v->gpr.d[X86_EBP];
    uint32_t value;
    if (!mem_try_read(v, u, la, 4, slow, &value))
        return slow(v, u);
    v->gpr.d[X86_ESP] = la + 4;
    v->gpr.d[X86_EBP] = value;
    NEXT(v, u);
}

HANDLER_PAIR(leave_flat, leave_template(v, u, slow))

HANDLER(leave_any)
{
    unsigned size = item_size(u);
    uint32_t offset = v->gpr.d[X86_EBP] & stack_mask(v);
    uint32_t value = (uint32_t)mem_read(v, u, seg_linear(v, u, X86_SS, offset, size, false), size);
    stack_set(v, offset + size);
    gpr_write(v, gpr_index(X86_EBP, size), size, value);
    NEXT(v, u);
}

/* ---- BOUND
 * ----------------------------------------------------------------------------------------------------------
 */

HANDLER(bound)
{
    unsigned size = item_size(u);
    uint32_t offset = ea_offset(v, u), next = offset + size;
    if (u->flags & UOP_A16)
        next &= 0xffff; /* two operands, each with an address of its own */
    uint32_t low = (uint32_t)mem_read(v, u, seg_linear(v, u, u->seg, offset, size, false), size);
    uint32_t high = (uint32_t)mem_read(v, u, seg_linear(v, u, u->seg, next, size, false), size);
    int32_t index = (int32_t)gpr_read(v, u->dst, size), lower = (int32_t)low, upper = (int32_t)high;
    if (size == 2)
        index = (int16_t)index, lower = (int16_t)low, upper = (int16_t)high;
    if (index < lower || index > upper)
        raise_exception(v, u, X86_BR);
    NEXT(v, u);
}

/* ---- Binding
 * ----------------------------------------------------------------------------------------------------------
 */

static uop_fn *bind_push(const struct insn *in, unsigned mode, const struct uop *u, bool flat)
{
    switch (in->opnd[0].kind) {
    case X86_OPND_IMM:
        return flat ? push_imm_flat : push_imm_any;
    case X86_OPND_MEM:
        return flat && ea_is_flat(u, mode) ? push_mem_flat : push_any;
    default:
        return flat ? push_reg_flat : push_any;
    }
}

bool bind_stack(const struct insn *in, unsigned mode, struct uop *u, bool *ends)
{
    bool flat = (mode & MODE_FLAT) && (mode & MODE_STACK32) && !(u->flags & UOP_O16);
    (void)ends;
    switch (in->op) {
    case X86_PUSH:
        u->run = bind_push(in, mode, u, flat);
        return true;
    case X86_POP:
        u->run = in->opnd[0].kind == X86_OPND_MEM ? pop_mem : flat ? pop_reg_flat : pop_reg_any;
        return true;
    case X86_PUSHA:
        u->run = pusha;
        return true;
    case X86_POPA:
        u->run = popa;
        return true;
    case X86_ENTER:
        u->extra = in->imm2;
        u->run = enter;
        return true;
    case X86_LEAVE:
        u->run = flat ? leave_flat : leave_any;
        return true;
    case X86_BOUND:
        u->run = bound;
        return true;
    default:
        return false;
    }
}
