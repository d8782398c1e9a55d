/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The escape key: what of a typed text reaches the guest, and what is an order.
 */
#include "escape.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

struct row {
    const char *name, *typed, *guest, *orders; /* orders: q(uit), h(elp), b(reak) */
};

static const struct row rows[] = {
    { "plain text passes", "ls -l\r", "ls -l\r", "" },
    { "control keys pass", "\003\032\033[A", "\003\032\033[A", "" },
    { "Ctrl-A x quits", "\001x", "", "q" },
    { "Ctrl-A X quits", "\001X", "", "q" },
    { "x alone does not", "x", "x", "" },
    { "Ctrl-A h helps", "a\001hb", "ab", "h" },
    { "Ctrl-A b is a break", "\001b\001b", "", "bb" },
    { "Ctrl-A Ctrl-A is one Ctrl-A", "\001\001", "\001", "" },
    { "a doubled Ctrl-A does not arm the next key", "\001\001x", "\001x", "" },
    { "three Ctrl-A and x quit", "\001\001\001x", "\001", "q" },
    { "unknown orders are swallowed whole", "1\001z2", "12", "" },
    { "an order may come byte by byte with others around it", "a\001bc\001xd", "acd", "bq" },
};

START_TEST(typed_text_is_split)
{
    const struct row *row = &rows[_i];
    struct escape escape = { 0 };
    char guest[64] = "", orders[64] = "";
    for (const char *p = row->typed; *p; p++) {
        switch (escape_feed(&escape, (uint8_t)*p)) {
        case ESCAPE_PASS:
            guest[strlen(guest)] = *p;
            break;
        case ESCAPE_QUIT:
            strcat(orders, "q");
            break;
        case ESCAPE_HELP:
            strcat(orders, "h");
            break;
        case ESCAPE_BREAK:
            strcat(orders, "b");
            break;
        case ESCAPE_SWALLOW:
            break;
        }
    }
    ck_assert_msg(!strcmp(guest, row->guest), "%s: the guest gets '%s'", row->name, guest);
    ck_assert_msg(!strcmp(orders, row->orders), "%s: orders '%s'", row->name, orders);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("escape");
    TCase *tc = tcase_create("escape");
    tcase_add_loop_test(tc, typed_text_is_split, 0, sizeof rows / sizeof *rows);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
