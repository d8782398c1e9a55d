/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Network adapter of virtio. Checksums and the division of TCP into segments are left to the cable's other
 * end, which often has no use for either. VIRTIO 1.0, "Network Device".
 */
#include "devices/chips.h"
#include "packet.h"
#include "virtio_pci.h"

#include <string.h>

#define NET_F_CSUM       (UINT64_C(1) << 0)
#define NET_F_GUEST_CSUM (UINT64_C(1) << 1)
#define NET_F_MAC        (UINT64_C(1) << 5)
#define NET_F_GUEST_TSO4 (UINT64_C(1) << 7)
#define NET_F_GUEST_TSO6 (UINT64_C(1) << 8)
#define NET_F_HOST_TSO4  (UINT64_C(1) << 11)
#define NET_F_HOST_TSO6  (UINT64_C(1) << 12)
#define NET_F_MRG_RXBUF  (UINT64_C(1) << 15)
#define NET_F_STATUS     (UINT64_C(1) << 16)

enum {
    RECEIVE = 0,
    TRANSMIT = 1,
    QUEUES = 2,
    QUEUE_SIZE = 256,

    /* The header in front of each frame. */
    FLAGS = 0,
    GSO_TYPE = 1,
    HDR_LEN = 2,
    GSO_SIZE = 4,
    CSUM_START = 6,
    CSUM_OFFSET = 8,
    NUM_BUFFERS = 10,
    HEADER = 12,
    HEADER_SHORT = 10, /* of the legacy interface without mergeable buffers */
    FLAG_NEEDS_CSUM = 1,
    FLAG_DATA_VALID = 2,
    GSO_TCPV4 = 1,
    GSO_TCPV6 = 4,
    GSO_ECN = 0x80,

    CONFIG_STATUS = 6,
    CONFIG_SIZE = 8,
    STATUS_LINK_UP = 1,

    AT_ONCE = 1 << 20, /* bytes that are sent before others have their turn */
};

struct virtio_net {
    struct virtio virtio;
    uint8_t mac[DEVICE_MAC];
    bool refused; /* a frame waits for buffers */
    uint16_t heads[QUEUE_SIZE];
    uint32_t sizes[QUEUE_SIZE];
    struct virtio_chain chain;
    uint8_t frame[DEVICE_FRAME_MAX];
};

static uint32_t header_size(const struct virtio_net *n)
{
    return virtio_has(&n->virtio, NET_F_MRG_RXBUF | VIRTIO_F_VERSION_1) ? HEADER : HEADER_SHORT;
}

static uint16_t get_le16(const uint8_t *b)
{
    return (uint16_t)(b[0] | b[1] << 8);
}

static void put_le16(uint8_t *b, uint32_t value)
{
    b[0] = (uint8_t)value;
    b[1] = (uint8_t)(value >> 8);
}

/* ---- Sending --------------------------------------------------------------------------------- */

/* Whoever divides TCP makes its checksums; all others are made here. */
static void send(struct device *dev, const uint8_t *header, uint32_t size)
{
    struct virtio_net *n = dev->state;
    uint8_t type = header[GSO_TYPE] & ~GSO_ECN;
    uint32_t start = get_le16(header + CSUM_START);
    struct device_frame frame = { .data = n->frame, .size = size };

    if (size < ETHERNET_HEADER)
        return;
    if (type == GSO_TCPV4 || type == GSO_TCPV6)
        frame.segment = get_le16(header + GSO_SIZE);
    else if (header[FLAGS] & FLAG_NEEDS_CSUM)
        packet_insert_checksum(n->frame, size, start, start + get_le16(header + CSUM_OFFSET));
    device_send_frame(dev, &frame);
}

static void transmit_one(struct device *dev)
{
    struct virtio_net *n = dev->state;
    uint32_t skip = header_size(n);
    uint64_t size = n->chain.read_size;
    uint8_t header[HEADER] = { 0 };

    if (size >= skip && size - skip <= DEVICE_FRAME_MAX &&
        virtio_chain_read(dev, &n->chain, 0, header, skip) == skip &&
        virtio_chain_read(dev, &n->chain, skip, n->frame, (size_t)(size - skip)) == size - skip)
        send(dev, header, (uint32_t)(size - skip));
    virtqueue_put(dev, TRANSMIT, n->chain.head, 0);
}

