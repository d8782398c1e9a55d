/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The mnemonics the decoder knows: one list, expanded into enum x86_op here and into the printable names
 * in translator/decoder/decode.c. A row of an opcode map can only name what stands in this list, and a unit test
 * checks that each entry is named by some row.
 * Names are the SDM's. Where the manual uses one mnemonic for instructions that differ in what they touch
 * (MOV to and from control registers, near and far JMP), each has its own enumerator.
 */
#pragma once

/* clang-format off */

/* General, system and flow-of-control instructions: SDM 1, "Instruction Set Summary". */
#define X86_NAMES_GENERAL(N) \
    N(BAD, "(bad)") /* no instruction: goes with X86_DECODE_INVALID */ \
    N(ADD, "add") N(OR, "or") N(ADC, "adc") N(SBB, "sbb") \
    N(AND, "and") N(SUB, "sub") N(XOR, "xor") N(CMP, "cmp") \
    N(TEST, "test") N(NOT, "not") N(NEG, "neg") \
    N(MUL, "mul") N(IMUL, "imul") N(DIV, "div") N(IDIV, "idiv") \
    N(INC, "inc") N(DEC, "dec") \
    N(ROL, "rol") N(ROR, "ror") N(RCL, "rcl") N(RCR, "rcr") \
    N(SHL, "shl") N(SHR, "shr") N(SAR, "sar") N(SHLD, "shld") N(SHRD, "shrd") \
    N(BT, "bt") N(BTS, "bts") N(BTR, "btr") N(BTC, "btc") N(BSF, "bsf") N(BSR, "bsr") \
    N(MOV, "mov") N(MOV_FROM_SREG, "mov") N(MOV_TO_SREG, "mov") \
    N(MOV_FROM_CR, "mov") N(MOV_TO_CR, "mov") N(MOV_FROM_DR, "mov") N(MOV_TO_DR, "mov") \
    N(MOV_FROM_TR, "mov") N(MOV_TO_TR, "mov") \
    N(MOVZX, "movzx") N(MOVSX, "movsx") N(MOVBE, "movbe") N(BSWAP, "bswap") \
    N(XCHG, "xchg") N(XADD, "xadd") N(CMPXCHG, "cmpxchg") N(CMPXCHG8B, "cmpxchg8b") \
    N(CMOVCC, "cmovcc") N(SETCC, "setcc") N(LEA, "lea") N(NOP, "nop") N(PAUSE, "pause") \
    N(PUSH, "push") N(POP, "pop") N(PUSH_SREG, "push") N(POP_SREG, "pop") \
    N(PUSHA, "pusha") N(POPA, "popa") N(PUSHF, "pushf") N(POPF, "popf") \
    N(ENTER, "enter") N(LEAVE, "leave") \
    N(CBW, "cbw") N(CWD, "cwd") /* CWDE and CDQ with a 32-bit operand size */ \
    N(XLAT, "xlat") N(LAHF, "lahf") N(SAHF, "sahf") N(SALC, "salc") \
    N(DAA, "daa") N(DAS, "das") N(AAA, "aaa") N(AAS, "aas") N(AAM, "aam") N(AAD, "aad") \
    N(MOVS, "movs") N(CMPS, "cmps") N(SCAS, "scas") N(LODS, "lods") N(STOS, "stos") \
    N(INS, "ins") N(OUTS, "outs") N(IN, "in") N(OUT, "out") \
    N(JCC, "jcc") N(JMP, "jmp") N(JMP_IND, "jmp") N(JMP_FAR, "ljmp") N(JMP_FAR_IND, "ljmp") \
    N(CALL, "call") N(CALL_IND, "call") N(CALL_FAR, "lcall") N(CALL_FAR_IND, "lcall") \
    N(RET, "ret") N(RETF, "retf") N(IRET, "iret") \
    N(LOOP, "loop") N(LOOPE, "loope") N(LOOPNE, "loopne") N(JCXZ, "jcxz") \
    N(INT, "int") N(INT3, "int3") N(INT1, "int1") N(INTO, "into") N(BOUND, "bound") \
    N(UD0, "ud0") N(UD1, "ud1") N(UD2, "ud2") \
    N(LES, "les") N(LDS, "lds") N(LSS, "lss") N(LFS, "lfs") N(LGS, "lgs") \
    N(ARPL, "arpl") N(LAR, "lar") N(LSL, "lsl") N(VERR, "verr") N(VERW, "verw") \
    N(SLDT, "sldt") N(STR, "str") N(LLDT, "lldt") N(LTR, "ltr") \
    N(SGDT, "sgdt") N(SIDT, "sidt") N(LGDT, "lgdt") N(LIDT, "lidt") \
    N(SMSW, "smsw") N(LMSW, "lmsw") N(CLTS, "clts") N(INVLPG, "invlpg") \
    N(INVD, "invd") N(WBINVD, "wbinvd") N(HLT, "hlt") \
    N(CLI, "cli") N(STI, "sti") N(CLD, "cld") N(STD, "std") N(CLC, "clc") N(STC, "stc") N(CMC, "cmc") \
    N(CPUID, "cpuid") N(RDTSC, "rdtsc") N(RDTSCP, "rdtscp") N(RDPMC, "rdpmc") \
    N(RDMSR, "rdmsr") N(WRMSR, "wrmsr") N(RSM, "rsm") \
    N(SYSENTER, "sysenter") N(SYSEXIT, "sysexit") N(SYSCALL, "syscall") N(SYSRET, "sysret") \
    N(MONITOR, "monitor") N(MWAIT, "mwait") \
    N(PREFETCHNTA, "prefetchnta") N(PREFETCHT0, "prefetcht0") N(PREFETCHT1, "prefetcht1") \
    N(PREFETCHT2, "prefetcht2") N(PREFETCH, "prefetch") N(PREFETCHW, "prefetchw") \
    N(CLFLUSH, "clflush") N(LFENCE, "lfence") N(MFENCE, "mfence") N(SFENCE, "sfence") \
    N(POPCNT, "popcnt") N(CRC32, "crc32") \
    N(FWAIT, "wait")

