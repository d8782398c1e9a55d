/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Console of virtio: ports that come up, bytes both ways, an end that takes nothing for a while, who is there
 * and who is not; and drivers that do anything.
 */
#include "virtio_bench.h"

enum {
    MULTIPORT = 1 << 1,
    IN = 0, /* of port 0 */
    OUT = 1,
    CONTROL_IN = 2,
    CONTROL_OUT = 3,
    IN1 = 4,
    OUT1 = 5,
    QUEUES = 6, /* that the driver sets up */
    ROOM = 256, /* bytes of a buffer */

    READY = 0,
    ADD = 1,
    PORT_READY = 3,
    CONSOLE = 4,
    OPEN = 6,
    NAME = 7,
    PORT1 = 1,
    PORTS = 3, /* that there are: two consoles and a named port between */
};

static struct virtio_bench b;
static uint64_t deadline;
/* The other ends. */
static uint8_t sent[1 << 20], offered[1 << 16];
static size_t sent_count, takes, offered_count, offered_at;
static unsigned control_read;

static const uint8_t *board_contents(void *board, struct device *dev, unsigned key, uint32_t *size)
{
    (void)board, (void)dev;
    *size = key == PORT1 ? 5 : 0;
    return key < PORTS ? (const uint8_t *)"agent" : NULL;
}

static size_t board_send(void *board, struct device *dev, unsigned link, const uint8_t *bytes, size_t count)
{
    size_t n = count < takes ? count : takes;

    (void)board, (void)dev;
    ck_assert_uint_lt(link, VIRTIO_CONSOLE_PORTS);
    takes -= n;
    if (n > sizeof(sent) - sent_count)
        sent_count = 0; /* a storm */
    memcpy(sent + sent_count, bytes, n);
    sent_count += n;
    return n;
}

/* Offer what is left of what was refused. */
static void board_room(void *board, struct device *dev, unsigned link)
{
    (void)board;
    ck_assert_uint_lt(link, VIRTIO_CONSOLE_PORTS);
    offered_at += dev->type->receive(dev, link, offered + offered_at, offered_count - offered_at);
}

static void board_set_deadline(void *board, struct device *dev, uint64_t when)
{
    (void)board, (void)dev;
    deadline = when;
}

static const struct device_board ops = {
    VIRTIO_BENCH_OPS,
    .send = board_send,
    .room = board_room,
    .contents = board_contents,
    .set_deadline = board_set_deadline,
};

static void setup(void)
{
    deadline = DEVICE_NEVER;
    takes = SIZE_MAX;
    sent_count = offered_count = offered_at = control_read = 0;
    virtio_bench_power_on(&b, &virtio_console_device, &ops);
}

static void teardown(void)
{
    virtio_bench_free(&b);
}

/* ---- A driver of several ports ------------------------------------------------------------------- */

/* Where buffer `n` of a queue is. */
static uint32_t buffer(unsigned queue, unsigned n)
{
    return VIRTIO_BENCH_DATA + (queue * VIRTIO_BENCH_SIZE + n) * ROOM;
}

static void give_buffers(unsigned queue, unsigned first, unsigned count)
{
    for (unsigned i = first; i < first + count; i++) {
        virtio_bench_describe(&b, queue, i, buffer(queue, i), ROOM, VIRTIO_BENCH_WRITE);
        virtio_bench_offer(&b, queue, i);
    }
}

static void control(uint32_t port, unsigned event, unsigned value)
{
    uint8_t *m = b.memory + buffer(CONTROL_OUT, 0);

    virtio_bench_put(m, 4, port);
    virtio_bench_put(m + 4, 2, event);
    virtio_bench_put(m + 6, 2, value);
    virtio_bench_describe(&b, CONTROL_OUT, 0, buffer(CONTROL_OUT, 0), 8, 0);
    virtio_bench_offer(&b, CONTROL_OUT, 0);
}

