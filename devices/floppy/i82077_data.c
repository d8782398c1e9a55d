/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Commands of the floppy controller that move sectors. They go in rounds of at most a side of a track: what
 * there is to read is read from the medium into the buffer, bytes go to the host or come from it, by DMA or
 * one by one through the data register, and what is to be written goes to the medium. Intel 82077AA
 * datasheet, "Data Transfer Commands".
 */
#include "i82077.h"

#include <string.h>

enum {
    MT = 1 << 7,
    MFM = 1 << 6,
    SK = 1 << 5,
    EIS = 1 << 6,      /* CONFIGURE: seek first */
    EC = 1 << 7,       /* VERIFY: count sectors */
    READ_TRACK = 0x02, /* codes */
    READ_DELETED = 0x0c,
    SCAN_LOW = 0x19,
    SCAN_HIGH = 0x1d,
    CODE = 0x1f,

    SECTOR_CODE = 2, /* N of 512 bytes */
    ID = 4,          /* bytes that FORMAT TRACK gets for each sector */
};

/* ---- Ends ------------------------------------------------------------------------------------ */

static void finish(struct device *dev, uint8_t st0, uint8_t st1, uint8_t st2)
{
    struct i82077 *f = dev->state;
    const struct fdc_execution *x = &f->x;

    f->result[0] = st0 | x->head << 2 | x->unit;
    f->result[1] = st1;
    f->result[2] = st2;
    f->result[3] = x->c;
    f->result[4] = x->h;
    f->result[5] = x->r;
    f->result[6] = x->work == FDC_FORMAT ? f->command[2] : f->command[5];
    fdc_give_result(dev, 7, true);
}

static void fail(struct device *dev, uint8_t st1, uint8_t st2)
{
    finish(dev, ST0_ABNORMAL, st1, st2);
}

/* The sector that follows: the result has it ("Result Phase Table"). True: it is on the same side. */
static bool step_sector(struct fdc_execution *x, unsigned step)
{
    if (x->r != x->eot && x->r + step <= 255 && x->r < x->eot) {
        x->r += step;
        if (x->r <= x->eot)
            return true;
    }
    x->r = 1;
    if (x->multi_track && !(x->head & 1)) {
        x->head ^= 1;
        x->h ^= 1;
        return false;
    }
    if (x->multi_track) {
        x->head ^= 1;
        x->h ^= 1;
    }
    x->c++;
    return false;
}

/* ---- Rounds ---------------------------------------------------------------------------------- */

static uint64_t offset_of(const struct fdc_execution *x, const struct floppy_format *format,
                          unsigned cylinder, unsigned sector)
{
    return (((uint64_t)cylinder * format->heads + x->head) * format->sectors + sector - 1) * FLOPPY_SECTOR;
}

static void wait_for_host(struct device *dev, enum fdc_wait wait)
{
    struct i82077 *f = dev->state;

    f->x.wait = wait;
    if (fdc_uses_dma(f))
        fdc_go_on(dev);
    else
        fdc_set_interrupt(dev, true);
}

static void wait_for_medium(struct device *dev, enum device_transfer what, uint64_t offset, uint32_t size)
{
    struct i82077 *f = dev->state;

    f->x.wait = FDC_MEDIUM;
    if (!fdc_uses_dma(f))
        fdc_set_interrupt(dev, false);
    device_transfer(dev, f->x.unit, what, offset, size, ++f->x.tag);
}

/* Is there a track below the heads that can be read, or else why not? Fills in the cylinder. */
static const struct floppy_format *look(struct device *dev, unsigned *cylinder, uint8_t *st1)
{
    struct i82077 *f = dev->state;
    struct device_medium medium;
    const struct floppy_format *format = fdc_medium(dev, f->x.unit, &medium);
    bool writes = f->x.work == FDC_WRITE || f->x.work == FDC_FORMAT;

    *st1 = ST1_NO_MARK;
    *cylinder = format ? fdc_cylinder(f, f->x.unit, format) : 255;
    if (!format || f->x.head >= format->heads || *cylinder == 255 ||
        !fdc_is_readable(f, format, f->command[0] & MFM))
        return NULL;
    *st1 = ST1_NOT_WRITABLE;
    return writes && medium.read_only ? NULL : format;
}

/* Does the sector have the number that is asked for? */
static bool is_there(struct device *dev, const struct floppy_format *format, unsigned cylinder)
{
    const struct i82077 *f = dev->state;
    const struct fdc_execution *x = &f->x;

    return x->c == cylinder && x->h == x->head && x->r >= 1 && x->r <= format->sectors &&
           f->command[5] == SECTOR_CODE;
}

