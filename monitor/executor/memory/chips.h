/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The chips next to the processor, while the caller lends them (d86_exit.lend): their ports, their timer and
 * their INTR pin are served here, without an exit. So are reads the caller knew beforehand (d86_exit.known),
 * and ports nobody answers (d86_vcpu_set_ports()). Executor side.
 */
#pragma once

#include "cpu.h"

enum { CHIPS_NOT_HERE = -1 };

/* A run begins: the chips work on the state in the exit record, if it is lent. */
void chips_begin(struct vcpu *v);
/* Make the access, if that takes no caller. Only for instructions of one access. */
int64_t chips_in(struct vcpu *v, uint16_t port, unsigned size); /* or CHIPS_NOT_HERE */
bool chips_out(struct vcpu *v, uint16_t port, unsigned size, uint32_t value);

/*
 * The same for memory, whichever the instruction: these accesses are in no log. A read changes nothing, so it
 * can be made again when the instruction is repeated; of a write that comes before one which leaves, the
 * guest sees two.
 */
bool chips_mmio_read(struct vcpu *v, guest_pa pa, unsigned size, uint64_t *value);
bool chips_mmio_write(struct vcpu *v, guest_pa pa, unsigned size, uint64_t value);

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
