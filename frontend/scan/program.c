/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * From page to page: what the monitor does lazily, trap by trap, is done ahead here. Every direct branch out
 * of a page is an entry of another one, and so is what follows an instruction across a boundary.
 */
#include "program.h"

#include "error.h"

#include "translator/decode.h"

#include <string.h>

static gint compare_addresses(gconstpointer a, gconstpointer b, gpointer unused)
{
    uintptr_t left = (uintptr_t)a, right = (uintptr_t)b;

    (void)unused;
    return left < right ? -1 : left > right;
}

static struct program_page *find_page(struct program *program, uint32_t address)
{
    return g_tree_lookup(program->pages, (gconstpointer)(uintptr_t)address);
}

static struct program_page *open_page(struct program *program, uint32_t address)
{
    struct program_page *page = find_page(program, address);

    if (page)
        return page;
    page = g_new0(struct program_page, 1);
    image_read_page(program->image, address, page->original);
    page->scan.original = page->original;
    page->scan.private_page = page->private_page;
    page->scan.sites = page->sites;
    page->scan.site_capacity = PROGRAM_SITES_MAX;
    page->scan.address = address;
    page->scan.mode = program->mode;
    if (program->promote) {
        page->scan.snippets = page->snippets;
        page->scan.snippet_address = scan_snippet_place(address, PROGRAM_SNIPPET_WINDOW, 0);
        page->scan.scratch = PROGRAM_SCRATCH;
        page->scan.turns_fpu = true;
    }
    scan_init(&page->scan);
    page->is_clean = scan_is_clean(page->original, &program->mode);
    g_tree_insert(program->pages, (gpointer)(uintptr_t)address, page);
    return page;
}

static void enter(struct program *program, uint32_t entry)
{
    if (image_has(program->image, entry))
        g_array_append_val(program->entries, entry);
}

/* The last instruction goes on in the next page: so does the line. */
static void enter_behind(struct program *program, struct program_page *page, const struct scan_site *site)
{
    uint8_t bytes[2 * SCAN_PAGE_SIZE];
    uint32_t next;
    struct insn insn;
    struct scan_verdict verdict;

    memcpy(bytes, page->original, SCAN_PAGE_SIZE);
    image_read_page(program->image, page->scan.address + SCAN_PAGE_SIZE, bytes + SCAN_PAGE_SIZE);
    if (x86_decode(bytes + site->offset, X86_INSN_MAX, program->mode.bits & SCAN_CODE32, &insn) !=
        X86_DECODE_OK)
        return;
    verdict = scan_verdict(&insn, &program->mode);
    next = page->scan.address + site->offset + insn.length;
    if (verdict.flow == SCAN_FLOW_NEXT || verdict.flow == SCAN_FLOW_BRANCH)
        enter(program, next);
    if (verdict.flow == SCAN_FLOW_JUMP || verdict.flow == SCAN_FLOW_BRANCH)
        enter(program, next + insn.imm);
}

static void enter_exits(struct program *program, struct program_page *page)
{
    uint32_t target;

    while (scan_take_exit(&page->scan, &target))
        enter(program, target);
    for (unsigned i = page->scan.site_count;
         i-- > 0 && page->sites[i].offset > SCAN_PAGE_SIZE - X86_INSN_MAX;)
        if (page->sites[i].reason == SCAN_STRADDLE)
            enter_behind(program, page, &page->sites[i]);
}

static void scan_entries(struct program *program)
{
    while (program->entries->len) {
        guint last = program->entries->len - 1;
        uint32_t entry = g_array_index(program->entries, uint32_t, last);
        struct program_page *page = open_page(program, entry & -(uint32_t)SCAN_PAGE_SIZE);

        g_array_set_size(program->entries, last);
        if (scan_is_start(&page->scan, entry % SCAN_PAGE_SIZE))
            continue;
        scan_from(&page->scan, entry % SCAN_PAGE_SIZE);
        enter_exits(program, page);
    }
}

/* ---- What no branch reached ---------------------------------------------------------------------- */

static void sweep_page(struct program *program, struct program_page *page)
{
    unsigned covered = 0; /* one past the last byte of the instructions so far */

    for (unsigned offset = 0; offset < SCAN_PAGE_SIZE; offset++) {
        if (!scan_is_start(&page->scan, offset) && offset >= covered &&
            image_has(program->image, page->scan.address + offset)) {
            enter(program, page->scan.address + offset);
            scan_entries(program);
        }
        if (scan_is_start(&page->scan, offset))
            covered = MAX(covered, offset + scan_length_at(&page->scan, offset));
    }
}

static void sweep(struct program *program)
{
    for (guint i = 0; i < program->image->spans->len; i++) {
        const struct image_span *span = &g_array_index(program->image->spans, struct image_span, i);
        uint64_t end = (uint64_t)span->address + span->size;

        for (uint64_t at = span->address & -(uint32_t)SCAN_PAGE_SIZE; at < end; at += SCAN_PAGE_SIZE)
            sweep_page(program, open_page(program, (uint32_t)at));
    }
}

/* ---- Boundaries ---------------------------------------------------------------------------------- */

static gboolean link_page(gpointer key, gpointer value, gpointer context)
{
    struct program *program = context;
    struct program_page *page = value;
    struct program_page *next = find_page(program, page->scan.address + SCAN_PAGE_SIZE);

    (void)key;
    for (unsigned offset = SCAN_PAGE_SIZE - X86_INSN_MAX; next && offset < SCAN_PAGE_SIZE; offset++)
        program->links += scan_link(&page->scan, offset, &next->scan);
    return FALSE;
}

/* ---- Promotion ----------------------------------------------------------------------------------- */

/* A promotion can take neighbouring sites along, never change the number of sites before the next one. */
static gboolean promote_page(gpointer key, gpointer value, gpointer unused)
{
    struct program_page *page = value;
    struct scan_change change;

    (void)key;
    (void)unused;
    for (unsigned i = 0; i < page->scan.site_count; i++)
        scan_promote(&page->scan, page->sites[i].offset, &change);
    return FALSE;
}

void program_scan(struct program *program, const struct image *image, const struct options *options)
{
    *program = (struct program){
        .image = image,
        .mode = options->mode,
        .promote = options->promote,
        .pages = g_tree_new_full(compare_addresses, NULL, NULL, g_free),
        .entries = g_array_new(FALSE, FALSE, sizeof(uint32_t)),
    };
    for (guint i = 0; i < image->entries->len; i++)
        enter(program, g_array_index(image->entries, uint32_t, i));
    scan_entries(program);
    if (options->sweep)
        sweep(program);
    if (options->link)
        g_tree_foreach(program->pages, link_page, program);
    if (options->promote)
        g_tree_foreach(program->pages, promote_page, NULL);
}

static gboolean check_page(gpointer key, gpointer value, gpointer context)
{
    const struct program_page *page = value;
    GError **error = context;
    struct scan_fault fault = scan_check(&page->scan);

    (void)key;
    if (fault.what)
        fail_with(error, FRONTEND_ERROR_HOST,
                  "the scanner is wrong at 0x%08x: %s; please report it with the file",
                  page->scan.address + fault.offset, fault.what);
    return fault.what != NULL;
}

gboolean program_check(struct program *program, GError **error)
{
    GError *found = NULL;

    g_tree_foreach(program->pages, check_page, &found);
    if (!found)
        return TRUE;
    g_propagate_error(error, found);
    return FALSE;
}

void program_clear(struct program *program)
{
    g_tree_unref(program->pages);
    g_array_unref(program->entries);
    *program = (struct program){ 0 };
}
