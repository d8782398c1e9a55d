/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Handlers of data movement between general registers, memory and immediates. The plain MOVs are the most
 * frequent instructions of all and come in flat and checked pairs. Executor side.
 */
#include "integer.h"
#include "mem.h"

/* ---- MOV ---------------------------------------------------------------------------------------------- */

static ALWAYS_INLINE const struct uop *load_template(struct vcpu *v, const struct uop *u, unsigned size,
                                                     enum ea_form ea, uop_fn *slow)
{
    uint32_t value;
    if (!mem_try_read(v, u, ea_linear(v, u, ea, size, false), size, slow, &value))
        return slow(v, u);
    gpr_write(v, u->dst, size, value);
    NEXT(v, u);
}

static ALWAYS_INLINE const struct uop *store_template(struct vcpu *v, const struct uop *u, unsigned size,
                                                      enum ea_form ea, bool immediate, uop_fn *slow)
{
    uint32_t value = immediate ? u->imm : gpr_read(v, u->src, size);
    if (!mem_try_write(v, u, ea_linear(v, u, ea, size, true), size, slow, value))
        return slow(v, u);
    NEXT(v, u);
}

#define MOV_SIZE(size)                                                                                       \
    HANDLER(mov_##size##_reg_reg)                                                                            \
    {                                                                                                        \
        gpr_write(v, u->dst, size, gpr_read(v, u->src, size));                                               \
        NEXT(v, u);                                                                                          \
    }                                                                                                        \
    HANDLER(mov_##size##_reg_imm)                                                                            \
    {                                                                                                        \
        gpr_write(v, u->dst, size, u->imm);                                                                  \
        NEXT(v, u);                                                                                          \
    }                                                                                                        \
    HANDLER_PAIR(mov_##size##_load, load_template(v, u, size, EA_FLAT, slow))                                \
    HANDLER_PAIR(mov_##size##_load_checked, load_template(v, u, size, EA_CHECKED, slow))                     \
    HANDLER_PAIR(mov_##size##_store, store_template(v, u, size, EA_FLAT, false, slow))                       \
    HANDLER_PAIR(mov_##size##_store_checked, store_template(v, u, size, EA_CHECKED, false, slow))            \
    HANDLER_PAIR(mov_##size##_store_imm, store_template(v, u, size, EA_FLAT, true, slow))                    \
    HANDLER_PAIR(mov_##size##_store_imm_checked, store_template(v, u, size, EA_CHECKED, true, slow))

MOV_SIZE(1)
MOV_SIZE(2)
MOV_SIZE(4)

enum mov_form {
    MOV_REG,
    MOV_IMM,
    MOV_LOAD,
    MOV_LOAD_C,
    MOV_STORE,
    MOV_STORE_C,
    MOV_STORE_IMM,
    MOV_STORE_IMM_C,
    MOV_FORMS
};

#define MOV_ROW(size)                                                                                        \
    {                                                                                                        \
        mov_##size##_reg_reg, mov_##size##_reg_imm, mov_##size##_load, mov_##size##_load_checked,            \
            mov_##size##_store, mov_##size##_store_checked, mov_##size##_store_imm,                          \
            mov_##size##_store_imm_checked                                                                   \
    }

static uop_fn *const mov_handlers[3][MOV_FORMS] = { MOV_ROW(1), MOV_ROW(2), MOV_ROW(4) };

static void bind_plain_mov(const struct insn *in, unsigned mode, struct uop *u)
{
    unsigned form;
    bool checked = !ea_is_flat(u, mode);
    if (in->opnd[0].kind == X86_OPND_MEM)
        form = (in->opnd[1].kind == X86_OPND_IMM ? MOV_STORE_IMM : MOV_STORE) + checked;
    else if (in->opnd[1].kind == X86_OPND_MEM)
        form = MOV_LOAD + checked;
    else
        form = in->opnd[1].kind == X86_OPND_IMM ? MOV_IMM : MOV_REG;
    u->run = mov_handlers[size_log2(in->opnd[0].size)][form];
}

/* ---- MOVZX, MOVSX
 * ------------------------------------------------------------------------------------------ */

static ALWAYS_INLINE uint32_t extend(uint32_t value, unsigned from, bool is_signed)
{
    if (from == 1)
        return is_signed ? (uint32_t)(int8_t)value : (uint8_t)value;
    return is_signed ? (uint32_t)(int16_t)value : (uint16_t)value;
}

static ALWAYS_INLINE const struct uop *extend_template(struct vcpu *v, const struct uop *u, unsigned from,
                                                       bool is_signed, int ea, uop_fn *slow)
{
    uint32_t value;
    if (ea < 0)
        value = gpr_read(v, u->src, from);
    else if (!mem_try_read(v, u, ea_linear(v, u, (enum ea_form)ea, from, false), from, slow, &value))
        return slow(v, u);
    v->gpr.d[u->dst] = extend(value, from, is_signed);
    NEXT(v, u);
}

#define EXTEND(from, is_signed, tag)                                                                         \
    HANDLER(extend_##tag##_reg)                                                                              \
    {                                                                                                        \
        return extend_template(v, u, from, is_signed, -1, NULL);                                             \
    }                                                                                                        \
    HANDLER_PAIR(extend_##tag##_mem, extend_template(v, u, from, is_signed, EA_FLAT, slow))                  \
    HANDLER_PAIR(extend_##tag##_mem_checked, extend_template(v, u, from, is_signed, EA_CHECKED, slow))

EXTEND(1, false, z1)
EXTEND(1, true, s1)
EXTEND(2, false, z2)
EXTEND(2, true, s2)

/* 16-bit destinations are rare. */
HANDLER(movzx_16)
{
    v->gpr.w[u->dst] = (uint16_t)extend(opnd_read_src(v, u, u->aux), u->aux, false);
    NEXT(v, u);
}

HANDLER(movsx_16)
{
    v->gpr.w[u->dst] = (uint16_t)extend(opnd_read_src(v, u, u->aux), u->aux, true);
    NEXT(v, u);
}

static void bind_extend(const struct insn *in, unsigned mode, struct uop *u, bool is_signed)
{
    static uop_fn *const handlers[2][2][3] = {
        { { extend_z1_reg, extend_z1_mem, extend_z1_mem_checked },
          { extend_z2_reg, extend_z2_mem, extend_z2_mem_checked } },
        { { extend_s1_reg, extend_s1_mem, extend_s1_mem_checked },
          { extend_s2_reg, extend_s2_mem, extend_s2_mem_checked } },
    };
    unsigned from = in->opnd[1].size;
    u->aux = (uint8_t)from;
    if (in->opnd[0].size == 2)
        u->run = is_signed ? movsx_16 : movzx_16;
    else
        u->run = handlers[is_signed][from == 2][!(u->flags & UOP_MEM) ? 0 : ea_is_flat(u, mode) ? 1 : 2];
}

/* ---- LEA
 * ------------------------------------------------------------------------------------------------------ */

HANDLER(lea_32)
{
    v->gpr.d[u->dst] = ea_offset32(v, u);
    NEXT(v, u);
}

HANDLER(lea_any)
{
    gpr_write(v, u->dst, u->flags & UOP_O16 ? 2 : 4, ea_offset(v, u));
    NEXT(v, u);
}

/* ---- XCHG
 * ------------------------------------------------------------------------------------------------------- */

static ALWAYS_INLINE const struct uop *xchg_template(struct vcpu *v, const struct uop *u, unsigned size)
{
    uint32_t b = gpr_read(v, u->src, size);
    if (u->flags & UOP_DST_MEM) {
        guest_la la = ea_checked(v, u, size, true);
        mem_probe_write(v, u, la, size);
        uint32_t a = (uint32_t)mem_read(v, u, la, size);
        mem_write(v, u, la, size, b);
        gpr_write(v, u->src, size, a);
    } else {
        gpr_write(v, u->src, size, gpr_read(v, u->dst, size));
        gpr_write(v, u->dst, size, b);
    }
    NEXT(v, u);
}

HANDLER(xchg_1)
{
    return xchg_template(v, u, 1);
}

HANDLER(xchg_2)
{
    return xchg_template(v, u, 2);
}

HANDLER(xchg_4)
{
    return xchg_template(v, u, 4);
}

/* ---- The small ones
 * ------------------------------------------------------------------------------------------------ */

HANDLER(cbw)
{
    v->gpr.w[X86_EAX * 2] = (uint16_t)(int8_t)v->gpr.b[X86_EAX * 4];
    NEXT(v, u);
}

HANDLER(cwde)
{
    v->gpr.d[X86_EAX] = (uint32_t)(int16_t)v->gpr.w[X86_EAX * 2];
    NEXT(v, u);
}

HANDLER(cwd)
{
    v->gpr.w[X86_EDX * 2] = v->gpr.w[X86_EAX * 2] & 0x8000 ? 0xffff : 0;
    NEXT(v, u);
}

HANDLER(cdq)
{
    v->gpr.d[X86_EDX] = (int32_t)v->gpr.d[X86_EAX] < 0 ? 0xffffffffu : 0;
    NEXT(v, u);
}

HANDLER(xlat)
{
    uint32_t offset = v->gpr.d[X86_EBX] + v->gpr.b[X86_EAX * 4];
    if (u->flags & UOP_A16)
        offset &= 0xffff;
    v->gpr.b[X86_EAX * 4] = (uint8_t)mem_read(v, u, seg_linear(v, u, u->seg, offset, 1, false), 1);
    NEXT(v, u);
}

HANDLER(nop)
{
    NEXT(v, u);
}

bool bind_mov(const struct insn *in, unsigned mode, struct uop *u)
{
    static uop_fn *const xchg[] = { xchg_1, xchg_2, xchg_4 };
    switch (in->op) {
    case X86_MOV:
        bind_plain_mov(in, mode, u);
        return true;
    case X86_MOVZX:
        bind_extend(in, mode, u, false);
        return true;
    case X86_MOVSX:
        bind_extend(in, mode, u, true);
        return true;
    case X86_LEA:
        u->run = u->flags & (UOP_O16 | UOP_A16) ? lea_any : lea_32;
        return true;
    case X86_XCHG:
        u->run = xchg[size_log2(in->opnd[0].size)];
        return true;
    case X86_CBW:
        u->run = u->flags & UOP_O16 ? cbw : cwde;
        return true;
    case X86_CWD:
        u->run = u->flags & UOP_O16 ? cwd : cdq;
        return true;
    case X86_XLAT:
        u->run = xlat;
        return true;
    case X86_NOP:
    case X86_PAUSE:
        u->run = nop;
        return true;
    default:
        return false;
    }
}
