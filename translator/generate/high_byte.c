/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * AH to DH and memory that needs a REX prefix to be addressed, as [ESP + n] does: no host instruction can
 * name both. Linux loads AH so before each IRET. SDM 2A, "REX Prefixes".
 */
#include "gen.h"

enum { MOV_R8_M8 = 0x8a, HIGH = 4 };

/*
 *     movzx r8d, byte [memory]
 *     mov r9d, ecx
 *     mov ecx, r8d
 *     mov ah, cl
 *     mov ecx, r9d
 */
bool gen_load_high_byte(struct gen *g)
{
    const struct insn *insn = &g->insn;
    unsigned high = insn->opnd[0].reg, helper = high - HIGH == RCX ? RDX : RCX;
    struct host_memory operand;

    if (insn->op != X86_MOV || insn->opcode != MOV_R8_M8 || !gen_memory(g, &operand))
        return false;
    host_movzx_r32_m8(&g->code, R8, &operand);
    host_mov_r32_r32(&g->code, R9, helper);
    gen_commit(g);
    host_mov_r32_r32(&g->code, helper, R8);
    host_mov_r8_r8(&g->code, high, helper);
    host_mov_r32_r32(&g->code, helper, R9);
    return true;
}
