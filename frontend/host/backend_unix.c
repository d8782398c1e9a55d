/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A listening Unix socket: one client at a time talks to the guest's port; when it leaves the next may come.
 * What the guest says while nobody listens is lost, as on a cable with nothing at its end. What a client said
 * is received before the next one comes, where the port has flow control.
 */
#include "backend_private.h"

static void on_client(void *ctx)
{
    struct backend *b = ctx;
    pthread_mutex_lock(b->owner.lock);
    int fd = unix_listener_accept(&b->listener);
    if (fd >= 0) {
        watch_set(b->listen_watch, 0); /* others wait in the backlog */
        backend_attach(b, fd, fd);
    }
    pthread_mutex_unlock(b->owner.lock);
}

static void unix_hang_up(struct backend *b)
{
    if (backend_detach(b))
        watch_set(b->listen_watch, G_IO_IN);
}

static void unix_close(struct backend *b)
{
    watch_free(b->listen_watch);
    unix_listener_close(&b->listener);
}

static const struct backend_ops unix_ops = { .hang_up = unix_hang_up, .close = unix_close };

gboolean backend_open_unix(struct backend *b, const char *path, GError **error)
{
    b->ops = &unix_ops;
    if (!unix_listener_open(&b->listener, path, b->label, 0777, error))
        return FALSE;
    b->listen_watch = watch_new(b->listener.fd, G_IO_IN, on_client, b);
    return TRUE;
}
