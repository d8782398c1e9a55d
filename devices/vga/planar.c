/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Four planes at once: each byte of a 32-bit word is a plane's. IBM VGA XGA Technical Reference Manual,
 * "Graphics Controller Registers", "Write Modes", "Read Modes".
 */
#include "devices/lent_video.h"

/* The four bytes that bits 0 to 3 stand for. */
static uint32_t planes_of(unsigned bits)
{
    return ((bits & 1) | (bits & 2) << 7 | (bits & 4) << 14 | (bits & 8) << 21) * 0xff;
}

static uint32_t in_all(uint8_t byte)
{
    return byte * 0x01010101u;
}

struct planar_range planar_range(const struct planar *p)
{
    static const struct planar_range ranges[4] = {
        { 0, 0x20000 }, { 0, 0x10000 }, { 0x10000, 0x8000 }, { 0x18000, 0x8000 }
    };

    return p->enabled ? ranges[(p->gc[GC_MISCELLANEOUS] & GC_MEMORY_MAP) >> 2]
                      : (struct planar_range){ 0, 0 };
}

const uint8_t planar_seq_mask[SEQ_REGISTERS] = { 0x03, 0x3d, 0x0f, 0x3f, 0x0e };
const uint8_t planar_gc_mask[GC_REGISTERS] = { 0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff };

static bool is_chain_4(const struct planar *p)
{
    return p->seq[SEQ_MEMORY_MODE] & SEQ_CHAIN_4;
}

/* The address in the planes. */
static uint32_t place_of(const struct planar *p, uint32_t address)
{
    if (is_chain_4(p))
        address >>= 2;
    else if (p->gc[GC_MISCELLANEOUS] & GC_CHAIN)
        address >>= 1;
    return (address + p->bank) & p->mask;
}

static uint32_t load(const uint8_t *memory, uint32_t at)
{
    const uint8_t *b = memory + 4 * (uint64_t)at;

    return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

/* Ones where the pixel has the colour that is looked for. */
static uint8_t compare_colors(const struct planar *p)
{
    uint32_t differs = (p->latch ^ planes_of(p->gc[GC_COLOR_COMPARE])) & planes_of(p->gc[GC_DONT_CARE]);

    return (uint8_t) ~(differs | differs >> 8 | differs >> 16 | differs >> 24);
}

uint8_t planar_read(struct planar *p, const uint8_t *memory, uint32_t offset)
{
    struct planar_range range = planar_range(p);
    uint32_t address = offset - range.base;
    unsigned plane = p->gc[GC_READ_MAP] & 3;

    if (address >= range.size)
        return 0xff;
    p->latch = load(memory, place_of(p, address));
    if (p->gc[GC_MODE] & GC_READ_MODE)
        return compare_colors(p);
    if (is_chain_4(p))
        plane = address & 3;
    else if (p->gc[GC_MODE] & GC_ODD_EVEN)
        plane = (plane & 2) | (address & 1);
    return p->latch >> 8 * plane & 0xff;
}

static uint8_t rotated(const struct planar *p, uint8_t value)
{
    unsigned count = p->gc[GC_DATA_ROTATE] & 7;

    return (uint8_t)(value >> count | value << (8 - count));
}

static uint32_t combined(const struct planar *p, uint32_t data)
{
    switch (p->gc[GC_DATA_ROTATE] >> 3 & 3) {
    case 1:
        return data & p->latch;
    case 2:
        return data | p->latch;
    case 3:
        return data ^ p->latch;
    default:
        return data;
    }
}

static uint32_t masked(const struct planar *p, uint32_t data, uint8_t bits)
{
    uint32_t mask = in_all(bits);

    return (combined(p, data) & mask) | (p->latch & ~mask);
}

/* What is written to all planes. */
static uint32_t data_of(const struct planar *p, uint8_t value)
{
    uint32_t set = planes_of(p->gc[GC_SET_RESET]), enabled = planes_of(p->gc[GC_ENABLE_SET_RESET]);
    uint8_t bits = p->gc[GC_BIT_MASK];

    switch (p->gc[GC_MODE] & GC_WRITE_MODE) {
    case 1:
        return p->latch;
    case 2:
        return masked(p, planes_of(value), bits);
    case 3:
        return masked(p, set, bits & rotated(p, value));
    default:
        return masked(p, (in_all(rotated(p, value)) & ~enabled) | (set & enabled), bits);
    }
}

bool planar_write(const struct planar *p, const uint8_t *memory, uint32_t offset, uint8_t value,
                  struct planar_store *store)
{
    struct planar_range range = planar_range(p);
    uint32_t address = offset - range.base, written;
    unsigned planes = p->seq[SEQ_MAP_MASK];

    if (address >= range.size)
        return false;
    if (is_chain_4(p))
        planes &= 1u << (address & 3);
    else if (!(p->seq[SEQ_MEMORY_MODE] & SEQ_SEQUENTIAL))
        planes &= address & 1 ? 0xa : 0x5;
    written = planes_of(planes & 0xf);
    store->at = place_of(p, address);
    store->planes = (load(memory, store->at) & ~written) | (data_of(p, value) & written);
    return written;
}

/* ---- Plain accesses -------------------------------------------------------------------------- */

static bool passes_bytes(const struct planar *p)
{
    return !(p->gc[GC_MODE] & (GC_WRITE_MODE | GC_READ_MODE)) && !p->gc[GC_DATA_ROTATE] &&
           !p->gc[GC_ENABLE_SET_RESET] && p->gc[GC_BIT_MASK] == 0xff;
}

/* Even addresses are plane 0's, odd ones plane 1's. */
static bool is_odd_even(const struct planar *p)
{
    return !(p->seq[SEQ_MEMORY_MODE] & SEQ_SEQUENTIAL) && p->gc[GC_MODE] & GC_ODD_EVEN &&
           p->gc[GC_MISCELLANEOUS] & GC_CHAIN && p->seq[SEQ_MAP_MASK] == 3 && !p->gc[GC_READ_MAP];
}

enum planar_view planar_view(const struct planar *p)
{
    if (!passes_bytes(p))
        return PLANAR_LOGIC;
    if (is_chain_4(p))
        return p->seq[SEQ_MAP_MASK] == 0xf ? PLANAR_CHAIN_4 : PLANAR_LOGIC;
    return is_odd_even(p) ? PLANAR_ODD_EVEN : PLANAR_LOGIC;
}
