/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Handlers of multiplication and division. The host computes, flags included; a division is checked first,
 * so the host's never faults. Executor side. SDM 2A, "MUL", "IMUL", "DIV", "IDIV", "AAM", "AAD".
 */
#include "integer.h"
#include "mem.h"

/* ---- MUL, IMUL with one operand: AX, DX:AX or EDX:EAX gets the product ------------------------------- */

/*
 * One instruction on AX/EAX (a) and DX/EDX (d), with the guest's flags f loaded before and collected after:
 * both want EAX, so the flags wait in R8 while the operand is put in place by moves, which change none.
 */
#define ON_ACCUMULATOR(name, suffix, w)                                                                      \
    __asm__("movl %k[f], %%eax\n\tmovl %k[a], %%r8d\n\t" ALU_LOAD_FLAGS "movl %%r8d, %%eax\n\t" name suffix  \
            " %" w "[b]\n\t"                                                                                 \
            "movl %%eax, %k[a]\n\tlahf\n\tseto %%al\n\tmovl %%eax, %k[f]"                                    \
            : [a] "+&r"(a), [f] "+&r"(f), "+&d"(d)                                                           \
            : [b] "r"(b)                                                                                     \
            : "rax", "r8", "cc")

/* Product of a and b in *low and *high (size 1: all 16 bits in *low). */
static ALWAYS_INLINE void multiply(bool is_signed, unsigned size, uint32_t a, uint32_t b, uint16_t *arith,
                                   uint32_t *low, uint32_t *high)
{
    uint32_t f = *arith, d = 0;
    if (size == 4 && is_signed)
        ON_ACCUMULATOR("imul", "l", "k");
    else if (size == 4)
        ON_ACCUMULATOR("mul", "l", "k");
    else if (size == 2 && is_signed)
        ON_ACCUMULATOR("imul", "w", "w");
    else if (size == 2)
        ON_ACCUMULATOR("mul", "w", "w");
    else if (is_signed)
        ON_ACCUMULATOR("imul", "b", "b");
    else
        ON_ACCUMULATOR("mul", "b", "b");
    *arith = (uint16_t)f;
    *low = a;
    *high = d;
}

static ALWAYS_INLINE const struct uop *mul_template(struct vcpu *v, const struct uop *u, bool is_signed,
                                                    unsigned size)
{
    uint32_t b = opnd_read_dst(v, u, size), low, high;
    multiply(is_signed, size, v->gpr.d[X86_EAX], b, &v->arith, &low, &high);
    if (size == 1) {
        v->gpr.w[X86_EAX * 2] = (uint16_t)low;
    } else {
        gpr_write(v, gpr_index(X86_EAX, size), size, low);
        gpr_write(v, gpr_index(X86_EDX, size), size, high);
    }
    NEXT(v, u);
}

/* ---- IMUL with two or three operands ----------------------------------------------------------------------
 */

#define IMUL_SIZED(suffix, w)                                                                                \
    __asm__(ALU_LOAD_FLAGS "imul" suffix " %" w "2, %" w "0" ALU_STORE_FLAGS                                 \
            : "+&r"(a), "+&a"(f)                                                                             \
            : "r"(b)                                                                                         \
            : "cc")

/* Where the source is: a register, memory by the flat form, or anything. */
enum imul_source { IMUL_REG, IMUL_FLAT, IMUL_ANY };

static ALWAYS_INLINE const struct uop *imul_template(struct vcpu *v, const struct uop *u, bool three,
                                                     unsigned size, enum imul_source source, uop_fn *slow)
{
    uint32_t a, f = v->arith;
    if (source == IMUL_REG)
        a = gpr_read(v, u->src, size);
    else if (source == IMUL_ANY)
        a = opnd_read_src(v, u, size);
    else if (!mem_try_read(v, u, ea_offset32(v, u), size, slow, &a))
        return slow(v, u);
    uint32_t b = three ? u->imm : gpr_read(v, u->dst, size);
    if (size == 4)
        IMUL_SIZED("l", "k");
    else
        IMUL_SIZED("w", "w");
    v->arith = (uint16_t)f;
    gpr_write(v, u->dst, size, a);
    NEXT(v, u);
}

