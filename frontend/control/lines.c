/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Lines out of a stream of bytes.
 */
#include "lines.h"

#include <string.h>

void control_lines_init(struct control_lines *lines)
{
    *lines = (struct control_lines){ .bytes = g_byte_array_new() };
}

void control_lines_clear(struct control_lines *lines)
{
    g_byte_array_unref(lines->bytes);
    lines->bytes = NULL;
}

/* Forget the line that was given out. */
static void drop_given(struct control_lines *lines)
{
    g_byte_array_remove_range(lines->bytes, 0, (guint)lines->given);
    lines->given = 0;
}

void control_lines_add(struct control_lines *lines, const char *bytes, size_t count)
{
    drop_given(lines);
    g_byte_array_append(lines->bytes, (const guint8 *)bytes, (guint)count);
}

const char *control_lines_next(struct control_lines *lines, size_t *size)
{
    drop_given(lines);
    if (!lines->bytes->len)
        return NULL;
    const char *line = (const char *)lines->bytes->data;
    const char *end = memchr(line, '\n', lines->bytes->len);
    if (!end || end - line > CONTROL_LINE_MAX)
        return NULL;
    *size = (size_t)(end - line);
    lines->given = *size + 1;
    return line;
}

bool control_lines_overflow(const struct control_lines *lines)
{
    size_t left = lines->bytes->len - lines->given;
    const char *line = (const char *)lines->bytes->data + lines->given;
    return left > CONTROL_LINE_MAX && !memchr(line, '\n', CONTROL_LINE_MAX + 1);
}
