/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The run loop, for those who look at a processor that stands still; host/channel.h has how it is called, and
 * translated.h what translated code asks of it. Executor side.
 */
#pragma once

#include "executor.h"

/* Would an external interrupt be taken before the next instruction? */
bool exec_can_interrupt(const struct vcpu *v);
