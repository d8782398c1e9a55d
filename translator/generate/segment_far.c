/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * To other code segments in real mode and virtual-8086 mode: far jumps, calls and returns, INT and IRET, all
 * of 16 bits. They bring selector and offset in R8D to exit_far, which loads CS and goes on by the table of
 * indirect branches. Host calls and returns they are not: return sites know offsets, and nothing of segments.
 * SDM 2A, "CALL", "INT n", "IRET".
 */
#include "segmented.h"

static bool has_far(const struct gen *g)
{
    return g->request->segmented->far && g->insn.op_size == 2;
}

/* R8D says where to. */
static void go_far(struct gen *g)
{
    struct host_memory way = gen_context(g->request->layout.exit_far);

    host_jmp_m64(&g->code, &way);
    g->ends_line = true;
}

/* R8D = the operand of a far JMP or CALL, in the instruction or in memory. */
static bool load_pointer(struct gen *g)
{
    struct host_memory operand;

    if (g->insn.opnd[0].kind == X86_OPND_FAR) {
        host_mov_r32_imm32(&g->code, R8, g->insn.imm2 << 16 | (g->insn.imm & 0xffff));
        return true;
    }
    if (g->insn.opnd[0].kind != X86_OPND_MEM || !segmented_operand(g, 4, false, &operand))
        return false;
    host_mov_r32_m32(&g->code, R8, &operand);
    return true;
}

bool segmented_jmp_far(struct gen *g)
{
    if (!has_far(g) || !load_pointer(g))
        return false;
    gen_commit(g);
    go_far(g);
    return true;
}

/* R11D = CS and IP behind the instruction, for one store, since what comes back is one load. */
static void take_return(struct gen *g)
{
    struct host_memory pointer = gen_context(g->request->layout.code_pointer);
    struct host_memory sum = { .base = R11, .index = HOST_NO_REG, .disp = gen_next_eip(g) };

    host_mov_r32_m32(&g->code, R11, &pointer);
    host_lea_r32_m(&g->code, R11, &sum);
}

/* The store may change the operand that says where to go: it is not to be done twice. */
bool segmented_call_far(struct gen *g)
{
    struct host_memory top;

    if (!has_far(g) || gen_next_eip(g) > 0xffff || !load_pointer(g) ||
        !segmented_stack(g, -4u, 4, true, &top))
        return false;
    take_return(g);
    gen_commit(g);
    host_mov_m32_r32(&g->code, &top, R11);
    if (g->insn.opnd[0].kind == X86_OPND_FAR)
        gen_commit(g);
    segmented_take_stack(g);
    go_far(g);
    return true;
}

bool segmented_ret_far(struct gen *g)
{
    struct host_memory top;

    if (!has_far(g) || !segmented_stack(g, 0, 4, false, &top))
        return false;
    host_mov_r32_m32(&g->code, R8, &top);
    gen_commit(g);
    segmented_move_stack(g, 4 + g->insn.imm);
    go_far(g);
    return true;
}

/* ---- INT n and IRET ------------------------------------------------------------------------------ */

/* By R10 and R11; system.c has the same for CLI. */
static void clear_if(struct gen *g)
{
    struct host_memory byte = gen_context(g->request->layout.eflags + 1);
    struct host_memory table = gen_context(g->request->layout.if_clear);
    struct host_memory entry = { .base = R11, .index = R10 };

    host_movzx_r32_m8(&g->code, R10, &byte);
    host_mov_r64_m64(&g->code, R11, &table);
    host_movzx_r32_m8(&g->code, R10, &entry);
    host_mov_m8_r8(&g->code, &byte, R10);
}

bool segmented_int(struct gen *g)
{
    struct host_memory vector = { .base = R13, .index = HOST_NO_REG, .disp = 4 * g->insn.imm };
    struct host_memory top, flags;

    if (!has_far(g) || !g->request->segmented->interrupts || gen_next_eip(g) > 0xffff)
        return false;
    gen_all_flags(g);
    if (!segmented_stack(g, -6u, 6, true, &top))
        return false;
    flags = top;
    flags.disp = 4;
    host_store_sized(&g->code, 2, &flags, R8);
    take_return(g);
    host_mov_m32_r32(&g->code, &top, R11);
    host_mov_r32_m32(&g->code, R8, &vector);
    gen_commit(g);
    segmented_take_stack(g);
    clear_if(g);
    go_far(g);
    return true;
}

bool segmented_iret(struct gen *g)
{
    struct host_memory top, flags;
    struct gen_popf_ways ways;
    struct host_short fast;

    if (!has_far(g) || !g->request->segmented->returns || !segmented_stack(g, 0, 6, false, &top))
        return false;
    flags = top;
    flags.disp = 4;
    host_movzx_r32_m16(&g->code, R8, &flags);
    host_mov_r32_m32(&g->code, R11, &top);
    gen_commit(g);
    ways = gen_take_flags(g, 0xffff);
    fast = host_jmp_rel8(&g->code);
    host_land(&g->code, ways.rare);
    host_land(&g->code, ways.wanted);
    gen_call_somebody(g);
    gen_jump(g, gen_address(g, g->next));
    host_land(&g->code, fast);
    segmented_move_stack(g, 6);
    gen_arithmetic_flags(g, R8);
    host_mov_r32_r32(&g->code, R8, R11);
    go_far(g);
    return true;
}
