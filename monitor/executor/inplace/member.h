/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The pool of executor processes, as far as memory goes: each has a low 4 GiB and windows of its own, with
 * records of what is mapped there, and private pages for it. One of them has the vCPU. It may change the
 * records of the others, for a frame that becomes code or a page that is written: their host mappings follow
 * when they have their turn (space.h), before any guest code runs there. Plain data in the arena. Executor
 * side. docs/address-spaces.md
 */
#pragma once

#include "cpu.h"

enum { MEMBERS_MAX = EXECUTORS_MAX };

struct shadow;
struct code_cache;
struct system_spaces;

/* What is to be done to a member's host mappings before it runs anything: space.h. */
struct member_change {
    uint64_t at, size;
    uint32_t rights; /* enum space_rights; 0: unmap */
};

enum { MEMBER_CHANGES_MAX = 1024 };

struct members {
    uint32_t count; /* 1 or more */
    struct {
        uint32_t change_count; /* more than MEMBER_CHANGES_MAX: too many */
        struct member_change change[MEMBER_CHANGES_MAX];
        struct shadow *shadow;
        struct shadow *shadow_system; /* the one in use when it last had the vCPU */
        struct system_spaces *spaces;
        struct code_cache *code;
    } member[MEMBERS_MAX];
};

static inline uint32_t member_count(const struct vcpu *v)
{
    return v->members ? v->members->count : 1;
}

/*
 * Have v->shadow and v->code be those of member m, for a change of its records: what is done to the host's
 * mappings is noted for it. Returns whose they were, to be given back.
 */
static inline uint32_t member_act_as(struct vcpu *v, uint32_t m)
{
    uint32_t before = v->member;
    if (m != before) {
        v->member = m;
        v->shadow = v->members->member[m].shadow;
        v->code = v->members->member[m].code;
    }
    return before;
}
