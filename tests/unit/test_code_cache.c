/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The code cache: what code_prepare() answers and what it maps, the mode key, translations and modes that
 * change, the pool's limit, and that the audit finds what is broken.
 */
#include "code_rig.h"

/* ---- The mode key -------------------------------------------------------------------------------------- */

static uint32_t bits(void)
{
    return code_mode_bits(rig.v);
}

static const struct {
    const char *name;
    uint32_t cr0, cr4, eflags; /* flipped */
    uint32_t expected;         /* flipped */
} mode_rows[] = {
    { "MP", .cr0 = X86_CR0_MP, .expected = SCAN_CR0_MP },
    { "EM", .cr0 = X86_CR0_EM, .expected = SCAN_CR0_EM },
    { "TS", .cr0 = X86_CR0_TS, .expected = SCAN_CR0_TS },
    { "TSD", .cr4 = X86_CR4_TSD, .expected = SCAN_CR4_TSD },
    { "OSFXSR", .cr4 = X86_CR4_OSFXSR, .expected = SCAN_CR4_OSFXSR },
    { "IF clear", .eflags = X86_IF, .expected = SCAN_FLAGS_DIFFER },
    { "IOPL 1", .eflags = 1 << X86_IOPL_SHIFT, .expected = SCAN_FLAGS_DIFFER },
    { "IOPL 3", .eflags = X86_IOPL, .expected = SCAN_FLAGS_DIFFER | SCAN_IO_ALLOWED },
    { "VIF", .eflags = X86_VIF, .expected = SCAN_FLAGS_DIFFER },
    { "VIP", .eflags = X86_VIP, .expected = SCAN_FLAGS_DIFFER },
    { "NE, WP and PSE do not matter", .cr0 = X86_CR0_NE | X86_CR0_WP, .cr4 = X86_CR4_PSE },
    { "arithmetic flags do not matter", .eflags = X86_ARITH | X86_DF | X86_AC | X86_ID | X86_NT },
};

START_TEST(each_part_of_the_mode_has_its_bit)
{
    struct vcpu *v = rig.v;
    uint32_t before = bits();
    ck_assert_uint_eq(before, SCAN_CODE32 | SCAN_CR0_MP | SCAN_CR4_OSFXSR | SCAN_DATA_APART |
                                  SCAN_ES_AT_ZERO | SCAN_GUARD_ESCAPE << SCAN_GUARD_SHIFT);
    v->cr0 ^= mode_rows[_i].cr0;
    v->cr4 ^= mode_rows[_i].cr4;
    v->eflags ^= mode_rows[_i].eflags;
    ck_assert_msg((bits() ^ before) == mode_rows[_i].expected, "%s: %x", mode_rows[_i].name, bits() ^ before);
}
END_TEST

START_TEST(the_mode_knows_segments_time_and_the_split)
{
    struct vcpu *v = rig.v;
    v->seg[X86_CS].attr &= (uint16_t)~X86_SEG_DB;
    ck_assert(!(bits() & SCAN_CODE32));
    ck_assert(!(bits() & SCAN_TSC_NATIVE));
    v->msr.tsc_offset = 0;
    ck_assert(bits() & SCAN_TSC_NATIVE);
    v->split.data_base = 0;
    ck_assert(!(bits() & SCAN_DATA_APART));
    ck_assert(!(bits() & SCAN_CPL0));
    v->cpl = 0;
    ck_assert((bits() & (SCAN_CPL0 | SCAN_IO_ALLOWED)) == (SCAN_CPL0 | SCAN_IO_ALLOWED));
}
END_TEST

/* Rows: what the decoder calls it, what CPUID calls it. */
static const struct {
    unsigned isa, feature;
} isa_rows[] = {
    { X86_ISA_X87, CPU_FPU },       { X86_ISA_TSC, CPU_TSC },     { X86_ISA_MSR, CPU_MSR },
    { X86_ISA_CX8, CPU_CX8 },       { X86_ISA_SEP, CPU_SEP },     { X86_ISA_CMOV, CPU_CMOV },
    { X86_ISA_FXSR, CPU_FXSR },     { X86_ISA_CLFSH, CPU_CLFSH }, { X86_ISA_MMX, CPU_MMX },
    { X86_ISA_SSE, CPU_SSE },       { X86_ISA_SSE2, CPU_SSE2 },   { X86_ISA_SSE3, CPU_SSE3 },
    { X86_ISA_SSSE3, CPU_SSSE3 },   { X86_ISA_SSE41, CPU_SSE41 }, { X86_ISA_SSE42, CPU_SSE42 },
    { X86_ISA_POPCNT, CPU_POPCNT },
};

