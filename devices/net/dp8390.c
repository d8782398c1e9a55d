/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * DP8390: three pages of registers, a ring of pages of 256 bytes for frames that come, and a DMA channel by
 * which the processor reaches the board's memory a byte or word at a time. National Semiconductor DP8390D
 * datasheet.
 */
#include "dp8390.h"
#include "packet.h"

#include <string.h>

enum {
    CR_STP = 1 << 0,
    CR_STA = 1 << 1,
    CR_TXP = 1 << 2,
    CR_RD = 7 << 3,
    RD_READ = 1 << 3,
    RD_WRITE = 2 << 3,
    RD_SEND = 3 << 3,

    ISR_PRX = 1 << 0,
    ISR_PTX = 1 << 1,
    ISR_RDC = 1 << 6,
    ISR_RST = 1 << 7,

    RCR_AR = 1 << 1,
    RCR_AB = 1 << 2,
    RCR_AM = 1 << 3,
    RCR_PRO = 1 << 4,
    RCR_MON = 1 << 5,
    RSR_PRX = 1 << 0,
    RSR_PHY = 1 << 5,
    TSR_PTX = 1 << 0,
    TCR_LOOPBACK = 3 << 1,
    DCR_WTS = 1 << 0, /* word mode */

    PAGE = 256,
    RING_HEADER = 4,
    FCS = 4,
    LOOK_AGAIN_NS = 50000,
    FRAME_MAX = 1518, /* without FCS, with a VLAN tag */
};

static const struct device_event event_command = { "dp8390_command", { "value" } };

static void drive(struct device *dev)
{
    const struct dp8390 *p = dev->state;

    device_set_line(dev, p->line, p->isr & p->imr & 0x7f);
}

static void raise(struct device *dev, uint8_t causes)
{
    struct dp8390 *p = dev->state;

    p->isr |= causes;
    drive(dev);
}

/* ---- Memory: the PROM in the first 32 bytes, RAM from 4000h on --------------------------------- */

static uint8_t load(const struct dp8390 *p, uint16_t at)
{
    if (at < sizeof(p->prom))
        return p->prom[at];
    return at >= DP8390_RAM && at - DP8390_RAM < DP8390_RAM_SIZE ? p->ram[at - DP8390_RAM] : 0xff;
}

static void store(struct dp8390 *p, uint16_t at, uint8_t value)
{
    if (at >= DP8390_RAM && at - DP8390_RAM < DP8390_RAM_SIZE)
        p->ram[at - DP8390_RAM] = value;
}

/* ---- Receiving ------------------------------------------------------------------------------- */

static bool is_in_table(const struct dp8390 *p, const uint8_t *mac)
{
    unsigned bit = packet_crc(mac, DEVICE_MAC) >> 26;

    return p->mar[bit >> 3] >> (bit & 7) & 1;
}

static bool is_wanted(const struct dp8390 *p, const uint8_t *frame, uint32_t size)
{
    if (size < ETHERNET_HEADER || size > FRAME_MAX || p->rcr & RCR_MON)
        return false;
    if (packet_is_broadcast(frame))
        return p->rcr & RCR_AB;
    if (packet_is_multicast(frame))
        return p->rcr & RCR_AM && (p->rcr & RCR_PRO || is_in_table(p, frame));
    return p->rcr & RCR_PRO || !memcmp(frame, p->par, DEVICE_MAC);
}

/* Pages that the driver has let go: CURR may not come to BNRY, which would look like an empty ring. Drivers
   write the page before the next frame's, which is before the ring when that frame is at its start. */
static unsigned used_pages(const struct dp8390 *p)
{
    unsigned pages = p->pstop - p->pstart;
    unsigned last = p->bnry < p->pstart || p->bnry >= p->pstop ? p->pstop - 1u : p->bnry;

    return (p->curr - last + pages) % pages;
}

static unsigned free_pages(const struct dp8390 *p)
{
    unsigned used = used_pages(p);

    return p->pstop - p->pstart - used - (used ? 1 : 0);
}

static bool has_ring(const struct dp8390 *p)
{
    return p->pstop > p->pstart && p->curr >= p->pstart && p->curr < p->pstop;
}

