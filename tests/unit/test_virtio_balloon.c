/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Memory balloon of virtio: pages that the guest gives up or reports, those that are none, statistics; and
 * drivers that do anything.
 */
#include "virtio_bench.h"

enum {
    INFLATE = 0,
    DEFLATE = 1,
    STATISTICS = 2,
    QUEUES = 4,
    F_STATISTICS = 1 << 1,
    F_REPORTING = 1 << 5,
    PAGE = 4096,
    RUNS_MAX = 4096,
    RAM = 64 << 20, /* that can be given back */
    PAGES = VIRTIO_BENCH_CONFIG,
    ACTUAL = VIRTIO_BENCH_CONFIG + 4,
};

static struct virtio_bench b;
static uint64_t deadline;
static struct {
    guest_pa pa;
    uint64_t size;
} given[RUNS_MAX]; /* back to the host, and refused ones */
static unsigned runs;

static bool board_discard(void *board, guest_pa pa, uint64_t size)
{
    (void)board;
    ck_assert_uint_eq(pa % PAGE, 0);
    ck_assert_uint_eq(size % PAGE, 0);
    ck_assert_uint_gt(size, 0);
    given[runs % RUNS_MAX].pa = pa;
    given[runs++ % RUNS_MAX].size = size;
    return pa < RAM && size <= RAM - pa;
}

static void board_set_deadline(void *board, struct device *dev, uint64_t when)
{
    (void)board, (void)dev;
    deadline = when;
}

static const struct device_board ops = {
    VIRTIO_BENCH_OPS,
    .discard = board_discard,
    .set_deadline = board_set_deadline,
};

static void setup(void)
{
    deadline = DEVICE_NEVER;
    runs = 0;
    virtio_bench_power_on(&b, &virtio_balloon_device, &ops);
}

static void teardown(void)
{
    virtio_bench_free(&b);
}

/* A chain of page numbers, from descriptor `n` on. */
static void put_numbers(unsigned queue, unsigned n, const uint32_t *number, unsigned count)
{
    uint32_t at = VIRTIO_BENCH_DATA + n * 0x1000;

    for (unsigned i = 0; i < count; i++)
        virtio_bench_put(b.memory + at + i * 4, 4, number[i]);
    virtio_bench_describe(&b, queue, n, at, count * 4, 0);
    virtio_bench_offer(&b, queue, n);
}

static void expect_run(unsigned n, uint32_t first, unsigned pages)
{
    ck_assert_uint_lt(n, runs);
    ck_assert_uint_eq(given[n].pa, (uint64_t)first * PAGE);
    ck_assert_uint_eq(given[n].size, (uint64_t)pages * PAGE);
}

static void finish(void)
{
    for (unsigned i = 0; i < 100000 && deadline != DEVICE_NEVER; i++) {
        deadline = DEVICE_NEVER;
        b.dev.type->timer(&b.dev);
    }
    ck_assert_uint_eq(deadline, DEVICE_NEVER);
}

START_TEST(pages_are_given_back_in_runs)
{
    const uint32_t numbers[] = { 12, 5, 7, 6, 5, 0xffffffff, 3000, 11 };

    virtio_bench_start(&b, 0, 2);
    put_numbers(INFLATE, 0, numbers, ARRAY_SIZE(numbers));
    ck_assert_uint_eq(virtio_bench_done(&b, INFLATE), 1);
    ck_assert(b.line);
    ck_assert_uint_eq(runs, 4);
    expect_run(0, 5, 3);
    expect_run(1, 11, 2);
    expect_run(2, 3000, 1);
    expect_run(3, 0xffffffff, 1);
    put_numbers(DEFLATE, 0, numbers, ARRAY_SIZE(numbers));
    ck_assert_uint_eq(virtio_bench_done(&b, DEFLATE), 1);
    ck_assert_uint_eq(runs, 4);
}
END_TEST

