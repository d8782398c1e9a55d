/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One case at a time: run it on both sides, decide what a difference means, and make it small.
 */
#pragma once

#include "guest.h"
#include "native.h"
#include "oracle.h"

/* The two sides. Without a guest the native side is compared with itself. */
struct sides {
    struct native_ring *native;
    struct guest *guest; /* or NULL */
};

/* Both outcomes of a case; returns how they differ (enum difference). */
unsigned check_run(struct sides *s, const struct test_case *c, struct outcome *native, struct outcome *guest);

/* Are all differences of this case ones the SDM leaves open (unspecified.c)? */
bool check_excused(struct sides *s, const struct test_case *c);

/* Drop instructions and clear registers for as long as a difference that is not excused remains. */
void check_minimise(struct sides *s, struct test_case *c);
