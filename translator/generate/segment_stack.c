/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The stack by SS: PUSH, POP, LEAVE, PUSHA, POPA. With a stack of 16 bits SP goes round at 64 KiB and the
 * upper half of ESP stays. SDM 2B, "PUSH", "POP".
 *
 *     lea r9d, [r14 - 2]
 *     movzx r9d, r9w
 *     movzx r11d, byte [r12 + r9 + 1]
 *     mov r10, [r15 + place]
 *     mov [r10 + r9], ax
 *     mov r14w, r9w
 */
#include "segmented.h"

bool segmented_stack(struct gen *g, uint32_t by, unsigned size, bool write, struct host_memory *memory)
{
    struct host_memory sum = { .base = R14, .index = HOST_NO_REG, .disp = by };
    bool narrow = !segmented_stack32(g);

    if (by)
        host_lea_r32_m(&g->code, R9, &sum);
    if (narrow)
        host_movzx_r32_r16(&g->code, R9, by ? R9 : R14);
    else if (!by)
        host_mov_r32_r32(&g->code, R9, R14);
    return segment_access(g, X86_SS, size, write, narrow, memory);
}

void segmented_take_stack(struct gen *g)
{
    host_mov_sized(&g->code, segmented_stack32(g) ? 4 : 2, R14, R9);
}

void segmented_move_stack(struct gen *g, uint32_t by)
{
    struct host_memory sum = { .base = R14, .index = HOST_NO_REG, .disp = by };

    host_lea_r32_m(&g->code, R9, &sum);
    segmented_take_stack(g);
}

/* ---- PUSH ---------------------------------------------------------------------------------------- */

/* The store may change the operand it was loaded from: it is not to be done twice. */
static bool push_memory(struct gen *g, unsigned size)
{
    struct host_memory operand, top;

    if (!segmented_operand(g, size, false, &operand))
        return false;
    host_load_sized(&g->code, size, R8, &operand);
    if (!segmented_stack(g, -size, size, true, &top))
        return false;
    gen_commit(g);
    host_store_sized(&g->code, size, &top, R8);
    segmented_take_stack(g);
    return true;
}

bool segmented_push(struct gen *g)
{
    const struct x86_operand *operand = &g->insn.opnd[0];
    unsigned size = g->insn.op_size;
    struct host_memory top;

    if (operand->kind == X86_OPND_MEM)
        return push_memory(g, size);
    if (!segmented_stack(g, -size, size, true, &top))
        return false;
    if (operand->kind == X86_OPND_GPR)
        host_store_sized(&g->code, size, &top, gen_register(operand->reg));
    else
        host_store_imm_sized(&g->code, size, &top, g->insn.imm);
    gen_commit(g);
    segmented_take_stack(g);
    return true;
}

/* ---- POP ----------------------------------------------------------------------------------------- */

/* POP SP: what was loaded is SP then, and nothing is added. */
static bool pop_register(struct gen *g, unsigned size)
{
    unsigned reg = gen_register(g->insn.opnd[0].reg);
    struct host_memory top;

    if (!segmented_stack(g, 0, size, false, &top))
        return false;
    gen_commit(g);
    host_load_sized(&g->code, size, reg, &top);
    if (reg == R14)
        return true;
    gen_commit(g); /* loading it again would do no harm */
    segmented_move_stack(g, size);
    return true;
}

/* With ESP as its base the operand's address is that after ESP was moved. */
static bool pop_memory(struct gen *g, unsigned size)
{
    struct host_memory top, operand;

    if (g->insn.base == GUEST_ESP && !segmented_stack32(g))
        return false;
    if (g->insn.base == GUEST_ESP)
        g->insn.disp += size;
    if (!segmented_stack(g, 0, size, false, &top))
        return false;
    host_load_sized(&g->code, size, R8, &top);
    if (!segmented_operand(g, size, true, &operand))
        return false;
    gen_commit(g);
    host_store_sized(&g->code, size, &operand, R8);
    segmented_move_stack(g, size);
    return true;
}

bool segmented_pop(struct gen *g)
{
    if (g->insn.opnd[0].kind == X86_OPND_GPR)
        return pop_register(g, g->insn.op_size);
    return pop_memory(g, g->insn.op_size);
}

/* (E)SP = (E)BP, then POP (E)BP */
bool segmented_leave(struct gen *g)
{
    struct host_memory behind = { .base = R9, .index = HOST_NO_REG, .disp = g->insn.op_size };
    struct host_memory saved;
    bool narrow = !segmented_stack32(g);

    if (narrow)
        host_movzx_r32_r16(&g->code, R9, RBP);
    else
        host_mov_r32_r32(&g->code, R9, RBP);
    if (!segment_access(g, X86_SS, g->insn.op_size, false, narrow, &saved))
        return false;
    host_load_sized(&g->code, g->insn.op_size, R8, &saved);
    gen_commit(g);
    host_lea_r32_m(&g->code, R9, &behind);
    segmented_take_stack(g);
    host_mov_sized(&g->code, g->insn.op_size, RBP, R8);
    return true;
}

/* ---- PUSHA, POPA --------------------------------------------------------------------------------- */

enum { REGISTERS = 8 };

static struct host_memory slot_of(const struct host_memory *lowest, unsigned reg, unsigned size)
{
    struct host_memory slot = *lowest;

    slot.disp = (REGISTERS - 1 - reg) * size;
    return slot;
}

/* Both ends first: what may fault does before anything of the rest happens. A stack that goes round amid it
 * fails the check. */
static unsigned nth(unsigned i)
{
    return i == 0 ? REGISTERS - 1 : i - 1;
}

bool segmented_pusha(struct gen *g)
{
    unsigned size = g->insn.op_size;
    struct host_memory lowest;

    if (!segmented_stack(g, -REGISTERS * size, REGISTERS * size, true, &lowest))
        return false;
    for (unsigned i = 0; i < REGISTERS; i++) {
        struct host_memory slot = slot_of(&lowest, nth(i), size);

        host_store_sized(&g->code, size, &slot, gen_register(nth(i)));
    }
    gen_commit(g);
    segmented_take_stack(g);
    return true;
}

/* The loads may be done again: what they need is in no register that they change. */
bool segmented_popa(struct gen *g)
{
    unsigned size = g->insn.op_size;
    struct host_memory lowest, slot;

    if (!segmented_stack(g, 0, REGISTERS * size, false, &lowest))
        return false;
    slot = slot_of(&lowest, 0, size);
    host_load_sized(&g->code, size, R8, &slot);
    for (unsigned reg = REGISTERS; reg-- > 0;) {
        slot = slot_of(&lowest, reg, size);
        if (reg != GUEST_ESP)
            host_load_sized(&g->code, size, reg, &slot);
    }
    gen_commit(g);
    segmented_move_stack(g, REGISTERS * size);
    return true;
}