/* The next message must be that one. */
static void expect(unsigned port, unsigned event, unsigned value)
{
    const uint8_t *m = b.memory + buffer(CONTROL_IN, control_read % VIRTIO_BENCH_SIZE);

    ck_assert_uint_lt(control_read, virtio_bench_done(&b, CONTROL_IN));
    control_read++;
    ck_assert_uint_eq(virtio_bench_get(m, 4), port);
    ck_assert_uint_eq(virtio_bench_get(m + 4, 2), event);
    ck_assert_uint_eq(virtio_bench_get(m + 6, 2), value);
}

static void expect_nothing(void)
{
    ck_assert_uint_eq(virtio_bench_done(&b, CONTROL_IN), control_read);
}

static void begin(void)
{
    virtio_bench_start(&b, MULTIPORT, QUEUES);
    control_read = 0;
    give_buffers(CONTROL_IN, 0, 32);
    control(0, READY, 1);
    for (unsigned port = 0; port < PORTS; port++)
        expect(port, ADD, 1);
    control(PORT1, PORT_READY, 1);
    expect(PORT1, NAME, 1);
    expect_nothing();
}

static void put_out(unsigned queue, unsigned n, const char *text)
{
    memcpy(b.memory + buffer(queue, n), text, strlen(text));
    virtio_bench_describe(&b, queue, n, buffer(queue, n), (uint32_t)strlen(text), 0);
    virtio_bench_offer(&b, queue, n);
}

static void connect_port(unsigned port, bool level)
{
    b.dev.type->input(&b.dev, port, level);
}

static void offer_bytes(unsigned port, const char *text)
{
    offered_count = strlen(text);
    memcpy(offered, text, offered_count);
    offered_at = b.dev.type->receive(&b.dev, port, offered, offered_count);
}

/* ---- Ports --------------------------------------------------------------------------------------- */

START_TEST(ports_say_what_they_are)
{
    ck_assert_uint_eq(virtio_bench_in(&b, VIRTIO_BENCH_CONFIG + 4, 4), PORTS);
    begin();
    ck_assert_mem_eq(b.memory + buffer(CONTROL_IN, control_read - 1) + 8, "agent", 5);
    ck_assert_uint_eq(virtio_bench_get(virtio_bench_used(&b, CONTROL_IN) + 4 + (control_read - 1) * 8 + 4, 4),
                      13);
    control(2, PORT_READY, 1);
    expect(2, CONSOLE, 1);
    control(PORTS, PORT_READY, 1); /* there is none of that number */
    control(UINT32_MAX, OPEN, 1);
    expect_nothing();
}
END_TEST

START_TEST(who_comes_and_goes_is_told)
{
    begin();
    connect_port(PORT1, true);
    expect(PORT1, OPEN, 1);
    connect_port(PORT1, false);
    connect_port(PORT1, true);
    expect(PORT1, OPEN, 0);
    expect(PORT1, OPEN, 1);
    connect_port(0, true); /* the guest does not know that port */
    expect_nothing();
    control(0, PORT_READY, 1);
    expect(0, CONSOLE, 1);
    expect(0, OPEN, 1);
}
END_TEST

/* ... also that somebody left and another came while the guest had no buffer for the news. */
START_TEST(news_wait_for_buffers)
{
    begin();
    control(2, PORT_READY, 1);
    expect(2, CONSOLE, 1);
    for (bool level = true; control_read < 32; level = !level) {
        connect_port(PORT1, level);
        expect(PORT1, OPEN, level);
    }
    connect_port(PORT1, false);
    connect_port(PORT1, true);
    expect_nothing();
    give_buffers(CONTROL_IN, 32, 8);
    expect(PORT1, OPEN, 0);
    expect(PORT1, OPEN, 1);
    expect_nothing();
}
END_TEST

/* ---- Bytes --------------------------------------------------------------------------------------- */

START_TEST(bytes_wait_until_the_guest_opens_the_port)
{
    begin();
    connect_port(PORT1, true);
    offer_bytes(PORT1, "hello");
    give_buffers(IN1, 0, 2);
    ck_assert_uint_eq(offered_at, 0);
    control(PORT1, OPEN, 1);
    ck_assert_uint_eq(offered_at, 5);
    ck_assert_uint_eq(virtio_bench_done(&b, IN1), 1);
    ck_assert_mem_eq(b.memory + buffer(IN1, 0), "hello", 5);
    control(PORT1, OPEN, 0);
    offer_bytes(PORT1, "more");
    ck_assert_uint_eq(offered_at, 0);
}
END_TEST

