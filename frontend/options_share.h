/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Options about shared folders: --share NAME=DIR[,ro][,uid=N][,gid=N].
 */
#pragma once

#include "devices/pc.h"

#include <glib.h>
#include <stdbool.h>

struct share_options {
    struct {
        char *name, *folder; /* name NULL: there is none */
        bool read_only;
        uint32_t uid, gid;
    } shares[PC_SHARES];
};

/* Is that a name of up to `most` letters, digits, '-', '_' and '.'? */
bool options_is_name(const char *text, size_t size, size_t most);

/* `texts` may be NULL. On FALSE what was taken is to be cleared all the same. */
gboolean options_share_take(struct share_options *options, char **texts, GError **error);
void options_share_clear(struct share_options *options);
