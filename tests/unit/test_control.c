/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The control protocol's words: lines, requests, keys, and typing in time.
 */
#include "keymap.h"
#include "lines.h"
#include "protocol.h"
#include "typist.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* ---- Lines ---- */

static void next_is(struct control_lines *lines, const char *expected)
{
    size_t size = 0;
    const char *line = control_lines_next(lines, &size);
    if (!expected) {
        ck_assert_ptr_null(line);
        return;
    }
    ck_assert_ptr_nonnull(line);
    ck_assert_uint_eq(size, strlen(expected));
    ck_assert_mem_eq(line, expected, size);
}

START_TEST(lines_come_out_however_they_come_in)
{
    static const char stream[] = "one\n\ntwo three\n";
    for (size_t cut = 0; cut <= strlen(stream); cut++) {
        struct control_lines lines;
        GString *seen = g_string_new(NULL);
        const char *line;
        size_t size;
        control_lines_init(&lines);
        for (unsigned part = 0; part < 2; part++) {
            const char *from = part ? stream + cut : stream;
            control_lines_add(&lines, from, part ? strlen(from) : cut);
            while ((line = control_lines_next(&lines, &size))) {
                g_string_append_len(seen, line, (gssize)size);
                g_string_append_c(seen, '|');
            }
        }
        ck_assert_str_eq(seen->str, "one||two three|");
        g_string_free(seen, TRUE);
        control_lines_clear(&lines);
    }
}
END_TEST

START_TEST(a_line_has_a_length)
{
    struct control_lines lines;
    char *long_line = g_strnfill(CONTROL_LINE_MAX, 'x');
    control_lines_init(&lines);
    control_lines_add(&lines, "short\n", 6);
    control_lines_add(&lines, long_line, CONTROL_LINE_MAX);
    ck_assert(!control_lines_overflow(&lines));
    next_is(&lines, "short");
    next_is(&lines, NULL);
    ck_assert(!control_lines_overflow(&lines));
    control_lines_add(&lines, "\n", 1);
    next_is(&lines, long_line);
    ck_assert(!control_lines_overflow(&lines));
    control_lines_add(&lines, long_line, CONTROL_LINE_MAX);
    control_lines_add(&lines, "x\n", 2);
    next_is(&lines, NULL);
    ck_assert(control_lines_overflow(&lines));
    control_lines_clear(&lines);
    g_free(long_line);
}
END_TEST

/* ---- Requests ---- */

static const struct {
    const char *line;
    const char *wrong; /* a part of what is said; NULL: nothing is wrong */
} requests[] = {
    { "{\"command\":\"status\"}", NULL },
    { "{\"id\":1,\"command\":\"status\",\"args\":{}}", NULL },
    { " {\"id\":\"a\",\"command\":\"memory-read\",\"args\":{\"address\":68719476735,\"size\":1}} \r", NULL },
    { "{\"command\":\"send-keys\",\"args\":{\"keys\":[\"a\",\"b\"],\"interval\":10000}}", NULL },
    { "{\"command\":\"eject\",\"args\":{\"drive\":\"\",\"force\":true}}", NULL },
    { "", "no JSON" },
    { "status", "no JSON" },
    { "{\"command\":\"status\"", "no JSON" },
    { "{\"command\":\"status\"} {}", "no JSON" },
    { "{\"command\":\"status\",\"command\":\"quit\"}", "no JSON" },
    { "{\"command\":\"stat\\u0000us\"}", "no JSON" },
    { "{\"command\":\"\xff\"}", "no JSON" },
    { "{'command':'status'}", "no JSON" },
    { "[]", "must be an object" },
    { "\"quit\"", "no JSON" },
    { "{}", "needs a \"command\"" },
    { "{\"command\":7}", "needs a \"command\"" },
    { "{\"command\":\"explode\"}", "no command 'explode'" },
    { "{\"id\":1.5,\"command\":\"status\"}", "\"id\"" },
    { "{\"id\":[1],\"command\":\"status\"}", "\"id\"" },
    { "{\"command\":\"status\",\"arguments\":{}}", "not 'arguments'" },
    { "{\"command\":\"status\",\"args\":[]}", "\"args\"" },
    { "{\"command\":\"status\",\"args\":{\"x\":1}}", "no argument 'x'" },
    { "{\"command\":\"memory-read\",\"args\":{\"size\":1}}", "needs the argument 'address'" },
    { "{\"command\":\"memory-read\",\"args\":{\"address\":-1,\"size\":1}}", "'address' must be an integer" },
    { "{\"command\":\"memory-read\",\"args\":{\"address\":68719476736,\"size\":1}}", "'address' must be" },
    { "{\"command\":\"memory-read\",\"args\":{\"address\":1e3,\"size\":1}}", "'address' must be" },
    { "{\"command\":\"memory-read\",\"args\":{\"address\":\"1\",\"size\":1}}", "'address' must be" },
    { "{\"command\":\"memory-read\",\"args\":{\"address\":0,\"size\":262145}}", "'size' must be" },
    { "{\"command\":\"memory-read\",\"args\":{\"address\":0,\"size\":99999999999999999999}}", "no JSON" },
    { "{\"command\":\"memory-read\",\"args\":{\"address\":0,\"size\":1,\"space\":\"io\"}}",
      "physical, linear" },
    { "{\"command\":\"type-text\",\"args\":{\"text\":null}}", "'text' must be a text" },
    { "{\"command\":\"send-keys\",\"args\":{\"keys\":\"a\"}}", "'keys' must be an array" },
    { "{\"command\":\"send-keys\",\"args\":{\"keys\":[\"a\",1]}}", "'keys' must be an array" },
    { "{\"command\":\"eject\",\"args\":{\"drive\":\"cd\",\"force\":1}}", "'force' must be true or false" },
};

