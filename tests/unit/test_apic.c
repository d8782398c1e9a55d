/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Local APIC and I/O APIC in the machine: priorities, EOI, levels and edges, the timer, virtual wires to the
 * 8259A, interrupts to itself. SDM 3A, "Advanced Programmable Interrupt Controller (APIC)"; Intel 82093AA
 * datasheet.
 */
#include "pc_bench.h"

#define LAPIC  UINT64_C(0xfee00000)
#define IOAPIC UINT64_C(0xfec00000)

enum {
    TPR = 0x80,
    PPR = 0xa0,
    EOI = 0xb0,
    LDR = 0xd0,
    DFR = 0xe0,
    SVR = 0xf0,
    ISR = 0x100,
    IRR = 0x200,
    ESR = 0x280,
    ICR = 0x300,
    LVT_TIMER = 0x320,
    LVT_LINT0 = 0x350,
    LVT_ERROR = 0x370,
    INITIAL = 0x380,
    CURRENT = 0x390,
    DIVIDE = 0x3e0,
    MASKED = 1 << 16,
    PERIODIC = 1 << 17,
    LEVEL = 1 << 15,
    REMOTE_IRR = 1 << 14
};

static struct machine m;

static uint32_t lapic(uint32_t offset)
{
    return pc_mmio_read(m.pc, LAPIC + offset, 4);
}

static void set_lapic(uint32_t offset, uint32_t value)
{
    pc_mmio_write(m.pc, LAPIC + offset, 4, value);
}

static uint32_t ioapic(uint32_t number)
{
    pc_mmio_write(m.pc, IOAPIC, 4, number);
    return pc_mmio_read(m.pc, IOAPIC + 0x10, 4);
}

static void set_ioapic(uint32_t number, uint32_t value)
{
    pc_mmio_write(m.pc, IOAPIC, 4, number);
    pc_mmio_write(m.pc, IOAPIC + 0x10, 4, value);
}

static void setup(void)
{
    machine_start_with(
        &m, &(struct pc_config){
                .ram_size = 64u << 20, .chipset = PC_CHIPSET_I440FX, .apic = true, .serial_ports = 1 });
    pc_firmware_defaults(m.pc);
    outb(&m, 0x21, 0xff);
    outb(&m, 0xa1, 0xff);
    set_lapic(SVR, 0x1ff);
    m.intr = false;
}

static void teardown(void)
{
    machine_stop(&m);
}

/* The serial port's THRE interrupt, IRQ 4, as a line to move. */
static void set_irq4(bool level)
{
    outb(&m, 0x3fc, 0x0b);
    outb(&m, 0x3f9, level ? 2 : 0);
}

START_TEST(there_is_none_unless_asked_for)
{
    machine_stop(&m);
    machine_start_with(&m, &(struct pc_config){ .ram_size = 64u << 20, .chipset = PC_CHIPSET_I440FX });
    ck_assert_uint_eq(lapic(0x30), UINT32_MAX);
    ck_assert_uint_eq(ioapic(1), UINT32_MAX);
}
END_TEST

START_TEST(versions_tell_what_they_are)
{
    ck_assert_uint_eq(lapic(0x20), 0);
    ck_assert_uint_eq(lapic(0x30), 0x00050014);
    ck_assert_uint_eq(ioapic(1), 0x00170011);
    ck_assert_uint_eq(ioapic(0x10), MASKED);
    ck_assert_uint_eq(pc_mmio_read(m.pc, LAPIC + 0x32, 1), 5);
    pc_mmio_write(m.pc, LAPIC + TPR, 1, 0x55); /* registers are written whole */
    ck_assert_uint_eq(lapic(TPR), 0);
}
END_TEST

START_TEST(interrupts_to_itself_have_priorities)
{
    set_lapic(ICR, 1 << 18 | 0x41);
    set_lapic(ICR, 1 << 18 | 0x52);
    ck_assert(m.intr);
    ck_assert_uint_eq(lapic(IRR + 0x20), 1u << 1 | 1u << 18);
    ck_assert_uint_eq(pc_intr_ack(m.pc), 0x52);
    ck_assert_uint_eq(lapic(ISR + 0x20), 1u << 18);
    ck_assert_uint_eq(lapic(PPR), 0x50);
    ck_assert(!m.intr); /* 41h waits for 52h */
    set_lapic(ICR, 1 << 18 | 0x5f);
    ck_assert(!m.intr); /* and so does one of the same class */
    set_lapic(ICR, 1 << 18 | 0x60);
    ck_assert_uint_eq(pc_intr_ack(m.pc), 0x60);
    set_lapic(EOI, 0);
    ck_assert(!m.intr);
    set_lapic(EOI, 0);
    ck_assert_uint_eq(pc_intr_ack(m.pc), 0x5f);
    set_lapic(EOI, 0);
    set_lapic(TPR, 0x40);
    ck_assert(!m.intr);
    set_lapic(TPR, 0x3f);
    ck_assert(m.intr);
    ck_assert_uint_eq(pc_intr_ack(m.pc), 0x41);
}
END_TEST

