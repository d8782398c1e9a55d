/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Virtio's transport and queues, by its network adapter: both interfaces, chains of all shapes, suppressed
 * notifications and interrupts; and drivers that put anything into their queues.
 */
#include "nic_bench.h"

enum {
    /* The structures in base address register 4. */
    FEATURE_SELECT = 0x00,
    FEATURE = 0x04,
    DRIVER_SELECT = 0x08,
    DRIVER = 0x0c,
    STATUS = 0x14,
    QUEUE_SELECT = 0x16,
    QUEUE_SIZE = 0x18,
    QUEUE_ENABLE = 0x1c,
    QUEUE_DESC = 0x20,
    QUEUE_AVAIL = 0x28,
    QUEUE_USED = 0x30,
    ISR = 0x100,
    CONFIG = 0x200,
    NOTIFY = 0x400,

    ACKNOWLEDGE = 1,
    DRIVER_BIT = 2,
    DRIVER_OK = 4,
    FEATURES_OK = 8,
    NEEDS_RESET = 0x40,

    RX = 0,
    TX = 1,
    SIZE = 8,
    /* In memory: a queue has a page for each of its three parts. */
    QUEUES = 0x1000,
    DATA = 0x10000,

    NEXT = 1,
    WRITE = 2,
    INDIRECT = 4,
};

#define VERSION_1 (UINT64_C(1) << 32)
#define EVENT_IDX (UINT64_C(1) << 29)
#define IN_TABLES (UINT64_C(1) << 28)
#define MRG_RXBUF (UINT64_C(1) << 15)
#define CHECKSUMS (UINT64_C(3))
#define GUEST_TSO (UINT64_C(1) << 7)

static struct nic_bench b;

static uint32_t in(uint32_t offset, unsigned size)
{
    return (uint32_t)virtio_net_device.pci->bar[4].mmio.read(&b.dev, offset, size);
}

static void out(uint32_t offset, unsigned size, uint32_t value)
{
    virtio_net_device.pci->bar[4].mmio.write(&b.dev, offset, size, value);
}

static uint8_t *descriptors(unsigned queue)
{
    return b.memory + QUEUES + queue * 0x3000;
}

static uint8_t *available(unsigned queue)
{
    return descriptors(queue) + 0x1000;
}

static uint8_t *used(unsigned queue)
{
    return descriptors(queue) + 0x2000;
}

static void describe(uint8_t *table, unsigned n, uint32_t pa, uint32_t size, unsigned flags, unsigned next)
{
    put32(table + n * 16, pa);
    put32(table + n * 16 + 4, 0);
    put32(table + n * 16 + 8, size);
    put16(table + n * 16 + 12, flags);
    put16(table + n * 16 + 14, next);
}

/* Put a chain into the queue's available ring. */
static void offer(unsigned queue, unsigned head)
{
    uint8_t *ring = available(queue);
    unsigned index = get16(ring + 2);

    put16(ring + 4 + index % SIZE * 2, head);
    put16(ring + 2, index + 1);
}

static void notify(unsigned queue)
{
    out(NOTIFY + queue * 4, 2, queue);
}

static void start(uint64_t features)
{
    out(STATUS, 1, 0);
    out(STATUS, 1, ACKNOWLEDGE | DRIVER_BIT);
    for (unsigned half = 0; half < 2; half++) {
        out(DRIVER_SELECT, 4, half);
        out(DRIVER, 4, (uint32_t)(features >> half * 32));
    }
    out(STATUS, 1, ACKNOWLEDGE | DRIVER_BIT | FEATURES_OK);
    ck_assert_uint_eq(in(STATUS, 1), ACKNOWLEDGE | DRIVER_BIT | FEATURES_OK);
    for (unsigned queue = 0; queue < 2; queue++) {
        out(QUEUE_SELECT, 2, queue);
        out(QUEUE_SIZE, 2, SIZE);
        out(QUEUE_DESC, 4, QUEUES + queue * 0x3000);
        out(QUEUE_AVAIL, 4, QUEUES + queue * 0x3000 + 0x1000);
        out(QUEUE_USED, 4, QUEUES + queue * 0x3000 + 0x2000);
        out(QUEUE_ENABLE, 2, 1);
    }
    out(STATUS, 1, ACKNOWLEDGE | DRIVER_BIT | FEATURES_OK | DRIVER_OK);
}

static void setup(void)
{
    bench_power_on(&b, &virtio_net_device);
}

static void teardown(void)
{
    bench_free(&b);
}

/* ---- The transport --------------------------------------------------------------------------- */

