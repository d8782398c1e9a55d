/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An IDE channel from inside: two drives that share one command block, and the host's bus master for them.
 * The files here make one chip, piix3_ide.c. One command is under way on a channel at a time; its data goes
 * through the channel's buffer, from there to the host by the data port or by DMA, and to or from the medium
 * in transfers that the board does meanwhile. AT Attachment with Packet Interface - 6 (ATA/ATAPI-6); Intel
 * 82371SB (PIIX3) datasheet, "IDE Controller Functional Description".
 */
#pragma once

#include "devices/chips.h"

enum {
    IDE_CHANNELS = PIIX3_IDE_CHANNELS,
    IDE_BUFFER = DEVICE_TRANSFER_MAX,
    ATA_SECTOR = 512,
    CD_SECTOR = 2048,
    ATA_MULTIPLE_MAX = 16,
    IDE_IN_FLIGHT_MAX = 4, /* transfers of a channel, those of before resets included */
    PACKET_SIZE = 12,
};

/* Status register; in the packet protocol DSC is SERV and ERR is CHK. */
enum {
    ATA_BSY = 1 << 7,
    ATA_DRDY = 1 << 6,
    ATA_DF = 1 << 5,
    ATA_DSC = 1 << 4,
    ATA_DRQ = 1 << 3,
    ATA_ERR = 1 << 0,
};

/* Error register */
enum {
    ATA_UNC = 1 << 6,
    ATA_IDNF = 1 << 4,
    ATA_ABRT = 1 << 2,
    ATA_DIAGNOSED = 0x01, /* EXECUTE DEVICE DIAGNOSTIC: device passed */
};

/* Device register, and device control */
enum {
    ATA_DEVICE_LBA = 1 << 6,
    ATA_DEVICE_1 = 1 << 4,
    ATA_CONTROL_HOB = 1 << 7,
    ATA_CONTROL_SRST = 1 << 2,
    ATA_CONTROL_NIEN = 1 << 1,
};

/* A register with the value that was written before: what 48-bit commands take, and HOB shows. */
struct ata_register {
    uint8_t now, before;
};

struct ata_sense {
    uint8_t key, asc, ascq;
};

struct ata_drive {
    /* What is connected; enum device_drive. */
    uint8_t kind;
    uint8_t unit; /* the chip's number for it */
    bool present, read_only;
    uint64_t sectors; /* of the medium, ATA_SECTOR or CD_SECTOR bytes each */

    /* Command block registers */
    struct ata_register features, count, lba_low, lba_mid, lba_high;
    uint8_t device, status, error;
    bool intrq;

    /* Settings */
    uint16_t cylinders, default_cylinders; /* as the host addresses sectors now; as it does at first */
    uint8_t heads, default_heads;
    uint8_t track, default_track; /* sectors of one */
    uint8_t multiple;             /* sectors of a block of READ MULTIPLE; 0: not set */
    uint8_t transfer_mode;        /* SET FEATURES 03h */
    bool no_write_cache, no_look_ahead;
    bool asleep;  /* SLEEP: only a reset ends it */
    bool standby; /* what CHECK POWER MODE tells */

    /* CD-ROM drives */
    struct ata_sense sense;
    struct ata_sense attention; /* to be told with the next command that may be told; key 0: nothing */
    bool tray_open, locked;
    uint8_t media_event; /* GET EVENT STATUS NOTIFICATION, media class: not told yet */
};

enum ide_phase {
    IDE_IDLE,
    IDE_MEDIUM,   /* waits for a transfer to or from the medium, or a flush */
    IDE_PIO_IN,   /* the host is to read a block from the data port */
    IDE_PIO_OUT,  /* ... to write one */
    IDE_DMA,      /* the bus master is to move the buffer */
    IDE_FLUSHING, /* waits for what was written to be safe; the command is over then */
};

/* The command under way. */
struct ide_command {
    uint8_t phase; /* enum ide_phase */
    uint8_t code;  /* of the command register */
    bool packet;   /* PACKET; its command is in `cdb` */
    bool out;      /* data goes to the drive */
    bool dma;
    bool medium;  /* data is the medium's; else it is in the buffer, whole */
    bool discard; /* what is read is for nobody: VERIFY */
    bool taken;   /* of a packet command: `cdb` is there */
    bool flush;   /* at the end make safe what was written */
    bool ext;     /* 48-bit addresses */
    bool first;   /* no block has been asked for yet */
    bool failed;  /* the medium could not give what comes after the buffer's contents */
    uint8_t cdb[PACKET_SIZE];
    uint64_t offset;  /* on the medium, in bytes: of the next transfer */
    uint64_t left;    /* bytes still to be moved from or to the medium */
    uint32_t block;   /* bytes of a block by PIO */
    uint32_t at, end; /* in the buffer: what the host has still to move */
    uint32_t block_end;
    uint8_t asking; /* enum device_transfer: the transfer under way, and its bytes */
    uint32_t asked;
    bool deferred; /* it waits for others to be over */
};

