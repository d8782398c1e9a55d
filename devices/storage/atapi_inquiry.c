/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a CD-ROM drive says about itself. SPC-3, 6.4 "INQUIRY", 6.9 "MODE SENSE"; MMC-4, 6.6 "GET
 * CONFIGURATION", 6.7 "GET EVENT STATUS NOTIFICATION", 6.12 "MECHANISM STATUS", 7 "Mode parameters".
 */
#include "atapi.h"

#include <string.h>

/* ---- INQUIRY --------------------------------------------------------------------------------- */

void atapi_inquiry(struct device *dev, struct ide_channel *ch)
{
    static const uint8_t standard[36] = {
        0x05, 0x80, 0x00, 0x21, 31,  0,   0,   0,   'D', 'u', 'p', 'l', 'e', 'x', '8', '6', 'C', 'D',
        '/',  'D',  'V',  'D',  ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', '1', '.', '0', ' ',
    };
    const uint8_t *cdb = ch->command.cdb;

    if (cdb[1] & 1 || cdb[2]) {
        atapi_fail(dev, ch, SENSE_BAD_FIELD); /* vital product data: none */
        return;
    }
    memcpy(ch->buffer, standard, sizeof(standard));
    atapi_reply(dev, ch, sizeof(standard), get_be16(cdb + 3));
}

/* ---- MODE SENSE ------------------------------------------------------------------------------ */

/* Read error recovery, CD device parameters, audio control, time-outs, capabilities. */
static const uint8_t page_01[] = { 0x01, 6, 0, 5, 0, 0, 0, 0 };
static const uint8_t page_0d[] = { 0x0d, 6, 0, 5, 0, 60, 0, 75 };
static const uint8_t page_0e[] = { 0x0e, 14, 4, 0, 0, 0, 0, 75, 1, 0xff, 2, 0xff, 0, 0, 0, 0 };
static const uint8_t page_1d[] = { 0x1d, 8, 0, 0, 0, 0, 0, 6, 0, 60 };
/* Reads CD-R, CD-RW and DVD-ROM; mode 2 forms 1 and 2, multisession; lock, eject, a tray; 50 x 176 KB/s. */
static const uint8_t page_2a[] = { 0x2a, 20, 0x0b, 0,    0x70, 0, 0x29, 0, 0x22, 0x5e, 0,
                                   2,    2,  0,    0x22, 0x5e, 0, 0,    0, 0,    0,    0 };

static const struct {
    const uint8_t *data;
    uint8_t size;
} pages[] = {
    { page_01, sizeof(page_01) }, { page_0d, sizeof(page_0d) }, { page_0e, sizeof(page_0e) },
    { page_1d, sizeof(page_1d) }, { page_2a, sizeof(page_2a) },
};

/* What the mask of a page that can be changed shows: nothing can. */
static uint32_t put_pages(const struct ata_drive *d, uint8_t *to, unsigned code, bool changeable)
{
    uint32_t size = 0;

    for (unsigned i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        if (code != 0x3f && code != pages[i].data[0])
            continue;
        memcpy(to + size, pages[i].data, pages[i].size);
        if (changeable)
            memset(to + size + 2, 0, pages[i].size - 2u);
        else if (pages[i].data[0] == 0x2a && d->locked)
            to[size + 6] |= 1 << 1;
        size += pages[i].size;
    }
    return size;
}

/* What kind of medium there is, as drives said before they had profiles. */
static uint8_t medium_type(const struct ata_drive *d)
{
    if (d->tray_open)
        return 0x71;
    return d->present ? 0x01 : 0x70;
}

void atapi_mode_sense(struct device *dev, struct ide_channel *ch)
{
    const uint8_t *cdb = ch->command.cdb;
    const struct ata_drive *d = ide_selected(ch);
    bool short_form = cdb[0] == MMC_MODE_SENSE_6;
    unsigned control = cdb[2] >> 6, header = short_form ? 4 : 8;
    uint32_t size;

    memset(ch->buffer, 0, header);
    size = put_pages(d, ch->buffer + header, cdb[2] & 0x3f, control == 1);
    if (!size) {
        atapi_fail(dev, ch, SENSE_BAD_FIELD);
        return;
    }
    if (control == 3) {
        atapi_fail(dev, ch, SENSE(ILLEGAL_REQUEST, 0x39, 0)); /* saving parameters not supported */
        return;
    }
    if (short_form) {
        ch->buffer[0] = header + size - 1;
        ch->buffer[1] = medium_type(d);
    } else {
        put_be16(ch->buffer, header + size - 2);
        ch->buffer[2] = medium_type(d);
    }
    atapi_reply(dev, ch, header + size, short_form ? cdb[4] : get_be16(cdb + 7));
}

/* ---- GET CONFIGURATION ----------------------------------------------------------------------- */

