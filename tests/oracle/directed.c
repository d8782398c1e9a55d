/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Directed cases: rows of code with the outcome computed by hand from the SDM. They test the native side
 * against the manual (so that the oracle itself is known to work) and the guest against both.
 * Unless a row says otherwise the registers hold what default_regs says, the status flags are clear, the
 * x87 stack is empty, and the code ends in INT3.
 */
#include <inttypes.h>
#include <string.h>

#include "segments.h"

struct setting {
    uint8_t reg; /* number of a general register */
    uint32_t value;
};

struct row {
    const char *name;
    uint8_t code_len;
    uint8_t code[32];
    uint8_t in_count;
    struct setting in[5];
    uint8_t out_count;
    struct setting out[5];
    uint32_t flags_in;           /* set before, beside IF */
    uint32_t flags_known, flags; /* which of the status flags are known after, and their values */
    uint8_t vector;              /* 0 stands for #BP: the INT3 at the end */
    bool divide_error;           /* vector 0 indeed */
    uint32_t error_code, cr2;
    uint16_t fault_at; /* offset of the faulting instruction */
    uint32_t code_la;  /* 0: the usual place */
    bool no_int3;
    uint16_t cs, ss, ds; /* selectors of the LDT, or 0: the flat ones */
    bool trap;           /* EIP is not that of the instruction at fault_at: unchecked */
};

#define CODE(...)           .code = { __VA_ARGS__ }, .code_len = sizeof((uint8_t[]){ __VA_ARGS__ })
#define COUNT(...)          (sizeof((struct setting[]){ __VA_ARGS__ }) / sizeof(struct setting))
#define IN(...)             .in = { __VA_ARGS__ }, .in_count = COUNT(__VA_ARGS__)
#define OUT(...)            .out = { __VA_ARGS__ }, .out_count = COUNT(__VA_ARGS__)
#define FLAGS(known, value) .flags_known = (known), .flags = (value)
#define FAULT(v, at)        .vector = (v), .fault_at = (at)

#define DEFAULT_CODE (CODE_LA + 0x100)
#define MEM          (DATA_LA + 0x800) /* EBX */
#define LE16(v)      (uint8_t)(v), (uint8_t)((v) >> 8)
#define CODE16       .cs = SEL_LDT(LDT_CODE16)
#define LE32(v)      (uint8_t)(v), (uint8_t)((v) >> 8), (uint8_t)((v) >> 16), (uint8_t)((v) >> 24)

static const struct regs default_regs = {
    .gpr = { 0x11111111, 0x22222222, 0x33333333, MEM, STACK_LA + 0x1000, STACK_LA + 0x1800, DATA_LA + 0x400,
             DATA_LA + 0xc00 },
    .eip = DEFAULT_CODE,
    .eflags = FL_FIXED | FL_IF,
    .cs = SEL_CODE,
};

enum { DE, DB, NMI, BP, OF, BR, UD, NM, DF, CSO, TS, NP, SS, GP, PF, RES, MF, AC, MC, XM };

/* clang-format off */

