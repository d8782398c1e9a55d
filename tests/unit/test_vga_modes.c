/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes of the display adapter: what is written to its memory is seen on the screen where the mode has it.
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

static void check_size(unsigned width, unsigned height)
{
    b.drawn = 0;
    pixel(&b, 0, 0);
    ck_assert_uint_eq(b.frame.width, width);
    ck_assert_uint_eq(b.frame.height, height);
}

/* ---- Text ------------------------------------------------------------------------------------------------
 */

#define TEXT 0xb8000u

static void put_cell(unsigned column, unsigned row, uint8_t code, uint8_t attribute)
{
    poke(&b, TEXT + 2 * (row * 80 + column), code);
    poke(&b, TEXT + 2 * (row * 80 + column) + 1, attribute);
}

/* As a BIOS does it: plane 2 by itself, at A0000h, and back. */
static void put_glyph(unsigned set, uint8_t code, unsigned line, uint8_t dots)
{
    put_seq(&b, 2, 4);
    put_seq(&b, 4, 7);
    put_gc(&b, 4, 2);
    put_gc(&b, 5, 0);
    put_gc(&b, 6, 4);
    poke(&b, 0xa0000 + set * 0x2000 + code * 32u + line, dots);
    put_seq(&b, 2, 3);
    put_seq(&b, 4, 3);
    put_gc(&b, 4, 0);
    put_gc(&b, 5, 0x10);
    put_gc(&b, 6, 0xe);
}

START_TEST(text_has_720_by_400_dots)
{
    set_mode(&b, &vga_mode_3);
    check_size(720, 400);
    ck_assert_uint_eq(b.frame.columns + 1u, 80);
    ck_assert_uint_eq(b.frame.rows + 1u, 25);
}
END_TEST

START_TEST(text_is_plain_memory_and_survives_fonts)
{
    set_mode(&b, &vga_mode_3);
    put_cell(79, 24, 'Z', 0x4f);
    ck_assert_uint_eq(b.exits, 0);
    put_glyph(0, 'Z', 5, 0xaa);
    ck_assert_uint_eq(b.exits, 1); /* the glyph's */
    ck_assert_uint_eq(peek(&b, TEXT + 2 * 1999), 'Z');
    ck_assert_uint_eq(peek(&b, TEXT + 2 * 1999 + 1), 0x4f);
    ck_assert_uint_eq(b.exits, 1);
    ck_assert_uint_eq(pixel(&b, 79 * 9, 24 * 16 + 5), dac_color(15));
    ck_assert_uint_eq(pixel(&b, 79 * 9 + 1, 24 * 16 + 5), dac_color(4));
    ck_assert_uint_eq(pixel(&b, 79 * 9 + 8, 24 * 16 + 5), dac_color(4));
}
END_TEST

/* Plane 0 has characters, plane 1 attributes, at half the processor's address. */
START_TEST(text_is_in_the_planes)
{
    set_mode(&b, &vga_mode_3);
    put_cell(3, 0, 'P', 0x17);
    put_seq(&b, 4, 6);
    put_gc(&b, 5, 0);
    put_gc(&b, 6, 5);
    put_gc(&b, 4, 0);
    ck_assert_uint_eq(peek(&b, 0xa0003), 'P');
    put_gc(&b, 4, 1);
    ck_assert_uint_eq(peek(&b, 0xa0003), 0x17);
    put_seq(&b, 2, 1);
    poke(&b, 0xa0003, 'Q');
    put_seq(&b, 2, 3);
    put_seq(&b, 4, 2);
    put_gc(&b, 4, 0);
    put_gc(&b, 5, 0x10);
    put_gc(&b, 6, 0xe);
    ck_assert_uint_eq(peek(&b, TEXT + 6), 'Q');
    ck_assert_uint_eq(peek(&b, TEXT + 7), 0x17);
}
END_TEST

