/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Sound Blaster 16: its ports, its interrupt request, and its parts: the DSP, which plays and records
 * (sb16_dsp.c, sb16_dma.c), the mixer CT1745, an MPU-401 and an OPL3. What each does is in its own file.
 */
#include "sb16.h"

enum {
    FM_LEFT = 0x0, /* and 1; the right bank is 2 and 3 */
    MIXER_INDEX = 0x4,
    MIXER_DATA = 0x5,
    DSP_RESET = 0x6,
    FM = 0x8, /* and 9: the left bank again */
    DSP_DATA = 0xa,
    DSP_COMMAND = 0xc,
    DSP_TIMER = 0xd,
    DSP_STATUS = 0xe,    /* read: bit 7, there is data; and the 8-bit interrupt is noticed */
    DSP_STATUS_16 = 0xf, /* ... the 16-bit one */

    HAS_DATA = 0x80,
    FLOATING = 0x7f, /* bit 7 of the command port clear: the DSP takes a byte */
};

static const struct device_event event_irq = { "sb16_irq", { "asking" } };

/* ---- The interrupt ------------------------------------------------------------------------------- */

/* Which line it is may have changed, and it is edge triggered: so it falls first. */
void sb16_drive_irq(struct device *dev)
{
    const struct sb16 *sb = dev->state;
    int line = sb16_irq_line(sb);

    for (unsigned i = 0; i <= SB16_LINE_IRQ10; i++)
        device_set_line(dev, i, false);
    if (line >= 0 && sb->asking)
        device_set_line(dev, line, true);
}

void sb16_ask(struct device *dev, unsigned what)
{
    struct sb16 *sb = dev->state;

    sb->asking |= what;
    device_trace(dev, &event_irq, sb->asking, 0, 0);
    sb16_drive_irq(dev);
}

void sb16_noticed(struct device *dev, unsigned what)
{
    struct sb16 *sb = dev->state;

    if (!(sb->asking & what))
        return;
    sb->asking &= ~what;
    sb16_drive_irq(dev);
}

/* ---- Ports --------------------------------------------------------------------------------------- */

static uint8_t read_status(struct device *dev, unsigned irq)
{
    const struct sb16 *sb = dev->state;

    sb16_noticed(dev, irq);
    return sb->output_count ? FLOATING | HAS_DATA : FLOATING;
}

static uint32_t sb16_read(struct device *dev, uint32_t offset, unsigned size)
{
    const struct sb16 *sb = dev->state;

    (void)size;
    if (sb->inactive)
        return 0xff;
    switch (offset) {
    case FM_LEFT:
    case FM_LEFT + 1:
    case FM_LEFT + 2:
    case FM_LEFT + 3:
        return opl3_read(dev, offset);
    case FM:
    case FM + 1:
        return opl3_read(dev, offset - FM);
    case MIXER_INDEX:
        return sb->mixer_index;
    case MIXER_DATA:
        return sb16_mixer_read(sb);
    case DSP_DATA:
        return sb16_dsp_read(dev);
    case DSP_COMMAND:
        return FLOATING;
    case DSP_STATUS:
        return read_status(dev, SB16_IRQ_8);
    case DSP_STATUS_16:
        return read_status(dev, SB16_IRQ_16);
    default:
        return 0xff;
    }
}

/* A reset takes a 1 and then a 0. */
static void write_reset(struct device *dev, uint8_t value)
{
    struct sb16 *sb = dev->state;

    if (sb->reset && !(value & 1))
        sb16_dsp_reset(dev);
    sb->reset = value & 1;
}

static void sb16_write(struct device *dev, uint32_t offset, unsigned size, uint32_t value)
{
    struct sb16 *sb = dev->state;

    (void)size;
    if (sb->inactive)
        return;
    switch (offset) {
    case FM_LEFT:
    case FM_LEFT + 1:
    case FM_LEFT + 2:
    case FM_LEFT + 3:
        opl3_write(dev, offset, value);
        break;
    case FM:
    case FM + 1:
        opl3_write(dev, offset - FM, value);
        break;
    case MIXER_INDEX:
        sb->mixer_index = value;
        break;
    case MIXER_DATA:
        sb16_mixer_write(dev, value);
        sb16_drive_irq(dev);
        break;
    case DSP_RESET:
        write_reset(dev, value);
        break;
    case DSP_COMMAND:
        sb16_dsp_write(dev, value);
        break;
    default:
        break;
    }
}

static uint32_t fm_read(struct device *dev, uint32_t offset, unsigned size)
{
    const struct sb16 *sb = dev->state;

    (void)size;
    return sb->inactive ? 0xff : opl3_read(dev, offset);
}

static void fm_write(struct device *dev, uint32_t offset, unsigned size, uint32_t value)
{
    const struct sb16 *sb = dev->state;

    (void)size;
    if (!sb->inactive)
        opl3_write(dev, offset, value);
}

static uint32_t midi_read(struct device *dev, uint32_t offset, unsigned size)
{
    const struct sb16 *sb = dev->state;

    return sb->inactive ? 0xff : mpu401_read(dev, offset, size);
}

static void midi_write(struct device *dev, uint32_t offset, unsigned size, uint32_t value)
{
    const struct sb16 *sb = dev->state;

    if (!sb->inactive)
        mpu401_write(dev, offset, size, value);
}

static void sb16_reset(struct device *dev)
{
    struct sb16 *sb = dev->state;

    sb16_mixer_reset(sb);
    sb16_dsp_reset(dev);
    sb->output_count = 0;
    sb->reset = false;
    mpu401_reset(dev);
    opl3_reset(&sb->opl);
    isa_pnp_power_on(&sb->pnp);
    sb->inactive = false;
    sb->asking = 0;
    sb16_drive_irq(dev);
}

/* Jumpers, on older cards; on this one software's, and they stay. */
static void sb16_power_on(struct device *dev)
{
    struct sb16 *sb = dev->state;

    sb->mixer[SB16_IRQ_SELECT] = SB16_IRQ_5;
    sb->mixer[SB16_DMA_SELECT] = SB16_DMA_1_AND_5;
    isa_pnp_power_on(&sb->pnp);
}

const struct device_type sb16_device = {
    .name = "sb16",
    .state_size = sizeof(struct sb16),
    .state_version = 1,
    .ports = {
        { .count = 16, .read = sb16_read, .write = sb16_write },
        { .count = 2, .read = midi_read, .write = midi_write },
        { .count = 4, .read = fm_read, .write = fm_write },
        { .count = 1, .write = sb16_pnp_address },
        { .count = 1, .write = sb16_pnp_write },
    },
    .placed = sb16_pnp_placed,
    .line_count = SB16_LINES,
    .power_on = sb16_power_on,
    .reset = sb16_reset,
    .timer = sb16_timer,
    .sounds = sb16_sounds,
    .sound = sb16_sound,
    .channel_open = sb16_channel_open,
};
