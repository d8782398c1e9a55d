/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What is kept of translated code, without running it: found again, linked, dropped when bytes or tables
 * change, forgotten when something has run full. The generator and the page walks are real, and after each
 * step translation_audit() makes everything again; random steps in the end.
 *
 *     test_translation [STEPS [SEED]]
 */
#include <check.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../oracle/rng.h"
#include "code_private.h"
#include "news.h"
#include "paging.h"
#include "shadow.h"
#include "system_space.h"
#include "translated.h"
#include "translation.h"

enum {
    FRAMES = 64,
    DIRECTORY = 1,
    TABLE = 2,
    CODE = 8, /* frames from here on hold code */
    LA = 0x00400000,
    PAGES = 24, /* of the page table, for linear pages from LA on */
    KERNEL = X86_PTE_P | X86_PTE_W,
    NO_TARGET = 5,
};

static struct vcpu *v;
static struct translation *t;
static bool backs_off, faulted;
static unsigned drops_noted;
static jmp_buf unwind;
static unsigned long steps = 20000;
static uint64_t seed = 1;

/* ---- What is called ---------------------------------------------------------------------------------- */

bool code_backs_off(struct vcpu *cpu, uint64_t frame)
{
    (void)cpu, (void)frame;
    return backs_off;
}

bool code_note_drop(struct vcpu *cpu, uint64_t frame)
{
    (void)cpu, (void)frame;
    drops_noted++;
    return backs_off;
}

uint32_t code_isa(const struct vcpu *cpu)
{
    (void)cpu;
    return ~0u;
}

void sbe_frame_is_code(struct vcpu *cpu, uint64_t frame)
{
    (void)cpu, (void)frame;
}

void code_written(struct vcpu *cpu, uint64_t frame, unsigned offset, unsigned size)
{
    (void)cpu, (void)frame, (void)offset, (void)size;
}

void block_written(struct vcpu *cpu, uint64_t frame, unsigned offset, unsigned size)
{
    (void)cpu, (void)frame, (void)offset, (void)size;
}

struct gen_layout translated_layout(bool segmented)
{
    (void)segmented;
    return (struct gen_layout){
        .fs_base = 0x100, .exit_direct = 0x108, .exit_indirect = 0x110, .call_out = 0x118
    };
}

uint64_t translated_no_target(void)
{
    return NO_TARGET;
}

void translated_bind_site(struct vcpu *cpu, struct translation_site *site, const uint8_t *bytes,
                          unsigned size, uint32_t eip)
{
    struct insn in;
    (void)cpu;
    *site = (struct translation_site){ .eip = eip };
    bool code32 = !t->space_now || t->space[t->space_now].segmented.code32;
    if (x86_decode(bytes, size, code32, &in) == X86_DECODE_OK)
        site->length = in.length;
}

NORETURN void raise_error(struct vcpu *cpu, const struct uop *u, uint8_t vector, uint32_t error)
{
    (void)cpu, (void)u, (void)vector, (void)error;
    faulted = true;
    longjmp(unwind, 1);
}

/* ---- The rig ------------------------------------------------------------------------------------------- */

static void *sparse(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ck_assert_ptr_ne(p, MAP_FAILED);
    return p;
}

static uint32_t *pte(unsigned page)
{
    return (uint32_t *)(v->map.ram + (TABLE << 12)) + page;
}

static void setup(void)
{
    v = sparse(sizeof(*v));
    t = sparse(sizeof(*t));
    v->translation = t;
    v->map.ram_size = FRAMES << 12;
    v->map.ram = sparse(v->map.ram_size);
    v->map.region[v->map.count++] = (struct region){ .size = v->map.ram_size };
    v->pa_mask = (1ull << 36) - 1;
    v->code_frame = sparse(FRAMES * sizeof(*v->code_frame));
    v->shadow = sparse(sizeof(*v->shadow));
    v->shadow->frame_head = sparse(FRAMES * sizeof(uint32_t));
    v->spaces = sparse(sizeof(*v->spaces));
    for (unsigned i = 0; i < SYSTEM_SPACES; i++)
        v->spaces->shadow[i].frame_head = v->shadow->frame_head;
    memset(v->tlb_system, 0xff, sizeof(v->tlb_system));
    memset(v->tlb_user, 0xff, sizeof(v->tlb_user));
    memset(v->itlb, 0xff, sizeof(v->itlb));
    v->cr0 = X86_CR0_PE | X86_CR0_PG | X86_CR0_WP;
    v->cr3 = DIRECTORY << 12;
    ((uint32_t *)(v->map.ram + v->cr3))[LA >> 22] = TABLE << 12 | KERNEL;
    for (unsigned page = 0; page < PAGES; page++)
        *pte(page) = (CODE + page) << 12 | KERNEL;
    uint8_t *code = sparse(TRANSLATION_CODE);
    translation_init(t, code, code);
    translation_forget_targets(t);
    backs_off = faulted = false;
    drops_noted = 0;
}

