/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * MMX, SSE and SSE2 forms. One row per opcode of the 0F map says what the opcode is with each mandatory
 * prefix; the tables of forms are expanded from it once. Forms of SSE3 and later are left out here: the
 * default CPU model does not have them.
 * SDM 2D, "Two-Byte Opcode Map"; operand sizes and alignment: SDM 2, the instructions' pages.
 */
#include "forms.h"

#include "oracle.h"

enum simd_attr {
    S_MEM = 1, /* memory form only */
    S_REG = 2, /* register form only */
    S_IMM = 4,
    S_GPR_REG = 8, /* ModRM.reg is a general register, written */
    S_GPR_RM = 16, /* ModRM.rm is a general register if not memory */
    S_WRITES_RM = 32,
    S_UNALIGNED = 64, /* a 16-byte memory operand may lie anywhere */
    S_SHIFT = 128,    /* ModRM.reg selects the instruction: see shift_digits() */
};

/* Memory operand sizes; 0: no such instruction. The letter: which group the form belongs to. */
struct simd_row {
    uint8_t opcode;
    char none_group; /* of the form without prefix: m MMX, s SSE */
    uint8_t none;
    uint8_t p66;   /* always SSE2 */
    char f3_group; /* s SSE, d SSE2 */
    uint8_t f3;
    uint8_t f2;   /* always SSE2 */
    uint8_t attr; /* enum simd_attr, of all four */
};

/* clang-format off */

