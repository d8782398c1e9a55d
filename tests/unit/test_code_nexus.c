/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The nexus gets out of the guest's way: where it opens, what makes it go, and what is left behind.
 */
#include "code_rig.h"

enum { FRAME = RIG_CODE, OTHER = RIG_CODE + 1, SITE = 0x100, MIB = 1 << 20 };
enum { HIGHEST = 0x3f000000, NEXT = 0x3b000000, LOWEST = 0x03000000 };

/* ---- A page that gets snippets ------------------------------------------------------------------------- */

/* inc ecx; call far away, in whose displacement RETF hides; and a page without anything of the kind. */
static void setup(void)
{
    rig_open();
    rig_map(RIG_LA, FRAME, RIG_USER);
    rig_map(RIG_LA + 0x1000, OTHER, RIG_USER);
    RIG_CODE_AT(FRAME, SITE, 0xe8, 0x11, 0xcb, 0x22, 0x00, 0x42, 0xc3);
    RIG_CODE_AT(OTHER, SITE, 0x40, 0xc3);
}

static void teardown(void)
{
    rig_close();
}

static bool promote(void)
{
    uint64_t before = rig.v->counts.code_promotions;
    code_prepare(rig.v, RIG_LA + SITE);
    for (unsigned i = 0; i < 8; i++)
        code_trap(rig.v, RIG_LA + SITE);
    rig_check("promoted");
    return rig.v->counts.code_promotions != before;
}

/* The guest's directory entry for 4 MiB. */
static uint32_t *directory_entry(guest_la la)
{
    return (uint32_t *)rig_frame(RIG_DIRECTORY) + (la >> 22);
}

static void expect_nexus(uint32_t base)
{
    struct code_cache *c = rig.v->code;
    ck_assert_uint_eq(c->nexus, base);
    ck_assert_uint_eq(code_page_at(rig.v, RIG_LA)->scan.snippet_address & ~(CODE_NEXUS_SIZE - 1), base);
    ck_assert(rig.place[code_scratch(c) >> 12].mapped);
}

/* ---- Where it opens ------------------------------------------------------------------------------------ */

START_TEST(opens_with_the_first_snippet_below_1_gib)
{
    code_prepare(rig.v, RIG_LA + SITE);
    ck_assert_uint_eq(rig.v->code->nexus, 0);
    ck_assert(promote());
    expect_nexus(HIGHEST);
}
END_TEST

static const struct {
    const char *name;
    guest_la la;
    uint32_t entry, base;
} entries[] = {
    { "nothing", 0x3f000000, 0, HIGHEST },
    { "the kernel's", 0x3f000000, X86_PTE_P | X86_PTE_W, HIGHEST },
    { "absent", 0x3f000000, X86_PTE_U | X86_PTE_W, HIGHEST },
    { "at its begin", 0x3f000000, RIG_USER, NEXT },
    { "at its end", 0x3fc00000, RIG_USER, NEXT },
    { "close above", 0x40c00000, RIG_USER, NEXT },
    { "far above", 0x41000000, RIG_USER, HIGHEST },
    { "close below", 0x3ec00000, RIG_USER, NEXT },
    { "at the margin's begin", 0x3e000000, RIG_USER, NEXT },
    { "far below", 0x3dc00000, RIG_USER, HIGHEST },
    { "large, memory", 0x3f000000, X86_PTE_PS | RIG_USER, NEXT },
    { "large, no memory", 0x3f000000, 0x40000000 | X86_PTE_PS | RIG_USER, HIGHEST },
    { "read-only", 0x3f000000, X86_PTE_P | X86_PTE_U, NEXT },
};

START_TEST(opens_where_the_directory_has_nothing_for_cpl_3)
{
    *directory_entry(entries[_i].la) = entries[_i].entry;
    ck_assert(promote());
    ck_assert_msg(rig.v->code->nexus == entries[_i].base, "%s: %08x", entries[_i].name, rig.v->code->nexus);
}
END_TEST

/* PAE: directories of 2 MiB entries for each GiB. What is asked about: 3F000000 to 40FFFFFF. */
static const struct {
    const char *name;
    guest_la la;
    uint64_t entry, pointer; /* in the directory, and to it */
    bool reached;
} pae_rows[] = {
    { "before", 0x3ee00000, RIG_USER, X86_PTE_P, false },
    { "first", 0x3f000000, RIG_USER, X86_PTE_P, true },
    { "last below 1 GiB", 0x3fe00000, RIG_USER, X86_PTE_P, true },
    { "first above 1 GiB", 0x40000000, RIG_USER, X86_PTE_P, true },
    { "last", 0x40e00000, RIG_USER, X86_PTE_P, true },
    { "behind", 0x41000000, RIG_USER, X86_PTE_P, false },
    { "the kernel's", 0x3f000000, X86_PTE_P | X86_PTE_W, X86_PTE_P, false },
    { "absent", 0x3f000000, X86_PTE_U | X86_PTE_W, X86_PTE_P, false },
    { "no directory", 0x3f000000, RIG_USER, 0, false },
    { "malformed", 0x3f000000, RIG_USER | UINT64_C(1) << 40, X86_PTE_P, false },
    { "large, memory", 0x3f000000, RIG_USER | X86_PTE_PS, X86_PTE_P, true },
    { "large, no memory", 0x3f000000, RIG_USER | X86_PTE_PS | 0x40000000, X86_PTE_P, false },
};

