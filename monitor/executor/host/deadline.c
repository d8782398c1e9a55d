/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The executor's timer. It is set only when the deadline is another than last time, and not switched off
 * between two turns, so most turns need no system call for it; what it sets while the library has the turn is
 * taken back at the next one. Executor side.
 */
#include "deadline.h"

#include <asm/unistd.h>
#include <linux/time.h>

#include "host.h"

enum { NS_PER_S = 1000000000 };

/* Of the one vCPU of an executor process; `pending` is NULL elsewhere. */
static struct {
    uint32_t *pending;
    int timer;
    volatile uint64_t armed; /* what the timer is set to; 0: nothing */
} deadline;

static void set_timer(uint64_t ns)
{
    const struct __kernel_itimerspec when = { .it_value = { .tv_sec = (int64_t)(ns / NS_PER_S),
                                                            .tv_nsec = (int64_t)(ns % NS_PER_S) } };
    /* Before the call: at a moment that has passed the signal comes at once, and takes this back. */
    deadline.armed = ns;
    host_call(__NR_timer_settime, deadline.timer, TIMER_ABSTIME, (long)&when, 0, 0, 0);
}

int deadline_init(struct vcpu *v)
{
    deadline.pending = &v->pending;
    /* Without a sigevent a timer sends SIGALRM (timer_create(2)). */
    return host_call_int(__NR_timer_create, CLOCK_MONOTONIC, 0, (long)&deadline.timer, 0, 0, 0);
}

/* How many ticks of the time stamp counter that takes; a guess makes the deadline come early. */
static uint64_t ticks_of(const struct vcpu *v, uint64_t ns)
{
    enum { GUESSED_KHZ = 1000000 };
    uint64_t khz = v->tsc_khz ? v->tsc_khz : GUESSED_KHZ;
    return ns / 1000000 * khz + ns % 1000000 * khz / 1000000 + 1;
}

static void poll(struct vcpu *v, uint64_t ns)
{
    if (!ns) {
        __atomic_and_fetch(&v->pending, ~(uint32_t)PENDING_POLL, __ATOMIC_RELAXED);
        return;
    }
    uint64_t now = host_clock_ns();
    v->poll_until = host_ticks() + (ns > now ? ticks_of(v, ns - now) : 0);
    __atomic_or_fetch(&v->pending, PENDING_POLL, __ATOMIC_RELAXED);
}

void deadline_begin(struct vcpu *v, uint64_t ns)
{
    __atomic_and_fetch(&v->pending, ~(uint32_t)PENDING_DEADLINE, __ATOMIC_RELAXED);
    deadline_move(v, ns);
}

void deadline_move(struct vcpu *v, uint64_t ns)
{
    if (!deadline.pending)
        poll(v, ns);
    else if (ns != deadline.armed)
        set_timer(ns);
}

void deadline_cancel(void)
{
    if (deadline.pending && deadline.armed)
        set_timer(0);
}

void deadline_passed(void)
{
    deadline.armed = 0;
    __atomic_or_fetch(deadline.pending, PENDING_DEADLINE, __ATOMIC_SEQ_CST);
}
