/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Address spaces by CR3 and the executor processes that have them: who moves in where, who is a visitor, page
 * directories that are used again; and what is noted for processes that sleep, few changes and too many. The
 * pool, its lists and shadow paging are real, a process is a table of what is mapped in it.
 */
#include "pool.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <x86intrin.h>

#include "../oracle/rng.h"
#include "channel.h"
#include "pool_host.h"
#include "shadow_rig.h"
#include "system_space.h"
#include "tlb.h"

enum {
    MEMBERS = 3,
    TABLES = RIG_TABLE_COUNT, /* page tables, of 4 MiB each, from linear address 0 on */
    DIRECTORIES = 5,          /* page directories after the tables: address spaces */
    DIRECTORY = RIG_TABLES_END,
    OTHER_TABLE =
        DIRECTORY + DIRECTORIES * 4096, /* page tables that a directory gets when it is used again */
    FIRST = 0x100,                      /* page at which the suite's memory begins */
    RAM = 32 << 20,
    FRAMES = 3000, /* that random steps use */
    STEPS = 20000,
    LONG = 5000, /* interpreted instructions that make a stay a long one: pool.c */
    USER = P | W | U | A | D,
};

static struct vcpu *const v = &rig.v;
static struct pool *pool;
static uint32_t awake; /* the process that has the vCPU */
static unsigned codes_forgotten;

/* ---- Processes ----------------------------------------------------------------------------------------- */

#define PROCESS_PAGES (NOTHING_BASE >> 12)

static struct space_page *process[MEMBERS];

static struct space_page *mapped_at(long at, long size)
{
    ck_assert_uint_eq(((unsigned long)at | (unsigned long)size) % 4096, 0);
    ck_assert_uint_le(((unsigned long)at + (unsigned long)size) >> 12, PROCESS_PAGES);
    return &process[awake][at >> 12];
}

static uint8_t rights_of(long protection)
{
    return (uint8_t)((protection & PROT_READ ? SPACE_READ : 0) | (protection & PROT_WRITE ? SPACE_WRITE : 0));
}

long pool_host_call(long number, long a, long b, long c, long d, long e, long f)
{
    struct space_page *p = mapped_at(a, b);
    (void)d;
    for (long i = 0; i < b >> 12; i++) {
        if (number == __NR_mmap) {
            ck_assert_int_eq(e, CHANNEL_FD_RAM);
            p[i] = (struct space_page){ (uint32_t)(f >> 12) + (uint32_t)i + 1, rights_of(c) };
        } else if (number == __NR_munmap) {
            if (p[i].frame_plus_one)
                p[i] = (struct space_page){ 0 };
        } else {
            ck_assert_int_eq(number, __NR_mprotect);
            ck_assert_uint_ne(p[i].frame_plus_one, 0);
            p[i].rights = rights_of(c);
        }
    }
    return number == __NR_mmap ? a : 0;
}

int tlb_map(int fd, uint32_t at)
{
    (void)fd, (void)at;
    return -1;
}

int tlb_prime(int fd, uint32_t at, uint8_t *fetched, const uint8_t *read)
{
    (void)fd, (void)at, (void)fetched, (void)read;
    return -1;
}

void code_forget_member(struct vcpu *cpu)
{
    (void)cpu;
    codes_forgotten++;
}

/* ---- The rig ------------------------------------------------------------------------------------------- */

static void *sparse(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ck_assert_ptr_ne(p, MAP_FAILED);
    return p;
}

static void open_shadow(struct shadow *s, uint64_t base)
{
    shadow_init(s, base, sparse(SHADOW_PAGES * sizeof(struct shadow_page)),
                sparse((rig.ram_size >> 12) * sizeof(uint32_t)));
}

static uint32_t *directory(unsigned number)
{
    return (uint32_t *)(v->map.ram + DIRECTORY + number * 4096);
}

static bool long_time; /* the present stay is long by the clock */

/* By the clock no stay is long unless it is said, however slow the test is. */
static void enter(unsigned number)
{
    if (!long_time)
        pool->stay.began = __rdtsc();
    long_time = false;
    v->cr3 = DIRECTORY + number * 4096;
}

