/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ATA disks at the PIIX3's ports: registers, commands, PIO and DMA, errors. ATA/ATAPI-6.
 */
#include "ide_bench.h"

enum { SECTORS = 40000, SECTOR = 512 };

static struct ide_bench b;
static uint8_t data[DEVICE_TRANSFER_MAX];

static void setup(void)
{
    memset(&b, 0, sizeof(b));
    bench_add(&b, 0, DEVICE_DRIVE_DISK, SECTORS * (uint64_t)SECTOR + 100);
    bench_power_on(&b);
}

static void teardown(void)
{
    bench_free(&b);
}

static const uint8_t *sector(uint32_t lba)
{
    return b.contents[0] + (size_t)lba * SECTOR;
}

/* ---- Registers ------------------------------------------------------------------------------- */

START_TEST(reset_leaves_the_signature)
{
    ck_assert_uint_eq(inb(&b, 0x1f7), READY);
    ck_assert_uint_eq(inb(&b, 0x1f1), 1);
    ck_assert_uint_eq(inb(&b, 0x1f2), 1);
    ck_assert_uint_eq(inb(&b, 0x1f3), 1);
    ck_assert_uint_eq(inb(&b, 0x1f4) | inb(&b, 0x1f5), 0);
    outb(&b, 0x3f6, 4);
    ck_assert_uint_eq(inb(&b, 0x3f6), BSY);
    outb(&b, 0x3f6, 0);
    ck_assert_uint_eq(inb(&b, 0x3f6), READY);
}
END_TEST

START_TEST(second_device_is_absent)
{
    outb(&b, 0x1f6, 0xb0);
    ck_assert_uint_eq(inb(&b, 0x1f7), 0);
    ck_assert_uint_eq(inb(&b, 0x3f6), 0);
    outb(&b, 0x1f7, 0xec);
    ck_assert_uint_eq(inb(&b, 0x1f7), 0);
    ck_assert_uint_eq(b.rises[0], 0);
    outb(&b, 0x1f6, 0xa0);
    ck_assert_uint_eq(inb(&b, 0x1f7), READY);
}
END_TEST

START_TEST(empty_channel_floats)
{
    ck_assert_uint_eq(inb(&b, 0x177), 0x7f);
    outb(&b, 0x172, 0x55);
    ck_assert_uint_eq(inb(&b, 0x172), 0x7f);
}
END_TEST

START_TEST(nothing_answers_unless_decoded)
{
    b.config[0x41] = 0;
    ck_assert_uint_eq(inb(&b, 0x1f7), 0xff);
    b.config[0x41] = 0x80;
    b.config[4] = 4;
    ck_assert_uint_eq(inb(&b, 0x1f7), 0xff);
}
END_TEST

START_TEST(hob_shows_what_was_written_before)
{
    outb(&b, 0x1f2, 0x12);
    outb(&b, 0x1f2, 0x34);
    ck_assert_uint_eq(inb(&b, 0x1f2), 0x34);
    outb(&b, 0x3f6, 0x80);
    ck_assert_uint_eq(inb(&b, 0x1f2), 0x12);
    outb(&b, 0x1f3, 0);
    ck_assert_uint_eq(inb(&b, 0x1f2), 0x34);
}
END_TEST

START_TEST(nien_holds_the_interrupt_back)
{
    outb(&b, 0x3f6, 2);
    command28(&b, 0, 0xe5, 0, 0);
    ck_assert(!b.line[0]);
    outb(&b, 0x3f6, 0);
    ck_assert(b.line[0]);
    inb(&b, 0x3f6);
    ck_assert(b.line[0]);
    inb(&b, 0x1f7);
    ck_assert(!b.line[0]);
}
END_TEST

START_TEST(diagnostic_passes)
{
    outb(&b, 0x1f6, 0xb0);
    outb(&b, 0x1f7, 0x90);
    ck_assert_uint_eq(inb(&b, 0x1f6) & 0x10, 0);
    ck_assert_uint_eq(inb(&b, 0x1f1), 1);
    ck_assert(b.line[0]);
}
END_TEST

