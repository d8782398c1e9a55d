/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Instruction decoding: bytes and a code size in, one decoded instruction out.
 * The interpreter, the scanner and the disassembly views all read the same tables (opcodes.h) through
 * this interface, so they cannot disagree about where an instruction ends or what it is.
 * Encodings: SDM 2A, "Instruction Format" and SDM 2D, "Opcode Map".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    X86_INSN_MAX = 15, /* SDM 3A, "#GP": a longer instruction faults, prefixes included */
    X86_NO_REG = 8,    /* absent base or index: names a register-file slot that always reads zero */
};

/* Prefixes as found; more than one segment or repeat prefix: the last one wins, as processors do. */
enum x86_prefix {
    X86_PFX_LOCK = 1 << 0,
    X86_PFX_REPNE = 1 << 1, /* F2, the last of F2/F3 */
    X86_PFX_REP = 1 << 2,   /* F3, the last of F2/F3 */
    X86_PFX_OPSIZE = 1 << 3,
    X86_PFX_ADDRSIZE = 1 << 4,
    X86_PFX_SEG = 1 << 5, /* any segment override */
};

/* Segment registers in SDM encoding order (ModRM.reg of MOV Sreg). */
enum x86_sreg { X86_ES, X86_CS, X86_SS, X86_DS, X86_FS, X86_GS, X86_SREG_COUNT };

enum x86_operand_kind {
    X86_OPND_NONE,
    X86_OPND_GPR,  /* general register; with size 1, numbers 4..7 are AH, CH, DH, BH */
    X86_OPND_MEM,  /* memory at seg:base+index*scale+disp of the instruction */
    X86_OPND_IMM,  /* insn.imm, already sign- or zero-extended to 32 bits as the instruction uses it */
    X86_OPND_REL,  /* branch displacement in insn.imm, sign-extended, relative to the next instruction */
    X86_OPND_FAR,  /* pointer in the instruction: offset in insn.imm, selector in insn.imm2 */
    X86_OPND_SREG, /* segment register */
    X86_OPND_CREG, /* control register */
    X86_OPND_DREG, /* debug register */
    X86_OPND_TREG, /* 486 test register: no processor of this class has one, so #UD */
    X86_OPND_ST,   /* x87 stack register */
    X86_OPND_MMX,
    X86_OPND_XMM,
    X86_OPND_STR_SI, /* string source: seg:[eSI], override allowed */
    X86_OPND_STR_DI, /* string destination: ES:[eDI] */
};

struct x86_operand {
    uint8_t kind; /* enum x86_operand_kind */
    uint8_t
        size; /* bytes: 1, 2, 4, 6, 8, 10, 16; 0 where the operand has no fixed size (LEA, FXSAVE, x87 env) */
    uint8_t reg; /* register number for the register kinds */
};

/* What the scanner makes of an instruction; the row in opcodes.h says why. */
enum x86_class {
    X86_KEEP,      /* runs natively as it stands at any CPL */
    X86_BRANCH,    /* keeps, but ends or splits the straight line */
    X86_SENSITIVE, /* shows or changes what the guest may not see or have */
    X86_INVALID,   /* #UD on the processors we model, or undefined in this form */
};

/*
 * What a processor must have for the instruction to exist, by CPUID feature; one without it raises #UD.
 * From X86_ISA_MMX to X86_ISA_SSE42 the rules of CR0.EM, CR0.TS and CR4.OSFXSR apply as well (SDM 3A,
 * "System Programming for Instruction Set Extensions"); the operands tell MMX registers from XMM.
 */
enum x86_isa {
    X86_ISA_BASE,
    X86_ISA_X87,
    X86_ISA_TSC,
    X86_ISA_MSR,
    X86_ISA_CX8,
    X86_ISA_SEP,
    X86_ISA_CMOV, /* CMOVcc; FCMOVcc, FCOMI and FUCOMI also need an x87 */
    X86_ISA_FXSR,
    X86_ISA_CLFSH,
    X86_ISA_RDTSCP,
    X86_ISA_MONITOR,
    X86_ISA_MOVBE,
    X86_ISA_MMX,
    X86_ISA_SSE,
    X86_ISA_SSE2,
    X86_ISA_SSE3,
    X86_ISA_SSSE3,
    X86_ISA_SSE41,
    X86_ISA_SSE42,
    X86_ISA_POPCNT,
    X86_ISA_LATER, /* no processor we model: class X86_INVALID */
};

