/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The file to scan as spans of executable bytes at linear addresses, and the entry points it names.
 */
#pragma once

#include "options.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

struct image_span {
    uint32_t address;
    uint32_t size; /* more than 0, within 4 GiB */
    const uint8_t *bytes;
};

struct image {
    GMappedFile *file;
    GArray *spans;   /* struct image_span, in order of addresses */
    GArray *entries; /* uint32_t */
};

gboolean image_open(struct image *image, const struct options *options, GError **error);
void image_close(struct image *image);

/* Is there code at that address? */
bool image_has(const struct image *image, uint32_t address);

/* The page at that address; what no span has is zero. */
void image_read_page(const struct image *image, uint32_t address, uint8_t page[SCAN_PAGE_SIZE]);
