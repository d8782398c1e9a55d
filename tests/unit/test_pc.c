/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The whole machine: who answers at which port, what is wired to what, memory map, timers and resets.
 */
#include "pc_bench.h"

#include <errno.h>

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

static struct machine m;

static void setup(void)
{
    machine_start(&m);
}

static void teardown(void)
{
    machine_stop(&m);
}

/* ---- Ports ----------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    uint16_t port;
    unsigned size;
    uint32_t value;
} read_rows[] = {
    { "nobody", 0x300, 1, 0xff },
    { "nobody, word", 0x300, 2, 0xffff },
    { "nobody, dword", 0x300, 4, 0xffffffff },
    { "end of port space", 0xffff, 4, 0xffffffff },
    { "PCI configuration is not there", 0xcf8, 4, 0xffffffff },
    { "PCI configuration data", 0xcfc, 4, 0xffffffff },
    { "debug console signature", 0xe9, 1, 0xe9 },
    { "a word over a byte-wide port", 0xe9, 2, 0xffe9 },
    { "a dword that ends on a byte-wide port", 0xe6, 4, 0xe9ffffff },
    { "absent COM3", 0x3fd, 1, 0x60 },
    { "COM1 as a dword", 0x3fc, 4, 0x00b06000 },
    { "absent COM4", 0x2ef, 1, 0xff },
    { "exit port", 0xf4, 4, 0xffffffff },
    { "reset control as a byte", 0xcf9, 1, 0x00 },
    { "reset control inside a word", 0xcf9, 2, 0xffff },
};

START_TEST(port_reads)
{
    uint32_t value;

    setup();
    value = pc_port_read(m.pc, read_rows[_i].port, read_rows[_i].size);
    ck_assert_msg(value == read_rows[_i].value, "%s: %08x", read_rows[_i].name, value);
}
END_TEST

START_TEST(wide_writes_are_split_lowest_first)
{
    setup();
    pc_port_write(m.pc, 0x70, 2, 0xa540); /* CMOS: index, then data */
    outb(&m, 0x70, 0x40);
    ck_assert_uint_eq(inb(&m, 0x71), 0xa5);
}
END_TEST

START_TEST(unclaimed_port_is_traced_once)
{
    setup();
    inb(&m, 0x300);
    ck_assert_uint_eq(m.event_count, 2);
    ck_assert_str_eq(m.events[0]->name, "pc_port_read");
    ck_assert_str_eq(m.events[1]->name, "pc_port_unclaimed");
    ck_assert_uint_eq(m.event_args[1][0], 0x300);
    inb(&m, 0x300);
    ck_assert_uint_eq(m.event_count, 3);
}
END_TEST

START_TEST(post_codes_are_traced_and_read_back)
{
    setup();
    outb(&m, 0x80, 0x42);
    ck_assert_str_eq(m.events[1]->name, "port80_post");
    ck_assert_uint_eq(m.event_args[1][0], 0x42);
    ck_assert_uint_eq(inb(&m, 0x80), 0x42);
}
END_TEST

START_TEST(debug_console_takes_bytes)
{
    setup();
    for (const char *c = "hello"; *c; c++)
        outb(&m, 0xe9, *c);
    ck_assert_uint_eq(m.debugcon_count, 5);
    ck_assert_mem_eq(m.debugcon, "hello", 5);
}
END_TEST

static const struct {
    unsigned size;
    uint32_t value;
    int status;
} exit_rows[] = { { 1, 0, 1 }, { 1, 0x10, 0x21 }, { 1, 0xff, 0xff }, { 2, 0x1234, 0x69 }, { 4, 0x80, 0x01 } };

START_TEST(exit_port_gives_2v_plus_1)
{
    setup();
    pc_port_write(m.pc, 0xf4, exit_rows[_i].size, exit_rows[_i].value);
    ck_assert_int_eq(m.exit_status, exit_rows[_i].status);
}
END_TEST

