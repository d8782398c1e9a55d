/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Prefix bytes, for those who look at bytes before they are decoded. SDM 2A, "Instruction Prefixes".
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

static inline bool x86_is_prefix(uint8_t byte)
{
    return byte == 0x26 || byte == 0x2e || byte == 0x36 || byte == 0x3e || (byte >= 0x64 && byte <= 0x67) ||
           byte == 0xf0 || byte == 0xf2 || byte == 0xf3;
}
