/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The 82540EM from inside: its registers, which are memory but for those with a meaning here, and its parts.
 * Intel PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual, "Register
 * Descriptions".
 */
#pragma once

#include "devices/chips.h"

enum {
    E1000_CTRL = 0x0000,
    E1000_STATUS = 0x0008,
    E1000_EECD = 0x0010,
    E1000_EERD = 0x0014,
    E1000_MDIC = 0x0020,
    E1000_VET = 0x0038,
    E1000_ICR = 0x00c0,
    E1000_ITR = 0x00c4,
    E1000_ICS = 0x00c8,
    E1000_IMS = 0x00d0,
    E1000_IMC = 0x00d8,
    E1000_RCTL = 0x0100,
    E1000_TCTL = 0x0400,
    E1000_PBA = 0x1000,
    E1000_RDBAL = 0x2800,
    E1000_RDBAH = 0x2804,
    E1000_RDLEN = 0x2808,
    E1000_RDH = 0x2810,
    E1000_RDT = 0x2818,
    E1000_RDTR = 0x2820,
    E1000_RADV = 0x282c,
    E1000_RSRPD = 0x2c00,
    E1000_TDBAL = 0x3800,
    E1000_TDBAH = 0x3804,
    E1000_TDLEN = 0x3808,
    E1000_TDH = 0x3810,
    E1000_TDT = 0x3818,
    E1000_TIDV = 0x3820,
    E1000_TADV = 0x382c,
    E1000_STATISTICS = 0x4000, /* to 40FFh; reads clear them */
    E1000_PRC64 = 0x405c,      /* then 65-127, 128-255, 256-511, 512-1023 and longer */
    E1000_GPRC = 0x4074,
    E1000_BPRC = 0x4078,
    E1000_MPRC = 0x407c,
    E1000_GPTC = 0x4080,
    E1000_GORCL = 0x4088,
    E1000_GOTCL = 0x4090,
    E1000_RNBC = 0x40a0,
    E1000_ROC = 0x40ac,
    E1000_TORL = 0x40c0,
    E1000_TOTL = 0x40c8,
    E1000_TPR = 0x40d0,
    E1000_TPT = 0x40d4,
    E1000_PTC64 = 0x40d8,
    E1000_MPTC = 0x40f0,
    E1000_BPTC = 0x40f4,
    E1000_TSCTC = 0x40f8,
    E1000_RXCSUM = 0x5000,
    E1000_MTA = 0x5200, /* 128 dwords */
    E1000_RAL0 = 0x5400,
    E1000_RAH0 = 0x5404, /* 16 pairs */
    E1000_VFTA = 0x5600, /* 128 dwords */
    E1000_END = 0x5a00,

    /* CTRL */
    E1000_CTRL_RST = 1 << 26,
    E1000_CTRL_VME = 1 << 30,
    /* ICR, IMS */
    E1000_TXDW = 1 << 0,
    E1000_TXQE = 1 << 1,
    E1000_LSC = 1 << 2,
    E1000_RXDMT0 = 1 << 4,
    E1000_RXO = 1 << 6,
    E1000_RXT0 = 1 << 7,
    E1000_MDAC = 1 << 9,
    E1000_TXD_LOW = 1 << 15,
    E1000_SRPD = 1 << 16,
    E1000_CAUSES = 0x0001ffff,
    /* EECD */
    E1000_EECD_SK = 1 << 0,
    E1000_EECD_CS = 1 << 1,
    E1000_EECD_DI = 1 << 2,
    E1000_EECD_DO = 1 << 3,
    E1000_EECD_REQ = 1 << 6,
    E1000_EECD_GNT = 1 << 7,
    E1000_EECD_PRES = 1 << 8,

    E1000_DESCRIPTOR = 16,
    E1000_EEPROM_WORDS = 64,
    E1000_HEADER_MAX = 256,
    E1000_FRAME_MAX = 16384, /* bytes of a frame on the cable: a jumbo one */
};

/* What a context descriptor says about the frames behind it. */
struct e1000_context {
    uint8_t ipcss, ipcso, tucss, tucso;
    uint16_t ipcse, tucse;
    uint32_t paylen;
    uint8_t hdrlen;
    uint16_t mss;
    bool tcp, ipv4;
};

/* The frame that is being put together from descriptors. */
struct e1000_assembly {
    struct e1000_context segmentation, checksum; /* the latest context of either kind */
    uint32_t size;
    bool segmented;    /* it becomes several */
    uint8_t options;   /* POPTS of its first descriptor */
    uint32_t sent;     /* segmented: payload in frames that have left */
    uint32_t segments; /* ... and how many those were */
    uint16_t tag;      /* VLAN tag to be put in */
    bool tagged;
    uint8_t header[E1000_HEADER_MAX]; /* of all segments */
    uint8_t frame[E1000_FRAME_MAX + 4];
};

struct e1000 {
    uint32_t reg[E1000_END / 4];
    uint16_t eeprom[E1000_EEPROM_WORDS];
    uint16_t phy[32];
    struct {
        uint32_t in;      /* bits shifted in since CS rose */
        uint32_t out;     /* bits to be shifted out, from bit 16 on */
        uint8_t count;    /* bits in `in` */
        uint8_t out_left; /* bits in `out` */
    } wire;
    uint32_t io_address;
    bool line;                                 /* level of INTA# */
    bool refused;                              /* a frame waits for a descriptor */
    uint64_t quiet_until;                      /* no interrupt before: machine time */
    uint64_t rx_at, rx_limit, tx_at, tx_limit; /* delayed interrupts; DEVICE_NEVER: none */
    bool tx_more;                              /* the transmit ring has more than was done at once */
    struct e1000_assembly tx;
};

static inline uint32_t *e1000_reg(struct e1000 *p, unsigned offset)
{
    return &p->reg[offset / 4];
}

/* ---- e1000.c ---- */

/* The bus lets it access memory. */
bool e1000_is_master(const struct device *dev);
void e1000_count(struct e1000 *p, unsigned offset, uint32_t n);
/* A counter of 64 bits. */
void e1000_count_long(struct e1000 *p, unsigned offset, uint32_t n);
/* Counters by length: six from `first` on. */
void e1000_count_length(struct e1000 *p, unsigned first, uint32_t size);

/* ---- e1000_eeprom.c: the EEPROM by both ways to it, and the PHY ---- */

void e1000_eeprom_fill(struct device *dev);
void e1000_eeprom_write_eecd(struct e1000 *p, uint32_t value);
uint32_t e1000_eeprom_read_eecd(const struct e1000 *p);
void e1000_eeprom_write_eerd(struct e1000 *p, uint32_t value);
void e1000_phy_reset(struct e1000 *p);
/* Returns what to raise for it. */
uint32_t e1000_phy_write_mdic(struct e1000 *p, uint32_t value);

/* ---- e1000_interrupt.c ---- */

void e1000_interrupt_reset(struct device *dev);
/* Raise causes now, as far as throttling allows. */
void e1000_raise(struct device *dev, uint32_t causes);
/* ... after the delays that are set for received frames, and for sent ones. */
void e1000_raise_received(struct device *dev);
void e1000_raise_sent(struct device *dev, bool delayed);
/* Causes or mask were changed. */
void e1000_update(struct device *dev);
void e1000_timer(struct device *dev);

/* ---- e1000_transmit.c, e1000_receive.c ---- */

/* The ring has more, or its place has changed. */
void e1000_transmit(struct device *dev);
bool e1000_receive(struct device *dev, const struct device_frame *frame);
/* There may be buffers again. */
void e1000_receive_more(struct device *dev);
