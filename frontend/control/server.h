/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The control socket of a machine: any number of clients up to a bound, each of which may send lines and gets
 * lines (protocol.h). In the main loop's thread. A client's requests are answered in order and one at a time;
 * one that does not read gets no more than a queue's worth of anything, and is not waited for.
 */
#pragma once

#include "machine.h"

#include <glib.h>

struct control;

/* `spec` is what --control was given, "unix:PATH". NULL on error. `machine` must outlive it. */
struct control *control_open(const char *spec, struct machine *machine, GError **error);
/* After the run: clients are told how it ended. NULL is allowed. */
void control_close(struct control *control);
