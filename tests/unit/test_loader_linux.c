/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Linux kernels: what lands where in guest memory, and what the zero page says about it.
 */
#include "boot_fixture.h"

static struct fixture f;
static uint8_t kernel[BZ_SIZE];

static void setup(void)
{
    fixture_init(&f, 16 << 20);
    make_bzimage(kernel);
}

static void teardown(void)
{
    fixture_clear(&f);
}

static const uint8_t *zero_page(void)
{
    return f.fake.ram + f.state.esi;
}

static void load_or_fail(const uint8_t *data, size_t size)
{
    ck_assert_msg(fixture_load(&f, data, size), "%s", f.error ? f.error->message : "no message");
}

START_TEST(bzimage_starts_at_its_preferred_address)
{
    load_or_fail(kernel, sizeof kernel);
    ck_assert_uint_eq(f.state.eip, BZ_LOAD);
    ck_assert_int_eq(memcmp(f.fake.ram + BZ_LOAD, kernel + BZ_CODE, BZ_CODE_SIZE), 0);
    ck_assert_uint_eq(get32(zero_page() + LINUX_CODE32_START), BZ_LOAD);
    ck_assert_uint_eq(f.fake.ram[BZ_LOAD + BZ_CODE_SIZE], 0xa5);
}
END_TEST

START_TEST(preferred_address_is_aligned_up)
{
    put64(kernel + LINUX_PREF_ADDRESS, 0x123456);
    load_or_fail(kernel, sizeof kernel);
    ck_assert_uint_eq(f.state.eip, 0x200000);
}
END_TEST

START_TEST(kernels_that_cannot_move_start_at_code32_start)
{
    kernel[LINUX_RELOCATABLE] = 0;
    put32(kernel + LINUX_CODE32_START, 0x100010);
    load_or_fail(kernel, sizeof kernel);
    ck_assert_uint_eq(f.state.eip, 0x100010);
    ck_assert_int_eq(memcmp(f.fake.ram + 0x100000, kernel + BZ_CODE, BZ_CODE_SIZE), 0);
}
END_TEST

START_TEST(old_protocol_ignores_fields_it_does_not_have)
{
    put16(kernel + LINUX_VERSION, 0x0202);
    put32(kernel + LINUX_SYSSIZE, 0xffffffff); /* 16 bits then, and not to be trusted */
    kernel[LINUX_JUMP_OFFSET] = 0x22c - 0x202;
    load_or_fail(kernel, sizeof kernel);
    ck_assert_uint_eq(f.state.eip, 0x100000);
    ck_assert_uint_eq(get32(zero_page() + LINUX_CMDLINE_SIZE), 0);
}
END_TEST

START_TEST(zero_setup_sects_means_four)
{
    kernel[LINUX_SETUP_SECTS] = 0;
    load_or_fail(kernel, sizeof kernel);
    ck_assert_int_eq(memcmp(f.fake.ram + BZ_LOAD, kernel + BZ_CODE, BZ_CODE_SIZE), 0);
}
END_TEST

START_TEST(a_signature_behind_the_kernel_is_left_out)
{
    uint8_t longer[BZ_SIZE + 1000];
    memcpy(longer, kernel, BZ_SIZE);
    memset(longer + BZ_SIZE, 0x77, 1000);
    load_or_fail(longer, sizeof longer);
    ck_assert_uint_eq(f.fake.ram[BZ_LOAD + BZ_CODE_SIZE], 0xa5);
}
END_TEST