START_TEST(line_graphics_join_in_the_ninth_dot)
{
    set_mode(&b, &vga_mode_3);
    put_glyph(0, 0xc4, 0, 0x01);
    put_glyph(0, 'x', 0, 0x01);
    put_cell(0, 0, 0xc4, 0x0f);
    put_cell(1, 0, 'x', 0x0f);
    ck_assert_uint_eq(pixel(&b, 8, 0), dac_color(15));
    ck_assert_uint_eq(pixel(&b, 16, 0), dac_color(15));
    ck_assert_uint_eq(pixel(&b, 17, 0), dac_color(0));
    put_seq(&b, 1, 1);
    check_size(640, 400);
    ck_assert_uint_eq(pixel(&b, 15, 0), dac_color(15));
}
END_TEST

START_TEST(attribute_bit_3_chooses_the_font)
{
    set_mode(&b, &vga_mode_3);
    put_glyph(2, 'a', 0, 0x80); /* set 1 is at 16 KiB */
    put_seq(&b, 3, 0x04);       /* with bit 3 set 1, else 0 */
    put_cell(0, 0, 'a', 0x0f);
    put_cell(1, 0, 'a', 0x07);
    ck_assert_uint_eq(pixel(&b, 0, 0), dac_color(15));
    ck_assert_uint_eq(pixel(&b, 9, 0), dac_color(0));
}
END_TEST

START_TEST(bit_7_blinks_or_is_a_colour)
{
    set_mode(&b, &vga_mode_3);
    put_glyph(0, 'a', 0, 0x80);
    put_cell(0, 0, 'a', 0x97);
    b.m.now = 0;
    ck_assert_uint_eq(pixel(&b, 0, 0), dac_color(7));
    ck_assert_uint_eq(pixel(&b, 1, 0), dac_color(1));
    b.m.now = 300000000;
    b.drawn = 0;
    ck_assert_uint_eq(pixel(&b, 0, 0), dac_color(1));
    put_attr(&b, 0x10, 0x04);
    ck_assert_uint_eq(pixel(&b, 0, 0), dac_color(7));
    ck_assert_uint_eq(pixel(&b, 1, 0), dac_color(9));
}
END_TEST

START_TEST(cursor_has_lines_a_place_and_blinks)
{
    set_mode(&b, &vga_mode_3);
    put_cell(2, 1, ' ', 0x0a);
    put_crtc(&b, 0x0e, 0);
    put_crtc(&b, 0x0f, 82);
    b.m.now = 0;
    ck_assert_uint_eq(pixel(&b, 18, 16 + 13), dac_color(10));
    ck_assert_uint_eq(pixel(&b, 26, 16 + 14), dac_color(10));
    ck_assert_uint_eq(pixel(&b, 18, 16 + 12), dac_color(0));
    ck_assert_uint_eq(pixel(&b, 27, 16 + 13), dac_color(0));
    ck_assert(video_is_cursor(&b.frame, 2, 1));
    b.m.now = 150000000;
    b.drawn = 0;
    ck_assert_uint_eq(pixel(&b, 18, 16 + 13), dac_color(0));
    ck_assert(video_is_cursor(&b.frame, 2, 1));
    b.m.now = 0;
    put_crtc(&b, 0x0a, 0x2d);
    ck_assert_uint_eq(pixel(&b, 18, 16 + 13), dac_color(0));
    ck_assert(!video_is_cursor(&b.frame, 2, 1));
}
END_TEST

START_TEST(monochrome_attributes_underline)
{
    set_mode(&b, &vga_mode_3);
    put_attr(&b, 0x10, 0x0e);
    put_crtc(&b, 0x14, 0x0d);
    put_cell(0, 0, 'a', 0x01);
    put_cell(1, 0, 'a', 0x07);
    ck_assert_uint_eq(pixel(&b, 4, 13), dac_color(1));
    ck_assert_uint_eq(pixel(&b, 13, 13), dac_color(0));
}
END_TEST

START_TEST(text_begins_at_the_start_address)
{
    set_mode(&b, &vga_mode_3);
    put_glyph(0, 'a', 0, 0xff);
    put_cell(0, 3, 'a', 0x0f);
    put_crtc(&b, 0x0d, 240);
    ck_assert_uint_eq(pixel(&b, 0, 0), dac_color(15));
    ck_assert_uint_eq(video_cell(&b.frame, b.m.video, 0, 0), 0x0f61);
    put_crtc(&b, 0x08, 1); /* the first line is not shown */
    ck_assert_uint_eq(pixel(&b, 0, 0), dac_color(0));
}
END_TEST

