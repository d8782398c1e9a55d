/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The display adapter's registers, the planes' logic against a model that goes bit by bit, its place on the
 * PCI bus, and a guest that does just anything.
 */
#include "vga_bench.h"

static struct vga_bench b;

static void set_up(void)
{
    vga_start(&b);
}

static void tear_down(void)
{
    machine_stop(&b.m);
}

static uint32_t random_state = 2463534242u;

static uint32_t random_32(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state;
}

/* ---- Registers
 * --------------------------------------------------------------------------------------------- */

START_TEST(registers_keep_the_bits_they_have)
{
    static const struct {
        uint16_t port;
        uint8_t index, bits;
    } rows[] = {
        { 0x3c4, 0, 0x03 }, { 0x3c4, 1, 0x3d },    { 0x3c4, 2, 0x0f },    { 0x3c4, 3, 0x3f },
        { 0x3c4, 4, 0x0e }, { 0x3c4, 5, 0x00 },    { 0x3ce, 0, 0x0f },    { 0x3ce, 1, 0x0f },
        { 0x3ce, 2, 0x0f }, { 0x3ce, 3, 0x1f },    { 0x3ce, 4, 0x03 },    { 0x3ce, 5, 0x7b },
        { 0x3ce, 6, 0x0f }, { 0x3ce, 7, 0x0f },    { 0x3ce, 8, 0xff },    { 0x3ce, 9, 0x00 },
        { 0x3d4, 9, 0xff }, { 0x3d4, 0x18, 0xff }, { 0x3d4, 0x19, 0x00 },
    };

    outb(&b.m, 0x3c2, 0x67);
    ck_assert_uint_eq(inb(&b.m, 0x3cc), 0x67);
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        put_index(&b, rows[i].port, rows[i].index, 0xff);
        ck_assert_uint_eq(get_index(&b, rows[i].port, rows[i].index), rows[i].bits);
        put_index(&b, rows[i].port, rows[i].index, 0);
        ck_assert_uint_eq(get_index(&b, rows[i].port, rows[i].index), 0);
    }
}
END_TEST

/* OUT DX, AX writes index and data. */
START_TEST(a_word_is_index_and_data)
{
    pc_port_write(b.m.pc, 0x3c4, 2, 0x0502);
    ck_assert_uint_eq(get_index(&b, 0x3c4, 2), 5);
}
END_TEST

START_TEST(the_attribute_port_takes_turns)
{
    outb(&b.m, 0x3c2, 1);
    inb(&b.m, 0x3da);
    outb(&b.m, 0x3c0, 0x05);
    outb(&b.m, 0x3c0, 0x2a);
    outb(&b.m, 0x3c0, 0x26);
    ck_assert_uint_eq(inb(&b.m, 0x3c0), 0x26);
    inb(&b.m, 0x3da); /* an index is next again */
    outb(&b.m, 0x3c0, 0x05);
    ck_assert_uint_eq(inb(&b.m, 0x3c1), 0x2a);
}
END_TEST

/* Which of 3B4h and 3D4h there is depends on the miscellaneous output register. */
START_TEST(monochrome_moves_the_crt_controller)
{
    outb(&b.m, 0x3c2, 1);
    put_index(&b, 0x3d4, 0x0f, 0x12);
    put_index(&b, 0x3b4, 0x0f, 0x34);
    ck_assert_uint_eq(get_index(&b, 0x3d4, 0x0f), 0x12);
    ck_assert_uint_eq(inb(&b.m, 0x3b5), 0xff);
    outb(&b.m, 0x3c2, 0);
    ck_assert_uint_eq(get_index(&b, 0x3b4, 0x0f), 0x12);
    ck_assert_uint_eq(inb(&b.m, 0x3d5), 0xff);
    ck_assert_uint_eq(inb(&b.m, 0x3da), 0xff);
    ck_assert_uint_ne(inb(&b.m, 0x3ba), 0xff);
}
END_TEST

