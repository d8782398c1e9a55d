/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The ACPI tables of the machine, as two files for firmware and a third that says how they are put into
 * memory; or put there already. ACPI specification, "ACPI Software Programming Model"; QEMU documentation,
 * "ACPI linker/loader".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ACPI_TABLES_MAX = 4096,
    ACPI_RSDP_SIZE = 20,
    ACPI_STEP_SIZE = 128, /* of the loader's script */
    ACPI_STEPS_MAX = 16,
    ACPI_ALIGN = 64, /* of both files, for a FACS is first */
    /* Where PCI memory may begin at the lowest: what firmware takes for small machines. */
    ACPI_DEVICES_FLOOR = 0x80000000,
};

/* Bits of `devices`: what is there. COM1 to COM4 are the first four. */
enum { ACPI_HAS_FLOPPY = 1 << 4 };

struct acpi_facts {
    uint32_t pci_memory; /* where 32-bit devices begin */
    uint32_t devices;
    bool apic;
};

struct acpi {
    uint8_t tables[ACPI_TABLES_MAX];
    uint8_t rsdp[ACPI_RSDP_SIZE];
    uint8_t script[ACPI_STEPS_MAX * ACPI_STEP_SIZE];
    uint32_t size, script_size;
    uint32_t fadt; /* offset in `tables` */
};

/* Pointers are offsets into `tables`, and no checksum is right, until the script has been carried out. */
void acpi_build(struct acpi *acpi, const struct acpi_facts *facts);

/* Software has moved the power management registers to these ports. */
void acpi_set_pm_base(struct acpi *acpi, uint32_t base);

/* Carry the script out, for `tables` at that address, a multiple of ACPI_ALIGN. */
void acpi_place(struct acpi *acpi, uint32_t base);
