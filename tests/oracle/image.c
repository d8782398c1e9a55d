/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Operand values and memory images. Uniformly random bits hardly ever meet a boundary, so most values
 * come from small sets: powers of two and their neighbours, infinities, NaNs, denormals, BCD digits.
 * Number formats: SDM 1, "Real Numbers and Floating-Point Formats".
 */
#include "image.h"

#include <string.h>

static uint8_t images[IMAGE_COUNT][MEM_SIZE];

const uint8_t *image(unsigned n)
{
    return images[n % IMAGE_COUNT];
}

uint32_t special_u32(struct rng *r)
{
    static const uint32_t value[] = {
        0,          1,          2,          3,          7,          8,          9,          0x0a,
        0x0f,       0x10,       0x1f,       0x20,       0x21,       0x3f,       0x40,       0x7f,
        0x80,       0x81,       0x99,       0xff,       0x100,      0x7fff,     0x8000,     0x8001,
        0xffff,     0x10000,    0x7fffffff, 0x80000000, 0x80000001, 0xfffffffe, 0xffffffff, 0x7f7f7f7f,
        0x80808080, 0x55555555, 0xaaaaaaaa, 0x00ff00ff, 0xffff8000, 0xffffff80, 0x7fff8000,
    };

    switch (rng_below(r, 4)) {
    case 0:
        return value[rng_below(r, ARRAY_SIZE(value))];
    case 1: { /* around a power of two */
        uint32_t bit = 1u << rng_below(r, 32);
        return bit + rng_below(r, 3) - 1;
    }
    case 2:
        return (int32_t)rng_u32(r) >> rng_below(r, 32);
    default:
        return rng_u32(r);
    }
}

uint32_t special_float(struct rng *r)
{
    static const uint32_t value[] = {
        0x00000000, 0x3f800000, 0x40000000, 0x3f000000, 0x40490fdb, 0x7f800000, 0x7f7fffff, 0x00800000,
        0x007fffff, 0x00000001, 0x7fc00000, 0x7f800001, 0x7fffffff, 0x4b000000, 0x4effffff, 0x4f000000,
        0x4f800000, 0x5f000000, 0x3effffff, 0x46fffe00, 0x477fff00, 0x33800000, 0x7e800000, 0x01000000,
    };
    uint32_t sign = rng_u32(r) & 0x80000000u;

    switch (rng_below(r, 4)) {
    case 0:
        return rng_u32(r);
    case 1: /* near one: sums and products stay finite and inexact */
        return sign | ((127 - 8 + rng_below(r, 40)) << 23) | (rng_u32(r) >> 9);
    default:
        return sign | value[rng_below(r, ARRAY_SIZE(value))];
    }
}

uint64_t special_double(struct rng *r)
{
    static const uint64_t value[] = {
        0,
        0x3ff0000000000000,
        0x4000000000000000,
        0x3fe0000000000000,
        0x400921fb54442d18,
        0x7ff0000000000000,
        0x7fefffffffffffff,
        0x0010000000000000,
        0x000fffffffffffff,
        0x0000000000000001,
        0x7ff8000000000000,
        0x7ff0000000000001,
        0x7fffffffffffffff,
        0x41dfffffffc00000,
        0x41e0000000000000,
        0x41dfffffffe00000,
        0x43e0000000000000,
        0x4330000000000000,
        0x47efffffe0000000,
        0x47efffffefffffff,
        0x3810000000000000,
        0x380fffffffffffff,
        0x36a0000000000000,
        0x369fffffffffffff,
        0x40dfffc000000000,
        0x7fe0000000000000,
    };
    uint64_t sign = rng_u64(r) & 0x8000000000000000u;

    switch (rng_below(r, 4)) {
    case 0:
        return rng_u64(r);
    case 1:
        return sign | ((uint64_t)(1023 - 8 + rng_below(r, 72)) << 52) | (rng_u64(r) >> 12);
    default:
        return sign | value[rng_below(r, ARRAY_SIZE(value))];
    }
}