START_TEST(destinations_are_physical_or_logical)
{
    static const struct {
        uint32_t ldr, dfr, high, low;
        bool taken;
    } rows[] = {
        { 0, 0xffffffff, 0x00000000, 0x40, true },
        { 0, 0xffffffff, 0xff000000, 0x40, true },
        { 0, 0xffffffff, 0x01000000, 0x40, false },
        { 0x02000000, 0xffffffff, 0x02000000, 0x840, true },
        { 0x02000000, 0xffffffff, 0x01000000, 0x840, false },
        { 0x12000000, 0x0fffffff, 0x13000000, 0x840, true },
        { 0x12000000, 0x0fffffff, 0x23000000, 0x840, false },
        { 0x12000000, 0x0fffffff, 0xff000000, 0x840, true },
        { 0, 0xffffffff, 0, 0x80040, true },
        { 0, 0xffffffff, 0, 0xc0040, false },
        { 0, 0xffffffff, 0, 0x40500, false }, /* INIT is for others */
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        set_lapic(LDR, rows[i].ldr);
        set_lapic(DFR, rows[i].dfr);
        set_lapic(ICR + 0x10, rows[i].high);
        set_lapic(ICR, rows[i].low);
        ck_assert_msg(m.intr == rows[i].taken, "row %u", i);
        if (m.intr) {
            ck_assert_uint_eq(pc_intr_ack(m.pc), 0x40);
            set_lapic(EOI, 0);
        }
    }
}
END_TEST

START_TEST(illegal_vectors_are_errors)
{
    set_lapic(LVT_ERROR, 0x70);
    set_lapic(ICR, 1 << 18 | 0x0f);
    ck_assert_uint_eq(pc_intr_ack(m.pc), 0x70);
    set_lapic(ESR, 0);
    ck_assert_uint_eq(lapic(ESR), 0x20);
    set_lapic(ESR, 0);
    ck_assert_uint_eq(lapic(ESR), 0);
}
END_TEST

/* ---- The 8259A by virtual wires ---------------------------------------------------------------- */

START_TEST(lint0_lets_the_8259_through)
{
    pc_reset(m.pc);
    pc_firmware_defaults(m.pc);
    outb(&m, 0x21, 0xef);
    set_irq4(true); /* a reset leaves it so */
    ck_assert(m.intr);
    set_lapic(LVT_LINT0, MASKED);
    ck_assert(!m.intr);
    set_lapic(SVR, 0x1ff);
    set_lapic(LVT_LINT0, 0x700);
    ck_assert(m.intr);
    ck_assert_uint_eq(pc_intr_ack(m.pc), 0x0c);
    ck_assert_uint_eq(lapic(ISR), 0); /* not its affair */
    set_lapic(SVR, 0xff);
    ck_assert_uint_eq(lapic(LVT_LINT0) & MASKED, MASKED);
}
END_TEST

START_TEST(pin_0_lets_the_8259_through)
{
    set_lapic(LVT_LINT0, MASKED);
    outb(&m, 0x21, 0xef);
    set_irq4(true);
    ck_assert(!m.intr);
    set_ioapic(0x10, 0x700);
    ck_assert(m.intr);
    ck_assert_uint_eq(pc_intr_ack(m.pc), 0x0c);
}
END_TEST

/* ---- The I/O APIC ------------------------------------------------------------------------------ */

/* ---- The MP table -------------------------------------------------------------------------------- */

static uint8_t sum(const uint8_t *bytes, unsigned size)
{
    uint8_t all = 0;

    while (size--)
        all += *bytes++;
    return all;
}

static const uint8_t *find_mp(const uint8_t *image, size_t size)
{
    for (size_t at = 0; at + 16 <= size; at += 16) {
        if (!memcmp(image + at, "_MP_", 4))
            return image + at;
    }
    return NULL;
}

