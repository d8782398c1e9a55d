/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Linux images through their set-up code, in real mode: zImages, boot protocols before 2.02, and programs in
 * this format that have no 32-bit entry point (iPXE). Everything lies where boot loaders put it. What the
 * set-up code asks of the BIOS, bios/direct_boot.S answers.
 * Linux/x86 boot protocol, "Memory Layout", "The Kernel Command Line", "Running the Kernel".
 */
#include "bytes.h"
#include "bzimage.h"
#include "error.h"

enum {
    OLD_BASE = 0x90000, /* before 2.02 set-up code runs there and nowhere else */
    NEW_BASE = 0x10000,
    OLD_HEAP_END = 0x9800, /* offsets from the base: heap and stack end here, the command line follows */
    NEW_HEAP_END = 0xe000,
    STACK_SIZE = 0x200,    /* what must be left for it */
    SETUP_OFFSET = 0x200,  /* the entry point; before it lies the boot sector */
    ZIMAGE_LOAD = 0x10000, /* set-up code moves it from there */
    ZIMAGE_END = OLD_BASE,

    OLD_COMMAND_LINE = 0x20, /* in the boot sector: magic, then its offset from the base */
    OLD_COMMAND_LINE_MAGIC = 0xa33f,
};

struct layout {
    uint32_t base, heap_end; /* the real-mode part, and where its heap ends from there */
    uint32_t end;            /* of what there is for all of it */
    uint64_t load;           /* the protected-mode part */
};

static gboolean choose_layout(const struct boot_request *request, const struct bzimage *image,
                              struct layout *layout, GError **error)
{
    const struct boot_file *kernel = &request->kernel;
    bool high = bzimage_is_high(image);
    *layout = high && image->version >= 0x0202
                  ? (struct layout){ NEW_BASE, NEW_HEAP_END, 2 * NEW_BASE, MEMORY_MAP_EXTENDED }
                  : (struct layout){ OLD_BASE, OLD_HEAP_END, MEMORY_MAP_EBDA,
                                     high ? MEMORY_MAP_EXTENDED : ZIMAGE_LOAD };
    if (image->setup_size > layout->heap_end - STACK_SIZE)
        return bzimage_fail(kernel, error, "has a real-mode part that leaves its stack no room");
    if (!high && image->code_size > ZIMAGE_END - ZIMAGE_LOAD)
        return bzimage_fail(kernel, error,
                            "is a zImage of more than 512 KiB, which is not loaded below 1 MiB");
    if (layout->load + image->code_size > request->map->low_top)
        return boot_fail_ram(request, layout->load + image->code_size, error);
    return TRUE;
}

static gboolean place_command_line(uint8_t *setup, const struct bzimage *image, const struct layout *layout,
                                   const struct boot_request *request, const struct boot_memory *memory,
                                   GError **error)
{
    size_t length = strlen(request->command_line);
    size_t room =
        MIN((size_t)image->cmdline_max, (size_t)(layout->end - layout->base - layout->heap_end - 1));
    if (length > room)
        return linux_params_fail_command_line(request, room, error);
    uint32_t pa = layout->base + layout->heap_end;
    if (image->version >= 0x0202) {
        put32(setup + LINUX_CMD_LINE_PTR, pa);
    } else {
        put16(setup + OLD_COMMAND_LINE, OLD_COMMAND_LINE_MAGIC);
        put16(setup + OLD_COMMAND_LINE + 2, (uint16_t)layout->heap_end);
        put16(setup + LINUX_SETUP_MOVE_SIZE, (uint16_t)(layout->heap_end + length + 1));
    }
    return boot_write(memory, pa, request->command_line, length + 1, error);
}

/* Only fields the version has: behind them is code. */
static void fill_header(uint8_t *setup, const struct bzimage *image, const struct layout *layout)
{
    put16(setup + LINUX_VID_MODE, LINUX_VID_NORMAL);
    setup[LINUX_TYPE_OF_LOADER] = LINUX_LOADER_UNDEFINED;
    if (image->version >= 0x0201) {
        setup[LINUX_LOADFLAGS] |= LINUX_CAN_USE_HEAP;
        put16(setup + LINUX_HEAP_END_PTR, (uint16_t)(layout->heap_end - STACK_SIZE));
    }
    if (image->version >= 0x0202) {
        setup[LINUX_EXT_LOADER_VER] = 0;
        setup[LINUX_EXT_LOADER_TYPE] = 0;
    }
    if (image->version >= 0x0209)
        put64(setup + LINUX_SETUP_DATA, 0);
}

gboolean loader_linux16_load(const struct boot_request *request, const struct bzimage *image,
                             const struct boot_memory *memory, struct boot_state *state, GError **error)
{
    struct layout layout;
    if (!choose_layout(request, image, &layout, error))
        return FALSE;
    struct linux_plan plan = {
        .load_end = MAX(layout.load + image->code_size, (uint64_t)MEMORY_MAP_EXTENDED),
        .initrd_addr_max = image->initrd_addr_max,
        .cmdline_max = image->cmdline_max,
    };
    uint8_t *setup = g_memdup2(request->kernel.data, image->setup_size);
    fill_header(setup, image, &layout);
    gboolean ok = place_command_line(setup, image, &layout, request, memory, error) &&
                  linux_params_place_initrd(setup, &plan, request, memory, error) &&
                  boot_write(memory, layout.base, setup, image->setup_size, error) &&
                  boot_write(memory, layout.load, image->code, image->code_size, error);
    g_free(setup);
    state->format = "Linux kernel with real-mode entry";
    state->real_mode = true;
    state->segment = (uint16_t)(layout.base >> 4);
    state->cs = state->segment + (SETUP_OFFSET >> 4);
    state->eip = 0;
    state->esp = layout.heap_end;
    return ok;
}
