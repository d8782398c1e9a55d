/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The library does not believe the arena: nonsense in it, as a guest that took the executor process over
 * would write it, ends in a refused exit or in odd register values, and in nothing worse. The tests write to
 * the arena in the executor's place; where its turn is needed, it lies by order (CHANNEL_LIE).
 */
#define _GNU_SOURCE
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../monitor/library/arena.h" /* to write nonsense into it */
#include "duplex86/duplex86.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

enum { CODE = 0x1000 };

static struct d86_vm *vm;
static struct d86_vcpu *vcpu;

/* L: OUT 80h, AL; INC AX; JMP L, at 0000:1000, and one exit of it made. */
static const uint8_t guest[] = { 0xe6, 0x80, 0x40, 0xeb, 0xfb };

static void start(const struct d86_vcpu_config *config)
{
    struct d86_sregs s;
    ck_assert_int_eq(d86_vm_create(&vm), 0);
    ck_assert_int_eq(d86_vm_add_ram(vm, 0, 1 << 20), 0);
    ck_assert_msg(d86_vcpu_create(vm, config, &vcpu) == 0, "%s", d86_last_error());
    ck_assert_int_eq(d86_vm_write(vm, CODE, guest, sizeof(guest)), 0);
    d86_vcpu_get_sregs(vcpu, &s);
    s.seg[D86_CS] = (struct d86_segment){ .limit = 0xffff, .attr = s.seg[D86_CS].attr };
    ck_assert_int_eq(d86_vcpu_set_sregs(vcpu, &s), 0);
    d86_vcpu_set_regs(vcpu, &(struct d86_regs){ .eip = CODE, .eax = 7, .eflags = 2 });
    ck_assert_int_eq(d86_vcpu_run(vcpu), 0);
    ck_assert_uint_eq(d86_vcpu_exit(vcpu)->reason, D86_EXIT_IO);
    ck_assert_uint_eq(d86_vcpu_exit(vcpu)->io.data[0], 7);
}

static void setup(void)
{
    start(&(struct d86_vcpu_config){ .engine = D86_ENGINE_INTERP });
}

static void teardown(void)
{
    d86_vm_destroy(vm);
}

/* ---- Nonsense ------------------------------------------------------------------------------------------ */

static uint64_t random_state;

static uint8_t random_byte(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint8_t)(random_state >> 56);
}

/* Kinds 0 to 2 are one byte all over, so that pointers and bools and counts are all impossible. */
enum { NONSENSE_KINDS = 8 };

static void fill(void *at, size_t size, unsigned kind)
{
    static const uint8_t same[] = { 0xdd, 0xff, 0x02 };
    uint8_t *p = at;
    random_state = kind;
    for (size_t i = 0; i < size; i++)
        p[i] = kind < sizeof(same) ? same[kind] : random_byte();
}

/* All but `turn`, without which nothing would come back, and what is not to be had: pool and tables. */
static void fill_arena(unsigned kind)
{
    struct arena *a = vm->arena;
    fill(&a->vcpu, sizeof(a->vcpu), kind);
    fill(&a->exit, sizeof(a->exit), kind);
    fill(&a->channel.changed, sizeof(a->channel) - offsetof(struct channel, changed), kind);
    fill(a->channel.start_error, sizeof(a->channel.start_error), kind);
    fill(&a->blocks, sizeof(a->blocks), kind);
    fill(&a->native, sizeof(a->native), kind);
    fill(&a->trace, sizeof(a->trace), kind);
    fill(&a->lockstep, sizeof(a->lockstep), kind);
    fill(&a->member[0].shadow, sizeof(a->member[0].shadow), kind);
    fill(&a->executors.current, sizeof(a->executors.current), kind);
}

static bool is_bool(const bool *value)
{
    uint8_t byte;
    memcpy(&byte, value, 1);
    return byte <= 1;
}

