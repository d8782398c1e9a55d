/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Kernels that are damaged, foreign or hostile: a good one is made, a row of the table spoils it, and the
 * loader must answer with one sentence. After the table, chance spoils them.
 */
#include "boot_fixture.h"

enum base { BZ, BZ_ZIMAGE, ELF, MB_ELF, MB_FLAT, MB2_ELF };

struct edit {
    uint32_t offset;
    uint8_t size; /* 0 ends the list */
    uint64_t value;
};

struct row {
    const char *name;
    enum base base;
    size_t cut; /* the file ends here; 0: whole */
    struct edit edits[4];
    const char *says; /* part of the message */
};

#define EHDR(field)    offsetof(Elf32_Ehdr, field)
#define PHDR(n, field) (ELF_PHDR + (n) * sizeof(Elf32_Phdr) + offsetof(Elf32_Phdr, field))

/* clang-format off */
static const struct row rows[] = {
    { "bzImage: cut inside the header", BZ, 0x240, { { 0 } }, "cut off inside its set-up header" },
    { "bzImage: cut before HdrS", BZ, 0x204, { { 0 } }, "not a kernel this program can load" },
    { "bzImage: header only", BZ, 0x280, { { 0 } }, "nothing follows its real-mode part" },
    { "bzImage: cut after the real-mode part", BZ, BZ_CODE, { { 0 } }, "nothing follows its real-mode part" },
    { "bzImage: last paragraph and one byte missing", BZ, BZ_SIZE - 17, { { 0 } }, "cut off" },
    { "bzImage: half", BZ, BZ_SIZE / 2 + 1000, { { 0 } }, "promises 6656 bytes, the file has 4328" },
    { "bzImage: more set-up sectors than file", BZ, 0, { { LINUX_SETUP_SECTS, 1, 0xff } }, "nothing follows" },
    { "bzImage: no boot flag", BZ, 0, { { LINUX_BOOT_FLAG, 2, 0 } }, "not a kernel" },
    { "bzImage: no HdrS", BZ, 0, { { LINUX_HEADER, 4, 0 } }, "not a kernel" },
    { "bzImage: header shorter than 2.02's", BZ, 0, { { LINUX_JUMP_OFFSET, 1, 8 } }, "too short to be real" },
    { "bzImage: protocol 1.99", BZ, 0, { { LINUX_VERSION, 2, 0x163 } }, "boot protocol 1.99" },
    { "bzImage: protocol 0", BZ, 0, { { LINUX_VERSION, 2, 0 } }, "2.00 or later" },
    { "bzImage: header shorter than 2.01's", BZ, 0, { { LINUX_VERSION, 2, 0x201 }, { LINUX_JUMP_OFFSET, 1, 0x22 } },
      "too short to be real" },
    { "zImage: header only", BZ_ZIMAGE, 0x280, { { 0 } }, "nothing follows its real-mode part" },
    { "zImage: header shorter than 2.02's", BZ_ZIMAGE, 0, { { LINUX_JUMP_OFFSET, 1, 0x28 } }, "too short to be real" },
    { "bzImage: 64-bit kernel", BZ, 0, { { LINUX_XLOADFLAGS, 2, 1 } }, "64-bit" },
    { "bzImage: syssize 0", BZ, 0, { { LINUX_SYSSIZE, 4, 0 } }, "holds no code" },
    { "bzImage: syssize huge", BZ, 0, { { LINUX_SYSSIZE, 4, 0xffffffff } }, "cut off" },
    { "bzImage: alignment 0", BZ, 0, { { LINUX_KERNEL_ALIGNMENT, 4, 0 } }, "power of two" },
    { "bzImage: alignment 3", BZ, 0, { { LINUX_KERNEL_ALIGNMENT, 4, 3 } }, "power of two" },
    { "bzImage: alignment 2 GiB", BZ, 0, { { LINUX_KERNEL_ALIGNMENT, 4, 0x80000000 } }, "needs at least 2051 MiB" },
    { "bzImage: preferred above 4 GiB", BZ, 0, { { LINUX_PREF_ADDRESS, 8, 0x100000000 } }, "above 4 GiB" },
    { "bzImage: preferred at the end of all", BZ, 0, { { LINUX_PREF_ADDRESS, 8, UINT64_MAX } }, "above 4 GiB" },
    { "bzImage: preferred in the device hole", BZ, 0, { { LINUX_PREF_ADDRESS, 8, 0xf0000000 } }, "wants memory up to" },
    { "bzImage: preferred beyond RAM", BZ, 0, { { LINUX_PREF_ADDRESS, 8, 0x4000000 } }, "at least 67 MiB" },
    { "bzImage: init_size huge", BZ, 0, { { LINUX_INIT_SIZE, 4, 0xffffffff } }, "wants memory up to" },
    { "bzImage: init_size beyond RAM", BZ, 0, { { LINUX_INIT_SIZE, 4, 0x1000000 } }, "at least 18 MiB" },
    { "bzImage: fixed, entry below", BZ, 0, { { LINUX_RELOCATABLE, 1, 0 }, { LINUX_CODE32_START, 4, 0x1000 } },
      "entry point outside" },
    { "bzImage: fixed, entry behind", BZ, 0, { { LINUX_RELOCATABLE, 1, 0 }, { LINUX_CODE32_START, 4, 0x101000 } },
      "entry point outside" },

    { "ELF: four bytes", ELF, 4, { { 0 } }, "damaged or cut off" },
    { "ELF: cut inside the header", ELF, 40, { { 0 } }, "cut off" },
    { "ELF: cut inside the program headers", ELF, ELF_PHDR + 40, { { 0 } }, "cut off" },
    { "ELF: cut inside the first segment", ELF, ELF_TEXT + 16, { { 0 } }, "segment 0" },
    { "ELF: one byte short", ELF, ELF_SIZE - 1, { { 0 } }, "segment 1 of the ELF file" },
    { "ELF: 64-bit class", ELF, 0, { { EI_CLASS, 1, ELFCLASS64 } }, "64-bit" },
    { "ELF: no class", ELF, 0, { { EI_CLASS, 1, 0 } }, "ELF" },
    { "ELF: big-endian", ELF, 0, { { EI_DATA, 1, ELFDATA2MSB } }, "little-endian" },
    { "ELF: for ARM", ELF, 0, { { EHDR(e_machine), 2, EM_ARM } }, "another processor" },
    { "ELF: relocatable object", ELF, 0, { { EHDR(e_type), 2, ET_REL } }, "not an executable" },
    { "ELF: linked for any address", ELF, 0, { { EHDR(e_type), 2, ET_DYN }, { PHDR(0, p_paddr), 4, 0 } },
      "no free memory" },
    { "ELF: core file", ELF, 0, { { EHDR(e_type), 2, ET_CORE } }, "not an executable" },
    { "ELF: no program headers", ELF, 0, { { EHDR(e_phnum), 2, 0 }, { EHDR(e_phoff), 4, 0 } }, "no program headers" },
    { "ELF: too many program headers", ELF, 0, { { EHDR(e_phnum), 2, 0xfff0 } }, "cut off" },
    { "ELF: program headers beyond the file", ELF, 0, { { EHDR(e_phoff), 4, 0xfffffff0 } }, "ELF" },
    { "ELF: odd program header size", ELF, 0, { { EHDR(e_phentsize), 2, 5 } }, "ELF" },
    { "ELF: a dynamic program", ELF, 0, { { PHDR(1, p_type), 4, PT_INTERP } }, "not a kernel" },
    { "ELF: nothing to load", ELF, 0, { { PHDR(0, p_type), 4, PT_NOTE }, { PHDR(1, p_type), 4, PT_NULL } },
      "nothing to load" },
    { "ELF: nothing but empty segments", ELF, 0,
      { { PHDR(0, p_filesz), 8, 0 }, { PHDR(1, p_filesz), 8, 0 } }, "nothing to load" },
    { "ELF: segment offset beyond the file", ELF, 0, { { PHDR(0, p_offset), 4, 0xfffffff0 } }, "beyond the end" },
    { "ELF: segment file size huge", ELF, 0, { { PHDR(0, p_filesz), 4, 0xffffffff }, { PHDR(0, p_memsz), 4, 0xffffffff } },
      "beyond the end" },
    { "ELF: larger in the file", ELF, 0, { { PHDR(0, p_memsz), 4, 8 } }, "larger in the file" },
    { "ELF: bss beyond 4 GiB", ELF, 0, { { PHDR(1, p_memsz), 4, 0xfffffff0 } }, "beyond 4 GiB" },
    { "ELF: bss beyond what a PC has", ELF, 0, { { PHDR(1, p_memsz), 4, 0xf0000000 } }, "wants memory up to" },
    { "ELF: bss beyond RAM", ELF, 0, { { PHDR(1, p_memsz), 4, 0x2000000 } }, "at least 35 MiB" },
    { "ELF: loads at the end of the address space", ELF, 0, { { PHDR(1, p_paddr), 4, 0xfffff000 } }, "beyond 4 GiB" },
    { "ELF: loads beyond RAM", ELF, 0, { { PHDR(1, p_paddr), 4, 0x8000000 } }, "at least 130 MiB" },
    { "ELF: loads over the BIOS data area", ELF, 0, { { PHDR(0, p_paddr), 4, 0x400 } }, "no free memory" },
    { "ELF: loads over the loader's tables", ELF, 0, { { PHDR(0, p_paddr), 4, BOOT_GDT } }, "no free memory" },
    { "ELF: loads into the VGA hole", ELF, 0, { { PHDR(0, p_paddr), 4, 0xa0000 } }, "no free memory" },
    { "ELF: loads across the 1 MiB border", ELF, 0, { { PHDR(0, p_paddr), 4, 0xfff00 } }, "no free memory" },
    { "ELF: overlapping segments", ELF, 0, { { PHDR(0, p_paddr), 4, ELF_DATA_PA + 0x1000 } }, "overlaps" },
    { "ELF: segment inside another", ELF, 0, { { PHDR(1, p_paddr), 4, ELF_TEXT_PA - 0x1000 } }, "overlaps" },
    { "ELF: entry nowhere", ELF, 0, { { EHDR(e_entry), 4, 0x12345678 } }, "entry point" },
    { "ELF: entry just behind a segment", ELF, 0, { { EHDR(e_entry), 4, ELF_OFFSET + ELF_TEXT_PA + ELF_TEXT_SIZE } },
      "entry point" },

    { "Multiboot: requires flag 3", MB_ELF, 0, { { ELF_TEXT + 4, 4, 8 }, { ELF_TEXT + 8, 4, 0xe4524ff6 } }, "0x8" },
    { "Multiboot: requires all flags", MB_ELF, 0, { { ELF_TEXT + 4, 4, 0xffff }, { ELF_TEXT + 8, 4, 0xe4514fff } }, "0xfff8" },
    { "Multiboot: requires graphics", MB_ELF, 0,
      { { ELF_TEXT + 4, 4, 4 }, { ELF_TEXT + 8, 4, 0xe4524ffa }, { ELF_TEXT + 32, 4, 0 } }, "graphics" },
    { "Multiboot: header cut before the address fields", MB_FLAT, FLAT_HEADER + 16, { { 0 } }, "cut off inside" },
    { "Multiboot: requires text, header cut", MB_FLAT, FLAT_HEADER + 40,
      { { FLAT_HEADER + 4, 4, 0x10004 }, { FLAT_HEADER + 8, 4, 0xe4514ffa } }, "cut off inside" },
    { "Multiboot: neither ELF nor addresses", MB_FLAT, 0,
      { { FLAT_HEADER + 4, 4, 0 }, { FLAT_HEADER + 8, 4, 0xe4524ffe } }, "no ELF file" },
    { "Multiboot: starts before the file", MB_FLAT, 0, { { FLAT_HEADER + 12, 4, FLAT_LOAD + 0x1000 } }, "before the file's" },
    { "Multiboot: header below its load address", MB_FLAT, 0, { { FLAT_HEADER + 12, 4, FLAT_LOAD - 4 } }, "before the file's" },
    { "Multiboot: ends before it begins", MB_FLAT, 0, { { FLAT_HEADER + 20, 4, FLAT_LOAD - 1 } }, "before they begin" },
    { "Multiboot: data beyond the file", MB_FLAT, 0, { { FLAT_HEADER + 20, 4, FLAT_LOAD + FLAT_SIZE } }, "cut off" },
    { "Multiboot: cut", MB_FLAT, FLAT_SIZE / 2, { { 0 } }, "cut off" },
    { "Multiboot: bss ends inside the data", MB_FLAT, 0, { { FLAT_HEADER + 24, 4, FLAT_LOAD + 4 } }, "bss" },
    { "Multiboot: bss beyond RAM", MB_FLAT, 0, { { FLAT_HEADER + 24, 4, 0x2000000 } }, "at least 32 MiB" },
    { "Multiboot: bss to the end of all", MB_FLAT, 0, { { FLAT_HEADER + 24, 4, 0xffffffff } }, "wants memory up to" },
    { "Multiboot: loads over the BIOS data area", MB_FLAT, 0,
      { { FLAT_HEADER + 12, 4, 0x410 }, { FLAT_HEADER + 16, 4, 0x400 }, { FLAT_HEADER + 20, 8, 0 },
        { FLAT_HEADER + 28, 4, 0x400 } }, "no free memory" },
    { "Multiboot: entry outside", MB_FLAT, 0, { { FLAT_HEADER + 28, 4, FLAT_END } }, "entry point" },
    { "Multiboot: entry below", MB_FLAT, 0, { { FLAT_HEADER + 28, 4, 0 } }, "entry point" },

    { "Multiboot 2: header cut", MB2_ELF, ELF_TEXT + 24, { { 0 } }, "cut off inside its header" },
    { "Multiboot 2: for MIPS", MB2_ELF, 0, { { ELF_TEXT + 4, 4, 4 }, { ELF_TEXT + 12, 4, MB2_CHECKSUM - 4 } },
      "another processor" },
    { "Multiboot 2: tag of size 0", MB2_ELF, 0, { { MB2_TAG + 4, 4, 0 } }, "does not fit its header" },
    { "Multiboot 2: tag beyond the header", MB2_ELF, 0, { { MB2_TAG + 4, 4, 0xfffffff8 } }, "does not fit its header" },
    { "Multiboot 2: short address tag", MB2_ELF, 0, { { MB2_TAG, 8, UINT64_C(0x1000000002) } }, "too short" },
    { "Multiboot 2: short entry tag", MB2_ELF, 0, { { MB2_TAG, 8, UINT64_C(0x800000003) } }, "too short" },
    { "Multiboot 2: unknown tag", MB2_ELF, 0, { { MB2_TAG, 2, 11 } }, "header tag 11" },
    { "Multiboot 2: unknown information", MB2_ELF, 0,
      { { MB2_TAG, 8, UINT64_C(0xc00000001) }, { MB2_TAG + 8, 4, 22 } }, "type 22" },
    { "Multiboot 2: requires graphics", MB2_ELF, 0,
      { { MB2_TAG, 8, UINT64_C(0xc00000004) }, { MB2_TAG + 8, 4, 1 } }, "graphics" },
    { "Multiboot 2: addresses without an entry", MB2_ELF, 0, { { MB2_TAG, 2, 2 } }, "no entry address tag" },
    { "Multiboot 2: entry outside", MB2_ELF, 0, { { MB2_TAG, 2, 3 }, { MB2_TAG + 8, 4, 0x500000 } }, "entry point" },
    { "Multiboot 2: moved by 0", MB2_ELF, 0, { { MB2_TAG + 16, 4, 0 } }, "power of two" },
    { "Multiboot 2: moved by 3", MB2_ELF, 0, { { MB2_TAG + 16, 4, 3 } }, "power of two" },
    { "Multiboot 2: moved into nothing", MB2_ELF, 0, { { MB2_TAG + 8, 4, 0x300000 }, { MB2_TAG + 12, 4, 0x301fff } },
      "no room" },
    { "Multiboot 2: moved beyond RAM", MB2_ELF, 0,
      { { MB2_TAG + 8, 4, 0x2000000 }, { MB2_TAG + 12, 4, 0xffffffff } }, "at least 33 MiB" },
    { "Multiboot 2: moved to the end of all", MB2_ELF, 0,
      { { MB2_TAG + 8, 4, 0xffffffff }, { MB2_TAG + 12, 4, 0xffffffff } }, "no room" },
    { "Multiboot 2: neither ELF nor addresses", MB2_ELF, 0, { { 0, 4, 0 } }, "no ELF file" },
};
/* clang-format on */