/* The process of each test ends with it, so what is mapped here goes then. */
static void setup(void)
{
    rig_open(RAM);
    rig_paging_32(TABLES);
    for (unsigned number = 0; number < DIRECTORIES; number++)
        memcpy(directory(number), v->map.ram + RIG_ROOT, 4096);
    for (uint32_t page = FIRST; page < TABLES * 1024; page++)
        rig_set_32(page << 12, page << 12 | USER);
    pool = sparse(sizeof(*pool));
    pool->members.count = MEMBERS;
    for (unsigned m = 0; m < MEMBERS; m++) {
        process[m] = sparse(PROCESS_PAGES * sizeof(*process[m]));
        pool->members.member[m].shadow = m ? sparse(sizeof(struct shadow)) : v->shadow;
        pool->members.member[m].code = m ? sparse(sizeof(struct code_cache)) : v->code;
        struct system_spaces *spaces = pool->members.member[m].spaces = sparse(sizeof(*spaces));
        if (m)
            open_shadow(pool->members.member[m].shadow, 0);
        for (unsigned i = 0; i < SYSTEM_SPACES; i++)
            open_shadow(&spaces->shadow[i], SYSTEM_WINDOW(i));
        pool->members.member[m].shadow_system = &spaces->shadow[0];
    }
    v->pool = pool;
    v->members = &pool->members;
    v->engine = D86_ENGINE_SBE;
    v->spaces = pool->members.member[0].spaces;
    v->shadow_system = pool->members.member[0].shadow_system;
    v->tsc_khz = UINT32_MAX;
    awake = 0;
    codes_forgotten = 0;
    space_init(0);
    enter(0);
}

static void long_by_clock(void)
{
    pool->stay.began = __rdtsc() - v->tsc_khz * UINT64_C(200) / 1000;
    long_time = true;
}

/* The process that pool_choose() or pool_go_home() wants gets the vCPU. */
static void hand_over(void)
{
    ck_assert(pool->moving);
    awake = pool->current;
    space_init(awake);
    pool_arrive(v, awake);
    ck_assert(!pool->moving);
    ck_assert_ptr_eq(v->shadow, pool->members.member[awake].shadow);
    ck_assert_ptr_eq(v->spaces, pool->members.member[awake].spaces);
    ck_assert_uint_eq(v->member, awake);
}

/* Run in an address space that has or gets a home. */
static void run_at_home(unsigned number)
{
    enter(number);
    (void)pool_choose(v);
    if (pool->moving || (!pool_is_here(v) && pool_go_home(v) == POOL_MOVE))
        hand_over();
    ck_assert(pool_is_here(v));
    shadow_sync(v, v->shadow);
}

static const struct space_page *in_process(uint32_t m, guest_la la)
{
    return &process[m][split_data(&v->split, la) >> 12];
}

static void use(guest_la la, unsigned access)
{
    ck_assert_int_eq(shadow_fault(v, v->shadow, la, access), SHADOW_MAPPED);
}

static void audit(void)
{
    struct shadow_finding finding = shadow_audit(v, v->shadow);
    ck_assert_msg(!finding.what, "%08x: %s", finding.la, finding.what);
}

/* What is mapped for user code in the process that has the vCPU is what its records say. (An assertion of
 * check's is a system call.) */
static void check_records(void)
{
    for (uint32_t page = 0; page < TABLES * 1024; page++) {
        const struct space_page *p = in_process(awake, page << 12);
        const struct shadow_page *s = &v->shadow->page[page];
        if (p->frame_plus_one != s->frame_plus_one ||
            (s->frame_plus_one && !(p->rights & SPACE_WRITE) == s->writable))
            ck_abort_msg("page %x: frame %x, rights %x, not %x, %x", page, p->frame_plus_one - 1, p->rights,
                         s->frame_plus_one - 1, s->writable);
    }
}

static void frame_becomes_code(uint64_t frame)
{
    v->code_frame[frame].granules = 1;
    pool_protect_frame(v, frame);
}

/* ---- Who lives where ----------------------------------------------------------------------------------- */

START_TEST(the_first_moves_in_and_the_next_is_a_visitor)
{
    ck_assert_int_eq(pool_choose(v), POOL_HERE);
    ck_assert(pool_is_here(v));
    enter(1);
    ck_assert_int_eq(pool_choose(v), POOL_VISITOR);
    ck_assert(!pool_is_here(v) && !pool_has_home(v) && !pool->moving);
    ck_assert_int_eq(pool_go_home(v), POOL_MOVE);
    ck_assert(pool_has_home(v));
    hand_over();
    ck_assert_uint_eq(awake, 1);
    ck_assert_int_eq(pool_choose(v), POOL_HERE);
    ck_assert_uint_eq(v->counts.space_moves, 1);
    ck_assert_uint_eq(v->counts.moves, 0); /* nobody had to go */
}
END_TEST

