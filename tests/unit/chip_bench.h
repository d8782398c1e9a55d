/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A test bench for one chip: a board whose clock the test moves, which records the chip's lines and bytes.
 * Everything is in struct bench, so two chips can sit on two benches in one test.
 */
#pragma once

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "devices/chips.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

enum { BENCH_BYTES = 256 };

struct bench {
    struct device dev;
    _Alignas(16) uint8_t state[2048];
    uint64_t now;
    int64_t wall;
    uint64_t guest_ns; /* the guest's own time */
    uint64_t deadline;
    bool line[DEVICE_MAX_LINES];
    unsigned rises[DEVICE_MAX_LINES]; /* rising edges seen */
    bool pin[8];                      /* what device_input() answers */
    uint8_t sent[DEVICE_MAX_LINKS][BENCH_BYTES];
    size_t sent_count[DEVICE_MAX_LINKS];
    size_t room;         /* bytes the links still take */
    unsigned room_told;  /* calls of device_room() */
    struct bench *slave; /* where cascade goes */
};

static inline uint64_t bench_clock(void *board)
{
    return ((struct bench *)board)->now;
}

static inline int64_t bench_wall(void *board)
{
    return ((struct bench *)board)->wall;
}

static inline uint64_t bench_guest_ns(void *board)
{
    return ((struct bench *)board)->guest_ns;
}

static inline void bench_set_line(void *board, struct device *dev, unsigned line, bool level)
{
    struct bench *b = board;

    (void)dev;
    ck_assert_uint_lt(line, DEVICE_MAX_LINES);
    if (level && !b->line[line])
        b->rises[line]++;
    b->line[line] = level;
}

static inline bool bench_input(void *board, struct device *dev, unsigned pin)
{
    (void)dev;
    return ((struct bench *)board)->pin[pin];
}

static inline void bench_set_deadline(void *board, struct device *dev, uint64_t when)
{
    (void)dev;
    ((struct bench *)board)->deadline = when;
}

static inline size_t bench_send(void *board, struct device *dev, unsigned link, const uint8_t *bytes,
                                size_t count)
{
    struct bench *b = board;
    size_t n = count < b->room ? count : b->room;

    (void)dev;
    if (n > BENCH_BYTES - b->sent_count[link])
        n = BENCH_BYTES - b->sent_count[link];
    memcpy(b->sent[link] + b->sent_count[link], bytes, n);
    b->sent_count[link] += n;
    b->room -= n;
    return n;
}

static inline void bench_room(void *board, struct device *dev, unsigned link)
{
    (void)dev, (void)link;
    ((struct bench *)board)->room_told++;
}

static inline uint8_t bench_cascade(void *board, struct device *dev, unsigned level)
{
    struct bench *b = board;

    (void)dev;
    return b->slave ? b->slave->dev.type->acknowledge(&b->slave->dev, level) : 0xff;
}

static inline void bench_trace(void *board, struct device *dev, const struct device_event *event,
                               const uint64_t *args)
{
    (void)board, (void)dev, (void)args;
    ck_assert_ptr_nonnull(event->name);
}

static const struct device_board bench_ops = {
    .now = bench_clock,
    .wall_clock = bench_wall,
    .guest_ns = bench_guest_ns,
    .set_line = bench_set_line,
    .input = bench_input,
    .set_deadline = bench_set_deadline,
    .send = bench_send,
    .room = bench_room,
    .cascade = bench_cascade,
    .trace = bench_trace,
};

/* Power on at machine time 1 s, so that nothing works only because time began at 0. */
static inline void bench_start(struct bench *b, const struct device_type *type, uint32_t straps, int64_t wall)
{
    memset(b, 0, sizeof(*b));
    ck_assert_uint_le(type->state_size, sizeof(b->state));
    b->now = 1000000000;
    b->wall = wall;
    b->deadline = DEVICE_NEVER;
    b->room = SIZE_MAX;
    b->dev =
        (struct device){ .type = type, .ops = &bench_ops, .board = b, .state = b->state, .straps = straps };
    if (type->power_on)
        type->power_on(&b->dev);
    if (type->reset)
        type->reset(&b->dev);
}

/* The run of ports that holds `offset`, counting through all runs of the chip. */
static inline const struct device_ports *bench_ports(const struct bench *b, uint32_t *offset)
{
    const struct device_ports *ports = b->dev.type->ports;

    while (*offset >= ports->count)
        *offset -= ports++->count;
    return ports;
}

static inline uint8_t in(struct bench *b, uint32_t offset)
{
    const struct device_ports *ports = bench_ports(b, &offset);

    return ports->read(&b->dev, offset, 1);
}

static inline void out(struct bench *b, uint32_t offset, uint8_t value)
{
    const struct device_ports *ports = bench_ports(b, &offset);

    ports->write(&b->dev, offset, 1, value);
}

static inline void pin(struct bench *b, unsigned number, bool level)
{
    b->dev.type->input(&b->dev, number, level);
}

/* Serve the deadline if it has passed, once, as a board does. */
static inline bool bench_serve(struct bench *b)
{
    if (b->deadline > b->now)
        return false;
    b->deadline = DEVICE_NEVER;
    b->dev.type->timer(&b->dev);
    return true;
}

/* Let time pass with a host that serves every deadline exactly when it is due. */
static inline void bench_run(struct bench *b, uint64_t ns)
{
    uint64_t end = b->now + ns;

    while (b->deadline <= end) {
        if (b->deadline > b->now)
            b->now = b->deadline;
        bench_serve(b);
    }
    b->now = end;
}

/* Let time pass with a host that is away, then looks once. */
static inline void bench_sleep(struct bench *b, uint64_t ns)
{
    b->now += ns;
    bench_serve(b);
}

/* Run a suite's only test case; the process exit status. */
static inline int bench_main(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    int failed;

    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Any guest may do anything: random accesses, time steps and pins must neither crash nor hang. */
static inline void bench_storm(struct bench *b, uint32_t ports, unsigned pins, unsigned rounds)
{
    uint32_t x = 2463534242u;

    for (unsigned i = 0; i < rounds; i++) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        switch (x % 5) {
        case 0:
            in(b, (x >> 8) % ports);
            break;
        case 1:
            bench_sleep(b, (x >> 8) % 3 ? (x >> 8) % 100000 : (uint64_t)x * 1000);
            break;
        case 2:
            if (pins) {
                pin(b, (x >> 8) % pins, x >> 16 & 1);
                break;
            }
            /* fall through */
        default:
            out(b, (x >> 8) % ports, x >> 16);
            break;
        }
        if (i % 64 == 0) {
            b->sent_count[0] = b->sent_count[1] = 0;
            b->room = x >> 28;
        }
    }
}
