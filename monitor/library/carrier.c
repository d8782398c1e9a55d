/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where the vCPU runs: in executor processes of its own, or (for debuggers and sanitizers) in the caller.
 * Starts the processes from the image inside the library, hands one the vCPU and waits for it to come back,
 * and tells when one died. Library side; the other half is executor/process/main.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "mirror.h"

/* How often a sleeper makes sure that the executor still lives. */
enum { WATCH_NS = 50 * 1000 * 1000 };

/* ... and how often it is made sure that those do whose turn it is not. */
enum { WATCH_ALL_MS = 500 };

static bool run_here(struct d86_vm *vm)
{
    clockid_t clock;
    __atomic_store_n(&vm->here_clock, pthread_getcpuclockid(pthread_self(), &clock) == 0 ? clock : 0,
                     __ATOMIC_RELAXED);
    exec_take_changes(&vm->arena->vcpu, &vm->arena->channel);
    exec_run(&vm->arena->vcpu);
    return true;
}

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    if (!clock || clock_gettime(clock, &t) < 0)
        return 0;
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Executors read each other's clocks in the same way (host_run_ns()): both sides count the same. */
uint64_t carrier_run_ns(const struct d86_vm *vm)
{
    uint64_t sum = 0;
    if (!vm->apart)
        return clock_ns(__atomic_load_n(&vm->here_clock, __ATOMIC_RELAXED));
    for (unsigned i = 0; i < vm->executor_count; i++) {
        pid_t executor = __atomic_load_n(&vm->executor[i].pid, __ATOMIC_RELAXED);
        clockid_t clock;
        if (executor && clock_getcpuclockid(executor, &clock) == 0)
            sum += clock_ns(clock);
    }
    return sum;
}

