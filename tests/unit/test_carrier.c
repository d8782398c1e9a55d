/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The executor process: it runs what the caller would, is confined, dies with the caller, and its death is
 * told. The process number is found where anybody would look: among this process's children. Every test is
 * run with each engine that has such a process; one the host refuses is skipped, and that is said.
 */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../monitor/library/arena.h" /* to reach into the channel: a_subverted_executor_dies */
#include "duplex86/duplex86.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static struct d86_vm *vm;
static struct d86_vcpu *vcpu;

static const struct {
    const char *name;
    struct d86_vcpu_config config;
    unsigned files; /* the executor keeps open */
} engines[] = {
    { "interp", { .engine = D86_ENGINE_INTERP }, 1 },
    { "sbe", { .engine = D86_ENGINE_SBE }, 3 },
};

enum { ENGINES = ARRAY_SIZE(engines), INTERP = 0, SBE = 1 };

/* ---- Guests -------------------------------------------------------------------------------------------- */

enum {
    REAL_CODE = 0x1000,
    USER_CODE = 0x20000, /* ordinary users cannot have code natively in the first 64 KiB */
    IOPL_3 = 0x3000,
};

/* A processor on a VM whose memory ends at `size`; false: the host refuses the engine. */
static bool create(unsigned engine, uint64_t size)
{
    ck_assert_int_eq(d86_vm_create(&vm), 0);
    ck_assert_int_eq(d86_vm_add_ram(vm, 0, size), 0);
    int result = d86_vcpu_create(vm, &engines[engine].config, &vcpu);
    if (result == -ENOTSUP && engine != INTERP) {
        fprintf(stderr, "skipped: %s\n", d86_last_error());
        d86_vm_destroy(vm);
        return false;
    }
    ck_assert_msg(result == 0, "%s", d86_last_error());
    return true;
}

/* Real mode at 0000:1000. */
static void enter_real(const uint8_t *code, size_t size)
{
    struct d86_sregs s;
    ck_assert_int_eq(d86_vm_write(vm, REAL_CODE, code, size), 0);
    d86_vcpu_get_sregs(vcpu, &s);
    s.seg[D86_CS].base = 0;
    s.seg[D86_CS].selector = 0;
    ck_assert_int_eq(d86_vcpu_set_sregs(vcpu, &s), 0);
    d86_vcpu_set_regs(vcpu, &(struct d86_regs){ .eip = REAL_CODE, .eflags = 2 });
}

static bool start(unsigned engine, const uint8_t *code, size_t size)
{
    if (!create(engine, 1 << 20))
        return false;
    enter_real(code, size);
    return true;
}

/* Flat 32-bit code without paging: at CPL 3, where it may use ports, sbe runs it natively, at CPL 0
 * translated. */
static bool start_flat(unsigned engine, unsigned cpl, const uint8_t *code, size_t size)
{
    const uint16_t dpl = (uint16_t)(cpl << 5);
    struct d86_sregs s;
    if (!create(engine, 1 << 20))
        return false;
    ck_assert_int_eq(d86_vm_write(vm, USER_CODE, code, size), 0);
    d86_vcpu_get_sregs(vcpu, &s);
    for (unsigned i = 0; i < ARRAY_SIZE(s.seg); i++)
        s.seg[i] = (struct d86_segment){ .limit = UINT32_MAX,
                                         .selector = (uint16_t)(8 | cpl),
                                         .attr = 0xc093 | dpl };
    s.seg[D86_CS].attr = 0xc09b | dpl;
    s.cr0 |= 1;
    ck_assert_int_eq(d86_vcpu_set_sregs(vcpu, &s), 0);
    d86_vcpu_set_regs(vcpu, &(struct d86_regs){ .eip = USER_CODE, .esp = 0x40000, .eflags = IOPL_3 | 2 });
    return true;
}

static bool start_user(unsigned engine, const uint8_t *code, size_t size)
{
    return start_flat(engine, 3, code, size);
}

