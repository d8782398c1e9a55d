/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The timer of the chips lent to the processor: its ticks reach the guest without an exit, whatever that is
 * doing, and the caller's kicks and deadlines come between them.
 */
#define _GNU_SOURCE
#include "chips_bench.h"

/* ---- The timer ----------------------------------------------------------------------------------------- */

enum { ENOUGH = 40 }; /* ticks */

/* They go on until the handler has counted so many; the last instruction of all is OUT F5, AL. */
#define UNTIL_ENOUGH(back) 0x83, 0x3d, LE32(TICKS), ENOUGH, 0x72, (uint8_t) - (9 + (back)), 0xe6, PORT_MARK

static const struct {
    const char *name;
    bool user;
    uint8_t code[40];
} guests[] = {
    { "a loop", false, { UNTIL_ENOUGH(0) } },
    { "a loop at CPL 3", true, { UNTIL_ENOUGH(0) } },
    /* mov ecx,4000; mov esi,30000; mov edi,40000; rep movsb */
    { "long strings",
      false,
      { 0xb9, LE32(0x4000), 0xbe, LE32(0x30000), 0xbf, LE32(0x40000), 0xf3, 0xa4, UNTIL_ENOUGH(17) } },
    { "long strings at CPL 3",
      true,
      { 0xb9, LE32(0x4000), 0xbe, LE32(0x30000), 0xbf, LE32(0x40000), 0xf3, 0xa4, UNTIL_ENOUGH(17) } },
    /* cli; mov ecx,1000; loop $; sti; nop */
    { "interrupts mostly off", false, { 0xfa, 0xb9, LE32(1000), 0xe2, 0xfe, 0xfb, 0x90, UNTIL_ENOUGH(10) } },
    /* in al,21; out 80,al */
    { "accesses all the time", false, { 0xe4, 0x21, 0xe6, 0x80, UNTIL_ENOUGH(4) } },
    { "accesses all the time at CPL 3", true, { 0xe4, 0x21, 0xe6, 0x80, UNTIL_ENOUGH(4) } },
    /* xor eax,eax; cpuid */
    { "sites at CPL 3", true, { 0x31, 0xc0, 0x0f, 0xa2, UNTIL_ENOUGH(4) } },
};

enum { GUESTS = ARRAY_SIZE(guests) };

/* One of the guests on one of the processors, with the timer going. */
static bool start_ticking(int index)
{
    const struct d86_vcpu_config *config = &processors[(unsigned)index / GUESTS].config;
    unsigned g = (unsigned)index % GUESTS;
    if (!start((unsigned)index / GUESTS))
        return false;
    bench_write(&b, guests[g].user ? USER_CODE : BENCH_CODE, guests[g].code, sizeof(guests[g].code));
    enter(guests[g].user, IF | (guests[g].user ? X86_IOPL : 0));
    /* Lockstep has a tick of its own for each instruction. */
    timer_start(config->engine == D86_ENGINE_LOCKSTEP ? 4 * KHZ : KHZ);
    return true;
}

START_TEST(ticks_have_no_exits)
{
    uint64_t began = now(NULL);
    if (!start_ticking(_i))
        return;
    b.exit->deadline_ns = _i % 2 ? began + LOST_AFTER : 0;
    RUN_MARK();
    ck_assert_uint_ge(now(NULL), began + (ENOUGH - 1) * KHZ_NS);
    ck_assert_uint_eq(counter("exits"), 1);
    ck_assert_uint_eq(bench_read32(&b, TICKS), counter("chip_interrupts"));
    ck_assert_uint_eq(counter("interrupts"), counter("chip_interrupts"));
    ck_assert_uint_ge(counter("chip_writes"), ENOUGH);
    ck_assert_uint_eq(chip_read(0x20) & 1, state.intr); /* one may be waiting */
    ck_assert_uint_ne(state.deadline, DEVICE_NEVER);
    if (guests[_i % GUESTS].user && processors[_i / GUESTS].config.engine == D86_ENGINE_SBE)
        ck_assert_uint_gt(counter("native_entries"), 0);
    stop();
}
END_TEST

/* A machine that was paused for an hour: to its chips that hour was none. */
START_TEST(the_chips_time_may_be_behind)
{
    enum { HOUR_MS = 3600000 };
    behind = HOUR_MS * MS;
    uint64_t began = now(NULL);
    if (!start_ticking(_i))
        return;
    RUN_MARK();
    ck_assert_uint_ge(now(NULL), began + (ENOUGH - 1) * KHZ_NS);
    ck_assert_uint_gt(state.deadline, chips_now(NULL) - LOST_AFTER);
    ck_assert_uint_lt(state.deadline, chips_now(NULL) + LOST_AFTER);
    behind = 0;
    stop();
}
END_TEST

