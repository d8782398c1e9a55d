/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The disk of virtio over a medium in memory, whose transfers end when the test wants, in any order; requests
 * that make no sense, resets in the midst, and drivers that do anything.
 */
#include "virtio_bench.h"

enum { SECTORS = 128, IN_FLIGHT_MAX = 64, IN = 0, OUT = 1, FLUSH = 4, GET_ID = 8, DISCARD = 11, ZEROES = 13 };

#define F_RO    (UINT64_C(1) << 5)
#define F_FLUSH (UINT64_C(1) << 9)
#define F_TRIM  (UINT64_C(1) << 13 | UINT64_C(1) << 14)

struct asked {
    enum device_transfer what;
    uint64_t offset;
    uint32_t size, tag;
    uint8_t *data;
};

static struct virtio_bench b;
static uint8_t medium[SECTORS * 512];
static bool read_only;
static struct asked asked[IN_FLIGHT_MAX];
static unsigned in_flight;
static uint8_t *prepared;

static void board_medium(void *board, struct device *dev, unsigned unit, struct device_medium *facts)
{
    (void)board, (void)dev;
    ck_assert_uint_eq(unit, 0);
    *facts = (struct device_medium){ DEVICE_DRIVE_DISK, true, read_only, sizeof(medium) };
}

static uint8_t *board_data(void *board, struct device *dev, unsigned unit, uint32_t size)
{
    (void)board, (void)dev, (void)unit;
    ck_assert_uint_le(size, DEVICE_TRANSFER_LARGE);
    free(prepared);
    prepared = malloc(size);
    return prepared;
}

/* Whatever the driver does: what is asked for is on the medium. */
static void board_transfer(void *board, struct device *dev, unsigned unit, enum device_transfer what,
                           uint64_t offset, uint32_t size, uint32_t tag)
{
    (void)board, (void)dev, (void)unit;
    ck_assert_uint_lt(in_flight, IN_FLIGHT_MAX);
    ck_assert_uint_le(offset, sizeof(medium));
    ck_assert_uint_le(size, sizeof(medium) - offset);
    ck_assert(what == DEVICE_TRANSFER_READ || what == DEVICE_TRANSFER_FLUSH || !read_only);
    asked[in_flight] = (struct asked){ what, offset, size, tag, NULL };
    if (what == DEVICE_TRANSFER_WRITE) {
        asked[in_flight].data = prepared;
        prepared = NULL;
    }
    in_flight++;
}

static const struct device_board ops = {
    VIRTIO_BENCH_OPS,
    .medium = board_medium,
    .transfer_data = board_data,
    .transfer = board_transfer,
};

/* Do one of those asked for, and tell. */
static void finish(unsigned n, bool failed)
{
    struct asked a = asked[n];
    struct device_transferred result = { .tag = a.tag, .done = a.size, .failed = failed };

    asked[n] = asked[--in_flight];
    if (failed)
        result.done = 0;
    else if (a.what == DEVICE_TRANSFER_WRITE)
        memcpy(medium + a.offset, a.data, a.size);
    else if (a.what == DEVICE_TRANSFER_READ)
        result.data = medium + a.offset;
    else if (a.what != DEVICE_TRANSFER_FLUSH)
        memset(medium + a.offset, 0, a.size);
    virtio_blk_device.transferred(&b.dev, 0, &result);
    free(a.data);
}

static void finish_all(void)
{
    while (in_flight)
        finish(0, false);
}

static void setup(void)
{
    read_only = false;
    in_flight = 0;
    prepared = NULL;
    for (size_t i = 0; i < sizeof(medium); i++)
        medium[i] = (uint8_t)(i * 7 + i / 512);
    virtio_bench_power_on(&b, &virtio_blk_device, &ops);
}

static void teardown(void)
{
    for (unsigned i = 0; i < in_flight; i++)
        free(asked[i].data);
    free(prepared);
    virtio_bench_free(&b);
}

/* ---- Requests -------------------------------------------------------------------------------- */

static uint8_t *data_of(unsigned slot)
{
    return b.memory + VIRTIO_BENCH_DATA + slot * 0x3000;
}

static uint8_t status_of(unsigned slot)
{
    return data_of(slot)[0x2fff];
}

/* A request of `size` bytes of data, in three descriptors of a slot of its own. */
static void request(unsigned slot, unsigned type, uint64_t sector, uint32_t size)
{
    uint32_t pa = VIRTIO_BENCH_DATA + slot * 0x3000;
    bool to_memory = type == IN || type == GET_ID;

    virtio_bench_put(b.memory + pa + 0x2000, 8, type);
    virtio_bench_put(b.memory + pa + 0x2008, 8, sector);
    b.memory[pa + 0x2fff] = 0xee;
    virtio_bench_describe(&b, 0, slot * 3, pa + 0x2000, 16, VIRTIO_BENCH_NEXT);
    virtio_bench_describe(&b, 0, slot * 3 + 1, pa, size,
                          VIRTIO_BENCH_NEXT | (to_memory ? VIRTIO_BENCH_WRITE : 0));
    virtio_bench_describe(&b, 0, slot * 3 + 2, pa + 0x2fff, 1, VIRTIO_BENCH_WRITE);
    virtio_bench_offer(&b, 0, slot * 3);
}

