/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Encoding of 64-bit host code: SDM 2A, "Instruction Format", "REX Prefixes" and "Addressing-Mode Encoding of
 * ModR/M and SIB Bytes"; the opcodes from the table of each instruction, SDM 2B to 2D.
 */
#include "host.h"

enum {
    PREFIX_WORD = 0x66,
    PREFIX_ADDRESS32 = 0x67,
    PREFIX_GS = 0x65,
    PREFIX_LOCK = 0xf0,
    REX = 0x40,
    REX_W = 8,
    REX_R = 4,
    REX_X = 2,
    REX_B = 1,
    MOD_REGISTER = 3,
    RM_SIB = 4,        /* ModRM.rm: a SIB byte follows. R12 is in the same case as RSP */
    RM_NEEDS_DISP = 5, /* ModRM.rm or SIB.base: with mod 0 it is not RBP or R13, but no base at all */
    SIB_NO_INDEX = 4,
};

static void put8(struct host_code *c, unsigned value)
{
    if (c->size == c->room)
        c->overflow = true;
    else
        c->bytes[c->size++] = (uint8_t)value;
}

static void put32(struct host_code *c, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        put8(c, value >> 8 * i);
}

static void put_bytes(struct host_code *c, const uint8_t *bytes, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        put8(c, bytes[i]);
}

/* ---- An instruction in fields -------------------------------------------------------------------- */

static unsigned rex_bits(const struct host_op *op)
{
    unsigned bits = op->wide ? REX_W : 0;

    if (op->reg >= R8)
        bits |= REX_R;
    if (op->kind == HOST_RM_MEMORY) {
        if (op->memory.base >= R8 && op->memory.base != HOST_NO_REG)
            bits |= REX_B;
        if (op->memory.index >= R8 && op->memory.index != HOST_NO_REG)
            bits |= REX_X;
    } else if (op->rm >= R8) {
        bits |= REX_B;
    }
    return bits;
}

bool host_needs_rex(const struct host_op *op)
{
    return rex_bits(op) != 0;
}

/* Without a base: by SIB, since ModRM alone is relative to RIP in 64-bit code. */
static void put_memory_without_base(struct host_code *c, unsigned reg, const struct host_memory *memory)
{
    unsigned index = memory->index == HOST_NO_REG ? SIB_NO_INDEX : memory->index & 7;

    put8(c, (reg & 7) << 3 | RM_SIB);
    put8(c, (unsigned)memory->scale << 6 | index << 3 | RM_NEEDS_DISP);
    put32(c, memory->disp);
}

static unsigned choose_mod(const struct host_memory *memory)
{
    if (memory->disp == 0 && (memory->base & 7) != RM_NEEDS_DISP)
        return 0;
    return memory->disp == (uint32_t)(int8_t)memory->disp ? 1 : 2;
}

static void put_memory(struct host_code *c, unsigned reg, const struct host_memory *memory)
{
    bool sib = memory->index != HOST_NO_REG || (memory->base & 7) == RM_SIB;
    unsigned index = memory->index == HOST_NO_REG ? SIB_NO_INDEX : memory->index & 7;
    unsigned mod = choose_mod(memory);

    if (memory->base == HOST_NO_REG) {
        put_memory_without_base(c, reg, memory);
        return;
    }
    put8(c, mod << 6 | (reg & 7) << 3 | (sib ? RM_SIB : memory->base & 7));
    if (sib)
        put8(c, (unsigned)memory->scale << 6 | index << 3 | (memory->base & 7));
    if (mod == 1)
        put8(c, memory->disp);
    else if (mod == 2)
        put32(c, memory->disp);
}

