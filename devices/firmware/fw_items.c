/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the firmware configuration device has to tell. The directory is big-endian: the number of files, then
 * for each its size, its item's number, two reserved bytes and its name.
 */
#include "fw_items.h"

#include <string.h>

static void put_big_endian(uint8_t *to, uint32_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        to[i] = value >> (size - 1 - i) * 8;
}

static uint8_t *entry(struct fw_items *items, unsigned n)
{
    return items->directory + 4 + n * FW_FILE_ENTRY;
}

bool fw_add_number(struct fw_items *items, uint16_t key, uint64_t value, uint8_t size)
{
    uint32_t taken;

    if (items->number_count == FW_NUMBERS_MAX || size > 8 || fw_item(items, key, &taken))
        return false;
    items->numbers[items->number_count].key = key;
    items->numbers[items->number_count].size = size;
    for (unsigned i = 0; i < size; i++)
        items->numbers[items->number_count].bytes[i] = value >> i * 8;
    items->number_count++;
    return true;
}

static bool has_file(struct fw_items *items, const char *name)
{
    for (unsigned i = 0; i < items->file_count; i++) {
        if (!strcmp((const char *)entry(items, i) + 8, name))
            return true;
    }
    return false;
}

bool fw_add_file(struct fw_items *items, const char *name, const void *data, uint32_t size)
{
    unsigned n = items->file_count;
    uint8_t *e = entry(items, n);

    if (n == FW_FILES_MAX || !*name || strlen(name) >= FW_FILE_NAME || has_file(items, name))
        return false;
    items->files[n].data = data;
    items->files[n].size = size;
    put_big_endian(e, size, 4);
    put_big_endian(e + 4, FW_FILE_FIRST + n, 2);
    memcpy(e + 8, name, strlen(name));
    items->file_count++;
    put_big_endian(items->directory, items->file_count, 4);
    return true;
}

const uint8_t *fw_item(const struct fw_items *items, unsigned key, uint32_t *size)
{
    if (key == FW_DIRECTORY) {
        *size = 4 + items->file_count * FW_FILE_ENTRY;
        return items->directory;
    }
    if (key >= FW_FILE_FIRST && key - FW_FILE_FIRST < items->file_count) {
        *size = items->files[key - FW_FILE_FIRST].size;
        return items->files[key - FW_FILE_FIRST].data;
    }
    for (unsigned i = 0; i < items->number_count; i++) {
        if (items->numbers[i].key == key) {
            *size = items->numbers[i].size;
            return items->numbers[i].bytes;
        }
    }
    return NULL;
}
