/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Exit port for test guests: writing v, in any width, ends the program. The status the board makes of it,
 * 2v + 1, is the one that guests written for QEMU's isa-debug-exit expect.
 */
#include "devices/chips.h"

static const struct device_event event_exit = { "exit_port_write", { "value" } };

/* A status has eight bits, so the low byte of v is all that matters. */
static void exit_port_write(struct device *dev, uint32_t offset, unsigned size, uint32_t value)
{
    uint8_t byte = value;

    (void)offset, (void)size;
    device_trace(dev, &event_exit, value, 0, 0);
    device_send(dev, 0, &byte, 1);
}

const struct device_type exit_port_device = {
    .name = "exit_port",
    .state_size = 0,
    .ports = { { .count = 4, .width = 4, .write = exit_port_write } },
    .link_count = 1,
};
