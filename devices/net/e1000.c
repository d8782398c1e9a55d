/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Intel 82540EM: the PCI function, and what its registers do. Most of them keep what is written, and are
 * looked at where they matter. Intel PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's
 * Manual, "Register Descriptions"; what is left out is listed in docs/devices.md.
 */
#include "e1000.h"
#include "packet.h"

#include <string.h>

enum {
    COMMAND = 0x04, /* in configuration space */
    COMMAND_MASTER = 1 << 2,

    CTRL_PHY_RST = 1u << 31,
    STATUS_LINK = 0x83, /* full duplex, link up, 1000 Mb/s */
    RAH_AV = 1u << 31,
    RING_END = 0xfff80, /* RDLEN, TDLEN */

    REGISTERS = 128 << 10, /* bytes at the base address register */
    IO_PORTS = 64,
    IOADDR = 0,
    IODATA = 4,
};

static const struct device_event event_read = { "e1000_read", { "offset", "value" } };
static const struct device_event event_write = { "e1000_write", { "offset", "value" } };

bool e1000_is_master(const struct device *dev)
{
    return dev->config[COMMAND] & COMMAND_MASTER;
}

/* ---- Statistics: they stay at their maximum -------------------------------------------------- */

void e1000_count(struct e1000 *p, unsigned offset, uint32_t n)
{
    uint32_t *counter = e1000_reg(p, offset);

    *counter = UINT32_MAX - *counter < n ? UINT32_MAX : *counter + n;
}

void e1000_count_long(struct e1000 *p, unsigned offset, uint32_t n)
{
    uint32_t *low = e1000_reg(p, offset);

    low[1] += *low + n < n;
    *low += n;
}

void e1000_count_length(struct e1000 *p, unsigned first, uint32_t size)
{
    unsigned class = size <= 64     ? 0
                     : size <= 127  ? 1
                     : size <= 255  ? 2
                     : size <= 511  ? 3
                     : size <= 1023 ? 4
                                    : 5;

    e1000_count(p, first + class * 4, 1);
}

/* ---- Registers ------------------------------------------------------------------------------- */

/* Those that keep what is written, and which bits of it. */
static const struct {
    uint16_t first, last;
    uint32_t writable;
} kept[] = {
    { E1000_CTRL, E1000_CTRL, 0x7bffffff },
    { 0x0018, 0x0018, UINT32_MAX }, /* CTRL_EXT */
    { 0x0028, 0x0030, UINT32_MAX }, /* flow control */
    { E1000_VET, E1000_VET, 0xffff },
    { E1000_ITR, E1000_ITR, 0xffff },
    { E1000_RCTL, E1000_RCTL, 0x07dffffe },
    { 0x0170, 0x0180, UINT32_MAX }, /* FCTTV, TXCW, RXCW */
    { E1000_TCTL, E1000_TCTL, 0x03fffffa },
    { 0x0410, 0x0410, 0x3fffffff }, /* TIPG */
    { 0x0458, 0x0458, 0xffff },     /* AIT */
    { 0x0e00, 0x0e00, UINT32_MAX }, /* LEDCTL */
    { E1000_PBA, E1000_PBA, 0xffff },
    { 0x2160, 0x2168, 0xffff8 }, /* FCRTL, FCRTH */
    { E1000_RDBAL, E1000_RDBAL, ~15u },
    { E1000_RDBAH, E1000_RDBAH, UINT32_MAX },
    { E1000_RDLEN, E1000_RDLEN, RING_END },
    { E1000_RDH, E1000_RDH, 0xffff },
    { E1000_RDT, E1000_RDT, 0xffff },
    { E1000_RDTR, E1000_RDTR, 0xffff },
    { 0x2828, 0x2828, UINT32_MAX }, /* RXDCTL */
    { E1000_RADV, E1000_RADV, 0xffff },
    { E1000_RSRPD, E1000_RSRPD, 0xfff },
    { 0x3000, 0x3000, 1 }, /* TXDMAC */
    { E1000_TDBAL, E1000_TDBAL, ~15u },
    { E1000_TDBAH, E1000_TDBAH, UINT32_MAX },
    { E1000_TDLEN, E1000_TDLEN, RING_END },
    { E1000_TDH, E1000_TDH, 0xffff },
    { E1000_TDT, E1000_TDT, 0xffff },
    { E1000_TIDV, E1000_TIDV, 0xffff },
    { 0x3828, 0x3828, UINT32_MAX }, /* TXDCTL */
    { E1000_TADV, E1000_TADV, 0xffff },
    { 0x3830, 0x3830, UINT32_MAX }, /* TSPMT */
    { E1000_RXCSUM, E1000_RXCSUM, 0x3ff },
    { E1000_MTA, E1000_MTA + 0x1fc, UINT32_MAX },
    { E1000_RAL0, E1000_RAL0 + 0x7c, UINT32_MAX },
    { E1000_VFTA, E1000_VFTA + 0x1fc, UINT32_MAX },
    { 0x5800, 0x5838, UINT32_MAX }, /* wake-up, management */
};