START_TEST(what_the_host_wants_is_told)
{
    struct device_balloon seen;

    b.dev.type->look(&b.dev, &seen);
    ck_assert(!seen.driven);
    b.dev.type->inflate(&b.dev, 1000);
    ck_assert(!b.line); /* nobody is there */
    virtio_bench_start(&b, 0, 2);
    ck_assert_uint_eq(virtio_bench_in(&b, PAGES, 4), 1000);
    b.dev.type->inflate(&b.dev, 0x12345);
    ck_assert(b.line);
    ck_assert_uint_eq(virtio_bench_in(&b, 0x100, 1), 2); /* the configuration is another */
    b.dev.type->inflate(&b.dev, 0x12345);
    ck_assert(!b.line);
    ck_assert_uint_eq(virtio_bench_in(&b, PAGES, 4), 0x12345);
    virtio_bench_out(&b, ACTUAL, 4, 0xabcde);
    virtio_bench_out(&b, PAGES, 4, 7); /* is not the driver's */
    b.dev.type->look(&b.dev, &seen);
    ck_assert(seen.driven);
    ck_assert_uint_eq(seen.target, 0x12345);
    ck_assert_uint_eq(seen.actual, 0xabcde);
    virtio_bench_out(&b, VIRTIO_BENCH_STATUS, 1, 0);
    b.dev.type->look(&b.dev, &seen);
    ck_assert(!seen.driven);
    ck_assert_uint_eq(seen.actual, 0);
    ck_assert_uint_eq(virtio_bench_in(&b, PAGES, 4), 0x12345);
}
END_TEST

/* The queue of reported pages is behind that of statistics, if there is one. */
START_TEST(reported_pages_are_whole_ones)
{
    unsigned queue = _i ? 3 : 2;

    virtio_bench_start(&b, F_REPORTING | (_i ? F_STATISTICS : 0), QUEUES);
    virtio_bench_describe(&b, queue, 0, 0x400000, 0x400000, VIRTIO_BENCH_WRITE | VIRTIO_BENCH_NEXT);
    virtio_bench_describe(&b, queue, 1, 0x1001, 0x2fff, VIRTIO_BENCH_WRITE | VIRTIO_BENCH_NEXT);
    virtio_bench_describe(&b, queue, 2, 0x5001, 0x1ffe, VIRTIO_BENCH_WRITE | VIRTIO_BENCH_NEXT);
    virtio_bench_describe(&b, queue, 3, 0x8000, 0xfff, VIRTIO_BENCH_WRITE);
    virtio_bench_offer(&b, queue, 0);
    ck_assert_uint_eq(virtio_bench_done(&b, queue), 1);
    ck_assert_uint_eq(runs, 2);
    expect_run(0, 0x400, 0x400);
    expect_run(1, 2, 2);
}
END_TEST

START_TEST(without_the_feature_nothing_is_reported)
{
    virtio_bench_start(&b, F_STATISTICS, QUEUES);
    virtio_bench_describe(&b, 3, 0, 0x400000, 0x400000, VIRTIO_BENCH_WRITE);
    virtio_bench_offer(&b, 3, 0);
    ck_assert_uint_eq(runs, 0);
}
END_TEST

/* The same 32 MiB again and again: others have their turn in between. */
START_TEST(long_chains_are_taken_bit_by_bit)
{
    virtio_bench_start(&b, F_REPORTING | (UINT64_C(1) << 28), QUEUES);
    for (unsigned i = 0; i < 32; i++) {
        uint8_t *d = b.memory + VIRTIO_BENCH_DATA + i * 16;

        virtio_bench_put(d, 8, 0);
        virtio_bench_put(d + 8, 4, 32 << 20);
        virtio_bench_put(d + 12, 2, VIRTIO_BENCH_WRITE | (i < 31 ? VIRTIO_BENCH_NEXT : 0));
        virtio_bench_put(d + 14, 2, i + 1);
    }
    virtio_bench_describe(&b, 2, 0, VIRTIO_BENCH_DATA, 32 * 16, 4 /* a table */);
    virtio_bench_offer(&b, 2, 0);
    ck_assert_uint_lt(runs, 20);
    ck_assert_uint_eq(virtio_bench_done(&b, 2), 0);
    finish();
    ck_assert_uint_eq(runs, 32);
    ck_assert_uint_eq(virtio_bench_done(&b, 2), 1);
}
END_TEST

START_TEST(many_numbers_are_taken_bit_by_bit)
{
    for (unsigned i = 0; i < 0x10000 / 4; i++)
        virtio_bench_put(b.memory + 0x80000 + i * 4, 4, 2 * i);
    virtio_bench_start(&b, 0, 2);
    virtio_bench_describe(&b, INFLATE, 0, 0x80000, 0x10000, 0);
    virtio_bench_offer(&b, INFLATE, 0);
    ck_assert_uint_eq(virtio_bench_done(&b, INFLATE), 0);
    finish();
    ck_assert_uint_eq(virtio_bench_done(&b, INFLATE), 1);
    ck_assert_uint_eq(runs, 0x10000 / 4);
}
END_TEST

