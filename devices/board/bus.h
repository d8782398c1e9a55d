/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The I/O and memory bus: which chip answers at which address, and how wide accesses are cut for it.
 * Knows no addresses of its own; devices/board/pc.c attaches the chips.
 */
#pragma once

#include "devices/device.h"
#include "devices/pc.h"

enum {
    BUS_PORTS = 65536,
    BUS_MAX_PORT_RANGES = 48,
    BUS_MAX_MMIO_RANGES = 8,
    BUS_MAX_MOVED = 64,
    BUS_NOT_NEWS = 0xff,
};

struct bus_ports {
    struct device *dev;
    const struct device_ports *ports;
    uint32_t base;
};

struct bus_mmio {
    struct device *dev;
    const struct device_mmio *mmio;
    guest_pa base;
};

struct bus {
    uint8_t owner[BUS_PORTS]; /* index into port_ranges plus 1; 0: nobody; BUS_NOT_NEWS: nobody, and told */
    uint8_t port_range_count;
    uint8_t mmio_range_count;
    uint8_t known_range_count;
    uint8_t posting_range_count;
    uint8_t posting_ranges[BUS_MAX_PORT_RANGES]; /* of port_ranges: those to which writes may come late */
    uint8_t known_ranges[BUS_MAX_PORT_RANGES];   /* of port_ranges: those whose chips know reads beforehand */
    struct bus_ports port_ranges[BUS_MAX_PORT_RANGES];
    struct bus_mmio mmio_ranges[BUS_MAX_MMIO_RANGES];
    uint8_t moved_port_count;
    uint8_t moved_mmio_count;
    struct bus_ports moved_ports[BUS_MAX_MOVED]; /* where base address registers have them */
    struct bus_mmio moved_mmio[BUS_MAX_MOVED];
};

/* Attach one run of ports or addresses; false if it overlaps another or does not fit. */
bool bus_attach_ports(struct bus *bus, struct device *dev, const struct device_ports *ports, uint32_t base);
bool bus_attach_mmio(struct bus *bus, struct device *dev, const struct device_mmio *mmio, guest_pa base);

/*
 * Let a run answer where software has put it, until bus_displace() takes all of these away. They may lie
 * anywhere, on top of others too: attached ones come first, and of the others the one placed first.
 */
void bus_place_ports(struct bus *bus, struct device *dev, const struct device_ports *ports, uint32_t base);
void bus_place_mmio(struct bus *bus, struct device *dev, const struct device_mmio *mmio, guest_pa base);
void bus_displace(struct bus *bus);

/* Is it this chip that answers an access of `size` bytes, whole? */
bool bus_answers(const struct bus *bus, const struct device *dev, uint32_t port, unsigned size);

/* True once for each port that no chip answers: the trace names it the first time only. */
bool bus_is_news(struct bus *bus, uint16_t port);

/* What the chips say beforehand about reads (device.h, `known`); returns how many, PC_KNOWN_MAX at most. */
unsigned bus_known_reads(const struct bus *bus, struct pc_known *known);
/* The ports to which writes may come late (device.h, `posts`); how many, PC_POSTING_MAX at most. */
unsigned bus_posting_ports(const struct bus *bus, uint16_t *ports);

uint32_t bus_port_read(struct bus *bus, uint16_t port, unsigned size);
void bus_port_write(struct bus *bus, uint16_t port, unsigned size, uint32_t value);
uint64_t bus_mmio_read(struct bus *bus, guest_pa pa, unsigned size);
void bus_mmio_write(struct bus *bus, guest_pa pa, unsigned size, uint64_t value);
