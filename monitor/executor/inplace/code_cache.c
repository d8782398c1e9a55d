/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The pool of private pages: looking one up, making one, scanning on where execution arrives, forgetting the
 * least recently used. A page costs 0.3 us to begin and 110 ns for each instruction scanned, so pages that
 * are not mapped at the moment are kept: after a context switch they only need mapping again. Executor side.
 */
#include "code_private.h"
#include "msr.h"
#include "news.h"
#include "paging.h"
#include "trace_ring.h"

/* ---- Order of use ------------------------------------------------------------------------------------ */

static struct code_order *order_of(struct code_cache *c, const struct code_page *p)
{
    return p->mapped ? &c->order_mapped : &c->order_idle;
}

static void order_remove(struct code_cache *c, struct code_page *p)
{
    struct code_order *order = order_of(c, p);
    struct code_page *newer = code_slot(c, p->newer), *older = code_slot(c, p->older);

    *(newer ? &newer->older : &order->newest) = p->older;
    *(older ? &older->newer : &order->oldest) = p->newer;
}

static void order_add(struct code_cache *c, struct code_page *p)
{
    struct code_order *order = order_of(c, p);
    struct code_page *newest = code_slot(c, order->newest);
    uint32_t slot = code_slot_of(c, p) + 1;

    p->newer = 0;
    p->older = order->newest;
    *(newest ? &newest->newer : &order->oldest) = slot;
    order->newest = slot;
}

void code_touch(struct code_cache *c, struct code_page *p)
{
    if (!p->newer)
        return;
    order_remove(c, p);
    order_add(c, p);
}

void code_set_mapped(struct code_cache *c, struct code_page *p, bool mapped)
{
    order_remove(c, p);
    p->mapped = mapped;
    order_add(c, p);
}

/* ---- Look-up ----------------------------------------------------------------------------------------- */

static uint32_t *bucket_of(struct code_cache *c, uint64_t frame, guest_la address, uint64_t key)
{
    uint64_t hash = (frame << 20 ^ address >> 12 ^ key) * 0x9e3779b97f4a7c15ull;

    return &c->bucket[hash >> 48 & (CODE_BUCKETS - 1)];
}

struct code_page *code_find(struct code_cache *c, uint64_t frame, guest_la address, uint64_t key)
{
    struct code_page *p = code_slot(c, *bucket_of(c, frame, address, key));

    while (p && (p->frame != frame || p->scan.address != address || p->key != key))
        p = code_slot(c, p->next_in_bucket);
    return p;
}

struct code_page *code_page_at(struct vcpu *v, guest_la la)
{
    return code_slot(v->code, v->code->slot_at[la >> 12]);
}

/* ---- Slots ------------------------------------------------------------------------------------------- */

static void remove_from_bucket(struct code_cache *c, const struct code_page *p)
{
    uint32_t *head = bucket_of(c, p->frame, p->scan.address, p->key), slot = code_slot_of(c, p) + 1;

    while (*head != slot)
        head = &c->page[*head - 1].next_in_bucket;
    *head = p->next_in_bucket;
}

static void remove_from_frame(struct vcpu *v, struct code_page *p)
{
    uint32_t *head = &v->code_frame[p->frame].private_head;
    uint32_t number = code_number_of(v->code, code_slot_of(v->code, p));

    while (*head != number)
        head = &code_of_number(v, *head)->next_of_frame;
    *head = p->next_of_frame;
}

void code_drop(struct vcpu *v, struct code_page *p)
{
    struct code_cache *c = v->code;

    if (p->mapped)
        code_unmap(v, p);
    code_release_snippets(v, p);
    order_remove(c, p);
    remove_from_bucket(c, p);
    remove_from_frame(v, p);
    p->frame = FRAME_NONE;
    p->written = false;
    p->next_of_frame = c->free;
    c->free = code_slot_of(c, p) + 1;
}

/* A slot nobody uses: a page that is not mapped goes before one that is, the least recently used first. */
static struct code_page *take_slot(struct vcpu *v)
{
    struct code_cache *c = v->code;
    struct code_page *p;

