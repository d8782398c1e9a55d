/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Options out of a key file, which GKeyFile reads; which line it is that does not please, it does not tell,
 * so that is found by trying.
 */
#include "options_file.h"

#include "error.h"

#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#define GROUP "duplex86"
#define IMAGE "image" /* what stands for G_OPTION_REMAINING, which has no name */

struct options_file {
    char *path;
    char **lines;
    GKeyFile *keys;
    GHashTable *names; /* of options that came from here */
};

/* ---- Lines ---- */

static gboolean fail_at(const struct options_file *file, guint line, GError **error, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

static gboolean fail_at(const struct options_file *file, guint line, GError **error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = g_strdup_vprintf(format, args);
    va_end(args);
    fail_with(error, FRONTEND_ERROR_USAGE, "%s:%u: %s", file->path, line, text);
    g_free(text);
    return FALSE;
}

/* The line with that key, from 1 on; the last one, which is the one that counts; 0: there is none. */
static guint line_of(const struct options_file *file, const char *key)
{
    size_t length = strlen(key);
    guint found = 0;
    for (guint i = 0; file->lines[i]; i++) {
        const char *line = file->lines[i] + strspn(file->lines[i], " \t");
        if (strncmp(line, key, length) == 0 && line[length + strspn(line + length, " \t")] == '=')
            found = i + 1;
    }
    return found;
}

static guint line_of_group(const struct options_file *file, const char *group)
{
    char *text = g_strdup_printf("[%s]", group);
    guint found = 0;
    for (guint i = 0; !found && file->lines[i]; i++) {
        if (g_str_has_prefix(file->lines[i], text))
            found = i + 1;
    }
    g_free(text);
    return found;
}

/* The first line with which the text up to there is no key file. */
static guint bad_line(const struct options_file *file)
{
    GString *text = g_string_new(NULL);
    gboolean ok = TRUE;
    guint n = 0;
    for (; ok && file->lines[n]; n++) {
        GKeyFile *keys = g_key_file_new();
        g_string_append_printf(text, "%s\n", file->lines[n]);
        ok = g_key_file_load_from_data(keys, text->str, text->len, G_KEY_FILE_NONE, NULL);
        g_key_file_unref(keys);
    }
    g_string_free(text, TRUE);
    return n;
}

/* ---- Reading ---- */

static gboolean read_text(struct options_file *file, char **text, gsize *size, GError **error)
{
    GError *theirs = NULL;
    if (!g_file_get_contents(file->path, text, size, &theirs)) {
        fail_with(error, FRONTEND_ERROR_HOST, "cannot read --config: %s", theirs->message);
        g_error_free(theirs);
        return FALSE;
    }
    if (*size <= OPTIONS_FILE_SIZE_MAX && !memchr(*text, 0, *size))
        return TRUE;
    return fail_with(error, FRONTEND_ERROR_USAGE, "--config '%s' is no text of %d bytes at most", file->path,
                     OPTIONS_FILE_SIZE_MAX);
}

static gboolean check_groups(const struct options_file *file, GError **error)
{
    char **groups = g_key_file_get_groups(file->keys, NULL);
    gboolean ok = TRUE;
    for (char **group = groups; ok && *group; group++) {
        if (strcmp(*group, GROUP))
            ok = fail_at(file, line_of_group(file, *group), error,
                         "there is no group '%s': all keys are in [" GROUP "]", *group);
    }
    g_strfreev(groups);
    return ok;
}

static gboolean read_keys(struct options_file *file, GError **error)
{
    char *text = NULL;
    gsize size = 0;
    gboolean ok = read_text(file, &text, &size, error);
    if (ok) {
        file->lines = g_strsplit(text, "\n", -1);
        ok = g_key_file_load_from_data(file->keys, text, size, G_KEY_FILE_NONE, NULL) ||
             fail_at(file, bad_line(file), error,
                     "that is neither '[" GROUP "]' nor 'key = value' in it nor a comment (#)");
    }
    g_free(text);
    return ok && check_groups(file, error);
}

/* ---- Keys ---- */

static const GOptionEntry *find_entry(const GOptionEntry *entries, const char *name)
{
    for (; entries->long_name; entries++) {
        if (!strcmp(entries->long_name, name))
            return entries;
    }
    return NULL;
}

static const GOptionEntry *find_key(const GOptionEntry *entries, const char *key)
{
    /* They end what the program does, or are what got us here. */
    static const char *const none[] = { "config", "version", "help", G_OPTION_REMAINING, NULL };
    if (g_strv_contains(none, key))
        return NULL;
    return find_entry(entries, strcmp(key, IMAGE) ? key : G_OPTION_REMAINING);
}

static bool is_given(const GOptionEntry *entry)
{
    switch (entry->arg) {
    case G_OPTION_ARG_NONE:
        return *(gboolean *)entry->arg_data;
    case G_OPTION_ARG_FILENAME:
    case G_OPTION_ARG_FILENAME_ARRAY:
        return *(void **)entry->arg_data != NULL;
    default:
        return false;
    }
}

/* A flag that can be contradicted, by --no-NAME: the other one, or NULL. */
static const GOptionEntry *contrary(const GOptionEntry *entries, const GOptionEntry *entry)
{
    char *name = g_strconcat("no-", entry->long_name, NULL);
    const GOptionEntry *other = find_entry(
        entries, g_str_has_prefix(entry->long_name, "no-") ? entry->long_name + strlen("no-") : name);
    g_free(name);
    return other;
}

/* An escape that there is not, or no UTF-8. */
static gboolean fail_value(const struct options_file *file, const char *key, GError *theirs, GError **error)
{
    fail_at(file, line_of(file, key), error, "'%s' has a value that cannot be: %s", key, theirs->message);
    g_error_free(theirs);
    return FALSE;
}

static gboolean take_flag(const struct options_file *file, const char *key, gboolean *flag, GError **error)
{
    GError *theirs = NULL;
    *flag = g_key_file_get_boolean(file->keys, GROUP, key, &theirs);
    if (!theirs)
        return TRUE;
    g_error_free(theirs);
    return fail_at(file, line_of(file, key), error, "'%s' must be true or false", key);
}

static gboolean take_list(const struct options_file *file, const char *key, char ***list, GError **error)
{
    GError *theirs = NULL;
    *list = g_key_file_get_string_list(file->keys, GROUP, key, NULL, &theirs);
    if (theirs)
        return fail_value(file, key, theirs, error);
    for (char **text = *list; *text; text++)
        g_strstrip(*text);
    return TRUE;
}

static gboolean take_text(const struct options_file *file, const char *key, char **text, GError **error)
{
    GError *theirs = NULL;
    *text = g_key_file_get_string(file->keys, GROUP, key, &theirs);
    return !theirs || fail_value(file, key, theirs, error);
}

/* One whose value may be left out. */
static gboolean take_callback(const struct options_file *file, const char *key, const GOptionEntry *entry,
                              gpointer data, GError **error)
{
    GOptionArgFunc take = (GOptionArgFunc)entry->arg_data;
    char *text = NULL;
    gboolean ok = take_text(file, key, &text, error) && take(key, text, data, error);
    g_free(text);
    return ok;
}

static gboolean take(const struct options_file *file, const char *key, const GOptionEntry *entry,
                     gpointer data, GError **error)
{
    switch (entry->arg) {
    case G_OPTION_ARG_NONE:
        return take_flag(file, key, entry->arg_data, error);
    case G_OPTION_ARG_FILENAME:
        return take_text(file, key, entry->arg_data, error);
    case G_OPTION_ARG_FILENAME_ARRAY:
        return take_list(file, key, entry->arg_data, error);
    case G_OPTION_ARG_CALLBACK:
        return take_callback(file, key, entry, data, error);
    default:
        g_assert_not_reached(); /* an option of a kind that has no others yet */
    }
}

static gboolean apply(struct options_file *file, const GOptionEntry *entries, gpointer data, GError **error)
{
    char **keys = g_key_file_get_keys(file->keys, GROUP, NULL, NULL);
    gboolean ok = TRUE;
    for (char **key = keys; ok && keys && *key; key++) {
        const GOptionEntry *entry = find_key(entries, *key), *other = entry ? contrary(entries, entry) : NULL;
        if (!entry) {
            ok = fail_at(file, line_of(file, *key), error, "there is no key '%s'", *key);
        } else if (!is_given(entry) &&
                   !(other && is_given(other) && !g_hash_table_contains(file->names, other->long_name))) {
            ok = take(file, *key, entry, data, error);
            g_hash_table_add(file->names, g_strdup(entry->long_name));
        }
    }
    g_strfreev(keys);
    return ok;
}

struct options_file *options_file_apply(const char *path, const GOptionEntry *entries, gpointer data,
                                        GError **error)
{
    struct options_file *file = g_new0(struct options_file, 1);
    file->path = g_strdup(path);
    file->keys = g_key_file_new();
    file->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    if (read_keys(file, error) && apply(file, entries, data, error))
        return file;
    options_file_free(file);
    return NULL;
}

void options_file_free(struct options_file *file)
{
    if (!file)
        return;
    g_free(file->path);
    g_strfreev(file->lines);
    g_key_file_unref(file->keys);
    g_hash_table_unref(file->names);
    g_free(file);
}

/* ---- Errors ---- */

GError *options_file_blame(const struct options_file *file, GError *error)
{
    const char *name = strstr(error->message, "--");
    if (!file || !name)
        return error;
    name += strlen("--");
    char *key = g_strndup(name, strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-"));
    if (g_hash_table_contains(file->names, key))
        g_prefix_error(&error, "%s:%u: ", file->path, line_of(file, key));
    g_free(key);
    return error;
}
