/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * MC146818: time, alarms and interrupts on a clock the test moves.
 */
#include "chip_bench.h"

#define SECOND UINT64_C(1000000000)

enum { SEC, SEC_ALARM, MIN, MIN_ALARM, HOUR, HOUR_ALARM, WDAY, DAY, MONTH, YEAR, A, B, C, D, CENTURY = 0x32 };

static struct bench b;

static uint8_t get(unsigned reg)
{
    out(&b, 0, reg);
    return in(&b, 1);
}

static void set(unsigned reg, uint8_t value)
{
    out(&b, 0, reg);
    out(&b, 1, value);
}

/* 2000-02-28 23:59:50, a Monday, half a second in. */
static void setup(void)
{
    bench_start(&b, &mc146818_device, 0, INT64_C(951782390) * 1000000000 + 500000000);
}

/* year, month, day, hour, minute, second, weekday in the registers' own bytes */
static void expect_time(const char *name, const uint8_t want[8])
{
    static const uint8_t regs[8] = { CENTURY, YEAR, MONTH, DAY, HOUR, MIN, SEC, WDAY };

    for (unsigned i = 0; i < 8; i++)
        ck_assert_msg(get(regs[i]) == want[i], "%s: register %02x is %02x, not %02x", name, regs[i],
                      get(regs[i]), want[i]);
}

static void set_time(const uint8_t values[8])
{
    static const uint8_t regs[8] = { CENTURY, YEAR, MONTH, DAY, HOUR, MIN, SEC, WDAY };

    for (unsigned i = 0; i < 8; i++)
        set(regs[i], values[i]);
}

START_TEST(power_on_shows_the_wall_clock)
{
    setup();
    expect_time("start", (const uint8_t[]){ 0x20, 0x00, 0x02, 0x28, 0x23, 0x59, 0x50, 2 });
    ck_assert_uint_eq(get(B), 0x02);
    ck_assert_uint_eq(get(D), 0x80);
    bench_sleep(&b, SECOND / 2 - 1);
    ck_assert_uint_eq(get(SEC), 0x50);
    bench_sleep(&b, 1);
    ck_assert_uint_eq(get(SEC), 0x51);
}
END_TEST

