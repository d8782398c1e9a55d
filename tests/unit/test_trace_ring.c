/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The executor's trace events: which are recorded, that they come out as they went in, and what becomes of
 * those there is no room for. The test writes to the ring as the executor would.
 */
#include "cpu_bench.h"

#include "../../monitor/library/arena.h"

static struct bench b;
static struct vcpu *v;

static void setup(void)
{
    bench_open(&b);
    v = &b.vm->arena->vcpu;
}

static void teardown(void)
{
    bench_close(&b);
}

static struct d86_trace_event next(void)
{
    struct d86_trace_event event;
    ck_assert(d86_vcpu_trace_next(b.cpu, &event));
    return event;
}

static void nothing_left(void)
{
    struct d86_trace_event event;
    ck_assert(!d86_vcpu_trace_next(b.cpu, &event));
}

START_TEST(nothing_is_recorded_unless_asked_for)
{
    exec_trace(v, TRACE_SHADOW_FILL, 1, 2, 3, 4);
    nothing_left();
    ck_assert_uint_eq(d86_vcpu_trace_enable(b.cpu, "i8259_*"), 0);
    ck_assert_uint_eq(d86_vcpu_trace_enable(b.cpu, ""), 0);
    exec_trace(v, TRACE_SHADOW_FILL, 1, 2, 3, 4);
    nothing_left();
}
END_TEST

START_TEST(a_glob_chooses_events)
{
    ck_assert_uint_eq(d86_vcpu_trace_enable(b.cpu, "shadow_*"), 2);
    exec_trace(v, TRACE_SHADOW_FILL, 1, 0, 0, 0);
    exec_trace(v, TRACE_CODE_WRITE, 2, 0, 0, 0);
    exec_trace(v, TRACE_SHADOW_DROP, 3, 0, 0, 0);
    ck_assert_str_eq(next().name, "shadow_fill");
    ck_assert_str_eq(next().name, "shadow_drop");
    nothing_left();
    ck_assert_uint_eq(d86_vcpu_trace_enable(b.cpu, "code_write"), 1); /* besides those of before */
    exec_trace(v, TRACE_CODE_WRITE, 4, 0, 0, 0);
    exec_trace(v, TRACE_SHADOW_FILL, 5, 0, 0, 0);
    ck_assert_str_eq(next().name, "code_write");
    ck_assert_str_eq(next().name, "shadow_fill");
    ck_assert_uint_eq(d86_vcpu_trace_enable(b.cpu, NULL), 0);
    exec_trace(v, TRACE_CODE_WRITE, 6, 0, 0, 0);
    nothing_left();
    ck_assert_uint_eq(d86_vcpu_trace_enable(b.cpu, "*"), TRACE_EVENT_COUNT);
}
END_TEST

START_TEST(events_come_out_as_they_went_in)
{
    v->seg[X86_CS].selector = 11; /* as the executor has it during a run */
    v->eip = 0x12345678;
    d86_vcpu_trace_enable(b.cpu, "*");
    exec_trace(v, TRACE_SHADOW_FILL, 0xfffff000, 7, 1, 16);
    struct d86_trace_event e = next();
    ck_assert_str_eq(e.name, "shadow_fill");
    ck_assert_uint_eq(e.cs, 11);
    ck_assert_uint_eq(e.eip, 0x12345678);
    ck_assert_uint_eq(e.lost, 0);
    ck_assert_str_eq(e.arg_name[0], "la");
    ck_assert_uint_eq(e.arg[0], 0xfffff000);
    ck_assert_str_eq(e.arg_name[3], "pages");
    ck_assert_uint_eq(e.arg[3], 16);
    exec_trace(v, TRACE_SPLIT_FAULT, 1, 0, 0, 0);
    ck_assert_ptr_null(next().arg_name[2]);
}
END_TEST

static const struct {
    unsigned written, lost;
} floods[] = {
    { EXEC_TRACE_SLOTS - 1, 0 },
    { EXEC_TRACE_SLOTS, 0 },
    { EXEC_TRACE_SLOTS + 1, 1 },
    { 3 * EXEC_TRACE_SLOTS + 5, 2 * EXEC_TRACE_SLOTS + 5 },
};

START_TEST(a_full_ring_loses_the_oldest_and_says_so)
{
    d86_vcpu_trace_enable(b.cpu, "*");
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < floods[_i].written; i++)
            exec_trace(v, TRACE_CODE_WRITE, i, 0, 0, 0);
        for (unsigned i = floods[_i].lost; i < floods[_i].written; i++) {
            struct d86_trace_event e = next();
            ck_assert_uint_eq(e.arg[0], i);
            ck_assert_uint_eq(e.lost, i == floods[_i].lost ? floods[_i].lost : 0);
        }
        nothing_left();
    }
}
END_TEST

/* The ring is the executor's to write, and an executor may have been taken over. */
START_TEST(nonsense_in_the_ring_does_no_harm)
{
    memset(v->trace->entry, 0xff, sizeof(v->trace->entry));
    v->trace->head = UINT64_MAX;
    struct d86_trace_event e = next();
    ck_assert_ptr_nonnull(e.name);
    ck_assert_uint_eq(e.arg[0], UINT32_MAX);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("trace_ring");
    TCase *tc = tcase_create("trace_ring");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, nothing_is_recorded_unless_asked_for);
    tcase_add_test(tc, a_glob_chooses_events);
    tcase_add_test(tc, events_come_out_as_they_went_in);
    tcase_add_loop_test(tc, a_full_ring_loses_the_oldest_and_says_so, 0, ARRAY_SIZE(floods));
    tcase_add_test(tc, nonsense_in_the_ring_does_no_harm);
    suite_add_tcase(suite, tc);
    return bench_main(suite);
}
