/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Bytes of an image, or of what was written over it. Everything here may wait, but medium_read_now().
 */
#include "medium_private.h"

#include "file_io.h"
#include "image_file.h"

#include <errno.h>
#include <string.h>

/* ---- The image ------------------------------------------------------------------------------- */

/* Behind its end an image of a floppy reads as zeros, and takes nothing. */
static int read_image(struct medium *m, uint64_t offset, uint8_t *data, uint32_t size, uint32_t *done)
{
    uint32_t held = offset < m->held ? (uint32_t)MIN((uint64_t)size, m->held - offset) : 0;
    int err = held ? m->source->type->read(m->source, offset, data, held, done) : 0;
    if (err)
        return err;
    memset(data + held, 0, size - held);
    *done += size - held;
    return 0;
}

static bool is_outside(const struct medium *m, uint64_t offset, uint32_t size)
{
    return offset + size > m->held;
}

/* ---- With an overlay: one thread at a time --------------------------------------------------- */

/* How many bytes of it are at the same place; is it the overlay? */
static bool is_written(const struct medium *m, uint64_t offset, uint32_t size, uint32_t *run)
{
    bool written = false;
    *run = m->overlay ? overlay_run(m->overlay, offset, size, &written) : size;
    return written;
}

int medium_read(struct medium *m, uint64_t offset, uint8_t *data, uint32_t size, uint32_t *done)
{
    int err = 0;
    *done = 0;
    while (*done < size && !err) {
        uint32_t run, at = *done;
        if (is_written(m, offset + at, size - at, &run))
            err = file_read(overlay_fd(m->overlay), offset + at, data + at, run, done);
        else
            err = read_image(m, offset + at, data + at, run, done);
    }
    return err;
}

static bool read_source_now(struct medium *m, uint64_t offset, uint8_t *data, uint32_t size)
{
    const struct source_type *type = m->source->type;
    return type->read_now && !is_outside(m, offset, size) && type->read_now(m->source, offset, data, size);
}

bool medium_read_now(struct medium *m, uint64_t offset, uint8_t *data, uint32_t size)
{
    bool ok = true;
    for (uint32_t at = 0, run; at < size && ok; at += run) {
        if (is_written(m, offset + at, size - at, &run))
            ok = file_read_now(overlay_fd(m->overlay), offset + at, data + at, run) == (int)run;
        else
            ok = read_source_now(m, offset + at, data + at, run);
    }
    return ok;
}

/* A cluster of which only a part is written gets the rest from the image. */
static int complete_cluster(struct medium *m, uint64_t offset)
{
    uint8_t cluster[OVERLAY_CLUSTER];
    uint64_t start = offset / OVERLAY_CLUSTER * OVERLAY_CLUSTER;
    uint32_t size = (uint32_t)MIN((uint64_t)OVERLAY_CLUSTER, m->size - start), done = 0, run;
    if (start == offset || is_written(m, start, 1, &run))
        return 0;
    int err = read_image(m, start, cluster, size, &done);
    done = 0;
    return err ? err : file_write(overlay_fd(m->overlay), start, cluster, size, &done);
}

/* Those at both ends that are written in part. */
static int complete_clusters(struct medium *m, uint64_t offset, uint32_t size)
{
    uint64_t end = offset + size;
    int err = complete_cluster(m, offset);
    /* The last one, unless it is the first one as well: that is there already. */
    if (!err && end < m->size && end % OVERLAY_CLUSTER) {
        bool same = (end - 1) / OVERLAY_CLUSTER == offset / OVERLAY_CLUSTER && offset % OVERLAY_CLUSTER;
        err = same ? 0 : complete_cluster(m, end);
    }
    return err;
}

static int write_overlay(struct medium *m, uint64_t offset, const uint8_t *data, uint32_t size,
                         uint32_t *done)
{
    int err = complete_clusters(m, offset, size);
    if (!err)
        err = file_write(overlay_fd(m->overlay), offset, data, size, done);
    if (!err)
        overlay_mark(m->overlay, offset, size);
    return err;
}

static int zero_overlay(struct medium *m, uint64_t offset, uint32_t size)
{
    int err = complete_clusters(m, offset, size);
    if (!err)
        err = file_zero(overlay_fd(m->overlay), offset, size, true);
    if (!err)
        overlay_mark(m->overlay, offset, size);
    return err;
}

/* ---- To the image ---------------------------------------------------------------------------- */

/*
 * A guest that writes the beginning of a qcow2 image to its raw disk would have it opened as such the next
 * time, and read the files of the host that it names there. Who wants that says what the image is.
 */
static bool is_forbidden(struct medium *m, uint64_t offset, const uint8_t *data, uint32_t size)
{
    if (!m->guarded || (offset && offset + size < m->source->size))
        return false;
    enum image_format format = image_format_of_bytes(m->source->size, offset, data, size);
    if (format == IMAGE_RAW)
        return false;
    if (!(g_atomic_int_or(&m->told, MEDIUM_TOLD_GUARDED) & MEDIUM_TOLD_GUARDED))
        g_printerr("duplex86: the guest tries to make a %s image of the disk in the raw image '%s': add "
                   "',format=raw' to the image's name to let it\n",
                   image_format_name(format), m->path);
    return true;
}

int medium_write(struct medium *m, uint64_t offset, const uint8_t *data, uint32_t size, uint32_t *done)
{
    *done = 0;
    if (m->read_only)
        return EROFS;
    if (m->overlay)
        return write_overlay(m, offset, data, size, done);
    if (is_outside(m, offset, size))
        return ENOSPC;
    if (is_forbidden(m, offset, data, size))
        return EPERM;
    return m->source->type->write(m->source, offset, data, size, done);
}

int medium_zero(struct medium *m, uint64_t offset, uint32_t size, bool discard)
{
    if (m->read_only)
        return EROFS;
    if (m->overlay)
        return discard ? 0 : zero_overlay(m, offset, size);
    if (is_outside(m, offset, size))
        return ENOSPC;
    return m->source->type->zero(m->source, offset, size, discard);
}

/* What nobody is to have afterwards needs no disk. */
int medium_flush(struct medium *m)
{
    return m->overlay || m->read_only ? 0 : m->source->type->flush(m->source);
}
