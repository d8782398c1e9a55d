/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The scanner's rules on pages small enough to read: what a scan shows, what overlaps do, what hides, twins,
 * page boundaries, and the table of sites. Every page also passes scan_check().
 */
#include "translator/decode.h"
#include "translator/scan.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define ADDRESS       0x08048000u
#define USER          (SCAN_CODE32 | SCAN_CR4_OSFXSR | SCAN_GUARD_ESCAPE << SCAN_GUARD_SHIFT)
#define GUARD(name)   (SCAN_CODE32 | SCAN_CR4_OSFXSR | SCAN_GUARD_##name << SCAN_GUARD_SHIFT)

enum { SITES = 64, SHOWN = 32 };

struct bench {
    uint8_t original[SCAN_PAGE_SIZE], private_page[SCAN_PAGE_SIZE];
    struct scan_site sites[SITES];
    struct scan_page page;
};

static struct bench first, second;

static void open_bench(struct bench *bench, uint32_t address, uint32_t bits)
{
    memset(bench, 0, sizeof(*bench));
    memset(bench->original, 0x90, SCAN_PAGE_SIZE);
    bench->page = (struct scan_page){
        .original = bench->original,
        .private_page = bench->private_page,
        .sites = bench->sites,
        .site_capacity = SITES,
        .address = address,
        .mode = { bits, ~0u },
    };
    scan_init(&bench->page);
}

static void setup(void)
{
    open_bench(&first, ADDRESS, USER);
    open_bench(&second, ADDRESS + SCAN_PAGE_SIZE, USER);
}

static void require_sound(const struct scan_page *page, const char *name)
{
    struct scan_fault fault = scan_check(page);

    ck_assert_msg(!fault.what, "%s: offset 0x%x: %s", name, fault.offset, fault.what);
}

static struct scan_change scan(struct bench *bench, unsigned offset)
{
    struct scan_change change = scan_from(&bench->page, offset);

    require_sound(&bench->page, "scan");
    return change;
}

static enum scan_reason reason_at(const struct bench *bench, unsigned offset)
{
    const struct scan_site *site = scan_site_at(&bench->page, offset);

    return site ? (enum scan_reason)site->reason : SCAN_NO_REASON;
}

/* ---- Rows: bytes, entries, and the private page that must come out ------------------------------- */

struct row {
    const char *name;
    uint32_t bits;
    uint8_t original[SHOWN];
    int8_t entries[4]; /* up to -1 */
    uint8_t expected[SHOWN];
    unsigned sites;
};

