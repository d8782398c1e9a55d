/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * 64-bit host code for operands of 16 bits, and for those of a size that is only known when it is written.
 * Opcodes as in host.c.
 */
#include "host.h"

static struct host_op of_memory(uint8_t opcode, unsigned reg, const struct host_memory *memory)
{
    return (struct host_op){
        .opcode_count = 1,
        .opcode = { opcode },
        .kind = HOST_RM_MEMORY,
        .reg = (uint8_t)reg,
        .memory = *memory,
    };
}

/* 0F B6 /r, 0F B7 /r */
static void movzx(struct host_code *c, uint8_t opcode, unsigned to, unsigned from)
{
    struct host_op op = {
        .opcode_count = 2,
        .opcode = { 0x0f, opcode },
        .kind = HOST_RM_REG,
        .reg = (uint8_t)to,
        .rm = (uint8_t)from,
    };

    host_op(c, &op);
}

void host_movzx_r32_r8(struct host_code *c, unsigned to, unsigned from)
{
    movzx(c, 0xb6, to, from);
}

void host_movzx_r32_r16(struct host_code *c, unsigned to, unsigned from)
{
    movzx(c, 0xb7, to, from);
}

/* 88 /r, 89 /r */
void host_mov_sized(struct host_code *c, unsigned size, unsigned to, unsigned from)
{
    struct host_op op = {
        .word = size == 2,
        .opcode_count = 1,
        .opcode = { size == 1 ? 0x88 : 0x89 },
        .kind = HOST_RM_REG,
        .reg = (uint8_t)from,
        .rm = (uint8_t)to,
    };

    host_op(c, &op);
}

/* 8A /r, 8B /r */
void host_load_sized(struct host_code *c, unsigned size, unsigned reg, const struct host_memory *memory)
{
    struct host_op op = of_memory(size == 1 ? 0x8a : 0x8b, reg, memory);

    op.word = size == 2;
    host_op(c, &op);
}

/* The same with zeros above it: 0F B6 /r, 0F B7 /r, 8B /r */
void host_load_zero_extended(struct host_code *c, unsigned size, unsigned reg,
                             const struct host_memory *memory)
{
    if (size == 1)
        host_movzx_r32_m8(c, reg, memory);
    else if (size == 2)
        host_movzx_r32_m16(c, reg, memory);
    else
        host_mov_r32_m32(c, reg, memory);
}

/* 88 /r, 89 /r */
void host_store_sized(struct host_code *c, unsigned size, const struct host_memory *memory, unsigned reg)
{
    struct host_op op = of_memory(size == 1 ? 0x88 : 0x89, reg, memory);

    op.word = size == 2;
    host_op(c, &op);
}

/* C7 /0 iw, C7 /0 id */
void host_store_imm_sized(struct host_code *c, unsigned size, const struct host_memory *memory,
                          uint32_t value)
{
    struct host_op op = of_memory(0xc7, 0, memory);

    op.word = size == 2;
    op.imm_count = (uint8_t)size;
    for (unsigned i = 0; i < size; i++)
        op.imm[i] = (uint8_t)(value >> 8 * i);
    host_op(c, &op);
}

/* 38 /r, 39 /r, 3A /r, 3B /r */
void host_cmp_sized(struct host_code *c, unsigned size, unsigned reg, const struct host_memory *memory)
{
    struct host_op op = of_memory(size == 1 ? 0x3a : 0x3b, reg, memory);

    op.word = size == 2;
    host_op(c, &op);
}

/* REX.W 89 /r */
void host_mov_m64_r64(struct host_code *c, const struct host_memory *memory, unsigned reg)
{
    struct host_op op = of_memory(0x89, reg, memory);

    op.wide = true;
    host_op(c, &op);
}
