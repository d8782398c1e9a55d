/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the machine sounds like. Nothing ticks: sound is made for the time that has passed, whenever something
 * that is heard is about to change, and when a chip's deadline says that it is time to hand it on. So what
 * is heard depends on machine time alone, and nobody who listens can hold the machine up.
 */
#include "pc_private.h"

#include <string.h>

enum {
    CHUNK = 256, /* frames */
    /* A host that was away for longer has lost sound for good. */
    MOST = DEVICE_SOUND_RATE,
};

/* Returns whether anything is to be heard or moved. */
static bool ask(struct pc *pc, int32_t (*mix)[2], unsigned count)
{
    bool any = false;

    for (unsigned slot = 0; slot < SLOT_COUNT; slot++) {
        struct device *dev = &pc->devices[slot];

        if (!dev->type || !dev->type->sounds || !dev->type->sounds(dev))
            continue;
        if (!any)
            memset(mix, 0, count * sizeof(mix[0]));
        any = true;
        dev->type->sound(dev, pc->sound_frame, mix, count);
    }
    return any;
}

static void tell(struct pc *pc)
{
    for (unsigned slot = 0; slot < SLOT_COUNT; slot++) {
        struct device *dev = &pc->devices[slot];

        if (dev->type && dev->type->sound)
            dev->type->sound(dev, pc->sound_frame, NULL, 0);
    }
}

static int16_t clip(int32_t sample)
{
    return sample > INT16_MAX ? INT16_MAX : sample < INT16_MIN ? INT16_MIN : (int16_t)sample;
}

static void hand_on(struct pc *pc, int32_t (*mix)[2], unsigned count)
{
    int16_t samples[CHUNK][2];

    if (!pc->callbacks.sound)
        return;
    for (unsigned i = 0; i < count; i++) {
        samples[i][0] = clip(mix[i][0]);
        samples[i][1] = clip(mix[i][1]);
    }
    pc->callbacks.sound(pc->ctx, pc->sound_frame, samples, count);
}

void pc_board_sound(void *board)
{
    struct pc *pc = board;
    uint64_t now = device_sound_frame(pc->callbacks.now_ns(pc->ctx));
    int32_t mix[CHUNK][2];

    if (pc->sounding)
        return;
    pc->sounding = true;
    if (now > pc->sound_frame + MOST)
        pc->sound_frame = now - MOST;
    while (pc->sound_frame < now) {
        uint64_t left = now - pc->sound_frame;
        unsigned count = left < CHUNK ? (unsigned)left : CHUNK;

        if (!ask(pc, mix, count))
            break;
        hand_on(pc, mix, count);
        pc->sound_frame += count;
    }
    pc->sound_frame = now;
    tell(pc);
    pc->sounding = false;
}