/* clang-format off */
#define X 0xcc
static const struct row rows[] = {
    { "a straight line up to ret", USER,
      { 0x55, 0x89, 0xe5, 0x5d, 0xc3, 0x90 }, { 0, -1 },
      { 0x55, 0x89, 0xe5, 0x5d, 0xc3, X }, 0 },
    { "both sides of a branch", USER,
      { 0x74, 0x02, 0x40, 0xc3, 0x48, 0xc3, 0x90 }, { 0, -1 },
      { 0x74, 0x02, 0x40, 0xc3, 0x48, 0xc3, X }, 0 },
    { "a jump skips what nobody reaches", USER,
      { 0xeb, 0x02, 0x40, 0x40, 0xc3 }, { 0, -1 },
      { 0xeb, 0x02, X, X, 0xc3, X }, 0 },
    { "a replaced instruction traps with every byte", USER,
      { 0x40, 0x0f, 0xa2, 0x40, 0xc3 }, { 0, -1 },
      { 0x40, X, X, 0x40, 0xc3, X }, 1 },
    { "a system call, and what follows it", USER,
      { 0xb8, 1, 0, 0, 0, 0xcd, 0x80, 0xc3 }, { 0, -1 },
      { 0xb8, 1, 0, 0, 0, X, X, 0xc3, X }, 1 },
    { "lock skipped by a jump: both decodes stay", USER,
      { 0x74, 0x01, 0xf0, 0x0f, 0xb1, 0x0b, 0xc3 }, { 0, -1 },
      { 0x74, 0x01, 0xf0, 0x0f, 0xb1, 0x0b, 0xc3, X }, 0 },
    { "a kept instruction in the middle of a replaced one", USER,
      { 0xcd, 0x40, 0x40, 0xc3 }, { 0, 1, -1 },
      { X, 0x40, 0x40, 0xc3, X }, 1 },
    { "a replaced instruction in the middle of a kept one", USER,
      { 0xb8, 0x0f, 0xa2, 0x40, 0x40, 0xc3 }, { 0, 1, -1 },
      { X, X, X, 0x40, 0x40, 0xc3, X }, 2 },
    { "the same, the other way around", USER,
      { 0xb8, 0x0f, 0xa2, 0x40, 0x40, 0xc3 }, { 1, 0, -1 },
      { X, X, X, 0x40, 0x40, 0xc3, X }, 2 },
    { "a chain of overlaps falls together", USER,
      { 0x68, 0x68, 0x68, 0x0f, 0xa2, 0x40, 0x40, 0x40, 0xc3 }, { 0, 1, 3, -1 },
      { X, X, X, X, X, 0x40, 0x40, 0x40, 0xc3, X }, 3 },
    { "a far return in an immediate", USER,
      { 0x68, 0x11, 0xcb, 0x11, 0x11, 0xc3 }, { 0, -1 },
      { X, X, X, X, X, 0xc3, X }, 1 },
    { "the same without a guard", GUARD(NONE),
      { 0x68, 0x11, 0xcb, 0x11, 0x11, 0xc3 }, { 0, -1 },
      { 0x68, 0x11, 0xcb, 0x11, 0x11, 0xc3, X }, 0 },
    { "a far jump across two instructions", USER,
      { 0xb0, 0xff, 0x2b, 0x03, 0xc3 }, { 0, -1 },
      { X, X, 0x2b, 0x03, 0xc3, X }, 1 },
    { "syscall across two instructions", USER,
      { 0xb0, 0x0f, 0x05, 1, 2, 3, 4, 0xc3 }, { 0, -1 },
      { X, X, 0x05, 1, 2, 3, 4, 0xc3, X }, 1 },
    { "wrpkru in an immediate", USER,
      { 0x68, 0x0f, 0x01, 0xef, 0x00, 0xc3 }, { 0, -1 },
      { X, X, X, X, X, 0xc3, X }, 1 },
    { "xrstor in an immediate", USER,
      { 0x68, 0x0f, 0xae, 0x28, 0x00, 0xc3 }, { 0, -1 },
      { X, X, X, X, X, 0xc3, X }, 1 },
    { "fxrstor is no threat", USER,
      { 0x68, 0x0f, 0xae, 0x08, 0x00, 0xc3 }, { 0, -1 },
      { 0x68, 0x0f, 0xae, 0x08, 0x00, 0xc3, X }, 0 },
    { "int 0x80 in an immediate", USER,
      { 0x68, 0xcd, 0x80, 0x00, 0x00, 0xc3 }, { 0, -1 },
      { X, X, X, X, X, 0xc3, X }, 1 },
    { "int 0x81 has no gate", USER,
      { 0x68, 0xcd, 0x81, 0x00, 0x00, 0xc3 }, { 0, -1 },
      { 0x68, 0xcd, 0x81, 0x00, 0x00, 0xc3, X }, 0 },
    { "a far jump to the host's 64-bit segment, hidden", USER,
      { 0xb0, 0xea, 0x05, 1, 2, 0x33, 0x33, 0xb0, 0x00, 0xc3 }, { 0, -1 },
      { 0xb0, 0xea, 0x05, 1, 2, 0x33, 0x33, 0xb0, 0x00, 0xc3, X }, 0 },
    { "the same, and now it is one", USER,
      { 0xb0, 0xea, 0x05, 1, 2, 3, 0x33, 0x00, 0xc0, 0xc3 }, { 0, -1 },
      { X, X, 0x05, 1, 2, 3, 0x33, 0x00, 0xc0, 0xc3, X }, 1 },
    { "with 16-bit operands", USER,
      { 0xb0, 0xea, 0x04, 0x11, 0x04, 0x33, 0x3c, 0x00, 0xc3 }, { 0, -1 },
      { 0xb0, 0xea, 0x04, 0x11, 0x04, 0x33, 0x3c, 0x00, 0xc3, X }, 0 },
    { "with 16-bit operands, selector there", USER,
      { 0x68, 0xea, 0x11, 0x11, 0x33, 0x00, 0x00, 0xc3 }, { 0, -1 },
      { X, X, X, X, X, 0x00, 0x00, 0xc3, X }, 1 },
    { "mov edx, ecx has a twin", USER,
      { 0x89, 0xca, 0xc3 }, { 0, -1 },
      { 0x8b, 0xd1, 0xc3, X }, 1 },
    { "add bl, cl has a twin", USER,
      { 0x00, 0xcb, 0xc3 }, { 0, -1 },
      { 0x02, 0xd9, 0xc3, X }, 1 },
    { "add cl, bl has the other", USER,
      { 0x02, 0xcb, 0xc3 }, { 0, -1 },
      { 0x00, 0xd9, 0xc3, X }, 1 },
    { "xchg, test, movaps, movdqa", USER,
      { 0x87, 0xca, 0x85, 0xcb, 0x0f, 0x28, 0xcf, 0x66, 0x0f, 0x6f, 0xca, 0xc3 }, { 0, -1 },
      { 0x87, 0xd1, 0x85, 0xd9, 0x0f, 0x29, 0xf9, 0x66, 0x0f, 0x7f, 0xd1, 0xc3, X }, 4 },
    { "a twin that hides the same thing is none", USER,
      { 0x00, 0xff, 0x28, 0xc0, 0xc3 }, { 0, -1 },
      { X, X, 0x28, 0xc0, 0xc3, X }, 1 },
    { "imul has no twin", USER,
      { 0x0f, 0xaf, 0xca, 0xc3 }, { 0, -1 },
      { X, X, X, 0xc3, X }, 1 },
    { "a twin somebody jumps into falls", USER,
      { 0x01, 0xca, 0x40, 0x40, 0xc3 }, { 0, 1, -1 },
      { X, X, 0x40, 0x40, 0xc3, X }, 2 },
    { "of two decodes that share bytes only one can be a twin", USER,
      { 0x74, 0x01, 0x66, 0x0f, 0x6f, 0xca, 0xc3 }, { 0, -1 },
      { 0x74, 0x01, X, 0x0f, 0x7f, 0xd1, 0xc3, X }, 2 },
    { "tzcnt runs as bsf", USER,
      { 0xf3, 0x0f, 0xbc, 0xc1, 0xc3 }, { 0, -1 },
      { 0x3e, 0x0f, 0xbc, 0xc1, 0xc3, X }, 1 },
    { "lzcnt of a stack operand keeps its segment", USER,
      { 0xf3, 0x0f, 0xbd, 0x45, 0x08, 0xc3 }, { 0, -1 },
      { 0x36, 0x0f, 0xbd, 0x45, 0x08, 0xc3, X }, 1 },
    { "and an override", USER,
      { 0x65, 0xf3, 0x0f, 0xbd, 0x00, 0xc3 }, { 0, -1 },
      { 0x65, 0x65, 0x0f, 0xbd, 0x00, 0xc3, X }, 1 },
    { "a segment load inside is the state guard's", USER,
      { 0x83, 0xc4, 0x10, 0xc3 }, { 0, -1 },
      { 0x83, 0xc4, 0x10, 0xc3, X }, 0 },
    { "which replaces the instruction", GUARD(STATE),
      { 0x83, 0xc4, 0x10, 0xc3 }, { 0, -1 },
      { X, X, X, 0xc3, X }, 1 },
    { "strict: every visible byte is an entry", GUARD(STRICT),
      { 0xb8, 0x40, 0x40, 0x40, 0x40, 0xc3 }, { 0, -1 },
      { 0xb8, 0x40, 0x40, 0x40, 0x40, 0xc3, X }, 0 },
    { "strict: so nothing sensitive stays inside", GUARD(STRICT),
      { 0xb8, 0x40, 0x0f, 0xa2, 0x40, 0xc3, 0x90, 0x90, 0xc3 }, { 0, -1 },
      { X, 0x40, X, 0xa2, 0x40, 0xc3, 0x90, 0x90, 0xc3, X }, 2 },
    { "an interrupt of the guest's own", USER,
      { 0xcc, 0xc3 }, { 0, -1 },
      { X, 0xc3, X }, 1 },
    { "no instruction stops the line", USER,
      { 0x40, 0x0f, 0x0a, 0x40 }, { 0, -1 },
      { 0x40, X, X, X }, 1 },
    { "15 prefixes are too long", USER,
      { 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x40 },
      { 0, -1 },
      { X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X }, 1 },
};
#undef X
/* clang-format on */

