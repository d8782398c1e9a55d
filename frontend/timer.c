/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The devices' deadline as a timer descriptor in the main loop, to the nanosecond (GLib's own timers count
 * milliseconds). A deadline that moves later leaves the descriptor alone - it fires once for nothing, which
 * is cheaper than a system call for every move.
 */
#include "machine_private.h"

#include "error.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <unistd.h>

static void set_descriptor(struct machine *m, uint64_t when)
{
    struct itimerspec spec = { 0 }; /* zero disarms */
    if (when != DEVICE_NEVER)
        spec.it_value = clock_timespec(when ? when : 1);
    timerfd_settime(m->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL);
    m->armed = when;
}

void timer_arm(struct machine *m)
{
    if (m->deadline < m->armed)
        set_descriptor(m, m->deadline);
}

void timer_disarm(struct machine *m)
{
    if (m->armed != DEVICE_NEVER)
        set_descriptor(m, DEVICE_NEVER);
}

void timer_serve(struct machine *m)
{
    if (m->deadline != DEVICE_NEVER && m->clock.now(&m->clock) >= m->deadline)
        pc_run_timers(m->pc);
}

static void on_timer(void *ctx)
{
    struct machine *m = ctx;
    uint64_t count;
    pthread_mutex_lock(&m->lock);
    if (read(m->timer_fd, &count, sizeof count) == sizeof count) {
        m->armed = DEVICE_NEVER;
        timer_serve(m);
        if (!m->waiting)
            timer_arm(m);
    }
    pthread_mutex_unlock(&m->lock);
}

gboolean timer_open(struct machine *m, GError **error)
{
    m->deadline = m->armed = DEVICE_NEVER;
    m->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (m->timer_fd < 0)
        return fail_errno(error, -errno, NULL, "cannot make a timer");
    m->timer_watch = watch_new(m->timer_fd, G_IO_IN, on_timer, m);
    return TRUE;
}

void timer_close(struct machine *m)
{
    watch_free(m->timer_watch);
    if (m->timer_fd >= 0)
        close(m->timer_fd);
}
