/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Disk of virtio: any number of requests at once, of which each is one transfer of the medium's. What a
 * request's chain looks like is kept, since the guest may change its descriptors meanwhile. VIRTIO 1.0,
 * "Block Device"; VIRTIO 1.1 for discard and write zeroes.
 */
#include "devices/chips.h"
#include "virtio_pci.h"

#include <string.h>

#define BLK_F_SEG_MAX      (UINT64_C(1) << 2)
#define BLK_F_RO           (UINT64_C(1) << 5)
#define BLK_F_BLK_SIZE     (UINT64_C(1) << 6)
#define BLK_F_FLUSH        (UINT64_C(1) << 9)
#define BLK_F_DISCARD      (UINT64_C(1) << 13)
#define BLK_F_WRITE_ZEROES (UINT64_C(1) << 14)

enum {
    QUEUE = 0,
    QUEUE_SIZE = 128,
    AT_ONCE = 32,   /* requests in flight: a power of two */
    SEGMENTS = 126, /* of a request's data */
    SECTOR = 512,
    ZERO_SECTORS_MAX = 1 << 21, /* of a discard or write zeroes: 1 GiB */
    RANGE_SIZE = 16,

    /* The header of a request, and kinds of them. */
    HEADER = 16,
    TYPE_IN = 0,
    TYPE_OUT = 1,
    TYPE_FLUSH = 4,
    TYPE_GET_ID = 8,
    TYPE_DISCARD = 11,
    TYPE_WRITE_ZEROES = 13,
    ID_SIZE = 20,

    STATUS_OK = 0,
    STATUS_IOERR = 1,
    STATUS_UNSUPPORTED = 2,

    CONFIG_SIZE = 60,
};

struct request {
    bool busy;
    enum device_transfer what; /* now: a write may be followed by a flush */
    uint16_t head;
    uint16_t writable; /* pieces */
    uint64_t write_size;
    struct virtio_piece piece[SEGMENTS + 2]; /* those that are written */
};

struct virtio_blk {
    struct virtio virtio;
    unsigned in_flight; /* also requests of before a reset */
    uint32_t life;      /* resets so far */
    struct request requests[AT_ONCE];
    struct virtio_chain chain; /* in use */
};

struct header {
    uint32_t type;
    uint64_t sector;
};

static uint64_t little(const uint8_t *b, unsigned size)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)b[i] << i * 8;
    return value;
}

/* ---- The end of a request -------------------------------------------------------------------- */

/* The chain's last byte is the status; `size` bytes in front of it were written. */
static void complete(struct device *dev, const struct virtio_chain *chain, uint8_t status, uint32_t size)
{
    virtio_chain_write(dev, chain, chain->write_size - 1, &status, 1);
    virtqueue_put(dev, QUEUE, chain->head, size + 1);
}

/* The chain of a request that was kept, as far as it is written. */
static const struct virtio_chain *chain_of(struct virtio_blk *b, const struct request *r)
{
    struct virtio_chain *c = &b->chain;

    c->head = r->head;
    c->readable = 0;
    c->read_size = 0;
    c->writable = r->writable;
    c->write_size = r->write_size;
    memcpy(c->piece, r->piece, r->writable * sizeof(*r->piece));
    return c;
}

static void keep_chain(struct request *r, const struct virtio_chain *chain)
{
    r->busy = true;
    r->head = chain->head;
    r->writable = chain->writable;
    r->write_size = chain->write_size;
    memcpy(r->piece, chain->piece + chain->readable, chain->writable * sizeof(*r->piece));
}

/* ---- The beginning --------------------------------------------------------------------------- */

static uint32_t tag_of(const struct virtio_blk *b, const struct request *r)
{
    return b->life * (uint32_t)AT_ONCE + (uint32_t)(r - b->requests);
}

static struct request *free_request(struct virtio_blk *b)
{
    for (unsigned i = 0; b->in_flight < AT_ONCE && i < AT_ONCE; i++) {
        if (!b->requests[i].busy)
            return &b->requests[i];
    }
    return NULL;
}

static void transfer(struct device *dev, struct request *r, enum device_transfer what, uint64_t offset,
                     uint32_t size)
{
    struct virtio_blk *b = dev->state;

    r->what = what;
    b->in_flight++;
    device_transfer(dev, 0, what, offset, size, tag_of(b, r));
}

static bool is_inside(const struct device_medium *medium, uint64_t sector, uint64_t size)
{
    uint64_t sectors = medium->size / SECTOR;

    return sector <= sectors && size / SECTOR <= sectors - sector;
}

