/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Keyboard controller, keyboard and mouse as a guest meets them: through ports 60h and 64h of a whole PC.
 */
#include "pc_bench.h"

enum { OBF = 0x01, SYSTEM = 0x04, AUX = 0x20, COMMAND_MS = 20 };

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

static void command(uint8_t value)
{
    outb(&m, 0x64, value);
}

static void data(uint8_t value)
{
    outb(&m, 0x60, value);
}

static void command_byte(uint8_t value)
{
    command(0x60);
    data(value);
}

static void to_mouse(uint8_t value)
{
    command(0xd4);
    data(value);
}

static bool ready(void)
{
    return inb(&m, 0x64) & OBF;
}

/* IRR bit of an interrupt request. */
static bool irq(unsigned number)
{
    uint16_t port = number < 8 ? 0x20 : 0xa0;

    outb(&m, port, 0x0a);
    return inb(&m, port) >> number % 8 & 1;
}

/* Read everything that arrives within 20 ms and compare. */
static void expect(const char *name, const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i <= count; i++) {
        unsigned got;

        for (unsigned ms = 0; !ready() && ms < COMMAND_MS; ms++)
            machine_run(&m, MS);
        if (i == count) {
            ck_assert_msg(!ready(), "%s: extra byte %02x after %zu", name, inb(&m, 0x60), count);
            return;
        }
        ck_assert_msg(ready(), "%s: byte %zu does not come", name, i);
        got = inb(&m, 0x60);
        ck_assert_msg(got == bytes[i], "%s: byte %zu is %02x, not %02x", name, i, got, bytes[i]);
    }
}

#define EXPECT(name, ...)                                                                                    \
    expect(name, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

/* ---- Controller ------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    uint8_t command;
    int parameter; /* -1: none */
    int reply;     /* -1: none */
} controller_rows[] = {
    { "read command byte", 0x20, -1, 0x47 },
    { "password test", 0xa4, -1, 0xf1 },
    { "mouse port test", 0xa9, -1, 0x00 },
    { "self test", 0xaa, -1, 0x55 },
    { "keyboard port test", 0xab, -1, 0x00 },
    { "read input port", 0xc0, -1, 0x80 },
    { "read output port", 0xd0, -1, 0xc3 },
    { "write keyboard buffer", 0xd2, 0x5a, 0x5a },
    { "write mouse buffer", 0xd3, 0xa5, 0xa5 },
    { "read test inputs", 0xe0, -1, 0x03 },
    { "write RAM", 0x6b, 0x77, -1 },
    { "pulse nothing", 0xff, -1, -1 },
    { "unknown", 0xb8, -1, -1 },
};

START_TEST(controller_answers)
{
    uint8_t reply = controller_rows[_i].reply;

    setup();
    command(controller_rows[_i].command);
    if (controller_rows[_i].parameter >= 0)
        data(controller_rows[_i].parameter);
    expect(controller_rows[_i].name, &reply, controller_rows[_i].reply >= 0);
    ck_assert_uint_eq(m.resets, 0);
}
END_TEST

START_TEST(ram_is_read_back)
{
    setup();
    command(0x7f);
    data(0x12);
    command(0x3f);
    EXPECT("RAM 1F", 0x12);
}
END_TEST

START_TEST(self_test_turns_ports_off_and_sets_the_system_flag)
{
    setup();
    command(0xaa);
    EXPECT("self test", 0x55);
    ck_assert_uint_eq(inb(&m, 0x64) & SYSTEM, SYSTEM);
    command(0x20);
    EXPECT("command byte", 0x34);
}
END_TEST

START_TEST(port_enables_are_bits_of_the_command_byte)
{
    setup();
    command(0xad), command(0xa7), command(0x20);
    EXPECT("both off", 0x77);
    command(0xae), command(0xa8), command(0x20);
    EXPECT("both on", 0x47);
}
END_TEST

START_TEST(status_tells_command_from_data)
{
    setup();
    command(0xd1);
    ck_assert_uint_eq(inb(&m, 0x64) & 0x08, 0x08);
    data(0x03);
    ck_assert_uint_eq(inb(&m, 0x64) & 0x08, 0x00);
}
END_TEST

