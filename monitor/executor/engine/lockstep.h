/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The engine "lockstep": every instruction the engine sbe would run natively runs twice from the same state,
 * first by the interpreter, whose stores are taken back, then by the processor, single-stepped. The first
 * difference in registers, flags, FP state or stored memory is an exit. So is the code that it would run
 * translated: lockstep_kernel.c. Executor process.
 */
#pragma once

#include "lockstep_notes.h"
#include "translated.h"

struct native_segments;
struct native_trap;

enum lockstep_answer {
    LOCKSTEP_SAME, /* the instruction is done */
    LOCKSTEP_STEP, /* not one to compare: let the interpreter do it */
    LOCKSTEP_TRAP, /* native execution trapped: *trap; nothing has changed */
};

/* The instruction at CS:EIP, which is visible in a mapped private page. Exits at a difference; may unwind. */
enum lockstep_answer lockstep_run(struct vcpu *v, const struct native_segments *segments,
                                  struct native_trap *trap);

/*
 * The instruction at CS:EIP, which can be translated; in what follows the answer is for the run loop. Exits
 * at a difference; may unwind.
 */
enum translated_answer lockstep_translated(struct vcpu *v);
