/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What is set up by software or by the choice of memory modules: the map of guest-physical memory, the
 * contents of CMOS RAM, and the state in which a BIOS leaves the chips. The last two only write ports, as
 * firmware does. Intel 82441FX datasheet, "System Address Map"; IBM PC/AT Technical Reference, "Real-Time
 * Clock/CMOS RAM".
 */
#include "pc_setup.h"

#include "acpi_tables.h"
#include "devices/chips.h"
#include "fw_items.h"
#include "pc_private.h"
#include "pci.h"

enum {
    CMOS_INDEX = 0x70,
    CMOS_DATA = 0x71,
};

/* ---- Memory ---------------------------------------------------------------------------------- */

#define LOW_RAM_END UINT64_C(0x000a0000)
#define VGA_END     UINT64_C(0x000c0000)
#define ISA_END     UINT64_C(0x00100000)
#define PCI_HOLE    UINT64_C(0xe0000000) /* 512 MiB for 32-bit devices below 4 GiB */
#define FOUR_GIB    UINT64_C(0x100000000)
#define BIOS_MAX    (2u << 20)
#define BIOS_LOW    (128u << 10) /* what of it is decoded below 1 MiB as well: E0000h-FFFFFh */
#define SEGMENT     0x4000u      /* PAM1..PAM6 have the say about that much at once */
#define PAGE        4096u

struct map {
    struct pc_region *regions;
    unsigned count;
    const struct pc_chip_memory *memory; /* of chips */
    unsigned memory_count;
};

static const char video_name[] = "video memory";

/* Add what goes on from the region before it to that. */
static void add(struct map *map, const char *name, enum pc_region_kind kind, guest_pa base, guest_pa end,
                uint64_t offset, bool writable)
{
    struct pc_region *last = map->count ? &map->regions[map->count - 1] : NULL;

    if (base >= end)
        return;
    if (last && last->kind == kind && last->name == name && last->writable == writable &&
        last->base + last->size == base && (kind == PC_REGION_MMIO || last->offset + last->size == offset)) {
        last->size += end - base;
        return;
    }
    map->regions[map->count++] = (struct pc_region){
        .name = name, .kind = kind, .base = base, .size = end - base, .offset = offset, .writable = writable
    };
}

static void add_ram(struct map *map, const char *name, guest_pa base, guest_pa end, bool writable)
{
    add(map, name, PC_REGION_RAM, base, end, base, writable);
}

/* Which piece of chips' memory is at `at`, or memory_count, and where that changes next. */
static unsigned piece_at(const struct map *map, guest_pa at, guest_pa *next)
{
    for (unsigned i = 0; i < map->memory_count; i++) {
        const struct pc_chip_memory *m = &map->memory[i];

        if (at >= m->base && at - m->base < m->size) {
            *next = m->base + m->size < *next ? m->base + m->size : *next;
            return i;
        }
        if (m->base > at && m->base < *next)
            *next = m->base;
    }
    return map->memory_count;
}

/* [base, end) is on the bus, where chips' memory may be. */
static void add_bus(struct map *map, const char *name, guest_pa base, guest_pa end)
{
    while (base < end) {
        guest_pa next = end;
        unsigned i = piece_at(map, base, &next);
        const struct pc_chip_memory *m = &map->memory[i];

        if (i == map->memory_count)
            add(map, name, PC_REGION_MMIO, base, next, 0, false);
        else
            add(map, video_name, PC_REGION_VIDEO, base, next, m->offset + (base - m->base), !m->read_only);
        base = next;
    }
}

/* Where the part of the BIOS begins that is decoded below 1 MiB. */
static guest_pa low_bios(const struct pc_config *config)
{
    return ISA_END - (config->bios_size < BIOS_LOW ? config->bios_size : BIOS_LOW);
}

static const char upper_memory[] = "upper memory", low_bios_name[] = "BIOS below 1 MiB";

static void add_low_bios(struct map *map, const struct pc_config *config, guest_pa base, guest_pa end)
{
    add(map, low_bios_name, PC_REGION_ROM, base, end, base - ISA_END + config->bios_size, false);
}

/* [base, end) of upper memory: RAM, or what is on the bus. */
static void add_upper(struct map *map, const struct pc_config *config, guest_pa base, guest_pa end,
                      unsigned decodes)
{
    guest_pa bios = low_bios(config);

    bios = bios < base ? base : bios > end ? end : bios;
    if (decodes & DEVICE_READS_RAM) {
        add_ram(map, upper_memory, base, end, decodes & DEVICE_WRITES_RAM);
    } else {
        add(map, upper_memory, PC_REGION_MMIO, base, bios, 0, false);
        add_low_bios(map, config, bios, end);
    }
}

