/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A PC with a display adapter, used as a guest would: registers by ports, memory by addresses, wherever the
 * board says that they lead. Mode tables are those of the IBM VGA XGA Technical Reference Manual's BIOS
 * modes.
 */
#pragma once

#include "pc_bench.h"

#include "devices/video.h"

struct vga_bench {
    struct machine m;
    struct video_frame frame;
    struct video_glyphs glyphs;
    uint32_t pixels[VIDEO_WIDTH_MAX];
    unsigned drawn; /* the line in `pixels`, plus 1; 0: none */
    unsigned exits; /* accesses to memory that the board had to answer */
};

static uint8_t vga_bench_memory[VIDEO_MEMORY_ALL];

static inline void vga_start(struct vga_bench *b)
{
    memset(vga_bench_memory, 0, sizeof(vga_bench_memory));
    memset(b, 0, sizeof(*b));
    machine_start_with(&b->m, &(struct pc_config){ .ram_size = 64u << 20,
                                                   .bios_size = 0x10000,
                                                   .chipset = PC_CHIPSET_I440FX,
                                                   .video_memory = vga_bench_memory });
}

/* ---- Registers ------------------------------------------------------------------------------------------
 */

static inline void put_index(struct vga_bench *b, uint16_t port, uint8_t index, uint8_t value)
{
    outb(&b->m, port, index);
    outb(&b->m, port + 1, value);
    b->drawn = 0;
}

static inline uint8_t get_index(struct vga_bench *b, uint16_t port, uint8_t index)
{
    outb(&b->m, port, index);
    return inb(&b->m, port + 1);
}

static inline void put_seq(struct vga_bench *b, uint8_t index, uint8_t value)
{
    put_index(b, 0x3c4, index, value);
}

static inline void put_gc(struct vga_bench *b, uint8_t index, uint8_t value)
{
    put_index(b, 0x3ce, index, value);
}

static inline void put_crtc(struct vga_bench *b, uint8_t index, uint8_t value)
{
    put_index(b, 0x3d4, index, value);
}

static inline void put_attr(struct vga_bench *b, uint8_t index, uint8_t value)
{
    inb(&b->m, 0x3da);
    outb(&b->m, 0x3c0, index);
    outb(&b->m, 0x3c0, value);
    inb(&b->m, 0x3da);
    outb(&b->m, 0x3c0, 0x20);
    b->drawn = 0;
}

static inline void put_dac(struct vga_bench *b, uint8_t index, uint8_t red, uint8_t green, uint8_t blue)
{
    outb(&b->m, 0x3c8, index);
    outb(&b->m, 0x3c9, red);
    outb(&b->m, 0x3c9, green);
    outb(&b->m, 0x3c9, blue);
    b->drawn = 0;
}

static inline void put_dispi(struct vga_bench *b, uint16_t index, uint16_t value)
{
    pc_port_write(b->m.pc, 0x1ce, 2, index);
    pc_port_write(b->m.pc, 0x1cf, 2, value);
    b->drawn = 0;
}

static inline uint16_t get_dispi(struct vga_bench *b, uint16_t index)
{
    pc_port_write(b->m.pc, 0x1ce, 2, index);
    return pc_port_read(b->m.pc, 0x1cf, 2);
}

static inline void put_config(struct vga_bench *b, uint8_t offset, uint32_t value)
{
    pc_port_write(b->m.pc, 0xcf8, 4, 0x80000000u | 2u << 11 | offset);
    pc_port_write(b->m.pc, 0xcfc, 4, value);
}

static inline uint32_t get_config(struct vga_bench *b, uint8_t offset)
{
    pc_port_write(b->m.pc, 0xcf8, 4, 0x80000000u | 2u << 11 | offset);
    return pc_port_read(b->m.pc, 0xcfc, 4);
}

/* ---- Modes ----------------------------------------------------------------------------------------------
 */

struct vga_mode {
    uint8_t misc;
    uint8_t seq[5];
    uint8_t crtc[25];
    uint8_t gc[9];
    uint8_t attr_mode, plane_enable, panning;
};

/* clang-format off */
static const struct vga_mode vga_mode_3 = {
    0x67, { 0x03, 0x00, 0x03, 0x00, 0x02 },
    { 0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0, 0, 0, 0,
      0x9c, 0x8e, 0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff },
    { 0, 0, 0, 0, 0, 0x10, 0x0e, 0x00, 0xff }, 0x0c, 0x0f, 0x08 };
static const struct vga_mode vga_mode_4 = {
    0x63, { 0x03, 0x09, 0x03, 0x00, 0x02 },
    { 0x2d, 0x27, 0x28, 0x90, 0x2b, 0x80, 0xbf, 0x1f, 0x00, 0xc1, 0, 0, 0, 0, 0, 0,
      0x9c, 0x8e, 0x8f, 0x14, 0x00, 0x96, 0xb9, 0xa2, 0xff },
    { 0, 0, 0, 0, 0, 0x30, 0x0f, 0x00, 0xff }, 0x01, 0x03, 0x00 };
static const struct vga_mode vga_mode_6 = {
    0x63, { 0x03, 0x01, 0x01, 0x00, 0x06 },
    { 0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0x00, 0xc1, 0, 0, 0, 0, 0, 0,
      0x9c, 0x8e, 0x8f, 0x28, 0x00, 0x96, 0xb9, 0xc2, 0xff },
    { 0, 0, 0, 0, 0, 0x00, 0x0d, 0x00, 0xff }, 0x01, 0x01, 0x00 };
