/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Reset, and the conversions between the executor's state and the public structs. Library side.
 */
#pragma once

struct vcpu;

/* The state after RESET: SDM 3A, "Processor State After Reset". Memory and models stay. */
void state_reset(struct vcpu *v);
