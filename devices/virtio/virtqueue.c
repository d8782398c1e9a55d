/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Split virtqueues. The guest does not run while a device is at its queues, so what is read once stays, but
 * all of it is believed only as far as it can do no harm: every index is cut to the ring, every chain and
 * table is bounded. VIRTIO 1.0, "Virtqueues".
 */
#include "virtio.h"

enum {
    DESCRIPTOR = 16,
    NEXT = 1 << 0,
    WRITE = 1 << 1,
    INDIRECT = 1 << 2,
    NO_INTERRUPT = 1 << 0, /* in the available ring's flags */
    NO_NOTIFY = 1 << 0,    /* in the used ring's */
    RING_INDEX = 2,
    RING_ENTRIES = 4,
    AVAILABLE_ENTRY = 2,
    USED_ENTRY = 8,
};

struct descriptor {
    guest_pa pa;
    uint32_t size;
    uint16_t flags, next;
};

static struct virtqueue *queue_of(const struct device *dev, unsigned queue)
{
    struct virtio *v = dev->state;

    return &v->queue[queue];
}

static bool uses_events(const struct device *dev)
{
    return virtio_has(dev->state, VIRTIO_F_EVENT_IDX);
}

/* ---- The guest's memory ---------------------------------------------------------------------- */

static bool read16(struct device *dev, guest_pa pa, uint16_t *value)
{
    uint8_t b[2];

    if (!device_dma_read(dev, pa, b, sizeof(b))) {
        virtio_break(dev);
        return false;
    }
    *value = (uint16_t)(b[0] | b[1] << 8);
    return true;
}

static bool write16(struct device *dev, guest_pa pa, uint16_t value)
{
    const uint8_t b[2] = { (uint8_t)value, (uint8_t)(value >> 8) };

    if (device_dma_write(dev, pa, b, sizeof(b)))
        return true;
    virtio_break(dev);
    return false;
}

static uint64_t little(const uint8_t *b, unsigned size)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)b[i] << i * 8;
    return value;
}

static bool read_descriptor(struct device *dev, guest_pa table, unsigned index, struct descriptor *d)
{
    uint8_t b[DESCRIPTOR];

    if (!device_dma_read(dev, table + index * (guest_pa)DESCRIPTOR, b, sizeof(b))) {
        virtio_break(dev);
        return false;
    }
    *d = (struct descriptor){ little(b, 8), (uint32_t)little(b + 8, 4), (uint16_t)little(b + 12, 2),
                              (uint16_t)little(b + 14, 2) };
    return true;
}

/* ---- Chains ---------------------------------------------------------------------------------- */

/* False: it makes no sense. */
static bool add_piece(struct virtio_chain *c, const struct descriptor *d)
{
    unsigned count = c->readable + c->writable;

    if (count == VIRTIO_PIECES_MAX || (c->writable && !(d->flags & WRITE)))
        return false;
    c->piece[count] = (struct virtio_piece){ d->pa, d->size };
    if (d->flags & WRITE) {
        c->writable++;
        c->write_size += d->size;
    } else {
        c->readable++;
        c->read_size += d->size;
    }
    return true;
}

/* Follow descriptors in a table of `size`, from `index` on, at most once round. */
static bool follow(struct device *dev, guest_pa table, unsigned size, unsigned index, bool inside,
                   struct virtio_chain *c)
{
    struct descriptor d = { 0 };

    for (unsigned n = 0; n < size; n++) {
        if (index >= size || !read_descriptor(dev, table, index, &d))
            return false;
        if (d.flags & INDIRECT) {
            unsigned entries = d.size / DESCRIPTOR;

            /* A table is the end of a chain, and has none in it. */
            if (inside || d.flags & NEXT || !entries || d.size % DESCRIPTOR || entries > VIRTIO_PIECES_MAX ||
                !virtio_has(dev->state, VIRTIO_F_INDIRECT_DESC))
                return false;
            return follow(dev, d.pa, entries, 0, true, c);
        }
        if (!add_piece(c, &d))
            return false;
        if (!(d.flags & NEXT))
            return true;
        index = d.next;
    }
    return false;
}

