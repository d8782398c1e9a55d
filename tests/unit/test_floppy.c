/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The floppy controller and DMA in the machine, with media of the test's own: commands and their results,
 * formats, errors, the change line, DMA and no DMA. Intel 82077AA and 8237A datasheets.
 */
#include "pc_bench.h"

enum {
    DOR = 0x3f2,
    MSR = 0x3f4,
    FIFO = 0x3f5,
    DIR = 0x3f7,
    RQM = 0x80,
    DIO = 0x40,
    NDM = 0x20,
    BUSY = 0x10,
    BUFFER = 0x10000, /* guest-physical */
    MEDIUM_MAX = 2880 * 1024,
    TRANSFERS = 8,
};

static struct machine m;
static uint8_t medium[2][MEDIUM_MAX];
static struct device_medium in_drive[2];
static uint8_t *written;             /* what transfer_data gave */
static uint64_t broken = UINT64_MAX; /* the medium cannot be read or written here */
static struct {
    enum pc_drive drive;
    enum device_transfer what;
    uint64_t offset;
    uint32_t size, tag;
} asked[TRANSFERS];
static unsigned asked_count;
static uint8_t result[16];
static unsigned result_length;

/* ---- Media --------------------------------------------------------------------------------------- */

static void medium_in(void *ctx, enum pc_drive drive, struct device_medium *out)
{
    (void)ctx;
    ck_assert_uint_ge(drive, PC_DRIVE_FLOPPY_A);
    *out = in_drive[drive - PC_DRIVE_FLOPPY_A];
}

static uint8_t *transfer_data(void *ctx, enum pc_drive drive, uint32_t size)
{
    (void)ctx, (void)drive;
    free(written);
    written = malloc(size);
    return written;
}

static void transfer(void *ctx, enum pc_drive drive, enum device_transfer what, uint64_t offset,
                     uint32_t size, uint32_t tag)
{
    (void)ctx;
    ck_assert_uint_lt(asked_count, TRANSFERS);
    ck_assert_uint_le(offset + size, in_drive[drive - PC_DRIVE_FLOPPY_A].size);
    ck_assert_uint_le(size, DEVICE_TRANSFER_MAX);
    asked[asked_count].drive = drive;
    asked[asked_count].what = what;
    asked[asked_count].offset = offset;
    asked[asked_count].size = size;
    asked[asked_count++].tag = tag;
}

/* Do the first transfer that was asked for. False: none was. */
static bool serve(void)
{
    struct device_transferred done = { 0 };
    enum pc_drive drive = asked[0].drive;
    uint8_t *at;

    if (!asked_count)
        return false;
    at = medium[drive - PC_DRIVE_FLOPPY_A] + asked[0].offset;
    done.tag = asked[0].tag;
    done.done = asked[0].size;
    done.data = at;
    if (broken >= asked[0].offset && broken < asked[0].offset + asked[0].size) {
        done.failed = true;
        done.done = broken - asked[0].offset;
    }
    if (asked[0].what == DEVICE_TRANSFER_WRITE)
        memcpy(at, written, done.done);
    memmove(&asked[0], &asked[1], --asked_count * sizeof(asked[0]));
    pc_transferred(m.pc, drive, &done);
    return true;
}

static void insert(unsigned unit, uint32_t kib)
{
    in_drive[unit] =
        (struct device_medium){ .drive = DEVICE_DRIVE_FLOPPY, .present = kib != 0, .size = kib * 1024 };
}

static void start(void)
{
    static struct pc_config config = { .ram_size = 64u << 20, .chipset = PC_CHIPSET_I440FX };
    struct pc_callbacks callbacks = machine_callbacks;

    machine_start_with(&m, &config);
    callbacks.medium = medium_in;
    callbacks.transfer_data = transfer_data;
    callbacks.transfer = transfer;
    config.drives[PC_DRIVE_FLOPPY_A] = in_drive[0].drive;
    config.drives[PC_DRIVE_FLOPPY_B] = in_drive[1].drive;
    ck_assert_int_eq(pc_init(m.pc, &config, &callbacks, &m), 0);
    config.drives[PC_DRIVE_FLOPPY_A] = config.drives[PC_DRIVE_FLOPPY_B] = DEVICE_DRIVE_NONE;
    pc_firmware_defaults(m.pc);
    outb(&m, 0x21, 0xbf); /* IRQ 6 */
    m.intr = false;
}

static void restart_with(uint32_t kib)
{
    machine_stop(&m);
    insert(0, kib);
    start();
    outb(&m, DOR, 0x1c);
    machine_run(&m, 1000000);
    for (unsigned i = 0; i < 4; i++) {
        outb(&m, FIFO, 0x08);
        inb(&m, FIFO);
        inb(&m, FIFO);
    }
}

