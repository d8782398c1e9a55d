/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The shadows for supervisors, and whose window is whose: rights at CPL 0, runs that come along, large pages
 * that are known by one number, address spaces that take turns. Over tables in place of the host, one for
 * each window.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "news.h"
#include "shadow_rig.h"
#include "system_space.h"

enum {
    LA = 0x00100000,
    FRAME = 0x100, /* the page at LA, if nothing else is said: linear is physical */
    KERNEL = P | W | A | D,
    LARGE_LA = 0x00800000,
    OTHER_LA = 0x00600000, /* by the other page table */
    TABLE_PAGES = 2048,    /* of the two page tables */
};

static struct vcpu *const v = &rig.v;
static struct system_spaces *spaces;
static struct space_page *window[SYSTEM_SPACES];
static unsigned maps;

/* ---- space.h ------------------------------------------------------------------------------------------ */

/* Where `at` is, in the low 4 GiB of nobody or in a window; all of the range lies in it. */
static struct space_page *at_of(uint64_t at, uint64_t size)
{
    for (unsigned i = 0; i < SYSTEM_SPACES; i++) {
        if (at - SYSTEM_WINDOW(i) < 1ull << 32) {
            ck_assert_uint_le(at - SYSTEM_WINDOW(i) + size, 1ull << 32);
            return &window[i][(at - SYSTEM_WINDOW(i)) >> 12];
        }
    }
    ck_abort_msg("%#lx is in no window", (unsigned long)at);
}

int space_map(struct vcpu *cpu, uint64_t at, uint64_t size, unsigned rights, enum space_file file,
              uint64_t offset, int key, bool populate)
{
    struct space_page *p = at_of(at, size);
    (void)key, (void)populate;
    ck_assert_int_eq(file, SPACE_RAM);
    ck_assert_uint_le(offset + size, cpu->map.ram_size);
    for (uint32_t i = 0; i < size >> 12; i++) {
        ck_assert(!p[i].frame_plus_one || size == 4096); /* shadow_replace() */
        p[i] = (struct space_page){ (uint32_t)(offset >> 12) + i + 1, (uint8_t)rights };
    }
    maps++;
    return 0;
}

int space_map_faces(struct vcpu *cpu, uint32_t at, uint64_t code_offset, uint64_t ram_offset)
{
    (void)cpu, (void)at, (void)code_offset, (void)ram_offset;
    ck_abort_msg("no code is mapped here");
    return -1;
}

int space_prime(struct vcpu *cpu, uint32_t at, uint64_t code_offset, uint64_t ram_offset)
{
    return space_map_faces(cpu, at, code_offset, ram_offset);
}

void space_unmap(struct vcpu *cpu, uint64_t at, uint64_t size)
{
    (void)cpu;
    memset(at_of(at, size), 0, (size >> 12) * sizeof(struct space_page));
}

void space_protect(struct vcpu *cpu, uint64_t at, uint64_t size, unsigned rights)
{
    struct space_page *p = at_of(at, size);
    (void)cpu;
    for (uint32_t i = 0; i < size >> 12; i++)
        p[i].rights = (uint8_t)rights;
}

/* ---- The rig --------------------------------------------------------------------------------------------
 */

static void setup(void)
{
    rig_open(16 << 20);
    rig_paging_32(2);
    for (uint32_t page = 0; page < TABLE_PAGES; page++)
        rig_set_32(page << 12, page << 12 | P | W | A | D);
    v->cpl = 0;
    v->cr0 |= X86_CR0_WP;
    spaces = calloc(1, sizeof(*spaces));
    v->spaces = spaces;
    for (unsigned i = 0; i < SYSTEM_SPACES; i++) {
        window[i] = calloc(SHADOW_PAGES, sizeof(*window[i]));
        shadow_init(&spaces->shadow[i], SYSTEM_WINDOW(i), calloc(SHADOW_PAGES, sizeof(struct shadow_page)),
                    calloc(rig.ram_size >> 12, sizeof(uint32_t)));
    }
    v->shadow_system = &spaces->shadow[0];
    v->translated.window = v->shadow_system->base;
    maps = 0;
    system_space_choose(v);
    shadow_sync(v, v->shadow_system); /* as before all that runs in it */
}

