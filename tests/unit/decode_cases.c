/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The walk over opcode maps that decode_cases.h promises.
 */
#include "decode_cases.h"

#include <stdio.h>
#include <string.h>

const struct prefix_set decode_prefix_sets[] = {
    { 0, { 0 } },          { 1, { 0x66 } },       { 1, { 0x67 } },       { 1, { 0xf2 } },
    { 1, { 0xf3 } },       { 2, { 0x66, 0x67 } }, { 1, { 0x2e } },       { 1, { 0xf0 } },
    { 2, { 0xf3, 0x67 } }, { 2, { 0x66, 0xf2 } }, { 2, { 0xf3, 0x66 } },
};
const size_t decode_prefix_set_count = sizeof(decode_prefix_sets) / sizeof(decode_prefix_sets[0]);

/* The bytes that mean something else than an opcode in their map: prefixes and escapes. */
static bool is_opcode(unsigned map, unsigned byte)
{
    static const uint8_t not_one_byte[] = { 0x0f, 0x26, 0x2e, 0x36, 0x3e, 0x64,
                                            0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3 };

    if (map == 0)
        return !memchr(not_one_byte, (int)byte, sizeof(not_one_byte));
    return map != 1 || (byte != 0x38 && byte != 0x3a);
}

static unsigned put_escapes(uint8_t *bytes, unsigned map)
{
    unsigned count = 0;

    if (map > 0)
        bytes[count++] = 0x0f;
    if (map > 1)
        bytes[count++] = map == 2 ? 0x38 : 0x3a;
    return count;
}

void decode_cases_walk(unsigned map, const struct prefix_set *prefixes, bool code32, unsigned modrm_step,
                       decode_case_fn *fn, void *context)
{
    /* No index; no base; base and scaled index; EBP as index. As displacement bytes they are as good as any.
     */
    static const uint8_t sibs[] = { 0x24, 0x05, 0x91, 0x6e };
    struct decode_case c = { .code32 = code32, .prefix_count = prefixes->count };
    unsigned at = prefixes->count;

    for (unsigned i = 0; i < CASE_BYTES; i++)
        c.bytes[i] = 0x81 + 0x11 * i;
    memcpy(c.bytes, prefixes->bytes, prefixes->count);
    at += put_escapes(c.bytes + at, map);
    c.opcode_at = at;
    for (unsigned opcode = 0; opcode < 256; opcode++) {
        if (!is_opcode(map, opcode))
            continue;
        c.bytes[at] = opcode;
        for (unsigned modrm = 0; modrm < 256; modrm += modrm_step) {
            bool sib = modrm < 0xc0 && (modrm & 7) == 4;

            c.bytes[at + 1] = modrm;
            for (unsigned i = 0; i < (sib ? sizeof(sibs) : 1); i++) {
                c.bytes[at + 2] = sibs[i];
                if (!fn(&c, context))
                    return;
            }
        }
    }
}

const char *decode_case_text(const uint8_t *bytes, size_t count)
{
    static char text[CASE_BYTES * 3 + 1];

    text[0] = '\0';
    for (size_t i = 0; i < count && i < CASE_BYTES; i++)
        sprintf(text + i * 3, "%02X ", bytes[i]);
    return text;
}
