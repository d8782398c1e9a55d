/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The decoded-instruction cache seen from the guest: there is none. Stores into code take effect with the
 * next instruction whatever stores and by whatever address, remapped pages are looked at again, and running
 * out of cache is invisible. SDM 3A, "Self-Modifying Code".
 */
#include "cpu_bench.h"

#include <pthread.h>
#include <time.h>

static struct bench b;

static void setup(void)
{
    bench_open(&b);
}

static void teardown(void)
{
    bench_close(&b);
}

static struct d86_stats stats(void)
{
    struct d86_stats s;
    d86_vcpu_stats(b.cpu, &s);
    return s;
}

/* Paging on, first 4 MiB identity-mapped for everyone; tables at 10000 and 11000. */
static void paging_on(void)
{
    struct d86_sregs s;
    bench_write32(&b, 0x10000, 0x11000 | 7);
    for (uint32_t page = 0; page < 1024; page++)
        bench_write32(&b, 0x11000 + page * 4, page << 12 | 7);
    d86_vcpu_get_sregs(b.cpu, &s);
    s.cr0 |= X86_CR0_PG;
    s.cr3 = 0x10000;
    ck_assert_int_eq(d86_vcpu_set_sregs(b.cpu, &s), 0);
}

static void map_page(uint32_t la, uint32_t pa)
{
    bench_write32(&b, 0x11000 + (la >> 12) * 4, pa | 7);
}

/* ---- A function that is rewritten before each call ---------------------------------------------------- */

/*
 * The guest counts ECX down; each round one of the writers stores ECX into the immediate of a function
 * `mov eax,imm32; ret` through EDI, calls it and adds EAX to EBX.
 */
static const struct {
    const char *name;
    uint8_t code[24], size;
} writers[] = {
    { "mov", { 0x89, 0x0f }, 2 },
    { "mov in four bytes",
      { 0x88, 0x0f, 0x88, 0x6f, 1, 0xc1, 0xc9, 16, 0x88, 0x4f, 2, 0x88, 0x6f, 3, 0xc1, 0xc9, 16 },
      17 },
    { "xchg", { 0x51, 0x87, 0x0f, 0x59 }, 4 },
    { "push", { 0x89, 0xe5, 0x8d, 0x67, 4, 0x51, 0x89, 0xec }, 8 },
    { "pop", { 0x51, 0x8f, 0x07 }, 3 },
    { "stos", { 0x89, 0xc8, 0xab, 0x83, 0xef, 4 }, 6 },
    { "rep movsb", { 0x51, 0x89, 0xe6, 0xb9, 4, 0, 0, 0, 0xf3, 0xa4, 0x83, 0xef, 4, 0x59 }, 14 },
    { "xor with the difference", { 0x8b, 0x07, 0x31, 0xc8, 0x31, 0x07 }, 6 },
    { "lock cmpxchg", { 0x8b, 0x07, 0xf0, 0x0f, 0xb1, 0x0f }, 6 },
    { "bts after clearing", { 0x83, 0x27, 0, 0x09, 0x0f }, 5 },
    { "fistp", { 0x51, 0xdb, 0x04, 0x24, 0x59, 0xdb, 0x1f }, 7 },
    { "movd from mm0", { 0x0f, 0x6e, 0xc1, 0x0f, 0x7e, 0x07 }, 6 },
    { "movss from xmm0", { 0x66, 0x0f, 0x6e, 0xc1, 0xf3, 0x0f, 0x11, 0x07 }, 8 },
};

/* Where the function is, where it is written, and what makes both the same. */
enum route { SAME_PAGE, OTHER_PAGE, ACROSS_PAGES, REGION_ALIAS, REGION_ALIAS_RUN, PAGED_ALIAS, ROUTES };

static const struct {
    const char *name;
    uint32_t function, written;
} routes[ROUTES] = {
    [SAME_PAGE] = { "in the writer's page", 0x1100, 0x1100 },
    [OTHER_PAGE] = { "in another page", 0x2100, 0x2100 },
    [ACROSS_PAGES] = { "across two pages", 0x2ffd, 0x2ffd },
    [REGION_ALIAS] = { "through a region alias", 0x2100, 0x2000100 },
    [REGION_ALIAS_RUN] = { "run in a region alias", 0x2000100, 0x2100 },
    [PAGED_ALIAS] = { "through a page-table alias", 0x2100, 0x81100 },
};