static const struct {
    const char *name;
    uint8_t mode; /* register B */
    uint8_t from[8];
    uint64_t seconds;
    uint8_t to[8];
} passages[] = {
    { "BCD carry",
      0x02,
      { 0x20, 0x23, 0x08, 0x09, 0x09, 0x09, 0x59, 4 },
      1,
      { 0x20, 0x23, 0x08, 0x09, 0x09, 0x10, 0x00, 4 } },
    { "leap day in a 400-year",
      0x02,
      { 0x20, 0x00, 0x02, 0x28, 0x23, 0x59, 0x59, 2 },
      1,
      { 0x20, 0x00, 0x02, 0x29, 0x00, 0x00, 0x00, 3 } },
    { "no leap day in 2100",
      0x02,
      { 0x21, 0x00, 0x02, 0x28, 0x23, 0x59, 0x59, 1 },
      1,
      { 0x21, 0x00, 0x03, 0x01, 0x00, 0x00, 0x00, 2 } },
    { "century",
      0x02,
      { 0x19, 0x99, 0x12, 0x31, 0x23, 0x59, 0x59, 6 },
      1,
      { 0x20, 0x00, 0x01, 0x01, 0x00, 0x00, 0x00, 7 } },
    { "weekday wraps",
      0x02,
      { 0x20, 0x23, 0x01, 0x07, 0x23, 0x59, 0x59, 7 },
      1,
      { 0x20, 0x23, 0x01, 0x08, 0x00, 0x00, 0x00, 1 } },
    { "binary", 0x06, { 20, 23, 9, 30, 23, 59, 59, 7 }, 1, { 20, 23, 10, 1, 0, 0, 0, 1 } },
    { "noon in 12-hour BCD",
      0x00,
      { 0x20, 0x23, 0x01, 0x01, 0x11, 0x59, 0x59, 1 },
      1,
      { 0x20, 0x23, 0x01, 0x01, 0x92, 0x00, 0x00, 1 } },
    { "midnight in 12-hour BCD",
      0x00,
      { 0x20, 0x23, 0x01, 0x01, 0x91, 0x59, 0x59, 1 },
      1,
      { 0x20, 0x23, 0x01, 0x02, 0x12, 0x00, 0x00, 2 } },
    { "one o'clock in 12-hour binary",
      0x04,
      { 20, 23, 1, 1, 0x8c, 59, 59, 1 },
      1,
      { 20, 23, 1, 1, 0x81, 0, 0, 1 } },
    { "a year without anybody looking",
      0x02,
      { 0x20, 0x23, 0x03, 0x01, 0x12, 0x00, 0x00, 4 },
      366 * 86400,
      { 0x20, 0x24, 0x03, 0x01, 0x12, 0x00, 0x00, 6 } },
    { "nonsense becomes a time",
      0x02,
      { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
      0,
      { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } },
};

START_TEST(time_passes)
{
    setup();
    set(B, passages[_i].mode | 0x80);
    set_time(passages[_i].from);
    set(A, 0x70); /* hold the divider, then let it go: the first update follows after half a second */
    set(A, 0x26);
    set(B, passages[_i].mode);
    expect_time("as set", passages[_i].from);
    if (passages[_i].seconds)
        bench_sleep(&b, SECOND / 2 + (passages[_i].seconds - 1) * SECOND);
    expect_time(passages[_i].name, passages[_i].to);
}
END_TEST

START_TEST(nonsense_in_the_registers_is_survived)
{
    setup();
    for (unsigned value = 0; value < 256; value += 5) {
        for (unsigned reg = SEC; reg <= YEAR; reg++)
            set(reg, value);
        set(CENTURY, value);
        set(B, value);
        bench_sleep(&b, 100 * SECOND);
        set(B, 0x72);
        bench_sleep(&b, 100 * SECOND);
        ck_assert_uint_le(get(MONTH), 0x12);
    }
}
END_TEST

START_TEST(set_stops_the_registers)
{
    setup();
    set(B, 0x82);
    bench_sleep(&b, 10 * SECOND);
    ck_assert_uint_eq(get(SEC), 0x50);
    set(B, 0x02);
    bench_sleep(&b, SECOND);
    ck_assert_uint_eq(get(SEC), 0x51);
}
END_TEST

START_TEST(set_clears_uie)
{
    setup();
    set(B, 0x92);
    ck_assert_uint_eq(get(B), 0x82);
}
END_TEST

START_TEST(uip_precedes_the_update)
{
    setup();
    ck_assert_uint_eq(get(A) & 0x80, 0);
    bench_sleep(&b, SECOND / 2 - 2228001);
    ck_assert_uint_eq(get(A) & 0x80, 0);
    bench_sleep(&b, 1);
    ck_assert_uint_eq(get(A) & 0x80, 0x80);
    bench_sleep(&b, 2227999);
    ck_assert_uint_eq(get(A) & 0x80, 0x80);
    ck_assert_uint_eq(get(SEC), 0x50);
    bench_sleep(&b, 1);
    ck_assert_uint_eq(get(A) & 0x80, 0);
    ck_assert_uint_eq(get(SEC), 0x51);
    set(B, 0x82);
    bench_sleep(&b, SECOND - 1000);
    ck_assert_uint_eq(get(A) & 0x80, 0);
}
END_TEST

START_TEST(update_ended_interrupt_once_a_second)
{
    setup();
    get(C);
    set(B, 0x12);
    bench_run(&b, SECOND / 2);
    ck_assert(b.line[0]);
    ck_assert_uint_eq(get(C) & 0xb0, 0x90);
    ck_assert(!b.line[0]);
    ck_assert_uint_eq(get(C), 0);
    for (unsigned i = 0; i < 5; i++) {
        bench_run(&b, SECOND);
        get(C);
    }
    ck_assert_uint_eq(b.rises[0], 6);
}
END_TEST

static const struct {
    const char *name;
    uint8_t hour, minute, second;
    uint64_t after; /* seconds from 23:59:50 to the first match */
} alarms[] = {
    { "exact", 0x00, 0x00, 0x10, 20 },
    { "this minute", 0x23, 0x59, 0x55, 5 },
    { "tomorrow at the same time", 0x23, 0x59, 0x50, 86400 },
    { "every second", 0xff, 0xff, 0xff, 1 },
    { "every minute", 0xff, 0xff, 0x05, 15 },
    { "every hour", 0xc0, 0x30, 0x00, 10 + 1800 },
    { "any second of a minute", 0x01, 0x02, 0xff, 10 + 3720 },
    { "any minute and second of an hour", 0x05, 0xff, 0xff, 10 + 5 * 3600 },
};

START_TEST(alarm_fires)
{
    setup();
    set(HOUR_ALARM, alarms[_i].hour);
    set(MIN_ALARM, alarms[_i].minute);
    set(SEC_ALARM, alarms[_i].second);
    get(C);
    set(B, 0x22);
    bench_run(&b, alarms[_i].after * SECOND - SECOND / 2 - 1);
    ck_assert_msg(!b.line[0], "%s: early", alarms[_i].name);
    bench_run(&b, 1);
    ck_assert_msg(b.line[0], "%s: missing", alarms[_i].name);
    ck_assert_uint_eq(get(C) & 0xa0, 0xa0);
}
END_TEST

START_TEST(impossible_alarm_never_fires)
{
    setup();
    set(HOUR_ALARM, 0x25), set(MIN_ALARM, 0xff), set(SEC_ALARM, 0xff);
    set(B, 0x22);
    ck_assert_uint_eq(b.deadline, DEVICE_NEVER);
    bench_sleep(&b, 200000 * SECOND);
    ck_assert_uint_eq(get(C) & 0x20, 0);
}
END_TEST

START_TEST(alarm_flag_is_seen_by_polling)
{
    setup();
    set(HOUR_ALARM, 0x00), set(MIN_ALARM, 0x00), set(SEC_ALARM, 0x10);
    get(C);
    bench_sleep(&b, 19 * SECOND);
    ck_assert_uint_eq(get(C) & 0x20, 0);
    bench_sleep(&b, SECOND);
    ck_assert_uint_eq(get(C) & 0x20, 0x20);
    ck_assert(!b.line[0]);
}
END_TEST

START_TEST(periodic_rate)
{
    static const unsigned hz[16] = {
        0, 256, 128, 8192, 4096, 2048, 1024, 512, 256, 128, 64, 32, 16, 8, 4, 2
    };
    unsigned seen = 0;

    setup();
    set(A, 0x20 | _i);
    get(C);
    set(B, 0x42);
    for (unsigned i = 0; i < 8192 * 2 && b.deadline <= UINT64_C(3) * SECOND; i++) {
        b.now = b.deadline;
        bench_serve(&b);
        ck_assert(b.line[0]);
        ck_assert_uint_eq(get(C) & 0xc0, 0xc0);
        seen++;
    }
    ck_assert_uint_eq(seen, hz[_i] * 2); /* machine time 1 s to 3 s */
}
END_TEST

START_TEST(late_host_sees_one_periodic_interrupt)
{
    setup();
    get(C);
    set(B, 0x42);
    bench_sleep(&b, 10 * SECOND);
    ck_assert_uint_eq(b.rises[0], 1);
    get(C);
    ck_assert(!b.line[0]);
    ck_assert_uint_gt(b.deadline, b.now);
    ck_assert_uint_le(b.deadline - b.now, 976563);
}
END_TEST

/* Periodic interrupts at 1024 Hz, from the beginning of a period on. */
static void begin_periods(void)
{
    setup();
    get(C);
    set(B, 0x42);
    bench_run(&b, SECOND / 1024 + 1);
    get(C);
    b.rises[0] = 0;
}

/* A guest that answers each at once, for `ns`. */
static void answer(uint64_t ns)
{
    for (uint64_t end = b.now + ns; b.now < end; b.now += 10000, b.guest_ns += 10000) {
        bench_serve(&b);
        if (b.line[0])
            get(C);
    }
}

START_TEST(late_periodic_interrupts_are_made_up_for)
{
    begin_periods();
    bench_sleep(&b, SECOND / 2);
    ck_assert_uint_eq(b.rises[0], 1);
    answer(SECOND / 50);
    ck_assert_uint_lt(b.rises[0], 20 * 17 + 1); /* some at a time */
    answer(SECOND - SECOND / 2 - SECOND / 50 + SECOND / 2048);
    ck_assert_uint_eq(b.rises[0], 1024);
}
END_TEST

/* The interrupt came in time, and then the guest was not let run. */
START_TEST(periods_that_end_unanswered_are_made_up_for)
{
    uint64_t end;

    begin_periods();
    end = b.now + SECOND + SECOND / 2048;
    for (unsigned i = 0; i < 100; i++) {
        bench_run(&b, SECOND / 1024);
        ck_assert(b.line[0]);
        bench_sleep(&b, 4 * (SECOND / 1024));
        answer(SECOND / 1024 * 5);
    }
    answer(end - b.now);
    ck_assert_uint_eq(b.rises[0], 1024);
}
END_TEST

START_TEST(periods_that_end_in_a_guest_that_does_not_answer_are_one)
{
    begin_periods();
    bench_run(&b, SECOND / 4);
    b.guest_ns += SECOND / 4;
    ck_assert_uint_eq(b.rises[0], 1);
    answer(SECOND * 3 / 4 + SECOND / 2048);
    ck_assert_uint_eq(b.rises[0], 1 + 768);
}
END_TEST

/* Who polls is told of the present only. */
START_TEST(polled_periods_are_not_made_up_for)
{
    setup();
    get(C);
    bench_sleep(&b, SECOND / 2);
    ck_assert_uint_eq(get(C) & 0x40, 0x40);
    bench_sleep(&b, SECOND / 4096);
    ck_assert_uint_eq(get(C) & 0x40, 0x00);
}
END_TEST

START_TEST(another_rate_forgets_what_is_owed)
{
    begin_periods();
    bench_sleep(&b, SECOND / 2);
    set(A, 0x27);
    get(C);
    b.rises[0] = 0;
    answer(SECOND / 2);
    ck_assert_uint_eq(b.rises[0], 256);
}
END_TEST

START_TEST(unread_flag_needs_no_deadline)
{
    setup();
    get(C);
    set(B, 0x42);
    bench_run(&b, SECOND / 100);
    ck_assert_uint_eq(b.deadline, DEVICE_NEVER);
    get(C);
    ck_assert_uint_ne(b.deadline, DEVICE_NEVER);
}
END_TEST

START_TEST(reset_keeps_clock_and_ram)
{
    setup();
    set(0x40, 0xa5);
    set(B, 0x72);
    bench_sleep(&b, SECOND);
    mc146818_device.reset(&b.dev);
    ck_assert(!b.line[0]);
    ck_assert_uint_eq(get(B), 0x02);
    ck_assert_uint_eq(get(0x40), 0xa5);
    ck_assert_uint_eq(get(SEC), 0x51);
}
END_TEST

START_TEST(index_bit_7_masks_nmi_only)
{
    setup();
    ck_assert(b.line[MC146818_LINE_NMI_ENABLE]);
    out(&b, 0, 0x80 | SEC);
    ck_assert(!b.line[MC146818_LINE_NMI_ENABLE]);
    ck_assert_uint_eq(in(&b, 1), 0x50);
    out(&b, 0, SEC);
    ck_assert(b.line[MC146818_LINE_NMI_ENABLE]);
}
END_TEST

START_TEST(survives_any_access)
{
    setup();
    bench_storm(&b, 2, 0, 20000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mc146818");
    TCase *tc = tcase_create("chip");

    tcase_add_test(tc, power_on_shows_the_wall_clock);
    tcase_add_loop_test(tc, time_passes, 0, ARRAY_SIZE(passages));
    tcase_add_test(tc, nonsense_in_the_registers_is_survived);
    tcase_add_test(tc, set_stops_the_registers);
    tcase_add_test(tc, set_clears_uie);
    tcase_add_test(tc, uip_precedes_the_update);
    tcase_add_test(tc, update_ended_interrupt_once_a_second);
    tcase_add_loop_test(tc, alarm_fires, 0, ARRAY_SIZE(alarms));
    tcase_add_test(tc, impossible_alarm_never_fires);
    tcase_add_test(tc, alarm_flag_is_seen_by_polling);
    tcase_add_loop_test(tc, periodic_rate, 0, 16);
    tcase_add_test(tc, late_host_sees_one_periodic_interrupt);
    tcase_add_test(tc, late_periodic_interrupts_are_made_up_for);
    tcase_add_test(tc, periods_that_end_unanswered_are_made_up_for);
    tcase_add_test(tc, periods_that_end_in_a_guest_that_does_not_answer_are_one);
    tcase_add_test(tc, polled_periods_are_not_made_up_for);
    tcase_add_test(tc, another_rate_forgets_what_is_owed);
    tcase_add_test(tc, unread_flag_needs_no_deadline);
    tcase_add_test(tc, reset_keeps_clock_and_ram);
    tcase_add_test(tc, index_bit_7_masks_nmi_only);
    tcase_add_test(tc, survives_any_access);
    suite_add_tcase(suite, tc);
    return bench_main(suite);
}
