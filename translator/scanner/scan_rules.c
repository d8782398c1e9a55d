/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What of a page may be seen. Four rules (docs/scanning.md, "The rules"), restored after every scan:
 * a replaced start traps; a kept instruction shows all its bytes or none; a byte no kept instruction covers
 * traps; and the guard finds nothing critical at any offset. Each repair turns a kept instruction into a twin
 * or a trap and none is ever turned back, so repairing ends.
 */
#include "scan_private.h"

#include "policy.h"

enum { PATTERN_MAX = 7 }; /* bytes the guard looks at: EA, a 32-bit offset and a selector */

static bool is_kept(const struct scan_page *page, unsigned offset)
{
    unsigned state = mark_state(page, offset);

    return state == MARK_KEEP || state == MARK_TWIN;
}

static unsigned in_page(unsigned end)
{
    return end < SCAN_PAGE_SIZE ? end : SCAN_PAGE_SIZE;
}

/* ---- Promotions ---------------------------------------------------------------------------------- */

struct scan_jump *rules_jump_at(struct scan_page *page, unsigned offset)
{
    for (unsigned i = 0; i < page->jump_count; i++) {
        struct scan_jump *jump = &page->jumps[i];

        if (jump->form != SCAN_FORM_INT3 && jump->first <= offset && offset < jump->end)
            return jump;
    }
    return NULL;
}

void rules_promote(struct scan_page *page, const struct scan_jump *jump, const uint8_t *bytes)
{
    for (unsigned start = jump->first, next; start < jump->end; start = next) {
        next = mark_end(page, start);
        page->mark[start] = (uint8_t)((start == jump->first ? MARK_JUMP : MARK_MOVED) | (next - start));
    }
    for (unsigned i = jump->first; i < jump->end; i++)
        emit_byte(page, i, bytes[i - jump->first]);
}

/*
 * What was hidden is found again by the guard, and becomes a trap or a twin as it was. Each promotion is
 * taken back once, so this does not keep repairs from ending.
 */
void rules_unpromote(struct scan_page *page, struct scan_jump *jump)
{
    jump->form = SCAN_FORM_INT3;
    for (unsigned start = jump->first, next; start < jump->end; start = next) {
        struct insn insn;

        next = mark_end(page, start);
        sites_remove(page, start);
        x86_decode(page->original + start, next - start, page->mode.bits & SCAN_CODE32, &insn);
        struct scan_verdict verdict = scan_verdict(&insn, &page->mode);
        if (verdict.action == SCAN_REPLACE)
            rules_trap(page, start, next - start, verdict.reason);
        else if (verdict.action == SCAN_RECODE)
            rules_recode(page, start, &insn, verdict.reason);
        else
            rules_keep(page, start, &insn);
    }
}

/* Bytes that an instruction is to share: a promotion is alone on its own. */
static void unpromote_range(struct scan_page *page, unsigned first, unsigned end)
{
    for (unsigned i = 0; i < page->jump_count; i++) {
        struct scan_jump *jump = &page->jumps[i];

        if (jump->form != SCAN_FORM_INT3 && jump->first < end && first < jump->end)
            rules_unpromote(page, jump);
    }
}

/* ---- Starts -------------------------------------------------------------------------------------- */

/* Show what the marks say of one byte. The bytes of a twin or of a promotion are its own and stay. */
static void refresh(struct scan_page *page, unsigned offset)
{
    if (rules_jump_at(page, offset))
        return;
    if (mark_state(page, offset) != MARK_TRAP) {
        if (offset < page->tail) {
            emit_original(page, offset);
            return;
        }
        for (unsigned start = reach_back(offset); start <= offset; start++) {
            if (!is_kept(page, start) || mark_end(page, start) <= offset)
                continue;
            if (mark_state(page, start) == MARK_KEEP)
                emit_original(page, offset);
            return;
        }
    }
    emit_trap(page, offset);
}

static void set_trap(struct scan_page *page, const struct scan_site *site)
{
    page->mark[site->offset] = MARK_TRAP | site->length;
    for (unsigned i = site->offset; i < in_page(site->offset + site->length); i++)
        refresh(page, i);
    bitmap_set(page->hide, site->offset);
    sites_set(page, site);
}

