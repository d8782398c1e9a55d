/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where the vCPU runs: in an executor process of its own, or (for debuggers and sanitizers) in the caller.
 * Starts the process from the image inside the library, hands it the vCPU and waits for it to come back, and
 * tells when it died. Library side; the other half is executor/main.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "arena.h"

/* How often a sleeper makes sure that the executor still lives. */
enum { WATCH_NS = 50 * 1000 * 1000 };

static int run_here(struct d86_vm *vm)
{
    exec_take_writes(&vm->arena->vcpu, &vm->arena->channel);
    exec_run(&vm->arena->vcpu);
    return 0;
}

#ifndef D86_SANITIZED
extern const uint8_t executor_image[], executor_image_end[];

/* ---- Starting
 * ----------------------------------------------------------------------------------------------- */

static int image_file(int *fd)
{
    size_t size = (size_t)(executor_image_end - executor_image), done = 0;
    *fd = memfd_create("duplex86-executor", MFD_CLOEXEC);
    if (*fd < 0)
        return error_set(-errno, "cannot create a memory file: %s", strerror(errno));
    while (done < size) {
        ssize_t n = write(*fd, executor_image + done, size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            int error = n < 0 ? errno : EIO;
            close(*fd);
            return error_set(-error, "cannot write the executor's image: %s", strerror(error));
        }
        done += (size_t)n;
    }
    return 0;
}

/* Whatever files the caller has open are none of the executor's business. `program` closes when it runs. */
static void close_all_but(int program)
{
    close(0);
    close(1);
    close(2);
    if (syscall(SYS_close_range, CHANNEL_FD_LIFELINE + 1u, ~0u, CLOSE_RANGE_CLOEXEC) == 0)
        return;
    /* Before Linux 5.11. */
    for (int fd = CHANNEL_FD_LIFELINE + 1; fd < FD_SETSIZE; fd++) {
        if (fd != program)
            close(fd);
    }
}

/* In the child, between fork and exec: only async-signal-safe calls. */
static void become_executor(const struct d86_vm *vm, int image, int lifeline)
{
    /* Out of the way of the places they go to. */
    int arena = fcntl(vm->arena_fd, F_DUPFD_CLOEXEC, 16), ram = fcntl(vm->ram_fd, F_DUPFD_CLOEXEC, 16);
    int program = fcntl(image, F_DUPFD_CLOEXEC, 16), line = fcntl(lifeline, F_DUPFD_CLOEXEC, 16);
    char slot[2] = { (char)('0' + vm->slot), 0 };
    char *argv[] = { (char[]){ "duplex86-executor" }, slot, NULL };
    char *envp[] = { NULL };
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGIO, SIG_DFL);
    /* Ctrl-C at the terminal is the frontend's affair. */
    signal(SIGINT, SIG_IGN);
    if (dup2(arena, CHANNEL_FD_ARENA) < 0 || dup2(ram, CHANNEL_FD_RAM) < 0 ||
        dup2(line, CHANNEL_FD_LIFELINE) < 0 || program < 0)
        _exit(126);
    close_all_but(program);
    syscall(SYS_execveat, program, "", argv, envp, AT_EMPTY_PATH);
    _exit(127);
}

