/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The display adapter's inside: what its files know of each other. Registers have the names of the IBM VGA
 * XGA Technical Reference Manual.
 */
#pragma once

#include "devices/chips.h"
#include "devices/lent_video.h"
#include "devices/video.h"

enum {
    MISC_COLOR = 1 << 0, /* miscellaneous output: CRT controller at 3D4h */
    MISC_RAM = 1 << 1,
    MISC_CLOCK = 3 << 2,

    SEQ_8_DOTS = 1 << 0, /* clocking mode */
    SEQ_HALF_CLOCK = 1 << 3,
    SEQ_SCREEN_OFF = 1 << 5,

    CRTC_REGISTERS = 25,
    ATTR_REGISTERS = 21,
    ATTR_MODE = 0x10,
    ATTR_OVERSCAN = 0x11,
    ATTR_PLANE_ENABLE = 0x12,
    ATTR_PANNING = 0x13,
    ATTR_COLOR_SELECT = 0x14,
    ATTR_VIDEO = 1 << 5, /* of the index: the palette is the screen's, not the processor's */
};

/* Registers of DISPI, by index. */
enum {
    DISPI_ID,
    DISPI_XRES,
    DISPI_YRES,
    DISPI_BPP,
    DISPI_ENABLE,
    DISPI_BANK,
    DISPI_VIRT_WIDTH,
    DISPI_VIRT_HEIGHT,
    DISPI_X_OFFSET,
    DISPI_Y_OFFSET,
    DISPI_MEMORY_64K,
    DISPI_REGISTERS,

    DISPI_ENABLED = 1 << 0,
    DISPI_GETCAPS = 1 << 1,
    DISPI_8BIT_DAC = 1 << 5,
    DISPI_LFB_ENABLED = 1 << 6,
    DISPI_NOCLEARMEM = 1 << 7,
};

struct vga {
    struct planar planar;
    uint8_t misc, feature, enable;
    uint8_t crtc_index, attr_index;
    bool attr_data; /* the next write to 3C0h is data */
    uint8_t crtc[CRTC_REGISTERS];
    uint8_t attr[ATTR_REGISTERS];
    uint8_t dac_mask, dac_index, dac_component;
    bool dac_reads;       /* what 3C7h says */
    uint8_t dac_entry[3]; /* being written */
    uint8_t dac[256][3];
    uint16_t dispi_index;
    uint16_t dispi[DISPI_REGISTERS];
    struct beam beam;
    struct device_window window; /* as the board was told */
};

/* ---- vga_registers.c: 3B0h-3DFh ----------------------------------------------------------------------- */

uint32_t vga_read(struct device *dev, unsigned port);
void vga_write(struct device *dev, unsigned port, uint8_t value);

/* ---- vga_dac.c: the palette --------------------------------------------------------------------------- */

uint8_t vga_dac_read(struct vga *s, unsigned port);
void vga_dac_write(struct vga *s, unsigned port, uint8_t value);
/* What an index of the palette looks like, 00RRGGBBh. */
uint32_t vga_dac_color(const struct vga *s, unsigned index);

/* ---- vga_dispi.c: Bochs's interface for linear modes ----------------------------------------------------
 */

uint32_t vga_dispi_read(struct device *dev, uint32_t offset, unsigned size);
void vga_dispi_write(struct device *dev, uint32_t offset, unsigned size, uint32_t value);
/* Is such a mode set? With 4 bits for a pixel it is planar. */
bool vga_dispi_is_on(const struct vga *s);
bool vga_dispi_is_packed(const struct vga *s);
unsigned vga_dispi_pixel_bytes(const struct vga *s);

/* ---- vga_window.c: A0000h-BFFFFh ------------------------------------------------------------------------
 */

uint64_t vga_memory_read(struct device *dev, uint64_t offset, unsigned size);
void vga_memory_write(struct device *dev, uint64_t offset, unsigned size, uint64_t value);
void vga_window(const struct device *dev, struct device_window *window);
/* Registers have changed: see to it that memory is where it is to be. */
void vga_follow(struct device *dev);

/* ---- vga_timing.c ---------------------------------------------------------------------------------------
 */

/* Registers of timing have changed. */
void vga_set_beam(struct vga *s);

/* ---- vga_frame.c: what is shown -------------------------------------------------------------------------
 */

void vga_frame(const struct device *dev, struct video_frame *frame);
/* Lines before the screen is blanked at the bottom. */
unsigned vga_lines(const struct vga *s);

/* ---- vga_lend.c -----------------------------------------------------------------------------------------
 */

bool vga_lend(const struct device *dev, void *state);
void vga_take_back(struct device *dev, const void *state);