/* ---- IDENTIFY and settings ------------------------------------------------------------------- */

static unsigned word(unsigned n)
{
    return data[n * 2] | data[n * 2 + 1] << 8;
}

static void identify(void)
{
    command28(&b, 0, 0xec, 0, 0);
    ck_assert_uint_eq(inb(&b, 0x1f7), READY | DRQ);
    read_words(&b, data, SECTOR);
    ck_assert_uint_eq(inb(&b, 0x1f7), READY);
}

START_TEST(identify_says_what_it_is)
{
    uint8_t sum = 0;

    identify();
    ck_assert_int_eq(memcmp(data + 54, "uDlpxe68d si k", 14), 0);
    ck_assert_uint_eq(word(60) | word(61) << 16, SECTORS);
    ck_assert_uint_eq(word(100) | word(101) << 16, SECTORS);
    ck_assert_uint_eq(word(1), SECTORS / (16 * 63));
    ck_assert_uint_eq(word(3), 16);
    ck_assert_uint_eq(word(6), 63);
    ck_assert_uint_eq(word(83) & 0xf400, 0x7400);
    for (unsigned i = 0; i < SECTOR; i++)
        sum += data[i];
    ck_assert_uint_eq(sum, 0);
}
END_TEST

START_TEST(a_new_command_forgets_the_last_ones_error)
{
    command28(&b, 0, 0xa1, 0, 0);
    ck_assert_uint_eq(inb(&b, 0x1f7), READY | ERR);
    identify();
}
END_TEST

START_TEST(settings_show_in_identify)
{
    command28(&b, 0, 0xc6, 0, 8);
    outb(&b, 0x1f1, 0x03);
    command28(&b, 0, 0xef, 0, 0x22);
    ck_assert_uint_eq(inb(&b, 0x1f7), READY);
    outb(&b, 0x1f6, 0xa7);
    outb(&b, 0x1f2, 17);
    outb(&b, 0x1f7, 0x91);
    identify();
    ck_assert_uint_eq(word(59), 0x108);
    ck_assert_uint_eq(word(63), 0x407);
    ck_assert_uint_eq(word(55), 8);
    ck_assert_uint_eq(word(56), 17);
    ck_assert_uint_eq(word(54), SECTORS / 136);
    outb(&b, 0x1f1, 0x03);
    command28(&b, 0, 0xef, 0, 0x47);
    ck_assert_uint_eq(inb(&b, 0x1f7), READY | ERR);
    ck_assert_uint_eq(inb(&b, 0x1f1), 4);
    command28(&b, 0, 0xc6, 0, 3);
    ck_assert_uint_eq(inb(&b, 0x1f7), READY | ERR);
}
END_TEST

/* ---- PIO ------------------------------------------------------------------------------------- */

START_TEST(reads_sectors_one_interrupt_each)
{
    command28(&b, 0, 0x20, 5, 3);
    ck_assert_uint_eq(inb(&b, 0x1f7), READY | BSY);
    ck_assert_uint_eq(b.rises[0], 0);
    bench_serve_all(&b);
    ck_assert_uint_eq(b.reads, 1);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert(b.line[0]);
        ck_assert_uint_eq(inb(&b, 0x1f7), READY | DRQ);
        read_words(&b, data, SECTOR);
        ck_assert_int_eq(memcmp(data, sector(5 + i), SECTOR), 0);
    }
    ck_assert_uint_eq(b.rises[0], 3);
    ck_assert_uint_eq(inb(&b, 0x1f7), READY);
}
END_TEST

START_TEST(dwords_at_the_data_port_are_two_words)
{
    command28(&b, 0, 0x20, 9, 1);
    bench_serve_all(&b);
    for (unsigned i = 0; i < SECTOR; i += 4)
        put32(data + i, in_(&b, 0x1f0, 4));
    ck_assert_int_eq(memcmp(data, sector(9), SECTOR), 0);
    ck_assert_uint_eq(inb(&b, 0x1f7), READY);
}
END_TEST