/* The process of each test ends with it, so what it mapped goes then. */
static void teardown(void)
{
    munmap(t->code, TRANSLATION_CODE);
    munmap(t, sizeof(*t));
}

static void audit(void)
{
    const char *what = translation_audit(v);
    ck_assert_msg(!what, "%s", what);
}

static void forget_fetches(void)
{
    memset(v->itlb, 0xff, sizeof(v->itlb));
}

static uint64_t find(guest_la la)
{
    faulted = false;
    if (setjmp(unwind))
        return TRANSLATION_NOTHING;
    return translation_find(v, la);
}

/* Found, and what is there is the instruction. */
static struct translation_place found(guest_la la)
{
    struct translation_place place;
    uint64_t host = find(la);
    ck_assert_msg(host > TRANSLATION_INTERPRET, "%08x is not found", la);
    ck_assert(translation_place(t, host, &place));
    ck_assert_uint_eq(place.la, la);
    ck_assert_uint_eq(place.begin, host);
    ck_assert(place.restartable);
    ck_assert(!t->stretch[place.stretch].dropped);
    audit();
    return place;
}

static void put(guest_la la, const uint8_t *bytes, unsigned size)
{
    for (unsigned i = 0; i < size; i++) {
        uint64_t frame = *pte((la + i - LA) >> 12) >> 12;
        v->map.ram[(frame << 12) + (la + i) % 4096] = bytes[i];
        frame_written(v, frame, (la + i) % 4096, 1);
    }
}

#define PUT(la, ...) put((la), (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static void flush_page(guest_la la)
{
    forget_fetches();
    translation_region_changed(v, la);
    translation_sync(v);
}

static void flush_all(void)
{
    forget_fetches();
    t->stale = true;
    translation_sync(v);
}

/* As a direct exit is followed: the one exit of the stretch at la, to its target. */
static struct translation_exit *follow(guest_la la)
{
    struct translation_place from = found(la), to;
    const struct translation_stretch *s = &t->stretch[from.stretch];
    ck_assert_uint_gt(s->exit_count, 0);
    uint64_t after = (uint64_t)(uintptr_t)t->text + t->exit[s->exits].after;
    struct translation_exit *exit = translation_exit_at(t, after);
    ck_assert_ptr_eq(exit, &t->exit[s->exits]);
    to = found(exit->target);
    translation_link(t, exit, to.stretch, to.begin);
    audit();
    return exit;
}

/* ---- Spaces -------------------------------------------------------------------------------------------- */

static const struct translation_space segmented[] = {
    { .segmented = { .base = LA, .limit = 0xffff, .segment = { GEN_SEGMENT_LIMITED, GEN_SEGMENT_LIMITED } } },
    { .segmented = { .base = LA, .limit = 0xffff, .code32 = true }, .flags = true },
    { .segmented = { .base = LA + 0x1230, .limit = 0x2fff, .real = true }, .flags = true },
};

enum { SPACES = sizeof(segmented) / sizeof(segmented[0]) };

/* The linear address of EIP 0. */
static guest_la enter_space(unsigned i)
{
    translation_choose_space(v, i ? &segmented[i - 1] : NULL);
    return i ? segmented[i - 1].segmented.base : 0;
}

START_TEST(the_same_bytes_are_kept_in_each_space)
{
    uint64_t host[SPACES + 1];
    struct translation_place place;
    PUT(LA + 0x1300, 0xb8, 1, 2, 0x40, 0xc3, 0xc3); /* mov ax, 201h; inc ax; or mov eax, c3400201h */
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i <= SPACES; i++) {
            uint32_t eip = LA + 0x1300 - enter_space(i);
            uint64_t at = find(eip);
            ck_assert(translation_place(t, at, &place) && place.eip == eip && place.la == LA + 0x1300);
            ck_assert_uint_eq(place.insn->length, i == 1 || i == 3 ? 3 : 5);
            ck_assert(!round || at == host[i]);
            host[i] = at;
            audit();
        }
    }
    ck_assert_uint_eq(t->page_count, SPACES + 1);
    PUT(LA + 0x1301, 9);
    ck_assert_uint_eq(v->counts.translation_drops, SPACES + 1);
    audit();
    *pte(1) = (CODE + 9) << 12 | KERNEL;
    flush_page(LA + 0x1000);
    ck_assert_uint_eq(t->page_at[(LA + 0x1000) >> 12], 0);
    audit();
}
END_TEST

