/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The PC lends the chips next to the processor and takes them back: what goes out with them, what waits until
 * they are back, and what they may come back as.
 */
#include "pc_bench.h"

#include "devices/near.h"

static struct machine m;

/* Whoever runs the processor, with what it was lent. */
static struct {
    _Alignas(struct near_state) uint8_t state[PC_LENT_SIZE];
    struct near near;
    bool intr;
} cpu;

static uint64_t cpu_now(void *ctx)
{
    (void)ctx;
    return m.now;
}

static void cpu_intr(void *ctx, bool level)
{
    (void)ctx;
    cpu.intr = level;
}

static void cpu_deadline(void *ctx)
{
    (void)ctx;
}

static uint64_t cpu_run_ns(void *ctx)
{
    (void)ctx;
    return m.run_ns;
}

static const struct near_host cpu_host = {
    .now = cpu_now, .intr_changed = cpu_intr, .deadline_changed = cpu_deadline, .run_ns = cpu_run_ns
};

static struct near_state *lent(void)
{
    return (struct near_state *)cpu.state;
}

static void lend(void)
{
    memset(cpu.state, 0xa5, sizeof(cpu.state));
    pc_lend(m.pc, cpu.state);
    near_init(&cpu.near, lent(), &cpu_host, NULL);
    cpu.intr = lent()->intr;
}

static bool take_back(void)
{
    return pc_take_back(m.pc, cpu.state);
}

static uint8_t cpu_in(uint16_t port)
{
    uint8_t value;

    if (!near_read(&cpu.near, port, &value))
        ck_abort_msg("%04x is not lent", port);
    return value;
}

static void cpu_out(uint16_t port, uint8_t value)
{
    if (!near_write(&cpu.near, port, value))
        ck_abort_msg("%04x is not lent", port);
}

/* Vectors 30h and 38h, nothing masked; COM1 and COM2 ask for service when a byte arrives. */
static void setup(void)
{
    static const uint16_t writes[][2] = { { 0x20, 0x11 },  { 0x21, 0x30 },  { 0x21, 0x04 },  { 0x21, 0x01 },
                                          { 0xa0, 0x11 },  { 0xa1, 0x38 },  { 0xa1, 0x02 },  { 0xa1, 0x01 },
                                          { 0x3fc, 0x08 }, { 0x3f9, 0x01 }, { 0x2fc, 0x08 }, { 0x2f9, 0x01 },
                                          { 0x64, 0x60 },  { 0x60, 0x01 } };

    machine_start(&m);
    for (unsigned i = 0; i < ARRAY_SIZE(writes); i++)
        outb(&m, writes[i][0], (uint8_t)writes[i][1]);
}

static void teardown(void)
{
    machine_stop(&m);
}

/* Counter 0 in mode 2. OUT goes up with the control word already, which is an interrupt: it is served. */
static void begin_ticking(void)
{
    outb(&m, 0x43, 0x34), outb(&m, 0x40, 0x00), outb(&m, 0x40, 0x10); /* 4096 ticks: 3.43 ms */
    ck_assert_uint_eq(pc_intr_ack(m.pc), 0x30);
    outb(&m, 0x20, 0x20);
}

static uint8_t isr(uint16_t base)
{
    outb(&m, base, 0x0b);
    return inb(&m, base);
}

static uint8_t irr(uint16_t base)
{
    outb(&m, base, 0x0a);
    return inb(&m, base);
}

static void byte_arrives(unsigned com)
{
    ck_assert_uint_eq(pc_serial_receive(m.pc, com, (const uint8_t *)"x", 1), 1);
}

/* ---- There and back ---------------------------------------------------------------------------- */

START_TEST(tick_is_served_by_the_borrower)
{
    uint64_t first;

    setup();
    begin_ticking();
    first = pc_next_deadline(m.pc);
    lend();
    ck_assert_uint_eq(lent()->deadline, first);
    m.now = first;
    near_run_timer(&cpu.near);
    ck_assert(cpu.intr);
    ck_assert_uint_eq(near_acknowledge(&cpu.near), 0x30);
    ck_assert(take_back());

    ck_assert(!pc_intr(m.pc));
    ck_assert_uint_eq(isr(0x20), 0x01);
    ck_assert_uint_eq(irr(0x20) & 0x01, 0x00);
    machine_run(&m, 4000000); /* the next tick waits behind the one in service */
    ck_assert(!pc_intr(m.pc));
    ck_assert_uint_eq(irr(0x20), 0x01);
    outb(&m, 0x20, 0x20);
    ck_assert(pc_intr(m.pc));
    ck_assert_uint_eq(pc_intr_ack(m.pc), 0x30);
    ck_assert_uint_eq(isr(0x20), 0x01);
}
END_TEST

