/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The PC as the frontend sees it: I/O ports, interrupt lines, timers, serial lines, keyboard and mouse, and
 * the map of guest-physical memory. The caller owns the memory, the clock and all locking: every pc_*
 * function is called under one lock of the caller's, and callbacks run inside the call that caused them.
 *
 * A typical frontend:
 *
 *     struct pc *pc = calloc(1, pc_size());
 *     pc_init(pc, &config, &callbacks, ctx);
 *     count = pc_memory_map(&config, regions);         // give RAM and ROM to the VM
 *     pc_firmware_defaults(pc);                        // only when no BIOS runs in the guest
 *     for (;;) {
 *         pc_run_timers(pc);                           // then wait no longer than pc_next_deadline()
 *         if (pc_intr(pc) && the virtual CPU can take an interrupt)
 *             inject(pc_intr_ack(pc));
 *         run the virtual CPU; on exits call pc_port_read(), pc_port_write(), pc_mmio_read() ...
 *     }
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "devices/device.h"
#include "devices/video.h"

struct pc;

enum pc_chipset {
    PC_CHIPSET_ISA,    /* no PCI bus: upper memory is RAM, what a BIOS leaves free of it */
    PC_CHIPSET_I440FX, /* i440FX and PIIX3 */
};

/* Where drives are connected: the PIIX3's channels, device 0 and 1 each, and the floppy controller. */
enum pc_drive {
    PC_DRIVE_HDA,
    PC_DRIVE_HDB,
    PC_DRIVE_HDC,
    PC_DRIVE_HDD,
    PC_DRIVE_FLOPPY_A,
    PC_DRIVE_FLOPPY_B,
    PC_DRIVE_VDA, /* of virtio */
    PC_DRIVE_VDB,
    PC_DRIVE_VDC,
    PC_DRIVE_VDD,
    PC_DRIVES,
};

/* Network adapters. Those with PCI are in slots 3 to 6, in their order; there can be one at the ISA bus. */
enum pc_nic_model {
    PC_NIC_NONE,
    PC_NIC_E1000,      /* Intel 82540EM */
    PC_NIC_NE2000_PCI, /* RTL8029 */
    PC_NIC_NE2000_ISA, /* at 300h, IRQ 3 */
    PC_NIC_VIRTIO,
    PC_NIC_MODELS,
};

enum { PC_NICS = 4 };

/* Folders shared by 9P over virtio. */
enum { PC_SHARES = 4, PC_SHARE_NAME = 32 };

/* Ports of a console of virtio. */
enum { PC_CONSOLES = 7, PC_CONSOLE_NAME = 32 };

struct pc_console {
    bool present;
    char name[PC_CONSOLE_NAME]; /* without a NUL if it is that long; "": it is a console */
};

struct pc_nic {
    enum pc_nic_model model;
    uint8_t mac[DEVICE_MAC];
    const uint8_t *rom; /* expansion ROM of an adapter with PCI, the caller's; NULL: it has none */
    uint32_t rom_size;  /* bytes, DEVICE_NIC_ROM at most */
};

/* What can be chosen about the machine. Zero is a sensible default for all but ram_size. */
struct pc_config {
    uint64_t ram_size;  /* bytes; a multiple of 4 KiB, at least 1 MiB, at most PC_RAM_MAX */
    uint32_t bios_size; /* bytes of the BIOS image, a multiple of 4 KiB up to 2 MiB; 0: none */
    enum pc_chipset chipset;
    bool firmware_log;           /* port 402h is on the debug console too: SeaBIOS says there what it does */
    uint32_t serial_ports;       /* bit n: COM(n+1) is present, n = 0..3 */
    const uint8_t *video_memory; /* of the display adapter, VIDEO_MEMORY_ALL bytes of the caller's; NULL:
                                    there is no adapter. With a PCI bus only */
    enum device_drive drives[PC_DRIVES];
    struct pc_nic nics[PC_NICS];
    bool rng;                              /* an entropy device of virtio */
    bool tablet;                           /* a pointing device of virtio */
    bool keyboard;                         /* a keyboard of virtio, besides */
    bool balloon;                          /* a memory balloon of virtio */
    char shares[PC_SHARES][PC_SHARE_NAME]; /* names, without a NUL if they are that long; "": there is none */
    struct pc_console consoles[PC_CONSOLES]; /* the first ones of them; with none there is no such device */
    /* What firmware starts from, tried in this order: a floppy, c disk, d CD, n network; "": cda. */
    char boot_order[4];
    bool apic;          /* local APIC and I/O APIC; the processor must have the former's MSR and CPUID bit */
    bool boot_menu;     /* it waits for a key by which a person chooses */
    uint16_t exit_port; /* I/O port that ends the program (see pc_callbacks.exit_request); 0: none */
};

