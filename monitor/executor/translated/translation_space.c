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
    return &t->space_hash[(s->base >> 4 ^ s->base >> 12 ^ s->limit ^ (uint32_t)s->code32 << 3 ^
                           space->cr3 >> 12) %
                          TRANSLATION_SPACE_HASH];
}

static bool same_space(const struct translation_space *a, const struct translation_space *b, bool base)
{
    const struct gen_segmented *s = &a->segmented, *t = &b->segmented;
    return (!base || s->base == t->base) && s->limit == t->limit && s->code32 == t->code32 &&
           s->stack32 == t->stack32 && s->real == t->real && s->far == t->far &&
           s->interrupts == t->interrupts && s->returns == t->returns && a->user == b->user &&
           a->own == b->own && a->cr3 == b->cr3 && a->flags == b->flags &&
           !__builtin_memcmp(s->segment, t->segment, sizeof(s->segment));
}

static uint32_t find_space(const struct translation *t, const struct translation_space *space, bool base)
{
    uint32_t i = 1;
    while (i < t->space_count && !same_space(space, &t->space[i], base))
        i++;
    return i;
}

/* Own spaces come and go with programs: a place for one more, or of the one that was not chosen for longest.
 */
static uint32_t *own_place(struct translation *t)
{
    uint32_t *place = &t->own_space[0];
    for (unsigned i = 0; i < TRANSLATION_OWN_SPACES; i++) {
        uint32_t number = t->own_space[i];
        if (!number)
            return &t->own_space[i];
        if (t->choices - t->space[number].chosen > t->choices - t->space[*place].chosen)
            place = &t->own_space[i];
    }
    return place;
}

static void forget_own_spaces(struct translation *t)
{
    for (unsigned i = 0; i < TRANSLATION_OWN_SPACES; i++)
        t->own_space[i] = 0;
}

static uint32_t next_number(struct vcpu *v)
{
    struct translation *t = v->translation;
    if (t->space_count == TRANSLATION_SPACES) {
        translation_flush(v);
        forget_own_spaces(t);
        t->space_count = 1;
    }
    return t->space_count++;
}

static uint32_t new_own_space(struct vcpu *v)
{
    struct translation *t = v->translation;
    uint32_t *place = own_place(t), number = *place;
    if (number) {
        translation_drop_space(v, number);
        return number;
    }
    number = next_number(v);
    *own_place(t) = number;
    return number;
}

/* Have a number for a space that is new. */
static uint32_t new_space(struct vcpu *v, const struct translation_space *space)
{
    struct translation *t = v->translation;
    uint32_t i = space->own ? new_own_space(v) : next_number(v);
    t->space[i] = *space;
    t->space[i].group = (uint16_t)find_space(t, space, false); /* itself, if there is none */
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
    i = *guess;
    if (!i || !same_space(space, &t->space[i], true)) {
        i = find_space(t, space, true);
        if (i == t->space_count)
            i = new_space(v, space);
        *guess = i;
    }
    t->space_now = i;
    if (!space->own)
        return;
    t->space[i].chosen = ++t->choices;
    if (t->space[i].doubtful)
        translation_compare_space(v, i);
}

bool translation_is_elsewhere(const struct vcpu *v, const struct translation_page *p)
{
    const struct translation_space *s = &v->translation->space[p->space];
    return s->own && s->cr3 != v->cr3;
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
