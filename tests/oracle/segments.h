/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The local descriptor table both sides have: 16-bit code and stacks, bases, limits, expand-down, read-only
 * and absent segments. The host gets it through modify_ldt(2), which is why every descriptor has DPL 3 and is
 * marked accessed.
 */
#pragma once

#include "oracle.h"

enum {
    LDT_CODE16 = 1,
    LDT_CODE16_SHORT,
    LDT_CODE16_HIGH,
    LDT_CODE16_EXECUTE,
    LDT_CODE32_SHORT,
    LDT_STACK16,
    LDT_STACK16_WRAP,
    LDT_STACK16_DOWN,
    LDT_STACK32_SHORT,
    LDT_DATA_SHORT,
    LDT_DATA_READ,
    LDT_DATA_PAGES,
    LDT_DATA_DOWN16,
    LDT_DATA_DOWN32,
    LDT_DATA_DOWN_PAGES,
    LDT_DATA_AROUND,
    LDT_DATA_ABSENT,
    LDT_CODE_ABSENT,
    LDT_CONFORMING_ABSENT,
    LDT_COUNT, /* entry 0 stays empty */
};

#define SEL_LDT(n) ((uint16_t)((n) << 3 | 7))

enum ldt_contents { LDT_DATA, LDT_DOWN, LDT_CODE, LDT_CONFORMING }; /* as struct user_desc numbers them */

struct ldt_entry {
    uint32_t base, limit; /* limit: of the descriptor, 20 bits, in bytes or pages */
    uint8_t contents;     /* enum ldt_contents */
    bool big;             /* D/B */
    bool pages;           /* G */
    bool read_only;       /* of code: execute only */
    bool absent;
    uint32_t aim, aim_size; /* offsets that reach mapped memory within the limit */
};

extern const struct ldt_entry ldt[LDT_COUNT];

/* The descriptor as the processor reads it: SDM 3A, "Segment Descriptors". */
uint64_t ldt_descriptor(unsigned n);

/* Entry behind a selector, or NULL: it is not one of the LDT's. */
const struct ldt_entry *ldt_by_selector(uint16_t selector);
/* Of the LDT's and of the two flat segments: base (FS and GS apart), and whether D/B is set. */
uint32_t selector_base(uint16_t selector);
bool selector_big(uint16_t selector);