START_TEST(driver_must_know_version_1)
{
    out(STATUS, 1, ACKNOWLEDGE | DRIVER_BIT);
    out(DRIVER_SELECT, 4, 0);
    out(DRIVER, 4, 0x20);
    out(STATUS, 1, ACKNOWLEDGE | DRIVER_BIT | FEATURES_OK);
    ck_assert(!(in(STATUS, 1) & FEATURES_OK));
    start(VERSION_1);
    out(DRIVER_SELECT, 4, 0);
    out(DRIVER, 4, 0xffffffff); /* too late */
    ck_assert_uint_eq(in(DRIVER, 4), 0);
}
END_TEST

START_TEST(only_offered_features_are_agreed_on)
{
    uint32_t offered;

    out(FEATURE_SELECT, 4, 0);
    offered = in(FEATURE, 4);
    out(DRIVER_SELECT, 4, 0);
    out(DRIVER, 4, 0xffffffff);
    ck_assert_uint_eq(in(DRIVER, 4), offered);
    out(FEATURE_SELECT, 4, 2);
    ck_assert_uint_eq(in(FEATURE, 4), 0);
}
END_TEST

START_TEST(configuration_has_address_and_link)
{
    for (unsigned i = 0; i < DEVICE_MAC; i++)
        ck_assert_uint_eq(in(CONFIG + i, 1), bench_own_mac[i]);
    ck_assert_uint_eq(in(CONFIG + 6, 2), 1);
    ck_assert_uint_eq(in(CONFIG + 100, 4), 0);
}
END_TEST

/* All can be reached through configuration space. */
START_TEST(window_shows_the_structures)
{
    const struct device_pci *pci = virtio_net_device.pci;
    uint8_t *window = b.config + 0x90;

    window[4] = 4;
    put32(window + 8, CONFIG);
    put32(window + 12, 4);
    pci->read(&b.dev, 0xa0, 4);
    ck_assert_uint_eq(get32(window + 16), 0x12005452);
    put32(window + 8, QUEUE_SELECT);
    put32(window + 12, 2);
    window[16] = pci->change(&b.dev, 0xa0, TX);
    ck_assert_uint_eq(in(QUEUE_SELECT, 2), 0);
    window[17] = pci->change(&b.dev, 0xa1, 0);
    ck_assert_uint_eq(in(QUEUE_SELECT, 2), TX);
    put32(window + 8, 0x10000000); /* nothing is there */
    window[16] = pci->change(&b.dev, 0xa0, 5);
    window[17] = pci->change(&b.dev, 0xa1, 5);
    pci->read(&b.dev, 0xa0, 4);
    ck_assert_uint_eq(in(QUEUE_SELECT, 2), TX);
}
END_TEST

/* ---- Sending --------------------------------------------------------------------------------- */

static void make_tx(unsigned size)
{
    memset(b.memory + DATA, 0, 12);
    make_frame(b.memory + DATA + 12, size, bench_own_mac);
}

START_TEST(chain_of_several_pieces_is_a_frame)
{
    start(VERSION_1);
    make_tx(200);
    describe(descriptors(TX), 3, DATA, 12, NEXT, 1);
    describe(descriptors(TX), 1, DATA + 12, 50, NEXT, 6);
    describe(descriptors(TX), 6, DATA + 62, 150, 0, 0);
    offer(TX, 3);
    notify(TX);
    ck_assert_uint_eq(b.sent, 1);
    ck_assert_uint_eq(b.frame[0].size, 200);
    ck_assert_mem_eq(b.last, b.memory + DATA + 12, 200);
    ck_assert_uint_eq(get16(used(TX) + 2), 1);
    ck_assert_uint_eq(get32(used(TX) + 4), 3);
    ck_assert(b.line[0]);
    ck_assert_uint_eq(in(ISR, 1), 1);
    ck_assert(!b.line[0]);
}
END_TEST

START_TEST(table_is_a_chain)
{
    uint8_t *table = b.memory + 0x8000;

    start(VERSION_1 | IN_TABLES);
    make_tx(100);
    describe(table, 0, DATA, 12, NEXT, 1);
    describe(table, 1, DATA + 12, 100, 0, 0);
    describe(descriptors(TX), 0, 0x8000, 32, INDIRECT, 0);
    offer(TX, 0);
    notify(TX);
    ck_assert_uint_eq(b.sent, 1);
    ck_assert_uint_eq(b.frame[0].size, 100);
}
END_TEST

