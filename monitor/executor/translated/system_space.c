/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Whose window is whose: by least recent use. The key only guesses which window has most of what is wanted;
 * what is in it is right because it is compared. Executor side.
 */
#include "system_space.h"

/* Bits CR3 does not have for addresses. Without paging all memory is everybody's. */
enum { IN_USE = 1, PAGED = 2, USER = 4 };

static uint64_t key_of(const struct vcpu *v)
{
    if (!(v->cr0 & X86_CR0_PG))
        return IN_USE;
    return (v->cr3 & ~31u) | IN_USE | PAGED | (v->cpl == 3 ? USER : 0);
}

static uint64_t *key_in_use(const struct vcpu *v)
{
    return &v->spaces->owner[v->shadow_system - v->spaces->shadow].key;
}

bool system_space_fits(const struct vcpu *v)
{
    return !((*key_in_use(v) ^ key_of(v)) & USER);
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

/* Tables that are as they were do not make a page right for somebody else: none is taken to be. */
static void set_rights(struct shadow *s, bool user)
{
    if (s->user == user)
        return;
    s->user = user;
    s->stale = true;
    paging_seen_forget_all(&s->seen);
}

void system_space_choose(struct vcpu *v)
{
    struct system_spaces *s = v->spaces;
    uint64_t key = key_of(v);
    unsigned i = find(s, key);
    struct shadow *chosen = &s->shadow[i];
    /* What changes is noted in all windows: those of one address space are as good as each other. */
    bool other = (*key_in_use(v) ^ key) & ~(uint64_t)USER;
    s->owner[i].used = ++s->clock;
    if (s->owner[i].key != key) {
        v->counts.system_evictions += s->owner[i].key != 0;
        chosen->stale = true; /* all of it: another one's global pages are not this one's */
    }
    s->owner[i].key = key;
    set_rights(chosen, key & USER);
    if (chosen == v->shadow_system)
        return;
    v->counts.system_moves++;
    if (other)
        v->shadow_system->space_stale = chosen->space_stale =
            true; /* by the time it is used again; and now */
    v->shadow_system = chosen;
    v->translated.window = chosen->base;
}

void system_space_map_changed(struct system_spaces *s)
{
    for (unsigned i = 0; i < SYSTEM_SPACES; i++)
        shadow_map_changed(&s->shadow[i]);
}

void system_space_changed(struct vcpu *v, bool globals)
{
    for (unsigned i = 0; i < SYSTEM_SPACES; i++) {
        v->spaces->shadow[i].stale |= globals;
        v->spaces->shadow[i].space_stale = true;
    }
}

void system_space_region_changed(struct vcpu *v, guest_la la)
{
    for (unsigned i = 0; i < SYSTEM_SPACES; i++)
        shadow_region_changed(&v->spaces->shadow[i], la);
}
