/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Multiboot 2 kernels: what the header's tags bring about, and the information that comes back in tags.
 */
#include "boot_fixture.h"

static struct fixture f;
static uint8_t elf[ELF_SIZE];

enum {
    COMMAND_LINE = 1,
    LOADER_NAME = 2,
    MODULE = 3,
    MEMORY = 4,
    MEMORY_MAP = 6,
    FRAMEBUFFER = 8,
    ELF_SECTIONS = 9,
    LOAD_BASE = 21
};

static void setup(void)
{
    fixture_init(&f, 16 << 20);
    make_multiboot2_elf(elf);
}

static void teardown(void)
{
    fixture_clear(&f);
}

static void load_or_fail(const uint8_t *data, size_t size)
{
    ck_assert_msg(fixture_load(&f, data, size), "%s", f.error ? f.error->message : "no message");
}

/* The nth tag of a kind, or NULL; walks the whole list, which must end as it says. */
static const uint8_t *info_tag(uint32_t type, unsigned n)
{
    const uint8_t *info = f.fake.ram + f.state.ebx, *found = NULL;
    ck_assert_uint_eq(f.state.ebx % 8, 0);
    uint32_t size = get32(info), at = 8;
    while (get32(info + at) != 0) {
        ck_assert_uint_ge(get32(info + at + 4), 8);
        if (get32(info + at) == type && n-- == 0)
            found = info + at;
        at += (uint32_t)align_up(get32(info + at + 4), 8);
        ck_assert_uint_lt(at, size);
    }
    ck_assert_uint_eq(get32(info + at + 4), 8);
    ck_assert_uint_eq(at + 8, size);
    return found;
}

/* Put another tag, of 24 bytes at most, in the place of the one there is. */
static void put_tag(uint16_t type, uint16_t flags, uint32_t size, const uint32_t *words)
{
    uint8_t *tag = elf + MB2_TAG;
    memset(tag, 0, 24);
    put16(tag, type);
    put16(tag + 2, flags);
    put32(tag + 4, size);
    for (uint32_t i = 8; i < size; i += 4)
        put32(tag + i, words[i / 4 - 2]);
    /* What it leaves of its place is no tag anybody must know. */
    if (size <= 16) {
        put16(tag + 16, 0x7777);
        put16(tag + 18, 1);
        put32(tag + 20, 8);
    }
}

START_TEST(kernel_gets_the_promised_machine_state)
{
    load_or_fail(elf, sizeof elf);
    ck_assert_uint_eq(f.state.eax, 0x36d76289);
    ck_assert_uint_eq(f.state.eip, ELF_TEXT_PA + 16);
    ck_assert_int_eq(memcmp(f.fake.ram + ELF_TEXT_PA, elf + ELF_TEXT, ELF_TEXT_SIZE), 0);
}
END_TEST

START_TEST(header_is_found_at_the_end_of_its_32_kib_only)
{
    static uint8_t data[65536];
    memcpy(data + 32768 - 16, elf + ELF_TEXT, 16);
    ck_assert_int_eq(multiboot2_find_header(data, sizeof data), 32768 - 16);
    memset(data, 0, sizeof data);
    memcpy(data + 32768 - 8, elf + ELF_TEXT, 16);
    ck_assert_int_eq(multiboot2_find_header(data, sizeof data), -1);
    memcpy(data + 4, elf + ELF_TEXT, 16); /* not aligned */
    ck_assert_int_eq(multiboot2_find_header(data, sizeof data), -1);
    memcpy(data + 64, elf + ELF_TEXT, 16);
    data[64 + 12] ^= 1; /* checksum */
    ck_assert_int_eq(multiboot2_find_header(data, sizeof data), -1);
}
END_TEST

START_TEST(file_with_both_headers_is_multiboot_1)
{
    put_multiboot_header(elf + ELF_DATA, 3);
    ck_assert_int_eq(loader_detect(elf, sizeof elf), KERNEL_MULTIBOOT);
}
END_TEST

START_TEST(texts_are_handed_on)
{
    f.request.command_line = "root=0 -v";
    load_or_fail(elf, sizeof elf);
    ck_assert_str_eq((const char *)info_tag(COMMAND_LINE, 0) + 8, "root=0 -v");
    ck_assert_uint_eq(get32(info_tag(COMMAND_LINE, 0) + 4), 8 + sizeof "root=0 -v");
    ck_assert_str_eq((const char *)info_tag(LOADER_NAME, 0) + 8, "Duplex86");
}
END_TEST

