/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Drives of the whole PC: what CMOS RAM says of them, transfers by way of the board, interrupts, and a direct
 * boot.
 */
#include "pc_bench.h"

enum { MIB = 1 << 20 };

static struct machine m;
static struct device_medium media[PC_DRIVES];
static struct {
    enum pc_drive drive;
    enum device_transfer what;
    uint64_t offset;
    uint32_t size, tag;
    unsigned count;
} asked;
static uint8_t data[DEVICE_TRANSFER_MAX];

static void medium(void *ctx, enum pc_drive drive, struct device_medium *facts)
{
    (void)ctx;
    *facts = media[drive];
}

static uint8_t *transfer_data(void *ctx, enum pc_drive drive, uint32_t size)
{
    (void)ctx, (void)drive, (void)size;
    return data;
}

static void transfer(void *ctx, enum pc_drive drive, enum device_transfer what, uint64_t offset,
                     uint32_t size, uint32_t tag)
{
    (void)ctx;
    asked.drive = drive;
    asked.what = what;
    asked.offset = offset;
    asked.size = size;
    asked.tag = tag;
    asked.count++;
}

static struct pc_config config;

static void add(enum pc_drive drive, enum device_drive kind, uint64_t size)
{
    config.drives[drive] = kind;
    media[drive] = (struct device_medium){ .present = size > 0, .size = size };
}

static void start(void)
{
    struct pc_callbacks callbacks = machine_callbacks;

    memset(&m, 0, sizeof(m));
    callbacks.medium = medium;
    callbacks.transfer_data = transfer_data;
    callbacks.transfer = transfer;
    config.ram_size = 64u << 20;
    config.chipset = PC_CHIPSET_I440FX;
    m.pc = calloc(1, pc_size());
    ck_assert_int_eq(pc_init(m.pc, &config, &callbacks, &m), 0);
    asked.count = 0;
}

static void setup(void)
{
    memset(&config, 0, sizeof(config));
    memset(media, 0, sizeof(media));
}

static void teardown(void)
{
    machine_stop(&m);
}

static const struct {
    const char *order;
    uint8_t first, third;
} orders[] = {
    { "", 0x32, 0x10 },   { "cda", 0x32, 0x10 }, { "a", 0x01, 0x00 },
    { "dc", 0x23, 0x00 }, { "ncd", 0x24, 0x30 }, { "acd", 0x21, 0x30 },
};

START_TEST(boot_order_is_in_cmos)
{
    memcpy(config.boot_order, orders[_i].order, strlen(orders[_i].order));
    start();
    ck_assert_uint_eq(pc_cmos_read(m.pc, 0x3d), orders[_i].first);
    ck_assert_uint_eq(pc_cmos_read(m.pc, 0x38), orders[_i].third);
}
END_TEST

static unsigned checksum(void)
{
    unsigned sum = 0;

    for (unsigned i = 0x10; i <= 0x2d; i++)
        sum += pc_cmos_read(m.pc, i);
    return sum;
}

START_TEST(disks_are_in_cmos)
{
    add(PC_DRIVE_HDA, DEVICE_DRIVE_DISK, UINT64_C(100) * MIB);
    add(PC_DRIVE_HDB, DEVICE_DRIVE_DISK, UINT64_C(2000) * MIB);
    add(PC_DRIVE_HDC, DEVICE_DRIVE_CDROM, UINT64_C(700) * MIB);
    add(PC_DRIVE_HDD, DEVICE_DRIVE_DISK, UINT64_C(504) * MIB + 16 * 63 * 512);
    start();
    ck_assert_uint_eq(pc_cmos_read(m.pc, 0x12), 0xff);
    ck_assert_uint_eq(pc_cmos_read(m.pc, 0x19), 47);
    ck_assert_uint_eq(pc_cmos_read(m.pc, 0x1b) | pc_cmos_read(m.pc, 0x1c) << 8, 203);
    ck_assert_uint_eq(pc_cmos_read(m.pc, 0x1d), 16);
    ck_assert_uint_eq(pc_cmos_read(m.pc, 0x23), 63);
    ck_assert_uint_eq(pc_cmos_read(m.pc, 0x24) | pc_cmos_read(m.pc, 0x25) << 8, 4063);
    ck_assert_uint_eq(pc_cmos_read(m.pc, 0x39), 0x44); /* hdb and hdd need translation */
    ck_assert_uint_eq(pc_cmos_read(m.pc, 0x2e) << 8 | pc_cmos_read(m.pc, 0x2f), checksum());
}
END_TEST

