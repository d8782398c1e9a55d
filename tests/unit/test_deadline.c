/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Deadlines of runs (d86_exit.deadline_ns): they come, whatever the guest is doing and wherever the processor
 * is, none is lost, and none comes that was not asked for.
 */
#include <check.h>
#include <time.h>

#include "sbe_guest.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MS            UINT64_C(1000000)

/* A busy host makes anything wait: what has not come by then is lost. */
#define LOST_AFTER (60000 * MS)

static const struct d86_vcpu_config processors[] = {
    { .engine = D86_ENGINE_INTERP, .in_caller = true },
    { .engine = D86_ENGINE_INTERP },
    { .engine = D86_ENGINE_SBE, .eager = true },
    { .engine = D86_ENGINE_SBE },
};

enum { PROCESSORS = ARRAY_SIZE(processors) };

static const struct {
    const char *name;
    uint8_t code[32];
    size_t size;
} guests[] = {
    /* L: JMP L */
    { "a loop", { 0xeb, 0xfe }, 2 },
    /* L: INC DWORD [EBX]; XOR EAX, EAX; CPUID; MOV EBX, 30000; JMP L */
    { "a site every few instructions",
      { 0xff, 0x03, 0x31, 0xc0, 0x0f, 0xa2, 0xbb, 0x00, 0x00, 0x03, 0x00, 0xeb, 0xf3 },
      13 },
    /* L: MOV ECX, 40000; MOV ESI, EBX; REP LODSB; JMP L */
    { "long strings", { 0xb9, 0x00, 0x00, 0x04, 0x00, 0x89, 0xde, 0xf3, 0xac, 0xeb, 0xf5 }, 11 },
    /* L: OUT 80, AL; JMP L */
    { "an exit every other instruction", { 0xe6, 0x80, 0xeb, 0xfc }, 4 },
};

/* M: OUT 80, AL; MOV ECX, 2000000; L: LOOP L; JMP M: some milliseconds between two exits. */
static const uint8_t rare_exits[] = { 0xe6, 0x80, 0xb9, 0x80, 0x84, 0x1e, 0x00, 0xe2, 0xfe, 0xeb, 0xf5 };

static struct sbe_guest guest;

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void rest(uint64_t ns)
{
    nanosleep(&(struct timespec){ .tv_nsec = (long)ns }, NULL);
}

static enum d86_exit_reason run(void)
{
    ck_assert_int_eq(d86_vcpu_run(guest.cpu), 0);
    ck_assert_msg(guest.exit->reason == D86_EXIT_DEADLINE || guest.exit->reason == D86_EXIT_IO ||
                      guest.exit->reason == D86_EXIT_KICKED,
                  "exit %u: %s", guest.exit->reason, guest.exit->error.text);
    return guest.exit->reason;
}

static uint32_t eip(void)
{
    struct d86_regs r;
    d86_vcpu_get_regs(guest.cpu, &r);
    return r.eip;
}

/* Run until the deadline; returns how often the run ended with it before its time. */
static unsigned run_until(uint64_t deadline, const char *name)
{
    unsigned early = 0;
    guest.exit->deadline_ns = deadline;
    for (bool over = false; !over;) {
        bool ended = run() == D86_EXIT_DEADLINE;
        uint64_t at = now();
        over = ended && at >= deadline;
        early += ended && !over;
        ck_assert_msg(at < deadline + LOST_AFTER, "%s: lost", name);
    }
    return early;
}

/* One guest on one processor; false: the host cannot have it. */
static bool open_case(int index)
{
    unsigned g = (unsigned)index % ARRAY_SIZE(guests);
    return sbe_guest_open(&guest, &processors[(unsigned)index / ARRAY_SIZE(guests)], guests[g].code,
                          guests[g].size);
}

START_TEST(none_is_lost_and_none_is_early)
{
    enum { DEADLINES = 300 };
    const char *name = guests[(unsigned)_i % ARRAY_SIZE(guests)].name;
    uint32_t random = 1;
    unsigned early = 0;
    if (!open_case(_i))
        return;
    for (unsigned i = 0; i < DEADLINES; i++) {
        random = random * 1664525 + 1013904223;
        early += run_until(now() + (random >> 12), name); /* up to 1 ms */
    }
    ck_assert_uint_eq(early, 0);
    sbe_guest_close(&guest);
}
END_TEST

