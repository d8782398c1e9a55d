/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The PCI bus with functions of the test's own: registers by masks, sizing of base address registers, and
 * where functions answer. PCI Local Bus Specification 2.1, "Configuration Space".
 */
#include "pci.h"

#include "chip_bench.h"

enum { DEVFN = PCI_DEVFN(3, 2), ADDRESS = DEVFN << 8 };

static struct bench chips[3];
static struct pci_bus pci;
static struct bus bus;
static unsigned told; /* calls of `changed` */

/* ---- A function -------------------------------------------------------------------------------- */

static uint32_t port_read(struct device *dev, uint32_t offset, unsigned size)
{
    return dev->slot << 16 | offset << 8 | size;
}

static uint64_t mmio_read(struct device *dev, uint64_t offset, unsigned size)
{
    return (uint64_t)dev->slot << 32 | offset << 8 | size;
}

static uint8_t change(struct device *dev, unsigned offset, uint8_t value)
{
    return offset == 0x50 && value == 0x99 ? dev->config[offset] : value; /* one value it does not take */
}

static void changed(struct device *dev)
{
    (void)dev;
    told++;
}

static const struct device_register registers[] = {
    { 0x00, 4, 0x56781234, 0, 0 },
    { 0x04, 2, 0, 0x0003, 0 },
    { 0x06, 2, 0xf900, 0, 0xf900 },
    { 0x40, 4, 0x11223344, 0xff00f0f0, 0 },
    { 0x50, 1, 0, 0xff, 0 },
    { 0xff, 4, 0xff, 0xffffffff, 0 },
    { 0 },
};

static const struct device_pci function = {
    .registers = registers,
    .bar = { { .ports = { .count = 16, .width = 4, .read = port_read } },
             { .mmio = { .size = 4096, .read = mmio_read }, .prefetchable = true },
             { .mmio = { .size = 16, .read = mmio_read } },
             { .ports = { .count = 256, .width = 4, .read = port_read } },
             { .mmio = { .size = 1u << 31, .read = mmio_read } } },
    .change = change,
    .changed = changed,
};

static const struct device_type type = { .name = "test", .pci = &function };

static void setup(void)
{
    memset(&pci, 0, sizeof(pci));
    memset(&bus, 0, sizeof(bus));
    for (unsigned i = 0; i < ARRAY_SIZE(chips); i++) {
        bench_start(&chips[i], &type, 0, 0);
        chips[i].dev.slot = i;
    }
    ck_assert(pci_attach(&pci, &chips[0].dev, DEVFN));
    pci_reset(&pci);
    told = 0;
}

static uint32_t get(unsigned offset)
{
    return pci_read(&pci, ADDRESS | offset, 4);
}

static bool set(unsigned offset, uint32_t value)
{
    return pci_write(&pci, ADDRESS | offset, 4, value);
}

/* ---- Registers --------------------------------------------------------------------------------- */

START_TEST(registers_keep_what_their_masks_allow)
{
    ck_assert_uint_eq(get(0), 0x56781234);
    ck_assert_uint_eq(get(4), 0xf9000000);
    ck_assert_uint_eq(get(0x40), 0x11223344);
    ck_assert(!set(0, 0xffffffff));
    ck_assert_uint_eq(get(0), 0x56781234);
    set(0x40, 0xffffffff);
    ck_assert_uint_eq(get(0x40), 0xff22f3f4);
    set(0x40, 0);
    ck_assert_uint_eq(get(0x40), 0x00220304);
    set(0x60, 0xffffffff); /* not listed */
    ck_assert_uint_eq(get(0x60), 0);
    ck_assert_uint_eq(get(0x24), 0); /* no such base address register */
    ck_assert_uint_eq(told, 4);
}
END_TEST

START_TEST(ones_clear_status_bits)
{
    pci_write(&pci, ADDRESS | 6, 2, 0);
    ck_assert_uint_eq(pci_read(&pci, ADDRESS | 6, 2), 0xf900);
    pci_write(&pci, ADDRESS | 6, 2, 0x2fff);
    ck_assert_uint_eq(pci_read(&pci, ADDRESS | 6, 2), 0xd000);
    pci_write(&pci, ADDRESS | 7, 1, 0xff);
    ck_assert_uint_eq(pci_read(&pci, ADDRESS | 6, 2), 0);
}
END_TEST

START_TEST(accesses_of_all_widths_meet_their_bytes)
{
    pci_write(&pci, ADDRESS | 0x43, 1, 0xaa);
    ck_assert_uint_eq(get(0x40), 0xaa223344);
    pci_write(&pci, ADDRESS | 0x40, 2, 0xaaaa);
    ck_assert_uint_eq(get(0x40), 0xaa22a3a4);
    ck_assert_uint_eq(pci_read(&pci, ADDRESS | 0x42, 2), 0xaa22);
    ck_assert_uint_eq(pci_read(&pci, ADDRESS | 0x41, 1), 0xa3);
}
END_TEST

