/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Commands of the floppy controller that move no data: seeks, status, set-up. Intel 82077AA datasheet,
 * "Command Set/Descriptions".
 */
#include "i82077.h"

enum {
    MT = 1 << 7,
    MFM = 1 << 6,

    ST3_TRACK0 = 1 << 4,
    ST3_FIXED = 1 << 5 | 1 << 3, /* ready, two sides */
    ST3_PROTECTED = 1 << 6,

    TRACKS = 86, /* where the heads stop */
    RECALIBRATE_STEPS = 79,
    VERSION_ENHANCED = 0x90,
    PART_ID = 0x01,
};

#define SEEK_NS 200000

static uint8_t *cmd(struct i82077 *f)
{
    return f->command;
}

/* ---- Seeks ----------------------------------------------------------------------------------- */

/* Steps reset the change line if there is a medium. */
static void move_heads(struct device *dev, unsigned unit, unsigned track)
{
    struct i82077 *f = dev->state;
    struct fdc_drive *d = &f->drive[unit];
    struct device_medium medium;

    if (d->track == track || !d->type)
        return;
    fdc_medium(dev, unit, &medium);
    if (medium.present)
        d->changed = false;
    d->track = track;
}

static void begin_seek(struct device *dev, unsigned target, uint8_t st0)
{
    struct i82077 *f = dev->state;
    unsigned unit = cmd(f)[1] & DOR_UNIT;

    f->drive[unit].seeking = true;
    f->drive[unit].seek_told = false;
    f->drive[unit].target = target < TRACKS ? target : TRACKS - 1;
    f->drive[unit].seek_st0 = st0 | (cmd(f)[1] & 7);
    device_set_deadline(dev, device_now(dev) + SEEK_NS);
    fdc_give_result(dev, 0, false);
}

void fdc_end_seeks(struct device *dev)
{
    struct i82077 *f = dev->state;

    for (unsigned unit = 0; unit < FDC_UNITS; unit++) {
        struct fdc_drive *d = &f->drive[unit];

        if (!d->seeking)
            continue;
        d->seeking = false;
        d->seek_told = true;
        move_heads(dev, unit, d->target);
        fdc_set_interrupt(dev, true);
    }
}

/* 79 steps outwards, until the drive says track 0. No drive says nothing. */
static void recalibrate(struct device *dev)
{
    struct i82077 *f = dev->state;
    const struct fdc_drive *d = &f->drive[cmd(f)[1] & DOR_UNIT];
    unsigned target = d->track > RECALIBRATE_STEPS ? d->track - RECALIBRATE_STEPS : 0;

    cmd(f)[1] &= ~4;
    begin_seek(dev, target, d->type && !target ? ST0_SEEK_END : ST0_SEEK_END | ST0_EQUIPMENT | ST0_ABNORMAL);
}

static void relative_seek(struct device *dev)
{
    struct i82077 *f = dev->state;
    unsigned track = f->drive[cmd(f)[1] & DOR_UNIT].track, steps = cmd(f)[2];
    bool inwards = cmd(f)[0] & MFM;

    begin_seek(dev, inwards ? track + steps : steps < track ? track - steps : 0, ST0_SEEK_END);
}

static void sense_interrupt(struct device *dev)
{
    struct i82077 *f = dev->state;

    fdc_set_interrupt(dev, false);
    if (f->reset_senses) {
        unsigned unit = FDC_UNITS - f->reset_senses--;

        f->result[0] = ST0_POLLING | unit;
        f->result[1] = f->drive[unit].track;
        fdc_give_result(dev, 2, false);
        return;
    }
    for (unsigned unit = 0; unit < FDC_UNITS; unit++) {
        struct fdc_drive *d = &f->drive[unit];

        if (!d->seek_told)
            continue;
        d->seek_told = false;
        f->result[0] = d->seek_st0;
        f->result[1] = d->track;
        fdc_give_result(dev, 2, false);
        return;
    }
    f->result[0] = ST0_INVALID;
    fdc_give_result(dev, 1, false);
}

/* ---- Status and set-up ----------------------------------------------------------------------- */

static void sense_drive(struct device *dev)
{
    struct i82077 *f = dev->state;
    unsigned unit = cmd(f)[1] & DOR_UNIT;
    struct device_medium medium;

    fdc_medium(dev, unit, &medium);
    f->result[0] = (cmd(f)[1] & 7) | ST3_FIXED;
    if (f->drive[unit].type && !f->drive[unit].track)
        f->result[0] |= ST3_TRACK0;
    if (medium.present && medium.read_only)
        f->result[0] |= ST3_PROTECTED;
    fdc_give_result(dev, 1, false);
}

static void dump_registers(struct device *dev)
{
    struct i82077 *f = dev->state;

    for (unsigned unit = 0; unit < FDC_UNITS; unit++)
        f->result[unit] = f->drive[unit].track;
    f->result[4] = f->specify[0];
    f->result[5] = f->specify[1];
    f->result[6] = f->x.eot;
    f->result[7] = f->lock << 7 | (f->perpendicular & 0x7f);
    f->result[8] = f->configure;
    f->result[9] = f->precompensation;
    fdc_give_result(dev, 10, false);
}