static void setup(void)
{
    memset(in_drive, 0, sizeof(in_drive));
    asked_count = 0;
    broken = UINT64_MAX;
    for (unsigned i = 0; i < MEDIUM_MAX; i++)
        medium[0][i] = i / 512 * 7 + i % 512 * 3;
    insert(0, 1440);
    start();
    restart_with(1440);
}

static void teardown(void)
{
    machine_stop(&m);
    free(written);
    written = NULL;
}

/* ---- Commands ------------------------------------------------------------------------------------ */

static void give(const uint8_t *command, unsigned length)
{
    for (unsigned i = 0; i < length; i++) {
        ck_assert_uint_eq(inb(&m, MSR) & (RQM | DIO), RQM);
        outb(&m, FIFO, command[i]);
    }
}

static void take_result(void)
{
    for (result_length = 0; inb(&m, MSR) == (RQM | DIO | BUSY) && result_length < sizeof(result);)
        result[result_length++] = inb(&m, FIFO);
}

/* Let the command in `command` run to its end, with every transfer it asks for. */
static void run(const uint8_t *command, unsigned length)
{
    give(command, length);
    do
        machine_run(&m, 1000000);
    while (serve());
    take_result();
}

#define RUN(...) run((const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

/* Channel 2 for `count` bytes; `mode` without the channel. */
static void set_dma(unsigned mode, uint32_t count)
{
    outb(&m, 0x0a, 6);
    outb(&m, 0x0c, 0);
    outb(&m, 0x0b, mode | 2);
    outb(&m, 0x04, BUFFER & 0xff);
    outb(&m, 0x04, BUFFER >> 8 & 0xff);
    outb(&m, 0x81, BUFFER >> 16);
    outb(&m, 0x05, (count - 1) & 0xff);
    outb(&m, 0x05, (count - 1) >> 8);
    outb(&m, 0x0a, 2);
}

enum { TO_MEMORY = 0x44, FROM_MEMORY = 0x48 };

static void seek(unsigned track)
{
    RUN(0x0f, 0, track);
    RUN(0x08);
    ck_assert_uint_eq(result_length, 2);
    ck_assert_uint_eq(result[0], 0x20);
    ck_assert_uint_eq(result[1], track);
}

static void set_rate(unsigned rate)
{
    outb(&m, DIR, rate);
}

static void expect(unsigned st0, unsigned st1, unsigned st2, unsigned c, unsigned h, unsigned r)
{
    ck_assert_uint_eq(result_length, 7);
    ck_assert_msg(result[0] == st0 && result[1] == st1 && result[2] == st2 && result[3] == c &&
                      result[4] == h && result[5] == r && result[6] == 2,
                  "%02x %02x %02x %u %u %u %u", result[0], result[1], result[2], result[3], result[4],
                  result[5], result[6]);
}

/* ---- Control ------------------------------------------------------------------------------------- */

START_TEST(a_reset_tells_of_four_drives)
{
    outb(&m, DOR, 0x00);
    ck_assert_uint_eq(inb(&m, MSR), 0);
    outb(&m, DOR, 0x0c);
    machine_run(&m, 1000000);
    ck_assert(m.intr);
    pc_intr_ack(m.pc);
    for (unsigned unit = 0; unit < 4; unit++) {
        RUN(0x08);
        ck_assert_uint_eq(result_length, 2);
        ck_assert_uint_eq(result[0], 0xc0 | unit);
    }
    RUN(0x08);
    ck_assert_uint_eq(result_length, 1);
    ck_assert_uint_eq(result[0], 0x80);
}
END_TEST

START_TEST(interrupts_are_gated)
{
    outb(&m, DOR, 0x00);
    outb(&m, DOR, 0x04);
    machine_run(&m, 1000000);
    ck_assert(!m.intr);
    outb(&m, DOR, 0x0c);
    ck_assert(m.intr);
}
END_TEST

static const struct {
    const char *name;
    uint8_t command[4], length;
    uint8_t result[10], result_length;
} control_rows[] = {
    { "VERSION", { 0x10 }, 1, { 0x90 }, 1 },
    { "PART ID", { 0x18 }, 1, { 0x01 }, 1 },
    { "LOCK", { 0x94 }, 1, { 0x10 }, 1 },
    { "UNLOCK", { 0x14 }, 1, { 0x00 }, 1 },
    { "SENSE DRIVE STATUS", { 0x04, 0x04 }, 2, { 0x3c }, 1 },
    { "SENSE DRIVE STATUS of no drive", { 0x04, 0x01 }, 2, { 0x29 }, 1 },
    { "invalid 00h", { 0x00 }, 1, { 0x80 }, 1 },
    { "invalid 1Fh", { 0x1f }, 1, { 0x80 }, 1 },
    { "invalid 33h", { 0x33 }, 1, { 0x80 }, 1 },
};

START_TEST(control_commands_answer)
{
    run(control_rows[_i].command, control_rows[_i].length);
    ck_assert_msg(result_length == control_rows[_i].result_length &&
                      !memcmp(result, control_rows[_i].result, result_length),
                  "%s: %u bytes, %02x", control_rows[_i].name, result_length, result[0]);
}
END_TEST