START_TEST(a_function_can_refuse_a_value)
{
    set(0x50, 0x77);
    set(0x50, 0x99);
    ck_assert_uint_eq(get(0x50), 0x77);
}
END_TEST

START_TEST(absent_functions_read_as_ones)
{
    for (unsigned devfn = 0; devfn < 256; devfn++) {
        if (devfn == DEVFN)
            continue;
        ck_assert(!pci_write(&pci, devfn << 8 | 4, 4, 0));
        ck_assert_uint_eq(pci_read(&pci, devfn << 8, 4), UINT32_MAX);
    }
    ck_assert_uint_eq(pci_read(&pci, 1u << 16 | ADDRESS, 4), UINT32_MAX); /* another bus */
    ck_assert_uint_eq(told, 0);
}
END_TEST

START_TEST(two_functions_have_their_own_registers)
{
    ck_assert(!pci_attach(&pci, &chips[1].dev, DEVFN)); /* taken */
    ck_assert(pci_attach(&pci, &chips[1].dev, 0));
    pci_reset(&pci);
    pci_write(&pci, 0x40, 4, 0);
    ck_assert_uint_eq(get(0x40), 0x11223344);
    ck_assert_uint_eq(pci_read(&pci, 0x40, 4), 0x00220304);
    pci_reset(&pci);
    ck_assert_uint_eq(pci_read(&pci, 0x40, 4), 0x11223344);
}
END_TEST

/* ---- Base address registers -------------------------------------------------------------------- */

static const struct {
    uint8_t offset;
    uint32_t reset, sized;
} bars[] = {
    { 0x10, 1, 0xfffffff1 }, { 0x14, 8, 0xfffff008 }, { 0x18, 0, 0xfffffff0 },
    { 0x1c, 1, 0xffffff01 }, { 0x20, 0, 0x80000000 }, { 0x24, 0, 0 },
};

START_TEST(base_address_registers_tell_their_size)
{
    ck_assert_uint_eq(get(bars[_i].offset), bars[_i].reset);
    set(bars[_i].offset, 0xffffffff);
    ck_assert_uint_eq(get(bars[_i].offset), bars[_i].sized);
    set(bars[_i].offset, 0);
    ck_assert_uint_eq(get(bars[_i].offset), bars[_i].reset);
}
END_TEST

static void place(unsigned offset, uint32_t value)
{
    if (set(offset, value))
        pci_place(&pci, &bus);
}

START_TEST(functions_answer_where_they_are_put)
{
    place(0x10, 0xc000);
    ck_assert_uint_eq(bus_port_read(&bus, 0xc004, 4), UINT32_MAX); /* not enabled */
    place(4, 1);
    ck_assert_uint_eq(bus_port_read(&bus, 0xc004, 4), 0x0404);
    ck_assert(!bus_is_news(&bus, 0xc004));
    ck_assert_uint_eq(bus_port_read(&bus, 0xc010, 1), 0xff);
    place(0x10, 0xd000);
    ck_assert_uint_eq(bus_port_read(&bus, 0xc004, 4), UINT32_MAX);
    ck_assert_uint_eq(bus_port_read(&bus, 0xd00f, 1), 0x01);
    place(0x14, 0xfe000000);
    ck_assert_uint_eq(bus_mmio_read(&bus, 0xfe000010, 4), UINT32_MAX);
    place(4, 2);
    ck_assert_uint_eq(bus_mmio_read(&bus, 0xfe000010, 4), 0x1004);
    ck_assert_uint_eq(bus_mmio_read(&bus, 0xfe001000, 1), 0xff);
    ck_assert_uint_eq(bus_port_read(&bus, 0xd00f, 1), 0xff);
    pci_reset(&pci);
    pci_place(&pci, &bus);
    ck_assert_uint_eq(bus_mmio_read(&bus, 0xfe000010, 4), UINT32_MAX);
}
END_TEST

START_TEST(bases_that_are_none_put_it_nowhere)
{
    place(4, 3);
    place(0x10, 0);
    ck_assert_uint_eq(bus_port_read(&bus, 0, 1), 0xff);
    place(0x10, 0x1c000); /* behind the last port */
    ck_assert_uint_eq(bus_port_read(&bus, 0xc000, 1), 0xff);
    place(0x10, 0xffffffff);
    ck_assert_uint_eq(bus_port_read(&bus, 0xfff0, 1), 0xff);
    place(0x10, 0xfff0);
    ck_assert_uint_eq(bus_port_read(&bus, 0xffff, 1), 0x01);
    place(0x14, 0);
    ck_assert_uint_eq(bus_mmio_read(&bus, 0, 1), 0xff);
    place(0x14, 0xfffff000);
    ck_assert_uint_eq(bus_mmio_read(&bus, 0xfffffff8, 8), 0xff808);
}
END_TEST

