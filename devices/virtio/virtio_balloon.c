/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Memory balloon: the guest gives pages up that the host asks for, and reports those it does not use; both
 * are given back to the host, and read as zeros when the guest has them again. VIRTIO 1.2, "Traditional
 * Memory Balloon Device"; Linux, drivers/virtio/virtio_balloon.c for which queues are there.
 */
#include "devices/chips.h"
#include "virtio_pci.h"

#include <string.h>

#define BALLOON_F_STATS_VQ       (UINT64_C(1) << 1)
#define BALLOON_F_DEFLATE_ON_OOM (UINT64_C(1) << 2)
#define BALLOON_F_REPORTING      (UINT64_C(1) << 5)

enum {
    INFLATE = 0,
    DEFLATE = 1,
    STATISTICS = 2, /* if agreed on; reported pages have the queue behind */
    QUEUES = 4,
    QUEUE_SIZE = 128,
    CONFIG_PAGES = 0, /* that the host wants */
    CONFIG_ACTUAL = 4,
    CONFIG_SIZE = 8,

    PAGE_SHIFT = 12,
    NUMBER = 4,      /* bytes of a page's number */
    AT_A_TIME = 256, /* numbers: as many as Linux sends at once */
    STATISTIC = 10,  /* bytes: what it is, and its value */
    STATISTICS_MAX = 32,

    /* Work before others have their turn, in pages; what it costs besides to begin with a run of them. */
    AT_ONCE = 1 << 16,
    RUN_COST = 16,
};

struct virtio_balloon {
    struct virtio virtio;
    uint32_t target, actual; /* pages */
    uint32_t known;          /* struct device_balloon */
    uint64_t statistic[DEVICE_BALLOON_STATISTICS];
    bool holds;                 /* the statistics' buffer, to be put back for newer ones: ... */
    uint16_t head;              /* ... that one */
    uint64_t done[QUEUES];      /* bytes, or pieces, of each queue's next chain that are given back */
    uint32_t number[AT_A_TIME]; /* in use */
    struct virtio_chain chain;  /* ... */
};

/* ---- Pages ----------------------------------------------------------------------------------- */

static void sort(uint32_t *number, unsigned count)
{
    for (unsigned gap = count / 2; gap; gap /= 2) {
        for (unsigned i = gap; i < count; i++) {
            uint32_t n = number[i];
            unsigned at = i;

            for (; at >= gap && number[at - gap] > n; at -= gap)
                number[at] = number[at - gap];
            number[at] = n;
        }
    }
}

/* Neighbours together: a call to the host for each run. What is no RAM stays. */
static void give_back(struct device *dev, uint32_t *number, unsigned count, uint32_t *work)
{
    sort(number, count);
    for (unsigned i = 0, n; i < count; i += n) {
        uint64_t last = number[i];

        for (n = 1; i + n < count && number[i + n] <= last + 1; n++)
            last = number[i + n];
        device_discard(dev, (guest_pa)number[i] << PAGE_SHIFT, (last + 1 - number[i]) << PAGE_SHIFT);
        *work += (uint32_t)(last + 1 - number[i]) + RUN_COST;
    }
}

/* The next numbers of the chain. False: there are none. */
static bool give_back_some(struct device *dev, uint64_t *done, uint32_t *work)
{
    struct virtio_balloon *b = dev->state;
    uint8_t bytes[AT_A_TIME * NUMBER];
    unsigned count = (unsigned)(virtio_chain_read(dev, &b->chain, *done, bytes, sizeof(bytes)) / NUMBER);

    for (unsigned i = 0; i < count; i++) {
        const uint8_t *n = bytes + i * NUMBER;

        b->number[i] = n[0] | (uint32_t)n[1] << 8 | (uint32_t)n[2] << 16 | (uint32_t)n[3] << 24;
    }
    give_back(dev, b->number, count, work);
    *done += count * (uint64_t)NUMBER;
    return count;
}

