/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Runs the scanner's fuzz target without libFuzzer: on files (a crash found elsewhere), or on inputs made
 * from seeds. Random bytes alone rarely make the interesting, so most of an input comes from a dictionary of
 * fragments: encodings the guard looks for, prefixes, branches, and instructions that overlap them.
 *
 *   fuzz_driver [COUNT [FIRST-SEED]]    fuzz_driver --file FILE...
 */
#include "fuzz_scan.h"

#include "translator/scan.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INPUT_MAX = sizeof(struct fuzz_input) + 2 * SCAN_PAGE_SIZE };

static const struct {
    uint8_t size;
    uint8_t bytes[8];
} fragments[] = {
    { 1, { 0xca } },
    { 1, { 0xcb } },
    { 1, { 0xcf } },
    { 2, { 0xcd, 0x80 } },
    { 2, { 0x0f, 0x05 } },
    { 2, { 0x0f, 0x34 } },
    { 1, { 0x0f } },
    { 1, { 0xcd } },
    { 3, { 0x0f, 0x01, 0xef } },
    { 2, { 0x0f, 0x01 } },
    { 3, { 0x0f, 0xae, 0x28 } },
    { 2, { 0xff, 0x28 } },
    { 2, { 0xff, 0x5b } },
    { 1, { 0xff } },
    { 7, { 0xea, 0, 0, 0, 0, 0x33, 0 } },
    { 5, { 0xea, 0, 0, 0x33, 0 } },
    { 7, { 0x9a, 1, 2, 3, 4, 0x23, 0 } },
    { 7, { 0xea, 1, 2, 3, 4, 5, 6 } },
    { 1, { 0x66 } },
    { 1, { 0x67 } },
    { 1, { 0xf3 } },
    { 1, { 0x2e } },
    { 1, { 0xf0 } },
    { 1, { 0x07 } },
    { 2, { 0x8e, 0xd8 } },
    { 2, { 0xc4, 0x10 } },
    { 2, { 0x0f, 0xb2 } },
    { 1, { 0xb8 } },
    { 1, { 0x68 } },
    { 2, { 0x81, 0xc1 } },
    { 2, { 0x89, 0xca } },
    { 2, { 0x8b, 0xcb } },
    { 2, { 0x31, 0xcf } },
    { 2, { 0x85, 0xca } },
    { 2, { 0x87, 0xcb } },
    { 4, { 0x66, 0x0f, 0x6f, 0xca } },
    { 3, { 0x0f, 0x28, 0xcb } },
    { 4, { 0xf3, 0x0f, 0xbc, 0xc1 } },
    { 4, { 0xf3, 0x0f, 0xbd, 0xca } },
    { 1, { 0xe8 } },
    { 1, { 0xe9 } },
    { 2, { 0x0f, 0x84 } },
    { 2, { 0xeb, 0xff } },
    { 2, { 0x74, 0x01 } },
    { 2, { 0xeb, 0xfe } },
    { 1, { 0x90 } },
    { 1, { 0xc3 } },
    { 2, { 0x0f, 0xa2 } },
    { 2, { 0x0f, 0xca } },
    { 1, { 0xcc } },
    { 1, { 0xf4 } },
    { 3, { 0x83, 0xc4, 0x10 } },
    { 3, { 0x83, 0xca, 0x01 } },
    { 2, { 0x75, 0xca } },
    { 2, { 0xeb, 0xcf } },
    { 2, { 0x0f, 0xcb } },
    { 5, { 0xb8, 0xcb, 1, 2, 3 } },
    { 6, { 0x8b, 0x83, 0xca, 0xff, 0xff, 0xff } },
    { 5, { 0xe8, 0x11, 0xcb, 0xff, 0xff } },
    { 6, { 0x0f, 0x84, 0xcf, 1, 0, 0 } },
    { 2, { 0xd9, 0xca } },
    { 2, { 0x85, 0xc0 } },
    { 2, { 0xe2, 0xcb } },
    { 2, { 0x8b, 0x07 } },
    { 3, { 0xc5, 0xf8, 0x77 } },
    { 4, { 0, 0, 0, 0 } },
    { 4, { 0xff, 0xff, 0xff, 0xff } },
};

static uint64_t state;

/* splitmix64: every seed is as good as another. */
static uint64_t next_random(void)
{
    uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static size_t make_code(uint8_t *code, size_t size)
{
    unsigned plain = next_random() % 4; /* quarters of the input that are random bytes */
    size_t used = 0;

    while (used < size) {
        size_t i = next_random() % (sizeof(fragments) / sizeof(fragments[0]));
        size_t n = fragments[i].size;

        if (next_random() % 4 < plain || n > size - used)
            code[used++] = (uint8_t)next_random();
        else
            memcpy(code + used, fragments[i].bytes, n), used += n;
    }
    return used;
}

static void run_seed(uint64_t seed)
{
    static uint8_t data[INPUT_MAX];
    struct fuzz_input input = { 0 };
    size_t size;

    state = seed;
    input.mode = (uint16_t)next_random();
    if (next_random() % 8)
        input.mode |= SCAN_CODE32;
    input.isa = next_random() % 4;
    input.small_table = next_random() % 16 == 0;
    input.promote = next_random() % 8 ? (uint8_t)(next_random() & ~1u) : 1;
    input.turns_fpu = next_random() % 2;
    for (unsigned i = 0; i < FUZZ_ENTRIES; i++)
        input.entry[i] = (uint16_t)next_random();
    if (next_random() % 2) /* near the boundary, where pages meet */
        input.entry[1] = (uint16_t)(SCAN_PAGE_SIZE - 1 - next_random() % 40);
    size = next_random() % 4 ? 2 * SCAN_PAGE_SIZE : 1 + next_random() % 64;
    memcpy(data, &input, sizeof(input));
    size = make_code(data + sizeof(input), size);
    LLVMFuzzerTestOneInput(data, sizeof(input) + size);
}

static bool run_file(const char *name)
{
    static uint8_t data[INPUT_MAX];
    FILE *file = fopen(name, "rb");
    size_t size;

    if (!file) {
        perror(name);
        return false;
    }
    size = fread(data, 1, sizeof(data), file);
    fclose(file);
    LLVMFuzzerTestOneInput(data, size);
    return true;
}

int main(int argc, char **argv)
{
    uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 0) : 2000;
    uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;

    if (argc > 2 && !strcmp(argv[1], "--file")) {
        for (int i = 2; i < argc; i++)
            if (!run_file(argv[i]))
                return 1;
        return 0;
    }
    for (uint64_t seed = first; seed < first + count; seed++) {
        /* Said before, so that a crash has named its seed. */
        if ((seed - first) % 256 == 0)
            printf("seeds from %llu\n", (unsigned long long)seed);
        fflush(stdout);
        run_seed(seed);
    }
    printf("%llu inputs: every invariant held\n", (unsigned long long)count);
    return 0;
}
