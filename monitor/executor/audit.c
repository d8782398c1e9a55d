/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * audit.h: asks shadow_audit.c and code_audit.c, and puts what they found into a sentence.
 */
#include "audit.h"

#include "code_cache.h"
#include "executor.h"
#include "shadow.h"

/* Of struct d86_exit, error.text. */
struct sentence {
    unsigned used;
    char text[160];
};

static void say(struct sentence *s, const char *text)
{
    while (*text && s->used < sizeof(s->text) - 1)
        s->text[s->used++] = *text++;
    s->text[s->used] = 0;
}

static void say_address(struct sentence *s, guest_la la)
{
    char digits[9] = { 0 };
    for (unsigned i = 0; i < 8; i++)
        digits[i] = "0123456789abcdef"[la >> (28 - 4 * i) & 15];
    say(s, digits);
}

void audit_all(struct vcpu *v)
{
    struct sentence s = { .used = 0 };
    struct shadow_finding finding = shadow_audit(v, v->shadow);
    if (!finding.what)
        finding = shadow_audit(v, v->shadow_system);
    if (finding.what) {
        say(&s, "the shadow audit found page ");
        say_address(&s, finding.la);
        say(&s, ": ");
        say(&s, finding.what);
        exec_error(v, NULL, D86_ERROR_BUG, s.text);
    }
    const char *what = code_audit(v);
    if (what) {
        say(&s, "the code audit found: ");
        say(&s, what);
        exec_error(v, NULL, D86_ERROR_BUG, s.text);
    }
}
