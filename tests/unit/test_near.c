/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The chips next to the processor: the wires between them, and whose ports are whose.
 */
#include "near_bench.h"

/* ---- Wires ----------------------------------------------------------------------------------- */

START_TEST(wakes_silent)
{
    power_on(&board);
    ck_assert(!board.state.intr && board.state.deadline == DEVICE_NEVER && near_is_valid(&board.state));
    ck_assert_uint_eq(get(&board, 0x21), 0xff);
    for (unsigned irq = 3; irq < 16; irq++)
        near_set_irq(&board.near, irq, true);
    ck_assert(!board.state.intr);
    ck_assert_uint_eq(board.intr_changes, 0);
}
END_TEST

START_TEST(tick_goes_from_programming_to_vector)
{
    setup();
    begin_ticking(1193);
    ck_assert_uint_ge(board.deadline_changes, 1);
    for (unsigned i = 1; i <= 1000; i++) {
        ck_assert_uint_eq(board.state.deadline, START_NS + ticks(1 + i * 1193)); /* the load takes a tick */
        board.now = board.state.deadline;
        ck_assert(!board.told_intr);
        near_run_timer(&board.near);
        ck_assert(board.told_intr && board.state.intr);
        ck_assert_uint_eq(near_acknowledge(&board.near), 0x30);
        ck_assert(!board.told_intr);
        ck_assert_uint_eq(board.intr_changes, 2 * i);
        ck_assert_uint_eq(isr(&board, 0x20), 0x01);
        put(&board, 0x20, 0x60);
        ck_assert_uint_eq(isr(&board, 0x20), 0x00);
    }
}
END_TEST

START_TEST(masked_tick_waits)
{
    setup();
    begin_ticking(100);
    put(&board, 0x21, 0x01);
    ck_assert_uint_eq(irr(&board, 0x20), 0);
    board.now = board.state.deadline;
    near_run_timer(&board.near);
    ck_assert(!board.state.intr);
    ck_assert_uint_eq(irr(&board, 0x20), 0x01);
    put(&board, 0x21, 0x00);
    ck_assert(board.told_intr);
    ck_assert_uint_eq(near_acknowledge(&board.near), 0x30);
}
END_TEST

/* A timer that is turned off has no deadline, and says so. */
START_TEST(deadline_ends_with_the_count)
{
    unsigned before;

    setup();
    begin_ticking(100);
    before = board.deadline_changes;
    put(&board, 0x43, 0x30);
    ck_assert(board.state.deadline == DEVICE_NEVER);
    ck_assert_uint_eq(board.deadline_changes, before + 1);
    put(&board, 0x40, 100), put(&board, 0x40, 0); /* once, in mode 0 */
    board.now = board.state.deadline;
    near_run_timer(&board.near);
    ck_assert(board.state.deadline == DEVICE_NEVER && board.state.intr);
}
END_TEST

/* IRQ _i: vector, both controllers in service, and what each of the two EOIs lets through. */
START_TEST(request_reaches_the_processor)
{
    unsigned irq = (unsigned)_i;
    bool cascaded = irq >= 8;

    if (irq == NEAR_IRQ_TIMER || irq == NEAR_IRQ_CASCADE)
        return;
    setup();
    near_set_irq(&board.near, irq, true);
    ck_assert(board.told_intr);
    ck_assert_uint_eq(near_acknowledge(&board.near), 0x30 + irq);
    ck_assert_uint_eq(isr(&board, 0x20), cascaded ? 0x04 : 1u << irq);
    ck_assert_uint_eq(isr(&board, 0xa0), cascaded ? 1u << (irq - 8) : 0);
    near_set_irq(&board.near, irq, false);
    near_set_irq(&board.near, irq, true);
    ck_assert(!board.state.intr); /* in service still */
    if (cascaded) {
        put(&board, 0xa0, 0x20);
        ck_assert(!board.state.intr);
    }
    put(&board, 0x20, 0x20);
    ck_assert(board.state.intr);
    ck_assert_uint_eq(near_acknowledge(&board.near), 0x30 + irq);
}
END_TEST

/* Without the slave's EOI the slave asks for higher levels only; without the master's for none at all. */
START_TEST(slave_in_service_holds_its_lower_levels)
{
    setup();
    near_set_irq(&board.near, 12, true);
    near_acknowledge(&board.near);
    put(&board, 0x20, 0x20);
    near_set_irq(&board.near, 14, true);
    ck_assert(!board.state.intr);
    near_set_irq(&board.near, 9, true);
    ck_assert_uint_eq(near_acknowledge(&board.near), 0x39);
    ck_assert_uint_eq(isr(&board, 0xa0), 0x12);
    put(&board, 0xa0, 0x20), put(&board, 0xa0, 0x20);
    ck_assert(!board.state.intr);
    put(&board, 0x20, 0x20);
    ck_assert_uint_eq(near_acknowledge(&board.near), 0x3e);
}
END_TEST

START_TEST(acknowledge_without_request_is_spurious)
{
    setup();
    ck_assert_uint_eq(near_acknowledge(&board.near), 0x37);
    ck_assert_uint_eq(isr(&board, 0x20), 0);
    near_set_irq(&board.near, 3, true);
    near_set_irq(&board.near, 3, false);
    ck_assert_uint_eq(board.intr_changes, 2);
    ck_assert_uint_eq(near_acknowledge(&board.near), 0x37);
}
END_TEST