static bool is_text(const char *text, size_t size)
{
    size_t length = strnlen(text, size);
    for (size_t i = 0; i < length; i++) {
        if (text[i] < ' ' || text[i] > '~')
            return false;
    }
    return length < size;
}

/* ---- Between runs -------------------------------------------------------------------------------------- */

static void look_at_state(void)
{
    struct d86_regs r;
    struct d86_sregs s;
    struct d86_fpu f;
    struct d86_events e;
    struct d86_exception x;
    uint64_t value;
    d86_vcpu_get_regs(vcpu, &r);
    d86_vcpu_get_sregs(vcpu, &s);
    d86_vcpu_get_fpu(vcpu, &f);
    d86_vcpu_get_events(vcpu, &e);
    d86_vcpu_exception(vcpu, &x);
    for (uint32_t msr = 0; msr < 0x400; msr++)
        (void)d86_vcpu_get_msr(vcpu, msr, &value);
    for (unsigned i = 0; i < ARRAY_SIZE(s.seg); i++)
        ck_assert(is_bool(&s.seg[i].unusable));
    ck_assert(is_bool(&s.ldt.unusable) && is_bool(&s.tr.unusable) && is_bool(&x.has_error_code));
    ck_assert(is_bool(&e.halted) && is_bool(&e.shutdown) && is_bool(&e.interrupt_shadow));
    ck_assert(is_bool(&e.nmi_pending) && is_bool(&e.nmi_blocked));
    ck_assert(e.interrupt >= -1 && e.interrupt <= 255);
}

static void change_state(void)
{
    struct d86_regs r;
    struct d86_sregs s;
    struct d86_fpu f;
    struct d86_events e;
    d86_vcpu_get_regs(vcpu, &r);
    d86_vcpu_set_regs(vcpu, &r);
    d86_vcpu_get_sregs(vcpu, &s);
    (void)d86_vcpu_set_sregs(vcpu, &s);
    s.cr0 = 0x80000011; /* paging with PAE: the library itself looks at tables in guest memory */
    s.cr4 = 0x20;
    s.efer = 0;
    (void)d86_vcpu_set_sregs(vcpu, &s);
    d86_vcpu_get_fpu(vcpu, &f);
    (void)d86_vcpu_set_fpu(vcpu, &f);
    d86_vcpu_get_events(vcpu, &e);
    d86_vcpu_set_events(vcpu, &e);
    (void)d86_vcpu_set_msr(vcpu, 0x10, 0);
    (void)d86_vcpu_set_msr(vcpu, 0xc0000080, 0x800);
    (void)d86_vcpu_interrupt(vcpu, 32);
    d86_vcpu_nmi(vcpu);
    d86_vcpu_ignne(vcpu);
    d86_vcpu_set_a20(vcpu, false);
    d86_vcpu_set_a20(vcpu, true);
    d86_vcpu_set_debug(vcpu, D86_DEBUG_INT3);
    d86_vcpu_set_timing(vcpu, true);
}

static void look_at_counters(void)
{
    struct d86_stats stats;
    struct d86_counter counter;
    struct d86_trace_event event;
    struct d86_difference difference;
    d86_vcpu_stats(vcpu, &stats);
    for (unsigned i = 0; d86_vcpu_counter(vcpu, i, &counter); i++)
        ck_assert_ptr_nonnull(counter.name);
    (void)d86_vcpu_trace_enable(vcpu, "*");
    for (unsigned i = 0; i < 10000 && d86_vcpu_trace_next(vcpu, &event); i++)
        ck_assert_ptr_nonnull(event.name);
    d86_vcpu_difference(vcpu, &difference);
    ck_assert(is_text(difference.what, sizeof(difference.what)));
    ck_assert_uint_le(difference.length, sizeof(difference.code));
    ck_assert_uint_eq(d86_vcpu_split(vcpu), D86_SPLIT_NONE);
}

