/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What happens to memory, for the rooms above that have made something of it. They are called from here and
 * from each other directly, since these paths are hot and what there is to be told never changes: declared in
 * this room, defined in theirs. docs/architecture.md, "Rooms". Executor side.
 */
#pragma once

#include "cpu.h"

/* ---- interpreter/block.c: blocks ----------------------------------------------------------------------- */

/* A write reached bytes [offset, offset+size) of RAM-file frame `frame` which holds cached code. */
void block_written(struct vcpu *v, uint64_t frame, unsigned offset, unsigned size);
/* Forget all blocks. */
void block_flush(struct vcpu *v);

/* ---- inplace/code_write.c: private pages --------------------------------------------------------------- */

/* Private pages that show any of the bytes are dropped. */
void code_written(struct vcpu *v, uint64_t frame, unsigned offset, unsigned size);

/* ---- engine/sbe.c -------------------------------------------------------------------------------------- */

/* tlb_flush(), tlb_flush_page(): the guest's translations changed. */
void sbe_translations_changed(struct vcpu *v, bool globals);
void sbe_page_changed(struct vcpu *v, guest_la la);
/* The frame holds scanned code or decoded blocks: no mapping of it may be writable. */
void sbe_frame_is_code(struct vcpu *v, uint64_t frame);

/* ---- translated/translation.c -------------------------------------------------------------------------- */

/* Bytes of a frame with translated code were written. */
void translation_written(struct vcpu *v, uint64_t frame, unsigned offset, unsigned size);
/* All that was translated from the frame. */
void translation_drop_frame(struct vcpu *v, uint64_t frame);

/* ---- all of them ------------------------------------------------------------------------------------- */

/* Is anything cached from this RAM-file frame, as blocks, as private pages or translated? Then writes to it
 * must be seen.
 */
static inline bool frame_has_code(const struct vcpu *v, uint64_t frame)
{
    const struct code_frame *f = &v->code_frame[frame];
    return f->granules || f->private_head || f->translated_head;
}
/* Memory of a RAM-file frame was written by whatever means but native guest code: drop what was made from it.
 */
static inline void frame_written(struct vcpu *v, uint64_t frame, unsigned offset, unsigned size)
{
    if (v->code_frame[frame].granules)
        block_written(v, frame, offset, size);
    if (v->code_frame[frame].private_head)
        code_written(v, frame, offset, size);
    if (v->code_frame[frame].translated_head)
        translation_written(v, frame, offset, size);
}