/* x87: SDM 2D, "Escape Opcode Instructions". Memory and register forms differ in their operands only. */
#define X86_NAMES_X87(N) \
    N(FADD, "fadd") N(FMUL, "fmul") N(FCOM, "fcom") N(FCOMP, "fcomp") \
    N(FSUB, "fsub") N(FSUBR, "fsubr") N(FDIV, "fdiv") N(FDIVR, "fdivr") \
    N(FADDP, "faddp") N(FMULP, "fmulp") N(FCOMPP, "fcompp") \
    N(FSUBP, "fsubp") N(FSUBRP, "fsubrp") N(FDIVP, "fdivp") N(FDIVRP, "fdivrp") \
    N(FIADD, "fiadd") N(FIMUL, "fimul") N(FICOM, "ficom") N(FICOMP, "ficomp") \
    N(FISUB, "fisub") N(FISUBR, "fisubr") N(FIDIV, "fidiv") N(FIDIVR, "fidivr") \
    N(FLD, "fld") N(FST, "fst") N(FSTP, "fstp") N(FXCH, "fxch") \
    N(FILD, "fild") N(FIST, "fist") N(FISTP, "fistp") N(FISTTP, "fisttp") \
    N(FBLD, "fbld") N(FBSTP, "fbstp") \
    N(FLD1, "fld1") N(FLDL2T, "fldl2t") N(FLDL2E, "fldl2e") N(FLDPI, "fldpi") \
    N(FLDLG2, "fldlg2") N(FLDLN2, "fldln2") N(FLDZ, "fldz") \
    N(FCHS, "fchs") N(FABS, "fabs") N(FTST, "ftst") N(FXAM, "fxam") \
    N(F2XM1, "f2xm1") N(FYL2X, "fyl2x") N(FYL2XP1, "fyl2xp1") N(FPTAN, "fptan") N(FPATAN, "fpatan") \
    N(FXTRACT, "fxtract") N(FPREM, "fprem") N(FPREM1, "fprem1") N(FSQRT, "fsqrt") \
    N(FSIN, "fsin") N(FCOS, "fcos") N(FSINCOS, "fsincos") N(FRNDINT, "frndint") N(FSCALE, "fscale") \
    N(FDECSTP, "fdecstp") N(FINCSTP, "fincstp") N(FNOP, "fnop") N(FFREE, "ffree") N(FFREEP, "ffreep") \
    N(FCMOVCC, "fcmovcc") /* FCMOVB, E, BE, U; the negations are in insn.cond, as for CMOVcc */ \
    N(FUCOM, "fucom") N(FUCOMP, "fucomp") N(FUCOMPP, "fucompp") \
    N(FCOMI, "fcomi") N(FCOMIP, "fcomip") N(FUCOMI, "fucomi") N(FUCOMIP, "fucomip") \
    N(FLDENV, "fldenv") N(FNSTENV, "fnstenv") N(FNSAVE, "fnsave") N(FRSTOR, "frstor") \
    N(FLDCW, "fldcw") N(FNSTCW, "fnstcw") N(FNSTSW, "fnstsw") N(FNINIT, "fninit") N(FNCLEX, "fnclex") \
    N(FNENI, "fneni") N(FNDISI, "fndisi") N(FNSETPM, "fnsetpm") /* 8087 and 287 only; no-operations since */ \
    N(FXSAVE, "fxsave") N(FXRSTOR, "fxrstor") N(LDMXCSR, "ldmxcsr") N(STMXCSR, "stmxcsr")

