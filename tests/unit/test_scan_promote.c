/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Promotions on pages small enough to read: what a site becomes, the snippet it gets, what happens when
 * somebody jumps to what was displaced, and where the guest is inside of a snippet. That snippets do what
 * they should is test_scan_native.c's business.
 */
#define _GNU_SOURCE
#include "translator/scan.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

enum {
    ADDRESS = 0x08048000,
    WINDOW = 0x3f000000,
    SCRATCH = 0x3efff000,
    USER = SCAN_CODE32 | SCAN_CR4_OSFXSR | SCAN_GUARD_ESCAPE << SCAN_GUARD_SHIFT,
    SITES = 64,
    SHOWN = 24,
    EAX = 0,
    ECX,
    EDX,
    EBX,
    ESP,
};

struct bench {
    uint8_t original[SCAN_PAGE_SIZE], private_page[SCAN_PAGE_SIZE], snippets[SCAN_PAGE_SIZE];
    struct scan_site sites[SITES];
    struct scan_page page;
};

static struct bench bench, next;

static void open_bench(struct bench *b, uint32_t address, uint32_t bits)
{
    memset(b, 0, sizeof(*b));
    memset(b->original, 0xc3, SCAN_PAGE_SIZE);
    b->page = (struct scan_page){
        .original = b->original,
        .private_page = b->private_page,
        .sites = b->sites,
        .site_capacity = SITES,
        .address = address,
        .mode = { bits, ~0u },
        .snippets = b->snippets,
        .snippet_address = scan_snippet_place(address, WINDOW, 0),
        .scratch = SCRATCH,
        .turns_fpu = true,
    };
    scan_init(&b->page);
}

static void setup(void)
{
    open_bench(&bench, ADDRESS, USER);
    open_bench(&next, ADDRESS + SCAN_PAGE_SIZE, USER);
}

static void require_sound(const char *name)
{
    struct scan_fault fault = scan_check(&bench.page);

    ck_assert_msg(!fault.what, "%s: offset 0x%x: %s", name, fault.offset, fault.what);
}

static void scan(const void *code, size_t size)
{
    memcpy(bench.original, code, size);
    scan_from(&bench.page, 0);
    require_sound("scan");
}

static bool promote(unsigned offset)
{
    struct scan_change change;
    bool done = scan_promote(&bench.page, offset, &change);

    require_sound("promote");
    return done;
}

static enum scan_form form_at(unsigned offset)
{
    const struct scan_site *site = scan_site_at(&bench.page, offset);

    ck_assert_ptr_nonnull(site);
    return (enum scan_form)site->form;
}

/* ---- Doors --------------------------------------------------------------------------------------- */

enum { DOOR_SIZE = 18 };

/* mov eax, 4; int 80h; ret */
static const uint8_t call_kernel[] = { 0xb8, 4, 0, 0, 0, 0xcd, 0x80, 0xc3 };

static void open_door(void)
{
    bench.page.doors = true;
    scan(call_kernel, sizeof(call_kernel));
    ck_assert(promote(5));
}

/* Is there a door for the far jump at this offset of the snippets? */
static void require_door(unsigned at)
{
    const uint8_t rest[] = { 0x33, 0x00, 0x4c, 0x8d, 0x05, 0xf2, 0xff, 0xff, 0xff, 0x41, 0xff, 0x67, 8 };
    uint32_t target = bench.page.snippet_address + at + 7;

    ck_assert_uint_eq(bench.snippets[at], 0xea);
    ck_assert_mem_eq(bench.snippets + at + 1, &target, sizeof(target));
    ck_assert_mem_eq(bench.snippets + at + 5, rest, sizeof(rest));
}

START_TEST(a_system_call_leaves_by_a_door)
{
    const struct scan_jump *jump;
    struct scan_resume resume;

    open_door();
    ck_assert_int_eq(form_at(5), SCAN_FORM_JUMP);
    jump = &bench.page.jumps[0];
    ck_assert_uint_eq(jump->first, 0);
    ck_assert_uint_eq(jump->end, 7);
    ck_assert_mem_eq(bench.snippets + jump->snippet, call_kernel, 5);
    require_door(jump->snippet + 5u);
    ck_assert_uint_eq(jump->snippet_end, jump->snippet + 5u + DOOR_SIZE);
    /* At each of its three instructions the guest's is not done. */
    for (unsigned i = 0; i < 3; i++) {
        ck_assert(scan_snippet_resume(&bench.page, jump->snippet + 5u + 7 * i, &resume));
        ck_assert_uint_eq(resume.eip, ADDRESS + 5);
    }
    ck_assert(scan_is_door(&bench.page, 5));
    ck_assert(!scan_is_door(&bench.page, 0));
}
END_TEST

