/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * More pages in use than a host process may have mappings: one GiB, first touched in an order without
 * order, so that hardly two neighbours are neighbours in memory; read, changed and read again in others.
 */
#include "user.h"

enum { PAGES = 1 << 18, ROUNDS = 2 };

/* The n-th page of an order: a permutation, as an odd factor is one of the numbers modulo a power of two. */
static uint32_t page_of(uint32_t n, uint32_t order)
{
    uint32_t page = n * (0x9e3779b1u + 2 * order) + order * 12345;
    page ^= page >> 7 & 0x3ff; /* bits from above, once more a permutation */
    return page % PAGES;
}

static volatile uint32_t *word_of(uint8_t *memory, uint32_t page)
{
    return (volatile uint32_t *)(memory + page * PAGE + page % 1000 * 4);
}

int program(void)
{
    uint32_t count = scaled(PAGES), wrong = 0, untouched = 0;
    uint8_t *memory = map_memory(NULL, (size_t)PAGES * PAGE, PROT_RW);
    for (uint32_t n = 0; n < count; n++) {
        volatile uint32_t *word = word_of(memory, page_of(n, 0));
        untouched += *word == 0;
        *word = page_of(n, 0) ^ 0x5a5a5a5a;
    }
    check_equal(untouched, count, "every page was zero and came once");
    for (uint32_t round = 0; round < ROUNDS; round++) {
        for (uint32_t n = 0; n < count; n++) {
            /* In a short run the pages touched are the first of order 0. */
            uint32_t page = page_of(n, short_run ? 0 : round + 1);
            volatile uint32_t *word = word_of(memory, page);
            wrong += *word != (page ^ 0x5a5a5a5a) + round;
            ++*word;
        }
    }
    check_equal(wrong, 0, "every page had what was written last");
    return 0;
}