static void print_bytes(const char *what, const uint8_t *bytes)
{
    fprintf(stderr, "%-9s", what);
    for (unsigned i = 0; i < SHOWN; i++)
        fprintf(stderr, " %02x", bytes[i]);
    fputc('\n', stderr);
}

START_TEST(makes_row)
{
    const struct row *row = &rows[_i];
    uint8_t expected[SHOWN];
    unsigned last = SHOWN;

    open_bench(&first, ADDRESS, row->bits);
    memcpy(first.original, row->original, SHOWN);
    for (unsigned i = 0; row->entries[i] >= 0; i++) {
        scan_from(&first.page, (unsigned)row->entries[i]);
        require_sound(&first.page, row->name);
    }
    /* Behind what a row lists, everything traps. */
    while (last > 0 && !row->expected[last - 1])
        last--;
    memset(expected, SCAN_TRAP_BYTE, SHOWN);
    memcpy(expected, row->expected, last);
    if (memcmp(expected, first.private_page, SHOWN)) {
        print_bytes("original", first.original);
        print_bytes("private", first.private_page);
        print_bytes("expected", expected);
        ck_abort_msg("%s", row->name);
    }
    ck_assert_msg(first.page.site_count == row->sites, "%s: %u sites", row->name, first.page.site_count);
}
END_TEST