START_TEST(text_pans_by_dots)
{
    set_mode(&b, &vga_mode_3);
    put_glyph(0, 'a', 0, 0x10);
    put_cell(0, 0, 'a', 0x0f);
    ck_assert_uint_eq(pixel(&b, 3, 0), dac_color(15));
    put_attr(&b, 0x13, 0); /* with nine dots 8 is none, 0 is one */
    ck_assert_uint_eq(pixel(&b, 2, 0), dac_color(15));
}
END_TEST

/* ---- CGA's graphics --------------------------------------------------------------------------------------
 */

START_TEST(mode_4_has_two_bits_for_a_pixel_in_two_banks)
{
    set_mode(&b, &vga_mode_4);
    check_size(640, 400);
    poke(&b, TEXT, 0x1b); /* pixels 0, 1, 2, 3 */
    poke(&b, TEXT + 1, 0xe4);
    poke(&b, TEXT + 0x2000, 0xc0); /* the second line of 200 */
    poke(&b, TEXT + 80, 0x80);     /* the third */
    ck_assert_uint_eq(b.exits, 0);
    for (unsigned i = 0; i < 4; i++) {
        ck_assert_uint_eq(pixel(&b, 2 * i, 0), dac_color(i));
        ck_assert_uint_eq(pixel(&b, 2 * i + 1, 1), dac_color(i));
        ck_assert_uint_eq(pixel(&b, 8 + 2 * i, 0), dac_color(3 - i));
    }
    ck_assert_uint_eq(pixel(&b, 0, 2), dac_color(3));
    ck_assert_uint_eq(pixel(&b, 0, 3), dac_color(3));
    ck_assert_uint_eq(pixel(&b, 0, 4), dac_color(2));
}
END_TEST

START_TEST(mode_6_has_one_bit_for_a_pixel_in_two_banks)
{
    set_mode(&b, &vga_mode_6);
    check_size(640, 400);
    poke(&b, TEXT, 0x40);
    poke(&b, TEXT + 0x2000, 0x80);
    poke(&b, TEXT + 80, 0x20);
    ck_assert_uint_eq(pixel(&b, 1, 0), dac_color(1));
    ck_assert_uint_eq(pixel(&b, 2, 0), dac_color(0));
    ck_assert_uint_eq(pixel(&b, 0, 2), dac_color(1));
    ck_assert_uint_eq(pixel(&b, 2, 4), dac_color(1));
}
END_TEST

/* ---- Sixteen colours
 * ---------------------------------------------------------------------------------------- */

START_TEST(mode_12_has_four_planes)
{
    set_mode(&b, &vga_mode_12);
    check_size(640, 480);
    for (unsigned plane = 0; plane < 4; plane++) {
        put_seq(&b, 2, 1 << plane);
        poke(&b, 0xa0000 + 479 * 80 + 79, 1 << (7 - plane));
    }
    for (unsigned i = 0; i < 4; i++)
        ck_assert_uint_eq(pixel(&b, 632 + i, 479), dac_color(1 << i));
    ck_assert_uint_eq(pixel(&b, 636, 479), dac_color(0));
    put_attr(&b, 0x12, 0x0e);
    ck_assert_uint_eq(pixel(&b, 632, 479), dac_color(0));
    ck_assert_uint_eq(pixel(&b, 633, 479), dac_color(2));
}
END_TEST

START_TEST(mode_d_doubles_dots_and_lines)
{
    set_mode(&b, &vga_mode_d);
    check_size(640, 400);
    poke(&b, 0xa0000 + 40, 0x80);
    for (unsigned i = 0; i < 4; i++)
        ck_assert_uint_eq(pixel(&b, i % 2, 2 + i / 2), dac_color(15));
    ck_assert_uint_eq(pixel(&b, 2, 2), dac_color(0));
    ck_assert_uint_eq(pixel(&b, 0, 4), dac_color(0));
}
END_TEST

