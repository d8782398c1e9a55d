/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * CPUID, MSRs and what else depends on the model. Executor side.
 */
#pragma once

#include "executor.h"

void cpuid_execute(struct vcpu *v); /* leaf in EAX, sub-leaf in ECX; writes the four registers */
bool msr_read(struct vcpu *v, uint32_t index, uint64_t *value); /* false: #GP */
bool msr_write(struct vcpu *v, uint32_t index, uint64_t value);
uint64_t tsc_read(const struct vcpu *v);
void msr_reset(struct vcpu *v); /* the values after RESET; the TSC is the host's from then on */
/* mca.c: those of them that tell of machine checks. `mca_write` false: #GP. */
bool mca_has(const struct vcpu *v, uint32_t index);
uint64_t mca_read(struct vcpu *v, uint32_t index);
bool mca_write(struct vcpu *v, uint32_t index, uint64_t value);
void mca_reset(struct vcpu *v);
/* mtrr.c: those that tell of memory types. */
bool mtrr_has(const struct vcpu *v, uint32_t index);
uint64_t mtrr_read(struct vcpu *v, uint32_t index);
bool mtrr_write(struct vcpu *v, uint32_t index, uint64_t value);
void mtrr_reset(struct vcpu *v);
uint32_t cr4_allowed(const struct vcpu *v); /* CR4 bits the model has; the others are reserved */
