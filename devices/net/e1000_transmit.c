/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The 82540EM sends: descriptors of three kinds, checksums, and TCP segmentation. All of them are the guest's
 * and may say anything. Software Developer's Manual, "Packet Transmission", "TCP Segmentation".
 */
#include "e1000.h"
#include "packet.h"

#include <string.h>

enum {
    TCTL_EN = 1 << 1,

    CMD_EOP = 1 << 0, /* of all kinds, in their byte 11 */
    CMD_IC = 1 << 2,  /* legacy */
    CMD_TSE = 1 << 2, /* the others */
    CMD_RS = 1 << 3,
    CMD_DEXT = 1 << 5,
    CMD_VLE = 1 << 6,
    CMD_IDE = 1 << 7,
    TUCMD_TCP = 1 << 0,
    TUCMD_IP = 1 << 1,
    DTYP_CONTEXT = 0,
    DTYP_DATA = 1,
    POPTS_IXSM = 1 << 0,
    POPTS_TXSM = 1 << 1,
    STA_DD = 1 << 0,

    TAG = 4,
    AT_ONCE = 1 << 20, /* bytes, and a descriptor counts as many as it has: then others have their turn */
};

static uint16_t word(const uint8_t *d)
{
    return (uint16_t)(d[0] | d[1] << 8);
}

static guest_pa address_of(const uint8_t *d)
{
    guest_pa pa = 0;

    for (unsigned i = 0; i < 8; i++)
        pa |= (guest_pa)d[i] << i * 8;
    return pa;
}

/* ---- Frames ---------------------------------------------------------------------------------- */

static void count(struct e1000 *p, const uint8_t *frame, uint32_t size)
{
    e1000_count(p, E1000_GPTC, 1);
    e1000_count(p, E1000_TPT, 1);
    if (packet_is_broadcast(frame))
        e1000_count(p, E1000_BPTC, 1);
    else if (packet_is_multicast(frame))
        e1000_count(p, E1000_MPTC, 1);
    e1000_count_long(p, E1000_GOTCL, size + 4);
    e1000_count_long(p, E1000_TOTL, size + 4);
    e1000_count_length(p, E1000_PTC64, size + 4);
}

/* A frame is complete in tx.frame; there is room for a tag behind it. */
static void send(struct device *dev, uint32_t size)
{
    struct e1000 *p = dev->state;
    uint8_t *frame = p->tx.frame;

    if (size < ETHERNET_HEADER)
        return;
    if (p->tx.tagged && p->reg[E1000_CTRL / 4] & E1000_CTRL_VME) {
        memmove(frame + 16, frame + 12, size - 12);
        packet_put16(frame + 12, p->reg[E1000_VET / 4]);
        packet_put16(frame + 14, p->tx.tag);
        size += TAG;
    }
    if (size < ETHERNET_MIN) {
        memset(frame + size, 0, ETHERNET_MIN - size);
        size = ETHERNET_MIN;
    }
    count(p, frame, size);
    device_send_frame(dev, &(struct device_frame){ .data = frame, .size = size });
}

static void checksum(struct e1000 *p, const struct e1000_context *c, uint32_t size)
{
    uint32_t ip_end = c->ipcse && c->ipcse < size ? c->ipcse + 1u : size;
    uint32_t end = c->tucse && c->tucse < size ? c->tucse + 1u : size;

    if (p->tx.options & POPTS_IXSM)
        packet_insert_checksum(p->tx.frame, ip_end, c->ipcss, c->ipcso);
    if (p->tx.options & POPTS_TXSM)
        packet_insert_checksum(p->tx.frame, end, c->tucss, c->tucso);
}

/* ---- Segmentation ---------------------------------------------------------------------------- */

static void put(uint8_t *header, unsigned size, unsigned at, uint32_t value)
{
    if (at + 2 <= size)
        packet_put16(header + at, value);
}

