/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Memory map, BIOS data area and ROM images.
 */
#include "boot_fixture.h"
#include "firmware.h"

#include <glib/gstdio.h>

static const struct {
    const char *name;
    uint64_t ram, low_top, ram_bytes; /* ram_bytes: what E820 calls RAM in all */
} maps[] = {
    { "1 MiB has no extended memory", 1 << 20, 1 << 20, MEMORY_MAP_EBDA },
    { "256 MiB", 256 << 20, 256 << 20, (255 << 20) + MEMORY_MAP_EBDA },
    { "8 GiB goes on above 4 GiB", UINT64_C(8) << 30, UINT64_C(0xe0000000),
      (UINT64_C(8) << 30) - 0x100000 + MEMORY_MAP_EBDA },
};

START_TEST(map_reports_all_memory_once)
{
    struct pc_config config = { .ram_size = maps[_i].ram, .bios_size = 4096 };
    struct memory_map map;
    memory_map_init(&map, &config);
    uint64_t ram = 0, end = 0;
    for (unsigned i = 0; i < map.count; i++) {
        ck_assert_msg(map.range[i].base >= end, "%s: range %u is out of order", maps[_i].name, i);
        end = map.range[i].base + map.range[i].size;
        if (map.range[i].type == MEMORY_RAM)
            ram += map.range[i].size;
    }
    ck_assert_msg(ram == maps[_i].ram_bytes, "%s: %#lx bytes", maps[_i].name, (unsigned long)ram);
    ck_assert_uint_eq(map.low_top, maps[_i].low_top);
}
END_TEST

START_TEST(is_ram_knows_holes_and_borders)
{
    struct pc_config config = { .ram_size = 16 << 20, .bios_size = 4096 };
    struct memory_map map;
    memory_map_init(&map, &config);
    ck_assert(memory_map_is_ram(&map, 0x100000, 15 << 20));
    ck_assert(!memory_map_is_ram(&map, 0x100000, (15 << 20) + 1));
    ck_assert(!memory_map_is_ram(&map, 0xfffff, 2));
    ck_assert(!memory_map_is_ram(&map, MEMORY_MAP_EBDA, 1));
    ck_assert(memory_map_is_ram(&map, 0, MEMORY_MAP_EBDA));
    ck_assert(!memory_map_is_ram(&map, 0xf0000, 16));
    ck_assert(!memory_map_is_ram(&map, UINT64_MAX, 2));
    ck_assert(!memory_map_is_ram(&map, 0x100000, UINT64_MAX));
}
END_TEST

START_TEST(data_area_lists_ports_and_memory)
{
    struct fixture f;
    fixture_init(&f, 16 << 20);
    const struct firmware_facts facts = { .serial_ports = 0x5 /* COM1, COM3 */, .ticks = 77, .map = &f.map };
    ck_assert(firmware_write_tables(&f.memory, &facts, &f.error));
    const uint8_t *bda = f.fake.ram + 0x400;
    ck_assert_uint_eq(get16(bda), 0x3f8);
    ck_assert_uint_eq(get16(bda + 2), 0x3e8);
    ck_assert_uint_eq(get16(bda + 4), 0);
    ck_assert_uint_eq(get16(bda + 0x0e), 0x9fc0);
    ck_assert_uint_eq(get16(bda + 0x10) >> 9 & 7, 2);
    ck_assert_uint_eq(get16(bda + 0x13), 639);
    ck_assert_uint_eq(get32(bda + 0x6c), 77);
    const uint8_t *ebda = f.fake.ram + MEMORY_MAP_EBDA;
    ck_assert_uint_eq(ebda[0], 1);
    ck_assert_uint_eq(ebda[0x10], f.map.count);
    ck_assert_uint_eq(get64(ebda + 0x14 + 8), MEMORY_MAP_EBDA);
    ck_assert_uint_eq(get32(ebda + 0x14 + 16), MEMORY_RAM);
    fixture_clear(&f);
}
END_TEST