static const struct simd_row simd_rows[] = {
    { 0x10, 's', 16, 16, 's', 4, 8, S_UNALIGNED }, /* MOVUPS MOVUPD MOVSS MOVSD */
    { 0x11, 's', 16, 16, 's', 4, 8, S_UNALIGNED },
    { 0x12, 's', 8, 0, 0, 0, 0, 0 },               /* MOVLPS, MOVHLPS */
    { 0x12, 0, 0, 8, 0, 0, 0, S_MEM },
    { 0x13, 's', 8, 8, 0, 0, 0, S_MEM },
    { 0x14, 's', 16, 16, 0, 0, 0, 0 },
    { 0x15, 's', 16, 16, 0, 0, 0, 0 },
    { 0x16, 's', 8, 0, 0, 0, 0, 0 },
    { 0x16, 0, 0, 8, 0, 0, 0, S_MEM },
    { 0x17, 's', 8, 8, 0, 0, 0, S_MEM },
    { 0x28, 's', 16, 16, 0, 0, 0, 0 },
    { 0x29, 's', 16, 16, 0, 0, 0, 0 },
    { 0x2a, 's', 8, 8, 0, 0, 0, 0 },               /* CVTPI2PS CVTPI2PD */
    { 0x2a, 0, 0, 0, 's', 4, 4, S_GPR_RM },
    { 0x2b, 's', 16, 16, 0, 0, 0, S_MEM },
    { 0x2c, 's', 8, 16, 0, 0, 0, 0 },
    { 0x2c, 0, 0, 0, 's', 4, 8, S_GPR_REG },
    { 0x2d, 's', 8, 16, 0, 0, 0, 0 },
    { 0x2d, 0, 0, 0, 's', 4, 8, S_GPR_REG },
    { 0x2e, 's', 4, 8, 0, 0, 0, 0 },
    { 0x2f, 's', 4, 8, 0, 0, 0, 0 },
    { 0x50, 's', 16, 16, 0, 0, 0, S_REG | S_GPR_REG },
    { 0x51, 's', 16, 16, 's', 4, 8, 0 },
    { 0x52, 's', 16, 0, 's', 4, 0, 0 },
    { 0x53, 's', 16, 0, 's', 4, 0, 0 },
    { 0x54, 's', 16, 16, 0, 0, 0, 0 }, { 0x55, 's', 16, 16, 0, 0, 0, 0 },
    { 0x56, 's', 16, 16, 0, 0, 0, 0 }, { 0x57, 's', 16, 16, 0, 0, 0, 0 },
    { 0x58, 's', 16, 16, 's', 4, 8, 0 }, { 0x59, 's', 16, 16, 's', 4, 8, 0 },
    { 0x5a, 0, 0, 16, 'd', 4, 8, 0 },
    { 0x5a, 'd', 8, 0, 0, 0, 0, 0 },               /* CVTPS2PD */
    { 0x5b, 'd', 16, 16, 'd', 16, 0, 0 },
    { 0x5c, 's', 16, 16, 's', 4, 8, 0 }, { 0x5d, 's', 16, 16, 's', 4, 8, 0 },
    { 0x5e, 's', 16, 16, 's', 4, 8, 0 }, { 0x5f, 's', 16, 16, 's', 4, 8, 0 },
    { 0x60, 'm', 4, 16, 0, 0, 0, 0 }, { 0x61, 'm', 4, 16, 0, 0, 0, 0 }, { 0x62, 'm', 4, 16, 0, 0, 0, 0 },
    { 0x63, 'm', 8, 16, 0, 0, 0, 0 }, { 0x64, 'm', 8, 16, 0, 0, 0, 0 }, { 0x65, 'm', 8, 16, 0, 0, 0, 0 },
    { 0x66, 'm', 8, 16, 0, 0, 0, 0 }, { 0x67, 'm', 8, 16, 0, 0, 0, 0 }, { 0x68, 'm', 8, 16, 0, 0, 0, 0 },
    { 0x69, 'm', 8, 16, 0, 0, 0, 0 }, { 0x6a, 'm', 8, 16, 0, 0, 0, 0 }, { 0x6b, 'm', 8, 16, 0, 0, 0, 0 },
    { 0x6c, 0, 0, 16, 0, 0, 0, 0 }, { 0x6d, 0, 0, 16, 0, 0, 0, 0 },
    { 0x6e, 'm', 4, 4, 0, 0, 0, S_GPR_RM },
    { 0x6f, 'm', 8, 16, 0, 0, 0, 0 },
    { 0x6f, 0, 0, 0, 'd', 16, 0, S_UNALIGNED },
    { 0x70, 'm', 8, 16, 'd', 16, 16, S_IMM },
    { 0x71, 'm', 8, 8, 0, 0, 0, S_IMM | S_REG | S_SHIFT },
    { 0x72, 'm', 8, 8, 0, 0, 0, S_IMM | S_REG | S_SHIFT },
    { 0x73, 'm', 8, 8, 0, 0, 0, S_IMM | S_REG | S_SHIFT },
    { 0x74, 'm', 8, 16, 0, 0, 0, 0 }, { 0x75, 'm', 8, 16, 0, 0, 0, 0 }, { 0x76, 'm', 8, 16, 0, 0, 0, 0 },
    { 0x7e, 'm', 4, 4, 0, 0, 0, S_GPR_RM | S_WRITES_RM },
    { 0x7e, 0, 0, 0, 'd', 8, 0, 0 },
    { 0x7f, 'm', 8, 16, 0, 0, 0, 0 },
    { 0x7f, 0, 0, 0, 'd', 16, 0, S_UNALIGNED },
    { 0xc2, 's', 16, 16, 's', 4, 8, S_IMM },       /* the predicate's upper bits are reserved: see gen */
    { 0xc4, 'm', 2, 2, 0, 0, 0, S_IMM | S_GPR_RM },
    { 0xc5, 'm', 8, 8, 0, 0, 0, S_IMM | S_REG | S_GPR_REG },
    { 0xc6, 's', 16, 16, 0, 0, 0, S_IMM },
    { 0xd1, 'm', 8, 16, 0, 0, 0, 0 }, { 0xd2, 'm', 8, 16, 0, 0, 0, 0 }, { 0xd3, 'm', 8, 16, 0, 0, 0, 0 },
    { 0xd4, 'm', 8, 16, 0, 0, 0, 0 }, { 0xd5, 'm', 8, 16, 0, 0, 0, 0 },
    { 0xd6, 0, 0, 8, 0, 0, 0, 0 },
    { 0xd6, 0, 0, 0, 'd', 8, 8, S_REG },           /* MOVQ2DQ MOVDQ2Q */
    { 0xd7, 'm', 8, 8, 0, 0, 0, S_REG | S_GPR_REG },
    { 0xd8, 'm', 8, 16, 0, 0, 0, 0 }, { 0xd9, 'm', 8, 16, 0, 0, 0, 0 }, { 0xda, 'm', 8, 16, 0, 0, 0, 0 },
    { 0xdb, 'm', 8, 16, 0, 0, 0, 0 }, { 0xdc, 'm', 8, 16, 0, 0, 0, 0 }, { 0xdd, 'm', 8, 16, 0, 0, 0, 0 },
    { 0xde, 'm', 8, 16, 0, 0, 0, 0 }, { 0xdf, 'm', 8, 16, 0, 0, 0, 0 }, { 0xe0, 'm', 8, 16, 0, 0, 0, 0 },
    { 0xe1, 'm', 8, 16, 0, 0, 0, 0 }, { 0xe2, 'm', 8, 16, 0, 0, 0, 0 }, { 0xe3, 'm', 8, 16, 0, 0, 0, 0 },
    { 0xe4, 'm', 8, 16, 0, 0, 0, 0 }, { 0xe5, 'm', 8, 16, 0, 0, 0, 0 },
    { 0xe6, 0, 0, 16, 'd', 8, 16, 0 },             /* CVTTPD2DQ CVTDQ2PD CVTPD2DQ */
    { 0xe7, 'm', 8, 16, 0, 0, 0, S_MEM },
    { 0xe8, 'm', 8, 16, 0, 0, 0, 0 }, { 0xe9, 'm', 8, 16, 0, 0, 0, 0 }, { 0xea, 'm', 8, 16, 0, 0, 0, 0 },
    { 0xeb, 'm', 8, 16, 0, 0, 0, 0 }, { 0xec, 'm', 8, 16, 0, 0, 0, 0 }, { 0xed, 'm', 8, 16, 0, 0, 0, 0 },
    { 0xee, 'm', 8, 16, 0, 0, 0, 0 }, { 0xef, 'm', 8, 16, 0, 0, 0, 0 },
    { 0xf1, 'm', 8, 16, 0, 0, 0, 0 }, { 0xf2, 'm', 8, 16, 0, 0, 0, 0 }, { 0xf3, 'm', 8, 16, 0, 0, 0, 0 },
    { 0xf4, 'm', 8, 16, 0, 0, 0, 0 }, { 0xf5, 'm', 8, 16, 0, 0, 0, 0 }, { 0xf6, 'm', 8, 16, 0, 0, 0, 0 },
    { 0xf7, 'm', 8, 16, 0, 0, 0, S_REG },          /* MASKMOVQ MASKMOVDQU: at DS:EDI */
    { 0xf8, 'm', 8, 16, 0, 0, 0, 0 }, { 0xf9, 'm', 8, 16, 0, 0, 0, 0 }, { 0xfa, 'm', 8, 16, 0, 0, 0, 0 },
    { 0xfb, 'm', 8, 16, 0, 0, 0, 0 }, { 0xfc, 'm', 8, 16, 0, 0, 0, 0 }, { 0xfd, 'm', 8, 16, 0, 0, 0, 0 },
    { 0xfe, 'm', 8, 16, 0, 0, 0, 0 },
};

