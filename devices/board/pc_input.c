/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What comes from outside: bytes of serial lines, keys, the mouse.
 */
#include "pc_private.h"

/* ---- Serial lines, keyboard and mouse ----------------------------------------------------- */

static struct device *serial_port(struct pc *pc, unsigned com)
{
    return com < PC_SERIAL_MAX && pc->devices[COM1 + com].type ? &pc->devices[COM1 + com] : NULL;
}

size_t pc_serial_receive(struct pc *pc, unsigned com, const uint8_t *bytes, size_t count)
{
    struct device *dev = serial_port(pc, com);
    size_t taken = dev ? uart16550_device.receive(dev, 0, bytes, count) : 0;

    pc_news_from_outside(pc);
    return taken;
}

void pc_serial_break(struct pc *pc, unsigned com)
{
    struct device *dev = serial_port(pc, com);

    if (!dev)
        return;
    uart16550_device.input(dev, UART16550_PIN_BREAK, true);
    uart16550_device.input(dev, UART16550_PIN_BREAK, false);
    pc_news_from_outside(pc);
}

void pc_serial_set_modem(struct pc *pc, unsigned com, unsigned inputs)
{
    struct device *dev = serial_port(pc, com);

    for (unsigned pin = UART16550_PIN_CTS; dev && pin <= UART16550_PIN_DCD; pin++)
        uart16550_device.input(dev, pin, inputs >> pin & 1);
    pc_news_from_outside(pc);
}

/* A release is for the keyboard on which the key went down, which may have been another: each knows its own.
 */
void pc_key(struct pc *pc, uint16_t code, bool down)
{
    struct device *dev = &pc->devices[VIRTIO_KEYBOARD];
    bool taken = dev->type && dev->type->key(dev, code, down);

    if (!taken || !down)
        ps2_keyboard_device.key(&pc->devices[KEYBOARD], code, down);
    pc_news_from_outside(pc);
}

bool pc_keys_taken(struct pc *pc)
{
    struct device *dev = &pc->devices[VIRTIO_KEYBOARD];

    return !(dev->type && dev->type->sample(dev, VIRTIO_KEYBOARD_LINE_WAITING)) &&
           !ps2_keyboard_device.sample(&pc->devices[KEYBOARD], PS2_KEYBOARD_LINE_WAITING);
}

void pc_mouse(struct pc *pc, int32_t dx, int32_t dy, int32_t dz, unsigned buttons)
{
    ps2_mouse_device.pointer(&pc->devices[MOUSE], dx, dy, dz, buttons);
    pc_news_from_outside(pc);
}

bool pc_point(struct pc *pc, int32_t x, int32_t y, int32_t dz, unsigned buttons)
{
    struct device *dev = &pc->devices[VIRTIO_TABLET];
    bool taken = dev->type && dev->type->point(dev, x, y, dz, buttons);

    pc_news_from_outside(pc);
    return taken;
}
