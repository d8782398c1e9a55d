/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Memory that is given back to the host, by every engine and split: data that the guest has used reads as
 * zeros and can be used again, code that it has run is zeros as well, whatever was made of it; and the host
 * has its pages.
 */
#include "sbe_guest.h"

#include <check.h>
#include <sys/mman.h>

enum {
    FUNCTION_PAGE = 0x50000,
    FUNCTION = FUNCTION_PAGE + 0xfe0, /* returns 1; with zeros there the next page does, 77h */
    SCRATCH = 0x60000,
    MARK = 0x10, /* port */
    ROUNDS = 100,
    WARM = 60,
    LATER = 2, /* rounds between two times */
};

#define LE32(x) (uint8_t)(x), (uint8_t)((x) >> 8), (uint8_t)((x) >> 16), (uint8_t)((x) >> 24)

/* clang-format off */
static const uint8_t guest_code[] = {
    0xb9, LE32(100),                            /* L0: mov ecx, 100 */
    0xb8, LE32(SCRATCH),                        /* L1: mov eax, SCRATCH */
    0xe8, LE32(FUNCTION - SBE_GUEST_CODE - 15), /* call FUNCTION */
    0x49, 0x75, 0xf3,                           /* dec ecx; jnz L1 */
    0x8a, 0x63, 0x10,                           /* mov ah, [ebx+10h] */
    0xc6, 0x43, 0x10, 0x5a,                     /* mov byte [ebx+10h], 5ah */
    0x66, 0xe7, MARK,                           /* out MARK, ax */
    0xeb, 0xe2,                                 /* jmp L0 */
};
/* clang-format on */

static const uint8_t returns_1[] = { 0xb0, 0x01, 0xc3 }, returns_77[] = { 0xb0, 0x77, 0xc3 };

static const struct way {
    const char *name;
    struct d86_vcpu_config config;
    bool kernel;
} ways[] = {
    { "interp", { .engine = D86_ENGINE_INTERP }, false },
    { "interp, in the caller", { .engine = D86_ENGINE_INTERP, .in_caller = true }, false },
    { "interp, a kernel", { .engine = D86_ENGINE_INTERP }, true },
    { "sbe", { .engine = D86_ENGINE_SBE, .translate = D86_TRANSLATE_OFF, .eager = true }, false },
    { "sbe, by segments", { .engine = D86_ENGINE_SBE, .split = D86_SPLIT_SEGMENT, .eager = true }, false },
    { "sbe, by keys", { .engine = D86_ENGINE_SBE, .split = D86_SPLIT_PKU, .eager = true }, false },
    { "sbe, no split", { .engine = D86_ENGINE_SBE, .split = D86_SPLIT_NONE, .eager = true }, false },
    { "sbe, one space", { .engine = D86_ENGINE_SBE, .spaces = 1, .eager = true }, false },
    { "sbe, a translated kernel", { .engine = D86_ENGINE_SBE }, true },
    { "sbe, translated programs", { .engine = D86_ENGINE_SBE, .translate = D86_TRANSLATE_ONLY }, false },
    { "lockstep", { .engine = D86_ENGINE_LOCKSTEP, .eager = true }, false },
    { "lockstep, a translated kernel", { .engine = D86_ENGINE_LOCKSTEP }, true },
};

/* One round; what the function returned and what was in memory. */
static void play(struct sbe_guest *g, const char *name, uint8_t *returned, uint8_t *data)
{
    ck_assert_int_eq(d86_vcpu_run(g->cpu), 0);
    ck_assert_msg(g->exit->reason == D86_EXIT_IO && g->exit->io.port == MARK, "%s: exit %u: %s", name,
                  g->exit->reason, g->exit->error.text);
    *returned = g->exit->io.data[0];
    *data = g->exit->io.data[1];
}

static void expect(struct sbe_guest *g, const struct way *way, unsigned round, uint8_t returns, uint8_t holds)
{
    uint8_t returned, data;

    play(g, way->name, &returned, &data);
    ck_assert_msg(returned == returns && data == holds, "%s, round %u: %02x and %02x, not %02x and %02x",
                  way->name, round, returned, data, returns, holds);
}

START_TEST(what_was_given_back_is_zeros)
{
    const struct way *way = &ways[_i];
    struct sbe_guest g;
    uint8_t byte;

    if (!sbe_guest_open(&g, &way->config, guest_code, sizeof(guest_code)))
        return;
    if (way->kernel)
        sbe_guest_be_kernel(&g);
    for (unsigned round = 0; round < ROUNDS; round++) {
        bool code = round >= WARM && round % LATER == 0, both = round >= WARM;

        if (code || !round) {
            ck_assert_int_eq(d86_vm_write(g.vm, FUNCTION, returns_1, sizeof(returns_1)), 0);
            ck_assert_int_eq(d86_vm_write(g.vm, FUNCTION_PAGE + 0x1000, returns_77, sizeof(returns_77)), 0);
            expect(&g, way, round, 0x01, round ? 0x5a : 0);
        }
        if (code)
            ck_assert_int_eq(d86_vm_discard(g.vm, FUNCTION_PAGE, 0x1000), 0);
        if (both)
            ck_assert_int_eq(d86_vm_discard(g.vm, SBE_GUEST_DATA, 0x1000), 0);
        ck_assert_int_eq(d86_vm_read(g.vm, SBE_GUEST_DATA + 0x10, &byte, 1), 0);
        ck_assert_uint_eq(byte, both ? 0 : 0x5a);
        expect(&g, way, round, both ? 0x77 : 0x01, byte);
        ck_assert_int_eq(d86_vm_read(g.vm, SBE_GUEST_DATA + 0x10, &byte, 1), 0);
        ck_assert_uint_eq(byte, 0x5a);
    }
    sbe_guest_close(&g);
}
END_TEST

