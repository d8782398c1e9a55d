/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Timer ticks on a busy host: time passes by the clock of the test, and the guest has as much of the
 * processor as the test gives it. As many ticks as periods, not one lost and not one too many; and none that
 * the guest held back itself.
 */
#include "near_bench.h"

enum {
    US = 1000,
    MS = 1000 * US,
    COUNT = 1193,                         /* 1000 Hz */
    PERIOD = (COUNT * 88000 + 104) / 105, /* ns, of counter 0 */
    STEP = 5 * US,                        /* of a simulation */
    HANDLER = 15 * US,                    /* what a guest needs for a tick */
    SLICE = 3 * MS,                       /* of the host's scheduler */
};

/* A guest that counts ticks. */
static struct guest {
    uint64_t ticks, gap; /* taken; the shortest time between two of them */
    uint64_t last;       /* when it took one */
    uint64_t handler;    /* how much of its own time a tick takes */
    uint64_t left;       /* of that, for the one under way */
    bool deaf;           /* IF is clear */
} guest;

static uint64_t began; /* when counter 0 did */

static void start_guest(uint8_t control)
{
    guest = (struct guest){ .gap = UINT64_MAX, .handler = HANDLER };
    put(&board, 0x43, control);
    put(&board, 0x40, COUNT & 0xff), put(&board, 0x40, COUNT >> 8);
    if (board.told_intr) { /* OUT is high from the control word on */
        near_acknowledge(&board.near);
        put(&board, 0x20, 0x20);
    }
    began = board.now;
}

static uint64_t periods(void)
{
    return (board.now - began) * 105 / 88000 / COUNT;
}

static void take(struct board *b)
{
    ck_assert_uint_eq(near_acknowledge(&b->near), 0x30);
    put(b, 0x20, 0x20);
    guest.ticks++;
    if (b->now - guest.last < guest.gap)
        guest.gap = b->now - guest.last;
    guest.last = b->now;
    guest.left = guest.handler;
}

/* The guest has the processor for `ns`. */
static void on(uint64_t ns)
{
    for (uint64_t end = board.now + ns; board.now < end; board.now += STEP, board.run_ns += STEP) {
        serve(&board);
        if (guest.left)
            guest.left -= guest.left < STEP ? guest.left : STEP;
        else if (board.told_intr && !guest.deaf)
            take(&board);
    }
}

/* Much time for the guest, up to the middle of a period. */
static void rest(void)
{
    on(1000 * MS);
    on(PERIOD - (board.now - began) % PERIOD + PERIOD / 2);
}

/* Others have it. */
static void off(uint64_t ns)
{
    board.now += ns;
}

/* ---- What is owed ---------------------------------------------------------------------------- */

/* The main program serves the timer, and the guest is not let run. */
START_TEST(edge_while_the_last_is_requested_is_owed)
{
    setup();
    start_guest(_i ? 0x34 : 0x36);
    for (unsigned i = 0; i < 3; i++) {
        board.now = board.state.deadline;
        ck_assert(serve(&board));
        ck_assert(board.told_intr);
    }
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_msg(board.told_intr, "%u", i);
        take(&board);
        ck_assert(!board.told_intr);
        if (i == 2)
            break;
        ck_assert_uint_le(board.state.deadline, board.now + PERIOD / 4);
        board.now = board.state.deadline;
        ck_assert(serve(&board));
    }
    ck_assert_uint_eq(guest.ticks, periods());
}
END_TEST

/* An edge is given, the chips change hands, which takes long, and where they arrive the timer is served
 * first. */
START_TEST(late_hand_over_loses_none)
{
    static struct board other;

    setup();
    start_guest(0x34);
    for (unsigned i = 0; i < 50; i++) {
        board.now = board.state.deadline;
        serve(&board);
        board.now += (uint64_t)i * MS / 10;
        move(&other, &board);
        serve(&other);
        take(&other);
        other.now += i % 3 * MS;
        other.run_ns += 20 * US;
        serve(&other);
        move(&board, &other);
        sit(&board, &host);
    }
    rest();
    ck_assert_uint_eq(guest.ticks, periods());
}
END_TEST

/* A tick that is due when the guest takes the one before is not forgotten for it. */
START_TEST(taking_one_does_not_skip_the_next)
{
    setup();
    start_guest(0x34);
    board.now = board.state.deadline;
    serve(&board);
    board.now += 2 * PERIOD;
    serve(&board);
    board.now += PERIOD; /* due, and not served */
    take(&board);
    rest();
    ck_assert_uint_eq(guest.ticks, periods());
}
END_TEST

