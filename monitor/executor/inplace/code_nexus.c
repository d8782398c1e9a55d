/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The nexus: snippet pages and the scratch page, at linear addresses that are the guest's by right. It lies
 * where the guest has nothing, as far as its page directory says, with a margin: whoever uses memory there
 * had to have a directory entry for it first, and before the next native entry the nexus has gone elsewhere.
 * What that costs is every page that has snippets, so it goes where both, the address space that is in and
 * the one before, have left room. docs/scan-before-execute.md, "Two faces of a page". Executor side.
 */
#include "code_private.h"
#include "paging.h"

/*
 * Windows are tried from the highest down and round again. One of every 64 MiB will do: the distance from
 * there to programs at multiples of 64 MiB, where they mostly begin, then never has RETF or IRET (CA, CB, CF)
 * for its highest byte, which the guard would not let any jump back have.
 */
#define NEXUS_STEP    0x04000000u
#define NEXUS_HIGHEST (CODE_NEXUS_END - CODE_NEXUS_SIZE)
#define NEXUS_LOWEST  (NEXUS_HIGHEST % NEXUS_STEP)
/* The guest's memory is as far away at least: one mapping of a file reaches over the end of a directory
 * entry, and its second half may be jumped to first. */
#define NEXUS_MARGIN CODE_NEXUS_SIZE

/* ---- Where it can be --------------------------------------------------------------------------------- */

static bool is_left_alone(const struct vcpu *v, uint32_t base)
{
    return !paging_user_reaches(v, base - NEXUS_MARGIN, base + CODE_NEXUS_SIZE + (NEXUS_MARGIN - 1));
}

/* Until a guest has flushed its TLB, there may be more than its tables say. */
static bool is_empty(const struct vcpu *v, uint32_t base)
{
    const uint16_t *code = &v->code->slot_at[base >> 12];
    uint32_t data = split_guest(&v->split, base) >> 12;
    bool used = false;

    for (uint32_t i = 0; i < CODE_NEXUS_SIZE / SCAN_PAGE_SIZE && !used; i++)
        used = code[i] != 0;
    for (uint32_t i = 0; i < CODE_NEXUS_SIZE / SCAN_PAGE_SIZE && !used; i += SHADOW_REGION_PAGES)
        used = v->shadow->region_pages[(data + i) / SHADOW_REGION_PAGES] != 0;
    return !used;
}

static uint32_t window_after(uint32_t base)
{
    return base <= NEXUS_LOWEST ? NEXUS_HIGHEST : base - NEXUS_STEP;
}

/* Have a nexus. False: the guest leaves no room for one. */
static bool open_nexus(struct vcpu *v)
{
    struct code_cache *c = v->code;
    uint32_t base = c->nexus_before;

    for (uint32_t i = NEXUS_LOWEST; i <= NEXUS_HIGHEST && !c->nexus; i += NEXUS_STEP) {
        base = window_after(base);
        if (is_left_alone(v, base) && is_empty(v, base))
            c->nexus = base;
    }
    return c->nexus;
}

void code_nexus_yield(struct vcpu *v)
{
    struct code_cache *c = v->code;

    if (likely(!c->nexus || is_left_alone(v, c->nexus)))
        return;
    for (uint32_t slot = 0; slot < c->fresh; slot++) {
        if (c->page[slot].frame != FRAME_NONE && c->page[slot].scan.snippets)
            code_drop(v, &c->page[slot]);
    }
    if (c->scratch_mapped)
        space_unmap(v, code_scratch(c), SCAN_PAGE_SIZE);
    c->scratch_mapped = false;
    c->nexus_before = c->nexus;
    c->nexus = 0;
    v->counts.nexus_moves++;
}

/* ---- Pages of it ------------------------------------------------------------------------------------- */

static uint16_t *nexus_slot(struct code_cache *c, uint32_t host_la)
{
    return &c->nexus_slot[(host_la - c->nexus) / SCAN_PAGE_SIZE];
}

static bool is_taken(struct code_cache *c, uint32_t place)
{
    return place == code_scratch(c) || *nexus_slot(c, place);
}

