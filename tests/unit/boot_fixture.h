/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the loaders' suites share: guest memory that is an array, kernels made byte by byte, and one check of
 * what an error message must look like.
 */
#pragma once

#include "bytes.h"
#include "error.h"
#include "linux_params.h"
#include "loader.h"

#include <check.h>
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof *(a))

/* Guest RAM from address 0, without holes: loaders must not write where the map has none. */
struct fake_memory {
    uint8_t *ram;
    uint64_t size;
    const struct memory_map *map;
};

static inline bool fake_is_memory(const struct fake_memory *fake, uint64_t pa, size_t size)
{
    /* The EBDA is memory too, though not a kernel's. */
    return memory_map_is_ram(fake->map, pa, size) || (pa >= MEMORY_MAP_EBDA && pa + size <= 0xa0000);
}

static inline int fake_write(void *opaque, uint64_t pa, const void *data, size_t size)
{
    struct fake_memory *fake = opaque;
    if (!fake_is_memory(fake, pa, size) || pa + size > fake->size)
        return -EFAULT;
    memcpy(fake->ram + pa, data, size);
    return 0;
}

/* A machine to load into. RAM is filled with a pattern, so that forgotten zeroing shows. */
struct fixture {
    struct pc_config config;
    struct memory_map map;
    struct fake_memory fake;
    struct boot_memory memory;
    struct boot_request request;
    struct boot_state state;
    GError *error;
};

static inline void fixture_init(struct fixture *f, uint64_t ram_size)
{
    *f = (struct fixture){ .config = { .ram_size = ram_size, .bios_size = 4096, .serial_ports = 1 } };
    memory_map_init(&f->map, &f->config);
    f->fake = (struct fake_memory){ .ram = malloc(ram_size), .size = ram_size, .map = &f->map };
    memset(f->fake.ram, 0xa5, ram_size);
    f->memory = (struct boot_memory){ .write = fake_write, .opaque = &f->fake };
    f->request = (struct boot_request){ .command_line = "", .map = &f->map };
}

static inline void fixture_clear(struct fixture *f)
{
    free(f->fake.ram);
    g_clear_error(&f->error);
}

static inline gboolean fixture_load(struct fixture *f, const uint8_t *data, size_t size)
{
    f->request.kernel = (struct boot_file){ .name = "kernel", .data = data, .size = size };
    return loader_load(&f->request, &f->memory, &f->state, &f->error);
}

/* One sentence, fit to follow "duplex86: ". */
static inline void check_is_sentence(const char *text)
{
    size_t length = strlen(text);
    ck_assert_msg(length > 10, "too short to help: '%s'", text);
    ck_assert_msg(!strchr(text, '\n'), "more than a line: '%s'", text);
    ck_assert_msg(text[length - 1] != '.', "ends with a full stop: '%s'", text);
    ck_assert_msg(!(text[0] >= 'A' && text[0] <= 'Z'), "begins with a capital: '%s'", text);
}

/* ---- Kernels ---- */

enum {
    BZ_CODE = 5 * 512, /* set-up sectors: the boot sector and four more */
    BZ_CODE_SIZE = 4096,
    BZ_SIZE = BZ_CODE + BZ_CODE_SIZE,
    BZ_LOAD = 0x200000,
    BZ_INIT_SIZE = 0x300000,
};

/* A relocatable 2.15 bzImage; code bytes count up from 1. */
static inline void make_bzimage(uint8_t *data)
{
    memset(data, 0, BZ_SIZE);
    data[LINUX_SETUP_SECTS] = 4;
    put32(data + LINUX_SYSSIZE, BZ_CODE_SIZE / 16);
    put16(data + LINUX_BOOT_FLAG, 0xaa55);
    data[0x200] = 0xeb;
    data[LINUX_JUMP_OFFSET] = 0x26c - 0x202;
    memcpy(data + LINUX_HEADER, "HdrS", 4);
    put16(data + LINUX_VERSION, 0x020f);
    data[LINUX_LOADFLAGS] = LINUX_LOADED_HIGH | LINUX_KEEP_SEGMENTS;
    put32(data + LINUX_CODE32_START, 0x100000);
    put32(data + LINUX_INITRD_ADDR_MAX, 0x7fffffff);
    put32(data + LINUX_KERNEL_ALIGNMENT, 0x100000);
    data[LINUX_RELOCATABLE] = 1;
    put32(data + LINUX_CMDLINE_SIZE, 2047);
    put64(data + LINUX_SETUP_DATA, 0x1234);
    put64(data + LINUX_PREF_ADDRESS, BZ_LOAD);
    put32(data + LINUX_INIT_SIZE, BZ_INIT_SIZE);
    for (unsigned i = 0; i < BZ_CODE_SIZE; i++)
        data[BZ_CODE + i] = (uint8_t)(i + 1);
}

