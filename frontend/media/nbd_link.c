/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The thread alone uses libnbd's handle once the connection is there; others put their requests, which are on
 * their stacks, into a queue and wake it up.
 */
#include "nbd_link.h"

#include "error.h"
#include "image_server.h"

#include <errno.h>
#include <libnbd.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    CONNECT_MS = 30000, /* for a server far away to answer */
    HURRY_MS = 10000,
    REQUEST_MAX = 1 << 20, /* bytes, if the server does not say less */
};

struct request {
    enum nbd_request_kind kind;
    uint64_t offset;
    void *data;
    uint32_t size;

    struct nbd_link *link;
    GList node; /* of `submitted` or `in_flight` */
    int err;
    bool over;
    GCond ended;
};

struct nbd_link {
    char *name;
    struct nbd_handle *nbd;
    struct image_server *server; /* NULL: not ours */
    bool mute;                   /* it says no more */
    struct nbd_facts facts;
    GThread *thread; /* NULL: not yet */
    int wake;        /* eventfd */

    GMutex lock; /* of the following, and of what requests say about their end */
    GQueue submitted;
    bool closing;
    gint64 give_up_at; /* by g_get_monotonic_time(); 0: never */

    GQueue in_flight; /* the thread's */
    bool given_up;    /* ... */
};

/* ---- Waiting for libnbd ---- */

static bool is_over(const struct nbd_link *link)
{
    return nbd_aio_is_dead(link->nbd) || nbd_aio_is_closed(link->nbd);
}

/* The handle's, in poll()'s words. */
static short events_of(unsigned direction)
{
    short events = 0;
    if (direction & LIBNBD_AIO_DIRECTION_READ)
        events |= POLLIN;
    if (direction & LIBNBD_AIO_DIRECTION_WRITE)
        events |= POLLOUT;
    return events;
}

/* Let libnbd go on when its socket is ready; or return when something else is to be seen to. */
static void turn(struct nbd_link *link, int timeout_ms)
{
    unsigned direction = nbd_aio_get_direction(link->nbd);
    struct pollfd fds[] = {
        { .fd = nbd_aio_get_fd(link->nbd), .events = events_of(direction) },
        { .fd = link->wake, .events = POLLIN },
        { .fd = link->server && !link->mute ? image_server_fd(link->server) : -1, .events = POLLIN },
    };
    if (poll(fds, G_N_ELEMENTS(fds), timeout_ms) <= 0)
        return;
    if (fds[1].revents) {
        eventfd_t count;
        eventfd_read(link->wake, &count);
    }
    if (fds[2].revents)
        link->mute = !image_server_listen(link->server);
    if ((direction & LIBNBD_AIO_DIRECTION_READ) && fds[0].revents & (POLLIN | POLLHUP | POLLERR))
        nbd_aio_notify_read(link->nbd);
    else if ((direction & LIBNBD_AIO_DIRECTION_WRITE) && fds[0].revents & (POLLOUT | POLLHUP | POLLERR))
        nbd_aio_notify_write(link->nbd);
}

/* All that a server of ours has to say before its end; there is little of it. */
static const char *last_words(struct nbd_link *link)
{
    if (!link->server)
        return NULL;
    struct pollfd fd = { .fd = image_server_fd(link->server), .events = POLLIN };
    while (!link->mute && poll(&fd, 1, 2000) > 0)
        link->mute = !image_server_listen(link->server);
    return image_server_words(link->server);
}

/* ---- Connecting ---- */

/* libnbd puts the function's name in front. */
static const char *libnbd_words(void)
{
    const char *words = nbd_get_error(), *colon;
    if (!words)
        return "unknown error";
    colon = g_str_has_prefix(words, "nbd_") ? strstr(words, ": ") : NULL;
    return colon ? colon + 2 : words;
}

static gboolean cannot_connect(struct nbd_link *link, const char *words, GError **error)
{
    const char *more = last_words(link);
    return fail_with(error, FRONTEND_ERROR_IMAGE, "cannot open the image '%s': %s", link->name,
                     more ? more : words);
}

static int start_connecting(struct nbd_link *link, const char *uri)
{
    if (uri)
        return nbd_aio_connect_uri(link->nbd, uri);
    return nbd_aio_connect_socket(link->nbd, image_server_take_socket(link->server));
}

