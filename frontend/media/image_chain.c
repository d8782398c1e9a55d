/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An image may lie over others. All of them are locked by us, the topmost as it is used and those below so
 * that nobody writes them; qemu-nbd, whose own locks would meet ours, takes none and inherits our
 * descriptors: so the locks hold until it has ended, even if we were killed before.
 */
#include "image_chain.h"

#include "error.h"
#include "image_server.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct chain {
    GArray *fds;   /* int, for their locks */
    GString *opts; /* of the topmost, for --image-opts */
};

/* ---- qemu-img ---- */

/* Its last line, without its name and the file's. */
static gboolean blame_tool(const char *path, char *words, GError **error)
{
    static const char prefix[] = "Could not open '";
    const char *end;
    g_strchomp(words);
    const char *line = strrchr(words, '\n');
    line = line ? line + 1 : words;
    if (g_str_has_prefix(line, "qemu-img: "))
        line += strlen("qemu-img: ");
    if (g_str_has_prefix(line, prefix) && (end = strstr(line + strlen(prefix), "': ")))
        line = end + strlen("': ");
    return fail_with(error, FRONTEND_ERROR_IMAGE, "cannot open the image '%s': %s", path,
                     *line ? line : "qemu-img does not say why");
}

/* Run it, argv[0] to be found; what it says is to be freed. */
static gboolean run_tool(char **argv, const char *path, char **output, GError **error)
{
    char *words = NULL;
    int status = 0;
    GError *theirs = NULL;
    char *tool = image_tool_find("qemu-img", "an image that is not raw", error);
    if (!tool)
        return FALSE;
    argv[0] = tool;
    gboolean ok =
        g_spawn_sync("/", argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, output, &words, &status, &theirs);
    g_free(tool);
    if (!ok) {
        fail_with(error, FRONTEND_ERROR_HOST, "cannot start qemu-img: %s", theirs->message);
        g_error_free(theirs);
        return FALSE;
    }
    ok = g_spawn_check_wait_status(status, NULL) || blame_tool(path, words, error);
    g_free(words);
    return ok;
}

/* The image and those below it, as qemu-img describes them; NULL: with a sentence. */
static json_t *describe(const char *path, enum image_format format, GError **error)
{
    char *full = realpath(path, NULL), *output = NULL;
    char *argv[] = {
        NULL, "info", "-U", "--backing-chain", "--output=json", "-f", (char *)image_format_driver(format),
        full, NULL
    };
    json_t *list = NULL;
    if (full && run_tool(argv, path, &output, error)) {
        list = json_loads(output, 0, NULL);
        if (!json_is_array(list) || !json_array_size(list)) {
            fail_with(error, FRONTEND_ERROR_IMAGE, "qemu-img does not tell what the image '%s' is", path);
            json_decref(list);
            list = NULL;
        }
    } else if (!full) {
        fail_errno(error, errno, NULL, "cannot open the image '%s'", path);
    }
    g_free(output);
    free(full);
    return list;
}

static const char *text_of(const json_t *image, const char *key)
{
    const char *text = json_string_value(json_object_get(image, key));
    return text ? text : "";
}

/* ---- All images of it ---- */

/* Options are separated by commas; one in a value is doubled. */
static void add_option(GString *opts, const char *prefix, const char *key, const char *value)
{
    char **parts = g_strsplit(value, ",", -1);
    char *quoted = g_strjoinv(",,", parts);
    g_string_append_printf(opts, "%s%s%s=%s", opts->len ? "," : "", prefix, key, quoted);
    g_free(quoted);
    g_strfreev(parts);
}

static const char *protocol_of(const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return NULL;
    return S_ISBLK(st.st_mode) ? "host_device" : S_ISREG(st.st_mode) ? "file" : NULL;
}

/* An image below: read only. What is no file of this host's has nothing to be locked. */
static gboolean add_backing(struct chain *chain, const json_t *image, const char *prefix, GError **error)
{
    const char *path = text_of(image, "filename");
    const char *protocol = *path == '/' ? protocol_of(path) : NULL;
    if (!protocol)
        return TRUE;
    int fd = image_open(path, true, true, error);
    if (fd < 0)
        return FALSE;
    g_array_append_val(chain->fds, fd);
    add_option(chain->opts, prefix, "file.driver", protocol);
    add_option(chain->opts, prefix, "file.filename", path);
    add_option(chain->opts, prefix, "file.locking", "off");
    if (*text_of(image, "format"))
        add_option(chain->opts, prefix, "driver", text_of(image, "format"));
    return TRUE;
}

