/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The machine's network adapters and their cables.
 */
#pragma once

#include "devices/pc.h"

#include <glib.h>

struct machine;

/* Connect all that the options name, and say in m->config what adapters there are. */
gboolean nets_open(struct machine *m, GError **error);
void nets_close(struct machine *m);

/* Give frames to the board as far as the guest has buffers. In the processor's thread, between runs. */
bool nets_have_news(const struct machine *m);
void nets_serve(struct machine *m);

/* For struct pc_callbacks. */
void nets_send_frame(void *ctx, unsigned nic, const struct device_frame *frame);
void nets_frame_room(void *ctx, unsigned nic);
void nets_take_segments(void *ctx, unsigned nic, bool ipv4, bool ipv6);