START_TEST(who_was_away_longest_makes_room)
{
    static const struct {
        unsigned number, member;
    } stays[] = { { 0, 0 }, { 1, 1 }, { 2, 2 }, { 0, 0 }, { 3, 1 }, { 2, 2 }, { 4, 0 }, { 1, 1 }, { 2, 2 } };
    for (unsigned i = 0; i < sizeof(stays) / sizeof(stays[0]); i++) {
        run_at_home(stays[i].number);
        ck_assert_msg(awake == stays[i].member, "stay %u: member %u", i, awake);
    }
    ck_assert_uint_eq(v->counts.moves, 3); /* 3 for 1, 4 for 0, 1 for 3 */
}
END_TEST

static void stay_instructions(void)
{
    pool_interpreted(v, LONG);
}

static void stay_briefly(void)
{
    pool_interpreted(v, LONG - 1);
}

static const struct {
    const char *name;
    void (*stay)(void);
    enum pool_answer next_time;
} stay_rows[] = {
    { "many instructions", stay_instructions, POOL_MOVE },
    { "a long time", long_by_clock, POOL_MOVE },
    { "one instruction less", stay_briefly, POOL_VISITOR },
};

START_TEST(a_stay_is_taken_to_be_like_the_last_one)
{
    run_at_home(0);
    run_at_home(1);
    stay_rows[_i].stay();
    run_at_home(0);
    enter(1);
    ck_assert_msg(pool_choose(v) == stay_rows[_i].next_time, "%s", stay_rows[_i].name);
}
END_TEST

START_TEST(a_visitor_goes_home_when_its_stay_becomes_long)
{
    run_at_home(0);
    run_at_home(1);
    run_at_home(0);
    enter(1);
    ck_assert_int_eq(pool_choose(v), POOL_VISITOR);
    stay_rows[_i].stay();
    ck_assert_msg(pool_choose(v) == stay_rows[_i].next_time, "%s", stay_rows[_i].name);
}
END_TEST

START_TEST(a_visit_in_between_ends_a_stay)
{
    run_at_home(0);
    stay_briefly();
    enter(1);
    ck_assert_int_eq(pool_choose(v), POOL_VISITOR);
    enter(0);
    ck_assert_int_eq(pool_choose(v), POOL_HERE);
    stay_briefly(); /* both together would be long */
    run_at_home(1);
    enter(0);
    ck_assert_int_eq(pool_choose(v), POOL_VISITOR);
}
END_TEST

START_TEST(eager_means_at_once)
{
    v->sbe.eager = true;
    for (unsigned i = 0; i < 2 * MEMBERS; i++) {
        enter(i % MEMBERS);
        ck_assert_int_ne(pool_choose(v), POOL_VISITOR);
        if (pool->moving)
            hand_over();
        ck_assert_uint_eq(awake, i % MEMBERS);
    }
}
END_TEST

START_TEST(one_process_has_one_address_space)
{
    pool->members.count = 1;
    for (unsigned i = 0; i < 4; i++) {
        run_at_home(i % 2);
        ck_assert_uint_eq(awake, 0);
    }
    ck_assert_uint_eq(v->counts.moves, 3);
    ck_assert_uint_eq(v->counts.space_moves, 0);
}
END_TEST

/* ---- Page directories that are used again -------------------------------------------------------------- */

/* The address space gets page tables of its own for the first `tables` of the TABLES. */
static void use_again(unsigned number, unsigned tables)
{
    for (unsigned i = 0; i < tables; i++) {
        uint32_t table = OTHER_TABLE + i * 4096;
        memcpy(v->map.ram + table, v->map.ram + RIG_TABLES + i * 4096, 4096);
        directory(number)[i] = table | P | W | U | A;
    }
}

static const struct {
    const char *name;
    unsigned tables;
    bool reused;
} reuse_rows[] = {
    { "none", 0, false },
    { "half of them", TABLES / 2, false },
    { "most", TABLES / 2 + 1, true },
    { "all", TABLES, true },
};

