/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Segmented code (struct gen_segmented): guest bytes, and capstone's listing of the host code they become;
 * what has no form where; where the code segment ends. What the code does is test_segmented_random's to say.
 */
#include "generate_rig.h"

#include <stdlib.h>

static const struct gen_layout layout = {
    .exit_direct = 0x20,
    .exit_indirect = 0x28,
    .call_out = 0x30,
    .eflags = 0x38,
    .attention = 0x3c,
    .if_clear = 0x40,
    .if_set = 0x48,
    .after_sti = 0x50,
    .selector = { 0x60, 0x62, 0x64, 0x66, 0x68, 0x6a },
    .place = { 0x80, 0x88, 0x90, 0x98, 0xa0, 0xa8 },
    .base = { 0xb0, 0xb4, 0xb8, 0xbc, 0xc0, 0xc4 },
    .limit_read = { 0x100, 0x108, 0x110, 0x118, 0x120, 0x128 },
    .limit_write = { 0x140, 0x148, 0x150, 0x158, 0x160, 0x168 },
    .exit_far = 0x170,
    .code_pointer = 0x178,
};

enum {
    R = GEN_SEGMENT_64K,
    L = GEN_SEGMENT_LIMITED,
    G = GEN_SEGMENT_4G,
    C = GEN_SEGMENT_CLOSED,
    F = GEN_SEGMENT_FLAT,
    W = GEN_SEGMENT_WRAPS
};

/* The page is at 100000h: offset 1230h of a segment. */
static const struct gen_segmented real = { .real = true,
                                           .far = true,
                                           .interrupts = true,
                                           .returns = true,
                                           .base = 0xfedd0,
                                           .limit = 0xffff,
                                           .segment = { R, R, R, R, R, R } };
static const struct gen_segmented unreal = {
    .real = true, .base = 0xfedd0, .limit = 0xffff, .segment = { R, R, R, G, C, C }
};
static const struct gen_segmented protected16 = { .base = 0xfedd0,
                                                  .limit = 0x7fff,
                                                  .segment = { L, L, L, L, L, L } };
static const struct gen_segmented protected32 = {
    .code32 = true, .stack32 = true, .base = 0xfedd0, .limit = UINT32_MAX, .segment = { G, G, G, G, G, G }
};
/* A program's: thread-local storage by GS. */
static const struct gen_segmented program = {
    .code32 = true, .stack32 = true, .limit = UINT32_MAX, .segment = { F, F, F, F, C, W }
};

static bool generate_as(const struct gen_segmented *segmented, unsigned start, bool cpl0)
{
    const struct gen_request request = { .page = page,
                                         .address = PAGE_AT,
                                         .start = start,
                                         .layout = layout,
                                         .isa = UINT32_MAX,
                                         .cpl0 = cpl0,
                                         .segmented = segmented };
    return generate(&request);
}

static const struct {
    const char *name;
    const struct gen_segmented *segmented;
    uint8_t size, bytes[10];
    const char *text;
} forms[] = {
#include "generate_segmented_forms.inc"
};

START_TEST(form_is_written)
{
    const char *text;

    fill_page(0, forms[_i].bytes, forms[_i].size);
    ck_assert(generate_as(forms[_i].segmented, 0, true));
    text = listing(result.insn[0].host, host_end(0));
    ck_assert_msg(strcmp(text, forms[_i].text) == 0, "%s:\n  is       \"%s\"\n  expected \"%s\"",
                  forms[_i].name, text, forms[_i].text);
}
END_TEST

/* ---- What is somebody else's ----------------------------------------------------------------------------
 */

static const struct {
    const char *name;
    const struct gen_segmented *segmented;
    uint8_t size, bytes[10];
} call_outs[] = {
    { "a segment of which nothing is known", &unreal, 4, { 0x64, 0x8b, 0x07 } },
    { "loading it", &unreal, 2, { 0x8e, 0xe0 } },
    { "loading SS", &real, 2, { 0x8e, 0xd0 } },
    { "loading DS in protected mode", &protected16, 2, { 0x8e, 0xd8 } },
    { "a far call in protected mode", &protected16, 5, { 0x9a, 0x00, 0x10, 0x08, 0x00 } },
    { "a far return where CS has another limit", &unreal, 1, { 0xcb } },
    { "a branch beyond the limit", &protected16, 3, { 0xe9, 0x00, 0x70 } },
    { "a far jump of 32 bits", &real, 8, { 0x66, 0xea, 0x00, 0x10, 0x00, 0x00, 0x08, 0x00 } },
    { "a bit by number in a register", &real, 3, { 0x0f, 0xa3, 0x07 } },
    { "xchg of memory and AH", &real, 2, { 0x86, 0x27 } },
    { "a repetition", &real, 2, { 0xf3, 0xa4 } },
    { "pushfd", &real, 2, { 0x66, 0x9c } },
    { "lea of 32 bits with an address of 16", &real, 3, { 0x66, 0x8d, 0x07 } },
};

START_TEST(call_out_is_written)
{
    fill_page(0, call_outs[_i].bytes, call_outs[_i].size);
    ck_assert(generate_as(call_outs[_i].segmented, 0, true));
    ck_assert_msg(result.call_out_count == 1 && result.call_out[0].insn == 0 &&
                      result.call_out[0].number == result.insn[0].host + 2,
                  "%s: %s", call_outs[_i].name, listing(result.insn[0].host, host_end(0)));
}
END_TEST

