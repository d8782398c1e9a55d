/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Trials in a child: it measures, or dies of what the host made of it, and neither harms the program.
 */
#include "probe.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_SECONDS = 30 };

double trial_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

void trial_refuse(struct trial *t, const char *why)
{
    t->ns = -1;
    g_strlcpy(t->why, why, sizeof(t->why));
}

static void tell_death(struct trial *t, int status)
{
    t->ns = -1;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        snprintf(t->why, sizeof(t->why), "it took more than %d seconds", PATIENCE_SECONDS);
    else if (WIFSIGNALED(status))
        snprintf(t->why, sizeof(t->why), "the process that tried died of signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
}

struct trial trial_run(void (*run)(struct trial *t))
{
    struct trial result = { .ns = -1, .why = "this host gives no memory to try it in" };
    int status = 0;
    struct trial *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return result;
    trial_refuse(shared, "the trial came to no end");
    pid_t child = fork();
    if (child == 0) {
        alarm(PATIENCE_SECONDS);
        run(shared);
        _exit(0);
    }
    if (child < 0)
        trial_refuse(shared, "this host lets the program start no process");
    else if (waitpid(child, &status, 0) == child && status)
        tell_death(shared, status);
    result = *shared;
    munmap(shared, sizeof(*shared));
    return result;
}
