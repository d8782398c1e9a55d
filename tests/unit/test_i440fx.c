/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The machine with a PCI bus: configuration mechanism 1 at its ports, and the host bridge's memory map. Intel
 * 82441FX datasheet, "CONFADD", "CONFDATA", "PAM", "SMRAM".
 */
#include "pc_bench.h"

#define MIB (UINT64_C(1) << 20)

enum { BIOS_SIZE = 256u << 10, PAM0 = 0x59, SMRAM = 0x72 };

static struct machine m;

static void setup(void)
{
    machine_start_with(&m, &(struct pc_config){ .ram_size = 64 * MIB,
                                                .bios_size = BIOS_SIZE,
                                                .chipset = PC_CHIPSET_I440FX,
                                                .serial_ports = 1 });
}

static void teardown(void)
{
    machine_stop(&m);
}

static uint32_t config_address(unsigned bus, unsigned device, unsigned function, unsigned offset)
{
    return 1u << 31 | bus << 16 | device << 11 | function << 8 | (offset & 0xfc);
}

static uint32_t config_read(unsigned device, unsigned offset, unsigned size)
{
    pc_port_write(m.pc, 0xcf8, 4, config_address(0, device, 0, offset));
    return pc_port_read(m.pc, 0xcfc + (offset & 3), size);
}

static void config_write(unsigned device, unsigned offset, unsigned size, uint32_t value)
{
    pc_port_write(m.pc, 0xcf8, 4, config_address(0, device, 0, offset));
    pc_port_write(m.pc, 0xcfc + (offset & 3), size, value);
}

/* ---- Mechanism 1 ------------------------------------------------------------------------------- */

START_TEST(there_is_no_pci_bus_on_an_isa_machine)
{
    machine_stop(&m);
    machine_start(&m);
    pc_port_write(m.pc, 0xcf8, 4, 0x80000000);
    ck_assert_uint_eq(pc_port_read(m.pc, 0xcf8, 4), UINT32_MAX);
    ck_assert_uint_eq(pc_port_read(m.pc, 0xcfc, 4), UINT32_MAX);
}
END_TEST

START_TEST(functions_are_found_and_nothing_else)
{
    for (unsigned device = 0; device < 32; device++) {
        for (unsigned function = 0; function < 8; function++) {
            uint32_t expected = device | function ? UINT32_MAX : 0x12378086;

            if (device == 1 && function <= 1)
                expected = function ? 0x70108086 : 0x70008086;
            if (device == 1 && function == 3)
                expected = 0x71138086;
            pc_port_write(m.pc, 0xcf8, 4, config_address(0, device, function, 0));
            ck_assert_uint_eq(pc_port_read(m.pc, 0xcfc, 4), expected);
            pc_port_write(m.pc, 0xcf8, 4, config_address(1, device, function, 0));
            ck_assert_uint_eq(pc_port_read(m.pc, 0xcfc, 4), UINT32_MAX);
        }
    }
}
END_TEST

START_TEST(data_is_reached_in_all_widths)
{
    ck_assert_uint_eq(config_read(0, 0, 2), 0x8086);
    ck_assert_uint_eq(config_read(0, 2, 2), 0x1237);
    ck_assert_uint_eq(config_read(0, 1, 1), 0x80);
    ck_assert_uint_eq(config_read(0, 3, 1), 0x12);
    ck_assert_uint_eq(config_read(0, 1, 2), 0x3780);
    config_write(0, 0x62, 1, 0x55);
    ck_assert_uint_eq(config_read(0, 0x60, 4), 0x01550101);
    config_write(0, 0x62, 2, 0x6677);
    ck_assert_uint_eq(config_read(0, 0x60, 4), 0x66770101);
}
END_TEST

START_TEST(address_is_a_dword_and_nothing_else)
{
    pc_port_write(m.pc, 0xcf8, 4, 0xffffffff);
    ck_assert_uint_eq(pc_port_read(m.pc, 0xcf8, 4), 0x80fffffc);
    pc_port_write(m.pc, 0xcf8, 4, 0x80000000);
    outb(&m, 0xcf8, 0x40);
    pc_port_write(m.pc, 0xcfa, 2, 0x1234);
    pc_port_write(m.pc, 0xcf8, 2, 0x1234);
    outb(&m, 0xcfb, 0x01); /* how software asks whether there is a mechanism 2 */
    ck_assert_uint_eq(pc_port_read(m.pc, 0xcf8, 4), 0x80000000);
    ck_assert_uint_eq(inb(&m, 0xcf8), 0xff);
    ck_assert_uint_eq(pc_port_read(m.pc, 0xcfa, 2), 0xffff);
}
END_TEST

