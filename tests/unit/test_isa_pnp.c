/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Plug and Play of the ISA bus: how software finds the sound card, reads what it is and needs, and switches
 * it off and on. Plug and Play ISA Specification 1.0a.
 */
#include "sound_bench.h"

enum {
    ADDRESS = 0x279,
    WRITE_DATA = 0xa79,
    READ_DATA = 0x213,
    CSN = 1,
    SET_READ_PORT = 0,
    ISOLATION = 1,
    CONTROL = 2,
    WAKE = 3,
    RESOURCE = 4,
    STATUS = 5,
    NUMBER = 6,
    DEVICE = 7,
    ACTIVATE = 0x30,
    IRQ = 0x70,
    DMA = 0x74,
};

static void put(uint8_t index, uint8_t value)
{
    outb(&m, ADDRESS, index);
    outb(&m, WRITE_DATA, value);
}

static uint8_t get(uint8_t index)
{
    outb(&m, ADDRESS, index);
    return inb(&m, READ_DATA);
}

/* Two zeros, which end what was before, and `length` bytes of the key. */
static void say_key(unsigned length)
{
    uint8_t key = 0x6a;

    outb(&m, ADDRESS, 0);
    outb(&m, ADDRESS, 0);
    for (unsigned i = 0; i < length; i++) {
        outb(&m, ADDRESS, key);
        key = key >> 1 | ((key ^ key >> 1) & 1) << 7;
    }
}

/* Of a card that has no number yet. */
static void begin_isolation(void)
{
    say_key(32);
    put(CONTROL, 4); /* all forget their numbers */
    put(WAKE, 0);
    put(SET_READ_PORT, READ_DATA >> 2);
    outb(&m, ADDRESS, ISOLATION);
}

/* A bit of the serial identifier; 2: somebody talks nonsense. */
static unsigned isolate_bit(void)
{
    uint8_t first = inb(&m, READ_DATA), second = inb(&m, READ_DATA);

    if (first == 0x55 && second == 0xaa)
        return 1;
    return first == 0xff && second == 0xff ? 0 : 2;
}

static bool isolate(uint8_t identifier[9])
{
    uint8_t sum = 0x6a;

    memset(identifier, 0, 9);
    for (unsigned i = 0; i < 72; i++) {
        unsigned bit = isolate_bit();

        ck_assert_uint_lt(bit, 2);
        identifier[i / 8] |= bit << i % 8;
        if (i < 64)
            sum = sum >> 1 | ((sum ^ sum >> 1 ^ bit) & 1) << 7;
    }
    return sum == identifier[8];
}

static void find_card(void)
{
    uint8_t identifier[9];

    begin_isolation();
    ck_assert(isolate(identifier));
    put(NUMBER, CSN);
}

/* ---- The sequence -------------------------------------------------------------------------------- */

START_TEST(the_card_is_isolated)
{
    static const uint8_t expected[] = { 0x0e, 0x8c, 0x00, 0x24, 1, 0, 0, 0 };
    uint8_t identifier[9];

    ck_assert_uint_eq(inb(&m, READ_DATA), 0xff);
    begin_isolation();
    ck_assert(isolate(identifier));
    ck_assert(!memcmp(identifier, expected, sizeof(expected)));
    ck_assert_uint_eq(isolate_bit(), 0); /* nobody has more to say */
    put(NUMBER, CSN);
    ck_assert_uint_eq(get(NUMBER), CSN);
    ck_assert_uint_eq(get(DEVICE), 0);

    /* It has a number, so in the next round nobody is there: which the sum of nothing tells. */
    put(WAKE, 0);
    outb(&m, ADDRESS, ISOLATION);
    for (unsigned i = 0; i < 72; i++)
        ck_assert_uint_eq(isolate_bit(), 0);
    put(WAKE, CSN);
    ck_assert_uint_eq(get(NUMBER), CSN);
    put(WAKE, CSN + 1);
    ck_assert_uint_eq(get(NUMBER), 0xff);
}
END_TEST

START_TEST(only_the_key_opens)
{
    for (unsigned length = 0; length < 32; length++) {
        say_key(length);
        put(WAKE, 0);
        put(SET_READ_PORT, READ_DATA >> 2);
        outb(&m, ADDRESS, ISOLATION);
        ck_assert_uint_eq(isolate_bit(), 0);
        ck_assert_uint_eq(isolate_bit(), 0);
    }
    find_card();
    put(CONTROL, 2); /* wait for the key */
    ck_assert_uint_eq(get(NUMBER), 0xff);
    say_key(32);
    put(WAKE, CSN);
    ck_assert_uint_eq(get(NUMBER), CSN);
}
END_TEST

