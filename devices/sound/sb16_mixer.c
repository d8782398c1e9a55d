/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The card's mixer, a CT1745: volumes, which interrupt and DMA channels it uses, and what asks for
 * interrupts. Creative's guide, "Mixer Chip CT1745" and "Configuring DMA and Interrupt Settings".
 */
#include "sb16.h"

#include <string.h>

enum {
    RESET = 0x00,
    MASTER = 0x30, /* the left one; the right one follows, as with the next three */
    VOICE = 0x32,
    GAIN = 0x41,
    IRQ_SELECT = SB16_IRQ_SELECT,
    DMA_SELECT = SB16_DMA_SELECT,
    IRQ_STATUS = 0x82,

    IRQ_BITS = 0x0f,
    DMA_BITS = 0xeb,
};

/* Registers, which bits of them there are, and what they begin with. All others read as they were written. */
static const struct {
    uint8_t index, bits, reset;
} registers[] = {
    { 0x30, 0xf8, 0xc0 }, { 0x31, 0xf8, 0xc0 },
    { 0x32, 0xf8, 0xc0 }, { 0x33, 0xf8, 0xc0 }, /* master, voice */
    { 0x34, 0xf8, 0xc0 }, { 0x35, 0xf8, 0xc0 },
    { 0x36, 0xf8, 0x00 }, { 0x37, 0xf8, 0x00 }, /* MIDI, CD */
    { 0x38, 0xf8, 0x00 }, { 0x39, 0xf8, 0x00 },
    { 0x3a, 0xf8, 0x00 }, { 0x3b, 0xc0, 0x00 }, /* line, others */
    { 0x3c, 0x1f, 0x1f }, { 0x3d, 0x7f, 0x15 },
    { 0x3e, 0x7f, 0x0b }, { 0x3f, 0xc0, 0x00 }, /* switches */
    { 0x40, 0xc0, 0x00 }, { 0x41, 0xc0, 0x00 },
    { 0x42, 0xc0, 0x00 }, { 0x43, 0x01, 0x00 }, /* gains */
    { 0x44, 0xf0, 0x80 }, { 0x45, 0xf0, 0x80 },
    { 0x46, 0xf0, 0x80 }, { 0x47, 0xf0, 0x80 }, /* tone */
};

/* Registers of the Sound Blaster Pro's mixer: both sides in one, four bits each, of which the new registers
   have five. `left` is the new one; with `single` there is no right. */
static const struct {
    uint8_t index, left;
    bool single;
} older[] = {
    { 0x04, 0x32, false }, { 0x0a, 0x3a, true },  { 0x22, 0x30, false },
    { 0x26, 0x34, false }, { 0x28, 0x36, false }, { 0x2e, 0x38, false },
};

/* 32768 times 10^(-n / 20): n dB less. */
static const uint16_t fewer_db[32] = {
    32768, 29205, 26029, 23198, 20675, 18427, 16423, 14637, 13045, 11627, 10362, 9235, 8231, 7336, 6538, 5827,
    5193,  4629,  4125,  3677,  3277,  2920,  2603,  2320,  2068,  1843,  1642,  1464, 1305, 1163, 1036, 924,
};

int32_t sb16_voice_volume(const struct sb16 *sb, unsigned side)
{
    unsigned master = sb->mixer[MASTER + side] >> 3, voice = sb->mixer[VOICE + side] >> 3;

    if (!master || !voice)
        return 0;
    return (int32_t)((uint32_t)fewer_db[31 - master] * fewer_db[31 - voice] >> 15)
           << (sb->mixer[GAIN + side] >> 6);
}

/* ---- Who uses what ------------------------------------------------------------------------------- */

int sb16_lowest(uint8_t bits)
{
    for (int bit = 0; bit < 8; bit++) {
        if (bits & 1 << bit)
            return bit;
    }
    return -1;
}

int sb16_irq_line(const struct sb16 *sb)
{
    return sb16_lowest(sb->mixer[IRQ_SELECT] & IRQ_BITS);
}

/* Without a channel of 16 bits those go by one of 8. */
int sb16_dma_request(const struct sb16 *sb, bool wide)
{
    uint8_t selected = sb->mixer[DMA_SELECT];

    return wide && selected & 0xe0 ? sb16_lowest(selected & 0xe0) : sb16_lowest(selected & 0x0b);
}

void sb16_select(struct device *dev, uint8_t index, uint8_t value)
{
    struct sb16 *sb = dev->state;
    uint8_t before = sb->mixer_index;

    sb->mixer_index = index;
    sb16_mixer_write(dev, value);
    sb->mixer_index = before;
    sb16_drive_irq(dev);
}

/* ---- Registers ----------------------------------------------------------------------------------- */

void sb16_mixer_reset(struct sb16 *sb)
{
    for (unsigned i = 0; i < sizeof(registers) / sizeof(registers[0]); i++)
        sb->mixer[registers[i].index] = registers[i].reset;
}

static bool read_older(const struct sb16 *sb, uint8_t *value)
{
    for (unsigned i = 0; i < sizeof(older) / sizeof(older[0]); i++) {
        const uint8_t *now = &sb->mixer[older[i].left];

        if (older[i].index != sb->mixer_index)
            continue;
        *value = older[i].single ? now[0] >> 5 : (now[0] & 0xf0) | now[1] >> 4;
        return true;
    }
    return false;
}

uint8_t sb16_mixer_read(const struct sb16 *sb)
{
    uint8_t value;

    if (sb->mixer_index == IRQ_STATUS)
        return sb->asking;
    return read_older(sb, &value) ? value : sb->mixer[sb->mixer_index];
}

static bool write_older(struct sb16 *sb, uint8_t value)
{
    for (unsigned i = 0; i < sizeof(older) / sizeof(older[0]); i++) {
        uint8_t *now = &sb->mixer[older[i].left];

        if (older[i].index != sb->mixer_index)
            continue;
        now[0] = older[i].single ? (value & 7) << 5 | 0x18 : (value & 0xf0) | 0x08;
        if (!older[i].single)
            now[1] = value << 4 | 0x08;
        return true;
    }
    return false;
}

static void write_new(struct sb16 *sb, uint8_t value)
{
    uint8_t bits = 0xff;

    for (unsigned i = 0; i < sizeof(registers) / sizeof(registers[0]); i++) {
        if (registers[i].index == sb->mixer_index)
            bits = registers[i].bits;
    }
    if (sb->mixer_index == IRQ_SELECT)
        value = (value & IRQ_BITS) | 0xf0;
    if (sb->mixer_index == DMA_SELECT)
        bits = DMA_BITS;
    sb->mixer[sb->mixer_index] = value & bits;
}

void sb16_mixer_write(struct device *dev, uint8_t value)
{
    struct sb16 *sb = dev->state;

    device_sound(dev);
    if (sb->mixer_index == RESET)
        sb16_mixer_reset(sb);
    else if (sb->mixer_index != IRQ_STATUS && !write_older(sb, value))
        write_new(sb, value);
    if (sb->mixer_index == DMA_SELECT)
        sb16_schedule(dev);
}
