/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a look at the guest's screen costs: with nothing changed, with everything changed, and while the guest
 * is idle. Microseconds; the best of some rounds.
 */
#include "display.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 50 };

static uint8_t memory[VIDEO_MEMORY_ALL];
static struct video_frame frame;
static uint64_t activity;

static void give_frame(void *ctx, struct video_frame *to)
{
    (void)ctx;
    memcpy(to, &frame, sizeof frame);
}

static uint64_t give_activity(void *ctx)
{
    (void)ctx;
    return activity;
}

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* `step`: what the activity goes on by; `fill`: all of memory changes, too. */
static double look(struct display *display, unsigned step, bool fill)
{
    double best = 1e9;
    for (unsigned i = 0; i < ROUNDS; i++) {
        activity += step;
        if (fill)
            memset(memory, (int)(i & 0x7f), sizeof memory);
        double before = now_us();
        display_refresh(display, NULL);
        double took = now_us() - before;
        best = took < best ? took : best;
    }
    return best;
}

static void measure(const char *name)
{
    static const struct display_source source = { .frame = give_frame,
                                                  .activity = give_activity,
                                                  .memory = memory };
    struct display *display = display_new(&source);
    display_refresh(display, NULL);
    double same = look(display, 1, false), idle = look(display, 0, false), all = look(display, 1, true);
    printf("%-18s %10.1f %10.1f %10.1f\n", name, same, all, idle);
    display_free(display);
}

int main(void)
{
    for (unsigned i = 0; i < 256; i++)
        frame.palette[i] = i * 0x10305;
    printf("%-18s %10s %10s %10s\n", "us for a look", "unchanged", "all new", "idle");
    frame = (struct video_frame){ .kind = VIDEO_TEXT,
                                  .has_cells = true,
                                  .width = 720,
                                  .height = 400,
                                  .pitch = 80,
                                  .mask = 0xffff,
                                  .line_compare = 0x3ff,
                                  .row_lines = 16,
                                  .columns = 79,
                                  .rows = 24,
                                  .cell_width = 9 };
    measure("text 80x25");
    frame.kind = VIDEO_PLANAR;
    frame.has_cells = false;
    frame.width = 640;
    frame.height = 480;
    frame.row_lines = 1;
    measure("planar 640x480");
    frame.kind = VIDEO_PACKED;
    frame.line_compare = UINT16_MAX;
    frame.bits_per_pixel = 32;
    frame.width = 1024;
    frame.height = 768;
    frame.pitch = 4096;
    measure("linear 1024x768x32");
    frame.width = 1920;
    frame.height = 1200;
    frame.pitch = 1920 * 4;
    measure("linear 1920x1200x32");
    return 0;
}
