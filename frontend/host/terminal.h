/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The terminal this program was started from, in raw mode while a guest uses it. However the program ends
 * - even by a crash - the terminal is put back as it was found.
 */
#pragma once

#include <glib.h>

/* Put the terminal on `fd` in raw mode; it is restored at exit and before a deadly signal strikes. */
gboolean terminal_make_raw(int fd, GError **error);

/*
 * Have `text`, which must stay, written to `fd` when the terminal is put back: what undoes orders it was
 * given. NULL: nothing.
 */
void terminal_at_end(const char *text, int fd);

/* Raw mode again, after someone (a shell's job control) changed it. */
void terminal_renew(void);

/* As it was found. Safe in a signal handler; harmless when there is nothing to restore. */
void terminal_restore(void);
