/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Lending what programs talk to while they draw (lent_video.h). What comes back has been where nobody is
 * trusted: only bits that registers have are taken, and nothing that others rely on.
 */
#include "vga.h"

#include <string.h>

enum { STATUS_MONOCHROME = 0x3ba, STATUS_COLOR = 0x3da };

/* In a linear mode there are no planes, and the accesses that are not plain reach nothing. */
bool vga_lend(const struct device *dev, void *state)
{
    const struct vga *s = dev->state;
    struct lent_video lent = { .planar = s->planar,
                               .beam = s->beam,
                               .status_port = s->misc & MISC_COLOR ? STATUS_COLOR : STATUS_MONOCHROME,
                               .attr_data = s->attr_data };

    if (vga_dispi_is_packed(s))
        return false;
    memcpy(state, &lent, sizeof(lent));
    return true;
}

void vga_take_back(struct device *dev, const void *state)
{
    struct vga *s = dev->state;
    struct lent_video lent;

    memcpy(&lent, state, sizeof(lent));
    s->attr_data = lent.attr_data & 1;
    s->planar.latch = lent.planar.latch;
    s->planar.seq_index = lent.planar.seq_index;
    s->planar.gc_index = lent.planar.gc_index;
    s->planar.seq[SEQ_MAP_MASK] = lent.planar.seq[SEQ_MAP_MASK] & planar_seq_mask[SEQ_MAP_MASK];
    for (unsigned i = 0; i < GC_REGISTERS; i++) {
        if (i != GC_MISCELLANEOUS)
            s->planar.gc[i] = lent.planar.gc[i] & planar_gc_mask[i];
    }
    vga_follow(dev); /* in case they did what they must not */
}
