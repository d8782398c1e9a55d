/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the firmware configuration device has to tell: items by number, some of which are files with names in
 * a directory. QEMU documentation, "QEMU Firmware Configuration (fw_cfg) Device".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FW_FILES_MAX = 64,
    FW_NUMBERS_MAX = 16,
    FW_FILE_ENTRY = 64, /* bytes of a directory entry */
    FW_FILE_NAME = 56,  /* of its name, with the 0 at the end */

    FW_SIGNATURE = 0x00,
    FW_ID = 0x01,
    FW_RAM_SIZE = 0x03,
    FW_NB_CPUS = 0x05,
    FW_BOOT_MENU = 0x0e,
    FW_MAX_CPUS = 0x0f,
    FW_DIRECTORY = 0x19,
    FW_FILE_FIRST = 0x20,

    FW_ID_VERSION = 1 << 0,
    FW_ID_DMA = 1 << 1,
};

/* Numbers are kept here, little-endian; the data of files is the caller's and stays where it is. */
struct fw_items {
    struct {
        uint16_t key;
        uint8_t size;
        uint8_t bytes[8];
    } numbers[FW_NUMBERS_MAX];
    unsigned number_count;
    struct {
        const uint8_t *data;
        uint32_t size;
    } files[FW_FILES_MAX];
    unsigned file_count;
    uint8_t directory[4 + FW_FILES_MAX * FW_FILE_ENTRY];
};

/* False: there is no room, the name is too long or empty, or there is such an item already. */
bool fw_add_number(struct fw_items *items, uint16_t key, uint64_t value, uint8_t size);
bool fw_add_file(struct fw_items *items, const char *name, const void *data, uint32_t size);

/* NULL: there is no such item. */
const uint8_t *fw_item(const struct fw_items *items, unsigned key, uint32_t *size);