void rules_trap(struct scan_page *page, unsigned offset, unsigned length, enum scan_reason reason)
{
    set_trap(page, &(struct scan_site){
                       .offset = (uint16_t)offset,
                       .length = (uint8_t)length,
                       .reason = (uint8_t)reason,
                       .form = SCAN_FORM_INT3,
                   });
}

/* What follows the page is unknown again: what was harmless with the tail behind it may not be. */
static void forget_link(struct scan_page *page)
{
    page->linked = 0;
    if (page->dirty.first == page->dirty.end)
        page->dirty.first = SCAN_PAGE_SIZE - 1;
    page->dirty.end = SCAN_PAGE_SIZE;
}

void rules_demote(struct scan_page *page, unsigned offset, enum scan_reason reason, unsigned hidden_at)
{
    if (page->linked && page->linked_at == offset)
        forget_link(page);
    set_trap(page, &(struct scan_site){
                       .offset = (uint16_t)offset,
                       .length = page->mark[offset] & MARK_LENGTH,
                       .reason = (uint8_t)reason,
                       .form = SCAN_FORM_INT3,
                       .hidden_at = (uint8_t)hidden_at,
                   });
}

/* A twin is alone on its bytes: one that another instruction comes to share becomes a trap. */
static void demote_twins(struct scan_page *page, unsigned first, unsigned end)
{
    for (unsigned start = reach_back(first); start < in_page(end); start++) {
        const struct scan_site *site;

        if (start == first || mark_state(page, start) != MARK_TWIN || mark_end(page, start) <= first)
            continue;
        site = scan_site_at(page, start);
        if (site)
            rules_demote(page, start, site->reason, site->hidden_at);
        else
            rules_demote(page, start, SCAN_HIDDEN, 0);
    }
}

void rules_keep(struct scan_page *page, unsigned offset, const struct insn *insn)
{
    unsigned end = in_page(offset + insn->length);

    unpromote_range(page, offset, end);
    demote_twins(page, offset, end);
    page->mark[offset] = MARK_KEEP | insn->length;
    for (unsigned i = offset; i < end; i++) {
        emit_original(page, i);
        if (mark_state(page, i) == MARK_TRAP)
            bitmap_set(page->hide, i);
    }
}

/* ---- Twins --------------------------------------------------------------------------------------- */

/* Does anything scanned share bytes with this instruction, but a trap that starts before it? */
static bool is_alone(const struct scan_page *page, unsigned offset, unsigned end)
{
    if (offset < page->tail || end > SCAN_PAGE_SIZE)
        return false;
    for (unsigned start = reach_back(offset); start < end; start++) {
        if (start == offset || !page->mark[start] || mark_end(page, start) <= offset)
            continue;
        if (start > offset || is_kept(page, start))
            return false;
    }
    return true;
}

static bool set_twin(struct scan_page *page, const struct insn *insn, const struct scan_site *site)
{
    uint8_t twin[X86_INSN_MAX];

    if (!is_alone(page, site->offset, site->offset + insn->length))
        return false;
    if (rotate_may_be_rol(page, site->offset, insn)) {
        rotate_twin(insn, twin);
        page->rotates = true;
    } else if (!emit_twin(insn, page->original + site->offset, twin)) {
        return false;
    }
    page->mark[site->offset] = MARK_TWIN | insn->length;
    for (unsigned i = 0; i < insn->length; i++)
        emit_byte(page, site->offset + i, twin[i]);
    sites_set(page, site);
    return true;
}

void rules_recode(struct scan_page *page, unsigned offset, const struct insn *insn, enum scan_reason reason)
{
    struct scan_site site = {
        .offset = (uint16_t)offset,
        .length = insn->length,
        .reason = (uint8_t)reason,
        .form = SCAN_FORM_TWIN,
    };

    unpromote_range(page, offset, in_page(offset + insn->length));
    demote_twins(page, offset, offset + insn->length);
    if (!set_twin(page, insn, &site))
        rules_trap(page, offset, insn->length, reason);
}