START_TEST(dumpreg_has_what_was_set)
{
    RUN(0x03, 0xdf, 0x02);
    RUN(0x13, 0x00, 0x57, 0x0f);
    RUN(0x12, 0x84);
    RUN(0x94);
    RUN(0x0f, 0, 17);
    RUN(0x08);
    RUN(0x0e);
    ck_assert_uint_eq(result_length, 10);
    ck_assert_uint_eq(result[0], 17);
    ck_assert_uint_eq(result[4], 0xdf);
    ck_assert_uint_eq(result[5], 0x02);
    ck_assert_uint_eq(result[7], 0x84);
    ck_assert_uint_eq(result[8], 0x57);
    ck_assert_uint_eq(result[9], 0x0f);
    outb(&m, 0x3f4, 0x80); /* a reset keeps what is locked */
    machine_run(&m, 1000000);
    RUN(0x0e);
    ck_assert_uint_eq(result[8], 0x57);
}
END_TEST

START_TEST(seeks_end_with_an_interrupt)
{
    give((const uint8_t[]){ 0x0f, 0, 40 }, 3);
    ck_assert_uint_eq(inb(&m, MSR), RQM | 1);
    ck_assert(!m.intr);
    machine_run(&m, 1000000);
    ck_assert(m.intr);
    RUN(0x08);
    ck_assert_uint_eq(result[0], 0x20);
    ck_assert_uint_eq(result[1], 40);
    RUN(0xcf, 0, 5);
    RUN(0x08);
    ck_assert_uint_eq(result[1], 45);
    RUN(0x8f, 0, 50);
    RUN(0x08);
    ck_assert_uint_eq(result[1], 0);
    RUN(0x07, 0);
    RUN(0x08);
    ck_assert_uint_eq(result[0], 0x20);
    RUN(0x07, 1); /* no drive: no track 0 */
    RUN(0x08);
    ck_assert_uint_eq(result[0], 0x71);
    RUN(0x0f, 0, 255);
    RUN(0x08);
    RUN(0x07, 0); /* 79 steps are not enough */
    RUN(0x08);
    ck_assert_uint_eq(result[0], 0x70);
    RUN(0x07, 0);
    RUN(0x08);
    ck_assert_uint_eq(result[0], 0x20);
}
END_TEST

START_TEST(change_line_falls_with_a_step)
{
    ck_assert_uint_eq(inb(&m, DIR), 0x80);
    seek(1);
    ck_assert_uint_eq(inb(&m, DIR), 0);
    insert(0, 0);
    pc_medium_changed(m.pc, PC_DRIVE_FLOPPY_A);
    seek(2);
    ck_assert_uint_eq(inb(&m, DIR), 0x80);
    insert(0, 1440);
    pc_medium_changed(m.pc, PC_DRIVE_FLOPPY_A);
    seek(2);
    ck_assert_uint_eq(inb(&m, DIR), 0x80);
    seek(1);
    ck_assert_uint_eq(inb(&m, DIR), 0);
    outb(&m, DOR, 0x0c); /* motor off */
    ck_assert_uint_eq(inb(&m, DIR), 0);
}
END_TEST

/* ---- Reading ------------------------------------------------------------------------------------- */

START_TEST(sectors_reach_memory)
{
    set_rate(0);
    seek(3);
    set_dma(TO_MEMORY, 2 * 512);
    RUN(0xe6, 0x04, 3, 1, 5, 2, 18, 0x1b, 0xff);
    expect(0x04, 0, 0, 3, 1, 7);
    ck_assert(!memcmp(m.ram + BUFFER, medium[0] + ((3 * 2 + 1) * 18 + 4) * 512, 1024));
    ck_assert_uint_eq(inb(&m, 0x08) & 4, 4); /* terminal count */
}
END_TEST

START_TEST(both_sides_are_one_with_mt)
{
    set_rate(0);
    set_dma(TO_MEMORY, 36 * 512);
    RUN(0xe6, 0, 0, 0, 1, 2, 18, 0x1b, 0xff);
    expect(0x00, 0, 0, 1, 0, 1);
    ck_assert(!memcmp(m.ram + BUFFER, medium[0], 36 * 512));
    set_dma(TO_MEMORY, 20 * 512);
    RUN(0xe6, 0, 0, 0, 10, 2, 18, 0x1b, 0xff);
    expect(0x04, 0, 0, 0, 1, 12);
    ck_assert(!memcmp(m.ram + BUFFER, medium[0] + 9 * 512, 20 * 512));
}
END_TEST

