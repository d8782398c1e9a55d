/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Random calls of the ring-0 helper's device, under a kernel that may suffer for it: in a virtual machine
 * (tests/tools/split_tlb_session.py). Owners with two threads each map, prime, settle, execute, read, move,
 * forget and break what they have, with arguments that are mostly right, and are killed at any moment. In the
 * end nothing may be primed, and nothing pinned.
 *
 *   fuzz_tlb_device CALLS [SEED]
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "helper/duplex86_tlb.h"

enum { PAGE = 4096, FILE_PAGES = 8, PLACES = 8, LOW = 0x28000000, THREADS = 2 };

/* Shared by all processes: calls left, and what became of those made. */
static struct shared {
    long left;
    unsigned long calls, succeeded, kills, fetches, faults;
} * shared;

static struct {
    int device, ram, arena;
    uint8_t *ram_at, *arena_at;
} owner;

static __thread uint64_t random_state;
static __thread sigjmp_buf away;

static uint32_t pick(uint32_t n)
{
    random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(random_state >> 33) % n;
}

/* ---- Arguments: mostly right ------------------------------------------------------------------------- */

static uint64_t odd_value(void)
{
    static const uint64_t odd[] = {
        0, 1, 0xfff, 0xffffffff, 1ull << 32, 0x7fffffffffff, 0xffff800000000000, ~0ull
    };
    return pick(2) ? odd[pick(sizeof(odd) / sizeof(odd[0]))] : random_state;
}

static uint32_t place(void)
{
    return pick(40) ? LOW + pick(PLACES) * PAGE : (uint32_t)odd_value();
}

static uint64_t file_page(void)
{
    uint8_t *base = pick(3) ? owner.arena_at : owner.ram_at;
    return pick(40) ? (uintptr_t)(base + pick(FILE_PAGES) * PAGE) : odd_value();
}

static uint32_t flags(uint32_t good)
{
    return pick(30) ? (pick(4) ? 0 : good) : (uint32_t)odd_value();
}

/* ---- Calls --------------------------------------------------------------------------------------------- */

static void note(long result)
{
    if (result >= 0)
        __atomic_add_fetch(&shared->succeeded, 1, __ATOMIC_RELAXED);
}

static void do_register(void)
{
    struct d86_tlb_register r = { pick(20) ? D86_TLB_VERSION : (uint32_t)odd_value(), flags(0), owner.ram,
                                  owner.arena };
    if (pick(10) == 0)
        r.ram = (int)pick(8);
    if (pick(10) == 0)
        r.arena = (int)pick(8) - 2;
    note(ioctl(owner.device, D86_TLB_REGISTER, &r));
}

static void do_prime(void)
{
    const struct d86_tlb_prime r = { place(), flags(D86_TLB_RING0), file_page(), file_page() };
    note(ioctl(owner.device, D86_TLB_PRIME, &r));
}

static void do_page(unsigned long command)
{
    const struct d86_tlb_page r = { place(), flags(command == D86_TLB_SETTLE ? D86_TLB_SUPERVISOR : 0) };
    note(ioctl(owner.device, command, &r));
}

static void do_map(void)
{
    static const int rights[] = {
        PROT_READ | PROT_EXEC, PROT_READ | PROT_EXEC, PROT_READ | PROT_EXEC, PROT_READ, PROT_NONE,
        PROT_READ | PROT_WRITE
    };
    size_t size = pick(20) ? PAGE : pick(4) * PAGE;
    off_t offset = pick(30) ? 0 : (off_t)pick(3) * PAGE;
    void *at = mmap((void *)(uintptr_t)place(), size, rights[pick(6)],
                    (pick(20) ? MAP_SHARED : MAP_PRIVATE) | MAP_FIXED_NOREPLACE, owner.device, offset);
    note(at == MAP_FAILED ? -1 : 0);
}

