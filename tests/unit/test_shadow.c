/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What shadow paging maps on a fault, what it leaves to the interpreter, and what it takes away again, one
 * behaviour at a time. test_shadow_random.c has the rest.
 */
#include <check.h>
#include <string.h>

#include "shadow_rig.h"

enum {
    LA = 0x00020000, /* starts a window of 16 pages */
    FRAME = 0x40,
    USED = P | W | U | A | D, /* a page the guest has written */
};

static struct vcpu *const v = &rig.v;

static void setup(void)
{
    memset(&space, 0, sizeof(space));
    rig_open(RIG_RAM);
    rig_paging_32(2);
}

static void teardown(void)
{
    rig_close();
}

static guest_la la_of(unsigned page)
{
    return LA + page * 4096;
}

/* Pages 0 to count - 1 from LA on, in consecutive frames. */
static void set_pages(unsigned count, uint32_t flags)
{
    for (unsigned i = 0; i < count; i++)
        rig_set_32(la_of(i), (FRAME + i) << 12 | flags);
}

static const struct space_page *host(guest_la la)
{
    return &space.page[split_data(&v->split, la) >> 12];
}

static void expect_host(guest_la la, uint64_t frame, unsigned rights)
{
    ck_assert_uint_eq(host(la)->frame_plus_one, frame + 1);
    ck_assert_uint_eq(host(la)->rights, rights);
}

static void expect_unmapped(guest_la la)
{
    ck_assert_uint_eq(host(la)->frame_plus_one, 0);
}

static void expect_clean_audit(void)
{
    struct shadow_finding finding = shadow_audit(v, v->shadow);
    ck_assert_msg(!finding.what, "%08x: %s", finding.la, finding.what);
}

/* The guest flushed its TLB, and is about to run. */
static void sync(void)
{
    v->shadow->stale = true;
    shadow_sync(v, v->shadow);
}

static void touch(guest_la la, unsigned access)
{
    ck_assert_int_eq(shadow_fault(v, v->shadow, la, access), SHADOW_MAPPED);
    expect_clean_audit();
}

static void expect_emulated(guest_la la, unsigned access)
{
    ck_assert_int_eq(shadow_fault(v, v->shadow, la, access), SHADOW_EMULATE);
    expect_clean_audit();
}

/* ---- Faults -------------------------------------------------------------------------------------- */

START_TEST(reading_a_clean_page_maps_it_read_only_and_sets_a)
{
    rig_set_32(LA, FRAME << 12 | P | W | U);
    touch(LA + 0x123, 0);
    expect_host(LA, FRAME, SPACE_READ);
    ck_assert_uint_eq(*rig_entry_32(LA), FRAME << 12 | P | W | U | A);
    ck_assert_uint_eq(v->counts.shadow_fills, 1);
}
END_TEST

START_TEST(reading_a_dirty_page_maps_it_writable)
{
    rig_set_32(LA, FRAME << 12 | USED);
    touch(LA, 0);
    expect_host(LA, FRAME, SPACE_READ | SPACE_WRITE);
}
END_TEST

START_TEST(reading_a_dirty_page_without_the_right_to_write_maps_it_read_only)
{
    rig_set_32(LA, FRAME << 12 | (USED & ~W));
    touch(LA, 0);
    expect_host(LA, FRAME, SPACE_READ);
    expect_emulated(LA, ACCESS_WRITE);
}
END_TEST

START_TEST(the_first_write_to_a_page_read_before_upgrades_it_and_sets_d)
{
    rig_set_32(LA, FRAME << 12 | P | W | U);
    touch(LA, 0);
    touch(LA, ACCESS_WRITE);
    expect_host(LA, FRAME, SPACE_READ | SPACE_WRITE);
    ck_assert_uint_eq(*rig_entry_32(LA), FRAME << 12 | USED);
    ck_assert_uint_eq(v->counts.shadow_upgrades, 1);
    ck_assert_uint_eq(space.maps, 1);
    ck_assert_uint_eq(space.protects, 1);
}
END_TEST