START_TEST(a_disabled_address_reaches_nothing)
{
    pc_port_write(m.pc, 0xcf8, 4, 0x00000060);
    ck_assert_uint_eq(pc_port_read(m.pc, 0xcfc, 4), UINT32_MAX);
    pc_port_write(m.pc, 0xcfc, 4, 0);
    ck_assert_uint_eq(config_read(0, 0x60, 4), 0x01010101);
}
END_TEST

START_TEST(reset_control_lies_inside_the_address)
{
    pc_port_write(m.pc, 0xcf8, 4, 0x80000600); /* would be SYS_RST and RST_CPU */
    ck_assert_uint_eq(m.resets, 0);
    outb(&m, 0xcf9, 0x06);
    ck_assert_uint_eq(m.resets, 1);
    ck_assert_uint_eq(m.reset_reason, PC_RESET_HARD);
    ck_assert_uint_eq(pc_port_read(m.pc, 0xcf8, 4), 0x80000600);
}
END_TEST

/* ---- The host bridge's registers --------------------------------------------------------------- */

/* After a reset, and after ones have been written. */
static const struct {
    const char *name;
    uint8_t offset, size;
    uint32_t reset, written;
} registers[] = {
    { "VID, DID", 0x00, 4, 0x12378086, 0x12378086 },
    { "PCICMD", 0x04, 2, 0x0006, 0x0146 },
    { "PCISTS", 0x06, 2, 0x0280, 0x0280 },
    { "RID, CLASSC", 0x08, 4, 0x06000002, 0x06000002 },
    { "MLT", 0x0d, 1, 0, 0xf8 },
    { "HEADT", 0x0e, 1, 0, 0 },
    { "DBC", 0x53, 1, 0x80, 0xff },
    { "DRAMC", 0x57, 1, 0x01, 0xff },
    { "PAM0", 0x59, 1, 0, 0xf0 },
    { "PAM1, PAM2", 0x5a, 2, 0, 0xffff },
    { "PAM3 to PAM6", 0x5c, 4, 0, 0xffffffff },
    { "DRB0 to DRB3", 0x60, 4, 0x01010101, 0xffffffff },
    { "SMRAM", 0x72, 1, 0x02, 0x3a },
    { "TRC", 0x93, 1, 0, 0x0f },
};

START_TEST(registers_are_those_of_the_datasheet)
{
    unsigned offset = registers[_i].offset, size = registers[_i].size;

    ck_assert_msg(config_read(0, offset, size) == registers[_i].reset, "%s", registers[_i].name);
    config_write(0, offset, size, 0xffffffff);
    ck_assert_msg(config_read(0, offset, size) == registers[_i].written, "%s: %x", registers[_i].name,
                  config_read(0, offset, size));
    pc_reset(m.pc);
    ck_assert_msg(config_read(0, offset, size) == registers[_i].reset, "%s", registers[_i].name);
}
END_TEST

START_TEST(turbo_reset_resets_when_it_rises)
{
    config_write(0, 0x93, 1, 0x04);
    ck_assert_uint_eq(m.resets, 1);
    ck_assert_uint_eq(m.reset_reason, PC_RESET_SOFT);
    config_write(0, 0x93, 1, 0x06);
    ck_assert_uint_eq(m.resets, 1);
    config_write(0, 0x93, 1, 0x02);
    config_write(0, 0x93, 1, 0x06);
    ck_assert_uint_eq(m.resets, 2);
    ck_assert_uint_eq(m.reset_reason, PC_RESET_HARD);
}
END_TEST

/* ---- Memory ------------------------------------------------------------------------------------ */

/* What the guest's reads of the page find, and where writes go: R ROM, M RAM, - neither. */
static char reads_from(uint64_t pa, bool *writable, uint64_t *offset)
{
    struct pc_region regions[PC_REGIONS_MAX];
    unsigned count = pc_memory(m.pc, regions);

    *writable = false;
    for (unsigned i = 0; i < count; i++) {
        const struct pc_region *r = &regions[i];

        if (pa < r->base || pa - r->base >= r->size)
            continue;
        *writable = r->writable;
        *offset = r->offset + (pa - r->base);
        return r->kind == PC_REGION_RAM ? 'M' : r->kind == PC_REGION_ROM ? 'R' : '-';
    }
    return '-';
}

