/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a kernel does at each of its doors: flags, the interrupt flag, selectors. The guest's IF is a bit of
 * its EFLAGS in memory and has nothing to do with the processor's. SDM 2A and 2B, "CLI", "STI", "PUSHF",
 * "POPF", "PUSH".
 */
#include "gen.h"

enum {
    HOST_FLAGS = 0x202, /* what PUSHFQ finds set besides the arithmetic flags: bit 1, and IF */
    FLAG_OF_BIT = 11,
    FLAG_IF = 0x200,
    /* TF, DF, IOPL, NT, AC, VIF, VIP, ID: a POPF that changes one of them is not for us. */
    FLAGS_RARE = 0x3c7500,
};

static struct host_memory second_byte_of_eflags(const struct gen *g)
{
    return gen_context(g->request->layout.eflags + 1);
}

/* ---- Selectors ------------------------------------------------------------------------------------ */

static void load_selector(struct gen *g, unsigned reg, unsigned sreg)
{
    struct host_memory selector = gen_context(g->request->layout.selector[sreg]);

    host_movzx_r32_m16(&g->code, reg, &selector);
}

bool gen_push_sreg(struct gen *g)
{
    struct host_memory top = gen_stack(-4u);

    if (!g->request->cpl0 || g->insn.op_size != 4)
        return false;
    load_selector(g, R8, g->insn.opnd[0].reg);
    host_mov_m32_r32(&g->code, &top, R8);
    gen_commit(g);
    gen_move_stack(g, -4u);
    return true;
}

bool gen_mov_from_sreg(struct gen *g)
{
    if (!g->request->cpl0 || g->insn.op_size != 4 || g->insn.opnd[0].kind != X86_OPND_GPR)
        return false;
    gen_commit(g);
    load_selector(g, gen_register(g->insn.opnd[0].reg), g->insn.opnd[1].reg);
    return true;
}

/* ---- EFLAGS --------------------------------------------------------------------------------------- */

void gen_all_flags(struct gen *g)
{
    struct host_memory eflags = gen_context(g->request->layout.eflags);
    struct host_memory sum = { .base = R8, .index = R9, .disp = (uint32_t)-HOST_FLAGS };

    host_pushfq(&g->code);
    g->entry->hole = (uint8_t)(g->code.size - g->entry->host);
    host_pop_r64(&g->code, R8);
    host_mov_r32_m32(&g->code, R9, &eflags);
    host_lea_r32_m(&g->code, R8, &sum);
}

/*
 *     pushfq
 *     pop r8                           a hole: the stack is not as it was
 *     mov r9d, [r15 + eflags]
 *     lea r8d, [r8 + r9 - 202h]        no bit is set in both
 *     mov gs:[r14d - 4], r8d
 *     lea r14d, [r14 - 4]
 */
bool gen_pushf(struct gen *g)
{
    struct host_memory top = gen_stack(-4u);

    if (!g->request->cpl0 || g->insn.op_size != 4)
        return false;
    gen_all_flags(g);
    host_mov_m32_r32(&g->code, &top, R8);
    gen_commit(g);
    gen_move_stack(g, -4u);
    return true;
}

void gen_arithmetic_flags(struct gen *g, unsigned from)
{
    host_mov_r32_r32(&g->code, R10, RAX);
    host_mov_r32_r32(&g->code, RAX, from);
    host_bt_r32_imm8(&g->code, from, FLAG_OF_BIT);
    host_flags_from_al_cf(&g->code);
    host_mov_r32_r32(&g->code, RAX, R10);
}

struct gen_popf_ways gen_take_flags(struct gen *g, uint32_t popped)
{
    struct host_memory eflags = gen_context(g->request->layout.eflags);
    struct host_memory attention = gen_context(g->request->layout.attention);
    struct gen_popf_ways ways;
    struct host_short usual;

