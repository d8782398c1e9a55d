/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A file descriptor watched by the main loop, whose conditions can be changed - to nothing, too - from any
 * thread, one at a time. (A descriptor that is polled for nothing still reports hang-ups, so it is taken out
 * instead.)
 */
#pragma once

#include <glib.h>

struct watch;
/* Something is to be done with the descriptor - or was, until another thread got there first. */
typedef void (*watch_fn)(void *ctx);

/* Watch `fd`, which stays the caller's, in the default main context. */
struct watch *watch_new(int fd, GIOCondition conditions, watch_fn fn, void *ctx);
void watch_set(struct watch *watch, GIOCondition conditions);
/* Stop; the callback is not called again once this returns in the main thread. NULL is allowed. */
void watch_free(struct watch *watch);
