/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * duplex86 ctl: from a command line to a request, and from its answer to an exit status.
 */
#include "ctl.h"

#include "ctl_private.h"
#include "error.h"
#include "options.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char DESCRIPTION[] =
    "Commands:\n"
    "  status                       what the machine is and does\n"
    "  pause, resume                let the guest and its time stand still, and go on\n"
    "  reset, powerdown, quit       reset, press the power button, end the machine\n"
    "  screendump FILE              write the screen to a PNG file\n"
    "  text-screen                  show a text screen\n"
    "  wait-text TEXT               wait until the text screen shows TEXT\n"
    "  wait-end                     wait until the machine has ended; show its exit status\n"
    "  send-keys KEYS...            press keys: enter, f1, ctrl+alt+delete\n"
    "  type-text TEXT...            type texts on the US keyboard\n"
    "  mouse DX DY [WHEEL]          move the mouse, with --buttons held\n"
    "  media                        list the drives\n"
    "  insert DRIVE FILE            put an image into a drive\n"
    "  eject DRIVE                  take it out\n"
    "  balloon [SIZE]               how much memory the guest keeps; have it keep SIZE\n"
    "  registers, stats             show registers, counters\n"
    "  memory-read ADDRESS SIZE     show memory, physical or --linear\n"
    "  memory-write ADDRESS BYTES   change it: two hexadecimal digits for each byte\n"
    "  disassemble [ADDRESS [COUNT]]\n"
    "                               show instructions, where the processor is unless said\n"
    "  snapshot save FILE           write all of the machine to a file\n"
    "  snapshot load FILE           have it go on from there\n"
    "  snapshot list [FOLDER]       list such files\n"
    "  commands                     list the commands of the machine\n"
    "\n"
    "Without --socket it is what the variable DUPLEX86_CONTROL says.\n"
    "\n"
    "Exit status:\n"
    "  0   done\n"
    "  1   wrong usage, or no machine to talk to\n"
    "  2   the machine refused\n"
    "  3   the --timeout is over\n"
    "\n"
    "Examples:\n"
    "  duplex86 ctl --socket vm.ctl wait-text --timeout 60 'login:'\n"
    "  duplex86 ctl --socket vm.ctl type-text root && duplex86 ctl --socket vm.ctl send-keys enter";

struct ctl {
    struct ctl_options options;
    struct ctl_talk *talk;
    char **args; /* what follows the command */
    unsigned count;
};

static gboolean usage(GError **error, const char *text)
{
    return fail_with(error, FRONTEND_ERROR_USAGE, "%s (see duplex86 ctl --help)", text);
}

/* ---- Arguments of commands ---- */

static gboolean take_number(const char *text, const char *what, json_int_t *value, GError **error)
{
    char *end;
    *value = g_ascii_strtoll(text, &end, 0);
    if (*text && !*end && !g_ascii_isspace(*text))
        return TRUE;
    return fail_with(error, FRONTEND_ERROR_USAGE, "'%s' is no %s: give a number, as in 4096 or 0x1000", text,
                     what);
}

static void add_space(const struct ctl *ctl, json_t *args)
{
    if (ctl->options.linear)
        json_object_set_new(args, "space", json_string("linear"));
}

static void add_interval(const struct ctl *ctl, json_t *args)
{
    if (ctl->options.interval)
        json_object_set_new(args, "interval", json_integer(ctl->options.interval));
}

/* NULL from these: an argument cannot be what it says. */
static json_t *no_args(const struct ctl *ctl, GError **error)
{
    (void)ctl, (void)error;
    return json_object();
}

/* The machine may have another current directory. */
static json_t *absolute(const char *path)
{
    char *name = strstr(path, "://") ? g_strdup(path) : g_canonicalize_filename(path, NULL);
    json_t *text = json_string(name);
    g_free(name);
    return text;
}

static json_t *screendump_args(const struct ctl *ctl, GError **error)
{
    (void)error;
    return json_pack("{s:o}", "file", absolute(ctl->args[0]));
}

static json_t *snapshot_args(const struct ctl *ctl, GError **error)
{
    (void)error;
    return json_pack("{s:o}", "file", absolute(ctl->args[0]));
}

static json_t *folder_args(const struct ctl *ctl, GError **error)
{
    (void)error;
    return json_pack("{s:o}", "folder", absolute(ctl->count ? ctl->args[0] : "."));
}

static json_t *keys_args(const struct ctl *ctl, GError **error)
{
    json_t *keys = json_array(), *args = json_pack("{s:o}", "keys", keys);
    (void)error;
    for (unsigned i = 0; i < ctl->count; i++)
        json_array_append_new(keys, json_string(ctl->args[i]));
    add_interval(ctl, args);
    return args;
}

