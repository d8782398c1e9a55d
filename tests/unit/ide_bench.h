/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The PIIX3's IDE function alone: a board with media of the test's own, memory for bus masters, and transfers
 * that are done when the test says so. Ports are named as software knows them.
 */
#pragma once

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "devices/chips.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

enum {
    BENCH_MEMORY = 1 << 20,
    BENCH_QUEUE = 16,
    BSY = 0x80,
    DRDY = 0x40,
    DSC = 0x10,
    DRQ = 0x08,
    ERR = 0x01,
    READY = DRDY | DSC,
};

struct bench_transfer {
    unsigned unit;
    enum device_transfer what;
    uint64_t offset;
    uint32_t size, tag;
    uint8_t *data;
};

struct ide_bench {
    struct device dev;
    uint8_t *state;
    uint8_t config[DEVICE_CONFIG_SIZE];
    bool line[2];
    unsigned rises[2];
    struct device_medium medium[4];
    uint8_t *contents[4];
    uint8_t *memory;
    uint8_t data[DEVICE_TRANSFER_MAX]; /* device_transfer_data() */
    struct bench_transfer queue[BENCH_QUEUE];
    unsigned queued;
    unsigned flushes, reads, writes;
    uint64_t fail_from; /* media have no bytes from here on */
    bool flush_fails;
};

static inline void bench_set_line(void *board, struct device *dev, unsigned line, bool level)
{
    struct ide_bench *b = board;

    (void)dev;
    ck_assert_uint_lt(line, 2);
    b->rises[line] += level && !b->line[line];
    b->line[line] = level;
}

static inline void bench_trace(void *board, struct device *dev, const struct device_event *event,
                               const uint64_t *args)
{
    (void)board, (void)dev, (void)args;
    ck_assert_ptr_nonnull(event->name);
}

static inline bool bench_dma_read(void *board, guest_pa pa, void *data, size_t size)
{
    struct ide_bench *b = board;

    if (pa > BENCH_MEMORY || size > BENCH_MEMORY - pa)
        return false;
    memcpy(data, b->memory + pa, size);
    return true;
}

static inline bool bench_dma_write(void *board, guest_pa pa, const void *data, size_t size)
{
    struct ide_bench *b = board;

    if (pa > BENCH_MEMORY || size > BENCH_MEMORY - pa)
        return false;
    memcpy(b->memory + pa, data, size);
    return true;
}

static inline void bench_medium(void *board, struct device *dev, unsigned unit, struct device_medium *medium)
{
    struct ide_bench *b = board;

    (void)dev;
    ck_assert_uint_lt(unit, 4);
    *medium = b->medium[unit];
}

static inline uint8_t *bench_data(void *board, struct device *dev, unsigned unit, uint32_t size)
{
    struct ide_bench *b = board;

    (void)dev, (void)unit;
    ck_assert_uint_le(size, DEVICE_TRANSFER_MAX);
    return b->data;
}

/* Whatever the guest does, what is asked for is on the medium. */
static inline void bench_transfer(void *board, struct device *dev, unsigned unit, enum device_transfer what,
                                  uint64_t offset, uint32_t size, uint32_t tag)
{
    struct ide_bench *b = board;
    struct bench_transfer *t = &b->queue[b->queued];

    (void)dev;
    ck_assert_uint_lt(b->queued, BENCH_QUEUE);
    ck_assert_uint_le(size, DEVICE_TRANSFER_MAX);
    if (what != DEVICE_TRANSFER_FLUSH) {
        ck_assert_uint_gt(size, 0);
        ck_assert_uint_le(offset, b->medium[unit].size);
        ck_assert_uint_le(size, b->medium[unit].size - offset);
    }
    *t = (struct bench_transfer){ unit, what, offset, size, tag, NULL };
    if (what == DEVICE_TRANSFER_WRITE) {
        ck_assert(!b->medium[unit].read_only);
        t->data = malloc(size);
        memcpy(t->data, b->data, size);
    }
    b->queued++;
}

static const struct device_board ide_bench_ops = {
    .set_line = bench_set_line,
    .trace = bench_trace,
    .dma_read = bench_dma_read,
    .dma_write = bench_dma_write,
    .medium = bench_medium,
    .transfer_data = bench_data,
    .transfer = bench_transfer,
};

/* Do the oldest transfer. False: there is none. */
static inline bool bench_serve(struct ide_bench *b)
{
    struct bench_transfer t = b->queue[0];
    struct device_transferred result = { .tag = t.tag, .done = t.size };

    if (!b->queued)
        return false;
    memmove(b->queue, b->queue + 1, --b->queued * sizeof(t));
    if (t.what == DEVICE_TRANSFER_FLUSH) {
        b->flushes++;
        result.failed = b->flush_fails;
    } else {
        uint64_t good = t.offset < b->fail_from ? b->fail_from - t.offset : 0;

        result.failed = good < t.size;
        result.done = result.failed ? (uint32_t)good : t.size;
    }
    if (t.what == DEVICE_TRANSFER_WRITE) {
        b->writes++;
        memcpy(b->contents[t.unit] + t.offset, t.data, result.done);
        free(t.data);
    } else if (t.what == DEVICE_TRANSFER_READ) {
        b->reads++;
        result.data = b->contents[t.unit] + t.offset;
    }
    b->dev.type->transferred(&b->dev, t.unit, &result);
    return true;
}

static inline void bench_serve_all(struct ide_bench *b)
{
    while (bench_serve(b))
        ;
}

