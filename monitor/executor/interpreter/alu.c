/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Handlers of the two-operand and one-operand arithmetic instructions, one for each operation, size and
 * operand form, stamped out from two templates. Executor side. SDM 2A to 2D, ADD .. XOR, INC, DEC, NEG, NOT.
 */
#include "alu.h"
#include "integer.h"
#include "mem.h"

/* Where the operands are. Memory forms exist flat and checked (mem.h). */
enum form {
    FORM_REG_REG,
    FORM_REG_IMM,
    FORM_REG_MEM,
    FORM_REG_MEM_CHECKED,
    FORM_MEM_REG,
    FORM_MEM_REG_CHECKED,
    FORM_MEM_IMM,
    FORM_MEM_IMM_CHECKED,
    FORM_COUNT
};

/*
 * Memory destination. The slow twin serves memory that is not in the TLB, or is a device: all faults come
 * before anything changes, and the flags change last, because a device write leaves the executor and the
 * instruction runs again.
 */
static ALWAYS_INLINE const struct uop *alu_memory(struct vcpu *v, const struct uop *u, enum alu_op op,
                                                  unsigned size, enum ea_form ea, uint32_t b, uop_fn *slow)
{
    bool write = alu_writes(op);
    guest_la la = ea_linear(v, u, ea, size, write);
    if (!slow) {
        uint16_t arith = v->arith;
        if (write)
            mem_probe_write(v, u, la, size);
        uint32_t a = alu_binary(op, size, (uint32_t)mem_read(v, u, la, size), b, &arith);
        if (write)
            mem_write(v, u, la, size, a);
        v->arith = arith;
        NEXT(v, u);
    }
    uint8_t *p = write ? mem_hit_write(v, la, size) : mem_hit_read(v, la, size);
    if (unlikely(!p))
        return slow(v, u);
    uint32_t a = alu_binary(op, size, (uint32_t)mem_load(p, size), b, &v->arith);
    if (write)
        mem_store(p, size, a);
    NEXT(v, u);
}

static ALWAYS_INLINE const struct uop *alu_register(struct vcpu *v, const struct uop *u, enum alu_op op,
                                                    unsigned size, uint32_t b)
{
    uint32_t r = alu_binary(op, size, gpr_read(v, u->dst, size), b, &v->arith);
    if (alu_writes(op))
        gpr_write(v, u->dst, size, r);
    NEXT(v, u);
}

static ALWAYS_INLINE const struct uop *alu_template(struct vcpu *v, const struct uop *u, enum alu_op op,
                                                    unsigned size, enum form form, uop_fn *slow)
{
    enum ea_form ea =
        form == FORM_REG_MEM || form == FORM_MEM_REG || form == FORM_MEM_IMM ? EA_FLAT : EA_CHECKED;
    uint32_t b;
    switch (form) {
    case FORM_REG_REG:
        return alu_register(v, u, op, size, gpr_read(v, u->src, size));
    case FORM_REG_IMM:
        return alu_register(v, u, op, size, u->imm);
    case FORM_REG_MEM:
    case FORM_REG_MEM_CHECKED:
        if (!mem_try_read(v, u, ea_linear(v, u, ea, size, false), size, slow, &b))
            return slow(v, u);
        return alu_register(v, u, op, size, b);
    case FORM_MEM_REG:
    case FORM_MEM_REG_CHECKED:
        return alu_memory(v, u, op, size, ea, gpr_read(v, u->src, size), slow);
    default:
        return alu_memory(v, u, op, size, ea, u->imm, slow);
    }
}