static json_t *text_args(const struct ctl *ctl, GError **error)
{
    char *text = g_strjoinv(" ", ctl->args);
    json_t *args = json_pack("{s:s}", "text", text);
    g_free(text);
    if (args)
        add_interval(ctl, args);
    else
        usage(error, "the text is no UTF-8");
    return args;
}

static json_t *mouse_args(const struct ctl *ctl, GError **error)
{
    static const char *const relative[] = { "dx", "dy", "wheel" }, *const absolute_names[] = { "x", "y",
                                                                                               "wheel" };
    const char *const *names = ctl->options.absolute ? absolute_names : relative;
    json_t *args = json_object(), *buttons = json_array();
    json_object_set_new(args, "buttons", buttons);
    for (unsigned i = 0; i < ctl->count; i++) {
        json_int_t value;
        if (!take_number(ctl->args[i], "movement", &value, error)) {
            json_decref(args);
            return NULL;
        }
        json_object_set_new(args, names[i], json_integer(value));
    }
    char **held = g_strsplit(ctl->options.buttons ? ctl->options.buttons : "", ",", -1);
    for (char **name = held; *name; name++)
        json_array_append_new(buttons, json_string(*name));
    g_strfreev(held);
    return args;
}

static json_t *insert_args(const struct ctl *ctl, GError **error)
{
    (void)error;
    return json_pack("{s:s, s:o, s:b, s:b}", "drive", ctl->args[0], "file", absolute(ctl->args[1]),
                     "read-only", ctl->options.read_only, "force", ctl->options.force);
}

static json_t *eject_args(const struct ctl *ctl, GError **error)
{
    (void)error;
    return json_pack("{s:s, s:b}", "drive", ctl->args[0], "force", ctl->options.force);
}

/* "128M", as --ram has it. */
static json_t *balloon_args(const struct ctl *ctl, GError **error)
{
    uint64_t size;
    if (!ctl->count)
        return json_object();
    if (options_parse_size(ctl->args[0], &size) && size <= INT64_MAX)
        return json_pack("{s:I}", "size", (json_int_t)size);
    fail_with(error, FRONTEND_ERROR_USAGE, "'%s' is not a size: give a number and K, M or G, as in 128M",
              ctl->args[0]);
    return NULL;
}

static json_t *read_args(const struct ctl *ctl, GError **error)
{
    json_int_t address, size;
    if (!take_number(ctl->args[0], "address", &address, error) ||
        !take_number(ctl->args[1], "size", &size, error))
        return NULL;
    json_t *args = json_pack("{s:I, s:I}", "address", address, "size", size);
    add_space(ctl, args);
    return args;
}

static json_t *write_args(const struct ctl *ctl, GError **error)
{
    json_int_t address;
    if (!take_number(ctl->args[0], "address", &address, error))
        return NULL;
    json_t *args = json_pack("{s:I, s:s}", "address", address, "data", ctl->args[1]);
    add_space(ctl, args);
    return args;
}

static json_t *disassemble_args(const struct ctl *ctl, GError **error)
{
    static const char *const names[] = { "address", "count" };
    json_t *args = json_object();
    for (unsigned i = 0; i < ctl->count; i++) {
        json_int_t value;
        if (!take_number(ctl->args[i], names[i], &value, error)) {
            json_decref(args);
            return NULL;
        }
        json_object_set_new(args, names[i], json_integer(value));
    }
    if (ctl->options.bits)
        json_object_set_new(args, "bits", json_integer(ctl->options.bits));
    return args;
}

/* ---- Commands ---- */

static const struct row {
    enum control_command command;
    unsigned min, max; /* arguments */
    json_t *(*args)(const struct ctl *ctl, GError **error);
} rows[] = {
    { CONTROL_STATUS, 0, 0, no_args },
    { CONTROL_COMMAND_LIST, 0, 0, no_args },
    { CONTROL_PAUSE, 0, 0, no_args },
    { CONTROL_RESUME, 0, 0, no_args },
    { CONTROL_RESET, 0, 0, no_args },
    { CONTROL_POWERDOWN, 0, 0, no_args },
    { CONTROL_QUIT, 0, 0, no_args },
    { CONTROL_SCREENDUMP, 1, 1, screendump_args },
    { CONTROL_TEXT_SCREEN, 0, 0, no_args },
    { CONTROL_SEND_KEYS, 1, UINT_MAX, keys_args },
    { CONTROL_TYPE_TEXT, 1, UINT_MAX, text_args },
    { CONTROL_MOUSE, 2, 3, mouse_args },
    { CONTROL_MEDIA, 0, 0, no_args },
    { CONTROL_INSERT, 2, 2, insert_args },
    { CONTROL_EJECT, 1, 1, eject_args },
    { CONTROL_BALLOON, 0, 1, balloon_args },
    { CONTROL_STATS, 0, 0, no_args },
    { CONTROL_REGISTERS, 0, 0, no_args },
    { CONTROL_MEMORY_READ, 2, 2, read_args },
    { CONTROL_MEMORY_WRITE, 2, 2, write_args },
    { CONTROL_DISASSEMBLE, 0, 2, disassemble_args },
    { CONTROL_SNAPSHOT_SAVE, 1, 1, snapshot_args },
    { CONTROL_SNAPSHOT_LOAD, 1, 1, snapshot_args },
    { CONTROL_SNAPSHOT_LIST, 0, 1, folder_args },
};

