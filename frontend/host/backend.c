/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Moving bytes between a guest's port and host descriptors: two queues, two watches. The usual output byte
 * goes straight to write() from the vCPU's thread; the main loop only carries what had to wait.
 */
#include "backend.h"
#include "backend_private.h"

#include "error.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum { DRAIN_PATIENCE_MS = 5000 };

/* ---- Output ---- */

/* The descriptor takes nothing more: forget it, and say so once unless a peer simply left. */
static void output_failed(struct backend *b, int err)
{
    g_byte_array_set_size(b->out, 0);
    if (b->ops->hang_up) {
        b->ops->hang_up(b);
        return;
    }
    if (err != EPIPE)
        g_printerr("duplex86: cannot write %s of the guest: %s; its output is lost from here on\n", b->label,
                   g_strerror(err));
    b->out_fd = -1;
    if (b->out_watch)
        watch_set(b->out_watch, 0);
    b->owner.uncongested(b->owner.ctx);
}

/* Write what can be written now; returns how many bytes. */
static size_t write_some(struct backend *b, const uint8_t *bytes, size_t count)
{
    size_t done = 0;
    while (done < count && b->out_fd >= 0) {
        ssize_t n = write(b->out_fd, bytes + done, count - done);
        if (n >= 0) {
            done += (size_t)n;
        } else if (errno == EAGAIN) {
            break;
        } else if (errno != EINTR) {
            output_failed(b, errno);
            return count;
        }
    }
    return done;
}

static void on_writable(void *ctx)
{
    struct backend *b = ctx;
    pthread_mutex_lock(b->owner.lock);
    bool was_congested = backend_congested(b);
    size_t done = write_some(b, b->out->data, b->out->len);
    g_byte_array_remove_range(b->out, 0, (guint)MIN(done, (size_t)b->out->len));
    if (b->out->len == 0 && b->out_watch)
        watch_set(b->out_watch, 0);
    if (b->refused && b->out->len < BACKEND_CONGESTED / 2) {
        b->refused = false;
        b->owner.sendable(b->owner.ctx, b->port);
    }
    if (was_congested && !backend_congested(b))
        b->owner.uncongested(b->owner.ctx);
    pthread_mutex_unlock(b->owner.lock);
}

void backend_write(struct backend *b, const uint8_t *bytes, size_t count)
{
    if (!b || b->out_fd < 0)
        return;
    size_t done = b->out->len == 0 ? write_some(b, bytes, count) : 0;
    if (done == count || b->out_fd < 0)
        return;
    size_t rest = count - done;
    if (!b->lossless)
        rest = MIN(rest, BACKEND_QUEUE_MAX - (size_t)b->out->len);
    g_byte_array_append(b->out, bytes + done, (guint)rest);
    watch_set(b->out_watch, G_IO_OUT);
}

size_t backend_offer(struct backend *b, const uint8_t *bytes, size_t count)
{
    if (!b || b->out_fd < 0)
        return count;
    size_t done = b->out->len == 0 ? write_some(b, bytes, count) : 0;
    if (b->out_fd < 0)
        return count;
    size_t room = BACKEND_CONGESTED - MIN((size_t)b->out->len, BACKEND_CONGESTED);
    size_t queued = MIN(room, count - done);
    g_byte_array_append(b->out, bytes + done, (guint)queued);
    if (b->out->len)
        watch_set(b->out_watch, G_IO_OUT);
    b->refused = done + queued < count;
    return done + queued;
}

bool backend_connected(const struct backend *b)
{
    return b && (b->in_fd >= 0 || b->out_fd >= 0 || b->leaving);
}

bool backend_congested(const struct backend *b)
{
    return b && b->lossless && b->out->len >= BACKEND_CONGESTED;
}

/* ---- Input ---- */

/* Offer the guest what is queued, and read on when there is room for more. */
static void deliver(struct backend *b)
{
    if (b->in->len) {
        size_t taken = b->owner.receive(b->owner.ctx, b->port, b->in->data, b->in->len);
        g_byte_array_remove_range(b->in, 0, (guint)taken);
    }
    if (b->in_watch && !b->in_ended) {
        bool read_on = b->interactive || b->in->len < BACKEND_QUEUE_MAX / 2;
        watch_set(b->in_watch, read_on ? G_IO_IN : 0);
    }
    if (b->leaving && !b->in->len)
        b->ops->hang_up(b);
}

void backend_room(struct backend *b)
{
    if (b && b->in->len)
        deliver(b);
}

/* A person's typing: orders for us are taken out, and what no guest reads does not pile up. */
static void take_typed(struct backend *b, const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        switch (escape_feed(&b->escape, bytes[i])) {
        case ESCAPE_PASS:
            if (b->in->len < BACKEND_QUEUE_MAX)
                g_byte_array_append(b->in, &bytes[i], 1);
            break;
        case ESCAPE_QUIT:
            b->owner.quit(b->owner.ctx);
            break;
        case ESCAPE_HELP:
            g_printerr("%s", escape_help);
            break;
        case ESCAPE_BREAK:
            b->owner.send_break(b->owner.ctx, b->port);
            break;
        case ESCAPE_SWALLOW:
            break;
        }
    }
}

