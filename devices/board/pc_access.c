/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The guest's accesses to the board: ports, memory that is not plain RAM, and which memory is.
 */
#include "pc_private.h"

#include <string.h>

static const struct device_event event_read = { "pc_port_read", { "port", "size", "value" } };
static const struct device_event event_write = { "pc_port_write", { "port", "size", "value" } };
static const struct device_event event_unclaimed = { "pc_port_unclaimed", { "port", "size", "write" } };

static unsigned decode_of(const struct pc *pc, unsigned segment)
{
    const struct device *bridge = &pc->devices[I440FX];

    return bridge->type->decodes(bridge, segment);
}

/* Where chips' own memory is: what the display adapter shows below 1 MiB, and what has been moved anywhere.
 */
static unsigned chip_memory(const struct pc *pc, struct pc_chip_memory *memory)
{
    const struct device *vga = &pc->devices[VGA];
    struct device_window window = { 0 };
    unsigned count = 0;

    if (vga->type)
        vga->type->window(vga, &window);
    if (window.size)
        memory[count++] = (struct pc_chip_memory){ window.base, window.size, window.offset, false };
    for (unsigned i = 0; i < pc->bus.moved_mmio_count && count < PC_CHIP_MEMORY_MAX; i++) {
        const struct bus_mmio *range = &pc->bus.moved_mmio[i];

        if (range->mmio->is_memory)
            memory[count++] = (struct pc_chip_memory){ range->base, range->mmio->size, range->mmio->offset,
                                                       range->mmio->read_only };
    }
    return count;
}

static unsigned compute_memory(const struct pc *pc, struct pc_region *regions)
{
    uint8_t decodes[I440FX_SEGMENTS];
    struct pc_chip_memory memory[PC_CHIP_MEMORY_MAX];

    if (!pc->devices[I440FX].type)
        return pc_memory_map(&pc->config, regions);
    for (unsigned segment = 0; segment < I440FX_SEGMENTS; segment++)
        decodes[segment] = decode_of(pc, segment);
    return pc_map_memory(&pc->config, decodes, memory, chip_memory(pc, memory), regions);
}

/* Which part of memory the host bridge decodes by itself holds the address; I440FX_SEGMENTS: none. */
static unsigned segment_at(guest_pa pa)
{
    if (pa >= 0xa0000 && pa < 0xc0000)
        return I440FX_SEGMENT_SMRAM;
    if (pa >= 0xc0000 && pa < 0xf0000)
        return I440FX_SEGMENT_C0000 + (pa - 0xc0000) / 0x4000;
    return pa >= 0xf0000 && pa < 0x100000 ? I440FX_SEGMENT_F0000 : I440FX_SEGMENTS;
}

static bool writes_hidden_ram(const struct pc *pc, guest_pa pa)
{
    unsigned segment = segment_at(pa);

    return segment < I440FX_SEGMENTS && pc->devices[I440FX].type &&
           decode_of(pc, segment) == DEVICE_WRITES_RAM;
}

static bool is_same_region(const struct pc_region *a, const struct pc_region *b)
{
    return a->kind == b->kind && a->base == b->base && a->size == b->size && a->offset == b->offset &&
           a->writable == b->writable;
}

void pc_remap_memory(struct pc *pc)
{
    struct pc_region now[PC_REGIONS_MAX];
    unsigned count = compute_memory(pc, now);
    bool same = count == pc->region_count;

    for (unsigned i = 0; i < count && same; i++)
        same = is_same_region(&now[i], &pc->regions[i]);
    if (same)
        return;
    memcpy(pc->regions, now, count * sizeof(now[0]));
    pc->region_count = count;
    if (pc->callbacks.memory_changed)
        pc->callbacks.memory_changed(pc->ctx);
}

/* ---- Guest accesses -------------------------------------------------------------------------- */

static void trace_access(struct pc *pc, const struct device_event *event, uint16_t port, unsigned size,
                         uint32_t value)
{
    const uint64_t args[DEVICE_EVENT_ARGS] = { port, size, value, 0 };
    const uint64_t unclaimed[DEVICE_EVENT_ARGS] = { port, size, event == &event_write, 0 };

    if (!pc->callbacks.trace)
        return;
    pc->callbacks.trace(pc->ctx, event, args);
    if (bus_is_news(&pc->bus, port))
        pc->callbacks.trace(pc->ctx, &event_unclaimed, unclaimed);
}

uint32_t pc_port_read(struct pc *pc, uint16_t port, unsigned size)
{
    uint32_t value = bus_port_read(&pc->bus, port, size);

    trace_access(pc, &event_read, port, size, value);
    return value;
}

void pc_port_write(struct pc *pc, uint16_t port, unsigned size, uint32_t value)
{
    trace_access(pc, &event_write, port, size, value);
    bus_port_write(&pc->bus, port, size, value);
}

static unsigned moved_ports(const struct pc *pc, struct pc_ports *ports)
{
    for (unsigned i = 0; i < pc->bus.moved_port_count; i++) {
        const struct bus_ports *range = &pc->bus.moved_ports[i];

        ports[i].first = range->base;
        ports[i].last = range->base + range->ports->count - 1;
    }
    return pc->bus.moved_port_count;
}

unsigned pc_claimed_ports(const struct pc *pc, struct pc_ports *ports)
{
    for (unsigned i = 0; i < pc->bus.port_range_count; i++) {
        const struct bus_ports *range = &pc->bus.port_ranges[i];

        ports[i].first = range->base;
        ports[i].last = range->base + range->ports->count - 1;
    }
    return pc->bus.port_range_count + moved_ports(pc, ports + pc->bus.port_range_count);
}

unsigned pc_known_reads(struct pc *pc, struct pc_known *known)
{
    pc->known_count = bus_known_reads(&pc->bus, pc->known);
    memcpy(known, pc->known, sizeof(pc->known));
    return pc->known_count;
}

unsigned pc_posting_ports(const struct pc *pc, uint16_t *ports)
{
    return bus_posting_ports(&pc->bus, ports);
}

void pc_news_from_outside(struct pc *pc)
{
    struct pc_known now[PC_KNOWN_MAX];
    bool same = bus_known_reads(&pc->bus, now) == pc->known_count;

    for (unsigned i = 0; i < pc->known_count && same; i++)
        same = now[i].port == pc->known[i].port && now[i].value == pc->known[i].value;
    if (!same && pc->callbacks.known_changed)
        pc->callbacks.known_changed(pc->ctx);
}

uint64_t pc_mmio_read(struct pc *pc, guest_pa pa, unsigned size)
{
    uint64_t value;

    if (near_mmio_read(&pc->near, pa, size, &value))
        return value;
    return bus_mmio_read(&pc->bus, pa, size);
}

void pc_mmio_write(struct pc *pc, guest_pa pa, unsigned size, uint64_t value)
{
    if (near_mmio_write(&pc->near, pa, size, value))
        return;
    if (writes_hidden_ram(pc, pa) && pc->callbacks.ram_write)
        pc->callbacks.ram_write(pc->ctx, pa, &value, size);
    else
        bus_mmio_write(&pc->bus, pa, size, value);
}

bool pc_video_frame(const struct pc *pc, struct video_frame *frame)
{
    const struct device *vga = &pc->devices[VGA];

    memset(frame, 0, sizeof(*frame));
    if (!vga->type)
        return false;
    vga->type->frame(vga, frame);
    return true;
}

unsigned pc_memory(const struct pc *pc, struct pc_region *regions)
{
    memcpy(regions, pc->regions, pc->region_count * sizeof(pc->regions[0]));
    return pc->region_count;
}
