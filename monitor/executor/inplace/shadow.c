/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What is mapped as data, and for how long. A fault maps the page as the guest's tables have it, with
 * neighbours which the guest is known to use; the walk that finds the page sets A and D as the processor's
 * would, so no native access that needs no fault can owe the guest a bit. A sync compares all there is with
 * the tables. SDM 3A, "Accessed and Dirty Flags", "Invalidation of TLBs and Paging-Structure Caches".
 * Executor side.
 */
#include "shadow.h"

#include "code_cache.h"
#include "news.h"
#include "paging.h"
#include "shadow_table.h"
#include "trace_ring.h"

/*
 * tests/bench/shadow_bench.c, on a busy host: from its fault to being dropped a page costs 9.4 us. 15 more of
 * the same run make that 11, so they pay if one in a hundred is used. Each further mapping costs 5, so it
 * pays only if more than every other one is used; none is made. Entering all pages of a run in the host's
 * tables at once, as shadow_map() does, costs 4.4 of those 11, and saves 1.1 for each page that is written
 * to.
 */
void shadow_init(struct shadow *s, uint64_t base, struct shadow_page *page, uint32_t *frame_head)
{
    s->base = base;
    s->budget = base ? SHADOW_SYSTEM_BUDGET : SHADOW_BUDGET;
    s->window = SHADOW_WINDOW_MAX;
    s->runs = 1;
    s->page = page;
    s->frame_head = frame_head;
}

/* ---- What the guest's tables say ----------------------------------------------------------------- */

/* How a page is to be mapped. */
struct target {
    uint64_t frame;
    bool writable;
};

/* Pages that may come with one of a supervisor's, to either side. */
enum { SYSTEM_RUN_MAX = 1024, CHANGES_MAX = 4 };

/* For many pages in order: what the page before was found by. */
struct lookup {
    struct paging_span span;
    const struct region *region;
};

#define LOOKUP_NEW ((struct lookup){ .span = { .first = 1, .last = 0 } })

/* Look a page up as those the shadow is for would use it, touching nothing. False: it must not be mapped.
 * Code is not considered. */
static bool peek(const struct vcpu *v, const struct shadow *s, uint32_t page, struct lookup *l,
                 struct target *t)
{
    guest_la la = page << 12;
    guest_pa pa;
    if (la < l->span.first || la > l->span.last)
        paging_span(v, la, &l->span);
    uint32_t bits = paging_span_page(v, &l->span, la, &pa);
    if (~bits & (X86_PTE_P | X86_PTE_A | (shadow_is_user(s) ? X86_PTE_U : 0)))
        return false;
    if (!shadow_is_user(s) && !(v->cr0 & X86_CR0_WP))
        bits |= X86_PTE_W;
    if (!l->region || pa - l->region->pa >= l->region->size)
        l->region = phys_region(v, pa);
    const struct region *r = l->region;
    if (!r)
        return false;
    t->frame = (r->offset + (pa - r->pa)) >> 12;
    t->writable = !(~bits & (X86_PTE_W | X86_PTE_D)) && !r->read_only;
    return true;
}

/* The same for an access that is under way: a walk, which sets A and D. False: a fault, or no plain memory.
 */
static bool translate(struct vcpu *v, const struct shadow *s, guest_la la, unsigned access, struct target *t)
{
    struct walk w;
    if (!paging_walk(v, la, access | (shadow_is_user(s) ? ACCESS_USER : 0), &w))
        return false;
    const struct region *r = phys_region(v, w.pa);
    if (!r || ((access & ACCESS_WRITE) && r->read_only))
        return false;
    t->frame = (r->offset + (w.pa - r->pa)) >> 12;
    t->writable = w.writable && w.dirty && !r->read_only;
    return true;
}

/* ---- Filling ------------------------------------------------------------------------------------- */

/* Does the page, as data, have a host address at which it may lie? */
static bool has_place(const struct vcpu *v, const struct shadow *s, uint32_t page)
{
    guest_la la = page << 12;
    return shadow_is_system(s) ||
           (la <= v->split.data_limit && !code_in_nexus(v->code, split_data(&v->split, la)));
}

