/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Multiboot images and modules. Every number in a header may be a lie.
 */
#include "multiboot.h"

#include "bytes.h"
#include "elf_image.h"
#include "error.h"

gboolean multiboot_fail(const struct boot_request *request, GError **error, const char *what)
{
    return fail_with(error, FRONTEND_ERROR_IMAGE, "the Multiboot kernel '%s' %s", request->kernel.name, what);
}

/* ---- By address fields ---- */

/* The image as address fields describe it. */
struct flat_image {
    const uint8_t *data;
    uint32_t load, entry;
    uint64_t file_size, mem_size;
};

static gboolean read_addresses(const struct boot_request *request, size_t at,
                               const struct multiboot_addresses *addresses, struct flat_image *image,
                               GError **error)
{
    uint32_t load = addresses->load_addr, load_end = addresses->load_end_addr;
    uint32_t bss_end = addresses->bss_end_addr;
    if (load > addresses->header_addr || addresses->header_addr - load > at)
        return multiboot_fail(request, error, "has address fields that put its start before the file's");
    size_t offset = at - (addresses->header_addr - load);
    image->data = request->kernel.data + offset;
    image->load = load;
    image->file_size = request->kernel.size - offset;
    if (load_end) {
        if (load_end <= load)
            return multiboot_fail(request, error, "has address fields that end before they begin");
        if (load_end - load > image->file_size)
            return multiboot_fail(request, error,
                                  "is cut off: its address fields promise more than the file has");
        image->file_size = load_end - load;
    }
    image->mem_size = image->file_size;
    if (bss_end) {
        if (bss_end < load + image->file_size)
            return multiboot_fail(request, error, "has a bss that ends before its data");
        image->mem_size = bss_end - load;
    }
    image->entry = addresses->entry_addr;
    if (image->entry < load || image->entry - load >= image->mem_size)
        return multiboot_fail(request, error, "has its entry point outside of what is loaded");
    return TRUE;
}

gboolean multiboot_load_flat(struct multiboot_image *image, const struct boot_request *request,
                             const struct boot_memory *memory, size_t at,
                             const struct multiboot_addresses *addresses, GError **error)
{
    struct flat_image flat = { 0 };
    *image = (struct multiboot_image){ 0 };
    if (!read_addresses(request, at, addresses, &flat, error))
        return FALSE;
    image->entry = flat.entry;
    image->base = flat.load;
    image->end = flat.load + flat.mem_size;
    if (image->end > request->map->low_top)
        return boot_fail_ram(request, image->end, error);
    if (!boot_range_is_free(request, flat.load, flat.mem_size))
        return fail_with(error, FRONTEND_ERROR_IMAGE,
                         "'%s' wants to be loaded at 0x%x-0x%" G_GINT64_MODIFIER
                         "x, where a PC has no free memory",
                         request->kernel.name, flat.load, (guint64)image->end - 1);
    return boot_write(memory, flat.load, flat.data, flat.file_size, error) &&
           boot_zero(memory, flat.load + flat.file_size, flat.mem_size - flat.file_size, error);
}

/* ---- As ELF ---- */

/* The place in [bottom, top) that is wanted most; both are aligned, and so is what comes out. */
static uint64_t choose(const struct multiboot_relocation *relocation, uint64_t bottom, uint64_t top,
                       uint64_t linked)
{
    if (relocation->preference == MULTIBOOT_HIGHEST)
        return top;
    bool linked_is_good = linked >= bottom && linked <= top && linked % relocation->align == 0;
    return relocation->preference == MULTIBOOT_ANYWHERE && linked_is_good ? linked : bottom;
}

static gboolean relocate(struct elf_image *elf, const struct boot_request *request,
                         const struct multiboot_relocation *relocation, GError **error)
{
    if (relocation->align == 0 || (relocation->align & (relocation->align - 1)))
        return multiboot_fail(request, error, "asks for an alignment that is not a power of two");
    uint64_t size = elf->end - elf->base, limit = (uint64_t)relocation->max_addr + 1;
    uint64_t bottom = align_up(MAX(relocation->min_addr, (uint64_t)MEMORY_MAP_EXTENDED), relocation->align);
    if (bottom + size > limit)
        return multiboot_fail(request, error, "leaves itself no room in the range of addresses it gives");
    if (bottom + size > request->map->low_top)
        return boot_fail_ram(request, bottom + size, error);
    uint64_t top = align_down(MIN(limit, request->map->low_top) - size, relocation->align);
    elf_image_move(elf, (uint32_t)choose(relocation, bottom, top, elf->base));
    return TRUE;
}

gboolean multiboot_load_elf(struct multiboot_image *image, const struct boot_request *request,
                            const struct boot_memory *memory, const struct multiboot_relocation *relocation,
                            GError **error)
{
    struct elf_image elf;
    *image = (struct multiboot_image){ 0 };
    if (request->kernel.size < 4 || memcmp(request->kernel.data, "\177ELF", 4) != 0)
        return multiboot_fail(request, error,
                              "is no ELF file and has no address fields that say where it goes");
    if (!elf_image_parse(&elf, &request->kernel, error))
        return FALSE;
    image->moved = 0u - elf.base;
    if ((relocation && !relocate(&elf, request, relocation, error)) ||
        !elf_image_load(&elf, request, memory, error))
        return FALSE;
    image->moved += elf.base;
    image->entry = elf.entry;
    image->base = elf.base;
    image->end = elf.end;
    return elf_sections_load(&image->sections, request, memory, &image->end, error);
}

void multiboot_image_clear(struct multiboot_image *image)
{
    elf_sections_clear(&image->sections);
}

/* ---- Modules ---- */

gboolean multiboot_place_modules(const struct multiboot_image *image, const struct boot_request *request,
                                 const struct boot_memory *memory, uint32_t *start, GError **error)
{
    if (request->initrd_count > MULTIBOOT_MODULES_MAX)
        return multiboot_fail(request, error, "cannot be given more than 1024 modules");
    uint64_t pa = align_up(MAX(image->end, (uint64_t)MEMORY_MAP_EXTENDED), BOOT_PAGE);
    uint64_t end = pa;
    for (size_t i = 0; i < request->initrd_count; i++)
        end += align_up(request->initrds[i].size, BOOT_PAGE);
    if (end > request->map->low_top)
        return boot_fail_ram(request, end, error);
    for (size_t i = 0; i < request->initrd_count; i++) {
        const struct boot_file *module = &request->initrds[i];
        if (!boot_write(memory, pa, module->data, module->size, error))
            return FALSE;
        start[i] = (uint32_t)pa;
        pa = align_up(pa + module->size, BOOT_PAGE);
    }
    return TRUE;
}
