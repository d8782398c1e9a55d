/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How large a picture is shown, and when it is looked at again.
 */
#include "window_place.h"

enum { LEAST_WIDTH = 640, NS_PER_S = 1000000000, RATE_MIN = 24, RATE_MAX = 60 };

/* Width to height. */
static void shape_of(const struct display_picture *picture, int64_t *width, int64_t *height)
{
    *width = picture->is_4_3 ? 4 : picture->width ? picture->width : 4;
    *height = picture->is_4_3 ? 3 : picture->height ? picture->height : 3;
}

struct window_box window_natural_size(const struct display_picture *picture)
{
    int64_t w, h, width = picture->width, height = picture->height;
    shape_of(picture, &w, &h);
    if (width < LEAST_WIDTH)
        width = LEAST_WIDTH;
    if (width * h < height * w)
        width = (height * w + h - 1) / h;
    return (struct window_box){ .width = (int)width, .height = (int)((width * h + w / 2) / w) };
}

struct window_box window_place(const struct display_picture *picture, int width, int height)
{
    struct window_box box = { .width = width, .height = height };
    int64_t w, h;
    shape_of(picture, &w, &h);
    if (width * h > height * w)
        box.width = (int)((height * w + h / 2) / h);
    else
        box.height = (int)((width * h + w / 2) / w);
    box.x = (width - box.width) / 2;
    box.y = (height - box.height) / 2;
    return box;
}

/* A display that says 0 or nonsense is taken for one of 60 Hz, and so is a faster one: guests' are no faster.
 */
static uint64_t frame_ns(int rate)
{
    return rate >= RATE_MIN && rate < RATE_MAX ? NS_PER_S / (uint64_t)rate : WINDOW_FRAME_NS;
}

void window_pace_step(struct window_pace *pace, uint64_t now, bool news, int rate)
{
    if (pace->eager)
        pace->eager--;
    if (news && now - pace->last_news <= WINDOW_LIVELY_NS)
        pace->eager = WINDOW_EAGER_FRAMES;
    if (news)
        pace->last_news = now;
    uint64_t step = pace->eager ? frame_ns(rate) : WINDOW_IDLE_NS;
    /* In a rhythm, unless that is lost. */
    pace->next += step;
    if (pace->next <= now || pace->next > now + step)
        pace->next = now + step;
}

void window_pace_wake(struct window_pace *pace, uint64_t now)
{
    pace->eager = WINDOW_EAGER_FRAMES;
    if (pace->next > now + WINDOW_FRAME_NS)
        pace->next = now + WINDOW_FRAME_NS;
}
