/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A network adapter alone: a board with memory for bus masters, a clock that the test moves, and a cable
 * whose frames are kept.
 */
#pragma once

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "devices/chips.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

enum { BENCH_MEMORY = 1 << 20, BENCH_FRAMES = 64 };

struct nic_bench {
    struct device dev;
    uint8_t *state, *memory;
    uint8_t config[DEVICE_CONFIG_SIZE];
    uint64_t now, deadline;
    bool line[2];
    unsigned rises;
    unsigned sent, rooms;
    bool segments4, segments6;
    uint8_t last[DEVICE_FRAME_MAX]; /* the frame sent last, of `last_size` bytes */
    struct device_frame frame[BENCH_FRAMES];
    const uint8_t *rom;
    uint32_t rom_size;
};

static const uint8_t bench_own_mac[DEVICE_MAC] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 };

static inline uint64_t bench_now(void *board)
{
    return ((struct nic_bench *)board)->now;
}

static inline void bench_set_line(void *board, struct device *dev, unsigned line, bool level)
{
    struct nic_bench *b = board;

    (void)dev;
    ck_assert_uint_lt(line, 2);
    b->rises += level && !b->line[line];
    b->line[line] = level;
}

static inline void bench_set_deadline(void *board, struct device *dev, uint64_t when)
{
    (void)dev;
    ((struct nic_bench *)board)->deadline = when;
}

static inline void bench_trace(void *board, struct device *dev, const struct device_event *event,
                               const uint64_t *args)
{
    (void)board, (void)dev, (void)args;
    ck_assert_ptr_nonnull(event->name);
}

static inline bool bench_dma_read(void *board, guest_pa pa, void *data, size_t size)
{
    struct nic_bench *b = board;

    if (pa > BENCH_MEMORY || size > BENCH_MEMORY - pa)
        return false;
    memcpy(data, b->memory + pa, size);
    return true;
}

static inline bool bench_dma_write(void *board, guest_pa pa, const void *data, size_t size)
{
    struct nic_bench *b = board;

    if (pa > BENCH_MEMORY || size > BENCH_MEMORY - pa)
        return false;
    memcpy(b->memory + pa, data, size);
    return true;
}

static inline const uint8_t *bench_contents(void *board, struct device *dev, unsigned key, uint32_t *size)
{
    const struct nic_bench *b = board;

    (void)dev, (void)key;
    *size = b->rom_size;
    return b->rom;
}

static inline void bench_mac(void *board, struct device *dev, uint8_t *mac)
{
    (void)board, (void)dev;
    memcpy(mac, bench_own_mac, DEVICE_MAC);
}

/* Whatever the guest does, a frame is one. */
static inline void bench_send_frame(void *board, struct device *dev, const struct device_frame *frame)
{
    struct nic_bench *b = board;

    (void)dev;
    ck_assert_uint_ge(frame->size, 14);
    ck_assert_uint_le(frame->size, DEVICE_FRAME_MAX);
    memcpy(b->last, frame->data, frame->size);
    b->frame[b->sent % BENCH_FRAMES] = *frame;
    b->frame[b->sent++ % BENCH_FRAMES].data = b->last;
}

static inline void bench_frame_room(void *board, struct device *dev)
{
    (void)dev;
    ((struct nic_bench *)board)->rooms++;
}

static inline void bench_take_segments(void *board, struct device *dev, bool ipv4, bool ipv6)
{
    struct nic_bench *b = board;

    (void)dev;
    b->segments4 = ipv4;
    b->segments6 = ipv6;
}

static const struct device_board nic_bench_ops = {
    .now = bench_now,
    .set_line = bench_set_line,
    .set_deadline = bench_set_deadline,
    .trace = bench_trace,
    .dma_read = bench_dma_read,
    .dma_write = bench_dma_write,
    .contents = bench_contents,
    .mac = bench_mac,
    .send_frame = bench_send_frame,
    .frame_room = bench_frame_room,
    .take_segments = bench_take_segments,
};

static inline void bench_power_on(struct nic_bench *b, const struct device_type *type)
{
    memset(b, 0, sizeof(*b));
    b->state = calloc(1, type->state_size);
    b->memory = calloc(1, BENCH_MEMORY);
    b->deadline = DEVICE_NEVER;
    b->dev = (struct device){
        .type = type, .ops = &nic_bench_ops, .board = b, .state = b->state, .config = b->config
    };
    b->config[4] = 7;
    type->reset(&b->dev);
}

static inline void bench_free(struct nic_bench *b)
{
    free(b->state);
    free(b->memory);
}

/* Let time pass; what is due is done. */
static inline void bench_sleep(struct nic_bench *b, uint64_t ns)
{
    b->now += ns;
    if (b->deadline <= b->now) {
        b->deadline = DEVICE_NEVER;
        b->dev.type->timer(&b->dev);
    }
}

static inline void put16(uint8_t *to, uint32_t value)
{
    to[0] = (uint8_t)value;
    to[1] = (uint8_t)(value >> 8);
}

static inline void put32(uint8_t *to, uint32_t value)
{
    put16(to, value);
    put16(to + 2, value >> 16);
}

static inline uint32_t get16(const uint8_t *from)
{
    return (uint32_t)(from[0] | from[1] << 8);
}

static inline uint32_t get32(const uint8_t *from)
{
    return get16(from) | get16(from + 2) << 16;
}

/* A frame for `mac` whose bytes can be told from others'. */
static inline void make_frame(uint8_t *frame, uint32_t size, const uint8_t *mac)
{
    for (uint32_t i = 0; i < size; i++)
        frame[i] = (uint8_t)(i * 7 + (i >> 8));
    memcpy(frame, mac, DEVICE_MAC);
    frame[12] = 0x88;
    frame[13] = 0xb5;
}

static inline bool arrives(struct nic_bench *b, const uint8_t *frame, uint32_t size)
{
    return b->dev.type->frame_arrives(&b->dev, &(struct device_frame){ .data = frame, .size = size });
}

/* A checksum is right if the sum with it is all ones. */
static inline uint32_t sum16(const uint8_t *bytes, size_t size, uint32_t sum)
{
    for (size_t i = 0; i < size; i++)
        sum += i & 1 ? bytes[i] : (uint32_t)bytes[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

/* Numbers that repeat, for tests at random. */
static inline uint32_t random32(uint32_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 17;
    return *x ^= *x << 5;
}

static inline int bench_main(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    int failed;

    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
