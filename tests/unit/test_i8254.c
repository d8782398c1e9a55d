/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * i8254: counts, outputs and edges at exact ticks of its clock. 105 ticks take 88000 ns.
 */
#include "chip_bench.h"

static struct bench b;

static uint64_t ticks(uint64_t n)
{
    return (n * 88000 + 104) / 105;
}

static void setup(void)
{
    bench_start(&b, &i8254_device, 0, 0);
    b.now = 88000 * UINT64_C(50000); /* on a tick */
}

/* Move to `n` ticks after setup. */
static void at_tick(uint64_t n)
{
    b.now = 88000 * UINT64_C(50000) + ticks(n);
}

static void gate2(bool level)
{
    pin(&b, I8254_PIN_GATE2, level);
}

static bool out_of(unsigned counter)
{
    return i8254_device.sample(&b.dev, counter);
}

static void program(unsigned counter, unsigned mode, uint16_t count)
{
    out(&b, 3, counter << 6 | 0x30 | mode << 1);
    out(&b, counter, count & 0xff);
    out(&b, counter, count >> 8);
}

static unsigned latched(unsigned counter)
{
    unsigned low;

    out(&b, 3, counter << 6);
    low = in(&b, counter);
    return low | in(&b, counter) << 8;
}

/* Counter 2, gate high, programmed at tick 0; the count is loaded at tick 1. */
static const struct {
    const char *name;
    unsigned mode, count;
    uint64_t tick;
    unsigned expected_count;
    bool expected_out;
} counts[] = {
    { "mode 0 starts low", 0, 10, 1, 10, false },
    { "mode 0 counts down", 0, 10, 4, 7, false },
    { "mode 0 ends high", 0, 10, 11, 0, true },
    { "mode 0 goes on below zero", 0, 10, 12, 0xffff, true },
    { "mode 0 stays high after a wrap", 0, 10, 70000, (10 - 69999) & 0xffff, true },
    { "mode 2 first count", 2, 10, 1, 10, true },
    { "mode 2 is high until 1", 2, 10, 9, 2, true },
    { "mode 2 is low at 1", 2, 10, 10, 1, false },
    { "mode 2 reloads", 2, 10, 11, 10, true },
    { "mode 2 full range", 2, 0, 1, 0, true },
    { "mode 3 even, high half", 3, 10, 3, 6, true },
    { "mode 3 even, end of high half", 3, 10, 5, 2, true },
    { "mode 3 even, low half", 3, 10, 6, 10, false },
    { "mode 3 even, second cycle", 3, 10, 11, 10, true },
    { "mode 3 odd begins at N-1", 3, 9, 1, 8, true },
    { "mode 3 odd, high half is one longer", 3, 9, 5, 0, true },
    { "mode 3 odd, low half", 3, 9, 6, 8, false },
    { "mode 3 odd, end of low half", 3, 9, 9, 2, false },
    { "mode 3 odd, second cycle", 3, 9, 10, 8, true },
    { "mode 4 is high while counting", 4, 10, 10, 1, true },
    { "mode 4 strobes at zero", 4, 10, 11, 0, false },
    { "mode 4 is high again", 4, 10, 12, 0xffff, true },
    { "mode 6 is mode 2", 6, 10, 10, 1, false },
    { "mode 7 is mode 3", 7, 10, 6, 10, false },
    { "count 1, illegal in mode 2, is survived", 2, 1, 7, 2, true },
};

START_TEST(counts_row)
{
    unsigned count;

    setup();
    gate2(true);
    program(2, counts[_i].mode, counts[_i].count);
    at_tick(counts[_i].tick);
    count = latched(2);
    ck_assert_msg(count == counts[_i].expected_count, "%s: count %u", counts[_i].name, count);
    ck_assert_msg(out_of(2) == counts[_i].expected_out, "%s: OUT", counts[_i].name);
}
END_TEST

