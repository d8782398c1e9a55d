/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Random numbers a seed reproduces on every host: SplitMix64 (Steele, Lea, Flood: "Fast Splittable
 * Pseudorandom Number Generators", OOPSLA 2014). Neighbouring seeds give unrelated streams.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct rng {
    uint64_t state;
};

static inline uint64_t rng_u64(struct rng *r)
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static inline uint32_t rng_u32(struct rng *r)
{
    return rng_u64(r) >> 32;
}

/* 0 .. n-1; the bias of the multiplication does not matter here. */
static inline uint32_t rng_below(struct rng *r, uint32_t n)
{
    return ((uint64_t)rng_u32(r) * n) >> 32;
}

/* True once in n times. */
static inline bool rng_one_in(struct rng *r, uint32_t n)
{
    return rng_below(r, n) == 0;
}
