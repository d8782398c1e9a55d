/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The transport of shared folders: messages and answers, several under way, resets in the midst; and the
 * entropy device. Both with drivers that do anything.
 */
#include "virtio_bench.h"

enum { ASKED_MAX = 64 };

static struct virtio_bench b;
static struct {
    uint8_t bytes[64];
    uint32_t size, room, tag;
} asked[ASKED_MAX];
static unsigned in_flight, random_bytes;
static uint64_t deadline;

static void board_ask(void *board, struct device *dev, const uint8_t *data, uint32_t size, uint32_t room,
                      uint32_t tag)
{
    (void)board, (void)dev;
    ck_assert_uint_lt(in_flight, ASKED_MAX);
    ck_assert_uint_le(size, DEVICE_MESSAGE_MAX);
    ck_assert_uint_le(room, DEVICE_MESSAGE_MAX);
    memcpy(asked[in_flight].bytes, data, size < 64 ? size : 64);
    asked[in_flight].size = size;
    asked[in_flight].room = room;
    asked[in_flight++].tag = tag;
}

static void board_random(void *board, uint8_t *bytes, uint32_t size)
{
    (void)board;
    memset(bytes, 0xa5, size);
    random_bytes += size;
}

static const uint8_t *board_contents(void *board, struct device *dev, unsigned key, uint32_t *size)
{
    (void)board, (void)dev, (void)key;
    *size = 4;
    return (const uint8_t *)"home";
}

static void board_set_deadline(void *board, struct device *dev, uint64_t when)
{
    (void)board, (void)dev;
    deadline = when;
}

static const struct device_board ops = {
    VIRTIO_BENCH_OPS,
    .ask = board_ask,
    .random = board_random,
    .contents = board_contents,
    .set_deadline = board_set_deadline,
};

static void power_on(const struct device_type *type)
{
    in_flight = 0;
    virtio_bench_power_on(&b, type, &ops);
}

static void setup_9p(void)
{
    power_on(&virtio_9p_device);
}

static void setup_rng(void)
{
    power_on(&virtio_rng_device);
}

static void setup_tablet(void)
{
    power_on(&virtio_tablet_device);
}

static void teardown(void)
{
    virtio_bench_free(&b);
}

/* A message of `size` bytes with `room` for its answer, in a slot of its own. */
static void message(unsigned slot, uint32_t size, uint32_t room)
{
    uint32_t pa = VIRTIO_BENCH_DATA + slot * 0x4000;

    memset(b.memory + pa, (int)slot + 1, 0x2000);
    virtio_bench_describe(&b, 0, slot * 2, pa, size, VIRTIO_BENCH_NEXT);
    virtio_bench_describe(&b, 0, slot * 2 + 1, pa + 0x2000, room, VIRTIO_BENCH_WRITE);
    virtio_bench_offer(&b, 0, slot * 2);
}

static void answer(unsigned n, const void *data, uint32_t size)
{
    uint32_t tag = asked[n].tag;

    asked[n] = asked[--in_flight];
    virtio_9p_device.answered(&b.dev, tag, data, size);
}

START_TEST(its_name_is_in_the_configuration)
{
    ck_assert_uint_eq(virtio_bench_in(&b, VIRTIO_BENCH_CONFIG, 2), 4);
    ck_assert_uint_eq(virtio_bench_in(&b, VIRTIO_BENCH_CONFIG + 2, 1), 'h');
    ck_assert_uint_eq(virtio_bench_in(&b, VIRTIO_BENCH_CONFIG + 5, 1), 'e');
    ck_assert_uint_eq(virtio_bench_in(&b, VIRTIO_BENCH_CONFIG + 6, 1), 0);
}
END_TEST

