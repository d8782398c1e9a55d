/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Handlers of bit tests and scans, conditional set and move, compare-and-exchange, and of the
 * instructions on single flags. Executor side. SDM 2A to 2D under each mnemonic.
 */
#include "integer.h"
#include "mem.h"

/* ---- BT, BTS, BTR, BTC ------------------------------------------------------------------------------- */

enum bit_op { BIT_TEST, BIT_SET, BIT_RESET, BIT_COMPLEMENT };

#define BIT_INSN(name)                                                                                       \
    __asm__(ALU_LOAD_FLAGS name " %k2, %k0" ALU_STORE_FLAGS : "+&r"(a), "+&a"(f) : "r"(bit) : "cc")

/* Only CF is defined; the host keeps or changes the others as it does. bit < operand width. */
static uint32_t bit_apply(enum bit_op op, uint32_t a, uint32_t bit, uint16_t *arith)
{
    uint32_t f = *arith;
    switch (op) {
    case BIT_TEST:
        BIT_INSN("btl");
        break;
    case BIT_SET:
        BIT_INSN("btsl");
        break;
    case BIT_RESET:
        BIT_INSN("btrl");
        break;
    default:
        BIT_INSN("btcl");
        break;
    }
    *arith = (uint16_t)f;
    return a;
}

/* aux: enum bit_op, plus BIT_WORD for 16-bit operands, plus BIT_IMM when the bit number is immediate. */
enum { BIT_WORD = 0x10, BIT_IMM = 0x20 };

HANDLER(bit_test)
{
    enum bit_op op = (enum bit_op)(u->aux & 3);
    unsigned size = u->aux & BIT_WORD ? 2 : 4;
    uint32_t number = u->aux & BIT_IMM ? u->imm : gpr_read(v, u->src, size);
    uint32_t bit = number & (size * 8 - 1);
    if (!(u->flags & UOP_DST_MEM)) {
        uint32_t r = bit_apply(op, gpr_read(v, u->dst, size), bit, &v->arith);
        if (op != BIT_TEST)
            gpr_write(v, u->dst, size, r);
        NEXT(v, u);
    }
    uint32_t offset = ea_offset32(v, u);
    if (!(u->aux & BIT_IMM)) {
        /* A register bit number reaches beyond the operand: it is signed and counts whole operands. */
        int32_t distance = size == 4 ? (int32_t)number >> 5 : (int16_t)number >> 4;
        offset += (uint32_t)distance * size;
    }
    if (u->flags & UOP_A16)
        offset &= 0xffff;
    guest_la la = seg_linear(v, u, u->seg, offset, size, op != BIT_TEST);
    uint16_t arith = v->arith;
    if (op != BIT_TEST)
        mem_probe_write(v, u, la, size);
    uint32_t r = bit_apply(op, (uint32_t)mem_read(v, u, la, size), bit, &arith);
    if (op != BIT_TEST)
        mem_write(v, u, la, size, r);
    v->arith = arith;
    NEXT(v, u);
}

/* ---- BSF, BSR --------------------------------------------------------------------------------------------
 */

#define SCAN_INSN(name, w)                                                                                   \
    __asm__(ALU_LOAD_FLAGS name " %" w "2, %" w "0" ALU_STORE_FLAGS : "+&r"(a), "+&a"(f) : "r"(b) : "cc")

/* A zero source leaves the destination alone on the host as on the processors modelled. */
static ALWAYS_INLINE const struct uop *scan_template(struct vcpu *v, const struct uop *u, bool reverse,
                                                     unsigned size)
{
    uint32_t b = opnd_read_src(v, u, size), a = gpr_read(v, u->dst, size), f = v->arith;
    if (size == 4 && reverse)
        SCAN_INSN("bsrl", "k");
    else if (size == 4)
        SCAN_INSN("bsfl", "k");
    else if (reverse)
        SCAN_INSN("bsrw", "w");
    else
        SCAN_INSN("bsfw", "w");
    v->arith = (uint16_t)f;
    /* In 64-bit mode the host clears the upper half even when it writes nothing else; only 32 bits are kept.
     */
    gpr_write(v, u->dst, size, a);
    NEXT(v, u);
}

HANDLER(bsf_2)
{
    return scan_template(v, u, false, 2);
}

HANDLER(bsf_4)
{
    return scan_template(v, u, false, 4);
}

HANDLER(bsr_2)
{
    return scan_template(v, u, true, 2);
}

HANDLER(bsr_4)
{
    return scan_template(v, u, true, 4);
}

/* ---- SETcc, CMOVcc: aux is the condition
 * ---------------------------------------------------------------------- */

#define EACH_CONDITION(X)                                                                                    \
    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)