START_TEST(header_fields_the_loader_owns_are_set)
{
    f.request.command_line = "console=ttyS0 quiet";
    load_or_fail(kernel, sizeof kernel);
    const uint8_t *page = zero_page();
    ck_assert_uint_eq(page[LINUX_TYPE_OF_LOADER], 0xff);
    ck_assert_uint_eq(page[LINUX_LOADFLAGS], LINUX_LOADED_HIGH | LINUX_CAN_USE_HEAP);
    ck_assert_uint_eq(get64(page + LINUX_SETUP_DATA), 0);
    ck_assert_uint_eq(get32(page + LINUX_RAMDISK_IMAGE), 0);
    ck_assert_uint_eq(page[0x1ef], 0); /* sentinel */
    ck_assert_int_eq(memcmp(page + LINUX_HEADER, "HdrS", 4), 0);
    ck_assert_str_eq((char *)f.fake.ram + get32(page + LINUX_CMD_LINE_PTR), "console=ttyS0 quiet");
}
END_TEST

START_TEST(zero_page_describes_memory_and_screen)
{
    load_or_fail(kernel, sizeof kernel);
    const uint8_t *page = zero_page(), *entry = page + LINUX_E820_TABLE;
    ck_assert_uint_eq(page[LINUX_E820_ENTRIES], f.map.count);
    ck_assert_uint_eq(get64(entry), 0);
    ck_assert_uint_eq(get64(entry + 8), MEMORY_MAP_EBDA);
    ck_assert_uint_eq(get32(entry + 16), MEMORY_RAM);
    uint64_t ram = 0;
    for (unsigned i = 0; i < f.map.count; i++, entry += 20) {
        if (get32(entry + 16) == MEMORY_RAM && get64(entry) >= 0x100000)
            ram += get64(entry + 8);
    }
    ck_assert_uint_eq(ram, 15 << 20);
    ck_assert_uint_eq(get32(page + LINUX_ALT_MEM_K), 15 << 10);
    ck_assert_uint_eq(page[7], 80);
    ck_assert_uint_eq(page[0xe], 25);
}
END_TEST

static const struct {
    const char *name;
    uint16_t version;
    uint8_t header_end; /* 2xxh: where the set-up header of that version ends */
} protocols[] = {
    { "2.02", 0x0202, 0x2c }, { "2.03", 0x0203, 0x30 }, { "2.04", 0x0204, 0x30 }, { "2.05", 0x0205, 0x38 },
    { "2.06", 0x0206, 0x3c }, { "2.07", 0x0207, 0x48 }, { "2.08", 0x0208, 0x50 }, { "2.09", 0x0209, 0x58 },
    { "2.10", 0x020a, 0x64 }, { "2.11", 0x020b, 0x68 }, { "2.12", 0x020c, 0x68 }, { "2.13", 0x020d, 0x68 },
    { "2.14", 0x020e, 0x68 }, { "2.15", 0x020f, 0x6c },
};

/* Kernels up to 2.6.1x unpack there before they look at anything again; so none of it may be the loader's. */
START_TEST(low_memory_belongs_to_the_kernel)
{
    put16(kernel + LINUX_VERSION, protocols[_i].version);
    kernel[LINUX_JUMP_OFFSET] = (uint8_t)(protocols[_i].header_end - 2);
    f.request.command_line = "root=/dev/ram";
    load_or_fail(kernel, sizeof kernel);
    uint32_t end = MIN(f.state.esi, 0x90000);
    ck_assert_msg(end == 0x90000, "%s: zero page at %#x", protocols[_i].name, f.state.esi);
    uint32_t pa = 0x500;
    while (pa < end && f.fake.ram[pa] == 0xa5)
        pa++;
    ck_assert_msg(pa == end, "%s: %#x was written", protocols[_i].name, pa);
    ck_assert_uint_gt(BOOT_GDT, f.state.esi);
    ck_assert_uint_gt(get32(zero_page() + LINUX_CMD_LINE_PTR), f.state.esi);
    ck_assert_uint_le(get32(zero_page() + LINUX_CMD_LINE_PTR), MEMORY_MAP_EBDA - 256);
}
END_TEST

