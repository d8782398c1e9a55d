/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the executor process may ask of the host: a seccomp filter and, for tests, an attempt to break it.
 */
#pragma once

#include <stdbool.h>

/*
 * Allow the few system calls taking turns needs, with `native` those that map guest memory, and with `primed`
 * those of the ring-0 helper, from this image's own text; anything else ends the process. A system call
 * instruction outside this text is guest code's: SIGSYS. 0 or -errno. For good.
 */
int confine(bool native, bool primed);

struct arena;

/* Do what enum channel_subversion says. Returns if the host let it. */
void confine_subvert(struct arena *arena, unsigned what);
