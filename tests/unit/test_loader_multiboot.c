/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Multiboot kernels: image, information structure, modules.
 */
#include "boot_fixture.h"

static struct fixture f;
static uint8_t elf[ELF_SIZE], flat[FLAT_SIZE];

static void setup(void)
{
    fixture_init(&f, 16 << 20);
    make_multiboot_elf(elf, 3);
    make_flat(flat);
}

static void teardown(void)
{
    fixture_clear(&f);
}

static void load_or_fail(const uint8_t *data, size_t size)
{
    ck_assert_msg(fixture_load(&f, data, size), "%s", f.error ? f.error->message : "no message");
}

static const uint8_t *info(void)
{
    return f.fake.ram + f.state.ebx;
}

static const char *text_at(uint32_t pa)
{
    return (const char *)f.fake.ram + pa;
}

START_TEST(elf_kernel_gets_the_promised_machine_state)
{
    load_or_fail(elf, sizeof elf);
    ck_assert_uint_eq(f.state.eax, 0x2badb002);
    ck_assert_uint_eq(f.state.eip, ELF_TEXT_PA + 16);
    ck_assert_int_eq(memcmp(f.fake.ram + ELF_TEXT_PA, elf + ELF_TEXT, ELF_TEXT_SIZE), 0);
    ck_assert_uint_eq(get32(info()) & 0x24d, 0x24d); /* memory, command line, modules, map, name */
}
END_TEST

START_TEST(address_fields_load_a_file_that_is_no_elf)
{
    load_or_fail(flat, sizeof flat);
    ck_assert_uint_eq(f.state.eip, FLAT_LOAD + 0x40);
    ck_assert_int_eq(memcmp(f.fake.ram + FLAT_LOAD, flat + FLAT_SKIP, 0x700), 0);
    for (uint32_t pa = FLAT_LOAD + 0x700; pa < FLAT_END; pa++)
        ck_assert_uint_eq(f.fake.ram[pa], 0);
    ck_assert_uint_eq(f.fake.ram[FLAT_END], 0xa5);
}
END_TEST

START_TEST(zero_end_addresses_mean_the_whole_file_and_no_bss)
{
    put32(flat + FLAT_HEADER + 20, 0);
    put32(flat + FLAT_HEADER + 24, 0);
    load_or_fail(flat, sizeof flat);
    ck_assert_int_eq(memcmp(f.fake.ram + FLAT_LOAD, flat + FLAT_SKIP, FLAT_SIZE - FLAT_SKIP), 0);
    ck_assert_uint_eq(f.fake.ram[FLAT_LOAD + FLAT_SIZE - FLAT_SKIP], 0xa5);
}
END_TEST

START_TEST(header_is_found_at_the_end_of_its_8_kib_only)
{
    static uint8_t data[16384];
    put_multiboot_header(data + 8192 - 12, 0);
    ck_assert_int_eq(multiboot_find_header(data, sizeof data), 8192 - 12);
    memset(data, 0, sizeof data);
    put_multiboot_header(data + 8192 - 8, 0);
    ck_assert_int_eq(multiboot_find_header(data, sizeof data), -1);
    memset(data, 0, sizeof data);
    put_multiboot_header(data + 6, 0); /* not aligned */
    ck_assert_int_eq(multiboot_find_header(data, sizeof data), -1);
    put_multiboot_header(data + 64, 0);
    data[64 + 8] ^= 1; /* checksum */
    put_multiboot_header(data + 128, 0);
    ck_assert_int_eq(multiboot_find_header(data, sizeof data), 128);
}
END_TEST

START_TEST(command_line_begins_with_the_kernels_name)
{
    f.request.command_line = "root=0 -v";
    load_or_fail(elf, sizeof elf);
    ck_assert_str_eq(text_at(get32(info() + 16)), "kernel root=0 -v");
    ck_assert_str_eq(text_at(get32(info() + 64)), "Duplex86");
}
END_TEST

