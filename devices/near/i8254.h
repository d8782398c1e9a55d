/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What others know of the 8254's registers: which writes can change the output of counter 2, the speaker's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Counts for it, and control words for it that are not the counter latch command. */
static inline bool i8254_changes_out2(uint32_t offset, uint8_t value)
{
    return offset == 2 || (offset == 3 && value >> 6 == 2 && (value & 0x30));
}
