/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Cells to ECMA-48 orders. The sixteen colours are the terminal's own: 0 to 7 by SGR 30 and 40, bright ones
 * by xterm's 90 and 100; blue and red have changed places.
 */
#include "terminal_view.h"

#include <string.h>

struct terminal_view {
    bool valid; /* the terminal shows what is here */
    bool is_text;
    unsigned columns, rows; /* of the part that is shown */
    unsigned width, height; /* of graphics */
    unsigned top;           /* the first row shown */
    uint16_t cells[VIDEO_COLUMNS_MAX * VIDEO_ROWS_MAX];
    int cursor;    /* where it is shown: row and column; -1: nowhere */
    int attribute; /* in force at the terminal; -1: unknown */
};

struct terminal_view *terminal_view_new(void)
{
    return g_new0(struct terminal_view, 1);
}

void terminal_view_free(struct terminal_view *view)
{
    g_free(view);
}

void terminal_view_forget(struct terminal_view *view)
{
    view->valid = false;
}

static unsigned ansi_color(unsigned color)
{
    return (color & 2) | (color & 1) << 2 | (color >> 2 & 1);
}

static void set_attribute(struct terminal_view *view, uint8_t attribute, bool blinks, GString *out)
{
    unsigned on = attribute & 0xf, off = attribute >> 4;
    bool blink = blinks && off & 8;
    if (view->attribute == attribute)
        return;
    if (blinks)
        off &= 7;
    g_string_append_printf(out, "\033[0%s;%u;%um", blink ? ";5" : "", ansi_color(on) + (on & 8 ? 90 : 30),
                           ansi_color(off) + (off & 8 ? 100 : 40));
    view->attribute = attribute;
}

static void go_to(unsigned column, unsigned row, GString *out)
{
    g_string_append_printf(out, "\033[%u;%uH", row + 1, column + 1);
}

static void clear(struct terminal_view *view, GString *out)
{
    g_string_append(out, "\033[0m\033[2J");
    view->attribute = -1;
}

static void show_row(struct terminal_view *view, const struct display_text *text, unsigned row, bool all,
                     GString *out)
{
    const uint16_t *now = text->cells + (size_t)(view->top + row) * text->columns;
    uint16_t *shown = view->cells + (size_t)row * VIDEO_COLUMNS_MAX;
    bool there = false; /* the terminal's cursor is at the column */
    for (unsigned column = 0; column < view->columns; column++) {
        if (!all && now[column] == shown[column]) {
            there = false;
            continue;
        }
        if (!there)
            go_to(column, row, out);
        there = true;
        set_attribute(view, now[column] >> 8, text->blinks, out);
        g_string_append_unichar(out, display_unicode(now[column] & 0xff));
        shown[column] = now[column];
    }
}

/* Writing has moved it. */
static void show_cursor(struct terminal_view *view, const struct display_text *text, bool moved, GString *out)
{
    unsigned row = text->cursor_row - view->top;
    bool shown = text->cursor && text->cursor_column < view->columns && row < view->rows;
    int cursor = shown ? (int)(row * VIDEO_COLUMNS_MAX + text->cursor_column) : -1;
    if (view->valid && cursor == view->cursor && !moved)
        return;
    if (shown)
        go_to(text->cursor_column, row, out);
    g_string_append(out, shown ? "\033[?25h" : "\033[?25l");
    view->cursor = cursor;
}

static void show_text(struct terminal_view *view, const struct display_text *text, unsigned columns,
                      unsigned rows, GString *out)
{
    unsigned width = MIN(text->columns, columns), height = MIN(text->rows, rows);
    unsigned top = text->cursor && text->cursor_row >= height ? text->cursor_row - height + 1 : 0;
    bool all = !view->valid || !view->is_text || width != view->columns || height != view->rows;
    view->columns = width;
    view->rows = height;
    view->top = top;
    gsize start = out->len;
    if (all)
        clear(view, out);
    for (unsigned row = 0; row < height; row++)
        show_row(view, text, row, all, out);
    show_cursor(view, text, out->len > start, out);
}

static void show_size(struct terminal_view *view, const struct display_picture *picture, GString *out)
{
    if (view->valid && !view->is_text && view->width == picture->width && view->height == picture->height)
        return;
    view->width = picture->width;
    view->height = picture->height;
    clear(view, out);
    go_to(0, 0, out);
    g_string_append_printf(out, "\033[?25lThe guest shows graphics, %u x %u, and this display text only.",
                           picture->width, picture->height);
}

void terminal_view_update(struct terminal_view *view, const struct display_text *text,
                          const struct display_picture *picture, unsigned columns, unsigned rows,
                          GString *out)
{
    if (text->is_text)
        show_text(view, text, columns, rows, out);
    else
        show_size(view, picture, out);
    view->is_text = text->is_text;
    view->valid = true;
}