START_TEST(vectors_point_into_the_rom)
{
    struct fixture f;
    struct firmware rom;
    fixture_init(&f, 16 << 20);
    firmware_direct_boot(&rom);
    const struct firmware_facts facts = { .serial_ports = 1, .map = &f.map };
    ck_assert(firmware_write_tables(&f.memory, &facts, &f.error));
    for (unsigned i = 0; i < 256; i++) {
        ck_assert_uint_eq(get16(f.fake.ram + i * 4 + 2), 0xf000);
        uint32_t offset = get16(f.fake.ram + i * 4) - (0x10000 - rom.size);
        ck_assert_uint_lt(offset, rom.size);
        bool is_hardware = (i >= 0x08 && i < 0x10) || (i >= 0x70 && i < 0x78);
        if (is_hardware || (i >= 0x10 && i < 0x1b))
            ck_assert_msg(rom.data[offset] != 0xcf, "vector %#x does nothing", i);
        else if (i < 0x08 || i == 0x1c || i >= 0x78)
            ck_assert_uint_eq(rom.data[offset], 0xcf); /* IRET */
    }
    firmware_clear(&rom);
    fixture_clear(&f);
}
END_TEST

START_TEST(direct_boot_rom_ends_in_a_reset_vector)
{
    struct firmware rom;
    firmware_direct_boot(&rom);
    ck_assert_uint_eq(rom.size, 4096);
    ck_assert_uint_eq(rom.data[0xff0], 0xea); /* JMP FAR into itself */
    ck_assert_uint_eq(get16(rom.data + 0xff3), 0xf000);
    ck_assert_uint_ge(get16(rom.data + 0xff1), 0xf000);
    ck_assert_uint_eq(rom.data[0xffe], 0xfc);
    firmware_clear(&rom);
}
END_TEST

static const struct {
    const char *name;
    size_t size;
    uint32_t rom; /* its size as a ROM; 0: refused */
} roms[] = {
    { "2 MiB", 2 << 20, 2 << 20 },
    { "one byte more", (2 << 20) + 1, 0 },
    { "256 KiB", 256 << 10, 256 << 10 },
    { "64 KiB", 64 << 10, 64 << 10 },
    { "odd size is padded in front", 5000, 8192 },
    { "just a reset vector", 16, 4096 },
    { "less than that", 15, 0 },
    { "empty", 0, 0 },
};

START_TEST(rom_files_are_measured)
{
    char *path = g_build_filename(g_get_tmp_dir(), "duplex86-rom-XXXXXX", NULL);
    int fd = g_mkstemp(path);
    char *data = g_strnfill(roms[_i].size, 'r');
    ck_assert(g_file_set_contents(path, data, (gssize)roms[_i].size, NULL));
    struct firmware rom = { 0 };
    GError *error = NULL;
    gboolean ok = firmware_read(&rom, path, &error);
    ck_assert_msg(ok == (roms[_i].rom != 0), "%s: %s", roms[_i].name, error ? error->message : "accepted");
    if (ok) {
        ck_assert_uint_eq(rom.size, roms[_i].rom);
        ck_assert_int_eq(memcmp(rom.data + rom.size - roms[_i].size, data, roms[_i].size), 0);
    } else {
        check_is_sentence(error->message);
        g_error_free(error);
    }
    firmware_clear(&rom);
    g_unlink(path);
    close(fd);
    g_free(data);
    g_free(path);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("firmware");
    TCase *tc = tcase_create("firmware");
    tcase_add_loop_test(tc, map_reports_all_memory_once, 0, ARRAY_SIZE(maps));
    tcase_add_test(tc, is_ram_knows_holes_and_borders);
    tcase_add_test(tc, data_area_lists_ports_and_memory);
    tcase_add_test(tc, vectors_point_into_the_rom);
    tcase_add_test(tc, direct_boot_rom_ends_in_a_reset_vector);
    tcase_add_loop_test(tc, rom_files_are_measured, 0, ARRAY_SIZE(roms));
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
