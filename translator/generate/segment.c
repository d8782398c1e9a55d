/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Loads of segment registers: a kernel's entry and its exit have four of them. What is in line is the
 * selector; all checks, against the descriptor as it is in memory now, are the context's. SDM 2B, "MOV",
 * "POP".
 */
#include "gen.h"

enum { WORD_BYTES = 4 };

/* SS brings a shadow in which nothing is interrupted; CS cannot be loaded so. */
static bool has_way(const struct gen *g, unsigned sreg)
{
    return g->request->segment_loads && sreg != X86_CS && sreg != X86_SS;
}

bool gen_mov_to_sreg(struct gen *g)
{
    const struct insn *insn = &g->insn;
    unsigned sreg = insn->opnd[0].reg;
    struct host_memory operand;

    if (!has_way(g, sreg))
        return false;
    if (insn->opnd[1].kind == X86_OPND_GPR) {
        host_mov_r32_r32(&g->code, R9, gen_register(insn->opnd[1].reg));
    } else {
        if (!gen_memory(g, &operand))
            return false;
        host_movzx_r32_m16(&g->code, R9, &operand);
    }
    gen_call_by(g, g->request->layout.load_segment[sreg]);
    return true;
}

/* The context moves ESP, as it may have to leave the load to somebody else, who does both. */
bool gen_pop_sreg(struct gen *g)
{
    struct host_memory top = gen_stack(0);
    unsigned sreg = g->insn.opnd[0].reg;

    if (!has_way(g, sreg) || g->insn.op_size != WORD_BYTES)
        return false;
    host_mov_r32_m32(&g->code, R9, &top);
    gen_call_by(g, g->request->layout.pop_segment[sreg]);
    return true;
}
