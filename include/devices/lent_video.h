/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What of a display adapter programs talk to all the time: the logic between the processor and the four
 * planes of its memory (sequencer, graphics controller, latches), and the beam. Plain data, which the board
 * can lend to whoever runs the processor; all else of the adapter stays where it is. No libc; used by
 * devices/vga/ and by the executor.
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
    uint8_t seq_index, gc_index;
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

/* Which accesses are plain: what is written arrives, and what is there is read. */
enum planar_view {
    PLANAR_LOGIC,    /* none */
    PLANAR_CHAIN_4,  /* all, of memory as it is */
    PLANAR_ODD_EVEN, /* all, of planes 0 and 1 in turn */
};

enum planar_view planar_view(const struct planar *p);

/* The bits that registers have. */
extern const uint8_t planar_seq_mask[SEQ_REGISTERS], planar_gc_mask[GC_REGISTERS];

/* ---- The beam -------------------------------------------------------------------------------------------
 */

/* Times of a line and of the part of it that is shown; lines of a picture, and which are what. */
struct beam {
    uint64_t line_ps, shown_ps; /* picoseconds; line_ps is at least 1000 */
    uint32_t lines, shown_lines;
    uint32_t retrace, retrace_end; /* the first line of the vertical retrace, and the one after it */
};

/* Input status register 1 at a machine time. */
uint8_t beam_status(const struct beam *beam, uint64_t now);

/* ---- Lent -----------------------------------------------------------------------------------------------
 */

struct lent_video {
    struct planar planar;
    struct beam beam;
    uint16_t status_port; /* 3BAh or 3DAh */
    uint8_t attr_data;    /* the attribute controller takes the next write for data; 0: for an index */
};

/*
 * A byte access to a port. False: it is one for the adapter itself, and nothing was done. That is so, too,
 * for whatever would make accesses to memory plain, or change the picture.
 */
bool lent_video_in(struct lent_video *lent, uint16_t port, uint64_t now, uint8_t *value);
bool lent_video_out(struct lent_video *lent, uint16_t port, uint8_t value);