static void on_readable(void *ctx)
{
    struct backend *b = ctx;
    uint8_t bytes[4096];
    pthread_mutex_lock(b->owner.lock);
    if (b->in_fd < 0 || b->in_ended) { /* hung up meanwhile */
        pthread_mutex_unlock(b->owner.lock);
        return;
    }
    ssize_t n = read(b->in_fd, bytes, sizeof bytes);
    if (n > 0) {
        if (b->interactive)
            take_typed(b, bytes, (size_t)n);
        else
            g_byte_array_append(b->in, bytes, (guint)n);
        deliver(b);
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        /* The end of the input is not the end of the guest. */
        if (b->ops->hang_up) {
            b->ops->hang_up(b);
        } else {
            b->in_ended = true;
            watch_set(b->in_watch, 0);
        }
    }
    pthread_mutex_unlock(b->owner.lock);
}

/* ---- Life ---- */

void backend_attach(struct backend *b, int in_fd, int out_fd)
{
    b->in_fd = in_fd;
    b->out_fd = out_fd;
    b->in_ended = false;
    if (in_fd >= 0)
        b->in_watch = watch_new(in_fd, G_IO_IN, on_readable, b);
    if (out_fd >= 0)
        b->out_watch = watch_new(out_fd, 0, on_writable, b);
    if (b->owner.connected)
        b->owner.connected(b->owner.ctx, b->port, true);
}

/* What the peer said before it left is the guest's still. */
bool backend_detach(struct backend *b)
{
    watch_free(b->in_watch);
    watch_free(b->out_watch);
    b->in_watch = b->out_watch = NULL;
    if (b->in_fd > STDERR_FILENO)
        close(b->in_fd);
    if (b->out_fd > STDERR_FILENO && b->out_fd != b->in_fd)
        close(b->out_fd);
    b->in_fd = b->out_fd = -1;
    b->refused = false;
    g_byte_array_set_size(b->out, 0);
    b->leaving = b->owner.connected && b->in->len;
    if (b->leaving)
        return false;
    g_byte_array_set_size(b->in, 0);
    if (b->owner.connected)
        b->owner.connected(b->owner.ctx, b->port, false);
    return true;
}

static gboolean open_spec(struct backend *b, const char *spec, GError **error)
{
    if (!strcmp(spec, "stdio"))
        return backend_open_stdio(b, error);
    if (!strcmp(spec, "pty"))
        return backend_open_pty(b, error);
    if (g_str_has_prefix(spec, "unix:"))
        return backend_open_unix(b, spec + 5, error);
    if (g_str_has_prefix(spec, "file:"))
        return backend_open_file(b, spec + 5, error);
    return fail_with(error, FRONTEND_ERROR_USAGE, "'%s' is no back-end", spec);
}

struct backend *backend_open(const char *spec, const char *label, unsigned port,
                             const struct backend_owner *owner, GError **error)
{
    if (!strcmp(spec, "none"))
        return NULL;
    struct backend *b = g_new0(struct backend, 1);
    b->owner = *owner;
    b->port = port;
    b->label = g_strdup(label);
    b->in_fd = b->out_fd = b->other_fd = b->listener.fd = -1;
    b->in = g_byte_array_new();
    b->out = g_byte_array_new();
    if (open_spec(b, spec, error))
        return b;
    backend_close(b);
    return NULL;
}

/*
 * Wait for a reader that is still reading, as any program that ends does, but not for one that has not taken
 * a byte for a while: what it left goes, so that nobody waits for it twice.
 */
void backend_drain(struct backend *b)
{
    while (b && b->out->len && b->out_fd >= 0) {
        struct pollfd poll_fd = { .fd = b->out_fd, .events = POLLOUT };
        int ready = poll(&poll_fd, 1, b->lossless ? DRAIN_PATIENCE_MS : 0);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0) {
            g_byte_array_set_size(b->out, 0);
            return;
        }
        size_t done = write_some(b, b->out->data, b->out->len);
        g_byte_array_remove_range(b->out, 0, (guint)MIN(done, (size_t)b->out->len));
    }
}

void backend_close(struct backend *b)
{
    if (!b)
        return;
    backend_drain(b);
    b->owner.connected = NULL;
    backend_detach(b);
    if (b->ops && b->ops->close)
        b->ops->close(b);
    if (b->other_fd >= 0)
        close(b->other_fd);
    g_byte_array_unref(b->in);
    g_byte_array_unref(b->out);
    g_free(b->label);
    g_free(b);
}
