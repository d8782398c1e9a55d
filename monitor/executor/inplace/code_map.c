/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Private pages in the guest's address space, and what depends on them standing there: links, by which an
 * instruction shows its start in one page and its tail in the next. A link exists only between two pages that
 * are mapped side by side; it goes before either of them does. Executor side.
 */
#include "code_private.h"
#include "paging.h"

/* ---- Links ------------------------------------------------------------------------------------------- */

static void unlink_pair(struct code_page *first, struct code_page *next)
{
    scan_unlink(&first->scan, &next->scan);
    first->linked_to = next->linked_from = 0;
}

/*
 * Taking bytes away can make the scanner take more away, in a chain of overlapping instructions up to the
 * other end of the page: then the link there is void too. Undoing one that is void at our end changes only
 * the page beyond it, so this goes on in one direction, and ends with the row of pages.
 */
static void settle_before(struct code_cache *c, struct code_page *p)
{
    while (p->linked_from && !p->scan.tail) {
        struct code_page *first = code_slot(c, p->linked_from);

        unlink_pair(first, p);
        p = first;
    }
}

static void settle_behind(struct code_cache *c, struct code_page *p)
{
    while (p->linked_to && !p->scan.linked) {
        struct code_page *next = code_slot(c, p->linked_to);

        unlink_pair(p, next);
        p = next;
    }
}

void code_settle(struct vcpu *v, struct code_page *p)
{
    settle_before(v->code, p);
    settle_behind(v->code, p);
}

static void unlink_both(struct code_cache *c, struct code_page *p)
{
    struct code_page *first = code_slot(c, p->linked_from), *next = code_slot(c, p->linked_to);

    if (first) {
        unlink_pair(first, p);
        settle_before(c, first);
        /* p changed as well, and may have lost its other link with it: that is undone below in any case. */
    }
    if (next) {
        unlink_pair(p, next);
        settle_behind(c, next);
    }
}

void code_unlink_tail(struct vcpu *v, struct code_page *p)
{
    struct code_page *first = code_slot(v->code, p->linked_from);

    if (!first)
        return;
    unlink_pair(first, p);
    settle_before(v->code, first);
    settle_behind(v->code, p);
}

void code_link(struct vcpu *v, struct code_page *p, unsigned offset)
{
    guest_la address = p->scan.address, behind = address + SCAN_PAGE_SIZE;
    struct code_page *next;

    if (p->linked_to || behind == 0 || code_bring(v, behind, &next) != CODE_READY ||
        code_page_at(v, address) != p)
        return;
    if (scan_link(&p->scan, offset, &next->scan)) {
        p->linked_to = code_slot_of(v->code, next) + 1;
        next->linked_from = code_slot_of(v->code, p) + 1;
    }
    /* An attempt that failed may have cost something too. */
    settle_before(v->code, p);
    settle_behind(v->code, next);
}

/* ---- Mapping ----------------------------------------------------------------------------------------- */

/* Data of another linear address may be mapped where this code is to stand. */
static void give_way(struct vcpu *v, guest_la address)
{
    guest_la data = split_guest(&v->split, address);

    if (!v->shadow->page[data >> 12].frame_plus_one)
        return;
    shadow_drop_page(v, v->shadow, data);
    v->counts.code_conflicts++;
}

/* Under the split `tlb` the guest's data accesses have the same mapping, with the page's frame behind it. */
static int map_private(struct vcpu *v, const struct code_page *p, uint32_t slot)
{
    int key = v->split.code_key_used ? v->split.code_key : 0;
    uint64_t offset = (uint64_t)slot * SCAN_PAGE_SIZE;

    if (v->split.primed)
        return space_map_faces(v, p->scan.address, offset, p->frame << 12);
    return space_map(v, p->scan.address, SCAN_PAGE_SIZE, SPACE_READ | SPACE_EXEC, SPACE_CODE, offset, key,
                     true);
}

bool code_map(struct vcpu *v, struct code_page *p)
{
    struct code_cache *c = v->code;
    guest_la address = p->scan.address;
    uint32_t slot = code_slot_of(c, p);

    give_way(v, address);
    if (map_private(v, p, slot) < 0)
        return false;
    code_set_mapped(c, p, true);
    p->place = c->mapping_count;
    c->mapping[c->mapping_count++] = (struct code_mapping){ address, slot, p->frame };
    c->slot_at[address >> 12] = (uint16_t)(slot + 1);
    code_note_exposed(v, address, 1);
    v->counts.code_maps++;
    return true;
}