/*
 * A tick comes while nothing is lent, the guest is let run late, and the timer is due again before it has
 * done a thing. Wherever it is served, no tick is lost.
 */
START_TEST(ticks_of_late_hand_overs_are_owed)
{
    uint64_t began;
    unsigned ticks = 0;

    setup();
    begin_ticking();
    began = m.now;
    for (unsigned i = 0; i < 40; i++) {
        m.now = pc_next_deadline(m.pc);
        pc_run_timers(m.pc);
        m.now += i * 300000;
        if (i % 3 == 0)
            pc_run_timers(m.pc);
        lend();
        while (lent()->deadline <= m.now)
            near_run_timer(&cpu.near);
        while (cpu.intr) {
            ck_assert_uint_eq(near_acknowledge(&cpu.near), 0x30);
            cpu_out(0x20, 0x20);
            ticks++;
            m.now += 100000, m.run_ns += 100000;
            if (lent()->deadline <= m.now)
                near_run_timer(&cpu.near);
        }
        ck_assert(take_back());
    }
    for (unsigned i = 0; i < 100; i++) {
        m.now = pc_next_deadline(m.pc);
        pc_run_timers(m.pc);
        if (m.intr) {
            pc_intr_ack(m.pc);
            outb(&m, 0x20, 0x20);
            ticks++;
        }
    }
    ck_assert_uint_eq(ticks, (m.now - began) * 105 / 88000 / 4096);
}
END_TEST

/* Halted behind its own mask, a guest has had all the time there was: before, in and after a run. */
START_TEST(ticks_in_a_halt_are_one)
{
    setup();
    begin_ticking();
    outb(&m, 0x21, 0xff);
    lend();
    ck_assert(take_back());
    pc_set_halted(m.pc, true);
    machine_run(&m, 200000000);
    pc_set_halted(m.pc, false);
    ck_assert(irr(0x20) & 1);
    lend();
    cpu_out(0x21, 0x00);
    ck_assert_uint_eq(near_acknowledge(&cpu.near), 0x30);
    cpu_out(0x20, 0x20);
    ck_assert_uint_gt(lent()->deadline, m.now);
    ck_assert(take_back());
    m.now = pc_next_deadline(m.pc);
    pc_run_timers(m.pc);
    ck_assert_uint_eq(pc_intr_ack(m.pc), 0x30);
    ck_assert_uint_gt(pc_next_deadline(m.pc), m.now + 3000000); /* nothing is owed */
}
END_TEST

START_TEST(request_goes_out_and_comes_back)
{
    setup();
    byte_arrives(0);
    ck_assert(pc_intr(m.pc));
    lend();
    ck_assert(cpu.intr);
    cpu_out(0x21, 0x10);
    ck_assert(!cpu.intr);
    ck_assert(take_back());
    ck_assert(!pc_intr(m.pc));
    ck_assert_uint_eq(inb(&m, 0x21), 0x10);

    lend();
    cpu_out(0x21, 0x00);
    ck_assert(cpu.intr);
    ck_assert(take_back());
    ck_assert(pc_intr(m.pc));
    ck_assert_uint_eq(pc_intr_ack(m.pc), 0x34);
}
END_TEST

START_TEST(what_was_begun_is_finished_on_the_other_side)
{
    setup();
    outb(&m, 0x80, 0x42);
    outb(&m, 0x43, 0xb0), outb(&m, 0x42, 0x34);
    outb(&m, 0x61, 0x01); /* gate 2 */
    outb(&m, 0x20, 0x11);
    lend();
    ck_assert_uint_eq(cpu_in(0x80), 0x42);
    cpu_out(0x42, 0x12);
    cpu_out(0x21, 0x50);
    m.now += 1000000;
    cpu_out(0x43, 0x80);
    ck_assert_uint_eq(cpu_in(0x42), (0x1234 - 1192) & 0xff);
    cpu_out(0x80, 0x43);
    ck_assert(take_back());
    ck_assert_uint_eq(inb(&m, 0x80), 0x43);
    ck_assert_uint_eq(inb(&m, 0x42), (0x1234 - 1192) >> 8);
    outb(&m, 0x21, 0x04), outb(&m, 0x21, 0x01);
    byte_arrives(0);
    ck_assert_uint_eq(pc_intr_ack(m.pc), 0x54);
    ck_assert_uint_eq(inb(&m, 0x61) & 0x20, 0);
    machine_run(&m, 3000000);
    ck_assert_uint_eq(inb(&m, 0x61) & 0x20, 0x20);
}
END_TEST

