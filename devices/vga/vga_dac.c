/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The digital-to-analog converter's 256 colours of three bytes, read and written one after the other. Six
 * bits of each count, or eight after DISPI said so. IBM VGA XGA Technical Reference Manual, "Video
 * Digital-to-Analog Converter".
 */
#include "vga.h"

enum {
    PEL_MASK = 0x3c6,
    PEL_READ = 0x3c7,
    PEL_WRITE = 0x3c8,
    PEL_DATA = 0x3c9,
    STATE_READS = 3,
};

static uint8_t wide_mask(const struct vga *s)
{
    return s->dispi[DISPI_ENABLE] & DISPI_8BIT_DAC ? 0xff : 0x3f;
}

static uint8_t read_data(struct vga *s)
{
    uint8_t value = s->dac[s->dac_index][s->dac_component];

    if (++s->dac_component == 3) {
        s->dac_component = 0;
        s->dac_index++;
    }
    return value & wide_mask(s);
}

/* A colour changes whole, with its third byte. */
static void write_data(struct vga *s, uint8_t value)
{
    s->dac_entry[s->dac_component++] = value & wide_mask(s);
    if (s->dac_component < 3)
        return;
    for (unsigned i = 0; i < 3; i++)
        s->dac[s->dac_index][i] = s->dac_entry[i];
    s->dac_component = 0;
    s->dac_index++;
}

uint8_t vga_dac_read(struct vga *s, unsigned port)
{
    switch (port) {
    case PEL_MASK:
        return s->dac_mask;
    case PEL_READ:
        return s->dac_reads ? STATE_READS : 0;
    case PEL_WRITE:
        return s->dac_index;
    default:
        return read_data(s);
    }
}

void vga_dac_write(struct vga *s, unsigned port, uint8_t value)
{
    switch (port) {
    case PEL_MASK:
        s->dac_mask = value;
        break;
    case PEL_READ:
    case PEL_WRITE:
        s->dac_index = value;
        s->dac_component = 0;
        s->dac_reads = port == PEL_READ;
        break;
    default:
        write_data(s, value);
        break;
    }
}

uint32_t vga_dac_color(const struct vga *s, unsigned index)
{
    const uint8_t *c = s->dac[index & s->dac_mask & 0xff];
    uint32_t rgb[3];

    for (unsigned i = 0; i < 3; i++)
        rgb[i] = wide_mask(s) == 0xff ? c[i] : (uint32_t)(c[i] & 0x3f) << 2 | (c[i] & 0x3f) >> 4;
    return rgb[0] << 16 | rgb[1] << 8 | rgb[2];
}
