/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a shadow fill costs: a guest program, running natively under the engine sbe with paging on, reads one
 * word of each of many pages, first while none of them is mapped, then again. Each fill takes the host a
 * signal, a mapping and a page fault; a loop in this process that does nothing else is the measure for it, in
 * turn with the guest. Usage: fill_bench [PAGES]
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "../unit/sbe_guest.h"

enum {
    PAGE = 4096,
    PAGES_MAX = 4096,
    SPACING = 16, /* pages: none has a neighbour that could come with it */
    DIRECTORY = 0x1000,
    TABLES = 0x100000, /* for DATA and what follows; the first is for the program */
    DATA = 0x10000000,
    RAM = 64 << 20, /* the pages lie in it in no order */
    RAM_PA = 1 << 20,
    ROUNDS = 9,
    PRESENT = 7, /* P, W, U */
    ACCESSED = 0x20,
};

static unsigned pages = 2000;

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* The frame of page n: all over the memory. */
static unsigned frame_of(unsigned n)
{
    return 0x800 + n * 2741u % (RAM / PAGE - 0x800);
}

/* ---- The host alone ------------------------------------------------------------------------------------ */

static int file;
static uint8_t *place;

static void map_there(int number, siginfo_t *info, void *context)
{
    (void)number, (void)context;
    uintptr_t page = (uintptr_t)info->si_addr & ~(uintptr_t)(PAGE - 1);
    unsigned n = (unsigned)((page - (uintptr_t)place) / (SPACING * PAGE));
    if (mmap((void *)page, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_POPULATE, file,
             (off_t)frame_of(n) * PAGE) == MAP_FAILED)
        _exit(1);
}

static double touch(void)
{
    double start = now_us();
    for (unsigned n = 0; n < pages; n++)
        (void)*(volatile uint8_t *)(place + (size_t)n * SPACING * PAGE);
    return (now_us() - start) / pages;
}

