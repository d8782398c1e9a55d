/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The part of the PC that software or a screwdriver sets up. Public entry points are in devices/pc.h.
 */
#pragma once

#include "devices/pc.h"

/* Can memory of these sizes be built? */
bool pc_memory_is_valid(const struct pc_config *config);

/* Memory of a chip that is to be seen somewhere. Where such pieces lie on each other, the first one is. */
struct pc_chip_memory {
    guest_pa base;
    uint64_t size, offset;
    bool read_only;
};

enum { PC_CHIP_MEMORY_MAX = 4 };

/*
 * The memory map when the host bridge decodes `decodes`, I440FX_SEGMENTS sums of enum device_decode, and
 * `count` pieces of chips' memory are where nothing else is.
 */
unsigned pc_map_memory(const struct pc_config *config, const uint8_t *decodes,
                       const struct pc_chip_memory *memory, unsigned count, struct pc_region *regions);

enum { PC_E820_SIZE = 2 * 20 }; /* RAM below and from 4 GiB */

struct fw_items;
struct acpi;
struct smbios;

/* What firmware is told by the firmware configuration device. `e820` has room for PC_E820_SIZE bytes of it.
 */
void pc_fill_fw_items(const struct pc_config *config, struct fw_items *items, uint8_t *e820);
/* ... and the ACPI tables, which are made in `acpi` and go on to change with the machine. */
void pc_fill_acpi(const struct pc_config *config, struct fw_items *items, struct acpi *acpi);

/* ... and SMBIOS. */
void pc_fill_smbios(const struct pc_config *config, struct fw_items *items, struct smbios *smbios);

/* Is there a PCI bus? */
bool pc_has_pci(const struct pc *pc);

/* Store what a set-up program would: memory sizes, equipment and the checksum. */
void pc_fill_cmos(struct pc *pc, const struct pc_config *config);
