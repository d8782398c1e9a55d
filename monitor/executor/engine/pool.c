/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * When to move the vCPU to another executor process, and which becomes whose home. A hand-over costs time at
 * once and saves it later, if the address space stays. Nobody knows whether it will; so it is taken to stay
 * as long as last time. What becomes of those that are not at home is in visit.c. Executor process.
 */
#include "pool.h"

#include "code_cache.h"
#include "executor.h"
#include "host.h"
#include "news.h"
#include "paging.h"
#include "shadow.h"
#include "space.h"
#include "system_space.h"

enum {
    /*
     * A hand-over costs 4 us, and twice that until caches and TLBs have what they had; a visitor that is
     * translated runs at four fifths of native speed or so. Time in the guest's kernel counts, too: programs
     * of which little else is left come to no more than that.
     */
    LONG_US = 200,
    /* A visitor that is interpreted has cost as much as a hand-over, with some reserve. */
    LONG_INSTRUCTIONS = 5000,
    /* Fewer pages than that say nothing. */
    COMPARED_MIN = 8,
};

/* ---- Homes ----------------------------------------------------------------------------------------------
 */

static uint32_t find_home(const struct pool *p, uint32_t cr3)
{
    uint32_t m = 0;
    while (m < p->members.count && !(p->home[m].used && p->home[m].cr3 == cr3))
        m++;
    return m;
}

/* Somebody's who has none, or was not there for longest. */
static uint32_t oldest_home(const struct pool *p)
{
    uint32_t oldest = 0;
    for (uint32_t m = 0; m < p->members.count; m++) {
        if (!p->home[m].used)
            return m;
        if (p->home[m].when < p->home[oldest].when)
            oldest = m;
    }
    return oldest;
}

/* ---- Where to run -----------------------------------------------------------------------------------------
 */

static enum pool_answer go_to(struct vcpu *v, uint32_t m)
{
    struct pool *p = v->pool;
    p->home[m].when = ++p->clock;
    if (m == p->current)
        return POOL_HERE;
    p->members.member[p->current].shadow_system = v->shadow_system;
    p->current = m;
    p->moving = true;
    v->counts.space_moves++;
    return POOL_MOVE;
}

/* The directory's part of an address. */
static uint64_t how_now(const struct vcpu *v, guest_la la)
{
    struct paging_span span;
    paging_span(v, la, &span);
    return paging_seen_how(v, &span, la);
}

/* Of a region that a member has pages in: count the halves that are translated as they were, or otherwise. */
static void compare_region(const struct vcpu *v, const struct shadow *s, uint32_t region, unsigned *same,
                           unsigned *other)
{
    enum { HALVES = SHADOW_REGION_PAGES / SEEN_HALF_PAGES };
    for (uint32_t half = region * HALVES; half < (region + 1) * HALVES; half++) {
        uint64_t how = s->seen.how[half];
        if (how)
            ++*(how == how_now(v, half * SEEN_HALF_PAGES << 12) ? same : other);
    }
}

/*
 * Is it still the address space that the member had? A page directory is soon used again, by a program with
 * page tables of its own. Those of what is mapped are looked at; with most of them others, it is somebody
 * else's. (If the page tables were used again as well, pool_compared() finds out.)
 */
static bool is_same(const struct vcpu *v, const struct shadow *s)
{
    unsigned same = 0, other = 0;
    for (uint32_t word = 0; word < SHADOW_REGIONS / 64; word++) {
        for (uint64_t left = s->some_pages[word]; left; left &= left - 1)
            compare_region(v, s, word * 64 + (uint32_t)__builtin_ctzll(left), &same, &other);
    }
    return same >= other;
}

static bool is_long(const struct vcpu *v)
{
    enum { GUESSED_KHZ = 2000000 };
    const struct pool *p = v->pool;
    uint64_t khz = v->tsc_khz ? v->tsc_khz : GUESSED_KHZ;
    return p->stay.count >= LONG_INSTRUCTIONS || host_ticks() - p->stay.began >= khz * LONG_US / 1000;
}

