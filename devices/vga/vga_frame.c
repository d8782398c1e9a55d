/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the registers make of the memory, as a struct video_frame. Pictures have the size that the beam draws:
 * lines that are scanned twice are there twice, and dots of half the clock are two wide. IBM VGA XGA
 * Technical Reference Manual, "CRT Controller Registers", "Attribute Controller Registers".
 */
#include "vga.h"

enum {
    HORIZONTAL_END = 0x01,
    OVERFLOW = 0x07,
    PRESET_ROW_SCAN = 0x08, /* and byte panning in bits 5, 6 */
    MAXIMUM_SCAN_LINE = 0x09,
    CURSOR_START = 0x0a,
    CURSOR_END = 0x0b,
    START_HIGH = 0x0c,
    START_LOW = 0x0d,
    CURSOR_HIGH = 0x0e,
    CURSOR_LOW = 0x0f,
    VERTICAL_END = 0x12,
    OFFSET = 0x13,
    UNDERLINE = 0x14, /* and doubleword mode */
    MODE_CONTROL = 0x17,
    LINE_COMPARE = 0x18,

    DOUBLE_SCAN = 1 << 7, /* maximum scan line */
    CURSOR_OFF = 1 << 5,
    DOUBLEWORD = 1 << 6,
    MODE_CMS = 1 << 0, /* mode control: clear, row scan bits are address bits 13, 14 */
    MODE_HRS = 1 << 2, /* lines count by twos */
    MODE_BYTE = 1 << 6,
    MODE_RUN = 1 << 7,

    ATTR_MONOCHROME = 1 << 1,
    ATTR_LINE_GRAPHICS = 1 << 2,
    ATTR_BLINK = 1 << 3,
    ATTR_PAN_STOPS = 1 << 5,
    ATTR_PALETTE_54 = 1 << 7,

    CURSOR_BLINK_NS = 114000000, /* half of a period: 8 pictures at 70 Hz; characters take twice that */

    BLANK_WIDTH = 720, /* of a screen that nobody has set up */
    BLANK_HEIGHT = 400,
};

unsigned vga_lines(const struct vga *s)
{
    unsigned overflow = s->crtc[OVERFLOW];

    return (s->crtc[VERTICAL_END] | (overflow >> 1 & 1) << 8 | (overflow >> 6 & 1) << 9) + 1;
}

static unsigned line_compare(const struct vga *s)
{
    return s->crtc[LINE_COMPARE] | (s->crtc[OVERFLOW] >> 4 & 1u) << 8 |
           (s->crtc[MAXIMUM_SCAN_LINE] >> 6 & 1u) << 9;
}

/* ---- Colours ----------------------------------------------------------------------------------------------
 */

/* The palette's index for a value of four bits. */
static unsigned palette_index(const struct vga *s, unsigned value)
{
    unsigned index = s->attr[value & s->attr[ATTR_PLANE_ENABLE] & 0xf], select = s->attr[ATTR_COLOR_SELECT];

    if (s->attr[ATTR_MODE] & ATTR_PALETTE_54)
        index = (index & 0x0f) | (select & 3) << 4;
    return index | (select & 0xc) << 4;
}

static void set_colors(const struct vga *s, struct video_frame *f)
{
    bool direct = f->kind == VIDEO_INDEXED || f->kind == VIDEO_PACKED;

    for (unsigned i = 0; i < (direct ? 256 : 16); i++)
        f->palette[i] = vga_dac_color(s, direct ? i : palette_index(s, i));
    if (f->kind == VIDEO_BLANK)
        f->palette[0] =
            s->planar.seq[SEQ_CLOCKING] & SEQ_SCREEN_OFF ? 0 : vga_dac_color(s, s->attr[ATTR_OVERSCAN]);
}

/* ---- Linear modes
 * ------------------------------------------------------------------------------------------ */

static void set_dispi(const struct vga *s, struct video_frame *f)
{
    unsigned bytes = vga_dispi_pixel_bytes(s);
    uint32_t x = s->dispi[DISPI_X_OFFSET], y = s->dispi[DISPI_Y_OFFSET], width = s->dispi[DISPI_VIRT_WIDTH];

    f->width = s->dispi[DISPI_XRES];
    f->height = s->dispi[DISPI_YRES];
    f->line_compare = UINT16_MAX;
    f->row_lines = 1;
    f->bits_per_pixel = s->dispi[DISPI_BPP];
    if (vga_dispi_is_packed(s)) {
        f->kind = VIDEO_PACKED;
        f->pitch = width * bytes;
        f->start = y * f->pitch + x * bytes;
    } else {
        f->kind = VIDEO_PLANAR;
        f->pitch = width / 8;
        f->start = y * f->pitch + x / 8;
        f->pan = x % 8;
        f->mask = VIDEO_MEMORY / 4 - 1;
    }
}

/* ---- Modes of the VGA
 * -------------------------------------------------------------------------------------- */

static enum video_kind kind_of(const struct vga *s)
{
    if (!(s->attr_index & ATTR_VIDEO) || s->planar.seq[SEQ_CLOCKING] & SEQ_SCREEN_OFF ||
        !(s->crtc[MODE_CONTROL] & MODE_RUN) || !s->crtc[HORIZONTAL_END])
        return VIDEO_BLANK;
    if (!(s->planar.gc[GC_MISCELLANEOUS] & GC_GRAPHICS))
        return VIDEO_TEXT;
    if (s->planar.gc[GC_MODE] & GC_256)
        return VIDEO_INDEXED;
    return s->planar.gc[GC_MODE] & GC_SHIFT ? VIDEO_SHIFTED : VIDEO_PLANAR;
}

