/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Shared folders of the board, whose messages the frontend answers; the entropy device, and the balloon.
 */
#include "pc_private.h"

#include <string.h>

void pc_board_ask(void *board, struct device *dev, const uint8_t *data, uint32_t size, uint32_t room,
                  uint32_t tag)
{
    struct pc *pc = board;

    pc->callbacks.ask(pc->ctx, dev->slot - SHARE0, data, size, room, tag);
}

void pc_board_random(void *board, uint8_t *bytes, uint32_t size)
{
    struct pc *pc = board;

    pc->callbacks.random(pc->ctx, bytes, size);
}

bool pc_board_discard(void *board, guest_pa pa, uint64_t size)
{
    struct pc *pc = board;

    return pc->callbacks.discard(pc->ctx, pa, size);
}

bool pc_inflate(struct pc *pc, uint32_t pages)
{
    struct device *dev = &pc->devices[VIRTIO_BALLOON];

    if (dev->type)
        dev->type->inflate(dev, pages);
    pc_news_from_outside(pc);
    return dev->type;
}

bool pc_balloon(struct pc *pc, struct device_balloon *balloon)
{
    struct device *dev = &pc->devices[VIRTIO_BALLOON];

    if (dev->type)
        dev->type->look(dev, balloon);
    pc_news_from_outside(pc);
    return dev->type;
}

const uint8_t *pc_share_name(const struct pc *pc, unsigned slot, uint32_t *size)
{
    const char *name = pc->config.shares[(slot - SHARE0) % PC_SHARES];

    *size = 0;
    while (*size < PC_SHARE_NAME && name[*size])
        ++*size;
    return (const uint8_t *)name;
}

void pc_answered(struct pc *pc, unsigned share, uint32_t tag, const uint8_t *data, uint32_t size)
{
    struct device *dev = &pc->devices[SHARE0 + share];

    if (dev->type)
        dev->type->answered(dev, tag, data, size);
    pc_news_from_outside(pc);
}
