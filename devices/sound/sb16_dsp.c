/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The DSP's commands, as version 4.05 takes them: a byte, and up to three arguments. Creative's guide,
 * "DSP Commands"; those it does not list take no argument and do nothing.
 */
#include "sb16.h"

#include <string.h>

enum {
    VERSION_MAJOR = 4,
    VERSION_MINOR = 5,
    READY = 0xaa,

    DIRECT_OUT = 0x10,
    DIRECT_IN = 0x20,
    MIDI_UART = 0x34, /* to 37h */
    TIME_CONSTANT = 0x40,
    RATE_OUT = 0x41,
    RATE_IN = 0x42,
    CONTINUE_AUTO_8 = 0x45,
    CONTINUE_AUTO_16 = 0x47,
    BLOCK_SIZE = 0x48,
    REST = 0x80,
    PROGRAM_16 = 0xb0, /* to BFh */
    PROGRAM_8 = 0xc0,  /* to CFh */
    PAUSE_8 = 0xd0,
    SPEAKER_ON = 0xd1,
    SPEAKER_OFF = 0xd3,
    CONTINUE_8 = 0xd4,
    PAUSE_16 = 0xd5,
    CONTINUE_16 = 0xd6,
    SPEAKER_STATUS = 0xd8,
    EXIT_AUTO_16 = 0xd9,
    EXIT_AUTO_8 = 0xda,
    IDENTIFY = 0xe0,
    VERSION = 0xe1,
    COPYRIGHT = 0xe3,
    WRITE_TEST = 0xe4,
    READ_TEST = 0xe8,
    ASK_8 = 0xf2,
    ASK_16 = 0xf3,

    /* bits of Bxh and Cxh, and of the mode that follows */
    PROGRAM_RECORDS = 1 << 3,
    PROGRAM_AUTO = 1 << 2,
    MODE_STEREO = 1 << 5,
    MODE_SIGNED = 1 << 4,

    DIRECT_FRAMES = 4800, /* for which a level is heard after it was written */
};

/* Transfers of 8 bits whose name says all about them. */
struct transfer {
    uint8_t command;
    bool counted; /* the length follows; else it is that of command 48h */
    bool recording, automatic;
    uint8_t samples; /* in a byte: of Creative's ADPCM */
};

static const struct transfer transfers[] = {
    { 0x14, true, false, false, 1 },  { 0x15, true, false, false, 1 }, { 0x16, true, false, false, 4 },
    { 0x17, true, false, false, 4 },  { 0x1c, false, false, true, 1 }, { 0x1f, false, false, true, 4 },
    { 0x24, true, true, false, 1 },   { 0x2c, false, true, true, 1 },  { 0x74, true, false, false, 2 },
    { 0x75, true, false, false, 2 },  { 0x76, true, false, false, 3 }, { 0x77, true, false, false, 3 },
    { 0x7d, false, false, true, 2 },  { 0x7f, false, false, true, 3 }, { 0x90, false, false, true, 1 },
    { 0x91, false, false, false, 1 }, { 0x98, false, true, true, 1 },  { 0x99, false, true, false, 1 },
};

static const struct device_event event_command = { "sb16_command", { "command", "argument", "argument" } };
static const struct device_event event_play = { "sb16_transfer", { "command", "rate", "samples" } };

static const struct transfer *find_transfer(uint8_t command)
{
    for (unsigned i = 0; i < sizeof(transfers) / sizeof(transfers[0]); i++) {
        if (transfers[i].command == command)
            return &transfers[i];
    }
    return NULL;
}

/* ---- What it says -------------------------------------------------------------------------------- */

static void say(struct sb16 *sb, const void *bytes, uint8_t count)
{
    memcpy(sb->output, bytes, count);
    sb->output_first = 0;
    sb->output_count = count;
}

static void say_byte(struct sb16 *sb, uint8_t byte)
{
    say(sb, &byte, 1);
}

uint8_t sb16_dsp_read(struct device *dev)
{
    struct sb16 *sb = dev->state;

    if (sb->output_count) {
        sb->last = sb->output[sb->output_first++ % SB16_OUTPUT];
        sb->output_count--;
    }
    return sb->last;
}

/* ---- Transfers ----------------------------------------------------------------------------------- */