static void put_statistics(unsigned n, unsigned what, uint64_t value)
{
    uint8_t *at = b.memory + VIRTIO_BENCH_DATA + n * 0x1000;

    virtio_bench_put(at, 2, what);
    virtio_bench_put(at + 2, 8, value);
    virtio_bench_put(at + 10, 2, 77); /* there is none of that number */
    virtio_bench_put(at + 12, 8, 1);
    virtio_bench_describe(&b, STATISTICS, n, VIRTIO_BENCH_DATA + n * 0x1000, 20, 0);
    virtio_bench_offer(&b, STATISTICS, n);
}

/* The driver's buffer is kept until somebody asks, and goes back then, to come again with newer ones. */
START_TEST(statistics_are_asked_for)
{
    struct device_balloon seen;

    virtio_bench_start(&b, F_STATISTICS, QUEUES);
    put_statistics(0, 4, UINT64_C(0x123456789ab));
    ck_assert_uint_eq(virtio_bench_done(&b, STATISTICS), 0);
    b.dev.type->look(&b.dev, &seen);
    ck_assert_uint_eq(seen.known, 1 << 4);
    ck_assert(seen.statistic[4] == UINT64_C(0x123456789ab));
    ck_assert_uint_eq(virtio_bench_done(&b, STATISTICS), 1);
    b.dev.type->look(&b.dev, &seen);
    ck_assert_uint_eq(virtio_bench_done(&b, STATISTICS), 1);
    put_statistics(1, 6, 9);
    b.dev.type->look(&b.dev, &seen);
    ck_assert_uint_eq(seen.known, 1 << 6);
    ck_assert_uint_eq(virtio_bench_done(&b, STATISTICS), 2);
    put_statistics(2, 1, 9);
    virtio_bench_out(&b, VIRTIO_BENCH_STATUS, 1, 0);
    b.dev.type->look(&b.dev, &seen);
    ck_assert_uint_eq(seen.known, 0);
}
END_TEST

static uint32_t next(uint32_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 17;
    return *x ^= *x << 5;
}

START_TEST(whatever_a_driver_does)
{
    uint32_t x = 0x7feb352du * ((uint32_t)_i + 1);

    for (unsigned i = 0; i < 20000; i++) {
        uint32_t dice = next(&x) % 16, queue = next(&x) % QUEUES, n = next(&x) % VIRTIO_BENCH_SIZE;
        uint32_t numbers[] = { next(&x) % 100, next(&x), next(&x) % 20000 };
        struct device_balloon seen;

        if (dice == 0)
            virtio_bench_start(&b, next(&x) & 1 ? UINT64_C(3) << 28 | 0x3f : next(&x) & 0x3f, QUEUES);
        else if (dice < 4)
            virtio_bench_put(b.memory + VIRTIO_BENCH_QUEUES + next(&x) % (QUEUES * 0x3000), 4,
                             next(&x) & (next(&x) & 1 ? 0x1ffff : UINT32_MAX));
        else if (dice < 5)
            virtio_bench_out(&b, next(&x) % 0x480, 1u << next(&x) % 3, next(&x));
        else if (dice < 8)
            put_numbers(queue, n, numbers, ARRAY_SIZE(numbers));
        else if (dice < 10) {
            virtio_bench_describe(&b, queue, n, next(&x) & 0x3ffffff, next(&x) & 0x3ffffff,
                                  VIRTIO_BENCH_WRITE);
            virtio_bench_offer(&b, queue, n);
        } else if (dice < 11)
            put_statistics(n, next(&x) % 12, next(&x));
        else if (dice < 12)
            b.dev.type->inflate(&b.dev, next(&x));
        else if (dice < 13)
            b.dev.type->look(&b.dev, &seen);
        else if (deadline != DEVICE_NEVER)
            b.dev.type->timer(&b.dev);
    }
}
END_TEST

int main(int argc, char **argv)
{
    Suite *suite = suite_create("virtio_balloon");
    TCase *t = tcase_create("balloon");
    SRunner *runner;
    int failed;

    tcase_set_timeout(t, 0);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, pages_are_given_back_in_runs);
    tcase_add_test(t, what_the_host_wants_is_told);
    tcase_add_loop_test(t, reported_pages_are_whole_ones, 0, 2);
    tcase_add_test(t, without_the_feature_nothing_is_reported);
    tcase_add_test(t, long_chains_are_taken_bit_by_bit);
    tcase_add_test(t, many_numbers_are_taken_bit_by_bit);
    tcase_add_test(t, statistics_are_asked_for);
    tcase_add_loop_test(t, whatever_a_driver_does, 0, argc > 1 ? atoi(argv[1]) : 8);
    suite_add_tcase(suite, t);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
