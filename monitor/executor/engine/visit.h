/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which program is mapped in place, and how the others are run meanwhile. Executor side.
 */
#pragma once

#include "cpu.h"

enum visit_answer {
    VISIT_HOME,      /* its mappings are, or are to be, those below 4 GiB */
    VISIT_MOVE,      /* ... of another executor process, which is to go on: v->pool->current */
    VISIT_INTERPRET, /* not worth any: a block at a time */
    VISIT_TRANSLATE, /* it has a window of its own, as far as v->sbe.visitor says */
};

/* CPL 3, 32-bit code, the engine sbe: how is the program of this address space to go on? */
enum visit_answer visit(struct vcpu *v);
/* VISIT_INTERPRET: for how many instructions, if nothing happens. */
uint64_t visit_allowance(const struct vcpu *v);
/*
 * VISIT_INTERPRET: may its blocks follow each other uncounted? A timer is set then, so that something is
 * pending in time.
 */
bool visit_is_young(struct vcpu *v);
/* So many instructions of it were interpreted after that. */
void visit_interpreted(struct vcpu *v, uint64_t count);
