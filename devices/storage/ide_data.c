/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How a command's data moves: in pieces of the channel's buffer to or from the medium, which takes its time,
 * and from there block by block through the data port, or by DMA. ATA/ATAPI-6, 9.5 to 9.10 "Protocols".
 */
#include "ide.h"

#include <string.h>

static void supply(struct device *dev, struct ide_channel *ch);
static void accept(struct device *dev, struct ide_channel *ch);

/* ---- The drive's registers meanwhile --------------------------------------------------------- */

static void be_busy(struct ide_channel *ch, enum ide_phase phase)
{
    struct ata_drive *d = ide_selected(ch);

    ch->command.phase = phase;
    d->status = (d->status & ~(ATA_DRQ | ATA_ERR)) | ATA_BSY;
}

static void interrupt(struct device *dev, struct ide_channel *ch)
{
    ide_selected(ch)->intrq = true;
    ide_drive_interrupt(dev, ch);
}

/* A packet device says with each block how long it is and which way it goes. (9.8) */
static void describe_block(struct ata_drive *d, bool out, uint32_t size)
{
    d->count.now = out ? 0 : 1 << 1; /* interrupt reason: I/O, not C/D */
    d->lba_mid.now = size;
    d->lba_high.now = size >> 8;
}

/* Let the host move the next block. Of data to a disk it asks for the first without an interrupt. */
static void ask_host(struct device *dev, struct ide_channel *ch)
{
    struct ide_command *c = &ch->command;
    struct ata_drive *d = ide_selected(ch);
    bool quiet = c->out && c->first && !c->packet;

    c->block_end = c->end - c->at < c->block ? c->end : c->at + c->block;
    c->phase = c->out ? IDE_PIO_OUT : IDE_PIO_IN;
    c->first = false;
    if (c->packet)
        describe_block(d, c->out, c->block_end - c->at);
    d->status = (d->status & ~ATA_BSY) | ATA_DRDY | ATA_DRQ;
    if (!quiet)
        interrupt(dev, ch);
}

/* ---- The medium ------------------------------------------------------------------------------ */

static void issue(struct device *dev, struct ide_channel *ch)
{
    struct ide_command *c = &ch->command;
    unsigned unit = ide_selected(ch)->unit;

    c->deferred = false;
    ch->in_flight++;
    if (c->asking == DEVICE_TRANSFER_WRITE)
        memcpy(device_transfer_data(dev, unit, c->asked), ch->buffer, c->asked);
    device_transfer(dev, unit, c->asking, c->offset, c->asked, ++ch->tag);
}

/* A guest that gives commands and resets the drive at once has no more done at a time than others. */
static void ask_medium(struct device *dev, struct ide_channel *ch, enum device_transfer what, uint32_t size)
{
    be_busy(ch, what == DEVICE_TRANSFER_FLUSH ? IDE_FLUSHING : IDE_MEDIUM);
    ch->command.asking = what;
    ch->command.asked = size;
    if (ch->in_flight < IDE_IN_FLIGHT_MAX)
        issue(dev, ch);
    else
        ch->command.deferred = true;
}

void ide_abandon(struct ide_channel *ch)
{
    ch->command = (struct ide_command){ .phase = IDE_IDLE };
    ch->tag++;
}

static uint32_t piece(const struct ide_command *c)
{
    return c->left < IDE_BUFFER ? (uint32_t)c->left : IDE_BUFFER;
}

void ide_flush(struct device *dev, struct ide_channel *ch)
{
    ch->command.offset = 0;
    ask_medium(dev, ch, DEVICE_TRANSFER_FLUSH, 0);
}

static void finish(struct device *dev, struct ide_channel *ch)
{
    if (ch->command.packet)
        atapi_moved(dev, ch);
    else if (ch->command.flush)
        ide_flush(dev, ch);
    else
        ata_finish(dev, ch, 0);
}

static void medium_failed(struct device *dev, struct ide_channel *ch)
{
    if (ch->command.packet)
        atapi_medium_error(dev, ch);
    else
        ata_medium_error(dev, ch);
}

/* ---- From the drive -------------------------------------------------------------------------- */

/* What of a piece that could not be read whole is left of whole sectors, or of whole blocks by PIO. */
static uint32_t usable(const struct ide_channel *ch, uint32_t size)
{
    const struct ide_command *c = &ch->command;
    uint32_t unit = c->packet ? CD_SECTOR : c->dma ? ATA_SECTOR : c->block;

    return size / unit * unit;
}

static void read_done(struct device *dev, struct ide_channel *ch, const struct device_transferred *result)
{
    struct ide_command *c = &ch->command;
    uint32_t size = result->failed ? usable(ch, result->done) : c->asked;

    if (size && !c->discard)
        memcpy(ch->buffer, result->data, size);
    c->failed = result->failed;
    c->offset += size;
    c->left -= size;
    c->at = 0;
    c->end = c->discard ? 0 : size;
    supply(dev, ch);
}

