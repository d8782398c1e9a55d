/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The escape key: what a person types at a raw terminal, split into bytes for the guest and orders for this
 * program. Ctrl-A begins an order.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { ESCAPE_KEY = 0x01 /* Ctrl-A */ };

enum escape_action {
    ESCAPE_PASS,    /* the byte is for the guest */
    ESCAPE_SWALLOW, /* nothing (yet) */
    ESCAPE_QUIT,
    ESCAPE_HELP,
    ESCAPE_BREAK,
};

struct escape {
    bool armed; /* Ctrl-A was typed, its second key was not */
};

/* Take one typed byte. */
enum escape_action escape_feed(struct escape *escape, uint8_t byte);

/* One line about each key, for people at a raw terminal. */
extern const char escape_help[];
