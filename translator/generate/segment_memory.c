/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Memory by segments that have a base and a limit:
 *
 *     lea r9d, [base + index + disp]
 *     movzx r9d, r9w                   with 16-bit addresses
 *     movzx r11d, byte [r12 + r9 + size - 1]
 *     mov r10, [r15 + place]
 *     op  ..., [r10 + r9]
 *
 * The check of the limit is a load, since a comparison would cost the guest's flags: behind the 64 KiB at R12
 * nothing is mapped. A byte at a 16-bit address needs none. A base and an offset that go beyond 4 GiB lead to
 * where nothing is mapped either. Who faults is the interpreter's, so a check may be too strict, never too
 * lax. A segment through which all can be accessed needs no check. Is its base 0, or does somebody use
 * negative offsets from its base, the linear address is made:
 *
 *     lea r11d, [r9 + size - 1]        but for bytes, and not with GEN_SEGMENT_FLAT:
 *     not r9                           does the operand begin at its lowest byte?
 *     lea r11, [r11 + r9]              size - 2, or as much less 4 GiB
 *     not r9
 *     movzx r11d, byte [r12 + r11 - (size - 2)]
 *     mov r10d, [r15 + base]
 *     lea r10d, [r9 + r10]
 *     op  ..., [r13 + r10]
 */
#include "segmented.h"

enum { OFFSETS = 0x10000, NO_PLACE_FOR_REX = -8 };

/* ---- Checks and places --------------------------------------------------------------------------- */

static void read_limit_byte(struct gen *g, unsigned base, unsigned size)
{
    struct host_memory last = { .base = (uint8_t)base, .index = R9, .disp = size - 1 };

    host_movzx_r32_m8(&g->code, R11, &last);
}

static void check_limited(struct gen *g, unsigned sreg, unsigned size, bool write)
{
    const struct gen_layout *layout = &g->request->layout;
    struct host_memory limit = gen_context(write ? layout->limit_write[sreg] : layout->limit_read[sreg]);

    host_mov_r64_m64(&g->code, R11, &limit);
    read_limit_byte(g, R11, size);
}

static void load_place(struct gen *g, unsigned sreg)
{
    struct host_memory place = gen_context(g->request->layout.place[sreg]);

    host_mov_r64_m64(&g->code, R10, &place);
}

/* Have an operand fault that goes round at the segment's end, as the interpreter says it does. */
static void check_end(struct gen *g, unsigned size)
{
    struct host_memory last = { .base = R9, .index = HOST_NO_REG, .disp = size - 1 };
    struct host_memory difference = { .base = R11, .index = R9 };
    struct host_memory none = { .base = R12, .index = R11, .disp = 2 - size };

    if (size == 1)
        return;
    host_lea_r32_m(&g->code, R11, &last);
    host_not_r64(&g->code, R9);
    host_lea_r64_m(&g->code, R11, &difference);
    host_not_r64(&g->code, R9);
    host_movzx_r32_m8(&g->code, R11, &none);
}

/* R10D = linear address of offset R9D */
static void add_base(struct gen *g, unsigned sreg)
{
    struct host_memory base = gen_context(g->request->layout.base[sreg]);
    struct host_memory sum = { .base = R9, .index = R10 };

    host_mov_r32_m32(&g->code, R10, &base);
    host_lea_r32_m(&g->code, R10, &sum);
}

bool segment_access(struct gen *g, unsigned sreg, unsigned size, bool write, bool narrow,
                    struct host_memory *memory)
{
    switch (g->request->segmented->segment[sreg]) {
    case GEN_SEGMENT_64K:
        if (!narrow || size > 1)
            read_limit_byte(g, R12, size);
        break;
    case GEN_SEGMENT_LIMITED:
        check_limited(g, sreg, size, write);
        break;
    case GEN_SEGMENT_4G:
        break;
    case GEN_SEGMENT_FLAT:
        *memory = (struct host_memory){ .base = R13, .index = R9 };
        return true;
    case GEN_SEGMENT_WRAPS:
        check_end(g, size);
        add_base(g, sreg);
        *memory = (struct host_memory){ .base = R13, .index = R10 };
        return true;
    default:
        return false;
    }
    load_place(g, sreg);
    *memory = (struct host_memory){ .base = R10, .index = R9 };
    return true;
}

/* ---- The memory operand -------------------------------------------------------------------------- */

static bool is_constant(const struct insn *insn)
{
    return insn->base == X86_NO_REG && insn->index == X86_NO_REG;
}

