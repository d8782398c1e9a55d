/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The executor process: it runs what the caller would, is confined, dies with the caller, and its death is
 * told. The process number is found where anybody would look: among this process's children.
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

#include "duplex86/duplex86.h"

static struct d86_vm *vm;
static struct d86_vcpu *vcpu;

/* Start a guest of a few bytes in real mode at 0000:1000. */
static void start(const uint8_t *code, size_t size)
{
    struct d86_sregs s;
    ck_assert_int_eq(d86_vm_create(&vm), 0);
    ck_assert_int_eq(d86_vm_add_ram(vm, 0, 1 << 20), 0);
    int result = d86_vcpu_create(vm, &(struct d86_vcpu_config){ .sandbox = true }, &vcpu);
    ck_assert_msg(result == 0, "%s", d86_last_error());
    ck_assert_int_eq(d86_vm_write(vm, 0x1000, code, size), 0);
    d86_vcpu_get_sregs(vcpu, &s);
    s.seg[D86_CS].base = 0;
    s.seg[D86_CS].selector = 0;
    ck_assert_int_eq(d86_vcpu_set_sregs(vcpu, &s), 0);
    d86_vcpu_set_regs(vcpu, &(struct d86_regs){ .eip = 0x1000, .eflags = 2 });
}

static unsigned run(void)
{
    ck_assert_int_eq(d86_vcpu_run(vcpu), 0);
    return d86_vcpu_exit(vcpu)->reason;
}

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

START_TEST(exits_and_their_answers_cross_over)
{
    static const uint8_t code[] = { 0xe4, 0x60, 0xe6, 0x80, 0xf4 }; /* IN AL,60h; OUT 80h,AL; HLT */
    start(code, sizeof(code));
    ck_assert_uint_eq(run(), D86_EXIT_IO);
    d86_vcpu_exit(vcpu)->io.data[0] = 0x5a;
    ck_assert_uint_eq(run(), D86_EXIT_IO);
    ck_assert_uint_eq(d86_vcpu_exit(vcpu)->io.is_out, 1);
    ck_assert_uint_eq(d86_vcpu_exit(vcpu)->io.data[0], 0x5a);
    ck_assert_uint_eq(run(), D86_EXIT_HLT);
    d86_vm_destroy(vm);
}
END_TEST

START_TEST(memory_added_later_is_there)
{
    /* MOV AX,2000h; MOV ES,AX (twice 64 KiB up); INC BYTE [ES:0]; HLT at 20000h, which is added after the
     * start */
    static const uint8_t code[] = { 0xb8, 0x00, 0xf0, 0x8e, 0xc0, 0x26, 0xfe, 0x06, 0x00, 0x00, 0xf4 };
    uint8_t byte = 41;
    ck_assert_int_eq(d86_vm_create(&vm), 0);
    ck_assert_int_eq(d86_vm_add_ram(vm, 0, 0x10000), 0);
    ck_assert_int_eq(d86_vcpu_create(vm, &(struct d86_vcpu_config){ .sandbox = true }, &vcpu), 0);
    ck_assert_int_eq(d86_vm_add_ram(vm, 0xf0000, 0x10000), 0);
    ck_assert_int_eq(d86_vm_write(vm, 0xf0000, &byte, 1), 0);
    ck_assert_int_eq(d86_vm_write(vm, 0x1000, code, sizeof(code)), 0);
    struct d86_sregs s;
    d86_vcpu_get_sregs(vcpu, &s);
    s.seg[D86_CS].base = 0;
    ck_assert_int_eq(d86_vcpu_set_sregs(vcpu, &s), 0);
    d86_vcpu_set_regs(vcpu, &(struct d86_regs){ .eip = 0x1000, .eflags = 2 });
    ck_assert_uint_eq(run(), D86_EXIT_HLT);
    ck_assert_int_eq(d86_vm_read(vm, 0xf0000, &byte, 1), 0);
    ck_assert_uint_eq(byte, 42);
    d86_vm_destroy(vm);
}
END_TEST

START_TEST(writes_of_the_caller_reach_cached_code)
{
    static const uint8_t code[] = { 0xb0, 0x01, 0xf4, 0xeb, 0xfb }; /* L: MOV AL,1; HLT; JMP L */
    struct d86_regs r;
    start(code, sizeof(code));
    ck_assert_uint_eq(run(), D86_EXIT_HLT);
    ck_assert_int_eq(d86_vm_write(vm, 0x1001, (uint8_t[]){ 7 }, 1), 0);
    d86_vcpu_get_regs(vcpu, &r);
    r.eip = 0x1000;
    d86_vcpu_set_events(vcpu, &(struct d86_events){ .interrupt = -1 });
    d86_vcpu_set_regs(vcpu, &r);
    ck_assert_uint_eq(run(), D86_EXIT_HLT);
    d86_vcpu_get_regs(vcpu, &r);
    ck_assert_uint_eq(r.eax & 0xff, 7);
    d86_vm_destroy(vm);
}
END_TEST

