/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The contract between a chip and the board it sits on. A chip exports one `const struct device_type`;
 * it knows register offsets, numbered pins and machine time. The board (devices/board/pc_rows.c,
 * devices/near/near.c, or a test) knows addresses, interrupt numbers and what each pin is wired to. Nothing
 * here touches the host.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Guest-physical address. Every contract header that needs it repeats this line; C11 6.7p3 allows that. */
typedef uint64_t guest_pa;

struct device;
struct device_event;
struct video_frame;
struct virtio_class;

enum {
    DEVICE_MAX_PORT_RANGES = 6,
    DEVICE_MAX_MMIO_RANGES = 2,
    DEVICE_MAX_LINES = 16,
    DEVICE_MAX_LINKS = 8,
    DEVICE_MAX_BARS = 6,
    DEVICE_MAX_WINDOWS = 2,
    DEVICE_MAX_REQUESTS = 8, /* for DMA */
    DEVICE_EVENT_ARGS = 4,
    DEVICE_CONFIG_SIZE = 256,        /* bytes of a PCI function's configuration space */
    DEVICE_TRANSFER_MAX = 65536,     /* bytes that one transfer to or from a medium moves at most, */
    DEVICE_POINT_MAX = 0x7fff,       /* the right and the lower end of what a person points at */
    DEVICE_MESSAGE_MAX = 128 << 10,  /* bytes of a message that a chip has answered, and of the answer */
    DEVICE_TRANSFER_LARGE = 1 << 20, /* ... of a chip that has no memory of its own for them */
    DEVICE_SOUND_RATE =
        48000, /* frames of sound a second, each a sample for the left and one for the right */
};

/* No deadline: later than any machine time. */
#define DEVICE_NEVER UINT64_MAX

/*
 * A run of I/O ports. The handlers see an offset into the run, never a port number. The board cuts an
 * access that is wider than `width`, or that leaves the run, into bytes, lowest address first, as the ISA
 * bus does; so with width 1 (written 0) `size` is always 1. Handlers are called with any guest value; the
 * board keeps only the low `size` bytes of what a read returns. A missing handler is open bus.
 */
struct device_ports {
    uint32_t count;  /* ports in the run; 0 ends the list */
    uint8_t width;   /* widest access handed over whole: 0 (meaning 1), 1, 2 or 4 */
    bool whole_only; /* answers only accesses that lie wholly inside: CF9h must not see parts of a dword to
                        CF8h */
    bool exact;      /* answers only accesses of `width` bytes to its first port: the dword at CF8h */
    uint32_t (*read)(struct device *dev, uint32_t offset, unsigned size);
    void (*write)(struct device *dev, uint32_t offset, unsigned size, uint32_t value);
    /* Would reading this byte change nothing, and give the same until the processor accesses a port, the
       chip's deadline comes or something reaches it from outside? Then what it gives, so that who polls it
       need not ask each time. Absent: never. */
    bool (*known)(const struct device *dev, uint32_t offset, uint8_t *value);
    /* Would writing this byte change nothing but what goes out of a link, and so writing another one, until
       the processor accesses another register? Then writes may come late, some together. Absent: never. */
    bool (*posts)(const struct device *dev, uint32_t offset);
};

/*
 * A run of guest-physical addresses. Accesses of 1, 2, 4 or 8 bytes arrive whole if they lie inside. Behind
 * it may be plain memory of the chip's own (struct device, `memory`), which the processor then accesses by
 * itself; such a run lies on 4 KiB.
 */
struct device_mmio {
    uint64_t size; /* bytes; 0 ends the list */
    bool is_memory;
    bool read_only;  /* memory: writes come here */
    uint32_t offset; /* memory: where it begins */
    uint64_t (*read)(struct device *dev, uint64_t offset, unsigned size);
    void (*write)(struct device *dev, uint64_t offset, unsigned size, uint64_t value);
};

/* ---- PCI functions --------------------------------------------------------------------------- */

