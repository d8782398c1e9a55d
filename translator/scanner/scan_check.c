/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The audit of a private page: every invariant of docs/scanning.md derived again, from the original, the
 * private page and the marks, by means of the decoder. It shares no code with what made the page, so that a
 * mistake there cannot hide itself here.
 */
#include "scan_private.h"

#define OK ((struct scan_fault){ NULL, 0 })

static struct scan_fault fault(const char *what, unsigned offset)
{
    return (struct scan_fault){ what, offset };
}

/* ---- Starts and bytes ---------------------------------------------------------------------------- */

/* How often each byte is covered by kept instructions, and by twins. */
struct cover {
    uint8_t kept[SCAN_PAGE_SIZE];
    uint8_t twin[SCAN_PAGE_SIZE];
    uint8_t jump[SCAN_PAGE_SIZE]; /* by promotions in force */
};

static void find_cover(const struct scan_page *page, struct cover *cover)
{
    __builtin_memset(cover, 0, sizeof(*cover));
    for (unsigned i = 0; i < page->tail; i++)
        cover->kept[i]++;
    for (unsigned start = 0; start < SCAN_PAGE_SIZE; start++) {
        unsigned state = mark_state(page, start);

        for (unsigned i = start; i < mark_end(page, start) && i < SCAN_PAGE_SIZE; i++) {
            if (state == MARK_KEEP)
                cover->kept[i]++;
            if (state == MARK_TWIN)
                cover->twin[i]++;
        }
    }
    for (unsigned i = 0; i < page->jump_count; i++)
        if (page->jumps[i].form != SCAN_FORM_INT3)
            for (unsigned at = page->jumps[i].first; at < page->jumps[i].end; at++)
                cover->jump[at]++;
}

static struct scan_fault check_byte(const struct scan_page *page, const struct cover *cover, unsigned i)
{
    bool covered = cover->kept[i] || cover->twin[i];

    if (cover->jump[i])
        return covered || cover->jump[i] > 1 || mark_state(page, i) == MARK_TRAP
                   ? fault("a promotion shares a byte with something else", i)
                   : OK;
    if (mark_state(page, i) >= MARK_JUMP)
        return fault("a promoted instruction without a promotion", i);
    if (mark_state(page, i) == MARK_TRAP && covered)
        return fault("a kept instruction covers the start of a replaced one", i);
    if (cover->twin[i] + !!cover->kept[i] > 1)
        return fault("a twin shares a byte with another kept instruction", i);
    if (!covered && page->private_page[i] != SCAN_TRAP_BYTE)
        return fault("a byte that nothing kept covers does not trap", i);
    if (cover->kept[i] && page->private_page[i] != page->original[i])
        return fault("a byte of a kept instruction is not the original", i);
    if (covered && scan_mode_guard(&page->mode) == SCAN_GUARD_STRICT && !page->mark[i])
        return fault("strict, and a visible byte is not a scanned start", i);
    return OK;
}

/* The bytes from an offset on, as the private page or the original has them. */
static size_t read_on(const struct scan_page *page, const uint8_t *from, unsigned offset,
                      uint8_t bytes[X86_INSN_MAX])
{
    size_t count = SCAN_PAGE_SIZE - offset < X86_INSN_MAX ? SCAN_PAGE_SIZE - offset : X86_INSN_MAX;

    __builtin_memcpy(bytes, from + offset, count);
    for (unsigned i = 0; i < page->linked && count < X86_INSN_MAX; i++)
        bytes[count++] = page->linked_tail[i];
    return count;
}

static struct scan_fault check_rotation(const struct scan_page *page, unsigned start,
                                        const struct insn *guest, const struct insn *native)
{
    const struct x86_operand *a = &guest->opnd[0], *b = &native->opnd[0];

    if (a->kind != X86_OPND_GPR || b->kind != X86_OPND_GPR || a->size != 4 || b->size != 4 ||
        a->reg != b->reg || ((guest->imm + native->imm) & 31) || !(guest->imm & 31))
        return fault("a rotation to the left is not the guest's to the right", start);
    if (!rotate_may_be_rol(page, start, guest))
        return fault("a rotation to the left whose flags may be read", start);
    return OK;
}

static struct scan_fault check_kept(const struct scan_page *page, unsigned start)
{
    bool code32 = page->mode.bits & SCAN_CODE32;
    unsigned length = page->mark[start] & MARK_LENGTH;
    bool is_twin = mark_state(page, start) == MARK_TWIN;
    uint8_t bytes[X86_INSN_MAX];
    struct insn guest, native;
    struct scan_verdict verdict;

    if (start + length > (unsigned)SCAN_PAGE_SIZE + page->linked)
        return fault("a kept instruction goes on in a page that is not linked", start);
    if (x86_decode(bytes, read_on(page, page->original, start, bytes), code32, &guest) != X86_DECODE_OK)
        return fault("a kept start is no instruction", start);
    if (x86_decode(bytes, read_on(page, page->private_page, start, bytes), code32, &native) != X86_DECODE_OK)
        return fault("a kept start is no instruction in the private page", start);
    if (guest.length != length || native.length != length)
        return fault("a kept instruction has another length than its mark says", start);
    if (is_twin && guest.op == X86_ROR && native.op == X86_ROL)
        return check_rotation(page, start, &guest, &native);
    if (guest.op != native.op || guest.op_size != native.op_size || guest.addr_size != native.addr_size)
        return fault("a kept instruction is another one in the private page", start);
    verdict = scan_verdict(&guest, &page->mode);
    if (!is_twin && verdict.action > SCAN_FAULTS)
        return fault("a kept instruction is sensitive", start);
    if (scan_verdict(&native, &page->mode).action > SCAN_FAULTS)
        return fault("an instruction is sensitive as the private page shows it", start);
    return OK;
}

