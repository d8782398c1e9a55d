/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the set-up header says is checked against the file and against what this machine is. Which fields
 * there are depends on the version.
 */
#include "bzimage.h"

#include "bytes.h"
#include "error.h"

enum {
    SECTOR = 512,
    PARAGRAPH = 16,                       /* unit of syssize */
    INITRD_ADDR_MAX_DEFAULT = 0x37ffffff, /* what kernels before 2.03 assume */
    CMDLINE_SIZE_DEFAULT = 255,           /* before 2.06 */
};

gboolean bzimage_fail(const struct boot_file *kernel, GError **error, const char *what)
{
    return fail_with(error, FRONTEND_ERROR_IMAGE, "the Linux kernel '%s' %s", kernel->name, what);
}

/* Where the header ends at the earliest, by what loaders must be able to fill in. */
static size_t least_header_end(uint16_t version)
{
    if (version < 0x0201)
        return LINUX_HEAP_END_PTR;
    return version < 0x0202 ? LINUX_CMD_LINE_PTR : LINUX_INITRD_ADDR_MAX;
}

static gboolean take_header(struct bzimage *image, const struct boot_file *kernel, GError **error)
{
    size_t end = LINUX_HEADER + (size_t)kernel->data[LINUX_JUMP_OFFSET];
    if (kernel->size < MAX(end, (size_t)LINUX_TYPE_OF_LOADER))
        return bzimage_fail(kernel, error, "is cut off inside its set-up header");
    image->version = get16(kernel->data + LINUX_VERSION);
    if (image->version < 0x0200)
        return fail_with(error, FRONTEND_ERROR_IMAGE,
                         "the Linux kernel '%s' speaks boot protocol %u.%02u; 2.00 or later is needed",
                         kernel->name, image->version >> 8, image->version & 0xffu);
    if (end < least_header_end(image->version))
        return bzimage_fail(kernel, error, "has a set-up header that is too short to be real");
    end = MIN(end, (size_t)LINUX_HEADER_END_MAX);
    memcpy(image->header + LINUX_SETUP_SECTS, kernel->data + LINUX_SETUP_SECTS, end - LINUX_SETUP_SECTS);

    if (image->version >= 0x020c && (get16(image->header + LINUX_XLOADFLAGS) & LINUX_XLF_KERNEL_64))
        return bzimage_fail(kernel, error, "is a 64-bit kernel; this machine has a 32-bit processor");
    image->initrd_addr_max =
        image->version >= 0x0203 ? get32(image->header + LINUX_INITRD_ADDR_MAX) : INITRD_ADDR_MAX_DEFAULT;
    image->cmdline_max =
        image->version >= 0x0206 ? get32(image->header + LINUX_CMDLINE_SIZE) : CMDLINE_SIZE_DEFAULT;
    return TRUE;
}

/* Where the protected-mode part begins in the file, and how much of the file it is. */
static gboolean find_code(struct bzimage *image, const struct boot_file *kernel, GError **error)
{
    unsigned sectors = image->header[LINUX_SETUP_SECTS] ? image->header[LINUX_SETUP_SECTS] : 4;
    image->setup_size = (sectors + 1) * (size_t)SECTOR;
    if (kernel->size <= image->setup_size)
        return bzimage_fail(kernel, error, "is cut off: nothing follows its real-mode part");
    image->code = kernel->data + image->setup_size;
    image->code_size = kernel->size - image->setup_size;
    if (image->version < 0x0204) /* syssize has 16 bits, too few to be trusted */
        return TRUE;

    uint64_t promised = (uint64_t)get32(image->header + LINUX_SYSSIZE) * PARAGRAPH;
    if (promised == 0)
        return bzimage_fail(kernel, error, "has a set-up header that says it holds no code");
    /* Rounded up to paragraphs, and not every linker pads the file. */
    if (promised >= image->code_size + PARAGRAPH)
        return fail_with(error, FRONTEND_ERROR_IMAGE,
                         "the Linux kernel '%s' is cut off: its header promises %" G_GUINT64_FORMAT
                         " bytes, the file has %zu",
                         kernel->name, (guint64)promised + image->setup_size, kernel->size);
    image->code_size = MIN(image->code_size, (size_t)promised); /* what follows is a signature */
    return TRUE;
}

gboolean bzimage_parse(struct bzimage *image, const struct boot_file *kernel, GError **error)
{
    *image = (struct bzimage){ 0 };
    return take_header(image, kernel, error) && find_code(image, kernel, error);
}

bool bzimage_needs_real_mode(const struct bzimage *image)
{
    return image->version < 0x0202 || !bzimage_is_high(image) ||
           (!bzimage_is_relocatable(image) && get32(image->header + LINUX_CODE32_START) == 0);
}
