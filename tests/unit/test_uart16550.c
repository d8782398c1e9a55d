/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * 16550A: FIFO, interrupt causes and their priority, loopback and modem lines.
 */
#include "chip_bench.h"

enum { DATA, IER, IIR, LCR, MCR, LSR, MSR, SCRATCH, FCR = IIR };

static struct bench b;

/* 115200 baud, 8N1, OUT2 on: a character takes 86.8 us. */
static void setup(void)
{
    bench_start(&b, &uart16550_device, 0, 0);
    out(&b, LCR, 0x83), out(&b, DATA, 1), out(&b, IER, 0), out(&b, LCR, 0x03), out(&b, MCR, 0x08);
}

static size_t receive(const char *bytes)
{
    return uart16550_device.receive(&b.dev, 0, (const uint8_t *)bytes, strlen(bytes));
}

START_TEST(bytes_written_leave_at_once)
{
    setup();
    out(&b, DATA, 'h'), out(&b, DATA, 'i');
    ck_assert_uint_eq(b.sent_count[0], 2);
    ck_assert_mem_eq(b.sent[0], "hi", 2);
    ck_assert_uint_eq(in(&b, LSR), 0x60);
}
END_TEST

START_TEST(word_length_cuts_bytes_in_loopback_only)
{
    setup();
    out(&b, LCR, 0x00);
    out(&b, DATA, 0xff);
    ck_assert_uint_eq(b.sent[0][0], 0xff);
    out(&b, MCR, 0x10);
    out(&b, DATA, 0xff);
    ck_assert_uint_eq(in(&b, DATA), 0x1f);
}
END_TEST

START_TEST(divisor_latch_hides_data_and_ier)
{
    setup();
    out(&b, IER, 0x05);
    out(&b, LCR, 0x83);
    out(&b, DATA, 0x34), out(&b, IER, 0x12);
    ck_assert_uint_eq(in(&b, DATA), 0x34);
    ck_assert_uint_eq(in(&b, IER), 0x12);
    out(&b, LCR, 0x03);
    ck_assert_uint_eq(in(&b, IER), 0x05);
    ck_assert_uint_eq(b.sent_count[0], 0);
}
END_TEST

static const struct {
    const char *name;
    unsigned reg;
    uint8_t written, read;
} register_rows[] = {
    { "IER keeps four bits", IER, 0xff, 0x0f },
    { "LCR keeps all", LCR, 0x7f, 0x7f },
    { "MCR keeps five bits", MCR, 0xff, 0x1f },
    { "scratch keeps all", SCRATCH, 0xa5, 0xa5 },
    { "FIFOs show in IIR", FCR, 0x01, 0xc1 },
    { "FIFOs off", FCR, 0x00, 0x01 },
    { "trigger needs the enable bit", FCR, 0xc0, 0x01 },
};

START_TEST(register_keeps)
{
    setup();
    out(&b, register_rows[_i].reg, register_rows[_i].written);
    ck_assert_msg(in(&b, register_rows[_i].reg) == register_rows[_i].read, "%s: %02x", register_rows[_i].name,
                  in(&b, register_rows[_i].reg));
}
END_TEST

START_TEST(without_fifo_one_byte_is_taken)
{
    setup();
    ck_assert_uint_eq(receive("ab"), 1);
    ck_assert_uint_eq(in(&b, LSR), 0x61);
    ck_assert_uint_eq(b.room_told, 0);
    ck_assert_uint_eq(in(&b, DATA), 'a');
    ck_assert_uint_eq(b.room_told, 1);
    ck_assert_uint_eq(in(&b, LSR), 0x60);
    ck_assert_uint_eq(in(&b, DATA), 'a');
    ck_assert_uint_eq(b.room_told, 1);
}
END_TEST

START_TEST(fifo_takes_sixteen_in_order)
{
    setup();
    out(&b, FCR, 0x01);
    ck_assert_uint_eq(receive("0123456789abcdefgh"), 16);
    ck_assert_uint_eq(receive("x"), 0);
    for (const char *c = "0123456789abcdef"; *c; c++)
        ck_assert_uint_eq(in(&b, DATA), (uint8_t)*c);
    ck_assert_uint_eq(in(&b, LSR) & 1, 0);
}
END_TEST

START_TEST(trigger_level)
{
    static const uint8_t levels[] = { 1, 4, 8, 14 };

    setup();
    out(&b, FCR, 0x01 | _i << 6);
    out(&b, IER, 0x01);
    for (unsigned i = 1; i < levels[_i]; i++) {
        receive("x");
        ck_assert(!b.line[0]);
    }
    receive("x");
    ck_assert(b.line[0]);
    ck_assert_uint_eq(in(&b, IIR), 0xc4);
    in(&b, DATA);
    ck_assert(!b.line[0]);
}
END_TEST

