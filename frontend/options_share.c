/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * --share NAME=DIR[,ro][,uid=N][,gid=N]. Commas that begin none of these words belong to the folder's name.
 */
#include "options_share.h"

#include "error.h"

#include <string.h>

static bool take_id(const char *word, const char *name, uint32_t *id)
{
    guint64 value;
    if (!g_str_has_prefix(word, name) ||
        !g_ascii_string_to_unsigned(word + strlen(name), 10, 0, UINT32_MAX - 1, &value, NULL))
        return false;
    *id = (uint32_t)value;
    return true;
}

/* The last word of the folder's name, if it is none of that. */
static bool take_word(struct share_options *o, unsigned n)
{
    char *comma = strrchr(o->shares[n].folder, ',');
    bool known = comma && (!strcmp(comma + 1, "ro") || take_id(comma + 1, "uid=", &o->shares[n].uid) ||
                           take_id(comma + 1, "gid=", &o->shares[n].gid));
    if (known && !strcmp(comma + 1, "ro"))
        o->shares[n].read_only = true;
    if (known)
        *comma = '\0';
    return known;
}

bool options_is_name(const char *text, size_t size, size_t most)
{
    if (!size || size > most)
        return false;
    for (size_t i = 0; i < size; i++) {
        if (!g_ascii_isalnum(text[i]) && text[i] != '-' && text[i] != '_' && text[i] != '.')
            return false;
    }
    return true;
}

static gboolean take(struct share_options *o, unsigned n, const char *text, GError **error)
{
    const char *equals = strchr(text, '=');
    if (!equals || !equals[1] || !options_is_name(text, (size_t)(equals - text), PC_SHARE_NAME))
        return fail_with(
            error, FRONTEND_ERROR_USAGE,
            "--share '%s': give a name of up to %d letters, digits, '-', '_' and '.', and a folder, as in "
            "home=/home/me",
            text, PC_SHARE_NAME);
    o->shares[n].name = g_strndup(text, (size_t)(equals - text));
    o->shares[n].folder = g_strdup(equals + 1);
    while (take_word(o, n))
        ;
    for (unsigned i = 0; i < n; i++) {
        if (!strcmp(o->shares[i].name, o->shares[n].name))
            return fail_with(error, FRONTEND_ERROR_USAGE, "--share: there are two of the name '%s'",
                             o->shares[n].name);
    }
    return TRUE;
}

gboolean options_share_take(struct share_options *o, char **texts, GError **error)
{
    if (texts && g_strv_length(texts) > PC_SHARES)
        return fail_with(error, FRONTEND_ERROR_USAGE, "there can be %d shared folders, not more", PC_SHARES);
    for (unsigned i = 0; texts && texts[i]; i++) {
        if (!take(o, i, texts[i], error))
            return FALSE;
    }
    return TRUE;
}

void options_share_clear(struct share_options *o)
{
    for (unsigned i = 0; i < PC_SHARES; i++) {
        g_free(o->shares[i].name);
        g_free(o->shares[i].folder);
    }
}