static struct scan_fault check_start(const struct scan_page *page, unsigned start)
{
    const struct scan_site *site = scan_site_at(page, start);
    unsigned state = mark_state(page, start);

    if (!page->mark[start] || state == MARK_KEEP) {
        if (site)
            return fault("a site where nothing was replaced", start);
        return state == MARK_KEEP ? check_kept(page, start) : OK;
    }
    if (state >= MARK_JUMP)
        return OK; /* check_promotions() */
    if (!site && !page->stats.sites_lost)
        return fault("a replaced instruction without a site", start);
    if (site && (site->form == SCAN_FORM_TWIN) != (state == MARK_TWIN))
        return fault("a site of another form than its mark says", start);
    if (site && site->reason == SCAN_NO_REASON)
        return fault("a site without a reason", start);
    return state == MARK_TWIN ? check_kept(page, start) : OK;
}

static struct scan_fault check_sites(const struct scan_page *page)
{
    uint64_t total = 0, forms = 0;

    for (unsigned i = 0; i < page->site_count; i++) {
        const struct scan_site *site = &page->sites[i];

        if (i > 0 && site[-1].offset >= site->offset)
            return fault("the sites are not in order", site->offset);
    }
    for (unsigned i = 0; i < SCAN_REASON_COUNT; i++)
        total += page->stats.sites[i];
    for (unsigned i = 0; i < SCAN_FORM_COUNT; i++)
        forms += page->stats.forms[i];
    if (total != page->site_count || forms != page->site_count)
        return fault("the statistics do not add up to the sites", 0);
    return OK;
}

/* ---- No critical encoding at any offset ---------------------------------------------------------- */

/* Both code sizes: a hidden far jump to a local code segment may change it. */
static bool is_critical_at(const struct scan_page *page, const uint8_t *bytes, size_t count, bool *ends)
{
    enum scan_guard guard = scan_mode_guard(&page->mode);
    struct insn insn;

    *ends = false;
    for (unsigned code32 = 0; code32 < 2; code32++) {
        enum x86_decode_status status = x86_decode(bytes, count, code32, &insn);

        if (status == X86_DECODE_OK && scan_is_critical(&insn, guard))
            return true;
        *ends |= status == X86_DECODE_MORE;
    }
    return false;
}

/*
 * The known bytes end inside an instruction: try endings. Every value of the next byte, and after it what
 * makes the worst of an opcode (05 to EF), a group (28: memory, /5) or a selector (23, 33).
 */
static bool can_become_critical(const struct scan_page *page, uint8_t bytes[X86_INSN_MAX], size_t known)
{
    static const uint8_t endings[][2] = {
        { 0x00, 0x00 }, { 0xef, 0xef }, { 0x28, 0x28 }, { 0x80, 0x80 }, { 0x23, 0x00 }, { 0x00, 0x33 },
    };
    bool ends;

    for (unsigned next = 0; next < 256; next++) {
        for (unsigned e = 0; e < sizeof(endings) / sizeof(endings[0]); e++) {
            bytes[known] = (uint8_t)next;
            for (size_t i = known + 1; i < X86_INSN_MAX; i++)
                bytes[i] = endings[e][(i - known) & 1];
            if (is_critical_at(page, bytes, X86_INSN_MAX, &ends))
                return true;
        }
    }
    return false;
}

static bool is_prefix(uint8_t byte)
{
    /* Group 1 to 4 of SDM 2A, "Instruction Prefixes". */
    static const uint8_t prefixes[] = { 0xf0, 0xf2, 0xf3, 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65, 0x66, 0x67 };

    for (unsigned i = 0; i < sizeof(prefixes); i++)
        if (prefixes[i] == byte)
            return true;
    return false;
}

/*
 * Then all of a critical encoding would stand in the next page, tail or not, where that page's own guard sees
 * it whatever comes before.
 */
static bool is_all_prefixes(const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!is_prefix(bytes[i]))
            return false;
    return true;
}

static struct scan_fault check_offset(const struct scan_page *page, unsigned offset)
{
    uint8_t bytes[X86_INSN_MAX];
    bool ends;
    size_t known = read_on(page, page->private_page, offset, bytes);
    size_t here = SCAN_PAGE_SIZE - offset < known ? SCAN_PAGE_SIZE - offset : known;

    if (is_critical_at(page, bytes, known, &ends))
        return fault("a critical encoding can be reached", offset);
    if (ends && !is_all_prefixes(bytes, here) && can_become_critical(page, bytes, known))
        return fault("a critical encoding can be completed in the next page", offset);
    return OK;
}

struct scan_fault scan_check(const struct scan_page *page)
{
    struct cover cover;
    struct scan_fault found = check_sites(page);

    if (!found.what)
        found = check_promotions(page);
    find_cover(page, &cover);
    for (unsigned i = 0; i < SCAN_PAGE_SIZE && !found.what; i++) {
        found = check_byte(page, &cover, i);
        if (!found.what)
            found = check_start(page, i);
        if (!found.what && page->private_page[i] != SCAN_TRAP_BYTE)
            found = check_offset(page, i);
    }
    return found;
}
