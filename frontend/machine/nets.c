/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Frames from the guest go to their cable inside the access that sends them. Those for the guest wait in the
 * cable's queue until the processor's thread is between two runs, for what the guest sees changes then.
 */
#include "nets.h"

#include "error.h"
#include "machine_private.h"
#include "net.h"

#include <string.h>

enum { AT_ONCE = 1024 }; /* frames: then the guest has its turn */

void nets_send_frame(void *ctx, unsigned nic, const struct device_frame *frame)
{
    struct machine *m = ctx;
    net_send(m->nics[nic].net, frame);
}

void nets_frame_room(void *ctx, unsigned nic)
{
    struct machine *m = ctx;
    m->nics[nic].full = false;
}

void nets_take_segments(void *ctx, unsigned nic, bool ipv4, bool ipv6)
{
    struct machine *m = ctx;
    /* Adapters say so when they are reset, too, before there are cables. */
    if (nic < m->nic_count)
        net_take_segments(m->nics[nic].net, ipv4, ipv6);
}

/* In a cable's thread. */
static void on_news(void *ctx)
{
    struct machine *m = ctx;
    pthread_mutex_lock(&m->lock);
    machine_rouse(m);
    pthread_mutex_unlock(&m->lock);
}

bool nets_have_news(const struct machine *m)
{
    for (unsigned i = 0; i < m->nic_count; i++) {
        if (!m->nics[i].full && net_has_frames(m->nics[i].net))
            return true;
    }
    return false;
}

static void serve_one(struct machine *m, unsigned nic)
{
    struct nic *n = &m->nics[nic];
    for (unsigned i = 0; i < AT_ONCE && !n->full; i++) {
        struct net_frame *f = net_take(n->net);
        if (!f)
            return;
        const struct device_frame frame = {
            .data = f->data, .size = f->size, .segment = f->segment, .checked = f->checked
        };
        n->full = !pc_frame_arrives(m->pc, nic, &frame);
        if (n->full)
            net_put_back(n->net, f);
        else
            g_free(f);
    }
}

void nets_serve(struct machine *m)
{
    for (unsigned i = 0; i < m->nic_count; i++) {
        if (!m->nics[i].full && net_has_frames(m->nics[i].net))
            serve_one(m, i);
    }
}

static gboolean open_one(struct machine *m, unsigned number, GError **error)
{
    const struct nic_options *options = &m->options->net.nics[number];
    m->config.nics[number].model = options->model;
    memcpy(m->config.nics[number].mac, options->spec.mac, DEVICE_MAC);
    m->nics[number].net = net_open(&options->spec, on_news, m, error);
    m->nic_count += m->nics[number].net != NULL;
    return m->nics[number].net != NULL;
}

gboolean nets_open(struct machine *m, GError **error)
{
    for (unsigned i = 0; i < m->options->net.count; i++) {
        if (!open_one(m, i, error))
            return FALSE;
    }
    return TRUE;
}

void nets_close(struct machine *m)
{
    for (unsigned i = 0; i < m->nic_count; i++)
        net_close(m->nics[i].net);
}
