/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a CD-ROM drive says about the disc in it: one session, closed, with one track of data. MMC-4, 6.22 to
 * 6.31 "READ CAPACITY" to "READ TRACK INFORMATION".
 */
#include "atapi.h"

#include <string.h>

enum {
    LEAD_OUT = 0xaa,
    ADR_DATA = 0x14, /* ADR 1: position; control 4: data track */
    MSF = 1 << 1,
};

static uint32_t clipped(uint64_t sectors)
{
    return sectors < UINT32_MAX ? (uint32_t)sectors : UINT32_MAX;
}

void atapi_read_capacity(struct device *dev, struct ide_channel *ch)
{
    put_be32(ch->buffer, clipped(ide_selected(ch)->sectors - 1));
    put_be32(ch->buffer + 4, CD_SECTOR);
    atapi_reply(dev, ch, 8, 8);
}

/* ---- READ TOC -------------------------------------------------------------------------------- */

/* Minute, second, frame; counted from two seconds before sector 0. */
static void put_msf(uint8_t *to, uint32_t lba)
{
    uint64_t frames = (uint64_t)lba + 150;

    to[0] = frames / 75 / 60 < 255 ? frames / 75 / 60 : 255;
    to[1] = frames / 75 % 60;
    to[2] = frames % 75;
}

static void put_address(uint8_t *to, uint32_t lba, bool msf)
{
    if (msf) {
        to[0] = 0;
        put_msf(to + 1, lba);
    } else {
        put_be32(to, lba);
    }
}

static uint32_t put_track(uint8_t *to, unsigned track, uint32_t lba, bool msf)
{
    to[0] = 0;
    to[1] = ADR_DATA;
    to[2] = track;
    to[3] = 0;
    put_address(to + 4, lba, msf);
    return 8;
}

/* Format 0: the tracks from `first` on, and the lead-out. */
static uint32_t put_toc(const struct ata_drive *d, uint8_t *b, unsigned first, bool msf)
{
    uint32_t size = 4;

    b[2] = b[3] = 1;
    if (first <= 1)
        size += put_track(b + size, 1, 0, msf);
    size += put_track(b + size, LEAD_OUT, clipped(d->sectors), msf);
    return size;
}

/* Format 1: the first track of the last session. */
static uint32_t put_sessions(uint8_t *b, bool msf)
{
    b[2] = b[3] = 1;
    return 4 + put_track(b + 4, 1, 0, msf);
}

static uint32_t put_point(uint8_t *to, uint8_t point, uint8_t a, uint8_t b, uint8_t c)
{
    const uint8_t entry[11] = { 1, ADR_DATA, 0, point, 0, 0, 0, 0, a, b, c };

    memcpy(to, entry, sizeof(entry));
    return sizeof(entry);
}

/* Format 2: what is in the lead-in: first and last track, lead-out, and the track. */
static uint32_t put_full_toc(const struct ata_drive *d, uint8_t *b)
{
    uint8_t end[3], start[3];
    uint32_t size = 4;

    put_msf(end, clipped(d->sectors));
    put_msf(start, 0);
    b[2] = b[3] = 1;
    size += put_point(b + size, 0xa0, 1, 0, 0);
    size += put_point(b + size, 0xa1, 1, 0, 0);
    size += put_point(b + size, 0xa2, end[0], end[1], end[2]);
    size += put_point(b + size, 1, start[0], start[1], start[2]);
    return size;
}

/* The format is in byte 2, or, as drives had it before, in the top of byte 9. */
void atapi_read_toc(struct device *dev, struct ide_channel *ch)
{
    const struct ata_drive *d = ide_selected(ch);
    const uint8_t *cdb = ch->command.cdb;
    unsigned format = cdb[2] & 15 ? cdb[2] & 15 : cdb[9] >> 6, first = cdb[6];
    bool msf = cdb[1] & MSF;
    uint32_t size = 0;

    if (format == 0 && (first <= 1 || first == LEAD_OUT))
        size = put_toc(d, ch->buffer, first, msf);
    else if (format == 1)
        size = put_sessions(ch->buffer, msf);
    else if (format == 2)
        size = put_full_toc(d, ch->buffer);
    if (!size) {
        atapi_fail(dev, ch, SENSE_BAD_FIELD); /* recordable discs have formats 3 and 4, some audio ones 5 */
        return;
    }
    put_be16(ch->buffer, size - 2);
    atapi_reply(dev, ch, size, get_be16(cdb + 7));
}

/* ---- Others ---------------------------------------------------------------------------------- */

/* Nothing is being played, so the position is where the disc begins. */
void atapi_read_sub_channel(struct device *dev, struct ide_channel *ch)
{
    enum { SUBQ = 1 << 6, POSITION = 1, NO_AUDIO = 0x15 };
    const uint8_t *cdb = ch->command.cdb;
    uint8_t *b = ch->buffer;
    uint32_t size = cdb[2] & SUBQ ? 16 : 4;

    if (cdb[2] & SUBQ && cdb[3] != POSITION) {
        atapi_fail(dev, ch, SENSE_BAD_FIELD);
        return;
    }
    memset(b, 0, 16);
    b[1] = NO_AUDIO;
    put_be16(b + 2, size - 4);
    b[4] = POSITION;
    b[5] = ADR_DATA;
    b[6] = b[7] = 1;
    put_address(b + 8, 0, cdb[1] & MSF);
    put_address(b + 12, 0, cdb[1] & MSF);
    atapi_reply(dev, ch, size, get_be16(cdb + 7));
}

void atapi_read_disc_information(struct device *dev, struct ide_channel *ch)
{
    enum { SIZE = 34, COMPLETE = 3 << 2 | 2 };
    uint8_t *b = ch->buffer;

    memset(b, 0, SIZE);
    put_be16(b, SIZE - 2);
    b[2] = COMPLETE;               /* last session and disc */
    b[3] = b[4] = b[5] = b[6] = 1; /* first track; sessions; first and last track of the last one */
    b[7] = 1 << 5;                 /* unrestricted use */
    memset(b + 16, 0xff, 8);       /* no more lead-in and lead-out to come */
    atapi_reply(dev, ch, SIZE, get_be16(ch->command.cdb + 7));
}

void atapi_read_track_information(struct device *dev, struct ide_channel *ch)
{
    enum { SIZE = 36, BY_LBA = 0, BY_TRACK = 1, BY_SESSION = 2, DATA_TRACK = 4, MODE_1 = 1 };
    const struct ata_drive *d = ide_selected(ch);
    const uint8_t *cdb = ch->command.cdb;
    uint32_t address = get_be32(cdb + 2);
    unsigned by = cdb[1] & 3;
    uint8_t *b = ch->buffer;

    if (by == BY_LBA ? address >= d->sectors : by > BY_SESSION || address != 1) {
        atapi_fail(dev, ch, SENSE_BAD_FIELD);
        return;
    }
    memset(b, 0, SIZE);
    put_be16(b, SIZE - 2);
    b[2] = b[3] = 1; /* track, session */
    b[5] = DATA_TRACK;
    b[6] = MODE_1;
    put_be32(b + 24, clipped(d->sectors));
    atapi_reply(dev, ch, SIZE, get_be16(cdb + 7));
}
