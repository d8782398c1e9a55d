/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Capstone as an oracle. Its versions differ in what they get wrong, so what a suite excuses belongs to a
 * version, and excuses no other; and what none of them says for sure is read from the bytes.
 */
#pragma once

#include <capstone/capstone.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum capstone_versions { EVERY_CAPSTONE, UNTIL_CAPSTONE_4, SINCE_CAPSTONE_5 };

/* Is the library this program runs with one of them? */
static inline bool capstone_is(enum capstone_versions versions)
{
    int major, minor;

    cs_version(&major, &minor);
    return versions == EVERY_CAPSTONE || (versions == SINCE_CAPSTONE_5) == (major >= 5);
}

/* How many of these bytes are prefixes. */
static inline unsigned prefix_bytes(const uint8_t *bytes, unsigned count)
{
    static const uint8_t prefixes[] = { 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3 };
    unsigned found = 0;

    while (found < count && memchr(prefixes, bytes[found], sizeof(prefixes)))
        found++;
    return found;
}

/*
 * A far jump or call through memory: FF /3, /5 (SDM 2A, "CALL", "JMP"). Capstone 5 has the same mnemonics and
 * instruction numbers for them as for the near ones.
 */
static inline bool is_far_through_memory(const cs_insn *insn)
{
    unsigned at = prefix_bytes(insn->bytes, insn->size);
    unsigned reg = at + 1 < insn->size ? insn->bytes[at + 1] >> 3 & 7 : 0;

    return insn->bytes[at] == 0xff && (reg == 3 || reg == 5);
}
