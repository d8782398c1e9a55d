/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the window reckons: keys, sizes, and when to look at the screen. What it does is tested under Xvfb
 * (tests/tools/window_session.py).
 */
#include "keymap.h"
#include "window_keys.h"
#include "window_place.h"

#include <SDL.h>
#include <check.h>
#include <stdlib.h>

#define MS UINT64_C(1000000)

/* ---- Keys ---- */

START_TEST(every_key_of_the_guests_can_be_pressed)
{
    for (const struct keymap_key *key = keymap_keys; key->name; key++) {
        unsigned found = 0;
        for (int scancode = 0; scancode < SDL_NUM_SCANCODES; scancode++)
            found += window_key_code(scancode) == key->code;
        ck_assert_msg(found >= 1, "%s", key->name);
    }
}
END_TEST

START_TEST(no_key_is_one_that_the_guest_has_not)
{
    for (int scancode = -1; scancode <= SDL_NUM_SCANCODES; scancode++) {
        uint16_t code = window_key_code(scancode);
        const struct keymap_key *key = keymap_keys;
        while (code && key->name && key->code != code)
            key++;
        ck_assert_msg(!code || key->name, "scancode %d: %#x", scancode, code);
    }
    ck_assert_uint_eq(window_key_code(SDL_SCANCODE_UNKNOWN), 0);
    ck_assert_uint_eq(window_key_code(SDL_SCANCODE_AUDIOPLAY), 0);
}
END_TEST

/* ---- Sizes ---- */

static const struct {
    struct display_picture picture;
    int width, height;         /* of the window it gets */
    struct window_box wide;    /* its place in one of 1920x1080 ... */
    struct window_box upright; /* ... and of 600x1000 */
} sizes[] = {
    { { .width = 720, .height = 400, .is_4_3 = true },
      720,
      540,
      { 240, 0, 1440, 1080 },
      { 0, 275, 600, 450 } },
    { { .width = 320, .height = 200, .is_4_3 = true },
      640,
      480,
      { 240, 0, 1440, 1080 },
      { 0, 275, 600, 450 } },
    { { .width = 640, .height = 480, .is_4_3 = true },
      640,
      480,
      { 240, 0, 1440, 1080 },
      { 0, 275, 600, 450 } },
    { { .width = 320, .height = 600, .is_4_3 = true },
      800,
      600,
      { 240, 0, 1440, 1080 },
      { 0, 275, 600, 450 } },
    { { .width = 1024, .height = 768 }, 1024, 768, { 240, 0, 1440, 1080 }, { 0, 275, 600, 450 } },
    { { .width = 1280, .height = 1024 }, 1280, 1024, { 285, 0, 1350, 1080 }, { 0, 260, 600, 480 } },
    { { .width = 1920, .height = 1080 }, 1920, 1080, { 0, 0, 1920, 1080 }, { 0, 331, 600, 338 } },
    { { .width = 320, .height = 240 }, 640, 480, { 240, 0, 1440, 1080 }, { 0, 275, 600, 450 } },
};

static void box_is(struct window_box box, struct window_box expected)
{
    ck_assert_msg(box.x == expected.x && box.y == expected.y && box.width == expected.width &&
                      box.height == expected.height,
                  "%d,%d %dx%d", box.x, box.y, box.width, box.height);
}

START_TEST(pictures_keep_their_shape)
{
    const struct display_picture *picture = &sizes[_i].picture;
    box_is(window_natural_size(picture),
           (struct window_box){ .width = sizes[_i].width, .height = sizes[_i].height });
    box_is(window_place(picture, 1920, 1080), sizes[_i].wide);
    box_is(window_place(picture, 600, 1000), sizes[_i].upright);
}
END_TEST

START_TEST(no_size_is_too_odd)
{
    static const int odd[] = { 0, 1, 2, 3, 16384 };
    for (size_t i = 0; i < G_N_ELEMENTS(odd); i++) {
        for (size_t n = 0; n < G_N_ELEMENTS(odd); n++) {
            const struct display_picture picture = { .width = (unsigned)odd[i], .height = (unsigned)odd[n] };
            struct window_box box = window_place(&picture, odd[n], odd[i]);
            ck_assert_int_ge(box.x, 0);
            ck_assert_int_ge(box.y, 0);
            ck_assert_int_le(box.x + box.width, odd[n]);
            ck_assert_int_le(box.y + box.height, odd[i]);
            ck_assert_int_ge(window_natural_size(&picture).width, 640);
        }
    }
}
END_TEST

/* ---- When ---- */

/* Looks in `ms` at a screen that changes each `change_ms`. */
static unsigned looks(struct window_pace *pace, uint64_t *now, unsigned ms, unsigned change_ms, int rate)
{
    uint64_t end = *now + ms * MS, changed = *now;
    unsigned count = 0;
    for (; *now < end; *now = pace->next, count++) {
        bool news = change_ms && *now - changed >= change_ms * MS;
        if (news)
            changed = *now;
        window_pace_step(pace, *now, news, rate);
        ck_assert_uint_gt(pace->next, *now);
    }
    return count;
}

START_TEST(what_moves_is_looked_at_in_a_rhythm)
{
    static const struct {
        int rate;
        unsigned least, most; /* looks in a second */
    } rows[] = { { 0, 58, 61 },  { 1, 58, 61 },  { 60, 58, 61 }, { 144, 58, 61 },
                 { 50, 48, 51 }, { 30, 28, 31 }, { -1, 58, 61 } };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        struct window_pace pace = { 0 };
        uint64_t now = 1000 * MS;
        looks(&pace, &now, 1000, 1, rows[i].rate);
        unsigned count = looks(&pace, &now, 1000, 1, rows[i].rate);
        ck_assert_msg(count >= rows[i].least && count <= rows[i].most, "at %d Hz %u", rows[i].rate, count);
    }
}
END_TEST

START_TEST(what_rests_is_looked_at_rarely)
{
    struct window_pace pace = { 0 };
    uint64_t now = 1000 * MS;
    looks(&pace, &now, 1000, 1, 60);
    looks(&pace, &now, 1000, 0, 60);
    ck_assert_uint_le(looks(&pace, &now, 1000, 0, 60), 21);
    ck_assert_uint_le(looks(&pace, &now, 1000, 114, 60), 21); /* a cursor */
    window_pace_wake(&pace, now);
    ck_assert_uint_le(pace.next, now + 17 * MS);
    ck_assert_uint_ge(looks(&pace, &now, 400, 0, 60), 22);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("window");
    TCase *tc = tcase_create("window");
    tcase_add_test(tc, every_key_of_the_guests_can_be_pressed);
    tcase_add_test(tc, no_key_is_one_that_the_guest_has_not);
    tcase_add_loop_test(tc, pictures_keep_their_shape, 0, G_N_ELEMENTS(sizes));
    tcase_add_test(tc, no_size_is_too_odd);
    tcase_add_test(tc, what_moves_is_looked_at_in_a_rhythm);
    tcase_add_test(tc, what_rests_is_looked_at_rarely);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
