/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The Sound Blaster 16 in the machine: what software finds it by, transfers by DMA and their interrupts, what
 * is heard of them, the mixer, the MPU-401 and the FM chip's timers. Creative's "Sound Blaster Series
 * Hardware Programming Guide"; Yamaha YMF262 data sheet.
 */
#include "sound_bench.h"

enum {
    BASE = 0x220,
    MIXER = BASE + 4,
    RESET = BASE + 6,
    DATA = BASE + 0xa,
    COMMAND = BASE + 0xc,
    STATUS = BASE + 0xe,
    STATUS_16 = BASE + 0xf,
    MPU = 0x330,
    FM = 0x388,
    BUFFER = 0x10000,
    MS = 1000000,
};

static void dsp(uint8_t value)
{
    ck_assert_uint_eq(inb(&m, COMMAND) & 0x80, 0);
    outb(&m, COMMAND, value);
}

static uint8_t dsp_get(void)
{
    ck_assert_uint_eq(inb(&m, STATUS) & 0x80, 0x80);
    return inb(&m, DATA);
}

static void mixer(uint8_t index, uint8_t value)
{
    outb(&m, MIXER, index);
    outb(&m, MIXER + 1, value);
}

static uint8_t mixer_get(uint8_t index)
{
    outb(&m, MIXER, index);
    return inb(&m, MIXER + 1);
}

/* Has IRQ `irq` been requested? As the 8259A's IRR says. */
static bool requested(unsigned irq)
{
    uint16_t command = irq < 8 ? 0x20 : 0xa0;

    outb(&m, command, 0x0a);
    return inb(&m, command) >> irq % 8 & 1;
}

/* Channel 1, or 5, over `size` bytes at BUFFER. */
static void set_dma(unsigned channel, unsigned size, uint8_t mode)
{
    const bool wide = channel >= 4;
    const uint16_t base = wide ? 0xc0 : 0, step = wide ? 2 : 1, n = channel % 4;
    const unsigned address = (wide ? BUFFER >> 1 : BUFFER) & 0xffff, count = (wide ? size / 2 : size) - 1;

    outb(&m, base + 10 * step, 4 | n);
    outb(&m, base + 12 * step, 0);
    outb(&m, base + 11 * step, mode | n);
    outb(&m, base + 2 * n * step, address & 0xff);
    outb(&m, base + 2 * n * step, address >> 8);
    outb(&m, base + (2 * n + 1) * step, count & 0xff);
    outb(&m, base + (2 * n + 1) * step, count >> 8);
    outb(&m, wide ? 0x8b : 0x83, BUFFER >> 16);
    outb(&m, base + 10 * step, n);
}

static unsigned dma_count(unsigned channel)
{
    const uint16_t port = channel < 4 ? 2 * channel + 1 : 0xc0 + 2 * (2 * (channel - 4) + 1);
    unsigned low;

    outb(&m, channel < 4 ? 0x0c : 0xd8, 0);
    low = inb(&m, port);
    return inb(&m, port) << 8 | low;
}

static void start_card(void)
{
    start_pc();
    outb(&m, 0x21, 0x00);
    outb(&m, 0xa1, 0x00);
    outb(&m, RESET, 1);
    machine_run(&m, 3000);
    outb(&m, RESET, 0);
    machine_run(&m, 100000);
    ck_assert_uint_eq(dsp_get(), 0xaa);
    mixer(0x30, 0xf8);
    mixer(0x31, 0xf8);
    mixer(0x32, 0xf8);
    mixer(0x33, 0xf8);
}

/* ---- What it is found by ------------------------------------------------------------------------- */

