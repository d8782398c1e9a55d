/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The guard with capstone as its oracle: whatever bytes a kept instruction holds, capstone finds no way out
 * of 32-bit code at any offset of the private page, in either code size; nor across the end of the page,
 * whatever follows. Capstone is asked by mnemonic, so it shares nothing with the guard's patterns; far
 * transfers through memory alone are known by their opcode, since capstone 5 names them as it does the near
 * ones.
 */
#include "capstone_oracle.h"
#include "translator/scan.h"

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

enum { SITES = SCAN_PAGE_SIZE, INSN_MAX = 15 };

static uint8_t original[SCAN_PAGE_SIZE], private_page[SCAN_PAGE_SIZE];
static struct scan_site sites[SITES];
static struct scan_page page;
static csh handles[2];
static cs_insn *reference;

static void open_oracle(void)
{
    ck_assert_int_eq(cs_open(CS_ARCH_X86, CS_MODE_16, &handles[0]), CS_ERR_OK);
    ck_assert_int_eq(cs_open(CS_ARCH_X86, CS_MODE_32, &handles[1]), CS_ERR_OK);
    reference = cs_malloc(handles[1]);
}

static void close_oracle(void)
{
    cs_free(reference, 1);
    cs_close(&handles[0]);
    cs_close(&handles[1]);
}

static void open_page(enum scan_guard guard)
{
    page.original = original;
    page.private_page = private_page;
    page.sites = sites;
    page.site_capacity = SITES;
    page.address = 0x10000;
    page.mode.bits = SCAN_CODE32 | SCAN_CR4_OSFXSR | (uint32_t)guard << SCAN_GUARD_SHIFT;
    page.mode.isa = ~0u;
    scan_init(&page);
}

static bool is_one_of(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(names[i], name))
            return true;
    return false;
}

/* Does this instruction leave 32-bit guest code, or load a segment? */
static bool is_way_out(const cs_insn *insn, enum scan_guard guard)
{
    static const char *const always[] = {
        "retf",   "retfq",    "iret",   "iretd",  "iretq",   "sysenter", "syscall", "wrpkru",
        "xrstor", "xrstor64", "xsetbv", "vmcall", "vmmcall", "vmfunc",   "enclu",
    };
    static const char *const loads[] = { "les", "lds", "lss", "lfs", "lgs" };
    static const char *const segments[] = { "es", "ss", "ds", "fs", "gs" };
    const char *name = insn->mnemonic, *operands = insn->op_str;

    if (is_far_through_memory(insn))
        return true;
    if (is_one_of(always, ARRAY_SIZE(always), name))
        return true;
    if (!strcmp(name, "int"))
        return !strcmp(operands, "0x80");
    if (!strcmp(name, "ljmp") || !strcmp(name, "lcall")) {
        unsigned selector = (unsigned)strtoul(operands, NULL, 0);

        return (selector | 3) == 0x33 || (selector | 3) == 0xe033 ||
               (guard >= SCAN_GUARD_STATE && selector > 3);
    }
    if (guard < SCAN_GUARD_STATE)
        return false;
    if (is_one_of(loads, ARRAY_SIZE(loads), name))
        return true;
    if (!strcmp(name, "pop"))
        return is_one_of(segments, ARRAY_SIZE(segments), operands);
    if (!strcmp(name, "mov") && operands[2] == ',')
        return operands[1] == 's' && strchr("esdfg", operands[0]);
    return false;
}

/* The name of the way out that capstone sees in these bytes, or NULL. */
static const char *way_out(const uint8_t *bytes, size_t count)
{
    for (unsigned i = 0; i < 2; i++) {
        const uint8_t *at = bytes;
        size_t left = count;
        uint64_t pc = 0x10000;

        if (cs_disasm_iter(handles[i], &at, &left, &pc, reference) &&
            is_way_out(reference, scan_mode_guard(&page.mode)))
            return reference->mnemonic;
    }
    return NULL;
}

