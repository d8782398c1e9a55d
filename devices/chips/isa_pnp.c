/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A Plug and Play card's side of the protocol. All cards listen for a key of 32 bytes. Then those without a
 * number send their serial identifiers bit by bit, and who hears another drop out; the one that is left gets
 * a number, by which its resources are read. Plug and Play ISA Specification 1.0a, "Auto-Configuration
 * Sequence".
 */
#include "isa_pnp.h"

enum {
    KEY_FIRST = 0x6a,
    KEY_LENGTH = 32,

    SET_READ_PORT = 0x00,
    SERIAL_ISOLATION = 0x01,
    CONFIG_CONTROL = 0x02,
    WAKE = 0x03,
    RESOURCE_DATA = 0x04,
    STATUS = 0x05,
    CARD_SELECT_NUMBER = 0x06,
    LOGICAL_DEVICE_NUMBER = 0x07,
    LOGICAL_DEVICE = 0x30, /* from here on */

    CONTROL_RESET = 1 << 0,
    CONTROL_WAIT = 1 << 1,
    CONTROL_NO_NUMBER = 1 << 2,

    OPEN_BUS = 0xff,
};

void isa_pnp_power_on(struct isa_pnp *pnp)
{
    *pnp = (struct isa_pnp){ .state = PNP_WAIT_FOR_KEY, .key = KEY_FIRST };
}

/* ---- The key ---- */

static void forget_key(struct isa_pnp *pnp)
{
    pnp->key = KEY_FIRST;
    pnp->key_count = 0;
}

/* Eight bits that are shifted right, and get the exclusive or of their lowest two on the left. */
static void hear_key(struct isa_pnp *pnp, uint8_t value)
{
    if (value != pnp->key) {
        forget_key(pnp);
        return;
    }
    pnp->key = pnp->key >> 1 | ((pnp->key ^ pnp->key >> 1) & 1) << 7;
    if (++pnp->key_count == KEY_LENGTH) {
        forget_key(pnp);
        pnp->state = PNP_SLEEP;
    }
}

void isa_pnp_write_address(struct isa_pnp *pnp, uint8_t value)
{
    if (pnp->state == PNP_WAIT_FOR_KEY)
        hear_key(pnp, value);
    else
        pnp->address = value;
}

/* ---- Registers ---- */

static void control(struct device *dev, struct isa_pnp *pnp, const struct isa_pnp_card *card, uint8_t value)
{
    if (value & CONTROL_RESET)
        card->reset(dev);
    if (value & CONTROL_NO_NUMBER)
        pnp->csn = 0;
    if (value & CONTROL_WAIT)
        pnp->state = PNP_WAIT_FOR_KEY;
}

static void wake(struct isa_pnp *pnp, uint8_t csn)
{
    pnp->pointer = 0;
    pnp->second = false;
    if (csn != pnp->csn)
        pnp->state = PNP_SLEEP;
    else
        pnp->state = csn ? PNP_CONFIG : PNP_ISOLATION;
}

static void set_number(struct isa_pnp *pnp, uint8_t csn)
{
    pnp->csn = csn;
    pnp->state = PNP_CONFIG;
}

bool isa_pnp_write_data(struct device *dev, struct isa_pnp *pnp, const struct isa_pnp_card *card,
                        uint8_t value)
{
    uint16_t before = pnp->read_port;

    if (pnp->state == PNP_WAIT_FOR_KEY)
        return false;
    if (pnp->address == CONFIG_CONTROL)
        control(dev, pnp, card, value);
    else if (pnp->address == WAKE)
        wake(pnp, value);
    else if (pnp->address == SET_READ_PORT && pnp->state == PNP_ISOLATION)
        pnp->read_port = (uint16_t)(value << 2 | 3);
    else if (pnp->address == CARD_SELECT_NUMBER && pnp->state >= PNP_ISOLATION)
        set_number(pnp, value);
    else if (pnp->address >= LOGICAL_DEVICE && pnp->state == PNP_CONFIG)
        card->write(dev, pnp->address, value);
    return pnp->read_port != before;
}

/* A bit that is 1 is 55h and AAh in two reads, and of a bit that is 0 nothing is to be heard. No other card
   is here that could be. */
static uint8_t read_bit(struct isa_pnp *pnp, const struct isa_pnp_card *card)
{
    bool second = pnp->second, bit;

    if (pnp->pointer >= 8 * ISA_PNP_IDENTIFIER)
        return OPEN_BUS;
    bit = card->resources[pnp->pointer / 8] >> pnp->pointer % 8 & 1;
    pnp->pointer += second;
    pnp->second = !second;
    return !bit ? OPEN_BUS : second ? 0xaa : 0x55;
}

static uint8_t read_resource(struct isa_pnp *pnp, const struct isa_pnp_card *card)
{
    return pnp->pointer < card->size ? card->resources[pnp->pointer++] : OPEN_BUS;
}

uint8_t isa_pnp_read_data(struct device *dev, struct isa_pnp *pnp, const struct isa_pnp_card *card)
{
    if (pnp->state == PNP_ISOLATION && pnp->address == SERIAL_ISOLATION)
        return read_bit(pnp, card);
    if (pnp->state != PNP_CONFIG)
        return OPEN_BUS;
    switch (pnp->address) {
    case RESOURCE_DATA:
        return read_resource(pnp, card);
    case STATUS:
        return 1; /* there is a byte */
    case CARD_SELECT_NUMBER:
        return pnp->csn;
    case LOGICAL_DEVICE_NUMBER:
        return 0;
    default:
        return pnp->address >= LOGICAL_DEVICE ? card->read(dev, pnp->address) : OPEN_BUS;
    }
}
