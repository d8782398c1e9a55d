/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Power management in the machine: the PIIX4's registers where software puts them, the timer, the SCI, the
 * power button, switching off; and the ACPI tables that tell of them. Intel 82371AB datasheet, "Power
 * Management"; ACPI specification.
 */
#include "pc_bench.h"
#include "pm_timer.h"

#include <stdio.h>

#define MIB (UINT64_C(1) << 20)

enum {
    BASE = 0x600,
    PMSTS = BASE,
    PMEN = BASE + 2,
    PMCNTRL = BASE + 4,
    PMTMR = BASE + 8,
    GPSTS = BASE + 0xc,
    SMB = 0x700,
    SCI_EN = 1,
    PWRBTN = 1 << 8,
    TMROF = 1,
};

static struct machine m;
static unsigned offs; /* how often the power went off */

static void machine_off(void *ctx)
{
    (void)ctx;
    offs++;
}

static void config_write(unsigned offset, unsigned size, uint32_t value)
{
    pc_port_write(m.pc, 0xcf8, 4, 1u << 31 | 1 << 11 | 3 << 8 | (offset & 0xfc));
    pc_port_write(m.pc, 0xcfc + (offset & 3), size, value);
}

static uint32_t config_read(unsigned offset, unsigned size)
{
    pc_port_write(m.pc, 0xcf8, 4, 1u << 31 | 1 << 11 | 3 << 8 | (offset & 0xfc));
    return pc_port_read(m.pc, 0xcfc + (offset & 3), size);
}

static void place(uint32_t base)
{
    config_write(0x40, 4, base);
    config_write(0x80, 1, 1);
}

static uint32_t in16(uint16_t port)
{
    return pc_port_read(m.pc, port, 2);
}

static void out16(uint16_t port, uint32_t value)
{
    pc_port_write(m.pc, port, 2, value);
}

static void setup(void)
{
    const struct pc_config config = { .ram_size = 64 * MIB, .chipset = PC_CHIPSET_I440FX, .serial_ports = 1 };
    struct pc_callbacks callbacks = machine_callbacks;

    machine_start_with(&m, &config);
    callbacks.power_off = machine_off;
    ck_assert_int_eq(pc_init(m.pc, &config, &callbacks, &m), 0);
    pc_firmware_defaults(m.pc);
    outb(&m, 0xa1, 0xfd); /* IRQ 9 */
    outb(&m, 0x21, 0xfb);
    m.intr = false;
    offs = 0;
}

static void teardown(void)
{
    machine_stop(&m);
}

/* ---- Where it is --------------------------------------------------------------------------------- */

START_TEST(registers_are_where_software_puts_them)
{
    ck_assert_uint_eq(config_read(0, 4), 0x71138086);
    ck_assert_uint_eq(config_read(0x40, 4), BASE | 1);
    config_write(0x40, 4, 0xffffffff);
    ck_assert_uint_eq(config_read(0x40, 4), 0xffc1);
    place(0xb000);
    ck_assert_uint_eq(in16(PMCNTRL), 0xffff);
    out16(0xb002, 0x121);
    ck_assert_uint_eq(in16(0xb002), 0x121);
    config_write(0x80, 1, 0);
    ck_assert_uint_eq(in16(0xb002), 0xffff);
    pc_reset(m.pc);
    ck_assert_uint_eq(in16(0xb002), 0xffff);
    place(0xb000);
    ck_assert_uint_eq(in16(0xb002), 0);
}
END_TEST

START_TEST(they_do_not_hide_other_chips)
{
    place(0x3c0); /* their last ones are where COM1 would be if it were 8 lower */
    out16(0x3c2, 0x100);
    ck_assert_uint_eq(in16(0x3c2), 0x100);
    place(0x40 & 0xffc0);
    ck_assert_uint_ne(inb(&m, 0x61), 0xff);
    outb(&m, 0x80, 0x12);
    ck_assert_uint_eq(inb(&m, 0x80), 0x12);
}
END_TEST

/* ---- The timer ----------------------------------------------------------------------------------- */