START_TEST(each_feature_brings_its_instruction_set_and_no_other)
{
    struct vcpu *v = rig.v;
    memset(v->features, 0, sizeof(v->features));
    ck_assert_uint_eq(code_isa(v), 0);
    v->features[isa_rows[_i].feature / 32] = 1u << isa_rows[_i].feature % 32;
    ck_assert_uint_eq(code_isa(v), 1u << isa_rows[_i].isa);
}
END_TEST

/* RDTSCP, MONITOR and MOVBE are in no model: they trap whatever CPUID would say. */
START_TEST(sets_that_no_model_has_are_absent)
{
    memset(rig.v->features, 0xff, sizeof(rig.v->features));
    ck_assert_uint_eq(
        code_isa(rig.v) & (1u << X86_ISA_RDTSCP | 1u << X86_ISA_MONITOR | 1u << X86_ISA_MOVBE | 1u), 0);
}
END_TEST

START_TEST(another_mode_unmaps_and_the_pool_remembers)
{
    struct vcpu *v = rig.v;
    rig_load_program(RIG_LA, RIG_CODE);
    ck_assert_int_eq(rig_prepare(RIG_LA), CODE_READY);
    v->cr0 |= X86_CR0_TS;
    ck_assert_int_eq(rig_prepare(RIG_LA), CODE_READY);
    ck_assert_uint_eq(v->counts.code_pages, 2);
    ck_assert_uint_eq(v->counts.code_unmaps, 1);
    ck_assert(code_page_at(v, RIG_LA)->scan.mode.bits & SCAN_CR0_TS);
    v->cr0 &= ~X86_CR0_TS;
    ck_assert_int_eq(rig_prepare(RIG_LA), CODE_READY);
    ck_assert_uint_eq(v->counts.code_pages, 2);
    ck_assert_uint_eq(v->counts.code_scans, 2);
}
END_TEST

START_TEST(snippets_work_while_es_is_flat)
{
    struct vcpu *v = rig.v;
    rig_load_program(RIG_LA, RIG_CODE);
    rig_prepare(RIG_LA);
    ck_assert(v->code->snippets);
    v->split = (struct split){ .data_base = 0, .data_limit = UINT32_MAX };
    rig_prepare(RIG_LA);
    ck_assert(v->code->snippets);
    uint64_t key = v->code->key;
    v->seg[X86_ES].base = 0x1000;
    rig_prepare(RIG_LA);
    ck_assert(!v->code->snippets);
    ck_assert_uint_ne(v->code->key, key);
}
END_TEST

/* ---- Preparing ----------------------------------------------------------------------------------------- */

START_TEST(prepare_maps_scans_and_protects_once)
{
    struct vcpu *v = rig.v;
    rig_load_program(RIG_LA, RIG_CODE);
    ck_assert_int_eq(rig_prepare(RIG_LA), CODE_READY);
    ck_assert_uint_eq(rig_fetch(RIG_LA), 0x40);
    ck_assert_uint_eq(rig_fetch(RIG_LA + 1), 0xcc);
    ck_assert_uint_eq(rig_fetch(RIG_LA + 4), 0xc3);
    ck_assert_uint_eq(rig_fetch(RIG_LA + 5), 0xcc);
    ck_assert_uint_eq(*rig_pte(RIG_LA) & (X86_PTE_A | X86_PTE_D), X86_PTE_A);
    ck_assert_uint_eq(rig.protected_times[RIG_CODE], 1);
    ck_assert_uint_eq(v->counts.code_instructions, 4);
    ck_assert_uint_eq(v->counts.code_bytes, 5);
    ck_assert_int_eq(rig_prepare(RIG_LA), CODE_READY);
    ck_assert_int_eq(rig_prepare(RIG_LA + 3), CODE_READY);
    ck_assert_uint_eq(rig.maps, 1);
    ck_assert_uint_eq(v->counts.code_scans, 1);
    /* The same frame elsewhere is another page, and was protected before. */
    rig_map(RIG_LA + 0x10000, RIG_CODE, RIG_USER);
    ck_assert_int_eq(rig_prepare(RIG_LA + 0x10000), CODE_READY);
    ck_assert_uint_eq(rig.protected_times[RIG_CODE], 1);
    ck_assert_uint_eq(v->counts.code_pages, 2);
}
END_TEST

