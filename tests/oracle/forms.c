/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * General-purpose forms. SDM 2D, "One-Byte Opcode Map" and "Two-Byte Opcode Map".
 * Left out on purpose: segment loads, far transfers and everything that reads host tables (composed in
 * gen_stack.c and gen_fault.c with selectors known to be the same on both sides), CPUID, RDTSC, RDPMC.
 */
#include "forms.h"

#include "oracle.h"

#define R(reg) (1 << (reg))
#define ANY    0xff

/* clang-format off */

#define OP1(op, last_, step_, modrm_, digits_, imm_, size_, clobbers_, attr_) \
    { 0, 0, op, last_, step_, modrm_, digits_, imm_, size_, clobbers_, attr_ }
#define OP2(op, last_, step_, modrm_, digits_, imm_, size_, clobbers_, attr_) \
    { 0, 1, op, last_, step_, modrm_, digits_, imm_, size_, clobbers_, attr_ }

static const struct form int_forms[] = {
    OP1(0x00, 0x38, 8, M_ANY, ANY, I_NONE, 1, 0, F_BYTE | F_LOCK | F_DST_RM),  /* ADD..CMP Eb,Gb */
    OP1(0x01, 0x39, 8, M_ANY, ANY, I_NONE, 0, 0, F_OSZ | F_LOCK | F_DST_RM),
    OP1(0x01, 0x39, 8, M_ANY, ANY, I_NONE, 0, 0, F_OSZ | F_LOCK | F_DST_RM),
    OP1(0x02, 0x3a, 8, M_ANY, ANY, I_NONE, 1, 0, F_BYTE | F_DST_REG),
    OP1(0x03, 0x3b, 8, M_ANY, ANY, I_NONE, 0, 0, F_OSZ | F_DST_REG),
    OP1(0x03, 0x3b, 8, M_ANY, ANY, I_NONE, 0, 0, F_OSZ | F_DST_REG),
    OP1(0x04, 0x3c, 8, M_NONE, 0, I_B, 0, R(EAX), 0),
    OP1(0x05, 0x3d, 8, M_NONE, 0, I_Z, 0, R(EAX), F_OSZ),
    OP1(0x27, 0x3f, 8, M_NONE, 0, I_NONE, 0, R(EAX), 0),                       /* DAA DAS AAA AAS */
    OP1(0x40, 0x4f, 1, M_NONE, 0, I_NONE, 0, 0, F_OSZ | F_DST_OP),             /* INC DEC */
    OP1(0x62, 0x62, 1, M_MEM, ANY, I_NONE, 8, 0, F_OSZ),                       /* BOUND */
    OP1(0x63, 0x63, 1, M_ANY, ANY, I_NONE, 2, 0, F_DST_RM),                    /* ARPL */
    OP1(0x69, 0x69, 1, M_ANY, ANY, I_Z, 0, 0, F_OSZ | F_DST_REG),              /* IMUL */
    OP1(0x6b, 0x6b, 1, M_ANY, ANY, I_B, 0, 0, F_OSZ | F_DST_REG),
    OP1(0x80, 0x80, 1, M_ANY, ANY, I_B, 1, 0, F_BYTE | F_LOCK | F_DST_RM),
    OP1(0x81, 0x81, 1, M_ANY, ANY, I_Z, 0, 0, F_OSZ | F_LOCK | F_DST_RM),
    OP1(0x82, 0x82, 1, M_ANY, ANY, I_B, 1, 0, F_BYTE | F_LOCK | F_DST_RM),
    OP1(0x83, 0x83, 1, M_ANY, ANY, I_B, 0, 0, F_OSZ | F_LOCK | F_DST_RM),
    OP1(0x84, 0x84, 1, M_ANY, ANY, I_NONE, 1, 0, F_BYTE),
    OP1(0x85, 0x85, 1, M_ANY, ANY, I_NONE, 0, 0, F_OSZ),
    OP1(0x86, 0x86, 1, M_ANY, ANY, I_NONE, 1, 0, F_BYTE | F_LOCK | F_DST_REG | F_DST_RM),
    OP1(0x87, 0x87, 1, M_ANY, ANY, I_NONE, 0, 0, F_OSZ | F_LOCK | F_DST_REG | F_DST_RM),
    OP1(0x88, 0x88, 1, M_ANY, ANY, I_NONE, 1, 0, F_BYTE | F_DST_RM),
    OP1(0x89, 0x89, 1, M_ANY, ANY, I_NONE, 0, 0, F_OSZ | F_DST_RM),
    OP1(0x8a, 0x8a, 1, M_ANY, ANY, I_NONE, 1, 0, F_BYTE | F_DST_REG),
    OP1(0x8b, 0x8b, 1, M_ANY, ANY, I_NONE, 0, 0, F_OSZ | F_DST_REG),
    OP1(0x8c, 0x8c, 1, M_ANY, 0x3f, I_NONE, 2, 0, F_OSZ | F_DST_RM),           /* MOV Ev,Sreg */
    OP1(0x8d, 0x8d, 1, M_MEM, ANY, I_NONE, 0, 0, F_OSZ | F_DST_REG | F_UNTOUCHED),
    OP1(0x90, 0x97, 1, M_NONE, 0, I_NONE, 0, R(EAX), F_OSZ | F_DST_OP),        /* XCHG eAX */
    OP1(0x98, 0x98, 1, M_NONE, 0, I_NONE, 0, R(EAX), F_OSZ),
    OP1(0x99, 0x99, 1, M_NONE, 0, I_NONE, 0, R(EDX), F_OSZ),
    OP1(0x9e, 0x9e, 1, M_NONE, 0, I_NONE, 0, 0, 0),                            /* SAHF */
    OP1(0x9f, 0x9f, 1, M_NONE, 0, I_NONE, 0, R(EAX), 0),
    OP1(0xa0, 0xa0, 1, M_NONE, 0, I_ADDR, 1, R(EAX), 0),
    OP1(0xa1, 0xa1, 1, M_NONE, 0, I_ADDR, 0, R(EAX), F_OSZ),
    OP1(0xa2, 0xa2, 1, M_NONE, 0, I_ADDR, 1, 0, 0),
    OP1(0xa3, 0xa3, 1, M_NONE, 0, I_ADDR, 0, 0, F_OSZ),
    OP1(0xa8, 0xa8, 1, M_NONE, 0, I_B, 0, 0, 0),
    OP1(0xa9, 0xa9, 1, M_NONE, 0, I_Z, 0, 0, F_OSZ),
    OP1(0xb0, 0xb7, 1, M_NONE, 0, I_B, 0, 0, F_BYTE | F_DST_OP),
    OP1(0xb8, 0xbf, 1, M_NONE, 0, I_Z, 0, 0, F_OSZ | F_DST_OP),
    OP1(0xc0, 0xc0, 1, M_ANY, ANY, I_B, 1, 0, F_BYTE | F_DST_RM),              /* shifts */
    OP1(0xc1, 0xc1, 1, M_ANY, ANY, I_B, 0, 0, F_OSZ | F_DST_RM),
    OP1(0xd0, 0xd0, 1, M_ANY, ANY, I_NONE, 1, 0, F_BYTE | F_DST_RM),
    OP1(0xd1, 0xd1, 1, M_ANY, ANY, I_NONE, 0, 0, F_OSZ | F_DST_RM),
    OP1(0xd2, 0xd2, 1, M_ANY, ANY, I_NONE, 1, 0, F_BYTE | F_DST_RM),
    OP1(0xd3, 0xd3, 1, M_ANY, ANY, I_NONE, 0, 0, F_OSZ | F_DST_RM),
    OP1(0xc6, 0xc6, 1, M_ANY, 1, I_B, 1, 0, F_BYTE | F_DST_RM),
    OP1(0xc7, 0xc7, 1, M_ANY, 1, I_Z, 0, 0, F_OSZ | F_DST_RM),
    OP1(0xce, 0xce, 1, M_NONE, 0, I_NONE, 0, 0, 0),                            /* INTO */
    OP1(0xd4, 0xd5, 1, M_NONE, 0, I_B, 0, R(EAX), 0),                          /* AAM AAD */
    OP1(0xd6, 0xd6, 1, M_NONE, 0, I_NONE, 0, R(EAX), 0),                       /* SALC */
    OP1(0xd7, 0xd7, 1, M_NONE, 0, I_NONE, 0, R(EAX), 0),                       /* XLAT */
    OP1(0xf5, 0xf5, 1, M_NONE, 0, I_NONE, 0, 0, 0),
    OP1(0xf8, 0xf9, 1, M_NONE, 0, I_NONE, 0, 0, 0),
    OP1(0xfc, 0xfd, 1, M_NONE, 0, I_NONE, 0, 0, 0),
    OP1(0xf6, 0xf6, 1, M_ANY, 0x03, I_B, 1, 0, F_BYTE),                        /* TEST, both encodings */
    OP1(0xf7, 0xf7, 1, M_ANY, 0x03, I_Z, 0, 0, F_OSZ),
    OP1(0xf6, 0xf6, 1, M_ANY, 0x0c, I_NONE, 1, 0, F_BYTE | F_LOCK | F_DST_RM), /* NOT NEG */
    OP1(0xf7, 0xf7, 1, M_ANY, 0x0c, I_NONE, 0, 0, F_OSZ | F_LOCK | F_DST_RM),
    OP1(0xf6, 0xf6, 1, M_ANY, 0xf0, I_NONE, 1, R(EAX), F_BYTE),                /* MUL IMUL DIV IDIV */
    OP1(0xf7, 0xf7, 1, M_ANY, 0xf0, I_NONE, 0, R(EAX) | R(EDX), F_OSZ),
    OP1(0xfe, 0xfe, 1, M_ANY, 0x03, I_NONE, 1, 0, F_BYTE | F_LOCK | F_DST_RM),
    OP1(0xff, 0xff, 1, M_ANY, 0x03, I_NONE, 0, 0, F_OSZ | F_LOCK | F_DST_RM),

    OP2(0x1f, 0x1f, 1, M_ANY, ANY, I_NONE, 0, 0, F_OSZ | F_UNTOUCHED),         /* NOP Ev */
    OP2(0x18, 0x18, 1, M_MEM, 0x0f, I_NONE, 1, 0, F_OSZ | F_UNTOUCHED),        /* PREFETCHh */
    OP2(0x40, 0x4f, 1, M_ANY, ANY, I_NONE, 0, 0, F_OSZ | F_DST_REG),           /* CMOVcc */
    OP2(0x90, 0x9f, 1, M_ANY, ANY, I_NONE, 1, 0, F_BYTE | F_DST_RM),           /* SETcc */
    OP2(0xa3, 0xa3, 1, M_ANY, ANY, I_NONE, 0, 0, F_OSZ | F_BIT),               /* BT */
    OP2(0xab, 0xbb, 8, M_ANY, ANY, I_NONE, 0, 0, F_OSZ | F_BIT | F_LOCK | F_DST_RM), /* BTS BTR BTC */
    OP2(0xba, 0xba, 1, M_ANY, 0x10, I_B, 0, 0, F_OSZ),
    OP2(0xba, 0xba, 1, M_ANY, 0xe0, I_B, 0, 0, F_OSZ | F_LOCK | F_DST_RM),
    OP2(0xa4, 0xac, 8, M_ANY, ANY, I_B, 0, 0, F_OSZ | F_DST_RM),               /* SHLD SHRD */
    OP2(0xa5, 0xad, 8, M_ANY, ANY, I_NONE, 0, 0, F_OSZ | F_DST_RM),
    OP2(0xaf, 0xaf, 1, M_ANY, ANY, I_NONE, 0, 0, F_OSZ | F_DST_REG),           /* IMUL */
    OP2(0xb0, 0xb0, 1, M_ANY, ANY, I_NONE, 1, R(EAX), F_BYTE | F_LOCK | F_DST_RM), /* CMPXCHG */
    OP2(0xb1, 0xb1, 1, M_ANY, ANY, I_NONE, 0, R(EAX), F_OSZ | F_LOCK | F_DST_RM),
    OP2(0xb6, 0xbe, 8, M_ANY, ANY, I_NONE, 1, 0, F_OSZ | F_DST_REG),           /* MOVZX MOVSX */
    OP2(0xb7, 0xbf, 8, M_ANY, ANY, I_NONE, 2, 0, F_OSZ | F_DST_REG),
    OP2(0xbc, 0xbd, 1, M_ANY, ANY, I_NONE, 0, 0, F_OSZ | F_DST_REG),           /* BSF BSR */
    OP2(0xc0, 0xc0, 1, M_ANY, ANY, I_NONE, 1, 0, F_BYTE | F_LOCK | F_DST_REG | F_DST_RM), /* XADD */
    OP2(0xc1, 0xc1, 1, M_ANY, ANY, I_NONE, 0, 0, F_OSZ | F_LOCK | F_DST_REG | F_DST_RM),
    OP2(0xc7, 0xc7, 1, M_MEM, 0x02, I_NONE, 8, R(EAX) | R(EDX), F_OSZ | F_LOCK), /* CMPXCHG8B */
    OP2(0xc8, 0xcf, 1, M_NONE, 0, I_NONE, 0, 0, F_DST_OP),                     /* BSWAP */
};