static gboolean add_backings(struct chain *chain, const json_t *list, GError **error)
{
    GString *prefix = g_string_new(NULL);
    gboolean ok = TRUE;
    for (size_t i = 1; ok && i < json_array_size(list); i++) {
        g_string_append(prefix, "backing.");
        ok = add_backing(chain, json_array_get(list, i), prefix->str, error);
    }
    g_string_free(prefix, TRUE);
    return ok;
}

static gboolean add_top(struct chain *chain, const char *path, enum image_format format, GError **error)
{
    char *full = realpath(path, NULL);
    const char *protocol = full ? protocol_of(full) : NULL;
    if (protocol) {
        add_option(chain->opts, "", "driver", image_format_driver(format));
        add_option(chain->opts, "", "file.driver", protocol);
        add_option(chain->opts, "", "file.filename", full);
        add_option(chain->opts, "", "file.locking", "off");
    }
    free(full);
    return protocol ||
           fail_with(error, FRONTEND_ERROR_IMAGE, "the image '%s' is no file and no block device", path);
}

static struct image_server *serve(const struct chain *chain, bool read_only, GError **error)
{
    char *args[] = { chain->opts->str, NULL, NULL };
    if (read_only)
        args[1] = "--read-only";
    return image_server_start(args, (int *)(void *)chain->fds->data, chain->fds->len, error);
}

struct source *image_chain_open(int fd, const char *path, enum image_format format, bool read_only,
                                GError **error)
{
    struct chain chain = { g_array_new(FALSE, FALSE, sizeof(int)), g_string_new(NULL) };
    struct image_server *server = NULL;
    g_array_append_val(chain.fds, fd);
    json_t *list = describe(path, format, error);
    if (list && add_top(&chain, path, format, error) && add_backings(&chain, list, error))
        server = serve(&chain, read_only, error);
    json_decref(list);
    for (unsigned i = 0; i < chain.fds->len; i++)
        close(g_array_index(chain.fds, int, i));
    g_array_free(chain.fds, TRUE);
    g_string_free(chain.opts, TRUE);
    return server ? source_of_server(server, path, read_only, error) : NULL;
}

/* ---- Overlays ---- */

/* By its name alone if it is beside the overlay: both can be moved then. */
static char *name_for(const char *overlay, const char *base)
{
    char *full = realpath(base, NULL), *copy = NULL;
    char *folder = g_path_get_dirname(overlay), *real = realpath(folder, NULL);
    char *base_folder = full ? g_path_get_dirname(full) : NULL;
    if (full && real && !strcmp(base_folder, real))
        copy = g_path_get_basename(full);
    else if (full)
        copy = g_strdup(full);
    g_free(folder);
    g_free(base_folder);
    free(real);
    free(full);
    return copy;
}

static gboolean create(const char *overlay, const char *base, enum image_format format, GError **error)
{
    char *name = name_for(overlay, base), *full = g_canonicalize_filename(overlay, NULL), *output = NULL;
    char *argv[] = {
        NULL, "create", "-q", "-f", "qcow2", "-b", name, "-F", (char *)image_format_driver(format), full, NULL
    };
    gboolean ok = name ? run_tool(argv, overlay, &output, error)
                       : fail_errno(error, errno, NULL, "cannot open the image '%s'", base);
    g_free(output);
    g_free(full);
    g_free(name);
    return ok;
}

/* Is it over that one? */
static gboolean check(const char *overlay, const char *base, GError **error)
{
    int fd = image_open(overlay, true, true, error);
    if (fd < 0)
        return FALSE;
    enum image_format format = image_format_of(fd);
    close(fd);
    json_t *list = format == IMAGE_RAW ? NULL : describe(overlay, format, error);
    if (!list && format != IMAGE_RAW)
        return FALSE;
    struct stat a, b;
    const char *below = text_of(json_array_get(list, 1), "filename");
    gboolean same =
        *below && !stat(below, &a) && !stat(base, &b) && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
    json_decref(list);
    return same || fail_with(error, FRONTEND_ERROR_IMAGE, "the file '%s' exists and is no overlay of '%s'",
                             overlay, base);
}

gboolean image_chain_prepare_overlay(const char *overlay, const char *base, enum image_format base_format,
                                     GError **error)
{
    struct stat st;
    if (!stat(overlay, &st))
        return check(overlay, base, error);
    return create(overlay, base, base_format, error);
}
