/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The code cache under everything at once: random code in a few frames at a few linear pages, entered,
 * written, remapped, invalidated, evicted and trapped in random order, with the audit and the model after
 * every step.
 */
#include <stdio.h>

#include "code_rig.h"

enum { PAGES = 6, FRAMES = 8, STEPS = 700, SEEDS = 8 };

static uint64_t state;

static uint32_t pick(uint32_t n)
{
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(state >> 33) % n;
}

/* ---- Code ---------------------------------------------------------------------------------------------- */

/* Instructions programs are made of, some with an escape hidden in them, some sensitive; 0xff: a random byte.
 */
static const struct {
    uint8_t length, bytes[8];
} pieces[] = {
    { 1, { 0x40 } },
    { 1, { 0x90 } },
    { 2, { 0x89, 0xc8 } },
    { 2, { 0x89, 0xca } }, /* hides RETF, has a twin */
    { 3, { 0x83, 0xc0, 0xff } },
    { 5, { 0xb8, 0xff, 0xff, 0xff, 0xff } },
    { 5, { 0x68, 0x11, 0xcb, 0x11, 0xff } }, /* hides RETF */
    { 3, { 0x80, 0xc5, 0xcb } },             /* the same, and is short */
    { 2, { 0x74, 0xff } },
    { 2, { 0xeb, 0x05 } },
    { 5, { 0xe8, 0xff, 0x0f, 0x00, 0x00 } }, /* calls into the next page */
    { 5, { 0xe8, 0xcb, 0xff, 0x00, 0x00 } },
    { 6, { 0x0f, 0x84, 0xff, 0x0f, 0x00, 0x00 } },
    { 7, { 0xc7, 0x45, 0xff, 0xff, 0xff, 0xff, 0xff } },
    { 6, { 0x81, 0xc1, 0xff, 0xcf, 0xff, 0x01 } },
    { 2, { 0xcd, 0x80 } },
    { 2, { 0x0f, 0xa2 } },
    { 2, { 0x8e, 0xd8 } },
    { 4, { 0xf3, 0x0f, 0xbc, 0xc1 } }, /* TZCNT on the host */
    { 3, { 0x0f, 0x28, 0xc1 } },
    { 1, { 0xc3 } },
};

static void fill(uint8_t *to, unsigned size)
{
    for (unsigned at = 0; at < size;) {
        unsigned n = pick(ARRAY_SIZE(pieces));
        for (unsigned i = 0; i < pieces[n].length && at < size; i++, at++)
            to[at] = pieces[n].bytes[i] == 0xff ? (uint8_t)pick(256) : pieces[n].bytes[i];
    }
}

static guest_la some_page(void)
{
    return RIG_LA + (pick(PAGES) << 12);
}

/* The ends of pages are where the trouble is. */
static guest_la some_la(void)
{
    return some_page() + (pick(3) ? pick(4096) : 4080 + pick(16));
}

/* ---- What happens -------------------------------------------------------------------------------------- */

/* Arrive, and be trapped there as long as it traps. */
static void run(void)
{
    guest_la la = some_la();
    if (code_prepare(rig.v, la) != CODE_EMULATE)
        return;
    for (unsigned i = 0; i < 9; i++)
        code_trap(rig.v, la);
}

static void run_much(void)
{
    for (unsigned i = 0; i < 20; i++)
        run();
}

static void write_bytes(void)
{
    uint8_t bytes[8];
    unsigned size = 1 + pick(8);
    unsigned offset = pick(2) ? pick(4097 - size) : pick(2) ? pick(16) : 4096 - size - pick(16 - size + 1);
    for (unsigned i = 0; i < size; i++)
        bytes[i] = (uint8_t)pick(256);
    if (pick(2))
        fill(bytes, size);
    rig_write(RIG_CODE + pick(FRAMES), offset, bytes, size);
}

static void write_page(void)
{
    uint8_t bytes[4096];
    fill(bytes, sizeof(bytes));
    rig_write(RIG_CODE + pick(FRAMES), 0, bytes, sizeof(bytes));
}