bool virtqueue_pop(struct device *dev, unsigned queue, struct virtio_chain *chain)
{
    struct virtqueue *q = queue_of(dev, queue);
    uint16_t index, head;

    if (!virtio_is_running(dev) || !q->enabled || !read16(dev, q->available + RING_INDEX, &index) ||
        index == q->next)
        return false;
    if ((uint16_t)(index - q->next) > q->size ||
        !read16(dev, q->available + RING_ENTRIES + q->next % q->size * AVAILABLE_ENTRY, &head)) {
        virtio_break(dev);
        return false;
    }
    chain->head = head;
    chain->readable = chain->writable = 0;
    chain->read_size = chain->write_size = 0;
    if (!follow(dev, q->descriptors, q->size, head, false, chain)) {
        virtio_break(dev);
        return false;
    }
    q->next++;
    if (!q->quiet && uses_events(dev))
        write16(dev, q->used + RING_ENTRIES + q->size * USED_ENTRY, q->next);
    return true;
}

void virtqueue_unpop(struct device *dev, unsigned queue, unsigned count)
{
    struct virtqueue *q = queue_of(dev, queue);

    q->next = (uint16_t)(q->next - count);
}

static size_t copy(struct device *dev, const struct virtio_piece *piece, unsigned count, uint64_t offset,
                   uint8_t *data, size_t size, bool out)
{
    size_t done = 0;

    for (unsigned i = 0; i < count && done < size; i++) {
        size_t n;
        guest_pa pa;

        if (offset >= piece[i].size) {
            offset -= piece[i].size;
            continue;
        }
        n = piece[i].size - offset < size - done ? (size_t)(piece[i].size - offset) : size - done;
        pa = piece[i].pa + offset;
        offset = 0;
        if (out ? !device_dma_write(dev, pa, data + done, n) : !device_dma_read(dev, pa, data + done, n)) {
            virtio_break(dev);
            break;
        }
        done += n;
    }
    return done;
}

size_t virtio_chain_read(struct device *dev, const struct virtio_chain *chain, uint64_t offset, void *data,
                         size_t size)
{
    return copy(dev, chain->piece, chain->readable, offset, data, size, false);
}

size_t virtio_chain_write(struct device *dev, const struct virtio_chain *chain, uint64_t offset,
                          const void *data, size_t size)
{
    return copy(dev, chain->piece + chain->readable, chain->writable, offset, (uint8_t *)(uintptr_t)data,
                size, true);
}

/* ---- The used ring --------------------------------------------------------------------------- */

void virtqueue_put(struct device *dev, unsigned queue, uint16_t head, uint32_t written)
{
    struct virtqueue *q = queue_of(dev, queue);
    const uint8_t entry[USED_ENTRY] = {
        (uint8_t)head,
        (uint8_t)(head >> 8),
        0,
        0,
        (uint8_t)written,
        (uint8_t)(written >> 8),
        (uint8_t)(written >> 16),
        (uint8_t)(written >> 24),
    };

    if (!virtio_is_running(dev) || !q->enabled)
        return; /* it was reset meanwhile */
    if (!device_dma_write(dev, q->used + RING_ENTRIES + q->put % q->size * USED_ENTRY, entry, sizeof(entry)))
        virtio_break(dev);
    q->put++;
}

/* Has the index passed the driver's event since it was `old`? (VIRTIO 1.0, "Virtqueue Interrupt Suppression")
 */
static bool passes(uint16_t event, uint16_t now, uint16_t old)
{
    return (uint16_t)(now - event - 1) < (uint16_t)(now - old);
}

static bool wants_interrupt(struct device *dev, struct virtqueue *q)
{
    uint16_t old = q->interrupted, event, flags;

    if (uses_events(dev)) {
        q->interrupted = q->published;
        return read16(dev, q->available + RING_ENTRIES + q->size * AVAILABLE_ENTRY, &event) &&
               passes(event, q->published, old);
    }
    return read16(dev, q->available, &flags) && !(flags & NO_INTERRUPT);
}

void virtqueue_publish(struct device *dev, unsigned queue)
{
    struct virtqueue *q = queue_of(dev, queue);

    if (!virtio_is_running(dev) || !q->enabled || q->put == q->published)
        return;
    q->published = q->put;
    if (write16(dev, q->used + RING_INDEX, q->published) && wants_interrupt(dev, q))
        virtio_raise(dev, 1);
}

void virtqueue_want(struct device *dev, unsigned queue, bool notification)
{
    struct virtqueue *q = queue_of(dev, queue);

    if (q->quiet == !notification || !virtio_is_running(dev) || !q->enabled)
        return;
    q->quiet = !notification;
    if (!uses_events(dev))
        write16(dev, q->used, notification ? 0 : NO_NOTIFY);
    else if (notification)
        write16(dev, q->used + RING_ENTRIES + q->size * USED_ENTRY, q->next);
}
