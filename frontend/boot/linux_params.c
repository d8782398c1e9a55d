/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The zero page: screen, memory map, command line, initrd. The initrd goes to the end of low memory, as
 * the protocol advises, so that a kernel which unpacks or moves itself upwards keeps clear of it.
 */
#include "linux_params.h"

#include "bytes.h"
#include "error.h"

/* struct screen_info: VGA mode 3, 80x25 characters of 16 lines, cursor at the top. */
static void fill_screen_info(uint8_t *page)
{
    uint8_t *screen = page + LINUX_SCREEN_INFO;
    screen[0x06] = 3;         /* orig_video_mode */
    screen[0x07] = 80;        /* orig_video_cols */
    put16(screen + 0x0a, 3);  /* orig_video_ega_bx: 256 KiB, colour */
    screen[0x0e] = 25;        /* orig_video_lines */
    screen[0x0f] = 1;         /* orig_video_isVGA */
    put16(screen + 0x10, 16); /* orig_video_points */
}

static void fill_memory(uint8_t *page, const struct memory_map *map)
{
    page[LINUX_E820_ENTRIES] = (uint8_t)map->count;
    for (unsigned i = 0; i < map->count; i++) {
        uint8_t *entry = page + LINUX_E820_TABLE + i * 20;
        put64(entry, map->range[i].base);
        put64(entry + 8, map->range[i].size);
        put32(entry + 16, map->range[i].type);
    }
    /* The answers of INT 15h E801 and 88h, for kernels and decompressors before E820; the second has 16 bits.
     */
    uint32_t extended = (uint32_t)((map->low_top - MEMORY_MAP_EXTENDED) >> 10);
    put32(page + LINUX_ALT_MEM_K, extended);
    put16(page + LINUX_EXT_MEM_K, (uint16_t)MIN(extended, UINT16_MAX));
}

gboolean linux_params_fail_command_line(const struct boot_request *request, size_t room, GError **error)
{
    return fail_with(error, FRONTEND_ERROR_IMAGE,
                     "the --append text has %zu characters, but '%s' takes %zu at most",
                     strlen(request->command_line), request->kernel.name, room);
}

static gboolean place_command_line(uint8_t *page, const struct linux_plan *plan,
                                   const struct boot_request *request, const struct boot_memory *memory,
                                   GError **error)
{
    size_t length = strlen(request->command_line);
    size_t room = MEMORY_MAP_EBDA - BOOT_STRINGS - 1;
    if (length > plan->cmdline_max || length > room)
        return linux_params_fail_command_line(request, MIN((size_t)plan->cmdline_max, room), error);
    put32(page + LINUX_CMD_LINE_PTR, BOOT_STRINGS);
    return boot_write(memory, BOOT_STRINGS, request->command_line, length + 1, error);
}

gboolean linux_params_place_initrd(uint8_t *page, const struct linux_plan *plan,
                                   const struct boot_request *request, const struct boot_memory *memory,
                                   GError **error)
{
    put32(page + LINUX_RAMDISK_IMAGE, 0);
    put32(page + LINUX_RAMDISK_SIZE, 0);
    if (request->initrd_count == 0)
        return TRUE;
    if (request->initrd_count > 1)
        return fail_with(error, FRONTEND_ERROR_USAGE,
                         "a Linux kernel takes one --initrd, not %zu: join the archives into one file",
                         request->initrd_count);

    const struct boot_file *initrd = &request->initrds[0];
    if (initrd->size == 0) /* the protocol has no empty one */
        return TRUE;
    uint64_t bottom = align_up(plan->load_end, BOOT_PAGE);
    uint64_t end = bottom + align_up(initrd->size, BOOT_PAGE);
    if (end > request->map->low_top)
        return boot_fail_ram(request, end, error);
    uint64_t top = MIN(request->map->low_top, plan->initrd_addr_max + 1);
    if (top < bottom || initrd->size > top - bottom || align_down(top - initrd->size, BOOT_PAGE) < bottom)
        return fail_with(error, FRONTEND_ERROR_IMAGE,
                         "the initrd '%s' (%zu bytes) does not fit between '%s' and the highest address that "
                         "kernel allows it, 0x%" G_GINT64_MODIFIER "x",
                         initrd->name, initrd->size, request->kernel.name, (guint64)plan->initrd_addr_max);
    uint64_t pa = align_down(top - initrd->size, BOOT_PAGE);
    put32(page + LINUX_RAMDISK_IMAGE, (uint32_t)pa);
    put32(page + LINUX_RAMDISK_SIZE, (uint32_t)initrd->size);
    return boot_write(memory, pa, initrd->data, initrd->size, error);
}

gboolean linux_params_finish(uint8_t *page, const struct linux_plan *plan, const struct boot_request *request,
                             const struct boot_memory *memory, struct boot_state *state, GError **error)
{
    page[LINUX_TYPE_OF_LOADER] = LINUX_LOADER_UNDEFINED;
    page[LINUX_LOADFLAGS] &= (uint8_t)~LINUX_KEEP_SEGMENTS;
    page[LINUX_LOADFLAGS] |= LINUX_CAN_USE_HEAP;
    put16(page + LINUX_HEAP_END_PTR, 0xe000 - 0x200); /* for real-mode code, which is not run here */
    page[LINUX_EXT_LOADER_VER] = 0;
    page[LINUX_EXT_LOADER_TYPE] = 0;
    put16(page + LINUX_VID_MODE, LINUX_VID_NORMAL);
    put64(page + LINUX_SETUP_DATA, 0);
    fill_screen_info(page);
    fill_memory(page, request->map);

    if (!place_command_line(page, plan, request, memory, error) ||
        !linux_params_place_initrd(page, plan, request, memory, error))
        return FALSE;
    state->esi = BOOT_INFO;
    return boot_write(memory, BOOT_INFO, page, LINUX_PAGE_SIZE, error);
}
