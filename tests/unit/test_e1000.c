/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The 82540EM as a driver sees it: EEPROM, rings in both directions, offloads, interrupts; and guests that do
 * anything.
 */
#include "nic_bench.h"

enum {
    CTRL = 0x0000,
    STATUS = 0x0008,
    EECD = 0x0010,
    EERD = 0x0014,
    MDIC = 0x0020,
    ICR = 0x00c0,
    ITR = 0x00c4,
    IMS = 0x00d0,
    IMC = 0x00d8,
    RCTL = 0x0100,
    TCTL = 0x0400,
    RDBAL = 0x2800,
    RDLEN = 0x2808,
    RDH = 0x2810,
    RDT = 0x2818,
    TDBAL = 0x3800,
    TDLEN = 0x3808,
    TDH = 0x3810,
    TDT = 0x3818,
    GPRC = 0x4074,
    GPTC = 0x4080,
    MTA = 0x5200,

    RX_RING = 0x1000, /* in memory, 8 descriptors each */
    TX_RING = 0x2000,
    BUFFERS = 0x10000,
    DATA = 0x40000,
    RINGS = 8,

    TXDW = 1,
    RXT0 = 0x80,
    RCTL_EN = 1 << 1,
    RCTL_BAM = 1 << 15,
    RCTL_SECRC = 1 << 26,
    EOP = 1,
    RS = 8,
    DEXT = 0x20,
    TSE = 4,
};

static struct nic_bench b;

static uint32_t in(uint32_t offset)
{
    return (uint32_t)e1000_device.pci->bar[0].mmio.read(&b.dev, offset, 4);
}

static void out(uint32_t offset, uint32_t value)
{
    e1000_device.pci->bar[0].mmio.write(&b.dev, offset, 4, value);
}

static void give_buffers(unsigned count)
{
    for (unsigned i = 0; i < RINGS; i++)
        put32(b.memory + RX_RING + i * 16, BUFFERS + i * 2048);
    out(RDBAL, RX_RING);
    out(RDLEN, RINGS * 16);
    out(RDH, 0);
    out(RDT, count);
    out(RCTL, RCTL_EN | RCTL_BAM | RCTL_SECRC);
}

static void setup(void)
{
    bench_power_on(&b, &e1000_device);
    out(TDBAL, TX_RING);
    out(TDLEN, RINGS * 16);
    out(TCTL, 2);
}

static void teardown(void)
{
    bench_free(&b);
}

/* ---- EEPROM and PHY -------------------------------------------------------------------------- */

static bool clock_eecd(bool di)
{
    bool bit;

    out(EECD, 0x42 | di << 2);
    out(EECD, 0x43 | di << 2);
    bit = in(EECD)&8;
    out(EECD, 0x42 | di << 2);
    return bit;
}

static uint16_t read_bit_by_bit(unsigned word)
{
    uint16_t value = 0;

    out(EECD, 0x40);
    ck_assert(in(EECD)&0x80); /* granted */
    for (int i = 8; i >= 0; i--)
        clock_eecd((6u << 6 | word) >> i & 1);
    for (unsigned i = 0; i < 16; i++)
        value = (uint16_t)(value << 1 | clock_eecd(false));
    out(EECD, 0x40);
    return value;
}

START_TEST(eeprom_reads_the_same_both_ways_and_sums_up)
{
    uint16_t sum = 0;

    for (unsigned word = 0; word < 64; word++) {
        uint16_t value = read_bit_by_bit(word);

        out(EERD, word << 8 | 1);
        ck_assert(in(EERD)&0x10);
        ck_assert_uint_eq(in(EERD) >> 16, value);
        sum = (uint16_t)(sum + value);
    }
    ck_assert_uint_eq(sum, 0xbaba);
    ck_assert_uint_eq(read_bit_by_bit(0), 0x5452);
    ck_assert_uint_eq(read_bit_by_bit(2), 0x5634);
}
END_TEST