/* What the machine answered: its result, or NULL and CTL_REFUSED with its words on stderr. */
static json_t *result_of(json_t *answer, int *status)
{
    json_t *error = json_object_get(answer, "error");
    *status = error ? CTL_REFUSED : CTL_OK;
    if (!error)
        return json_object_get(answer, "result");
    const char *message = json_string_value(json_object_get(error, "message"));
    fprintf(stderr, "duplex86 ctl: %s\n", message ? message : "the machine refuses");
    return NULL;
}

static void show(const struct ctl *ctl, enum control_command command, json_t *result)
{
    if (!ctl->options.json) {
        ctl_show(command, result);
        return;
    }
    char *text = json_dumps(result, JSON_COMPACT);
    printf("%s\n", text ? text : "");
    free(text);
}

static int ask(const struct ctl *ctl, const struct row *row, GError **error)
{
    int status = CTL_TROUBLE;
    json_t *args = row->args(ctl, error);
    if (!args) {
        if (error && !*error)
            usage(error, "an argument is no UTF-8");
        return status;
    }
    json_t *answer = ctl_talk_ask(ctl->talk, row->command, args, error);
    json_t *result = answer ? result_of(answer, &status) : NULL;
    if (result)
        show(ctl, row->command, result);
    json_decref(answer);
    return status;
}

/* Does one of the lines on the screen have it? */
static bool shows(json_t *result, const char *text, const GRegex *regex)
{
    size_t i;
    json_t *line;
    json_array_foreach(json_object_get(result, "lines"), i, line)
    {
        const char *shown = json_string_value(line);
        if (shown && (regex ? g_regex_match(regex, shown, 0, NULL) : strstr(shown, text) != NULL))
            return true;
    }
    return false;
}

static int wait_text(const struct ctl *ctl, GError **error)
{
    const char *text = ctl->args[0];
    int status = CTL_OK;
    bool seen = false;
    GRegex *regex = NULL;
    if (ctl->options.regex && !(regex = g_regex_new(text, 0, 0, error)))
        return CTL_TROUBLE;
    while (!seen && status == CTL_OK) {
        json_t *answer = ctl_talk_ask(ctl->talk, CONTROL_TEXT_SCREEN, NULL, error);
        json_t *result = answer ? result_of(answer, &status) : NULL;
        seen = result && shows(result, text, regex);
        if (!answer || (result && !seen && !ctl_talk_rest(ctl->talk, error)))
            status = CTL_TROUBLE;
        json_decref(answer);
    }
    if (regex)
        g_regex_unref(regex);
    return status;
}

static int wait_end(const struct ctl *ctl, GError **error)
{
    json_t *event = ctl_talk_wait(ctl->talk, "end", error);
    if (!event)
        return CTL_TROUBLE;
    printf("%d\n", (int)json_integer_value(json_object_get(event, "status")));
    json_decref(event);
    return CTL_OK;
}

static int wrong_count(const char *command, GError **error)
{
    char *text = g_strdup_printf("'%s' has too few or too many arguments", command);
    usage(error, text);
    g_free(text);
    return CTL_TROUBLE;
}

/* Connected or not, as long as it is not known whether the command makes sense. */
static gboolean connect_to_machine(struct ctl *ctl, GError **error)
{
    const char *path = ctl->options.socket ? ctl->options.socket : g_getenv("DUPLEX86_CONTROL");
    if (!path || !*path)
        return usage(error, "no machine is named: give --socket PATH, or set DUPLEX86_CONTROL");
    if (g_str_has_prefix(path, "unix:"))
        path += strlen("unix:");
    ctl->talk = ctl_talk_open(path, ctl->options.timeout, error);
    return ctl->talk != NULL;
}

/* "snapshot save" is the command snapshot-save. To be freed. */
static char *take_command(struct ctl *ctl)
{
    const char *first = ctl->options.rest[0];
    ctl->args = ctl->options.rest + 1;
    char *command = strcmp(first, "snapshot") || !*ctl->args ? g_strdup(first)
                                                             : g_strdup_printf("snapshot-%s", *ctl->args++);
    ctl->count = g_strv_length(ctl->args);
    return command;
}

