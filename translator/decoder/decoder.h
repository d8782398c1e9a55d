/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A decode in progress: the window onto the bytes and how to take from it. Shared by the files of the
 * instruction decoder only.
 */
#pragma once

#include "translator/decode.h"

enum {
    /* Fifteen prefixes, opcode 3, ModRM, SIB, displacement 4, immediates 6: no position lies beyond. */
    WINDOW_SIZE = 32,
};

struct decoder {
    struct insn *insn;
    unsigned pos;   /* bytes consumed */
    unsigned limit; /* bytes of the window that are real */
    uint8_t window[WINDOW_SIZE];
};

static inline uint8_t fetch8(struct decoder *d)
{
    return d->window[d->pos++];
}

static inline uint32_t fetch16(struct decoder *d)
{
    uint16_t value;

    __builtin_memcpy(&value, d->window + d->pos, sizeof(value));
    d->pos += sizeof(value);
    return value;
}

static inline uint32_t fetch32(struct decoder *d)
{
    uint32_t value;

    __builtin_memcpy(&value, d->window + d->pos, sizeof(value));
    d->pos += sizeof(value);
    return value;
}

static inline uint32_t fetch8_signed(struct decoder *d)
{
    return (uint32_t)(int8_t)fetch8(d);
}

/* Two or four bytes, as the operand size says; two are sign-extended. */
static inline uint32_t fetch_full(struct decoder *d)
{
    return d->insn->op_size == 2 ? (uint32_t)(int16_t)fetch16(d) : fetch32(d);
}

static inline unsigned modrm_mod(const struct insn *insn)
{
    return insn->modrm >> 6;
}

static inline unsigned modrm_reg(const struct insn *insn)
{
    return insn->modrm >> 3 & 7;
}

static inline unsigned modrm_rm(const struct insn *insn)
{
    return insn->modrm & 7;
}

static inline void fetch_modrm(struct decoder *d)
{
    if (!d->insn->has_modrm) {
        d->insn->has_modrm = true;
        d->insn->modrm = fetch8(d);
    }
}

/* decode_operands.c */

/* SIB and displacement, when ModRM names memory. Once for each instruction. */
void decoder_memory(struct decoder *d);

/* One operand, by its enum operand_code. False: the bytes name no such operand, so there is no instruction.
 */
bool decoder_operand(struct decoder *d, unsigned code, struct x86_operand *out);
