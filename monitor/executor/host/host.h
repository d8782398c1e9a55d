/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The host as the executor sees it: system calls, clocks. Executor side.
 */
#pragma once

#include "host_call.h"

#include <linux/time.h>
#include <stddef.h>
#include <stdint.h>

static inline uint64_t host_clock(int clock)
{
    struct __kernel_timespec t = { 0 };
    host_call(__NR_clock_gettime, clock, (long)&t, 0, 0, 0, 0);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* CLOCK_MONOTONIC. */
static inline uint64_t host_clock_ns(void)
{
    return host_clock(CLOCK_MONOTONIC);
}

/* How much of a processor this thread has had; a process of one thread has a clock that counts the same. */
static inline uint64_t host_run_ns(void)
{
    return host_clock(CLOCK_THREAD_CPUTIME_ID);
}

/* The number of the CPU this runs on, as Linux keeps it in the limit of a segment of its own (vgetcpu.h). */
static inline uint32_t host_cpu(void)
{
    uint32_t limit = 0;
    __asm__ volatile("lsl %1, %0" : "+r"(limit) : "r"(0x7b) : "cc");
    return limit & 0xfff;
}

static inline uint64_t host_process_run_ns(int pid)
{
    enum {
        CPUCLOCK_SCHED = 2
    }; /* Linux, include/linux/posix-timers.h; clock_getcpuclockid(3) makes the same */
    return host_clock((int)(~(unsigned)pid << 3 | CPUCLOCK_SCHED));
}

/* The host's time stamp counter. */
static inline uint64_t host_ticks(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}