START_TEST(latch_holds_until_both_bytes_are_read)
{
    setup();
    program(0, 2, 1000);
    at_tick(101);
    out(&b, 3, 0x00);
    at_tick(301);
    out(&b, 3, 0x00); /* ignored: the first latch was not read */
    ck_assert_uint_eq(in(&b, 0), 900 & 0xff);
    ck_assert_uint_eq(in(&b, 0), 900 >> 8);
    ck_assert_uint_eq(in(&b, 0), 700 & 0xff);
    ck_assert_uint_eq(in(&b, 0), 700 >> 8);
}
END_TEST

START_TEST(single_byte_modes_set_the_other_byte_to_zero)
{
    setup();
    out(&b, 3, 0x14), out(&b, 0, 0x80); /* LSB only */
    at_tick(1);
    ck_assert_uint_eq(in(&b, 0), 0x80);
    out(&b, 3, 0x24), out(&b, 0, 0x02); /* MSB only */
    at_tick(2 + 0x80);
    ck_assert_uint_eq(in(&b, 0), 0x01);
}
END_TEST

START_TEST(bcd_counts_in_decimal)
{
    setup();
    out(&b, 3, 0x35), out(&b, 0, 0x00), out(&b, 0, 0x10); /* 1000 */
    at_tick(2);
    ck_assert_uint_eq(latched(0), 0x0999);
    out(&b, 3, 0x31), out(&b, 0, 0x00), out(&b, 0, 0x00); /* 10000 */
    at_tick(2 + 1 + 10001);
    ck_assert_uint_eq(latched(0), 0x9999);
}
END_TEST

START_TEST(readback_latches_every_selected_counter)
{
    setup();
    gate2(true);
    program(0, 2, 1000);
    program(1, 2, 500);
    program(2, 3, 300);
    at_tick(101);
    out(&b, 3, 0xc0 | 0x0e); /* count and status of all three */
    at_tick(151);
    for (unsigned i = 0; i < 3; i++) {
        static const uint8_t status[] = { 0xb4, 0xb4, 0xb6 };
        static const uint16_t count[] = { 900, 400, 100 };
        unsigned low;

        ck_assert_uint_eq(in(&b, i), status[i]);
        low = in(&b, i);
        ck_assert_uint_eq(low | in(&b, i) << 8, count[i]);
    }
}
END_TEST

START_TEST(status_shows_null_count_until_loaded)
{
    setup();
    out(&b, 3, 0x34);
    out(&b, 3, 0xe2);
    ck_assert_uint_eq(in(&b, 0), 0x80 | 0x40 | 0x34);
    out(&b, 0, 100), out(&b, 0, 0);
    at_tick(2);
    out(&b, 3, 0xe2);
    ck_assert_uint_eq(in(&b, 0), 0x80 | 0x34);
}
END_TEST

START_TEST(first_byte_of_a_mode_0_count_stops_it)
{
    setup();
    gate2(true);
    program(2, 0, 10);
    at_tick(50);
    ck_assert(out_of(2));
    out(&b, 2, 20);
    ck_assert(!out_of(2));
    at_tick(500);
    ck_assert(!out_of(2));
    out(&b, 2, 0);
    at_tick(520);
    ck_assert(!out_of(2));
    at_tick(521);
    ck_assert(out_of(2));
}
END_TEST

START_TEST(gate_suspends_mode_0)
{
    setup();
    gate2(true);
    program(2, 0, 100);
    at_tick(31);
    gate2(false);
    at_tick(1000);
    ck_assert_uint_eq(latched(2), 70);
    gate2(true);
    at_tick(1069);
    ck_assert(!out_of(2));
    at_tick(1070);
    ck_assert(out_of(2));
}
END_TEST