START_TEST(mouse_buffer_sets_the_aux_bit_and_irq12)
{
    setup();
    command(0xd3), data(0x11);
    ck_assert_uint_eq(inb(&m, 0x64) & (OBF | AUX), OBF | AUX);
    ck_assert(irq(12) && !irq(1));
    inb(&m, 0x60);
    ck_assert(!irq(12));
    command(0xd2), data(0x22);
    ck_assert_uint_eq(inb(&m, 0x64) & (OBF | AUX), OBF);
    ck_assert(irq(1) && !irq(12));
}
END_TEST

START_TEST(interrupts_obey_the_command_byte)
{
    setup();
    command_byte(0x44);
    pc_key(m.pc, 0x1e, true);
    machine_run(&m, MS);
    ck_assert(ready() && !irq(1));
    command_byte(0x45);
    ck_assert(irq(1));
}
END_TEST

static const struct {
    const char *name;
    uint16_t port[2];
    uint8_t value[2];
    bool a20;
} a20_rows[] = {
    { "DD closes", { 0x64 }, { 0xdd }, false },
    { "DF opens", { 0x64 }, { 0xdf }, true },
    { "output port closes", { 0x64, 0x60 }, { 0xd1, 0xdd }, false },
    { "output port opens", { 0x64, 0x60 }, { 0xd1, 0xdf }, true },
    { "port 92h closes", { 0x92 }, { 0x00 }, false },
    { "port 92h opens", { 0x92 }, { 0x02 }, true },
};

START_TEST(a20_follows_the_last_writer)
{
    setup();
    command(a20_rows[_i].a20 ? 0xdd : 0xdf); /* begin with the opposite */
    for (unsigned i = 0; i < 2 && a20_rows[_i].port[i]; i++)
        outb(&m, a20_rows[_i].port[i], a20_rows[_i].value[i]);
    ck_assert_msg(m.a20 == a20_rows[_i].a20, "%s", a20_rows[_i].name);
    ck_assert_uint_eq(inb(&m, 0x92) >> 1 & 1, a20_rows[_i].a20);
    command(0xd0);
    ck_assert_uint_eq(inb(&m, 0x60) >> 1 & 1, a20_rows[_i].a20);
}
END_TEST

START_TEST(reset_line_pulses)
{
    setup();
    command(0xfe);
    ck_assert_uint_eq(m.resets, 1);
    ck_assert_int_eq(m.reset_reason, PC_RESET_KEYBOARD);
    command(0xd1), data(0x02);
    ck_assert_uint_eq(m.resets, 2);
    pc_reset(m.pc);
    command(0xd1), data(0x03);
    ck_assert_uint_eq(m.resets, 2);
}
END_TEST

/* ---- Keyboard -------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    uint8_t sent[3];
    uint8_t count;
    uint8_t reply[6];
    uint8_t replies;
} keyboard_rows[] = {
    { "reset", { 0xff }, 1, { 0xfa, 0xaa }, 2 },
    { "echo", { 0xee }, 1, { 0xee }, 1 },
    { "identify", { 0xf2 }, 1, { 0xfa, 0xab, 0x83 }, 3 },
    { "LEDs", { 0xed, 0x02 }, 2, { 0xfa, 0xfa }, 2 },
    { "typematic", { 0xf3, 0x20 }, 2, { 0xfa, 0xfa }, 2 },
    { "enable", { 0xf4 }, 1, { 0xfa }, 1 },
    { "disable", { 0xf5 }, 1, { 0xfa }, 1 },
    { "defaults", { 0xf6 }, 1, { 0xfa }, 1 },
    { "all keys typematic", { 0xf7 }, 1, { 0xfa }, 1 },
    { "which set", { 0xf0, 0x00 }, 2, { 0xfa, 0xfa, 0x02 }, 3 },
    { "choose set 3", { 0xf0, 0x03 }, 2, { 0xfa, 0xfa }, 2 },
    { "no set 4", { 0xf0, 0x04 }, 2, { 0xfa, 0xfe }, 2 },
    { "no such command", { 0xe1 }, 1, { 0xfe }, 1 },
    { "a command instead of LEDs", { 0xed, 0xee }, 2, { 0xfa, 0xee }, 2 },
    { "resend", { 0xee, 0xfe }, 2, { 0xee, 0xee }, 2 },
};

/* A driver waits for each answer before it sends the next byte. */
START_TEST(keyboard_answers)
{
    unsigned seen = 0;

    setup();
    command_byte(0x07); /* no translation */
    for (unsigned i = 0; i < keyboard_rows[_i].count; i++) {
        unsigned more = i + 1 < keyboard_rows[_i].count ? 1 : keyboard_rows[_i].replies - seen;

        data(keyboard_rows[_i].sent[i]);
        expect(keyboard_rows[_i].name, keyboard_rows[_i].reply + seen, more);
        seen += more;
    }
}
END_TEST