/* ---- Time ---------------------------------------------------------------------------------------- */

START_TEST(timer_deadline_is_not_counted_while_lent)
{
    uint64_t first, later;

    setup();
    begin_ticking();
    first = pc_next_deadline(m.pc);
    lend();
    ck_assert(pc_next_deadline(m.pc) == UINT64_MAX);
    ck_assert(m.told_deadline == UINT64_MAX);
    ck_assert(take_back());
    ck_assert_uint_eq(pc_next_deadline(m.pc), first);
    ck_assert_uint_eq(m.told_deadline, first);

    lend();
    m.now = first;
    near_run_timer(&cpu.near);
    later = lent()->deadline;
    ck_assert_uint_gt(later, first);
    ck_assert(take_back());
    ck_assert_uint_eq(pc_next_deadline(m.pc), later);
    ck_assert_uint_eq(m.told_deadline, later);

    lend();
    cpu_out(0x43, 0x30); /* the guest turns it off */
    ck_assert(take_back());
    ck_assert(pc_next_deadline(m.pc) == UINT64_MAX);
}
END_TEST

START_TEST(deadlines_of_others_are_counted_while_lent)
{
    uint64_t tick, key;

    setup();
    outb(&m, 0x64, 0xae);
    begin_ticking();
    tick = pc_next_deadline(m.pc);
    lend();
    pc_key(m.pc, 0x1e, true);
    key = pc_next_deadline(m.pc);
    ck_assert_uint_lt(key, tick);
    ck_assert_uint_eq(m.told_deadline, key);
    m.now = key;
    ck_assert(take_back());
    ck_assert(!pc_intr(m.pc));
    machine_run(&m, 1000000);
    ck_assert_uint_eq(pc_intr_ack(m.pc), 0x31);
    ck_assert_uint_eq(pc_next_deadline(m.pc), tick);
}
END_TEST

/* ---- Interrupt requests meanwhile ------------------------------------------------------------------ */

static void ferr_rises(unsigned unused)
{
    (void)unused;
    pc_set_ferr(m.pc, true);
}

static const struct {
    const char *name;
    void (*raise)(unsigned);
    unsigned com;
    unsigned irq;
} irq_rows[] = {
    { "COM1", byte_arrives, 0, 4 },
    { "COM2", byte_arrives, 1, 3 },
    { "x87 error", ferr_rises, 0, 13 },
};

START_TEST(request_of_another_chip_calls_and_waits)
{
    unsigned irq = irq_rows[_i].irq;

    setup();
    lend();
    irq_rows[_i].raise(irq_rows[_i].com);
    ck_assert_msg(m.intr, "%s: nobody is called", irq_rows[_i].name);
    ck_assert(!cpu.intr && !lent()->intr);
    ck_assert(take_back());
    ck_assert(pc_intr(m.pc));
    ck_assert_uint_eq(pc_intr_ack(m.pc), 0x30 + irq);
    ck_assert_uint_eq(isr(0x20), irq < 8 ? 1u << irq : 0x04);
    outb(&m, 0xa0, 0x20), outb(&m, 0x20, 0x20);
    ck_assert(!pc_intr(m.pc));

    lend(); /* it is told once */
    ck_assert(take_back());
    ck_assert(!pc_intr(m.pc));
}
END_TEST

/* The mask that counts is the one they come back with. */
START_TEST(request_of_another_chip_waits_behind_the_mask)
{
    unsigned irq = irq_rows[_i].irq;

    setup();
    lend();
    cpu_out(irq < 8 ? 0x21 : 0xa1, 1u << irq % 8);
    irq_rows[_i].raise(irq_rows[_i].com);
    ck_assert(take_back());
    ck_assert(!pc_intr(m.pc));
    outb(&m, irq < 8 ? 0x21 : 0xa1, 0);
    ck_assert_uint_eq(pc_intr_ack(m.pc), 0x30 + irq);
}
END_TEST