START_TEST(what_comes_behind_a_door_goes_on_in_the_snippet)
{
    static const uint8_t code[] = {
        0xcd, 0x80, 0x3d, 1, 0xf0, 0xff, 0xff, 0xc3
    }; /* int 80h; cmp eax, -4095; ret */
    unsigned at;

    bench.page.doors = true;
    scan(code, sizeof(code));
    ck_assert(promote(0));
    require_door(bench.page.jumps[0].snippet);
    ck_assert(scan_snippet_enter(&bench.page, 2, &at));
    ck_assert_uint_eq(bench.snippets[at], 0x3d);
}
END_TEST

/* Its handler goes on behind it; until one has, nothing is known there. */
START_TEST(ud2_has_a_door_with_what_its_handler_goes_on_with)
{
    /* ud2; sub eax, 1; jae 0 */
    static const uint8_t code[] = { 0x0f, 0x0b, 0x83, 0xe8, 1, 0x73, 0xf9, 0xc3 };
    unsigned at;

    bench.page.doors = true;
    scan(code, sizeof(code));
    ck_assert_int_eq(form_at(0), SCAN_FORM_INT3);
    ck_assert(!promote(0));
    scan_from(&bench.page, 2);
    ck_assert(promote(0));
    require_door(bench.page.jumps[0].snippet);
    ck_assert(scan_is_door(&bench.page, 0));
    ck_assert(scan_snippet_enter(&bench.page, 2, &at));
    ck_assert_uint_eq(bench.snippets[at], 0x83);
}
END_TEST

START_TEST(no_byte_of_a_door_leads_elsewhere)
{
    const struct scan_jump *jump;

    open_door();
    jump = &bench.page.jumps[0];
    for (unsigned i = 5; i < 5 + DOOR_SIZE; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            bench.snippets[jump->snippet + i] ^= (uint8_t)(1u << bit);
            ck_assert_msg(scan_check(&bench.page).what, "byte %u, bit %u", i, bit);
            bench.snippets[jump->snippet + i] ^= (uint8_t)(1u << bit);
        }
    }
    require_sound("as it was");
    /* Nor may there be one where nobody goes through it, or in a page that has none. */
    bench.page.doors = false;
    ck_assert(scan_check(&bench.page).what);
    bench.page.doors = true;
    memcpy(bench.private_page + 0x800, bench.snippets + jump->snippet + 5, DOOR_SIZE);
    ck_assert(scan_check(&bench.page).what);
}
END_TEST

START_TEST(a_door_must_stand_for_what_may_not_run)
{
    open_door();
    for (unsigned i = 0; i < bench.page.step_count; i++)
        if (bench.page.steps[i].eip == ADDRESS + 5)
            bench.page.steps[i].eip = ADDRESS;
    ck_assert(scan_check(&bench.page).what);
}
END_TEST

START_TEST(with_the_guard_of_all_segment_loads_there_are_no_doors)
{
    open_bench(&bench, ADDRESS, SCAN_CODE32 | SCAN_GUARD_STATE << SCAN_GUARD_SHIFT);
    bench.page.doors = true;
    scan(call_kernel, sizeof(call_kernel));
    ck_assert(!promote(5));
}
END_TEST

/* ---- Rows: an instruction at 0, a site, and the code it becomes up to the jump back -------------- */

struct row {
    const char *name;
    uint8_t original[SHOWN];
    uint8_t site;
    uint8_t snippet[48];
    uint8_t snippet_size; /* 0: no promotion */
    uint8_t taken;        /* bytes of the page that became the promotion */
};

