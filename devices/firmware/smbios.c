/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * SMBIOS 2.4 structures: BIOS, system, chassis, processor, memory (array, devices, mapped ranges), boot
 * status, end. A structure is a header, fields, and the strings that fields name by number. DMTF DSP0134,
 * "System Management BIOS Reference Specification".
 */
#include "smbios.h"

#include <string.h>

enum {
    BIOS = 0,
    SYSTEM = 1,
    CHASSIS = 3,
    PROCESSOR = 4,
    MEMORY_ARRAY = 16,
    MEMORY_DEVICE = 17,
    MEMORY_RANGE = 19,
    BOOT_STATUS = 32,
    END = 127,

    HANDLE_ARRAY = 0x1000,
    DEVICE_MIB_MAX = 16384, /* one memory device has no more */
    UNKNOWN = 2,            /* in most enumerations */
    NONE = 0xfffe,          /* no error information, no set */
};

static void put(uint8_t *to, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        to[i] = value >> i * 8;
}

/* ---- Structures ---------------------------------------------------------------------------------- */

/* The next structure, `length` bytes of fields with the header. */
static uint8_t *begin(struct smbios *s, uint8_t type, uint8_t length, uint16_t handle)
{
    uint8_t *t = s->tables + s->size;

    memset(t, 0, length);
    t[0] = type;
    t[1] = length;
    put(t + 2, handle, 2);
    return t;
}

/* Its strings, each with its end, or NULL: none; then it is complete. Counts it, for the entry point. */
static void end(struct smbios *s, const uint8_t *t, const char *strings)
{
    uint32_t size = t[1];
    uint8_t *to = s->tables + s->size + t[1];
    uint16_t most, count;

    for (const char *text = strings; text && *text; text += strlen(text) + 1) {
        memcpy(to, text, strlen(text) + 1);
        to += strlen(text) + 1;
        size += strlen(text) + 1;
    }
    if (size == t[1])
        s->tables[s->size + size++] = 0;
    to = s->tables + s->size + size;
    *to = 0;
    size++;
    s->size += size;
    most = s->anchor[8] | s->anchor[9] << 8;
    count = s->anchor[28] | s->anchor[29] << 8;
    put(s->anchor + 8, size > most ? size : most, 2);
    put(s->anchor + 28, count + 1u, 2);
}

static void add_bios(struct smbios *s)
{
    uint8_t *t = begin(s, BIOS, 24, 0);

    t[4] = 1;               /* vendor */
    t[5] = 2;               /* version */
    put(t + 6, 0xf000, 2);  /* segment */
    t[8] = 3;               /* date */
    t[9] = 0;               /* 64 KiB */
    put(t + 10, 1 << 3, 8); /* its characteristics are not told */
    t[19] = 1 << 4;         /* extension: a virtual machine */
    t[20] = t[21] = 0;      /* release */
    t[22] = t[23] = 0xff;   /* no embedded controller */
    end(s, t,
        "Duplex86\0"
        "1\0"
        "01/01/2024\0");
}

static void add_system(struct smbios *s)
{
    uint8_t *t = begin(s, SYSTEM, 27, 0x100);

    t[4] = 1; /* manufacturer, product, version */
    t[5] = 2;
    t[6] = 3;
    memset(t + 8, 0xff, 16); /* UUID: not there, but could be set */
    t[24] = 6;               /* woken by the power switch */
    end(s, t,
        "Duplex86\0"
        "PC (i440FX + PIIX)\0"
        "1\0");
}

static void add_chassis(struct smbios *s)
{
    uint8_t *t = begin(s, CHASSIS, 21, 0x300);

    t[4] = 1;
    t[5] = 1;                 /* other */
    t[9] = t[10] = t[11] = 3; /* boot-up, power, thermal state: safe */
    t[12] = UNKNOWN;
    end(s, t, "Duplex86\0");
}