/* A free page of the nexus for p's snippets, or 0. */
static uint32_t choose_place(struct code_cache *c, const struct code_page *p)
{
    uint32_t place = 0;

    for (unsigned choice = 0; choice < SCAN_SNIPPET_CHOICES; choice++) {
        place = scan_snippet_place(p->scan.address, c->nexus, choice);
        if (!is_taken(c, place))
            return place;
    }
    for (unsigned i = 0; i < CODE_PAGES_MAX; i++) {
        place = c->nexus + (place + SCAN_PAGE_SIZE) % CODE_NEXUS_SIZE;
        if (!is_taken(c, place))
            return place;
    }
    return 0;
}

static bool map_scratch(struct vcpu *v)
{
    struct code_cache *c = v->code;

    if (!c->scratch_mapped)
        c->scratch_mapped = space_map(v, code_scratch(c), SCAN_PAGE_SIZE, SPACE_READ | SPACE_WRITE,
                                      SPACE_CODE, CODE_FILE_SCRATCH, 0, true) == 0;
    return c->scratch_mapped;
}

/* What scan_init() would have done to the snippets is done here, for the pages that come so far. */
bool code_give_snippets(struct vcpu *v, struct code_page *p)
{
    struct code_cache *c = v->code;
    uint32_t slot = code_slot_of(c, p), place;
    int key = v->split.code_key_used ? v->split.code_key : 0;

    if (p->scan.snippets)
        return true;
    if (!c->snippets || (!c->nexus && !open_nexus(v)))
        return false;
    place = choose_place(c, p);
    if (!place || !map_scratch(v) ||
        space_map(v, place, SCAN_PAGE_SIZE, SPACE_READ | SPACE_EXEC, SPACE_CODE,
                  CODE_FILE_SNIPPETS + (uint64_t)slot * SCAN_PAGE_SIZE, key, true) < 0)
        return false;
    __builtin_memset(c->snippet_page[slot], SCAN_TRAP_BYTE, SCAN_PAGE_SIZE);
    *nexus_slot(c, place) = (uint16_t)(slot + 1);
    p->scan.snippets = c->snippet_page[slot];
    p->scan.snippet_address = place;
    p->scan.scratch = code_scratch(c);
    p->scan.doors = v->split.doors;
    p->scan.turns_fpu = true; /* code_leave_snippet() turns it back */
    return true;
}

void code_release_snippets(struct vcpu *v, struct code_page *p)
{
    if (!p->scan.snippets)
        return;
    space_unmap(v, p->scan.snippet_address, SCAN_PAGE_SIZE);
    *nexus_slot(v->code, p->scan.snippet_address) = 0;
    p->scan.snippets = NULL;
}

struct code_page *code_nexus_owner(struct code_cache *c, uint32_t host_la)
{
    return code_in_nexus(c, host_la) ? code_slot(c, *nexus_slot(c, host_la)) : NULL;
}

/* ---- The audit --------------------------------------------------------------------------------------- */

/* Do the guest's tables have memory for CPL 3 at this page? */
static bool guest_has(const struct vcpu *v, uint32_t la)
{
    struct paging_span span;
    guest_pa pa;

    paging_span(v, la, &span);
    return !(~paging_span_page(v, &span, la, &pa) & (X86_PTE_P | X86_PTE_U)) && phys_region(v, pa);
}

const char *code_nexus_audit(struct vcpu *v)
{
    struct code_cache *c = v->code;
    unsigned have = 0, places = 0;

    for (uint32_t slot = 0; slot < c->fresh; slot++) {
        const struct scan_page *scan = &c->page[slot].scan;

        if (c->page[slot].frame == FRAME_NONE || !scan->snippets)
            continue;
        if (scan->snippets != c->snippet_page[slot] || scan->scratch != code_scratch(c) ||
            code_nexus_owner(c, scan->snippet_address) != &c->page[slot])
            return "a page's snippets are not where the nexus has them";
        have++;
    }
    for (uint32_t i = 0; i < CODE_PAGES_MAX; i++) {
        uint32_t place = c->nexus + i * SCAN_PAGE_SIZE;

        places += c->nexus_slot[i] != 0;
        if (c->nexus && (c->nexus_slot[i] || place == code_scratch(c)) && guest_has(v, place))
            return "the nexus lies where the guest has memory";
    }
    return places == have ? NULL : "a page of the nexus belongs to nobody";
}
