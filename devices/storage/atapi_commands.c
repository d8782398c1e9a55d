/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Packet commands of a CD-ROM drive: which there are, when each may be given, and those that read sectors or
 * move the tray. MMC-4, 6 "Commands for multi-media drives"; SPC-3, 6.
 */
#include "atapi.h"

/* ---- Sense ----------------------------------------------------------------------------------- */

static void request_sense(struct device *dev, struct ide_channel *ch)
{
    struct ata_drive *d = ide_selected(ch);
    const struct ata_sense *sense = d->sense.key || !d->attention.key ? &d->sense : &d->attention;
    uint8_t *b = ch->buffer;

    for (unsigned i = 0; i < 18; i++)
        b[i] = 0;
    b[0] = 0x70; /* current, fixed format */
    b[2] = sense->key;
    b[7] = 10;
    b[12] = sense->asc;
    b[13] = sense->ascq;
    if (sense == &d->attention)
        d->attention = SENSE(0, 0, 0);
    d->sense = SENSE(0, 0, 0);
    atapi_reply(dev, ch, 18, ch->command.cdb[4]);
}

/* ---- Sectors --------------------------------------------------------------------------------- */

static void read_sectors(struct device *dev, struct ide_channel *ch, uint32_t lba, uint32_t count, bool keep)
{
    const struct ata_drive *d = ide_selected(ch);

    ch->command.discard = !keep;
    if (lba > d->sectors || count > d->sectors - lba)
        atapi_fail(dev, ch, SENSE_OUT_OF_RANGE);
    else if (!count)
        atapi_succeed(dev, ch);
    else
        ide_move_medium(dev, ch, (uint64_t)lba * CD_SECTOR, (uint64_t)count * CD_SECTOR);
}

static void read_10(struct device *dev, struct ide_channel *ch)
{
    const uint8_t *cdb = ch->command.cdb;

    read_sectors(dev, ch, get_be32(cdb + 2), get_be16(cdb + 7), true);
}

static void read_12(struct device *dev, struct ide_channel *ch)
{
    const uint8_t *cdb = ch->command.cdb;

    read_sectors(dev, ch, get_be32(cdb + 2), get_be32(cdb + 6), true);
}

static void verify(struct device *dev, struct ide_channel *ch)
{
    const uint8_t *cdb = ch->command.cdb;

    read_sectors(dev, ch, get_be32(cdb + 2), get_be16(cdb + 7), false);
}

static void seek(struct device *dev, struct ide_channel *ch)
{
    read_sectors(dev, ch, get_be32(ch->command.cdb + 2), 0, true);
}

/* READ CD: only what images hold can be read, the 2048 bytes of user data of mode 1 and mode 2 form 1. */
static void read_parts(struct device *dev, struct ide_channel *ch, uint32_t lba, uint32_t count)
{
    enum { USER_DATA = 0x10, PARTS = 0xf8, SUB_CHANNEL = 7 };
    const uint8_t *cdb = ch->command.cdb;
    unsigned type = cdb[1] >> 2 & 7, parts = cdb[9] & PARTS;

    if ((type != 0 && type != 2 && type != 4) || cdb[10] & SUB_CHANNEL)
        atapi_fail(dev, ch, SENSE_BAD_FIELD);
    else if (!parts)
        read_sectors(dev, ch, lba, 0, true);
    else if (parts == USER_DATA)
        read_sectors(dev, ch, lba, count, true);
    else
        atapi_fail(dev, ch, SENSE_BAD_FIELD);
}

static void read_cd(struct device *dev, struct ide_channel *ch)
{
    const uint8_t *cdb = ch->command.cdb;

    read_parts(dev, ch, get_be32(cdb + 2), (uint32_t)cdb[6] << 16 | get_be16(cdb + 7));
}

/* Minute, second and frame count from two seconds before the first sector. */
static uint32_t sector_of(const uint8_t *msf)
{
    return (msf[0] * 60u + msf[1]) * 75 + msf[2] - 150;
}

static void read_cd_msf(struct device *dev, struct ide_channel *ch)
{
    const uint8_t *cdb = ch->command.cdb;
    uint32_t first = sector_of(cdb + 3), end = sector_of(cdb + 6);

    if (end < first)
        atapi_fail(dev, ch, SENSE_BAD_FIELD);
    else
        read_parts(dev, ch, first, end - first);
}

/* ---- The tray -------------------------------------------------------------------------------- */