/* Another address space than last time? Then the last one's stay is over, and showed what it is. */
static void note_stay(struct vcpu *v)
{
    struct pool *p = v->pool;
    uint32_t m;
    if (likely(p->stay.any && p->stay.cr3 == v->cr3))
        return;
    m = find_home(p, p->stay.cr3);
    if (m < p->members.count)
        p->home[m].steady = is_long(v);
    p->stay.any = true;
    p->stay.cr3 = v->cr3;
    p->stay.began = host_ticks();
    p->stay.count = 0;
    m = find_home(p, v->cr3);
    if (m < p->members.count && !v->sbe.eager && !is_same(v, p->members.member[m].shadow)) {
        p->home[m].used = false;
        v->counts.space_reuses++;
    }
}

bool pool_is_here(const struct vcpu *v)
{
    return find_home(v->pool, v->cr3) == v->pool->current;
}

bool pool_has_home(const struct vcpu *v)
{
    return find_home(v->pool, v->cr3) < v->pool->members.count;
}

static enum pool_answer move_in(struct vcpu *v)
{
    struct pool *p = v->pool;
    uint32_t m = oldest_home(p);
    v->counts.moves += p->home[m].used;
    p->home[m].used = true;
    p->home[m].cr3 = v->cr3;
    return go_to(v, m);
}

enum pool_answer pool_go_home(struct vcpu *v)
{
    struct pool *p = v->pool;
    uint32_t m = find_home(p, v->cr3);
    p->settled = true;
    return m == p->members.count ? move_in(v) : go_to(v, m);
}

enum pool_answer pool_choose(struct vcpu *v)
{
    struct pool *p = v->pool;
    uint32_t m;
    note_stay(v);
    m = find_home(p, v->cr3);
    if (likely(m == p->current))
        return go_to(v, m);
    /* The first of all has nobody to consider. */
    if (m == p->members.count)
        return p->settled && !v->sbe.eager ? POOL_VISITOR : pool_go_home(v);
    return p->home[m].steady || v->sbe.eager || is_long(v) ? pool_go_home(v) : POOL_VISITOR;
}

void pool_interpreted(struct vcpu *v, uint64_t count)
{
    v->pool->stay.count += count;
}

bool pool_compared(struct vcpu *v, uint32_t before, uint32_t kept)
{
    struct pool *p = v->pool;
    uint32_t m = p->current;
    if (v->engine != D86_ENGINE_SBE || before < COMPARED_MIN || kept * 2 >= before)
        return true;
    v->counts.space_reuses++;
    p->home[m].used = v->sbe.eager;
    return v->sbe.eager;
}

/* ---- All members ------------------------------------------------------------------------------------------
 */

/* The host's are gone. Snippets are among them, so private pages go as well. */
static void forget_mappings(struct vcpu *v)
{
    space_forget(true);
    shadow_drop_all(v, v->shadow);
    for (unsigned i = 0; i < SYSTEM_SPACES; i++)
        shadow_drop_all(v, &v->spaces->shadow[i]);
    code_forget_member(v);
    space_forget(false);
}

void pool_arrive(struct vcpu *v, uint32_t self)
{
    struct pool *p = v->pool;
    p->moving = false;
    p->current = self;
    member_act_as(v, self);
    v->spaces = p->members.member[self].spaces;
    v->shadow_system = p->members.member[self].shadow_system;
    v->translated.window = v->shadow_system->base;
    /* Nobody has told what the guest changed meanwhile. */
    v->shadow->stale = true;
    system_space_changed(v, true);
    if (!space_take_turn(v))
        forget_mappings(v);
}

static void protect_frame(struct vcpu *v, struct shadow *s, uint64_t frame)
{
    if (s->pages)
        shadow_protect_frame(v, s, frame);
}

void pool_protect_frame(struct vcpu *v, uint64_t frame)
{
    for (uint32_t m = 0; m < v->pool->members.count; m++) {
        uint32_t before = member_act_as(v, m);
        struct system_spaces *spaces = v->pool->members.member[m].spaces;
        protect_frame(v, v->shadow, frame);
        for (unsigned i = 0; i < SYSTEM_SPACES; i++)
            protect_frame(v, &spaces->shadow[i], frame);
        member_act_as(v, before);
    }
}

void pool_map_changed(struct vcpu *v)
{
    for (uint32_t m = 0; m < v->pool->members.count; m++) {
        shadow_map_changed(v->pool->members.member[m].shadow);
        system_space_map_changed(v->pool->members.member[m].spaces);
    }
}