/* clang-format off */
#define SAVE(modrm)    0x26, 0x89, modrm, 0x00, 0xf0, 0xff, 0x3e
#define RESTORE(modrm) 0x26, 0x8b, modrm, 0x00, 0xf0, 0xff, 0x3e
static const struct row rows[] = {
    { "a constant in two parts", { 0xb9, 0xcb, 1, 2, 3, 0xc3 }, 0,
      { 0xb9, 0x8b, 1, 2, 3, 0x8d, 0x49, 0x40 }, 8, 5 },
    { "by the byte that is bad", { 0xb8, 0x11, 0xcb, 0x11, 0x11, 0xc3 }, 0,
      { 0xb8, 0x11, 0xcc, 0x11, 0x11, 0x8d, 0x80, 0x00, 0xff, 0xff, 0xff }, 11, 5 },
    { "an address in two parts", { 0x8d, 0x83, 0xca, 0x11, 0xfe, 0xff, 0xc3 }, 0,
      { 0x8d, 0x83, 0x8a, 0x11, 0xfe, 0xff, 0x8d, 0x40, 0x40 }, 9, 6 },
    { "a base is moved and moved back", { 0x8b, 0x83, 0xca, 0x11, 0xfe, 0xff, 0xc3 }, 0,
      { 0x8d, 0x5b, 0x40, 0x8b, 0x83, 0x8a, 0x11, 0xfe, 0xff, 0x8d, 0x5b, 0xc0 }, 12, 6 },
    { "a base that is loaded is not moved back", { 0x8b, 0x9b, 0xca, 0x11, 0xfe, 0xff, 0xc3 }, 0,
      { 0x8d, 0x5b, 0x40, 0x8b, 0x9b, 0x8a, 0x11, 0xfe, 0xff }, 9, 6 },
    { "other registers", { 0x81, 0xca, 1, 2, 3, 4, 0xc3 }, 0,
      { 0x92, 0x81, 0xc8, 1, 2, 3, 4, 0x92 }, 8, 6 },
    { "with a neighbour behind it", { 0x0f, 0xca, 0x05, 1, 2, 3, 4, 0xc3 }, 0,
      { 0x92, 0x0f, 0xc8, 0x92, 0x05, 1, 2, 3, 4 }, 9, 7 },
    { "with a neighbour before it", { 0x05, 1, 2, 3, 4, 0x0f, 0xcb, 0xc3 }, 5,
      { 0x05, 1, 2, 3, 4, 0x93, 0x0f, 0xc8, 0x93 }, 9, 7 },
    { "with both", { 0x43, 0x0f, 0xca, 0x83, 0xc0, 0x01, 0xc3 }, 1,
      { 0x92, 0x0f, 0xc8, 0x92, 0x83, 0xc0, 0x01 }, 7, 5 },
    { "harmless somewhere else", { 0x05, 1, 2, 3, 0xff, 0x2b, 0x03, 0xc3 }, 0,
      { 0x05, 1, 2, 3, 0xff }, 5, 5 },
    { "an absolute address", { 0x8b, 0x15, 0xcb, 0x10, 0x04, 0x08, 0xc3 }, 0,
      { SAVE(0x05), 0x8d, 0x05, 0x8b, 0x10, 0x04, 0x08, 0x8b, 0x50, 0x40, RESTORE(0x05) }, 23, 6 },
    { "a constant to compare with", { 0x3d, 0xcb, 1, 2, 3, 0xc3 }, 0,
      { SAVE(0x0d), 0xb9, 0x8b, 1, 2, 3, 0x8d, 0x49, 0x40, 0x39, 0xc8, RESTORE(0x0d) }, 24, 5 },
    { "a factor", { 0x69, 0xc1, 0xcb, 1, 2, 3, 0xc3 }, 0,
      { SAVE(0x15), 0xba, 0x8b, 1, 2, 3, 0x8d, 0x52, 0x40, 0x0f, 0xaf, 0xd1, 0x92, RESTORE(0x15) }, 26, 6 },
    { "a vector operand", { 0x66, 0x0f, 0x74, 0xca, 0x05, 1, 2, 3, 4, 0xc3 }, 0,
      { 0x26, 0x0f, 0x11, 0x15, 0x10, 0xf0, 0xff, 0x3e, 0x26, 0x66, 0x0f, 0x74, 0x0d, 0x10, 0xf0, 0xff, 0x3e,
        0x05, 1, 2, 3, 4 }, 22, 9 },
    { "fxch st(2)", { 0xd9, 0xca, 0x05, 1, 2, 3, 4, 0xc3 }, 0,
      { 0xd9, 0xf7, 0xd9, 0xf7, 0xd9, 0xce, 0xd9, 0xf6, 0xd9, 0xf6, 0x05, 1, 2, 3, 4 }, 15, 7 },
    { "fmulp st(7), st(0)", { 0xde, 0xcf, 0x05, 1, 2, 3, 4, 0xc3 }, 0,
      { 0xd9, 0xf6, 0xd8, 0xc9, 0xd9, 0xf7, 0xdd, 0xc0, 0xd9, 0xf7, 0x05, 1, 2, 3, 4 }, 15, 7 },
    { "fcmovne st(0), st(2) has no other form", { 0xdb, 0xca, 0x05, 1, 2, 3, 4, 0xc3 }, 0, { 0 }, 0, 0 },
    { "alone it is too short", { 0x0f, 0xca, 0xc3 }, 0, { 0 }, 0, 0 },
    { "what is branched to is not displaced", { 0x0f, 0xca, 0x05, 1, 2, 3, 4, 0xeb, 0xf9 }, 0, { 0 }, 0, 0 },
};
#undef SAVE
#undef RESTORE
/* clang-format on */

static void print_bytes(const char *what, const uint8_t *bytes, unsigned count)
{
    fprintf(stderr, "%-9s", what);
    for (unsigned i = 0; i < count; i++)
        fprintf(stderr, " %02x", bytes[i]);
    fputc('\n', stderr);
}

