/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Multiboot 1 kernels: header and information structure.
 * Multiboot Specification 0.6.96, "OS image format", "Machine state", "Boot information format".
 */
#include "multiboot.h"

#include "bytes.h"
#include "error.h"

enum {
    MB_SEARCH = 8192, /* the header lies in the first so many bytes, 4-byte aligned */
    MB_HEADER_MIN = 12,
    MB_HEADER_ADDRESSES = 32, /* with the address fields */
    MB_HEADER_VIDEO = 48,     /* and the video fields */
};

#define MB_HEADER_MAGIC UINT32_C(0x1badb002)
#define MB_BOOT_MAGIC   UINT32_C(0x2badb002)

enum { /* header flags; 0..15 are requirements, the rest may be ignored if not understood */
       MB_PAGE_ALIGN = 1 << 0,
       MB_MEMORY_INFO = 1 << 1,
       MB_VIDEO_MODE = 1 << 2,
       MB_REQUIRED = 0xffff,
       MB_ADDRESSES = 1 << 16,
};

enum { /* information structure: offsets, and the flag that says a field is there */
       MBI_FLAGS = 0,
       MBI_MEM_LOWER = 4,
       MBI_MEM_UPPER = 8,
       MBI_CMDLINE = 16,
       MBI_MODS_COUNT = 20,
       MBI_MODS_ADDR = 24,
       MBI_SYMS = 28, /* of ELF: count, size of each, address, index of the names */
       MBI_MMAP_LENGTH = 44,
       MBI_MMAP_ADDR = 48,
       MBI_LOADER_NAME = 64,
       MBI_FRAMEBUFFER = 88, /* address 8, pitch 4, width 4, height 4, bits 1, type 1 */
       MBI_SIZE = 116,

       MBI_HAS_MEMORY = 1 << 0,
       MBI_HAS_CMDLINE = 1 << 2,
       MBI_HAS_MODS = 1 << 3,
       MBI_HAS_ELF_SECTIONS = 1 << 5,
       MBI_HAS_MMAP = 1 << 6,
       MBI_HAS_LOADER_NAME = 1 << 9,
       MBI_HAS_FRAMEBUFFER = 1 << 12,

       MBI_MMAP_ENTRY = 24,   /* with its own size field in front */
       MBI_MODULE_ENTRY = 16, /* start, end, string, 0 */
       MBI_FRAMEBUFFER_TEXT = 2,
};

ssize_t multiboot_find_header(const uint8_t *data, size_t size)
{
    size_t limit = MIN(size, (size_t)MB_SEARCH);
    for (size_t at = 0; at + MB_HEADER_MIN <= limit; at += 4) {
        const uint8_t *h = data + at;
        if (get32(h) == MB_HEADER_MAGIC && get32(h) + get32(h + 4) + get32(h + 8) == 0)
            return (ssize_t)at;
    }
    return -1;
}

/* Refuse what is required of us and cannot be given. */
static gboolean check_requirements(const struct boot_request *request, size_t at, GError **error)
{
    const uint8_t *header = request->kernel.data + at;
    size_t left = request->kernel.size - at;
    uint32_t flags = get32(header + 4);
    uint32_t unknown = flags & MB_REQUIRED & ~(uint32_t)(MB_PAGE_ALIGN | MB_MEMORY_INFO | MB_VIDEO_MODE);
    if (unknown)
        return fail_with(error, FRONTEND_ERROR_IMAGE,
                         "the Multiboot kernel '%s' requires features no specification names (flags 0x%x)",
                         request->kernel.name, unknown);
    if ((flags & MB_ADDRESSES) && left < MB_HEADER_ADDRESSES)
        return multiboot_fail(request, error, "is cut off inside its header");
    if (flags & MB_VIDEO_MODE) {
        if (left < MB_HEADER_VIDEO)
            return multiboot_fail(request, error, "is cut off inside its header");
        if (get32(header + 32) != 1) /* mode_type: 1 is EGA text */
            return multiboot_fail(request, error,
                                  "requires a graphics mode; this machine can only promise it text");
    }
    return TRUE;
}

