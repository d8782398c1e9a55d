/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The generator's parts. A case is a row of pieces, each an instruction or a few that belong together;
 * the minimiser later drops whole pieces, so a piece never jumps into the middle of another.
 */
#pragma once

#include "forms.h"
#include "oracle.h"
#include "rng.h"

enum { FIXUPS_MAX = 32 };

/* A branch displacement or address to be filled in when the pieces' places are known. */
struct fixup {
    uint16_t at;    /* offset of the field in code[] */
    uint8_t size;   /* bytes: 1, 2, 4 */
    uint8_t target; /* piece; beyond the last: the INT3 at the end */
    bool absolute;  /* a linear address, not relative to the end of the field */
};

struct gen {
    struct test_case *c;
    struct rng rng;
    uint32_t value[8]; /* what a register holds, if known */
    uint8_t known;     /* a bit for each register */
    uint8_t fixup_count;
    struct fixup fixup[FIXUPS_MAX];
    bool whole; /* no piece may be cut off by the end of the code pages */
};

/* ---- gen.c: bytes, operands, forms --------------------------------------------------------------- */

/* Begin the next piece. */
void gen_piece(struct gen *g);
void gen_u8(struct gen *g, uint8_t value);
void gen_u16(struct gen *g, uint16_t value);
void gen_u32(struct gen *g, uint32_t value);
/* A row of bytes; returns nothing and cannot overflow (the case is cut off at CODE_MAX). */
void gen_bytes(struct gen *g, const uint8_t *bytes, unsigned count);

/* An address a memory operand of `size` bytes should hit: mostly mapped, sometimes on an edge or not. */
uint32_t gen_target(struct gen *g, unsigned size, bool aligned);

/* How an instruction addresses memory; chosen before its prefixes are written. */
struct gen_address {
    bool a16;    /* prefix 67 */
    int segment; /* override prefix byte, or 0 */
    uint32_t target;
};

struct gen_address gen_address(struct gen *g, unsigned size, bool aligned);
/* ModRM (and SIB, displacement) of a memory operand that hits a->target. */
void gen_modrm_mem(struct gen *g, unsigned reg, const struct gen_address *a);
/* ModRM with a plain 32-bit displacement: always the same bytes, whatever the registers hold. */
void gen_modrm_abs(struct gen *g, unsigned reg, uint32_t target);
void gen_modrm_reg(struct gen *g, unsigned reg, unsigned rm);

/* mov reg, value; the register is known from here on. */
void gen_mov_imm(struct gen *g, unsigned reg, uint32_t value);
/* The registers of mask `regs` now hold something else. */
void gen_forget(struct gen *g, uint8_t regs);
/* A general register as destination (sparing those that address memory, mostly) or as source. */
unsigned gen_reg(struct gen *g, bool written);

void gen_form(struct gen *g, const struct form *f);
void gen_random_form(struct gen *g, struct form_set set);
/* Reserve `size` bytes for the distance to (or address of) a piece after this one. */
void gen_forward(struct gen *g, unsigned size, bool absolute);

/* ---- gen_flow.c, gen_string.c, gen_stack.c, gen_x87.c, gen_fault.c: one piece each ------------------- */

void gen_branch_piece(struct gen *g);
void gen_string_piece(struct gen *g);
void gen_stack_piece(struct gen *g);
void gen_segment_piece(struct gen *g); /* selectors that mean the same on both sides */
void gen_x87_piece(struct gen *g);
void gen_fxsave_piece(struct gen *g); /* FXSAVE, FXRSTOR, LDMXCSR, STMXCSR, fences */
void gen_fault_piece(struct gen *g);
