/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A thin front of qemu-img, which becomes this process; raw images are made here. Nothing that exists is
 * overwritten.
 */
#include "image_command.h"

#include "error.h"
#include "image_file.h"
#include "image_server.h"
#include "options.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char DESCRIPTION[] =
    "Commands:\n"
    "  create FILE SIZE             make an image: qcow2, vmdk, vdi, vhd, vhdx or raw, as its name ends\n"
    "  create --backing BASE FILE   make an overlay of BASE, which itself is not to be written any more\n"
    "  info FILE                    show what an image is\n"
    "  commit OVERLAY               write what an overlay holds to the image below it\n"
    "\n"
    "All but raw images need the program qemu-img (package qemu-utils).\n"
    "\n"
    "Examples:\n"
    "  duplex86 image create disk.qcow2 10G\n"
    "  duplex86 image create --backing disk.qcow2 monday.qcow2";

struct image_options {
    char *format, *backing;
    char **rest;
};

static gboolean usage(GError **error, const char *text)
{
    return fail_with(error, FRONTEND_ERROR_USAGE, "%s (see duplex86 image --help)", text);
}

/* ---- Which format ---- */

static gboolean find_format(const struct image_options *o, const char *file, enum image_format *format,
                            GError **error)
{
    const char *ending = strrchr(file, '.');
    *format = image_format_by_name(o->format ? o->format : ending ? ending + 1 : "");
    if (*format != IMAGE_FORMATS)
        return TRUE;
    if (o->format)
        return fail_with(error, FRONTEND_ERROR_USAGE,
                         "'%s' is no format of images: there are raw, qcow2, vmdk, vdi, vhd and vhdx",
                         o->format);
    *format = o->backing ? IMAGE_QCOW2 : IMAGE_RAW;
    return TRUE;
}

static gboolean probe(const char *file, enum image_format *format, GError **error)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return fail_errno(error, errno, NULL, "cannot open the image '%s'", file);
    *format = image_format_of(fd);
    close(fd);
    return TRUE;
}

/* ---- Commands ---- */

/* Become qemu-img; comes back only with an error. */
static gboolean become(const char *what, char *const *args, GError **error)
{
    char *path = image_tool_find("qemu-img", what, error);
    if (!path)
        return FALSE;
    GPtrArray *argv = g_ptr_array_new();
    g_ptr_array_add(argv, path);
    for (; *args; args++)
        g_ptr_array_add(argv, *args);
    g_ptr_array_add(argv, NULL);
    execv(path, (char **)argv->pdata);
    int err = errno;
    g_ptr_array_free(argv, TRUE);
    g_free(path);
    return fail_errno(error, err, NULL, "cannot start qemu-img");
}

static gboolean create_raw(const char *file, uint64_t size, GError **error)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    gboolean ok = fd >= 0 && !ftruncate(fd, (off_t)size);
    if (!ok)
        fail_errno(error, errno, NULL, "cannot make the image '%s'", file);
    if (fd >= 0)
        close(fd);
    return ok;
}

/* qemu-img takes what has a colon for an address; so names are complete. */
static gboolean create_over(const struct image_options *o, const char *file, enum image_format format,
                            GError **error)
{
    enum image_format below;
    char *base = realpath(o->backing, NULL), *full = g_canonicalize_filename(file, NULL);
    gboolean ok = base ? probe(base, &below, error)
                       : fail_errno(error, errno, NULL, "cannot open the image '%s'", o->backing);
    if (ok && format != IMAGE_QCOW2)
        ok = usage(error, "only a qcow2 image can be over another");
    if (ok) {
        char *args[] = { "create", "-q", "-f", "qcow2", "-b", base, "-F", (char *)image_format_driver(below),
                         full,     NULL };
        ok = become("an overlay", args, error);
    }
    g_free(full);
    free(base);
    return ok;
}