START_TEST(requests_are_believed_once_they_fit)
{
    struct control_request request;
    char *wrong = control_request_parse(&request, requests[_i].line, strlen(requests[_i].line));
    if (!requests[_i].wrong)
        ck_assert_msg(!wrong, "%s: %s", requests[_i].line, wrong);
    else
        ck_assert_msg(wrong && strstr(wrong, requests[_i].wrong), "%s: %s", requests[_i].line, wrong);
    g_free(wrong);
    control_request_clear(&request);
}
END_TEST

START_TEST(a_request_has_its_arguments)
{
    static const char line[] =
        "{\"id\":7,\"command\":\"mouse\",\"args\":{\"dx\":-3,\"buttons\":[\"left\",\"right\"]}}";
    struct control_request request;
    ck_assert_ptr_null(control_request_parse(&request, line, strlen(line)));
    ck_assert_int_eq(request.command, CONTROL_MOUSE);
    ck_assert_int_eq(json_integer_value(request.id), 7);
    ck_assert_int_eq(control_number(&request, "dx", 1), -3);
    ck_assert_int_eq(control_number(&request, "dy", 1), 1);
    ck_assert(control_has(&request, "dx") && !control_has(&request, "dy"));
    ck_assert_str_eq(control_text_of(&request, "buttons", 1), "right");
    ck_assert_ptr_null(control_text_of(&request, "buttons", 2));
    control_request_clear(&request);
}
END_TEST

/* A client must be able to tell which of its requests failed, whatever else was wrong with it. */
START_TEST(the_id_survives_a_bad_request)
{
    static const char line[] = "{\"id\":\"x\",\"command\":\"explode\"}";
    struct control_request request;
    char *wrong = control_request_parse(&request, line, strlen(line));
    char *answer = control_failure(request.id, CONTROL_BAD_REQUEST, wrong);
    ck_assert_str_eq(answer,
                     "{\"id\":\"x\",\"error\":{\"code\":\"bad-request\",\"message\":\"there is no command "
                     "'explode'\"}}\n");
    free(answer);
    g_free(wrong);
    control_request_clear(&request);
}
END_TEST

/* Nesting is bounded, or a line would be enough to run out of stack. */
START_TEST(a_deep_value_is_refused)
{
    char *line = g_strnfill(CONTROL_LINE_MAX, '[');
    struct control_request request;
    char *wrong = control_request_parse(&request, line, CONTROL_LINE_MAX);
    ck_assert_ptr_nonnull(wrong);
    g_free(wrong);
    g_free(line);
    control_request_clear(&request);
}
END_TEST

