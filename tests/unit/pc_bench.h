/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A whole PC for a test: a clock the test moves, and a record of everything the machine says.
 */
#pragma once

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "devices/pc.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

enum { MACHINE_BYTES = 4096, MACHINE_EVENTS = 64 };

struct machine {
    struct pc *pc;
    uint64_t now;
    uint64_t run_ns;        /* how long the guest has run */
    uint64_t told_deadline; /* by the callback */
    bool intr, a20, ignne;
    unsigned nmis;
    unsigned resets;
    enum pc_reset_reason reset_reason;
    int exit_status; /* -1: none */
    unsigned leds;
    unsigned modem[PC_SERIAL_MAX];
    uint8_t serial[PC_SERIAL_MAX][MACHINE_BYTES];
    size_t serial_count[PC_SERIAL_MAX];
    unsigned serial_rooms[PC_SERIAL_MAX];
    uint8_t debugcon[MACHINE_BYTES];
    size_t debugcon_count;
    const struct device_event *events[MACHINE_EVENTS]; /* the first ones since `event_count` was cleared */
    uint64_t event_args[MACHINE_EVENTS][DEVICE_EVENT_ARGS];
    unsigned event_count;
    unsigned memory_changes, ports_changes;
    uint8_t *video;        /* the display adapter's memory; NULL: there is none */
    uint8_t ram[1u << 20]; /* the first MiB, for bus masters, and for writes to RAM that is hidden */
};

static inline uint64_t machine_now(void *ctx)
{
    return ((struct machine *)ctx)->now;
}

static inline uint64_t machine_run_ns(void *ctx)
{
    return ((struct machine *)ctx)->run_ns;
}

/* 2023-11-14 22:13:20 */
static inline int64_t machine_wall(void *ctx)
{
    (void)ctx;
    return INT64_C(1700000000) * 1000000000;
}

static inline void machine_deadline(void *ctx, uint64_t deadline)
{
    ((struct machine *)ctx)->told_deadline = deadline;
}

static inline void machine_intr(void *ctx, bool level)
{
    ((struct machine *)ctx)->intr = level;
}

static inline void machine_nmi(void *ctx)
{
    ((struct machine *)ctx)->nmis++;
}

static inline void machine_a20(void *ctx, bool enabled)
{
    ((struct machine *)ctx)->a20 = enabled;
}

static inline void machine_ignne(void *ctx, bool level)
{
    ((struct machine *)ctx)->ignne = level;
}

static inline void machine_memory(void *ctx)
{
    ((struct machine *)ctx)->memory_changes++;
}

static inline void machine_ports(void *ctx)
{
    ((struct machine *)ctx)->ports_changes++;
}

static inline void machine_ram(void *ctx, uint64_t offset, const void *data, size_t size)
{
    struct machine *m = ctx;

    ck_assert_uint_le(offset + size, sizeof(m->ram));
    memcpy(m->ram + offset, data, size);
}

static inline void machine_video(void *ctx, uint32_t offset, const void *data, size_t size)
{
    struct machine *m = ctx;

    ck_assert_uint_le(offset, VIDEO_MEMORY_ALL);
    ck_assert_uint_le(size, VIDEO_MEMORY_ALL - offset);
    memcpy(m->video + offset, data, size);
}

static inline bool machine_read(void *ctx, guest_pa pa, void *data, size_t size)
{
    struct machine *m = ctx;

    if (pa > sizeof(m->ram) || size > sizeof(m->ram) - pa)
        return false;
    memcpy(data, m->ram + pa, size);
    return true;
}

static inline bool machine_write(void *ctx, guest_pa pa, const void *data, size_t size)
{
    struct machine *m = ctx;

    if (pa > sizeof(m->ram) || size > sizeof(m->ram) - pa)
        return false;
    memcpy(m->ram + pa, data, size);
    return true;
}

static inline void machine_reset(void *ctx, enum pc_reset_reason reason)
{
    struct machine *m = ctx;

    m->resets++;
    m->reset_reason = reason;
}

