/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pictures from frames of the test's own: what is drawn, what is told to have changed, the text as UTF-8, and
 * PNG files, read back by libpng.
 */
#include "display.h"

#include <check.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint8_t memory[VIDEO_MEMORY_ALL];
static struct video_frame frame;
static uint64_t activity;
static struct display *display;

static void give_frame(void *ctx, struct video_frame *to)
{
    (void)ctx;
    memcpy(to, &frame, sizeof frame);
}

static uint64_t give_activity(void *ctx)
{
    (void)ctx;
    return activity;
}

/* Four characters by two rows, of 9 x 16 dots; pixel n of the palette is n. */
static void set_up(void)
{
    static const struct display_source source = { .frame = give_frame,
                                                  .activity = give_activity,
                                                  .memory = memory };
    memset(memory, 0, sizeof memory);
    memset(&frame, 0, sizeof frame);
    frame.kind = VIDEO_TEXT;
    frame.width = 36;
    frame.height = 32;
    frame.columns = 3;
    frame.rows = 1;
    frame.pitch = 4;
    frame.mask = 0xffff;
    frame.line_compare = 0x3ff;
    frame.row_lines = 16;
    frame.cell_width = 9;
    frame.has_cells = true;
    for (unsigned i = 0; i < 256; i++)
        frame.palette[i] = i;
    display = display_new(&source);
}

static void tear_down(void)
{
    display_free(display);
}

static void put_cell(unsigned place, uint8_t code, uint8_t attribute)
{
    memory[VIDEO_CELLS + 2 * place] = code;
    memory[VIDEO_CELLS + 2 * place + 1] = attribute;
    activity++;
}

static void put_glyph(uint8_t code, unsigned line, uint8_t dots)
{
    memory[4 * (code * VIDEO_GLYPH_LINES + line) + 2] = dots;
    activity++;
}

static uint32_t pixel(unsigned x, unsigned y)
{
    struct display_picture picture = display_picture(display);
    ck_assert_uint_lt(x, picture.width);
    ck_assert_uint_lt(y, picture.height);
    return picture.pixels[y * picture.width + x];
}

START_TEST(text_shows_shapes_in_colours)
{
    put_cell(5, 'A', 0x1e);
    put_glyph('A', 3, 0x81);
    ck_assert(display_refresh(display, NULL));
    ck_assert_uint_eq(pixel(9, 19), 0xe);
    ck_assert_uint_eq(pixel(10, 19), 0x1);
    ck_assert_uint_eq(pixel(16, 19), 0xe);
    ck_assert_uint_eq(pixel(17, 19), 0x1);
    ck_assert_uint_eq(pixel(9, 18), 0x1);
}
END_TEST

START_TEST(changes_are_told_by_lines)
{
    struct display_change change;
    ck_assert(display_refresh(display, &change));
    ck_assert(change.size);
    ck_assert_uint_eq(change.end, 32);
    ck_assert(!display_refresh(display, &change));
    put_cell(5, 'A', 0x1e);
    put_glyph('A', 3, 0x81);
    put_cell(5, 0, 0);
    ck_assert(!display_refresh(display, &change)); /* nothing to be seen of it */
    put_cell(5, 'A', 0x0e);
    ck_assert(display_refresh(display, &change));
    ck_assert(!change.size);
    ck_assert_uint_eq(change.first, 19);
    ck_assert_uint_eq(change.end, 20);
}
END_TEST

START_TEST(memory_is_not_looked_at_while_the_guest_is_idle)
{
    put_glyph('A', 3, 0x81);
    ck_assert(display_refresh(display, NULL));
    memory[VIDEO_CELLS] = 'A';
    memory[VIDEO_CELLS + 1] = 0x0f;
    ck_assert(!display_refresh(display, NULL));
    activity++;
    ck_assert(display_refresh(display, NULL));
}
END_TEST

START_TEST(the_frame_is_looked_at_though_the_guest_is_idle)
{
    put_glyph('A', 3, 0x81);
    put_cell(0, 'A', 0x0f);
    ck_assert(display_refresh(display, NULL));
    frame.palette[15] = 0xffffff;
    ck_assert(display_refresh(display, NULL));
    ck_assert_uint_eq(pixel(0, 3), 0xffffff);
}
END_TEST

START_TEST(text_is_utf8_without_blanks_at_the_end)
{
    put_cell(0, 'a', 7);
    put_cell(1, 0xc9, 7);
    put_cell(2, ' ', 7);
    put_cell(3, 0, 7);
    put_cell(4, ' ', 7);
    put_cell(5, 0x81, 7);
    frame.cursor_enabled = true;
    frame.cursor = 5;
    display_refresh(display, NULL);
    char *text = display_text_string(display);
    ck_assert_str_eq(text, "a\u2554\n \u00fc\n");
    g_free(text);
    struct display_text cells = display_text(display);
    ck_assert(cells.is_text && cells.cursor);
    ck_assert_uint_eq(cells.columns, 4);
    ck_assert_uint_eq(cells.rows, 2);
    ck_assert_uint_eq(cells.cursor_column, 1);
    ck_assert_uint_eq(cells.cursor_row, 1);
    ck_assert_uint_eq(cells.cells[1], 0x07c9);
}
END_TEST

