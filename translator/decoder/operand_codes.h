/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What an operand code of the opcode maps means: where the operand is found, and how many bytes it has as
 * a register and as memory. Letters are those of SDM 2D, "Key to Abbreviations": the capital is the
 * addressing method, the rest the operand type. Codes of our own: sIb, a sign-extended Ib; Zb and Zv, a
 * register named by the opcode's low three bits; RvMw and its like, where register and memory sizes
 * differ; BBb, BDq and BDdq, implied memory at [eBX+AL] and [eDI].
 */
#pragma once

#include "translator/decode.h"

/* Where an operand is. Methods up to METHOD_LAST_MODRM need a ModRM byte. */
enum operand_method {
    METHOD_RM_GPR,   /* ModRM.rm: general register or memory */
    METHOD_RM_MMX,   /* ModRM.rm: MMX register or memory */
    METHOD_RM_XMM,   /* ModRM.rm: XMM register or memory */
    METHOD_MEM,      /* ModRM.rm, memory only */
    METHOD_ONLY_MMX, /* ModRM.rm, MMX register only */
    METHOD_ONLY_XMM, /* ModRM.rm, XMM register only */
    METHOD_MOV_RM,   /* ModRM.rm is a register whatever mod says: MOV to and from CR, DR, TR */
    METHOD_ONLY_GPR, /* ModRM.rm, general register only */
    METHOD_REG_GPR,  /* ModRM.reg, from here to METHOD_LAST_MODRM */
    METHOD_REG_MMX,
    METHOD_REG_XMM,
    METHOD_SREG,
    METHOD_SREG_LOAD, /* any but CS */
    METHOD_CREG,
    METHOD_DREG,
    METHOD_TREG,
    METHOD_ST_RM, /* ModRM.rm: ST(i) */
    METHOD_LAST_MODRM = METHOD_ST_RM,
    METHOD_NONE,
    METHOD_FIXED_AX, /* general register 0 (AL, AX, EAX) ... */
    METHOD_FIXED_CX,
    METHOD_FIXED_DX,
    METHOD_OPCODE_GPR, /* low three bits of the opcode */
    METHOD_FIXED_ES,   /* in the order of enum x86_sreg */
    METHOD_FIXED_CS,
    METHOD_FIXED_SS,
    METHOD_FIXED_DS,
    METHOD_FIXED_FS,
    METHOD_FIXED_GS,
    METHOD_ST0,
    METHOD_XMM0,
    METHOD_IMM_BYTE,      /* one byte, zero-extended */
    METHOD_IMM_BYTE_SIGN, /* one byte, sign-extended */
    METHOD_IMM_WORD,      /* two bytes, zero-extended */
    METHOD_IMM_FULL,      /* two or four bytes by operand size, sign-extended */
    METHOD_IMM_ONE,       /* the constant 1, no bytes */
    METHOD_IMM_TWO_BYTES, /* two one-byte immediates */
    METHOD_REL_BYTE,
    METHOD_REL_FULL,
    METHOD_FAR,   /* offset by operand size, then selector */
    METHOD_MOFFS, /* memory at an offset in the instruction, by address size */
    METHOD_STR_SI,
    METHOD_STR_DI,
    METHOD_MEM_BX, /* seg:[eBX + AL]: base only, whoever executes XLAT adds AL */
    METHOD_MEM_DI, /* seg:[eDI] */
};

/* Sizes that depend on the operand size; a smaller number is that many bytes. */
enum operand_size {
    SIZE_V = 32, /* 2 or 4 */
    SIZE_P,      /* far pointer: 4 or 6 */
    SIZE_A,      /* BOUND's pair: 4 or 8 */
};

