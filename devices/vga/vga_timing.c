/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Times of the beam, from the CRT controller's counts. Where it is, is computed from machine time when
 * somebody asks (lent_video.c).
 */
#include "vga.h"

enum {
    HORIZONTAL_TOTAL = 0x00,
    HORIZONTAL_END = 0x01,
    VERTICAL_TOTAL = 0x06,
    OVERFLOW = 0x07,
    RETRACE_START = 0x10,
    RETRACE_END = 0x11,
};

/* Nine bits in two registers, and a tenth. */
static unsigned vertical(const struct vga *s, unsigned reg, unsigned bit_8, unsigned bit_9)
{
    unsigned overflow = s->crtc[OVERFLOW];

    return s->crtc[reg] | (overflow >> bit_8 & 1) << 8 | (overflow >> bit_9 & 1) << 9;
}

/* A linear mode is its own clock: sixty pictures a second, a twentieth of each retrace. */
static void set_linear(struct beam *b)
{
    b->lines = 20;
    b->line_ps = b->shown_ps = UINT64_C(1000000000000) / 60 / b->lines;
    b->shown_lines = b->retrace = 19;
    b->retrace_end = 20;
}

/* Four bits of the retrace's end are compared. */
static void set_retrace(const struct vga *s, struct beam *b)
{
    unsigned start = vertical(s, RETRACE_START, 2, 7), length = (s->crtc[RETRACE_END] - start) & 0xf;

    b->retrace = start;
    b->retrace_end = start + (length ? length : 16);
}

void vga_set_beam(struct vga *s)
{
    struct beam *b = &s->beam;
    unsigned chars = s->crtc[HORIZONTAL_TOTAL] + 5u;
    unsigned dots = s->planar.seq[SEQ_CLOCKING] & SEQ_8_DOTS ? 8 : 9;
    unsigned khz = s->misc & MISC_CLOCK ? 28322 : 25175;

    if (vga_dispi_is_on(s)) {
        set_linear(b);
        return;
    }
    b->line_ps = (uint64_t)chars * dots * 1000000000 / khz;
    if (s->planar.seq[SEQ_CLOCKING] & SEQ_HALF_CLOCK)
        b->line_ps *= 2;
    b->shown_ps = b->line_ps * (s->crtc[HORIZONTAL_END] + 1u) / chars;
    b->lines = vertical(s, VERTICAL_TOTAL, 0, 5) + 2;
    b->shown_lines = vga_lines(s);
    set_retrace(s, b);
}
