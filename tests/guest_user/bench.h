/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The benchmark's tests that have the kernel in them (bench_kernel.c): each does its operation so many times
 * and returns something to be looked at.
 */
#pragma once

#include "user.h"

uint32_t bench_null_interrupt(uint32_t count); /* getppid by int 80h */
uint32_t bench_null_vdso(uint32_t count);      /* ... as the kernel recommends */
uint32_t bench_clock(uint32_t count);          /* clock_gettime, as a system call */
uint32_t bench_undefined(uint32_t count);      /* a signal for UD2 */
uint32_t bench_signal(uint32_t count);         /* ... that the program sends itself */
uint32_t bench_segv(uint32_t count);           /* ... for an access to nothing */
uint32_t bench_page_faults(uint32_t count);    /* first touches of 64 pages mapped at once */
uint32_t bench_map_touch(uint32_t count);      /* a page mapped, touched, unmapped */
uint32_t bench_copy_on_write(uint32_t count);  /* first writes to 64 pages of a private mapping of a file */
uint32_t bench_file(uint32_t count);           /* 512 bytes written to a file, and read again */
uint32_t bench_ping_pong(uint32_t count);      /* a byte by a pipe to another process, and one back */
uint32_t bench_fork(uint32_t count);           /* fork, exit, wait */
uint32_t bench_exec(uint32_t count);           /* ... with this program executed anew between */

/* What the child of bench_exec() is given as its first argument, to end at once. */
#define BENCH_NOTHING "nothing"