START_TEST(the_end_of_the_cylinder_is_an_error)
{
    set_rate(0);
    set_dma(TO_MEMORY, 20 * 512);
    RUN(0x46, 0, 0, 0, 17, 2, 18, 0x1b, 0xff);
    expect(0x40, 0x80, 0, 1, 0, 1);
    ck_assert(!memcmp(m.ram + BUFFER, medium[0] + 16 * 512, 2 * 512));
    set_dma(TO_MEMORY, 40 * 512);
    RUN(0xc6, 0, 0, 0, 18, 2, 18, 0x1b, 0xff);
    expect(0x40, 0x80, 0, 1, 0, 1);
}
END_TEST

static const struct {
    const char *name;
    uint8_t command[9];
    uint8_t st0, st1, st2;
} error_rows[] = {
    { "another cylinder", { 0x46, 0, 5, 0, 1, 2, 18, 0x1b, 0xff }, 0x40, 0x04, 0x10 },
    { "another head", { 0x46, 0, 0, 1, 1, 2, 18, 0x1b, 0xff }, 0x40, 0x04, 0 },
    { "sector 0", { 0x46, 0, 0, 0, 0, 2, 18, 0x1b, 0xff }, 0x40, 0x04, 0 },
    { "sector 19", { 0x46, 0, 0, 0, 19, 2, 36, 0x1b, 0xff }, 0x40, 0x04, 0 },
    { "sectors of 256 bytes", { 0x46, 0, 0, 0, 1, 1, 18, 0x1b, 0xff }, 0x40, 0x04, 0 },
    { "FM", { 0x06, 0, 0, 0, 1, 2, 18, 0x1b, 0xff }, 0x40, 0x01, 0 },
    { "drive B, which there is not", { 0x46, 1, 0, 0, 1, 2, 18, 0x1b, 0xff }, 0x41, 0x01, 0 },
    { "drive 3", { 0x46, 3, 0, 0, 1, 2, 18, 0x1b, 0xff }, 0x43, 0x01, 0 },
};

START_TEST(what_is_not_there_is_not_read)
{
    const uint8_t *c = error_rows[_i].command;

    set_rate(0);
    set_dma(TO_MEMORY, 512);
    run(c, 9);
    ck_assert_msg(result_length == 7 && result[0] == error_rows[_i].st0 && result[1] == error_rows[_i].st1 &&
                      result[2] == error_rows[_i].st2,
                  "%s: %02x %02x %02x", error_rows[_i].name, result[0], result[1], result[2]);
}
END_TEST

START_TEST(a_bad_sector_is_a_data_error_after_those_before)
{
    set_rate(0);
    broken = 3 * 512;
    set_dma(TO_MEMORY, 5 * 512);
    RUN(0x46, 0, 0, 0, 1, 2, 18, 0x1b, 0xff);
    expect(0x40, 0x20, 0x20, 0, 0, 4);
    ck_assert(!memcmp(m.ram + BUFFER, medium[0], 3 * 512));
    broken = 0;
    RUN(0x56, 0, 0, 0, 1, 2, 18, 0x1b, 0xff);
    ck_assert_uint_eq(result[1], 0x20);
}
END_TEST

/* Which formats there are, and at which rates: the wrong one finds nothing. */
static const struct {
    uint32_t kib;
    uint8_t tracks, heads, sectors, rates, cmos;
} format_rows[] = {
    { 160, 40, 1, 8, 1 << 2 | 1 << 1, 1 }, { 180, 40, 1, 9, 1 << 2 | 1 << 1, 1 },
    { 320, 40, 2, 8, 1 << 2 | 1 << 1, 1 }, { 360, 40, 2, 9, 1 << 2 | 1 << 1, 1 },
    { 720, 80, 2, 9, 1 << 2, 3 },          { 1200, 80, 2, 15, 1 << 0, 2 },
    { 1440, 80, 2, 18, 1 << 0, 4 },        { 1680, 80, 2, 21, 1 << 0, 4 },
    { 2880, 80, 2, 36, 1 << 3, 5 },
};

START_TEST(formats_are_known_by_their_size)
{
    unsigned tracks = format_rows[_i].tracks, heads = format_rows[_i].heads;
    unsigned sectors = format_rows[_i].sectors, last = ((tracks - 1) * heads + heads - 1) * sectors;

    restart_with(format_rows[_i].kib);
    ck_assert_uint_eq(pc_cmos_read(m.pc, 0x10), format_rows[_i].cmos << 4);
    ck_assert_uint_eq(pc_cmos_read(m.pc, 0x14) & 0xc1, 0x01);
    seek(tracks - 1);
    for (unsigned rate = 0; rate < 4; rate++) {
        bool good = format_rows[_i].rates >> rate & 1;

        set_rate(rate);
        set_dma(TO_MEMORY, sectors * 512);
        RUN(0x46, (heads - 1) << 2, tracks - 1, heads - 1, 1, 2, sectors, 0x1b, 0xff);
        ck_assert_uint_eq(result[1], good ? 0 : 1);
        if (good)
            ck_assert(!memcmp(m.ram + BUFFER, medium[0] + last * 512, sectors * 512));
        RUN(0x4a, (heads - 1) << 2);
        ck_assert_uint_eq(result[1], good ? 0 : 1);
        if (good) {
            ck_assert_uint_eq(result[3], tracks - 1);
            ck_assert_uint_eq(result[4], heads - 1);
            ck_assert_uint_le(result[5], sectors);
        }
    }
}
END_TEST

