/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A file the guest starts from - kernel, initrd, ROM - read whole into memory. Not mapped: a file that
 * someone truncates while it is mapped would end this program with SIGBUS.
 */
#pragma once

#include <glib.h>
#include <stdint.h>

struct image {
    char *name; /* as the user gave it; for messages */
    uint8_t *data;
    size_t size;
};

/* Read `path`; `what` ("kernel", "initrd") opens the message. An empty file is refused. */
gboolean image_read(struct image *image, const char *what, const char *path, GError **error);
/* The same, but an empty file will do. */
gboolean image_read_any(struct image *image, const char *what, const char *path, GError **error);
void image_clear(struct image *image);
