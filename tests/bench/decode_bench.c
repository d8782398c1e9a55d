/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How long one decode takes: a mix like that of compiled 32-bit code, decoded over and over from a buffer,
 * and for comparison the longest chain of tables. Prints nanoseconds per instruction, best of several runs.
 */
#include "translator/decode.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 20000, RUNS = 7 };

/* Prologue, moves, compares, branches, calls, a string move and some SSE, 32-bit code. */
static const uint8_t compiled[] = {
    0x55, 0x89, 0xe5, 0x57, 0x56, 0x53, 0x83, 0xec, 0x2c, 0x8b, 0x45, 0x08, 0x8b, 0x55, 0x0c, 0x85, 0xc0,
    0x74, 0x12, 0x8b, 0x5c, 0x24, 0x1c, 0x0f, 0xb6, 0x04, 0x18, 0x3c, 0x20, 0x0f, 0x85, 0x10, 0x01, 0x00,
    0x00, 0x8d, 0x74, 0x26, 0x00, 0xa1, 0x00, 0x10, 0x40, 0xc0, 0x89, 0x44, 0x24, 0x04, 0xc7, 0x04, 0x24,
    0x78, 0x56, 0x34, 0x12, 0xe8, 0x00, 0x01, 0x00, 0x00, 0x64, 0xa1, 0x14, 0x00, 0x00, 0x00, 0x31, 0xc9,
    0x41, 0x39, 0xd1, 0x7c, 0xf0, 0xc1, 0xe2, 0x04, 0x03, 0x14, 0x8d, 0x00, 0x20, 0x40, 0xc0, 0x66, 0x89,
    0x02, 0x0f, 0xaf, 0xc2, 0xf3, 0xa5, 0xff, 0xd0, 0xf0, 0x0f, 0xb1, 0x0a, 0xf3, 0x0f, 0x10, 0x06, 0x66,
    0x0f, 0x6f, 0x00, 0xd9, 0x45, 0x08, 0x5b, 0x5e, 0x5f, 0x5d, 0xc3,
};

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

/* One pass over the buffer; the bytes after its end are there, so that every decode has 15. */
static unsigned decode_all(const uint8_t *code, size_t size, unsigned *check)
{
    unsigned count = 0;

    for (size_t at = 0; at < size; count++) {
        struct insn insn;

        if (x86_decode(code + at, size + X86_INSN_MAX - at, true, &insn) != X86_DECODE_OK)
            return 0;
        at += insn.length;
        *check += insn.op;
    }
    return count;
}

static void measure(const char *what, const uint8_t *code, size_t size)
{
    static uint8_t buffer[256];
    double best = 0;
    unsigned check = 0;

    memset(buffer, 0x90, sizeof(buffer));
    memcpy(buffer, code, size);
    for (int run = 0; run < RUNS; run++) {
        double start = now_ns(), ns;
        unsigned long count = 0;

        for (int i = 0; i < ROUNDS; i++)
            count += decode_all(buffer, size, &check);
        ns = (now_ns() - start) / count;
        if (run == 0 || ns < best)
            best = ns;
    }
    printf("%-24s %6.1f ns per instruction (check %u)\n", what, best, check);
}

int main(void)
{
    static const uint8_t simple[] = { 0x40, 0x43, 0x90, 0x55, 0x5d, 0xc3 };
    static const uint8_t deep[] = { 0x0f, 0x01, 0xc8, 0x66, 0x0f, 0x3a, 0x0f, 0x84, 0x88, 0x78,
                                    0x56, 0x34, 0x12, 0x04, 0x66, 0x0f, 0x71, 0xd0, 0x05 };

    measure("compiled code", compiled, sizeof(compiled));
    measure("one byte each", simple, sizeof(simple));
    measure("deep table chains", deep, sizeof(deep));
    return 0;
}