static void add_processor(struct smbios *s)
{
    uint8_t *t = begin(s, PROCESSOR, 35, 0x400);

    t[4] = 1;                /* socket */
    t[5] = 3;                /* central processor */
    t[6] = 1;                /* family: other */
    t[7] = 2;                /* manufacturer */
    t[24] = 1 << 6 | 1;      /* there is one, enabled */
    t[25] = 1;               /* upgrade: other */
    memset(t + 26, 0xff, 6); /* no information about caches */
    end(s, t,
        "CPU 0\0"
        "Duplex86\0");
}

static void add_array(struct smbios *s, uint32_t mib, unsigned devices)
{
    uint8_t *t = begin(s, MEMORY_ARRAY, 15, HANDLE_ARRAY);

    t[4] = 1; /* location: other */
    t[5] = 3; /* system memory */
    t[6] = UNKNOWN;
    put(t + 7, mib * UINT64_C(1024), 4);
    put(t + 11, NONE, 2);
    put(t + 13, devices, 2);
    end(s, t, NULL);
}

static void add_device(struct smbios *s, unsigned n, uint32_t mib)
{
    char strings[] = "DIMM 0\0";
    uint8_t *t = begin(s, MEMORY_DEVICE, 27, 0x1100 + n);

    strings[5] = '0' + n;
    put(t + 4, HANDLE_ARRAY, 2);
    put(t + 6, NONE, 2);
    put(t + 8, 64, 2);
    put(t + 10, 64, 2);
    put(t + 12, mib, 2);
    t[14] = 9; /* DIMM */
    t[16] = 1; /* where */
    t[18] = 7; /* RAM */
    put(t + 19, 1 << 2, 2);
    end(s, t, strings);
}

static void add_range(struct smbios *s, unsigned n, uint64_t base, uint64_t size)
{
    uint8_t *t = begin(s, MEMORY_RANGE, 15, 0x1300 + n);

    put(t + 4, base >> 10, 4);
    put(t + 8, (base + size - 1) >> 10, 4);
    put(t + 12, HANDLE_ARRAY, 2);
    t[14] = 1;
    end(s, t, NULL);
}

static void add_rest(struct smbios *s)
{
    uint8_t *t = begin(s, BOOT_STATUS, 11, 0x2000); /* no error */

    end(s, t, NULL);
    t = begin(s, END, 4, 0x7f00);
    end(s, t, NULL);
}

void smbios_build(struct smbios *s, uint64_t ram_size, uint64_t low_size)
{
    uint32_t mib = ram_size >> 20, left = mib;
    unsigned devices = (mib + DEVICE_MIB_MAX - 1) / DEVICE_MIB_MAX;

    memset(s, 0, sizeof(*s));
    add_bios(s);
    add_system(s);
    add_chassis(s);
    add_processor(s);
    add_array(s, mib, devices);
    for (unsigned n = 0; n < devices; n++) {
        uint32_t part = left < DEVICE_MIB_MAX ? left : (uint32_t)DEVICE_MIB_MAX;

        add_device(s, n, part);
        left -= part;
    }
    add_range(s, 0, 0, low_size);
    if (ram_size > low_size)
        add_range(s, 1, UINT64_C(1) << 32, ram_size - low_size);
    add_rest(s);
    smbios_place(s, 0);
}

/* ---- The entry point ----------------------------------------------------------------------------- */

static void checksum(uint8_t *at, const uint8_t *start, unsigned size)
{
    uint8_t sum = 0;

    *at = 0;
    for (unsigned i = 0; i < size; i++)
        sum += start[i];
    *at = -sum;
}

void smbios_place(struct smbios *s, uint32_t base)
{
    uint8_t *a = s->anchor;

    memcpy(a, "_SM_", 4);
    a[5] = SMBIOS_ANCHOR_SIZE;
    a[6] = 2; /* 2.4 */
    a[7] = 4;
    memcpy(a + 16, "_DMI_", 5);
    put(a + 22, s->size, 2);
    put(a + 24, base, 4);
    a[30] = 0x24;
    checksum(a + 21, a + 16, SMBIOS_ANCHOR_SIZE - 16);
    checksum(a + 4, a, SMBIOS_ANCHOR_SIZE);
}