static void transmit(struct device *dev)
{
    struct virtio_net *n = dev->state;
    uint64_t work = 0;

    while (work < AT_ONCE && virtqueue_pop(dev, TRANSMIT, &n->chain)) {
        work += n->chain.read_size + 256;
        transmit_one(dev);
    }
    virtqueue_publish(dev, TRANSMIT);
    if (work >= AT_ONCE)
        device_set_deadline(dev, 0); /* the rest */
}

/* ---- Receiving ------------------------------------------------------------------------------- */

/* A checksum of TCP that is not made begins where TCP does. */
static uint32_t tcp_offset(const struct device_frame *frame)
{
    if (packet_get16(frame->data + 12) == 0x86dd)
        return ETHERNET_HEADER + 40;
    return ETHERNET_HEADER + (frame->data[ETHERNET_HEADER] & 15u) * 4;
}

static void make_header(const struct virtio_net *n, const struct device_frame *frame, uint8_t *header)
{
    memset(header, 0, HEADER);
    if (frame->segment) {
        uint32_t tcp = tcp_offset(frame);

        header[FLAGS] = FLAG_NEEDS_CSUM;
        header[GSO_TYPE] = packet_get16(frame->data + 12) == 0x86dd ? GSO_TCPV6 : GSO_TCPV4;
        put_le16(header + HDR_LEN, tcp + (frame->data[tcp + 12] >> 4) * 4u);
        put_le16(header + GSO_SIZE, frame->segment);
        put_le16(header + CSUM_START, tcp);
        put_le16(header + CSUM_OFFSET, 16);
    } else if (frame->checked && virtio_has(&n->virtio, NET_F_GUEST_CSUM)) {
        header[FLAGS] = FLAG_DATA_VALID;
    }
}

/*
 * Put the header and the frame behind it into as many chains as it takes. Returns how many those are; 0:
 * there are too few, and none is used; -1: it will never fit.
 */
static int fill(struct device *dev, const uint8_t *header, const struct device_frame *frame)
{
    struct virtio_net *n = dev->state;
    uint32_t in_front = header_size(n), done = 0, total = in_front + frame->size;
    bool merge = virtio_has(&n->virtio, NET_F_MRG_RXBUF);
    int count = 0;

    while (done < total) {
        uint32_t room, skip = done ? 0 : in_front, part;

        bool never = count == n->virtio.queue[RECEIVE].size || (count && !merge);

        if (never || !virtqueue_pop(dev, RECEIVE, &n->chain)) {
            virtqueue_unpop(dev, RECEIVE, (unsigned)count);
            return never ? -1 : 0;
        }
        room = n->chain.write_size < total - done ? (uint32_t)n->chain.write_size : total - done;
        if (room <= skip && room < total - done) {
            virtio_break(dev); /* a buffer for nothing */
            return -1;
        }
        part = room - skip;
        virtio_chain_write(dev, &n->chain, 0, header, skip);
        virtio_chain_write(dev, &n->chain, skip, frame->data + (done ? done - in_front : 0), part);
        n->heads[count] = n->chain.head;
        n->sizes[count++] = room;
        done += room;
    }
    return count;
}

/* How many buffers there are is known when they are full; it stands in the first one. */
static void store_count(struct device *dev, unsigned count)
{
    struct virtio_net *n = dev->state;
    uint8_t number[2];

    if (header_size(n) < HEADER || count == 1)
        return;
    put_le16(number, count);
    virtqueue_unpop(dev, RECEIVE, count);
    if (!virtqueue_pop(dev, RECEIVE, &n->chain))
        return;
    virtio_chain_write(dev, &n->chain, NUM_BUFFERS, number, sizeof(number));
    virtqueue_unpop(dev, RECEIVE, 1);
    n->virtio.queue[RECEIVE].next = (uint16_t)(n->virtio.queue[RECEIVE].next + count);
}

