/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a PC's firmware is to the machine: a ROM image, and for guests started without a BIOS the tables in
 * low memory that one would have left.
 */
#pragma once

#include "loader.h"

enum { FIRMWARE_SIZE_MAX = 2 << 20 };

/* A ROM image: whole pages, its end at the top of 4 GiB and, of the last 128 KiB, of 1 MiB. */
struct firmware {
    uint8_t *data;
    uint32_t size;
};

/* From a file: up to 2 MiB; less than whole pages is padded in front. */
gboolean firmware_read(struct firmware *rom, const char *path, GError **error);
/* The file of the distribution's SeaBIOS; NULL: it is in none of the usual places. */
const char *firmware_find_seabios(void);
/* The same for the VGA BIOS that goes with it. */
const char *firmware_find_vgabios(void);
/* The ROM with which the adapter of that name ("e1000") starts from the network: iPXE's. To be freed; NULL:
 * there is none. */
char *firmware_find_pxe(const char *adapter);
/* An option ROM of `size_max` bytes at most. */
gboolean firmware_read_option_rom(struct firmware *rom, const char *path, uint32_t size_max, GError **error);
/*
 * Say in an option ROM for what PCI function it is: firmware runs it for no other, and some are made for
 * many. Byte 6, which is nobody's, keeps the checksum. (PCI Firmware Specification, "PCI Expansion ROM Header
 * Format".)
 */
void firmware_set_pci_id(struct firmware *rom, uint16_t vendor, uint16_t device);
/* The ROM of a direct boot (bios/direct_boot.S). */
void firmware_direct_boot(struct firmware *rom);
void firmware_clear(struct firmware *rom);

/* What firmware finds out about the machine and keeps. */
struct firmware_facts {
    uint32_t serial_ports; /* as in struct pc_config */
    uint32_t ticks;        /* of the 18.2 Hz clock since midnight */
    const struct memory_map *map;
};

/*
 * For a guest whose screen somebody sees: the kernel does not begin at once, but firmware does, which has the
 * display adapter's BIOS, in memory at C0000h, set mode 3 first. `state` becomes where that begins. Behind
 * firmware_write_tables(); the table of descriptors is at BOOT_GDT. `memory` writes where the guest cannot,
 * too.
 */
gboolean firmware_start_screen(const struct boot_memory *memory, struct boot_state *state, GError **error);

/* Interrupt vectors and BIOS data areas, as a kernel started directly finds them. */
gboolean firmware_write_tables(const struct boot_memory *memory, const struct firmware_facts *facts,
                               GError **error);
