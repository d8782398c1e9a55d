/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ISA bridge of the PIIX3, function 0 of the 82371SB: it leads the four PCI interrupt lines to the interrupt
 * requests software chooses. The chip's reset control and edge/level registers are chips of their own here
 * (reset_control.c, i8259.c); what selects timings, decoders and power saving keeps what is written and does
 * nothing. Intel 82371SB (PIIX3) datasheet, "PCI to ISA Bridge Configuration Registers".
 */
#include "devices/chips.h"

enum {
    PIRQRC = 0x60, /* PIRQRCA..PIRQRCD */
    PIRQRC_DISABLED = 1 << 7,
    PIRQRC_IRQ = 0x0f,
    ROUTABLE = 0xdef8, /* not 0, 1, 2, 8 and 13: reserved */
};

struct piix3 {
    uint8_t pirqs; /* levels of the four pins */
};

static const struct device_event event_route = { "piix3_pirq_route", { "pirq", "value" } };

/* Which interrupt request the pin is led to; 16: none. */
static unsigned route(const struct device *dev, unsigned pirq)
{
    unsigned value = dev->config[PIRQRC + pirq], irq = value & PIRQRC_IRQ;

    return value & PIRQRC_DISABLED || !(ROUTABLE >> irq & 1) ? 16 : irq;
}

static void drive(struct device *dev)
{
    const struct piix3 *p = dev->state;
    uint32_t levels = 0;

    for (unsigned pirq = 0; pirq < PIIX3_PIRQS; pirq++) {
        if (p->pirqs >> pirq & 1)
            levels |= 1u << route(dev, pirq);
    }
    for (unsigned irq = 0; irq < 16; irq++)
        device_set_line(dev, irq, levels >> irq & 1);
}

static void piix3_input(struct device *dev, unsigned pin, bool level)
{
    struct piix3 *p = dev->state;

    if (pin >= PIIX3_PIRQS)
        return;
    p->pirqs = (p->pirqs & ~(1u << pin)) | (unsigned)level << pin;
    drive(dev);
}

static uint8_t piix3_change(struct device *dev, unsigned offset, uint8_t value)
{
    if (offset >= PIRQRC && offset < PIRQRC + PIIX3_PIRQS && value != dev->config[offset])
        device_trace(dev, &event_route, offset - PIRQRC, value, 0);
    return value;
}

/* clang-format off */
static const struct device_register registers[] = {
    { 0x00, 4, 0x70008086, 0, 0 },         /* VID, DID */
    { 0x04, 2, 0x0007, 0x0008, 0 },        /* PCICMD: special cycles; the rest cannot be switched off */
    { 0x06, 2, 0x0200, 0, 0x3800 },        /* PCISTS: medium DEVSEL# */
    { 0x08, 4, 0x06010000, 0, 0 },         /* RID, CLASSC: ISA bridge */
    { 0x0e, 1, 0x80, 0, 0 },               /* HEDT: one of several functions */
    { 0x4c, 1, 0x4d, 0xff, 0 },            /* IORT */
    { 0x4e, 2, 0x0003, 0x01ff, 0 },        /* XBCS */
    { 0x60, 4, 0x80808080, 0x8f8f8f8f, 0 }, /* PIRQRCA to PIRQRCD */
    { 0x69, 1, 0x02, 0xfe, 0 },            /* TOM */
    { 0x6a, 2, 0x0000, 0x8002, 0x4000 },   /* MSTAT */
    { 0x70, 1, 0x80, 0xef, 0 },            /* MBIRQ0 */
    { 0x76, 2, 0x0404, 0x8f8f, 0 },        /* MBDMA0, MBDMA1 */
    { 0x78, 2, 0x0002, 0xffff, 0 },        /* PCSC */
    { 0x80, 1, 0x00, 0x7f, 0 },            /* APICBASE */
    { 0x82, 1, 0x00, 0x0f, 0 },            /* DLC */
    { 0xa0, 1, 0x08, 0x1f, 0 },            /* SMICNTL */
    { 0xa2, 2, 0x0000, 0x01ff, 0 },        /* SMIEN */
    { 0xa4, 4, 0x00000000, 0xe003fffb, 0 }, /* SEE */
    { 0xa8, 1, 0x0f, 0xff, 0 },            /* FTMR */
    { 0xac, 1, 0x00, 0xff, 0 },            /* CTLTMR */
    { 0xae, 1, 0x00, 0xff, 0 },            /* CTHTMR */
    { 0 },
};
/* clang-format on */

static const struct device_pci piix3_pci = {
    .registers = registers,
    .change = piix3_change,
    .changed = drive,
};

const struct device_type piix3_device = {
    .name = "piix3",
    .state_size = sizeof(struct piix3),
    .pci = &piix3_pci,
    .line_count = 16,
    .reset = drive,
    .input = piix3_input,
};