static bool takes_segments(const struct virtio_net *n, bool ipv6)
{
    return virtio_has(&n->virtio, NET_F_GUEST_CSUM) &&
           virtio_has(&n->virtio, ipv6 ? NET_F_GUEST_TSO6 : NET_F_GUEST_TSO4);
}

static bool virtio_net_frame_arrives(struct device *dev, const struct device_frame *frame)
{
    struct virtio_net *n = dev->state;
    uint8_t header[HEADER];
    int count;

    if (!virtio_is_running(dev) || !n->virtio.queue[RECEIVE].enabled || frame->size < ETHERNET_HEADER ||
        (frame->segment && !takes_segments(n, packet_get16(frame->data + 12) == 0x86dd)))
        return true;
    make_header(n, frame, header);
    put_le16(header + NUM_BUFFERS, 1);
    count = fill(dev, header, frame);
    if (count < 0)
        return true;
    if (!count) {
        n->refused = virtio_is_running(dev);
        virtqueue_want(dev, RECEIVE, true);
        return !n->refused;
    }
    store_count(dev, (unsigned)count);
    for (int i = 0; i < count; i++)
        virtqueue_put(dev, RECEIVE, n->heads[i], n->sizes[i]);
    virtqueue_publish(dev, RECEIVE);
    virtqueue_want(dev, RECEIVE, false);
    return true;
}

static void have_room(struct device *dev)
{
    struct virtio_net *n = dev->state;

    if (!n->refused)
        return;
    n->refused = false;
    device_frame_room(dev);
}

/* ---- The class ------------------------------------------------------------------------------- */

static void virtio_net_notify(struct device *dev, unsigned queue)
{
    if (queue == RECEIVE)
        have_room(dev);
    else
        transmit(dev);
}

static void virtio_net_start(struct device *dev)
{
    const struct virtio_net *n = dev->state;

    device_take_segments(dev, takes_segments(n, false), takes_segments(n, true));
}

static void virtio_net_stop(struct device *dev)
{
    struct virtio_net *n = dev->state;

    device_mac(dev, n->mac);
    device_take_segments(dev, false, false);
    device_set_deadline(dev, DEVICE_NEVER);
    have_room(dev);
}

static uint8_t virtio_net_config_read(struct device *dev, uint32_t offset)
{
    const struct virtio_net *n = dev->state;

    if (offset < DEVICE_MAC)
        return n->mac[offset];
    return offset == CONFIG_STATUS ? STATUS_LINK_UP : 0;
}

/* The legacy interface has the address written there. */
static void virtio_net_config_write(struct device *dev, uint32_t offset, uint8_t value)
{
    struct virtio_net *n = dev->state;

    if (offset < DEVICE_MAC && n->virtio.legacy)
        n->mac[offset] = value;
}

static const struct virtio_class class = {
    .features = NET_F_CSUM | NET_F_GUEST_CSUM | NET_F_MAC | NET_F_GUEST_TSO4 | NET_F_GUEST_TSO6 |
                NET_F_HOST_TSO4 | NET_F_HOST_TSO6 | NET_F_MRG_RXBUF | NET_F_STATUS,
    .queue_count = QUEUES,
    .queue_size = QUEUE_SIZE,
    .config_size = CONFIG_SIZE,
    .config_read = virtio_net_config_read,
    .config_write = virtio_net_config_write,
    .notify = virtio_net_notify,
    .start = virtio_net_start,
    .stop = virtio_net_stop,
};

static const struct device_register registers[] = {
    VIRTIO_PCI_REGISTERS(VIRTIO_PCI_TRANSITIONAL(0x1000), 0x020000, 1, CONFIG_SIZE),
    { 0 },
};

static const struct device_pci pci = {
    VIRTIO_PCI_FUNCTION(registers, VIRTIO_PCI_BARS),
    .rom = { .size = DEVICE_NIC_ROM, .read = packet_rom_read },
};

const struct device_type virtio_net_device = {
    .name = "virtio_net",
    .state_size = sizeof(struct virtio_net),
    .pci = &pci,
    .virtio = &class,
    .line_count = 1,
    .reset = virtio_pci_reset,
    .timer = transmit,
    .frame_arrives = virtio_net_frame_arrives,
    .restored = virtio_net_start,
};
