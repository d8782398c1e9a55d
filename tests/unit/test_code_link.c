/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Code that spans pages and pages that lean on others: instructions across a page boundary, which are shown
 * only while both pages are mapped side by side, and snippets in the nexus.
 */
#include "code_rig.h"

enum { NEXT = RIG_LA + 0x1000, BEFORE = RIG_LA - 0x1000 };
enum { FRAME = RIG_CODE, FRAME_NEXT = RIG_CODE + 5, FRAME_BEFORE = RIG_CODE + 9 };

static void setup(void)
{
    rig_open();
    rig_map(RIG_LA, FRAME, RIG_USER);
    rig_map(NEXT, FRAME_NEXT, RIG_USER);
    /* mov eax, 0x44332211, three bytes of it in the next page; there, behind: inc ecx; ret */
    RIG_CODE_AT(FRAME, 0xffe, 0xb8, 0x11);
    RIG_CODE_AT(FRAME_NEXT, 0, 0x22, 0x33, 0x44, 0x41, 0xc3);
}

static void teardown(void)
{
    rig_close();
}

static void prepare(guest_la la, enum code_answer expected)
{
    ck_assert_int_eq(code_prepare(rig.v, la), expected);
    rig_check("prepare");
}

static struct scan_site *trap(guest_la la)
{
    struct scan_site *site = code_trap(rig.v, la);
    rig_check("trap");
    return site;
}

static bool is_linked(guest_la la)
{
    const struct code_page *p = code_page_at(rig.v, la);
    return p && p->linked_to;
}

static void link_up(void)
{
    prepare(RIG_LA + 0xffe, CODE_EMULATE);
    ck_assert_ptr_null(trap(RIG_LA + 0xffe));
    ck_assert(is_linked(RIG_LA));
}

/* ---- Links --------------------------------------------------------------------------------------------- */

START_TEST(a_trap_at_the_end_of_a_page_links_it)
{
    link_up();
    ck_assert_uint_eq(rig_fetch(RIG_LA + 0xffe), 0xb8);
    ck_assert_uint_eq(rig_fetch(NEXT + 2), 0x44);
    ck_assert_uint_eq(rig_fetch(NEXT + 3), 0xcc);
    ck_assert(*rig_pte(NEXT) & X86_PTE_A);
    prepare(RIG_LA + 0xffe, CODE_READY);
    prepare(NEXT + 3, CODE_READY);
    ck_assert(is_linked(RIG_LA));
}
END_TEST

START_TEST(without_a_second_page_there_is_no_link)
{
    rig_map(NEXT, 0, 0);
    prepare(RIG_LA + 0xffe, CODE_EMULATE);
    ck_assert_ptr_nonnull(trap(RIG_LA + 0xffe));
    ck_assert(!is_linked(RIG_LA));
    /* It is there at the second trap, but the third is the first that is not a power of two. */
    rig_map(NEXT, FRAME_NEXT, RIG_USER);
    ck_assert_ptr_null(trap(RIG_LA + 0xffe));
    ck_assert(is_linked(RIG_LA));
}
END_TEST

START_TEST(the_last_linear_page_has_no_next)
{
    rig_map(0xfffff000, FRAME, RIG_USER);
    rig_map(0, FRAME_NEXT, RIG_USER);
    prepare(0xfffffffe, CODE_EMULATE);
    ck_assert_ptr_nonnull(trap(0xfffffffe));
    ck_assert(!is_linked(0xfffff000));
}
END_TEST

static void unmap_first(void)
{
    code_unmap_page(rig.v, RIG_LA);
}

static void unmap_next(void)
{
    code_unmap_page(rig.v, NEXT);
}

static void remap_next(void)
{
    rig_map(NEXT, FRAME_BEFORE, RIG_USER | X86_PTE_A);
    code_sync(rig.v);
}

static void remap_both(void)
{
    rig_map(RIG_LA, FRAME_BEFORE, RIG_USER | X86_PTE_A);
    remap_next();
}

static void write_tail(void)
{
    RIG_WRITE(FRAME_NEXT, 2, 0x55);
}

