/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Handlers as they must not be, for check_handlers.py to find; and two as they are.
 */
#include "flow.h"
#include "mem.h"

void handlers_that_call_take(struct vcpu *v, uint32_t *value);
extern uop_fn *const handlers_that_call[];

/* Who has the address may use the local until this function returns: so it cannot have been left by then. */
SLOW_HANDLER(keeps_a_local)
{
    uint32_t value;
    handlers_that_call_take(v, &value);
    v->gpr.d[X86_EAX] = value;
    NEXT(v, u);
}

/* Not its last act. */
HANDLER(calls_another)
{
    const struct uop *next = keeps_a_local(v, u);
    v->icount++;
    return next;
}

static NOINLINE void take(struct vcpu *v)
{
    uint32_t value;
    handlers_that_call_take(v, &value);
    v->gpr.d[X86_EAX] = value;
}

HANDLER(keeps_it_elsewhere)
{
    take(v);
    NEXT(v, u);
}

HANDLER(jumps_to_another)
{
    v->icount++;
    return keeps_it_elsewhere(v, u);
}

uop_fn *const handlers_that_call[] = { keeps_a_local, calls_another, keeps_it_elsewhere, jumps_to_another };
