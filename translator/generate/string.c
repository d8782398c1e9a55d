/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * String instructions, with the window's base added to their pointers while they run. The window is a
 * multiple of 4 GiB, so the low halves are the guest's all the time, and at a fault as well. A repetition
 * that runs over the end of the window faults there.
 *
 *     lea rsi, [rsi + r13]
 *     lea rdi, [rdi + r13]
 *     rep movsd
 *     mov esi, esi
 *     mov edi, edi
 */
#include "gen.h"

enum { REPEAT = X86_PFX_REP | X86_PFX_REPNE };

static bool has_operand(const struct insn *insn, enum x86_operand_kind kind)
{
    return insn->opnd[0].kind == kind || insn->opnd[1].kind == kind;
}

static void add_window(struct gen *g, unsigned reg)
{
    struct host_memory sum = { .base = (uint8_t)reg, .index = R13 };

    host_lea_r64_m(&g->code, reg, &sum);
}

static bool is_comparison(const struct insn *insn)
{
    return insn->op == X86_SCAS || insn->op == X86_CMPS;
}

/* For those that compare nothing F2 is the same as F3. */
static uint8_t repeat_prefix(const struct insn *insn)
{
    if (!(insn->prefixes & REPEAT))
        return 0;
    return is_comparison(insn) && (insn->prefixes & X86_PFX_REPNE) ? 0xf2 : 0xf3;
}

bool gen_string(struct gen *g)
{
    const struct insn *insn = &g->insn;
    bool source = has_operand(insn, X86_OPND_STR_SI), destination = has_operand(insn, X86_OPND_STR_DI);
    uint8_t repeat = repeat_prefix(insn);
    bool word = insn->op_size == 2 && (insn->opcode & 1);
    unsigned last;

    if (insn->addr_size != 4)
        return false;
    if (source && (insn->seg == X86_CS || insn->seg == X86_FS || insn->seg == X86_GS))
        return false;
    if (source)
        add_window(g, RSI);
    if (destination)
        add_window(g, RDI);
    gen_commit(g);
    host_string(&g->code, insn->opcode, word, repeat);
    last = g->code.size;
    if (source)
        host_mov_r32_r32(&g->code, RSI, RSI);
    if (source && destination)
        last = g->code.size;
    if (destination)
        host_mov_r32_r32(&g->code, RDI, RDI);
    /* What was repeated to the end does nothing when begun anew, unless it ended by a comparison. */
    if (repeat && !is_comparison(insn))
        g->entry->restart = (uint16_t)last;
    return true;
}