/* Is the instruction under way fetched from this host page? Where it ends is not known here. */
static bool is_fetched_from(const struct vcpu *v, uint32_t host_la)
{
    guest_la first = v->seg[X86_CS].base + v->eip, last = first + (X86_INSN_MAX - 1);
    return first >> 12 == host_la >> 12 || last >> 12 == host_la >> 12;
}

/* Have code leave the page's frame (for a write) and the page's place. False: it stays, the access is
 * emulated. */
static bool code_gives_way(struct vcpu *v, struct shadow *s, uint32_t page, uint64_t frame, bool write)
{
    bool met = shadow_meets_code(v, s, page), same_page = v->split.data_base == 0;
    if (met && same_page) {
        v->counts.trap_split++;
        exec_trace(v, TRACE_SPLIT_FAULT, page << 12, write, 0, 0);
        if (!write)
            return false;
    }
    if (write && frame_has_code(v, frame)) {
        if (!code_yield_frame(v, frame) || frame_has_code(v, frame))
            return false;
        met = shadow_meets_code(v, s, page);
    }
    if (!met)
        return true;
    v->counts.code_conflicts++;
    /* The data would have to go again for the code that wants it. */
    if (is_fetched_from(v, split_data(&v->split, page << 12)))
        return false;
    code_unmap_page(v, split_data(&v->split, page << 12));
    return true;
}

/* Pages as the tables are now. False: the host refused. */
static bool map_run(struct vcpu *v, struct shadow *s, uint32_t page, uint32_t count, const struct target *t)
{
    if (!shadow_map(v, s, page, count, t->frame, t->writable))
        return false;
    paging_seen_note_pages(v, &s->seen, page, count);
    return true;
}

/*
 * The pages of the window around a page that are to be mapped with it: bit n for page first + n. Those that
 * the guest has accessed at some time, and that nobody wants for code.
 */
static uint32_t choose_neighbours(struct vcpu *v, struct shadow *s, uint32_t first, uint32_t page,
                                  struct target *t)
{
    struct lookup l = LOOKUP_NEW;
    uint32_t chosen = 0;
    for (uint32_t n = 0; n < s->window; n++) {
        uint32_t neighbour = first + n;
        if (neighbour == page || shadow_is_mapped(s, neighbour) || !peek(v, s, neighbour, &l, &t[n]) ||
            !has_place(v, s, neighbour) || shadow_meets_code(v, s, neighbour))
            continue;
        t[n].writable = t[n].writable && !frame_has_code(v, t[n].frame);
        chosen |= 1u << n;
    }
    return chosen;
}

/* Does page n + 1 of the window go on where n ends, in one mapping? */
static bool continues(const struct target *t, uint32_t chosen, uint32_t n)
{
    return (chosen >> n & 3) == 3 && t[n + 1].frame == t[n].frame + 1 && t[n + 1].writable == t[n].writable;
}

/* Map what is chosen, in at most *runs mappings; how many pages that were. */
static uint32_t fill_runs(struct vcpu *v, struct shadow *s, uint32_t first, const struct target *t,
                          uint32_t chosen, uint32_t *runs)
{
    uint32_t filled = 0, after;
    for (uint32_t n = 0; chosen >> n && *runs && s->mappings < s->budget; n = after) {
        after = n + 1;
        if (!(chosen >> n & 1))
            continue;
        while (continues(t, chosen, after - 1))
            after++;
        if (!map_run(v, s, first + n, after - n, &t[n]))
            break;
        filled += after - n;
        --*runs;
    }
    return filled;
}

/* How many pages that follow `page` (step: 1) or precede it (-1) go on with its run. */
static uint32_t run_beyond(struct vcpu *v, const struct shadow *s, uint32_t page, const struct target *target,
                           int step)
{
    struct lookup l = LOOKUP_NEW;
    struct target t;
    uint32_t count = 0;
    while (count < SYSTEM_RUN_MAX) {
        uint32_t next = page + (uint32_t)step * (count + 1);
        if (next >= SHADOW_PAGES || shadow_is_mapped(s, next) || !peek(v, s, next, &l, &t) ||
            t.frame != target->frame + (uint64_t)((int64_t)step * (count + 1)) ||
            (t.writable && !frame_has_code(v, t.frame)) != target->writable)
            break;
        count++;
    }
    return count;
}

