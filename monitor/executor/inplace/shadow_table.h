/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Private to shadow*.c: the record of which pages are mapped and how, kept in step with the host's mappings.
 * Pages go by number (la >> 12). Executor side.
 */
#pragma once

#include "shadow.h"

static inline bool shadow_is_mapped(const struct shadow *s, uint32_t page)
{
    return s->mapped[page / 64] >> (page % 64) & 1;
}

/* The first page in [page, end) that is mapped (or that is not), or end. */
static inline uint32_t shadow_find(const struct shadow *s, uint32_t page, uint32_t end, bool mapped)
{
    while (page < end) {
        uint64_t word = (mapped ? s->mapped[page / 64] : ~s->mapped[page / 64]) >> (page % 64);
        if (word) {
            page += (uint32_t)__builtin_ctzll(word);
            return page < end ? page : end;
        }
        page = (page | 63) + 1;
    }
    return end;
}

/* Is there a private page where the host has, or would have, this page? Only one of them can be there. */
bool shadow_meets_code(struct vcpu *v, const struct shadow *s, uint32_t page);

/*
 * The ways to change the record. Adding pages takes one mapping more at most, dropping some from a larger run
 * likewise, and changing the rights of some two: shadow_make_room() for them first.
 */

/* Map `count` pages, none of which is mapped, to consecutive frames. False: the host refused, nothing
 * changed. */
bool shadow_map(struct vcpu *v, struct shadow *s, uint32_t page, uint32_t count, uint64_t frame,
                bool writable);
/*
 * Have a page that is mapped lead to another frame: one call of the host's instead of two. It may take two
 * mappings more. False: the host refused, and the page is not mapped any more.
 */
bool shadow_replace(struct vcpu *v, struct shadow *s, uint32_t page, uint64_t frame, bool writable);
/* Unmap what is mapped of `count` pages; how many that were. */
uint32_t shadow_unmap(struct vcpu *v, struct shadow *s, uint32_t page, uint32_t count);
/* Give or take write permission for what is mapped of `count` pages. */
void shadow_set_writable(struct vcpu *v, struct shadow *s, uint32_t page, uint32_t count, bool writable);
/* Evict until `count` more mappings are within the budget. False: they were already. */
bool shadow_make_room(struct vcpu *v, struct shadow *s, uint32_t count);
