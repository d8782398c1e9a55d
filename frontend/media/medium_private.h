/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An open image from inside.
 */
#pragma once

#include "medium.h"
#include "overlay.h"

struct medium {
    gatomicrefcount references;
    char *path;
    int fd;
    uint64_t size; /* of whole sectors */
    bool read_only;
    struct overlay *overlay; /* NULL: what is written goes to the image */
    bool waits;              /* reads cannot be asked not to wait, on this file system */

    GMutex lock;    /* of the following */
    GQueue waiting; /* transfers */
    bool working;   /* a thread has this medium */

    unsigned told; /* of errors: bit n for enum device_transfer */
};

/* Bytes to or from the image or overlay at `offset`; 0 or an errno value. `done` counts what was moved. */
int medium_read(struct medium *medium, uint64_t offset, uint8_t *data, uint32_t size, uint32_t *done);
int medium_write(struct medium *medium, uint64_t offset, const uint8_t *data, uint32_t size, uint32_t *done);
/* All that was written is on the host's disk when this returns 0. */
int medium_flush(struct medium *medium);
/* Read without waiting. False: that cannot be done, or not for all of it. */
bool medium_read_now(struct medium *medium, uint64_t offset, uint8_t *data, uint32_t size);
