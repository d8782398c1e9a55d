/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Opcode groups: what ModRM.reg makes of an opcode, and the x87 escapes, which are groups like the others.
 * SDM 2D, "Opcode Extensions for One-byte and Two-byte Opcodes" and "Escape Opcode Instructions".
 * A list has eight rows, numbered by ModRM.reg; MEM and REG where memory (mod below 3) and register
 * differ, BOTH where they do not. RMS says that ModRM.rm decides further, by a list of BY_RM rows.
 * E and I stand for the operands of the opcode that uses the group.
 */
#pragma once

/* clang-format off */

#define GROUP_UD(E, I) \
    BOTH(0, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(1, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(2, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(3, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(4, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(5, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(6, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(7, BAD, xx, xx, xx, INVALID, BASE)

#define GROUP_1(E, I) \
    BOTH(0, ADD, E, I, xx, KEEP, BASE) \
    BOTH(1, OR,  E, I, xx, KEEP, BASE) \
    BOTH(2, ADC, E, I, xx, KEEP, BASE) \
    BOTH(3, SBB, E, I, xx, KEEP, BASE) \
    BOTH(4, AND, E, I, xx, KEEP, BASE) \
    BOTH(5, SUB, E, I, xx, KEEP, BASE) \
    BOTH(6, XOR, E, I, xx, KEEP, BASE) \
    BOTH(7, CMP, E, I, xx, KEEP, BASE)

#define GROUP_2(E, I) \
    BOTH(0, ROL, E, I, xx, KEEP, BASE) \
    BOTH(1, ROR, E, I, xx, KEEP, BASE) \
    BOTH(2, RCL, E, I, xx, KEEP, BASE) \
    BOTH(3, RCR, E, I, xx, KEEP, BASE) \
    BOTH(4, SHL, E, I, xx, KEEP, BASE) \
    BOTH(5, SHR, E, I, xx, KEEP, BASE) \
    BOTH(6, SHL, E, I, xx, KEEP, BASE) /* undocumented alias of /4 */ \
    BOTH(7, SAR, E, I, xx, KEEP, BASE)

#define GROUP_3(E, I) \
    BOTH(0, TEST, E, I,  xx, KEEP, BASE) \
    BOTH(1, TEST, E, I,  xx, KEEP, BASE) /* undocumented alias of /0 */ \
    BOTH(2, NOT,  E, xx, xx, KEEP, BASE) \
    BOTH(3, NEG,  E, xx, xx, KEEP, BASE) \
    BOTH(4, MUL,  E, xx, xx, KEEP, BASE) \
    BOTH(5, IMUL, E, xx, xx, KEEP, BASE) \
    BOTH(6, DIV,  E, xx, xx, KEEP, BASE) \
    BOTH(7, IDIV, E, xx, xx, KEEP, BASE)

#define GROUP_4(E, I) \
    BOTH(0, INC, E,  xx, xx, KEEP, BASE) \
    BOTH(1, DEC, E,  xx, xx, KEEP, BASE) \
    BOTH(2, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(3, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(4, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(5, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(6, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(7, BAD, xx, xx, xx, INVALID, BASE)

#define GROUP_5(E, I) \
    BOTH(0, INC, E,  xx, xx, KEEP, BASE) \
    BOTH(1, DEC, E,  xx, xx, KEEP, BASE) \
    BOTH(2, CALL_IND, E, xx, xx, BRANCH, BASE) \
    BOTH(3, CALL_FAR_IND, Mp, xx, xx, SENSITIVE, BASE) /* loads CS from the real tables */ \
    BOTH(4, JMP_IND, E, xx, xx, BRANCH, BASE) \
    BOTH(5, JMP_FAR_IND, Mp, xx, xx, SENSITIVE, BASE)  /* loads CS from the real tables */ \
    BOTH(6, PUSH, E, xx, xx, KEEP, BASE) \
    BOTH(7, BAD, xx, xx, xx, INVALID, BASE)

/* All read or load what is the host's: selectors and descriptor tables. */
#define GROUP_6(E, I) \
    BOTH(0, SLDT, RvMw, xx, xx, SENSITIVE, BASE) \
    BOTH(1, STR,  RvMw, xx, xx, SENSITIVE, BASE) \
    BOTH(2, LLDT, Ew, xx, xx, SENSITIVE, BASE) \
    BOTH(3, LTR,  Ew, xx, xx, SENSITIVE, BASE) \
    BOTH(4, VERR, Ew, xx, xx, SENSITIVE, BASE) \
    BOTH(5, VERW, Ew, xx, xx, SENSITIVE, BASE) \
    BOTH(6, BAD,  xx, xx, xx, INVALID, BASE) \
    BOTH(7, BAD,  xx, xx, xx, INVALID, BASE)

/* Privileged, or showing the host's tables and CR0; the register forms hold later additions. */
#define GROUP_7(E, I) \
    MEM(0, SGDT, Ms, xx, xx, SENSITIVE, BASE)  RMS(0, vmx) \
    MEM(1, SIDT, Ms, xx, xx, SENSITIVE, BASE)  RMS(1, monitor) \
    MEM(2, LGDT, Ms, xx, xx, SENSITIVE, BASE)  RMS(2, xgetbv) \
    MEM(3, LIDT, Ms, xx, xx, SENSITIVE, BASE)  RMS(3, svm) \
    BOTH(4, SMSW, RvMw, xx, xx, SENSITIVE, BASE) \
    MEM(5, RSTORSSP, Mq, xx, xx, INVALID, LATER) RMS(5, pkru) \
    BOTH(6, LMSW, Ew, xx, xx, SENSITIVE, BASE) \
    MEM(7, INVLPG, Mb, xx, xx, SENSITIVE, BASE) RMS(7, rdtscp)

#define GROUP_8(E, I) \
    BOTH(0, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(1, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(2, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(3, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(4, BT,  E, I, xx, KEEP, BASE) \
    BOTH(5, BTS, E, I, xx, KEEP, BASE) \
    BOTH(6, BTR, E, I, xx, KEEP, BASE) \
    BOTH(7, BTC, E, I, xx, KEEP, BASE)

/* Rows 0 to 5 are the same with any prefix; /6 and /7 take a mandatory one. */
#define GROUP_9_COMMON \
    BOTH(0, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(1, CMPXCHG8B, Mq, xx, xx, KEEP, CX8) \
    BOTH(2, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(3, XRSTORS, M, xx, xx, INVALID, LATER) \
    BOTH(4, XSAVEC, M, xx, xx, INVALID, LATER) \
    BOTH(5, XSAVES, M, xx, xx, INVALID, LATER)
#define GROUP_9(E, I) \
    GROUP_9_COMMON \
    MEM(6, VMPTRLD, Mq, xx, xx, INVALID, LATER) REG(6, RDRAND, Rv, xx, xx, INVALID, LATER) \
    MEM(7, VMPTRST, Mq, xx, xx, INVALID, LATER) REG(7, RDSEED, Rv, xx, xx, INVALID, LATER)
#define GROUP_9_66(E, I) \
    GROUP_9_COMMON \
    MEM(6, VMCLEAR, Mq, xx, xx, INVALID, LATER) REG(6, RDRAND, Rv, xx, xx, INVALID, LATER) \
    MEM(7, VMPTRST, Mq, xx, xx, INVALID, LATER) REG(7, RDSEED, Rv, xx, xx, INVALID, LATER)
#define GROUP_9_F3(E, I) \
    GROUP_9_COMMON \
    MEM(6, VMXON, Mq, xx, xx, INVALID, LATER)   REG(6, BAD, xx, xx, xx, INVALID, BASE) \
    MEM(7, VMPTRST, Mq, xx, xx, INVALID, LATER) REG(7, RDPID, Rd, xx, xx, INVALID, LATER)
#define GROUP_9_F2(E, I) \
    GROUP_9_COMMON \
    BOTH(6, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(7, BAD, xx, xx, xx, INVALID, BASE)

/* C6 /7 and C7 /7: transactional memory, for ModRM.rm 0 only. */
#define GROUP_11_COMMON(E, I) \
    BOTH(0, MOV, E,  I,  xx, KEEP, BASE) \
    BOTH(1, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(2, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(3, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(4, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(5, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(6, BAD, xx, xx, xx, INVALID, BASE) \
    MEM(7, BAD, xx, xx, xx, INVALID, BASE)
#define GROUP_11_BYTE(E, I) GROUP_11_COMMON(E, I) RMS(7, xabort)
#define GROUP_11_FULL(E, I) GROUP_11_COMMON(E, I) RMS(7, xbegin)

#define GROUP_12(E, I) \
    BOTH(0, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(1, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(2, PSRLW, Nq, Ib, xx, KEEP, MMX) \
    BOTH(3, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(4, PSRAW, Nq, Ib, xx, KEEP, MMX) \
    BOTH(5, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(6, PSLLW, Nq, Ib, xx, KEEP, MMX) \
    BOTH(7, BAD, xx, xx, xx, INVALID, BASE)
#define GROUP_12_66(E, I) \
    BOTH(0, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(1, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(2, PSRLW, Udq, Ib, xx, KEEP, SSE2) \
    BOTH(3, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(4, PSRAW, Udq, Ib, xx, KEEP, SSE2) \
    BOTH(5, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(6, PSLLW, Udq, Ib, xx, KEEP, SSE2) \
    BOTH(7, BAD, xx, xx, xx, INVALID, BASE)

#define GROUP_13(E, I) \
    BOTH(0, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(1, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(2, PSRLD, Nq, Ib, xx, KEEP, MMX) \
    BOTH(3, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(4, PSRAD, Nq, Ib, xx, KEEP, MMX) \
    BOTH(5, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(6, PSLLD, Nq, Ib, xx, KEEP, MMX) \
    BOTH(7, BAD, xx, xx, xx, INVALID, BASE)
#define GROUP_13_66(E, I) \
    BOTH(0, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(1, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(2, PSRLD, Udq, Ib, xx, KEEP, SSE2) \
    BOTH(3, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(4, PSRAD, Udq, Ib, xx, KEEP, SSE2) \
    BOTH(5, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(6, PSLLD, Udq, Ib, xx, KEEP, SSE2) \
    BOTH(7, BAD, xx, xx, xx, INVALID, BASE)

#define GROUP_14(E, I) \
    BOTH(0, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(1, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(2, PSRLQ, Nq, Ib, xx, KEEP, MMX) \
    BOTH(3, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(4, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(5, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(6, PSLLQ, Nq, Ib, xx, KEEP, MMX) \
    BOTH(7, BAD, xx, xx, xx, INVALID, BASE)
#define GROUP_14_66(E, I) \
    BOTH(0, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(1, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(2, PSRLQ,  Udq, Ib, xx, KEEP, SSE2) \
    BOTH(3, PSRLDQ, Udq, Ib, xx, KEEP, SSE2) \
    BOTH(4, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(5, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(6, PSLLQ,  Udq, Ib, xx, KEEP, SSE2) \
    BOTH(7, PSLLDQ, Udq, Ib, xx, KEEP, SSE2)

#define GROUP_15(E, I) \
    MEM(0, FXSAVE,  M,  xx, xx, KEEP, FXSR)     REG(0, BAD, xx, xx, xx, INVALID, BASE) \
    MEM(1, FXRSTOR, M,  xx, xx, KEEP, FXSR)     REG(1, BAD, xx, xx, xx, INVALID, BASE) \
    MEM(2, LDMXCSR, Md, xx, xx, KEEP, SSE)      REG(2, BAD, xx, xx, xx, INVALID, BASE) \
    MEM(3, STMXCSR, Md, xx, xx, KEEP, SSE)      REG(3, BAD, xx, xx, xx, INVALID, BASE) \
    MEM(4, XSAVE,   M,  xx, xx, INVALID, LATER) REG(4, BAD, xx, xx, xx, INVALID, BASE) \
    MEM(5, XRSTOR,  M,  xx, xx, INVALID, LATER) REG(5, LFENCE, xx, xx, xx, KEEP, SSE2) \
    MEM(6, XSAVEOPT, M, xx, xx, INVALID, LATER) REG(6, MFENCE, xx, xx, xx, KEEP, SSE2) \
    MEM(7, CLFLUSH, Mb, xx, xx, KEEP, CLFSH)    REG(7, SFENCE, xx, xx, xx, KEEP, SSE)
#define GROUP_15_66(E, I) \
    BOTH(0, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(1, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(2, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(3, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(4, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(5, BAD, xx, xx, xx, INVALID, BASE) \
    MEM(6, CLWB, Mb, xx, xx, INVALID, LATER)       REG(6, TPAUSE, Rd, xx, xx, INVALID, LATER) \
    MEM(7, CLFLUSHOPT, Mb, xx, xx, INVALID, LATER) REG(7, BAD, xx, xx, xx, INVALID, BASE)
#define GROUP_15_F3(E, I) \
    BOTH(0, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(1, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(2, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(3, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(4, PTWRITE, Ed, xx, xx, INVALID, LATER) \
    MEM(5, BAD, xx, xx, xx, INVALID, BASE)       REG(5, INCSSP, Rd, xx, xx, INVALID, LATER) \
    MEM(6, CLRSSBSY, Mq, xx, xx, INVALID, LATER) REG(6, UMONITOR, Rd, xx, xx, INVALID, LATER) \
    BOTH(7, BAD, xx, xx, xx, INVALID, BASE)
#define GROUP_15_F2(E, I) \
    BOTH(0, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(1, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(2, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(3, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(4, BAD, xx, xx, xx, INVALID, BASE) \
    BOTH(5, BAD, xx, xx, xx, INVALID, BASE) \
    MEM(6, BAD, xx, xx, xx, INVALID, BASE) REG(6, UMWAIT, Rd, xx, xx, INVALID, LATER) \
    BOTH(7, BAD, xx, xx, xx, INVALID, BASE)

/* Rows 4 to 7 and the register forms are hints without meaning: no-operations. */
#define GROUP_16(E, I) \
    MEM(0, PREFETCHNTA, Mb, xx, xx, KEEP, SSE) REG(0, NOP, Ev, xx, xx, KEEP, BASE) \
    MEM(1, PREFETCHT0,  Mb, xx, xx, KEEP, SSE) REG(1, NOP, Ev, xx, xx, KEEP, BASE) \
    MEM(2, PREFETCHT1,  Mb, xx, xx, KEEP, SSE) REG(2, NOP, Ev, xx, xx, KEEP, BASE) \
    MEM(3, PREFETCHT2,  Mb, xx, xx, KEEP, SSE) REG(3, NOP, Ev, xx, xx, KEEP, BASE) \
    BOTH(4, NOP, Ev, xx, xx, KEEP, BASE) \
    BOTH(5, NOP, Ev, xx, xx, KEEP, BASE) \
    BOTH(6, NOP, Ev, xx, xx, KEEP, BASE) \
    BOTH(7, NOP, Ev, xx, xx, KEEP, BASE)

/* 0F 0D: 3DNow!'s prefetches, hints everywhere else; reserved rows do as /0. Register forms are #UD. */
#define GROUP_P(E, I) \
    MEM(0, PREFETCH,  Mb, xx, xx, KEEP, BASE) REG(0, BAD, xx, xx, xx, INVALID, BASE) \
    MEM(1, PREFETCHW, Mb, xx, xx, KEEP, BASE) REG(1, BAD, xx, xx, xx, INVALID, BASE) \
    MEM(2, PREFETCH,  Mb, xx, xx, KEEP, BASE) REG(2, BAD, xx, xx, xx, INVALID, BASE) \
    MEM(3, PREFETCH,  Mb, xx, xx, KEEP, BASE) REG(3, BAD, xx, xx, xx, INVALID, BASE) \
    MEM(4, PREFETCH,  Mb, xx, xx, KEEP, BASE) REG(4, BAD, xx, xx, xx, INVALID, BASE) \
    MEM(5, PREFETCH,  Mb, xx, xx, KEEP, BASE) REG(5, BAD, xx, xx, xx, INVALID, BASE) \
    MEM(6, PREFETCH,  Mb, xx, xx, KEEP, BASE) REG(6, BAD, xx, xx, xx, INVALID, BASE) \
    MEM(7, PREFETCH,  Mb, xx, xx, KEEP, BASE) REG(7, BAD, xx, xx, xx, INVALID, BASE)

#define X87_D8(E, I) \
    MEM(0, FADD,  Md, xx, xx, KEEP, X87) REG(0, FADD,  ST, STi, xx, KEEP, X87) \
    MEM(1, FMUL,  Md, xx, xx, KEEP, X87) REG(1, FMUL,  ST, STi, xx, KEEP, X87) \
    MEM(2, FCOM,  Md, xx, xx, KEEP, X87) REG(2, FCOM,  ST, STi, xx, KEEP, X87) \
    MEM(3, FCOMP, Md, xx, xx, KEEP, X87) REG(3, FCOMP, ST, STi, xx, KEEP, X87) \
    MEM(4, FSUB,  Md, xx, xx, KEEP, X87) REG(4, FSUB,  ST, STi, xx, KEEP, X87) \
    MEM(5, FSUBR, Md, xx, xx, KEEP, X87) REG(5, FSUBR, ST, STi, xx, KEEP, X87) \
    MEM(6, FDIV,  Md, xx, xx, KEEP, X87) REG(6, FDIV,  ST, STi, xx, KEEP, X87) \
    MEM(7, FDIVR, Md, xx, xx, KEEP, X87) REG(7, FDIVR, ST, STi, xx, KEEP, X87)

#define X87_D9(E, I) \
    MEM(0, FLD, Md, xx, xx, KEEP, X87)     REG(0, FLD, STi, xx, xx, KEEP, X87) \
    MEM(1, BAD, xx, xx, xx, INVALID, BASE) REG(1, FXCH, STi, xx, xx, KEEP, X87) \
    MEM(2, FST, Md, xx, xx, KEEP, X87)     RMS(2, d9_2) \
    MEM(3, FSTP, Md, xx, xx, KEEP, X87)    REG(3, FSTP, STi, xx, xx, KEEP, X87) /* undocumented alias */ \
    MEM(4, FLDENV, M, xx, xx, KEEP, X87)   RMS(4, d9_4) \
    MEM(5, FLDCW, Mw, xx, xx, KEEP, X87)   RMS(5, d9_5) \
    MEM(6, FNSTENV, M, xx, xx, KEEP, X87)  RMS(6, d9_6) \
    MEM(7, FNSTCW, Mw, xx, xx, KEEP, X87)  RMS(7, d9_7)

#define X87_DA(E, I) \
    MEM(0, FIADD,  Md, xx, xx, KEEP, X87) REG(0, FCMOVCC, ST, STi, xx, KEEP, CMOV) \
    MEM(1, FIMUL,  Md, xx, xx, KEEP, X87) REG(1, FCMOVCC, ST, STi, xx, KEEP, CMOV) \
    MEM(2, FICOM,  Md, xx, xx, KEEP, X87) REG(2, FCMOVCC, ST, STi, xx, KEEP, CMOV) \
    MEM(3, FICOMP, Md, xx, xx, KEEP, X87) REG(3, FCMOVCC, ST, STi, xx, KEEP, CMOV) \
    MEM(4, FISUB,  Md, xx, xx, KEEP, X87) REG(4, BAD, xx, xx, xx, INVALID, BASE) \
    MEM(5, FISUBR, Md, xx, xx, KEEP, X87) RMS(5, da_5) \
    MEM(6, FIDIV,  Md, xx, xx, KEEP, X87) REG(6, BAD, xx, xx, xx, INVALID, BASE) \
    MEM(7, FIDIVR, Md, xx, xx, KEEP, X87) REG(7, BAD, xx, xx, xx, INVALID, BASE)

#define X87_DB(E, I) \
    MEM(0, FILD,   Md, xx, xx, KEEP, X87)  REG(0, FCMOVCC, ST, STi, xx, KEEP, CMOV) \
    MEM(1, FISTTP, Md, xx, xx, KEEP, SSE3) REG(1, FCMOVCC, ST, STi, xx, KEEP, CMOV) \
    MEM(2, FIST,   Md, xx, xx, KEEP, X87)  REG(2, FCMOVCC, ST, STi, xx, KEEP, CMOV) \
    MEM(3, FISTP,  Md, xx, xx, KEEP, X87)  REG(3, FCMOVCC, ST, STi, xx, KEEP, CMOV) \
    MEM(4, BAD, xx, xx, xx, INVALID, BASE) RMS(4, db_4) \
    MEM(5, FLD,    Mt, xx, xx, KEEP, X87)  REG(5, FUCOMI, ST, STi, xx, KEEP, CMOV) \
    MEM(6, BAD, xx, xx, xx, INVALID, BASE) REG(6, FCOMI, ST, STi, xx, KEEP, CMOV) \
    MEM(7, FSTP,   Mt, xx, xx, KEEP, X87)  REG(7, BAD, xx, xx, xx, INVALID, BASE)

/* The register forms of subtraction and division are crossed over; /2 and /3 are undocumented aliases. */
#define X87_DC(E, I) \
    MEM(0, FADD,  Mq, xx, xx, KEEP, X87) REG(0, FADD,  STi, ST, xx, KEEP, X87) \
    MEM(1, FMUL,  Mq, xx, xx, KEEP, X87) REG(1, FMUL,  STi, ST, xx, KEEP, X87) \
    MEM(2, FCOM,  Mq, xx, xx, KEEP, X87) REG(2, FCOM,  ST, STi, xx, KEEP, X87) \
    MEM(3, FCOMP, Mq, xx, xx, KEEP, X87) REG(3, FCOMP, ST, STi, xx, KEEP, X87) \
    MEM(4, FSUB,  Mq, xx, xx, KEEP, X87) REG(4, FSUBR, STi, ST, xx, KEEP, X87) \
    MEM(5, FSUBR, Mq, xx, xx, KEEP, X87) REG(5, FSUB,  STi, ST, xx, KEEP, X87) \
    MEM(6, FDIV,  Mq, xx, xx, KEEP, X87) REG(6, FDIVR, STi, ST, xx, KEEP, X87) \
    MEM(7, FDIVR, Mq, xx, xx, KEEP, X87) REG(7, FDIV,  STi, ST, xx, KEEP, X87)

#define X87_DD(E, I) \
    MEM(0, FLD,    Mq, xx, xx, KEEP, X87)  REG(0, FFREE, STi, xx, xx, KEEP, X87) \
    MEM(1, FISTTP, Mq, xx, xx, KEEP, SSE3) REG(1, FXCH, STi, xx, xx, KEEP, X87) /* undocumented alias */ \
    MEM(2, FST,    Mq, xx, xx, KEEP, X87)  REG(2, FST, STi, xx, xx, KEEP, X87) \
    MEM(3, FSTP,   Mq, xx, xx, KEEP, X87)  REG(3, FSTP, STi, xx, xx, KEEP, X87) \
    MEM(4, FRSTOR, M, xx, xx, KEEP, X87)   REG(4, FUCOM, ST, STi, xx, KEEP, X87) \
    MEM(5, BAD, xx, xx, xx, INVALID, BASE) REG(5, FUCOMP, ST, STi, xx, KEEP, X87) \
    MEM(6, FNSAVE, M, xx, xx, KEEP, X87)   REG(6, BAD, xx, xx, xx, INVALID, BASE) \
    MEM(7, FNSTSW, Mw, xx, xx, KEEP, X87)  REG(7, BAD, xx, xx, xx, INVALID, BASE)

#define X87_DE(E, I) \
    MEM(0, FIADD,  Mw, xx, xx, KEEP, X87) REG(0, FADDP,  STi, ST, xx, KEEP, X87) \
    MEM(1, FIMUL,  Mw, xx, xx, KEEP, X87) REG(1, FMULP,  STi, ST, xx, KEEP, X87) \
    MEM(2, FICOM,  Mw, xx, xx, KEEP, X87) REG(2, FCOMP,  ST, STi, xx, KEEP, X87) /* undocumented alias */ \
    MEM(3, FICOMP, Mw, xx, xx, KEEP, X87) RMS(3, de_3) \
    MEM(4, FISUB,  Mw, xx, xx, KEEP, X87) REG(4, FSUBRP, STi, ST, xx, KEEP, X87) \
    MEM(5, FISUBR, Mw, xx, xx, KEEP, X87) REG(5, FSUBP,  STi, ST, xx, KEEP, X87) \
    MEM(6, FIDIV,  Mw, xx, xx, KEEP, X87) REG(6, FDIVRP, STi, ST, xx, KEEP, X87) \
    MEM(7, FIDIVR, Mw, xx, xx, KEEP, X87) REG(7, FDIVP,  STi, ST, xx, KEEP, X87)

/* Register /0 to /3: undocumented, in every processor since the 287. */
#define X87_DF(E, I) \
    MEM(0, FILD,   Mw, xx, xx, KEEP, X87)  REG(0, FFREEP, STi, xx, xx, KEEP, X87) \
    MEM(1, FISTTP, Mw, xx, xx, KEEP, SSE3) REG(1, FXCH, STi, xx, xx, KEEP, X87) \
    MEM(2, FIST,   Mw, xx, xx, KEEP, X87)  REG(2, FSTP, STi, xx, xx, KEEP, X87) \
    MEM(3, FISTP,  Mw, xx, xx, KEEP, X87)  REG(3, FSTP, STi, xx, xx, KEEP, X87) \
    MEM(4, FBLD,   Mt, xx, xx, KEEP, X87)  RMS(4, df_4) \
    MEM(5, FILD,   Mq, xx, xx, KEEP, X87)  REG(5, FUCOMIP, ST, STi, xx, KEEP, CMOV) \
    MEM(6, FBSTP,  Mt, xx, xx, KEEP, X87)  REG(6, FCOMIP, ST, STi, xx, KEEP, CMOV) \
    MEM(7, FISTP,  Mq, xx, xx, KEEP, X87)  REG(7, BAD, xx, xx, xx, INVALID, BASE)

/* What ModRM.rm makes of a group's register row: LIST(name of RMS, eight rows). */
#define X86_RM_LISTS(LIST) \
    LIST(vmx,     RM_VMX) \
    LIST(monitor, RM_MONITOR) \
    LIST(xgetbv,  RM_XGETBV) \
    LIST(svm,     RM_SVM) \
    LIST(pkru,    RM_PKRU) \
    LIST(rdtscp,  RM_RDTSCP) \
    LIST(xabort,  RM_XABORT) \
    LIST(xbegin,  RM_XBEGIN) \
    LIST(d9_2,    RM_D9_2) \
    LIST(d9_4,    RM_D9_4) \
    LIST(d9_5,    RM_D9_5) \
    LIST(d9_6,    RM_D9_6) \
    LIST(d9_7,    RM_D9_7) \
    LIST(da_5,    RM_DA_5) \
    LIST(db_4,    RM_DB_4) \
    LIST(de_3,    RM_DE_3) \
    LIST(df_4,    RM_DF_4)

#define RM_BAD(n) BY_RM(n, BAD, xx, xx, xx, INVALID, BASE)
#define RM_X87(n, name) BY_RM(n, name, xx, xx, xx, KEEP, X87)
#define RM_LATER(n, name) BY_RM(n, name, xx, xx, xx, INVALID, LATER)

#define RM_VMX \
    RM_LATER(0, ENCLV)    RM_LATER(1, VMCALL) RM_LATER(2, VMLAUNCH) RM_LATER(3, VMRESUME) \
    RM_LATER(4, VMXOFF)   RM_LATER(5, PCONFIG) RM_BAD(6)            RM_BAD(7)
/* MONITOR, MWAIT: privileged, wait on the host's memory. */
#define RM_MONITOR \
    BY_RM(0, MONITOR, xx, xx, xx, SENSITIVE, MONITOR) \
    BY_RM(1, MWAIT, xx, xx, xx, SENSITIVE, MONITOR) \
    RM_LATER(2, CLAC)     RM_LATER(3, STAC)   RM_BAD(4)             RM_BAD(5) \
    RM_BAD(6)             RM_LATER(7, ENCLS)
#define RM_XGETBV \
    RM_LATER(0, XGETBV)   RM_LATER(1, XSETBV) RM_BAD(2)             RM_BAD(3) \
    RM_LATER(4, VMFUNC)   RM_LATER(5, XEND)   RM_LATER(6, XTEST)    RM_LATER(7, ENCLU)
#define RM_SVM \
    RM_LATER(0, VMRUN)    RM_LATER(1, VMMCALL) RM_LATER(2, VMLOAD)  RM_LATER(3, VMSAVE) \
    RM_LATER(4, STGI)     RM_LATER(5, CLGI)   RM_LATER(6, SKINIT)   RM_LATER(7, INVLPGA)
#define RM_PKRU \
    RM_LATER(0, SERIALIZE) RM_BAD(1)          RM_LATER(2, SAVEPREVSSP) RM_BAD(3) \
    RM_BAD(4)             RM_BAD(5)           RM_LATER(6, RDPKRU)   RM_LATER(7, WRPKRU)
/* RM 0 is SWAPGS, 64-bit code only. RDTSCP: the guest's time stamp, CR4.TSD and TSC_AUX, not ours. */
#define RM_RDTSCP \
    RM_BAD(0) \
    BY_RM(1, RDTSCP, xx, xx, xx, SENSITIVE, RDTSCP) \
    RM_LATER(2, MONITORX) RM_LATER(3, MWAITX) RM_LATER(4, CLZERO)   RM_LATER(5, RDPRU) \
    RM_LATER(6, INVLPGB)  RM_LATER(7, TLBSYNC)
#define RM_XABORT \
    BY_RM(0, XABORT, Ib, xx, xx, INVALID, LATER) \
    RM_BAD(1) RM_BAD(2) RM_BAD(3) RM_BAD(4) RM_BAD(5) RM_BAD(6) RM_BAD(7)
#define RM_XBEGIN \
    BY_RM(0, XBEGIN, Jz, xx, xx, INVALID, LATER) \
    RM_BAD(1) RM_BAD(2) RM_BAD(3) RM_BAD(4) RM_BAD(5) RM_BAD(6) RM_BAD(7)

#define RM_D9_2 \
    RM_X87(0, FNOP) RM_BAD(1) RM_BAD(2) RM_BAD(3) RM_BAD(4) RM_BAD(5) RM_BAD(6) RM_BAD(7)
#define RM_D9_4 \
    RM_X87(0, FCHS)    RM_X87(1, FABS)    RM_BAD(2)           RM_BAD(3) \
    RM_X87(4, FTST)    RM_X87(5, FXAM)    RM_BAD(6)           RM_BAD(7)
#define RM_D9_5 \
    RM_X87(0, FLD1)    RM_X87(1, FLDL2T)  RM_X87(2, FLDL2E)   RM_X87(3, FLDPI) \
    RM_X87(4, FLDLG2)  RM_X87(5, FLDLN2)  RM_X87(6, FLDZ)     RM_BAD(7)
#define RM_D9_6 \
    RM_X87(0, F2XM1)   RM_X87(1, FYL2X)   RM_X87(2, FPTAN)    RM_X87(3, FPATAN) \
    RM_X87(4, FXTRACT) RM_X87(5, FPREM1)  RM_X87(6, FDECSTP)  RM_X87(7, FINCSTP)
#define RM_D9_7 \
    RM_X87(0, FPREM)   RM_X87(1, FYL2XP1) RM_X87(2, FSQRT)    RM_X87(3, FSINCOS) \
    RM_X87(4, FRNDINT) RM_X87(5, FSCALE)  RM_X87(6, FSIN)     RM_X87(7, FCOS)
#define RM_DA_5 \
    RM_BAD(0) RM_X87(1, FUCOMPP) RM_BAD(2) RM_BAD(3) RM_BAD(4) RM_BAD(5) RM_BAD(6) RM_BAD(7)
#define RM_DB_4 \
    RM_X87(0, FNENI)   RM_X87(1, FNDISI)  RM_X87(2, FNCLEX)   RM_X87(3, FNINIT) \
    RM_X87(4, FNSETPM) RM_BAD(5)          RM_BAD(6)           RM_BAD(7)
#define RM_DE_3 \
    RM_BAD(0) RM_X87(1, FCOMPP) RM_BAD(2) RM_BAD(3) RM_BAD(4) RM_BAD(5) RM_BAD(6) RM_BAD(7)
#define RM_DF_4 \
    BY_RM(0, FNSTSW, AX, xx, xx, KEEP, X87) \
    RM_BAD(1) RM_BAD(2) RM_BAD(3) RM_BAD(4) RM_BAD(5) RM_BAD(6) RM_BAD(7)

/* SSE forms with one mnemonic for memory and one for a register: PAIR(name of MODS, memory, register). */
#define X86_MOD_PAIRS(PAIR) \
    PAIR(low,  F(MOVLPS, Vq, Mq, xx, SSE), F(MOVHLPS, Vq, Uq, xx, SSE)) \
    PAIR(high, F(MOVHPS, Vq, Mq, xx, SSE), F(MOVLHPS, Vq, Uq, xx, SSE))

/* clang-format on */
