/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What tests of the code generator have in common: a page of guest code, the stretch made of it, and
 * capstone's listing of its host code.
 */
#pragma once

#include "translator/decode.h"
#include "translator/generate.h"

/* capstone and translator/decode.h each have an enum of this name; it is not used here. */
#define x86_prefix capstone_x86_prefix
#include <capstone/capstone.h>
#undef x86_prefix

#include <check.h>
#include <stdio.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

enum { PAGE_AT = 0x00100000, TEXT_MAX = 2048 };

static uint8_t page[GEN_PAGE_SIZE];
static struct gen_result result;

/* The rest of the page is RET, which ends any line. */
static void fill_page(unsigned offset, const uint8_t *bytes, size_t count)
{
    memset(page, 0xc3, sizeof(page));
    memcpy(page + offset, bytes, count);
}

static bool generate(const struct gen_request *request)
{
    memset(&result, 0xa5, sizeof(result)); /* what was left of another stretch must not matter */
    return gen_stretch(request, &result);
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