START_TEST(the_palette_leads_to_the_dac)
{
    set_mode(&b, &vga_mode_12);
    poke(&b, 0xa0000, 0xff);
    put_attr(&b, 15, 0x2a);
    ck_assert_uint_eq(pixel(&b, 0, 0), dac_color(0x2a));
    put_attr(&b, 0x14, 0x0c);
    ck_assert_uint_eq(pixel(&b, 0, 0), dac_color(0xea));
    put_attr(&b, 0x14, 0x0d);
    put_attr(&b, 0x10, 0x81); /* bits 4, 5 come from colour select too */
    ck_assert_uint_eq(pixel(&b, 0, 0), dac_color(0xda));
    outb(&b.m, 0x3c6, 0x0f);
    b.drawn = 0;
    ck_assert_uint_eq(pixel(&b, 0, 0), dac_color(0x0a));
}
END_TEST

START_TEST(graphics_pan_and_start_anywhere)
{
    set_mode(&b, &vga_mode_12);
    poke(&b, 0xa0000 + 0x123 + 80, 0x08);
    put_crtc(&b, 0x0c, 0x01);
    put_crtc(&b, 0x0d, 0x23);
    ck_assert_uint_eq(pixel(&b, 4, 1), dac_color(15));
    put_attr(&b, 0x13, 3);
    ck_assert_uint_eq(pixel(&b, 1, 1), dac_color(15));
    put_crtc(&b, 0x08, 0x20); /* byte panning */
    poke(&b, 0xa0000 + 0x124 + 80, 0x10);
    ck_assert_uint_eq(pixel(&b, 0, 1), dac_color(15));
}
END_TEST

/* From the line after on, memory's start is shown, whatever the start address is. */
START_TEST(line_compare_splits_the_screen)
{
    set_mode(&b, &vga_mode_12);
    poke(&b, 0xa0000, 0x80);
    put_crtc(&b, 0x0c, 0x40);
    put_crtc(&b, 0x18, 99); /* bits 8, 9 are in registers 7, 9 */
    put_crtc(&b, 0x11, 0x0c);
    put_crtc(&b, 0x07, 0x3e & ~0x10);
    put_crtc(&b, 0x09, 0x00);
    ck_assert_uint_eq(pixel(&b, 0, 0), dac_color(0));
    ck_assert_uint_eq(pixel(&b, 0, 99), dac_color(0));
    ck_assert_uint_eq(pixel(&b, 0, 100), dac_color(15));
    ck_assert_uint_eq(pixel(&b, 0, 101), dac_color(0));
    put_attr(&b, 0x13, 1);
    ck_assert_uint_eq(pixel(&b, 0, 100), dac_color(0));
    put_attr(&b, 0x10, 0x21); /* the lower part does not pan */
    ck_assert_uint_eq(pixel(&b, 0, 100), dac_color(15));
}
END_TEST

/* ---- 256 colours
 * --------------------------------------------------------------------------------------------- */

START_TEST(mode_13_is_plain_memory)
{
    set_mode(&b, &vga_mode_13);
    check_size(640, 400);
    poke(&b, 0xa0000, 0x21);
    poke(&b, 0xa0000 + 199 * 320 + 319, 0x43);
    ck_assert_uint_eq(b.exits, 0);
    ck_assert_uint_eq(pixel(&b, 0, 0), dac_color(0x21));
    ck_assert_uint_eq(pixel(&b, 1, 1), dac_color(0x21));
    ck_assert_uint_eq(pixel(&b, 2, 0), dac_color(0));
    ck_assert_uint_eq(pixel(&b, 638, 398), dac_color(0x43));
    ck_assert_uint_eq(pixel(&b, 639, 399), dac_color(0x43));
}
END_TEST

/* Unchained, each plane has every fourth pixel, and there are four pages. */
START_TEST(mode_x_is_unchained)
{
    set_mode(&b, &vga_mode_13);
    put_seq(&b, 4, 6);
    put_crtc(&b, 0x14, 0);
    put_crtc(&b, 0x17, 0xe3);
    for (unsigned plane = 0; plane < 4; plane++) {
        put_seq(&b, 2, 1 << plane);
        poke(&b, 0xa0000 + 80 + 1, 0x10 + plane);
        poke(&b, 0xa0000 + 0x8000, 0x20 + plane);
    }
    for (unsigned plane = 0; plane < 4; plane++)
        ck_assert_uint_eq(pixel(&b, 2 * (4 + plane), 2), dac_color(0x10 + plane));
    put_crtc(&b, 0x0c, 0x80);
    for (unsigned plane = 0; plane < 4; plane++)
        ck_assert_uint_eq(pixel(&b, 2 * plane, 0), dac_color(0x20 + plane));
    put_attr(&b, 0x13, 2); /* a pixel is two dots */
    ck_assert_uint_eq(pixel(&b, 0, 0), dac_color(0x21));
}
END_TEST