START_TEST(the_crt_controllers_timing_can_be_protected)
{
    outb(&b.m, 0x3c2, 1);
    put_crtc(&b, 0x00, 0x11);
    put_crtc(&b, 0x07, 0x22);
    put_crtc(&b, 0x11, 0x80);
    put_crtc(&b, 0x00, 0x33);
    put_crtc(&b, 0x07, 0xdf & ~0x22);
    put_crtc(&b, 0x08, 0x44);
    ck_assert_uint_eq(get_index(&b, 0x3d4, 0x00), 0x11);
    ck_assert_uint_eq(get_index(&b, 0x3d4, 0x07), 0x32); /* but for bit 8 of line compare */
    ck_assert_uint_eq(get_index(&b, 0x3d4, 0x08), 0x44);
}
END_TEST

START_TEST(colours_go_by_threes)
{
    put_dac(&b, 7, 1, 2, 0xff);
    outb(&b.m, 0x3c9, 4); /* entry 8 has begun */
    outb(&b.m, 0x3c9, 5);
    outb(&b.m, 0x3c7, 7);
    ck_assert_uint_eq(inb(&b.m, 0x3c7), 3);
    ck_assert_uint_eq(inb(&b.m, 0x3c9), 1);
    ck_assert_uint_eq(inb(&b.m, 0x3c9), 2);
    ck_assert_uint_eq(inb(&b.m, 0x3c9), 0x3f);
    ck_assert_uint_eq(inb(&b.m, 0x3c9), 0); /* without its third byte 8 is as it was */
    ck_assert_uint_eq(inb(&b.m, 0x3c8), 8);
    outb(&b.m, 0x3c8, 0);
    ck_assert_uint_eq(inb(&b.m, 0x3c7), 0);
}
END_TEST

/* ---- Time
 * ------------------------------------------------------------------------------------------------------ */

static void count_retraces(const struct vga_mode *mode, unsigned *pictures, unsigned *lines)
{
    uint8_t before = 0;

    set_mode(&b, mode);
    *pictures = *lines = 0;
    for (unsigned i = 0; i < 1000000; i++) { /* a second, in steps of a microsecond */
        uint8_t status = inb(&b.m, 0x3da);

        *pictures += (status & 8) && !(before & 8);
        *lines += (status & 1) && !(before & 1);
        if (status & 8)
            ck_assert(status & 1);
        before = status;
        b.m.now += 1000;
    }
}

START_TEST(the_beam_retraces)
{
    unsigned pictures, lines;

    count_retraces(&vga_mode_12, &pictures, &lines);
    ck_assert_uint_ge(pictures, 59);
    ck_assert_uint_le(pictures, 60);
    ck_assert_uint_ge(lines, 59 * 480);
    ck_assert_uint_le(lines, 60 * 480 + 480);
    count_retraces(&vga_mode_3, &pictures, &lines);
    ck_assert_uint_ge(pictures, 69);
    ck_assert_uint_le(pictures, 71);
}
END_TEST

START_TEST(the_beam_of_linear_modes_retraces)
{
    unsigned retraces = 0;
    uint8_t before = 0;

    outb(&b.m, 0x3c2, 1);
    put_dispi(&b, 1, 640);
    put_dispi(&b, 2, 480);
    put_dispi(&b, 4, 1);
    for (unsigned i = 0; i < 10000; i++) {
        uint8_t status = inb(&b.m, 0x3da);

        retraces += (status & 8) && !(before & 8);
        before = status;
        b.m.now += 100000;
    }
    ck_assert_uint_eq(retraces, 60);
}
END_TEST

/* ---- The planes' logic
 * ------------------------------------------------------------------------------------------- */

/* The same from the manual's words, a pixel at a time: bit `n` of each plane is one. */
struct model {
    uint8_t plane[4][256];
    uint8_t latch[4];
};

static uint8_t rotate(uint8_t value, unsigned count)
{
    while (count--)
        value = value >> 1 | (value & 1) << 7;
    return value;
}

