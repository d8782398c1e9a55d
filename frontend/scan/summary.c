/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The figures of a scanned program: how much was scanned, how much of it is patched, why and how.
 */
#include "summary.h"

#include <inttypes.h>
#include <stdio.h>

struct totals {
    struct scan_stats stats;
    uint64_t pages, clean, untouched, visible;
};

static gboolean add_page(gpointer key, gpointer value, gpointer context)
{
    const struct program_page *page = value;
    const struct scan_stats *stats = &page->scan.stats;
    struct totals *totals = context;

    (void)key;
    totals->pages++;
    totals->clean += page->is_clean;
    totals->untouched += page->scan.site_count == 0;
    totals->stats.scans += stats->scans;
    totals->stats.instructions += stats->instructions;
    totals->stats.bytes += stats->bytes;
    for (unsigned i = 0; i < SCAN_REASON_COUNT; i++)
        totals->stats.sites[i] += stats->sites[i];
    for (unsigned i = 0; i < SCAN_FORM_COUNT; i++)
        totals->stats.forms[i] += stats->forms[i];
    for (unsigned i = 0; i < SCAN_PAGE_SIZE; i++)
        totals->visible += scan_is_visible(&page->scan, i);
    return FALSE;
}

/* Tab-separated rows begin with '#', so that one read skips them. */
static void print_row(const struct options *options, const char *name, uint64_t value, uint64_t of)
{
    if (options->format == FORMAT_TSV)
        printf("#%s\t%" PRIu64 "\n", name, value);
    else if (of)
        printf("  %-24s %10" PRIu64 "  %8.3f per 1000 instructions\n", name, value,
               1000.0 * (double)value / (double)of);
    else
        printf("  %-24s %10" PRIu64 "\n", name, value);
}

void summary_print(struct program *program, const struct options *options)
{
    struct totals totals = { 0 };
    uint64_t of, sites = 0;
    char *mode = options_describe_mode(options);

    g_tree_foreach(program->pages, add_page, &totals);
    of = MAX(totals.stats.instructions, 1);
    for (unsigned i = 0; i < SCAN_REASON_COUNT; i++)
        sites += totals.stats.sites[i];

    printf(options->format == FORMAT_TSV ? "#mode\t%s\n" : "\nsummary, mode %s\n", mode);
    print_row(options, "pages", totals.pages, 0);
    print_row(options, "pages without a site", totals.untouched, 0);
    print_row(options, "clean pages", totals.clean, 0);
    print_row(options, "instructions", totals.stats.instructions, 0);
    print_row(options, "bytes scanned", totals.stats.bytes, 0);
    print_row(options, "bytes visible", totals.visible, 0);
    print_row(options, "instructions linked", program->links, 0);
    print_row(options, "sites", sites, of);
    print_row(options, "as int3", totals.stats.forms[SCAN_FORM_INT3], of);
    print_row(options, "as twin", totals.stats.forms[SCAN_FORM_TWIN], of);
    print_row(options, "as branch", totals.stats.forms[SCAN_FORM_BRANCH], of);
    print_row(options, "as jump", totals.stats.forms[SCAN_FORM_JUMP], of);
    for (unsigned i = 0; i < SCAN_REASON_COUNT; i++)
        if (totals.stats.sites[i])
            print_row(options, scan_reason_name(i), totals.stats.sites[i], of);
    g_free(mode);
}