/* Codes of a key in set 1 (or translated), 2 and 3: make, then break; FF-terminated. */
static const struct {
    const char *name;
    uint16_t code;
    uint8_t set1[11], set2[11], set3[6];
} key_rows[] = {
    { "A", 0x1e, { 0x1e, 0x9e, 0xff }, { 0x1c, 0xf0, 0x1c, 0xff }, { 0x1c, 0xff } },
    { "F7", 0x41, { 0x41, 0xc1, 0xff }, { 0x83, 0xf0, 0x83, 0xff }, { 0x37, 0xff } },
    { "left Shift", 0x2a, { 0x2a, 0xaa, 0xff }, { 0x12, 0xf0, 0x12, 0xff }, { 0x12, 0xf0, 0x12, 0xff } },
    { "Up",
      0xe048,
      { 0xe0, 0x48, 0xe0, 0xc8, 0xff },
      { 0xe0, 0x75, 0xe0, 0xf0, 0x75, 0xff },
      { 0x63, 0xff } },
    { "keypad Enter",
      0xe01c,
      { 0xe0, 0x1c, 0xe0, 0x9c, 0xff },
      { 0xe0, 0x5a, 0xe0, 0xf0, 0x5a, 0xff },
      { 0x79, 0xff } },
    { "left Windows",
      0xe05b,
      { 0xe0, 0x5b, 0xe0, 0xdb, 0xff },
      { 0xe0, 0x1f, 0xe0, 0xf0, 0x1f, 0xff },
      { 0x8b, 0xf0, 0x8b, 0xff } },
    { "Print Screen",
      0xe037,
      { 0xe0, 0x2a, 0xe0, 0x37, 0xe0, 0xb7, 0xe0, 0xaa, 0xff },
      { 0xe0, 0x12, 0xe0, 0x7c, 0xe0, 0xf0, 0x7c, 0xe0, 0xf0, 0x12, 0xff },
      { 0x57, 0xff } },
    { "Pause",
      0xe11d,
      { 0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5, 0xff },
      { 0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77, 0xff },
      { 0x62, 0xff } },
    { "no such key", 0x7777, { 0xff }, { 0xff }, { 0xff } },
};

static size_t length(const uint8_t *bytes)
{
    return (const uint8_t *)memchr(bytes, 0xff, 16) - bytes;
}

static void press(uint16_t code)
{
    pc_key(m.pc, code, true);
    pc_key(m.pc, code, false);
}

static void choose_set(uint8_t set)
{
    data(0xf0);
    EXPECT("set", 0xfa);
    data(set);
    EXPECT("set", 0xfa);
}

START_TEST(key_codes)
{
    const char *name = key_rows[_i].name;

    setup();
    press(key_rows[_i].code);
    expect(name, key_rows[_i].set1, length(key_rows[_i].set1)); /* translated from set 2 */
    command_byte(0x07);
    press(key_rows[_i].code);
    expect(name, key_rows[_i].set2, length(key_rows[_i].set2));
    choose_set(1);
    press(key_rows[_i].code);
    expect(name, key_rows[_i].set1, length(key_rows[_i].set1));
    choose_set(3);
    press(key_rows[_i].code);
    expect(name, key_rows[_i].set3, length(key_rows[_i].set3));
}
END_TEST

