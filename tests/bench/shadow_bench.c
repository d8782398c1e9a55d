/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What shadow paging costs: its own logic, with a host that does nothing; and with real faults and mappings,
 * what mapping ahead is worth. docs/measurements.md quotes it. Best of several runs.
 */
#define _GNU_SOURCE
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>

#include "shadow_rig.h"

enum {
    RUNS = 15,
    TABLES = 8,
    FIRST_FRAME = 1024, /* behind the page tables */
    PAGES = TABLES * 1024,
    USED = P | W | U | A | D,
};

#ifdef D86_SANITIZED
enum { LOW_MEMORY_TAKEN = 1 }; /* by the sanitizer */
#else
enum { LOW_MEMORY_TAKEN = 0 };
#endif

static struct vcpu *const v = &rig.v;

static void sync_all(void)
{
    v->shadow->stale = true;
    shadow_sync(v, v->shadow);
}

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* other programs do not count */
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double best(double *figure)
{
    qsort(figure, RUNS, sizeof(*figure), compare);
    return figure[0];
}

/* ---- The space ----------------------------------------------------------------------------------- */

static enum { HOST_NONE, HOST_MAPS, HOST_MAPS_LAZILY } host;

int space_map(struct vcpu *cpu, uint64_t at, uint64_t size, unsigned rights, enum space_file file,
              uint64_t offset, int key, bool populate)
{
    int protection = PROT_READ | (rights & SPACE_WRITE ? PROT_WRITE : 0);
    int flags = MAP_SHARED | MAP_FIXED | (populate && host == HOST_MAPS ? MAP_POPULATE : 0);
    (void)cpu;
    assert(file == SPACE_RAM && key == 0);
    if (host == HOST_NONE)
        return 0;
    void *p = mmap((void *)(uintptr_t)at, size, protection, flags, rig.ram_fd, (off_t)offset);
    return p == MAP_FAILED ? -errno : 0;
}

int space_map_faces(struct vcpu *cpu, uint32_t at, uint64_t code_offset, uint64_t ram_offset)
{
    (void)cpu, (void)at, (void)code_offset, (void)ram_offset;
    assert(!"no code is mapped here");
    return -1;
}

int space_prime(struct vcpu *cpu, uint32_t at, uint64_t code_offset, uint64_t ram_offset)
{
    return space_map_faces(cpu, at, code_offset, ram_offset);
}

void space_unmap(struct vcpu *cpu, uint64_t at, uint64_t size)
{
    (void)cpu;
    if (host != HOST_NONE)
        munmap((void *)(uintptr_t)at, size);
}

void space_protect(struct vcpu *cpu, uint64_t at, uint64_t size, unsigned rights)
{
    (void)cpu;
    if (host != HOST_NONE)
        mprotect((void *)(uintptr_t)at, size, PROT_READ | (rights & SPACE_WRITE ? PROT_WRITE : 0));
}

/* ---- A guest ------------------------------------------------------------------------------------- */

/* All pages accessed and dirty, in consecutive frames or in no order at all. */
static void open_guest(bool scattered)
{
    rig_open((uint64_t)(FIRST_FRAME + PAGES) << 12);
    rig_paging_32(TABLES);
    for (uint32_t i = 0; i < PAGES; i++) {
        uint32_t frame = FIRST_FRAME + (scattered ? i * 4051 % PAGES : i);
        rig_set_32(i << 12, frame << 12 | USED);
        v->map.ram[(uint64_t)frame << 12] = 1; /* the file has the page, as it would when the guest used it */
    }
}

/* The n-th of 300 pages as programs have them: a dozen stretches in several regions. */
static guest_la process_page(unsigned n)
{
    return (n / 25 % TABLES) << 22 | (n / 25 * 77 + n % 25) << 12;
}

enum { PROCESS = 300 };

static void fill_process(void)
{
    v->shadow->window = 1;
    for (unsigned n = 0; n < PROCESS; n++)
        if (shadow_fault(v, v->shadow, process_page(n), ACCESS_WRITE) != SHADOW_MAPPED)
            abort();
}

enum { WINDOWS = 64 };

static void fill_windows(void)
{
    for (guest_la la = 0; la < WINDOWS << 16; la += 1 << 16)
        shadow_fault(v, v->shadow, la, 0);
}

/* ---- Logic --------------------------------------------------------------------------------------- */