static const struct row rows[] = {
    /* ---- Arithmetic and flags ---- */
    { "add sets carry, zero, adjust", CODE(0x01, 0xc8), IN({ EAX, 0xffffffff }, { ECX, 1 }), OUT({ EAX,
      0 }),
      FLAGS(FL_STATUS, FL_CF | FL_ZF | FL_AF | FL_PF) },
    { "add overflows into the sign", CODE(0x01, 0xc8), IN({ EAX, 0x7fffffff }, { ECX, 1 }),
      OUT({ EAX, 0x80000000 }), FLAGS(FL_STATUS, FL_OF | FL_SF | FL_AF | FL_PF) },
    { "add r16 leaves the upper half", CODE(0x66, 0x01, 0xc8), IN({ EAX, 0x1234ffff }, { ECX, 2 }),
      OUT({ EAX, 0x12340001 }), FLAGS(FL_STATUS, FL_CF | FL_AF) },
    { "adc takes carry in", CODE(0x11, 0xc8), IN({ EAX, 1 }, { ECX, 2 }), OUT({ EAX, 4 }),
      .flags_in = FL_CF,
      FLAGS(FL_STATUS, 0) },
    { "sbb borrows", CODE(0x19, 0xc8), IN({ EAX, 0 }, { ECX, 0 }), OUT({ EAX, 0xffffffff }),
      .flags_in = FL_CF,
      FLAGS(FL_STATUS, FL_CF | FL_SF | FL_AF | FL_PF) },
    { "cmp writes nothing", CODE(0x39, 0xc8), IN({ EAX, 5 }, { ECX, 5 }), OUT({ EAX, 5 }),
      FLAGS(FL_STATUS, FL_ZF | FL_PF) },
    { "inc keeps carry", CODE(0x40), IN({ EAX, 0xffffffff }), OUT({ EAX, 0 }), .flags_in = FL_CF,
      FLAGS(FL_STATUS, FL_CF | FL_ZF | FL_PF | FL_AF) },
    { "neg of the smallest", CODE(0xf7, 0xd8), IN({ EAX, 0x80000000 }), OUT({ EAX, 0x80000000 }),
      FLAGS(FL_STATUS, FL_CF | FL_OF | FL_SF | FL_PF) },
    { "mul r32", CODE(0xf7, 0xe1), IN({ EAX, 0xffffffff }, { ECX, 0xffffffff }), OUT({ EAX, 1 }, { EDX,
      0xfffffffe }),
      FLAGS(FL_CF | FL_OF, FL_CF | FL_OF) },
    { "imul of small operands", CODE(0x6b, 0xc1, 0xfe), IN({ ECX, 3 }), OUT({ EAX, 0xfffffffa }),
      FLAGS(FL_CF | FL_OF, 0) },
    { "div r32", CODE(0xf7, 0xf1), IN({ EAX, 7 }, { EDX, 0 }, { ECX, 2 }), OUT({ EAX, 3 }, { EDX, 1 }) },
    { "idiv truncates towards zero", CODE(0xf7, 0xf9), IN({ EAX, 0xfffffff9 }, { EDX, 0xffffffff }, { ECX,
      2 }),
      OUT({ EAX, 0xfffffffd }, { EDX, 0xffffffff }) },
    { "div by zero", CODE(0xf7, 0xf1), IN({ ECX, 0 }), FAULT(DE, 0), .divide_error = true },
    { "idiv of the smallest by -1", CODE(0xf7, 0xf9), IN({ EAX, 0x80000000 }, { EDX, 0xffffffff }, { ECX,
      0xffffffff }),
      FAULT(DE, 0), .divide_error = true },
    { "aam 0", CODE(0xd4, 0x00), FAULT(DE, 0), .divide_error = true },
    { "daa", CODE(0x04, 0x35, 0x27), IN({ EAX, 0x79 }), OUT({ EAX, 0x14 }), FLAGS(FL_CF | FL_AF,
      FL_CF | FL_AF) },
    { "das", CODE(0x2c, 0x47, 0x2f), IN({ EAX, 0x35 }), OUT({ EAX, 0x88 }), FLAGS(FL_CF | FL_AF,
      FL_CF | FL_AF) },
    { "aaa", CODE(0x04, 0x08, 0x37), IN({ EAX, 0x0009 }), OUT({ EAX, 0x0107 }), FLAGS(FL_CF | FL_AF,
      FL_CF | FL_AF) },
    { "aas", CODE(0x2c, 0x09, 0x3f), IN({ EAX, 0x0208 }), OUT({ EAX, 0x0109 }), FLAGS(FL_CF | FL_AF,
      FL_CF | FL_AF) },
    { "aam 10", CODE(0xd4, 0x0a), IN({ EAX, 0xff63 }), OUT({ EAX, 0x0909 }), FLAGS(FL_ZF | FL_SF | FL_PF,
      FL_PF) },
    { "aad 10", CODE(0xd5, 0x0a), IN({ EAX, 0x0402 }), OUT({ EAX, 0x002a }), FLAGS(FL_ZF | FL_SF | FL_PF,
      0) },
    { "salc with carry", CODE(0xd6), IN({ EAX, 0 }), OUT({ EAX, 0xff }), .flags_in = FL_CF },
    { "shl by 33 is by 1", CODE(0xd3, 0xe0), IN({ EAX, 0x80000001 }, { ECX, 33 }), OUT({ EAX, 2 }),
      FLAGS(FL_CF | FL_OF | FL_ZF | FL_SF, FL_CF | FL_OF) },
    { "shift by 0 keeps flags", CODE(0xd3, 0xe0), IN({ EAX, 5 }, { ECX, 32 }), OUT({ EAX, 5 }),
      .flags_in = FL_CF | FL_ZF | FL_OF | FL_AF, FLAGS(FL_STATUS, FL_CF | FL_ZF | FL_OF | FL_AF) },
    { "sar keeps the sign", CODE(0xc1, 0xf8, 0x04), IN({ EAX, 0x80000008 }), OUT({ EAX, 0xf8000000 }),
      FLAGS(FL_CF | FL_SF | FL_ZF | FL_PF, FL_CF | FL_SF | FL_PF) },
    { "rcl r8 by 9 is by 0", CODE(0xc0, 0xd0, 0x09), IN({ EAX, 0xa5 }), OUT({ EAX, 0xa5 }),
      .flags_in = FL_CF,
      FLAGS(FL_CF, FL_CF) },
    { "shld", CODE(0x0f, 0xa4, 0xc8, 0x08), IN({ EAX, 0x11223344 }, { ECX, 0xaabbccdd }), OUT({ EAX,
      0x223344aa }),
      FLAGS(FL_CF, FL_CF) },
    { "bsf of zero keeps the destination", CODE(0x0f, 0xbc, 0xc1), IN({ ECX, 0 }, { EAX, 99 }), OUT({ EAX,
      99 }),
      FLAGS(FL_ZF, FL_ZF) },
    { "bsr", CODE(0x0f, 0xbd, 0xc1), IN({ ECX, 0x00010000 }), OUT({ EAX, 16 }), FLAGS(FL_ZF, 0) },
    { "bt reaches beyond the operand", CODE(0xc6, 0x43, 0xff, 0x80, 0x0f, 0xa3, 0x0b), IN({ ECX,
      0xffffffff }),
      FLAGS(FL_CF, FL_CF) }, /* bit 7 of the byte before */
    { "bswap", CODE(0x0f, 0xc8), IN({ EAX, 0x12345678 }), OUT({ EAX, 0x78563412 }) },
    { "xadd", CODE(0x0f, 0xc1, 0xc8), IN({ EAX, 5 }, { ECX, 7 }), OUT({ EAX, 12 }, { ECX, 5 }) },
    { "cmpxchg fails and loads", CODE(0x0f, 0xb1, 0xca), IN({ EAX, 1 }, { EDX, 9 }, { ECX, 3 }),
      OUT({ EAX, 9 }, { EDX, 9 }), FLAGS(FL_ZF, 0) },
    { "cmpxchg8b exchanges", CODE(0x89, 0x03, 0x89, 0x53, 0x04, 0x53, 0x89, 0xde, 0xbb, 5, 0, 0, 0, 0xf0,
      0x0f, 0xc7, 0x0e,
      0x5b, 0x8b, 0x03, 0x8b, 0x53, 0x04), IN({ EAX, 1 }, { EDX, 2 }, { ECX, 6 }), OUT({ EAX, 5 }, { EDX,
      6 }),
      FLAGS(FL_ZF, FL_ZF) },
    { "movsx r32, r8 of AH", CODE(0x0f, 0xbe, 0xcc), IN({ EAX, 0x8000 }), OUT({ ECX, 0xffffff80 }) },
    { "cmov not taken in 16 bits", CODE(0x66, 0x0f, 0x44, 0xc1), IN({ EAX, 1 }, { ECX, 2 }), OUT({ EAX,
      1 }) },
    { "lahf", CODE(0x9f), IN({ EAX, 0 }), OUT({ EAX, 0xd700 }),
      .flags_in = FL_CF | FL_PF | FL_AF | FL_ZF | FL_SF },
    { "lea with 16-bit address wraps", CODE(0x67, 0x8d, 0x40, 0x01), IN({ EBX, 0xffff }, { ESI, 1 }),
      OUT({ EAX, 1 }) },
    { "arpl raises RPL", CODE(0x63, 0xc8), IN({ EAX, 0x10 }, { ECX, 0x23 }), OUT({ EAX, 0x13 }),
      FLAGS(FL_ZF, FL_ZF) },
    { "xlat", CODE(0xc6, 0x43, 0x05, 0x77, 0xd7), IN({ EAX, 0x05 }), OUT({ EAX, 0x77 }) },

    /* ---- Stack ---- */
    { "push esp stores the old value", CODE(0x54, 0x58), OUT({ EAX, STACK_LA + 0x1000 }, { ESP,
      STACK_LA + 0x1000 }) },
    { "pop esp", CODE(0x68, LE32(STACK_LA + 0x1234), 0x5c), OUT({ ESP, STACK_LA + 0x1234 }) },
    { "pop [esp] uses the new ESP", CODE(0x6a, 0x07, 0x8f, 0x04, 0x24, 0x58), OUT({ EAX, 7 }, { ESP,
      STACK_LA + 0x1004 }) },
    { "pusha, popa skip ESP", CODE(0x60, 0xc7, 0x44, 0x24, 0x0c, 0, 0, 0, 0, 0x61), OUT({ ESP,
      STACK_LA + 0x1000 },
      { EDI, DATA_LA + 0xc00 }) },
    { "pushf hides nothing of the status", CODE(0x9c, 0x58), OUT({ EAX, FL_FIXED | FL_IF | FL_CF | FL_OF }),
      .flags_in = FL_CF | FL_OF },
    { "popf at CPL 3 keeps IF and IOPL", CODE(0x6a, 0x00, 0x9d, 0x9c, 0x58), OUT({ EAX,
      FL_FIXED | FL_IF }) },
    { "popf toggles ID", CODE(0x68, LE32(FL_ID), 0x9d, 0x9c, 0x58), OUT({ EAX,
      FL_FIXED | FL_IF | FL_ID }) },
    { "enter 16, 0", CODE(0xc8, 0x10, 0x00, 0x00), OUT({ EBP, STACK_LA + 0xffc }, { ESP,
      STACK_LA + 0xfec }) },
    { "enter 0, 2 copies a frame pointer", CODE(0xc8, 0x00, 0x00, 0x02, 0x58, 0x59),
      OUT({ EBP, STACK_LA + 0xffc }, { EAX, STACK_LA + 0xffc }, { ESP, STACK_LA + 0xffc }) },
    { "leave", CODE(0x89, 0xe5, 0x6a, 0x01, 0xc9), IN({ ESP, STACK_LA + 0x800 }), OUT({ ESP,
      STACK_LA + 0x804 }) },
    { "push below the stack", CODE(0x50), IN({ ESP, STACK_LA }), FAULT(PF, 0), .error_code = 6,
      .cr2 = STACK_LA - 4,
      OUT({ ESP, STACK_LA }) },
    { "pusha half below the stack", CODE(0x60), IN({ ESP, STACK_LA + 16 }), FAULT(PF, 0), .error_code = 6,
      OUT({ ESP, STACK_LA + 16 }), .trap = true, .cr2 = STACK_LA - 4 },

    /* ---- Strings ---- */
    { "rep movsb", CODE(0xb9, 3, 0, 0, 0, 0xf3, 0xa4), OUT({ ECX, 0 }, { ESI, DATA_LA + 0x403 }, { EDI,
      DATA_LA + 0xc03 }) },
    { "rep with ECX 0 does nothing", CODE(0xf3, 0xa5), IN({ ECX, 0 }, { ESI, 0 }, { EDI, 0 }), OUT({ ESI,
      0 }, { EDI, 0 }) },
    { "std; lodsd", CODE(0xfd, 0xad, 0xfc), OUT({ ESI, DATA_LA + 0x3fc }) },
    { "rep stosd stops at read-only memory", CODE(0xf3, 0xab), IN({ EDI, DATA_RO_LA - 8 }, { ECX, 5 }),
      OUT({ EDI, DATA_RO_LA }, { ECX, 3 }), FAULT(PF, 0), .error_code = 7, .cr2 = DATA_RO_LA },
    { "repne scasb finds", CODE(0xc7, 0x07, 1, 2, 3, 4, 0xb0, 3, 0xf2, 0xae), IN({ ECX, 10 }),
      OUT({ ECX, 7 }, { EDI, DATA_LA + 0xc03 }), FLAGS(FL_ZF, FL_ZF) },
    { "67 rep counts CX", CODE(0x67, 0xf3, 0xac), IN({ ECX, 0xabcd0000 }), OUT({ ECX, 0xabcd0000 }) },

    /* ---- Branches ---- */
    { "jcc 16-bit taken cuts EIP", CODE(0x66, 0x0f, 0x84, 0x00, 0x00), .flags_in = FL_ZF, FAULT(PF, 0),
      .error_code = 0x14,
      .cr2 = (DEFAULT_CODE + 5) & 0xffff, .trap = true },
    { "loop counts down", CODE(0xb9, 3, 0, 0, 0, 0x40, 0xe2, 0xfd), IN({ EAX, 0 }), OUT({ EAX, 3 }, { ECX,
      0 }) },
    { "jecxz taken", CODE(0xe3, 0x01, 0x40, 0x41), IN({ ECX, 0 }, { EAX, 0 }), OUT({ EAX, 0 }, { ECX,
      1 }) },
    { "call, ret 4", CODE(0x6a, 0x05, 0xe8, 0x01, 0, 0, 0, 0xcc, 0xc2, 0x04, 0x00), FAULT(BP, 7),
      OUT({ ESP, STACK_LA + 0x1000 }), .trap = true },
    { "far jump to the same segment", CODE(0xea, LE32(DEFAULT_CODE + 8), SEL_CODE, 0, 0x40), IN({ EAX,
      0 }), OUT({ EAX, 0 }) },
    { "far return", CODE(0x6a, SEL_CODE, 0x68, LE32(DEFAULT_CODE + 9), 0xcb, 0x40), IN({ EAX, 0 }),
      OUT({ EAX, 0 },
      { ESP, STACK_LA + 0x1000 }) },
    { "iret to the same privilege", CODE(0x6a, 0x03, 0x6a, SEL_CODE, 0x68, LE32(DEFAULT_CODE + 11), 0xcf,
      0x40), IN({ EAX, 0 }),
      OUT({ EAX, 0 }, { ESP, STACK_LA + 0x1000 }), FLAGS(FL_STATUS, FL_CF) },
    { "jump to data: fetch fault", CODE(0xff, 0xe3), FAULT(PF, 0), .error_code = 0x15, .cr2 = MEM,
      .trap = true },
    { "fetch runs off the page", CODE(0x40, 0xb8, 1, 2), IN({ EAX, 1 }), OUT({ EAX, 2 }),
      .code_la = CODE_END - 4,
      .no_int3 = true, FAULT(PF, 1), .error_code = 0x14, .cr2 = CODE_END },

    /* ---- Faults ---- */
    { "read of absent page", CODE(0xa1, LE32(DATA_END)), FAULT(PF, 0), .error_code = 4, .cr2 = DATA_END },
    { "write to absent page", CODE(0xa3, LE32(DATA_END)), FAULT(PF, 0), .error_code = 6, .cr2 = DATA_END },
    { "write to read-only page", CODE(0xa3, LE32(DATA_RO_LA)), FAULT(PF, 0), .error_code = 7,
      .cr2 = DATA_RO_LA },
    { "read across into absent page", CODE(0xa1, LE32(DATA_END - 2)), FAULT(PF, 0), .error_code = 4,
      .cr2 = DATA_END },
    { "write across into read-only page", CODE(0xa3, LE32(DATA_RO_LA - 2)), FAULT(PF, 0), .error_code = 7,
      .cr2 = DATA_RO_LA },
    { "add to read-only memory faults as a write", CODE(0x01, 0x05, LE32(DATA_RO_LA + 4)), FAULT(PF, 0),
      .error_code = 7,
      .cr2 = DATA_RO_LA + 4 },
    { "cmp with read-only memory", CODE(0x39, 0x05, LE32(DATA_RO_LA + 4)) },
    { "write through CS", CODE(0x2e, 0xa3, LE32(MEM)), FAULT(GP, 0) },
    { "read through CS", CODE(0x2e, 0xa1, LE32(MEM)) },
    { "hlt", CODE(0xf4), FAULT(GP, 0) },
    { "cli", CODE(0xfa), FAULT(GP, 0) },
    { "in al, dx", CODE(0xec), FAULT(GP, 0) },
    { "mov cr0, eax", CODE(0x0f, 0x22, 0xc0), FAULT(GP, 0) },
    { "int 20h", CODE(0xcd, 0x20), FAULT(GP, 0), .error_code = 0x20 * 8 + 2 },
    { "ud2", CODE(0x40, 0x0f, 0x0b), FAULT(UD, 1) },
    { "lock on a register form", CODE(0xf0, 0x01, 0xc0), FAULT(UD, 0) },
    { "lock mov", CODE(0xf0, 0x89, 0x03), FAULT(UD, 0) },
    { "lea of a register", CODE(0x8d, 0xc0), FAULT(UD, 0) },
    { "mov cs, ax", CODE(0x8e, 0xc8), FAULT(UD, 0) },
    { "sixteen bytes", CODE(0x26, 0x26, 0x26, 0x26, 0x26, 0x26, 0x26, 0x26, 0x26, 0x26, 0x26, 0x26, 0x26,
      0x26, 0x89, 0x03), FAULT(GP, 0) },
    { "fifteen bytes", CODE(0x26, 0x26, 0x26, 0x26, 0x26, 0x26, 0x26, 0x26, 0x26, 0x26, 0x26, 0x26, 0x26,
      0x89, 0x03) },
    { "into with OF", CODE(0xce), .flags_in = FL_OF, FAULT(OF, 0), .trap = true },
    { "into without OF", CODE(0xce) },
    { "bound inside", CODE(0xc7, 0x03, 1, 0, 0, 0, 0xc7, 0x43, 0x04, 9, 0, 0, 0, 0x62, 0x03), IN({ EAX,
      9 }) },
    { "bound outside", CODE(0xc7, 0x03, 1, 0, 0, 0, 0xc7, 0x43, 0x04, 9, 0, 0, 0, 0x62, 0x03), IN({ EAX,
      10 }), FAULT(BR, 13) },
    { "mov ds, beyond the GDT", CODE(0x66, 0xb8, 0xfb, 0xff, 0x8e, 0xd8), FAULT(GP, 4),
      .error_code = 0xfff8 },
    { "mov ds, LDT selector without LDT", CODE(0x66, 0xb8, 0x37, 0x12, 0x8e, 0xd8), FAULT(GP, 4),
      .error_code = 0x1234 },
    { "mov ss, null", CODE(0x31, 0xc0, 0x8e, 0xd0), FAULT(GP, 2) },
    { "mov ss with other RPL", CODE(0x66, 0xb8, 0x28, 0x00, 0x8e, 0xd0), FAULT(GP, 4), .error_code = 0x28 },
    { "use of a null segment", CODE(0x31, 0xc0, 0x8e, 0xc0, 0x26, 0x8b, 0x03), FAULT(GP, 4) },
    { "lar", CODE(0x66, 0xb9, SEL_CODE, 0, 0x0f, 0x02, 0xc1), OUT({ EAX, 0x00cffb00 }), FLAGS(FL_ZF,
      FL_ZF) },
    { "lsl", CODE(0x66, 0xb9, SEL_DATA, 0, 0x0f, 0x03, 0xc1), OUT({ EAX, 0xffffffff }), FLAGS(FL_ZF,
      FL_ZF) },
    { "verw of code", CODE(0x66, 0xb9, SEL_CODE, 0, 0x0f, 0x00, 0xe9), FLAGS(FL_ZF, 0) },
    { "null selector keeps its RPL", CODE(0x6a, 0x03, 0x07, 0x8c, 0xc0), OUT({ EAX, 3 }) },
    { "alignment check", CODE(0x68, LE32(FL_AC), 0x9d, 0x8b, 0x43, 0x01), FAULT(AC, 6) },
    { "alignment check spares aligned", CODE(0x68, LE32(FL_AC), 0x9d, 0x8b, 0x43, 0x04) },
    { "single step after popf", CODE(0x68, LE32(FL_TF), 0x9d, 0x40, 0x41), IN({ EAX, 0 }, { ECX, 0 }),
      OUT({ EAX, 1 }, { ECX, 0 }),
      FAULT(DB, 7), .trap = true },
    { "mov ss holds the step back", CODE(0x68, LE32(FL_TF), 0xb8, SEL_DATA, 0, 0, 0, 0x9d, 0x8e, 0xd0,
      0x41, 0x41), IN({ ECX, 0 }),
      OUT({ ECX, 1 }), FAULT(DB, 0), .trap = true },

    /* ---- Segments of the LDT ---- */
    { "16-bit code pushes words", CODE(0x68, LE16(0x1234), 0x66, 0x58), IN({ ESP, 0x1000 }),
      .ss = SEL_LDT(LDT_STACK16), CODE16, OUT({ ESP, 0x1002 }) },
    { "sp wraps, the upper half of esp stays", CODE(0x50), IN({ ESP, 0x12340000 }), CODE16,
      .ss = SEL_LDT(LDT_STACK16_WRAP), OUT({ ESP, 0x1234fffe }) },
    { "int3 at the end of 64 KiB does not wrap IP", CODE(0xcc), .cs = SEL_LDT(LDT_CODE16_HIGH),
      .code_la = CODE_LA + PAGE - 1, .no_int3 = true },
    { "bound reads its second word at 0 after FFFE", CODE(0xc7, 0x06, LE16(0xfffe), LE16(1), 0xc7, 0x06, LE16(0),
      LE16(5), 0xb8, LE16(3), 0x62, 0x06, LE16(0xfffe)), CODE16, .ds = SEL_LDT(LDT_STACK16_WRAP) },
    { "les reads its selector at 0 after FFFE", CODE(0xc7, 0x06, LE16(0xfffe), LE16(0x1234), 0xc7, 0x06, LE16(0),
      LE16(SEL_DATA), 0xc4, 0x06, LE16(0xfffe)), CODE16, .ds = SEL_LDT(LDT_STACK16_WRAP),
      OUT({ EAX, 0x11111234 }) },
    { "word across the stack's limit", CODE(0x8b, 0x46, 0x00), IN({ EBP, 0x1fff }), CODE16,
      .ss = SEL_LDT(LDT_STACK16), FAULT(SS, 0) },
    { "last byte below an expand-down segment", CODE(0xa0, LE16(0xf1ff)), CODE16,
      .ds = SEL_LDT(LDT_DATA_DOWN16), FAULT(GP, 0) },
    { "first byte of an expand-down segment", CODE(0xa0, LE16(0xf200)), CODE16, .ds = SEL_LDT(LDT_DATA_DOWN16) },
    { "32-bit expand-down segment beyond 64 KiB", CODE(0x67, 0x66, 0xa1, LE32(0x10000)), CODE16,
      .ds = SEL_LDT(LDT_DATA_DOWN32), FAULT(PF, 0), .error_code = 4, .cr2 = DATA_LA + 0x10000 },
    { "16-bit expand-down segment beyond 64 KiB", CODE(0x67, 0x66, 0xa1, LE32(0x10000)), CODE16,
      .ds = SEL_LDT(LDT_DATA_DOWN16), FAULT(GP, 0) },
    { "jump to the last byte within the limit", CODE(0xe9, LE16(0xa7f - 0x103)), FAULT(BP, 0), .trap = true,
      .cs = SEL_LDT(LDT_CODE16_SHORT) },
    { "jump beyond the limit faults at the jump", CODE(0xe9, LE16(0xa80 - 0x103)), FAULT(GP, 0),
      .cs = SEL_LDT(LDT_CODE16_SHORT) },
    { "absent segment", CODE(0xb8, LE16(SEL_LDT(LDT_DATA_ABSENT)), 0x8e, 0xd8), CODE16, FAULT(NP, 3),
      .error_code = SEL_LDT(LDT_DATA_ABSENT) & ~3 },
    { "absent stack segment", CODE(0xb8, LE16(SEL_LDT(LDT_DATA_ABSENT)), 0x8e, 0xd0), CODE16, FAULT(SS, 3),
      .error_code = SEL_LDT(LDT_DATA_ABSENT) & ~3 },
    { "write to a read-only segment", CODE(0xa2, LE16(0x800)), CODE16, .ds = SEL_LDT(LDT_DATA_READ),
      FAULT(GP, 0) },
    { "execute-only segment as data", CODE(0xb8, LE16(SEL_LDT(LDT_CODE16_EXECUTE)), 0x8e, 0xd8), CODE16,
      FAULT(GP, 3), .error_code = SEL_LDT(LDT_CODE16_EXECUTE) & ~3 },
    { "offset and base wrap at 4 GiB", CODE(0x67, 0x66, 0xc7, 0x05, LE32(0xf0000800), LE32(7), 0x66, 0x67, 0xa1,
      LE32(0xf0000800)), CODE16, .ds = SEL_LDT(LDT_DATA_AROUND), OUT({ EAX, 7 }) },

    /* ---- x87 ---- */
    { "1 + 1", CODE(0xd9, 0xe8, 0xd9, 0xe8, 0xde, 0xc1, 0xdb, 0x1b, 0x8b, 0x03), OUT({ EAX, 2 }) },
    { "fldpi as single", CODE(0xd9, 0xeb, 0xd9, 0x1b, 0x8b, 0x03), OUT({ EAX, 0x40490fdb }) },
    { "1 / 0 masked", CODE(0xd9, 0xe8, 0xd9, 0xee, 0xde, 0xf9, 0xd9, 0x1b, 0x8b, 0x03), OUT({ EAX,
      0x7f800000 }) },
    { "fistp too large: indefinite", CODE(0xd9, 0xe8, 0xd9, 0xee, 0xde, 0xf9, 0xdb, 0x1b, 0x8b, 0x03),
      OUT({ EAX, 0x80000000 }) },
    { "fcomi sets flags", CODE(0xd9, 0xe8, 0xd9, 0xee, 0xdb, 0xf1), FLAGS(FL_CF | FL_ZF | FL_PF, FL_CF) },
    { "fnstsw ax after underflow of the stack", CODE(0xd9, 0xe1, 0xdf, 0xe0), OUT({ EAX, 0x11110041 }) },
    { "fbstp", CODE(0x6a, 123, 0xdb, 0x04, 0x24, 0xdf, 0x33, 0x8b, 0x03), OUT({ EAX, 0x0123 }) },
    { "unmasked zero divide waits for the next", CODE(0x68, 0x7b, 0x03, 0, 0, 0xd9, 0x2c, 0x24, 0xd9,
      0xe8, 0xd9, 0xee, 0xde, 0xf9,
      0x40, 0x9b), IN({ EAX, 0 }), OUT({ EAX, 1 }), FAULT(MF, 15) },

    /* ---- MMX, SSE ---- */
    { "paddb", CODE(0x0f, 0x6e, 0xc0, 0x0f, 0x6e, 0xc9, 0x0f, 0xfc, 0xc1, 0x0f, 0x7e, 0xc2), IN({ EAX,
      0xff7f01ff }, { ECX, 0x01010102 }),
      OUT({ EDX, 0x00800201 }) },
    { "pmovmskb", CODE(0x0f, 0x6e, 0xc0, 0x0f, 0xd7, 0xc8), IN({ EAX, 0x80007f80 }), OUT({ ECX, 0x09 }) },
    { "cvtsi2ss", CODE(0xf3, 0x0f, 0x2a, 0xc0, 0x66, 0x0f, 0x7e, 0xc1), IN({ EAX, 3 }), OUT({ ECX,
      0x40400000 }) },
    { "cvttsd2si truncates", CODE(0xc7, 0x03, 0, 0, 0, 0, 0xc7, 0x43, 0x04, 0, 0, 0x04, 0xc0, 0xf2, 0x0f,
      0x2c, 0x03), OUT({ EAX, 0xfffffffe }) },
    { "movaps misaligned", CODE(0x0f, 0x28, 0x43, 0x04), FAULT(GP, 0) },
    { "movups misaligned", CODE(0x0f, 0x10, 0x43, 0x04) },
    { "ldmxcsr with reserved bits", CODE(0xc7, 0x03, 0, 0, 0, 0x80, 0x0f, 0xae, 0x13), FAULT(GP, 6) },
    { "unmasked SIMD zero divide", CODE(0xc7, 0x03, 0x80, 0x1d, 0, 0, 0x0f, 0xae, 0x13, 0xb8, 1, 0, 0, 0,
      0xf3, 0x0f, 0x2a, 0xc0, 0x0f, 0x57, 0xc9,
      0xf3, 0x0f, 0x5e, 0xc1), FAULT(XM, 21) },
    { "comiss unordered", CODE(0xb8, 0, 0, 0xc0, 0x7f, 0x66, 0x0f, 0x6e, 0xc0, 0x0f, 0x2f, 0xc0),
      FLAGS(FL_STATUS, FL_ZF | FL_PF | FL_CF) },
};

