/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The terminal as screen and keyboard, without a terminal: orders for it, and strokes from what it sends.
 */
#include "terminal_keys.h"
#include "terminal_view.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* ---- Keys ---- */

static GString *strokes;

static void on_stroke(void *ctx, const uint16_t *codes, unsigned count)
{
    (void)ctx;
    for (unsigned i = 0; i < count; i++)
        g_string_append_printf(strokes, "%s%x", i ? "+" : strokes->len ? " " : "", codes[i]);
}

static const struct {
    const char *name, *bytes, *strokes;
} typed[] = {
    { "letters", "aB", "1e 2a+30" },
    { "the enter key sends CR", "\r", "1c" },
    { "backspace sends DEL", "\177", "e" },
    { "Ctrl-C", "\003", "1d+2e" },
    { "cursor keys", "\033[A\033OB", "e048 e050" },
    { "with Ctrl", "\033[1;5C", "1d+e04d" },
    { "with Shift and Alt", "\033[3;4~", "38+2a+e053" },
    { "function keys of xterm", "\033OP\033[15~\033[24~", "3b 3f 58" },
    { "function keys of the Linux console", "\033[[A\033[[E", "3b 3f" },
    { "Alt and a letter", "\033x", "38+2d" },
    { "Shift-Tab", "\033[Z", "2a+f" },
    { "characters that are on no key", "\303\244b", "30" },
    { "no UTF-8", "\377b", "30" },
    { "unknown sequences", "\033[?99qb", "30" },
};

START_TEST(bytes_become_strokes)
{
    struct terminal_keys keys = { .stroke = on_stroke };
    strokes = g_string_new(NULL);
    for (const char *p = typed[_i].bytes; *p; p++)
        terminal_keys_feed(&keys, (uint8_t)*p);
    ck_assert_msg(!strcmp(strokes->str, typed[_i].strokes), "%s: %s", typed[_i].name, strokes->str);
    ck_assert_uint_eq(keys.count, 0);
    g_string_free(strokes, TRUE);
}
END_TEST

START_TEST(esc_alone_is_a_key)
{
    struct terminal_keys keys = { .stroke = on_stroke };
    strokes = g_string_new(NULL);
    terminal_keys_feed(&keys, 0x1b);
    ck_assert_str_eq(strokes->str, "");
    terminal_keys_flush(&keys);
    ck_assert_str_eq(strokes->str, "1");
    g_string_free(strokes, TRUE);
}
END_TEST

START_TEST(nul_is_ctrl_space)
{
    struct terminal_keys keys = { .stroke = on_stroke };
    strokes = g_string_new(NULL);
    terminal_keys_feed(&keys, 0);
    ck_assert_str_eq(strokes->str, "1d+39");
    g_string_free(strokes, TRUE);
}
END_TEST

START_TEST(any_bytes_can_be_sent)
{
    struct terminal_keys keys = { .stroke = on_stroke };
    GRand *rand = g_rand_new_with_seed(7);
    strokes = g_string_new(NULL);
    for (unsigned i = 0; i < 100000; i++) {
        terminal_keys_feed(&keys, g_rand_boolean(rand) ? (uint8_t) "\033[;O0"[g_rand_int_range(rand, 0, 5)]
                                                       : (uint8_t)g_rand_int(rand));
        ck_assert_uint_lt(keys.count, TERMINAL_KEYS_MAX);
        g_string_truncate(strokes, 0);
    }
    g_string_free(strokes, TRUE);
    g_rand_free(rand);
}
END_TEST

/* ---- Screen ---- */

static struct terminal_view *view;
static uint16_t cells[4 * 3];
static struct display_text text;
static const struct display_picture picture = { .width = 640, .height = 480 };
static GString *out;

static void set_up(void)
{
    view = terminal_view_new();
    out = g_string_new(NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(cells); i++)
        cells[i] = 0x0720;
    text = (struct display_text){ .is_text = true, .columns = 4, .rows = 3, .cells = cells };
}

static void tear_down(void)
{
    terminal_view_free(view);
    g_string_free(out, TRUE);
}

static const char *update(unsigned columns, unsigned rows)
{
    g_string_truncate(out, 0);
    terminal_view_update(view, &text, &picture, columns, rows, out);
    return out->str;
}

START_TEST(only_what_changed_is_written)
{
    update(80, 25);
    ck_assert_str_eq(update(80, 25), "");
    cells[5] = 0x1cc9; /* bright red on blue */
    ck_assert_str_eq(update(80, 25), "\033[2;2H\033[0;91;44m\u2554\033[?25l");
    ck_assert_str_eq(update(80, 25), "");
}
END_TEST

START_TEST(the_cursor_is_where_it_is)
{
    update(80, 25);
    text.cursor = true;
    text.cursor_row = 2;
    text.cursor_column = 3;
    ck_assert_str_eq(update(80, 25), "\033[3;4H\033[?25h");
    ck_assert_str_eq(update(80, 25), "");
    text.cursor = false;
    ck_assert_str_eq(update(80, 25), "\033[?25l");
}
END_TEST

START_TEST(bit_7_blinks_or_brightens)
{
    update(80, 25);
    cells[0] = 0xf041;
    ck_assert_str_eq(update(80, 25), "\033[1;1H\033[0;30;107mA\033[?25l");
    text.blinks = true;
    terminal_view_forget(view);
    ck_assert_ptr_nonnull(strstr(update(80, 25), "\033[0;5;30;47mA"));
}
END_TEST

START_TEST(a_small_terminal_shows_the_rows_at_the_cursor)
{
    cells[8] = 0x0741;
    text.cursor = true;
    text.cursor_row = 2;
    update(3, 2);
    ck_assert_ptr_nonnull(strstr(out->str, "\033[2;1H"));
    ck_assert_ptr_nonnull(strstr(out->str, "A"));
    ck_assert_ptr_null(strstr(out->str, "\033[3;"));
}
END_TEST

START_TEST(graphics_are_told_of_once)
{
    text.is_text = false;
    ck_assert_ptr_nonnull(strstr(update(80, 25), "640 x 480"));
    ck_assert_str_eq(update(80, 25), "");
    text.is_text = true;
    ck_assert_str_ne(update(80, 25), "");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("terminal_display");
    TCase *keys = tcase_create("keys"), *screen = tcase_create("screen");
    tcase_add_loop_test(keys, bytes_become_strokes, 0, G_N_ELEMENTS(typed));
    tcase_add_test(keys, esc_alone_is_a_key);
    tcase_add_test(keys, nul_is_ctrl_space);
    tcase_add_test(keys, any_bytes_can_be_sent);
    tcase_add_checked_fixture(screen, set_up, tear_down);
    tcase_add_test(screen, only_what_changed_is_written);
    tcase_add_test(screen, the_cursor_is_where_it_is);
    tcase_add_test(screen, bit_7_blinks_or_brightens);
    tcase_add_test(screen, a_small_terminal_shows_the_rows_at_the_cursor);
    tcase_add_test(screen, graphics_are_told_of_once);
    suite_add_tcase(suite, keys);
    suite_add_tcase(suite, screen);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