START_TEST(a_site_is_the_interpreters)
{
    rig_load_program(RIG_LA, RIG_CODE);
    ck_assert_int_eq(rig_prepare(RIG_LA + 1), CODE_EMULATE);
    ck_assert_int_eq(rig_prepare(RIG_LA + 1), CODE_EMULATE);
    ck_assert_uint_eq(rig.v->counts.code_scans, 1);
    struct scan_site *site = code_trap(rig.v, RIG_LA + 1);
    ck_assert_ptr_nonnull(site);
    ck_assert_int_eq(site->reason, SCAN_IDENTITY);
    ck_assert_uint_eq(site->hits, 1);
    ck_assert_uint_eq(code_trap(rig.v, RIG_LA + 1)->hits, 2);
    ck_assert_ptr_null(code_trap(rig.v, RIG_LA + 3));
    ck_assert_ptr_null(code_trap(rig.v, RIG_LA + 0x1000));
}
END_TEST

/* mov eax, imm32 whose middle is entered: both decodes are kept, and what is a start is scanned as one. */
START_TEST(arriving_inside_an_instruction_scans_there)
{
    rig_map(RIG_LA, RIG_CODE, RIG_USER);
    RIG_CODE_AT(RIG_CODE, 0, 0xb8, 0x40, 0x40, 0x0f, 0xa2, 0xc3);
    ck_assert_int_eq(rig_prepare(RIG_LA), CODE_READY);
    ck_assert_int_eq(rig_prepare(RIG_LA + 1), CODE_READY);
    /* That line goes on into CPUID, which the first decode covers: it had to go. */
    ck_assert_int_eq(rig_prepare(RIG_LA), CODE_EMULATE);
    ck_assert_int_eq(rig_prepare(RIG_LA + 2), CODE_READY);
}
END_TEST

START_TEST(what_the_guest_may_not_fetch_is_emulated)
{
    struct vcpu *v = rig.v;
    ck_assert_int_eq(rig_prepare(RIG_LA), CODE_EMULATE);
    rig_map(RIG_LA, RIG_CODE, X86_PTE_P | X86_PTE_W);
    ck_assert_int_eq(rig_prepare(RIG_LA), CODE_EMULATE);
    ck_assert(!(*rig_pte(RIG_LA) & X86_PTE_A));
    rig_map(RIG_LA, RIG_FRAMES, RIG_USER); /* no memory there */
    ck_assert_int_eq(rig_prepare(RIG_LA), CODE_EMULATE);
    ck_assert_uint_eq(v->counts.code_pages, 0);
    ck_assert_uint_eq(rig.maps, 0);
}
END_TEST

enum { NEXUS = 0x3d000000 };

START_TEST(the_nexus_is_not_for_guest_code)
{
    static const guest_la places[] = { NEXUS, NEXUS + CODE_NEXUS_SIZE - 1 };
    rig.v->code->nexus = NEXUS;
    for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
        rig_load_program(places[i] & ~0xfffu, RIG_CODE);
        ck_assert_int_eq(code_prepare(rig.v, places[i]), CODE_INTERPRET);
        rig_map(places[i], 0, 0); /* the audit would object: usually code_nexus_yield() comes first */
    }
    ck_assert_uint_eq(rig.maps, 0);
    rig_load_program(NEXUS - 0x1000, RIG_CODE);
    ck_assert_int_eq(rig_prepare(NEXUS - 0x1000), CODE_READY);
    rig_load_program(NEXUS + CODE_NEXUS_SIZE, RIG_CODE);
    ck_assert_int_eq(rig_prepare(NEXUS + CODE_NEXUS_SIZE), CODE_READY);
}
END_TEST

START_TEST(a_host_that_refuses_leaves_it_to_the_interpreter)
{
    rig_load_program(RIG_LA, RIG_CODE);
    rig.refuse = true;
    ck_assert_int_eq(rig_prepare(RIG_LA), CODE_INTERPRET);
    rig.refuse = false;
    ck_assert_int_eq(rig_prepare(RIG_LA), CODE_READY);
    ck_assert_uint_eq(rig.v->counts.code_pages, 1);
}
END_TEST

START_TEST(the_protection_key_is_the_splits)
{
    rig_load_program(RIG_LA, RIG_CODE);
    rig.v->split = (struct split){ .code_key_used = true, .code_key = 5, .data_limit = UINT32_MAX };
    rig_prepare(RIG_LA);
    ck_assert_int_eq(rig.place[RIG_LA >> 12].key, 5);
}
END_TEST

