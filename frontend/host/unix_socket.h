/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Unix sockets by name: listening, where the file an earlier run left behind is replaced and nothing else
 * ever is, and connecting. unix(7).
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

struct unix_listener {
    int fd;     /* non-blocking; -1: not listening */
    char *path; /* the file that is removed at the end ... */
    dev_t dev;  /* ... if it is still this one */
    ino_t ino;
};

/*
 * Listen at `path` for `what` (a word for messages). The file has the permissions `mode` less the umask, from
 * its first moment on. Fails where somebody listens already, and where a file is that is no socket.
 */
gboolean unix_listener_open(struct unix_listener *listener, const char *path, const char *what, mode_t mode,
                            GError **error);
/* Harmless after a failed unix_listener_open(). */
void unix_listener_close(struct unix_listener *listener);
/* The next client, non-blocking; -1: none now. */
int unix_listener_accept(const struct unix_listener *listener);

/* A blocking connection to `path`, or -1. Who is there but does not listen yet is given a second. */
int unix_connect(const char *path, GError **error);
