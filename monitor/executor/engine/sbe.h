/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The engine "scan before execute": when the vCPU is at CPL 3 in 32-bit protected mode, its code runs
 * natively from private pages; whatever traps is looked at here and, if it is not a page to be mapped or
 * scanned, done by the interpreter, one instruction. Everything else is the interpreter's. Executor process
 * only.
 */
#pragma once

#include "cpu.h"

/* May the next instruction run natively, as far as the vCPU's mode says? */
bool sbe_possible(const struct vcpu *v);

enum sbe_answer {
    SBE_LOOP,      /* something is pending */
    SBE_STEP,      /* the interpreter must execute the instruction at CS:EIP */
    SBE_INTERPRET, /* ... should run a block: native code does not pay here at the moment */
    SBE_TRANSLATE, /* translated code is what pays */
    SBE_MOVE,      /* another executor process should go on: v->pool->current */
};

/* Run natively until something needs the run loop. May unwind, as instructions may. */
enum sbe_answer sbe_run(struct vcpu *v);
/* After SBE_INTERPRET: about so many instructions will get the same answer. */
uint64_t sbe_allowance(const struct vcpu *v);
/* EFLAGS to run natively with, and taking over what native code left in them. */
uint32_t sbe_flags_out(const struct vcpu *v);
void sbe_flags_in(struct vcpu *v, uint32_t native);