bool shadow_churns(const struct shadow *s, guest_la la)
{
    return s->region_changes[(la >> 12) / SHADOW_REGION_PAGES] > CHANGES_MAX;
}

/*
 * A kernel sees all of its memory in one piece, and every page of it sooner or later. So what follows in one
 * run comes along, and is entered in the host's tables when it is touched.
 */
static bool fill_system(struct vcpu *v, struct shadow *s, uint32_t page, const struct target *t)
{
    /* Where single pages come and go, those beside them would go one by one, too. */
    uint8_t *changes = &s->region_changes[page / SHADOW_REGION_PAGES];
    bool alone = *changes > CHANGES_MAX;
    uint32_t below = alone ? 0 : run_beyond(v, s, page, t, -1),
             above = alone ? 0 : run_beyond(v, s, page, t, 1);
    uint32_t count = below + 1 + above;
    *changes /= 2;
    const struct target lowest = { t->frame - below, t->writable };
    if (!map_run(v, s, page - below, count, &lowest))
        return false;
    s->region_used[page / SHADOW_REGION_PAGES] = true;
    v->counts.system_fills++;
    v->counts.system_prefills += count - 1;
    exec_trace(v, TRACE_SHADOW_FILL, page << 12, (uint32_t)t->frame, t->writable, count);
    return true;
}

/* Map a page, with neighbours if they come cheap. False: the host does not let it be there. */
static bool fill(struct vcpu *v, struct shadow *s, uint32_t page, const struct target *target)
{
    struct target t[SHADOW_WINDOW_MAX];
    uint32_t first = page & ~(s->window - 1), own = page - first, runs = s->runs - 1, filled;
    uint32_t chosen = choose_neighbours(v, s, first, page, t) | 1u << own;
    t[own] = *target;
    uint32_t low = own, high = own + 1; /* the run that holds it */
    while (low > 0 && continues(t, chosen, low - 1))
        low--;
    while (continues(t, chosen, high - 1))
        high++;
    if (map_run(v, s, first + low, high - low, &t[low])) {
        /* Programs go upwards more often than not. */
        filled = high - low;
        filled += fill_runs(v, s, first, t, chosen & ~0u << high, &runs);
        filled += fill_runs(v, s, first, t, chosen & ~(~0u << low), &runs);
    } else if (map_run(v, s, page, 1, target)) {
        filled = 1; /* a neighbour was to blame: the lowest pages are forbidden to most processes */
    } else {
        return false;
    }
    s->region_used[page / SHADOW_REGION_PAGES] = true;
    v->counts.shadow_fills++;
    v->counts.shadow_prefills += filled - 1;
    exec_trace(v, TRACE_SHADOW_FILL, page << 12, (uint32_t)target->frame, target->writable, filled);
    return true;
}

/* Does what is mapped there do for the target? */
static bool is_served(const struct shadow *s, uint32_t page, const struct target *t)
{
    const struct shadow_page *p = &s->page[page];
    return p->frame_plus_one == t->frame + 1 && (p->writable || !t->writable);
}

/* Map the page, or make it writable. */
static enum shadow_answer serve(struct vcpu *v, struct shadow *s, uint32_t page, const struct target *t)
{
    shadow_make_room(v, s, 2);
    if (!shadow_is_system(s))
        code_data_comes(v, split_data(&v->split, page << 12));
    if (s->page[page].frame_plus_one == t->frame + 1) {
        shadow_set_writable(v, s, page, 1, true);
        paging_seen_note_pages(v, &s->seen, page, 1);
        v->counts.shadow_upgrades++;
        return SHADOW_MAPPED;
    }
    /* The tables lead elsewhere now. The guest need not flush when a page's rights grow. */
    v->counts.shadow_drops += shadow_unmap(v, s, page, 1);
    return (shadow_is_system(s) ? fill_system(v, s, page, t) : fill(v, s, page, t)) ? SHADOW_MAPPED
                                                                                    : SHADOW_EMULATE;
}

