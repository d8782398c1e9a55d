/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The guest side: a VM made through the public API whose processor starts each case in ring 3 with the
 * address space of oracle.h. Two VMs, since switching paging modes for every other case would measure
 * TLB flushes: one pages as a non-PAE kernel does, one with PAE and NX.
 */
#pragma once

#include "duplex86/duplex86.h"
#include "oracle.h"

struct guest;

/* NULL with *missing set: the host cannot have this engine or split. Other failures end the program. */
struct guest *guest_create(const struct d86_vcpu_config *config, const char **missing);
void guest_destroy(struct guest *g);

/*
 * Run a case. With `host` (of a stepping case) status flags an instruction leaves undefined are taken over
 * from the host's outcome after the step, so that the rest can be compared; o->adopted counts the steps.
 */
void guest_run(struct guest *g, const struct test_case *c, struct outcome *o, const struct outcome *host);
