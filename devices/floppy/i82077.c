/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * 82077AA floppy controller, as the AT has it: registers, the phases of a command, interrupt, and what the
 * drives' cables tell. Nothing turns: data goes as fast as the medium gives it, and seeks take a fixed, short
 * time. Intel 82077AA datasheet, "Registers", "Controller Phases".
 */
#include "i82077.h"

#include <string.h>

enum {
    DOR = 2, /* offsets */
    TDR = 3,
    STATUS = 4, /* write: DSR */
    FIFO = 5,

    STATUS_BUSY = 1 << 4,
    STATUS_NON_DMA = 1 << 5,
    STATUS_TO_HOST = 1 << 6,
    STATUS_READY = 1 << 7,
    DSR_RESET = 1 << 7,
    DSR_RATE = 3,
    DIR_CHANGED = 1 << 7,
};

#define RESET_NS  50000
#define RESULT_NS 20000

static const struct device_event event_command = { "i82077_command", { "code", "unit", "length" } };
static const struct device_event event_result = { "i82077_result", { "st0", "st1", "st2" } };
static const struct device_event event_dor = { "i82077_dor", { "value" } };

/* ---- Interrupt and time ---------------------------------------------------------------------- */

static void drive_line(struct device *dev)
{
    const struct i82077 *f = dev->state;

    device_set_line(dev, I82077_LINE_IRQ, f->interrupt && f->dor & DOR_DMA);
}

void fdc_set_interrupt(struct device *dev, bool level)
{
    struct i82077 *f = dev->state;

    f->interrupt = level;
    drive_line(dev);
}

void fdc_give_result(struct device *dev, unsigned length, bool interrupt)
{
    struct i82077 *f = dev->state;

    device_trace(dev, &event_result, f->result[0], f->result[1], f->result[2]);
    f->phase = length ? FDC_RESULT : FDC_IDLE;
    f->count = 0;
    f->length = length;
    f->x.wait = FDC_NOTHING;
    if (interrupt)
        fdc_set_interrupt(dev, true);
}

void fdc_give_result_later(struct device *dev, unsigned length)
{
    struct i82077 *f = dev->state;

    f->length = length;
    f->result_due = true;
    device_set_deadline(dev, device_now(dev) + RESULT_NS);
}

static void i82077_timer(struct device *dev)
{
    struct i82077 *f = dev->state;

    if (f->result_due) {
        f->result_due = false;
        fdc_give_result(dev, f->length, true);
    }
    if (f->reset_due) {
        f->reset_due = false;
        f->reset_senses = FDC_UNITS;
        fdc_set_interrupt(dev, true);
    }
    fdc_end_seeks(dev);
}

/* ---- Media ----------------------------------------------------------------------------------- */

const struct floppy_format *fdc_medium(struct device *dev, unsigned unit, struct device_medium *medium)
{
    *medium = (struct device_medium){ .drive = DEVICE_DRIVE_NONE };
    if (unit < I82077_UNITS)
        device_medium(dev, unit, medium);
    return medium->drive == DEVICE_DRIVE_FLOPPY && medium->present ? floppy_format(medium->size) : NULL;
}

/* Drives of 80 tracks step twice from each of 40 to the next. */
unsigned fdc_cylinder(const struct i82077 *f, unsigned unit, const struct floppy_format *format)
{
    unsigned track = f->drive[unit].track;
    bool twice = format->tracks <= 42 && f->drive[unit].type != FLOPPY_360K;

    if (twice && track & 1)
        return 255;
    track >>= twice;
    return track < format->tracks ? track : 255;
}

/* Disks of 40 tracks turn faster in the drives for 1.2M, and come at 300 kbit/s. */
bool fdc_is_readable(const struct i82077 *f, const struct floppy_format *format, bool mfm)
{
    bool faster = format->tracks <= 42 && f->rate == 1;

    return mfm && (f->rate == format->rate || faster);
}

static void i82077_medium_changed(struct device *dev, unsigned unit)
{
    struct i82077 *f = dev->state;

    if (unit < I82077_UNITS)
        f->drive[unit].changed = true;
}

/* ---- Registers ------------------------------------------------------------------------------- */

/* What a reset by DOR, DSR or the pin has in common ("Reset"). */
static void reset_controller(struct device *dev)
{
    struct i82077 *f = dev->state;

    f->phase = FDC_IDLE;
    f->x.wait = FDC_NOTHING;
    f->x.tag++; /* what is under way means nothing any more */
    f->count = f->length = 0;
    f->result_due = false;
    f->reset_senses = 0;
    if (!f->lock) {
        f->configure = 0;
        f->precompensation = 0;
    }
    f->perpendicular &= 0x7c;
    for (unsigned unit = 0; unit < FDC_UNITS; unit++)
        f->drive[unit].seeking = f->drive[unit].seek_told = false;
    fdc_set_interrupt(dev, false);
}

static void end_reset(struct device *dev)
{
    struct i82077 *f = dev->state;

    f->reset_due = true;
    device_set_deadline(dev, device_now(dev) + RESET_NS);
}

static void write_dor(struct device *dev, uint8_t value)
{
    struct i82077 *f = dev->state;
    uint8_t old = f->dor;

    device_trace(dev, &event_dor, value, 0, 0);
    f->dor = value;
    drive_line(dev);
    if (!(value & DOR_NO_RESET)) {
        reset_controller(dev);
        f->reset_due = false;
    } else if (!(old & DOR_NO_RESET)) {
        end_reset(dev);
    } else {
        fdc_go_on(dev);
    }
}

