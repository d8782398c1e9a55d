/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The words of the control protocol, by jansson: it is small and needs no other library, takes nothing but
 * JSON as RFC 8259 has it, bounds how deep a value may nest, and refuses keys that come twice.
 */
#include "protocol.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>

/* ---- What there is ---- */

#define ADDRESS_MAX ((INT64_C(1) << 36) - 1)
#define BYTES       CONTROL_TRANSFER_MAX

static const char *const spaces[] = { "physical", "linear", NULL };

/* clang-format off */
const struct control_command_info control_commands[CONTROL_COMMANDS] = {
    [CONTROL_STATUS] = { "status", "what the machine is and does", { { 0 } } },
    [CONTROL_COMMAND_LIST] = { "commands", "the commands there are", { { 0 } } },
    [CONTROL_PAUSE] = { "pause", "let the guest stand still, and its time", { { 0 } } },
    [CONTROL_RESUME] = { "resume", "let it go on", { { 0 } } },
    [CONTROL_RESET] = { "reset", "begin anew, as at power-on", { { 0 } } },
    [CONTROL_POWERDOWN] = { "powerdown", "press the power button", { { 0 } } },
    [CONTROL_QUIT] = { "quit", "end the machine at once", { { 0 } } },
    [CONTROL_SCREENDUMP] = { "screendump", "write the screen to a PNG file",
        { { "file", CONTROL_TEXT, true, 0, 0, NULL } } },
    [CONTROL_TEXT_SCREEN] = { "text-screen", "the characters on a text screen", { { 0 } } },
    [CONTROL_SEND_KEYS] = { "send-keys", "press keys, and keys together",
        { { "keys", CONTROL_TEXTS, true, 0, 0, NULL },
          { "interval", CONTROL_NUMBER, false, 1, 10000, NULL } } },
    [CONTROL_TYPE_TEXT] = { "type-text", "type a text on the US keyboard",
        { { "text", CONTROL_TEXT, true, 0, 0, NULL },
          { "interval", CONTROL_NUMBER, false, 1, 10000, NULL } } },
    [CONTROL_MOUSE] = { "mouse", "move the mouse, and press or release its buttons",
        { { "dx", CONTROL_NUMBER, false, -10000, 10000, NULL },
          { "dy", CONTROL_NUMBER, false, -10000, 10000, NULL },
          { "wheel", CONTROL_NUMBER, false, -100, 100, NULL },
          { "x", CONTROL_NUMBER, false, 0, 32767, NULL },
          { "y", CONTROL_NUMBER, false, 0, 32767, NULL },
          { "buttons", CONTROL_TEXTS, false, 0, 0, NULL } } },
    [CONTROL_MEDIA] = { "media", "the drives, and what is in them", { { 0 } } },
    [CONTROL_INSERT] = { "insert", "put an image into a drive",
        { { "drive", CONTROL_TEXT, true, 0, 0, NULL }, { "file", CONTROL_TEXT, true, 0, 0, NULL },
          { "read-only", CONTROL_FLAG, false, 0, 0, NULL }, { "force", CONTROL_FLAG, false, 0, 0, NULL } } },
    [CONTROL_EJECT] = { "eject", "take the medium out of a drive",
        { { "drive", CONTROL_TEXT, true, 0, 0, NULL }, { "force", CONTROL_FLAG, false, 0, 0, NULL } } },
    [CONTROL_BALLOON] = { "balloon", "how much memory the guest keeps; have it keep so many bytes",
        { { "size", CONTROL_NUMBER, false, 0, INT64_C(1) << 40, NULL } } },
    [CONTROL_STATS] = { "stats", "what the processor counted", { { 0 } } },
    [CONTROL_REGISTERS] = { "registers", "the processor's registers", { { 0 } } },
    [CONTROL_MEMORY_READ] = { "memory-read", "bytes of the guest's memory",
        { { "address", CONTROL_NUMBER, true, 0, ADDRESS_MAX, NULL },
          { "size", CONTROL_NUMBER, true, 1, BYTES, NULL },
          { "space", CONTROL_TEXT, false, 0, 0, spaces } } },
    [CONTROL_MEMORY_WRITE] = { "memory-write", "change bytes of the guest's memory",
        { { "address", CONTROL_NUMBER, true, 0, ADDRESS_MAX, NULL },
          { "data", CONTROL_TEXT, true, 0, 0, NULL },
          { "space", CONTROL_TEXT, false, 0, 0, spaces } } },
    [CONTROL_DISASSEMBLE] = { "disassemble", "instructions, where the processor is unless said",
        { { "address", CONTROL_NUMBER, false, 0, UINT32_MAX, NULL },
          { "count", CONTROL_NUMBER, false, 1, CONTROL_DISASSEMBLE_MAX, NULL },
          { "bits", CONTROL_NUMBER, false, 16, 32, NULL } } },
    [CONTROL_SNAPSHOT_SAVE] = { "snapshot-save", "write all of the machine to a file",
        { { "file", CONTROL_TEXT, true, 0, 0, NULL } } },
    [CONTROL_SNAPSHOT_LOAD] = { "snapshot-load", "go on from such a file",
        { { "file", CONTROL_TEXT, true, 0, 0, NULL } } },
    [CONTROL_SNAPSHOT_LIST] = { "snapshot-list", "the snapshots in a folder, and what machines they are of",
        { { "folder", CONTROL_TEXT, true, 0, 0, NULL } } },
};
/* clang-format on */

