/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The NE2000 as a packet driver has it, by ports: PROM, memory by words and bytes, frames both ways, a ring
 * that is full, both boards; and programs that do anything.
 */
#include "nic_bench.h"

enum {
    CR = 0,
    PSTART = 1,
    PSTOP = 2,
    BNRY = 3,
    TPSR = 4,
    TBCR = 5,
    ISR = 7,
    RSAR = 8,
    RBCR = 10,
    RCR = 12,
    TCR = 13,
    DCR = 14,
    IMR = 15,
    CURR = 7, /* page 1 */
    PAR = 1,
    MAR = 8,
    DATA = 16,
    RESET = 31,

    TX_PAGE = 0x40,
    RX_PAGE = 0x46,
    RX_END = 0x80,
};

static struct nic_bench b;

static uint32_t in(uint32_t offset, unsigned size)
{
    return rtl8029_device.pci->bar[0].ports.read(&b.dev, offset, size) &
           (size == 4 ? UINT32_MAX : (1u << size * 8) - 1);
}

static void out(uint32_t offset, unsigned size, uint32_t value)
{
    rtl8029_device.pci->bar[0].ports.write(&b.dev, offset, size, value);
}

static void out16(uint32_t offset, uint32_t value)
{
    out(offset, 1, value & 0xff);
    out(offset + 1, 1, value >> 8);
}

static void start_dma(uint32_t at, uint32_t count, bool write)
{
    out16(RBCR, count);
    out16(RSAR, at);
    out(CR, 1, write ? 0x12 : 0x0a);
}

static void start(void)
{
    out(CR, 1, 0x21);
    out(DCR, 1, 0x49);
    out(RCR, 1, 0x04);
    out(TCR, 1, 0);
    out(PSTART, 1, RX_PAGE);
    out(PSTOP, 1, RX_END);
    out(BNRY, 1, RX_PAGE);
    out(ISR, 1, 0xff);
    out(IMR, 1, 0x3f);
    out(CR, 1, 0x61);
    for (unsigned i = 0; i < DEVICE_MAC; i++)
        out(PAR + i, 1, bench_own_mac[i]);
    for (unsigned i = 0; i < 8; i++)
        out(MAR + i, 1, 0);
    out(CURR, 1, RX_PAGE + 1);
    out(CR, 1, 0x22);
}

static void setup(void)
{
    bench_power_on(&b, &rtl8029_device);
    start();
}

static void teardown(void)
{
    bench_free(&b);
}

static unsigned current_page(void)
{
    unsigned page;

    out(CR, 1, 0x62);
    page = in(CURR, 1);
    out(CR, 1, 0x22);
    return page;
}

START_TEST(prom_has_the_address_and_a_signature)
{
    start_dma(0, 32, false);
    for (unsigned i = 0; i < DEVICE_MAC; i++)
        ck_assert_uint_eq(in(DATA, 2), bench_own_mac[i] * 0x101u);
    start_dma(28, 4, false);
    ck_assert_uint_eq(in(DATA, 4), 0x57575757);
    ck_assert_uint_eq(in(ISR, 1) & 0x40, 0x40); /* RDC */
    /* In word mode a byte is half of one. */
    start_dma(0, 12, false);
    for (unsigned i = 0; i < DEVICE_MAC; i++)
        ck_assert_uint_eq(in(DATA, 1), bench_own_mac[i]);
}
END_TEST

START_TEST(memory_takes_words_and_bytes)
{
    start_dma(0x4000, 6, true);
    out(DATA, 4, 0x44332211);
    out(DATA, 2, 0x6655);
    out(DATA, 2, 0x9999); /* nobody asked for it */
    out(DCR, 1, 0x48);
    start_dma(0x4000, 8, false);
    for (unsigned i = 1; i <= 6; i++)
        ck_assert_uint_eq(in(DATA, 1), i * 0x11);
    ck_assert_uint_eq(in(DATA, 2), 0);
    ck_assert_uint_eq(in(DATA, 2), 0xffff); /* it is at its end */
}
END_TEST