START_TEST(answers_come_back_in_any_order)
{
    virtio_bench_start(&b, 1, 1);
    message(0, 20, 100);
    message(1, 30, 200);
    ck_assert_uint_eq(in_flight, 2);
    ck_assert_uint_eq(asked[1].size, 30);
    ck_assert_uint_eq(asked[1].room, 200);
    ck_assert_uint_eq(asked[1].bytes[29], 2);
    answer(1, "second", 6);
    ck_assert_uint_eq(virtio_bench_get(virtio_bench_used(&b, 0) + 4, 4), 2);
    ck_assert_uint_eq(virtio_bench_get(virtio_bench_used(&b, 0) + 8, 4), 6);
    ck_assert_mem_eq(b.memory + VIRTIO_BENCH_DATA + 0x6000, "second", 6);
    answer(0, "first", 5);
    ck_assert_uint_eq(virtio_bench_done(&b, 0), 2);
    ck_assert(b.line);
}
END_TEST

START_TEST(what_is_under_way_is_bounded)
{
    for (unsigned i = 0; i < 100; i++) {
        virtio_bench_start(&b, 1, 1);
        message(i % 8, 20, 100);
    }
    ck_assert_uint_le(in_flight, 8);
    while (in_flight)
        answer(0, "x", 1);
    ck_assert_uint_eq(virtio_bench_done(&b, 0), 1); /* the last one's; the others' drivers are gone */
}
END_TEST

START_TEST(a_message_that_is_too_long_breaks_it)
{
    virtio_bench_start(&b, 1, 1);
    message(0, DEVICE_MESSAGE_MAX + 1, 100);
    ck_assert_uint_eq(in_flight, 0);
    ck_assert(virtio_bench_in(&b, VIRTIO_BENCH_STATUS, 1) & VIRTIO_BENCH_NEEDS_RESET);
}
END_TEST

START_TEST(entropy_is_given)
{
    virtio_bench_start(&b, 0, 1);
    virtio_bench_describe(&b, 0, 0, VIRTIO_BENCH_DATA, 100, VIRTIO_BENCH_WRITE);
    virtio_bench_describe(&b, 0, 1, VIRTIO_BENCH_DATA + 100, 10000, VIRTIO_BENCH_WRITE);
    virtio_bench_offer(&b, 0, 0);
    virtio_bench_offer(&b, 0, 1);
    ck_assert_uint_eq(virtio_bench_done(&b, 0), 2);
    ck_assert_uint_eq(virtio_bench_get(virtio_bench_used(&b, 0) + 8, 4), 100);
    ck_assert_uint_eq(virtio_bench_get(virtio_bench_used(&b, 0) + 16, 4), 4096);
    ck_assert_uint_eq(b.memory[VIRTIO_BENCH_DATA + 99], 0xa5);
    ck_assert_uint_eq(b.memory[VIRTIO_BENCH_DATA + 100 + 4096], 0);
}
END_TEST

/* Places that nobody heard of are not told, but the last one; an event that is cut off by the lack of a
   buffer is ended when there is one. */
START_TEST(what_finds_no_buffer_is_told_later)
{
    const uint8_t *events = b.memory + VIRTIO_BENCH_DATA;

    ck_assert(!virtio_tablet_device.point(&b.dev, 1, 2, 0, 0));
    virtio_bench_start(&b, 0, 2);
    for (unsigned i = 0; i < 4; i++)
        virtio_bench_describe(&b, 0, i, VIRTIO_BENCH_DATA + i * 8, 8, VIRTIO_BENCH_WRITE);
    virtio_bench_offer(&b, 0, 0);
    ck_assert(virtio_tablet_device.point(&b.dev, 300, 400, 0, 0));
    ck_assert(virtio_tablet_device.point(&b.dev, 500, 600, 0, 0));
    ck_assert_uint_eq(virtio_bench_done(&b, 0), 1);
    for (unsigned i = 1; i < 4; i++)
        virtio_bench_offer(&b, 0, i);
    ck_assert_uint_eq(virtio_bench_done(&b, 0), 4);
    ck_assert_uint_eq(virtio_bench_get(events + 4, 4), 300);
    ck_assert_uint_eq(virtio_bench_get(events + 12, 4), 500);
    ck_assert_uint_eq(virtio_bench_get(events + 20, 4), 600);
    ck_assert_uint_eq(virtio_bench_get(events + 24, 2), 0); /* EV_SYN */
    ck_assert(b.line);
}
END_TEST