static void keep(struct e1000 *p, uint32_t offset, uint32_t value)
{
    for (unsigned i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        if (offset >= kept[i].first && offset <= kept[i].last)
            *e1000_reg(p, offset) = value & kept[i].writable;
    }
}

static void load_address(struct e1000 *p)
{
    *e1000_reg(p, E1000_RAL0) = p->eeprom[0] | (uint32_t)p->eeprom[1] << 16;
    *e1000_reg(p, E1000_RAH0) = p->eeprom[2] | RAH_AV;
}

static void reset_registers(struct device *dev)
{
    struct e1000 *p = dev->state;

    memset(p->reg, 0, sizeof(p->reg));
    memset(&p->tx, 0, sizeof(p->tx));
    memset(&p->wire, 0, sizeof(p->wire));
    *e1000_reg(p, E1000_CTRL) = 0x0a41; /* FD, SLU, SPEED 10b */
    *e1000_reg(p, E1000_PBA) = 0x00100030;
    *e1000_reg(p, E1000_VET) = 0x8100;
    load_address(p);
    e1000_phy_reset(p);
    e1000_interrupt_reset(dev);
    e1000_receive_more(dev);
}

static uint32_t read_icr(struct device *dev)
{
    struct e1000 *p = dev->state;
    uint32_t icr = *e1000_reg(p, E1000_ICR);

    *e1000_reg(p, E1000_ICR) = 0;
    e1000_update(dev);
    return icr;
}

static uint32_t read_counter(struct e1000 *p, uint32_t offset)
{
    uint32_t value = *e1000_reg(p, offset);

    *e1000_reg(p, offset) = 0;
    return value;
}

static uint32_t read_register(struct device *dev, uint32_t offset)
{
    struct e1000 *p = dev->state;

    if (offset >= E1000_END)
        return 0;
    if (offset >= E1000_STATISTICS && offset < E1000_STATISTICS + 0x100)
        return read_counter(p, offset);
    switch (offset) {
    case E1000_STATUS:
        return STATUS_LINK;
    case E1000_EECD:
        return e1000_eeprom_read_eecd(p);
    case E1000_ICR:
        return read_icr(dev);
    default:
        return *e1000_reg(p, offset);
    }
}

static void write_control(struct device *dev, uint32_t value)
{
    struct e1000 *p = dev->state;

    if (value & E1000_CTRL_RST) {
        reset_registers(dev);
        return;
    }
    keep(p, E1000_CTRL, value);
    if (value & CTRL_PHY_RST)
        e1000_phy_reset(p);
}

/* Those that are interrupts, or concern them. */
static void write_interrupt(struct device *dev, uint32_t offset, uint32_t value)
{
    struct e1000 *p = dev->state;
    uint32_t *icr = e1000_reg(p, E1000_ICR), *ims = e1000_reg(p, E1000_IMS);

    value &= E1000_CAUSES;
    if (offset == E1000_ICR)
        *icr &= ~value;
    else if (offset == E1000_ICS)
        *icr |= value;
    else
        *ims = offset == E1000_IMS ? *ims | value : *ims & ~value;
    e1000_update(dev);
}