/* What else can be done to a mapping. */
static void do_disturb_mapping(void)
{
    void *at = (void *)(uintptr_t)(LOW + pick(PLACES) * PAGE),
         *other = (void *)(uintptr_t)(LOW + pick(PLACES) * PAGE);
    switch (pick(9)) {
    case 0:
        note(mprotect(at, PAGE, (int)pick(8)));
        break;
    case 1:
        note(mremap(at, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, other) == MAP_FAILED ? -1 : 0);
        break;
    case 2:
        note(mremap(at, pick(2) * PAGE, 2 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0);
        break;
    case 3:
        note(madvise(at, PAGE, (int)pick(26)));
        break;
    case 4:
        note(mlock(at, PAGE));
        break;
    case 5:
        note(msync(at, PAGE, MS_SYNC));
        break;
    case 6:
        note(madvise(owner.arena_at + pick(FILE_PAGES) * PAGE, PAGE, pick(2) ? MADV_REMOVE : MADV_DONTNEED));
        break;
    case 7:
        note(write(owner.device, at, PAGE)); /* it has no write */
        break;
    default:
        note(munmap(at, PAGE * (1 + pick(2))));
        break;
    }
}

static void do_garbage(void)
{
    uint64_t data[8];
    for (unsigned i = 0; i < 8; i++)
        data[i] = odd_value();
    unsigned long command = pick(2) ? _IOC(pick(4), 0xd8, pick(10), pick(64)) : (unsigned long)odd_value();
    note(ioctl(owner.device, command, pick(8) ? (void *)data : (void *)(uintptr_t)odd_value()));
}

static void do_ask(void)
{
    union {
        struct d86_tlb_host host;
        struct d86_tlb_counters counters;
        struct d86_tlb_disturb disturb;
    } a = { .disturb = { pick(3), pick(4) } };
    static const unsigned long commands[] = { D86_TLB_HOST, D86_TLB_COUNTERS, D86_TLB_DISTURB };
    note(ioctl(owner.device, commands[pick(3)], pick(20) ? (void *)&a : (void *)(uintptr_t)odd_value()));
}

static void caught(int signal)
{
    (void)signal;
    __atomic_add_fetch(&shared->faults, 1, __ATOMIC_RELAXED);
    siglongjmp(away, 1);
}

/* All bytes of these pages are RET, whoever shows them. */
static void touch(void)
{
    uint8_t *at = (uint8_t *)(uintptr_t)(LOW + pick(PLACES) * PAGE + pick(PAGE));
    if (sigsetjmp(away, 0))
        return;
    switch (pick(3)) {
    case 0:
        ((void (*)(void))(uintptr_t)at)();
        __atomic_add_fetch(&shared->fetches, 1, __ATOMIC_RELAXED);
        break;
    case 1:
        (void)*(volatile uint8_t *)at;
        break;
    default:
        *(volatile uint8_t *)at = 0xc3;
        break;
    }
}

static void step(void)
{
    switch (pick(16)) {
    case 0:
        do_register();
        break;
    case 1:
    case 2:
        do_map();
        break;
    case 3:
    case 4:
    case 5:
        do_prime();
        break;
    case 6:
    case 7:
        do_page(D86_TLB_SETTLE);
        break;
    case 8:
        do_page(D86_TLB_UNPRIME);
        break;
    case 9:
        do_disturb_mapping();
        break;
    case 10:
        do_garbage();
        break;
    case 11:
        do_ask();
        break;
    default:
        touch();
        break;
    }
}

/* ---- Owners ------------------------------------------------------------------------------------------ */

static uint8_t *memory(int *fd)
{
    *fd = memfd_create("fuzz", 0);
    if (*fd < 0 || ftruncate(*fd, FILE_PAGES * PAGE) < 0)
        return NULL;
    uint8_t *at = mmap(NULL, FILE_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
    if (at == MAP_FAILED)
        return NULL;
    memset(at, 0xc3, FILE_PAGES * PAGE);
    return at;
}

static void *work(void *seed)
{
    random_state = (uintptr_t)seed;
    while (__atomic_sub_fetch(&shared->left, 1, __ATOMIC_RELAXED) >= 0) {
        __atomic_add_fetch(&shared->calls, 1, __ATOMIC_RELAXED);
        step();
    }
    return NULL;
}

static void be_owner(uint64_t seed)
{
    const struct sigaction action = { .sa_handler = caught, .sa_flags = SA_NODEFER };
    pthread_t other;
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    owner.device = open(D86_TLB_DEVICE, O_RDWR);
    owner.ram_at = memory(&owner.ram);
    owner.arena_at = memory(&owner.arena);
    if (owner.device < 0 || !owner.ram_at || !owner.arena_at)
        _exit(1);
    random_state = seed;
    do_register();
    do_register(); /* the first may have been wrong on purpose */
    /* A child that inherits the device, and is not who registered. */
    if (pick(3) == 0 && fork() == 0)
        seed += 1000;
    if (pthread_create(&other, NULL, work, (void *)(uintptr_t)(seed * 2 + 1)) == 0)
        work((void *)(uintptr_t)(seed * 2));
    pthread_join(other, NULL);
    _exit(0);
}

/* Let an owner live for a moment, and kill it and its children. False: it could not even begin. */
static bool one_life(uint64_t seed)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        setpgid(0, 0);
        be_owner(seed);
    }
    if (child < 0)
        return false;
    setpgid(child, child);
    random_state = seed;
    nanosleep(&(struct timespec){ .tv_nsec = 1000000 + (long)pick(60000000) }, NULL);
    if (waitpid(child, &status, WNOHANG) == child) {
        kill(-child, SIGKILL);
        return !WIFEXITED(status) || WEXITSTATUS(status) == 0;
    }
    kill(-child, SIGKILL);
    waitpid(child, &status, 0);
    shared->kills++;
    return true;
}

