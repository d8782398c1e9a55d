/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What every room of the executor may need: the rule for EIP, and how to leave in the middle.
 *
 * The state rule: a handler for a simple instruction leaves v->eip at the start of its block and passes its
 * uop to whatever may fault; the slow path calls cpu_sync() before it raises. A handler for anything
 * complicated calls cpu_sync() first (its bind row says it ends the block), after which v->eip is the
 * instruction's own EIP and v->next_eip the following one; it then passes NULL for the uop, sets v->eip
 * itself (usually to v->next_eip) and returns exec_end(v).
 */
#pragma once

#include "cpu.h"

/*
 * Make v->eip and v->icount exact for the instruction u and compute v->next_eip. u == NULL: done already.
 */
static inline void cpu_sync(struct vcpu *v, const struct uop *u)
{
    if (!u)
        return;
    v->eip += u->eip_off;
    v->icount += u->n - 1u;
    v->next_eip = v->eip + u->len; /* in 16-bit code too: IP does not wrap at 64 KiB, it meets the limit */
}

/* Take cpu_sync() back, for a handler that was cautious and now goes on to NEXT(). */
static inline void cpu_unsync(struct vcpu *v, const struct uop *u)
{
    if (!u)
        return;
    v->eip -= u->eip_off;
    v->icount -= u->n - 1u;
}

/* End of a synced instruction: v->eip is where to go on. Counts it; the run loop looks at events. */
static inline const struct uop *exec_end(struct vcpu *v)
{
    v->icount++;
    return NULL;
}

/* ---- state/cpu_model.c ------------------------------------------------------------------------------- */

/* Does the model have this user-visible feature? Bits as in enum cpu_feature. */
bool cpu_has(const struct vcpu *v, unsigned feature);

/* CR0, CR4 or v->fpu changed behind the handlers' back: have the next FP instruction look again. */
static inline void fpu_invalidate(struct vcpu *v)
{
    v->fpu.guard = 0xff;
}

/* ---- host/unwind.S: leaving a deep call without returning through it ----------------------------------- */

/* Like setjmp/longjmp over the callee-saved registers only. The code is an enum unwind. */
int unwind_save(struct unwind_buffer *b) __attribute__((returns_twice));
NORETURN void unwind_to(struct unwind_buffer *b, int code);

/* ---- host/leave.c ------------------------------------------------------------------------------------ */

/* Leave to the caller now; v->exit->reason is set. The instruction in progress is executed again later. */
NORETURN void exec_exit(struct vcpu *v);
/* The guest did what we cannot model (code D86_ERROR_*): one sentence for people. */
NORETURN void exec_error(struct vcpu *v, const struct uop *u, uint32_t code, const char *text);
/* Our own invariant broke. */
#define bug_on(v, condition)                                                                                 \
    do {                                                                                                     \
        if (unlikely(condition))                                                                             \
            exec_error((v), NULL, D86_ERROR_BUG, "bug: " #condition " in " __FILE__);                        \
    } while (0)

/* ---- processor/event.c, for whatever may fault ------------------------------------------------------- */

/* Raise an exception at the current instruction (u as for cpu_sync()). Error-code form: raise_error(). */
NORETURN void raise_exception(struct vcpu *v, const struct uop *u, uint8_t vector);
NORETURN void raise_error(struct vcpu *v, const struct uop *u, uint8_t vector, uint32_t error);
