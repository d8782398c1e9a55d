/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The general form: the guest's own instruction, encoded for 64-bit code. Its memory operand becomes
 * `addr32 gs:`, since the sum then wraps at 4 GiB as the guest's does and needs no REX of its own; ESP
 * becomes R14; and opcodes that 64-bit code has lost (40 to 4F, 82, moffs) become those it has.
 *
 * By FS, whose base may be anything, the address is computed:
 *
 *     mov r9d, [r15 + fs_base]
 *     lea r9d, [r9 + base + disp]
 *     lea r9d, [r9 + index * scale]    only with base and index
 *     op  ..., [r12 + r9]
 */
#include "gen.h"

#include "emit.h"
#include "segmented.h"

/* ---- Operands ------------------------------------------------------------------------------------ */

static unsigned base_register(const struct insn *insn)
{
    return insn->base == X86_NO_REG ? HOST_NO_REG : gen_register(insn->base);
}

static unsigned index_register(const struct insn *insn)
{
    return insn->index == X86_NO_REG ? HOST_NO_REG : insn->index;
}

static struct host_memory plain_memory(const struct insn *insn)
{
    return (struct host_memory){
        .base = (uint8_t)base_register(insn),
        .index = (uint8_t)index_register(insn),
        .scale = insn->scale,
        .disp = insn->disp,
    };
}

/* R9D = linear address of the operand by FS. */
static void load_fs_address(struct gen *g)
{
    const struct insn *insn = &g->insn;
    struct host_memory fs_base = gen_context(g->request->layout.fs_base);
    struct host_memory sum = plain_memory(insn);
    struct host_memory more = { .base = R9, .index = sum.index, .scale = sum.scale };

    host_mov_r32_m32(&g->code, R9, &fs_base);
    if (sum.base == HOST_NO_REG) {
        sum.base = R9;
        host_lea_r32_m(&g->code, R9, &sum);
        return;
    }
    sum.index = R9;
    sum.scale = 0;
    host_lea_r32_m(&g->code, R9, &sum);
    if (more.index != HOST_NO_REG)
        host_lea_r32_m(&g->code, R9, &more);
}

/* A bit's number in a register moves the address by up to 256 MiB either way. */
static bool moves_by_bits(const struct insn *insn)
{
    bool bit = insn->op == X86_BT || insn->op == X86_BTS || insn->op == X86_BTR || insn->op == X86_BTC;

    return bit && insn->opnd[1].kind == X86_OPND_GPR;
}

bool gen_memory(struct gen *g, struct host_memory *memory)
{
    const struct insn *insn = &g->insn;

    if (g->request->segmented)
        return segmented_memory(g, memory);
    if (insn->addr_size != 4 || insn->seg == X86_CS || insn->seg == X86_GS)
        return false;
    if (insn->seg == X86_FS) {
        load_fs_address(g);
        *memory = (struct host_memory){ .base = R12, .index = R9 };
        return true;
    }
    *memory = plain_memory(insn);
    memory->window = true;
    if (memory->base == R14 && memory->index == HOST_NO_REG &&
        memory->disp == (uint32_t)(int8_t)memory->disp && !moves_by_bits(insn))
        *memory = gen_stack(memory->disp);
    return true;
}

/* ---- Fields -------------------------------------------------------------------------------------- */

/* Is ModRM.reg a part of the opcode? SDM 2D, "Opcode Extensions for One-byte and Two-byte Opcodes". */
static bool reg_extends_opcode(const struct insn *insn)
{
    /* clang-format off */
    switch (insn->map << 8 | insn->opcode) {
    case 0x80: case 0x81: case 0x82: case 0x83: case 0xc0: case 0xc1: case 0xc6: case 0xc7:
    case 0xd0: case 0xd1: case 0xd2: case 0xd3: case 0xf6: case 0xf7: case 0xfe: case 0xff:
    case 0x10d: case 0x118: case 0x1ba: case 0x1c7:
        return true;
    default:
        return insn->op == X86_SETCC;
    }
    /* clang-format on */
}

/* Do the opcode's low bits name a register? */
static bool register_in_opcode(const struct insn *insn)
{
    if (insn->map == 1)
        return insn->opcode >= 0xc8 && insn->opcode <= 0xcf;
    return insn->map == 0 &&
           ((insn->opcode >= 0x90 && insn->opcode <= 0x97) || (insn->opcode >= 0xb0 && insn->opcode <= 0xbf));
}

/* 40+rd and 48+rd are FF /0 and /1. */
static void widen_inc_dec(struct shape *shape)
{
    shape->rm = shape->opcode[0] & 7;
    shape->reg = shape->opcode[0] >> 3 & 1;
    shape->opcode[0] = 0xff;
    shape->has_modrm = true;
}

/* Encodings that 64-bit code has lost, and aliases that manuals do not know, become the usual ones. */
static void make_usual(struct shape *shape, const struct insn *insn)
{
    if (insn->map != 0)
        return;
    if (insn->opcode >= 0x40 && insn->opcode <= 0x4f)
        widen_inc_dec(shape);
    else if (insn->opcode == 0x82)
        shape->opcode[0] = 0x80;
    else if (insn->op == X86_TEST && reg_extends_opcode(insn))
        shape->reg = 0;
    else if (insn->op == X86_SHL)
        shape->reg = 4;
}

