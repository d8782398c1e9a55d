/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The whole machine: processor, memory, devices and back-ends, from the options to the exit status.
 */
#pragma once

#include "display.h"
#include "options.h"

#include <glib.h>

struct machine;

/* Build the machine and load what it starts. `options` must outlive it. NULL on error. */
struct machine *machine_new(const struct options *options, GError **error);

/*
 * Run until the guest ends, the user quits or machine_stop() is called. Returns FALSE when the host failed,
 * else `status` is the program's.
 */
gboolean machine_run(struct machine *machine, int *status, GError **error);

/*
 * Where the guest's screen comes from, for display_new(); valid as long as the machine. FALSE: it has no
 * display adapter.
 */
gboolean machine_screen(struct machine *machine, struct display_source *source);

/* A person pressed or released a key, as pc_key() has it. */
void machine_key(struct machine *machine, uint16_t code, bool down);

/* End the run; from the main loop's thread. */
void machine_stop(struct machine *machine, int status);

void machine_free(struct machine *machine);