/* clang-format on */

unsigned directed_count(void)
{
    return ARRAY_SIZE(rows);
}

const char *directed_name(unsigned n)
{
    return rows[n].name;
}

bool directed_needs_ldt(unsigned n)
{
    return rows[n].cs || rows[n].ss || rows[n].ds;
}

static void default_fpu(uint8_t *fx)
{
    static const uint8_t fcw[] = { 0x7f, 0x03 }, mxcsr[] = { 0x80, 0x1f };

    memcpy(fx + FX_FCW, fcw, sizeof fcw);
    memcpy(fx + FX_MXCSR, mxcsr, sizeof mxcsr);
}

void directed_case(unsigned n, struct test_case *c)
{
    const struct row *r = &rows[n];

    memset(c, 0, sizeof *c);
    c->seed = n;
    c->group = GROUP_DIRECTED;
    c->pae = true; /* error codes show instruction fetches */
    c->regs = default_regs;
    memcpy(c->sreg, flat_sregs, sizeof c->sreg);
    if (r->cs)
        c->sreg[1] = c->regs.cs = r->cs;
    if (r->ss)
        c->sreg[2] = r->ss;
    if (r->ds)
        c->sreg[3] = r->ds;
    for (unsigned i = 0; i < r->in_count; i++)
        c->regs.gpr[r->in[i].reg] = r->in[i].value;
    c->regs.eflags |= r->flags_in;
    c->code_la = r->code_la ? r->code_la : DEFAULT_CODE;
    c->regs.eip = c->code_la - selector_base(c->regs.cs);
    memcpy(c->code, r->code, r->code_len);
    c->code_len = r->code_len;
    c->piece_count = 1;
    c->piece[1] = c->code_len;
    if (!r->no_int3)
        c->code[c->code_len++] = 0xcc;
    default_fpu(c->fxsave);
}