void special_extended(struct rng *r, uint8_t *to)
{
    static const struct {
        uint16_t exponent;
        uint64_t significand;
    } value[] = {
        { 0x0000, 0 },                  /* zero */
        { 0x0000, 1 },                  /* denormal */
        { 0x0000, 0x7fffffffffffffff }, /* the largest */
        { 0x0000, 0x8000000000000000 }, /* pseudo-denormal */
        { 0x0001, 0x8000000000000000 }, /* smallest normal */
        { 0x3fff, 0x8000000000000000 }, /* one */
        { 0x4000, 0x8000000000000000 },
        { 0x3ffe, 0x8000000000000000 },
        { 0x4000, 0xc90fdaa22168c235 }, /* pi */
        { 0x3fff, 0xc90fdaa22168c235 },
        { 0x403d, 0xffffffffffffffff }, /* around 2**62 and 2**63: FIST, FSIN ranges */
        { 0x403e, 0x8000000000000000 },
        { 0x401d, 0xffffffff00000000 },
        { 0x401e, 0x8000000000000000 },
        { 0x400e, 0x8000000000000000 },
        { 0x403a, 0xde0b6b3a763fffff }, /* around 10**18: FBSTP */
        { 0x407e, 0xffffff8000000000 }, /* overflow on narrowing to single */
        { 0x43fe, 0xfffffffffffffc00 }, /* ... and to double */
        { 0x3f80, 0xffffffffffffffff },
        { 0x3c00, 0xffffffffffffffff },
        { 0x7ffe, 0xffffffffffffffff }, /* largest normal */
        { 0x7fff, 0x8000000000000000 }, /* infinity */
        { 0x7fff, 0xc000000000000000 }, /* real indefinite */
        { 0x7fff, 0xffffffffffffffff },
        { 0x7fff, 0x8000000000000001 }, /* signalling NaN */
        { 0x7fff, 0x0000000000000000 }, /* unsupported: pseudo-infinity */
        { 0x7fff, 0x4000000000000000 }, /* unsupported: pseudo-NaN */
        { 0x4000, 0x4000000000000000 }, /* unsupported: unnormal */
    };
    uint16_t sign = rng_u32(r) & 0x8000;
    uint16_t exponent;
    uint64_t significand;

    switch (rng_below(r, 5)) {
    case 0:
        exponent = rng_u32(r) & 0x7fff;
        significand = rng_u64(r);
        break;
    case 1:
    case 2:
        exponent = 0x3fff - 8 + rng_below(r, 72);
        significand = rng_u64(r) | 0x8000000000000000u;
        if (rng_one_in(r, 2)) /* an integer or a short fraction: exact results are a case of their own */
            significand &= ~(uint64_t)0 << 40;
        break;
    default: {
        unsigned n = rng_below(r, ARRAY_SIZE(value));
        exponent = value[n].exponent;
        significand = value[n].significand;
    }
    }
    exponent |= sign;
    memcpy(to, &significand, 8);
    memcpy(to + 8, &exponent, 2);
}

uint16_t special_fcw(struct rng *r)
{
    uint16_t rounding = rng_below(r, 4) << 10;
    uint16_t precision = rng_below(r, 4) << 8;

    if (rng_one_in(r, 2))
        precision = 3 << 8;
    uint16_t masks = 0x3f;
    if (rng_one_in(r, 4))
        masks &= rng_u32(r) | rng_u32(r);
    return rounding | precision | 0x40 | masks;
}

uint32_t special_mxcsr(struct rng *r)
{
    uint32_t value = 0x1f80;

    if (rng_one_in(r, 4))
        value &= 0x7f | (rng_u32(r) | rng_u32(r)); /* some exceptions unmasked */
    if (rng_one_in(r, 2))
        value |= rng_u32(r) & 0x3f; /* flags from earlier */
    value |= (rng_u32(r) & 3) << 13;
    if (rng_one_in(r, 4))
        value |= (rng_u32(r) & 0x8040); /* FTZ, DAZ */
    return value;
}

static void put16(uint8_t *to, uint16_t value)
{
    memcpy(to, &value, sizeof value);
}

