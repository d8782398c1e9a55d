/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pointing device of virtio that says where it is, not how far it moved: a tablet with three buttons and a
 * wheel. What the guest was told is kept, and what is new told when there is room for it. VIRTIO 1.1, "Input
 * Device"; Linux's input-event-codes.h for the numbers.
 */
#include "devices/chips.h"
#include "virtio_pci.h"

#include <string.h>

enum {
    EVENTS = 0,
    STATUS = 1,
    QUEUES = 2,
    QUEUE_SIZE = 64,

    CONFIG_SELECT = 0,
    CONFIG_SUBSEL = 1,
    CONFIG_SIZE_OF = 2,
    CONFIG_DATA = 8,
    CONFIG_SIZE = 136,
    ID_NAME = 0x01,
    ID_DEVIDS = 0x03,
    EV_BITS = 0x11,
    ABS_INFO = 0x12,

    EV_SYN = 0,
    EV_KEY = 1,
    EV_REL = 2,
    EV_ABS = 3,
    BTN_LEFT = 0x110,
    BTN_RIGHT = 0x111,
    BTN_MIDDLE = 0x112,
    REL_WHEEL = 8,
    ABS_X = 0,
    ABS_Y = 1,
    EVENT_SIZE = 8,
    WHEEL_MAX = 100, /* turns that are kept */
};

struct state {
    int32_t x, y;
    unsigned buttons;
};

struct virtio_tablet {
    struct virtio virtio;
    struct state now, told;
    int32_t wheel;   /* turns that were not told yet, away from the person positive */
    bool unfinished; /* events were told that no EV_SYN has ended yet */
    uint8_t select, subsel;
    struct virtio_chain chain; /* in use */
};

/* ---- Events ---------------------------------------------------------------------------------- */

/* False: there is no buffer. */
static bool tell(struct device *dev, unsigned type, unsigned code, uint32_t value)
{
    struct virtio_tablet *t = dev->state;
    uint8_t event[EVENT_SIZE] = { (uint8_t)type, 0, (uint8_t)code, (uint8_t)(code >> 8) };
    uint32_t size;

    if (!virtqueue_pop(dev, EVENTS, &t->chain))
        return false;
    for (unsigned i = 0; i < 4; i++)
        event[4 + i] = (uint8_t)(value >> i * 8);
    size = (uint32_t)virtio_chain_write(dev, &t->chain, 0, event, EVENT_SIZE);
    virtqueue_put(dev, EVENTS, t->chain.head, size);
    t->unfinished = type != EV_SYN;
    return true;
}

static bool tell_axis(struct device *dev, unsigned code, int32_t now, int32_t *told)
{
    if (now == *told)
        return true;
    if (!tell(dev, EV_ABS, code, (uint32_t)now))
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
        if (!tell(dev, EV_KEY, codes[i], t->now.buttons >> i & 1))
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
    if (!tell(dev, EV_REL, REL_WHEEL, (uint32_t)t->wheel))
        return false;
    t->wheel = 0;
    return true;
}

/* The place first: a press is where it was. */
static void tell_news(struct device *dev)
{
    struct virtio_tablet *t = dev->state;

    if (tell_axis(dev, ABS_X, t->now.x, &t->told.x) && tell_axis(dev, ABS_Y, t->now.y, &t->told.y) &&
        tell_buttons(dev) && tell_wheel(dev) && t->unfinished)
        tell(dev, EV_SYN, 0, 0);
    virtqueue_publish(dev, EVENTS);
}

/* A guest without a driver has the mouse. */
static bool virtio_tablet_point(struct device *dev, int32_t x, int32_t y, int32_t dz, unsigned buttons)
{
    struct virtio_tablet *t = dev->state;
    int32_t wheel = t->wheel - dz;

    if (!virtio_is_running(dev) || !t->virtio.queue[EVENTS].enabled)
        return false;
    t->now = (struct state){ x, y, buttons };
    t->wheel = wheel > WHEEL_MAX ? WHEEL_MAX : wheel < -WHEEL_MAX ? -WHEEL_MAX : wheel;
    tell_news(dev);
    return true;
}