START_TEST(no_disk_no_type)
{
    add(PC_DRIVE_HDA, DEVICE_DRIVE_DISK, 0);
    start();
    ck_assert_uint_eq(pc_cmos_read(m.pc, 0x12), 0);
    ck_assert_uint_eq(pc_cmos_read(m.pc, 0x39), 0);
}
END_TEST

START_TEST(drives_need_callbacks)
{
    start();
    config.drives[PC_DRIVE_HDC] = DEVICE_DRIVE_CDROM;
    ck_assert_int_lt(pc_init(m.pc, &config, &machine_callbacks, &m), 0);
}
END_TEST

/* A direct boot leaves the channels answering, and the bus masters where firmware would put them. */
START_TEST(transfers_go_by_way_of_the_board)
{
    add(PC_DRIVE_HDD, DEVICE_DRIVE_DISK, MIB);
    start();
    ck_assert_uint_eq(inb(&m, 0x177), 0xff);
    pc_firmware_defaults(m.pc);
    ck_assert_uint_eq(inb(&m, 0xc002), 0);
    outb(&m, 0x176, 0xf0);
    outb(&m, 0x172, 1);
    outb(&m, 0x173, 7);
    outb(&m, 0x177, 0x20);
    ck_assert_uint_eq(asked.count, 1);
    ck_assert_int_eq(asked.drive, PC_DRIVE_HDD);
    ck_assert_int_eq(asked.what, DEVICE_TRANSFER_READ);
    ck_assert_uint_eq(asked.offset, 7 * 512);
    ck_assert_uint_eq(asked.size, 512);
    data[0] = 0x12;
    data[511] = 0x34;
    outb(&m, 0xa1, 0x3f); /* IRQ 14 and 15 */
    outb(&m, 0x21, 0xfb);
    ck_assert(!pc_intr(m.pc));
    pc_transferred(m.pc, PC_DRIVE_HDD, &(struct device_transferred){ asked.tag, 512, false, data });
    ck_assert(pc_intr(m.pc));
    ck_assert_uint_eq(pc_intr_ack(m.pc), 0x77);
    ck_assert_uint_eq(pc_port_read(m.pc, 0x170, 2), 0x12);
    for (unsigned i = 0; i < 254; i++)
        pc_port_read(m.pc, 0x170, 2);
    ck_assert_uint_eq(pc_port_read(m.pc, 0x170, 2), 0x3400);
}
END_TEST

START_TEST(media_change_and_locks_are_the_drives)
{
    add(PC_DRIVE_HDC, DEVICE_DRIVE_CDROM, 0);
    start();
    pc_firmware_defaults(m.pc);
    ck_assert(!pc_holds_medium(m.pc, PC_DRIVE_HDC));
    ck_assert(!pc_holds_medium(m.pc, PC_DRIVE_FLOPPY_B));
    pc_medium_changed(m.pc, PC_DRIVE_HDC);
    pc_medium_changed(m.pc, PC_DRIVE_HDA);
    outb(&m, 0x177, 0xa0);
    for (unsigned i = 0; i < 6; i++)
        pc_port_write(m.pc, 0x170, 2, i == 0 ? 0x1e : i == 2 ? 0x01 : 0); /* PREVENT */
    ck_assert(pc_holds_medium(m.pc, PC_DRIVE_HDC));
    pc_reset(m.pc);
    ck_assert(!pc_holds_medium(m.pc, PC_DRIVE_HDC));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pc_drives");
    TCase *t = tcase_create("pc_drives");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, boot_order_is_in_cmos, 0, ARRAY_SIZE(orders));
    tcase_add_test(t, disks_are_in_cmos);
    tcase_add_test(t, no_disk_no_type);
    tcase_add_test(t, drives_need_callbacks);
    tcase_add_test(t, transfers_go_by_way_of_the_board);
    tcase_add_test(t, media_change_and_locks_are_the_drives);
    suite_add_tcase(suite, t);
    return machine_main(suite);
}
