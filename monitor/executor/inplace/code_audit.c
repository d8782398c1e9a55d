/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The audit of the code cache: that its tables agree with each other, that what is mapped is what the guest's
 * tables say, that nobody can write natively to a frame that is code, and that each mapped page obeys the
 * scanner's rules. For tests and debugging: a millisecond for each mapped page. Executor side.
 */
#include "code_private.h"

/* Is the page in its frame's list, and only pages that are in use, of this frame, are? */
static bool is_listed(struct vcpu *v, const struct code_page *page)
{
    uint32_t number = v->code_frame[page->frame].private_head;
    bool found = false;

    for (unsigned n = 0; number; n++) {
        uint32_t member = code_member_of(number);
        const struct code_page *p = code_of_number(v, number);

        if (member >= member_count(v) || n > MEMBERS_MAX * CODE_PAGES_MAX || p->frame != page->frame)
            return false;
        found |= p == page;
        number = p->next_of_frame;
    }
    return found;
}

/* Pages in one order of use, or -1: it is torn, or holds one that belongs to the other. */
static int order_length(const struct code_cache *c, const struct code_order *order, bool mapped)
{
    uint32_t newer = 0, slot = order->newest;
    int length = 0;

    for (; slot; length++) {
        const struct code_page *p = &c->page[slot - 1];

        if (length > CODE_PAGES_MAX || p->frame == FRAME_NONE || p->mapped != mapped || p->newer != newer)
            return -1;
        newer = slot;
        slot = p->older;
    }
    return order->oldest == newer ? length : -1;
}

static const char *audit_pool(struct code_cache *c)
{
    unsigned used = 0, free = 0;
    int mapped = order_length(c, &c->order_mapped, true), idle = order_length(c, &c->order_idle, false);

    for (uint32_t slot = 0; slot < c->fresh; slot++)
        used += c->page[slot].frame != FRAME_NONE;
    for (uint32_t slot = c->free; slot && free <= c->fresh; slot = c->page[slot - 1].next_of_frame) {
        if (c->page[slot - 1].frame != FRAME_NONE)
            return "a slot in use is in the list of free ones";
        free++;
    }
    if (used + free != c->fresh)
        return "a slot is neither used nor free";
    if (mapped < 0 || idle < 0 || (unsigned)(mapped + idle) != used)
        return "the orders of use do not hold all pages once";
    if ((unsigned)mapped != c->mapping_count)
        return "the table of mappings does not have all mapped pages";
    return NULL;
}

static const char *audit_page(struct vcpu *v, struct code_page *p)
{
    struct code_cache *c = v->code;
    uint32_t slot = code_slot_of(c, p);

    if (code_find(c, p->frame, p->scan.address, p->key) != p)
        return "a page is not found by its key";
    if (!is_listed(v, p))
        return "a page is not in its frame's list";
    if (p->leaving || p->written)
        return "a page was to be unmapped or dropped and is still there";
    if (p->scan.original != v->map.ram + (p->frame << 12) || p->scan.private_page != c->private_page[slot])
        return "a page was made from another frame, or in another's place";
    if (!p->mapped && (p->linked_from || p->linked_to || p->scan.tail || p->scan.linked))
        return "a link with a page that is not mapped";
    return NULL;
}

static const char *audit_links(struct code_cache *c, const struct code_page *p)
{
    const struct code_page *next = code_slot(c, p->linked_to), *first = code_slot(c, p->linked_from);
    uint32_t slot = code_slot_of(c, p) + 1;

    if (!next != !p->scan.linked || !first != !p->scan.tail)
        return "pool and scanner disagree about a link";
    if (next && (!next->mapped || next->linked_from != slot || next->scan.tail < p->scan.linked ||
                 next->scan.address != p->scan.address + SCAN_PAGE_SIZE ||
                 p->scan.linked_tail != next->scan.original))
        return "a link leads to a page that is not behind this one";
    if (first && (!first->mapped || first->linked_to != slot))
        return "a tail without the page that begins the instruction";
    return NULL;
}

static bool can_write(const struct shadow *s, uint64_t frame)
{
    uint32_t page = s->frame_head[frame];

    for (unsigned n = 0; page; n++) {
        if (n > SHADOW_PAGES || s->page[page - 1].writable)
            return true;
        page = s->page[page - 1].next;
    }
    return false;
}

/* Writes to the frame must be noticed, in all members, and no data may lie where the page is. */
static const char *audit_shadow(struct vcpu *v, const struct code_page *p)
{
    guest_la data = split_guest(&v->split, p->scan.address);
    bool writable = can_write(v->shadow, p->frame);

    if (v->shadow->page[data >> 12].frame_plus_one)
        return "code and data are mapped at one place";
    for (uint32_t m = 0; v->members && m < v->members->count; m++)
        writable |= can_write(v->members->member[m].shadow, p->frame);
    return writable ? "a frame that is code can be written natively" : NULL;
}

static const char *audit_mapping(struct vcpu *v, uint32_t index)
{
    struct code_cache *c = v->code;
    const struct code_mapping *m = &c->mapping[index];
    const struct code_page *p = &c->page[m->slot];
    const char *what;

    if (m->slot >= c->fresh || p->place != index || m->address != p->scan.address || m->frame != p->frame ||
        c->slot_at[m->address >> 12] != m->slot + 1)
        return "the table of mappings disagrees with a page";
    if (p->key != c->key)
        return "a page of another mode is mapped";
    if (!code_still_maps(v, m->address, m->frame))
        return "a page is mapped that the guest's tables do not have there";
    what = audit_links(c, p);
    if (!what)
        what = audit_shadow(v, p);
    return what ? what : scan_check(&p->scan).what;
}

const char *code_audit(struct vcpu *v)
{
    struct code_cache *c = v->code;
    const char *what = audit_pool(c);
    unsigned mapped = 0;

    if (!what)
        what = code_nexus_audit(v);

    for (uint32_t slot = 0; slot < c->fresh && !what; slot++) {
        if (c->page[slot].frame != FRAME_NONE)
            what = audit_page(v, &c->page[slot]);
    }
    for (uint32_t i = 0; i < c->mapping_count && !what; i++)
        what = audit_mapping(v, i);
    for (uint32_t number = 0; number < 1u << 20 && !what; number++)
        mapped += c->slot_at[number] != 0;
    if (!what && mapped != c->mapping_count)
        what = "a linear page leads to a slot that is not mapped there";
    return what;
}
