/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Handlers that move segment registers: MOV, PUSH, POP, LDS and its like. A load stays in its block unless
 * the mode changed, since kernels reload DS and ES with flat segments at every entry.
 * SDM 2B, "MOV", "POP", "PUSH"; SDM 2A, "LDS/LES/LFS/LGS/LSS". Executor side.
 */
#include "system.h"

/* ---- Stores ----------------------------------------------------------------------------------------------
 */

HANDLER(mov_from_sreg)
{
    write_rm16(v, u, v->seg[u->src].selector);
    NEXT(v, u);
}

HANDLER(push_sreg)
{
    unsigned size = operand_size(u);

    /* A 32-bit push writes all four bytes; some processors leave the upper two alone (SDM 2B, "PUSH"). */
    stack_poke(v, u, size, size, v->seg[u->dst].selector);
    stack_set(v, v->gpr.d[X86_ESP] - size);
    NEXT(v, u);
}

/* ---- Loads ------------------------------------------------------------------------------------------------
 */

HANDLER(mov_to_sreg)
{
    uint16_t selector = read_rm16(v, u, u->src);
    uint8_t mode = v->mode;

    cpu_sync(v, u);
    seg_load(v, u->dst, selector);
    return finish_in_mode(v, u, mode);
}

/* No interrupt and no debug trap between this and the next instruction, which loads ESP. */
static void shadow_after_ss(struct vcpu *v)
{
    v->int_shadow = true;
    v->shadow_is_ss = true;
}

HANDLER(mov_to_ss)
{
    uint16_t selector = read_rm16(v, u, u->src);

    cpu_sync(v, u);
    seg_load(v, X86_SS, selector);
    shadow_after_ss(v);
    return finish(v);
}

/* Pop into a segment register; ESP moves by the width of the stack popped from. v is synced. */
static void pop_sreg_synced(struct vcpu *v, unsigned sreg, unsigned size)
{
    uint16_t selector = (uint16_t)(size == 4 ? stack_peek(v, NULL, 0, 4) : stack_peek(v, NULL, 0, 2));
    uint32_t mask = stack_mask(v), esp = v->gpr.d[X86_ESP];

    seg_load(v, sreg, selector);
    v->gpr.d[X86_ESP] = (esp & ~mask) | ((esp + size) & mask);
}

HANDLER(pop_sreg)
{
    uint8_t mode = v->mode;

    cpu_sync(v, u);
    pop_sreg_synced(v, u->dst, operand_size(u));
    return finish_in_mode(v, u, mode);
}

HANDLER(pop_ss)
{
    cpu_sync(v, u);
    pop_sreg_synced(v, X86_SS, operand_size(u));
    shadow_after_ss(v);
    return finish(v);
}

/* LES, LDS, LSS, LFS, LGS; aux is the segment register. */
HANDLER(load_far_pointer)
{
    uint8_t mode = v->mode;
    uint16_t selector;
    uint32_t offset = read_far_pointer(v, u, &selector);

    cpu_sync(v, u);
    seg_load(v, u->aux, selector);
    if (operand_size(u) == 4)
        v->gpr.d[u->dst] = offset;
    else
        v->gpr.w[u->dst * 2] = (uint16_t)offset;
    return finish_in_mode(v, u, mode);
}

/* ---- Binding
 * ------------------------------------------------------------------------------------------------- */

static bool bind_far_pointer(const struct insn *in, struct uop *u)
{
    static const struct {
        uint16_t op;
        uint8_t sreg;
    } loads[] = { { X86_LES, X86_ES },
                  { X86_LDS, X86_DS },
                  { X86_LSS, X86_SS },
                  { X86_LFS, X86_FS },
                  { X86_LGS, X86_GS } };

    for (unsigned i = 0; i < sizeof(loads) / sizeof(loads[0]); i++) {
        if (loads[i].op == in->op) {
            u->run = load_far_pointer;
            u->aux = loads[i].sreg;
            return true;
        }
    }
    return false;
}

bool bind_sreg(const struct insn *in, struct uop *u, bool *ends)
{
    bool loads_ss = in->opnd[0].kind == X86_OPND_SREG && in->opnd[0].reg == X86_SS;

    switch (in->op) {
    case X86_MOV_FROM_SREG:
        u->run = mov_from_sreg;
        return true;
    case X86_PUSH_SREG:
        u->run = push_sreg;
        return true;
    case X86_MOV_TO_SREG:
        u->run = loads_ss ? mov_to_ss : mov_to_sreg;
        *ends = loads_ss;
        return true;
    case X86_POP_SREG:
        u->run = loads_ss ? pop_ss : pop_sreg;
        *ends = loads_ss;
        return true;
    default:
        return bind_far_pointer(in, u);
    }
}
