/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a serial port, a port of virtio or the debug console is connected to on the host: bytes both ways,
 * without ever making the guest wait inside a device. Everything here is guarded by the machine's lock, which
 * backend_*() callers hold and main-loop callbacks take.
 *
 * Output that the host does not take at once is queued. Where somebody is sure to read it (stdio, files)
 * nothing is lost: backend_congested() tells the run loop to pause the guest. Ports a peer may or may not be
 * listening on (pty, unix) lose what does not fit the queue, as an unplugged cable would. A port with flow
 * control offers instead (backend_offer()), keeps what is not taken, and loses nothing while somebody is
 * there.
 */
#pragma once

#include <glib.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct backend;

/* What a back-end tells its owner; called with the lock held. `port` is what backend_open() was given. */
struct backend_owner {
    /* Bytes from the host; returns how many were taken. The rest is offered again by backend_room(). */
    size_t (*receive)(void *ctx, unsigned port, const uint8_t *bytes, size_t count);
    void (*send_break)(void *ctx, unsigned port);
    void (*quit)(void *ctx); /* the escape key */
    void (*uncongested)(void *ctx);
    /* Somebody came to the other end, or left it: all that was sent before has been received. May be absent;
       then who leaves takes with him what the guest has not taken yet. */
    void (*connected)(void *ctx, unsigned port, bool connected);
    /* backend_offer() took less than it was offered, and would take some now. */
    void (*sendable)(void *ctx, unsigned port);
    void *ctx;
    pthread_mutex_t *lock;
};

/*
 * Connect `port`, called `label` in messages, to what `spec` names (see --serial in options.c). NULL and
 * no error for "none".
 */
struct backend *backend_open(const char *spec, const char *label, unsigned port,
                             const struct backend_owner *owner, GError **error);
/* The guest's last words: write what is queued, as long as somebody reads it; drop the rest. NULL is allowed.
 */
void backend_drain(struct backend *backend);
/* The machine must be stopped; drains first. NULL is allowed. */
void backend_close(struct backend *backend);

/* All of it is taken: written, queued or dropped. NULL is allowed. */
void backend_write(struct backend *backend, const uint8_t *bytes, size_t count);
/* Returns how many are taken; for the rest wait for `sendable`. Where nobody is they are dropped. NULL is
 * allowed. */
size_t backend_offer(struct backend *backend, const uint8_t *bytes, size_t count);
/* Is somebody at the other end? NULL is allowed. */
bool backend_connected(const struct backend *backend);
/* The guest would take more input now. */
void backend_room(struct backend *backend);
/* The guest should produce no more output for a while. NULL is allowed. */
bool backend_congested(const struct backend *backend);