/* MMX, and the 128-bit integer forms SSE2 and later give to the same mnemonics. */
#define X86_NAMES_MMX(N) \
    N(EMMS, "emms") N(MOVD, "movd") N(MOVQ, "movq") \
    N(PUNPCKLBW, "punpcklbw") N(PUNPCKLWD, "punpcklwd") N(PUNPCKLDQ, "punpckldq") \
    N(PUNPCKHBW, "punpckhbw") N(PUNPCKHWD, "punpckhwd") N(PUNPCKHDQ, "punpckhdq") \
    N(PUNPCKLQDQ, "punpcklqdq") N(PUNPCKHQDQ, "punpckhqdq") \
    N(PACKSSWB, "packsswb") N(PACKUSWB, "packuswb") N(PACKSSDW, "packssdw") \
    N(PCMPGTB, "pcmpgtb") N(PCMPGTW, "pcmpgtw") N(PCMPGTD, "pcmpgtd") \
    N(PCMPEQB, "pcmpeqb") N(PCMPEQW, "pcmpeqw") N(PCMPEQD, "pcmpeqd") \
    N(PSRLW, "psrlw") N(PSRLD, "psrld") N(PSRLQ, "psrlq") N(PSRLDQ, "psrldq") \
    N(PSRAW, "psraw") N(PSRAD, "psrad") \
    N(PSLLW, "psllw") N(PSLLD, "pslld") N(PSLLQ, "psllq") N(PSLLDQ, "pslldq") \
    N(PADDB, "paddb") N(PADDW, "paddw") N(PADDD, "paddd") N(PADDQ, "paddq") \
    N(PADDSB, "paddsb") N(PADDSW, "paddsw") N(PADDUSB, "paddusb") N(PADDUSW, "paddusw") \
    N(PSUBB, "psubb") N(PSUBW, "psubw") N(PSUBD, "psubd") N(PSUBQ, "psubq") \
    N(PSUBSB, "psubsb") N(PSUBSW, "psubsw") N(PSUBUSB, "psubusb") N(PSUBUSW, "psubusw") \
    N(PMULLW, "pmullw") N(PMULHW, "pmulhw") N(PMULHUW, "pmulhuw") N(PMULUDQ, "pmuludq") \
    N(PMADDWD, "pmaddwd") N(PAND, "pand") N(PANDN, "pandn") N(POR, "por") N(PXOR, "pxor") \
    N(PAVGB, "pavgb") N(PAVGW, "pavgw") N(PSADBW, "psadbw") \
    N(PMINUB, "pminub") N(PMINSW, "pminsw") N(PMAXUB, "pmaxub") N(PMAXSW, "pmaxsw") \
    N(PSHUFW, "pshufw") N(PSHUFD, "pshufd") N(PSHUFLW, "pshuflw") N(PSHUFHW, "pshufhw") \
    N(PINSRW, "pinsrw") N(PEXTRW, "pextrw") N(PMOVMSKB, "pmovmskb") \
    N(MASKMOVQ, "maskmovq") N(MASKMOVDQU, "maskmovdqu") N(MOVNTQ, "movntq") N(MOVNTDQ, "movntdq") \
    N(MOVDQA, "movdqa") N(MOVDQU, "movdqu") N(MOVQ2DQ, "movq2dq") N(MOVDQ2Q, "movdq2q")