static gboolean connect_to(struct nbd_link *link, const char *uri, GError **error)
{
    gint64 end = g_get_monotonic_time() + CONNECT_MS * 1000LL;
    if (start_connecting(link, uri) < 0)
        return cannot_connect(link, libnbd_words(), error);
    while (!nbd_aio_is_ready(link->nbd)) {
        gint64 left = (end - g_get_monotonic_time()) / 1000;
        if (is_over(link))
            return cannot_connect(link, libnbd_words(), error);
        if (left <= 0)
            return cannot_connect(link, "the server does not answer", error);
        turn(link, (int)left);
    }
    return TRUE;
}

static void take_facts(struct nbd_link *link)
{
    struct nbd_facts *facts = &link->facts;
    int64_t size = nbd_get_size(link->nbd);
    int64_t least = nbd_get_block_size(link->nbd, LIBNBD_SIZE_MINIMUM);
    int64_t most = nbd_get_block_size(link->nbd, LIBNBD_SIZE_MAXIMUM);
    facts->size = size > 0 ? (uint64_t)size : 0;
    facts->block_min = least > 0 ? (uint32_t)least : 1;
    facts->request_max = most > 0 && most < REQUEST_MAX ? (uint32_t)most : REQUEST_MAX;
    facts->read_only = nbd_is_read_only(link->nbd) > 0;
    facts->flushes = nbd_can_flush(link->nbd) > 0;
    facts->trims = nbd_can_trim(link->nbd) > 0;
    facts->zeroes = nbd_can_zero(link->nbd) > 0;
}

/* ---- The thread ---- */

static void end_request(struct request *request, int err)
{
    struct nbd_link *link = request->link;
    g_queue_unlink(&link->in_flight, &request->node);
    g_mutex_lock(&link->lock);
    request->err = err;
    request->over = true;
    g_cond_signal(&request->ended);
    g_mutex_unlock(&link->lock);
}

/* libnbd's; it keeps the handle's lock meanwhile. */
static int on_complete(void *ctx, int *error)
{
    end_request(ctx, *error == ENOTCONN ? ESHUTDOWN : *error);
    return 1; /* nothing more to be asked about it */
}

static int64_t issue(struct request *r)
{
    struct nbd_handle *nbd = r->link->nbd;
    nbd_completion_callback done = { .callback = on_complete, .user_data = r };
    switch (r->kind) {
    case NBD_REQUEST_READ:
        return nbd_aio_pread(nbd, r->data, r->size, r->offset, done, 0);
    case NBD_REQUEST_WRITE:
        return nbd_aio_pwrite(nbd, r->data, r->size, r->offset, done, 0);
    case NBD_REQUEST_TRIM:
        return nbd_aio_trim(nbd, r->size, r->offset, done, 0);
    case NBD_REQUEST_ZERO:
        return nbd_aio_zero(nbd, r->size, r->offset, done, 0);
    case NBD_REQUEST_FLUSH:
        return nbd_aio_flush(nbd, done, 0);
    }
    return -1;
}

static struct request *take_submitted(struct nbd_link *link)
{
    g_mutex_lock(&link->lock);
    GList *node = g_queue_pop_head_link(&link->submitted);
    g_mutex_unlock(&link->lock);
    return node ? node->data : NULL;
}

/* A request that libnbd does not take has ended; it may have said so itself. */
static void issue_submitted(struct nbd_link *link, bool gone)
{
    struct request *r;
    while ((r = take_submitted(link))) {
        g_queue_push_tail_link(&link->in_flight, &r->node);
        if (gone || is_over(link))
            end_request(r, ESHUTDOWN);
        else if (issue(r) < 0 && g_queue_find(&link->in_flight, r))
            end_request(r, is_over(link) ? ESHUTDOWN : EIO);
    }
}

static bool should_close(struct nbd_link *link, int *timeout_ms)
{
    g_mutex_lock(&link->lock);
    bool closing = link->closing;
    gint64 at = link->give_up_at;
    g_mutex_unlock(&link->lock);
    *timeout_ms = -1;
    if (at && link->in_flight.length) {
        gint64 left = (at - g_get_monotonic_time()) / 1000;
        link->given_up = link->given_up || left <= 0;
        *timeout_ms = (int)MAX(left, 0);
    }
    return closing;
}

