/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The PCI bus. A function's configuration space is three masks and its contents, made from the function's
 * table: a write is the same few operations on every byte, whatever the register is. Base address registers
 * are rows of that kind as well: the bits that choose inside the run cannot be written, which is how software
 * finds its size. PCI Local Bus Specification 2.1, "Configuration Space".
 */
#include "pci.h"

#include <string.h>

enum {
    COMMAND = 0x04,
    COMMAND_IO = 1 << 0,
    COMMAND_MEMORY = 1 << 1,
    BAR0 = 0x10,
    BAR_END = BAR0 + 4 * DEVICE_MAX_BARS,
    ROM = 0x30,
    ROM_ENABLE = 1 << 0,
    BAR_IO = 1 << 0,
    BAR_PREFETCHABLE = 1 << 3,
};

/* ---- Registers from tables ------------------------------------------------------------------- */

static void put(uint8_t *bytes, unsigned offset, unsigned size, uint32_t value)
{
    for (unsigned i = 0; i < size && offset + i < DEVICE_CONFIG_SIZE; i++)
        bytes[offset + i] |= value >> i * 8;
}

static void lay_out(struct pci_function *f, const struct device_register *r)
{
    put(f->reset, r->offset, r->size, r->reset);
    put(f->writable, r->offset, r->size, r->writable);
    put(f->clears, r->offset, r->size, r->clears);
}

static struct device_register bar_register(const struct device_bar *bar, unsigned n)
{
    struct device_register r = { .offset = BAR0 + 4 * n, .size = 4 };

    if (bar->ports.count) {
        r.reset = BAR_IO;
        r.writable = ~(bar->ports.count - 1) & ~3u;
    } else if (bar->mmio.size) {
        r.reset = bar->prefetchable ? BAR_PREFETCHABLE : 0;
        r.writable = (uint32_t) ~(bar->mmio.size - 1) & ~15u;
    }
    return r;
}

static struct device_register rom_register(const struct device_mmio *rom)
{
    struct device_register r = { .offset = ROM, .size = 4 };

    if (rom->size)
        r.writable = ((uint32_t) ~(rom->size - 1) & ~0x7ffu) | ROM_ENABLE;
    return r;
}

static struct device_register window_register(const struct device_port_window *window)
{
    return (struct device_register){
        .offset = window->offset,
        .size = 4,
        .reset = BAR_IO,
        .writable = ~(window->ports.count - 1) & 0xfffc,
    };
}

bool pci_attach(struct pci_bus *pci, struct device *dev, unsigned devfn)
{
    struct pci_function *f = &pci->functions[pci->count];
    const struct device_pci *type = dev->type->pci;
    struct device_register rom = rom_register(&type->rom);

    if (pci->count == PCI_MAX_FUNCTIONS || pci->at[devfn])
        return false;
    for (const struct device_register *r = type->registers; r->size; r++)
        lay_out(f, r);
    for (unsigned i = 0; i < DEVICE_MAX_BARS; i++) {
        struct device_register r = bar_register(&type->bar[i], i);

        lay_out(f, &r);
    }
    lay_out(f, &rom);
    for (unsigned i = 0; i < DEVICE_MAX_WINDOWS && type->window[i].ports.count; i++) {
        struct device_register r = window_register(&type->window[i]);

        lay_out(f, &r);
    }
    f->dev = dev;
    dev->config = f->config;
    pci->at[devfn] = ++pci->count;
    return true;
}

void pci_reset(struct pci_bus *pci)
{
    for (unsigned i = 0; i < pci->count; i++)
        memcpy(pci->functions[i].config, pci->functions[i].reset, DEVICE_CONFIG_SIZE);
}

/* ---- Accesses -------------------------------------------------------------------------------- */

/* Index of the function at that address, or -1. */
static int function_at(const struct pci_bus *pci, uint32_t address)
{
    return address >> 16 & 0xff ? -1 : pci->at[address >> 8 & 0xff] - 1;
}

uint32_t pci_read(const struct pci_bus *pci, uint32_t address, unsigned size)
{
    int index = function_at(pci, address);
    uint32_t value = 0;

    if (index < 0)
        return UINT32_MAX;
    if (pci->functions[index].dev->type->pci->read)
        pci->functions[index].dev->type->pci->read(pci->functions[index].dev, address & 0xff, size);
    for (unsigned i = 0; i < size; i++)
        value |= (uint32_t)pci->functions[index].config[(address + i) & 0xff] << i * 8;
    return value;
}

