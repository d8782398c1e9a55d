/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The executor alone, with memory and no run loop: it executes a few bytes of guest code and says where the
 * host's stack pointer was at the end. Wherever code goes on, it meets a run of LOCK prefixes, an instruction
 * too long, whose handler raises #GP; and raising unwinds, through a function of the rig's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "executor.h"

/* What the processor is in when it executes. */
struct rig_mode {
    const char *name;
    bool protected, code16, user;
    bool unmasked; /* floating-point exceptions: SIMD arithmetic takes a way of its own then */
    uint32_t base; /* of all segments: the flat forms of handlers are for 0 */
    uint32_t data; /* where memory operands are */
};

enum {
    RIG_CODE = 0x2000,
    RIG_DATA = 0x4000,
    RIG_DATA_ACROSS = 0x4fff, /* across two pages: never in the TLB */
    RIG_DATA_DEVICE = 0xa0000,
    RIG_STACK = 0x8000,
    RIG_RAM = 0xa0000,
    /* As a doubleword: a pointer to code, with a selector of code in its low half; half of it as well. */
    RIG_WORDS = 0x00080008,
};

/* Beside the mode, what an instruction may want to find in registers and memory to come to its end. */
struct rig_values {
    uint32_t registers; /* EAX, EBX and EBP; the others point where their uses need them */
    uint32_t edx;
    uint32_t memory; /* each doubleword of the operand */
};

enum rig_end {
    RIG_STRAIGHT, /* came to the LOCK prefixes by jumps alone: `stack` says what is on the stack then */
    RIG_RETURNED, /* went back to the caller, as handlers may */
    RIG_STOPPED,  /* fault, exit or whatever else */
};

struct rig_outcome {
    enum rig_end end;
    size_t stack;    /* bytes */
    uop_fn *handler; /* of the first instruction */
};

/* False: the host lacks something of what the processor model `max` has at best, and so does the guest's. */
bool rig_open(void);
/* Forget blocks, TLBs and what was written; then the code is there for any number of runs. */
void rig_load(const struct rig_mode *mode, const struct rig_values *values, const uint8_t *code, size_t size);
struct rig_outcome rig_run(void);
/* What is cached of the code at this place is forgotten, as if it had been written. */
void rig_write(uint32_t at);
