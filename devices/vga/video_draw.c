/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Scan-out: lines of pixels from a frame's description and the adapter's memory. A line's place in memory is
 * computed from its number, so that any line can be made at any time. Every address is masked: whatever the
 * registers say, nothing outside of the adapter's memory is read. IBM VGA XGA Technical Reference Manual,
 * "Display Buffer Addressing".
 */
#include "devices/video.h"

#include <string.h>

/* ---- Where things are -------------------------------------------------------------------------------- */

enum { DWORDS = VIDEO_MEMORY / 4 };

/* The row of memory that a line comes from, and which of the row's lines it is. */
struct place {
    uint32_t address; /* of the row, in dwords or bytes */
    unsigned row_line;
    bool split; /* behind the line compare */
};

static struct place place_of(const struct video_frame *f, unsigned y)
{
    unsigned lines = f->row_lines ? f->row_lines : 1;
    bool split = y > f->line_compare;
    unsigned line = split ? y - f->line_compare - 1u : y;
    struct place p = { .address = split ? 0 : f->start, .split = split };

    line = (line >> (f->line_shift & 1)) + (split ? 0 : f->first_line);
    p.address += line / lines * f->pitch;
    p.row_line = line % lines;
    return p;
}

/* A line's number in its row takes the place of address bits: how CGA and Hercules interleave. */
static uint32_t with_banks(const struct video_frame *f, uint32_t address, unsigned row_line)
{
    for (unsigned i = 0; i < 2; i++) {
        uint32_t bit = 1u << ((f->bank_bit + i) & 31);

        if (f->bank_bits >> i & 1)
            address = (address & ~bit) | ((row_line >> i & 1) ? bit : 0);
    }
    return address;
}

/* The bytes of four planes at an address; plane 0 is the first. */
static uint32_t planes_at(const struct video_frame *f, const uint8_t *memory, uint32_t address)
{
    uint32_t at = address & f->mask & (DWORDS - 1), value;

    memcpy(&value, memory + 4 * (size_t)at, 4);
    if (f->has_cells && at < VIDEO_CELLS_SIZE / 2) {
        const uint8_t *cell = memory + VIDEO_CELLS + 2 * (size_t)at;

        value = (value & 0xffff0000) | cell[0] | (uint32_t)cell[1] << 8;
    }
    return value;
}

/* ---- Lines of memory --------------------------------------------------------------------------------- */

static const uint8_t *packed_line(const struct video_frame *f, const uint8_t *memory, unsigned y,
                                  uint8_t *room, size_t *size)
{
    uint32_t from = place_of(f, y).address % VIDEO_MEMORY;
    size_t bytes = (size_t)f->width * ((f->bits_per_pixel + 7) / 8);
    size_t first;

    bytes = bytes < VIDEO_LINE_BYTES ? bytes : VIDEO_LINE_BYTES;
    *size = bytes;
    if (from + bytes <= VIDEO_MEMORY)
        return memory + from;
    first = VIDEO_MEMORY - from;
    memcpy(room, memory + from, first);
    memcpy(room + first, memory, bytes - first);
    return room;
}

/* How many dwords a line is made of, with one more when the first is cut. */
static unsigned dwords_of(const struct video_frame *f)
{
    unsigned dots = f->wide ? f->width / 2u : f->width;
    unsigned dots_each = f->kind == VIDEO_INDEXED ? 4 : f->kind == VIDEO_TEXT ? f->cell_width | 8u : 8;

    return (dots + dots_each - 1) / dots_each + 1;
}