/*
 * Differs from hardware: drivers look whether there is another frame, and acknowledge PRX after that. A frame
 * that comes in between lies in the ring without an interrupt until the next one comes. On 10 Mb/s that is
 * rare; here an access takes as long as a frame. So if there are frames left a moment after an
 * acknowledgement, it is raised again.
 */
static void look_again_later(struct device *dev)
{
    const struct dp8390 *p = dev->state;

    if (has_ring(p) && used_pages(p) > 1)
        device_set_deadline(dev, device_now(dev) + LOOK_AGAIN_NS);
}

void dp8390_timer(struct device *dev)
{
    const struct dp8390 *p = dev->state;

    if (p->cr & CR_STA && !(p->cr & CR_STP) && has_ring(p) && used_pages(p) > 1)
        raise(dev, ISR_PRX);
}

static uint8_t next_page(const struct dp8390 *p, uint8_t page)
{
    return page + 1 >= p->pstop ? p->pstart : (uint8_t)(page + 1);
}

static void put_frame(struct dp8390 *p, const uint8_t *frame, uint32_t size)
{
    uint32_t length = (size < ETHERNET_MIN ? ETHERNET_MIN : size) + RING_HEADER, total = length + FCS;
    uint8_t page = p->curr, next = page;

    for (uint32_t n = 0; n < total; n += PAGE)
        next = next_page(p, next);
    p->rsr = RSR_PRX | (packet_is_multicast(frame) ? RSR_PHY : 0);
    store(p, (uint16_t)(page * PAGE), p->rsr);
    store(p, (uint16_t)(page * PAGE + 1), next);
    store(p, (uint16_t)(page * PAGE + 2), (uint8_t)length);
    store(p, (uint16_t)(page * PAGE + 3), (uint8_t)(length >> 8));
    for (uint32_t i = 0, at = RING_HEADER; i < length - RING_HEADER; i++, at++) {
        if (at == PAGE) {
            at = 0;
            page = next_page(p, page);
        }
        store(p, (uint16_t)(page * PAGE + at), i < size ? frame[i] : 0);
    }
    p->curr = next;
}

bool dp8390_frame_arrives(struct device *dev, const struct device_frame *frame)
{
    struct dp8390 *p = dev->state;
    unsigned pages = (frame->size + RING_HEADER + FCS + PAGE - 1) / PAGE;
    bool on = p->cr & CR_STA && !(p->cr & CR_STP) && !(p->tcr & TCR_LOOPBACK);

    if (!on || !has_ring(p) || !is_wanted(p, frame->data, frame->size))
        return true;
    if (pages >= (unsigned)(p->pstop - p->pstart)) {
        p->cntr[2] += p->cntr[2] < 0xc0;
        return true; /* it would never fit */
    }
    if (free_pages(p) < pages) {
        p->refused = true;
        return false;
    }
    put_frame(p, frame->data, frame->size);
    raise(dev, ISR_PRX);
    return true;
}

static void have_room(struct device *dev)
{
    struct dp8390 *p = dev->state;

    if (!p->refused)
        return;
    p->refused = false;
    device_frame_room(dev);
}

/* ---- Sending --------------------------------------------------------------------------------- */

/* It is done at once: nothing collides. */
static void transmit(struct device *dev)
{
    struct dp8390 *p = dev->state;
    uint8_t frame[FRAME_MAX];
    uint32_t size = p->tbcr < FRAME_MAX ? p->tbcr : FRAME_MAX;

    for (uint32_t i = 0; i < size; i++)
        frame[i] = load(p, (uint16_t)(p->tpsr * PAGE + i));
    if (size >= ETHERNET_HEADER && !(p->tcr & TCR_LOOPBACK)) {
        if (size < ETHERNET_MIN)
            memset(frame + size, 0, ETHERNET_MIN - size);
        device_send_frame(
            dev, &(struct device_frame){ .data = frame, .size = size < ETHERNET_MIN ? ETHERNET_MIN : size });
    }
    p->tsr = TSR_PTX;
    p->cr &= ~CR_TXP;
    raise(dev, ISR_PTX);
}

/* ---- The processor's DMA channel ------------------------------------------------------------- */

static bool moves(const struct dp8390 *p, uint8_t direction)
{
    return (p->cr & CR_RD) == direction && p->rbcr;
}

