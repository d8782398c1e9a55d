/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What is behind a door (include/translator/scan.h): one instruction for the interpreter, whose handler is
 * kept at hand. Executor process only.
 */
#pragma once

#include "cpu.h"

/*
 * Native code came out by the door of the instruction at CS:EIP: execute it. May unwind, as instructions may.
 * False: nothing was done, the interpreter has to find out for itself.
 */
bool door_run(struct vcpu *v);