/* The first 58h codes of the contract are set 1 codes of keys every PC keyboard has. */
START_TEST(translation_gives_back_the_set_1_code)
{
    setup();
    for (unsigned code = 1; code <= 0x58; code++) {
        uint8_t want[] = { code, code | 0x80 };

        if (code == 0x54 || code == 0x55)
            continue; /* SysRq is Alt + Print Screen; 55h is no key */
        press(code);
        expect("key", want, 2);
    }
}
END_TEST

START_TEST(print_screen_with_alt_is_sysrq)
{
    setup();
    pc_key(m.pc, 0x38, true);
    EXPECT("Alt", 0x38);
    press(0xe037);
    EXPECT("SysRq", 0x54, 0xd4);
}
END_TEST

START_TEST(set_3_keys_can_be_changed_one_by_one)
{
    setup();
    command_byte(0x07);
    choose_set(3);
    data(0xfc); /* make and break */
    EXPECT("key type", 0xfa);
    data(0x1c); /* A */
    EXPECT("key type", 0xfa);
    press(0x1e);
    EXPECT("A", 0x1c, 0xf0, 0x1c);
    press(0x1f);
    EXPECT("S", 0x1b);
    data(0xf8);
    EXPECT("all keys", 0xfa);
    press(0x1f);
    EXPECT("S", 0x1b, 0xf0, 0x1b);
}
END_TEST

START_TEST(a_byte_takes_its_time_on_the_cable)
{
    setup();
    pc_key(m.pc, 0x1e, true);
    pc_key(m.pc, 0x1f, true);
    machine_run(&m, MS / 2);
    ck_assert(!ready());
    machine_run(&m, MS / 2);
    ck_assert(ready() && irq(1));
    ck_assert_uint_eq(inb(&m, 0x60), 0x1e);
    ck_assert_uint_eq(inb(&m, 0x60), 0x1e); /* an interrupt handler may read twice */
    ck_assert(!ready() && !irq(1));
    machine_run(&m, MS);
    ck_assert_uint_eq(inb(&m, 0x60), 0x1f);
}
END_TEST

START_TEST(keys_wait_while_the_port_is_off)
{
    setup();
    command(0xad);
    press(0x1e);
    machine_run(&m, 10 * MS);
    ck_assert(!ready());
    command(0xae);
    EXPECT("after enabling", 0x1e, 0x9e);
}
END_TEST

START_TEST(disabled_keyboard_scans_nothing)
{
    setup();
    data(0xf5);
    EXPECT("disable", 0xfa);
    press(0x1e);
    expect("disabled", NULL, 0);
    data(0xf4);
    EXPECT("enable", 0xfa);
    press(0x1e);
    EXPECT("enabled", 0x1e, 0x9e);
}
END_TEST

START_TEST(full_queue_reports_overrun_and_recovers)
{
    uint8_t byte = 0;
    unsigned count = 0;

    setup();
    command_byte(0x07);
    for (unsigned i = 0; i < 20; i++)
        press(0x1e);
    for (; count < 100; count++) {
        machine_run(&m, MS);
        if (!ready())
            break;
        byte = inb(&m, 0x60);
    }
    ck_assert_uint_eq(byte, 0x00);
    ck_assert_uint_ge(count, 15);
    ck_assert_uint_le(count, 18);
    press(0x1e);
    EXPECT("after overrun", 0x1c, 0xf0, 0x1c);
}
END_TEST

