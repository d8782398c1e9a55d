/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The forms translated code is made of: guest bytes, and capstone's listing of the host code they become.
 * Then the tables beside the code, and where a stretch begins, goes on and ends.
 */
#define _GNU_SOURCE
#include "generate_rig.h"

#include <asm/prctl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct gen_layout layout = {
    .fs_base = 0x10, .exit_direct = 0x20, .exit_indirect = 0x28, .call_out = 0x30
};

static struct gen_request request_at(unsigned start)
{
    return (struct gen_request){
        .page = page, .address = PAGE_AT, .start = start, .layout = layout, .isa = UINT32_MAX
    };
}

static void generate_page(unsigned start)
{
    struct gen_request request = request_at(start);

    ck_assert(generate(&request));
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

/* ---- Forms for CPL 0 ------------------------------------------------------------------------------ */

static const struct gen_layout cpl0_layout = {
    .fs_base = 0x10,
    .exit_direct = 0x20,
    .exit_indirect = 0x28,
    .call_out = 0x30,
    .eflags = 0x38,
    .attention = 0x3c,
    .if_clear = 0x40,
    .if_set = 0x48,
    .after_sti = 0x50,
    .selector = { 0x60, 0x62, 0x64, 0x66, 0x68, 0x6a },
    .load_segment = { 0x70, [3] = 0x78, [4] = 0x80, [5] = 0x88 },
    .pop_segment = { 0x90, [3] = 0x98, [4] = 0xa0, [5] = 0xa8 },
};

static const struct {
    struct form form;
    unsigned restart; /* host instructions before the first after which it cannot begin anew */
    unsigned hole;    /* the one before which it cannot, though it is one of these; 0: none */
} cpl0_forms[] = {
    { { "push fs",
        2,
        { 0x0f, 0xa0 },
        "movzx r8d, word ptr [r15 + 0x68]; mov dword ptr [r14 + r13 - 4], r8d; "
        "lea r14d, [r14 - 4]" },
      2,
      0 },
    { { "push cs",
        1,
        { 0x0e },
        "movzx r8d, word ptr [r15 + 0x62]; mov dword ptr [r14 + r13 - 4], r8d; "
        "lea r14d, [r14 - 4]" },
      2,
      0 },
    { { "mov eax, ds", 2, { 0x8c, 0xd8 }, "movzx eax, word ptr [r15 + 0x66]" }, 0, 0 },
    { { "mov esp, ss", 2, { 0x8c, 0xd4 }, "movzx r14d, word ptr [r15 + 0x64]" }, 0, 0 },
    { { "pushf",
        1,
        { 0x9c },
        "pushfq; pop r8; mov r9d, dword ptr [r15 + 0x38]; lea r8d, [r8 + r9 - 0x202]; "
        "mov dword ptr [r14 + r13 - 4], r8d; lea r14d, [r14 - 4]" },
      5,
      1 },
    { { "popf",
        1,
        { 0x9d },
        "mov r8d, dword ptr [r14 + r13]; mov r9d, r8d; xor r9d, dword ptr [r15 + 0x38]; "
        "test r9d, 0x3c7500; jne 0x4b; test r8d, 0x200; je 0x24; "
        "cmp byte ptr [r15 + 0x3c], 0; jne 0x4b; and r9d, 0x200; "
        "xor dword ptr [r15 + 0x38], r9d; lea r14d, [r14 + 4]; mov r10d, eax; mov eax, r8d; "
        "bt r8d, 0xb; mov ah, al; setb al; add al, 0x7f; sahf; mov eax, r10d; jmp 0x55; "
        "mov r8d, 0; call qword ptr [r15 + 0x30]" },
      0,
      0 },
    { { "cli",
        1,
        { 0xfa },
        "movzx r8d, byte ptr [r15 + 0x39]; mov r9, qword ptr [r15 + 0x40]; "
        "movzx r8d, byte ptr [r9 + r8]; mov byte ptr [r15 + 0x39], r8b" },
      3,
      0 },
    { { "sti",
        1,
        { 0xfb },
        "mov r9, rcx; movzx ecx, byte ptr [r15 + 0x3c]; jrcxz 0x19; mov rcx, r9; mov r8d, 0; "
        "call qword ptr [r15 + 0x30]; jmp 0x36; mov rcx, r9; "
        "mov dword ptr [r15 + 0x50], 0x100001; movzx r8d, byte ptr [r15 + 0x39]; "
        "mov r9, qword ptr [r15 + 0x48]; movzx r8d, byte ptr [r9 + r8]; "
        "mov byte ptr [r15 + 0x39], r8b" },
      1,
      0 },
    { { "mov ds, eax", 2, { 0x8e, 0xd8 }, "mov r9d, eax; mov r8d, 0; call qword ptr [r15 + 0x78]" }, 2, 0 },
    { { "mov fs, sp", 3, { 0x66, 0x8e, 0xe4 }, "mov r9d, r14d; mov r8d, 0; call qword ptr [r15 + 0x80]" },
      2,
      0 },
    { { "mov gs, [ecx]",
        2,
        { 0x8e, 0x29 },
        "movzx r9d, word ptr gs:[ecx]; mov r8d, 0; call qword ptr [r15 + 0x88]" },
      2,
      0 },
    { { "pop es", 1, { 0x07 }, "mov r9d, dword ptr [r14 + r13]; mov r8d, 0; call qword ptr [r15 + 0x90]" },
      2,
      0 },
    { { "mov ss, eax is a call-out", 2, { 0x8e, 0xd0 }, "mov r8d, 0; call qword ptr [r15 + 0x30]" }, 1, 0 },
    { { "pop ds of 16 bits, too", 2, { 0x66, 0x1f }, "mov r8d, 0; call qword ptr [r15 + 0x30]" }, 1, 0 },
    { { "rdtsc", 2, { 0x0f, 0x31 }, "rdtsc" }, 0, 0 },
    { { "mov ax, ds is a call-out", 3, { 0x66, 0x8c, 0xd8 }, "mov r8d, 0; call qword ptr [r15 + 0x30]" },
      1,
      0 },
    { { "a store of a selector, too", 2, { 0x8c, 0x18 }, "mov r8d, 0; call qword ptr [r15 + 0x30]" }, 1, 0 },
    { { "pushf of 16 bits, too", 2, { 0x66, 0x9c }, "mov r8d, 0; call qword ptr [r15 + 0x30]" }, 1, 0 },
};

/* Instructions of the listing. */
static unsigned count_listed(unsigned from, unsigned to)
{
    const char *text = from < to ? listing(from, to) : "";
    unsigned count = *text != 0;

    for (; *text; text++)
        count += *text == ';';
    return count;
}

START_TEST(cpl0_form_is_written)
{
    const struct form *form = &cpl0_forms[_i].form;
    struct gen_request request = request_at(0);
    const struct gen_insn *insn = &result.insn[0];
    const char *text;

    fill_page(0, form->bytes, form->size);
    request.layout = cpl0_layout;
    request.cpl0 = request.segment_loads = request.tsc_native = true;
    ck_assert(generate(&request));
    text = listing(insn->host, host_end(0));
    ck_assert_msg(strcmp(text, form->text) == 0, "%s:\n  is       \"%s\"\n  expected \"%s\"", form->name,
                  text, form->text);
    ck_assert_uint_eq(count_listed(insn->host, insn->restart), cpl0_forms[_i].restart);
    ck_assert_uint_eq(count_listed(insn->host, insn->host + insn->hole), cpl0_forms[_i].hole);
}
END_TEST

START_TEST(an_instruction_apart_is_a_call_out)
{
    static const uint8_t bytes[] = { 0x8b, 0x03, 0x89, 0x03, 0xeb, 0x00, 0xc3 }; /* two moves, jmp, ret */
    static const uint64_t apart[GEN_PAGE_SIZE / 64] = { 1 << 2 | 1 << 4 };
    struct gen_request request = request_at(0);

    fill_page(0, bytes, sizeof(bytes));
    request.apart = apart;
    ck_assert(generate(&request));
    ck_assert_uint_eq(result.call_out_count, 1); /* not the branch */
    ck_assert_uint_eq(result.call_out[0].insn, 1);
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

/* The second jump to what is for all return sites goes by the first one's, if that is near. */
START_TEST(near_return_sites_share_a_jump)
{
    static const uint8_t call[] = { 0xe8, 0x00, 0x20, 0x00, 0x00 };
    static const uint8_t rel32 = 0xe9, rel8 = 0xeb;
    enum { CALLS = 24, HOPS_MAX = 8 };
    struct gen_request request = request_at(0);
    unsigned hops = 0;

    for (unsigned n = 0; n < CALLS; n++)
        memcpy(page + n * sizeof(call), call, sizeof(call));
    page[CALLS * sizeof(call)] = 0xc3;
    ck_assert(generate(&request));
    for (unsigned n = 0, before = 0; n < CALLS; n++) {
        unsigned end = host_end(n), near = end - 3 - 2; /* behind it: mov ecx, r9d */
        bool is_near = n % HOPS_MAX != 0;

        hops = is_near ? hops + 1 : 0;
        ck_assert_uint_eq(result.code[is_near ? near : end - 3 - 5], is_near ? rel8 : rel32);
        if (is_near)
            ck_assert_int_eq(near + 2 + (int8_t)result.code[near + 1], before);
        before = is_near ? near : end - 3 - 5;
        ck_assert_uint_lt(hops, HOPS_MAX);
    }
}
END_TEST

/* ---- Beginning anew ------------------------------------------------------------------------------ */

/* Up to which host instruction an instruction may begin anew. */
static const struct {
    const char *name;
    uint8_t size, bytes[8];
    unsigned restart;
} restarts[] = {
    { "add to memory: there is but one", 2, { 0x01, 0x03 }, 0 },
    { "by FS: the access", 3, { 0x64, 0x01, 0x03 }, 2 },
    { "push: the store may be done again", 1, { 0x50 }, 1 },
    { "push of memory: it may change the operand", 2, { 0xff, 0x33 }, 1 },
    { "pop: the load may be done again", 1, { 0x5b }, 1 },
    { "pop esp: it may not", 1, { 0x5c }, 0 },
    { "pop to memory: it may change what was popped", 2, { 0x8f, 0x03 }, 1 },
    { "leave: before ESP", 1, { 0xc9 }, 1 },
    { "call: before ESP", 5, { 0xe8, 0x00, 0x20, 0x00, 0x00 }, 1 },
    { "call by a register: before ESP", 2, { 0xff, 0xd0 }, 2 },
    { "call by memory: the store may change it", 2, { 0xff, 0x13 }, 1 },
    { "ret: before ESP", 1, { 0xc3 }, 2 },
    { "movsd: once", 1, { 0xa5 }, 2 },
    { "rep movsd: done to the end, it does nothing", 2, { 0xf3, 0xa5 }, 4 },
    { "rep stosd", 2, { 0xf3, 0xab }, 2 },
    { "rep lodsd", 2, { 0xf3, 0xad }, 2 },
    { "repne scasb: it may have ended early", 2, { 0xf2, 0xae }, 1 },
    { "repe cmpsb", 2, { 0xf3, 0xa6 }, 2 },
    { "loop: before ECX", 2, { 0xe2, 0x20 }, 0 },
    { "call-out: the call", 1, { 0xfa }, 1 },
    { "call-out of what had a form but for AH", 3, { 0x64, 0x02, 0x23 }, 1 },
    { "ah by esp: before the helper's register", 4, { 0x8a, 0x64, 0x24, 0x04 }, 2 },
};

START_TEST(restart_is_before_the_first_change)
{
    unsigned before;

    fill_page(0, restarts[_i].bytes, restarts[_i].size);
    generate_page(0);
    before = count_listed(0, result.insn[0].restart);
    ck_assert_msg(before == restarts[_i].restart, "%s: %u", restarts[_i].name, before);
}
END_TEST

/* ---- Stretches ----------------------------------------------------------------------------------- */

static const struct gen_insn *insn_at(unsigned guest)
{
    for (unsigned n = 0; n < result.insn_count; n++)
        if (result.insn[n].guest == guest)
            return &result.insn[n];
    return NULL;
}

static bool has_exit(unsigned kind, uint32_t target)
{
    for (unsigned n = 0; n < result.exit_count; n++)
        if (result.exit[n].kind == kind && result.exit[n].target == target)
            return true;
    return false;
}

/* Where the branch that ends the code of an instruction leads: two bytes with a rel8, or a rel32. */
static unsigned target_of(unsigned i)
{
    int32_t distance;
    unsigned end = host_end(i);

    if (end - result.insn[i].host == 2)
        return end + (unsigned)(int8_t)result.code[end - 1];
    memcpy(&distance, result.code + end - 4, sizeof(distance));
    return end + (unsigned)distance;
}

static bool is_short(unsigned i)
{
    return host_end(i) - result.insn[i].host == 2;
}

START_TEST(branch_inside_goes_there)
{
    /* 0: dec ecx; 1: je 5; 3: jne 0; 5: ret */
    fill_page(0, (const uint8_t[]){ 0x49, 0x74, 0x02, 0x75, 0xfb, 0xc3 }, 6);
    generate_page(0);
    ck_assert_uint_eq(result.insn_count, 4);
    ck_assert_uint_eq(result.exit_count, 0);
    ck_assert_uint_eq(target_of(1), insn_at(5)->host);
    ck_assert_uint_eq(target_of(2), insn_at(0)->host);
    ck_assert(is_short(1) && is_short(2));
}
END_TEST

/* Near in the guest, and too far in host code: a guess that is wrong. */
START_TEST(branch_that_is_too_far_is_long)
{
    unsigned n = 0;
    page[n++] = 0x74, page[n++] = 20; /* je 22 */
    for (; n < 22; n += 5)
        memcpy(page + n, (const uint8_t[]){ 0xe8, 0, 0x10, 0, 0 }, 5); /* call */
    page[n++] = 0xc3;
    generate_page(0);
    ck_assert(!is_short(0));
    ck_assert_uint_eq(target_of(0), insn_at(22)->host);
}
END_TEST

/* ... or not in the stretch at all, since something else is known to be there. */
START_TEST(branch_to_what_is_known_is_long)
{
    uint64_t some[GEN_PAGE_SIZE / 64] = { 1 << 5 };
    struct gen_request request = request_at(0);

    fill_page(0, (const uint8_t[]){ 0x74, 0x03, 0x90, 0x90, 0xc3, 0xc3 }, 6); /* je 5; nop; nop; ret; ret */
    request.known = some;
    ck_assert(generate(&request));
    ck_assert(!is_short(0) && has_exit(GEN_EXIT_BRANCH, PAGE_AT + 5));
}
END_TEST

START_TEST(call_inside_goes_there)
{
    /* 0: jmp 3; 2: ret; 3: call 2; 8: call 0 */
    fill_page(
        0, (const uint8_t[]){ 0xeb, 0x01, 0xc3, 0xe8, 0xfa, 0xff, 0xff, 0xff, 0xe8, 0xf3, 0xff, 0xff, 0xff },
        13);
    generate_page(0);
    ck_assert_ptr_null(insn_at(2));
    ck_assert(has_exit(GEN_EXIT_CALL, PAGE_AT + 2));
    ck_assert(!has_exit(GEN_EXIT_CALL, PAGE_AT));
    ck_assert_uint_eq(result.exit_count, 1);
}
END_TEST

START_TEST(branch_into_an_instruction_is_an_exit)
{
    /* 0: je 3, inside of mov */
    fill_page(0, (const uint8_t[]){ 0x74, 0x01, 0xb8, 0x90, 0x90, 0x90, 0x90 }, 7);
    generate_page(0);
    ck_assert_ptr_null(insn_at(3));
    ck_assert(has_exit(GEN_EXIT_BRANCH, PAGE_AT + 3));
}
END_TEST

START_TEST(line_goes_on_where_a_branch_leads_near)
{
    /* 10h: je 20h; 12h: jne 112h; 14h: ret. 20h and 112h are near enough, one after the other; what is
     * between is not wanted. */
    fill_page(0x10, (const uint8_t[]){ 0x74, 0x0e, 0x0f, 0x85, 0xfa, 0x00, 0x00, 0x00, 0xc3 }, 9);
    generate_page(0x10);
    ck_assert_ptr_nonnull(insn_at(0x20));
    ck_assert_ptr_nonnull(insn_at(0x112));
    ck_assert_ptr_null(insn_at(0x19));
    ck_assert_uint_eq(result.insn_count, 5);
    ck_assert_uint_eq(result.guest_end, 0x113);
    ck_assert_uint_eq(result.exit_count, 0);
}
END_TEST

START_TEST(line_does_not_go_on_far_away)
{
    /* 0: je 107h, 256 bytes from the end of the line */
    fill_page(0, (const uint8_t[]){ 0x0f, 0x84, 0x01, 0x01, 0x00, 0x00, 0xc3 }, 7);
    generate_page(0);
    ck_assert_uint_eq(result.insn_count, 2);
    ck_assert(has_exit(GEN_EXIT_BRANCH, PAGE_AT + 0x107));
    ck_assert_uint_eq(result.guest_end, 7);
}
END_TEST

START_TEST(line_ends_at_known_code)
{
    uint64_t known[GEN_PAGE_SIZE / 64] = { [0] = UINT64_C(1) << 0x10 | UINT64_C(1) << 0x12 };
    struct gen_request request = request_at(0x10);

    fill_page(0x10, (const uint8_t[]){ 0x31, 0xc0, 0x31, 0xc0 }, 4);
    request.known = known;
    ck_assert(generate(&request));
    ck_assert_uint_eq(result.insn_count, 1);
    ck_assert(has_exit(GEN_EXIT_JUMP, PAGE_AT + 0x12));
}
END_TEST

START_TEST(line_ends_with_the_page)
{
    fill_page(GEN_PAGE_SIZE - 2, (const uint8_t[]){ 0x31, 0xc0 }, 2);
    generate_page(GEN_PAGE_SIZE - 2);
    ck_assert_uint_eq(result.insn_count, 1);
    ck_assert(has_exit(GEN_EXIT_JUMP, PAGE_AT + GEN_PAGE_SIZE));
    ck_assert_uint_eq(result.guest_end, GEN_PAGE_SIZE);
}
END_TEST

START_TEST(instruction_across_the_page_is_not_translated)
{
    struct gen_request request = request_at(GEN_PAGE_SIZE - 4);

    fill_page(GEN_PAGE_SIZE - 5, (const uint8_t[]){ 0x90, 0xb8, 0x90, 0x90, 0x90 }, 5);
    ck_assert(!generate(&request));
    generate_page(GEN_PAGE_SIZE - 5);
    ck_assert_uint_eq(result.insn_count, 1);
    ck_assert(has_exit(GEN_EXIT_JUMP, PAGE_AT + GEN_PAGE_SIZE - 4));
    ck_assert_uint_eq(result.guest_end, GEN_PAGE_SIZE);
}
END_TEST

/* A branch leads to an instruction that does not fit: an exit, and no line. */
START_TEST(line_does_not_begin_across_the_page)
{
    fill_page(GEN_PAGE_SIZE - 5, (const uint8_t[]){ 0x74, 0x01, 0xc3, 0xb8, 0x90 }, 5);
    generate_page(GEN_PAGE_SIZE - 5);
    ck_assert_uint_eq(result.insn_count, 2);
    ck_assert(has_exit(GEN_EXIT_BRANCH, PAGE_AT + GEN_PAGE_SIZE - 2));
}
END_TEST

/* Instructions that fill a table or the code: the stretch ends in time and goes on by a jump. */
static const struct {
    const char *name;
    uint8_t size, bytes[15];
} fillers[] = {
    { "nothing", 1, { 0x90 } },
    { "exits", 6, { 0x0f, 0x84, 0x00, 0x20, 0x00, 0x00 } },
    { "calls", 5, { 0xe8, 0x00, 0x20, 0x00, 0x00 } },
    { "calls by memory with FS, long", 9, { 0x64, 0x64, 0xff, 0x94, 0x8b, 0x00, 0x10, 0x00, 0x00 } },
    { "call-outs", 1, { 0xfa } },
    { "loops", 2, { 0xe2, 0x7f } },
    { "pushes of memory with FS", 8, { 0x64, 0xff, 0xb4, 0x8b, 0x00, 0x10, 0x00, 0x00 } },
    { "jumps to what follows", 2, { 0xeb, 0x00 } },
};

START_TEST(stretch_ends_at_its_limits)
{
    unsigned count, end;

    for (unsigned at = 0; at < GEN_PAGE_SIZE; at++)
        page[at] = fillers[_i].bytes[at % fillers[_i].size];
    generate_page(0);
    count = result.insn_count;
    end = result.insn[count - 1].guest + fillers[_i].size;
    ck_assert_msg(count > 100 && count <= GEN_INSNS_MAX && result.exit_count <= GEN_EXITS_MAX &&
                      result.call_out_count <= GEN_CALL_OUTS_MAX && result.code_size <= GEN_CODE_MAX,
                  "%s: %u instructions, %u exits, %u bytes", fillers[_i].name, count, result.exit_count,
                  (unsigned)result.code_size);
    ck_assert_msg(has_exit(GEN_EXIT_JUMP, PAGE_AT + end), "%s", fillers[_i].name);
}
END_TEST

/* Each conditional branch out of the page is followed by known code, to which it falls through: two exits for
 * one. */
START_TEST(exits_of_short_lines_fit)
{
    uint64_t known[GEN_PAGE_SIZE / 64] = { 0 };
    struct gen_request request = request_at(0);

    for (unsigned at = 0; at < GEN_PAGE_SIZE - 16;
         at += 11) { /* je over the known byte; je out; known: ret */
        memcpy(page + at,
               (const uint8_t[]){ 0x74, 0x09, 0x0f, 0x84, 0x00, 0x20, 0x00, 0x00, 0x90, 0x90, 0xc3 }, 11);
        known[(at + 8) / 64] |= UINT64_C(1) << (at + 8) % 64;
    }
    request.known = known;
    ck_assert(generate(&request));
    ck_assert_uint_gt(result.exit_count, 160); /* the third is the branch over them */
    ck_assert_uint_le(result.exit_count, GEN_EXITS_MAX);
}
END_TEST

static bool is_called_out(unsigned i)
{
    return strstr(listing(result.insn[i].host, host_end(i)), "call qword ptr [r15 + 0x30]") != NULL;
}

START_TEST(what_the_processor_lacks_is_called_out)
{
    struct gen_request request = request_at(0);

    fill_page(0, (const uint8_t[]){ 0x0f, 0x44, 0xc3 }, 3);
    request.isa = UINT32_MAX & ~(1u << X86_ISA_CMOV);
    ck_assert(generate(&request));
    ck_assert(is_called_out(0));
    ck_assert_uint_eq(result.call_out_count, 1);
}
END_TEST

START_TEST(invalid_instruction_ends_the_line)
{
    fill_page(0, (const uint8_t[]){ 0x0f, 0x0b, 0x31, 0xc0 }, 4);
    generate_page(0);
    ck_assert_uint_eq(result.insn_count, 1);
    ck_assert(is_called_out(0));
    ck_assert_uint_eq(result.exit_count, 0);
}
END_TEST

START_TEST(too_long_instruction_is_called_out)
{
    uint8_t prefixes[20];

    memset(prefixes, 0x3e, sizeof(prefixes));
    fill_page(0, prefixes, sizeof(prefixes));
    generate_page(0);
    ck_assert_uint_eq(result.insn_count, 1);
    ck_assert(is_called_out(0));
    ck_assert_uint_eq(result.guest_end, 15);
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
    tcase_add_test(tc, an_instruction_apart_is_a_call_out);
    tcase_add_loop_test(tc, cpl0_form_is_written, 0, ARRAY_SIZE(cpl0_forms));
    tcase_add_loop_test(tc, loose_return_site_needs_dead_flags, 0, ARRAY_SIZE(behind_calls));
    tcase_add_test(tc, near_return_sites_share_a_jump);
    tcase_add_loop_test(tc, return_site_keeps_flags, 0, ARRAY_SIZE(behind_calls));
    tcase_add_loop_test(tc, restart_is_before_the_first_change, 0, ARRAY_SIZE(restarts));
    tcase_add_test(tc, bit_number_wraps_with_the_address);
    suite_add_tcase(suite, tc);
    tc = tcase_create("stretches");
    tcase_add_test(tc, branch_inside_goes_there);
    tcase_add_test(tc, branch_that_is_too_far_is_long);
    tcase_add_test(tc, branch_to_what_is_known_is_long);
    tcase_add_test(tc, call_inside_goes_there);
    tcase_add_test(tc, branch_into_an_instruction_is_an_exit);
    tcase_add_test(tc, line_goes_on_where_a_branch_leads_near);
    tcase_add_test(tc, line_does_not_go_on_far_away);
    tcase_add_test(tc, line_ends_at_known_code);
    tcase_add_test(tc, line_ends_with_the_page);
    tcase_add_test(tc, instruction_across_the_page_is_not_translated);
    tcase_add_test(tc, line_does_not_begin_across_the_page);
    tcase_add_loop_test(tc, stretch_ends_at_its_limits, 0, ARRAY_SIZE(fillers));
    tcase_add_test(tc, exits_of_short_lines_fit);
    tcase_add_test(tc, what_the_processor_lacks_is_called_out);
    tcase_add_test(tc, invalid_instruction_ends_the_line);
    tcase_add_test(tc, too_long_instruction_is_called_out);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