START_TEST(forty_tracks_take_two_steps_in_another_drive)
{
    restart_with(1200);
    insert(0, 360);
    pc_medium_changed(m.pc, PC_DRIVE_FLOPPY_A);
    set_rate(1);
    seek(20);
    set_dma(TO_MEMORY, 512);
    RUN(0x46, 0, 10, 0, 1, 2, 9, 0x1b, 0xff);
    expect(0, 0, 0, 10, 0, 2);
    ck_assert(!memcmp(m.ram + BUFFER, medium[0] + 10 * 18 * 512, 512));
    seek(21); /* between two tracks */
    RUN(0x4a, 0);
    ck_assert_uint_eq(result[1], 1);
}
END_TEST

START_TEST(implied_seeks_go_to_the_cylinder)
{
    set_rate(0);
    RUN(0x13, 0, 0x40, 0);
    set_dma(TO_MEMORY, 512);
    RUN(0x46, 0, 33, 0, 1, 2, 18, 0x1b, 0xff);
    expect(0, 0, 0, 33, 0, 2);
    RUN(0x0e);
    ck_assert_uint_eq(result[0], 33);
}
END_TEST

START_TEST(read_track_begins_with_sector_1)
{
    set_rate(0);
    set_dma(TO_MEMORY, 4 * 512);
    RUN(0x42, 0, 0, 0, 1, 2, 4, 0x1b, 0xff);
    expect(0, 0, 0, 1, 0, 1);
    ck_assert(!memcmp(m.ram + BUFFER, medium[0], 4 * 512));
    set_dma(TO_MEMORY, 4 * 512);
    RUN(0x42, 0, 0, 0, 3, 2, 4, 0x1b, 0xff);
    ck_assert_uint_eq(result[0], 0x40);
    ck_assert_uint_eq(result[1], 0x04);
    ck_assert(!memcmp(m.ram + BUFFER, medium[0], 4 * 512));
}
END_TEST

START_TEST(deleted_data_is_what_there_is_none_of)
{
    set_rate(0);
    set_dma(TO_MEMORY, 3 * 512);
    RUN(0x4c, 0, 0, 0, 1, 2, 18, 0x1b, 0xff); /* the first that is not ends it */
    expect(0, 0, 0x40, 0, 0, 2);
    set_dma(TO_MEMORY, 3 * 512);
    RUN(0x6c, 0, 0, 0, 1, 2, 18, 0x1b, 0xff); /* all are skipped */
    expect(0x40, 0x80, 0, 1, 0, 1);
    ck_assert_uint_eq(inb(&m, 0x08) & 4, 0);
}
END_TEST

START_TEST(verify_reads_without_dma)
{
    set_rate(0);
    RUN(0xd6, 0x80, 0, 0, 1, 2, 18, 0x1b, 20);
    expect(0x04, 0, 0, 0, 1, 3);
    RUN(0x56, 0, 0, 0, 1, 2, 18, 0x1b, 0xff);
    expect(0, 0, 0, 1, 0, 1);
    RUN(0x56, 0, 0, 0, 1, 2, 30, 0x1b, 0xff);
    ck_assert_uint_eq(result[1], 0x04);
}
END_TEST

/* ---- Writing ------------------------------------------------------------------------------------- */

START_TEST(memory_reaches_sectors)
{
    set_rate(0);
    seek(79);
    for (unsigned i = 0; i < 3 * 512; i++)
        m.ram[BUFFER + i] = i * 5;
    set_dma(FROM_MEMORY, 3 * 512);
    RUN(0xc5, 0, 79, 0, 17, 2, 18, 0x1b, 0xff);
    expect(0x04, 0, 0, 79, 1, 2);
    ck_assert(!memcmp(m.ram + BUFFER, medium[0] + (79 * 36 + 16) * 512, 3 * 512));
    set_dma(FROM_MEMORY, 100); /* the rest of a sector is zeros */
    RUN(0x49, 0, 79, 0, 1, 2, 18, 0x1b, 0xff);
    expect(0, 0, 0, 79, 0, 2);
    ck_assert(!memcmp(m.ram + BUFFER, medium[0] + 79 * 36 * 512, 100));
    ck_assert_uint_eq(medium[0][79 * 36 * 512 + 100], 0);
    ck_assert_uint_eq(medium[0][79 * 36 * 512 + 511], 0);
}
END_TEST