/* One answers, and always the same: what is soldered in, or what comes first. */
START_TEST(of_two_at_one_place_one_answers)
{
    static const struct device_ports fixed = { .count = 4, .read = port_read };

    ck_assert(pci_attach(&pci, &chips[1].dev, 0));
    ck_assert(bus_attach_ports(&bus, &chips[2].dev, &fixed, 0xc008));
    pci_reset(&pci);
    for (unsigned i = 0; i < 2; i++) {
        uint32_t address = i ? ADDRESS : 0;

        pci_write(&pci, address | 4, 4, 1);
        pci_write(&pci, address | 0x10, 4, 0xc000);
    }
    pci_place(&pci, &bus);
    ck_assert_uint_eq(bus_port_read(&bus, 0xc000, 4), 0x0004);
    ck_assert_uint_eq(bus_port_read(&bus, 0xc008, 4), 0x01010101); /* four bytes of a chip that takes bytes */
}
END_TEST

/* ---- Interrupts -------------------------------------------------------------------------------- */

static const struct {
    unsigned device, pin, line;
} pins[] = { { 1, 0, 0 }, { 1, 1, 1 }, { 1, 3, 3 }, { 2, 0, 1 },
             { 4, 0, 3 }, { 4, 1, 0 }, { 0, 0, 3 }, { 31, 0, 2 } };

START_TEST(pins_go_round_the_slots)
{
    unsigned devfn = PCI_DEVFN(pins[_i].device, 1), line = 99;

    ck_assert(pci_attach(&pci, &chips[1].dev, devfn));
    ck_assert(pci_drive(&pci, devfn, pins[_i].pin, true, &line));
    ck_assert_uint_eq(line, pins[_i].line);
    ck_assert(!pci_drive(&pci, devfn, pins[_i].pin, false, &line));
}
END_TEST

START_TEST(a_line_is_active_while_anybody_asserts_it)
{
    const unsigned one = PCI_DEVFN(1, 0), same = PCI_DEVFN(5, 0);
    unsigned line;

    ck_assert(pci_attach(&pci, &chips[1].dev, one));
    ck_assert(pci_attach(&pci, &chips[2].dev, same));
    ck_assert(pci_drive(&pci, one, 0, true, &line));
    ck_assert(pci_drive(&pci, same, 0, true, &line));
    ck_assert(pci_drive(&pci, one, 0, false, &line));
    ck_assert(pci_drive(&pci, one, 0, false, &line));
    ck_assert(!pci_drive(&pci, same, 0, false, &line));
}
END_TEST

START_TEST(no_write_does_harm)
{
    uint32_t x = 2463534242u;

    ck_assert(pci_attach(&pci, &chips[1].dev, 0xff));
    ck_assert(pci_attach(&pci, &chips[2].dev, 0));
    pci_reset(&pci);
    for (unsigned i = 0; i < 300000; i++) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        unsigned size = 1u << x % 3, devfn = (const uint8_t[]){ 0, DEVFN, 0xff, 8 }[x >> 3 & 3];
        uint32_t address = devfn << 8 | (x >> 8 & 0xff & ~(size - 1));

        if (pci_write(&pci, address, size, x & 0x40 ? x * 2654435761u : 0u - (x >> 7 & 1)))
            pci_place(&pci, &bus);
        ck_assert_uint_le(bus.moved_port_count, BUS_MAX_MOVED);
        bus_port_read(&bus, x >> 16, 4);
        bus_mmio_read(&bus, x, 8);
    }
    ck_assert_uint_eq(get(0), 0x56781234);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pci");
    TCase *tc = tcase_create("pci");

    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, registers_keep_what_their_masks_allow);
    tcase_add_test(tc, ones_clear_status_bits);
    tcase_add_test(tc, accesses_of_all_widths_meet_their_bytes);
    tcase_add_test(tc, a_function_can_refuse_a_value);
    tcase_add_test(tc, absent_functions_read_as_ones);
    tcase_add_test(tc, two_functions_have_their_own_registers);
    tcase_add_loop_test(tc, base_address_registers_tell_their_size, 0, ARRAY_SIZE(bars));
    tcase_add_test(tc, functions_answer_where_they_are_put);
    tcase_add_test(tc, bases_that_are_none_put_it_nowhere);
    tcase_add_test(tc, of_two_at_one_place_one_answers);
    tcase_add_loop_test(tc, pins_go_round_the_slots, 0, ARRAY_SIZE(pins));
    tcase_add_test(tc, a_line_is_active_while_anybody_asserts_it);
    tcase_add_test(tc, no_write_does_harm);
    suite_add_tcase(suite, tc);
    return bench_main(suite);
}