/* The processor stands still: its timer is the caller's, until it goes on. */
START_TEST(between_a_halt_and_the_tick_the_caller_has_the_timer)
{
    if (!start((unsigned)_i))
        return;
    BENCH_BYTES(&b, BENCH_CODE, 0xf4, 0xeb, 0xfd); /* L: hlt; jmp L */
    set_flags(IF);
    timer_start(KHZ);
    for (unsigned ticks = 1; ticks <= 10; ticks++) {
        RUN(D86_EXIT_HLT);
        ck_assert_uint_eq(b.exit->interrupt_flag, 1);
        while (!state.intr) {
            while (now(NULL) < state.deadline)
                nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
            near_run_timer(&chips);
        }
        ck_assert_uint_ge(bench_read32(&b, TICKS), ticks);
    }
    bench_write32(&b, TICKS, 0);
    BENCH_BYTES(&b, BENCH_CODE, UNTIL_ENOUGH(0));
    bench_set_eip(&b, BENCH_CODE);
    RUN_MARK();
    stop();
}
END_TEST

START_TEST(a_late_deadline_of_the_callers_comes_after_many_ticks)
{
    if (!start_ticking(_i))
        return;
    BENCH_BYTES(&b, guests[_i % GUESTS].user ? USER_CODE : BENCH_CODE, 0xeb, 0xfe);
    uint64_t deadline = now(NULL) + 50 * MS;
    b.exit->deadline_ns = deadline;
    RUN(D86_EXIT_DEADLINE);
    ck_assert_uint_ge(now(NULL), deadline);
    stop();
}
END_TEST

/* No tick comes by to find out that it has passed. */
START_TEST(a_deadline_of_the_callers_needs_no_tick)
{
    if (!start((unsigned)_i))
        return;
    BENCH_BYTES(&b, BENCH_CODE, 0xeb, 0xfe);
    uint64_t deadline = now(NULL) + 5 * MS;
    b.exit->deadline_ns = deadline;
    state.deadline = deadline + 60 * LOST_AFTER; /* further than any real one */
    RUN(D86_EXIT_DEADLINE);
    ck_assert_uint_ge(now(NULL), deadline);
    stop();
}
END_TEST

/* One tick at a time, as a kernel without a periodic timer has them, all in one run. */
START_TEST(the_guest_sets_the_timer_anew_for_each_tick)
{
    enum { ROUNDS = 10, COUNT_MSB = 8, NS = 1716000 };
    bool user = _i % 2;
    if (!start((unsigned)_i / 2))
        return;
    /*
     * L: mov al,30; out 43,al; mov al,0; out 40,al; mov al,8; out 40,al
     * W: cmp dword [TICKS],0; je W; mov dword [TICKS],0; dec dword [DATA]; jnz L; out f5,al
     */
    BENCH_BYTES(&b, user ? USER_CODE : BENCH_CODE, 0xb0, 0x30, 0xe6, 0x43, 0xb0, 0x00, 0xe6, 0x40, 0xb0,
                COUNT_MSB, 0xe6, 0x40, 0x83, 0x3d, LE32(TICKS), 0x00, 0x74, 0xf7, 0xc7, 0x05, LE32(TICKS),
                LE32(0), 0xff, 0x0d, LE32(BENCH_DATA), 0x75, 0xd9, 0xe6, PORT_MARK);
    bench_write32(&b, BENCH_DATA, ROUNDS);
    enter(user, IF | (user ? X86_IOPL : 0));
    uint64_t began = now(NULL);
    RUN_MARK();
    ck_assert_uint_ge(now(NULL), began + ROUNDS * NS);
    ck_assert_uint_eq(counter("chip_interrupts"), ROUNDS);
    ck_assert_uint_eq(counter("exits"), 1);
    ck_assert_uint_eq(state.deadline, DEVICE_NEVER);
    stop();
}
END_TEST

/* Neither takes the other's place, whichever is first; and the timer's is no exit. */
START_TEST(deadlines_of_the_callers_come_between_ticks)
{
    uint32_t random = 1;
    unsigned deadlines = 0;
    if (!start_ticking(_i))
        return;
    for (;;) {
        random = random * 1664525 + 1013904223;
        uint64_t deadline = now(NULL) + (random >> 11); /* up to 2 ms */
        b.exit->deadline_ns = deadline;
        if (run() == D86_EXIT_IO)
            break;
        ck_assert_uint_eq(b.exit->reason, D86_EXIT_DEADLINE);
        ck_assert_uint_ge(now(NULL), deadline);
        deadlines++;
    }
    ck_assert_uint_eq(b.exit->io.port, PORT_MARK);
    ck_assert_uint_gt(deadlines, 0);
    stop();
}
END_TEST

