/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The machine's shared folders, a thread of its own for each that answers messages; and entropy.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

struct machine;

/* Open the folders that the options name, and say in m->config that there are some. */
gboolean shares_open(struct machine *m, GError **error);
/* Ends all answers. */
void shares_close(struct machine *m);

/* Tell the board of answers. In the processor's thread, between runs. */
bool shares_have_news(const struct machine *m);
void shares_serve(struct machine *m);

/* For struct pc_callbacks. */
void shares_ask(void *ctx, unsigned share, const uint8_t *data, uint32_t size, uint32_t room, uint32_t tag);
void shares_random(void *ctx, uint8_t *bytes, uint32_t size);