START_TEST(modules_have_a_tag_each)
{
    static uint8_t first[5000], second[100];
    memset(first, 1, sizeof first);
    memset(second, 2, sizeof second);
    struct boot_file modules[] = {
        { .name = "a", .data = first, .size = sizeof first, .string = "a one  two" },
        { .name = "b", .data = second, .size = sizeof second, .string = "b" },
        { .name = "c", .data = NULL, .size = 0, .string = "c" },
    };
    f.request.initrds = modules;
    f.request.initrd_count = 3;
    load_or_fail(elf, sizeof elf);
    const uint8_t *tag = info_tag(MODULE, 0), *next = info_tag(MODULE, 1), *empty = info_tag(MODULE, 2);
    ck_assert_uint_eq(get32(tag + 8), ELF_END);
    ck_assert_uint_eq(get32(tag + 12), ELF_END + sizeof first);
    ck_assert_str_eq((const char *)tag + 16, "one  two");
    ck_assert_int_eq(memcmp(f.fake.ram + get32(tag + 8), first, sizeof first), 0);
    ck_assert_uint_eq(get32(next + 8), ELF_END + 8192);
    ck_assert_str_eq((const char *)next + 16, "");
    ck_assert_int_eq(memcmp(f.fake.ram + get32(next + 8), second, sizeof second), 0);
    ck_assert_uint_eq(get32(empty + 8), get32(empty + 12));
    ck_assert_ptr_null(info_tag(MODULE, 3));
}
END_TEST

START_TEST(memory_is_told_twice)
{
    load_or_fail(elf, sizeof elf);
    ck_assert_uint_eq(get32(info_tag(MEMORY, 0) + 8), 639);
    ck_assert_uint_eq(get32(info_tag(MEMORY, 0) + 12), 15 << 10);
    const uint8_t *map = info_tag(MEMORY_MAP, 0);
    ck_assert_uint_eq(get32(map + 8), 24);
    ck_assert_uint_eq(get32(map + 4), 16 + f.map.count * 24);
    for (unsigned i = 0; i < f.map.count; i++) {
        ck_assert_uint_eq(get64(map + 16 + i * 24), f.map.range[i].base);
        ck_assert_uint_eq(get64(map + 24 + i * 24), f.map.range[i].size);
        ck_assert_uint_eq(get32(map + 32 + i * 24), f.map.range[i].type);
    }
}
END_TEST

START_TEST(address_tags_load_a_file_that_is_no_elf)
{
    static uint8_t flat[0x800];
    for (unsigned i = 0; i < sizeof flat; i++)
        flat[i] = (uint8_t)(i * 5 + 3);
    const uint32_t words[] = { 0xe85250d6, 0,        64,       0u - 0xe85250d6u - 64, /* header */
                               2,          24,       0x200020, 0x200000,
                               0x200700,   0x202000,              /* address */
                               3,          12,       0x200080, 0, /* entry, padding */
                               0,          8 };
    memcpy(flat + 0x40, words, sizeof words); /* 20h bytes of the file are left out */
    load_or_fail(flat, sizeof flat);
    ck_assert_uint_eq(f.state.eip, 0x200080);
    ck_assert_int_eq(memcmp(f.fake.ram + 0x200000, flat + 0x20, 0x700), 0);
    for (uint32_t pa = 0x200700; pa < 0x202000; pa++)
        ck_assert(f.fake.ram[pa] == 0);
    ck_assert_uint_eq(f.fake.ram[0x202000], 0xa5);

    put32(flat + 0x40 + 28, 0xffffffff); /* load_addr: all of the file */
    load_or_fail(flat, sizeof flat);
    ck_assert_int_eq(memcmp(f.fake.ram + 0x200020 - 0x40, flat, 0x700), 0);
}
END_TEST

START_TEST(entry_tag_replaces_the_file_s_entry)
{
    put_tag(3, 0, 12, (uint32_t[]){ ELF_TEXT_PA + 64 });
    load_or_fail(elf, sizeof elf);
    ck_assert_uint_eq(f.state.eip, ELF_TEXT_PA + 64);
}
END_TEST

/* What the image asks and where it goes; it is linked for 1 MiB and has 12000h + 1000h bytes. */
static const struct {
    const char *name;
    uint32_t min, max, align, preference, base;
} relocations[] = {
    { "where it was linked for", 0, 0xffffffff, 0x1000, 0, 0x100000 },
    { "link address below the range", 0x400000, 0xffffffff, 0x1000, 0, 0x400000 },
    { "link address not aligned", 0x100000, 0xffffffff, 0x200000, 0, 0x200000 },
    { "lowest", 0x300001, 0xffffffff, 0x1000, 1, 0x301000 },
    { "highest", 0, 0xffffffff, 0x1000, 2, (16 << 20) - 0x13000 },
    { "highest below a limit", 0, 0x7fffff, 0x10000, 2, 0x800000 - 0x20000 },
    { "just fits", 0x300000, 0x312fff, 0x1000, 0, 0x300000 },
};