static bool model_bit(const struct model *m, const uint8_t *gc, unsigned plane, unsigned n, uint8_t value)
{
    bool latch = m->latch[plane] >> n & 1, set = gc[0] >> plane & 1, data;
    unsigned write_mode = gc[5] & 3;
    bool selected = gc[8] >> n & 1;

    if (write_mode == 1)
        return latch;
    if (write_mode == 0)
        data = gc[1] >> plane & 1 ? set : rotate(value, gc[3] & 7) >> n & 1;
    else if (write_mode == 2)
        data = value >> plane & 1;
    else
        data = set;
    if (write_mode == 3)
        selected = selected && (rotate(value, gc[3] & 7) >> n & 1);
    switch (gc[3] >> 3) {
    case 1:
        data = data && latch;
        break;
    case 2:
        data = data || latch;
        break;
    case 3:
        data = data != latch;
        break;
    }
    return selected ? data : latch;
}

static void model_write(struct model *m, const uint8_t *gc, uint8_t map_mask, uint8_t at, uint8_t value)
{
    for (unsigned plane = 0; plane < 4; plane++) {
        uint8_t byte = 0;

        for (unsigned n = 0; n < 8; n++)
            byte |= model_bit(m, gc, plane, n, value) << n;
        if (map_mask >> plane & 1)
            m->plane[plane][at] = byte;
    }
}

static uint8_t model_read(struct model *m, const uint8_t *gc, uint8_t at)
{
    uint8_t result = 0;

    for (unsigned plane = 0; plane < 4; plane++)
        m->latch[plane] = m->plane[plane][at];
    if (!(gc[5] & 8))
        return m->plane[gc[4]][at];
    for (unsigned n = 0; n < 8; n++) {
        bool same = true;

        for (unsigned plane = 0; plane < 4; plane++) {
            if (gc[7] >> plane & 1)
                same = same && (m->latch[plane] >> n & 1) == (gc[2] >> plane & 1);
        }
        result |= same << n;
    }
    return result;
}

START_TEST(planes_do_as_the_manual_says)
{
    static struct model m;
    uint8_t gc[9];
    uint8_t map_mask = 15;

    memset(&m, 0, sizeof(m));
    set_mode(&b, &vga_mode_12);
    memcpy(gc, vga_mode_12.gc, sizeof(gc));
    for (unsigned i = 0; i < 200000; i++) {
        uint32_t x = random_32();
        uint8_t at = x >> 8, value = x >> 16;
        static const uint8_t bits[9] = { 15, 15, 15, 31, 3, 0x0b, 0, 15, 255 };

        if (x % 4 == 0) {
            unsigned index = value % 9;

            if (index != 6)
                put_gc(&b, index, gc[index] = (x >> 24) & bits[index]);
        } else if (x % 16 == 1) {
            put_seq(&b, 2, map_mask = value & 15);
        } else if (x % 2) {
            poke(&b, 0xa0000 + at, value);
            model_write(&m, gc, map_mask, at, value);
        } else {
            ck_assert_uint_eq(peek(&b, 0xa0000 + at), model_read(&m, gc, at));
        }
    }
    for (unsigned at = 0; at < 256; at++) {
        for (unsigned plane = 0; plane < 4; plane++)
            ck_assert_uint_eq(b.m.video[4 * at + plane], m.plane[plane][at]);
    }
}
END_TEST

/* Chain 4 and odd/even are the same whether they are plain memory or not: a mask of one plane too few makes
   them go through the planes' logic. */
