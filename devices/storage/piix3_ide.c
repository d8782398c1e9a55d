/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * IDE function of the PIIX3, function 1 of the 82371SB: two channels at the AT's ports, with two drives each,
 * and their bus masters. What selects timings keeps what is written and does nothing. Intel 82371SB (PIIX3)
 * datasheet, "IDE Controller Registers".
 */
#include "ide.h"

enum {
    COMMAND = 0x04,
    COMMAND_IO = 1 << 0,
    IDETIM_HIGH = 0x41, /* of the primary channel; the secondary one's is two further */
    IDETIM_DECODE = 1 << 7,

    MASTER_STATUS_INTERRUPT = 1 << 2,
};

struct piix3_ide {
    uint8_t lines; /* bit n: channel n asserts its interrupt request */
    struct ide_channel channel[IDE_CHANNELS];
};

/* ---- Interrupts ------------------------------------------------------------------------------ */

void ide_drive_interrupt(struct device *dev, struct ide_channel *ch)
{
    struct piix3_ide *p = dev->state;
    bool level = ide_selected(ch)->intrq && !(ch->control & ATA_CONTROL_NIEN);
    bool was = p->lines >> ch->number & 1;

    if (level == was)
        return;
    p->lines ^= 1u << ch->number;
    if (level)
        ch->master.status |= MASTER_STATUS_INTERRUPT;
    device_set_line(dev, PIIX3_IDE_LINE_IRQ0 + ch->number, level);
}

/* ---- The AT's ports -------------------------------------------------------------------------- */

static bool decodes(const struct device *dev, unsigned channel)
{
    return dev->config[COMMAND] & COMMAND_IO && dev->config[IDETIM_HIGH + channel * 2] & IDETIM_DECODE;
}

static struct ide_channel *channel(struct device *dev, unsigned number)
{
    struct piix3_ide *p = dev->state;

    return &p->channel[number];
}

static uint32_t read_command(struct device *dev, unsigned number, uint32_t offset, unsigned size)
{
    return decodes(dev, number) ? ide_read(dev, channel(dev, number), offset, size) : UINT32_MAX;
}

static void write_command(struct device *dev, unsigned number, uint32_t offset, unsigned size, uint32_t value)
{
    if (decodes(dev, number))
        ide_write(dev, channel(dev, number), offset, size, value);
}

static uint32_t read_control(struct device *dev, unsigned number)
{
    return decodes(dev, number) ? ide_read_alternate(channel(dev, number)) : UINT32_MAX;
}

static void write_control(struct device *dev, unsigned number, uint32_t value)
{
    if (decodes(dev, number))
        ide_write_control(dev, channel(dev, number), value);
}

static uint32_t read_command0(struct device *dev, uint32_t offset, unsigned size)
{
    return read_command(dev, 0, offset, size);
}

static void write_command0(struct device *dev, uint32_t offset, unsigned size, uint32_t value)
{
    write_command(dev, 0, offset, size, value);
}

static uint32_t read_command1(struct device *dev, uint32_t offset, unsigned size)
{
    return read_command(dev, 1, offset, size);
}

static void write_command1(struct device *dev, uint32_t offset, unsigned size, uint32_t value)
{
    write_command(dev, 1, offset, size, value);
}

static uint32_t read_control0(struct device *dev, uint32_t offset, unsigned size)
{
    (void)offset, (void)size;
    return read_control(dev, 0);
}

static void write_control0(struct device *dev, uint32_t offset, unsigned size, uint32_t value)
{
    (void)offset, (void)size;
    write_control(dev, 0, value);
}

static uint32_t read_control1(struct device *dev, uint32_t offset, unsigned size)
{
    (void)offset, (void)size;
    return read_control(dev, 1);
}

static void write_control1(struct device *dev, uint32_t offset, unsigned size, uint32_t value)
{
    (void)offset, (void)size;
    write_control(dev, 1, value);
}

/* ---- Bus masters: eight ports each ----------------------------------------------------------- */

static uint32_t master_read(struct device *dev, uint32_t offset, unsigned size)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < size; i++)
        value |= (uint32_t)bus_master_read(channel(dev, (offset + i) >> 3 & 1), (offset + i) & 7) << i * 8;
    return value;
}

static void master_write(struct device *dev, uint32_t offset, unsigned size, uint32_t value)
{
    for (unsigned i = 0; i < size; i++)
        bus_master_write(dev, channel(dev, (offset + i) >> 3 & 1), (offset + i) & 7, value >> i * 8);
}

/* ---- The board's news ------------------------------------------------------------------------ */

static void piix3_ide_reset(struct device *dev)
{
    for (unsigned i = 0; i < IDE_CHANNELS; i++) {
        channel(dev, i)->number = i;
        ide_reset(dev, channel(dev, i));
    }
}

static void piix3_ide_transferred(struct device *dev, unsigned unit, const struct device_transferred *result)
{
    if (unit < PIIX3_IDE_UNITS)
        ide_transferred(dev, channel(dev, unit / 2), result);
}

/* Disks do not come and go while the machine is on; a CD's drive notices. */
static void piix3_ide_medium_changed(struct device *dev, unsigned unit)
{
    struct ide_channel *ch = channel(dev, unit / 2 % IDE_CHANNELS);
    struct ata_drive *d = &ch->drive[unit & 1];

    if (unit >= PIIX3_IDE_UNITS || d->kind != DEVICE_DRIVE_CDROM)
        return;
    ata_look(dev, d);
    atapi_medium_changed(dev, ch, d);
}

/* Does the guest ask that the medium stays where it is? */
static bool piix3_ide_holds_medium(const struct device *dev, unsigned unit)
{
    const struct piix3_ide *p = dev->state;

    return unit < PIIX3_IDE_UNITS && p->channel[unit / 2].drive[unit & 1].locked;
}

/* ---- Registers ------------------------------------------------------------------------------- */

/* clang-format off */
static const struct device_register registers[] = {
    { 0x00, 4, 0x70108086, 0, 0 },         /* VID, DID */
    { 0x04, 2, 0x0000, 0x0005, 0 },        /* PCICMD: I/O, bus master */
    { 0x06, 2, 0x0280, 0, 0x3800 },        /* PCISTS: medium DEVSEL#, fast back-to-back */
    { 0x08, 4, 0x01018000, 0, 0 },         /* RID, CLASSC: IDE, both channels at the AT's ports, bus master */
    { 0x0d, 1, 0x00, 0xf0, 0 },            /* MLT */
    { 0x40, 4, 0x00000000, 0xf3fff3ff, 0 }, /* IDETIM of both channels */
    { 0x44, 1, 0x00, 0xff, 0 },            /* SIDETIM */
    { 0 },
};

static const struct device_pci pci = {
    .registers = registers,
    .bar = { [4] = { .ports = { .count = 16, .width = 4, .read = master_read, .write = master_write } } },
};

const struct device_type piix3_ide_device = {
    .name = "piix3_ide",
    .state_size = sizeof(struct piix3_ide),
    .ports = { { .count = 8, .width = 4, .read = read_command0, .write = write_command0 },
               { .count = 1, .read = read_control0, .write = write_control0 },
               { .count = 8, .width = 4, .read = read_command1, .write = write_command1 },
               { .count = 1, .read = read_control1, .write = write_control1 } },
    .pci = &pci,
    .line_count = IDE_CHANNELS,
    .reset = piix3_ide_reset,
    .transferred = piix3_ide_transferred,
    .medium_changed = piix3_ide_medium_changed,
    .holds_medium = piix3_ide_holds_medium,
};
/* clang-format on */
