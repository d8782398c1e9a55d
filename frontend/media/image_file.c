/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Locks are those of open file descriptions (fcntl(2), F_OFD_SETLK): other descriptors of this process do not
 * matter to them, and a server that we start keeps the lock for as long as it lives if it inherits ours.
 */
#include "image_file.h"

#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static gboolean cannot_open(const char *path, bool read_only, int err, GError **error)
{
    if ((err == EACCES || err == EROFS) && !read_only && !access(path, R_OK))
        return fail_with(error, FRONTEND_ERROR_IMAGE,
                         "the image '%s' cannot be written: add ',ro' to its name, or ',snapshot' to forget "
                         "what is written",
                         path);
    return fail_errno(error, err, NULL, "cannot open the image '%s'", path);
}

/*
 * QEMU, which writes an image, has no more than read locks on single bytes of it: that on byte 101 means that
 * it may write. (QEMU documentation, "Disk image file locking"; block/file-posix.c)
 */
static bool is_written_by_qemu(int fd)
{
    struct flock byte = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 101, .l_len = 1 };
    return !fcntl(fd, F_OFD_GETLK, &byte) && byte.l_type == F_RDLCK && byte.l_len;
}

/* Another program's lock is respected; that there are file systems without locks is no reason to stop. */
static gboolean lock_image(int fd, const char *path, bool shared, GError **error)
{
    struct flock whole = { .l_type = shared ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET };
    bool written = is_written_by_qemu(fd);
    if (!written && !fcntl(fd, F_OFD_SETLK, &whole))
        return TRUE;
    if (written || errno == EAGAIN || errno == EACCES)
        return fail_with(error, FRONTEND_ERROR_IMAGE,
                         "the image '%s' is in use by another program: end that first, or use a copy", path);
    g_printerr("duplex86: cannot lock the image '%s': %s; nobody else should use it\n", path,
               g_strerror(errno));
    return TRUE;
}

int image_open(const char *path, bool read_only, bool shared, GError **error)
{
    int fd = open(path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        cannot_open(path, read_only, errno, error);
        return -1;
    }
    if (lock_image(fd, path, shared, error))
        return fd;
    close(fd);
    return -1;
}

bool image_is_protected(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0)
        close(fd);
    return fd < 0 && (errno == EACCES || errno == EROFS);
}