START_TEST(mmio_is_open_bus)
{
    setup();
    ck_assert_uint_eq(pc_mmio_read(m.pc, 0xa0000, 1), 0xff);
    ck_assert_uint_eq(pc_mmio_read(m.pc, 0xfee00020, 4), 0xffffffff);
    ck_assert(pc_mmio_read(m.pc, UINT64_MAX - 3, 8) == UINT64_MAX);
    pc_mmio_write(m.pc, 0xa0000, 8, 0);
}
END_TEST

/* ---- Interrupts ------------------------------------------------------------------------------ */

static void init_pics(void)
{
    static const uint16_t writes[][2] = { { 0x20, 0x11 }, { 0x21, 0x30 }, { 0x21, 0x04 }, { 0x21, 0x01 },
                                          { 0xa0, 0x11 }, { 0xa1, 0x38 }, { 0xa1, 0x02 }, { 0xa1, 0x01 } };

    for (unsigned i = 0; i < ARRAY_SIZE(writes); i++)
        outb(&m, writes[i][0], writes[i][1]);
}

static void raise_timer(void)
{
    outb(&m, 0x43, 0x30), outb(&m, 0x40, 1), outb(&m, 0x40, 0);
    machine_run(&m, 10000);
}

static void raise_keyboard(void)
{
    outb(&m, 0x64, 0x60), outb(&m, 0x60, 0x01);
    outb(&m, 0x64, 0xd2), outb(&m, 0x60, 0x11);
}

static void raise_mouse(void)
{
    outb(&m, 0x64, 0x60), outb(&m, 0x60, 0x02);
    outb(&m, 0x64, 0xd3), outb(&m, 0x60, 0x11);
}

static void raise_com1(void)
{
    outb(&m, 0x3fc, 0x08), outb(&m, 0x3f9, 0x02);
}

static void raise_com2(void)
{
    outb(&m, 0x2fc, 0x08), outb(&m, 0x2f9, 0x02);
}

static void raise_rtc(void)
{
    outb(&m, 0x70, 0x0b), outb(&m, 0x71, 0x12);
    machine_run(&m, 1000000000);
}

static void raise_fpu(void)
{
    pc_set_ferr(m.pc, true);
}

static const struct {
    const char *name;
    void (*raise)(void);
    uint8_t vector;
} irq_rows[] = {
    { "timer on IRQ 0", raise_timer, 0x30 },    { "keyboard on IRQ 1", raise_keyboard, 0x31 },
    { "COM2 on IRQ 3", raise_com2, 0x33 },      { "COM1 on IRQ 4", raise_com1, 0x34 },
    { "RTC on IRQ 8", raise_rtc, 0x38 },        { "mouse on IRQ 12", raise_mouse, 0x3c },
    { "x87 error on IRQ 13", raise_fpu, 0x3d },
};

START_TEST(interrupt_is_wired)
{
    setup();
    init_pics();
    ck_assert(!m.intr && !pc_intr(m.pc));
    irq_rows[_i].raise();
    ck_assert_msg(m.intr && pc_intr(m.pc), "%s: no INTR", irq_rows[_i].name);
    ck_assert_uint_eq(pc_intr_ack(m.pc), irq_rows[_i].vector);
    ck_assert(!m.intr && !pc_intr(m.pc));
}
END_TEST

START_TEST(acknowledge_without_request_is_spurious)
{
    setup();
    init_pics();
    ck_assert_uint_eq(pc_intr_ack(m.pc), 0x37);
}
END_TEST

START_TEST(ports_that_share_an_irq_are_ored)
{
    machine_start_with(&m, &(struct pc_config){ .ram_size = 64 * MIB, .serial_ports = 5 });
    init_pics();
    raise_com1();
    outb(&m, 0x3ec, 0x08), outb(&m, 0x3e9, 0x02);
    inb(&m, 0x3fa); /* COM1 is quiet again, COM3 is not */
    ck_assert(m.intr);
    inb(&m, 0x3ea);
    ck_assert(!m.intr);
}
END_TEST

START_TEST(fpu_error_raises_irq13_until_f0_and_ignne_until_ferr_ends)
{
    setup();
    init_pics();
    pc_set_ferr(m.pc, true);
    ck_assert(m.intr && !m.ignne);
    outb(&m, 0xf0, 0);
    ck_assert(!m.intr && m.ignne);
    pc_set_ferr(m.pc, false);
    ck_assert(!m.ignne);
    outb(&m, 0xf0, 0);
    ck_assert(!m.ignne);
}
END_TEST

