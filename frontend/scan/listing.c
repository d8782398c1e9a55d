/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The listing. A line for each scanned instruction in order of addresses, and nothing in it that depends on
 * the order of scanning or on the host, so that two listings can be compared with diff.
 */
#include "listing.h"

#include "disassembler.h"
#include "error.h"

#include "translator/decode.h"

#include <stdio.h>
#include <string.h>

enum { HEX_COLUMN = 3 * 8 - 1 }; /* longer instructions push their line to the right */

struct listing {
    const struct options *options;
    struct disassembler *disassembler;
    struct program *program;
};

static const char *const forms[SCAN_FORM_COUNT] = {
    [SCAN_FORM_INT3] = "int3",
    [SCAN_FORM_TWIN] = "twin",
    [SCAN_FORM_BRANCH] = "branch",
    [SCAN_FORM_JUMP] = "jump",
};

/* One scanned instruction, as both sides have it. */
struct line {
    uint32_t address;
    unsigned length; /* in this page */
    const uint8_t *original, *private_page;
    const struct scan_site *site; /* or NULL: kept, or in a promotion for a neighbour's sake */
    const struct scan_jump *jump; /* the promotion, or NULL */
    bool overlaps;                /* starts inside the one before */
    char guest[192], native[192];
    const char *why;
};

static const char *format_hex(const uint8_t *bytes, unsigned count, char text[3 * X86_INSN_MAX + 1])
{
    text[0] = '\0';
    for (unsigned i = 0; i < count; i++)
        sprintf(text + 3 * i, "%02x ", bytes[i]);
    if (count)
        text[3 * count - 1] = '\0';
    return text;
}

/* ---- Why ----------------------------------------------------------------------------------------- */

static const char *explain(const struct listing *listing, const struct program_page *page,
                           const struct scan_site *site)
{
    struct insn insn;
    size_t avail = SCAN_PAGE_SIZE - site->offset;
    bool code32 = listing->options->mode.bits & SCAN_CODE32;

    switch (site->reason) {
    case SCAN_STRADDLE:
        return "goes on in the next page";
    case SCAN_OVERLAP:
        return "covers the start of an instruction that is replaced";
    case SCAN_TOO_LONG:
        return "is longer than 15 bytes";
    default:
        break;
    }
    if (site->reason != SCAN_HIDDEN &&
        x86_decode(page->original + site->offset, avail, code32, &insn) != X86_DECODE_MORE) {
        const char *why = scan_verdict(&insn, &listing->options->mode).why;

        return why ? why : "";
    }
    return "";
}

/* What the guard saw, as the processor would have run it from there. */
static void explain_hidden(const struct listing *listing, const struct program_page *page,
                           const struct scan_site *site, char *text, size_t size)
{
    unsigned at = site->offset + site->hidden_at;
    char hidden[192];

    if (at >= SCAN_PAGE_SIZE) {
        snprintf(text, size, "hides something at the start of the next page");
        return;
    }
    disassembler_print(listing->disassembler, page->original + at, SCAN_PAGE_SIZE - at,
                       page->scan.address + at, hidden, sizeof(hidden));
    snprintf(text, size, "hides '%s' at +%u", hidden, site->hidden_at);
}

/* ---- Lines --------------------------------------------------------------------------------------- */

static const char *form_of(const struct line *line)
{
    return line->site ? forms[line->site->form] : line->jump ? "moved" : "keep";
}

static const char *reason_of(const struct line *line)
{
    return line->site ? scan_reason_name(line->site->reason) : "";
}

static void print_text(const struct line *line)
{
    char original[3 * X86_INSN_MAX + 1], native[3 * X86_INSN_MAX + 1];

    format_hex(line->original, line->length, original);
    if (!line->site && !line->jump) {
        printf("%c %08x  %-*s  %-*s  %s\n", line->overlaps ? '\\' : ' ', line->address, HEX_COLUMN, original,
               HEX_COLUMN, "=", line->guest);
        return;
    }
    printf("%c %08x  %-*s  %-*s  %-36s -> %-24s ; %s: %s\n", line->overlaps ? '\\' : '*', line->address,
           HEX_COLUMN, original, HEX_COLUMN, format_hex(line->private_page, line->length, native),
           line->guest, line->native, line->site ? reason_of(line) : form_of(line), line->why);
}

static void print_tsv(const struct line *line)
{
    char original[3 * X86_INSN_MAX + 1], native[3 * X86_INSN_MAX + 1];

    printf("%08x\t%u\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", line->address, line->length, form_of(line),
           reason_of(line), format_hex(line->original, line->length, original),
           format_hex(line->private_page, line->length, native), line->guest,
           line->site || line->jump ? line->native : "", line->site || line->jump ? line->why : "");
}

/* ---- Snippets ------------------------------------------------------------------------------------ */

static const struct scan_jump *find_jump(const struct scan_page *page, unsigned offset)
{
    for (unsigned i = 0; i < page->jump_count; i++)
        if (page->jumps[i].form != SCAN_FORM_INT3 && offset >= page->jumps[i].first &&
            offset < page->jumps[i].end)
            return &page->jumps[i];
    return NULL;
}