START_TEST(one_that_has_passed_ends_the_run_at_once)
{
    if (!sbe_guest_open(&guest, &processors[_i], guests[0].code, guests[0].size))
        return;
    for (unsigned i = 0; i < 3; i++) {
        guest.exit->deadline_ns = 1;
        ck_assert_uint_eq(run(), D86_EXIT_DEADLINE);
        ck_assert_uint_eq(eip(), SBE_GUEST_CODE);
    }
    sbe_guest_close(&guest);
}
END_TEST

/* The timer goes off while nobody runs: the next run with the same deadline must end all the same. */
START_TEST(one_that_passes_between_two_runs_is_kept)
{
    if (!sbe_guest_open(&guest, &processors[_i], rare_exits, sizeof(rare_exits)))
        return;
    guest.exit->deadline_ns = now() + 50 * MS;
    if (run() == D86_EXIT_IO) {
        ck_assert_uint_eq(eip(), SBE_GUEST_CODE);
        rest(60 * MS);
        ck_assert_uint_eq(run(), D86_EXIT_DEADLINE);
    }
    sbe_guest_close(&guest);
}
END_TEST

/* Taken back, or moved, before it has come or after, while nobody ran. */
START_TEST(one_that_is_taken_back_does_not_come)
{
    for (unsigned way = 0; way < 4; way++) {
        bool move = way & 1, after = way & 2;
        if (!sbe_guest_open(&guest, &processors[_i], rare_exits, sizeof(rare_exits)))
            return;
        uint64_t deadline = now() + 5 * MS;
        guest.exit->deadline_ns = deadline;
        ck_assert(run() == D86_EXIT_IO || now() >= deadline);
        if (after)
            rest(6 * MS);
        bool in_time = after || now() < deadline;
        guest.exit->deadline_ns = move ? now() + LOST_AFTER : 0;
        for (unsigned i = 0; i < 3; i++) {
            ck_assert(run() == D86_EXIT_IO || !in_time);
            rest(2 * MS);
        }
        sbe_guest_close(&guest);
    }
}
END_TEST

START_TEST(a_kick_comes_first_and_takes_none_away)
{
    if (!sbe_guest_open(&guest, &processors[_i], guests[0].code, guests[0].size))
        return;
    for (unsigned i = 0; i < 100; i++) {
        guest.exit->deadline_ns = now();
        d86_vcpu_kick(guest.cpu);
        ck_assert_uint_eq(run(), D86_EXIT_KICKED);
        ck_assert_uint_eq(run(), D86_EXIT_DEADLINE);
    }
    sbe_guest_close(&guest);
}
END_TEST

/* A processor that stands still leaves its timer to the caller, who waits; then it counts again. */
START_TEST(a_halt_does_not_end_it)
{
    static const uint8_t code[] = { 0xf4, 0xeb, 0xfd }; /* L: HLT; JMP L */
    struct d86_sregs s;
    if (!sbe_guest_open(&guest, &processors[_i], code, sizeof(code)))
        return;
    d86_vcpu_get_sregs(guest.cpu, &s);
    for (unsigned i = 0; i < ARRAY_SIZE(s.seg); i++)
        s.seg[i].selector = 8, s.seg[i].attr = i == D86_CS ? 0xc09b : 0xc093;
    ck_assert_int_eq(d86_vcpu_set_sregs(guest.cpu, &s), 0);
    uint64_t deadline = now() + 50 * MS;
    guest.exit->deadline_ns = deadline;
    ck_assert_int_eq(d86_vcpu_run(guest.cpu), 0);
    ck_assert(guest.exit->reason == D86_EXIT_HLT || now() >= deadline);
    d86_vcpu_set_events(guest.cpu, &(struct d86_events){ .interrupt = -1 });
    static const uint8_t loop[] = { 0xeb, 0xfe };
    ck_assert_int_eq(d86_vm_write(guest.vm, SBE_GUEST_CODE + 1, loop, sizeof(loop)), 0);
    ck_assert_uint_eq(run_until(deadline, "after a halt"), 0);
    sbe_guest_close(&guest);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("deadline");
    TCase *tc = tcase_create("deadline");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, none_is_lost_and_none_is_early, 0, PROCESSORS * (int)ARRAY_SIZE(guests));
    tcase_add_loop_test(tc, one_that_has_passed_ends_the_run_at_once, 0, PROCESSORS);
    tcase_add_loop_test(tc, one_that_passes_between_two_runs_is_kept, 0, PROCESSORS);
    tcase_add_loop_test(tc, one_that_is_taken_back_does_not_come, 0, PROCESSORS);
    tcase_add_loop_test(tc, a_kick_comes_first_and_takes_none_away, 0, PROCESSORS);
    tcase_add_loop_test(tc, a_halt_does_not_end_it, 0, PROCESSORS);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
