/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A whole program scanned: its pages by address, each reached from the entries or from other pages.
 */
#pragma once

#include "image.h"

#include "translator/scan.h"

enum {
    PROGRAM_SITES_MAX = SCAN_PAGE_SIZE,
    /* Where snippets would be, and their scratch area: any place of the monitor's does. */
    PROGRAM_SNIPPET_WINDOW = 0x3f000000,
    PROGRAM_SCRATCH = 0x3efff000,
};

struct program_page {
    struct scan_page scan;
    bool is_clean; /* needs no private page */
    uint8_t original[SCAN_PAGE_SIZE];
    uint8_t private_page[SCAN_PAGE_SIZE];
    uint8_t snippets[SCAN_PAGE_SIZE];
    struct scan_site sites[PROGRAM_SITES_MAX];
};

struct program {
    const struct image *image;
    struct scan_mode mode;
    GTree *pages;    /* address, as a pointer, to struct program_page */
    GArray *entries; /* uint32_t: not scanned yet */
    bool promote;
    unsigned links; /* instructions kept across page boundaries */
};

void program_scan(struct program *program, const struct image *image, const struct options *options);
/* Audit every page; the error names the first invariant that does not hold. */
gboolean program_check(struct program *program, GError **error);

void program_clear(struct program *program);
