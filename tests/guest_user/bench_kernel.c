/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The benchmark's tests of what a kernel does for programs: system calls, signals, faults, processes. Without
 * a C library, so that nothing but the kernel and its border is in them.
 */
#include "bench.h"

/* ---- System calls ---- */

uint32_t bench_null_interrupt(uint32_t count)
{
    uint32_t sum = 0;
    while (count--)
        sum += (uint32_t)linux_call(NR_GETPPID);
    return sum;
}

uint32_t bench_null_vdso(uint32_t count)
{
    uint32_t sum = 0;
    while (count--)
        sum += (uint32_t)linux_call_vdso(NR_GETPPID);
    return sum;
}

uint32_t bench_clock(uint32_t count)
{
    uint32_t sum = 0;
    while (count--)
        sum += (uint32_t)now();
    return sum;
}

uint32_t bench_file(uint32_t count)
{
    static uint8_t buffer[512];
    static int file;
    if (!file)
        file = shared_object(PAGE);
    while (count--) {
        linux_call(NR_PWRITE64, file, buffer, sizeof(buffer), 0, 0);
        linux_call(NR_PREAD64, file, buffer, sizeof(buffer), 0, 0);
    }
    return buffer[5];
}

/* ---- Signals ---- */

static void on_signal(int sig, struct signal_info *info, struct signal_context *c)
{
    (void)info;
    if (sig != SIG_USR1)
        c->eip += 2; /* UD2, and the access of bench_segv() */
}

uint32_t bench_undefined(uint32_t count)
{
    set_handler(SIG_ILL, on_signal, SA_THIS_STACK);
    while (count--)
        __asm__ volatile("ud2");
    return 0;
}

uint32_t bench_signal(uint32_t count)
{
    long self = linux_call(NR_GETPID);
    set_handler(SIG_USR1, on_signal, SA_THIS_STACK);
    while (count--)
        linux_call(NR_KILL, self, SIG_USR1);
    return 0;
}

uint32_t bench_segv(uint32_t count)
{
    const uint32_t *nothing = map_memory(NULL, PAGE, PROT_RW);
    linux_call(NR_MUNMAP, nothing, PAGE);
    set_handler(SIG_SEGV, on_signal, SA_THIS_STACK);
    while (count--)
        __asm__ volatile(".byte 0x8b, 0x00" : : "a"(nothing) : "memory"); /* mov eax, [eax] */
    return 0;
}

/* ---- Pages ---- */

enum { PAGES = 64, NO_HUGE_PAGE = 15 /* MADV_NOHUGEPAGE */ };

uint32_t bench_page_faults(uint32_t count)
{
    while (count--) {
        uint8_t *pages = map_memory(NULL, PAGES * PAGE, PROT_RW);
        linux_call(NR_MADVISE, pages, PAGES * PAGE, NO_HUGE_PAGE);
        for (unsigned i = 0; i < PAGES; i++)
            pages[i * PAGE] = 1;
        linux_call(NR_MUNMAP, pages, PAGES * PAGE);
    }
    return 0;
}

uint32_t bench_map_touch(uint32_t count)
{
    while (count--) {
        uint8_t *page = map_memory(NULL, PAGE, PROT_RW);
        *page = 1;
        linux_call(NR_MUNMAP, page, PAGE);
    }
    return 0;
}

/* Each page has been read, so what is left for the write is the copy. */
uint32_t bench_copy_on_write(uint32_t count)
{
    static int file;
    uint32_t sum = 0;
    if (!file)
        file = shared_object(PAGES * PAGE);
    while (count--) {
        uint8_t *pages = (uint8_t *)linux_call(NR_MMAP2, NULL, PAGES * PAGE, PROT_RW, MAP_PRIVATE, file, 0);
        for (unsigned i = 0; i < PAGES; i++)
            sum += pages[i * PAGE];
        for (unsigned i = 0; i < PAGES; i++)
            pages[i * PAGE] = 1;
        linux_call(NR_MUNMAP, pages, PAGES * PAGE);
    }
    return sum;
}

/* ---- Processes ---- */

static int echo(void *argument)
{
    const int *ends = argument;
    uint8_t byte;
    linux_call(NR_CLOSE, ends[1]); /* so that the end of the parent is the end of the file */
    linux_call(NR_CLOSE, ends[2]);
    while (linux_call(NR_READ, ends[0], &byte, 1) == 1 && byte)
        linux_call(NR_WRITE, ends[3], &byte, 1);
    return 0;
}

uint32_t bench_ping_pong(uint32_t count)
{
    static int ends[4];
    static bool started;
    uint8_t byte = 1;
    if (!started) {
        started = true;
        linux_call(NR_PIPE, ends);
        linux_call(NR_PIPE, ends + 2);
        start_child(echo, ends);
    }
    while (count--) {
        linux_call(NR_WRITE, ends[1], &byte, 1);
        linux_call(NR_READ, ends[2], &byte, 1);
    }
    return byte;
}

static int nothing(void *argument)
{
    (void)argument;
    return 0;
}

uint32_t bench_fork(uint32_t count)
{
    uint32_t wrong = 0;
    while (count--)
        wrong += (uint32_t)wait_child(start_child(nothing, NULL));
    return wrong;
}

static int execute(void *argument)
{
    static char path[] = "/proc/self/exe", nothing[] = BENCH_NOTHING;
    char *arguments[] = { path, nothing, NULL };
    (void)argument;
    return (int)linux_call(NR_EXECVE, path, arguments, arguments + 2);
}

uint32_t bench_exec(uint32_t count)
{
    uint32_t wrong = 0;
    while (count--)
        wrong += (uint32_t)wait_child(start_child(execute, NULL));
    return wrong;
}
