/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Entropy for the guest: what the host's generator gives. VIRTIO 1.0, "Entropy Device".
 */
#include "devices/chips.h"
#include "virtio_pci.h"

enum {
    QUEUE = 0,
    QUEUE_SIZE = 8,
    PIECE = 4096,      /* bytes of a chain that are filled; the driver asks for more if it needs them */
    AT_ONCE = 1 << 16, /* bytes before others have their turn */
};

struct virtio_rng {
    struct virtio virtio;
    struct virtio_chain chain; /* in use */
};

static void fill(struct device *dev)
{
    struct virtio_rng *r = dev->state;
    uint8_t bytes[PIECE];
    uint32_t work = 0;

    while (work < AT_ONCE && virtqueue_pop(dev, QUEUE, &r->chain)) {
        uint32_t size = r->chain.write_size < PIECE ? (uint32_t)r->chain.write_size : PIECE;

        device_random(dev, bytes, size);
        virtqueue_put(dev, QUEUE, r->chain.head,
                      (uint32_t)virtio_chain_write(dev, &r->chain, 0, bytes, size));
        work += size + 64;
    }
    virtqueue_publish(dev, QUEUE);
    if (work >= AT_ONCE)
        device_set_deadline(dev, 0); /* the rest */
}

static void virtio_rng_notify(struct device *dev, unsigned queue)
{
    (void)queue;
    fill(dev);
}

static void virtio_rng_stop(struct device *dev)
{
    device_set_deadline(dev, DEVICE_NEVER);
}

static const struct virtio_class class = {
    .queue_count = 1,
    .queue_size = QUEUE_SIZE,
    .notify = virtio_rng_notify,
    .stop = virtio_rng_stop,
};

static const struct device_register registers[] = {
    VIRTIO_PCI_REGISTERS(VIRTIO_PCI_TRANSITIONAL(0x1005), 0x00ff00, 4, 0),
    { 0 },
};

static const struct device_pci pci = { VIRTIO_PCI_FUNCTION(registers, VIRTIO_PCI_BARS) };

const struct device_type virtio_rng_device = {
    .name = "virtio_rng",
    .state_size = sizeof(struct virtio_rng),
    .pci = &pci,
    .virtio = &class,
    .line_count = 1,
    .reset = virtio_pci_reset,
    .timer = fill,
};
