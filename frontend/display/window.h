/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * --display sdl: the guest's screen in a window, and the keyboard and mouse of who sits before it. SDL wants
 * all of that in one thread, the program's first; the main loop has another one meanwhile.
 */
#pragma once

#include "display.h"

struct window;

/* Called in the window's thread. */
struct window_owner {
    void (*key)(void *ctx, uint16_t code, bool down);                   /* as pc_key() has it */
    void (*mouse)(void *ctx, int dx, int dy, int dz, unsigned buttons); /* as pc_mouse() has it */
    bool (*point)(void *ctx, int x, int y, int dz, unsigned buttons);   /* as pc_point() has it */
    bool (*power_button)(void *ctx); /* the window is closed; false: the guest takes no notice */
    void (*quit)(void *ctx);         /* ... and once more */
    bool (*paused)(void *ctx);
    void *ctx;
};

/* `source` and `owner` are copied. NULL on error: there is no screen to open a window on, for one. */
struct window *window_open(const struct display_source *source, const struct window_owner *owner,
                           GError **error);
/* Show the screen until window_stop() is called, which may have happened before. In the thread that opened
 * it. */
void window_run(struct window *window);
/* NULL is allowed. In the thread that opened it. */
void window_close(struct window *window);

/* From any thread, and with any lock held: end window_run(); look whether the guest is paused now. */
void window_stop(struct window *window);
void window_tell(struct window *window);
