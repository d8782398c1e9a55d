/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How the processor reaches display memory at A0000h to BFFFFh. Where the mode makes of its accesses plain
 * ones, the board shows it the memory and has nothing more to do with them; all others go through the planes'
 * logic (planar.c), one by one.
 *
 * Memory is as planar.h says, so that chain 4 and DISPI's bank are plain as they are. Text and CGA graphics
 * are not: characters and attributes, planes 0 and 1, have two bytes of other planes between them. While a
 * mode like that makes plain accesses, planes 0 and 1 are elsewhere, at VIDEO_CELLS, and nowhere else; they
 * move when software begins such a mode or leaves it, which it does to load fonts and to change modes.
 */
#include "vga.h"

#include <string.h>

#define VGA_MEMORY 0xa0000

static const struct device_event event_window = { "vga_window", { "base", "size", "offset" } };

/* ---- What the processor is to see -------------------------------------------------------- */

static struct device_window wanted(const struct vga *s)
{
    struct planar_range range = planar_range(&s->planar);
    struct device_window window = { VGA_MEMORY + range.base, range.size, 0 };

    if (vga_dispi_is_packed(s))
        return (struct device_window){ VGA_MEMORY, 0x10000, (uint32_t)s->dispi[DISPI_BANK] << 16 };
    if (vga_dispi_is_on(s))
        return (struct device_window){ 0, 0, 0 };
    switch (planar_view(&s->planar)) {
    case PLANAR_ODD_EVEN:
        window.offset = VIDEO_CELLS;
        break;
    case PLANAR_CHAIN_4:
        break;
    default:
        window = (struct device_window){ 0, 0, 0 };
        break;
    }
    return window;
}

void vga_window(const struct device *dev, struct device_window *window)
{
    const struct vga *s = dev->state;

    *window = s->window;
}

/* ---- Moving characters and attributes -------------------------------------------------------------------
 */

enum { PIECE = 1024 }; /* cells */

static void gather_cells(struct device *dev, uint32_t count)
{
    uint8_t cells[2 * PIECE];

    for (uint32_t at = 0; at < count; at += PIECE) {
        const uint8_t *from = dev->memory + 4 * (size_t)at;

        for (unsigned i = 0; i < PIECE; i++)
            memcpy(cells + 2 * (size_t)i, from + 4 * (size_t)i, 2);
        device_memory_write(dev, VIDEO_CELLS + 2 * at, cells, sizeof(cells));
    }
}

static void scatter_cells(struct device *dev, uint32_t count)
{
    uint8_t planes[4 * PIECE];

    for (uint32_t at = 0; at < count; at += PIECE) {
        const uint8_t *from = dev->memory + VIDEO_CELLS + 2 * (size_t)at;

        memcpy(planes, dev->memory + 4 * (size_t)at, sizeof(planes));
        for (unsigned i = 0; i < PIECE; i++)
            memcpy(planes + 4 * (size_t)i, from + 2 * (size_t)i, 2);
        device_memory_write(dev, 4 * at, planes, sizeof(planes));
    }
}

static bool has_cells(const struct device_window *window)
{
    return window->size && window->offset == VIDEO_CELLS;
}

void vga_follow(struct device *dev)
{
    struct vga *s = dev->state;
    struct device_window window = wanted(s), before = s->window;

    vga_set_beam(s);
    s->planar.bank = vga_dispi_is_on(s) ? (uint32_t)s->dispi[DISPI_BANK] << 16 : 0;
    s->planar.mask = vga_dispi_is_on(s) ? VIDEO_MEMORY / 4 - 1 : 0xffff;
    if (window.base == before.base && window.size == before.size && window.offset == before.offset)
        return;
    if (has_cells(&before) && !(has_cells(&window) && window.size == before.size))
        scatter_cells(dev, before.size / 2);
    if (has_cells(&window) && !(has_cells(&before) && window.size == before.size))
        gather_cells(dev, window.size / 2);
    s->window = window;
    device_trace(dev, &event_window, window.base, window.size, window.offset);
    device_set_line(dev, VGA_LINE_MEMORY, true);
    device_set_line(dev, VGA_LINE_MEMORY, false);
}

/* ---- All other accesses ---------------------------------------------------------------------------------
 */

/* Where [offset, offset + 1) of A0000h-BFFFFh is plain memory. For who does not look at the window. */
static bool is_plain(const struct vga *s, uint64_t offset, uint32_t *at)
{
    uint64_t from = VGA_MEMORY + offset - s->window.base;

    *at = s->window.offset + (uint32_t)from;
    return from < s->window.size;
}

uint64_t vga_memory_read(struct device *dev, uint64_t offset, unsigned size)
{
    struct vga *s = dev->state;
    uint64_t value = 0;
    uint32_t at;

    for (unsigned i = 0; i < size; i++) {
        uint8_t byte = is_plain(s, offset + i, &at) ? dev->memory[at]
                       : vga_dispi_is_packed(s)     ? 0xff
                                                : planar_read(&s->planar, dev->memory, (uint32_t)offset + i);

        value |= (uint64_t)byte << 8 * i;
    }
    return value;
}

static void write_byte(struct device *dev, uint32_t offset, uint8_t value)
{
    struct vga *s = dev->state;
    struct planar_store store;
    uint32_t at;

    if (is_plain(s, offset, &at))
        device_memory_write(dev, at, &value, 1);
    else if (!vga_dispi_is_packed(s) && planar_write(&s->planar, dev->memory, offset, value, &store))
        device_memory_write(dev, 4 * store.at, &store.planes, 4);
}

void vga_memory_write(struct device *dev, uint64_t offset, unsigned size, uint64_t value)
{
    for (unsigned i = 0; i < size; i++)
        write_byte(dev, (uint32_t)offset + i, value >> 8 * i & 0xff);
}