static void set_size(const struct vga *s, struct video_frame *f)
{
    unsigned clocking = s->planar.seq[SEQ_CLOCKING], chars = s->crtc[HORIZONTAL_END] + 1u, width, height;

    f->cell_width = f->kind == VIDEO_TEXT && !(clocking & SEQ_8_DOTS) ? 9 : 8;
    f->wide = clocking & SEQ_HALF_CLOCK || f->kind == VIDEO_INDEXED;
    width = chars * f->cell_width << (clocking & SEQ_HALF_CLOCK ? 1 : 0);
    height = vga_lines(s) << (s->crtc[MODE_CONTROL] & MODE_HRS ? 1 : 0);
    if (!s->crtc[HORIZONTAL_END]) {
        width = BLANK_WIDTH;
        height = BLANK_HEIGHT;
    }
    f->width = width < VIDEO_WIDTH_MAX ? width : VIDEO_WIDTH_MAX;
    f->height = height < VIDEO_HEIGHT_MAX ? height : VIDEO_HEIGHT_MAX;
}

/* How far the addresses of the planes are from those the controller counts (planar.h). */
static unsigned address_shift(const struct vga *s)
{
    return s->crtc[UNDERLINE] & DOUBLEWORD ? 2 : s->crtc[MODE_CONTROL] & MODE_BYTE ? 0 : 1;
}

static void set_addresses(const struct vga *s, struct video_frame *f)
{
    unsigned scan = s->crtc[MAXIMUM_SCAN_LINE];

    f->start = (s->crtc[START_HIGH] << 8 | s->crtc[START_LOW]) + (s->crtc[PRESET_ROW_SCAN] >> 5 & 3u);
    f->pitch = s->crtc[OFFSET] * 2u;
    f->mask = 0xffff;
    f->line_compare = line_compare(s);
    f->row_lines = (scan & 0x1f) + 1;
    f->first_line = s->crtc[PRESET_ROW_SCAN] & 0x1f;
    f->line_shift = scan & DOUBLE_SCAN ? 1 : 0;
    f->bank_bits = ~s->crtc[MODE_CONTROL] & 3;
    f->bank_bit = 13 - address_shift(s);
}

/* Nine dots are counted from 8 on; pixels of 256 colours have two dots. */
static void set_panning(const struct vga *s, struct video_frame *f)
{
    unsigned pan = s->attr[ATTR_PANNING] & 0xf;

    if (f->cell_width == 9)
        f->pan = pan >= 8 ? 0 : pan + 1;
    else
        f->pan = f->kind == VIDEO_INDEXED ? (pan & 7) / 2 : pan & 7;
    f->pan_stops = s->attr[ATTR_MODE] & ATTR_PAN_STOPS;
}

/* Where a set of characters begins: bits 0, 1 in 16 KiB, bit 2 adds 8. */
static uint16_t glyph_place(unsigned number)
{
    return (number & 3) << 14 | (number & 4) << 11;
}

static void set_text(const struct vga *s, struct video_frame *f, uint64_t now)
{
    unsigned maps = s->planar.seq[SEQ_CHARACTER_MAP];
    unsigned rows = (f->height >> f->line_shift) / f->row_lines;
    unsigned last = (s->crtc[CURSOR_END] & 0x1f);

    f->columns = s->crtc[HORIZONTAL_END];
    f->rows = rows ? (rows <= VIDEO_ROWS_MAX ? rows : VIDEO_ROWS_MAX) - 1 : 0;
    f->glyphs[0] = glyph_place((maps & 3) | (maps >> 2 & 4));
    f->glyphs[1] = glyph_place((maps >> 2 & 3) | (maps >> 3 & 4));
    f->blinks = s->attr[ATTR_MODE] & ATTR_BLINK;
    f->blinked_off = f->blinks && now / (2 * (uint64_t)CURSOR_BLINK_NS) % 2;
    f->joins = f->cell_width == 9 && s->attr[ATTR_MODE] & ATTR_LINE_GRAPHICS;
    f->is_monochrome = s->attr[ATTR_MODE] & ATTR_MONOCHROME;
    f->underline = s->crtc[UNDERLINE] & 0x1f;
    f->cursor_first = s->crtc[CURSOR_START] & 0x1f;
    f->cursor_last = last;
    f->cursor = (s->crtc[CURSOR_HIGH] << 8 | s->crtc[CURSOR_LOW]) + (s->crtc[CURSOR_END] >> 5 & 3);
    f->cursor_enabled = !(s->crtc[CURSOR_START] & CURSOR_OFF) && f->cursor_first <= last;
    f->cursor_shown = f->cursor_enabled && !(now / CURSOR_BLINK_NS % 2);
}

void vga_frame(const struct device *dev, struct video_frame *f)
{
    const struct vga *s = dev->state;

    if (vga_dispi_is_on(s)) {
        set_dispi(s, f);
    } else {
        f->kind = kind_of(s);
        set_size(s, f);
        if (f->kind != VIDEO_BLANK) {
            set_addresses(s, f);
            set_panning(s, f);
        }
        if (f->kind == VIDEO_TEXT)
            set_text(s, f, device_now(dev));
        f->has_cells = s->window.size && s->window.offset == VIDEO_CELLS;
    }
    set_colors(s, f);
}