/* SSE and SSE2 floating point. */
#define X86_NAMES_SSE(N) \
    N(MOVUPS, "movups") N(MOVUPD, "movupd") N(MOVSS, "movss") N(MOVSD, "movsd") \
    N(MOVAPS, "movaps") N(MOVAPD, "movapd") N(MOVNTPS, "movntps") N(MOVNTPD, "movntpd") N(MOVNTI, "movnti") \
    N(MOVLPS, "movlps") N(MOVLPD, "movlpd") N(MOVHPS, "movhps") N(MOVHPD, "movhpd") \
    N(MOVHLPS, "movhlps") N(MOVLHPS, "movlhps") N(MOVMSKPS, "movmskps") N(MOVMSKPD, "movmskpd") \
    N(UNPCKLPS, "unpcklps") N(UNPCKLPD, "unpcklpd") N(UNPCKHPS, "unpckhps") N(UNPCKHPD, "unpckhpd") \
    N(SHUFPS, "shufps") N(SHUFPD, "shufpd") \
    N(UCOMISS, "ucomiss") N(UCOMISD, "ucomisd") N(COMISS, "comiss") N(COMISD, "comisd") \
    N(SQRTPS, "sqrtps") N(SQRTPD, "sqrtpd") N(SQRTSS, "sqrtss") N(SQRTSD, "sqrtsd") \
    N(RSQRTPS, "rsqrtps") N(RSQRTSS, "rsqrtss") N(RCPPS, "rcpps") N(RCPSS, "rcpss") \
    N(ANDPS, "andps") N(ANDPD, "andpd") N(ANDNPS, "andnps") N(ANDNPD, "andnpd") \
    N(ORPS, "orps") N(ORPD, "orpd") N(XORPS, "xorps") N(XORPD, "xorpd") \
    N(ADDPS, "addps") N(ADDPD, "addpd") N(ADDSS, "addss") N(ADDSD, "addsd") \
    N(MULPS, "mulps") N(MULPD, "mulpd") N(MULSS, "mulss") N(MULSD, "mulsd") \
    N(SUBPS, "subps") N(SUBPD, "subpd") N(SUBSS, "subss") N(SUBSD, "subsd") \
    N(MINPS, "minps") N(MINPD, "minpd") N(MINSS, "minss") N(MINSD, "minsd") \
    N(DIVPS, "divps") N(DIVPD, "divpd") N(DIVSS, "divss") N(DIVSD, "divsd") \
    N(MAXPS, "maxps") N(MAXPD, "maxpd") N(MAXSS, "maxss") N(MAXSD, "maxsd") \
    N(CMPPS, "cmpps") N(CMPPD, "cmppd") N(CMPSS, "cmpss") N(CMPSD, "cmpsd") \
    N(CVTPI2PS, "cvtpi2ps") N(CVTPI2PD, "cvtpi2pd") N(CVTSI2SS, "cvtsi2ss") N(CVTSI2SD, "cvtsi2sd") \
    N(CVTTPS2PI, "cvttps2pi") N(CVTTPD2PI, "cvttpd2pi") N(CVTTSS2SI, "cvttss2si") N(CVTTSD2SI, "cvttsd2si") \
    N(CVTPS2PI, "cvtps2pi") N(CVTPD2PI, "cvtpd2pi") N(CVTSS2SI, "cvtss2si") N(CVTSD2SI, "cvtsd2si") \
    N(CVTPS2PD, "cvtps2pd") N(CVTPD2PS, "cvtpd2ps") N(CVTSS2SD, "cvtss2sd") N(CVTSD2SS, "cvtsd2ss") \
    N(CVTDQ2PS, "cvtdq2ps") N(CVTPS2DQ, "cvtps2dq") N(CVTTPS2DQ, "cvttps2dq") \
    N(CVTDQ2PD, "cvtdq2pd") N(CVTPD2DQ, "cvtpd2dq") N(CVTTPD2DQ, "cvttpd2dq")