const uint8_t *video_line(const struct video_frame *f, const uint8_t *memory, unsigned y, uint8_t *room,
                          size_t *size)
{
    struct place p = place_of(f, y);
    unsigned count = dwords_of(f);

    *size = 0;
    if (f->kind == VIDEO_BLANK)
        return room;
    if (f->kind == VIDEO_PACKED)
        return packed_line(f, memory, y, room, size);
    if (count > VIDEO_LINE_BYTES / 4)
        count = VIDEO_LINE_BYTES / 4;
    for (unsigned i = 0; i < count; i++) {
        uint32_t dword = planes_at(f, memory, with_banks(f, p.address + i, p.row_line));

        if (f->kind == VIDEO_TEXT)
            dword &= 0xffff; /* what else is there are shapes */
        memcpy(room + 4 * (size_t)i, &dword, 4);
    }
    *size = 4 * (size_t)count;
    return room;
}

/* ---- Text ---------------------------------------------------------------------------------------------- */

void video_read_glyphs(const struct video_frame *f, const uint8_t *memory, struct video_glyphs *glyphs)
{
    for (unsigned set = 0; set < 2; set++) {
        if (set && f->glyphs[1] == f->glyphs[0]) {
            memcpy(glyphs->line[1], glyphs->line[0], sizeof(glyphs->line[1]));
            break;
        }
        for (unsigned i = 0; i < 256 * VIDEO_GLYPH_LINES; i++)
            glyphs->line[set][i] = memory[4 * (size_t)((f->glyphs[set] + i) & 0xffff) + 2];
    }
}

/* The dots of a character's line, from bit 8 on down. */
static unsigned glyph_dots(const struct video_frame *f, const struct video_glyphs *glyphs, uint16_t cell,
                           unsigned row_line)
{
    uint8_t code = cell & 0xff, attribute = cell >> 8;
    unsigned dots = (unsigned)glyphs->line[attribute >> 3 & 1][code * VIDEO_GLYPH_LINES + (row_line & 31)]
                    << 1;

    if (f->joins && code >= 0xc0 && code <= 0xdf)
        dots |= dots >> 1 & 1;
    if (f->blinks && f->blinked_off && (attribute & 0x80))
        dots = 0;
    if (f->is_monochrome && (attribute & 0x77) == 0x01 && row_line == f->underline)
        dots = 0x1ff;
    return dots;
}

static void draw_text(const struct video_frame *f, const struct video_glyphs *glyphs, unsigned y,
                      const uint8_t *line, uint32_t *pixels)
{
    struct place p = place_of(f, y);
    unsigned scale = f->wide ? 2 : 1, width = f->cell_width == 9 ? 9 : 8;
    unsigned skip = p.split && f->pan_stops ? 0 : f->pan;
    unsigned dot = skip % width, column = 0;
    bool cursor_line = f->cursor_shown && p.row_line >= f->cursor_first && p.row_line <= f->cursor_last;

    for (unsigned x = 0; x < f->width; column++, dot = 0) {
        uint16_t cell = (uint16_t)(line[4 * (size_t)column] | line[4 * (size_t)column + 1] << 8);
        uint8_t attribute = cell >> 8;
        unsigned dots = glyph_dots(f, glyphs, cell, p.row_line);
        uint32_t on = f->palette[attribute & 0x0f];
        uint32_t off = f->palette[attribute >> 4 & (f->blinks ? 0x07 : 0x0f)];

        if (cursor_line && ((p.address + column) & f->mask) == (f->cursor & f->mask))
            dots = 0x1ff;
        for (; dot < width; dot++) {
            for (unsigned i = 0; i < scale && x < f->width; i++)
                pixels[x++] = dots >> (8 - dot) & 1 ? on : off;
        }
    }
}

uint16_t video_cell(const struct video_frame *f, const uint8_t *memory, unsigned column, unsigned row)
{
    unsigned lines = (f->row_lines ? f->row_lines : 1u) << (f->line_shift & 1), y = row * lines;

    if (f->kind != VIDEO_TEXT || column > f->columns || row > f->rows)
        return 0;
    return planes_at(f, memory, place_of(f, y).address + column) & 0xffff;
}