static const struct form stack_forms[] = {
    OP1(0x50, 0x57, 1, M_NONE, 0, I_NONE, 0, R(ESP), F_OSZ),
    OP1(0x58, 0x5f, 1, M_NONE, 0, I_NONE, 0, R(ESP), F_OSZ | F_DST_OP),
    OP1(0x60, 0x60, 1, M_NONE, 0, I_NONE, 0, R(ESP), F_OSZ),                   /* PUSHA */
    OP1(0x61, 0x61, 1, M_NONE, 0, I_NONE, 0, ANY, F_OSZ),
    OP1(0x68, 0x68, 1, M_NONE, 0, I_Z, 0, R(ESP), F_OSZ),
    OP1(0x6a, 0x6a, 1, M_NONE, 0, I_B, 0, R(ESP), F_OSZ),
    OP1(0x8f, 0x8f, 1, M_ANY, 0x01, I_NONE, 0, R(ESP), F_OSZ | F_DST_RM),
    OP1(0x9c, 0x9c, 1, M_NONE, 0, I_NONE, 0, R(ESP), F_OSZ),                   /* PUSHF */
    OP1(0xc8, 0xc8, 1, M_NONE, 0, I_WB, 0, R(ESP) | R(EBP), F_OSZ),            /* ENTER */
    OP1(0xc9, 0xc9, 1, M_NONE, 0, I_NONE, 0, R(ESP) | R(EBP), F_OSZ),
    OP1(0xff, 0xff, 1, M_ANY, 0x40, I_NONE, 0, R(ESP), F_OSZ),                 /* PUSH Ev */
    OP1(0x89, 0x8b, 2, M_ANY, ANY, I_NONE, 0, 0, F_OSZ | F_DST_REG | F_DST_RM),
    OP1(0x83, 0x83, 1, M_ANY, ANY, I_B, 0, 0, F_OSZ | F_DST_RM),
};

/* clang-format on */

struct form_set forms_int(void)
{
    return (struct form_set){ int_forms, ARRAY_SIZE(int_forms) };
}

struct form_set forms_stack(void)
{
    return (struct form_set){ stack_forms, ARRAY_SIZE(stack_forms) };
}