START_TEST(pae_directories_are_asked_likewise)
{
    enum { DIRECTORIES = RIG_CODE + 8 };
    struct vcpu *v = rig.v;
    guest_la la = pae_rows[_i].la;
    v->cr4 |= X86_CR4_PAE;
    for (unsigned i = 0; i < 4; i++) {
        uint64_t pointer = i == la >> 30 ? pae_rows[_i].pointer : X86_PTE_P;
        v->pdpte[i] = (uint64_t)(DIRECTORIES + i) << 12 | pointer;
    }
    ((uint64_t *)(void *)rig_frame(DIRECTORIES + (la >> 30)))[la >> 21 & 511] = pae_rows[_i].entry;
    ck_assert_msg(paging_user_reaches(v, 0x3f000000, 0x40ffffff) == pae_rows[_i].reached, "%s",
                  pae_rows[_i].name);
}
END_TEST

START_TEST(without_paging_memory_alone_counts)
{
    struct vcpu *v = rig.v;
    v->cr0 &= ~X86_CR0_PG;
    v->map.region[1] = (struct region){ .pa = 0x3f800000, .size = 4096 };
    v->map.count = 2;
    /* Physical memory has it at 64 KiB. */
    code_prepare(v, FRAME << 12 | SITE);
    for (unsigned i = 0; i < 8; i++)
        code_trap(v, FRAME << 12 | SITE);
    ck_assert_uint_eq(v->code->nexus, NEXT);
}
END_TEST

/* Where the tables say nothing any more, but the guest has not flushed. */
START_TEST(does_not_open_on_what_is_mapped)
{
    rig_map(0x3f000000, OTHER, RIG_USER);
    ck_assert_int_eq(rig_prepare(0x3f000000 + SITE), CODE_READY);
    uint32_t entry = *directory_entry(0x3f000000);
    *directory_entry(0x3f000000) = 0;
    code_prepare(rig.v, RIG_LA + SITE);
    for (unsigned i = 0; i < 8; i++)
        code_trap(rig.v, RIG_LA + SITE);
    *directory_entry(0x3f000000) = entry;
    ck_assert_uint_ne(rig.v->code->nexus, 0);
    ck_assert_uint_ne(rig.v->code->nexus, HIGHEST);
    /* Data at the same host address, as it would be without a base. */
    code_drop_all(rig.v);
    rig.v->split = (struct split){ .data_limit = UINT32_MAX };
    rig.v->code->nexus = rig.v->code->nexus_before = 0;
    rig.v->code->scratch_mapped = false;
    *directory_entry(0x3f000000) = 0;
    rig.v->shadow->region_pages[0x3f400000 / (4 * MIB)] = 1;
    ck_assert(promote());
    ck_assert_uint_eq(rig.v->code->nexus, NEXT);
}
END_TEST

/* ---- What makes it go ---------------------------------------------------------------------------------- */

START_TEST(goes_when_the_guest_comes)
{
    struct vcpu *v = rig.v;
    struct code_cache *c = v->code;
    ck_assert(promote());
    ck_assert_int_eq(rig_prepare(RIG_LA + 0x1000 + SITE), CODE_READY);
    uint32_t snippets = code_page_at(v, RIG_LA)->scan.snippet_address, scratch = code_scratch(c);
    code_nexus_yield(v);
    expect_nexus(HIGHEST);
    ck_assert_uint_eq(v->counts.nexus_moves, 0);

    *directory_entry(0x3f400000) = RIG_USER;
    code_nexus_yield(v);
    ck_assert_uint_eq(v->counts.nexus_moves, 1);
    ck_assert_uint_eq(c->nexus, 0);
    ck_assert(!rig.place[snippets >> 12].mapped);
    ck_assert(!rig.place[scratch >> 12].mapped);
    ck_assert_ptr_null(code_page_at(v, RIG_LA));
    ck_assert_ptr_nonnull(code_page_at(v, RIG_LA + 0x1000));
    rig_check("gone");
    ck_assert(!code_leave_snippet(v, snippets));

    ck_assert(promote());
    expect_nexus(NEXT);
    code_nexus_yield(v);
    expect_nexus(NEXT);
    ck_assert_uint_eq(v->counts.nexus_moves, 1);
}
END_TEST

