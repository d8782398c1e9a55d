/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The speaker in the machine: tones of the timer, sounds made by its bit and by one-shot counts, silence, and
 * what costs nothing; also while the timer is lent. IBM PC/AT Technical Reference, "Speaker".
 */
#include "sound_bench.h"

#include "devices/near.h"

enum { DATA = 2, GATE = 1 };

static void tone(unsigned count)
{
    outb(&m, 0x43, 0xb6);
    outb(&m, 0x42, count & 0xff);
    outb(&m, 0x42, count >> 8);
}

/* As many waves as the timer makes, as loud as can be, and nothing before it is switched on or after. */
START_TEST(a_tone_has_its_frequency)
{
    static const unsigned counts[] = { 1193, 2712, 10000, 60000, 200 };
    const unsigned count = counts[_i], hz = 1193182 / count;

    tone(count);
    machine_run(&m, 100000000);
    ck_assert_uint_eq(heard_count, 0);
    start_listening();
    outb(&m, 0x61, DATA | GATE);
    machine_run(&m, 1000000000);
    ck_assert_uint_gt(heard_count, DEVICE_SOUND_RATE - 500);
    ck_assert_int_le(abs((int)count_waves(0, DEVICE_SOUND_RATE - 500, 0) - (int)hz), (int)hz / 90 + 1);
    ck_assert_int_gt(loudest(1000, 40000, 0), 6500);
    ck_assert_int_lt(loudest(1000, 40000, 0), 16385);
    ck_assert_mem_eq(&heard[1000][0], &heard[1000][1], 2);
    outb(&m, 0x61, 0);
    machine_run(&m, 500000000);
    start_listening();
    machine_run(&m, 500000000);
    ck_assert_uint_eq(heard_count, 0);
    ck_assert_uint_gt(pc_next_deadline(m.pc), m.now + 100000000); /* and nobody has to look */
}
END_TEST

/* Each sample is the part of its time for which the bit is set. */
START_TEST(widths_of_pulses_are_levels)
{
    static const uint64_t width[] = { 25000, 50000, 75000 };
    int level[3];

    for (unsigned w = 0; w < 3; w++) {
        stop_pc();
        start_pc();
        for (unsigned i = 0; i < 4; i++) { /* OUT2 is high while the gate of mode 3 is low */
            tone(1000);
            outb(&m, 0x61, DATA);
            machine_run(&m, width[w]);
            outb(&m, 0x61, 0);
            machine_run(&m, 100000 - width[w]);
        }
        machine_run(&m, 20000000);
        level[w] = 0;
        for (unsigned i = 0; i < 19; i++)
            level[w] += heard[i][0];
    }
    ck_assert_int_gt(level[0], 10000);
    ck_assert_int_lt(abs(level[1] - 2 * level[0]), level[0] / 10);
    ck_assert_int_lt(abs(level[2] - 3 * level[0]), level[0] / 10);
}
END_TEST

/* The other way to do so: a one-shot count for each sample, whose output is low until it has run down. */
START_TEST(one_shot_counts_are_levels)
{
    outb(&m, 0x43, 0x90); /* counter 2, low byte, mode 0 */
    outb(&m, 0x61, DATA | GATE);
    for (unsigned i = 0; i < 16000; i++) { /* at 16 kHz, a wave of 500 Hz */
        outb(&m, 0x42, i % 32 < 16 ? 10 : 60);
        machine_run(&m, 62500);
    }
    ck_assert_uint_gt(heard_count, DEVICE_SOUND_RATE - 500);
    for (unsigned i = 0; i + 3 <= heard_count; i++) /* without the 16 kHz */
        heard[i][0] = (int16_t)((heard[i][0] + heard[i + 1][0] + heard[i + 2][0]) / 3);
    ck_assert_int_le(abs((int)count_waves(4800, 43200, 0) - 450), 3);
}
END_TEST

/* A bit that is set and stays is no sound, and needs no deadline. */
START_TEST(a_level_that_stays_is_silent)
{
    tone(1000);
    outb(&m, 0x61, DATA);
    machine_run(&m, 500000000);
    start_listening();
    machine_run(&m, 500000000);
    ck_assert_uint_eq(heard_count, 0);
    ck_assert_uint_gt(pc_next_deadline(m.pc), m.now + 100000000);
    outb(&m, 0x61, DATA | GATE); /* and the tone begins */
    machine_run(&m, 500000000);
    ck_assert_int_gt(loudest(24000, 20000, 0), 6500);
}
END_TEST

static void ignore_intr(void *ctx, bool level)
{
    (void)ctx, (void)level;
}

static void ignore_deadline(void *ctx)
{
    (void)ctx;
}

/* Who has the timer lent does not write to a counter that is heard, but to all others. */
START_TEST(a_counter_that_is_heard_is_not_lent)
{
    static const struct near_host host = { .now = machine_now,
                                           .intr_changed = ignore_intr,
                                           .deadline_changed = ignore_deadline };
    _Alignas(16) uint8_t lent[PC_LENT_SIZE];
    struct near near;

    for (unsigned on = 0; on < 2; on++) {
        outb(&m, 0x61, on ? DATA | GATE : GATE);
        pc_lend(m.pc, lent);
        near_init(&near, (struct near_state *)lent, &host, &m);
        ck_assert(near_write(&near, 0x42, 1) == !on);
        ck_assert(near_write(&near, 0x43, 0xb6) == !on);
        ck_assert(near_write(&near, 0x40, 1));
        ck_assert(near_write(&near, 0x43, 0x80)); /* latches it, only */
        ck_assert(near_write(&near, 0x43, 0x00));
        ((struct near_state *)lent)->heard = !on;
        ck_assert(pc_take_back(m.pc, lent));
    }
    pc_lend(m.pc, lent);
    ck_assert_uint_eq(((struct near_state *)lent)->heard, 1);
}
END_TEST

/* Frames do not depend on when anybody looked. */
START_TEST(sound_depends_on_machine_time_alone)
{
    static int16_t once[4800][2];

    for (unsigned run = 0; run < 2; run++) {
        stop_pc();
        start_pc();
        tone(1000);
        outb(&m, 0x61, DATA | GATE);
        for (unsigned i = 0; i < 100; i++) {
            machine_run(&m, 1000000);
            if (run)
                outb(&m, 0x61, DATA | GATE), inb(&m, 0x42), outb(&m, 0x43, 0x80);
        }
        outb(&m, 0x61, 0);
        ck_assert_uint_ge(heard_count, 4799);
        if (!run)
            memcpy(once, heard, sizeof(once));
    }
    for (unsigned i = 0; i < 4799; i++)
        ck_assert_int_le(abs(once[i][0] - heard[i][0]), 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("speaker");
    TCase *tc = tcase_create("speaker");

    tcase_add_checked_fixture(tc, start_pc, stop_pc);
    tcase_add_loop_test(tc, a_tone_has_its_frequency, 0, 5);
    tcase_add_test(tc, widths_of_pulses_are_levels);
    tcase_add_test(tc, one_shot_counts_are_levels);
    tcase_add_test(tc, a_level_that_stays_is_silent);
    tcase_add_test(tc, a_counter_that_is_heard_is_not_lent);
    tcase_add_test(tc, sound_depends_on_machine_time_alone);
    suite_add_tcase(suite, tc);
    return machine_main(suite);
}
