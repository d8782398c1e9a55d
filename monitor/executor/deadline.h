/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The moment the caller wants the processor back (d86_exit.deadline_ns), as a timer of the executor process
 * that ends native code and interpretation alike. A signal to oneself needs nobody else to be woken, where a
 * kick from outside takes a thread that waits for the same moment. Executor process only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "cpu.h"

/* SIGALRM: what the timer sends. */
enum { DEADLINE_SIGNAL = 14 };

/* Make the timer; native_handle() has the signal. 0 or -errno. */
int deadline_init(struct vcpu *v);

/* A turn begins: set PENDING_DEADLINE at `ns` of CLOCK_MONOTONIC; 0: never. */
void deadline_begin(uint64_t ns);
/* A turn ends after which the processor stands still: the caller waits by itself. */
void deadline_cancel(void);

/* The signal arrived. */
void deadline_passed(void);
