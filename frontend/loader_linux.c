/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Linux bzImage through the 32-bit entry point: the protected-mode part of the file goes to where the header
 * prefers it, the set-up header into a zero page. No real-mode code runs.
 * Linux/x86 boot protocol, "The Real-Mode Kernel Header" and "32-bit Boot Protocol", versions 2.02 and up.
 */
#include "loader.h"

#include "bytes.h"
#include "error.h"
#include "linux_params.h"

enum {
    SECTOR = 512,
    PARAGRAPH = 16,                       /* unit of syssize */
    INITRD_ADDR_MAX_DEFAULT = 0x37ffffff, /* what kernels before 2.03 assume */
    CMDLINE_SIZE_DEFAULT = 255,           /* before 2.06 */
};

struct bzimage {
    uint16_t version;
    const uint8_t *code; /* the protected-mode part */
    size_t code_size;
    uint64_t load; /* where it goes */
    uint32_t entry;
    uint64_t work_size; /* memory it needs from there */
};

static gboolean fail_image(const struct boot_file *kernel, GError **error, const char *what)
{
    return fail_with(error, FRONTEND_ERROR_IMAGE, "the Linux kernel '%s' %s", kernel->name, what);
}

/* Copy the set-up header into the zero page. Fields the kernel's version does not have stay 0. */
static gboolean take_header(const struct boot_file *kernel, uint8_t *page, struct bzimage *image,
                            GError **error)
{
    size_t end = LINUX_HEADER + (size_t)kernel->data[LINUX_JUMP_OFFSET];
    if (end < LINUX_INITRD_ADDR_MAX)
        return fail_image(kernel, error, "has a set-up header that is too short to be real");
    if (kernel->size < end)
        return fail_image(kernel, error, "is cut off inside its set-up header");
    end = MIN(end, (size_t)LINUX_HEADER_END_MAX);
    memcpy(page + LINUX_SETUP_SECTS, kernel->data + LINUX_SETUP_SECTS, end - LINUX_SETUP_SECTS);

    image->version = get16(page + LINUX_VERSION);
    if (image->version < 0x0202)
        return fail_with(error, FRONTEND_ERROR_IMAGE,
                         "the Linux kernel '%s' speaks boot protocol %u.%02u; 2.02 or later is needed",
                         kernel->name, image->version >> 8, image->version & 0xffu);
    if (!(page[LINUX_LOADFLAGS] & LINUX_LOADED_HIGH))
        return fail_image(kernel, error, "is a zImage, which loads below 1 MiB; make a bzImage of it");
    if (image->version >= 0x020c && (get16(page + LINUX_XLOADFLAGS) & LINUX_XLF_KERNEL_64))
        return fail_image(kernel, error, "is a 64-bit kernel; this machine has a 32-bit processor");
    return TRUE;
}

/* Where the protected-mode part begins in the file, and how much of the file it is. */
static gboolean find_code(const struct boot_file *kernel, const uint8_t *page, struct bzimage *image,
                          GError **error)
{
    unsigned sectors = page[LINUX_SETUP_SECTS] ? page[LINUX_SETUP_SECTS] : 4;
    size_t offset = (sectors + 1) * (size_t)SECTOR;
    if (kernel->size <= offset)
        return fail_image(kernel, error, "is cut off: nothing follows its real-mode part");
    image->code = kernel->data + offset;
    image->code_size = kernel->size - offset;
    if (image->version < 0x0204) /* syssize has 16 bits, too few to be trusted */
        return TRUE;

    uint64_t promised = (uint64_t)get32(page + LINUX_SYSSIZE) * PARAGRAPH;
    if (promised == 0)
        return fail_image(kernel, error, "has a set-up header that says it holds no code");
    /* Rounded up to paragraphs, and not every linker pads the file. */
    if (promised >= image->code_size + PARAGRAPH)
        return fail_with(error, FRONTEND_ERROR_IMAGE,
                         "the Linux kernel '%s' is cut off: its header promises %" G_GUINT64_FORMAT
                         " bytes, the file has %zu",
                         kernel->name, (guint64)promised + offset, kernel->size);
    image->code_size = MIN(image->code_size, (size_t)promised); /* what follows is a signature */
    return TRUE;
}

/*
 * The load address. Kernels that can be moved (2.05) start best where they will run: at pref_address (2.10),
 * so that nothing has to be copied. Others were linked for 1 MiB.
 */
static gboolean choose_address(const struct boot_request *request, uint8_t *page, struct bzimage *image,
                               GError **error)
{
    const struct boot_file *kernel = &request->kernel;
    bool relocatable = image->version >= 0x0205 && page[LINUX_RELOCATABLE];
    image->load = MEMORY_MAP_EXTENDED;
    if (relocatable) {
        uint64_t alignment = get32(page + LINUX_KERNEL_ALIGNMENT);
        if (alignment == 0 || (alignment & (alignment - 1)))
            return fail_image(kernel, error, "asks for an alignment that is not a power of two");
        uint64_t preferred = image->version >= 0x020a ? get64(page + LINUX_PREF_ADDRESS) : 0;
        if (preferred >= MEMORY_MAP_4G)
            return fail_image(kernel, error, "wants to be loaded above 4 GiB");
        image->load = align_up(MAX(preferred, (uint64_t)MEMORY_MAP_EXTENDED), alignment);
        image->entry = (uint32_t)image->load;
        put32(page + LINUX_CODE32_START, image->entry);
    } else {
        image->entry = get32(page + LINUX_CODE32_START);
        if (image->entry < image->load || image->entry - image->load >= image->code_size)
            return fail_image(kernel, error, "has its entry point outside of what is loaded");
    }
    image->work_size = image->code_size;
    if (image->version >= 0x020a)
        image->work_size = MAX(image->work_size, (uint64_t)get32(page + LINUX_INIT_SIZE));
    uint64_t end = image->load + image->work_size;
    if (end > request->map->low_top)
        return boot_fail_ram(request, end, error);
    return TRUE;
}

gboolean loader_linux_load(const struct boot_request *request, const struct boot_memory *memory,
                           struct boot_state *state, GError **error)
{
    uint8_t page[LINUX_PAGE_SIZE] = { 0 };
    struct bzimage image = { 0 };
    if (!take_header(&request->kernel, page, &image, error) ||
        !find_code(&request->kernel, page, &image, error) || !choose_address(request, page, &image, error))
        return FALSE;

    struct linux_plan plan = {
        .load_end = image.load + image.work_size,
        .initrd_addr_max =
            image.version >= 0x0203 ? get32(page + LINUX_INITRD_ADDR_MAX) : INITRD_ADDR_MAX_DEFAULT,
        .cmdline_max = image.version >= 0x0206 ? get32(page + LINUX_CMDLINE_SIZE) : CMDLINE_SIZE_DEFAULT,
    };
    if (!boot_write(memory, image.load, image.code, image.code_size, error))
        return FALSE;
    state->format = "Linux bzImage";
    state->eip = image.entry;
    return linux_params_finish(page, &plan, request, memory, state, error);
}
