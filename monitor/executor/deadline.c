/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The executor's timer. It is set only when the deadline is another than last time, and not switched off
 * between two turns, so most turns need no system call for it; what it sets while the library has the turn is
 * taken back at the next one. Executor process.
 */
#include "deadline.h"

#include <asm/unistd.h>
#include <linux/time.h>

#include "host.h"

enum { NS_PER_S = 1000000000 };

/* Of the one vCPU of this process. */
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
    return (int)host_call(__NR_timer_create, CLOCK_MONOTONIC, 0, (long)&deadline.timer, 0, 0, 0);
}

void deadline_begin(uint64_t ns)
{
    __atomic_and_fetch(deadline.pending, ~(uint32_t)PENDING_DEADLINE, __ATOMIC_RELAXED);
    if (ns != deadline.armed)
        set_timer(ns);
}

void deadline_cancel(void)
{
    if (deadline.armed)
        set_timer(0);
}

void deadline_passed(void)
{
    deadline.armed = 0;
    __atomic_or_fetch(deadline.pending, PENDING_DEADLINE, __ATOMIC_SEQ_CST);
}
