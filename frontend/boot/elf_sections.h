/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The sections of an ELF kernel as both Multiboots hand them on: the section header table, and in memory what
 * no segment loads, above all symbols and strings, for kernels that name functions in their backtraces.
 * System V ABI, "Sections".
 */
#pragma once

#include "loader.h"

struct elf_sections {
    uint8_t *table; /* with sh_addr where each is; NULL: the file has none */
    uint32_t count, entry_size;
    uint32_t strings; /* index of the section with the names */
};

/*
 * Write the request's kernel's sections to guest memory from *end on and move *end behind them. A file
 * without sections, or with damaged ones, is no error: it can be run.
 */
gboolean elf_sections_load(struct elf_sections *sections, const struct boot_request *request,
                           const struct boot_memory *memory, uint64_t *end, GError **error);
void elf_sections_clear(struct elf_sections *sections);

static inline size_t elf_sections_size(const struct elf_sections *sections)
{
    return (size_t)sections->count * sections->entry_size;
}
