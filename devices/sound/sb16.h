/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The Sound Blaster 16's inside: what its files know of each other. Words are those of Creative's "Sound
 * Blaster Series Hardware Programming Guide", which is where all of it comes from unless said.
 */
#pragma once

#include "devices/chips.h"
#include "isa_pnp.h"

enum {
    SB16_OUTPUT = 64, /* bytes that the DSP can have to say: its copyright is the longest */
    SB16_ARGUMENTS = 3,
    SB16_REGISTERS = 256, /* of the mixer */
    SB16_RATE = 11025,    /* after a reset */
    SB16_RATE_MIN = 4000,
    SB16_RATE_MAX = 45454,
    SB16_HAND_ON_NS = 10000000, /* so often what is heard is handed on */
};

/* What of the card asks for an interrupt: the bits of mixer register 82h. */
enum { SB16_IRQ_8 = 1 << 0, SB16_IRQ_16 = 1 << 1, SB16_IRQ_MPU = 1 << 2 };

/*
 * A transfer by DMA, of 8 or of 16 bits. Sizes count samples, of which a frame has one or two. At the end of
 * a block `left` is 0 while it waits until the guest has had time for the interrupt before.
 */
struct sb16_stream {
    uint32_t rate; /* frames a second */
    uint32_t block, left;
    uint32_t phase;            /* how much of a frame has gone by: parts of DEVICE_SOUND_RATE */
    int32_t before[2], now[2]; /* the last two frames, as 16 bits */
    uint64_t asked_at;         /* the guest's own time when it was last interrupted */
    bool active, paused, recording, automatic, stereo, is_signed;
    bool ends;   /* after this block, although it is automatic */
    bool wide;   /* 16 bits */
    bool hushed; /* moved, but not heard */
    bool rests;  /* nothing is moved */
};

/* The two timers of the FM chip, and what it is told. */
struct opl3 {
    uint8_t index[2]; /* by bank */
    uint8_t preset[2], control;
    uint64_t started[2]; /* machine time; valid while it runs */
};

struct sb16 {
    struct sb16_stream stream[2]; /* 8 bits, and 16 */
    uint32_t rate[2];             /* frames a second, for playing and recording */
    uint32_t block;               /* as command 48h has set it */
    uint32_t direct_left;         /* frames for which the level written by command 10h is heard */
    int32_t direct;
    uint8_t command, arguments[SB16_ARGUMENTS], argument_count; /* being received; command 0: none */
    uint8_t output[SB16_OUTPUT], output_first, output_count, last;
    uint8_t test;
    bool by_constant; /* the rate was set by a time constant, which counts samples, not frames */
    bool reset, speaker;
    bool midi; /* until a reset whatever is written is for the MIDI cable */
    uint8_t mixer_index, mixer[SB16_REGISTERS];
    uint8_t asking; /* a sum of SB16_IRQ_* */
    uint8_t mpu_output, mpu_count;
    bool mpu_uart;
    struct opl3 opl;
    struct isa_pnp pnp;
    bool inactive; /* by Plug and Play: it does not answer at its ports */
};

/* ---- sb16.c ---- */

/* Ask for an interrupt, or have had that noticed. */
void sb16_ask(struct device *dev, unsigned what);
void sb16_noticed(struct device *dev, unsigned what);
/* Which line that goes by may have changed. */
void sb16_drive_irq(struct device *dev);

/* ---- sb16_dsp.c ---- */

void sb16_dsp_reset(struct device *dev);
uint8_t sb16_dsp_read(struct device *dev);
void sb16_dsp_write(struct device *dev, uint8_t value);

/* ---- sb16_dma.c ---- */

/* Begin a transfer: all of `stream` but its progress is filled in. */
void sb16_start(struct device *dev, const struct sb16_stream *stream);
/* Set the chip's deadline. */
void sb16_schedule(struct device *dev);
bool sb16_sounds(const struct device *dev);
void sb16_sound(struct device *dev, uint64_t frame, int32_t (*mix)[2], unsigned count);
void sb16_timer(struct device *dev);
void sb16_channel_open(struct device *dev);

/* ---- sb16_mixer.c ---- */

void sb16_mixer_reset(struct sb16 *sb);
uint8_t sb16_mixer_read(const struct sb16 *sb);
void sb16_mixer_write(struct device *dev, uint8_t value);
/* How loud the voice is on the left (0) or right: 32768 is as it is. */
int32_t sb16_voice_volume(const struct sb16 *sb, unsigned side);
/* The line and the request for DMA that are selected; -1: none. */
int sb16_irq_line(const struct sb16 *sb);
int sb16_dma_request(const struct sb16 *sb, bool wide);

/* The lowest bit that is 1, or -1. */
int sb16_lowest(uint8_t bits);
/* Registers that choose interrupt and DMA channels, and what they are at power-on. */
enum { SB16_IRQ_SELECT = 0x80, SB16_DMA_SELECT = 0x81, SB16_IRQ_5 = 0x02, SB16_DMA_1_AND_5 = 0x22 };
/* Write one of them, from elsewhere than the mixer's ports. */
void sb16_select(struct device *dev, uint8_t index, uint8_t value);

/* ---- sb16_pnp.c: Plug and Play ---- */

void sb16_pnp_address(struct device *dev, uint32_t offset, unsigned size, uint32_t value);
void sb16_pnp_write(struct device *dev, uint32_t offset, unsigned size, uint32_t value);
const struct device_ports *sb16_pnp_placed(const struct device *dev, uint32_t *base);

/* ---- mpu401.c ---- */

void mpu401_reset(struct device *dev);
uint32_t mpu401_read(struct device *dev, uint32_t offset, unsigned size);
void mpu401_write(struct device *dev, uint32_t offset, unsigned size, uint32_t value);

/* ---- opl3.c ---- */

void opl3_reset(struct opl3 *opl);
uint8_t opl3_read(struct device *dev, uint32_t offset);
void opl3_write(struct device *dev, uint32_t offset, uint8_t value);