static void run_writer(const uint8_t *writer, unsigned size, enum route route, uint32_t rounds)
{
    uint32_t function = routes[route].function, at = BENCH_CODE;
    BENCH_BYTES(&b, at, 0xb9, LE32(rounds)); /* mov ecx,rounds */
    at += 5;
    uint32_t again = at;
    bench_write(&b, at, writer, size);
    at += size;
    BENCH_BYTES(&b, at, 0xe8, LE32(function - (at + 5)), 0x01, 0xc3,
                0x49); /* call function; add ebx,eax; dec ecx */
    at += 8;
    BENCH_BYTES(&b, at, 0x0f, 0x85, LE32(again - (at + 6)), 0xcc); /* jnz again; int3 */
    BENCH_BYTES(&b, function, 0xb8, LE32(0), 0xc3);
    bench_mode(&b, BENCH_FLAT32);
    if (route == PAGED_ALIAS) {
        paging_on();
        map_page(0x81000, 0x2000);
    }
    struct d86_sregs s;
    d86_vcpu_get_sregs(b.cpu, &s);
    s.cr4 |= X86_CR4_OSFXSR;
    ck_assert_int_eq(d86_vcpu_set_sregs(b.cpu, &s), 0);
    struct d86_fpu fpu;
    d86_vcpu_get_fpu(b.cpu, &fpu);
    memcpy(fpu.fxsave, "\x7f\x03", 2); /* as FNINIT leaves it */
    fpu.fxsave[4] = 0;
    ck_assert_int_eq(d86_vcpu_set_fpu(b.cpu, &fpu), 0);
    struct d86_regs r = bench_regs(&b);
    r.edi = routes[route].written + 1;
    d86_vcpu_set_regs(b.cpu, &r);
    BENCH_RUN(&b);
}

START_TEST(rewritten_function_runs_as_written)
{
    unsigned w = (unsigned)_i / ROUTES, route = (unsigned)_i % ROUTES;
    enum { ROUNDS = 400 };
    if (route == REGION_ALIAS || route == REGION_ALIAS_RUN)
        ck_assert_int_eq(d86_vm_add_alias(b.vm, 0x2000000, 0x2000, 0x1000, false), 0);
    run_writer(writers[w].code, writers[w].size, route, ROUNDS);
    ck_assert_msg(bench_regs(&b).ebx == ROUNDS * (ROUNDS + 1) / 2, "%s %s: sum %u", writers[w].name,
                  routes[route].name, bench_regs(&b).ebx);
    ck_assert_uint_ge(stats().blocks_dropped, ROUNDS - 1); /* the code really was cached each time */
}
END_TEST

/* Enough rewriting to fill the cache, so that it is emptied while the guest runs in it. */
START_TEST(rewriting_overflows_the_cache)
{
    enum { ROUNDS = 600000 };
    run_writer(writers[0].code, writers[0].size, SAME_PAGE, ROUNDS);
    ck_assert_uint_eq(bench_regs(&b).ebx, (uint32_t)((uint64_t)ROUNDS * (ROUNDS + 1) / 2));
    ck_assert_uint_ge(stats().cache_flushes, 1);
}
END_TEST

static uint64_t counter(const char *name)
{
    struct d86_counter c;
    for (unsigned i = 0; d86_vcpu_counter(b.cpu, i, &c); i++)
        if (!strcmp(c.name, name))
            return c.value;
    ck_abort_msg("there is no counter %s", name);
}

/* After much has been run once and then little for a while, an exit empties the cache. */
START_TEST(cache_is_renewed_when_it_is_quiet)
{
    enum { LINES = 10000, QUIET = 5000000 };
    static const uint8_t line[] = { 0x43, 0xeb, 0x00 }; /* inc ebx; jmp +0 */
    bench_mode(&b, BENCH_FLAT32);
    for (uint32_t i = 0; i < LINES; i++)
        bench_write(&b, BENCH_HIGH + i * sizeof(line), line, sizeof(line));
    BENCH_BYTES(&b, BENCH_HIGH + LINES * sizeof(line), 0xc3);
    /* again: out 10,al; call lines; out 10,al; mov ecx,QUIET; loop $; jmp again */
    BENCH_BYTES(&b, BENCH_CODE, 0xe6, 0x10, 0xe8, LE32(BENCH_HIGH - (BENCH_CODE + 7)), 0xe6, 0x10, 0xb9,
                LE32(QUIET), 0xe2, 0xfe, 0xeb, 0xee);
    uint32_t before = bench_regs(&b).ebx;
    for (unsigned round = 1; round <= 6; round++) {
        d86_vcpu_run(b.cpu); /* to the OUT before the lines */
        ck_assert_uint_eq(b.exit->reason, D86_EXIT_IO);
        d86_vcpu_run(b.cpu); /* through them */
        ck_assert_uint_eq(b.exit->reason, D86_EXIT_IO);
        ck_assert_uint_eq(bench_regs(&b).ebx - before, round * LINES);
        ck_assert_uint_eq(counter("renewals") > 0, round > 1);
        ck_assert_uint_ge(stats().blocks_built, (counter("renewals") + 1) * LINES);
    }
}
END_TEST

/* ---- Straight lines that rewrite themselves ------------------------------------------------------------ */

