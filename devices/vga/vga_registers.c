/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The registers at 3B0h to 3DFh. Bits that no register has read as 0. IBM VGA XGA Technical Reference Manual,
 * "VGA Registers".
 */
#include "vga.h"

enum {
    ATTRIBUTE = 0x3c0,
    ATTRIBUTE_READ = 0x3c1,
    STATUS_0 = 0x3c2, /* written: miscellaneous output */
    SUBSYSTEM_ENABLE = 0x3c3,
    SEQUENCER = 0x3c4,
    SEQUENCER_DATA = 0x3c5,
    PEL_MASK = 0x3c6,
    PEL_DATA = 0x3c9,
    FEATURE_READ = 0x3ca,
    MISC_READ = 0x3cc,
    GRAPHICS = 0x3ce,
    GRAPHICS_DATA = 0x3cf,
    /* Of the CRT controller, with 3Dxh for 3Bxh. */
    CRTC = 0x3d4,
    CRTC_DATA = 0x3d5,
    STATUS_1 = 0x3da, /* written: feature control */

    SWITCH_SENSE = 1 << 4, /* of status 0: a display is there */

    CRTC_OVERFLOW = 0x07,
    CRTC_RETRACE_END = 0x11,
    PROTECTED_LAST = 0x07,
    PROTECT = 1 << 7,
    LINE_COMPARE_8 = 1 << 4, /* of overflow: never protected */
};

static const struct device_event event_write = { "vga_write", { "port", "index", "value" } };

/* The bits that registers have. */
static const uint8_t attr_mask[ATTR_REGISTERS] = {
    0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f,
    0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0xef, 0xff, 0x3f, 0x0f, 0x0f,
};

/* The one name of a CRT controller's port, if it answers there: in monochrome modes all are at 3Bxh. */
static unsigned port_name(const struct vga *s, unsigned port)
{
    bool moves = port < 0x3c0 || port >= 0x3d0;

    if (moves && (port >= 0x3d0) != !!(s->misc & MISC_COLOR))
        return 0;
    port = port < 0x3c0 ? port + 0x20 : port;
    return moves && port < 0x3d8 ? CRTC + (port & 1) : port; /* 3D0h to 3D7h are not told apart further */
}

static void write_attribute(struct vga *s, uint8_t value)
{
    unsigned index = s->attr_index & 0x1f;

    if (!s->attr_data)
        s->attr_index = value & 0x3f;
    else if (index < ATTR_REGISTERS)
        s->attr[index] = value & attr_mask[index];
    s->attr_data = !s->attr_data;
}

static void write_crtc(struct vga *s, uint8_t value)
{
    unsigned index = s->crtc_index;

    if (index >= CRTC_REGISTERS)
        return;
    if (index <= PROTECTED_LAST && s->crtc[CRTC_RETRACE_END] & PROTECT) {
        if (index != CRTC_OVERFLOW)
            return;
        value = (s->crtc[index] & ~LINE_COMPARE_8) | (value & LINE_COMPARE_8);
    }
    s->crtc[index] = value;
    vga_set_beam(s);
}

static void write_miscellaneous(struct device *dev, uint8_t value)
{
    struct vga *s = dev->state;

    s->misc = value & 0xef;
    s->planar.enabled = !!(value & MISC_RAM);
    vga_follow(dev);
}

/* Both decide what accesses to memory do. */
static void write_memory_register(struct device *dev, uint8_t *reg, uint8_t value)
{
    if (*reg == value)
        return;
    *reg = value;
    vga_follow(dev);
}

void vga_write(struct device *dev, unsigned port, uint8_t value)
{
    struct vga *s = dev->state;
    struct planar *p = &s->planar;

    port = port_name(s, port);
    device_trace(dev, &event_write, port,
                 port == SEQUENCER_DATA  ? s->planar.seq_index
                 : port == GRAPHICS_DATA ? s->planar.gc_index
                 : port == CRTC_DATA     ? s->crtc_index
                                         : s->attr_index,
                 value);
    switch (port) {
    case ATTRIBUTE:
        write_attribute(s, value);
        break;
    case STATUS_0:
        write_miscellaneous(dev, value);
        break;
    case SUBSYSTEM_ENABLE:
        s->enable = value & 1;
        break;
    case SEQUENCER:
        s->planar.seq_index = value;
        break;
    case SEQUENCER_DATA:
        if (s->planar.seq_index < SEQ_REGISTERS)
            write_memory_register(dev, &p->seq[s->planar.seq_index],
                                  value & planar_seq_mask[s->planar.seq_index]);
        break;
    case GRAPHICS:
        s->planar.gc_index = value;
        break;
    case GRAPHICS_DATA:
        if (s->planar.gc_index < GC_REGISTERS)
            write_memory_register(dev, &p->gc[s->planar.gc_index],
                                  value & planar_gc_mask[s->planar.gc_index]);
        break;
    case CRTC:
        s->crtc_index = value;
        break;
    case CRTC_DATA:
        write_crtc(s, value);
        break;
    case STATUS_1:
        s->feature = value & 3;
        break;
    default:
        if (port >= PEL_MASK && port <= PEL_DATA)
            vga_dac_write(s, port, value);
        break;
    }
}

/* The status has the attribute controller take the next write for an index. */
static uint8_t read_status(struct device *dev)
{
    struct vga *s = dev->state;

    s->attr_data = false;
    return beam_status(&s->beam, device_now(dev));
}

static uint8_t at_index(const uint8_t *registers, unsigned count, unsigned index)
{
    return index < count ? registers[index] : 0;
}

uint32_t vga_read(struct device *dev, unsigned port)
{
    struct vga *s = dev->state;

    port = port_name(s, port);
    switch (port) {
    case ATTRIBUTE:
        return s->attr_index;
    case ATTRIBUTE_READ:
        return at_index(s->attr, ATTR_REGISTERS, s->attr_index & 0x1f);
    case STATUS_0:
        return SWITCH_SENSE;
    case SUBSYSTEM_ENABLE:
        return s->enable;
    case SEQUENCER:
        return s->planar.seq_index;
    case SEQUENCER_DATA:
        return at_index(s->planar.seq, SEQ_REGISTERS, s->planar.seq_index);
    case FEATURE_READ:
        return s->feature;
    case MISC_READ:
        return s->misc;
    case GRAPHICS:
        return s->planar.gc_index;
    case GRAPHICS_DATA:
        return at_index(s->planar.gc, GC_REGISTERS, s->planar.gc_index);
    case CRTC:
        return s->crtc_index;
    case CRTC_DATA:
        return at_index(s->crtc, CRTC_REGISTERS, s->crtc_index);
    case STATUS_1:
        return read_status(dev);
    default:
        return port >= PEL_MASK && port <= PEL_DATA ? vga_dac_read(s, port) : UINT32_MAX;
    }
}