START_TEST(chained_accesses_go_both_ways)
{
    set_mode(&b, &vga_mode_13);
    for (unsigned i = 0; i < 8; i++)
        poke(&b, 0xa1234 + i, 0x10 + i);
    ck_assert_uint_eq(b.exits, 0);
    put_seq(&b, 2, 7);
    for (unsigned i = 0; i < 8; i++)
        ck_assert_uint_eq(peek(&b, 0xa1234 + i), 0x10 + i);
    ck_assert_uint_eq(b.exits, 8);
    for (unsigned i = 0; i < 8; i++)
        poke(&b, 0xa1234 + i, 0x20 + i);
    put_seq(&b, 2, 15);
    for (unsigned i = 0; i < 8; i++)
        ck_assert_uint_eq(peek(&b, 0xa1234 + i), i % 4 == 3 ? 0x10 + i : 0x20 + i);

    set_mode(&b, &vga_mode_3);
    b.exits = 0;
    for (unsigned i = 0; i < 8; i++)
        poke(&b, 0xb9876 + i, 0x30 + i);
    ck_assert_uint_eq(b.exits, 0);
    put_gc(&b, 8, 0xfe); /* the bit mask takes bit 0 from the latches, which were loaded last: 36h, 37h */
    for (unsigned i = 0; i < 8; i++)
        ck_assert_uint_eq(peek(&b, 0xb9876 + i), 0x30 + i);
    ck_assert_uint_eq(b.exits, 8);
    poke(&b, 0xb9876, 0x41);
    poke(&b, 0xb9877, 0x42);
    put_gc(&b, 8, 0xff);
    ck_assert_uint_eq(peek(&b, 0xb9876), 0x40);
    ck_assert_uint_eq(peek(&b, 0xb9877), 0x43);
}
END_TEST

START_TEST(memory_answers_where_it_is_mapped)
{
    static const struct {
        uint8_t map;
        uint32_t base, size;
    } rows[] = { { 0x0, 0xa0000, 0x20000 },
                 { 0x4, 0xa0000, 0x10000 },
                 { 0x8, 0xb0000, 0x8000 },
                 { 0xc, 0xb8000, 0x8000 } };

    set_mode(&b, &vga_mode_12);
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        put_gc(&b, 6, rows[i].map | 1);
        for (uint32_t pa = 0xa0000; pa < 0xc0000; pa += 0x1000) {
            bool inside = pa >= rows[i].base && pa - rows[i].base < rows[i].size;

            ck_assert_uint_eq(peek(&b, pa), inside ? 0 : 0xff);
        }
    }
    outb(&b.m, 0x3c2, 0xe1); /* no memory at all */
    ck_assert_uint_eq(peek(&b, 0xa0000), 0xff);
    set_mode(&b, &vga_mode_13);
    ck_assert_ptr_nonnull(plain_at(&b, 0xa0000, true));
    outb(&b.m, 0x3c2, 0x61);
    ck_assert_ptr_null(plain_at(&b, 0xa0000, true));
}
END_TEST

/* ---- DISPI
 * -------------------------------------------------------------------------------------------------------- */

START_TEST(dispi_says_what_it_can)
{
    ck_assert_uint_eq(get_dispi(&b, 0), 0xb0c5);
    put_dispi(&b, 0, 0xb0c2);
    ck_assert_uint_eq(get_dispi(&b, 0), 0xb0c2);
    put_dispi(&b, 0, 0x1234);
    ck_assert_uint_eq(get_dispi(&b, 0), 0xb0c2);
    ck_assert_uint_eq(get_dispi(&b, 10), 256);
    put_dispi(&b, 4, 2);
    ck_assert_uint_eq(get_dispi(&b, 1), 1920);
    ck_assert_uint_eq(get_dispi(&b, 2), 1200);
    ck_assert_uint_eq(get_dispi(&b, 3), 32);
    put_dispi(&b, 4, 0);
    ck_assert_uint_eq(get_dispi(&b, 1), 0);
    ck_assert_uint_eq(inb(&b.m, 0x1cf), 0xff); /* it takes words */
}
END_TEST

