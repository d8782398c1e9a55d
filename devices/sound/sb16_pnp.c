/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The card as later ones were: with Plug and Play, but active from power-on on at the places that all
 * programs try. Its places cannot be changed; interrupt and DMA channels are the mixer's registers 80h and
 * 81h. The names are those by which drivers know such cards. Plug and Play ISA Specification 1.0a, "Plug and
 * Play Resources".
 */
#include "sb16.h"

#include <stddef.h>

enum {
    ACTIVATE = 0x30,
    BASE = 0x60, /* two bytes each, the high one first */
    IRQ = 0x70,
    IRQ_TYPE = 0x71,
    DMA_8 = 0x74,
    DMA_16 = 0x75,

    IRQ_EDGE_HIGH = 0x02,
    DMA_NONE = 4,
    DMA_8_BITS = 0x0b, /* of mixer register 81h */
    DMA_16_BITS = 0xe0,
};

static const uint16_t bases[] = { 0x220, 0x330, 0x388 };
/* By bit of mixer register 80h; request 2 is 9 on an AT. */
static const uint8_t irqs[] = { 9, 5, 7, 10 };

static const uint8_t resources[] = {
    0x0e, 0x8c, 0x00, 0x24, 0x01, 0x00, 0x00, 0x00, 0x4a, /* CTL0024, serial number 1, checksum */
    0x0a, 0x10, 0x10,                                     /* version 1.0 */
    0x82, 16,   0,    'S',  'o',  'u',  'n',  'd',  ' ',  'B',  'l',  'a',  's',
    't',  'e',  'r',  ' ',  '1',  '6',  0x15, 0x0e, 0x8c, 0x00, 0x31, 0x01, /* logical device CTL0031, active
                                                                               at power-on */
    0x22, 0xa0, 0x06,                                                       /* IRQ 5, 7, 9, 10, edge, high */
    0x2a, 0x0b, 0x08,                               /* DMA 0, 1, 3: 8 bits, counts bytes */
    0x2a, 0xe0, 0x12,                               /* DMA 5, 6, 7: 16 bits, counts words */
    0x47, 0x01, 0x20, 0x02, 0x20, 0x02, 0x01, 0x10, /* ports: decodes 16 bits; from, to, alignment, count */
    0x47, 0x01, 0x30, 0x03, 0x30, 0x03, 0x01, 0x02, 0x47, 0x01, 0x88, 0x03, 0x88,
    0x03, 0x01, 0x04, 0x79, 0x9b, /* the end; the sum of all from the version on is 0 */
};

/* ---- The logical device's registers ---- */

static uint8_t read_irq(const struct sb16 *sb)
{
    int line = sb16_irq_line(sb);

    return line < 0 ? 0 : irqs[line];
}

static uint8_t read_channel(const struct sb16 *sb, bool wide)
{
    int channel = sb16_lowest(sb->mixer[SB16_DMA_SELECT] & (wide ? DMA_16_BITS : DMA_8_BITS));

    return channel < 0 ? DMA_NONE : (uint8_t)channel;
}

static uint8_t pnp_read(const struct device *dev, uint8_t index)
{
    const struct sb16 *sb = dev->state;

    if (index >= BASE && index < BASE + sizeof(bases))
        return (uint8_t)(bases[(index - BASE) / 2] >> (index & 1 ? 0 : 8));
    switch (index) {
    case ACTIVATE:
        return !sb->inactive;
    case IRQ:
        return read_irq(sb);
    case IRQ_TYPE:
        return IRQ_EDGE_HIGH;
    case DMA_8:
        return read_channel(sb, false);
    case DMA_16:
        return read_channel(sb, true);
    default:
        return index >= DMA_8 && index < DMA_8 + 2 ? DMA_NONE : 0;
    }
}

static void set_irq(struct device *dev, uint8_t irq)
{
    uint8_t bits = 0;

    for (unsigned i = 0; i < sizeof(irqs); i++)
        bits |= (uint8_t)((irqs[i] == irq) << i);
    sb16_select(dev, SB16_IRQ_SELECT, bits);
}

/* A channel that the card has not got for samples of that width is none. */
static void set_channel(struct device *dev, uint8_t channel, uint8_t mine)
{
    const struct sb16 *sb = dev->state;
    uint8_t others = sb->mixer[SB16_DMA_SELECT] & (uint8_t)~mine;

    sb16_select(dev, SB16_DMA_SELECT, others | (channel < 8 ? 1u << channel & mine : 0));
}

static void pnp_write(struct device *dev, uint8_t index, uint8_t value)
{
    struct sb16 *sb = dev->state;

    if (index == ACTIVATE)
        sb->inactive = !(value & 1);
    else if (index == IRQ)
        set_irq(dev, value & 0x0f);
    else if (index == DMA_8)
        set_channel(dev, value & 7, DMA_8_BITS);
    else if (index == DMA_16)
        set_channel(dev, value & 7, DMA_16_BITS);
}

static void pnp_reset(struct device *dev)
{
    struct sb16 *sb = dev->state;

    sb->inactive = false;
    sb16_select(dev, SB16_IRQ_SELECT, SB16_IRQ_5);
    sb16_select(dev, SB16_DMA_SELECT, SB16_DMA_1_AND_5);
}

static const struct isa_pnp_card card = { .resources = resources,
                                          .size = sizeof(resources),
                                          .read = pnp_read,
                                          .write = pnp_write,
                                          .reset = pnp_reset };

/* ---- The three ports ---- */

void sb16_pnp_address(struct device *dev, uint32_t offset, unsigned size, uint32_t value)
{
    struct sb16 *sb = dev->state;

    (void)offset, (void)size;
    isa_pnp_write_address(&sb->pnp, (uint8_t)value);
}

void sb16_pnp_write(struct device *dev, uint32_t offset, unsigned size, uint32_t value)
{
    struct sb16 *sb = dev->state;

    (void)offset, (void)size;
    if (!isa_pnp_write_data(dev, &sb->pnp, &card, (uint8_t)value))
        return;
    device_set_line(dev, SB16_LINE_PLACED, true);
    device_set_line(dev, SB16_LINE_PLACED, false);
}

static uint32_t read_data(struct device *dev, uint32_t offset, unsigned size)
{
    struct sb16 *sb = dev->state;

    (void)offset, (void)size;
    return isa_pnp_read_data(dev, &sb->pnp, &card);
}

const struct device_ports *sb16_pnp_placed(const struct device *dev, uint32_t *base)
{
    static const struct device_ports ports = { .count = 1, .read = read_data };
    const struct sb16 *sb = dev->state;

    *base = sb->pnp.read_port;
    return *base ? &ports : NULL;
}
