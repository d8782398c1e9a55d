/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Coverage of the generator, judged by the translator's decoder: all encodings of the one-byte and 0F
 * maps are decoded, and each form of class KEEP or BRANCH (mnemonic, mandatory prefix, operand size,
 * memory or register) has to turn up in the generated cases, unless it stands in the list below.
 */
#include "coverage.h"

#include <inttypes.h>
#include <string.h>

#include "oracle.h"
#include "translator/decode.h"

struct forms {
    bool seen[X86_OP_COUNT][4][2][2]; /* mandatory prefix, 16-bit operand size, memory operand */
};

/* Forms the generator leaves out, and why. */
static const uint16_t left_out[] = {
#define ENUMERATOR(name, text) X86_##name,
    X86_NAMES_SSE3_TO_4(ENUMERATOR) /* not in the default CPU model */
    X86_NAMES_LATER(ENUMERATOR)
#undef ENUMERATOR
        X86_FISTTP,
    X86_POPCNT,
    X86_CRC32,
    X86_MOVBE,   /* nor these */
    X86_CLFLUSH, /* nothing to see */
    X86_PREFETCH,
    X86_PREFETCHW, /* #UD or not depends on the processor's maker */
};

static bool is_left_out(unsigned op)
{
    for (unsigned i = 0; i < ARRAY_SIZE(left_out); i++)
        if (left_out[i] == op)
            return true;
    return false;
}

static unsigned prefix_index(uint8_t simd_prefix)
{
    return simd_prefix == 0x66 ? 1 : simd_prefix == 0xf3 ? 2 : simd_prefix == 0xf2 ? 3 : 0;
}

static void note(struct forms *f, const struct insn *in)
{
    bool memory = in->has_modrm && in->modrm < 0xc0;

    f->seen[in->op][prefix_index(in->simd_prefix)][in->op_size == 2 && !in->simd_prefix][memory] = true;
}

/* Everything the two maps hold, with each mandatory prefix and each ModRM byte. */
static void find_required(struct forms *f)
{
    static const uint8_t prefix[] = { 0, 0x66, 0xf3, 0xf2 };
    struct insn in;

    for (unsigned map = 0; map < 2; map++) {
        for (unsigned n = 0; n < 4 * 256 * 256; n++) {
            uint8_t bytes[X86_INSN_MAX] = { 0 };
            unsigned at = 0;
            if (prefix[n >> 16])
                bytes[at++] = prefix[n >> 16];
            if (map)
                bytes[at++] = 0x0f;
            bytes[at++] = n >> 8;
            bytes[at] = n;
            if (x86_decode(bytes, sizeof bytes, true, &in) == X86_DECODE_OK && in.map == map &&
                (in.class_ == X86_KEEP || in.class_ == X86_BRANCH) && !is_left_out(in.op))
                note(f, &in);
        }
    }
}

static void note_case(struct forms *f, const struct test_case *c)
{
    struct insn in;

    for (unsigned i = 0; i < c->piece_count; i++) {
        unsigned at = c->piece[i], end = c->piece[i + 1] < c->code_len ? c->piece[i + 1] : c->code_len;
        while (at < end && x86_decode(c->code + at, end - at, true, &in) == X86_DECODE_OK) {
            note(f, &in);
            at += in.length;
        }
    }
}

bool coverage_check(uint64_t seed, uint64_t count, FILE *out)
{
    static struct forms required, met;
    static const char *const prefix[] = { "", "66 ", "f3 ", "f2 " };
    struct test_case c;
    unsigned forms = 0, missing = 0;

    find_required(&required);
    for (uint64_t i = 0; i < count; i++) {
        for (unsigned g = 0; g < GROUP_COUNT; g++) {
            generate_case(g, seed + i, &c);
            note_case(&met, &c);
        }
    }
    for (unsigned op = 0; op < X86_OP_COUNT; op++) {
        for (unsigned n = 0; n < 16; n++) {
            if (!required.seen[op][n >> 2][n >> 1 & 1][n & 1])
                continue;
            forms++;
            if (met.seen[op][n >> 2][n >> 1 & 1][n & 1])
                continue;
            missing++;
            fprintf(out, "never generated: %s%s, %s operand%s\n", prefix[n >> 2], x86_op_name(op),
                    n & 1 ? "memory" : "no memory", n >> 1 & 1 ? ", 16-bit operand size" : "");
        }
    }
    fprintf(out, "coverage: %u forms in the tables, %u never generated in %" PRIu64 " cases\n", forms,
            missing, count * GROUP_COUNT);
    return missing == 0;
}
