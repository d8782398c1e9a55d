/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Multiboot 2 kernels: a header made of tags says what the kernel needs, and information made of tags is what
 * it gets.
 * Multiboot2 Specification 2.0, "OS image format", "I386", "Boot information format".
 */
#include "multiboot.h"

#include "bytes.h"
#include "error.h"

enum {
    MB2_SEARCH = 32768, /* the header lies in the first so many bytes, 8-byte aligned */
    MB2_HEADER_SIZE = 16,
    MB2_I386 = 0, /* architecture */
    MB2_ALIGN = 8,
    MB2_LOAD_FROM_START = -1, /* load_addr: from the file's first byte */
};

#define MB2_HEADER_MAGIC UINT32_C(0xe85250d6)
#define MB2_BOOT_MAGIC   UINT32_C(0x36d76289)

enum header_tag {
    HEADER_END = 0,
    HEADER_INFORMATION = 1,
    HEADER_ADDRESS = 2,
    HEADER_ENTRY = 3,
    HEADER_CONSOLE = 4,
    HEADER_FRAMEBUFFER = 5,
    HEADER_MODULE_ALIGN = 6,
    HEADER_EFI_SERVICES = 7, /* these three matter where there is EFI */
    HEADER_EFI_ENTRY_I386 = 8,
    HEADER_EFI_ENTRY_AMD64 = 9,
    HEADER_RELOCATABLE = 10,

    HEADER_OPTIONAL = 1 << 0,  /* flags of a tag: it may be ignored */
    CONSOLE_REQUIRED = 1 << 0, /* console_flags */
    CONSOLE_TEXT_SUPPORTED = 1 << 1,
};

enum info_tag {
    INFO_END = 0,
    INFO_COMMAND_LINE = 1,
    INFO_LOADER_NAME = 2,
    INFO_MODULE = 3,
    INFO_MEMORY = 4,
    INFO_MEMORY_MAP = 6,
    INFO_FRAMEBUFFER = 8,
    INFO_ELF_SECTIONS = 9,
    INFO_LOAD_BASE = 21,
    INFO_LAST = 21, /* of those the specification names */

    MEMORY_MAP_ENTRY = 24,
    FRAMEBUFFER_TEXT = 2,
};

ssize_t multiboot2_find_header(const uint8_t *data, size_t size)
{
    size_t limit = MIN(size, (size_t)MB2_SEARCH);
    for (size_t at = 0; at + MB2_HEADER_SIZE <= limit; at += MB2_ALIGN) {
        const uint8_t *h = data + at;
        if (get32(h) == MB2_HEADER_MAGIC && get32(h) + get32(h + 4) + get32(h + 8) + get32(h + 12) == 0)
            return (ssize_t)at;
    }
    return -1;
}

/* ---- The header ---- */

/* What the tags say. */
struct wishes {
    bool has_addresses, has_entry, has_relocation, wants_framebuffer, has_text_console;
    uint32_t entry;
    struct multiboot_addresses addresses;
    struct multiboot_relocation relocation;
};

/* The kernel asks for kinds of information. What this machine has none of is left out, as on others. */
static gboolean take_information(struct wishes *wishes, const struct boot_request *request,
                                 const uint8_t *tag, uint32_t size, GError **error)
{
    for (uint32_t at = 8; at + 4 <= size; at += 4) {
        uint32_t type = get32(tag + at);
        if (type > INFO_LAST && !(get16(tag + 2) & HEADER_OPTIONAL))
            return fail_with(
                error, FRONTEND_ERROR_IMAGE,
                "the Multiboot kernel '%s' requires information no specification names (type %u)",
                request->kernel.name, type);
        wishes->wants_framebuffer |= type == INFO_FRAMEBUFFER;
    }
    return TRUE;
}

static gboolean take_console(struct wishes *wishes, const struct boot_request *request, const uint8_t *tag,
                             GError **error)
{
    uint32_t flags = get32(tag + 8);
    if ((flags & CONSOLE_REQUIRED) && !(flags & CONSOLE_TEXT_SUPPORTED) &&
        !(get16(tag + 2) & HEADER_OPTIONAL))
        return multiboot_fail(request, error,
                              "requires a graphics mode; this machine can only promise it text");
    wishes->has_text_console = true;
    return TRUE;
}

static void take_addresses(struct wishes *wishes, const uint8_t *tag, size_t header_at)
{
    struct multiboot_addresses *a = &wishes->addresses;
    a->header_addr = get32(tag + 8);
    a->load_addr = get32(tag + 12);
    a->load_end_addr = get32(tag + 16);
    a->bss_end_addr = get32(tag + 20);
    if (a->load_addr == (uint32_t)MB2_LOAD_FROM_START)
        a->load_addr = a->header_addr - (uint32_t)header_at;
    wishes->has_addresses = true;
}

static void take_relocation(struct wishes *wishes, const uint8_t *tag)
{
    uint32_t preference = get32(tag + 20);
    wishes->relocation = (struct multiboot_relocation){
        .min_addr = get32(tag + 8),
        .max_addr = get32(tag + 12),
        .align = get32(tag + 16),
        .preference = preference == 1   ? MULTIBOOT_LOWEST
                      : preference == 2 ? MULTIBOOT_HIGHEST
                                        : MULTIBOOT_ANYWHERE,
    };
    wishes->has_relocation = true;
}