START_TEST(the_dsp_says_what_it_is)
{
    static const char copyright[] = "COPYRIGHT (C) CREATIVE TECHNOLOGY LTD, 1992.";

    dsp(0xe1);
    ck_assert_uint_eq(dsp_get(), 4);
    ck_assert_uint_eq(dsp_get(), 5);
    ck_assert_uint_eq(inb(&m, STATUS) & 0x80, 0);
    dsp(0xe0);
    dsp(0x5a);
    ck_assert_uint_eq(dsp_get(), 0xa5);
    dsp(0xe4);
    dsp(0x77);
    dsp(0xe8);
    ck_assert_uint_eq(dsp_get(), 0x77);
    dsp(0xe3);
    for (unsigned i = 0; i < sizeof(copyright); i++)
        ck_assert_uint_eq(dsp_get(), (uint8_t)copyright[i]);
    dsp(0xd1);
    dsp(0xd8);
    ck_assert_uint_eq(dsp_get(), 0xff);
    dsp(0xd3);
    dsp(0xd8);
    ck_assert_uint_eq(dsp_get(), 0x00);
}
END_TEST

/* A reset is a 1 and then a 0; it answers, and forgets half a command. */
START_TEST(a_reset_answers)
{
    outb(&m, RESET, 0);
    ck_assert_uint_eq(inb(&m, STATUS) & 0x80, 0);
    dsp(0x40);
    outb(&m, RESET, 1);
    ck_assert_uint_eq(inb(&m, STATUS) & 0x80, 0);
    outb(&m, RESET, 0);
    ck_assert_uint_eq(dsp_get(), 0xaa);
    dsp(0xe1);
    ck_assert_uint_eq(dsp_get(), 4);
}
END_TEST

/* Resources by registers 80h and 81h, which a reset of the mixer leaves alone. */
START_TEST(resources_are_selected_by_the_mixer)
{
    static const struct {
        uint8_t select;
        unsigned irq;
    } rows[] = { { 1, 9 }, { 2, 5 }, { 4, 7 }, { 8, 10 } };

    ck_assert_uint_eq(mixer_get(0x80) & 0x0f, 0x02);
    ck_assert_uint_eq(mixer_get(0x81), 0x22);
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        mixer(0x80, rows[i].select);
        ck_assert_uint_eq(mixer_get(0x80) & 0x0f, rows[i].select);
        ck_assert(!requested(rows[i].irq));
        dsp(0xf2);
        ck_assert(requested(rows[i].irq));
        ck_assert_uint_eq(mixer_get(0x82) & 7, 1);
        inb(&m, STATUS);
        ck_assert(!requested(rows[i].irq));
        ck_assert_uint_eq(mixer_get(0x82) & 7, 0);
    }
    mixer(0x00, 0);
    ck_assert_uint_eq(mixer_get(0x80) & 0x0f, 0x08);
    dsp(0xf3);
    ck_assert_uint_eq(mixer_get(0x82) & 7, 2);
    inb(&m, STATUS);
    ck_assert(requested(10));
    inb(&m, STATUS_16);
    ck_assert(!requested(10));
}
END_TEST

/* ---- Transfers ----------------------------------------------------------------------------------- */

/* A square wave of `period` bytes. */
static void fill_wave(unsigned size, unsigned period)
{
    for (unsigned i = 0; i < size; i++)
        m.ram[BUFFER + i] = i % period < period / 2 ? 0xc0 : 0x40;
}

/* 8 bits, mono, automatic: a wave of 1 kHz, an interrupt each half of the buffer, at its time. */
START_TEST(automatic_8_bits)
{
    fill_wave(4000, 20);
    set_dma(1, 4000, 0x58);
    dsp(0x41);
    dsp(20000 >> 8);
    dsp(20000 & 0xff);
    dsp(0xc6);
    dsp(0x00);
    dsp(1999 & 0xff);
    dsp(1999 >> 8);
    start_listening();
    for (unsigned i = 0; i < 15; i++) {
        machine_run(&m, 99 * MS);
        ck_assert(!requested(5));
        machine_run(&m, 1 * MS + (i ? 0 : 30000));
        ck_assert(requested(5));
        ck_assert_int_le(abs((int)dma_count(1) - (i % 2 ? 3999 : 1999)), 1);
        inb(&m, STATUS);
        ck_assert(!requested(5));
    }
    ck_assert_int_le(abs((int)count_waves(100, 48000, 0) - 1000), 1);
    ck_assert_int_eq(loudest(100, 48000, 0), 0x4000);
    ck_assert_int_eq(loudest(100, 48000, 1), 0x4000);
    dsp(0xda); /* to the end of this block */
    machine_run(&m, 101 * MS);
    ck_assert(requested(5));
    inb(&m, STATUS);
    machine_run(&m, 200 * MS);
    ck_assert(!requested(5));
    ck_assert_uint_gt(pc_next_deadline(m.pc), m.now + 50 * MS);
}
END_TEST