START_TEST(dispi_refuses_what_it_cannot)
{
    put_dispi(&b, 4, 1); /* no size */
    ck_assert_uint_eq(get_dispi(&b, 4), 0);
    put_dispi(&b, 1, 1921);
    put_dispi(&b, 2, 1201);
    put_dispi(&b, 3, 7);
    ck_assert_uint_eq(get_dispi(&b, 1), 0);
    ck_assert_uint_eq(get_dispi(&b, 2), 0);
    ck_assert_uint_eq(get_dispi(&b, 3), 8);
    put_dispi(&b, 1, 640);
    put_dispi(&b, 2, 480);
    put_dispi(&b, 4, 1);
    ck_assert_uint_eq(get_dispi(&b, 4), 1);
    put_dispi(&b, 1, 800); /* not while it is on */
    ck_assert_uint_eq(get_dispi(&b, 1), 640);
    put_dispi(&b, 6, 65528);
    ck_assert_uint_eq(get_dispi(&b, 6), 640); /* more than there is memory */
    put_dispi(&b, 5, 0x1ff);
    ck_assert_uint_eq(get_dispi(&b, 5), 0xff);
}
END_TEST

/* ---- On the bus
 * ---------------------------------------------------------------------------------------------------- */

START_TEST(the_frame_buffer_moves)
{
    put_config(&b, 0x10, 0xffffffff);
    ck_assert_uint_eq(get_config(&b, 0x10), 0xff000008);
    put_config(&b, 0x10, 0xe0000000);
    put_config(&b, 0x04, 2);
    poke(&b, 0xe0000010, 0x55);
    poke(&b, 0xe0ffffff, 0x66);
    ck_assert_uint_eq(b.exits, 0);
    put_config(&b, 0x10, 0xf1000000);
    ck_assert_uint_eq(peek(&b, 0xf1000010), 0x55);
    ck_assert_uint_eq(peek(&b, 0xf1ffffff), 0x66);
    ck_assert_ptr_null(plain_at(&b, 0xe0000010, false));
    put_config(&b, 0x10, 0x01000000); /* RAM is there */
    ck_assert_ptr_null(plain_at(&b, 0x01000010, false));
    put_config(&b, 0x10, 0xff000000); /* ... and the BIOS there */
    ck_assert_ptr_nonnull(plain_at(&b, 0xff000010, false));
    ck_assert_ptr_null(plain_at(&b, 0xffff0000, false));
    put_config(&b, 0x04, 0);
    ck_assert_ptr_null(plain_at(&b, 0xff000010, false));
}
END_TEST

START_TEST(the_option_rom_can_be_read)
{
    b.m.video[VIDEO_ROM + 5] = 0x77;
    put_config(&b, 0x30, 0xfffffffe);
    ck_assert_uint_eq(get_config(&b, 0x30), 0xffff0000);
    put_config(&b, 0x04, 2);
    put_config(&b, 0x30, 0xfeb00000);
    ck_assert_ptr_null(plain_at(&b, 0xfeb00005, false));
    put_config(&b, 0x30, 0xfeb00001);
    ck_assert_uint_eq(peek(&b, 0xfeb00005), 0x77);
    poke(&b, 0xfeb00005, 0x88);
    ck_assert_uint_eq(peek(&b, 0xfeb00005), 0x77);
}
END_TEST

START_TEST(it_is_a_vga_controller)
{
    ck_assert_uint_eq(get_config(&b, 0x00), 0x11111234);
    ck_assert_uint_eq(get_config(&b, 0x08) >> 8, 0x030000);
}
END_TEST

START_TEST(a_reset_turns_it_off_and_keeps_memory)
{
    set_mode(&b, &vga_mode_3);
    poke(&b, 0xb8000, 'A');
    pc_reset(b.m.pc);
    ck_assert_ptr_null(plain_at(&b, 0xb8000, true));
    ck_assert_uint_eq(inb(&b.m, 0x3cc), 0);
    set_mode(&b, &vga_mode_3);
    ck_assert_uint_eq(peek(&b, 0xb8000), 'A');
}
END_TEST

/* ---- Anything
 * ---------------------------------------------------------------------------------------------------------
 */