/* Some bytes of configuration space, little-endian: what a reset puts there, and what software can do to it.
 */
struct device_register {
    uint8_t offset;
    uint8_t size;      /* bytes, 1 to 4; 0 ends the list */
    uint32_t reset;    /* bits that are 1 after a reset */
    uint32_t writable; /* bits that software can write */
    uint32_t clears;   /* bits that a written 1 clears */
};

/* What a base address register moves: a run of ports or of memory whose size is a power of two, at least 4
   ports or 16 bytes, below 4 GiB. With neither there is no such register. */
struct device_bar {
    struct device_ports ports;
    struct device_mmio mmio;
    bool prefetchable; /* of memory */
};

/*
 * Ports that another register moves than those: a dword whose bit 0 reads as 1, with the base in its low
 * half. They answer while a bit elsewhere in configuration space is set.
 */
struct device_port_window {
    uint8_t offset;
    uint8_t enable_offset, enable_mask;
    struct device_ports ports; /* a power of two of them, at least 4; 0 ends the list */
};

/*
 * What makes a chip a function on the PCI bus. The registers are data: the board answers for them and tells
 * the chip. Those not listed, and no base address registers, read as 0 and cannot be written. (PCI Local Bus
 * Specification 2.1, "Configuration Space".)
 */
struct device_pci {
    const struct device_register *registers;
    struct device_bar bar[DEVICE_MAX_BARS];
    struct device_mmio rom; /* what the expansion ROM's base address register moves, of at least 2 KiB */
    struct device_port_window window[DEVICE_MAX_WINDOWS];
    /* Software writes, and the byte at `offset` is to become `value`: returns what it does become. */
    uint8_t (*change)(struct device *dev, unsigned offset, uint8_t value);
    /* Software reads at `offset`: what is not there yet is to be put into dev->config. */
    void (*read)(struct device *dev, unsigned offset, unsigned size);
    /* Such a write is done; dev->config has the new values. */
    void (*changed)(struct device *dev);
};

/* A part of memory below 1 MiB, on 4 KiB, that the processor is to access by itself; of no size: none. */
struct device_window {
    guest_pa base;
    uint32_t size, offset; /* bytes; where in the chip's memory */
};

/* How a host bridge answers the processor's accesses to a part of memory below 1 MiB: from the RAM that is
   there, or by handing them on to the bus, where a ROM or a device may be. */
enum device_decode {
    DEVICE_READS_RAM = 1 << 0,
    DEVICE_WRITES_RAM = 1 << 1,
};

/* ---- Media ----------------------------------------------------------------------------------- */

/* What is connected to a controller for disks, CDs or floppies, by unit: the controller's numbers. */
enum device_drive {
    DEVICE_DRIVE_NONE,
    DEVICE_DRIVE_DISK,
    DEVICE_DRIVE_CDROM,
    DEVICE_DRIVE_FLOPPY,
};

/* A drive, and the medium in it. */
struct device_medium {
    enum device_drive drive;
    bool present;   /* there is a medium */
    bool read_only; /* it cannot be written */
    uint64_t size;  /* bytes */
};

/*
 * Something to be done with a medium. The board does it while the machine goes on, those of one unit in the
 * order they were asked for where one writes what the other moves, and tells the chip by `transferred`, never
 * before the call that asks returns. FLUSH is done when all that was written before will survive the host's
 * sudden end. DISCARD: what is there is not needed any more, and may read as anything; ZERO: it is to read as
 * zeros.
 */
enum device_transfer {
    DEVICE_TRANSFER_READ,
    DEVICE_TRANSFER_WRITE,
    DEVICE_TRANSFER_FLUSH,
    DEVICE_TRANSFER_DISCARD,
    DEVICE_TRANSFER_ZERO,
};

/* How it went. */
struct device_transferred {
    uint32_t tag;  /* the chip's number for it */
    uint32_t done; /* bytes read or written before an error; all that were asked for: there was none */
    bool failed;
    const uint8_t *data; /* of a READ: `done` bytes, during the call */
};

