/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * EFLAGS put together and taken apart. Executor side.
 */
#pragma once

#include "executor.h"

/* EFLAGS as the guest sees it, and setting all of it (no permission checks, no mode change for VM). */
uint32_t flags_get(const struct vcpu *v);
void flags_set(struct vcpu *v, uint32_t eflags);

/* EFLAGS a POPF, IRET may change at the current CPL and IOPL: SDM 2B, "POPF", table of effects. */
uint32_t flags_writable(const struct vcpu *v, unsigned opsize);