enum { IMAGE_MAX = BZ_SIZE };

static size_t make(enum base base, uint8_t *data)
{
    switch (base) {
    case BZ:
        make_bzimage(data);
        return BZ_SIZE;
    case BZ_ZIMAGE:
        make_bzimage(data);
        put16(data + LINUX_VERSION, 0x0203);
        data[LINUX_LOADFLAGS] = 0;
        return BZ_SIZE;
    case ELF:
        make_elf(data);
        return ELF_SIZE;
    case MB_ELF:
        make_multiboot_elf(data, 3);
        return ELF_SIZE;
    case MB_FLAT:
        make_flat(data);
        return FLAT_SIZE;
    case MB2_ELF:
        make_multiboot2_elf(data);
        return ELF_SIZE;
    }
    return 0;
}

/* A buffer of exactly the file's size, so that the sanitizer sees a byte too many being read. */
static uint8_t *exact_copy(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size);
    memcpy(copy, data, size);
    return copy;
}

START_TEST(spoilt_kernel_gets_one_sentence)
{
    const struct row *row = &rows[_i];
    uint8_t data[IMAGE_MAX];
    size_t size = make(row->base, data);
    for (const struct edit *e = row->edits; e < row->edits + ARRAY_SIZE(row->edits) && e->size; e++)
        memcpy(data + e->offset, &e->value, e->size);
    if (row->cut)
        size = row->cut;
    uint8_t *file = exact_copy(data, size);
    struct fixture f;
    fixture_init(&f, 16 << 20);
    ck_assert_msg(!fixture_load(&f, file, size), "%s: was loaded", row->name);
    ck_assert_msg(f.error != NULL, "%s: failed without a message", row->name);
    check_is_sentence(f.error->message);
    ck_assert_msg(strstr(f.error->message, row->says), "%s: says '%s'", row->name, f.error->message);
    fixture_clear(&f);
    free(file);
}
END_TEST

