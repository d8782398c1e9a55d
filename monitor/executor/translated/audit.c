/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * audit.h: asks shadow_audit.c, code_audit.c and translation_audit.c, and puts what they found into a
 * sentence.
 */
#include "audit.h"

#include "code_cache.h"
#include "executor.h"
#include "shadow.h"
#include "translation.h"

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

static void report_shadow(struct vcpu *v, struct shadow *shadow)
{
    struct sentence s = { .used = 0 };
    struct shadow_finding finding = shadow_audit(v, shadow);
    if (!finding.what)
        return;
    say(&s, "the shadow audit found page ");
    say_address(&s, finding.la);
    say(&s, ": ");
    say(&s, finding.what);
    exec_error(v, NULL, D86_ERROR_BUG, s.text);
}

static void report(struct vcpu *v, const char *whose, const char *what)
{
    struct sentence s = { .used = 0 };
    if (!what)
        return;
    say(&s, whose);
    say(&s, " audit found: ");
    say(&s, what);
    exec_error(v, NULL, D86_ERROR_BUG, s.text);
}

void audit_all(struct vcpu *v)
{
    report_shadow(v, v->shadow);
    report(v, "the code", code_audit(v));
}

void audit_translated(struct vcpu *v)
{
    report_shadow(v, v->shadow_system);
    report(v, "the translation", translation_audit(v));
}