/* ---- Networks -------------------------------------------------------------------------------- */

enum {
    DEVICE_MAC = 6,
    DEVICE_NIC_ROM = 1 << 18, /* bytes of an adapter's expansion ROM */
    DEVICE_FRAME_MAX = 65550, /* bytes: 64 KiB of IP behind an Ethernet header */
};

/*
 * An Ethernet frame, from the destination's address on and without FCS. TCP over IP may come as one frame
 * that stands for several: `segment` bytes of payload in each, and checksums that nobody has made.
 */
struct device_frame {
    const uint8_t *data;
    uint32_t size;
    uint16_t segment; /* 0: it is an ordinary frame */
    bool checked;     /* to an adapter: its checksums are right, or nobody has to look at them */
};

/* ---- Memory balloons ------------------------------------------------------------------------- */

enum { DEVICE_BALLOON_STATISTICS = 10 };

/* How a balloon stands. Statistics are the guest's, by VIRTIO's numbers (VIRTIO_BALLOON_S_...). */
struct device_balloon {
    bool driven;             /* the guest has a driver */
    uint32_t target, actual; /* pages of 4 KiB: asked for, and given up by what the guest says */
    uint32_t known;          /* bit n: statistic n is */
    uint64_t statistic[DEVICE_BALLOON_STATISTICS];
};

/* ---- Chips ----------------------------------------------------------------------------------- */

/*
 * What a chip is. Every member may be absent except the name. A chip has
 *   - output lines 0..line_count-1, driven with device_set_line();
 *   - input pins, told by the board through `input`, or asked for with device_input();
 *   - byte links (a serial line, a PS/2 cable): device_send() and `receive` carry bytes, and when the
 *     taker refused some, device_room() and `room` say that it has room again;
 *   - one deadline in machine time, set with device_set_deadline(), answered by `timer`.
 * What each line, pin and link means is listed beside the chip's declaration in devices/chips.h.
 */
struct device_type {
    const char *name;
    size_t state_size; /* plain data without pointers: the board zeroes, copies and restores it */
    unsigned state_version; /* of its layout: one more whenever that or its meaning changes (pc_save()) */
    struct device_ports ports[DEVICE_MAX_PORT_RANGES];
    struct device_mmio mmio[DEVICE_MAX_MMIO_RANGES];
    const struct device_pci *pci;      /* a PCI function; absent: not on that bus */
    const struct virtio_class *virtio; /* a virtio device: which kind (devices/virtio/virtio.h) */
    unsigned line_count;
    unsigned link_count;

