/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Transfers: those of a medium that do not concern the same bytes go on at once, in threads of its pool. A
 * read that needs no waiting is done by the caller's thread, which costs less than to wake another up.
 */
#include "medium_private.h"

#include <errno.h>
#include <string.h>

enum { THREADS = 8 }; /* of one medium; a server far away that is slow keeps no others waiting */

/* Transfers under way, of all media. */
static GMutex under_way_lock;
static GCond all_over;
static unsigned under_way;

struct transfer *transfer_new(uint32_t size)
{
    struct transfer *t = g_malloc(sizeof *t + size);
    memset(t, 0, sizeof *t);
    t->size = size;
    t->node.data = t;
    return t;
}

static void count(int change)
{
    g_mutex_lock(&under_way_lock);
    under_way += (unsigned)change;
    if (!under_way)
        g_cond_broadcast(&all_over);
    g_mutex_unlock(&under_way_lock);
}

/* ---- Errors ---- */

/* Whoever lost the server, or refused what the guest wrote, has said so. */
static void tell_once(struct medium *m, enum device_transfer what, int err)
{
    static const char *const verb[] = { "read", "write", "flush", "discard parts of", "write" };
    if (err == ESHUTDOWN || err == EPERM || g_atomic_int_or(&m->told, 1u << what) >> what & 1)
        return;
    g_printerr("duplex86: cannot %s the image '%s': %s; the guest is told of an error of its drive\n",
               verb[what], m->path, g_strerror(err));
}

/* ---- Which may go on ---- */

static bool writes(const struct transfer *t)
{
    return t->what != DEVICE_TRANSFER_READ && t->what != DEVICE_TRANSFER_FLUSH;
}

/* Must `later` wait for it? An overlay is for one thread at a time. */
static bool conflict(const struct medium *m, const struct transfer *t, const struct transfer *later)
{
    if (m->overlay)
        return true;
    if (later->what == DEVICE_TRANSFER_FLUSH)
        return writes(t);
    if (t->what == DEVICE_TRANSFER_FLUSH || (!writes(t) && !writes(later)))
        return false;
    return t->offset < later->offset + later->size && later->offset < t->offset + t->size;
}

/* With the medium's lock. `node`: the first of those that are later; NULL: all are earlier. */
static bool must_wait(const struct medium *m, const struct transfer *t, const GList *node)
{
    for (const GList *earlier = m->pending.head; earlier != node; earlier = earlier->next) {
        if (conflict(m, earlier->data, t))
            return true;
    }
    return false;
}

/* With the medium's lock. */
static void start_ready(struct medium *m)
{
    for (GList *node = m->pending.head; node; node = node->next) {
        struct transfer *t = node->data;
        if (t->active || must_wait(m, t, node))
            continue;
        t->active = true;
        g_thread_pool_push(m->pool, t, NULL);
    }
}

/* ---- Threads ---- */

static int work(struct medium *m, struct transfer *t)
{
    t->result.data = t->data;
    switch (t->what) {
    case DEVICE_TRANSFER_READ:
        return medium_read(m, t->offset, t->data, t->size, &t->result.done);
    case DEVICE_TRANSFER_WRITE:
        return medium_write(m, t->offset, t->data, t->size, &t->result.done);
    case DEVICE_TRANSFER_FLUSH:
        return medium_flush(m);
    case DEVICE_TRANSFER_DISCARD:
    case DEVICE_TRANSFER_ZERO:
        return medium_zero(m, t->offset, t->size, t->what == DEVICE_TRANSFER_DISCARD);
    }
    return 0;
}

/* Its owner is told before those begin that waited for it: so they are told of in their order. The place of
   one that is over, which is its owner's then, is kept meanwhile. */
static void serve(gpointer data, gpointer medium)
{
    struct transfer *t = data;
    struct medium *m = medium;
    int err = work(m, t);
    t->result.failed = err != 0;
    if (err)
        tell_once(m, t->what, err);
    struct transfer place = { .what = t->what, .offset = t->offset, .size = t->size, .active = true };
    place.node.data = &place;
    g_mutex_lock(&m->lock);
    g_queue_insert_before_link(&m->pending, &t->node, &place.node);
    g_queue_unlink(&m->pending, &t->node);
    g_mutex_unlock(&m->lock);
    t->done(t);
    g_mutex_lock(&m->lock);
    g_queue_unlink(&m->pending, &place.node);
    start_ready(m);
    g_mutex_unlock(&m->lock);
    medium_unref(m);
    count(-1);
}

static void enqueue(struct medium *m, struct transfer *t)
{
    count(1);
    g_atomic_ref_count_inc(&m->references);
    if (!m->pool)
        m->pool = g_thread_pool_new(serve, m, THREADS, FALSE, NULL);
    g_mutex_lock(&m->lock);
    g_queue_push_tail_link(&m->pending, &t->node);
    start_ready(m);
    g_mutex_unlock(&m->lock);
}

bool transfer_start(struct medium *m, struct transfer *t)
{
    t->medium = m;
    g_mutex_lock(&m->lock);
    bool waits = t->what != DEVICE_TRANSFER_READ || must_wait(m, t, NULL);
    g_mutex_unlock(&m->lock);
    if (!waits && medium_read_now(m, t->offset, t->data, t->size)) {
        t->result.data = t->data;
        t->result.done = t->size;
        return true;
    }
    enqueue(m, t);
    return false;
}

void transfers_finish(void)
{
    g_mutex_lock(&under_way_lock);
    while (under_way)
        g_cond_wait(&all_over, &under_way_lock);
    g_mutex_unlock(&under_way_lock);
}
