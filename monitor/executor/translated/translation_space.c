/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Spaces: what translated code depends on besides its bytes and its address. There are few, a new one for
 * each code segment of real mode that is executed, and they are kept until there is no room. Executor side.
 */
#include "translation_private.h"

static uint32_t *space_guess(struct translation *t, const struct translation_space *space)
{
    const struct gen_segmented *s = &space->segmented;
    return &t->space_hash[(s->base >> 4 ^ s->base >> 12 ^ s->limit ^ (uint32_t)s->code32 << 3) %
                          TRANSLATION_SPACE_HASH];
}

static bool same_space(const struct translation_space *a, const struct translation_space *b, bool base)
{
    const struct gen_segmented *s = &a->segmented, *t = &b->segmented;
    return (!base || s->base == t->base) && s->limit == t->limit && s->code32 == t->code32 &&
           s->stack32 == t->stack32 && s->real == t->real && s->far == t->far &&
           s->interrupts == t->interrupts && s->returns == t->returns && a->user == b->user &&
           a->flags == b->flags && !__builtin_memcmp(s->segment, t->segment, sizeof(s->segment));
}

static uint32_t find_space(const struct translation *t, const struct translation_space *space, bool base)
{
    uint32_t i = 1;
    while (i < t->space_count && !same_space(space, &t->space[i], base))
        i++;
    return i;
}

void translation_choose_space(struct vcpu *v, const struct translation_space *space)
{
    struct translation *t = v->translation;
    uint32_t *guess, i;
    t->space_now = 0;
    if (!space)
        return;
    guess = space_guess(t, space);
    if (*guess && same_space(space, &t->space[*guess], true)) {
        t->space_now = *guess;
        return;
    }
    i = find_space(t, space, true);
    if (i == TRANSLATION_SPACES) {
        translation_flush(v);
        t->space_count = i = 1;
    }
    if (i == t->space_count) {
        t->space[i] = *space;
        t->space[i].group = (uint16_t)find_space(t, space, false); /* itself, if there is none */
        t->space_count++;
    }
    t->space_now = *guess = i;
}

bool translation_may_fetch(const struct translation *t, uint32_t space, uint32_t bits)
{
    return !(~bits & (X86_PTE_P | X86_PTE_A | (t->space[space].user ? X86_PTE_U : 0)));
}

struct translation_page *translation_page_at(struct translation *t, guest_la la)
{
    for (uint32_t i = t->page_at[la >> 12]; i; i = t->page[i - 1].next_of_address) {
        if (t->page[i - 1].space == t->space_now)
            return &t->page[i - 1];
    }
    return NULL;
}