static bool take_numbers(struct device *dev, uint64_t *done, uint32_t *work)
{
    while (*work < AT_ONCE) {
        if (!give_back_some(dev, done, work))
            return true;
    }
    return false;
}

/* Of each piece the pages that lie wholly inside. */
static bool take_pieces(struct device *dev, uint64_t *done, uint32_t *work)
{
    const struct virtio_balloon *b = dev->state;
    const struct virtio_chain *c = &b->chain;
    const uint64_t page = 1 << PAGE_SHIFT;

    for (; *done < c->writable && *work < AT_ONCE; ++*done) {
        const struct virtio_piece *p = &c->piece[c->readable + *done];
        uint64_t first = (p->pa + page - 1) & ~(page - 1), end = (p->pa + p->size) & ~(page - 1);

        *work += RUN_COST;
        if (first < p->pa || end <= first)
            continue;
        device_discard(dev, first, end - first);
        *work += (uint32_t)((end - first) >> PAGE_SHIFT);
    }
    return *done >= c->writable;
}

static unsigned report_queue(const struct device *dev)
{
    return virtio_has(dev->state, BALLOON_F_STATS_VQ) ? STATISTICS + 1 : STATISTICS;
}

static bool reports(const struct device *dev, unsigned queue)
{
    return virtio_has(dev->state, BALLOON_F_REPORTING) && queue == report_queue(dev);
}

/* Chains of pages for the host. What is not done when others' turn comes stays in the queue, and is popped
 * again. */
static void take_pages(struct device *dev, unsigned queue)
{
    struct virtio_balloon *b = dev->state;
    uint64_t *done = &b->done[queue];
    uint32_t work = 0;

    while (work < AT_ONCE && virtqueue_pop(dev, queue, &b->chain)) {
        if (!(queue == INFLATE ? take_numbers : take_pieces)(dev, done, &work)) {
            virtqueue_unpop(dev, queue, 1);
            break;
        }
        *done = 0;
        work += RUN_COST;
        virtqueue_put(dev, queue, b->chain.head, 0);
    }
    virtqueue_publish(dev, queue);
    if (work >= AT_ONCE)
        device_set_deadline(dev, 0); /* the rest */
}

static void take_rest(struct device *dev)
{
    take_pages(dev, INFLATE);
    if (virtio_has(dev->state, BALLOON_F_REPORTING))
        take_pages(dev, report_queue(dev));
}

/* Pages come into being with the guest's first access, so there is nothing to be done for those it takes
 * back. */
static void return_chains(struct device *dev, unsigned queue)
{
    struct virtio_balloon *b = dev->state;

    for (unsigned i = 0; i < QUEUE_SIZE && virtqueue_pop(dev, queue, &b->chain); i++)
        virtqueue_put(dev, queue, b->chain.head, 0);
    virtqueue_publish(dev, queue);
}

/* ---- Statistics ------------------------------------------------------------------------------- */

static void read_statistics(struct device *dev)
{
    struct virtio_balloon *b = dev->state;
    uint8_t bytes[STATISTIC * STATISTICS_MAX];
    size_t size = virtio_chain_read(dev, &b->chain, 0, bytes, sizeof(bytes));

    b->known = 0;
    for (size_t at = 0; at + STATISTIC <= size; at += STATISTIC) {
        unsigned what = bytes[at] | bytes[at + 1] << 8;
        uint64_t value = 0;

        for (unsigned i = 0; i < 8; i++)
            value |= (uint64_t)bytes[at + 2 + i] << i * 8;
        if (what >= DEVICE_BALLOON_STATISTICS)
            continue;
        b->known |= UINT32_C(1) << what;
        b->statistic[what] = value;
    }
}

/* The driver's buffer stays here until newer ones are wanted: that is how it is told. */
static void return_buffer(struct device *dev)
{
    struct virtio_balloon *b = dev->state;

    if (!b->holds)
        return;
    b->holds = false;
    virtqueue_put(dev, STATISTICS, b->head, 0);
    virtqueue_publish(dev, STATISTICS);
}