/* The address goes round the ring. */
static void advance(struct device *dev)
{
    struct dp8390 *p = dev->state;

    p->rsar++;
    if (p->rsar == p->pstop * PAGE)
        p->rsar = (uint16_t)(p->pstart * PAGE);
    if (--p->rbcr == 0)
        raise(dev, ISR_RDC);
}

/* Bytes that an access moves: in word mode never less than two. */
static unsigned moved(const struct dp8390 *p, unsigned size)
{
    return size == 1 && p->dcr & DCR_WTS ? 2 : size;
}

static uint32_t data_read(struct device *dev, unsigned size)
{
    struct dp8390 *p = dev->state;
    unsigned bytes = moved(p, size);
    uint32_t value = 0;

    for (unsigned i = 0; i < bytes; i++) {
        if (!moves(p, RD_READ)) {
            value |= 0xffu << i * 8;
            continue;
        }
        value |= (uint32_t)load(p, p->rsar) << i * 8;
        advance(dev);
    }
    return value;
}

static void data_write(struct device *dev, unsigned size, uint32_t value)
{
    struct dp8390 *p = dev->state;
    unsigned bytes = moved(p, size);

    for (unsigned i = 0; i < bytes && moves(p, RD_WRITE); i++) {
        store(p, p->rsar, (uint8_t)(value >> i * 8));
        advance(dev);
    }
}

/* Send packet: read the frame that BNRY points to. */
static void set_up_send_packet(struct dp8390 *p)
{
    p->rsar = (uint16_t)(p->bnry * PAGE);
    p->rbcr = (uint16_t)(load(p, (uint16_t)(p->rsar + 2)) | load(p, (uint16_t)(p->rsar + 3)) << 8);
    p->cr = (p->cr & ~CR_RD) | RD_READ;
}

/* ---- Registers ------------------------------------------------------------------------------- */

static void write_command(struct device *dev, uint8_t value)
{
    struct dp8390 *p = dev->state;

    device_trace(dev, &event_command, value, 0, 0);
    p->cr = value & CR_STP ? value : value | (p->cr & CR_STA); /* it goes on until it is stopped */
    if (value & CR_STP) {
        p->isr |= ISR_RST;
        have_room(dev); /* what waits is dropped */
        return;
    }
    p->isr &= ~ISR_RST;
    if ((value & CR_RD) == RD_SEND)
        set_up_send_packet(p);
    else if ((value & CR_RD) == RD_READ && !p->rbcr)
        raise(dev, ISR_RDC);
    if (value & CR_TXP)
        transmit(dev);
    have_room(dev);
}

static uint8_t read_page0(struct dp8390 *p, unsigned reg)
{
    uint8_t value;

    switch (reg) {
    case 1:
        return (uint8_t)p->rsar;
    case 2:
        return (uint8_t)(p->rsar >> 8);
    case 3:
        return p->bnry;
    case 4:
        return p->tsr;
    case 7:
        return p->isr;
    case 8:
        return (uint8_t)p->rsar; /* CRDA */
    case 9:
        return (uint8_t)(p->rsar >> 8);
    case 10:
        return 0x50; /* the RTL8029's name */
    case 11:
        return 0x43;
    case 12:
        return p->rsr;
    case 13 ... 15:
        value = p->cntr[reg - 13];
        p->cntr[reg - 13] = 0;
        return value;
    default:
        return 0; /* NCR, FIFO */
    }
}

static uint8_t read_page1(const struct dp8390 *p, unsigned reg)
{
    return reg < 7 ? p->par[reg - 1] : reg == 7 ? p->curr : p->mar[reg - 8];
}

static uint8_t read_page2(const struct dp8390 *p, unsigned reg)
{
    switch (reg) {
    case 1:
        return p->pstart;
    case 2:
        return p->pstop;
    case 4:
        return p->tpsr;
    case 12:
        return p->rcr | 0xc0;
    case 13:
        return p->tcr | 0xe0;
    case 14:
        return p->dcr | 0x80;
    case 15:
        return p->imr | 0x80;
    default:
        return 0;
    }
}

static uint8_t register_read(struct device *dev, unsigned reg)
{
    struct dp8390 *p = dev->state;

    if (reg == 0)
        return p->cr;
    switch (p->cr >> 6) {
    case 0:
        return read_page0(p, reg);
    case 1:
        return read_page1(p, reg);
    case 2:
        return read_page2(p, reg);
    default:
        return 0; /* configuration of the RTL8029: half duplex, no boot ROM of its own */
    }
}

