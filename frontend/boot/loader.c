/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which loader a kernel file is for, and what the loaders share: writing guest memory and the flat
 * descriptor table of SDM 3A, "Basic Flat Model".
 */
#include "loader.h"

#include "bytes.h"
#include "error.h"

#include <elf.h>

enum kernel_format loader_detect(const uint8_t *data, size_t size)
{
    /* The Linux header comes first: its 0x202 cannot be part of an ELF or Multiboot header's own fields. */
    if (size >= 0x206 && get16(data + 0x1fe) == 0xaa55 && memcmp(data + 0x202, "HdrS", 4) == 0)
        return KERNEL_LINUX;
    if (multiboot_find_header(data, size) >= 0)
        return KERNEL_MULTIBOOT;
    if (multiboot2_find_header(data, size) >= 0)
        return KERNEL_MULTIBOOT2;
    if (size >= SELFMAG && memcmp(data, ELFMAG, SELFMAG) == 0)
        return KERNEL_ELF;
    return KERNEL_UNKNOWN;
}

gboolean loader_load(const struct boot_request *request, const struct boot_memory *memory,
                     struct boot_state *state, GError **error)
{
    const struct boot_file *kernel = &request->kernel;
    *state = (struct boot_state){ .esp = BOOT_STACK_TOP };
    if (!boot_write_gdt(memory, error))
        return FALSE;
    switch (loader_detect(kernel->data, kernel->size)) {
    case KERNEL_LINUX:
        return loader_linux_load(request, memory, state, error);
    case KERNEL_MULTIBOOT:
        return loader_multiboot_load(request, memory, state, error);
    case KERNEL_MULTIBOOT2:
        return loader_multiboot2_load(request, memory, state, error);
    case KERNEL_ELF:
        return loader_vmlinux_load(request, memory, state, error);
    case KERNEL_UNKNOWN:
        break;
    }
    return fail_with(
        error, FRONTEND_ERROR_IMAGE,
        "'%s' is not a kernel this program can load: it is no Linux bzImage, no ELF file and has "
        "no Multiboot header",
        kernel->name);
}

gboolean boot_write(const struct boot_memory *memory, uint64_t pa, const void *data, size_t size,
                    GError **error)
{
    int ret = size ? memory->write(memory->opaque, pa, data, size) : 0;
    if (ret < 0)
        return fail_errno(error, ret, NULL, "cannot write guest memory at 0x%" G_GINT64_MODIFIER "x",
                          (guint64)pa);
    return TRUE;
}

gboolean boot_zero(const struct boot_memory *memory, uint64_t pa, uint64_t size, GError **error)
{
    static const uint8_t zeros[64 * 1024];
    while (size > 0) {
        size_t part = size < sizeof zeros ? (size_t)size : sizeof zeros;
        if (!boot_write(memory, pa, zeros, part, error))
            return FALSE;
        pa += part;
        size -= part;
    }
    return TRUE;
}

gboolean boot_write_gdt(const struct boot_memory *memory, GError **error)
{
    uint8_t gdt[BOOT_GDT_SIZE] = { 0 };
    put64(gdt + BOOT_CS, UINT64_C(0x00cf9b000000ffff)); /* code, read/execute, 32-bit, 4 GiB, accessed */
    put64(gdt + BOOT_DS, UINT64_C(0x00cf93000000ffff)); /* data, read/write, 32-bit, 4 GiB, accessed */
    return boot_write(memory, BOOT_GDT, gdt, sizeof gdt, error);
}

bool boot_range_is_free(const struct boot_request *request, uint64_t base, uint64_t size)
{
    if (!memory_map_is_ram(request->map, base, size))
        return false;
    return base >= MEMORY_MAP_EXTENDED || (base >= BOOT_LOW_FREE && base + size <= BOOT_AREA);
}

gboolean boot_fail_ram(const struct boot_request *request, uint64_t end, GError **error)
{
    const char *name = request->kernel.name;
    if (end > request->map->low_limit)
        return fail_with(error, FRONTEND_ERROR_IMAGE,
                         "'%s' wants memory up to 0x%" G_GINT64_MODIFIER
                         "x, but this machine's RAM below 4 GiB "
                         "ends at 0x%" G_GINT64_MODIFIER "x at most",
                         name, (guint64)end, (guint64)request->map->low_limit);
    guint64 mib = align_up(end, 1 << 20) >> 20;
    return fail_with(error, FRONTEND_ERROR_IMAGE,
                     "'%s' needs at least %" G_GUINT64_FORMAT
                     " MiB of RAM: start it with --ram %" G_GUINT64_FORMAT "M or more",
                     name, mib, mib);
}