START_TEST(nmi_is_masked_by_port_70)
{
    setup();
    pc_raise_nmi(m.pc);
    ck_assert_uint_eq(m.nmis, 1);
    outb(&m, 0x70, 0x8d);
    pc_raise_nmi(m.pc);
    ck_assert_uint_eq(m.nmis, 1);
    outb(&m, 0x70, 0x0d);
    pc_raise_nmi(m.pc);
    ck_assert_uint_eq(m.nmis, 2);
}
END_TEST

/* ---- Time ------------------------------------------------------------------------------------ */

START_TEST(deadline_is_told_and_served)
{
    setup();
    ck_assert(pc_next_deadline(m.pc) == UINT64_MAX);
    outb(&m, 0x43, 0x34), outb(&m, 0x40, 0x00), outb(&m, 0x40, 0x10); /* 4096 ticks: 3.43 ms */
    ck_assert_uint_eq(pc_next_deadline(m.pc), m.told_deadline);
    ck_assert_uint_gt(m.told_deadline, m.now + 3400000);
    ck_assert_uint_lt(m.told_deadline, m.now + 3450000);
    m.now = m.told_deadline - 1;
    pc_run_timers(m.pc);
    ck_assert_uint_eq(m.told_deadline, m.now + 1);
    m.now++;
    pc_run_timers(m.pc);
    ck_assert_uint_gt(m.told_deadline, m.now);
    ck_assert_uint_eq(pc_next_deadline(m.pc), m.told_deadline);
}
END_TEST

START_TEST(earliest_of_several_deadlines_wins)
{
    uint64_t timer;

    setup();
    outb(&m, 0x43, 0x34), outb(&m, 0x40, 0x00), outb(&m, 0x40, 0x10);
    timer = m.told_deadline;
    pc_key(m.pc, 0x1e, true);
    ck_assert_uint_eq(m.told_deadline, timer); /* the port is off, and typematic is later */
    outb(&m, 0x64, 0xae);
    ck_assert_uint_lt(m.told_deadline, timer);
    machine_run(&m, 1000000);
    ck_assert_uint_eq(m.told_deadline, timer);
}
END_TEST

START_TEST(port_61_shows_gate_speaker_refresh_and_out2)
{
    unsigned toggles = 0;

    setup();
    outb(&m, 0x61, 0xff);
    ck_assert_uint_eq(inb(&m, 0x61) & 0xcf, 0x0f);
    outb(&m, 0x61, 0x00);
    outb(&m, 0x43, 0xb0), outb(&m, 0x42, 100), outb(&m, 0x42, 0);
    machine_run(&m, 1000000);
    ck_assert_uint_eq(inb(&m, 0x61) & 0x20, 0); /* gate low: nothing counts */
    outb(&m, 0x61, 0x01);
    machine_run(&m, 83000);
    ck_assert_uint_eq(inb(&m, 0x61) & 0x20, 0);
    machine_run(&m, 3000);
    ck_assert_uint_eq(inb(&m, 0x61) & 0x20, 0x20);
    for (unsigned i = 0, last = inb(&m, 0x61) & 0x10; i < 1000; i++) {
        unsigned now = inb(&m, 0x61) & 0x10;

        toggles += now != last;
        last = now;
        machine_run(&m, 1000);
    }
    ck_assert_uint_ge(toggles, 65); /* 1 ms / 15.086 us */
    ck_assert_uint_le(toggles, 67);
}
END_TEST

/* ---- Resets ---------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    uint16_t port;
    unsigned size;
    uint32_t value;
    int reason; /* -1: none */
} reset_rows[] = {
    { "keyboard controller", 0x64, 1, 0xfe, PC_RESET_KEYBOARD },
    { "port 92h", 0x92, 1, 0x03, PC_RESET_FAST },
    { "CF9h hard", 0xcf9, 1, 0x06, PC_RESET_HARD },
    { "CF9h soft", 0xcf9, 1, 0x04, PC_RESET_SOFT },
    { "CF9h only choosing", 0xcf9, 1, 0x02, -1 },
    { "a PCI configuration address", 0xcf8, 4, 0x80000600, -1 },
    { "a word at CF8h", 0xcf8, 2, 0x0600, -1 },
};

