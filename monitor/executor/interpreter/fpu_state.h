/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The FP and SIMD state as a whole, for those who do not execute its instructions. Executor side.
 */
#pragma once

#include "executor.h"

void fpu_reset(struct vcpu *v);
/* Put the guest's state into v->fpu.image and give the host's registers back. Before leaving the executor. */
void fpu_leave(struct vcpu *v);
/* FXSAVE image out and in, FIP, FDP and FOP included; not while live. false: reserved MXCSR bits, nothing
 * done. */
void fpu_export(const struct vcpu *v, uint8_t image[512]);
bool fpu_import(struct vcpu *v, const uint8_t image[512]);
/* In block_flush(), when no block is left: forget the native code if it has run full (v->native->full). */
void fpu_pool_reset(struct vcpu *v);