/* enum x86_op: one enumerator per mnemonic (X86_ADD, X86_JCC, X86_ADDPS ...), from the same lists as the
 * tables. */
#include "translator/opcode_names.h"

struct insn {
    uint16_t op;         /* enum x86_op */
    uint8_t class_;      /* enum x86_class */
    uint8_t isa;         /* enum x86_isa */
    uint8_t length;      /* bytes, 1..15 */
    uint8_t map;         /* 0: one-byte map, 1: 0F, 2: 0F 38, 3: 0F 3A */
    uint8_t opcode;      /* the opcode byte in its map; low bits may name a register or a condition */
    uint8_t prefixes;    /* enum x86_prefix */
    uint8_t simd_prefix; /* mandatory prefix of an SSE/MMX form: 0, 0x66, 0xF3 or 0xF2 */
    uint8_t op_size;     /* 2 or 4; 66 makes it 2 also where it is the mandatory prefix of an SSE form */
    uint8_t addr_size;   /* 2 or 4 */
    uint8_t cond;        /* condition code 0..15 of Jcc, SETcc, CMOVcc, FCMOVcc */
    bool has_modrm;
    uint8_t modrm;
    bool lockable; /* LOCK is allowed with this form (memory destination of the RMW list) */
    /* Memory operand: seg:[base + (index << scale) + disp], truncated to addr_size. */
    uint8_t seg;   /* effective segment of the memory or string-source operand: override or default */
    uint8_t base;  /* register number or X86_NO_REG */
    uint8_t index; /* register number or X86_NO_REG */
    uint8_t scale; /* shift: 0..3 */
    uint32_t disp; /* a byte is sign-extended, two bytes are not */
    /*
     * Two-byte immediates by operand size and the sign-extended byte forms (83, 6A, 6B) are sign-extended to
     * 32 bits; plain byte immediates and those of RET, ENTER, INT, IN, OUT, shifts and SSE are zero-extended.
     */
    uint32_t imm;
    uint32_t imm2; /* selector of a far pointer; second immediate of ENTER */
    /*
     * Destination first, as the SDM prints them. Registers an instruction implies stay out, unless the SDM
     * prints them (CL, DX, ST(0), XMM0 of BLENDV); memory is always there: XLAT has [eBX] (add AL to it),
     * MASKMOVQ and MASKMOVDQU have [eDI] third.
     */
    struct x86_operand opnd[3];
};

enum x86_decode_status {
    X86_DECODE_OK,       /* *insn is filled in */
    X86_DECODE_MORE,     /* the bytes given end inside the instruction: give more (up to X86_INSN_MAX) */
    X86_DECODE_TOO_LONG, /* 15 bytes and still not complete: #GP(0) */
    X86_DECODE_INVALID,  /* no such instruction: #UD. insn->length says how many bytes were looked at */
};

/*
 * Decode the instruction at bytes[0]. Reads at most `avail` bytes, has no side effects.
 * code32: CS.D, the default operand and address size.
 * A form that exists but is #UD for dynamic reasons (mode, LOCK on a wrong form, CPUID model, CPL) decodes
 * as OK; whoever executes it raises the fault. UD0 to UD2 and instructions of processors we do not model
 * (VEX, SYSCALL, VMX ...) decode as OK too, with their length and class X86_INVALID.
 */
enum x86_decode_status x86_decode(const uint8_t *bytes, size_t avail, bool code32, struct insn *insn);

/* Mnemonic of an enum x86_op in lower case, for listings and test output; never NULL. */
const char *x86_op_name(unsigned op);