static void write_start(void)
{
    RIG_WRITE(FRAME, 0xfff, 0x12);
}

static void yield_next(void)
{
    while (!code_yield_frame(rig.v, FRAME_NEXT))
        ;
}

static void change_mode(void)
{
    rig.v->cr0 ^= X86_CR0_TS;
    code_prepare(rig.v, RIG_LA);
}

static void drop_all(void)
{
    code_drop_all(rig.v);
}

static void (*const unlinks[])(void) = {
    unmap_first, unmap_next, remap_next,  remap_both, write_tail,
    write_start, yield_next, change_mode, drop_all,
};

START_TEST(what_takes_one_page_away_undoes_the_link)
{
    link_up();
    unlinks[_i]();
    rig_check("unlink");
    ck_assert(!is_linked(RIG_LA));
    if (rig_is_mapped(RIG_LA))
        ck_assert_uint_eq(rig_fetch(RIG_LA + 0xffe), 0xcc);
    /* It can be had again where the guest still has it. */
    rig_map(RIG_LA, FRAME, RIG_USER);
    rig_map(NEXT, FRAME_NEXT, RIG_USER);
    code_sync(rig.v);
    link_up();
}
END_TEST

START_TEST(writes_behind_the_tail_leave_the_link)
{
    link_up();
    RIG_WRITE(FRAME_NEXT, 5, 0x90, 0x90);
    RIG_WRITE(FRAME, 0xff0, 0x90, 0x90);
    rig_check("write");
    ck_assert(is_linked(RIG_LA));
}
END_TEST

/* The code behind the tail is dropped; the link goes with it. */
START_TEST(a_write_to_the_next_pages_own_code_undoes_the_link)
{
    link_up();
    prepare(NEXT + 3, CODE_READY);
    RIG_WRITE(FRAME_NEXT, 3, 0x42);
    rig_check("write");
    ck_assert(!is_linked(RIG_LA));
    ck_assert(!rig_is_mapped(NEXT));
    ck_assert(rig_is_mapped(RIG_LA));
}
END_TEST

/* A jump into the tail finds CPUID there: the tail must trap, so the start must. */
START_TEST(a_site_found_in_the_tail_undoes_the_link)
{
    RIG_CODE_AT(FRAME_NEXT, 0, 0x0f, 0xa2, 0x44);
    link_up();
    prepare(NEXT, CODE_EMULATE);
    ck_assert(!is_linked(RIG_LA));
    ck_assert_uint_eq(rig_fetch(RIG_LA + 0xffe), 0xcc);
    /* And now it is refused, which is tried ever more rarely. */
    for (unsigned i = 0; i < 20; i++)
        ck_assert_ptr_nonnull(trap(RIG_LA + 0xffe));
}
END_TEST

/* One frame mapped twice, side by side: its end goes on in its own beginning, and both are changed by one
 * write. */
START_TEST(a_frame_may_follow_itself)
{
    rig_map(NEXT, FRAME, RIG_USER);
    RIG_CODE_AT(FRAME, 0, 0x22, 0x33, 0x44, 0x41, 0xc3);
    link_up();
    prepare(NEXT + 0xffe, CODE_EMULATE);
    RIG_WRITE(FRAME, 1, 0x55);
    rig_check("tail");
    ck_assert(!is_linked(RIG_LA));
    link_up();
    RIG_WRITE(FRAME, 0xffd, 0x90, 0xb9, 0x11);
    rig_check("start");
    ck_assert(!rig_is_mapped(RIG_LA) && !rig_is_mapped(NEXT));
}
END_TEST

/*
 * A row of links, and pages full of overlapping instructions, so that hiding one byte at the end hides all up
 * to the beginning: the links fall one after the other.
 */