START_TEST(checksum_is_put_in)
{
    uint8_t *frame = b.memory + DATA + 12;

    start(VERSION_1 | CHECKSUMS);
    make_tx(101);
    b.memory[DATA] = 1; /* NEEDS_CSUM */
    put16(b.memory + DATA + 6, 34);
    put16(b.memory + DATA + 8, 16);
    put16(frame + 50, 0x3412);
    describe(descriptors(TX), 0, DATA, 113, 0, 0);
    offer(TX, 0);
    notify(TX);
    ck_assert_uint_eq(sum16(b.last + 34, 101 - 34, 0x1234), 0xffff);
}
END_TEST

START_TEST(segments_are_left_to_the_cable)
{
    start(VERSION_1 | CHECKSUMS | UINT64_C(1) << 11);
    make_tx(5000);
    b.memory[DATA + 1] = 1;
    put16(b.memory + DATA + 4, 1448);
    describe(descriptors(TX), 0, DATA, 5012, 0, 0);
    offer(TX, 0);
    notify(TX);
    ck_assert_uint_eq(b.frame[0].size, 5000);
    ck_assert_uint_eq(b.frame[0].segment, 1448);
}
END_TEST

/* ---- Receiving ------------------------------------------------------------------------------- */

static void offer_buffers(unsigned count, unsigned size)
{
    for (unsigned i = 0; i < count; i++) {
        describe(descriptors(RX), i, DATA + i * 0x1000, size, WRITE, 0);
        offer(RX, i);
    }
}

START_TEST(frame_goes_over_buffers_that_are_merged)
{
    uint8_t frame[1000];

    start(VERSION_1 | MRG_RXBUF);
    make_frame(frame, sizeof(frame), bench_own_mac);
    offer_buffers(4, 400);
    ck_assert(arrives(&b, frame, sizeof(frame)));
    ck_assert_uint_eq(get16(b.memory + DATA + 10), 3);
    ck_assert_mem_eq(b.memory + DATA + 12, frame, 388);
    ck_assert_mem_eq(b.memory + DATA + 0x2000, frame + 788, 212);
    ck_assert_uint_eq(get16(used(RX) + 2), 3);
    ck_assert_uint_eq(get32(used(RX) + 8), 400);
    ck_assert_uint_eq(get32(used(RX) + 4 + 16), 2);
    ck_assert_uint_eq(get32(used(RX) + 4 + 16 + 4), 212);
    ck_assert(arrives(&b, frame, 300)); /* the fourth one */
    ck_assert_mem_eq(b.memory + DATA + 0x3000 + 12, frame, 300);
}
END_TEST

START_TEST(frame_without_buffers_waits_for_a_notification)
{
    uint8_t frame[1000];

    start(VERSION_1 | MRG_RXBUF);
    make_frame(frame, sizeof(frame), bench_own_mac);
    offer_buffers(2, 400);
    ck_assert(!arrives(&b, frame, sizeof(frame)));
    ck_assert_uint_eq(get16(used(RX) + 2), 0);
    ck_assert_uint_eq(get16(used(RX)) & 1, 0); /* notify me */
    describe(descriptors(RX), 2, DATA + 0x2000, 400, WRITE, 0);
    offer(RX, 2);
    notify(RX);
    ck_assert_uint_eq(b.rooms, 1);
    ck_assert(arrives(&b, frame, sizeof(frame)));
    ck_assert_uint_eq(get16(used(RX)) & 1, 1); /* and now do not */
}
END_TEST

START_TEST(frame_that_never_fits_is_dropped)
{
    uint8_t frame[1000];

    start(VERSION_1);
    make_frame(frame, sizeof(frame), bench_own_mac);
    offer_buffers(4, 400);
    ck_assert(arrives(&b, frame, sizeof(frame)));
    ck_assert_uint_eq(get16(used(RX) + 2), 0);
    ck_assert(arrives(&b, frame, 200));
    ck_assert_uint_eq(get16(used(RX) + 2), 1);
}
END_TEST

START_TEST(segments_come_with_what_the_driver_needs)
{
    uint8_t frame[2000] = { [12] = 8, [14] = 0x45, [14 + 20 + 12] = 0x50 };
    const struct device_frame segmented = { frame, sizeof(frame), 700, true };

    start(VERSION_1 | MRG_RXBUF | CHECKSUMS | GUEST_TSO);
    ck_assert(b.segments4 && !b.segments6);
    offer_buffers(1, 0x1000);
    ck_assert(b.dev.type->frame_arrives(&b.dev, &segmented));
    ck_assert_uint_eq(b.memory[DATA], 1);
    ck_assert_uint_eq(b.memory[DATA + 1], 1);
    ck_assert_uint_eq(get16(b.memory + DATA + 2), 54);
    ck_assert_uint_eq(get16(b.memory + DATA + 4), 700);
    ck_assert_uint_eq(get16(b.memory + DATA + 6), 34);
    out(STATUS, 1, 0);
    ck_assert(!b.segments4);
}
END_TEST