/* The least size of the tags that are looked into. */
static uint32_t least_size(uint16_t type)
{
    switch (type) {
    case HEADER_ADDRESS:
    case HEADER_RELOCATABLE:
        return 24;
    case HEADER_ENTRY:
    case HEADER_CONSOLE:
        return 12;
    default:
        return 8;
    }
}

static gboolean take_tag(struct wishes *wishes, const struct boot_request *request, size_t header_at,
                         const uint8_t *tag, uint32_t size, GError **error)
{
    uint16_t type = get16(tag);
    if (size < least_size(type))
        return multiboot_fail(request, error, "has a header tag that is too short");
    switch (type) {
    case HEADER_INFORMATION:
        return take_information(wishes, request, tag, size, error);
    case HEADER_ADDRESS:
        take_addresses(wishes, tag, header_at);
        return TRUE;
    case HEADER_ENTRY:
        wishes->entry = get32(tag + 8);
        wishes->has_entry = true;
        return TRUE;
    case HEADER_CONSOLE:
        return take_console(wishes, request, tag, error);
    case HEADER_FRAMEBUFFER: /* a preference: text is what there is */
        wishes->wants_framebuffer = true;
        return TRUE;
    case HEADER_RELOCATABLE:
        take_relocation(wishes, tag);
        return TRUE;
    case HEADER_MODULE_ALIGN: /* always */
    case HEADER_EFI_SERVICES:
    case HEADER_EFI_ENTRY_I386:
    case HEADER_EFI_ENTRY_AMD64:
        return TRUE;
    default:
        if (get16(tag + 2) & HEADER_OPTIONAL)
            return TRUE;
        return fail_with(error, FRONTEND_ERROR_IMAGE,
                         "the Multiboot kernel '%s' requires what no specification names (header tag %u)",
                         request->kernel.name, type);
    }
}

static gboolean read_header(struct wishes *wishes, const struct boot_request *request, size_t header_at,
                            GError **error)
{
    const uint8_t *header = request->kernel.data + header_at;
    uint32_t length = get32(header + 8);
    if (get32(header + 4) != MB2_I386)
        return multiboot_fail(request, error, "is for another processor than i386");
    if (length > request->kernel.size - header_at)
        return multiboot_fail(request, error, "is cut off inside its header");
    uint32_t at = MB2_HEADER_SIZE;
    while (at + 8 <= length && get16(header + at) != HEADER_END) {
        uint32_t size = get32(header + at + 4);
        if (size < 8 || size > length - at)
            return multiboot_fail(request, error, "has a header tag that does not fit its header");
        if (!take_tag(wishes, request, header_at, header + at, size, error))
            return FALSE;
        at += (uint32_t)align_up(size, MB2_ALIGN);
        if (at > length)
            break;
    }
    return TRUE;
}

static gboolean load_image(struct multiboot_image *image, const struct wishes *wishes,
                           const struct boot_request *request, const struct boot_memory *memory, size_t at,
                           GError **error)
{
    if (wishes->has_addresses) {
        struct multiboot_addresses addresses = wishes->addresses;
        if (!wishes->has_entry)
            return multiboot_fail(request, error, "has an address tag but no entry address tag");
        addresses.entry_addr = wishes->entry;
        return multiboot_load_flat(image, request, memory, at, &addresses, error);
    }
    if (!multiboot_load_elf(image, request, memory, wishes->has_relocation ? &wishes->relocation : NULL,
                            error))
        return FALSE;
    if (!wishes->has_entry)
        return TRUE;
    /* It is an address as the image was linked. */
    image->entry = wishes->entry + image->moved;
    if (image->entry < image->base || image->entry >= image->end)
        return multiboot_fail(request, error, "has its entry point outside of what is loaded");
    return TRUE;
}

/* ---- The information ---- */

static void append32(GByteArray *info, uint32_t value)
{
    uint8_t bytes[4];
    put32(bytes, value);
    g_byte_array_append(info, bytes, sizeof bytes);
}

static void append64(GByteArray *info, uint64_t value)
{
    append32(info, (uint32_t)value);
    append32(info, (uint32_t)(value >> 32));
}

static void append_text(GByteArray *info, const char *text)
{
    g_byte_array_append(info, (const uint8_t *)text, (guint)strlen(text) + 1);
}

/* Returns where the tag begins, for end_tag(). */
static guint begin_tag(GByteArray *info, enum info_tag type)
{
    guint at = info->len;
    append32(info, type);
    append32(info, 0);
    return at;
}

/* Fill in the size, which leaves out the padding. */
static void end_tag(GByteArray *info, guint at)
{
    static const uint8_t padding[MB2_ALIGN];
    put32(info->data + at + 4, info->len - at);
    g_byte_array_append(info, padding, (guint)(align_up(info->len, MB2_ALIGN) - info->len));
}

