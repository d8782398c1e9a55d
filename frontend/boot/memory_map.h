/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The memory map kernels are told about, as a BIOS would report it by INT 15h E820. The board says where
 * memory is (devices/pc.h); this adds what firmware keeps for itself.
 */
#pragma once

#include "devices/pc.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    MEMORY_MAP_EBDA = 0x9fc00, /* extended BIOS data area: the last KiB of conventional memory */
    MEMORY_MAP_CONVENTIONAL_END = 0xa0000,
    MEMORY_MAP_VIDEO_ROM = 0xc0000, /* a copy of the display adapter's BIOS */
    MEMORY_MAP_ACPI = 0xe0000,      /* tables of a direct boot, in memory that is not reported */
    MEMORY_MAP_ROM = 0xf0000,       /* the system ROM's segment, reported as reserved */
    MEMORY_MAP_HANDOFF = 0xf2000,   /* in it: bios/direct_boot.S */
    MEMORY_MAP_EXTENDED = 0x100000,
    MEMORY_MAP_RANGES_MAX = PC_REGIONS_MAX + 3,
};

#define MEMORY_MAP_4G UINT64_C(0x100000000)

enum memory_type { /* ACPI specification, "Address Range Types" */
                   MEMORY_RAM = 1,
                   MEMORY_RESERVED = 2,
};

struct memory_range {
    uint64_t base, size;
    uint32_t type; /* enum memory_type */
};

struct memory_map {
    struct memory_range range[MEMORY_MAP_RANGES_MAX]; /* in order of address */
    unsigned count;
    uint64_t low_top;   /* end of the RAM from 1 MiB up to 4 GiB */
    uint64_t low_limit; /* what low_top can be at most on this board */
};

void memory_map_init(struct memory_map *map, const struct pc_config *config);

/* All of [base, base + size) is RAM a kernel may use. */
bool memory_map_is_ram(const struct memory_map *map, uint64_t base, uint64_t size);
