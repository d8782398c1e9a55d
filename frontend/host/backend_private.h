/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Between backend.c, which moves bytes, and backend_*.c, which know what they move to and from.
 */
#pragma once

#include "backend.h"
#include "escape.h"
#include "unix_socket.h"
#include "watch.h"

enum {
    BACKEND_QUEUE_MAX = 64 * 1024, /* each direction */
    BACKEND_CONGESTED = 16 * 1024,
};

struct backend_ops {
    /* The peer hung up or the stream failed; NULL: nothing more will come. */
    void (*hang_up)(struct backend *backend);
    void (*close)(struct backend *backend);
};

struct backend {
    const struct backend_ops *ops;
    struct backend_owner owner;
    unsigned port;
    char *label;

    int in_fd, out_fd; /* -1: none now; may be the same */
    struct watch *in_watch, *out_watch;
    GByteArray *in, *out; /* queues */
    bool lossless;        /* output */
    bool interactive;     /* a person types: obey the escape key, never stop reading */
    bool in_ended;
    bool refused; /* backend_offer() has, and has not said since that there is room */
    bool leaving; /* the peer has left, but not all it said is received */
    struct escape escape;

    int other_fd;                  /* pty: our end of the slave */
    struct unix_listener listener; /* unix */
    struct watch *listen_watch;    /* unix */
};

/* Begin and end moving bytes; `detach` closes the descriptors and drops what is queued. Owners are told, and
 * of one's leaving when they have received what it said: true from `detach` when that is so. */
void backend_attach(struct backend *backend, int in_fd, int out_fd);
bool backend_detach(struct backend *backend);

gboolean backend_open_stdio(struct backend *backend, GError **error);
gboolean backend_open_file(struct backend *backend, const char *path, GError **error);
gboolean backend_open_pty(struct backend *backend, GError **error);
gboolean backend_open_unix(struct backend *backend, const char *path, GError **error);