static void add_texts(GByteArray *info, const struct boot_request *request)
{
    guint tag = begin_tag(info, INFO_COMMAND_LINE);
    append_text(info, request->command_line);
    end_tag(info, tag);
    tag = begin_tag(info, INFO_LOADER_NAME);
    append_text(info, "Duplex86");
    end_tag(info, tag);
}

/* What follows the file's name, as the reference boot loader passes it. */
static const char *module_arguments(const struct boot_file *module)
{
    const char *string = multiboot_module_string(module);
    string += strcspn(string, " ");
    return *string ? string + 1 : string;
}

static void add_modules(GByteArray *info, const struct boot_request *request, const uint32_t *start)
{
    for (size_t i = 0; i < request->initrd_count; i++) {
        const struct boot_file *module = &request->initrds[i];
        guint tag = begin_tag(info, INFO_MODULE);
        append32(info, start[i]);
        append32(info, start[i] + (uint32_t)module->size);
        append_text(info, module_arguments(module));
        end_tag(info, tag);
    }
}

static void add_memory(GByteArray *info, const struct memory_map *map)
{
    guint tag = begin_tag(info, INFO_MEMORY);
    append32(info, MEMORY_MAP_EBDA >> 10);
    append32(info, (uint32_t)((map->low_top - MEMORY_MAP_EXTENDED) >> 10));
    end_tag(info, tag);

    tag = begin_tag(info, INFO_MEMORY_MAP);
    append32(info, MEMORY_MAP_ENTRY);
    append32(info, 0); /* version */
    for (unsigned i = 0; i < map->count; i++) {
        append64(info, map->range[i].base);
        append64(info, map->range[i].size);
        append32(info, map->range[i].type);
        append32(info, 0);
    }
    end_tag(info, tag);
}

/* The screen: 80x25 text, as the machine starts. */
static void add_framebuffer(GByteArray *info)
{
    static const uint8_t kind[4] = { 16, FRAMEBUFFER_TEXT }; /* bits a character, type, reserved */
    guint tag = begin_tag(info, INFO_FRAMEBUFFER);
    append64(info, 0xb8000);
    append32(info, 160); /* bytes a line */
    append32(info, 80);
    append32(info, 25);
    g_byte_array_append(info, kind, sizeof kind);
    end_tag(info, tag);
}

static void add_sections(GByteArray *info, const struct elf_sections *sections)
{
    guint tag = begin_tag(info, INFO_ELF_SECTIONS);
    append32(info, sections->count);
    append32(info, sections->entry_size);
    append32(info, sections->strings);
    g_byte_array_append(info, sections->table, (guint)elf_sections_size(sections));
    end_tag(info, tag);
}

static GByteArray *make_info(const struct wishes *wishes, const struct multiboot_image *image,
                             const struct boot_request *request, const uint32_t *module_start)
{
    GByteArray *info = g_byte_array_new();
    append64(info, 0); /* total_size, reserved */
    add_texts(info, request);
    add_modules(info, request, module_start);
    add_memory(info, request->map);
    if (wishes->wants_framebuffer || wishes->has_text_console)
        add_framebuffer(info);
    if (image->sections.table)
        add_sections(info, &image->sections);
    if (wishes->has_relocation) {
        guint tag = begin_tag(info, INFO_LOAD_BASE);
        append32(info, image->base);
        end_tag(info, tag);
    }
    end_tag(info, begin_tag(info, INFO_END));
    put32(info->data, info->len);
    return info;
}

static gboolean write_info(const struct wishes *wishes, const struct multiboot_image *image,
                           const struct boot_request *request, const struct boot_memory *memory,
                           GError **error)
{
    uint32_t *start = g_new0(uint32_t, request->initrd_count + 1);
    gboolean ok = multiboot_place_modules(image, request, memory, start, error);
    if (ok) {
        GByteArray *info = make_info(wishes, image, request, start);
        ok =
            info->len <= MEMORY_MAP_EBDA - BOOT_STRINGS
                ? boot_write(memory, BOOT_STRINGS, info->data, info->len, error)
                : multiboot_fail(request, error, "cannot be given that much text: all it is told has 55 KiB");
        g_byte_array_unref(info);
    }
    g_free(start);
    return ok;
}

gboolean loader_multiboot2_load(const struct boot_request *request, const struct boot_memory *memory,
                                struct boot_state *state, GError **error)
{
    ssize_t at = multiboot2_find_header(request->kernel.data, request->kernel.size);
    if (at < 0)
        return multiboot_fail(request, error, "has no Multiboot 2 header");
    struct wishes wishes = { 0 };
    struct multiboot_image image = { 0 };
    gboolean ok = read_header(&wishes, request, (size_t)at, error) &&
                  load_image(&image, &wishes, request, memory, (size_t)at, error) &&
                  write_info(&wishes, &image, request, memory, error);
    multiboot_image_clear(&image);
    state->format = "Multiboot 2 kernel";
    state->eip = image.entry;
    state->eax = MB2_BOOT_MAGIC;
    state->ebx = BOOT_STRINGS;
    return ok;
}
