/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * In the place of window.c in a program without SDL (-DD86_SDL=OFF): there are no windows. The options say so
 * before it comes to that.
 */
#include "window.h"

#include "error.h"

struct window *window_open(const struct display_source *source, const struct window_owner *owner,
                           GError **error)
{
    (void)source, (void)owner;
    fail_with(error, FRONTEND_ERROR_USAGE, "this duplex86 was built without windows");
    return NULL;
}

void window_run(struct window *window)
{
    (void)window;
}

void window_close(struct window *window)
{
    (void)window;
}

void window_stop(struct window *window)
{
    (void)window;
}

void window_tell(struct window *window)
{
    (void)window;
}
