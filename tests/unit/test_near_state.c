/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The state of the chips next to the processor, which goes from one board to another and may come from where
 * nobody is trusted. D86_LONG=1 takes more random states; D86_SEED=n begins elsewhere.
 */
#include "near_bench.h"

/* ---- Going on elsewhere ----------------------------------------------------------------------- */

static uint64_t seed_from_environment(void)
{
    const char *text = getenv("D86_SEED");

    return text ? strtoul(text, NULL, 0) : 20251121;
}

static unsigned rounds(unsigned usual, unsigned times)
{
    return getenv("D86_LONG") ? usual * times : usual;
}

static uint32_t next(uint64_t *random)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*random >> 32);
}

/* What came of one act, as a processor and its clock see it. */
struct outcome {
    uint64_t deadline;
    uint32_t value;
    bool intr, out2;
};

/* Let time pass: to the timer's deadline if that is near, or by a moment, or by far too much. */
static uint32_t pass_time(struct board *b, uint32_t r)
{
    uint64_t left = b->state.deadline > b->now ? b->state.deadline - b->now : 0;

    if (r % 4 == 0 && left < 1000000000)
        b->now += left;
    else if (r % 61 == 0)
        b->now += (uint64_t)r * 1000; /* more than an hour at most */
    else
        b->now += r >> 4 & 0x3ffff;
    return serve(b);
}

/* A port, and more often than not a byte that means something there. */
static uint32_t write_something(struct board *b, uint32_t r)
{
    static const struct {
        uint16_t port;
        uint8_t value;
    } likely[] = { { 0x20, 0x20 }, { 0xa0, 0x20 }, { 0x21, 0x00 }, { 0xa1, 0x00 }, { 0x43, 0x34 },
                   { 0x43, 0xb6 }, { 0x43, 0x00 }, { 0x43, 0xde }, { 0x20, 0x0c }, { 0x20, 0x11 },
                   { 0xa0, 0x11 }, { 0x21, 0x30 }, { 0xa1, 0x02 }, { 0x21, 0x04 }, { 0x40, 0x10 } };
    unsigned i = (r >> 8) % (2 * ARRAY_SIZE(likely));

    if (i < ARRAY_SIZE(likely))
        put(b, likely[i].port, likely[i].value);
    else
        put(b, near_bench_ports[(r >> 8) % ARRAY_SIZE(near_bench_ports)], (uint8_t)(r >> 24));
    return 0;
}

/* One thing that a processor, a clock or another chip does. */
static uint32_t act_by(struct board *b, uint32_t r)
{
    unsigned irq;

    switch (r % 16) {
    case 0:
    case 1:
    case 2:
        return get(b, near_bench_ports[(r >> 8) % ARRAY_SIZE(near_bench_ports)]);
    case 3:
    case 4:
    case 5:
    case 6:
        return pass_time(b, r >> 4);
    case 7:
    case 8:
    case 9:
        irq = r >> 8 & 15;
        if (irq != NEAR_IRQ_TIMER && irq != NEAR_IRQ_CASCADE)
            near_set_irq(&b->near, irq, r >> 12 & 1);
        return 0;
    case 10:
    case 11:
        return b->state.intr || r % 5 == 0 ? near_acknowledge(&b->near) : 0;
    case 12:
        near_set_gate2(&b->near, r >> 8 & 1);
        return 0;
    default:
        return write_something(b, r);
    }
}

static struct outcome act(struct board *b, uint64_t *random)
{
    uint32_t value = act_by(b, next(random));

    return (struct outcome){ b->state.deadline, value, b->state.intr, near_out2(&b->near) };
}

static void expect_same(const char *name, unsigned round, unsigned i, const struct outcome *got,
                        const struct outcome *wanted)
{
    if (got->value == wanted->value && got->intr == wanted->intr && got->out2 == wanted->out2 &&
        got->deadline == wanted->deadline)
        return;
    ck_abort_msg("%s: round %u, act %u: %02x intr %d out2 %d deadline %llu, not %02x %d %d %llu", name, round,
                 i, got->value, got->intr, got->out2, (unsigned long long)got->deadline, wanted->value,
                 wanted->intr, wanted->out2, (unsigned long long)wanted->deadline);
}