static void change_memory(void)
{
    uint8_t data[10000] = { 0 };
    for (unsigned i = 0; i < 2 * CHANNEL_WRITES_MAX; i++)
        ck_assert_int_eq(d86_vm_write(vm, 0x2000 + i % 128 * 4096, data, 8 + i), 0);
    ck_assert_int_eq(d86_vm_write(vm, 0x2000, data, sizeof(data)), 0);
    ck_assert_int_eq(d86_vm_read(vm, 0x2000, data, sizeof(data)), 0);
    ck_assert_int_eq(d86_vm_add_ram(vm, 1 << 24, 1 << 20), 0);
    ck_assert_int_eq(d86_vm_add_alias(vm, 2 << 24, 1 << 24, 4096, false), 0);
    ck_assert_int_eq(d86_vm_remove(vm, 2 << 24), 0);
}

/* Each group meets fresh nonsense, and what the library knew before is no help. */
START_TEST(nonsense_between_runs_does_no_harm)
{
    static void (*const groups[])(void) = { look_at_state, change_state, look_at_counters, change_memory };
    for (unsigned i = 0; i < ARRAY_SIZE(groups); i++) {
        fill_arena((unsigned)_i);
        vm->vcpu.state_known = false;
        groups[i]();
    }
    d86_vcpu_reset(vcpu);
    look_at_state();
}
END_TEST

START_TEST(what_the_caller_set_is_what_it_gets)
{
    struct d86_regs r = { .eip = 0x1234, .esi = 0x5678, .eflags = 0x202 };
    d86_vcpu_set_regs(vcpu, &r);
    fill_arena((unsigned)_i);
    d86_vcpu_get_regs(vcpu, &r);
    ck_assert_uint_eq(r.eip, 0x1234);
    ck_assert_uint_eq(r.esi, 0x5678);
    ck_assert_int_eq(d86_vcpu_interrupt(vcpu, 33), 0);
    ck_assert_int_eq(d86_vcpu_interrupt(vcpu, 34), -EAGAIN);
}
END_TEST

/* ---- A turn of lies ------------------------------------------------------------------------------------ */

static const char refused[] = "the executor process sent an exit record that cannot be";

/* False: this build has no executor process that could lie. */
static bool lie(void)
{
    if (!vm->apart)
        return false;
    vm->arena->channel.subvert = CHANNEL_LIE;
    ck_assert_int_eq(d86_vcpu_run(vcpu), 0);
    return true;
}

/* clang-format off */
static void no_reason(struct d86_exit *e) { e->reason = D86_EXIT_NONE; }
static void unknown_reason(struct d86_exit *e) { e->reason = D86_EXIT_REASONS; }
static void huge_reason(struct d86_exit *e) { e->reason = UINT32_MAX; }
static void io_size_0(struct d86_exit *e) { e->io.size = 0; }
static void io_size_3(struct d86_exit *e) { e->io.size = 3; }
static void io_size_8(struct d86_exit *e) { e->io.size = 8; }
static void io_count_0(struct d86_exit *e) { e->io.count = 0; }
static void io_too_many(struct d86_exit *e) { e->io.count = D86_IO_DATA_MAX + 1; }
static void io_wraps(struct d86_exit *e) { e->io.count = 0x80000001; e->io.size = 2; }
static void io_direction(struct d86_exit *e) { e->io.is_out = 2; }
static void mmio_size_0(struct d86_exit *e) { e->reason = D86_EXIT_MMIO; e->mmio.size = 0; }
static void mmio_size_9(struct d86_exit *e) { e->reason = D86_EXIT_MMIO; e->mmio.size = 9; }
static void mmio_crosses(struct d86_exit *e) { e->reason = D86_EXIT_MMIO; e->mmio.size = 8; e->mmio.pa = 0xa0ff9; }
static void mmio_beyond(struct d86_exit *e) { e->reason = D86_EXIT_MMIO; e->mmio.size = 1; e->mmio.pa = UINT64_C(1) << 36; }
static void debug_cause(struct d86_exit *e) { e->reason = D86_EXIT_DEBUG; e->debug.cause = 3; }
static void error_code(struct d86_exit *e) { e->reason = D86_EXIT_INTERNAL_ERROR; e->error.code = 0; }
static void pin(struct d86_exit *e) { e->ferr = 0x80; }
/* clang-format on */