static void teardown(void)
{
    for (unsigned i = 0; i < SYSTEM_SPACES; i++) {
        free(window[i]);
        free(spaces->shadow[i].page);
        free(spaces->shadow[i].frame_head);
    }
    free(spaces);
    rig_close();
}

static const struct space_page *host(guest_la la)
{
    return at_of(v->shadow_system->base + la, 1);
}

static void expect(guest_la la, uint64_t frame, unsigned rights)
{
    ck_assert_uint_eq(host(la)->frame_plus_one, frame + 1);
    ck_assert_uint_eq(host(la)->rights, rights);
}

static void expect_unmapped(guest_la la)
{
    ck_assert_uint_eq(host(la)->frame_plus_one, 0);
}

static void audit(void)
{
    struct shadow_finding finding = shadow_audit(v, v->shadow_system);
    ck_assert_msg(!finding.what, "%08x: %s", finding.la, finding.what);
}

static void touch(guest_la la, unsigned access)
{
    ck_assert_int_eq(shadow_fault(v, v->shadow_system, la, access), SHADOW_MAPPED);
    audit();
}

static void expect_emulated(guest_la la, unsigned access)
{
    ck_assert_int_eq(shadow_fault(v, v->shadow_system, la, access), SHADOW_EMULATE);
}

/* The guest flushed all it has. */
static void sync(void)
{
    v->shadow_system->stale = true;
    shadow_sync(v, v->shadow_system);
    audit();
}

static void set_directory(guest_la la, uint32_t entry)
{
    ((uint32_t *)(v->map.ram + RIG_ROOT))[la >> 22] = entry;
}

enum { READ = SPACE_READ, BOTH = SPACE_READ | SPACE_WRITE };

/* ---- Rights ----------------------------------------------------------------------------------------------
 */

START_TEST(a_page_without_u_is_the_supervisors_alone)
{
    touch(LA, ACCESS_WRITE);
    expect(LA, FRAME, BOTH);
    ck_assert_int_eq(shadow_fault(v, v->shadow, LA, 0), SHADOW_EMULATE);
}
END_TEST

START_TEST(cr0_wp_decides_about_a_read_only_page)
{
    rig_set_32(LA, FRAME << 12 | P | A | D);
    touch(LA, 0);
    expect(LA, FRAME, READ);
    expect_emulated(LA, ACCESS_WRITE);
    v->cr0 &= ~X86_CR0_WP;
    sync();
    touch(LA, ACCESS_WRITE);
    expect(LA, FRAME, BOTH);
    v->cr0 |= X86_CR0_WP;
    sync();
    expect(LA, FRAME, READ);
}
END_TEST

START_TEST(without_cr0_wp_d_still_counts)
{
    rig_set_32(LA, FRAME << 12 | P | A);
    v->cr0 &= ~X86_CR0_WP;
    touch(LA, 0);
    expect(LA, FRAME, READ);
    touch(LA, ACCESS_WRITE);
    ck_assert_uint_eq(*rig_entry_32(LA), FRAME << 12 | P | A | D);
}
END_TEST

/* ---- Runs
 * -------------------------------------------------------------------------------------------------- */

/* What ends a run below and above LA: made of the pages 3 before and 3 behind. */
static void another_frame(guest_la la)
{
    rig_set_32(la, 0x300 << 12 | KERNEL);
}

static void not_accessed(guest_la la)
{
    *rig_entry_32(la) &= ~(uint32_t)A;
}

static void not_dirty(guest_la la)
{
    *rig_entry_32(la) &= ~(uint32_t)D;
}

static void not_present(guest_la la)
{
    *rig_entry_32(la) &= ~(uint32_t)P;
}

static void code(guest_la la)
{
    v->code_frame[la >> 12].granules = 1;
}