void segmented_offset(struct gen *g)
{
    const struct insn *insn = &g->insn;
    struct host_memory sum = {
        .base = (uint8_t)(insn->base == X86_NO_REG ? HOST_NO_REG : gen_register(insn->base)),
        .index = (uint8_t)(insn->index == X86_NO_REG ? HOST_NO_REG : insn->index),
        .scale = insn->scale,
        .disp = insn->disp,
    };
    bool narrow = insn->addr_size == 2;

    if (is_constant(insn)) {
        host_mov_r32_imm32(&g->code, R9, narrow ? insn->disp & (OFFSETS - 1) : insn->disp);
    } else if (narrow && sum.disp == 0 && sum.index == HOST_NO_REG) {
        host_movzx_r32_r16(&g->code, R9, sum.base);
    } else {
        host_lea_r32_m(&g->code, R9, &sum);
        if (narrow)
            host_movzx_r32_r16(&g->code, R9, R9);
    }
}

/* A place in the first 64 KiB is known to be inside when it is translated. */
static bool constant_operand(struct gen *g, unsigned size, struct host_memory *memory)
{
    const struct insn *insn = &g->insn;
    unsigned kind = g->request->segmented->segment[insn->seg];

    if (!is_constant(insn) || (kind != GEN_SEGMENT_64K && kind != GEN_SEGMENT_4G) ||
        insn->disp > OFFSETS - size)
        return false;
    load_place(g, insn->seg);
    *memory = (struct host_memory){ .base = R10, .index = HOST_NO_REG, .disp = insn->disp };
    return true;
}

bool segmented_operand(struct gen *g, unsigned size, bool write, struct host_memory *memory)
{
    if (constant_operand(g, size, memory))
        return true;
    segmented_offset(g);
    return segment_access(g, g->insn.seg, size, write, g->insn.addr_size == 2, memory);
}

static bool writes_memory(const struct insn *insn)
{
    /* clang-format off */
    switch (insn->op) {
    case X86_CMP: case X86_TEST: case X86_BT: case X86_MUL: case X86_DIV: case X86_IDIV: case X86_PUSH:
    case X86_JMP_IND: case X86_CALL_IND: case X86_IMUL:
        return false;
    case X86_XCHG:
        return true;
    default:
        return insn->opnd[0].kind == X86_OPND_MEM;
    }
    /* clang-format on */
}

bool segmented_memory(struct gen *g, struct host_memory *memory)
{
    const struct insn *insn = &g->insn;

    for (unsigned i = 0; i < 3; i++)
        if (insn->opnd[i].kind == X86_OPND_MEM && insn->opnd[i].size)
            return segmented_operand(g, insn->opnd[i].size, writes_memory(insn), memory);
    return false;
}

/* ---- AH to BH ------------------------------------------------------------------------------------ */

/* Beside R10 and R9 they cannot be named. Below the stack's top nothing is kept, and signals come elsewhere.
 */
static const struct host_memory spare = { .base = RSP,
                                          .index = HOST_NO_REG,
                                          .disp = (uint32_t)NO_PLACE_FOR_REX };

/*
 *     movzx r8d, byte [r10 + r9]
 *     mov [rsp - 8], r8b
 *     op  ah, [rsp - 8]
 */
static void load_high(struct gen *g, struct host_op *op)
{
    host_movzx_r32_m8(&g->code, R8, &op->memory);
    host_mov_m8_r8(&g->code, &spare, R8);
    op->memory = spare;
    gen_commit(g);
    host_op(&g->code, op);
}

/*
 *     mov [rsp - 8], ah
 *     movzx r8d, byte [rsp - 8]
 *     op  [r10 + r9], r8b
 */
static void store_high(struct gen *g, struct host_op *op)
{
    host_store_sized(&g->code, 1, &spare, op->reg);
    host_movzx_r32_m8(&g->code, R8, &spare);
    op->reg = R8;
    gen_commit(g);
    host_op(&g->code, op);
}

bool segmented_high_byte(struct gen *g, struct host_op *op)
{
    const struct insn *insn = &g->insn;

    if (op->kind != HOST_RM_MEMORY || insn->op == X86_XCHG || insn->op == X86_XADD || insn->op == X86_CMPXCHG)
        return false;
    if (insn->opnd[0].kind == X86_OPND_MEM)
        store_high(g, op);
    else
        load_high(g, op);
    return true;
}