START_TEST(gate_stops_and_restarts_mode_3)
{
    setup();
    gate2(true);
    program(2, 3, 100);
    at_tick(61);
    ck_assert(!out_of(2));
    gate2(false);
    ck_assert(out_of(2));
    at_tick(500);
    ck_assert(out_of(2));
    gate2(true);
    at_tick(501);
    ck_assert_uint_eq(latched(2), 100);
    at_tick(551);
    ck_assert(!out_of(2));
}
END_TEST

START_TEST(gate_triggers_and_retriggers_mode_1)
{
    setup();
    program(2, 1, 100);
    at_tick(50);
    ck_assert(out_of(2));
    gate2(true);
    at_tick(51);
    ck_assert(!out_of(2));
    gate2(false);
    at_tick(100);
    gate2(true);
    at_tick(200);
    ck_assert(!out_of(2));
    at_tick(201);
    ck_assert(out_of(2));
}
END_TEST

START_TEST(mode_1_takes_a_new_count_at_the_next_trigger)
{
    setup();
    program(2, 1, 100);
    gate2(true);
    at_tick(10);
    out(&b, 2, 20), out(&b, 2, 0);
    at_tick(100);
    ck_assert(!out_of(2));
    at_tick(110);
    ck_assert(out_of(2));
    gate2(false);
    gate2(true);
    at_tick(130);
    ck_assert(!out_of(2));
    at_tick(131);
    ck_assert(out_of(2));
}
END_TEST

START_TEST(gate_triggers_mode_5)
{
    setup();
    program(2, 5, 10);
    at_tick(100);
    ck_assert(out_of(2));
    gate2(true);
    at_tick(110);
    ck_assert(out_of(2));
    at_tick(111);
    ck_assert(!out_of(2));
    at_tick(112);
    ck_assert(out_of(2));
}
END_TEST

START_TEST(new_count_in_mode_2_waits_for_the_cycle)
{
    setup();
    program(0, 2, 100);
    at_tick(51);
    out(&b, 0, 10), out(&b, 0, 0);
    ck_assert_uint_eq(latched(0), 50);
    at_tick(100);
    ck_assert_uint_eq(latched(0), 1);
    at_tick(101);
    ck_assert_uint_eq(latched(0), 10);
    at_tick(111);
    ck_assert_uint_eq(latched(0), 10);
}
END_TEST

START_TEST(new_count_in_mode_3_waits_for_the_half)
{
    setup();
    gate2(true);
    program(2, 3, 100);
    at_tick(31);
    out(&b, 2, 20), out(&b, 2, 0);
    at_tick(50);
    ck_assert(out_of(2));
    at_tick(51);
    ck_assert(!out_of(2));
    at_tick(60);
    ck_assert(!out_of(2));
    at_tick(61);
    ck_assert(out_of(2));
    at_tick(71);
    ck_assert(!out_of(2));
}
END_TEST

START_TEST(out0_rises_once_per_period_without_drift)
{
    static const unsigned modes[] = { 2, 3 };
    unsigned before;

    setup();
    program(0, modes[_i], 1193); /* 999.848 us */
    before = b.rises[0];
    bench_run(&b, UINT64_C(10000000000));
    ck_assert_uint_eq(b.rises[0] - before,
                      10001); /* floor(10 s * 1193181.8 / 1193), and the load takes one tick */
}
END_TEST

START_TEST(late_host_gets_one_edge_now_and_a_quarter_period_later_the_next)
{
    unsigned before;

    setup();
    program(0, 2, 1000);
    bench_run(&b, ticks(1001));
    before = b.rises[0];
    bench_sleep(&b, ticks(1000) * 10 + ticks(300));
    ck_assert_uint_eq(b.rises[0] - before, 1);
    ck_assert_uint_gt(b.deadline, b.now);
    ck_assert_uint_le(b.deadline - b.now, ticks(1000) / 4 + 1000);
}
END_TEST

