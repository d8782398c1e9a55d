/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The firmware configuration device in the machine, read as firmware reads it: byte by byte and by
 * descriptors. QEMU documentation, "QEMU Firmware Configuration (fw_cfg) Device".
 */
#include "pc_bench.h"

#include <stdio.h>

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

enum {
    SELECTOR = 0x510,
    DATA = 0x511,
    ADDRESS_HIGH = 0x514,
    ADDRESS_LOW = 0x518,
    DESCRIPTOR = 0x1000, /* in memory */
    BUFFER = 0x2000,
    ERROR = 1,
    READ = 2,
    SKIP = 4,
    SELECT = 8,
    WRITE = 16,
};

static const char sentence[] = "all that is told of it";
static struct machine m;

static void start(uint64_t ram_size, uint32_t serial_ports)
{
    machine_start_with(&m, &(struct pc_config){ .ram_size = ram_size,
                                                .chipset = PC_CHIPSET_I440FX,
                                                .serial_ports = serial_ports,
                                                .firmware_log = true });
    ck_assert(pc_add_file(m.pc, "opt/sentence", sentence, sizeof(sentence)));
}

static void setup(void)
{
    start(64 * MIB, 1);
}

static void teardown(void)
{
    machine_stop(&m);
}

/* ---- As firmware reads ------------------------------------------------------------------------- */

static uint64_t number(unsigned key, unsigned size)
{
    uint64_t value = 0;

    pc_port_write(m.pc, SELECTOR, 2, key);
    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)inb(&m, DATA) << i * 8;
    return value;
}

static uint32_t big_endian(const uint8_t *b)
{
    return (uint32_t)b[0] << 24 | b[1] << 16 | b[2] << 8 | b[3];
}

/* Look the file up in the directory: its key, or 0. */
static unsigned find(const char *name, uint32_t *size)
{
    uint8_t entry[64];

    pc_port_write(m.pc, SELECTOR, 2, 0x19);
    for (unsigned i = 0; i < 4; i++)
        entry[i] = inb(&m, DATA);
    for (unsigned count = big_endian(entry); count; count--) {
        for (unsigned i = 0; i < sizeof(entry); i++)
            entry[i] = inb(&m, DATA);
        *size = big_endian(entry);
        if (!strcmp((const char *)entry + 8, name))
            return big_endian(entry + 4) >> 16;
    }
    return 0;
}

static void put(uint32_t at, uint32_t value)
{
    const uint8_t bytes[] = { value >> 24, value >> 16, value >> 8, value };

    memcpy(m.ram + at, bytes, 4);
}

/* Have a descriptor carried out; the control it ends with. */
static uint32_t dma(uint32_t control, uint32_t length, uint64_t address)
{
    put(DESCRIPTOR, control);
    put(DESCRIPTOR + 4, length);
    put(DESCRIPTOR + 8, address >> 32);
    put(DESCRIPTOR + 12, address);
    pc_port_write(m.pc, ADDRESS_LOW, 4, 0x00100000); /* DESCRIPTOR, big-endian */
    return big_endian(m.ram + DESCRIPTOR);
}

/* ---- Tests ------------------------------------------------------------------------------------- */

START_TEST(tells_who_it_is)
{
    ck_assert_uint_eq(number(0, 4), 'Q' | 'E' << 8 | 'M' << 16 | 'U' << 24);
    ck_assert_uint_eq(number(1, 4), 3); /* byte by byte, and by descriptors */
    ck_assert_uint_eq(pc_port_read(m.pc, ADDRESS_HIGH, 4), 'Q' | 'E' << 8 | 'M' << 16 | 'U' << 24);
    ck_assert_uint_eq(pc_port_read(m.pc, ADDRESS_LOW, 4), ' ' | 'C' << 8 | 'F' << 16 | 'G' << 24);
    ck_assert_uint_eq(inb(&m, 0x402), 0xe9);
}
END_TEST

START_TEST(an_isa_machine_has_none)
{
    machine_stop(&m);
    machine_start(&m);
    ck_assert_uint_eq(number(0, 4), UINT32_MAX);
    ck_assert(!pc_add_file(m.pc, "a", sentence, 1));
    ck_assert_uint_eq(inb(&m, 0x402), 0xff);
}
END_TEST

START_TEST(numbers_tell_the_machine)
{
    ck_assert_uint_eq(number(5, 2), 1);
    ck_assert_uint_eq(number(0xf, 2), 1);
    ck_assert_uint_eq(number(3, 8), 64 * MIB);
    ck_assert_uint_eq(inb(&m, DATA), 0);     /* behind the end */
    ck_assert_uint_eq(number(0x7777, 4), 0); /* no such item */
    ck_assert_uint_eq(number(0xffff, 4), 0);
}
END_TEST

static uint64_t little_endian(const uint8_t *b)
{
    uint64_t value;

    memcpy(&value, b, 8);
    return value;
}