static void add_below_1m(struct map *map, const struct pc_config *config, const uint8_t *decodes)
{
    if (decodes[I440FX_SEGMENT_SMRAM] & DEVICE_READS_RAM)
        add_ram(map, "SMM memory", LOW_RAM_END, VGA_END, true);
    else
        add_bus(map, "VGA memory", LOW_RAM_END, VGA_END);
    for (unsigned i = I440FX_SEGMENT_C0000; i < I440FX_SEGMENT_F0000; i++)
        add_upper(map, config, VGA_END + i * SEGMENT, VGA_END + (i + 1) * SEGMENT, decodes[i]);
    add_upper(map, config, VGA_END + I440FX_SEGMENT_F0000 * SEGMENT, ISA_END, decodes[I440FX_SEGMENT_F0000]);
}

/* Without a bridge that could be told, all is RAM that is not the BIOS. */
static void add_below_1m_isa(struct map *map, const struct pc_config *config)
{
    add(map, "VGA memory", PC_REGION_MMIO, LOW_RAM_END, VGA_END, 0, false);
    add_ram(map, upper_memory, VGA_END, low_bios(config), true);
    add_low_bios(map, config, low_bios(config), ISA_END);
}

unsigned pc_map_memory(const struct pc_config *config, const uint8_t *decodes,
                       const struct pc_chip_memory *memory, unsigned count, struct pc_region *regions)
{
    uint64_t ram = config->ram_size, bios = config->bios_size;
    uint64_t low = ram < PCI_HOLE ? ram : PCI_HOLE;
    struct map map = { regions, 0, memory, count };

    add_ram(&map, "low memory", 0, LOW_RAM_END, true);
    if (config->chipset == PC_CHIPSET_I440FX)
        add_below_1m(&map, config, decodes);
    else
        add_below_1m_isa(&map, config);
    add_ram(&map, "extended memory", ISA_END, low, true);
    add_bus(&map, "32-bit devices", low, FOUR_GIB - bios);
    add(&map, "BIOS", PC_REGION_ROM, FOUR_GIB - bios, FOUR_GIB, 0, false);
    add(&map, "memory above 4 GiB", PC_REGION_RAM, FOUR_GIB, FOUR_GIB + ram - low, low, true);
    return map.count;
}

unsigned pc_memory_map(const struct pc_config *config, struct pc_region *regions)
{
    static const uint8_t after_reset[I440FX_SEGMENTS];

    return pc_map_memory(config, after_reset, NULL, 0, regions);
}

bool pc_memory_is_valid(const struct pc_config *config)
{
    return config->ram_size >= ISA_END && config->ram_size <= PC_RAM_MAX && config->ram_size % PAGE == 0 &&
           config->bios_size <= BIOS_MAX && config->bios_size % PAGE == 0;
}

/* ---- CMOS RAM -------------------------------------------------------------------------------- */

static void cmos_set(struct pc *pc, unsigned index, uint8_t value)
{
    pc_port_write(pc, CMOS_INDEX, 1, index);
    pc_port_write(pc, CMOS_DATA, 1, value);
}

static void cmos_set_word(struct pc *pc, unsigned index, uint32_t value)
{
    cmos_set(pc, index, value);
    cmos_set(pc, index + 1, value >> 8);
}

uint8_t pc_cmos_read(struct pc *pc, unsigned index)
{
    pc_port_write(pc, CMOS_INDEX, 1, index & 0x7f);
    return pc_port_read(pc, CMOS_DATA, 1);
}

static void cmos_update_checksum(struct pc *pc)
{
    uint32_t sum = 0;

    for (unsigned i = 0x10; i <= 0x2d; i++)
        sum += pc_cmos_read(pc, i);
    cmos_set(pc, 0x2e, sum >> 8);
    cmos_set(pc, 0x2f, sum);
}

static uint32_t at_most(uint64_t value, uint32_t limit)
{
    return value < limit ? value : limit;
}

