/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ISA bridge of the PIIX3 on a bench: where it leads the PCI interrupt lines. Intel 82371SB datasheet,
 * "PIRQRC[A:D]".
 */
#include "pci.h"

#include "chip_bench.h"

enum { ADDRESS = PCI_DEVFN(1, 0) << 8, PIRQRCA = 0x60 };

static struct bench b;
static struct pci_bus pci;

static void setup(void)
{
    static const struct device_type nothing = { .name = "nothing" };

    memset(&pci, 0, sizeof(pci));
    bench_start(&b, &nothing, 0, 0); /* it has its registers only when it is on the bus */
    b.dev.type = &piix3_device;
    ck_assert(pci_attach(&pci, &b.dev, PCI_DEVFN(1, 0)));
    pci_reset(&pci);
    piix3_device.reset(&b.dev);
}

static void lead(unsigned pirq, uint8_t value)
{
    pci_write(&pci, ADDRESS | (PIRQRCA + pirq), 1, value);
}

static uint32_t irqs(void)
{
    uint32_t levels = 0;

    for (unsigned irq = 0; irq < 16; irq++)
        levels |= (uint32_t)b.line[irq] << irq;
    return levels;
}

/* Registers after a reset, and after ones have been written to all of them. */
static const struct {
    const char *name;
    uint8_t offset, size;
    uint32_t reset, written;
} rows[] = {
    { "VID, DID", 0x00, 4, 0x70008086, 0x70008086 },
    { "PCICMD", 0x04, 2, 0x0007, 0x000f },
    { "PCISTS", 0x06, 2, 0x0200, 0x0200 },
    { "RID, CLASSC", 0x08, 4, 0x06010000, 0x06010000 },
    { "HEDT", 0x0e, 1, 0x80, 0x80 },
    { "IORT", 0x4c, 1, 0x4d, 0xff },
    { "XBCS", 0x4e, 2, 0x0003, 0x01ff },
    { "PIRQRC", 0x60, 4, 0x80808080, 0x8f8f8f8f },
    { "TOM", 0x69, 1, 0x02, 0xfe },
    { "DLC", 0x82, 1, 0x00, 0x0f },
    { "SMICNTL", 0xa0, 1, 0x08, 0x1f },
    { "FTMR", 0xa8, 1, 0x0f, 0xff },
};

START_TEST(registers_are_those_of_the_datasheet)
{
    uint32_t address = ADDRESS | rows[_i].offset;

    ck_assert_msg(pci_read(&pci, address, rows[_i].size) == rows[_i].reset, "%s", rows[_i].name);
    pci_write(&pci, address, rows[_i].size, 0xffffffff);
    ck_assert_msg(pci_read(&pci, address, rows[_i].size) == rows[_i].written, "%s", rows[_i].name);
}
END_TEST

START_TEST(a_reset_leads_them_nowhere)
{
    for (unsigned pirq = 0; pirq < PIIX3_PIRQS; pirq++)
        pin(&b, pirq, true);
    ck_assert_uint_eq(irqs(), 0);
}
END_TEST

/* Every value of every register: reserved interrupt requests and bit 7 lead nowhere. */
START_TEST(each_line_goes_where_its_register_says)
{
    for (unsigned value = 0; value < 256; value++) {
        unsigned irq = value & 15;
        bool led = !(value & 0x80) && irq != 0 && irq != 1 && irq != 2 && irq != 8 && irq != 13;

        lead(_i, value);
        pin(&b, _i, true);
        ck_assert_uint_eq(irqs(), led ? 1u << irq : 0);
        pin(&b, _i, false);
        ck_assert_uint_eq(irqs(), 0);
    }
}
END_TEST

START_TEST(an_active_line_follows_its_register)
{
    lead(2, 11);
    pin(&b, 2, true);
    ck_assert_uint_eq(irqs(), 1u << 11);
    lead(2, 5);
    ck_assert_uint_eq(irqs(), 1u << 5);
    lead(2, 0x85);
    ck_assert_uint_eq(irqs(), 0);
    lead(2, 5);
    pci_reset(&pci);
    piix3_device.reset(&b.dev);
    ck_assert_uint_eq(irqs(), 0);
}
END_TEST

START_TEST(lines_share_an_interrupt_request)
{
    lead(0, 10);
    lead(3, 10);
    pin(&b, 0, true);
    pin(&b, 3, true);
    pin(&b, 0, false);
    ck_assert_uint_eq(irqs(), 1u << 10);
    pin(&b, 3, false);
    ck_assert_uint_eq(irqs(), 0);
    ck_assert_uint_eq(b.rises[10], 1);
    pin(&b, 4, true); /* no such pin */
    ck_assert_uint_eq(irqs(), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("piix3");
    TCase *tc = tcase_create("piix3");

    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_loop_test(tc, registers_are_those_of_the_datasheet, 0, ARRAY_SIZE(rows));
    tcase_add_test(tc, a_reset_leads_them_nowhere);
    tcase_add_loop_test(tc, each_line_goes_where_its_register_says, 0, PIIX3_PIRQS);
    tcase_add_test(tc, an_active_line_follows_its_register);
    tcase_add_test(tc, lines_share_an_interrupt_request);
    suite_add_tcase(suite, tc);
    return bench_main(suite);
}