START_TEST(unspoilt_kernels_load)
{
    for (int base = BZ; base <= MB2_ELF; base++) {
        uint8_t data[IMAGE_MAX];
        size_t size = make((enum base)base, data);
        struct fixture f;
        fixture_init(&f, 16 << 20);
        ck_assert_msg(fixture_load(&f, data, size), "%d: %s", base, f.error ? f.error->message : "?");
        fixture_clear(&f);
    }
}
END_TEST

START_TEST(every_truncation_is_survived)
{
    uint8_t data[IMAGE_MAX];
    size_t size = make((enum base)_i, data);
    struct fixture f;
    fixture_init(&f, 16 << 20);
    for (size_t cut = 0; cut < size; cut++) {
        uint8_t *file = exact_copy(data, cut);
        if (!fixture_load(&f, file, cut))
            check_is_sentence(f.error->message);
        g_clear_error(&f.error);
        free(file);
    }
    fixture_clear(&f);
}
END_TEST

START_TEST(random_damage_is_survived)
{
    uint8_t good[IMAGE_MAX];
    size_t size = make((enum base)_i, good);
    uint64_t seed = 0x9e3779b97f4a7c15u + (uint64_t)_i;
    struct fixture f;
    fixture_init(&f, 16 << 20);
    for (unsigned round = 0; round < 4000; round++) {
        uint8_t *file = exact_copy(good, size);
        for (unsigned n = 0; n < 1 + round % 4; n++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            /* The interesting bytes are in the first 768. */
            size_t at = (seed >> 33) % MIN(size, (size_t)768);
            file[at] = seed >> 60 < 6 ? 0xff : (uint8_t)(seed >> 24);
        }
        if (!fixture_load(&f, file, size))
            check_is_sentence(f.error->message);
        g_clear_error(&f.error);
        free(file);
    }
    fixture_clear(&f);
}
END_TEST