START_TEST(held_key_repeats_after_the_delay_at_the_rate)
{
    unsigned count = 0;

    setup();
    data(0xf3);
    EXPECT("typematic", 0xfa);
    data(0x20); /* 500 ms, 30 a second */
    EXPECT("typematic", 0xfa);
    pc_key(m.pc, 0x1e, true);
    pc_key(m.pc, 0x1e, true); /* the host's own repeat */
    machine_run(&m, MS);
    ck_assert_uint_eq(inb(&m, 0x60), 0x1e);
    machine_run(&m, 498 * MS);
    ck_assert(!ready());
    for (unsigned ms = 0; ms < 1000; ms++) {
        machine_run(&m, MS);
        if (ready()) {
            ck_assert_uint_eq(inb(&m, 0x60), 0x1e);
            count++;
        }
    }
    ck_assert_uint_ge(count, 30);
    ck_assert_uint_le(count, 31);
    machine_run(&m, 10 * MS); /* between two repeats */
    if (ready())
        inb(&m, 0x60);
    pc_key(m.pc, 0x1e, false);
    EXPECT("released", 0x9e);
    machine_run(&m, 1000 * MS);
    ck_assert(!ready());
}
END_TEST

START_TEST(unread_keyboard_does_not_fill_with_repeats)
{
    setup();
    pc_key(m.pc, 0x1e, true);
    machine_run(&m, 60000 * MS);
    pc_key(m.pc, 0x1e, false);
    EXPECT("one waiting, one repeat, one break", 0x1e, 0x1e, 0x9e);
}
END_TEST

START_TEST(leds_are_reported)
{
    setup();
    data(0xed);
    EXPECT("LEDs", 0xfa);
    data(0x05);
    EXPECT("LEDs", 0xfa);
    ck_assert_uint_eq(m.leds, 5);
    data(0xff);
    EXPECT("reset", 0xfa, 0xaa);
    ck_assert_uint_eq(m.leds, 0);
}
END_TEST

/* ---- Mouse ----------------------------------------------------------------------------------- */

static void mouse_command(uint8_t value)
{
    to_mouse(value);
    EXPECT("mouse command", 0xfa);
}

static void mouse_rate(uint8_t rate)
{
    mouse_command(0xf3);
    mouse_command(rate);
}

static const struct {
    const char *name;
    uint8_t command;
    uint8_t reply[5];
    uint8_t replies;
} mouse_rows[] = {
    { "reset", 0xff, { 0xfa, 0xaa, 0x00 }, 3 },
    { "identify", 0xf2, { 0xfa, 0x00 }, 2 },
    { "status", 0xe9, { 0xfa, 0x00, 0x02, 0x64 }, 4 },
    { "read data", 0xeb, { 0xfa, 0x08, 0x00, 0x00 }, 4 },
    { "defaults", 0xf6, { 0xfa }, 1 },
    { "no such command", 0xe1, { 0xfe }, 1 },
};

START_TEST(mouse_answers)
{
    setup();
    to_mouse(mouse_rows[_i].command);
    expect(mouse_rows[_i].name, mouse_rows[_i].reply, mouse_rows[_i].replies);
}
END_TEST

START_TEST(mouse_status_shows_settings_and_buttons)
{
    setup();
    mouse_command(0xe8);
    mouse_command(0x03);
    mouse_rate(40);
    mouse_command(0xe7);
    mouse_command(0xf4);
    pc_mouse(m.pc, 0, 0, 0, PC_BUTTON_RIGHT);
    EXPECT("button", 0x0a, 0, 0);
    to_mouse(0xe9);
    EXPECT("status", 0xfa, 0x31, 0x03, 0x28);
}
END_TEST

static const struct {
    const char *name;
    int32_t dx, dy;
    unsigned buttons;
    uint8_t packet[3];
} movement_rows[] = {
    { "right", 5, 0, 0, { 0x08, 5, 0 } },
    { "left", -5, 0, 0, { 0x18, 0xfb, 0 } },
    { "down is negative y", 0, 7, 0, { 0x28, 0, 0xf9 } },
    { "up", 0, -7, 0, { 0x08, 0, 7 } },
    { "buttons", 0, 0, 5, { 0x0d, 0, 0 } },
    { "drag", 255, -255, 1, { 0x09, 0xff, 0xff } },
    { "drag back", -255, 255, 1, { 0x39, 0x01, 0x01 } },
};

START_TEST(mouse_streams_movement)
{
    setup();
    mouse_command(0xf4);
    pc_mouse(m.pc, movement_rows[_i].dx, movement_rows[_i].dy, 0, movement_rows[_i].buttons);
    expect(movement_rows[_i].name, movement_rows[_i].packet, 3);
}
END_TEST

