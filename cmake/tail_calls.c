/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Handlers that end as the executor's do (DISPATCH in monitor/executor/state/cpu.h). Exit status 0: the last
 * of them found the stack where the first did, so they are jumped to.
 */
#include <stdint.h>

struct uop;
typedef const struct uop *uop_fn(uintptr_t *stack, const struct uop *u);
struct uop {
    uop_fn *run;
};

static uintptr_t here(void)
{
    return (uintptr_t)__builtin_frame_address(0);
}

static const struct uop *first(uintptr_t *stack, const struct uop *u)
{
    stack[0] = here();
    return u[1].run(stack, u + 1);
}

static const struct uop *middle(uintptr_t *stack, const struct uop *u)
{
    stack[1] += u[1].run == u[0].run;
    return u[1].run(stack, u + 1);
}

static const struct uop *last(uintptr_t *stack, const struct uop *u)
{
    (void)u;
    stack[2] = here();
    return 0;
}

int main(void)
{
    /* Volatile, or a compiler that sees all of it inlines all of it. */
    uop_fn *volatile const handlers[] = { first, middle, last };
    struct uop uop[64];
    uintptr_t stack[3] = { 0 };
    uop[0].run = handlers[0];
    for (int i = 1; i < 63; i++)
        uop[i].run = handlers[1];
    uop[63].run = handlers[2];
    uop[0].run(stack, uop);
    return stack[0] != stack[2];
}