static const uint8_t spin[] = { 0xeb, 0xfe };

static unsigned run(void)
{
    ck_assert_int_eq(d86_vcpu_run(vcpu), 0);
    return d86_vcpu_exit(vcpu)->reason;
}

/* ---- Processes ----------------------------------------------------------------------------------------- */

/* Process number of the only child of `parent`, 0 if it has none. */
static pid_t child_of(pid_t parent)
{
    DIR *proc = opendir("/proc");
    const struct dirent *entry;
    pid_t found = 0;
    ck_assert_ptr_nonnull(proc);
    while (!found && (entry = readdir(proc))) {
        char path[300], state;
        int pid, ppid;
        snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
        FILE *f = fopen(path, "r");
        if (!f)
            continue;
        if (fscanf(f, "%d (%*[^)]) %c %d", &pid, &state, &ppid) == 3 && ppid == parent && state != 'Z')
            found = pid;
        fclose(f);
    }
    closedir(proc);
    return found;
}

static bool exists_for(pid_t pid, int milliseconds)
{
    for (int i = 0; i < milliseconds; i++) {
        if (kill(pid, 0) < 0)
            return false;
        usleep(1000);
    }
    return true;
}

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* ---- Work ---------------------------------------------------------------------------------------------- */

START_TEST(exits_and_their_answers_cross_over)
{
    static const uint8_t code[] = { 0xe4, 0x60, 0xe6, 0x80, 0xf4 }; /* IN AL,60h; OUT 80h,AL; HLT */
    if (!start((unsigned)_i, code, sizeof(code)))
        return;
    ck_assert_uint_eq(run(), D86_EXIT_IO);
    d86_vcpu_exit(vcpu)->io.data[0] = 0x5a;
    ck_assert_uint_eq(run(), D86_EXIT_IO);
    ck_assert_uint_eq(d86_vcpu_exit(vcpu)->io.is_out, 1);
    ck_assert_uint_eq(d86_vcpu_exit(vcpu)->io.data[0], 0x5a);
    ck_assert_uint_eq(run(), D86_EXIT_HLT);
    d86_vm_destroy(vm);
}
END_TEST

START_TEST(user_code_makes_exits_too)
{
    /* MOV ECX,1000; L: ADD EAX,ECX; LOOP L; OUT 80h,EAX */
    static const uint8_t code[] = { 0xb9, 0xe8, 0x03, 0, 0, 0x01, 0xc8, 0xe2, 0xfc, 0xe7, 0x80 };
    uint32_t sum;
    if (!start_user((unsigned)_i, code, sizeof(code)))
        return;
    ck_assert_uint_eq(run(), D86_EXIT_IO);
    memcpy(&sum, d86_vcpu_exit(vcpu)->io.data, sizeof(sum));
    ck_assert_uint_eq(sum, 500500);
    d86_vm_destroy(vm);
}
END_TEST

START_TEST(memory_added_later_is_there)
{
    /* MOV AX,F000h; MOV ES,AX; INC BYTE [ES:0]; HLT; the memory at F0000h is added after the start */
    static const uint8_t code[] = { 0xb8, 0x00, 0xf0, 0x8e, 0xc0, 0x26, 0xfe, 0x06, 0x00, 0x00, 0xf4 };
    uint8_t byte = 41;
    if (!create((unsigned)_i, 0x10000))
        return;
    ck_assert_int_eq(d86_vm_add_ram(vm, 0xf0000, 0x10000), 0);
    ck_assert_int_eq(d86_vm_write(vm, 0xf0000, &byte, 1), 0);
    enter_real(code, sizeof(code));
    ck_assert_uint_eq(run(), D86_EXIT_HLT);
    ck_assert_int_eq(d86_vm_read(vm, 0xf0000, &byte, 1), 0);
    ck_assert_uint_eq(byte, 42);
    d86_vm_destroy(vm);
}
END_TEST

