/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Between event.c, which decides what is delivered, and delivery.c, which does it. Executor side.
 */
#pragma once

#include "transfer.h"

struct delivery {
    uint8_t vector;
    bool software; /* INT n, INT3, INTO: the gate's DPL counts */
    bool has_error;
    uint32_t error;
    uint32_t return_eip;
    uint32_t flags; /* EFLAGS to push */
};

/* Enter the handler, or raise an exception with nothing changed but memory. */
void deliver(struct vcpu *v, const struct delivery *d);
/* Through the interrupt table of the 8086 program itself (VME); v->next_eip is the return address. */
void deliver_v86_redirected(struct vcpu *v, uint8_t vector);

/* INT3 and INTO: as INT n, but never redirected and not subject to IOPL. */
void event_software_trap(struct vcpu *v, uint8_t vector);