static uint32_t clamp_rate(uint32_t rate)
{
    return rate < SB16_RATE_MIN ? SB16_RATE_MIN : rate > SB16_RATE_MAX ? SB16_RATE_MAX : rate;
}

static uint32_t length(const uint8_t *argument)
{
    return (argument[0] | argument[1] << 8) + 1u;
}

static void begin(struct device *dev, struct sb16_stream *stream)
{
    const struct sb16 *sb = dev->state;
    uint32_t rate = sb->rate[stream->recording] / (sb->by_constant && stream->stereo ? 2 : 1);

    stream->rate = stream->rate ? rate / stream->rate : clamp_rate(rate);
    device_trace(dev, &event_play, sb->command, stream->rate, stream->block);
    sb16_start(dev, stream);
}

static void begin_named(struct device *dev, const struct transfer *t)
{
    const struct sb16 *sb = dev->state;
    struct sb16_stream stream = {
        .block = t->counted ? length(sb->arguments) : sb->block,
        .recording = t->recording,
        .automatic = t->automatic,
        .hushed = t->samples > 1,
        .rate = t->samples > 1 ? t->samples : 0,
    };

    begin(dev, &stream);
}

static void begin_program(struct device *dev)
{
    const struct sb16 *sb = dev->state;
    struct sb16_stream stream = {
        .wide = (sb->command & 0xf0) == PROGRAM_16,
        .recording = sb->command & PROGRAM_RECORDS,
        .automatic = sb->command & PROGRAM_AUTO,
        .stereo = sb->arguments[0] & MODE_STEREO,
        .is_signed = sb->arguments[0] & MODE_SIGNED,
        .block = length(sb->arguments + 1),
    };

    begin(dev, &stream);
}

static void begin_rest(struct device *dev)
{
    const struct sb16 *sb = dev->state;
    struct sb16_stream stream = { .block = length(sb->arguments), .rests = true };

    begin(dev, &stream);
}

static void pause(struct device *dev, unsigned wide, bool paused)
{
    struct sb16 *sb = dev->state;

    device_sound(dev);
    sb->stream[wide].paused = paused;
    sb16_schedule(dev);
}

static void exit_auto(struct device *dev, unsigned wide, bool ends)
{
    struct sb16 *sb = dev->state;

    device_sound(dev);
    sb->stream[wide].ends = ends;
}

static void set_rate(struct sb16 *sb, bool recording)
{
    sb->rate[recording] = clamp_rate(sb->arguments[0] << 8 | sb->arguments[1]);
    sb->by_constant = false;
}

static void set_time_constant(struct sb16 *sb)
{
    sb->rate[0] = sb->rate[1] = 1000000 / (256u - sb->arguments[0]);
    sb->by_constant = true;
}

static void play_directly(struct device *dev, uint8_t level)
{
    struct sb16 *sb = dev->state;

    device_sound(dev);
    sb->direct = (level - 128) * 256;
    sb->direct_left = DIRECT_FRAMES;
    sb16_schedule(dev);
}

/* ---- Commands ------------------------------------------------------------------------------------ */

static unsigned argument_count(uint8_t command)
{
    const struct transfer *t = find_transfer(command);

    if (t)
        return t->counted ? 2 : 0;
    if (command >= PROGRAM_16 && command < PROGRAM_8 + 16)
        return 3;
    switch (command) {
    case 0x05: /* of the signal processor, which is not there */
    case 0x0e:
    case RATE_OUT:
    case RATE_IN:
    case BLOCK_SIZE:
    case REST:
        return 2;
    case 0x04:
    case 0x08:
    case 0x0f:
    case DIRECT_OUT:
    case 0x38: /* a byte for the MIDI cable */
    case TIME_CONSTANT:
    case IDENTIFY:
    case 0xe2:
    case WRITE_TEST:
    case 0xf9:
        return 1;
    default:
        return 0;
    }
}

