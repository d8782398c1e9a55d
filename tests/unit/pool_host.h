/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * For process/space.c in test_pool, before all else it includes: the host's system calls are the suite's,
 * which has a table for each executor process.
 */
#pragma once

#include "host_call.h"

long pool_host_call(long number, long a, long b, long c, long d, long e, long f);

#define host_call          pool_host_call
#define host_call_int(...) ((int)pool_host_call(__VA_ARGS__))
