/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Reset, and the conversions between the executor's state and the public structs. Library side.
 */
#pragma once

#include <stdint.h>

struct vcpu;

/* The state after RESET: SDM 3A, "Processor State After Reset". Memory and models stay. */
void state_reset(struct vcpu *v);

/* CPL as mode and SS have it. */
void state_derive_cpl(struct vcpu *v);
/* Can the model's control registers be so? -EINVAL, with a sentence. */
int state_check_control(const struct vcpu *v, uint32_t cr0, uint32_t cr4, uint64_t efer);
