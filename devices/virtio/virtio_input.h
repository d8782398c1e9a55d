/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What input devices of virtio have in common: events for the guest, and a configuration space in which it
 * asks what the device has. Their state begins with a struct virtio_input, their class has
 * `virtio_input_config_read` and `virtio_input_config_write`. VIRTIO 1.1, "Input Device"; Linux's
 * input-event-codes.h for the numbers.
 */
#pragma once

#include "virtio_pci.h"

enum {
    VIRTIO_INPUT_EVENTS = 0, /* queues */
    VIRTIO_INPUT_STATUS = 1,
    VIRTIO_INPUT_QUEUES = 2,
    VIRTIO_INPUT_QUEUE_SIZE = 64,
    VIRTIO_INPUT_CONFIG_SIZE = 136,
    VIRTIO_INPUT_DATA_SIZE = 128,

    EV_SYN = 0x00,
    EV_KEY = 0x01,
    EV_REL = 0x02,
    EV_ABS = 0x03,
    EV_LED = 0x11,
    EV_REP = 0x14,
};

struct virtio_input {
    struct virtio virtio;
    bool unfinished; /* events were told that no EV_SYN has ended yet */
    uint8_t select, subsel;
    struct virtio_chain chain; /* in use */
};

/* What it is. */
struct virtio_input_kind {
    const char *name;
    uint8_t product; /* number */
    /* Set the bits of the codes of this type of event that it has; returns how many bytes have some. */
    uint32_t (*events)(unsigned type, uint8_t *bits);
    int32_t axis_max; /* of both axes, whose least is 0; 0: it has none */
};

/* For `events`: set bit `n`, and have *size cover it. */
void virtio_input_set_bit(uint8_t *bits, unsigned n, uint32_t *size);

/* An event for the guest. False: there is no buffer. */
bool virtio_input_tell(struct device *dev, unsigned type, unsigned code, uint32_t value);
/* End those there are with EV_SYN, if there is a buffer, and let the guest see them. */
void virtio_input_end(struct device *dev);
/* Does the guest's driver want events? */
bool virtio_input_is_driven(const struct device *dev);
/* The next event of the guest's, of which there are no more than a queue has entries. False: there is none.
 */
bool virtio_input_hear(struct device *dev, unsigned *type, unsigned *code, uint32_t *value);

/* For the class. */
void virtio_input_stop(struct device *dev);
uint8_t virtio_input_config_read(struct device *dev, const struct virtio_input_kind *kind, uint32_t offset);
void virtio_input_config_write(struct device *dev, uint32_t offset, uint8_t value);