    /* Power comes on: the state is all zero. Only for what survives a reset (a battery-backed clock). */
    void (*power_on)(struct device *dev);
    /* The RESET pin: called after power_on, and again for every machine reset. */
    void (*reset)(struct device *dev);
    /* The deadline has passed; it is cleared before the call. The host may be late by any amount. */
    void (*timer)(struct device *dev);
    /* An input pin changed. A pin is low until told otherwise. */
    void (*input)(struct device *dev, unsigned pin, bool level);
    /* The level of an output line right now, for lines too fast to be driven at every edge. */
    bool (*sample)(struct device *dev, unsigned line);
    /* ... and for how many ns it is high from machine time `from` to `to`, if nobody writes to the chip. */
    uint64_t (*high_ns)(struct device *dev, unsigned line, uint64_t from, uint64_t to);
    /* Bytes arrive on a link; returns how many were taken. */
    size_t (*receive)(struct device *dev, unsigned link, const uint8_t *bytes, size_t count);
    /* The other end of a link, which refused bytes before, can take some now. */
    void (*room)(struct device *dev, unsigned link);
    /* A person pressed or released a key; `code` is the set 1 make code (pc.h, pc_key). False: the guest has
       no use for that. */
    bool (*key)(struct device *dev, uint16_t code, bool down);
    /* A person moved the mouse: right, down (screen sense) and wheel towards the person are positive. */
    void (*pointer)(struct device *dev, int32_t dx, int32_t dy, int32_t dz, unsigned buttons);
    /* A person points at (x, y), 0 to DEVICE_POINT_MAX from the upper left corner; `dz` and `buttons` as
       above. False: the guest has no use for that. */
    bool (*point)(struct device *dev, int32_t x, int32_t y, int32_t dz, unsigned buttons);
    /* Interrupt controllers: an INTA sequence addressed to cascade ID `cas`; returns the vector byte. */
    uint8_t (*acknowledge)(struct device *dev, unsigned cas);
    /* Chips that make sound: is there something to be heard, or to be moved at the pace of sound, from now
       on? And time has gone on by `count` frames: add theirs to `mix`; 32767 is as loud as it gets. `frame`
       is the number of the first, which begins at machine time device_sound_ns(). Only those are asked that
       `sounds`; but all are told, with no frames, that something changes now, in the middle of `frame`. */
    bool (*sounds)(const struct device *dev);
    void (*sound)(struct device *dev, uint64_t frame, int32_t (*mix)[2], unsigned count);
    /* DMA controllers: the peripheral on `channel` wants to move bytes (device_channel()). */
    size_t (*dma)(struct device *dev, unsigned channel, uint8_t *data, size_t size, bool to_memory,
                  bool *terminal);
    /* Peripherals of such: the channel, which may have refused bytes before, can take some now; or software
       looks how far it has come. */
    void (*channel_open)(struct device *dev);
    /* Controllers of drives: a transfer is over; and a person has put a medium into the drive or taken it
       out. A tag that the chip does not wait for (any more) is one of before a reset. */
    void (*transferred)(struct device *dev, unsigned unit, const struct device_transferred *result);
    void (*medium_changed)(struct device *dev, unsigned unit);
    /* ... Has the guest locked the drive, so that nobody takes the medium out? */
    bool (*holds_medium)(const struct device *dev, unsigned unit);
    /* Plug and Play cards of the ISA bus: the run of ports that software has put somewhere, and where. NULL:
       nowhere. */
    const struct device_ports *(*placed)(const struct device *dev, uint32_t *base);
    /* Network adapters: a frame has come. False: there is no buffer for it; it is offered again, before all
       others, after device_frame_room(). An adapter that is off takes frames and drops them. */
    bool (*frame_arrives)(struct device *dev, const struct device_frame *frame);
    /* Shared folders: the answer to message `tag` of device_ask(). A tag that the chip does not wait for is
       one of before a reset. */
    void (*answered)(struct device *dev, uint32_t tag, const uint8_t *data, uint32_t size);
    /* Memory balloons: the guest is to give up so many pages of 4 KiB, from now on and whenever it has a
       driver. And: how does it stand? That asks the guest for newer statistics, too, which are there a moment
       later. */
    void (*inflate)(struct device *dev, uint32_t pages);
    void (*look)(struct device *dev, struct device_balloon *balloon);
    /* Host bridges: who answers in part `segment` (chips.h) of memory: a sum of enum device_decode. */
    unsigned (*decodes)(const struct device *dev, unsigned segment);
    /* Display adapters: what of the chip's memory the processor sees at A0000h-BFFFFh as plain memory. */
    void (*window)(const struct device *dev, struct device_window *window);
    /* Display adapters: how a picture would be made now (video.h); all zero before the call. */
    void (*frame)(const struct device *dev, struct video_frame *frame);
    /* Display adapters: put what of the chip can be lent, a struct lent_video, there, if it makes sense now;
       and take it back. Whatever comes back, no harm may come of it. */
    bool (*lend)(const struct device *dev, void *state);
    void (*take_back)(struct device *dev, const void *state);
    /* The state is another one, from a snapshot: tell the board what it does not keep. */
    void (*restored)(struct device *dev);
    /* Can the chip be in that state, so that none of the functions here comes to harm by it? For chips whose
       state comes back from where nobody is trusted (near.h). */
    bool (*is_valid)(const void *state);
};

