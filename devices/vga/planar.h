/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What lies between the processor and the four planes of a VGA's memory: sequencer and graphics controller,
 * with the latches. All that it knows is in struct planar, so that it can be lent to whoever runs the
 * processor. Needs no libc.
 *
 * The byte of plane p at address a is byte 4 * a + p of memory. Where the processor sees the planes in turn,
 * by twos (odd/even) or fours (chain 4), a is its address divided by that. (Hardware leaves gaps in the
 * planes instead and closes them on the way to the screen: seen through one addressing, it is the same.)
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Registers by their indices. */
enum {
    SEQ_RESET = 0,
    SEQ_CLOCKING = 1,
    SEQ_MAP_MASK = 2,
    SEQ_CHARACTER_MAP = 3,
    SEQ_MEMORY_MODE = 4,
    SEQ_REGISTERS = 5,
    SEQ_SEQUENTIAL = 1 << 2, /* memory mode: not odd/even */
    SEQ_CHAIN_4 = 1 << 3,

    GC_SET_RESET = 0,
    GC_ENABLE_SET_RESET = 1,
    GC_COLOR_COMPARE = 2,
    GC_DATA_ROTATE = 3, /* count in bits 0-2, function in 3-4 */
    GC_READ_MAP = 4,
    GC_MODE = 5,
    GC_MISCELLANEOUS = 6,
    GC_DONT_CARE = 7,
    GC_BIT_MASK = 8,
    GC_REGISTERS = 9,
    GC_WRITE_MODE = 0x03, /* of mode */
    GC_READ_MODE = 1 << 3,
    GC_ODD_EVEN = 1 << 4,
    GC_SHIFT = 1 << 5,
    GC_256 = 1 << 6,
    GC_GRAPHICS = 1 << 0, /* of miscellaneous */
    GC_CHAIN = 1 << 1,
    GC_MEMORY_MAP = 0x0c,
};

struct planar {
    uint8_t seq[SEQ_REGISTERS];
    uint8_t gc[GC_REGISTERS];
    uint8_t enabled; /* 1: memory answers (miscellaneous output register) */
    uint8_t unused;
    uint32_t latch; /* plane 0 is the low byte */
    uint32_t bank;  /* added to addresses in planes */
    uint32_t mask;  /* of addresses in planes; below the size of memory / 4 */
};

/* Which part of A0000h-BFFFFh is decoded, as offsets from A0000h. */
struct planar_range {
    uint32_t base, size;
};
struct planar_range planar_range(const struct planar *p);

/* A write: the planes' bytes at address `at`. */
struct planar_store {
    uint32_t at, planes;
};

/* The processor reads or writes a byte at A0000h + offset, offset below 20000h. False: nothing is written. */
uint8_t planar_read(struct planar *p, const uint8_t *memory, uint32_t offset);
bool planar_write(const struct planar *p, const uint8_t *memory, uint32_t offset, uint8_t value,
                  struct planar_store *store);