static void put_prefixes(struct host_code *c, const struct host_op *op)
{
    unsigned rex = rex_bits(op);

    if (op->kind == HOST_RM_MEMORY && op->memory.window) {
        put8(c, PREFIX_ADDRESS32);
        put8(c, PREFIX_GS);
    }
    if (op->lock)
        put8(c, PREFIX_LOCK);
    if (op->mandatory)
        put8(c, op->mandatory);
    if (op->word)
        put8(c, PREFIX_WORD);
    if (rex)
        put8(c, REX | rex);
}

void host_op(struct host_code *c, const struct host_op *op)
{
    unsigned last = op->opcode_count - 1u;

    put_prefixes(c, op);
    put_bytes(c, op->opcode, last);
    put8(c, op->kind == HOST_RM_OPCODE ? (op->opcode[last] & ~7u) | (op->rm & 7) : op->opcode[last]);
    if (op->kind == HOST_RM_MEMORY)
        put_memory(c, op->reg, &op->memory);
    else if (op->kind == HOST_RM_REG)
        put8(c, MOD_REGISTER << 6 | (op->reg & 7u) << 3 | (op->rm & 7u));
    put_bytes(c, op->imm, op->imm_count);
}

static void op_memory(struct host_code *c, bool wide, uint8_t opcode, unsigned reg,
                      const struct host_memory *memory)
{
    struct host_op op = {
        .wide = wide,
        .opcode_count = 1,
        .opcode = { opcode },
        .kind = HOST_RM_MEMORY,
        .reg = (uint8_t)reg,
        .memory = *memory,
    };

    host_op(c, &op);
}

static void op_reg(struct host_code *c, uint8_t opcode, unsigned reg, unsigned rm)
{
    struct host_op op = {
        .opcode_count = 1,
        .opcode = { opcode },
        .kind = HOST_RM_REG,
        .reg = (uint8_t)reg,
        .rm = (uint8_t)rm,
    };

    host_op(c, &op);
}

/* ---- Moves --------------------------------------------------------------------------------------- */

/* 90 */
void host_nop(struct host_code *c)
{
    put8(c, 0x90);
}

/* F3 90 */
void host_pause(struct host_code *c)
{
    put8(c, 0xf3);
    put8(c, 0x90);
}

/* 0F 31 */
void host_rdtsc(struct host_code *c)
{
    put8(c, 0x0f);
    put8(c, 0x31);
}

/* 0F AE /5, /6, /7: LFENCE, MFENCE, SFENCE */
void host_fence(struct host_code *c, unsigned digit)
{
    put8(c, 0x0f);
    put8(c, 0xae);
    put8(c, MOD_REGISTER << 6 | digit << 3);
}

/* B8+rd id */
void host_mov_r32_imm32(struct host_code *c, unsigned reg, uint32_t value)
{
    struct host_op op = { .opcode_count = 1, .opcode = { 0xb8 }, .kind = HOST_RM_OPCODE, .rm = (uint8_t)reg };

    host_op(c, &op);
    put32(c, value);
}

/* 89 /r */
void host_mov_r32_r32(struct host_code *c, unsigned to, unsigned from)
{
    op_reg(c, 0x89, from, to);
}

/* 8B /r */
void host_mov_r32_m32(struct host_code *c, unsigned reg, const struct host_memory *memory)
{
    op_memory(c, false, 0x8b, reg, memory);
}

/* 89 /r */
void host_mov_m32_r32(struct host_code *c, const struct host_memory *memory, unsigned reg)
{
    op_memory(c, false, 0x89, reg, memory);
}

/* C7 /0 id */
void host_mov_m32_imm32(struct host_code *c, const struct host_memory *memory, uint32_t value)
{
    op_memory(c, false, 0xc7, 0, memory);
    put32(c, value);
}

/* 8D /r */
void host_lea_r32_m(struct host_code *c, unsigned reg, const struct host_memory *memory)
{
    op_memory(c, false, 0x8d, reg, memory);
}

/* REX.W 8D /r */
void host_lea_r64_m(struct host_code *c, unsigned reg, const struct host_memory *memory)
{
    op_memory(c, true, 0x8d, reg, memory);
}

