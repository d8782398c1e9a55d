/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The stack of return addresses of translated code, and the signals that meet translated code. Private to
 * translated_*.c. Executor process.
 */
#pragma once

#include "cpu.h"

/* translated_signal.c. The first stack pointer, with `underflow` in the lowest place; 0: no guard page. */
uint64_t translated_stack_init(uint64_t underflow);
/* The stack pointer when the stack is empty. */
uint64_t translated_stack_floor(void);
/* Whose signals they are. */
void translated_signal_init(struct vcpu *v);
/*
 * Translated code is about to be entered at `host` with TF set. It is left, as by a kick, at the first
 * boundary of the guest's instructions (or iterations of a repeated one) once `steps` host instructions have
 * been executed.
 */
void translated_signal_steps(uint64_t host, uint32_t steps);
/* It has been left. */
void translated_signal_steps_end(void);