START_TEST(writes_of_the_caller_reach_cached_code)
{
    static const uint8_t code[] = { 0xb0, 0x01, 0xe6, 0x80, 0xeb, 0xfa }; /* L: MOV AL,1; OUT 80h,AL; JMP L */
    if (!start_user((unsigned)_i, code, sizeof(code)))
        return;
    for (uint8_t value = 1; value < 20; value++) {
        ck_assert_int_eq(d86_vm_write(vm, USER_CODE + 1, &value, 1), 0);
        ck_assert_uint_eq(run(), D86_EXIT_IO);
        ck_assert_uint_eq(d86_vcpu_exit(vcpu)->io.data[0], value);
    }
    d86_vm_destroy(vm);
}
END_TEST

/* ---- Kicks --------------------------------------------------------------------------------------------- */

static uint64_t kicked_at;

static void *kick_later(void *arg)
{
    (void)arg;
    usleep(5000);
    kicked_at = now_us();
    d86_vcpu_kick(vcpu);
    return NULL;
}

START_TEST(a_kick_stops_an_endless_loop)
{
    enum { KICKS = 20, SOON_US = 10000 };
    uint64_t least = UINT64_MAX;
    if (!start_user((unsigned)_i, spin, sizeof(spin)))
        return;
    for (unsigned i = 0; i < KICKS; i++) {
        pthread_t thread;
        pthread_create(&thread, NULL, kick_later, NULL);
        ck_assert_uint_eq(run(), D86_EXIT_KICKED);
        uint64_t took = now_us() - kicked_at;
        pthread_join(thread, NULL);
        least = took < least ? took : least;
    }
    ck_assert_msg(least < SOON_US, "a kick takes %llu us at least", (unsigned long long)least);
    d86_vm_destroy(vm);
}
END_TEST

START_TEST(a_kick_before_the_run_is_kept)
{
    if (!start_user((unsigned)_i, spin, sizeof(spin)))
        return;
    for (unsigned i = 0; i < 100; i++) {
        errno = 77;
        d86_vcpu_kick(vcpu);
        ck_assert_int_eq(errno, 77); /* as code in signal handlers must have it */
        ck_assert_uint_eq(run(), D86_EXIT_KICKED);
    }
    d86_vm_destroy(vm);
}
END_TEST

static volatile bool kicking;

static void *kick_all_the_time(void *arg)
{
    (void)arg;
    while (kicking) {
        d86_vcpu_kick(vcpu);
        usleep(50);
    }
    return NULL;
}

/* A signal that comes when native code is over, or between two turns, does no harm. */
START_TEST(kicks_at_any_time_do_no_harm)
{
    /* L: MOV ECX,10000; LOOP $; OUT 80h,AL; JMP L */
    static const uint8_t code[] = { 0xb9, 0x10, 0x27, 0, 0, 0xe2, 0xfe, 0xe6, 0x80, 0xeb, 0xf5 };
    pthread_t thread;
    unsigned outs = 0, kicks = 0;
    if (!start_user((unsigned)_i, code, sizeof(code)))
        return;
    kicking = true;
    pthread_create(&thread, NULL, kick_all_the_time, NULL);
    while (outs < 300 || kicks == 0) {
        unsigned reason = run();
        ck_assert_msg(reason == D86_EXIT_IO || reason == D86_EXIT_KICKED, "%s",
                      d86_vcpu_exit(vcpu)->error.text);
        outs += reason == D86_EXIT_IO;
        kicks += reason == D86_EXIT_KICKED;
    }
    kicking = false;
    pthread_join(thread, NULL);
    ck_assert_uint_gt(kicks, 0);
    d86_vm_destroy(vm);
}
END_TEST

/* ---- Death --------------------------------------------------------------------------------------------- */

static const struct {
    unsigned engine;
    int signal;
} deaths[] = {
    { INTERP, SIGKILL }, { INTERP, SIGSEGV }, { INTERP, SIGABRT },
    { SBE, SIGKILL },    { SBE, SIGABRT }, /* SIGSEGV is its daily bread */
};

