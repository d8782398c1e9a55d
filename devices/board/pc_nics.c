/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Network adapters of the board: which chip is in which slot, and frames between chips and the frontend,
 * which has the cables.
 */
#include "pc_private.h"

#include <string.h>

const uint16_t pc_nic_isa_ports[2] = { 0x300, 0x310 };

static const struct device_type *const types[PC_NIC_MODELS] = {
    [PC_NIC_E1000] = &e1000_device,
    [PC_NIC_NE2000_PCI] = &rtl8029_device,
    [PC_NIC_NE2000_ISA] = &ne2000_isa_device,
    [PC_NIC_VIRTIO] = &virtio_net_device,
};

const struct device_type *pc_nic_type(const struct pc_config *config, unsigned nic)
{
    enum pc_nic_model model = nic < PC_NICS ? config->nics[nic].model : PC_NIC_NONE;

    return model < PC_NIC_MODELS ? types[model] : NULL;
}

size_t pc_nic_state_size(void)
{
    size_t size = 0;

    for (unsigned i = 0; i < PC_NIC_MODELS; i++)
        size = types[i] && types[i]->state_size > size ? types[i]->state_size : size;
    return size;
}

/* ---- From the chips -------------------------------------------------------------------------- */

void pc_board_mac(void *board, struct device *dev, uint8_t *mac)
{
    const struct pc *pc = board;

    memcpy(mac, pc->config.nics[dev->slot - NIC0].mac, DEVICE_MAC);
}

void pc_board_send_frame(void *board, struct device *dev, const struct device_frame *frame)
{
    struct pc *pc = board;

    pc->callbacks.send_frame(pc->ctx, dev->slot - NIC0, frame);
}

void pc_board_frame_room(void *board, struct device *dev)
{
    struct pc *pc = board;

    if (pc->callbacks.frame_room)
        pc->callbacks.frame_room(pc->ctx, dev->slot - NIC0);
}

void pc_board_take_segments(void *board, struct device *dev, bool ipv4, bool ipv6)
{
    struct pc *pc = board;

    if (pc->callbacks.take_segments)
        pc->callbacks.take_segments(pc->ctx, dev->slot - NIC0, ipv4, ipv6);
}

/* ---- To them --------------------------------------------------------------------------------- */

bool pc_frame_arrives(struct pc *pc, unsigned nic, const struct device_frame *frame)
{
    struct device *dev = &pc->devices[NIC0 + nic];
    bool taken = !dev->type || dev->type->frame_arrives(dev, frame);

    pc_news_from_outside(pc);
    return taken;
}