/* How many sectors this round has: those on this side, the one READ TRACK's check or a mark ends at. */
static unsigned round_length(const struct fdc_execution *x, const struct floppy_format *format)
{
    unsigned last = x->eot >= x->r && x->eot < format->sectors ? x->eot : format->sectors;
    unsigned count = x->eot < x->r ? 1 : last - x->r + 1u;

    if (x->deleted && !x->skip)
        count = 1;
    return x->counted && x->left < count ? x->left : count;
}

static void next_round(struct device *dev)
{
    struct i82077 *f = dev->state;
    struct fdc_execution *x = &f->x;
    unsigned cylinder;
    uint8_t st1;
    const struct floppy_format *format = look(dev, &cylinder, &st1);

    if (!format) {
        fail(dev, st1, 0);
        return;
    }
    if (!is_there(dev, format, cylinder)) {
        fail(dev, ST1_NO_DATA, x->c == cylinder ? 0 : ST2_WRONG_CYLINDER);
        return;
    }
    x->sectors = round_length(x, format);
    x->at = 0;
    x->have = x->sectors * FLOPPY_SECTOR;
    x->equal = x->fits = true;
    if (x->work == FDC_WRITE)
        wait_for_host(dev, FDC_FROM_HOST);
    else
        wait_for_medium(dev, DEVICE_TRANSFER_READ, offset_of(x, format, cylinder, x->r), x->have);
}

/* All bytes of a WRITE's round are here, or all that come; the rest of the last sector is zeros. */
static void write_round(struct device *dev)
{
    struct i82077 *f = dev->state;
    struct fdc_execution *x = &f->x;
    unsigned cylinder;
    uint8_t st1;
    const struct floppy_format *format = look(dev, &cylinder, &st1);
    uint32_t size = (x->at + FLOPPY_SECTOR - 1) / FLOPPY_SECTOR * FLOPPY_SECTOR;

    if (!format || !is_there(dev, format, cylinder) || x->r - 1u + size / FLOPPY_SECTOR > format->sectors) {
        fail(dev, ST1_NO_DATA, 0); /* the medium was changed meanwhile */
        return;
    }
    memset(f->buffer + x->at, 0, size - x->at);
    x->have = size;
    memcpy(device_transfer_data(dev, x->unit, size), f->buffer, size);
    wait_for_medium(dev, DEVICE_TRANSFER_WRITE, offset_of(x, format, cylinder, x->r), size);
}

/* The sectors of a round are done: go on, or say how it ended. VERIFY may end with the cylinder. */
static void round_is_over(struct device *dev)
{
    struct i82077 *f = dev->state;
    struct fdc_execution *x = &f->x;
    unsigned done = (x->at + FLOPPY_SECTOR - 1) / FLOPPY_SECTOR;
    bool same_side = true, control = x->deleted && !x->skip;
    uint8_t mismatch = x->mismatch ? ST1_NO_DATA : 0;

    for (unsigned i = 0; i < done; i++)
        same_side = step_sector(x, 1);
    if (x->counted)
        x->left -= done;
    if (x->failed)
        fail(dev, ST1_DATA, ST2_DATA);
    else if (control || x->terminal || (x->counted && !x->left))
        finish(dev, mismatch ? ST0_ABNORMAL : 0, mismatch, control ? ST2_CONTROL : 0);
    else if (same_side || (x->multi_track && x->head & 1))
        next_round(dev);
    else if (x->work == FDC_VERIFY && !x->counted)
        finish(dev, 0, 0, 0);
    else
        fail(dev, ST1_END | mismatch, 0);
}

/* ---- Scans ----------------------------------------------------------------------------------- */

/* A byte of the host's against one of the disk's; FFh from the host fits everything. */
static void compare(struct fdc_execution *x, uint8_t disk, uint8_t host)
{
    if (host == 0xff || disk == host)
        return;
    x->equal = false;
    if (x->code == SCAN_LOW)
        x->fits = x->fits && disk < host;
    else if (x->code == SCAN_HIGH)
        x->fits = x->fits && disk > host;
    else
        x->fits = false;
}

