/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * --display terminal: the guest's text screen in the terminal that the program was started from, and that
 * terminal's keys on the guest's keyboard. In the main loop's thread.
 */
#pragma once

#include "display.h"

struct terminal_display;

struct terminal_display_owner {
    void (*key)(void *ctx, uint16_t code, bool down); /* as pc_key() has it */
    void (*quit)(void *ctx);                          /* the escape key */
    void *ctx;
};

/* Standard input and output have to be a terminal. Puts it back when it is closed, or when the program ends.
 */
struct terminal_display *terminal_display_open(const struct display_source *source,
                                               const struct terminal_display_owner *owner, GError **error);
/* NULL is allowed. */
void terminal_display_close(struct terminal_display *display);
