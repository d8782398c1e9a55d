/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pointing device of virtio that says where it is, not how far it moved: a tablet with three buttons and a
 * wheel. What the guest was told is kept, and what is new told when there is room for it. VIRTIO 1.1, "Input
 * Device"; Linux's input-event-codes.h for the numbers.
 */
#include "devices/chips.h"
#include "virtio_input.h"

enum {
    BTN_LEFT = 0x110,
    BTN_RIGHT = 0x111,
    BTN_MIDDLE = 0x112,
    REL_WHEEL = 8,
    ABS_X = 0,
    ABS_Y = 1,
    WHEEL_MAX = 100, /* turns that are kept */
};

struct state {
    int32_t x, y;
    unsigned buttons;
};

struct virtio_tablet {
    struct virtio_input input;
    struct state now, told;
    int32_t wheel; /* turns that were not told yet, away from the person positive */
};

/* ---- Events ---------------------------------------------------------------------------------- */

static bool tell_axis(struct device *dev, unsigned code, int32_t now, int32_t *told)
{
    if (now == *told)
        return true;
    if (!virtio_input_tell(dev, EV_ABS, code, (uint32_t)now))
        return false;
    *told = now;
    return true;
}

static bool tell_buttons(struct device *dev)
{
    static const uint16_t codes[] = { BTN_LEFT, BTN_RIGHT, BTN_MIDDLE };
    struct virtio_tablet *t = dev->state;

    for (unsigned i = 0; i < 3; i++) {
        unsigned bit = 1u << i;

        if (!((t->now.buttons ^ t->told.buttons) & bit))
            continue;
        if (!virtio_input_tell(dev, EV_KEY, codes[i], t->now.buttons >> i & 1))
            return false;
        t->told.buttons ^= bit;
    }
    return true;
}

static bool tell_wheel(struct device *dev)
{
    struct virtio_tablet *t = dev->state;

    if (!t->wheel)
        return true;
    if (!virtio_input_tell(dev, EV_REL, REL_WHEEL, (uint32_t)t->wheel))
        return false;
    t->wheel = 0;
    return true;
}

/* The place first: a press is where it was. */
static void tell_news(struct device *dev)
{
    struct virtio_tablet *t = dev->state;

    if (tell_axis(dev, ABS_X, t->now.x, &t->told.x) && tell_axis(dev, ABS_Y, t->now.y, &t->told.y) &&
        tell_buttons(dev) && tell_wheel(dev))
        virtio_input_end(dev);
    else
        virtqueue_publish(dev, VIRTIO_INPUT_EVENTS);
}

/* A guest without a driver has the mouse. */
static bool virtio_tablet_point(struct device *dev, int32_t x, int32_t y, int32_t dz, unsigned buttons)
{
    struct virtio_tablet *t = dev->state;
    int32_t wheel = t->wheel - dz;

    if (!virtio_input_is_driven(dev))
        return false;
    t->now = (struct state){ x, y, buttons };
    t->wheel = wheel > WHEEL_MAX ? WHEEL_MAX : wheel < -WHEEL_MAX ? -WHEEL_MAX : wheel;
    tell_news(dev);
    return true;
}

/* What the guest says about lights, which there are none of, is taken. */
static void drop_status(struct device *dev)
{
    unsigned type, code;
    uint32_t value;

    for (unsigned i = 0; i < VIRTIO_INPUT_QUEUE_SIZE && virtio_input_hear(dev, &type, &code, &value); i++)
        ;
    virtqueue_publish(dev, VIRTIO_INPUT_STATUS);
}

static void virtio_tablet_notify(struct device *dev, unsigned queue)
{
    if (queue == VIRTIO_INPUT_STATUS)
        drop_status(dev);
    else
        tell_news(dev);
}

static void virtio_tablet_stop(struct device *dev)
{
    struct virtio_tablet *t = dev->state;

    virtio_input_stop(dev);
    t->told = (struct state){ 0, 0, 0 };
    t->wheel = 0;
}

/* ---- What it is ------------------------------------------------------------------------------ */

static uint32_t events(unsigned type, uint8_t *bits)
{
    uint32_t size = 0;

    if (type == EV_KEY) {
        for (unsigned code = BTN_LEFT; code <= BTN_MIDDLE; code++)
            virtio_input_set_bit(bits, code, &size);
    } else if (type == EV_REL) {
        virtio_input_set_bit(bits, REL_WHEEL, &size);
    } else if (type == EV_ABS) {
        virtio_input_set_bit(bits, ABS_X, &size);
        virtio_input_set_bit(bits, ABS_Y, &size);
    }
    return size;
}

static const struct virtio_input_kind kind = {
    .name = "Duplex86 tablet", .product = 1, .events = events, .axis_max = DEVICE_POINT_MAX
};

static uint8_t virtio_tablet_config_read(struct device *dev, uint32_t offset)
{
    return virtio_input_config_read(dev, &kind, offset);
}

static const struct virtio_class class = {
    .queue_count = VIRTIO_INPUT_QUEUES,
    .queue_size = VIRTIO_INPUT_QUEUE_SIZE,
    .config_size = VIRTIO_INPUT_CONFIG_SIZE,
    .config_read = virtio_tablet_config_read,
    .config_write = virtio_input_config_write,
    .notify = virtio_tablet_notify,
    .stop = virtio_tablet_stop,
};

static const struct device_register registers[] = {
    VIRTIO_PCI_REGISTERS(VIRTIO_PCI_MODERN(18), 0x090000, 18, VIRTIO_INPUT_CONFIG_SIZE),
    { 0 },
};

static const struct device_pci pci = { VIRTIO_PCI_FUNCTION(registers, VIRTIO_PCI_BARS_MODERN) };

const struct device_type virtio_tablet_device = {
    .name = "virtio_tablet",
    .state_size = sizeof(struct virtio_tablet),
    .pci = &pci,
    .virtio = &class,
    .line_count = 1,
    .reset = virtio_pci_reset,
    .point = virtio_tablet_point,
};