static void (*const ends[])(guest_la la) = { another_frame, not_accessed, not_dirty, not_present, code };

START_TEST(a_run_comes_along_up_to_what_is_different)
{
    ends[_i](LA - 3 * 4096);
    ends[_i](LA + 3 * 4096);
    touch(LA, ACCESS_WRITE);
    ck_assert_uint_eq(maps, 1);
    ck_assert_uint_eq(v->shadow_system->pages, 5);
    for (guest_la la = LA - 2 * 4096; la < LA + 3 * 4096; la += 4096)
        expect(la, la >> 12, BOTH);
    expect_unmapped(LA - 3 * 4096);
    expect_unmapped(LA + 3 * 4096);
}
END_TEST

START_TEST(a_run_ends_where_the_addresses_do)
{
    touch(0, 0);
    ck_assert_uint_eq(v->shadow_system->pages, 1 + 1024); /* as many as may come at a time */
    set_directory(0xffc00000, *(uint32_t *)(v->map.ram + RIG_ROOT));
    touch(0xfffff000, 0);
    expect(0xfffff000, 1023, BOTH);
    expect(0xffc00000, 0, BOTH);
    expect_unmapped(0xffbff000);
}
END_TEST

START_TEST(a_run_that_meets_another_joins_it)
{
    not_accessed(LA + 4096);
    touch(LA, 0);
    touch(LA + 2 * 4096, 0);
    ck_assert_uint_eq(v->shadow_system->mappings, 2);
    touch(LA + 4096, ACCESS_WRITE);
    ck_assert_uint_eq(v->shadow_system->mappings, 1);
}
END_TEST

START_TEST(where_single_pages_come_and_go_they_come_alone)
{
    touch(LA, 0);
    for (unsigned i = 0; i < 10; i++)
        shadow_region_changed(v->shadow_system, LA);
    not_present(LA);
    not_present(LA + 4096);
    sync();
    rig_set_32(LA, 0x300 << 12 | KERNEL);
    rig_set_32(LA + 4096, 0x301 << 12 | KERNEL);
    sync();
    expect_unmapped(LA + 4096);
    touch(LA, 0);
    expect(LA, 0x300, BOTH);
    expect_unmapped(LA + 4096);
}
END_TEST

START_TEST(invlpg_of_one_page_compares_its_region_alone)
{
    touch(LA, 0); /* and all that follows it */
    expect(0x500000, 0x500, BOTH);
    rig_set_32(LA, 0x300 << 12 | KERNEL);
    rig_set_32(0x500000, 0x301 << 12 | KERNEL);
    shadow_region_changed(v->shadow_system, LA + 4096);
    ck_assert(v->shadow_system->some_stale);
    shadow_sync(v, v->shadow_system);
    expect_unmapped(LA);
    expect(0x500000, 0x500, BOTH);
    ck_assert(!v->shadow_system->some_stale);
}
END_TEST

START_TEST(a_few_pages_that_moved_are_replaced_and_many_are_dropped)
{
    touch(LA, 0);
    sync();
    rig_set_32(LA, 0x300 << 12 | P | W | A);
    rig_set_32(LA + 4096, 0x380 << 12 | KERNEL);
    not_present(LA + 2 * 4096);
    sync();
    expect(LA, 0x300, READ);
    expect(LA + 4096, 0x380, BOTH);
    expect_unmapped(LA + 2 * 4096);
    ck_assert_uint_eq(v->counts.shadow_replaced, 2);
    for (guest_la la = LA + 8 * 4096; la < LA + 16 * 4096; la += 4096)
        rig_set_32(la, 0x300 << 12 | KERNEL);
    v->code_frame[0x300].granules = 1;
    shadow_protect_frame(v, v->shadow_system, 0x300);
    sync();
    expect(LA + 8 * 4096, 0x300, READ);
    expect_unmapped(LA + 15 * 4096);
}
END_TEST

