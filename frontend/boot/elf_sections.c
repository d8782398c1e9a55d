/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Section headers are read field by field: they need not be aligned, and the file may be hostile.
 */
#include "elf_sections.h"

#include "bytes.h"

#include <elf.h>

enum { SECTIONS_MAX = 1024 }; /* kernels have some dozens */

/* The table's place in the file, checked; false: there is none. */
static bool find_table(struct elf_sections *sections, const struct boot_file *file, uint32_t *offset)
{
    Elf32_Ehdr ehdr;
    if (file->size < sizeof ehdr)
        return false;
    memcpy(&ehdr, file->data, sizeof ehdr);
    size_t size = (size_t)ehdr.e_shnum * sizeof(Elf32_Shdr);
    if (ehdr.e_shnum == 0 || ehdr.e_shnum > SECTIONS_MAX || ehdr.e_shentsize != sizeof(Elf32_Shdr) ||
        ehdr.e_shoff > file->size || size > file->size - ehdr.e_shoff)
        return false;
    sections->count = ehdr.e_shnum;
    sections->entry_size = sizeof(Elf32_Shdr);
    sections->strings = ehdr.e_shstrndx;
    *offset = ehdr.e_shoff;
    return true;
}

/* Does it have bytes in the file that no segment loads? */
static bool is_left_out(const Elf32_Shdr *section, const struct boot_file *file)
{
    return !(section->sh_flags & SHF_ALLOC) && section->sh_addr == 0 && section->sh_size > 0 &&
           section->sh_type != SHT_NULL && section->sh_type != SHT_NOBITS &&
           section->sh_offset <= file->size && section->sh_size <= file->size - section->sh_offset;
}

static gboolean place(Elf32_Shdr *section, const struct boot_request *request,
                      const struct boot_memory *memory, uint64_t *end, GError **error)
{
    enum { ALIGNMENT = 16 }; /* more than any of them wants */
    uint64_t pa = align_up(*end, ALIGNMENT);
    if (pa + section->sh_size > request->map->low_top)
        return boot_fail_ram(request, pa + section->sh_size, error);
    section->sh_addr = (uint32_t)pa;
    *end = pa + section->sh_size;
    return boot_write(memory, pa, request->kernel.data + section->sh_offset, section->sh_size, error);
}

gboolean elf_sections_load(struct elf_sections *sections, const struct boot_request *request,
                           const struct boot_memory *memory, uint64_t *end, GError **error)
{
    const struct boot_file *file = &request->kernel;
    uint32_t offset;
    *sections = (struct elf_sections){ 0 };
    if (!find_table(sections, file, &offset))
        return TRUE;
    sections->table = g_memdup2(file->data + offset, elf_sections_size(sections));
    *end = MAX(*end, (uint64_t)MEMORY_MAP_EXTENDED);
    for (uint32_t i = 0; i < sections->count; i++) {
        uint8_t *entry = sections->table + i * sections->entry_size;
        Elf32_Shdr section;
        memcpy(&section, entry, sizeof section);
        if (!is_left_out(&section, file))
            continue;
        if (!place(&section, request, memory, end, error))
            return FALSE;
        memcpy(entry, &section, sizeof section);
    }
    return TRUE;
}

void elf_sections_clear(struct elf_sections *sections)
{
    g_free(sections->table);
    *sections = (struct elf_sections){ 0 };
}