START_TEST(phy_has_a_link_and_knows_who_it_is)
{
    out(MDIC, 2u << 26 | 1 << 21 | 2 << 16);
    ck_assert_uint_eq(in(MDIC)&0x7000ffff, 0x10000141);
    out(MDIC, 2u << 26 | 1 << 21 | 1 << 16);
    ck_assert_uint_eq(in(MDIC)&0x24, 0x24);
    out(MDIC, 2u << 26 | 7 << 21 | 1 << 16); /* nobody is there */
    ck_assert_uint_eq(in(MDIC)&0x50000000, 0x50000000);
    ck_assert_uint_eq(in(STATUS)&2, 2);
}
END_TEST

/* ---- Receiving ------------------------------------------------------------------------------- */

static const uint8_t *rx_descriptor(unsigned n)
{
    return b.memory + RX_RING + n * 16;
}

START_TEST(frame_goes_to_the_buffer_and_raises)
{
    uint8_t frame[200];

    make_frame(frame, sizeof(frame), bench_own_mac);
    give_buffers(4);
    out(IMS, RXT0);
    ck_assert(arrives(&b, frame, sizeof(frame)));
    ck_assert_mem_eq(b.memory + BUFFERS, frame, sizeof(frame));
    ck_assert_uint_eq(get16(rx_descriptor(0) + 8), sizeof(frame));
    ck_assert_uint_eq(rx_descriptor(0)[12] & 3, 3);
    ck_assert_uint_eq(in(RDH), 1);
    ck_assert(b.line[0]);
    ck_assert(in(ICR)&RXT0);
    ck_assert(!b.line[0]);
    ck_assert_uint_eq(in(GPRC), 1);
    ck_assert_uint_eq(in(GPRC), 0);
}
END_TEST

START_TEST(short_frames_are_padded_and_long_ones_take_several_buffers)
{
    uint8_t frame[1514];

    make_frame(frame, sizeof(frame), bench_own_mac);
    give_buffers(7);
    out(RCTL, RCTL_EN | RCTL_SECRC | 2 << 16); /* 512 bytes */
    ck_assert(arrives(&b, frame, 20));
    ck_assert_uint_eq(get16(rx_descriptor(0) + 8), 60);
    ck_assert_uint_eq(b.memory[BUFFERS + 20], 0);
    ck_assert(arrives(&b, frame, sizeof(frame)));
    ck_assert_uint_eq(rx_descriptor(1)[12] & 3, 1);
    ck_assert_uint_eq(rx_descriptor(3)[12] & 3, 3);
    ck_assert_uint_eq(get16(rx_descriptor(3) + 8), sizeof(frame) - 1024);
    ck_assert_mem_eq(b.memory + BUFFERS + 3 * 2048, frame + 1024, sizeof(frame) - 1024);
}
END_TEST

START_TEST(frame_without_a_buffer_is_refused_until_there_is_one)
{
    uint8_t frame[100];

    make_frame(frame, sizeof(frame), bench_own_mac);
    give_buffers(1);
    ck_assert(arrives(&b, frame, sizeof(frame)));
    ck_assert(!arrives(&b, frame, sizeof(frame)));
    ck_assert_uint_eq(b.rooms, 0);
    out(RDT, 3);
    ck_assert_uint_eq(b.rooms, 1);
    ck_assert(arrives(&b, frame, sizeof(frame)));
}
END_TEST

START_TEST(adapter_that_is_off_drops)
{
    uint8_t frame[100];

    make_frame(frame, sizeof(frame), bench_own_mac);
    give_buffers(1);
    out(RCTL, 0);
    ck_assert(arrives(&b, frame, sizeof(frame)));
    ck_assert_uint_eq(in(RDH), 0);
}
END_TEST

