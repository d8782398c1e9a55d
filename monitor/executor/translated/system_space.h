/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The windows in which translated code finds the guest's memory: one for each of the last few address spaces,
 * so that a kernel that goes to and fro between two programs finds the pages of both where they were. A
 * window that is not in use may be out of date, and is compared with the guest's tables when its turn comes.
 * Executor side.
 */
#pragma once

#include "shadow.h"

enum { SYSTEM_SPACES = 7 };

/*
 * Each is 4 GiB and has as much behind it in which nothing is mapped: an access that runs over the end, or
 * adds a segment's base, faults there. All of it is out of reach of 32-bit code.
 */
#define SYSTEM_WINDOW(i) ((UINT64_C(2) + 2 * (uint64_t)(i)) << 32)

/* Nothing is ever mapped in these 8 GiB: above the windows, below whatever else a process has. */
#define NOTHING_BASE SYSTEM_WINDOW(SYSTEM_SPACES)

struct system_spaces {
    struct shadow shadow[SYSTEM_SPACES];
    struct {
        /* The address space: by its CR3, whether there is paging, and for whom; 0: nobody's. */
        uint64_t key;
        uint64_t used; /* when it last became the one in use */
    } owner[SYSTEM_SPACES];
    uint64_t clock;
};

/* The address space may be another one: have v->shadow_system be its. It is stale then. */
void system_space_choose(struct vcpu *v);
/* Has the window in use the rights of the present CPL? Otherwise system_space_choose() is to be asked. */
bool system_space_fits(const struct vcpu *v);
/* tlb_flush(), tlb_flush_page(): the guest's translations changed. */
void system_space_changed(struct vcpu *v, bool globals);
void system_space_region_changed(struct vcpu *v, guest_la la);
/* What guest-physical addresses mean changed. */
void system_space_map_changed(struct system_spaces *s);