/* 16 bits, stereo, signed, once: left and right have waves of their own. */
START_TEST(single_16_bits_stereo)
{
    for (unsigned i = 0; i < 4410; i++) {
        int16_t frame[2] = { i % 100 < 50 ? 8000 : -8000, i % 50 < 25 ? 4000 : -4000 };

        memcpy(&m.ram[BUFFER + 4 * i], frame, 4);
    }
    set_dma(5, 17640, 0x48);
    dsp(0x41);
    dsp(44100 >> 8);
    dsp(44100 & 0xff);
    dsp(0xb0);
    dsp(0x30);
    dsp(8819 & 0xff);
    dsp(8819 >> 8);
    start_listening();
    machine_run(&m, 99 * MS);
    ck_assert(!requested(5));
    ck_assert_int_le(abs((int)dma_count(5) - 88), 4);
    machine_run(&m, 1 * MS + 30000);
    ck_assert(requested(5));
    ck_assert_uint_eq(mixer_get(0x82) & 7, 2);
    inb(&m, STATUS_16);
    ck_assert_int_le(abs((int)count_waves(0, 4800, 0) - 44), 1);
    ck_assert_int_le(abs((int)count_waves(0, 4800, 1) - 88), 1);
    ck_assert_int_eq(loudest(100, 4600, 0), 8000);
    ck_assert_int_eq(loudest(100, 4600, 1), 4000);
    machine_run(&m, 200 * MS);
    ck_assert(!requested(5));
}
END_TEST

/* Formats: each of these plays the same two levels. */
START_TEST(formats)
{
    static const struct {
        uint8_t command, mode;
        uint8_t low[2], high[2];
    } rows[] = {
        { 0xc0, 0x00, { 0x40, 0x40 }, { 0xc0, 0xc0 } },
        { 0xc0, 0x10, { 0xc0, 0xc0 }, { 0x40, 0x40 } },
        { 0xb0, 0x00, { 0x00, 0x40 }, { 0x00, 0xc0 } },
        { 0xb0, 0x10, { 0x00, 0xc0 }, { 0x00, 0x40 } },
    };
    const bool wide = (rows[_i].command & 0xf0) == 0xb0;

    for (unsigned i = 0; i < 1000; i++)
        memcpy(&m.ram[BUFFER + 2 * i], i % 100 < 50 ? rows[_i].low : rows[_i].high, 2);
    set_dma(wide ? 5 : 1, 2000, 0x48);
    dsp(0x41);
    dsp(10000 >> 8);
    dsp(10000 & 0xff);
    dsp(rows[_i].command);
    dsp(rows[_i].mode);
    dsp(999 & 0xff);
    dsp(999 >> 8);
    start_listening();
    machine_run(&m, 101 * MS);
    ck_assert_int_eq(loudest(100, 4600, 0), 0x4000);
    ck_assert_int_lt(heard[100][0], -0x3f00);
}
END_TEST