START_TEST(a_fault_at_a_page_that_is_there_is_the_interpreters)
{
    rig_set_32(LA, FRAME << 12 | USED);
    touch(LA, 0);
    expect_emulated(LA, 0);
    expect_emulated(LA, ACCESS_WRITE);
}
END_TEST

START_TEST(a_page_that_leads_elsewhere_without_a_flush_is_mapped_anew)
{
    rig_set_32(LA, FRAME << 12 | P | U);
    touch(LA, 0);
    rig_set_32(LA, (FRAME + 9) << 12 | P | W | U);
    touch(LA, ACCESS_WRITE);
    expect_host(LA, FRAME + 9, SPACE_READ | SPACE_WRITE);
}
END_TEST

START_TEST(without_paging_linear_is_physical)
{
    v->cr0 &= ~X86_CR0_PG;
    touch(LA, ACCESS_WRITE);
    expect_host(LA, LA >> 12, SPACE_READ | SPACE_WRITE);
    ck_assert_uint_eq(v->shadow->mappings, 1);
}
END_TEST

START_TEST(a_large_page_is_mapped_in_pieces)
{
    uint32_t *root = (uint32_t *)(v->map.ram + RIG_ROOT);
    root[2] = 0 | P | W | U | A | D | PS;
    touch(0x00820000, 0);
    expect_host(0x00820000, 0x20, SPACE_READ | SPACE_WRITE);
    expect_host(0x0082f000, 0x2f, SPACE_READ | SPACE_WRITE);
    expect_unmapped(0x00830000);
    ck_assert_uint_eq(space.maps, 1);
}
END_TEST

static const struct {
    const char *name;
    uint32_t entry;
    unsigned access;
} emulated[] = {
    { "absent page", FRAME << 12 | (USED & ~P), 0 },
    { "supervisor page", FRAME << 12 | (USED & ~U), 0 },
    { "write to a read-only page", FRAME << 12 | (USED & ~W), ACCESS_WRITE },
    { "device", (uint32_t)RIG_HOLE | USED, 0 },
    { "write to a device", (uint32_t)RIG_HOLE | USED, ACCESS_WRITE },
    { "write to ROM", (uint32_t)RIG_ROM | USED, ACCESS_WRITE },
};

START_TEST(is_left_to_the_interpreter)
{
    rig_set_32(LA, emulated[_i].entry);
    ck_assert_msg(shadow_fault(v, v->shadow, LA, emulated[_i].access) == SHADOW_EMULATE, "%s",
                  emulated[_i].name);
    ck_assert_uint_eq(v->shadow->pages, 0);
    ck_assert_uint_eq(space.maps, 0);
}
END_TEST

START_TEST(rom_is_mapped_read_only)
{
    rig_set_32(LA, (uint32_t)RIG_ROM_TOP | USED);
    touch(LA, 0);
    expect_host(LA, RIG_RAM >> 12, SPACE_READ);
}
END_TEST

START_TEST(nothing_is_mapped_beyond_the_reach_of_data_segments)
{
    v->cr0 &= ~X86_CR0_PG;
    v->pa_mask = 0xfffff; /* so that there is memory */
    expect_emulated(0xc0000000, 0);
    expect_emulated(0xff000000, ACCESS_WRITE);
    touch(0xbffff000, 0);
}
END_TEST

START_TEST(nothing_is_mapped_in_the_nexus)
{
    rig_split(D86_SPLIT_NONE);
    v->cr0 &= ~X86_CR0_PG;
    v->pa_mask = 0xfffff;
    v->code->nexus = 0x3e000000;
    expect_emulated(0x3e000000, 0);
    expect_emulated(0x3effe000, 0);
    expect_emulated(code_scratch(v->code), ACCESS_WRITE);
    touch(0x3e000000 - 4096, 0);
    touch(0x3f000000, 0);
    expect_unmapped(0x3e000000);
    v->code->nexus = 0;
    touch(0x3e000000, 0);
    touch(0x00f00000, 0);
}
END_TEST

/* ---- Neighbours ---------------------------------------------------------------------------------- */