static void (*const lies[])(struct d86_exit *) = {
    no_reason,    unknown_reason, huge_reason, io_size_0,    io_size_3,   io_size_8,
    io_count_0,   io_too_many,    io_wraps,    io_direction, mmio_size_0, mmio_size_9,
    mmio_crosses, mmio_beyond,    debug_cause, error_code,   pin,
};

START_TEST(an_impossible_record_is_refused)
{
    const struct d86_exit *exit = d86_vcpu_exit(vcpu);
    lies[_i](&vm->arena->exit);
    if (!lie())
        return;
    ck_assert_uint_eq(exit->reason, D86_EXIT_INTERNAL_ERROR);
    ck_assert_uint_eq(exit->error.code, D86_ERROR_BUG);
    ck_assert_str_eq(exit->error.text, refused);
    /* one that tells the truth again is believed */
    vm->arena->channel.subvert = CHANNEL_LOYAL;
    ck_assert_int_eq(d86_vcpu_run(vcpu), 0);
    ck_assert_uint_eq(exit->reason, D86_EXIT_IO);
    ck_assert_uint_eq(exit->io.data[0], 8);
}
END_TEST

START_TEST(a_text_ends_and_gives_no_orders)
{
    const struct d86_exit *exit = d86_vcpu_exit(vcpu);
    struct d86_exit *told = &vm->arena->exit;
    told->reason = D86_EXIT_INTERNAL_ERROR;
    told->error.code = D86_ERROR_BUG;
    memset(told->error.text, '\033', sizeof(told->error.text));
    if (!lie())
        return;
    ck_assert_uint_eq(exit->reason, D86_EXIT_INTERNAL_ERROR);
    ck_assert(is_text(exit->error.text, sizeof(exit->error.text)));
    ck_assert_uint_eq(strlen(exit->error.text), sizeof(exit->error.text) - 1);
}
END_TEST

/* What the API promises of each exit. */
static void check_record(const struct d86_exit *e)
{
    ck_assert(e->reason != D86_EXIT_NONE && e->reason < D86_EXIT_REASONS);
    ck_assert_uint_le(e->posted_count, D86_POSTED_MAX);
    if (e->reason == D86_EXIT_IO) {
        ck_assert(e->io.size == 1 || e->io.size == 2 || e->io.size == 4);
        ck_assert_uint_ge(e->io.count, 1);
        ck_assert_uint_le((uint64_t)e->io.count * e->io.size, D86_IO_DATA_MAX);
    }
    if (e->reason == D86_EXIT_MMIO)
        ck_assert((e->mmio.pa & 0xfff) + e->mmio.size <= 4096 && e->mmio.size >= 1 && e->mmio.size <= 16);
    if (e->reason == D86_EXIT_INTERNAL_ERROR)
        ck_assert(is_text(e->error.text, sizeof(e->error.text)));
}

