/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * String instructions by segments, a single time; those that repeat are somebody else's. DF is clear. XLAT.
 *
 *     movzx r9d, si
 *     movzx r11d, byte [r12 + r9 + 1]
 *     mov r10, [r15 + place]
 *     mov ax, [r10 + r9]
 *     lea r9d, [rsi + 2]
 *     mov si, r9w
 */
#include "segmented.h"

/* [segment:(E)SI] or [segment:(E)DI] */
static bool pointed(struct gen *g, unsigned sreg, unsigned reg, unsigned size, bool write,
                    struct host_memory *memory)
{
    bool narrow = g->insn.addr_size == 2;

    if (narrow)
        host_movzx_r32_r16(&g->code, R9, reg);
    else
        host_mov_r32_r32(&g->code, R9, reg);
    return segment_access(g, sreg, size, write, narrow, memory);
}

static void advance(struct gen *g, unsigned reg, unsigned size)
{
    struct host_memory sum = { .base = (uint8_t)reg, .index = HOST_NO_REG, .disp = size };

    host_lea_r32_m(&g->code, R9, &sum);
    host_mov_sized(&g->code, g->insn.addr_size, reg, R9);
}

static bool has_operand(const struct insn *insn, enum x86_operand_kind kind)
{
    return insn->opnd[0].kind == kind || insn->opnd[1].kind == kind;
}

bool segmented_string(struct gen *g)
{
    const struct insn *insn = &g->insn;
    unsigned size = insn->opcode & 1 ? insn->op_size : 1;
    bool source = has_operand(insn, X86_OPND_STR_SI), destination = has_operand(insn, X86_OPND_STR_DI);
    bool compares = insn->op == X86_SCAS || insn->op == X86_CMPS;
    struct host_memory from, to;

    if (insn->prefixes & (X86_PFX_REP | X86_PFX_REPNE))
        return false;
    if (source) {
        if (!pointed(g, insn->seg, RSI, size, false, &from))
            return false;
        if (!destination)
            gen_commit(g);
        host_load_sized(&g->code, size, destination ? R8 : RAX, &from);
    }
    if (destination) {
        unsigned value = source ? R8 : RAX;

        if (!pointed(g, X86_ES, RDI, size, !compares, &to))
            return false;
        gen_commit(g);
        if (compares)
            host_cmp_sized(&g->code, size, value, &to);
        else
            host_store_sized(&g->code, size, &to, value);
    }
    if (source)
        advance(g, RSI, size);
    if (destination)
        advance(g, RDI, size);
    return true;
}

/* AL = [(E)BX + AL] */
bool segmented_xlat(struct gen *g)
{
    struct host_memory sum = { .base = RBX, .index = R8 }, entry;
    bool narrow = g->insn.addr_size == 2;

    host_movzx_r32_r8(&g->code, R8, RAX);
    host_lea_r32_m(&g->code, R9, &sum);
    if (narrow)
        host_movzx_r32_r16(&g->code, R9, R9);
    if (!segment_access(g, g->insn.seg, 1, false, narrow, &entry))
        return false;
    gen_commit(g);
    host_load_sized(&g->code, 1, RAX, &entry);
    return true;
}
