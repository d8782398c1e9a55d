/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Reset control register (CF9h). A rising RST_CPU resets, and SYS_RST says how much. The port lies inside the
 * dword of the PCI configuration address, so only byte accesses reach it. Intel 82371SB (PIIX3), "RC - Reset
 * Control".
 */
#include "devices/chips.h"

enum {
    SYS_RST = 0x02,
    RST_CPU = 0x04,
};

struct reset_control {
    uint8_t value;
};

static const struct device_event event_write = { "reset_control_write", { "value" } };

static uint32_t reset_control_read(struct device *dev, uint32_t offset, unsigned size)
{
    const struct reset_control *rc = dev->state;

    (void)offset, (void)size;
    return rc->value;
}

static void reset_control_write(struct device *dev, uint32_t offset, unsigned size, uint32_t value)
{
    struct reset_control *rc = dev->state;
    unsigned line = value & SYS_RST ? RESET_CONTROL_LINE_HARD : RESET_CONTROL_LINE_SOFT;
    bool resets = (value & RST_CPU) && !(rc->value & RST_CPU);

    (void)offset, (void)size;
    device_trace(dev, &event_write, value & 0xff, 0, 0);
    rc->value = value & (SYS_RST | RST_CPU);
    if (resets) {
        device_set_line(dev, line, true);
        device_set_line(dev, line, false);
    }
}

static void reset_control_reset(struct device *dev)
{
    struct reset_control *rc = dev->state;

    rc->value = 0;
}

const struct device_type reset_control_device = {
    .name = "reset_control",
    .state_size = sizeof(struct reset_control),
    .ports = { { .count = 1, .whole_only = true, .read = reset_control_read, .write = reset_control_write } },
    .line_count = 2,
    .reset = reset_control_reset,
};