START_TEST(request_waits_behind_what_the_borrower_serves)
{
    setup();
    begin_ticking();
    lend();
    m.now = lent()->deadline;
    near_run_timer(&cpu.near);
    ck_assert_uint_eq(near_acknowledge(&cpu.near), 0x30);
    byte_arrives(0);
    ck_assert(take_back());
    ck_assert(!pc_intr(m.pc));
    ck_assert_uint_eq(irr(0x20), 0x10);
    outb(&m, 0x20, 0x20);
    ck_assert_uint_eq(pc_intr_ack(m.pc), 0x34);
}
END_TEST

/* COM1's line is up and was served. Its own ports are not among those lent. */
static void serve_com1(void)
{
    byte_arrives(0);
    ck_assert_uint_eq(pc_intr_ack(m.pc), 0x34);
    outb(&m, 0x20, 0x20);
    ck_assert(!pc_intr(m.pc));
    m.intr = false;
}

START_TEST(line_that_fell_and_rose_meanwhile_is_an_edge)
{
    setup();
    serve_com1();
    lend();
    inb(&m, 0x3f8);
    ck_assert(!m.intr);
    byte_arrives(0);
    ck_assert(m.intr);
    ck_assert(take_back());
    ck_assert(pc_intr(m.pc));
    ck_assert_uint_eq(pc_intr_ack(m.pc), 0x34);
}
END_TEST

START_TEST(line_that_stayed_up_is_none)
{
    setup();
    serve_com1();
    lend();
    ck_assert(take_back());
    ck_assert(!pc_intr(m.pc));
    inb(&m, 0x3f8);
    byte_arrives(0);
    ck_assert_uint_eq(pc_intr_ack(m.pc), 0x34);
}
END_TEST

START_TEST(line_that_fell_meanwhile_is_down)
{
    setup();
    byte_arrives(0);
    lend();
    ck_assert(cpu.intr);
    inb(&m, 0x3f8);
    ck_assert(take_back());
    ck_assert(!pc_intr(m.pc));
    ck_assert_uint_eq(irr(0x20), 0x00);
}
END_TEST

/* A rise that is over when they come back leaves what a glitch leaves: nothing, or the spurious vector. */
START_TEST(line_that_rose_and_fell_meanwhile_is_down)
{
    setup();
    lend();
    byte_arrives(0);
    inb(&m, 0x3f8);
    ck_assert(take_back());
    ck_assert(!pc_intr(m.pc));
    ck_assert_uint_eq(irr(0x20), 0x00);
    ck_assert_uint_eq(pc_intr_ack(m.pc), 0x37);
}
END_TEST

/* ---- What comes back ----------------------------------------------------------------------------- */

static void spoil_intr(void)
{
    lent()->intr = 2;
}

static void spoil_master(void)
{
    memset(lent()->pic[0], 0xff, NEAR_PIC_SIZE);
}

static void spoil_slave(void)
{
    memset(lent()->pic[1], 0xff, NEAR_PIC_SIZE);
}

static void spoil_timer(void)
{
    memset(lent()->pit, 0, NEAR_PIT_SIZE);
}

static void spoil_all(void)
{
    memset(cpu.state, 0, sizeof(cpu.state));
}

static const struct {
    const char *name;
    void (*spoil)(void);
} spoilt_rows[] = {
    { "INTR", spoil_intr },   { "master", spoil_master },  { "slave", spoil_slave },
    { "timer", spoil_timer }, { "everything", spoil_all },
};

START_TEST(bad_state_is_refused)
{
    uint64_t deadline;

    setup();
    begin_ticking();
    outb(&m, 0xa1, 0x5a);
    outb(&m, 0x80, 0x42);
    deadline = pc_next_deadline(m.pc);
    lend();
    cpu_out(0xa1, 0x00), cpu_out(0x80, 0x00), cpu_out(0x43, 0x30), cpu_out(0x20, 0x11);
    byte_arrives(0);
    spoilt_rows[_i].spoil();
    ck_assert_msg(!take_back(), "%s: is taken", spoilt_rows[_i].name);

    /* As they were lent, and what waited is delivered. */
    ck_assert_uint_eq(pc_next_deadline(m.pc), deadline);
    ck_assert_uint_eq(inb(&m, 0xa1), 0x5a);
    ck_assert_uint_eq(inb(&m, 0x80), 0x42);
    ck_assert_uint_eq(pc_intr_ack(m.pc), 0x34);
    machine_run(&m, 4000000);
    ck_assert_uint_eq(pc_intr_ack(m.pc), 0x30);
    lend();
    ck_assert(take_back());
}
END_TEST