/* Ascending, without overlap and without gap. */
static void check_map(void)
{
    struct pc_region regions[PC_REGIONS_MAX];
    unsigned count = pc_memory(m.pc, regions);
    uint64_t end = 0;

    ck_assert_uint_le(count, PC_REGIONS_MAX);
    for (unsigned i = 0; i < count; i++) {
        ck_assert_uint_eq(regions[i].base, end);
        ck_assert(regions[i].size > 0 && regions[i].size % 4096 == 0);
        end += regions[i].size;
    }
    ck_assert_uint_eq(end, 4096 * MIB);
}

static void check_segment(uint64_t base, uint64_t end, unsigned bits)
{
    for (uint64_t pa = base; pa < end; pa += 4096) {
        bool writable;
        uint64_t offset = 0;
        char reads = reads_from(pa, &writable, &offset);
        uint32_t hidden = 0, value = 0xa5000000 | (uint32_t)pa;

        ck_assert_int_eq(reads, bits & 1 ? 'M' : pa >= 0xe0000 ? 'R' : '-');
        ck_assert_int_eq(writable, (bits & 3) == 3);
        if (reads == 'M')
            ck_assert_uint_eq(offset, pa);
        if (reads == 'R')
            ck_assert_uint_eq(offset, BIOS_SIZE - MIB + pa);
        memset(m.ram + pa, 0, 4);
        pc_mmio_write(m.pc, pa, 4, value);
        memcpy(&hidden, m.ram + pa, 4);
        ck_assert_uint_eq(hidden, (bits & 3) == 2 ? value : 0);
    }
}

/* Each half of each register, each value of it: that part of memory changes, and no other. */
START_TEST(pam_says_who_answers)
{
    bool last = _i == 12; /* F0000h: all of it, by the high half of PAM0 */
    unsigned reg = last ? 0 : _i / 2 + 1, half = last ? 1 : _i % 2;
    uint64_t base = 0xc0000 + _i * UINT64_C(0x4000);
    uint64_t size = last ? 0x10000 : 0x4000;

    for (unsigned bits = 0; bits < 16; bits++) {
        config_write(0, PAM0 + reg, 1, bits << half * 4);
        check_map();
        check_segment(0xc0000, base, 0);
        check_segment(base, base + size, bits);
        check_segment(base + size, MIB, 0);
    }
    ck_assert_uint_eq(m.memory_changes, 15); /* each value but the first; the high two bits are reserved */
}
END_TEST

START_TEST(every_second_segment_makes_the_longest_map)
{
    for (unsigned reg = 1; reg <= 6; reg++)
        config_write(0, PAM0 + reg, 1, 0x13);
    check_map();
    config_write(0, SMRAM, 1, 0x4a);
    check_map();
    for (unsigned reg = 0; reg <= 6; reg++)
        config_write(0, PAM0 + reg, 1, 0x21);
    check_map();
}
END_TEST

/* As SeaBIOS does it: DRAMT and PAM0 to PAM2 at once, then the rest. */
START_TEST(dwords_open_all_of_it)
{
    config_write(0, 0x58, 4, 0x33333000);
    ck_assert_uint_eq(m.memory_changes, 1);
    config_write(0, 0x5c, 4, 0x33333333);
    ck_assert_uint_eq(m.memory_changes, 2);
    check_segment(0xc0000, MIB, 3);
    config_write(0, 0x5c, 4, 0x33333333);
    config_write(0, 0x60, 4, 0x02020202);
    ck_assert_uint_eq(m.memory_changes, 2); /* nothing new */
    pc_reset(m.pc);
    ck_assert_uint_eq(m.memory_changes, 3);
    check_segment(0xc0000, MIB, 0);
}
END_TEST

START_TEST(a_bios_of_a_page_leaves_the_rest_of_its_segment_open)
{
    bool writable;
    uint64_t offset;

    machine_stop(&m);
    machine_start_with(
        &m, &(struct pc_config){ .ram_size = MIB, .bios_size = 4096, .chipset = PC_CHIPSET_I440FX });
    ck_assert_int_eq(reads_from(0xfe000, &writable, &offset), '-');
    ck_assert_int_eq(reads_from(0xff000, &writable, &offset), 'R');
    ck_assert_uint_eq(offset, 0);
    config_write(0, PAM0, 1, 0x20);
    ck_assert_int_eq(reads_from(0xff000, &writable, &offset), 'R');
    pc_mmio_write(m.pc, 0xfe000, 1, 0x77);
    ck_assert_uint_eq(m.ram[0xfe000], 0x77);
}
END_TEST

