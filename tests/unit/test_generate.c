/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The forms translated code is made of: guest bytes, and capstone's listing of the host code they become.
 * Then the tables beside the code, and where a stretch begins, goes on and ends.
 */
#include "translator/decode.h"
#include "translator/generate.h"

/* capstone and translator/decode.h each have an enum of this name; it is not used here. */
#define x86_prefix capstone_x86_prefix
#include <capstone/capstone.h>
#undef x86_prefix

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

enum { PAGE_AT = 0x00100000, TEXT_MAX = 1024 };

static const struct gen_layout layout = {
    .fs_base = 0x10, .exit_direct = 0x20, .exit_indirect = 0x28, .call_out = 0x30
};

static uint8_t page[GEN_PAGE_SIZE];
static struct gen_result result;

/* The rest of the page is RET, which ends any line. */
static void fill_page(unsigned offset, const uint8_t *bytes, size_t count)
{
    memset(page, 0xc3, sizeof(page));
    memcpy(page + offset, bytes, count);
}

static bool generate(unsigned start, uint32_t isa, const uint64_t *known)
{
    struct gen_request request = {
        .page = page, .address = PAGE_AT, .start = start, .layout = layout, .isa = isa, .known = known
    };

    memset(&result, 0xa5, sizeof(result)); /* what was left of another stretch must not matter */
    return gen_stretch(&request, &result);
}

static unsigned host_end(unsigned i)
{
    if (i + 1 < result.insn_count)
        return result.insn[i + 1].host;
    return result.exit_count ? result.exit[0].stub : (unsigned)result.code_size;
}

/* Host code as "mov eax, ebx; nop". */
static const char *listing(unsigned from, unsigned to)
{
    static char text[TEXT_MAX];
    const uint8_t *code = result.code + from;
    size_t left = to - from, length = 0;
    uint64_t at = from;
    csh handle;
    cs_insn *insn;

    ck_assert_int_eq(cs_open(CS_ARCH_X86, CS_MODE_64, &handle), CS_ERR_OK);
    insn = cs_malloc(handle);
    text[0] = 0;
    while (cs_disasm_iter(handle, &code, &left, &at, insn))
        length += (size_t)snprintf(text + length, TEXT_MAX - length, "%s%s%s%s", length ? "; " : "",
                                   insn->mnemonic, insn->op_str[0] ? " " : "", insn->op_str);
    cs_free(insn, 1);
    cs_close(&handle);
    ck_assert_msg(left == 0, "not decoded: %zu bytes behind '%s'", left, text);
    return text;
}

/* ---- Forms --------------------------------------------------------------------------------------- */

struct form {
    const char *name;
    uint8_t size, bytes[15];
    const char *text;
};

static const struct form forms[] = {
#include "generate_forms.inc"
};

START_TEST(form_is_written)
{
    const struct form *form = &forms[_i];
    const char *text;

    fill_page(0, form->bytes, form->size);
    ck_assert(generate(0, UINT32_MAX, NULL));
    ck_assert_uint_eq(result.insn[0].guest, 0);
    text = listing(result.insn[0].host, host_end(0));
    ck_assert_msg(strcmp(text, form->text) == 0, "%s:\n  is       \"%s\"\n  expected \"%s\"", form->name,
                  text, form->text);
}
END_TEST

int main(int argc, char **argv)
{
    Suite *suite = suite_create("generate");
    TCase *tc = tcase_create("forms");
    SRunner *runner = srunner_create(suite);
    int failed;

    (void)argc, (void)argv;
    tcase_add_loop_test(tc, form_is_written, 0, ARRAY_SIZE(forms));
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
