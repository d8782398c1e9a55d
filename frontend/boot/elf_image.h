/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An ELF32 executable for i386 as segments to load: read with libelf, then checked, since the file may be
 * hostile. System V ABI, "Program Header"; i386 supplement, "Machine Information".
 */
#pragma once

#include "loader.h"

enum { ELF_SEGMENTS_MAX = 64 };

struct elf_segment {
    uint32_t paddr, vaddr;
    uint32_t file_size, mem_size; /* file_size <= mem_size; mem_size > 0 */
    const uint8_t *data;
};

struct elf_image {
    struct elf_segment segment[ELF_SEGMENTS_MAX];
    unsigned count;
    uint32_t entry; /* physical */
    uint32_t base;  /* lowest physical address */
    uint64_t end;   /* highest, plus one */
    bool has_interpreter;
};

/* Read the segments and check them against the file and each other. */
gboolean elf_image_parse(struct elf_image *image, const struct boot_file *file, GError **error);

/* Load it at `base` instead, which leaves room for all of it below 4 GiB. */
void elf_image_move(struct elf_image *image, uint32_t base);

/* Write them to guest memory, each with its zeroed tail; refuses what is not free RAM. */
gboolean elf_image_load(const struct elf_image *image, const struct boot_request *request,
                        const struct boot_memory *memory, GError **error);
