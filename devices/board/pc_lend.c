/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Lending the chips next to the processor, and taking them back (docs/devices.md, "Near chips").
 */
#include "pc_private.h"

#include "devices/lent_video.h"

#include <string.h>

/* ---- Lending ------------------------------------------------------------------------------------- */

_Static_assert(sizeof(struct near_state) <= PC_LENT_SIZE, "the caller has room for it");
_Static_assert((int)BUS_MAX_PORT_RANGES + (int)BUS_MAX_MOVED <= (int)PC_PORTS_MAX,
               "the caller has room for all runs");

void pc_lend(struct pc *pc, void *state)
{
    memcpy(state, &pc->near_state, sizeof(pc->near_state));
    pc->lent = true;
    pc->risen = 0;
    pc_publish_deadline(pc);
}

/* What others did to the inputs meanwhile. A line that fell and rose again is to be seen to have risen. */
static void drive_irqs(struct pc *pc)
{
    for (unsigned irq = 0; irq < 16; irq++) {
        if (irq == NEAR_IRQ_TIMER || irq == NEAR_IRQ_CASCADE)
            continue;
        if (pc->risen & 1u << irq)
            near_set_irq(&pc->near, irq, false);
        near_set_irq(&pc->near, irq, pc->irq_sources[irq]);
    }
}

bool pc_take_back(struct pc *pc, const void *state)
{
    struct near_state back;
    bool valid;

    memcpy(&back, state, sizeof(back));
    valid = near_is_valid(&back);
    back.pm_timer = pc->near_state.pm_timer; /* which only software here moves, and the frontend chooses */
    back.apic = pc->near_state.apic;
    back.heard = pc->near_state.heard;
    if (valid)
        pc->near_state = back;
    pc->lent = false;
    drive_irqs(pc);
    pc_publish_deadline(pc);
    return valid;
}

/* ---- The display adapter --------------------------------------------------------------------------- */

_Static_assert(sizeof(struct lent_video) <= PC_LENT_VIDEO_SIZE, "the caller has room for it");

bool pc_lend_video(const struct pc *pc, void *state)
{
    const struct device *vga = &pc->devices[VGA];

    return vga->type && vga->type->lend(vga, state);
}

void pc_take_video_back(struct pc *pc, const void *state)
{
    struct device *vga = &pc->devices[VGA];

    vga->type->take_back(vga, state);
}