enum shadow_answer shadow_fault(struct vcpu *v, struct shadow *s, guest_la la, unsigned access)
{
    bool write = access & ACCESS_WRITE;
    uint32_t page = la >> 12;
    struct target t;
    if (!has_place(v, s, page) || !translate(v, s, la, access & ACCESS_WRITE, &t) ||
        !code_gives_way(v, s, page, t.frame, write))
        return SHADOW_EMULATE;
    t.writable = t.writable && !frame_has_code(v, t.frame);
    /* If it is there already, the fault has another reason, and only the interpreter is sure to get on. */
    return is_served(s, page, &t) ? SHADOW_EMULATE : serve(v, s, page, &t);
}

void shadow_expect(struct vcpu *v, struct shadow *s, guest_la la, unsigned access)
{
    uint32_t page = la >> 12;
    struct lookup l = LOOKUP_NEW;
    struct target t;
    if (!has_place(v, s, page) || shadow_meets_code(v, s, page) || !peek(v, s, page, &l, &t))
        return;
    t.writable = t.writable && !frame_has_code(v, t.frame);
    if (((access & ACCESS_WRITE) && !t.writable) || is_served(s, page, &t))
        return;
    v->counts.shadow_expected += serve(v, s, page, &t) == SHADOW_MAPPED;
}

/* ---- Dropping ------------------------------------------------------------------------------------ */

static void drop(struct vcpu *v, struct shadow *s, uint32_t page, uint32_t count)
{
    shadow_make_room(v, s, 1);
    uint32_t dropped = shadow_unmap(v, s, page, count);
    if (!dropped)
        return;
    v->counts.shadow_drops += dropped;
    exec_trace(v, TRACE_SHADOW_DROP, page << 12, dropped, 0, 0);
}

void shadow_drop_page(struct vcpu *v, struct shadow *s, guest_la la)
{
    if (shadow_is_mapped(s, la >> 12))
        drop(v, s, la >> 12, 1);
}

void shadow_drop_all(struct vcpu *v, struct shadow *s)
{
    if (s->pages)
        drop(v, s, 0, SHADOW_PAGES);
    s->stale = s->space_stale = s->some_stale = false;
}

void shadow_protect_frame(struct vcpu *v, struct shadow *s, uint64_t frame)
{
    uint32_t page_plus_one = s->frame_head[frame];
    while (page_plus_one) {
        const struct shadow_page *p = &s->page[page_plus_one - 1];
        if (!p->writable) {
            page_plus_one = p->next;
        } else if (shadow_make_room(v, s, 2)) {
            page_plus_one = s->frame_head[frame]; /* the list may have changed */
        } else {
            shadow_set_writable(v, s, page_plus_one - 1, 1, false);
        }
    }
}

/* ---- Syncing ------------------------------------------------------------------------------------- */

enum verdict { KEEP, PROTECT, DROP, REPLACE };

/*
 * A page that leads to another frame is mapped anew at once, if few are: the guest's kernel has made a copy
 * for somebody who wrote to it, and will be back. Many at a time are another program's.
 */
enum { REPLACE_MAX = 4 };

/* Pages in a row that have the same verdict. */
struct batch {
    enum verdict verdict;
    uint32_t page, count;
    unsigned replaced; /* in this half */
};

/* What code is in the frame was seen to when it came (shadow_protect_frame()). */
static enum verdict judge(const struct vcpu *v, const struct shadow *s, uint32_t page, struct lookup *l,
                          struct target *t)
{
    const struct shadow_page *p = &s->page[page];
    if (!peek(v, s, page, l, t))
        return DROP;
    if (p->frame_plus_one != t->frame + 1)
        return REPLACE;
    return p->writable && !t->writable ? PROTECT : KEEP;
}

static void replace(struct vcpu *v, struct shadow *s, uint32_t page, const struct target *t)
{
    shadow_make_room(v, s, 2);
    if (!shadow_is_mapped(s, page))
        return;
    v->counts.shadow_drops++;
    v->counts.shadow_replaced +=
        shadow_replace(v, s, page, t->frame, t->writable && !frame_has_code(v, t->frame));
}

static void apply(struct vcpu *v, struct shadow *s, const struct batch *b)
{
    if (b->verdict == DROP) {
        drop(v, s, b->page, b->count);
    } else if (b->verdict == PROTECT) {
        shadow_make_room(v, s, 2);
        shadow_set_writable(v, s, b->page, b->count, false);
    }
}