START_TEST(nothing_is_found_beyond_a_segment)
{
    PUT(LA + 0x422f, 0xb8, 1, 2);
    PUT(LA + 0x422a, 0x90, 0x90);
    (void)enter_space(3);
    ck_assert_uint_gt(find(0x2ffa), TRANSLATION_INTERPRET);
    ck_assert_uint_eq(find(0x2fff), TRANSLATION_STEP); /* begins in it */
    ck_assert_uint_eq(find(0x3000), TRANSLATION_STEP);
    audit();
}
END_TEST

/* Spaces that differ by the base of CS have keys which who loads CS can make. */
START_TEST(keys_are_selector_and_offset_where_cs_is_loaded_in_line)
{
    struct translation_space space = { .segmented = { .real = true, .far = true, .limit = 0xffff } };
    uint64_t keys[3];
    for (unsigned i = 0; i < 3; i++) {
        space.segmented.base = i * 0x12340;
        space.segmented.returns = i == 2;
        translation_choose_space(v, &space);
        keys[i] = translation_space_key(t, t->space_now);
    }
    ck_assert_uint_eq(keys[1] - keys[0], 0x12340000);
    ck_assert_uint_ne(keys[2] >> 32, keys[0] >> 32);
    ck_assert_uint_eq((uint32_t)keys[2], 0x24680000);
}
END_TEST

START_TEST(all_is_forgotten_with_too_many_spaces)
{
    struct translation_space space = { .segmented = { .limit = 0xffff } };
    PUT(LA, 0x90, 0xc3);
    found(LA);
    for (uint32_t i = 0; i < 2 * TRANSLATION_SPACES; i++) {
        space.segmented.base = i << 4;
        translation_choose_space(v, &space);
        ck_assert_uint_lt(t->space_now, TRANSLATION_SPACES);
        ck_assert_uint_eq(t->space[t->space_now].segmented.base, i << 4);
    }
    ck_assert_uint_ge(v->counts.translation_flushes, 1);
    (void)enter_space(0);
    found(LA);
}
END_TEST

/* ---- Finding ----------------------------------------------------------------------------------------------
 */

START_TEST(what_was_made_is_found_again)
{
    PUT(LA, 0x40, 0x01, 0xd8, 0x0f, 0xa2, 0x43, 0xc3); /* inc eax; add eax, ebx; cpuid; inc ebx; ret */
    struct translation_place place = found(LA);
    static const unsigned offsets[] = { 1, 3, 5, 6, 0 };
    for (unsigned i = 0; i < 5; i++)
        ck_assert_uint_eq(found(LA + offsets[i]).stretch, place.stretch);
    ck_assert_uint_eq(t->part[0].stretches, 1);
    ck_assert_uint_ne(found(LA + 2).stretch, place.stretch); /* the middle of one */
    ck_assert_uint_eq(t->part[0].stretches, 2);
}
END_TEST

START_TEST(every_place_belongs_to_its_instruction)
{
    struct translation_place place, last = { .la = 0 };
    PUT(LA, 0x40, 0x50, 0xff, 0x30, 0xe8, 0, 0x10, 0, 0, 0xf3, 0xa5, 0x0f, 0xa2, 0xff, 0xd0, 0xc3);
    const struct translation_stretch *s = &t->stretch[found(LA).stretch];
    uint64_t begin = (uint64_t)(uintptr_t)t->text + s->code;
    for (uint32_t i = 0; i < s->code_size; i++) {
        ck_assert(translation_place(t, begin + i, &place));
        ck_assert_uint_ge(place.la, last.la);
        ck_assert_uint_le(place.begin, begin + i);
        ck_assert_uint_eq(place.restartable, i <= place.insn->restart);
        ck_assert_uint_eq(place.begin, begin + place.insn->host);
        last = place;
    }
    ck_assert(!translation_place(t, begin + s->code_size, &place));
    ck_assert(!translation_place(t, begin - 1, &place));
    ck_assert(!translation_place(t, (uint64_t)(uintptr_t)t->text + TRANSLATION_CODE, &place));
}
END_TEST

START_TEST(nothing_is_found_where_nothing_can_be_fetched)
{
    *pte(0) = 0;
    find(LA);
    ck_assert(faulted);
    ck_assert_uint_eq(v->cr2, LA);
    *pte(1) = 0x70000000 | KERNEL; /* no memory */
    ck_assert_uint_eq(find(LA + 4096), TRANSLATION_STEP);
    backs_off = true;
    ck_assert_uint_eq(find(LA + 2 * 4096), TRANSLATION_INTERPRET);
    audit();
}
END_TEST

