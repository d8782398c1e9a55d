/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Ports that need no exit. Posted writes (d86_vcpu_post_ports()): which are, when they come, in what order
 * and with what age. Known reads (d86_exit.known): which are.
 */
#define _GNU_SOURCE
#include "cpu_bench.h"

#include <errno.h>
#include <time.h>

static struct bench b;

static void setup(void)
{
    bench_open(&b);
    bench_mode(&b, BENCH_FLAT32);
    d86_vcpu_set_debug(b.cpu, 0);
    ck_assert_int_eq(d86_vcpu_post_ports(b.cpu, 0x20, 2), 0);
    ck_assert_int_eq(d86_vcpu_post_ports(b.cpu, 0x3ff, 1), 0);
}

static void teardown(void)
{
    bench_close(&b);
}

static void run_until(enum d86_exit_reason reason, uint32_t posted)
{
    ck_assert_int_eq(d86_vcpu_run(b.cpu), 0);
    ck_assert_uint_eq(b.exit->reason, reason);
    ck_assert_uint_eq(b.exit->posted_count, posted);
}

static void check_posted(unsigned n, uint16_t port, uint8_t value)
{
    ck_assert_uint_eq(b.exit->posted[n].port, port);
    ck_assert_uint_eq(b.exit->posted[n].value, value);
}

static void check_out(uint16_t port, uint8_t size)
{
    ck_assert_uint_eq(b.exit->io.port, port);
    ck_assert_uint_eq(b.exit->io.size, size);
    ck_assert_uint_eq(b.exit->io.is_out, 1);
}

START_TEST(come_in_order_before_the_next_access)
{
    /* mov al,11; out 21,al; inc eax; out 20,al; inc eax; mov dx,3ff; out dx,al; in al,21; hlt */
    BENCH_BYTES(&b, BENCH_CODE, 0xb0, 0x11, 0xe6, 0x21, 0x40, 0xe6, 0x20, 0x40, 0x66, 0xba, LE16(0x3ff), 0xee,
                0xe4, 0x21, 0xf4);
    run_until(D86_EXIT_IO, 3);
    check_posted(0, 0x21, 0x11);
    check_posted(1, 0x20, 0x12);
    check_posted(2, 0x3ff, 0x13);
    ck_assert_uint_ge(b.exit->posted[0].age_ns, b.exit->posted[1].age_ns);
    ck_assert_uint_ge(b.exit->posted[1].age_ns, b.exit->posted[2].age_ns);
    ck_assert_uint_eq(b.exit->io.port, 0x21);
    ck_assert_uint_eq(b.exit->io.is_out, 0);
    b.exit->io.data[0] = 0x77;
    run_until(D86_EXIT_HLT, 0);
    ck_assert_uint_eq(bench_regs(&b).eax, 0x77);
}
END_TEST

START_TEST(come_with_a_halt)
{
    BENCH_BYTES(&b, BENCH_CODE, 0xe6, 0x20, 0xfb, 0xf4); /* out 20,al; sti; hlt */
    run_until(D86_EXIT_HLT, 1);
    ck_assert_uint_eq(b.exit->interrupt_flag, 1);
}
END_TEST

/* The ways to switch interrupts on; the exit comes before the instruction at `at`, if all goes well. */
static const struct {
    const char *name;
    enum bench_mode mode;
    uint8_t code[16];
    unsigned at;
} openers[] = {
    { "sti, whose shadow lasts an instruction", BENCH_FLAT32, { 0xe6, 0x20, 0xfb, 0x90, 0x90, 0xf4 }, 4 },
    { "popf", BENCH_FLAT32, { 0x68, LE32(0x202), 0xe6, 0x20, 0x9d, 0x90, 0xf4 }, 8 },
    { "iret",
      BENCH_REAL,
      { 0x68, LE16(0x202), 0x0e, 0x68, LE16(BENCH_CODE + 11), 0xe6, 0x20, 0xcf, 0xf4, 0x90, 0xf4 },
      11 },
};

START_TEST(come_by_themselves_when_interrupts_are_on)
{
    bench_mode(&b, openers[_i].mode);
    d86_vcpu_set_debug(b.cpu, 0);
    bench_write(&b, BENCH_CODE, openers[_i].code, sizeof(openers[_i].code));
    run_until(D86_EXIT_POSTED, 1);
    ck_assert_msg(bench_regs(&b).eip == BENCH_CODE + openers[_i].at, "%s: EIP %x", openers[_i].name,
                  bench_regs(&b).eip);
    ck_assert_uint_eq(b.exit->ready_for_interrupt, 1);
    run_until(D86_EXIT_HLT, 0);
}
END_TEST

