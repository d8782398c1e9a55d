/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Drives of the board: between their controllers, which count units, and the frontend, which has the media;
 * and what a set-up program stores about disks in CMOS RAM. IBM PC/AT Technical Reference, "Real-Time
 * Clock/CMOS RAM", "Drive C Extended Byte"; for 1Bh to 2Ch and 39h SeaBIOS's hw/rtc.h and block.c.
 */
#include "pc_private.h"

#include "floppy_format.h"

#include <string.h>

/* ---- From the controllers -------------------------------------------------------------------- */

/* PC_DRIVES: the controller has no such unit. */
static unsigned drive_of(const struct device *dev, unsigned unit)
{
    const struct row *row = &pc_rows[dev->slot];

    return unit < row->drive_count ? row->drive + unit : PC_DRIVES;
}

static void look(const struct pc *pc, unsigned drive, struct device_medium *medium)
{
    *medium = (struct device_medium){ .drive = DEVICE_DRIVE_NONE };
    if (drive >= PC_DRIVES || !pc->config.drives[drive])
        return;
    pc->callbacks.medium(pc->ctx, drive, medium);
    medium->drive = pc->config.drives[drive];
}

void pc_board_medium(void *board, struct device *dev, unsigned unit, struct device_medium *medium)
{
    look(board, drive_of(dev, unit), medium);
}

uint8_t *pc_board_transfer_data(void *board, struct device *dev, unsigned unit, uint32_t size)
{
    struct pc *pc = board;

    return pc->callbacks.transfer_data(pc->ctx, drive_of(dev, unit), size);
}

void pc_board_transfer(void *board, struct device *dev, unsigned unit, enum device_transfer what,
                       uint64_t offset, uint32_t size, uint32_t tag)
{
    struct pc *pc = board;

    pc->callbacks.transfer(pc->ctx, drive_of(dev, unit), what, offset, size, tag);
}

/* ---- To them --------------------------------------------------------------------------------- */

/* The controller, and the drive's unit there; NULL: there is none. */
static struct device *controller(const struct pc *pc, unsigned drive, unsigned *unit)
{
    for (unsigned slot = 0; slot < SLOT_COUNT; slot++) {
        const struct row *row = &pc_rows[slot];

        if (!pc->devices[slot].type || drive < row->drive || drive - row->drive >= row->drive_count)
            continue;
        *unit = drive - row->drive;
        return (struct device *)&pc->devices[slot];
    }
    return NULL;
}

void pc_transferred(struct pc *pc, enum pc_drive drive, const struct device_transferred *result)
{
    unsigned unit;
    struct device *dev = controller(pc, drive, &unit);

    if (dev && dev->type->transferred)
        dev->type->transferred(dev, unit, result);
    pc_news_from_outside(pc);
}

void pc_medium_changed(struct pc *pc, enum pc_drive drive)
{
    unsigned unit;
    struct device *dev = controller(pc, drive, &unit);

    if (dev && dev->type->medium_changed)
        dev->type->medium_changed(dev, unit);
    pc_news_from_outside(pc);
}

bool pc_holds_medium(const struct pc *pc, enum pc_drive drive)
{
    unsigned unit;
    const struct device *dev = controller(pc, drive, &unit);

    return dev && dev->type->holds_medium && dev->type->holds_medium(dev, unit);
}

/* ---- Set-up ---------------------------------------------------------------------------------- */

enum {
    FLOPPY_TYPES = 0x10,
    EQUIPMENT = 0x14,
    DISK_TYPES = 0x12, /* of drive C in the high half, of D in the low one */
    DISK_TYPE_EXTENDED = 0x19,
    DISK_GEOMETRY = 0x1b, /* nine bytes each */
    TYPE_MORE = 0xf,      /* the type is in the extended byte */
    TYPE_USER = 47,
    TRANSLATIONS = 0x39, /* two bits for each disk: 0 none, 1 by LBA */
    BOOT_THIRD = 0x38,   /* in the high half */
    BOOT_FIRST = 0x3d,   /* the second one in the high half */

    HEADS = 16,
    TRACK = 63,
    CYLINDERS_MAX = 16383,
    CYLINDERS_CHS = 1024, /* INT 13h counts no further */
};

/* As the disk has it by itself (devices/storage/ata_identify.c). */
static unsigned cylinders_of(const struct device_medium *medium)
{
    uint64_t cylinders = medium->size / 512 / (HEADS * TRACK);

    return cylinders < CYLINDERS_MAX ? cylinders : CYLINDERS_MAX;
}