/* SSE3, SSSE3, SSE4.1 and SSE4.2: a CPU model may offer them. */
#define X86_NAMES_SSE3_TO_4(N) \
    N(ADDSUBPS, "addsubps") N(ADDSUBPD, "addsubpd") N(HADDPS, "haddps") N(HADDPD, "haddpd") \
    N(HSUBPS, "hsubps") N(HSUBPD, "hsubpd") N(LDDQU, "lddqu") \
    N(MOVDDUP, "movddup") N(MOVSLDUP, "movsldup") N(MOVSHDUP, "movshdup") \
    N(PSHUFB, "pshufb") N(PHADDW, "phaddw") N(PHADDD, "phaddd") N(PHADDSW, "phaddsw") \
    N(PMADDUBSW, "pmaddubsw") N(PHSUBW, "phsubw") N(PHSUBD, "phsubd") N(PHSUBSW, "phsubsw") \
    N(PSIGNB, "psignb") N(PSIGNW, "psignw") N(PSIGND, "psignd") N(PMULHRSW, "pmulhrsw") \
    N(PABSB, "pabsb") N(PABSW, "pabsw") N(PABSD, "pabsd") N(PALIGNR, "palignr") \
    N(PBLENDVB, "pblendvb") N(BLENDVPS, "blendvps") N(BLENDVPD, "blendvpd") N(PTEST, "ptest") \
    N(PMOVSXBW, "pmovsxbw") N(PMOVSXBD, "pmovsxbd") N(PMOVSXBQ, "pmovsxbq") \
    N(PMOVSXWD, "pmovsxwd") N(PMOVSXWQ, "pmovsxwq") N(PMOVSXDQ, "pmovsxdq") \
    N(PMOVZXBW, "pmovzxbw") N(PMOVZXBD, "pmovzxbd") N(PMOVZXBQ, "pmovzxbq") \
    N(PMOVZXWD, "pmovzxwd") N(PMOVZXWQ, "pmovzxwq") N(PMOVZXDQ, "pmovzxdq") \
    N(PMULDQ, "pmuldq") N(PMULLD, "pmulld") N(PCMPEQQ, "pcmpeqq") N(PCMPGTQ, "pcmpgtq") \
    N(MOVNTDQA, "movntdqa") N(PACKUSDW, "packusdw") N(PHMINPOSUW, "phminposuw") \
    N(PMINSB, "pminsb") N(PMINSD, "pminsd") N(PMINUW, "pminuw") N(PMINUD, "pminud") \
    N(PMAXSB, "pmaxsb") N(PMAXSD, "pmaxsd") N(PMAXUW, "pmaxuw") N(PMAXUD, "pmaxud") \
    N(ROUNDPS, "roundps") N(ROUNDPD, "roundpd") N(ROUNDSS, "roundss") N(ROUNDSD, "roundsd") \
    N(BLENDPS, "blendps") N(BLENDPD, "blendpd") N(PBLENDW, "pblendw") \
    N(PEXTRB, "pextrb") N(PEXTRD, "pextrd") N(EXTRACTPS, "extractps") \
    N(PINSRB, "pinsrb") N(INSERTPS, "insertps") N(PINSRD, "pinsrd") \
    N(DPPS, "dpps") N(DPPD, "dppd") N(MPSADBW, "mpsadbw") \
    N(PCMPESTRM, "pcmpestrm") N(PCMPESTRI, "pcmpestri") N(PCMPISTRM, "pcmpistrm") N(PCMPISTRI, "pcmpistri")