START_TEST(e820_tells_all_ram)
{
    static const struct {
        uint64_t ram, low;
    } rows[] = { { MIB, MIB }, { 3 * GIB, 3 * GIB }, { 4 * GIB, 3584 * MIB }, { 60 * GIB, 3584 * MIB } };
    uint64_t ram = rows[_i].ram, low = rows[_i].low;
    uint32_t size = 0;
    unsigned key;

    machine_stop(&m);
    start(ram, 0);
    key = find("etc/e820", &size);
    ck_assert_uint_eq(size, ram > low ? 40 : 20);
    ck_assert_uint_eq(dma(key << 16 | SELECT | READ, size, BUFFER), 0);
    ck_assert_uint_eq(little_endian(m.ram + BUFFER), 0);
    ck_assert_uint_eq(little_endian(m.ram + BUFFER + 8), low);
    ck_assert_uint_eq(m.ram[BUFFER + 16], 1);
    if (ram > low) {
        ck_assert_uint_eq(little_endian(m.ram + BUFFER + 20), 4 * GIB);
        ck_assert_uint_eq(little_endian(m.ram + BUFFER + 28), ram - low);
        ck_assert_uint_eq(m.ram[BUFFER + 36], 1);
    }
    ck_assert_uint_eq(find("etc/sercon-port", &size), 0); /* no COM1 */
}
END_TEST

START_TEST(files_are_found_by_name)
{
    uint32_t size = 0;
    unsigned key = find("opt/sentence", &size);

    ck_assert_uint_ge(key, 0x20);
    ck_assert_uint_eq(size, sizeof(sentence));
    pc_port_write(m.pc, SELECTOR, 2, key);
    for (unsigned i = 0; i < sizeof(sentence); i++)
        ck_assert_uint_eq(inb(&m, DATA), (uint8_t)sentence[i]);
    ck_assert_uint_eq(inb(&m, DATA), 0);
    ck_assert_uint_eq(find("etc/sercon-port", &size) ? size : 0, 2);
    ck_assert_uint_eq(find("opt/none", &size), 0);
}
END_TEST

/* What the entry point says of the structures is so: how many there are, how long, the longest, and each ends
   with its strings. */
START_TEST(smbios_structures_are_whole)
{
    static const uint8_t types[] = { 0, 1, 3, 4, 16, 17, 19, 32, 127 };
    uint8_t anchor[31], tables[1024], all = 0;
    uint32_t size = 0, at = 0;
    unsigned count = 0, longest = 0;

    pc_port_write(m.pc, SELECTOR, 2, find("etc/smbios/smbios-anchor", &size));
    ck_assert_uint_eq(size, sizeof(anchor));
    for (unsigned i = 0; i < size; i++)
        all += anchor[i] = inb(&m, DATA);
    ck_assert(!memcmp(anchor, "_SM_", 4) && !memcmp(anchor + 16, "_DMI_", 5));
    ck_assert_uint_eq(all, 0);
    pc_port_write(m.pc, SELECTOR, 2, find("etc/smbios/smbios-tables", &size));
    ck_assert_uint_le(size, sizeof(tables));
    ck_assert_uint_eq(size, anchor[22] | anchor[23] << 8);
    for (unsigned i = 0; i < size; i++)
        tables[i] = inb(&m, DATA);
    for (; at < size; count++) {
        uint32_t end = at + tables[at + 1];

        ck_assert_uint_lt(count, ARRAY_SIZE(types));
        ck_assert_uint_eq(tables[at], types[count]);
        while (end + 1 < size && (tables[end] || tables[end + 1]))
            end++;
        if (end + 2 - at > longest)
            longest = end + 2 - at;
        at = end + 2;
    }
    ck_assert_uint_eq(at, size);
    ck_assert_uint_eq(count, ARRAY_SIZE(types));
    ck_assert_uint_eq(count, anchor[28] | anchor[29] << 8);
    ck_assert_uint_eq(longest, anchor[8] | anchor[9] << 8);
}
END_TEST

START_TEST(files_that_cannot_be_are_refused)
{
    char name[16], longest[57];

    memset(longest, 'x', sizeof(longest));
    longest[56] = 0;
    ck_assert(!pc_add_file(m.pc, longest, sentence, 1));
    longest[55] = 0;
    ck_assert(pc_add_file(m.pc, longest, sentence, 1));
    ck_assert(!pc_add_file(m.pc, longest, sentence, 1)); /* there already */
    ck_assert(!pc_add_file(m.pc, "", sentence, 1));
    for (unsigned i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "f%u", i);
        pc_add_file(m.pc, name, sentence, i);
    }
    ck_assert(!pc_add_file(m.pc, "last", sentence, 1));
}
END_TEST