bool code_prime(struct vcpu *v, guest_la la)
{
    struct code_page *p = v->split.primed ? code_page_at(v, la) : NULL;

    return p && space_prime(v, p->scan.address, (uint64_t)code_slot_of(v->code, p) * SCAN_PAGE_SIZE,
                            p->frame << 12) == 0;
}

/* ---- Unmapping ---------------------------------------------------------------------------------------- */

static void forget_mapping(struct code_cache *c, struct code_page *p)
{
    const struct code_mapping *last = &c->mapping[--c->mapping_count];

    c->mapping[p->place] = *last;
    c->page[last->slot].place = p->place;
    c->slot_at[p->scan.address >> 12] = 0;
    code_set_mapped(c, p, false);
    p->leaving = false;
}

static bool leaves(struct code_cache *c, uint64_t number)
{
    const struct code_page *p = number < 1 << 20 ? code_slot(c, c->slot_at[number]) : NULL;

    return p && p->leaving;
}

/* Unmap p and the pages beside it that leave too; how many. Their links are undone already. */
static unsigned unmap_run(struct vcpu *v, const struct code_page *p)
{
    struct code_cache *c = v->code;
    uint64_t first = p->scan.address >> 12, end = first + 1;

    while (leaves(c, first - 1))
        first--;
    while (leaves(c, end))
        end++;
    space_unmap(v, (uint32_t)(first << 12), (end - first) << 12);
    for (uint64_t number = first; number < end; number++) {
        code_note_exposed(v, (guest_la)(number << 12), -1);
        forget_mapping(c, code_slot(c, c->slot_at[number]));
    }
    return (unsigned)(end - first);
}

void code_unmap(struct vcpu *v, struct code_page *p)
{
    p->leaving = true;
    unlink_both(v->code, p);
    unmap_run(v, p);
}

unsigned code_unmap_leaving(struct vcpu *v)
{
    struct code_cache *c = v->code;
    unsigned count = 0;

    for (uint32_t i = 0; i < c->mapping_count; i++) {
        if (c->page[c->mapping[i].slot].leaving)
            unlink_both(c, &c->page[c->mapping[i].slot]);
    }
    for (uint32_t i = 0; i < c->mapping_count;) {
        struct code_page *p = &c->page[c->mapping[i].slot];

        if (p->leaving)
            count += unmap_run(v, p); /* another entry is at i now */
        else
            i++;
    }
    return count;
}

void code_unmap_page(struct vcpu *v, guest_la la)
{
    struct code_page *p = code_page_at(v, la);

    if (!p)
        return;
    code_unmap(v, p);
    v->counts.code_unmaps++;
}

/* ---- Translations that changed ------------------------------------------------------------------------ */

/* `span` is what the last page was looked up by, and often serves again. */
static bool still_maps(const struct vcpu *v, guest_la address, uint64_t frame, struct paging_span *span)
{
    const struct region *r;
    uint32_t rights;
    guest_pa pa;

    if (address < span->first || address > span->last)
        paging_span(v, address, span);
    rights = paging_span_page(v, span, address, &pa);
    if (~rights & (X86_PTE_P | X86_PTE_U | X86_PTE_A) || !paging_span_executable(span, address))
        return false;
    r = phys_region(v, pa);
    return r && (r->offset + (pa - r->pa)) >> 12 == frame;
}

bool code_still_maps(const struct vcpu *v, guest_la address, uint64_t frame)
{
    struct paging_span span;

    paging_span(v, address, &span);
    return still_maps(v, address, frame, &span);
}

/*
 * The mode is not looked at: this may come while the guest is in its kernel. It is compared where guest code
 * is about to run, in code_prepare(). A page whose A bit the guest has cleared goes, so that the next fetch
 * sets it.
 */
void code_sync(struct vcpu *v)
{
    struct code_cache *c = v->code;
    struct paging_span span = { .first = 1, .last = 0 };
    bool any = false;

    for (uint32_t i = 0; i < c->mapping_count; i++) {
        const struct code_mapping *m = &c->mapping[i];

        if (likely(still_maps(v, m->address, m->frame, &span)))
            continue;
        c->page[m->slot].leaving = true;
        any = true;
    }
    if (any)
        v->counts.code_unmaps += code_unmap_leaving(v);
}