START_TEST(an_expected_access_sets_nothing)
{
    rig_set_32(LA, FRAME << 12 | P | W | A);
    shadow_expect(v, v->shadow_system, LA, ACCESS_WRITE); /* D would have to be set */
    expect_unmapped(LA);
    shadow_expect(v, v->shadow_system, LA, 0);
    expect(LA, FRAME, READ);
    rig_set_32(LA, FRAME << 12 | KERNEL);
    shadow_expect(v, v->shadow_system, LA, ACCESS_WRITE);
    expect(LA, FRAME, BOTH);
    not_accessed(LA + 0x200000);
    shadow_expect(v, v->shadow_system, LA + 0x200000, 0);
    expect_unmapped(LA + 0x200000);
    audit();
    ck_assert_uint_eq(v->counts.shadow_expected, 2);
}
END_TEST

/* ---- Large pages
 * --------------------------------------------------------------------------------------------- */

START_TEST(a_large_page_whose_d_bit_is_cleared_is_protected)
{
    set_directory(LARGE_LA, 0x800000 | P | W | PS);
    touch(LARGE_LA, 0);
    sync(); /* now the entry is known, without D */
    expect(LARGE_LA, 0x800, READ);
    touch(LARGE_LA, ACCESS_WRITE);
    expect(LARGE_LA, 0x800, BOTH);
    set_directory(LARGE_LA, 0x800000 | P | W | A | PS);
    sync();
    expect(LARGE_LA, 0x800, READ);
}
END_TEST

START_TEST(a_large_page_whose_rights_grow_and_shrink_is_protected)
{
    set_directory(LARGE_LA, 0x800000 | P | A | D | PS);
    touch(LARGE_LA, 0);
    sync();
    set_directory(LARGE_LA, 0x800000 | P | W | A | D | PS);
    touch(LARGE_LA, ACCESS_WRITE); /* more rights need no flush */
    expect(LARGE_LA, 0x800, BOTH);
    set_directory(LARGE_LA, 0x800000 | P | A | D | PS);
    sync();
    expect(LARGE_LA, 0x800, READ);
}
END_TEST

START_TEST(a_large_page_that_did_not_change_is_not_looked_at)
{
    set_directory(LARGE_LA, 0x800000 | KERNEL | PS);
    touch(LARGE_LA, ACCESS_WRITE);
    sync();
    /* Nobody would find this. */
    v->shadow_system->page[LARGE_LA >> 12].frame_plus_one++;
    v->shadow_system->stale = true;
    shadow_sync(v, v->shadow_system);
    ck_assert_uint_ne(v->shadow_system->page[LARGE_LA >> 12].frame_plus_one, 0);
    v->shadow_system->page[LARGE_LA >> 12].frame_plus_one--;
    shadow_map_changed(v->shadow_system);
    shadow_sync(v, v->shadow_system);
    audit();
}
END_TEST

/* What looks alike as a number, and is not: the identity without paging, and a large page of address 0. */
START_TEST(no_paging_is_not_a_large_page_at_0)
{
    v->cr0 &= ~X86_CR0_PG;
    touch(LARGE_LA, 0);
    sync();
    expect(LARGE_LA, 0x800, BOTH);
    set_directory(LARGE_LA, 0 | KERNEL | U | PS);
    v->cr0 |= X86_CR0_PG;
    sync();
    expect_unmapped(LARGE_LA);
    touch(LARGE_LA, 0);
    expect(LARGE_LA, 0, BOTH);
}
END_TEST

/* ---- Whose window
 * ------------------------------------------------------------------------------------------------ */

static struct shadow *choose(uint32_t cr3)
{
    v->cr3 = cr3;
    v->shadow_system->stale = true;
    system_space_choose(v);
    ck_assert_uint_eq(v->translated.window, v->shadow_system->base);
    return v->shadow_system;
}

/* A directory with the same in it; at most 7 of them. */
static uint32_t directory(unsigned number)
{
    uint32_t at = 0x00200000 + number * 4096;
    memcpy(v->map.ram + at, v->map.ram + RIG_ROOT, 4096);
    return at;
}