/*
 * What the board does for a chip. All functions are required, but for those that only chips use which the
 * board has not: those from `config_read` on. `board` is the board's own pointer; the board tells chips apart
 * by dev->slot.
 */
struct device_board {
    uint64_t (*now)(void *board);       /* machine time in ns; starts anywhere, never goes back */
    int64_t (*wall_clock)(void *board); /* what a clock on the wall shows: ns since 1970-01-01 00:00 */
    uint64_t (*guest_ns)(void *board);  /* how long the guest has run or was halted; see device_guest_ns() */
    void (*set_line)(void *board, struct device *dev, unsigned line, bool level);
    bool (*input)(void *board, struct device *dev, unsigned pin);
    void (*set_deadline)(void *board, struct device *dev, uint64_t when);
    size_t (*send)(void *board, struct device *dev, unsigned link, const uint8_t *bytes, size_t count);
    void (*room)(void *board, struct device *dev, unsigned link);
    uint8_t (*cascade)(void *board, struct device *dev, unsigned level);
    void (*trace)(void *board, struct device *dev, const struct device_event *event, const uint64_t *args);
    uint32_t (*config_read)(void *board, uint32_t address, unsigned size);
    void (*config_write)(void *board, uint32_t address, unsigned size, uint32_t value);
    bool (*dma_read)(void *board, guest_pa pa, void *data, size_t size);
    bool (*dma_write)(void *board, guest_pa pa, const void *data, size_t size);
    const uint8_t *(*contents)(void *board, struct device *dev, unsigned key, uint32_t *size);
    void (*memory_write)(void *board, struct device *dev, uint32_t offset, const void *data, size_t size);
    size_t (*channel)(void *board, struct device *dev, unsigned request, uint8_t *data, size_t size,
                      bool to_memory, bool *terminal);
    void (*sound)(void *board);
    uint64_t (*input_high_ns)(void *board, struct device *dev, unsigned pin, uint64_t from, uint64_t to);
    void (*medium)(void *board, struct device *dev, unsigned unit, struct device_medium *medium);
    uint8_t *(*transfer_data)(void *board, struct device *dev, unsigned unit, uint32_t size);
    void (*transfer)(void *board, struct device *dev, unsigned unit, enum device_transfer what,
                     uint64_t offset, uint32_t size, uint32_t tag);
    void (*ask)(void *board, struct device *dev, const uint8_t *data, uint32_t size, uint32_t room,
                uint32_t tag);
    void (*random)(void *board, uint8_t *bytes, uint32_t size);
    bool (*discard)(void *board, guest_pa pa, uint64_t size);
    void (*mac)(void *board, struct device *dev, uint8_t *mac);
    void (*send_frame)(void *board, struct device *dev, const struct device_frame *frame);
    void (*frame_room)(void *board, struct device *dev);
    void (*take_segments)(void *board, struct device *dev, bool ipv4, bool ipv6);
};

/* One chip on one board. The board fills it in; a chip reads it through the functions below. */
struct device {
    const struct device_type *type;
    const struct device_board *ops;
    void *board;
    void *state; /* type->state_size bytes */
    uint8_t
        *config; /* PCI functions: DEVICE_CONFIG_SIZE bytes; only `change` and `changed` are told of writes */
    const uint8_t *memory; /* chips with memory of their own, which the guest may write to at any time */
    unsigned slot;         /* the board's number for this chip */
    uint32_t straps;       /* pins tied high or low at the factory; the meaning is the chip's (chips.h) */
};

/* A kind of trace event: `module_event`, and the names of its integer arguments (NULL ends them). */
struct device_event {
    const char *name;
    const char *args[DEVICE_EVENT_ARGS];
};

static inline uint64_t device_now(const struct device *dev)
{
    return dev->ops->now(dev->board);
}