static const char *death_reason(int status, char *text, size_t size)
{
    if (WIFSIGNALED(status))
        snprintf(text, size, "signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) == 127)
        snprintf(text, size, "the host does not let it execute (is /proc/sys/vm/memfd_noexec set?)");
    else if (WEXITSTATUS(status) == CHANNEL_STATUS_MAP)
        snprintf(text, size, "it could not map the shared memory");
    else if (WEXITSTATUS(status) == CHANNEL_STATUS_SECCOMP)
        snprintf(text, size, "the host's kernel has no seccomp filters");
    else
        snprintf(text, size, "status %d", WEXITSTATUS(status));
    return text;
}

/* Has the executor died? Then it is reaped and *status says how. */
static bool executor_died(struct d86_vm *vm, int *status)
{
    pid_t pid = waitpid(vm->executor, status, WNOHANG);
    if (pid == 0 || (pid < 0 && errno == EINTR))
        return false;
    /* A caller that reaps all children, or ignores SIGCHLD, may have got there first. */
    if (pid < 0)
        *status = 0;
    vm->executor = 0;
    return true;
}

/* Sleep until the turn is the library's; false: the executor died, *status. */
static bool await_library_turn(struct d86_vm *vm, int *status)
{
    struct channel *c = &vm->arena->channel;
    bool alive = true;
    uint32_t turn;
    while (alive && (turn = __atomic_load_n(&c->turn, __ATOMIC_SEQ_CST)) != CHANNEL_LIBRARY) {
        const struct timespec patience = { .tv_nsec = WATCH_NS };
        long result = syscall(SYS_futex, &c->turn, FUTEX_WAIT, turn, &patience, NULL, 0);
        if (result < 0 && errno == ETIMEDOUT)
            alive = !executor_died(vm, status);
    }
    return alive;
}

int carrier_start(struct d86_vm *vm)
{
    int image, line[2], status = 0;
    char text[128];
    int result = image_file(&image);
    if (result < 0)
        return result;
    if (pipe2(line, O_CLOEXEC) < 0) {
        result = error_set(-errno, "cannot create a pipe: %s", strerror(errno));
        goto close_image;
    }
    vm->arena->channel.turn = CHANNEL_STARTING;
    vm->executor_cpu = -1;
    vm->executor = fork();
    if (vm->executor == 0)
        become_executor(vm, image, line[0]);
    if (vm->executor < 0) {
        result = error_set(-errno, "cannot start the executor process: %s", strerror(errno));
        vm->executor = 0;
        close(line[1]);
    } else if (!await_library_turn(vm, &status)) {
        result = error_set(-ENOTSUP, "the executor process did not start: %s",
                           death_reason(status, text, sizeof(text)));
        close(line[1]);
    } else {
        vm->lifeline = line[1];
        vm->sandboxed = true;
    }
    close(line[0]);
close_image:
    close(image);
    return result;
}

void carrier_stop(struct d86_vm *vm)
{
    int status;
    if (!vm->sandboxed)
        return;
    if (vm->executor) {
        kill(vm->executor, SIGKILL);
        while (waitpid(vm->executor, &status, 0) < 0 && errno == EINTR)
            ;
    }
    close(vm->lifeline);
    vm->executor = 0;
    vm->sandboxed = false;
}

/* ---- Running
 * --------------------------------------------------------------------------------------------------- */

static int report_death(struct d86_vm *vm, int status)
{
    struct d86_exit *exit = &vm->arena->exit;
    char text[128];
    exit->reason = D86_EXIT_INTERNAL_ERROR;
    exit->error.code = D86_ERROR_BUG;
    snprintf(exit->error.text, sizeof(exit->error.text), "the executor process died: %s",
             death_reason(status, text, sizeof(text)));
    return 0;
}

/*
 * Keep the executor on the caller's CPU: a hand-over is then one context switch. Between two CPUs it takes an
 * interrupt and often a wake from idle, which inside a virtual machine costs tens of microseconds.
 */
static void follow_caller(struct d86_vm *vm)
{
    int cpu = sched_getcpu();
    if (cpu < 0 || cpu == vm->executor_cpu || cpu >= CPU_SETSIZE)
        return;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(vm->executor, sizeof(set), &set) == 0)
        vm->executor_cpu = cpu;
}

int carrier_run(struct d86_vm *vm)
{
    struct channel *c = &vm->arena->channel;
    int status = 0;
    if (!vm->sandboxed)
        return run_here(vm);
    if (!vm->executor)
        return report_death(vm, status);
    follow_caller(vm);
    __atomic_store_n(&c->turn, CHANNEL_EXECUTOR, __ATOMIC_SEQ_CST);
    syscall(SYS_futex, &c->turn, FUTEX_WAKE, 1, NULL, NULL, 0);
    if (await_library_turn(vm, &status))
        return 0;
    return report_death(vm, status);
}

#else /* D86_SANITIZED */

/* The image cannot hold a sanitizer's run-time library. */
int carrier_start(struct d86_vm *vm)
{
    (void)vm;
    return error_set(-ENOTSUP, "the library was built with a sanitizer, and then has no executor process");
}

void carrier_stop(struct d86_vm *vm)
{
    (void)vm;
}

int carrier_run(struct d86_vm *vm)
{
    return run_here(vm);
}

#endif
