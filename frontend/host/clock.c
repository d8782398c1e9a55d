/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The host's clocks as a machine's.
 */
#include "clock.h"

#define NS_PER_S INT64_C(1000000000)

static int64_t read_clock(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static uint64_t host_now(const struct machine_clock *clock)
{
    return clock->stopped ? clock->stopped_at : (uint64_t)read_clock(CLOCK_MONOTONIC) - clock->behind_ns;
}

static int64_t host_wall(const struct machine_clock *clock)
{
    int64_t ns = read_clock(CLOCK_REALTIME);
    if (clock->local_time) {
        time_t seconds = ns / NS_PER_S;
        struct tm local;
        if (localtime_r(&seconds, &local))
            ns += local.tm_gmtoff * NS_PER_S;
    }
    return ns;
}

void clock_init_host(struct machine_clock *clock, bool local_time)
{
    *clock = (struct machine_clock){ .now = host_now, .wall = host_wall, .local_time = local_time };
}

void clock_stop(struct machine_clock *clock)
{
    if (clock->stopped)
        return;
    clock->stopped_at = clock->now(clock);
    clock->stopped = true;
}

void clock_go(struct machine_clock *clock)
{
    if (!clock->stopped)
        return;
    clock->behind_ns = (uint64_t)read_clock(CLOCK_MONOTONIC) - clock->stopped_at;
    clock->stopped = false;
}

void clock_set(struct machine_clock *clock, uint64_t ns)
{
    if (clock->stopped)
        clock->stopped_at = ns;
    else
        clock->behind_ns = (uint64_t)read_clock(CLOCK_MONOTONIC) - ns;
}

uint64_t clock_host_ns(const struct machine_clock *clock, uint64_t ns)
{
    return ns + clock->behind_ns;
}

struct timespec clock_timespec(const struct machine_clock *clock, uint64_t ns)
{
    ns = clock_host_ns(clock, ns);
    return (struct timespec){ .tv_sec = (time_t)(ns / (uint64_t)NS_PER_S),
                              .tv_nsec = (long)(ns % (uint64_t)NS_PER_S) };
}