bool video_is_cursor(const struct video_frame *f, unsigned column, unsigned row)
{
    unsigned lines = (f->row_lines ? f->row_lines : 1u) << (f->line_shift & 1);

    return f->kind == VIDEO_TEXT && f->cursor_enabled &&
           ((place_of(f, row * lines).address + column) & f->mask) == (f->cursor & f->mask);
}

/* ---- Graphics ------------------------------------------------------------------------------------------ */

static uint32_t dword_of(const uint8_t *line, unsigned i)
{
    uint32_t value;

    memcpy(&value, line + 4 * (size_t)i, 4);
    return value;
}

/* Pixel `n` of the eight from four planes. */
static unsigned planar_pixel(uint32_t dword, unsigned n)
{
    dword >>= 7 - n;
    return (dword & 1) | (dword >> 7 & 2) | (dword >> 14 & 4) | (dword >> 21 & 8);
}

/* The same, when two planes follow each other: four pixels of plane 0 (and 2), then four of plane 1 (and 3).
 */
static unsigned shifted_pixel(uint32_t dword, unsigned n)
{
    unsigned shift = (n & 4) * 2 + 6 - 2 * (n & 3);

    return (dword >> shift & 3) | (dword >> (shift + 16) & 3) << 2;
}

static unsigned pixel_of(const struct video_frame *f, const uint8_t *line, unsigned dot)
{
    if (f->kind == VIDEO_PLANAR)
        return planar_pixel(dword_of(line, dot / 8), dot % 8);
    if (f->kind == VIDEO_SHIFTED)
        return shifted_pixel(dword_of(line, dot / 8), dot % 8);
    return line[dot];
}

static void draw_planes(const struct video_frame *f, unsigned y, const uint8_t *line, uint32_t *pixels)
{
    unsigned shift = f->wide ? 1 : 0;
    unsigned skip = place_of(f, y).split && f->pan_stops ? 0 : f->pan;

    skip &= f->kind == VIDEO_INDEXED ? 3 : 7;
    for (unsigned x = 0; x < f->width; x++)
        pixels[x] = f->palette[pixel_of(f, line, (x >> shift) + skip)];
}

static uint32_t word_at(const uint8_t *line, unsigned x)
{
    return line[2 * (size_t)x] | (uint32_t)line[2 * (size_t)x + 1] << 8;
}

/* A field of `bits` bits as a colour of eight, so that all ones are white. */
static uint32_t widen(uint32_t value, unsigned shift, unsigned bits)
{
    value = value >> shift & ((1u << bits) - 1);
    return value << (8 - bits) | value >> (2 * bits - 8);
}

static uint32_t from_16(uint32_t v, unsigned green_bits)
{
    return widen(v, 5 + green_bits, 5) << 16 | widen(v, 5, green_bits) << 8 | widen(v, 0, 5);
}

static uint32_t packed_pixel(const struct video_frame *f, const uint8_t *line, unsigned x)
{
    switch (f->bits_per_pixel) {
    case 8:
        return f->palette[line[x]];
    case 15:
        return from_16(word_at(line, x), 5);
    case 16:
        return from_16(word_at(line, x), 6);
    case 24:
        line += 3 * (size_t)x;
        return line[0] | (uint32_t)line[1] << 8 | (uint32_t)line[2] << 16;
    default:
        return dword_of(line, x) & 0xffffff;
    }
}

void video_draw(const struct video_frame *f, const struct video_glyphs *glyphs, unsigned y,
                const uint8_t *line, uint32_t *pixels)
{
    switch (f->kind) {
    case VIDEO_TEXT:
        draw_text(f, glyphs, y, line, pixels);
        break;
    case VIDEO_PLANAR:
    case VIDEO_SHIFTED:
    case VIDEO_INDEXED:
        draw_planes(f, y, line, pixels);
        break;
    case VIDEO_PACKED:
        for (unsigned x = 0; x < f->width; x++)
            pixels[x] = packed_pixel(f, line, x);
        break;
    default:
        for (unsigned x = 0; x < f->width; x++)
            pixels[x] = f->palette[0];
        break;
    }
}
