/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The I/O and memory bus. A port access goes whole to the chip that can take it so; otherwise it becomes byte
 * accesses, lowest address first, each looked up by itself, and bytes that nobody answers float high.
 * IEEE P996 (the ISA bus), byte swapping and cycle conversion.
 */
#include "bus.h"

/* Chips that are soldered in come before those whose place software chooses, and of these the first. */
static const struct bus_ports *range_at(const struct bus *bus, uint32_t port)
{
    unsigned owner = port < BUS_PORTS ? bus->owner[port] : 0;

    if (owner && owner != BUS_NOT_NEWS)
        return &bus->port_ranges[owner - 1];
    for (unsigned i = 0; i < bus->moved_port_count; i++) {
        const struct bus_ports *range = &bus->moved_ports[i];

        if (port >= range->base && port - range->base < range->ports->count)
            return range;
    }
    return NULL;
}

/* Can the chip at `port` take the access in one piece? */
static bool takes_whole(const struct bus_ports *range, uint32_t port, unsigned size)
{
    unsigned width = range->ports->width ? range->ports->width : 1;

    if (range->ports->exact)
        return size == width && port == range->base;
    return size <= width && port - range->base + size <= range->ports->count;
}

/* Does it answer one byte of an access of `size` bytes? */
static bool takes_byte(const struct bus_ports *range, unsigned size)
{
    return !range->ports->exact && !(size > 1 && range->ports->whole_only);
}

static uint32_t read_range(const struct bus_ports *range, uint32_t port, unsigned size)
{
    if (!range->ports->read)
        return UINT32_MAX;
    return range->ports->read(range->dev, port - range->base, size);
}

static void write_range(const struct bus_ports *range, uint32_t port, unsigned size, uint32_t value)
{
    if (range->ports->write)
        range->ports->write(range->dev, port - range->base, size, value);
}

static uint32_t low_bytes(uint32_t value, unsigned size)
{
    return size >= 4 ? value : value & ((1u << size * 8) - 1);
}

bool bus_answers(const struct bus *bus, const struct device *dev, uint32_t port, unsigned size)
{
    const struct bus_ports *range = range_at(bus, port);

    return range && range->dev == dev && takes_whole(range, port, size);
}

bool bus_is_news(struct bus *bus, uint16_t port)
{
    if (bus->owner[port] || range_at(bus, port))
        return false;
    bus->owner[port] = BUS_NOT_NEWS;
    return true;
}

unsigned bus_known_reads(const struct bus *bus, struct pc_known *known)
{
    unsigned count = 0;

    for (unsigned i = 0; i < bus->known_range_count; i++) {
        const struct bus_ports *range = &bus->port_ranges[bus->known_ranges[i]];

        for (uint32_t offset = 0; offset < range->ports->count && count < PC_KNOWN_MAX; offset++) {
            if (range->ports->known(range->dev, offset, &known[count].value))
                known[count++].port = range->base + offset;
        }
    }
    return count;
}

unsigned bus_posting_ports(const struct bus *bus, uint16_t *ports)
{
    unsigned count = 0;

    for (unsigned i = 0; i < bus->posting_range_count; i++) {
        const struct bus_ports *range = &bus->port_ranges[bus->posting_ranges[i]];

        for (uint32_t offset = 0; offset < range->ports->count && count < PC_POSTING_MAX; offset++) {
            if (range->ports->posts(range->dev, offset))
                ports[count++] = (uint16_t)(range->base + offset);
        }
    }
    return count;
}

uint32_t bus_port_read(struct bus *bus, uint16_t port, unsigned size)
{
    const struct bus_ports *range = range_at(bus, port);
    uint32_t value = 0;

    if (range && takes_whole(range, port, size))
        return low_bytes(read_range(range, port, size), size);
    for (unsigned i = 0; i < size; i++) {
        range = range_at(bus, (uint32_t)port + i);
        if (range && takes_byte(range, size))
            value |= (read_range(range, port + i, 1) & 0xff) << i * 8;
        else
            value |= 0xffu << i * 8;
    }
    return value;
}