static inline int64_t device_wall_clock(const struct device *dev)
{
    return dev->ops->wall_clock(dev->board);
}

/*
 * The guest's own time, in ns: it passes while the guest runs or is halted, and stands still while the host
 * does not let it run. 0 where nobody knows. Only for the question what a guest could have done meanwhile.
 */
static inline uint64_t device_guest_ns(const struct device *dev)
{
    return dev->ops->guest_ns(dev->board);
}

/* Drive an output line. Telling the same level again is harmless. */
static inline void device_set_line(struct device *dev, unsigned line, bool level)
{
    dev->ops->set_line(dev->board, dev, line, level);
}

/* Ask for the present level of whatever drives input pin `pin`; low if nothing does. */
static inline bool device_input(struct device *dev, unsigned pin)
{
    return dev->ops->input(dev->board, dev, pin);
}

/* Replace this chip's deadline. DEVICE_NEVER cancels; a time already past fires at the next opportunity. */
static inline void device_set_deadline(struct device *dev, uint64_t when)
{
    dev->ops->set_deadline(dev->board, dev, when);
}

/* Offer bytes on a link; returns how many the other end took. The chip keeps the rest until `room`. */
static inline size_t device_send(struct device *dev, unsigned link, const uint8_t *bytes, size_t count)
{
    return dev->ops->send(dev->board, dev, link, bytes, count);
}

/* Tell the other end of a link that bytes refused before would be taken now. */
static inline void device_room(struct device *dev, unsigned link)
{
    dev->ops->room(dev->board, dev, link);
}

/* Interrupt controllers: put `level` on the cascade lines and read the vector a slave answers with. */
static inline uint8_t device_cascade(struct device *dev, unsigned level)
{
    return dev->ops->cascade(dev->board, dev, level);
}

static inline void device_trace(struct device *dev, const struct device_event *event, uint64_t a, uint64_t b,
                                uint64_t c)
{
    const uint64_t args[DEVICE_EVENT_ARGS] = { a, b, c, 0 };

    dev->ops->trace(dev->board, dev, event, args);
}

/*
 * Host bridges: access configuration space. `address` has the bus in bits 23-16, device and function in bits
 * 15-8, and the register's offset in bits 7-0; the access lies inside a dword. What is not there reads as
 * ones.
 */
static inline uint32_t device_config_read(struct device *dev, uint32_t address, unsigned size)
{
    return dev->ops->config_read(dev->board, address, size);
}

static inline void device_config_write(struct device *dev, uint32_t address, unsigned size, uint32_t value)
{
    dev->ops->config_write(dev->board, address, size, value);
}

/* Bus masters: copy from or to guest-physical memory. False: there is none at part of it (nothing was
 * copied). */
static inline bool device_dma_read(struct device *dev, guest_pa pa, void *data, size_t size)
{
    return dev->ops->dma_read(dev->board, pa, data, size);
}

static inline bool device_dma_write(struct device *dev, guest_pa pa, const void *data, size_t size)
{
    return dev->ops->dma_write(dev->board, pa, data, size);
}

/* Chips with contents that the maker of the board chooses: item `key` of them. NULL: there is none. */
static inline const uint8_t *device_contents(struct device *dev, unsigned key, uint32_t *size)
{
    return dev->ops->contents(dev->board, dev, key, size);
}

/* Chips with memory of their own: write to it. All of it is inside. */
static inline void device_memory_write(struct device *dev, uint32_t offset, const void *data, size_t size)
{
    dev->ops->memory_write(dev->board, dev, offset, data, size);
}

/* Controllers of drives: what is there now. */
static inline void device_medium(struct device *dev, unsigned unit, struct device_medium *medium)
{
    dev->ops->medium(dev->board, dev, unit, medium);
}

