/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Transfers in their order: each medium has a queue, and one thread of the pool works at it at a time. A read
 * that needs no waiting is done by the caller's thread, which costs less than to wake another up.
 */
#include "medium_private.h"

#include <string.h>

enum { THREADS = 4 };

static GThreadPool *pool; /* by the first transfer, from the one thread that begins them */

struct transfer *transfer_new(uint32_t size)
{
    struct transfer *t = g_malloc(sizeof *t + size);
    memset(t, 0, sizeof *t);
    t->size = size;
    return t;
}

/* ---- Errors ---- */

/* A thread at a time has the medium, or the caller's while none has: `told` needs no lock. */
static void tell_once(struct medium *m, enum device_transfer what, int err)
{
    static const char *const verb[] = { "read", "write", "flush" };
    if (m->told >> what & 1)
        return;
    m->told |= 1u << what;
    g_printerr("duplex86: cannot %s the image '%s': %s; the guest is told of an error of its drive\n",
               verb[what], m->path, g_strerror(err));
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
    }
    return 0;
}

static void run_one(struct medium *m, struct transfer *t)
{
    int err = work(m, t);
    t->result.failed = err != 0;
    if (err)
        tell_once(m, t->what, err);
}

/* Take the oldest transfer; NULL: there is none, and the medium is nobody's from now on. */
static struct transfer *take(struct medium *m)
{
    g_mutex_lock(&m->lock);
    struct transfer *t = g_queue_pop_head(&m->waiting);
    m->working = t != NULL;
    g_mutex_unlock(&m->lock);
    return t;
}

static void serve(gpointer data, gpointer unused)
{
    struct medium *m = data;
    struct transfer *t;
    (void)unused;
    while ((t = take(m))) {
        run_one(m, t);
        t->done(t);
        medium_unref(m);
    }
    medium_unref(m);
}

static void enqueue(struct medium *m, struct transfer *t)
{
    if (!pool)
        pool = g_thread_pool_new(serve, NULL, THREADS, FALSE, NULL);
    g_atomic_ref_count_inc(&m->references); /* for the transfer */
    g_mutex_lock(&m->lock);
    g_queue_push_tail(&m->waiting, t);
    bool idle = !m->working;
    m->working = true;
    g_mutex_unlock(&m->lock);
    if (idle) {
        g_atomic_ref_count_inc(&m->references); /* for the thread */
        g_thread_pool_push(pool, m, NULL);
    }
}

static bool is_idle(struct medium *m)
{
    g_mutex_lock(&m->lock);
    bool idle = !m->working;
    g_mutex_unlock(&m->lock);
    return idle;
}

bool transfer_start(struct medium *m, struct transfer *t)
{
    t->medium = m;
    if (t->what == DEVICE_TRANSFER_READ && is_idle(m) && medium_read_now(m, t->offset, t->data, t->size)) {
        t->result.data = t->data;
        t->result.done = t->size;
        return true;
    }
    enqueue(m, t);
    return false;
}

void transfers_finish(void)
{
    if (pool)
        g_thread_pool_free(pool, FALSE, TRUE);
    pool = NULL;
}
