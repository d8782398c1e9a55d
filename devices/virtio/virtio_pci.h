/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Virtio devices as PCI functions: by the structures of VIRTIO 1.0 in memory, and most also by the ports of
 * the legacy interface ("transitional"). A device's file writes
 *
 *     static const struct device_register registers[] = {
 *         VIRTIO_PCI_REGISTERS(VIRTIO_PCI_TRANSITIONAL(0x1000), 0x020000, 1, CONFIG_SIZE),
 *         { 0 },
 *     };
 *     static const struct device_pci pci = { VIRTIO_PCI_FUNCTION(registers, VIRTIO_PCI_BARS) };
 *     const struct device_type x_device = {
 *         .name = "x", .state_size = sizeof(struct x), .pci = &pci, .line_count = 1,
 *         .reset = virtio_pci_reset, .virtio = &x_class };
 *
 * and wires line VIRTIO_LINE_INTA to INTA#. VIRTIO 1.0, "Virtio Over PCI Bus".
 */
#pragma once

#include "virtio.h"

enum {
    VIRTIO_PCI_VENDOR = 0x1af4,

    VIRTIO_PCI_PORTS = 128,   /* at base address register 0 */
    VIRTIO_PCI_MEMORY = 4096, /* at base address register 4: */
    VIRTIO_PCI_COMMON = 0x000,
    VIRTIO_PCI_ISR = 0x100,
    VIRTIO_PCI_DEVICE = 0x200,
    VIRTIO_PCI_NOTIFY = 0x400, /* a dword for each queue */
    VIRTIO_PCI_DEVICE_MAX = 0x200,

    VIRTIO_PCI_WINDOW = 0x90, /* in configuration space */
};

/* Device IDs, and which revision that is. A modern device's is 1040h and its number. */
#define VIRTIO_PCI_TRANSITIONAL(id) (id), 0
#define VIRTIO_PCI_MODERN(number)   (0x1040 + (number)), 1

/* A capability of 16 bytes, or 20, that says where in base address register 4 a structure lies. */
#define VIRTIO_PCI_CAPABILITY(at, next, length, kind, place, bytes)                                          \
    { (at), 4, 0x09 | (next) << 8 | (length) << 16 | (uint32_t)(kind) << 24, 0, 0 },                         \
        { (at) + 4, 4, 4, 0, 0 }, { (at) + 8, 4, (place), 0, 0 },                                            \
    {                                                                                                        \
        (at) + 12, 4, (bytes), 0, 0                                                                          \
    }

/* Rows of a function's table. `id` is one of the two above; `class` its class code, `number` what kind of
 * device. */
#define VIRTIO_PCI_REGISTERS(id, class, number, config_size)                                                 \
    VIRTIO_PCI_REGISTERS_(id, class, number, config_size)
#define VIRTIO_PCI_REGISTERS_(id, revision, class, number, config_size)                                      \
    { 0x00, 4, VIRTIO_PCI_VENDOR | (uint32_t)(id) << 16, 0, 0 }, { 0x04, 2, 0x0000, 0x0507, 0 },             \
        { 0x06, 2, 0x0010, 0, 0 }, /* PCISTS: capabilities */                                                \
        { 0x08, 4, (uint32_t)(class) << 8 | (revision), 0, 0 },                                              \
        { 0x2c, 4, VIRTIO_PCI_VENDOR | (uint32_t)((revision) ? 0x1100 : (number)) << 16, 0, 0 },             \
        { 0x34, 1, 0x40, 0, 0 }, { 0x3c, 2, 0x0100, 0xff, 0 }, /* INTA# */                                   \
        VIRTIO_PCI_CAPABILITY(0x40, 0x50, 16, 1, VIRTIO_PCI_COMMON, 0x38),                                   \
        VIRTIO_PCI_CAPABILITY(0x50, 0x70, 20, 2, VIRTIO_PCI_NOTIFY, 4 * VIRTIO_QUEUES_MAX),                  \
        VIRTIO_PCI_CAPABILITY_END(config_size)
/* The notification structure's multiplier is behind its capability. */
#define VIRTIO_PCI_CAPABILITY_END(config_size)                                                               \
    { 0x60, 4, 4, 0, 0 }, VIRTIO_PCI_CAPABILITY(0x70, 0x80, 16, 3, VIRTIO_PCI_ISR, 1),                       \
        VIRTIO_PCI_CAPABILITY(0x80, 0x90, 16, 4, VIRTIO_PCI_DEVICE, (config_size) ? (config_size) : 4),      \
        VIRTIO_PCI_ACCESS

/* The way to those structures through configuration space: base address register, offset, length, and the
 * data. */
#define VIRTIO_PCI_ACCESS                                                                                    \
    { VIRTIO_PCI_WINDOW, 4, 0x05140009, 0, 0 }, { VIRTIO_PCI_WINDOW + 4, 4, 0, 0x000000ff, 0 },              \
        { VIRTIO_PCI_WINDOW + 8, 4, 0, UINT32_MAX, 0 }, { VIRTIO_PCI_WINDOW + 12, 4, 0, UINT32_MAX, 0 },     \
    {                                                                                                        \
        VIRTIO_PCI_WINDOW + 16, 4, 0, UINT32_MAX, 0                                                          \
    }

#define VIRTIO_PCI_BAR4                                                                                      \
    [4] = { .mmio = { .size = VIRTIO_PCI_MEMORY, .read = virtio_pci_read, .write = virtio_pci_write } }
/* Base address registers of a transitional device, and of one that has no legacy interface. */
#define VIRTIO_PCI_BARS                                                                                      \
    {                                                                                                        \
        [0] = { .ports = { .count = VIRTIO_PCI_PORTS,                                                        \
                           .width = 4,                                                                       \
                           .read = virtio_pci_port_read,                                                     \
                           .write = virtio_pci_port_write } },                                               \
        VIRTIO_PCI_BAR4                                                                                      \
    }
#define VIRTIO_PCI_BARS_MODERN                                                                               \
    {                                                                                                        \
        VIRTIO_PCI_BAR4                                                                                      \
    }

/* Of struct device_pci, what all have: a table with VIRTIO_PCI_REGISTERS and one of those two. */
#define VIRTIO_PCI_FUNCTION(table, bars)                                                                     \
    .registers = (table), .bar = bars, .read = virtio_pci_config_read, .change = virtio_pci_config_change

void virtio_pci_reset(struct device *dev);

/* For VIRTIO_PCI_FUNCTION. */
void virtio_pci_config_read(struct device *dev, unsigned offset, unsigned size);
uint8_t virtio_pci_config_change(struct device *dev, unsigned offset, uint8_t value);

uint64_t virtio_pci_read(struct device *dev, uint64_t offset, unsigned size);
void virtio_pci_write(struct device *dev, uint64_t offset, unsigned size, uint64_t value);
uint32_t virtio_pci_port_read(struct device *dev, uint32_t offset, unsigned size);
void virtio_pci_port_write(struct device *dev, uint32_t offset, unsigned size, uint32_t value);