START_TEST(links_fall_in_a_row)
{
    rig_map(BEFORE, FRAME_BEFORE, RIG_USER);
    memset(rig_frame(FRAME_BEFORE), 0x68, 4096); /* push imm32 */
    memset(rig_frame(FRAME), 0x68, 4096);
    memset(rig_frame(FRAME_NEXT), 0x68, 4096);
    for (unsigned offset = 0; offset < 0xffe; offset++) {
        code_prepare(rig.v, BEFORE + offset);
        code_prepare(rig.v, RIG_LA + offset);
    }
    /* Only one instruction may cross for a link: the one at FFD. */
    rig_check("full");
    prepare(BEFORE + 0xffd, CODE_EMULATE);
    prepare(RIG_LA + 0xffd, CODE_EMULATE);
    code_trap(rig.v, BEFORE + 0xffd);
    code_trap(rig.v, RIG_LA + 0xffd);
    rig_check("linked or refused");
    code_unmap_page(rig.v, NEXT);
    rig_check("unmapped");
    ck_assert(!is_linked(RIG_LA));
}
END_TEST

START_TEST(eviction_undoes_links)
{
    rig.v->code->limit = 4;
    link_up();
    for (unsigned i = 0; i < 6; i++) {
        rig_map(RIG_LA + 0x100000 + i * 0x1000, RIG_CODE + 20 + i, RIG_USER);
        RIG_CODE_AT(RIG_CODE + 20 + i, 0, 0x40, 0xc3);
        prepare(RIG_LA + 0x100000 + i * 0x1000, CODE_READY);
    }
    ck_assert(!rig_is_mapped(RIG_LA) && !rig_is_mapped(NEXT));
}
END_TEST

/* ---- Snippets ------------------------------------------------------------------------------------------ */

/* call far away, whose displacement holds CB (RETF): hidden, and promoted after eight traps. */
static void load_hidden(unsigned frame, unsigned offset)
{
    RIG_CODE_AT(frame, offset, 0x41, 0xe8, 0x11, 0xcb, 0x22, 0x00, 0x42, 0xc3);
}

static const struct rig_place *snippets_of(guest_la la)
{
    const struct code_page *p = code_page_at(rig.v, la);
    ck_assert_ptr_nonnull(p->scan.snippets);
    ck_assert(code_in_nexus(rig.v->code, p->scan.snippet_address));
    return &rig.place[p->scan.snippet_address >> 12];
}

static void promote(guest_la la)
{
    prepare(la, CODE_EMULATE);
    for (unsigned i = 1; i <= 8; i++) {
        ck_assert_ptr_nonnull(trap(la));
        ck_assert_uint_eq(rig.v->counts.code_promotions, i == 8);
    }
    prepare(la, CODE_READY);
    ck_assert_uint_ne(rig_fetch(la), 0xcc);
}

START_TEST(a_hidden_site_that_is_hit_often_is_promoted)
{
    load_hidden(FRAME, 0x100);
    promote(RIG_LA + 0x101);
    const struct code_page *p = code_page_at(rig.v, RIG_LA);
    const struct rig_place *place = snippets_of(RIG_LA);
    ck_assert(place->mapped);
    ck_assert_uint_eq(place->rights, SPACE_READ | SPACE_EXEC);
    ck_assert_uint_eq(place->offset, CODE_FILE_SNIPPETS + ((uint64_t)code_slot_of(rig.v->code, p) << 12));
}
END_TEST

START_TEST(leaving_a_snippet_gives_the_guests_eip)
{
    load_hidden(FRAME, 0x100);
    promote(RIG_LA + 0x101);
    const struct code_page *p = code_page_at(rig.v, RIG_LA);
    rig.v->eip = p->scan.snippet_address + p->scan.jumps[0].snippet;
    ck_assert(code_leave_snippet(rig.v, rig.v->eip));
    /* The call is done, the jump to its target is not. */
    ck_assert_uint_eq(rig.v->eip, RIG_LA + 0x106 + 0x22cb11);
    ck_assert(!code_leave_snippet(rig.v, p->scan.snippet_address + 0xfff));
    ck_assert(!code_leave_snippet(rig.v, rig.v->code->nexus + 0x123 * 0x1000));
    ck_assert(!code_leave_snippet(rig.v, RIG_LA + 0x101));
    ck_assert(!code_leave_snippet(rig.v, code_scratch(rig.v->code)));
}
END_TEST