START_TEST(descriptors_select_skip_and_read)
{
    uint32_t size;
    unsigned key = find("opt/sentence", &size);

    memset(m.ram + BUFFER, 0xee, 64);
    ck_assert_uint_eq(dma(key << 16 | SELECT | READ, 3, BUFFER), 0);
    ck_assert_uint_eq(dma(SKIP, 1, 0), 0);
    ck_assert_uint_eq(dma(READ, 40, BUFFER + 3), 0);
    ck_assert_mem_eq(m.ram + BUFFER, "all", 3);
    ck_assert_mem_eq(m.ram + BUFFER + 3, "that is told of it", 19);
    ck_assert_uint_eq(m.ram[BUFFER + 42], 0); /* behind the end */
    ck_assert_uint_eq(m.ram[BUFFER + 43], 0xee);
    ck_assert_uint_eq(dma(SKIP, UINT32_MAX, 0), 0);
    ck_assert_uint_eq(dma(SKIP, UINT32_MAX, 0), 0);
    ck_assert_uint_eq(dma(READ, 1, BUFFER), 0);
    ck_assert_uint_eq(m.ram[BUFFER], 0);
    ck_assert_uint_eq(dma(key << 16 | SELECT, 0, 0), 0);
    ck_assert_uint_eq(inb(&m, DATA), 'a');
}
END_TEST

START_TEST(descriptors_that_cannot_be_fail)
{
    uint32_t size;
    unsigned key = find("opt/sentence", &size);

    ck_assert_uint_eq(dma(key << 16 | SELECT | WRITE, 1, BUFFER), ERROR);
    ck_assert_uint_eq(dma(key << 16 | SELECT | READ, 1, MIB), ERROR); /* the bench has memory to 1 MiB */
    ck_assert_uint_eq(dma(key << 16 | SELECT | READ, 1, UINT64_MAX), ERROR);
    ck_assert_uint_eq(dma(0xffffu << 16 | SELECT | READ, UINT32_MAX, BUFFER), ERROR);
    ck_assert_uint_eq(dma(0, 0, 0), 0); /* nothing to do */
    pc_port_write(m.pc, ADDRESS_HIGH, 4, 0xffffffff);
    pc_port_write(m.pc, ADDRESS_LOW, 4, 0x00100000); /* nowhere */
    put(DESCRIPTOR, READ);
    put(DESCRIPTOR + 4, 0);
    pc_port_write(m.pc, ADDRESS_LOW, 4, 0x00100000); /* the high half is 0 again */
    ck_assert_uint_eq(big_endian(m.ram + DESCRIPTOR), 0);
}
END_TEST

START_TEST(only_whole_accesses_count)
{
    number(0, 1);
    outb(&m, SELECTOR, 3);
    outb(&m, DATA, 3);
    pc_port_write(m.pc, SELECTOR, 4, 3);
    ck_assert_uint_eq(inb(&m, DATA), 'E');
    ck_assert_uint_eq(inb(&m, SELECTOR), 0xff);
    put(DESCRIPTOR, WRITE);
    pc_port_write(m.pc, ADDRESS_LOW, 2, 0x0010);
    outb(&m, ADDRESS_LOW, 0);
    ck_assert_uint_eq(big_endian(m.ram + DESCRIPTOR), WRITE); /* not carried out */
}
END_TEST

START_TEST(a_reset_selects_the_signature)
{
    number(3, 5);
    pc_reset(m.pc);
    ck_assert_uint_eq(inb(&m, DATA), 'Q');
}
END_TEST

START_TEST(log_is_on_the_debug_console)
{
    outb(&m, 0x402, 'x');
    ck_assert_uint_eq(m.debugcon_count, 1);
    ck_assert_uint_eq(m.debugcon[0], 'x');
}
END_TEST

START_TEST(no_access_does_harm)
{
    uint32_t x = 2463534242u;

    for (unsigned i = 0; i < 100000; i++) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        if (x % 16 == 0)
            dma(x & 0x1f0000 ? (x >> 8 & 0x3f001f) : x, x & 0x20 ? x >> 12 : x, x & 0x40 ? x >> 13 : BUFFER);
        else if (x & 0x80)
            pc_port_write(m.pc, 0x50e + (x >> 8) % 16, 1u << (x >> 4) % 3, x >> 16);
        else
            pc_port_read(m.pc, 0x50e + (x >> 8) % 16, 1u << (x >> 4) % 3);
    }
    ck_assert_uint_eq(number(0, 1), 'Q');
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fw_cfg");
    TCase *tc = tcase_create("fw_cfg");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, tells_who_it_is);
    tcase_add_test(tc, an_isa_machine_has_none);
    tcase_add_test(tc, numbers_tell_the_machine);
    tcase_add_loop_test(tc, e820_tells_all_ram, 0, 4);
    tcase_add_test(tc, files_are_found_by_name);
    tcase_add_test(tc, smbios_structures_are_whole);
    tcase_add_test(tc, files_that_cannot_be_are_refused);
    tcase_add_test(tc, descriptors_select_skip_and_read);
    tcase_add_test(tc, descriptors_that_cannot_be_fail);
    tcase_add_test(tc, only_whole_accesses_count);
    tcase_add_test(tc, a_reset_selects_the_signature);
    tcase_add_test(tc, log_is_on_the_debug_console);
    tcase_add_test(tc, no_access_does_harm);
    suite_add_tcase(suite, tc);
    return machine_main(suite);
}
