/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The E820 map from the board's regions: RAM below the EBDA and from 1 MiB up is the kernel's; the EBDA, the
 * system ROM and its copy at 4 GiB are reserved; everything else is left out, as BIOSes do.
 */
#include "memory_map.h"

static void add(struct memory_map *map, uint64_t base, uint64_t end, enum memory_type type)
{
    if (end > base)
        map->range[map->count++] = (struct memory_range){ base, end - base, type };
}

static uint64_t low_top(const struct pc_config *config)
{
    struct pc_region regions[PC_REGIONS_MAX];
    unsigned count = pc_memory_map(config, regions);
    uint64_t top = MEMORY_MAP_EXTENDED;
    for (unsigned i = 0; i < count; i++) {
        const struct pc_region *r = &regions[i];
        if (r->kind == PC_REGION_RAM && r->base >= MEMORY_MAP_EXTENDED && r->base < MEMORY_MAP_4G)
            top = r->base + r->size;
    }
    return top;
}

void memory_map_init(struct memory_map *map, const struct pc_config *config)
{
    struct pc_config largest = *config;
    largest.ram_size = PC_RAM_MAX;
    *map = (struct memory_map){ .low_top = low_top(config), .low_limit = low_top(&largest) };

    struct pc_region regions[PC_REGIONS_MAX];
    unsigned count = pc_memory_map(config, regions);
    add(map, 0, MEMORY_MAP_EBDA, MEMORY_RAM);
    add(map, MEMORY_MAP_EBDA, MEMORY_MAP_CONVENTIONAL_END, MEMORY_RESERVED);
    add(map, MEMORY_MAP_ROM, MEMORY_MAP_EXTENDED, MEMORY_RESERVED);
    for (unsigned i = 0; i < count; i++) {
        const struct pc_region *r = &regions[i];
        if (r->base < MEMORY_MAP_EXTENDED)
            continue;
        if (r->kind == PC_REGION_RAM)
            add(map, r->base, r->base + r->size, MEMORY_RAM);
        else if (r->kind == PC_REGION_ROM)
            add(map, r->base, r->base + r->size, MEMORY_RESERVED);
    }
}

bool memory_map_is_ram(const struct memory_map *map, uint64_t base, uint64_t size)
{
    for (unsigned i = 0; i < map->count; i++) {
        const struct memory_range *r = &map->range[i];
        if (r->type == MEMORY_RAM && base >= r->base && size <= r->size && base - r->base <= r->size - size)
            return true;
    }
    return false;
}
