/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * MP configuration table: one processor, PCI and ISA buses, an I/O APIC, and where interrupts arrive. It says
 * what the MADT and the DSDT say (acpi_tables.c, dsdt.asl), to systems that do without ACPI. Intel
 * MultiProcessor Specification 1.4, chapter 4.
 */
#include "mp_table.h"

#include <stdbool.h>
#include <string.h>

enum {
    POINTER_SIZE = 16,
    HEADER_SIZE = 44,
    LAPIC_ID = 0,
    IOAPIC_ID = 1,
    LAPIC_BASE = 0xfee00000,
    IOAPIC_BASE = 0xfec00000,
    TIMER_PIN = 2,
    PCI_BUS = 0,
    ISA_BUS = 1,
    PCI_SLOTS = 32,

    PROCESSOR = 0,
    BUS = 1,
    IOAPIC = 2,
    IO_INTERRUPT = 3,
    LOCAL_INTERRUPT = 4,

    ENABLED = 1,
    BOOT_PROCESSOR = 2,
    FAMILY_6 = 6 << 8,
    FPU_AND_APIC = 1 << 0 | 1 << 9,
    LAPIC_VERSION = 0x14,
    IOAPIC_VERSION = 0x11,

    INT = 0,
    NMI = 1,
    EXTINT = 3,
    AS_THE_BUS = 0,
    HIGH_LEVEL = 1 | 3 << 2, /* active high, level triggered */
};

struct table {
    uint8_t *start, *end;
    uint16_t entries;
};

static void put(uint8_t *to, uint32_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        to[i] = value >> i * 8;
}

static uint8_t *add(struct table *t, uint8_t type, unsigned size)
{
    uint8_t *entry = t->end;

    memset(entry, 0, size);
    entry[0] = type;
    t->end += size;
    t->entries++;
    return entry;
}

static void add_processor(struct table *t)
{
    uint8_t *e = add(t, PROCESSOR, 20);

    e[1] = LAPIC_ID;
    e[2] = LAPIC_VERSION;
    e[3] = ENABLED | BOOT_PROCESSOR;
    put(e + 4, FAMILY_6, 4);
    put(e + 8, FPU_AND_APIC, 4);
}

static void add_bus(struct table *t, uint8_t number, const char *name)
{
    uint8_t *e = add(t, BUS, 8);

    e[1] = number;
    memcpy(e + 2, name, 6);
}

static void add_ioapic(struct table *t)
{
    uint8_t *e = add(t, IOAPIC, 8);

    e[1] = IOAPIC_ID;
    e[2] = IOAPIC_VERSION;
    e[3] = ENABLED;
    put(e + 4, IOAPIC_BASE, 4);
}

/* An interrupt `irq` of a bus arrives at an input of the APIC `apic`. */
static void add_interrupt(struct table *t, uint8_t type, uint8_t what, uint16_t flags, uint8_t bus,
                          uint8_t irq, uint8_t apic, uint8_t input)
{
    uint8_t *e = add(t, type, 8);

    e[1] = what;
    put(e + 2, flags, 2);
    e[4] = bus;
    e[5] = irq;
    e[6] = apic;
    e[7] = input;
}

/* INTA# of slot 1 is PIRQA, that of slot 2 PIRQB, and so on round the slots. */
static void add_pci_interrupts(struct table *t, const uint8_t irq[MP_PIRQS])
{
    for (unsigned line = 0; line < PCI_SLOTS * 4; line++) {
        uint8_t input = irq[(line + line / 4 + 3) % MP_PIRQS];

        if (input)
            add_interrupt(t, IO_INTERRUPT, INT, HIGH_LEVEL, PCI_BUS, line, IOAPIC_ID, input);
    }
}

/* In order, but for the timer; those that PCI has are not ISA's. */
static void add_isa_interrupts(struct table *t, const uint8_t irq[MP_PIRQS])
{
    for (unsigned n = 0; n < 16; n++) {
        if (n != TIMER_PIN && !memchr(irq, (int)n, n ? MP_PIRQS : 0))
            add_interrupt(t, IO_INTERRUPT, INT, AS_THE_BUS, ISA_BUS, n, IOAPIC_ID, n ? n : TIMER_PIN);
    }
}

static void checksum(uint8_t *at, const uint8_t *start, size_t size)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < size; i++)
        sum += start[i];
    *at -= sum;
}

static void fill_header(struct table *t)
{
    uint8_t *h = t->start;

    memcpy(h, "PCMP", 4);
    put(h + 4, t->end - t->start, 2);
    h[6] = 4; /* 1.4 */
    memcpy(h + 8, "DUPLEX  DUPLEX86 PC ", 20);
    put(h + 34, t->entries, 2);
    put(h + 36, LAPIC_BASE, 4);
    checksum(h + 7, h, t->end - h);
}

static void fill_pointer(uint8_t *p, uint32_t table)
{
    memcpy(p, "_MP_", 4);
    put(p + 4, table, 4);
    p[8] = POINTER_SIZE / 16;
    p[9] = 4; /* 1.4; then the checksum, and features: there is a table, and the 8259A is wired through */
    checksum(p + 10, p, POINTER_SIZE);
}

size_t mp_table_build(uint8_t *image, uint32_t base, const uint8_t irq[MP_PIRQS])
{
    struct table t = { .start = image + POINTER_SIZE, .end = image + POINTER_SIZE + HEADER_SIZE };

    memset(image, 0, POINTER_SIZE + HEADER_SIZE);
    add_processor(&t);
    add_bus(&t, PCI_BUS, "PCI   ");
    add_bus(&t, ISA_BUS, "ISA   ");
    add_ioapic(&t);
    add_pci_interrupts(&t, irq);
    add_isa_interrupts(&t, irq);
    add_interrupt(&t, LOCAL_INTERRUPT, EXTINT, AS_THE_BUS, ISA_BUS, 0, LAPIC_ID, 0);
    add_interrupt(&t, LOCAL_INTERRUPT, NMI, AS_THE_BUS, ISA_BUS, 0, LAPIC_ID, 1);
    fill_header(&t);
    fill_pointer(image, base + POINTER_SIZE);
    return t.end - image;
}