struct killing {
    pid_t pid;
    int signal;
    bool native; /* not before it has been in native code: a slow host takes a while */
};

static uint64_t counter(const char *name)
{
    struct d86_counter c;
    for (unsigned i = 0; d86_vcpu_counter(vcpu, i, &c); i++) {
        if (strcmp(c.name, name) == 0)
            return c.value;
    }
    ck_abort_msg("there is no counter %s", name);
}

static bool was_native(void)
{
    return counter("native_entries") > 0;
}

static void *kill_later(void *arg)
{
    const struct killing *k = arg;
    while (k->native && !was_native())
        usleep(1000);
    usleep(20000);
    kill(k->pid, k->signal);
    return NULL;
}

START_TEST(a_dead_executor_is_an_exit_with_a_reason)
{
    pthread_t thread;
    char told[sizeof(d86_vcpu_exit(vcpu)->error.text)], expected[64];
    if (!start_user(deaths[_i].engine, spin, sizeof(spin)))
        return;
    struct killing killing = { child_of(getpid()), deaths[_i].signal, deaths[_i].engine == SBE };
    ck_assert_int_gt(killing.pid, 0);
    pthread_create(&thread, NULL, kill_later, &killing);
    ck_assert_uint_eq(run(), D86_EXIT_INTERNAL_ERROR);
    pthread_join(thread, NULL);
    strcpy(told, d86_vcpu_exit(vcpu)->error.text);
    snprintf(expected, sizeof(expected), "executor process died: signal %d", deaths[_i].signal);
    ck_assert_msg(strstr(told, expected), "%s", told);
    ck_assert_msg((deaths[_i].engine == SBE) == !!strstr(told, "last entry into native code"), "%s", told);
    /* the state it left can still be read; asked again it says the same; nobody is kicked */
    struct d86_regs r;
    d86_vcpu_get_regs(vcpu, &r);
    ck_assert_uint_eq(r.eip, USER_CODE);
    d86_vcpu_kick(vcpu);
    ck_assert_uint_eq(run(), D86_EXIT_INTERNAL_ERROR);
    ck_assert_str_eq(d86_vcpu_exit(vcpu)->error.text, told);
    d86_vm_destroy(vm);
}
END_TEST

/*
 * The same in the middle of translated code, at any moment: long runs, call-outs, faults and rewritten code
 * by turns. What the caller is told does not depend on it.
 */
static const struct {
    const char *name;
    uint8_t code[24];
    size_t size;
} kernels[] = {
    { "a long run", { 0xeb, 0xfe }, 2 },
    /* L: PUSH EAX; POP EAX; CPUID; CLI; STI; MOV [30000h], EAX; JMP L */
    { "call-outs", { 0x50, 0x58, 0x0f, 0xa2, 0xfa, 0xfb, 0xa3, 0, 0, 3, 0, 0xeb, 0xf3 }, 13 },
    /* L: MOV ESP, 40000h; CALL L */
    { "ever deeper calls", { 0xbc, 0, 0, 4, 0, 0xe8, 0xf6, 0xff, 0xff, 0xff }, 10 },
    /* L: MOV AL, 0; INC BYTE [L + 1]; JMP L */
    { "rewritten code", { 0xb0, 0, 0xfe, 0x05, 1, 0, 2, 0, 0xeb, 0xf6 }, 10 },
    /* L: MOV ECX, 4000h; MOV ESI, 30000h; MOV EDI, 50000h; REP MOVSD; JMP L */
    { "a string", { 0xb9, 0, 0x40, 0, 0, 0xbe, 0, 0, 3, 0, 0xbf, 0, 0, 5, 0, 0xf3, 0xa5, 0xeb, 0xed }, 19 },
};

enum { KILLINGS = 8 }; /* of each */

struct killing_in_kernel {
    pid_t pid;
    unsigned delay_us;
};

