/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The shadow's audit: each mapping derived again from the guest's tables, read here by the plainest code
 * there can be, and the shadow's own lists and counts made up again. It believes nothing that shadow.c, the
 * table or the page walks worked out. The idea is Xen's shadow audit. Executor side, for tests and debugging.
 * SDM 3A, "32-Bit Paging", "PAE Paging".
 */
#include "shadow.h"

#include "code_cache.h"
#include "executor.h"
#include "news.h"

#define FOUND(what_, page_) ((struct shadow_finding){ .what = (what_), .la = (page_) << 12 })
#define FOUND_NOTHING       ((struct shadow_finding){ .what = NULL })

/* ---- The guest's tables -------------------------------------------------------------------------- */

/* What the tables allow CPL 3, or a supervisor, without setting a bit in them. */
struct truth {
    bool readable, writable;
    uint64_t frame;
};

static const struct region *memory_at(const struct vcpu *v, guest_pa pa)
{
    const struct region *found = NULL;
    for (unsigned i = 0; i < v->map.count && !found; i++)
        if (pa >= v->map.region[i].pa && pa < v->map.region[i].pa + v->map.region[i].size)
            found = &v->map.region[i];
    return found;
}

/* Entry `index` of the table at pa. */
static uint64_t table_entry(const struct vcpu *v, guest_pa pa, uint32_t index, unsigned size)
{
    pa = (pa + (guest_pa)index * size) & v->pa_mask;
    const struct region *r = memory_at(v, pa);
    uint64_t entry = ~0ull;
    if (r)
        __builtin_memcpy(&entry, v->map.ram + r->offset + (pa - r->pa), size);
    return size == 4 ? (uint32_t)entry : entry;
}

/* All of `bits` are set in all entries of a walk. */
static bool all_have(const uint64_t *entry, unsigned count, uint64_t bits)
{
    for (unsigned i = 0; i < count; i++)
        if ((entry[i] & bits) != bits)
            return false;
    return true;
}

/* From the entries of a walk, the last of which leads to pa. */
static struct truth conclude(const struct vcpu *v, bool system, const uint64_t *entry, unsigned count,
                             guest_pa pa)
{
    struct truth truth = { .readable = false };
    const struct region *r = memory_at(v, pa & v->pa_mask);
    if (!r || !all_have(entry, count, X86_PTE_P | X86_PTE_A) ||
        (!system && !all_have(entry, count, X86_PTE_U)))
        return truth;
    bool may_write = (system && !(v->cr0 & X86_CR0_WP)) || all_have(entry, count, X86_PTE_W);
    truth.readable = true;
    truth.writable = may_write && (!count || (entry[count - 1] & X86_PTE_D)) && !r->read_only;
    truth.frame = (r->offset + ((pa & v->pa_mask) - r->pa)) / 4096;
    return truth;
}

static struct truth truth_32(const struct vcpu *v, guest_la la, bool system)
{
    uint64_t entry[2];
    entry[0] = table_entry(v, v->cr3 & 0xfffff000u, la >> 22, 4);
    if ((entry[0] & X86_PTE_P) && (entry[0] & X86_PTE_PS) && (v->cr4 & X86_CR4_PSE)) {
        if (entry[0] >> 17 & 0x1f) /* 36 address bits: five of the page's are reserved */
            return (struct truth){ .readable = false };
        guest_pa pa = (entry[0] >> 22 << 22 | (entry[0] >> 13 & 15) << 32) + (la & 0x3ff000);
        return conclude(v, system, entry, 1, pa);
    }
    entry[1] = table_entry(v, entry[0] & 0xfffff000u, la >> 12 & 0x3ff, 4);
    return conclude(v, system, entry, 2, entry[1] & 0xfffff000u);
}

/* SDM 3A, "PAE Paging", tables of entry formats: what must be zero. */
static bool malformed(const struct vcpu *v, uint64_t entry, bool large)
{
    bool high = entry >> 36 & 0x7ffffff, no_nx = entry >> 63 && !(v->efer & X86_EFER_NXE);
    return high || no_nx || (large && (entry >> 13 & 0xff));
}

static struct truth truth_pae(const struct vcpu *v, guest_la la, bool system)
{
    const struct truth none = { .readable = false };
    uint64_t pdpte = v->pdpte[la >> 30], entry[2];
    if (!(pdpte & X86_PTE_P))
        return none;
    entry[0] = table_entry(v, pdpte & 0xffffff000ull, la >> 21 & 0x1ff, 8);
    bool large = entry[0] & X86_PTE_PS;
    if (malformed(v, entry[0], large))
        return none;
    if (large)
        return conclude(v, system, entry, 1, (entry[0] & 0xfffe00000ull) + (la & 0x1ff000));
    entry[1] = table_entry(v, entry[0] & 0xffffff000ull, la >> 12 & 0x1ff, 8);
    if (malformed(v, entry[1], false))
        return none;
    return conclude(v, system, entry, 2, entry[1] & 0xffffff000ull);
}

static struct truth truth_about(const struct vcpu *v, guest_la la, bool system)
{
    if (!(v->cr0 & X86_CR0_PG))
        return conclude(v, system, NULL, 0, la);
    return v->cr4 & X86_CR4_PAE ? truth_pae(v, la, system) : truth_32(v, la, system);
}