START_TEST(neighbours_in_use_come_along_in_one_mapping)
{
    set_pages(20, USED);
    touch(la_of(5), 0);
    ck_assert_uint_eq(space.maps, 1);
    ck_assert_uint_eq(v->shadow->pages, 16);
    ck_assert_uint_eq(v->shadow->mappings, 1);
    ck_assert_uint_eq(v->counts.shadow_fills, 1);
    ck_assert_uint_eq(v->counts.shadow_prefills, 15);
    expect_host(la_of(15), FRAME + 15, SPACE_READ | SPACE_WRITE);
    expect_unmapped(la_of(16));
}
END_TEST

START_TEST(neighbours_the_guest_has_not_used_do_not)
{
    set_pages(16, USED);
    rig_set_32(la_of(3), (FRAME + 3) << 12 | (USED & ~A));
    rig_set_32(la_of(7), (FRAME + 7) << 12 | (USED & ~P));
    rig_set_32(la_of(9), (FRAME + 9) << 12 | (USED & ~U));
    v->shadow->runs = 16;
    touch(la_of(5), 0);
    expect_unmapped(la_of(3));
    expect_unmapped(la_of(7));
    expect_unmapped(la_of(9));
    ck_assert_uint_eq(v->shadow->pages, 13);
    ck_assert_uint_eq(*rig_entry_32(la_of(3)) & A, 0);
}
END_TEST

START_TEST(a_clean_neighbour_comes_read_only_in_a_mapping_of_its_own)
{
    set_pages(2, USED);
    rig_set_32(la_of(1), (FRAME + 1) << 12 | (USED & ~D));
    v->shadow->runs = 2;
    touch(LA, ACCESS_WRITE);
    expect_host(LA, FRAME, SPACE_READ | SPACE_WRITE);
    expect_host(la_of(1), FRAME + 1, SPACE_READ);
    ck_assert_uint_eq(v->shadow->mappings, 2);
}
END_TEST

START_TEST(a_fault_makes_no_more_mappings_than_it_may)
{
    for (unsigned i = 0; i < 16; i++)
        rig_set_32(la_of(i), (FRAME + 2 * i) << 12 | USED);
    v->shadow->runs = 3;
    touch(la_of(14), 0);
    ck_assert_uint_eq(space.maps, 3);
    ck_assert_uint_eq(v->shadow->pages, 3);
    expect_host(la_of(15), FRAME + 30, SPACE_READ | SPACE_WRITE); /* what follows comes first */
    expect_host(LA, FRAME, SPACE_READ | SPACE_WRITE);
}
END_TEST

START_TEST(a_neighbour_the_host_refuses_does_not_keep_a_page_out)
{
    set_pages(16, USED);
    space.refuse = split_data(&v->split, LA) >> 12;
    touch(la_of(1), 0);
    expect_host(la_of(1), FRAME + 1, SPACE_READ | SPACE_WRITE);
    expect_unmapped(LA);
    expect_emulated(LA, 0);
}
END_TEST

/* ---- Code ---------------------------------------------------------------------------------------- */

START_TEST(a_frame_that_becomes_code_loses_every_right_to_be_written)
{
    rig_set_32(LA, FRAME << 12 | USED);
    rig_set_32(la_of(20), FRAME << 12 | USED);
    rig_set_32(la_of(40), (FRAME + 1) << 12 | USED);
    touch(LA, ACCESS_WRITE);
    touch(la_of(20), ACCESS_WRITE);
    touch(la_of(40), ACCESS_WRITE);
    rig_make_code(0x00300000, FRAME);
    expect_host(LA, FRAME, SPACE_READ);
    expect_host(la_of(20), FRAME, SPACE_READ);
    expect_host(la_of(40), FRAME + 1, SPACE_READ | SPACE_WRITE);
    expect_clean_audit();
}
END_TEST

START_TEST(a_dirty_page_that_holds_code_is_mapped_read_only)
{
    set_pages(16, USED);
    v->code_frame[FRAME].granules = 1;
    v->code_frame[FRAME + 9].granules = 1;
    v->shadow->runs = 16;
    touch(LA, 0);
    expect_host(LA, FRAME, SPACE_READ);
    expect_host(la_of(8), FRAME + 8, SPACE_READ | SPACE_WRITE);
    expect_host(la_of(9), FRAME + 9, SPACE_READ);
}
END_TEST