START_TEST(an_address_space_finds_its_window_again)
{
    struct shadow *first = choose(RIG_ROOT);
    touch(LA, 0);
    uint32_t other = directory(0);
    struct shadow *second = choose(other);
    ck_assert_ptr_ne(first, second);
    expect_unmapped(LA);
    ck_assert_ptr_eq(choose(RIG_ROOT), first);
    ck_assert(first->stale);
    expect(LA, FRAME, BOTH);
    ck_assert_ptr_eq(choose(other), second);
    ck_assert_ptr_eq(choose(other | 0x18), second); /* PCD and PWT are no address */
    ck_assert_uint_eq(v->counts.system_evictions, 0);
}
END_TEST

START_TEST(no_paging_has_a_window_of_its_own)
{
    struct shadow *paged = choose(0);
    v->cr0 &= ~X86_CR0_PG;
    struct shadow *flat = choose(0);
    ck_assert_ptr_ne(paged, flat);
    ck_assert_ptr_eq(choose(0x5000), flat);
}
END_TEST

START_TEST(the_one_used_longest_ago_gives_way)
{
    struct shadow *of[SYSTEM_SPACES];
    for (unsigned i = 0; i < SYSTEM_SPACES; i++) {
        of[i] = choose(directory(i));
        touch(LA, 0);
        touch(OTHER_LA, 0);
        for (unsigned n = 0; n < i; n++)
            ck_assert_ptr_ne(of[n], of[i]);
    }
    /* The second is the oldest now, the window of the fixture's own space went with the last. */
    ck_assert_ptr_eq(choose(directory(0)), of[0]);
    unsigned before = (unsigned)v->counts.system_evictions;
    uint32_t other = directory(SYSTEM_SPACES);
    ((uint32_t *)(v->map.ram + other))[OTHER_LA >> 22] = 0;
    ck_assert_ptr_eq(choose(other), of[1]);
    ck_assert_uint_eq(v->counts.system_evictions, before + 1);
    /* What both spaces have in common stays. */
    ck_assert(of[1]->stale);
    shadow_sync(v, of[1]);
    audit();
    expect(LA, FRAME, BOTH);
    expect_unmapped(OTHER_LA);
}
END_TEST

/* The tables are as they were: the rights of who looks are not. */
START_TEST(who_takes_a_window_over_sees_by_their_own_rights)
{
    for (unsigned i = 0; i < SYSTEM_SPACES; i++) {
        choose(directory(i));
        touch(LA, 0);
        sync();
    }
    v->cpl = 3;
    struct shadow *taken = choose(directory(0));
    ck_assert(taken->user);
    shadow_sync(v, taken);
    audit();
    expect_unmapped(LA);
    expect_emulated(LA, 0);

    /* The other way round nothing is too much, and what was not there is found again. */
    v->cpl = 0;
    for (unsigned i = 1; i < SYSTEM_SPACES + 1; i++) {
        choose(directory(i % SYSTEM_SPACES));
        sync();
    }
    ck_assert(!taken->user);
    touch(LA, 0);
}
END_TEST

START_TEST(what_changed_meanwhile_is_seen_on_return)
{
    choose(RIG_ROOT);
    touch(LA, 0);
    uint32_t other = directory(0);
    choose(other);
    shadow_sync(v, v->shadow_system);
    rig_set_32(LA, 0x300 << 12 | KERNEL); /* in the table both have */
    choose(RIG_ROOT);
    shadow_sync(v, v->shadow_system);
    expect_unmapped(LA);
}
END_TEST

START_TEST(a_frame_is_protected_in_every_window)
{
    for (unsigned i = 0; i < 3; i++) {
        choose(directory(i));
        touch(LA, ACCESS_WRITE);
        expect(LA, FRAME, BOTH);
    }
    v->code_frame[FRAME].granules = 1;
    for (unsigned i = 0; i < SYSTEM_SPACES; i++)
        shadow_protect_frame(v, &spaces->shadow[i], FRAME);
    for (unsigned i = 0; i < 3; i++) {
        choose(directory(i));
        expect(LA, FRAME, READ);
        sync();
        expect(LA, FRAME, READ);
        expect_emulated(LA, ACCESS_WRITE);
    }
}
END_TEST