#define SETCC_HANDLER(cc)                                                                                    \
    HANDLER(setcc_##cc)                                                                                      \
    {                                                                                                        \
        opnd_write_dst(v, u, 1, alu_condition(v->arith, cc));                                                \
        NEXT(v, u);                                                                                          \
    }
EACH_CONDITION(SETCC_HANDLER)

#define SETCC_REG_HANDLER(cc)                                                                                \
    HANDLER(setcc_reg_##cc)                                                                                  \
    {                                                                                                        \
        v->gpr.b[u->dst] = alu_condition(v->arith, cc);                                                      \
        NEXT(v, u);                                                                                          \
    }
EACH_CONDITION(SETCC_REG_HANDLER)

/* The source is read, and may fault, whether the condition holds or not. */
#define CMOVCC_HANDLER(cc)                                                                                   \
    HANDLER(cmovcc_##cc)                                                                                     \
    {                                                                                                        \
        unsigned size = u->flags & UOP_O16 ? 2 : 4;                                                          \
        uint32_t value = opnd_read_src(v, u, size);                                                          \
        if (alu_condition(v->arith, cc))                                                                     \
            gpr_write(v, u->dst, size, value);                                                               \
        NEXT(v, u);                                                                                          \
    }
EACH_CONDITION(CMOVCC_HANDLER)

#define SETCC_NAME(cc)     setcc_##cc,
#define SETCC_REG_NAME(cc) setcc_reg_##cc,
#define CMOVCC_NAME(cc)    cmovcc_##cc,
static uop_fn *const setcc_handlers[16] = { EACH_CONDITION(SETCC_NAME) };
static uop_fn *const setcc_reg_handlers[16] = { EACH_CONDITION(SETCC_REG_NAME) };
static uop_fn *const cmovcc_handlers[16] = { EACH_CONDITION(CMOVCC_NAME) };

/* ---- BSWAP, XADD, CMPXCHG, CMPXCHG8B
 * ------------------------------------------------------------------------------ */

HANDLER(bswap_4)
{
    v->gpr.d[u->dst] = __builtin_bswap32(v->gpr.d[u->dst]);
    NEXT(v, u);
}

/* Undefined by the SDM; processors clear the 16-bit register. */
HANDLER(bswap_2)
{
    v->gpr.w[u->dst] = 0;
    NEXT(v, u);
}

static ALWAYS_INLINE const struct uop *xadd_template(struct vcpu *v, const struct uop *u, unsigned size)
{
    uint16_t arith = v->arith;
    uint32_t b = gpr_read(v, u->src, size);
    if (u->flags & UOP_DST_MEM) {
        guest_la la = ea_checked(v, u, size, true);
        mem_probe_write(v, u, la, size);
        uint32_t a = (uint32_t)mem_read(v, u, la, size);
        mem_write(v, u, la, size, alu_binary(ALU_ADD, size, a, b, &arith));
        gpr_write(v, u->src, size, a);
    } else {
        uint32_t a = gpr_read(v, u->dst, size);
        gpr_write(v, u->src, size, a);
        gpr_write(v, u->dst, size, alu_binary(ALU_ADD, size, a, b, &arith));
    }
    v->arith = arith;
    NEXT(v, u);
}

HANDLER(xadd_1)
{
    return xadd_template(v, u, 1);
}

HANDLER(xadd_2)
{
    return xadd_template(v, u, 2);
}

HANDLER(xadd_4)
{
    return xadd_template(v, u, 4);
}

static ALWAYS_INLINE const struct uop *cmpxchg_template(struct vcpu *v, const struct uop *u, unsigned size)
{
    uint16_t arith = v->arith;
    unsigned accumulator = gpr_index(X86_EAX, size);
    uint32_t a = gpr_read(v, accumulator, size), b = gpr_read(v, u->src, size), old;
    if (u->flags & UOP_DST_MEM) {
        guest_la la = ea_checked(v, u, size, true);
        mem_probe_write(v, u, la, size);
        old = (uint32_t)mem_read(v, u, la, size);
        (void)alu_binary(ALU_CMP, size, a, old, &arith);
        /* The destination is written in either case (SDM 2A, "CMPXCHG"), so devices see a write. */
        mem_write(v, u, la, size, arith & ARITH_ZF ? b : old);
    } else {
        old = gpr_read(v, u->dst, size);
        (void)alu_binary(ALU_CMP, size, a, old, &arith);
        if (arith & ARITH_ZF)
            gpr_write(v, u->dst, size, b);
    }
    if (!(arith & ARITH_ZF))
        gpr_write(v, accumulator, size, old);
    v->arith = arith;
    NEXT(v, u);
}

HANDLER(cmpxchg_1)
{
    return cmpxchg_template(v, u, 1);
}

HANDLER(cmpxchg_2)
{
    return cmpxchg_template(v, u, 2);
}

HANDLER(cmpxchg_4)
{
    return cmpxchg_template(v, u, 4);
}

HANDLER(cmpxchg8b)
{
    guest_la la = ea_checked(v, u, 8, true);
    mem_probe_write(v, u, la, 8);
    uint64_t old = mem_read(v, u, la, 8);
    uint64_t expected = (uint64_t)v->gpr.d[X86_EDX] << 32 | v->gpr.d[X86_EAX];
    if (old == expected) {
        mem_write(v, u, la, 8, (uint64_t)v->gpr.d[X86_ECX] << 32 | v->gpr.d[X86_EBX]);
        v->arith |= ARITH_ZF;
    } else {
        mem_write(v, u, la, 8, old);
        v->gpr.d[X86_EAX] = (uint32_t)old;
        v->gpr.d[X86_EDX] = (uint32_t)(old >> 32);
        v->arith &= (uint16_t)~ARITH_ZF;
    }
    NEXT(v, u);
}

/* ---- Single flags
 * -------------------------------------------------------------------------------------------------- */

HANDLER(lahf)
{
    /* AH of vcpu.arith is LAHF's own, with bit 1 set and bits 3 and 5 clear as the host gave them. */
    uint8_t ah = (uint8_t)(v->arith >> 8 & 0xd5);
    v->gpr.b[X86_EAX * 4 + 1] = ah | 2;
    NEXT(v, u);
}

HANDLER(sahf)
{
    uint16_t ah = v->gpr.b[X86_EAX * 4 + 1] & 0xd5;
    v->arith = (uint16_t)((v->arith & ARITH_OF) | ah << 8);
    NEXT(v, u);
}

HANDLER(clc)
{
    v->arith &= (uint16_t)~ARITH_CF;
    NEXT(v, u);
}

HANDLER(stc)
{
    v->arith |= ARITH_CF;
    NEXT(v, u);
}

HANDLER(cmc)
{
    v->arith ^= ARITH_CF;
    NEXT(v, u);
}

HANDLER(cld)
{
    v->eflags &= ~X86_DF;
    NEXT(v, u);
}

HANDLER(std)
{
    v->eflags |= X86_DF;
    NEXT(v, u);
}

/* ---- Binding
 * ---------------------------------------------------------------------------------------------------------
 */

static bool bind_single_flag(const struct insn *in, struct uop *u)
{
    static const struct {
        uint16_t op;
        uop_fn *run;
    } rows[] = {
        { X86_LAHF, lahf }, { X86_SAHF, sahf }, { X86_CLC, clc }, { X86_STC, stc },
        { X86_CMC, cmc },   { X86_CLD, cld },   { X86_STD, std },
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].op == in->op) {
            u->run = rows[i].run;
            return true;
        }
    }
    return false;
}

static void bind_bit_test(const struct insn *in, struct uop *u, enum bit_op op)
{
    u->aux = (uint8_t)op;
    if (in->opnd[0].size == 2)
        u->aux |= BIT_WORD;
    if (in->opnd[1].kind == X86_OPND_IMM)
        u->aux |= BIT_IMM;
    u->run = bit_test;
}

bool bind_bits(const struct insn *in, unsigned mode, struct uop *u)
{
    static uop_fn *const xadd[] = { xadd_1, xadd_2, xadd_4 };
    static uop_fn *const cmpxchg[] = { cmpxchg_1, cmpxchg_2, cmpxchg_4 };
    bool dword = in->opnd[0].size == 4;
    (void)mode;
    switch (in->op) {
    case X86_BT:
        bind_bit_test(in, u, BIT_TEST);
        return true;
    case X86_BTS:
        bind_bit_test(in, u, BIT_SET);
        return true;
    case X86_BTR:
        bind_bit_test(in, u, BIT_RESET);
        return true;
    case X86_BTC:
        bind_bit_test(in, u, BIT_COMPLEMENT);
        return true;
    case X86_BSF:
        u->run = dword ? bsf_4 : bsf_2;
        return true;
    case X86_BSR:
        u->run = dword ? bsr_4 : bsr_2;
        return true;
    case X86_SETCC:
        u->run = (u->flags & UOP_DST_MEM ? setcc_handlers : setcc_reg_handlers)[in->cond];
        return true;
    case X86_CMOVCC:
        u->run = cmovcc_handlers[in->cond];
        return true;
    case X86_BSWAP:
        u->run = dword ? bswap_4 : bswap_2;
        return true;
    case X86_XADD:
        u->run = xadd[size_log2(in->opnd[0].size)];
        return true;
    case X86_CMPXCHG:
        u->run = cmpxchg[size_log2(in->opnd[0].size)];
        return true;
    case X86_CMPXCHG8B:
        u->run = cmpxchg8b;
        return true;
    default:
        return bind_single_flag(in, u);
    }
}
