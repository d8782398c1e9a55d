/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a terminal sends, as strokes on the guest's keyboard: characters by the US layout, control characters,
 * and the escape sequences of cursor and function keys (ECMA-48, and xterm's). A terminal tells of no key
 * going up, and of no modifier by itself, so strokes are all there is.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TERMINAL_KEYS_MAX = 32, TERMINAL_STROKE_MAX = 4 };

struct terminal_keys {
    uint8_t pending[TERMINAL_KEYS_MAX]; /* an escape sequence or UTF-8 character that is not complete */
    size_t count;
    void (*stroke)(void *ctx, const uint16_t *codes, unsigned count); /* down in order, up in reverse */
    void *ctx;
};

void terminal_keys_feed(struct terminal_keys *keys, uint8_t byte);
/* Nothing came for a while: an ESC without more was the key. */
void terminal_keys_flush(struct terminal_keys *keys);
