/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The keyboard controller's one output register: who may write over what has not been read, and what becomes
 * of the mouse's status bit and of the interrupt requests.
 */
#include "chip_bench.h"
#include "pc_bench.h"

enum { KBD = 0x60, KBC = 0x64, OBF = 0x01, AUX = 0x20 };

#define MS UINT64_C(1000000)

static struct machine m;

static void setup(void)
{
    machine_start(&m);
    pc_firmware_defaults(m.pc);
}

static void teardown(void)
{
    machine_stop(&m);
}

static uint8_t status(void)
{
    return inb(&m, KBC) & (OBF | AUX);
}

/* An unread byte of the keyboard, or of the mouse. */
static void leave_unread(bool mouse)
{
    if (mouse) {
        outb(&m, KBC, 0xd4), outb(&m, KBD, 0xf4);
    } else {
        outb(&m, KBD, 0xee);
    }
    machine_run(&m, MS);
    ck_assert_uint_eq(status(), mouse ? OBF | AUX : OBF);
}

static bool irr(unsigned irq)
{
    uint16_t port = irq < 8 ? 0x20 : 0xa0;

    outb(&m, port, 0x0a);
    return inb(&m, port) >> irq % 8 & 1;
}

static const struct {
    const char *name;
    uint8_t command;
    int parameter; /* -1: none */
    uint8_t answer;
    bool aux;
} rows[] = {
    { "read command byte", 0x20, -1, 0x47, false },
    { "read RAM", 0x3e, -1, 0x00, false },
    { "password test", 0xa4, -1, 0xf1, false },
    { "mouse port test", 0xa9, -1, 0x00, false },
    { "self test", 0xaa, -1, 0x55, false },
    { "keyboard port test", 0xab, -1, 0x00, false },
    { "read input port", 0xc0, -1, 0x80, false },
    { "read output port", 0xd0, -1, 0xd3, false },
    { "write keyboard buffer", 0xd2, 0x5a, 0x5a, false },
    { "write mouse buffer", 0xd3, 0xa5, 0xa5, true },
    { "read test inputs", 0xe0, -1, 0x03, false },
};

/* Row by row over a byte of the keyboard, then over one of the mouse. */
START_TEST(answer_overwrites_an_unread_byte)
{
    unsigned row = _i / 2;
    bool mouse = _i % 2;
    uint8_t answer = rows[row].answer;

    setup();
    leave_unread(mouse);
    if (mouse && rows[row].command == 0xd0)
        answer ^= 0x30; /* which of the two requests is up */
    outb(&m, KBC, rows[row].command);
    if (rows[row].parameter >= 0)
        outb(&m, KBD, rows[row].parameter);
    ck_assert_msg(status() == (rows[row].aux ? OBF | AUX : OBF), "%s: status %02x", rows[row].name, status());
    if (rows[row].command != 0xaa) { /* which switches interrupts off */
        ck_assert_msg(irr(1) == !rows[row].aux, "%s: IRQ 1", rows[row].name);
        ck_assert_msg(irr(12) == rows[row].aux, "%s: IRQ 12", rows[row].name);
    }
    ck_assert_msg(inb(&m, KBD) == answer, "%s: %02x", rows[row].name, inb(&m, KBD));
    machine_run(&m, 20 * MS);
    ck_assert_msg(status() == 0, "%s: the byte written over comes back", rows[row].name);
    ck_assert(!irr(1) && !irr(12));
}
END_TEST

/* As software of the AT era does it, with a keyboard that goes on talking. */
START_TEST(keyboard_off_command_read_gives_the_answer)
{
    setup();
    pc_key(m.pc, 0x1e, true);
    machine_run(&m, MS);
    pc_key(m.pc, 0x1e, false); /* refused: the register is full */
    outb(&m, KBC, 0xad);
    outb(&m, KBC, 0x20);
    ck_assert_uint_eq(inb(&m, KBD), 0x57);
    ck_assert_uint_eq(status(), 0);
    outb(&m, KBC, 0xae);
    machine_run(&m, 2 * MS); /* two bytes on the cable, one after translation */
    ck_assert_uint_eq(inb(&m, KBD), 0x9e);
}
END_TEST

