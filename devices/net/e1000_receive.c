/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The 82540EM receives: filters, and the ring of buffers a frame goes to. A frame for which there are too few
 * is refused, and the board keeps it. Software Developer's Manual, "Packet Reception".
 */
#include "e1000.h"
#include "packet.h"

#include <string.h>

enum {
    RCTL_EN = 1 << 1,
    RCTL_UPE = 1 << 3,
    RCTL_MPE = 1 << 4,
    RCTL_LPE = 1 << 5,
    RCTL_BAM = 1 << 15,
    RCTL_VFE = 1 << 18,
    RCTL_BSEX = 1 << 25,
    RCTL_SECRC = 1 << 26,
    RAH_AV = 1u << 31,
    RXCSUM_IPOFL = 1 << 8,
    RXCSUM_TUOFL = 1 << 9,

    DD = 1 << 0, /* status */
    EOP = 1 << 1,
    IXSM = 1 << 2,
    VP = 1 << 3,
    TCPCS = 1 << 5,
    IPCS = 1 << 6,
    PIF = 1 << 7,

    FCS = 4,
    STANDARD_MAX = 1522, /* with FCS and a VLAN tag */
    TAG = 4,
    RSRPD_MASK = 0xfff,
};

/* ---- Filters --------------------------------------------------------------------------------- */

static bool is_own(const struct e1000 *p, const uint8_t *mac)
{
    uint32_t low = mac[0] | mac[1] << 8 | mac[2] << 16 | (uint32_t)mac[3] << 24, high = mac[4] | mac[5] << 8;

    for (unsigned i = 0; i < 16; i++) {
        const uint32_t *pair = &p->reg[(E1000_RAL0 + i * 8) / 4];

        if (pair[1] & RAH_AV && pair[0] == low && (pair[1] & 0xffff) == high)
            return true;
    }
    return false;
}

/* Twelve bits of the last two bytes, which ones RCTL.MO says. */
static bool is_in_table(const struct e1000 *p, const uint8_t *mac)
{
    static const uint8_t shift[] = { 4, 3, 2, 0 };
    unsigned offset = p->reg[E1000_RCTL / 4] >> 12 & 3;
    unsigned bit = ((unsigned)mac[5] << 8 | mac[4]) >> shift[offset] & 0xfff;

    return p->reg[E1000_MTA / 4 + (bit >> 5)] >> (bit & 31) & 1;
}

static bool is_of_vlan(const struct e1000 *p, const uint8_t *frame, uint32_t size)
{
    unsigned id;

    if (!(p->reg[E1000_RCTL / 4] & RCTL_VFE) || size < ETHERNET_HEADER + TAG ||
        packet_get16(frame + 12) != (p->reg[E1000_VET / 4] & 0xffff))
        return true;
    id = packet_get16(frame + 14) & 0xfff;
    return p->reg[E1000_VFTA / 4 + (id >> 5)] >> (id & 31) & 1;
}

static bool is_wanted(const struct e1000 *p, const uint8_t *frame, uint32_t size)
{
    uint32_t rctl = p->reg[E1000_RCTL / 4];

    if (size < ETHERNET_HEADER || size + FCS > (rctl & RCTL_LPE ? E1000_FRAME_MAX : STANDARD_MAX))
        return false;
    if (!is_of_vlan(p, frame, size))
        return false;
    if (packet_is_broadcast(frame))
        return rctl & (RCTL_BAM | RCTL_MPE);
    if (packet_is_multicast(frame))
        return rctl & RCTL_MPE || is_own(p, frame) || is_in_table(p, frame);
    return rctl & RCTL_UPE || is_own(p, frame);
}

/* ---- The ring -------------------------------------------------------------------------------- */

static unsigned buffer_size(const struct e1000 *p)
{
    uint32_t rctl = p->reg[E1000_RCTL / 4];
    unsigned size = 2048u >> (rctl >> 16 & 3);

    return rctl & RCTL_BSEX && size < 2048 ? size * 16 : size;
}

static unsigned ring_size(const struct e1000 *p)
{
    return p->reg[E1000_RDLEN / 4] / E1000_DESCRIPTOR;
}

/* How many descriptors are the chip's. */
static unsigned available(const struct e1000 *p)
{
    unsigned n = ring_size(p), head = p->reg[E1000_RDH / 4], tail = p->reg[E1000_RDT / 4];

    if (head >= n || tail >= n)
        return 0;
    return tail >= head ? tail - head : n - head + tail;
}

static guest_pa descriptor_at(const struct e1000 *p, unsigned index)
{
    guest_pa base = (guest_pa)p->reg[E1000_RDBAH / 4] << 32 | p->reg[E1000_RDBAL / 4];

    return base + (guest_pa)index * E1000_DESCRIPTOR;
}

/* What the chip says about checksums: it vouches for those of frames that come checked. */
static uint8_t checksum_status(const struct e1000 *p, const struct device_frame *frame)
{
    uint32_t rxcsum = p->reg[E1000_RXCSUM / 4];
    const uint8_t *ip = frame->data + ETHERNET_HEADER;
    uint8_t status = 0;

    if (!frame->checked || frame->size < ETHERNET_HEADER + 20 || packet_get16(frame->data + 12) != 0x0800 ||
        packet_get16(ip + 6) & 0x3fff)
        return IXSM;
    if (rxcsum & RXCSUM_IPOFL)
        status |= IPCS;
    if (rxcsum & RXCSUM_TUOFL && (ip[9] == 6 || ip[9] == 17))
        status |= TCPCS;
    return status ? status : IXSM;
}

