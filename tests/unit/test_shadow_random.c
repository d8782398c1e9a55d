/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Shadow paging under random guests: tables edited at will, faults, flushes, code that comes and goes, a host
 * that refuses, budgets large and tiny. After each step the record, the host's mappings and the audit must
 * agree. The oracle is the interpreter's page walk: what is mapped is what it allows without setting a bit.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "news.h"
#include "shadow_rig.h"

enum {
    TABLES_SIZE = RIG_TABLES_END - RIG_ROOT,
    STEPS = 40000,
    SPOT = 32, /* pages used at each end of a region: two windows */
};

/* Check's own assertions write to a file each time; these are made by the million. */
#define require(condition)                                                                                   \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            ck_abort_msg("step %u: %s", steps, #condition);                                                  \
    } while (0)

static struct vcpu *const v = &rig.v;
static unsigned steps;
static uint64_t seed;

/* Xorshift: small, and the same everywhere. */
static uint32_t below(uint32_t limit)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 32) % limit;
}

static bool chance(uint32_t percent)
{
    return below(100) < percent;
}

static uint64_t maybe(uint32_t percent, uint64_t bits)
{
    return chance(percent) ? bits : 0;
}

/* ---- Random tables ------------------------------------------------------------------------------- */

/* 4 MiB regions that are used: data and the code in its place meet; the nexus; beyond data segments. */
static const uint32_t regions[] = { 0, 1, 0x0f8, 0x0fc, 0x100, 0x101, 0x2ff, 0x300, 0x3ff };
enum { REGIONS = sizeof(regions) / sizeof(regions[0]) };

static guest_la random_la(void)
{
    if (chance(40)) /* a few pages often, and those that meet them */
        return regions[4 * below(2)] << 22 | below(8) << 12;
    uint32_t page = below(2 * SPOT);
    if (page >= SPOT)
        page += SHADOW_REGION_PAGES - 2 * SPOT;
    return regions[below(REGIONS)] << 22 | page << 12;
}

static bool pae(void)
{
    return (v->cr0 & X86_CR0_PG) && (v->cr4 & X86_CR4_PAE);
}

static uint64_t random_rights(void)
{
    return maybe(90, P) | maybe(85, W) | maybe(90, U) | maybe(75, A) | maybe(60, D);
}

/* What only PAE entries have: reserved bits, and NX, which is reserved unless EFER.NXE is set. */
static uint64_t random_high_bits(void)
{
    return pae() ? maybe(5, X86_PTE_NX) | maybe(2, 1ull << (36 + below(27))) : 0;
}

static uint64_t random_page(guest_la la)
{
    switch (below(10)) {
    case 0:
        return RIG_ROM + (below(16) << 12);
    case 1:
        return RIG_ROM_TOP + (below(16) << 12);
    case 2:
        return pae() ? RIG_HIGH + (below(16) << 12) : RIG_HOLE;
    case 3:
    case 4:
        return (guest_pa)below(RIG_RAM >> 12) << 12;
    default:
        return 0x100000 + (la & 0x7f000); /* consecutive frames, several times over */
    }
}

static void write_entry(guest_pa pa, unsigned index, uint64_t entry)
{
    if (pae())
        ((uint64_t *)(v->map.ram + pa))[index] = entry;
    else
        ((uint32_t *)(v->map.ram + pa))[index] = (uint32_t)entry;
}

static void edit_directory(guest_la la)
{
    uint64_t entry = RIG_TABLES + (guest_pa)below(RIG_TABLE_COUNT) * 4096;
    if (chance(15)) /* a large page; sometimes its address has reserved bits */
        entry = PS | maybe(40, 0x400000) | maybe(10, RIG_ROM) | maybe(5, 1 << (13 + below(8)));
    else if (chance(5))
        entry = chance(50) ? RIG_HOLE : RIG_ROM;
    entry |= random_rights() | random_high_bits();
    if (pae())
        write_entry(RIG_PAE + (la >> 30 << 12), la >> 21 & 511, entry);
    else
        write_entry(RIG_ROOT, la >> 22, entry);
}

static void edit_page(guest_la la)
{
    uint64_t entry = random_page(la) | random_rights() | random_high_bits();
    guest_pa table = RIG_TABLES + (guest_pa)below(RIG_TABLE_COUNT) * 4096;
    write_entry(table, pae() ? la >> 12 & 511 : la >> 12 & 1023, entry);
}

/* ---- The oracle ---------------------------------------------------------------------------------- */