/* Call-outs of what is translated at la. */
static unsigned sites_at(guest_la la)
{
    uint32_t before = t->part[0].sites;
    translation_drop_at(v, la);
    audit();
    found(la);
    return t->part[0].sites - before;
}

START_TEST(what_keeps_faulting_is_a_call_out_for_a_while)
{
    unsigned executions = 0;
    PUT(LA, 0x40, 0x8b, 0x03, 0x43, 0xc3); /* inc eax; mov eax, [ebx]; inc ebx; ret */
    ck_assert_uint_eq(sites_at(LA), 0);
    for (unsigned i = 0; i < 3; i++)
        translation_note_trouble(v, LA + 1);
    ck_assert(!translation_is_apart(t, LA + 1));
    uint64_t drops = v->counts.translation_drops;
    translation_note_trouble(v, LA + 1);
    ck_assert(translation_is_apart(t, LA + 1) && !translation_is_apart(t, LA));
    ck_assert_uint_eq(v->counts.translation_drops, drops + 1);
    ck_assert_uint_eq(sites_at(LA), 1);
    for (; translation_is_apart(t, LA + 1); executions++) {
        ck_assert_uint_lt(executions, 10000);
        translation_apart_executed(v, LA + 1);
    }
    ck_assert_uint_gt(executions, 100);
    ck_assert_uint_eq(sites_at(LA), 0);
}
END_TEST

/* Two that fell on each other once left one of them with its faults, for as long as a kernel was where it
 * was. */
START_TEST(some_that_keep_faulting_are_call_outs_at_the_same_time)
{
    PUT(LA, 0x8b, 0x03, 0xc3);
    for (unsigned i = 0; i < 4; i++) {
        for (unsigned n = 0; n < 4; n++)
            translation_note_trouble(v, LA + 0x40 * i);
    }
    for (unsigned i = 0; i < 4; i++)
        ck_assert(translation_is_apart(t, LA + 0x40 * i));
    for (unsigned n = 0; n < 4; n++)
        translation_note_trouble(v, LA + 0x101);
    ck_assert(!translation_is_apart(t, LA + 0x101));
    ck_assert(translation_is_apart(t, LA));
}
END_TEST

static void wait_ticks(uint64_t ticks)
{
    uint64_t began = __builtin_ia32_rdtsc();
    while (__builtin_ia32_rdtsc() - began < ticks)
        ;
}

START_TEST(pages_of_programs_are_trouble_if_they_come_often)
{
    enum { SELDOM = 1 << 20, NOTES = 16, TRIES = 10000 };
    PUT(LA, 0x8b, 0x03, 0xc3);
    for (unsigned n = 0; n < NOTES; n++) {
        translation_note_program(v, LA);
        wait_ticks(SELDOM);
    }
    ck_assert(!translation_is_apart(t, LA));
    /* Who is put aside by the host between two of them tries again. */
    for (unsigned n = 0; n < TRIES && !translation_is_apart(t, LA); n++)
        translation_note_program(v, LA);
    ck_assert(translation_is_apart(t, LA));
}
END_TEST

/* ---- Links and targets
 * -------------------------------------------------------------------------------------- */

static void two_that_are_linked(void)
{
    PUT(LA, 0xe9, 0xfb, 0x1f, 0, 0);          /* jmp LA + 2000h */
    PUT(LA + 0x2000, 0x40, 0x43, 0xeb, 0xfc); /* inc eax; inc ebx; jmp LA + 2000h */
    ck_assert(follow(LA)->linked);
}

START_TEST(a_link_goes_with_its_target)
{
    two_that_are_linked();
    struct translation_exit *exit = &t->exit[t->stretch[found(LA).stretch].exits];
    PUT(LA + 0x2000, 0x90);
    ck_assert(!exit->linked);
    audit();
    ck_assert_uint_eq(v->counts.translation_drops, 1);
    ck_assert(follow(LA)->linked);
}
END_TEST

START_TEST(a_link_of_what_was_dropped_does_no_harm)
{
    two_that_are_linked();
    PUT(LA, 0xe9);
    audit();
    ck_assert(follow(LA)->linked);
    PUT(LA + 0x2000, 0x48);
    audit();
    found(LA + 0x2000);
}
END_TEST