/* All of the record at random, with the fields that would have nearly every one refused small. */
START_TEST(any_record_is_refused_or_can_be)
{
    enum { ROUNDS = 3000 };
    struct d86_exit *told = &vm->arena->exit;
    unsigned taken[D86_EXIT_REASONS] = { 0 };
    for (unsigned i = 0; i < ROUNDS; i++) {
        fill(told, sizeof(*told), NONSENSE_KINDS + i);
        told->reason = random_byte() % (D86_EXIT_REASONS + 1);
        told->io.size = random_byte() % 5;
        told->io.count %= 5000;
        told->mmio.pa &= 0xfffffffff;
        told->mmio.size %= 10;
        told->error.code %= 3;
        told->io.is_out &= 1;
        told->mmio.is_write &= 1;
        told->debug.cause &= 3;
        told->ferr = told->interrupt_flag = told->ready_for_interrupt = 1;
        if (!lie())
            return;
        check_record(d86_vcpu_exit(vcpu));
        taken[d86_vcpu_exit(vcpu)->reason]++;
    }
    for (unsigned reason = D86_EXIT_IO; reason < D86_EXIT_REASONS; reason++)
        ck_assert_msg(taken[reason] > 0, "reason %u never came through", reason);
}
END_TEST

static volatile bool flickering;

/* Between what passes the checks and what does not, as fast as can be. */
static void *flicker(void *arg)
{
    volatile struct d86_exit *told = arg;
    while (flickering) {
        told->io.count = 1;
        told->error.text[sizeof(told->error.text) - 1] = 0;
        told->io.count = UINT32_MAX;
        told->error.text[sizeof(told->error.text) - 1] = 'x';
    }
    return NULL;
}

START_TEST(what_was_checked_is_what_the_caller_gets)
{
    enum { ROUNDS = 4000 };
    struct d86_exit *told = &vm->arena->exit;
    pthread_t thread;
    memset(told->error.text, 'x', sizeof(told->error.text));
    told->error.code = D86_ERROR_BUG;
    flickering = true;
    ck_assert_int_eq(pthread_create(&thread, NULL, flicker, told), 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        told->reason = i % 2 ? D86_EXIT_IO : D86_EXIT_INTERNAL_ERROR;
        if (!lie())
            break;
        check_record(d86_vcpu_exit(vcpu));
    }
    flickering = false;
    pthread_join(thread, NULL);
}
END_TEST

/* ---- What is lent -------------------------------------------------------------------------------------- */

/* What the executor writes when it has the turn, and lies; it stands still in the meantime. */
struct forgery {
    uint64_t lent[D86_LENT_WORDS];
    uint64_t found[D86_LENT_WORDS]; /* what the library gave it */
    uint8_t found_lend, lend;
};

static void *forge(void *arg)
{
    struct forgery *f = arg;
    struct arena *a = vm->arena;
    while (__atomic_load_n(&a->channel.turn, __ATOMIC_SEQ_CST) != CHANNEL_EXECUTOR)
        sched_yield();
    memcpy(f->found, a->exit.lent, sizeof(f->found));
    f->found_lend = a->exit.lend;
    memcpy(a->exit.lent, f->lent, sizeof(f->lent));
    a->exit.lend = f->lend;
    ck_assert_int_eq(kill(vm->executor[0].pid, SIGCONT), 0);
    return NULL;
}

/* One run that ends with the exit it is told, and with these chips. False: there is no executor process. */
static bool lie_about_chips(struct forgery *f)
{
    pthread_t thread;
    if (!vm->apart)
        return false;
    ck_assert_int_eq(kill(vm->executor[0].pid, SIGSTOP), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, forge, f), 0);
    bool lied = lie();
    pthread_join(thread, NULL);
    return lied;
}

/* Unchecked, to the last bit, and whatever the executor makes of `lend`: that is the caller's. */
START_TEST(what_is_lent_comes_back_as_the_executor_has_it)
{
    struct d86_exit *exit = d86_vcpu_exit(vcpu);
    static struct d86_exit before;
    struct forgery f = { .lend = 0 };
    fill(f.lent, sizeof(f.lent), (unsigned)_i);
    fill(exit->lent, sizeof(exit->lent), NONSENSE_KINDS + (unsigned)_i);
    exit->lend = 1;
    memcpy(&before, exit, sizeof(before));
    if (!lie_about_chips(&f))
        return;
    ck_assert_uint_eq(f.found_lend, 1);
    ck_assert_mem_eq(f.found, before.lent, sizeof(f.found));
    ck_assert_mem_eq(exit->lent, f.lent, sizeof(f.lent));
    /* nothing else has changed: it is the same exit as before */
    memcpy(before.lent, f.lent, sizeof(f.lent));
    ck_assert_mem_eq(exit, &before, sizeof(before));
}
END_TEST