enum { PROFILE_CD = 0x08, PROFILE_DVD = 0x10, PERSISTENT = 1 << 1, CURRENT = 1 << 0 };

static uint16_t profile(const struct ata_drive *d)
{
    if (!d->present || d->tray_open)
        return 0;
    return d->sectors > CD_SECTORS_MAX ? PROFILE_DVD : PROFILE_CD;
}

struct feature {
    uint16_t code;
    uint8_t version_flags;
    uint8_t profile; /* current with it only; 0: always */
    uint8_t size;
    uint8_t data[8];
};

static const struct feature features[] = {
    { 0x0000, PERSISTENT, 0, 8, { 0, PROFILE_DVD, 0, 0, 0, PROFILE_CD, 0, 0 } }, /* profile list */
    { 0x0001, 1 << 2 | PERSISTENT, 0, 8, { 0, 0, 0, 2, 0, 0, 0, 0 } },           /* core: ATAPI */
    { 0x0002, PERSISTENT, 0, 4, { 0, 0, 0, 0 } },                                /* morphing: polled */
    { 0x0003, PERSISTENT, 0, 4, { 0x29, 0, 0, 0 } },              /* removable medium: tray, eject, lock */
    { 0x0010, 0, 0, 8, { 0, 0, CD_SECTOR >> 8, 0, 0, 1, 0, 0 } }, /* random readable */
    { 0x001e, 2 << 2, PROFILE_CD, 4, { 0, 0, 0, 0 } },            /* CD read */
    { 0x001f, 0, PROFILE_DVD, 0, { 0 } },                         /* DVD read */
    { 0x0100, PERSISTENT, 0, 0, { 0 } },                          /* power management */
    { 0x0105, PERSISTENT, 0, 0, { 0 } },                          /* time-out */
};

static uint32_t put_feature(const struct ata_drive *d, uint8_t *to, const struct feature *f,
                            bool only_current)
{
    uint16_t now = profile(d);
    bool always = f->version_flags & PERSISTENT,
         current = always || (now && (!f->profile || f->profile == now));

    if (only_current && !current)
        return 0;
    put_be16(to, f->code);
    to[2] = f->version_flags | (current ? CURRENT : 0);
    to[3] = f->size;
    memcpy(to + 4, f->data, f->size);
    for (unsigned i = 0; f->code == 0 && i < f->size; i += 4)
        to[4 + i + 2] = to[4 + i + 1] == now ? CURRENT : 0;
    return 4u + f->size;
}

void atapi_get_configuration(struct device *dev, struct ide_channel *ch)
{
    enum { ALL, ONLY_CURRENT, ONE };
    const struct ata_drive *d = ide_selected(ch);
    const uint8_t *cdb = ch->command.cdb;
    unsigned type = cdb[1] & 3, first = get_be16(cdb + 2);
    uint32_t size = 8;

    memset(ch->buffer, 0, size);
    for (unsigned i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
        const struct feature *f = &features[i];

        if (type == ONE ? f->code == first : f->code >= first)
            size += put_feature(d, ch->buffer + size, f, type == ONLY_CURRENT);
    }
    put_be32(ch->buffer, size - 4);
    put_be16(ch->buffer + 6, profile(d));
    atapi_reply(dev, ch, size, get_be16(cdb + 7));
}

/* ---- Events and the tray --------------------------------------------------------------------- */

void atapi_get_event_status(struct device *dev, struct ide_channel *ch)
{
    enum { POLLED = 1 << 0, MEDIA = 4, NO_EVENT = 1 << 7, TRAY_OPEN = 1 << 0, PRESENT = 1 << 1 };
    struct ata_drive *d = ide_selected(ch);
    const uint8_t *cdb = ch->command.cdb;
    bool media = cdb[4] & 1 << MEDIA;
    uint8_t *b = ch->buffer;

    if (!(cdb[1] & POLLED)) {
        atapi_fail(dev, ch, SENSE_BAD_FIELD);
        return;
    }
    memset(b, 0, 8);
    put_be16(b, media ? 6 : 2);
    b[2] = media ? MEDIA : NO_EVENT;
    b[3] = 1 << MEDIA;
    b[4] = d->media_event;
    b[5] = (d->tray_open ? TRAY_OPEN : 0) | (d->present && !d->tray_open ? PRESENT : 0);
    if (media)
        d->media_event = 0;
    atapi_reply(dev, ch, media ? 8 : 4, get_be16(cdb + 7));
}

void atapi_mechanism_status(struct device *dev, struct ide_channel *ch)
{
    memset(ch->buffer, 0, 8);
    ch->buffer[1] = ide_selected(ch)->tray_open ? 1 << 4 : 0;
    ch->buffer[5] = 1; /* slots; no changer */
    atapi_reply(dev, ch, 8, get_be16(ch->command.cdb + 8));
}