START_TEST(firmware_leaves_upper_memory_open)
{
    pc_firmware_defaults(m.pc);
    check_segment(0xc0000, 0xf0000, 3);
    check_segment(0xf0000, MIB, 1);
    ck_assert_uint_eq(pc_port_read(m.pc, 0xcf8, 4), 0);
}
END_TEST

static bool smram_is_open(void)
{
    bool writable;
    uint64_t offset;

    return reads_from(0xa0000, &writable, &offset) == 'M' && reads_from(0xbf000, &writable, &offset) == 'M' &&
           writable && offset == 0xbf000;
}

START_TEST(smram_opens_and_locks)
{
    ck_assert(!smram_is_open());
    config_write(0, SMRAM, 1, 0x40); /* not without G_SMRAME */
    ck_assert(!smram_is_open());
    config_write(0, SMRAM, 1, 0x48);
    ck_assert_uint_eq(config_read(0, SMRAM, 1), 0x4a);
    ck_assert(smram_is_open());
    config_write(0, SMRAM, 1, 0x58); /* D_LCK: closed, and stays as it is */
    ck_assert_uint_eq(config_read(0, SMRAM, 1), 0x1a);
    ck_assert(!smram_is_open());
    config_write(0, SMRAM, 1, 0x48);
    ck_assert_uint_eq(config_read(0, SMRAM, 1), 0x1a);
    config_write(0, SMRAM, 1, 0x20);
    ck_assert_uint_eq(config_read(0, SMRAM, 1), 0x3a);
    pc_reset(m.pc);
    ck_assert_uint_eq(config_read(0, SMRAM, 1), 0x02);
}
END_TEST

/* ---- Any guest may do anything ----------------------------------------------------------------- */

START_TEST(no_access_does_harm)
{
    uint32_t x = 2463534242u;

    for (unsigned i = 0; i < 200000; i++) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        unsigned size = 1u << (x & 1 ? 2 : x >> 1 & 1);
        uint16_t port = x & 4 ? 0xcf8 : 0xcf6 + (x >> 3) % 12;

        if (port == 0xcf8)
            pc_port_write(m.pc, port, 4, x & 8 ? 0x80000000 | (x >> 8 & 0x9ff) : x * 2654435761u);
        else if (x & 0x100)
            pc_port_write(m.pc, port, size, x >> 9);
        else
            pc_port_read(m.pc, port, size);
        pc_mmio_write(m.pc, x & 0xffffc, 4, x);
        if (x % 256 == 0)
            check_map();
        if (x % 1024 == 1)
            pc_reset(m.pc);
    }
    ck_assert_uint_eq(config_read(0, 0, 4), 0x12378086);
    ck_assert_uint_eq(config_read(1, 0, 4), 0x70008086);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("i440fx");
    TCase *tc = tcase_create("i440fx");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, there_is_no_pci_bus_on_an_isa_machine);
    tcase_add_test(tc, functions_are_found_and_nothing_else);
    tcase_add_test(tc, data_is_reached_in_all_widths);
    tcase_add_test(tc, address_is_a_dword_and_nothing_else);
    tcase_add_test(tc, a_disabled_address_reaches_nothing);
    tcase_add_test(tc, reset_control_lies_inside_the_address);
    tcase_add_loop_test(tc, registers_are_those_of_the_datasheet, 0, ARRAY_SIZE(registers));
    tcase_add_test(tc, turbo_reset_resets_when_it_rises);
    tcase_add_loop_test(tc, pam_says_who_answers, 0, 13);
    tcase_add_test(tc, every_second_segment_makes_the_longest_map);
    tcase_add_test(tc, dwords_open_all_of_it);
    tcase_add_test(tc, a_bios_of_a_page_leaves_the_rest_of_its_segment_open);
    tcase_add_test(tc, firmware_leaves_upper_memory_open);
    tcase_add_test(tc, smram_opens_and_locks);
    tcase_add_test(tc, no_access_does_harm);
    suite_add_tcase(suite, tc);
    return machine_main(suite);
}