/* Behind the equivalent the snippet jumps to what follows in the page. */
static bool leads_back(const struct scan_jump *jump, unsigned size)
{
    const uint8_t *at = bench.snippets + jump->snippet + size;
    uint32_t relative;

    memcpy(&relative, at + 1, sizeof(relative));
    return jump->snippet_end == jump->snippet + size + 5 && *at == 0xe9 &&
           bench.page.snippet_address + jump->snippet_end + relative == (uint32_t)ADDRESS + jump->end;
}

START_TEST(promotes_row)
{
    const struct row *row = &rows[_i];
    const struct scan_jump *jump = &bench.page.jumps[0];
    uint8_t before[SCAN_PAGE_SIZE];

    scan(row->original, SHOWN);
    memcpy(before, bench.private_page, SCAN_PAGE_SIZE);
    ck_assert_msg(promote(row->site) == (row->snippet_size > 0), "%s", row->name);
    if (!row->snippet_size) {
        ck_assert_mem_eq(before, bench.private_page, SCAN_PAGE_SIZE);
        return;
    }
    ck_assert_msg(form_at(row->site) == SCAN_FORM_JUMP, "%s", row->name);
    ck_assert_msg(jump->end - jump->first == row->taken, "%s: %u bytes", row->name, jump->end - jump->first);
    if (memcmp(bench.snippets + jump->snippet, row->snippet, row->snippet_size) ||
        !leads_back(jump, row->snippet_size)) {
        print_bytes("snippet", bench.snippets + jump->snippet, jump->snippet_end - jump->snippet);
        print_bytes("expected", row->snippet, row->snippet_size);
        ck_abort_msg("%s", row->name);
    }
}
END_TEST

/* ---- Branches ------------------------------------------------------------------------------------ */

START_TEST(a_long_branch_keeps_its_opcode)
{
    static const struct {
        const char *name;
        uint8_t code[6], rel;
    } branches[] = {
        { "call", { 0xe8, 0x11, 0xcb, 0x01, 0x00 }, 1 },
        { "jmp", { 0xe9, 0x11, 0xcb, 0x01, 0x00 }, 1 },
        { "jne", { 0x0f, 0x85, 0x11, 0xcb, 0x01, 0x00 }, 2 },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(branches); i++) {
        const struct scan_jump *jump = &bench.page.jumps[0];
        const unsigned rel = branches[i].rel;
        struct scan_resume resume;
        uint32_t to, onward;

        setup();
        scan(branches[i].code, sizeof(branches[i].code));
        ck_assert_msg(promote(0), "%s", branches[i].name);
        ck_assert_uint_eq(form_at(0), SCAN_FORM_BRANCH);
        ck_assert_mem_eq(bench.private_page, branches[i].code, rel);
        memcpy(&to, bench.private_page + rel, sizeof(to));
        ck_assert_uint_eq(ADDRESS + rel + 4 + to, bench.page.snippet_address + jump->snippet);
        ck_assert_uint_eq(bench.snippets[jump->snippet], 0xe9);
        memcpy(&onward, bench.snippets + jump->snippet + 1, sizeof(onward));
        ck_assert_uint_eq(bench.page.snippet_address + jump->snippet_end + onward,
                          ADDRESS + rel + 4 + 0x1cb11);
        /* There the branch is done. */
        ck_assert(scan_snippet_resume(&bench.page, jump->snippet, &resume));
        ck_assert_uint_eq(resume.eip, ADDRESS + rel + 4 + 0x1cb11);
    }
}
END_TEST

START_TEST(a_short_branch_back_to_the_snippet_stays_in_it)
{
    const struct scan_jump *jump = &bench.page.jumps[0];
    /* The target, 51 bytes of a loop, and jne with a displacement of -53. */
    uint8_t code[64];
    uint32_t relative;

    memset(code, 0x90, sizeof(code));
    memcpy(code, "\x05\x01\x02\x03\x04", 5);
    memcpy(code + 46, "\x05\x01\x02\x03\x04\x75\xcb\xc3", 8);
    scan(code, sizeof(code));
    ck_assert(promote(51));
    ck_assert_uint_eq(jump->first, 46);
    ck_assert_uint_eq(jump->end, 53);
    ck_assert_mem_eq(bench.snippets + jump->snippet + 5, "\x0f\x85", 2);
    memcpy(&relative, bench.snippets + jump->snippet + 7, sizeof(relative));
    ck_assert_uint_eq(bench.page.snippet_address + jump->snippet + 11 + relative, ADDRESS);
}
END_TEST

START_TEST(a_displaced_call_pushes_the_return_address)
{
    const struct scan_jump *jump = &bench.page.jumps[0];

    scan("\x6a\xff\xe8\x28\x01\x00\x00\xc3", 8); /* push -1; call: FF E8, FF /5 of a register, is harmless */
    ck_assert_ptr_null(scan_site_at(&bench.page, 0));
    setup();
    scan("\x6a\xcb\xe8\x28\x01\x00\x00\xc3", 8);
    ck_assert(promote(0));
    ck_assert_uint_eq(jump->end, 7);
    ck_assert(memmem(bench.snippets + jump->snippet, 48, "\x68\x07\x80\x04\x08\xe9", 6));
}
END_TEST

