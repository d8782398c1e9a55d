/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An uncompressed Linux kernel (vmlinux, ELF32): its entry point startup_32 takes the zero page in ESI as a
 * bzImage's does, but there is no set-up header to copy, so one is made up.
 */
#include "elf_image.h"
#include "linux_params.h"

#include "bytes.h"
#include "error.h"

enum {
    VMLINUX_VERSION = 0x020f,        /* the header that is made up has the fields of 2.15 */
    VMLINUX_ROOM = 1 << 20,          /* kernels before 2.6.30 build page tables after their end */
    VMLINUX_INITRD_MAX = 0x37ffffff, /* low memory of the usual 3:1 split; all versions can reach it */
    VMLINUX_CMDLINE_MAX = 2047,
};

static void make_header(uint8_t *page, const struct elf_image *image)
{
    page[LINUX_SETUP_SECTS] = 4;
    put16(page + LINUX_BOOT_FLAG, 0xaa55);
    memcpy(page + LINUX_HEADER, "HdrS", 4);
    put16(page + LINUX_VERSION, VMLINUX_VERSION);
    page[LINUX_LOADFLAGS] = LINUX_LOADED_HIGH;
    put32(page + LINUX_CODE32_START, image->entry);
    put32(page + LINUX_INITRD_ADDR_MAX, VMLINUX_INITRD_MAX);
    put32(page + LINUX_KERNEL_ALIGNMENT, BOOT_PAGE);
    put32(page + LINUX_CMDLINE_SIZE, VMLINUX_CMDLINE_MAX);
}

gboolean loader_vmlinux_load(const struct boot_request *request, const struct boot_memory *memory,
                             struct boot_state *state, GError **error)
{
    struct elf_image image;
    if (!elf_image_parse(&image, &request->kernel, error))
        return FALSE;
    if (image.has_interpreter)
        return fail_with(error, FRONTEND_ERROR_IMAGE,
                         "the ELF file '%s' is a program for an operating system, not a kernel",
                         request->kernel.name);
    if (image.end + VMLINUX_ROOM > request->map->low_top)
        return boot_fail_ram(request, image.end + VMLINUX_ROOM, error);
    if (!elf_image_load(&image, request, memory, error))
        return FALSE;

    uint8_t page[LINUX_PAGE_SIZE] = { 0 };
    make_header(page, &image);
    struct linux_plan plan = {
        .load_end = image.end + VMLINUX_ROOM,
        .initrd_addr_max = VMLINUX_INITRD_MAX,
        .cmdline_max = VMLINUX_CMDLINE_MAX,
    };
    state->format = "ELF kernel";
    state->eip = image.entry;
    return linux_params_finish(page, &plan, request, memory, state, error);
}