static void *kick_later(void *arg)
{
    (void)arg;
    usleep(20000);
    d86_vcpu_kick(vcpu);
    return NULL;
}

START_TEST(a_kick_stops_an_endless_loop)
{
    static const uint8_t code[] = { 0xeb, 0xfe };
    pthread_t thread;
    start(code, sizeof(code));
    pthread_create(&thread, NULL, kick_later, NULL);
    ck_assert_uint_eq(run(), D86_EXIT_KICKED);
    pthread_join(thread, NULL);
    d86_vm_destroy(vm);
}
END_TEST

static void *kill_later(void *arg)
{
    usleep(20000);
    kill(*(pid_t *)arg, SIGKILL);
    return NULL;
}

START_TEST(a_dead_executor_is_an_exit_with_a_reason)
{
    static const uint8_t code[] = { 0xf4, 0xeb, 0xfe };
    pthread_t thread;
    start(code, sizeof(code));
    ck_assert_uint_eq(run(), D86_EXIT_HLT);
    pid_t pid = child_of(getpid());
    ck_assert_int_gt(pid, 0);
    pthread_create(&thread, NULL, kill_later, &pid);
    d86_vcpu_set_events(vcpu, &(struct d86_events){ .interrupt = -1 });
    ck_assert_uint_eq(run(), D86_EXIT_INTERNAL_ERROR);
    ck_assert_ptr_nonnull(strstr(d86_vcpu_exit(vcpu)->error.text, "executor process died: signal 9"));
    pthread_join(thread, NULL);
    /* and the state it left can still be read, and asked again it says the same */
    struct d86_regs r;
    d86_vcpu_get_regs(vcpu, &r);
    ck_assert_uint_eq(r.eip, 0x1001);
    ck_assert_uint_eq(run(), D86_EXIT_INTERNAL_ERROR);
    d86_vm_destroy(vm);
}
END_TEST

START_TEST(destroying_the_vm_ends_the_executor)
{
    static const uint8_t code[] = { 0xf4 };
    start(code, sizeof(code));
    pid_t pid = child_of(getpid());
    ck_assert_int_gt(pid, 0);
    d86_vm_destroy(vm);
    ck_assert_int_lt(kill(pid, 0), 0);
}
END_TEST

/* A process that starts a guest in an endless loop and is then killed without warning. */
static void be_caller(int tell)
{
    static const uint8_t code[] = { 0xeb, 0xfe };
    start(code, sizeof(code));
    pid_t pid = child_of(getpid());
    if (write(tell, &pid, sizeof(pid)) != sizeof(pid))
        _exit(1);
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
        be_caller(line[1]);
    ck_assert_int_eq(read(line[0], &executor, sizeof(executor)), sizeof(executor));
    ck_assert_int_gt(executor, 0);
    usleep(20000);
    kill(caller, SIGKILL);
    waitpid(caller, &status, 0);
    ck_assert(!exists_for(executor, 2000));
}
END_TEST

/* Lines "Seccomp:" and "NoNewPrivs:" of /proc/PID/status; open files in /proc/PID/fd. */
START_TEST(the_executor_is_confined_and_holds_no_files_but_its_lifeline)
{
    static const uint8_t code[] = { 0xf4 };
    char path[64], line[128];
    unsigned seccomp = 0, files = 0;
    const struct dirent *entry;
    start(code, sizeof(code));
    pid_t pid = child_of(getpid());
    snprintf(path, sizeof(path), "/proc/%d/status", pid);
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof(line), f))
        sscanf(line, "Seccomp: %u", &seccomp);
    fclose(f);
    ck_assert_uint_eq(seccomp, 2);
    snprintf(path, sizeof(path), "/proc/%d/fd", pid);
    DIR *fds = opendir(path);
    if (fds) { /* not readable where the process counts as undumpable */
        while ((entry = readdir(fds)))
            files += entry->d_name[0] != '.';
        closedir(fds);
        ck_assert_uint_eq(files, 1);
    }
    d86_vm_destroy(vm);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("carrier");
    TCase *tc = tcase_create("carrier");
    tcase_add_test(tc, exits_and_their_answers_cross_over);
    tcase_add_test(tc, memory_added_later_is_there);
    tcase_add_test(tc, writes_of_the_caller_reach_cached_code);
    tcase_add_test(tc, a_kick_stops_an_endless_loop);
    tcase_add_test(tc, a_dead_executor_is_an_exit_with_a_reason);
    tcase_add_test(tc, destroying_the_vm_ends_the_executor);
    tcase_add_test(tc, the_executor_dies_with_its_caller);
    tcase_add_test(tc, the_executor_is_confined_and_holds_no_files_but_its_lifeline);
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
