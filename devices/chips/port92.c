/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * System control port A (92h): the fast way to A20 and to a processor reset.
 * IBM PS/2 Hardware Interface Technical Reference, "System Control Port A".
 */
#include "devices/chips.h"

enum {
    FAST_RESET = 0x01,
    FAST_A20 = 0x02,
};

struct port92 {
    uint8_t value; /* without FAST_A20, which is read from the gate itself */
};

static const struct device_event event_write = { "port92_write", { "value" } };

static uint32_t port92_read(struct device *dev, uint32_t offset, unsigned size)
{
    const struct port92 *port = dev->state;

    (void)offset, (void)size;
    return port->value | (device_input(dev, PORT92_PIN_A20) ? FAST_A20 : 0);
}

static void port92_write(struct device *dev, uint32_t offset, unsigned size, uint32_t value)
{
    struct port92 *port = dev->state;
    bool resets = (value & FAST_RESET) && !(port->value & FAST_RESET);

    (void)offset, (void)size;
    device_trace(dev, &event_write, value & 0xff, 0, 0);
    port->value = value & ~FAST_A20;
    device_set_line(dev, PORT92_LINE_A20, value & FAST_A20);
    if (resets) {
        device_set_line(dev, PORT92_LINE_RESET, true);
        device_set_line(dev, PORT92_LINE_RESET, false);
    }
}

/* A20 opens with the keyboard controller's reset; this chip only forgets. */
static void port92_reset(struct device *dev)
{
    struct port92 *port = dev->state;

    port->value = 0;
}

const struct device_type port92_device = {
    .name = "port92",
    .state_size = sizeof(struct port92),
    .ports = { { .count = 1, .read = port92_read, .write = port92_write } },
    .line_count = 2,
    .reset = port92_reset,
};
