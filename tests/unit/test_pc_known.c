/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the PC knows beforehand about reads, so that a guest that polls need not ask: always what the read
 * gives, for as long as was said; and which ports nobody answers.
 */
#include "pc_bench.h"

#define MS UINT64_C(1000000)

static struct machine m;
static struct pc_known known[PC_KNOWN_MAX], again[PC_KNOWN_MAX];
static unsigned count, told;

static void known_changed(void *ctx)
{
    (void)ctx;
    told++;
}

static void setup(void)
{
    struct pc_callbacks callbacks = machine_callbacks;

    machine_start(&m);
    callbacks.known_changed = known_changed;
    ck_assert_int_eq(
        pc_init(m.pc, &(struct pc_config){ .ram_size = 64u << 20, .serial_ports = 15, .exit_port = 0xf4 },
                &callbacks, &m),
        0);
    pc_firmware_defaults(m.pc);
    count = pc_known_reads(m.pc, known);
    told = 0;
}

static void teardown(void)
{
    machine_stop(&m);
}

/* What is known about a port; -1: nothing. */
static int known_at(uint16_t port)
{
    count = pc_known_reads(m.pc, known);
    for (unsigned i = 0; i < count; i++) {
        if (known[i].port == port)
            return known[i].value;
    }
    return -1;
}

static bool same_as_before(void)
{
    unsigned n = pc_known_reads(m.pc, again);

    if (n != count)
        return false;
    for (unsigned i = 0; i < n; i++) {
        if (again[i].port != known[i].port || again[i].value != known[i].value)
            return false;
    }
    return true;
}

static void send(const char *text)
{
    pc_serial_receive(m.pc, 0, (const uint8_t *)text, strlen(text));
}

static const struct {
    const char *name;
    uint16_t port;
    int value;
} rows[] = {
    { "keyboard controller, idle", 0x64, 0x14 },
    { "its data, read", 0x60, 0x00 },
    { "COM1, LSR", 0x3fd, 0x60 },
    { "COM1, IIR", 0x3fa, 0x01 },
    { "COM1, MSR", 0x3fe, 0xb0 },
    { "COM4, scratch", 0x2ef, 0x00 },
    { "COM1, receiver", 0x3f8, -1 },
    { "port B, with its clock", 0x61, -1 },
    { "CMOS", 0x71, -1 },
    { "nobody", 0x300, -1 },
};

START_TEST(known_row)
{
    setup();
    inb(&m, 0x60);
    ck_assert_msg(known_at(rows[_i].port) == rows[_i].value, "%s: %d", rows[_i].name,
                  known_at(rows[_i].port));
}
END_TEST

/* What a read takes with it is not known: it has to be read. */
START_TEST(reads_that_take_something_are_not_known)
{
    setup();
    outb(&m, 0x3f9, 0x02); /* THRE asks */
    ck_assert_int_eq(known_at(0x3fa), -1);
    ck_assert_uint_eq(inb(&m, 0x3fa), 0x02);
    ck_assert_int_eq(known_at(0x3fa), 0x01);
    pc_serial_break(m.pc, 0);
    ck_assert_int_eq(known_at(0x3fd), -1);
    inb(&m, 0x3fd);
    ck_assert_int_eq(known_at(0x3fd), 0x61);
    pc_serial_set_modem(m.pc, 0, 0);
    ck_assert_int_eq(known_at(0x3fe), -1);
    inb(&m, 0x3fe);
    ck_assert_int_eq(known_at(0x3fe), 0x00);
    outb(&m, 0x64, 0xc0);
    ck_assert_int_eq(known_at(0x64), 0x1d);
    ck_assert_int_eq(known_at(0x60), -1);
    ck_assert_uint_eq(inb(&m, 0x60), 0x80);
    ck_assert_int_eq(known_at(0x60), 0x80);
}
END_TEST