START_TEST(guest_code_then_runs_where_it_was)
{
    struct vcpu *v = rig.v;
    ck_assert(promote());
    guest_la la = code_page_at(v, RIG_LA)->scan.snippet_address;
    rig_map(la, OTHER, RIG_USER);
    ck_assert_int_eq(code_prepare(v, la + SITE), CODE_INTERPRET);
    code_nexus_yield(v);
    ck_assert_int_eq(rig_prepare(la + SITE), CODE_READY);
    ck_assert_uint_eq(rig_fetch(la + SITE), 0x40);
}
END_TEST

/* Two address spaces that use each other's free places: after a round it lies where neither has anything. */
START_TEST(settles_between_address_spaces)
{
    static const guest_la used[] = { 0x3f000000, NEXT };
    ck_assert(promote());
    for (unsigned i = 0; i < 20; i++) {
        *directory_entry(used[i % 2]) = RIG_USER;
        *directory_entry(used[1 - i % 2]) = 0;
        code_nexus_yield(rig.v);
        promote();
        ck_assert_uint_ne(rig.v->code->nexus, 0);
    }
    ck_assert_uint_le(rig.v->counts.nexus_moves, 2);
}
END_TEST

START_TEST(goes_round_and_finds_the_only_room)
{
    static const uint32_t room[] = { LOWEST, 0x1f000000, HIGHEST };
    for (unsigned i = 0; i < 3 * ARRAY_SIZE(room); i++) {
        uint32_t base = room[i % ARRAY_SIZE(room)];
        for (guest_la la = 0; la < 0x42000000; la += 4 * MIB) {
            bool near = la >= base - 16 * MIB && la < base + 32 * MIB;
            if (la >> 22 != RIG_LA >> 22)
                *directory_entry(la) = near ? 0 : RIG_USER;
        }
        code_nexus_yield(rig.v);
        ck_assert(promote());
        expect_nexus(base);
    }
}
END_TEST

/* Then sites go on trapping, which is slow and right. */
START_TEST(no_room_means_no_snippets)
{
    for (guest_la la = 0; la < 0x40000000; la += 4 * MIB) {
        if (!*directory_entry(la))
            *directory_entry(la) = RIG_USER;
    }
    ck_assert(!promote());
    ck_assert_uint_eq(rig.v->code->nexus, 0);
    ck_assert_int_eq(rig_prepare(RIG_LA + SITE), CODE_EMULATE);
    ck_assert_ptr_nonnull(code_trap(rig.v, RIG_LA + SITE));
}
END_TEST

START_TEST(the_scratch_page_is_nobodys_place)
{
    struct code_cache *c = rig.v->code;
    c->nexus = HIGHEST;
    memset(c->nexus_slot, 0xff, sizeof(c->nexus_slot));
    c->nexus_slot[CODE_PAGES_MAX - 1] = 0;
    code_prepare(rig.v, RIG_LA + SITE);
    for (unsigned i = 0; i < 8; i++)
        code_trap(rig.v, RIG_LA + SITE);
    ck_assert_uint_eq(rig.v->counts.code_promotions, 0);
    ck_assert_ptr_null(code_page_at(rig.v, RIG_LA)->scan.snippets);
    memset(c->nexus_slot, 0, sizeof(c->nexus_slot));
}
END_TEST

START_TEST(the_audit_finds_memory_of_the_guests_there)
{
    ck_assert(promote());
    guest_la place = code_page_at(rig.v, RIG_LA)->scan.snippet_address;
    rig_map(_i ? code_scratch(rig.v->code) : place, OTHER, RIG_USER);
    ck_assert_str_eq(code_audit(rig.v), "the nexus lies where the guest has memory");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("code_nexus");
    TCase *tc = tcase_create("code_nexus");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, opens_with_the_first_snippet_below_1_gib);
    tcase_add_loop_test(tc, opens_where_the_directory_has_nothing_for_cpl_3, 0, (int)ARRAY_SIZE(entries));
    tcase_add_loop_test(tc, pae_directories_are_asked_likewise, 0, (int)ARRAY_SIZE(pae_rows));
    tcase_add_test(tc, without_paging_memory_alone_counts);
    tcase_add_test(tc, does_not_open_on_what_is_mapped);
    tcase_add_test(tc, goes_when_the_guest_comes);
    tcase_add_test(tc, guest_code_then_runs_where_it_was);
    tcase_add_test(tc, settles_between_address_spaces);
    tcase_add_test(tc, goes_round_and_finds_the_only_room);
    tcase_add_test(tc, no_room_means_no_snippets);
    tcase_add_test(tc, the_scratch_page_is_nobodys_place);
    tcase_add_loop_test(tc, the_audit_finds_memory_of_the_guests_there, 0, 2);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
