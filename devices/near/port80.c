/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * POST code latch (80h). Firmware writes its progress here and everybody writes here for a short delay,
 * which no chip here needs. On an AT it is a spare DMA page register, so it reads back.
 */
#include "devices/chips.h"

struct port80 {
    uint8_t code;
};

static const struct device_event event_post = { "port80_post", { "code" } };

static uint32_t port80_read(struct device *dev, uint32_t offset, unsigned size)
{
    const struct port80 *post = dev->state;

    (void)offset, (void)size;
    return post->code;
}

static void port80_write(struct device *dev, uint32_t offset, unsigned size, uint32_t value)
{
    struct port80 *post = dev->state;

    (void)offset, (void)size;
    post->code = value;
    device_trace(dev, &event_post, post->code, 0, 0);
}

static void port80_reset(struct device *dev)
{
    struct port80 *post = dev->state;

    post->code = 0;
}

const struct device_type port80_device = {
    .name = "port80",
    .state_size = sizeof(struct port80),
    .ports = { { .count = 1, .read = port80_read, .write = port80_write } },
    .reset = port80_reset,
};
