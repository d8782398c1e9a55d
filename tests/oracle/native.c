/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The parent's half of the native side: hands out batches, watches the child, replaces it.
 */
#define _GNU_SOURCE
#include "native.h"

#include "host_call.h"

#include <asm/ldt.h>
#include <cpuid.h>
#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "native_child.h"
#include "segments.h"

enum {
    WAIT_MS = 250,
    HANG_MS = 30000, /* a case runs for microseconds; anything in the way of that is the scheduler */
    HWCAP2_FSGSBASE_BIT = 1 << 1,
};

static struct {
    pid_t pid;
    int memory; /* memfd behind the cases' pages */
} child = { .pid = -1, .memory = -1 };

/* In a throw-away process: does a far jump to the 32-bit code segment work here? */
static _Noreturn void probe_compat(void)
{
    static const uint8_t code[] = { 0x40, 0xcb }; /* 32-bit code: inc eax; retf */
    uint8_t *page = mmap((void *)(uintptr_t)CODE_LA, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    uint8_t *stack = mmap((void *)(uintptr_t)STACK_LA, PAGE, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    struct {
        uint32_t offset;
        uint16_t selector;
    } __attribute__((packed)) target = { CODE_LA, SEL_CODE };
    uint32_t result = 41;

    if (page == MAP_FAILED || stack == MAP_FAILED)
        _exit(2);
    memcpy(page, code, sizeof code);
    /* 64-bit code above 4 GiB cannot be a 32-bit far return's target, so the way back is a page below. */
    static const uint8_t way_back[] = { 0x41, 0xff, 0xe6 }; /* 64-bit code: jmp r14 */
    memcpy(page + 64, way_back, sizeof way_back);
    uint32_t *top = (uint32_t *)(stack + PAGE) - 2;
    top[0] = CODE_LA + 64;
    top[1] = 0x33;
    __asm__ volatile("lea 1f(%%rip), %%r14\n\t"
                     "mov %%rsp, %%r15\n\t"
                     "mov %[top], %%rsp\n\t"
                     "ljmpl *(%[target])\n"
                     "1:\n\t"
                     "mov %%r15, %%rsp\n\t"
                     : "+a"(result)
                     : [top] "r"(top), [target] "r"(&target)
                     : "r14", "r15", "memory", "cc");
    _exit(result == 42 ? 0 : 3);
}

const char *native_unavailable(void)
{
    int status;

    if (!(getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE_BIT))
        return "the host does not let programs write FS and GS bases (FSGSBASE)";
    pid_t pid = fork();
    if (pid == 0) {
        static const int fatal[] = { SIGSEGV, SIGILL, SIGBUS, SIGTRAP };
        for (unsigned i = 0; i < ARRAY_SIZE(fatal); i++)
            signal(fatal[i], SIG_DFL);
        probe_compat();
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return "cannot start a child process";
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return "the host does not run 32-bit code in a 64-bit process";
    return NULL;
}

int native_load_ldt(void)
{
    enum { WRITE_LDT = 0x11 }; /* modify_ldt(2) */

    for (unsigned n = 1; n < LDT_COUNT; n++) {
        const struct ldt_entry *e = &ldt[n];
        struct user_desc d = {
            .entry_number = n,
            .base_addr = e->base,
            .limit = e->limit,
            .seg_32bit = e->big,
            .contents = e->contents,
            .read_exec_only = e->read_only,
            .limit_in_pages = e->pages,
            .seg_not_present = e->absent,
        };
        int result = host_call_int(__NR_modify_ldt, WRITE_LDT, (long)&d, sizeof d, 0, 0, 0);
        if (result)
            return -result;
    }
    return 0;
}

const char *native_no_ldt(void)
{
    static char text[128];
    int status;
    pid_t pid = fork();

    if (pid == 0)
        _exit(native_load_ldt());
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return "cannot start a child process";
    if (WIFEXITED(status) && !WEXITSTATUS(status))
        return NULL;
    snprintf(text, sizeof text, "the host does not let programs have 16-bit segments (modify_ldt: %s)",
             WIFEXITED(status) ? strerror(WEXITSTATUS(status)) : "killed");
    return text;
}

static bool spawn(struct native_ring *ring)
{
    fflush(NULL);
    child.pid = fork();
    if (child.pid == 0)
        native_child(ring, child.memory);
    return child.pid > 0;
}

struct native_ring *native_create(bool may_translate)
{
    struct native_ring *ring =
        mmap(NULL, sizeof *ring, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (ring == MAP_FAILED) {
        perror("oracle: cannot map the ring");
        return NULL;
    }
    ring->may_translate = may_translate;
    child.memory = memfd_create("oracle", MFD_CLOEXEC);
    if (child.memory < 0 || ftruncate(child.memory, (CODE_PAGES + MEM_PAGES) * PAGE) || !spawn(ring)) {
        perror("oracle: cannot start the native child");
        munmap(ring, sizeof *ring);
        return NULL;
    }
    return ring;
}

static int reap(void)
{
    int status = 0;

    while (waitpid(child.pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

void native_destroy(struct native_ring *ring)
{
    kill(child.pid, SIGKILL);
    reap();
    close(child.memory);
    munmap(ring, sizeof *ring);
}

void native_start(struct native_ring *ring, unsigned count)
{
    ring->next = 0;
    ring->count = count;
    __atomic_store_n(&ring->go, ring->go + 1, __ATOMIC_RELEASE);
    syscall(SYS_futex, &ring->go, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* The case under way ended the child: note it and let a new child go on with the next one. */
static void replace_child(struct native_ring *ring, enum outcome_kind kind, int status)
{
    struct outcome *o = &ring->outcome[ring->next];

    memset(o, 0, sizeof *o);
    o->kind = kind;
    o->detail = status;
    ring->next++;
    if (!spawn(ring)) {
        perror("oracle: cannot restart the native child");
        _exit(1);
    }
}

void native_wait(struct native_ring *ring)
{
    struct timespec timeout = { .tv_nsec = WAIT_MS * 1000000l };
    uint32_t seen = UINT32_MAX;
    unsigned waited = 0;

    for (;;) {
        uint32_t done = __atomic_load_n(&ring->done, __ATOMIC_ACQUIRE);
        if (done == ring->go)
            return;
        syscall(SYS_futex, &ring->done, FUTEX_WAIT, done, &timeout, NULL, 0);
        int status;
        if (waitpid(child.pid, &status, WNOHANG) == child.pid) {
            replace_child(ring, OUTCOME_DIED, status);
            continue;
        }
        uint32_t next = __atomic_load_n(&ring->next, __ATOMIC_ACQUIRE);
        waited = next == seen ? waited + WAIT_MS : 0;
        seen = next;
        if (waited >= HANG_MS) {
            kill(child.pid, SIGKILL);
            replace_child(ring, OUTCOME_HUNG, reap());
            waited = 0;
        }
    }
}

void native_run(struct native_ring *ring, const struct test_case *c, struct outcome *o)
{
    ring->test[0] = *c;
    native_start(ring, 1);
    native_wait(ring);
    *o = ring->outcome[0];
}