START_TEST(a_poll_takes_a_tick_too)
{
    setup();
    start_guest(0x34);
    board.now = board.state.deadline + 2 * PERIOD;
    serve(&board);
    put(&board, 0x20, 0x0c);
    ck_assert_uint_eq(get(&board, 0x20), 0x80);
    put(&board, 0x20, 0x20);
    ck_assert(!board.told_intr);
    guest.ticks++;
    rest();
    ck_assert_uint_eq(guest.ticks, periods());
}
END_TEST

/* ---- A busy host ----------------------------------------------------------------------------- */

/* Beside `others` busy processes the guest has one slice of each round. */
START_TEST(none_is_lost_beside_busy_processes)
{
    unsigned others = _i;

    setup();
    start_guest(0x34);
    for (unsigned ms = 0; ms < 10000; ms += SLICE / MS * (others + 1)) {
        on(SLICE - 700 * US);
        off(SLICE * others + 700 * US);
        ck_assert_uint_le(guest.ticks, periods());
        ck_assert_msg(periods() - guest.ticks < 1000, "%u others: %d behind after %u ms", others,
                      (int)(periods() - guest.ticks), ms);
    }
    rest();
    ck_assert_uint_eq(guest.ticks, periods());
}
END_TEST

/* The next is given a while after the last was taken, and the guest has most of its time for itself. */
START_TEST(a_second_is_made_up_for_without_a_storm)
{
    setup();
    start_guest(0x34);
    on(10 * MS);
    guest.gap = UINT64_MAX;
    off(999 * MS);
    on(50 * MS);
    ck_assert_msg(guest.gap >= 60 * US, "%d ns", (int)guest.gap);
    ck_assert_uint_lt(guest.ticks, 10 + 50 * 17);
    rest();
    ck_assert_uint_eq(guest.ticks, periods());
}
END_TEST

/* Whatever the guest asked for, and though its handler takes longer than the pause. */
START_TEST(the_fastest_timer_leaves_the_host_in_peace)
{
    uint64_t changes;

    setup();
    guest = (struct guest){ .gap = UINT64_MAX };
    put(&board, 0x43, 0x34);
    put(&board, 0x40, 30), put(&board, 0x40, 0); /* 25 us */
    off(2000 * MS);
    changes = board.deadline_changes;
    on(100 * MS);
    ck_assert_uint_ge(guest.gap, 20 * US - STEP);
    ck_assert_uint_lt(board.deadline_changes - changes, 3 * 100 * MS / (20 * US));
}
END_TEST

START_TEST(more_than_a_second_is_lost)
{
    setup();
    start_guest(0x34);
    off(5 * UINT64_C(1000000000));
    on(1000 * MS);
    ck_assert_uint_ge(guest.ticks, 1999);
    ck_assert_uint_le(guest.ticks, 2002);
}
END_TEST

/* ---- What the guest holds back itself -------------------------------------------------------- */

enum hold { MASKED, DEAF, IN_SERVICE, HOLDS };

static void hold_back(enum hold how)
{
    switch (how) {
    case MASKED:
        put(&board, 0x21, 0xff);
        break;
    case DEAF:
        guest.deaf = true;
        break;
    default: /* a handler that runs on, with the next one requested */
        board.now = board.state.deadline;
        serve(&board);
        near_acknowledge(&board.near);
        guest.ticks++;
        break;
    }
}

static void let_go(enum hold how)
{
    switch (how) {
    case MASKED:
        put(&board, 0x21, 0x00);
        break;
    case DEAF:
        guest.deaf = false;
        break;
    default:
        put(&board, 0x20, 0x20);
        break;
    }
}

/* As an 8259A has it: one request is kept, whatever the guest does with its time. */
START_TEST(what_the_guest_holds_back_is_one_tick)
{
    static const unsigned ms[] = { 2, 3, 10, 5000 };
    enum hold how = _i % HOLDS;
    uint64_t before;

    setup();
    start_guest(0x34);
    on(10 * MS);
    hold_back(how);
    before = guest.ticks;
    on((uint64_t)ms[_i / HOLDS] * MS + MS / 2);
    ck_assert_uint_eq(guest.ticks, before);
    let_go(how);
    on(MS / 3);
    ck_assert_uint_eq(guest.ticks, before + 1);
    before = guest.ticks + periods();
    on(100 * MS);
    ck_assert_uint_eq(guest.ticks + periods() - before, 200);
}
END_TEST

/* Beside busy processes, what came before the guest had had a period of its own is all that is made up for.
 */
START_TEST(a_mask_on_a_busy_host_is_no_storm_later)
{
    enum hold how = _i;
    uint64_t before, behind;

    setup();
    start_guest(0x34);
    on(10 * MS);
    hold_back(how);
    for (unsigned i = 0; i < 500; i++) {
        off(2 * SLICE);
        on(SLICE);
    }
    before = guest.ticks, behind = periods();
    let_go(how);
    on(100 * MS);
    ck_assert_uint_ge(guest.ticks - before, 101);
    ck_assert_uint_le(guest.ticks - before, periods() - behind + 2 * 2 * SLICE / MS);
}
END_TEST