START_TEST(reset_request)
{
    setup();
    pc_port_write(m.pc, reset_rows[_i].port, reset_rows[_i].size, reset_rows[_i].value);
    ck_assert_msg(m.resets == (reset_rows[_i].reason >= 0), "%s: %u resets", reset_rows[_i].name, m.resets);
    if (m.resets)
        ck_assert_int_eq((int)m.reset_reason, reset_rows[_i].reason);
}
END_TEST

START_TEST(reset_puts_every_chip_back)
{
    setup();
    init_pics();
    pc_cmos_write(m.pc, 0x40, 0x77);
    raise_com1();
    raise_keyboard();
    outb(&m, 0x43, 0x34), outb(&m, 0x40, 0x00), outb(&m, 0x40, 0x10);
    outb(&m, 0x92, 0x00);
    outb(&m, 0xcf9, 0x06);
    ck_assert(m.intr && !m.a20);
    pc_reset(m.pc);
    ck_assert(!m.intr && m.a20);
    ck_assert(pc_next_deadline(m.pc) == UINT64_MAX);
    ck_assert_uint_eq(inb(&m, 0x64) & 1, 0);
    ck_assert_uint_eq(inb(&m, 0x3f9), 0);
    ck_assert_uint_eq(pc_cmos_read(m.pc, 0x40), 0x77);
    outb(&m, 0xcf9, 0x06);
    ck_assert_uint_eq(m.resets, 2);
}
END_TEST

/* ---- Serial ports ---------------------------------------------------------------------------- */

START_TEST(serial_ports_are_separate)
{
    setup();
    outb(&m, 0x3f8, 'a');
    outb(&m, 0x2f8, 'b');
    outb(&m, 0x3e8, 'c');
    ck_assert_uint_eq(m.serial_count[0], 1);
    ck_assert_uint_eq(m.serial[0][0], 'a');
    ck_assert_uint_eq(m.serial[1][0], 'b');
    ck_assert_uint_eq(m.serial_count[2], 0);
    ck_assert_uint_eq(pc_serial_receive(m.pc, 1, (const uint8_t *)"xy", 2), 1);
    ck_assert_uint_eq(inb(&m, 0x3fd) & 1, 0);
    ck_assert_uint_eq(inb(&m, 0x2f8), 'x');
    ck_assert_uint_eq(m.serial_rooms[1], 1);
    ck_assert_uint_eq(pc_serial_receive(m.pc, 2, (const uint8_t *)"z", 1), 0);
    ck_assert_uint_eq(pc_serial_receive(m.pc, 99, (const uint8_t *)"z", 1), 0);
    pc_serial_break(m.pc, 99);
}
END_TEST

START_TEST(modem_lines_reach_both_sides)
{
    setup();
    ck_assert_uint_eq(inb(&m, 0x3fe), 0xb0);
    pc_serial_set_modem(m.pc, 0, PC_MODEM_CTS);
    ck_assert_uint_eq(inb(&m, 0x3fe), 0x1a);
    outb(&m, 0x3fc, 0x03);
    ck_assert_uint_eq(m.modem[0], PC_MODEM_DTR | PC_MODEM_RTS);
}
END_TEST

/* ---- Memory map and CMOS --------------------------------------------------------------------- */

