/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The host's system calls as the executor makes them: raw, returning -errno. Executor side.
 */
#pragma once

#include <asm/unistd.h>
#include <linux/time.h>
#include <stddef.h>
#include <stdint.h>

static inline long host_call(long number, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

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

/* How much of a processor this thread has had. */
static inline uint64_t host_run_ns(void)
{
    return host_clock(CLOCK_THREAD_CPUTIME_ID);
}

/* The host's time stamp counter. */
static inline uint64_t host_ticks(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}