/* ---- Suppression ----------------------------------------------------------------------------- */

START_TEST(driver_is_interrupted_where_it_asked_to_be)
{
    start(VERSION_1 | EVENT_IDX);
    make_tx(60);
    put16(available(TX) + 4 + SIZE * 2, 2); /* used_event: after the third */
    for (unsigned i = 0; i < 3; i++) {
        describe(descriptors(TX), i, DATA, 72, 0, 0);
        offer(TX, i);
        notify(TX);
        ck_assert_int_eq(b.line[0], i == 2);
        ck_assert_uint_eq(get16(used(TX) + 4 + SIZE * 8), i + 1); /* avail_event follows */
    }
}
END_TEST

START_TEST(driver_that_wants_no_interrupts_gets_none)
{
    start(VERSION_1);
    make_tx(60);
    put16(available(TX), 1);
    describe(descriptors(TX), 0, DATA, 72, 0, 0);
    offer(TX, 0);
    notify(TX);
    ck_assert_uint_eq(get16(used(TX) + 2), 1);
    ck_assert(!b.line[0]);
}
END_TEST

/* ---- What makes no sense --------------------------------------------------------------------- */

static void loop(void)
{
    describe(descriptors(TX), 0, DATA, 12, NEXT, 1);
    describe(descriptors(TX), 1, DATA, 12, NEXT, 0);
}

static void leave_the_table(void)
{
    describe(descriptors(TX), 0, DATA, 12, NEXT, SIZE);
}

static void read_after_write(void)
{
    describe(descriptors(TX), 0, DATA, 12, WRITE | NEXT, 1);
    describe(descriptors(TX), 1, DATA, 12, 0, 0);
}

static void table_in_a_table(void)
{
    describe(descriptors(TX), 0, 0x8000, 16, INDIRECT, 0);
    describe(b.memory + 0x8000, 0, 0x9000, 16, INDIRECT, 0);
}

static void odd_table(void)
{
    describe(descriptors(TX), 0, 0x8000, 17, INDIRECT, 0);
}

static void no_memory(void)
{
    describe(descriptors(TX), 0, 0xfffffff0, 100, 0, 0);
}

static void far_ahead(void)
{
    put16(available(TX) + 2, SIZE + 5);
}

static const struct {
    const char *name;
    void (*make)(void);
} nonsense[] = {
    { "a loop", loop },
    { "a descriptor outside of the table", leave_the_table },
    { "readable after writable", read_after_write },
    { "a table in a table", table_in_a_table },
    { "a table of a descriptor and a bit", odd_table },
    { "memory that is not there", no_memory },
    { "an index far ahead", far_ahead },
};

START_TEST(nonsense_breaks_the_device_until_it_is_reset)
{
    start(VERSION_1 | IN_TABLES);
    nonsense[_i].make();
    offer(TX, 0);
    notify(TX);
    ck_assert_msg(in(STATUS, 1) & NEEDS_RESET, "%s", nonsense[_i].name);
    ck_assert_uint_eq(in(ISR, 1) & 2, 2);
    ck_assert_uint_eq(b.sent, 0);
    memset(b.memory + QUEUES, 0, 0x6000);
    start(VERSION_1);
    make_tx(60);
    describe(descriptors(TX), 0, DATA, 72, 0, 0);
    offer(TX, 0);
    notify(TX);
    ck_assert_uint_eq(b.sent, 1);
}
END_TEST

/* ---- The legacy interface -------------------------------------------------------------------- */

static uint32_t port_in(uint32_t offset, unsigned size)
{
    return virtio_net_device.pci->bar[0].ports.read(&b.dev, offset, size);
}

static void port_out(uint32_t offset, unsigned size, uint32_t value)
{
    virtio_net_device.pci->bar[0].ports.write(&b.dev, offset, size, value);
}