/* Everything in it is a whole entry, and interrupts arrive where the chips are wired to. */
START_TEST(the_mp_table_is_whole)
{
    static uint8_t image[PC_SYSTEM_TABLES_MAX];
    size_t size;
    const uint8_t *p, *t, *e;
    unsigned entries = 0, seen[5] = { 0 }, pci = 0;

    pc_firmware_defaults(m.pc);
    size = pc_system_tables(m.pc, 0xf0000, image);
    p = find_mp(image, size);
    ck_assert_ptr_nonnull(p);
    ck_assert_uint_eq(sum(p, 16), 0);
    t = image + (p[4] | p[5] << 8 | p[6] << 16) - 0xf0000;
    ck_assert(!memcmp(t, "PCMP", 4));
    ck_assert_uint_eq(t[4] | t[5] << 8, image + size - t);
    ck_assert_uint_eq(sum(t, image + size - t), 0);
    for (e = t + 44; e < image + size; e += e[0] ? 8 : 20, entries++) {
        ck_assert_uint_le(e[0], 4);
        seen[e[0]]++;
        if (e[0] == 3 && e[4] == 1)
            ck_assert_uint_eq(e[7], e[5] ? e[5] : 2);
        if (e[0] == 3 && e[4] == 1)
            ck_assert(e[5] != 10 && e[5] != 11);
        if (e[0] == 3 && e[4] == 0 && e[5] == 3 << 2) /* INTA# of slot 3: PIRQC */
            pci = e[7];
    }
    ck_assert_ptr_eq(e, image + size);
    ck_assert_uint_eq(t[34] | t[35] << 8, entries);
    ck_assert(seen[0] == 1 && seen[1] == 2 && seen[2] == 1 && seen[3] == 128 + 13 && seen[4] == 2);
    ck_assert_uint_eq(pci, 11);
    machine_stop(&m);
    machine_start_with(&m, &(struct pc_config){ .ram_size = 64u << 20, .chipset = PC_CHIPSET_I440FX });
    size = pc_system_tables(m.pc, 0xf0000, image);
    ck_assert_uint_gt(size, 0);
    ck_assert_ptr_null(find_mp(image, size));
    machine_stop(&m);
    machine_start(&m);
    ck_assert_uint_eq(pc_system_tables(m.pc, 0xf0000, image), 0);
}
END_TEST

START_TEST(edges_are_sent_once)
{
    set_ioapic(0x18, 0x61);
    set_irq4(true);
    ck_assert_uint_eq(pc_intr_ack(m.pc), 0x61);
    set_lapic(EOI, 0);
    ck_assert(!m.intr);
    set_irq4(false);
    set_ioapic(0x18, MASKED | 0x61);
    set_irq4(true);
    set_ioapic(0x18, 0x61);
    ck_assert(!m.intr); /* the mask lost it */
}
END_TEST

START_TEST(levels_are_sent_until_they_fall)
{
    set_ioapic(0x18, LEVEL | 0x61);
    set_irq4(true);
    ck_assert_uint_eq(ioapic(0x18), LEVEL | REMOTE_IRR | 0x61);
    ck_assert_uint_eq(pc_intr_ack(m.pc), 0x61);
    ck_assert(!m.intr);
    set_lapic(EOI, 0);
    ck_assert(m.intr); /* still up */
    ck_assert_uint_eq(pc_intr_ack(m.pc), 0x61);
    set_irq4(false);
    set_lapic(EOI, 0);
    ck_assert(!m.intr);
    ck_assert_uint_eq(ioapic(0x18), LEVEL | 0x61);
    set_ioapic(0x18, LEVEL | MASKED | 0x61);
    set_irq4(true);
    ck_assert(!m.intr);
    set_ioapic(0x18, LEVEL | 0x61);
    ck_assert(m.intr); /* a mask only holds a level back */
}
END_TEST

START_TEST(the_timer_is_on_pin_2)
{
    unsigned ticks = 0;

    set_ioapic(0x14, 0x31);
    for (unsigned i = 0; i < 100; i++) {
        machine_run(&m, 55000000);
        if (m.intr) {
            ck_assert_uint_eq(pc_intr_ack(m.pc), 0x31);
            set_lapic(EOI, 0);
            ticks++;
        }
    }
    ck_assert_uint_ge(ticks, 99); /* of 18.2 Hz; the 8259A, masked, does not hold them up */
}
END_TEST

/* ---- The timer --------------------------------------------------------------------------------- */

START_TEST(one_shots_come_once)
{
    static const struct {
        uint32_t divide;
        unsigned shift;
    } rows[] = { { 0xb, 0 }, { 0, 1 }, { 1, 2 }, { 2, 3 }, { 3, 4 }, { 8, 5 }, { 9, 6 }, { 0xa, 7 } };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        set_lapic(DIVIDE, rows[i].divide);
        set_lapic(LVT_TIMER, 0x80);
        set_lapic(INITIAL, 1000);
        machine_run(&m, (600u << rows[i].shift));
        ck_assert_uint_eq(lapic(CURRENT), 400);
        ck_assert(!m.intr);
        machine_run(&m, (400u << rows[i].shift));
        ck_assert_uint_eq(lapic(CURRENT), 0);
        ck_assert(m.intr);
        ck_assert_uint_eq(pc_intr_ack(m.pc), 0x80);
        set_lapic(EOI, 0);
        machine_run(&m, 10000000);
        ck_assert(!m.intr);
    }
}
END_TEST

