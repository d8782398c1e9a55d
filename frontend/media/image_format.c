/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What kind of image a file is, by its first bytes, or its last ones. QEMU documentation, "Qcow2 Image File
 * Format"; VMware, "Virtual Disk Format 1.1"; VirtualBox's header with its signature at 40h; Microsoft,
 * "Virtual Hard Disk Image Format Specification" and "[MS-VHDX]".
 */
#include "image_file.h"

#include <glib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static const struct {
    const char *name, *driver;
} formats[IMAGE_FORMATS] = {
    [IMAGE_RAW] = { "raw", "raw" }, [IMAGE_QCOW2] = { "qcow2", "qcow2" }, [IMAGE_VMDK] = { "vmdk", "vmdk" },
    [IMAGE_VDI] = { "vdi", "vdi" }, [IMAGE_VHD] = { "vhd", "vpc" },       [IMAGE_VHDX] = { "vhdx", "vhdx" },
};

#define TEXT(text) text, sizeof text - 1

static const struct {
    enum image_format format;
    unsigned offset;
    const char *bytes;
    size_t size;
    bool at_end; /* `offset` is that in the last sector */
} marks[] = {
    { IMAGE_QCOW2, 0, TEXT("QFI\xfb\0\0\0\x02"), false },
    { IMAGE_QCOW2, 0, TEXT("QFI\xfb\0\0\0\x03"), false },
    { IMAGE_VMDK, 0, TEXT("KDMV"), false },
    { IMAGE_VMDK, 0, TEXT("COWD"), false },
    { IMAGE_VMDK, 0, TEXT("# Disk DescriptorFile"), false },
    { IMAGE_VDI, 0x40, TEXT("\x7f\x10\xda\xbe"), false },
    { IMAGE_VHD, 0, TEXT("conectix"), false },
    { IMAGE_VHD, 0, TEXT("conectix"), true },
    { IMAGE_VHDX, 0, TEXT("vhdxfile"), false },
};

enum { SECTOR = 512 };

const char *image_format_name(enum image_format format)
{
    return formats[format].name;
}

const char *image_format_driver(enum image_format format)
{
    return formats[format].driver;
}

enum image_format image_format_by_name(const char *name)
{
    enum image_format format = IMAGE_RAW;
    while (format < IMAGE_FORMATS && strcmp(formats[format].name, name))
        format++;
    return format;
}

enum image_format image_format_by_driver(const char *driver)
{
    enum image_format format = IMAGE_RAW;
    while (format < IMAGE_FORMATS && strcmp(formats[format].driver, driver))
        format++;
    return format;
}

enum image_format image_format_of_bytes(uint64_t total, uint64_t offset, const uint8_t *data, uint32_t size)
{
    for (size_t i = 0; i < G_N_ELEMENTS(marks); i++) {
        uint64_t at = marks[i].offset;
        if (marks[i].at_end && total >= SECTOR)
            at += total - SECTOR;
        if (at >= offset && at + marks[i].size <= offset + size &&
            !memcmp(data + (at - offset), marks[i].bytes, marks[i].size))
            return marks[i].format;
    }
    return IMAGE_RAW;
}

enum image_format image_format_of(int fd)
{
    uint8_t sector[SECTOR];
    off_t total = lseek(fd, 0, SEEK_END);
    ssize_t n = pread(fd, sector, sizeof sector, 0);
    enum image_format format = IMAGE_RAW;
    if (total > 0 && n > 0)
        format = image_format_of_bytes((uint64_t)total, 0, sector, (uint32_t)n);
    if (format == IMAGE_RAW && total > SECTOR && pread(fd, sector, SECTOR, total - SECTOR) == SECTOR)
        format = image_format_of_bytes((uint64_t)total, (uint64_t)total - SECTOR, sector, SECTOR);
    return format;
}
