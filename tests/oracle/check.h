/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One case at a time: run it on both sides, decide what a difference means, and make it small.
 */
#pragma once

#include "guest.h"
#include "native.h"
#include "oracle.h"

/* The two sides. Without a guest the native side is compared with itself ... */
struct sides {
    struct native_ring *native;
    struct guest *guest; /* or NULL: see above */
    bool translate;      /* ... with itself as translated code */
};

/* Run ring->test[0..count-1] natively a second time, as translated code if so asked; returns when all is
 * there. */
void check_run_again(struct sides *s, unsigned count);

/* How two outcomes differ (enum difference), but for what the way of running loses. */
unsigned check_compare(const struct sides *s, const struct test_case *c, const struct outcome *native,
                       struct outcome *guest);

/* Both outcomes of a case; returns how they differ (enum difference). */
unsigned check_run(struct sides *s, const struct test_case *c, struct outcome *native, struct outcome *guest);

/* Are all differences of this case ones the SDM leaves open (unspecified.c)? */
bool check_excused(struct sides *s, const struct test_case *c);

/* Drop instructions and clear registers for as long as a difference that is not excused remains. */
void check_minimise(struct sides *s, struct test_case *c);
