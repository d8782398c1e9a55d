/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A virtio device alone: a board with memory for bus masters, the driver's side of its transport by
 * version 1.0, and of its queues. What else the device asks of a board, the test gives in its `ops`.
 */
#pragma once

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "devices/chips.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define VIRTIO_BENCH_VERSION_1 (UINT64_C(1) << 32)

enum {
    VIRTIO_BENCH_MEMORY = 1 << 20,
    /* Each queue has a page for each of its three parts. */
    VIRTIO_BENCH_QUEUES = 0x1000,
    VIRTIO_BENCH_DATA = 0x20000,
    VIRTIO_BENCH_SIZE = 64, /* of a queue */

    VIRTIO_BENCH_NEXT = 1,
    VIRTIO_BENCH_WRITE = 2,

    VIRTIO_BENCH_STATUS = 0x14,
    VIRTIO_BENCH_NEEDS_RESET = 0x40,
    VIRTIO_BENCH_CONFIG = 0x200,
};

struct virtio_bench {
    struct device dev;
    uint8_t *state, *memory;
    uint8_t config[DEVICE_CONFIG_SIZE];
    bool line;
    unsigned rises;
};

static inline void virtio_bench_set_line(void *board, struct device *dev, unsigned line, bool level)
{
    struct virtio_bench *b = board;

    (void)dev;
    ck_assert_uint_eq(line, 0);
    b->rises += level && !b->line;
    b->line = level;
}

static inline void virtio_bench_trace(void *board, struct device *dev, const struct device_event *event,
                                      const uint64_t *args)
{
    (void)board, (void)dev, (void)args;
    ck_assert_ptr_nonnull(event->name);
}

static inline bool virtio_bench_dma_read(void *board, guest_pa pa, void *data, size_t size)
{
    struct virtio_bench *b = board;

    if (pa > VIRTIO_BENCH_MEMORY || size > VIRTIO_BENCH_MEMORY - pa)
        return false;
    memcpy(data, b->memory + pa, size);
    return true;
}

static inline bool virtio_bench_dma_write(void *board, guest_pa pa, const void *data, size_t size)
{
    struct virtio_bench *b = board;

    if (pa > VIRTIO_BENCH_MEMORY || size > VIRTIO_BENCH_MEMORY - pa)
        return false;
    memcpy(b->memory + pa, data, size);
    return true;
}

/* What every device asks of a board. */
#define VIRTIO_BENCH_OPS                                                                                     \
    .set_line = virtio_bench_set_line, .trace = virtio_bench_trace, .dma_read = virtio_bench_dma_read,       \
    .dma_write = virtio_bench_dma_write

static inline void virtio_bench_power_on(struct virtio_bench *b, const struct device_type *type,
                                         const struct device_board *ops)
{
    memset(b, 0, sizeof(*b));
    b->state = calloc(1, type->state_size);
    b->memory = calloc(1, VIRTIO_BENCH_MEMORY);
    b->dev = (struct device){ .type = type, .ops = ops, .board = b, .state = b->state, .config = b->config };
    b->config[4] = 7;
    type->reset(&b->dev);
}

static inline void virtio_bench_free(struct virtio_bench *b)
{
    free(b->state);
    free(b->memory);
}

/* ---- The driver ------------------------------------------------------------------------------ */

static inline uint32_t virtio_bench_in(struct virtio_bench *b, uint32_t offset, unsigned size)
{
    return (uint32_t)b->dev.type->pci->bar[4].mmio.read(&b->dev, offset, size);
}

static inline void virtio_bench_out(struct virtio_bench *b, uint32_t offset, unsigned size, uint32_t value)
{
    b->dev.type->pci->bar[4].mmio.write(&b->dev, offset, size, value);
}

static inline void virtio_bench_put(uint8_t *bytes, unsigned size, uint64_t value)
{
    for (unsigned i = 0; i < size; i++)
        bytes[i] = (uint8_t)(value >> i * 8);
}

static inline uint32_t virtio_bench_get(const uint8_t *bytes, unsigned size)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < size; i++)
        value |= (uint32_t)bytes[i] << i * 8;
    return value;
}

static inline uint8_t *virtio_bench_descriptors(struct virtio_bench *b, unsigned queue)
{
    return b->memory + VIRTIO_BENCH_QUEUES + queue * 0x3000;
}

static inline uint8_t *virtio_bench_available(struct virtio_bench *b, unsigned queue)
{
    return virtio_bench_descriptors(b, queue) + 0x1000;
}

static inline uint8_t *virtio_bench_used(struct virtio_bench *b, unsigned queue)
{
    return virtio_bench_descriptors(b, queue) + 0x2000;
}

static inline void virtio_bench_describe(struct virtio_bench *b, unsigned queue, unsigned n, uint32_t pa,
                                         uint32_t size, unsigned flags)
{
    uint8_t *d = virtio_bench_descriptors(b, queue) + n * 16;

    virtio_bench_put(d, 8, pa);
    virtio_bench_put(d + 8, 4, size);
    virtio_bench_put(d + 12, 2, flags);
    virtio_bench_put(d + 14, 2, n + 1);
}

/* Put the chain that begins there into the queue, and say so. */
static inline void virtio_bench_offer(struct virtio_bench *b, unsigned queue, unsigned head)
{
    uint8_t *ring = virtio_bench_available(b, queue);
    unsigned index = virtio_bench_get(ring + 2, 2);

    virtio_bench_put(ring + 4 + index % VIRTIO_BENCH_SIZE * 2, 2, head);
    virtio_bench_put(ring + 2, 2, index + 1);
    virtio_bench_out(b, 0x400 + queue * 4, 2, queue);
}

/* How many chains have come back. */
static inline unsigned virtio_bench_done(struct virtio_bench *b, unsigned queue)
{
    return virtio_bench_get(virtio_bench_used(b, queue) + 2, 2);
}

static inline void virtio_bench_start(struct virtio_bench *b, uint64_t features, unsigned queues)
{
    memset(b->memory + VIRTIO_BENCH_QUEUES, 0, queues * 0x3000);
    virtio_bench_out(b, VIRTIO_BENCH_STATUS, 1, 0);
    virtio_bench_out(b, VIRTIO_BENCH_STATUS, 1, 3);
    for (unsigned half = 0; half < 2; half++) {
        virtio_bench_out(b, 0x08, 4, half);
        virtio_bench_out(b, 0x0c, 4, (uint32_t)((features | VIRTIO_BENCH_VERSION_1) >> half * 32));
    }
    virtio_bench_out(b, VIRTIO_BENCH_STATUS, 1, 11);
    ck_assert_uint_eq(virtio_bench_in(b, VIRTIO_BENCH_STATUS, 1), 11);
    for (unsigned queue = 0; queue < queues; queue++) {
        uint32_t base = VIRTIO_BENCH_QUEUES + queue * 0x3000;

        virtio_bench_out(b, 0x16, 2, queue);
        virtio_bench_out(b, 0x18, 2, VIRTIO_BENCH_SIZE);
        virtio_bench_out(b, 0x20, 4, base);
        virtio_bench_out(b, 0x28, 4, base + 0x1000);
        virtio_bench_out(b, 0x30, 4, base + 0x2000);
        virtio_bench_out(b, 0x1c, 2, 1);
    }
    virtio_bench_out(b, VIRTIO_BENCH_STATUS, 1, 15);
}