/* What a set-up program would have stored: memory sizes, and the equipment byte. */
void pc_fill_cmos(struct pc *pc, const struct pc_config *config)
{
    uint64_t ram = config->ram_size;
    uint64_t low = at_most(ram, PCI_HOLE);
    uint64_t above_16m = low > 16u << 20 ? low - (16u << 20) : 0;
    uint32_t high = (ram - low) >> 16; /* 64 KiB units, 24 bits */

    cmos_set(pc, 0x10, 0x00); /* no floppy drives */
    cmos_set(pc, 0x14, 0x06); /* equipment: x87, PS/2 mouse, EGA or better */
    cmos_set_word(pc, 0x15, LOW_RAM_END >> 10);
    cmos_set_word(pc, 0x17, at_most((low - ISA_END) >> 10, 0xffff));
    cmos_set_word(pc, 0x30, at_most((low - ISA_END) >> 10, 0xffff));
    cmos_set_word(pc, 0x34, at_most(above_16m >> 16, 0xffff));
    cmos_set_word(pc, 0x5b, high);
    cmos_set(pc, 0x5d, high >> 16);
    cmos_update_checksum(pc);
    cmos_set(pc, 0x0d, 0); /* leave the index on a read-only register */
}

void pc_cmos_write(struct pc *pc, unsigned index, uint8_t value)
{
    cmos_set(pc, index & 0x7f, value);
    if (index >= 0x10 && index <= 0x2d)
        cmos_update_checksum(pc);
}

/* ---- What firmware is told ------------------------------------------------------------------- */

enum { E820_RAM = 1 };

/* An entry: base and size of 64 bits, type of 32. */
static uint8_t *put_e820(uint8_t *to, uint64_t base, uint64_t size)
{
    for (unsigned i = 0; i < 8; i++) {
        to[i] = base >> i * 8;
        to[8 + i] = size >> i * 8;
    }
    to[16] = E820_RAM;
    to[17] = to[18] = to[19] = 0;
    return to + 20;
}

/*
 * RAM is told as it is, holes for devices and all that firmware takes of it included. COM1 is the firmware's
 * screen and keyboard, since there is no other, and without anything to start it stays as it is.
 */
void pc_fill_fw_items(const struct pc_config *config, struct fw_items *items, uint8_t *e820)
{
    static const uint8_t com1[] = { 0xf8, 0x03 }, for_ever[] = { 0xff, 0xff, 0xff, 0xff };
    uint64_t low = config->ram_size < PCI_HOLE ? config->ram_size : PCI_HOLE;
    uint8_t *end = put_e820(e820, 0, low);

    if (config->ram_size > low)
        end = put_e820(end, FOUR_GIB, config->ram_size - low);
    fw_add_number(items, FW_SIGNATURE, 'Q' | 'E' << 8 | 'M' << 16 | 'U' << 24, 4);
    fw_add_number(items, FW_ID, FW_ID_VERSION | FW_ID_DMA, 4);
    fw_add_number(items, FW_RAM_SIZE, config->ram_size, 8);
    fw_add_number(items, FW_NB_CPUS, 1, 2);
    fw_add_number(items, FW_MAX_CPUS, 1, 2);
    fw_add_number(items, FW_BOOT_MENU, config->boot_menu, 2);
    fw_add_file(items, "etc/e820", e820, end - e820);
    fw_add_file(items, "etc/boot-fail-wait", for_ever, sizeof(for_ever));
    if (config->serial_ports & 1)
        fw_add_file(items, "etc/sercon-port", com1, sizeof(com1));
}

/* Firmware puts 32-bit devices behind RAM, but not below 2 GiB and to a whole GiB. */
static uint32_t pci_memory(const struct pc_config *config)
{
    uint64_t base = ACPI_DEVICES_FLOOR;

    while (base < config->ram_size && base < PCI_HOLE)
        base += 0x40000000;
    return base < PCI_HOLE ? base : PCI_HOLE;
}

static bool has_floppy(const struct pc_config *config)
{
    return config->drives[PC_DRIVE_FLOPPY_A] || config->drives[PC_DRIVE_FLOPPY_B];
}

void pc_fill_acpi(const struct pc_config *config, struct fw_items *items, struct acpi *acpi)
{
    const struct acpi_facts facts = {
        .pci_memory = pci_memory(config),
        .apic = config->apic,
        .devices = config->serial_ports | (has_floppy(config) ? ACPI_HAS_FLOPPY : 0),
    };

    acpi_build(acpi, &facts);
    fw_add_file(items, "etc/acpi/tables", acpi->tables, acpi->size);
    fw_add_file(items, "etc/acpi/rsdp", acpi->rsdp, sizeof(acpi->rsdp));
    fw_add_file(items, "etc/table-loader", acpi->script, acpi->script_size);
}

