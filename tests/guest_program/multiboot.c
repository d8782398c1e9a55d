/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A Multiboot 1 kernel that looks at everything a boot loader promises it: machine state, command line,
 * modules and their strings, memory, symbols. It was started with (tests/guest_program/CMakeLists.txt)
 *
 *     --ram 64M --append "alpha beta=2" --initrd "module1.txt with two  arguments" --initrd module2.txt
 *     --initrd empty.txt
 *
 * Multiboot Specification 0.6.96, "Machine state", "Boot information format".
 */
#include "kernel.h"

#define BOOT_MAGIC 0x2badb002u

struct info {
    uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr;
    uint32_t syms[4];
    uint32_t mmap_length, mmap_addr, drives_length, drives_addr, config_table, boot_loader_name;
};

enum {
    HAS_MEMORY = 1 << 0,
    HAS_CMDLINE = 1 << 2,
    HAS_MODS = 1 << 3,
    HAS_SECTIONS = 1 << 5,
    HAS_MMAP = 1 << 6,
    HAS_NAME = 1 << 9,
};

struct module {
    uint32_t start, end, string, reserved;
};

struct range {
    uint32_t size; /* of what follows */
    uint64_t base, length;
    uint32_t type; /* 1: RAM that is free to use */
} __attribute__((packed));

_Static_assert(offsetof(struct info, mmap_length) == 44 && offsetof(struct info, boot_loader_name) == 64,
               "the specification's offsets");

void kernel_main(uint32_t magic, const struct info *info, uint32_t eflags);

/* ---- Memory ---- */

static const struct range *next_range(const struct range *r)
{
    return (const struct range *)((const uint8_t *)r + r->size + sizeof r->size);
}

/* Does the memory map call all of this RAM? */
static bool is_ram(const struct info *info, uint64_t start, uint64_t end)
{
    uint32_t mmap_end = info->mmap_addr + info->mmap_length;
    for (const struct range *r = (const struct range *)info->mmap_addr; (uint32_t)r < mmap_end;
         r = next_range(r))
        if (r->type == 1 && start >= r->base && end <= r->base + r->length)
            return true;
    return false;
}

static void check_memory(const struct info *info)
{
    uint32_t mmap_end = info->mmap_addr + info->mmap_length;
    uint64_t total = 0, last = 0, lower = 0, upper = 0;
    check((info->flags & (HAS_MEMORY | HAS_MMAP)) == (HAS_MEMORY | HAS_MMAP), "flags: memory");
    for (const struct range *r = (const struct range *)info->mmap_addr; (uint32_t)r < mmap_end;
         r = next_range(r)) {
        check(r->size >= 20, "size of a memory map entry");
        check(r->length > 0 && r->base >= last, "order of the memory map");
        last = r->base + r->length;
        if (r->type != 1)
            continue;
        total += r->length;
        if (r->base == 0)
            lower = r->length;
        if (r->base == MIB)
            upper = r->length;
        check(last <= RAM_SIZE, "end of RAM");
        check_ram_at((uint32_t)last - 4);
    }
    check(lower >= 512 * 1024 && lower <= 640 * 1024 && upper == RAM_SIZE - MIB, "RAM in the memory map");
    check(total == lower + upper, "sum of the memory map");
    check(info->mem_lower == lower >> 10 && info->mem_upper == upper >> 10, "mem_lower, mem_upper");
    check(cmos16(0x15) == 640 && cmos16(0x34) == (RAM_SIZE - 16 * MIB) >> 16, "memory size in CMOS");
    check(is_ram(info, 2 * MIB, (uint32_t)image_end), "place of the kernel");
}

/* ---- Modules ---- */

static void check_modules(const struct info *info)
{
    check(info->flags & HAS_MODS, "flags: modules");
    check(info->mods_count == 3, "number of modules");
    const struct module *m = (const struct module *)info->mods_addr;
    for (unsigned i = 0; i < 3; i++) {
        check_module_contents(i, m[i].start, m[i].end);
        check(is_ram(info, m[i].start, m[i].end), "place of a module");
    }
    check(m[0].end <= m[1].start || m[1].end <= m[0].start, "a module over the other");
    check(ends_with(text_at(m[0].string), "/module1.txt with two  arguments"), "string of the first module");
    check(ends_with(text_at(m[1].string), "/module2.txt"), "string of the second module");
}

static void check_sections(const struct info *info)
{
#ifdef MULTIBOOT_ADDRESSES
    check(!(info->flags & HAS_SECTIONS), "flags: sections of a file that is no ELF");
#else
    check(info->flags & HAS_SECTIONS, "flags: sections");
    check(info->syms[1] == sizeof(struct section), "size of a section header");
    check_symbols((const struct section *)info->syms[2], info->syms[0], "kernel_main",
                  (uint32_t)&kernel_main);
#endif
}

static void check_strings(const struct info *info)
{
    check((info->flags & (HAS_CMDLINE | HAS_NAME)) == (HAS_CMDLINE | HAS_NAME), "flags: strings");
    check(ends_with(text_at(info->cmdline), KERNEL_NAME " alpha beta=2"), "command line");
    check(length_of(text_at(info->boot_loader_name)) > 0, "name of the boot loader");
}

void kernel_main(uint32_t magic, const struct info *info, uint32_t eflags)
{
    check_state(magic, BOOT_MAGIC, eflags);
    check_strings(info);
    check_memory(info);
    check_modules(info);
    check_sections(info);
    finish(PASSED);
}
