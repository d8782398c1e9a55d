/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A listening Unix socket: one client at a time talks to the guest's port; when it leaves the next may come.
 * What the guest says while nobody listens is lost, as on a cable with nothing at its end.
 */
#include "backend_private.h"

#include "error.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void on_client(void *ctx)
{
    struct backend *b = ctx;
    pthread_mutex_lock(b->owner.lock);
    int fd = accept4(b->other_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        watch_set(b->listen_watch, 0); /* others wait in the backlog */
        backend_attach(b, fd, fd);
    }
    pthread_mutex_unlock(b->owner.lock);
}

static void unix_hang_up(struct backend *b)
{
    backend_detach(b);
    watch_set(b->listen_watch, G_IO_IN);
}

static void unix_close(struct backend *b)
{
    watch_free(b->listen_watch);
    if (b->path)
        unlink(b->path);
}

static const struct backend_ops unix_ops = { .hang_up = unix_hang_up, .close = unix_close };

/* A socket file nobody listens on is what an earlier run left behind. */
static void remove_stale(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    if (connect(fd, (const struct sockaddr *)address, sizeof *address) < 0 && errno == ECONNREFUSED)
        unlink(address->sun_path);
    close(fd);
}

gboolean backend_open_unix(struct backend *b, const char *path, GError **error)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    b->ops = &unix_ops;
    if (strlen(path) >= sizeof address.sun_path)
        return fail_with(error, FRONTEND_ERROR_USAGE,
                         "the socket path '%s' is too long: %zu characters at most", path,
                         sizeof address.sun_path - 1);
    strcpy(address.sun_path, path);
    remove_stale(&address);
    b->other_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (b->other_fd < 0 || bind(b->other_fd, (const struct sockaddr *)&address, sizeof address) < 0)
        return fail_errno(error, -errno, NULL, "cannot listen for %s on '%s'", b->label, path);
    b->path = g_strdup(path);
    if (listen(b->other_fd, 4) < 0)
        return fail_errno(error, -errno, NULL, "cannot listen for %s on '%s'", b->label, path);
    b->listen_watch = watch_new(b->other_fd, G_IO_IN, on_client, b);
    return TRUE;
}