static const struct {
    const char *name;
    uint8_t code[40], size;
    uint32_t eax;
} lines[] = {
    /* mov byte [next+1],42; mov al,11 */
    { "the next instruction", { 0xc6, 0x05, LE32(BENCH_CODE + 8), 0x42, 0xb0, 0x11, 0xcc }, 10, 0x42 },
    /* the same with an instruction between */
    { "the next but one", { 0xc6, 0x05, LE32(BENCH_CODE + 9), 0x42, 0x90, 0xb0, 0x11, 0xcc }, 11, 0x42 },
    /* mov byte [next],90: the next one becomes NOP; NOP (mov al,99 as 90 90) */
    { "the next opcode", { 0x66, 0xc7, 0x05, LE32(BENCH_CODE + 9), 0x90, 0x90, 0xb0, 0x99, 0xcc }, 12, 0 },
    /* the INT3 at the end becomes INC EAX, another INT3 follows */
    { "the end of the block", { 0xc6, 0x05, LE32(BENCH_CODE + 7), 0x40, 0xcc, 0xcc }, 9, 1 },
    /* again: add al,1; mov byte [again+1],5; inc ecx; cmp ecx,3; jne again -- 1 + 5 + 5 */
    { "the start of its own block",
      { 0x04, 1, 0xc6, 0x05, LE32(BENCH_CODE + 1), 5, 0x41, 0x83, 0xf9, 3, 0x75, 0xf1, 0xcc },
      16,
      11 },
    /* again: mov byte [again+6],7 is itself the one changed: stores 1 first, then 7s into its own immediate
     */
    { "itself", { 0xc6, 0x05, LE32(BENCH_CODE + 6), 7, 0xa0, LE32(BENCH_CODE + 6), 0xcc }, 13, 7 },
    /* mov word [next],FEEB with next: a jump to itself is not taken as it is rewritten to 2 NOPs before */
    { "the target of the following jump",
      { 0xc7, 0x05, LE32(BENCH_CODE + 13), 0xb0, 0x33, 0xcc, 0xcc, 0xeb, 1, 0xcc, 0x90, 0x90, 0x90, 0xcc },
      17,
      0x33 },
    /* push imm32 with ESP behind the next instruction: b0 77 cc cc over b0 11 cc cc */
    { "by a push",
      { 0xbc, LE32(BENCH_CODE + 14), 0x68, 0xb0, 0x77, 0xcc, 0xcc, 0xb0, 0x11, 0xcc, 0xcc },
      14,
      0x77 },
    /* std-like distance: the write ends exactly before the next instruction and changes nothing in it */
    { "not by a write beside it",
      { 0xc7, 0x05, LE32(BENCH_CODE + 14), LE32(0x90909090), 0xb0, 0x22, 0xcc, 0x90 },
      14,
      0x22 },
};

START_TEST(line_that_rewrites)
{
    for (unsigned round = 0; round < 3; round++) { /* cold, and with what is cached from the last round */
        for (unsigned step = 0; step < 2; step++) {
            bench_write(&b, BENCH_CODE, lines[_i].code, lines[_i].size);
            bench_mode(&b, BENCH_FLAT32);
            if (step) { /* RF makes the first instruction a block of its own */
                struct d86_regs r = bench_regs(&b);
                r.eflags |= X86_RF;
                d86_vcpu_set_regs(b.cpu, &r);
            }
            BENCH_RUN(&b);
            ck_assert_msg(bench_regs(&b).eax == lines[_i].eax, "%s: EAX %#x", lines[_i].name,
                          bench_regs(&b).eax);
        }
    }
}
END_TEST

/* ---- Writes that are not the processor's --------------------------------------------------------------- */

START_TEST(caller_rewrites_a_linked_block)
{
    /* again: call f; out 10,al; jmp again */
    BENCH_BYTES(&b, BENCH_CODE, 0xe8, LE32(0xfb), 0xe6, 0x10, 0xeb, 0xf7);
    BENCH_BYTES(&b, 0x1100, 0xb0, 0, 0xc3);
    bench_mode(&b, BENCH_FLAT32);
    for (unsigned i = 0; i < 2000; i++) {
        d86_vcpu_run(b.cpu);
        ck_assert_uint_eq(b.exit->reason, D86_EXIT_IO);
        ck_assert_uint_eq(b.exit->io.data[0], (uint8_t)i);
        uint8_t next = (uint8_t)(i + 1);
        bench_write(&b, 0x1101, &next, 1);
    }
}
END_TEST

START_TEST(rep_ins_rewrites_code)
{
    /* mov edi,f; mov ecx,3; rep insb; call f; int3 -- the port gives mov al,5; ret */
    BENCH_BYTES(&b, BENCH_CODE, 0xe8, LE32(0xfb), 0xbf, LE32(0x1100), 0xb9, LE32(3), 0xf3, 0x6c, 0xe8,
                LE32(0x1100 - 0x1016), 0xcc);
    BENCH_BYTES(&b, 0x1100, 0xb0, 0, 0xc3);
    bench_mode(&b, BENCH_FLAT32);
    static const uint8_t from_port[] = { 0xb0, 5, 0xc3 };
    unsigned at = 0;
    while (d86_vcpu_run(b.cpu), b.exit->reason == D86_EXIT_IO) {
        for (unsigned i = 0; i < b.exit->io.count; i++)
            b.exit->io.data[i] = from_port[at++ % 3];
    }
    ck_assert_uint_eq(b.exit->reason, D86_EXIT_DEBUG);
    ck_assert_uint_eq(at, 3);
    ck_assert_uint_eq(bench_regs(&b).eax, 5);
}
END_TEST

