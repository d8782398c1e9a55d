/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Bytes of an image, or of what was written over it. Everything here may wait, but medium_read_now().
 */
#include "medium_private.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/* ---- One file ---- */

/* The end of the file, which was longer before, is an error like others. */
static int read_file(int fd, uint64_t offset, uint8_t *data, uint32_t size, uint32_t *done)
{
    uint32_t end = *done + size;
    while (*done < end) {
        ssize_t n = pread(fd, data, end - *done, (off_t)offset);
        if (n == 0)
            return EIO;
        if (n < 0 && errno != EINTR)
            return errno;
        if (n > 0) {
            *done += (uint32_t)n;
            data += n;
            offset += (uint64_t)n;
        }
    }
    return 0;
}

static int write_file(int fd, uint64_t offset, const uint8_t *data, uint32_t size, uint32_t *done)
{
    uint32_t end = *done + size;
    while (*done < end) {
        ssize_t n = pwrite(fd, data, end - *done, (off_t)offset);
        if (n == 0)
            return EIO;
        if (n < 0 && errno != EINTR)
            return errno;
        if (n > 0) {
            *done += (uint32_t)n;
            data += n;
            offset += (uint64_t)n;
        }
    }
    return 0;
}

static int read_now(struct medium *m, int fd, uint64_t offset, uint8_t *data, uint32_t size)
{
    struct iovec vector = { data, size };
    ssize_t n = preadv2(fd, &vector, 1, (off_t)offset, RWF_NOWAIT);
    if (n < 0 && errno == EOPNOTSUPP)
        m->waits = true;
    return n == (ssize_t)size ? 0 : -1;
}

/* ---- With an overlay ---- */

static int place(const struct medium *m, uint64_t offset, uint32_t size, uint32_t *run)
{
    bool written = false;
    *run = m->overlay ? overlay_run(m->overlay, offset, size, &written) : size;
    return written ? overlay_fd(m->overlay) : m->fd;
}

int medium_read(struct medium *m, uint64_t offset, uint8_t *data, uint32_t size, uint32_t *done)
{
    int err = 0;
    *done = 0;
    while (*done < size && !err) {
        uint32_t run, at = *done;
        int fd = place(m, offset + at, size - at, &run);
        err = read_file(fd, offset + at, data + at, run, done);
    }
    return err;
}

bool medium_read_now(struct medium *m, uint64_t offset, uint8_t *data, uint32_t size)
{
    int err = 0;
    for (uint32_t at = 0, run; at < size && !err && !m->waits; at += run) {
        int fd = place(m, offset + at, size - at, &run);
        err = read_now(m, fd, offset + at, data + at, run);
    }
    return !err && !m->waits;
}

/* A cluster of which only a part is written gets the rest from the image. */
static int complete_cluster(struct medium *m, uint64_t offset)
{
    uint8_t cluster[OVERLAY_CLUSTER];
    uint64_t start = offset / OVERLAY_CLUSTER * OVERLAY_CLUSTER;
    uint32_t size = (uint32_t)MIN((uint64_t)OVERLAY_CLUSTER, m->size - start), done = 0, run;
    if (start == offset || place(m, start, 1, &run) != m->fd)
        return 0;
    int err = read_file(m->fd, start, cluster, size, &done);
    done = 0;
    return err ? err : write_file(overlay_fd(m->overlay), start, cluster, size, &done);
}

static int write_overlay(struct medium *m, uint64_t offset, const uint8_t *data, uint32_t size,
                         uint32_t *done)
{
    uint64_t end = offset + size;
    int err = complete_cluster(m, offset);
    /* The last one, unless it is the first one as well: that is there already. */
    if (!err && end < m->size && end % OVERLAY_CLUSTER) {
        bool same = (end - 1) / OVERLAY_CLUSTER == offset / OVERLAY_CLUSTER && offset % OVERLAY_CLUSTER;
        err = same ? 0 : complete_cluster(m, end);
    }
    if (!err)
        err = write_file(overlay_fd(m->overlay), offset, data, size, done);
    if (!err)
        overlay_mark(m->overlay, offset, size);
    return err;
}

int medium_write(struct medium *m, uint64_t offset, const uint8_t *data, uint32_t size, uint32_t *done)
{
    *done = 0;
    if (m->read_only)
        return EROFS;
    return m->overlay ? write_overlay(m, offset, data, size, done)
                      : write_file(m->fd, offset, data, size, done);
}

/* What nobody is to have afterwards needs no disk. */
int medium_flush(struct medium *m)
{
    if (m->overlay || m->read_only)
        return 0;
    return fdatasync(m->fd) < 0 ? errno : 0;
}