/* Commands about transfers that have begun; false: it is none. */
static bool control(struct device *dev, uint8_t command)
{
    switch (command) {
    case PAUSE_8:
    case PAUSE_16:
        pause(dev, command == PAUSE_16, true);
        return true;
    case CONTINUE_8:
    case CONTINUE_16:
        pause(dev, command == CONTINUE_16, false);
        return true;
    case EXIT_AUTO_8:
    case EXIT_AUTO_16:
        exit_auto(dev, command == EXIT_AUTO_16, true);
        return true;
    case CONTINUE_AUTO_8:
    case CONTINUE_AUTO_16:
        exit_auto(dev, command == CONTINUE_AUTO_16, false);
        return true;
    default:
        return false;
    }
}

static void set_up(struct device *dev, uint8_t command)
{
    struct sb16 *sb = dev->state;

    switch (command) {
    case DIRECT_OUT:
        play_directly(dev, sb->arguments[0]);
        break;
    case TIME_CONSTANT:
        set_time_constant(sb);
        break;
    case RATE_OUT:
    case RATE_IN:
        set_rate(sb, command == RATE_IN);
        break;
    case BLOCK_SIZE:
        sb->block = length(sb->arguments);
        break;
    case REST:
        begin_rest(dev);
        break;
    case SPEAKER_ON:
    case SPEAKER_OFF: /* of no effect on this version, but for what it says */
        sb->speaker = command == SPEAKER_ON;
        break;
    case WRITE_TEST:
        sb->test = sb->arguments[0];
        break;
    case ASK_8:
        sb16_ask(dev, SB16_IRQ_8);
        break;
    case ASK_16:
        sb16_ask(dev, SB16_IRQ_16);
        break;
    default:
        sb->midi = command >= MIDI_UART && command < MIDI_UART + 4;
        break;
    }
}

/* Commands that it answers; false: it is none. */
static bool answer(struct sb16 *sb, uint8_t command)
{
    static const char copyright[] = "COPYRIGHT (C) CREATIVE TECHNOLOGY LTD, 1992.";
    static const uint8_t version[] = { VERSION_MAJOR, VERSION_MINOR };

    _Static_assert(sizeof(copyright) <= SB16_OUTPUT, "there is room for it");
    switch (command) {
    case DIRECT_IN:
        say_byte(sb, 0x80); /* silence */
        return true;
    case SPEAKER_STATUS:
        say_byte(sb, sb->speaker ? 0xff : 0x00);
        return true;
    case IDENTIFY:
        say_byte(sb, ~sb->arguments[0]);
        return true;
    case VERSION:
        say(sb, version, sizeof(version));
        return true;
    case COPYRIGHT:
        say(sb, copyright, sizeof(copyright));
        return true;
    case READ_TEST:
        say_byte(sb, sb->test);
        return true;
    default:
        return false;
    }
}

static void execute(struct device *dev)
{
    struct sb16 *sb = dev->state;
    const struct transfer *t = find_transfer(sb->command);

    device_trace(dev, &event_command, sb->command, sb->arguments[0], sb->arguments[1]);
    if (t)
        begin_named(dev, t);
    else if (sb->command >= PROGRAM_16 && sb->command < PROGRAM_8 + 16)
        begin_program(dev);
    else if (!control(dev, sb->command) && !answer(sb, sb->command))
        set_up(dev, sb->command);
}

void sb16_dsp_write(struct device *dev, uint8_t value)
{
    struct sb16 *sb = dev->state;

    if (sb->midi)
        return;
    if (sb->command) {
        sb->arguments[sb->argument_count++ % SB16_ARGUMENTS] = value;
    } else {
        sb->command = value;
        sb->argument_count = 0;
        memset(sb->arguments, 0, sizeof(sb->arguments));
    }
    if (sb->argument_count < argument_count(sb->command))
        return;
    execute(dev);
    sb->command = 0;
}

/* Rates and the block's size stay. */
void sb16_dsp_reset(struct device *dev)
{
    struct sb16 *sb = dev->state;

    device_sound(dev);
    memset(sb->stream, 0, sizeof(sb->stream));
    sb->direct_left = 0;
    sb->command = 0;
    sb->speaker = sb->midi = false;
    if (!sb->rate[0])
        sb->rate[0] = sb->rate[1] = SB16_RATE;
    if (!sb->block)
        sb->block = 0x800;
    sb16_noticed(dev, SB16_IRQ_8 | SB16_IRQ_16);
    sb16_schedule(dev);
    say_byte(sb, READY);
}