static void write_dsr(struct device *dev, uint8_t value)
{
    struct i82077 *f = dev->state;

    f->dsr = value & ~DSR_RESET;
    f->rate = value & DSR_RATE;
    if (value & DSR_RESET && f->dor & DOR_NO_RESET) {
        reset_controller(dev);
        end_reset(dev);
    }
}

static uint8_t status(const struct i82077 *f)
{
    uint8_t value = f->phase == FDC_IDLE ? 0 : STATUS_BUSY;
    bool to_host = f->x.wait == FDC_TO_HOST, from_host = f->x.wait == FDC_FROM_HOST;

    if (!(f->dor & DOR_NO_RESET) || f->reset_due)
        return 0;
    for (unsigned unit = 0; unit < FDC_UNITS; unit++)
        value |= f->drive[unit].seeking << unit;
    switch (f->phase) {
    case FDC_EXECUTION:
        if (fdc_uses_dma(f) || (!to_host && !from_host))
            return value;
        return value | STATUS_NON_DMA | STATUS_READY | (to_host ? STATUS_TO_HOST : 0);
    case FDC_RESULT:
        return value | STATUS_READY | STATUS_TO_HOST;
    default:
        return value | STATUS_READY;
    }
}

static uint8_t read_fifo(struct device *dev)
{
    struct i82077 *f = dev->state;
    uint8_t value;

    if (f->phase == FDC_EXECUTION)
        return fdc_take_byte(dev);
    if (f->phase != FDC_RESULT)
        return 0;
    if (f->count == 0)
        fdc_set_interrupt(dev, false);
    value = f->result[f->count++ % FDC_BYTES];
    if (f->count >= f->length)
        f->phase = FDC_IDLE;
    return value;
}

static void write_fifo(struct device *dev, uint8_t value)
{
    struct i82077 *f = dev->state;

    if (!(f->dor & DOR_NO_RESET) || f->phase == FDC_RESULT)
        return;
    if (f->phase == FDC_EXECUTION) {
        fdc_put_byte(dev, value);
        return;
    }
    if (f->phase == FDC_IDLE) {
        f->phase = FDC_COMMAND;
        f->count = 0;
        f->length = fdc_command_length(value);
    }
    f->command[f->count++ % FDC_BYTES] = value;
    if (f->count < f->length)
        return;
    device_trace(dev, &event_command, f->command[0], f->command[1] & DOR_UNIT, f->length);
    f->phase = FDC_EXECUTION;
    memset(f->result, 0, sizeof(f->result));
    fdc_execute(dev);
}

static uint32_t i82077_read(struct device *dev, uint32_t offset, unsigned size)
{
    const struct i82077 *f = dev->state;

    (void)size;
    switch (offset) {
    case DOR:
        return f->dor;
    case TDR:
        return f->tdr;
    case STATUS:
        return status(f);
    case FIFO:
        return read_fifo(dev);
    default: /* status registers A and B are the PS/2's */
        return 0xff;
    }
}

static void i82077_write(struct device *dev, uint32_t offset, unsigned size, uint32_t value)
{
    struct i82077 *f = dev->state;

    (void)size;
    if (offset == DOR)
        write_dor(dev, value);
    else if (offset == TDR)
        f->tdr = value & 3;
    else if (offset == STATUS)
        write_dsr(dev, value);
    else if (offset == FIFO)
        write_fifo(dev, value);
}

/* The change line of the drive whose motor turns. The other bits belong to the disk controller. */
static uint32_t dir_read(struct device *dev, uint32_t offset, unsigned size)
{
    const struct i82077 *f = dev->state;
    unsigned unit = f->dor & DOR_UNIT;

    (void)offset, (void)size;
    return f->dor >> (4 + unit) & 1 && f->drive[unit].type && f->drive[unit].changed ? DIR_CHANGED : 0;
}

static void ccr_write(struct device *dev, uint32_t offset, unsigned size, uint32_t value)
{
    struct i82077 *f = dev->state;

    (void)offset, (void)size;
    f->rate = value & DSR_RATE;
}

/* ---- Life ------------------------------------------------------------------------------------ */

static void i82077_reset(struct device *dev)
{
    struct i82077 *f = dev->state;

    f->lock = false;
    f->dor = f->tdr = 0;
    f->dsr = 0x02;
    f->rate = 2;
    f->perpendicular = 0;
    f->reset_due = false;
    memset(f->specify, 0, sizeof(f->specify));
    reset_controller(dev);
}

/* A drive is what its medium is for, or the most common one. */
static void i82077_power_on(struct device *dev)
{
    struct i82077 *f = dev->state;

    for (unsigned unit = 0; unit < I82077_UNITS; unit++) {
        struct device_medium medium;
        const struct floppy_format *format = fdc_medium(dev, unit, &medium);

        f->drive[unit].type = medium.drive != DEVICE_DRIVE_FLOPPY ? 0 : format ? format->drive : FLOPPY_1440K;
        f->drive[unit].changed = true;
    }
}

const struct device_type i82077_device = {
    .name = "i82077",
    .state_size = sizeof(struct i82077),
    .ports = { { .count = 6, .read = i82077_read, .write = i82077_write },
               { .count = 1, .read = dir_read, .write = ccr_write } },
    .line_count = 1,
    .power_on = i82077_power_on,
    .reset = i82077_reset,
    .timer = i82077_timer,
    .channel_open = fdc_go_on,
    .transferred = fdc_transferred,
    .medium_changed = i82077_medium_changed,
};
