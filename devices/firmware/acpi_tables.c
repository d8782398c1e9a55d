/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The ACPI tables. All but the DSDT, which iasl compiles from dsdt.asl, are fields at fixed places; they are
 * written in the order of the specification. It is ACPI 1.0, which every system that knows ACPI at all reads.
 * ACPI specification, "System Description Tables"; QEMU documentation, "ACPI linker/loader".
 */
#include "acpi_tables.h"

#include "devices/chips.h"
#include "dsdt.hex"

#include <string.h>

#define TABLES_FILE "etc/acpi/tables"
#define RSDP_FILE   "etc/acpi/rsdp"

enum {
    HEADER_SIZE = 36,
    CHECKSUM = 9, /* in a header */
    FACS_SIZE = 64,
    FADT_SIZE = 116,
    SCI_IRQ = 9,

    /* Steps of the script. */
    STEP_ALLOCATE = 1,
    STEP_POINTER = 2,
    STEP_CHECKSUM = 3,
    FILE_NAME = 56,
    ZONE_HIGH = 1,
    ZONE_FSEG = 2,
};

static void put(uint8_t *to, uint32_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        to[i] = value >> i * 8;
}

static uint32_t get32(const uint8_t *from)
{
    return from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

/* ---- The script ------------------------------------------------------------------------------ */

static uint8_t *step(struct acpi *acpi, unsigned command)
{
    uint8_t *s = acpi->script + acpi->script_size;

    acpi->script_size += ACPI_STEP_SIZE;
    put(s, command, 4);
    return s + 4;
}

static void say_allocate(struct acpi *acpi, const char *file, uint32_t align, uint8_t zone)
{
    uint8_t *s = step(acpi, STEP_ALLOCATE);

    memcpy(s, file, strlen(file));
    put(s + FILE_NAME, align, 4);
    s[FILE_NAME + 4] = zone;
}

/* The dword at `offset` of `file` is an offset into the tables, and is to be an address. */
static void say_pointer(struct acpi *acpi, const char *file, uint32_t offset)
{
    uint8_t *s = step(acpi, STEP_POINTER);

    memcpy(s, file, strlen(file));
    memcpy(s + FILE_NAME, TABLES_FILE, sizeof(TABLES_FILE));
    put(s + 2 * FILE_NAME, offset, 4);
    s[2 * FILE_NAME + 4] = 4;
}

static void say_checksum(struct acpi *acpi, const char *file, uint32_t offset, uint32_t start, uint32_t size)
{
    uint8_t *s = step(acpi, STEP_CHECKSUM);

    memcpy(s, file, strlen(file));
    put(s + FILE_NAME, offset, 4);
    put(s + FILE_NAME + 4, start, 4);
    put(s + FILE_NAME + 8, size, 4);
}

/* The bytes of a file that the script names. */
static uint8_t *file_bytes(struct acpi *acpi, const uint8_t *name)
{
    return strcmp((const char *)name, RSDP_FILE) ? acpi->tables : acpi->rsdp;
}

static void sum_up(uint8_t *file, uint32_t offset, uint32_t start, uint32_t size)
{
    uint8_t sum = 0;

    for (uint32_t i = 0; i < size; i++)
        sum += file[start + i];
    file[offset] -= sum;
}

void acpi_place(struct acpi *acpi, uint32_t base)
{
    for (uint8_t *s = acpi->script; s < acpi->script + acpi->script_size; s += ACPI_STEP_SIZE) {
        uint8_t *file = file_bytes(acpi, s + 4), *at;

        if (get32(s) == STEP_POINTER) {
            at = file + get32(s + 4 + 2 * FILE_NAME);
            put(at, get32(at) + base, 4);
        } else if (get32(s) == STEP_CHECKSUM) {
            at = s + 4 + FILE_NAME;
            sum_up(file, get32(at), get32(at + 4), get32(at + 8));
        }
    }
}

/* ---- Tables ---------------------------------------------------------------------------------- */

/* A new table at the end, with its header; its checksum comes last in the script. */
static uint8_t *begin_table(struct acpi *acpi, const char *signature, uint8_t revision)
{
    uint8_t *t;

    acpi->size = (acpi->size + 15) & ~15u;
    t = acpi->tables + acpi->size;
    memcpy(t, signature, 4);
    t[8] = revision;
    memcpy(t + 10, "DUPLEXD86PC   ", 14); /* OEM, and the table's name */
    put(t + 24, 1, 4);
    memcpy(t + 28, "D86 ", 4); /* who made it */
    put(t + 32, 1, 4);
    return t;
}

/* It is complete, `size` bytes with the header. Returns its offset. */
static uint32_t end_table(struct acpi *acpi, uint8_t *t, uint32_t size)
{
    uint32_t offset = t - acpi->tables;

    put(t + 4, size, 4);
    acpi->size = offset + size;
    return offset;
}

static void say_table_checksum(struct acpi *acpi, uint32_t offset)
{
    say_checksum(acpi, TABLES_FILE, offset + CHECKSUM, offset, get32(acpi->tables + offset + 4));
}

static void add_facs(struct acpi *acpi)
{
    memcpy(acpi->tables, "FACS", 4);
    put(acpi->tables + 4, FACS_SIZE, 4);
    acpi->size = FACS_SIZE;
}

/* A name in the DSDT gets its value: NameOp, four letters, and a dword constant. */
static void fill_in(uint8_t *dsdt, uint32_t size, const char *name, uint32_t value)
{
    for (uint32_t i = 0; i + 9 < size; i++) {
        if (dsdt[i] == 0x08 && !memcmp(dsdt + i + 1, name, 4) && dsdt[i + 5] == 0x0c) {
            put(dsdt + i + 6, value, 4);
            return;
        }
    }
}

static uint32_t add_dsdt(struct acpi *acpi, const struct acpi_facts *facts)
{
    uint8_t *t = acpi->tables + acpi->size;

    memcpy(t, dsdt_aml_code, sizeof(dsdt_aml_code));
    fill_in(t, sizeof(dsdt_aml_code), "TOLM", facts->pci_memory);
    fill_in(t, sizeof(dsdt_aml_code), "DEVS", facts->devices);
    t[CHECKSUM] = 0;
    return end_table(acpi, t, sizeof(dsdt_aml_code));
}

static uint32_t add_fadt(struct acpi *acpi, uint32_t dsdt, bool apic)
{
    uint8_t *t = begin_table(acpi, "FACP", 1);

    put(t + 40, dsdt, 4); /* FIRMWARE_CTRL, before it, is 0: the FACS is first */
    t[44] = apic;         /* INT_MODEL */
    put(t + 46, SCI_IRQ, 2);
    put(t + 48, 0xb2, 4); /* SMI_CMD */
    t[52] = PIIX4_PM_ACPI_ENABLE;
    t[53] = PIIX4_PM_ACPI_DISABLE;
    t[88] = 4; /* bytes of PM1_EVT, PM1_CNT, PM_TMR, GPE0 */
    t[89] = 2;
    t[91] = 4;
    t[92] = 4;
    put(t + 96, 0xfff, 2); /* there is no C2, no C3 */
    put(t + 98, 0xfff, 2);
    t[108] = 0x32; /* century, in CMOS RAM */
    /* WBINVD, PROC_C1; SLP_BUTTON and FIX_RTC: neither is in the fixed registers */
    put(t + 112, 1 << 0 | 1 << 2 | 1 << 5 | 1 << 6, 4);
    return end_table(acpi, t, FADT_SIZE);
}

void acpi_set_pm_base(struct acpi *acpi, uint32_t base)
{
    uint8_t *t = acpi->tables + acpi->fadt;

    put(t + 56, base, 4);        /* PM1a_EVT_BLK */
    put(t + 64, base + 0x04, 4); /* PM1a_CNT_BLK */
    put(t + 76, base + 0x08, 4); /* PM_TMR_BLK */
    put(t + 80, base + 0x0c, 4); /* GPE0_BLK */
}

enum { LAPIC_BASE = 0xfee00000, IOAPIC_BASE = 0xfec00000 };

static uint8_t *add_override(uint8_t *to, uint8_t irq, uint8_t input, uint8_t flags)
{
    to[0] = 2;
    to[1] = 10;
    to[3] = irq;
    put(to + 4, input, 4);
    put(to + 8, flags, 2);
    return to + 10;
}

/*
 * One processor, an I/O APIC with the ISA interrupts in order, but for the timer, and LINT1 as NMI. Those that
 * PCI interrupts and the SCI are led to are level triggered, active high.
 */
static uint32_t add_madt(struct acpi *acpi)
{
    static const uint8_t levels[] = { 5, 9, 10, 11 };
    uint8_t *t = begin_table(acpi, "APIC", 1), *e = t + 44;

    put(t + HEADER_SIZE, LAPIC_BASE, 4);
    put(t + 40, 1, 4); /* PCAT_COMPAT: there are 8259s */
    e[1] = 8;          /* processor 0, APIC 0 */
    e[4] = 1;
    e += 8;
    e[0] = 1;
    e[1] = 12;
    put(e + 4, IOAPIC_BASE, 4);
    e = add_override(e + 12, 0, 2, 0);
    for (unsigned i = 0; i < sizeof(levels); i++)
        e = add_override(e, levels[i], levels[i], 0x0d);
    e[0] = 4;
    e[1] = 6;
    e[2] = 0xff;
    e[5] = 1;
    return end_table(acpi, t, e + 6 - t);
}

static uint32_t add_rsdt(struct acpi *acpi, const uint32_t *tables, unsigned count)
{
    uint8_t *t = begin_table(acpi, "RSDT", 1);

    for (unsigned i = 0; i < count; i++)
        put(t + HEADER_SIZE + 4 * i, tables[i], 4);
    return end_table(acpi, t, HEADER_SIZE + 4 * count);
}

static void build_rsdp(struct acpi *acpi, uint32_t rsdt)
{
    memcpy(acpi->rsdp, "RSD PTR ", 8);
    memcpy(acpi->rsdp + 9, "DUPLEX", 6);
    put(acpi->rsdp + 16, rsdt, 4);
}

void acpi_build(struct acpi *acpi, const struct acpi_facts *facts)
{
    uint32_t dsdt, rsdt, tables[2];
    unsigned count = 0;

    memset(acpi, 0, sizeof(*acpi));
    say_allocate(acpi, TABLES_FILE, ACPI_ALIGN, ZONE_HIGH);
    say_allocate(acpi, RSDP_FILE, 16, ZONE_FSEG);
    add_facs(acpi);
    dsdt = add_dsdt(acpi, facts);
    tables[count++] = acpi->fadt = add_fadt(acpi, dsdt, facts->apic);
    if (facts->apic)
        tables[count++] = add_madt(acpi);
    rsdt = add_rsdt(acpi, tables, count);
    build_rsdp(acpi, rsdt);

    say_pointer(acpi, TABLES_FILE, acpi->fadt + 36);
    say_pointer(acpi, TABLES_FILE, acpi->fadt + 40);
    for (unsigned i = 0; i < count; i++)
        say_pointer(acpi, TABLES_FILE, rsdt + HEADER_SIZE + 4 * i);
    say_pointer(acpi, RSDP_FILE, 16);
    say_table_checksum(acpi, dsdt);
    for (unsigned i = 0; i < count; i++)
        say_table_checksum(acpi, tables[i]);
    say_table_checksum(acpi, rsdt);
    say_checksum(acpi, RSDP_FILE, 8, 0, ACPI_RSDP_SIZE);
}