/* KiB of this process that are the guest's memory. */
static long resident(void)
{
    FILE *file = fopen("/proc/self/smaps", "r");
    char line[512];
    bool ours = false;
    long total = 0, kib;

    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof(line), file)) {
        if (strchr(line, '-') && strstr(line, " rw"))
            ours = strstr(line, "duplex86-ram") != NULL;
        if (ours && sscanf(line, "Rss: %ld kB", &kib) == 1)
            total += kib;
    }
    fclose(file);
    return total;
}

START_TEST(the_host_has_it_back)
{
    enum { PIECE = 1 << 20, MIB = 48 };
    static uint8_t piece[PIECE];
    struct d86_vm *vm;
    long before, full;

    memset(piece, 0xa5, PIECE);
    ck_assert_int_eq(d86_vm_create(&vm), 0);
    ck_assert_int_eq(d86_vm_add_ram(vm, 0, 64 << 20), 0);
    before = resident();
    for (unsigned i = 0; i < MIB; i++)
        ck_assert_int_eq(d86_vm_write(vm, i * (uint64_t)PIECE, piece, PIECE), 0);
    full = resident();
    ck_assert_int_ge(full, before + MIB * 1024);
    ck_assert_int_eq(d86_vm_discard(vm, 0x3000, (40 << 20) - 0x3000), 0);
    ck_assert_int_le(resident(), full - 39 * 1024);
    ck_assert_int_eq(d86_vm_read(vm, 0, piece, PIECE), 0);
    for (unsigned i = 0; i < PIECE; i++)
        ck_assert_uint_eq(piece[i], i < 0x3000 ? 0xa5 : 0);
    ck_assert_int_eq(d86_vm_read(vm, 40 << 20, piece, PIECE), 0);
    for (unsigned i = 0; i < PIECE; i++)
        ck_assert_uint_eq(piece[i], 0xa5);
    d86_vm_destroy(vm);
}
END_TEST

static const struct {
    const char *name;
    uint64_t pa, size;
    int result;
} calls[] = {
    { "RAM", 0x1000, 0x2000, 0 },
    { "nothing", 0x1000, 0, 0 },
    { "half a page", 0x1000, 0x800, -EINVAL },
    { "from the middle of a page", 0x1800, 0x1000, -EINVAL },
    { "over two regions", 0x7f000, 0x2000, 0 },
    { "a ROM", 0x100000, 0x1000, -EFAULT },
    { "RAM and a ROM behind it", 0xff000, 0x2000, -EFAULT },
    { "a hole", 0x200000, 0x1000, -EFAULT },
    { "more than there is", 0, UINT64_MAX & ~0xfffull, -EINVAL },
    { "round the end", UINT64_MAX & ~0xfffull, 0x2000, -EFAULT },
};

START_TEST(only_ram_is_given_back)
{
    static uint8_t rom[0x1000];
    struct d86_vm *vm;
    uint8_t byte = 7;

    memset(rom, 9, sizeof(rom));
    ck_assert_int_eq(d86_vm_create(&vm), 0);
    ck_assert_int_eq(d86_vm_add_ram(vm, 0, 0x80000), 0);
    ck_assert_int_eq(d86_vm_add_ram(vm, 0x80000, 0x80000), 0);
    ck_assert_int_eq(d86_vm_add_rom(vm, 0x100000, rom, sizeof(rom)), 0);
    ck_assert_int_eq(d86_vm_write(vm, 0xff000, &byte, 1), 0);
    ck_assert_msg(d86_vm_discard(vm, calls[_i].pa, calls[_i].size) == calls[_i].result, "%s: %s",
                  calls[_i].name, d86_last_error());
    ck_assert_int_eq(d86_vm_read(vm, 0xff000, &byte, 1), 0);
    ck_assert_uint_eq(byte, 7);
    ck_assert_int_eq(d86_vm_read(vm, 0x100000, &byte, 1), 0);
    ck_assert_uint_eq(byte, 9);
    d86_vm_destroy(vm);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("discard");
    TCase *t = tcase_create("discard");
    SRunner *runner;
    int failed;

    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, what_was_given_back_is_zeros, 0, sizeof(ways) / sizeof(ways[0]));
    tcase_add_test(t, the_host_has_it_back);
    tcase_add_loop_test(t, only_ram_is_given_back, 0, sizeof(calls) / sizeof(calls[0]));
    suite_add_tcase(suite, t);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
