/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What an input of the scanner's fuzz target begins with; the rest is code, repeated to fill two pages.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { FUZZ_ENTRIES = 5 };

struct fuzz_input {
    uint16_t mode; /* struct scan_mode, bits */
    uint8_t isa;
    uint8_t small_table;
    uint8_t promote; /* bit 0: no; bit 1: a place of no merit for the snippets; bit 2: no scratch area;
                        bit 3: doors */
    uint8_t turns_fpu;
    uint16_t entry[FUZZ_ENTRIES];
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
