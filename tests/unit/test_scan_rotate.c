/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ROL in the place of a ROR that hides a far return: where it may stand, who owes flags behind it and what is
 * owed, and that it goes when somebody comes between it and the instruction that writes the flags.
 */
#include "translator/scan.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

enum {
    ADDRESS = 0x08048000,
    SITES = 64,
    EDX = 2,
    X = 0xcc,
    CF = 1 << 0,
    OF = 1 << 11,
};

static uint8_t original[SCAN_PAGE_SIZE], private_page[SCAN_PAGE_SIZE];
static struct scan_site sites[SITES];
static struct scan_page page;

static void require_sound(const char *name)
{
    struct scan_fault fault = scan_check(&page);

    ck_assert_msg(!fault.what, "%s: offset 0x%x: %s", name, fault.offset, fault.what);
}

static void open_page(const uint8_t *code, size_t size)
{
    memset(original, 0xc3, sizeof(original));
    memcpy(original, code, size);
    page = (struct scan_page){
        .original = original,
        .private_page = private_page,
        .sites = sites,
        .site_capacity = SITES,
        .address = ADDRESS,
        .mode = { SCAN_CODE32 | SCAN_CR4_OSFXSR | SCAN_GUARD_ESCAPE << SCAN_GUARD_SHIFT, ~0u },
    };
    scan_init(&page);
    scan_from(&page, 0);
    require_sound("scanned");
}

/* Each begins with `ror edx, 6`, whose last two bytes begin a RETF. */
static const struct {
    const char *name;
    uint8_t code[16];
    bool turned;
    uint8_t owes[4]; /* offsets; 0 ends them */
} rows[] = {
    { "add", { 0xc1, 0xca, 6, 0x01, 0xc8 }, true, { 3 } },
    { "mov, lea, xor", { 0xc1, 0xca, 6, 0x89, 0xc8, 0x8d, 0x4a, 1, 0x31, 0xd1 }, true, { 3, 5, 8 } },
    { "shift by a number", { 0xc1, 0xca, 6, 0xc1, 0xe0, 3 }, true, { 3 } },
    { "shift by zero", { 0xc1, 0xca, 6, 0xc1, 0xe0, 0 }, false, { 0 } },
    { "adc", { 0xc1, 0xca, 6, 0x11, 0xc8 }, false, { 0 } },
    { "inc keeps CF", { 0xc1, 0xca, 6, 0x40 }, false, { 0 } },
    { "the register changes first", { 0xc1, 0xca, 6, 0x89, 0xc2, 0x01, 0xc8 }, false, { 0 } },
    { "its low byte does", { 0xc1, 0xca, 6, 0x88, 0xc2, 0x01, 0xc8 }, false, { 0 } },
    { "a return", { 0xc1, 0xca, 6, 0xc3 }, false, { 0 } },
    { "a branch in between", { 0xc1, 0xca, 6, 0x74, 0, 0x01, 0xc8 }, false, { 0 } },
};

START_TEST(stands_where_nobody_reads_the_flags)
{
    static const uint8_t rol[3] = { 0xc1, 0xc2, 26 }, trap[3] = { X, X, X };
    struct scan_owed owed;
    unsigned debts = 0;

    open_page(rows[_i].code, sizeof(rows[_i].code));
    ck_assert_msg(!memcmp(private_page, rows[_i].turned ? rol : trap, 3), "%s", rows[_i].name);
    for (unsigned offset = 0; offset < 16; offset++) {
        bool owes = scan_flags_owed(&page, offset, &owed), should = memchr(rows[_i].owes, (int)offset, 4);

        ck_assert_msg(owes == (should && offset), "%s: offset %u", rows[_i].name, offset);
        if (owes)
            ck_assert(owed.offset == 0 && owed.reg == EDX && owed.count == 6);
        debts += owes;
    }
    ck_assert(!rows[_i].turned == !debts);
}
END_TEST