START_TEST(modules_lie_page_aligned_behind_the_kernel)
{
    static uint8_t first[5000], second[100];
    memset(first, 1, sizeof first);
    memset(second, 2, sizeof second);
    struct boot_file modules[] = {
        { .name = "a", .data = first, .size = sizeof first, .string = "a one two" },
        { .name = "b", .data = second, .size = sizeof second, .string = "b" },
    };
    f.request.initrds = modules;
    f.request.initrd_count = 2;
    load_or_fail(elf, sizeof elf);
    ck_assert_uint_eq(get32(info() + 20), 2);
    const uint8_t *entry = f.fake.ram + get32(info() + 24);
    uint32_t start = get32(entry), next = get32(entry + 16);
    ck_assert_uint_eq(start, ELF_END);
    ck_assert_uint_eq(get32(entry + 4), start + sizeof first);
    ck_assert_str_eq(text_at(get32(entry + 8)), "a one two");
    ck_assert_uint_eq(next, start + 8192);
    ck_assert_uint_eq(get32(entry + 20), next + sizeof second);
    ck_assert_str_eq(text_at(get32(entry + 24)), "b");
    ck_assert_int_eq(memcmp(f.fake.ram + start, first, sizeof first), 0);
    ck_assert_int_eq(memcmp(f.fake.ram + next, second, sizeof second), 0);
}
END_TEST

START_TEST(empty_module_is_a_module)
{
    uint8_t byte = 7;
    struct boot_file modules[] = {
        { .name = "empty", .data = NULL, .size = 0 },
        { .name = "one", .data = &byte, .size = 1 },
    };
    f.request.initrds = modules;
    f.request.initrd_count = 2;
    load_or_fail(elf, sizeof elf);
    ck_assert_uint_eq(get32(info() + 20), 2);
    const uint8_t *entry = f.fake.ram + get32(info() + 24);
    ck_assert_uint_eq(get32(entry), get32(entry + 4));
    ck_assert_uint_eq(get32(entry + 16) + 1, get32(entry + 20));
    ck_assert_uint_eq(f.fake.ram[get32(entry + 16)], 7);
}
END_TEST

/* Linkers of movable executables name an interpreter unless they are told not to. */
START_TEST(movable_kernels_are_loaded_where_they_say)
{
    put16(elf + offsetof(Elf32_Ehdr, e_type), ET_DYN);
    load_or_fail(elf, sizeof elf);
    ck_assert_uint_eq(f.state.eip, ELF_TEXT_PA + 16);
    put32(elf + ELF_PHDR + sizeof(Elf32_Phdr) + offsetof(Elf32_Phdr, p_type), PT_INTERP);
    load_or_fail(elf, sizeof elf);
}
END_TEST

START_TEST(sections_that_no_segment_loads_are_handed_on)
{
    uint8_t file[ELF_SIZE + 2 * sizeof(Elf32_Shdr)];
    memcpy(file, elf, sizeof elf);
    Elf32_Shdr sections[2] = {
        { .sh_type = SHT_PROGBITS, .sh_flags = SHF_ALLOC, .sh_addr = 0x100010, .sh_size = 32 },
        { .sh_type = SHT_STRTAB, .sh_offset = ELF_DATA, .sh_size = 40 },
    };
    memcpy(file + ELF_SIZE, sections, sizeof sections);
    put32(file + offsetof(Elf32_Ehdr, e_shoff), ELF_SIZE);
    put16(file + offsetof(Elf32_Ehdr, e_shnum), 2);
    put16(file + offsetof(Elf32_Ehdr, e_shstrndx), 1);
    load_or_fail(file, sizeof file);
    ck_assert_uint_ne(get32(info()) & (1 << 5), 0);
    ck_assert_uint_eq(get32(info() + 28), 2);
    ck_assert_uint_eq(get32(info() + 32), sizeof(Elf32_Shdr));
    ck_assert_uint_eq(get32(info() + 40), 1);
    memcpy(sections, f.fake.ram + get32(info() + 36), sizeof sections);
    ck_assert_uint_eq(sections[0].sh_addr, 0x100010);
    ck_assert_uint_ge(sections[1].sh_addr, ELF_END);
    ck_assert_int_eq(memcmp(f.fake.ram + sections[1].sh_addr, file + ELF_DATA, 40), 0);

    put32(file + offsetof(Elf32_Ehdr, e_shoff), ELF_SIZE + 4); /* cut off: no reason not to start it */
    load_or_fail(file, sizeof file);
    ck_assert_uint_eq(get32(info()) & (1 << 5), 0);
}
END_TEST

