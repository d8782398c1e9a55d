/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where a machine's time comes from. Machine time is in nanoseconds and never goes back; the real clock's is
 * the host's CLOCK_MONOTONIC, behind which it stays by the time for which it was stopped. All of it is
 * guarded by the machine's lock.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct machine_clock {
    uint64_t (*now)(const struct machine_clock *clock);
    int64_t (*wall)(const struct machine_clock *clock); /* ns since 1970, in the guest's time zone */
    bool local_time;                                    /* the guest's time zone is the host's, not UTC */
    bool stopped;
    uint64_t stopped_at; /* machine time; valid while stopped */
    uint64_t behind_ns;  /* by so much machine time is behind CLOCK_MONOTONIC; valid while it goes */
};

/* The host's clocks. */
void clock_init_host(struct machine_clock *clock, bool local_time);

/* Machine time stands still, and goes on from where it stood. Each does nothing if it is so already. */
void clock_stop(struct machine_clock *clock);
void clock_go(struct machine_clock *clock);

/* Machine time is `ns` now, whatever it was before: it is another machine's. */
void clock_set(struct machine_clock *clock, uint64_t ns);

/* A machine time, not DEVICE_NEVER, by CLOCK_MONOTONIC: in ns, and as the kernel takes it. */
uint64_t clock_host_ns(const struct machine_clock *clock, uint64_t ns);
struct timespec clock_timespec(const struct machine_clock *clock, uint64_t ns);
