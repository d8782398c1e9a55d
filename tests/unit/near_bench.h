/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A test bench for the chips next to the processor: they are alone on a board whose clock the test moves, and
 * which checks that it is told of every change of INTR. Boards are plain data, so there can be many.
 */
#pragma once

#include "chip_bench.h"

#include "devices/near.h"

enum { START_NS = 88000 * 20000 }; /* on a tick of the timer's clock, of which 105 take 88000 ns */

/* A board. Copying `state` alone must be enough to go on elsewhere. */
struct board {
    struct near near;
    struct near_state state;
    uint64_t now;
    uint64_t run_ns; /* how long the guest has run */
    bool told_intr;
    unsigned intr_changes, deadline_changes;
    const struct device_event *event; /* the last one traced */
};

/* Theirs, all. */
static const uint16_t near_bench_ports[] = { 0x20, 0x21, 0xa0, 0xa1,  0x40, 0x41,
                                             0x42, 0x43, 0x80, 0x4d0, 0x4d1 };

/* The one of most tests, one per program. */
static struct board board;

static inline uint64_t board_clock(void *ctx)
{
    return ((struct board *)ctx)->now;
}

static inline void told_intr(void *ctx, bool level)
{
    struct board *b = ctx;

    if (level == b->told_intr || level != b->state.intr)
        ck_abort_msg("INTR is told to be %d and is %d", level, b->state.intr);
    b->told_intr = level;
    b->intr_changes++;
}

static inline void told_deadline(void *ctx)
{
    ((struct board *)ctx)->deadline_changes++;
}

static inline void told_event(void *ctx, const struct device_event *event, const uint64_t *args)
{
    (void)args;
    ((struct board *)ctx)->event = event;
}

static inline uint64_t board_run_ns(void *ctx)
{
    return ((struct board *)ctx)->run_ns;
}

static const struct near_host host = {
    board_clock, told_intr, told_deadline, told_event, board_run_ns, NULL
};
static const struct near_host quiet_host = {
    board_clock, told_intr, told_deadline, NULL, board_run_ns, NULL
};

/* Put the chips on board `b` in a state that is there already. */
static inline void sit(struct board *b, const struct near_host *whose)
{
    b->told_intr = b->state.intr;
    near_init(&b->near, &b->state, whose, b);
}

static inline void power_on(struct board *b)
{
    memset(b, 0, sizeof(*b));
    b->now = START_NS;
    b->state.deadline = DEVICE_NEVER;
    sit(b, &host);
    near_reset(&b->near);
}

static inline void move(struct board *to, const struct board *from)
{
    memset(to, 0x5a, sizeof(*to));
    to->now = from->now;
    to->run_ns = from->run_ns;
    to->state = from->state;
    sit(to, &quiet_host);
}

/* What succeeds often fails with ck_abort_msg() below: every ck_assert() is a system call. */
static inline uint8_t get(struct board *b, uint16_t port)
{
    uint8_t value = 0;

    if (!near_read(&b->near, port, &value))
        ck_abort_msg("%04x is not read", port);
    return value;
}

static inline void put(struct board *b, uint16_t port, uint8_t value)
{
    if (!near_write(&b->near, port, value))
        ck_abort_msg("%04x is not written", port);
}

/* Serve the timer if it is due, once. */
static inline bool serve(struct board *b)
{
    if (b->state.deadline > b->now)
        return false;
    near_run_timer(&b->near);
    return true;
}

/* Vectors 30h and 38h, nothing masked. */
static inline void init_pics(struct board *b)
{
    put(b, 0x20, 0x11), put(b, 0x21, 0x30), put(b, 0x21, 0x04), put(b, 0x21, 0x01);
    put(b, 0xa0, 0x11), put(b, 0xa1, 0x38), put(b, 0xa1, 0x02), put(b, 0xa1, 0x01);
}

static inline uint8_t isr(struct board *b, uint16_t base)
{
    put(b, base, 0x0b);
    return get(b, base);
}

static inline uint8_t irr(struct board *b, uint16_t base)
{
    put(b, base, 0x0a);
    return get(b, base);
}

static inline uint64_t ticks(uint64_t n)
{
    return (n * 88000 + 104) / 105;
}

static inline void setup(void)
{
    power_on(&board);
    init_pics(&board);
}

/* Counter 0 in mode 2. OUT goes up with the control word already, which is an interrupt: it is served. */
static inline void begin_ticking(uint16_t count)
{
    put(&board, 0x43, 0x34);
    ck_assert_uint_eq(near_acknowledge(&board.near), 0x30);
    put(&board, 0x20, 0x20);
    put(&board, 0x40, count & 0xff), put(&board, 0x40, count >> 8);
    ck_assert(!board.told_intr);
    board.intr_changes = 0;
}
