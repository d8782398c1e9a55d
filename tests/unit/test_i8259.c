/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * 8259A: a master and a slave on two benches, wired as on a PC. Every row is a script of steps with the
 * vector or register value the datasheet asks for.
 */
#include "chip_bench.h"

static struct bench master, slave;

/* The slave's INT is the master's IR2; the benches do not know each other, so the test carries it over. */
static void wire(void)
{
    pin(&master, 2, slave.line[I8259_LINE_INT]);
}

static void setup_pair(void)
{
    bench_start(&master, &i8259_device, I8259_STRAP_MASTER, 0);
    bench_start(&slave, &i8259_device, 0, 0);
    master.slave = &slave;
    out(&master, 0, 0x11), out(&master, 1, 0x20), out(&master, 1, 0x04), out(&master, 1, 0x01);
    out(&slave, 0, 0x11), out(&slave, 1, 0x28), out(&slave, 1, 0x02), out(&slave, 1, 0x01);
}

static void raise(unsigned irq)
{
    pin(irq < 8 ? &master : &slave, irq % 8, true);
    wire();
}

static void lower(unsigned irq)
{
    pin(irq < 8 ? &master : &slave, irq % 8, false);
    wire();
}

static unsigned ack(void)
{
    unsigned vector = i8259_device.acknowledge(&master.dev, 0);

    wire();
    return vector;
}

static void eoi(struct bench *b, uint8_t ocw2)
{
    out(b, 0, ocw2);
    wire();
}

static uint8_t isr(struct bench *b)
{
    out(b, 0, 0x0b);
    return in(b, 0);
}

static uint8_t irr(struct bench *b)
{
    out(b, 0, 0x0a);
    return in(b, 0);
}

/* A step: what is done, and what must come of it. */
enum step_kind { END, RAISE, LOWER, ACK, NONE, MASTER, SLAVE, MASK, SLAVE_MASK, ISR, SLAVE_ISR, IRR, POLL };

struct step {
    enum step_kind kind;
    unsigned value; /* RAISE, LOWER: IRQ. ACK: vector expected. MASTER, SLAVE: OCW2 or OCW3 written. */
};

static const struct {
    const char *name;
    struct step steps[16];
} scripts[] = {
    { "a request is delivered once", { { RAISE, 3 }, { ACK, 0x23 }, { MASTER, 0x20 }, { NONE, 0 } } },
    { "a held edge line does not request again after EOI",
      { { RAISE, 3 },
        { ACK, 0x23 },
        { MASTER, 0x20 },
        { RAISE, 3 },
        { NONE, 0 },
        { LOWER, 3 },
        { RAISE, 3 },
        { ACK, 0x23 } } },
    { "an edge that falls before INTA ends as spurious 7",
      { { RAISE, 3 }, { LOWER, 3 }, { NONE, 0 }, { ACK, 0x27 }, { ISR, 0 } } },
    { "lower priority waits for EOI",
      { { RAISE, 3 }, { ACK, 0x23 }, { RAISE, 5 }, { NONE, 0 }, { MASTER, 0x20 }, { ACK, 0x25 } } },
    { "higher priority interrupts service",
      { { RAISE, 5 }, { ACK, 0x25 }, { RAISE, 3 }, { ACK, 0x23 }, { ISR, 0x28 } } },
    { "non-specific EOI ends the highest",
      { { RAISE, 5 }, { ACK, 0x25 }, { RAISE, 3 }, { ACK, 0x23 }, { MASTER, 0x20 }, { ISR, 0x20 } } },
    { "specific EOI ends the named level",
      { { RAISE, 5 }, { ACK, 0x25 }, { RAISE, 3 }, { ACK, 0x23 }, { MASTER, 0x65 }, { ISR, 0x08 } } },
    { "a mask holds a request back, not its latch",
      { { MASK, 0x08 }, { RAISE, 3 }, { NONE, 0 }, { IRR, 0x08 }, { MASK, 0x00 }, { ACK, 0x23 } } },
    { "a slave's vector comes through the cascade",
      { { RAISE, 12 }, { ACK, 0x2c }, { ISR, 0x04 }, { SLAVE_ISR, 0x10 } } },
    { "a mask on the slave withdraws its request from the master",
      { { RAISE, 12 }, { SLAVE_MASK, 0x10 }, { NONE, 0 }, { IRR, 0 }, { SLAVE_MASK, 0 }, { ACK, 0x2c } } },
    { "rotate on non-specific EOI puts the level last",
      { { RAISE, 0 },
        { ACK, 0x20 },
        { MASTER, 0xa0 },
        { LOWER, 0 },
        { RAISE, 0 },
        { RAISE, 1 },
        { ACK, 0x21 },
        { NONE, 0 } } },
    { "rotate on specific EOI",
      { { RAISE, 3 }, { ACK, 0x23 }, { MASTER, 0xe3 }, { RAISE, 1 }, { RAISE, 4 }, { ACK, 0x24 } } },
    { "set priority", { { MASTER, 0xc4 }, { RAISE, 0 }, { RAISE, 5 }, { ACK, 0x25 } } },
    { "OCW2 with SL alone does nothing", { { RAISE, 3 }, { ACK, 0x23 }, { MASTER, 0x40 }, { ISR, 0x08 } } },
    { "special mask lets lower levels through",
      { { RAISE, 3 },
        { ACK, 0x23 },
        { MASK, 0x08 },
        { RAISE, 5 },
        { NONE, 0 },
        { MASTER, 0x68 },
        { ACK, 0x25 },
        { ISR, 0x28 } } },
    { "non-specific EOI skips levels masked in special mask",
      { { RAISE, 3 },
        { ACK, 0x23 },
        { MASK, 0x08 },
        { MASTER, 0x68 },
        { RAISE, 5 },
        { ACK, 0x25 },
        { MASTER, 0x20 },
        { ISR, 0x08 } } },
    { "leaving special mask blocks again",
      { { RAISE, 3 },
        { ACK, 0x23 },
        { MASK, 0x08 },
        { MASTER, 0x68 },
        { MASTER, 0x48 },
        { RAISE, 5 },
        { NONE, 0 } } },
    { "poll acknowledges", { { RAISE, 4 }, { MASTER, 0x0c }, { POLL, 0x84 }, { ISR, 0x10 }, { NONE, 0 } } },
    { "poll without a request", { { MASTER, 0x0c }, { POLL, 0x07 }, { ISR, 0 } } },
    { "slave waits for the master's EOI in fully nested mode",
      { { RAISE, 12 },
        { ACK, 0x2c },
        { RAISE, 8 },
        { NONE, 0 },
        { SLAVE, 0x20 },
        { NONE, 0 },
        { MASTER, 0x20 },
        { ACK, 0x28 } } },
};