/* Lengths and numbers of the segment whose `payload` bytes are behind the header. */
static void fix_header(struct e1000 *p, uint32_t payload, bool last)
{
    const struct e1000_context *c = &p->tx.segmentation;
    uint8_t *frame = p->tx.frame;
    unsigned header = c->hdrlen, ip = c->ipcss, tu = c->tucss;
    uint32_t sequence;

    if (c->ipv4) {
        put(frame, header, ip + 2, header + payload - ip);
        if (ip + 6 <= header)
            packet_put16(frame + ip + 4, packet_get16(frame + ip + 4) + p->tx.segments);
    } else {
        put(frame, header, ip + 4, header + payload - ip - 40);
    }
    if (!c->tcp) {
        put(frame, header, tu + 4, header + payload - tu);
    } else if (tu + 14 <= header) {
        sequence = packet_get32(frame + tu + 4);
        packet_put32(frame + tu + 4, sequence + p->tx.sent);
        if (!last)
            frame[tu + 13] &= ~(1 | 8); /* FIN, PSH */
    }
    /* The pseudo-header's sum is there without a length, which differs. */
    if (p->tx.options & POPTS_TXSM && c->tucso + 2u <= header)
        packet_put16(frame + c->tucso, (uint16_t)~packet_fold((uint64_t)packet_get16(frame + c->tucso) +
                                                              header + payload - tu));
}

static void send_segment(struct device *dev, bool last)
{
    struct e1000 *p = dev->state;
    uint32_t header = p->tx.segmentation.hdrlen, payload = p->tx.size - header;

    memcpy(p->tx.frame, p->tx.header, header);
    fix_header(p, payload, last);
    checksum(p, &p->tx.segmentation, p->tx.size);
    send(dev, p->tx.size);
    p->tx.sent += payload;
    p->tx.segments++;
    p->tx.size = header;
}

/* The part of a segmented frame that a descriptor has. */
static void add_segmented(struct device *dev, guest_pa pa, uint32_t size)
{
    struct e1000 *p = dev->state;
    const struct e1000_context *c = &p->tx.segmentation;
    uint32_t full = c->hdrlen + c->mss;

    while (size) {
        uint32_t end = p->tx.size < c->hdrlen ? c->hdrlen : full;
        uint32_t n = end - p->tx.size < size ? end - p->tx.size : size;

        if (!device_dma_read(dev, pa, p->tx.frame + p->tx.size, n))
            memset(p->tx.frame + p->tx.size, 0, n);
        p->tx.size += n;
        pa += n;
        size -= n;
        if (p->tx.size == c->hdrlen && !p->tx.sent)
            memcpy(p->tx.header, p->tx.frame, c->hdrlen);
        else if (p->tx.size == full)
            send_segment(dev, p->tx.sent + c->mss >= c->paylen);
    }
}

/* Is there something to be divided, in pieces that fit? */
static bool can_segment(const struct e1000_context *c)
{
    return c->hdrlen >= ETHERNET_HEADER && c->mss && (uint32_t)c->hdrlen + c->mss <= E1000_FRAME_MAX;
}

/* ---- Descriptors ----------------------------------------------------------------------------- */

static void take_context(struct e1000 *p, const uint8_t *d)
{
    bool segmentation = d[11] & CMD_TSE;
    struct e1000_context *c = segmentation ? &p->tx.segmentation : &p->tx.checksum;

    if (segmentation && p->tx.segmented)
        return; /* a frame goes by the context it began with */
    *c = (struct e1000_context){
        .ipcss = d[0],
        .ipcso = d[1],
        .ipcse = word(d + 2),
        .tucss = d[4],
        .tucso = d[5],
        .tucse = word(d + 6),
        .paylen = word(d + 8) | (d[10] & 15u) << 16,
        .tcp = d[11] & TUCMD_TCP,
        .ipv4 = d[11] & TUCMD_IP,
        .hdrlen = d[13],
        .mss = word(d + 14),
    };
}

/* What does not fit into any frame is cut off. */
static void add(struct device *dev, guest_pa pa, uint32_t size)
{
    struct e1000 *p = dev->state;
    uint32_t n = E1000_FRAME_MAX - p->tx.size < size ? E1000_FRAME_MAX - p->tx.size : size;

    if (!device_dma_read(dev, pa, p->tx.frame + p->tx.size, n))
        memset(p->tx.frame + p->tx.size, 0, n);
    p->tx.size += n;
}