START_TEST(another_memory_map_makes_all_windows_doubtful)
{
    choose(directory(0));
    set_directory(LARGE_LA, 0x800000 | KERNEL | PS);
    choose(RIG_ROOT);
    touch(LARGE_LA, 0);
    sync();
    system_space_map_changed(v->spaces);
    for (unsigned i = 0; i < SYSTEM_SPACES; i++)
        ck_assert(spaces->shadow[i].stale);
    v->map.region[0].size = 0x400000; /* less memory */
    shadow_sync(v, v->shadow_system);
    expect_unmapped(LARGE_LA);
}
END_TEST

/* ---- Random guests --------------------------------------------------------------------------------------
 */

enum { STEPS = 5000, TABLES_SIZE = RIG_TABLES_END - RIG_ROOT, OTHER_ROOT = RIG_PAE };

static uint64_t random_state;

/* Xorshift. */
static uint32_t below(uint32_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 32) % limit;
}

static guest_la random_la(void)
{
    static const guest_la around[] = {
        0x100000, 0x3f8000, 0x400000, LARGE_LA, LARGE_LA + 0x3f0000, 0xffc00000
    };
    return around[below(6)] + (below(16) << 12);
}

static uint32_t random_entry(uint32_t frame)
{
    static const uint32_t rights[] = { KERNEL, KERNEL, KERNEL | U, KERNEL | X86_PTE_G, P | W | A,
                                       P | A,  P,      P | A | D,  P | U | A | D,      0 };
    return frame << 12 | rights[below(10)];
}

static void edit(void)
{
    guest_la la = random_la();
    if (la >= LARGE_LA || below(8) == 0) {
        uint32_t large = random_entry(below(4) << 10) | PS, table = RIG_TABLES + (la >> 22 & 1) * 4096;
        uint32_t entry = la >= LARGE_LA || below(4) == 0 ? large : table | P | W | U | A;
        ((uint32_t *)(v->map.ram + (below(2) ? RIG_ROOT : OTHER_ROOT)))[la >> 22] = entry;
    } else {
        rig_set_32(la, random_entry(below(4) ? la >> 12 : 0x200 + below(64)));
    }
}

static bool can_be_written(const struct walk *w, uint64_t frame)
{
    return w->writable && w->dirty && !frame_has_code(v, frame);
}

/* A fault is answered as the walk of such an access says, which also says what becomes of A and D. */
static void fault(void)
{
    static uint8_t before[TABLES_SIZE], walked[TABLES_SIZE];
    guest_la la = random_la();
    unsigned access = below(2) ? ACCESS_WRITE : 0;
    struct walk w;
    memcpy(before, v->map.ram + RIG_ROOT, TABLES_SIZE);
    bool allowed = paging_walk(v, la, access | (v->cpl == 3 ? ACCESS_USER : 0), &w);
    memcpy(walked, v->map.ram + RIG_ROOT, TABLES_SIZE);
    memcpy(v->map.ram + RIG_ROOT, before, TABLES_SIZE);
    uint64_t frame = allowed ? w.pa >> 12 : 0;
    const struct shadow_page *p = &v->shadow_system->page[la >> 12];
    rig.yield = false;
    bool writable = allowed && can_be_written(&w, frame);
    bool there = p->frame_plus_one == frame + 1 && (p->writable || !writable);
    bool expected = allowed && !(access && frame_has_code(v, frame)) && !(allowed && there);
    enum shadow_answer answer = shadow_fault(v, v->shadow_system, la | below(4096), access);
    ck_assert_int_eq(answer, expected ? SHADOW_MAPPED : SHADOW_EMULATE);
    ck_assert(!memcmp(v->map.ram + RIG_ROOT, walked, TABLES_SIZE));
    if (expected)
        expect(la, frame, writable ? BOTH : READ);
}

