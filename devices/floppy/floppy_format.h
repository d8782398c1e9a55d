/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The formats of floppies of which there are images, known by their size, and the drives they are for. All
 * have sectors of 512 bytes in MFM.
 */
#pragma once

#include <stdint.h>

/* Types of drives, by their numbers in CMOS RAM. */
enum { FLOPPY_360K = 1, FLOPPY_1200K, FLOPPY_720K, FLOPPY_1440K, FLOPPY_2880K };

enum { FLOPPY_SECTOR = 512, FLOPPY_SECTORS_MAX = 36 };

struct floppy_format {
    uint8_t tracks, heads, sectors;
    uint8_t rate;  /* data rate select of CCR and DSR: 0 500, 1 300, 2 250, 3 1000 kbit/s */
    uint8_t drive; /* the drive it is made for */
};

/* NULL: there is no such format. */
const struct floppy_format *floppy_format(uint64_t size);
/* The size of the floppy on which `size` bytes were put: that of their format, or if they have none, of the
   least of 1.44M and 2.88M that holds them. 0: neither does. */
uint64_t floppy_size(uint64_t size);
