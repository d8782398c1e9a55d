/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Branches. Direct ones are a host branch with a rel32, which leads into the stretch or can be led to other
 * translated code. CALL is a host CALL behind a store of the guest's return address, and RET is a host RET,
 * so that the host's predictor of returns knows the way: R8D brings the address from the guest's stack, and
 * the return site compares it with what it stands for. Hash-only returns cost 80 to 120 % in a large call
 * graph.
 */
#include "gen.h"

static uint32_t next_address(const struct gen *g)
{
    return gen_address(g, g->next);
}

static uint32_t branch_target(const struct gen *g)
{
    return next_address(g) + g->insn.imm;
}

void gen_jump(struct gen *g, uint32_t target)
{
    gen_note_exit(g, GEN_EXIT_JUMP, host_jmp_rel32(&g->code), target);
}

void gen_note_target(struct gen *g, uint32_t target)
{
    unsigned offset = target - g->request->address;

    if (offset < GEN_PAGE_SIZE)
        g->targets[offset / 64] |= UINT64_C(1) << offset % 64;
}

/* Operand size 2 cuts EIP, address size 2 counts in CX: not ours. */
static bool is_usual_branch(const struct gen *g)
{
    return g->insn.op_size == 4 && g->insn.addr_size == 4;
}

/* To the guest's branch target. */
static void jump(struct gen *g)
{
    uint32_t target = branch_target(g);

    gen_note_target(g, target);
    if (gen_is_short(g, target))
        gen_note_short(g, host_jmp_rel8(&g->code), target);
    else
        gen_jump(g, target);
}

bool gen_jmp(struct gen *g)
{
    if (!is_usual_branch(g))
        return false;
    gen_commit(g);
    jump(g);
    g->ends_line = true;
    return true;
}

void gen_branch(struct gen *g, unsigned cond, uint32_t target)
{
    gen_note_target(g, target);
    if (gen_is_short(g, target))
        gen_note_short(g, host_jcc_rel8(&g->code, cond), target);
    else
        gen_note_exit(g, GEN_EXIT_BRANCH, host_jcc_rel32(&g->code, cond), target);
}

bool gen_jcc(struct gen *g)
{
    if (!is_usual_branch(g))
        return false;
    gen_commit(g);
    gen_branch(g, g->insn.cond, branch_target(g));
    return true;
}

/* ECX - 1, flags as they are. */
static void count_down(struct gen *g)
{
    struct host_memory less = { .base = RCX, .index = HOST_NO_REG, .disp = -1u };

    host_lea_r32_m(&g->code, RCX, &less);
}

/*
 *     lea ecx, [rcx - 1]
 *     jrcxz next
 *     jmp target
 * next:
 */
bool gen_loop(struct gen *g)
{
    struct host_short out;

    if (!is_usual_branch(g))
        return false;
    gen_commit(g);
    count_down(g);
    out = host_jrcxz(&g->code);
    jump(g);
    host_land(&g->code, out);
    return true;
}

/* LOOPE and LOOPNE: the same with a conditional branch. */
bool gen_loopcc(struct gen *g)
{
    struct host_short out;

    if (!is_usual_branch(g))
        return false;
    gen_commit(g);
    count_down(g);
    out = host_jrcxz(&g->code);
    gen_branch(g, g->insn.op == X86_LOOPE ? HOST_E : HOST_NE, branch_target(g));
    host_land(&g->code, out);
    return true;
}

/*
 *     jrcxz taken
 *     jmp next
 * taken:
 *     jmp target
 * next:
 */
bool gen_jecxz(struct gen *g)
{
    struct host_short taken, out;

    if (!is_usual_branch(g))
        return false;
    gen_commit(g);
    taken = host_jrcxz(&g->code);
    out = host_jmp_rel8(&g->code);
    host_land(&g->code, taken);
    jump(g);
    host_land(&g->code, out);
    return true;
}

/* ---- Indirect ------------------------------------------------------------------------------------ */

/* R8D = where the branch goes. */
static bool load_target(struct gen *g)
{
    struct host_memory operand;

    if (g->insn.opnd[0].kind == X86_OPND_GPR) {
        host_mov_r32_r32(&g->code, R8, gen_register(g->insn.opnd[0].reg));
        return true;
    }
    if (!gen_memory(g, &operand))
        return false;
    host_mov_r32_m32(&g->code, R8, &operand);
    return true;
}

