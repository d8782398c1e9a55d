/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * pread(), pwrite() and fallocate(), until all is done.
 */
#include "file_io.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/uio.h>
#include <unistd.h>

int file_read(int fd, uint64_t offset, uint8_t *data, uint32_t size, uint32_t *done)
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

int file_write(int fd, uint64_t offset, const uint8_t *data, uint32_t size, uint32_t *done)
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

static int write_zeros(int fd, uint64_t offset, uint32_t size)
{
    static const uint8_t zeros[65536];
    int err = 0;
    while (size && !err) {
        uint32_t n = size < sizeof zeros ? size : sizeof zeros, done = 0;
        err = file_write(fd, offset, zeros, n, &done);
        offset += n;
        size -= n;
    }
    return err;
}

int file_zero(int fd, uint64_t offset, uint32_t size, bool discard)
{
    int how = discard ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE, result;
    do
        result = fallocate(fd, how | FALLOC_FL_KEEP_SIZE, (off_t)offset, size);
    while (result < 0 && errno == EINTR);
    if (!result)
        return 0;
    /* Not every file system can do that. */
    return errno == EOPNOTSUPP || errno == ENOSYS ? write_zeros(fd, offset, size) : errno;
}

int file_read_now(int fd, uint64_t offset, uint8_t *data, uint32_t size)
{
    struct iovec vector = { data, size };
    return (int)preadv2(fd, &vector, 1, (off_t)offset, RWF_NOWAIT);
}
