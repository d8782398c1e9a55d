/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An open image from inside.
 */
#pragma once

#include "medium.h"
#include "overlay.h"
#include "source.h"

enum { MEDIUM_TOLD_GUARDED = 1 << 16 };

struct medium {
    gatomicrefcount references;
    char *path;
    struct source *source;
    uint64_t size; /* of whole sectors */
    uint64_t held; /* of these in the image: a floppy's can be cut off behind what was written to it */
    bool read_only;
    bool is_file;            /* the image is the file of that name, byte by byte */
    bool guarded;            /* what kind of image this is was found by its bytes, which are to stay so */
    struct overlay *overlay; /* NULL: what is written goes to the image */

    GMutex lock;       /* of the following */
    GQueue pending;    /* transfers, in the order they were begun */
    GThreadPool *pool; /* NULL: not yet */

    guint told; /* of errors: bit n for enum device_transfer, and the above; changed atomically */
};

/* Bytes to or from the image or overlay at `offset`; 0 or an errno value. `done` counts what was moved. */
int medium_read(struct medium *medium, uint64_t offset, uint8_t *data, uint32_t size, uint32_t *done);
int medium_write(struct medium *medium, uint64_t offset, const uint8_t *data, uint32_t size, uint32_t *done);
/* Zeros; or with `discard` anything. */
int medium_zero(struct medium *medium, uint64_t offset, uint32_t size, bool discard);
/* All that was written is on the host's disk when this returns 0. */
int medium_flush(struct medium *medium);
/* Read without waiting. False: that cannot be done, or not for all of it. */
bool medium_read_now(struct medium *medium, uint64_t offset, uint8_t *data, uint32_t size);
