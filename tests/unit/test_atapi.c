/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A CD-ROM drive at the PIIX3's ports: the packet protocol, what each command answers, media that come and
 * go; and random traffic to all of the chip. ATA/ATAPI-6, MMC-4.
 */
#include "ide_bench.h"

enum { SECTORS = 700, SECTOR = 2048 };

static struct ide_bench b;
static uint8_t data[DEVICE_TRANSFER_MAX];

static void setup(void)
{
    memset(&b, 0, sizeof(b));
    bench_add(&b, 0, DEVICE_DRIVE_CDROM, SECTORS * SECTOR);
    bench_power_on(&b);
}

static void teardown(void)
{
    bench_free(&b);
}

static void send_packet(const uint8_t *cdb, unsigned limit, bool dma)
{
    outb(&b, 0x1f6, 0xa0);
    outb(&b, 0x1f1, dma);
    outb(&b, 0x1f4, (uint8_t)limit);
    outb(&b, 0x1f5, (uint8_t)(limit >> 8));
    outb(&b, 0x1f7, 0xa0);
    ck_assert_uint_eq(inb(&b, 0x1f7), DRDY | DRQ);
    ck_assert_uint_eq(inb(&b, 0x1f2), 1);
    write_words(&b, cdb, 12);
}

/* Give a command by PIO; bytes it answered with, in `data`. */
static unsigned packet(const uint8_t *cdb, unsigned limit)
{
    unsigned size = 0;

    send_packet(cdb, limit, false);
    for (;;) {
        uint8_t status;

        bench_serve_all(&b);
        status = inb(&b, 0x1f7);
        ck_assert_uint_eq(status & BSY, 0);
        if (!(status & DRQ))
            break;
        unsigned n = inb(&b, 0x1f4) | inb(&b, 0x1f5) << 8;
        ck_assert_uint_eq(inb(&b, 0x1f2), 2);
        ck_assert_uint_le(n, limit);
        read_words(&b, data + size, n);
        size += n;
    }
    ck_assert_uint_eq(inb(&b, 0x1f2), 3);
    return size;
}

static unsigned sense(void)
{
    static const uint8_t cdb[12] = { 0x03, 0, 0, 0, 18 };

    ck_assert_uint_eq(packet(cdb, 18), 18);
    return data[2] << 16 | data[12] << 8 | data[13];
}

static bool failed(void)
{
    return inb(&b, 0x3f6) & ERR;
}

#define PACKET(limit, ...) packet((const uint8_t[12]){ __VA_ARGS__ }, limit)

START_TEST(tells_itself_by_its_signature)
{
    ck_assert_uint_eq(inb(&b, 0x1f4), 0x14);
    ck_assert_uint_eq(inb(&b, 0x1f5), 0xeb);
    ck_assert_uint_eq(inb(&b, 0x1f7), 0);
    outb(&b, 0x1f4, 0);
    outb(&b, 0x1f7, 0xec);
    ck_assert_uint_eq(inb(&b, 0x1f7) & ERR, ERR);
    ck_assert_uint_eq(inb(&b, 0x1f4), 0x14);
    outb(&b, 0x1f7, 0xa1);
    read_words(&b, data, 512);
    ck_assert_uint_eq(data[1] << 8 | data[0], 0x85c0);
    ck_assert_int_eq(memcmp(data + 54, "uDlpxe68C /DVD", 14), 0);
    outb(&b, 0x1f7, 0x08);
    ck_assert_uint_eq(inb(&b, 0x1f7), 0);
}
END_TEST

START_TEST(inquiry)
{
    ck_assert_uint_eq(PACKET(0xfffe, 0x12, 0, 0, 0, 36), 36);
    ck_assert_uint_eq(data[0], 5);
    ck_assert_uint_eq(data[1], 0x80);
    ck_assert_int_eq(memcmp(data + 8, "Duplex86CD/DVD", 14), 0);
    ck_assert_uint_eq(PACKET(0xfffe, 0x12, 0, 0, 0, 5), 5);
    ck_assert_uint_eq(PACKET(0xfffe, 0x12, 1, 0, 0, 36), 0);
    ck_assert_uint_eq(sense(), 0x052400);
}
END_TEST