/* The clock is exactly 315/88 MHz, from any time on. */
START_TEST(ticks_are_exact)
{
    static const uint64_t times[] = { 0,         1,          279,        280,      88000,
                                      999999999, 1000000000, 5000000001, 1u << 31, UINT64_C(1) << 62 };

    for (unsigned i = 0; i < ARRAY_SIZE(times); i++) {
        unsigned __int128 exact = (unsigned __int128)times[i] * 315 / 88000;
        uint64_t ticks = pm_timer_ticks(times[i]);

        ck_assert_uint_eq(ticks, (uint64_t)exact);
        ck_assert_uint_le(pm_timer_ns(ticks), times[i]);
        ck_assert_uint_eq(pm_timer_ticks(pm_timer_ns(ticks)), ticks);
        if (ticks)
            ck_assert_uint_lt(pm_timer_ticks(pm_timer_ns(ticks) - 1), ticks);
    }
}
END_TEST

START_TEST(timer_counts_machine_time)
{
    uint32_t before = pc_port_read(m.pc, PMTMR, 4);

    m.now += 1000000000;
    ck_assert_uint_eq((pc_port_read(m.pc, PMTMR, 4) - before) & 0xffffff, 3579545);
    ck_assert_uint_eq(pc_port_read(m.pc, PMTMR, 4) >> 24, 0);
    pc_port_write(m.pc, PMTMR, 4, 0);
    ck_assert_uint_eq(pc_port_read(m.pc, PMTMR + 1, 1), pc_port_read(m.pc, PMTMR, 4) >> 8 & 0xff);
}
END_TEST

START_TEST(overflow_is_seen_and_interrupts)
{
    out16(PMSTS, 0xffff);
    ck_assert_uint_eq(in16(PMSTS) & TMROF, 0);
    m.now += 2343750000; /* half a period */
    ck_assert_uint_eq(in16(PMSTS) & TMROF, TMROF);
    out16(PMSTS, TMROF);
    ck_assert_uint_eq(in16(PMSTS) & TMROF, 0);
    out16(PMCNTRL, SCI_EN);
    out16(PMEN, TMROF);
    machine_run(&m, 2300000000);
    machine_run(&m, 100000000);
    ck_assert(m.intr);
    ck_assert_uint_eq(pc_intr_ack(m.pc), 0x71);
    out16(PMSTS, TMROF);
    ck_assert_uint_eq(in16(PMSTS) & TMROF, 0);
}
END_TEST

START_TEST(a_timer_nobody_waits_for_has_no_deadline)
{
    uint64_t before = pc_next_deadline(m.pc);

    outb(&m, 0x43, 0x30); /* the 8254 is not to have any either */
    before = pc_next_deadline(m.pc);
    out16(PMEN, TMROF);
    ck_assert_uint_lt(pc_next_deadline(m.pc), before);
    out16(PMEN, 0);
    ck_assert_uint_eq(pc_next_deadline(m.pc), before);
}
END_TEST

/* Whoever has the near chips reads the timer without the board, unless another chip is there. */
START_TEST(timer_is_lent)
{
    static const struct {
        uint16_t base;
        bool lent;
    } rows[] = { { 0x600, true }, { 0xb000, true }, { 0xffc0, true }, { 0x80, false }, { 0, false } };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        struct lent {
            uint64_t words[PC_LENT_SIZE / 8];
        } before = { { 0 } }, after = { { 0 } };

        place(0);
        pc_lend(m.pc, &before);
        pc_take_back(m.pc, &before);
        place(rows[i].base);
        pc_lend(m.pc, &after);
        pc_take_back(m.pc, &after);
        ck_assert_int_eq(memcmp(&before, &after, sizeof(before)) != 0, rows[i].lent);
    }
}
END_TEST

/* ---- Events -------------------------------------------------------------------------------------- */

START_TEST(power_button_interrupts_who_listens)
{
    ck_assert(!pc_power_button(m.pc));
    ck_assert_uint_eq(in16(PMSTS) & PWRBTN, PWRBTN);
    out16(PMSTS, PWRBTN);
    out16(PMEN, PWRBTN);
    ck_assert(!pc_power_button(m.pc));
    ck_assert(!m.intr);
    out16(PMSTS, PWRBTN);
    out16(PMCNTRL, SCI_EN);
    ck_assert(pc_power_button(m.pc));
    ck_assert(m.intr);
    ck_assert_uint_eq(pc_intr_ack(m.pc), 0x71);
    out16(PMSTS, PWRBTN);
    ck_assert_uint_eq(in16(PMSTS) & PWRBTN, 0);
}
END_TEST

