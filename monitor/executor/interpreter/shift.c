/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Handlers of rotates and shifts, by immediate or CL, and of SHLD and SHRD. The host shifts, with the
 * guest's flags loaded first, so a count of zero and every partial flag update come out by themselves.
 * Executor side. SDM 2B, "RCL/RCR/ROL/ROR", "SAL/SAR/SHL/SHR", "SHLD", "SHRD".
 */
#include "integer.h"
#include "mem.h"

enum shift_form { SHIFT_REG_IMM, SHIFT_REG_CL, SHIFT_MEM_IMM, SHIFT_MEM_CL, SHIFT_FORMS };

static ALWAYS_INLINE const struct uop *shift_template(struct vcpu *v, const struct uop *u, enum alu_shift op,
                                                      unsigned size, enum shift_form form)
{
    uint32_t n = form == SHIFT_REG_IMM || form == SHIFT_MEM_IMM ? u->imm : v->gpr.b[X86_ECX * 4];
    if (form == SHIFT_REG_IMM || form == SHIFT_REG_CL) {
        gpr_write(v, u->dst, size, alu_shift(op, size, gpr_read(v, u->dst, size), n, &v->arith));
        NEXT(v, u);
    }
    guest_la la = ea_checked(v, u, size, true);
    uint16_t arith = v->arith;
    mem_probe_write(v, u, la, size);
    uint32_t a = alu_shift(op, size, (uint32_t)mem_read(v, u, la, size), n, &arith);
    mem_write(v, u, la, size, a);
    v->arith = arith;
    NEXT(v, u);
}

#define SHIFT_HANDLER(op, size, form)                                                                        \
    HANDLER(shift_##op##_##size##_##form)                                                                    \
    {                                                                                                        \
        return shift_template(v, u, ALU_##op, size, SHIFT_##form);                                           \
    }
#define SHIFT_SIZE(op, size)                                                                                 \
    SHIFT_HANDLER(op, size, REG_IMM)                                                                         \
    SHIFT_HANDLER(op, size, REG_CL)                                                                          \
    SHIFT_HANDLER(op, size, MEM_IMM)                                                                         \
    SHIFT_HANDLER(op, size, MEM_CL)
#define SHIFT_OPERATION(op) SHIFT_SIZE(op, 1) SHIFT_SIZE(op, 2) SHIFT_SIZE(op, 4)

SHIFT_OPERATION(ROL)
SHIFT_OPERATION(ROR)
SHIFT_OPERATION(RCL)
SHIFT_OPERATION(RCR)
SHIFT_OPERATION(SHL)
SHIFT_OPERATION(SHR)
SHIFT_OPERATION(SAR)

#define SHIFT_ROW_SIZE(op, size)                                                                             \
    {                                                                                                        \
        shift_##op##_##size##_REG_IMM, shift_##op##_##size##_REG_CL, shift_##op##_##size##_MEM_IMM,          \
            shift_##op##_##size##_MEM_CL                                                                     \
    }
#define SHIFT_ROW(op) [ALU_##op] = { SHIFT_ROW_SIZE(op, 1), SHIFT_ROW_SIZE(op, 2), SHIFT_ROW_SIZE(op, 4) }

static uop_fn *const shift_handlers[ALU_SHIFT_COUNT][3][SHIFT_FORMS] = {
    SHIFT_ROW(ROL), SHIFT_ROW(ROR), SHIFT_ROW(RCL), SHIFT_ROW(RCR),
    SHIFT_ROW(SHL), SHIFT_ROW(SHR), SHIFT_ROW(SAR),
};

/* ---- SHLD, SHRD ---------------------------------------------------------------------------------------- */

enum { DOUBLE_CL = 0xff }; /* uop.aux: the count is in CL, not in imm */

#define DOUBLE_SHIFT(name, suffix, w)                                                                        \
    __asm__(ALU_LOAD_FLAGS name suffix " %%cl, %" w "2, %" w "0" ALU_STORE_FLAGS                             \
            : "+&r"(a), "+&a"(f)                                                                             \
            : "r"(b), "c"(n)                                                                                 \
            : "cc")

static ALWAYS_INLINE uint32_t double_shift(bool left, unsigned size, uint32_t a, uint32_t b, uint32_t n,
                                           uint16_t *arith)
{
    uint32_t f = *arith;
    if (size == 4 && left)
        DOUBLE_SHIFT("shld", "l", "k");
    else if (size == 4)
        DOUBLE_SHIFT("shrd", "l", "k");
    else if (left)
        DOUBLE_SHIFT("shld", "w", "w");
    else
        DOUBLE_SHIFT("shrd", "w", "w");
    *arith = (uint16_t)f;
    return a;
}

static ALWAYS_INLINE const struct uop *double_template(struct vcpu *v, const struct uop *u, bool left,
                                                       unsigned size)
{
    uint32_t n = u->aux == DOUBLE_CL ? v->gpr.b[X86_ECX * 4] : u->imm;
    uint32_t b = gpr_read(v, u->src, size);
    if (!(u->flags & UOP_DST_MEM)) {
        gpr_write(v, u->dst, size, double_shift(left, size, gpr_read(v, u->dst, size), b, n, &v->arith));
        NEXT(v, u);
    }
    guest_la la = ea_checked(v, u, size, true);
    uint16_t arith = v->arith;
    mem_probe_write(v, u, la, size);
    uint32_t a = double_shift(left, size, (uint32_t)mem_read(v, u, la, size), b, n, &arith);
    mem_write(v, u, la, size, a);
    v->arith = arith;
    NEXT(v, u);
}

HANDLER(shld_2)
{
    return double_template(v, u, true, 2);
}

HANDLER(shld_4)
{
    return double_template(v, u, true, 4);
}

HANDLER(shrd_2)
{
    return double_template(v, u, false, 2);
}

HANDLER(shrd_4)
{
    return double_template(v, u, false, 4);
}

/* ---- Binding ------------------------------------------------------------------------------------------- */

static bool shift_of(unsigned op, enum alu_shift *shift)
{
    static const uint16_t ops[ALU_SHIFT_COUNT] = {
        [ALU_ROL] = X86_ROL, [ALU_ROR] = X86_ROR, [ALU_RCL] = X86_RCL, [ALU_RCR] = X86_RCR,
        [ALU_SHL] = X86_SHL, [ALU_SHR] = X86_SHR, [ALU_SAR] = X86_SAR,
    };
    for (unsigned i = 0; i < ALU_SHIFT_COUNT; i++) {
        if (ops[i] == op) {
            *shift = (enum alu_shift)i;
            return true;
        }
    }
    return false;
}

bool bind_shift(const struct insn *in, unsigned mode, struct uop *u)
{
    enum alu_shift shift;
    unsigned size = in->opnd[0].size;
    (void)mode;
    if (shift_of(in->op, &shift)) {
        bool by_cl = in->opnd[1].kind == X86_OPND_GPR;
        bool memory = u->flags & UOP_DST_MEM;
        u->run = shift_handlers[shift][size_log2(size)][(memory ? 2 : 0) + by_cl];
        return true;
    }
    if (in->op != X86_SHLD && in->op != X86_SHRD)
        return false;
    u->aux = in->opnd[2].kind == X86_OPND_GPR ? DOUBLE_CL : 0;
    if (in->op == X86_SHLD)
        u->run = size == 4 ? shld_4 : shld_2;
    else
        u->run = size == 4 ? shrd_4 : shrd_2;
    return true;
}
