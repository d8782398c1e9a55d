/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Between the two halves of the native side's child process and its assembly entry.
 */
#pragma once

#include <signal.h>
#include <stdint.h>
#include <ucontext.h>

#include "native.h"

/* The child's life: never returns. `memory` is a memfd of (CODE_PAGES + MEM_PAGES) pages. */
_Noreturn void native_child(struct native_ring *ring, int memory);

/* native_entry.S: the signal handler and its restorer in one. */
void native_trap_entry(int sig, siginfo_t *info, void *context);

/*
 * The segment registers the kernel does not put into the frame: stored by native_trap_entry on the way in,
 * loaded on the way out.
 */
struct native_segments {
    uint32_t ds, es, fs, gs;
    uint64_t fs_base, gs_base;
};

extern struct native_segments native_segments __attribute__((visibility("hidden")));

/*
 * Called by native_trap_entry with the kernel's arguments. Returns the EFLAGS bits that the kernel does not
 * restore from the frame: NT and ID.
 */
uint64_t native_trap(int sig, siginfo_t *info, ucontext_t *context);
