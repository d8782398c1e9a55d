/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Arithmetic done by the host processor on the guest's behalf, flags included: the host instruction runs,
 * LAHF and SETO collect the six flags into the form vcpu.arith keeps (AH over AL). No flag is computed
 * lazily or by formula, so undefined flags too are what a processor gives. Executor side.
 */
#pragma once

#include "cpu.h"

enum alu_op { ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR, ALU_CMP, ALU_TEST, ALU_COUNT };
enum alu_unary { ALU_INC, ALU_DEC, ALU_NEG, ALU_NOT, ALU_UNARY_COUNT };
enum alu_shift { ALU_ROL, ALU_ROR, ALU_RCL, ALU_RCR, ALU_SHL, ALU_SHR, ALU_SAR, ALU_SHIFT_COUNT };

/* Load the host's flags from AX as LAHF/SETO left them: 7F + 1 overflows, 7F + 0 does not. */
#define ALU_LOAD_FLAGS  "addb $0x7f, %%al\n\tsahf\n\t"
#define ALU_STORE_FLAGS "\n\tlahf\n\tseto %%al"

/* One two-operand instruction in the three operand sizes; `flags` is the constraint of AX. */
#define ALU_SIZED(before, name, flags)                                                                       \
    do {                                                                                                     \
        if (size == 4)                                                                                       \
            __asm__(before name "l %k2, %k0" ALU_STORE_FLAGS : "+&r"(a), flags(f) : "r"(b) : "cc");          \
        else if (size == 2)                                                                                  \
            __asm__(before name "w %w2, %w0" ALU_STORE_FLAGS : "+&r"(a), flags(f) : "r"(b) : "cc");          \
        else                                                                                                 \
            __asm__(before name "b %b2, %b0" ALU_STORE_FLAGS : "+&r"(a), flags(f) : "r"(b) : "cc");          \
    } while (0)

/* a op b; *arith: flags in (carry, for ADC and SBB) and out. The upper bits of the result are garbage. */
static ALWAYS_INLINE uint32_t alu_binary(enum alu_op op, unsigned size, uint32_t a, uint32_t b,
                                         uint16_t *arith)
{
    uint32_t f;
    switch (op) {
    case ALU_ADD:
        ALU_SIZED("", "add", "=&a");
        break;
    case ALU_OR:
        ALU_SIZED("", "or", "=&a");
        break;
    case ALU_ADC:
        f = *arith;
        ALU_SIZED("btl $8, %k1\n\t", "adc", "+&a");
        break;
    case ALU_SBB:
        f = *arith;
        ALU_SIZED("btl $8, %k1\n\t", "sbb", "+&a");
        break;
    case ALU_AND:
        ALU_SIZED("", "and", "=&a");
        break;
    case ALU_SUB:
        ALU_SIZED("", "sub", "=&a");
        break;
    case ALU_XOR:
        ALU_SIZED("", "xor", "=&a");
        break;
    case ALU_CMP:
        ALU_SIZED("", "cmp", "=&a");
        break;
    default:
        ALU_SIZED("", "test", "=&a");
        break;
    }
    *arith = (uint16_t)f;
    return a;
}

#undef ALU_SIZED

/* Does the operation write its destination? */
static ALWAYS_INLINE bool alu_writes(enum alu_op op)
{
    return op != ALU_CMP && op != ALU_TEST;
}

#define ALU_SIZED(name)                                                                                      \
    do {                                                                                                     \
        if (size == 4)                                                                                       \
            __asm__(ALU_LOAD_FLAGS name "l %k0" ALU_STORE_FLAGS : "+&r"(a), "+&a"(f) : : "cc");              \
        else if (size == 2)                                                                                  \
            __asm__(ALU_LOAD_FLAGS name "w %w0" ALU_STORE_FLAGS : "+&r"(a), "+&a"(f) : : "cc");              \
        else                                                                                                 \
            __asm__(ALU_LOAD_FLAGS name "b %b0" ALU_STORE_FLAGS : "+&r"(a), "+&a"(f) : : "cc");              \
    } while (0)

/* INC and DEC keep CF, NOT keeps all: the guest's flags are loaded first. */
static ALWAYS_INLINE uint32_t alu_unary(enum alu_unary op, unsigned size, uint32_t a, uint16_t *arith)
{
    uint32_t f = *arith;
    switch (op) {
    case ALU_INC:
        ALU_SIZED("inc");
        break;
    case ALU_DEC:
        ALU_SIZED("dec");
        break;
    case ALU_NEG:
        ALU_SIZED("neg");
        break;
    default:
        return ~a;
    }
    *arith = (uint16_t)f;
    return a;
}

#undef ALU_SIZED

#define ALU_SIZED(name)                                                                                      \
    do {                                                                                                     \
        if (size == 4)                                                                                       \
            __asm__(ALU_LOAD_FLAGS name "l %%cl, %k0" ALU_STORE_FLAGS : "+&r"(a), "+&a"(f) : "c"(n) : "cc"); \
        else if (size == 2)                                                                                  \
            __asm__(ALU_LOAD_FLAGS name "w %%cl, %w0" ALU_STORE_FLAGS : "+&r"(a), "+&a"(f) : "c"(n) : "cc"); \
        else                                                                                                 \
            __asm__(ALU_LOAD_FLAGS name "b %%cl, %b0" ALU_STORE_FLAGS : "+&r"(a), "+&a"(f) : "c"(n) : "cc"); \
    } while (0)

/* Shift or rotate by n (masked by the host as by the guest); a count of zero changes no flag. */
static ALWAYS_INLINE uint32_t alu_shift(enum alu_shift op, unsigned size, uint32_t a, uint32_t n,
                                        uint16_t *arith)
{
    uint32_t f = *arith;
    switch (op) {
    case ALU_ROL:
        ALU_SIZED("rol");
        break;
    case ALU_ROR:
        ALU_SIZED("ror");
        break;
    case ALU_RCL:
        ALU_SIZED("rcl");
        break;
    case ALU_RCR:
        ALU_SIZED("rcr");
        break;
    case ALU_SHL:
        ALU_SIZED("shl");
        break;
    case ALU_SHR:
        ALU_SIZED("shr");
        break;
    default:
        ALU_SIZED("sar");
        break;
    }
    *arith = (uint16_t)f;
    return a;
}

#undef ALU_SIZED

/* Condition code cc (low four bits of Jcc's opcode) on flags in vcpu.arith's form. */
static ALWAYS_INLINE bool alu_condition(uint32_t arith, unsigned cc)
{
    bool less = (arith >> 15 ^ arith) & 1; /* SF != OF */
    bool holds;
    switch (cc >> 1) {
    case 0:
        holds = arith & ARITH_OF;
        break;
    case 1:
        holds = arith & ARITH_CF;
        break;
    case 2:
        holds = arith & ARITH_ZF;
        break;
    case 3:
        holds = arith & (ARITH_CF | ARITH_ZF);
        break;
    case 4:
        holds = arith & ARITH_SF;
        break;
    case 5:
        holds = arith & ARITH_PF;
        break;
    case 6:
        holds = less;
        break;
    default:
        holds = less || (arith & ARITH_ZF);
        break;
    }
    return holds != (cc & 1);
}
