/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What happens to memory, for the rooms above that have made something of it. They are called from here and
 * from each other directly, since these paths are hot and what there is to be told never changes: declared in
 * this room, defined in theirs. docs/architecture.md, "Rooms". Executor side.
 */
#pragma once

#include "cpu.h"

/* ---- engine/sbe.c -------------------------------------------------------------------------------------- */

/* tlb_flush(), tlb_flush_page(): the guest's translations changed. */
void sbe_translations_changed(struct vcpu *v);
void sbe_page_changed(struct vcpu *v, guest_la la);
/* The frame holds scanned code or decoded blocks: no mapping of it may be writable. */
void sbe_frame_is_code(struct vcpu *v, uint64_t frame);

/* ---- translated/translation.c -------------------------------------------------------------------------- */

/* All that was translated from the frame. */
void translation_drop_frame(struct vcpu *v, uint64_t frame);