START_TEST(a_write_to_code_is_emulated_until_the_code_gives_way)
{
    rig_set_32(LA, FRAME << 12 | USED);
    rig_make_code(0x00300000, FRAME);
    expect_emulated(LA, ACCESS_WRITE);
    ck_assert_uint_eq(rig.yields, 1);
    rig.yield = true;
    touch(LA, ACCESS_WRITE);
    expect_host(LA, FRAME, SPACE_READ | SPACE_WRITE);
    ck_assert_uint_eq(rig.code_count, 0);
}
END_TEST

START_TEST(data_takes_the_place_of_unrelated_code)
{
    rig_set_32(LA, FRAME << 12 | USED);
    rig_make_code(split_data(&v->split, LA), FRAME + 5);
    touch(LA, 0);
    ck_assert_uint_eq(rig.code_count, 0);
    ck_assert_uint_eq(v->counts.code_conflicts, 1);
    expect_host(LA, FRAME, SPACE_READ | SPACE_WRITE);
}
END_TEST

START_TEST(a_neighbour_does_not_take_the_place_of_code)
{
    set_pages(16, USED);
    rig_make_code(split_data(&v->split, la_of(4)), 0x200);
    touch(LA, 0);
    ck_assert_uint_eq(rig.code_count, 1);
    ck_assert_uint_eq(v->counts.code_conflicts, 0);
    expect_host(la_of(3), FRAME + 3, SPACE_READ | SPACE_WRITE);
}
END_TEST

START_TEST(code_takes_the_place_of_data)
{
    set_pages(3, USED);
    touch(LA, 0);
    rig_make_code(split_data(&v->split, la_of(1)), 0x200);
    ck_assert_uint_eq(v->shadow->pages, 2);
    ck_assert_uint_eq(v->shadow->mappings, 2);
    expect_clean_audit();
}
END_TEST

START_TEST(reading_a_private_page_at_its_own_address_is_emulated)
{
    rig_split(D86_SPLIT_PKU);
    rig_set_32(LA, FRAME << 12 | USED);
    rig_make_code(LA, FRAME);
    expect_emulated(LA, 0);
    ck_assert_uint_eq(v->counts.trap_split, 1);
    expect_emulated(LA, ACCESS_WRITE);
    rig.yield = true;
    touch(LA, ACCESS_WRITE);
    ck_assert_uint_eq(v->counts.trap_split, 3);
    expect_host(LA, FRAME, SPACE_READ | SPACE_WRITE);
}
END_TEST

/* ---- Invalidation -------------------------------------------------------------------------------- */

START_TEST(a_sync_of_what_has_not_changed_calls_nobody)
{
    set_pages(64, USED);
    for (unsigned i = 0; i < 64; i += 16)
        touch(la_of(i), 0);
    unsigned calls = space.maps + space.unmaps + space.protects;
    sync();
    ck_assert_uint_eq(space.maps + space.unmaps + space.protects, calls);
    ck_assert_uint_eq(v->shadow->pages, 64);
    ck_assert_uint_eq(v->shadow->mappings, 1);
    ck_assert(!v->shadow->stale);
}
END_TEST

static const struct {
    const char *name;
    uint32_t entry;  /* instead of the one that was mapped writable */
    unsigned rights; /* afterwards; 0: unmapped */
} changes[] = {
    { "absent now", FRAME << 12 | (USED & ~P), 0 },
    { "another frame", (FRAME + 7) << 12 | USED, 0 },
    { "supervisor page", FRAME << 12 | (USED & ~U), 0 },
    { "accessed bit cleared", FRAME << 12 | (USED & ~A), 0 },
    { "dirty bit cleared", FRAME << 12 | (USED & ~D), SPACE_READ },
    { "read-only now", FRAME << 12 | (USED & ~W), SPACE_READ },
    { "device", (uint32_t)RIG_HOLE | USED, 0 },
    { "other bits do not matter", FRAME << 12 | USED | X86_PTE_G | X86_PTE_PWT | 0xe00,
      SPACE_READ | SPACE_WRITE },
};

