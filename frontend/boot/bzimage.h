/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A Linux kernel image, taken apart: set-up header, real-mode part, protected-mode part. Others use the
 * format too (iPXE, memtest86+). Linux/x86 boot protocol, "The Real-Mode Kernel Header".
 */
#pragma once

#include "linux_params.h"

struct bzimage {
    uint16_t version; /* of the boot protocol */
    uint8_t
        header[LINUX_HEADER_END_MAX]; /* the header at its offsets; 0 where the kernel's version has none */
    size_t setup_size;                /* the real-mode part is this much of the file */
    const uint8_t *code;              /* the protected-mode part */
    size_t code_size;
    uint64_t initrd_addr_max; /* as in struct linux_plan, with the defaults of versions without them */
    uint32_t cmdline_max;
};

gboolean bzimage_parse(struct bzimage *image, const struct boot_file *kernel, GError **error);

static inline bool bzimage_is_high(const struct bzimage *image)
{
    return image->header[LINUX_LOADFLAGS] & LINUX_LOADED_HIGH;
}

static inline bool bzimage_is_relocatable(const struct bzimage *image)
{
    return image->version >= 0x0205 && image->header[LINUX_RELOCATABLE];
}

/*
 * Must its set-up code run? The 32-bit entry point is defined from 2.02 on and for kernels loaded high, and
 * some images have none and say so by address 0.
 */
bool bzimage_needs_real_mode(const struct bzimage *image);

/* "the Linux kernel '...' WHAT". Returns FALSE. */
gboolean bzimage_fail(const struct boot_file *kernel, GError **error, const char *what);
