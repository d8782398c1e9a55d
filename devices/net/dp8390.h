/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The DP8390 with the memory and the PROM of a NE2000 board, as both boards see it. National Semiconductor
 * DP8390D datasheet; Realtek RTL8029AS datasheet.
 */
#pragma once

#include "devices/chips.h"

enum {
    DP8390_RAM = 0x4000, /* bytes, at 4000h; below it is the PROM */
    DP8390_RAM_SIZE = 0x4000,
    DP8390_PORTS = 32, /* registers, then the data port and the reset port */
    DP8390_DATA = 16,
    DP8390_RESET = 24,
};

struct dp8390 {
    uint8_t cr;
    uint8_t pstart, pstop, bnry, tpsr, isr, imr, rcr, tcr, dcr, curr, rsr, tsr;
    uint8_t cntr[3]; /* errors; CNTR2 counts frames that could not be kept */
    uint16_t tbcr, rbcr, rsar;
    uint8_t par[6], mar[8];
    bool refused; /* a frame waits for room in the ring */
    uint8_t line; /* which output line is the interrupt */
    uint8_t prom[32];
    uint8_t ram[DP8390_RAM_SIZE];
};

void dp8390_reset(struct device *dev, unsigned line);
uint32_t dp8390_read(struct device *dev, uint32_t offset, unsigned size);
void dp8390_write(struct device *dev, uint32_t offset, unsigned size, uint32_t value);
void dp8390_timer(struct device *dev);
bool dp8390_frame_arrives(struct device *dev, const struct device_frame *frame);