static gboolean load_image(struct multiboot_image *image, const struct boot_request *request,
                           const struct boot_memory *memory, size_t at, GError **error)
{
    const uint8_t *header = request->kernel.data + at;
    if (!(get32(header + 4) & MB_ADDRESSES))
        return multiboot_load_elf(image, request, memory, NULL, error);
    const struct multiboot_addresses addresses = {
        .header_addr = get32(header + 12),
        .load_addr = get32(header + 16),
        .load_end_addr = get32(header + 20),
        .bss_end_addr = get32(header + 24),
        .entry_addr = get32(header + 28),
    };
    return multiboot_load_flat(image, request, memory, at, &addresses, error);
}

/* The information structure, and the string area behind it, while they are put together. */
struct info {
    const struct boot_request *request;
    const struct boot_memory *memory;
    uint8_t data[MBI_SIZE];
    uint64_t next; /* free in the string area */
};

/* Append to the string area; the guest-physical address goes to `pa`. */
static gboolean info_append(struct info *info, const void *data, size_t size, uint32_t *pa, GError **error)
{
    if (size > MEMORY_MAP_EBDA - info->next)
        return multiboot_fail(info->request, error,
                              "cannot be given that much text: command line and module strings together have "
                              "55 KiB");
    *pa = (uint32_t)info->next;
    info->next = align_up(info->next + size, 4);
    return boot_write(info->memory, *pa, data, size, error);
}

static void info_set(struct info *info, unsigned offset, uint32_t value, uint32_t flag)
{
    put32(info->data + offset, value);
    put32(info->data + MBI_FLAGS, get32(info->data + MBI_FLAGS) | flag);
}

/* The table of modules, which tells the address of each and of its string. */
static gboolean add_module_table(struct info *info, const uint32_t *start, GError **error)
{
    const struct boot_request *request = info->request;
    uint8_t *table = g_malloc0((request->initrd_count + 1) * MBI_MODULE_ENTRY);
    gboolean ok = TRUE;
    for (size_t i = 0; ok && i < request->initrd_count; i++) {
        const struct boot_file *module = &request->initrds[i];
        const char *string = multiboot_module_string(module);
        uint8_t *entry = table + i * MBI_MODULE_ENTRY;
        uint32_t string_pa = 0;
        ok = info_append(info, string, strlen(string) + 1, &string_pa, error);
        put32(entry, start[i]);
        put32(entry + 4, start[i] + (uint32_t)module->size);
        put32(entry + 8, string_pa);
    }
    uint32_t table_pa = 0;
    ok = ok && info_append(info, table, request->initrd_count * MBI_MODULE_ENTRY, &table_pa, error);
    g_free(table);
    info_set(info, MBI_MODS_COUNT, (uint32_t)request->initrd_count, MBI_HAS_MODS);
    info_set(info, MBI_MODS_ADDR, table_pa, MBI_HAS_MODS);
    return ok;
}

static gboolean add_modules(struct info *info, const struct multiboot_image *image, GError **error)
{
    uint32_t *start = g_new0(uint32_t, info->request->initrd_count + 1);
    gboolean ok = multiboot_place_modules(image, info->request, info->memory, start, error) &&
                  add_module_table(info, start, error);
    g_free(start);
    return ok;
}

static gboolean add_sections(struct info *info, const struct elf_sections *sections, GError **error)
{
    uint32_t pa;
    if (!sections->table)
        return TRUE;
    if (!info_append(info, sections->table, elf_sections_size(sections), &pa, error))
        return FALSE;
    info_set(info, MBI_SYMS, sections->count, MBI_HAS_ELF_SECTIONS);
    info_set(info, MBI_SYMS + 4, sections->entry_size, MBI_HAS_ELF_SECTIONS);
    info_set(info, MBI_SYMS + 8, pa, MBI_HAS_ELF_SECTIONS);
    info_set(info, MBI_SYMS + 12, sections->strings, MBI_HAS_ELF_SECTIONS);
    return TRUE;
}

