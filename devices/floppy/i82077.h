/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The floppy controller from inside. Registers and the phases of a command are in i82077.c, commands that
 * move no data in i82077_control.c, the others in i82077_data.c. Intel 82077AA datasheet.
 */
#pragma once

#include "devices/chips.h"
#include "floppy_format.h"

enum {
    FDC_UNITS = 4, /* what commands can name; drives are I82077_UNITS */
    FDC_BYTES = 16,

    /* ST0 */
    ST0_ABNORMAL = 1 << 6,
    ST0_INVALID = 2 << 6,
    ST0_POLLING = 3 << 6, /* the state of a drive changed: after a reset */
    ST0_SEEK_END = 1 << 5,
    ST0_EQUIPMENT = 1 << 4,
    /* ST1 */
    ST1_END = 1 << 7, /* of the cylinder */
    ST1_DATA = 1 << 5,
    ST1_NO_DATA = 1 << 2,
    ST1_NOT_WRITABLE = 1 << 1,
    ST1_NO_MARK = 1 << 0,
    /* ST2 */
    ST2_CONTROL = 1 << 6,
    ST2_DATA = 1 << 5,
    ST2_WRONG_CYLINDER = 1 << 4,
    ST2_SCAN_EQUAL = 1 << 3,
    ST2_SCAN_FAILED = 1 << 2,

    DOR_UNIT = 3,
    DOR_NO_RESET = 1 << 2,
    DOR_DMA = 1 << 3, /* lets interrupt and DMA request through */
};

enum fdc_phase { FDC_IDLE, FDC_COMMAND, FDC_EXECUTION, FDC_RESULT };

/* What a data command does with sectors. */
enum fdc_work { FDC_READ, FDC_WRITE, FDC_VERIFY, FDC_SCAN, FDC_FORMAT };

/* What it waits for. */
enum fdc_wait {
    FDC_NOTHING,
    FDC_MEDIUM,  /* a transfer */
    FDC_TO_HOST, /* the host takes bytes of `buffer` */
    FDC_FROM_HOST,
};

struct fdc_execution {
    uint8_t work, wait;
    uint8_t unit, head;   /* as the command has them */
    uint8_t c, h, r, eot; /* of the next sector */
    uint8_t step;         /* SCAN: from sector to sector */
    uint8_t code;         /* of the command */
    bool multi_track, deleted, skip;
    bool whole_track; /* READ TRACK: sectors as they come */
    bool mismatch;    /* ... and one had another number */
    bool counted;     /* VERIFY: ends after `left` sectors */
    uint8_t left;     /* VERIFY: sectors; FORMAT: those not written yet */
    uint8_t filler;
    bool terminal;     /* the DMA controller has said that this is all */
    bool failed;       /* the medium */
    bool equal, fits;  /* SCAN: all bytes of this sector so far */
    uint8_t sectors;   /* in `buffer` */
    uint32_t at, have; /* bytes of it */
    uint32_t tag;
};

struct fdc_drive {
    uint8_t track;
    uint8_t type; /* in CMOS RAM; 0: there is none */
    bool changed; /* the change line */
    bool seeking;
    uint8_t target; /* track */
    uint8_t seek_st0;
    bool seek_told; /* its end waits for SENSE INTERRUPT STATUS */
};

struct i82077 {
    uint8_t dor, tdr, dsr, rate;
    uint8_t phase;
    uint8_t command[FDC_BYTES], result[FDC_BYTES];
    uint8_t count, length; /* bytes of command or result there have been, and will be */
    bool interrupt;
    uint8_t reset_senses; /* drives whose change of state by a reset has not been sensed */
    bool reset_due;       /* the interrupt of a reset, at the deadline */
    bool result_due;      /* a command that moves no data is over, at the deadline */
    uint8_t specify[2], configure, precompensation, perpendicular;
    bool lock;
    struct fdc_drive drive[FDC_UNITS];
    struct fdc_execution x;
    uint8_t buffer[FLOPPY_SECTORS_MAX * FLOPPY_SECTOR];
    uint8_t scan[FLOPPY_SECTOR];
};

/* ---- i82077.c --------------------------------------------------------------------------------- */

void fdc_set_interrupt(struct device *dev, bool level);
/* The command is over, with `length` bytes of result in place. */
void fdc_give_result(struct device *dev, unsigned length, bool interrupt);
/* ... but a while from now, as if the disk had to turn first. */
void fdc_give_result_later(struct device *dev, unsigned length);
/* The medium in the drive, and what format it has; NULL: there is none, or none that could be read. */
const struct floppy_format *fdc_medium(struct device *dev, unsigned unit, struct device_medium *medium);
/* Which of the medium's cylinders is below the heads; 255: none. */
unsigned fdc_cylinder(const struct i82077 *f, unsigned unit, const struct floppy_format *format);
/* Can this medium be read at the rate that is set, in that encoding? */
bool fdc_is_readable(const struct i82077 *f, const struct floppy_format *format, bool mfm);

/* ---- i82077_control.c ------------------------------------------------------------------------- */

/* Carry out the command in place. */
void fdc_execute(struct device *dev);
/* How many bytes a command has, with its code. */
unsigned fdc_command_length(uint8_t code);
/* Seeks under way have arrived. */
void fdc_end_seeks(struct device *dev);

/* ---- i82077_data.c ---------------------------------------------------------------------------- */

/* `work` with the command in place. */
void fdc_begin_data(struct device *dev, enum fdc_work work);
/* The host can take or give bytes now: by DMA, or not at all. */
void fdc_go_on(struct device *dev);
/* The host read or wrote the data register in the execution phase, without DMA. */
uint8_t fdc_take_byte(struct device *dev);
void fdc_put_byte(struct device *dev, uint8_t byte);
void fdc_transferred(struct device *dev, unsigned unit, const struct device_transferred *result);
static inline bool fdc_uses_dma(const struct i82077 *f)
{
    return !(f->specify[1] & 1);
}
