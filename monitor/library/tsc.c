/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How fast the host's time stamp counter runs, measured once against CLOCK_MONOTONIC. Library side.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <time.h>

#include "arena.h"

/* Both clocks at one moment: the closest pair of a few, as the thread may be put aside in between. */
struct moment {
    uint64_t ticks, ns;
};

static struct moment moment_now(void)
{
    struct moment best = { 0, 0 };
    uint64_t best_width = UINT64_MAX;
    for (unsigned i = 0; i < 8; i++) {
        struct timespec t;
        uint64_t before = __builtin_ia32_rdtsc();
        clock_gettime(CLOCK_MONOTONIC, &t);
        uint64_t width = __builtin_ia32_rdtsc() - before;
        if (width >= best_width)
            continue;
        best_width = width;
        best = (struct moment){ before + width / 2, (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec };
    }
    return best;
}

static uint32_t khz;

static void measure(void)
{
    /* Moments are good to some 50 ns, so this gives a few millionths. */
    const struct timespec while_ = { .tv_nsec = 10 * 1000 * 1000 };
    struct moment first = moment_now();
    nanosleep(&while_, NULL);
    struct moment last = moment_now();
    if (last.ns > first.ns)
        khz = (uint32_t)((double)(last.ticks - first.ticks) * 1e6 / (double)(last.ns - first.ns) + 0.5);
}

uint32_t tsc_khz(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, measure);
    return khz;
}
