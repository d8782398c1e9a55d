/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Loading a kernel without firmware: from the bytes of a file to bytes in guest memory and the state the
 * processor starts in. Loaders are functions of what they are given; they reach guest memory through
 * struct boot_memory only, so they are tested without a machine. Every file is taken as hostile.
 */
#pragma once

#include "memory_map.h"

#include <glib.h>
#include <stdint.h>

/* Where a loader writes. */
struct boot_memory {
    int (*write)(void *opaque, uint64_t pa, const void *data, size_t size); /* 0 or -errno */
    void *opaque;
};

struct boot_file {
    const char *name;
    const uint8_t *data;
    size_t size;
    const char *string; /* Multiboot: what the module is told about itself */
};

struct boot_request {
    struct boot_file kernel;
    const struct boot_file *initrds; /* Linux: one at most; Multiboot: the modules */
    size_t initrd_count;
    const char *command_line; /* never NULL */
    const struct memory_map *map;
};

/*
 * The processor a loaded kernel finds: 32-bit protected mode without paging, interrupts off, flat
 * segments CS = BOOT_CS and DS = ES = FS = GS = SS = BOOT_DS from the table at BOOT_GDT. Registers not
 * named are 0. Or real mode, interrupts off as well, with the segments named here.
 */
struct boot_state {
    const char *format; /* what the kernel was taken for, for messages */
    uint32_t eip, eax, ebx, esi, esp;
    bool real_mode;
    uint16_t cs, segment; /* in real mode: CS, and the others */
};

/*
 * What the loader itself leaves in guest memory lies in [BOOT_AREA, MEMORY_MAP_EBDA); kernels that want
 * to be loaded there are refused. Below it are the BIOS data area and room for low kernels.
 *
 * 90000h is where Linux' boot protocols of all versions have their real-mode code, and with it the boundary
 * of what belongs to a kernel. Loaded high, kernels up to 2.6.1x unpack into the memory from 2000h to their
 * zero page, to 90000h at most, and load their segments anew only after that. The zero page comes first, for
 * kernels that measure by ESI, and what must live on, descriptors and command line, above it.
 */
enum {
    BOOT_CS = 0x10, /* Linux/x86 boot protocol, "32-bit Boot Protocol": __BOOT_CS, __BOOT_DS */
    BOOT_DS = 0x18,
    BOOT_AREA = 0x90000,
    BOOT_INFO = 0x90000, /* zero page or Multiboot information */
    BOOT_GDT = 0x91000,
    BOOT_GDT_SIZE = 0x20,
    BOOT_STACK_TOP = 0x92000, /* shares the table's page; no protocol promises a stack, old kernels push */
    BOOT_STRINGS = 0x92000,   /* up to MEMORY_MAP_EBDA */
    BOOT_LOW_FREE = 0x1000,   /* first address a kernel may claim */
};

enum kernel_format {
    KERNEL_UNKNOWN,
    KERNEL_LINUX,      /* bzImage: "HdrS" */
    KERNEL_MULTIBOOT,  /* a Multiboot header in the first 8 KiB */
    KERNEL_MULTIBOOT2, /* only a Multiboot 2 header, in the first 32 KiB */
    KERNEL_ELF,        /* ELF without one: an uncompressed Linux kernel */
};

enum kernel_format loader_detect(const uint8_t *data, size_t size);

/* Load by what the file is. */
gboolean loader_load(const struct boot_request *request, const struct boot_memory *memory,
                     struct boot_state *state, GError **error);

/* The loaders, each in its own file. */
gboolean loader_linux_load(const struct boot_request *request, const struct boot_memory *memory,
                           struct boot_state *state, GError **error);
/* A bzImage whose set-up code has to run, for loader_linux_load(). */
struct bzimage;
gboolean loader_linux16_load(const struct boot_request *request, const struct bzimage *image,
                             const struct boot_memory *memory, struct boot_state *state, GError **error);
gboolean loader_vmlinux_load(const struct boot_request *request, const struct boot_memory *memory,
                             struct boot_state *state, GError **error);
gboolean loader_multiboot_load(const struct boot_request *request, const struct boot_memory *memory,
                               struct boot_state *state, GError **error);
gboolean loader_multiboot2_load(const struct boot_request *request, const struct boot_memory *memory,
                                struct boot_state *state, GError **error);

/* Multiboot header in `data`, or -1; the first with a right checksum counts. */
ssize_t multiboot_find_header(const uint8_t *data, size_t size);
ssize_t multiboot2_find_header(const uint8_t *data, size_t size);

/* ---- Shared by the loaders ---- */

gboolean boot_write(const struct boot_memory *memory, uint64_t pa, const void *data, size_t size,
                    GError **error);
gboolean boot_zero(const struct boot_memory *memory, uint64_t pa, uint64_t size, GError **error);
/* The descriptor table at BOOT_GDT. */
gboolean boot_write_gdt(const struct boot_memory *memory, GError **error);

/* [base, base + size) may hold (a part of) a kernel: RAM, and not the loader's own. */
bool boot_range_is_free(const struct boot_request *request, uint64_t base, uint64_t size);

/* "needs N MiB of RAM": the kernel and what goes with it reach up to `end`. Returns FALSE. */
gboolean boot_fail_ram(const struct boot_request *request, uint64_t end, GError **error);

static inline uint64_t align_up(uint64_t value, uint64_t alignment)
{
    return (value + alignment - 1) & ~(alignment - 1);
}

static inline uint64_t align_down(uint64_t value, uint64_t alignment)
{
    return value & ~(alignment - 1);
}

enum { BOOT_PAGE = 4096 };
