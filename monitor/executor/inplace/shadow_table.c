/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The shadow's record of itself: pages, the reverse map from frames to pages, and the exact number of
 * separate mappings the host has for them, which it limits per process. The host merges neighbours with like
 * rights and consecutive file offsets, so a mapping is a run of such pages; counted are the pages that begin
 * one. When there are too many, whole regions are evicted by a clock. Executor side.
 */
#include "shadow_table.h"

#include "code_cache.h"
#include "space.h"

enum { PAGE_SHIFT = 12 };

static uint64_t host_of(const struct vcpu *v, const struct shadow *s, uint32_t page)
{
    return shadow_host(v, s, page << PAGE_SHIFT);
}

static unsigned rights(bool writable)
{
    return SPACE_READ | (writable ? SPACE_WRITE : 0);
}

bool shadow_meets_code(struct vcpu *v, const struct shadow *s, uint32_t page)
{
    return !shadow_is_system(s) && code_page_at(v, split_data(&v->split, page << PAGE_SHIFT)) != NULL;
}

/* ---- Mappings ------------------------------------------------------------------------------------ */

/* Does the page go on where the one before it ends, in one mapping? */
static bool joins_previous(const struct shadow *s, uint32_t page)
{
    if (page == 0 || !shadow_is_mapped(s, page) || !shadow_is_mapped(s, page - 1))
        return false;
    const struct shadow_page *p = &s->page[page];
    return p->frame_plus_one == p[-1].frame_plus_one + 1 && p->writable == p[-1].writable;
}

/* Add (or take away: by = -1) those of pages first to last that begin a mapping. */
static void count_mappings(struct shadow *s, uint32_t first, uint32_t last, int by)
{
    for (uint32_t page = first; page <= last && page < SHADOW_PAGES; page++) {
        if (!shadow_is_mapped(s, page) || joins_previous(s, page))
            continue;
        s->mappings += (uint32_t)by;
        s->region_mappings[page / SHADOW_REGION_PAGES] += (uint16_t)by;
    }
}

/* ---- Pages and frames ---------------------------------------------------------------------------- */

static void note_page(struct shadow *s, uint32_t page, uint64_t frame, bool writable)
{
    uint32_t *head = &s->frame_head[frame];
    s->global[page / SEEN_HALF_PAGES] = false;
    s->page[page] =
        (struct shadow_page){ .frame_plus_one = (uint32_t)frame + 1, .next = *head, .writable = writable };
    if (*head)
        s->page[*head - 1].prev = page + 1;
    *head = page + 1;
    s->mapped[page / 64] |= 1ull << (page % 64);
    s->region_pages[page / SHADOW_REGION_PAGES]++;
    s->some_pages[page / SHADOW_REGION_PAGES / 64] |= 1ull << (page / SHADOW_REGION_PAGES % 64);
    s->pages++;
}

static void forget_page(struct shadow *s, uint32_t page)
{
    struct shadow_page *p = &s->page[page];
    if (p->prev)
        s->page[p->prev - 1].next = p->next;
    else
        s->frame_head[p->frame_plus_one - 1] = p->next;
    if (p->next)
        s->page[p->next - 1].prev = p->prev;
    *p = (struct shadow_page){ .frame_plus_one = 0 };
    s->mapped[page / 64] &= ~(1ull << (page % 64));
    s->region_pages[page / SHADOW_REGION_PAGES]--;
    s->pages--;
}

/* ---- Changes ------------------------------------------------------------------------------------- */

bool shadow_map(struct vcpu *v, struct shadow *s, uint32_t page, uint32_t count, uint64_t frame,
                bool writable)
{
    if (space_map(v, host_of(v, s, page), (uint64_t)count << PAGE_SHIFT, rights(writable), SPACE_RAM,
                  frame << PAGE_SHIFT, 0, count <= SHADOW_WINDOW_MAX) < 0)
        return false;
    /* Within the run nothing begins, so what may change is its first page and the one behind it. */
    count_mappings(s, page + count, page + count, -1);
    for (uint32_t i = 0; i < count; i++)
        note_page(s, page + i, frame + i, writable);
    count_mappings(s, page, page, 1);
    count_mappings(s, page + count, page + count, 1);
    return true;
}

bool shadow_replace(struct vcpu *v, struct shadow *s, uint32_t page, uint64_t frame, bool writable)
{
    count_mappings(s, page, page + 1, -1);
    forget_page(s, page);
    bool mapped = space_map(v, host_of(v, s, page), 1u << PAGE_SHIFT, rights(writable), SPACE_RAM,
                            frame << PAGE_SHIFT, 0, true) >= 0;
    if (mapped)
        note_page(s, page, frame, writable);
    else
        space_unmap(v, host_of(v, s, page), 1u << PAGE_SHIFT);
    count_mappings(s, page, page + 1, 1);
    return mapped;
}

uint32_t shadow_unmap(struct vcpu *v, struct shadow *s, uint32_t page, uint32_t count)
{
    uint32_t end = page + count, unmapped = 0;
    while ((page = shadow_find(s, page, end, true)) < end) {
        uint32_t after = shadow_find(s, page, end, false);
        space_unmap(v, host_of(v, s, page), (uint64_t)(after - page) << PAGE_SHIFT);
        count_mappings(s, page, after, -1);
        for (uint32_t i = page; i < after; i++)
            forget_page(s, i);
        count_mappings(s, after, after, 1);
        unmapped += after - page;
        page = after;
    }
    return unmapped;
}

void shadow_set_writable(struct vcpu *v, struct shadow *s, uint32_t page, uint32_t count, bool writable)
{
    uint32_t end = page + count;
    while ((page = shadow_find(s, page, end, true)) < end) {
        uint32_t after = shadow_find(s, page, end, false);
        space_protect(v, host_of(v, s, page), (uint64_t)(after - page) << PAGE_SHIFT, rights(writable));
        count_mappings(s, page, after, -1);
        for (uint32_t i = page; i < after; i++)
            s->page[i].writable = writable;
        count_mappings(s, page, after, 1);
        page = after;
    }
}

/* ---- The budget ---------------------------------------------------------------------------------- */

/*
 * Evict the next region that has not been filled since the hand was here last, and whose going makes the
 * mappings fewer: it ends those that begin there, but the last of them, if it goes on beyond, only moves its
 * beginning. If there is none, nearly everything is a few long runs, and all of it goes.
 */
static void evict(struct vcpu *v, struct shadow *s)
{
    for (unsigned looks = 0; looks < 2 * SHADOW_REGIONS; looks++) {
        uint32_t region = s->hand, end = (region + 1) * SHADOW_REGION_PAGES;
        s->hand = (region + 1) % SHADOW_REGIONS;
        if (s->region_used[region]) {
            s->region_used[region] = false;
            continue;
        }
        if (s->region_mappings[region] > (end < SHADOW_PAGES && joins_previous(s, end))) {
            v->counts.shadow_evictions += shadow_unmap(v, s, end - SHADOW_REGION_PAGES, SHADOW_REGION_PAGES);
            return;
        }
    }
    v->counts.shadow_evictions += shadow_unmap(v, s, 0, SHADOW_PAGES);
}

bool shadow_make_room(struct vcpu *v, struct shadow *s, uint32_t count)
{
    bool evicted = false;
    while (s->mappings + count > s->budget && s->pages) {
        evict(v, s);
        evicted = true;
    }
    return evicted;
}