/* ---- DIV, IDIV
 * ----------------------------------------------------------------------------------------------- */

/*
 * Divide d:a (size 1: the 16 bits of a) by b, which is known to work; the flags, undefined, are the host's.
 * Quotient and remainder come back in a and d, or AL and AH of a.
 */
static ALWAYS_INLINE void divide(bool is_signed, unsigned size, uint32_t *low, uint32_t *high, uint32_t b,
                                 uint16_t *arith)
{
    uint32_t f = *arith, a = *low, d = *high;
    if (size == 4 && is_signed)
        ON_ACCUMULATOR("idiv", "l", "k");
    else if (size == 4)
        ON_ACCUMULATOR("div", "l", "k");
    else if (size == 2 && is_signed)
        ON_ACCUMULATOR("idiv", "w", "w");
    else if (size == 2)
        ON_ACCUMULATOR("div", "w", "w");
    else if (is_signed)
        ON_ACCUMULATOR("idiv", "b", "b");
    else
        ON_ACCUMULATOR("div", "b", "b");
    *arith = (uint16_t)f;
    *low = a;
    *high = d;
}

/* Does the quotient fit? If not, and for a divisor of zero, the instruction is #DE. */
static ALWAYS_INLINE bool unsigned_fits(unsigned size, uint64_t dividend, uint32_t divisor)
{
    return divisor != 0 && dividend >> (size * 8) < divisor;
}

static ALWAYS_INLINE bool signed_fits(unsigned size, int64_t dividend, int64_t divisor)
{
    /* The one quotient that does not fit 64 bits does not fit 32 either. */
    if (divisor == 0 || (dividend == INT64_MIN && divisor == -1))
        return false;
    int64_t quotient = dividend / divisor, limit = (int64_t)1 << (size * 8 - 1);
    return quotient < limit && quotient >= -limit;
}

static ALWAYS_INLINE const struct uop *div_template(struct vcpu *v, const struct uop *u, bool is_signed,
                                                    unsigned size)
{
    uint32_t b = opnd_read_dst(v, u, size), a = v->gpr.d[X86_EAX], d = v->gpr.d[X86_EDX];
    uint64_t dividend = size == 4   ? (uint64_t)d << 32 | a
                        : size == 2 ? (d & 0xffff) << 16 | (a & 0xffff)
                                    : a & 0xffff;
    bool fits;
    if (!is_signed)
        fits = unsigned_fits(size, dividend, b);
    else if (size == 4)
        fits = signed_fits(size, (int64_t)dividend, (int32_t)b);
    else if (size == 2)
        fits = signed_fits(size, (int32_t)dividend, (int16_t)b);
    else
        fits = signed_fits(size, (int16_t)dividend, (int8_t)b);
    if (unlikely(!fits))
        raise_exception(v, u, X86_DE);
    divide(is_signed, size, &a, &d, b, &v->arith);
    gpr_write(v, gpr_index(X86_EAX, size == 1 ? 2 : size), size == 1 ? 2 : size, a);
    if (size != 1)
        gpr_write(v, gpr_index(X86_EDX, size), size, d);
    NEXT(v, u);
}

/* ---- AAM, AAD
 * ------------------------------------------------------------------------------------------------- */

/* SF, ZF, PF by the result in AL; the others, undefined, as processors leave them: clear. */
static void flags_by_al(struct vcpu *v)
{
    (void)alu_binary(ALU_OR, 1, v->gpr.b[X86_EAX], 0, &v->arith);
}

HANDLER(aam)
{
    uint8_t base = (uint8_t)u->imm, al = v->gpr.b[X86_EAX];
    if (base == 0)
        raise_exception(v, u, X86_DE);
    v->gpr.b[X86_EAX * 4 + 1] = al / base;
    v->gpr.b[X86_EAX * 4] = al % base;
    flags_by_al(v);
    NEXT(v, u);
}