/* ---- Requests ---- */

static bool is_texts(const json_t *value)
{
    if (!json_is_array(value))
        return false;
    for (size_t i = 0; i < json_array_size(value); i++) {
        if (!json_is_string(json_array_get(value, i)))
            return false;
    }
    return true;
}

static bool is_among(const char *text, const char *const *choice)
{
    while (*choice && strcmp(*choice, text))
        choice++;
    return *choice;
}

static char *check_text(const struct control_argument *argument, const json_t *value)
{
    if (!json_is_string(value))
        return g_strdup_printf("'%s' must be a text", argument->name);
    if (!argument->choice || is_among(json_string_value(value), argument->choice))
        return NULL;
    char *choices = g_strjoinv(", ", (char **)argument->choice);
    char *wrong = g_strdup_printf("'%s' must be one of: %s", argument->name, choices);
    g_free(choices);
    return wrong;
}

static char *check_value(const struct control_argument *argument, const json_t *value)
{
    switch (argument->kind) {
    case CONTROL_NUMBER: {
        json_int_t number = json_integer_value(value);
        if (json_is_integer(value) && number >= argument->min && number <= argument->max)
            return NULL;
        return g_strdup_printf("'%s' must be an integer from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT,
                               argument->name, argument->min, argument->max);
    }
    case CONTROL_TEXT:
        return check_text(argument, value);
    case CONTROL_FLAG:
        return json_is_boolean(value) ? NULL : g_strdup_printf("'%s' must be true or false", argument->name);
    case CONTROL_TEXTS:
        return is_texts(value) ? NULL : g_strdup_printf("'%s' must be an array of texts", argument->name);
    }
    return NULL;
}

static const struct control_argument *find_argument(const struct control_command_info *info, const char *name)
{
    for (const struct control_argument *a = info->arguments; a->name; a++) {
        if (!strcmp(a->name, name))
            return a;
    }
    return NULL;
}

static char *check_arguments(const struct control_command_info *info, json_t *args)
{
    const char *key;
    json_t *value;
    json_object_foreach(args, key, value)
    {
        const struct control_argument *argument = find_argument(info, key);
        char *wrong = argument ? check_value(argument, value)
                               : g_strdup_printf("'%s' takes no argument '%.40s'", info->name, key);
        if (wrong)
            return wrong;
    }
    for (const struct control_argument *a = info->arguments; a->name; a++) {
        if (a->required && !json_object_get(args, a->name))
            return g_strdup_printf("'%s' needs the argument '%s'", info->name, a->name);
    }
    return NULL;
}

static char *find_command(struct control_request *request, const json_t *name)
{
    if (!json_is_string(name))
        return g_strdup("a request needs a \"command\", a text");
    for (unsigned i = 0; i < CONTROL_COMMANDS; i++) {
        request->command = (enum control_command)i;
        if (!strcmp(control_commands[i].name, json_string_value(name)))
            return NULL;
    }
    return g_strdup_printf("there is no command '%.40s'", json_string_value(name));
}

static char *check_members(json_t *object)
{
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        if (strcmp(key, "id") && strcmp(key, "command") && strcmp(key, "args"))
            return g_strdup_printf("a request has \"id\", \"command\" and \"args\", not '%.40s'", key);
    }
    return NULL;
}

