/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The firmware configuration device, by which a virtual PC tells its firmware what no register of a PC can:
 * numbered items and named files, one of which is selected and read from its start, byte by byte or, told by
 * a descriptor in memory, all at once. Reads behind the end of an item give 0. Nothing can be written. QEMU
 * documentation, "QEMU Firmware Configuration (fw_cfg) Device".
 */
#include "devices/chips.h"

#include <string.h>

enum {
    SELECTOR = 0, /* offsets of the first run */
    DATA = 1,
    ADDRESS_HIGH = 0, /* of the second */
    ADDRESS_LOW = 4,
};

/* The descriptor: control, length, address, all big-endian. */
enum { DESCRIPTOR_SIZE = 16 };

enum {
    CONTROL_ERROR = 1 << 0,
    CONTROL_READ = 1 << 1,
    CONTROL_SKIP = 1 << 2,
    CONTROL_SELECT = 1 << 3,
    CONTROL_WRITE = 1 << 4,
};

struct fw_cfg {
    uint32_t position;
    uint32_t address_high; /* of the next descriptor */
    uint16_t key;
};

static const struct device_event event_select = { "fw_cfg_select", { "key" } };
static const struct device_event event_dma = { "fw_cfg_dma", { "control", "length", "address" } };

static void select_item(struct device *dev, uint16_t key)
{
    struct fw_cfg *f = dev->state;

    device_trace(dev, &event_select, key, 0, 0);
    f->key = key;
    f->position = 0;
}

/* ---- Byte by byte ---------------------------------------------------------------------------- */

static uint32_t fw_cfg_read(struct device *dev, uint32_t offset, unsigned size)
{
    struct fw_cfg *f = dev->state;
    uint32_t item_size;
    const uint8_t *item = device_contents(dev, f->key, &item_size);

    if (offset != DATA || size != 1)
        return UINT32_MAX;
    if (!item || f->position >= item_size)
        return 0;
    return item[f->position++];
}

static void fw_cfg_write(struct device *dev, uint32_t offset, unsigned size, uint32_t value)
{
    if (offset == SELECTOR && size == 2)
        select_item(dev, value);
}

/* ---- By descriptor --------------------------------------------------------------------------- */

static uint32_t big_endian(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static uint32_t swapped(uint32_t value)
{
    return big_endian((const uint8_t[]){ value, value >> 8, value >> 16, value >> 24 });
}

/* `length` bytes of the item to memory, or zeros from its end on; stops where there is no memory. */
static bool copy_out(struct device *dev, guest_pa to, uint32_t length)
{
    static const uint8_t zeros[4096];
    struct fw_cfg *f = dev->state;
    uint32_t size;
    const uint8_t *item = device_contents(dev, f->key, &size);

    while (length) {
        uint32_t left = item && f->position < size ? size - f->position : 0;
        uint32_t n = left ? left : sizeof(zeros);

        n = n < length ? n : length;
        if (!device_dma_write(dev, to, left ? item + f->position : zeros, n))
            return false;
        f->position += left ? n : 0;
        to += n;
        length -= n;
    }
    return true;
}

static void skip(struct device *dev, uint32_t length)
{
    struct fw_cfg *f = dev->state;

    f->position = length < UINT32_MAX - f->position ? f->position + length : UINT32_MAX;
}

static bool carry_out(struct device *dev, uint32_t control, uint32_t length, guest_pa address)
{
    if (control & CONTROL_SELECT)
        select_item(dev, control >> 16);
    if (control & CONTROL_READ)
        return copy_out(dev, address, length);
    if (control & CONTROL_WRITE)
        return false;
    if (control & CONTROL_SKIP)
        skip(dev, length);
    return true;
}

static void run_descriptor(struct device *dev, guest_pa at)
{
    uint8_t d[DESCRIPTOR_SIZE], result[4] = { 0 };
    uint32_t control, length;
    guest_pa address;

    if (!device_dma_read(dev, at, d, sizeof(d)))
        return;
    control = big_endian(d);
    length = big_endian(d + 4);
    address = (guest_pa)big_endian(d + 8) << 32 | big_endian(d + 12);
    device_trace(dev, &event_dma, control, length, address);
    result[3] = carry_out(dev, control, length, address) ? 0 : CONTROL_ERROR;
    device_dma_write(dev, at, result, sizeof(result));
}

static uint32_t dma_read(struct device *dev, uint32_t offset, unsigned size)
{
    static const uint8_t signature[] = "QEMU CFG";
    uint32_t value = 0;

    (void)dev;
    for (unsigned i = 0; i < size; i++)
        value |= (uint32_t)signature[(offset + i) % 8] << i * 8;
    return value;
}

/* The low half starts it, with the high half that was written before it, once. */
static void dma_write(struct device *dev, uint32_t offset, unsigned size, uint32_t value)
{
    struct fw_cfg *f = dev->state;

    if (size != 4)
        return;
    if (offset == ADDRESS_HIGH) {
        f->address_high = swapped(value);
    } else if (offset == ADDRESS_LOW) {
        guest_pa at = (guest_pa)f->address_high << 32 | swapped(value);

        f->address_high = 0;
        run_descriptor(dev, at);
    }
}

static void fw_cfg_reset(struct device *dev)
{
    memset(dev->state, 0, sizeof(struct fw_cfg));
}

const struct device_type fw_cfg_device = {
    .name = "fw_cfg",
    .state_size = sizeof(struct fw_cfg),
    .ports = { { .count = 2, .width = 2, .read = fw_cfg_read, .write = fw_cfg_write },
               { .count = 8, .width = 4, .read = dma_read, .write = dma_write } },
    .reset = fw_cfg_reset,
};
