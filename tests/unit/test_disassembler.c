/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What listings and reports say of an instruction, where versions of capstone differ: the same with each.
 */
#include "disassembler.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

enum mode { LINEAR16, OFFSETS16, LINEAR32, OFFSETS32 };

static const struct {
    const char *name;
    enum mode mode;
    uint32_t address;
    uint8_t bytes[8];
    unsigned length;
    const char *text;
} rows[] = {
    { "a short jump", OFFSETS32, 0x8048000, { 0xeb, 0xfe }, 2, "jmp 0x8048000" },
    { "a near call", OFFSETS32, 0xfffffff0, { 0xe8, 0x20, 0, 0, 0 }, 5, "call 0x15" },
    { "a conditional jump back", OFFSETS32, 0x1000, { 0x0f, 0x84, 0, 0x80, 0xff, 0xff }, 6, "je 0xffff9006" },
    { "a single digit", OFFSETS32, 0, { 0xeb, 0x07 }, 2, "jmp 0x9" },
    { "67 is no operand size", OFFSETS32, 0x12340, { 0x67, 0xe9, 1, 2, 3, 4 }, 6, "jmp 0x4042547" },
    { "loop", OFFSETS32, 0x12340, { 0xe2, 0x80 }, 2, "loop 0x122c2" },
    { "66 cuts EIP", OFFSETS32, 0x12340, { 0x66, 0xe9, 1, 2 }, 4, "jmp 0x2545" },
    { "66 cuts EIP after a call", OFFSETS32, 0x12340, { 0x66, 0xe8, 0xf0, 0xff }, 4, "call 0x2334" },
    { "66 with a repeat prefix", OFFSETS32, 0x12340, { 0x66, 0xf2, 0xe9, 1, 2 }, 5, "bnd jmp 0x2546" },
    { "16-bit code wraps", OFFSETS16, 0xfff0, { 0xeb, 0x7f }, 2, "jmp 0x71" },
    { "16-bit code wraps back", OFFSETS16, 0x10, { 0xe9, 0xe0, 0xff }, 3, "jmp 0xfff3" },
    { "16-bit code above 64 KiB", OFFSETS16, 0x12340, { 0x74, 0x80 }, 2, "je 0x22c2" },
    { "66 does not cut there", OFFSETS16, 0x12340, { 0x66, 0xe9, 1, 2, 3, 4 }, 6, "jmp 0x4042547" },
    { "16-bit code, linear", LINEAR16, 0x12340, { 0x74, 0x80 }, 2, "je 0x122c2" },
    { "16-bit code, linear, call", LINEAR16, 0x12340, { 0xe8, 1, 2 }, 3, "call 0x12544" },
    { "32-bit code, linear, 66", LINEAR32, 0x12340, { 0x66, 0xe9, 1, 2 }, 4, "jmp 0x12545" },
    { "far jump", OFFSETS32, 0x1000, { 0xea, 1, 2, 3, 4, 5, 6 }, 7, "ljmp 0x605:0x4030201" },
    { "far call", OFFSETS32, 0x1000, { 0x9a, 1, 2, 3, 4, 5, 6 }, 7, "lcall 0x605:0x4030201" },
    { "far call, 16-bit", OFFSETS16, 0x1000, { 0x9a, 1, 2, 3, 4 }, 5, "lcall 0x403:0x201" },
    { "far call through memory", OFFSETS32, 0x1000, { 0xff, 0x18 }, 2, "lcall [eax]" },
    { "far jump through memory", OFFSETS32, 0x1000, { 0xff, 0x28 }, 2, "ljmp [eax]" },
    { "far jump through es", OFFSETS32, 0x1000, { 0x26, 0xff, 0x28 }, 3, "ljmp es:[eax]" },
    { "far jump, 66", OFFSETS32, 0x1000, { 0x66, 0xff, 0x28 }, 3, "ljmp [eax]" },
    { "far jump, 16-bit", OFFSETS16, 0x1000, { 0x66, 0xff, 0x28 }, 3, "ljmp [bx + si]" },
    { "near call through memory", OFFSETS32, 0x1000, { 0xff, 0x10 }, 2, "call dword ptr [eax]" },
    { "fcom again", OFFSETS32, 0x1000, { 0xdc, 0xd3 }, 2, "fcom st(0), st(3)" },
    { "pause behind 66", OFFSETS32, 0x1000, { 0x66, 0xf3, 0x90 }, 3, "pause" },
    { "no instruction", OFFSETS32, 0x1000, { 0xff, 0xff }, 0, "(bad)" },
    { "others are capstone's",
      OFFSETS32,
      0x1000,
      { 0x8b, 0x44, 0x24, 0x08 },
      4,
      "mov eax, dword ptr [esp + 8]" },
};

START_TEST(row_reads_as_it_should)
{
    enum mode mode = rows[_i].mode;
    struct disassembler *disassembler =
        disassembler_new(mode >= LINEAR32, mode == OFFSETS16 || mode == OFFSETS32);
    char text[64];
    unsigned length;

    ck_assert_ptr_nonnull(disassembler);
    length = disassembler_print(disassembler, rows[_i].bytes, sizeof(rows[_i].bytes), rows[_i].address, text,
                                sizeof(text));
    ck_assert_msg(length == rows[_i].length, "%s: %u bytes, '%s'", rows[_i].name, length, text);
    ck_assert_msg(strcmp(text, rows[_i].text) == 0, "%s: '%s'", rows[_i].name, text);
    disassembler_free(disassembler);
}
END_TEST

/* A page ends where it ends: what goes on behind it is not an instruction here. */
START_TEST(bytes_that_end_too_soon_are_none)
{
    struct disassembler *disassembler = disassembler_new(true, true);
    char text[64];

    ck_assert_uint_eq(disassembler_print(disassembler, rows[1].bytes, 4, 0x1000, text, sizeof(text)), 0);
    ck_assert_str_eq(text, "(bad)");
    disassembler_free(disassembler);
}
END_TEST

/* Longest text into the smallest buffer. */
START_TEST(text_is_cut_to_its_place)
{
    static const uint8_t bytes[] = { 0xdc, 0xd3 };
    struct disassembler *disassembler = disassembler_new(true, true);
    char text[9] = "........";

    disassembler_print(disassembler, bytes, sizeof(bytes), 0x1000, text, 8);
    ck_assert_str_eq(text, "fcom st");
    ck_assert_int_eq(text[8], '\0');
    disassembler_free(disassembler);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("disassembler");
    TCase *tcase = tcase_create("rows");
    SRunner *runner;
    int failed;

    tcase_add_loop_test(tcase, row_reads_as_it_should, 0, (int)ARRAY_SIZE(rows));
    tcase_add_test(tcase, bytes_that_end_too_soon_are_none);
    tcase_add_test(tcase, text_is_cut_to_its_place);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