/* 81 /7 id */
void host_not_r64(struct host_code *c, unsigned reg)
{
    const struct host_op op = {
        .wide = true, .opcode_count = 1, .opcode = { 0xf7 }, .kind = HOST_RM_REG, .reg = 2, .rm = (uint8_t)reg
    };

    host_op(c, &op);
}

void host_cmp_r32_imm32(struct host_code *c, unsigned reg, uint32_t value)
{
    op_reg(c, 0x81, 7, reg);
    put32(c, value);
}

/* A4 to AF but A8 and A9, by RSI and RDI */
void host_string(struct host_code *c, uint8_t opcode, bool word, uint8_t repeat)
{
    struct host_op op = { .word = word, .mandatory = repeat, .opcode_count = 1, .opcode = { opcode } };

    host_op(c, &op);
}

/* ---- For flags and segment registers -------------------------------------------------------------- */

static void op_memory_0f(struct host_code *c, uint8_t opcode, unsigned reg, const struct host_memory *memory)
{
    struct host_op op = {
        .opcode_count = 2,
        .opcode = { 0x0f, opcode },
        .kind = HOST_RM_MEMORY,
        .reg = (uint8_t)reg,
        .memory = *memory,
    };

    host_op(c, &op);
}

/* 9C */
void host_pushfq(struct host_code *c)
{
    put8(c, 0x9c);
}

/* 58+rd */
void host_pop_r64(struct host_code *c, unsigned reg)
{
    struct host_op op = { .opcode_count = 1, .opcode = { 0x58 }, .kind = HOST_RM_OPCODE, .rm = (uint8_t)reg };

    host_op(c, &op);
}

/* REX.W 89 /r */
void host_mov_r64_r64(struct host_code *c, unsigned to, unsigned from)
{
    struct host_op op = {
        .wide = true,
        .opcode_count = 1,
        .opcode = { 0x89 },
        .kind = HOST_RM_REG,
        .reg = (uint8_t)from,
        .rm = (uint8_t)to,
    };

    host_op(c, &op);
}

/* REX.W 8B /r */
void host_mov_r64_m64(struct host_code *c, unsigned reg, const struct host_memory *memory)
{
    op_memory(c, true, 0x8b, reg, memory);
}

/* 88 /r */
void host_mov_r8_r8(struct host_code *c, unsigned to, unsigned from)
{
    op_reg(c, 0x88, from, to);
}

/* 0F B6 /r */
void host_movzx_r32_m8(struct host_code *c, unsigned reg, const struct host_memory *memory)
{
    op_memory_0f(c, 0xb6, reg, memory);
}

/* 0F B7 /r */
void host_movzx_r32_m16(struct host_code *c, unsigned reg, const struct host_memory *memory)
{
    op_memory_0f(c, 0xb7, reg, memory);
}

/* 88 /r */
void host_mov_m8_r8(struct host_code *c, const struct host_memory *memory, unsigned reg)
{
    op_memory(c, false, 0x88, reg, memory);
}

/* 33 /r */
void host_xor_r32_m32(struct host_code *c, unsigned reg, const struct host_memory *memory)
{
    op_memory(c, false, 0x33, reg, memory);
}

/* 31 /r */
void host_xor_m32_r32(struct host_code *c, const struct host_memory *memory, unsigned reg)
{
    op_memory(c, false, 0x31, reg, memory);
}

/* 81 /4 id */
void host_and_r32_imm32(struct host_code *c, unsigned reg, uint32_t value)
{
    op_reg(c, 0x81, 4, reg);
    put32(c, value);
}

/* F7 /0 id */
void host_test_r32_imm32(struct host_code *c, unsigned reg, uint32_t value)
{
    op_reg(c, 0xf7, 0, reg);
    put32(c, value);
}

