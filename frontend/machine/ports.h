/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The ports of a console of virtio (--virtio-console), and who is at their other end.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct backend;
struct backend_owner;
struct machine;

struct port {
    struct backend *backend; /* NULL: there is no such port */
    bool console;            /* else programs use it, by its name */
    /* What the board is not told yet: it is told while the guest stands still. */
    bool connected, told;  /* somebody is there; the board knows of one */
    bool left;             /* that one is not there any more */
    bool arrived, drained; /* there are bytes for the guest; there is room for its own */
};

/* Say in m->config which ports there are. */
void ports_configure(struct machine *m);
/* `owner` as for a serial port. */
gboolean ports_open(struct machine *m, const struct backend_owner *owner, GError **error);
void ports_drain(struct machine *m);
void ports_close(struct machine *m);

/* Tell the board. In the processor's thread, between runs. */
/* The guest's console is as it was at another time: tell it who is connected now. */
void ports_tell_again(struct machine *m);

bool ports_have_news(const struct machine *m);
void ports_serve(struct machine *m);
/* The guest should produce no more output for a while. */
bool ports_are_congested(const struct machine *m);

/* For struct pc_callbacks. */
size_t ports_transmit(void *ctx, unsigned port, const uint8_t *bytes, size_t count);
void ports_room(void *ctx, unsigned port);