    host_mov_r32_r32(&g->code, R9, R8);
    host_xor_r32_m32(&g->code, R9, &eflags);
    host_test_r32_imm32(&g->code, R9, FLAGS_RARE & popped);
    ways.rare = host_jcc_rel8(&g->code, HOST_NE);
    host_test_r32_imm32(&g->code, R8, FLAG_IF);
    usual = host_jcc_rel8(&g->code, HOST_E);
    host_cmp_m8_imm8(&g->code, &attention, 0);
    ways.wanted = host_jcc_rel8(&g->code, HOST_NE);
    host_land(&g->code, usual);
    host_and_r32_imm32(&g->code, R9, FLAG_IF);
    host_xor_m32_r32(&g->code, &eflags, R9);
    return ways;
}

void gen_popf_end(struct gen *g, const struct gen_popf_ways *ways)
{
    struct host_short done;

    gen_arithmetic_flags(g, R8);
    done = host_jmp_rel8(&g->code);
    host_land(&g->code, ways->rare);
    host_land(&g->code, ways->wanted);
    gen_call_somebody(g);
    host_land(&g->code, done);
}

/*
 *     mov r8d, gs:[r14d]
 *     mov r9d, r8d
 *     xor r9d, [r15 + eflags]          what changes; the arithmetic flags are all new anyway
 *     test r9d, rare
 *     jnz  slow
 *     test r8d, IF
 *     jz   usual
 *     cmp byte [r15 + attention], 0
 *     jne  slow
 * usual:
 *     and r9d, IF
 *     xor [r15 + eflags], r9d
 *     lea r14d, [r14 + 4]
 *     ...                              the arithmetic flags
 *     jmp done
 * slow:
 *     ...                              somebody else
 * done:
 */
bool gen_popf(struct gen *g)
{
    struct host_memory top = gen_stack(0);
    struct gen_popf_ways ways;

    if (!g->request->cpl0 || g->insn.op_size != 4)
        return false;
    gen_commit(g);
    host_mov_r32_m32(&g->code, R8, &top);
    ways = gen_take_flags(g, UINT32_MAX);
    gen_move_stack(g, 4);
    gen_popf_end(g, &ways);
    return true;
}

/* ---- The interrupt flag --------------------------------------------------------------------------- */

/* Change IF by a table, without a flag of the host's. All of it may be done again. */
static void change_if(struct gen *g, int32_t table)
{
    struct host_memory byte = second_byte_of_eflags(g), pointer = gen_context(table);
    struct host_memory entry = { .base = R9, .index = R8 };

    host_movzx_r32_m8(&g->code, R8, &byte);
    host_mov_r64_m64(&g->code, R9, &pointer);
    host_movzx_r32_m8(&g->code, R8, &entry);
    gen_commit(g);
    host_mov_m8_r8(&g->code, &byte, R8);
}

bool gen_cli(struct gen *g)
{
    if (!g->request->cpl0)
        return false;
    change_if(g, g->request->layout.if_clear);
    return true;
}

/*
 *     mov r9, rcx
 *     movzx ecx, byte [r15 + attention]
 *     jrcxz usual
 *     mov rcx, r9
 *     ...                              somebody else
 *     jmp done
 * usual:
 *     mov rcx, r9
 *     mov dword [r15 + after_sti], next
 *     ...                              IF
 * done:
 */
bool gen_sti(struct gen *g)
{
    struct host_memory attention = gen_context(g->request->layout.attention);
    struct host_memory after = gen_context(g->request->layout.after_sti);
    struct host_short usual, done;
    unsigned restart;

    if (!g->request->cpl0)
        return false;
    host_mov_r64_r64(&g->code, R9, RCX);
    restart = g->code.size;
    host_movzx_r32_m8(&g->code, RCX, &attention);
    usual = host_jrcxz(&g->code);
    host_mov_r64_r64(&g->code, RCX, R9);
    gen_call_somebody(g);
    done = host_jmp_rel8(&g->code);
    host_land(&g->code, usual);
    host_mov_r64_r64(&g->code, RCX, R9);
    host_mov_m32_imm32(&g->code, &after, gen_next_eip(g));
    change_if(g, g->request->layout.if_set);
    gen_commit_at(g, restart);
    host_land(&g->code, done);
    return true;
}