START_TEST(the_helper_shows_the_frame_behind_the_private_page)
{
    const struct rig_place *place = &rig.place[RIG_LA >> 12];
    rig_load_program(RIG_LA, RIG_CODE);
    rig.v->split = (struct split){ .provider = D86_SPLIT_TLB, .primed = true, .data_limit = UINT32_MAX };
    ck_assert(!code_prime(rig.v, RIG_LA)); /* nothing is mapped */
    rig_prepare(RIG_LA);
    ck_assert_uint_eq(place->primes, 1);
    ck_assert_uint_eq(place->original, RIG_CODE * 4096);
    ck_assert(code_prime(rig.v, RIG_LA + 0x123));
    ck_assert_uint_eq(place->primes, 2);
    ck_assert(!code_prime(rig.v, RIG_LA + 0x1000));
    rig.refuse = true;
    ck_assert(!code_prime(rig.v, RIG_LA));
    rig.refuse = false;
    rig_map(RIG_LA, RIG_CODE + 1, RIG_USER);
    code_sync(rig.v);
    ck_assert(!place->mapped && !code_prime(rig.v, RIG_LA));
    rig.v->split.primed = false;
    rig_prepare(RIG_LA);
    ck_assert(place->mapped && !place->primes && !code_prime(rig.v, RIG_LA));
}
END_TEST

START_TEST(data_at_the_place_gives_way)
{
    const guest_la code = 0x48000000;
    rig_load_program(code, RIG_CODE);
    rig.v->shadow->page[(code - 0x40000000) >> 12].frame_plus_one = 30;
    ck_assert_int_eq(rig_prepare(code), CODE_READY);
    ck_assert_uint_eq(rig.shadow_drops, 1);
    ck_assert_uint_eq(rig.v->counts.code_conflicts, 1);
}
END_TEST

/* jmp to the next page: at the site's own scan the target's page is mapped already. */
START_TEST(exits_into_mapped_pages_are_followed)
{
    rig_load_program(RIG_LA + 0x1000, RIG_CODE + 1);
    rig_map(RIG_LA, RIG_CODE, RIG_USER);
    RIG_CODE_AT(RIG_CODE, 0x10, 0xe9, 0xeb + 8, 0x0f, 0, 0); /* to RIG_LA + 0x1008 */
    RIG_CODE_AT(RIG_CODE + 1, 8, 0x41, 0xc3);
    rig_prepare(RIG_LA + 0x1000);
    ck_assert_uint_eq(rig_fetch(RIG_LA + 0x1008), 0xcc);
    rig_prepare(RIG_LA + 0x10);
    ck_assert_uint_eq(rig_fetch(RIG_LA + 0x1008), 0x41);
    ck_assert_uint_eq(rig.v->counts.code_scans, 3);
}
END_TEST

/* ---- Translations that change ------------------------------------------------------------------------ */

START_TEST(a_sync_without_changes_does_nothing)
{
    for (unsigned i = 0; i < 8; i++) {
        rig_load_program(RIG_LA + i * 0x1000, RIG_CODE + i);
        rig_prepare(RIG_LA + i * 0x1000);
    }
    unsigned maps = rig.maps;
    code_sync(rig.v);
    ck_assert_uint_eq(rig.maps, maps);
    ck_assert_uint_eq(rig.unmaps, 0);
    rig_check("sync");
}
END_TEST

START_TEST(a_sync_unmaps_what_moved_and_neighbours_with_one_call)
{
    for (unsigned i = 0; i < 8; i++) {
        unsigned n = i * 5 % 8; /* not in the order of their addresses */
        rig_load_program(RIG_LA + n * 0x1000, RIG_CODE + n);
        rig_prepare(RIG_LA + n * 0x1000);
    }
    rig_map(RIG_LA + 0x2000, RIG_CODE + 20, RIG_USER | X86_PTE_A); /* another frame */
    rig_map(RIG_LA + 0x3000, 0, 0);                                /* absent */
    *rig_pte(RIG_LA + 0x4000) &= ~X86_PTE_U;
    *rig_pte(RIG_LA + 0x6000) &= ~X86_PTE_A;
    unsigned before = rig.unmaps;
    code_sync(rig.v);
    ck_assert_uint_eq(rig.unmaps - before, 2);
    ck_assert_uint_eq(rig.v->code->mapping_count, 4);
    ck_assert_uint_eq(rig.v->counts.code_unmaps, 4);
    rig_check("sync");
    /* The A bit is set again by the next fetch, and nothing is scanned again. */
    uint64_t scans = rig.v->counts.code_scans;
    ck_assert_int_eq(rig_prepare(RIG_LA + 0x6000), CODE_READY);
    ck_assert(*rig_pte(RIG_LA + 0x6000) & X86_PTE_A);
    ck_assert_uint_eq(rig.v->counts.code_scans, scans);
}
END_TEST