START_TEST(bytes_go_over_buffers_as_they_come)
{
    char text[ROOM * 2 + 45];

    for (unsigned i = 0; i < sizeof(text); i++)
        text[i] = (char)('a' + i % 23);
    text[sizeof(text) - 1] = '\0';
    begin();
    control(PORT1, OPEN, 1);
    give_buffers(IN1, 0, 1);
    offer_bytes(PORT1, text);
    ck_assert_uint_eq(offered_at, ROOM);
    give_buffers(IN1, 1, 1);
    ck_assert_uint_eq(offered_at, ROOM * 2);
    give_buffers(IN1, 2, 1);
    ck_assert_uint_eq(offered_at, ROOM * 2 + 44);
    ck_assert_mem_eq(b.memory + buffer(IN1, 0), text, offered_at); /* they lie behind each other */
    ck_assert_uint_eq(virtio_bench_get(virtio_bench_used(&b, IN1) + 4 + 2 * 8 + 4, 4), 44);
}
END_TEST

/* What is not taken stays in the guest's queue, and nothing of it comes twice. */
START_TEST(a_slow_reader_loses_nothing)
{
    begin();
    connect_port(PORT1, true);
    takes = 3;
    put_out(OUT1, 0, "hello");
    put_out(OUT1, 1, "world");
    ck_assert_uint_eq(virtio_bench_done(&b, OUT1), 0);
    ck_assert_uint_eq(sent_count, 3);
    takes = 4;
    b.dev.type->room(&b.dev, PORT1);
    ck_assert_uint_eq(virtio_bench_done(&b, OUT1), 1);
    ck_assert_mem_eq(sent, "hellowo", 7);
    virtio_bench_out(&b, 0x400 + OUT1 * 4, 2, OUT1); /* no room still */
    ck_assert_uint_eq(sent_count, 7);
    takes = SIZE_MAX;
    b.dev.type->room(&b.dev, PORT1);
    ck_assert_mem_eq(sent, "helloworld", 10);
    ck_assert_uint_eq(sent_count, 10);
    ck_assert_uint_eq(virtio_bench_done(&b, OUT1), 2);
}
END_TEST

/* A guest need not look who is there; and who leaves in the midst of a chain leaves the next one whole. */
START_TEST(where_nobody_is_bytes_are_gone)
{
    begin();
    put_out(OUT1, 0, "nobody");
    ck_assert_uint_eq(virtio_bench_done(&b, OUT1), 1);
    ck_assert_uint_eq(sent_count, 0);
    connect_port(PORT1, true);
    takes = 2;
    put_out(OUT1, 1, "half");
    connect_port(PORT1, false);
    ck_assert_uint_eq(virtio_bench_done(&b, OUT1), 2);
    connect_port(PORT1, true);
    takes = SIZE_MAX;
    put_out(OUT1, 2, "whole");
    ck_assert_mem_eq(sent, "hawhole", 7);
    ck_assert_uint_eq(sent_count, 7);
}
END_TEST

/* 4 GiB and more by descriptors that lie on each other: the guest gets its turn meanwhile. */
START_TEST(long_chains_are_sent_bit_by_bit)
{
    begin();
    connect_port(PORT1, true);
    for (unsigned i = 0; i < 16; i++)
        virtio_bench_describe(&b, OUT1, i, 0, 0x40000, i < 15 ? VIRTIO_BENCH_NEXT : 0);
    virtio_bench_offer(&b, OUT1, 0);
    ck_assert_uint_le(sent_count, 1 << 17);
    ck_assert_uint_eq(virtio_bench_done(&b, OUT1), 0);
    for (unsigned i = 0; i < 1000 && deadline != DEVICE_NEVER; i++) {
        deadline = DEVICE_NEVER;
        b.dev.type->timer(&b.dev);
    }
    ck_assert_uint_eq(virtio_bench_done(&b, OUT1), 1);
}
END_TEST

