/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Options about media. Files are not looked at here.
 */
#include "options_media.h"

#include "error.h"

#include <string.h>

static bool take_flag(const char *word, const char *name, bool *flag)
{
    if (strcmp(word, name))
        return false;
    *flag = true;
    return true;
}

static bool take_value(const char *word, const char *name, char **value)
{
    if (!g_str_has_prefix(word, name))
        return false;
    g_free(*value);
    *value = g_strdup(word + strlen(name));
    return true;
}

/* The last word, if it is none of the name's. */
static bool take_word(struct image_spec *spec)
{
    char *comma = strrchr(spec->path, ',');
    if (!comma || comma == spec->path)
        return false;
    const char *word = comma + 1;
    bool known = take_flag(word, "ro", &spec->read_only) || take_flag(word, "snapshot", &spec->snapshot) ||
                 take_flag(word, "virtio", &spec->virtio) || take_value(word, "overlay=", &spec->overlay) ||
                 take_value(word, "format=", &spec->format);
    if (known)
        *comma = '\0';
    return known;
}

void options_parse_image(const char *text, struct image_spec *spec)
{
    *spec = (struct image_spec){ .path = g_strdup(text) };
    while (take_word(spec))
        ;
}

void image_spec_clear(struct image_spec *spec)
{
    g_free(spec->path);
    g_free(spec->overlay);
    g_free(spec->format);
}

static gboolean fail_boot(const char *text, GError **error)
{
    return fail_with(
        error, FRONTEND_ERROR_USAGE,
        "--boot '%s' is unknown: give order= and up to three of the letters a, c, d and n, or menu=on, "
        "as in order=dc,menu=on",
        text);
}

static bool take_order(struct media_options *media, const char *letters)
{
    size_t length = strlen(letters);
    if (!length || length > 3 || strspn(letters, "acdn") != length)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (strchr(letters + i + 1, letters[i]))
            return false;
    }
    memset(media->boot_order, 0, sizeof media->boot_order);
    memcpy(media->boot_order, letters, length);
    return true;
}

static gboolean take_boot(struct media_options *media, const char *text, GError **error)
{
    char **words = g_strsplit(text, ",", 0);
    bool ok = *words != NULL;
    for (char **word = words; *word && ok; word++) {
        if (g_str_has_prefix(*word, "order="))
            ok = take_order(media, *word + strlen("order="));
        else if (!strcmp(*word, "menu=on") || !strcmp(*word, "menu=off"))
            media->boot_menu = !strcmp(*word, "menu=on");
        else
            ok = false;
    }
    g_strfreev(words);
    return ok || fail_boot(text, error);
}

bool options_media_given(const struct raw_media *raw)
{
    return raw->disks || raw->cdroms || raw->floppies || raw->rest;
}

gboolean options_media_take(struct media_options *media, const struct raw_media *raw, GError **error)
{
    if (raw->rest && raw->rest[1])
        return fail_with(
            error, FRONTEND_ERROR_USAGE,
            "'%s' belongs to no option: one image can be given so, more with --disk, --cdrom and "
            "--floppy (see duplex86 --help)",
            raw->rest[1]);
    media->disks = g_strdupv(raw->disks);
    media->cdroms = g_strdupv(raw->cdroms);
    media->floppies = g_strdupv(raw->floppies);
    media->image = g_strdup(raw->rest ? raw->rest[0] : NULL);
    media->snapshot = raw->snapshot;
    return !raw->boot || take_boot(media, raw->boot, error);
}

void options_media_clear(struct media_options *media)
{
    g_strfreev(media->disks);
    g_strfreev(media->cdroms);
    g_strfreev(media->floppies);
    g_free(media->image);
}

void raw_media_clear(struct raw_media *raw)
{
    g_strfreev(raw->disks);
    g_strfreev(raw->cdroms);
    g_strfreev(raw->floppies);
    g_strfreev(raw->rest);
    g_free(raw->boot);
}
