/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * PUSH, POP and LEAVE of 32 bits: the access first, which may fault, and then ESP. SDM 2B, "PUSH", "POP".
 */
#include "gen.h"

enum { WORD_BYTES = 4 };

/*
 * By R13 a byte less than by GS. It does not go round at 4 GiB, but faults there, and the interpreter
 * executes the instruction.
 */
struct host_memory gen_stack(uint32_t disp)
{
    return (struct host_memory){ .base = R14, .index = R13, .disp = disp };
}

/* lea r14d, [r14 + by] */
void gen_move_stack(struct gen *g, uint32_t by)
{
    struct host_memory sum = { .base = R14, .index = HOST_NO_REG, .disp = by };

    host_lea_r32_m(&g->code, R14, &sum);
}

/* PUSH ESP stores what ESP was before: so does this. */
static bool push_register(struct gen *g)
{
    struct host_memory top = gen_stack(-WORD_BYTES);

    host_mov_m32_r32(&g->code, &top, gen_register(g->insn.opnd[0].reg));
    gen_commit(g);
    gen_move_stack(g, -WORD_BYTES);
    return true;
}

static bool push_constant(struct gen *g)
{
    struct host_memory top = gen_stack(-WORD_BYTES);

    host_mov_m32_imm32(&g->code, &top, g->insn.imm);
    gen_commit(g);
    gen_move_stack(g, -WORD_BYTES);
    return true;
}

/* The store may change the operand it was loaded from: it is not to be done twice. */
static bool push_memory(struct gen *g)
{
    struct host_memory top = gen_stack(-WORD_BYTES), operand;

    if (!gen_memory(g, &operand))
        return false;
    host_mov_r32_m32(&g->code, R8, &operand);
    gen_commit(g);
    host_mov_m32_r32(&g->code, &top, R8);
    gen_move_stack(g, -WORD_BYTES);
    return true;
}

bool gen_push(struct gen *g)
{
    if (g->insn.op_size != 4)
        return false;
    switch (g->insn.opnd[0].kind) {
    case X86_OPND_GPR:
        return push_register(g);
    case X86_OPND_IMM:
        return push_constant(g);
    default:
        return push_memory(g);
    }
}

/* POP ESP: what was loaded is ESP then, and nothing is added. */
static bool pop_register(struct gen *g)
{
    struct host_memory top = gen_stack(0);
    unsigned reg = gen_register(g->insn.opnd[0].reg);

    gen_commit(g);
    host_mov_r32_m32(&g->code, reg, &top);
    if (reg == R14)
        return true;
    gen_commit(g); /* loading it again would do no harm */
    gen_move_stack(g, WORD_BYTES);
    return true;
}

/* With ESP as its base the operand's address is that after ESP was moved. */
static bool pop_memory(struct gen *g)
{
    struct host_memory top = gen_stack(0), operand;

    if (g->insn.base == GUEST_ESP)
        g->insn.disp += WORD_BYTES;
    host_mov_r32_m32(&g->code, R8, &top);
    if (!gen_memory(g, &operand))
        return false;
    gen_commit(g);
    host_mov_m32_r32(&g->code, &operand, R8);
    gen_move_stack(g, WORD_BYTES);
    return true;
}

bool gen_pop(struct gen *g)
{
    if (g->insn.op_size != 4)
        return false;
    return g->insn.opnd[0].kind == X86_OPND_GPR ? pop_register(g) : pop_memory(g);
}

/*
 *     mov r8d, gs:[ebp]
 *     lea r14d, [rbp + 4]
 *     mov ebp, r8d
 */
bool gen_leave(struct gen *g)
{
    struct host_memory saved = { .base = RBP, .index = HOST_NO_REG, .window = true };
    struct host_memory behind = { .base = RBP, .index = HOST_NO_REG, .disp = WORD_BYTES };

    if (g->insn.op_size != 4)
        return false;
    host_mov_r32_m32(&g->code, R8, &saved);
    gen_commit(g);
    host_lea_r32_m(&g->code, R14, &behind);
    host_mov_r32_r32(&g->code, RBP, R8);
    return true;
}