START_TEST(memory_of_kernels_before_e820_is_cut_off_at_16_bits)
{
    load_or_fail(kernel, sizeof kernel);
    ck_assert_uint_eq(get16(zero_page() + LINUX_EXT_MEM_K), 15 << 10);
    fixture_clear(&f);
    fixture_init(&f, 128 << 20);
    load_or_fail(kernel, sizeof kernel);
    ck_assert_uint_eq(get16(zero_page() + LINUX_EXT_MEM_K), 0xffff);
    ck_assert_uint_eq(get32(zero_page() + LINUX_ALT_MEM_K), 127 << 10);
}
END_TEST

START_TEST(descriptor_table_has_boot_cs_and_ds)
{
    load_or_fail(kernel, sizeof kernel);
    ck_assert_uint_eq(get64(f.fake.ram + BOOT_GDT + 0x10), UINT64_C(0x00cf9b000000ffff));
    ck_assert_uint_eq(get64(f.fake.ram + BOOT_GDT + 0x18), UINT64_C(0x00cf93000000ffff));
}
END_TEST

START_TEST(initrd_goes_to_the_top_of_memory)
{
    static uint8_t data[5000];
    memset(data, 0x3c, sizeof data);
    struct boot_file initrd = { .name = "initrd", .data = data, .size = sizeof data };
    f.request.initrds = &initrd;
    f.request.initrd_count = 1;
    load_or_fail(kernel, sizeof kernel);
    uint32_t pa = get32(zero_page() + LINUX_RAMDISK_IMAGE);
    ck_assert_uint_eq(pa, (16 << 20) - 8192);
    ck_assert_uint_eq(get32(zero_page() + LINUX_RAMDISK_SIZE), sizeof data);
    ck_assert_int_eq(memcmp(f.fake.ram + pa, data, sizeof data), 0);
}
END_TEST

START_TEST(initrd_stays_below_initrd_addr_max)
{
    static uint8_t data[4096];
    struct boot_file initrd = { .name = "initrd", .data = data, .size = sizeof data };
    f.request.initrds = &initrd;
    f.request.initrd_count = 1;
    put32(kernel + LINUX_INITRD_ADDR_MAX, 0x9fffff);
    load_or_fail(kernel, sizeof kernel);
    ck_assert_uint_eq(get32(zero_page() + LINUX_RAMDISK_IMAGE), 0xa00000 - 4096);
}
END_TEST

START_TEST(kernel_that_just_fits_is_loaded)
{
    fixture_clear(&f);
    fixture_init(&f, BZ_LOAD + BZ_INIT_SIZE);
    load_or_fail(kernel, sizeof kernel);
}
END_TEST

START_TEST(kernel_that_does_not_fit_says_how_much_it_needs)
{
    fixture_clear(&f);
    fixture_init(&f, BZ_LOAD + BZ_INIT_SIZE - 4096);
    ck_assert(!fixture_load(&f, kernel, sizeof kernel));
    ck_assert_ptr_nonnull(strstr(f.error->message, "at least 5 MiB"));
    ck_assert_ptr_nonnull(strstr(f.error->message, "--ram 5M"));
}
END_TEST

START_TEST(initrd_counts_in_what_is_needed)
{
    static uint8_t data[0x300001];
    struct boot_file initrd = { .name = "initrd", .data = data, .size = sizeof data };
    fixture_clear(&f);
    fixture_init(&f, 8 << 20);
    f.request.initrds = &initrd;
    f.request.initrd_count = 1;
    ck_assert(!fixture_load(&f, kernel, sizeof kernel));
    ck_assert_ptr_nonnull(strstr(f.error->message, "at least 9 MiB"));
    fixture_clear(&f);
    fixture_init(&f, 9 << 20); /* and that is true */
    f.request.initrds = &initrd;
    f.request.initrd_count = 1;
    load_or_fail(kernel, sizeof kernel);
}
END_TEST

/* ---- Set-up code that has to run ---- */