/* The older commands: a time constant, a block's size, and automatic or not by the command's number. */
START_TEST(older_commands)
{
    fill_wave(1000, 10);
    set_dma(1, 1000, 0x58);
    dsp(0x40);
    dsp(256 - 100); /* 10 kHz */
    dsp(0x14);
    dsp(499 & 0xff);
    dsp(499 >> 8);
    machine_run(&m, 49 * MS);
    ck_assert(!requested(5));
    machine_run(&m, 2 * MS);
    ck_assert(requested(5));
    inb(&m, STATUS);
    machine_run(&m, 100 * MS);
    ck_assert(!requested(5));
    dsp(0x48);
    dsp(249);
    dsp(0);
    dsp(0x90); /* "high speed": automatic */
    for (unsigned i = 0; i < 4; i++) {
        machine_run(&m, 25 * MS);
        ck_assert(requested(5));
        inb(&m, STATUS);
    }
    outb(&m, RESET, 1);
    outb(&m, RESET, 0);
    machine_run(&m, 100 * MS);
    ck_assert(!requested(5));
    dsp_get();
    dsp(0x80); /* silence for 1000 samples, without DMA */
    dsp(999 & 0xff);
    dsp(999 >> 8);
    machine_run(&m, 98 * MS);
    ck_assert(!requested(5));
    machine_run(&m, 3 * MS);
    ck_assert(requested(5));
}
END_TEST

START_TEST(pauses_and_goes_on)
{
    unsigned count;

    fill_wave(10000, 10);
    set_dma(1, 10000, 0x48);
    dsp(0x41);
    dsp(10000 >> 8);
    dsp(10000 & 0xff);
    dsp(0xc0);
    dsp(0x00);
    dsp(9999 & 0xff);
    dsp(9999 >> 8);
    machine_run(&m, 500 * MS);
    dsp(0xd0);
    count = dma_count(1);
    ck_assert_int_le(abs((int)count - 5000), 3);
    start_listening();
    machine_run(&m, 2000 * MS);
    ck_assert_uint_eq(dma_count(1), count);
    ck_assert_uint_eq(heard_count, 0);
    ck_assert(!requested(5));
    dsp(0xd4);
    machine_run(&m, 499 * MS);
    ck_assert(!requested(5));
    machine_run(&m, 2 * MS);
    ck_assert(requested(5));
}
END_TEST

/* Nothing comes of a channel that is masked; when it is opened the transfer goes on. */
START_TEST(waits_for_dma)
{
    fill_wave(1000, 10);
    set_dma(1, 1000, 0x48);
    outb(&m, 0x0a, 5);
    dsp(0x41);
    dsp(10000 >> 8);
    dsp(10000 & 0xff);
    dsp(0xc0);
    dsp(0x00);
    dsp(999 & 0xff);
    dsp(999 >> 8);
    machine_run(&m, 500 * MS);
    ck_assert(!requested(5));
    ck_assert_uint_eq(dma_count(1), 999);
    outb(&m, 0x0a, 1);
    machine_run(&m, 98 * MS);
    ck_assert(!requested(5));
    machine_run(&m, 3 * MS);
    ck_assert(requested(5));
}
END_TEST

/* What is recorded is silence, at its pace. */
START_TEST(records_silence)
{
    memset(&m.ram[BUFFER], 0x11, 2000);
    set_dma(1, 1000, 0x44);
    dsp(0x42);
    dsp(10000 >> 8);
    dsp(10000 & 0xff);
    dsp(0xc8);
    dsp(0x00);
    dsp(999 & 0xff);
    dsp(999 >> 8);
    machine_run(&m, 50 * MS);
    ck_assert_int_le(abs((int)dma_count(1) - 499), 2);
    ck_assert_uint_eq(m.ram[BUFFER + 490], 0x80);
    ck_assert_uint_eq(m.ram[BUFFER + 510], 0x11);
    machine_run(&m, 51 * MS);
    ck_assert(requested(5));
    ck_assert_uint_eq(m.ram[BUFFER + 999], 0x80);
    ck_assert_uint_eq(m.ram[BUFFER + 1000], 0x11);
}
END_TEST

START_TEST(levels_written_directly)
{
    for (unsigned i = 0; i < 4000; i++) { /* at 8 kHz, 500 Hz */
        dsp(0x10);
        dsp(i % 16 < 8 ? 0xa0 : 0x60);
        machine_run(&m, 125000);
    }
    ck_assert_int_le(abs((int)count_waves(100, 23000, 0) - 240), 2);
    ck_assert_int_eq(loudest(100, 23000, 0), 0x2000);
}
END_TEST

