/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Linux bzImage through the 32-bit entry point: the protected-mode part of the file goes to where the header
 * prefers it, the set-up header into a zero page. No real-mode code runs, but for images that cannot do
 * without (loader_linux16.c).
 * Linux/x86 boot protocol, "The Real-Mode Kernel Header" and "32-bit Boot Protocol", versions 2.02 and up.
 */
#include "bytes.h"
#include "bzimage.h"
#include "error.h"

/* Where the protected-mode part goes, and the memory it needs from there. */
struct placement {
    uint64_t load, work_size;
    uint32_t entry;
};

/*
 * The load address. Kernels that can be moved (2.05) start best where they will run: at pref_address (2.10),
 * so that nothing has to be copied. Others were linked for 1 MiB.
 */
static gboolean choose_address(const struct boot_request *request, const struct bzimage *image,
                               struct placement *place, GError **error)
{
    const struct boot_file *kernel = &request->kernel;
    place->load = MEMORY_MAP_EXTENDED;
    if (bzimage_is_relocatable(image)) {
        uint64_t alignment = get32(image->header + LINUX_KERNEL_ALIGNMENT);
        if (alignment == 0 || (alignment & (alignment - 1)))
            return bzimage_fail(kernel, error, "asks for an alignment that is not a power of two");
        uint64_t preferred = image->version >= 0x020a ? get64(image->header + LINUX_PREF_ADDRESS) : 0;
        if (preferred >= MEMORY_MAP_4G)
            return bzimage_fail(kernel, error, "wants to be loaded above 4 GiB");
        place->load = align_up(MAX(preferred, (uint64_t)MEMORY_MAP_EXTENDED), alignment);
        place->entry = (uint32_t)place->load;
    } else {
        place->entry = get32(image->header + LINUX_CODE32_START);
        if (place->entry < place->load || place->entry - place->load >= image->code_size)
            return bzimage_fail(kernel, error, "has its entry point outside of what is loaded");
    }
    place->work_size = image->code_size;
    if (image->version >= 0x020a)
        place->work_size = MAX(place->work_size, (uint64_t)get32(image->header + LINUX_INIT_SIZE));
    uint64_t end = place->load + place->work_size;
    if (end > request->map->low_top)
        return boot_fail_ram(request, end, error);
    return TRUE;
}

gboolean loader_linux_load(const struct boot_request *request, const struct boot_memory *memory,
                           struct boot_state *state, GError **error)
{
    struct bzimage image;
    struct placement place = { 0 };
    if (!bzimage_parse(&image, &request->kernel, error))
        return FALSE;
    if (bzimage_needs_real_mode(&image))
        return loader_linux16_load(request, &image, memory, state, error);
    if (!choose_address(request, &image, &place, error) ||
        !boot_write(memory, place.load, image.code, image.code_size, error))
        return FALSE;

    uint8_t page[LINUX_PAGE_SIZE] = { 0 };
    memcpy(page, image.header, sizeof image.header);
    put32(page + LINUX_CODE32_START, place.entry);
    struct linux_plan plan = {
        .load_end = place.load + place.work_size,
        .initrd_addr_max = image.initrd_addr_max,
        .cmdline_max = image.cmdline_max,
    };
    state->format = "Linux bzImage";
    state->eip = place.entry;
    return linux_params_finish(page, &plan, request, memory, state, error);
}