/* 80 /7 ib */
void host_cmp_m8_imm8(struct host_code *c, const struct host_memory *memory, uint8_t value)
{
    op_memory(c, false, 0x80, 7, memory);
    put8(c, value);
}

/* 88 C4, 0F 92 C0, 04 7F, 9E */
void host_flags_from_al_cf(struct host_code *c)
{
    static const uint8_t bytes[] = { 0x88, 0xc4, 0x0f, 0x92, 0xc0, 0x04, 0x7f, 0x9e };

    put_bytes(c, bytes, sizeof(bytes));
}

/* 0F BA /4 ib */
void host_bt_r32_imm8(struct host_code *c, unsigned reg, uint8_t bit)
{
    struct host_op op = {
        .opcode_count = 2,
        .opcode = { 0x0f, 0xba },
        .kind = HOST_RM_REG,
        .reg = 4,
        .rm = (uint8_t)reg,
        .imm = { bit },
        .imm_count = 1,
    };

    host_op(c, &op);
}

/* ---- Branches ------------------------------------------------------------------------------------ */

/* C3 */
void host_ret(struct host_code *c)
{
    put8(c, 0xc3);
}

/* FF /4 */
void host_jmp_m64(struct host_code *c, const struct host_memory *memory)
{
    op_memory(c, false, 0xff, 4, memory);
}

/* FF /2 */
void host_call_m64(struct host_code *c, const struct host_memory *memory)
{
    op_memory(c, false, 0xff, 2, memory);
}

static unsigned put_rel32(struct host_code *c)
{
    put32(c, 0);
    return c->size - 4;
}

/* E9 cd */
unsigned host_jmp_rel32(struct host_code *c)
{
    put8(c, 0xe9);
    return put_rel32(c);
}

/* 0F 80+cc cd */
unsigned host_jcc_rel32(struct host_code *c, unsigned cond)
{
    put8(c, 0x0f);
    put8(c, 0x80 | cond);
    return put_rel32(c);
}

/* E8 cd */
unsigned host_call_rel32(struct host_code *c)
{
    put8(c, 0xe8);
    return put_rel32(c);
}

void host_aim(struct host_code *c, unsigned rel32, unsigned target)
{
    uint32_t distance = target - (rel32 + 4);

    if (!c->overflow)
        __builtin_memcpy(c->bytes + rel32, &distance, sizeof(distance));
}

void host_await(struct host_code *c, unsigned rel32, struct host_label *label)
{
    uint32_t before = label->uses;

    if (c->overflow)
        return;
    __builtin_memcpy(c->bytes + rel32, &before, sizeof(before));
    label->uses = (uint16_t)rel32;
}

void host_bind(struct host_code *c, struct host_label *label)
{
    while (label->uses && !c->overflow) {
        unsigned rel32 = label->uses;
        uint32_t before;

        __builtin_memcpy(&before, c->bytes + rel32, sizeof(before));
        label->uses = (uint16_t)before;
        host_aim(c, rel32, c->size);
    }
}

static struct host_short put_rel8(struct host_code *c)
{
    put8(c, 0);
    return (struct host_short){ (uint16_t)(c->size - 1) };
}

/* EB cb */
struct host_short host_jmp_rel8(struct host_code *c)
{
    put8(c, 0xeb);
    return put_rel8(c);
}

/* 70+cc cb */
struct host_short host_jcc_rel8(struct host_code *c, unsigned cond)
{
    put8(c, 0x70 | cond);
    return put_rel8(c);
}

/* E3 cb: RCX, in 64-bit code */
struct host_short host_jrcxz(struct host_code *c)
{
    put8(c, 0xe3);
    return put_rel8(c);
}

void host_aim_short(struct host_code *c, struct host_short jump, unsigned target)
{
    if (!c->overflow)
        c->bytes[jump.at] = (uint8_t)(target - (jump.at + 1u));
}

void host_land(struct host_code *c, struct host_short jump)
{
    host_aim_short(c, jump, c->size);
}