/* The register a field names: one of 8 bits is the same as ever, as long as there is no REX. */
static unsigned field_register(unsigned reg, unsigned size)
{
    return size == 1 ? reg : gen_register(reg);
}

static void take_registers(struct host_op *op, const struct shape *shape, const struct insn *insn)
{
    unsigned reg_size = insn->opnd[0].size;
    bool two_sizes = insn->op == X86_MOVZX || insn->op == X86_MOVSX || insn->op == X86_CRC32;
    unsigned rm_size = two_sizes ? insn->opnd[1].size : reg_size;

    if (shape->has_modrm) {
        op->kind = shape->is_memory ? HOST_RM_MEMORY : HOST_RM_REG;
        op->reg = (uint8_t)(reg_extends_opcode(insn) ? shape->reg : field_register(shape->reg, reg_size));
        op->rm = (uint8_t)field_register(shape->rm, rm_size);
    } else if (register_in_opcode(insn)) {
        op->kind = HOST_RM_OPCODE;
        op->rm = (uint8_t)field_register(insn->opcode & 7, reg_size);
    }
}

static bool names_high_byte(const struct insn *insn)
{
    for (unsigned i = 0; i < 3; i++) {
        const struct x86_operand *operand = &insn->opnd[i];

        if (operand->kind == X86_OPND_GPR && operand->size == 1 && operand->reg >= 4)
            return true;
    }
    return false;
}

static uint8_t mandatory_prefix(const struct insn *insn)
{
    return insn->op == X86_POPCNT ? 0xf3 : insn->op == X86_CRC32 ? 0xf2 : 0;
}

static bool take_memory(struct gen *g, struct host_op *op)
{
    if (g->insn.op != X86_LEA)
        return gen_memory(g, &op->memory);
    if (g->insn.addr_size < g->insn.op_size)
        return false;                    /* a sum of 16 bits */
    op->memory = plain_memory(&g->insn); /* no access; what is above 32 bits is dropped */
    return true;
}

/* ---- Forms --------------------------------------------------------------------------------------- */

static bool read_shape(const struct gen *g, struct shape *shape)
{
    return g->request->segmented ? shape_read_any(shape, &g->insn, g->bytes)
                                 : shape_read(shape, &g->insn, g->bytes);
}

/* By GS the sum is cut to 32 bits, as in 32-bit code (test_generate asks the processor); by R12 or R13 it
 * would leave the window, and any segment. */
static bool bit_leaves_window(const struct gen *g)
{
    const struct insn *insn = &g->insn;

    if (!moves_by_bits(insn))
        return false;
    return g->request->segmented ? insn->opnd[0].kind == X86_OPND_MEM : insn->seg == X86_FS;
}

bool gen_recode(struct gen *g)
{
    const struct insn *insn = &g->insn;
    struct shape shape;
    struct host_op op = {
        .word = insn->op_size == 2 && insn->op != X86_CMPXCHG8B,
        .lock = (insn->prefixes & X86_PFX_LOCK) != 0,
        .mandatory = mandatory_prefix(insn), /* F2 and F3 that mean nothing are left out: they may to come */
    };

    if (!read_shape(g, &shape))
        return false;
    if (insn->op == X86_BSWAP && insn->op_size == 2)
        return false; /* undefined, so the interpreter's to define */
    if (bit_leaves_window(g))
        return false;
    make_usual(&shape, insn);
    op.opcode_count = shape.opcode_count;
    op.imm_count = shape.imm_count;
    __builtin_memcpy(op.opcode, shape.opcode, sizeof(op.opcode));
    __builtin_memcpy(op.imm, shape.imm, sizeof(op.imm));
    take_registers(&op, &shape, insn);
    if (op.kind == HOST_RM_MEMORY && !take_memory(g, &op))
        return false;
    if (host_needs_rex(&op) && names_high_byte(insn)) {
        if (g->request->segmented)
            return segmented_high_byte(g, &op);
        g->code.size = g->entry->host;
        return gen_load_high_byte(g);
    }
    gen_commit(g);
    host_op(&g->code, &op);
    return true;
}

bool gen_nop(struct gen *g)
{
    gen_commit(g);
    host_nop(&g->code);
    return true;
}

bool gen_pause(struct gen *g)
{
    gen_commit(g);
    host_pause(&g->code);
    return true;
}

bool gen_fence(struct gen *g)
{
    gen_commit(g);
    host_fence(&g->code, g->insn.modrm >> 3 & 7);
    return true;
}

/* At CPL 0 CR4.TSD does not matter. The upper halves of RAX and RDX are cleared, too. */
bool gen_rdtsc(struct gen *g)
{
    if (!g->request->tsc_native)
        return false;
    gen_commit(g);
    host_rdtsc(&g->code);
    return true;
}