/* With PAE: NX at either level, when it is in force. */
START_TEST(a_sync_heeds_execute_disable)
{
    struct vcpu *v = rig.v;
    uint64_t *directory = (uint64_t *)rig_frame(3), *table = (uint64_t *)rig_frame(4);
    const guest_la la = 0x00201000;
    v->cr4 |= X86_CR4_PAE;
    v->efer |= X86_EFER_NXE;
    v->pdpte[0] = 3 << 12 | X86_PTE_P;
    directory[1] = 4 << 12 | RIG_USER;
    table[1] = RIG_CODE << 12 | RIG_USER;
    RIG_CODE_AT(RIG_CODE, 0, RIG_PROGRAM);
    for (unsigned level = 0; level < 2; level++) {
        uint64_t *entry = level ? &directory[1] : &table[1];
        ck_assert_int_eq(code_prepare(v, la), CODE_READY);
        code_sync(v);
        ck_assert_ptr_nonnull(code_page_at(v, la));
        *entry |= X86_PTE_NX;
        code_sync(v);
        ck_assert_ptr_null(code_page_at(v, la));
        ck_assert_int_eq(code_prepare(v, la), CODE_EMULATE);
        *entry &= ~X86_PTE_NX;
    }
}
END_TEST

START_TEST(invlpg_unmaps_one_page)
{
    rig_load_program(RIG_LA, RIG_CODE);
    rig_load_program(RIG_LA + 0x1000, RIG_CODE + 1);
    rig_prepare(RIG_LA);
    rig_prepare(RIG_LA + 0x1000);
    code_unmap_page(rig.v, RIG_LA + 0x123);
    ck_assert(!rig_is_mapped(RIG_LA) && rig_is_mapped(RIG_LA + 0x1000));
    code_unmap_page(rig.v, RIG_LA);
    code_unmap_page(rig.v, 0x70000000);
    ck_assert_uint_eq(rig.v->counts.code_unmaps, 1);
    rig_check("unmap");
}
END_TEST

/* ---- The pool ---------------------------------------------------------------------------------------- */

START_TEST(the_least_recently_used_goes_and_what_is_not_mapped_before_it)
{
    struct vcpu *v = rig.v;
    v->code->limit = 4;
    for (unsigned i = 0; i < 8; i++)
        rig_load_program(RIG_LA + i * 0x1000, RIG_CODE + i);
    for (unsigned i = 0; i < 4; i++)
        rig_prepare(RIG_LA + i * 0x1000);
    code_unmap_page(v, RIG_LA + 0x2000);
    rig_prepare(RIG_LA + 0x4000); /* takes the place of 2, which is idle */
    ck_assert(rig_is_mapped(RIG_LA) && rig_is_mapped(RIG_LA + 0x1000) && rig_is_mapped(RIG_LA + 0x3000));
    ck_assert_uint_eq(v->code_frame[RIG_CODE + 2].private_head, 0);
    rig_prepare(RIG_LA + 0x800); /* scanned on: 0 is the latest now */
    rig_prepare(RIG_LA + 0x5000);
    ck_assert(rig_is_mapped(RIG_LA) && !rig_is_mapped(RIG_LA + 0x1000));
    rig_prepare(RIG_LA + 0x6000);
    ck_assert(rig_is_mapped(RIG_LA) && !rig_is_mapped(RIG_LA + 0x3000));
    ck_assert_uint_eq(v->counts.code_evictions, 3);
}
END_TEST

START_TEST(dropping_all_leaves_nothing)
{
    struct vcpu *v = rig.v;
    for (unsigned i = 0; i < 8; i++) {
        rig_load_program(RIG_LA + i * 0x1000, RIG_CODE + i);
        rig_prepare(RIG_LA + i * 0x1000);
    }
    code_unmap_page(v, RIG_LA + 0x3000);
    unsigned before = rig.unmaps;
    code_drop_all(v);
    ck_assert_uint_eq(rig.unmaps - before, 2);
    rig_check("drop all");
    for (unsigned i = 0; i < 8; i++)
        ck_assert(!frame_has_code(v, RIG_CODE + i));
    ck_assert_int_eq(rig_prepare(RIG_LA), CODE_READY);
    ck_assert_uint_eq(v->code->fresh, 8);
}
END_TEST