static const struct {
    const char *name;
    uint16_t version;
    bool high;
    uint32_t code32_start;
    uint32_t base, heap_end, load; /* where boot loaders put it; base 0: it is entered in protected mode */
} real_mode_rows[] = {
    { "zImage 2.00", 0x0200, false, 0x1000, 0x90000, 0x9800, 0x10000 },
    { "zImage 2.03", 0x0203, false, 0x1000, 0x90000, 0x9800, 0x10000 },
    { "zImage 2.15", 0x020f, false, 0x1000, 0x90000, 0x9800, 0x10000 },
    { "bzImage 2.00", 0x0200, true, 0x100000, 0x90000, 0x9800, 0x100000 },
    { "bzImage 2.01", 0x0201, true, 0x100000, 0x90000, 0x9800, 0x100000 },
    { "bzImage 2.02", 0x0202, true, 0x100000, 0, 0, 0 },
    { "no 32-bit entry, 2.07", 0x0207, true, 0, 0x10000, 0xe000, 0x100000 },
};

static void make_real_mode(unsigned row)
{
    kernel[LINUX_RELOCATABLE] = 0;
    put16(kernel + LINUX_VERSION, real_mode_rows[row].version);
    kernel[LINUX_LOADFLAGS] = real_mode_rows[row].high ? LINUX_LOADED_HIGH : 0;
    put32(kernel + LINUX_CODE32_START, real_mode_rows[row].code32_start);
}

START_TEST(set_up_code_lies_where_boot_loaders_put_it)
{
    const char *name = real_mode_rows[_i].name;
    uint32_t base = real_mode_rows[_i].base, heap_end = real_mode_rows[_i].heap_end;
    make_real_mode((unsigned)_i);
    f.request.command_line = "auto";
    load_or_fail(kernel, sizeof kernel);
    ck_assert_msg(f.state.real_mode == (base != 0), "%s", name);
    if (!base)
        return;
    ck_assert_uint_eq(f.state.segment, base >> 4);
    ck_assert_uint_eq(f.state.cs, (base >> 4) + 0x20);
    ck_assert_uint_eq(f.state.eip, 0);
    ck_assert_uint_eq(f.state.esp, heap_end);
    const uint8_t *setup = f.fake.ram + base;
    ck_assert_msg(!memcmp(setup + 0x240, kernel + 0x240, BZ_CODE - 0x240) || get16(setup + 0x206) >= 0x209,
                  "%s: code was changed", name);
    ck_assert_msg(!memcmp(f.fake.ram + real_mode_rows[_i].load, kernel + BZ_CODE, BZ_CODE_SIZE),
                  "%s: protected-mode part", name);
    ck_assert_uint_eq(setup[LINUX_TYPE_OF_LOADER], 0xff);
    ck_assert_uint_eq(get32(setup + LINUX_RAMDISK_SIZE), 0);
    ck_assert_str_eq((const char *)setup + heap_end, "auto");
    if (real_mode_rows[_i].version >= 0x0202) {
        ck_assert_uint_eq(get32(setup + LINUX_CMD_LINE_PTR), base + heap_end);
        ck_assert_uint_ne(get16(setup + 0x20), 0xa33f);
    } else {
        ck_assert_uint_eq(get16(setup + 0x20), 0xa33f);
        ck_assert_uint_eq(get16(setup + 0x22), heap_end);
        ck_assert_uint_eq(get16(setup + 0x212), heap_end + sizeof "auto");
    }
    if (real_mode_rows[_i].version >= 0x0201) {
        ck_assert_uint_ne(setup[LINUX_LOADFLAGS] & LINUX_CAN_USE_HEAP, 0);
        ck_assert_uint_eq(get16(setup + LINUX_HEAP_END_PTR), heap_end - 0x200);
    } else { /* that is code already */
        ck_assert_uint_eq(setup[LINUX_LOADFLAGS] & LINUX_CAN_USE_HEAP, 0);
        ck_assert_int_eq(memcmp(setup + LINUX_HEAP_END_PTR, kernel + LINUX_HEAP_END_PTR, 8), 0);
    }
}
END_TEST

