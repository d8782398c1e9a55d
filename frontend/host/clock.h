/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where a machine's time comes from. Machine time is in nanoseconds and never goes back; the real clock's is
 * the host's CLOCK_MONOTONIC as it is, so deadlines can be handed to the kernel unchanged.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct machine_clock {
    uint64_t (*now)(const struct machine_clock *clock);
    int64_t (*wall)(const struct machine_clock *clock); /* ns since 1970, in the guest's time zone */
    bool local_time;                                    /* the guest's time zone is the host's, not UTC */
};

/* The host's clocks. */
void clock_init_host(struct machine_clock *clock, bool local_time);

/* A machine time of the host's clock as the kernel takes it, for CLOCK_MONOTONIC. */
struct timespec clock_timespec(uint64_t ns);