START_TEST(protected_media_are_not_written)
{
    set_rate(0);
    in_drive[0].read_only = true;
    set_dma(FROM_MEMORY, 512);
    RUN(0x45, 0, 0, 0, 1, 2, 18, 0x1b, 0xff);
    ck_assert_uint_eq(result[0], 0x40);
    ck_assert_uint_eq(result[1], 0x02);
    RUN(0x4d, 0, 2, 18, 0x54, 0xf6);
    ck_assert_uint_eq(result[1], 0x02);
    RUN(0x04, 0);
    ck_assert_uint_eq(result[0] & 0x40, 0x40);
}
END_TEST

START_TEST(a_write_that_fails_is_told)
{
    set_rate(0);
    broken = 0;
    set_dma(FROM_MEMORY, 512);
    RUN(0x45, 0, 0, 0, 1, 2, 18, 0x1b, 0xff);
    ck_assert_uint_eq(result[0], 0x40);
    ck_assert_uint_eq(result[1], 0x20);
}
END_TEST

START_TEST(format_fills_the_sectors_it_names)
{
    set_rate(0);
    seek(2);
    for (unsigned i = 0; i < 18; i++)
        memcpy(m.ram + BUFFER + 4 * i, (const uint8_t[]){ 2, 1, 18 - i, 2 }, 4);
    m.ram[BUFFER + 2] = 99; /* sector 18 is one the format has not */
    set_dma(FROM_MEMORY, 18 * 4);
    RUN(0x4d, 4, 2, 18, 0x54, 0xf6);
    ck_assert_uint_eq(result[0], 0x04);
    ck_assert_uint_eq(result[1], 0);
    for (unsigned i = 0; i < 17 * 512; i++)
        ck_assert_uint_eq(medium[0][(2 * 2 + 1) * 18 * 512 + i], 0xf6);
    ck_assert_uint_ne(medium[0][(2 * 2 + 1) * 18 * 512 + 17 * 512 + 1], 0xf6);
}
END_TEST

/* ---- Scans --------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    uint8_t code, host, disk, st2, r; /* all bytes of sectors 1 and 2; sector 3 fits all */
} scan_rows[] = {
    { "equal, equal", 0x51, 5, 5, 0x08, 2 },  { "equal, lower", 0x51, 5, 4, 0x04, 1 },
    { "equal, any", 0x51, 0xff, 4, 0x08, 2 }, { "low, equal", 0x59, 5, 5, 0x08, 2 },
    { "low, lower", 0x59, 5, 4, 0x00, 2 },    { "low, higher", 0x59, 5, 6, 0x04, 1 },
    { "high, higher", 0x5d, 5, 6, 0x00, 2 },  { "high, lower", 0x5d, 5, 4, 0x04, 1 },
};

START_TEST(scans_compare_bytes)
{
    set_rate(0);
    memset(medium[0], scan_rows[_i].disk, 2 * 512);
    memset(m.ram + BUFFER, scan_rows[_i].host, 2 * 512);
    set_dma(FROM_MEMORY, 2 * 512);
    RUN(scan_rows[_i].code, 0, 0, 0, 1, 2, 2, 0x1b, 1);
    ck_assert_uint_eq(result[0], 0);
    ck_assert_msg(result[2] == scan_rows[_i].st2 && result[5] == scan_rows[_i].r, "%s: %02x %u",
                  scan_rows[_i].name, result[2], result[5]);
}
END_TEST

START_TEST(scans_step_from_sector_to_sector)
{
    set_rate(0);
    memset(medium[0], 1, 6 * 512);
    memset(medium[0] + 4 * 512, 2, 512);
    memset(m.ram + BUFFER, 2, 6 * 512);
    set_dma(FROM_MEMORY, 6 * 512);
    RUN(0x51, 0, 0, 0, 1, 2, 18, 0x1b, 2); /* 1, 3, 5 */
    expect(0, 0, 0x08, 0, 0, 6);
    set_dma(FROM_MEMORY, 6 * 512);
    RUN(0x51, 0, 0, 0, 2, 2, 6, 0x1b, 2); /* 2, 4, 6 */
    ck_assert_uint_eq(result[2], 0x04);
}
END_TEST

/* ---- Without DMA --------------------------------------------------------------------------------- */

START_TEST(bytes_go_through_the_register_without_dma)
{
    set_rate(0);
    RUN(0x03, 0xdf, 0x03);
    give((const uint8_t[]){ 0x46, 0, 0, 0, 17, 2, 18, 0x1b, 0xff }, 9);
    ck_assert_uint_eq(inb(&m, MSR), BUSY);
    ck_assert(serve());
    ck_assert(m.intr);
    for (unsigned i = 0; i < 2 * 512; i++) {
        ck_assert_uint_eq(inb(&m, MSR), RQM | DIO | NDM | BUSY);
        ck_assert_uint_eq(inb(&m, FIFO), medium[0][16 * 512 + i]);
    }
    take_result();
    expect(0x40, 0x80, 0, 1, 0, 1); /* nobody pulls TC */
    give((const uint8_t[]){ 0x45, 0, 0, 0, 18, 2, 18, 0x1b, 0xff }, 9);
    for (unsigned i = 0; i < 512; i++) {
        ck_assert_uint_eq(inb(&m, MSR), RQM | NDM | BUSY);
        outb(&m, FIFO, i ^ 0x5a);
    }
    ck_assert(serve());
    take_result();
    ck_assert_uint_eq(result[1], 0x80);
    for (unsigned i = 0; i < 512; i++)
        ck_assert_uint_eq(medium[0][17 * 512 + i], (i ^ 0x5a) & 0xff);
}
END_TEST