START_TEST(news_from_outside_is_told)
{
    setup();
    send("a");
    ck_assert_uint_eq(told, 1);
    ck_assert_int_eq(known_at(0x3fd), 0x61);
    pc_serial_receive(m.pc, 0, NULL, 0);
    ck_assert_uint_eq(told, 1);
    pc_serial_break(m.pc, 1);
    ck_assert_uint_eq(told, 2);
    count = pc_known_reads(m.pc, known);
    pc_serial_set_modem(m.pc, 1, 0);
    ck_assert_uint_eq(told, 3);
    count = pc_known_reads(m.pc, known);
    pc_key(m.pc, 0x1e, true); /* is on the cable: the deadline tells */
    pc_mouse(m.pc, 1, 1, 0, 0);
    ck_assert_uint_eq(told, 3);
    ck_assert_uint_lt(pc_next_deadline(m.pc), m.now + MS);
}
END_TEST

/* Until the deadline, and only until then. */
START_TEST(bytes_on_the_cable_change_it_at_the_deadline)
{
    setup();
    pc_key(m.pc, 0x1e, true);
    count = pc_known_reads(m.pc, known);
    m.now = pc_next_deadline(m.pc) - 1;
    ck_assert(same_as_before());
    ck_assert_uint_eq(inb(&m, 0x64), 0x14);
    m.now++;
    pc_run_timers(m.pc);
    ck_assert_int_eq(known_at(0x64), 0x15);
}
END_TEST

static uint32_t x = 362436069;

static uint32_t random_below(uint32_t limit)
{
    x ^= x << 13, x ^= x >> 17, x ^= x << 5;
    return x % limit;
}

static uint16_t random_port(void)
{
    static const uint16_t bases[] = { 0x3f8, 0x2f8, 0x3e8, 0x2e8 };

    return random_below(3) ? bases[random_below(4)] + random_below(8) : random_below(2) ? 0x60 : 0x64;
}

/* Anything may happen, and each time what is known is what is read, once and twice, up to the deadline. */
START_TEST(known_is_what_is_read)
{
    setup();
    for (unsigned round = 0; round < 20000; round++) {
        uint8_t byte = random_below(256);
        unsigned before;

        switch (random_below(8)) {
        case 0:
            pc_serial_receive(m.pc, random_below(4), &byte, 1);
            break;
        case 1:
            pc_key(m.pc, random_below(0x58), random_below(2));
            break;
        case 2:
            pc_mouse(m.pc, byte, 3, 0, byte & 7);
            break;
        case 3:
            machine_run(&m, random_below(3) * MS);
            break;
        case 4:
            inb(&m, random_port());
            break;
        case 5:
            pc_serial_set_modem(m.pc, random_below(4), byte & 15);
            break;
        default:
            outb(&m, random_port(), byte);
            break;
        }
        pc_run_timers(m.pc);
        count = pc_known_reads(m.pc, known);
        before = told;
        if (pc_next_deadline(m.pc) > m.now && pc_next_deadline(m.pc) != UINT64_MAX && random_below(2))
            m.now = pc_next_deadline(m.pc) - 1;
        for (unsigned i = 0; i < 2 * count; i++) {
            uint8_t is = inb(&m, known[i % count].port);

            if (is != known[i % count].value)
                ck_abort_msg("round %u: port %x reads %02x, not %02x", round, known[i % count].port, is,
                             known[i % count].value);
        }
        if (!same_as_before() || told != before)
            ck_abort_msg("round %u: reading has changed something", round);
        send("b");
        if (same_as_before() != (told == before))
            ck_abort_msg("round %u: %s", round, told == before ? "not told" : "told without need");
    }
}
END_TEST

/* Is a write to the port said to change nothing but what goes out? */
static bool is_posting(uint16_t port)
{
    uint16_t ports[PC_POSTING_MAX];
    unsigned n = pc_posting_ports(m.pc, ports);

    for (unsigned i = 0; i < n; i++)
        if (ports[i] == port)
            return true;
    return false;
}