START_TEST(snippets_go_when_the_page_is_dropped_and_not_before)
{
    load_hidden(FRAME, 0x100);
    promote(RIG_LA + 0x101);
    const struct rig_place *place = snippets_of(RIG_LA);
    code_unmap_page(rig.v, RIG_LA);
    rig_check("unmapped");
    ck_assert(place->mapped);
    prepare(RIG_LA + 0x101, CODE_READY);
    RIG_WRITE(FRAME, 0x103, 0x22);
    rig_check("written");
    ck_assert(!place->mapped);
}
END_TEST

START_TEST(a_host_that_refuses_snippets_leaves_the_trap)
{
    load_hidden(FRAME, 0x100);
    prepare(RIG_LA + 0x101, CODE_EMULATE);
    rig.refuse = true;
    for (unsigned i = 0; i < 15; i++)
        ck_assert_ptr_nonnull(trap(RIG_LA + 0x101));
    ck_assert_uint_eq(rig.v->counts.code_promotions, 0);
    rig.refuse = false;
    trap(RIG_LA + 0x101);
    ck_assert_uint_eq(rig.v->counts.code_promotions, 1);
}
END_TEST

/* More pages than there are places the scanner likes: all but the lowest are taken, then that one too. */
START_TEST(every_page_finds_a_place_in_the_nexus)
{
    struct code_cache *c = rig.v->code;
    load_hidden(FRAME, 0x100);
    load_hidden(FRAME_NEXT, 0x100);
    prepare(RIG_LA + 0x101, CODE_EMULATE);
    memset(c->nexus_slot, 0xff, sizeof(c->nexus_slot));
    c->nexus_slot[0] = c->nexus_slot[1] = 0;
    for (unsigned i = 0; i < 8; i++)
        code_trap(rig.v, RIG_LA + 0x101);
    code_prepare(rig.v, NEXT + 0x101);
    for (unsigned i = 0; i < 8; i++)
        code_trap(rig.v, NEXT + 0x101);
    uint32_t first = code_page_at(rig.v, RIG_LA)->scan.snippet_address;
    uint32_t second = code_page_at(rig.v, NEXT)->scan.snippet_address;
    ck_assert_uint_eq(first & ~0x1fffu, c->nexus);
    ck_assert_uint_eq(first ^ second, 0x1000);
    memset(c->nexus_slot + 2, 0, sizeof(c->nexus_slot) - 2 * sizeof(c->nexus_slot[0]));
    rig_check("both");
}
END_TEST

/* add ch, 0xcb is too short for a jump, which takes the place of its neighbours as well. */
START_TEST(in_a_promotion_one_goes_on_in_the_snippet_and_jumps_take_it_back)
{
    const struct code_page *p;
    struct scan_resume resume;
    unsigned inside = 0;
    rig.v->split = (struct split){ .data_base = 0, .data_limit = UINT32_MAX };
    RIG_CODE_AT(FRAME, 0x200, 0x80, 0xc5, 0xcb, 0x83, 0xc1, 0x08, 0x83, 0xc2, 0x09, 0x83, 0xc6, 0x0a, 0xc3);
    promote(RIG_LA + 0x200);
    p = code_page_at(rig.v, RIG_LA);
    for (unsigned offset = 0x201; offset < 0x20d && !inside; offset++) {
        if (scan_is_start(&p->scan, offset) && code_inside_promotion(p, offset))
            inside = offset;
    }
    ck_assert_uint_ne(inside, 0);
    ck_assert_uint_eq(code_entry(rig.v, RIG_LA + 0x200), RIG_LA + 0x200);
    for (unsigned i = 0; i < 100; i++) {
        prepare(RIG_LA + inside, CODE_READY);
        uint32_t entry = code_entry(rig.v, RIG_LA + inside);
        ck_assert_uint_eq(entry & ~0xfffu, p->scan.snippet_address);
        ck_assert(scan_snippet_resume(&p->scan, entry & 0xfff, &resume));
        ck_assert_uint_eq(resume.eip, RIG_LA + inside);
        ck_assert_uint_eq(resume.from[0], 0);
    }
    for (unsigned i = 0; i < 8; i++) {
        ck_assert(code_inside_promotion(p, inside));
        code_arrived(rig.v, RIG_LA + inside);
    }
    ck_assert(!code_inside_promotion(p, inside));
    prepare(RIG_LA + inside, CODE_READY);
    ck_assert_uint_eq(code_entry(rig.v, RIG_LA + inside), RIG_LA + inside);
    prepare(RIG_LA + 0x200, CODE_EMULATE);
}
END_TEST

