/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Signals that ask the program to end, delivered in the main loop.
 */
#pragma once

#include <glib.h>

struct machine;

/* Before other threads exist: block the signals everywhere and have them end `machine`. */
gboolean signals_open(struct machine *machine, GError **error);
void signals_close(void);

/* If such a signal ended the run: end the program by it, so that whoever sent it can tell. */
void signals_raise_received(void);
