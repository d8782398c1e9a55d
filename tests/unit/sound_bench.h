/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A PC of which a test hears the sound: two seconds of it from `start_listening` on.
 */
#pragma once

#include "pc_bench.h"

enum { HEARD_MAX = 2 * DEVICE_SOUND_RATE };

static struct machine m;
static int16_t heard[HEARD_MAX][2];
static uint64_t first_heard; /* the number of frame 0 of `heard` */
static unsigned heard_count; /* frames up to the last that came */

static void hear(void *ctx, uint64_t frame, const int16_t (*samples)[2], unsigned count)
{
    (void)ctx;
    if (frame < first_heard || frame + count - first_heard > HEARD_MAX)
        return;
    ck_assert_uint_ge(frame - first_heard, heard_count); /* in order, and each once */
    memcpy(heard[frame - first_heard], samples, count * sizeof(samples[0]));
    heard_count = (unsigned)(frame + count - first_heard);
}

static void start_listening(void)
{
    first_heard = device_sound_frame(m.now);
    heard_count = 0;
    memset(heard, 0, sizeof(heard));
}

static void start_pc(void)
{
    static const struct pc_config config = { .ram_size = 64u << 20, .chipset = PC_CHIPSET_I440FX };
    struct pc_callbacks callbacks = machine_callbacks;

    machine_start_with(&m, &config);
    callbacks.sound = hear;
    ck_assert_int_eq(pc_init(m.pc, &config, &callbacks, &m), 0);
    pc_firmware_defaults(m.pc);
    outb(&m, 0x43, 0x30); /* no ticks */
    start_listening();
}

static void stop_pc(void)
{
    machine_stop(&m);
}

/* Rising edges through the middle between the extremes, in `frames` frames from `first` on. */
static inline unsigned count_waves(unsigned first, unsigned frames, unsigned side)
{
    unsigned waves = 0;
    bool high = heard[first][side] > 0;

    for (unsigned i = first; i < first + frames; i++) {
        bool now = high ? heard[i][side] > -100 : heard[i][side] > 100;

        waves += now && !high;
        high = now;
    }
    return waves;
}

static inline int loudest(unsigned first, unsigned frames, unsigned side)
{
    int most = 0;

    for (unsigned i = first; i < first + frames; i++) {
        if (abs(heard[i][side]) > most)
            most = abs(heard[i][side]);
    }
    return most;
}
