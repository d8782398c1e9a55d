/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The command and control blocks of an IDE channel. Both drives take what is written; the selected one
 * answers reads. ATA/ATAPI-6, 7 "Interface register definitions", 9.1 to 9.4, 9.16.
 */
#include "ide.h"

enum {
    DATA = 0,
    ERROR_FEATURES = 1,
    COUNT = 2,
    LBA_LOW = 3,
    LBA_MID = 4,
    LBA_HIGH = 5,
    DEVICE = 6,
    STATUS_COMMAND = 7,

    DEVICE_OBSOLETE = 0xa0, /* bits 7 and 5 read as written, and PC software writes ones */
    NOBODY = 0x7f,          /* the host pulls the lines up, but for DD7 */
};

static const struct device_event event_reset = { "ide_reset", { "channel" } };

static bool is_there(const struct ata_drive *d)
{
    return d->kind != DEVICE_DRIVE_NONE;
}

/* ---- Reads ----------------------------------------------------------------------------------- */

static uint8_t shown(const struct ide_channel *ch, const struct ata_register *r)
{
    return ch->control & ATA_CONTROL_HOB ? r->before : r->now;
}

/* Of two drives the first answers for the second where that is missing, with a status of 0. (9.16) */
static uint8_t status(const struct ide_channel *ch)
{
    const struct ata_drive *d = &ch->drive[ch->selected];

    if (is_there(d))
        return ch->control & ATA_CONTROL_SRST ? ATA_BSY : d->status;
    return ch->selected == 1 && is_there(&ch->drive[0]) ? 0 : NOBODY;
}

static uint8_t read_register(struct device *dev, struct ide_channel *ch, uint32_t offset)
{
    const struct ata_drive *d = ide_selected(ch);

    if (!is_there(d))
        d = &ch->drive[0];
    if (!is_there(d))
        return NOBODY;
    switch (offset) {
    case ERROR_FEATURES:
        return d->error;
    case COUNT:
        return shown(ch, &d->count);
    case LBA_LOW:
        return shown(ch, &d->lba_low);
    case LBA_MID:
        return shown(ch, &d->lba_mid);
    case LBA_HIGH:
        return shown(ch, &d->lba_high);
    case DEVICE:
        return d->device | DEVICE_OBSOLETE;
    default:
        ide_selected(ch)->intrq = false;
        ide_drive_interrupt(dev, ch);
        return status(ch);
    }
}

uint32_t ide_read(struct device *dev, struct ide_channel *ch, uint32_t offset, unsigned size)
{
    uint32_t value = 0;

    if (offset == DATA)
        return ide_data_read(dev, ch, size);
    for (unsigned i = 0; i < size; i++)
        value |= (uint32_t)(offset + i < 8 ? read_register(dev, ch, offset + i) : 0xff) << i * 8;
    return value;
}

uint8_t ide_read_alternate(struct ide_channel *ch)
{
    return status(ch);
}

/* ---- Writes ---------------------------------------------------------------------------------- */

static void write_pair(struct ata_register *r, uint8_t value)
{
    r->before = r->now;
    r->now = value;
}

/* A drive that is busy or moves data takes nothing but a reset. */
static void write_drive(struct ata_drive *d, uint32_t offset, uint8_t value)
{
    if (d->status & (ATA_BSY | ATA_DRQ))
        return;
    switch (offset) {
    case ERROR_FEATURES:
        write_pair(&d->features, value);
        break;
    case COUNT:
        write_pair(&d->count, value);
        break;
    case LBA_LOW:
        write_pair(&d->lba_low, value);
        break;
    case LBA_MID:
        write_pair(&d->lba_mid, value);
        break;
    case LBA_HIGH:
        write_pair(&d->lba_high, value);
        break;
    case DEVICE:
        d->device = value;
        break;
    default:
        break;
    }
}

static void write_register(struct device *dev, struct ide_channel *ch, uint32_t offset, uint8_t value)
{
    ch->control &= ~ATA_CONTROL_HOB;
    if (offset == STATUS_COMMAND) {
        ata_execute(dev, ch, value);
        return;
    }
    write_drive(&ch->drive[0], offset, value);
    write_drive(&ch->drive[1], offset, value);
    if (offset == DEVICE && !((ch->drive[0].status | ch->drive[1].status) & (ATA_BSY | ATA_DRQ))) {
        ch->selected = value & ATA_DEVICE_1 ? 1 : 0;
        ide_drive_interrupt(dev, ch);
    }
}

void ide_write(struct device *dev, struct ide_channel *ch, uint32_t offset, unsigned size, uint32_t value)
{
    if (offset == DATA) {
        ide_data_write(dev, ch, size, value);
        return;
    }
    for (unsigned i = 0; i < size && offset + i < 8; i++)
        write_register(dev, ch, offset + i, value >> i * 8);
}

/* ---- Resets ---------------------------------------------------------------------------------- */

void ide_put_signature(struct ata_drive *d)
{
    bool packet = d->kind == DEVICE_DRIVE_CDROM;

    d->count = d->lba_low = (struct ata_register){ 1, 0 };
    d->lba_mid = (struct ata_register){ packet ? 0x14 : 0, 0 };
    d->lba_high = (struct ata_register){ packet ? 0xeb : 0, 0 };
    d->features = (struct ata_register){ 0, 0 };
    d->device &= ATA_DEVICE_1;
}

static void reset_drive(struct ata_drive *d)
{
    ide_put_signature(d);
    d->device = 0;
    d->error = ATA_DIAGNOSED;
    d->status = d->kind == DEVICE_DRIVE_DISK ? ATA_DRDY | ATA_DSC : 0;
    d->intrq = d->asleep = d->standby = false;
}

/* Whatever is under way is given up; what the board still does is done for nobody. */
static void reset_channel(struct device *dev, struct ide_channel *ch)
{
    device_trace(dev, &event_reset, ch->number, 0, 0);
    ide_abandon(ch);
    ch->selected = 0;
    reset_drive(&ch->drive[0]);
    reset_drive(&ch->drive[1]);
    ide_drive_interrupt(dev, ch);
}

void ide_write_control(struct device *dev, struct ide_channel *ch, uint8_t value)
{
    bool reset = value & ~ch->control & ATA_CONTROL_SRST;

    ch->control = value & (ATA_CONTROL_HOB | ATA_CONTROL_SRST | ATA_CONTROL_NIEN);
    if (reset)
        reset_channel(dev, ch);
    ide_drive_interrupt(dev, ch);
}

/* The settings are those of power-on again. */
static void forget_settings(struct device *dev, struct ata_drive *d)
{
    d->multiple = ATA_MULTIPLE_MAX; /* Linux uses what it finds, and sets nothing */
    d->transfer_mode = 0;
    d->no_write_cache = d->no_look_ahead = false;
    d->tray_open = d->locked = false;
    d->media_event = 0;
    d->sense = d->attention = (struct ata_sense){ 0 };
    ata_look(dev, d);
}

void ide_reset(struct device *dev, struct ide_channel *ch)
{
    for (unsigned i = 0; i < 2; i++) {
        ch->drive[i].unit = ch->number * 2 + i;
        forget_settings(dev, &ch->drive[i]);
    }
    ch->master = (struct ide_bus_master){ 0 };
    ch->control = 0;
    reset_channel(dev, ch);
}
