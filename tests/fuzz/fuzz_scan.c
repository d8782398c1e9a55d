/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Fuzz target for the scanner: arbitrary bytes as two neighbouring pages, scanned from arbitrary entries in
 * an arbitrary mode, all sites promoted, linked and unlinked across the boundary. After every step
 * scan_check() derives the invariants again. libFuzzer calls the entry below; fuzz_driver.c calls it with
 * seeded inputs.
 */
#include "fuzz_scan.h"

#include "translator/decode.h"
#include "translator/scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SITES = 512,
    ADDRESS = 0x08048000,
    SNIPPET_WINDOW = 0x3f000000,
    SCRATCH = 0x3efff000,
};

enum { NO_SNIPPETS = 1, ANY_PLACE = 2, NO_SCRATCH = 4, DOORS = 8 }; /* struct fuzz_input, promote */

struct bench {
    uint8_t original[2 * SCAN_PAGE_SIZE];
    uint8_t private_page[2][SCAN_PAGE_SIZE];
    uint8_t snippets[2][SCAN_PAGE_SIZE];
    struct scan_site sites[2][SITES];
    struct scan_page page[2];
};

static struct bench bench;

static void require(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "fuzz_scan: %s\n", what);
        abort();
    }
}

static void audit(const char *when)
{
    for (unsigned i = 0; i < 2; i++) {
        struct scan_fault fault = scan_check(&bench.page[i]);

        if (fault.what) {
            fprintf(stderr, "fuzz_scan: %s, page %u, offset 0x%x: %s\n", when, i, fault.offset, fault.what);
            abort();
        }
    }
}

static void open_snippets(struct scan_page *page, const struct fuzz_input *input, unsigned i)
{
    if (input->promote & NO_SNIPPETS)
        return;
    page->snippets = bench.snippets[i];
    page->snippet_address = input->promote & ANY_PLACE
                                ? SNIPPET_WINDOW + (input->promote * 2u + i) * SCAN_PAGE_SIZE
                                : scan_snippet_place(page->address, SNIPPET_WINDOW, input->promote);
    page->scratch = input->promote & NO_SCRATCH ? 0 : SCRATCH;
    page->turns_fpu = input->turns_fpu & 1;
    page->doors = input->promote & DOORS;
}

static void open_pages(const struct fuzz_input *input, const uint8_t *code, size_t size)
{
    static const uint32_t isa[4] = {
        UINT32_MAX, (1u << X86_ISA_MMX) - 1,               /* no MMX, no SSE */
        (1u << X86_ISA_SSE3) - 1,                          /* as far as SSE2 */
        ((1u << X86_ISA_SSE2) - 1) & ~(1u << X86_ISA_X87), /* no x87 */
    };

    for (size_t i = 0; i < sizeof(bench.original); i++)
        bench.original[i] = size ? code[i % size] : 0;
    for (unsigned i = 0; i < 2; i++) {
        bench.page[i] = (struct scan_page){ 0 };
        bench.page[i].original = bench.original + i * SCAN_PAGE_SIZE;
        bench.page[i].private_page = bench.private_page[i];
        bench.page[i].sites = bench.sites[i];
        bench.page[i].site_capacity = input->small_table ? 4 : SITES;
        bench.page[i].address = ADDRESS + i * SCAN_PAGE_SIZE;
        bench.page[i].mode.bits = input->mode;
        bench.page[i].mode.isa = isa[input->isa & 3];
        open_snippets(&bench.page[i], input, i);
        scan_init(&bench.page[i]);
    }
}

static uint8_t before[SCAN_PAGE_SIZE];

static void require_reported(const struct scan_page *page, const struct scan_change *change)
{
    for (unsigned i = 0; i < SCAN_PAGE_SIZE; i++)
        require(before[i] == page->private_page[i] || (i >= change->bytes.first && i < change->bytes.end),
                "a byte changed outside of the range reported");
}

static void scan(struct scan_page *page, unsigned entry)
{
    struct scan_change change;

    memcpy(before, page->private_page, sizeof(before));
    change = scan_from(page, entry);
    require_reported(page, &change);
    require(scan_is_start(page, entry), "an entry was not scanned");
    change = scan_from(page, entry);
    require(change.instructions == 0 && change.bytes.first == change.bytes.end,
            "scanning again changed something");
}

static void promote(struct scan_page *page)
{
    for (unsigned i = 0; i < page->site_count; i++) {
        const unsigned offset = page->sites[i].offset, count = page->site_count;
        struct scan_change change;
        bool done;

        memcpy(before, page->private_page, sizeof(before));
        done = scan_promote(page, offset, &change);
        require_reported(page, &change);
        require(done || change.bytes.first == change.bytes.end, "a refusal changed something");
        require(page->site_count == count && page->sites[i].offset == offset &&
                    (!done || page->sites[i].form != SCAN_FORM_INT3),
                "a promotion did not last");
    }
}

/* Somebody comes to what was displaced: promotions fall, and sites can be promoted again. */
static void enter_displaced(struct scan_page *page, unsigned step)
{
    for (unsigned i = 0; i < page->jump_count; i++) {
        unsigned offset = page->jumps[i].first + step % 7;

        if (i % 3 == step % 3 && offset < page->jumps[i].end)
            scan(page, offset);
    }
}

static void promote_pages(void)
{
    for (unsigned i = 0; i < 2; i++)
        promote(&bench.page[i]);
    audit("promoted");
    for (unsigned step = 0; step < 4; step++) {
        enter_displaced(&bench.page[step % 2], step);
        audit("entered where a promotion was");
    }
    for (unsigned i = 0; i < 2; i++)
        promote(&bench.page[i]);
    audit("promoted again");
}

/* What remains possible afterwards: each straddling site linked, and unlinked again. */
static void cross_the_boundary(void)
{
    struct scan_page *first = &bench.page[0], *next = &bench.page[1];

    for (unsigned offset = SCAN_PAGE_SIZE - X86_INSN_MAX; offset < SCAN_PAGE_SIZE; offset++) {
        if (!scan_link(first, offset, next))
            continue;
        require(!scan_site_at(first, offset) && scan_is_visible(first, offset), "a link did not take");
        audit("linked");
        if (scan_from(next, 0).tail_dropped)
            scan_unlink(first, next);
        audit("linked and scanned");
        scan_from(first, offset & ~7u);
        audit("linked and scanned before");
        scan_unlink(first, next);
        require(!scan_is_visible(first, offset), "an unlinked start is still visible");
        audit("unlinked");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input;

    if (size < sizeof(input))
        return 0;
    memcpy(&input, data, sizeof(input));
    open_pages(&input, data + sizeof(input), size - sizeof(input));
    for (unsigned i = 0; i < FUZZ_ENTRIES; i++) {
        unsigned entry = input.entry[i] % (2 * SCAN_PAGE_SIZE);

        if (i == FUZZ_ENTRIES - 1)
            promote_pages();
        scan(&bench.page[entry / SCAN_PAGE_SIZE], entry % SCAN_PAGE_SIZE);
        if (i == 0)
            audit("first scan");
    }
    audit("scanned");
    cross_the_boundary();
    for (unsigned i = 0; i < 2; i++) {
        const uint64_t *sites = bench.page[i].stats.sites;

        /* Nothing but the end of the page, and what overlaps an instruction there. */
        if (scan_is_clean(bench.page[i].original, &bench.page[i].mode))
            require(bench.page[i].site_count == sites[SCAN_STRADDLE] + sites[SCAN_OVERLAP],
                    "a clean page needed a patch");
    }
    return 0;
}