static void open_host(void)
{
    struct sigaction action = { .sa_sigaction = map_there, .sa_flags = SA_SIGINFO };
    sigaction(SIGSEGV, &action, NULL);
    file = memfd_create("fill_bench", MFD_CLOEXEC);
    sbe_guest_require(file >= 0 && ftruncate(file, RAM) == 0, "a memory file");
    uint8_t *all = mmap(NULL, RAM, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    sbe_guest_require(all != MAP_FAILED, "memory");
    memset(all, 1, RAM);
    munmap(all, RAM);
    /* A hole, as the guest has: nothing there has to be replaced. */
    place = mmap(NULL, (size_t)pages * SPACING * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                 -1, 0);
    sbe_guest_require(place != MAP_FAILED, "address space");
    munmap(place, (size_t)pages * SPACING * PAGE);
}

static double fill_on_host(double *again)
{
    double first = touch();
    *again = touch();
    munmap(place, (size_t)pages * SPACING * PAGE);
    return first;
}

/* ---- The guest ----------------------------------------------------------------------------------------- */

static struct sbe_guest guest;

static void write32(uint64_t pa, uint32_t value)
{
    sbe_guest_require(d86_vm_write(guest.vm, pa, &value, sizeof(value)) == 0, "a guest table");
}

/* The program's tables: its own first 4 MiB as they are, and the pages. */
static void write_tables(void)
{
    write32(DIRECTORY, TABLES | PRESENT);
    for (uint32_t n = 0; n < 1024; n++)
        write32(TABLES + n * 4, n << 12 | PRESENT | ACCESSED);
    for (uint32_t n = 0; n <= pages * SPACING / 1024; n++)
        write32(DIRECTORY + (DATA >> 22 << 2) + n * 4, (TABLES + (n + 1) * PAGE) | PRESENT);
    for (uint32_t n = 0; n < pages; n++)
        write32(TABLES + PAGE + n * SPACING * 4, frame_of(n) << 12 | PRESENT);
}

/* What drops every mapping: paging off and on, as far as the library can tell. */
static void forget(void)
{
    struct d86_sregs s;
    d86_vcpu_get_sregs(guest.cpu, &s);
    s.cr0 &= ~0x80000000u;
    sbe_guest_require(d86_vcpu_set_sregs(guest.cpu, &s) == 0, "control registers");
    s.cr0 |= 0x80000000u;
    s.cr3 = DIRECTORY;
    sbe_guest_require(d86_vcpu_set_sregs(guest.cpu, &s) == 0, "control registers");
}

/* Time from one OUT of the program to the next. */
static double run(void)
{
    double start = now_us();
    sbe_guest_require(d86_vcpu_run(guest.cpu) == 0 && guest.exit->reason == D86_EXIT_IO,
                      guest.exit->error.text);
    return (now_us() - start) / pages;
}

static bool open_guest(void)
{
    const struct d86_vcpu_config config = { .engine = D86_ENGINE_SBE, .eager = true };
    /* S: MOV ECX, pages; MOV EBX, DATA; OUT 80, AL; L: MOV EAX, [EBX]; ADD EBX, SPACING * PAGE; LOOP L; JMP S
     */
    uint8_t code[] = { 0xb9, 0,    0,    0,    0, 0xbb, 0, 0, 0,    0,    0xe6, 0x80,
                       0x8b, 0x03, 0x81, 0xc3, 0, 0,    0, 0, 0xe2, 0xf6, 0xeb, 0xe8 };
    const uint32_t data = DATA, step = SPACING * PAGE, count = pages;
    memcpy(code + 1, &count, 4);
    memcpy(code + 6, &data, 4);
    memcpy(code + 16, &step, 4);
    if (!sbe_guest_open(&guest, &config, code, sizeof(code)))
        return false;
    sbe_guest_require(d86_vm_add_ram(guest.vm, RAM_PA, RAM - RAM_PA) == 0, "memory");
    static uint8_t ones[1 << 20];
    memset(ones, 1, sizeof(ones));
    for (uint64_t pa = RAM_PA; pa < RAM; pa += sizeof(ones))
        sbe_guest_require(d86_vm_write(guest.vm, pa, ones, sizeof(ones)) == 0, "memory");
    return true;
}

/* The first pass must fault at each page, the second at none. */
static double fill_in_guest(double *again)
{
    write_tables();
    forget();
    (void)run();
    uint64_t before = sbe_guest_counter(&guest, "shadow_fills");
    double first = run();
    uint64_t filled = sbe_guest_counter(&guest, "shadow_fills") - before;
    *again = run();
    if (filled < pages || sbe_guest_counter(&guest, "shadow_fills") - before != filled) {
        fprintf(stderr, "%llu fills for %u pages\n", (unsigned long long)filled, pages);
        exit(1);
    }
    return first;
}

/* ---- Both ---------------------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static double median(double *values)
{
    qsort(values, ROUNDS, sizeof(values[0]), compare);
    return values[ROUNDS / 2];
}

int main(int argc, char **argv)
{
    double host[ROUNDS], fill[ROUNDS], ratio[ROUNDS], mapped[ROUNDS], host_mapped[ROUNDS];
    pages = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : pages;
    sbe_guest_require(pages > 0 && pages <= PAGES_MAX, "usage: fill_bench [PAGES], at most 4096");
    if (!open_guest())
        return 0;
    open_host();
    for (unsigned i = 0; i < ROUNDS; i++) {
        host[i] = fill_on_host(&host_mapped[i]);
        fill[i] = fill_in_guest(&mapped[i]);
        ratio[i] = fill[i] / host[i];
    }
    printf("us, median of %d rounds of %u pages, each by itself\n", ROUNDS, pages);
    printf("  a signal, a mapping and a page fault on the host    %6.2f\n", median(host));
    printf("  a shadow fill, all told                             %6.2f, %.2f times that\n", median(fill),
           median(ratio));
    printf("  a page that is mapped: in the guest, on the host    %6.4f, %.4f\n", median(mapped),
           median(host_mapped));
    sbe_guest_close(&guest);
    return 0;
}