START_TEST(few_bytes_time_out_after_four_characters)
{
    setup();
    out(&b, FCR, 0xc1);
    out(&b, IER, 0x01);
    receive("ab");
    bench_run(&b, 4 * 86805 - 100);
    ck_assert(!b.line[0]);
    bench_run(&b, 200);
    ck_assert(b.line[0]);
    ck_assert_uint_eq(in(&b, IIR), 0xcc);
    ck_assert_uint_eq(in(&b, DATA), 'a');
    ck_assert(!b.line[0]);
    bench_run(&b, 4 * 86806);
    ck_assert_uint_eq(in(&b, IIR), 0xcc);
    in(&b, DATA);
    bench_run(&b, 1000000);
    ck_assert_uint_eq(in(&b, IIR), 0xc1);
}
END_TEST

START_TEST(another_byte_restarts_the_timeout)
{
    setup();
    out(&b, FCR, 0xc1);
    out(&b, IER, 0x01);
    receive("a");
    bench_run(&b, 3 * 86805);
    receive("b");
    bench_run(&b, 3 * 86805);
    ck_assert(!b.line[0]);
    bench_run(&b, 86806);
    ck_assert(b.line[0]);
}
END_TEST

START_TEST(thre_interrupt_is_raised_by_the_enable_bit)
{
    setup();
    out(&b, IER, 0x02);
    ck_assert(b.line[0]);
    ck_assert_uint_eq(in(&b, IIR), 0x02);
    ck_assert(!b.line[0]);
    ck_assert_uint_eq(in(&b, IIR), 0x01);
    out(&b, IER, 0x02); /* already set: no new cause */
    ck_assert(!b.line[0]);
    out(&b, IER, 0x00), out(&b, IER, 0x02);
    ck_assert(b.line[0]);
}
END_TEST

START_TEST(thre_interrupt_follows_every_write_as_an_edge)
{
    unsigned before;

    setup();
    out(&b, IER, 0x02);
    before = b.rises[0];
    out(&b, DATA, 'x');
    ck_assert(b.line[0]);
    ck_assert_uint_eq(b.rises[0], before + 1);
    in(&b, IIR);
    out(&b, DATA, 'y');
    ck_assert_uint_eq(b.rises[0], before + 2);
}
END_TEST

START_TEST(causes_are_reported_by_priority)
{
    setup();
    out(&b, IER, 0x0f);
    receive("a");
    pin(&b, UART16550_PIN_BREAK, true);
    pin(&b, UART16550_PIN_CTS, true);
    ck_assert_uint_eq(in(&b, IIR), 0x06);
    ck_assert_uint_eq(in(&b, LSR) & 0x1e, 0x02); /* no FIFO: the break overran the byte */
    ck_assert_uint_eq(in(&b, IIR), 0x04);
    in(&b, DATA);
    ck_assert_uint_eq(in(&b, IIR), 0x02);
    ck_assert_uint_eq(in(&b, IIR), 0x00);
    ck_assert_uint_eq(in(&b, MSR), 0x11);
    ck_assert_uint_eq(in(&b, IIR), 0x01);
    ck_assert(!b.line[0]);
}
END_TEST

START_TEST(thre_is_not_cleared_while_a_higher_cause_is_read)
{
    setup();
    out(&b, IER, 0x03);
    receive("a");
    ck_assert_uint_eq(in(&b, IIR), 0x04);
    in(&b, DATA);
    ck_assert_uint_eq(in(&b, IIR), 0x02);
}
END_TEST

START_TEST(out2_gates_the_line)
{
    setup();
    out(&b, MCR, 0x00);
    out(&b, IER, 0x02);
    ck_assert(!b.line[0]);
    out(&b, MCR, 0x08);
    ck_assert(b.line[0]);
    out(&b, MCR, 0x18);
    ck_assert(!b.line[0]);
}
END_TEST

START_TEST(loopback_returns_bytes)
{
    setup();
    out(&b, FCR, 0x01);
    out(&b, MCR, 0x10);
    ck_assert_uint_eq(receive("x"), 0);
    for (unsigned i = 0; i < 18; i++)
        out(&b, DATA, i);
    ck_assert_uint_eq(b.sent_count[0], 0);
    ck_assert_uint_eq(in(&b, LSR), 0x63); /* two too many */
    for (unsigned i = 0; i < 16; i++)
        ck_assert_uint_eq(in(&b, DATA), i);
    out(&b, MCR, 0x00);
    ck_assert_uint_eq(b.room_told, 1); /* for the byte turned away */
}
END_TEST