HANDLER(aad)
{
    uint8_t al = v->gpr.b[X86_EAX * 4], ah = v->gpr.b[X86_EAX * 4 + 1];
    /* Processors add, so that CF, OF and AF (undefined) are the addition's. */
    uint32_t sum = alu_binary(ALU_ADD, 1, al, (uint8_t)(ah * u->imm), &v->arith);
    v->gpr.w[X86_EAX * 2] = (uint8_t)sum;
    NEXT(v, u);
}

/* ---- Handlers by size
 * -------------------------------------------------------------------------------------------- */

#define SIZED(name, call)                                                                                    \
    HANDLER(name)                                                                                            \
    {                                                                                                        \
        return call;                                                                                         \
    }

SIZED(mul_1, mul_template(v, u, false, 1))
SIZED(mul_2, mul_template(v, u, false, 2))
SIZED(mul_4, mul_template(v, u, false, 4))
SIZED(imul1_1, mul_template(v, u, true, 1))
SIZED(imul1_2, mul_template(v, u, true, 2))
SIZED(imul1_4, mul_template(v, u, true, 4))
SIZED(imul2_2, imul_template(v, u, false, 2, IMUL_ANY, NULL))
SIZED(imul2_4, imul_template(v, u, false, 4, IMUL_ANY, NULL))
SIZED(imul2_4_reg, imul_template(v, u, false, 4, IMUL_REG, NULL))
HANDLER_PAIR(imul2_4_flat, imul_template(v, u, false, 4, IMUL_FLAT, slow))
SIZED(imul3_2, imul_template(v, u, true, 2, IMUL_ANY, NULL))
SIZED(imul3_4, imul_template(v, u, true, 4, IMUL_ANY, NULL))
SIZED(imul3_4_reg, imul_template(v, u, true, 4, IMUL_REG, NULL))
HANDLER_PAIR(imul3_4_flat, imul_template(v, u, true, 4, IMUL_FLAT, slow))
SIZED(div_1, div_template(v, u, false, 1))
SIZED(div_2, div_template(v, u, false, 2))
SIZED(div_4, div_template(v, u, false, 4))
SIZED(idiv_1, div_template(v, u, true, 1))
SIZED(idiv_2, div_template(v, u, true, 2))
SIZED(idiv_4, div_template(v, u, true, 4))

static void bind_imul(const struct insn *in, unsigned mode, struct uop *u)
{
    static uop_fn *const dword[2][3] = {
        { imul2_4_reg, imul2_4_flat, imul2_4 },
        { imul3_4_reg, imul3_4_flat, imul3_4 },
    };
    bool three = in->opnd[2].kind != X86_OPND_NONE;
    enum imul_source source = !(u->flags & UOP_MEM) ? IMUL_REG : ea_is_flat(u, mode) ? IMUL_FLAT : IMUL_ANY;
    if (in->opnd[0].size == 4)
        u->run = dword[three][source];
    else
        u->run = three ? imul3_2 : imul2_2;
}

bool bind_muldiv(const struct insn *in, unsigned mode, struct uop *u)
{
    static uop_fn *const mul[] = { mul_1, mul_2, mul_4 }, *const imul1[] = { imul1_1, imul1_2, imul1_4 };
    static uop_fn *const div[] = { div_1, div_2, div_4 }, *const idiv[] = { idiv_1, idiv_2, idiv_4 };
    unsigned size = size_log2(in->opnd[0].size);
    switch (in->op) {
    case X86_MUL:
        u->run = mul[size];
        return true;
    case X86_IMUL:
        if (in->opnd[1].kind == X86_OPND_NONE)
            u->run = imul1[size];
        else
            bind_imul(in, mode, u);
        return true;
    case X86_DIV:
        u->run = div[size];
        return true;
    case X86_IDIV:
        u->run = idiv[size];
        return true;
    case X86_AAM:
        u->run = aam;
        return true;
    case X86_AAD:
        u->run = aad;
        return true;
    default:
        return false;
    }
}
