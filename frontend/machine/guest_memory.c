/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The guest's RAM and ROM, and where it sees them. Both are there from the start, whole; the board's memory
 * map says which parts are shown where, and the chipset can change it while the guest runs.
 */
#include "machine_private.h"

#include "error.h"

#include <string.h>

static bool same_region(const struct pc_region *a, const struct pc_region *b)
{
    return a->kind == b->kind && a->base == b->base && a->size == b->size && a->offset == b->offset &&
           a->writable == b->writable;
}

static bool is_among(const struct pc_region *region, const struct pc_region *regions, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (same_region(region, &regions[i]))
            return true;
    }
    return false;
}

static int show(struct machine *m, const struct pc_region *r)
{
    switch (r->kind) {
    case PC_REGION_RAM:
        return d86_vm_map(m->vm, r->base, m->ram + r->offset, r->size, !r->writable);
    case PC_REGION_ROM:
        return d86_vm_map(m->vm, r->base, m->rom_copy + r->offset, r->size, true);
    case PC_REGION_VIDEO:
        return d86_vm_map(m->vm, r->base, m->video + r->offset, r->size, !r->writable);
    case PC_REGION_MMIO:
        break;
    }
    return 0;
}

/* First hide all that is not so any more, for regions must not overlap. */
static gboolean show_all(struct machine *m, const struct pc_region *regions, unsigned count, GError **error)
{
    for (unsigned i = 0; i < m->shown_count; i++) {
        const struct pc_region *r = &m->shown[i];
        if (r->kind != PC_REGION_MMIO && !is_among(r, regions, count))
            d86_vm_remove(m->vm, r->base);
    }
    for (unsigned i = 0; i < count; i++) {
        int ret = is_among(&regions[i], m->shown, m->shown_count) ? 0 : show(m, &regions[i]);
        if (ret < 0)
            return fail_errno(error, ret, d86_last_error(), "cannot give the guest its memory (%s)",
                              regions[i].name);
    }
    memcpy(m->shown, regions, count * sizeof(regions[0]));
    m->shown_count = count;
    return TRUE;
}

/* The display adapter's, with its option ROM. It needs a PCI bus. */
static int add_video(struct machine *m)
{
    if (m->config.chipset != PC_CHIPSET_I440FX)
        return 0;
    int ret = d86_vm_add_memory(m->vm, VIDEO_MEMORY_ALL, &m->video);
    if (ret == 0 && m->video_rom.data)
        ret = d86_vm_store(m->vm, m->video + VIDEO_ROM, m->video_rom.data, m->video_rom.size);
    if (ret == 0)
        m->config.video_memory = d86_vm_memory(m->vm, m->video, VIDEO_MEMORY_ALL);
    return ret;
}

gboolean guest_memory_build(struct machine *m, GError **error)
{
    struct pc_region regions[PC_REGIONS_MAX];
    unsigned count = pc_memory_map(&m->config, regions);
    int ret = d86_vm_add_memory(m->vm, m->config.ram_size, &m->ram);
    if (ret == 0)
        ret = d86_vm_add_memory(m->vm, m->rom.size, &m->rom_copy);
    if (ret == 0)
        ret = d86_vm_store(m->vm, m->rom_copy, m->rom.data, m->rom.size);
    if (ret == 0)
        ret = add_video(m);
    if (ret < 0)
        return fail_errno(error, ret, d86_last_error(), "cannot give the guest its memory");
    return show_all(m, regions, count, error);
}

gboolean guest_memory_copy_bios(struct machine *m, GError **error)
{
    uint32_t size = MIN(m->rom.size, MEMORY_MAP_EXTENDED - MEMORY_MAP_ROM);
    const uint8_t *from = m->rom.data + m->rom.size - size;
    int ret = d86_vm_store(m->vm, m->ram + MEMORY_MAP_EXTENDED - size, from, size);
    return ret == 0 || fail_errno(error, ret, d86_last_error(), "cannot copy the BIOS to RAM");
}

gboolean guest_memory_copy_video_bios(struct machine *m, GError **error)
{
    int ret = d86_vm_store(m->vm, m->ram + MEMORY_MAP_VIDEO_ROM, m->video_rom.data, m->video_rom.size);
    return ret == 0 || fail_errno(error, ret, d86_last_error(), "cannot copy the VGA BIOS to RAM");
}

gboolean guest_memory_write_acpi(struct machine *m, GError **error)
{
    uint8_t image[PC_ACPI_MAX];
    size_t size = pc_acpi_tables(m->pc, MEMORY_MAP_ACPI, image);
    int ret = d86_vm_store(m->vm, m->ram + MEMORY_MAP_ACPI, image, size);
    return ret == 0 || fail_errno(error, ret, d86_last_error(), "cannot put the ACPI tables into memory");
}

gboolean guest_memory_write_tables(struct machine *m, GError **error)
{
    uint8_t image[PC_SYSTEM_TABLES_MAX];
    size_t size = pc_system_tables(m->pc, MEMORY_MAP_ROM, image);
    int ret = d86_vm_store(m->vm, m->ram + MEMORY_MAP_ROM, image, size);
    return ret == 0 || fail_errno(error, ret, d86_last_error(), "cannot put the system tables into memory");
}

gboolean guest_memory_follow(struct machine *m, GError **error)
{
    struct pc_region regions[PC_REGIONS_MAX];
    unsigned count = pc_memory(m->pc, regions);
    m->memory_moved = false;
    return show_all(m, regions, count, error);
}

bool guest_memory_is_ram(const struct machine *m, uint64_t pa, uint64_t size)
{
    /* Regions ascend, and one may end where the next begins. */
    for (unsigned i = 0; i < m->shown_count && size; i++) {
        const struct pc_region *r = &m->shown[i];
        if (r->kind != PC_REGION_RAM || !r->writable || pa < r->base || pa - r->base >= r->size)
            continue;
        uint64_t part = MIN(size, r->size - (pa - r->base));
        pa += part;
        size -= part;
    }
    return size == 0;
}