static void put32(uint8_t *to, uint32_t value)
{
    memcpy(to, &value, sizeof value);
}

static void put64(uint8_t *to, uint64_t value)
{
    memcpy(to, &value, sizeof value);
}

/* Sixteen bytes of one kind of operand. */
static void fill_granule(struct rng *r, uint8_t *to)
{
    switch (rng_below(r, 8)) {
    case 0:
        for (int i = 0; i < 16; i += 4)
            put32(to + i, special_float(r));
        break;
    case 1:
        put64(to, special_double(r));
        put64(to + 8, special_double(r));
        break;
    case 2:
        special_extended(r, to);
        put16(to + 10, rng_u32(r));
        put32(to + 12, special_u32(r));
        break;
    case 3: /* packed BCD as FBLD reads it, sometimes with a digit above 9 */
        for (int i = 0; i < 9; i++)
            to[i] = rng_below(r, 10) << 4 | rng_below(r, rng_one_in(r, 16) ? 16 : 10);
        to[9] = rng_u32(r) & 0x80;
        put32(to + 10, rng_u32(r));
        put16(to + 14, rng_u32(r));
        break;
    case 4: { /* runs of equal bytes, so that REPE and REPNE go some way */
        uint8_t byte = rng_u32(r) & 3;
        memset(to, byte, 16);
        if (rng_one_in(r, 2))
            to[rng_below(r, 16)] ^= 1;
        break;
    }
    case 5:
        for (int i = 0; i < 16; i += 4)
            put32(to + i, special_u32(r));
        break;
    case 6: /* addresses */
        for (int i = 0; i < 16; i += 4)
            put32(to + i, (rng_one_in(r, 2) ? DATA_LA : STACK_LA) + rng_below(r, 2 * PAGE));
        break;
    default:
        put64(to, rng_u64(r));
        put64(to + 8, rng_u64(r));
    }
}

void special_fxsave(struct rng *r, uint8_t *to)
{
    memset(to, 0, FX_SIZE);
    uint16_t fcw = special_fcw(r);
    /* Condition codes, top of stack and flags; never a flag whose exception is unmasked. */
    uint16_t fsw = rng_u32(r) & 0x7f00;
    if (rng_one_in(r, 2))
        fsw |= rng_u32(r) & fcw & 0x3f;
    if ((fsw & 1) && rng_one_in(r, 2))
        fsw |= 0x40; /* stack fault goes with invalid operation */
    put16(to + FX_FCW, fcw);
    put16(to + FX_FSW, fsw);
    to[FX_FTW] = rng_one_in(r, 2) ? rng_u32(r) : rng_one_in(r, 2) ? 0xff : 0x00;
    put32(to + FX_MXCSR, special_mxcsr(r));
    for (int i = 0; i < 8; i++)
        special_extended(r, to + FX_ST + 16 * i);
    for (int i = 0; i < 8; i++)
        fill_granule(r, to + FX_XMM + 16 * i);
}

static void fill_slots(struct rng *r, uint8_t *page)
{
    special_fxsave(r, page + SLOT_FXSAVE);
    for (int i = 0; i < SLOT_MXCSR_COUNT; i++) {
        uint32_t value = special_mxcsr(r);
        if (i % 8 == 7)
            value |= 0x01000000u << rng_below(r, 8); /* reserved on every processor */
        put32(page + SLOT_MXCSR + 4 * i, value);
    }
    for (int i = 0; i < 32; i++)
        put16(page + SLOT_FCW + 2 * i, special_fcw(r));
}

void image_init(void)
{
    for (unsigned n = 0; n < IMAGE_COUNT; n++) {
        struct rng r = { 0x6d656d6f7279u + n };
        for (unsigned at = 0; at < MEM_SIZE; at += 16)
            fill_granule(&r, images[n] + at);
        fill_slots(&r, images[n]);
        /* The read-only page never changes, so it has to be the same in all images. */
        memcpy(images[n] + READ_ONLY_PAGE * PAGE, images[0] + READ_ONLY_PAGE * PAGE, PAGE);
    }
}