/* What the user gives besides the kernel. */
START_TEST(bad_company_gets_one_sentence)
{
    static uint8_t big[12 << 20];
    uint8_t kernel[IMAGE_MAX];
    char *line = g_strnfill(5000, 'x'), *endless = g_strnfill(200000, 'x');
    struct boot_file files[2] = { { .name = "i", .data = big, .size = 4096 },
                                  { .name = "j", .data = big, .size = 4096 } };
    struct boot_file huge = { .name = "i", .data = big, .size = sizeof big };
    struct fixture f;

    size_t size = make(BZ, kernel);
    fixture_init(&f, 16 << 20);
    f.request.command_line = line;
    ck_assert(!fixture_load(&f, kernel, size));
    ck_assert_ptr_nonnull(strstr(f.error->message, "takes 2047 at most"));
    check_is_sentence(f.error->message);
    g_clear_error(&f.error);

    put32(kernel + LINUX_CMDLINE_SIZE, 0xffffffff);
    f.request.command_line = endless;
    ck_assert(!fixture_load(&f, kernel, size));
    check_is_sentence(f.error->message);
    g_clear_error(&f.error);
    f.request.command_line = "";

    f.request.initrds = files;
    f.request.initrd_count = 2;
    ck_assert(!fixture_load(&f, kernel, size));
    ck_assert_ptr_nonnull(strstr(f.error->message, "one --initrd, not 2"));
    g_clear_error(&f.error);

    f.request.initrds = &huge;
    f.request.initrd_count = 1;
    ck_assert(!fixture_load(&f, kernel, size));
    ck_assert_ptr_nonnull(strstr(f.error->message, "at least 17 MiB"));
    g_clear_error(&f.error);

    put32(kernel + LINUX_INITRD_ADDR_MAX, 0x500000); /* just above the kernel's end */
    f.request.initrds = files;
    ck_assert(!fixture_load(&f, kernel, size));
    ck_assert_ptr_nonnull(strstr(f.error->message, "does not fit between"));
    check_is_sentence(f.error->message);
    g_clear_error(&f.error);

    size = make(MB_ELF, kernel);
    f.request.command_line = endless;
    ck_assert(!fixture_load(&f, kernel, size));
    ck_assert_ptr_nonnull(strstr(f.error->message, "text"));
    check_is_sentence(f.error->message);
    fixture_clear(&f);
    g_free(line);
    g_free(endless);
}
END_TEST

START_TEST(foreign_files_get_one_sentence)
{
    static const char *const files[] = { "", "x", "#!/bin/sh\necho hello\n", "\177ELF", "\x1f\x8b\x08" };
    struct fixture f;
    fixture_init(&f, 16 << 20);
    uint8_t *file = exact_copy((const uint8_t *)files[_i], strlen(files[_i]));
    ck_assert(!fixture_load(&f, file, strlen(files[_i])));
    check_is_sentence(f.error->message);
    fixture_clear(&f);
    free(file);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("loader_malformed");
    TCase *tc = tcase_create("malformed");
    tcase_add_loop_test(tc, spoilt_kernel_gets_one_sentence, 0, ARRAY_SIZE(rows));
    tcase_add_test(tc, unspoilt_kernels_load);
    tcase_add_loop_test(tc, every_truncation_is_survived, BZ, MB2_ELF + 1);
    tcase_add_loop_test(tc, random_damage_is_survived, BZ, MB2_ELF + 1);
    tcase_add_test(tc, bad_company_gets_one_sentence);
    tcase_add_loop_test(tc, foreign_files_get_one_sentence, 0, 5);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