START_TEST(reads_in_blocks_of_the_hosts_size)
{
    ck_assert_uint_eq(PACKET(0xfffe, 0x28, 0, 0, 0, 0, 16, 0, 0, 31), 31 * SECTOR);
    ck_assert_int_eq(memcmp(data, b.contents[0] + 16 * SECTOR, 31 * SECTOR), 0);
    b.rises[0] = 0;
    ck_assert_uint_eq(PACKET(1001, 0xa8, 0, 0, 0, 0, 16, 0, 0, 0, 2), 2 * SECTOR);
    ck_assert_int_eq(memcmp(data, b.contents[0] + 16 * SECTOR, 2 * SECTOR), 0);
    ck_assert_uint_eq(b.rises[0], 6);
    ck_assert_uint_eq(PACKET(2048, 0xbe, 0, 0, 0, 0, 3, 0, 0, 1, 0x10), SECTOR);
    ck_assert_int_eq(memcmp(data, b.contents[0] + 3 * SECTOR, SECTOR), 0);
    ck_assert_uint_eq(PACKET(2048, 0xb9, 0, 0, 0, 2, 5, 0, 2, 6, 0x10), SECTOR);
    ck_assert_int_eq(memcmp(data, b.contents[0] + 5 * SECTOR, SECTOR), 0);
    ck_assert_uint_eq(PACKET(2048, 0xbe, 0, 0, 0, 0, 3, 0, 0, 1, 0xf8), 0);
    ck_assert_uint_eq(sense(), 0x052400);
}
END_TEST

START_TEST(nothing_is_read_behind_the_end)
{
    ck_assert_uint_eq(PACKET(2048, 0x28, 0, 0, 0, SECTORS >> 8, SECTORS & 255, 0, 0, 1), 0);
    ck_assert(failed());
    ck_assert_uint_eq(inb(&b, 0x1f1), 0x54);
    ck_assert_uint_eq(sense(), 0x052100);
    ck_assert_uint_eq(sense(), 0);
    ck_assert_uint_eq(PACKET(2048, 0xa8, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff), 0);
    ck_assert_uint_eq(sense(), 0x052100);
    ck_assert_uint_eq(PACKET(2048, 0x28, 0, 0, 0, 0, 1, 0, 0, 0), 0);
    ck_assert(!failed());
}
END_TEST

START_TEST(reads_by_dma)
{
    static const uint8_t cdb[12] = { 0x28, 0, 0, 0, 0, 20, 0, 0, 40 };

    descriptor(&b, 0, 0x10000, 0, false);
    descriptor(&b, 1, 0x40000, 8 * SECTOR, true);
    send_packet(cdb, 0, true);
    start_master(&b, true);
    bench_serve_all(&b);
    ck_assert_uint_eq(inb(&b, 0x1f7), READY);
    ck_assert_uint_eq(inb(&b, 0x1f2), 3);
    ck_assert_int_eq(memcmp(b.memory + 0x10000, b.contents[0] + 20 * SECTOR, 32 * SECTOR), 0);
    ck_assert_int_eq(memcmp(b.memory + 0x40000, b.contents[0] + 52 * SECTOR, 8 * SECTOR), 0);
}
END_TEST

START_TEST(read_errors_are_medium_errors)
{
    b.fail_from = 5 * SECTOR + 7;
    ck_assert_uint_eq(PACKET(2048, 0x28, 0, 0, 0, 0, 4, 0, 0, 3), SECTOR);
    ck_assert_uint_eq(sense(), 0x031100);
}
END_TEST

START_TEST(capacity_and_contents)
{
    static const uint8_t toc[] = {
        0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0, 0, 0x14, 0xaa, 0, 0, 0, SECTORS >> 8, SECTORS & 255
    };

    ck_assert_uint_eq(PACKET(8, 0x25), 8);
    ck_assert_uint_eq(data[2] << 8 | data[3], SECTORS - 1);
    ck_assert_uint_eq(data[6] << 8 | data[7], SECTOR);
    ck_assert_uint_eq(PACKET(512, 0x43, 0, 0, 0, 0, 0, 0, 2, 0), sizeof(toc));
    ck_assert_int_eq(memcmp(data, toc, sizeof(toc)), 0);
    ck_assert_uint_eq(PACKET(512, 0x43, 2, 0, 0, 0, 0, 0xaa, 2, 0), 12);
    ck_assert_uint_eq(data[9] * 4500 + data[10] * 75 + data[11], SECTORS + 150);
    ck_assert_uint_eq(PACKET(512, 0x43, 0, 0, 0, 0, 0, 0, 2, 0, 0x40), 12); /* sessions */
    ck_assert_uint_eq(PACKET(512, 0x43, 2, 2, 0, 0, 0, 0, 2, 0), 48);
    ck_assert_uint_eq(PACKET(512, 0x43, 2, 4, 0, 0, 0, 0, 2, 0), 0);
    ck_assert_uint_eq(sense(), 0x052400);
    ck_assert_uint_eq(PACKET(512, 0x51, 0, 0, 0, 0, 0, 0, 2, 0), 34);
    ck_assert_uint_eq(PACKET(512, 0x52, 1, 0, 0, 0, 1, 0, 2, 0), 36);
    ck_assert_uint_eq(PACKET(512, 0x42, 0, 0x40, 1, 0, 0, 0, 0, 16), 16);
    ck_assert_uint_eq(PACKET(512, 0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8), 8);
}
END_TEST