static const struct {
    const char *name;
    uint8_t mac[DEVICE_MAC];
    uint32_t rctl;
    bool taken;
} filters[] = {
    { "own", { 0x52, 0x54, 0, 0x12, 0x34, 0x56 }, 0, true },
    { "somebody else's", { 0x52, 0x54, 0, 0x12, 0x34, 0x57 }, 0, false },
    { "promiscuous", { 0x52, 0x54, 0, 0x12, 0x34, 0x57 }, 1 << 3, true },
    { "broadcast, not wanted", { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, 0, false },
    { "broadcast", { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, RCTL_BAM, true },
    { "multicast not in the table", { 1, 0, 0x5e, 0, 0, 2 }, 0, false },
    { "all multicasts", { 1, 0, 0x5e, 0, 0, 2 }, 1 << 4, true },
    { "multicast in the table", { 1, 0, 0x5e, 0, 0, 1 }, 0, true },
};

START_TEST(filters_by_address)
{
    uint8_t frame[100];

    give_buffers(4);
    out(MTA + (0x010 >> 5) * 4, 1u << (0x010 & 31)); /* bits 47-36 of 00:..:01 */
    out(RCTL, RCTL_EN | filters[_i].rctl);
    make_frame(frame, sizeof(frame), filters[_i].mac);
    ck_assert(arrives(&b, frame, sizeof(frame)));
    ck_assert_msg((in(RDH) == 1) == filters[_i].taken, "%s", filters[_i].name);
}
END_TEST

/* ---- Sending --------------------------------------------------------------------------------- */

/* A descriptor: second half as two dwords. */
static void tx(unsigned n, uint32_t low, uint32_t high, uint32_t command, uint32_t rest)
{
    uint8_t *d = b.memory + TX_RING + n * 16;

    put32(d, low);
    put32(d + 4, high);
    put32(d + 8, command);
    put32(d + 12, rest);
}

START_TEST(legacy_descriptors_make_a_frame)
{
    uint8_t frame[300];

    make_frame(frame, sizeof(frame), bench_own_mac);
    memcpy(b.memory + DATA, frame, sizeof(frame));
    tx(0, DATA, 0, 100, 0);
    tx(1, DATA + 100, 0, (EOP | RS) << 24 | 200, 0);
    out(IMS, TXDW);
    out(TDT, 2);
    ck_assert_uint_eq(b.sent, 1);
    ck_assert_uint_eq(b.frame[0].size, sizeof(frame));
    ck_assert_mem_eq(b.last, frame, sizeof(frame));
    ck_assert_uint_eq(b.memory[TX_RING + 16 + 12] & 1, 1);
    ck_assert_uint_eq(b.memory[TX_RING + 12] & 1, 0);
    ck_assert_uint_eq(in(TDH), 2);
    ck_assert(b.line[0]);
    ck_assert_uint_eq(in(GPTC), 1);
}
END_TEST

enum { IP = 14, TCP = 34, HEADERS = 54 };

/* Headers of TCP over IPv4, with the pseudo-header's sum but for the length. */
static void make_tcp(uint8_t *frame)
{
    static const uint8_t pseudo[] = { 10, 0, 2, 15, 10, 0, 2, 2, 0, 6 };
    uint32_t sum = sum16(pseudo, sizeof(pseudo), 0);

    make_frame(frame, HEADERS, bench_own_mac);
    memset(frame + IP, 0, HEADERS - IP);
    frame[12] = 8;
    frame[13] = 0;
    frame[IP] = 0x45;
    frame[IP + 4] = 0x12;
    frame[IP + 5] = 0xff;
    frame[IP + 8] = 64;
    frame[IP + 9] = 6;
    memcpy(frame + IP + 12, pseudo, 8);
    frame[TCP + 7] = 0x10; /* sequence number */
    frame[TCP + 12] = 0x50;
    frame[TCP + 13] = 0x19; /* ACK, PSH, FIN */
    frame[TCP + 16] = (uint8_t)(sum >> 8);
    frame[TCP + 17] = (uint8_t)sum;
}

static void check_segment(uint32_t payload, uint16_t id, uint32_t sequence, uint8_t flags)
{
    const uint8_t *ip = b.last + IP, *tcp = b.last + TCP;
    uint8_t pseudo[12] = { 0 };

    ck_assert_uint_eq(b.frame[(b.sent - 1) % BENCH_FRAMES].size, HEADERS + payload);
    ck_assert_uint_eq(ip[2] << 8 | ip[3], 40 + payload);
    ck_assert_uint_eq(ip[4] << 8 | ip[5], id);
    ck_assert_uint_eq(sum16(ip, 20, 0), 0xffff);
    ck_assert_uint_eq((uint32_t)tcp[4] << 24 | tcp[5] << 16 | tcp[6] << 8 | tcp[7], sequence);
    ck_assert_uint_eq(tcp[13], flags);
    memcpy(pseudo, ip + 12, 8);
    pseudo[9] = 6;
    pseudo[10] = (uint8_t)((20 + payload) >> 8);
    pseudo[11] = (uint8_t)(20 + payload);
    ck_assert_uint_eq(sum16(tcp, 20 + payload, sum16(pseudo, sizeof(pseudo), 0)), 0xffff);
}

static void put_context(unsigned n, uint32_t paylen, uint32_t mss, bool tse)
{
    tx(n, IP | (IP + 10) << 8 | (TCP - 1) << 16, TCP | (TCP + 16) << 8,
       paylen | (uint32_t)(DEXT | (tse ? TSE : 0) | 3) << 24, HEADERS << 8 | mss << 16);
}

START_TEST(tcp_is_divided_into_segments)
{
    make_tcp(b.memory + DATA);
    for (unsigned i = 0; i < 2500; i++)
        b.memory[DATA + HEADERS + i] = (uint8_t)(i * 3);
    put_context(0, 2500, 1000, true);
    tx(1, DATA, 0, HEADERS | 1 << 20 | (uint32_t)(DEXT | TSE) << 24, 3 << 8);
    out(TDT, 2);
    ck_assert_uint_eq(b.sent, 0);
    tx(2, DATA + HEADERS, 0, 1000 | 1 << 20 | (uint32_t)(DEXT | TSE) << 24, 0);
    out(TDT, 3);
    ck_assert_uint_eq(b.sent, 1);
    check_segment(1000, 0x12ff, 0x10, 0x10);
    tx(3, DATA + HEADERS + 1000, 0, 1500 | 1 << 20 | (uint32_t)(DEXT | TSE | EOP | RS) << 24, 0);
    out(TDT, 4);
    ck_assert_uint_eq(b.sent, 3);
    check_segment(500, 0x1301, 0x10 + 2000, 0x19);
    ck_assert_mem_eq(b.last + HEADERS, b.memory + DATA + HEADERS + 2000, 500);
}
END_TEST

START_TEST(checksums_are_put_in)
{
    uint8_t *frame = b.memory + DATA;

    make_tcp(frame);
    put32(frame + HEADERS, 0x12345678);
    frame[IP + 3] = 44;
    /* The pseudo-header's sum, with the length. */
    frame[TCP + 17] = 0x2d;
    frame[TCP + 16] = 0x16;
    put_context(0, 0, 0, false);
    tx(1, DATA, 0, (HEADERS + 4) | 1 << 20 | (uint32_t)(DEXT | EOP) << 24, 3 << 8);
    out(TDT, 2);
    ck_assert_uint_eq(b.sent, 1);
    ck_assert_uint_eq(sum16(b.last + IP, 20, 0), 0xffff);
    ck_assert_uint_eq(sum16(b.last + TCP, 24, 0x162d), 0xffff);
}
END_TEST

/* ---- Interrupts ------------------------------------------------------------------------------ */

START_TEST(interrupts_are_throttled)
{
    uint8_t frame[100];

    make_frame(frame, sizeof(frame), bench_own_mac);
    give_buffers(7);
    b.now = 1000000;
    out(ITR, 1000); /* 256 us */
    out(IMS, RXT0);
    arrives(&b, frame, sizeof(frame));
    ck_assert(b.line[0]);
    in(ICR);
    arrives(&b, frame, sizeof(frame));
    ck_assert(!b.line[0]);
    bench_sleep(&b, 255000);
    ck_assert(!b.line[0]);
    bench_sleep(&b, 1000);
    ck_assert(b.line[0]);
}
END_TEST

START_TEST(masked_causes_wait)
{
    out(0xc8, 4); /* ICS */
    ck_assert(!b.line[0]);
    out(IMS, 4);
    ck_assert(b.line[0]);
    out(IMC, 4);
    ck_assert(!b.line[0]);
    out(IMS, 4);
    out(ICR, 4);
    ck_assert(!b.line[0]);
}
END_TEST

/* ---- Anything -------------------------------------------------------------------------------- */

/* Registers, the rings and frames at random, with addresses that are often good ones. */
static void storm(uint32_t seed, unsigned rounds)
{
    static const uint16_t likely[] = { CTRL,  EECD, EERD,  MDIC,   ICR,    ITR,    IMS,
                                       RCTL,  TCTL, RDBAL, RDLEN,  RDH,    RDT,    TDBAL,
                                       TDLEN, TDH,  TDT,   0x2804, 0x3804, 0x2820, 0x3820 };
    uint8_t frame[2000];
    uint32_t x = seed;

    for (unsigned i = 0; i < rounds; i++) {
        uint32_t r = random32(&x), value = random32(&x);
        uint32_t offset = r & 3 ? likely[r / 4 % ARRAY_SIZE(likely)] : r / 4 % 0x20000;

        switch (r >> 8 & 7) {
        case 0:
            in(offset);
            break;
        case 1:
            make_frame(frame, sizeof(frame), bench_own_mac);
            frame[r >> 12 & 15] ^= r & 1;
            arrives(&b, frame, 14 + value % (sizeof(frame) - 14));
            break;
        case 2:
            for (unsigned n = 0; n < 64; n++)
                b.memory[TX_RING + value % 4096 + n] = (uint8_t)random32(&x);
            break;
        case 3:
            bench_sleep(&b, value % 1000000);
            break;
        case 4:
            out(RDBAL, RX_RING);
            out(TDBAL, TX_RING);
            out(TDLEN, 4096);
            out(TCTL, 2);
            out(RCTL, RCTL_EN | (value & 0x02030000));
            out(TDT, value % 256);
            break;
        default:
            out(offset, r & 16 ? value : value % 512);
            break;
        }
    }
}

START_TEST(any_guest_does_no_harm)
{
    const char *more = getenv("D86_LONG");

    storm(2463534242u + (uint32_t)_i, more ? 20000000 : 200000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("e1000");
    TCase *tc = tcase_create("e1000");

    tcase_set_timeout(tc, 1800);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, eeprom_reads_the_same_both_ways_and_sums_up);
    tcase_add_test(tc, phy_has_a_link_and_knows_who_it_is);
    tcase_add_test(tc, frame_goes_to_the_buffer_and_raises);
    tcase_add_test(tc, short_frames_are_padded_and_long_ones_take_several_buffers);
    tcase_add_test(tc, frame_without_a_buffer_is_refused_until_there_is_one);
    tcase_add_test(tc, adapter_that_is_off_drops);
    tcase_add_loop_test(tc, filters_by_address, 0, ARRAY_SIZE(filters));
    tcase_add_test(tc, legacy_descriptors_make_a_frame);
    tcase_add_test(tc, tcp_is_divided_into_segments);
    tcase_add_test(tc, checksums_are_put_in);
    tcase_add_test(tc, interrupts_are_throttled);
    tcase_add_test(tc, masked_causes_wait);
    tcase_add_loop_test(tc, any_guest_does_no_harm, 0, 4);
    suite_add_tcase(suite, tc);
    return bench_main(suite);
}