#define PC_RAM_MAX     (UINT64_C(1) << 36) /* 64 GiB: what 36 physical address bits reach */
#define PC_SERIAL_MAX  4
#define PC_REGIONS_MAX 32

/* ---- Guest-physical memory ------------------------------------------------------------------- */

enum pc_region_kind {
    PC_REGION_RAM,   /* guest RAM, at `offset` of the caller's RAM */
    PC_REGION_ROM,   /* the BIOS image, from `offset` of the image */
    PC_REGION_VIDEO, /* memory of the display adapter, from `offset` of it */
    PC_REGION_MMIO,  /* no memory: reads go to pc_mmio_read() */
};

struct pc_region {
    const char *name;
    enum pc_region_kind kind;
    guest_pa base;
    uint64_t size;
    uint64_t offset; /* RAM: into guest RAM; ROM: into the BIOS image; VIDEO: into the adapter's memory */
    bool writable;   /* RAM, VIDEO: writes go there as well. All other writes go to pc_mmio_write(). */
};

/*
 * The memory map as an i440FX lays it out: RAM below 640 KiB, the VGA hole, upper memory with the last 128
 * KiB of the BIOS ROM at its end, RAM from 1 MiB, the hole for 32-bit devices with all of the ROM at its end,
 * and what RAM is left from 4 GiB. Ascending, without overlap; addresses in no region are MMIO too. Fills at
 * most PC_REGIONS_MAX entries and returns how many. Needs no machine, so a loader can ask as well: it is the
 * map at power-on, and the RAM rows from 1 MiB on are its e820 map.
 */
unsigned pc_memory_map(const struct pc_config *config, struct pc_region *regions);

/* ---- What the machine tells the frontend ----------------------------------------------------- */

enum pc_reset_reason {
    PC_RESET_KEYBOARD, /* keyboard controller, command FEh or output port bit 0 */
    PC_RESET_FAST,     /* port 92h bit 0 */
    PC_RESET_SOFT,     /* port CF9h without SYS_RST: processor only, by the book */
    PC_RESET_HARD,     /* port CF9h with SYS_RST: the whole machine */
};

/*
 * now_ns and wall_clock_ns are required, the others may be NULL. A callback must not call back into the
 * pc, except where said; note the news and act on it after the pc_* call returns.
 */
struct pc_callbacks {
    /* Machine time in ns. Any origin; never goes back. All device time is computed from it. */
    uint64_t (*now_ns)(void *ctx);
    /* What the RTC shall show at power-on: ns since 1970-01-01 00:00, in the time zone the guest expects.
       Read once in pc_init(); afterwards the RTC runs on machine time. */
    int64_t (*wall_clock_ns)(void *ctx);

    /* How long the guest has run, in ns: it stands still while the host runs others, and while the guest is
       halted (pc_set_halted()). Without it every interrupt that a guest which is not halted does not take in
       time counts as one it had no chance to take. */
    uint64_t (*run_ns)(void *ctx);

