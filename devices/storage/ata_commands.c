/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The commands of ATA devices, and those of packet devices that are no packets. ATA/ATAPI-6, 8 "Command
 * descriptions".
 */
#include "ide.h"

static const struct device_event event_command = { "ata_command", { "unit", "command", "lba", "count" } };
static const struct device_event event_error = { "ata_error", { "unit", "command", "error" } };

/* ---- Addresses ------------------------------------------------------------------------------- */

/* CHS, 28 or 48 bits; UINT64_MAX: no such sector in the host's geometry. */
static uint64_t first_sector(const struct ata_drive *d, bool ext)
{
    uint32_t low = d->lba_low.now | (uint32_t)d->lba_mid.now << 8 | (uint32_t)d->lba_high.now << 16;
    uint32_t cylinder = d->lba_mid.now | (uint32_t)d->lba_high.now << 8, head = d->device & 15;

    if (ext)
        return low | (uint64_t)d->lba_low.before << 24 | (uint64_t)d->lba_mid.before << 32 |
               (uint64_t)d->lba_high.before << 40;
    if (d->device & ATA_DEVICE_LBA)
        return low | (uint32_t)(d->device & 15) << 24;
    if (!d->lba_low.now || d->lba_low.now > d->track || head >= d->heads)
        return UINT64_MAX;
    return ((uint64_t)cylinder * d->heads + head) * d->track + d->lba_low.now - 1;
}

static uint32_t sector_count(const struct ata_drive *d, bool ext)
{
    uint32_t count = ext ? d->count.now | (uint32_t)d->count.before << 8 : d->count.now;

    return count ? count : ext ? 65536 : 256;
}

/* Show where the command came to. */
static void put_sector(struct ata_drive *d, uint64_t lba, bool ext)
{
    if (ext) {
        d->lba_low = (struct ata_register){ lba, lba >> 24 };
        d->lba_mid = (struct ata_register){ lba >> 8, lba >> 32 };
        d->lba_high = (struct ata_register){ lba >> 16, lba >> 40 };
    } else if (d->device & ATA_DEVICE_LBA) {
        d->lba_low.now = lba;
        d->lba_mid.now = lba >> 8;
        d->lba_high.now = lba >> 16;
        d->device = (d->device & 0xf0) | (lba >> 24 & 15);
    } else {
        uint64_t track = lba / d->track;

        d->lba_low.now = lba % d->track + 1;
        d->lba_mid.now = track / d->heads;
        d->lba_high.now = track / d->heads >> 8;
        d->device = (d->device & 0xf0) | (track % d->heads);
    }
}

/* ---- The end of a command -------------------------------------------------------------------- */

/* The last block that is read by PIO says by itself that all went well. */
static bool ends_quietly(const struct ide_command *c)
{
    return !c->packet && !c->dma && !c->out && c->end;
}

void ata_finish(struct device *dev, struct ide_channel *ch, uint8_t error)
{
    struct ata_drive *d = ide_selected(ch);
    bool quiet = ends_quietly(&ch->command) && !error;

    if (error)
        device_trace(dev, &event_error, d->unit, ch->command.code, error);
    ch->command.phase = IDE_IDLE;
    d->error = error;
    d->status = ATA_DRDY | ATA_DSC | (error ? ATA_ERR : 0);
    if (quiet)
        return;
    d->intrq = true;
    ide_drive_interrupt(dev, ch);
}

void ata_medium_error(struct device *dev, struct ide_channel *ch)
{
    const struct ide_command *c = &ch->command;
    struct ata_drive *d = ide_selected(ch);

    if (d->kind == DEVICE_DRIVE_DISK) /* a CD-ROM drive can be asked to flush, and has no geometry */
        put_sector(d, c->offset / ATA_SECTOR, c->ext);
    if (c->phase == IDE_FLUSHING || c->out)
        ata_finish(dev, ch, ATA_ABRT | (c->phase == IDE_FLUSHING ? 0 : ATA_IDNF));
    else
        ata_finish(dev, ch, ATA_UNC);
}

/* ---- Sectors --------------------------------------------------------------------------------- */

/* How a command of the table moves sectors, and for whom it is. */
enum {
    DISK = 1 << 0,
    CDROM = 1 << 1,
    ANY = DISK | CDROM,
    EXT = 1 << 2,
    DMA = 1 << 3,
    WRITE = 1 << 4,
    MULTIPLE = 1 << 5,
    VERIFY = 1 << 6,
    FUA = 1 << 7,
};

/* False: the command has failed with the sector that is not there in its registers. */
static bool check_sectors(struct device *dev, struct ide_channel *ch, uint64_t lba, uint32_t count)
{
    struct ata_drive *d = ide_selected(ch);

    if (lba <= d->sectors && count <= d->sectors - lba)
        return true;
    if (lba < d->sectors)
        put_sector(d, d->sectors, ch->command.ext);
    ata_finish(dev, ch, ATA_IDNF);
    return false;
}