static void take_statistics(struct device *dev)
{
    struct virtio_balloon *b = dev->state;

    for (unsigned i = 0; i < QUEUE_SIZE && virtqueue_pop(dev, STATISTICS, &b->chain); i++) {
        read_statistics(dev);
        return_buffer(dev);
        b->holds = true;
        b->head = b->chain.head;
    }
}

static void virtio_balloon_notify(struct device *dev, unsigned queue)
{
    if (queue == INFLATE || reports(dev, queue))
        take_pages(dev, queue);
    else if (queue == STATISTICS && virtio_has(dev->state, BALLOON_F_STATS_VQ))
        take_statistics(dev);
    else
        return_chains(dev, queue);
}

/* Linux puts the statistics' buffer into the queue, and notifies, before it says DRIVER_OK. */
static void virtio_balloon_start(struct device *dev)
{
    if (virtio_has(dev->state, BALLOON_F_STATS_VQ))
        take_statistics(dev);
}

/* ---- What the host wants, and sees -------------------------------------------------------------- */

static void virtio_balloon_inflate(struct device *dev, uint32_t pages)
{
    struct virtio_balloon *b = dev->state;

    if (b->target == pages)
        return;
    b->target = pages;
    virtio_config_changed(dev);
}

static void virtio_balloon_look(struct device *dev, struct device_balloon *balloon)
{
    struct virtio_balloon *b = dev->state;

    *balloon = (struct device_balloon){
        .driven = virtio_is_running(dev), .target = b->target, .actual = b->actual, .known = b->known
    };
    memcpy(balloon->statistic, b->statistic, sizeof(b->statistic));
    return_buffer(dev);
}

static uint8_t virtio_balloon_config_read(struct device *dev, uint32_t offset)
{
    const struct virtio_balloon *b = dev->state;

    return (uint8_t)((offset < CONFIG_ACTUAL ? b->target : b->actual) >> offset % 4 * 8);
}

static void virtio_balloon_config_write(struct device *dev, uint32_t offset, uint8_t value)
{
    struct virtio_balloon *b = dev->state;
    unsigned shift = offset % 4 * 8;

    if (offset >= CONFIG_ACTUAL)
        b->actual = (b->actual & ~(UINT32_C(0xff) << shift)) | (uint32_t)value << shift;
}

/* What the host wants it wants of the next driver, too. */
static void virtio_balloon_stop(struct device *dev)
{
    struct virtio_balloon *b = dev->state;

    b->actual = b->known = 0;
    b->holds = false;
    memset(b->done, 0, sizeof(b->done));
    device_set_deadline(dev, DEVICE_NEVER);
}

static const struct virtio_class class = {
    .features = BALLOON_F_STATS_VQ | BALLOON_F_DEFLATE_ON_OOM | BALLOON_F_REPORTING,
    .queue_count = QUEUES,
    .queue_size = QUEUE_SIZE,
    .config_size = CONFIG_SIZE,
    .config_read = virtio_balloon_config_read,
    .config_write = virtio_balloon_config_write,
    .notify = virtio_balloon_notify,
    .start = virtio_balloon_start,
    .stop = virtio_balloon_stop,
};

static const struct device_register registers[] = {
    VIRTIO_PCI_REGISTERS(VIRTIO_PCI_TRANSITIONAL(0x1002), 0x00ff00, 5, CONFIG_SIZE),
    { 0 },
};

static const struct device_pci pci = { VIRTIO_PCI_FUNCTION(registers, VIRTIO_PCI_BARS) };

const struct device_type virtio_balloon_device = {
    .name = "virtio_balloon",
    .state_size = sizeof(struct virtio_balloon),
    .pci = &pci,
    .virtio = &class,
    .line_count = 1,
    .reset = virtio_pci_reset,
    .timer = take_rest,
    .inflate = virtio_balloon_inflate,
    .look = virtio_balloon_look,
};
