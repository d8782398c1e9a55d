/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The decoder against capstone, versions 4 and 5: lengths over whole opcode maps, mnemonics, memory operands,
 * and random bytes. Where capstone is wrong or knows less, an exception below says so and why; any other
 * difference fails, and so does an exception nothing needs any more. D86_LONG=1 takes more random bytes;
 * D86_SEED=n repeats them.
 */
#include "decode_cases.h"
#include "translator/decode.h"

/* capstone and translator/decode.h each have an enum of this name; it is not used here. */
#define x86_prefix capstone_x86_prefix
#include "capstone_oracle.h"
#undef x86_prefix

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static csh handles[2]; /* 16-bit, 32-bit */
static cs_insn *reference;

static void open_capstone(void)
{
    ck_assert_int_eq(cs_open(CS_ARCH_X86, CS_MODE_16, &handles[0]), CS_ERR_OK);
    ck_assert_int_eq(cs_open(CS_ARCH_X86, CS_MODE_32, &handles[1]), CS_ERR_OK);
    cs_option(handles[1], CS_OPT_DETAIL, CS_OPT_ON);
    reference = cs_malloc(handles[1]);
    cs_option(handles[1], CS_OPT_DETAIL, CS_OPT_OFF);
}

static void close_capstone(void)
{
    cs_free(reference, 1);
    cs_close(&handles[0]);
    cs_close(&handles[1]);
}

/* The length capstone sees, 0 when it sees no instruction. */
static unsigned capstone_length(const uint8_t *bytes, bool code32)
{
    size_t size = X86_INSN_MAX;
    uint64_t at = 0x1000;

    return cs_disasm_iter(handles[code32], &bytes, &size, &at, reference) ? reference->size : 0;
}

/* Opcodes whose row has a cell for each mandatory prefix: from the rows themselves. */
#define CELLS(opcode) [opcode] = true,
static const bool has_cells[4][256] = {
    {
#define SIMD(opcode, ...) CELLS(opcode)
#include "opcodes_one_byte.inc"
    },
    {
#define SIMD(opcode, ...)   CELLS(opcode)
#define GROUPS(opcode, ...) CELLS(opcode)
#include "opcodes_0f.inc"
    },
    {
#define SIMD(opcode, ...) CELLS(opcode)
#include "opcodes_0f38.inc"
    },
    {
#define SIMD(opcode, ...) CELLS(opcode)
#include "opcodes_0f3a.inc"
    },
};

struct comparison {
    const uint8_t *bytes;
    bool code32;
    unsigned theirs; /* capstone's length or 0 */
    enum x86_decode_status status;
    struct insn insn;
};

/*
 * capstone refuses LOCK in most places where it is not allowed; we leave that to whoever executes. What
 * capstone refuses must not be lockable.
 */
static bool refuses_lock(const struct comparison *c)
{
    return (c->insn.prefixes & X86_PFX_LOCK) && c->theirs == 0 && !c->insn.lockable;
}

/* The instruction without its F2 and F3, or without 66 as well: has it the length capstone sees? */
static bool length_without_prefixes(const struct comparison *c, bool keep_66)
{
    uint8_t bytes[CASE_BYTES];
    unsigned count = 0, prefixes = prefix_bytes(c->bytes, X86_INSN_MAX), removed;
    struct insn insn;

    for (unsigned i = 0; i < CASE_BYTES; i++) {
        uint8_t byte = c->bytes[i];

        if (i >= prefixes || ((byte != 0x66 || keep_66) && byte != 0xf2 && byte != 0xf3))
            bytes[count++] = byte;
    }
    removed = CASE_BYTES - count;
    return removed > 0 && x86_decode(bytes, X86_INSN_MAX, c->code32, &insn) == X86_DECODE_OK &&
           insn.length + removed == c->theirs;
}

/*
 * A 66, F2 or F3 for which the opcode has no form is #UD (tried on a processor: MMX and SSE opcodes alike,
 * also F2 or F3 together with a 66 that would have a form); capstone decodes as if it were not there.
 */
static bool ignores_mandatory_prefix(const struct comparison *c)
{
    return c->status == X86_DECODE_INVALID && has_cells[c->insn.map][c->insn.opcode] &&
           (length_without_prefixes(c, true) || length_without_prefixes(c, false));
}