START_TEST(memory_map_has_entries_that_can_be_walked)
{
    load_or_fail(elf, sizeof elf);
    ck_assert_uint_eq(get32(info() + 4), 639);
    ck_assert_uint_eq(get32(info() + 8), 15 << 10);
    uint32_t pa = get32(info() + 48), end = pa + get32(info() + 44);
    unsigned n = 0;
    while (pa < end) {
        const uint8_t *entry = f.fake.ram + pa;
        ck_assert_uint_eq(get64(entry + 4), f.map.range[n].base);
        ck_assert_uint_eq(get64(entry + 12), f.map.range[n].size);
        ck_assert_uint_eq(get32(entry + 20), f.map.range[n].type);
        pa += get32(entry) + 4;
        n++;
    }
    ck_assert_uint_eq(pa, end);
    ck_assert_uint_eq(n, f.map.count);
}
END_TEST

START_TEST(text_mode_can_be_required)
{
    make_multiboot_elf(elf, 4);
    memset(elf + ELF_TEXT + 12, 0, 36);
    put32(elf + ELF_TEXT + 32, 1);
    load_or_fail(elf, sizeof elf);
    ck_assert_uint_ne(get32(info()) & (1 << 12), 0);
    ck_assert_uint_eq(get64(info() + 88), 0xb8000);
    ck_assert_uint_eq(info()[109], 2);
}
END_TEST

START_TEST(flags_nobody_must_understand_are_ignored)
{
    make_multiboot_elf(elf, 0xfffe0000);
    load_or_fail(elf, sizeof elf);
}
END_TEST

START_TEST(modules_count_in_what_is_needed)
{
    static uint8_t data[2 << 20];
    struct boot_file module = { .name = "m", .data = data, .size = sizeof data };
    fixture_clear(&f);
    fixture_init(&f, 3 << 20);
    f.request.initrds = &module;
    f.request.initrd_count = 1;
    ck_assert(!fixture_load(&f, elf, sizeof elf));
    ck_assert_ptr_nonnull(strstr(f.error->message, "at least 4 MiB"));
    check_is_sentence(f.error->message);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("loader_multiboot");
    TCase *tc = tcase_create("multiboot");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, elf_kernel_gets_the_promised_machine_state);
    tcase_add_test(tc, address_fields_load_a_file_that_is_no_elf);
    tcase_add_test(tc, zero_end_addresses_mean_the_whole_file_and_no_bss);
    tcase_add_test(tc, header_is_found_at_the_end_of_its_8_kib_only);
    tcase_add_test(tc, command_line_begins_with_the_kernels_name);
    tcase_add_test(tc, modules_lie_page_aligned_behind_the_kernel);
    tcase_add_test(tc, empty_module_is_a_module);
    tcase_add_test(tc, movable_kernels_are_loaded_where_they_say);
    tcase_add_test(tc, sections_that_no_segment_loads_are_handed_on);
    tcase_add_test(tc, memory_map_has_entries_that_can_be_walked);
    tcase_add_test(tc, text_mode_can_be_required);
    tcase_add_test(tc, flags_nobody_must_understand_are_ignored);
    tcase_add_test(tc, modules_count_in_what_is_needed);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