/* Bus master registers, and where it is in the table of physical region descriptors. */
struct ide_bus_master {
    uint8_t command, status;
    uint32_t table;
    uint32_t next; /* descriptor */
    uint32_t address, left;
    bool last;
};

struct ide_channel {
    uint8_t number;
    uint8_t selected;
    uint8_t control;
    uint8_t in_flight; /* transfers that the board has not told of yet */
    uint32_t tag;      /* of the transfer waited for; goes up with each, over resets too */
    struct ata_drive drive[2];
    struct ide_command command;
    struct ide_bus_master master;
    uint8_t buffer[IDE_BUFFER];
};

static inline struct ata_drive *ide_selected(struct ide_channel *ch)
{
    return &ch->drive[ch->selected];
}

/* ---- piix3_ide.c: the controller's side ------------------------------------------------------ */

/* The drives' interrupt request has changed: show the selected one's. */
void ide_drive_interrupt(struct device *dev, struct ide_channel *ch);

/* ---- ide_registers.c: command block ---------------------------------------------------------- */

/* Offsets 0 to 7 of the command block; of the data port, 0, words and dwords too. */
uint32_t ide_read(struct device *dev, struct ide_channel *ch, uint32_t offset, unsigned size);
void ide_write(struct device *dev, struct ide_channel *ch, uint32_t offset, unsigned size, uint32_t value);
/* The control block's one register: alternate status, device control. */
uint8_t ide_read_alternate(struct ide_channel *ch);
void ide_write_control(struct device *dev, struct ide_channel *ch, uint8_t value);

/* The RESET pin. */
void ide_reset(struct device *dev, struct ide_channel *ch);
/* What tells a packet device from others, in its registers. ATA/ATAPI-6 9.12. */
void ide_put_signature(struct ata_drive *d);

/* ---- ide_data.c: moving data ----------------------------------------------------------------- */

/* Begin moving `left` bytes from or to the medium at `offset`, as the command's other fields say. */
void ide_move_medium(struct device *dev, struct ide_channel *ch, uint64_t offset, uint64_t left);
/* Begin moving `size` bytes of the buffer. */
void ide_move_buffer(struct device *dev, struct ide_channel *ch, uint32_t size);
/* Make what was written safe, then finish the command. */
void ide_flush(struct device *dev, struct ide_channel *ch);
/* Words at the data port. */
uint32_t ide_data_read(struct device *dev, struct ide_channel *ch, unsigned size);
void ide_data_write(struct device *dev, struct ide_channel *ch, unsigned size, uint32_t value);
/* The bus master has been started, or has moved on: move what can be moved. */
void ide_data_pump(struct device *dev, struct ide_channel *ch);
/* The command under way is over, and what the board does for it is for nobody. */
void ide_abandon(struct ide_channel *ch);
/* The board has done what was asked for. */
void ide_transferred(struct device *dev, struct ide_channel *ch, const struct device_transferred *result);

/* ---- bus_master.c ---------------------------------------------------------------------------- */

uint8_t bus_master_read(const struct ide_channel *ch, unsigned offset);
void bus_master_write(struct device *dev, struct ide_channel *ch, unsigned offset, uint8_t value);
/* Move up to `size` bytes to memory, or from it if `out`; returns how many were moved before the table ended
   or an error stopped it. */
uint32_t bus_master_move(struct device *dev, struct ide_channel *ch, uint8_t *data, uint32_t size, bool out);

/* ---- ata_commands.c, ata_identify.c: commands ------------------------------------------------ */

/* The command register was written. */
void ata_execute(struct device *dev, struct ide_channel *ch, uint8_t code);
/* The command under way is over; `error` is what the error register gets, 0: none. */
void ata_finish(struct device *dev, struct ide_channel *ch, uint8_t error);
/* The medium has failed where the command's data now ends. */
void ata_medium_error(struct device *dev, struct ide_channel *ch);
/* Find out what is connected and what is in it. */
void ata_look(struct device *dev, struct ata_drive *d);
/* The 256 words of IDENTIFY DEVICE and IDENTIFY PACKET DEVICE. */
void ata_identify(const struct ata_drive *d, uint8_t *data);
void ata_identify_packet(const struct ata_drive *d, uint8_t *data);

/* ---- atapi.c, atapi_*.c: the packet protocol and its commands -------------------------------- */

/* PACKET: ask for the twelve bytes. */
void atapi_begin(struct device *dev, struct ide_channel *ch);
/* All data of the packet command has been moved: for those that take parameters, this is when they act. */
void atapi_moved(struct device *dev, struct ide_channel *ch);
void atapi_medium_error(struct device *dev, struct ide_channel *ch);
/* The medium has changed, as seen by ata_look(). A command that was moving its data fails. */
void atapi_medium_changed(struct device *dev, struct ide_channel *ch, struct ata_drive *d);
