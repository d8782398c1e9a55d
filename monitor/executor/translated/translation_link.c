/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Links: direct branches from stretch to stretch. They may cross pages, since all that can be branched to is
 * what the guest's tables lead to at this time (translation_sync()). An exit in a stretch that was dropped
 * may still be in the list of its target: undoing it changes code that nobody executes. Executor side.
 */
#include "translation.h"

struct translation_exit *translation_exit_at(struct translation *t, uint64_t after)
{
    struct translation_place place;
    if (!translation_place(t, after - 1, &place))
        return NULL;
    const struct translation_stretch *s = &t->stretch[place.stretch];
    uint32_t code = (uint32_t)(after - (uint64_t)(uintptr_t)t->text);
    for (uint32_t i = 0; i < s->exit_count; i++) {
        if (t->exit[s->exits + i].after == code)
            return &t->exit[s->exits + i];
    }
    return NULL;
}

/* Have the rel32 of an exit lead to an offset of the code. */
static void lead_to(struct translation *t, const struct translation_exit *exit, uint32_t code)
{
    uint32_t distance = code - (exit->rel32 + 4);
    __builtin_memcpy(t->code + exit->rel32, &distance, 4);
    t->changed = true;
}

void translation_link(struct translation *t, struct translation_exit *exit, uint32_t to, uint64_t host)
{
    struct translation_stretch *s = &t->stretch[to];
    if (exit->linked)
        return;
    exit->linked = true;
    exit->to = to;
    exit->previous_incoming = 0;
    exit->next_incoming = s->incoming;
    if (s->incoming)
        t->exit[s->incoming - 1].previous_incoming = (uint32_t)(exit - t->exit) + 1;
    s->incoming = (uint32_t)(exit - t->exit) + 1;
    lead_to(t, exit, (uint32_t)(host - (uint64_t)(uintptr_t)t->text));
}

void translation_unlink_exit(struct translation *t, struct translation_exit *exit)
{
    if (!exit->linked)
        return;
    if (exit->previous_incoming)
        t->exit[exit->previous_incoming - 1].next_incoming = exit->next_incoming;
    else
        t->stretch[exit->to].incoming = exit->next_incoming;
    if (exit->next_incoming)
        t->exit[exit->next_incoming - 1].previous_incoming = exit->previous_incoming;
    exit->linked = false;
    exit->next_incoming = exit->previous_incoming = 0;
    lead_to(t, exit, exit->stub);
}

void translation_unlink(struct translation *t, uint32_t stretch)
{
    while (t->stretch[stretch].incoming)
        translation_unlink_exit(t, &t->exit[t->stretch[stretch].incoming - 1]);
}
