/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Keyboard of virtio: what it has, keys in their order however late there are buffers, lights; and drivers
 * that do anything.
 */
#include "virtio_bench.h"

enum {
    EVENTS = 0,
    STATUS = 1,
    QUEUES = 2,
    SELECT = VIRTIO_BENCH_CONFIG,
    SUBSEL = VIRTIO_BENCH_CONFIG + 1,
    SIZE_OF = VIRTIO_BENCH_CONFIG + 2,
    BITS = VIRTIO_BENCH_CONFIG + 8,
    EV_KEY = 1,
    EV_LED = 0x11,
};

static struct virtio_bench b;
static bool lit[VIRTIO_KEYBOARD_LINES];
static unsigned read_events; /* of those that were told */

static void set_line(void *board, struct device *dev, unsigned line, bool level)
{
    ck_assert_uint_le(line, VIRTIO_KEYBOARD_LINE_CAPS);
    lit[line] = level;
    if (line == 0)
        virtio_bench_set_line(board, dev, line, level);
}

static const struct device_board ops = {
    .set_line = set_line,
    .trace = virtio_bench_trace,
    .dma_read = virtio_bench_dma_read,
    .dma_write = virtio_bench_dma_write,
};

static void setup(void)
{
    read_events = 0;
    virtio_bench_power_on(&b, &virtio_keyboard_device, &ops);
}

static void teardown(void)
{
    virtio_bench_free(&b);
}

static bool key(uint16_t code, bool down)
{
    return b.dev.type->key(&b.dev, code, down);
}

static void give_buffers(unsigned first, unsigned count)
{
    for (unsigned i = first; i < first + count; i++) {
        unsigned n = i % VIRTIO_BENCH_SIZE;

        virtio_bench_describe(&b, EVENTS, n, VIRTIO_BENCH_DATA + n * 8, 8, VIRTIO_BENCH_WRITE);
        virtio_bench_offer(&b, EVENTS, n);
    }
}

static bool waiting(void)
{
    return b.dev.type->sample(&b.dev, VIRTIO_KEYBOARD_LINE_WAITING);
}

/* The next report must be that key's. */
static void expect(unsigned number, unsigned value)
{
    for (unsigned end = 0; end < 2; end++, read_events++) {
        const uint8_t *e = b.memory + VIRTIO_BENCH_DATA + read_events % VIRTIO_BENCH_SIZE * 8;

        ck_assert_uint_lt(read_events, virtio_bench_done(&b, EVENTS));
        ck_assert_uint_eq(virtio_bench_get(e, 2), end ? 0 : EV_KEY);
        ck_assert_uint_eq(virtio_bench_get(e + 2, 2), end ? 0 : number);
        ck_assert_uint_eq(virtio_bench_get(e + 4, 4), end ? 0 : value);
    }
}

static bool has_bit(unsigned type, unsigned code)
{
    virtio_bench_out(&b, SELECT, 1, 0x11);
    virtio_bench_out(&b, SUBSEL, 1, type);
    return code / 8 < virtio_bench_in(&b, SIZE_OF, 1) &&
           virtio_bench_in(&b, BITS + code / 8, 1) >> code % 8 & 1;
}

START_TEST(it_says_what_it_has)
{
    virtio_bench_out(&b, SELECT, 1, 1);
    ck_assert_uint_eq(virtio_bench_in(&b, SIZE_OF, 1), strlen("Duplex86 keyboard"));
    ck_assert_uint_eq(virtio_bench_in(&b, BITS, 1), 'D');
    ck_assert(has_bit(EV_KEY, 1) && has_bit(EV_KEY, 88) && has_bit(EV_KEY, 127));
    ck_assert(!has_bit(EV_KEY, 0) && !has_bit(EV_KEY, 84) && !has_bit(EV_KEY, 0x110));
    ck_assert(has_bit(EV_LED, 0) && has_bit(EV_LED, 2) && !has_bit(EV_LED, 3));
    ck_assert(has_bit(0x14, 0)); /* the guest repeats */
    ck_assert(!has_bit(2, 0) && !has_bit(3, 0));
    virtio_bench_out(&b, SELECT, 1, 0x12);
    ck_assert_uint_eq(virtio_bench_in(&b, SIZE_OF, 1), 0);
}
END_TEST

