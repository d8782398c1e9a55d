/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * DR0 to DR7 at work: which breakpoints an instruction meets. While any is enabled (v->debug.active) the run
 * loop goes an instruction at a time, so the cost is theirs who use them. Executor side.
 * SDM 3B, "Debug Registers", "Debug Exceptions".
 */
#pragma once

#include "cpu.h"

/* Instruction breakpoints at CS:EIP: their DR6 bits. */
uint32_t breakpoint_fetch(const struct vcpu *v);

/*
 * The current instruction accesses data, or has accessed a port: the breakpoints that watch any of these
 * bytes are noted in v->debug.hit, for the trap after it.
 */
void breakpoint_data(struct vcpu *v, guest_la la, unsigned size, bool write);
void breakpoint_port(struct vcpu *v, uint16_t port, unsigned size);