static uint8_t tables_before[TABLES_SIZE];

static void tables_save(uint8_t *to)
{
    memcpy(to, v->map.ram + RIG_ROOT, TABLES_SIZE);
}

static void tables_restore(const uint8_t *from)
{
    memcpy(v->map.ram + RIG_ROOT, from, TABLES_SIZE);
}

static bool tables_are(const uint8_t *what)
{
    return memcmp(v->map.ram + RIG_ROOT, what, TABLES_SIZE) == 0;
}

/* What a page walk finds. */
struct oracle {
    bool allowed, memory, read_only;
    bool sets; /* it set a bit */
    uint64_t frame;
    struct walk w;
    uint8_t tables[TABLES_SIZE]; /* as it left them */
};

static void ask(struct oracle *o, guest_la la, unsigned access)
{
    tables_save(tables_before);
    o->allowed = paging_walk(v, la, ACCESS_USER | access, &o->w);
    tables_save(o->tables);
    o->sets = !tables_are(tables_before);
    tables_restore(tables_before);
    const struct region *r = o->allowed ? phys_region(v, o->w.pa) : NULL;
    o->memory = r != NULL;
    o->read_only = r && r->read_only;
    o->frame = r ? (r->offset + (o->w.pa - r->pa)) >> 12 : 0;
}

static bool natively_writable(const struct oracle *o)
{
    return o->w.writable && o->w.dirty && !o->read_only && !frame_has_code(v, o->frame);
}

/*
 * A mapping lets the guest do only what needs no walk: the walks for it are allowed, and find nothing to set,
 * which is the caller's to check.
 */
static void check_mapping(uint32_t page)
{
    const struct shadow_page *p = &v->shadow->page[page];
    struct walk w;
    require(paging_walk(v, page << 12, ACCESS_USER | (p->writable ? ACCESS_WRITE : 0), &w));
    const struct region *r = phys_region(v, w.pa);
    require(r && (r->offset + (w.pa - r->pa)) >> 12 == p->frame_plus_one - 1);
    require(!p->writable || (!r->read_only && !frame_has_code(v, p->frame_plus_one - 1)));
}

/* One page's record against the host and, in sync, the tables. True: it is mapped. */
static bool check_page(uint32_t page, bool synced)
{
    const struct shadow_page *p = &v->shadow->page[page];
    const struct space_page *h = &space.page[split_data(&v->split, page << 12) >> 12];
    if (!p->frame_plus_one) {
        require(!h->frame_plus_one || (h->rights & SPACE_EXEC));
        return false;
    }
    require(h->frame_plus_one == p->frame_plus_one);
    require(h->rights == (p->writable ? SPACE_READ | SPACE_WRITE : SPACE_READ));
    if (synced)
        check_mapping(page);
    return true;
}

/* The record against the host; against the tables, too, if they have not been edited since the last flush. */
static void check_record(bool synced)
{
    uint32_t pages = 0, runs = 0;
    tables_save(tables_before);
    for (unsigned i = 0; i < REGIONS; i++) {
        uint32_t first = regions[i] << 10, last = first + SHADOW_REGION_PAGES - 1;
        for (uint32_t n = 0; n < SPOT; n++)
            pages += check_page(first + n, synced) + check_page(last - n, synced);
        uint32_t at = split_data(&v->split, first << 12) >> 12;
        runs += space_runs(at, at + SPOT - 1) +
                space_runs(at + SHADOW_REGION_PAGES - SPOT, at + SHADOW_REGION_PAGES - 1);
    }
    require(tables_are(tables_before));
    require(pages == v->shadow->pages);
    require(pages == space.data_pages);
    require(runs == v->shadow->mappings);
    if (synced) {
        struct shadow_finding finding = shadow_audit(v, v->shadow);
        if (finding.what)
            ck_abort_msg("step %u: %08x: %s", steps, finding.la, finding.what);
    }
}

/* ---- Steps --------------------------------------------------------------------------------------- */

static bool has_place(guest_la la)
{
    return la <= v->split.data_limit && !code_in_nexus(v->code, split_data(&v->split, la));
}

