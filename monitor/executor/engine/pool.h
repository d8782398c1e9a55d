/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which executor process runs which of the guest's address spaces. A process has one set of mappings, and to
 * make it another address space's costs hundreds of microseconds; to hand the vCPU to a process that has it
 * already costs four. So the last few address spaces whose code ran natively have a process each, a *member*
 * of the pool (inplace/member.h), by least recent use. The key, CR3, only guesses which member has most of
 * what is wanted: what is mapped is right because it is compared. Executor side. docs/address-spaces.md
 */
#pragma once

#include "member.h"

/* Of one vCPU, in the arena. All zero but `members` at first. */
struct pool {
    struct members members;
    bool settled;     /* somebody has moved in at some time */
    bool moving;      /* the vCPU is under way to member `current`, in the middle of a run */
    uint32_t current; /* who has it, or had it last */
    uint64_t clock;
    struct {
        bool used;   /* has an address space, that of `cr3` */
        bool steady; /* its last stay was long: the next will be, too */
        uint32_t cr3;
        uint64_t when; /* `clock` when it was last moved to, or into */
    } home[MEMBERS_MAX];
    struct {
        bool any;
        uint32_t cr3;
        uint64_t began; /* when CR3 became this: tick of the time stamp counter */
        uint64_t count; /* instructions interpreted since */
    } stay;
};

enum pool_answer {
    POOL_HERE,    /* this process has the address space */
    POOL_MOVE,    /* another has: pool.current; the run is to go on there */
    POOL_VISITOR, /* nobody has, or another and it is not worth the way */
};

/* User code of v's present address space is to run: where? */
enum pool_answer pool_choose(struct vcpu *v);
/* So many instructions of a visitor's were interpreted. */
void pool_interpreted(struct vcpu *v, uint64_t count);
/* Is the present address space this member's? Has it a home at all? */
bool pool_is_here(const struct vcpu *v);
bool pool_has_home(const struct vcpu *v);
/* It is worth the way, or a home: POOL_HERE or POOL_MOVE. */
enum pool_answer pool_go_home(struct vcpu *v);
/*
 * The present member's mappings were compared with the guest's tables, which left `kept` pages of `before`.
 * False: so few that the page directory is another address space's by now, which is a visitor.
 */
bool pool_compared(struct vcpu *v, uint32_t before, uint32_t kept);

/* This process, member `self`, has got the vCPU: its records are those in use from now on. */
void pool_arrive(struct vcpu *v, uint32_t self);

/* For all members: a frame is code from now on; guest-physical addresses mean something else. */
void pool_protect_frame(struct vcpu *v, uint64_t frame);
void pool_map_changed(struct vcpu *v);