START_TEST(long_movement_takes_several_packets)
{
    setup();
    mouse_command(0xf4);
    pc_mouse(m.pc, 600, 0, 0, 0);
    EXPECT("600", 0x08, 0xff, 0, 0x08, 0xff, 0, 0x08, 90, 0);
}
END_TEST

START_TEST(mouse_says_nothing_until_enabled)
{
    setup();
    pc_mouse(m.pc, 5, 5, 0, 1);
    expect("disabled", NULL, 0);
    mouse_command(0xf4);
    expect("nothing left over", NULL, 0);
}
END_TEST

START_TEST(sample_rate_spaces_packets)
{
    unsigned packets = 0;

    setup();
    mouse_rate(10);
    mouse_command(0xf4);
    for (unsigned ms = 0; ms < 1000; ms++) {
        pc_mouse(m.pc, 1, 0, 0, 0);
        machine_run(&m, MS);
        while (ready()) {
            packets += inb(&m, 0x60) == 0x08;
            machine_run(&m, 1);
        }
    }
    ck_assert_uint_ge(packets, 9);
    ck_assert_uint_le(packets, 11);
}
END_TEST

START_TEST(remote_mode_reports_when_asked)
{
    setup();
    mouse_command(0xf0);
    mouse_command(0xf4);
    pc_mouse(m.pc, 3, 0, 0, 0);
    pc_mouse(m.pc, 4, 0, 0, 0);
    expect("silent", NULL, 0);
    to_mouse(0xeb);
    EXPECT("asked", 0xfa, 0x08, 7, 0);
    to_mouse(0xeb);
    EXPECT("asked again", 0xfa, 0x08, 0, 0);
}
END_TEST

START_TEST(scaling_applies_to_the_stream_only)
{
    setup();
    mouse_command(0xe7);
    mouse_command(0xf4);
    pc_mouse(m.pc, 5, -10, 0, 0);
    EXPECT("scaled", 0x08, 9, 20);
    mouse_command(0xf0);
    pc_mouse(m.pc, 5, 0, 0, 0);
    to_mouse(0xeb);
    EXPECT("unscaled", 0xfa, 0x08, 5, 0);
}
END_TEST

START_TEST(wheel_comes_after_the_knock)
{
    setup();
    mouse_rate(200), mouse_rate(100), mouse_rate(80);
    to_mouse(0xf2);
    EXPECT("ID", 0xfa, 0x03);
    mouse_command(0xf4);
    pc_mouse(m.pc, 0, 0, 1, 0);
    EXPECT("towards", 0x08, 0, 0, 1);
    pc_mouse(m.pc, 0, 0, -2, 0);
    EXPECT("away", 0x08, 0, 0, 0xfe);
    to_mouse(0xff);
    EXPECT("reset", 0xfa, 0xaa, 0x00);
    to_mouse(0xf2);
    EXPECT("plain again", 0xfa, 0x00);
}
END_TEST

START_TEST(wrap_mode_echoes)
{
    setup();
    mouse_command(0xee);
    to_mouse(0xf2);
    EXPECT("echo", 0xf2);
    mouse_command(0xec);
    to_mouse(0xf2);
    EXPECT("ID", 0xfa, 0x00);
}
END_TEST

START_TEST(resend_repeats_the_whole_packet)
{
    setup();
    mouse_command(0xf4);
    pc_mouse(m.pc, 9, 0, 0, 0);
    EXPECT("packet", 0x08, 9, 0);
    to_mouse(0xfe);
    EXPECT("again", 0x08, 9, 0);
}
END_TEST

START_TEST(mouse_bytes_raise_irq12_with_the_aux_bit)
{
    setup();
    to_mouse(0xf4);
    machine_run(&m, MS);
    ck_assert(irq(12) && !irq(1));
    ck_assert_uint_eq(inb(&m, 0x64) & (OBF | AUX), OBF | AUX);
}
END_TEST

