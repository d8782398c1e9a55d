/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the files of the packet device share: its big-endian numbers, sense, and commands. SCSI Multimedia
 * Commands - 4 (MMC-4); SCSI Primary Commands - 3 (SPC-3).
 */
#pragma once

#include "ide.h"

enum {
    MMC_TEST_UNIT_READY = 0x00,
    MMC_REQUEST_SENSE = 0x03,
    MMC_INQUIRY = 0x12,
    MMC_MODE_SELECT_6 = 0x15,
    MMC_MODE_SENSE_6 = 0x1a,
    MMC_START_STOP_UNIT = 0x1b,
    MMC_PREVENT_ALLOW = 0x1e,
    MMC_READ_CAPACITY = 0x25,
    MMC_READ_10 = 0x28,
    MMC_SEEK_10 = 0x2b,
    MMC_VERIFY_10 = 0x2f,
    MMC_READ_SUB_CHANNEL = 0x42,
    MMC_READ_TOC = 0x43,
    MMC_GET_CONFIGURATION = 0x46,
    MMC_GET_EVENT_STATUS = 0x4a,
    MMC_READ_DISC_INFORMATION = 0x51,
    MMC_READ_TRACK_INFORMATION = 0x52,
    MMC_MODE_SELECT_10 = 0x55,
    MMC_MODE_SENSE_10 = 0x5a,
    MMC_READ_12 = 0xa8,
    MMC_READ_CD_MSF = 0xb9,
    MMC_SET_CD_SPEED = 0xbb,
    MMC_MECHANISM_STATUS = 0xbd,
    MMC_READ_CD = 0xbe,
};

/* Sense keys */
enum {
    NOT_READY = 2,
    MEDIUM_ERROR = 3,
    ILLEGAL_REQUEST = 5,
    UNIT_ATTENTION = 6,
};

#define SENSE(key, asc, ascq) ((struct ata_sense){ key, asc, ascq })
#define SENSE_BAD_OPERATION   SENSE(ILLEGAL_REQUEST, 0x20, 0)
#define SENSE_OUT_OF_RANGE    SENSE(ILLEGAL_REQUEST, 0x21, 0)
#define SENSE_BAD_FIELD       SENSE(ILLEGAL_REQUEST, 0x24, 0)

/* GET EVENT STATUS NOTIFICATION, media class */
enum { MEDIA_EVENT_NEW = 2, MEDIA_EVENT_REMOVED = 3 };

/* A CD that holds more than this is a DVD: 90 minutes of 75 sectors a second. */
enum { CD_SECTORS_MAX = 90 * 60 * 75 };

static inline uint16_t get_be16(const uint8_t *b)
{
    return (uint16_t)(b[0] << 8 | b[1]);
}

static inline uint32_t get_be32(const uint8_t *b)
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static inline void put_be16(uint8_t *b, uint32_t value)
{
    b[0] = value >> 8;
    b[1] = value;
}

static inline void put_be32(uint8_t *b, uint32_t value)
{
    put_be16(b, value >> 16);
    put_be16(b + 2, value);
}

/* ---- atapi.c: how a packet command ends ------------------------------------------------------ */

void atapi_succeed(struct device *dev, struct ide_channel *ch);
void atapi_fail(struct device *dev, struct ide_channel *ch, struct ata_sense sense);
/* `size` bytes of the buffer are the answer, of which the host wants `allocated` at most. */
void atapi_reply(struct device *dev, struct ide_channel *ch, uint32_t size, uint32_t allocated);

/* ---- atapi_commands.c ------------------------------------------------------------------------ */

/* The packet is in ch->command.cdb. */
void atapi_execute(struct device *dev, struct ide_channel *ch);

/* ---- atapi_inquiry.c, atapi_disc.c: commands that only tell something ------------------------ */

void atapi_inquiry(struct device *dev, struct ide_channel *ch);
void atapi_mode_sense(struct device *dev, struct ide_channel *ch);
void atapi_get_configuration(struct device *dev, struct ide_channel *ch);
void atapi_get_event_status(struct device *dev, struct ide_channel *ch);
void atapi_mechanism_status(struct device *dev, struct ide_channel *ch);
void atapi_read_capacity(struct device *dev, struct ide_channel *ch);
void atapi_read_toc(struct device *dev, struct ide_channel *ch);
void atapi_read_sub_channel(struct device *dev, struct ide_channel *ch);
void atapi_read_disc_information(struct device *dev, struct ide_channel *ch);
void atapi_read_track_information(struct device *dev, struct ide_channel *ch);