static const struct {
    const char *name;
    struct pc_config config;
    uint64_t ext_kib, above_16m, above_4g; /* CMOS words: KiB, 64 KiB, 64 KiB */
} memory_rows[] = {
    { "1 MiB", { .ram_size = MIB }, 0, 0, 0 },
    { "64 MiB", { .ram_size = 64 * MIB }, 63 * 1024, 48 * 16, 0 },
    { "256 MiB and a BIOS", { .ram_size = 256 * MIB, .bios_size = 256u << 10 }, 65535, 240 * 16, 0 },
    { "4 GiB and a BIOS", { .ram_size = 4 * GIB, .bios_size = 128u << 10 }, 65535, 3568 * 16, 512 * 16 },
    { "64 GiB", { .ram_size = 64 * GIB }, 65535, 3568 * 16, (64 * 1024 - 3584) * 16 },
    { "64 MiB and a small BIOS", { .ram_size = 64 * MIB, .bios_size = 4096 }, 63 * 1024, 48 * 16, 0 },
    { "64 MiB and 2 MiB of BIOS", { .ram_size = 64 * MIB, .bios_size = 2 * MIB }, 63 * 1024, 48 * 16, 0 },
};

/* Ascending, no overlap, every byte of RAM but the part behind the VGA hole and ROM exactly once, and at its
 * own place; all of the BIOS below 4 GiB, its end below 1 MiB. */
START_TEST(memory_map_is_sound)
{
    const struct pc_config *config = &memory_rows[_i].config;
    const uint64_t copy = config->bios_size < 128u << 10 ? config->bios_size : 128u << 10;
    struct pc_region regions[PC_REGIONS_MAX];
    unsigned count = pc_memory_map(config, regions);
    uint64_t end = 0, ram = 0, ram_end = 0, rom = 0, low = 0;

    ck_assert_uint_le(count, PC_REGIONS_MAX);
    for (unsigned i = 0; i < count; i++) {
        const struct pc_region *r = &regions[i];

        ck_assert_uint_ge(r->base, end);
        ck_assert_uint_gt(r->size, 0);
        end = r->base + r->size;
        ck_assert_int_eq(r->writable, r->kind == PC_REGION_RAM);
        if (r->kind == PC_REGION_RAM) {
            ck_assert_uint_ge(r->offset, ram_end); /* no two places share a byte */
            ram_end = r->offset + r->size;
            ck_assert_uint_le(ram_end, config->ram_size);
            ck_assert(r->base == r->offset || r->base == 4 * GIB);
            ram += r->size;
        } else if (r->kind == PC_REGION_ROM) {
            ck_assert(end == 4 * GIB || end == MIB);
            ck_assert_uint_eq(r->offset + r->size, config->bios_size);
            rom += r->size;
        }
        if (end == MIB && r->kind != PC_REGION_RAM) {
            ck_assert_int_eq(r->kind, PC_REGION_ROM);
            low = r->size;
        }
    }
    ck_assert_uint_eq(low, copy);
    ck_assert_msg(ram == config->ram_size - (128u << 10) - copy, "%s", memory_rows[_i].name);
    ck_assert_uint_eq(rom, config->bios_size + copy);
}
END_TEST

static uint32_t cmos_word(unsigned index)
{
    return pc_cmos_read(m.pc, index) | pc_cmos_read(m.pc, index + 1) << 8;
}

START_TEST(cmos_tells_memory_sizes)
{
    uint32_t sum = 0;

    machine_start_with(&m, &memory_rows[_i].config);
    ck_assert_uint_eq(cmos_word(0x15), 640);
    ck_assert_uint_eq(cmos_word(0x17), memory_rows[_i].ext_kib);
    ck_assert_uint_eq(cmos_word(0x30), memory_rows[_i].ext_kib);
    ck_assert_uint_eq(cmos_word(0x34), memory_rows[_i].above_16m);
    ck_assert_uint_eq(cmos_word(0x5b) | pc_cmos_read(m.pc, 0x5d) << 16, memory_rows[_i].above_4g);
    pc_cmos_write(m.pc, 0x2d, 0x5a);
    for (unsigned i = 0x10; i <= 0x2d; i++)
        sum += pc_cmos_read(m.pc, i);
    ck_assert_uint_eq(pc_cmos_read(m.pc, 0x2e) << 8 | pc_cmos_read(m.pc, 0x2f), sum);
}
END_TEST