START_TEST(a_target_is_forgotten_with_its_stretch)
{
    two_that_are_linked();
    uint64_t host = found(LA + 0x2000).begin;
    audit();
    ck_assert_uint_eq(find(LA + 0x2000), host);
    /* another address of the same entry */
    PUT(LA + 0x3000, 0xc3);
    ck_assert_uint_ne(t->target[(LA + 0x2000) % TRANSLATION_TARGETS].host, NO_TARGET);
    PUT(LA + 0x2001, 0x90);
    ck_assert_uint_eq(t->target[(LA + 0x2000) % TRANSLATION_TARGETS].host, NO_TARGET);
    ck_assert_uint_ne(find(LA + 0x2000), host);
    audit();
}
END_TEST

/* ---- Writes
 * ---------------------------------------------------------------------------------------------------- */

START_TEST(a_write_drops_what_has_the_bytes_and_nothing_else)
{
    PUT(LA + 0x10, 0xb8, 1, 2, 3, 4, 0xc3);
    PUT(LA + 0x800, 0x40, 0xc3);
    found(LA + 0x10);
    uint64_t other = found(LA + 0x800).begin;
    PUT(LA + 0x0f, 0x90);
    PUT(LA + 0x16, 0x90);
    ck_assert_uint_eq(v->counts.translation_drops, 0);
    PUT(LA + 0x15, 0xc3);
    ck_assert_uint_eq(v->counts.translation_drops, 1);
    found(LA + 0x10);
    PUT(LA + 0x10, 0xb8);
    ck_assert_uint_eq(v->counts.translation_drops, 2);
    ck_assert_uint_eq(found(LA + 0x800).begin, other);
    ck_assert_uint_eq(drops_noted, 2);
}
END_TEST

START_TEST(a_frame_that_is_written_all_the_time_loses_all)
{
    PUT(LA, 0x40, 0xc3);
    PUT(LA + 0x800, 0x40, 0xc3);
    found(LA);
    found(LA + 0x800);
    backs_off = true;
    PUT(LA, 0x43);
    ck_assert_uint_eq(t->page_at[LA >> 12], 0);
    audit();
    ck_assert_uint_eq(find(LA + 0x800), TRANSLATION_INTERPRET);
}
END_TEST

/* So many bytes of a MOV EAX, imm32 in the first page. */
START_TEST(an_instruction_across_pages_goes_with_either)
{
    guest_la la = LA + 4096 - (unsigned)_i;
    PUT(la, 0xb8, 1, 2, 3, 4, 0xc3);
    ck_assert_uint_eq(t->stretch[found(la).stretch].tail_page, t->page_at[(LA >> 12) + 1]);
    PUT(LA + 4096 + 20, 0x90);
    ck_assert_uint_eq(v->counts.translation_drops, 0);
    PUT(LA + 4096, v->map.ram[((CODE + 1) << 12)]);
    ck_assert_uint_eq(v->counts.translation_drops, 1);
    found(la);
    PUT(la, 0xb8);
    ck_assert_uint_eq(v->counts.translation_drops, 2);
    /* the second page leads elsewhere */
    found(la);
    *pte(1) = (CODE + 9) << 12 | KERNEL;
    flush_page(LA + 4096);
    ck_assert_uint_eq(v->counts.translation_drops, 3);
    found(la);
    /* and nowhere */
    *pte(1) = 0;
    flush_page(LA + 4096);
    find(la);
    ck_assert(faulted);
    ck_assert_uint_eq(v->cr2, LA + 4096);
    audit();
}
END_TEST

/* ---- Tables
 * ------------------------------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    uint32_t clear, set;
    bool stays;
} table_rows[] = {
    { "nothing", 0, 0, true },
    { "dirty", 0, X86_PTE_D, true },
    { "for users too", 0, X86_PTE_U, true },
    { "read-only", X86_PTE_W, 0, true },
    { "not accessed", X86_PTE_A, 0, false },
    { "not present", X86_PTE_P, 0, false },
    { "another frame", 0xff000, 0x10000, false },
};

START_TEST(a_page_stays_while_it_leads_there)
{
    PUT(LA, 0x40, 0xc3);
    found(LA);
    *pte(0) = (*pte(0) & ~table_rows[_i].clear) | table_rows[_i].set;
    ck_assert_uint_ne(t->page_at[LA >> 12], 0); /* the guest has not flushed */
    flush_page(LA + 0x5000);                    /* any page of the 4 MiB: it may have been a large one */
    ck_assert_msg((t->page_at[LA >> 12] != 0) == table_rows[_i].stays, "%s", table_rows[_i].name);
    audit();
}
END_TEST