static void move_sectors(struct device *dev, struct ide_channel *ch, unsigned flags)
{
    struct ide_command *c = &ch->command;
    struct ata_drive *d = ide_selected(ch);
    uint64_t lba;
    uint32_t count;

    c->out = flags & WRITE;
    c->dma = flags & DMA;
    c->ext = flags & EXT;
    c->discard = flags & VERIFY;
    c->flush = c->out && (d->no_write_cache || flags & FUA);
    c->block = ATA_SECTOR * (flags & MULTIPLE ? d->multiple : 1);
    lba = first_sector(d, c->ext);
    count = sector_count(d, c->ext);
    d->standby = false;
    if ((c->out && d->read_only) || (flags & MULTIPLE && !d->multiple))
        ata_finish(dev, ch, ATA_ABRT);
    else if (check_sectors(dev, ch, lba, count))
        ide_move_medium(dev, ch, lba * ATA_SECTOR, (uint64_t)count * ATA_SECTOR);
}

static void seek(struct device *dev, struct ide_channel *ch, unsigned flags)
{
    (void)flags;
    if (check_sectors(dev, ch, first_sector(ide_selected(ch), false), 1))
        ata_finish(dev, ch, 0);
}

/* READ NATIVE MAX ADDRESS: all of the medium is native. */
static void native_max(struct device *dev, struct ide_channel *ch, unsigned flags)
{
    struct ata_drive *d = ide_selected(ch);
    uint64_t last = d->sectors - 1;

    if (!(flags & EXT) && last > 0xffffffe)
        last = 0xffffffe;
    d->device |= ATA_DEVICE_LBA;
    put_sector(d, last, flags & EXT);
    ata_finish(dev, ch, 0);
}

static void flush_cache(struct device *dev, struct ide_channel *ch, unsigned flags)
{
    (void)flags;
    ide_flush(dev, ch);
}

/* ---- Settings -------------------------------------------------------------------------------- */

static void set_multiple(struct device *dev, struct ide_channel *ch, unsigned flags)
{
    struct ata_drive *d = ide_selected(ch);
    uint8_t n = d->count.now;

    (void)flags;
    if (n > ATA_MULTIPLE_MAX || (n & (n - 1))) {
        d->multiple = 0;
        ata_finish(dev, ch, ATA_ABRT);
        return;
    }
    d->multiple = n;
    ata_finish(dev, ch, 0);
}

/* INITIALIZE DEVICE PARAMETERS: the geometry the host wants to address sectors by. (ATA-5 8.16) */
static void set_geometry(struct device *dev, struct ide_channel *ch, unsigned flags)
{
    struct ata_drive *d = ide_selected(ch);
    uint64_t heads = (d->device & 15) + 1u, track = d->count.now, cylinders;

    (void)flags;
    if (!track) {
        ata_finish(dev, ch, ATA_ABRT);
        return;
    }
    cylinders = d->sectors / (heads * track);
    d->cylinders = cylinders < 65535 ? cylinders : 65535;
    d->heads = heads;
    d->track = track;
    ata_finish(dev, ch, 0);
}

/* PIO default, flow control, multiword and Ultra DMA: kept for IDENTIFY; here all are as fast. */
static bool set_transfer_mode(struct ata_drive *d, uint8_t mode)
{
    unsigned kind = mode >> 3, n = mode & 7;

    if (mode > 1 && !(kind == 1 && n <= 4) && !(kind == 4 && n <= 2) && !(kind == 8 && n <= 5))
        return false;
    if (kind >= 4)
        d->transfer_mode = mode;
    return true;
}

static void set_features(struct device *dev, struct ide_channel *ch, unsigned flags)
{
    struct ata_drive *d = ide_selected(ch);
    bool ok = true;

    (void)flags;
    switch (d->features.now) {
    case 0x02:
    case 0x82:
        d->no_write_cache = d->features.now == 0x82;
        break;
    case 0x03:
        ok = set_transfer_mode(d, d->count.now);
        break;
    case 0x55:
    case 0xaa:
        d->no_look_ahead = d->features.now == 0x55;
        break;
    case 0x66: /* a software reset keeps settings, as it does anyway; or not */
    case 0xcc:
    case 0x05: /* advanced power management, and off */
    case 0x85:
    case 0x42: /* acoustic management, and off */
    case 0xc2:
        break;
    default:
        ok = false;
        break;
    }
    if (ok && d->features.now == 0x82 && d->kind == DEVICE_DRIVE_DISK)
        ide_flush(dev, ch); /* what the cache had goes to the medium */
    else
        ata_finish(dev, ch, ok ? 0 : ATA_ABRT);
}

