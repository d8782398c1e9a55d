/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * NE2000 at the ISA bus, and the RTL8029, the same as a PCI function. Realtek RTL8029AS datasheet; for the
 * ISA board National Semiconductor's application note AN-729.
 */
#include "dp8390.h"
#include "packet.h"

static void isa_reset(struct device *dev)
{
    dp8390_reset(dev, NE2000_ISA_LINE_IRQ);
}

static uint32_t isa_data_read(struct device *dev, uint32_t offset, unsigned size)
{
    return dp8390_read(dev, DP8390_DATA + offset, size);
}

static void isa_data_write(struct device *dev, uint32_t offset, unsigned size, uint32_t value)
{
    dp8390_write(dev, DP8390_DATA + offset, size, value);
}

const struct device_type ne2000_isa_device = {
    .name = "ne2000_isa",
    .state_size = sizeof(struct dp8390),
    .ports = { { .count = DP8390_DATA, .read = dp8390_read, .write = dp8390_write },
               { .count = DP8390_PORTS - DP8390_DATA,
                 .width = 2,
                 .read = isa_data_read,
                 .write = isa_data_write } },
    .line_count = NE2000_ISA_LINE_IRQ + 1,
    .reset = isa_reset,
    .timer = dp8390_timer,
    .frame_arrives = dp8390_frame_arrives,
};

static void pci_function_reset(struct device *dev)
{
    dp8390_reset(dev, RTL8029_LINE_INTA);
}

/* clang-format off */
static const struct device_register registers[] = {
    { 0x00, 4, 0x802910ec, 0, 0 },         /* VID, DID */
    { 0x04, 2, 0x0000, 0x0003, 0 },        /* PCICMD: I/O, memory (the ROM) */
    { 0x06, 2, 0x0200, 0, 0xf900 },        /* PCISTS: medium DEVSEL# */
    { 0x08, 4, 0x02000000, 0, 0 },         /* RID, CLASSC: Ethernet controller */
    { 0x2c, 4, 0x802910ec, 0, 0 },         /* subsystem */
    { 0x3c, 2, 0x0100, 0xff, 0 },          /* interrupt line, INTA# */
    { 0 },
};
/* clang-format on */

static const struct device_pci pci = {
    .registers = registers,
    .bar = { [0] = { .ports = { .count = DP8390_PORTS,
                                .width = 4,
                                .read = dp8390_read,
                                .write = dp8390_write } } },
    .rom = { .size = DEVICE_NIC_ROM, .read = packet_rom_read },
};

const struct device_type rtl8029_device = {
    .name = "rtl8029",
    .state_size = sizeof(struct dp8390),
    .pci = &pci,
    .line_count = 1,
    .reset = pci_function_reset,
    .timer = dp8390_timer,
    .frame_arrives = dp8390_frame_arrives,
};
