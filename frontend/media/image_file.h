/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Files with images: opened and locked, and which kind of image it is.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Kinds of image files, by what is in them. */
enum image_format { IMAGE_RAW, IMAGE_QCOW2, IMAGE_VMDK, IMAGE_VDI, IMAGE_VHD, IMAGE_VHDX, IMAGE_FORMATS };

/* What the user and what QEMU calls it. */
const char *image_format_name(enum image_format format);
const char *image_format_driver(enum image_format format);
/* IMAGE_FORMATS: there is no such format. */
enum image_format image_format_by_name(const char *name);
enum image_format image_format_by_driver(const char *driver);
/* What this open file is. */
enum image_format image_format_of(int fd);
/* What an image of `total` bytes is taken for that has these `size` bytes at `offset`, whole sectors.
   IMAGE_RAW: these bytes say nothing. */
enum image_format image_format_of_bytes(uint64_t total, uint64_t offset, const uint8_t *data, uint32_t size);

/*
 * Open an image, to write to it unless `read_only`, and lock all of it as long as the descriptor or a copy of
 * it is open, also in another process: exclusively, or with `shared` so that others may still read. -1: with
 * a sentence.
 */
int image_open(const char *path, bool read_only, bool shared, GError **error);
/* A file that exists and cannot be written by us. */
bool image_is_protected(const char *path);