/* ---- Scans --------------------------------------------------------------------------------------- */

static void require_fresh(void)
{
    for (unsigned i = 0; i < SCAN_PAGE_SIZE; i++) {
        ck_assert_uint_eq(first.private_page[i], SCAN_TRAP_BYTE);
        ck_assert(!scan_is_visible(&first.page, i) && !scan_is_start(&first.page, i));
    }
    require_sound(&first.page, "fresh");
}

START_TEST(a_fresh_page_traps_everywhere)
{
    require_fresh();
}
END_TEST

START_TEST(the_change_is_reported)
{
    struct scan_change change;

    memcpy(first.original + 100, "\x40\x40\xc3", 3);
    change = scan(&first, 100);
    ck_assert_uint_eq(change.bytes.first, 100);
    ck_assert_uint_eq(change.bytes.end, 103);
    ck_assert_uint_eq(change.instructions, 3);
    change = scan(&first, 101);
    ck_assert_uint_eq(change.bytes.first, change.bytes.end);
    ck_assert_uint_eq(change.instructions, 0);
}
END_TEST

START_TEST(exits_lead_out_of_the_page_once)
{
    uint32_t target;

    memcpy(first.original, "\xe8\x00\x10\x00\x00\xe8\xfb\x0f\x00\x00\xc3", 11); /* twice the same */
    scan(&first, 0);
    ck_assert(scan_take_exit(&first.page, &target));
    ck_assert_uint_eq(target, ADDRESS + 0x1005);
    ck_assert(!scan_take_exit(&first.page, &target));
}
END_TEST

START_TEST(falling_off_the_page_is_an_exit)
{
    uint32_t target;

    scan(&first, SCAN_PAGE_SIZE - 3);
    ck_assert(scan_take_exit(&first.page, &target));
    ck_assert_uint_eq(target, ADDRESS + SCAN_PAGE_SIZE);
}
END_TEST

START_TEST(exits_beyond_the_list_are_counted)
{
    for (unsigned i = 0; i <= SCAN_EXITS_MAX; i++)
        memcpy(first.original + 6 * i, "\x0f\x84\x00\x20\x00\x00", 6);
    first.original[6 * (SCAN_EXITS_MAX + 1)] = 0xc3;
    scan(&first, 0);
    ck_assert_uint_eq(first.page.exit_count, SCAN_EXITS_MAX);
    ck_assert_uint_eq(first.page.stats.exits_lost, 1);
}
END_TEST

START_TEST(sites_are_found_and_keep_their_hits)
{
    memcpy(first.original, "\x0f\xa2\x40\x0f\xa2\xc3", 6);
    scan(&first, 3);
    scan_site_at(&first.page, 3)->hits = 7;
    scan(&first, 0);
    ck_assert_uint_eq(first.page.site_count, 2);
    ck_assert_uint_eq(scan_site_at(&first.page, 3)->hits, 7);
    ck_assert_uint_eq(scan_site_at(&first.page, 0)->length, 2);
    ck_assert_ptr_null(scan_site_at(&first.page, 1));
    ck_assert_ptr_null(scan_site_at(&first.page, 2));
    ck_assert_uint_eq(first.page.stats.sites[SCAN_IDENTITY], 2);
    ck_assert_uint_eq(first.page.stats.forms[SCAN_FORM_INT3], 2);
}
END_TEST