START_TEST(multiple_reads_blocks)
{
    command28(&b, 0, 0xc6, 0, 0);
    command28(&b, 0, 0xc4, 0, 4);
    ck_assert_uint_eq(inb(&b, 0x1f7), READY | ERR);
    command28(&b, 0, 0xc6, 0, 16);
    inb(&b, 0x1f7);
    b.rises[0] = 0;
    command28(&b, 0, 0xc4, 100, 0); /* 256 */
    for (unsigned i = 0; i < 256; i += 16) {
        bench_serve_all(&b);
        ck_assert_uint_eq(inb(&b, 0x1f7), READY | DRQ);
        read_words(&b, data, 16 * SECTOR);
        ck_assert_int_eq(memcmp(data, sector(100 + i), 16 * SECTOR), 0);
    }
    ck_assert_uint_eq(b.rises[0], 16);
    ck_assert_uint_eq(inb(&b, 0x1f7), READY);
}
END_TEST

START_TEST(writes_and_tells_when_done)
{
    uint8_t expected[2 * SECTOR];

    for (unsigned i = 0; i < sizeof(expected); i++)
        expected[i] = (uint8_t)(i * 3);
    command28(&b, 0, 0x30, 77, 2);
    ck_assert_uint_eq(b.rises[0], 0);
    ck_assert_uint_eq(inb(&b, 0x1f7), READY | DRQ);
    write_words(&b, expected, SECTOR);
    ck_assert_uint_eq(b.rises[0], 1);
    ck_assert_uint_eq(inb(&b, 0x1f7), READY | DRQ);
    write_words(&b, expected + SECTOR, SECTOR);
    ck_assert_uint_eq(inb(&b, 0x1f7), READY | BSY);
    bench_serve_all(&b);
    ck_assert_uint_eq(b.rises[0], 2);
    ck_assert_uint_eq(inb(&b, 0x1f7), READY);
    ck_assert_int_eq(memcmp(sector(77), expected, sizeof(expected)), 0);
    ck_assert_uint_eq(b.flushes, 0);
}
END_TEST

START_TEST(chs_counts_as_the_host_says)
{
    outb(&b, 0x1f6, 0xa3); /* 4 heads, 9 sectors */
    outb(&b, 0x1f2, 9);
    outb(&b, 0x1f7, 0x91);
    outb(&b, 0x1f6, 0xa2); /* cylinder 300, head 2, sector 5 */
    outb(&b, 0x1f2, 1);
    outb(&b, 0x1f3, 5);
    outb(&b, 0x1f4, 300 & 0xff);
    outb(&b, 0x1f5, 300 >> 8);
    outb(&b, 0x1f7, 0x20);
    bench_serve_all(&b);
    read_words(&b, data, SECTOR);
    ck_assert_int_eq(memcmp(data, sector((300 * 4 + 2) * 9 + 4), SECTOR), 0);
    outb(&b, 0x1f3, 10);
    outb(&b, 0x1f7, 0x20);
    ck_assert_uint_eq(inb(&b, 0x1f7), READY | ERR);
    ck_assert_uint_eq(inb(&b, 0x1f1), 0x10);
}
END_TEST

START_TEST(sectors_behind_the_end_are_not_found)
{
    command28(&b, 0, 0x20, SECTORS - 1, 1);
    ck_assert_uint_eq(inb(&b, 0x1f7), READY | BSY);
    bench_serve_all(&b);
    read_words(&b, data, SECTOR);
    command28(&b, 0, 0x20, SECTORS - 1, 2);
    ck_assert_uint_eq(inb(&b, 0x1f7), READY | ERR);
    ck_assert_uint_eq(inb(&b, 0x1f1), 0x10);
    ck_assert_uint_eq(inb(&b, 0x1f3) | inb(&b, 0x1f4) << 8, SECTORS & 0xffff);
    command48(&b, 0, 0x24, UINT64_C(0xffffffffffff), 1);
    ck_assert_uint_eq(inb(&b, 0x1f7), READY | ERR);
}
END_TEST