static void write_byte(struct pci_function *f, unsigned offset, uint8_t written)
{
    const struct device_pci *type = f->dev->type->pci;
    uint8_t old = f->config[offset];
    uint8_t value = (old & ~f->writable[offset]) | (written & f->writable[offset]);

    value &= ~(written & f->clears[offset]);
    f->config[offset] = type->change ? type->change(f->dev, offset, value) : value;
}

static bool moves(const struct device_pci *type, unsigned offset)
{
    bool moved =
        offset == COMMAND || (offset >= BAR0 && offset < BAR_END) || (offset >= ROM && offset < ROM + 4);

    for (unsigned i = 0; i < DEVICE_MAX_WINDOWS && type->window[i].ports.count; i++) {
        const struct device_port_window *w = &type->window[i];

        moved = moved || offset - w->offset < 4 || offset == w->enable_offset;
    }
    return moved;
}

bool pci_write(struct pci_bus *pci, uint32_t address, unsigned size, uint32_t value)
{
    int index = function_at(pci, address);
    struct pci_function *f = &pci->functions[index < 0 ? 0 : index];
    bool moved = false;

    if (index < 0)
        return false;
    for (unsigned i = 0; i < size; i++) {
        unsigned offset = (address + i) & 0xff;

        moved = moved || moves(f->dev->type->pci, offset);
        write_byte(f, offset, value >> i * 8);
    }
    if (f->dev->type->pci->changed)
        f->dev->type->pci->changed(f->dev);
    return moved;
}

/* ---- Base addresses -------------------------------------------------------------------------- */

static uint32_t dword_at(const struct pci_function *f, unsigned offset)
{
    const uint8_t *b = &f->config[offset];

    return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

/* A base of 0 is one that nobody has chosen. */
static void place_bar(const struct pci_function *f, unsigned n, struct bus *bus)
{
    const struct device_bar *bar = &f->dev->type->pci->bar[n];
    uint32_t value = dword_at(f, BAR0 + 4 * n), ports = value & ~3u, memory = value & ~15u;

    if (bar->ports.count && ports && ports < BUS_PORTS && f->config[COMMAND] & COMMAND_IO)
        bus_place_ports(bus, f->dev, &bar->ports, ports);
    if (bar->mmio.size && memory && f->config[COMMAND] & COMMAND_MEMORY)
        bus_place_mmio(bus, f->dev, &bar->mmio, memory);
}

static void place_rom(const struct pci_function *f, struct bus *bus)
{
    const struct device_mmio *rom = &f->dev->type->pci->rom;
    uint32_t value = dword_at(f, ROM), base = value & ~0x7ffu;

    if (rom->size && base && value & ROM_ENABLE && f->config[COMMAND] & COMMAND_MEMORY)
        bus_place_mmio(bus, f->dev, rom, base);
}

static void place_window(const struct pci_function *f, const struct device_port_window *w, struct bus *bus)
{
    uint32_t ports = dword_at(f, w->offset) & 0xfffc;

    if (ports && f->config[w->enable_offset] & w->enable_mask)
        bus_place_ports(bus, f->dev, &w->ports, ports);
}

void pci_place(const struct pci_bus *pci, struct bus *bus)
{
    bus_displace(bus);
    for (unsigned i = 0; i < pci->count; i++) {
        for (unsigned n = 0; n < DEVICE_MAX_BARS; n++)
            place_bar(&pci->functions[i], n, bus);
        place_rom(&pci->functions[i], bus);
        for (unsigned n = 0;
             n < DEVICE_MAX_WINDOWS && pci->functions[i].dev->type->pci->window[n].ports.count; n++)
            place_window(&pci->functions[i], &pci->functions[i].dev->type->pci->window[n], bus);
    }
}

/* ---- Interrupts ------------------------------------------------------------------------------ */

/* The lines go round the slots, so that functions with only INTA# share as little as can be: that of slot 1
   is line 0. (PCI Local Bus Specification 2.1, "Interrupt Pins"; firmware for the i440FX counts so.) */
bool pci_drive(struct pci_bus *pci, unsigned devfn, unsigned pin, bool level, unsigned *line)
{
    unsigned bit = (pci->at[devfn] - 1u) % PCI_MAX_FUNCTIONS;

    *line = ((devfn >> 3) + PCI_LINES - 1 + pin) % PCI_LINES;
    pci->drivers[*line] = (pci->drivers[*line] & ~(1u << bit)) | (uint32_t)level << bit;
    return pci->drivers[*line];
}
