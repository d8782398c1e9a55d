/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The card's FM chip as far as software finds it by: its timers and its status. There is no synthesis: what
 * it is told to play is not heard. Timers are computed from machine time. Yamaha YMF262 data sheet, "Status
 * Register", "Timer".
 */
#include "sb16.h"

enum {
    TIMER1 = 0x02,
    TIMER2 = 0x03,
    CONTROL = 0x04,

    CONTROL_RESET = 0x80,
    CONTROL_MASK1 = 0x40,
    CONTROL_MASK2 = 0x20,
    CONTROL_START1 = 0x01,
    CONTROL_START2 = 0x02,

    STATUS_IRQ = 0x80, /* one of them, not masked; the line leads nowhere */
    STATUS_TIMER1 = 0x40,
    STATUS_TIMER2 = 0x20,

    TIMER1_NS = 80000, /* about: 4 * 72 periods of 3.579545 MHz are 80.46 us; the second is four times that */
    TIMER2_NS = 320000,
};

static bool overflowed(struct device *dev, unsigned n)
{
    const struct sb16 *sb = dev->state;
    const struct opl3 *opl = &sb->opl;
    uint64_t step = n ? TIMER2_NS : TIMER1_NS;
    unsigned start = n ? CONTROL_START2 : CONTROL_START1, mask = n ? CONTROL_MASK2 : CONTROL_MASK1;

    return (opl->control & start) && !(opl->control & mask) &&
           device_now(dev) - opl->started[n] >= (256u - opl->preset[n]) * step;
}

uint8_t opl3_read(struct device *dev, uint32_t offset)
{
    uint8_t status = 0;

    if (offset & 1)
        return 0xff;
    if (overflowed(dev, 0))
        status |= STATUS_TIMER1 | STATUS_IRQ;
    if (overflowed(dev, 1))
        status |= STATUS_TIMER2 | STATUS_IRQ;
    return status;
}

/* RST clears the flags and changes nothing else. A timer that is started counts from its preset. */
static void write_control(struct device *dev, struct opl3 *opl, uint8_t value)
{
    uint64_t now = device_now(dev);

    for (unsigned n = 0; n < 2; n++) {
        bool starts = value & 1u << n && !(opl->control & 1u << n);

        if (value & CONTROL_RESET || starts)
            opl->started[n] = now;
    }
    if (!(value & CONTROL_RESET))
        opl->control = value;
}

void opl3_write(struct device *dev, uint32_t offset, uint8_t value)
{
    struct sb16 *sb = dev->state;
    struct opl3 *opl = &sb->opl;
    unsigned bank = offset / 2 & 1;

    if (!(offset & 1)) {
        opl->index[bank] = value;
        return;
    }
    if (bank)
        return;
    switch (opl->index[0]) {
    case TIMER1:
    case TIMER2:
        opl->preset[opl->index[0] - TIMER1] = value;
        break;
    case CONTROL:
        write_control(dev, opl, value);
        break;
    default:
        break;
    }
}

void opl3_reset(struct opl3 *opl)
{
    *opl = (struct opl3){ 0 };
}
