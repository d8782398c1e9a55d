/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Lending what of the display adapter programs talk to while they draw: whoever has it makes the same of
 * every access as the adapter itself, and whatever he gives back does no harm.
 */
#include "vga_bench.h"

#include "devices/lent_video.h"

static struct vga_bench b;
static union {
    struct lent_video video;
    uint8_t bytes[PC_LENT_VIDEO_SIZE];
} lent;

static void set_up(void)
{
    vga_start(&b);
}

static void tear_down(void)
{
    machine_stop(&b.m);
}

static uint32_t random_state = 88172645u;

static uint32_t random_32(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state;
}

/* ---- The same answers
 * ---------------------------------------------------------------------------------------- */

/* As the executor: where the adapter is lent it is asked, and else, or if it declines, the board is. */
static uint8_t port_read(uint16_t port)
{
    uint8_t value;
    bool here = pc_lend_video(b.m.pc, lent.bytes) && lent_video_in(&lent.video, port, b.m.now, &value);

    if (here)
        pc_take_video_back(b.m.pc, lent.bytes);
    return here ? value : inb(&b.m, port);
}

static bool port_write(uint16_t port, uint8_t value)
{
    bool here = pc_lend_video(b.m.pc, lent.bytes) && lent_video_out(&lent.video, port, value);

    if (here)
        pc_take_video_back(b.m.pc, lent.bytes);
    else
        outb(&b.m, port, value);
    return here;
}

static uint8_t memory_read(uint32_t offset)
{
    uint8_t value;

    if (plain_at(&b, 0xa0000 + offset, false) || !pc_lend_video(b.m.pc, lent.bytes))
        return peek(&b, 0xa0000 + offset);
    value = planar_read(&lent.video.planar, b.m.video, offset);
    pc_take_video_back(b.m.pc, lent.bytes);
    return value;
}

static void memory_write(uint32_t offset, uint8_t value)
{
    struct planar_store store;

    if (plain_at(&b, 0xa0000 + offset, true) || !pc_lend_video(b.m.pc, lent.bytes)) {
        poke(&b, 0xa0000 + offset, value);
        return;
    }
    if (planar_write(&lent.video.planar, b.m.video, offset, value, &store))
        memcpy(b.m.video + 4 * (size_t)store.at, &store.planes, 4);
    pc_take_video_back(b.m.pc, lent.bytes);
}

static const struct vga_mode *const modes[] = { &vga_mode_3, &vga_mode_4, &vga_mode_6, &vga_mode_12,
                                                &vga_mode_13 };

/* A hash of all that was read; with `lending` accesses are made as above, else by the board. */
static uint64_t play(bool lending)
{
    static const uint16_t ports[] = { 0x3c4, 0x3c5, 0x3ce, 0x3cf, 0x3da, 0x3c0, 0x3c1, 0x3d4, 0x3d5 };
    uint64_t hash = 1;

    random_state = 88172645u;
    for (unsigned i = 0; i < 100000; i++) {
        uint32_t x = random_32(), y = random_32();
        uint16_t port = ports[x % ARRAY_SIZE(ports)];
        uint32_t offset = (x >> 8) % 3 ? 0x18000 + (y & 0xff) : y & 0x1ffff;
        uint8_t value = port == 0x3c4 || port == 0x3ce ? (y >> 8) % 10 : y >> 8;

        if (i % 5000 == 0) {
            set_mode(&b, modes[i / 5000 % ARRAY_SIZE(modes)]);
        } else if (x >> 30 == 0) {
            hash = hash * 31 + (lending ? port_read(port) : inb(&b.m, port));
        } else if (x >> 30 == 1) {
            if (lending)
                port_write(port, value);
            else
                outb(&b.m, port, value);
        } else if (x >> 30 == 2) {
            hash = hash * 31 + (lending ? memory_read(offset) : peek(&b, 0xa0000 + offset));
        } else if (lending) {
            memory_write(offset, value);
        } else {
            poke(&b, 0xa0000 + offset, value);
        }
        b.m.now += y & 0xfff;
    }
    for (uint32_t i = 0; i < VIDEO_ROM; i++)
        hash = hash * 31 + b.m.video[i];
    return hash;
}