/*
 * capstone's tables lack the combination of a mandatory prefix with 16-bit code or with another of 66, 67,
 * F2, F3 (it fails, or sees 66 only as operand size). Version 5 has no two-byte opcode at all where another
 * prefix stands behind F2 or F3: 67, or a segment with a 66 before.
 */
static bool is_lacking_combination(const struct comparison *c)
{
    const struct insn *i = &c->insn;
    unsigned prefixes = prefix_bytes(c->bytes, X86_INSN_MAX);
    uint8_t last = prefixes ? c->bytes[prefixes - 1] : 0;
    bool repeat_before = (i->prefixes & (X86_PFX_REP | X86_PFX_REPNE)) && last != 0xf2 && last != 0xf3;

    return c->theirs == 0 && i->map > 0 &&
           (has_cells[i->map][i->opcode] || (repeat_before && capstone_is(SINCE_CAPSTONE_5)));
}

static bool has_memory(const struct insn *insn)
{
    for (unsigned i = 0; i < ARRAY_SIZE(insn->opnd); i++)
        if (insn->opnd[i].kind == X86_OPND_MEM)
            return true;
    return false;
}

/*
 * Then its word on the parts is taken: what IMUL, of the same ModRM and the same prefixes but F2 and F3,
 * needs (one without a memory operand needs no more there than anywhere); and what the instruction needs over
 * IMUL in plain 32-bit code.
 */
static bool lacks_prefix_combination(const struct comparison *c)
{
    unsigned prefixes = prefix_bytes(c->bytes, X86_INSN_MAX), escapes = c->insn.map > 1 ? 2 : 1, kept = 0,
             imul, plain, plain_imul;
    const uint8_t *body = c->bytes + prefixes;
    bool short_branch = c->insn.opnd[0].kind == X86_OPND_REL && c->insn.op_size == 2;
    uint8_t bytes[CASE_BYTES] = { 0 }, prefix = short_branch ? 0x66 : c->insn.simd_prefix;

    if (!is_lacking_combination(c))
        return false;
    bytes[0] = 0x0f;
    bytes[1] = 0xaf;
    memcpy(bytes + 2, body + escapes + 1, 10);
    plain_imul = capstone_length(bytes, true);

    for (unsigned i = 0; i < prefixes; i++)
        if (c->bytes[i] != 0xf2 && c->bytes[i] != 0xf3)
            bytes[kept++] = c->bytes[i];
    bytes[kept] = 0x0f;
    bytes[kept + 1] = 0xaf;
    memcpy(bytes + kept + 2, body + escapes + 1, 10);
    imul = has_memory(&c->insn) ? capstone_length(bytes, c->code32) - kept : plain_imul;

    bytes[0] = prefix;
    memcpy(bytes + 1, body, 14);
    plain = capstone_length(bytes + (prefix == 0), true) - (prefix != 0);
    return c->insn.length == prefixes + imul + plain - plain_imul;
}

/* EVEX with static rounding: capstone counts the rounding mode as a byte, but it is in EVEX.L'L. */
static bool miscounts_rounding(const struct comparison *c)
{
    const uint8_t *evex = c->bytes + prefix_bytes(c->bytes, X86_INSN_MAX);

    return c->insn.op == X86_EVEX && (evex[3] & 0x10) && evex[5] >= 0xc0 && c->theirs == c->insn.length + 1u;
}

/* XOP BEXTR has a 32-bit immediate in any mode (AMD APM 3, "BEXTR (immediate form)"); capstone sizes it. */
static bool sizes_xop_immediate(const struct comparison *c)
{
    return c->insn.op == X86_XOP && c->insn.op_size == 2 && c->theirs == c->insn.length - 2u;
}

/*
 * With 66 and a repeat prefix together capstone forgets the 66: near branches keep a 32-bit displacement,
 * MOV with an absolute offset is not found at all.
 */
static bool forgets_operand_size(const struct comparison *c)
{
    const struct insn *i = &c->insn;

    if (!(i->prefixes & X86_PFX_OPSIZE) || !(i->prefixes & (X86_PFX_REP | X86_PFX_REPNE)))
        return false;
    if (i->map == 0 && i->opcode >= 0xa0 && i->opcode <= 0xa3)
        return c->theirs == 0;
    return i->class_ == X86_BRANCH && i->opnd[0].kind == X86_OPND_REL && c->theirs == i->length + 2u;
}

