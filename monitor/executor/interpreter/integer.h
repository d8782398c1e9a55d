/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Private to the integer handlers: who binds what, grouped by file. bind_integer() in integer.c asks them.
 */
#pragma once

#include "alu.h"
#include "executor.h"

/* Table index of an operand size: 1, 2, 4 -> 0, 1, 2. */
static inline unsigned size_log2(unsigned size)
{
    return size >> 1;
}

/* alu.c */
void bind_alu_binary(enum alu_op op, const struct insn *in, unsigned mode, struct uop *u);
void bind_alu_unary(enum alu_unary op, const struct insn *in, unsigned mode, struct uop *u);

/* shift.c: rotates, shifts, SHLD, SHRD */
bool bind_shift(const struct insn *in, unsigned mode, struct uop *u);

/* muldiv.c: MUL, IMUL, DIV, IDIV, AAM, AAD */
bool bind_muldiv(const struct insn *in, unsigned mode, struct uop *u);

/* bits.c: BT.., BSF, BSR, SETcc, CMOVcc, BSWAP, XADD, CMPXCHG, CMPXCHG8B, LAHF, SAHF, flag instructions */
bool bind_bits(const struct insn *in, unsigned mode, struct uop *u);

/* mov.c: MOV, MOVZX, MOVSX, LEA, XCHG, CBW, CWD, XLAT, NOP */
bool bind_mov(const struct insn *in, unsigned mode, struct uop *u);

/* bcd.c: DAA, DAS, AAA, AAS, SALC */
bool bind_bcd(const struct insn *in, unsigned mode, struct uop *u);