static inline void bench_add(struct ide_bench *b, unsigned unit, enum device_drive drive, uint64_t size)
{
    b->medium[unit] = (struct device_medium){ .drive = drive, .present = size > 0, .size = size };
    b->contents[unit] = malloc(size ? size : 1);
    for (uint64_t i = 0; i < size; i++)
        b->contents[unit][i] = (uint8_t)(i * 7 + (i >> 9) * 13 + unit);
}

/* Power comes on, and firmware has the function answer. */
static inline void bench_power_on(struct ide_bench *b)
{
    b->state = calloc(1, piix3_ide_device.state_size);
    b->memory = calloc(1, BENCH_MEMORY);
    b->fail_from = UINT64_MAX;
    b->dev = (struct device){
        .type = &piix3_ide_device, .ops = &ide_bench_ops, .board = b, .state = b->state, .config = b->config
    };
    b->config[4] = 5;
    b->config[0x41] = b->config[0x43] = 0x80;
    b->dev.type->reset(&b->dev);
}

static inline void bench_free(struct ide_bench *b)
{
    for (unsigned i = 0; i < b->queued; i++)
        free(b->queue[i].data);
    for (unsigned i = 0; i < 4; i++)
        free(b->contents[i]);
    free(b->state);
    free(b->memory);
}

/* ---- Ports ----------------------------------------------------------------------------------- */

enum { MASTER = 0xc000 };

static inline const struct device_ports *bench_run(uint16_t port, uint32_t *offset)
{
    static const uint16_t base[] = { 0x1f0, 0x3f6, 0x170, 0x376 };

    if (port >= MASTER) {
        *offset = port - MASTER;
        return &piix3_ide_device.pci->bar[4].ports;
    }
    for (unsigned i = 0; i < 4; i++) {
        const struct device_ports *run = &piix3_ide_device.ports[i];

        if (port >= base[i] && port < base[i] + run->count) {
            *offset = port - base[i];
            return run;
        }
    }
    ck_abort_msg("no such port");
    return NULL;
}

static inline uint32_t in_(struct ide_bench *b, uint16_t port, unsigned size)
{
    uint32_t offset;
    const struct device_ports *run = bench_run(port, &offset);
    uint32_t value = run->read(&b->dev, offset, size);

    return size == 4 ? value : value & ((1u << size * 8) - 1);
}

static inline void out_(struct ide_bench *b, uint16_t port, unsigned size, uint32_t value)
{
    uint32_t offset;
    const struct device_ports *run = bench_run(port, &offset);

    run->write(&b->dev, offset, size, value);
}

static inline uint8_t inb(struct ide_bench *b, uint16_t port)
{
    return (uint8_t)in_(b, port, 1);
}

static inline void outb(struct ide_bench *b, uint16_t port, uint8_t value)
{
    out_(b, port, 1, value);
}

/* ---- What software does ---------------------------------------------------------------------- */

/* A command of 28-bit addresses to the primary channel. */
static inline void command28(struct ide_bench *b, unsigned device, uint8_t code, uint32_t lba, uint8_t count)
{
    outb(b, 0x1f6, 0xe0 | device << 4 | (lba >> 24 & 15));
    outb(b, 0x1f2, count);
    outb(b, 0x1f3, (uint8_t)lba);
    outb(b, 0x1f4, (uint8_t)(lba >> 8));
    outb(b, 0x1f5, (uint8_t)(lba >> 16));
    outb(b, 0x1f7, code);
}

static inline void command48(struct ide_bench *b, unsigned device, uint8_t code, uint64_t lba, uint16_t count)
{
    outb(b, 0x1f6, 0xe0 | device << 4);
    outb(b, 0x1f2, (uint8_t)(count >> 8));
    outb(b, 0x1f3, (uint8_t)(lba >> 24));
    outb(b, 0x1f4, (uint8_t)(lba >> 32));
    outb(b, 0x1f5, (uint8_t)(lba >> 40));
    outb(b, 0x1f2, (uint8_t)count);
    outb(b, 0x1f3, (uint8_t)lba);
    outb(b, 0x1f4, (uint8_t)(lba >> 8));
    outb(b, 0x1f5, (uint8_t)(lba >> 16));
    outb(b, 0x1f7, code);
}

static inline void read_words(struct ide_bench *b, uint8_t *to, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i += 2) {
        uint32_t word = in_(b, 0x1f0, 2);

        to[i] = (uint8_t)word;
        to[i + 1] = (uint8_t)(word >> 8);
    }
}

static inline void write_words(struct ide_bench *b, const uint8_t *from, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i += 2)
        out_(b, 0x1f0, 2, from[i] | from[i + 1] << 8);
}

static inline void put32(uint8_t *to, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        to[i] = (uint8_t)(value >> i * 8);
}

/* A descriptor at `n` of the table at 1000h. */
static inline void descriptor(struct ide_bench *b, unsigned n, uint32_t address, uint32_t size, bool last)
{
    put32(b->memory + 0x1000 + n * 8, address);
    put32(b->memory + 0x1004 + n * 8, (size & 0xffff) | (uint32_t)last << 31);
}

static inline void start_master(struct ide_bench *b, bool to_memory)
{
    out_(b, MASTER + 4, 4, 0x1000);
    outb(b, MASTER + 2, 6);
    outb(b, MASTER, to_memory ? 9 : 1);
}

/* ---- Suites ---------------------------------------------------------------------------------- */

static inline int bench_main(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    int failed;

    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
