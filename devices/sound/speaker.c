/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The PC's speaker: one bit, the AND of port 61h's and the timer's, averaged over each frame of sound. So
 * tones, and sounds made by moving that bit quickly (in either chip), are all the same here. As a coil does,
 * it makes nothing of a level that stays. IBM PC/AT Technical Reference, "Speaker".
 */
#include "devices/chips.h"

enum {
    FRACTION = 8, /* bits of the filter's state behind the point */
    LOUD = 16384 << FRACTION,
    DECAY = 9,    /* of a level: to a half in 2^9 ln 2 frames, 7 ms; a high-pass filter of 15 Hz */
    STILL = 4800, /* frames without a change after which nothing is heard, and nothing will be by itself: the
                     timer's slowest count is 55 ms */
    HAND_ON_NS = 10000000,
};

struct speaker {
    uint64_t since;   /* up to there the present frame is known; machine time */
    uint64_t high_ns; /* in it, so far */
    int32_t level, heard;
    uint32_t still; /* frames */
    bool data;
    bool handing_on; /* nothing changes, it is only time to hand on what there is */
};

static const struct device_event event_data = { "speaker_data", { "level" } };

static bool speaker_sounds(const struct device *dev)
{
    const struct speaker *s = dev->state;

    return s->still < STILL;
}

static void integrate(struct device *dev, uint64_t from, uint64_t to)
{
    struct speaker *s = dev->state;

    if (s->since < from) { /* frames were left out */
        s->since = from;
        s->high_ns = 0;
    }
    if (s->data && s->since < to)
        s->high_ns += device_input_high_ns(dev, SPEAKER_PIN_OUT2, s->since, to);
    s->since = to;
}

/* What is heard of a frame that is complete. */
static int32_t filter(struct speaker *s, uint64_t frame_ns)
{
    int32_t level = (int32_t)(LOUD * s->high_ns / frame_ns);

    s->still = level == s->level ? s->still + 1 : 0;
    s->heard += level - s->level;
    s->heard -= s->heard >> DECAY;
    if (s->heard >= 0 && s->heard < 1 << DECAY)
        s->heard = 0;
    s->level = level;
    s->high_ns = 0;
    return s->heard >> FRACTION;
}

static void wake(struct device *dev)
{
    struct speaker *s = dev->state;

    if (s->still >= STILL)
        device_set_deadline(dev, device_now(dev) + HAND_ON_NS);
    s->still = 0;
}

static void speaker_sound(struct device *dev, uint64_t frame, int32_t (*mix)[2], unsigned count)
{
    struct speaker *s = dev->state;
    uint64_t from = device_sound_ns(frame), end = device_sound_ns(frame + 1), now;

    for (unsigned i = 0; i < count && speaker_sounds(dev); i++) {
        uint64_t to = device_sound_ns(frame + i + 1);
        int32_t sample;

        integrate(dev, from, to);
        sample = filter(s, to - from);
        mix[i][0] += sample;
        mix[i][1] += sample;
        from = to;
    }
    if (count)
        return;
    now = device_now(dev);
    integrate(dev, from, now < end ? now : end);
    if (s->data && !s->handing_on)
        wake(dev);
}

static void speaker_timer(struct device *dev)
{
    struct speaker *s = dev->state;

    s->handing_on = true;
    device_sound(dev);
    s->handing_on = false;
    if (s->still < STILL)
        device_set_deadline(dev, device_now(dev) + HAND_ON_NS);
}

static void speaker_input(struct device *dev, unsigned pin, bool level)
{
    struct speaker *s = dev->state;

    if (pin != SPEAKER_PIN_DATA || level == s->data)
        return;
    device_trace(dev, &event_data, level, 0, 0);
    device_sound(dev);
    wake(dev);
    s->data = level;
    device_set_line(dev, SPEAKER_LINE_HEARD, level);
}

static void speaker_reset(struct device *dev)
{
    struct speaker *s = dev->state;

    *s = (struct speaker){ .still = STILL };
    device_set_line(dev, SPEAKER_LINE_HEARD, false);
    device_set_deadline(dev, DEVICE_NEVER);
}

const struct device_type speaker_device = {
    .name = "speaker",
    .state_size = sizeof(struct speaker),
    .line_count = 1,
    .reset = speaker_reset,
    .timer = speaker_timer,
    .input = speaker_input,
    .sounds = speaker_sounds,
    .sound = speaker_sound,
};
