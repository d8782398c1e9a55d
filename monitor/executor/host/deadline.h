/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The moment something is due, as a timer of the executor process that ends native code and interpretation
 * alike. A signal to oneself needs nobody else to be woken, where a kick from outside takes a thread that
 * waits for the same moment. In the caller's process, whose signals are its own, the run loop looks at the
 * time stamp counter instead. Executor side.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "cpu.h"

/* SIGALRM: what the timer sends. */
enum { DEADLINE_SIGNAL = 14 };

/* In the executor process: make the timer; native_handle() has the signal. 0 or -errno. */
int deadline_init(struct vcpu *v);

/* A run begins: set PENDING_DEADLINE at `ns` of CLOCK_MONOTONIC; 0: never. */
void deadline_begin(struct vcpu *v, uint64_t ns);
/* The same, in the middle of a run. It may still be set for the moment that it was before. */
void deadline_move(struct vcpu *v, uint64_t ns);
/* A run ends after which the processor stands still: the caller waits by itself. */
void deadline_cancel(void);

/* The signal arrived. */
void deadline_passed(void);