START_TEST(what_is_said_is_one_line_of_json)
{
    char *lines[] = { control_greeting("1.2.3"), control_result(NULL, json_pack("{s:s}", "text", "a\nb")),
                      control_failure(NULL, CONTROL_FAILED, "bad \xff byte\n"),
                      control_event("state", json_pack("{s:s}", "state", "paused")),
                      control_event("reset", NULL) };
    for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
        size_t length = strlen(lines[i]);
        ck_assert_ptr_eq(strchr(lines[i], '\n'), lines[i] + length - 1);
        json_t *object = json_loads(lines[i], 0, NULL);
        ck_assert(json_is_object(object));
        json_decref(object);
        free(lines[i]);
    }
}
END_TEST

START_TEST(bytes_and_digits)
{
    static const uint8_t bytes[] = { 0x00, 0x7f, 0xff };
    size_t count;
    char *text = control_hex(bytes, 3);
    ck_assert_str_eq(text, "007fff");
    g_free(text);
    uint8_t *back = control_unhex("007FfF", 3, &count);
    ck_assert_uint_eq(count, 3);
    ck_assert_mem_eq(back, bytes, 3);
    g_free(back);
    ck_assert_ptr_null(control_unhex("007", 3, &count));
    ck_assert_ptr_null(control_unhex("0g", 3, &count));
    ck_assert_ptr_null(control_unhex("00000000", 3, &count));
    back = control_unhex("", 3, &count);
    ck_assert_uint_eq(count, 0);
    g_free(back);
}
END_TEST

/* ---- Keys ---- */

START_TEST(every_printable_character_has_a_key_of_its_own)
{
    bool used[0x80][2] = { { false } };
    for (gunichar c = ' '; c <= '~'; c++) {
        bool shift;
        uint16_t code = keymap_character(c, &shift);
        ck_assert_msg(code && code < 0x80, "character %c", (char)c);
        ck_assert_msg(c == ' ' || !used[code][shift], "character %c", (char)c);
        used[code][shift] = true;
        /* Letters differ by Shift from their capitals, and by nothing else. */
        bool other;
        if (g_ascii_islower((char)c))
            ck_assert(!shift && keymap_character(c - 'a' + 'A', &other) == code && other);
        if (g_ascii_isalnum((char)c))
            ck_assert_uint_eq(keymap_code(&(char){ (char)c }, 1),
                              g_ascii_isupper((char)c) || !shift ? code : 0);
    }
}
END_TEST

static const struct {
    const char *text;
    unsigned count;
    uint16_t codes[KEYMAP_TOGETHER_MAX];
} together[] = {
    { "a", 1, { 0x1e } },
    { "Enter", 1, { 0x1c } },
    { "ctrl+alt+delete", 3, { 0x1d, 0x38, 0xe053 } },
    { "shift-right+kp-plus", 2, { 0x36, 0x4e } },
    { "pause", 1, { 0xe11d } },
    { "print", 1, { 0xe037 } },
    { "a+b+c+d+e+f", 6, { 0x1e, 0x30, 0x2e, 0x20, 0x12, 0x21 } },
    { "a+b+c+d+e+f+g", 0, { 0 } },
    { "", 0, { 0 } },
    { "+", 0, { 0 } },
    { "a+", 0, { 0 } },
    { "+a", 0, { 0 } },
    { "a++b", 0, { 0 } },
    { "ctrl+foo", 0, { 0 } },
};

START_TEST(keys_together)
{
    uint16_t codes[KEYMAP_TOGETHER_MAX];
    ck_assert_msg(keymap_together(together[_i].text, codes) == together[_i].count, "%s", together[_i].text);
    for (unsigned i = 0; i < together[_i].count; i++)
        ck_assert_uint_eq(codes[i], together[_i].codes[i]);
}
END_TEST

START_TEST(no_key_is_there_twice)
{
    for (const struct keymap_key *a = keymap_keys; a->name; a++) {
        for (const struct keymap_key *b = a + 1; b->name; b++) {
            ck_assert_str_ne(a->name, b->name);
            ck_assert_msg(a->code != b->code, "%s and %s", a->name, b->name);
        }
    }
}
END_TEST

/* ---- Typing ---- */

static GString *typed;
static bool taken = true;
static unsigned dones;