/* Those of 64 pages, first on, whose bits are set. */
static void judge_pages(struct vcpu *v, struct shadow *s, uint32_t first, uint64_t pages, struct lookup *l,
                        struct batch *b)
{
    for (; pages; pages &= pages - 1) {
        uint32_t page = first + (uint32_t)__builtin_ctzll(pages);
        struct target t;
        enum verdict verdict = judge(v, s, page, l, &t);
        if (verdict == REPLACE && b->replaced++ < REPLACE_MAX) {
            replace(v, s, page, &t);
            continue;
        }
        if (verdict == REPLACE)
            verdict = DROP;
        if (verdict == b->verdict && page == b->page + b->count) {
            b->count++;
            continue;
        }
        apply(v, s, b);
        *b = (struct batch){ verdict, page, 1, b->replaced };
    }
}

/* 2 MiB. What was compared before, and is as it was, is not looked at page by page. */
static void sync_half(struct vcpu *v, struct shadow *s, uint32_t first, struct lookup *l, struct batch *b)
{
    guest_la la = first << 12;
    if (la < l->span.first || la > l->span.last)
        paging_span(v, la, &l->span);
    uint64_t how = paging_seen_how(v, &l->span, la);
    bool known = how && how == s->seen.how[first / SEEN_HALF_PAGES];
    b->replaced = known ? 0 : REPLACE_MAX;
    for (uint32_t page = first; page < first + SEEN_HALF_PAGES; page += SEEN_WORD_PAGES) {
        uint64_t mapped = s->mapped[page / 64];
        if (mapped && known)
            mapped &= paging_seen_changes(&s->seen, &l->span, page);
        judge_pages(v, s, page, mapped, l, b);
    }
    if (!known)
        paging_seen_note_half(v, &s->seen, &l->span, first);
}

/* Are all pages mapped in the half global now? */
static bool all_global(const struct vcpu *v, const struct shadow *s, uint32_t first,
                       const struct paging_span *span)
{
    bool all = (v->cr4 & X86_CR4_PGE) != 0;
    for (uint32_t page = first; page < first + SEEN_HALF_PAGES && all; page += 64) {
        for (uint64_t left = s->mapped[page / 64]; left && all; left &= left - 1)
            all = paging_span_global(span, (page + (uint32_t)__builtin_ctzll(left)) << 12);
    }
    return all;
}

/* What a load of CR3 leaves alone on a processor need not be compared after one (SDM 3A, "Global Pages"). */
static void sync_doubtful(struct vcpu *v, struct shadow *s, uint32_t first, bool all, struct lookup *l,
                          struct batch *b)
{
    bool *global = &s->global[first / SEEN_HALF_PAGES];
    if (!all && *global)
        return;
    sync_half(v, s, first, l, b);
    *global = all_global(v, s, first, &l->span);
}

static void sync_region(struct vcpu *v, struct shadow *s, uint32_t region, struct lookup *l, struct batch *b)
{
    bool all = s->stale || s->region_stale[region];
    s->region_stale[region] = false;
    if (!s->region_pages[region]) {
        s->some_pages[region / 64] &= ~(1ull << (region % 64));
    } else if (all || s->space_stale) {
        sync_doubtful(v, s, region * SHADOW_REGION_PAGES, all, l, b);
        sync_doubtful(v, s, region * SHADOW_REGION_PAGES + SEEN_HALF_PAGES, all, l, b);
    }
}

void shadow_sync(struct vcpu *v, struct shadow *s)
{
    struct lookup l = LOOKUP_NEW;
    struct batch b = { .verdict = KEEP };
    for (uint32_t word = 0; word < SHADOW_REGIONS / 64; word++) {
        for (uint64_t left = s->some_pages[word]; left; left &= left - 1)
            sync_region(v, s, word * 64 + (uint32_t)__builtin_ctzll(left), &l, &b);
    }
    apply(v, s, &b);
    s->stale = s->space_stale = s->some_stale = false;
    v->counts.shadow_syncs++;
}

void shadow_map_changed(struct shadow *s)
{
    paging_seen_forget_all(&s->seen);
    s->stale = true;
}