START_TEST(long_addresses)
{
    command48(&b, 0, 0x24, 0x8765, 2);
    bench_serve_all(&b);
    read_words(&b, data, 2 * SECTOR);
    ck_assert_int_eq(memcmp(data, sector(0x8765), 2 * SECTOR), 0);
    command48(&b, 0, 0x27, 0, 0);
    ck_assert_uint_eq(inb(&b, 0x1f3) | inb(&b, 0x1f4) << 8, SECTORS - 1);
}
END_TEST

START_TEST(media_errors_name_the_sector)
{
    b.fail_from = 12 * SECTOR + 100;
    command28(&b, 0, 0x20, 10, 5);
    bench_serve_all(&b);
    read_words(&b, data, SECTOR);
    ck_assert_uint_eq(inb(&b, 0x1f7), READY | DRQ);
    read_words(&b, data, SECTOR);
    ck_assert_uint_eq(inb(&b, 0x1f7), READY | ERR);
    ck_assert_uint_eq(inb(&b, 0x1f1), 0x40);
    ck_assert_uint_eq(inb(&b, 0x1f3), 12);
    command28(&b, 0, 0x30, 20, 1);
    write_words(&b, data, SECTOR);
    bench_serve_all(&b);
    ck_assert_uint_eq(inb(&b, 0x1f7), READY | ERR);
    ck_assert_uint_eq(inb(&b, 0x1f3), 20);
    command28(&b, 0, 0x40, 0, 20);
    bench_serve_all(&b);
    ck_assert_uint_eq(inb(&b, 0x1f1), 0x40);
    b.fail_from = UINT64_MAX;
    command28(&b, 0, 0x40, 0, 20);
    bench_serve_all(&b);
    ck_assert_uint_eq(inb(&b, 0x1f7), READY);
}
END_TEST

START_TEST(read_only_disk_takes_no_writes)
{
    b.medium[0].read_only = true;
    b.dev.type->reset(&b.dev);
    command28(&b, 0, 0x30, 0, 1);
    ck_assert_uint_eq(inb(&b, 0x1f7), READY | ERR);
    ck_assert_uint_eq(inb(&b, 0x1f1), 4);
    command28(&b, 0, 0xca, 0, 1);
    ck_assert_uint_eq(inb(&b, 0x1f1), 4);
}
END_TEST

START_TEST(flush_waits_for_the_medium)
{
    command28(&b, 0, 0xe7, 0, 0);
    ck_assert_uint_eq(inb(&b, 0x1f7), READY | BSY);
    bench_serve_all(&b);
    ck_assert_uint_eq(b.flushes, 1);
    ck_assert_uint_eq(inb(&b, 0x1f7), READY);
    b.flush_fails = true;
    command28(&b, 0, 0xea, 0, 0);
    bench_serve_all(&b);
    ck_assert_uint_eq(inb(&b, 0x1f7), READY | ERR);
}
END_TEST

START_TEST(without_write_cache_each_write_is_flushed)
{
    outb(&b, 0x1f1, 0x82);
    command28(&b, 0, 0xef, 0, 0);
    bench_serve_all(&b);
    b.flushes = 0;
    command28(&b, 0, 0x30, 1, 1);
    write_words(&b, data, SECTOR);
    ck_assert(bench_serve(&b));
    ck_assert_uint_eq(inb(&b, 0x1f7), READY | BSY);
    bench_serve_all(&b);
    ck_assert_uint_eq(b.flushes, 1);
    ck_assert_uint_eq(inb(&b, 0x1f7), READY);
}
END_TEST

START_TEST(reset_gives_up_what_is_under_way)
{
    command28(&b, 0, 0x20, 5, 1);
    outb(&b, 0x3f6, 4);
    outb(&b, 0x3f6, 0);
    command28(&b, 0, 0x20, 6, 1);
    ck_assert(bench_serve(&b)); /* the first one's answer comes too late */
    ck_assert_uint_eq(inb(&b, 0x3f6), READY | BSY);
    bench_serve_all(&b);
    read_words(&b, data, SECTOR);
    ck_assert_int_eq(memcmp(data, sector(6), SECTOR), 0);
}
END_TEST