/* ---- Others ---------------------------------------------------------------------------------- */

static void identify(struct device *dev, struct ide_channel *ch, unsigned flags)
{
    ch->command.block = ATA_SECTOR;
    if (flags & CDROM)
        ata_identify_packet(ide_selected(ch), ch->buffer);
    else
        ata_identify(ide_selected(ch), ch->buffer);
    ide_move_buffer(dev, ch, ATA_SECTOR);
}

static void succeed(struct device *dev, struct ide_channel *ch, unsigned flags)
{
    (void)flags;
    ata_finish(dev, ch, 0);
}

static void abort_command(struct device *dev, struct ide_channel *ch, unsigned flags)
{
    (void)flags;
    ata_finish(dev, ch, ATA_ABRT);
}

static void set_power(struct device *dev, struct ide_channel *ch, unsigned flags)
{
    struct ata_drive *d = ide_selected(ch);

    (void)flags;
    switch (ch->command.code & 0x0f) {
    case 0x0: /* STANDBY IMMEDIATE, STANDBY: what the cache has goes to the medium first */
    case 0x2:
        d->standby = true;
        break;
    case 0x6:
        d->asleep = true;
        break;
    default: /* IDLE IMMEDIATE, IDLE */
        d->standby = false;
        break;
    }
    if (d->kind == DEVICE_DRIVE_DISK && (d->standby || d->asleep))
        ide_flush(dev, ch);
    else
        ata_finish(dev, ch, 0);
}

static void check_power(struct device *dev, struct ide_channel *ch, unsigned flags)
{
    struct ata_drive *d = ide_selected(ch);

    (void)flags;
    d->count.now = d->standby ? 0x00 : 0xff;
    ata_finish(dev, ch, 0);
}

/* Packet devices are told from others by what they answer to the others' commands. */
static void refuse_as_packet(struct device *dev, struct ide_channel *ch, unsigned flags)
{
    (void)flags;
    ide_put_signature(ide_selected(ch));
    ata_finish(dev, ch, ATA_ABRT);
}

/* DEVICE RESET: of a packet device alone; no interrupt. */
static void device_reset(struct device *dev, struct ide_channel *ch, unsigned flags)
{
    struct ata_drive *d = ide_selected(ch);

    (void)flags;
    ide_abandon(ch);
    ide_put_signature(d);
    d->error = ATA_DIAGNOSED;
    d->status = 0;
    d->intrq = false;
    ide_drive_interrupt(dev, ch);
}

static void packet(struct device *dev, struct ide_channel *ch, unsigned flags)
{
    (void)flags;
    atapi_begin(dev, ch);
}

/* EXECUTE DEVICE DIAGNOSTIC: both drives, whichever is selected; the first one answers. */
static void diagnose(struct device *dev, struct ide_channel *ch)
{
    for (unsigned i = 0; i < 2; i++) {
        struct ata_drive *d = &ch->drive[i];

        ide_put_signature(d);
        d->device = 0;
        d->error = ATA_DIAGNOSED;
        d->status = d->kind == DEVICE_DRIVE_DISK ? ATA_DRDY | ATA_DSC : 0;
    }
    ch->selected = 0;
    ide_abandon(ch);
    ch->drive[0].intrq = ch->drive[0].kind != DEVICE_DRIVE_NONE;
    ide_drive_interrupt(dev, ch);
}

/* ---- The table ------------------------------------------------------------------------------- */

enum { DEVICE_RESET = 0x08, DIAGNOSTIC = 0x90 };

struct ata_command {
    uint8_t code;
    uint8_t flags;
    void (*run)(struct device *dev, struct ide_channel *ch, unsigned flags);
};

