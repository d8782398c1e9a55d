/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The table of sites: in order of offsets, so that a trap finds its site by halving and a listing needs no
 * sorting. The memory is the caller's; a site that finds no room is counted, and its instruction is still
 * replaced.
 */
#include "scan_private.h"

/* Where the site of that offset is, or where it would go. */
static unsigned position(const struct scan_page *page, unsigned offset)
{
    unsigned low = 0, high = page->site_count;

    while (low < high) {
        unsigned middle = (low + high) / 2;

        if (page->sites[middle].offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct scan_site *scan_site_at(const struct scan_page *page, unsigned offset)
{
    unsigned at = position(page, offset);

    return at < page->site_count && page->sites[at].offset == offset ? &page->sites[at] : NULL;
}

static void count(struct scan_page *page, const struct scan_site *site, int delta)
{
    page->stats.sites[site->reason] += (uint64_t)delta;
    page->stats.forms[site->form] += (uint64_t)delta;
}

void sites_set(struct scan_page *page, const struct scan_site *site)
{
    struct scan_site *known = scan_site_at(page, site->offset);
    unsigned at = position(page, site->offset);

    if (known) {
        uint32_t hits = known->hits;

        count(page, known, -1);
        *known = *site;
        known->hits = hits;
    } else if (page->site_count < page->site_capacity) {
        __builtin_memmove(page->sites + at + 1, page->sites + at,
                          (page->site_count - at) * sizeof(page->sites[0]));
        page->sites[at] = *site;
        page->site_count++;
    } else {
        page->stats.sites_lost++;
        return;
    }
    count(page, site, 1);
}

void sites_remove(struct scan_page *page, unsigned offset)
{
    struct scan_site *site = scan_site_at(page, offset);

    if (!site)
        return;
    count(page, site, -1);
    page->site_count--;
    __builtin_memmove(site, site + 1,
                      (size_t)(page->sites + page->site_count - site) * sizeof(page->sites[0]));
}
