/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A text screen as orders to a terminal: what is to be written so that it shows the screen as it is now, when
 * it shows it as it was.
 */
#pragma once

#include "display.h"

struct terminal_view;

struct terminal_view *terminal_view_new(void);
void terminal_view_free(struct terminal_view *view);

/*
 * Add to `out` what makes a terminal of so many columns and rows show `text`. What is wider is cut; of what
 * is higher the rows at the cursor are shown. `picture` has the size of graphics, which a terminal cannot
 * show.
 */
void terminal_view_update(struct terminal_view *view, const struct display_text *text,
                          const struct display_picture *picture, unsigned columns, unsigned rows,
                          GString *out);
/* The terminal shows something else now. */
void terminal_view_forget(struct terminal_view *view);