START_TEST(resets_do_not_pile_up_transfers)
{
    for (unsigned i = 0; i < 100; i++) {
        outb(&b, 0x3f6, 4);
        outb(&b, 0x3f6, 0);
        command28(&b, 0, 0x20, i, 1);
        ck_assert_uint_le(b.queued, 4);
    }
    bench_serve_all(&b);
    read_words(&b, data, SECTOR);
    ck_assert_int_eq(memcmp(data, sector(99), SECTOR), 0);
    ck_assert_uint_eq(inb(&b, 0x1f7), READY);
}
END_TEST

START_TEST(sleep_ends_with_a_reset)
{
    command28(&b, 0, 0xe0, 0, 0);
    bench_serve_all(&b);
    command28(&b, 0, 0xe5, 0, 0);
    ck_assert_uint_eq(inb(&b, 0x1f2), 0);
    command28(&b, 0, 0xe1, 0, 0);
    command28(&b, 0, 0xe5, 0, 0);
    ck_assert_uint_eq(inb(&b, 0x1f2), 0xff);
    command28(&b, 0, 0xe6, 0, 0);
    bench_serve_all(&b);
    inb(&b, 0x1f7);
    command28(&b, 0, 0xe5, 0, 0);
    ck_assert(!b.line[0]);
    outb(&b, 0x3f6, 4);
    outb(&b, 0x3f6, 0);
    command28(&b, 0, 0xe5, 0, 0);
    ck_assert(b.line[0]);
}
END_TEST

/* ---- DMA ------------------------------------------------------------------------------------- */

START_TEST(dma_reads_into_regions)
{
    descriptor(&b, 0, 0x2000, 600, false);
    descriptor(&b, 1, 0x2000 + 600, 424, false);
    descriptor(&b, 2, 0x8000, 1024, true);
    command28(&b, 0, 0xc8, 30, 4);
    bench_serve_all(&b);
    ck_assert_uint_eq(inb(&b, 0x1f7) & BSY, BSY);
    start_master(&b, true);
    ck_assert(b.line[0]);
    ck_assert_uint_eq(inb(&b, MASTER + 2), 4);
    ck_assert_int_eq(memcmp(b.memory + 0x2000, sector(30), 1024), 0);
    ck_assert_int_eq(memcmp(b.memory + 0x8000, sector(32), 1024), 0);
    ck_assert_uint_eq(inb(&b, 0x1f7), READY);
}
END_TEST

START_TEST(dma_moves_more_than_a_transfer)
{
    descriptor(&b, 0, 0x10000, 0, false); /* 64 KiB */
    descriptor(&b, 1, 0x20000, 0, false);
    descriptor(&b, 2, 0x30000, 0x1000, true);
    command48(&b, 0, 0x25, 1000, 264);
    start_master(&b, true);
    bench_serve_all(&b);
    ck_assert_uint_eq(b.reads, 3);
    ck_assert_uint_eq(inb(&b, MASTER + 2), 4);
    ck_assert_int_eq(memcmp(b.memory + 0x10000, sector(1000), 264 * SECTOR), 0);
}
END_TEST

START_TEST(dma_writes_from_memory)
{
    for (unsigned i = 0; i < 3 * SECTOR; i++)
        b.memory[0x4001 + i] = (uint8_t)(i * 11);
    descriptor(&b, 0, 0x4001, 3 * SECTOR, true); /* bit 0 of the address counts as 0 */
    command28(&b, 0, 0xca, 50, 3);
    start_master(&b, false);
    bench_serve_all(&b);
    ck_assert_uint_eq(inb(&b, MASTER + 2), 4);
    ck_assert_int_eq(memcmp(sector(50), b.memory + 0x4000, 3 * SECTOR), 0);
}
END_TEST

START_TEST(fua_is_flushed)
{
    descriptor(&b, 0, 0x4000, SECTOR, true);
    command48(&b, 0, 0x3d, 50, 1);
    start_master(&b, false);
    bench_serve_all(&b);
    ck_assert_uint_eq(b.flushes, 1);
    ck_assert_uint_eq(inb(&b, 0x1f7), READY);
}
END_TEST

