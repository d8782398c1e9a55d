/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The rows of the local descriptor table. Limits end in the middle of a page, at its end and beyond it, so
 * that limit checks and page faults compete.
 */
#include "segments.h"

#define HIGH_HALF 0x10000u /* a segment that ends at offset FFFF */

const struct ldt_entry ldt[LDT_COUNT] = {
    [LDT_CODE16] = { CODE_LA, 0x1fff, LDT_CODE, .aim_size = 0x2000 },
    [LDT_CODE16_SHORT] = { CODE_LA, 0xa7f, LDT_CODE, .aim_size = 0xa80 },
    /* IP wraps at the end of the first page. */
    [LDT_CODE16_HIGH] = { CODE_LA + PAGE - HIGH_HALF, 0xffff, LDT_CODE, .aim = 0xf000, .aim_size = 0x1000 },
    [LDT_CODE16_EXECUTE] = { CODE_LA, 0x1fff, LDT_CODE, .read_only = true, .aim_size = 0x2000 },
    [LDT_CODE32_SHORT] = { CODE_LA - 0x12340, 0x12340 + 0x17ff, LDT_CODE, .big = true, .aim = 0x12340,
                           .aim_size = 0x1800 },
    [LDT_STACK16] = { STACK_LA, 0x1fff, LDT_DATA, .aim_size = 0x2000 },
    /* SP wraps from the first of the wrap pages to the last. */
    [LDT_STACK16_WRAP] = { WRAP_LA, 0xffff, LDT_DATA, .aim_size = 0x1000 },
    [LDT_STACK16_DOWN] = { STACK_END - HIGH_HALF, 0xe3ff, LDT_DOWN, .aim = 0xe400, .aim_size = 0x1c00 },
    [LDT_STACK32_SHORT] = { STACK_LA - 0x80000, 0x80000 + 0x17ff, LDT_DATA, .big = true, .aim = 0x80000,
                            .aim_size = 0x1800 },
    [LDT_DATA_SHORT] = { DATA_LA, 0x17ff, LDT_DATA, .big = true, .aim_size = 0x1800 },
    [LDT_DATA_READ] = { DATA_LA, 0x2fff, LDT_DATA, .read_only = true, .aim_size = 0x3000 },
    [LDT_DATA_PAGES] = { DATA_LA + 0x10, 1, LDT_DATA, .big = true, .pages = true, .aim_size = 0x1ff0 },
    [LDT_DATA_DOWN16] = { DATA_RO_LA - HIGH_HALF, 0xf1ff, LDT_DOWN, .aim = 0xf200, .aim_size = 0xe00 },
    [LDT_DATA_DOWN32] = { DATA_LA, 0x3ff, LDT_DOWN, .big = true, .aim = 0x400, .aim_size = 0x1c00 },
    [LDT_DATA_DOWN_PAGES] = { DATA_LA - PAGE, 0, LDT_DOWN, .big = true, .pages = true, .aim = PAGE,
                              .aim_size = 0x2000 },
    /* Linear addresses wrap at 4 GiB. */
    [LDT_DATA_AROUND] = { DATA_LA + 0x10000000, 0xfffff, LDT_DATA, .big = true, .pages = true,
                          .aim = 0xf0000000, .aim_size = 0x2000 },
    [LDT_DATA_ABSENT] = { DATA_LA, 0xffff, LDT_DATA, .absent = true },
    [LDT_CODE_ABSENT] = { CODE_LA, 0xffff, LDT_CODE, .absent = true },
    [LDT_CONFORMING_ABSENT] = { CODE_LA, 0xffff, LDT_CONFORMING, .absent = true },
};

uint64_t ldt_descriptor(unsigned n)
{
    enum { ACCESSED = 1, SEGMENT = 1 << 4, DPL3 = 3 << 5 };
    const struct ldt_entry *e = &ldt[n];
    uint64_t type = (uint64_t)e->contents << 2 | (uint64_t)!e->read_only << 1 | ACCESSED;
    uint64_t access = type | SEGMENT | DPL3 | (uint64_t)!e->absent << 7;
    uint64_t sizes = (uint64_t)e->pages << 3 | (uint64_t)e->big << 2;

    if (n == 0)
        return 0;
    return (uint64_t)(e->base >> 24) << 56 | sizes << 52 | (uint64_t)(e->limit >> 16 & 15) << 48 |
           access << 40 | (uint64_t)(e->base & 0xffffff) << 16 | (e->limit & 0xffff);
}

const struct ldt_entry *ldt_by_selector(uint16_t selector)
{
    unsigned n = selector >> 3;

    return (selector & 4) && n > 0 && n < LDT_COUNT ? &ldt[n] : NULL;
}

uint32_t selector_base(uint16_t selector)
{
    const struct ldt_entry *e = ldt_by_selector(selector);

    return e ? e->base : 0;
}

bool selector_big(uint16_t selector)
{
    const struct ldt_entry *e = ldt_by_selector(selector);

    return e ? e->big : true;
}