START_TEST(there_is_no_button_without_pci)
{
    machine_stop(&m);
    machine_start(&m);
    ck_assert(!pc_power_button(m.pc));
}
END_TEST

START_TEST(apm_control_turns_acpi_on_and_off)
{
    outb(&m, 0xb2, 0xf1);
    ck_assert_uint_eq(in16(PMCNTRL), SCI_EN);
    outb(&m, 0xb3, 0x55);
    ck_assert_uint_eq(inb(&m, 0xb3), 0x55);
    ck_assert_uint_eq(inb(&m, 0xb2), 0xf1);
    outb(&m, 0xb2, 0x00);
    ck_assert_uint_eq(in16(PMCNTRL), SCI_EN);
    outb(&m, 0xb2, 0xf0);
    ck_assert_uint_eq(in16(PMCNTRL), 0);
}
END_TEST

START_TEST(only_soft_off_switches_off)
{
    for (unsigned type = 0; type < 8; type++) {
        out16(PMCNTRL, type << 10 | SCI_EN);
        ck_assert_uint_eq(offs, 0);
    }
    for (unsigned type = 1; type < 8; type++) {
        out16(PMCNTRL, 1 << 13 | type << 10 | SCI_EN);
        ck_assert_uint_eq(offs, 0);
    }
    ck_assert_uint_eq(in16(PMCNTRL), 7 << 10 | SCI_EN); /* SUS_EN does not stay */
    out16(PMCNTRL, 1 << 13 | SCI_EN);
    ck_assert_uint_eq(offs, 1);
}
END_TEST

START_TEST(nobody_is_on_the_smbus)
{
    config_write(0x90, 4, SMB);
    config_write(0xd2, 1, 1);
    ck_assert_uint_eq(inb(&m, SMB), 0);
    outb(&m, SMB + 4, 0xa1);
    outb(&m, SMB + 2, 0x48);
    ck_assert_uint_eq(inb(&m, SMB), 4);
    ck_assert_uint_eq(inb(&m, SMB + 2), 0x08);
    outb(&m, SMB, 0x1e);
    ck_assert_uint_eq(inb(&m, SMB), 0);
}
END_TEST

/* ---- Tables -------------------------------------------------------------------------------------- */

static uint8_t image[PC_ACPI_MAX];
enum { IMAGE_BASE = 0xe0000 };

static uint32_t get(const uint8_t *from, unsigned size)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < size; i++)
        value |= (uint32_t)from[i] << i * 8;
    return value;
}

static uint8_t sum(const uint8_t *bytes, uint32_t size)
{
    uint8_t total = 0;

    while (size--)
        total += *bytes++;
    return total;
}

/* The table at that address, which is one and has the signature. */
static uint8_t *table(uint32_t address, const char *signature, size_t size)
{
    uint8_t *t = image + (address - IMAGE_BASE);

    ck_assert_uint_ge(address, IMAGE_BASE);
    ck_assert_uint_lt(address - IMAGE_BASE + 36, size);
    ck_assert(!memcmp(t, signature, 4));
    ck_assert_uint_le(address - IMAGE_BASE + get(t + 4, 4), size);
    if (strcmp(signature, "FACS"))
        ck_assert_uint_eq(sum(t, get(t + 4, 4)), 0);
    return t;
}

/* The disassembler of ACPI's authors has nothing to say against it. */
static void disassemble(const uint8_t *t)
{
    char folder[] = "/tmp/test_piix4_pm.XXXXXX", command[256], line[512];
    FILE *file;

    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(command, sizeof(command), "%s/table", folder);
    file = fopen(command, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(t, 1, get(t + 4, 4), file), get(t + 4, 4));
    fclose(file);
    snprintf(command, sizeof(command), "cd %s && %s -d table 2>&1; cat table.dsl && rm -r %s", folder, IASL,
             folder);
    file = popen(command, "r");
    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof(line), file))
        ck_assert_msg(!strstr(line, "Warning") && !strstr(line, "Error") && !strstr(line, "Invalid"), "%s",
                      line);
    ck_assert_int_eq(pclose(file), 0);
}