START_TEST(cmos_clock_shows_wall_time)
{
    static const uint8_t want[][2] = { { 0, 0x20 }, { 2, 0x13 }, { 4, 0x22 },    { 7, 0x14 },
                                       { 8, 0x11 }, { 9, 0x23 }, { 0x32, 0x20 }, { 6, 3 } };

    setup();
    for (unsigned i = 0; i < ARRAY_SIZE(want); i++)
        ck_assert_uint_eq(pc_cmos_read(m.pc, want[i][0]), want[i][1]);
}
END_TEST

/* ---- Configuration --------------------------------------------------------------------------- */

static const struct {
    const char *name;
    struct pc_config config;
    int result;
} config_rows[] = {
    { "good", { .ram_size = 16 * MIB }, 0 },
    { "everything",
      { .ram_size = 64 * GIB, .bios_size = 256u << 10, .serial_ports = 15, .exit_port = 0x501 },
      0 },
    { "too little RAM", { .ram_size = MIB - 4096 }, -EINVAL },
    { "too much RAM", { .ram_size = 64 * GIB + 4096 }, -EINVAL },
    { "odd RAM", { .ram_size = 16 * MIB + 1 }, -EINVAL },
    { "largest BIOS", { .ram_size = 16 * MIB, .bios_size = 2u << 20 }, 0 },
    { "too large a BIOS", { .ram_size = 16 * MIB, .bios_size = (2u << 20) + 4096 }, -EINVAL },
    { "odd BIOS", { .ram_size = 16 * MIB, .bios_size = 1000 }, -EINVAL },
    { "exit port on the timer", { .ram_size = 16 * MIB, .exit_port = 0x3d }, -EINVAL },
    { "exit port past the end", { .ram_size = 16 * MIB, .exit_port = 0xfffe }, -EINVAL },
};

START_TEST(configuration_is_checked)
{
    struct pc *pc = malloc(pc_size());
    int result = pc_init(pc, &config_rows[_i].config, &machine_callbacks, &m);

    ck_assert_msg(result == config_rows[_i].result, "%s: %d", config_rows[_i].name, result);
    free(pc);
}
END_TEST

/* A frontend may leave out every callback but the two clocks. */
START_TEST(optional_callbacks_may_be_absent)
{
    const struct pc_callbacks clocks = { .now_ns = machine_now, .wall_clock_ns = machine_wall };
    const struct pc_config config = { .ram_size = 16 * MIB, .serial_ports = 15, .exit_port = 0xf4 };
    struct pc *pc = malloc(pc_size());

    memset(&m, 0, sizeof(m));
    ck_assert_int_eq(pc_init(pc, &config, &clocks, &m), 0);
    pc_firmware_defaults(pc);
    for (uint32_t port = 0; port < 65536; port++) {
        for (unsigned size = 1; size <= 4; size *= 2) {
            pc_port_write(pc, port, size, port * 2654435761u);
            pc_port_read(pc, port, size);
        }
    }
    pc_raise_nmi(pc);
    pc_set_ferr(pc, true);
    pc_reset(pc);
    ck_assert_int_eq(pc_init(pc, &config, &(struct pc_callbacks){ .now_ns = machine_now }, &m), -EINVAL);
    free(pc);
}
END_TEST

START_TEST(two_machines_do_not_share_state)
{
    static struct machine other;

    setup();
    machine_start(&other);
    outb(&m, 0x80, 1);
    outb(&other, 0x80, 2);
    ck_assert_uint_eq(inb(&m, 0x80), 1);
    ck_assert_uint_eq(inb(&other, 0x80), 2);
    machine_stop(&other);
}
END_TEST

START_TEST(firmware_defaults_give_a_ticking_machine)
{
    setup();
    pc_firmware_defaults(m.pc);
    ck_assert_uint_eq(inb(&m, 0x21), 0xf8); /* open: timer, keyboard, cascade */
    ck_assert_uint_eq(inb(&m, 0xa1), 0xdf); /* x87 errors */
    ck_assert(!m.intr);
    machine_run(&m, 55000000);
    ck_assert(m.intr);
    ck_assert_uint_eq(pc_intr_ack(m.pc), 0x08);
    outb(&m, 0x20, 0x20);
    pc_key(m.pc, 0x1e, true);
    machine_run(&m, 1000000);
    ck_assert_uint_eq(pc_intr_ack(m.pc), 0x09);
    ck_assert_uint_eq(inb(&m, 0x60), 0x1e);
    outb(&m, 0x20, 0x20);
    pc_set_ferr(m.pc, true);
    ck_assert_uint_eq(pc_intr_ack(m.pc), 0x75);
}
END_TEST