static void on_key(void *ctx, uint16_t code, bool down)
{
    (void)ctx;
    g_string_append_printf(typed, "%c%02x ", down ? '+' : '-', code);
}

static bool is_taken(void *ctx)
{
    (void)ctx;
    return taken;
}

static void on_done(void *ctx)
{
    (void)ctx;
    dones++;
    g_string_append(typed, "done ");
}

static struct typist *new_typist(void)
{
    const struct typist_keyboard keyboard = { .key = on_key, .taken = is_taken };
    typed = g_string_new(NULL);
    return typist_new(&keyboard);
}

static struct typist_job *new_job(uint16_t first)
{
    struct typist_job *job = typist_job_new();
    typist_job_add(job, (uint16_t[]){ 0x2a, first }, 2);
    typist_job_add(job, &(uint16_t){ (uint16_t)(first + 1) }, 1);
    return job;
}

static void run_until(const char *expected)
{
    while (strcmp(typed->str, expected)) {
        ck_assert_msg(g_str_has_prefix(expected, typed->str), "'%s' and not '%s'", typed->str, expected);
        g_main_context_iteration(NULL, TRUE);
    }
}

START_TEST(jobs_are_typed_one_after_the_other)
{
    struct typist *t = new_typist();
    typist_start(t, new_job(0x10), 1, on_done, NULL);
    typist_start(t, new_job(0x20), 1, on_done, NULL);
    typist_start(t, typist_job_new(), 1, on_done, NULL);
    run_until("+2a +10 -10 -2a +11 -11 done +2a +20 -20 -2a +21 -21 done done ");
    typist_start(t, typist_job_new(), 1, on_done, NULL);
    run_until("+2a +10 -10 -2a +11 -11 done +2a +20 -20 -2a +21 -21 done done done ");
    ck_assert_uint_eq(dones, 4);
    typist_free(t);
}
END_TEST

START_TEST(nothing_is_typed_that_the_guest_has_no_room_for)
{
    struct typist *t = new_typist();
    typist_start(t, new_job(0x10), 1, on_done, NULL);
    run_until("+2a +10 ");
    taken = false;
    for (unsigned i = 0; i < 20; i++)
        g_main_context_iteration(NULL, TRUE);
    run_until("+2a +10 ");
    taken = true;
    run_until("+2a +10 -10 -2a +11 -11 done ");
    typist_free(t);
}
END_TEST

START_TEST(no_key_stays_down_when_a_client_leaves)
{
    struct typist *t = new_typist();
    struct typist_job *first = new_job(0x10), *second = new_job(0x20);
    typist_start(t, first, 1, on_done, NULL);
    typist_start(t, second, 1, on_done, NULL);
    run_until("+2a +10 ");
    typist_cancel(t, first);
    run_until("+2a +10 -10 -2a +2a +20 -20 -2a +21 -21 done ");
    struct typist_job *third = new_job(0x30), *fourth = new_job(0x40);
    typist_start(t, third, 1, on_done, NULL);
    typist_start(t, fourth, 1, on_done, NULL);
    typist_cancel(t, fourth);
    typist_free(t); /* with a job under way */
    ck_assert_uint_eq(dones, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("control");
    TCase *tc = tcase_create("control");
    tcase_add_test(tc, lines_come_out_however_they_come_in);
    tcase_add_test(tc, a_line_has_a_length);
    tcase_add_loop_test(tc, requests_are_believed_once_they_fit, 0, G_N_ELEMENTS(requests));
    tcase_add_test(tc, a_request_has_its_arguments);
    tcase_add_test(tc, the_id_survives_a_bad_request);
    tcase_add_test(tc, a_deep_value_is_refused);
    tcase_add_test(tc, what_is_said_is_one_line_of_json);
    tcase_add_test(tc, bytes_and_digits);
    tcase_add_test(tc, every_printable_character_has_a_key_of_its_own);
    tcase_add_loop_test(tc, keys_together, 0, G_N_ELEMENTS(together));
    tcase_add_test(tc, no_key_is_there_twice);
    tcase_add_test(tc, jobs_are_typed_one_after_the_other);
    tcase_add_test(tc, nothing_is_typed_that_the_guest_has_no_room_for);
    tcase_add_test(tc, no_key_stays_down_when_a_client_leaves);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