/* ---- DMA ----------------------------------------------------------------------------------------- */

START_TEST(a_channel_that_opens_late_goes_on)
{
    set_rate(0);
    set_dma(TO_MEMORY, 512);
    outb(&m, 0x0a, 6);
    give((const uint8_t[]){ 0x46, 0, 0, 0, 1, 2, 18, 0x1b, 0xff }, 9);
    ck_assert(serve());
    ck_assert_uint_eq(inb(&m, MSR), BUSY);
    outb(&m, 0x0a, 2);
    take_result();
    expect(0, 0, 0, 0, 0, 2);
    ck_assert(!memcmp(m.ram + BUFFER, medium[0], 512));
}
END_TEST

START_TEST(addresses_wrap_in_their_page)
{
    set_rate(0);
    set_dma(TO_MEMORY, 512);
    outb(&m, 0x0c, 0);
    outb(&m, 0x04, 0x00);
    outb(&m, 0x04, 0xff);
    RUN(0x46, 0, 0, 0, 1, 2, 18, 0x1b, 0xff);
    ck_assert(!memcmp(m.ram + BUFFER + 0xff00, medium[0], 256));
    ck_assert(!memcmp(m.ram + BUFFER, medium[0] + 256, 256));
    outb(&m, 0x0c, 0);
    ck_assert_uint_eq(inb(&m, 0x04), 0x00);
    ck_assert_uint_eq(inb(&m, 0x04), 0x01);
    ck_assert_uint_eq(inb(&m, 0x05), 0xff);
    ck_assert_uint_eq(inb(&m, 0x05), 0xff);
}
END_TEST

START_TEST(auto_initialization_begins_again)
{
    set_rate(0);
    set_dma(TO_MEMORY | 0x10, 512);
    for (unsigned sector = 1; sector <= 3; sector++) {
        RUN(0x46, 0, 0, 0, sector, 2, 18, 0x1b, 0xff);
        expect(0, 0, 0, 0, 0, sector + 1);
        ck_assert(!memcmp(m.ram + BUFFER, medium[0] + (sector - 1) * 512, 512));
    }
    ck_assert_uint_eq(inb(&m, 0x0f) & 4, 0);
}
END_TEST

START_TEST(addresses_can_go_down)
{
    set_rate(0);
    set_dma(TO_MEMORY | 0x20, 512);
    outb(&m, 0x0c, 0);
    outb(&m, 0x04, 0xff);
    outb(&m, 0x04, 0x01);
    RUN(0x46, 0, 0, 0, 1, 2, 18, 0x1b, 0xff);
    for (unsigned i = 0; i < 512; i++)
        ck_assert_uint_eq(m.ram[BUFFER + 511 - i], medium[0][i]);
}
END_TEST

START_TEST(the_wrong_direction_moves_nothing)
{
    set_rate(0);
    set_dma(FROM_MEMORY, 512);
    give((const uint8_t[]){ 0x46, 0, 0, 0, 1, 2, 18, 0x1b, 0xff }, 9);
    ck_assert(serve());
    ck_assert_uint_eq(inb(&m, MSR), BUSY);
    outb(&m, DOR, 0x00); /* a reset is the way out */
    outb(&m, DOR, 0x1c);
    machine_run(&m, 1000000);
    ck_assert_uint_eq(inb(&m, MSR), RQM);
}
END_TEST

START_TEST(page_registers_keep_what_is_written)
{
    for (uint16_t port = 0x81; port <= 0x8f; port++)
        outb(&m, port, port * 3);
    for (uint16_t port = 0x81; port <= 0x8f; port++)
        ck_assert_uint_eq(inb(&m, port), port * 3 & 0xff);
}
END_TEST

/* What a reset interrupts answers too late, and means nothing then. */
START_TEST(transfers_of_before_a_reset_are_forgotten)
{
    set_rate(0);
    set_dma(TO_MEMORY, 512);
    memset(m.ram + BUFFER, 0xaa, 512);
    give((const uint8_t[]){ 0x46, 0, 0, 0, 1, 2, 18, 0x1b, 0xff }, 9);
    outb(&m, DOR, 0x00);
    outb(&m, DOR, 0x1c);
    machine_run(&m, 1000000);
    ck_assert(serve());
    ck_assert_uint_eq(m.ram[BUFFER], 0xaa);
    ck_assert_uint_eq(inb(&m, MSR), RQM);
}
END_TEST

