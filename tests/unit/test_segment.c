/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a segment allows, derived from its base, limit and attributes: SDM 3A, "Limit Checking" and "Type
 * Checking". Loads and their faults are in tests/guest/segments.asm.
 */
#include <check.h>
#include <stdlib.h>

#include "segment.h"

#define ARRAY_SIZE(a) ((int)(sizeof(a) / sizeof((a)[0])))

enum { READ = 1, WRITE = 2 };

struct derive_row {
    const char *name;
    uint32_t limit;
    uint16_t attr;
    uint8_t rights;
    uint32_t offset, size;
    bool inside;
};

#define DATA (X86_SEG_P | X86_SEG_S)
#define CODE (DATA | X86_SEG_CODE)

static const struct derive_row derive_rows[] = {
    { "the last byte", 0xff, DATA | X86_SEG_W, READ | WRITE, 0xff, 1, true },
    { "one beyond", 0xff, DATA | X86_SEG_W, READ | WRITE, 0x100, 1, false },
    { "reaching beyond", 0xff, DATA | X86_SEG_W, READ | WRITE, 0xfd, 4, false },
    { "up to the limit", 0xff, DATA | X86_SEG_W, READ | WRITE, 0xfc, 4, true },
    { "wrapping round", 0xff, DATA | X86_SEG_W, READ | WRITE, 0xffffffff, 2, false },
    { "4 GiB", 0xffffffff, DATA | X86_SEG_W, READ | WRITE, 0xfffffffc, 4, true },
    { "4 GiB, wrapping", 0xffffffff, DATA | X86_SEG_W, READ | WRITE, 0xfffffffd, 4, false },
    { "read-only", 0xff, DATA, READ, 0, 1, true },
    { "execute-only", 0xff, CODE, 0, 0, 1, true },
    { "readable code", 0xff, CODE | X86_SEG_R, READ, 0, 1, true },
    { "conforming is not expand-down", 0xff, CODE | X86_SEG_C | X86_SEG_R, READ, 0, 1, true },
    { "expand-down: at the limit", 0xff, DATA | X86_SEG_E | X86_SEG_W, READ | WRITE, 0xff, 1, false },
    { "expand-down: above it", 0xff, DATA | X86_SEG_E | X86_SEG_W, READ | WRITE, 0x100, 1, true },
    { "expand-down: below, reaching above", 0xff, DATA | X86_SEG_E, READ, 0xfe, 4, false },
    { "expand-down, 16-bit: the top", 0xff, DATA | X86_SEG_E, READ, 0xffff, 1, true },
    { "expand-down, 16-bit: over the top", 0xff, DATA | X86_SEG_E, READ, 0xffff, 2, false },
    { "expand-down, 16-bit: beyond", 0xff, DATA | X86_SEG_E, READ, 0x10000, 1, false },
    { "expand-down, 32-bit: the top", 0xff, DATA | X86_SEG_E | X86_SEG_DB, READ, 0xffffffff, 1, true },
    { "expand-down, limit 4 GiB: empty", 0xffffffff, DATA | X86_SEG_E | X86_SEG_DB, READ, 0, 1, false },
    { "expand-down, 16-bit, limit 64 KiB: empty", 0xffff, DATA | X86_SEG_E, READ, 0xffff, 1, false },
};

static struct vcpu cpu;

START_TEST(derived_row_holds)
{
    const struct derive_row *row = &derive_rows[_i];
    struct segment s = { .limit = row->limit, .attr = row->attr };

    cpu.cr0 = X86_CR0_PE;
    seg_derive(&cpu, &s);
    ck_assert_msg(s.readable == !!(row->rights & READ), "%s: read", row->name);
    ck_assert_msg(s.writable == !!(row->rights & WRITE), "%s: write", row->name);
    ck_assert_msg(seg_contains(&s, row->offset, row->size) == row->inside, "%s: limit", row->name);
}
END_TEST

START_TEST(a_null_segment_allows_nothing)
{
    struct segment s;

    seg_make_null(&s, 3);
    seg_derive(&cpu, &s);
    ck_assert(!s.readable && !s.writable && s.unusable);
    ck_assert_uint_eq(s.selector, 3);
}
END_TEST

START_TEST(real_mode_writes_through_a_code_typed_cs)
{
    struct segment *cs = &cpu.seg[X86_CS];

    *cs = (struct segment){ .limit = 0xffff, .attr = CODE };
    cpu.cr0 = 0;
    seg_derive(&cpu, cs);
    ck_assert(cs->readable && cs->writable);
    cpu.cr0 = X86_CR0_PE;
    seg_derive(&cpu, cs);
    ck_assert(!cs->readable && !cs->writable);
}
END_TEST

START_TEST(a_real_mode_load_changes_the_base_only)
{
    struct segment *ds = &cpu.seg[X86_DS];

    cpu.cr0 = 0;
    cpu.eflags = X86_FLAGS_ONE;
    *ds = (struct segment){ .limit = UINT32_MAX, .attr = DATA | X86_SEG_W | X86_SEG_G | X86_SEG_DB };
    seg_load_real(&cpu, X86_DS, 0x1234);
    ck_assert_uint_eq(ds->base, 0x12340);
    ck_assert_uint_eq(ds->limit, UINT32_MAX);
    ck_assert_uint_eq(ds->attr & X86_SEG_G, X86_SEG_G);
    /* ... but one that was null becomes an ordinary one */
    seg_make_null(ds, 0);
    seg_load_real(&cpu, X86_DS, 0x1234);
    ck_assert(ds->writable);
    ck_assert_uint_eq(ds->limit, 0xffff);
}
END_TEST

START_TEST(descriptor_fields_are_put_together)
{
    const struct descriptor d = { .low = 0x5678ffff, .high = 0x12cf9b34 };

    ck_assert_uint_eq(desc_base(&d), 0x12345678);
    ck_assert_uint_eq(desc_limit(&d), UINT32_MAX);
    ck_assert_uint_eq(desc_attr(&d), X86_SEG_G | X86_SEG_DB | CODE | X86_SEG_R | X86_SEG_A);
    ck_assert_uint_eq(desc_dpl(&d), 0);
    ck_assert(desc_present(&d) && desc_is_code(&d) && !desc_is_conforming(&d) && desc_is_readable(&d));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("segment");
    TCase *tc = tcase_create("segment");

    tcase_add_loop_test(tc, derived_row_holds, 0, ARRAY_SIZE(derive_rows));
    tcase_add_test(tc, a_null_segment_allows_nothing);
    tcase_add_test(tc, real_mode_writes_through_a_code_typed_cs);
    tcase_add_test(tc, a_real_mode_load_changes_the_base_only);
    tcase_add_test(tc, descriptor_fields_are_put_together);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