/* ---- Nothing
 * --------------------------------------------------------------------------------------------------- */

START_TEST(a_screen_that_is_off_is_dark)
{
    check_size(720, 400); /* nobody has set it up */
    set_mode(&b, &vga_mode_12);
    poke(&b, 0xa0000, 0xff);
    put_seq(&b, 1, 0x21);
    ck_assert_uint_eq(pixel(&b, 0, 0), 0);
    put_seq(&b, 1, 0x01);
    put_attr(&b, 0x11, 5);
    inb(&b.m, 0x3da);
    outb(&b.m, 0x3c0, 0); /* the palette is the processor's */
    b.drawn = 0;
    ck_assert_uint_eq(pixel(&b, 0, 0), dac_color(5));
}
END_TEST

/* ---- DISPI
 * ---------------------------------------------------------------------------------------------------- */

static void set_dispi(unsigned width, unsigned height, unsigned bpp, unsigned flags)
{
    put_dispi(&b, 4, 0);
    put_dispi(&b, 1, width);
    put_dispi(&b, 2, height);
    put_dispi(&b, 3, bpp);
    put_dispi(&b, 4, 1 | flags);
}

#define LFB 0xfd000000u

static void place_frame_buffer(void)
{
    put_config(&b, 0x10, LFB);
    put_config(&b, 0x04, 3);
}

static const struct {
    unsigned bpp, bytes;
    uint32_t value, rgb;
} depths[] = {
    { 15, 2, 0x7c00, 0xff0000 },   { 15, 2, 0x0010, 0x000084 },   { 16, 2, 0xf800, 0xff0000 },
    { 16, 2, 0x07e0, 0x00ff00 },   { 24, 3, 0x123456, 0x123456 }, { 32, 4, 0xff123456, 0x123456 },
    { 8, 1, 0x21, 0 /* below */ },
};

START_TEST(dispi_depths)
{
    unsigned bytes = depths[_i].bytes;

    set_mode(&b, &vga_mode_3);
    place_frame_buffer();
    set_dispi(1920, 1200, depths[_i].bpp, 0x40);
    check_size(1920, 1200);
    for (unsigned i = 0; i < bytes; i++)
        poke(&b, LFB + (1199u * 1920 + 1919) * bytes + i, depths[_i].value >> 8 * i & 0xff);
    ck_assert_uint_eq(b.exits, 0);
    ck_assert_uint_eq(pixel(&b, 1919, 1199), bytes == 1 ? dac_color(0x21) : depths[_i].rgb);
    ck_assert_uint_eq(pixel(&b, 1918, 1199), 0);
}
END_TEST

START_TEST(dispi_banks_are_plain_memory)
{
    set_mode(&b, &vga_mode_3);
    set_dispi(640, 480, 8, 0);
    put_dispi(&b, 5, 2);
    poke(&b, 0xa0000, 0x33);
    ck_assert_uint_eq(b.exits, 0);
    ck_assert_uint_eq(pixel(&b, 0x20000 % 640, 0x20000 / 640), dac_color(0x33));
}
END_TEST

START_TEST(dispi_shows_a_window_on_a_larger_screen)
{
    set_mode(&b, &vga_mode_3);
    place_frame_buffer();
    set_dispi(640, 480, 32, 0x40);
    put_dispi(&b, 6, 1000);
    ck_assert_uint_eq(get_dispi(&b, 6), 1000);
    ck_assert_uint_eq(get_dispi(&b, 7), (16u << 20) / 4000);
    put_dispi(&b, 8, 100);
    put_dispi(&b, 9, 2000);
    poke(&b, LFB + (2000 * 1000 + 100) * 4 + 1, 0x77);
    ck_assert_uint_eq(pixel(&b, 0, 0), 0x7700);
    put_dispi(&b, 8, 2000); /* no further than there is anything */
    ck_assert_uint_eq(get_dispi(&b, 8), 360);
}
END_TEST