START_TEST(last_of_two_answers_stays)
{
    setup();
    outb(&m, KBC, 0xaa);
    outb(&m, KBC, 0xc0);
    ck_assert_uint_eq(inb(&m, KBD), 0x80);
    machine_run(&m, MS);
    ck_assert_uint_eq(status(), 0);
}
END_TEST

START_TEST(device_bytes_wait_for_an_answer_to_be_read)
{
    setup();
    outb(&m, KBC, 0xd4), outb(&m, KBD, 0xf4); /* its FA is on the cable, and so is the keyboard's */
    outb(&m, KBD, 0xee);
    outb(&m, KBC, 0xc0);
    machine_run(&m, 10 * MS);
    ck_assert_uint_eq(status(), OBF);
    ck_assert_uint_eq(inb(&m, KBD), 0x80);
    ck_assert_uint_eq(status(), OBF);
    ck_assert_uint_eq(inb(&m, KBD), 0xee);
    ck_assert_uint_eq(status(), OBF | AUX);
    ck_assert_uint_eq(inb(&m, KBD), 0xfa);
    ck_assert_uint_eq(status(), 0);
}
END_TEST

/* Each byte put into the register requests anew: an answer that comes while IRQ 1 is in service does. */
START_TEST(answer_is_an_interrupt_of_its_own)
{
    setup();
    outb(&m, 0x21, 0xf9);
    leave_unread(false);
    ck_assert(m.intr);
    ck_assert_uint_eq(pc_intr_ack(m.pc), 0x09);
    ck_assert(!m.intr);
    outb(&m, KBC, 0xc0);
    ck_assert(irr(1) && !m.intr);
    outb(&m, 0x20, 0x20);
    ck_assert(m.intr);
    ck_assert_uint_eq(inb(&m, KBD), 0x80);
    ck_assert(!irr(1) && !m.intr);
}
END_TEST

/* Not yet acknowledged, the two requests are one. */
START_TEST(answer_before_the_acknowledge_is_no_second_interrupt)
{
    setup();
    outb(&m, 0x21, 0xf9);
    leave_unread(false);
    outb(&m, KBC, 0xc0);
    ck_assert_uint_eq(pc_intr_ack(m.pc), 0x09);
    ck_assert_uint_eq(inb(&m, KBD), 0x80);
    outb(&m, 0x20, 0x20);
    ck_assert(!m.intr);
}
END_TEST

/* The controller speaks for a device that is not there, and waits as that would. */
START_TEST(time_out_of_an_empty_socket_waits)
{
    struct bench b;

    bench_start(&b, &i8042_device, 0, 0);
    b.room = 0;
    out(&b, 1, 0x60), out(&b, 0, 0x00);
    out(&b, 0, 0xed);
    out(&b, 1, 0xc0);
    bench_run(&b, 10 * MS);
    ck_assert_uint_eq(in(&b, 0), 0x80);
    ck_assert_uint_eq(in(&b, 1) & (OBF | AUX), OBF);
    ck_assert_uint_eq(in(&b, 0), 0xfe);
    ck_assert_uint_eq(in(&b, 1) & OBF, 0);
    out(&b, 1, 0xd4), out(&b, 0, 0xf4);
    bench_run(&b, 10 * MS);
    ck_assert_uint_eq(in(&b, 1) & (OBF | AUX), OBF | AUX);
    ck_assert_uint_eq(in(&b, 0), 0xfe);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("i8042_register");
    TCase *tc = tcase_create("register");

    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_loop_test(tc, answer_overwrites_an_unread_byte, 0, 2 * ARRAY_SIZE(rows));
    tcase_add_test(tc, keyboard_off_command_read_gives_the_answer);
    tcase_add_test(tc, last_of_two_answers_stays);
    tcase_add_test(tc, device_bytes_wait_for_an_answer_to_be_read);
    tcase_add_test(tc, answer_is_an_interrupt_of_its_own);
    tcase_add_test(tc, answer_before_the_acknowledge_is_no_second_interrupt);
    suite_add_tcase(suite, tc);
    tc = tcase_create("alone");
    tcase_add_test(tc, time_out_of_an_empty_socket_waits);
    suite_add_tcase(suite, tc);
    return machine_main(suite);
}