static bool store(struct device *dev, const uint8_t *data, uint32_t size, uint8_t status, uint16_t tag)
{
    struct e1000 *p = dev->state;
    unsigned head = p->reg[E1000_RDH / 4];
    uint8_t d[E1000_DESCRIPTOR];
    guest_pa at = descriptor_at(p, head), buffer = 0;

    if (!device_dma_read(dev, at, d, sizeof(d)))
        return false;
    for (unsigned i = 0; i < 8; i++)
        buffer |= (guest_pa)d[i] << i * 8;
    if (buffer)
        device_dma_write(dev, buffer, data, size);
    d[8] = (uint8_t)size;
    d[9] = (uint8_t)(size >> 8);
    d[10] = d[11] = 0;
    d[12] = status;
    d[13] = 0;
    d[14] = (uint8_t)tag;
    d[15] = (uint8_t)(tag >> 8);
    *e1000_reg(p, E1000_RDH) = (head + 1) % ring_size(p);
    return device_dma_write(dev, at, d, sizeof(d));
}

static void fill(struct device *dev, const uint8_t *data, uint32_t size, uint8_t status, uint16_t tag)
{
    struct e1000 *p = dev->state;
    unsigned room = buffer_size(p);

    for (uint32_t done = 0; done < size;) {
        uint32_t n = size - done < room ? size - done : room;
        bool last = done + n == size;

        if (!store(dev, data + done, n, last ? status | DD | EOP : DD | IXSM, last ? tag : 0))
            return;
        done += n;
    }
}

/* ---- Frames ---------------------------------------------------------------------------------- */

static void count(struct e1000 *p, const uint8_t *frame, uint32_t size)
{
    e1000_count(p, E1000_GPRC, 1);
    e1000_count(p, E1000_TPR, 1);
    if (packet_is_broadcast(frame))
        e1000_count(p, E1000_BPRC, 1);
    else if (packet_is_multicast(frame))
        e1000_count(p, E1000_MPRC, 1);
    e1000_count_long(p, E1000_GORCL, size + FCS);
    e1000_count_long(p, E1000_TORL, size + FCS);
    e1000_count_length(p, E1000_PRC64, size + FCS);
}

/* Few are left, or a frame is small: causes besides that a frame has come. */
static uint32_t other_causes(const struct e1000 *p, uint32_t size)
{
    unsigned threshold = ring_size(p) >> (1 + (p->reg[E1000_RCTL / 4] >> 8 & 3));
    uint32_t causes = available(p) <= threshold ? E1000_RXDMT0 : 0;

    return size <= (p->reg[E1000_RSRPD / 4] & RSRPD_MASK) ? causes | E1000_SRPD : causes;
}

/* Take the VLAN tag out, if that is wanted: the frame without it goes to `to`. */
static bool strip_tag(const struct e1000 *p, const uint8_t *frame, uint32_t *size, uint8_t *to, uint16_t *tag)
{
    if (!(p->reg[E1000_CTRL / 4] & E1000_CTRL_VME) || *size < ETHERNET_HEADER + TAG ||
        packet_get16(frame + 12) != (p->reg[E1000_VET / 4] & 0xffff))
        return false;
    *tag = packet_get16(frame + 14);
    memcpy(to, frame, 12);
    memcpy(to + 12, frame + 16, *size - 16);
    *size -= TAG;
    return true;
}

bool e1000_receive(struct device *dev, const struct device_frame *frame)
{
    struct e1000 *p = dev->state;
    uint8_t copy[E1000_FRAME_MAX + FCS];
    uint32_t size = frame->size, rctl = p->reg[E1000_RCTL / 4], causes;
    uint8_t status;
    uint16_t tag = 0;

    if (!(rctl & RCTL_EN) || !e1000_is_master(dev) || !is_wanted(p, frame->data, size))
        return true;
    status = checksum_status(p, frame);
    if (strip_tag(p, frame->data, &size, copy, &tag))
        status |= VP;
    else
        memcpy(copy, frame->data, size);
    /* The FCS is a zero: the link has no errors. */
    memset(copy + size, 0, ETHERNET_MIN + FCS > size ? ETHERNET_MIN + FCS - size : FCS);
    size = size < ETHERNET_MIN ? ETHERNET_MIN : size;
    if (!(rctl & RCTL_SECRC))
        size += FCS;
    if (ring_size(p) * (uint64_t)buffer_size(p) < size + buffer_size(p)) {
        e1000_count(p, E1000_ROC, 1);
        return true; /* it would never fit */
    }
    if (available(p) * (uint64_t)buffer_size(p) < size) {
        if (!p->refused)
            e1000_count(p, E1000_RNBC, 1);
        p->refused = true;
        return false;
    }
    count(p, frame->data, frame->size < ETHERNET_MIN ? ETHERNET_MIN : frame->size);
    fill(dev, copy, size, status, tag);
    causes = other_causes(p, size);
    if (causes)
        *e1000_reg(p, E1000_ICR) |= causes;
    e1000_raise_received(dev);
    if (causes)
        e1000_update(dev);
    return true;
}

void e1000_receive_more(struct device *dev)
{
    struct e1000 *p = dev->state;

    if (!p->refused)
        return;
    p->refused = false;
    device_frame_room(dev);
}
