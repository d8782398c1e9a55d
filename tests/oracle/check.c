/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * From a difference to a report worth reading. To see whether it is one the SDM leaves open, both sides are
 * single-stepped and the guest takes over undefined flags after each instruction; what is left must be
 * equal. To make a case small, dropped instructions become NOPs, so that nothing else moves.
 */
#include "check.h"

#include <string.h>

void check_run_again(struct sides *s, unsigned count)
{
    s->native->translate = s->translate;
    native_start(s->native, count);
    native_wait(s->native);
    s->native->translate = false;
}

/* Where the last x87 instruction was gets lost in a signal, if no exception is pending. */
static void forget_fpu_pointers(const struct sides *s, const struct outcome *native, struct outcome *again)
{
    if (s->translate)
        memcpy(again->fxsave + FX_FOP, native->fxsave + FX_FOP, FX_MXCSR - FX_FOP);
}

unsigned check_compare(const struct sides *s, const struct test_case *c, const struct outcome *native,
                       struct outcome *guest)
{
    forget_fpu_pointers(s, native, guest);
    return compare_outcomes(c, native, guest);
}

unsigned check_run(struct sides *s, const struct test_case *c, struct outcome *native, struct outcome *guest)
{
    native_run(s->native, c, native);
    if (s->guest) {
        guest_run(s->guest, c, guest, NULL);
    } else {
        s->native->test[0] = *c;
        check_run_again(s, 1);
        *guest = s->native->outcome[0];
    }
    return check_compare(s, c, native, guest);
}

bool check_excused(struct sides *s, const struct test_case *c)
{
    static struct outcome native, guest;
    struct test_case stepped = *c;
    unsigned difference = check_run(s, c, &native, &guest);

    if (!s->guest || !difference)
        return false;
    if (unspecified_fault(c, &native, &guest, difference))
        return true;
    stepped.stepping = stepped.sticky = true;
    stepped.regs.eflags |= FL_TF;
    native_run(s->native, &stepped, &native);
    guest_run(s->guest, &stepped, &guest, &native);
    if (!guest.adopted)
        return false;
    difference = compare_outcomes(&stepped, &native, &guest);
    return !difference || unspecified_fault(&stepped, &native, &guest, difference);
}

static bool still_differs(struct sides *s, const struct test_case *c)
{
    static struct outcome native, guest;
    return check_run(s, c, &native, &guest) && !check_excused(s, c);
}

/* Replace the case by `smaller` if that still differs. */
static bool accept(struct sides *s, struct test_case *c, const struct test_case *smaller)
{
    if (!still_differs(s, smaller))
        return false;
    *c = *smaller;
    return true;
}

static bool dropped(const struct test_case *c, unsigned from, unsigned to)
{
    while (from < to && c->code[from] == 0x90)
        from++;
    return from == to;
}

static bool drop_pieces(struct sides *s, struct test_case *c)
{
    bool any = false;

    for (unsigned i = 0; i + 1 < c->piece_count; i++) {
        unsigned from = c->piece[i], to = c->piece[i + 1];
        if (to > c->code_len || dropped(c, from, to))
            continue;
        struct test_case smaller = *c;
        memset(smaller.code + from, 0x90, to - from);
        any |= accept(s, c, &smaller);
    }
    return any;
}

static void simplify_state(struct sides *s, struct test_case *c)
{
    struct test_case smaller = *c;

    if (c->stepping) {
        smaller.stepping = false;
        smaller.regs.eflags &= ~(uint32_t)FL_TF;
        accept(s, c, &smaller);
    }
    for (unsigned i = 0; i < 8; i++) {
        smaller = *c;
        smaller.regs.gpr[i] = 0;
        if (i != ESP)
            accept(s, c, &smaller);
    }
    smaller = *c;
    smaller.regs.eflags &= FL_FIXED | FL_IF | FL_TF;
    accept(s, c, &smaller);
}

void check_minimise(struct sides *s, struct test_case *c)
{
    while (drop_pieces(s, c))
        ;
    simplify_state(s, c);
}