static void set_byte(uint16_t *word, bool high, uint8_t value)
{
    *word = high ? (uint16_t)((*word & 0xff) | value << 8) : (uint16_t)((*word & 0xff00) | value);
}

static void write_page0(struct device *dev, unsigned reg, uint8_t value)
{
    struct dp8390 *p = dev->state;

    switch (reg) {
    case 1:
        p->pstart = value;
        break;
    case 2:
        p->pstop = value;
        break;
    case 3:
        p->bnry = value;
        break;
    case 4:
        p->tpsr = value;
        break;
    case 5:
    case 6:
        set_byte(&p->tbcr, reg == 6, value);
        break;
    case 7:
        if (p->isr & value & ISR_PRX)
            look_again_later(dev);
        p->isr &= ~(value & 0x7f);
        drive(dev);
        break;
    case 8:
    case 9:
        set_byte(&p->rsar, reg == 9, value);
        break;
    case 10:
    case 11:
        set_byte(&p->rbcr, reg == 11, value);
        break;
    case 12:
        p->rcr = value & 0x3f;
        break;
    case 13:
        p->tcr = value & 0x1f;
        break;
    case 14:
        p->dcr = value & 0x7f;
        break;
    default:
        p->imr = value & 0x7f;
        drive(dev);
        break;
    }
    have_room(dev);
}

static void write_page1(struct device *dev, unsigned reg, uint8_t value)
{
    struct dp8390 *p = dev->state;

    if (reg < 7)
        p->par[reg - 1] = value;
    else if (reg == 7)
        p->curr = value;
    else
        p->mar[reg - 8] = value;
    have_room(dev);
}

static void register_write(struct device *dev, unsigned reg, uint8_t value)
{
    struct dp8390 *p = dev->state;

    if (reg == 0)
        write_command(dev, value);
    else if (p->cr >> 6 == 0)
        write_page0(dev, reg, value);
    else if (p->cr >> 6 == 1)
        write_page1(dev, reg, value);
}

/* ---- The board ------------------------------------------------------------------------------- */

static void board_reset(struct device *dev)
{
    struct dp8390 *p = dev->state;

    p->cr = CR_STP | 4 << 3; /* no DMA */
    p->isr = ISR_RST;
    p->imr = p->rcr = p->tcr = p->dcr = 0;
    drive(dev);
    have_room(dev);
}

uint32_t dp8390_read(struct device *dev, uint32_t offset, unsigned size)
{
    uint32_t value = 0;

    if (offset >= DP8390_DATA && offset < DP8390_RESET)
        return data_read(dev, size);
    for (unsigned i = 0; i < size; i++) {
        if (offset + i < DP8390_DATA)
            value |= (uint32_t)register_read(dev, offset + i) << i * 8;
        else if (offset >= DP8390_RESET && i == 0)
            board_reset(dev);
    }
    return value;
}

void dp8390_write(struct device *dev, uint32_t offset, unsigned size, uint32_t value)
{
    if (offset >= DP8390_DATA && offset < DP8390_RESET) {
        data_write(dev, size, value);
        return;
    }
    for (unsigned i = 0; i < size && offset + i < DP8390_DATA; i++)
        register_write(dev, offset + i, (uint8_t)(value >> i * 8));
}

/* The PROM has each byte twice, as it lies on half of a 16-bit bus, and "WW" behind the address. */
void dp8390_reset(struct device *dev, unsigned line)
{
    struct dp8390 *p = dev->state;
    uint8_t mac[DEVICE_MAC];

    memset(p, 0, sizeof(*p));
    p->line = (uint8_t)line;
    device_mac(dev, mac);
    for (unsigned i = 0; i < sizeof(p->prom); i++)
        p->prom[i] = i / 2 < DEVICE_MAC ? mac[i / 2] : i >= 28 ? 0x57 : 0;
    p->pstart = p->bnry = p->curr = DP8390_RAM / PAGE;
    p->pstop = (DP8390_RAM + DP8390_RAM_SIZE) / PAGE;
    p->refused = true; /* one of before the reset may wait */
    board_reset(dev);
}