/* Ways for somebody to come to the `add` of `ror edx, 6; mov ecx, eax; add eax, ecx`. */
START_TEST(goes_when_somebody_comes_between)
{
    static const uint8_t code[] = { 0xc1, 0xca, 6, 0x89, 0xc1, 0x01, 0xc8, 0xc3, /* 08: */ 0xeb, 0xfb };
    static const struct {
        const char *name;
        unsigned entry;
    } ways[] = { { "an entry there", 5 }, { "one before it", 3 }, { "a branch", 8 } };

    open_page(code, sizeof(code));
    ck_assert_uint_eq(private_page[1], 0xc2);
    scan_from(&page, ways[_i].entry);
    require_sound(ways[_i].name);
    ck_assert_msg(private_page[0] == X && scan_site_at(&page, 0)->form == SCAN_FORM_INT3, "%s",
                  ways[_i].name);
}
END_TEST

/* `jns` leads into the middle of `movzx eax, al`, to `mov dh, 0C0h`, and that to the `add` behind both. */
START_TEST(goes_when_lines_meet_behind_it)
{
    static const uint8_t code[] = { 0x79, 5, 0x98, /* 3: */ 0xc1, 0xcf, 0x2f, 0x0f, 0xb6, 0xc0,
                                    0x05, 9, 8,    /* 0c: */ 7,   6,    0xc3 };
    struct scan_owed owed;

    open_page(code, sizeof(code));
    ck_assert(scan_is_start(&page, 7) && scan_is_start(&page, 9));
    ck_assert_uint_eq(private_page[3], X);
    ck_assert(!scan_flags_owed(&page, 9, &owed));
}
END_TEST

START_TEST(stays_when_somebody_comes_elsewhere)
{
    static const uint8_t code[] = { 0xc1, 0xca, 6, 0x89, 0xc1, 0x01, 0xc8, 0xc3, /* 08: */ 0xeb, 0xf6 };

    open_page(code, sizeof(code));
    scan_from(&page, 8); /* branches to the rotation itself */
    scan_from(&page, 7);
    require_sound("elsewhere");
    ck_assert_uint_eq(private_page[1], 0xc2);
}
END_TEST

/* SDM 2B, "RCL/RCR/ROL/ROR": of a rotation to the right CF is the result's top bit, OF that and the next. */
START_TEST(what_is_owed_is_the_rors)
{
    static const uint32_t results[] = { 0, 0x80000000, 0x40000000, 0xc0000000, 1, UINT32_MAX, 0x12345678 };

    for (unsigned i = 0; i < ARRAY_SIZE(results); i++) {
        for (unsigned count = 1; count < 32; count++) {
            const struct scan_owed owed = { .reg = EDX, .count = (uint8_t)count };
            uint32_t regs[8] = { 0 }, top = results[i] >> 31, next = results[i] >> 30 & 1;

            regs[EDX] = results[i];
            for (unsigned noise = 0; noise < 2; noise++) {
                uint32_t flags = scan_flags_paid(&owed, regs, noise ? 0xfff : 0x202);

                ck_assert_uint_eq(flags & ~(uint32_t)(CF | OF),
                                  (noise ? 0xfffu : 0x202u) & ~(uint32_t)(CF | OF));
                ck_assert_uint_eq(flags & CF, top);
                if (count == 1) /* undefined for others */
                    ck_assert_uint_eq(!!(flags & OF), top ^ next);
            }
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scan_rotate");
    TCase *tc = tcase_create("rotate");
    SRunner *runner;
    int failed;

    tcase_add_loop_test(tc, stands_where_nobody_reads_the_flags, 0, (int)ARRAY_SIZE(rows));
    tcase_add_loop_test(tc, goes_when_somebody_comes_between, 0, 3);
    tcase_add_test(tc, goes_when_lines_meet_behind_it);
    tcase_add_test(tc, stays_when_somebody_comes_elsewhere);
    tcase_add_test(tc, what_is_owed_is_the_rors);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
