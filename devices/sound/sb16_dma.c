/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the DSP plays and records. Samples are fetched for the time that has passed, never ahead of it, so
 * memory is read when the card would have read it, to within the time between two looks; ends of blocks have
 * a deadline of their own. Between two frames of the stream sound is a straight line.
 */
#include "sb16.h"

#include <string.h>

enum {
    FETCH = 1024, /* bytes at most that are moved at once */
    WAIT_NS = 1000000,
};

/* Samples that have been fetched for this stretch of time. */
struct fetched {
    uint8_t data[FETCH];
    uint32_t at, have; /* bytes */
};

static unsigned channels(const struct sb16_stream *s)
{
    return s->stereo ? 2 : 1;
}

static bool plays(const struct sb16_stream *s)
{
    return s->active && !s->paused;
}

/* ---- Ends of blocks ------------------------------------------------------------------------------ */

static unsigned irq_of(const struct sb16_stream *s)
{
    return s->wide ? SB16_IRQ_16 : SB16_IRQ_8;
}

/*
 * The host may be late by more than a block. A guest that has not had the time to take the interrupt of the
 * block before has put nothing into its place yet, and would not know of this one. So the sound breaks off
 * instead.
 */
static bool must_wait(struct device *dev, const struct sb16_stream *s)
{
    const struct sb16 *sb = dev->state;
    uint64_t block_ns = (uint64_t)s->block * 1000000000 / channels(s) / s->rate;

    return (sb->asking & irq_of(s)) && device_guest_ns(dev) - s->asked_at < block_ns / 8 * 7;
}

/* Returns whether there is another block. */
static bool end_block(struct device *dev, struct sb16_stream *s)
{
    if (must_wait(dev, s))
        return false;
    s->asked_at = device_guest_ns(dev);
    s->left = s->block;
    s->active = s->automatic && !s->ends;
    sb16_ask(dev, irq_of(s));
    return s->active;
}

/* ---- Samples ------------------------------------------------------------------------------------- */

static int32_t decode(const struct sb16_stream *s, const uint8_t *data)
{
    uint16_t word = s->wide ? data[0] | data[1] << 8 : data[0] << 8;

    return (int16_t)(s->is_signed ? word : word ^ 0x8000);
}

/* Bytes of silence. */
static void fill_silence(const struct sb16_stream *s, uint8_t *data, uint32_t size)
{
    memset(data, s->is_signed || s->wide ? 0 : 0x80, size);
    for (uint32_t i = 1; s->wide && !s->is_signed && i < size; i += 2)
        data[i] = 0x80;
}

/* Move up to `frames` frames of the block. */
static void fetch(struct device *dev, struct sb16_stream *s, struct fetched *f, uint32_t frames)
{
    int request = sb16_dma_request(dev->state, s->wide);
    uint32_t samples = frames * channels(s), size;
    bool terminal;

    if (samples > s->left)
        samples = s->left;
    size = samples << s->wide;
    if (size > FETCH)
        size = FETCH;
    f->at = 0;
    if (s->recording || s->rests)
        fill_silence(s, f->data, size);
    if (s->rests)
        f->have = size;
    else
        f->have = request < 0 ? 0 : device_channel(dev, request, f->data, size, s->recording, &terminal);
}

static int32_t take_sample(struct sb16_stream *s, struct fetched *f)
{
    int32_t sample = decode(s, f->data + f->at);

    f->at += 1u << s->wide;
    s->left--;
    return sample;
}

/* The next frame of the stream, of `due` that are wanted. False: there is none, the time is lost. */
static bool next_frame(struct device *dev, struct sb16_stream *s, struct fetched *f, uint32_t due)
{
    const uint32_t size = 1u << s->wide;

    if (s->left == 0 && !end_block(dev, s))
        return false;
    if (f->have - f->at < size)
        fetch(dev, s, f, due);
    if (f->have - f->at < size)
        return false;
    memcpy(s->before, s->now, sizeof(s->before));
    s->now[0] = s->now[1] = take_sample(s, f);
    if (s->stereo && s->left && f->have - f->at >= size)
        s->now[1] = take_sample(s, f);
    if (s->left == 0)
        end_block(dev, s);
    return true;
}

