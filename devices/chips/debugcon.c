/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Debug console (E9h), known from other PC emulators: each byte written is a character for the person
 * debugging the guest. Reading returns E9h, which is how a guest finds out that the port exists.
 */
#include "devices/chips.h"

enum { SIGNATURE = 0xe9 };

static uint32_t debugcon_read(struct device *dev, uint32_t offset, unsigned size)
{
    (void)dev, (void)offset, (void)size;
    return SIGNATURE;
}

static void debugcon_write(struct device *dev, uint32_t offset, unsigned size, uint32_t value)
{
    uint8_t byte = value;

    (void)offset, (void)size;
    device_send(dev, 0, &byte, 1);
}

static bool debugcon_posts(const struct device *dev, uint32_t offset)
{
    (void)dev, (void)offset;
    return true;
}

const struct device_type debugcon_device = {
    .name = "debugcon",
    .state_size = 0,
    .ports = { { .count = 1, .read = debugcon_read, .write = debugcon_write, .posts = debugcon_posts } },
    .link_count = 1,
};