static void tell_end(struct nbd_link *link)
{
    const char *words = link->given_up ? "it does not answer" : last_words(link);
    g_printerr(
        "duplex86: the server of the image '%s' is gone%s%s; the guest is told of errors of its drive\n",
        link->name, words ? ": " : "", words ? words : "");
}

/* Closing the handle first: libnbd must not write to memory that is the caller's again. */
static void fail_all(struct nbd_link *link)
{
    GList *node;
    nbd_close(link->nbd);
    link->nbd = NULL;
    while ((node = link->in_flight.head))
        end_request(node->data, ESHUTDOWN);
}

/* Say goodbye; a server that does not take its leave soon is left alone. */
static void disconnect(struct nbd_link *link)
{
    gint64 end = g_get_monotonic_time() + HURRY_MS * 1000LL;
    nbd_aio_disconnect(link->nbd, 0);
    while (!is_over(link) && g_get_monotonic_time() < end)
        turn(link, (int)((end - g_get_monotonic_time()) / 1000) + 1);
}

/* The server is gone; so is the connection, and requests only fail. */
static void mourn(struct nbd_link *link)
{
    int timeout_ms;
    tell_end(link);
    fail_all(link);
    while (!should_close(link, &timeout_ms)) {
        struct pollfd fd = { .fd = link->wake, .events = POLLIN };
        eventfd_t count;
        issue_submitted(link, true);
        if (poll(&fd, 1, -1) > 0)
            eventfd_read(link->wake, &count);
    }
}

static gpointer carry(gpointer data)
{
    struct nbd_link *link = data;
    int timeout_ms;
    for (;;) {
        issue_submitted(link, false);
        if (should_close(link, &timeout_ms))
            break;
        if (is_over(link) || link->given_up) {
            mourn(link);
            return NULL;
        }
        turn(link, timeout_ms);
    }
    disconnect(link);
    fail_all(link);
    return NULL;
}

/* ---- For others ---- */

static void rouse(struct nbd_link *link)
{
    eventfd_write(link->wake, 1);
}

int nbd_link_do(struct nbd_link *link, enum nbd_request_kind kind, uint64_t offset, void *data, uint32_t size)
{
    struct request r = { .kind = kind, .offset = offset, .data = data, .size = size, .link = link };
    r.node.data = &r;
    g_cond_init(&r.ended);
    g_mutex_lock(&link->lock);
    g_queue_push_tail_link(&link->submitted, &r.node);
    rouse(link);
    while (!r.over)
        g_cond_wait(&r.ended, &link->lock);
    g_mutex_unlock(&link->lock);
    g_cond_clear(&r.ended);
    return r.err;
}

const struct nbd_facts *nbd_link_facts(const struct nbd_link *link)
{
    return &link->facts;
}

void nbd_link_hurry(struct nbd_link *link)
{
    g_mutex_lock(&link->lock);
    link->give_up_at = g_get_monotonic_time() + HURRY_MS * 1000LL;
    g_mutex_unlock(&link->lock);
    rouse(link);
}

static gboolean prepare(struct nbd_link *link, GError **error)
{
    link->nbd = nbd_create();
    link->wake = eventfd(0, EFD_CLOEXEC);
    if (!link->nbd || link->wake < 0)
        return fail_errno(error, errno, NULL, "cannot open the image '%s'", link->name);
    return TRUE;
}

struct nbd_link *nbd_link_open(const char *uri, struct image_server *server, const char *name, GError **error)
{
    struct nbd_link *link = g_new0(struct nbd_link, 1);
    link->name = g_strdup(name);
    link->server = server;
    link->wake = -1;
    g_mutex_init(&link->lock);
    if (prepare(link, error) && connect_to(link, uri, error)) {
        take_facts(link);
        link->thread = g_thread_new("nbd", carry, link);
        return link;
    }
    nbd_link_close(link);
    return NULL;
}

void nbd_link_close(struct nbd_link *link)
{
    if (link->thread) {
        g_mutex_lock(&link->lock);
        link->closing = true;
        g_mutex_unlock(&link->lock);
        rouse(link);
        g_thread_join(link->thread);
    } else {
        nbd_close(link->nbd); /* NULL is allowed */
    }
    image_server_end(link->server, !link->thread || link->given_up);
    if (link->wake >= 0)
        close(link->wake);
    g_mutex_clear(&link->lock);
    g_free(link->name);
    g_free(link);
}