/* What the guest says about lights, which there are none of, is taken. */
static void drop_status(struct device *dev)
{
    struct virtio_tablet *t = dev->state;

    for (unsigned i = 0; i < QUEUE_SIZE && virtqueue_pop(dev, STATUS, &t->chain); i++)
        virtqueue_put(dev, STATUS, t->chain.head, 0);
    virtqueue_publish(dev, STATUS);
}

static void virtio_tablet_notify(struct device *dev, unsigned queue)
{
    if (queue == STATUS)
        drop_status(dev);
    else
        tell_news(dev);
}

static void virtio_tablet_stop(struct device *dev)
{
    struct virtio_tablet *t = dev->state;

    t->told = (struct state){ 0, 0, 0 };
    t->wheel = 0;
    t->unfinished = false;
    t->select = t->subsel = 0;
}

/* ---- What it is ------------------------------------------------------------------------------ */

static void set_bit(uint8_t *bits, unsigned n, uint32_t *size)
{
    bits[n / 8] |= (uint8_t)(1u << n % 8);
    if (*size < n / 8 + 1)
        *size = n / 8 + 1;
}

static uint32_t describe_events(unsigned type, uint8_t *data)
{
    uint32_t size = 0;

    if (type == EV_KEY) {
        for (unsigned code = BTN_LEFT; code <= BTN_MIDDLE; code++)
            set_bit(data, code, &size);
    } else if (type == EV_REL) {
        set_bit(data, REL_WHEEL, &size);
    } else if (type == EV_ABS) {
        set_bit(data, ABS_X, &size);
        set_bit(data, ABS_Y, &size);
    }
    return size;
}

/* The bytes of what is selected, and how many. */
static uint32_t describe(const struct virtio_tablet *t, uint8_t *data)
{
    static const char name[] = "Duplex86 tablet";
    static const uint8_t ids[] = { 0x06, 0, 0xf4, 0x1a, 1, 0, 1, 0 }; /* BUS_VIRTUAL, 1AF4 */

    switch (t->select) {
    case ID_NAME:
        memcpy(data, name, sizeof(name) - 1);
        return sizeof(name) - 1;
    case ID_DEVIDS:
        memcpy(data, ids, sizeof(ids));
        return sizeof(ids);
    case EV_BITS:
        return describe_events(t->subsel, data);
    case ABS_INFO:
        if (t->subsel > ABS_Y)
            return 0;
        data[4] = DEVICE_POINT_MAX & 0xff; /* the least is 0 */
        data[5] = DEVICE_POINT_MAX >> 8;
        return 20;
    default:
        return 0;
    }
}

static uint8_t virtio_tablet_config_read(struct device *dev, uint32_t offset)
{
    const struct virtio_tablet *t = dev->state;
    uint8_t data[CONFIG_SIZE - CONFIG_DATA] = { 0 };
    uint32_t size = describe(t, data);

    if (offset >= CONFIG_DATA)
        return data[offset - CONFIG_DATA];
    return offset == CONFIG_SELECT    ? t->select
           : offset == CONFIG_SUBSEL  ? t->subsel
           : offset == CONFIG_SIZE_OF ? (uint8_t)size
                                      : 0;
}

static void virtio_tablet_config_write(struct device *dev, uint32_t offset, uint8_t value)
{
    struct virtio_tablet *t = dev->state;

    if (offset == CONFIG_SELECT)
        t->select = value;
    else if (offset == CONFIG_SUBSEL)
        t->subsel = value;
}

static const struct virtio_class class = {
    .queue_count = QUEUES,
    .queue_size = QUEUE_SIZE,
    .config_size = CONFIG_SIZE,
    .config_read = virtio_tablet_config_read,
    .config_write = virtio_tablet_config_write,
    .notify = virtio_tablet_notify,
    .stop = virtio_tablet_stop,
};

static const struct device_register registers[] = {
    VIRTIO_PCI_REGISTERS(VIRTIO_PCI_MODERN(18), 0x090000, 18, CONFIG_SIZE),
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