/* The borrower says that line _i is up; nobody drives it. */
START_TEST(pin_that_nobody_drives_falls)
{
    unsigned irq = (unsigned)_i;

    if (irq == NEAR_IRQ_TIMER || irq == NEAR_IRQ_CASCADE)
        return;
    setup();
    lend();
    near_set_irq(&cpu.near, irq, true);
    ck_assert(lent()->intr);
    ck_assert(take_back());
    ck_assert(!pc_intr(m.pc));
    ck_assert_uint_eq(irr(0x20) | irr(0xa0), 0);
}
END_TEST

/* The borrower says that COM1's line is down: it is up, and that is a rise. */
START_TEST(pin_that_somebody_drives_rises)
{
    setup();
    serve_com1();
    lend();
    near_set_irq(&cpu.near, 4, false);
    ck_assert(take_back());
    ck_assert_uint_eq(irr(0x20), 0x10);
    ck_assert_uint_eq(pc_intr_ack(m.pc), 0x34);
}
END_TEST

/* Level lines of others do not stay up either. */
START_TEST(level_pin_that_nobody_drives_falls)
{
    setup();
    outb(&m, 0x4d1, 0x08);
    lend();
    near_set_irq(&cpu.near, 11, true);
    ck_assert_uint_eq(near_acknowledge(&cpu.near), 0x3b);
    cpu_out(0xa0, 0x20), cpu_out(0x20, 0x20);
    ck_assert(cpu.intr);
    ck_assert(take_back());
    ck_assert(!pc_intr(m.pc));
}
END_TEST

/* ---- All of it at random --------------------------------------------------------------------------- */

/* A second machine that never lends is what the first one is measured by. */
static struct machine whole;
static bool out_there;

static void fetch_chips(void)
{
    if (out_there && !take_back())
        ck_abort_msg("the state is refused");
    out_there = false;
}

static uint32_t lent_read(uint16_t port)
{
    uint8_t value;

    if (out_there && near_read(&cpu.near, port, &value))
        return value;
    fetch_chips();
    return inb(&m, port);
}

static void lent_write(uint16_t port, uint8_t value)
{
    if (out_there && near_write(&cpu.near, port, value))
        return;
    fetch_chips();
    outb(&m, port, value);
}

static void lent_time(uint64_t ns)
{
    m.now += ns;
    if (out_there && lent()->deadline <= m.now)
        near_run_timer(&cpu.near);
    if (pc_next_deadline(m.pc) <= m.now) {
        fetch_chips();
        pc_run_timers(m.pc);
    }
}

static void lent_receive(unsigned com, uint8_t byte)
{
    m.intr = false;
    pc_serial_receive(m.pc, com, &byte, 1);
    if (m.intr) /* called: they had better come back */
        fetch_chips();
}

static bool lent_intr(void)
{
    return out_there ? cpu.intr : pc_intr(m.pc);
}

static uint32_t next(uint32_t *random)
{
    *random ^= *random << 13;
    *random ^= *random >> 17;
    *random ^= *random << 5;
    return *random;
}

/* The same thing happens to both; did it come to the same? */
static bool both(uint32_t r)
{
    static const uint16_t ports[] = { 0x20, 0x21, 0xa0, 0xa1,  0x40,  0x41,  0x42,  0x43, 0x80,
                                      0x61, 0x60, 0x64, 0x3f8, 0x3f9, 0x3fa, 0x3fc, 0x70, 0x71 };
    uint16_t port = ports[(r >> 4) % ARRAY_SIZE(ports)];

    switch (r % 8) {
    case 0:
    case 1:
        return lent_read(port) == inb(&whole, port);
    case 2:
    case 3:
        lent_write(port, (uint8_t)(r >> 24));
        outb(&whole, port, (uint8_t)(r >> 24));
        return true;
    case 4:
    case 5:
        lent_time(r >> 8 & 0x7ffff);
        whole.now = m.now;
        pc_run_timers(whole.pc);
        return true;
    case 6:
        lent_receive(r >> 8 & 1, (uint8_t)(r >> 16));
        pc_serial_receive(whole.pc, r >> 8 & 1, &(uint8_t){ (uint8_t)(r >> 16) }, 1);
        return true;
    default:
        return !lent_intr() ||
               (out_there ? near_acknowledge(&cpu.near) : pc_intr_ack(m.pc)) == pc_intr_ack(whole.pc);
    }
}

