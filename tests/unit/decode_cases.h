/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Machine code to decode, for the suites of the decoder: every opcode of a map with every ModRM byte,
 * several SIB bytes and sets of prefixes, in both code sizes. Filler after them makes displacements and
 * immediates of any length.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CASE_BYTES = 32 };

struct decode_case {
    bool code32;
    unsigned prefix_count;
    unsigned opcode_at; /* where the opcode byte of its map stands */
    uint8_t bytes[CASE_BYTES];
};

struct prefix_set {
    unsigned count;
    uint8_t bytes[4];
};

extern const struct prefix_set decode_prefix_sets[];
extern const size_t decode_prefix_set_count;

/* What to do with a case; false ends the walk. */
typedef bool decode_case_fn(const struct decode_case *c, void *context);

/* Every case of one map and one prefix set. modrm_step 1 walks all ModRM bytes, a larger one samples. */
void decode_cases_walk(unsigned map, const struct prefix_set *prefixes, bool code32, unsigned modrm_step,
                       decode_case_fn *fn, void *context);

/* "66 0F 6F 05 ..." in a static buffer, for messages. */
const char *decode_case_text(const uint8_t *bytes, size_t count);