START_TEST(image_that_can_be_moved_goes_where_it_wants)
{
    put32(elf + MB2_TAG + 8, relocations[_i].min);
    put32(elf + MB2_TAG + 12, relocations[_i].max);
    put32(elf + MB2_TAG + 16, relocations[_i].align);
    put32(elf + MB2_TAG + 20, relocations[_i].preference);
    load_or_fail(elf, sizeof elf);
    uint32_t base = relocations[_i].base;
    ck_assert_msg(get32(info_tag(LOAD_BASE, 0) + 8) == base, "%s: %#x", relocations[_i].name,
                  get32(info_tag(LOAD_BASE, 0) + 8));
    ck_assert_uint_eq(f.state.eip, base + 16);
    ck_assert_int_eq(memcmp(f.fake.ram + base, elf + ELF_TEXT, ELF_TEXT_SIZE), 0);
    ck_assert_int_eq(memcmp(f.fake.ram + base + 0x10000, elf + ELF_DATA, ELF_DATA_SIZE), 0);
}
END_TEST

START_TEST(what_may_be_ignored_is)
{
    put_tag(11, 1, 8, NULL);
    load_or_fail(elf, sizeof elf);
    put_tag(1, 1, 12, (uint32_t[]){ 99 });
    load_or_fail(elf, sizeof elf);
    put_tag(1, 0, 16, (uint32_t[]){ 14, 17 }); /* ACPI and EFI: known, but there is none */
    load_or_fail(elf, sizeof elf);
    put_tag(7, 0, 8, NULL);
    load_or_fail(elf, sizeof elf);
    ck_assert_ptr_null(info_tag(FRAMEBUFFER, 0));
    ck_assert_ptr_null(info_tag(LOAD_BASE, 0));
    ck_assert_ptr_null(info_tag(ELF_SECTIONS, 0));
}
END_TEST

static const struct {
    const char *name;
    uint16_t type;
    uint32_t size;
    uint32_t words[3];
} screens[] = {
    { "framebuffer of any kind", 5, 20, { 1024, 768, 32 } },
    { "console, text will do", 4, 12, { 3 } },
    { "information about the framebuffer", 1, 12, { 8 } },
};

START_TEST(screen_is_text)
{
    put_tag(screens[_i].type, 0, screens[_i].size, screens[_i].words);
    load_or_fail(elf, sizeof elf);
    const uint8_t *tag = info_tag(FRAMEBUFFER, 0);
    ck_assert_msg(tag != NULL, "%s", screens[_i].name);
    ck_assert_uint_eq(get64(tag + 8), 0xb8000);
    ck_assert_uint_eq(get32(tag + 16), 160);
    ck_assert_uint_eq(get32(tag + 20), 80);
    ck_assert_uint_eq(get32(tag + 24), 25);
    ck_assert_uint_eq(tag[28], 16);
    ck_assert_uint_eq(tag[29], 2);
}
END_TEST

START_TEST(sections_are_handed_on)
{
    uint8_t file[ELF_SIZE + sizeof(Elf32_Shdr)];
    memcpy(file, elf, sizeof elf);
    Elf32_Shdr section = { .sh_type = SHT_SYMTAB, .sh_offset = ELF_DATA, .sh_size = 48 };
    memcpy(file + ELF_SIZE, &section, sizeof section);
    put32(file + offsetof(Elf32_Ehdr, e_shoff), ELF_SIZE);
    put16(file + offsetof(Elf32_Ehdr, e_shnum), 1);
    load_or_fail(file, sizeof file);
    const uint8_t *tag = info_tag(ELF_SECTIONS, 0);
    ck_assert_uint_eq(get32(tag + 4), 20 + sizeof section);
    ck_assert_uint_eq(get32(tag + 8), 1);
    ck_assert_uint_eq(get32(tag + 12), sizeof section);
    ck_assert_uint_eq(get32(tag + 16), 0);
    memcpy(&section, tag + 20, sizeof section);
    ck_assert_int_eq(memcmp(f.fake.ram + section.sh_addr, file + ELF_DATA, 48), 0);
}
END_TEST

START_TEST(information_has_its_limit)
{
    char *line = g_strnfill(60000, 'x');
    f.request.command_line = line;
    ck_assert(!fixture_load(&f, elf, sizeof elf));
    ck_assert_ptr_nonnull(strstr(f.error->message, "that much text"));
    check_is_sentence(f.error->message);
    g_free(line);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("loader_multiboot2");
    TCase *tc = tcase_create("multiboot2");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, kernel_gets_the_promised_machine_state);
    tcase_add_test(tc, header_is_found_at_the_end_of_its_32_kib_only);
    tcase_add_test(tc, file_with_both_headers_is_multiboot_1);
    tcase_add_test(tc, texts_are_handed_on);
    tcase_add_test(tc, modules_have_a_tag_each);
    tcase_add_test(tc, memory_is_told_twice);
    tcase_add_test(tc, address_tags_load_a_file_that_is_no_elf);
    tcase_add_test(tc, entry_tag_replaces_the_file_s_entry);
    tcase_add_loop_test(tc, image_that_can_be_moved_goes_where_it_wants, 0, ARRAY_SIZE(relocations));
    tcase_add_test(tc, what_may_be_ignored_is);
    tcase_add_loop_test(tc, screen_is_text, 0, ARRAY_SIZE(screens));
    tcase_add_test(tc, sections_are_handed_on);
    tcase_add_test(tc, information_has_its_limit);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
