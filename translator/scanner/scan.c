/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Scanning: from an entry point along the straight line and its direct branches, as far as they stay in the
 * page. Each instruction gets a mark once; scan_rules.c then decides what of the page may be seen.
 */
#include "scan_private.h"

enum { STOP = SCAN_PAGE_SIZE + 1 }; /* no next offset: the line has ended */

/* ---- One line ------------------------------------------------------------------------------------ */

static void remember_exit(struct scan_page *page, uint32_t target)
{
    for (unsigned i = 0; i < page->exit_count; i++)
        if (page->exits[i] == target)
            return;
    if (page->exit_count == SCAN_EXITS_MAX)
        page->stats.exits_lost++;
    else
        page->exits[page->exit_count++] = target;
}

/*
 * The target as a linear address. With 16-bit operand size EIP is cut to 16 bits, which we cannot do without
 * the segment's base: a target that wraps is looked for in the wrong place, and found when it traps.
 */
static void follow(struct scan_page *page, unsigned next, const struct insn *insn)
{
    uint32_t target = page->address + next + insn->imm;

    if (target - page->address < SCAN_PAGE_SIZE) {
        rotate_entered(page, target - page->address);
        bitmap_set(page->pending, target - page->address);
        bitmap_set(page->entry, target - page->address);
    } else {
        remember_exit(page, target);
    }
}

static unsigned follow_flow(struct scan_page *page, unsigned next, const struct insn *insn, unsigned flow)
{
    if (flow == SCAN_FLOW_BRANCH || flow == SCAN_FLOW_JUMP)
        follow(page, next, insn);
    return flow == SCAN_FLOW_NEXT || flow == SCAN_FLOW_BRANCH ? next : STOP;
}

/* Strict: whoever jumps into the middle must find what would be found there. */
static void enter_everywhere(struct scan_page *page, unsigned first, unsigned end)
{
    for (unsigned offset = first; offset < end; offset++)
        if (!page->mark[offset])
            bitmap_set(page->pending, offset);
}

static unsigned take_verdict(struct scan_page *page, unsigned offset, const struct insn *insn)
{
    struct scan_verdict verdict = scan_verdict(insn, &page->mode);
    unsigned next = offset + insn->length;

    switch ((enum scan_action)verdict.action) {
    case SCAN_KEEP:
    case SCAN_FAULTS:
        rules_keep(page, offset, insn);
        break;
    case SCAN_RECODE:
        rules_recode(page, offset, insn, verdict.reason);
        break;
    case SCAN_REPLACE:
        rules_trap(page, offset, insn->length, verdict.reason);
        break;
    }
    if (scan_mode_guard(&page->mode) == SCAN_GUARD_STRICT && mark_state(page, offset) != MARK_TRAP)
        enter_everywhere(page, offset + 1, next);
    return follow_flow(page, next, insn, verdict.flow);
}

/* Scan the instruction at `offset`; where the line goes on, or STOP. */
static unsigned scan_one(struct scan_page *page, unsigned offset)
{
    unsigned avail = SCAN_PAGE_SIZE - offset;
    struct insn insn;
    enum x86_decode_status status =
        x86_decode(page->original + offset, avail, page->mode.bits & SCAN_CODE32, &insn);

    page->stats.instructions++;
    switch (status) {
    case X86_DECODE_MORE:
        page->stats.bytes += avail;
        rules_trap(page, offset, avail, SCAN_STRADDLE);
        return STOP;
    case X86_DECODE_TOO_LONG:
        page->stats.bytes += X86_INSN_MAX;
        rules_trap(page, offset, X86_INSN_MAX, SCAN_TOO_LONG);
        return STOP;
    default:
        page->stats.bytes += insn.length;
        return take_verdict(page, offset, &insn);
    }
}

/*
 * Somebody comes to a start that is known. If nobody branches there, it is by an instruction that overlaps
 * the one before: not on the way from a promotion's first instruction, nor by a rotation that owes flags.
 */
static void enter_known(struct scan_page *page, unsigned offset)
{
    rotate_entered(page, offset);
    bitmap_set(page->entry, offset);
    if (mark_state(page, offset) == MARK_MOVED)
        rules_unpromote(page, rules_jump_at(page, offset));
}

static void scan_line(struct scan_page *page, unsigned offset)
{
    while (offset < SCAN_PAGE_SIZE && !page->mark[offset])
        offset = scan_one(page, offset);
    if (offset == SCAN_PAGE_SIZE)
        remember_exit(page, page->address + SCAN_PAGE_SIZE);
    else if (offset < SCAN_PAGE_SIZE)
        enter_known(page, offset);
}

/* ---- Calls --------------------------------------------------------------------------------------- */