void bus_port_write(struct bus *bus, uint16_t port, unsigned size, uint32_t value)
{
    const struct bus_ports *range = range_at(bus, port);

    if (range && takes_whole(range, port, size)) {
        write_range(range, port, size, low_bytes(value, size));
        return;
    }
    for (unsigned i = 0; i < size; i++) {
        range = range_at(bus, (uint32_t)port + i);
        if (range && takes_byte(range, size))
            write_range(range, port + i, 1, value >> i * 8 & 0xff);
    }
}

bool bus_attach_ports(struct bus *bus, struct device *dev, const struct device_ports *ports, uint32_t base)
{
    if (bus->port_range_count == BUS_MAX_PORT_RANGES || base + ports->count > BUS_PORTS)
        return false;
    for (uint32_t port = base; port < base + ports->count; port++) {
        if (bus->owner[port])
            return false;
    }
    if (ports->known)
        bus->known_ranges[bus->known_range_count++] = bus->port_range_count;
    if (ports->posts)
        bus->posting_ranges[bus->posting_range_count++] = bus->port_range_count;
    bus->port_ranges[bus->port_range_count++] = (struct bus_ports){ dev, ports, base };
    for (uint32_t port = base; port < base + ports->count; port++)
        bus->owner[port] = bus->port_range_count;
    return true;
}

void bus_place_ports(struct bus *bus, struct device *dev, const struct device_ports *ports, uint32_t base)
{
    if (bus->moved_port_count < BUS_MAX_MOVED && base + ports->count <= BUS_PORTS)
        bus->moved_ports[bus->moved_port_count++] = (struct bus_ports){ dev, ports, base };
}

void bus_place_mmio(struct bus *bus, struct device *dev, const struct device_mmio *mmio, guest_pa base)
{
    if (bus->moved_mmio_count < BUS_MAX_MOVED)
        bus->moved_mmio[bus->moved_mmio_count++] = (struct bus_mmio){ dev, mmio, base };
}

void bus_displace(struct bus *bus)
{
    bus->moved_port_count = bus->moved_mmio_count = 0;
}

/* The range among `count` that holds all of [pa, pa + size), or NULL. */
static const struct bus_mmio *find_mmio(const struct bus_mmio *ranges, unsigned count, guest_pa pa,
                                        unsigned size)
{
    for (unsigned i = 0; i < count; i++) {
        const struct bus_mmio *range = &ranges[i];

        if (pa >= range->base && pa - range->base < range->mmio->size &&
            range->mmio->size - (pa - range->base) >= size)
            return range;
    }
    return NULL;
}

static const struct bus_mmio *mmio_at(const struct bus *bus, guest_pa pa, unsigned size)
{
    const struct bus_mmio *range = find_mmio(bus->mmio_ranges, bus->mmio_range_count, pa, size);

    return range ? range : find_mmio(bus->moved_mmio, bus->moved_mmio_count, pa, size);
}

uint64_t bus_mmio_read(struct bus *bus, guest_pa pa, unsigned size)
{
    const struct bus_mmio *range = mmio_at(bus, pa, size);
    uint64_t value =
        range && range->mmio->read ? range->mmio->read(range->dev, pa - range->base, size) : UINT64_MAX;

    return size >= 8 ? value : value & ((UINT64_C(1) << size * 8) - 1);
}

void bus_mmio_write(struct bus *bus, guest_pa pa, unsigned size, uint64_t value)
{
    const struct bus_mmio *range = mmio_at(bus, pa, size);

    if (range && range->mmio->write)
        range->mmio->write(range->dev, pa - range->base, size, value);
}

bool bus_attach_mmio(struct bus *bus, struct device *dev, const struct device_mmio *mmio, guest_pa base)
{
    guest_pa end = base + mmio->size;

    if (bus->mmio_range_count == BUS_MAX_MMIO_RANGES || end < base)
        return false;
    for (unsigned i = 0; i < bus->mmio_range_count; i++) {
        const struct bus_mmio *other = &bus->mmio_ranges[i];

        if (base < other->base + other->mmio->size && other->base < end)
            return false;
    }
    bus->mmio_ranges[bus->mmio_range_count++] = (struct bus_mmio){ dev, mmio, base };
    return true;
}
