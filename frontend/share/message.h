/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Messages of 9P: numbers little-endian, texts with their length in front. What is read behind the end of a
 * message is 0 and remembered, and so is what finds no room in an answer. (Plan 9, intro(5))
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct p9_reader {
    const uint8_t *at, *end;
    bool bad;
};

/* `size` is 1 to 8 bytes. */
uint64_t p9_get(struct p9_reader *r, unsigned size);
enum { P9_NAME_MAX = 4095 };
/* A text with a NUL behind it; one that is longer, or has a NUL inside, makes the message bad. */
void p9_get_text(struct p9_reader *r, char text[P9_NAME_MAX + 1]);
/* `size` bytes where they are; NULL: they are not. */
const uint8_t *p9_get_bytes(struct p9_reader *r, uint32_t size);

struct p9_writer {
    uint8_t *start, *at, *end;
    bool full;
};

void p9_put(struct p9_writer *w, unsigned size, uint64_t value);
void p9_put_text(struct p9_writer *w, const char *text);
/* Room for `size` bytes, to be filled; NULL: there is none. */
uint8_t *p9_put_bytes(struct p9_writer *w, uint32_t size);
uint32_t p9_room(const struct p9_writer *w);