START_TEST(a_sync_follows_the_guests_entry)
{
    rig_set_32(LA, FRAME << 12 | USED);
    touch(LA, ACCESS_WRITE);
    rig_set_32(LA, changes[_i].entry);
    sync();
    expect_clean_audit();
    ck_assert_msg(host(LA)->rights == changes[_i].rights, "%s", changes[_i].name);
    ck_assert_uint_eq(*rig_entry_32(LA), changes[_i].entry);
}
END_TEST

START_TEST(a_sync_unmaps_neighbours_in_one_call)
{
    set_pages(16, USED);
    touch(LA, 0);
    for (unsigned i = 2; i < 12; i++)
        rig_set_32(la_of(i), 0);
    sync();
    ck_assert_uint_eq(space.unmaps, 1);
    ck_assert_uint_eq(v->counts.shadow_drops, 10);
    ck_assert_uint_eq(v->shadow->mappings, 2);
    expect_clean_audit();
}
END_TEST

START_TEST(a_sync_protects_neighbours_in_one_call)
{
    set_pages(16, USED);
    touch(LA, 0);
    set_pages(16, USED & ~D);
    sync();
    ck_assert_uint_eq(space.protects, 1);
    ck_assert_uint_eq(space.unmaps, 0);
    ck_assert_uint_eq(v->shadow->mappings, 1);
    expect_clean_audit();
}
END_TEST

START_TEST(a_sync_sees_a_new_directory)
{
    rig_set_32(LA, FRAME << 12 | USED);
    touch(LA, 0);
    v->cr3 = RIG_PAE; /* nothing but zeroes */
    sync();
    expect_unmapped(LA);
    expect_clean_audit();
}
END_TEST

START_TEST(dropping_a_page_leaves_its_neighbours)
{
    set_pages(3, USED);
    touch(LA, 0);
    shadow_drop_page(v, v->shadow, la_of(1) + 0xfff);
    expect_unmapped(la_of(1));
    expect_host(la_of(2), FRAME + 2, SPACE_READ | SPACE_WRITE);
    expect_clean_audit();
    shadow_drop_page(v, v->shadow, la_of(1));
    ck_assert_uint_eq(space.unmaps, 1);
    shadow_drop_all(v, v->shadow);
    ck_assert_uint_eq(space.data_pages, 0);
    expect_clean_audit();
}
END_TEST

/* ---- The audit ----------------------------------------------------------------------------------- */

static struct shadow *record(void)
{
    return v->shadow;
}

static struct shadow_page *entry(unsigned page)
{
    return &v->shadow->page[(LA >> 12) + page];
}

/* A fault in the shadow or in the guest's tables, planted after pages 0 to 3 were mapped. */
static void plant(unsigned what)
{
    switch (what) {
    case 0:
        rig_set_32(la_of(1), FRAME << 12 | (USED & ~A));
        break;
    case 1:
        rig_set_32(la_of(1), FRAME << 12 | USED);
        break;
    case 2:
        rig_set_32(la_of(1), (FRAME + 1) << 12 | (USED & ~D));
        break;
    case 3:
        v->code_frame[FRAME + 1].granules = 1;
        break;
    case 4:
        v->split.data_limit = la_of(1) - 1;
        break;
    case 5:
        rig.code[0].la = split_data(&v->split, la_of(1));
        rig.code_count = 1;
        break;
    case 6:
        record()->frame_head[FRAME + 1] = 0;
        break;
    case 7:
        entry(1)->next = (LA >> 12) + 3;
        break;
    case 8:
        record()->mapped[LA >> 18] &= ~(1ull << (((LA >> 12) + 1) & 63));
        break;
    case 9:
        entry(1)->frame_plus_one = 0;
        break;
    case 10:
        record()->pages++;
        break;
    case 11:
        record()->region_pages[0]++;
        break;
    case 12:
        record()->mappings++;
        break;
    case 13:
        record()->region_mappings[0]++;
        break;
    case 14:
        record()->budget = 0;
        break;
    }
}

