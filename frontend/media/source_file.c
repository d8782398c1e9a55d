/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A raw image: the bytes of the file are those of the medium.
 */
#include "source.h"

#include "error.h"
#include "file_io.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

struct file_source {
    struct source source;
    int fd;
    bool waits; /* reads cannot be asked not to wait, on this file system */
};

static struct file_source *file_of(struct source *source)
{
    return (struct file_source *)source;
}

static int read_file(struct source *s, uint64_t offset, uint8_t *data, uint32_t size, uint32_t *done)
{
    return file_read(file_of(s)->fd, offset, data, size, done);
}

static int write_file(struct source *s, uint64_t offset, const uint8_t *data, uint32_t size, uint32_t *done)
{
    return file_write(file_of(s)->fd, offset, data, size, done);
}

static int zero_file(struct source *s, uint64_t offset, uint32_t size, bool discard)
{
    return file_zero(file_of(s)->fd, offset, size, discard);
}

static int flush_file(struct source *s)
{
    return fdatasync(file_of(s)->fd) < 0 ? errno : 0;
}

static bool read_file_now(struct source *s, uint64_t offset, uint8_t *data, uint32_t size)
{
    struct file_source *file = file_of(s);
    if (file->waits)
        return false;
    int n = file_read_now(file->fd, offset, data, size);
    if (n < 0 && errno == EOPNOTSUPP)
        file->waits = true;
    return n == (int)size;
}

static void close_file(struct source *s)
{
    close(file_of(s)->fd);
    g_free(s);
}

static const struct source_type file_source = {
    .read = read_file,
    .write = write_file,
    .zero = zero_file,
    .flush = flush_file,
    .read_now = read_file_now,
    .close = close_file,
};

static gboolean find_size(int fd, const char *path, uint64_t *size, GError **error)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return fail_errno(error, errno, NULL, "cannot open the image '%s'", path);
    if (S_ISDIR(st.st_mode))
        return fail_errno(error, EISDIR, NULL, "cannot open the image '%s'", path);
    if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
        return fail_with(error, FRONTEND_ERROR_IMAGE, "the image '%s' is no file and no block device", path);
    off_t end = lseek(fd, 0, SEEK_END);
    if (end < 0)
        return fail_errno(error, errno, NULL, "cannot find the size of the image '%s'", path);
    *size = (uint64_t)end;
    return TRUE;
}

struct source *source_of_file(int fd, const char *path, bool read_only, GError **error)
{
    uint64_t size = 0;
    if (!find_size(fd, path, &size, error)) {
        close(fd);
        return NULL;
    }
    struct file_source *file = g_new0(struct file_source, 1);
    file->source = (struct source){ .type = &file_source, .size = size, .read_only = read_only };
    file->fd = fd;
    return &file->source;
}