START_TEST(resources_are_well_formed)
{
    unsigned irqs = 0, channels = 0, ports = 0, devices = 0;
    uint8_t tag = 0, sum = 0;

    find_card();
    put(WAKE, CSN);
    for (unsigned i = 0; i < 9; i++)
        get(RESOURCE); /* the identifier again */
    for (unsigned items = 0; items < 64 && tag >> 3 != 0x0f; items++) {
        uint8_t data[256] = { 0 };
        unsigned size;

        ck_assert_uint_eq(get(STATUS) & 1, 1);
        tag = get(RESOURCE);
        size = tag & 0x80 ? get(RESOURCE) : tag & 7;
        size += tag & 0x80 ? get(RESOURCE) << 8 : 0;
        ck_assert_uint_lt(size, sizeof(data));
        sum += tag + (tag & 0x80 ? (size & 0xff) + (size >> 8) : 0);
        for (unsigned i = 0; i < size; i++) {
            data[i] = get(RESOURCE);
            sum += data[i];
        }
        if (tag & 0x80)
            continue;
        devices += tag >> 3 == 2;
        if (tag >> 3 == 4)
            irqs |= data[0] | data[1] << 8;
        if (tag >> 3 == 5)
            channels |= data[0];
        if (tag >> 3 == 8) {
            unsigned from = data[1] | data[2] << 8, to = data[3] | data[4] << 8;

            ck_assert_uint_eq(from, to);
            ck_assert(from == 0x220 || from == 0x330 || from == 0x388);
            ports++;
        }
    }
    ck_assert_uint_eq(tag >> 3, 0x0f);
    ck_assert_uint_eq(sum, 0);
    ck_assert_uint_eq(devices, 1);
    ck_assert_uint_eq(ports, 3);
    ck_assert_uint_eq(irqs, 1u << 5 | 1u << 7 | 1u << 9 | 1u << 10);
    ck_assert_uint_eq(channels, 0xeb);
}
END_TEST

/* ---- Configuration ------------------------------------------------------------------------------- */

static uint8_t mixer(uint8_t index)
{
    outb(&m, 0x224, index);
    return inb(&m, 0x225);
}

START_TEST(it_is_configured_at_power_on)
{
    find_card();
    ck_assert_uint_eq(get(ACTIVATE), 1);
    ck_assert_uint_eq(get(0x60) << 8 | get(0x61), 0x220);
    ck_assert_uint_eq(get(0x62) << 8 | get(0x63), 0x330);
    ck_assert_uint_eq(get(0x64) << 8 | get(0x65), 0x388);
    ck_assert_uint_eq(get(IRQ), 5);
    ck_assert_uint_eq(get(DMA), 1);
    ck_assert_uint_eq(get(DMA + 1), 5);
}
END_TEST

/* The mixer's registers and these are the same thing. */
START_TEST(interrupts_and_channels_are_chosen)
{
    static const struct {
        uint8_t irq, bits;
    } irqs[] = { { 9, 1 }, { 5, 2 }, { 7, 4 }, { 10, 8 }, { 3, 0 }, { 0, 0 } };

    find_card();
    for (unsigned i = 0; i < ARRAY_SIZE(irqs); i++) {
        put(IRQ, irqs[i].irq);
        ck_assert_uint_eq(get(IRQ), irqs[i].bits ? irqs[i].irq : 0);
        ck_assert_uint_eq(mixer(0x80) & 0x0f, irqs[i].bits);
    }
    put(DMA, 3);
    put(DMA + 1, 7);
    ck_assert_uint_eq(mixer(0x81), 0x88);
    put(DMA, 4);
    ck_assert_uint_eq(get(DMA), 4);
    put(DMA + 1, 2); /* which is none of its wide ones */
    ck_assert_uint_eq(get(DMA + 1), 4);
    ck_assert_uint_eq(mixer(0x81), 0);
    put(CONTROL, 1); /* as at power-on */
    ck_assert_uint_eq(get(IRQ), 5);
    ck_assert_uint_eq(mixer(0x81), 0x22);
}
END_TEST

START_TEST(it_can_be_switched_off)
{
    static const uint16_t ports[] = { 0x224, 0x22c, 0x22e, 0x330, 0x331, 0x388 };

    find_card();
    put(ACTIVATE, 0);
    ck_assert_uint_eq(get(ACTIVATE), 0);
    for (unsigned i = 0; i < ARRAY_SIZE(ports); i++) {
        outb(&m, ports[i], 0x5a);
        ck_assert_msg(inb(&m, ports[i]) == 0xff, "%x", ports[i]);
    }
    put(ACTIVATE, 1);
    ck_assert_uint_eq(inb(&m, 0x22c) & 0x80, 0);
    put(ACTIVATE, 0);
    pc_reset(m.pc);
    ck_assert_uint_eq(inb(&m, 0x22c) & 0x80, 0);
    ck_assert_uint_eq(get(NUMBER), 0xff); /* and has forgotten its number */
}
END_TEST

/* Wherever software puts the port at which it reads, nobody else's is in its way. */
START_TEST(the_read_port_is_anywhere)
{
    for (unsigned port = 0x203; port <= 0x3ff; port += 4) {
        say_key(32);
        put(CONTROL, 4);
        put(WAKE, 0);
        put(SET_READ_PORT, (uint8_t)(port >> 2));
        outb(&m, ADDRESS, ISOLATION);
        inb(&m, (uint16_t)port);
        put(CONTROL, 2);
    }
    find_card();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("isa_pnp");
    TCase *tc = tcase_create("isa_pnp");

    tcase_add_checked_fixture(tc, start_pc, stop_pc);
    tcase_add_test(tc, the_card_is_isolated);
    tcase_add_test(tc, only_the_key_opens);
    tcase_add_test(tc, resources_are_well_formed);
    tcase_add_test(tc, it_is_configured_at_power_on);
    tcase_add_test(tc, interrupts_and_channels_are_chosen);
    tcase_add_test(tc, it_can_be_switched_off);
    tcase_add_test(tc, the_read_port_is_anywhere);
    suite_add_tcase(suite, tc);
    return machine_main(suite);
}