/* Setting the accessed bit in a page-table entry that is also being executed changes that code. */
START_TEST(accessed_bit_in_executed_bytes)
{
    bench_mode(&b, BENCH_FLAT32);
    paging_on();
    /*
     * The entry of page 90, at 11240, maps it to C000 and is also two instruction bytes: with B0 before it,
     * it is mov al,07; ret. The A bit makes that mov al,27.
     */
    bench_write32(&b, 0x11000 + 0x90 * 4, 0x0000c307);
    BENCH_BYTES(&b, 0x1123f, 0xb0);
    /* call 1123F; mov bl,al; mov cl,[90000] (page C000: sets A); call 1123F; int3 */
    BENCH_BYTES(&b, BENCH_CODE, 0xe8, LE32(0x1123f - 0x1005), 0x88, 0xc3, 0x8a, 0x0d, LE32(0x90000), 0xe8,
                LE32(0x1123f - 0x1012), 0xcc);
    BENCH_RUN(&b);
    ck_assert_uint_eq(bench_regs(&b).ebx, 0x07);
    ck_assert_uint_eq(bench_regs(&b).eax, 0x07 | X86_PTE_A);
}
END_TEST

/* Any byte of a block, the first and the last included, and nothing beside it. */
START_TEST(every_byte_of_a_block_counts)
{
    enum { FUNCTION = 0x2100 };
    /* call f; mov byte [edi],48; xor eax,eax; call f; int3 -- f: five times inc eax, then ret */
    BENCH_BYTES(&b, BENCH_CODE, 0xe8, LE32(FUNCTION - 0x1005), 0xc6, 0x07, 0x48, 0x31, 0xc0, 0xe8,
                LE32(FUNCTION - 0x100f), 0xcc);
    for (int at = -1; at <= 6; at++) {
        BENCH_BYTES(&b, FUNCTION - 1, 0x90, 0x40, 0x40, 0x40, 0x40, 0x40, 0xc3, 0x90);
        bench_mode(&b, BENCH_FLAT32);
        struct d86_regs r = bench_regs(&b);
        r.edi = (uint32_t)(FUNCTION + at);
        d86_vcpu_set_regs(b.cpu, &r);
        if (at == 5) /* the RET becomes DEC EAX; RET */
            BENCH_BYTES(&b, FUNCTION + 6, 0xc3);
        BENCH_RUN(&b);
        ck_assert_msg(bench_regs(&b).eax == (at < 0 || at > 5 ? 5
                                             : at == 5        ? 4
                                                              : 3),
                      "byte %d: EAX %u", at, bench_regs(&b).eax);
        /* The same write by the caller. */
        BENCH_BYTES(&b, FUNCTION - 1, 0x90, 0x40, 0x40, 0x40, 0x40, 0x40, 0xc3, 0xc3);
        bench_set_eip(&b, BENCH_CODE + 8);
        BENCH_RUN(&b);
        ck_assert_uint_eq(bench_regs(&b).eax, 5);
        BENCH_BYTES(&b, FUNCTION + at, 0x48);
        bench_set_eip(&b, BENCH_CODE + 8);
        if (at != 6)
            BENCH_RUN(&b);
        ck_assert_uint_eq(bench_regs(&b).eax, at < 0 || at > 5 ? 5 : at == 5 ? 4 : 3);
    }
}
END_TEST

/* ---- Remapping ----------------------------------------------------------------------------------------- */

START_TEST(second_page_of_an_instruction_is_remapped)
{
    enum { CROSS = 0x7fffd, ROUNDS = 1000 };
    bench_mode(&b, BENCH_FLAT32);
    paging_on();
    /* mov eax,imm32; ret -- three bytes here, the rest in frame 20000 or 21000 */
    BENCH_BYTES(&b, CROSS, 0xb8, 0x11, 0x22);
    BENCH_BYTES(&b, 0x20000, 0x01, 0x00, 0xc3);
    BENCH_BYTES(&b, 0x21000, 0x02, 0x00, 0xc3);
    map_page(0x80000, 0x20000);
    /* again: call CROSS; add ebx,eax; xor dword [pte],1000; invlpg [80000]; dec ecx; jnz again; int3 */
    BENCH_BYTES(&b, BENCH_CODE, 0xe8, LE32(CROSS - (BENCH_CODE + 5)), 0x01, 0xc3, 0x81, 0x35,
                LE32(0x11000 + 0x80 * 4), LE32(0x1000), 0x0f, 0x01, 0x3d, LE32(0x80000), 0x49, 0x75, 0xe5,
                0xcc);
    bench_write32(&b, 0x11000 + 0x80 * 4, 0x20007);
    struct d86_regs r = bench_regs(&b);
    r.ecx = ROUNDS;
    d86_vcpu_set_regs(b.cpu, &r);
    BENCH_RUN(&b);
    uint32_t first = 0x00012211, second = 0x00022211;
    ck_assert_uint_eq(bench_regs(&b).ebx, ROUNDS / 2 * (first + second));
}
END_TEST

