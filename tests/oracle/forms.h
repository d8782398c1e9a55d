/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The instruction forms the generator may use: every form a 32-bit program runs unprivileged, and no
 * form whose result depends on the host (CPUID, RDTSC, SGDT ...) or that enters the host's kernel.
 * Written from the SDM's opcode maps and deliberately not from the translator's tables, so that a row
 * missing there is noticed here.
 */
#pragma once

#include <stdint.h>

enum form_modrm {
    M_NONE,
    M_ANY, /* register or memory */
    M_REG,
    M_MEM,
};

enum form_imm {
    I_NONE,
    I_B,
    I_W,
    I_Z,    /* 16 or 32 bits by operand size */
    I_ADDR, /* offset of A0..A3, by address size */
    I_WB,   /* ENTER */
};

enum form_attr {
    F_OSZ = 1 << 0,        /* prefix 66 may be added */
    F_LOCK = 1 << 1,       /* LOCK is legal with a memory operand */
    F_DST_REG = 1 << 2,    /* writes the general register in ModRM.reg */
    F_DST_RM = 1 << 3,     /* ... in ModRM.rm */
    F_DST_OP = 1 << 4,     /* ... in the opcode's low bits */
    F_BYTE = 1 << 5,       /* general registers are byte registers */
    F_ALIGN = 1 << 6,      /* #GP unless the memory operand is aligned */
    F_BIT = 1 << 7,        /* ModRM.reg is a bit offset that reaches beyond the operand */
    F_SIMD = 1 << 8,       /* no prefixes may be added: they select another instruction */
    F_RM_XMM = 1 << 9,     /* ModRM.rm is no general register */
    F_UNTOUCHED = 1 << 10, /* the memory operand is not accessed */
};

struct form {
    uint8_t prefix;             /* mandatory prefix or 0 */
    uint8_t map;                /* 0: one byte, 1: 0F */
    uint8_t opcode, last, step; /* opcode, opcode + step ... last */
    uint8_t modrm;              /* enum form_modrm */
    uint8_t digits;             /* which values ModRM.reg may have, a bit each */
    uint8_t imm;                /* enum form_imm */
    uint8_t size;               /* bytes at the memory operand, 0 for the operand size */
    uint8_t clobbers;           /* general registers written implicitly, a bit each */
    uint16_t attr;
};

struct form_set {
    const struct form *form;
    unsigned count;
};

struct form_set forms_int(void);
struct form_set forms_stack(void);
struct form_set forms_mmx(void);
struct form_set forms_sse(void);
struct form_set forms_sse2(void);
