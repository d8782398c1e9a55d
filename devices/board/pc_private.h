/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The board's inside: what its files know of each other. Which chips there are and what each line leads to is
 * in pc_rows.c; public entry points are in devices/pc.h.
 */
#pragma once

#include "acpi_tables.h"
#include "bus.h"
#include "devices/chips.h"
#include "devices/near.h"
#include "devices/pc.h"
#include "fw_items.h"
#include "mp_table.h"
#include "pc_setup.h"
#include "pci.h"
#include "smbios.h"

enum pc_slot {
    RTC,
    KBC,
    KEYBOARD,
    MOUSE,
    PORT61,
    PORT92,
    RESET_CONTROL,
    FPU_ERROR,
    COM1,
    COM2,
    COM3,
    COM4,
    DEBUGCON,
    EXIT_PORT,
    I440FX,
    PIIX3,
    PIIX3_IDE,
    FW_CFG,
    FIRMWARE_LOG,
    VGA,
    PIIX4_PM,
    DMA,
    FLOPPY,
    NIC0, /* PC_NICS of them, whose chips are what the configuration says */
    NIC_LAST = NIC0 + PC_NICS - 1,
    SPEAKER,
    SB16,
    VIRTIO_BLK0, /* four of them, PC_DRIVE_VDA to PC_DRIVE_VDD */
    VIRTIO_BLK_LAST = VIRTIO_BLK0 + 3,
    VIRTIO_RNG,
    VIRTIO_TABLET,
    SHARE0, /* PC_SHARES of them */
    SHARE_LAST = SHARE0 + PC_SHARES - 1,
    VIRTIO_CONSOLE,
    VIRTIO_KEYBOARD,
    VIRTIO_BALLOON,
    SLOT_COUNT,
};

_Static_assert(SLOT_COUNT <= 64, "a bit of pc.irq_sources for each");

/* The other end of an output line or a byte link. */
struct wire {
    enum {
        NOWHERE,
        TO_IRQ,        /* interrupt request n, shared by wired OR */
        TO_INTX,       /* a PCI function's interrupt pin n, 0 for INTA# */
        TO_PIN,        /* input pin n, or link n, of the chip in `slot` */
        TO_GATE2,      /* gate of the timer's counter 2 */
        TO_NMI_ENABLE, /* gate in front of the processor's NMI pin */
        TO_IGNNE,
        TO_A20,    /* the A20 gate: moved by whoever wrote last */
        TO_RESET,  /* a reset request, n is enum pc_reset_reason */
        TO_MODEM,  /* modem output bit n of a serial port, to the frontend */
        TO_LED,    /* keyboard LED n */
        TO_SERIAL, /* bytes of COM(n+1), to the frontend */
        TO_DEBUGCON,
        TO_CONSOLE, /* bytes of port n of the console of virtio, to the frontend */
        TO_EXIT,
        TO_MEMORY,  /* the memory map has changed */
        TO_POWER,   /* power off */
        TO_CHANNEL, /* the peripheral on DMA channel n */
        TO_PLACES,  /* a card's ports are elsewhere */
        TO_HEARD,   /* counter 2 of the timer is heard */
    } to;
    uint8_t n;
    uint8_t slot;
};

/* What drives input pin 0 of the chips that ask for it. */
enum pin_source { FROM_NOTHING, FROM_A20, FROM_OUT2 };

struct row {
    const struct device_type *type;
    uint16_t port[DEVICE_MAX_PORT_RANGES];
    guest_pa mmio[DEVICE_MAX_MMIO_RANGES];
    uint8_t devfn; /* of a PCI function */
    uint8_t drive; /* of a controller: which its unit 0 is, enum pc_drive; and how many units it has */
    uint8_t drive_count;
    uint8_t channel[DEVICE_MAX_REQUESTS]; /* DMA channels by request lines, plus 1; 0: none */
    uint32_t straps;
    enum pin_source pin0;
    struct wire line[DEVICE_MAX_LINES];
    struct wire link[DEVICE_MAX_LINKS];
};

extern const struct row pc_rows[SLOT_COUNT];