void pc_fill_smbios(const struct pc_config *config, struct fw_items *items, struct smbios *smbios)
{
    smbios_build(smbios, config->ram_size, config->ram_size < PCI_HOLE ? config->ram_size : PCI_HOLE);
    fw_add_file(items, "etc/smbios/smbios-anchor", smbios->anchor, sizeof(smbios->anchor));
    fw_add_file(items, "etc/smbios/smbios-tables", smbios->tables, smbios->size);
}

/* ---- PCI ------------------------------------------------------------------------------------- */

enum {
    CONFADD = 0xcf8,
    CONFDATA = 0xcfc,
    CONFADD_ENABLE = 1u << 31,
    BRIDGE = PCI_DEVFN(0, 0),
    ISA_BRIDGE = PCI_DEVFN(1, 0),
    POWER_MANAGEMENT = PCI_DEVFN(1, 3),
};

static void config_set(struct pc *pc, unsigned devfn, unsigned offset, uint8_t value)
{
    pc_port_write(pc, CONFADD, 4, CONFADD_ENABLE | devfn << 8 | (offset & ~3u));
    pc_port_write(pc, CONFDATA + (offset & 3), 1, value);
}

/* Upper memory is RAM: writable but for the part that has a copy of the BIOS (PAM0 to PAM6). */
static void open_upper_memory(struct pc *pc)
{
    config_set(pc, BRIDGE, 0x59, 0x10);
    for (unsigned pam = 1; pam <= 6; pam++)
        config_set(pc, BRIDGE, 0x59 + pam, 0x33);
}

/* PCI interrupts are led to IRQ 10 and 11, which are level triggered; power management is at 600h. */
static void set_up_bridge(struct pc *pc)
{
    static const uint8_t irqs[] = { 10, 10, 11, 11 };

    pc_port_write(pc, 0xd6, 1, 0xc0); /* DMA: the first controller is on the second's channel 4 */
    pc_port_write(pc, 0xd4, 1, 0x00);
    for (unsigned pirq = 0; pirq < sizeof(irqs); pirq++)
        config_set(pc, ISA_BRIDGE, 0x60 + pirq, irqs[pirq]);
    pc_port_write(pc, 0x4d1, 1, 1 << (10 - 8) | 1 << (11 - 8));
    config_set(pc, POWER_MANAGEMENT, PIIX4_PM_BASE, 0x00);
    config_set(pc, POWER_MANAGEMENT, PIIX4_PM_BASE + 1, 0x06);
    config_set(pc, POWER_MANAGEMENT, 0x80, 1);
    config_set(pc, POWER_MANAGEMENT, 0x3c, 9);
}

/* ---- After a BIOS ---------------------------------------------------------------------------- */

void pc_firmware_defaults(struct pc *pc)
{
    /* clang-format off */
    static const struct { uint16_t port; uint8_t value; } writes[] = {
        { 0x43, 0x36 }, { 0x40, 0x00 }, { 0x40, 0x00 }, /* counter 0: mode 3, 65536 */
        { 0x43, 0x54 }, { 0x41, 0x12 },                 /* counter 1: mode 2, 18, for refresh */
        { 0x20, 0x11 }, { 0x21, 0x08 }, { 0x21, 0x04 }, { 0x21, 0x01 }, /* ICW1-4: forget that OUT0 rose */
        { 0xa0, 0x11 }, { 0xa1, 0x70 }, { 0xa1, 0x02 }, { 0xa1, 0x01 },
        { 0x21, 0xf8 }, { 0xa1, 0xdf }, /* masks: open are timer, keyboard, cascade; x87 errors */
        { 0x70, 0x0a }, { 0x71, 0x26 }, { 0x70, 0x0b }, { 0x71, 0x02 }, { 0x70, 0x0d },
        { 0x64, 0x60 }, { 0x60, 0x47 }, /* keyboard controller: both ports and interrupts on, translate */
    };
    /* clang-format on */

    for (unsigned i = 0; i < sizeof(writes) / sizeof(writes[0]); i++)
        pc_port_write(pc, writes[i].port, 1, writes[i].value);
    if (!pc_has_pci(pc))
        return;
    open_upper_memory(pc);
    set_up_bridge(pc);
    pc_open_ide(pc);
    pc_port_write(pc, CONFADD, 4, 0);
}
