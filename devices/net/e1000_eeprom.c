/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The 82540EM's EEPROM, a Microwire part of 64 words that is read bit by bit (EECD) or by the word (EERD),
 * and its PHY, a link that is always up. Software Developer's Manual, "EEPROM Interface", "PHY Registers";
 * National Semiconductor NM93C46 datasheet.
 */
#include "e1000.h"

#include <string.h>

enum {
    EERD_START = 1 << 0,
    EERD_DONE = 1 << 4,
    CHECKSUM = 0xbaba,

    READ = 6, /* start bit and opcode */
    COMMAND_BITS = 3 + 6,
    WORD_BITS = 16,

    MDIC_READY = 1 << 28,
    MDIC_ERROR = 1 << 30,
    MDIC_INTERRUPT = 1 << 29,
    MDIC_WRITE = 1,
    MDIC_READ = 2,
    PHY_ADDRESS = 1,
    PHY_CONTROL = 0,
    PHY_CONTROL_RESET = 1 << 15,
    PHY_CONTROL_RESTART = 1 << 9,
};

/* ---- EEPROM ---------------------------------------------------------------------------------- */

void e1000_eeprom_fill(struct device *dev)
{
    static const uint16_t words[E1000_EEPROM_WORDS] = {
        [0x03] = 0x0000,                  /* compatibility: a LAN on motherboard has other bits */
        [0x04] = 0xffff,                  /* OEM */
        [0x08] = 0x0000, [0x0a] = 0x3000, /* initialization control 1: Power Management off, IDs are here */
        [0x0b] = 0x001e,                  /* subsystem, its vendor, device, vendor */
        [0x0c] = 0x8086, [0x0d] = 0x100e, [0x0e] = 0x8086, [0x0f] = 0x3040, /* initialization control 2 */
        [0x21] = 0x7061, [0x23] = 0x0280,
    };
    struct e1000 *p = dev->state;
    uint8_t mac[DEVICE_MAC];
    uint16_t sum = 0;

    device_mac(dev, mac);
    memcpy(p->eeprom, words, sizeof(words));
    for (unsigned i = 0; i < DEVICE_MAC / 2; i++)
        p->eeprom[i] = (uint16_t)(mac[2 * i] | mac[2 * i + 1] << 8);
    for (unsigned i = 0; i < E1000_EEPROM_WORDS - 1; i++)
        sum = (uint16_t)(sum + p->eeprom[i]);
    p->eeprom[E1000_EEPROM_WORDS - 1] = (uint16_t)(CHECKSUM - sum);
}

/* SK rises: a bit comes in, and the next one goes out. Only READ is answered: the part is write-protected. */
static void clock_bit(struct e1000 *p, bool bit)
{
    if (p->wire.out_left) {
        p->wire.out <<= 1;
        p->wire.out_left--;
        return;
    }
    if (p->wire.count == 0 && !bit)
        return; /* no start bit yet */
    if (p->wire.count < COMMAND_BITS) {
        p->wire.in = p->wire.in << 1 | bit;
        p->wire.count++;
    }
    if (p->wire.count == COMMAND_BITS && p->wire.in >> 6 == READ) {
        /* A zero comes before the word, which the next words follow. */
        p->wire.out = p->eeprom[p->wire.in & 63];
        p->wire.out_left = WORD_BITS;
        p->wire.in = (p->wire.in & ~63u) | ((p->wire.in + 1) & 63);
    }
}

void e1000_eeprom_write_eecd(struct e1000 *p, uint32_t value)
{
    uint32_t *eecd = e1000_reg(p, E1000_EECD), old = *eecd;

    *eecd = value & (E1000_EECD_SK | E1000_EECD_CS | E1000_EECD_DI | 3 << 4 | E1000_EECD_REQ);
    if (!(value & E1000_EECD_CS))
        memset(&p->wire, 0, sizeof(p->wire));
    else if (value & ~old & E1000_EECD_SK)
        clock_bit(p, value & E1000_EECD_DI);
}

