/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A shared folder's transport: messages of 9P from the guest to whoever answers them, and back. VIRTIO 1.2,
 * "9P Transport" (device 9); Linux, net/9p/trans_virtio.c for what drivers do.
 */
#include "devices/chips.h"
#include "virtio_pci.h"

#include <string.h>

#define P9_F_MOUNT_TAG (UINT64_C(1) << 0)

enum {
    QUEUE = 0,
    QUEUE_SIZE = 128,
    AT_ONCE = 8,  /* messages in flight: a power of two */
    PIECES = 160, /* of an answer's place */
    CONFIG_SIZE = 2 + 32,
};

struct message {
    bool busy;
    uint16_t head;
    uint16_t writable; /* pieces */
    uint64_t write_size;
    struct virtio_piece piece[PIECES];
};

struct virtio_9p {
    struct virtio virtio;
    unsigned in_flight; /* also messages of before a reset */
    uint32_t life;      /* resets so far */
    struct message messages[AT_ONCE];
    struct virtio_chain chain; /* in use */
    uint8_t bytes[DEVICE_MESSAGE_MAX];
};

static uint32_t tag_of(const struct virtio_9p *p, const struct message *m)
{
    return p->life * (uint32_t)AT_ONCE + (uint32_t)(m - p->messages);
}

static struct message *free_message(struct virtio_9p *p)
{
    for (unsigned i = 0; p->in_flight < AT_ONCE && i < AT_ONCE; i++) {
        if (!p->messages[i].busy)
            return &p->messages[i];
    }
    return NULL;
}

/* The place for the answer is kept: the driver may change its descriptors. */
static void keep_chain(struct message *m, const struct virtio_chain *chain)
{
    m->busy = true;
    m->head = chain->head;
    m->writable = chain->writable;
    m->write_size = chain->write_size;
    memcpy(m->piece, chain->piece + chain->readable, chain->writable * sizeof(*m->piece));
}

static void take(struct device *dev, struct message *m)
{
    struct virtio_9p *p = dev->state;
    const struct virtio_chain *c = &p->chain;
    uint32_t size = (uint32_t)c->read_size, room;

    if (c->read_size > DEVICE_MESSAGE_MAX || c->writable > PIECES) {
        virtio_break(dev);
        return;
    }
    if (virtio_chain_read(dev, c, 0, p->bytes, size) < size)
        return;
    room = c->write_size < DEVICE_MESSAGE_MAX ? (uint32_t)c->write_size : DEVICE_MESSAGE_MAX;
    keep_chain(m, c);
    p->in_flight++;
    device_ask(dev, p->bytes, size, room, tag_of(p, m));
}

static void virtio_9p_notify(struct device *dev, unsigned queue)
{
    struct virtio_9p *p = dev->state;
    struct message *m;

    (void)queue;
    while ((m = free_message(p)) && virtqueue_pop(dev, QUEUE, &p->chain))
        take(dev, m);
}

static void virtio_9p_answered(struct device *dev, uint32_t tag, const uint8_t *data, uint32_t size)
{
    struct virtio_9p *p = dev->state;
    struct message *m = &p->messages[tag % AT_ONCE];
    struct virtio_chain *c = &p->chain;

    p->in_flight--;
    if (tag == tag_of(p, m) && m->busy) {
        m->busy = false;
        c->readable = 0;
        c->read_size = 0;
        c->writable = m->writable;
        c->write_size = m->write_size;
        memcpy(c->piece, m->piece, m->writable * sizeof(*m->piece));
        virtqueue_put(dev, QUEUE, m->head, (uint32_t)virtio_chain_write(dev, c, 0, data, size));
        virtqueue_publish(dev, QUEUE);
    }
    virtio_9p_notify(dev, QUEUE);
}

static void virtio_9p_stop(struct device *dev)
{
    struct virtio_9p *p = dev->state;

    p->life++;
    for (unsigned i = 0; i < AT_ONCE; i++)
        p->messages[i].busy = false;
}

/* The length of the tag, and the tag. */
static uint8_t virtio_9p_config_read(struct device *dev, uint32_t offset)
{
    uint32_t size = 0;
    const uint8_t *name = device_contents(dev, 0, &size);

    if (offset < 2)
        return (uint8_t)(size >> offset * 8);
    return name && offset - 2 < size ? name[offset - 2] : 0;
}

static const struct virtio_class class = {
    .features = P9_F_MOUNT_TAG,
    .queue_count = 1,
    .queue_size = QUEUE_SIZE,
    .config_size = CONFIG_SIZE,
    .config_read = virtio_9p_config_read,
    .notify = virtio_9p_notify,
    .stop = virtio_9p_stop,
};

static const struct device_register registers[] = {
    VIRTIO_PCI_REGISTERS(VIRTIO_PCI_TRANSITIONAL(0x1009), 0x000200, 9, CONFIG_SIZE),
    { 0 },
};

static const struct device_pci pci = { VIRTIO_PCI_FUNCTION(registers, VIRTIO_PCI_BARS) };

const struct device_type virtio_9p_device = {
    .name = "virtio_9p",
    .state_size = sizeof(struct virtio_9p),
    .pci = &pci,
    .virtio = &class,
    .line_count = 1,
    .reset = virtio_pci_reset,
    .answered = virtio_9p_answered,
};