    if (!c->free && c->fresh < (c->limit ? c->limit : CODE_PAGES_MAX))
        return &c->page[c->fresh++];
    if (!c->free) {
        code_drop(v, code_slot(c, c->order_idle.oldest ? c->order_idle.oldest : c->order_mapped.oldest));
        v->counts.code_evictions++;
    }
    p = code_slot(c, c->free);
    c->free = p->next_of_frame;
    return p;
}

static struct code_page *make(struct vcpu *v, uint64_t frame, guest_la address)
{
    struct code_cache *c = v->code;
    struct code_page *p = take_slot(v);
    uint32_t slot = code_slot_of(c, p), *bucket = bucket_of(c, frame, address, c->key);
    uint32_t *head = &v->code_frame[frame].private_head;
    bool first = !*head; /* of all members */

    p->frame = frame;
    p->key = c->key;
    p->number = ++c->made;
    p->linked_from = p->linked_to = 0;
    p->mapped = p->leaving = p->written = false;
    p->scan.original = v->map.ram + (frame << 12);
    p->scan.private_page = c->private_page[slot];
    p->scan.sites = p->site;
    p->scan.site_capacity = CODE_SITES_MAX;
    p->scan.address = address;
    p->scan.mode = c->mode;
    p->arrivals = 0;
    p->scan.snippets = NULL;
    p->scan.snippet_address = 0;
    p->scan.scratch = 0;
    p->scan.doors = false;
    p->scan.data_base = v->split.data_base;
    scan_init(&p->scan);
    p->next_in_bucket = *bucket;
    *bucket = slot + 1;
    p->next_of_frame = *head;
    *head = code_number_of(c, slot);
    order_add(c, p);
    if (first) {
        v->code_frame[frame].write_traps = 0;
        sbe_frame_is_code(v, frame);
    }
    v->counts.code_pages++;
    return p;
}

/* ---- Where execution arrives ------------------------------------------------------------------------- */

enum code_answer code_bring(struct vcpu *v, guest_la la, struct code_page **page)
{
    guest_la address = la & ~0xfffu;
    const struct region *r;
    struct walk w;
    uint64_t frame;

    *page = code_page_at(v, la);
    if (*page)
        return CODE_READY;
    if (code_in_nexus(v->code, la))
        return CODE_INTERPRET;
    if (!paging_walk(v, la, ACCESS_USER | ACCESS_FETCH, &w))
        return CODE_EMULATE;
    r = phys_region(v, w.pa);
    if (!r)
        return CODE_EMULATE;
    frame = (r->offset + (w.pa - r->pa)) >> 12;
    if (code_backs_off(v, frame) || !code_may_stand(v, address))
        return CODE_INTERPRET;
    *page = code_find(v->code, frame, address, v->code->key);
    if (!*page)
        *page = make(v, frame, address);
    return code_map(v, *page) ? CODE_READY : CODE_INTERPRET;
}

static void list_sites(const struct code_page *p, uint64_t sites[SCAN_PAGE_SIZE / 64])
{
    for (unsigned i = 0; i < p->scan.site_count; i++)
        sites[p->site[i].offset / 64] |= UINT64_C(1) << p->site[i].offset % 64;
}

static void trace_new_sites(struct vcpu *v, const struct code_page *p,
                            const uint64_t known[SCAN_PAGE_SIZE / 64])
{
    for (unsigned i = 0; i < p->scan.site_count; i++) {
        const struct scan_site *site = &p->site[i];

        if (!(known[site->offset / 64] >> site->offset % 64 & 1))
            exec_trace(v, TRACE_SCAN_PATCH, p->scan.address + site->offset, site->reason, site->form,
                       site->length);
    }
}

/* A site that another replaces is none less found: only what is more counts. */
static void add_growth(uint64_t *to, const uint64_t *before, const uint64_t *now, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        to[i] += now[i] > before[i] ? now[i] - before[i] : 0;
}