/* Without the right to change IF. */
START_TEST(flags_are_somebody_elses_below_iopl)
{
    static const uint8_t bytes[] = { 0xfa, 0xfb, 0x9c, 0x9d };

    for (unsigned i = 0; i < sizeof(bytes); i++) {
        fill_page(0, &bytes[i], 1);
        ck_assert(generate_as(&real, 0, false));
        ck_assert_uint_eq(result.call_out_count, 1);
    }
}
END_TEST

/* ---- Where code ends -------------------------------------------------------------------------------------
 */

START_TEST(branch_goes_round_at_64_kib)
{
    fill_page(0x2d, (const uint8_t[]){ 0x0f, 0x84, 0xa0, 0xee }, 4); /* je to 1261h + eea0h: 101h */
    ck_assert(generate_as(&real, 0x2d, true));
    ck_assert_uint_eq(result.exit_count, 1);
    ck_assert_uint_eq(result.exit[0].target, 0xfedd0 + 0x101);
    ck_assert_str_eq(listing(result.exit[0].stub, result.exit[0].after), "call qword ptr [r15 + 0x20]");
}
END_TEST

START_TEST(code_ends_with_its_segment)
{
    struct gen_segmented s = real;

    memset(page, 0x90, sizeof(page));
    s.limit = 0x123f; /* offset fh of the page */
    ck_assert_uint_eq(gen_segmented_end(&s, PAGE_AT), 0x10);
    ck_assert(generate_as(&s, 0, true));
    ck_assert_uint_eq(result.insn_count, 0x10);
    ck_assert_uint_eq(result.exit[0].target, PAGE_AT + 0x10);
    page[0xf] = 0xb8; /* goes beyond it */
    ck_assert(generate_as(&s, 0, true));
    ck_assert_uint_eq(result.insn_count, 0xf);
    ck_assert(!generate_as(&s, 0xf, true));
    ck_assert(!generate_as(&s, 0x10, true));
}
END_TEST

START_TEST(segment_begins_amid_a_page)
{
    struct gen_segmented s = real;

    s.base = PAGE_AT + 0x20;
    ck_assert_uint_eq(gen_segmented_end(&s, PAGE_AT), 0x10020);
    ck_assert_uint_eq(gen_segmented_end(&s, PAGE_AT - GEN_PAGE_SIZE), 0);
    s.limit = 0xf;
    ck_assert_uint_eq(gen_segmented_end(&s, PAGE_AT), 0x30);
    ck_assert_uint_eq(gen_segmented_end(&s, PAGE_AT + GEN_PAGE_SIZE), 0);
    s.limit = UINT32_MAX;
    ck_assert_uint_ge(gen_segmented_end(&s, PAGE_AT), GEN_PAGE_SIZE);
}
END_TEST

/* Instructions of much host code, and of two exits: the stretch ends in time. */
static const struct {
    const char *name;
    uint8_t size, bytes[10];
} fillers[] = {
    { "popa", 1, { 0x61 } },
    { "pushad", 2, { 0x66, 0x60 } },
    { "popf", 1, { 0x9d } },
    { "far pointers", 4, { 0xc4, 0x87, 0x00, 0x10 } },
    { "pops of memory", 4, { 0x8f, 0x87, 0x00, 0x10 } },
    { "calls by memory", 4, { 0xff, 0x97, 0x00, 0x10 } },
    { "adds of AH", 4, { 0x00, 0xa7, 0x00, 0x10 } },
    { "int over iret", 3, { 0xcd, 0x21, 0xcf } },
    { "je over iret", 3, { 0x74, 0x00, 0xcf } },
    { "loope", 2, { 0xe1, 0x7f } },
};

START_TEST(stretch_ends_at_its_limits)
{
    for (unsigned at = 0; at < GEN_PAGE_SIZE; at++)
        page[at] = fillers[_i].bytes[at % fillers[_i].size];
    ck_assert(generate_as(&protected16, 0, true));
    ck_assert(generate_as(&real, 0, true));
    ck_assert(result.code_size <= GEN_CODE_MAX && result.exit_count <= GEN_EXITS_MAX);
    for (unsigned i = 0; i < result.insn_count; i++)
        ck_assert_msg(host_end(i) - result.insn[i].host <= 160, "%s: %u bytes", fillers[_i].name,
                      host_end(i) - result.insn[i].host);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("generate_segmented");
    TCase *tc = tcase_create("generate_segmented");
    SRunner *runner;
    int failed;

    tcase_add_loop_test(tc, form_is_written, 0, ARRAY_SIZE(forms));
    tcase_add_loop_test(tc, call_out_is_written, 0, ARRAY_SIZE(call_outs));
    tcase_add_test(tc, flags_are_somebody_elses_below_iopl);
    tcase_add_test(tc, branch_goes_round_at_64_kib);
    tcase_add_test(tc, code_ends_with_its_segment);
    tcase_add_test(tc, segment_begins_amid_a_page);
    tcase_add_loop_test(tc, stretch_ends_at_its_limits, 0, ARRAY_SIZE(fillers));
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