enum step_kind { END, OUT, IN, WAIT, LATE, IRQ, ACK, GATE2 };

struct step {
    enum step_kind kind;
    uint16_t port;  /* IRQ: its number */
    uint32_t value; /* WAIT, served when due, and LATE, not served: us. IRQ, GATE2: level */
};

/* Where a state is likely to be torn: everything that an access leaves for the next one. */
/* clang-format off */
static const struct {
    const char *name;
    struct step steps[8];
} middles[] = {
    { "after a reset", { { END, 0, 0 } } },
    { "between the bytes of a count", { { OUT, 0x43, 0x34 }, { OUT, 0x40, 0x12 } } },
    { "between the bytes of a mode 0 count that ran",
      { { OUT, 0x43, 0x30 }, { OUT, 0x40, 0 }, { OUT, 0x40, 9 }, { WAIT, 0, 500 }, { OUT, 0x40, 7 } } },
    { "between the bytes of a read",
      { { OUT, 0x43, 0x34 }, { OUT, 0x40, 0 }, { OUT, 0x40, 9 }, { WAIT, 0, 500 }, { IN, 0x40, 0 } } },
    { "with a latched count",
      { { OUT, 0x43, 0x34 }, { OUT, 0x40, 0 }, { OUT, 0x40, 9 }, { WAIT, 0, 500 }, { OUT, 0x43, 0x00 } } },
    { "with half a latched count read",
      { { OUT, 0x43, 0x74 }, { OUT, 0x41, 0x34 }, { OUT, 0x41, 0x12 }, { WAIT, 0, 700 },
        { OUT, 0x43, 0x40 }, { IN, 0x41, 0 } } },
    { "with count and status of all latched",
      { { OUT, 0x43, 0x35 }, { OUT, 0x40, 0x99 }, { OUT, 0x40, 0x99 }, { WAIT, 0, 90 }, { OUT, 0x43, 0xce } } },
    { "with a count waiting for the cycle",
      { { OUT, 0x43, 0x36 }, { OUT, 0x40, 0 }, { OUT, 0x40, 9 }, { WAIT, 0, 500 },
        { OUT, 0x40, 1 }, { OUT, 0x40, 4 } } },
    { "with counter 2 stopped by its gate",
      { { GATE2, 0, 1 }, { OUT, 0x43, 0xb0 }, { OUT, 0x42, 0 }, { OUT, 0x42, 1 }, { WAIT, 0, 100 },
        { GATE2, 0, 0 } } },
    { "with counter 2 triggered",
      { { OUT, 0x43, 0xb2 }, { OUT, 0x42, 0 }, { OUT, 0x42, 1 }, { GATE2, 0, 1 }, { WAIT, 0, 50 } } },
    { "with ticks owed",
      { { OUT, 0x43, 0x34 }, { OUT, 0x40, 0 }, { OUT, 0x40, 4 }, { LATE, 0, 20000 }, { WAIT, 0, 1 } } },
    { "with a tick due", { { OUT, 0x43, 0x34 }, { OUT, 0x40, 0 }, { OUT, 0x40, 4 }, { LATE, 0, 5000 } } },
    { "with a tick requested",
      { { OUT, 0x43, 0x34 }, { OUT, 0x40, 0 }, { OUT, 0x40, 4 }, { WAIT, 0, 1000 } } },
    { "before ICW2", { { OUT, 0x20, 0x11 } } },
    { "before ICW3", { { OUT, 0x20, 0x11 }, { OUT, 0x21, 0x40 } } },
    { "before ICW4", { { OUT, 0x20, 0x11 }, { OUT, 0x21, 0x40 }, { OUT, 0x21, 0x04 } } },
    { "before the slave's ICW3", { { OUT, 0xa0, 0x11 }, { OUT, 0xa1, 0x48 } } },
    { "with an interrupt in service", { { IRQ, 5, 1 }, { ACK, 0, 0x35 } } },
    { "with two in service",
      { { IRQ, 12, 1 }, { ACK, 0, 0x3c }, { OUT, 0xa0, 0x20 }, { IRQ, 1, 1 }, { ACK, 0, 0x31 } } },
    { "with the slave asking", { { IRQ, 12, 1 } } },
    { "with an edge behind a mask", { { OUT, 0x21, 0x20 }, { IRQ, 5, 1 } } },
    { "with a level line up", { { OUT, 0x4d1, 0x08 }, { IRQ, 11, 1 }, { ACK, 0, 0x3b } } },
    { "with a poll on its way", { { IRQ, 5, 1 }, { OUT, 0x20, 0x0c } } },
    { "with ISR chosen for reads", { { IRQ, 5, 1 }, { ACK, 0, 0x35 }, { OUT, 0x20, 0x0b } } },
    { "with priorities rotated and special masks",
      { { IRQ, 5, 1 }, { ACK, 0, 0x35 }, { OUT, 0x20, 0xa0 }, { OUT, 0x20, 0x68 }, { OUT, 0x21, 0x40 } } },
    { "with automatic EOI that rotates",
      { { OUT, 0x20, 0x11 }, { OUT, 0x21, 0x30 }, { OUT, 0x21, 0x04 }, { OUT, 0x21, 0x03 },
        { OUT, 0x20, 0x80 }, { IRQ, 3, 1 } } },
    { "with a POST code", { { OUT, 0x80, 0x77 } } },
};
/* clang-format on */

