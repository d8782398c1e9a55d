/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Running 32-bit code natively in a test, and inventing code worth promoting. For test_scan_native.c.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
    NATIVE_DATA_SIZE = 4096, /* where memory operands and the stack are */
    NATIVE_SCRATCH = 0x3efff000,
    NATIVE_DATA = 0x20000000,
    NATIVE_WINDOW = 0x3f000000, /* 16 MiB for snippets */
    NATIVE_STACK = NATIVE_DATA + 3072,
    FPU_IMAGE_SIZE = 416, /* FXSAVE's, without what software may use */
};

/* What code changes. Registers in the order of their numbers. */
struct native_state {
    uint32_t reg[8], eip, flags;
    uint8_t fpu[FPU_IMAGE_SIZE];
    uint8_t data[NATIVE_DATA_SIZE];
};

struct native_stop {
    struct native_state state;
    unsigned vector; /* exception; 1: a single step */
};

/* ---- test_scan_native_run.c ---------------------------------------------------------------------- */

/* Map what is needed, once in a process. Code pages: native_code_page(). */
void native_open(void);
uint32_t native_code_page(unsigned choice);

/* Clear what a promotion may change: where the last x87 instruction was, and C1. */
void native_normalise_fpu(uint8_t image[FPU_IMAGE_SIZE]);

/* Run from `from` until something traps, `*stop` says how; with `step` after one instruction. */
void native_run(const struct native_state *from, bool step, struct native_stop *stop);

/* ---- test_scan_native_gen.c ---------------------------------------------------------------------- */

struct native_case {
    uint8_t page[4096];   /* INT3 but for the code */
    unsigned start, site; /* offsets: where to begin; the instruction that may hide something */
    struct native_state state;
};

void native_generate(struct native_case *c, uint64_t seed, uint32_t address);
uint64_t native_random(uint64_t *state);