/* ---- One mapping --------------------------------------------------------------------------------- */

static bool marked(const struct shadow *s, uint32_t page)
{
    return (s->mapped[page >> 6] & 1ull << (page & 63)) != 0;
}

static const char *check_page(struct vcpu *v, const struct shadow *s, uint32_t page)
{
    const struct shadow_page *p = &s->page[page];
    guest_la la = page << 12;
    struct truth truth = truth_about(v, la, !shadow_is_user(s));
    if (!truth.readable)
        return "mapped, which the guest's tables do not allow";
    if (truth.frame + 1 != p->frame_plus_one)
        return "mapped to another frame than in the guest's tables";
    if (p->writable && !truth.writable)
        return "writable, which the guest's tables do not allow";
    if (p->writable && frame_has_code(v, truth.frame))
        return "writable, though code was made from the frame";
    if (shadow_is_system(s))
        return NULL;
    if (la > v->split.data_limit)
        return "mapped where data segments do not reach";
    if (code_in_nexus(v->code, split_data(&v->split, la)))
        return "mapped in the nexus";
    if (code_page_at(v, split_data(&v->split, la)))
        return "mapped where a private page is";
    return NULL;
}

/* The page's place in the list of its frame. */
static const char *check_links(const struct shadow *s, uint32_t page)
{
    const struct shadow_page *p = &s->page[page];
    uint32_t from_before = p->prev ? s->page[p->prev - 1].next : s->frame_head[p->frame_plus_one - 1];
    if (from_before != page + 1)
        return "not in the list of its frame";
    if (p->next && s->page[p->next - 1].prev != page + 1)
        return "the list of its frame is torn";
    if (p->next && s->page[p->next - 1].frame_plus_one != p->frame_plus_one)
        return "in a list with a page of another frame";
    return NULL;
}

/* Pages in the list that begins with this page; more than SHADOW_PAGES: it has no end. */
static uint32_t list_length(const struct shadow *s, uint32_t page)
{
    uint32_t length = 1;
    while (s->page[page].next && length <= SHADOW_PAGES) {
        page = s->page[page].next - 1;
        length++;
    }
    return length;
}

static bool begins_mapping(const struct shadow *s, uint32_t page)
{
    if (page == 0 || !marked(s, page - 1))
        return true;
    const struct shadow_page *p = &s->page[page], *before = p - 1;
    return before->writable != p->writable || before->frame_plus_one + 1 != p->frame_plus_one;
}

/* ---- All of them --------------------------------------------------------------------------------- */

struct totals {
    uint32_t pages, mappings, listed;
};

static bool any_marked(const struct shadow *s, uint32_t first)
{
    for (uint32_t page = first; page < first + SHADOW_REGION_PAGES; page += 64)
        if (s->mapped[page / 64])
            return true;
    return false;
}

/* One page, mapped or not. */
static const char *check_entry(struct vcpu *v, const struct shadow *s, uint32_t page)
{
    if (!marked(s, page))
        return s->page[page].frame_plus_one ? "has an entry, but is not marked as mapped" : NULL;
    if (!s->page[page].frame_plus_one)
        return "marked as mapped, but has no entry";
    const char *what = check_page(v, s, page);
    return what ? what : check_links(s, page);
}

static struct shadow_finding check_region(struct vcpu *v, const struct shadow *s, uint32_t region,
                                          struct totals *total)
{
    uint32_t first = region * SHADOW_REGION_PAGES, end = first + SHADOW_REGION_PAGES, pages = 0, mappings = 0;
    if (!any_marked(s, first) && !s->region_pages[region])
        end = first; /* and its entries are not looked at: that would make them take up memory */
    for (uint32_t page = first; page < end; page++) {
        const char *what = check_entry(v, s, page);
        if (what)
            return FOUND(what, page);
        if (!marked(s, page))
            continue;
        pages++;
        mappings += begins_mapping(s, page);
        if (!s->page[page].prev)
            total->listed += list_length(s, page);
    }
    if (pages != s->region_pages[region])
        return FOUND("the region's count of pages is wrong", first);
    if (mappings != s->region_mappings[region])
        return FOUND("the region's count of mappings is wrong", first);
    total->pages += pages;
    total->mappings += mappings;
    return FOUND_NOTHING;
}

struct shadow_finding shadow_audit(struct vcpu *v, struct shadow *s)
{
    struct totals total = { .pages = 0 };
    v->counts.shadow_audits += !shadow_is_system(s);
    for (uint32_t region = 0; region < SHADOW_REGIONS; region++) {
        struct shadow_finding finding = check_region(v, s, region, &total);
        if (finding.what)
            return finding;
    }
    if (total.pages != s->pages)
        return FOUND("the count of pages is wrong", 0u);
    if (total.mappings != s->mappings)
        return FOUND("the count of mappings is wrong", 0u);
    if (total.listed != s->pages)
        return FOUND("the lists of the frames do not hold every page once", 0u);
    if (s->mappings > s->budget)
        return FOUND("more mappings than the budget allows", 0u);
    return FOUND_NOTHING;
}