enum { KICKS = 20 };
static atomic_uint seen;

/* Each after a while, when the last one has been seen. */
static void *kick(void *arg)
{
    uint64_t began = now(NULL);
    (void)arg;
    for (unsigned i = 0; i < KICKS; i++) {
        nanosleep(&(struct timespec){ .tv_nsec = 2500000 }, NULL);
        d86_vcpu_kick(b.cpu);
        while (seen <= i && now(NULL) < began + LOST_AFTER)
            nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
    }
    return NULL;
}

START_TEST(kicks_come_between_ticks)
{
    pthread_t thread;
    if (!start_ticking(_i))
        return;
    BENCH_BYTES(&b, guests[_i % GUESTS].user ? USER_CODE : BENCH_CODE, 0xeb, 0xfe);
    d86_vcpu_kick(b.cpu);
    RUN(D86_EXIT_KICKED); /* before anything else */
    ck_assert_uint_eq(counter("chip_interrupts"), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, kick, NULL), 0);
    for (seen = 0; seen < KICKS; seen++)
        RUN(D86_EXIT_KICKED);
    pthread_join(thread, NULL);
    stop();
}
END_TEST

START_TEST(steps_and_ticks_get_along)
{
    if (!start_ticking(_i))
        return;
    d86_vcpu_set_debug(b.cpu, D86_DEBUG_SINGLE_STEP);
    uint64_t began = now(NULL);
    while (bench_read32(&b, TICKS) < 5) {
        RUN(D86_EXIT_DEBUG);
        ck_assert_uint_lt(now(NULL), began + LOST_AFTER);
    }
    d86_vcpu_set_debug(b.cpu, 0);
    RUN_MARK();
    stop();
}
END_TEST

/*
 * A guest that has interrupts off for long has one tick afterwards, as on hardware. But for what the host
 * took from it before it had had a period of its own: that is made up for, and a busy host may have taken
 * much.
 */
START_TEST(ticks_the_guest_holds_back_are_not_made_up_for)
{
    enum { PERIODS = 1000, BUSY_HOST = 300 };
    if (!start(_i))
        return;
    /* cli; jmp $ ... sti; nop; jmp $ */
    BENCH_BYTES(&b, BENCH_CODE, 0xfa, 0xeb, 0xfe, 0xfb, 0x90, 0xeb, 0xfe);
    timer_start(KHZ);
    uint64_t began = d86_vcpu_run_ns(b.cpu);
    for (unsigned i = 0; d86_vcpu_run_ns(b.cpu) - began < PERIODS * KHZ_NS; i++) {
        ck_assert_uint_lt(i, 100000);
        b.exit->deadline_ns = now(NULL) + 20 * MS;
        RUN(D86_EXIT_DEADLINE);
    }
    ck_assert_uint_eq(counter("chip_interrupts"), 0);
    struct d86_regs r = bench_regs(&b);
    r.eip = BENCH_CODE + 3;
    d86_vcpu_set_regs(b.cpu, &r);
    uint64_t on = now(NULL);
    b.exit->deadline_ns = on + 200 * MS;
    RUN(D86_EXIT_DEADLINE);
    ck_assert_uint_ge(counter("chip_interrupts"), 1);
    ck_assert_uint_le(counter("chip_interrupts"), (now(NULL) - on) / KHZ_NS + 2 + BUSY_HOST);
    stop();
}
END_TEST

/* On each of the processors, with all rows if there are any. */
#define ADD(test, rows) tcase_add_loop_test(tc, test, 0, PROCESSORS *(int)(rows))

int main(void)
{
    Suite *suite = suite_create("chips_timer");
    TCase *tc = tcase_create("chips_timer");
    tcase_set_timeout(tc, 90);
    ADD(ticks_have_no_exits, GUESTS);
    ADD(the_chips_time_may_be_behind, GUESTS);
    ADD(between_a_halt_and_the_tick_the_caller_has_the_timer, 1);
    ADD(a_late_deadline_of_the_callers_comes_after_many_ticks, GUESTS);
    ADD(a_deadline_of_the_callers_needs_no_tick, 1);
    ADD(the_guest_sets_the_timer_anew_for_each_tick, 2);
    ADD(deadlines_of_the_callers_come_between_ticks, GUESTS);
    ADD(kicks_come_between_ticks, GUESTS);
    ADD(steps_and_ticks_get_along, GUESTS);
    ADD(ticks_the_guest_holds_back_are_not_made_up_for, 1);
    suite_add_tcase(suite, tc);
    return bench_main(suite);
}
