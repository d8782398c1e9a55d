/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * SMBIOS: what the machine calls itself, for firmware, which publishes it, and for a guest without one.
 */
#pragma once

#include <stdint.h>

enum { SMBIOS_ANCHOR_SIZE = 31, SMBIOS_TABLES_MAX = 1024 };

struct smbios {
    uint8_t anchor[SMBIOS_ANCHOR_SIZE]; /* the entry point; the tables' address is 0 */
    uint8_t tables[SMBIOS_TABLES_MAX];
    uint32_t size;
};

/* `ram_size` in bytes, of which `low_size` is below 4 GiB. */
void smbios_build(struct smbios *smbios, uint64_t ram_size, uint64_t low_size);

/* The tables are at that address: fill in the entry point. */
void smbios_place(struct smbios *smbios, uint32_t base);