START_TEST(survives_any_access)
{
    static const uint16_t bases[] = { 0x20, 0x40, 0x60,  0x70,  0x80,  0x92, 0xa0,
                                      0xe9, 0xf0, 0x2f8, 0x3f8, 0x4d0, 0xcf8 };
    uint32_t x = 2463534242u;

    setup();
    for (unsigned i = 0; i < 100000; i++) {
        uint16_t port;

        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        port = bases[(x >> 3) % ARRAY_SIZE(bases)] + (x >> 8) % 8;
        if (x & 1)
            pc_port_write(m.pc, port, 1u << (x >> 12) % 3, x * 2246822519u);
        else
            pc_port_read(m.pc, port, 1u << (x >> 12) % 3);
        if (x % 5 == 0) {
            m.now += x % 1000000;
            pc_run_timers(m.pc);
        }
        if (x % 31 == 0)
            pc_intr_ack(m.pc);
        if (x % 997 == 0)
            pc_reset(m.pc);
    }
}
END_TEST

static void add_bus(TCase *tc)
{
    tcase_add_loop_test(tc, port_reads, 0, ARRAY_SIZE(read_rows));
    tcase_add_test(tc, wide_writes_are_split_lowest_first);
    tcase_add_test(tc, unclaimed_port_is_traced_once);
    tcase_add_test(tc, post_codes_are_traced_and_read_back);
    tcase_add_test(tc, debug_console_takes_bytes);
    tcase_add_loop_test(tc, exit_port_gives_2v_plus_1, 0, ARRAY_SIZE(exit_rows));
    tcase_add_test(tc, mmio_is_open_bus);
    tcase_add_test(tc, survives_any_access);
}

static void add_signals(TCase *tc)
{
    tcase_add_loop_test(tc, interrupt_is_wired, 0, ARRAY_SIZE(irq_rows));
    tcase_add_test(tc, acknowledge_without_request_is_spurious);
    tcase_add_test(tc, ports_that_share_an_irq_are_ored);
    tcase_add_test(tc, fpu_error_raises_irq13_until_f0_and_ignne_until_ferr_ends);
    tcase_add_test(tc, nmi_is_masked_by_port_70);
    tcase_add_test(tc, deadline_is_told_and_served);
    tcase_add_test(tc, earliest_of_several_deadlines_wins);
    tcase_add_test(tc, port_61_shows_gate_speaker_refresh_and_out2);
    tcase_add_loop_test(tc, reset_request, 0, ARRAY_SIZE(reset_rows));
    tcase_add_test(tc, reset_puts_every_chip_back);
    tcase_add_test(tc, serial_ports_are_separate);
    tcase_add_test(tc, modem_lines_reach_both_sides);
}

static void add_configuration(TCase *tc)
{
    tcase_add_loop_test(tc, memory_map_is_sound, 0, ARRAY_SIZE(memory_rows));
    tcase_add_loop_test(tc, cmos_tells_memory_sizes, 0, ARRAY_SIZE(memory_rows));
    tcase_add_test(tc, cmos_clock_shows_wall_time);
    tcase_add_loop_test(tc, configuration_is_checked, 0, ARRAY_SIZE(config_rows));
    tcase_add_test(tc, optional_callbacks_may_be_absent);
    tcase_add_test(tc, two_machines_do_not_share_state);
    tcase_add_test(tc, firmware_defaults_give_a_ticking_machine);
}

int main(void)
{
    Suite *suite = suite_create("pc");
    TCase *cases[] = { tcase_create("bus"), tcase_create("signals"), tcase_create("configuration") };

    add_bus(cases[0]);
    add_signals(cases[1]);
    add_configuration(cases[2]);
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        tcase_add_checked_fixture(cases[i], NULL, teardown);
        suite_add_tcase(suite, cases[i]);
    }
    return machine_main(suite);
}
