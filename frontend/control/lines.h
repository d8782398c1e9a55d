/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Lines out of a stream of bytes, of a length that is bounded.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

enum { CONTROL_LINE_MAX = 1 << 20 }; /* bytes, without the line feed */

struct control_lines {
    GByteArray *bytes; /* what has come, from the last line given out on */
    size_t given;      /* length of that line, with its line feed */
};

void control_lines_init(struct control_lines *lines);
void control_lines_clear(struct control_lines *lines);
/* Bytes arrive. */
void control_lines_add(struct control_lines *lines, const char *bytes, size_t count);
/* The next line without its line feed, `*size` bytes, valid until the next call here; NULL: none yet. */
const char *control_lines_next(struct control_lines *lines, size_t *size);
/* Has the line under way become too long? Nothing sensible can follow it. */
bool control_lines_overflow(const struct control_lines *lines);