void code_count_sites(struct vcpu *v, const struct code_page *p, const struct scan_stats *before)
{
    const struct scan_stats *now = &p->scan.stats;

    add_growth(v->counts.sites, before->sites, now->sites, SCAN_REASON_COUNT);
    add_growth(v->counts.forms, before->forms, now->forms, SCAN_FORM_COUNT);
}

void code_scan(struct vcpu *v, struct code_page *p, unsigned offset)
{
    const struct scan_stats before = p->scan.stats;
    uint64_t began = tsc_read(v);
    bool tracing = v->trace && v->trace->enabled;
    uint64_t known[SCAN_PAGE_SIZE / 64] = { 0 };
    struct scan_change change;

    if (unlikely(tracing))
        list_sites(p, known);
    change = scan_from(&p->scan, offset);
    if (unlikely(tracing)) {
        exec_trace(v, TRACE_SCAN_PAGE, p->scan.address + offset, (uint32_t)p->frame, change.instructions,
                   p->scan.site_count);
        trace_new_sites(v, p, known);
    }
    v->counts.code_scans++;
    v->counts.code_instructions += change.instructions;
    v->counts.code_bytes += p->scan.stats.bytes - before.bytes;
    code_count_sites(v, p, &before);
    code_note_scan(v, p->frame, tsc_read(v) - began);
    code_settle(v, p);
}

/*
 * Direct branches into pages that are mapped: scanning there now costs less than the trap that would ask for
 * it. One step only; what those scans find is followed when they are asked for themselves.
 */
static void follow_exits(struct vcpu *v, struct code_page *p)
{
    uint32_t target;

    while (scan_take_exit(&p->scan, &target)) {
        struct code_page *to = code_page_at(v, target);

        if (to && to != p && !scan_is_start(&to->scan, target & 0xfff))
            code_scan(v, to, target & 0xfff);
    }
}

enum code_answer code_prepare(struct vcpu *v, guest_la la)
{
    unsigned offset = la & 0xfff;
    struct code_page *p;
    enum code_answer answer;

    code_mode_refresh(v);
    answer = code_bring(v, la, &p);
    if (answer != CODE_READY || scan_is_plain(&p->scan, offset))
        return answer;
    /* Native code would come back at once. */
    if (scan_is_door(&p->scan, offset))
        return CODE_EMULATE;
    if (code_entry(v, la) != la)
        return CODE_READY;
    /* The middle of a loop with other registers: the interpreter goes on to its end. */
    if (scan_is_start(&p->scan, offset) && code_inside_promotion(p, offset))
        return CODE_EMULATE;
    if (code_tolerates_promotion(p, offset))
        return CODE_EMULATE;
    /* A visible byte in the middle of an instruction will do for the processor, but not for what is promised
     * at starts. */
    if (!scan_is_start(&p->scan, offset) || code_inside_promotion(p, offset)) {
        code_touch(v->code, p);
        code_scan(v, p, offset);
        follow_exits(v, p);
    }
    return scan_is_visible(&p->scan, offset) ? CODE_READY : CODE_EMULATE;
}

/* ---- All of it --------------------------------------------------------------------------------------- */

static void drop_all(struct vcpu *v)
{
    struct code_cache *c = v->code;

    /* Their originals may have changed already: to an empty page the scanner needs no original. */
    for (uint32_t slot = 0; slot < c->fresh; slot++) {
        if (c->page[slot].frame != FRAME_NONE) {
            scan_init(&c->page[slot].scan);
            c->page[slot].leaving = c->page[slot].mapped;
        }
    }
    code_unmap_leaving(v);
    for (uint32_t slot = 0; slot < c->fresh; slot++) {
        if (c->page[slot].frame != FRAME_NONE)
            code_drop(v, &c->page[slot]);
    }
}

void code_drop_all(struct vcpu *v)
{
    for (uint32_t m = 0; m < member_count(v); m++) {
        uint32_t before = member_act_as(v, m);

        drop_all(v);
        member_act_as(v, before);
    }
}

void code_forget_member(struct vcpu *v)
{
    drop_all(v);
    v->code->scratch_mapped = false;
}