static const struct {
    uint16_t code;
    unsigned number;
} keys[] = {
    { 0x01, 1 }, /* Esc */
    { 0x1e, 30 },    { 0x58, 88 },    { 0xe01d, 97 },  { 0xe037, 99 },
    { 0xe048, 103 }, { 0xe053, 111 }, { 0xe11d, 119 }, { 0xe05d, 127 },
};

START_TEST(keys_have_linux_numbers)
{
    virtio_bench_start(&b, 0, QUEUES);
    give_buffers(0, VIRTIO_BENCH_SIZE);
    for (unsigned i = 0; i < ARRAY_SIZE(keys); i++) {
        ck_assert(key(keys[i].code, true));
        ck_assert(key(keys[i].code, true)); /* the host's own repeat */
        ck_assert(key(keys[i].code, false));
        expect(keys[i].number, 1);
        expect(keys[i].number, 0);
    }
    ck_assert(key(0x54, true) && key(0xe0ff, true) && key(0xffff, true)); /* there are none */
    ck_assert_uint_eq(virtio_bench_done(&b, EVENTS), read_events);
    ck_assert(b.line);
}
END_TEST

START_TEST(without_a_driver_keys_are_not_taken)
{
    ck_assert(!key(0x1e, true));
    virtio_bench_start(&b, 0, QUEUES);
    ck_assert(key(0x1e, true));
    ck_assert(waiting());
    virtio_bench_out(&b, VIRTIO_BENCH_STATUS, 1, 0);
    ck_assert(!waiting());
    ck_assert(!key(0x1e, false));
}
END_TEST

/* A report whose end finds no buffer is ended before the next one begins. */
START_TEST(keys_wait_for_buffers_in_their_order)
{
    virtio_bench_start(&b, 0, QUEUES);
    give_buffers(0, 3);
    for (uint16_t code = 0x10; code < 0x14; code++) {
        key(code, true);
        key(code, false);
    }
    ck_assert_uint_eq(virtio_bench_done(&b, EVENTS), 3);
    ck_assert(waiting());
    give_buffers(3, 13);
    ck_assert(!waiting());
    for (unsigned number = 0x10; number < 0x14; number++) {
        expect(number, 1);
        expect(number, 0);
    }
}
END_TEST

/* Of more keys than there is room for the last ones are lost, but no key stays down. */
START_TEST(no_key_gets_stuck)
{
    unsigned down[128] = { 0 };

    virtio_bench_start(&b, 0, QUEUES);
    for (unsigned round = 0; round < 3; round++) {
        for (uint16_t code = 1; code <= 0x53; code++)
            key(code, round != 1);
    }
    for (uint16_t code = 1; code <= 0x53; code++)
        key(code, false);
    for (unsigned given = 0; waiting() || given < VIRTIO_BENCH_SIZE; given += 16) {
        give_buffers(given, 16);
        while (read_events < virtio_bench_done(&b, EVENTS)) {
            const uint8_t *e = b.memory + VIRTIO_BENCH_DATA + read_events++ % VIRTIO_BENCH_SIZE * 8;

            if (virtio_bench_get(e, 2) == EV_KEY)
                down[virtio_bench_get(e + 2, 2)] = virtio_bench_get(e + 4, 4);
        }
        ck_assert_uint_lt(given, 1000);
    }
    ck_assert_uint_ge(read_events, 2 * 32);
    for (unsigned i = 0; i < ARRAY_SIZE(down); i++)
        ck_assert_msg(!down[i], "key %u", i);
}
END_TEST

