/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Hardware task switching. Executor side.
 */
#pragma once

#include "executor.h"

enum task_source { TASK_JUMP, TASK_CALL, TASK_IRET, TASK_EVENT };
/* Switch to the task whose TSS is `selector`; v->next_eip is saved as the old task's EIP. error: pushed if
 * has_error. */
void task_switch(struct vcpu *v, uint16_t selector, enum task_source source, bool has_error, uint32_t error);
