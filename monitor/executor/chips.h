/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The chips next to the processor, while the caller lends them (d86_exit.lend): their ports, their timer and
 * their INTR pin are served here, without an exit. Executor side.
 */
#pragma once

#include "cpu.h"

/* A run begins: the chips work on the state in the exit record, if it is lent. */
void chips_begin(struct vcpu *v);
/* Make the access, if it is one of theirs and they are lent. Only for instructions of one access. */
bool chips_in(struct vcpu *v, uint16_t port, unsigned size, uint32_t *value);
bool chips_out(struct vcpu *v, uint16_t port, unsigned size, uint32_t value);

/* Is INTR up? */
static inline bool chips_intr(const struct vcpu *v)
{
    return v->chips.lent && v->chips.near.state->intr;
}

/* The processor takes the interrupt: its vector. */
uint8_t chips_acknowledge(struct vcpu *v);

/* When something is due, here or with the caller, in CLOCK_MONOTONIC's nanoseconds; 0: never. */
uint64_t chips_deadline(const struct vcpu *v);
/* That moment may have come: serve the timer. Returns whether the caller has something to do. */
bool chips_due(struct vcpu *v);
