/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * File descriptors in the main loop, as a GSource of one descriptor.
 */
#include "watch.h"

struct watch {
    GSource source; /* first: GLib allocates and casts */
    int fd;
    gpointer tag; /* NULL: not polled now */
    GIOCondition conditions;
    watch_fn fn;
    void *ctx;
};

static gboolean dispatch(GSource *source, GSourceFunc unused, gpointer unused_data)
{
    struct watch *watch = (struct watch *)source;
    (void)unused;
    (void)unused_data;
    /* Which condition it was is not asked: the descriptor's tag may just be changing in another thread. */
    watch->fn(watch->ctx);
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs watch_funcs = { .dispatch = dispatch };

struct watch *watch_new(int fd, GIOCondition conditions, watch_fn fn, void *ctx)
{
    struct watch *watch = (struct watch *)g_source_new(&watch_funcs, sizeof *watch);
    watch->fd = fd;
    watch->fn = fn;
    watch->ctx = ctx;
    watch_set(watch, conditions);
    g_source_attach(&watch->source, NULL);
    return watch;
}

void watch_set(struct watch *watch, GIOCondition conditions)
{
    if (conditions == watch->conditions)
        return;
    if (watch->tag)
        g_source_remove_unix_fd(&watch->source, watch->tag);
    watch->tag = conditions ? g_source_add_unix_fd(&watch->source, watch->fd, conditions) : NULL;
    watch->conditions = conditions;
}

void watch_free(struct watch *watch)
{
    if (!watch)
        return;
    g_source_destroy(&watch->source);
    g_source_unref(&watch->source);
}