static void start_stop(struct device *dev, struct ide_channel *ch)
{
    enum { START = 1 << 0, LOAD_EJECT = 1 << 1 };
    struct ata_drive *d = ide_selected(ch);
    bool eject = (ch->command.cdb[4] & (START | LOAD_EJECT)) == LOAD_EJECT;
    bool load = (ch->command.cdb[4] & (START | LOAD_EJECT)) == (START | LOAD_EJECT);

    if (eject && d->locked) {
        atapi_fail(dev, ch, SENSE(ILLEGAL_REQUEST, 0x53, 2)); /* medium removal prevented */
        return;
    }
    if (eject) {
        d->tray_open = true;
        d->media_event = MEDIA_EVENT_REMOVED;
    } else if (load && d->tray_open) {
        atapi_medium_changed(dev, ch, d); /* the disc is the same, but who knows that */
    }
    atapi_succeed(dev, ch);
}

static void prevent_allow(struct device *dev, struct ide_channel *ch)
{
    ide_selected(ch)->locked = ch->command.cdb[4] & 1;
    atapi_succeed(dev, ch);
}

/* ---- Settings: none that makes a difference -------------------------------------------------- */

/* The parameters come from the host, and nothing here depends on them. */
static void mode_select(struct device *dev, struct ide_channel *ch)
{
    const uint8_t *cdb = ch->command.cdb;
    uint32_t size = cdb[0] == MMC_MODE_SELECT_6 ? cdb[4] : get_be16(cdb + 7);

    ch->command.out = true;
    if (size)
        ide_move_buffer(dev, ch, size);
    else
        atapi_succeed(dev, ch);
}

/* ---- The table ------------------------------------------------------------------------------- */

enum {
    NEEDS_MEDIUM = 1 << 0,
    IN_SPITE_OF_ATTENTION = 1 << 1, /* a change of medium is not told with this one (SPC-3, 5.8) */
};

struct packet_command {
    uint8_t code;
    uint8_t flags;
    void (*run)(struct device *dev, struct ide_channel *ch);
};

static const struct packet_command commands[] = {
    { MMC_TEST_UNIT_READY, NEEDS_MEDIUM, atapi_succeed },
    { MMC_REQUEST_SENSE, IN_SPITE_OF_ATTENTION, request_sense },
    { MMC_INQUIRY, IN_SPITE_OF_ATTENTION, atapi_inquiry },
    { MMC_MODE_SELECT_6, 0, mode_select },
    { MMC_MODE_SENSE_6, 0, atapi_mode_sense },
    { MMC_START_STOP_UNIT, 0, start_stop },
    { MMC_PREVENT_ALLOW, 0, prevent_allow },
    { MMC_READ_CAPACITY, NEEDS_MEDIUM, atapi_read_capacity },
    { MMC_READ_10, NEEDS_MEDIUM, read_10 },
    { MMC_SEEK_10, NEEDS_MEDIUM, seek },
    { MMC_VERIFY_10, NEEDS_MEDIUM, verify },
    { MMC_READ_SUB_CHANNEL, NEEDS_MEDIUM, atapi_read_sub_channel },
    { MMC_READ_TOC, NEEDS_MEDIUM, atapi_read_toc },
    { MMC_GET_CONFIGURATION, IN_SPITE_OF_ATTENTION, atapi_get_configuration },
    { MMC_GET_EVENT_STATUS, IN_SPITE_OF_ATTENTION, atapi_get_event_status },
    { MMC_READ_DISC_INFORMATION, NEEDS_MEDIUM, atapi_read_disc_information },
    { MMC_READ_TRACK_INFORMATION, NEEDS_MEDIUM, atapi_read_track_information },
    { MMC_MODE_SELECT_10, 0, mode_select },
    { MMC_MODE_SENSE_10, 0, atapi_mode_sense },
    { MMC_READ_12, NEEDS_MEDIUM, read_12 },
    { MMC_READ_CD_MSF, NEEDS_MEDIUM, read_cd_msf },
    { MMC_SET_CD_SPEED, 0, atapi_succeed },
    { MMC_MECHANISM_STATUS, 0, atapi_mechanism_status },
    { MMC_READ_CD, NEEDS_MEDIUM, read_cd },
};

static const struct packet_command *find(uint8_t code)
{
    for (unsigned i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (commands[i].code == code)
            return &commands[i];
    }
    return NULL;
}

void atapi_execute(struct device *dev, struct ide_channel *ch)
{
    struct ata_drive *d = ide_selected(ch);
    const struct packet_command *command = find(ch->command.cdb[0]);
    bool ready = d->present && !d->tray_open;

    if (!command) {
        atapi_fail(dev, ch, SENSE_BAD_OPERATION);
    } else if (d->attention.key && !(command->flags & IN_SPITE_OF_ATTENTION)) {
        atapi_fail(dev, ch, d->attention);
        d->attention = SENSE(0, 0, 0);
    } else if (!ready && command->flags & NEEDS_MEDIUM) {
        atapi_fail(dev, ch,
                   SENSE(NOT_READY, 0x3a, d->tray_open ? 2 : 1)); /* no medium, tray open or closed */
    } else {
        command->run(dev, ch);
    }
}