START_TEST(frame_is_sent)
{
    uint8_t frame[100];

    make_frame(frame, sizeof(frame), bench_own_mac);
    start_dma(TX_PAGE * 256, sizeof(frame), true);
    for (unsigned i = 0; i < sizeof(frame); i += 2)
        out(DATA, 2, get16(frame + i));
    out(TPSR, 1, TX_PAGE);
    out16(TBCR, sizeof(frame));
    out(CR, 1, 0x26);
    ck_assert_uint_eq(b.sent, 1);
    ck_assert_uint_eq(b.frame[0].size, sizeof(frame));
    ck_assert_mem_eq(b.last, frame, sizeof(frame));
    ck_assert_uint_eq(in(CR, 1) & 4, 0);
    ck_assert(b.line[0]);
    out(ISR, 1, 0x42);
    ck_assert(!b.line[0]);
}
END_TEST

START_TEST(frame_comes_into_the_ring)
{
    uint8_t frame[300];

    make_frame(frame, sizeof(frame), bench_own_mac);
    ck_assert(arrives(&b, frame, sizeof(frame)));
    ck_assert(b.line[0]);
    ck_assert_uint_eq(current_page(), RX_PAGE + 3);
    start_dma((RX_PAGE + 1) * 256, 4 + sizeof(frame), false);
    ck_assert_uint_eq(in(DATA, 2), (RX_PAGE + 3) << 8 | 1);
    ck_assert_uint_eq(in(DATA, 2), sizeof(frame) + 4);
    for (unsigned i = 0; i < sizeof(frame); i += 2)
        ck_assert_uint_eq(in(DATA, 2), get16(frame + i));
}
END_TEST

/* As drivers do it: BNRY is the page before the next frame's, which may be before the ring. */
START_TEST(ring_goes_round_and_is_never_overrun)
{
    uint8_t frame[1000];
    unsigned next = RX_PAGE + 1, kept = 0, read = 0;

    for (unsigned i = 0; i < 500; i++) {
        make_frame(frame, sizeof(frame), bench_own_mac);
        put32(frame + 100, kept);
        if (arrives(&b, frame, sizeof(frame))) {
            kept++;
            continue;
        }
        while (next != current_page()) {
            uint32_t header;

            start_dma(next * 256, 4, false);
            header = in(DATA, 4);
            start_dma(next * 256 + 104, 4, false);
            ck_assert_uint_eq(in(DATA, 4), read++);
            next = header >> 8 & 0xff;
            ck_assert_uint_ge(next, RX_PAGE);
            ck_assert_uint_lt(next, RX_END);
            out(BNRY, 1, next - 1);
        }
        ck_assert_uint_gt(b.rooms, 0);
        b.rooms = 0;
    }
    ck_assert_uint_gt(read, 300);
}
END_TEST

/* The driver acknowledges without having seen the frame that came last. */
START_TEST(frame_that_was_overlooked_is_told_again)
{
    uint8_t frame[100];

    make_frame(frame, sizeof(frame), bench_own_mac);
    ck_assert(arrives(&b, frame, sizeof(frame)));
    out(ISR, 1, 1);
    ck_assert(!b.line[0]);
    bench_sleep(&b, 50000);
    ck_assert(b.line[0]);
    out(BNRY, 1, RX_PAGE + 1);
    out(ISR, 1, 1);
    bench_sleep(&b, 1000000);
    ck_assert(!b.line[0]);
}
END_TEST

/* A command without STA does not stop it. */
START_TEST(goes_on_until_it_is_stopped)
{
    uint8_t frame[100];

    make_frame(frame, sizeof(frame), bench_own_mac);
    out(CR, 1, 0x60);
    ck_assert(arrives(&b, frame, sizeof(frame)));
    ck_assert_uint_eq(current_page(), RX_PAGE + 2);
    out(CR, 1, 0x21);
    ck_assert(arrives(&b, frame, sizeof(frame)));
    ck_assert_uint_eq(current_page(), RX_PAGE + 2);
}
END_TEST

