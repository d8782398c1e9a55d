/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A20 that goes on and off all the time, by every engine: data and code above 1 MiB are those of that moment,
 * and translated code below stays.
 */
#include "sbe_guest.h"

#include <check.h>

enum {
    FUNCTION = 0x50000, /* returns 77h; 1 MiB above it is one that returns 1 */
    DATA = 0x60010,     /* likewise */
    HIGH = 0x100000,
    MARK = 0x10, /* port */
    ROUNDS = 60,
    WARM = 10,
};

#define LE32(x) (uint8_t)(x), (uint8_t)((x) >> 8), (uint8_t)((x) >> 16), (uint8_t)((x) >> 24)

/* clang-format off */
static const uint8_t guest_code[] = {
    0xe8, LE32(HIGH + FUNCTION - SBE_GUEST_CODE - 5), /* L0: call HIGH + FUNCTION */
    0x8a, 0x25, LE32(HIGH + DATA),                    /* mov ah, [HIGH + DATA] */
    0x66, 0xe7, MARK,                                 /* out MARK, ax */
    0xeb, 0xf0,                                       /* jmp L0 */
};
/* clang-format on */

static const uint8_t returns_1[] = { 0xb0, 0x01, 0xc3 }, returns_77[] = { 0xb0, 0x77, 0xc3 };

static const struct way {
    const char *name;
    struct d86_vcpu_config config;
    bool kernel, translated;
} ways[] = {
    { "interp", { .engine = D86_ENGINE_INTERP }, false, false },
    { "interp, a kernel", { .engine = D86_ENGINE_INTERP }, true, false },
    { "sbe", { .engine = D86_ENGINE_SBE, .eager = true }, false, false },
    { "sbe, one space", { .engine = D86_ENGINE_SBE, .spaces = 1, .eager = true }, false, false },
    { "sbe, a translated kernel", { .engine = D86_ENGINE_SBE }, true, true },
    { "sbe, a translated kernel, audited", { .engine = D86_ENGINE_SBE, .audit = 1 }, true, true },
    { "sbe, translated programs",
      { .engine = D86_ENGINE_SBE, .translate = D86_TRANSLATE_ONLY },
      false,
      true },
    { "lockstep, a translated kernel", { .engine = D86_ENGINE_LOCKSTEP }, true, false },
};

static bool open_guest(struct sbe_guest *g, const struct way *way)
{
    static const uint8_t low = 0xa5, high = 0x5a;

    if (!sbe_guest_open(g, &way->config, guest_code, sizeof(guest_code)))
        return false;
    ck_assert_int_eq(d86_vm_add_ram(g->vm, HIGH, HIGH), 0);
    ck_assert_int_eq(d86_vm_write(g->vm, FUNCTION, returns_77, sizeof(returns_77)), 0);
    ck_assert_int_eq(d86_vm_write(g->vm, HIGH + FUNCTION, returns_1, sizeof(returns_1)), 0);
    ck_assert_int_eq(d86_vm_write(g->vm, DATA, &low, 1), 0);
    ck_assert_int_eq(d86_vm_write(g->vm, HIGH + DATA, &high, 1), 0);
    if (way->kernel)
        sbe_guest_be_kernel(g);
    return true;
}

START_TEST(what_is_above_1_mib_moves_and_what_is_below_stays)
{
    const struct way *way = &ways[_i];
    struct sbe_guest g;
    uint64_t made = 0;

    if (!open_guest(&g, way))
        return;
    for (unsigned round = 0; round < ROUNDS; round++) {
        bool on = round & 1;
        d86_vcpu_set_a20(g.cpu, on);
        if (round == WARM)
            made = sbe_guest_counter(&g, "translated_stretches");
        ck_assert_int_eq(d86_vcpu_run(g.cpu), 0);
        ck_assert_msg(g.exit->reason == D86_EXIT_IO && g.exit->io.port == MARK, "%s: exit %u: %s", way->name,
                      g.exit->reason, g.exit->error.text);
        ck_assert_msg(g.exit->io.data[0] == (on ? 0x01 : 0x77), "%s, round %u: code %02x", way->name, round,
                      g.exit->io.data[0]);
        ck_assert_msg(g.exit->io.data[1] == (on ? 0x5a : 0xa5), "%s, round %u: data %02x", way->name, round,
                      g.exit->io.data[1]);
    }
    if (way->translated) { /* the function each time, and nothing else */
        made = sbe_guest_counter(&g, "translated_stretches") - made;
        ck_assert_msg(made == ROUNDS - WARM, "%s: %u stretches", way->name, (unsigned)made);
    }
    sbe_guest_close(&g);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("a20");
    TCase *tc = tcase_create("a20");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, what_is_above_1_mib_moves_and_what_is_below_stays, 0,
                        sizeof(ways) / sizeof(ways[0]));
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
