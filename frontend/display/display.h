/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The guest's screen as a picture on the host. Whoever shows it (a window, the terminal, the writer of a
 * screenshot) has a struct display of his own and asks for news as often as he likes; what did not change
 * costs a comparison. All functions are for one thread at a time, without the machine's lock: they ask the
 * machine for its frame, which takes the lock for a moment, and read the adapter's memory while the guest
 * runs on.
 */
#pragma once

#include "devices/video.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

struct display;

/* Where the screen comes from: machine_screen() has the machine's. */
struct display_source {
    void (*frame)(void *ctx, struct video_frame *frame); /* what is shown now */
    /* Another number whenever the guest may have changed something; 0: unknown. May be NULL. */
    uint64_t (*activity)(void *ctx);
    const uint8_t *memory; /* the adapter's */
    void *ctx;
};

struct display *display_new(const struct display_source *source);
/* NULL is allowed. */
void display_free(struct display *display);

/* What changed: lines from `first` to before `end`, in all their width. */
struct display_change {
    bool size; /* width and height are others now: everything is new */
    unsigned first, end;
};

/* Bring the picture up to date. False: there is nothing new. `change` may be NULL. */
bool display_refresh(struct display *display, struct display_change *change);

/* The picture as of the last refresh; of no size before the first. Pixels are 00RRGGBBh, without gaps. */
struct display_picture {
    unsigned width, height; /* pixels; they were as good as square, or meant for a screen of 4:3 (is_4_3) */
    bool is_4_3;            /* a standard VGA mode, to be shown on a screen of 4:3 whatever its size */
    const uint32_t *pixels;
};

struct display_picture display_picture(const struct display *display);

/* The characters of a text screen as of the last refresh. */
struct display_text {
    bool is_text; /* false: graphics; nothing else counts */
    unsigned columns, rows;
    bool blinks; /* bit 7 of an attribute makes it blink; else the background is bright */
    bool cursor; /* there is one */
    unsigned cursor_column, cursor_row;
    const uint16_t *cells; /* row by row: character in code page 437 (low byte), attribute */
};

struct display_text display_text(struct display *display);

/*
 * The text screen as UTF-8, a line for each row without the blanks at its end. NULL: graphics. To be freed.
 */
char *display_text_string(struct display *display);

/* The Unicode character that the PC's font has at `code` of code page 437; graphic signs for controls. */
uint16_t display_unicode(uint8_t code);

/* Write the picture as of the last refresh as PNG; to a file, which is replaced only when it is complete. */
gboolean display_write_png(const struct display *display, const char *path, GError **error);