START_TEST(a_directory_with_other_page_tables_is_a_newcomers)
{
    run_at_home(0);
    run_at_home(1);
    for (unsigned i = 0; i < TABLES; i++)
        use(i * 0x400000 + FIRST * 4096, ACCESS_WRITE);
    v->shadow->stale = true;
    shadow_sync(v, v->shadow); /* what they were compared with is known by then */
    pool_interpreted(v, LONG);
    run_at_home(0);
    use_again(1, reuse_rows[_i].tables);
    enter(1);
    ck_assert_msg(pool_choose(v) == (reuse_rows[_i].reused ? POOL_VISITOR : POOL_MOVE), "%s",
                  reuse_rows[_i].name);
    ck_assert_uint_eq(pool_has_home(v), !reuse_rows[_i].reused);
    ck_assert_uint_eq(v->counts.space_reuses, reuse_rows[_i].reused);
}
END_TEST

static const struct {
    const char *name;
    uint32_t before, kept;
    bool eager, lockstep, stays;
} compared_rows[] = {
    { "one more than half are gone", 16, 7, false, false, false },
    { "half stayed", 16, 8, false, false, true },
    { "all are gone", 16, 0, false, false, false },
    { "too few to tell", 7, 0, false, false, true },
    { "eager", 16, 0, true, false, true },
    { "another engine", 16, 0, false, true, true },
};

START_TEST(pages_that_are_others_make_a_newcomer)
{
    run_at_home(0);
    v->sbe.eager = compared_rows[_i].eager;
    if (compared_rows[_i].lockstep)
        v->engine = D86_ENGINE_LOCKSTEP;
    ck_assert_msg(pool_compared(v, compared_rows[_i].before, compared_rows[_i].kept) ==
                      compared_rows[_i].stays,
                  "%s", compared_rows[_i].name);
    ck_assert_uint_eq(pool_has_home(v), compared_rows[_i].stays);
}
END_TEST

/* ---- What is noted for those who sleep ----------------------------------------------------------------- */

START_TEST(a_frame_that_becomes_code_is_writable_nowhere)
{
    guest_la la = FIRST << 12;
    for (unsigned number = 0; number < MEMBERS; number++) {
        run_at_home(number);
        use(la, ACCESS_WRITE);
    }
    frame_becomes_code(FIRST);
    for (uint32_t m = 0; m < MEMBERS; m++) {
        ck_assert(!pool->members.member[m].shadow->page[FIRST].writable);
        /* There it is done now, in the others when they have their turn. */
        ck_assert_uint_eq(in_process(m, la)->rights, m == awake ? SPACE_READ : SPACE_READ | SPACE_WRITE);
    }
    for (unsigned number = 0; number < MEMBERS; number++) {
        run_at_home(number);
        ck_assert_uint_eq(in_process(awake, la)->rights, SPACE_READ);
        check_records();
        audit();
    }
}
END_TEST

/* Every other frame, from FIRST on, which member 0 has writable: each is a change of its own. */
static void change_for_sleeper(unsigned changes)
{
    run_at_home(0);
    for (unsigned i = 0; i < 2 * changes; i++)
        if (in_process(0, (FIRST + i) << 12)->frame_plus_one == 0)
            use((FIRST + i) << 12, ACCESS_WRITE);
    run_at_home(1);
    for (unsigned i = 0; i < changes; i++)
        frame_becomes_code(FIRST + 2 * i);
    ck_assert_uint_eq(pool->members.member[0].change_count, changes);
}

START_TEST(as_many_changes_as_fit_are_done)
{
    change_for_sleeper(MEMBER_CHANGES_MAX);
    run_at_home(0);
    ck_assert_uint_eq(v->counts.space_overflows, 0);
    ck_assert_uint_eq(pool->members.member[0].change_count, 0);
    ck_assert_uint_ge(v->shadow->pages, 2 * MEMBER_CHANGES_MAX);
    check_records();
    audit();
}
END_TEST

START_TEST(one_change_more_and_all_is_mapped_anew)
{
    change_for_sleeper(MEMBER_CHANGES_MAX + 1);
    frame_becomes_code(FIRST + 2 * (MEMBER_CHANGES_MAX + 1)); /* no harm beyond that */
    run_at_home(0);
    ck_assert_uint_eq(v->counts.space_overflows, 1);
    ck_assert_uint_eq(codes_forgotten, 1);
    ck_assert_uint_eq(pool->members.member[0].change_count, 0);
    ck_assert_uint_eq(v->shadow->pages, 0);
    uint32_t left = 0;
    for (unsigned long page = 0; page < PROCESS_PAGES; page++)
        left += process[0][page].frame_plus_one != 0;
    ck_assert_uint_eq(left, 0);
    use((FIRST + 1) << 12, ACCESS_WRITE);
    ck_assert_int_eq(shadow_fault(v, v->shadow, FIRST << 12, 0), SHADOW_MAPPED);
    check_records();
    audit();
    /* The others keep what they have. */
    run_at_home(1);
    ck_assert_uint_eq(codes_forgotten, 1);
}
END_TEST