/* The buffer's contents to the host, then more of it, then the end. */
static void supply(struct device *dev, struct ide_channel *ch)
{
    struct ide_command *c = &ch->command;

    if (c->at < c->end && c->dma) {
        be_busy(ch, IDE_DMA);
        ide_data_pump(dev, ch);
    } else if (c->at < c->end) {
        ask_host(dev, ch);
    } else if (c->failed) {
        medium_failed(dev, ch);
    } else if (c->left) {
        ask_medium(dev, ch, DEVICE_TRANSFER_READ, piece(c));
    } else {
        finish(dev, ch);
    }
}

/* ---- To the drive ---------------------------------------------------------------------------- */

static void write_done(struct device *dev, struct ide_channel *ch, const struct device_transferred *result)
{
    struct ide_command *c = &ch->command;
    uint32_t size = result->failed ? result->done / ATA_SECTOR * ATA_SECTOR : c->asked;

    c->offset += size;
    c->left -= size;
    c->at = 0;
    c->end = piece(c);
    if (result->failed)
        medium_failed(dev, ch);
    else
        accept(dev, ch);
}

/* The next piece from the host; or the end. */
static void accept(struct device *dev, struct ide_channel *ch)
{
    struct ide_command *c = &ch->command;

    if (c->at == c->end) {
        finish(dev, ch);
    } else if (c->dma) {
        be_busy(ch, IDE_DMA);
        ide_data_pump(dev, ch);
    } else {
        ask_host(dev, ch);
    }
}

static void piece_accepted(struct device *dev, struct ide_channel *ch)
{
    if (ch->command.medium)
        ask_medium(dev, ch, DEVICE_TRANSFER_WRITE, ch->command.end);
    else
        finish(dev, ch);
}

/* ---- Beginning and going on ------------------------------------------------------------------ */

static void begin(struct device *dev, struct ide_channel *ch)
{
    ch->command.first = true;
    if (ch->command.out)
        accept(dev, ch);
    else
        supply(dev, ch);
}

void ide_move_medium(struct device *dev, struct ide_channel *ch, uint64_t offset, uint64_t left)
{
    struct ide_command *c = &ch->command;

    c->medium = true;
    c->offset = offset;
    c->left = left;
    c->at = 0;
    c->end = c->out ? piece(c) : 0;
    begin(dev, ch);
}

void ide_move_buffer(struct device *dev, struct ide_channel *ch, uint32_t size)
{
    struct ide_command *c = &ch->command;

    c->medium = false;
    c->left = 0;
    c->at = 0;
    c->end = size;
    begin(dev, ch);
}

void ide_data_pump(struct device *dev, struct ide_channel *ch)
{
    struct ide_command *c = &ch->command;

    if (c->phase != IDE_DMA)
        return;
    c->at += bus_master_move(dev, ch, ch->buffer + c->at, c->end - c->at, c->out);
    if (c->at < c->end)
        return; /* until software gives the bus master more memory, or resets the drive */
    if (c->out)
        piece_accepted(dev, ch);
    else
        supply(dev, ch);
}

void ide_transferred(struct device *dev, struct ide_channel *ch, const struct device_transferred *result)
{
    struct ide_command *c = &ch->command;

    ch->in_flight--;
    if (c->deferred)
        issue(dev, ch);
    if (result->tag != ch->tag)
        return;
    if (c->phase == IDE_FLUSHING) {
        if (result->failed)
            medium_failed(dev, ch);
        else
            ata_finish(dev, ch, 0);
    } else if (c->phase == IDE_MEDIUM) {
        if (c->out)
            write_done(dev, ch, result);
        else
            read_done(dev, ch, result);
    }
}

/* ---- The data port --------------------------------------------------------------------------- */

static void block_moved(struct device *dev, struct ide_channel *ch)
{
    struct ide_command *c = &ch->command;

    if (!c->out)
        supply(dev, ch);
    else if (c->at == c->end)
        piece_accepted(dev, ch);
    else
        ask_host(dev, ch);
}

/* What an access of `size` bytes takes of the block: the port is 16 bits wide, and a byte has a word with it.
 */
static uint32_t access_size(const struct ide_command *c, unsigned size)
{
    uint32_t n = size < 2 ? 2 : size, left = c->block_end - c->at;

    return n < left ? n : left;
}

uint32_t ide_data_read(struct device *dev, struct ide_channel *ch, unsigned size)
{
    struct ide_command *c = &ch->command;
    uint32_t value = 0, n;

    if (c->phase != IDE_PIO_IN)
        return UINT32_MAX;
    n = access_size(c, size);
    memcpy(&value, ch->buffer + c->at, n);
    c->at += n;
    if (c->at == c->block_end)
        block_moved(dev, ch);
    return value;
}

void ide_data_write(struct device *dev, struct ide_channel *ch, unsigned size, uint32_t value)
{
    struct ide_command *c = &ch->command;
    uint32_t n;

    if (c->phase != IDE_PIO_OUT)
        return;
    n = access_size(c, size);
    memcpy(ch->buffer + c->at, &value, n);
    c->at += n;
    if (c->at == c->block_end)
        block_moved(dev, ch);
}