/* Where to put what the next transfer of this unit, a WRITE, writes: room for `size` bytes. */
static inline uint8_t *device_transfer_data(struct device *dev, unsigned unit, uint32_t size)
{
    return dev->ops->transfer_data(dev->board, dev, unit, size);
}

/*
 * Ask for `size` bytes at `offset` of the medium, all of them on it: of a READ or a WRITE
 * DEVICE_TRANSFER_LARGE at most. A FLUSH has neither.
 */
static inline void device_transfer(struct device *dev, unsigned unit, enum device_transfer what,
                                   uint64_t offset, uint32_t size, uint32_t tag)
{
    dev->ops->transfer(dev->board, dev, unit, what, offset, size, tag);
}

/*
 * Peripherals with DMA channels: move up to `size` bytes from `data` to memory, or from there to `data`, by
 * the channel that the chip's request line `request` leads to, if it leads to one. Returns how many; fewer if
 * the channel is not ready, which channel_open tells, or if it has come to its end, which `terminal` says
 * (the TC pin).
 */
static inline size_t device_channel(struct device *dev, unsigned request, uint8_t *data, size_t size,
                                    bool to_memory, bool *terminal)
{
    return dev->ops->channel(dev->board, dev, request, data, size, to_memory, terminal);
}

/*
 * Shared folders: have a message answered, at most DEVICE_MESSAGE_MAX bytes, with at most `room` bytes;
 * `answered` tells, never before this returns.
 */
static inline void device_ask(struct device *dev, const uint8_t *data, uint32_t size, uint32_t room,
                              uint32_t tag)
{
    dev->ops->ask(dev->board, dev, data, size, room, tag);
}

/* Bytes that nobody can foretell. */
static inline void device_random(struct device *dev, uint8_t *bytes, uint32_t size)
{
    dev->ops->random(dev->board, bytes, size);
}

/* The guest does not need what is in whole pages of its RAM: they read as zeros, and take none of the host's,
 * until they are written again. False: part of it is no RAM, or the host does not have it back (nothing has
 * changed). */
static inline bool device_discard(struct device *dev, guest_pa pa, uint64_t size)
{
    return dev->ops->discard(dev->board, pa, size);
}

/* What is heard is about to change: all chips are asked for their sound up to now (`sound`). */
static inline void device_sound(struct device *dev)
{
    if (dev->ops->sound)
        dev->ops->sound(dev->board);
}

/* For how long whatever drives input pin `pin` was high from `from` to `to`, up to now. */
static inline uint64_t device_input_high_ns(struct device *dev, unsigned pin, uint64_t from, uint64_t to)
{
    return dev->ops->input_high_ns(dev->board, dev, pin, from, to);
}

/* The frame of sound that a machine time is in, and the machine time at which one begins. */
static inline uint64_t device_sound_frame(uint64_t ns)
{
    return ns / 125000 * 6 + ns % 125000 * 6 / 125000;
}

static inline uint64_t device_sound_ns(uint64_t frame)
{
    return frame / 6 * 125000 + (frame % 6 * 125000 + 5) / 6;
}

/* Network adapters: the address that the maker has given it, DEVICE_MAC bytes. */
static inline void device_mac(struct device *dev, uint8_t *mac)
{
    dev->ops->mac(dev->board, dev, mac);
}

/* Put a frame of DEVICE_FRAME_MAX bytes at most on the cable. It is the chip's again when this returns. */
static inline void device_send_frame(struct device *dev, const struct device_frame *frame)
{
    dev->ops->send_frame(dev->board, dev, frame);
}

/* There may be a buffer for the frame that was refused last. The board offers it later, not in this call. */
static inline void device_frame_room(struct device *dev)
{
    dev->ops->frame_room(dev->board, dev);
}

/* From now on the adapter takes frames that stand for several segments of TCP, over IP of these versions, or
 * it does not any more. Until it says so none come. */
static inline void device_take_segments(struct device *dev, bool ipv4, bool ipv6)
{
    dev->ops->take_segments(dev->board, dev, ipv4, ipv6);
}