    /* pc_next_deadline() changed: re-arm the host timer. */
    void (*deadline_changed)(void *ctx, uint64_t deadline_ns);
    /* Something came from outside, and pc_known_reads() would say another thing now than last time. */
    void (*known_changed)(void *ctx);
    /* The INTR line to the processor changed. May fall again before it is acknowledged. */
    void (*intr_changed)(void *ctx, bool level);
    /* A rising edge on the processor's NMI pin (not masked by port 70h). */
    void (*nmi)(void *ctx);
    /* The A20 gate changed. It is open (true) after pc_init() and pc_reset(); both call this only on change.
     */
    void (*a20_changed)(void *ctx, bool enabled);
    /* The processor's IGNNE# pin changed (port F0h): true means FP errors are ignored. See pc_set_ferr(). */
    void (*ignne_changed)(void *ctx, bool level);
    /* pc_memory() is another now: show the guest its memory so. */
    void (*memory_changed)(void *ctx);
    /* The guest wrote to RAM at `offset` of the caller's RAM that is hidden from its reads. */
    void (*ram_write)(void *ctx, uint64_t offset, const void *data, size_t size);
    /* Write to pc_config.video_memory. Required if there is any. */
    void (*video_write)(void *ctx, uint32_t offset, const void *data, size_t size);
    /* Copy from or to guest-physical memory, as a bus master would. False: part of it is no memory, and
       nothing was copied. Required with a chipset that has bus masters, the i440FX. */
    bool (*memory_read)(void *ctx, guest_pa pa, void *data, size_t size);
    bool (*memory_write)(void *ctx, guest_pa pa, const void *data, size_t size);
    /* pc_claimed_ports() are others now. */
    void (*ports_changed)(void *ctx);
    /* The guest asks for a reset: reset the processor and call pc_reset(), or end the program. */
    void (*reset_request)(void *ctx, enum pc_reset_reason reason);
    /* The guest switched the power off: end the program. */
    void (*power_off)(void *ctx);
    /* The guest wrote v to the exit port: end the program with `status` = (2v + 1) & FFh. */
    void (*exit_request)(void *ctx, unsigned status);

    /* What is in a drive, whose kind is in pc_config: all of `medium` but `drive` is to be filled in. These
       three are required where there are drives. */
    void (*medium)(void *ctx, enum pc_drive drive, struct device_medium *medium);
    /* device_transfer_data() and device_transfer() of device.h: the caller does the transfer, those of one
       drive in the order they were asked for, and then calls pc_transferred(), later. */
    uint8_t *(*transfer_data)(void *ctx, enum pc_drive drive, uint32_t size);
    void (*transfer)(void *ctx, enum pc_drive drive, enum device_transfer what, uint64_t offset,
                     uint32_t size, uint32_t tag);

    /* device_ask() of shared folder `share`: the caller answers it by pc_answered(), later. Required if there
     * is one. */
    void (*ask)(void *ctx, unsigned share, const uint8_t *data, uint32_t size, uint32_t room, uint32_t tag);
    /* device_discard(): give RAM back to the host. Required if there is a balloon. */
    bool (*discard)(void *ctx, guest_pa pa, uint64_t size);
    /* Bytes that nobody can foretell. Required if there is an entropy device. */
    void (*random)(void *ctx, uint8_t *bytes, uint32_t size);

    /* Adapter `nic` sends a frame, which is the caller's during the call. Required if there is one. */
    void (*send_frame)(void *ctx, unsigned nic, const struct device_frame *frame);
    /* pc_frame_arrives() may be true again, for the frame that was refused. */
    void (*frame_room)(void *ctx, unsigned nic);
    /* The adapter takes frames that stand for several segments, over IP of these versions. */
    void (*take_segments)(void *ctx, unsigned nic, bool ipv4, bool ipv6);

    /* Bytes the guest sent on a port of its console of virtio; returns how many were taken. The rest comes
       again after pc_console_room(). Both are required if there is one. */
    size_t (*console_transmit)(void *ctx, unsigned port, const uint8_t *bytes, size_t count);
    /* pc_console_receive() took less than offered before; now it would take some. May call it. */
    void (*console_room)(void *ctx, unsigned port);

