/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * System control port B (61h): the speaker's two bits, what counter 2 puts out, and the refresh toggle that
 * delay loops of BIOSes and DOS programs count. IBM PC/AT Technical Reference, "System Board", port 61h.
 */
#include "devices/chips.h"

enum {
    GATE2 = 0x01,
    SPEAKER_DATA = 0x02,
    WRITABLE = 0x0f, /* also the two NMI source disables, which have no source here */
    REFRESH = 0x10,
    OUT2 = 0x20,

    REFRESH_NS = 15086, /* 18 ticks of the timer clock, as a BIOS programs counter 1 */
};

struct port61 {
    uint8_t value;
};

static uint32_t port61_read(struct device *dev, uint32_t offset, unsigned size)
{
    const struct port61 *port = dev->state;

    (void)offset, (void)size;
    return port->value | (device_now(dev) / REFRESH_NS & 1 ? REFRESH : 0) |
           (device_input(dev, PORT61_PIN_OUT2) ? OUT2 : 0);
}

static void port61_write(struct device *dev, uint32_t offset, unsigned size, uint32_t value)
{
    struct port61 *port = dev->state;

    (void)offset, (void)size;
    port->value = value & WRITABLE;
    device_set_line(dev, PORT61_LINE_GATE2, value & GATE2);
    device_set_line(dev, PORT61_LINE_SPEAKER, value & SPEAKER_DATA);
}

static void port61_reset(struct device *dev)
{
    port61_write(dev, 0, 1, 0);
}

const struct device_type port61_device = {
    .name = "port61",
    .state_size = sizeof(struct port61),
    .ports = { { .count = 1, .read = port61_read, .write = port61_write } },
    .line_count = 2,
    .reset = port61_reset,
};
