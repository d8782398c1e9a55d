/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Segment registers, PUSHF and POPF in segmented code. In real mode and in virtual-8086 mode a load sets
 * selector and base, and the limit stays (SDM 3A, "Real-Address Mode Operation"). A load of SS holds off
 * interrupts, so it is somebody else's.
 */
#include "segmented.h"

/* ---- Loads --------------------------------------------------------------------------------------- */

static bool may_load(const struct gen *g, unsigned sreg)
{
    return g->request->segmented->real && sreg != X86_SS && sreg != X86_CS && segment_is_known(g, sreg);
}

/*
 * R8D is the selector, with zeros above it.
 *
 *     mov [r15 + selector], r8w
 *     lea r9d, [r8 * 8]
 *     lea r9d, [r9 + r9]
 *     mov [r15 + base], r9d
 *     lea r10, [r13 + r9]
 *     mov [r15 + place], r10
 */
static void load(struct gen *g, unsigned sreg)
{
    const struct gen_layout *layout = &g->request->layout;
    struct host_memory selector = gen_context(layout->selector[sreg]), base = gen_context(layout->base[sreg]);
    struct host_memory place = gen_context(layout->place[sreg]);
    struct host_memory times8 = { .base = HOST_NO_REG, .index = R8, .scale = 3 };
    struct host_memory twice = { .base = R9, .index = R9 }, in_window = { .base = R13, .index = R9 };

    host_store_sized(&g->code, 2, &selector, R8);
    host_lea_r32_m(&g->code, R9, &times8);
    host_lea_r32_m(&g->code, R9, &twice);
    host_mov_m32_r32(&g->code, &base, R9);
    host_lea_r64_m(&g->code, R10, &in_window);
    host_mov_m64_r64(&g->code, &place, R10);
}

bool segmented_mov_to_sreg(struct gen *g)
{
    const struct insn *insn = &g->insn;
    struct host_memory operand;

    if (!may_load(g, insn->opnd[0].reg))
        return false;
    if (insn->opnd[1].kind == X86_OPND_GPR) {
        host_movzx_r32_r16(&g->code, R8, gen_register(insn->opnd[1].reg));
    } else {
        if (!segmented_operand(g, 2, false, &operand))
            return false;
        host_movzx_r32_m16(&g->code, R8, &operand);
    }
    gen_commit(g);
    load(g, insn->opnd[0].reg);
    return true;
}

bool segmented_pop_sreg(struct gen *g)
{
    struct host_memory top;

    if (!may_load(g, g->insn.opnd[0].reg) || !segmented_stack(g, 0, g->insn.op_size, false, &top))
        return false;
    host_load_zero_extended(&g->code, g->insn.op_size, R8, &top);
    if (g->insn.op_size == 4)
        host_movzx_r32_r16(&g->code, R8, R8);
    gen_commit(g);
    load(g, g->insn.opnd[0].reg);
    segmented_move_stack(g, g->insn.op_size);
    return true;
}

static unsigned loaded_by(unsigned op)
{
    switch (op) {
    case X86_LES:
        return X86_ES;
    case X86_LDS:
        return X86_DS;
    case X86_LFS:
        return X86_FS;
    default:
        return X86_GS;
    }
}

/* LES and the like: the offset first, then the selector. */
bool segmented_far_pointer(struct gen *g)
{
    const struct insn *insn = &g->insn;
    unsigned size = insn->op_size;
    struct host_memory offset, selector;

    if (!may_load(g, loaded_by(insn->op)) || insn->opnd[1].kind != X86_OPND_MEM ||
        !segmented_operand(g, size + 2, false, &offset))
        return false;
    selector = offset;
    selector.disp += size;
    host_movzx_r32_m16(&g->code, R8, &selector);
    host_load_zero_extended(&g->code, size, R11, &offset);
    gen_commit(g);
    load(g, loaded_by(insn->op));
    host_mov_sized(&g->code, size, gen_register(insn->opnd[0].reg), R11);
    return true;
}

/* ---- Stores -------------------------------------------------------------------------------------- */

static void load_selector(struct gen *g, unsigned sreg)
{
    struct host_memory selector = gen_context(g->request->layout.selector[sreg]);

    host_movzx_r32_m16(&g->code, R8, &selector);
}

bool segmented_push_sreg(struct gen *g)
{
    unsigned size = g->insn.op_size;
    struct host_memory top;

    if (!segmented_stack(g, -size, size, true, &top))
        return false;
    load_selector(g, g->insn.opnd[0].reg);
    host_store_sized(&g->code, size, &top, R8);
    gen_commit(g);
    segmented_take_stack(g);
    return true;
}

bool segmented_mov_from_sreg(struct gen *g)
{
    const struct x86_operand *to = &g->insn.opnd[0];
    struct host_memory operand;

    if (to->kind == X86_OPND_GPR) {
        load_selector(g, g->insn.opnd[1].reg);
        gen_commit(g);
        host_mov_sized(&g->code, g->insn.op_size, gen_register(to->reg), R8);
        return true;
    }
    if (!segmented_operand(g, 2, true, &operand))
        return false;
    load_selector(g, g->insn.opnd[1].reg);
    gen_commit(g);
    host_store_sized(&g->code, 2, &operand, R8);
    return true;
}

/* ---- EFLAGS: system.c says how ------------------------------------------------------------------- */

/* The upper half of EFLAGS is not always there to be seen. */
static bool has_flags(const struct gen *g)
{
    return g->request->cpl0 && g->insn.op_size == 2;
}

bool segmented_pushf(struct gen *g)
{
    struct host_memory top;

    if (!has_flags(g))
        return false;
    gen_all_flags(g);
    if (!segmented_stack(g, -2u, 2, true, &top))
        return false;
    host_store_sized(&g->code, 2, &top, R8);
    gen_commit(g);
    segmented_take_stack(g);
    return true;
}

bool segmented_popf(struct gen *g)
{
    struct host_memory top;
    struct gen_popf_ways ways;

    if (!has_flags(g) || !segmented_stack(g, 0, 2, false, &top))
        return false;
    gen_commit(g);
    host_movzx_r32_m16(&g->code, R8, &top);
    ways = gen_take_flags(g, 0xffff);
    segmented_move_stack(g, 2);
    gen_popf_end(g, &ways);
    return true;
}
