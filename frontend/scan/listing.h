/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A scanned program on standard output: page by page, the original beside the private page.
 */
#pragma once

#include "program.h"

gboolean listing_print(struct program *program, const struct options *options, GError **error);