/* F2 and F3 before BSF and BSR mean nothing to a processor without LZCNT and TZCNT, and F2 nothing to any. */
static bool refuses_repne_before_bit_scan(const struct comparison *c)
{
    return c->theirs == 0 && (c->insn.op == X86_BSF || c->insn.op == X86_BSR) &&
           (c->insn.prefixes & X86_PFX_REPNE);
}

/* PAUSE is F3 90; what else stands before it changes nothing. */
static bool refuses_prefixed_pause(const struct comparison *c)
{
    return c->theirs == 0 && c->insn.op == X86_PAUSE &&
           (c->insn.prefixes & (X86_PFX_OPSIZE | X86_PFX_ADDRSIZE)) &&
           c->insn.length == prefix_bytes(c->bytes, X86_INSN_MAX) + 1;
}

static struct {
    const char *name;
    bool (*applies)(const struct comparison *c);
    enum capstone_versions versions;
    unsigned long used;
} rules[] = {
    { "LOCK refused", refuses_lock, EVERY_CAPSTONE, 0 },
    { "mandatory prefix ignored", ignores_mandatory_prefix, EVERY_CAPSTONE, 0 },
    { "prefix combination lacking", lacks_prefix_combination, EVERY_CAPSTONE, 0 },
    { "rounding miscounted", miscounts_rounding, UNTIL_CAPSTONE_4, 0 },
    { "XOP immediate sized", sizes_xop_immediate, EVERY_CAPSTONE, 0 },
    { "operand size forgotten", forgets_operand_size, UNTIL_CAPSTONE_4, 0 },
    { "REPNE before BSF, BSR refused", refuses_repne_before_bit_scan, SINCE_CAPSTONE_5, 0 },
    { "prefixed PAUSE refused", refuses_prefixed_pause, SINCE_CAPSTONE_5, 0 },
};

/* Single opcodes. */
enum { MEM = 1, REG = 2, ANY = MEM | REG };
enum verdict { CAPSTONE_REFUSES, CAPSTONE_ACCEPTS, LENGTHS_DIFFER };

static struct {
    uint8_t map, first, last, regs, forms;
    enum verdict verdict;
    const char *reason;
    enum capstone_versions versions;
    unsigned long used;
} exceptions[] = {
    { 0, 0x8e, 0x8e, 1 << 1, ANY, CAPSTONE_ACCEPTS, "SDM 2B, MOV: loading CS is #UD", EVERY_CAPSTONE, 0 },
    { 0, 0xdc, 0xdc, 1 << 2 | 1 << 3, REG, CAPSTONE_REFUSES, "another encoding of FCOM, FCOMP",
      SINCE_CAPSTONE_5, 0 },
    { 0, 0xdd, 0xdd, 1 << 1, REG, CAPSTONE_REFUSES, "another encoding of FXCH", SINCE_CAPSTONE_5, 0 },
    { 0, 0xde, 0xde, 1 << 2, REG, CAPSTONE_REFUSES, "another encoding of FCOMP", SINCE_CAPSTONE_5, 0 },
    { 0, 0xdf, 0xdf, 1 << 1 | 1 << 2 | 1 << 3, REG, CAPSTONE_REFUSES, "another encoding of FXCH, FSTP",
      SINCE_CAPSTONE_5, 0 },
    { 1, 0x01, 0x01, 1 << 7, REG, CAPSTONE_ACCEPTS, "SDM 2B, SWAPGS: 64-bit code only", EVERY_CAPSTONE, 0 },
    { 1, 0x0d, 0x0d, 0xfd, MEM, CAPSTONE_REFUSES, "AMD APM 3, PREFETCH: reserved hints act as /0",
      EVERY_CAPSTONE, 0 },
    { 1, 0x18, 0x1f, 0xff, REG, CAPSTONE_REFUSES, "SDM 2D, table of two-byte opcodes: NOP Ev", EVERY_CAPSTONE,
      0 },
    { 1, 0x1a, 0x1b, 0xf0, MEM, CAPSTONE_REFUSES,
      "SDM 2D: NOP Ev without MPX, which has four bounds registers", SINCE_CAPSTONE_5, 0 },
    { 1, 0x1c, 0x1c, 0xfe, MEM, CAPSTONE_REFUSES, "SDM 2D: NOP Ev; CLDEMOTE is /0", SINCE_CAPSTONE_5, 0 },
    { 1, 0x20, 0x20, 0xe2, ANY, CAPSTONE_ACCEPTS, "SDM 2B, MOV Control Registers: CR1, CR5 to CR7 are #UD",
      EVERY_CAPSTONE, 0 },
    { 1, 0x22, 0x22, 0xe2, ANY, CAPSTONE_ACCEPTS, "SDM 2B, MOV Control Registers: CR1, CR5 to CR7 are #UD",
      EVERY_CAPSTONE, 0 },
    { 1, 0x78, 0x78, 0xff, REG, LENGTHS_DIFFER,
      "AMD APM 4, EXTRQ and INSERTQ: 66 and F2 make them, not VMREAD", EVERY_CAPSTONE, 0 },
    { 1, 0xa6, 0xa7, 0xff, REG, CAPSTONE_ACCEPTS, "VIA PadLock, in no Intel or AMD processor", EVERY_CAPSTONE,
      0 },
    { 1, 0xae, 0xae, 0xe0, REG, CAPSTONE_REFUSES,
      "SDM 2A, LFENCE: ModRM.rm is ignored; MFENCE and SFENCE alike", EVERY_CAPSTONE, 0 },
    { 1, 0xb9, 0xb9, 0xff, ANY, LENGTHS_DIFFER, "SDM 2B, UD: UD1 has a ModRM byte", EVERY_CAPSTONE, 0 },
    { 1, 0xff, 0xff, 0xff, ANY, LENGTHS_DIFFER, "SDM 2B, UD: UD0 has a ModRM byte", EVERY_CAPSTONE, 0 },
};