/* A host that was away for longer than two blocks: no interrupt is lost, and nothing is played twice, as the
   guest has had no time of its own. */
START_TEST(a_late_host_loses_no_block)
{
    fill_wave(2000, 20);
    set_dma(1, 2000, 0x58);
    dsp(0x41);
    dsp(10000 >> 8);
    dsp(10000 & 0xff);
    dsp(0xc6);
    dsp(0x00);
    dsp(999 & 0xff);
    dsp(999 >> 8);
    m.now += 350 * MS;
    pc_run_timers(m.pc);
    ck_assert(requested(5));
    ck_assert_uint_eq(dma_count(1), 1999); /* two blocks, of which the second has not ended for the guest */
    inb(&m, STATUS);
    machine_run(&m, 2 * MS);
    ck_assert(requested(5)); /* now it has */
    inb(&m, STATUS);
    machine_run(&m, 101 * MS);
    ck_assert(requested(5));
    m.run_ns += 500 * MS; /* a guest that had the time and took no notice is left behind */
    machine_run(&m, 101 * MS);
    m.run_ns += 500 * MS;
    machine_run(&m, 101 * MS);
    ck_assert_int_gt(abs((int)dma_count(1) - 1999), 100);
}
END_TEST

/* ---- The mixer ----------------------------------------------------------------------------------- */

START_TEST(volumes)
{
    mixer(0x00, 0);
    ck_assert_uint_eq(mixer_get(0x30), 0xc0);
    ck_assert_uint_eq(mixer_get(0x44), 0x80);
    mixer(0x22, 0xf4); /* the Pro's master: left 15, right 4 */
    ck_assert_uint_eq(mixer_get(0x30), 0xf8);
    ck_assert_uint_eq(mixer_get(0x31), 0x48);
    ck_assert_uint_eq(mixer_get(0x22), 0xf4);
    mixer(0x32, 0xff);
    ck_assert_uint_eq(mixer_get(0x32), 0xf8);
    mixer(0x33, 0x00);
    dsp(0x10);
    dsp(0xc0);
    start_listening();
    machine_run(&m, 20 * MS);
    ck_assert_int_eq(heard[100][0], 0x4000);
    ck_assert_int_eq(heard[100][1], 0);
    mixer(0x30, 25 << 3); /* 6 dB less */
    dsp(0x10);
    dsp(0xc0);
    machine_run(&m, 20 * MS);
    ck_assert_int_le(abs(heard[heard_count - 1][0] - 0x2000), 0x30);
}
END_TEST

/* ---- Others -------------------------------------------------------------------------------------- */

START_TEST(the_mpu_acknowledges)
{
    ck_assert_uint_eq(inb(&m, MPU + 1) & 0xc0, 0x80);
    outb(&m, MPU + 1, 0xff);
    ck_assert_uint_eq(inb(&m, MPU + 1) & 0xc0, 0x00);
    ck_assert_uint_eq(mixer_get(0x82) & 7, 4);
    ck_assert_uint_eq(inb(&m, MPU), 0xfe);
    ck_assert_uint_eq(mixer_get(0x82) & 7, 0);
    outb(&m, MPU + 1, 0x3f);
    ck_assert_uint_eq(inb(&m, MPU), 0xfe);
    outb(&m, MPU, 0x90);
    ck_assert_uint_eq(inb(&m, MPU + 1) & 0xc0, 0x80);
    outb(&m, MPU + 1, 0xff); /* ends UART mode, and says nothing */
    ck_assert_uint_eq(inb(&m, MPU + 1) & 0xc0, 0x80);
    outb(&m, MPU + 1, 0x3f);
    ck_assert_uint_eq(inb(&m, MPU), 0xfe);
}
END_TEST

static void fm(uint8_t index, uint8_t value)
{
    outb(&m, FM, index);
    outb(&m, FM + 1, value);
}

