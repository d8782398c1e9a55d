/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Ports of the console of virtio, of which the frontend is the other end.
 */
#include "pc_private.h"

_Static_assert((int)PC_CONSOLES == (int)VIRTIO_CONSOLE_PORTS, "each port of the chip can be used");

const uint8_t *pc_console_name(const struct pc *pc, unsigned port, uint32_t *size)
{
    const struct pc_console *console = &pc->config.consoles[port % PC_CONSOLES];

    *size = 0;
    if (port >= PC_CONSOLES || !console->present)
        return NULL;
    while (*size < PC_CONSOLE_NAME && console->name[*size])
        ++*size;
    return (const uint8_t *)console->name;
}

/* NULL: there is none. */
static struct device *console(struct pc *pc)
{
    struct device *dev = &pc->devices[VIRTIO_CONSOLE];

    return dev->type ? dev : NULL;
}

size_t pc_console_receive(struct pc *pc, unsigned port, const uint8_t *bytes, size_t count)
{
    struct device *dev = console(pc);
    size_t taken = dev ? virtio_console_device.receive(dev, port, bytes, count) : count;

    pc_news_from_outside(pc);
    return taken;
}

void pc_console_room(struct pc *pc, unsigned port)
{
    if (console(pc))
        virtio_console_device.room(console(pc), port);
    pc_news_from_outside(pc);
}

void pc_console_connect(struct pc *pc, unsigned port, bool connected)
{
    pc_set_pin(pc, VIRTIO_CONSOLE, port, connected);
    pc_news_from_outside(pc);
}