/* Debts from before are not forgotten for it. */
START_TEST(what_was_owed_before_stays_owed)
{
    setup();
    start_guest(0x34);
    off(100 * MS);
    serve(&board);
    put(&board, 0x21, 0xff);
    on(20 * MS);
    put(&board, 0x21, 0x00);
    on(100 * MS);
    ck_assert_uint_ge(guest.ticks, 200);
    ck_assert_uint_le(guest.ticks, 202);
}
END_TEST

/* Not even the start of the chip in a guest that has interrupts off until it is through. */
START_TEST(programmed_with_interrupts_off_is_one_tick)
{
    setup();
    guest = (struct guest){ .gap = UINT64_MAX, .deaf = true };
    put(&board, 0x43, 0x34);
    put(&board, 0x40, COUNT & 0xff), put(&board, 0x40, COUNT >> 8);
    began = board.now;
    on(30 * MS + MS / 2);
    guest.deaf = false;
    on(MS / 4);
    ck_assert_uint_eq(guest.ticks, 1);
}
END_TEST

/* ---- Other ways to use it -------------------------------------------------------------------- */

START_TEST(a_new_count_forgets_what_is_owed)
{
    setup();
    start_guest(0x34);
    off(500 * MS);
    serve(&board);
    start_guest(0x34);
    rest();
    ck_assert_uint_eq(guest.ticks, periods());
}
END_TEST

/* The edges were of a count that is no more. */
START_TEST(a_one_shot_forgets_what_is_owed)
{
    setup();
    start_guest(0x34);
    off(500 * MS);
    serve(&board);
    take(&board);
    start_guest(0x30);
    on(100 * MS);
    ck_assert_uint_eq(guest.ticks, 1);
}
END_TEST

/* A count that ends is one interrupt however late the host is, and one with the request that is there. */
START_TEST(one_shots_are_not_multiplied)
{
    static const uint8_t modes[] = { 0x30, 0x38 };

    setup();
    start_guest(modes[_i]);
    off(50 * MS);
    on(50 * MS);
    ck_assert_uint_eq(guest.ticks, 1);
    guest.deaf = true;
    for (unsigned i = 0; i < 3; i++) {
        put(&board, 0x40, COUNT & 0xff), put(&board, 0x40, COUNT >> 8);
        off(2 * MS);
        serve(&board);
    }
    guest.deaf = false;
    on(50 * MS);
    ck_assert_uint_eq(guest.ticks, 2);
}
END_TEST

START_TEST(reset_forgets_what_is_owed)
{
    setup();
    start_guest(0x34);
    off(500 * MS);
    serve(&board);
    near_reset(&board.near);
    ck_assert_uint_eq(board.state.deadline, DEVICE_NEVER);
    init_pics(&board);
    start_guest(0x34);
    rest();
    ck_assert_uint_eq(guest.ticks, periods());
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("late ticks");
    TCase *owed = tcase_create("owed"), *busy = tcase_create("busy host"), *held = tcase_create("held back"),
          *other = tcase_create("other ways");

    tcase_add_loop_test(owed, edge_while_the_last_is_requested_is_owed, 0, 2);
    tcase_add_test(owed, late_hand_over_loses_none);
    tcase_add_test(owed, taking_one_does_not_skip_the_next);
    tcase_add_test(owed, a_poll_takes_a_tick_too);
    tcase_add_loop_test(busy, none_is_lost_beside_busy_processes, 0, 12);
    tcase_add_test(busy, a_second_is_made_up_for_without_a_storm);
    tcase_add_test(busy, the_fastest_timer_leaves_the_host_in_peace);
    tcase_add_test(busy, more_than_a_second_is_lost);
    tcase_add_loop_test(held, what_the_guest_holds_back_is_one_tick, 0, 4 * HOLDS);
    tcase_add_loop_test(held, a_mask_on_a_busy_host_is_no_storm_later, 0, HOLDS);
    tcase_add_test(held, what_was_owed_before_stays_owed);
    tcase_add_test(held, programmed_with_interrupts_off_is_one_tick);
    tcase_add_test(other, a_new_count_forgets_what_is_owed);
    tcase_add_test(other, a_one_shot_forgets_what_is_owed);
    tcase_add_loop_test(other, one_shots_are_not_multiplied, 0, 2);
    tcase_add_test(other, reset_forgets_what_is_owed);
    suite_add_tcase(suite, owed);
    suite_add_tcase(suite, busy);
    suite_add_tcase(suite, held);
    suite_add_tcase(suite, other);
    return bench_main(suite);
}