/* clang-format off */
/* code, method, bytes as register, bytes as memory (immediates and other methods: the first) */
#define X86_OPERAND_CODES(C) \
    C(xx,   NONE,       0,      0) \
    C(Eb,   RM_GPR,     1,      1) \
    C(Ew,   RM_GPR,     2,      2) \
    C(Ed,   RM_GPR,     4,      4) \
    C(Ev,   RM_GPR,     SIZE_V, SIZE_V) \
    C(RvMw, RM_GPR,     SIZE_V, 2) \
    C(RdMw, RM_GPR,     4,      2) \
    C(RdMb, RM_GPR,     4,      1) \
    C(Rd,   ONLY_GPR,   4,      0) \
    C(Rv,   ONLY_GPR,   SIZE_V, 0) \
    C(Rc,   MOV_RM,     4,      0) \
    C(M,    MEM,        0,      0) \
    C(Mb,   MEM,        0,      1) \
    C(Mw,   MEM,        0,      2) \
    C(Md,   MEM,        0,      4) \
    C(Mv,   MEM,        0,      SIZE_V) \
    C(Mq,   MEM,        0,      8) \
    C(Mt,   MEM,        0,      10) \
    C(Mdq,  MEM,        0,      16) \
    C(Mp,   MEM,        0,      SIZE_P) \
    C(Ms,   MEM,        0,      6) \
    C(Ma,   MEM,        0,      SIZE_A) \
    C(Gb,   REG_GPR,    1,      0) \
    C(Gw,   REG_GPR,    2,      0) \
    C(Gd,   REG_GPR,    4,      0) \
    C(Gv,   REG_GPR,    SIZE_V, 0) \
    C(Zb,   OPCODE_GPR, 1,      0) \
    C(Zv,   OPCODE_GPR, SIZE_V, 0) \
    C(AL,   FIXED_AX,   1,      0) \
    C(AX,   FIXED_AX,   2,      0) \
    C(eAX,  FIXED_AX,   SIZE_V, 0) \
    C(CL,   FIXED_CX,   1,      0) \
    C(DX,   FIXED_DX,   2,      0) \
    C(Sw,   SREG,       2,      0) \
    C(Sl,   SREG_LOAD,  2,      0) \
    C(ES,   FIXED_ES,   2,      0) \
    C(CS,   FIXED_CS,   2,      0) \
    C(SS,   FIXED_SS,   2,      0) \
    C(DS,   FIXED_DS,   2,      0) \
    C(FS,   FIXED_FS,   2,      0) \
    C(GS,   FIXED_GS,   2,      0) \
    C(Cd,   CREG,       4,      0) \
    C(Dd,   DREG,       4,      0) \
    C(Td,   TREG,       4,      0) \
    C(Ib,   IMM_BYTE,      1,      0) \
    C(sIb,  IMM_BYTE_SIGN, SIZE_V, 0) \
    C(Iw,   IMM_WORD,      2,      0) \
    C(Iz,   IMM_FULL,      SIZE_V, 0) \
    C(I1,   IMM_ONE,       1,      0) \
    C(IbIb, IMM_TWO_BYTES, 1,      0) \
    C(Jb,   REL_BYTE,   1,      0) \
    C(Jz,   REL_FULL,   SIZE_V, 0) \
    C(Ap,   FAR,        SIZE_P, 0) \
    C(Ob,   MOFFS,      0,      1) \
    C(Ov,   MOFFS,      0,      SIZE_V) \
    C(Xb,   STR_SI,     1,      0) \
    C(Xv,   STR_SI,     SIZE_V, 0) \
    C(Yb,   STR_DI,     1,      0) \
    C(Yv,   STR_DI,     SIZE_V, 0) \
    C(BBb,  MEM_BX,     0,      1) \
    C(BDq,  MEM_DI,     0,      8) \
    C(BDdq, MEM_DI,     0,      16) \
    C(ST,   ST0,        10,     0) \
    C(STi,  ST_RM,      10,     0) \
    C(Pd,   REG_MMX,    4,      0) \
    C(Pq,   REG_MMX,    8,      0) \
    C(Qd,   RM_MMX,     8,      4) \
    C(Qq,   RM_MMX,     8,      8) \
    C(Nq,   ONLY_MMX,   8,      0) \
    C(Vd,   REG_XMM,    4,      0) \
    C(Vq,   REG_XMM,    8,      0) \
    C(Vss,  REG_XMM,    4,      0) \
    C(Vsd,  REG_XMM,    8,      0) \
    C(Vps,  REG_XMM,    16,     0) \
    C(Vpd,  REG_XMM,    16,     0) \
    C(Vdq,  REG_XMM,    16,     0) \
    C(Ww,   RM_XMM,     2,      2) \
    C(Wd,   RM_XMM,     4,      4) \
    C(Wq,   RM_XMM,     8,      8) \
    C(Wss,  RM_XMM,     4,      4) \
    C(Wsd,  RM_XMM,     8,      8) \
    C(Wps,  RM_XMM,     16,     16) \
    C(Wpd,  RM_XMM,     16,     16) \
    C(Wdq,  RM_XMM,     16,     16) \
    C(Uq,   ONLY_XMM,   8,      0) \
    C(Ups,  ONLY_XMM,   16,     0) \
    C(Upd,  ONLY_XMM,   16,     0) \
    C(Udq,  ONLY_XMM,   16,     0) \
    C(X0,   XMM0,       16,     0)
/* clang-format on */

#define OPERAND_CODE_ENUMERATOR(code, method, reg_bytes, mem_bytes) OPERAND_##code,
enum operand_code { X86_OPERAND_CODES(OPERAND_CODE_ENUMERATOR) OPERAND_CODE_COUNT };
#undef OPERAND_CODE_ENUMERATOR

struct operand_rule {
    uint8_t method;    /* enum operand_method */
    uint8_t reg_bytes; /* bytes, or an enum operand_size */
    uint8_t mem_bytes;
};