static void run_for(struct board *b, uint64_t ns)
{
    uint64_t end = b->now + ns;

    while (b->state.deadline <= end) {
        b->now = b->state.deadline > b->now ? b->state.deadline : b->now;
        near_run_timer(&b->near);
    }
    b->now = end;
}

static void take_step(struct board *b, const struct step *step)
{
    switch (step->kind) {
    case OUT:
        put(b, step->port, (uint8_t)step->value);
        break;
    case IN:
        get(b, step->port);
        break;
    case WAIT:
        run_for(b, step->value * UINT64_C(1000));
        break;
    case LATE:
        b->now += step->value * UINT64_C(1000);
        break;
    case IRQ:
        near_set_irq(&b->near, step->port, step->value);
        break;
    case ACK:
        ck_assert_uint_eq(near_acknowledge(&b->near), step->value);
        break;
    case GATE2:
        near_set_gate2(&b->near, step->value);
        break;
    default:
        break;
    }
}

enum { ACTS = 200 };

/* The original does everything first: were something left elsewhere than in the state, the copy would see it.
 */
static void expect_copy_goes_on(const char *name, const struct board *at, unsigned round, uint64_t seed)
{
    static struct outcome wanted[ACTS];
    struct board original, copy;
    uint64_t random = seed;

    move(&original, at);
    move(&copy, at);
    for (unsigned i = 0; i < ACTS; i++)
        wanted[i] = act(&original, &random);
    random = seed;
    for (unsigned i = 0; i < ACTS; i++) {
        struct outcome got = act(&copy, &random);

        expect_same(name, round, i, &got, &wanted[i]);
    }
}

START_TEST(copy_goes_on_like_the_original)
{
    uint64_t seed = seed_from_environment();
    unsigned count = rounds(50, 100);

    setup();
    for (unsigned i = 0; i < ARRAY_SIZE(middles[_i].steps) && middles[_i].steps[i].kind != END; i++)
        take_step(&board, &middles[_i].steps[i]);
    ck_assert(near_is_valid(&board.state));
    for (unsigned i = 0; i < count; i++)
        expect_copy_goes_on(middles[_i].name, &board, i, seed + i);
}
END_TEST