static int run(struct ctl *ctl, const char *command, GError **error)
{
    int (*const wait)(const struct ctl *, GError **) = !strcmp(command, "wait-text")  ? wait_text
                                                       : !strcmp(command, "wait-end") ? wait_end
                                                                                      : NULL;
    if (wait && ctl->count != (wait == wait_text ? 1 : 0))
        return wrong_count(command, error);
    if (wait)
        return connect_to_machine(ctl, error) ? wait(ctl, error) : CTL_TROUBLE;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        const struct row *row = &rows[i];
        if (strcmp(command, control_commands[row->command].name))
            continue;
        if (ctl->count < row->min || ctl->count > row->max)
            return wrong_count(command, error);
        return connect_to_machine(ctl, error) ? ask(ctl, row, error) : CTL_TROUBLE;
    }
    char *text = g_strdup_printf("there is no command '%s'", command);
    usage(error, text);
    g_free(text);
    return CTL_TROUBLE;
}

/* ---- The command line ---- */

static gboolean parse(struct ctl_options *o, int argc, char **argv, GError **error)
{
    /* clang-format off */
    const GOptionEntry entries[] = {
        { "socket", 's', 0, G_OPTION_ARG_FILENAME, &o->socket, "The machine's control socket", "PATH" },
        { "timeout", 't', 0, G_OPTION_ARG_DOUBLE, &o->timeout,
          "Give up after so many seconds (never); until then wait for the socket, too", "S" },
        { "json", 0, 0, G_OPTION_ARG_NONE, &o->json, "Show the machine's answer as it is", NULL },
        { "regex", 0, 0, G_OPTION_ARG_NONE, &o->regex, "wait-text: TEXT is a regular expression", NULL },
        { "interval", 0, 0, G_OPTION_ARG_INT, &o->interval,
          "send-keys, type-text: milliseconds from one key down or up to the next (20)", "MS" },
        { "buttons", 0, 0, G_OPTION_ARG_STRING, &o->buttons, "mouse: left, right, middle; held now", "NAMES" },
        { "absolute", 0, 0, G_OPTION_ARG_NONE, &o->absolute,
          "mouse: DX and DY are a place on the screen, 0 to 32767, for --tablet", NULL },
        { "linear", 0, 0, G_OPTION_ARG_NONE, &o->linear, "memory-*: the address is linear", NULL },
        { "bits", 0, 0, G_OPTION_ARG_INT, &o->bits, "disassemble: 16 or 32 (as CS says)", "N" },
        { "read-only", 0, 0, G_OPTION_ARG_NONE, &o->read_only, "insert: write-protected", NULL },
        { "force", 0, 0, G_OPTION_ARG_NONE, &o->force, "insert, eject: although the guest has locked the drive", NULL },
        { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &o->rest, NULL, NULL },
        { 0 },
    };
    /* clang-format on */
    GOptionContext *context = g_option_context_new("COMMAND [ARGUMENT...]");
    g_option_context_add_main_entries(context, entries, NULL);
    g_option_context_set_summary(context, "Control a machine that was started with --control unix:PATH.");
    g_option_context_set_description(context, DESCRIPTION);
    gboolean ok = g_option_context_parse(context, &argc, &argv, error);
    g_option_context_free(context);
    return ok && (o->rest || usage(error, "give a command"));
}

static int report(GError *error, int status)
{
    if (!error)
        return status;
    if (g_error_matches(error, CTL_ERROR, CTL_ERROR_TIMEOUT))
        status = CTL_TIMEOUT;
    fprintf(stderr, "duplex86 ctl: %s\n", error->message);
    g_error_free(error);
    return status;
}

int ctl_main(int argc, char **argv)
{
    struct ctl ctl = { .options = { .timeout = -1 } };
    GError *error = NULL;
    int status = CTL_TROUBLE;
    g_set_prgname("duplex86 ctl");
    char **copy = g_memdup2(argv, ((size_t)argc + 1) * sizeof *argv);
    if (parse(&ctl.options, argc - 1, copy + 1, &error)) {
        char *command = take_command(&ctl);
        status = run(&ctl, command, &error);
        g_free(command);
    }
    ctl_talk_close(ctl.talk);
    g_strfreev(ctl.options.rest);
    g_free(ctl.options.socket);
    g_free(ctl.options.buttons);
    g_free(copy);
    status = report(error, status);
    if (fflush(stdout) == EOF && status == CTL_OK)
        status = CTL_TROUBLE;
    return status;
}