/* What shadow_fault() has to answer. Frames' code has its say, and the host. */
static enum shadow_answer expected_answer(const struct oracle *o, guest_la la, bool write)
{
    const struct shadow_page *p = &v->shadow->page[la >> 12];
    guest_la at = split_data(&v->split, la);
    bool refused = space.refuse_all || space.refuse == at >> 12;
    bool code_here = code_page_at(v, at) && at == la;
    if (!has_place(la) || !o->allowed || !o->memory || (write && o->read_only) || (code_here && !write))
        return SHADOW_EMULATE;
    if (write && frame_has_code(v, o->frame) && !rig.yield)
        return SHADOW_EMULATE;
    if (p->frame_plus_one == o->frame + 1 && (p->writable || !(write || natively_writable(o))))
        return SHADOW_EMULATE;
    /* To make it writable the host is not asked for a mapping. */
    return refused && p->frame_plus_one != o->frame + 1 ? SHADOW_EMULATE : SHADOW_MAPPED;
}

static void step_fault(void)
{
    static struct oracle o;
    static guest_la la;
    la = chance(30) ? la : random_la();
    bool write = chance(50), was_mapped[SHADOW_WINDOW_MAX], prefilled = false;
    uint32_t window = la >> 12 & ~(SHADOW_WINDOW_MAX - 1u);
    rig.yield = chance(50);
    /* Not when eviction may take the page, or not: both answers would be right. */
    space.refuse_all = v->shadow->mappings + 2 <= v->shadow->budget && chance(3);
    for (unsigned i = 0; i < SHADOW_WINDOW_MAX; i++)
        was_mapped[i] = v->shadow->page[window + i].frame_plus_one;
    ask(&o, la, write ? ACCESS_WRITE : 0);
    enum shadow_answer expected = expected_answer(&o, la, write);
    require(shadow_fault(v, v->shadow, la | below(4096), write ? ACCESS_WRITE : 0) == expected);
    space.refuse_all = false;
    /* Bits are set as by the access itself, and nowhere else: not by looking at neighbours. */
    require(tables_are(has_place(la) ? o.tables : tables_before));
    if (expected == SHADOW_MAPPED) {
        const struct space_page *h = &space.page[split_data(&v->split, la) >> 12];
        require(h->frame_plus_one == o.frame + 1);
        require(h->rights == (natively_writable(&o) ? SPACE_READ | SPACE_WRITE : SPACE_READ));
        require(!write || (h->rights & SPACE_WRITE));
    }
    for (unsigned i = 0; i < SHADOW_WINDOW_MAX; i++) {
        if (was_mapped[i] || !v->shadow->page[window + i].frame_plus_one)
            continue;
        check_mapping(window + i);
        prefilled = true;
    }
    require(tables_are(has_place(la) ? o.tables : tables_before));
    require(!prefilled || expected == SHADOW_MAPPED);
}

static void step_code(void)
{
    static struct oracle o;
    guest_la la = random_la();
    if (rig.code_count && chance(40)) {
        rig_drop_code(below(rig.code_count));
        return;
    }
    ask(&o, la, 0);
    if (!o.allowed || !o.memory || code_in_nexus(v->code, la))
        return;
    if (chance(20)) {
        v->code_frame[o.frame].granules = chance(70);
        if (v->code_frame[o.frame].granules)
            shadow_protect_frame(v, v->shadow, o.frame);
    } else {
        rig_make_code(la, o.frame);
    }
}

/* Control registers and the address lines: all of these flush. */
static void step_mode(void)
{
    switch (below(6)) {
    case 0:
        v->cr4 ^= X86_CR4_PSE;
        break;
    case 1:
        v->efer ^= X86_EFER_NXE;
        break;
    case 2:
        v->cr0 ^= X86_CR0_WP;
        break;
    case 3:
        v->pa_mask ^= 1ull << 20;
        break;
    case 4:
        v->pdpte[below(4)] ^= P;
        break;
    case 5:
        v->cr3 = v->cr3 == RIG_ROOT ? RIG_PAE : RIG_ROOT;
        break;
    }
}

/* One step of a guest's life. True: the shadow is as the tables are. */
static bool step(bool synced)
{
    uint32_t what = below(100);
    if (what < 45) {
        step_fault();
    } else if (what < 70) {
        if (chance(85))
            edit_page(random_la());
        else
            edit_directory(random_la());
        synced = false;
    } else if (what < 80) {
        guest_la la = random_la();
        shadow_drop_page(v, v->shadow, la);
        require(v->shadow->page[la >> 12].frame_plus_one == 0);
    } else if (what < 90) {
        step_code();
    } else if (what == 99 && chance(20)) {
        shadow_drop_all(v, v->shadow);
        require(v->shadow->pages == 0);
        synced = true;
    } else {
        if (chance(10))
            step_mode();
        tables_save(tables_before);
        v->shadow->stale = true;
        shadow_sync(v, v->shadow);
        require(!v->shadow->stale && tables_are(tables_before));
        synced = true;
    }
    return synced;
}