START_TEST(page_of_a_linked_loop_is_remapped)
{
    enum { ROUNDS = 200 };
    bench_mode(&b, BENCH_FLAT32);
    paging_on();
    /* At 80000 in both frames: mov eax,n; jmp +0; ret -- two blocks, linked */
    BENCH_BYTES(&b, 0x20000, 0xb8, LE32(1), 0xeb, 0, 0xc3);
    BENCH_BYTES(&b, 0x21000, 0xb8, LE32(1000), 0xeb, 0, 0xc3);
    /* again: call 80000; add ebx,eax; xor dword [pte],1000; mov eax,cr3; mov cr3,eax; dec ecx; jnz again;
     * int3 */
    BENCH_BYTES(&b, BENCH_CODE, 0xe8, LE32(0x80000 - (BENCH_CODE + 5)), 0x01, 0xc3, 0x81, 0x35,
                LE32(0x11000 + 0x80 * 4), LE32(0x1000), 0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8, 0x49, 0x75, 0xe6,
                0xcc);
    bench_write32(&b, 0x11000 + 0x80 * 4, 0x20007);
    struct d86_regs r = bench_regs(&b);
    r.ecx = ROUNDS;
    d86_vcpu_set_regs(b.cpu, &r);
    BENCH_RUN(&b);
    ck_assert_uint_eq(bench_regs(&b).ebx, ROUNDS / 2 * 1001);
}
END_TEST

START_TEST(second_page_faults_at_its_first_byte)
{
    bench_mode(&b, BENCH_FLAT32);
    paging_on();
    BENCH_BYTES(&b, 0x7fffd, 0xb8, 0x11, 0x22);
    bench_write32(&b, 0x11000 + 0x80 * 4, 0x20006);
    bench_set_eip(&b, 0x7fffd);
    BENCH_FAULT(&b, X86_VEC_PF);
    ck_assert_uint_eq(b.exception.cr2, 0x80000);
    ck_assert_uint_eq(b.exception.error_code, 0);
    ck_assert_uint_eq(bench_regs(&b).eip, 0x7fffd);
}
END_TEST

/* ---- Running out of cache ------------------------------------------------------------------------------ */

/* A whole MiB and more of distinct FP instructions: each takes a slot of native code. */
START_TEST(distinct_fp_instructions_overflow_the_native_pool)
{
    static uint8_t code[2 << 20];
    static const uint8_t others[][3] = { /* prefix (0: none), opcode; all with xmm,xmm,imm8 */
                                         { 0xf2, 0x70 },
                                         { 0xf3, 0x70 },
                                         { 0, 0xc6 },
                                         { 0x66, 0xc6 }
    };
    size_t at = 0;
    uint32_t sum = 0;
    static const uint32_t source[4] = { 3, 50, 700, 9000 };
    for (unsigned modrm = 0xc0; modrm <= 0xff; modrm++) {
        for (unsigned imm = 0; imm < 256; imm++) {
            /* movaps xmm(src),[DATA]; pshufd xmm(dst),xmm(src),imm; movd eax,xmm(dst); add ebx,eax */
            const uint8_t one[] = { 0x0f,
                                    0x28,
                                    (uint8_t)(0x05 | (modrm & 7) << 3),
                                    LE32(BENCH_DATA),
                                    0x66,
                                    0x0f,
                                    0x70,
                                    (uint8_t)modrm,
                                    (uint8_t)imm,
                                    0x66,
                                    0x0f,
                                    0x7e,
                                    (uint8_t)(0xc0 | (modrm & 0x38)),
                                    0x01,
                                    0xc3 };
            memcpy(code + at, one, sizeof(one));
            at += sizeof(one);
            sum += source[imm & 3];
            for (unsigned i = 0; i < ARRAY_SIZE(others); i++) {
                const uint8_t other[] = { others[i][0], 0x0f, others[i][1], (uint8_t)modrm, (uint8_t)imm };
                size_t skip = others[i][0] == 0;
                memcpy(code + at, other + skip, sizeof(other) - skip);
                at += sizeof(other) - skip;
            }
        }
        /* cmpps and cmppd with the eight predicates, pslld and friends */
        for (unsigned i = 0; i < 16; i++) {
            const uint8_t compare[] = { 0x66, 0x0f, 0xc2, (uint8_t)modrm, (uint8_t)(i & 7) };
            memcpy(code + at, compare + i / 8, sizeof(compare) - i / 8);
            at += sizeof(compare) - i / 8;
        }
    }
    for (unsigned op = 0; op < 3 * 256 * 64; op++) { /* psrlw, psrld, psrlq and so on by imm8, MMX and XMM */
        static const uint8_t extension[3][4] = { { 0xd0, 0xe0, 0xf0, 0xd0 },
                                                 { 0xd0, 0xe0, 0xf0, 0xe0 },
                                                 { 0xd0, 0xd8, 0xf0, 0xf8 } };
        unsigned group = op / 256 / 64;
        const uint8_t shift[] = { 0x66, 0x0f, (uint8_t)(0x71 + group),
                                  (uint8_t)(extension[group][op >> 11 & 3] | (op >> 8 & 7)), (uint8_t)op };
        memcpy(code + at, shift, sizeof(shift));
        at += sizeof(shift);
        ck_assert_uint_lt(at, sizeof(code) - 16);
    }
    code[at++] = 0xcc;
    bench_write(&b, BENCH_HIGH, code, at);
    bench_write(&b, BENCH_DATA, source, sizeof(source));
    for (unsigned round = 0; round < 2; round++) {
        bench_mode(&b, BENCH_FLAT32);
        struct d86_sregs s;
        d86_vcpu_get_sregs(b.cpu, &s);
        s.cr4 = X86_CR4_OSFXSR;
        ck_assert_int_eq(d86_vcpu_set_sregs(b.cpu, &s), 0);
        bench_set_eip(&b, BENCH_HIGH);
        BENCH_RUN(&b);
        ck_assert_uint_eq(bench_regs(&b).ebx, sum);
    }
    if (stats().cache_flushes == 0)
        ck_abort_msg("the native pool did not run full: this test needs more instructions");
}
END_TEST