static const char *const findings[] = {
    "mapped, which the guest's tables do not allow",
    "mapped to another frame than in the guest's tables",
    "writable, which the guest's tables do not allow",
    "writable, though code was made from the frame",
    "mapped where data segments do not reach",
    "mapped where a private page is",
    "not in the list of its frame",
    "the list of its frame is torn",
    "has an entry, but is not marked as mapped",
    "marked as mapped, but has no entry",
    "the count of pages is wrong",
    "the region's count of pages is wrong",
    "the count of mappings is wrong",
    "the region's count of mappings is wrong",
    "more mappings than the budget allows",
};

START_TEST(the_audit_names_what_is_wrong)
{
    set_pages(4, USED);
    touch(LA, 0);
    plant((unsigned)_i);
    struct shadow_finding finding = shadow_audit(v, v->shadow);
    ck_assert_str_eq(finding.what, findings[_i]);
    if (_i < 10)
        ck_assert_uint_eq(finding.la, la_of(1));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("shadow");
    TCase *tc = tcase_create("fault");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, reading_a_clean_page_maps_it_read_only_and_sets_a);
    tcase_add_test(tc, reading_a_dirty_page_maps_it_writable);
    tcase_add_test(tc, reading_a_dirty_page_without_the_right_to_write_maps_it_read_only);
    tcase_add_test(tc, the_first_write_to_a_page_read_before_upgrades_it_and_sets_d);
    tcase_add_test(tc, a_fault_at_a_page_that_is_there_is_the_interpreters);
    tcase_add_test(tc, a_page_that_leads_elsewhere_without_a_flush_is_mapped_anew);
    tcase_add_test(tc, without_paging_linear_is_physical);
    tcase_add_test(tc, a_large_page_is_mapped_in_pieces);
    tcase_add_loop_test(tc, is_left_to_the_interpreter, 0, sizeof(emulated) / sizeof(emulated[0]));
    tcase_add_test(tc, rom_is_mapped_read_only);
    tcase_add_test(tc, nothing_is_mapped_beyond_the_reach_of_data_segments);
    tcase_add_test(tc, nothing_is_mapped_in_the_nexus);
    suite_add_tcase(suite, tc);

    tc = tcase_create("neighbours");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, neighbours_in_use_come_along_in_one_mapping);
    tcase_add_test(tc, neighbours_the_guest_has_not_used_do_not);
    tcase_add_test(tc, a_clean_neighbour_comes_read_only_in_a_mapping_of_its_own);
    tcase_add_test(tc, a_fault_makes_no_more_mappings_than_it_may);
    tcase_add_test(tc, a_neighbour_the_host_refuses_does_not_keep_a_page_out);
    suite_add_tcase(suite, tc);

    tc = tcase_create("code");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_frame_that_becomes_code_loses_every_right_to_be_written);
    tcase_add_test(tc, a_dirty_page_that_holds_code_is_mapped_read_only);
    tcase_add_test(tc, a_write_to_code_is_emulated_until_the_code_gives_way);
    tcase_add_test(tc, data_takes_the_place_of_unrelated_code);
    tcase_add_test(tc, a_neighbour_does_not_take_the_place_of_code);
    tcase_add_test(tc, code_takes_the_place_of_data);
    tcase_add_test(tc, reading_a_private_page_at_its_own_address_is_emulated);
    suite_add_tcase(suite, tc);

    tc = tcase_create("invalidation");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_sync_of_what_has_not_changed_calls_nobody);
    tcase_add_loop_test(tc, a_sync_follows_the_guests_entry, 0, sizeof(changes) / sizeof(changes[0]));
    tcase_add_test(tc, a_sync_unmaps_neighbours_in_one_call);
    tcase_add_test(tc, a_sync_protects_neighbours_in_one_call);
    tcase_add_test(tc, a_sync_sees_a_new_directory);
    tcase_add_test(tc, dropping_a_page_leaves_its_neighbours);
    suite_add_tcase(suite, tc);

    tc = tcase_create("audit");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, the_audit_names_what_is_wrong, 0, sizeof(findings) / sizeof(findings[0]));
    suite_add_tcase(suite, tc);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
