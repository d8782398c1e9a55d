/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * On which CPU the executor process and its caller run. A hand-over between two CPUs takes an interrupt and
 * often a wake from idle, which inside a virtual machine costs tens of microseconds; on one CPU it is a
 * context switch. Left alone, the host's scheduler wakes the caller on an idle CPU each time, since the
 * executor has its own at that moment; to move the executor there too, as this library once did, has it
 * change its CPU, and leave its caches behind, with every timer tick. So both are kept on one CPU for a
 * while, then both may go for a moment where the scheduler wants them, and are kept there. Library side.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arena.h"

/* Long enough to make a move cheap, short enough for a CPU that someone else wants to be given up soon. */
enum { KEEP_MS = 250, LOOSE_MS = 1, GUESSED_KHZ = 2000000 };

static uint64_t ms_to_ticks(unsigned ms)
{
    uint32_t khz = tsc_khz();
    return (uint64_t)ms * (khz ? khz : GUESSED_KHZ);
}

static void set_both(const struct d86_vm *vm, const uint64_t *cpus)
{
    syscall(SYS_sched_setaffinity, 0, sizeof(vm->placement.own), cpus);
    syscall(SYS_sched_setaffinity, vm->executor, sizeof(vm->placement.own), cpus);
}

/* The caller is not kept at the moment, so where it may run is its own affair. */
static void keep(struct d86_vm *vm)
{
    struct placement *p = &vm->placement;
    uint64_t one[PLACEMENT_WORDS] = { 0 };
    int cpu = sched_getcpu();
    if (cpu < 0 || cpu >= PLACEMENT_WORDS * 64 ||
        syscall(SYS_sched_getaffinity, 0, sizeof(p->own), p->own) < 0)
        return;
    one[cpu / 64] = UINT64_C(1) << cpu % 64;
    set_both(vm, one);
    p->kept = true;
}

void placement_before_run(struct d86_vm *vm)
{
    struct placement *p = &vm->placement;
    uint64_t now = __builtin_ia32_rdtsc();
    bool same = p->thread == (uintptr_t)pthread_self();
    if (same && now < p->until)
        return;
    if (same && p->kept) {
        set_both(vm, p->own);
        p->kept = false;
        p->until = now + ms_to_ticks(LOOSE_MS);
        return;
    }
    p->thread = (uintptr_t)pthread_self();
    p->until = now + ms_to_ticks(KEEP_MS);
    keep(vm);
}

void placement_end(struct d86_vm *vm)
{
    struct placement *p = &vm->placement;
    if (p->kept && p->thread == (uintptr_t)pthread_self())
        syscall(SYS_sched_setaffinity, 0, sizeof(p->own), p->own);
    *p = (struct placement){ .kept = false };
}