/* clang-format off */
static const struct ata_command commands[] = {
    { 0x00, ANY, abort_command },                         /* NOP */
    { 0x08, CDROM, device_reset },
    { 0x20, DISK, move_sectors },                         /* READ SECTORS */
    { 0x20, CDROM, refuse_as_packet },
    { 0x21, DISK, move_sectors },                         /* ... without retry */
    { 0x24, DISK | EXT, move_sectors },                   /* READ SECTORS EXT */
    { 0x25, DISK | EXT | DMA, move_sectors },             /* READ DMA EXT */
    { 0x27, DISK | EXT, native_max },                     /* READ NATIVE MAX ADDRESS EXT */
    { 0x29, DISK | EXT | MULTIPLE, move_sectors },        /* READ MULTIPLE EXT */
    { 0x30, DISK | WRITE, move_sectors },                 /* WRITE SECTORS */
    { 0x31, DISK | WRITE, move_sectors },                 /* ... without retry */
    { 0x34, DISK | EXT | WRITE, move_sectors },           /* WRITE SECTORS EXT */
    { 0x35, DISK | EXT | DMA | WRITE, move_sectors },     /* WRITE DMA EXT */
    { 0x39, DISK | EXT | MULTIPLE | WRITE, move_sectors }, /* WRITE MULTIPLE EXT */
    { 0x3d, DISK | EXT | DMA | WRITE | FUA, move_sectors }, /* WRITE DMA FUA EXT */
    { 0x40, DISK | VERIFY, move_sectors },                /* READ VERIFY SECTORS */
    { 0x41, DISK | VERIFY, move_sectors },                /* ... without retry */
    { 0x42, DISK | EXT | VERIFY, move_sectors },          /* READ VERIFY SECTORS EXT */
    { 0x91, DISK, set_geometry },                         /* INITIALIZE DEVICE PARAMETERS */
    { 0xa0, CDROM, packet },                              /* PACKET */
    { 0xa1, CDROM, identify },                            /* IDENTIFY PACKET DEVICE */
    { 0xc4, DISK | MULTIPLE, move_sectors },              /* READ MULTIPLE */
    { 0xc5, DISK | MULTIPLE | WRITE, move_sectors },      /* WRITE MULTIPLE */
    { 0xc6, DISK, set_multiple },                         /* SET MULTIPLE MODE */
    { 0xc8, DISK | DMA, move_sectors },                   /* READ DMA */
    { 0xc9, DISK | DMA, move_sectors },                   /* ... without retry */
    { 0xca, DISK | DMA | WRITE, move_sectors },           /* WRITE DMA */
    { 0xcb, DISK | DMA | WRITE, move_sectors },           /* ... without retry */
    { 0xce, DISK | EXT | MULTIPLE | WRITE | FUA, move_sectors }, /* WRITE MULTIPLE FUA EXT */
    { 0xe0, ANY, set_power },                             /* STANDBY IMMEDIATE */
    { 0xe1, ANY, set_power },                             /* IDLE IMMEDIATE */
    { 0xe2, ANY, set_power },                             /* STANDBY */
    { 0xe3, ANY, set_power },                             /* IDLE */
    { 0xe5, ANY, check_power },                           /* CHECK POWER MODE */
    { 0xe6, ANY, set_power },                             /* SLEEP */
    { 0xe7, ANY, flush_cache },                           /* FLUSH CACHE */
    { 0xea, DISK, flush_cache },                          /* FLUSH CACHE EXT */
    { 0xec, DISK, identify },                             /* IDENTIFY DEVICE */
    { 0xec, CDROM, refuse_as_packet },
    { 0xef, ANY, set_features },                          /* SET FEATURES */
    { 0xf8, DISK, native_max },                           /* READ NATIVE MAX ADDRESS */
};
/* clang-format on */

static const struct ata_command *find(uint8_t code, unsigned kind)
{
    for (unsigned i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (commands[i].code == code && commands[i].flags & kind)
            return &commands[i];
    }
    return NULL;
}

static void run(struct device *dev, struct ide_channel *ch, uint8_t code)
{
    struct ata_drive *d = ide_selected(ch);
    unsigned kind = d->kind == DEVICE_DRIVE_CDROM ? CDROM : DISK;
    const struct ata_command *command = find(code, kind);

    ch->command = (struct ide_command){ .phase = IDE_IDLE, .code = code };
    d->intrq = false;
    d->error = 0;
    d->status &= ~(ATA_ERR | ATA_DF);
    ide_drive_interrupt(dev, ch);
    if (command)
        command->run(dev, ch, command->flags);
    else if ((code & 0xf0) == 0x10 && kind == DISK)
        succeed(dev, ch, 0); /* RECALIBRATE */
    else if ((code & 0xf0) == 0x70 && kind == DISK)
        seek(dev, ch, 0);
    else
        abort_command(dev, ch, 0);
}

/* Busy drives take only a reset, and those that are not there nothing. */
void ata_execute(struct device *dev, struct ide_channel *ch, uint8_t code)
{
    struct ata_drive *d = ide_selected(ch);
    bool busy = d->status & (ATA_BSY | ATA_DRQ),
         reset = code == DEVICE_RESET && d->kind == DEVICE_DRIVE_CDROM;
    const uint64_t args[DEVICE_EVENT_ARGS] = { d->unit, code, first_sector(d, false), d->count.now };

    if (ch->control & ATA_CONTROL_SRST)
        return;
    dev->ops->trace(dev->board, dev, &event_command, args);
    if (code == DIAGNOSTIC && !busy)
        diagnose(dev, ch);
    else if (d->kind != DEVICE_DRIVE_NONE && (!busy || reset) && (!d->asleep || reset))
        run(dev, ch, code);
}