static bool excepted(const struct comparison *c, enum verdict verdict)
{
    const struct insn *insn = &c->insn;
    uint8_t modrm = c->bytes[prefix_bytes(c->bytes, X86_INSN_MAX) + (insn->map > 2 ? 2 : insn->map) + 1];
    unsigned reg = modrm >> 3 & 7, form = modrm >= 0xc0 ? REG : MEM;

    for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
        if (capstone_is(rules[i].versions) && rules[i].applies(c)) {
            rules[i].used++;
            return true;
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(exceptions); i++) {
        if (capstone_is(exceptions[i].versions) && exceptions[i].verdict == verdict &&
            insn->map == exceptions[i].map && insn->opcode >= exceptions[i].first &&
            insn->opcode <= exceptions[i].last && (exceptions[i].regs >> reg & 1) &&
            (exceptions[i].forms & form)) {
            exceptions[i].used++;
            return true;
        }
    }
    return false;
}

/* One instruction both ways. False, with a message, if they disagree and nothing explains it. */
static bool agree(const uint8_t *bytes, bool code32)
{
    struct comparison c = { .bytes = bytes, .code32 = code32 };
    enum verdict verdict;

    c.theirs = capstone_length(bytes, code32);
    c.status = x86_decode(bytes, X86_INSN_MAX, code32, &c.insn);
    if (c.status == X86_DECODE_OK && c.theirs == c.insn.length)
        return true;
    /* To both no instruction, or to us one that our processors do not have. */
    if (c.theirs == 0 && (c.status != X86_DECODE_OK || c.insn.class_ == X86_INVALID))
        return true;
    verdict = c.theirs == 0               ? CAPSTONE_REFUSES
              : c.status != X86_DECODE_OK ? CAPSTONE_ACCEPTS
                                          : LENGTHS_DIFFER;
    if (excepted(&c, verdict))
        return true;
    printf("%s code %d: capstone %u bytes, decoder status %d, %s, %u bytes\n",
           decode_case_text(bytes, X86_INSN_MAX), code32 ? 32 : 16, c.theirs, c.status,
           x86_op_name(c.insn.op), c.insn.length);
    return false;
}

struct tally {
    unsigned long cases;
    unsigned failures;
};

enum { FAILURES_SHOWN = 20 };

static bool compare_case(const struct decode_case *c, void *context)
{
    struct tally *tally = context;

    tally->cases++;
    tally->failures += !agree(c->bytes, c->code32);
    return tally->failures < FAILURES_SHOWN;
}

/* Loop test: map * 2 + code32. */
START_TEST(lengths_agree_over_a_whole_map)
{
    struct tally tally = { 0 };

    open_capstone();
    for (size_t i = 0; i < decode_prefix_set_count; i++)
        decode_cases_walk(_i / 2, &decode_prefix_sets[i], _i & 1, 1, compare_case, &tally);
    close_capstone();
    ck_assert_uint_eq(tally.failures, 0);
    ck_assert_uint_gt(tally.cases, 500000);
}
END_TEST