/* What is in the middle of something is finished by the copy as the books have it. */
START_TEST(copy_finishes_what_was_begun)
{
    struct board copy;

    setup();
    begin_ticking(7);
    put(&board, 0x43, 0x34), put(&board, 0x40, 0x34);             /* half a count */
    put(&board, 0xa1, 0x10), near_set_irq(&board.near, 12, true); /* behind a mask */
    near_set_irq(&board.near, 6, true);
    ck_assert_uint_eq(near_acknowledge(&board.near), 0x36); /* in service */
    put(&board, 0xa0, 0x0b);                                /* ISR is chosen for reads */
    move(&copy, &board);

    put(&copy, 0x40, 0x12);
    ck_assert_uint_eq(copy.state.deadline, copy.now + ticks(0x1234 + 1));
    copy.now += ticks(0x35);
    put(&copy, 0x43, 0x00);
    move(&board, &copy);
    ck_assert_uint_eq(get(&board, 0x40), 0x00);
    move(&copy, &board);
    copy.now += ticks(1000);
    ck_assert_uint_eq(get(&copy, 0x40), 0x12);

    ck_assert_uint_eq(get(&copy, 0xa0), 0x00);
    put(&copy, 0xa1, 0x00); /* IRQ 12 comes before 6 */
    ck_assert_uint_eq(near_acknowledge(&copy.near), 0x3c);
    ck_assert_uint_eq(get(&copy, 0xa0), 0x10);
    ck_assert_uint_eq(isr(&copy, 0x20), 0x44);
}
END_TEST

/* Two boards that hand each other the chips all the time against one that has them to itself. */
START_TEST(handing_the_chips_round_changes_nothing)
{
    uint64_t first = seed_from_environment();
    unsigned count = rounds(200, 100);

    for (unsigned round = 0; round < count; round++) {
        static struct outcome wanted[ACTS];
        static struct board two[2];
        uint64_t random = first + round, turns = ~random;

        setup();
        move(&two[0], &board);
        for (unsigned i = 0; i < ACTS; i++)
            wanted[i] = act(&board, &random);
        random = first + round;
        for (unsigned i = 0, at = 0; i < ACTS; i++) {
            struct outcome got = act(&two[at], &random);

            expect_same("handed round", round, i, &got, &wanted[i]);
            if (next(&turns) % 3 == 0) {
                move(&two[1 - at], &two[at]);
                at = 1 - at;
            }
        }
    }
}
END_TEST

/* ---- Which states there are ------------------------------------------------------------------- */

START_TEST(random_programming_gives_valid_states)
{
    uint64_t random = seed_from_environment();
    unsigned count = rounds(200000, 100);

    power_on(&board);
    for (unsigned i = 0; i < count; i++) {
        uint64_t deadline = board.state.deadline;
        unsigned told = board.deadline_changes;

        act(&board, &random);
        if (!near_is_valid(&board.state))
            ck_abort_msg("act %u", i);
        if (board.state.deadline != deadline && board.state.deadline != DEVICE_NEVER &&
            board.deadline_changes == told)
            ck_abort_msg("act %u: the deadline moved in silence", i);
        if (serve(&board) && board.state.deadline <= board.now)
            ck_abort_msg("act %u: the timer has no end", i);
        if (i % 1000 == 999)
            near_reset(&board.near);
    }
}
END_TEST

/*
 * A field that the checks are about. Its place is the chip's own affair: it is where the states differ after
 * `a` and after `b`. Ports and control words are those of the first chip, or counter, of its kind.
 */
struct access {
    uint16_t port;
    uint8_t value;
};

enum { OF_PIC, OF_COUNTER, NOTHING_PORT = 0x80 };

/* clang-format off */
static const struct field {
    const char *name;
    unsigned of;
    struct access before[2], a, b;
    unsigned size;
    uint32_t least, most;
    uint32_t bad[4];
} fields[] = {
    { "step of the initialization", OF_PIC, { { 0x20, 0x11 } }, { NOTHING_PORT, 0 }, { 0x21, 0 },
      1, 0, 3, { 4, 8, 0x80, 0xff } },
    { "lowest level", OF_PIC, { { 0, 0 } }, { 0x20, 0xc0 }, { 0x20, 0xc5 }, 1, 0, 7, { 8, 9, 0x80, 0xff } },
    { "count", OF_COUNTER, { { 0x43, 0x12 } }, { 0x40, 5 }, { 0x40, 6 },
      4, 1, 65536, { 0, 65537, 0x80000000, 0xffffffff } },
    { "next count", OF_COUNTER, { { 0x43, 0x14 }, { 0x40, 9 } }, { 0x40, 5 }, { 0x40, 6 },
      4, 0, 65536, { 65537, 0x20000, 0x80000000, 0xffffffff } },
    { "mode", OF_COUNTER, { { 0, 0 } }, { 0x43, 0x38 }, { 0x43, 0x3a }, 1, 0, 5, { 6, 7, 0x80, 0xff } },
    { "bytes of a count", OF_COUNTER, { { 0, 0 } }, { 0x43, 0x1a }, { 0x43, 0x2a },
      1, 1, 3, { 0, 4, 0x80, 0xff } },
};
/* clang-format on */