static void remap(void)
{
    guest_la la = some_page();
    rig_map(la, RIG_CODE + pick(FRAMES), pick(5) ? RIG_USER | (pick(2) ? X86_PTE_A : 0) : 0);
    if (pick(2))
        code_sync(rig.v);
    else
        code_unmap_page(rig.v, la);
}

static void clear_accessed(void)
{
    for (unsigned i = 0; i < PAGES; i++) {
        if (pick(2))
            *rig_pte(RIG_LA + (i << 12)) &= ~X86_PTE_A;
    }
    code_sync(rig.v);
}

static void native_write(void)
{
    uint64_t frame = RIG_CODE + pick(FRAMES);
    if (frame_has_code(rig.v, frame))
        code_yield_frame(rig.v, frame);
}

static void change_mode(void)
{
    rig.v->cr0 ^= X86_CR0_TS;
    code_prepare(rig.v, some_la());
}

static void change_es(void)
{
    rig.v->seg[X86_ES].base ^= 0x1000; /* no scratch memory for snippets */
    code_prepare(rig.v, some_la());
}

static void map_data(void)
{
    guest_la la = some_page();
    code_unmap_page(rig.v, la);
    rig.v->shadow->page[split_guest(&rig.v->split, la) >> 12].frame_plus_one = 9;
}

static void refuse(void)
{
    rig.refuse = true;
    run_much();
    rig.refuse = false;
}

static void drop_all(void)
{
    code_drop_all(rig.v);
}

static void wait(void)
{
    rig.time += 1 << 20;
}

static const struct {
    const char *name;
    void (*act)(void);
    unsigned weight;
} events[] = {
    { "run", run, 20 },
    { "run much", run_much, 20 },
    { "write bytes", write_bytes, 14 },
    { "write a page", write_page, 2 },
    { "remap", remap, 10 },
    { "clear A bits", clear_accessed, 3 },
    { "native write", native_write, 3 },
    { "change mode", change_mode, 2 },
    { "change ES", change_es, 2 },
    { "map data", map_data, 3 },
    { "refuse", refuse, 1 },
    { "drop all", drop_all, 1 },
    { "wait", wait, 3 },
};

static unsigned some_event(void)
{
    unsigned total = 0, n = 0;
    for (unsigned i = 0; i < ARRAY_SIZE(events); i++)
        total += events[i].weight;
    for (unsigned left = pick(total); left >= events[n].weight; n++)
        left -= events[n].weight;
    return n;
}

START_TEST(nothing_breaks)
{
    struct exec_stats *counts;
    unsigned links = 0;
    state = (uint64_t)_i * 7919 + 1;
    rig_open();
    counts = &rig.v->counts;
    if (_i & 1)
        rig.v->code->limit = 5;
    if (_i & 2) /* code and data at the same addresses */
        rig.v->split = (struct split){ .data_limit = UINT32_MAX };
    for (unsigned i = 0; i < FRAMES; i++)
        fill(rig_frame(RIG_CODE + i), 4096);
    for (unsigned i = 0; i < PAGES; i++)
        rig_map(RIG_LA + (i << 12), RIG_CODE + i, RIG_USER);
    for (unsigned step = 0; step < STEPS; step++) {
        char when[64];
        unsigned n = some_event();
        snprintf(when, sizeof(when), "seed %d, step %u: %s", _i, step, events[n].name);
        events[n].act();
        rig_check(when);
        for (uint32_t i = 0; i < rig.v->code->mapping_count; i++)
            links += rig.v->code->page[rig.v->code->mapping[i].slot].linked_to != 0;
    }
    /* All of it has come up. */
    ck_assert_uint_gt(links, 20);
    ck_assert_uint_gt(counts->code_promotions, 30);
    ck_assert_uint_gt(counts->code_drops, 8);
    ck_assert_uint_gt(counts->code_unmaps, 50);
    ck_assert_uint_gt(counts->code_conflicts, 3);
    ck_assert(!(_i & 1) || counts->code_evictions > 5);
    rig_close();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("code_random");
    TCase *tc = tcase_create("code_random");
    int failed;
    SRunner *runner;
    tcase_set_timeout(tc, 100);
    tcase_add_loop_test(tc, nothing_breaks, 0, SEEDS);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