#define ALU_HANDLER(op, size, form)                                                                          \
    HANDLER_PAIR(alu_##op##_##size##_##form, alu_template(v, u, ALU_##op, size, FORM_##form, slow))
#define ALU_SIZE(op, size)                                                                                   \
    ALU_HANDLER(op, size, REG_REG)                                                                           \
    ALU_HANDLER(op, size, REG_IMM)                                                                           \
    ALU_HANDLER(op, size, REG_MEM)                                                                           \
    ALU_HANDLER(op, size, REG_MEM_CHECKED)                                                                   \
    ALU_HANDLER(op, size, MEM_REG)                                                                           \
    ALU_HANDLER(op, size, MEM_REG_CHECKED)                                                                   \
    ALU_HANDLER(op, size, MEM_IMM)                                                                           \
    ALU_HANDLER(op, size, MEM_IMM_CHECKED)
#define ALU_OPERATION(op) ALU_SIZE(op, 1) ALU_SIZE(op, 2) ALU_SIZE(op, 4)

ALU_OPERATION(ADD)
ALU_OPERATION(OR)
ALU_OPERATION(ADC)
ALU_OPERATION(SBB)
ALU_OPERATION(AND)
ALU_OPERATION(SUB)
ALU_OPERATION(XOR)
ALU_OPERATION(CMP)
ALU_OPERATION(TEST)

#define ALU_FORMS(op, size)                                                                                  \
    {                                                                                                        \
        alu_##op##_##size##_REG_REG, alu_##op##_##size##_REG_IMM, alu_##op##_##size##_REG_MEM,               \
            alu_##op##_##size##_REG_MEM_CHECKED, alu_##op##_##size##_MEM_REG,                                \
            alu_##op##_##size##_MEM_REG_CHECKED, alu_##op##_##size##_MEM_IMM,                                \
            alu_##op##_##size##_MEM_IMM_CHECKED                                                              \
    }
#define ALU_ROW(op) [ALU_##op] = { ALU_FORMS(op, 1), ALU_FORMS(op, 2), ALU_FORMS(op, 4) }

static uop_fn *const alu_handlers[ALU_COUNT][3][FORM_COUNT] = {
    ALU_ROW(ADD), ALU_ROW(OR),  ALU_ROW(ADC), ALU_ROW(SBB),  ALU_ROW(AND),
    ALU_ROW(SUB), ALU_ROW(XOR), ALU_ROW(CMP), ALU_ROW(TEST),
};

static enum form form_of(const struct insn *in, unsigned mode, const struct uop *u)
{
    bool checked = !ea_is_flat(u, mode);
    if (in->opnd[0].kind == X86_OPND_MEM) {
        if (in->opnd[1].kind == X86_OPND_IMM)
            return checked ? FORM_MEM_IMM_CHECKED : FORM_MEM_IMM;
        return checked ? FORM_MEM_REG_CHECKED : FORM_MEM_REG;
    }
    if (in->opnd[1].kind == X86_OPND_MEM)
        return checked ? FORM_REG_MEM_CHECKED : FORM_REG_MEM;
    return in->opnd[1].kind == X86_OPND_IMM ? FORM_REG_IMM : FORM_REG_REG;
}

void bind_alu_binary(enum alu_op op, const struct insn *in, unsigned mode, struct uop *u)
{
    u->run = alu_handlers[op][size_log2(in->opnd[0].size)][form_of(in, mode, u)];
}

/* ---- One operand ------------------------------------------------------------------------------------ */

enum unary_form { UNARY_REG, UNARY_MEM, UNARY_MEM_CHECKED, UNARY_FORMS };

static ALWAYS_INLINE const struct uop *unary_template(struct vcpu *v, const struct uop *u, enum alu_unary op,
                                                      unsigned size, enum unary_form form, uop_fn *slow)
{
    if (form == UNARY_REG) {
        gpr_write(v, u->dst, size, alu_unary(op, size, gpr_read(v, u->dst, size), &v->arith));
        NEXT(v, u);
    }
    guest_la la = ea_linear(v, u, form == UNARY_MEM ? EA_FLAT : EA_CHECKED, size, true);
    uint16_t arith = v->arith;
    uint32_t a;
    if (slow && unlikely(!mem_hit_write(v, la, size)))
        return slow(v, u);
    if (!slow)
        mem_probe_write(v, u, la, size);
    if (!mem_try_read(v, u, la, size, slow, &a))
        return slow(v, u);
    a = alu_unary(op, size, a, &arith);
    if (!mem_try_write(v, u, la, size, slow, a))
        return slow(v, u);
    v->arith = arith;
    NEXT(v, u);
}

#define UNARY_HANDLER(op, size, form)                                                                        \
    HANDLER_PAIR(unary_##op##_##size##_##form, unary_template(v, u, ALU_##op, size, UNARY_##form, slow))
#define UNARY_SIZE(op, size)                                                                                 \
    UNARY_HANDLER(op, size, REG) UNARY_HANDLER(op, size, MEM) UNARY_HANDLER(op, size, MEM_CHECKED)
#define UNARY_OPERATION(op) UNARY_SIZE(op, 1) UNARY_SIZE(op, 2) UNARY_SIZE(op, 4)

UNARY_OPERATION(INC)
UNARY_OPERATION(DEC)
UNARY_OPERATION(NEG)
UNARY_OPERATION(NOT)

#define UNARY_ROW_SIZE(op, size)                                                                             \
    {                                                                                                        \
        unary_##op##_##size##_REG, unary_##op##_##size##_MEM, unary_##op##_##size##_MEM_CHECKED              \
    }
#define UNARY_ROW(op) [ALU_##op] = { UNARY_ROW_SIZE(op, 1), UNARY_ROW_SIZE(op, 2), UNARY_ROW_SIZE(op, 4) }

static uop_fn *const unary_handlers[ALU_UNARY_COUNT][3][UNARY_FORMS] = {
    UNARY_ROW(INC),
    UNARY_ROW(DEC),
    UNARY_ROW(NEG),
    UNARY_ROW(NOT),
};

void bind_alu_unary(enum alu_unary op, const struct insn *in, unsigned mode, struct uop *u)
{
    enum unary_form form = UNARY_REG;
    if (u->flags & UOP_DST_MEM)
        form = ea_is_flat(u, mode) ? UNARY_MEM : UNARY_MEM_CHECKED;
    u->run = unary_handlers[op][size_log2(in->opnd[0].size)][form];
}