START_TEST(another_region_is_not_looked_at)
{
    PUT(LA, 0x40, 0xc3);
    found(LA);
    *pte(0) = 0;
    forget_fetches();
    translation_region_changed(v, LA + 0x400000);
    translation_sync(v);
    ck_assert_uint_ne(t->page_at[LA >> 12], 0);
    flush_all();
    ck_assert_uint_eq(t->page_at[LA >> 12], 0);
}
END_TEST

START_TEST(a_page_fetched_by_an_old_translation_goes_with_the_flush)
{
    PUT(LA, 0x40, 0xc3);
    found(LA);
    translation_drop_frame(v, CODE);
    *pte(0) = (CODE + 9) << 12 | KERNEL | X86_PTE_A;
    ck_assert_uint_gt(find(LA), TRANSLATION_INTERPRET); /* by what the fetch buffer has */
    ck_assert_uint_eq(t->page[t->page_at[LA >> 12] - 1].frame, CODE);
    flush_page(LA);
    found(LA);
    ck_assert_uint_eq(t->page[t->page_at[LA >> 12] - 1].frame, CODE + 9);
}
END_TEST

/* A page that is made in another space, by tables that changed, says nothing of those made before. */
START_TEST(a_page_of_another_space_does_not_hide_that_one_moved)
{
    PUT(LA, 0x40, 0xc3);
    found(LA);
    flush_all();
    *pte(0) = (CODE + 9) << 12 | KERNEL | X86_PTE_A;
    forget_fetches();
    guest_la base = enter_space(2);
    ck_assert_uint_gt(find(LA - base), TRANSLATION_INTERPRET);
    ck_assert_uint_eq(translation_page_at(t, LA)->frame, CODE + 9);
    flush_all();
    audit();
    (void)enter_space(0);
    ck_assert_ptr_null(translation_page_at(t, LA));
    found(LA);
    ck_assert_uint_eq(translation_page_at(t, LA)->frame, CODE + 9);
    audit();
}
END_TEST

START_TEST(nx_takes_a_page_away)
{
    uint64_t *directory = (uint64_t *)(v->map.ram + (3 << 12)), *table = (uint64_t *)(v->map.ram + (4 << 12));
    v->cr4 |= X86_CR4_PAE;
    v->efer |= X86_EFER_NXE;
    v->pdpte[0] = 3 << 12 | 1;
    directory[LA >> 21] = 4 << 12 | KERNEL;
    table[0] = CODE << 12 | KERNEL;
    v->map.ram[CODE << 12] = 0xc3;
    found(LA);
    table[0] |= X86_PTE_NX;
    flush_page(LA);
    ck_assert_uint_eq(t->page_at[LA >> 12], 0);
    table[0] &= ~X86_PTE_NX;
    found(LA);
    directory[LA >> 21] |= X86_PTE_NX;
    flush_page(LA);
    ck_assert_uint_eq(t->page_at[LA >> 12], 0);
}
END_TEST

/* ---- Running full
 * -------------------------------------------------------------------------------------------------- */

/* One of the things that run full, in the part that is being filled. */
enum { FILL_PAGES = 5 };

static void fill_up(unsigned what)
{
    struct translation_part *p = &t->part[t->now];
    uint32_t *const counts[] = { &p->stretches, &p->insns, &p->exits, &p->sites, &p->code, &t->page_count };
    static const uint32_t limits[] = {
        TRANSLATION_STRETCHES / TRANSLATION_PARTS, TRANSLATION_INSNS / TRANSLATION_PARTS,
        TRANSLATION_EXITS / TRANSLATION_PARTS,     TRANSLATION_SITES / TRANSLATION_PARTS,
        TRANSLATION_CODE / TRANSLATION_PARTS,      TRANSLATION_PAGES
    };
    if (counts[what] == &p->stretches) { /* those that are not made yet are not to be looked at */
        for (uint32_t i = TRANSLATION_FIRST(t->now, TRANSLATION_STRETCHES) + p->stretches;
             i < TRANSLATION_FIRST(t->now + 1, TRANSLATION_STRETCHES); i++)
            t->stretch[i] =
                (struct translation_stretch){ .dropped = true,
                                              .code = TRANSLATION_FIRST(t->now, TRANSLATION_CODE) + p->code };
    }
    *counts[what] = limits[what] - (counts[what] != &p->stretches);
}

START_TEST(all_is_forgotten_when_there_are_no_pages_left)
{
    PUT(LA, 0x40, 0xc3);
    PUT(LA + 0x2000, 0x0f, 0xa2, 0xc3);
    found(LA);
    uint32_t drops = t->drops;
    fill_up(FILL_PAGES);
    ck_assert_uint_gt(find(LA + 0x2000), TRANSLATION_INTERPRET);
    ck_assert_uint_eq(v->counts.translation_flushes, 1);
    ck_assert_uint_ne(t->drops, drops);
    ck_assert_uint_eq(t->part[0].stretches, 1);
    ck_assert_uint_eq(t->page_at[LA >> 12], 0);
    audit();
    found(LA);
}
END_TEST

