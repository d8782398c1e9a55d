/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Host code for snippets. A function for each form, named by mnemonic and operands; each notes, as a step,
 * what guest state the processor shows before it. Code is made apart from its place, since a place is tried
 * after its bytes are known: jumps are filled in by emit_place().
 */
#pragma once

#include "translator/decode.h"
#include "translator/scan.h"

enum x86_gpr { EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI };

enum {
    EMIT_BYTES_MAX = 224,
    EMIT_STEPS_MAX = 64,
    EMIT_JUMPS_MAX = 16,
    SCRATCH_TEMP = 0,    /* dword of the scratch area: the temporary register's guest value */
    SCRATCH_TARGET = 1,  /* where an indirect branch goes */
    SCRATCH_VECTOR = 16, /* byte offset: an operand of 16 bytes */
};

/* How the guest's registers follow from the processor's: a step's `how`, with its two registers and sum. */
enum step_how {
    STEP_SAME,
    STEP_SWAPPED, /* a and b hold each other's value */
    STEP_ADD,     /* a is the processor's plus `add` */
    STEP_ADD_TWO, /* a and b both are */
    STEP_SAVED,   /* a is in SCRATCH_TEMP */
    STEP_RESULT,  /* a is the processor's b, and b is in SCRATCH_TEMP */
    STEP_TURNED,  /* the x87 stack is turned by `add`, and is to be popped if a is set */
};

/* How the guest's XMM registers do: a step's `vector`, with one or two registers (a << 3 | b) in it. */
enum step_vector {
    VECTOR_SAME,
    VECTOR_SWAPPED = 0x40, /* a and b hold each other's value */
    VECTOR_SAVED = 0x80,   /* a is in SCRATCH_VECTOR */
};

struct emit_state {
    uint8_t how, a, b;
    uint32_t eip, add;
};

/* A rel32 to be filled in. */
struct emit_jump {
    uint8_t at;
    bool absolute; /* a 32-bit address instead, of the byte `target` of this code */
    bool inside;   /* to the byte `target` of this code; else to the linear address `target` */
    uint32_t target;
};

struct emit {
    uint8_t bytes[EMIT_BYTES_MAX];
    unsigned size, step_count, jump_count;
    bool overflow; /* sticky: something found no room, or cannot be encoded */
    uint32_t scratch;
    uint32_t data_base;    /* struct scan_page */
    bool turns_fpu;        /* may turn the x87 stack */
    struct emit_state now; /* what the next instruction's step says */
    uint8_t vector;        /* ... and of XMM registers, until it is changed */
    unsigned start;        /* where a loop begins anew */
    struct scan_step steps[EMIT_STEPS_MAX];
    struct emit_jump jumps[EMIT_JUMPS_MAX];
};

/* A memory operand: segment as an enum x86_sreg, always said when it is not the default of the base. */
struct emit_memory {
    uint8_t seg, base, index, scale;
    uint32_t disp;
    bool wide; /* a displacement of four bytes even where one would do */
};

/* ---- emit_shape.c: instructions taken apart ------------------------------------------------------ */

/* The fields of an instruction of 32-bit code with 32-bit addresses, to be changed and written again. */
struct shape {
    uint8_t prefix[X86_INSN_MAX], prefix_count; /* without segment overrides */
    uint8_t opcode[3], opcode_count;
    uint8_t imm[6], imm_count;
    bool has_modrm, is_memory;
    uint8_t reg, rm; /* ModRM.reg; ModRM.rm of a register form */
    struct emit_memory memory;
};

/* False: it cannot be written again from its fields (16-bit addresses, memory without ModRM). */
bool shape_read(struct shape *shape, const struct insn *insn, const uint8_t *bytes);
/* The same with 16-bit addresses, of which `memory` is what struct insn has. */
bool shape_read_any(struct shape *shape, const struct insn *insn, const uint8_t *bytes);
void emit_shape(struct emit *e, const struct shape *shape);

struct emit_memory shape_memory(const struct insn *insn);

/* ---- emit.c -------------------------------------------------------------------------------------- */

/* Raw bytes: one instruction, or what emit_shape() makes of one. */
void emit_begin(struct emit *e);
void emit_u8(struct emit *e, uint8_t value);
void emit_u32(struct emit *e, uint32_t value);
void emit_bytes(struct emit *e, const uint8_t *bytes, unsigned count);

/* State before the next instructions: the guest instruction at `eip` is not done. */
void emit_guest(struct emit *e, uint32_t eip);
void emit_guest_swapped(struct emit *e, uint32_t eip, unsigned a, unsigned b);
void emit_guest_add(struct emit *e, uint32_t eip, unsigned reg, uint32_t add);
void emit_guest_add_two(struct emit *e, uint32_t eip, unsigned a, unsigned b, uint32_t add);
void emit_guest_saved(struct emit *e, uint32_t eip, unsigned reg);
void emit_guest_result(struct emit *e, uint32_t eip, unsigned reg, unsigned in);
void emit_guest_turned(struct emit *e, uint32_t eip, int by, bool pop);

void emit_nop(struct emit *e);
void emit_xchg_r32_r32(struct emit *e, unsigned a, unsigned b);
void emit_lea_r32_m(struct emit *e, unsigned reg, const struct emit_memory *memory);
void emit_mov_r32_imm32(struct emit *e, unsigned reg, uint32_t value);
void emit_mov_r32_m32(struct emit *e, unsigned reg, const struct emit_memory *memory);
void emit_imul_r32_rm32(struct emit *e, unsigned reg, const struct shape *rm);
void emit_push_imm32(struct emit *e, uint32_t value);
void emit_push_r32(struct emit *e, unsigned reg);
void emit_jmp_r32(struct emit *e, unsigned reg);
void emit_jmp(struct emit *e, uint32_t target);
void emit_jcc(struct emit *e, unsigned cond, uint32_t target);
/* LOOP, LOOPcc, JCXZ by opcode, over two jumps: to `target` where it is taken, else on. */
void emit_counted(struct emit *e, uint8_t opcode, uint32_t target, uint32_t next);

void emit_movaps(struct emit *e, unsigned to, unsigned from);

void emit_turn(struct emit *e, bool up); /* FINCSTP, or FDECSTP */
void emit_fxch(struct emit *e, unsigned st);
void emit_fmul_st0_sti(struct emit *e, unsigned st);
void emit_fmul_sti_st0(struct emit *e, unsigned st);
void emit_ffree_st0(struct emit *e);

/* The scratch area: ES:[scratch + offset]. */
void emit_mov_scratch_r32(struct emit *e, unsigned offset, unsigned reg);
void emit_mov_r32_scratch(struct emit *e, unsigned reg, unsigned offset);
void emit_movups_xmm_scratch(struct emit *e, unsigned xmm, unsigned offset);
void emit_movups_scratch_xmm(struct emit *e, unsigned offset, unsigned xmm);
void emit_jmp_scratch(struct emit *e, unsigned offset);
struct emit_memory emit_scratch(const struct emit *e, unsigned offset);

enum { EMIT_DOOR_SIZE = 18 };
/* Leave 32-bit code: struct scan_page, `doors`. */
void emit_door(struct emit *e);

/* Jumps to the linear address `target`, for which this code stands from its byte `at` on, go there. */
void emit_inside(struct emit *e, uint32_t target, unsigned at);
/* Fill in the jumps for code that begins at this linear address. */
void emit_place(struct emit *e, uint32_t address);
