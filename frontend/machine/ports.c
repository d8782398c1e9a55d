/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Bytes for the guest stay in the back-end's queue until the processor's thread is between two runs, since
 * the guest's queues are in its memory; from there on its reader says how fast they go. The guest's own wait
 * in its queue while their reader is slow. Only a console's do not: Linux spins with interrupts off until
 * they are taken, so consoles are served like serial ports.
 */
#include "ports.h"

#include "machine_private.h"

#include <string.h>

static bool has_news(const struct port *p)
{
    return p->left || p->connected != p->told || p->arrived || p->drained;
}

/* With the lock held, in any thread. */
static size_t on_receive(void *ctx, unsigned port, const uint8_t *bytes, size_t count)
{
    struct machine *m = ctx;
    struct port *p = &m->ports[port];
    if (!m->in_guest && !p->left && p->connected == p->told)
        return pc_console_receive(m->pc, port, bytes, count);
    p->arrived = true;
    machine_rouse(m);
    return 0;
}

static void on_break(void *ctx, unsigned port)
{
    (void)ctx, (void)port;
}

static void on_connected(void *ctx, unsigned port, bool connected)
{
    struct machine *m = ctx;
    struct port *p = &m->ports[port];
    p->left |= p->told && !connected;
    p->connected = connected;
    machine_rouse(m);
}

static void on_sendable(void *ctx, unsigned port)
{
    struct machine *m = ctx;
    m->ports[port].drained = true;
    machine_rouse(m);
}

bool ports_have_news(const struct machine *m)
{
    for (unsigned i = 0; i < PC_CONSOLES; i++) {
        if (has_news(&m->ports[i]))
            return true;
    }
    return false;
}

static void serve(struct machine *m, unsigned port)
{
    struct port *p = &m->ports[port];
    if (p->left)
        pc_console_connect(m->pc, port, false);
    p->told = p->told && !p->left;
    p->left = false;
    if (p->connected != p->told)
        pc_console_connect(m->pc, port, p->connected);
    p->told = p->connected;
    if (p->drained)
        pc_console_room(m->pc, port);
    p->drained = false;
    if (p->arrived) {
        p->arrived = false;
        backend_room(p->backend);
    }
}

void ports_tell_again(struct machine *m)
{
    for (unsigned i = 0; i < PC_CONSOLES; i++) {
        struct port *p = &m->ports[i];
        if (!m->config.consoles[i].present)
            continue;
        pc_console_connect(m->pc, i, p->connected);
        p->told = p->connected;
        p->left = false;
        p->drained = true;
    }
}

void ports_serve(struct machine *m)
{
    for (unsigned i = 0; i < PC_CONSOLES; i++) {
        if (has_news(&m->ports[i]))
            serve(m, i);
    }
}

size_t ports_transmit(void *ctx, unsigned port, const uint8_t *bytes, size_t count)
{
    struct machine *m = ctx;
    if (!m->ports[port].console)
        return backend_offer(m->ports[port].backend, bytes, count);
    backend_write(m->ports[port].backend, bytes, count);
    return count;
}

void ports_room(void *ctx, unsigned port)
{
    struct machine *m = ctx;
    if (m->ports[port].backend)
        backend_room(m->ports[port].backend);
}

bool ports_are_congested(const struct machine *m)
{
    for (unsigned i = 0; i < PC_CONSOLES; i++) {
        if (m->ports[i].console && backend_congested(m->ports[i].backend))
            return true;
    }
    return false;
}

void ports_configure(struct machine *m)
{
    for (unsigned i = 0; i < PC_CONSOLES && m->options->ports[i].backend; i++) {
        const char *name = m->options->ports[i].name;
        m->ports[i].console = !name;
        m->config.consoles[i].present = true;
        if (name)
            memcpy(m->config.consoles[i].name, name, MIN(strlen(name), PC_CONSOLE_NAME));
    }
}

gboolean ports_open(struct machine *m, const struct backend_owner *owner, GError **error)
{
    struct backend_owner ours = *owner;
    unsigned consoles = 0;
    ours.receive = on_receive;
    ours.send_break = on_break;
    ours.connected = on_connected;
    ours.sendable = on_sendable;
    for (unsigned i = 0; i < PC_CONSOLES && m->options->ports[i].backend; i++) {
        const char *name = m->options->ports[i].name;
        char *label = name ? g_strdup_printf("port %s", name) : g_strdup_printf("hvc%u", consoles++);
        m->ports[i].backend = backend_open(m->options->ports[i].backend, label, i, &ours, error);
        g_free(label);
        if (!m->ports[i].backend)
            return FALSE;
    }
    return TRUE;
}

void ports_drain(struct machine *m)
{
    for (unsigned i = 0; i < PC_CONSOLES; i++)
        backend_drain(m->ports[i].backend);
}

void ports_close(struct machine *m)
{
    for (unsigned i = 0; i < PC_CONSOLES; i++)
        backend_close(m->ports[i].backend);
}
