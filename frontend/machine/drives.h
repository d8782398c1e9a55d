/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The machine's drives and the media in them: which image goes where, transfers, and changing media while the
 * machine runs.
 */
#pragma once

#include "devices/pc.h"

#include <glib.h>

struct machine;
struct medium;

/* Open all that the options name, and say in m->config what drives there are and what to start from. */
gboolean drives_open(struct machine *m, GError **error);
/* Ends all transfers. */
void drives_close(struct machine *m);

/* "hda" to "hdd", "fda", "fdb", "vda" to "vdd". */
const char *drives_name(enum pc_drive drive);

/* Tell the board of transfers that are over. In the processor's thread, between runs. */
bool drives_have_news(const struct machine *m);
void drives_serve(struct machine *m);

/* Nothing is under way. */
bool drives_are_idle(const struct machine *m);

/* Open an image, as struct image_spec has it, for a CD-ROM or floppy drive; that can take some time. */
struct medium *drives_open_medium(const struct machine *m, enum pc_drive drive, const char *image,
                                  GError **error);
/*
 * Put it into the drive; `medium` is what was there before, which is the caller's. NULL: none. With m->lock
 * held and the guest not in a run: m->in_guest is false. A guest can lock the drive; then it fails unless
 * `force`.
 */
gboolean drives_change(struct machine *m, enum pc_drive drive, struct medium **medium, bool force,
                       GError **error);

/* For struct pc_callbacks. */
void drives_medium(void *ctx, enum pc_drive drive, struct device_medium *medium);
uint8_t *drives_transfer_data(void *ctx, enum pc_drive drive, uint32_t size);
void drives_transfer(void *ctx, enum pc_drive drive, enum device_transfer what, uint64_t offset,
                     uint32_t size, uint32_t tag);