START_TEST(modes_and_features)
{
    ck_assert_uint_eq(PACKET(512, 0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 255), 30);
    ck_assert_uint_eq(data[8], 0x2a);
    ck_assert_uint_eq(PACKET(512, 0x1a, 0, 0x3f, 0, 255), 4 + 8 + 8 + 16 + 10 + 22);
    ck_assert_uint_eq(data[0], 4 + 8 + 8 + 16 + 10 + 22 - 1);
    ck_assert_uint_eq(PACKET(512, 0x5a, 0, 0x33, 0, 0, 0, 0, 0, 255), 0);
    ck_assert_uint_eq(sense(), 0x052400);
    ck_assert_uint_eq(PACKET(512, 0x46, 0, 0, 0, 0, 0, 0, 0, 8), 8);
    ck_assert_uint_eq(data[7], 8); /* a CD */
    ck_assert_uint_eq(PACKET(512, 0x46, 2, 0, 0x1e, 0, 0, 0, 2, 0), 16);
    ck_assert_uint_eq(data[9], 0x1e);
    ck_assert_uint_eq(data[10] & 1, 1);
    ck_assert_uint_eq(PACKET(512, 0x77), 0);
    ck_assert_uint_eq(sense(), 0x052000);
}
END_TEST

START_TEST(mode_select_takes_its_parameters)
{
    static const uint8_t cdb[12] = { 0x55, 0x10, 0, 0, 0, 0, 0, 0, 16 };

    send_packet(cdb, 16, false);
    ck_assert_uint_eq(inb(&b, 0x1f7) & DRQ, DRQ);
    ck_assert_uint_eq(inb(&b, 0x1f2), 0);
    write_words(&b, data, 16);
    ck_assert_uint_eq(inb(&b, 0x1f7), READY);
}
END_TEST

static void put_medium(uint64_t size)
{
    b.medium[0].present = size > 0;
    b.medium[0].size = size;
    b.dev.type->medium_changed(&b.dev, 0);
}

START_TEST(media_come_and_go)
{
    put_medium(0);
    ck_assert_uint_eq(PACKET(2, 0x00), 0);
    ck_assert_uint_eq(sense(), 0x023a01);
    ck_assert_uint_eq(PACKET(8, 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8), 8);
    ck_assert_uint_eq(data[4], 3);
    ck_assert_uint_eq(data[5], 0);
    put_medium(100 * SECTOR);
    ck_assert_uint_eq(PACKET(36, 0x12, 0, 0, 0, 36), 36); /* says nothing of it */
    ck_assert_uint_eq(PACKET(8, 0x25), 0);
    ck_assert_uint_eq(sense(), 0x062800);
    ck_assert_uint_eq(PACKET(8, 0x25), 8);
    ck_assert_uint_eq(data[3], 99);
    ck_assert_uint_eq(PACKET(8, 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8), 8);
    ck_assert_uint_eq(data[4], 2);
    ck_assert_uint_eq(data[5], 2);
    ck_assert_uint_eq(PACKET(8, 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8), 8);
    ck_assert_uint_eq(data[4], 0);
}
END_TEST

START_TEST(a_medium_that_goes_takes_its_command_along)
{
    static const uint8_t cdb[12] = { 0x28, 0, 0, 0, 0, 20, 0, 0, 40 };

    send_packet(cdb, 2048, false);
    ck_assert(bench_serve(&b));
    ck_assert_uint_eq(inb(&b, 0x1f7) & DRQ, DRQ);
    put_medium(0);
    ck_assert(b.line[0]);
    ck_assert_uint_eq(inb(&b, 0x1f7), READY | ERR);
    ck_assert_uint_eq(sense(), 0x023a00);
}
END_TEST

START_TEST(the_tray_obeys_the_lock)
{
    PACKET(2, 0x1e, 0, 0, 0, 1);
    ck_assert(b.dev.type->holds_medium(&b.dev, 0));
    PACKET(2, 0x1b, 0, 0, 0, 2);
    ck_assert_uint_eq(sense(), 0x055302);
    PACKET(2, 0x1e, 0, 0, 0, 0);
    ck_assert(!b.dev.type->holds_medium(&b.dev, 0));
    PACKET(2, 0x1b, 0, 0, 0, 2);
    ck_assert(!failed());
    PACKET(2, 0x00);
    ck_assert_uint_eq(sense(), 0x023a02);
    PACKET(2, 0x1b, 0, 0, 0, 3);
    PACKET(2, 0x00);
    ck_assert_uint_eq(sense(), 0x062800);
    PACKET(2, 0x00);
    ck_assert(!failed());
}
END_TEST

/* ---- Any guest may do anything --------------------------------------------------------------- */