START_TEST(dispi_has_planar_modes)
{
    set_mode(&b, &vga_mode_12);
    set_dispi(800, 600, 4, 0);
    check_size(800, 600);
    put_seq(&b, 2, 4);
    poke(&b, 0xa0000 + 599 * 100 + 99, 0x01);
    ck_assert_uint_eq(pixel(&b, 799, 599), dac_color(4));
}
END_TEST

START_TEST(dispi_clears_memory_unless_told_not_to)
{
    set_mode(&b, &vga_mode_3);
    b.m.video[6] = 0x99;
    set_dispi(640, 480, 8, 0x80);
    ck_assert_uint_eq(b.m.video[6], 0x99);
    set_dispi(640, 480, 8, 0);
    ck_assert_uint_eq(b.m.video[6], 0);
}
END_TEST

START_TEST(dispi_can_widen_the_dac)
{
    set_mode(&b, &vga_mode_3);
    set_dispi(640, 480, 8, 0x20);
    put_dac(&b, 0, 0x81, 0x42, 0xff);
    ck_assert_uint_eq(pixel(&b, 0, 0), 0x8142ff);
    set_dispi(640, 480, 8, 0);
    put_dac(&b, 0, 0xc1, 0x3f, 0);
    ck_assert_uint_eq(pixel(&b, 0, 0), rgb6(1, 63, 0));
}
END_TEST

/* Text from before is there again: its cells are not in the way of what is drawn, nor is that in theirs. */
START_TEST(dispi_and_back_to_text)
{
    set_mode(&b, &vga_mode_3);
    put_cell(0, 0, 'A', 7);
    set_dispi(640, 480, 8, 0x80);
    put_dispi(&b, 5, 0);
    ck_assert_uint_eq(peek(&b, 0xa0000), 'A');
    put_dispi(&b, 4, 0);
    ck_assert_uint_eq(peek(&b, TEXT), 'A');
    ck_assert_uint_eq(peek(&b, TEXT + 1), 7);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("vga_modes");
    TCase *tc = tcase_create("modes");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, text_has_720_by_400_dots);
    tcase_add_test(tc, text_is_plain_memory_and_survives_fonts);
    tcase_add_test(tc, text_is_in_the_planes);
    tcase_add_test(tc, line_graphics_join_in_the_ninth_dot);
    tcase_add_test(tc, attribute_bit_3_chooses_the_font);
    tcase_add_test(tc, bit_7_blinks_or_is_a_colour);
    tcase_add_test(tc, cursor_has_lines_a_place_and_blinks);
    tcase_add_test(tc, monochrome_attributes_underline);
    tcase_add_test(tc, text_begins_at_the_start_address);
    tcase_add_test(tc, text_pans_by_dots);
    tcase_add_test(tc, mode_4_has_two_bits_for_a_pixel_in_two_banks);
    tcase_add_test(tc, mode_6_has_one_bit_for_a_pixel_in_two_banks);
    tcase_add_test(tc, mode_12_has_four_planes);
    tcase_add_test(tc, mode_d_doubles_dots_and_lines);
    tcase_add_test(tc, the_palette_leads_to_the_dac);
    tcase_add_test(tc, graphics_pan_and_start_anywhere);
    tcase_add_test(tc, line_compare_splits_the_screen);
    tcase_add_test(tc, mode_13_is_plain_memory);
    tcase_add_test(tc, mode_x_is_unchained);
    tcase_add_test(tc, a_screen_that_is_off_is_dark);
    tcase_add_loop_test(tc, dispi_depths, 0, ARRAY_SIZE(depths));
    tcase_add_test(tc, dispi_banks_are_plain_memory);
    tcase_add_test(tc, dispi_shows_a_window_on_a_larger_screen);
    tcase_add_test(tc, dispi_has_planar_modes);
    tcase_add_test(tc, dispi_clears_memory_unless_told_not_to);
    tcase_add_test(tc, dispi_can_widen_the_dac);
    tcase_add_test(tc, dispi_and_back_to_text);
    suite_add_tcase(suite, tc);
    return machine_main(suite);
}