START_TEST(changes_side_by_side_are_one)
{
    run_at_home(0);
    for (unsigned i = 0; i < 64; i++)
        if (in_process(0, (FIRST + i) << 12)->frame_plus_one == 0)
            use((FIRST + i) << 12, ACCESS_WRITE);
    run_at_home(1);
    for (unsigned i = 0; i < 64; i++)
        frame_becomes_code(FIRST + i);
    ck_assert_uint_eq(pool->members.member[0].change_count, 1);
    run_at_home(0);
    check_records();
    audit();
}
END_TEST

/* ---- Anything ------------------------------------------------------------------------------------------ */

/* Something that the guest or the engine does; the guest's flush follows whatever it changed. */
static void random_step(struct rng *rng)
{
    uint32_t page = FIRST + rng_below(rng, FRAMES), frame = FIRST + rng_below(rng, FRAMES);
    bool all = rng_one_in(rng, 64);
    switch (rng_below(rng, 16)) {
    case 0: /* another program */
        run_at_home(rng_below(rng, DIRECTORIES));
        break;
    case 1: /* a table changes */
        rig_set_32(page << 12, frame << 12 | (USER & ~(rng_below(rng, 4) ? 0u : (uint32_t)W)));
        v->shadow->stale = true;
        shadow_sync(v, v->shadow);
        break;
    case 2: /* some become code, or every other one does */
        if (all) {
            for (unsigned i = FIRST; i < FIRST + FRAMES; i += 2)
                frame_becomes_code(i);
        } else {
            for (unsigned i = 0; i < 2; i++)
                frame_becomes_code(FIRST + rng_below(rng, FRAMES));
        }
        break;
    case 3: /* one is no more, or all are none */
        for (unsigned i = FIRST; i < FIRST + FRAMES && all; i++)
            v->code_frame[i].granules = 0;
        v->code_frame[frame].granules = 0;
        break;
    default:
        (void)shadow_fault(v, v->shadow, page << 12, rng_below(rng, 2) ? ACCESS_WRITE : 0);
    }
}

START_TEST(whatever_happens_processes_have_what_their_records_say)
{
    struct rng rng = { 1 + (uint64_t)_i };
    run_at_home(0);
    for (unsigned step = 0; step < STEPS; step++) {
        random_step(&rng);
        if (step % 512)
            continue;
        check_records();
        audit();
    }
    ck_assert_uint_gt(v->counts.space_moves, 50);
    ck_assert_uint_gt(v->counts.space_changes, 1000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pool");
    TCase *tc = tcase_create("pool");
    tcase_set_timeout(tc, 100);
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, the_first_moves_in_and_the_next_is_a_visitor);
    tcase_add_test(tc, who_was_away_longest_makes_room);
    tcase_add_loop_test(tc, a_stay_is_taken_to_be_like_the_last_one, 0,
                        sizeof(stay_rows) / sizeof(stay_rows[0]));
    tcase_add_loop_test(tc, a_visitor_goes_home_when_its_stay_becomes_long, 0,
                        sizeof(stay_rows) / sizeof(stay_rows[0]));
    tcase_add_test(tc, a_visit_in_between_ends_a_stay);
    tcase_add_test(tc, eager_means_at_once);
    tcase_add_test(tc, one_process_has_one_address_space);
    tcase_add_loop_test(tc, a_directory_with_other_page_tables_is_a_newcomers, 0,
                        sizeof(reuse_rows) / sizeof(reuse_rows[0]));
    tcase_add_loop_test(tc, pages_that_are_others_make_a_newcomer, 0,
                        sizeof(compared_rows) / sizeof(compared_rows[0]));
    tcase_add_test(tc, a_frame_that_becomes_code_is_writable_nowhere);
    tcase_add_test(tc, as_many_changes_as_fit_are_done);
    tcase_add_test(tc, one_change_more_and_all_is_mapped_anew);
    tcase_add_test(tc, changes_side_by_side_are_one);
    suite_add_tcase(suite, tc);
    tc = tcase_create("random");
    tcase_set_timeout(tc, 100);
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_loop_test(tc, whatever_happens_processes_have_what_their_records_say, 0, 2);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