static void say_led(unsigned type, unsigned code, unsigned value)
{
    uint8_t *e = b.memory + VIRTIO_BENCH_DATA + 0x4000;

    virtio_bench_put(e, 2, type);
    virtio_bench_put(e + 2, 2, code);
    virtio_bench_put(e + 4, 4, value);
    virtio_bench_describe(&b, STATUS, 0, VIRTIO_BENCH_DATA + 0x4000, 8, 0);
    virtio_bench_offer(&b, STATUS, 0);
}

START_TEST(lights_are_lines)
{
    virtio_bench_start(&b, 0, QUEUES);
    say_led(EV_LED, 1, 1);
    ck_assert(lit[VIRTIO_KEYBOARD_LINE_CAPS] && !lit[VIRTIO_KEYBOARD_LINE_NUM]);
    say_led(EV_LED, 0, 1);
    say_led(EV_LED, 2, 7);
    say_led(EV_LED, 3, 1);
    say_led(EV_KEY, 1, 0);
    ck_assert(lit[VIRTIO_KEYBOARD_LINE_CAPS] && lit[VIRTIO_KEYBOARD_LINE_NUM] &&
              lit[VIRTIO_KEYBOARD_LINE_SCROLL]);
    say_led(EV_LED, 1, 0);
    ck_assert(!lit[VIRTIO_KEYBOARD_LINE_CAPS] && lit[VIRTIO_KEYBOARD_LINE_NUM]);
    ck_assert_uint_eq(virtio_bench_done(&b, STATUS), 6);
    virtio_bench_out(&b, VIRTIO_BENCH_STATUS, 1, 0);
    ck_assert(!lit[VIRTIO_KEYBOARD_LINE_NUM] && !lit[VIRTIO_KEYBOARD_LINE_SCROLL]);
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
    uint32_t x = 0x9e3779b9u * ((uint32_t)_i + 1);

    for (unsigned i = 0; i < 20000; i++) {
        uint32_t dice = next(&x) % 16;

        if (dice == 0)
            virtio_bench_start(&b, next(&x) & 1 ? UINT64_C(3) << 28 : 0, QUEUES);
        else if (dice < 4)
            virtio_bench_put(b.memory + VIRTIO_BENCH_QUEUES + next(&x) % (QUEUES * 0x3000), 4,
                             next(&x) & (next(&x) & 1 ? 0x1ffff : UINT32_MAX));
        else if (dice < 5)
            virtio_bench_out(&b, next(&x) % 0x480, 1u << next(&x) % 3, next(&x));
        else if (dice < 8)
            give_buffers(next(&x) % VIRTIO_BENCH_SIZE, next(&x) % 8);
        else if (dice < 10)
            say_led(next(&x) % 20, next(&x) % 5, next(&x) & 1);
        else if (dice < 11)
            virtio_bench_in(&b, next(&x) % 0x480, 1u << next(&x) % 3);
        else
            key((uint16_t)(next(&x) & 1 ? next(&x) % 0x60 : 0xe000 | next(&x) % 0x80), next(&x) & 1);
    }
}
END_TEST

int main(int argc, char **argv)
{
    Suite *suite = suite_create("virtio_keyboard");
    TCase *t = tcase_create("keyboard");
    SRunner *runner;
    int failed;

    tcase_set_timeout(t, 0);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, it_says_what_it_has);
    tcase_add_test(t, keys_have_linux_numbers);
    tcase_add_test(t, without_a_driver_keys_are_not_taken);
    tcase_add_test(t, keys_wait_for_buffers_in_their_order);
    tcase_add_test(t, no_key_gets_stuck);
    tcase_add_test(t, lights_are_lines);
    tcase_add_loop_test(t, whatever_a_driver_does, 0, argc > 1 ? atoi(argv[1]) : 8);
    suite_add_tcase(suite, t);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