/* As every program for this chip looks for it. */
START_TEST(the_fm_chip_is_found_by_its_timers)
{
    fm(4, 0x60);
    fm(4, 0x80);
    ck_assert_uint_eq(inb(&m, FM) & 0xe6, 0x00); /* bits 1 and 2 clear: an OPL3 */
    fm(2, 0xff);
    fm(4, 0x21);
    machine_run(&m, 70000);
    ck_assert_uint_eq(inb(&m, FM) & 0xe0, 0x00);
    machine_run(&m, 30000);
    ck_assert_uint_eq(inb(&m, FM) & 0xe0, 0xc0);
    ck_assert_uint_eq(inb(&m, BASE + 8) & 0xe0, 0xc0);
    fm(4, 0x60);
    fm(4, 0x80);
    ck_assert_uint_eq(inb(&m, BASE) & 0xe0, 0x00);
    fm(3, 0xfe);
    fm(4, 0x42);
    machine_run(&m, 600000);
    ck_assert_uint_eq(inb(&m, FM) & 0xe0, 0x00);
    machine_run(&m, 60000);
    ck_assert_uint_eq(inb(&m, FM) & 0xe0, 0xa0);
}
END_TEST

/* Any guest may do anything, with transfers under way and DMA anywhere. */
START_TEST(survives_anything)
{
    static const uint16_t port[] = { 0x00, 0xc0, 0x81, 0x220, 0x330, 0x388, 0x61, 0x42 };
    static const uint16_t count[] = { 16, 32, 15, 16, 2, 4, 1, 2 };
    static const uint8_t command[] = { 0x10, 0x14, 0x1c, 0x24, 0x40, 0x41, 0x48, 0x75, 0x7d,
                                       0x80, 0x90, 0xb4, 0xb8, 0xc6, 0xcc, 0xd0, 0xd4, 0xda };
    uint32_t x = 2463534242u;

    for (unsigned i = 0; i < 300000; i++) {
        unsigned which;

        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        which = (x >> 4) % ARRAY_SIZE(port);
        switch (x % 8) {
        case 0:
            inb(&m, port[which] + (x >> 8) % count[which]);
            break;
        case 1:
            machine_run(&m, (x >> 8) % 1000000);
            break;
        case 2:
            m.now += x >> 20 ? (x >> 8) % 100000000 : (uint64_t)x * 1000000;
            m.run_ns += (x >> 8) % 10000000;
            pc_run_timers(m.pc);
            break;
        case 3:
            outb(&m, COMMAND, command[(x >> 8) % ARRAY_SIZE(command)]);
            break;
        case 4:
            set_dma(x & 0x100 ? 1 : 5, (x >> 10) % 4096 + 2, x >> 16 & 0xfc);
            break;
        default:
            outb(&m, port[which] + (x >> 8) % count[which], x >> 16);
            break;
        }
        ck_assert_uint_ge(m.now, 5000000000u);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sb16");
    TCase *tc = tcase_create("sb16");

    tcase_add_checked_fixture(tc, start_card, stop_pc);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, the_dsp_says_what_it_is);
    tcase_add_test(tc, a_reset_answers);
    tcase_add_test(tc, resources_are_selected_by_the_mixer);
    tcase_add_test(tc, automatic_8_bits);
    tcase_add_test(tc, single_16_bits_stereo);
    tcase_add_loop_test(tc, formats, 0, 4);
    tcase_add_test(tc, older_commands);
    tcase_add_test(tc, pauses_and_goes_on);
    tcase_add_test(tc, waits_for_dma);
    tcase_add_test(tc, records_silence);
    tcase_add_test(tc, levels_written_directly);
    tcase_add_test(tc, a_late_host_loses_no_block);
    tcase_add_test(tc, volumes);
    tcase_add_test(tc, the_mpu_acknowledges);
    tcase_add_test(tc, the_fm_chip_is_found_by_its_timers);
    tcase_add_test(tc, survives_anything);
    suite_add_tcase(suite, tc);
    return machine_main(suite);
}