/* ---- Anything ------------------------------------------------------------------------------------ */

START_TEST(any_guest_may_do_anything)
{
    static const uint16_t sizes[] = { 0, 160, 360, 720, 1200, 1440, 2880, 1 };
    uint32_t x = 2463534242u + _i;

    for (unsigned i = 0; i < 400000; i++) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        switch (x % 64) {
        case 0:
            insert(0, sizes[x >> 8 & 7]);
            in_drive[0].read_only = x >> 16 & 1;
            pc_medium_changed(m.pc, PC_DRIVE_FLOPPY_A);
            break;
        case 1:
        case 2:
            outb(&m, (x >> 8) % 16, x >> 16);
            break;
        case 3:
            outb(&m, 0xc0 + (x >> 8) % 32, x >> 16);
            break;
        case 4:
            set_dma(x & 0x100 ? TO_MEMORY : FROM_MEMORY, 1 + (x >> 12) % 20000);
            break;
        case 5:
            outb(&m, DOR, x >> 8 & 0x100 ? x >> 16 : 0x1c);
            break;
        case 6:
        case 7:
            machine_run(&m, x >> 12);
            break;
        case 8:
        case 9:
        case 10:
            broken = x & 0x100 ? x >> 10 : UINT64_MAX;
            serve();
            break;
        case 11: /* something sensible: the others mostly are not */
            if (inb(&m, MSR) == RQM)
                give((const uint8_t[]){ (const uint8_t[]){ 0xe6, 0xc5, 0x46, 0x4d, 0x51, 0x59, 0x56,
                                                           0x42 }[x >> 8 & 7],
                                        x >> 11 & 4, x >> 14 & 3, x >> 11 & 1, 1 + (x >> 16 & 15), 2,
                                        x >> 20 & 31, 0x1b, x >> 25 },
                     9 - 3 * ((x >> 8 & 7) == 3));
            break;
        case 12:
            outb(&m, DIR, x >> 8);
            break;
        default:
            if (x & 0x100)
                inb(&m, 0x3f0 + (x >> 12) % 8);
            else
                outb(&m, 0x3f3 + (x >> 12) % 3, x >> 16);
            break;
        }
        if (asked_count == TRANSFERS)
            serve();
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("floppy");
    TCase *tc = tcase_create("floppy");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_reset_tells_of_four_drives);
    tcase_add_test(tc, interrupts_are_gated);
    tcase_add_loop_test(tc, control_commands_answer, 0, ARRAY_SIZE(control_rows));
    tcase_add_test(tc, dumpreg_has_what_was_set);
    tcase_add_test(tc, seeks_end_with_an_interrupt);
    tcase_add_test(tc, change_line_falls_with_a_step);
    tcase_add_test(tc, sectors_reach_memory);
    tcase_add_test(tc, both_sides_are_one_with_mt);
    tcase_add_test(tc, the_end_of_the_cylinder_is_an_error);
    tcase_add_loop_test(tc, what_is_not_there_is_not_read, 0, ARRAY_SIZE(error_rows));
    tcase_add_test(tc, a_bad_sector_is_a_data_error_after_those_before);
    tcase_add_loop_test(tc, formats_are_known_by_their_size, 0, ARRAY_SIZE(format_rows));
    tcase_add_test(tc, forty_tracks_take_two_steps_in_another_drive);
    tcase_add_test(tc, implied_seeks_go_to_the_cylinder);
    tcase_add_test(tc, read_track_begins_with_sector_1);
    tcase_add_test(tc, deleted_data_is_what_there_is_none_of);
    tcase_add_test(tc, verify_reads_without_dma);
    tcase_add_test(tc, memory_reaches_sectors);
    tcase_add_test(tc, protected_media_are_not_written);
    tcase_add_test(tc, a_write_that_fails_is_told);
    tcase_add_test(tc, format_fills_the_sectors_it_names);
    tcase_add_loop_test(tc, scans_compare_bytes, 0, ARRAY_SIZE(scan_rows));
    tcase_add_test(tc, scans_step_from_sector_to_sector);
    tcase_add_test(tc, bytes_go_through_the_register_without_dma);
    tcase_add_test(tc, a_channel_that_opens_late_goes_on);
    tcase_add_test(tc, addresses_wrap_in_their_page);
    tcase_add_test(tc, auto_initialization_begins_again);
    tcase_add_test(tc, addresses_can_go_down);
    tcase_add_test(tc, the_wrong_direction_moves_nothing);
    tcase_add_test(tc, page_registers_keep_what_is_written);
    tcase_add_test(tc, transfers_of_before_a_reset_are_forgotten);
    tcase_add_loop_test(tc, any_guest_may_do_anything, 0, 8);
    suite_add_tcase(suite, tc);
    return machine_main(suite);
}