static gboolean add_memory(struct info *info, GError **error)
{
    const struct memory_map *map = info->request->map;
    uint8_t table[MEMORY_MAP_RANGES_MAX * MBI_MMAP_ENTRY];
    for (unsigned i = 0; i < map->count; i++) {
        uint8_t *entry = table + i * MBI_MMAP_ENTRY;
        put32(entry, MBI_MMAP_ENTRY - 4); /* the size field does not count itself */
        put64(entry + 4, map->range[i].base);
        put64(entry + 12, map->range[i].size);
        put32(entry + 20, map->range[i].type);
    }
    uint32_t pa;
    if (!info_append(info, table, map->count * MBI_MMAP_ENTRY, &pa, error))
        return FALSE;
    info_set(info, MBI_MMAP_LENGTH, map->count * MBI_MMAP_ENTRY, MBI_HAS_MMAP);
    info_set(info, MBI_MMAP_ADDR, pa, MBI_HAS_MMAP);
    info_set(info, MBI_MEM_LOWER, MEMORY_MAP_EBDA >> 10, MBI_HAS_MEMORY);
    info_set(info, MBI_MEM_UPPER, (uint32_t)((map->low_top - MEMORY_MAP_EXTENDED) >> 10), MBI_HAS_MEMORY);
    return TRUE;
}

/* Kernel name and arguments, as the reference boot loader passes them. */
static gboolean add_strings(struct info *info, GError **error)
{
    const struct boot_request *request = info->request;
    char *line = *request->command_line ? g_strconcat(request->kernel.name, " ", request->command_line, NULL)
                                        : g_strdup(request->kernel.name);
    static const char name[] = "Duplex86";
    uint32_t line_pa, name_pa;
    gboolean ok = info_append(info, line, strlen(line) + 1, &line_pa, error) &&
                  info_append(info, name, sizeof name, &name_pa, error);
    g_free(line);
    if (!ok)
        return FALSE;
    info_set(info, MBI_CMDLINE, line_pa, MBI_HAS_CMDLINE);
    info_set(info, MBI_LOADER_NAME, name_pa, MBI_HAS_LOADER_NAME);
    return TRUE;
}

/* The screen of a kernel that asked about it: 80x25 text, as the machine starts. */
static void add_framebuffer(struct info *info)
{
    uint8_t *fb = info->data + MBI_FRAMEBUFFER;
    put64(fb, 0xb8000);
    put32(fb + 8, 160); /* bytes a line */
    put32(fb + 12, 80);
    put32(fb + 16, 25);
    fb[20] = 16; /* bits a character */
    fb[21] = MBI_FRAMEBUFFER_TEXT;
    put32(info->data + MBI_FLAGS, get32(info->data + MBI_FLAGS) | MBI_HAS_FRAMEBUFFER);
}

static gboolean write_info(const struct multiboot_image *image, uint32_t flags,
                           const struct boot_request *request, const struct boot_memory *memory,
                           GError **error)
{
    struct info info = { .request = request, .memory = memory, .next = BOOT_STRINGS };
    if (!add_modules(&info, image, error) || !add_sections(&info, &image->sections, error) ||
        !add_memory(&info, error) || !add_strings(&info, error))
        return FALSE;
    if (flags & MB_VIDEO_MODE)
        add_framebuffer(&info);
    return boot_write(memory, BOOT_INFO, info.data, sizeof info.data, error);
}

gboolean loader_multiboot_load(const struct boot_request *request, const struct boot_memory *memory,
                               struct boot_state *state, GError **error)
{
    ssize_t at = multiboot_find_header(request->kernel.data, request->kernel.size);
    if (at < 0)
        return multiboot_fail(request, error, "has no Multiboot header");
    uint32_t flags = get32(request->kernel.data + at + 4);
    struct multiboot_image image = { 0 };
    gboolean ok = check_requirements(request, (size_t)at, error) &&
                  load_image(&image, request, memory, (size_t)at, error) &&
                  write_info(&image, flags, request, memory, error);
    multiboot_image_clear(&image);
    state->format = "Multiboot kernel";
    state->eip = image.entry;
    state->eax = MB_BOOT_MAGIC;
    state->ebx = BOOT_INFO;
    return ok;
}
