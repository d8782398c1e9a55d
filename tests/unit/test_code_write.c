/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Writes to code: which private pages they drop, and the frames that are written so often that the
 * interpreter gets them.
 */
#include "code_rig.h"

/* ---- Writes ------------------------------------------------------------------------------------------ */

/* A 15-byte instruction at 0x100 (prefixes, then inc eax), ret, nothing known from 0x110 on. */
static const struct {
    unsigned offset, size;
    bool drops;
} write_rows[] = {
    { 0x100, 1, true },  { 0x0fc, 4, false }, { 0x0fd, 4, true },    { 0x10e, 1, true },
    { 0x10f, 1, true },  { 0x110, 1, false }, { 0x000, 256, false }, { 0x000, 4096, true },
    { 0x110, 8, false }, { 0xfff, 1, false }, { 0x107, 2, true },    { 0x000, 1, false },
};

START_TEST(a_write_drops_the_pages_that_showed_its_bytes)
{
    static uint8_t zeros[4096];
    unsigned offset = write_rows[_i].offset, size = write_rows[_i].size;
    rig_map(RIG_LA, RIG_CODE, RIG_USER);
    rig_map(RIG_LA + 0x20000, RIG_CODE, RIG_USER);
    RIG_CODE_AT(RIG_CODE, 0x100, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e,
                0x3e, 0x40, 0xc3);
    rig_prepare(RIG_LA + 0x100);
    rig_prepare(RIG_LA + 0x20100);
    rig_write(RIG_CODE, offset, zeros, size);
    rig_check("write");
    ck_assert_int_eq(rig_is_mapped(RIG_LA), !write_rows[_i].drops);
    ck_assert_int_eq(rig_is_mapped(RIG_LA + 0x20000), !write_rows[_i].drops);
    ck_assert_uint_eq(rig.v->counts.code_drops, write_rows[_i].drops ? 2 : 0);
    ck_assert_uint_eq(rig.v->counts.code_writes, 1);
    ck_assert_int_eq(rig.v->code_frame[RIG_CODE].private_head != 0, !write_rows[_i].drops);
}
END_TEST

START_TEST(code_written_over_is_scanned_anew)
{
    rig_load_program(RIG_LA, RIG_CODE);
    rig_prepare(RIG_LA);
    RIG_WRITE(RIG_CODE, 0, 0x41);
    ck_assert_int_eq(rig_prepare(RIG_LA), CODE_READY);
    ck_assert_uint_eq(rig_fetch(RIG_LA), 0x41);
    ck_assert_uint_eq(rig.protected_times[RIG_CODE], 2);
}
END_TEST

/* The page table lies in the frame of the code, beside it: setting A bits there is a write that drops
 * nothing. */
START_TEST(a_page_table_may_lie_in_a_code_frame)
{
    rig_load_program(RIG_LA, RIG_TABLE);
    *rig_pte(RIG_LA) = RIG_TABLE << 12 | RIG_USER;
    rig_map(RIG_LA + 0x1000, RIG_CODE, RIG_USER);
    RIG_CODE_AT(RIG_CODE, 0, RIG_PROGRAM);
    ck_assert_int_eq(rig_prepare(RIG_LA), CODE_READY);
    ck_assert_int_eq(rig_prepare(RIG_LA + 0x1000), CODE_READY);
    ck_assert_uint_eq(rig.v->counts.code_writes, 1);
    ck_assert_uint_eq(rig.v->counts.code_drops, 0);
}
END_TEST

/* And in its very bytes: the page is dropped in the middle of the walk for another. */
START_TEST(a_walk_may_drop_code)
{
    unsigned entry = (RIG_LA + 0x1000) >> 10 & 0xffc;
    rig_map(RIG_LA, RIG_TABLE, RIG_USER);
    rig_map(RIG_LA + 0x1000, RIG_CODE, RIG_USER);
    RIG_CODE_AT(RIG_CODE, 0, RIG_PROGRAM);
    code_prepare(rig.v, RIG_LA + entry);
    ck_assert(rig_is_mapped(RIG_LA));
    ck_assert_int_eq(rig_prepare(RIG_LA + 0x1000), CODE_READY);
    ck_assert(!rig_is_mapped(RIG_LA));
    ck_assert_uint_eq(rig.v->counts.code_drops, 1);
}
END_TEST

START_TEST(a_few_native_writes_are_emulated_then_the_frame_yields)
{
    struct vcpu *v = rig.v;
    rig_load_program(RIG_LA, RIG_CODE);
    for (unsigned round = 1; round <= 2; round++) {
        rig_prepare(RIG_LA);
        for (unsigned i = 0; i < 4; i++)
            ck_assert(!code_yield_frame(v, RIG_CODE));
        ck_assert(rig_is_mapped(RIG_LA));
        ck_assert(code_yield_frame(v, RIG_CODE));
        rig_check("yield");
        ck_assert(!rig_is_mapped(RIG_LA));
        ck_assert(!frame_has_code(v, RIG_CODE));
        ck_assert_uint_eq(rig.blocks_dropped[RIG_CODE], round);
        ck_assert_uint_eq(v->counts.code_drops, round);
    }
}
END_TEST

