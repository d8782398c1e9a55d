/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Port accesses for which the executor need not leave. Those to the chips next to the processor, lent: their
 * state is in the exit record, so whatever the exit, the caller finds it there; what they have to say sets
 * PENDING_CHIPS, and the run loop looks. Reads the caller has answered beforehand, writes that may wait for
 * the next exit. And those to ports that nobody answers. Executor side.
 */
#include "chips.h"

#include "executor.h"
#include "host.h"
#include "planes.h"

_Static_assert(sizeof(struct near_state) <= sizeof(((struct d86_exit *)0)->lent), "the exit record has room");

/* Machine time: the chips'. Deadlines of this processor's are of CLOCK_MONOTONIC. */
static uint64_t now(void *ctx)
{
    const struct vcpu *v = ctx;
    return host_clock_ns() - v->exit->behind_ns;
}

/* Of all processes that run the processor in turn. */
static uint64_t run_ns(void *ctx)
{
    const struct vcpu *v = ctx;
    uint64_t sum = 0;
    if (v->executors.count < 2)
        return host_run_ns();
    for (uint32_t i = 0; i < v->executors.count; i++)
        sum += host_process_run_ns(v->executors.pid[i]);
    return sum;
}

static void say_news(struct vcpu *v)
{
    __atomic_or_fetch(&v->pending, PENDING_CHIPS, __ATOMIC_RELAXED);
}

static void intr_changed(void *ctx, bool level)
{
    if (level)
        say_news(ctx);
}

static void deadline_changed(void *ctx)
{
    say_news(ctx);
}

static const struct near_host host = {
    .now = now,
    .intr_changed = intr_changed,
    .deadline_changed = deadline_changed,
    .run_ns = run_ns,
};

void chips_begin(struct vcpu *v)
{
    v->chips.lent = v->exit->lend;
    v->chips.post_by = 0;
    v->exit->posted_count = 0;
    if (v->chips.lent)
        near_init(&v->chips.near, (struct near_state *)v->exit->lent, &host, v);
}

/* An access that was sent to the caller has its answer from there. */
static bool is_new(const struct vcpu *v)
{
    return v->bus.count == 0;
}

static bool is_lent(const struct vcpu *v, unsigned size)
{
    return v->chips.lent && size == 1;
}

/* What the caller said that this reads, or CHIPS_NOT_HERE. */
static int64_t known_read(const struct vcpu *v, uint16_t port, unsigned size)
{
    const struct d86_exit *exit = v->exit;
    for (unsigned i = 0; size == 1 && i < exit->known_count && i < D86_KNOWN_MAX; i++) {
        if (exit->known[i].port == port)
            return exit->known[i].value;
    }
    return CHIPS_NOT_HERE;
}

/*
 * Bytes on their way out: a person sees no difference in some milliseconds, and a kernel's console writes one
 * each half microsecond.
 */
enum { POST_NS = 3000000 };

static bool may_be_posted(const struct d86_exit *exit, uint16_t port, unsigned size)
{
    for (unsigned i = 0; size == 1 && i < exit->posting_count && i < D86_POSTING_MAX; i++) {
        if (exit->posting[i] == port)
            return exit->posted_count < D86_POSTED_MAX;
    }
    return false;
}

static void post(struct vcpu *v, uint16_t port, uint8_t value)
{
    struct d86_exit *exit = v->exit;
    exit->posted[exit->posted_count].port = port;
    exit->posted[exit->posted_count++].value = value;
    v->counts.posted_writes++;
    if (v->chips.post_by)
        return;
    v->chips.post_by = host_clock_ns() + POST_NS;
    say_news(v);
}

/* Does nobody answer there, at none of the ports? */
static bool is_open(const struct vcpu *v, uint16_t port, unsigned size)
{
    for (unsigned i = 0; i < v->claimed.count && i < D86_PORTS_MAX; i++) {
        if (port <= v->claimed.run[i].last && port + size > v->claimed.run[i].first)
            return false;
    }
    return v->claimed.known;
}

/* Not to be inlined into handlers, by optimisation of the whole program: see DISPATCH. */
NOINLINE int64_t chips_in(struct vcpu *v, uint16_t port, unsigned size)
{
    uint8_t byte;
    uint32_t count;
    if (!is_new(v))
        return CHIPS_NOT_HERE;
    if (is_lent(v, size) && near_read(&v->chips.near, port, &byte)) {
        v->counts.chip_reads++;
        return byte;
    }
    if (v->chips.lent && near_read_pm_timer(&v->chips.near, port, size, &count)) {
        v->counts.chip_reads++;
        return count;
    }
    uint32_t video;
    if (planes_in(v, port, size, &video))
        return video;
    int64_t known = known_read(v, port, size);
    if (known != CHIPS_NOT_HERE) {
        v->counts.known_reads++;
        return known;
    }
    if (!is_open(v, port, size))
        return CHIPS_NOT_HERE;
    v->counts.open_accesses++;
    return UINT32_MAX >> (32 - 8 * size);
}

NOINLINE bool chips_out(struct vcpu *v, uint16_t port, unsigned size, uint32_t value)
{
    if (!is_new(v))
        return false;
    if (is_lent(v, size) && near_write(&v->chips.near, port, (uint8_t)value))
        v->counts.chip_writes++;
    else if (may_be_posted(v->exit, port, size))
        post(v, port, (uint8_t)value);
    else if (planes_out(v, port, size, value))
        return true;
    else if (is_open(v, port, size))
        v->counts.open_accesses++;
    else
        return false;
    return true;
}

NOINLINE bool chips_mmio_read(struct vcpu *v, guest_pa pa, unsigned size, uint64_t *value)
{
    if (!v->chips.lent || !near_mmio_read(&v->chips.near, pa, size, value))
        return false;
    v->counts.chip_reads++;
    return true;
}

NOINLINE bool chips_mmio_write(struct vcpu *v, guest_pa pa, unsigned size, uint64_t value)
{
    if (!v->chips.lent || !near_mmio_write(&v->chips.near, pa, size, value))
        return false;
    v->counts.chip_writes++;
    return true;
}

uint8_t chips_acknowledge(struct vcpu *v)
{
    v->counts.chip_interrupts++;
    return near_acknowledge(&v->chips.near);
}

/* The timer's deadline; 0: none. */
static uint64_t timer_deadline(const struct vcpu *v)
{
    uint64_t when = v->chips.lent ? v->chips.near.state->deadline : DEVICE_NEVER;
    if (when == DEVICE_NEVER)
        return 0;
    when += v->exit->behind_ns;
    return when ? when : 1;
}

/* Of two deadlines the earlier; 0: none. */
static uint64_t earlier(uint64_t a, uint64_t b)
{
    return !a ? b : !b || a < b ? a : b;
}

/* When the caller is to be asked. */
static uint64_t caller_deadline(const struct vcpu *v)
{
    return earlier(v->exit->deadline_ns, v->chips.post_by);
}

uint64_t chips_deadline(const struct vcpu *v)
{
    return earlier(timer_deadline(v), caller_deadline(v));
}

bool chips_due(struct vcpu *v)
{
    uint64_t ns = host_clock_ns(), timer = timer_deadline(v), caller = caller_deadline(v);
    if (timer && timer <= ns)
        near_run_timer(&v->chips.near);
    return caller && caller <= ns;
}