    /* Bytes the guest sent on COM(com+1). They must be taken (queued, or dropped). */
    void (*serial_transmit)(void *ctx, unsigned com, const uint8_t *bytes, size_t count);
    /* pc_serial_receive() took less than offered before; now it would take at least one byte. May call
       pc_serial_receive(). */
    void (*serial_room)(void *ctx, unsigned com);
    /* Modem control outputs of COM(com+1) changed: PC_MODEM_DTR | PC_MODEM_RTS. */
    void (*serial_modem)(void *ctx, unsigned com, unsigned outputs);
    /* A byte for the debug console (port E9h). */
    void (*debugcon)(void *ctx, uint8_t byte);
    /* Sound: `count` frames, left and right, of DEVICE_SOUND_RATE a second; the first has the number `frame`,
       and frame 0 began at machine time 0. Frames that are skipped are silent. */
    void (*sound)(void *ctx, uint64_t frame, const int16_t (*samples)[2], unsigned count);
    /* Keyboard LEDs: bit 0 Scroll Lock, bit 1 Num Lock, bit 2 Caps Lock. */
    void (*keyboard_leds)(void *ctx, unsigned leds);

    /* Trace hook: `event` (name and argument names) is static data, so its address can be compared or cached;
       args has DEVICE_EVENT_ARGS entries. Same rule: do not call into the pc. */
    void (*trace)(void *ctx, const struct device_event *event, const uint64_t *args);
};

/* ---- Life ------------------------------------------------------------------------------------ */

/* Bytes of memory a machine needs; aligned as malloc() does. There is nothing to free beyond it. */
size_t pc_size(void);

/*
 * Build the machine in `memory` (pc_size() bytes, contents do not matter) and power it on. The structures
 * are copied. Returns 0, or -EINVAL if the configuration makes no machine (ram_size, bios_size, an exit port
 * that lies on top of another device, a missing required callback).
 */
int pc_init(struct pc *pc, const struct pc_config *config, const struct pc_callbacks *callbacks, void *ctx);

/* Pull RESET on every chip. The CMOS RAM and the clock survive, time goes on. Callbacks tell what changed. */
void pc_reset(struct pc *pc);

/*
 * Put the chips into the state a PC BIOS leaves behind, for guests started without one: interrupt controllers
 * at vectors 08h/70h with every line masked but timer, keyboard, cascade and x87 errors, timer 0 ticking at
 * 18.2 Hz, keyboard controller translating, with keyboard and mouse ports enabled, RTC in 24-hour BCD mode.
 * With a PCI bus upper memory is RAM then, and the caller has to put into the read-only last 64 KiB of it
 * what the BIOS would have: a copy of itself.
 */
void pc_firmware_defaults(struct pc *pc);

enum { PC_ACPI_MAX = 8192 };

/*
 * For a guest without a BIOS: the ACPI tables as they are in memory at `base`, a multiple of 64 below 1 MiB
 * from E0000h on where guests look for them. Fills at most PC_ACPI_MAX bytes and returns how many; 0: there
 * is no ACPI.
 */
size_t pc_acpi_tables(const struct pc *pc, uint32_t base, uint8_t *image);

enum { PC_SYSTEM_TABLES_MAX = 3104 };

/*
 * The same for SMBIOS and, of a machine with APICs, the MP table, as interrupts are led now: at `base`, a
 * multiple of 16 from F0000h on. Fills at most PC_SYSTEM_TABLES_MAX bytes and returns how many; 0: there is
 * no PCI bus.
 */
size_t pc_system_tables(const struct pc *pc, uint32_t base, uint8_t *image);

/*
 * Give the guest's firmware a file, by the firmware configuration device: "bootorder", an option ROM. The
 * data stays the caller's, and stays until the machine is gone. For use before the guest runs. False: no such
 * device, no room, a name of no or more than 55 characters, or one that is there already.
 */
