/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * MMX and SSE to SSE4.2: each instruction runs as itself on the host, with a memory operand at [rsi] and a
 * general register replaced by EAX. One template serves all of them; what differs is where operands
 * come from and where the result goes. Executor side. SDM 2A to 2D; faults: SDM 3A, "System Programming for
 * Instruction Set Extensions".
 */
#include "fpu.h"

enum source { SRC_NONE, SRC_GPR, SRC_MEM };   /* beside MMX and XMM registers */
enum target { DST_NONE, DST_GPR, DST_FLAGS }; /* likewise */

/* ---- The templates ---------------------------------------------------------------------------------------
 */

static ALWAYS_INLINE void simd_execute(struct vcpu *v, const struct uop *u, enum target to,
                                       const void *operand, uint32_t eax)
{
    if (to == DST_FLAGS)
        v->arith = fpu_call_arith(v, u->native, operand, v->arith);
    else if (to == DST_GPR)
        v->gpr.d[u->dst] = fpu_call(v, u->native, operand, eax);
    else
        fpu_call(v, u->native, operand, eax);
}

/* With MXCSR leaving exceptions unmasked. */
static ALWAYS_INLINE void simd_execute_carefully(struct vcpu *v, const struct uop *u, enum target to,
                                                 const void *operand, uint32_t eax)
{
    struct simd_result r = { .eax = eax, .arith = v->arith };
    simd_careful(v, u, operand, to == DST_FLAGS, &r);
    if (to == DST_FLAGS)
        v->arith = r.arith;
    if (to == DST_GPR)
        v->gpr.d[u->dst] = r.eax;
}

/* Everything but stores. */
static ALWAYS_INLINE const struct uop *simd_compute(struct vcpu *v, const struct uop *u, enum source from,
                                                    enum target to, enum ea_form form, unsigned size,
                                                    bool aligned, uop_fn *slow)
{
    const void *p = NULL;
    if (unlikely(v->fpu.guard & u->aux))
        return slow(v, u);
    if (from == SRC_MEM) {
        guest_la la = ea_linear(v, u, form, size, false);
        p = aligned && unlikely(la & 15) ? NULL : mem_hit_read(v, la, size);
        if (unlikely(!p))
            return slow(v, u);
    }
    simd_execute(v, u, to, p, from == SRC_GPR ? v->gpr.d[u->src] : 0);
    NEXT(v, u);
}

static ALWAYS_INLINE void simd_compute_anywhere(struct vcpu *v, const struct uop *u, enum source from,
                                                enum target to, enum ea_form form, unsigned size,
                                                bool aligned)
{
    uint8_t buffer[16];
    const void *p = NULL;
    uint32_t eax = from == SRC_GPR ? v->gpr.d[u->src] : 0;
    bool careful = v->fpu.guard & u->aux && fpu_admit(v, u, u->aux);
    if (from == SRC_MEM) {
        guest_la la = ea_linear(v, u, form, size, false);
        if (aligned && (la & 15))
            raise_error(v, u, X86_GP, 0);
        p = mem_hit_read(v, la, size);
        if (!p)
            p = fpu_fetch(v, u, la, size, buffer);
    }
    if (careful)
        simd_execute_carefully(v, u, to, p, eax);
    else
        simd_execute(v, u, to, p, eax);
}

/* Stores raise no SIMD exceptions and change nothing but memory, so a store may run twice. */
static ALWAYS_INLINE const struct uop *simd_store(struct vcpu *v, const struct uop *u, enum ea_form form,
                                                  unsigned size, bool aligned, uop_fn *slow)
{
    if (unlikely(v->fpu.guard & u->aux))
        return slow(v, u);
    guest_la la = ea_linear(v, u, form, size, true);
    void *p = aligned && unlikely(la & 15) ? NULL : mem_hit_write(v, la, size);
    if (unlikely(!p))
        return slow(v, u);
    fpu_call(v, u->native, p, 0);
    NEXT(v, u);
}

static ALWAYS_INLINE void simd_store_anywhere(struct vcpu *v, const struct uop *u, enum ea_form form,
                                              unsigned size, bool aligned)
{
    uint8_t buffer[16];
    if (v->fpu.guard & u->aux)
        fpu_admit(v, u, u->aux);
    guest_la la = ea_linear(v, u, form, size, true);
    if (aligned && (la & 15))
        raise_error(v, u, X86_GP, 0);
    void *p = mem_hit_write(v, la, size);
    if (!p) {
        fpu_check_alignment(v, u, la, size == 16 ? 4 : size);
        fpu_probe_write(v, u, la, size);
    }
    fpu_call(v, u->native, p ? p : buffer, 0);
    if (!p)
        fpu_store(v, u, la, size, buffer);
}