/* What a guest may do to it, and whoever looks at the screen meanwhile. */
static void do_anything(void)
{
    uint32_t x = random_32(), y = random_32();
    unsigned size = 1u << (y & 1);

    switch (x >> 16 & 7) {
    case 0:
        pc_port_read(b.m.pc, 0x3b0 + (x & 0x3f), size);
        break;
    case 1:
    case 2:
        pc_port_write(b.m.pc, 0x3b0 + (x & 0x3f), size, y >> 8);
        break;
    case 3:
        put_index(&b, (const uint16_t[]){ 0x3c4, 0x3ce, 0x3d4, 0x3c0 }[x & 3], y & 0x1f, y >> 8);
        break;
    case 4:
        pc_mmio_write(b.m.pc, 0xa0000 + (x & 0x1ffff), 1u << (y & 3), random_32());
        break;
    case 5:
        pc_mmio_read(b.m.pc, 0xa0000 + (x & 0x1ffff), 1u << (y & 3));
        break;
    case 6:
        put_dispi(&b, y & 15, x & 0xff00 ? y >> 16 & 0x7ff : y >> 16);
        break;
    default:
        put_config(&b, (const uint8_t[]){ 4, 0x10, 0x30, 0x14 }[x & 3], y);
        break;
    }
    b.m.now += y & 0xffff;
}

START_TEST(a_guest_may_do_anything)
{
    struct pc_region regions[PC_REGIONS_MAX];

    for (unsigned i = 0; i < 150000; i++) {
        do_anything();
        if (i % 64 == 0) {
            uint64_t end = 0;
            unsigned count = pc_memory(b.m.pc, regions);

            ck_assert_uint_le(count, PC_REGIONS_MAX);
            for (unsigned n = 0; n < count; n++) {
                ck_assert_uint_eq(regions[n].base, end);
                end += regions[n].size;
                if (regions[n].kind == PC_REGION_VIDEO)
                    ck_assert_uint_le(regions[n].offset + regions[n].size, VIDEO_MEMORY_ALL);
                ck_assert_uint_eq(regions[n].offset % 4096, 0);
            }
            ck_assert_uint_eq(end, UINT64_C(1) << 32);
        }
        if (i % 16 == 0) {
            pc_video_frame(b.m.pc, &b.frame);
            ck_assert(b.frame.width > 0 && b.frame.width <= VIDEO_WIDTH_MAX);
            ck_assert(b.frame.height > 0 && b.frame.height <= VIDEO_HEIGHT_MAX);
            b.drawn = 0;
            pixel(&b, 0, random_32() % b.frame.height);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("vga");
    TCase *tc = tcase_create("vga");

    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, registers_keep_the_bits_they_have);
    tcase_add_test(tc, a_word_is_index_and_data);
    tcase_add_test(tc, the_attribute_port_takes_turns);
    tcase_add_test(tc, monochrome_moves_the_crt_controller);
    tcase_add_test(tc, the_crt_controllers_timing_can_be_protected);
    tcase_add_test(tc, colours_go_by_threes);
    tcase_add_test(tc, the_beam_retraces);
    tcase_add_test(tc, the_beam_of_linear_modes_retraces);
    tcase_add_test(tc, planes_do_as_the_manual_says);
    tcase_add_test(tc, chained_accesses_go_both_ways);
    tcase_add_test(tc, memory_answers_where_it_is_mapped);
    tcase_add_test(tc, dispi_says_what_it_can);
    tcase_add_test(tc, dispi_refuses_what_it_cannot);
    tcase_add_test(tc, the_frame_buffer_moves);
    tcase_add_test(tc, the_option_rom_can_be_read);
    tcase_add_test(tc, it_is_a_vga_controller);
    tcase_add_test(tc, a_reset_turns_it_off_and_keeps_memory);
    tcase_add_test(tc, a_guest_may_do_anything);
    suite_add_tcase(suite, tc);
    return machine_main(suite);
}