/* A sector is compared. One that fits ends it, and so does the last one. */
static void end_scanned_sector(struct device *dev)
{
    struct i82077 *f = dev->state;
    struct fdc_execution *x = &f->x;
    uint8_t st2 = x->fits ? x->equal ? ST2_SCAN_EQUAL : 0 : ST2_SCAN_FAILED;
    bool fits = x->fits, same_side = step_sector(x, fits ? 1 : x->step);

    x->equal = x->fits = true;
    x->at += (x->step - 1u) * FLOPPY_SECTOR;
    if (fits || x->terminal || (!same_side && !(x->multi_track && x->head & 1)))
        finish(dev, 0, 0, st2);
    else if (!same_side || x->at >= x->have)
        next_round(dev);
}

/* `count` bytes of the host's, for the place in the buffer where the scan is, of one sector. */
static void scan_bytes(struct device *dev, const uint8_t *bytes, uint32_t count)
{
    struct i82077 *f = dev->state;
    struct fdc_execution *x = &f->x;

    for (uint32_t i = 0; i < count; i++)
        compare(x, f->buffer[x->at + i], bytes[i]);
    x->at += count;
    if (x->at % FLOPPY_SECTOR == 0)
        end_scanned_sector(dev);
    else if (x->terminal)
        finish(dev, 0, 0, x->fits ? x->equal ? ST2_SCAN_EQUAL : 0 : ST2_SCAN_FAILED);
}

/* ---- Formatting ------------------------------------------------------------------------------ */

/*
 * The next sector whose ID is in the buffer is written, filled. An image has the sectors of its format and no
 * others: IDs of others are passed over, as if they were written between those.
 */
static void format_sector(struct device *dev)
{
    struct i82077 *f = dev->state;
    struct fdc_execution *x = &f->x;
    unsigned cylinder;
    uint8_t st1;
    const struct floppy_format *format = look(dev, &cylinder, &st1);

    if (!format || x->failed) {
        fail(dev, x->failed ? ST1_DATA : st1, 0);
        return;
    }
    while (x->left) {
        const uint8_t *id = f->buffer + x->at;

        x->at += ID;
        x->left--;
        if (id[0] != cylinder || id[1] != x->head || !id[2] || id[2] > format->sectors ||
            id[3] != SECTOR_CODE)
            continue;
        memset(device_transfer_data(dev, x->unit, FLOPPY_SECTOR), x->filler, FLOPPY_SECTOR);
        wait_for_medium(dev, DEVICE_TRANSFER_WRITE, offset_of(x, format, cylinder, id[2]), FLOPPY_SECTOR);
        return;
    }
    finish(dev, 0, 0, 0);
}

static void begin_format(struct device *dev)
{
    struct i82077 *f = dev->state;
    struct fdc_execution *x = &f->x;
    unsigned cylinder;
    uint8_t st1;

    x->left = f->command[3];
    x->filler = f->command[5];
    x->have = x->left * ID;
    x->at = 0;
    x->c = f->drive[x->unit].track;
    x->h = x->head;
    x->r = 1;
    if (!look(dev, &cylinder, &st1))
        fail(dev, st1, 0);
    else if (!x->have)
        finish(dev, 0, 0, 0);
    else
        wait_for_host(dev, FDC_FROM_HOST);
}

/* ---- The host's side ------------------------------------------------------------------------- */

/* All that the round wants from the host, or gives, has gone, or the DMA controller has ended it. */
static void bytes_are_over(struct device *dev)
{
    struct i82077 *f = dev->state;
    struct fdc_execution *x = &f->x;

    if (x->work == FDC_WRITE) {
        write_round(dev);
    } else if (x->work == FDC_FORMAT) {
        x->left = x->at / ID;
        x->at = 0;
        format_sector(dev);
    } else {
        round_is_over(dev);
    }
}

static bool wants_bytes(const struct i82077 *f)
{
    return f->phase == FDC_EXECUTION && (f->x.wait == FDC_TO_HOST || f->x.wait == FDC_FROM_HOST);
}

/* A piece of a sector: a scan that goes on in the same buffer takes another. */
static void scan_by_dma(struct device *dev)
{
    struct i82077 *f = dev->state;
    struct fdc_execution *x = &f->x;

    while (wants_bytes(f) && x->work == FDC_SCAN) {
        uint32_t left = FLOPPY_SECTOR - x->at % FLOPPY_SECTOR;
        size_t n = device_channel(dev, 0, f->scan, left, false, &x->terminal);

        if (!n)
            return;
        scan_bytes(dev, f->scan, n);
    }
}

