/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Binding of the integer instructions that neither branch nor touch the stack or system state: chooses the
 * handler for a decoded instruction. Executor side.
 */
#include "integer.h"

#include "bind.h"

static bool binary_of(unsigned op, enum alu_op *alu)
{
    switch (op) {
    case X86_ADD:
        *alu = ALU_ADD;
        return true;
    case X86_OR:
        *alu = ALU_OR;
        return true;
    case X86_ADC:
        *alu = ALU_ADC;
        return true;
    case X86_SBB:
        *alu = ALU_SBB;
        return true;
    case X86_AND:
        *alu = ALU_AND;
        return true;
    case X86_SUB:
        *alu = ALU_SUB;
        return true;
    case X86_XOR:
        *alu = ALU_XOR;
        return true;
    case X86_CMP:
        *alu = ALU_CMP;
        return true;
    case X86_TEST:
        *alu = ALU_TEST;
        return true;
    default:
        return false;
    }
}

static bool unary_of(unsigned op, enum alu_unary *alu)
{
    switch (op) {
    case X86_INC:
        *alu = ALU_INC;
        return true;
    case X86_DEC:
        *alu = ALU_DEC;
        return true;
    case X86_NEG:
        *alu = ALU_NEG;
        return true;
    case X86_NOT:
        *alu = ALU_NOT;
        return true;
    default:
        return false;
    }
}

bool bind_integer(const struct insn *in, unsigned mode, struct uop *u, bool *ends)
{
    enum alu_op binary;
    enum alu_unary unary;
    (void)ends;
    if (binary_of(in->op, &binary)) {
        bind_alu_binary(binary, in, mode, u);
        return true;
    }
    if (unary_of(in->op, &unary)) {
        bind_alu_unary(unary, in, mode, u);
        return true;
    }
    return bind_mov(in, mode, u) || bind_shift(in, mode, u) || bind_bits(in, mode, u) ||
           bind_muldiv(in, mode, u) || bind_bcd(in, mode, u);
}