static void start(uint32_t mode, uint32_t case_seed)
{
    memset(&space, 0, sizeof(space));
    rig_open(RIG_RAM);
    seed = 0x9e3779b97f4a7c15ull * (case_seed + 1);
    for (unsigned i = 0; i < 4; i++)
        v->pdpte[i] = (RIG_PAE + i * 4096) | P;
    v->cr3 = RIG_ROOT;
    v->cr4 = X86_CR4_PSE | (mode == 2 ? X86_CR4_PAE : 0);
    v->cr0 |= mode ? X86_CR0_PG : 0;
    for (unsigned i = 0; mode && i < REGIONS; i++) {
        edit_directory(regions[i] << 22);
        edit_directory(regions[i] << 22 | 0x3ff000);
    }
    for (unsigned i = 0; i < 6000; i++)
        edit_page(random_la());
}

/* Paging mode, provider, budget and window of each case. */
static const struct {
    const char *name;
    uint32_t mode; /* 0: no paging, 1: 32-bit, 2: PAE */
    enum d86_split split;
    uint32_t budget, window, runs;
} cases[] = {
    { "32-bit", 1, D86_SPLIT_SEGMENT, SHADOW_BUDGET, 16, 2 },
    { "32-bit, keys", 1, D86_SPLIT_PKU, SHADOW_BUDGET, 16, 2 },
    { "32-bit, no split", 1, D86_SPLIT_NONE, SHADOW_BUDGET, 16, 16 },
    { "32-bit, tiny budget", 1, D86_SPLIT_SEGMENT, 4, 16, 16 },
    { "32-bit, small budget", 1, D86_SPLIT_PKU, 12, 8, 8 },
    { "32-bit, one page at a time", 1, D86_SPLIT_SEGMENT, SHADOW_BUDGET, 1, 1 },
    { "PAE", 2, D86_SPLIT_SEGMENT, SHADOW_BUDGET, 16, 2 },
    { "PAE, keys, small budget", 2, D86_SPLIT_PKU, 20, 16, 16 },
    { "no paging", 0, D86_SPLIT_SEGMENT, SHADOW_BUDGET, 16, 2 },
    { "no paging, tiny budget", 0, D86_SPLIT_PKU, 4, 16, 16 },
};

START_TEST(survives_a_random_guest)
{
    start(cases[_i].mode, (uint32_t)_i);
    rig_split(cases[_i].split);
    v->shadow->budget = cases[_i].budget;
    v->shadow->window = cases[_i].window;
    v->shadow->runs = cases[_i].runs;
    bool synced = true;
    for (steps = 0; steps < STEPS; steps++) {
        synced = step(synced);
        if (steps % 8 == 0 || cases[_i].budget < 64)
            check_record(synced);
        require(v->shadow->mappings <= v->shadow->budget);
    }
    /* The test is worth nothing where hardly anything happens. */
    const struct exec_stats *c = &v->counts;
    ck_assert_uint_gt(c->shadow_fills, STEPS / 100);
    ck_assert_uint_gt(c->shadow_drops, cases[_i].budget < 64 ? 50 : STEPS / 50);
    ck_assert(cases[_i].budget < 8 || c->shadow_upgrades > 30);
    ck_assert(cases[_i].window == 1 || c->shadow_prefills > 1000);
    ck_assert(cases[_i].budget > 64 || c->shadow_evictions > 1000);
    ck_assert_uint_gt(rig.yields, 50);
    if (cases[_i].split != D86_SPLIT_SEGMENT)
        ck_assert_uint_gt(c->trap_split, 20);
    else if (cases[_i].mode) /* without paging there is no memory where the two meet */
        ck_assert_uint_gt(c->code_conflicts, 3);
    rig_close();
}
END_TEST