static const struct vga_mode vga_mode_d = {
    0x63, { 0x03, 0x09, 0x0f, 0x00, 0x06 },
    { 0x2d, 0x27, 0x28, 0x90, 0x2b, 0x80, 0xbf, 0x1f, 0x00, 0xc0, 0, 0, 0, 0, 0, 0,
      0x9c, 0x8e, 0x8f, 0x14, 0x00, 0x96, 0xb9, 0xe3, 0xff },
    { 0, 0, 0, 0, 0, 0x00, 0x05, 0x0f, 0xff }, 0x01, 0x0f, 0x00 };
static const struct vga_mode vga_mode_12 = {
    0xe3, { 0x03, 0x01, 0x0f, 0x00, 0x06 },
    { 0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0x0b, 0x3e, 0x00, 0x40, 0, 0, 0, 0, 0, 0,
      0xea, 0x8c, 0xdf, 0x28, 0x00, 0xe7, 0x04, 0xe3, 0xff },
    { 0, 0, 0, 0, 0, 0x00, 0x05, 0x0f, 0xff }, 0x01, 0x0f, 0x00 };
static const struct vga_mode vga_mode_13 = {
    0x63, { 0x03, 0x01, 0x0f, 0x00, 0x0e },
    { 0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0x00, 0x41, 0, 0, 0, 0, 0, 0,
      0x9c, 0x8e, 0x8f, 0x28, 0x40, 0x96, 0xb9, 0xa3, 0xff },
    { 0, 0, 0, 0, 0, 0x40, 0x05, 0x0f, 0xff }, 0x41, 0x0f, 0x00 };
/* clang-format on */

/* The palette is 0 to 15, and colour n of the DAC is n, 2n, 3n. */
static inline void set_mode(struct vga_bench *b, const struct vga_mode *mode)
{
    outb(&b->m, 0x3c2, mode->misc);
    for (unsigned i = 0; i < 5; i++)
        put_seq(b, i, mode->seq[i]);
    put_crtc(b, 0x11, 0);
    for (unsigned i = 0; i < 25; i++)
        put_crtc(b, i, mode->crtc[i]);
    for (unsigned i = 0; i < 9; i++)
        put_gc(b, i, mode->gc[i]);
    for (unsigned i = 0; i < 16; i++)
        put_attr(b, i, i);
    put_attr(b, 0x10, mode->attr_mode);
    put_attr(b, 0x11, 0);
    put_attr(b, 0x12, mode->plane_enable);
    put_attr(b, 0x13, mode->panning);
    put_attr(b, 0x14, 0);
    outb(&b->m, 0x3c6, 0xff);
    for (unsigned i = 0; i < 256; i++)
        put_dac(b, i, i & 0x3f, 2 * i & 0x3f, 3 * i & 0x3f);
}

/* A colour of six bits for each as 00RRGGBBh. */
static inline uint32_t rgb6(unsigned red, unsigned green, unsigned blue)
{
    return (red << 2 | red >> 4) << 16 | (green << 2 | green >> 4) << 8 | blue << 2 | blue >> 4;
}

/* What colour n of set_mode() looks like. */
static inline uint32_t dac_color(unsigned n)
{
    return rgb6(n & 0x3f, 2 * n & 0x3f, 3 * n & 0x3f);
}

/* ---- Memory ---------------------------------------------------------------------------------------------
 */

/* Where plain memory is at the address; NULL: the board answers. */
static inline uint8_t *plain_at(struct vga_bench *b, uint64_t pa, bool write)
{
    struct pc_region regions[PC_REGIONS_MAX];
    unsigned count = pc_memory(b->m.pc, regions);

    for (unsigned i = 0; i < count; i++) {
        const struct pc_region *r = &regions[i];

        if (pa >= r->base && pa - r->base < r->size)
            return r->kind == PC_REGION_VIDEO && (r->writable || !write)
                       ? b->m.video + r->offset + (pa - r->base)
                       : NULL;
    }
    return NULL;
}

static inline void poke(struct vga_bench *b, uint64_t pa, uint8_t value)
{
    uint8_t *plain = plain_at(b, pa, true);

    b->drawn = 0;
    if (plain) {
        *plain = value;
    } else {
        b->exits++;
        pc_mmio_write(b->m.pc, pa, 1, value);
    }
}

static inline uint8_t peek(struct vga_bench *b, uint64_t pa)
{
    const uint8_t *plain = plain_at(b, pa, false);

    if (plain)
        return *plain;
    b->exits++;
    return pc_mmio_read(b->m.pc, pa, 1);
}

/* ---- Pictures -------------------------------------------------------------------------------------------
 */

static inline uint32_t pixel(struct vga_bench *b, unsigned x, unsigned y)
{
    static uint8_t room[VIDEO_LINE_BYTES];
    size_t size;

    if (b->drawn != y + 1) {
        ck_assert(pc_video_frame(b->m.pc, &b->frame));
        ck_assert_uint_lt(y, b->frame.height);
        video_read_glyphs(&b->frame, b->m.video, &b->glyphs);
        video_draw(&b->frame, &b->glyphs, y, video_line(&b->frame, b->m.video, y, room, &size), b->pixels);
        b->drawn = y + 1;
    }
    ck_assert_uint_lt(x, b->frame.width);
    return b->pixels[x];
}
