/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Between the two files of the seg16 group.
 */
#pragma once

#include "gen.h"
#include "segments.h"

enum { SREG_ES, SREG_CS, SREG_SS, SREG_DS, SREG_FS, SREG_GS };

enum { SEG16_CODE_COUNT = 10, SEG16_STACK_COUNT = 11, SEG16_DATA_COUNT = 15 };

/* Selectors to choose from; the common ones are there more than once. */
extern const uint16_t seg16_code[SEG16_CODE_COUNT];
extern const uint16_t seg16_stack[SEG16_STACK_COUNT];
extern const uint16_t seg16_data[SEG16_DATA_COUNT];

#define PICK(g, list) ((list)[rng_below(&(g)->rng, ARRAY_SIZE(list))])

/* ---- gen_seg16.c ---- */

/* One of all these, or one that cannot be loaded. */
uint16_t seg16_any(struct gen *g);
/* Prefix 66 or 67 if the code written now needs it; and a choice, mostly of what needs none. */
void seg16_operand(struct gen *g, bool o16);
void seg16_address(struct gen *g, bool a16);
bool seg16_default(struct gen *g);
/* An immediate of operand size; PUSH of one. */
void seg16_imm(struct gen *g, bool o16, uint32_t value);
void seg16_push(struct gen *g, bool o16, uint32_t value);
uint32_t seg16_stack_pointer(struct gen *g);
/* Where the next byte will stand, as an offset in the code segment. */
uint32_t seg16_here(const struct gen *g);

/* ---- gen_seg16_far.c: one piece each ---- */

void seg16_excursion(struct gen *g);
void seg16_bad_far_transfer(struct gen *g);
void seg16_load_segment(struct gen *g);
void seg16_far_pointer(struct gen *g);
void seg16_query_selector(struct gen *g);