static unsigned chips_with(const struct field *field)
{
    return field->of == OF_PIC ? 2 : 3;
}

static void put_to(struct board *b, const struct field *field, unsigned chip, struct access access)
{
    if (access.port == 0)
        return;
    if (field->of == OF_PIC && access.port != NOTHING_PORT)
        access.port += chip * 0x80;
    else if (field->of == OF_COUNTER && access.port == 0x43)
        access.value |= chip << 6;
    else if (field->of == OF_COUNTER)
        access.port += chip;
    put(b, access.port, access.value);
}

/* Where in the state it is. */
static size_t find_field(const struct field *field, unsigned chip)
{
    static struct board boards[2];
    const uint8_t *a = (const uint8_t *)&boards[0].state, *b = (const uint8_t *)&boards[1].state;
    size_t at = 0;
    unsigned differ = 0;

    for (unsigned i = 0; i < 2; i++) {
        power_on(&boards[i]);
        near_set_gate2(&boards[i].near, true);
        for (unsigned j = 0; j < ARRAY_SIZE(field->before); j++)
            put_to(&boards[i], field, chip, field->before[j]);
        put_to(&boards[i], field, chip, i ? field->b : field->a);
    }
    for (size_t i = 0; i < sizeof(struct near_state); i++) {
        if (a[i] != b[i]) {
            at = i;
            differ++;
        }
    }
    ck_assert_msg(differ == 1, "%s %u: %u bytes differ", field->name, chip, differ);
    return at;
}

static void set_field(struct near_state *state, const struct field *field, size_t at, uint32_t value)
{
    memcpy((uint8_t *)state + at, &value, field->size);
}

/* A board in the middle of things. */
static void make_busy(uint64_t *random)
{
    setup();
    for (unsigned i = 0; i < 50; i++)
        act(&board, random);
}

START_TEST(each_bad_field_is_refused)
{
    const struct field *field = &fields[_i];
    uint64_t random = seed_from_environment();

    for (unsigned chip = 0; chip < chips_with(field); chip++) {
        size_t at = find_field(field, chip);
        struct near_state state;

        make_busy(&random);
        state = board.state;
        set_field(&state, field, at, field->least);
        ck_assert_msg(near_is_valid(&state), "%s %u: least", field->name, chip);
        set_field(&state, field, at, field->most);
        ck_assert_msg(near_is_valid(&state), "%s %u: most", field->name, chip);
        for (unsigned i = 0; i < ARRAY_SIZE(field->bad); i++) {
            set_field(&state, field, at, field->bad[i]);
            ck_assert_msg(!near_is_valid(&state), "%s %u: %x", field->name, chip, field->bad[i]);
        }
    }
}
END_TEST

START_TEST(intr_is_low_or_high)
{
    setup();
    for (unsigned level = 0; level < 256; level++) {
        board.state.intr = (uint8_t)level;
        ck_assert(near_is_valid(&board.state) == (level <= 1));
    }
}
END_TEST

START_TEST(nothing_is_no_state)
{
    memset(&board.state, 0, sizeof(board.state));
    ck_assert(!near_is_valid(&board.state));
    memset(&board.state, 0xff, sizeof(board.state));
    ck_assert(!near_is_valid(&board.state));
}
END_TEST

/* ---- Hostile states ---------------------------------------------------------------------------- */

static void randomize(void *bytes, size_t size, uint64_t *random)
{
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)bytes)[i] = (uint8_t)next(random);
}