static unsigned expected_vector(const struct row *r)
{
    return r->vector || r->divide_error ? r->vector : BP;
}

static bool check_value(const char *name, const char *what, uint32_t got, uint32_t want, FILE *out)
{
    if (got != want)
        fprintf(out, "directed case \"%s\": %s is %08" PRIx32 ", expected %08" PRIx32 "\n", name, what, got,
                want);
    return got == want;
}

bool directed_check(unsigned n, const struct test_case *c, const struct outcome *o, FILE *out)
{
    static const char *const gpr[8] = { "EAX", "ECX", "EDX", "EBX", "ESP", "EBP", "ESI", "EDI" };
    const struct row *r = &rows[n];
    bool ok = check_value(r->name, "kind of end", o->kind, OUTCOME_EXCEPTION, out) &&
              check_value(r->name, "vector", o->vector, expected_vector(r), out);

    if (r->error_code || o->vector == GP || o->vector == PF || o->vector == SS)
        ok &= check_value(r->name, "error code", o->error_code, r->error_code, out);
    ok &= check_value(r->name, "CR2", o->cr2, r->cr2, out);
    for (unsigned i = 0; i < r->out_count; i++)
        ok &= check_value(r->name, gpr[r->out[i].reg], o->regs.gpr[r->out[i].reg], r->out[i].value, out);
    ok &= check_value(r->name, "EFLAGS (known)", o->regs.eflags & r->flags_known, r->flags, out);
    if (r->vector == 0 && !r->divide_error)
        ok &= check_value(r->name, "EIP", o->regs.eip, c->regs.eip + c->code_len, out);
    else if (!r->trap)
        ok &= check_value(r->name, "EIP", o->regs.eip, c->regs.eip + r->fault_at, out);
    return ok;
}
