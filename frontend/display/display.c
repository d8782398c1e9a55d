/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The picture and what it was made from. A line whose bytes are as they were is not made again; what is made
 * again is compared with what was shown, so that changes are told where something is to be seen of them.
 */
#include "display.h"

#include <string.h>

struct display {
    struct display_source source;
    struct video_frame frame;
    struct video_glyphs glyphs;
    bool is_started;
    uint64_t activity;
    unsigned width, height;
    size_t line_bytes; /* of each line in `lines` */
    uint8_t *lines;    /* what the picture was made from */
    uint32_t *pixels;
    uint16_t cells[VIDEO_COLUMNS_MAX * VIDEO_ROWS_MAX];
    uint8_t room[VIDEO_LINE_BYTES];
    uint32_t row[VIDEO_WIDTH_MAX];
};

struct display *display_new(const struct display_source *source)
{
    struct display *d = g_new0(struct display, 1);
    d->source = *source;
    return d;
}

void display_free(struct display *d)
{
    if (!d)
        return;
    g_free(d->lines);
    g_free(d->pixels);
    g_free(d);
}

/* Frames are compared whole, so a picture of another shape or palette begins anew. */
static void take_frame(struct display *d, const struct video_frame *frame)
{
    size_t size;
    d->frame = *frame;
    video_line(frame, d->source.memory, 0, d->room, &size);
    if (size != d->line_bytes || frame->height != d->height) {
        g_free(d->lines);
        d->lines = g_malloc0(MAX(size * frame->height, 1));
        d->line_bytes = size;
    }
    if (frame->width != d->width || frame->height != d->height) {
        g_free(d->pixels);
        d->pixels = g_new0(uint32_t, MAX((size_t)frame->width * frame->height, 1));
        d->width = frame->width;
        d->height = frame->height;
    }
}

/*
 * Make one line again if it is to be. The guest may write to it meanwhile: what is drawn is what is kept to
 * compare with, so the next look finds out.
 */
static bool renew_line(struct display *d, unsigned y, bool all)
{
    size_t size;
    const uint8_t *now = video_line(&d->frame, d->source.memory, y, d->room, &size);
    uint8_t *kept = d->lines + y * d->line_bytes;
    uint32_t *shown = d->pixels + (size_t)y * d->width;
    if (!all && !memcmp(now, kept, size))
        return false;
    memcpy(kept, now, size);
    video_draw(&d->frame, &d->glyphs, y, kept, d->row);
    if (!memcmp(d->row, shown, d->width * sizeof(uint32_t)))
        return false;
    memcpy(shown, d->row, d->width * sizeof(uint32_t));
    return true;
}

/* The shapes of characters are memory that the guest can write to as well. */
static bool renew_glyphs(struct display *d)
{
    struct video_glyphs now;
    if (d->frame.kind != VIDEO_TEXT)
        return false;
    video_read_glyphs(&d->frame, d->source.memory, &now);
    if (!memcmp(&now, &d->glyphs, sizeof now))
        return false;
    d->glyphs = now;
    return true;
}

static bool guest_was_idle(struct display *d)
{
    if (!d->source.activity)
        return false;
    uint64_t before = d->activity;
    d->activity = d->source.activity(d->source.ctx);
    return d->is_started && d->activity && d->activity == before;
}

bool display_refresh(struct display *d, struct display_change *change)
{
    struct video_frame frame;
    struct display_change c = { .first = UINT_MAX };
    bool idle = guest_was_idle(d); /* first: what it does from now on is seen next time */
    memset(&frame, 0, sizeof frame);
    d->source.frame(d->source.ctx, &frame);
    bool all = !d->is_started || memcmp(&frame, &d->frame, sizeof frame);
    if (idle && !all)
        return false;
    if (all) {
        c.size = !d->is_started || frame.width != d->width || frame.height != d->height;
        take_frame(d, &frame);
        d->is_started = true;
    }
    all = renew_glyphs(d) || all;
    for (unsigned y = 0; y < d->height; y++) {
        if (renew_line(d, y, all)) {
            c.first = MIN(c.first, y);
            c.end = y + 1;
        }
    }
    if (c.size)
        c.first = 0, c.end = d->height;
    if (change)
        *change = c;
    return c.end > c.first;
}

struct display_picture display_picture(const struct display *d)
{
    return (struct display_picture){
        .width = d->width, .height = d->height, .is_4_3 = d->frame.kind != VIDEO_PACKED, .pixels = d->pixels
    };
}

struct display_text display_text(struct display *d)
{
    const struct video_frame *f = &d->frame;
    struct display_text text = { .is_text = d->is_started && f->kind == VIDEO_TEXT };
    if (!text.is_text)
        return text;
    text.columns = f->columns + 1u;
    text.rows = f->rows + 1u;
    text.blinks = f->blinks;
    text.cells = d->cells;
    for (unsigned row = 0; row < text.rows; row++) {
        for (unsigned column = 0; column < text.columns; column++) {
            d->cells[row * text.columns + column] = video_cell(f, d->source.memory, column, row);
            if (!text.cursor && video_is_cursor(f, column, row)) {
                text.cursor = true;
                text.cursor_column = column;
                text.cursor_row = row;
            }
        }
    }
    return text;
}

char *display_text_string(struct display *d)
{
    struct display_text text = display_text(d);
    if (!text.is_text)
        return NULL;
    GString *string = g_string_new(NULL);
    for (unsigned row = 0; row < text.rows; row++) {
        gsize end = string->len;
        for (unsigned column = 0; column < text.columns; column++) {
            uint16_t code = display_unicode(text.cells[row * text.columns + column] & 0xff);
            g_string_append_unichar(string, code);
            if (code != ' ')
                end = string->len;
        }
        g_string_truncate(string, end);
        g_string_append_c(string, '\n');
    }
    return g_string_free(string, FALSE);
}
