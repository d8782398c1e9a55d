/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the two files of lockstep share. Defined in lockstep.c. Executor process.
 */
#pragma once

#include "lockstep.h"

#include "executor.h"
#include "translator/decode.h"

/* The guest's own bytes at CS:EIP. */
struct lockstep_bytes {
    uint8_t at[X86_INSN_MAX];
    unsigned size;
};

/* As far as they lie in one page. May raise a page fault. */
void lockstep_fetch(struct vcpu *v, struct lockstep_bytes *b);
/* Behind lockstep_fetch(): and in the next one, if it can be fetched from. */
void lockstep_fetch_on(struct vcpu *v, struct lockstep_bytes *b);
/* Most iterations of a long REP are the interpreter's: they are all alike, and each is an instruction here.
 */
bool lockstep_amid_a_long_repeat(const struct vcpu *v, const struct insn *insn);
/* Flags the SDM leaves undefined after an instruction, where the interpreter has not the host's. */
uint32_t lockstep_undefined_flags(const struct insn *insn);

/* Take back what the interpreter stored, and note it; do it again. */
void lockstep_take_back(struct lockstep *l);
void lockstep_redo(struct lockstep *l);
/* Where memory does not hold what the interpreter stored; NULL: nowhere. */
const struct lockstep_store *lockstep_stores_differ(const struct lockstep *l);

/* Leave with D86_EXIT_DIFFERENCE. `found` lacks the bytes, and what it is that differs. */
NORETURN void lockstep_report(struct vcpu *v, const struct d86_difference *found,
                              const struct lockstep_bytes *code, const char *what);