/* Known only to be refused with the right length: no processor we model has them. */
#define X86_NAMES_LATER(N) \
    N(VEX, "(vex)") N(EVEX, "(evex)") N(XOP, "(xop)") N(AMD3DNOW, "(3dnow)") N(FEMMS, "femms") \
    N(VMCALL, "vmcall") N(VMLAUNCH, "vmlaunch") N(VMRESUME, "vmresume") N(VMXOFF, "vmxoff") \
    N(VMXON, "vmxon") N(VMCLEAR, "vmclear") N(VMPTRLD, "vmptrld") N(VMPTRST, "vmptrst") \
    N(VMREAD, "vmread") N(VMWRITE, "vmwrite") N(VMFUNC, "vmfunc") \
    N(INVEPT, "invept") N(INVVPID, "invvpid") N(INVPCID, "invpcid") \
    N(VMRUN, "vmrun") N(VMMCALL, "vmmcall") N(VMLOAD, "vmload") N(VMSAVE, "vmsave") \
    N(STGI, "stgi") N(CLGI, "clgi") N(SKINIT, "skinit") N(INVLPGA, "invlpga") \
    N(CLAC, "clac") N(STAC, "stac") N(ENCLS, "encls") N(ENCLU, "enclu") N(ENCLV, "enclv") \
    N(GETSEC, "getsec") N(PCONFIG, "pconfig") N(SERIALIZE, "serialize") \
    N(XGETBV, "xgetbv") N(XSETBV, "xsetbv") N(XSAVE, "xsave") N(XRSTOR, "xrstor") \
    N(XSAVEOPT, "xsaveopt") N(XSAVEC, "xsavec") N(XSAVES, "xsaves") N(XRSTORS, "xrstors") \
    N(XBEGIN, "xbegin") N(XABORT, "xabort") N(XEND, "xend") N(XTEST, "xtest") \
    N(RDPKRU, "rdpkru") N(WRPKRU, "wrpkru") N(RDRAND, "rdrand") N(RDSEED, "rdseed") N(RDPID, "rdpid") \
    N(MONITORX, "monitorx") N(MWAITX, "mwaitx") N(CLZERO, "clzero") N(RDPRU, "rdpru") \
    N(INVLPGB, "invlpgb") N(TLBSYNC, "tlbsync") \
    N(CLFLUSHOPT, "clflushopt") N(CLWB, "clwb") \
    N(UMONITOR, "umonitor") N(UMWAIT, "umwait") N(TPAUSE, "tpause") N(PTWRITE, "ptwrite") \
    N(INCSSP, "incssp") N(RSTORSSP, "rstorssp") N(SAVEPREVSSP, "saveprevssp") \
    N(CLRSSBSY, "clrssbsy") N(WRSS, "wrss") N(WRUSS, "wruss") \
    N(MOVDIRI, "movdiri") N(MOVDIR64B, "movdir64b") N(ENQCMD, "enqcmd") N(ENQCMDS, "enqcmds") \
    N(ADCX, "adcx") N(ADOX, "adox") \
    N(AESIMC, "aesimc") N(AESENC, "aesenc") N(AESENCLAST, "aesenclast") N(AESDEC, "aesdec") \
    N(AESDECLAST, "aesdeclast") N(AESKEYGENASSIST, "aeskeygenassist") N(PCLMULQDQ, "pclmulqdq") \
    N(SHA1NEXTE, "sha1nexte") N(SHA1MSG1, "sha1msg1") N(SHA1MSG2, "sha1msg2") N(SHA1RNDS4, "sha1rnds4") \
    N(SHA256RNDS2, "sha256rnds2") N(SHA256MSG1, "sha256msg1") N(SHA256MSG2, "sha256msg2") \
    N(GF2P8MULB, "gf2p8mulb") N(GF2P8AFFINEQB, "gf2p8affineqb") N(GF2P8AFFINEINVQB, "gf2p8affineinvqb") \
    N(EXTRQ, "extrq") N(INSERTQ, "insertq") N(MOVNTSS, "movntss") N(MOVNTSD, "movntsd")

#define X86_OPCODE_NAMES(N) \
    X86_NAMES_GENERAL(N) \
    X86_NAMES_X87(N) \
    X86_NAMES_MMX(N) \
    X86_NAMES_SSE(N) \
    X86_NAMES_SSE3_TO_4(N) \
    X86_NAMES_LATER(N)

/* clang-format on */

#define X86_NAME_ENUMERATOR(name, text) X86_##name,
enum x86_op { X86_OPCODE_NAMES(X86_NAME_ENUMERATOR) X86_OP_COUNT };
#undef X86_NAME_ENUMERATOR
