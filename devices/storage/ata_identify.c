/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the drives are: how they see what is connected, and the words they say of themselves. ATA/ATAPI-6,
 * 8.15 "IDENTIFY DEVICE" and 8.16 "IDENTIFY PACKET DEVICE".
 */
#include "ide.h"

#include <string.h>

enum {
    HEADS = 16,
    TRACK = 63,
    CYLINDERS_MAX = 16383,
    LBA28_MAX = 0x0fffffff,
    WORDS = 256,
};

/* ---- What is connected ----------------------------------------------------------------------- */

static void set_default_geometry(struct ata_drive *d)
{
    uint64_t cylinders = d->sectors / (HEADS * TRACK);

    d->default_cylinders = cylinders < CYLINDERS_MAX ? cylinders : CYLINDERS_MAX;
    if (!d->default_cylinders)
        d->default_cylinders = 1;
    d->default_heads = HEADS;
    d->default_track = TRACK;
    d->cylinders = d->default_cylinders;
    d->heads = d->default_heads;
    d->track = d->default_track;
}

void ata_look(struct device *dev, struct ata_drive *d)
{
    struct device_medium medium;
    bool is_cd;

    device_medium(dev, d->unit, &medium);
    is_cd = medium.drive == DEVICE_DRIVE_CDROM;
    d->sectors = medium.present ? medium.size / (is_cd ? CD_SECTOR : ATA_SECTOR) : 0;
    d->present = medium.present && d->sectors;
    d->read_only = medium.read_only;
    /* A disk is drive and medium in one: without one there is not the other. */
    d->kind = is_cd || (medium.drive == DEVICE_DRIVE_DISK && d->present) ? medium.drive : DEVICE_DRIVE_NONE;
    if (d->kind == DEVICE_DRIVE_DISK)
        set_default_geometry(d);
}

/* ---- Words ----------------------------------------------------------------------------------- */

static void put(uint8_t *data, unsigned word, uint16_t value)
{
    data[word * 2] = value;
    data[word * 2 + 1] = value >> 8;
}

static void put2(uint8_t *data, unsigned word, uint32_t value)
{
    put(data, word, value);
    put(data, word + 1, value >> 16);
}

/* Characters come in pairs, the first one in the high byte; blanks fill the field. */
static void put_text(uint8_t *data, unsigned word, unsigned words, const char *text)
{
    size_t length = strlen(text);

    for (unsigned i = 0; i < words * 2; i++)
        data[word * 2 + (i ^ 1)] = i < length ? text[i] : ' ';
}

static void put_names(const struct ata_drive *d, uint8_t *data, const char *model)
{
    char serial[] = "D8600001";

    serial[sizeof(serial) - 2] += d->unit;
    put_text(data, 10, 10, serial);
    put_text(data, 23, 4, "1.0");
    put_text(data, 27, 20, model);
}

/* Multiword DMA 0 to 2, PIO 3 and 4 with flow control, Ultra DMA 0 to 5, and which is set. */
static void put_transfer_modes(const struct ata_drive *d, uint8_t *data)
{
    unsigned kind = d->transfer_mode >> 3, n = d->transfer_mode & 7;

    put(data, 51, 0x0200);
    put(data, 53, 0x0007); /* words 54-58, 64-70 and 88 are valid */
    put(data, 63, 0x0007 | (kind == 4 ? 0x100u << n : 0));
    put(data, 64, 0x0003);
    for (unsigned word = 65; word <= 68; word++)
        put(data, word, 120); /* ns of a cycle */
    put(data, 88, 0x003f | (kind == 8 ? 0x100u << n : 0));
}

static void put_checksum(uint8_t *data)
{
    uint8_t sum = 0xa5;

    data[510] = 0xa5;
    for (unsigned i = 0; i < 510; i++)
        sum += data[i];
    data[511] = -sum;
}

static void put_geometry(const struct ata_drive *d, uint8_t *data)
{
    uint32_t reached = (uint32_t)d->cylinders * d->heads * d->track;

    put(data, 1, d->default_cylinders);
    put(data, 3, d->default_heads);
    put(data, 6, d->default_track);
    put(data, 54, d->cylinders);
    put(data, 55, d->heads);
    put(data, 56, d->track);
    put2(data, 57, reached);
}

static void put_sectors(const struct ata_drive *d, uint8_t *data)
{
    put2(data, 60, d->sectors < LBA28_MAX ? (uint32_t)d->sectors : LBA28_MAX);
    put2(data, 100, (uint32_t)d->sectors);
    put2(data, 102, d->sectors >> 32);
}

/* NOP, look-ahead, write cache, power management; FLUSH CACHE and EXT, 48-bit addresses; WRITE FUA. */
static void put_features(const struct ata_drive *d, uint8_t *data)
{
    put(data, 82, 0x4068);
    put(data, 83, 0x7400);
    put(data, 84, 0x4040);
    put(data, 85, 0x4008 | (d->no_look_ahead ? 0 : 1 << 6) | (d->no_write_cache ? 0 : 1 << 5));
    put(data, 86, 0x3400);
    put(data, 87, 0x4040);
}

void ata_identify(const struct ata_drive *d, uint8_t *data)
{
    memset(data, 0, WORDS * 2);
    put(data, 0, 0x0040); /* fixed */
    put_names(d, data, "Duplex86 disk");
    put(data, 47, 0x8000 | ATA_MULTIPLE_MAX);
    put(data, 48, 0x0001); /* dwords at the data port */
    put(data, 49, 0x0f00); /* LBA, DMA, IORDY that can be disabled */
    put(data, 50, 0x4000);
    put(data, 59, d->multiple ? 0x0100 | d->multiple : 0);
    put(data, 80, 0x007e); /* ATA-1 to ATA/ATAPI-6 */
    put(data, 93, 0x6001); /* an 80-wire cable; the number by jumper */
    put_transfer_modes(d, data);
    put_geometry(d, data);
    put_sectors(d, data);
    put_features(d, data);
    put_checksum(data);
}

void ata_identify_packet(const struct ata_drive *d, uint8_t *data)
{
    memset(data, 0, WORDS * 2);
    put(data, 0, 0x85c0); /* packet device, CD-ROM, removable, DRQ within 50 us, 12 bytes */
    put_names(d, data, "Duplex86 CD/DVD");
    put(data, 49, 0x0f00);
    put(data, 71, 30); /* ns until a packet command releases the bus; until SERVICE clears BSY */
    put(data, 72, 30);
    put(data, 80, 0x007e);
    put(data, 82, 0x4218); /* NOP, DEVICE RESET, packet, power management */
    put(data, 83, 0x4000);
    put(data, 84, 0x4000);
    put(data, 85, 0x4218);
    put(data, 87, 0x4000);
    put(data, 93, 0x6001);
    put_transfer_modes(d, data);
    put_checksum(data);
}
