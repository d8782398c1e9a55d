/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Instructions that are better executed by the interpreter, though they have a form: accesses to a device, to
 * a page with code or page tables, or to one that a kernel maps for a moment. A fault with its mapping costs
 * as much as a hundred call-outs or two, and which of an instruction's accesses will fault is not known
 * before. So after some faults it is a call-out for as many executions as those have cost, and then it has
 * its form again: whatever comes, that is at most twice as dear as the better one of the two. Executor side.
 */
#include "host.h"
#include "translation.h"

/* A signal, mmap, the host's page fault and munmap take 10 to 15 us, a call-out 0.1. */
enum { FAULTS = 4, EXECUTIONS = 500 };

/* Ticks as kept, by 1024; so many of them for those faults make a tenth of the time. */
enum { TICKS_SHIFT = 10, HASTE = 1500 };

/* An address may be in any of four slots. */
enum { WAYS = 4 };

static struct translation_apart *set_of(struct translation *t, guest_la la)
{
    return &t->apart[(la ^ la >> 8 ^ la >> 16) % (TRANSLATION_APART / WAYS) * WAYS];
}

/* The slot that has it; NULL. */
static struct translation_apart *find(struct translation *t, guest_la la)
{
    struct translation_apart *a = set_of(t, la);
    for (unsigned i = 0; i < WAYS; i++) {
        if (a[i].la == la)
            return &a[i];
    }
    return NULL;
}

/* A slot to have: the one with the fewest faults of those that are no call-outs; NULL: all four are. */
static struct translation_apart *take(struct translation *t, guest_la la)
{
    struct translation_apart *a = set_of(t, la), *best = NULL;
    for (unsigned i = 0; i < WAYS; i++) {
        if (!a[i].left && (!best || a[i].faults < best->faults))
            best = &a[i];
    }
    if (best)
        *best = (struct translation_apart){ .la = la };
    return best;
}

static void note(struct vcpu *v, guest_la la, bool in_haste)
{
    struct translation_apart *a = find(v->translation, la);
    if (!a)
        a = take(v->translation, la);
    if (!a || a->left)
        return; /* no room; or its stretch was made before it became one */
    uint32_t now = (uint32_t)(host_ticks() >> TICKS_SHIFT);
    if (a->faults++ == 0)
        a->since = now;
    if (a->faults < FAULTS)
        return;
    a->faults = 0;
    if (in_haste && now - a->since > HASTE)
        return;
    a->left = EXECUTIONS;
    v->counts.translated_apart++;
    translation_drop_at(v, la);
}

void translation_note_trouble(struct vcpu *v, guest_la la)
{
    note(v, la, false);
}

void translation_note_program(struct vcpu *v, guest_la la)
{
    note(v, la, true);
}

bool translation_is_apart(const struct translation *t, guest_la la)
{
    const struct translation_apart *a = find((struct translation *)t, la);
    return a && a->left;
}

void translation_apart_executed(struct vcpu *v, guest_la la)
{
    struct translation_apart *a = find(v->translation, la);
    if (a && a->left && --a->left == 0)
        translation_drop_at(v, la);
}

bool translation_apart_in(const struct translation *t, guest_la page, uint64_t offsets[GEN_PAGE_SIZE / 64])
{
    bool any = false;
    for (unsigned i = 0; i < TRANSLATION_APART; i++) {
        uint32_t offset = t->apart[i].la - page;
        if (!t->apart[i].left || offset >= GEN_PAGE_SIZE)
            continue;
        for (unsigned word = 0; word < GEN_PAGE_SIZE / 64 && !any; word++)
            offsets[word] = 0;
        any = true;
        offsets[offset / 64] |= 1ull << (offset % 64);
    }
    return any;
}
