/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Whose window is whose: by least recent use. The key only guesses which window has most of what is wanted;
 * what is in it is right because it is compared. Executor side.
 */
#include "system_space.h"

static uint64_t key_of(const struct vcpu *v)
{
    enum { IN_USE = 1, PAGED = 2 }; /* bits CR3 does not have for addresses */
    return v->cr0 & X86_CR0_PG ? (v->cr3 & ~31u) | IN_USE | PAGED : IN_USE;
}

static unsigned find(const struct system_spaces *s, uint64_t key)
{
    unsigned oldest = 0;
    for (unsigned i = 0; i < SYSTEM_SPACES; i++) {
        if (s->owner[i].key == key)
            return i;
        if (s->owner[i].used < s->owner[oldest].used)
            oldest = i;
    }
    return oldest;
}

void system_space_choose(struct vcpu *v)
{
    struct system_spaces *s = v->spaces;
    uint64_t key = key_of(v);
    unsigned i = find(s, key);
    struct shadow *chosen = &s->shadow[i];
    s->owner[i].used = ++s->clock;
    if (s->owner[i].key != key && s->owner[i].key)
        v->counts.system_evictions++;
    s->owner[i].key = key;
    if (chosen == v->shadow_system)
        return;
    v->counts.system_moves++;
    v->shadow_system->stale = true; /* by the time it is used again */
    v->shadow_system = chosen;
    v->translated.window = chosen->base;
    chosen->stale = true;
}

void system_space_map_changed(struct vcpu *v)
{
    for (unsigned i = 0; i < SYSTEM_SPACES; i++)
        shadow_map_changed(&v->spaces->shadow[i]);
}
