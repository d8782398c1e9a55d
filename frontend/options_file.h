/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * --config: options out of a key file. A key is a long option's name, whichever options there are: the table
 * of GOption is the table of the keys, so none can be forgotten. What the command line has counts more.
 */
#pragma once

#include <glib.h>

/* Where an option came from that was not on the command line. */
struct options_file;

enum { OPTIONS_FILE_SIZE_MAX = 1 << 20 }; /* bytes */

/*
 * Read `path`, and give the options of `entries`, that were filled by GOption before, what its keys say where
 * the command line said nothing. `data` is for callbacks. NULL on error, which names file and line.
 */
struct options_file *options_file_apply(const char *path, const GOptionEntry *entries, gpointer data,
                                        GError **error);
/* NULL is allowed. */
void options_file_free(struct options_file *file);
/*
 * An error about "--NAME" gets file and line in front if NAME came from the file (`file` may be NULL).
 * Returns the error, which may be another one.
 */
GError *options_file_blame(const struct options_file *file, GError *error);