START_TEST(set_up_code_is_told_of_the_initrd)
{
    static uint8_t data[5000];
    struct boot_file initrd = { .name = "initrd", .data = data, .size = sizeof data };
    f.request.initrds = &initrd;
    f.request.initrd_count = 1;
    make_real_mode(0);
    load_or_fail(kernel, sizeof kernel);
    ck_assert_uint_eq(get32(f.fake.ram + 0x90000 + LINUX_RAMDISK_IMAGE), (16 << 20) - 8192);
    ck_assert_uint_eq(get32(f.fake.ram + 0x90000 + LINUX_RAMDISK_SIZE), sizeof data);
}
END_TEST

START_TEST(command_lines_have_the_room_their_protocol_gives)
{
    char *line = g_strnfill(256, 'x');
    make_real_mode(0);
    f.request.command_line = line;
    ck_assert(!fixture_load(&f, kernel, sizeof kernel));
    ck_assert_ptr_nonnull(strstr(f.error->message, "takes 255 at most"));
    check_is_sentence(f.error->message);
    g_clear_error(&f.error);
    line[255] = 0;
    load_or_fail(kernel, sizeof kernel);
    g_free(line);
}
END_TEST

START_TEST(zimages_end_below_their_set_up_code)
{
    static uint8_t zimage[BZ_CODE + (512 << 10) + 1];
    make_real_mode(0);
    memcpy(zimage, kernel, sizeof kernel);
    load_or_fail(zimage, sizeof zimage - 1);
    ck_assert(!fixture_load(&f, zimage, sizeof zimage));
    ck_assert_ptr_nonnull(strstr(f.error->message, "more than 512 KiB"));
    check_is_sentence(f.error->message);
    g_clear_error(&f.error);
    zimage[LINUX_SETUP_SECTS] = 0x4c; /* more than there is before the heap's end */
    ck_assert(!fixture_load(&f, zimage, sizeof zimage));
    ck_assert_ptr_nonnull(strstr(f.error->message, "no room"));
    check_is_sentence(f.error->message);
}
END_TEST

START_TEST(vmlinux_is_entered_at_its_physical_entry)
{
    uint8_t elf[ELF_SIZE];
    make_elf(elf);
    f.request.command_line = "x";
    load_or_fail(elf, sizeof elf);
    ck_assert_uint_eq(f.state.eip, ELF_TEXT_PA + 16);
    ck_assert_int_eq(memcmp(f.fake.ram + ELF_TEXT_PA, elf + ELF_TEXT, ELF_TEXT_SIZE), 0);
    ck_assert_int_eq(memcmp(f.fake.ram + ELF_DATA_PA, elf + ELF_DATA, ELF_DATA_SIZE), 0);
    for (uint32_t pa = ELF_DATA_PA + ELF_DATA_SIZE; pa < ELF_END; pa++)
        ck_assert_uint_eq(f.fake.ram[pa], 0);
    ck_assert_uint_eq(f.fake.ram[ELF_END], 0xa5);
    ck_assert_int_eq(memcmp(zero_page() + LINUX_HEADER, "HdrS", 4), 0);
    ck_assert_str_eq((char *)f.fake.ram + get32(zero_page() + LINUX_CMD_LINE_PTR), "x");
}
END_TEST

START_TEST(vmlinux_may_give_its_entry_as_physical)
{
    uint8_t elf[ELF_SIZE];
    make_elf(elf);
    put32(elf + offsetof(Elf32_Ehdr, e_entry), ELF_TEXT_PA + 32);
    load_or_fail(elf, sizeof elf);
    ck_assert_uint_eq(f.state.eip, ELF_TEXT_PA + 32);
}
END_TEST