START_TEST(late_edges_are_made_up_for_and_then_they_are_on_time)
{
    unsigned before;
    uint64_t phase;

    setup();
    program(0, 2, 1000);
    bench_run(&b, ticks(1001));
    phase = b.deadline;
    before = b.rises[0];
    bench_sleep(&b, ticks(1000) * 10 + ticks(300));
    bench_run(&b, ticks(1000) * 10);
    ck_assert_uint_eq(b.rises[0] - before, 20);
    /* still a whole number of periods from the first edge */
    ck_assert_uint_eq(((b.deadline - phase) * 105 + 44000) / 88000 % 1000, 0);
}
END_TEST

START_TEST(a_delay_beyond_a_second_is_not_made_up_for)
{
    unsigned before;

    setup();
    program(0, 2, 11932); /* 100 Hz */
    bench_run(&b, ticks(11933));
    before = b.rises[0];
    bench_sleep(&b, UINT64_C(60000000000));
    bench_run(&b, UINT64_C(2000000000));
    ck_assert_uint_ge(b.rises[0] - before, 298);
    ck_assert_uint_le(b.rises[0] - before, 302);
}
END_TEST

START_TEST(one_shot_modes_give_one_edge)
{
    static const unsigned modes[] = { 0, 4 };
    unsigned before;

    setup();
    program(0, modes[_i], 1000);
    before = b.rises[0];
    bench_run(&b, ticks(1000));
    ck_assert_uint_eq(b.rises[0] - before, 0);
    bench_run(&b, ticks(3));
    ck_assert_uint_eq(b.rises[0] - before, 1);
    bench_run(&b, ticks(200000));
    ck_assert_uint_eq(b.rises[0] - before, 1);
    ck_assert_uint_eq(b.deadline, DEVICE_NEVER);
}
END_TEST

START_TEST(tiny_periods_do_not_flood_the_host)
{
    unsigned before;

    setup();
    program(0, 2, 2);
    before = b.rises[0];
    bench_run(&b, 1000000);
    ck_assert_uint_le(b.rises[0] - before, 51);
    ck_assert_uint_ge(b.rises[0] - before, 45);
}
END_TEST

START_TEST(survives_any_access)
{
    setup();
    bench_storm(&b, 4, 4, 20000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("i8254");
    TCase *tc = tcase_create("chip");

    tcase_add_loop_test(tc, counts_row, 0, ARRAY_SIZE(counts));
    tcase_add_test(tc, latch_holds_until_both_bytes_are_read);
    tcase_add_test(tc, single_byte_modes_set_the_other_byte_to_zero);
    tcase_add_test(tc, bcd_counts_in_decimal);
    tcase_add_test(tc, readback_latches_every_selected_counter);
    tcase_add_test(tc, status_shows_null_count_until_loaded);
    tcase_add_test(tc, first_byte_of_a_mode_0_count_stops_it);
    tcase_add_test(tc, gate_suspends_mode_0);
    tcase_add_test(tc, gate_stops_and_restarts_mode_3);
    tcase_add_test(tc, gate_triggers_and_retriggers_mode_1);
    tcase_add_test(tc, mode_1_takes_a_new_count_at_the_next_trigger);
    tcase_add_test(tc, gate_triggers_mode_5);
    tcase_add_test(tc, new_count_in_mode_2_waits_for_the_cycle);
    tcase_add_test(tc, new_count_in_mode_3_waits_for_the_half);
    tcase_add_loop_test(tc, out0_rises_once_per_period_without_drift, 0, 2);
    tcase_add_test(tc, late_host_gets_one_edge_now_and_a_quarter_period_later_the_next);
    tcase_add_test(tc, late_edges_are_made_up_for_and_then_they_are_on_time);
    tcase_add_test(tc, a_delay_beyond_a_second_is_not_made_up_for);
    tcase_add_loop_test(tc, one_shot_modes_give_one_edge, 0, 2);
    tcase_add_test(tc, tiny_periods_do_not_flood_the_host);
    tcase_add_test(tc, survives_any_access);
    suite_add_tcase(suite, tc);
    return bench_main(suite);
}
