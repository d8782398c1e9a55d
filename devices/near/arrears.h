/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Periodic interrupts a guest had no chance to take, and which are still to come. Guests count them to know
 * the time, and a host that is busy elsewhere takes that chance from them: periods end while the guest stands
 * still. They follow, each some time after the one before was taken, and none is lost that is made up for
 * within a second. What the guest itself holds back, running or halted, is lost as on hardware. No libc; for
 * chips that have a period.
 */
#pragma once

#include "devices/device.h"

struct arrears {
    uint64_t asked_at; /* guest time (device_guest_ns) of the last request */
    uint64_t next_at;  /* machine time before which none that is owed goes out; valid while some are */
    uint32_t owed;     /* interrupts still to come; never more than a second's worth */
};

enum {
    ARREARS_LIMIT_NS = 1000000000,
    /* So many of those that are owed follow in a period: as many as there are, within these bounds. A guest
       with a sixteenth of a processor keeps up, and one that is slow has time for other things, too ... */
    ARREARS_LEAST = 4,
    ARREARS_MOST = 16,
    /* ... and the host has its peace. */
    ARREARS_MIN_NS = 20000,
};

static inline void arrears_owe(struct arrears *a, uint64_t count, uint64_t period_ns)
{
    uint64_t most = ARREARS_LIMIT_NS / period_ns, owed = a->owed + count;

    if (!a->owed)
        a->next_at = 0; /* the first one is late enough */
    a->owed = (uint32_t)(owed < count || owed > most ? most : owed);
}

/*
 * `count` periods have ended and the last request is not yet taken. A guest that has had a period of its own
 * time to take it would not have done so before the next one anywhere: then the two are one. Something is
 * taken off the period, since measuring is not exact.
 */
static inline void arrears_meet(struct arrears *a, uint64_t count, uint64_t period_ns, uint64_t guest_ns)
{
    if (guest_ns < a->asked_at || guest_ns - a->asked_at < period_ns - period_ns / 8)
        arrears_owe(a, count, period_ns);
}

/* From now on the guest has a while for itself: a request was made or taken. */
static inline void arrears_pause(struct arrears *a, uint64_t period_ns, uint64_t now_ns)
{
    uint32_t rate = a->owed < ARREARS_LEAST ? ARREARS_LEAST : a->owed > ARREARS_MOST ? ARREARS_MOST : a->owed;
    uint64_t pause = period_ns / rate;

    a->next_at = now_ns + (pause < ARREARS_MIN_NS ? ARREARS_MIN_NS : pause);
}

/* Make one of the requests that are owed, if it may be made. */
static inline bool arrears_pay(struct arrears *a, uint64_t period_ns, uint64_t now_ns, uint64_t guest_ns)
{
    if (!a->owed || now_ns < a->next_at)
        return false;
    a->owed--;
    a->asked_at = guest_ns;
    arrears_pause(a, period_ns, now_ns);
    return true;
}

/* A period begins for the first time; there may be a request already. */
static inline void arrears_begin(struct arrears *a, uint64_t guest_ns)
{
    *a = (struct arrears){ .asked_at = guest_ns };
}