void scan_begin(struct scan_page *page)
{
    page->changed = page->dirty = (struct scan_range){ 0, 0 };
    page->tail_dropped = false;
}

struct scan_change scan_end(struct scan_page *page)
{
    rules_settle(page);
    return (struct scan_change){ .bytes = page->changed, .tail_dropped = page->tail_dropped };
}

struct scan_change scan_from(struct scan_page *page, unsigned offset)
{
    uint64_t before = page->stats.instructions;
    struct scan_change change;
    int entry = (int)offset;

    if (offset >= SCAN_PAGE_SIZE)
        return (struct scan_change){ { 0, 0 }, 0, false };
    scan_begin(page);
    page->stats.scans++;
    rotate_entered(page, offset);
    bitmap_set(page->entry, offset);
    for (; entry >= 0; entry = bitmap_take(page->pending))
        scan_line(page, (unsigned)entry);
    change = scan_end(page);
    change.instructions = (uint32_t)(page->stats.instructions - before);
    return change;
}

void scan_init(struct scan_page *page)
{
    struct scan_page fresh;

    __builtin_memcpy(&fresh, page, offsetof(struct scan_page, site_count));
    __builtin_memset(page, 0, offsetof(struct scan_page, jumps)); /* the tables are as long as their counts */
    __builtin_memcpy(page, &fresh, offsetof(struct scan_page, site_count));
    __builtin_memset(page->private_page, SCAN_TRAP_BYTE, SCAN_PAGE_SIZE);
    if (page->snippets)
        __builtin_memset(page->snippets, SCAN_TRAP_BYTE, SCAN_PAGE_SIZE);
}

bool scan_is_start(const struct scan_page *page, unsigned offset)
{
    return offset < SCAN_PAGE_SIZE && page->mark[offset];
}

unsigned scan_length_at(const struct scan_page *page, unsigned offset)
{
    return offset < SCAN_PAGE_SIZE ? page->mark[offset] & MARK_LENGTH : 0;
}

bool scan_take_exit(struct scan_page *page, uint32_t *target)
{
    if (!page->exit_count)
        return false;
    *target = page->exits[--page->exit_count];
    return true;
}

bool scan_is_plain(const struct scan_page *page, unsigned offset)
{
    return mark_state(page, offset) == MARK_KEEP || mark_state(page, offset) == MARK_TWIN;
}

bool scan_is_door(const struct scan_page *page, unsigned offset)
{
    const struct scan_site *site = mark_state(page, offset) >= MARK_JUMP ? scan_site_at(page, offset) : NULL;

    return site && site->reason != SCAN_HIDDEN && site->reason != SCAN_STRING;
}

bool scan_is_visible(const struct scan_page *page, unsigned offset)
{
    if (offset >= SCAN_PAGE_SIZE || mark_state(page, offset) == MARK_TRAP)
        return false;
    if (mark_state(page, offset) == MARK_JUMP || offset < page->tail)
        return true;
    for (unsigned start = reach_back(offset); start <= offset; start++) {
        unsigned state = mark_state(page, start);

        if ((state == MARK_KEEP || state == MARK_TWIN) && mark_end(page, start) > offset)
            return true;
    }
    return false;
}

/* ---- Pages that need no private copy ------------------------------------------------------------- */

static bool needs_no_patch(const uint8_t *bytes, size_t avail, const struct scan_mode *mode)
{
    struct insn insn;

    if (x86_decode(bytes, avail, mode->bits & SCAN_CODE32, &insn) != X86_DECODE_OK)
        return false;
    return scan_verdict(&insn, mode).action <= SCAN_FAULTS;
}

/*
 * The same at the end of the page, whatever follows. One unknown byte decides: after all its values have
 * passed, the opcode and ModRM are known, for wherever more than that is open (a prefix, 0F, VEX) some value
 * fails.
 */
static bool needs_no_patch_at_end(const uint8_t *bytes, size_t avail, const struct scan_mode *mode)
{
    uint8_t completed[X86_INSN_MAX] = { 0 };

    __builtin_memcpy(completed, bytes, avail);
    for (unsigned next = 0; next < 256; next++) {
        completed[avail] = (uint8_t)next;
        if (!needs_no_patch(completed, sizeof(completed), mode))
            return false;
    }
    return true;
}

bool scan_is_clean(const uint8_t *original, const struct scan_mode *mode)
{
    for (unsigned offset = 0; offset < SCAN_PAGE_SIZE; offset++) {
        size_t avail = SCAN_PAGE_SIZE - offset;
        bool ok = needs_no_patch(original + offset, avail, mode);

        if (!ok && avail < X86_INSN_MAX)
            ok = needs_no_patch_at_end(original + offset, avail, mode);
        if (!ok)
            return false;
    }
    return true;
}
