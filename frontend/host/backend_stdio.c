/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Standard input and output, and files. Output must not block the vCPU's thread, but O_NONBLOCK is a property
 * of the open file, which a shell shares with us: so terminals and pipes are opened anew for writing.
 */
#include "backend_private.h"

#include "error.h"
#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct backend_ops stdio_ops = { 0 };

/* Two back-ends may be on stdio (a serial port and the debug console); the first gets the input. */
static struct backend *input_owner;

static void stdio_close(struct backend *b)
{
    if (input_owner == b)
        input_owner = NULL;
}

static const struct backend_ops stdin_ops = { .close = stdio_close };

/* A description of our own of what standard output is, if that can be had; else standard output. */
static int reopen_stdout(void)
{
    struct stat st;
    if (fstat(STDOUT_FILENO, &st) < 0 || !(S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode)))
        return STDOUT_FILENO; /* a regular file: it always takes everything, and has a position we share */
    int fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    return fd >= 0 ? fd : STDOUT_FILENO;
}

gboolean backend_open_stdio(struct backend *b, GError **error)
{
    b->ops = input_owner ? &stdio_ops : &stdin_ops;
    b->lossless = true;
    if (!input_owner) {
        b->interactive = isatty(STDIN_FILENO);
        if (b->interactive && !terminal_make_raw(STDIN_FILENO, error))
            return FALSE;
    }
    backend_attach(b, input_owner ? -1 : STDIN_FILENO, reopen_stdout());
    if (!input_owner)
        input_owner = b;
    return TRUE;
}

gboolean backend_open_file(struct backend *b, const char *path, GError **error)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0666);
    if (fd < 0)
        return fail_errno(error, -errno, NULL, "cannot open '%s' for the output of %s", path, b->label);
    b->ops = &stdio_ops;
    b->lossless = true;
    backend_attach(b, -1, fd);
    return TRUE;
}