START_TEST(a_driver_that_knows_one_port_has_it_open)
{
    virtio_bench_start(&b, 0, 2);
    connect_port(0, true);
    connect_port(PORT1, true);
    give_buffers(IN, 0, 1);
    offer_bytes(PORT1, "not here");
    ck_assert_uint_eq(offered_at, 0);
    offer_bytes(0, "key");
    ck_assert_uint_eq(offered_at, 3);
    put_out(OUT, 0, "screen");
    ck_assert_mem_eq(sent, "screen", 6);
    ck_assert(b.line);
}
END_TEST

START_TEST(a_last_word_needs_no_queue)
{
    virtio_bench_out(&b, VIRTIO_BENCH_CONFIG + 8, 4, '!');
    ck_assert_uint_eq(sent_count, 0);
    connect_port(0, true);
    virtio_bench_out(&b, VIRTIO_BENCH_CONFIG + 8, 4, '!');
    ck_assert_uint_eq(sent_count, 1);
    ck_assert_uint_eq(sent[0], '!');
}
END_TEST

/* ---- Anything ------------------------------------------------------------------------------------ */

static uint32_t next(uint32_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 17;
    return *x ^= *x << 5;
}

static void anything(uint32_t *x)
{
    uint32_t dice = next(x) % 16, queue = next(x) % QUEUES, n = next(x) % VIRTIO_BENCH_SIZE;

    if (dice == 0)
        virtio_bench_start(&b, next(x) & 1 ? UINT64_C(3) << 28 | MULTIPORT : next(x) & MULTIPORT, QUEUES);
    else if (dice < 3)
        control(next(x) % 9, next(x) % 9, next(x) % 2);
    else if (dice < 6)
        virtio_bench_put(b.memory + VIRTIO_BENCH_QUEUES + next(x) % (QUEUES * 0x3000), 4,
                         next(x) & (next(x) & 1 ? 0x1ffff : UINT32_MAX));
    else if (dice < 7)
        virtio_bench_out(&b, next(x) % 0x480, 1u << next(x) % 3, next(x));
    else if (dice < 10)
        give_buffers(queue, n & 31, next(x) % 8);
    else if (dice < 12)
        put_out(queue, n, "something");
    else if (dice < 13)
        connect_port(next(x) % VIRTIO_CONSOLE_PORTS, next(x) & 1);
    else if (dice < 14)
        offer_bytes(next(x) % VIRTIO_CONSOLE_PORTS, "bytes from outside");
    else if (deadline != DEVICE_NEVER && next(x) & 1)
        b.dev.type->timer(&b.dev);
    else
        b.dev.type->room(&b.dev, next(x) % VIRTIO_CONSOLE_PORTS);
}

START_TEST(whatever_a_driver_does)
{
    uint32_t x = 0x2545f491u * ((uint32_t)_i + 1);

    for (unsigned i = 0; i < 20000; i++) {
        takes = next(&x) & 1 ? SIZE_MAX : next(&x) % 64;
        anything(&x);
        ck_assert_uint_le(offered_at, offered_count);
    }
}
END_TEST

int main(int argc, char **argv)
{
    Suite *suite = suite_create("virtio_console");
    TCase *t = tcase_create("console");
    SRunner *runner;
    int failed;

    tcase_set_timeout(t, 0);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, ports_say_what_they_are);
    tcase_add_test(t, who_comes_and_goes_is_told);
    tcase_add_test(t, news_wait_for_buffers);
    tcase_add_test(t, bytes_wait_until_the_guest_opens_the_port);
    tcase_add_test(t, bytes_go_over_buffers_as_they_come);
    tcase_add_test(t, a_slow_reader_loses_nothing);
    tcase_add_test(t, where_nobody_is_bytes_are_gone);
    tcase_add_test(t, long_chains_are_sent_bit_by_bit);
    tcase_add_test(t, a_driver_that_knows_one_port_has_it_open);
    tcase_add_test(t, a_last_word_needs_no_queue);
    tcase_add_loop_test(t, whatever_a_driver_does, 0, argc > 1 ? atoi(argv[1]) : 8);
    suite_add_tcase(suite, t);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
