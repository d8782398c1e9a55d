/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Private to the memory side of the executor: page walks and guest-physical look-up.
 */
#pragma once

#include "executor.h"

enum access { ACCESS_WRITE = 1, ACCESS_USER = 2, ACCESS_FETCH = 4 };

struct walk {
    guest_pa pa;
    uint32_t error; /* #PF error code when the walk fails */
    bool writable;  /* the rights allow this kind of access to write */
    bool dirty;     /* the entry's D bit is set (now), so later writes need no walk */
};

/* Translate; sets A and D bits when the access is allowed, else fills in w->error. Does not raise. */
bool paging_walk(struct vcpu *v, guest_la la, unsigned access, struct walk *w);
NORETURN void paging_fault(struct vcpu *v, const struct uop *u, guest_la la, uint32_t error);

/* The RAM or ROM region that holds a guest-physical address, or NULL. */
const struct region *phys_region(const struct vcpu *v, guest_pa pa);