START_TEST(gate_2_starts_and_stops_counter_2)
{
    setup();
    put(&board, 0x43, 0xb0), put(&board, 0x42, 100), put(&board, 0x42, 0);
    board.now += ticks(1000);
    ck_assert(!near_out2(&board.near));
    near_set_gate2(&board.near, true);
    board.now += ticks(60);
    near_set_gate2(&board.near, false);
    board.now += ticks(1000);
    ck_assert(!near_out2(&board.near));
    near_set_gate2(&board.near, true);
    board.now += ticks(39);
    ck_assert(!near_out2(&board.near));
    board.now += ticks(2);
    ck_assert(near_out2(&board.near));
    ck_assert(!board.state.intr && board.state.deadline == DEVICE_NEVER); /* nobody is wired to it */
}
END_TEST

START_TEST(reset_ends_everything_but_the_gate)
{
    setup();
    near_set_gate2(&board.near, true);
    begin_ticking(100);
    put(&board, 0x80, 0x42);
    near_set_irq(&board.near, 12, true);
    ck_assert(board.state.intr);
    near_reset(&board.near);
    ck_assert(!board.told_intr && !board.state.intr && board.state.deadline == DEVICE_NEVER);
    ck_assert_uint_eq(get(&board, 0x80), 0);
    ck_assert_uint_eq(get(&board, 0x21), 0xff);
    put(&board, 0x43, 0xb0), put(&board, 0x42, 100), put(&board, 0x42, 0);
    board.now += ticks(102);
    ck_assert(near_out2(&board.near));
}
END_TEST

/* ---- Ports ----------------------------------------------------------------------------------- */

static bool is_own(uint16_t port)
{
    for (unsigned i = 0; i < ARRAY_SIZE(near_bench_ports); i++) {
        if (port == near_bench_ports[i])
            return true;
    }
    return false;
}

START_TEST(other_ports_are_refused_and_change_nothing)
{
    struct near_state before;

    setup();
    before = board.state;
    for (unsigned port = 0; port < 0x10000; port++) {
        uint8_t value = 0x5a;

        if (is_own((uint16_t)port))
            continue;
        if (near_read(&board.near, (uint16_t)port, &value) || value != 0x5a)
            ck_abort_msg("%04x is read", port);
        if (near_write(&board.near, (uint16_t)port, 0x11))
            ck_abort_msg("%04x is written", port);
    }
    ck_assert_mem_eq(&before, &board.state, sizeof(before));
    for (unsigned i = 0; i < ARRAY_SIZE(near_bench_ports); i++) {
        get(&board, near_bench_ports[i]);
        put(&board, near_bench_ports[i], 0x11);
    }
}
END_TEST

START_TEST(elcr_keeps_what_can_be_set)
{
    setup();
    put(&board, 0x4d0, 0xff), put(&board, 0x4d1, 0xff);
    ck_assert_uint_eq(get(&board, 0x4d0), 0xf8);
    ck_assert_uint_eq(get(&board, 0x4d1), 0xde);
    put(&board, 0x4d0, 0x20), put(&board, 0x4d1, 0x08);
    ck_assert_uint_eq(get(&board, 0x4d0), 0x20);
    ck_assert_uint_eq(get(&board, 0x4d1), 0x08);
}
END_TEST

START_TEST(level_lines_request_until_they_fall)
{
    unsigned irq = _i ? 11 : 5;

    setup();
    put(&board, irq < 8 ? 0x4d0 : 0x4d1, 1u << irq % 8);
    near_set_irq(&board.near, irq, true);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_uint_eq(near_acknowledge(&board.near), 0x30 + irq);
        put(&board, 0xa0, 0x20), put(&board, 0x20, 0x20);
        ck_assert(board.told_intr);
    }
    near_set_irq(&board.near, irq, false);
    ck_assert(!board.told_intr);
}
END_TEST

START_TEST(post_code_is_traced_and_reads_back)
{
    setup();
    put(&board, 0x80, 0x42);
    ck_assert_str_eq(board.event->name, "port80_post");
    ck_assert_uint_eq(get(&board, 0x80), 0x42);
}
END_TEST

static TCase *board_case(void)
{
    TCase *tc = tcase_create("board");

    tcase_add_test(tc, wakes_silent);
    tcase_add_test(tc, tick_goes_from_programming_to_vector);
    tcase_add_test(tc, masked_tick_waits);
    tcase_add_test(tc, deadline_ends_with_the_count);
    tcase_add_loop_test(tc, request_reaches_the_processor, 0, 16);
    tcase_add_test(tc, slave_in_service_holds_its_lower_levels);
    tcase_add_test(tc, acknowledge_without_request_is_spurious);
    tcase_add_test(tc, gate_2_starts_and_stops_counter_2);
    tcase_add_test(tc, reset_ends_everything_but_the_gate);
    tcase_add_test(tc, other_ports_are_refused_and_change_nothing);
    tcase_add_test(tc, elcr_keeps_what_can_be_set);
    tcase_add_loop_test(tc, level_lines_request_until_they_fall, 0, 2);
    tcase_add_test(tc, post_code_is_traced_and_reads_back);
    return tc;
}

int main(void)
{
    Suite *suite = suite_create("near");

    suite_add_tcase(suite, board_case());
    return bench_main(suite);
}
