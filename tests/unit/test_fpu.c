/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * FP and SIMD instructions in the executor against the host processor: every encoding the decoder knows, on
 * random states full of special values, with and without pending and unmasked exceptions.
 * A failure prints the seed of its run: test_fpu <seed> repeats it; test_fpu <seed> <runs> does more.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fpu_rig.h"

#define CR0_USUAL 0x80000031u /* PG, NE, ET, PE */
#define CR4_USUAL 0x600u      /* OSFXSR, OSXMMEXCPT */

enum { WINDOW = 512 }; /* the memory instructions work on: the last bytes before the page that faults */

static uint64_t random_state;
static uint64_t seed = 1;
static unsigned runs = 12; /* random states per encoding */

static uint64_t random64(void)
{
    random_state += 0x9e3779b97f4a7c15ull; /* splitmix64 */
    uint64_t z = random_state;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

static unsigned random_below(unsigned n)
{
    return (unsigned)(random64() >> 33) % n;
}

static uint8_t *window(void)
{
    return rig_memory() + RIG_MEMORY - 4096 - WINDOW;
}

/* ---- Random states ----------------------------------------------------------------------------------- */

/* A single that is worth trying: special, near a power of two, denormal, integer, or anything. */
static uint32_t random_single(void)
{
    static const uint32_t special[] = {
        0x00000000, 0x00000001, 0x007fffff, 0x00800000, 0x00800001, 0x3f000000, 0x3f800000, 0x3f800001,
        0x40000000, 0x40400000, 0x4f000000, 0x4effffff, 0x7f000000, 0x7f7fffff, 0x7f800000, 0x7f800001,
        0x7fbfffff, 0x7fc00000, 0x7fffffff, 0x33800000, 0x34000000, 0x00400000, 0x0c000000, 0x73000000,
    };
    uint32_t sign = (uint32_t)random_below(2) << 31;
    switch (random_below(4)) {
    case 0:
        return (uint32_t)random64();
    case 1:
        return sign | (uint32_t)(random_below(8) + 123) << 23 | ((uint32_t)random64() & 0x7fffff);
    default:
        return sign | special[random_below(sizeof(special) / sizeof(special[0]))];
    }
}

static uint64_t random_double(void)
{
    static const uint64_t special[] = {
        0x0000000000000000, 0x0000000000000001, 0x000fffffffffffff, 0x0010000000000000, 0x0010000000000001,
        0x3fe0000000000000, 0x3ff0000000000000, 0x3ff0000000000001, 0x4000000000000000, 0x4008000000000000,
        0x41dfffffffc00000, 0x41e0000000000000, 0x7fe0000000000000, 0x7fefffffffffffff, 0x7ff0000000000000,
        0x7ff0000000000001, 0x7ff7ffffffffffff, 0x7ff8000000000000, 0x36a0000000000000, 0x3690000000000001,
        0x3810000000000000, 0x380fffffffffffff, 0x47efffffe0000000, 0x47effffff0000000, 0x47f0000000000000,
        0x0008000000000000, 0x2000000000000000, 0x5ff0000000000000,
    };
    uint64_t sign = (uint64_t)random_below(2) << 63;
    switch (random_below(4)) {
    case 0:
        return random64();
    case 1:
        return sign | (uint64_t)(random_below(160) + 943) << 52 | (random64() & 0xfffffffffffffull);
    default:
        return sign | special[random_below(sizeof(special) / sizeof(special[0]))];
    }
}

/* Eighty bits, unsupported encodings included. */
static void random_extended(uint8_t *p)
{
    static const uint16_t exponents[] = { 0,      1,      0x3ffe, 0x3fff, 0x4000, 0x403e,
                                          0x7ffe, 0x7fff, 0x3f81, 0x3c01, 0x43fe };
    static const uint64_t mantissas[] = { 0,
                                          1,
                                          0x8000000000000000,
                                          0xc000000000000000,
                                          0xffffffffffffffff,
                                          0x8000000000000001,
                                          0x4000000000000000,
                                          0x7fffffffffffffff };
    uint64_t m = random_below(2) ? random64() | 1ull << 63 : mantissas[random_below(8)];
    uint16_t e = random_below(3) ? exponents[random_below(11)] : (uint16_t)(16383 - 40 + random_below(80));
    if (!random_below(16))
        e = (uint16_t)random64();
    e |= (uint16_t)(random_below(2) << 15);
    memcpy(p, &m, 8);
    memcpy(p + 8, &e, 2);
}

static void random_vector(uint8_t *p, unsigned bytes)
{
    unsigned type = random_below(5);
    for (unsigned i = 0; i < bytes; i += 8) {
        uint64_t x = type < 2   ? random_single() | (uint64_t)random_single() << 32
                     : type < 4 ? random_double()
                                : random64();
        memcpy(p + i, &x, 8);
    }
}

static void put16(uint8_t *p, unsigned at, unsigned value)
{
    p[at] = (uint8_t)value;
    p[at + 1] = (uint8_t)(value >> 8);
}

static unsigned get16(const uint8_t *p, unsigned at)
{
    return p[at] | (unsigned)p[at + 1] << 8;
}

static void random_controls(uint8_t *fx)
{
    unsigned rounding = random_below(4) << 10, fcw = 0x7f | rounding, mxcsr = 0x1f80 | random_below(4) << 13;
    if (random_below(3))
        fcw |= 0x300;
    else
        fcw |= (unsigned)(random64() & 0x300);
    if (!random_below(3))
        fcw &= ~(unsigned)(random64() & 0x3f);
    unsigned fsw = (unsigned)(random64() & 0x7f00);
    if (random_below(2))
        fsw |= random_below(128);
    if (random_below(4)) /* usually nothing is pending */
        fsw &= 0xff40u | (fcw & 0x3f);
    if (random_below(3) == 0)
        mxcsr |= (unsigned)(random64() & 0x8040);
    if (random_below(2))
        mxcsr |= random_below(64);
    if (random_below(2))
        mxcsr &= ~(unsigned)(random64() & 0x1f80);
    put16(fx, 0, fcw);
    put16(fx, 2, fsw);
    fx[4] = random_below(3) ? (uint8_t)random64() : 0xff;
    put16(fx, 24, mxcsr);
}

/* Let ES and B agree with FCW and FSW as a processor would. */
static void make_consistent(uint8_t *fx)
{
    unsigned fsw = get16(fx, 2) & 0x7f7f;
    if (fsw & ~get16(fx, 0) & 0x3f)
        fsw |= 0x8080;
    put16(fx, 2, fsw);
}

static void random_rig(struct rig_state *s, uint8_t *memory)
{
    memset(s, 0, sizeof(*s));
    random_controls(s->fx);
    make_consistent(s->fx);
    for (unsigned i = 0; i < 8; i++) {
        random_extended(s->fx + 32 + 16 * i);
        if (!random_below(4)) { /* as MMX leaves them */
            random_vector(s->fx + 32 + 16 * i, 8);
            put16(s->fx, 40 + 16 * i, 0xffff);
        }
        random_vector(s->fx + 160 + 16 * i, 16);
    }
    for (unsigned i = 0; i < 8; i++)
        s->gpr[i] = random_below(3) ? (uint32_t)random64() : random_below(20);
    s->flags_ah = (uint8_t)((random64() & 0xd5) | 2);
    s->flags_of = (uint8_t)random_below(2);
    for (unsigned i = 0; i < WINDOW; i += 16) {
        if (random_below(2))
            random_vector(memory + i, 16);
        else
            random_extended(memory + i);
    }
}

/* ---- One comparison ------------------------------------------------------------------------------------ */

/* Instruction and data pointers are kept apart from the host's; neither XMM8.. nor MXCSR_MASK is compared. */
static void forget_pointers(uint8_t *fx)
{
    memset(fx + 6, 0, 18);
    memset(fx + 28, 0, 4);
    for (unsigned i = 0; i < 8; i++)
        memset(fx + 42 + 16 * i, 0, 6);
    memset(fx + 288, 0, 224);
}

static void print_difference(const char *what, const void *a, const void *b, unsigned size)
{
    const uint8_t *p = a, *q = b;
    if (!memcmp(a, b, size))
        return;
    printf("  %s at", what);
    for (unsigned i = 0, n = 0; i < size && n < 20; i++)
        if (p[i] != q[i] && ++n)
            printf(" %u:%02x/%02x", i, p[i], q[i]);
    printf(" (executor/host)\n");
}

static bool is_name(const struct rig_insn *in, const char *name)
{
    return !strcmp(in->name, name);
}

/* FXSAVE and FXRSTOR have tests of their own: in 64-bit mode they move more. */
static bool is_comparable(const struct rig_insn *in)
{
    return in->mine && !in->uses_esp && !is_name(in, "fxsave") && !is_name(in, "fxrstor");
}

struct pair {
    struct rig_state guest, host;
    uint8_t guest_memory[WINDOW], host_memory[WINDOW];
    int guest_outcome, host_outcome;
};

static void run_both(const uint8_t bytes[15], const struct rig_insn *in, const struct rig_controls *controls,
                     const struct rig_state *start, struct pair *p)
{
    uint8_t *memory = window(), before[WINDOW];
    memcpy(before, memory, sizeof(before));
    p->guest = p->host = *start;
    p->guest_outcome = rig_run_guest(bytes, controls, &p->guest);
    memcpy(p->guest_memory, memory, sizeof(before));
    memcpy(memory, before, sizeof(before));
    p->host_outcome = rig_run_host(bytes, in->length, &p->host);
    memcpy(p->host_memory, memory, sizeof(before));
    memcpy(memory, before, sizeof(before));
    forget_pointers(p->guest.fx);
    forget_pointers(p->host.fx);
    if (p->host_outcome != RIG_OK) { /* the signal frame has no more than the FP state */
        memcpy(p->host.gpr, p->guest.gpr, sizeof(p->host.gpr));
        p->host.flags_ah = p->guest.flags_ah;
        p->host.flags_of = p->guest.flags_of;
        memcpy(p->host.gpr, start->gpr, sizeof(p->host.gpr));
        p->host.flags_ah = start->flags_ah;
        p->host.flags_of = start->flags_of;
    }
    p->host.gpr[4] = p->guest.gpr[4];
    if (p->host_outcome == RIG_OK && (is_name(in, "fnstenv") || is_name(in, "fnsave"))) {
        uint32_t at = start->gpr[6] - (uint32_t)(uintptr_t)memory;
        bool narrow = bytes[0] == 0x66;
        memset(p->guest_memory + at + (narrow ? 6 : 12), 0, narrow ? 8 : 16);
        memset(p->host_memory + at + (narrow ? 6 : 12), 0, narrow ? 8 : 16);
    }
}

static bool same(const struct pair *p)
{
    return p->guest_outcome == p->host_outcome && !memcmp(p->guest.fx, p->host.fx, 512) &&
           !memcmp(p->guest.gpr, p->host.gpr, sizeof(p->guest.gpr)) &&
           p->guest.flags_ah == p->host.flags_ah && p->guest.flags_of == p->host.flags_of &&
           !memcmp(p->guest_memory, p->host_memory, WINDOW);
}

static void report(const uint8_t bytes[15], const struct rig_insn *in, const struct rig_controls *controls,
                   const struct rig_state *start, const struct pair *p)
{
    printf("seed %llu: %s", (unsigned long long)seed, in->name);
    for (unsigned i = 0; i < in->length; i++)
        printf(" %02x", bytes[i]);
    printf(" tlb %d checked %d fcw %04x fsw %04x mxcsr %04x: outcome %d, host %d\n", controls->tlb,
           controls->checked, get16(start->fx, 0), get16(start->fx, 2), get16(start->fx, 24),
           p->guest_outcome, p->host_outcome);
    print_difference("FXSAVE image", p->guest.fx, p->host.fx, 512);
    print_difference("GPR", p->guest.gpr, p->host.gpr, sizeof(p->guest.gpr));
    print_difference("flags AH", &p->guest.flags_ah, &p->host.flags_ah, 1);
    print_difference("OF", &p->guest.flags_of, &p->host.flags_of, 1);
    print_difference("memory", p->guest_memory, p->host_memory, WINDOW);
}

/* One random state; false: they differ. */
static bool compare_once(const uint8_t bytes[15], const struct rig_insn *in)
{
    struct rig_controls controls = {
        .cr0 = CR0_USUAL,
        .cr4 = CR4_USUAL,
        .tlb = random_below(3) ? RIG_TLB_FILLED : RIG_TLB_EMPTY,
        .checked = !random_below(3),
    };
    struct rig_state start;
    struct pair p;
    uint8_t *memory = window();
    uint32_t at = 64 + (random_below(6) ? 0 : random_below(16));

    random_rig(&start, memory);
    if (!random_below(16))
        at = WINDOW - random_below(20); /* may reach into the page that faults */
    start.gpr[6] = (uint32_t)(uintptr_t)memory + at;
    start.gpr[7] = (uint32_t)(uintptr_t)memory + 256 + random_below(16);
    if (is_name(in, "ldmxcsr") && at + 3 < WINDOW)
        memory[at + 2] &= (uint8_t)~2u; /* AMD's MM bit is not ours */
    if (is_name(in, "cvtpi2ps") && in->has_memory) {
        /* SDM: pending x87 exceptions come first, as with a register; AMD processors do not look. */
        put16(start.fx, 2, get16(start.fx, 2) & 0x7f00);
        make_consistent(start.fx);
    }
    run_both(bytes, in, &controls, &start, &p);
    if (same(&p))
        return true;
    report(bytes, in, &controls, &start, &p);
    return false;
}

/* ---- Every encoding ------------------------------------------------------------------------------------ */

static const uint8_t prefixes[] = { 0, 0x66, 0xf3, 0xf2 };

/* Build the encoding; false: the decoder has no such FP or SIMD instruction. */
static bool encode(unsigned map, unsigned prefix, unsigned opcode, unsigned modrm, uint8_t bytes[15],
                   struct rig_insn *in)
{
    unsigned n = 0;
    memset(bytes, 0, 15);
    if (prefix)
        bytes[n++] = (uint8_t)prefix;
    if (map)
        bytes[n++] = 0x0f;
    if (map > 1)
        bytes[n++] = map == 2 ? 0x38 : 0x3a;
    bytes[n++] = (uint8_t)opcode;
    bytes[n++] = (uint8_t)modrm;
    bytes[n] = (uint8_t)random64();
    return rig_decode(bytes, in) && is_comparable(in) &&
           !(in->has_memory && modrm < 0xc0 && (modrm & 7) != 6);
}

/* Eight memory forms at [esi], and register forms: all of the x87's, where each is its own instruction. */
static unsigned compare_opcode(unsigned map, unsigned prefix, unsigned opcode)
{
    unsigned failed = 0;
    for (unsigned modrm = 0; modrm < 256; modrm++) {
        uint8_t bytes[15];
        struct rig_insn in;
        if (modrm < 0xc0 && (modrm & 0xc7) != 6)
            continue;
        for (unsigned i = 0; i < (modrm < 0xc0 ? runs : (runs + 3) / 4) && failed < 3; i++) {
            if (!encode(map, prefix, opcode, modrm, bytes, &in))
                break;
            failed += !compare_once(bytes, &in);
        }
    }
    return failed;
}

static unsigned compare_map(unsigned map)
{
    unsigned failed = 0;
    for (unsigned p = 0; p < sizeof(prefixes); p++)
        for (unsigned opcode = 0; opcode < 256; opcode++)
            if (map ? map > 1 || (opcode != 0x38 && opcode != 0x3a)
                    : (opcode & 0xf8) == 0xd8 || opcode == 0x9b)
                failed += compare_opcode(map, prefixes[p], opcode);
    return failed;
}

START_TEST(agrees_with_the_host)
{
    random_state = seed * 4 + (unsigned)_i;
    ck_assert_uint_eq(compare_map((unsigned)_i), 0);
}
END_TEST

int main(int argc, char **argv)
{
    if (argc > 1)
        seed = strtoull(argv[1], NULL, 0);
    if (argc > 2)
        runs = (unsigned)strtoul(argv[2], NULL, 0);
    Suite *suite = suite_create("fpu");
    TCase *host = tcase_create("host");
    tcase_set_timeout(host, 0);
    tcase_add_loop_test(host, agrees_with_the_host, 0, 4);
    suite_add_tcase(suite, host);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