/* Each native instruction, and the guest instruction that is not done yet when it begins. */
static void print_snippet(const struct listing *listing, const struct program_page *page,
                          const struct scan_jump *jump)
{
    struct scan_resume resume;
    struct insn insn;
    char hex[3 * X86_INSN_MAX + 1], text[192];

    for (unsigned at = jump->snippet; at < jump->snippet_end; at += insn.length) {
        if (x86_decode(page->snippets + at, jump->snippet_end - at, true, &insn) != X86_DECODE_OK ||
            !scan_snippet_resume(&page->scan, at, &resume))
            return;
        disassembler_print(listing->disassembler, page->snippets + at, insn.length,
                           page->scan.snippet_address + at, text, sizeof(text));
        printf("> %08x  %-*s  at %08x%*s%s\n", page->scan.snippet_address + at, HEX_COLUMN,
               format_hex(page->snippets + at, insn.length, hex), resume.eip, HEX_COLUMN - 9, "", text);
    }
}

/* ---- A page -------------------------------------------------------------------------------------- */

static void print_line(const struct listing *listing, const struct program_page *page, unsigned offset,
                       bool overlaps)
{
    unsigned length = scan_length_at(&page->scan, offset);
    char hidden[256];
    struct line line = {
        .address = page->scan.address + offset,
        .length = MIN(length, SCAN_PAGE_SIZE - offset),
        .original = page->original + offset,
        .private_page = page->private_page + offset,
        .site = scan_site_at(&page->scan, offset),
        .jump = find_jump(&page->scan, offset),
        .overlaps = overlaps,
        .why = "runs in a snippet with its neighbour",
    };

    disassembler_print(listing->disassembler, line.original, line.length, line.address, line.guest,
                       sizeof(line.guest));
    if (line.length < length || (line.site && line.site->reason == SCAN_STRADDLE))
        g_strlcat(line.guest, " ...", sizeof(line.guest));
    if (line.site || line.jump)
        disassembler_print(listing->disassembler, line.private_page,
                           MIN(X86_INSN_MAX, SCAN_PAGE_SIZE - offset), line.address, line.native,
                           sizeof(line.native));
    if (line.site) {
        line.why = explain(listing, page, line.site);
        if (line.site->reason == SCAN_HIDDEN) {
            explain_hidden(listing, page, line.site, hidden, sizeof(hidden));
            line.why = hidden;
        }
    }
    if (listing->options->format == FORMAT_TSV)
        print_tsv(&line);
    else
        print_text(&line);
    if (listing->options->format == FORMAT_TEXT && line.jump && line.jump->first == offset)
        print_snippet(listing, page, line.jump);
}

static void print_gap(const struct listing *listing, const struct program_page *page, unsigned first,
                      unsigned end)
{
    if (listing->options->format == FORMAT_TEXT && first < end)
        printf("  %08x  ... %u byte%s not reached\n", page->scan.address + first, end - first,
               end - first == 1 ? "" : "s");
}

static gboolean print_page(gpointer key, gpointer value, gpointer context)
{
    struct listing *listing = context;
    struct program_page *page = value;
    unsigned covered = page->scan.tail;

    (void)key;
    if (listing->options->format == FORMAT_TEXT)
        printf("\npage %08x: %u instructions, %u sites%s\n", page->scan.address,
               (unsigned)page->scan.stats.instructions, page->scan.site_count,
               page->is_clean ? ", clean: may be mapped as it is" : "");
    for (unsigned offset = 0; offset < SCAN_PAGE_SIZE; offset++) {
        if (!scan_is_start(&page->scan, offset))
            continue;
        print_gap(listing, page, covered, offset);
        print_line(listing, page, offset, offset < covered);
        covered = MAX(covered, offset + scan_length_at(&page->scan, offset));
    }
    print_gap(listing, page, covered, SCAN_PAGE_SIZE);
    return FALSE;
}

gboolean listing_print(struct program *program, const struct options *options, GError **error)
{
    struct listing listing = { .options = options, .program = program };
    bool code32 = options->mode.bits & SCAN_CODE32;
    char *mode;

    /* Addresses are linear, which is the same as offsets in the flat segments 32-bit code has. */
    listing.disassembler = disassembler_new(code32, code32);
    if (!listing.disassembler)
        return fail_with(error, FRONTEND_ERROR_HOST, "cannot disassemble: capstone does not start");
    if (options->format == FORMAT_TSV) {
        printf("address\tlength\tform\treason\toriginal\tprivate\tinstruction\tprivate_instruction\twhy\n");
    } else {
        mode = options_describe_mode(options);
        printf("mode %s\n"
               "  address   %-*s  %-*s  instruction\n",
               mode, HEX_COLUMN, "original", HEX_COLUMN, "private page");
        g_free(mode);
    }
    g_tree_foreach(program->pages, print_page, &listing);
    disassembler_free(listing.disassembler);
    return TRUE;
}