static void require_no_way_out(unsigned first, unsigned end)
{
    for (unsigned i = first; i < end; i++) {
        size_t count = SCAN_PAGE_SIZE - i < INSN_MAX ? SCAN_PAGE_SIZE - i : INSN_MAX;
        const char *name = private_page[i] == SCAN_TRAP_BYTE ? NULL : way_out(private_page + i, count);

        if (name)
            ck_abort_msg("%s at 0x%x: %02x %02x %02x %02x %02x %02x %02x %02x", name, i, private_page[i],
                         private_page[i + 1], private_page[i + 2], private_page[i + 3], private_page[i + 4],
                         private_page[i + 5], private_page[i + 6], private_page[i + 7]);
    }
}

/* ---- Every window of bytes ----------------------------------------------------------------------- */

static const enum scan_guard guards[] = { SCAN_GUARD_ESCAPE, SCAN_GUARD_STATE, SCAN_GUARD_STRICT };

/* Scan a few bytes in front of a ret, and ask about every offset. */
static bool try_window(enum scan_guard guard, const uint8_t *bytes, unsigned count)
{
    memset(original, 0xc3, 32);
    memcpy(original, bytes, count);
    open_page(guard);
    scan_from(&page, 0);
    require_no_way_out(0, count);
    return page.site_count == 0;
}

START_TEST(no_two_bytes_of_an_immediate_are_a_way_out)
{
    unsigned untouched = 0;

    for (unsigned window = 0; window < 0x10000; window++) {
        const uint8_t bytes[] = { 0x68, (uint8_t)window, (uint8_t)(window >> 8), 0x28,
                                  0x33 }; /* push imm32 */

        untouched += try_window(guards[_i], bytes, sizeof(bytes));
    }
    /* Most are no concern of these guards; one that replaced all would pass the rest. */
    ck_assert_uint_gt(untouched, 0x10000 * 3 / 4);
}
END_TEST

START_TEST(no_three_bytes_that_begin_with_an_escape_are)
{
    static const uint8_t starts[] = { 0x0f, 0xff, 0xcd, 0x66, 0xf3, 0x67 };

    for (unsigned start = 0; start < sizeof(starts); start++)
        for (unsigned window = 0; window < 0x10000; window += start ? 7 : 1) {
            const uint8_t bytes[] = { 0x68, starts[start], (uint8_t)window, (uint8_t)(window >> 8), 0 };

            try_window(guards[_i], bytes, sizeof(bytes));
        }
}
END_TEST

START_TEST(no_two_instructions_make_one_together)
{
    for (unsigned window = 0; window < 0x10000; window += _i ? 7 : 1) {
        /* mov al, imm8; then any opcode with something behind it */
        const uint8_t bytes[] = {
            0xb0, (uint8_t)window, (uint8_t)(window >> 8), 0xef, 0x28, 0x33, 0x00, 0x33
        };

        try_window(guards[_i], bytes, sizeof(bytes));
    }
}
END_TEST

START_TEST(every_direct_far_pointer_is_judged_by_its_selector)
{
    for (unsigned selector = 0; selector < 0x10000; selector += _i ? 7 : 1) {
        /* push imm32 with the far jump's opcode, add eax, imm32 with its selector */
        const uint8_t wide[] = {
            0xb0, 0xea, 0x05, 1, 2, 3, (uint8_t)selector, (uint8_t)(selector >> 8), 0xc0
        };
        const uint8_t narrow[] = {
            0x68, 0x9a, 1, 2, (uint8_t)selector, (uint8_t)(selector >> 8), 0xc0, 0xc0
        };

        try_window(guards[_i], wide, sizeof(wide));
        try_window(guards[_i], narrow, sizeof(narrow));
    }
}
END_TEST

static bool is_prefix(uint8_t byte)
{
    return prefix_bytes(&byte, 1) == 1;
}

/* The last two bytes of the page, one of the next page, and more of it. */
static void require_no_way_across(uint8_t next, uint8_t behind)
{
    uint8_t bytes[INSN_MAX];

    memset(bytes, behind, sizeof(bytes));
    memcpy(bytes, private_page + SCAN_PAGE_SIZE - 2, 2);
    bytes[2] = next;
    for (unsigned from = 0; from < 2; from++) {
        const char *name;

        /* What stands wholly in the next page is that page's concern. */
        if (bytes[from] == SCAN_TRAP_BYTE || (is_prefix(bytes[1]) && (from == 1 || is_prefix(bytes[0]))))
            continue;
        name = way_out(bytes + from, INSN_MAX - from);
        if (name)
            ck_abort_msg("%s from %02x %02x | %02x %02x", name, bytes[0], bytes[1], bytes[2], bytes[3]);
    }
}