static void write_register(struct device *dev, uint32_t offset, uint32_t value)
{
    struct e1000 *p = dev->state;

    switch (offset) {
    case E1000_CTRL:
    case E1000_CTRL + 4: /* the same, by an older name */
        write_control(dev, value);
        break;
    case E1000_EECD:
        e1000_eeprom_write_eecd(p, value);
        break;
    case E1000_EERD:
        e1000_eeprom_write_eerd(p, value);
        break;
    case E1000_MDIC:
        e1000_raise(dev, e1000_phy_write_mdic(p, value));
        break;
    case E1000_ICR:
    case E1000_ICS:
    case E1000_IMS:
    case E1000_IMC:
        write_interrupt(dev, offset, value);
        break;
    case E1000_RCTL:
    case E1000_RDLEN:
    case E1000_RDH:
    case E1000_RDT:
        keep(p, offset, value);
        e1000_receive_more(dev);
        break;
    case E1000_TCTL:
    case E1000_TDT:
        keep(p, offset, value);
        e1000_transmit(dev);
        break;
    default:
        keep(p, offset, value);
        break;
    }
}

/* ---- Ways to them ---------------------------------------------------------------------------- */

/* Registers are dwords; parts of them can be read. */
static uint64_t e1000_mmio_read(struct device *dev, uint64_t offset, unsigned size)
{
    uint64_t value = read_register(dev, offset & ~UINT64_C(3));

    if (size == 8)
        value |= (uint64_t)read_register(dev, (uint32_t)offset + 4) << 32;
    device_trace(dev, &event_read, offset, value, 0);
    return value >> (offset & 3) * 8;
}

static void e1000_mmio_write(struct device *dev, uint64_t offset, unsigned size, uint64_t value)
{
    device_trace(dev, &event_write, offset, value, 0);
    if (size < 4 || offset & 3)
        return;
    write_register(dev, (uint32_t)offset, (uint32_t)value);
    if (size == 8)
        write_register(dev, (uint32_t)offset + 4, (uint32_t)(value >> 32));
}

static uint32_t e1000_io_read(struct device *dev, uint32_t offset, unsigned size)
{
    const struct e1000 *p = dev->state;

    if (size != 4 || offset > IODATA)
        return 0;
    return offset == IOADDR ? p->io_address : (uint32_t)e1000_mmio_read(dev, p->io_address, 4);
}

static void e1000_io_write(struct device *dev, uint32_t offset, unsigned size, uint32_t value)
{
    struct e1000 *p = dev->state;

    if (size != 4)
        return;
    if (offset == IOADDR)
        p->io_address = value & (REGISTERS - 1) & ~3u;
    else if (offset == IODATA)
        e1000_mmio_write(dev, p->io_address, 4, value);
}

/* ---- The function ---------------------------------------------------------------------------- */

static void e1000_reset(struct device *dev)
{
    struct e1000 *p = dev->state;

    e1000_eeprom_fill(dev);
    p->io_address = 0;
    reset_registers(dev);
}

/* It may be a master now. */
static void e1000_changed(struct device *dev)
{
    e1000_receive_more(dev);
    e1000_transmit(dev);
}

/* clang-format off */
static const struct device_register registers[] = {
    { 0x00, 4, 0x100e8086, 0, 0 },         /* VID, DID */
    { 0x04, 2, 0x0000, 0x0157, 0 },        /* PCICMD: I/O, memory, bus master, MWI, parity, SERR# */
    { 0x06, 2, 0x0200, 0, 0xf900 },        /* PCISTS: medium DEVSEL# */
    { 0x08, 4, 0x02000002, 0, 0 },         /* RID, CLASSC: Ethernet controller */
    { 0x0c, 2, 0x0000, 0xff18, 0 },        /* cache line, latency timer */
    { 0x2c, 4, 0x001e8086, 0, 0 },         /* subsystem */
    { 0x3c, 4, 0x00ff0100, 0xff, 0 },      /* interrupt line, INTA#, MIN_GNT */
    { 0 },
};

static const struct device_pci pci = {
    .registers = registers,
    .bar = { [0] = { .mmio = { .size = REGISTERS, .read = e1000_mmio_read, .write = e1000_mmio_write } },
             [2] = { .ports = { .count = IO_PORTS, .width = 4, .read = e1000_io_read,
                                .write = e1000_io_write } } },
    .rom = { .size = DEVICE_NIC_ROM, .read = packet_rom_read },
    .changed = e1000_changed,
};
/* clang-format on */

const struct device_type e1000_device = {
    .name = "e1000",
    .state_size = sizeof(struct e1000),
    .pci = &pci,
    .line_count = 1,
    .reset = e1000_reset,
    .timer = e1000_timer,
    .frame_arrives = e1000_receive,
};
