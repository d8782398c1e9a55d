/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Instructions across a page boundary. By themselves they trap at their start, since nobody knows what will
 * be mapped behind. Where the monitor can promise that the next page's scan stays there, the start is shown
 * in this page and the tail in the next: the processor then fetches the guest's own instruction, and a
 * missing second page faults as it would in the guest, at the start with the second page's address.
 */
#include "scan_private.h"

static bool are_neighbours(const struct scan_page *first, const struct scan_page *next)
{
    return next->address == first->address + SCAN_PAGE_SIZE &&
           scan_mode_key(&first->mode) == scan_mode_key(&next->mode);
}

/* Decode across the boundary, where the tail lies in the next page. */
static bool decode_joined(const struct scan_page *first, unsigned offset, const struct scan_page *next,
                          struct insn *insn)
{
    uint8_t joined[2 * X86_INSN_MAX];
    unsigned here = SCAN_PAGE_SIZE - offset;

    __builtin_memcpy(joined, first->original + offset, here);
    __builtin_memcpy(joined + here, next->original, X86_INSN_MAX);
    if (x86_decode(joined, here + X86_INSN_MAX, first->mode.bits & SCAN_CODE32, insn) != X86_DECODE_OK)
        return false;
    return scan_verdict(insn, &first->mode).action <= SCAN_FAULTS;
}

/* Are these bytes free of replaced starts, twins and promotions? */
static bool is_free(const struct scan_page *page, unsigned first, unsigned end)
{
    for (unsigned i = reach_back(first); i < end; i++) {
        unsigned state = mark_state(page, i);

        if ((state == MARK_TWIN && mark_end(page, i) > first) || (state == MARK_TRAP && i >= first) ||
            (state >= MARK_JUMP && mark_end(page, i) > first))
            return false;
    }
    return true;
}

static void set_tail(struct scan_page *page, unsigned tail)
{
    unsigned before = page->tail;

    page->tail = (uint8_t)tail;
    for (unsigned i = 0; i < tail; i++)
        emit_original(page, i);
    for (unsigned i = tail; i < before; i++)
        if (scan_is_visible(page, i))
            emit_original(page, i);
        else
            emit_trap(page, i);
}

/* Show the tail if the guard agrees. */
static bool show_tail(struct scan_page *next, unsigned tail)
{
    unsigned before = next->tail;

    scan_begin(next);
    set_tail(next, tail);
    if (rules_guard(next, next->dirty) < 0)
        return true;
    set_tail(next, before);
    return false;
}

static bool show_start(struct scan_page *first, unsigned offset, const struct insn *insn,
                       const struct scan_page *next)
{
    unsigned here = SCAN_PAGE_SIZE - offset;

    scan_begin(first);
    first->linked = (uint8_t)(insn->length - here);
    first->linked_at = (uint16_t)offset;
    first->linked_tail = next->original;
    first->mark[offset] = MARK_KEEP | insn->length;
    for (unsigned i = offset; i < SCAN_PAGE_SIZE; i++)
        emit_original(first, i);
    /* The boundary is looked at even if no byte changed: what is known behind it did. */
    if (rules_guard(first, (struct scan_range){ (uint16_t)offset, SCAN_PAGE_SIZE }) < 0) {
        sites_remove(first, offset);
        return true;
    }
    rules_demote(first, offset, SCAN_STRADDLE, 0);
    first->mark[offset] = (uint8_t)(MARK_TRAP | here);
    scan_end(first);
    return false;
}

bool scan_link(struct scan_page *first, unsigned offset, struct scan_page *next)
{
    const struct scan_site *site = scan_site_at(first, offset);
    unsigned before = next->tail, tail;
    struct insn insn;

    if (!site || site->reason != SCAN_STRADDLE || first->linked || !are_neighbours(first, next) ||
        scan_mode_guard(&first->mode) == SCAN_GUARD_STRICT || !decode_joined(first, offset, next, &insn))
        return false;
    tail = offset + insn.length - SCAN_PAGE_SIZE;
    if (tail < before)
        tail = before;
    if (!is_free(next, 0, tail) || !is_free(first, offset + 1, SCAN_PAGE_SIZE) || !show_tail(next, tail))
        return false;
    if (show_start(first, offset, &insn, next))
        return true;
    set_tail(next, before);
    scan_end(next);
    return false;
}

void scan_unlink(struct scan_page *first, struct scan_page *next)
{
    if (first->linked) {
        unsigned offset = first->linked_at;

        scan_begin(first);
        rules_demote(first, offset, SCAN_STRADDLE, 0);
        rules_trap(first, offset, SCAN_PAGE_SIZE - offset, SCAN_STRADDLE);
        scan_end(first);
    }
    if (next && next->tail) {
        scan_begin(next);
        set_tail(next, 0);
        scan_end(next);
    }
}
