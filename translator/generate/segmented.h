/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Segmented code: what its forms share. The rules are those of gen.h, with R9D the offset of a memory operand
 * in its segment, R10 the segment's place in the window or what stands for it, R11 whatever the check of the
 * limit read, and R8 free for values.
 */
#pragma once

#include "gen.h"

/* ---- segmented.c --------------------------------------------------------------------------------- */

/* The form of an operation in segmented code; NULL: that of flat code, if any. */
gen_form *segmented_form(unsigned op);

/* ---- segment_memory.c ---------------------------------------------------------------------------- */

static inline bool segmented_stack32(const struct gen *g)
{
    return g->request->segmented->stack32;
}

/* Is every access by the segment that it allows made by segment_access()? */
static inline bool segment_is_known(const struct gen *g, unsigned sreg)
{
    return g->request->segmented->segment[sreg] != GEN_SEGMENT_CLOSED;
}

/*
 * R9D is an offset in a segment: have an access of `size` bytes fault if the segment does not allow it, and
 * say where in the window it is. `narrow`: the offset is at most FFFFh. False: not known here.
 */
bool segment_access(struct gen *g, unsigned sreg, unsigned size, bool write, bool narrow,
                    struct host_memory *memory);
/* R9D = offset of the instruction's memory operand. */
void segmented_offset(struct gen *g);
/* Both, for `size` bytes of the memory operand. */
bool segmented_operand(struct gen *g, unsigned size, bool write, struct host_memory *memory);
/* As the instruction accesses it: gen_memory(). */
bool segmented_memory(struct gen *g, struct host_memory *memory);
/* Write an instruction with a memory operand that cannot name its register, AH to BH, beside it. */
bool segmented_high_byte(struct gen *g, struct host_op *op);

/* ---- segment_stack.c ----------------------------------------------------------------------------- */

/* [SS:(E)SP + by], and R9D is that offset. */
bool segmented_stack(struct gen *g, uint32_t by, unsigned size, bool write, struct host_memory *memory);
/* (E)SP = R9D */
void segmented_take_stack(struct gen *g);
/* (E)SP += by */
void segmented_move_stack(struct gen *g, uint32_t by);

gen_form segmented_push, segmented_pop, segmented_leave, segmented_pusha, segmented_popa;

/* ---- segment_flow.c, segment_far.c --------------------------------------------------------------- */

gen_form segmented_jmp, segmented_jcc, segmented_loop, segmented_jcxz;
gen_form segmented_jmp_far, segmented_call_far, segmented_ret_far, segmented_int, segmented_iret;
gen_form segmented_jmp_indirect, segmented_call, segmented_call_indirect, segmented_ret;

/* ---- segment_system.c ---------------------------------------------------------------------------- */

gen_form segmented_push_sreg, segmented_pop_sreg, segmented_mov_from_sreg, segmented_mov_to_sreg;
gen_form segmented_far_pointer, segmented_pushf, segmented_popf;

/* ---- segment_string.c ---------------------------------------------------------------------------- */

gen_form segmented_string, segmented_xlat;