uint32_t e1000_eeprom_read_eecd(const struct e1000 *p)
{
    uint32_t eecd = p->reg[E1000_EECD / 4] | E1000_EECD_PRES;

    if (eecd & E1000_EECD_REQ)
        eecd |= E1000_EECD_GNT;
    /* Before a command DO says that the part is ready. */
    return p->wire.count < COMMAND_BITS || p->wire.out >> WORD_BITS & 1 ? eecd | E1000_EECD_DO : eecd;
}

void e1000_eeprom_write_eerd(struct e1000 *p, uint32_t value)
{
    unsigned word = value >> 8 & 0xff;

    if (value & EERD_START)
        *e1000_reg(p, E1000_EERD) =
            (uint32_t)(word < E1000_EEPROM_WORDS ? p->eeprom[word] : 0xffff) << 16 | word << 8 | EERD_DONE;
}

/* ---- PHY ------------------------------------------------------------------------------------- */

static const struct {
    uint8_t reg;
    uint16_t reset, writable;
} phy_registers[] = {
    { 0, 0x1140, 0x3dff },                         /* control: 1000 Mb/s, full duplex, autonegotiation */
    { 1, 0x796d, 0 },                              /* status: link up, autonegotiation complete */
    { 2, 0x0141, 0 },                              /* the identifier of the M88E1011 that is inside */
    { 3, 0x0c20, 0 },       { 4, 0x0de1, 0xffff }, /* advertised, and what the partner has: everything */
    { 5, 0x4de1, 0 },       { 6, 0x000f, 0 },       { 9, 0x0e00, 0xffff }, /* 1000BASE-T control and status */
    { 10, 0x7c00, 0 },      { 15, 0x3000, 0 },      { 16, 0x0068, 0xffff }, /* the M88's own */
    { 17, 0xac00, 0 }, /* 1000 Mb/s, full duplex, resolved, link */
    { 18, 0x0000, 0xffff }, { 20, 0x0d60, 0xffff }, { 29, 0x0000, 0xffff }, { 30, 0x0000, 0xffff },
};

void e1000_phy_reset(struct e1000 *p)
{
    for (unsigned i = 0; i < sizeof(phy_registers) / sizeof(phy_registers[0]); i++)
        p->phy[phy_registers[i].reg] = phy_registers[i].reset;
}

/* The link comes up again at once. */
static uint32_t phy_write(struct e1000 *p, unsigned reg, uint16_t value)
{
    for (unsigned i = 0; i < sizeof(phy_registers) / sizeof(phy_registers[0]); i++) {
        if (phy_registers[i].reg == reg)
            p->phy[reg] = (p->phy[reg] & ~phy_registers[i].writable) | (value & phy_registers[i].writable);
    }
    if (reg != PHY_CONTROL)
        return 0;
    if (value & PHY_CONTROL_RESET)
        e1000_phy_reset(p);
    p->phy[PHY_CONTROL] &= ~PHY_CONTROL_RESTART;
    return value & (PHY_CONTROL_RESET | PHY_CONTROL_RESTART) ? E1000_LSC : 0;
}

uint32_t e1000_phy_write_mdic(struct e1000 *p, uint32_t value)
{
    unsigned op = value >> 26 & 3, reg = value >> 16 & 31;
    uint32_t causes = 0, result = (value & 0x0fffffff) | MDIC_READY | (value & MDIC_INTERRUPT);

    if ((value >> 21 & 31) != PHY_ADDRESS || (op != MDIC_READ && op != MDIC_WRITE))
        result |= MDIC_ERROR;
    else if (op == MDIC_READ)
        result = (result & 0xffff0000) | p->phy[reg];
    else
        causes = phy_write(p, reg, (uint16_t)value);
    *e1000_reg(p, E1000_MDIC) = result;
    return value & MDIC_INTERRUPT ? causes | E1000_MDAC : causes;
}
