/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The display adapter's ports that programs use while they draw: map mask, set/reset, bit mask and the like,
 * and the status they wait with for the retrace. IBM VGA XGA Technical Reference Manual, "VGA Registers".
 */
#include "devices/lent_video.h"

enum {
    SEQUENCER = 0x3c4,
    SEQUENCER_DATA = 0x3c5,
    GRAPHICS = 0x3ce,
    GRAPHICS_DATA = 0x3cf,

    STATUS_NOT_DISPLAYING = 1 << 0,
    STATUS_RETRACE = 1 << 3,
};

uint8_t beam_status(const struct beam *b, uint64_t now)
{
    uint64_t at = now % (b->line_ps * b->lines / 1000) * 1000;
    uint64_t line = at / b->line_ps;
    uint8_t status = 0;

    if (line >= b->retrace && line < b->retrace_end)
        status |= STATUS_RETRACE;
    if (line >= b->shown_lines || at % b->line_ps >= b->shown_ps)
        status |= STATUS_NOT_DISPLAYING;
    return status;
}

bool lent_video_in(struct lent_video *lent, uint16_t port, uint64_t now, uint8_t *value)
{
    const struct planar *p = &lent->planar;

    if (port == lent->status_port) {
        lent->attr_data = 0;
        *value = beam_status(&lent->beam, now);
        return true;
    }
    switch (port) {
    case SEQUENCER:
        *value = p->seq_index;
        return true;
    case SEQUENCER_DATA:
        *value = p->seq_index < SEQ_REGISTERS ? p->seq[p->seq_index] : 0;
        return true;
    case GRAPHICS:
        *value = p->gc_index;
        return true;
    case GRAPHICS_DATA:
        *value = p->gc_index < GC_REGISTERS ? p->gc[p->gc_index] : 0;
        return true;
    default:
        return false;
    }
}

/* Does nobody but the planes' logic look at what would change there? */
static bool is_for_logic(const struct planar *p, uint16_t port, uint8_t value)
{
    if (port == SEQUENCER_DATA)
        return p->seq_index == SEQ_MAP_MASK || p->seq_index >= SEQ_REGISTERS;
    if (p->gc_index == GC_MODE)
        return !((value ^ p->gc[GC_MODE]) & planar_gc_mask[GC_MODE] & ~(GC_WRITE_MODE | GC_READ_MODE));
    return p->gc_index != GC_MISCELLANEOUS;
}

static void put_register(struct planar *p, uint16_t port, uint8_t value)
{
    if (port == SEQUENCER_DATA && p->seq_index < SEQ_REGISTERS)
        p->seq[p->seq_index] = value & planar_seq_mask[p->seq_index];
    else if (port == GRAPHICS_DATA && p->gc_index < GC_REGISTERS)
        p->gc[p->gc_index] = value & planar_gc_mask[p->gc_index];
}

static bool write_data(struct planar *p, uint16_t port, uint8_t value)
{
    struct planar after = *p;

    if (!is_for_logic(p, port, value))
        return false;
    put_register(&after, port, value);
    if (planar_view(&after) != planar_view(p))
        return false;
    *p = after;
    return true;
}

bool lent_video_out(struct lent_video *lent, uint16_t port, uint8_t value)
{
    struct planar *p = &lent->planar;

    switch (port) {
    case SEQUENCER:
        p->seq_index = value;
        return true;
    case GRAPHICS:
        p->gc_index = value;
        return true;
    case SEQUENCER_DATA:
    case GRAPHICS_DATA:
        return write_data(p, port, value);
    default:
        return false;
    }
}