/* The scratch page is mapped when the first snippet comes that may use it, and found through ES. */
START_TEST(registers_kept_in_scratch_memory_are_given_back)
{
    const struct code_page *p;
    struct scan_resume resume;
    bool any = false;
    rig.v->split = (struct split){ .data_base = 0, .data_limit = UINT32_MAX };
    load_hidden(FRAME, 0x100);
    RIG_CODE_AT(FRAME, 0x200, 0x81, 0xc1, 0x11, 0xcb, 0x22, 0x33, 0xc3); /* add ecx, 0x3322cb11 */
    promote(RIG_LA + 0x101);
    const struct rig_place *page = &rig.place[code_scratch(rig.v->code) >> 12];
    ck_assert(page->mapped);
    ck_assert_uint_eq(page->offset, CODE_FILE_SCRATCH);
    ck_assert_uint_eq(page->rights, SPACE_READ | SPACE_WRITE);
    prepare(RIG_LA + 0x200, CODE_EMULATE);
    for (unsigned i = 0; i < 8; i++)
        trap(RIG_LA + 0x200);
    ck_assert_uint_eq(rig.v->counts.code_promotions, 2);
    p = code_page_at(rig.v, RIG_LA);
    for (unsigned at = 0; at < 4096; at++) {
        uint32_t *scratch = (uint32_t *)(void *)rig.v->code->scratch_page, expected[8];
        if (!scan_snippet_resume(&p->scan, at, &resume))
            continue;
        for (unsigned i = 0; i < 8; i++) {
            rig.v->gpr.d[i] = expected[i] = 0x100 + i;
            scratch[i] = 0x200 + i;
            any |= resume.from[i] >= SCAN_FROM_SCRATCH;
        }
        scan_resume_registers(&resume, expected, scratch);
        ck_assert(code_leave_snippet(rig.v, p->scan.snippet_address + at));
        ck_assert_mem_eq(rig.v->gpr.d, expected, sizeof(expected));
        ck_assert_uint_eq(rig.v->eip, resume.eip);
    }
    ck_assert(any);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("code_link");
    TCase *tc = tcase_create("code_link");
    int failed;
    SRunner *runner;
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_trap_at_the_end_of_a_page_links_it);
    tcase_add_test(tc, without_a_second_page_there_is_no_link);
    tcase_add_test(tc, the_last_linear_page_has_no_next);
    tcase_add_loop_test(tc, what_takes_one_page_away_undoes_the_link, 0, (int)ARRAY_SIZE(unlinks));
    tcase_add_test(tc, writes_behind_the_tail_leave_the_link);
    tcase_add_test(tc, a_write_to_the_next_pages_own_code_undoes_the_link);
    tcase_add_test(tc, a_site_found_in_the_tail_undoes_the_link);
    tcase_add_test(tc, a_frame_may_follow_itself);
    tcase_add_test(tc, links_fall_in_a_row);
    tcase_add_test(tc, eviction_undoes_links);
    tcase_add_test(tc, a_hidden_site_that_is_hit_often_is_promoted);
    tcase_add_test(tc, leaving_a_snippet_gives_the_guests_eip);
    tcase_add_test(tc, snippets_go_when_the_page_is_dropped_and_not_before);
    tcase_add_test(tc, a_host_that_refuses_snippets_leaves_the_trap);
    tcase_add_test(tc, in_a_promotion_one_goes_on_in_the_snippet_and_jumps_take_it_back);
    tcase_add_test(tc, registers_kept_in_scratch_memory_are_given_back);
    tcase_add_test(tc, every_page_finds_a_place_in_the_nexus);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
