/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What both Multiboot specifications have in common: an image by address fields or as ELF, and modules behind
 * it.
 */
#pragma once

#include "elf_sections.h"

enum { MULTIBOOT_MODULES_MAX = 1024 };

/* The address fields of a header, both specifications' names. */
struct multiboot_addresses {
    uint32_t header_addr, load_addr, load_end_addr, bss_end_addr, entry_addr;
};

/* Where an ELF image may go that can be moved (Multiboot 2, "Relocatable header tag"). */
struct multiboot_relocation {
    uint32_t min_addr, max_addr; /* of its first and of its last byte */
    uint32_t align;
    enum { MULTIBOOT_ANYWHERE, MULTIBOOT_LOWEST, MULTIBOOT_HIGHEST } preference;
};

/* The kernel in guest memory. */
struct multiboot_image {
    uint32_t entry, base;
    uint32_t moved; /* from where it was linked for; modulo 4 GiB */
    uint64_t end;   /* sections included */
    struct elf_sections sections;
};

/* "the Multiboot kernel '...' WHAT". Returns FALSE. */
gboolean multiboot_fail(const struct boot_request *request, GError **error, const char *what);

/* Load it by address fields that stand `at` the header's place in the file. */
gboolean multiboot_load_flat(struct multiboot_image *image, const struct boot_request *request,
                             const struct boot_memory *memory, size_t at,
                             const struct multiboot_addresses *addresses, GError **error);

/* Load it as ELF, where it was linked for or by `relocation`. NULL: it cannot be moved. */
gboolean multiboot_load_elf(struct multiboot_image *image, const struct boot_request *request,
                            const struct boot_memory *memory, const struct multiboot_relocation *relocation,
                            GError **error);
void multiboot_image_clear(struct multiboot_image *image);

/* Write the modules behind the image, on page boundaries; `start` gets the address of each. */
gboolean multiboot_place_modules(const struct multiboot_image *image, const struct boot_request *request,
                                 const struct boot_memory *memory, uint32_t *start, GError **error);

/* What a module is told about itself. */
static inline const char *multiboot_module_string(const struct boot_file *module)
{
    return module->string ? module->string : module->name;
}