/* ---- Where there is no code ---------------------------------------------------------------------------- */

START_TEST(open_bus_is_no_instruction)
{
    static const uint32_t places[] = { BENCH_DEVICE, BENCH_DEVICE + 0x1234, 0x8000000, 0xfffffff0u };
    bench_mode(&b, BENCH_FLAT32);
    for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
        bench_set_eip(&b, places[i]);
        BENCH_FAULT(&b, X86_UD);
        ck_assert_uint_eq(bench_regs(&b).eip, places[i]);
        ck_assert_uint_eq(b.logged, 0); /* the device is not read */
    }
    /* Falling off the end of RAM. */
    BENCH_BYTES(&b, BENCH_DEVICE - 2, 0x90, 0x90);
    bench_set_eip(&b, BENCH_DEVICE - 2);
    BENCH_FAULT(&b, X86_UD);
    ck_assert_uint_eq(bench_regs(&b).eip, BENCH_DEVICE);
    /* An instruction whose rest would be on the bus: mov eax,imm32 reads FFs there. */
    BENCH_BYTES(&b, BENCH_DEVICE - 3, 0xb8, 0x11, 0x22);
    bench_set_eip(&b, BENCH_DEVICE - 3);
    BENCH_FAULT(&b, X86_UD);
    ck_assert_uint_eq(bench_regs(&b).eax, 0xffff2211u);
    ck_assert_uint_eq(bench_regs(&b).eip, BENCH_DEVICE + 2);
}
END_TEST

/* ---- Segment limit ------------------------------------------------------------------------------------- */

static void set_cs(uint32_t base, uint32_t limit)
{
    struct d86_sregs s;
    d86_vcpu_get_sregs(b.cpu, &s);
    s.seg[D86_CS].base = base;
    s.seg[D86_CS].limit = limit;
    ck_assert_int_eq(d86_vcpu_set_sregs(b.cpu, &s), 0);
}

START_TEST(code_ends_at_the_limit)
{
    BENCH_BYTES(&b, BENCH_CODE, 0x40, 0x40, 0x40, 0xb8, LE32(0x12345678), 0x40, 0xcc);
    for (uint32_t limit = BENCH_CODE; limit < BENCH_CODE + 8; limit++) {
        /* Three INCs, then an instruction of five bytes: what does not fit wholly faults, at its start. */
        uint32_t eip = limit < BENCH_CODE + 3   ? limit + 1
                       : limit < BENCH_CODE + 7 ? BENCH_CODE + 3
                                                : BENCH_CODE + 8;
        bench_mode(&b, BENCH_FLAT32);
        set_cs(0, limit);
        BENCH_FAULT(&b, X86_GP);
        ck_assert_uint_eq(b.exception.error_code, 0);
        ck_assert_uint_eq(bench_regs(&b).eip, eip);
        uint32_t incs = limit - BENCH_CODE < 3 ? limit - BENCH_CODE + 1 : 3;
        ck_assert_uint_eq(bench_regs(&b).eax, limit == BENCH_CODE + 7 ? 0x12345678 : incs);
    }
}
END_TEST