START_TEST(only_bytes_to_listed_ports_with_interrupts_off)
{
    /* out 22,al; out 21,ax; out 20,eax; sti; nop; out 20,al; hlt */
    BENCH_BYTES(&b, BENCH_CODE, 0xe6, 0x22, 0x66, 0xe7, 0x21, 0xe7, 0x20, 0xfb, 0x90, 0xe6, 0x20, 0xf4);
    run_until(D86_EXIT_IO, 0);
    check_out(0x22, 1);
    run_until(D86_EXIT_IO, 0);
    check_out(0x21, 2);
    run_until(D86_EXIT_IO, 0);
    check_out(0x20, 4);
    run_until(D86_EXIT_IO, 0);
    check_out(0x20, 1);
    run_until(D86_EXIT_HLT, 0);
}
END_TEST

START_TEST(what_finds_no_room_is_waited_for)
{
    /* mov ecx,3 * MAX; L: mov al,cl; out 20,al; loop L; hlt */
    BENCH_BYTES(&b, BENCH_CODE, 0xb9, LE32(3 * D86_POSTED_MAX), 0x88, 0xc8, 0xe6, 0x20, 0xe2, 0xfa, 0xf4);
    unsigned next = 3 * D86_POSTED_MAX;
    for (bool over = false; !over;) {
        ck_assert_int_eq(d86_vcpu_run(b.cpu), 0);
        for (unsigned i = 0; i < b.exit->posted_count; i++)
            check_posted(i, 0x20, (uint8_t)next--);
        over = b.exit->reason == D86_EXIT_HLT;
        if (over)
            break;
        ck_assert_uint_eq(b.exit->posted_count, D86_POSTED_MAX);
        ck_assert_uint_eq(b.exit->reason, D86_EXIT_IO);
        check_out(0x20, 1);
        ck_assert_uint_eq(b.exit->io.data[0], (uint8_t)next--);
    }
    ck_assert_uint_eq(next, 0);
}
END_TEST

START_TEST(a_debug_exit_brings_them_and_a_kick_repeats_none)
{
    BENCH_BYTES(&b, BENCH_CODE, 0xe6, 0x20, 0xe6, 0x22, 0xe6, 0x21, 0xeb,
                0xfe); /* out 20; out 22; out 21; jmp $ */
    run_until(D86_EXIT_IO, 1);
    d86_vcpu_kick(b.cpu); /* taken before the instruction is over: it starts once more, for the answer */
    run_until(D86_EXIT_KICKED, 0);
    d86_vcpu_set_debug(b.cpu, D86_DEBUG_SINGLE_STEP);
    run_until(D86_EXIT_DEBUG, 0);
    run_until(D86_EXIT_DEBUG, 1);
    check_posted(0, 0x21, 0);
}
END_TEST

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

START_TEST(age_is_the_time_since)
{
    /* out 20,al; mov ecx,1000000; loop $; out 21,al; in al,20 */
    BENCH_BYTES(&b, BENCH_CODE, 0xe6, 0x20, 0xb9, LE32(1000000), 0xe2, 0xfe, 0xe6, 0x21, 0xe4, 0x20);
    uint64_t before = now_ns();
    run_until(D86_EXIT_IO, 2);
    uint64_t took = now_ns() - before;
    uint64_t loop = b.exit->posted[0].age_ns - b.exit->posted[1].age_ns;
    ck_assert_uint_le(b.exit->posted[0].age_ns, took + took / 10); /* two clocks, and one was measured */
    ck_assert_uint_ge(loop, 100000);                               /* a million of instructions */
}
END_TEST

START_TEST(list_outlives_a_reset)
{
    d86_vcpu_reset(b.cpu);
    bench_mode(&b, BENCH_FLAT32);
    BENCH_BYTES(&b, BENCH_CODE, 0xe6, 0x20, 0xf4);
    run_until(D86_EXIT_HLT, 1);
}
END_TEST

START_TEST(ports_above_are_refused)
{
    ck_assert_int_eq(d86_vcpu_post_ports(b.cpu, D86_POSTED_PORTS, 1), -EINVAL);
    ck_assert_int_eq(d86_vcpu_post_ports(b.cpu, D86_POSTED_PORTS - 1, 2), -EINVAL);
    ck_assert_int_eq(d86_vcpu_post_ports(b.cpu, 0xffff, 0xffff), -EINVAL);
    ck_assert_int_eq(d86_vcpu_post_ports(b.cpu, D86_POSTED_PORTS - 1, 1), 0);
    ck_assert_str_ne((d86_vcpu_post_ports(b.cpu, 0x8000, 1), d86_last_error()), "");
}
END_TEST

/* ---- Known reads --------------------------------------------------------------------------------------- */

static void know(unsigned n, uint16_t port, uint8_t value)
{
    b.exit->known[n].port = port;
    b.exit->known[n].value = value;
    b.exit->known_count = n + 1;
}

static void check_in(uint16_t port, uint8_t size)
{
    ck_assert_uint_eq(b.exit->io.port, port);
    ck_assert_uint_eq(b.exit->io.size, size);
    ck_assert_uint_eq(b.exit->io.is_out, 0);
}