/* clang-format on */

static struct form table[3][256]; /* MMX, SSE, SSE2 */
static unsigned count[3];

/* Shift groups 71, 72, 73: which ModRM.reg exist. SDM 2D, "Opcode Extensions ... by Group Number". */
static uint8_t shift_digits(uint8_t opcode, bool xmm)
{
    if (opcode == 0x73)
        return xmm ? 0xcc : 0x44;
    return 0x54;
}

static void add(unsigned set, const struct simd_row *row, uint8_t prefix, uint8_t size)
{
    bool xmm = size == 16;
    struct form *f = &table[set][count[set]++];

    *f = (struct form){
        .prefix = prefix,
        .map = 1,
        .opcode = row->opcode,
        .last = row->opcode,
        .step = 1,
        .modrm = row->attr & S_MEM   ? M_MEM
                 : row->attr & S_REG ? M_REG
                                     : M_ANY,
        .digits = row->attr & S_SHIFT ? shift_digits(row->opcode, prefix == 0x66) : 0xff,
        .imm = row->attr & S_IMM ? I_B : I_NONE,
        .size = size,
        .attr = F_SIMD,
    };
    if (!(row->attr & S_GPR_RM))
        f->attr |= F_RM_XMM;
    if (row->attr & S_GPR_REG)
        f->attr |= F_DST_REG;
    if (row->attr & S_WRITES_RM)
        f->attr |= F_DST_RM;
    if (xmm && !(row->attr & S_UNALIGNED))
        f->attr |= F_ALIGN;
}

static unsigned set_of(char group)
{
    return group == 'm' ? 0 : group == 's' ? 1 : 2;
}

static void expand(void)
{
    if (count[0])
        return;
    for (unsigned i = 0; i < ARRAY_SIZE(simd_rows); i++) {
        const struct simd_row *row = &simd_rows[i];
        if (row->none)
            add(set_of(row->none_group), row, 0, row->none);
        if (row->p66)
            add(2, row, 0x66, row->p66);
        if (row->f3)
            add(set_of(row->f3_group), row, 0xf3, row->f3);
        if (row->f2)
            add(2, row, 0xf2, row->f2);
    }
    table[0][count[0]++] = (struct form){ .map = 1, .opcode = 0x77, .last = 0x77, .step = 1, .attr = F_SIMD };
    table[2][count[2]++] = (struct form){
        /* MOVNTI */
        .map = 1,       .opcode = 0xc3, .last = 0xc3, .step = 1,
        .modrm = M_MEM, .digits = 0xff, .size = 4,    .attr = F_SIMD,
    };
}

static struct form_set set(unsigned n)
{
    expand();
    return (struct form_set){ table[n], count[n] };
}

struct form_set forms_mmx(void)
{
    return set(0);
}

struct form_set forms_sse(void)
{
    return set(1);
}

struct form_set forms_sse2(void)
{
    return set(2);
}