static gboolean create_other(const char *file, enum image_format format, uint64_t size, GError **error)
{
    char *full = g_canonicalize_filename(file, NULL);
    char *bytes = g_strdup_printf("%" G_GUINT64_FORMAT, (guint64)size);
    char *args[] = { "create", "-q", "-f", (char *)image_format_driver(format), full, bytes, NULL };
    gboolean ok = become("an image that is not raw", args, error);
    g_free(full);
    g_free(bytes);
    return ok;
}

static gboolean create(const struct image_options *o, char **args, GError **error)
{
    enum image_format format;
    uint64_t size = 0;
    unsigned count = g_strv_length(args);
    struct stat st;
    if (count != (o->backing ? 1 : 2))
        return usage(error, "give create a file and its size, or with --backing only the file");
    if (!find_format(o, args[0], &format, error))
        return FALSE;
    if (!o->backing && (!options_parse_size(args[1], &size) || size < 512 || size > INT64_MAX))
        return fail_with(error, FRONTEND_ERROR_USAGE,
                         "'%s' is no size of an image: give a number and K, M or G", args[1]);
    if (!lstat(args[0], &st))
        return fail_with(error, FRONTEND_ERROR_USAGE, "the file '%s' exists: nothing is overwritten",
                         args[0]);
    if (o->backing)
        return create_over(o, args[0], format, error);
    return format == IMAGE_RAW ? create_raw(args[0], size, error)
                               : create_other(args[0], format, size, error);
}

static gboolean on_file(const char *command, const char *option, char **args, GError **error)
{
    enum image_format format;
    if (g_strv_length(args) != 1)
        return usage(error, "give one image");
    if (!probe(args[0], &format, error))
        return FALSE;
    char *full = g_canonicalize_filename(args[0], NULL);
    char *argv[] = { (char *)command, (char *)option, "-f", (char *)image_format_driver(format), full, NULL };
    gboolean ok = become("this command", argv, error);
    g_free(full);
    return ok;
}

static gboolean run(const struct image_options *o, GError **error)
{
    const char *command = o->rest[0];
    if (!strcmp(command, "create"))
        return create(o, o->rest + 1, error);
    if (!strcmp(command, "info"))
        return on_file("info", "-U", o->rest + 1, error);
    if (!strcmp(command, "commit"))
        return on_file("commit", "-q", o->rest + 1, error);
    return usage(error, "there are the commands create, info and commit");
}

/* ---- The command line ---- */

static gboolean parse(struct image_options *o, int argc, char **argv, GError **error)
{
    /* clang-format off */
    const GOptionEntry entries[] = {
        { "format", 'f', 0, G_OPTION_ARG_STRING, &o->format,
          "create: raw, qcow2, vmdk, vdi, vhd or vhdx (as the file's name ends)", "NAME" },
        { "backing", 'b', 0, G_OPTION_ARG_FILENAME, &o->backing, "create: an overlay of this image", "BASE" },
        { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &o->rest, NULL, NULL },
        { 0 },
    };
    /* clang-format on */
    GOptionContext *context = g_option_context_new("create|info|commit [ARGUMENT...]");
    g_option_context_add_main_entries(context, entries, NULL);
    g_option_context_set_summary(context,
                                 "Make images of disks, look at them, take over what overlays hold.");
    g_option_context_set_description(context, DESCRIPTION);
    gboolean ok = g_option_context_parse(context, &argc, &argv, error);
    g_option_context_free(context);
    return ok && (o->rest || usage(error, "give a command"));
}

int image_command_main(int argc, char **argv)
{
    struct image_options options = { 0 };
    GError *error = NULL;
    g_set_prgname("duplex86 image");
    char **copy = g_memdup2(argv, ((size_t)argc + 1) * sizeof *argv);
    gboolean ok = parse(&options, argc - 1, copy + 1, &error) && run(&options, &error);
    if (!ok) {
        fprintf(stderr, "duplex86 image: %s\n", error->message);
        g_error_free(error);
    }
    g_strfreev(options.rest);
    g_free(options.format);
    g_free(options.backing);
    g_free(copy);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