/* Grandchildren may take a moment to be gone. */
static unsigned pages_left(void)
{
    struct d86_tlb_host host = { .pages = ~0u };
    int device = open(D86_TLB_DEVICE, O_RDWR);
    for (unsigned i = 0; i < 3000 && host.pages; i++) {
        ioctl(device, D86_TLB_HOST, &host);
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    }
    close(device);
    return host.pages;
}

/* Linux counts what was pinned and unpinned, since it was booted; on each CPU, until it is asked to add that
 * up. */
static unsigned long counter(const char *name)
{
    char key[64];
    unsigned long value, found = 0;
    int refresh = open("/proc/sys/vm/stat_refresh", O_RDONLY);
    if (refresh >= 0 && read(refresh, key, sizeof(key)) < 0)
        perror("/proc/sys/vm/stat_refresh");
    close(refresh);
    FILE *file = fopen("/proc/vmstat", "re");
    while (file && fscanf(file, "%63s %lu", key, &value) == 2) {
        if (!strcmp(key, name))
            found = value;
    }
    if (file)
        fclose(file);
    return found;
}

int main(int argc, char **argv)
{
    long calls = argc > 1 ? atol(argv[1]) : 20000;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return 1;
    shared->left = calls;
    while (__atomic_load_n(&shared->left, __ATOMIC_RELAXED) > 0) {
        if (!one_life(seed++)) {
            fprintf(stderr, "fuzz_tlb_device: an owner could not begin (is the module loaded?)\n");
            return 1;
        }
    }
    unsigned pages = pages_left();
    unsigned long pinned = counter("nr_foll_pin_acquired"), unpinned = counter("nr_foll_pin_released");
    printf(
        "%lu calls, %lu succeeded, %lu fetches, %lu faults, %lu kills; %u pages left, %lu pins, %lu unpins\n",
        shared->calls, shared->succeeded, shared->fetches, shared->faults, shared->kills, pages, pinned,
        unpinned);
    return pages == 0 && pinned == unpinned ? 0 : 1;
}