static void measure_logic(void)
{
    double fill[RUNS], fill16[RUNS], same[RUNS], cold[RUNS], changed[RUNS];
    static uint8_t other[32 << 20];
    for (unsigned run = 0; run < RUNS; run++) {
        open_guest(true);
        fill_process();
        shadow_drop_all(v, v->shadow); /* the tables have their memory now */
        double t0 = now_us();
        fill_process();
        double t1 = now_us();
        sync_all();
        double t2 = now_us();
        for (unsigned i = 0; i < 1000; i++)
            sync_all();
        double t3 = now_us();
        memset(other, (int)run, sizeof(other)); /* out of the caches */
        double t4 = now_us();
        sync_all();
        double t5 = now_us();
        v->cr3 = RIG_PAE; /* an empty directory */
        double t6 = now_us();
        sync_all();
        double t7 = now_us();
        if (v->shadow->pages)
            abort();
        v->cr3 = RIG_ROOT;
        v->shadow->window = v->shadow->runs = 16;
        fill_windows();
        shadow_drop_all(v, v->shadow);
        double t8 = now_us();
        fill_windows();
        double t9 = now_us();
        fill[run] = (t1 - t0) / PROCESS;
        same[run] = (t3 - t2) / 1000;
        cold[run] = t5 - t4;
        changed[run] = t7 - t6;
        fill16[run] = (t9 - t8) / WINDOWS;
        rig_close();
    }
    printf("without the host's calls:\n");
    printf("  a fault that maps a page             %8.3f us\n", best(fill));
    printf("  ... and 15 neighbours, one by one    %8.3f us\n", best(fill16));
    printf("  sync of %d pages, none changed      %8.3f us\n", PROCESS, best(same));
    printf("  ... with cold caches                 %8.3f us\n", best(cold));
    printf("  ... all of them dropped              %8.3f us\n", best(changed));
}

/* ---- With the host ------------------------------------------------------------------------------- */

static void on_fault(int signal, siginfo_t *info, void *context)
{
    const ucontext_t *c = context;
    uint64_t at = (uint64_t)(uintptr_t)info->si_addr;
    (void)signal;
    /* Bit 1 of a page fault's error code: a write. */
    if (at >> 32 || shadow_fault(v, v->shadow, split_guest(&v->split, (uint32_t)at),
                                 c->uc_mcontext.gregs[REG_ERR] & 2 ? ACCESS_WRITE : 0) != SHADOW_MAPPED)
        abort();
}

static void touch(guest_la la)
{
    *(volatile uint8_t *)(uintptr_t)split_data(&v->split, la) = 1;
}

/* Write to `used` pages of each window of 16, then drop all. Microseconds per page used. */
static double measure_use(unsigned used)
{
    double figure[RUNS];
    for (unsigned run = 0; run < RUNS; run++) {
        double start = now_us();
        for (unsigned window = 0; window < WINDOWS; window++)
            for (unsigned n = 0; n < used; n++)
                touch((window * 16 + n * (16 / used)) << 12);
        shadow_drop_all(v, v->shadow);
        figure[run] = (now_us() - start) / (WINDOWS * used);
    }
    return best(figure);
}

static void measure_row(const char *what, bool scattered, uint32_t window, uint32_t runs, bool lazily)
{
    open_guest(scattered);
    host = lazily ? HOST_MAPS_LAZILY : HOST_MAPS;
    v->shadow->window = window;
    v->shadow->runs = runs;
    printf("  %-44s", what);
    for (unsigned used = 1; used <= 16; used *= 2)
        printf("%7.2f", measure_use(used));
    printf("\n");
    host = HOST_NONE;
    rig_close();
}

static void measure_host(void)
{
    static uint8_t stack[64 << 10];
    struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    sigaltstack(&(stack_t){ .ss_sp = stack, .ss_size = sizeof(stack) }, NULL);
    sigaction(SIGSEGV, &action, NULL);
    printf("\nwith the host: us per page used, from the fault to being dropped, when so many pages of each\n"
           "16 are used                                      1      2      4      8     16\n");
    measure_row("frames in no order, a page at a time", true, 1, 1, false);
    measure_row("... entered on first use, not when mapped", true, 1, 1, true);
    measure_row("... 2 mappings a fault", true, 16, 2, false);
    measure_row("... 4", true, 16, 4, false);
    measure_row("... 16", true, 16, 16, false);
    measure_row("frames in a row, a page at a time", false, 1, 1, false);
    measure_row("... 16 pages a fault", false, 16, 1, false);
    measure_row("... entered on first use, not when mapped", false, 16, 1, true);
}

int main(void)
{
    measure_logic();
    if (!LOW_MEMORY_TAKEN)
        measure_host();
    return 0;
}
