/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How large a picture is shown, and when it is looked at again: sums without SDL.
 */
#pragma once

#include "display.h"

struct window_box {
    int x, y, width, height;
};

/* The size, in pixels of the host, in which a picture has its shape and none of its lines is lost. */
struct window_box window_natural_size(const struct display_picture *picture);
/* The largest place of the picture's shape in a window of that size, in its middle. */
struct window_box window_place(const struct display_picture *picture, int width, int height);

/* ---- When ---- */

enum {
    WINDOW_FRAME_NS = 16666667,
    /* A screen on which nothing happens is looked at so often ... */
    WINDOW_IDLE_NS = 50000000,
    /* ... and news that follows other news so soon is more than a VGA's cursor, which changes each 114 ms. */
    WINDOW_LIVELY_NS = 60000000,
    WINDOW_EAGER_FRAMES = 30, /* so many looks in a rhythm follow what happened */
};

/* Of a screen that is looked at in a rhythm, and rarely while nothing happens. All zero at the beginning. */
struct window_pace {
    uint64_t next;      /* when to look, by the clock that the caller has */
    uint64_t last_news; /* when there was some */
    unsigned eager;     /* looks in a rhythm that are left */
};

/* It was looked at, and there was something new or not. `rate` is what the host's display says of itself, in
 * Hz. */
void window_pace_step(struct window_pace *pace, uint64_t now, bool news, int rate);
/* Something happened that the guest may answer: look soon. */
void window_pace_wake(struct window_pace *pace, uint64_t now);