START_TEST(lent_it_does_the_same)
{
    uint64_t alone = play(false), together;

    tear_down();
    set_up();
    together = play(true);
    ck_assert_uint_eq(alone, together);
}
END_TEST

/* ---- What is done by whom
 * ------------------------------------------------------------------------------------- */

START_TEST(drawing_needs_nobody)
{
    set_mode(&b, &vga_mode_12);
    ck_assert(port_write(0x3c4, 2));
    ck_assert(port_write(0x3c5, 5));
    ck_assert(port_write(0x3ce, 5));
    ck_assert(port_write(0x3cf, 2));
    ck_assert(port_write(0x3ce, 8));
    ck_assert(port_write(0x3cf, 0x81));
    ck_assert_uint_eq(get_index(&b, 0x3c4, 2), 5);
    ck_assert_uint_eq(get_index(&b, 0x3ce, 8), 0x81);
}
END_TEST

START_TEST(what_others_look_at_does)
{
    set_mode(&b, &vga_mode_12);
    port_write(0x3ce, 6);
    ck_assert(!port_write(0x3cf, 0x0d)); /* where memory is */
    port_write(0x3ce, 5);
    ck_assert(!port_write(0x3cf, 0x40)); /* how it is shown */
    port_write(0x3c4, 4);
    ck_assert(!port_write(0x3c5, 0x0e)); /* plain from now on */
    port_write(0x3c4, 2);
    ck_assert(!port_write(0x3c5, 0x07)); /* ... and no more */
    ck_assert(!port_write(0x3c2, 0x67));
}
END_TEST

START_TEST(nothing_is_lent_in_linear_modes)
{
    ck_assert(pc_lend_video(b.m.pc, lent.bytes));
    put_dispi(&b, 1, 640);
    put_dispi(&b, 2, 480);
    put_dispi(&b, 4, 1);
    ck_assert(!pc_lend_video(b.m.pc, lent.bytes));
}
END_TEST

/* ---- Lies
 * ------------------------------------------------------------------------------------------------------ */

START_TEST(whatever_comes_back_does_no_harm)
{
    for (unsigned i = 0; i < 20000; i++) {
        if (i % 100 == 0)
            set_mode(&b, modes[i / 100 % ARRAY_SIZE(modes)]);
        pc_lend_video(b.m.pc, lent.bytes);
        for (unsigned n = 0; n < sizeof(lent.bytes); n++)
            lent.bytes[n] = random_32();
        pc_take_video_back(b.m.pc, lent.bytes);
        ck_assert_uint_eq(get_index(&b, 0x3c4, 4), modes[i / 100 % ARRAY_SIZE(modes)]->seq[4]);
        ck_assert_uint_eq(get_index(&b, 0x3ce, 6), modes[i / 100 % ARRAY_SIZE(modes)]->gc[6]);
        ck_assert_uint_eq(get_index(&b, 0x3ce, 0) & 0xf0, 0);
        poke(&b, 0xb8000 + (random_32() & 0x7fff), i);
        peek(&b, 0xb8000 + (random_32() & 0x7fff));
        inb(&b.m, 0x3da);
        b.drawn = 0;
        pixel(&b, 0, i % 200);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("vga_lent");
    TCase *tc = tcase_create("vga_lent");

    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, lent_it_does_the_same);
    tcase_add_test(tc, drawing_needs_nobody);
    tcase_add_test(tc, what_others_look_at_does);
    tcase_add_test(tc, nothing_is_lent_in_linear_modes);
    tcase_add_test(tc, whatever_comes_back_does_no_harm);
    suite_add_tcase(suite, tc);
    return machine_main(suite);
}