static void *kill_in_kernel(void *arg)
{
    const struct killing_in_kernel *k = arg;
    while (counter("translated_entries") == 0)
        usleep(100);
    usleep(k->delay_us);
    kill(k->pid, SIGKILL);
    return NULL;
}

START_TEST(a_dead_executor_of_a_kernel_is_an_exit_with_a_reason)
{
    const unsigned kernel = (unsigned)_i / KILLINGS;
    pthread_t thread;
    if (!start_flat(SBE, 0, kernels[kernel].code, kernels[kernel].size))
        return;
    struct killing_in_kernel killing = { child_of(getpid()), (unsigned)_i % KILLINGS * 377 };
    ck_assert_int_gt(killing.pid, 0);
    pthread_create(&thread, NULL, kill_in_kernel, &killing);
    ck_assert_uint_eq(run(), D86_EXIT_INTERNAL_ERROR);
    pthread_join(thread, NULL);
    ck_assert_msg(strstr(d86_vcpu_exit(vcpu)->error.text, "executor process died: signal 9"), "%s: %s",
                  kernels[kernel].name, d86_vcpu_exit(vcpu)->error.text);
    struct d86_regs r;
    d86_vcpu_get_regs(vcpu, &r);
    ck_assert_uint_eq(run(), D86_EXIT_INTERNAL_ERROR);
    d86_vm_destroy(vm);
}
END_TEST

START_TEST(destroying_the_vm_ends_the_executor)
{
    static const uint8_t code[] = { 0xf4 };
    if (!start((unsigned)_i, code, sizeof(code)))
        return;
    pid_t pid = child_of(getpid());
    ck_assert_int_gt(pid, 0);
    d86_vm_destroy(vm);
    ck_assert_int_lt(kill(pid, 0), 0);
}
END_TEST

/* A process that starts a guest in an endless loop and is then killed without warning. */
static void be_caller(unsigned engine, int tell)
{
    pid_t pid = -1;
    if (start_user(engine, spin, sizeof(spin)))
        pid = child_of(getpid());
    if (write(tell, &pid, sizeof(pid)) != sizeof(pid))
        _exit(1);
    if (pid > 0)
        d86_vcpu_run(vcpu);
    _exit(1);
}

START_TEST(the_executor_dies_with_its_caller)
{
    int line[2], status;
    pid_t executor = 0;
    ck_assert_int_eq(pipe(line), 0);
    pid_t caller = fork();
    if (caller == 0)
        be_caller((unsigned)_i, line[1]);
    ck_assert_int_eq(read(line[0], &executor, sizeof(executor)), sizeof(executor));
    ck_assert_int_ne(executor, 0);
    usleep(20000);
    kill(caller, SIGKILL);
    waitpid(caller, &status, 0);
    ck_assert(executor < 0 || !exists_for(executor, 2000)); /* -1: the engine is refused */
}
END_TEST

/* ---- Confinement --------------------------------------------------------------------------------------- */

/* Lines "Seccomp:" and "NoNewPrivs:" of /proc/PID/status; open files in /proc/PID/fd. */
START_TEST(the_executor_is_confined_and_holds_no_files_but_its_own)
{
    static const uint8_t code[] = { 0xf4 };
    char path[64], line[128];
    unsigned seccomp = 0, no_new_privileges = 0, files = 0;
    const struct dirent *entry;
    if (!start((unsigned)_i, code, sizeof(code)))
        return;
    pid_t pid = child_of(getpid());
    snprintf(path, sizeof(path), "/proc/%d/status", pid);
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof(line), f)) {
        sscanf(line, "Seccomp: %u", &seccomp);
        sscanf(line, "NoNewPrivs: %u", &no_new_privileges);
    }
    fclose(f);
    ck_assert_uint_eq(seccomp, 2);
    ck_assert_uint_eq(no_new_privileges, 1);
    snprintf(path, sizeof(path), "/proc/%d/fd", pid);
    DIR *fds = opendir(path);
    if (fds) { /* not readable where the process counts as undumpable */
        while ((entry = readdir(fds)))
            files += entry->d_name[0] != '.';
        closedir(fds);
        ck_assert_uint_eq(files, engines[_i].files);
    }
    d86_vm_destroy(vm);
}
END_TEST