START_TEST(table_may_end_too_early_or_too_late)
{
    descriptor(&b, 0, 0x2000, 512, true);
    command28(&b, 0, 0xc8, 30, 2);
    start_master(&b, true);
    bench_serve_all(&b);
    ck_assert(!b.line[0]);
    ck_assert_uint_eq(inb(&b, MASTER + 2), 0);
    outb(&b, MASTER, 8);
    descriptor(&b, 0, 0x3000, 4096, true); /* the rest, into more than is needed */
    start_master(&b, true);
    ck_assert(b.line[0]);
    ck_assert_uint_eq(inb(&b, MASTER + 2), 5);
    ck_assert_int_eq(memcmp(b.memory + 0x3000, sector(31), 512), 0);
}
END_TEST

START_TEST(regions_that_are_not_there_stop_the_master)
{
    descriptor(&b, 0, 0xfffffffe, 0, true);
    command28(&b, 0, 0xc8, 30, 2);
    start_master(&b, true);
    bench_serve_all(&b);
    ck_assert_uint_eq(inb(&b, MASTER + 2), 2);
    ck_assert(!b.line[0]);
    outb(&b, MASTER, 8);
    out_(&b, MASTER + 4, 4, 0xfffffff0);
    outb(&b, MASTER, 9);
    ck_assert_uint_eq(inb(&b, MASTER + 2), 2);
    outb(&b, 0x3f6, 4);
    outb(&b, 0x3f6, 0);
    ck_assert_uint_eq(inb(&b, 0x1f7), READY);
}
END_TEST

START_TEST(master_needs_leave)
{
    b.config[4] = 1;
    descriptor(&b, 0, 0x2000, 512, true);
    command28(&b, 0, 0xc8, 30, 1);
    start_master(&b, true);
    bench_serve_all(&b);
    ck_assert(!b.line[0]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ata");
    TCase *t = tcase_create("ata");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, reset_leaves_the_signature);
    tcase_add_test(t, second_device_is_absent);
    tcase_add_test(t, empty_channel_floats);
    tcase_add_test(t, nothing_answers_unless_decoded);
    tcase_add_test(t, hob_shows_what_was_written_before);
    tcase_add_test(t, nien_holds_the_interrupt_back);
    tcase_add_test(t, diagnostic_passes);
    tcase_add_test(t, identify_says_what_it_is);
    tcase_add_test(t, a_new_command_forgets_the_last_ones_error);
    tcase_add_test(t, settings_show_in_identify);
    tcase_add_test(t, reads_sectors_one_interrupt_each);
    tcase_add_test(t, dwords_at_the_data_port_are_two_words);
    tcase_add_test(t, multiple_reads_blocks);
    tcase_add_test(t, writes_and_tells_when_done);
    tcase_add_test(t, chs_counts_as_the_host_says);
    tcase_add_test(t, sectors_behind_the_end_are_not_found);
    tcase_add_test(t, long_addresses);
    tcase_add_test(t, media_errors_name_the_sector);
    tcase_add_test(t, read_only_disk_takes_no_writes);
    tcase_add_test(t, flush_waits_for_the_medium);
    tcase_add_test(t, without_write_cache_each_write_is_flushed);
    tcase_add_test(t, reset_gives_up_what_is_under_way);
    tcase_add_test(t, resets_do_not_pile_up_transfers);
    tcase_add_test(t, sleep_ends_with_a_reset);
    tcase_add_test(t, dma_reads_into_regions);
    tcase_add_test(t, dma_moves_more_than_a_transfer);
    tcase_add_test(t, dma_writes_from_memory);
    tcase_add_test(t, fua_is_flushed);
    tcase_add_test(t, table_may_end_too_early_or_too_late);
    tcase_add_test(t, regions_that_are_not_there_stop_the_master);
    tcase_add_test(t, master_needs_leave);
    suite_add_tcase(suite, t);
    return bench_main(suite);
}
