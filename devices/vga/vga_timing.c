/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where the beam would be: computed from machine time and the CRT controller's counts, when somebody asks.
 */
#include "vga.h"

enum {
    HORIZONTAL_TOTAL = 0x00,
    HORIZONTAL_END = 0x01,
    VERTICAL_TOTAL = 0x06,
    OVERFLOW = 0x07,
    RETRACE_START = 0x10,
    RETRACE_END = 0x11,

    STATUS_NOT_DISPLAYING = 1 << 0,
    STATUS_RETRACE = 1 << 3,

    FRAME_60_HZ = 1000000000 / 60,
};

/* Nine bits in two registers, and a tenth. */
static unsigned vertical(const struct vga *s, unsigned reg, unsigned bit_8, unsigned bit_9)
{
    unsigned overflow = s->crtc[OVERFLOW];

    return s->crtc[reg] | (overflow >> bit_8 & 1) << 8 | (overflow >> bit_9 & 1) << 9;
}

/* A linear mode is its own clock: sixty pictures a second, a twentieth of each retrace. */
static uint8_t linear_status(uint64_t now)
{
    uint64_t at = now % FRAME_60_HZ;

    return at < FRAME_60_HZ / 20 ? STATUS_RETRACE | STATUS_NOT_DISPLAYING : 0;
}

static bool in_retrace(const struct vga *s, unsigned line)
{
    unsigned start = vertical(s, RETRACE_START, 2, 7);
    unsigned length = (s->crtc[RETRACE_END] - start) & 0xf; /* four bits of the end are compared */

    return line >= start && line < start + (length ? length : 16);
}

uint8_t vga_status(const struct vga *s, uint64_t now)
{
    unsigned lines = vertical(s, VERTICAL_TOTAL, 0, 5) + 2, chars = s->crtc[HORIZONTAL_TOTAL] + 5u;
    unsigned dots = s->planar.seq[SEQ_CLOCKING] & SEQ_8_DOTS ? 8 : 9;
    unsigned mhz_1000 = s->misc & MISC_CLOCK ? 28322 : 25175;
    uint64_t line_ps = (uint64_t)chars * dots * 1000000000 / mhz_1000, at, column_ps;
    unsigned line;
    uint8_t status = 0;

    if (vga_dispi_is_on(s))
        return linear_status(now);
    if (s->planar.seq[SEQ_CLOCKING] & SEQ_HALF_CLOCK)
        line_ps *= 2;
    at = now % (line_ps * lines / 1000) * 1000;
    line = at / line_ps;
    column_ps = at % line_ps;
    if (in_retrace(s, line))
        status |= STATUS_RETRACE;
    if (line >= vga_lines(s) || column_ps >= line_ps * (s->crtc[HORIZONTAL_END] + 1u) / chars)
        status |= STATUS_NOT_DISPLAYING;
    return status;
}
