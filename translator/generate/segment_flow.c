/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Branches in segmented code. With 16-bit operands EIP goes round at 64 KiB, and one that leads beyond the
 * limit of CS faults where it branches, not where it leads. Calls and returns are host calls as in flat code,
 * with EIPs on the guest's stack.
 */
#include "segmented.h"

/* Where EIP would be after going there. */
static uint32_t cut(const struct gen *g, uint32_t eip)
{
    return g->insn.op_size == 2 ? eip & 0xffff : eip;
}

/* The linear address a direct branch leads to. False: it faults. */
static bool direct_target(const struct gen *g, uint32_t *target)
{
    uint32_t eip = cut(g, gen_next_eip(g) + g->insn.imm);

    *target = gen_base(g) + eip;
    return eip <= g->request->segmented->limit;
}

bool segmented_jmp(struct gen *g)
{
    uint32_t target;

    if (!direct_target(g, &target))
        return false;
    gen_commit(g);
    gen_note_target(g, target);
    gen_jump(g, target);
    g->ends_line = true;
    return true;
}

bool segmented_jcc(struct gen *g)
{
    uint32_t target;

    if (!direct_target(g, &target))
        return false;
    gen_commit(g);
    gen_branch(g, g->insn.cond, target);
    return true;
}

/* ---- By CX or ECX -------------------------------------------------------------------------------- */

/* RCX = the counter; R10D keeps ECX. JRCXZ asks for all of it. */
static void begin_asking(struct gen *g)
{
    if (g->insn.addr_size == 4)
        return;
    host_mov_r32_r32(&g->code, R10, RCX);
    host_movzx_r32_r16(&g->code, RCX, RCX);
}

static void end_asking(struct gen *g)
{
    if (g->insn.addr_size == 2)
        host_mov_r32_r32(&g->code, RCX, R10);
}

static void count_down(struct gen *g)
{
    struct host_memory less = { .base = RCX, .index = HOST_NO_REG, .disp = -1u };

    host_lea_r32_m(&g->code, R9, &less);
    host_mov_sized(&g->code, g->insn.addr_size, RCX, R9);
}

/*
 *     lea r9d, [rcx - 1]
 *     mov cx, r9w
 *     mov r10d, ecx
 *     movzx ecx, cx
 *     jrcxz out
 *     mov ecx, r10d
 *     jmp target                       or a conditional one
 *     jmp next                         behind a conditional one
 * out:
 *     mov ecx, r10d
 * next:
 */
bool segmented_loop(struct gen *g)
{
    struct host_short out, next;
    bool conditional = g->insn.op != X86_LOOP, saved = g->insn.addr_size == 2;
    uint32_t target;

    if (!direct_target(g, &target))
        return false;
    gen_commit(g);
    count_down(g);
    begin_asking(g);
    out = host_jrcxz(&g->code);
    end_asking(g);
    if (conditional) {
        gen_branch(g, g->insn.op == X86_LOOPE ? HOST_E : HOST_NE, target);
    } else {
        gen_note_target(g, target);
        gen_jump(g, target);
    }
    if (conditional && saved)
        next = host_jmp_rel8(&g->code);
    host_land(&g->code, out);
    end_asking(g);
    if (conditional && saved)
        host_land(&g->code, next);
    return true;
}

/*
 *     mov r10d, ecx
 *     movzx ecx, cx
 *     jrcxz taken
 *     mov ecx, r10d
 *     jmp next
 * taken:
 *     mov ecx, r10d
 *     jmp target
 * next:
 */
bool segmented_jcxz(struct gen *g)
{
    struct host_short taken, out;
    uint32_t target;

    if (!direct_target(g, &target))
        return false;
    gen_commit(g);
    begin_asking(g);
    taken = host_jrcxz(&g->code);
    end_asking(g);
    out = host_jmp_rel8(&g->code);
    host_land(&g->code, taken);
    end_asking(g);
    gen_note_target(g, target);
    gen_jump(g, target);
    host_land(&g->code, out);
    return true;
}

/* ---- Indirect ------------------------------------------------------------------------------------ */

/*
 * R8D is where EIP goes: have it fault here if that is beyond the limit. R12's 64 KiB, moved by what the
 * limit has more or less.
 */
static bool check_target(struct gen *g)
{
    uint32_t limit = g->request->segmented->limit;
    struct host_memory byte = { .base = R12, .index = R8, .disp = 0xffff - limit };

    if (limit == UINT32_MAX || (g->insn.op_size == 2 && limit >= 0xffff))
        return true;
    if (limit >= GEN_LIMIT_MAX)
        return false;
    host_movzx_r32_m8(&g->code, R11, &byte);
    return true;
}

/* R8D = where the branch goes. */
static bool load_target(struct gen *g)
{
    unsigned size = g->insn.op_size;
    struct host_memory operand;

    if (g->insn.opnd[0].kind == X86_OPND_GPR) {
        unsigned reg = gen_register(g->insn.opnd[0].reg);

        if (size == 2)
            host_movzx_r32_r16(&g->code, R8, reg);
        else
            host_mov_r32_r32(&g->code, R8, reg);
        return check_target(g);
    }
    if (!segmented_operand(g, size, false, &operand))
        return false;
    host_load_zero_extended(&g->code, size, R8, &operand);
    return check_target(g);
}

bool segmented_jmp_indirect(struct gen *g)
{
    struct host_memory way = gen_context(g->request->layout.exit_indirect);

    if (!load_target(g))
        return false;
    gen_commit(g);
    host_jmp_m64(&g->code, &way);
    g->ends_line = true;
    return true;
}

/* ---- CALL and RET -------------------------------------------------------------------------------- */

/* Would a return find its way to behind the call? */
static bool comes_back(const struct gen *g)
{
    return cut(g, gen_next_eip(g)) == gen_next_eip(g);
}

bool segmented_call(struct gen *g)
{
    unsigned size = g->insn.op_size;
    struct host_memory top;
    uint32_t target;

    if (!direct_target(g, &target) || !comes_back(g) || !segmented_stack(g, -size, size, true, &top))
        return false;
    host_store_imm_sized(&g->code, size, &top, gen_next_eip(g));
    gen_commit(g);
    segmented_take_stack(g);
    if (target == gen_base(g) + gen_next_eip(g))
        return true;
    gen_note_exit(g, GEN_EXIT_CALL, host_call_rel32(&g->code), target);
    gen_return_site(g);
    return true;
}

/* The store may change the operand that says where to go: it is not to be done twice. */
bool segmented_call_indirect(struct gen *g)
{
    unsigned size = g->insn.op_size;
    struct host_memory top;

    if (!comes_back(g) || !load_target(g) || !segmented_stack(g, -size, size, true, &top))
        return false;
    gen_commit(g);
    host_store_imm_sized(&g->code, size, &top, gen_next_eip(g));
    segmented_take_stack(g);
    host_await(&g->code, host_call_rel32(&g->code), &g->indirect);
    gen_return_site(g);
    return true;
}

bool segmented_ret(struct gen *g)
{
    unsigned size = g->insn.op_size;
    struct host_memory top;

    if (!segmented_stack(g, 0, size, false, &top))
        return false;
    host_load_zero_extended(&g->code, size, R8, &top);
    if (!check_target(g))
        return false;
    gen_commit(g);
    segmented_move_stack(g, size + g->insn.imm);
    host_mov_r32_r32(&g->code, R9, RCX);
    host_ret(&g->code);
    g->ends_line = true;
    return true;
}
