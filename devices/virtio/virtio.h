/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Virtio devices: what a kind of device (a "class") is beside the transport, and the queues it serves. A
 * device is a struct device_type whose `virtio` points to its class, whose state begins with a struct virtio,
 * and whose PCI function is made by the macros of virtio_pci.h. Virtual I/O Device (VIRTIO) Version 1.0,
 * sections 2 to 4.
 *
 * Queues lie in the guest's memory and anything may stand there: what makes no sense breaks the device until
 * the guest resets it, as the specification has it (DEVICE_NEEDS_RESET).
 */
#pragma once

#include "devices/device.h"

enum {
    VIRTIO_QUEUES_MAX = 16,
    VIRTIO_QUEUE_SIZE_MAX = 1024, /* entries */
    VIRTIO_PIECES_MAX = 1024,     /* of a chain */

    VIRTIO_LINE_INTA = 0,
};

/* Features that are the queues' (reserved feature bits). */
#define VIRTIO_F_ANY_LAYOUT    (UINT64_C(1) << 27)
#define VIRTIO_F_INDIRECT_DESC (UINT64_C(1) << 28)
#define VIRTIO_F_EVENT_IDX     (UINT64_C(1) << 29)
#define VIRTIO_F_VERSION_1     (UINT64_C(1) << 32)
#define VIRTIO_TRANSPORT_FEATURES                                                                            \
    (VIRTIO_F_ANY_LAYOUT | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX | VIRTIO_F_VERSION_1)

/* What a kind of device is. Members may be absent but for the first three. */
struct virtio_class {
    uint64_t features; /* that it offers, without the transport's */
    /* Those that depend on what is connected, besides; may be absent. */
    uint64_t (*offers)(struct device *dev);
    unsigned queue_count;
    uint16_t queue_size;  /* entries of each at most: a power of two */
    uint32_t config_size; /* bytes of its own configuration space */
    uint8_t (*config_read)(struct device *dev, uint32_t offset);
    void (*config_write)(struct device *dev, uint32_t offset, uint8_t value);
    /* The driver says that there may be chains in the queue. */
    void (*notify)(struct device *dev, unsigned queue);
    /* The driver has set up everything (DRIVER_OK): virtio_has() knows what was agreed on. */
    void (*start)(struct device *dev);
    /* The device is reset: forget everything. Chains that were popped are gone. */
    void (*stop)(struct device *dev);
};

/* ---- Queues ---------------------------------------------------------------------------------- */

struct virtqueue {
    guest_pa descriptors, available, used;
    uint16_t size; /* entries */
    bool enabled;
    uint16_t next;        /* of the available ring: where the device is */
    uint16_t put;         /* of the used ring: entries written */
    uint16_t published;   /* ... and told to the driver */
    uint16_t interrupted; /* ... when it was last interrupted for, or asked for not to be */
    bool quiet;           /* the driver need not notify */
};

/* The transport's state, with which a device's own begins. */
struct virtio {
    uint64_t driver_features;
    uint32_t offered_select, driver_select;
    uint16_t queue_select;
    uint8_t status, isr, generation;
    bool legacy; /* the driver came by the legacy interface */
    struct virtqueue queue[VIRTIO_QUEUES_MAX];
};

/* A part of a chain in the guest's memory. */
struct virtio_piece {
    guest_pa pa;
    uint32_t size;
};

/* Descriptors that belong together: those the device reads come first, then those it writes. */
struct virtio_chain {
    uint16_t head;
    uint16_t readable, writable; /* pieces */
    uint64_t read_size, write_size;
    struct virtio_piece piece[VIRTIO_PIECES_MAX];
};

/* Has the driver accepted one of these features? */
static inline bool virtio_has(const struct virtio *v, uint64_t feature)
{
    return v->driver_features & feature;
}

/* Does the device work: the driver is there, and nothing is broken? */
bool virtio_is_running(const struct device *dev);

/* The guest has done what makes no sense: nothing works until it resets the device. */
void virtio_break(struct device *dev);

/* The device's configuration space is another. */
void virtio_config_changed(struct device *dev);

/*
 * Take the next chain out of a queue. False: there is none. What is not a chain breaks the device.
 */
bool virtqueue_pop(struct device *dev, unsigned queue, struct virtio_chain *chain);

/* Put the latest `count` chains that were popped and not put back: they come again. */
void virtqueue_unpop(struct device *dev, unsigned queue, unsigned count);

/*
 * A chain is done with, and the device has written `written` bytes to it, from its first writable byte on.
 * The driver sees it when virtqueue_publish() is called, with all others since.
 */
void virtqueue_put(struct device *dev, unsigned queue, uint16_t head, uint32_t written);
/* ... and is interrupted if it wants to be. */
void virtqueue_publish(struct device *dev, unsigned queue);

/*
 * Does the device want to be notified of chains? At first it does. A device that has what it needs, or looks
 * by itself, saves the guest an exit for each by saying no. After a yes there may be chains that came before
 * it.
 */
void virtqueue_want(struct device *dev, unsigned queue, bool notification);

/*
 * Copy bytes from the readable part, or to the writable part, from `offset` in it on. Returns how many: fewer
 * where it ends, or at memory that is not there, which breaks the device.
 */
size_t virtio_chain_read(struct device *dev, const struct virtio_chain *chain, uint64_t offset, void *data,
                         size_t size);
size_t virtio_chain_write(struct device *dev, const struct virtio_chain *chain, uint64_t offset,
                          const void *data, size_t size);

/* ---- For the transport ----------------------------------------------------------------------- */

/* Set or clear an interrupt's cause: 1 for queues, 2 for the configuration. */
void virtio_raise(struct device *dev, unsigned cause);
