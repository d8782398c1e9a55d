/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the devices tell the machine. All of it happens under the lock, inside a pc_*() call, in the vCPU's
 * thread between two runs or in the main loop's while the guest may be running; so nothing here touches a
 * running processor but to kick it.
 */
#include "machine_private.h"

static uint64_t now_ns(void *ctx)
{
    struct machine *m = ctx;
    return m->clock.now(&m->clock);
}

static int64_t wall_clock_ns(void *ctx)
{
    struct machine *m = ctx;
    return m->clock.wall(&m->clock);
}

static uint64_t run_ns(void *ctx)
{
    const struct machine *m = ctx;
    return d86_vcpu_run_ns(m->vcpu);
}

void machine_rouse(struct machine *m)
{
    if (m->in_guest)
        d86_vcpu_kick(m->vcpu);
    else
        pthread_cond_signal(&m->wake);
}

static void deadline_changed(void *ctx, uint64_t deadline_ns)
{
    struct machine *m = ctx;
    m->deadline = deadline_ns;
    /* A run that ends too early, or a wait, costs less than to move the deadline of one under way. */
    if (m->waiting || (m->in_guest && deadline_ns < m->promised))
        machine_rouse(m);
}

/* A guest that polls is to see it. */
static void known_changed(void *ctx)
{
    struct machine *m = ctx;
    if (m->in_guest)
        d86_vcpu_kick(m->vcpu);
}

static void intr_changed(void *ctx, bool level)
{
    if (level)
        machine_rouse(ctx);
}

static void nmi(void *ctx)
{
    struct machine *m = ctx;
    m->nmi_wanted = true;
    machine_rouse(m);
}

static void a20_changed(void *ctx, bool enabled)
{
    struct machine *m = ctx;
    /* Only guest accesses and resets move the gate, and both are served between runs. */
    g_assert(!m->in_guest);
    d86_vcpu_set_a20(m->vcpu, enabled);
}

/* The fall needs no word: the processor drops IGNNE# with the exception it was raised for. */
static void ignne_changed(void *ctx, bool level)
{
    struct machine *m = ctx;
    /* Guest writes raise the pin, and they are served between runs. */
    g_assert(!m->in_guest);
    if (level)
        d86_vcpu_ignne(m->vcpu);
}

/* Where the guest sees its memory, and which ports it can reach, is put right before it runs again. */
static void memory_changed(void *ctx)
{
    struct machine *m = ctx;
    m->memory_moved = true;
}

static void ports_changed(void *ctx)
{
    struct machine *m = ctx;
    m->ports_moved = true;
}

static void ram_write(void *ctx, uint64_t offset, const void *data, size_t size)
{
    const struct machine *m = ctx;
    int ret = d86_vm_store(m->vm, m->ram + offset, data, size);
    g_assert(ret == 0); /* the board knows how much there is */
}

static void video_write(void *ctx, uint32_t offset, const void *data, size_t size)
{
    const struct machine *m = ctx;
    int ret = d86_vm_store(m->vm, m->video + offset, data, size);
    g_assert(ret == 0); /* the adapter knows how much there is */
}

static bool memory_read(void *ctx, guest_pa pa, void *data, size_t size)
{
    const struct machine *m = ctx;
    return d86_vm_read(m->vm, pa, data, size) == 0;
}

static bool memory_write(void *ctx, guest_pa pa, const void *data, size_t size)
{
    const struct machine *m = ctx;
    return d86_vm_write(m->vm, pa, data, size) == 0;
}

static bool discard(void *ctx, guest_pa pa, uint64_t size)
{
    const struct machine *m = ctx;
    return guest_memory_is_ram(m, pa, size) && d86_vm_discard(m->vm, pa, size) == 0;
}

static void reset_request(void *ctx, enum pc_reset_reason reason)
{
    struct machine *m = ctx;
    m->reset_wanted = true;
    m->reset_reason = reason;
    machine_rouse(m);
}

static void power_off(void *ctx)
{
    struct machine *m = ctx;
    if (!m->stopping)
        g_printerr("duplex86: the guest powered off\n");
    machine_end(m, STATUS_HALTED);
}

static void exit_request(void *ctx, unsigned status)
{
    machine_end(ctx, (int)status);
}

static void serial_transmit(void *ctx, unsigned com, const uint8_t *bytes, size_t count)
{
    struct machine *m = ctx;
    backend_write(m->serial[com], bytes, count);
}

static void serial_room(void *ctx, unsigned com)
{
    struct machine *m = ctx;
    backend_room(m->serial[com]);
}

static void debugcon(void *ctx, uint8_t byte)
{
    struct machine *m = ctx;
    backend_write(m->debugcon, &byte, 1);
}

static void sound(void *ctx, uint64_t frame, const int16_t (*samples)[2], unsigned count)
{
    struct machine *m = ctx;
    sound_play(m->sound, frame - m->first_frame, samples, count);
}

static void trace(void *ctx, const struct device_event *event, const uint64_t *args)
{
    struct machine *m = ctx;
    if (m->trace)
        trace_event(m->trace, event, args, m->clock.now(&m->clock), m->in_guest ? NULL : m->vcpu);
}

const struct pc_callbacks board_callbacks = {
    .now_ns = now_ns,
    .wall_clock_ns = wall_clock_ns,
    .run_ns = run_ns,
    .deadline_changed = deadline_changed,
    .known_changed = known_changed,
    .intr_changed = intr_changed,
    .nmi = nmi,
    .a20_changed = a20_changed,
    .ignne_changed = ignne_changed,
    .memory_changed = memory_changed,
    .ram_write = ram_write,
    .video_write = video_write,
    .memory_read = memory_read,
    .memory_write = memory_write,
    .ports_changed = ports_changed,
    .reset_request = reset_request,
    .power_off = power_off,
    .exit_request = exit_request,
    .medium = drives_medium,
    .transfer_data = drives_transfer_data,
    .transfer = drives_transfer,
    .ask = shares_ask,
    .random = shares_random,
    .discard = discard,
    .send_frame = nets_send_frame,
    .frame_room = nets_frame_room,
    .take_segments = nets_take_segments,
    .console_transmit = ports_transmit,
    .console_room = ports_room,
    .serial_transmit = serial_transmit,
    .serial_room = serial_room,
    .debugcon = debugcon,
    .sound = sound,
    .trace = trace,
};