START_TEST(legacy_driver_sends)
{
    uint8_t *ring = b.memory + 0x20000;
    unsigned size;

    port_out(18, 1, 0);
    port_out(18, 1, ACKNOWLEDGE | DRIVER_BIT);
    ck_assert_uint_eq(port_in(0, 4) & 0x20, 0x20);
    port_out(4, 4, 0x20);
    port_out(14, 2, TX);
    size = port_in(12, 2);
    ck_assert_uint_eq(size, 256);
    port_out(8, 4, 0x20);
    ck_assert_uint_eq(port_in(8, 4), 0x20);
    port_out(18, 1, ACKNOWLEDGE | DRIVER_BIT | DRIVER_OK);
    ck_assert_uint_eq(port_in(20, 1), 0x52);
    make_frame(b.memory + DATA + 10, 60, bench_own_mac); /* behind a header of ten bytes */
    describe(ring, 0, DATA, 70, 0, 0);
    put16(ring + size * 16 + 2, 1);
    port_out(16, 2, TX);
    ck_assert_uint_eq(b.sent, 1);
    ck_assert_mem_eq(b.last, b.memory + DATA + 10, 60);
    ck_assert_uint_eq(get16(ring + 0x2000 + 2), 1);
    ck_assert_uint_eq(port_in(19, 1), 1);
    ck_assert_uint_eq(port_in(19, 1), 0);
}
END_TEST

/* ---- Anything -------------------------------------------------------------------------------- */

static void scribble(uint32_t *x, uint32_t base, unsigned count, uint32_t mask)
{
    for (unsigned i = 0; i < count; i++)
        put32(b.memory + base + random32(x) % 0x6000 / 4 * 4, random32(x) & mask);
}

static void storm(uint32_t seed, unsigned rounds)
{
    uint8_t frame[3000];
    uint32_t x = seed;

    make_frame(frame, sizeof(frame), bench_own_mac);
    for (unsigned i = 0; i < rounds; i++) {
        uint32_t r = random32(&x), value = random32(&x);

        switch (r & 7) {
        case 0:
            scribble(&x, QUEUES, 16, r & 8 ? 0x0007ffff : 0x00070fff);
            break;
        case 1:
            start(VERSION_1 | (value & 0x3fffffff));
            break;
        case 2:
            for (unsigned n = 0; n < SIZE; n++)
                describe(descriptors(r >> 4 & 1), n, DATA + n * 0x1000, value % 2000,
                         (r >> 5 & 5) | (r >> 4 & 1 ? 0 : WRITE), random32(&x) % SIZE);
            offer(r >> 4 & 1, value % SIZE);
            break;
        case 3:
            b.dev.type->frame_arrives(&b.dev, &(struct device_frame){ frame, 14 + value % 2900,
                                                                      (uint16_t)(r & 16 ? 500 : 0), r & 32 });
            break;
        case 4:
            bench_sleep(&b, value % 1000000);
            break;
        case 5:
            if (r & 8)
                out(r >> 4 & 0x7ff, 1u << (r >> 16 & 3), value);
            else
                port_out(r >> 4 & 0x7f, 1u << (r >> 16) % 3, value);
            break;
        default:
            notify(r >> 4 & 1);
            in(r >> 8 & 0xfff, 4);
            break;
        }
    }
}

START_TEST(any_driver_does_no_harm)
{
    storm(2463534242u + (uint32_t)_i, getenv("D86_LONG") ? 20000000 : 200000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("virtio_net");
    TCase *tc = tcase_create("virtio_net");

    tcase_set_timeout(tc, 1800);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, driver_must_know_version_1);
    tcase_add_test(tc, only_offered_features_are_agreed_on);
    tcase_add_test(tc, configuration_has_address_and_link);
    tcase_add_test(tc, window_shows_the_structures);
    tcase_add_test(tc, chain_of_several_pieces_is_a_frame);
    tcase_add_test(tc, table_is_a_chain);
    tcase_add_test(tc, checksum_is_put_in);
    tcase_add_test(tc, segments_are_left_to_the_cable);
    tcase_add_test(tc, frame_goes_over_buffers_that_are_merged);
    tcase_add_test(tc, frame_without_buffers_waits_for_a_notification);
    tcase_add_test(tc, frame_that_never_fits_is_dropped);
    tcase_add_test(tc, segments_come_with_what_the_driver_needs);
    tcase_add_test(tc, driver_is_interrupted_where_it_asked_to_be);
    tcase_add_test(tc, driver_that_wants_no_interrupts_gets_none);
    tcase_add_loop_test(tc, nonsense_breaks_the_device_until_it_is_reset, 0, ARRAY_SIZE(nonsense));
    tcase_add_test(tc, legacy_driver_sends);
    tcase_add_loop_test(tc, any_driver_does_no_harm, 0, 4);
    suite_add_tcase(suite, tc);
    return bench_main(suite);
}