START_TEST(a_full_table_replaces_all_the_same)
{
    first.page.site_capacity = 1;
    memcpy(first.original, "\x0f\xa2\x0f\xa2\xc3", 5);
    scan(&first, 0);
    ck_assert_uint_eq(first.page.site_count, 1);
    ck_assert_uint_eq(first.page.stats.sites_lost, 1);
    ck_assert_mem_eq(first.private_page, "\xcc\xcc\xcc\xcc\xc3", 5);
}
END_TEST

START_TEST(hidden_sites_say_where)
{
    memcpy(first.original, "\xb8\x11\x22\xcf\x33\xc3", 6);
    scan(&first, 0);
    ck_assert_uint_eq(reason_at(&first, 0), SCAN_HIDDEN);
    ck_assert_uint_eq(scan_site_at(&first.page, 0)->hidden_at, 3);
}
END_TEST

START_TEST(a_reset_forgets)
{
    memcpy(first.original, "\x0f\xa2\xc3", 3);
    scan(&first, 0);
    scan_init(&first.page);
    require_fresh();
    ck_assert_uint_eq(first.page.site_count, 0);
    ck_assert_uint_eq(first.page.stats.instructions, 0);
}
END_TEST

START_TEST(a_16_bit_page_is_read_so)
{
    open_bench(&first, ADDRESS, USER & ~(uint32_t)SCAN_CODE32);
    memcpy(first.original, "\xb8\x0f\xa2\xc3", 4); /* mov ax, imm16; ret */
    scan(&first, 0);
    ck_assert_mem_eq(first.private_page, "\xb8\x0f\xa2\xc3\xcc", 5);
}
END_TEST

/* ---- Boundaries ---------------------------------------------------------------------------------- */

static const unsigned AT = SCAN_PAGE_SIZE - 2;

/* An instruction of five bytes, two of them in the first page. */
static void put_across(const uint8_t bytes[5])
{
    memcpy(first.original + AT, bytes, 2);
    memcpy(second.original, bytes + 2, 3);
    second.original[3] = 0xc3;
    scan(&first, AT);
}

static void check_both(const char *name)
{
    require_sound(&first.page, name);
    require_sound(&second.page, name);
}

START_TEST(across_the_end_it_traps)
{
    put_across((const uint8_t *)"\xb8\x01\x02\x03\x04");
    ck_assert_uint_eq(reason_at(&first, AT), SCAN_STRADDLE);
    ck_assert_mem_eq(first.private_page + AT, "\xcc\xcc", 2);
}
END_TEST

START_TEST(a_link_shows_both_ends_and_an_unlink_hides_them)
{
    put_across((const uint8_t *)"\xb8\x01\x02\x03\x04");
    scan(&second, 3);
    ck_assert(scan_link(&first.page, AT, &second.page));
    check_both("linked");
    ck_assert_mem_eq(first.private_page + AT, "\xb8\x01", 2);
    ck_assert_mem_eq(second.private_page, "\x02\x03\x04\xc3\xcc", 5);
    ck_assert_ptr_null(scan_site_at(&first.page, AT));
    scan_unlink(&first.page, &second.page);
    check_both("unlinked");
    ck_assert_mem_eq(first.private_page + AT, "\xcc\xcc", 2);
    ck_assert_mem_eq(second.private_page, "\xcc\xcc\xcc\xc3\xcc", 5);
    ck_assert_uint_eq(reason_at(&first, AT), SCAN_STRADDLE);
    ck_assert(scan_link(&first.page, AT, &second.page));
    scan_unlink(&first.page, NULL);
    require_sound(&first.page, "partner gone");
}
END_TEST

START_TEST(a_sensitive_instruction_is_not_linked)
{
    put_across((const uint8_t *)"\xc8\x0f\xa2\x00\x00"); /* enter: kept */
    ck_assert(scan_link(&first.page, AT, &second.page));
    setup();
    put_across((const uint8_t *)"\x0f\xb2\x05\x00\x00"); /* lss */
    ck_assert(!scan_link(&first.page, AT, &second.page));
    check_both("refused");
}
END_TEST

