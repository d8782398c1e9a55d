/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What is the same in all Plug and Play cards of the ISA bus: how software finds them, one after the other,
 * although all answer at the same three ports, and reads what they are. Plug and Play ISA Specification 1.0a.
 */
#pragma once

#include "devices/device.h"

/* The states of a card. */
enum isa_pnp_state { PNP_WAIT_FOR_KEY, PNP_SLEEP, PNP_ISOLATION, PNP_CONFIG };

/* Of a card's state. */
struct isa_pnp {
    uint8_t state; /* enum isa_pnp_state */
    uint8_t key, key_count;
    uint8_t address;    /* of the register that WRITE_DATA and READ_DATA are */
    uint8_t csn;        /* card select number; 0: none yet */
    uint16_t read_port; /* READ_DATA; 0: nobody has said where */
    uint16_t pointer;   /* into the resources: bytes in configuration, bits of the serial identifier before */
    bool second;        /* ... the second read of a bit is next */
};

enum { ISA_PNP_ADDRESS = 0x279, ISA_PNP_WRITE_DATA = 0xa79, ISA_PNP_IDENTIFIER = 9 };

/* What a card is: its resources, of which the first nine bytes are the serial identifier with its checksum,
   and registers 30h to FFh of its one logical device. */
struct isa_pnp_card {
    const uint8_t *resources;
    uint16_t size;
    uint8_t (*read)(const struct device *dev, uint8_t index);
    void (*write)(struct device *dev, uint8_t index, uint8_t value);
    void (*reset)(struct device *dev); /* the logical device's registers are as at power-on */
};

void isa_pnp_power_on(struct isa_pnp *pnp);
void isa_pnp_write_address(struct isa_pnp *pnp, uint8_t value);
/* True: READ_DATA is elsewhere now. */
bool isa_pnp_write_data(struct device *dev, struct isa_pnp *pnp, const struct isa_pnp_card *card,
                        uint8_t value);
uint8_t isa_pnp_read_data(struct device *dev, struct isa_pnp *pnp, const struct isa_pnp_card *card);
