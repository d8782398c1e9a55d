/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The PCI bus: which functions there are, their configuration spaces, and where their base address registers
 * have put them. Knows no function; devices/board/pc.c attaches them.
 */
#pragma once

#include "bus.h"
#include "devices/device.h"

enum { PCI_MAX_FUNCTIONS = 32, PCI_LINES = 4 };

#define PCI_DEVFN(device, function) ((device) << 3 | (function))

struct pci_function {
    struct device *dev;
    uint8_t config[DEVICE_CONFIG_SIZE];
    uint8_t reset[DEVICE_CONFIG_SIZE];
    uint8_t writable[DEVICE_CONFIG_SIZE];
    uint8_t clears[DEVICE_CONFIG_SIZE];
};

struct pci_bus {
    struct pci_function functions[PCI_MAX_FUNCTIONS];
    unsigned count;
    uint8_t at[256];             /* by device and function: index into functions plus 1; 0: nothing there */
    uint32_t drivers[PCI_LINES]; /* by interrupt line: bit n is set while functions[n] asserts it */
};

/* Put a chip with a `pci` there; false if there is no room or something else. */
bool pci_attach(struct pci_bus *pci, struct device *dev, unsigned devfn);

/* All configuration registers as a reset has them. */
void pci_reset(struct pci_bus *pci);

/* Addresses as device_config_read() has them. */
uint32_t pci_read(const struct pci_bus *pci, uint32_t address, unsigned size);
/* True if that may have changed which ports and addresses functions answer. */
bool pci_write(struct pci_bus *pci, uint32_t address, unsigned size, uint32_t value);

/*
 * A function drives its interrupt pin, 0 for INTA#. Which of the four lines of the bus that is, and the level
 * there now.
 */
bool pci_drive(struct pci_bus *pci, unsigned devfn, unsigned pin, bool level, unsigned *line);

/* Have every function answer where its base address registers say, and nowhere else. */
void pci_place(const struct pci_bus *pci, struct bus *bus);
