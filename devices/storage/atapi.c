/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The packet protocol: twelve bytes are a command, its data follows in blocks of the size that the host has
 * named, and then its status; what is wrong is told by REQUEST SENSE. ATA/ATAPI-6, 9.8 and 9.9 "PACKET
 * command protocol"; SCSI Primary Commands - 3, 4.5 "Sense data".
 */
#include "atapi.h"

enum {
    REASON_COMMAND = 1 << 0, /* C/D */
    REASON_TO_HOST = 1 << 1, /* I/O */
    FEATURE_DMA = 1 << 0,
};

static const struct device_event event_packet = { "atapi_packet", { "unit", "command", "lba", "size" } };
static const struct device_event event_sense = { "atapi_sense", { "unit", "key", "asc" } };

/* ---- Beginning ------------------------------------------------------------------------------- */

/* By DMA too the twelve bytes come through the data port. */
void atapi_begin(struct device *dev, struct ide_channel *ch)
{
    struct ide_command *c = &ch->command;
    struct ata_drive *d = ide_selected(ch);

    (void)dev;
    c->packet = c->out = true;
    c->phase = IDE_PIO_OUT;
    c->end = c->block_end = PACKET_SIZE;
    d->count.now = REASON_COMMAND;
    d->status = ATA_DRDY | ATA_DRQ;
}

/* The host's limit to blocks by PIO; they are even but for the last. */
static uint32_t byte_count_limit(const struct ata_drive *d)
{
    uint32_t limit = d->lba_mid.now | (uint32_t)d->lba_high.now << 8;

    return limit < 2 ? 0xfffe : limit & ~1u;
}

static void take_packet(struct device *dev, struct ide_channel *ch)
{
    struct ide_command *c = &ch->command;
    struct ata_drive *d = ide_selected(ch);
    const uint64_t args[DEVICE_EVENT_ARGS] = { d->unit, ch->buffer[0], get_be32(ch->buffer + 2),
                                               get_be16(ch->buffer + 7) };

    for (unsigned i = 0; i < PACKET_SIZE; i++)
        c->cdb[i] = ch->buffer[i];
    dev->ops->trace(dev->board, dev, &event_packet, args);
    c->taken = true;
    c->out = false;
    c->dma = d->features.now & FEATURE_DMA;
    c->block = byte_count_limit(d);
    c->at = c->end = 0;
    d->standby = false;
    atapi_execute(dev, ch);
}

/* ---- Ending ---------------------------------------------------------------------------------- */

void atapi_succeed(struct device *dev, struct ide_channel *ch)
{
    struct ata_drive *d = ide_selected(ch);

    if (ch->command.cdb[0] != MMC_REQUEST_SENSE)
        d->sense = (struct ata_sense){ 0 };
    d->count.now = REASON_COMMAND | REASON_TO_HOST;
    ata_finish(dev, ch, 0);
}

void atapi_fail(struct device *dev, struct ide_channel *ch, struct ata_sense sense)
{
    struct ata_drive *d = ide_selected(ch);

    device_trace(dev, &event_sense, d->unit, sense.key, sense.asc);
    d->sense = sense;
    d->count.now = REASON_COMMAND | REASON_TO_HOST;
    ata_finish(dev, ch, sense.key << 4 | ATA_ABRT);
}

void atapi_reply(struct device *dev, struct ide_channel *ch, uint32_t size, uint32_t allocated)
{
    size = size < allocated ? size : allocated;
    if (size)
        ide_move_buffer(dev, ch, size);
    else
        atapi_succeed(dev, ch);
}

void atapi_moved(struct device *dev, struct ide_channel *ch)
{
    if (!ch->command.taken)
        take_packet(dev, ch);
    else
        atapi_succeed(dev, ch);
}

void atapi_medium_error(struct device *dev, struct ide_channel *ch)
{
    atapi_fail(dev, ch, SENSE(MEDIUM_ERROR, 0x11, 0)); /* unrecovered read error */
}

/* ---- Media ----------------------------------------------------------------------------------- */

/* What is under way is about a medium that is gone. */
static void give_up(struct device *dev, struct ide_channel *ch)
{
    ide_abandon(ch);
    ch->command.packet = true;
    atapi_fail(dev, ch, SENSE(NOT_READY, 0x3a, 0));
}

void atapi_medium_changed(struct device *dev, struct ide_channel *ch, struct ata_drive *d)
{
    const struct ide_command *c = &ch->command;

    if (d == ide_selected(ch) && c->phase != IDE_IDLE && c->medium)
        give_up(dev, ch);
    d->tray_open = false;
    if (d->present) {
        d->attention = SENSE(UNIT_ATTENTION, 0x28, 0); /* medium may have changed */
        d->media_event = MEDIA_EVENT_NEW;
    } else {
        d->attention = SENSE(0, 0, 0);
        d->locked = false;
        d->media_event = MEDIA_EVENT_REMOVED;
    }
}
