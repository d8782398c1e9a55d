/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Images that are not raw: what they are made of, by qemu-img, and a server for them, by qemu-nbd.
 */
#pragma once

#include "image_file.h"
#include "source.h"

/*
 * What is in an image of that format and in those below it, which are locked, too. `fd` is the image, opened
 * and locked, and belongs to the function. NULL: with a sentence.
 */
struct source *image_chain_open(int fd, const char *path, enum image_format format, bool read_only,
                                GError **error);

/*
 * The image `overlay`, which is to hold what is written to `base`: made if it is not there. FALSE: it cannot
 * be, or it is over something else.
 */
gboolean image_chain_prepare_overlay(const char *overlay, const char *base, enum image_format base_format,
                                     GError **error);