START_TEST(the_oldest_part_is_emptied_when_all_are_full)
{
    translation_limit(t, 0);
    ck_assert_uint_eq(t->parts, 2);
    two_that_are_linked(); /* the target is made last ... */
    struct translation_exit *exit = &t->exit[t->stretch[found(LA).stretch].exits];
    fill_up((unsigned)_i);
    PUT(LA + 0x3000, 0xe9, 0xfb, 0xef, 0xff, 0xff); /* ... and this jump to it is in another part */
    ck_assert(follow(LA + 0x3000)->linked);
    ck_assert_uint_eq(t->now, 1);
    ck_assert(exit->linked && v->counts.translation_evictions == 0);
    struct translation_exit *other = &t->exit[t->stretch[found(LA + 0x3000).stretch].exits];
    uint32_t drops = t->drops;
    fill_up((unsigned)_i);
    PUT(LA + 0x1000, 0xc3);
    ck_assert_uint_gt(find(LA + 0x1000), TRANSLATION_INTERPRET);
    ck_assert_uint_eq(t->now, 0);
    ck_assert_uint_eq(v->counts.translation_evictions, 1);
    ck_assert_uint_ne(t->drops, drops);
    ck_assert(!other->linked);
    ck_assert_uint_eq(t->page_at[LA >> 12], 0);
    ck_assert_uint_ne(t->page_at[(LA + 0x3000) >> 12], 0);
    ck_assert_uint_eq(t->part[0].stretches, 1);
    ck_assert_uint_eq(v->counts.translation_flushes, 0);
}
END_TEST

START_TEST(a_limit_is_whole_parts)
{
    static const struct {
        uint64_t bytes;
        uint32_t parts;
    } rows[] = { { 1, 2 }, { 8 << 20, 2 }, { 15 << 20, 3 }, { 64 << 20, 16 }, { 1ull << 40, 16 } };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        translation_limit(t, rows[i].bytes);
        ck_assert_uint_eq(t->parts, rows[i].parts);
    }
}
END_TEST

START_TEST(numbers_of_pages_are_used_again)
{
    for (unsigned i = 0; i < 100; i++) {
        for (unsigned page = 0; page < PAGES; page++)
            (void)find(LA + page * 4096);
        for (unsigned page = 0; page < PAGES; page++)
            translation_drop_frame(v, CODE + page);
        audit();
    }
    ck_assert_uint_le(t->page_count, PAGES);
}
END_TEST

/* ---- At random
 * -------------------------------------------------------------------------------------------------------- */

static void scribble(struct rng *rng)
{
    static const uint8_t likely[] = { 0x40, 0x50, 0x58, 0x90, 0xc3, 0xe8, 0xe9, 0xeb, 0x74, 0xb8,
                                      0x8b, 0x89, 0xff, 0x0f, 0x00, 0x01, 0xf0, 0xfa, 0xcc, 0xf3 };
    uint64_t frame = CODE + rng_below(rng, 8);
    unsigned offset = rng_one_in(rng, 2) ? rng_below(rng, 64) : 4096 - 1 - rng_below(rng, 32);
    unsigned size = 1 + rng_below(rng, 8);
    for (unsigned i = 0; i < size && offset + i < 4096; i++)
        v->map.ram[(frame << 12) + offset + i] =
            rng_one_in(rng, 3) ? (uint8_t)rng_u32(rng) : likely[rng_below(rng, sizeof(likely))];
    frame_written(v, frame, offset, offset + size > 4096 ? 4096 - offset : size);
}

static void change_tables(struct rng *rng)
{
    unsigned page = rng_below(rng, 8);
    if (rng_one_in(rng, 3))
        *pte(page) ^= (const uint32_t[]){ X86_PTE_P, X86_PTE_A, X86_PTE_W }[rng_below(rng, 3)];
    else
        *pte(page) = (CODE + rng_below(rng, 8)) << 12 | KERNEL;
    if (rng_one_in(rng, 2))
        flush_page(LA + page * 4096);
    else
        flush_all();
}

static void look_up(struct rng *rng)
{
    guest_la base = enter_space(rng_below(rng, SPACES + 1));
    guest_la la = LA + rng_below(rng, 8) * 4096 +
                  (rng_one_in(rng, 2) ? rng_below(rng, 64) : 4096 - 1 - rng_below(rng, 32));
    uint64_t host = find(la - base);
    struct translation_place place;
    if (host <= TRANSLATION_INTERPRET)
        return;
    ck_assert(translation_place(t, host, &place) && place.la == la && place.begin == host);
}