START_TEST(a_link_is_refused_where_a_site_is_in_the_tail)
{
    put_across((const uint8_t *)"\xb8\x01\x0f\xa2\x04");
    scan(&second, 0); /* cpuid */
    ck_assert(!scan_link(&first.page, AT, &second.page));
    check_both("refused");
    ck_assert_uint_eq(second.private_page[0], SCAN_TRAP_BYTE);
}
END_TEST

START_TEST(a_site_that_comes_into_the_tail_drops_it)
{
    put_across((const uint8_t *)"\xb8\x01\x0f\xa2\x04");
    ck_assert(scan_link(&first.page, AT, &second.page));
    ck_assert(scan(&second, 0).tail_dropped);
    scan_unlink(&first.page, &second.page);
    check_both("dropped");
    ck_assert_uint_eq(second.private_page[0], SCAN_TRAP_BYTE);
}
END_TEST

START_TEST(the_guard_looks_across_a_link)
{
    put_across((const uint8_t *)"\xb8\x0f\x05\x03\x04"); /* 0F | 05 */
    ck_assert(!scan_link(&first.page, AT, &second.page));
    check_both("syscall");
    setup();
    put_across((const uint8_t *)"\xb8\x01\xcb\x03\x04"); /* in the second page alone */
    ck_assert(!scan_link(&first.page, AT, &second.page));
    check_both("retf");
    setup();
    put_across((const uint8_t *)"\xb8\x0f\x40\x03\x04"); /* 0F | 40: cmov, no harm */
    ck_assert(scan_link(&first.page, AT, &second.page));
    check_both("cmov");
}
END_TEST

START_TEST(a_page_may_not_end_in_the_beginning_of_an_escape)
{
    static const uint8_t last[] = { 0x0f, 0xff, 0xcd, 0xea, 0x9a };

    for (unsigned i = 0; i < sizeof(last); i++) {
        setup();
        first.original[SCAN_PAGE_SIZE - 2] = 0xb0; /* mov al, imm8 */
        first.original[SCAN_PAGE_SIZE - 1] = last[i];
        scan(&first, SCAN_PAGE_SIZE - 2);
        ck_assert_uint_eq(reason_at(&first, SCAN_PAGE_SIZE - 2), SCAN_HIDDEN);
    }
}
END_TEST

START_TEST(what_a_link_made_harmless_is_not_without_it)
{
    const unsigned start = SCAN_PAGE_SIZE - 3;

    memcpy(first.original + start, "\xb8\xb0\x0f", 3); /* mov eax, imm32, and inside of it mov al, 0F */
    memcpy(second.original, "\x40\x00\xc3", 3);
    scan(&first, start);
    ck_assert(scan_link(&first.page, start, &second.page));
    scan(&first, start + 1); /* 0F 40 is CMOV */
    ck_assert_mem_eq(first.private_page + start, "\xb8\xb0\x0f", 3);
    scan_unlink(&first.page, &second.page);
    check_both("unlinked"); /* 0F and anything */
    ck_assert_mem_eq(first.private_page + start, "\xcc\xcc\xcc", 3);
}
END_TEST

START_TEST(links_need_neighbours_in_the_same_mode)
{
    put_across((const uint8_t *)"\xb8\x01\x02\x03\x04");
    second.page.address += SCAN_PAGE_SIZE;
    ck_assert(!scan_link(&first.page, AT, &second.page));
    second.page.address -= SCAN_PAGE_SIZE;
    second.page.mode.bits |= SCAN_CR0_TS;
    ck_assert(!scan_link(&first.page, AT, &second.page));
    second.page.mode.bits &= ~(uint32_t)SCAN_CR0_TS;
    ck_assert(!scan_link(&first.page, AT + 1, &second.page));
    ck_assert(scan_link(&first.page, AT, &second.page));
}
END_TEST

/* ---- Clean pages, keys, the audit itself --------------------------------------------------------- */