bool pc_add_file(struct pc *pc, const char *name, const void *data, uint32_t size);

/* ---- Snapshots ----------------------------------------------------------------------------------- */

enum { PC_SECTION_NAME = 40 };

/* Where pc_save() puts the machine: sections with a name and a version, each some runs of bytes. */
struct pc_writer {
    void (*begin)(void *ctx, const char *name, uint32_t version);
    void (*bytes)(void *ctx, const void *data, size_t size);
    void *ctx;
};

/* The same for pc_restore(). */
struct pc_section {
    char name[PC_SECTION_NAME];
    uint32_t version;
    const void *data;
    size_t size;
};

enum pc_restored {
    PC_RESTORED,
    PC_RESTORED_MISSING, /* there is no section for a chip that this machine has, */
    PC_RESTORED_EXTRA,   /* ... or one for a chip that it has not, */
    PC_RESTORED_VERSION, /* ... or one of another version of this program */
};

/*
 * All that the chips and the board know, but memory, in times of machine time. Not while chips are lent, and
 * only when no transfer and no message is under way. Whether the guest is halted is the caller's to know. A
 * machine of the same configuration goes on from it at the machine time at which it was saved; callbacks tell
 * how everything is now. What is restored is believed: a state that no chip can be in may do harm to the
 * program. If it does not fit nothing is changed, and `name` says which chip's it is.
 */
void pc_save(struct pc *pc, const struct pc_writer *to);
enum pc_restored pc_restore(struct pc *pc, const struct pc_section *sections, unsigned count,
                            const char **name);

/* ---- Guest accesses -------------------------------------------------------------------------- */

/* size is 1, 2 or 4; any port, any alignment. Wide accesses to byte-wide ports are split as the ISA bus does;
   what nobody claims reads as all ones. */
uint32_t pc_port_read(struct pc *pc, uint16_t port, unsigned size);
void pc_port_write(struct pc *pc, uint16_t port, unsigned size, uint32_t value);

/* A run of ports that some chip answers, and how many there may be. */
struct pc_ports {
    uint16_t first, last;
};

enum { PC_PORTS_MAX = 112, PC_KNOWN_MAX = 32, PC_POSTING_MAX = 8 };

/* Which ports anybody answers; returns how many runs. Only ports_changed changes it. All other reads give all
   ones, and all other writes do nothing. */
unsigned pc_claimed_ports(const struct pc *pc, struct pc_ports *ports);

struct pc_known {
    uint16_t port;
    uint8_t value;
};

/*
 * What a byte read of these ports gives now, and will give until the processor accesses a port, a deadline
 * has come or known_changed says so; the read would change nothing. Returns how many. For guests that poll:
 * status registers, mostly.
 */
unsigned pc_known_reads(struct pc *pc, struct pc_known *known);
/*
 * Ports to which byte writes may be made late, in their order, but before any other access to a port that is
 * not among them: they only take bytes to somewhere. True until such an access. Returns how many.
 */
unsigned pc_posting_ports(const struct pc *pc, uint16_t *ports);

/* size is 1, 2, 4 or 8; unclaimed addresses read as all ones and ignore writes. */
uint64_t pc_mmio_read(struct pc *pc, guest_pa pa, unsigned size);
void pc_mmio_write(struct pc *pc, guest_pa pa, unsigned size, uint64_t value);

/* The memory map as it is now; returns how many regions. Of a machine without PCI it does not change. */
unsigned pc_memory(const struct pc *pc, struct pc_region *regions);

/* ---- Interrupts ------------------------------------------------------------------------------ */

/* The level of INTR now. */
bool pc_intr(const struct pc *pc);
/* The processor's interrupt acknowledge sequence: returns the vector to enter. Call it only when the
   interrupt is really being taken. Without a request the 8259A answers with its spurious vector, as on
   hardware. */
