/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The power management timer: 24 bits that count 3.579545 MHz, three times the 8254's clock, and that nobody
 * can set or stop. So it has no state, and whoever knows the machine time can read it. ACPI specification,
 * "Power Management Timer".
 */
#pragma once

#include <stdint.h>

enum { PM_TIMER_BITS = 24 };

/* The clock is 315/88 MHz: how many of its ticks there are in `ns`. */
static inline uint64_t pm_timer_ticks(uint64_t ns)
{
    return ns / 88000 * 315 + ns % 88000 * 315 / 88000;
}

/* The first ns at which there are as many. */
static inline uint64_t pm_timer_ns(uint64_t ticks)
{
    return ticks / 315 * 88000 + (ticks % 315 * 88000 + 314) / 315;
}

/* What it shows. */
static inline uint32_t pm_timer_count(uint64_t ns)
{
    return (uint32_t)pm_timer_ticks(ns) & ((1u << PM_TIMER_BITS) - 1);
}
