/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A Multiboot 2 kernel that looks at everything a boot loader promises it, as multiboot.c does for Multiboot
 * 1 and started with the same options. Multiboot2 Specification 2.0, "I386", "Boot information format".
 */
#include "kernel.h"

#define BOOT_MAGIC 0x36d76289u

enum {
    TAG_END = 0,
    TAG_COMMAND_LINE = 1,
    TAG_LOADER_NAME = 2,
    TAG_MODULE = 3,
    TAG_MEMORY = 4,
    TAG_MEMORY_MAP = 6,
    TAG_FRAMEBUFFER = 8,
    TAG_SECTIONS = 9,
};

struct info {
    uint32_t total_size, reserved;
};

struct tag {
    uint32_t type, size;
    uint32_t word[]; /* what follows, by kind */
};

struct range {
    uint64_t base, length;
    uint32_t type, reserved; /* 1: RAM that is free to use */
};

void kernel_main(uint32_t magic, const struct info *info, uint32_t eflags);

/* The tag behind `tag`, or the first. */
static const struct tag *next_tag(const struct info *info, const struct tag *tag)
{
    if (!tag)
        return (const struct tag *)(info + 1);
    return (const struct tag *)((uint32_t)tag + ((tag->size + 7) & ~7u));
}

static const struct tag *find_tag(const struct info *info, uint32_t type, unsigned n)
{
    for (const struct tag *tag = next_tag(info, NULL); tag->type != TAG_END; tag = next_tag(info, tag))
        if (tag->type == type && n-- == 0)
            return tag;
    return NULL;
}

static void check_list(const struct info *info)
{
    const struct tag *tag = NULL;
    check((uint32_t)info % 8 == 0, "alignment of the information");
    do {
        tag = next_tag(info, tag);
        check(tag->size >= 8 && (uint32_t)tag + tag->size <= (uint32_t)info + info->total_size,
              "size of a tag");
    } while (tag->type != TAG_END);
    check(tag->size == 8 && (uint32_t)(tag + 1) == (uint32_t)info + info->total_size, "end of the tags");
}

static void check_texts(const struct info *info)
{
    const struct tag *line = find_tag(info, TAG_COMMAND_LINE, 0), *name = find_tag(info, TAG_LOADER_NAME, 0);
    check(line && equal((const char *)line->word, "alpha beta=2"), "command line");
    check(name && length_of((const char *)name->word) > 0, "name of the boot loader");
}

static void check_memory(const struct info *info)
{
    const struct tag *basic = find_tag(info, TAG_MEMORY, 0), *map = find_tag(info, TAG_MEMORY_MAP, 0);
    uint64_t last = 0, lower = 0, upper = 0;
    check(basic && map, "tags about memory");
    uint32_t entry_size = map->word[0], end = (uint32_t)map + map->size;
    check(entry_size >= sizeof(struct range) && entry_size % 8 == 0, "size of a memory map entry");
    for (uint32_t at = (uint32_t)&map->word[2]; at < end; at += entry_size) {
        const struct range *r = (const struct range *)at;
        check(r->length > 0 && r->base >= last, "order of the memory map");
        last = r->base + r->length;
        if (r->type != 1)
            continue;
        if (r->base == 0)
            lower = r->length;
        if (r->base == MIB)
            upper = r->length;
        check_ram_at((uint32_t)last - 4);
    }
    check(lower >= 512 * 1024 && lower <= 640 * 1024 && upper == RAM_SIZE - MIB, "RAM in the memory map");
    check(basic->word[0] == lower >> 10 && basic->word[1] == upper >> 10, "basic memory information");
    check(cmos16(0x15) == 640, "memory size in CMOS");
}

static void check_modules(const struct info *info)
{
    static const char *const string[] = { "with two  arguments", "", "" };
    uint32_t last = 0;
    for (unsigned i = 0; i < 3; i++) {
        const struct tag *tag = find_tag(info, TAG_MODULE, i);
        check(tag, "number of modules");
        check_module_contents(i, tag->word[0], tag->word[1]);
        check(tag->word[0] >= last && tag->word[1] <= RAM_SIZE, "place of a module");
        last = tag->word[1];
        check(equal((const char *)&tag->word[2], string[i]), "string of a module");
    }
    check(!find_tag(info, TAG_MODULE, 3), "a module too many");
}

static void check_screen(const struct info *info)
{
    const struct tag *tag = find_tag(info, TAG_FRAMEBUFFER, 0);
    check(tag && tag->word[0] == 0xb8000 && tag->word[3] == 80 && tag->word[4] == 25, "screen");
    check((tag->word[5] & 0xffff) == (16 | 2 << 8), "kind of screen");
}

static void check_sections(const struct info *info)
{
    const struct tag *tag = find_tag(info, TAG_SECTIONS, 0);
#ifdef MULTIBOOT_ADDRESSES
    check(!tag, "sections of a file that is no ELF");
#else
    check(tag && tag->word[1] == sizeof(struct section), "sections");
    check_symbols((const struct section *)&tag->word[3], tag->word[0], "kernel_main", (uint32_t)&kernel_main);
#endif
}

void kernel_main(uint32_t magic, const struct info *info, uint32_t eflags)
{
    check_state(magic, BOOT_MAGIC, eflags);
    check_list(info);
    check_texts(info);
    check_memory(info);
    check_modules(info);
    check_screen(info);
    check_sections(info);
    finish(PASSED);
}