static const struct {
    const char *name;
    uint8_t mcr, msr;
} loop_rows[] = {
    { "RTS is CTS", 0x12, 0x10 },
    { "DTR is DSR", 0x11, 0x20 },
    { "OUT1 is RI", 0x14, 0x40 },
    { "OUT2 is DCD", 0x18, 0x80 },
};

START_TEST(loopback_modem_lines)
{
    setup();
    out(&b, MCR, 0x10);
    in(&b, MSR);
    out(&b, MCR, loop_rows[_i].mcr);
    ck_assert_msg((in(&b, MSR) & 0xf0) == loop_rows[_i].msr, "%s", loop_rows[_i].name);
    ck_assert(!b.line[UART16550_LINE_DTR] && !b.line[UART16550_LINE_RTS]);
}
END_TEST

START_TEST(msr_deltas_collect_until_read)
{
    setup();
    pin(&b, UART16550_PIN_DSR, true);
    pin(&b, UART16550_PIN_DCD, true);
    pin(&b, UART16550_PIN_DCD, false);
    ck_assert_uint_eq(in(&b, MSR), 0x2a);
    ck_assert_uint_eq(in(&b, MSR), 0x20);
}
END_TEST

START_TEST(ring_counts_when_it_ends)
{
    setup();
    pin(&b, UART16550_PIN_RI, true);
    ck_assert_uint_eq(in(&b, MSR), 0x40);
    pin(&b, UART16550_PIN_RI, false);
    ck_assert_uint_eq(in(&b, MSR), 0x04);
}
END_TEST

START_TEST(break_is_a_zero_byte_with_its_error)
{
    setup();
    out(&b, FCR, 0x01);
    receive("a");
    pin(&b, UART16550_PIN_BREAK, true);
    ck_assert_uint_eq(in(&b, LSR), 0x61 | 0x80); /* deeper in the FIFO */
    ck_assert_uint_eq(in(&b, DATA), 'a');
    ck_assert_uint_eq(in(&b, LSR), 0x61 | 0x18 | 0x80);
    ck_assert_uint_eq(in(&b, LSR), 0x61);
    ck_assert_uint_eq(in(&b, DATA), 0);
}
END_TEST

START_TEST(fcr_resets_the_receiver)
{
    setup();
    out(&b, FCR, 0x01);
    receive("abc");
    out(&b, FCR, 0x03);
    ck_assert_uint_eq(in(&b, LSR) & 1, 0);
    receive("abc");
    out(&b, FCR, 0x00);
    ck_assert_uint_eq(in(&b, LSR) & 1, 0);
}
END_TEST

START_TEST(modem_outputs_follow_mcr)
{
    setup();
    out(&b, MCR, 0x03);
    ck_assert(b.line[UART16550_LINE_DTR] && b.line[UART16550_LINE_RTS]);
    out(&b, MCR, 0x00);
    ck_assert(!b.line[UART16550_LINE_DTR] && !b.line[UART16550_LINE_RTS]);
}
END_TEST

START_TEST(survives_any_access)
{
    setup();
    bench_storm(&b, 8, 6, 20000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("uart16550");
    TCase *tc = tcase_create("chip");

    tcase_add_test(tc, bytes_written_leave_at_once);
    tcase_add_test(tc, word_length_cuts_bytes_in_loopback_only);
    tcase_add_test(tc, divisor_latch_hides_data_and_ier);
    tcase_add_loop_test(tc, register_keeps, 0, ARRAY_SIZE(register_rows));
    tcase_add_test(tc, without_fifo_one_byte_is_taken);
    tcase_add_test(tc, fifo_takes_sixteen_in_order);
    tcase_add_loop_test(tc, trigger_level, 0, 4);
    tcase_add_test(tc, few_bytes_time_out_after_four_characters);
    tcase_add_test(tc, another_byte_restarts_the_timeout);
    tcase_add_test(tc, thre_interrupt_is_raised_by_the_enable_bit);
    tcase_add_test(tc, thre_interrupt_follows_every_write_as_an_edge);
    tcase_add_test(tc, causes_are_reported_by_priority);
    tcase_add_test(tc, thre_is_not_cleared_while_a_higher_cause_is_read);
    tcase_add_test(tc, out2_gates_the_line);
    tcase_add_test(tc, loopback_returns_bytes);
    tcase_add_loop_test(tc, loopback_modem_lines, 0, ARRAY_SIZE(loop_rows));
    tcase_add_test(tc, msr_deltas_collect_until_read);
    tcase_add_test(tc, ring_counts_when_it_ends);
    tcase_add_test(tc, break_is_a_zero_byte_with_its_error);
    tcase_add_test(tc, fcr_resets_the_receiver);
    tcase_add_test(tc, modem_outputs_follow_mcr);
    tcase_add_test(tc, survives_any_access);
    suite_add_tcase(suite, tc);
    return bench_main(suite);
}
