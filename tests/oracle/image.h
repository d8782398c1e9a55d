/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the memory pages hold before a case: one of a few images made once, since filling 20 KiB anew
 * for every case would cost more than running it.
 */
#pragma once

#include <stdint.h>

#include "oracle.h"
#include "rng.h"

enum { IMAGE_COUNT = 16 };

/*
 * Places the generator can rely on. They are overwritten only by the case itself.
 * FXRSTOR and LDMXCSR raise #GP on reserved MXCSR bits, and hosts differ in which are reserved.
 */
enum {
    SLOT_FXSAVE = 0x000, /* a valid FXSAVE image */
    SLOT_MXCSR = 0x200,  /* SLOT_MXCSR_COUNT values for LDMXCSR */
    SLOT_MXCSR_COUNT = 32,
    SLOT_FCW = 0x280, /* 32 control words for FLDCW, every other one with exceptions unmasked */
    SLOTS_END = 0x2c0,
};

void image_init(void);

/* MEM_SIZE bytes: the pages of image `n` in the order of mem_page_la(). */
const uint8_t *image(unsigned n);

/* Values at which arithmetic changes its mind. */
uint32_t special_u32(struct rng *r);
uint32_t special_float(struct rng *r);
uint64_t special_double(struct rng *r);
/* An 80-bit real into ten bytes: all classes of SDM 1, "Unsupported Double Extended-Precision ..." too. */
void special_extended(struct rng *r, uint8_t *to);
/* A control word whose exceptions are mostly masked; an MXCSR without reserved bits. */
uint16_t special_fcw(struct rng *r);
uint32_t special_mxcsr(struct rng *r);
/* A valid FXSAVE image of x87 or MMX and SSE registers. */
void special_fxsave(struct rng *r, uint8_t *to);
