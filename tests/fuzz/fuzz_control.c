/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Arbitrary bytes for the control protocol: as a stream in pieces, line by line as requests, and their texts
 * as keys, as characters and as bytes. Whatever is believed must be what the command's table allows, and
 * whatever is answered one line of JSON.
 *
 *   fuzz_control [COUNT [FIRST-SEED]]
 */
#include "keymap.h"
#include "lines.h"
#include "protocol.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INPUT_MAX = 4096, PIECES_MAX = 64 };

/* ---- What is to hold ---- */

static void must(bool ok, const char *what, const char *line, size_t size)
{
    if (ok)
        return;
    fprintf(stderr, "%s: %.*s\n", what, (int)size, line);
    abort();
}

/* An answer is one line, and JSON. */
static void check_answer(char *answer)
{
    must(answer != NULL, "no answer", "", 0);
    size_t length = strlen(answer);
    must(strchr(answer, '\n') == answer + length - 1, "not one line", answer, length);
    json_t *object = json_loads(answer, 0, NULL);
    must(json_is_object(object), "no JSON", answer, length);
    json_decref(object);
    free(answer);
}

static void use_text(const char *text)
{
    uint16_t codes[KEYMAP_TOGETHER_MAX];
    size_t count = 0;
    bool shift;
    must(keymap_together(text, codes) <= KEYMAP_TOGETHER_MAX, "too many keys", text, strlen(text));
    for (const char *at = text; *at; at = g_utf8_next_char(at))
        must(keymap_character(g_utf8_get_char(at), &shift) <= 0x58, "a grey key", text, strlen(text));
    uint8_t *bytes = control_unhex(text, CONTROL_TRANSFER_MAX, &count);
    if (bytes) {
        char *again = control_hex(bytes, count);
        must(!g_ascii_strcasecmp(again, text), "other bytes", text, strlen(text));
        g_free(again);
    }
    g_free(bytes);
}

static void use_argument(const struct control_request *request, const struct control_argument *a)
{
    const char *text;
    bool has = control_has(request, a->name);
    must(has || !a->required, "an argument is missing", a->name, strlen(a->name));
    if (!has)
        return;
    if (a->kind == CONTROL_NUMBER) {
        int64_t value = control_number(request, a->name, 0);
        must(value >= a->min && value <= a->max, "out of range", a->name, strlen(a->name));
    } else if (a->kind == CONTROL_TEXT) {
        use_text(control_text(request, a->name, NULL));
    } else if (a->kind == CONTROL_TEXTS) {
        for (size_t i = 0; (text = control_text_of(request, a->name, i)); i++)
            use_text(text);
    }
}

/* Returns whether it was believed. */
static bool serve(const char *line, size_t size)
{
    struct control_request request;
    char *wrong = control_request_parse(&request, line, size);
    if (wrong) {
        check_answer(control_failure(request.id, CONTROL_BAD_REQUEST, wrong));
    } else {
        must(request.command < CONTROL_COMMANDS, "no command", line, size);
        for (const struct control_argument *a = control_commands[request.command].arguments; a->name; a++)
            use_argument(&request, a);
        check_answer(control_result(request.id, json_incref(request.args)));
    }
    control_request_clear(&request);
    g_free(wrong);
    return !wrong;
}

/* The lines of a stream are the same in whatever pieces it comes. Returns how many requests were believed. */
static unsigned feed(const char *bytes, size_t size, GRand *rand)
{
    struct control_lines lines;
    const char *line, *expected = bytes;
    size_t length;
    unsigned believed = 0;
    control_lines_init(&lines);
    for (size_t done = 0, piece; done < size; done += piece) {
        piece = (size_t)g_rand_int_range(rand, 1, INPUT_MAX);
        piece = MIN(piece, size - done);
        control_lines_add(&lines, bytes + done, piece);
        while ((line = control_lines_next(&lines, &length))) {
            must(!memcmp(line, expected, length) && expected[length] == '\n', "another line", line, length);
            must(!memchr(line, '\n', length), "two lines", line, length);
            expected += length + 1;
            believed += serve(line, length);
        }
        must(!control_lines_overflow(&lines), "too long", "", 0);
    }
    control_lines_clear(&lines);
    return believed;
}