/* ---- Sound --------------------------------------------------------------------------------------- */

static void add(const struct sb16 *sb, const struct sb16_stream *s, int32_t mix[2])
{
    if (s->recording || s->hushed || s->rests)
        return;
    for (unsigned side = 0; side < 2; side++) {
        int64_t sample =
            s->before[side] + (int64_t)(s->now[side] - s->before[side]) * s->phase / DEVICE_SOUND_RATE;

        mix[side] += (int32_t)(sample * sb16_voice_volume(sb, side) / 32768);
    }
}

static void play(struct device *dev, struct sb16_stream *s, int32_t (*mix)[2], unsigned count)
{
    struct fetched f = { .at = 0 };

    for (unsigned i = 0; i < count && plays(s); i++) {
        uint32_t due = (s->phase + (count - i) * s->rate) / DEVICE_SOUND_RATE;

        s->phase += s->rate;
        while (s->phase >= DEVICE_SOUND_RATE && plays(s)) {
            s->phase -= DEVICE_SOUND_RATE;
            if (!next_frame(dev, s, &f, due--)) {
                memset(s->before, 0, sizeof(s->before));
                memset(s->now, 0, sizeof(s->now));
            }
        }
        add(dev->state, s, mix[i]);
    }
}

static void play_direct(struct sb16 *sb, int32_t (*mix)[2], unsigned count)
{
    for (unsigned i = 0; i < count && sb->direct_left; i++, sb->direct_left--) {
        for (unsigned side = 0; side < 2; side++)
            mix[i][side] += (int32_t)((int64_t)sb->direct * sb16_voice_volume(sb, side) / 32768);
    }
}

bool sb16_sounds(const struct device *dev)
{
    const struct sb16 *sb = dev->state;

    return plays(&sb->stream[0]) || plays(&sb->stream[1]) || sb->direct_left;
}

void sb16_sound(struct device *dev, uint64_t frame, int32_t (*mix)[2], unsigned count)
{
    struct sb16 *sb = dev->state;

    (void)frame;
    for (unsigned i = 0; i < 2; i++)
        play(dev, &sb->stream[i], mix, count);
    play_direct(sb, mix, count);
}

/* ---- Time ---------------------------------------------------------------------------------------- */

/* Frames of sound until the block ends. */
static uint64_t until_end(const struct sb16_stream *s)
{
    uint64_t frames = (s->left + channels(s) - 1) / channels(s);

    return (frames * DEVICE_SOUND_RATE - s->phase + s->rate - 1) / s->rate;
}

void sb16_schedule(struct device *dev)
{
    const struct sb16 *sb = dev->state;
    uint64_t now = device_now(dev), when = DEVICE_NEVER;

    if (sb16_sounds(dev))
        when = now + SB16_HAND_ON_NS;
    for (unsigned i = 0; i < 2; i++) {
        const struct sb16_stream *s = &sb->stream[i];
        uint64_t end = s->left ? device_sound_ns(device_sound_frame(now) + until_end(s)) : now + WAIT_NS;

        if (plays(s) && end < when)
            when = end;
    }
    device_set_deadline(dev, when);
}

void sb16_timer(struct device *dev)
{
    device_sound(dev);
    sb16_schedule(dev);
}

void sb16_channel_open(struct device *dev)
{
    if (!sb16_sounds(dev))
        return;
    device_sound(dev);
    sb16_schedule(dev);
}

void sb16_start(struct device *dev, const struct sb16_stream *stream)
{
    struct sb16 *sb = dev->state;
    struct sb16_stream *s = &sb->stream[stream->wide];

    device_sound(dev);
    *s = *stream;
    s->left = s->block;
    s->active = true;
    sb16_schedule(dev);
}
