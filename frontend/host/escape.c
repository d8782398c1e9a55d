/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The escape key. An unknown key after Ctrl-A is swallowed with it: a slip of the finger must not reach the
 * guest as half an order.
 */
#include "escape.h"

/* The terminal turns LF into CR LF even in our raw mode (terminal.c). */
const char escape_help[] = "\n"
                           "Ctrl-A x       quit\n"
                           "Ctrl-A b       send a break\n"
                           "Ctrl-A Ctrl-A  send Ctrl-A\n"
                           "Ctrl-A h       show these keys\n";

enum escape_action escape_feed(struct escape *escape, uint8_t byte)
{
    if (!escape->armed) {
        escape->armed = byte == ESCAPE_KEY;
        return escape->armed ? ESCAPE_SWALLOW : ESCAPE_PASS;
    }
    escape->armed = false;
    switch (byte) {
    case ESCAPE_KEY:
        return ESCAPE_PASS;
    case 'x':
    case 'X':
        return ESCAPE_QUIT;
    case 'b':
    case 'B':
        return ESCAPE_BREAK;
    case 'h':
    case 'H':
    case '?':
        return ESCAPE_HELP;
    default:
        return ESCAPE_SWALLOW;
    }
}