/* ---- The audit --------------------------------------------------------------------------------------- */

static void break_byte(struct code_page *p)
{
    p->scan.private_page[0] = 0x48;
}

static void break_trap(struct code_page *p)
{
    p->scan.private_page[0x800] = 0x90;
}

static void break_place(struct code_page *p)
{
    rig.v->code->slot_at[(p->scan.address >> 12) + 9] = 1;
}

static void break_order(struct code_page *p)
{
    p->older = code_slot_of(rig.v->code, p) + 1;
}

static void break_frame_list(struct code_page *p)
{
    rig.v->code_frame[p->frame].private_head = 0;
}

static void break_translation(struct code_page *p)
{
    rig_map(p->scan.address, RIG_CODE + 9, RIG_USER | X86_PTE_A);
}

static void break_protection(struct code_page *p)
{
    rig.v->shadow->frame_head[p->frame] = 78;
    rig.v->shadow->page[77].writable = true;
}

static void break_conflict(struct code_page *p)
{
    rig.v->shadow->page[(p->scan.address - 0x40000000) >> 12].frame_plus_one = 1;
}

static void break_mode(struct code_page *p)
{
    (void)p;
    rig.v->code->key ^= 1;
}

static void break_key(struct code_page *p)
{
    p->key ^= SCAN_CODE32;
}

static void break_tail(struct code_page *p)
{
    p->scan.tail = 1;
}

static void (*const breaks[])(struct code_page *p) = {
    break_byte,       break_trap,     break_place, break_order, break_frame_list, break_translation,
    break_protection, break_conflict, break_mode,  break_key,   break_tail,
};

START_TEST(the_audit_finds_what_is_broken)
{
    rig_load_program(RIG_LA, RIG_CODE);
    rig_load_program(RIG_LA + 0x1000, RIG_CODE + 1);
    rig_prepare(RIG_LA);
    rig_prepare(RIG_LA + 0x1000);
    breaks[_i](code_page_at(rig.v, RIG_LA));
    ck_assert_ptr_nonnull(code_audit(rig.v));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("code_cache");
    TCase *tc = tcase_create("code_cache");
    int failed;
    SRunner *runner;
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, rig_open, rig_close);
    tcase_add_loop_test(tc, each_part_of_the_mode_has_its_bit, 0, (int)ARRAY_SIZE(mode_rows));
    tcase_add_test(tc, the_mode_knows_segments_time_and_the_split);
    tcase_add_loop_test(tc, each_feature_brings_its_instruction_set_and_no_other, 0,
                        (int)ARRAY_SIZE(isa_rows));
    tcase_add_test(tc, sets_that_no_model_has_are_absent);
    tcase_add_test(tc, another_mode_unmaps_and_the_pool_remembers);
    tcase_add_test(tc, snippets_work_while_es_is_flat);
    tcase_add_test(tc, prepare_maps_scans_and_protects_once);
    tcase_add_test(tc, a_site_is_the_interpreters);
    tcase_add_test(tc, arriving_inside_an_instruction_scans_there);
    tcase_add_test(tc, what_the_guest_may_not_fetch_is_emulated);
    tcase_add_test(tc, the_nexus_is_not_for_guest_code);
    tcase_add_test(tc, a_host_that_refuses_leaves_it_to_the_interpreter);
    tcase_add_test(tc, the_protection_key_is_the_splits);
    tcase_add_test(tc, the_helper_shows_the_frame_behind_the_private_page);
    tcase_add_test(tc, data_at_the_place_gives_way);
    tcase_add_test(tc, exits_into_mapped_pages_are_followed);
    tcase_add_test(tc, a_sync_without_changes_does_nothing);
    tcase_add_test(tc, a_sync_unmaps_what_moved_and_neighbours_with_one_call);
    tcase_add_test(tc, a_sync_heeds_execute_disable);
    tcase_add_test(tc, invlpg_unmaps_one_page);
    tcase_add_test(tc, the_least_recently_used_goes_and_what_is_not_mapped_before_it);
    tcase_add_test(tc, dropping_all_leaves_nothing);
    tcase_add_loop_test(tc, the_audit_finds_what_is_broken, 0, (int)ARRAY_SIZE(breaks));
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