static uint32_t next(uint32_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 17;
    return *x ^= *x << 5;
}

static void storm(uint32_t seed, unsigned rounds)
{
    static uint8_t bytes[DEVICE_MESSAGE_MAX];

    for (unsigned i = 0; i < rounds; i++) {
        uint32_t dice = next(&seed) % 16;

        if (dice == 0)
            virtio_bench_start(&b, next(&seed) & 1 ? UINT64_C(3) << 28 | 1 : 1, 1);
        else if (dice < 5)
            message(next(&seed) % 8, next(&seed) % 0x3000, next(&seed) % 0x3000);
        else if (dice < 9)
            virtio_bench_put(b.memory + VIRTIO_BENCH_QUEUES + next(&seed) % 0x3000, 4,
                             next(&seed) & (next(&seed) & 1 ? 0x1ffff : UINT32_MAX));
        else if (dice < 11)
            virtio_bench_out(&b, next(&seed) % 0x420, 1u << next(&seed) % 3, next(&seed));
        else if (dice < 12 && b.dev.type->timer && deadline != DEVICE_NEVER)
            b.dev.type->timer(&b.dev);
        else if (b.dev.type->point)
            b.dev.type->point(&b.dev, (int32_t)(next(&seed) & DEVICE_POINT_MAX),
                              (int32_t)(next(&seed) & DEVICE_POINT_MAX), (int32_t)next(&seed) % 3,
                              next(&seed) & 7);
        else if (in_flight)
            answer(next(&seed) % in_flight, bytes, next(&seed) % DEVICE_MESSAGE_MAX);
    }
}

START_TEST(whatever_a_driver_does)
{
    storm(0x1234567u * ((uint32_t)_i + 1), 20000);
}
END_TEST

/* VIRTIO 1.0 wants that of every device: how many queues there are, read by both ways. */
START_TEST(structures_are_reached_through_configuration_space)
{
    enum { NUM_QUEUES = 0x12, WINDOW = 0x90 };
    uint8_t *window = b.config + WINDOW;

    window[4] = 4;
    window[8] = NUM_QUEUES;
    window[12] = 2;
    b.dev.type->pci->read(&b.dev, WINDOW + 16, 2);
    ck_assert_uint_ne(window[16], 0);
    ck_assert_uint_eq(window[16], virtio_bench_in(&b, NUM_QUEUES, 2));
}
END_TEST

static void add(Suite *suite, const char *name, void (*setup)(void), TCase **t, int storms)
{
    *t = tcase_create(name);
    tcase_set_timeout(*t, 0);
    tcase_add_checked_fixture(*t, setup, teardown);
    tcase_add_loop_test(*t, whatever_a_driver_does, 0, storms);
    tcase_add_test(*t, structures_are_reached_through_configuration_space);
    suite_add_tcase(suite, *t);
}

int main(int argc, char **argv)
{
    Suite *suite = suite_create("virtio_9p");
    TCase *t, *rng, *tablet;
    int storms = argc > 1 ? atoi(argv[1]) : 8;
    SRunner *runner;
    int failed;

    add(suite, "9p", setup_9p, &t, storms);
    tcase_add_test(t, its_name_is_in_the_configuration);
    tcase_add_test(t, answers_come_back_in_any_order);
    tcase_add_test(t, what_is_under_way_is_bounded);
    tcase_add_test(t, a_message_that_is_too_long_breaks_it);
    add(suite, "rng", setup_rng, &rng, storms);
    tcase_add_test(rng, entropy_is_given);
    add(suite, "tablet", setup_tablet, &tablet, storms);
    tcase_add_test(tablet, what_finds_no_buffer_is_told_later);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