uint8_t pc_intr_ack(struct pc *pc);
/* Press the NMI button: the nmi callback follows unless port 70h masks it. */
void pc_raise_nmi(struct pc *pc);
/* Press the power button. False: the guest takes no notice of it, if only because there is none. */
bool pc_power_button(struct pc *pc);
/* The processor's FERR# output (x87 error with CR0.NE clear), active true. Drives IRQ 13; the guest's write
   to port F0h drops IRQ 13 and raises IGNNE# until FERR# is inactive. */
void pc_set_ferr(struct pc *pc, bool active);

/* The processor is halted, and is not any more: what it does not take meanwhile it holds back itself. */
void pc_set_halted(struct pc *pc, bool halted);

/* ---- Lending ------------------------------------------------------------------------------------- */

enum { PC_LENT_SIZE = 768 };

/*
 * Lend whoever runs the processor the chips next to it (devices/near.h: interrupt controllers, timer, POST
 * latch): their state is copied to `state`, PC_LENT_SIZE bytes, in which another `struct near` can go on from
 * it by the same machine time. Until they are back no guest access may be made here and no timer run, INTR
 * means nothing and their deadline is not counted. Other chips' interrupt requests wait: intr_changed says
 * that one has come, and then the chips had better come back.
 */
void pc_lend(struct pc *pc, void *state);
/*
 * Take them back in the state `state`. False: no chips can be in it, and they are as they were lent. INTR is
 * then what pc_intr() says; intr_changed need not have told.
 */
bool pc_take_back(struct pc *pc, const void *state);

enum { PC_LENT_VIDEO_SIZE = 128 };

/*
 * The same for what programs talk to while they draw: a struct lent_video (devices/lent_video.h), which works
 * on pc_config.video_memory. False: there is nothing to be lent now. What comes back need not be checked.
 */
bool pc_lend_video(const struct pc *pc, void *state);
void pc_take_video_back(struct pc *pc, const void *state);

/* ---- Time ------------------------------------------------------------------------------------ */

/* Machine time at which pc_run_timers() has something to do; UINT64_MAX: never. May lie in the past. */
uint64_t pc_next_deadline(const struct pc *pc);
/* Serve every chip whose deadline has passed, each once. Cheap when there is none. */
void pc_run_timers(struct pc *pc);

/* ---- Serial ports: com = 0..3 for COM1..COM4; absent ports take nothing and say nothing ------ */

enum {
    PC_MODEM_CTS = 1 << 0, /* inputs of the guest's port, in the order of its MSR */
    PC_MODEM_DSR = 1 << 1,
    PC_MODEM_RI = 1 << 2,
    PC_MODEM_DCD = 1 << 3,
    PC_MODEM_DTR = 1 << 0, /* outputs, in the order of its MCR */
    PC_MODEM_RTS = 1 << 1,
};

/* Bytes arrive; returns how many the port took (it has a FIFO of 16, or none). For the rest wait for
 * serial_room. */
size_t pc_serial_receive(struct pc *pc, unsigned com, const uint8_t *bytes, size_t count);
/* A break condition arrives. */
void pc_serial_break(struct pc *pc, unsigned com);
/* Modem inputs; at power-on CTS, DSR and DCD are active on every port that is present. */
void pc_serial_set_modem(struct pc *pc, unsigned com, unsigned inputs);

/* ---- Ports of a console of virtio: not while the processor has the chips next to it, nor while the guest
 * runs */

/* Bytes arrive; returns how many the guest has buffers for. For the rest wait for console_room. */
size_t pc_console_receive(struct pc *pc, unsigned port, const uint8_t *bytes, size_t count);
/* console_transmit would take some now. */
void pc_console_room(struct pc *pc, unsigned port);
/* Somebody is at the port's other end, or is not any more; at power-on nobody is. */
void pc_console_connect(struct pc *pc, unsigned port, bool connected);

/* ---- The balloon: not while the processor has the chips next to it, nor while the guest runs -- */