/* The guard objects at `hidden` to a kept instruction: would its twin do? */
static bool recode_hidden(struct scan_page *page, unsigned offset, unsigned hidden)
{
    unsigned length = page->mark[offset] & MARK_LENGTH;
    struct scan_site site = {
        .offset = (uint16_t)offset,
        .length = (uint8_t)length,
        .reason = SCAN_HIDDEN,
        .form = SCAN_FORM_TWIN,
        .hidden_at = (uint8_t)(hidden - offset),
    };
    struct insn insn;

    if (mark_state(page, offset) != MARK_KEEP || offset + length > SCAN_PAGE_SIZE)
        return false;
    x86_decode(page->original + offset, length, page->mode.bits & SCAN_CODE32, &insn);
    return set_twin(page, &insn, &site);
}

/* ---- The guard ----------------------------------------------------------------------------------- */

static bool guard_objects(const struct scan_page *page, unsigned offset)
{
    uint8_t joined[PATTERN_MAX];
    unsigned here = SCAN_PAGE_SIZE - offset;
    struct guard_view view = {
        .bytes = page->private_page + offset,
        .known = here,
    };

    if (here < PATTERN_MAX && page->linked) {
        unsigned more = page->linked < PATTERN_MAX - here ? page->linked : PATTERN_MAX - here;

        __builtin_memcpy(joined, view.bytes, here);
        __builtin_memcpy(joined + here, page->linked_tail, more);
        view.bytes = joined;
        view.known = here + more;
    }
    return policy_guards(&view, scan_mode_guard(&page->mode));
}

static int guard_sweep(const struct scan_page *page, unsigned first, unsigned end)
{
    for (unsigned i = first; i < end; i++)
        if (guard_objects(page, i))
            return (int)i;
    return -1;
}

/* The offsets whose pattern a change of the range can alter: a byte may be the last of one. */
static unsigned sweep_first(struct scan_range range)
{
    return range.first < PATTERN_MAX ? 0 : range.first - (PATTERN_MAX - 1);
}

static unsigned sweep_end(struct scan_range range)
{
    return range.first == range.end ? 0 : range.end;
}

int rules_guard(const struct scan_page *page, struct scan_range range)
{
    return guard_sweep(page, sweep_first(range), sweep_end(range));
}

/* ---- Repair -------------------------------------------------------------------------------------- */

static void drop_tail(struct scan_page *page)
{
    unsigned tail = page->tail;

    page->tail = 0;
    page->tail_dropped = true;
    for (unsigned i = 0; i < tail; i++)
        refresh(page, i);
}

/* No kept instruction may cover this byte, but one that starts at it and was meanwhile replaced. */
static void conceal(struct scan_page *page, unsigned offset, enum scan_reason reason)
{
    struct scan_jump *jump = rules_jump_at(page, offset);

    if (offset < page->tail)
        drop_tail(page);
    if (jump)
        rules_unpromote(page, jump);
    for (unsigned start = reach_back(offset); start <= offset; start++) {
        if (!is_kept(page, start) || mark_end(page, start) <= offset)
            continue;
        if (reason == SCAN_HIDDEN && recode_hidden(page, start, offset))
            continue;
        rules_demote(page, start, reason, reason == SCAN_HIDDEN ? offset - start : 0);
    }
}

static void settle_overlaps(struct scan_page *page)
{
    int offset;

    while ((offset = bitmap_take(page->hide)) >= 0)
        conceal(page, (unsigned)offset, SCAN_OVERLAP);
}

void rules_settle(struct scan_page *page)
{
    settle_overlaps(page);
    /* Traps are bytes too, and may finish an encoding: what a round changes, the next one looks at. */
    while (page->dirty.first != page->dirty.end) {
        unsigned end = sweep_end(page->dirty);
        int offset = guard_sweep(page, sweep_first(page->dirty), end);

        page->dirty = (struct scan_range){ 0, 0 };
        while (offset >= 0) {
            conceal(page, (unsigned)offset, SCAN_HIDDEN);
            settle_overlaps(page);
            /* The same offset again: a twin may hide the same thing, and is then replaced in its turn. */
            offset = guard_sweep(page, (unsigned)offset, end);
        }
    }
}