enum {
    ELF_PHDR = sizeof(Elf32_Ehdr),
    ELF_TEXT = 0x100, /* file offset; also the Multiboot header's, where there is one */
    ELF_TEXT_SIZE = 0x200,
    ELF_DATA = ELF_TEXT + ELF_TEXT_SIZE,
    ELF_DATA_SIZE = 0x100,
    ELF_SIZE = ELF_DATA + ELF_DATA_SIZE,
    ELF_TEXT_PA = 0x100000,
    ELF_DATA_PA = 0x110000,
    ELF_DATA_MEM = 0x3000,
    ELF_END = ELF_DATA_PA + ELF_DATA_MEM,
};

#define ELF_OFFSET UINT32_C(0xc0000000) /* virtual less physical */

/* Two segments, the second with a bss; the entry is virtual, 16 bytes into the first. */
static inline void make_elf(uint8_t *data)
{
    Elf32_Ehdr ehdr = {
        .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB, EV_CURRENT },
        .e_type = ET_EXEC,
        .e_machine = EM_386,
        .e_version = EV_CURRENT,
        .e_entry = ELF_OFFSET + ELF_TEXT_PA + 16,
        .e_phoff = ELF_PHDR,
        .e_ehsize = sizeof(Elf32_Ehdr),
        .e_phentsize = sizeof(Elf32_Phdr),
        .e_phnum = 2,
        .e_shentsize = sizeof(Elf32_Shdr),
    };
    Elf32_Phdr phdrs[2] = {
        { .p_type = PT_LOAD,
          .p_offset = ELF_TEXT,
          .p_vaddr = ELF_OFFSET + ELF_TEXT_PA,
          .p_paddr = ELF_TEXT_PA,
          .p_filesz = ELF_TEXT_SIZE,
          .p_memsz = ELF_TEXT_SIZE,
          .p_flags = PF_R | PF_X },
        { .p_type = PT_LOAD,
          .p_offset = ELF_DATA,
          .p_vaddr = ELF_OFFSET + ELF_DATA_PA,
          .p_paddr = ELF_DATA_PA,
          .p_filesz = ELF_DATA_SIZE,
          .p_memsz = ELF_DATA_MEM,
          .p_flags = PF_R | PF_W },
    };
    memset(data, 0, ELF_SIZE);
    memcpy(data, &ehdr, sizeof ehdr);
    memcpy(data + ELF_PHDR, phdrs, sizeof phdrs);
    for (unsigned i = ELF_TEXT; i < ELF_SIZE; i++)
        data[i] = (uint8_t)(i * 7 + 1);
}

static inline void put_multiboot_header(uint8_t *header, uint32_t flags)
{
    put32(header, 0x1badb002);
    put32(header + 4, flags);
    put32(header + 8, 0u - 0x1badb002u - flags);
}

enum {
    FLAT_HEADER = 0x20, /* file offset of the header */
    FLAT_SIZE = 0x800,
    FLAT_LOAD = 0x200000,
    FLAT_END = FLAT_LOAD + 0x700 + 0x1000,
    FLAT_SKIP = 0x10, /* bytes of the file before what is loaded */
};

/* A Multiboot kernel by its address fields: a file that is no ELF. */
static inline void make_flat(uint8_t *data)
{
    for (unsigned i = 0; i < FLAT_SIZE; i++)
        data[i] = (uint8_t)(i * 5 + 3);
    uint8_t *header = data + FLAT_HEADER;
    put_multiboot_header(header, 0x10003);
    put32(header + 12, FLAT_LOAD + FLAT_HEADER - FLAT_SKIP); /* header_addr */
    put32(header + 16, FLAT_LOAD);
    put32(header + 20, FLAT_LOAD + 0x700); /* load_end_addr */
    put32(header + 24, FLAT_END);          /* bss_end_addr */
    put32(header + 28, FLAT_LOAD + 0x40);  /* entry_addr */
}

/* A Multiboot kernel in ELF. */
static inline void make_multiboot_elf(uint8_t *data, uint32_t flags)
{
    make_elf(data);
    put_multiboot_header(data + ELF_TEXT, flags);
}

enum {
    MB2_HEADER_SIZE = 16 + 24 + 8,
    MB2_TAG = ELF_TEXT + 16, /* its one tag but the last: 24 bytes */
};

#define MB2_CHECKSUM (0u - 0xe85250d6u - MB2_HEADER_SIZE)

/* A Multiboot 2 kernel in ELF that can be moved within its machine, and would rather not. */
static inline void make_multiboot2_elf(uint8_t *data)
{
    make_elf(data);
    uint8_t *header = data + ELF_TEXT, *tag = data + MB2_TAG;
    put32(header, 0xe85250d6);
    put32(header + 4, 0);
    put32(header + 8, MB2_HEADER_SIZE);
    put32(header + 12, MB2_CHECKSUM);
    put16(tag, 10); /* relocatable */
    put16(tag + 2, 0);
    put32(tag + 4, 24);
    put32(tag + 8, 0);
    put32(tag + 12, 0xffffffff);
    put32(tag + 16, 4096);
    put32(tag + 20, 0);
    put32(tag + 24, 0); /* end */
    put32(tag + 28, 8);
}