static const struct {
    const char *name;
    enum channel_subversion what;
} subversions[] = {
    { "open a file", CHANNEL_OPEN_FILE },
    { "open a socket", CHANNEL_SOCKET },
    { "run a program", CHANNEL_EXECVE },
    { "fork", CHANNEL_FORK },
    { "send a signal", CHANNEL_KILL },
    { "trace a process", CHANNEL_PTRACE },
    { "read another process", CHANNEL_READ_PROCESS },
    { "make a memory file", CHANNEL_MEMFD },
    { "read its lifeline", CHANNEL_READ_LIFELINE },
    { "a 32-bit system call", CHANNEL_INT80 },
    { "a system call from the arena", CHANNEL_FOREIGN_TEXT },
};

enum { SUBVERSIONS = ARRAY_SIZE(subversions) };

START_TEST(a_subverted_executor_dies)
{
    static const uint8_t code[] = { 0xe6, 0x80, 0xf4 }; /* OUT 80h,AL; HLT */
    const unsigned engine = (unsigned)_i / SUBVERSIONS, what = (unsigned)_i % SUBVERSIONS;
    char expected[64];
    if (!start(engine, code, sizeof(code)))
        return;
    ck_assert_uint_eq(run(), D86_EXIT_IO); /* it works until then */
    vm->arena->channel.subvert = subversions[what].what;
    unsigned reason = run();
    ck_assert_uint_eq(vm->arena->channel.subvert, CHANNEL_LOYAL); /* it really was asked */
    ck_assert_msg(reason == D86_EXIT_INTERNAL_ERROR, "%s: a subverted executor (%s) lived on",
                  engines[engine].name, subversions[what].name);
    snprintf(expected, sizeof(expected), "executor process died: signal %d", SIGSYS);
    ck_assert_msg(strstr(d86_vcpu_exit(vcpu)->error.text, expected), "%s: %s", subversions[what].name,
                  d86_vcpu_exit(vcpu)->error.text);
    d86_vm_destroy(vm);
}
END_TEST

/* ---- The suite ----------------------------------------------------------------------------------------- */

static Suite *suite(void)
{
    Suite *s = suite_create("carrier");
    TCase *tc = tcase_create("carrier");
    tcase_set_timeout(tc, 20);
    tcase_add_loop_test(tc, exits_and_their_answers_cross_over, 0, ENGINES);
    tcase_add_loop_test(tc, user_code_makes_exits_too, 0, ENGINES);
    tcase_add_loop_test(tc, memory_added_later_is_there, 0, ENGINES);
    tcase_add_loop_test(tc, writes_of_the_caller_reach_cached_code, 0, ENGINES);
    tcase_add_loop_test(tc, a_kick_stops_an_endless_loop, 0, ENGINES);
    tcase_add_loop_test(tc, a_kick_before_the_run_is_kept, 0, ENGINES);
    tcase_add_loop_test(tc, kicks_at_any_time_do_no_harm, 0, ENGINES);
    tcase_add_loop_test(tc, a_dead_executor_is_an_exit_with_a_reason, 0, ARRAY_SIZE(deaths));
    tcase_add_loop_test(tc, a_dead_executor_of_a_kernel_is_an_exit_with_a_reason, 0,
                        ARRAY_SIZE(kernels) * KILLINGS);
    tcase_add_loop_test(tc, destroying_the_vm_ends_the_executor, 0, ENGINES);
    tcase_add_loop_test(tc, the_executor_dies_with_its_caller, 0, ENGINES);
    tcase_add_loop_test(tc, the_executor_is_confined_and_holds_no_files_but_its_own, 0, ENGINES);
    tcase_add_loop_test(tc, a_subverted_executor_dies, 0, ENGINES * SUBVERSIONS);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    SRunner *runner = srunner_create(suite());
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
