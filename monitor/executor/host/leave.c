/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Leaving to the caller, from wherever it turns out that one must. Executor side.
 */
#include "executor.h"

void exec_exit(struct vcpu *v)
{
    unwind_to(&v->unwind, UNWIND_EXIT);
}

void exec_error(struct vcpu *v, const struct uop *u, uint32_t code, const char *text)
{
    unsigned i;
    cpu_sync(v, u);
    v->exit->error.code = code;
    for (i = 0; text[i] && i < sizeof(v->exit->error.text) - 1; i++)
        v->exit->error.text[i] = text[i];
    v->exit->error.text[i] = 0;
    v->exit->reason = D86_EXIT_INTERNAL_ERROR;
    exec_exit(v);
}
