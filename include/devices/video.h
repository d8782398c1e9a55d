/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * From a display adapter to a picture. The adapter says in a struct video_frame how it would make one now
 * from its memory: plain data, with which the functions here make lines of pixels whenever they are wanted,
 * without the adapter and without its lock. They change nothing, and read nothing but the frame and the
 * memory, whatever a guest has put there.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The adapter's memory. */
enum {
    VIDEO_MEMORY = 16 << 20,    /* what there is for pictures */
    VIDEO_CELLS = VIDEO_MEMORY, /* offset of the window on characters; see devices/vga/vga_window.c */
    VIDEO_CELLS_SIZE = 128 << 10,
    VIDEO_ROM = VIDEO_CELLS + VIDEO_CELLS_SIZE, /* offset of the option ROM */
    VIDEO_ROM_MAX = 64 << 10,
    VIDEO_MEMORY_ALL = VIDEO_ROM + VIDEO_ROM_MAX,
};

enum {
    VIDEO_WIDTH_MAX = 2304, /* 256 characters of 9 dots */
    VIDEO_HEIGHT_MAX = 2048,
    VIDEO_COLUMNS_MAX = 256,
    VIDEO_ROWS_MAX = 256,
    VIDEO_GLYPH_LINES = 32,
    VIDEO_LINE_BYTES = 4 * VIDEO_WIDTH_MAX, /* the most that a line is made from */
};

enum video_kind {
    VIDEO_BLANK,   /* all of it is palette[0] */
    VIDEO_TEXT,    /* characters */
    VIDEO_PLANAR,  /* 16 colours from four planes */
    VIDEO_SHIFTED, /* 4 colours, two bits beside each other; CGA-like */
    VIDEO_INDEXED, /* 256 colours, four pixels from four planes */
    VIDEO_PACKED,  /* a frame buffer: bits_per_pixel says what is in it */
};

/* What picture there is. Two frames are the same if their bytes are. */
struct video_frame {
    uint8_t kind;           /* enum video_kind */
    uint8_t bits_per_pixel; /* PACKED: 8, 15, 16, 24 or 32 */
    bool has_cells;         /* planes 0 and 1 are at VIDEO_CELLS, side by side */
    bool wide;              /* each dot is shown twice */
    uint16_t width, height;

    uint32_t start, pitch; /* in dwords, one from each plane; PACKED: in bytes */
    uint32_t mask;         /* of addresses in dwords */
    uint16_t line_compare; /* from the line behind it on the picture comes from the start of memory */
    uint8_t row_lines;     /* lines that a row of memory gives */
    uint8_t first_line;    /* of the first row, that is shown at the top */
    uint8_t line_shift;    /* how often each of them is repeated: 1 << line_shift */
    uint8_t pan;           /* dots that the picture is moved to the left by */
    bool pan_stops;        /* ... but not behind line_compare */
    uint8_t bank_bits; /* bit 0, 1: a line's number in its row, bit 0, 1, is bit bank_bit, + 1 of addresses */
    uint8_t bank_bit;

    /* TEXT */
    uint8_t columns, rows; /* less one; the last may be cut */
    uint8_t cell_width;    /* 8 or 9 */
    uint16_t
        glyphs[2]; /* where the characters' shapes are in plane 2: with bit 3 of the attribute clear, set */
    bool blinks, blinked_off; /* bit 7 of an attribute makes it blink; such a character is not seen now */
    bool joins;               /* characters C0h to DFh go on in the ninth column */
    bool is_monochrome;       /* attributes underline */
    uint8_t underline;        /* the line that does */
    bool cursor_shown;        /* and not blinked off */
    bool cursor_enabled;
    uint8_t cursor_first, cursor_last; /* lines */
    uint16_t cursor;                   /* address, in dwords */

    uint32_t palette[256]; /* 00RRGGBBh by pixel; PACKED: with 8 bits */
};

/* The shapes of characters: two sets, 256 in each, of 32 lines, in each of which bit 7 is to the left. */
struct video_glyphs {
    uint8_t line[2][256 * VIDEO_GLYPH_LINES];
};

void video_read_glyphs(const struct video_frame *frame, const uint8_t *memory, struct video_glyphs *glyphs);

/*
 * What line `y` is made from: its bytes in `memory`, or gathered in `room`, VIDEO_LINE_BYTES. *size says how
 * many there are. As long as they, the frame and, for text, the glyphs are the same, the line is.
 */
const uint8_t *video_line(const struct video_frame *frame, const uint8_t *memory, unsigned y, uint8_t *room,
                          size_t *size);

/* Make the frame's width of pixels, 00RRGGBBh, from that. `glyphs` counts for text only. */
void video_draw(const struct video_frame *frame, const struct video_glyphs *glyphs, unsigned y,
                const uint8_t *line, uint32_t *pixels);

/* Character (low byte) and attribute at a place of a text screen, as shown; 0 where there is none. */
uint16_t video_cell(const struct video_frame *frame, const uint8_t *memory, unsigned column, unsigned row);

/* Is it the one that the cursor is at? */
bool video_is_cursor(const struct video_frame *frame, unsigned column, unsigned row);