START_TEST(what_is_not_lent_stays_where_it_is)
{
    struct d86_exit *exit = d86_vcpu_exit(vcpu);
    static struct d86_exit before;
    struct forgery f = { .lend = 1 };
    fill(f.lent, sizeof(f.lent), (unsigned)_i);
    fill(exit->lent, sizeof(exit->lent), NONSENSE_KINDS + (unsigned)_i);
    memset(&vm->arena->exit.lent, 0x5a, sizeof(vm->arena->exit.lent));
    exit->lend = 0;
    memcpy(&before, exit, sizeof(before));
    if (!lie_about_chips(&f))
        return;
    ck_assert_uint_eq(f.found_lend, 0);
    for (unsigned i = 0; i < D86_LENT_WORDS; i++) /* nor was it given away */
        ck_assert_uint_eq(f.found[i], 0x5a5a5a5a5a5a5a5a);
    ck_assert_mem_eq(exit, &before, sizeof(before));
}
END_TEST

/* A refused record is none, but what was lent is the caller's, and there is no other. */
START_TEST(what_is_lent_comes_back_with_a_refused_record)
{
    struct d86_exit *exit = d86_vcpu_exit(vcpu);
    struct forgery f = { .lend = 1 };
    fill(f.lent, sizeof(f.lent), (unsigned)_i);
    exit->lend = 1;
    vm->arena->exit.reason = D86_EXIT_REASONS;
    if (!lie_about_chips(&f))
        return;
    ck_assert_uint_eq(exit->reason, D86_EXIT_INTERNAL_ERROR);
    ck_assert_str_eq(exit->error.text, refused);
    ck_assert_mem_eq(exit->lent, f.lent, sizeof(f.lent));
}
END_TEST

/* ---- All of it ----------------------------------------------------------------------------------------- */

/* Everything at once, and the caller goes on as callers do. */
START_TEST(a_hostile_executor_is_outlived)
{
    for (unsigned round = 0; round < 20; round++) {
        fill_arena((unsigned)_i);
        if (!lie())
            return;
        check_record(d86_vcpu_exit(vcpu));
        look_at_state();
        look_at_counters();
        d86_vcpu_kick(vcpu);
        change_state();
        if (round == 10)
            d86_vcpu_reset(vcpu);
    }
}
END_TEST

/* ---- The suite ----------------------------------------------------------------------------------------- */

int main(void)
{
    Suite *s = suite_create("mirror");
    TCase *tc = tcase_create("mirror");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, nonsense_between_runs_does_no_harm, 0, NONSENSE_KINDS);
    tcase_add_loop_test(tc, what_the_caller_set_is_what_it_gets, 0, NONSENSE_KINDS);
    tcase_add_loop_test(tc, an_impossible_record_is_refused, 0, ARRAY_SIZE(lies));
    tcase_add_test(tc, a_text_ends_and_gives_no_orders);
    tcase_add_test(tc, any_record_is_refused_or_can_be);
    tcase_add_test(tc, what_was_checked_is_what_the_caller_gets);
    tcase_add_loop_test(tc, what_is_lent_comes_back_as_the_executor_has_it, 0, NONSENSE_KINDS);
    tcase_add_loop_test(tc, what_is_not_lent_stays_where_it_is, 0, NONSENSE_KINDS);
    tcase_add_loop_test(tc, what_is_lent_comes_back_with_a_refused_record, 0, NONSENSE_KINDS);
    tcase_add_loop_test(tc, a_hostile_executor_is_outlived, 0, NONSENSE_KINDS);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
