/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The library's own copies of what it needs from the arena. The executor process can write the arena at any
 * time, whatever the protocol says, and a guest that broke into it would. So the library reads from there by
 * arena_take() only, checks the copy, and follows no pointer it found there. Library side.
 */
#pragma once

#include <string.h>

#include "arena.h"

/* Copy out of the arena, once: afterwards the copy is what counts, also for the compiler. */
static inline void arena_take(void *to, const void *from, size_t size)
{
    memcpy(to, from, size);
    __asm__ volatile("" : : : "memory");
}

static inline uint64_t arena_take_u64(const uint64_t *from)
{
    uint64_t value;
    arena_take(&value, from, sizeof(value));
    return value;
}

/* A sentence for people, which is to end, and not to be a terminal's orders. */
void arena_take_text(char *to, const char *from, size_t size);

/* ---- mirror.c: the processor's state and settings ----------------------------------------------------- */

/* The mirror, its state as the last run left it and later calls changed it. For reading. */
struct vcpu *mirror_state(const struct d86_vcpu *vcpu);
/*
 * The same, for changing; the arena hears of it before the next run. follows: sum of enum channel_change,
 * what the executor has made from the state that changes.
 */
struct vcpu *mirror_change(struct d86_vcpu *vcpu, unsigned follows);
/* The mirror's settings changed. */
void mirror_publish_settings(struct d86_vcpu *vcpu, unsigned follows);
/* A run begins: the arena gets the state, if it changed. It ends: the mirror's is out of date. */
void mirror_give(struct d86_vcpu *vcpu);
void mirror_forget(struct d86_vcpu *vcpu);

/* ---- exit_record.c ------------------------------------------------------------------------------------ */

/* A run begins: give the executor what the caller answered and asked for. It ends: take its record. */
void exit_give(struct d86_vcpu *vcpu);
void exit_take(struct d86_vcpu *vcpu);