START_TEST(tables_are_whole)
{
    size_t size = pc_acpi_tables(m.pc, IMAGE_BASE, image);
    uint8_t *rsdt, *fadt, *dsdt;

    ck_assert(!memcmp(image, "RSD PTR ", 8));
    ck_assert_uint_eq(sum(image, 20), 0);
    rsdt = table(get(image + 16, 4), "RSDT", size);
    fadt = table(get(rsdt + 36, 4), "FACP", size);
    ck_assert_uint_eq(get(fadt + 36, 4) % 64, 0);
    table(get(fadt + 36, 4), "FACS", size);
    dsdt = table(get(fadt + 40, 4), "DSDT", size);
    ck_assert_uint_eq(get(fadt + 46, 2), 9);
    ck_assert_uint_eq(get(fadt + 56, 4), PMSTS);
    ck_assert_uint_eq(get(fadt + 64, 4), PMCNTRL);
    ck_assert_uint_eq(get(fadt + 76, 4), PMTMR);
    ck_assert_uint_eq(get(fadt + 80, 4), GPSTS);
    for (uint32_t i = 36; i < get(rsdt + 4, 4); i += 4)
        disassemble(image + get(rsdt + i, 4) - IMAGE_BASE);
    disassemble(dsdt);
    disassemble(rsdt);
}
END_TEST

START_TEST(tables_follow_the_machine)
{
    uint8_t *fadt;
    size_t size;

    place(0xb000);
    size = pc_acpi_tables(m.pc, IMAGE_BASE, image);
    fadt = table(get(table(get(image + 16, 4), "RSDT", size) + 36, 4), "FACP", size);
    ck_assert_uint_eq(get(fadt + 76, 4), 0xb008);
    machine_stop(&m);
    machine_start(&m);
    ck_assert_uint_eq(pc_acpi_tables(m.pc, IMAGE_BASE, image), 0);
}
END_TEST

/* ---- Anything ------------------------------------------------------------------------------------ */

START_TEST(any_guest_may_do_anything)
{
    uint32_t x = 2463534242u;

    for (unsigned i = 0; i < 200000; i++) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        if (x % 64 == 0)
            config_write(x >> 8 & 0xff, 1 << (x >> 16) % 3, x * 7);
        else if (x % 64 == 1)
            machine_run(&m, x % 300000000);
        else if (x % 64 == 2)
            pc_power_button(m.pc);
        else if (x % 2)
            pc_port_read(m.pc, BASE + (x >> 8) % 64, 1 << (x >> 16) % 3);
        else
            pc_port_write(m.pc, BASE + (x >> 8) % 64, 1 << (x >> 16) % 3, x * 5);
        if (i % 1000 == 0)
            place(BASE);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("piix4_pm");
    TCase *tc = tcase_create("piix4_pm");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, registers_are_where_software_puts_them);
    tcase_add_test(tc, they_do_not_hide_other_chips);
    tcase_add_test(tc, ticks_are_exact);
    tcase_add_test(tc, timer_counts_machine_time);
    tcase_add_test(tc, overflow_is_seen_and_interrupts);
    tcase_add_test(tc, a_timer_nobody_waits_for_has_no_deadline);
    tcase_add_test(tc, timer_is_lent);
    tcase_add_test(tc, power_button_interrupts_who_listens);
    tcase_add_test(tc, there_is_no_button_without_pci);
    tcase_add_test(tc, apm_control_turns_acpi_on_and_off);
    tcase_add_test(tc, only_soft_off_switches_off);
    tcase_add_test(tc, nobody_is_on_the_smbus);
    tcase_add_test(tc, tables_are_whole);
    tcase_add_test(tc, tables_follow_the_machine);
    tcase_add_test(tc, any_guest_may_do_anything);
    suite_add_tcase(suite, tc);
    return machine_main(suite);
}