bool gen_jmp_indirect(struct gen *g)
{
    struct host_memory way = gen_context(g->request->layout.exit_indirect);

    if (g->insn.op_size != 4 || !load_target(g))
        return false;
    gen_commit(g);
    host_jmp_m64(&g->code, &way);
    g->ends_line = true;
    return true;
}

/* ---- CALL and RET -------------------------------------------------------------------------------- */

static void store_return_address(struct gen *g)
{
    struct host_memory top = gen_stack(-4u);

    host_mov_m32_imm32(&g->code, &top, next_address(g));
}

/*
 *     cmp r8d, expected
 *     jne indirect
 *
 * For a RET that goes elsewhere the flags are lost, whether they are dead there or not.
 */
static void check_return_by_flags(struct gen *g)
{
    host_cmp_r32_imm32(&g->code, R8, gen_next_eip(g));
    host_await(&g->code, host_jcc_rel32(&g->code, HOST_NE), &g->indirect);
}

/*
 * To the code for returns that go elsewhere: by the jump of the return site before if that is near, three
 * bytes less; but not by too many.
 */
static void jump_elsewhere(struct gen *g)
{
    enum { SHORT_SIZE = 2, REACH = 128, HOPS_MAX = 8 };
    unsigned before = g->elsewhere.at, here = g->code.size;

    g->elsewhere.at = here;
    if (g->elsewhere.hops && here + SHORT_SIZE - before <= REACH && g->elsewhere.hops < HOPS_MAX) {
        g->elsewhere.hops++;
        host_aim_short(&g->code, host_jmp_rel8(&g->code), before);
        return;
    }
    g->elsewhere.hops = 1;
    host_await(&g->code, host_jmp_rel32(&g->code), &g->elsewhere.label);
}

/*
 *     lea ecx, [r8 - expected]
 *     jrcxz same
 *     jmp elsewhere
 * same:
 *     mov ecx, r9d
 */
static void check_return(struct gen *g)
{
    struct host_memory difference = { .base = R8, .index = HOST_NO_REG, .disp = -gen_next_eip(g) };
    struct host_short same;

    host_lea_r32_m(&g->code, RCX, &difference);
    same = host_jrcxz(&g->code);
    jump_elsewhere(g);
    host_land(&g->code, same);
    host_mov_r32_r32(&g->code, RCX, R9);
}

void gen_return_site(struct gen *g)
{
    if (g->request->loose_returns && !g->request->segmented && gen_flags_dead(g, g->next))
        check_return_by_flags(g);
    else
        check_return(g);
}

/* A call to what follows it only wants to know its own address, and will not return. */
bool gen_call(struct gen *g)
{
    if (!is_usual_branch(g))
        return false;
    store_return_address(g);
    gen_commit(g);
    gen_move_stack(g, -4u);
    if (branch_target(g) == next_address(g))
        return true;
    gen_note_exit(g, GEN_EXIT_CALL, host_call_rel32(&g->code), branch_target(g));
    gen_return_site(g);
    return true;
}

/* The store may change the operand that says where to go: with one in memory, it is not to be done twice. */
bool gen_call_indirect(struct gen *g)
{
    if (g->insn.op_size != 4 || !load_target(g))
        return false;
    gen_commit(g);
    store_return_address(g);
    if (g->insn.opnd[0].kind == X86_OPND_GPR)
        gen_commit(g);
    gen_move_stack(g, -4u);
    host_await(&g->code, host_call_rel32(&g->code), &g->indirect);
    gen_return_site(g);
    return true;
}

/*
 * RET and RET n: n is in `imm`, or that is zero.
 *
 *     mov r9d, ecx
 *     mov r8d, gs:[r14d]
 *     lea r14d, [r14 + 4 + n]
 *     ret
 */
bool gen_ret(struct gen *g)
{
    struct host_memory top = gen_stack(0);

    if (g->insn.op_size != 4)
        return false;
    host_mov_r32_r32(&g->code, R9, RCX);
    host_mov_r32_m32(&g->code, R8, &top);
    gen_commit(g);
    gen_move_stack(g, 4 + g->insn.imm);
    host_ret(&g->code);
    g->ends_line = true;
    return true;
}