/* The guest is to give up so many pages of 4 KiB. False: there is no balloon. */
bool pc_inflate(struct pc *pc, uint32_t pages);
/* How it stands; that asks the guest for newer statistics. False: there is none. */
bool pc_balloon(struct pc *pc, struct device_balloon *balloon);

/* ---- Keyboard and mouse ---------------------------------------------------------------------- */

/*
 * A key goes down or up. `code` is its set 1 make code: 01h Esc ... 58h F12 (for these the evdev KEY_ number
 * is the same), with E0 in the high byte for grey keys (E048h Up, E05Bh left Windows, E01Ch keypad Enter),
 * and two keys named by their prefix: E037h Print Screen, E11Dh Pause. Unknown codes are ignored. The
 * keyboard repeats a held key itself: repeats from the host are ignored (down for a key that is down
 * already). Where there is a keyboard of virtio that the guest drives, it is that one's; then this is not for
 * while the processor has the chips next to it, nor while the guest runs.
 */
void pc_key(struct pc *pc, uint16_t code, bool down);

/* Has the keyboard nothing left to send? Then what is pressed next, a few keys, will not be lost. */
bool pc_keys_taken(struct pc *pc);

enum {
    PC_BUTTON_LEFT = 1 << 0,
    PC_BUTTON_RIGHT = 1 << 1,
    PC_BUTTON_MIDDLE = 1 << 2,
};

/* The mouse moved right by dx, down by dy (screen sense), the wheel towards the person by dz; `buttons` are
   those held now. */
void pc_mouse(struct pc *pc, int32_t dx, int32_t dy, int32_t dz, unsigned buttons);
/* A person points at a place of the screen, from 0 to DEVICE_POINT_MAX in both directions; the rest as with
   the mouse. False: there is no tablet, or the guest does not look at it. Not while the processor has the
   chips next to it, nor while the guest runs. */
bool pc_point(struct pc *pc, int32_t x, int32_t y, int32_t dz, unsigned buttons);

/* ---- Screen ---------------------------------------------------------------------------------- */

/* How a picture of the screen would be made now (video.h), from pc_config.video_memory. False: there is no
   display adapter. */
bool pc_video_frame(const struct pc *pc, struct video_frame *frame);

/* ---- Media ----------------------------------------------------------------------------------- */

/* A transfer is over. Not while the processor has the chips next to it, nor while the guest runs. */
void pc_transferred(struct pc *pc, enum pc_drive drive, const struct device_transferred *result);
/* A person has changed the medium of a CD-ROM or floppy drive, or taken it out: `medium` tells now. */
void pc_medium_changed(struct pc *pc, enum pc_drive drive);
/* The bytes of the floppy that an image of `size` bytes is the beginning of, or all of: at least as many. 0:
 * of none. */
uint64_t pc_floppy_size(uint64_t size);
/* The guest has locked the drive: its medium should stay, unless somebody insists. */
bool pc_holds_medium(const struct pc *pc, enum pc_drive drive);

/* ---- Networks -------------------------------------------------------------------------------- */

/* A shared folder's answer to message `tag`. */
void pc_answered(struct pc *pc, unsigned share, uint32_t tag, const uint8_t *data, uint32_t size);

/* A frame for adapter `nic`. False: it has no buffer now; offer the same again when frame_room has been
   called. Not while the processor has the chips next to it, nor while the guest runs. */
bool pc_frame_arrives(struct pc *pc, unsigned nic, const struct device_frame *frame);

/* ---- CMOS RAM, as a set-up program would change it ------------------------------------------- */

/* index 0..127. The standard checksum (2Eh, 2Fh) is kept right. Clock registers are written as the guest
   would. Both go through the index port and leave it changed: for use before the guest runs. */
uint8_t pc_cmos_read(struct pc *pc, unsigned index);
void pc_cmos_write(struct pc *pc, unsigned index, uint8_t value);
