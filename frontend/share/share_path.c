/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Names in folders: by openat2() with RESOLVE_BENEATH where the kernel has it (Linux 5.6) and by openat()
 * where not, which for a single name that is not ".." and no link to be followed is as safe.
 */
#include "share_private.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

bool path_is_name(const char *name)
{
    return *name && strcmp(name, ".") && strcmp(name, "..") && !strchr(name, '/') && strlen(name) <= 255;
}

static int open_beneath(int folder, const char *name, int flags, mode_t mode)
{
    const struct open_how how = {
        .flags = (unsigned)(flags | O_NOFOLLOW | O_CLOEXEC),
        .mode = flags & O_CREAT ? mode : 0,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    if (!path_is_name(name)) {
        errno = ENOENT;
        return -1;
    }
    long fd = syscall(SYS_openat2, folder, name, &how, sizeof how);
    if (fd < 0 && (errno == ENOSYS || errno == EPERM))
        fd = openat(folder, name, flags | O_NOFOLLOW | O_CLOEXEC, mode);
    return (int)fd;
}

int path_look_up(int folder, const char *name)
{
    return open_beneath(folder, name, O_PATH, 0);
}

static bool is_openable(int fd)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return false;
    if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))
        return true;
    errno = S_ISLNK(st.st_mode) ? ELOOP : EOPNOTSUPP;
    return false;
}

/* What is there already may be a FIFO, for which nobody is to wait. */
int path_create(int folder, const char *name, int flags, mode_t mode)
{
    int fd = open_beneath(folder, name, flags | O_CREAT | O_NONBLOCK | O_NOCTTY, mode);
    if (fd >= 0 && !is_openable(fd)) {
        int err = errno;
        close(fd);
        errno = err;
        return -1;
    }
    return fd;
}

void path_name(int path, char name[PATH_NAME_SIZE])
{
    snprintf(name, PATH_NAME_SIZE, "/proc/self/fd/%d", path);
}

int path_reopen(int path, int flags)
{
    char name[PATH_NAME_SIZE];
    if (!is_openable(path))
        return -1;
    path_name(path, name);
    return open(name, flags | O_CLOEXEC | O_NOCTTY);
}
