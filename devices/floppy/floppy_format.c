/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Formats of floppies: those of the PC's BIOS and DOS, and those with more sectors or tracks that were in
 * use. IBM PC/AT Technical Reference, "Diskette"; Intel 82077AA datasheet, "Data Rates".
 */
#include "floppy_format.h"

#include <stddef.h>

static const struct floppy_format formats[] = {
    { 40, 1, 8, 2, FLOPPY_360K },   /* 160K */
    { 40, 1, 9, 2, FLOPPY_360K },   /* 180K */
    { 40, 2, 8, 2, FLOPPY_360K },   /* 320K */
    { 40, 2, 9, 2, FLOPPY_360K },   /* 360K */
    { 80, 2, 9, 2, FLOPPY_720K },   /* 720K */
    { 80, 2, 15, 0, FLOPPY_1200K }, /* 1.2M */
    { 80, 2, 18, 0, FLOPPY_1440K }, /* 1.44M */
    { 80, 2, 21, 0, FLOPPY_1440K }, /* 1.68M, DMF */
    { 82, 2, 21, 0, FLOPPY_1440K }, /* 1.72M */
    { 83, 2, 21, 0, FLOPPY_1440K }, /* 1.74M */
    { 80, 2, 36, 3, FLOPPY_2880K }, /* 2.88M */
    { 40, 1, 10, 2, FLOPPY_360K },  { 40, 2, 10, 2, FLOPPY_360K },  { 80, 2, 10, 2, FLOPPY_720K },
    { 82, 2, 10, 2, FLOPPY_720K },  { 80, 1, 9, 2, FLOPPY_720K },   { 82, 2, 18, 0, FLOPPY_1440K },
    { 83, 2, 18, 0, FLOPPY_1440K }, { 80, 2, 20, 0, FLOPPY_1440K },
};

const struct floppy_format *floppy_format(uint64_t size)
{
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        const struct floppy_format *f = &formats[i];

        if (size == (uint64_t)f->tracks * f->heads * f->sectors * FLOPPY_SECTOR)
            return f;
    }
    return NULL;
}

uint64_t floppy_size(uint64_t size)
{
    static const uint32_t common[] = { 1440 * 1024, 2880 * 1024 };

    if (floppy_format(size))
        return size;
    for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++) {
        if (size <= common[i])
            return common[i];
    }
    return 0;
}