/* ---- Where the guest is -------------------------------------------------------------------------- */

static struct scan_resume resume_at(unsigned offset)
{
    struct scan_resume resume;

    ck_assert(scan_snippet_resume(&bench.page, bench.page.jumps[0].snippet + offset, &resume));
    return resume;
}

START_TEST(exchanged_registers_are_exchanged_back)
{
    uint32_t regs[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    struct scan_resume resume;

    scan("\x81\xca\x01\x02\x03\x04\xc3", 7); /* xchg eax, edx; or eax, imm32; xchg eax, edx */
    promote(0);
    resume = resume_at(0);
    scan_resume_registers(&resume, regs, NULL);
    ck_assert_uint_eq(resume.eip, ADDRESS);
    ck_assert_uint_eq(regs[EAX], 1);
    resume = resume_at(1);
    scan_resume_registers(&resume, regs, NULL);
    ck_assert_uint_eq(resume.eip, ADDRESS);
    ck_assert_uint_eq(regs[EAX], 3);
    ck_assert_uint_eq(regs[EDX], 1);
    resume = resume_at(7);
    scan_resume_registers(&resume, regs, NULL);
    ck_assert_uint_eq(resume.eip, ADDRESS + 6);
    ck_assert_uint_eq(regs[EAX], 1);
    resume = resume_at(8); /* the jump back */
    ck_assert_uint_eq(resume.eip, ADDRESS + 6);
    ck_assert_uint_eq(resume.from[EAX], EAX);
    ck_assert(!scan_snippet_resume(&bench.page, bench.page.jumps[0].snippet + 2, &resume));
    ck_assert(!scan_snippet_resume(&bench.page, SCAN_PAGE_SIZE - 1, &resume));
}
END_TEST

START_TEST(a_moved_base_and_a_saved_register_come_back)
{
    uint32_t regs[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    const uint32_t scratch[SCAN_SCRATCH_SIZE / 4] = { 0x1234 };
    struct scan_resume resume;

    scan("\x8b\x83\xca\x11\xfe\xff\xc3", 7); /* lea ebx, [ebx + 64]; mov eax, ... */
    promote(0);
    resume = resume_at(3);
    scan_resume_registers(&resume, regs, scratch);
    ck_assert_uint_eq(resume.eip, ADDRESS);
    ck_assert_uint_eq(regs[EBX], 4u - 64);
    setup();
    scan("\x3d\xcb\x01\x02\x03\xc3", 6); /* mov es:[scratch], ecx; mov ecx, ... */
    promote(0);
    resume = resume_at(7);
    scan_resume_registers(&resume, regs, scratch);
    ck_assert_uint_eq(regs[ECX], 2);
    resume = resume_at(12);
    scan_resume_registers(&resume, regs, scratch);
    ck_assert_uint_eq(regs[ECX], 0x1234);
}
END_TEST

START_TEST(a_turned_x87_stack_is_turned_back)
{
    struct scan_resume resume;

    scan("\xde\xca\x05\x01\x02\x03\x04\xc3", 8); /* fincstp twice; fmul; fdecstp twice; ffree; fincstp */
    promote(0);
    for (unsigned i = 0; i < 3; i++) {
        resume = resume_at(2 * i);
        ck_assert_uint_eq(resume.eip, ADDRESS);
        ck_assert_uint_eq(resume.fpu_turn, (8 - i) % 8);
        ck_assert(!resume.fpu_pop);
    }
    resume = resume_at(6);
    ck_assert_uint_eq(resume.eip, ADDRESS + 2);
    ck_assert_uint_eq(resume.fpu_turn, 6);
    ck_assert(resume.fpu_pop);
    resume = resume_at(12); /* free already */
    ck_assert_uint_eq(resume.fpu_turn, 1);
    ck_assert(!resume.fpu_pop);
    resume = resume_at(14);
    ck_assert_uint_eq(resume.fpu_turn, 0);
    setup();
    bench.page.turns_fpu = false;
    scan("\xde\xca\x05\x01\x02\x03\x04\xc3", 8);
    ck_assert(!promote(0));
}
END_TEST

/* ---- Taking it back ------------------------------------------------------------------------------ */

START_TEST(who_jumps_to_a_displaced_instruction_takes_the_promotion_back)
{
    scan("\x0f\xca\x05\x01\x02\x03\x04\xc3", 8);
    scan_site_at(&bench.page, 0)->hits = 9;
    ck_assert(promote(0));
    ck_assert(scan_is_visible(&bench.page, 0) && !scan_is_visible(&bench.page, 2));
    scan_from(&bench.page, 0);
    ck_assert_uint_eq(form_at(0), SCAN_FORM_JUMP);
    scan_from(&bench.page, 2);
    require_sound("entered");
    ck_assert_uint_eq(form_at(0), SCAN_FORM_INT3);
    ck_assert_uint_eq(scan_site_at(&bench.page, 0)->hits, 0);
    ck_assert_mem_eq(bench.private_page, "\xcc\xcc\x05\x01\x02\x03\x04\xc3", 8);
    ck_assert(!promote(0)); /* now it is known to be branched to, and nothing else is near */
}
END_TEST

START_TEST(it_may_be_promoted_with_other_neighbours_later)
{
    const struct scan_jump *jump = &bench.page.jumps[1];

    scan("\x05\x01\x02\x03\x04\x0f\xca\x05\x01\x02\x03\x04\xc3", 13);
    ck_assert(promote(5));
    ck_assert_uint_eq(bench.page.jumps[0].first, 5);
    scan_from(&bench.page, 7);
    ck_assert(promote(5));
    ck_assert_uint_eq(jump->first, 0);
    ck_assert_uint_eq(jump->end, 7);
    ck_assert_uint_gt(jump->snippet, bench.page.jumps[0].snippet); /* somebody may be in the old one */
}
END_TEST

START_TEST(who_jumps_into_a_displaced_instruction_does_so_too)
{
    scan("\x0f\xca\x05\x40\x40\x40\x40\xc3", 8);
    ck_assert(promote(0));
    scan_from(&bench.page, 3);
    require_sound("entered");
    ck_assert_uint_eq(form_at(0), SCAN_FORM_INT3);
    ck_assert_mem_eq(bench.private_page + 2, "\x05\x40\x40\x40\x40\xc3", 6);
}
END_TEST

START_TEST(neighbouring_sites_are_promoted_together)
{
    scan("\x83\xca\x01\x83\xcb\x02\x05\x01\x02\x03\x04\xc3", 12);
    ck_assert(promote(0));
    ck_assert_uint_eq(form_at(0), SCAN_FORM_JUMP);
    ck_assert_uint_eq(form_at(3), SCAN_FORM_JUMP);
    ck_assert_uint_eq(bench.page.stats.forms[SCAN_FORM_JUMP], 2);
}
END_TEST

START_TEST(a_reset_empties_the_snippets)
{
    scan("\xb9\xcb\x01\x02\x03\xc3", 6);
    ck_assert(promote(0));
    scan_init(&bench.page);
    require_sound("reset");
    for (unsigned i = 0; i < SCAN_PAGE_SIZE; i++)
        ck_assert_uint_eq(bench.snippets[i], SCAN_TRAP_BYTE);
    ck_assert_uint_eq(bench.page.jump_count, 0);
}
END_TEST

/* ---- Limits -------------------------------------------------------------------------------------- */

START_TEST(what_is_not_hidden_is_not_promoted)
{
    struct scan_change change;

    scan("\xb8\x01\x02\x03\x04\x0f\xa2\xc3", 8);
    ck_assert(!promote(5)); /* cpuid */
    ck_assert(!promote(0));
    ck_assert(!promote(3));
    ck_assert(!scan_promote(&bench.page, SCAN_PAGE_SIZE + 5, &change));
}
END_TEST

/* C libraries are full of them; the guest's processor takes it for BSF, the host's does not. */
START_TEST(bsf_with_a_prefix_is_bsf_in_its_snippet)
{
    scan("\x31\xc9\xf3\x0f\xbc\xcf\x39\xce\xc3", 9); /* xor ecx, ecx; rep bsf ecx, edi; cmp esi, ecx; ret */
    ck_assert_int_eq(form_at(2), SCAN_FORM_INT3);
    ck_assert(promote(2));
    ck_assert_ptr_nonnull(memmem(bench.snippets, SCAN_PAGE_SIZE, "\x0f\xbc", 2));
    ck_assert_ptr_null(memmem(bench.snippets, SCAN_PAGE_SIZE, "\xf3\x0f\xbc", 3));
    /* Somebody jumps into its middle: the promotion goes, and it is no TZCNT then, either. */
    scan_from(&bench.page, 3);
    require_sound("taken back");
    ck_assert_int_eq(form_at(2), SCAN_FORM_INT3);
    ck_assert_ptr_null(memmem(bench.private_page, SCAN_PAGE_SIZE, "\xf3\x0f\xbc", 3));
}
END_TEST

/* What C libraries copy strings with: shr ecx, 1; jnc 5; movsb; shr ecx, 1; jnc 11; movsw; rep movsd; jmp -19
 */
static const uint8_t copy[] = { 0xd1, 0xe9, 0x73, 0x01, 0xa4, 0xd1, 0xe9, 0x73,
                                0x02, 0x66, 0xa5, 0xf3, 0xa5, 0xeb, 0xec };

static void open_copy(void)
{
    open_bench(&bench, ADDRESS, USER | SCAN_ES_AT_ZERO);
    bench.page.data_base = 0x40000000;
    scan(copy, sizeof(copy));
}

START_TEST(a_branch_over_an_instruction_goes_along)
{
    static const unsigned sites[] = { 4, 9, 11 };

    for (unsigned i = 0; i < ARRAY_SIZE(sites); i++) {
        open_copy();
        ck_assert_int_eq(form_at(sites[i]), SCAN_FORM_INT3);
        ck_assert(promote(sites[i]));
        ck_assert_int_eq(form_at(sites[i]), SCAN_FORM_JUMP);
    }
    /* All in one page; the branches lead to what is behind them in the snippet. */
    open_copy();
    for (unsigned i = 0; i < ARRAY_SIZE(sites); i++)
        ck_assert(form_at(sites[i]) == SCAN_FORM_JUMP || promote(sites[i]));
}
END_TEST

/* and eax, 3; rep movsd; mov ecx, eax; rep movsb; pop eax; mov edi, eax, to which others jump; ret */
START_TEST(two_sites_may_need_one_promotion)
{
    static const uint8_t code[] = { 0x83, 0xe0, 0x03, 0xf3, 0xa5, 0x89, 0xc1,
                                    0xf3, 0xa4, 0x58, 0x89, 0xc7, 0xc3 };

    open_bench(&bench, ADDRESS, USER | SCAN_ES_AT_ZERO);
    bench.page.data_base = 0x40000000;
    memcpy(bench.original + 0x100, "\xe9\x05\xff\xff\xff", 5); /* jmp 0ah */
    scan(code, sizeof(code));
    scan_from(&bench.page, 0x100);
    ck_assert(promote(3));
    ck_assert_int_eq(form_at(3), SCAN_FORM_JUMP);
    ck_assert_int_eq(form_at(7), SCAN_FORM_JUMP);
}
END_TEST

START_TEST(a_branch_from_elsewhere_meets_no_promotion)
{
    static const uint8_t code[] = {
        0x73, 0x01, 0x42, 0x83, 0xca, 0x01, 0xc3
    }; /* jnc 3; inc edx; or edx, 1; ret */

    scan(code, sizeof(code));
    ck_assert(promote(3));
    ck_assert_uint_eq(bench.page.jumps[0].first, 0);
    setup();
    memcpy(bench.original + 0x100, "\xe9\xfe\xfe\xff\xff", 5); /* jmp 3 */
    scan(code, sizeof(code));
    scan_from(&bench.page, 0x100);
    ck_assert(!promote(3));
}
END_TEST

/* A snippet's own branch must lead to where an instruction of its promotion begins. */
START_TEST(a_branch_into_a_snippet_is_looked_at)
{
    const struct scan_jump *jump;
    unsigned at;

    open_copy();
    ck_assert(promote(4));
    jump = &bench.page.jumps[0];
    for (at = jump->snippet; bench.snippets[at] != 0x0f || bench.snippets[at + 1] != 0x83; at++)
        ck_assert_uint_lt(at, jump->snippet_end);
    bench.snippets[at + 2]++;
    ck_assert(scan_check(&bench.page).what);
}
END_TEST

START_TEST(without_a_snippet_page_nothing_is)
{
    bench.page.snippets = NULL;
    scan("\xb9\xcb\x01\x02\x03\xc3", 6);
    ck_assert(!promote(0));
}
END_TEST

START_TEST(without_scratch_what_needs_none_is)
{
    bench.page.scratch = 0;
    scan("\xb9\xcb\x01\x02\x03\x3d\xcb\x01\x02\x03\xc3", 11);
    ck_assert(promote(0));
    ck_assert(!promote(5));
}
END_TEST

START_TEST(a_full_snippet_page_refuses)
{
    unsigned done = 0;

    for (unsigned i = 0; i + 6 < SCAN_PAGE_SIZE; i += 5)
        memcpy(bench.original + i, "\x3d\xcb\x01\x02\x03", 5);
    scan_from(&bench.page, 0);
    ck_assert_uint_eq(bench.page.site_count, SITES);
    for (unsigned i = 0; i < SITES; i++)
        done += promote(bench.sites[i].offset);
    ck_assert_uint_eq(done, SITES);
    ck_assert_uint_eq(bench.page.stats.forms[SCAN_FORM_JUMP], SITES);
}
END_TEST

START_TEST(a_link_and_a_promotion_do_not_share_bytes)
{
    /* The straddling instruction's tail is five bytes that are a site of their own in the next page. */
    memcpy(bench.original + SCAN_PAGE_SIZE - 1, "\x05", 1);
    memcpy(next.original, "\xb9\xcb\x01\x02\x03\xc3", 6);
    scan_from(&next.page, 0);
    ck_assert(scan_promote(&next.page, 0, &(struct scan_change){ 0 }));
    scan_from(&bench.page, SCAN_PAGE_SIZE - 1);
    ck_assert(!scan_link(&bench.page, SCAN_PAGE_SIZE - 1, &next.page));
    require_sound("refused");
}
END_TEST

START_TEST(places_with_merit_are_in_the_window)
{
    static const uint32_t pages[] = { 0x08048000, 0x56555000, 0xb7fff000, 0 };

    for (unsigned i = 0; i < ARRAY_SIZE(pages); i++)
        for (unsigned choice = 0; choice < SCAN_SNIPPET_CHOICES; choice++) {
            uint32_t place = scan_snippet_place(pages[i], WINDOW, choice);

            ck_assert_uint_eq(place % SCAN_PAGE_SIZE, 0);
            ck_assert_uint_eq(place >> 24, WINDOW >> 24);
            ck_assert_uint_eq((place - pages[i]) >> 12 & 0xf, 0xf);
        }
}
END_TEST

/* An audit that finds nothing proves nothing. */
START_TEST(the_audit_finds_what_is_broken)
{
    for (unsigned kind = 0; kind < 7; kind++) {
        struct scan_jump *jump = &bench.page.jumps[0];

        setup();
        scan("\x0f\xca\x05\x01\x02\x03\x04\xc3", 8);
        ck_assert(promote(0));
        switch (kind) {
        case 0:
            bench.private_page[jump->jump - 1] ^= 1; /* another target */
            break;
        case 1:
            bench.private_page[2] = 0x90; /* a displaced start */
            break;
        case 2:
            bench.snippets[jump->snippet + 1] = 0xcb;
            break;
        case 3:
            bench.snippets[jump->snippet_end - 4] ^= 1; /* leads elsewhere */
            break;
        case 4:
            bench.page.step_count--;
            break;
        case 5:
            bench.snippets[SCAN_PAGE_SIZE / 2] = 0x90;
            break;
        default:
            scan_site_at(&bench.page, 0)->form = SCAN_FORM_INT3;
            break;
        }
        ck_assert_msg(scan_check(&bench.page).what, "kind %u", kind);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scan_promote");
    TCase *tc = tcase_create("promotions");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_loop_test(tc, promotes_row, 0, (int)ARRAY_SIZE(rows));
    tcase_add_test(tc, a_long_branch_keeps_its_opcode);
    tcase_add_test(tc, a_short_branch_back_to_the_snippet_stays_in_it);
    tcase_add_test(tc, a_displaced_call_pushes_the_return_address);
    tcase_add_test(tc, exchanged_registers_are_exchanged_back);
    tcase_add_test(tc, a_moved_base_and_a_saved_register_come_back);
    tcase_add_test(tc, a_turned_x87_stack_is_turned_back);
    tcase_add_test(tc, who_jumps_to_a_displaced_instruction_takes_the_promotion_back);
    tcase_add_test(tc, it_may_be_promoted_with_other_neighbours_later);
    tcase_add_test(tc, who_jumps_into_a_displaced_instruction_does_so_too);
    tcase_add_test(tc, neighbouring_sites_are_promoted_together);
    tcase_add_test(tc, a_reset_empties_the_snippets);
    tcase_add_test(tc, what_is_not_hidden_is_not_promoted);
    tcase_add_test(tc, bsf_with_a_prefix_is_bsf_in_its_snippet);
    tcase_add_test(tc, a_branch_over_an_instruction_goes_along);
    tcase_add_test(tc, two_sites_may_need_one_promotion);
    tcase_add_test(tc, a_branch_from_elsewhere_meets_no_promotion);
    tcase_add_test(tc, a_branch_into_a_snippet_is_looked_at);
    tcase_add_test(tc, without_a_snippet_page_nothing_is);
    tcase_add_test(tc, without_scratch_what_needs_none_is);
    tcase_add_test(tc, a_full_snippet_page_refuses);
    tcase_add_test(tc, a_link_and_a_promotion_do_not_share_bytes);
    tcase_add_test(tc, places_with_merit_are_in_the_window);
    tcase_add_test(tc, the_audit_finds_what_is_broken);
    tcase_add_test(tc, a_system_call_leaves_by_a_door);
    tcase_add_test(tc, what_comes_behind_a_door_goes_on_in_the_snippet);
    tcase_add_test(tc, ud2_has_a_door_with_what_its_handler_goes_on_with);
    tcase_add_test(tc, no_byte_of_a_door_leads_elsewhere);
    tcase_add_test(tc, a_door_must_stand_for_what_may_not_run);
    tcase_add_test(tc, with_the_guard_of_all_segment_loads_there_are_no_doors);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