static inline void machine_exit(void *ctx, unsigned status)
{
    ((struct machine *)ctx)->exit_status = (int)status;
}

static inline void machine_transmit(void *ctx, unsigned com, const uint8_t *bytes, size_t count)
{
    struct machine *m = ctx;

    for (size_t i = 0; i < count; i++)
        m->serial[com][m->serial_count[com]++ % MACHINE_BYTES] = bytes[i];
}

static inline void machine_room(void *ctx, unsigned com)
{
    ((struct machine *)ctx)->serial_rooms[com]++;
}

static inline void machine_modem(void *ctx, unsigned com, unsigned outputs)
{
    ((struct machine *)ctx)->modem[com] = outputs;
}

static inline void machine_debugcon(void *ctx, uint8_t byte)
{
    struct machine *m = ctx;

    m->debugcon[m->debugcon_count++ % MACHINE_BYTES] = byte;
}

static inline void machine_leds(void *ctx, unsigned leds)
{
    ((struct machine *)ctx)->leds = leds;
}

static inline void machine_trace(void *ctx, const struct device_event *event, const uint64_t *args)
{
    struct machine *m = ctx;

    if (m->event_count < MACHINE_EVENTS) {
        m->events[m->event_count] = event;
        memcpy(m->event_args[m->event_count], args, sizeof(m->event_args[0]));
        m->event_count++;
    }
}

static const struct pc_callbacks machine_callbacks = {
    .now_ns = machine_now,
    .wall_clock_ns = machine_wall,
    .run_ns = machine_run_ns,
    .deadline_changed = machine_deadline,
    .intr_changed = machine_intr,
    .nmi = machine_nmi,
    .a20_changed = machine_a20,
    .ignne_changed = machine_ignne,
    .memory_changed = machine_memory,
    .ram_write = machine_ram,
    .video_write = machine_video,
    .memory_read = machine_read,
    .memory_write = machine_write,
    .ports_changed = machine_ports,
    .reset_request = machine_reset,
    .exit_request = machine_exit,
    .serial_transmit = machine_transmit,
    .serial_room = machine_room,
    .serial_modem = machine_modem,
    .debugcon = machine_debugcon,
    .keyboard_leds = machine_leds,
    .trace = machine_trace,
};

static inline void machine_start_with(struct machine *m, const struct pc_config *config)
{
    memset(m, 0, sizeof(*m));
    m->pc = malloc(pc_size());
    m->now = 5000000000;
    m->told_deadline = UINT64_MAX;
    m->a20 = true;
    m->exit_status = -1;
    m->video = (uint8_t *)(uintptr_t)config->video_memory;
    ck_assert_ptr_nonnull(m->pc);
    memset(m->pc, 0xa5, pc_size());
    ck_assert_int_eq(pc_init(m->pc, config, &machine_callbacks, m), 0);
    m->event_count = 0;
    m->memory_changes = m->ports_changes = 0;
}

/* 64 MiB, COM1 and COM2, exit port F4h. */
static inline void machine_start(struct machine *m)
{
    machine_start_with(m, &(struct pc_config){ .ram_size = 64u << 20, .serial_ports = 3, .exit_port = 0xf4 });
}

static inline void machine_stop(struct machine *m)
{
    free(m->pc);
    m->pc = NULL;
}

static inline uint8_t inb(struct machine *m, uint16_t port)
{
    return pc_port_read(m->pc, port, 1);
}

static inline void outb(struct machine *m, uint16_t port, uint8_t value)
{
    pc_port_write(m->pc, port, 1, value);
}

/* Let time pass, serving every deadline when it is due. */
static inline void machine_run(struct machine *m, uint64_t ns)
{
    uint64_t end = m->now + ns;

    while (pc_next_deadline(m->pc) <= end) {
        if (pc_next_deadline(m->pc) > m->now)
            m->now = pc_next_deadline(m->pc);
        pc_run_timers(m->pc);
    }
    m->now = end;
}

/* Run a suite; the process exit status. */
static inline int machine_main(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    int failed;

    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