START_TEST(periods_follow_each_other)
{
    unsigned ticks = 0;

    set_lapic(DIVIDE, 0xb);
    set_lapic(LVT_TIMER, PERIODIC | 0x80);
    set_lapic(INITIAL, 1000000);
    for (unsigned i = 0; i < 1000; i++) {
        machine_run(&m, 100000);
        if (!m.intr)
            continue;
        ck_assert_uint_eq(pc_intr_ack(m.pc), 0x80);
        set_lapic(EOI, 0);
        ticks++;
    }
    ck_assert_uint_eq(ticks, 100);
    set_lapic(LVT_TIMER, PERIODIC | MASKED | 0x80);
    machine_run(&m, 10000000);
    ck_assert(!m.intr);
    ck_assert_uint_gt(lapic(CURRENT), 0);
    set_lapic(INITIAL, 0);
    ck_assert_uint_eq(lapic(CURRENT), 0);
}
END_TEST

/* A host that is away for a while; the guest did not run meanwhile. */
START_TEST(late_periods_are_made_up_for)
{
    unsigned ticks = 0;

    set_lapic(DIVIDE, 0xb);
    set_lapic(LVT_TIMER, PERIODIC | 0x80);
    set_lapic(INITIAL, 1000000);
    m.now += 50000000;
    pc_run_timers(m.pc);
    for (unsigned i = 0; i < 500; i++) {
        if (m.intr) {
            ck_assert_uint_eq(pc_intr_ack(m.pc), 0x80);
            set_lapic(EOI, 0);
            ticks++;
        }
        machine_run(&m, 100000);
    }
    ck_assert_uint_ge(ticks, 98);
    ck_assert_uint_le(ticks, 100);
}
END_TEST

/* The shortest period is no storm of callbacks. */
START_TEST(short_periods_are_merged)
{
    unsigned callbacks = 0;

    set_lapic(DIVIDE, 0xb);
    set_lapic(LVT_TIMER, PERIODIC | 0x80);
    set_lapic(INITIAL, 1);
    for (uint64_t end = m.now + 10000000; pc_next_deadline(m.pc) < end; callbacks++) {
        m.now = pc_next_deadline(m.pc) > m.now ? pc_next_deadline(m.pc) : m.now;
        pc_run_timers(m.pc);
    }
    ck_assert_uint_le(callbacks, 510);
}
END_TEST

START_TEST(any_guest_may_do_anything)
{
    uint32_t x = 2463534242u + _i;

    for (unsigned i = 0; i < 300000; i++) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        switch (x % 8) {
        case 0:
            pc_mmio_read(m.pc, LAPIC + (x >> 8) % 4096, 1u << (x >> 24) % 4);
            break;
        case 1:
            set_ioapic((x >> 8) % 64, x * 3);
            break;
        case 2:
            machine_run(&m, (x >> 8) % 100000);
            break;
        case 3:
            if (pc_intr(m.pc))
                pc_intr_ack(m.pc);
            break;
        case 4:
            set_irq4(x >> 8 & 1);
            break;
        case 5:
            outb(&m, x & 0x100 ? 0x21 : 0x20, x >> 16);
            break;
        default:
            set_lapic((x >> 8) % 1024 & ~15u, x >> 20 & 1 ? x * 5 : x * 5 & 0x300ff);
            break;
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("apic");
    TCase *tc = tcase_create("apic");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, there_is_none_unless_asked_for);
    tcase_add_test(tc, versions_tell_what_they_are);
    tcase_add_test(tc, interrupts_to_itself_have_priorities);
    tcase_add_test(tc, destinations_are_physical_or_logical);
    tcase_add_test(tc, illegal_vectors_are_errors);
    tcase_add_test(tc, lint0_lets_the_8259_through);
    tcase_add_test(tc, pin_0_lets_the_8259_through);
    tcase_add_test(tc, the_mp_table_is_whole);
    tcase_add_test(tc, edges_are_sent_once);
    tcase_add_test(tc, levels_are_sent_until_they_fall);
    tcase_add_test(tc, the_timer_is_on_pin_2);
    tcase_add_test(tc, one_shots_come_once);
    tcase_add_test(tc, periods_follow_each_other);
    tcase_add_test(tc, late_periods_are_made_up_for);
    tcase_add_test(tc, short_periods_are_merged);
    tcase_add_loop_test(tc, any_guest_may_do_anything, 0, 4);
    suite_add_tcase(suite, tc);
    return machine_main(suite);
}
