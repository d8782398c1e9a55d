/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a guest writes to an image that is to stay as it is: clusters of it in a temporary file that nobody
 * else can see and that is gone with us. One thread at a time.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

struct overlay;

enum { OVERLAY_CLUSTER = 4096 };

/* For an image of `size` bytes, in the folder for temporary files. */
struct overlay *overlay_new(uint64_t size, GError **error);
void overlay_free(struct overlay *overlay);

int overlay_fd(const struct overlay *overlay);
/* How many of `size` bytes at `offset` have the same place, and which: true, the overlay. */
uint32_t overlay_run(const struct overlay *overlay, uint64_t offset, uint32_t size, bool *written);
/* All of the clusters that hold these bytes are there now. */
void overlay_mark(struct overlay *overlay, uint64_t offset, uint32_t size);