struct pc {
    struct pc_config config;
    struct pc_callbacks callbacks;
    void *ctx;
    struct device devices[SLOT_COUNT]; /* type is NULL where the configuration leaves one out */
    uint64_t deadlines[SLOT_COUNT];
    uint64_t next_deadline;   /* the earliest of them */
    bool running_timers;      /* changes of next_deadline are told once, at the end */
    uint64_t irq_sources[16]; /* by IRQ: bit n is set while the chip in slot n asserts it */
    bool lent;                /* the near chips are: what happens to their inputs waits */
    uint16_t risen;           /* bit n: IRQ n rose meanwhile */
    uint8_t serial_outputs[PC_SERIAL_MAX];
    uint8_t leds;
    bool nmi_enabled, ignne, a20;
    bool halted;
    uint64_t halted_since;               /* machine time; valid while halted */
    struct pc_known known[PC_KNOWN_MAX]; /* as last told */
    unsigned known_count;
    struct near near;
    struct near_state near_state;
    struct bus bus;
    struct pci_bus pci;
    struct fw_items fw_items;
    uint8_t e820[PC_E820_SIZE];
    uint64_t sound_frame; /* the next one to be asked for */
    bool sounding;        /* chips are being asked */
    struct acpi acpi;
    struct smbios smbios;
    struct pc_region regions[PC_REGIONS_MAX]; /* the memory map, as last told */
    unsigned region_count;
    _Alignas(16) uint8_t state[]; /* the chips' states, one after the other */
};

/* ---- pc_wires.c: what chips ask of the board ----------------------------------------------------------- */

extern const struct device_board pc_board_ops;
extern const struct near_host pc_near_host;

void pc_set_pin(struct pc *pc, unsigned slot, unsigned pin, bool level);
/* Bring the time the guest was halted up to date. */
void pc_count_halt(struct pc *pc);
/* Tell the frontend of the earliest deadline, if it has changed. */
void pc_publish_deadline(struct pc *pc);
/* Have PCI functions answer where their base address registers say, and ISA cards where software has put them. */
void pc_place_functions(struct pc *pc);
/* Where software has put the power management registers; 0: nowhere. */
uint32_t pc_pm_base(const struct pc *pc);

/* ---- pc_drives.c: disks, CDs and floppies ---------------------------------------------------------------
 */

/* What chips ask of the board (device.h). */
void pc_board_medium(void *board, struct device *dev, unsigned unit, struct device_medium *medium);
uint8_t *pc_board_transfer_data(void *board, struct device *dev, unsigned unit, uint32_t size);
void pc_board_transfer(void *board, struct device *dev, unsigned unit, enum device_transfer what,
                       uint64_t offset, uint32_t size, uint32_t tag);
/* What a set-up program would have stored about disks, and what to start from. */
void pc_fill_cmos_drives(struct pc *pc);
/* Have the IDE function answer, as firmware does. */
void pc_open_ide(struct pc *pc);

/* ---- pc_shares.c: shared folders, entropy, and memory for the host ---- */

void pc_board_ask(void *board, struct device *dev, const uint8_t *data, uint32_t size, uint32_t room,
                  uint32_t tag);
bool pc_board_discard(void *board, guest_pa pa, uint64_t size);
void pc_board_random(void *board, uint8_t *bytes, uint32_t size);
/* The name of the share in that slot. */
const uint8_t *pc_share_name(const struct pc *pc, unsigned slot, uint32_t *size);

/* ---- pc_consoles.c: ports of the console of virtio ---- */

/* The name of port `port`, or NULL: there is none. */
const uint8_t *pc_console_name(const struct pc *pc, unsigned port, uint32_t *size);

/* ---- pc_nics.c: network adapters ------------------------------------------------------------------------
 */

/* The chip that is adapter `nic`, or NULL: there is none. */
const struct device_type *pc_nic_type(const struct pc_config *config, unsigned nic);
/* The most that the state of one takes. */
size_t pc_nic_state_size(void);
/* Where the first run of ports of one at the ISA bus begins, and of the second. */
extern const uint16_t pc_nic_isa_ports[2];

/* What chips ask of the board (device.h). */
void pc_board_mac(void *board, struct device *dev, uint8_t *mac);
void pc_board_send_frame(void *board, struct device *dev, const struct device_frame *frame);
void pc_board_frame_room(void *board, struct device *dev);
void pc_board_take_segments(void *board, struct device *dev, bool ipv4, bool ipv6);
/* ---- pc_sound.c ------------------------------------------------------------------------------------------
 */

/* What chips ask of the board (device.h). */
void pc_board_sound(void *board);

/* ---- pc_access.c: the guest's accesses ----------------------------------------------------------------- */

/* Tell the frontend of the memory map, if it has changed. */
void pc_remap_memory(struct pc *pc);
/* Something came from outside; the processor may be polling what it changes. */
void pc_news_from_outside(struct pc *pc);