START_TEST(graphics_have_no_text)
{
    frame.kind = VIDEO_PACKED;
    frame.bits_per_pixel = 32;
    display_refresh(display, NULL);
    ck_assert(!display_text(display).is_text);
    ck_assert_ptr_null(display_text_string(display));
}
END_TEST

START_TEST(png_has_the_pixels)
{
    char path[] = "/tmp/test_display_XXXXXX";
    int fd = mkstemp(path);
    png_image image = { .version = PNG_IMAGE_VERSION };
    uint8_t rgb[2 * 2 * 3];
    GError *error = NULL;
    close(fd);
    frame.kind = VIDEO_PACKED;
    frame.bits_per_pixel = 32;
    frame.width = frame.height = 2;
    frame.row_lines = 1;
    frame.pitch = 8;
    memcpy(memory, (uint32_t[]){ 0x112233, 0x445566, 0x778899, 0xaabbcc }, 16);
    ck_assert(display_refresh(display, NULL));
    ck_assert(display_write_png(display, path, &error));
    ck_assert(png_image_begin_read_from_file(&image, path));
    ck_assert_uint_eq(image.width, 2);
    ck_assert_uint_eq(image.height, 2);
    image.format = PNG_FORMAT_RGB;
    ck_assert(png_image_finish_read(&image, NULL, rgb, 0, NULL));
    for (unsigned i = 0; i < sizeof rgb; i++)
        ck_assert_uint_eq(rgb[i], 0x11 * (i + 1));
    unlink(path);
}
END_TEST

START_TEST(png_that_cannot_be_written_is_an_error)
{
    GError *error = NULL;
    display_refresh(display, NULL);
    ck_assert(!display_write_png(display, "/nonexistent/picture.png", &error));
    ck_assert_str_eq(error->message,
                     "cannot write the picture '/nonexistent/picture.png': No such file or directory");
    g_error_free(error);
}
END_TEST

/* Whatever a frame says, nothing outside of the memory is read, and no pixel outside of the line written. */
START_TEST(any_frame_can_be_drawn)
{
    static uint8_t room[VIDEO_LINE_BYTES];
    static uint32_t row[VIDEO_WIDTH_MAX + 1];
    static struct video_glyphs glyphs;
    GRand *rand = g_rand_new_with_seed(1);
    for (unsigned i = 0; i < 20000; i++) {
        size_t size;
        for (size_t n = 0; n < offsetof(struct video_frame, palette); n++)
            ((uint8_t *)&frame)[n] = (uint8_t)g_rand_int(rand);
        frame.kind = (uint8_t)(i % 6);
        frame.has_cells = i & 8, frame.wide = i & 16, frame.pan_stops = i & 32, frame.blinks = i & 64;
        frame.blinked_off = frame.joins = frame.is_monochrome = frame.cursor_shown = i & 128;
        frame.cursor_enabled = i & 256;
        frame.width = (uint16_t)g_rand_int_range(rand, 1, VIDEO_WIDTH_MAX + 1);
        unsigned y = (unsigned)g_rand_int_range(rand, 0, VIDEO_HEIGHT_MAX);
        row[frame.width] = 0xdeadbeef;
        if (frame.kind == VIDEO_TEXT)
            video_read_glyphs(&frame, memory, &glyphs);
        const uint8_t *line = video_line(&frame, memory, y, room, &size);
        ck_assert_uint_le(size, VIDEO_LINE_BYTES);
        video_draw(&frame, &glyphs, y, line, row);
        ck_assert_uint_eq(row[frame.width], 0xdeadbeef);
        video_cell(&frame, memory, i & 0xff, y & 0xff);
    }
    g_rand_free(rand);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("display");
    TCase *tc = tcase_create("display");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, text_shows_shapes_in_colours);
    tcase_add_test(tc, changes_are_told_by_lines);
    tcase_add_test(tc, memory_is_not_looked_at_while_the_guest_is_idle);
    tcase_add_test(tc, the_frame_is_looked_at_though_the_guest_is_idle);
    tcase_add_test(tc, text_is_utf8_without_blanks_at_the_end);
    tcase_add_test(tc, graphics_have_no_text);
    tcase_add_test(tc, png_has_the_pixels);
    tcase_add_test(tc, png_that_cannot_be_written_is_an_error);
    tcase_add_test(tc, any_frame_can_be_drawn);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