static uint32_t random_state;

static uint32_t any(uint32_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return (random_state >> 3) % n;
}

static void any_access(void)
{
    static const uint16_t base[] = { 0x1f0, 0x170, 0x1f0, MASTER };
    static const uint8_t codes[] = { 0x20, 0x30, 0xc4, 0xc5, 0xc8, 0xca, 0x25, 0x35, 0xa0, 0xa0, 0xec,
                                     0xa1, 0xe7, 0x91, 0xc6, 0xef, 0x40, 0x90, 0x08, 0x39, 0x29 };
    static const uint8_t packets[] = {
        0x28, 0xa8, 0xbe, 0xb9, 0x43, 0x5a, 0x1a, 0x46, 0x4a, 0x03, 0x55, 0x1b
    };
    unsigned run = any(4), size = 1u << any(3);
    uint16_t port = base[run] + (run == 3 ? any(16) : any(8));

    switch (any(12)) {
    case 0:
        bench_serve(&b);
        break;
    case 1:
        in_(&b, port, size);
        break;
    case 2:
        outb(&b, base[any(3)] + 7, codes[any(ARRAY_SIZE(codes))]);
        break;
    case 3: /* a block of data, or a packet */
        out_(&b, base[any(3)], 2, packets[any(ARRAY_SIZE(packets))]);
        for (unsigned i = any(300); i; i--)
            out_(&b, base[run % 3], size, any(4) ? 0 : any(UINT32_MAX));
        break;
    case 4:
        for (unsigned i = any(300); i; i--)
            in_(&b, base[run % 3], size);
        break;
    case 5:
        if (!any(4))
            outb(&b, any(2) ? 0x3f6 : 0x376, (uint8_t)any(256));
        outb(&b, any(2) ? 0x3f6 : 0x376, any(8) ? 0 : 2);
        break;
    case 6:
        out_(&b, MASTER + 4 + any(2) * 8, 4, any(4) ? any(BENCH_MEMORY) : any(UINT32_MAX));
        outb(&b, MASTER + any(2) * 8, (uint8_t)(any(2) * 8 + 1));
        break;
    case 7:
        put32(b.memory + any(BENCH_MEMORY / 4) * 4, any(4) ? any(BENCH_MEMORY) : any(UINT32_MAX));
        break;
    case 8:
        if (!any(10))
            put_medium(any(2) * any(SECTORS) * SECTOR);
        break;
    default:
        out_(&b, port, run == 3 ? 1 : size, any(3) ? any(8) : any(UINT32_MAX));
        break;
    }
}

/* FLUSH CACHE is for any drive; when it fails there is no sector to tell of, by cylinders least of all. */
START_TEST(a_flush_that_fails_is_an_error)
{
    b.flush_fails = true;
    outb(&b, 0x1f6, 0xa0);
    outb(&b, 0x1f7, 0xe7);
    bench_serve_all(&b);
    ck_assert_uint_eq(b.flushes, 1);
    ck_assert_uint_eq(inb(&b, 0x1f7) & (BSY | ERR), ERR);
    ck_assert_uint_eq(inb(&b, 0x1f1), 4);
}
END_TEST

START_TEST(random_traffic_does_no_harm)
{
    bench_add(&b, 1, DEVICE_DRIVE_DISK, 3000 * 512);
    bench_add(&b, 2, DEVICE_DRIVE_DISK, 70000 * 512);
    b.dev.type->reset(&b.dev);
    random_state = 2463534242u + (unsigned)_i * 77777;
    for (unsigned i = 0; i < 200000; i++) {
        if (b.queued > BENCH_QUEUE / 2)
            bench_serve_all(&b);
        any_access();
    }
    ck_assert_uint_gt(b.reads + b.writes, 100);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("atapi");
    TCase *t = tcase_create("atapi");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, tells_itself_by_its_signature);
    tcase_add_test(t, inquiry);
    tcase_add_test(t, reads_in_blocks_of_the_hosts_size);
    tcase_add_test(t, nothing_is_read_behind_the_end);
    tcase_add_test(t, reads_by_dma);
    tcase_add_test(t, read_errors_are_medium_errors);
    tcase_add_test(t, capacity_and_contents);
    tcase_add_test(t, modes_and_features);
    tcase_add_test(t, mode_select_takes_its_parameters);
    tcase_add_test(t, media_come_and_go);
    tcase_add_test(t, a_medium_that_goes_takes_its_command_along);
    tcase_add_test(t, the_tray_obeys_the_lock);
    tcase_add_test(t, a_flush_that_fails_is_an_error);
    tcase_add_loop_test(t, random_traffic_does_no_harm, 0, 8);
    tcase_set_timeout(t, 60);
    suite_add_tcase(suite, t);
    return bench_main(suite);
}
