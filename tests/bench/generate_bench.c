/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What translating costs and what becomes of it: the flat 32-bit code of a file, page by page, each stretch
 * where the last one ended. Prints nanoseconds per guest instruction, host bytes per guest byte, and what is
 * called out.
 *
 *   generate_bench FILE [FIRST-BYTE [END]]
 */
#include "translator/generate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { RUNS = 5, ADDRESS = 0xc1000000 };

struct sum {
    uint64_t stretches, instructions, guest_bytes, host_bytes, exits, call_outs;
};

static struct gen_result result;

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

static void add(struct sum *sum)
{
    sum->stretches++;
    sum->instructions += result.insn_count;
    sum->host_bytes += result.code_size;
    sum->exits += result.exit_count;
    sum->call_outs += result.call_out_count;
    for (unsigned n = 0; n < result.insn_count; n++)
        sum->guest_bytes += result.insn[n].length;
}

/* What the stretch has translated. */
static void note(uint64_t *known, uint8_t *length)
{
    for (unsigned n = 0; n < result.insn_count; n++) {
        unsigned offset = result.insn[n].guest;

        known[offset / 64] |= UINT64_C(1) << offset % 64;
        length[offset] = result.insn[n].length;
    }
}

/* Where instructions begin in the next page is not known: at its first byte, let us say. */
static void translate_page(const uint8_t *page, bool loose, struct sum *sum)
{
    uint64_t known[GEN_PAGE_SIZE / 64] = { 0 };
    uint8_t length[GEN_PAGE_SIZE] = { 0 };
    struct gen_request request = {
        .page = page,
        .address = ADDRESS,
        .layout = { 8, 16, 24, 32 },
        .isa = UINT32_MAX,
        .known = known,
        .loose_returns = loose,
    };

    while (request.start < GEN_PAGE_SIZE && gen_stretch(&request, &result)) {
        add(sum);
        note(known, length);
        while (request.start < GEN_PAGE_SIZE && length[request.start])
            request.start += length[request.start];
    }
}

static void measure(const uint8_t *code, size_t size, bool loose)
{
    struct sum sum = { 0 };
    double best = 0;

    for (int run = 0; run < RUNS; run++) {
        double start = now_ns(), ns;

        sum = (struct sum){ 0 };
        for (size_t at = 0; at + GEN_PAGE_SIZE <= size; at += GEN_PAGE_SIZE)
            translate_page(code + at, loose, &sum);
        ns = (now_ns() - start) / (double)sum.instructions;
        if (run == 0 || ns < best)
            best = ns;
    }
    printf(
        "%s returns: %.1f ns per instruction; %llu stretches of %.1f instructions; %.2f host bytes per guest "
        "byte; %.1f %% exits, %.2f %% call-outs\n",
        loose ? "loose" : "exact", best, (unsigned long long)sum.stretches,
        (double)sum.instructions / (double)sum.stretches, (double)sum.host_bytes / (double)sum.guest_bytes,
        100. * (double)sum.exits / (double)sum.instructions,
        100. * (double)sum.call_outs / (double)sum.instructions);
}

int main(int argc, char **argv)
{
    FILE *file = argc > 1 ? fopen(argv[1], "rb") : NULL;
    size_t first = argc > 2 ? strtoul(argv[2], NULL, 0) : 0, end = argc > 3 ? strtoul(argv[3], NULL, 0) : 0;
    uint8_t *code;
    long size;

    if (!file) {
        perror(argc > 1 ? argv[1] : "generate_bench FILE [FIRST-BYTE [END]]");
        return EXIT_FAILURE;
    }
    fseek(file, 0, SEEK_END);
    size = ftell(file);
    if (!end || end > (size_t)size)
        end = (size_t)size;
    if (first >= end) {
        fprintf(stderr, "generate_bench: nothing from byte %zu to %zu\n", first, end);
        return EXIT_FAILURE;
    }
    size = (long)(end - first + GEN_PAGE_SIZE - 1) / GEN_PAGE_SIZE * GEN_PAGE_SIZE;
    code = malloc((size_t)size);
    memset(code, 0x90, (size_t)size);
    fseek(file, (long)first, SEEK_SET);
    if (fread(code, 1, end - first, file) != end - first)
        return EXIT_FAILURE;
    fclose(file);
    measure(code, (size_t)size, false);
    measure(code, (size_t)size, true);
    free(code);
    return EXIT_SUCCESS;
}