static void run_step(const char *name, unsigned index, const struct step *step)
{
    unsigned got = step->value;

    switch (step->kind) {
    case RAISE:
        raise(step->value);
        break;
    case LOWER:
        lower(step->value);
        break;
    case ACK:
        got = ack();
        break;
    case NONE:
        got = master.line[I8259_LINE_INT];
        break;
    case MASTER:
        eoi(&master, step->value);
        break;
    case SLAVE:
        eoi(&slave, step->value);
        break;
    case MASK:
        out(&master, 1, step->value);
        break;
    case SLAVE_MASK:
        out(&slave, 1, step->value);
        wire();
        break;
    case ISR:
        got = isr(&master);
        break;
    case SLAVE_ISR:
        got = isr(&slave);
        break;
    case IRR:
        got = irr(&master);
        break;
    case POLL:
        got = in(&master, 0);
        break;
    default:
        break;
    }
    ck_assert_msg(got == step->value, "%s: step %u: %02x, expected %02x", name, index, got, step->value);
}

START_TEST(follows_script)
{
    setup_pair();
    for (unsigned i = 0; scripts[_i].steps[i].kind != END; i++)
        run_step(scripts[_i].name, i, &scripts[_i].steps[i]);
}
END_TEST

START_TEST(slave_request_that_vanishes_gives_spurious_15)
{
    setup_pair();
    raise(12);
    pin(&slave, 4, false); /* the master has not been told yet */
    ck_assert_uint_eq(i8259_device.acknowledge(&master.dev, 0), 0x2f);
    ck_assert_uint_eq(isr(&slave), 0);
    ck_assert_uint_eq(isr(&master), 0x04);
}
END_TEST

START_TEST(level_lines_request_again_until_they_fall)
{
    setup_pair();
    out(&master, 2, 0xff);
    ck_assert_uint_eq(in(&master, 2), 0xff);
    out(&master, 2, 0x20);
    raise(5);
    ck_assert_uint_eq(ack(), 0x25);
    eoi(&master, 0x20);
    ck_assert_uint_eq(ack(), 0x25);
    lower(5);
    eoi(&master, 0x20);
    ck_assert(!master.line[0]);
}
END_TEST

