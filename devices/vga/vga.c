/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A display adapter: IBM's VGA, Bochs's DISPI for linear modes, and as a PCI function the frame buffer and
 * the option ROM that firmware and drivers know by the IDs 1234:1111. docs/devices.md has what is left out.
 */
#include "vga.h"

#include <string.h>

enum {
    MONOCHROME_PORTS = 0x3b0,
    VGA_PORTS = 0x3c0,
    COLOR_PORTS = 0x3d0,
};

static uint32_t monochrome_read(struct device *dev, uint32_t offset, unsigned size)
{
    (void)size;
    return vga_read(dev, MONOCHROME_PORTS + offset);
}

static void monochrome_write(struct device *dev, uint32_t offset, unsigned size, uint32_t value)
{
    (void)size;
    vga_write(dev, MONOCHROME_PORTS + offset, value);
}

static uint32_t ports_read(struct device *dev, uint32_t offset, unsigned size)
{
    (void)size;
    return vga_read(dev, VGA_PORTS + offset);
}

static void ports_write(struct device *dev, uint32_t offset, unsigned size, uint32_t value)
{
    (void)size;
    vga_write(dev, VGA_PORTS + offset, value);
}

static uint32_t color_read(struct device *dev, uint32_t offset, unsigned size)
{
    (void)size;
    return vga_read(dev, COLOR_PORTS + offset);
}

static void color_write(struct device *dev, uint32_t offset, unsigned size, uint32_t value)
{
    (void)size;
    vga_write(dev, COLOR_PORTS + offset, value);
}

/* Memory keeps what is in it, where it is. */
static void vga_reset(struct device *dev)
{
    struct vga *s = dev->state;
    struct device_window window = s->window;

    memset(s, 0, sizeof(*s));
    s->window = window;
    s->dac_mask = 0xff;
    s->dispi[DISPI_ID] = 0xb0c5;
    s->dispi[DISPI_BPP] = 8;
    vga_follow(dev);
}

/* clang-format off */
static const struct device_register registers[] = {
    { 0x00, 4, 0x11111234, 0, 0 },  /* vendor, device */
    { 0x04, 2, 0x0000, 0x0003, 0 }, /* command: ports and memory; those of the VGA cannot be switched off */
    { 0x08, 4, 0x03000002, 0, 0 },  /* revision, class: VGA-compatible controller */
    { 0x2c, 4, 0x11001af4, 0, 0 },  /* subsystem: a virtual PC's */
    { 0 },
};
/* clang-format on */

static const struct device_pci vga_pci = {
    .registers = registers,
    .bar = { { .mmio = { .size = VIDEO_MEMORY, .is_memory = true }, .prefetchable = true } },
    .rom = { .size = VIDEO_ROM_MAX, .is_memory = true, .read_only = true, .offset = VIDEO_ROM },
};

const struct device_type vga_device = {
    .name = "vga",
    .state_size = sizeof(struct vga),
    .ports = { { .count = 12, .read = monochrome_read, .write = monochrome_write },
               { .count = 16, .read = ports_read, .write = ports_write },
               { .count = 16, .read = color_read, .write = color_write },
               { .count = 3, .width = 2, .read = vga_dispi_read, .write = vga_dispi_write } },
    .mmio = { { .size = 0x20000, .read = vga_memory_read, .write = vga_memory_write } },
    .pci = &vga_pci,
    .line_count = 1,
    .reset = vga_reset,
    .window = vga_window,
    .frame = vga_frame,
    .lend = vga_lend,
    .take_back = vga_take_back,
};