/* ---- Inputs ---- */

static const char *const fragments[] = {
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "\n",
    "null",
    "true",
    "false",
    "-1",
    "0",
    "1",
    "1e9",
    "262144",
    "262145",
    "68719476735",
    "9223372036854775808",
    "\\u0000",
    "\\ud800",
    "\\n",
    "\xc3\xa4",
    "\xff",
    "\"id\":",
    "\"command\":",
    "\"args\":",
    "\"args\":{",
    "{\"id\":1,",
    "\"physical\"",
    "\"linear\"",
    "\"ctrl+a\"",
    "\"deadbeef\"",
    "[\"a\",\"b\"]",
    "[[[[[[[[",
    "{\"a\":{\"a\":{\"a\":",
};

static void add(GString *input, const char *text)
{
    if (input->len < INPUT_MAX)
        g_string_append(input, text);
}

static void add_value(GString *input, GRand *rand, const struct control_argument *a)
{
    static const char *const values[] = { "true", "[\"ctrl+a\",\"b\"]", "\"linear\"", "null", "{}" };
    if (a->kind == CONTROL_NUMBER && g_rand_int_range(rand, 0, 8)) {
        char number[32];
        snprintf(number, sizeof number, "%" G_GINT64_FORMAT, a->min + g_rand_int_range(rand, -1, 100));
        add(input, number);
    } else {
        unsigned kind = a->kind == CONTROL_FLAG ? 0 : a->kind == CONTROL_TEXTS ? 1 : 2;
        add(input, values[g_rand_int_range(rand, 0, 8) ? kind : (unsigned)g_rand_int_range(rand, 0, 5)]);
    }
}

/* Nearly what a client would send. */
static void add_request(GString *input, GRand *rand)
{
    const struct control_command_info *info = &control_commands[g_rand_int_range(rand, 0, CONTROL_COMMANDS)];
    g_string_append_printf(input, "{\"id\":%d,\"command\":\"%s\",\"args\":{", g_rand_int_range(rand, -9, 9),
                           info->name);
    const char *comma = "";
    for (const struct control_argument *a = info->arguments; a->name; a++) {
        if (!a->required && g_rand_boolean(rand))
            continue;
        g_string_append_printf(input, "%s\"%s\":", comma, a->name);
        add_value(input, rand, a);
        comma = ",";
    }
    add(input, "}}\n");
}

static void make_input(GString *input, GRand *rand)
{
    g_string_truncate(input, 0);
    for (int n = g_rand_int_range(rand, 1, PIECES_MAX); n > 0 && input->len < INPUT_MAX; n--) {
        if (g_rand_boolean(rand))
            add_request(input, rand);
        else
            add(input, fragments[g_rand_int_range(rand, 0, G_N_ELEMENTS(fragments))]);
    }
    for (int n = g_rand_int_range(rand, 0, 4); n > 0; n--)
        input->str[g_rand_int_range(rand, 0, (gint32)input->len)] = (char)g_rand_int_range(rand, 0, 256);
}

int main(int argc, char **argv)
{
    unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000,
                  first = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
    unsigned long believed = 0;
    GString *input = g_string_new(NULL);
    for (unsigned long seed = first; seed < first + count; seed++) {
        GRand *rand = g_rand_new_with_seed((guint32)seed);
        make_input(input, rand);
        believed += feed(input->str, input->len, rand);
        g_rand_free(rand);
    }
    g_string_free(input, TRUE);
    printf("%lu streams, %lu requests believed\n", count, believed);
    return believed > count / 4 ? EXIT_SUCCESS : EXIT_FAILURE;
}