START_TEST(survives_any_access)
{
    uint32_t x = 88172645u;

    setup();
    for (unsigned i = 0; i < 50000; i++) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        if (x % 7 == 0)
            pc_key(m.pc, x % 3 ? x >> 16 & 0x7f : x >> 16, x >> 8 & 1);
        else if (x % 7 == 1)
            pc_mouse(m.pc, (int32_t)x, (int32_t)(x * 7), (int32_t)(x * 11), x);
        else if (x % 7 == 2)
            inb(&m, x >> 8 & 1 ? 0x60 : 0x64);
        else if (x % 7 == 3)
            machine_run(&m, x >> 10);
        else
            outb(&m, x >> 8 & 1 ? 0x60 : 0x64, x >> 16);
    }
}
END_TEST

static void add_controller(TCase *tc)
{
    tcase_add_loop_test(tc, controller_answers, 0, ARRAY_SIZE(controller_rows));
    tcase_add_test(tc, ram_is_read_back);
    tcase_add_test(tc, self_test_turns_ports_off_and_sets_the_system_flag);
    tcase_add_test(tc, port_enables_are_bits_of_the_command_byte);
    tcase_add_test(tc, status_tells_command_from_data);
    tcase_add_test(tc, mouse_buffer_sets_the_aux_bit_and_irq12);
    tcase_add_test(tc, interrupts_obey_the_command_byte);
    tcase_add_loop_test(tc, a20_follows_the_last_writer, 0, ARRAY_SIZE(a20_rows));
    tcase_add_test(tc, reset_line_pulses);
    tcase_add_test(tc, survives_any_access);
}

static void add_keyboard(TCase *tc)
{
    tcase_add_loop_test(tc, keyboard_answers, 0, ARRAY_SIZE(keyboard_rows));
    tcase_add_loop_test(tc, key_codes, 0, ARRAY_SIZE(key_rows));
    tcase_add_test(tc, translation_gives_back_the_set_1_code);
    tcase_add_test(tc, print_screen_with_alt_is_sysrq);
    tcase_add_test(tc, set_3_keys_can_be_changed_one_by_one);
    tcase_add_test(tc, a_byte_takes_its_time_on_the_cable);
    tcase_add_test(tc, keys_wait_while_the_port_is_off);
    tcase_add_test(tc, disabled_keyboard_scans_nothing);
    tcase_add_test(tc, full_queue_reports_overrun_and_recovers);
    tcase_add_test(tc, held_key_repeats_after_the_delay_at_the_rate);
    tcase_add_test(tc, unread_keyboard_does_not_fill_with_repeats);
    tcase_add_test(tc, leds_are_reported);
}

static void add_mouse(TCase *tc)
{
    tcase_add_loop_test(tc, mouse_answers, 0, ARRAY_SIZE(mouse_rows));
    tcase_add_test(tc, mouse_status_shows_settings_and_buttons);
    tcase_add_loop_test(tc, mouse_streams_movement, 0, ARRAY_SIZE(movement_rows));
    tcase_add_test(tc, long_movement_takes_several_packets);
    tcase_add_test(tc, mouse_says_nothing_until_enabled);
    tcase_add_test(tc, sample_rate_spaces_packets);
    tcase_add_test(tc, remote_mode_reports_when_asked);
    tcase_add_test(tc, scaling_applies_to_the_stream_only);
    tcase_add_test(tc, wheel_comes_after_the_knock);
    tcase_add_test(tc, wrap_mode_echoes);
    tcase_add_test(tc, resend_repeats_the_whole_packet);
    tcase_add_test(tc, mouse_bytes_raise_irq12_with_the_aux_bit);
}

int main(void)
{
    Suite *suite = suite_create("i8042");
    TCase *cases[] = { tcase_create("controller"), tcase_create("keyboard"), tcase_create("mouse") };

    add_controller(cases[0]);
    add_keyboard(cases[1]);
    add_mouse(cases[2]);
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        tcase_add_checked_fixture(cases[i], NULL, teardown);
        suite_add_tcase(suite, cases[i]);
    }
    return machine_main(suite);
}