START_TEST(a_transmitter_posts_while_nobody_waits_for_it)
{
    setup();
    ck_assert(is_posting(0x3f8) && is_posting(0x2e8));
    ck_assert(!is_posting(0x3f9) && !is_posting(0x60));
    outb(&m, 0x3f9, 2); /* an interrupt when it is empty */
    ck_assert(!is_posting(0x3f8) && is_posting(0x2f8));
    outb(&m, 0x3f9, 0);
    outb(&m, 0x3fb, 0x80); /* the divisor is there */
    ck_assert(!is_posting(0x3f8));
    outb(&m, 0x3fb, 3);
    outb(&m, 0x3fc, 0x10); /* loopback: it receives */
    ck_assert(!is_posting(0x3f8));
    outb(&m, 0x3fc, 0);
    ck_assert(is_posting(0x3f8));
}
END_TEST

/* Whatever the chips' state, writes that may come late change nothing that is read, and no line. */
START_TEST(posted_writes_change_nothing_here)
{
    setup();
    for (unsigned round = 0; round < 5000; round++) {
        uint16_t ports[PC_POSTING_MAX];
        unsigned n;

        outb(&m, random_port(), random_below(256));
        n = pc_posting_ports(m.pc, ports);
        count = pc_known_reads(m.pc, known);
        uint64_t deadline = pc_next_deadline(m.pc);
        bool intr = pc_intr(m.pc);
        for (unsigned i = 0; i < n; i++)
            outb(&m, ports[i], random_below(256));
        if (!same_as_before() || pc_next_deadline(m.pc) != deadline || pc_intr(m.pc) != intr)
            ck_abort_msg("round %u: a posted write has changed something", round);
        uint16_t again_ports[PC_POSTING_MAX];
        ck_assert_uint_eq(pc_posting_ports(m.pc, again_ports), n);
        ck_assert_mem_eq(ports, again_ports, n * sizeof(ports[0]));
    }
}
END_TEST

/* Whoever asks at the other ports reads all ones, and a write there changes nothing. */
START_TEST(claimed_ports_are_those_that_answer)
{
    static bool claimed[0x10000];
    struct pc_ports ports[PC_PORTS_MAX];
    unsigned runs, n = 0;

    setup();
    runs = pc_claimed_ports(m.pc, ports);
    for (unsigned i = 0; i < runs; i++) {
        ck_assert_uint_le(ports[i].first, ports[i].last);
        for (unsigned port = ports[i].first; port <= ports[i].last; port++)
            claimed[port] = true, n++;
    }
    ck_assert(claimed[0x20] && claimed[0x43] && claimed[0x64] && claimed[0x3ff] && claimed[0xcf9] &&
              claimed[0xf7]);
    ck_assert(!claimed[0x300] && !claimed[0x65] && !claimed[0xffff]);
    ck_assert_uint_lt(n, 200);
    count = pc_known_reads(m.pc, known);
    for (unsigned port = 0; port < 0x10000; port++) {
        if (claimed[port])
            continue;
        outb(&m, port, 0);
        if (inb(&m, port) != 0xff)
            ck_abort_msg("%x answers", port);
    }
    ck_assert(same_as_before());
    ck_assert_uint_eq(m.resets, 0);
    ck_assert_int_eq(m.exit_status, -1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pc known");
    TCase *tc = tcase_create("known");

    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_loop_test(tc, known_row, 0, ARRAY_SIZE(rows));
    tcase_add_test(tc, reads_that_take_something_are_not_known);
    tcase_add_test(tc, news_from_outside_is_told);
    tcase_add_test(tc, bytes_on_the_cable_change_it_at_the_deadline);
    tcase_add_test(tc, known_is_what_is_read);
    tcase_add_test(tc, a_transmitter_posts_while_nobody_waits_for_it);
    tcase_add_test(tc, posted_writes_change_nothing_here);
    tcase_add_test(tc, claimed_ports_are_those_that_answer);
    suite_add_tcase(suite, tc);
    return machine_main(suite);
}
