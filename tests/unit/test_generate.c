/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The forms translated code is made of: guest bytes, and capstone's listing of the host code they become.
 * Then the tables beside the code, and where a stretch begins, goes on and ends.
 */
#define _GNU_SOURCE
#include "translator/decode.h"
#include "translator/generate.h"

/* capstone and translator/decode.h each have an enum of this name; it is not used here. */
#define x86_prefix capstone_x86_prefix
#include <capstone/capstone.h>
#undef x86_prefix

#include <asm/prctl.h>
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

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

static struct gen_request request_at(unsigned start)
{
    return (struct gen_request){
        .page = page, .address = PAGE_AT, .start = start, .layout = layout, .isa = UINT32_MAX
    };
}

static bool generate(const struct gen_request *request)
{
    memset(&result, 0xa5, sizeof(result)); /* what was left of another stretch must not matter */
    return gen_stretch(request, &result);
}

static void generate_page(unsigned start)
{
    struct gen_request request = request_at(start);

    ck_assert(generate(&request));
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
    generate_page(0);
    ck_assert_uint_eq(result.insn[0].guest, 0);
    text = listing(result.insn[0].host, host_end(0));
    ck_assert_msg(strcmp(text, form->text) == 0, "%s:\n  is       \"%s\"\n  expected \"%s\"", form->name,
                  text, form->text);
}
END_TEST

/* ---- Return sites -------------------------------------------------------------------------------- */

/* What stands behind a CALL, and whether it writes all arithmetic flags before it reads one. */
static const struct {
    const char *name;
    uint8_t size, bytes[15];
    bool dead;
} behind_calls[] = {
    { "xor writes all", 2, { 0x31, 0xc0 }, true },
    { "through moves, pushes and LEA",
      12,
      { 0x89, 0xc3, 0x8b, 0x03, 0x53, 0x5b, 0x8d, 0x43, 0x04, 0x83, 0xc4, 0x10 },
      true },
    { "adc reads CF", 2, { 0x11, 0xc0 }, false },
    { "ret leads anywhere", 1, { 0xc3 }, false },
    { "inc leaves CF, ret follows", 2, { 0x40, 0xc3 }, false },
    { "inc and then test", 3, { 0x40, 0x85, 0xc0 }, true },
    { "dec, then all on both ways", 8, { 0x49, 0x75, 0x03, 0x31, 0xc0, 0x90, 0x31, 0xdb }, true },
    { "dec, then not on one of them", 7, { 0x49, 0x75, 0x03, 0x31, 0xc0, 0x90, 0x90 }, false },
    { "dec, then a branch back", 5, { 0x49, 0x75, 0xf8, 0x31, 0xc0 }, false },
    { "jne reads", 4, { 0x75, 0x00, 0x31, 0xc0 }, false },
    { "setcc reads", 5, { 0x0f, 0x92, 0xc0, 0x31, 0xc0 }, false },
    { "cmov reads", 5, { 0x0f, 0x44, 0xc3, 0x31, 0xc0 }, false },
    { "jmp forward is followed", 5, { 0xeb, 0x01, 0xc3, 0x31, 0xc0 }, true },
    { "jmp out of the page is not", 7, { 0xe9, 0x00, 0x20, 0x00, 0x00, 0x31, 0xc0 }, false },
    { "a shift by a constant leaves AF and OF", 6, { 0xc1, 0xe0, 0x02, 0x90, 0xc3, 0xc3 }, false },
    { "a shift by CL may leave all", 3, { 0xd3, 0xe0, 0xc3 }, false },
    { "a shift does not read", 5, { 0xd3, 0xe0, 0x85, 0xc0, 0xc3 }, true },
    { "rcl reads CF", 4, { 0xd1, 0xd0, 0x31, 0xc0 }, false },
    { "imul leaves ZF", 4, { 0x0f, 0xaf, 0xc3, 0xc3 }, false },
    { "bsf leaves CF", 4, { 0x0f, 0xbc, 0xc3, 0xc3 }, false },
    { "repe cmpsb may not run at all", 3, { 0xf3, 0xa6, 0xc3 }, false },
    { "cmpsb runs", 1, { 0xa6 }, true },
    { "sahf leaves OF", 2, { 0x9e, 0xc3 }, false },
    { "pushf reads", 3, { 0x9c, 0x31, 0xc0 }, false },
    { "another call leads anywhere", 7, { 0xe8, 0x00, 0x00, 0x00, 0x00, 0x31, 0xc0 }, false },
    { "an invalid LOCK is a fault", 4, { 0xf0, 0x90, 0x31, 0xc0 }, false },
    { "no instruction", 4, { 0x0f, 0x0b, 0x31, 0xc0 }, false },
};

static const char *return_site(unsigned row, bool loose)
{
    struct gen_request request = request_at(0);
    const uint8_t call[] = { 0xe8, 0x00, 0x20, 0x00, 0x00 };

    request.loose_returns = loose;
    fill_page(sizeof(call), behind_calls[row].bytes, behind_calls[row].size);
    memcpy(page, call, sizeof(call));
    ck_assert(generate(&request));
    return listing(result.insn[0].host, host_end(0));
}

START_TEST(loose_return_site_needs_dead_flags)
{
    bool by_flags = strstr(return_site(_i, true), "cmp r8d, 0x100005; jne") != NULL;

    ck_assert_msg(by_flags == behind_calls[_i].dead, "%s", behind_calls[_i].name);
}
END_TEST

START_TEST(return_site_keeps_flags)
{
    const char *text = return_site(_i, false);

    ck_assert_msg(strstr(text, "lea ecx, [r8 - 0x100005]; jrcxz") && !strstr(text, "cmp"), "%s: %s",
                  behind_calls[_i].name, text);
}
END_TEST

/* ---- What the forms rely on ---------------------------------------------------------------------- */

/*
 * A bit's number in a register moves the address, and the sum wraps at 4 GiB as in 32-bit code: not only the
 * address in the instruction is cut by 67.
 */
START_TEST(bit_number_wraps_with_the_address)
{
    const uintptr_t window = (uintptr_t)1 << 45, top = window + 0xfffff000u;
    const int rights = PROT_READ | PROT_WRITE, kind = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
    uint32_t high = 0xfffffff0, low = 0x10, forward = 0x20 * 8 + 3, back = -0x20u * 8 + 3;

    ck_assert_ptr_ne(mmap((void *)window, GEN_PAGE_SIZE, rights, kind, -1, 0), MAP_FAILED);
    ck_assert_ptr_ne(mmap((void *)top, GEN_PAGE_SIZE, rights, kind, -1, 0), MAP_FAILED);
    ck_assert_int_eq(syscall(SYS_arch_prctl, ARCH_SET_GS, window), 0);
    __asm__ volatile("bts %1, %%gs:(%0)" ::"r"(high), "r"(forward) : "memory", "cc");
    __asm__ volatile("bts %1, %%gs:(%0)" ::"r"(low), "r"(back) : "memory", "cc");
    ck_assert_uint_eq(*(uint8_t *)(window + 0x10), 1 << 3);
    ck_assert_uint_eq(*(uint8_t *)(top + 0xff0), 1 << 3);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("generate");
    TCase *tc = tcase_create("forms");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_loop_test(tc, form_is_written, 0, ARRAY_SIZE(forms));
    tcase_add_loop_test(tc, loose_return_site_needs_dead_flags, 0, ARRAY_SIZE(behind_calls));
    tcase_add_loop_test(tc, return_site_keeps_flags, 0, ARRAY_SIZE(behind_calls));
    tcase_add_test(tc, bit_number_wraps_with_the_address);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
