/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * SIGINT, SIGTERM and SIGHUP through a signalfd, so that nothing has to be safe in a handler; SIGCONT too,
 * since job control gives the terminal back in the shell's settings.
 */
#include "signals.h"

#include "error.h"
#include "machine.h"
#include "status.h"
#include "terminal.h"
#include "watch.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

static int signal_fd = -1;
static struct watch *signal_watch;
static int received;
static bool asked;

static sigset_t watched_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCONT);
    return set;
}

static void on_signal(void *ctx)
{
    struct signalfd_siginfo info;
    while (read(signal_fd, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGCONT) {
            terminal_renew();
            continue;
        }
        /* A guest that can is asked to power off, once. */
        if (info.ssi_signo == SIGTERM && !asked && machine_power_button(ctx)) {
            asked = true;
            continue;
        }
        received = (int)info.ssi_signo;
        machine_stop(ctx, STATUS_HOST_ERROR);
    }
}

gboolean signals_open(struct machine *machine, GError **error)
{
    sigset_t set = watched_signals();
    signal(SIGPIPE, SIG_IGN);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (signal_fd < 0)
        return fail_errno(error, -errno, NULL, "cannot watch for signals");
    signal_watch = watch_new(signal_fd, G_IO_IN, on_signal, machine);
    return TRUE;
}

void signals_close(void)
{
    watch_free(signal_watch);
    signal_watch = NULL;
    if (signal_fd >= 0)
        close(signal_fd);
    signal_fd = -1;
}

void signals_raise_received(void)
{
    if (!received)
        return;
    sigset_t set = watched_signals();
    signal(received, SIG_DFL);
    raise(received);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}
