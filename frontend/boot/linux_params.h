/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The Linux "zero page" (struct boot_params) of the 32-bit boot protocol, shared by bzImage and vmlinux.
 * Linux/x86 boot protocol: "The Real-Mode Kernel Header", "32-bit Boot Protocol", and the zero page's own
 * page.
 */
#pragma once

#include "loader.h"

/* Offsets in the zero page; those of the set-up header are the same in a bzImage. */
enum linux_param {
    LINUX_SCREEN_INFO = 0x000,
    LINUX_EXT_MEM_K = 0x002,
    LINUX_ALT_MEM_K = 0x1e0,
    LINUX_E820_ENTRIES = 0x1e8,
    LINUX_SETUP_SECTS = 0x1f1, /* first byte of the set-up header */
    LINUX_SYSSIZE = 0x1f4,
    LINUX_VID_MODE = 0x1fa,
    LINUX_BOOT_FLAG = 0x1fe,
    LINUX_JUMP_OFFSET = 0x201, /* the header ends at 0x202 plus this byte */
    LINUX_HEADER = 0x202,      /* "HdrS" */
    LINUX_VERSION = 0x206,
    LINUX_TYPE_OF_LOADER = 0x210,
    LINUX_LOADFLAGS = 0x211,
    LINUX_SETUP_MOVE_SIZE = 0x212,
    LINUX_CODE32_START = 0x214,
    LINUX_RAMDISK_IMAGE = 0x218,
    LINUX_RAMDISK_SIZE = 0x21c,
    LINUX_HEAP_END_PTR = 0x224,
    LINUX_EXT_LOADER_VER = 0x226,
    LINUX_EXT_LOADER_TYPE = 0x227,
    LINUX_CMD_LINE_PTR = 0x228,
    LINUX_INITRD_ADDR_MAX = 0x22c,
    LINUX_KERNEL_ALIGNMENT = 0x230,
    LINUX_RELOCATABLE = 0x234,
    LINUX_XLOADFLAGS = 0x236,
    LINUX_CMDLINE_SIZE = 0x238,
    LINUX_SETUP_DATA = 0x250,
    LINUX_PREF_ADDRESS = 0x258,
    LINUX_INIT_SIZE = 0x260,
    LINUX_HEADER_END_MAX = 0x290, /* where the zero page puts other things */
    LINUX_E820_TABLE = 0x2d0,
    LINUX_PAGE_SIZE = 4096,
};

enum {
    LINUX_LOADED_HIGH = 0x01, /* loadflags */
    LINUX_KEEP_SEGMENTS = 0x40,
    LINUX_CAN_USE_HEAP = 0x80,
    LINUX_XLF_KERNEL_64 = 0x01,    /* xloadflags */
    LINUX_LOADER_UNDEFINED = 0xff, /* type_of_loader: none with a number of its own */
    LINUX_VID_NORMAL = 0xffff,
};

/* What a kernel's loader found out before the rest can be placed around it. */
struct linux_plan {
    uint64_t load_end;        /* the kernel and its working space end here */
    uint64_t initrd_addr_max; /* highest address an initrd's last byte may have */
    uint32_t cmdline_max;     /* longest command line the kernel takes, without its NUL */
};

/*
 * Fill what is not the kernel's own header, place command line and initrd, and write all of it to guest
 * memory; `page` holds the kernel's set-up header. The state gets ESI.
 */
gboolean linux_params_finish(uint8_t *page, const struct linux_plan *plan, const struct boot_request *request,
                             const struct boot_memory *memory, struct boot_state *state, GError **error);

/* Parts of that, for kernels that make the rest of their zero page themselves. */
gboolean linux_params_place_initrd(uint8_t *page, const struct linux_plan *plan,
                                   const struct boot_request *request, const struct boot_memory *memory,
                                   GError **error);
/* The command line is longer than the `room` there is. Returns FALSE. */
gboolean linux_params_fail_command_line(const struct boot_request *request, size_t room, GError **error);