static void range(unsigned slot, unsigned type, uint64_t sector, uint32_t sectors, uint32_t flags)
{
    virtio_bench_put(data_of(slot), 8, sector);
    virtio_bench_put(data_of(slot) + 8, 4, sectors);
    virtio_bench_put(data_of(slot) + 12, 4, flags);
    request(slot, type, 0, 16);
}

START_TEST(configuration_says_how_large_it_is)
{
    ck_assert_uint_eq(virtio_bench_in(&b, VIRTIO_BENCH_CONFIG, 4), SECTORS);
    ck_assert_uint_eq(virtio_bench_in(&b, VIRTIO_BENCH_CONFIG + 20, 4), 512);
    virtio_bench_out(&b, 0, 4, 0);
    ck_assert(!(virtio_bench_in(&b, 4, 4) & F_RO));
    read_only = true;
    ck_assert_uint_eq(virtio_bench_in(&b, 4, 4) & (F_RO | F_TRIM), F_RO);
}
END_TEST

/* Several at once, that end in another order than they began. */
START_TEST(requests_end_when_their_transfers_do)
{
    virtio_bench_start(&b, F_FLUSH, 1);
    memset(data_of(1), 0x5a, 1024);
    request(0, IN, 3, 1024);
    request(1, OUT, 60, 1024);
    request(2, FLUSH, 0, 0);
    ck_assert_uint_eq(in_flight, 3);
    ck_assert(!b.line);
    finish(1, false);
    ck_assert_uint_eq(status_of(1), 0);
    ck_assert_uint_eq(status_of(0), 0xee);
    ck_assert_uint_eq(virtio_bench_get(virtio_bench_used(&b, 0) + 4, 4), 3); /* the head */
    ck_assert_uint_eq(virtio_bench_get(virtio_bench_used(&b, 0) + 8, 4), 1); /* bytes written */
    ck_assert(b.line);
    finish_all();
    ck_assert_uint_eq(virtio_bench_done(&b, 0), 3);
    ck_assert_mem_eq(data_of(0), medium + 3 * 512, 1024);
    ck_assert_uint_eq(medium[60 * 512], 0x5a);
    ck_assert_uint_eq(medium[62 * 512 - 1], 0x5a);
}
END_TEST

START_TEST(the_host_s_error_is_the_request_s)
{
    virtio_bench_start(&b, F_FLUSH, 1);
    request(0, IN, 0, 512);
    finish(0, true);
    ck_assert_uint_eq(status_of(0), 1);
}
END_TEST

START_TEST(a_driver_without_flush_has_all_writes_flushed)
{
    virtio_bench_start(&b, 0, 1);
    request(0, OUT, 0, 512);
    finish(0, false);
    ck_assert_uint_eq(in_flight, 1);
    ck_assert_int_eq(asked[0].what, DEVICE_TRANSFER_FLUSH);
    ck_assert_uint_eq(status_of(0), 0xee);
    finish(0, false);
    ck_assert_uint_eq(status_of(0), 0);
}
END_TEST

START_TEST(ranges_are_discarded_and_zeroed)
{
    virtio_bench_start(&b, F_FLUSH | F_TRIM, 1);
    range(0, DISCARD, 8, 8, 0);
    range(1, ZEROES, 16, 2, 1);
    ck_assert_int_eq(asked[0].what, DEVICE_TRANSFER_DISCARD);
    ck_assert_int_eq(asked[1].what, DEVICE_TRANSFER_ZERO);
    ck_assert_uint_eq(asked[1].offset, 16 * 512);
    ck_assert_uint_eq(asked[1].size, 1024);
    finish_all();
    range(2, ZEROES, SECTORS - 1, 2, 0);
    range(3, DISCARD, 0, 1, 1);
    range(4, ZEROES, UINT64_MAX, 1, 0);
    ck_assert_uint_eq(in_flight, 0);
    ck_assert_uint_eq(status_of(0), 0);
    ck_assert_uint_eq(status_of(1), 0);
    ck_assert_uint_eq(status_of(2), 1);
    ck_assert_uint_eq(status_of(3), 2);
    ck_assert_uint_eq(status_of(4), 1);
}
END_TEST

START_TEST(what_cannot_be_done_is_an_error)
{
    virtio_bench_start(&b, F_FLUSH, 1);
    request(0, IN, SECTORS - 1, 1024);
    request(1, OUT, UINT64_MAX, 512);
    request(2, IN, 0, 511);
    request(3, 77, 0, 512);
    read_only = true;
    request(4, OUT, 0, 512);
    ck_assert_uint_eq(in_flight, 0);
    for (unsigned i = 0; i < 5; i++)
        ck_assert_uint_eq(status_of(i), i == 3 ? 2 : 1);
}
END_TEST