/* The status, or -1: a transfer is under way. */
static int begin_read(struct device *dev, struct request *r, const struct device_medium *medium,
                      uint64_t sector)
{
    struct virtio_blk *b = dev->state;
    uint64_t size = b->chain.write_size - 1;

    if (size % SECTOR || size > DEVICE_TRANSFER_LARGE || !is_inside(medium, sector, size))
        return STATUS_IOERR;
    if (!size)
        return STATUS_OK;
    keep_chain(r, &b->chain);
    transfer(dev, r, DEVICE_TRANSFER_READ, sector * SECTOR, (uint32_t)size);
    return -1;
}

static int begin_write(struct device *dev, struct request *r, const struct device_medium *medium,
                       uint64_t sector)
{
    struct virtio_blk *b = dev->state;
    uint64_t size = b->chain.read_size - HEADER;

    if (size % SECTOR || size > DEVICE_TRANSFER_LARGE || !is_inside(medium, sector, size) ||
        medium->read_only)
        return STATUS_IOERR;
    if (!size)
        return STATUS_OK;
    keep_chain(r, &b->chain);
    if (virtio_chain_read(dev, &b->chain, HEADER, device_transfer_data(dev, 0, (uint32_t)size),
                          (size_t)size) < size) {
        r->busy = false;
        return STATUS_IOERR; /* and the device is broken */
    }
    transfer(dev, r, DEVICE_TRANSFER_WRITE, sector * SECTOR, (uint32_t)size);
    return -1;
}

/* One range, as the configuration says. (VIRTIO 1.1, 5.2.6.1: flag 0 is unmap, all others are reserved) */
static int begin_range(struct device *dev, struct request *r, const struct device_medium *medium,
                       enum device_transfer what)
{
    struct virtio_blk *b = dev->state;
    uint8_t range[RANGE_SIZE];
    uint64_t sector, sectors;
    uint32_t flags;

    if (b->chain.read_size != HEADER + RANGE_SIZE ||
        virtio_chain_read(dev, &b->chain, HEADER, range, RANGE_SIZE) < RANGE_SIZE || medium->read_only)
        return STATUS_IOERR;
    sector = little(range, 8);
    sectors = little(range + 8, 4);
    flags = (uint32_t)little(range + 12, 4);
    if (flags > (what == DEVICE_TRANSFER_ZERO))
        return STATUS_UNSUPPORTED;
    if (sectors > ZERO_SECTORS_MAX || !is_inside(medium, sector, sectors * SECTOR))
        return STATUS_IOERR;
    if (!sectors)
        return STATUS_OK;
    keep_chain(r, &b->chain);
    transfer(dev, r, what, sector * SECTOR, (uint32_t)sectors * SECTOR);
    return -1;
}

static int begin_flush(struct device *dev, struct request *r)
{
    struct virtio_blk *b = dev->state;

    keep_chain(r, &b->chain);
    transfer(dev, r, DEVICE_TRANSFER_FLUSH, 0, 0);
    return -1;
}

static int begin(struct device *dev, struct request *r, const struct header *h)
{
    struct device_medium medium;

    device_medium(dev, 0, &medium);
    switch (h->type) {
    case TYPE_IN:
        return begin_read(dev, r, &medium, h->sector);
    case TYPE_OUT:
        return begin_write(dev, r, &medium, h->sector);
    case TYPE_FLUSH:
        return begin_flush(dev, r);
    case TYPE_DISCARD:
        return begin_range(dev, r, &medium, DEVICE_TRANSFER_DISCARD);
    case TYPE_WRITE_ZEROES:
        return begin_range(dev, r, &medium, DEVICE_TRANSFER_ZERO);
    default:
        return STATUS_UNSUPPORTED;
    }
}

/* ---- The queue ------------------------------------------------------------------------------- */

static void identify(struct device *dev)
{
    struct virtio_blk *b = dev->state;
    uint8_t id[ID_SIZE] = "D86-VIRTIO-0";
    uint64_t room = b->chain.write_size - 1;
    uint32_t size = room < ID_SIZE ? (uint32_t)room : ID_SIZE;

    id[11] = (uint8_t)('0' + dev->straps);
    virtio_chain_write(dev, &b->chain, 0, id, size);
    complete(dev, &b->chain, STATUS_OK, size);
}

/* A chain without room for its status, or with more parts than a request has, is the driver's fault. */
static void take(struct device *dev, struct request *r)
{
    struct virtio_blk *b = dev->state;
    uint8_t bytes[HEADER];
    struct header h;
    int status;

    if (!b->chain.write_size || b->chain.read_size < HEADER || b->chain.writable > SEGMENTS + 2) {
        virtio_break(dev);
        return;
    }
    if (virtio_chain_read(dev, &b->chain, 0, bytes, HEADER) < HEADER)
        return;
    h.type = (uint32_t)little(bytes, 4);
    h.sector = little(bytes + 8, 8);
    if (h.type == TYPE_GET_ID) {
        identify(dev);
        return;
    }
    status = begin(dev, r, &h);
    if (status >= 0)
        complete(dev, &b->chain, (uint8_t)status, 0);
}