/* Any exit of a stretch that is: to where it leads. */
static void link_any(struct rng *rng)
{
    struct translation_place to;
    uint32_t part = rng_below(rng, t->parts);
    if (!t->part[part].exits)
        return;
    struct translation_exit *exit =
        &t->exit[TRANSLATION_FIRST(part, TRANSLATION_EXITS) + rng_below(rng, t->part[part].exits)];
    uint64_t after = (uint64_t)(uintptr_t)t->text + exit->after;
    ck_assert(translation_exit_at(t, after) == exit);
    uint32_t drops = t->drops;
    ck_assert(translation_place(t, after - 1, &to));
    if (t->stretch[to.stretch].dropped)
        return;
    t->space_now = t->page[t->stretch[to.stretch].page].space;
    uint64_t host = find(exit->target - t->space[t->space_now].segmented.base);
    if (host > TRANSLATION_INTERPRET && t->drops == drops && translation_place(t, host, &to))
        translation_link(t, exit, to.stretch, host);
}

START_TEST(random_steps_leave_nothing_wrong)
{
    struct rng rng = { seed };
    for (unsigned long i = 0; i < steps; i++) {
        switch (rng_below(&rng, 12)) {
        case 0:
            change_tables(&rng);
            break;
        case 1:
        case 2:
        case 3:
            scribble(&rng);
            break;
        case 4:
        case 5:
        case 6:
            link_any(&rng);
            break;
        case 7:
            if (rng_one_in(&rng, 100))
                fill_up(rng_one_in(&rng, 4) ? FILL_PAGES : 0), (void)find(LA + (PAGES - 1) * 4096);
            break;
        default:
            look_up(&rng);
            break;
        }
        if (i % 64 == 0 && t->page_count < 1000) {
            flush_all();
            audit();
        }
    }
}
END_TEST

int main(int argc, char **argv)
{
    steps = argc > 1 ? strtoul(argv[1], NULL, 0) : steps;
    seed = argc > 2 ? strtoull(argv[2], NULL, 0) : seed;
    Suite *suite = suite_create("translation");
    TCase *tc = tcase_create("translation");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 600);
    tcase_add_test(tc, what_was_made_is_found_again);
    tcase_add_test(tc, every_place_belongs_to_its_instruction);
    tcase_add_test(tc, what_keeps_faulting_is_a_call_out_for_a_while);
    tcase_add_test(tc, some_that_keep_faulting_are_call_outs_at_the_same_time);
    tcase_add_test(tc, pages_of_programs_are_trouble_if_they_come_often);
    tcase_add_test(tc, nothing_is_found_where_nothing_can_be_fetched);
    tcase_add_test(tc, a_link_goes_with_its_target);
    tcase_add_test(tc, a_link_of_what_was_dropped_does_no_harm);
    tcase_add_test(tc, a_target_is_forgotten_with_its_stretch);
    tcase_add_test(tc, a_write_drops_what_has_the_bytes_and_nothing_else);
    tcase_add_test(tc, a_frame_that_is_written_all_the_time_loses_all);
    tcase_add_loop_test(tc, an_instruction_across_pages_goes_with_either, 1, 5);
    tcase_add_loop_test(tc, a_page_stays_while_it_leads_there, 0, sizeof(table_rows) / sizeof(table_rows[0]));
    tcase_add_test(tc, another_region_is_not_looked_at);
    tcase_add_test(tc, a_page_fetched_by_an_old_translation_goes_with_the_flush);
    tcase_add_test(tc, a_page_of_another_space_does_not_hide_that_one_moved);
    tcase_add_test(tc, nx_takes_a_page_away);
    tcase_add_test(tc, the_same_bytes_are_kept_in_each_space);
    tcase_add_test(tc, nothing_is_found_beyond_a_segment);
    tcase_add_test(tc, keys_are_selector_and_offset_where_cs_is_loaded_in_line);
    tcase_add_test(tc, all_is_forgotten_with_too_many_spaces);
    tcase_add_test(tc, all_is_forgotten_when_there_are_no_pages_left);
    tcase_add_loop_test(tc, the_oldest_part_is_emptied_when_all_are_full, 0, FILL_PAGES);
    tcase_add_test(tc, a_limit_is_whole_parts);
    tcase_add_test(tc, numbers_of_pages_are_used_again);
    tcase_add_test(tc, random_steps_leave_nothing_wrong);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