START_TEST(fixed_elcr_bits_stay_clear)
{
    bench_start(&master, &i8259_device, I8259_STRAP_MASTER | 0x07, 0);
    out(&master, 2, 0xff);
    ck_assert_uint_eq(in(&master, 2), 0xf8);
}
END_TEST

START_TEST(ltim_makes_every_line_level_triggered)
{
    setup_pair();
    raise(3);
    out(&master, 0, 0x19), out(&master, 1, 0x20), out(&master, 1, 0x04), out(&master, 1, 0x01);
    ck_assert_uint_eq(ack(), 0x23);
}
END_TEST

START_TEST(icw1_clears_latches_masks_and_service)
{
    setup_pair();
    raise(3);
    ack();
    raise(1);
    out(&master, 1, 0x55);
    out(&master, 0, 0x11);
    ck_assert(!master.line[0]);
    out(&master, 1, 0x40), out(&master, 1, 0x04), out(&master, 1, 0x01);
    ck_assert_uint_eq(in(&master, 1), 0);
    ck_assert_uint_eq(isr(&master), 0);
    ck_assert_uint_eq(irr(&master), 0);
}
END_TEST

START_TEST(single_mode_has_no_icw3)
{
    bench_start(&master, &i8259_device, I8259_STRAP_MASTER, 0);
    out(&master, 0, 0x13), out(&master, 1, 0x60), out(&master, 1, 0x01);
    out(&master, 1, 0xfb); /* a mask already */
    ck_assert_uint_eq(in(&master, 1), 0xfb);
    pin(&master, 2, true);
    ck_assert_uint_eq(i8259_device.acknowledge(&master.dev, 0), 0x62);
}
END_TEST

static void init_with_icw4(uint8_t icw4)
{
    setup_pair();
    out(&master, 0, 0x11), out(&master, 1, 0x20), out(&master, 1, 0x04), out(&master, 1, icw4);
}

START_TEST(aeoi_leaves_nothing_in_service)
{
    init_with_icw4(0x03);
    raise(5);
    ck_assert_uint_eq(ack(), 0x25);
    ck_assert_uint_eq(isr(&master), 0);
    raise(6);
    ck_assert_uint_eq(ack(), 0x26);
}
END_TEST

START_TEST(rotate_in_aeoi_puts_each_served_level_last)
{
    init_with_icw4(0x03);
    out(&master, 0, 0x80);
    raise(1);
    ck_assert_uint_eq(ack(), 0x21);
    lower(1);
    raise(1);
    raise(4);
    ck_assert_uint_eq(ack(), 0x24);
    out(&master, 0, 0x00);
    ck_assert_uint_eq(ack(), 0x21);
    raise(7);
    lower(4);
    raise(4);
    ck_assert_uint_eq(ack(), 0x27); /* order stays 5 6 7 0 1 2 3 4 */
}
END_TEST

START_TEST(sfnm_lets_a_slave_interrupt_its_own_service)
{
    init_with_icw4(0x11);
    raise(12);
    ck_assert_uint_eq(ack(), 0x2c);
    raise(8);
    ck_assert(master.line[0]);
    ck_assert_uint_eq(ack(), 0x28);
    ck_assert_uint_eq(isr(&slave), 0x11);
}
END_TEST

START_TEST(survives_any_access)
{
    setup_pair();
    bench_storm(&master, 3, 8, 20000);
    for (unsigned i = 0; i < 1000; i++)
        i8259_device.acknowledge(&master.dev, i);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("i8259");
    TCase *tc = tcase_create("chip");

    tcase_add_loop_test(tc, follows_script, 0, ARRAY_SIZE(scripts));
    tcase_add_test(tc, slave_request_that_vanishes_gives_spurious_15);
    tcase_add_test(tc, level_lines_request_again_until_they_fall);
    tcase_add_test(tc, fixed_elcr_bits_stay_clear);
    tcase_add_test(tc, ltim_makes_every_line_level_triggered);
    tcase_add_test(tc, icw1_clears_latches_masks_and_service);
    tcase_add_test(tc, single_mode_has_no_icw3);
    tcase_add_test(tc, aeoi_leaves_nothing_in_service);
    tcase_add_test(tc, rotate_in_aeoi_puts_each_served_level_last);
    tcase_add_test(tc, sfnm_lets_a_slave_interrupt_its_own_service);
    tcase_add_test(tc, survives_any_access);
    suite_add_tcase(suite, tc);
    return bench_main(suite);
}