/* The bits of drives D0 to D3 are written only with OW. */
static void set_perpendicular(struct device *dev)
{
    struct i82077 *f = dev->state;
    uint8_t value = cmd(f)[1];

    f->perpendicular = value & 0x80 ? value & 0x3f : (f->perpendicular & 0x3c) | (value & 3);
    fdc_give_result(dev, 0, false);
}

static void give_byte(struct device *dev, uint8_t byte)
{
    struct i82077 *f = dev->state;

    f->result[0] = byte;
    fdc_give_result(dev, 1, false);
}

/* The first sector that comes by. Which one that is, is a matter of time. */
static void read_id(struct device *dev)
{
    struct i82077 *f = dev->state;
    unsigned unit = cmd(f)[1] & DOR_UNIT, head = cmd(f)[1] >> 2 & 1;
    struct device_medium medium;
    const struct floppy_format *format = fdc_medium(dev, unit, &medium);
    unsigned cylinder = format ? fdc_cylinder(f, unit, format) : 255;

    f->result[0] = cmd(f)[1] & 7;
    if (!format || head >= format->heads || cylinder == 255 || !fdc_is_readable(f, format, cmd(f)[0] & MFM)) {
        f->result[0] |= ST0_ABNORMAL;
        f->result[1] = ST1_NO_MARK;
    } else {
        f->result[3] = cylinder;
        f->result[4] = head;
        f->result[5] = 1 + device_now(dev) / 10000000 % format->sectors;
        f->result[6] = 2;
    }
    fdc_give_result_later(dev, 7);
}

/* ---- The command set ------------------------------------------------------------------------- */

static void specify(struct device *dev)
{
    struct i82077 *f = dev->state;

    f->specify[0] = cmd(f)[1];
    f->specify[1] = cmd(f)[2];
    fdc_give_result(dev, 0, false);
}

static void configure(struct device *dev)
{
    struct i82077 *f = dev->state;

    f->configure = cmd(f)[2] & 0x7f;
    f->precompensation = cmd(f)[3];
    fdc_give_result(dev, 0, false);
}

static void seek(struct device *dev)
{
    struct i82077 *f = dev->state;

    begin_seek(dev, cmd(f)[2], ST0_SEEK_END);
}

static void lock(struct device *dev)
{
    struct i82077 *f = dev->state;

    f->lock = cmd(f)[0] & MT;
    give_byte(dev, f->lock << 4);
}

static void version(struct device *dev)
{
    give_byte(dev, VERSION_ENHANCED);
}

static void part_id(struct device *dev)
{
    give_byte(dev, PART_ID);
}

static void invalid(struct device *dev)
{
    give_byte(dev, ST0_INVALID);
}

static void read_data(struct device *dev)
{
    fdc_begin_data(dev, FDC_READ);
}

static void write_data(struct device *dev)
{
    fdc_begin_data(dev, FDC_WRITE);
}

static void verify(struct device *dev)
{
    fdc_begin_data(dev, FDC_VERIFY);
}

static void scan(struct device *dev)
{
    fdc_begin_data(dev, FDC_SCAN);
}

static void format_track(struct device *dev)
{
    fdc_begin_data(dev, FDC_FORMAT);
}

/* `mask` has the bits that make out a command; the others are its flags. */
static const struct {
    uint8_t mask, code, length;
    void (*execute)(struct device *dev);
} commands[] = {
    { 0xbf, 0x02, 9, read_data }, /* READ TRACK */
    { 0xff, 0x03, 3, specify },
    { 0xff, 0x04, 2, sense_drive },
    { 0x3f, 0x05, 9, write_data },
    { 0x1f, 0x06, 9, read_data },
    { 0xff, 0x07, 2, recalibrate },
    { 0xff, 0x08, 1, sense_interrupt },
    { 0x3f, 0x09, 9, write_data }, /* deleted */
    { 0xbf, 0x0a, 2, read_id },
    { 0x1f, 0x0c, 9, read_data }, /* deleted */
    { 0xbf, 0x0d, 6, format_track },
    { 0xff, 0x0e, 1, dump_registers },
    { 0xff, 0x0f, 3, seek },
    { 0xff, 0x10, 1, version },
    { 0x1f, 0x11, 9, scan }, /* equal */
    { 0xff, 0x12, 2, set_perpendicular },
    { 0xff, 0x13, 4, configure },
    { 0x7f, 0x14, 1, lock },
    { 0x1f, 0x16, 9, verify },
    { 0xff, 0x18, 1, part_id },
    { 0x1f, 0x19, 9, scan }, /* low or equal */
    { 0x1f, 0x1d, 9, scan }, /* high or equal */
    { 0xbf, 0x8f, 3, relative_seek },
};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static unsigned find(uint8_t code)
{
    for (unsigned i = 0; i < COMMANDS; i++) {
        if ((code & commands[i].mask) == commands[i].code)
            return i;
    }
    return COMMANDS;
}

unsigned fdc_command_length(uint8_t code)
{
    unsigned i = find(code);

    return i < COMMANDS ? commands[i].length : 1;
}

void fdc_execute(struct device *dev)
{
    struct i82077 *f = dev->state;
    unsigned i = find(cmd(f)[0]);

    if (i < COMMANDS)
        commands[i].execute(dev);
    else
        invalid(dev);
}