START_TEST(known_reads_are_no_exits)
{
    /* in al,21; mov ah,al; mov dx,a1; in al,dx; hlt; in al,22 */
    BENCH_BYTES(&b, BENCH_CODE, 0xe4, 0x21, 0x88, 0xc4, 0x66, 0xba, LE16(0xa1), 0xec, 0xf4, 0xe4, 0x22);
    know(0, 0x21, 0x5a);
    know(1, 0xa1, 0xa5);
    run_until(D86_EXIT_HLT, 0);
    ck_assert_uint_eq(bench_regs(&b).eax & 0xffff, 0x5aa5);
    d86_vcpu_set_events(b.cpu, &(struct d86_events){ .interrupt = -1 });
    run_until(D86_EXIT_IO, 0);
    check_in(0x22, 1);
}
END_TEST

/* A posted write may have changed it; when it is done, the caller says anew. */
START_TEST(behind_a_posted_write_it_is_asked_for)
{
    /* out 20,al; in al,21; mov ah,al; in al,21; hlt */
    BENCH_BYTES(&b, BENCH_CODE, 0xe6, 0x20, 0xe4, 0x21, 0x88, 0xc4, 0xe4, 0x21, 0xf4);
    know(0, 0x21, 0x5a);
    run_until(D86_EXIT_IO, 1);
    check_in(0x21, 1);
    b.exit->io.data[0] = 0x77;
    know(0, 0x21, 0x78);
    run_until(D86_EXIT_HLT, 0);
    ck_assert_uint_eq(bench_regs(&b).eax & 0xffff, 0x7778);
}
END_TEST

START_TEST(only_single_bytes_are_known)
{
    /* in ax,21; in eax,21; in ax,20; insb; hlt */
    BENCH_BYTES(&b, BENCH_CODE, 0x66, 0xe5, 0x21, 0xe5, 0x21, 0x66, 0xe5, 0x20, 0x6c, 0xf4);
    struct d86_regs r = bench_regs(&b);
    r.edx = 0x21;
    r.edi = BENCH_DATA;
    d86_vcpu_set_regs(b.cpu, &r);
    know(0, 0x21, 0x5a);
    run_until(D86_EXIT_IO, 0);
    check_in(0x21, 2);
    run_until(D86_EXIT_IO, 0);
    check_in(0x21, 4);
    run_until(D86_EXIT_IO, 0);
    check_in(0x20, 2);
    run_until(D86_EXIT_IO, 0);
    check_in(0x21, 1);
    run_until(D86_EXIT_HLT, 0);
}
END_TEST

/* What was asked for has been read from the chip, and that answer counts. */
START_TEST(an_answer_on_its_way_counts)
{
    BENCH_BYTES(&b, BENCH_CODE, 0xe4, 0x21, 0xf4); /* in al,21; hlt */
    run_until(D86_EXIT_IO, 0);
    b.exit->io.data[0] = 0x77;
    know(0, 0x21, 0x5a);
    run_until(D86_EXIT_HLT, 0);
    ck_assert_uint_eq(bench_regs(&b).eax & 0xff, 0x77);
}
END_TEST

START_TEST(no_more_are_known_than_there_is_room_for)
{
    BENCH_BYTES(&b, BENCH_CODE, 0xe4, 0x21, 0xe4, 0x00, 0xf4); /* in al,21; in al,0; hlt */
    for (unsigned i = 0; i < D86_KNOWN_MAX; i++)
        know(i, (uint16_t)(0x1e + i), (uint8_t)i);
    b.exit->known_count = UINT32_MAX;
    run_until(D86_EXIT_IO, 0);
    check_in(0, 1);
    ck_assert_uint_eq(bench_regs(&b).eax & 0xff, 3);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("posted");
    TCase *tc = tcase_create("posted");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, come_in_order_before_the_next_access);
    tcase_add_test(tc, come_with_a_halt);
    tcase_add_loop_test(tc, come_by_themselves_when_interrupts_are_on, 0,
                        sizeof(openers) / sizeof(openers[0]));
    tcase_add_test(tc, only_bytes_to_listed_ports_with_interrupts_off);
    tcase_add_test(tc, what_finds_no_room_is_waited_for);
    tcase_add_test(tc, a_debug_exit_brings_them_and_a_kick_repeats_none);
    tcase_add_test(tc, age_is_the_time_since);
    tcase_add_test(tc, list_outlives_a_reset);
    tcase_add_test(tc, ports_above_are_refused);
    tcase_add_test(tc, known_reads_are_no_exits);
    tcase_add_test(tc, behind_a_posted_write_it_is_asked_for);
    tcase_add_test(tc, only_single_bytes_are_known);
    tcase_add_test(tc, an_answer_on_its_way_counts);
    tcase_add_test(tc, no_more_are_known_than_there_is_room_for);
    suite_add_tcase(suite, tc);
    return bench_main(suite);
}