void fdc_go_on(struct device *dev)
{
    struct i82077 *f = dev->state;
    struct fdc_execution *x = &f->x;
    size_t n;

    if (!wants_bytes(f) || !fdc_uses_dma(f) || !(f->dor & DOR_DMA))
        return;
    if (x->work == FDC_SCAN) {
        scan_by_dma(dev);
        return;
    }
    n = device_channel(dev, 0, f->buffer + x->at, x->have - x->at, x->wait == FDC_TO_HOST, &x->terminal);
    x->at += n;
    if (x->terminal || x->at == x->have)
        bytes_are_over(dev);
}

uint8_t fdc_take_byte(struct device *dev)
{
    struct i82077 *f = dev->state;
    struct fdc_execution *x = &f->x;
    uint8_t byte;

    if (fdc_uses_dma(f) || x->wait != FDC_TO_HOST)
        return 0;
    byte = f->buffer[x->at++];
    if (x->at == x->have)
        bytes_are_over(dev);
    return byte;
}

void fdc_put_byte(struct device *dev, uint8_t byte)
{
    struct i82077 *f = dev->state;
    struct fdc_execution *x = &f->x;

    if (fdc_uses_dma(f) || x->wait != FDC_FROM_HOST)
        return;
    if (x->work == FDC_SCAN) {
        scan_bytes(dev, &byte, 1);
        return;
    }
    f->buffer[x->at++] = byte;
    if (x->at == x->have)
        bytes_are_over(dev);
}

/* ---- The medium's side ----------------------------------------------------------------------- */

/* What has been read; a failed read gives the whole sectors before the one that failed. */
static void take_read(struct device *dev, const struct device_transferred *result)
{
    struct i82077 *f = dev->state;
    struct fdc_execution *x = &f->x;
    uint32_t got = result->done < x->have ? result->done / FLOPPY_SECTOR * FLOPPY_SECTOR : x->have;

    x->failed = got < x->have;
    x->have = got;
    if (got)
        memcpy(f->buffer, result->data, got);
    if (x->work == FDC_VERIFY || (x->deleted && x->skip) || !got) {
        x->at = got;
        round_is_over(dev);
    } else {
        wait_for_host(dev, x->work == FDC_SCAN ? FDC_FROM_HOST : FDC_TO_HOST);
    }
}

void fdc_transferred(struct device *dev, unsigned unit, const struct device_transferred *result)
{
    struct i82077 *f = dev->state;
    struct fdc_execution *x = &f->x;

    if (x->wait != FDC_MEDIUM || unit != x->unit || result->tag != x->tag)
        return;
    x->wait = FDC_NOTHING;
    if (x->work != FDC_WRITE && x->work != FDC_FORMAT) {
        take_read(dev, result);
        return;
    }
    x->failed = result->failed;
    if (x->work == FDC_FORMAT)
        format_sector(dev);
    else
        round_is_over(dev);
}

/* ---- The beginning --------------------------------------------------------------------------- */

static void implied_seek(struct device *dev)
{
    struct i82077 *f = dev->state;
    struct fdc_drive *d = &f->drive[f->x.unit];
    struct device_medium medium;
    const struct floppy_format *format = fdc_medium(dev, f->x.unit, &medium);

    if (!(f->configure & EIS) || f->x.work == FDC_FORMAT || !format || f->x.c >= format->tracks)
        return;
    d->track = format->tracks <= 42 && d->type != FLOPPY_360K ? f->x.c * 2 : f->x.c;
    d->changed = false;
}

void fdc_begin_data(struct device *dev, enum fdc_work work)
{
    struct i82077 *f = dev->state;
    const uint8_t *command = f->command;
    struct fdc_execution *x = &f->x;
    const uint32_t tag = x->tag;

    *x = (struct fdc_execution){
        .work = work,
        .unit = command[1] & DOR_UNIT,
        .head = command[1] >> 2 & 1,
        .c = command[2],
        .h = command[3],
        .r = command[4],
        .eot = command[6],
        .code = command[0] & CODE,
        .multi_track = work != FDC_FORMAT && command[0] & MT,
        .skip = command[0] & SK,
        .deleted = (command[0] & CODE) == READ_DELETED,
        .whole_track = (command[0] & CODE) == READ_TRACK,
        .counted = work == FDC_VERIFY && command[1] & EC,
        .left = command[8],
        .step = command[8] == 2 ? 2 : 1,
        .tag = tag,
    };
    if (work == FDC_FORMAT) {
        begin_format(dev);
        return;
    }
    if (x->whole_track) {
        x->mismatch = x->r != 1;
        x->r = 1;
    }
    implied_seek(dev);
    next_round(dev);
}