/* The id first: whatever else is wrong, the client is to know which request it was. */
static char *take(struct control_request *request, json_t *object)
{
    json_t *id = json_object_get(object, "id"), *args = json_object_get(object, "args");
    if (id && !json_is_integer(id) && !json_is_string(id))
        return g_strdup("an \"id\" must be an integer or a text");
    request->id = json_incref(id);
    char *wrong = check_members(object);
    if (!wrong)
        wrong = find_command(request, json_object_get(object, "command"));
    if (!wrong && args && !json_is_object(args))
        wrong = g_strdup("\"args\" must be an object");
    if (!wrong)
        wrong = check_arguments(&control_commands[request->command], args);
    if (!wrong)
        request->args = json_incref(args);
    return wrong;
}

char *control_request_parse(struct control_request *request, const char *line, size_t size)
{
    json_error_t error;
    *request = (struct control_request){ .command = CONTROL_COMMANDS };
    json_t *object = json_loadb(line, size, JSON_REJECT_DUPLICATES, &error);
    char *wrong;
    if (!object)
        wrong = g_strdup_printf("that is no JSON: %s (byte %d)", error.text, error.position);
    else if (!json_is_object(object))
        wrong = g_strdup("a request must be an object");
    else
        wrong = take(request, object);
    json_decref(object);
    return wrong;
}

void control_request_clear(struct control_request *request)
{
    json_decref(request->id);
    json_decref(request->args);
    *request = (struct control_request){ .command = CONTROL_COMMANDS };
}

/* ---- Arguments ---- */

bool control_has(const struct control_request *request, const char *name)
{
    return json_object_get(request->args, name);
}

int64_t control_number(const struct control_request *request, const char *name, int64_t otherwise)
{
    json_t *value = json_object_get(request->args, name);
    return value ? json_integer_value(value) : otherwise;
}

const char *control_text(const struct control_request *request, const char *name, const char *otherwise)
{
    json_t *value = json_object_get(request->args, name);
    return value ? json_string_value(value) : otherwise;
}

bool control_flag(const struct control_request *request, const char *name)
{
    return json_is_true(json_object_get(request->args, name));
}

const char *control_text_of(const struct control_request *request, const char *name, size_t n)
{
    return json_string_value(json_array_get(json_object_get(request->args, name), n));
}

/* ---- What the server says ---- */

/* `object` as a line; it is taken over. A text that is no UTF-8 cannot be dumped, and none is put in. */
static char *line_of(json_t *object)
{
    char *text = json_dumps(object, JSON_COMPACT), *line = NULL;
    json_decref(object);
    if (text && asprintf(&line, "%s\n", text) < 0)
        line = NULL;
    free(text);
    return line;
}

char *control_greeting(const char *version)
{
    return line_of(json_pack("{s:s, s:i}", "duplex86", version, "protocol", CONTROL_PROTOCOL));
}

char *control_result(json_t *id, json_t *result)
{
    return line_of(json_pack("{s:O?, s:o}", "id", id, "result", result));
}

char *control_failure(json_t *id, enum control_error code, const char *message)
{
    static const char *const codes[] = { "bad-request", "unavailable", "failed" };
    /* What a client or the system said may be no UTF-8. */
    char *text = g_utf8_make_valid(message, -1);
    json_t *error = json_pack("{s:s, s:s}", "code", codes[code], "message", text);
    g_free(text);
    return line_of(json_pack("{s:O?, s:o}", "id", id, "error", error));
}

char *control_event(const char *name, json_t *members)
{
    json_t *event = json_pack("{s:s}", "event", name);
    if (members)
        json_object_update(event, members);
    json_decref(members);
    return line_of(event);
}

/* ---- Bytes as text ---- */

char *control_hex(const uint8_t *bytes, size_t count)
{
    static const char digits[] = "0123456789abcdef";
    char *text = g_malloc(2 * count + 1);
    for (size_t i = 0; i < count; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    text[2 * count] = 0;
    return text;
}

uint8_t *control_unhex(const char *text, size_t max, size_t *count)
{
    size_t length = strlen(text);
    if (length % 2 || length / 2 > max)
        return NULL;
    uint8_t *bytes = g_malloc(length / 2 + 1);
    for (size_t i = 0; i < length; i += 2) {
        int high = g_ascii_xdigit_value(text[i]), low = g_ascii_xdigit_value(text[i + 1]);
        if (high < 0 || low < 0) {
            g_free(bytes);
            return NULL;
        }
        bytes[i / 2] = (uint8_t)(high << 4 | low);
    }
    *count = length / 2;
    return bytes;
}