/* VEX, EVEX and XOP: all opcodes of all maps with a sample of prefix payloads and ModRM bytes. */
static void compare_extension(struct tally *tally, bool code32, const uint8_t *head, unsigned count,
                              uint8_t modrm)
{
    uint8_t bytes[CASE_BYTES] = { 0 };

    memcpy(bytes, head, count);
    bytes[count] = modrm;
    bytes[count + 1] = 0x84;
    bytes[count + 2] = 0x91;
    tally->cases++;
    tally->failures += !agree(bytes, code32);
}

START_TEST(lengths_agree_in_extension_space)
{
    static const uint8_t modrms[] = { 0x00, 0x44, 0x84, 0xc1, 0xd9, 0x45, 0x06, 0x8c };
    struct tally tally = { 0 };

    open_capstone();
    for (unsigned opcode = 0; opcode < 256; opcode++) {
        for (size_t m = 0; m < ARRAY_SIZE(modrms); m++) {
            for (unsigned payload = 0xc0; payload < 256; payload += 3)
                compare_extension(&tally, _i, (uint8_t[]){ 0xc5, payload, opcode }, 3, modrms[m]);
            for (unsigned map = 0; map < 12; map++) {
                for (unsigned payload = 0x01; payload < 256; payload += 7) {
                    uint8_t vex[] = { map < 8 ? 0xc4 : 0x8f, 0xe0 | map, payload, opcode };
                    uint8_t evex[] = { 0x62, 0xf0 | (map & 3), payload | 4, payload * 8, opcode };

                    compare_extension(&tally, _i, vex, sizeof(vex), modrms[m]);
                    compare_extension(&tally, _i, evex, sizeof(evex), modrms[m]);
                }
            }
        }
    }
    close_capstone();
    ck_assert_uint_eq(tally.failures, 0);
}
END_TEST

/* Random bytes, every other time begun by one or two random prefixes. */
START_TEST(random_bytes_agree)
{
    static const uint8_t prefixes[] = {
        0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x0f
    };
    const char *text = getenv("D86_SEED");
    unsigned long seed = text ? strtoul(text, NULL, 0) : 20250101,
                  count = getenv("D86_LONG") ? 100000000 : 2000000;
    uint64_t state = seed * 2 + 1;
    struct tally tally = { 0 };

    open_capstone();
    for (unsigned long i = 0; i < count && tally.failures < FAILURES_SHOWN; i++) {
        uint8_t bytes[CASE_BYTES] = { 0 };

        for (unsigned j = 0; j < 24; j += 4) {
            uint32_t word;

            state = state * 6364136223846793005u + 1442695040888963407u;
            word = state >> 32;
            memcpy(bytes + j, &word, 4);
        }
        for (unsigned j = 0; j < (i & 1) + (i >> 1 & i & 1); j++)
            bytes[j] = prefixes[bytes[20 + j] % sizeof(prefixes)];
        tally.failures += !agree(bytes, i >> 2 & 1);
    }
    close_capstone();
    ck_assert_msg(tally.failures == 0, "seed %lu", seed);
}
END_TEST

/* Runs last, in the same process as the others: each exception above was needed. */
START_TEST(every_exception_is_needed)
{
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
        ck_assert_msg(rules[i].used > 0 || !capstone_is(rules[i].versions), "rule '%s' explains nothing",
                      rules[i].name);
    for (size_t i = 0; i < ARRAY_SIZE(exceptions); i++)
        ck_assert_msg(exceptions[i].used > 0 || !capstone_is(exceptions[i].versions),
                      "exception '%s' explains nothing", exceptions[i].reason);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("decode against capstone");
    TCase *lengths = tcase_create("lengths");
    SRunner *runner;
    int failed;

    tcase_set_timeout(lengths, 0); /* the long form takes minutes; ctest has its own limit */
    tcase_add_loop_test(lengths, lengths_agree_over_a_whole_map, 0, 8);
    tcase_add_loop_test(lengths, lengths_agree_in_extension_space, 0, 2);
    tcase_add_test(lengths, random_bytes_agree);
    tcase_add_test(lengths, every_exception_is_needed);
    suite_add_tcase(suite, lengths);
    runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK); /* the counts of exceptions must survive */
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