START_TEST(it_has_a_name)
{
    virtio_bench_start(&b, F_FLUSH, 1);
    request(0, GET_ID, 0, 20);
    ck_assert_uint_eq(status_of(0), 0);
    ck_assert_str_eq((char *)data_of(0), "D86-VIRTIO-0");
}
END_TEST

START_TEST(a_request_without_a_status_breaks_it)
{
    virtio_bench_start(&b, F_FLUSH, 1);
    virtio_bench_describe(&b, 0, 0, VIRTIO_BENCH_DATA, 16, 0);
    virtio_bench_offer(&b, 0, 0);
    ck_assert(virtio_bench_in(&b, VIRTIO_BENCH_STATUS, 1) & VIRTIO_BENCH_NEEDS_RESET);
}
END_TEST

/* What was begun before a reset ends, and nobody hears of it. */
START_TEST(a_reset_forgets_requests)
{
    virtio_bench_start(&b, F_FLUSH, 1);
    request(0, IN, 3, 512);
    virtio_bench_start(&b, F_FLUSH, 1);
    memset(data_of(0), 0xcc, 512);
    request(1, IN, 9, 512);
    ck_assert_uint_eq(in_flight, 2);
    finish(0, false);
    ck_assert_uint_eq(virtio_bench_done(&b, 0), 0);
    ck_assert_uint_eq(data_of(0)[0], 0xcc);
    finish(0, false);
    ck_assert_uint_eq(virtio_bench_done(&b, 0), 1);
    ck_assert_mem_eq(data_of(1), medium + 9 * 512, 512);
}
END_TEST

/* Requests and resets without an end have no more done at a time than others. */
START_TEST(what_is_under_way_is_bounded)
{
    for (unsigned i = 0; i < 200; i++) {
        virtio_bench_start(&b, F_FLUSH, 1);
        for (unsigned slot = 0; slot < 4; slot++)
            request(slot, IN, slot, 512);
    }
    ck_assert_uint_le(in_flight, 32);
    finish_all();
    ck_assert_uint_eq(virtio_bench_done(&b, 0), 4);
}
END_TEST

/* ---- Anything -------------------------------------------------------------------------------- */

static uint32_t next(uint32_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 17;
    return *x ^= *x << 5;
}

static void storm(uint32_t seed, unsigned rounds)
{
    for (unsigned i = 0; i < rounds; i++) {
        uint32_t dice = next(&seed) % 16;

        if (dice == 0)
            virtio_bench_start(&b, next(&seed) & 1 ? F_FLUSH | F_TRIM | UINT64_C(3) << 28 : 0, 1);
        else if (dice < 4)
            request(next(&seed) % 8, next(&seed) % 16, next(&seed) % (SECTORS + 4), next(&seed) % 5000);
        else if (dice < 8)
            virtio_bench_put(b.memory + VIRTIO_BENCH_QUEUES + next(&seed) % 0x3000, 4,
                             next(&seed) & (next(&seed) & 1 ? 0x1ffff : UINT32_MAX));
        else if (dice < 10)
            virtio_bench_out(&b, next(&seed) % 0x420, 1u << next(&seed) % 3, next(&seed));
        else if (dice < 12)
            virtio_bench_in(&b, next(&seed) % 0x420, 1u << next(&seed) % 3);
        else if (in_flight)
            finish(next(&seed) % in_flight, next(&seed) % 8 == 0);
    }
}

START_TEST(whatever_a_driver_does)
{
    storm(0x1234567u * ((uint32_t)_i + 1), 20000);
    finish_all();
    virtio_bench_start(&b, F_FLUSH, 1);
    request(0, IN, 0, 512);
    finish_all();
    ck_assert_uint_eq(status_of(0), 0);
}
END_TEST

int main(int argc, char **argv)
{
    Suite *suite = suite_create("virtio_blk");
    TCase *t = tcase_create("virtio_blk");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 0);
    tcase_add_test(t, configuration_says_how_large_it_is);
    tcase_add_test(t, requests_end_when_their_transfers_do);
    tcase_add_test(t, the_host_s_error_is_the_request_s);
    tcase_add_test(t, a_driver_without_flush_has_all_writes_flushed);
    tcase_add_test(t, ranges_are_discarded_and_zeroed);
    tcase_add_test(t, what_cannot_be_done_is_an_error);
    tcase_add_test(t, it_has_a_name);
    tcase_add_test(t, a_request_without_a_status_breaks_it);
    tcase_add_test(t, a_reset_forgets_requests);
    tcase_add_test(t, what_is_under_way_is_bounded);
    tcase_add_loop_test(t, whatever_a_driver_does, 0, argc > 1 ? atoi(argv[1]) : 16);
    suite_add_tcase(suite, t);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