static void code_comes_or_goes(void)
{
    uint64_t frame = below(2) ? random_la() >> 12 & 0x7ff : 0x200 + below(64);
    v->code_frame[frame].granules = below(2);
    for (unsigned i = 0; i < SYSTEM_SPACES && v->code_frame[frame].granules; i++)
        shadow_protect_frame(v, &spaces->shadow[i], frame);
}

/* True: the window in use is as the tables are. */
static bool step(bool synced)
{
    uint32_t what = below(100);
    if (what < 50) {
        fault();
    } else if (what < 70) {
        edit();
        return false;
    } else if (what < 80) {
        code_comes_or_goes();
    } else if (what < 85) {
        shadow_region_changed(v->shadow_system, random_la());
        shadow_sync(v, v->shadow_system);
    } else {
        if (what < 88)
            v->cr0 ^= X86_CR0_WP;
        else if (what < 91)
            v->cr3 = v->cr3 == RIG_ROOT ? OTHER_ROOT : RIG_ROOT;
        else if (what < 94)
            v->cr3 = directory(below(6));
        else if (what < 97)
            v->cpl ^= 3;
        system_space_choose(v);
        sync();
        return true;
    }
    return synced;
}

START_TEST(survives_a_random_kernel)
{
    random_state = 0x9e3779b97f4a7c15ull * (uint64_t)(_i + 1);
    memcpy(v->map.ram + OTHER_ROOT, v->map.ram + RIG_ROOT, 4096);
    bool synced = true;
    for (unsigned n = 0; n < STEPS; n++) {
        synced = step(synced);
        if (synced && n % 64 == 0)
            audit();
    }
    ck_assert_uint_gt(v->counts.system_fills, STEPS / 100);
    ck_assert_uint_gt(v->counts.shadow_drops, STEPS / 100);
    ck_assert_uint_gt(v->counts.shadow_upgrades, STEPS / 1000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("system_space");
    TCase *tc = tcase_create("system_space");
    tcase_set_timeout(tc, 50);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_page_without_u_is_the_supervisors_alone);
    tcase_add_test(tc, cr0_wp_decides_about_a_read_only_page);
    tcase_add_test(tc, without_cr0_wp_d_still_counts);
    tcase_add_loop_test(tc, a_run_comes_along_up_to_what_is_different, 0, sizeof(ends) / sizeof(ends[0]));
    tcase_add_test(tc, a_run_ends_where_the_addresses_do);
    tcase_add_test(tc, a_run_that_meets_another_joins_it);
    tcase_add_test(tc, where_single_pages_come_and_go_they_come_alone);
    tcase_add_test(tc, invlpg_of_one_page_compares_its_region_alone);
    tcase_add_test(tc, a_few_pages_that_moved_are_replaced_and_many_are_dropped);
    tcase_add_test(tc, an_expected_access_sets_nothing);
    tcase_add_test(tc, a_large_page_whose_d_bit_is_cleared_is_protected);
    tcase_add_test(tc, a_large_page_whose_rights_grow_and_shrink_is_protected);
    tcase_add_test(tc, a_large_page_that_did_not_change_is_not_looked_at);
    tcase_add_test(tc, no_paging_is_not_a_large_page_at_0);
    tcase_add_test(tc, an_address_space_finds_its_window_again);
    tcase_add_test(tc, no_paging_has_a_window_of_its_own);
    tcase_add_test(tc, the_one_used_longest_ago_gives_way);
    tcase_add_test(tc, who_takes_a_window_over_sees_by_their_own_rights);
    tcase_add_test(tc, what_changed_meanwhile_is_seen_on_return);
    tcase_add_test(tc, a_frame_is_protected_in_every_window);
    tcase_add_test(tc, another_memory_map_makes_all_windows_doubtful);
    tcase_add_loop_test(tc, survives_a_random_kernel, 0, 4);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