/* Why a native engine did not come up. */
static int refuse_engine(const struct d86_vm *vm, const char *why)
{
    const char *engine = vm->vcpu.cpu.engine == D86_ENGINE_SBE ? "sbe" : "lockstep";
    return error_set(-ENOTSUP, "the engine %s cannot be used here: %s", engine, why);
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
static void become_executor(const struct d86_vm *vm, unsigned member, int image, int lifeline)
{
    /* Out of the way of the places they go to. */
    int arena = fcntl(vm->arena_fd, F_DUPFD_CLOEXEC, 16), ram = fcntl(vm->ram_fd, F_DUPFD_CLOEXEC, 16);
    int program = fcntl(image, F_DUPFD_CLOEXEC, 16), line = fcntl(lifeline, F_DUPFD_CLOEXEC, 16);
    char who[3] = { (char)('0' + vm->slot), (char)('0' + member), 0 };
    char *argv[] = { (char[]){ "duplex86-executor" }, who, NULL };
    char *envp[] = { NULL };
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGIO, SIG_DFL);
    /* Its memory is the guest's, sparse and huge. */
    setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
    /* What a terminal, or a supervisor, sends the whole process group is the caller's affair. */
    static const int for_caller[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
    for (unsigned i = 0; i < sizeof(for_caller) / sizeof(for_caller[0]); i++)
        signal(for_caller[i], SIG_IGN);
    if (dup2(arena, CHANNEL_FD_ARENA) < 0 || dup2(ram, CHANNEL_FD_RAM) < 0 ||
        dup2(line, CHANNEL_FD_LIFELINE) < 0 || program < 0)
        _exit(126);
    close_all_but(program);
    syscall(SYS_execveat, program, "", argv, envp, AT_EMPTY_PATH);
    _exit(127);
}

enum { STATUS_UNKNOWN = -1 };

static const char *death_reason(int status, char *text, size_t size)
{
    if (status == STATUS_UNKNOWN)
        snprintf(text, size, "its exit status went to somebody else");
    else if (WIFSIGNALED(status))
        snprintf(text, size, "signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) == 127)
        snprintf(text, size, "the host does not let it execute (is /proc/sys/vm/memfd_noexec set?)");
    else if (WEXITSTATUS(status) == CHANNEL_STATUS_MAP)
        snprintf(text, size, "it could not map the shared memory");
    else if (WEXITSTATUS(status) == CHANNEL_STATUS_SIGNALS)
        snprintf(text, size, "it could not set up its signals");
    else if (WEXITSTATUS(status) == CHANNEL_STATUS_SECCOMP)
        snprintf(text, size, "the host's kernel has no seccomp filters");
    else
        snprintf(text, size, "status %d", WEXITSTATUS(status));
    return text;
}

/* Where it died, its number is forgotten before it is reaped: while it is a zombie no other process can have
 * it. */
static bool has_died(struct d86_vm *vm, unsigned i)
{
    pid_t pid = vm->executor[i].pid;
    siginfo_t info = { .si_pid = 0 };
    int result = waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT);
    if ((result == 0 && info.si_pid == 0) || (result < 0 && errno == EINTR))
        return false;
    __atomic_store_n(&vm->executor[i].pid, 0, __ATOMIC_SEQ_CST);
    /* A caller that reaps all children, or ignores SIGCHLD, may have got there first. */
    if (waitpid(pid, &vm->executor_status, WNOHANG) != pid)
        vm->executor_status = STATUS_UNKNOWN;
    return true;
}

static void end(struct d86_vm *vm, unsigned i)
{
    pid_t pid = vm->executor[i].pid;
    int status;
    if (!pid)
        return;
    __atomic_store_n(&vm->executor[i].pid, 0, __ATOMIC_SEQ_CST);
    kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
}

/*
 * Has one of the executors died? Then it is reaped, and vm->executor_status says how; and none of the others,
 * which may be running the guest, goes on without it.
 */
static bool executor_died(struct d86_vm *vm)
{
    bool died = false;
    vm->looked_after = __builtin_ia32_rdtsc();
    for (unsigned i = 0; i < vm->executor_count && !died; i++)
        died = has_died(vm, i);
    for (unsigned i = 0; i < vm->executor_count && died; i++)
        end(vm, i);
    return died;
}

/* Until the turn is the library's; false: the executor died. */
static bool await_library_turn(struct d86_vm *vm)
{
    bool alive = true;
    if (handover_look(vm))
        return true;
    while (alive && !handover_sleep(vm, WATCH_NS))
        alive = !executor_died(vm);
    return alive;
}

/* Files that an executor's process is known by. */
static void close_executor(struct d86_vm *vm, unsigned i)
{
    if (vm->executor[i].fd >= 0)
        close(vm->executor[i].fd);
    close(vm->executor[i].lifeline);
}

/* One more, which comes up and waits for its turn. */
static int start_one(struct d86_vm *vm, int image)
{
    unsigned i = vm->executor_count;
    int line[2];
    char text[128];
    if (pipe2(line, O_CLOEXEC) < 0)
        return error_set(-errno, "cannot create a pipe: %s", strerror(errno));
    vm->arena->channel.turn = CHANNEL_STARTING;
    pid_t pid = fork();
    if (pid == 0)
        become_executor(vm, i, image, line[0]);
    close(line[0]);
    if (pid < 0) {
        close(line[1]);
        return error_set(-errno, "cannot start the executor process: %s", strerror(errno));
    }
    vm->executor[i].pid = pid;
    vm->executor[i].lifeline = line[1];
    vm->executor[i].fd = (int)syscall(SYS_pidfd_open, pid, 0);
    vm->executor_count++;
    vm->apart = true;
    if (await_library_turn(vm))
        return 0;
    return error_set(-ENOTSUP, "the executor process did not start: %s",
                     death_reason(vm->executor_status, text, sizeof(text)));
}

/*
 * May there be more than there are? Not if the first cannot do what is wanted, nor with the split `tlb`: what
 * its pages need is done for one process.
 */
static bool may_be_more(const struct d86_vm *vm)
{
    uint8_t provider, error;
    arena_take(&provider, &vm->arena->vcpu.split.provider, sizeof(provider));
    arena_take(&error, vm->arena->channel.start_error, sizeof(error));
    return !vm->executor_count || (!error && provider != D86_SPLIT_TLB);
}

/* So many of them; `least` will do where the host does not let this user have more. */
static int start(struct d86_vm *vm, unsigned count, unsigned least)
{
    struct vcpu *v = &vm->arena->vcpu;
    int image;
    int result = image_file(&image);
    if (result < 0)
        return result;
    while (result == 0 && vm->executor_count < count && may_be_more(vm))
        result = start_one(vm, image);
    close(image);
    if ((result == -EAGAIN || result == -ENOMEM) && vm->executor_count >= least)
        result = 0;
    if (result < 0) {
        carrier_stop(vm);
        return result;
    }
    for (unsigned i = 0; i < vm->executor_count; i++)
        v->executors.pid[i] = vm->executor[i].pid;
    v->executors.count = vm->arena->executors.members.count = vm->executor_count;
    return 0;
}

int carrier_start(struct d86_vm *vm)
{
    return start(vm, 1, 1);
}

/* Lockstep compares with what one process has. */
static int start_as_configured(struct d86_vm *vm, const struct d86_vcpu_config *config)
{
    if (config->engine == D86_ENGINE_LOCKSTEP)
        return start(vm, 1, 1);
    return config->spaces ? start(vm, config->spaces, config->spaces) : start(vm, D86_SPACES_DEFAULT, 1);
}

int carrier_start_native(struct d86_vm *vm, const struct d86_vcpu_config *config)
{
    struct channel *c = &vm->arena->channel;
    struct vcpu *v = &vm->arena->vcpu;
    char why[sizeof(c->start_error)];
    c->split_wanted = config->split;
    c->simulate_keys = config->simulate_keys;
    c->start_error[0] = 0;
    c->native = c->subvert = 0;
    v->split = (struct split){ .provider = D86_SPLIT_AUTO };
    int result = start_as_configured(vm, config);
    if (result < 0) {
        snprintf(why, sizeof(why), "%s", d86_last_error());
        return refuse_engine(vm, why);
    }
    uint8_t provider;
    arena_take(&provider, &v->split.provider, sizeof(provider));
    arena_take_text(why, c->start_error, sizeof(why));
    if (!why[0] && provider != D86_SPLIT_AUTO && provider <= D86_SPLIT_TLB) {
        vm->vcpu.split = (enum d86_split)provider;
        return 0;
    }
    carrier_stop(vm);
    return refuse_engine(vm, why[0] ? why : "the executor chose no split");
}

void carrier_stop(struct d86_vm *vm)
{
    if (!vm->apart)
        return;
    handover_end(vm);
    for (unsigned i = 0; i < vm->executor_count; i++) {
        end(vm, i);
        close_executor(vm, i);
    }
    vm->executor_count = 0;
    vm->apart = false;
}

/* ---- Running
 * --------------------------------------------------------------------------------------------------- */

/* Native code has the guest's registers in the processor; what the vCPU says is from before. */
static bool report_death(struct d86_vm *vm)
{
    static const char stale[] = "; the guest's registers are from the last entry into native code";
    struct d86_exit *exit = &vm->vcpu.exit;
    char text[64];
    exit->reason = D86_EXIT_INTERNAL_ERROR;
    exit->error.code = D86_ERROR_BUG;
    snprintf(exit->error.text, sizeof(exit->error.text), "the executor process died: %s%s",
             death_reason(vm->executor_status, text, sizeof(text)), vm->arena->channel.native ? stale : "");
    return false;
}

static bool must_look_after(const struct d86_vm *vm)
{
    uint32_t khz = tsc_khz();
    uint64_t ticks = (uint64_t)WATCH_ALL_MS * (khz ? khz : TSC_GUESSED_KHZ);
    return vm->executor_count > 1 && __builtin_ia32_rdtsc() - vm->looked_after > ticks;
}

bool carrier_run(struct d86_vm *vm)
{
    if (!vm->apart)
        return run_here(vm);
    if (!vm->executor[0].pid || (must_look_after(vm) && executor_died(vm)))
        return report_death(vm);
    handover_before_run(vm);
    handover_give(vm);
    return await_library_turn(vm) || report_death(vm);
}

/* Whose turn it is, and then has to hear of a kick; executor_count: nobody's. */
static unsigned whose_turn(const struct d86_vm *vm)
{
    uint32_t turn = __atomic_load_n(&vm->arena->channel.turn, __ATOMIC_SEQ_CST) - CHANNEL_EXECUTOR;
    return turn < vm->executor_count ? turn : vm->executor_count;
}

/*
 * By the pidfd where the kernel has one (Linux 5.3): a process number might be another process's by now, if
 * the executor dies this very moment.
 */
void carrier_rouse(struct d86_vm *vm)
{
    int keep = errno;
    bool may_be_native = vm->apart && vm->vcpu.cpu.engine != D86_ENGINE_INTERP;
    unsigned i = may_be_native ? whose_turn(vm) : vm->executor_count;
    if (i == vm->executor_count)
        return;
    long sent = syscall(SYS_pidfd_send_signal, vm->executor[i].fd, CHANNEL_KICK_SIGNAL, NULL, 0);
    if (sent < 0 && errno != ESRCH) {
        pid_t pid = __atomic_load_n(&vm->executor[i].pid, __ATOMIC_SEQ_CST);
        if (pid > 0)
            kill(pid, CHANNEL_KICK_SIGNAL);
    }
    errno = keep;
}

#else /* D86_SANITIZED */

/* The image cannot hold a sanitizer's run-time library: the interpreter is in the caller. */
int carrier_start(struct d86_vm *vm)
{
    (void)vm;
    return 0;
}

int carrier_start_native(struct d86_vm *vm, const struct d86_vcpu_config *config)
{
    (void)config;
    return refuse_engine(vm, "the library was built with a sanitizer, and then has no executor process");
}

void carrier_stop(struct d86_vm *vm)
{
    (void)vm;
}

void carrier_rouse(struct d86_vm *vm)
{
    (void)vm;
}

bool carrier_run(struct d86_vm *vm)
{
    return run_here(vm);
}

#endif