/* Anything but what is checked: that is what it may be, save for one field now and then. */
static void make_hostile(struct near_state *state, uint64_t *random)
{
    static size_t places[ARRAY_SIZE(fields)][3];

    if (next(random) % 4 == 0) {
        make_busy(random);
        *state = board.state;
        for (unsigned i = next(random) % 16; i; i--)
            ((uint8_t *)state)[next(random) % sizeof(*state)] = (uint8_t)next(random);
        return;
    }
    randomize(state, sizeof(*state), random);
    state->intr &= 1;
    state->apic &= 1;
    state->requested &= 1;
    for (unsigned i = 0; i < ARRAY_SIZE(fields); i++) {
        for (unsigned chip = 0; chip < chips_with(&fields[i]); chip++) {
            uint32_t value = fields[i].least + next(random) % (fields[i].most - fields[i].least + 1);

            if (!places[i][chip])
                places[i][chip] = find_field(&fields[i], chip);
            if (next(random) % 128)
                set_field(state, &fields[i], places[i][chip], value);
        }
    }
}

/* Time goes by years, or to where it ends. */
static void jump(struct board *b, uint64_t *random)
{
    uint64_t left = UINT64_MAX - b->now, far = (uint64_t)next(random) << (next(random) % 32);

    b->now += far < left ? far : left;
    if (serve(b) && b->state.deadline <= b->now && b->now < UINT64_MAX / 2)
        ck_abort_msg("the timer has no end at %llu", (unsigned long long)b->now);
}

/* OUT2 was high for no more than all of the time. */
static void expect_possible_level(struct board *b, uint32_t r)
{
    uint64_t to = b->now, from = to > r ? to - r : 0;

    ck_assert_uint_le(near_out2_high_ns(&b->near, from, to), to - from);
}

/*
 * Whatever is accepted does no harm: no crash, no loop without end, nothing that a sanitizer reports, and
 * INTR is still what the board is told.
 */
START_TEST(accepted_states_do_no_harm)
{
    uint64_t random = seed_from_environment();
    unsigned count = rounds(3000, 300), accepted = 0;

    for (unsigned i = 0; i < count; i++) {
        struct board b = { .now = next(&random) % 4 ? START_NS : (uint64_t)next(&random) << 32 };

        make_hostile(&b.state, &random);
        if (!near_is_valid(&b.state))
            continue;
        accepted++;
        b.state.heard = 0; /* which a board keeps its own of */
        sit(&b, &host);
        for (unsigned j = 0; j < ACTS; j++) {
            if (next(&random) % 16 == 0)
                jump(&b, &random);
            act(&b, &random);
            expect_possible_level(&b, next(&random));
        }
        ck_assert_msg(near_is_valid(&b.state), "state %u has become one that cannot be", i);
        near_reset(&b.near);
        ck_assert(!b.state.intr && b.state.deadline == DEVICE_NEVER);
        init_pics(&b);
        near_set_irq(&b.near, 5, false), near_set_irq(&b.near, 5, true);
        ck_assert(b.state.intr);
    }
    ck_assert_uint_gt(accepted, count / 4);
    ck_assert_uint_lt(accepted, count);
}
END_TEST

static TCase *state_case(void)
{
    TCase *tc = tcase_create("state");

    tcase_set_timeout(tc, getenv("D86_LONG") ? 1800 : 30);
    tcase_add_loop_test(tc, copy_goes_on_like_the_original, 0, ARRAY_SIZE(middles));
    tcase_add_test(tc, copy_finishes_what_was_begun);
    tcase_add_test(tc, handing_the_chips_round_changes_nothing);
    tcase_add_test(tc, random_programming_gives_valid_states);
    tcase_add_loop_test(tc, each_bad_field_is_refused, 0, ARRAY_SIZE(fields));
    tcase_add_test(tc, intr_is_low_or_high);
    tcase_add_test(tc, nothing_is_no_state);
    tcase_add_test(tc, accepted_states_do_no_harm);
    return tc;
}

int main(void)
{
    Suite *suite = suite_create("near_state");

    suite_add_tcase(suite, state_case());
    return bench_main(suite);
}
