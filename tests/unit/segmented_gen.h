/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Random programs for segments: a memory image with code in several code segments, made from a seed, for real
 * mode, for 16-bit and for 32-bit segments of protected mode that are not flat, for virtual-8086 mode and for
 * 16-bit segments at CPL 3. Control goes forward from
 * block to block, some rounds of all of them, so every program ends: with an OUT to SEGMENTED_PORT. A fault
 * is logged in memory with all registers, and the next block goes on.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../oracle/rng.h"

enum {
    SEGMENTED_RAM = 0x140000,
    SEGMENTED_PORT = 0x80, /* the end */
    SEGMENTED_GDT = 0x2000,
    SEGMENTED_IDT = 0x1000,
    SEGMENTED_STACK = 0xf000,
    SEGMENTED_DIRECTORY = 0x12000,
};

enum segmented_mode {
    SEGMENTED_REAL,
    SEGMENTED_CODE16,
    SEGMENTED_CODE32,
    SEGMENTED_V86,    /* with paging, as the next one */
    SEGMENTED_USER16, /* 16-bit code at CPL 3 */
    SEGMENTED_MODES
};

/* What CS, SS and the other segment registers are at first; GDT entries beside it. */
struct segmented_segment {
    uint16_t selector;
    uint32_t base, limit;
    uint16_t attr;
};

struct segmented_program {
    enum segmented_mode mode;
    struct segmented_segment cs, ss, data;
    uint32_t gdt_size;
    uint32_t eip, esp;
    bool paging;
};

/* The mode follows from the seed. */
struct segmented_program segmented_make(uint8_t image[SEGMENTED_RAM], uint64_t seed);
