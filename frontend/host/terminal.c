/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Raw mode and the way back. The saved settings are static since signal handlers need them and a process has
 * one controlling terminal.
 */
#include "terminal.h"

#include "error.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static struct termios saved, raw;
static int terminal_fd = -1;
static volatile sig_atomic_t is_raw;
static const char *farewell; /* what the terminal is told at the end */
static size_t farewell_size;
static int farewell_fd;

static const int deadly[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGQUIT };
static struct sigaction previous[G_N_ELEMENTS(deadly)];

void terminal_restore(void)
{
    if (!is_raw)
        return;
    int keep = errno;
    is_raw = 0;
    if (farewell && write(farewell_fd, farewell, farewell_size) < 0)
        errno = keep; /* nobody is there to be told */
    tcsetattr(terminal_fd, TCSANOW, &saved);
    errno = keep;
}

void terminal_at_end(const char *text, int fd)
{
    farewell_fd = fd;
    farewell_size = text ? strlen(text) : 0;
    farewell = text;
}

void terminal_renew(void)
{
    if (is_raw)
        tcsetattr(terminal_fd, TCSANOW, &raw);
}

/* Put the terminal back, then let the signal do what it would have done without us. */
static void on_deadly_signal(int number, siginfo_t *info, void *context)
{
    (void)context;
    terminal_restore();
    for (size_t i = 0; i < G_N_ELEMENTS(deadly); i++) {
        if (deadly[i] == number)
            sigaction(number, &previous[i], NULL);
    }
    /* A fault strikes again when its instruction does; a signal that was sent has to be sent again. */
    if (info->si_code <= 0 || info->si_code == SI_KERNEL)
        raise(number);
}

static void catch_deadly_signals(void)
{
    struct sigaction action = { .sa_sigaction = on_deadly_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < G_N_ELEMENTS(deadly); i++)
        sigaction(deadly[i], &action, &previous[i]);
}

gboolean terminal_make_raw(int fd, GError **error)
{
    if (tcgetattr(fd, &saved) < 0)
        return fail_errno(error, -errno, NULL, "cannot read the terminal's settings");
    raw = saved;
    raw.c_iflag &= ~(tcflag_t)(BRKINT | ICRNL | INLCR | IGNCR | INPCK | ISTRIP | IXON | PARMRK);
    raw.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | IEXTEN | ISIG);
    raw.c_cflag &= ~(tcflag_t)(CSIZE | PARENB);
    raw.c_cflag |= CS8;
    /* OPOST stays: a guest's CR LF survives it, and our own messages need it. */
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    terminal_fd = fd;
    catch_deadly_signals();
    atexit(terminal_restore);
    is_raw = 1; /* before the change, so that no signal can come between */
    if (tcsetattr(fd, TCSANOW, &raw) < 0) {
        is_raw = 0;
        return fail_errno(error, -errno, NULL, "cannot put the terminal in raw mode");
    }
    return TRUE;
}
