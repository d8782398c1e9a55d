/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Unix sockets by name. Between the look at what an earlier run may have left and the new file another
 * program could do the same, and one would remove the other's socket: a lock on the directory keeps ours
 * apart. It is not waited for long, since anybody may hold one on /tmp.
 */
#include "unix_socket.h"

#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 4, LOCK_ATTEMPTS = 100, LOCK_PAUSE_US = 10000, REFUSALS = 100, REFUSAL_PAUSE_US = 10000 };

static gboolean make_address(struct sockaddr_un *address, const char *path, GError **error)
{
    *address = (struct sockaddr_un){ .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof address->sun_path)
        return fail_with(error, FRONTEND_ERROR_USAGE,
                         "the socket path '%s' is too long: %zu characters at most", path,
                         sizeof address->sun_path - 1);
    strcpy(address->sun_path, path);
    return TRUE;
}

static int lock_directory(const char *path)
{
    char *name = g_path_get_dirname(path);
    int fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    g_free(name);
    for (int i = 0; fd >= 0 && i < LOCK_ATTEMPTS && flock(fd, LOCK_EX | LOCK_NB) < 0; i++)
        g_usleep(LOCK_PAUSE_US);
    return fd;
}

/* A socket file nobody listens on is what an earlier run left behind. (connect(2) refuses other files, too.)
 */
static gboolean remove_stale(const struct sockaddr_un *address, const char *what, GError **error)
{
    struct stat st;
    if (lstat(address->sun_path, &st) < 0)
        return TRUE; /* bind() says what is wrong, if something is */
    if (!S_ISSOCK(st.st_mode))
        return fail_with(error, FRONTEND_ERROR_HOST,
                         "cannot listen for %s on '%s': there is a file already that is no socket", what,
                         address->sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool refused = fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof *address) < 0 &&
                   errno == ECONNREFUSED;
    if (fd >= 0)
        close(fd);
    if (refused)
        unlink(address->sun_path);
    return TRUE;
}

static gboolean bind_and_listen(struct unix_listener *l, const struct sockaddr_un *address, const char *what,
                                mode_t mode, GError **error)
{
    struct stat st;
    l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* The file gets the mode of the socket's own inode (unix(7), "Pathname socket ownership"). */
    if (l->fd < 0 || fchmod(l->fd, mode) < 0 ||
        bind(l->fd, (const struct sockaddr *)address, sizeof *address) < 0)
        return fail_errno(error, -errno, errno == EADDRINUSE ? "another program listens there" : NULL,
                          "cannot listen for %s on '%s'", what, address->sun_path);
    l->path = g_strdup(address->sun_path);
    if (lstat(l->path, &st) == 0) {
        l->dev = st.st_dev;
        l->ino = st.st_ino;
    }
    return listen(l->fd, BACKLOG) == 0 ||
           fail_errno(error, -errno, NULL, "cannot listen for %s on '%s'", what, l->path);
}

gboolean unix_listener_open(struct unix_listener *l, const char *path, const char *what, mode_t mode,
                            GError **error)
{
    struct sockaddr_un address;
    *l = (struct unix_listener){ .fd = -1 };
    if (!make_address(&address, path, error))
        return FALSE;
    int lock = lock_directory(path);
    gboolean ok = remove_stale(&address, what, error) && bind_and_listen(l, &address, what, mode, error);
    if (lock >= 0)
        close(lock);
    return ok;
}

void unix_listener_close(struct unix_listener *l)
{
    struct stat st;
    if (l->path && lstat(l->path, &st) == 0 && st.st_dev == l->dev && st.st_ino == l->ino)
        unlink(l->path);
    if (l->fd >= 0)
        close(l->fd);
    g_free(l->path);
    *l = (struct unix_listener){ .fd = -1 };
}

int unix_listener_accept(const struct unix_listener *l)
{
    return accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

int unix_connect(const char *path, GError **error)
{
    struct sockaddr_un address;
    if (!make_address(&address, path, error))
        return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    for (int i = 0; fd >= 0; i++) {
        if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
            return fd;
        if (errno != ECONNREFUSED || i == REFUSALS)
            break;
        g_usleep(REFUSAL_PAUSE_US);
    }
    fail_errno(error, -errno, NULL, "cannot connect to '%s'", path);
    if (fd >= 0)
        close(fd);
    return -1;
}
