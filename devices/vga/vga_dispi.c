/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * DISPI, the way to linear modes that the display adapters of virtual PCs have: an index and sixteen-bit
 * registers, one of which switches it on. Bochs VBE Display API, version B0C5h.
 */
#include "vga.h"

enum {
    INDEX = 0, /* offsets of its ports; data is at either of two */
    XRES_MAX = 1920,
    YRES_MAX = 1200,
    BPP_MAX = 32,
    ID_FIRST = 0xb0c0,
    ID_LAST = 0xb0c5,
    BANK_SIZE = 0x10000,
};

static const struct device_event event_dispi = { "vga_dispi", { "register", "value" } };

bool vga_dispi_is_on(const struct vga *s)
{
    return s->dispi[DISPI_ENABLE] & DISPI_ENABLED;
}

bool vga_dispi_is_packed(const struct vga *s)
{
    return vga_dispi_is_on(s) && s->dispi[DISPI_BPP] > 4;
}

unsigned vga_dispi_pixel_bytes(const struct vga *s)
{
    return (s->dispi[DISPI_BPP] + 7u) / 8;
}

/* Bytes of memory from a line to the next, when it has so many pixels. */
static uint32_t pitch_of(const struct vga *s, uint32_t width)
{
    return s->dispi[DISPI_BPP] == 4 ? width / 2 : width * vga_dispi_pixel_bytes(s);
}

static bool is_depth(unsigned bpp)
{
    return bpp == 4 || bpp == 8 || bpp == 15 || bpp == 16 || bpp == 24 || bpp == 32;
}

static void clear_picture(struct device *dev)
{
    static const uint8_t zeros[0x10000];
    const struct vga *s = dev->state;
    uint32_t left = pitch_of(s, s->dispi[DISPI_XRES]) * s->dispi[DISPI_YRES], at = 0;

    while (left) {
        uint32_t size = left < sizeof(zeros) ? left : sizeof(zeros);

        device_memory_write(dev, at, zeros, size);
        at += size;
        left -= size;
    }
}

/* The screen is a window on a wider and higher one, as far as memory goes. */
static void set_virtual_width(struct vga *s, uint32_t width)
{
    if (width < s->dispi[DISPI_XRES])
        width = s->dispi[DISPI_XRES];
    width &= ~7u;
    if ((uint64_t)pitch_of(s, width) * s->dispi[DISPI_YRES] > VIDEO_MEMORY)
        return;
    s->dispi[DISPI_VIRT_WIDTH] = width;
    width = VIDEO_MEMORY / pitch_of(s, width);
    s->dispi[DISPI_VIRT_HEIGHT] = width < 0xffff ? width : 0xffff;
}

static void limit_offsets(struct vga *s)
{
    unsigned x = s->dispi[DISPI_VIRT_WIDTH] - s->dispi[DISPI_XRES];
    unsigned y = s->dispi[DISPI_VIRT_HEIGHT] - s->dispi[DISPI_YRES];

    if (s->dispi[DISPI_X_OFFSET] > x)
        s->dispi[DISPI_X_OFFSET] = x;
    if (s->dispi[DISPI_Y_OFFSET] > y)
        s->dispi[DISPI_Y_OFFSET] = y;
}

static bool can_be_shown(const struct vga *s)
{
    uint32_t pitch = pitch_of(s, s->dispi[DISPI_XRES]);

    return pitch && s->dispi[DISPI_YRES] && (uint64_t)pitch * s->dispi[DISPI_YRES] <= VIDEO_MEMORY;
}

static void write_enable(struct device *dev, uint16_t value)
{
    struct vga *s = dev->state;
    bool was_on = vga_dispi_is_on(s);

    if (!can_be_shown(s))
        value &= ~DISPI_ENABLED;
    s->dispi[DISPI_ENABLE] = value;
    if ((value & DISPI_ENABLED) && !was_on) {
        s->dispi[DISPI_BANK] = s->dispi[DISPI_X_OFFSET] = s->dispi[DISPI_Y_OFFSET] = 0;
        set_virtual_width(s, s->dispi[DISPI_XRES]);
    }
    vga_follow(dev); /* first, so that what is cleared stays so */
    if ((value & DISPI_ENABLED) && !was_on && !(value & DISPI_NOCLEARMEM))
        clear_picture(dev);
}

/* The shape of a mode cannot be changed while it is on. */
static void write_shape(struct vga *s, unsigned index, uint16_t value)
{
    if (vga_dispi_is_on(s))
        return;
    if ((index == DISPI_XRES && value <= XRES_MAX && value % 8 == 0) ||
        (index == DISPI_YRES && value <= YRES_MAX))
        s->dispi[index] = value;
    else if (index == DISPI_BPP)
        s->dispi[index] = is_depth(value) ? value : value ? s->dispi[index] : 8;
}

static void write_register(struct device *dev, unsigned index, uint16_t value)
{
    struct vga *s = dev->state;

    switch (index) {
    case DISPI_ID:
        if (value >= ID_FIRST && value <= ID_LAST)
            s->dispi[index] = value;
        break;
    case DISPI_XRES:
    case DISPI_YRES:
    case DISPI_BPP:
        write_shape(s, index, value);
        break;
    case DISPI_ENABLE:
        write_enable(dev, value);
        break;
    case DISPI_BANK:
        s->dispi[index] = value % (VIDEO_MEMORY / BANK_SIZE);
        vga_follow(dev);
        break;
    case DISPI_VIRT_WIDTH:
        if (vga_dispi_is_on(s))
            set_virtual_width(s, value);
        limit_offsets(s);
        break;
    case DISPI_X_OFFSET:
    case DISPI_Y_OFFSET:
        s->dispi[index] = value;
        if (vga_dispi_is_on(s))
            limit_offsets(s);
        break;
    default:
        break;
    }
}

static uint16_t read_register(const struct vga *s, unsigned index)
{
    static const uint16_t caps[] = { XRES_MAX, YRES_MAX, BPP_MAX };

    if (index >= DISPI_XRES && index <= DISPI_BPP && (s->dispi[DISPI_ENABLE] & DISPI_GETCAPS))
        return caps[index - DISPI_XRES];
    if (index == DISPI_MEMORY_64K)
        return VIDEO_MEMORY >> 16;
    return index < DISPI_REGISTERS ? s->dispi[index] : 0;
}

uint32_t vga_dispi_read(struct device *dev, uint32_t offset, unsigned size)
{
    const struct vga *s = dev->state;

    if (size != 2)
        return UINT32_MAX;
    return offset == INDEX ? s->dispi_index : read_register(s, s->dispi_index);
}

void vga_dispi_write(struct device *dev, uint32_t offset, unsigned size, uint32_t value)
{
    struct vga *s = dev->state;

    if (size != 2)
        return;
    if (offset == INDEX) {
        s->dispi_index = value;
        return;
    }
    device_trace(dev, &event_dispi, s->dispi_index, value, 0);
    write_register(dev, s->dispi_index, value);
}