/* Looking at a page without touching it, against a walk. */
START_TEST(looking_finds_what_a_walk_finds)
{
    static struct oracle o;
    unsigned allowed = 0, refused = 0;
    start((uint32_t)_i, 100 + (uint32_t)_i);
    for (unsigned n = 0; n < 40000; n++) {
        guest_la la = random_la();
        struct paging_span span;
        guest_pa pa = 0;
        edit_page(random_la());
        if (n % 16 == 0)
            edit_directory(random_la());
        if (n % 64 == 0)
            step_mode();
        paging_span(v, la, &span);
        require(span.first <= la && la <= span.last);
        uint32_t bits = paging_span_page(v, &span, la, &pa);
        ask(&o, la, 0);
        require(((bits & (P | U)) == (P | U)) == o.allowed);
        if (o.allowed)
            require(pa == o.w.pa);
        require(((bits & (P | U | A)) == (P | U | A)) == (o.allowed && !o.sets));
        allowed += o.allowed;
        refused += !o.allowed;
        ask(&o, la, ACCESS_WRITE);
        require(((bits & (P | U | W)) == (P | U | W)) == o.allowed);
        require(((bits & (P | U | W | A | D)) == (P | U | W | A | D)) == (o.allowed && !o.sets));
    }
    ck_assert(allowed > 1000 && (refused > 1000 || _i == 0));
    rig_close();
}
END_TEST

/* ---- The budget ---------------------------------------------------------------------------------- */

enum { GIB_PAGES = 1 << 18 };

START_TEST(a_gibibyte_touched_at_random_stays_within_the_budget)
{
    enum { TABLES = GIB_PAGES / 1024, FIRST_FRAME = 512, TOUCHES = 300000 };
    memset(&space, 0, sizeof(space));
    rig_open(((uint64_t)GIB_PAGES + FIRST_FRAME) << 12);
    rig_paging_32(TABLES);
    /* An odd multiplier permutes the frames, so that no two neighbours make one mapping. */
    for (uint32_t i = 0; i < GIB_PAGES; i++)
        rig_set_32(i << 12, (FIRST_FRAME + (i * 40503u) % GIB_PAGES) << 12 | P | W | U | A | D);
    seed = 42;
    uint32_t most = 0;
    for (unsigned n = 0; n < TOUCHES; n++) {
        uint32_t page = below(GIB_PAGES);
        if (v->shadow->page[page].frame_plus_one)
            continue;
        require(shadow_fault(v, v->shadow, page << 12, n & 1 ? ACCESS_WRITE : 0) == SHADOW_MAPPED);
        require(v->shadow->mappings <= SHADOW_BUDGET);
        if (v->shadow->mappings > most)
            most = v->shadow->mappings;
        if (n % 30000 == 0)
            ck_assert_uint_eq(space_runs(0, (1 << 20) - 1), v->shadow->mappings);
    }
    struct shadow_finding finding = shadow_audit(v, v->shadow);
    ck_assert_msg(!finding.what, "%08x: %s", finding.la, finding.what);
    /* It was used to the full, and room was made piece by piece. */
    ck_assert_uint_gt(most, SHADOW_BUDGET - 64);
    ck_assert_uint_gt(v->counts.shadow_evictions, SHADOW_BUDGET);
    ck_assert_uint_gt(v->shadow->mappings, SHADOW_BUDGET / 2);
    rig_close();
}
END_TEST

/* One run over many regions: taking any of them out of it would only make more mappings. */
START_TEST(eviction_finds_room_where_all_is_one_run)
{
    memset(&space, 0, sizeof(space));
    rig_open(64 << 20);
    v->shadow->budget = 4;
    for (guest_la la = 0; la < 48 << 20; la += SHADOW_WINDOW_MAX << 12)
        ck_assert_int_eq(shadow_fault(v, v->shadow, la, 0), SHADOW_MAPPED);
    ck_assert_uint_eq(v->shadow->mappings, 1);
    ck_assert_uint_eq(v->counts.shadow_evictions, 0);
    for (unsigned frame = 100; frame < 110; frame += 2) {
        shadow_protect_frame(v, v->shadow, frame);
        ck_assert_uint_le(v->shadow->mappings, 4);
    }
    ck_assert_uint_gt(v->counts.shadow_evictions, 0);
    ck_assert_uint_eq(space_runs(0, (1 << 20) - 1), v->shadow->mappings);
    rig_close();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("shadow, random");
    TCase *tc = tcase_create("random");
    tcase_set_timeout(tc, 100);
    tcase_add_loop_test(tc, survives_a_random_guest, 0, sizeof(cases) / sizeof(cases[0]));
    tcase_add_loop_test(tc, looking_finds_what_a_walk_finds, 0, 3);
    suite_add_tcase(suite, tc);

    tc = tcase_create("budget");
    tcase_set_timeout(tc, 100);
    tcase_add_test(tc, a_gibibyte_touched_at_random_stays_within_the_budget);
    tcase_add_test(tc, eviction_finds_room_where_all_is_one_run);
    suite_add_tcase(suite, tc);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
