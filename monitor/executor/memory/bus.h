/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What is neither RAM nor ROM: accesses to devices, by memory or port. Executor side.
 */
#pragma once

#include "executor.h"

/* Device accesses; leave with an exit the first time, return the answer when executed again. size 1, 2, 4, 8.
 */
uint64_t bus_read(struct vcpu *v, const struct uop *u, guest_pa pa, unsigned size);
void bus_write(struct vcpu *v, const struct uop *u, guest_pa pa, unsigned size, uint64_t value);
uint32_t bus_in(struct vcpu *v, const struct uop *u, uint16_t port, unsigned size);
void bus_out(struct vcpu *v, const struct uop *u, uint16_t port, unsigned size, uint32_t value);
/* An iteration of a string instruction is complete: what was logged belongs to the past. */
void bus_commit(struct vcpu *v);
/* The caller answered the access it was sent (called at the start of a run). */
void bus_complete(struct vcpu *v);