/* What a kernel does first, so that there is a tick and something to acknowledge. */
static void program_both(void)
{
    static const uint16_t writes[][2] = { { 0x20, 0x11 },  { 0x21, 0x30 },  { 0x21, 0x04 }, { 0x21, 0x03 },
                                          { 0xa0, 0x11 },  { 0xa1, 0x38 },  { 0xa1, 0x02 }, { 0xa1, 0x01 },
                                          { 0x43, 0x34 },  { 0x40, 0x00 },  { 0x40, 0x04 }, { 0x61, 0x01 },
                                          { 0x3fc, 0x08 }, { 0x3f9, 0x01 }, { 0x64, 0xae }, { 0x80, 0x01 } };

    for (unsigned i = 0; i < ARRAY_SIZE(writes); i++) {
        lent_write(writes[i][0], (uint8_t)writes[i][1]);
        outb(&whole, writes[i][0], (uint8_t)writes[i][1]);
    }
}

START_TEST(lending_changes_nothing_for_the_guest)
{
    uint32_t random = 2463534242u;
    unsigned vectors = 0, loans = 0;

    machine_start(&m);
    machine_start(&whole);
    out_there = false;
    for (unsigned i = 0; i < 200000; i++) {
        uint32_t r = next(&random);

        if (i % 500 == 0)
            program_both();
        if (r >> 20 & 1 && !out_there) {
            lend();
            out_there = true;
            loans++;
        } else if ((r >> 21) % 16 == 0) {
            fetch_chips();
        }
        vectors += lent_intr() && r % 8 == 7;
        if (!both(r) || lent_intr() != pc_intr(whole.pc))
            ck_abort_msg("act %u (%08x) comes out otherwise while %s", i, r, out_there ? "lent" : "here");
    }
    fetch_chips();
    ck_assert_uint_eq(pc_next_deadline(m.pc), pc_next_deadline(whole.pc));
    ck_assert_uint_gt(vectors, 1000);
    ck_assert_uint_gt(loans, 1000);
    machine_stop(&whole);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pc_lend");
    TCase *tc = tcase_create("lending");

    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_test(tc, tick_is_served_by_the_borrower);
    tcase_add_test(tc, ticks_of_late_hand_overs_are_owed);
    tcase_add_test(tc, ticks_in_a_halt_are_one);
    tcase_add_test(tc, request_goes_out_and_comes_back);
    tcase_add_test(tc, what_was_begun_is_finished_on_the_other_side);
    tcase_add_test(tc, timer_deadline_is_not_counted_while_lent);
    tcase_add_test(tc, deadlines_of_others_are_counted_while_lent);
    tcase_add_loop_test(tc, request_of_another_chip_calls_and_waits, 0, ARRAY_SIZE(irq_rows));
    tcase_add_loop_test(tc, request_of_another_chip_waits_behind_the_mask, 0, ARRAY_SIZE(irq_rows));
    tcase_add_test(tc, request_waits_behind_what_the_borrower_serves);
    tcase_add_test(tc, line_that_fell_and_rose_meanwhile_is_an_edge);
    tcase_add_test(tc, line_that_stayed_up_is_none);
    tcase_add_test(tc, line_that_fell_meanwhile_is_down);
    tcase_add_test(tc, line_that_rose_and_fell_meanwhile_is_down);
    tcase_add_loop_test(tc, bad_state_is_refused, 0, ARRAY_SIZE(spoilt_rows));
    tcase_add_loop_test(tc, pin_that_nobody_drives_falls, 0, 16);
    tcase_add_test(tc, pin_that_somebody_drives_rises);
    tcase_add_test(tc, level_pin_that_nobody_drives_falls);
    tcase_add_test(tc, lending_changes_nothing_for_the_guest);
    suite_add_tcase(suite, tc);
    return machine_main(suite);
}