static void serve(struct device *dev)
{
    struct virtio_blk *b = dev->state;
    struct request *r;

    while ((r = free_request(b)) && virtqueue_pop(dev, QUEUE, &b->chain))
        take(dev, r);
    virtqueue_publish(dev, QUEUE);
}

/* While as many requests are under way as there can be, the guest need not say that there are more. */
static void virtio_blk_notify(struct device *dev, unsigned queue)
{
    struct virtio_blk *b = dev->state;

    (void)queue;
    serve(dev);
    virtqueue_want(dev, QUEUE, free_request(b) != NULL);
    serve(dev); /* what came before the guest knew */
}

/* ---- Transfers that are over ----------------------------------------------------------------- */

static void finish(struct device *dev, struct request *r, const struct device_transferred *result)
{
    struct virtio_blk *b = dev->state;
    const struct virtio_chain *chain = chain_of(b, r);
    uint32_t size = 0;

    r->busy = false;
    if (r->what == DEVICE_TRANSFER_READ && !result->failed)
        size = (uint32_t)virtio_chain_write(dev, chain, 0, result->data, result->done);
    complete(dev, chain, result->failed ? STATUS_IOERR : STATUS_OK, size);
}

/* Where the guest cannot ask for a flush, each write has one. */
static void virtio_blk_transferred(struct device *dev, unsigned unit, const struct device_transferred *result)
{
    struct virtio_blk *b = dev->state;
    struct request *r = &b->requests[result->tag % AT_ONCE];
    bool stale = result->tag != tag_of(b, r) || !r->busy;

    (void)unit;
    b->in_flight--;
    if (!stale && r->what != DEVICE_TRANSFER_READ && r->what != DEVICE_TRANSFER_FLUSH && !result->failed &&
        !virtio_has(&b->virtio, BLK_F_FLUSH))
        transfer(dev, r, DEVICE_TRANSFER_FLUSH, 0, 0);
    else if (!stale)
        finish(dev, r, result);
    virtio_blk_notify(dev, QUEUE);
}

/* ---- The class ------------------------------------------------------------------------------- */

static uint64_t virtio_blk_offers(struct device *dev)
{
    struct device_medium medium;

    device_medium(dev, 0, &medium);
    return medium.read_only ? BLK_F_RO : BLK_F_DISCARD | BLK_F_WRITE_ZEROES;
}

static void virtio_blk_stop(struct device *dev)
{
    struct virtio_blk *b = dev->state;

    b->life++;
    for (unsigned i = 0; i < AT_ONCE; i++)
        b->requests[i].busy = false;
}

static void put(uint8_t *config, unsigned offset, unsigned size, uint64_t value)
{
    for (unsigned i = 0; i < size; i++)
        config[offset + i] = (uint8_t)(value >> i * 8);
}

static uint8_t virtio_blk_config_read(struct device *dev, uint32_t offset)
{
    uint8_t config[CONFIG_SIZE] = { 0 };
    struct device_medium medium;

    device_medium(dev, 0, &medium);
    put(config, 0, 8, medium.size / SECTOR); /* capacity */
    put(config, 12, 4, SEGMENTS);            /* seg_max */
    put(config, 20, 4, SECTOR);              /* blk_size */
    put(config, 36, 4, ZERO_SECTORS_MAX);    /* max_discard_sectors */
    put(config, 40, 4, 1);                   /* max_discard_seg */
    put(config, 44, 4, 8);                   /* discard_sector_alignment: a page of the host's */
    put(config, 48, 4, ZERO_SECTORS_MAX);    /* max_write_zeroes_sectors */
    put(config, 52, 4, 1);                   /* max_write_zeroes_seg */
    put(config, 56, 1, 1);                   /* write_zeroes_may_unmap */
    return config[offset];
}

static const struct virtio_class class = {
    .features = BLK_F_SEG_MAX | BLK_F_BLK_SIZE | BLK_F_FLUSH,
    .offers = virtio_blk_offers,
    .queue_count = 1,
    .queue_size = QUEUE_SIZE,
    .config_size = CONFIG_SIZE,
    .config_read = virtio_blk_config_read,
    .notify = virtio_blk_notify,
    .stop = virtio_blk_stop,
};

static const struct device_register registers[] = {
    VIRTIO_PCI_REGISTERS(VIRTIO_PCI_TRANSITIONAL(0x1001), 0x010000, 2, CONFIG_SIZE),
    { 0 },
};

static const struct device_pci pci = { VIRTIO_PCI_FUNCTION(registers, VIRTIO_PCI_BARS) };

const struct device_type virtio_blk_device = {
    .name = "virtio_blk",
    .state_size = sizeof(struct virtio_blk),
    .pci = &pci,
    .virtio = &class,
    .line_count = 1,
    .reset = virtio_pci_reset,
    .transferred = virtio_blk_transferred,
};
