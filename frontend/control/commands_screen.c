/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Commands about the guest's screen. The picture is kept from one to the next: who asks again and again for a
 * text pays only for what changed.
 */
#include "server_private.h"

#include "display.h"

#include <string.h>

/* The screen as it is now, or NULL and the outcome. */
static struct display *look(struct control_call *call)
{
    struct control *c = call->control;
    struct display_source source;
    if (!c->display && machine_screen(call->machine, &source))
        c->display = display_new(&source);
    if (c->display)
        display_refresh(c->display, NULL);
    else
        control_fail(call, CONTROL_UNAVAILABLE,
                     "this machine has no screen: it was not started with --machine pc");
    return c->display;
}

void control_screendump(struct control_call *call)
{
    const struct display *display = look(call);
    GError *error = NULL;
    if (!display)
        return;
    if (display_write_png(display, control_text(call->request, "file", ""), &error))
        control_done(call);
    else
        control_fail(call, CONTROL_FAILED, "%s", error->message);
    g_clear_error(&error);
}

/* Without the end that the last one has. */
static json_t *lines_of(const char *screen)
{
    json_t *list = json_array();
    char **lines = g_strsplit(screen, "\n", -1);
    for (char **line = lines; *line && (line[1] || **line); line++)
        json_array_append_new(list, json_string(*line));
    g_strfreev(lines);
    return list;
}

void control_text_screen(struct control_call *call)
{
    struct display *display = look(call);
    if (!display)
        return;
    struct display_text text = display_text(display);
    char *screen = display_text_string(display);
    if (screen) {
        call->result = json_pack("{s:s, s:i, s:i, s:o}", "mode", "text", "columns", text.columns, "rows",
                                 text.rows, "lines", lines_of(screen));
        if (text.cursor)
            json_object_set_new(
                call->result, "cursor",
                json_pack("{s:i, s:i}", "column", text.cursor_column, "row", text.cursor_row));
    } else {
        struct display_picture picture = display_picture(display);
        call->result = json_pack("{s:s, s:i, s:i, s:[]}", "mode", "graphics", "width", picture.width,
                                 "height", picture.height, "lines");
    }
    g_free(screen);
}
