/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Images as media of the guest's drives. A transfer is done by a thread of a pool, or at once where that
 * takes no waiting; so the processor's thread never waits for the host's disk. The pool is GLib's and not
 * io_uring, which many containers forbid, and which makes nothing faster that is in the page cache.
 */
#pragma once

#include "devices/device.h"

#include <glib.h>

struct medium;

struct medium_choice {
    const char *path;
    enum device_drive drive; /* what it goes into; a CD-ROM drive never writes */
    bool read_only;
    bool snapshot;       /* writes go to a temporary file and are forgotten at the end */
    const char *format;  /* "raw", "qcow2"...; NULL: by what is in the file */
    const char *overlay; /* NULL, or the file for what is written, which is made if it is not there */
};

/*
 * Open an image: a regular file, a block device, or what an NBD server has (`path` is its URI). A file is
 * locked as a whole (fcntl(2), F_OFD_SETLK): nobody else may use what is written here, and nobody may write
 * what is read here. What is no whole sector at its end is left alone. NULL: with a sentence. This may take
 * some seconds.
 */
struct medium *medium_open(const struct medium_choice *choice, GError **error);
/* The last transfer under way keeps it. NULL is allowed. May wait until a server has written all. */
void medium_unref(struct medium *medium);
/* The name it was opened by. */
const char *medium_path(const struct medium *medium);
/* All but the kind of drive. NULL: there is no medium. */
void medium_describe(const struct medium *medium, struct device_medium *facts);

/* ---- For snapshots of a machine: with no transfer under way ---- */

/* When the image was last changed, ns since 1970. False: it is no file of which that could be said. */
bool medium_stamp(const struct medium *medium, int64_t *ns);
/* Is what the guest writes kept apart, and forgotten at the end? */
bool medium_has_overlay(const struct medium *medium);
enum { MEDIUM_RUN_MAX = 1 << 20 };
/* Each piece of that which was written, of at most MEDIUM_RUN_MAX bytes. */
typedef void medium_run_fn(void *ctx, uint64_t offset, uint32_t size);
void medium_each_written(const struct medium *medium, medium_run_fn *run, void *ctx);
/* Forget it now. */
gboolean medium_forget_written(struct medium *medium, GError **error);
/* Bytes as the guest has them; 0 or an errno value. */
int medium_read_bytes(struct medium *medium, uint64_t offset, uint8_t *data, uint32_t size);
int medium_write_bytes(struct medium *medium, uint64_t offset, const uint8_t *data, uint32_t size);

/* What somebody means who gives an image and does not say: by its contents, or its size. FALSE: the file
   cannot be used at all, or is a kernel. */
gboolean medium_find_drive(const struct medium_choice *choice, enum device_drive *drive, GError **error);

/* ---- Transfers -------------------------------------------------------------------------------------------
 */

struct transfer {
    enum device_transfer what;
    uint64_t offset;
    uint32_t size;                    /* a READ's and a WRITE's is that of `data` */
    struct device_transferred result; /* `data` is this transfer's */

    /* The caller's. `done` is called in a thread of the pool, once; the transfer is the caller's again. */
    void (*done)(struct transfer *transfer);
    void *ctx;
    unsigned drive;

    struct medium *medium;
    GList node;  /* of the medium's */
    bool active; /* a thread has it, or will */
    uint8_t data[];
};

struct transfer *transfer_new(uint32_t size);

/*
 * Do it: after those begun before that concern the same bytes, one of them a write; a flush after all writes
 * begun before. Others go on at the same time, as far as the medium can do that. True: it is over already,
 * and `done` is not called. A host's error is said on stderr, once of each kind.
 */
bool transfer_start(struct medium *medium, struct transfer *transfer);
/* The program ends: what a server does not answer soon shall fail. NULL is allowed. */
void medium_hurry(struct medium *medium);

/* Wait for all transfers under way; there must be no more. */
void transfers_finish(void);