/* ---- The handlers -------------------------------------------------------------------------------------- */

#define SIMD_COMPUTE(name, from, to, form, size, aligned)                                                    \
    HANDLER_PAIR_APART(name, simd_compute(v, u, from, to, form, size, aligned, slow),                        \
                       simd_compute_anywhere(v, u, from, to, form, size, aligned))
#define SIMD_LOAD(name, to, size, aligned)                                                                   \
    SIMD_COMPUTE(name##_flat, SRC_MEM, to, EA_FLAT, size, aligned)                                           \
    SIMD_COMPUTE(name##_checked, SRC_MEM, to, EA_CHECKED, size, aligned)
#define SIMD_STORE(name, size, aligned)                                                                      \
    HANDLER_PAIR_APART(name##_flat, simd_store(v, u, EA_FLAT, size, aligned, slow),                          \
                       simd_store_anywhere(v, u, EA_FLAT, size, aligned))                                    \
    HANDLER_PAIR_APART(name##_checked, simd_store(v, u, EA_CHECKED, size, aligned, slow),                    \
                       simd_store_anywhere(v, u, EA_CHECKED, size, aligned))

SIMD_COMPUTE(simd_reg, SRC_NONE, DST_NONE, EA_FLAT, 0, false)
SIMD_COMPUTE(simd_reg_to_gpr, SRC_NONE, DST_GPR, EA_FLAT, 0, false)
SIMD_COMPUTE(simd_reg_to_flags, SRC_NONE, DST_FLAGS, EA_FLAT, 0, false)
SIMD_COMPUTE(simd_gpr_to_reg, SRC_GPR, DST_NONE, EA_FLAT, 0, false)

SIMD_LOAD(simd_load1, DST_NONE, 1, false)
SIMD_LOAD(simd_load2, DST_NONE, 2, false)
SIMD_LOAD(simd_load4, DST_NONE, 4, false)
SIMD_LOAD(simd_load8, DST_NONE, 8, false)
SIMD_LOAD(simd_load16, DST_NONE, 16, true)
SIMD_LOAD(simd_load16u, DST_NONE, 16, false)
SIMD_LOAD(simd_load4_to_gpr, DST_GPR, 4, false)
SIMD_LOAD(simd_load8_to_gpr, DST_GPR, 8, false)
SIMD_LOAD(simd_load4_to_flags, DST_FLAGS, 4, false)
SIMD_LOAD(simd_load8_to_flags, DST_FLAGS, 8, false)
SIMD_LOAD(simd_load16_to_flags, DST_FLAGS, 16, true)
SIMD_STORE(simd_store1, 1, false)
SIMD_STORE(simd_store2, 2, false)
SIMD_STORE(simd_store4, 4, false)
SIMD_STORE(simd_store8, 8, false)
SIMD_STORE(simd_store16, 16, true)
SIMD_STORE(simd_store16u, 16, false)

/* By operand size (1, 2, 4, 8, 16 aligned, 16 at any address) and form (checked, flat). */
enum { SIZE_ROWS = 6 };
#define BOTH_FORMS(name)                                                                                     \
    {                                                                                                        \
        name##_checked, name##_flat                                                                          \
    }

static uop_fn *const loads[SIZE_ROWS][2] = {
    BOTH_FORMS(simd_load1), BOTH_FORMS(simd_load2),  BOTH_FORMS(simd_load4),
    BOTH_FORMS(simd_load8), BOTH_FORMS(simd_load16), BOTH_FORMS(simd_load16u),
};
static uop_fn *const loads_to_gpr[SIZE_ROWS][2] = {
    [2] = BOTH_FORMS(simd_load4_to_gpr),
    [3] = BOTH_FORMS(simd_load8_to_gpr),
};
static uop_fn *const loads_to_flags[SIZE_ROWS][2] = {
    [2] = BOTH_FORMS(simd_load4_to_flags),
    [3] = BOTH_FORMS(simd_load8_to_flags),
    [4] = BOTH_FORMS(simd_load16_to_flags),
};
static uop_fn *const stores[SIZE_ROWS][2] = {
    BOTH_FORMS(simd_store1), BOTH_FORMS(simd_store2),  BOTH_FORMS(simd_store4),
    BOTH_FORMS(simd_store8), BOTH_FORMS(simd_store16), BOTH_FORMS(simd_store16u),
};

/* ---- What an instruction is ---------------------------------------------------------------------------- */

/* Index of the operand of that kind, or -1. */
static int find_operand(const struct insn *in, unsigned kind)
{
    for (int i = 0; i < 3; i++)
        if (in->opnd[i].kind == kind)
            return i;
    return -1;
}

/* 128-bit memory operands that may be misaligned: SDM 2A to 2D, the exceptions of each. */
static bool allows_misaligned(unsigned op)
{
    return op == X86_MOVUPS || op == X86_MOVUPD || op == X86_MOVDQU || op == X86_LDDQU;
}

static bool sets_flags(unsigned op)
{
    return op == X86_COMISS || op == X86_COMISD || op == X86_UCOMISS || op == X86_UCOMISD || op == X86_PTEST;
}

/* Can it raise a SIMD floating-point exception? SDM 1, "SIMD Floating-Point Exceptions". */
static bool is_math(unsigned op)
{
    /* clang-format off */
    switch (op) {
    case X86_UCOMISS: case X86_UCOMISD: case X86_COMISS: case X86_COMISD:
    case X86_SQRTPS: case X86_SQRTPD: case X86_SQRTSS: case X86_SQRTSD:
    case X86_ADDPS: case X86_ADDPD: case X86_ADDSS: case X86_ADDSD:
    case X86_MULPS: case X86_MULPD: case X86_MULSS: case X86_MULSD:
    case X86_SUBPS: case X86_SUBPD: case X86_SUBSS: case X86_SUBSD:
    case X86_MINPS: case X86_MINPD: case X86_MINSS: case X86_MINSD:
    case X86_DIVPS: case X86_DIVPD: case X86_DIVSS: case X86_DIVSD:
    case X86_MAXPS: case X86_MAXPD: case X86_MAXSS: case X86_MAXSD:
    case X86_CMPPS: case X86_CMPPD: case X86_CMPSS: case X86_CMPSD:
    case X86_CVTPI2PS: case X86_CVTSI2SS: case X86_CVTSI2SD:
    case X86_CVTTPS2PI: case X86_CVTTPD2PI: case X86_CVTTSS2SI: case X86_CVTTSD2SI:
    case X86_CVTPS2PI: case X86_CVTPD2PI: case X86_CVTSS2SI: case X86_CVTSD2SI:
    case X86_CVTPS2PD: case X86_CVTPD2PS: case X86_CVTSS2SD: case X86_CVTSD2SS:
    case X86_CVTDQ2PS: case X86_CVTPS2DQ: case X86_CVTTPS2DQ: case X86_CVTPD2DQ: case X86_CVTTPD2DQ:
    case X86_ADDSUBPS: case X86_ADDSUBPD: case X86_HADDPS: case X86_HADDPD: case X86_HSUBPS: case X86_HSUBPD:
    case X86_ROUNDPS: case X86_ROUNDPD: case X86_ROUNDSS: case X86_ROUNDSD:
    case X86_DPPS: case X86_DPPD:
        return true;
    default:
        return false;
    }
    /* clang-format on */
}

static uint8_t classes(const struct insn *in)
{
    unsigned c = 0;
    if (is_math(in->op))
        c |= FPU_SSE_MATH; /* even if no XMM register takes part: CVTTSS2SI from memory */
    else if (find_operand(in, X86_OPND_XMM) >= 0)
        c |= FPU_SSE;
    /* CVTPI2PS takes part in the x87/MMX rules even when its source is memory; CVTPI2PD does not. */
    if (find_operand(in, X86_OPND_MMX) >= 0 || in->op == X86_EMMS || in->op == X86_CVTPI2PS)
        c |= FPU_MMX;
    return (uint8_t)c;
}

static enum simd_kind kind_of(unsigned op)
{
    /* clang-format off */
    switch (op) {
    case X86_ADDPS: case X86_ADDPD: case X86_ADDSS: case X86_ADDSD:
        return SIMD_ADD;
    case X86_SUBPS: case X86_SUBPD: case X86_SUBSS: case X86_SUBSD:
        return SIMD_SUB;
    case X86_MULPS: case X86_MULPD: case X86_MULSS: case X86_MULSD:
        return SIMD_MUL;
    case X86_DIVPS: case X86_DIVPD: case X86_DIVSS: case X86_DIVSD:
        return SIMD_DIV;
    case X86_SQRTPS: case X86_SQRTPD: case X86_SQRTSS: case X86_SQRTSD:
        return SIMD_SQRT;
    case X86_CVTPD2PS: case X86_CVTSD2SS:
        return SIMD_NARROW;
    case X86_ADDSUBPS: case X86_ADDSUBPD:
        return SIMD_ADDSUB;
    case X86_HADDPS: case X86_HADDPD:
        return SIMD_HADD;
    case X86_HSUBPS: case X86_HSUBPD:
        return SIMD_HSUB;
    case X86_DPPS: case X86_DPPD:
        return SIMD_DOT;
    default:
        return SIMD_PLAIN;
    }
    /* clang-format on */
}

/* uop.imm for simd_careful(). Element type and scalar form follow from the mandatory prefix. */
static uint32_t describe(const struct insn *in, unsigned c)
{
    uint32_t d = kind_of(in->op);
    bool two_forms =
        in->op == X86_ADDSUBPS || in->op == X86_HADDPS || in->op == X86_HSUBPS || in->op == X86_DPPS;
    if ((in->simd_prefix == 0x66 || in->simd_prefix == 0xf2) && !two_forms)
        d |= SIMD_DOUBLE;
    if (in->simd_prefix == 0xf3 || (in->simd_prefix == 0xf2 && !two_forms))
        d |= SIMD_SCALAR;
    if (c & FPU_MMX)
        d |= SIMD_TO_MMX;
    if (in->modrm < 0xc0)
        d |= SIMD_IS_MEM;
    return d | (in->modrm >> 3 & 7u) << 8 | (in->modrm & 7u) << 12 | (in->imm & 0xff) << 16;
}

/* ---- Binding ------------------------------------------------------------------------------------------- */

/* The general register, if any, is in ModRM.reg for these and in ModRM.rm for all others. */
static bool gpr_in_reg_field(const struct insn *in)
{
    return in->map == 1 && (in->opcode == 0x50 || in->opcode == 0x2c || in->opcode == 0x2d ||
                            in->opcode == 0xc5 || in->opcode == 0xd7);
}

/* ModRM of the host's instruction: memory at [rsi], general register EAX. */
static uint8_t host_modrm(const struct insn *in)
{
    uint8_t modrm = in->modrm;
    if (find_operand(in, X86_OPND_GPR) >= 0) {
        if (gpr_in_reg_field(in))
            modrm &= 0xc7;
        else if (modrm >= 0xc0)
            modrm &= 0xf8;
    }
    return modrm < 0xc0 ? (modrm & 0x38) | 6 : modrm;
}

static const void *emit(struct vcpu *v, const struct insn *in)
{
    uint8_t bytes[7], prefix = in->simd_prefix, opcode = in->opcode;
    unsigned n = 0;
    if (in->op == X86_CVTPI2PD && in->modrm < 0xc0) {
        prefix = 0xf3; /* CVTDQ2PD: the same conversion, and surely no look at the x87 state */
        opcode = 0xe6;
    }
    if (prefix)
        bytes[n++] = prefix;
    bytes[n++] = 0x0f;
    if (in->map == 2)
        bytes[n++] = 0x38;
    if (in->map == 3)
        bytes[n++] = 0x3a;
    bytes[n++] = opcode;
    if (in->has_modrm)
        bytes[n++] = host_modrm(in);
    if (find_operand(in, X86_OPND_IMM) >= 0)
        bytes[n++] = (uint8_t)in->imm;
    return fpu_emit(v, bytes, n);
}

static unsigned size_row(const struct insn *in, unsigned size)
{
    if (size == 16)
        return allows_misaligned(in->op) ? 5 : 4;
    return size == 8 ? 3 : size >> 1;
}

static uop_fn *choose(const struct insn *in, unsigned mode, const struct uop *u)
{
    int mem = find_operand(in, X86_OPND_MEM);
    bool to_gpr = in->opnd[0].kind == X86_OPND_GPR;
    if (mem < 0) {
        if (to_gpr)
            return simd_reg_to_gpr;
        if (sets_flags(in->op))
            return simd_reg_to_flags;
        return find_operand(in, X86_OPND_GPR) >= 0 ? simd_gpr_to_reg : simd_reg;
    }
    uop_fn *const(*table)[2] = mem == 0             ? stores
                               : to_gpr             ? loads_to_gpr
                               : sets_flags(in->op) ? loads_to_flags
                                                    : loads;
    return table[size_row(in, in->opnd[mem].size)][ea_is_flat(u, mode)];
}

bool bind_simd(struct vcpu *v, const struct insn *in, unsigned mode, struct uop *u)
{
    if (in->isa < X86_ISA_MMX || in->isa > X86_ISA_SSE42 || in->map == 0)
        return false;
    if (!simd_offered(v, in)) {
        u->run = fpu_undefined;
        return true;
    }
    u->run = choose(in, mode, u);
    if (!u->run)
        return false;
    u->aux = classes(in);
    u->imm = describe(in, u->aux);
    if (in->opnd[0].kind == X86_OPND_GPR)
        u->dst = in->opnd[0].reg;
    if (in->opnd[1].kind == X86_OPND_GPR)
        u->src = in->opnd[1].reg;
    u->native = emit(v, in);
    return true;
}