static void end_frame(struct device *dev, const uint8_t *d, bool legacy)
{
    struct e1000 *p = dev->state;

    if (p->tx.segmented) {
        if (p->tx.size > p->tx.segmentation.hdrlen)
            send_segment(dev, true);
        e1000_count(p, E1000_TSCTC, 1);
    } else {
        if (legacy && d[11] & CMD_IC)
            packet_insert_checksum(p->tx.frame, p->tx.size, d[13], d[10]);
        else if (!legacy)
            checksum(p, &p->tx.checksum, p->tx.size);
        send(dev, p->tx.size);
    }
    p->tx.size = p->tx.sent = p->tx.segments = 0;
    p->tx.segmented = p->tx.tagged = false;
    p->tx.options = 0;
}

/* Returns how much work it was. */
static uint32_t take_data(struct device *dev, const uint8_t *d)
{
    struct e1000 *p = dev->state;
    bool legacy = !(d[11] & CMD_DEXT);
    uint32_t size = legacy ? word(d + 8) : word(d + 8) | (d[10] & 15u) << 16;

    if (!p->tx.size && !p->tx.sent) {
        p->tx.segmented = !legacy && d[11] & CMD_TSE && can_segment(&p->tx.segmentation);
        p->tx.options = legacy ? 0 : d[13];
    }
    if (d[11] & CMD_VLE) {
        p->tx.tagged = true;
        p->tx.tag = word(d + 14);
    }
    if (p->tx.segmented)
        add_segmented(dev, address_of(d), size);
    else
        add(dev, address_of(d), size);
    if (d[11] & CMD_EOP)
        end_frame(dev, d, legacy);
    return size;
}

static bool is_context(const uint8_t *d)
{
    return d[11] & CMD_DEXT && d[10] >> 4 == DTYP_CONTEXT;
}

/* ---- The ring -------------------------------------------------------------------------------- */

static guest_pa descriptor_at(const struct e1000 *p, unsigned index)
{
    guest_pa base = (guest_pa)p->reg[E1000_TDBAH / 4] << 32 | p->reg[E1000_TDBAL / 4];

    return base + (guest_pa)index * E1000_DESCRIPTOR;
}

static void report(struct device *dev, guest_pa at, const uint8_t *d)
{
    uint8_t status = d[12] | STA_DD;

    if (!(d[11] & CMD_RS))
        return;
    device_dma_write(dev, at + 12, &status, 1);
    e1000_raise_sent(dev, d[11] & CMD_IDE);
}

/* The next descriptor; false: it cannot be read. */
static bool take_next(struct device *dev, uint32_t *work)
{
    struct e1000 *p = dev->state;
    unsigned n = p->reg[E1000_TDLEN / 4] / E1000_DESCRIPTOR, head = p->reg[E1000_TDH / 4];
    uint8_t d[E1000_DESCRIPTOR];
    guest_pa at = descriptor_at(p, head);

    if (!device_dma_read(dev, at, d, sizeof(d)))
        return false;
    if (is_context(d))
        take_context(p, d);
    else
        *work += take_data(dev, d);
    *work += 256;
    *e1000_reg(p, E1000_TDH) = (head + 1) % n;
    report(dev, at, d);
    return true;
}

void e1000_transmit(struct device *dev)
{
    struct e1000 *p = dev->state;
    unsigned n = p->reg[E1000_TDLEN / 4] / E1000_DESCRIPTOR, tail = p->reg[E1000_TDT / 4];
    uint32_t work = 0;

    if (!(p->reg[E1000_TCTL / 4] & TCTL_EN) || !e1000_is_master(dev) || tail >= n ||
        p->reg[E1000_TDH / 4] >= n || p->reg[E1000_TDH / 4] == tail)
        return;
    while (p->reg[E1000_TDH / 4] != tail && work < AT_ONCE) {
        if (!take_next(dev, &work))
            return;
    }
    p->tx_more = p->reg[E1000_TDH / 4] != tail;
    if (!p->tx_more)
        e1000_raise(dev, E1000_TXQE);
    else
        e1000_update(dev);
}