START_TEST(only_wanted_frames_come)
{
    static const uint8_t other[] = { 0x52, 0x54, 0, 1, 2, 3 }, all[] = { 255, 255, 255, 255, 255, 255 },
                         group[] = { 1, 0, 0x5e, 0, 0, 1 };
    uint8_t frame[60];

    make_frame(frame, sizeof(frame), other);
    arrives(&b, frame, sizeof(frame));
    make_frame(frame, sizeof(frame), group);
    out(RCR, 1, 0x0c);
    arrives(&b, frame, sizeof(frame));
    ck_assert_uint_eq(current_page(), RX_PAGE + 1);
    make_frame(frame, sizeof(frame), all);
    arrives(&b, frame, sizeof(frame));
    ck_assert_uint_eq(current_page(), RX_PAGE + 2);
    /* 01:00:5e:00:00:01 has hash 31. */
    out(CR, 1, 0x62);
    out(MAR + 3, 1, 0x80);
    out(CR, 1, 0x22);
    make_frame(frame, sizeof(frame), group);
    arrives(&b, frame, sizeof(frame));
    ck_assert_uint_eq(current_page(), RX_PAGE + 3);
}
END_TEST

START_TEST(isa_board_is_the_same)
{
    const struct device_type *type = &ne2000_isa_device;

    bench_free(&b);
    bench_power_on(&b, type);
    type->ports[0].write(&b.dev, CR, 1, 0x22);
    type->ports[0].write(&b.dev, DCR, 1, 0x49);
    type->ports[0].write(&b.dev, RBCR, 1, 32);
    type->ports[0].write(&b.dev, CR, 1, 0x0a);
    ck_assert_uint_eq(type->ports[1].read(&b.dev, 0, 2), 0x5252);
    type->ports[0].write(&b.dev, IMR, 1, 0x40);
    type->ports[0].write(&b.dev, RBCR, 1, 0);
    type->ports[0].write(&b.dev, CR, 1, 0x0a);
    ck_assert(b.line[1]);
    type->ports[1].read(&b.dev, 15, 1);
    ck_assert(!b.line[1]);
    ck_assert_uint_eq(type->ports[0].read(&b.dev, ISR, 1) & 0x80, 0x80);
}
END_TEST

static void storm(uint32_t seed, unsigned rounds)
{
    uint8_t frame[2000];
    uint32_t x = seed;

    for (unsigned i = 0; i < rounds; i++) {
        uint32_t r = random32(&x), value = random32(&x);

        switch (r & 7) {
        case 0:
            make_frame(frame, sizeof(frame), bench_own_mac);
            arrives(&b, frame, 14 + value % 1900);
            break;
        case 1:
            start();
            break;
        case 2:
        case 3:
            in(r >> 8 & 31, 1u << (r >> 16) % 3);
            break;
        default:
            out(r >> 8 & 31, 1u << (r >> 16) % 3, value);
            break;
        }
    }
}

START_TEST(any_program_does_no_harm)
{
    storm(2463534242u + (uint32_t)_i, getenv("D86_LONG") ? 20000000 : 200000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ne2000");
    TCase *tc = tcase_create("ne2000");

    tcase_set_timeout(tc, 1800);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, prom_has_the_address_and_a_signature);
    tcase_add_test(tc, memory_takes_words_and_bytes);
    tcase_add_test(tc, frame_is_sent);
    tcase_add_test(tc, frame_comes_into_the_ring);
    tcase_add_test(tc, ring_goes_round_and_is_never_overrun);
    tcase_add_test(tc, frame_that_was_overlooked_is_told_again);
    tcase_add_test(tc, goes_on_until_it_is_stopped);
    tcase_add_test(tc, only_wanted_frames_come);
    tcase_add_test(tc, isa_board_is_the_same);
    tcase_add_loop_test(tc, any_program_does_no_harm, 0, 4);
    suite_add_tcase(suite, tc);
    return bench_main(suite);
}