START_TEST(a_page_is_clean_when_no_offset_needs_a_patch)
{
    const struct scan_mode mode = { USER, ~0u };

    ck_assert(scan_is_clean(first.original, &mode)); /* NOPs */
    memset(first.original, 0, SCAN_PAGE_SIZE);
    ck_assert(scan_is_clean(first.original, &mode)); /* ADD [EAX], AL at any offset, whatever follows */
    first.original[77] = 0x9c;                       /* PUSHF: by the mode */
    ck_assert(scan_is_clean(first.original, &mode));
    ck_assert(!scan_is_clean(first.original, &(struct scan_mode){ USER | SCAN_FLAGS_DIFFER, ~0u }));
    first.original[77] = 0x07;
    ck_assert(!scan_is_clean(first.original, &mode));
    first.original[77] = 0;
    first.original[SCAN_PAGE_SIZE - 1] = 0x0f; /* CPUID may follow */
    ck_assert(!scan_is_clean(first.original, &mode));
    first.original[SCAN_PAGE_SIZE - 1] = 0xf3; /* F3 0F BC may follow */
    ck_assert(!scan_is_clean(first.original, &mode));
    first.original[SCAN_PAGE_SIZE - 1] = 0xb8; /* an immediate may follow: nothing else */
    ck_assert(scan_is_clean(first.original, &mode));
}
END_TEST

START_TEST(the_key_tells_modes_apart)
{
    struct scan_mode a = { USER, 1 }, b = { USER, 2 }, c = { USER | SCAN_CR0_TS, 1 };

    ck_assert(scan_mode_key(&a) != scan_mode_key(&b));
    ck_assert(scan_mode_key(&a) != scan_mode_key(&c));
    ck_assert_uint_eq(scan_mode_guard(&a), SCAN_GUARD_ESCAPE);
}
END_TEST

/* An audit that finds nothing proves nothing: break a page in every way it should notice. */
START_TEST(the_audit_finds_what_is_broken)
{
    static const struct {
        const char *name;
        unsigned offset;
        uint8_t byte;
    } damage[] = {
        { "a byte shown that nothing covers", 100, 0x90 },
        { "a wrong byte", 0, 0x48 },
        { "a trap shown", 2, 0x0f },
        { "a far return in an immediate", 5, 0xcb },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(damage); i++) {
        setup();
        memcpy(first.original, "\x40\x40\x0f\xa2\xb8\x01\x02\x03\x04\xc3", 10);
        scan(&first, 0);
        first.private_page[damage[i].offset] = damage[i].byte;
        ck_assert_msg(scan_check(&first.page).what, "%s", damage[i].name);
    }
    setup();
    memcpy(first.original, "\x0f\xa2\xc3", 3);
    scan(&first, 0);
    first.page.site_count = 0;
    ck_assert_ptr_nonnull(scan_check(&first.page).what);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scan");
    TCase *tc = tcase_create("pages");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_loop_test(tc, makes_row, 0, (int)ARRAY_SIZE(rows));
    tcase_add_test(tc, a_fresh_page_traps_everywhere);
    tcase_add_test(tc, the_change_is_reported);
    tcase_add_test(tc, exits_lead_out_of_the_page_once);
    tcase_add_test(tc, falling_off_the_page_is_an_exit);
    tcase_add_test(tc, exits_beyond_the_list_are_counted);
    tcase_add_test(tc, sites_are_found_and_keep_their_hits);
    tcase_add_test(tc, a_full_table_replaces_all_the_same);
    tcase_add_test(tc, hidden_sites_say_where);
    tcase_add_test(tc, a_reset_forgets);
    tcase_add_test(tc, a_16_bit_page_is_read_so);
    tcase_add_test(tc, across_the_end_it_traps);
    tcase_add_test(tc, a_link_shows_both_ends_and_an_unlink_hides_them);
    tcase_add_test(tc, a_sensitive_instruction_is_not_linked);
    tcase_add_test(tc, a_link_is_refused_where_a_site_is_in_the_tail);
    tcase_add_test(tc, a_site_that_comes_into_the_tail_drops_it);
    tcase_add_test(tc, the_guard_looks_across_a_link);
    tcase_add_test(tc, a_page_may_not_end_in_the_beginning_of_an_escape);
    tcase_add_test(tc, what_a_link_made_harmless_is_not_without_it);
    tcase_add_test(tc, links_need_neighbours_in_the_same_mode);
    tcase_add_test(tc, a_page_is_clean_when_no_offset_needs_a_patch);
    tcase_add_test(tc, the_key_tells_modes_apart);
    tcase_add_test(tc, the_audit_finds_what_is_broken);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
