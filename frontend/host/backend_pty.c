/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A pseudo-terminal: the guest's port is the master, terminal programs open the slave by name and may come
 * and go. We keep the slave open ourselves, since a master without one does nothing but report hang-ups.
 */
#include "backend_private.h"

#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

static const struct backend_ops pty_ops = { 0 };

/* No echo and no editing: the line discipline would talk back to the guest while nobody is there. */
static int open_raw_slave(const char *name)
{
    int fd = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    struct termios settings;
    if (fd >= 0 && tcgetattr(fd, &settings) == 0) {
        cfmakeraw(&settings);
        tcsetattr(fd, TCSANOW, &settings);
    }
    return fd;
}

gboolean backend_open_pty(struct backend *b, GError **error)
{
    char name[64];
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    b->ops = &pty_ops;
    if (master < 0)
        return fail_errno(error, -errno, NULL, "cannot make a pseudo-terminal for %s", b->label);
    if (grantpt(master) < 0 || unlockpt(master) < 0 || ptsname_r(master, name, sizeof name) != 0 ||
        (b->other_fd = open_raw_slave(name)) < 0) {
        int err = errno;
        close(master);
        return fail_errno(error, -err, NULL, "cannot set up a pseudo-terminal for %s", b->label);
    }
    g_printerr("duplex86: %s is on %s\n", b->label, name);
    backend_attach(b, master, master);
    return TRUE;
}