/* A segment without bytes in the file may say anything about where they are. */
START_TEST(segments_of_bss_only_need_no_file)
{
    uint8_t elf[ELF_SIZE];
    make_elf(elf);
    put32(elf + ELF_PHDR + sizeof(Elf32_Phdr) + offsetof(Elf32_Phdr, p_filesz), 0);
    put32(elf + ELF_PHDR + sizeof(Elf32_Phdr) + offsetof(Elf32_Phdr, p_offset), 0xfffff000);
    load_or_fail(elf, sizeof elf);
    for (uint32_t pa = ELF_DATA_PA; pa < ELF_END; pa++)
        ck_assert(f.fake.ram[pa] == 0);
    ck_assert_uint_eq(f.fake.ram[ELF_END], 0xa5);
}
END_TEST

START_TEST(movable_elf_files_are_loaded_where_they_say)
{
    uint8_t elf[ELF_SIZE];
    make_elf(elf);
    put16(elf + offsetof(Elf32_Ehdr, e_type), ET_DYN);
    load_or_fail(elf, sizeof elf);
    ck_assert_uint_eq(f.state.eip, ELF_TEXT_PA + 16);
    ck_assert_int_eq(memcmp(f.fake.ram + ELF_TEXT_PA, elf + ELF_TEXT, ELF_TEXT_SIZE), 0);
}
END_TEST

START_TEST(empty_initrd_is_none)
{
    struct boot_file initrd = { .name = "initrd", .data = NULL, .size = 0 };
    f.request.initrds = &initrd;
    f.request.initrd_count = 1;
    load_or_fail(kernel, sizeof kernel);
    ck_assert_uint_eq(get32(zero_page() + LINUX_RAMDISK_IMAGE), 0);
    ck_assert_uint_eq(get32(zero_page() + LINUX_RAMDISK_SIZE), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("loader_linux");
    TCase *tc = tcase_create("linux");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, bzimage_starts_at_its_preferred_address);
    tcase_add_test(tc, preferred_address_is_aligned_up);
    tcase_add_test(tc, kernels_that_cannot_move_start_at_code32_start);
    tcase_add_test(tc, old_protocol_ignores_fields_it_does_not_have);
    tcase_add_test(tc, zero_setup_sects_means_four);
    tcase_add_test(tc, a_signature_behind_the_kernel_is_left_out);
    tcase_add_test(tc, header_fields_the_loader_owns_are_set);
    tcase_add_test(tc, zero_page_describes_memory_and_screen);
    tcase_add_loop_test(tc, low_memory_belongs_to_the_kernel, 0, ARRAY_SIZE(protocols));
    tcase_add_test(tc, memory_of_kernels_before_e820_is_cut_off_at_16_bits);
    tcase_add_test(tc, descriptor_table_has_boot_cs_and_ds);
    tcase_add_loop_test(tc, set_up_code_lies_where_boot_loaders_put_it, 0, ARRAY_SIZE(real_mode_rows));
    tcase_add_test(tc, set_up_code_is_told_of_the_initrd);
    tcase_add_test(tc, command_lines_have_the_room_their_protocol_gives);
    tcase_add_test(tc, zimages_end_below_their_set_up_code);
    tcase_add_test(tc, initrd_goes_to_the_top_of_memory);
    tcase_add_test(tc, initrd_stays_below_initrd_addr_max);
    tcase_add_test(tc, kernel_that_just_fits_is_loaded);
    tcase_add_test(tc, kernel_that_does_not_fit_says_how_much_it_needs);
    tcase_add_test(tc, initrd_counts_in_what_is_needed);
    tcase_add_test(tc, vmlinux_is_entered_at_its_physical_entry);
    tcase_add_test(tc, vmlinux_may_give_its_entry_as_physical);
    tcase_add_test(tc, segments_of_bss_only_need_no_file);
    tcase_add_test(tc, movable_elf_files_are_loaded_where_they_say);
    tcase_add_test(tc, empty_initrd_is_none);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