/* ---- Frames given to the interpreter ----------------------------------------------------------------- */

/* Rewrite and run until the interpreter gets the frame; how often it ran natively until then. */
static unsigned runs_until_backoff(uint64_t ticks)
{
    for (unsigned i = 0; i < 100; i++) {
        if (code_prepare(rig.v, RIG_LA) == CODE_INTERPRET)
            return i;
        rig.time += ticks;
        RIG_WRITE(RIG_CODE, 0, 0x40);
    }
    return 100;
}

/* Asks until it runs natively again. */
static unsigned asks_until_native(void)
{
    unsigned asks = 1; /* the one that told */
    while (code_prepare(rig.v, RIG_LA) == CODE_INTERPRET)
        asks++;
    return asks;
}

START_TEST(who_is_rewritten_all_the_time_goes_to_the_interpreter)
{
    rig_load_program(RIG_LA, RIG_CODE);
    for (unsigned doubled = 0; doubled < 12; doubled++) {
        ck_assert_uint_eq(runs_until_backoff(1000), 17);
        ck_assert_uint_eq(rig.v->code_frame[RIG_CODE].private_head, 0);
        ck_assert_uint_eq(asks_until_native(), 4096u << (doubled < 9 ? doubled : 9));
    }
    ck_assert_uint_eq(rig.v->counts.code_backoffs, 12);
    rig_check("after");
}
END_TEST

START_TEST(who_calms_down_starts_afresh)
{
    rig_load_program(RIG_LA, RIG_CODE);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_uint_eq(runs_until_backoff(1000), 17);
        asks_until_native();
    }
    ck_assert_uint_eq(runs_until_backoff(1 << 23), 100);
    ck_assert_uint_eq(rig.v->counts.code_backoffs, 3);
    ck_assert_uint_eq(runs_until_backoff(1000), 16); /* the last slow drop began the row */
    ck_assert_uint_eq(asks_until_native(), 4096);
}
END_TEST

START_TEST(scanning_that_takes_long_is_no_time_to_calm_down_in)
{
    rig_load_program(RIG_LA, RIG_CODE);
    ck_assert_uint_eq(runs_until_backoff(1 << 23), 100);
    rig.time_passes = 1 << 20;
    ck_assert_uint_eq(runs_until_backoff(1 << 23), 16);
    rig.time_passes = 1 << 10;
    asks_until_native();
    ck_assert_uint_eq(runs_until_backoff(1 << 23), 100);
}
END_TEST

START_TEST(a_backoff_takes_all_of_the_frames_pages)
{
    rig_load_program(RIG_LA, RIG_CODE);
    rig_map(RIG_LA + 0x1000, RIG_CODE, RIG_USER);
    RIG_CODE_AT(RIG_CODE, 0x800, RIG_PROGRAM);
    rig_prepare(RIG_LA + 0x1800);
    ck_assert_uint_eq(runs_until_backoff(1000), 17);
    ck_assert(!rig_is_mapped(RIG_LA + 0x1000));
    ck_assert_int_eq(rig_prepare(RIG_LA + 0x1800), CODE_INTERPRET);
    ck_assert(!frame_has_code(rig.v, RIG_CODE));
}
END_TEST

START_TEST(yielding_counts_as_rewriting)
{
    rig_load_program(RIG_LA, RIG_CODE);
    unsigned rounds = 0;
    for (; rounds < 100 && code_prepare(rig.v, RIG_LA) == CODE_READY; rounds++) {
        while (!code_yield_frame(rig.v, RIG_CODE))
            ;
    }
    ck_assert_uint_eq(rounds, 17);
}
END_TEST
int main(void)
{
    Suite *suite = suite_create("code_write");
    TCase *tc = tcase_create("code_write");
    int failed;
    SRunner *runner;
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, rig_open, rig_close);
    tcase_add_loop_test(tc, a_write_drops_the_pages_that_showed_its_bytes, 0, (int)ARRAY_SIZE(write_rows));
    tcase_add_test(tc, code_written_over_is_scanned_anew);
    tcase_add_test(tc, a_page_table_may_lie_in_a_code_frame);
    tcase_add_test(tc, a_walk_may_drop_code);
    tcase_add_test(tc, a_few_native_writes_are_emulated_then_the_frame_yields);
    tcase_add_test(tc, who_is_rewritten_all_the_time_goes_to_the_interpreter);
    tcase_add_test(tc, who_calms_down_starts_afresh);
    tcase_add_test(tc, scanning_that_takes_long_is_no_time_to_calm_down_in);
    tcase_add_test(tc, a_backoff_takes_all_of_the_frames_pages);
    tcase_add_test(tc, yielding_counts_as_rewriting);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
