/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What input devices of virtio have in common. VIRTIO 1.1, "Input Device".
 */
#include "virtio_input.h"

#include <string.h>

enum {
    SELECT = 0, /* in the configuration space */
    SUBSEL = 1,
    SIZE_OF = 2,
    DATA = 8,

    ID_NAME = 0x01,
    ID_DEVIDS = 0x03,
    EV_BITS = 0x11,
    ABS_INFO = 0x12,
    AXES = 2,

    EVENT_SIZE = 8,
};

_Static_assert((int)DATA + (int)VIRTIO_INPUT_DATA_SIZE == (int)VIRTIO_INPUT_CONFIG_SIZE, "data is the last");

/* ---- Events ---------------------------------------------------------------------------------- */

bool virtio_input_is_driven(const struct device *dev)
{
    const struct virtio_input *in = dev->state;

    return virtio_is_running(dev) && in->virtio.queue[VIRTIO_INPUT_EVENTS].enabled;
}

bool virtio_input_tell(struct device *dev, unsigned type, unsigned code, uint32_t value)
{
    struct virtio_input *in = dev->state;
    uint8_t event[EVENT_SIZE] = { (uint8_t)type, 0, (uint8_t)code, (uint8_t)(code >> 8) };
    uint32_t size;

    if (!virtqueue_pop(dev, VIRTIO_INPUT_EVENTS, &in->chain))
        return false;
    for (unsigned i = 0; i < 4; i++)
        event[4 + i] = (uint8_t)(value >> i * 8);
    size = (uint32_t)virtio_chain_write(dev, &in->chain, 0, event, EVENT_SIZE);
    virtqueue_put(dev, VIRTIO_INPUT_EVENTS, in->chain.head, size);
    in->unfinished = type != EV_SYN;
    return true;
}

void virtio_input_end(struct device *dev)
{
    struct virtio_input *in = dev->state;

    if (in->unfinished)
        virtio_input_tell(dev, EV_SYN, 0, 0);
    virtqueue_publish(dev, VIRTIO_INPUT_EVENTS);
}

bool virtio_input_hear(struct device *dev, unsigned *type, unsigned *code, uint32_t *value)
{
    struct virtio_input *in = dev->state;
    uint8_t event[EVENT_SIZE] = { 0 };

    if (!virtqueue_pop(dev, VIRTIO_INPUT_STATUS, &in->chain))
        return false;
    virtio_chain_read(dev, &in->chain, 0, event, EVENT_SIZE);
    virtqueue_put(dev, VIRTIO_INPUT_STATUS, in->chain.head, 0);
    *type = event[0] | event[1] << 8;
    *code = event[2] | event[3] << 8;
    *value = event[4] | (uint32_t)event[5] << 8 | (uint32_t)event[6] << 16 | (uint32_t)event[7] << 24;
    return true;
}

void virtio_input_stop(struct device *dev)
{
    struct virtio_input *in = dev->state;

    in->unfinished = false;
    in->select = in->subsel = 0;
}

/* ---- What it is ------------------------------------------------------------------------------ */

void virtio_input_set_bit(uint8_t *bits, unsigned n, uint32_t *size)
{
    bits[n / 8] |= (uint8_t)(1u << n % 8);
    if (*size < n / 8 + 1)
        *size = n / 8 + 1;
}

/* The bytes of what is selected, and how many. */
static uint32_t describe(const struct virtio_input *in, const struct virtio_input_kind *kind, uint8_t *data)
{
    const uint8_t ids[] = { 0x06, 0, 0xf4, 0x1a, kind->product, 0, 1, 0 }; /* BUS_VIRTUAL, 1AF4 */
    size_t length = strlen(kind->name);

    switch (in->select) {
    case ID_NAME:
        memcpy(data, kind->name, length);
        return (uint32_t)length;
    case ID_DEVIDS:
        memcpy(data, ids, sizeof(ids));
        return sizeof(ids);
    case EV_BITS:
        return kind->events(in->subsel, data);
    case ABS_INFO:
        if (in->subsel >= AXES || !kind->axis_max)
            return 0;
        data[4] = kind->axis_max & 0xff; /* the least is 0 */
        data[5] = (uint8_t)(kind->axis_max >> 8);
        return 20;
    default:
        return 0;
    }
}

uint8_t virtio_input_config_read(struct device *dev, const struct virtio_input_kind *kind, uint32_t offset)
{
    const struct virtio_input *in = dev->state;
    uint8_t data[VIRTIO_INPUT_DATA_SIZE] = { 0 };
    uint32_t size = describe(in, kind, data);

    if (offset >= DATA)
        return data[offset - DATA];
    return offset == SELECT    ? in->select
           : offset == SUBSEL  ? in->subsel
           : offset == SIZE_OF ? (uint8_t)size
                               : 0;
}

void virtio_input_config_write(struct device *dev, uint32_t offset, uint8_t value)
{
    struct virtio_input *in = dev->state;

    if (offset == SELECT)
        in->select = value;
    else if (offset == SUBSEL)
        in->subsel = value;
}