/* What was run beyond the limit through another base is still outside. */
START_TEST(limit_holds_for_code_cached_under_another_base)
{
    static uint8_t incs[64];
    memset(incs, 0x40, sizeof(incs));
    bench_write(&b, 0x1ffe0, incs, sizeof(incs)); /* around linear 20000 */
    BENCH_BYTES(&b, 0x20020, 0xcc);
    for (unsigned round = 0; round < 2; round++) {
        /* All of it lies inside a segment that starts at 18000. */
        bench_mode(&b, BENCH_REAL);
        set_cs(0x18000, 0xffff);
        bench_set_eip(&b, 0x7ff0);
        BENCH_RUN(&b);
        ck_assert_uint_eq(bench_regs(&b).eax, 48);
        bench_set_eip(&b, 0x8000);
        BENCH_RUN(&b);
        /* In the one at 10000 it ends at 20000. */
        struct d86_regs r = bench_regs(&b);
        struct d86_sregs s;
        d86_vcpu_get_sregs(b.cpu, &s);
        ck_assert_uint_eq(r.eax, 48 + 32);
        /* by a far jump, so that nothing is flushed: jmp 1000:FFE8 at 18000 */
        BENCH_BYTES(&b, 0x18000, 0xea, LE16(0xffe8), LE16(0x1000));
        r.eip = 0;
        r.eax = 0;
        d86_vcpu_set_regs(b.cpu, &r);
        BENCH_FAULT(&b, X86_GP);
        ck_assert_uint_eq(bench_regs(&b).eip, 0x10000);
        ck_assert_uint_eq(bench_regs(&b).eax, 0x18);
    }
}
END_TEST

START_TEST(limit_comes_before_the_next_page)
{
    bench_mode(&b, BENCH_FLAT32);
    paging_on();
    BENCH_BYTES(&b, 0x7fffe, 0xb8, 0x11);
    bench_write32(&b, 0x11000 + 0x80 * 4, 0); /* not present */
    set_cs(0, 0x7ffff);
    bench_set_eip(&b, 0x7fffe);
    BENCH_FAULT(&b, X86_GP);
    ck_assert_uint_eq(bench_regs(&b).eip, 0x7fffe);
}
END_TEST

/* ---- Length limit -------------------------------------------------------------------------------------- */

START_TEST(fifteen_bytes_wherever_the_page_ends)
{
    enum { PAGE = 0x21000 };
    for (unsigned before = 1; before <= 16; before++) { /* bytes in the first page */
        for (unsigned length = 13; length <= 17; length++) {
            uint8_t insn[18];
            memset(insn, 0x3e, sizeof(insn)); /* DS override */
            insn[length - 1] = 0x40;
            insn[length] = 0xcc;
            bench_write(&b, PAGE - before, insn, length + 1);
            bench_mode(&b, BENCH_FLAT32);
            bench_set_eip(&b, PAGE - before);
            if (length <= 15) {
                BENCH_RUN(&b);
                ck_assert_uint_eq(bench_regs(&b).eax, 1);
                ck_assert_uint_eq(bench_regs(&b).eip, PAGE - before + length);
            } else {
                BENCH_FAULT(&b, X86_GP);
                ck_assert_uint_eq(bench_regs(&b).eip, PAGE - before);
                ck_assert_uint_eq(b.exception.error_code, 0);
            }
        }
    }
}
END_TEST

START_TEST(too_long_in_one_page_does_not_touch_the_next)
{
    uint8_t prefixes[15];
    memset(prefixes, 0x3e, sizeof(prefixes));
    bench_mode(&b, BENCH_FLAT32);
    paging_on();
    bench_write32(&b, 0x11000 + 0x80 * 4, 0);
    bench_write(&b, 0x80000 - 15, prefixes, 15);
    bench_set_eip(&b, 0x80000 - 15);
    BENCH_FAULT(&b, X86_GP);
    bench_set_eip(&b, 0x80000 - 14);
    BENCH_FAULT(&b, X86_VEC_PF);
    ck_assert_uint_eq(b.exception.cr2, 0x80000);
}
END_TEST

/* ---- Interrupts in the middle of it all ---------------------------------------------------------------- */

static volatile bool kicking;

static void *kick_often(void *arg)
{
    (void)arg;
    while (kicking) {
        d86_vcpu_kick(b.cpu);
        nanosleep(&(struct timespec){ .tv_nsec = 20000 }, NULL);
    }
    return NULL;
}

/*
 * A kick may come between a rewritten block and its successor; the interrupt taken then must not become the
 * successor. The handler counts in memory.
 */
