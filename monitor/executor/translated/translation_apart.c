/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Instructions that are better executed by the interpreter, though they have a form: accesses to a device, to
 * a page with code or page tables, or to one that a kernel maps for a moment. A fault with its mapping costs
 * as much as a hundred call-outs or two, and which of an instruction's accesses will fault is not known
 * before. So after some faults it is a call-out for as many executions as those have cost, and then it has
 * its form again: whatever comes, that is at most twice as dear as the better one of the two. Executor side.
 */
#include "translation.h"

/* A signal, mmap, the host's page fault and munmap take 10 to 15 us, a call-out 0.1. */
enum { FAULTS = 4, EXECUTIONS = 500 };

static struct translation_apart *slot_of(struct translation *t, guest_la la)
{
    return &t->apart[(la ^ la >> 8 ^ la >> 16) % TRANSLATION_APART];
}

void translation_note_trouble(struct vcpu *v, guest_la la)
{
    struct translation_apart *a = slot_of(v->translation, la);
    if (a->left)
        return; /* another one's; or its stretch was made before it became one */
    if (a->la != la)
        *a = (struct translation_apart){ .la = la };
    if (++a->faults < FAULTS)
        return;
    a->faults = 0;
    a->left = EXECUTIONS;
    v->counts.translated_apart++;
    translation_drop_at(v, la);
}

bool translation_is_apart(const struct translation *t, guest_la la)
{
    const struct translation_apart *a = slot_of((struct translation *)t, la);
    return a->left && a->la == la;
}

void translation_apart_executed(struct vcpu *v, guest_la la)
{
    struct translation_apart *a = slot_of(v->translation, la);
    if (a->la == la && a->left && --a->left == 0)
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