START_TEST(no_page_ends_in_what_the_next_could_complete)
{
    static const uint8_t behind[] = { 0xef, 0x28, 0x00, 0x33, 0x80 };

    memset(original, 0x90, SCAN_PAGE_SIZE);
    for (unsigned last = 0; last < 0x10000; last++) {
        /* Every ending for every last byte, some for every pair. */
        bool thorough = (last & 0xff) == 0x90;

        memcpy(original + SCAN_PAGE_SIZE - 4, "\x66\xb8", 2); /* mov ax, imm16 */
        original[SCAN_PAGE_SIZE - 2] = (uint8_t)last;
        original[SCAN_PAGE_SIZE - 1] = (uint8_t)(last >> 8);
        open_page(guards[_i]);
        scan_from(&page, SCAN_PAGE_SIZE - 4);
        if (private_page[SCAN_PAGE_SIZE - 1] == SCAN_TRAP_BYTE)
            continue;
        for (unsigned next = 0; next < 256; next += thorough ? 1 : 51)
            for (unsigned i = 0; i < (thorough ? sizeof(behind) : 1); i++)
                require_no_way_across((uint8_t)next, behind[i]);
    }
}
END_TEST

/* ---- Pages --------------------------------------------------------------------------------------- */

static uint64_t random_state;

static uint8_t random_byte(void)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint8_t)(random_state >> 56);
}

static void scan_everything(enum scan_guard guard)
{
    struct scan_fault fault;

    open_page(guard);
    for (unsigned i = 0; i < SCAN_PAGE_SIZE; i++)
        if (!scan_is_visible(&page, i))
            scan_from(&page, i);
    fault = scan_check(&page);
    ck_assert_msg(!fault.what, "offset 0x%x: %s", fault.offset, fault.what);
    require_no_way_out(0, SCAN_PAGE_SIZE);
}

START_TEST(no_random_page_has_a_way_out)
{
    random_state = 1;
    for (unsigned i = 0; i < 60; i++) {
        for (unsigned k = 0; k < SCAN_PAGE_SIZE; k++)
            original[k] = random_byte();
        scan_everything(guards[_i]);
    }
}
END_TEST

/* Linker symbols: this program's own code, 64-bit though it is, has the bytes compilers make. */
extern const uint8_t __executable_start[], etext[];

START_TEST(no_compiled_page_has_a_way_out)
{
    size_t size = (size_t)(etext - __executable_start);
    unsigned pages = 0;

    for (size_t at = 0; at + SCAN_PAGE_SIZE <= size && pages < 40; at += SCAN_PAGE_SIZE, pages++) {
        memcpy(original, __executable_start + at, SCAN_PAGE_SIZE);
        scan_everything(guards[_i]);
    }
    ck_assert_uint_gt(pages, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scan_guard");
    TCase *tc = tcase_create("capstone");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tc, open_oracle, close_oracle);
    tcase_add_loop_test(tc, no_two_bytes_of_an_immediate_are_a_way_out, 0, 2);
    tcase_add_loop_test(tc, no_three_bytes_that_begin_with_an_escape_are, 0, 2);
    tcase_add_loop_test(tc, no_two_instructions_make_one_together, 0, 2);
    tcase_add_loop_test(tc, every_direct_far_pointer_is_judged_by_its_selector, 0, 2);
    tcase_add_loop_test(tc, no_page_ends_in_what_the_next_could_complete, 0, 2);
    tcase_add_loop_test(tc, no_random_page_has_a_way_out, 0, (int)ARRAY_SIZE(guards));
    tcase_add_loop_test(tc, no_compiled_page_has_a_way_out, 0, (int)ARRAY_SIZE(guards));
    tcase_set_timeout(tc, 300);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