static void fill_disk(struct pc *pc, unsigned drive, unsigned cylinders)
{
    const uint8_t geometry[9] = { cylinders, cylinders >> 8, HEADS,          0xff, 0xff,
                                  0xc8,      cylinders,      cylinders >> 8, TRACK };
    uint8_t types = pc_cmos_read(pc, DISK_TYPES);

    pc_cmos_write(pc, DISK_TYPES, types | (drive == PC_DRIVE_HDA ? TYPE_MORE << 4 : TYPE_MORE));
    pc_cmos_write(pc, DISK_TYPE_EXTENDED + drive, TYPE_USER);
    for (unsigned i = 0; i < sizeof(geometry); i++)
        pc_cmos_write(pc, DISK_GEOMETRY + drive * sizeof(geometry) + i, geometry[i]);
}

/* SeaBIOS's numbers; 0: nothing. */
static unsigned boot_code(char letter)
{
    switch (letter) {
    case 'a':
        return 1;
    case 'c':
        return 2;
    case 'd':
        return 3;
    case 'n':
        return 4;
    default:
        return 0;
    }
}

static void fill_boot_order(struct pc *pc)
{
    const char *order = *pc->config.boot_order ? pc->config.boot_order : "cda";
    unsigned code[3] = { 0 };

    for (unsigned i = 0; i < 3 && order[i]; i++)
        code[i] = boot_code(order[i]);
    pc_cmos_write(pc, BOOT_FIRST, code[0] | code[1] << 4);
    pc_cmos_write(pc, BOOT_THIRD, code[2] << 4); /* bit 0 is clear: a boot sector needs its signature */
}

uint64_t pc_floppy_size(uint64_t size)
{
    return floppy_size(size);
}

static unsigned floppy_type(const struct pc *pc, unsigned drive)
{
    struct device_medium medium;
    const struct floppy_format *format;

    look(pc, drive, &medium);
    format = medium.present ? floppy_format(medium.size) : NULL;
    return medium.drive != DEVICE_DRIVE_FLOPPY ? 0 : format ? format->drive : FLOPPY_1440K;
}

/* Types of both drives, and how many there are in the equipment byte. */
static void fill_floppies(struct pc *pc)
{
    unsigned a = floppy_type(pc, PC_DRIVE_FLOPPY_A), b = floppy_type(pc, PC_DRIVE_FLOPPY_B);
    uint8_t equipment = pc_cmos_read(pc, EQUIPMENT) & ~0xc1;

    pc_cmos_write(pc, FLOPPY_TYPES, a << 4 | b);
    if (a || b)
        equipment |= 1 | (a && b ? 1 << 6 : 0);
    pc_cmos_write(pc, EQUIPMENT, equipment);
}

void pc_fill_cmos_drives(struct pc *pc)
{
    uint8_t translations = 0;

    for (unsigned drive = PC_DRIVE_HDA; drive <= PC_DRIVE_HDD; drive++) {
        struct device_medium medium;
        unsigned cylinders;

        look(pc, drive, &medium);
        if (medium.drive != DEVICE_DRIVE_DISK || !medium.present)
            continue;
        cylinders = cylinders_of(&medium);
        translations |= (cylinders > CYLINDERS_CHS) << drive * 2;
        if (drive <= PC_DRIVE_HDB)
            fill_disk(pc, drive, cylinders);
    }
    pc_cmos_write(pc, TRANSLATIONS, translations);
    fill_floppies(pc);
    fill_boot_order(pc);
    pc_port_write(pc, 0x70, 1, 0x0d); /* leave the index on a read-only register */
}

/* ---- In firmware's place --------------------------------------------------------------------- */

enum { CONFADD = 0xcf8, CONFDATA = 0xcfc, MASTER_PORTS = 0xc000 };

static void config_write(struct pc *pc, unsigned devfn, unsigned offset, unsigned size, uint32_t value)
{
    pc_port_write(pc, CONFADD, 4, 1u << 31 | devfn << 8 | offset);
    pc_port_write(pc, CONFDATA, size, value);
}

void pc_open_ide(struct pc *pc)
{
    unsigned devfn = pc_rows[PIIX3_IDE].devfn;

    if (!pc->devices[PIIX3_IDE].type)
        return;
    config_write(pc, devfn, 0x40, 4, 0x80008000); /* IDETIM: both channels answer */
    config_write(pc, devfn, 0x20, 4, MASTER_PORTS);
    config_write(pc, devfn, 0x04, 2, 0x0005);
    pc_port_write(pc, CONFADD, 4, 0);
}