START_TEST(interrupts_between_rewritten_blocks)
{
    enum { ROUNDS = 300000, IDT = 0x9000, GDT = 0x9800, HANDLER = 0x1200 };
    pthread_t thread;
    uint32_t taken = 0;
    /* inc dword [DATA]; iret */
    BENCH_BYTES(&b, HANDLER, 0xff, 0x05, LE32(BENCH_DATA), 0xcf);
    bench_write64(&b, IDT + 0x20 * 8, 0x00008e0000080000ull | HANDLER);
    bench_write64(&b, GDT + 8, 0x00cf9b000000ffffull);
    bench_write64(&b, GDT + 16, 0x00cf93000000ffffull);
    /* again: mov [f+1],ecx; call f; add ebx,eax; dec ecx; jnz again; int3 -- f in the same page, so it is
     * linked */
    BENCH_BYTES(&b, BENCH_CODE, 0x89, 0x0d, LE32(0x1101), 0xe8, LE32(0x1100 - 0x100b), 0x01, 0xc3, 0x49, 0x75,
                0xf0, 0xcc);
    BENCH_BYTES(&b, 0x1100, 0xb8, LE32(0), 0xc3);
    bench_mode(&b, BENCH_FLAT32);
    struct d86_sregs s;
    d86_vcpu_get_sregs(b.cpu, &s);
    s.gdt = (struct d86_table){ GDT, 23 };
    s.idt = (struct d86_table){ IDT, 0x7ff };
    ck_assert_int_eq(d86_vcpu_set_sregs(b.cpu, &s), 0);
    struct d86_regs r = bench_regs(&b);
    r.ecx = ROUNDS;
    r.eflags |= X86_IF;
    d86_vcpu_set_regs(b.cpu, &r);
    kicking = true;
    ck_assert_int_eq(pthread_create(&thread, NULL, kick_often, NULL), 0);
    while (d86_vcpu_run(b.cpu), b.exit->reason == D86_EXIT_KICKED) {
        if (d86_vcpu_interrupt(b.cpu, 0x20) == 0)
            taken++;
    }
    kicking = false;
    pthread_join(thread, NULL);
    d86_vcpu_exception(b.cpu, &b.exception);
    ck_assert_msg(b.exit->reason == D86_EXIT_DEBUG && b.exit->debug.cause == D86_DEBUG_INT3,
                  "exit %u, exception %u, EIP %#x", b.exit->reason, b.exception.vector, bench_regs(&b).eip);
    ck_assert_uint_eq(bench_regs(&b).ebx, (uint32_t)((uint64_t)ROUNDS * (ROUNDS + 1) / 2));
    ck_assert_uint_ge(taken, 1);
    ck_assert_uint_eq(bench_read32(&b, BENCH_DATA), taken);
}
END_TEST

START_TEST(instructions_are_counted_once)
{
    /* Two instructions at the end of a page, the second of which rewrites the first; then the next page. */
    BENCH_BYTES(&b, 0x2ff8, 0x40, 0xc6, 0x05, LE32(0x2ff8), 0x43);
    BENCH_BYTES(&b, 0x3000, 0xcc);
    bench_mode(&b, BENCH_FLAT32);
    bench_set_eip(&b, 0x2ff8);
    uint64_t before = stats().instructions;
    BENCH_RUN(&b);
    ck_assert_uint_eq(bench_regs(&b).eip, 0x3000);
    ck_assert_uint_eq(stats().instructions - before, 2);
    bench_set_eip(&b, 0x2ff8);
    BENCH_RUN(&b);
    ck_assert_uint_eq(stats().instructions - before, 4);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("block");
    TCase *tc = tcase_create("block");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 50);
    tcase_add_loop_test(tc, rewritten_function_runs_as_written, 0, ARRAY_SIZE(writers) * ROUTES);
    tcase_add_test(tc, rewriting_overflows_the_cache);
    tcase_add_test(tc, cache_is_renewed_when_it_is_quiet);
    tcase_add_loop_test(tc, line_that_rewrites, 0, ARRAY_SIZE(lines));
    tcase_add_test(tc, caller_rewrites_a_linked_block);
    tcase_add_test(tc, rep_ins_rewrites_code);
    tcase_add_test(tc, accessed_bit_in_executed_bytes);
    tcase_add_test(tc, every_byte_of_a_block_counts);
    tcase_add_test(tc, second_page_of_an_instruction_is_remapped);
    tcase_add_test(tc, page_of_a_linked_loop_is_remapped);
    tcase_add_test(tc, second_page_faults_at_its_first_byte);
    tcase_add_test(tc, distinct_fp_instructions_overflow_the_native_pool);
    tcase_add_test(tc, open_bus_is_no_instruction);
    tcase_add_test(tc, code_ends_at_the_limit);
    tcase_add_test(tc, limit_holds_for_code_cached_under_another_base);
    tcase_add_test(tc, limit_comes_before_the_next_page);
    tcase_add_test(tc, fifteen_bytes_wherever_the_page_ends);
    tcase_add_test(tc, too_long_in_one_page_does_not_touch_the_next);
    tcase_add_test(tc, interrupts_between_rewritten_blocks);
    tcase_add_test(tc, instructions_are_counted_once);
    suite_add_tcase(suite, tc);
    return bench_main(suite);
}
