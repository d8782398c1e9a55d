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
enum { KEEP_MS = 250, LOOSE_MS = 1 };

static uint64_t ms_to_ticks(unsigned ms)
{
    uint32_t khz = tsc_khz();
    return (uint64_t)ms * (khz ? khz : TSC_GUESSED_KHZ);
}

static bool set_executor(const struct d86_vm *vm, const uint64_t *cpus)
{
    bool set = true;
    for (unsigned i = 0; i < vm->executor_count; i++)
        set &= syscall(SYS_sched_setaffinity, vm->executor[i].pid, sizeof(vm->placement.own), cpus) == 0;
    return set;
}

static void set_both(const struct d86_vm *vm, const uint64_t *cpus)
{
    syscall(SYS_sched_setaffinity, 0, sizeof(vm->placement.own), cpus);
    set_executor(vm, cpus);
}

/* The caller stays on the CPU it is on, and the executor there too, or (`apart`) anywhere else. */
static void keep(struct d86_vm *vm)
{
    struct placement *p = &vm->placement;
    uint64_t one[PLACEMENT_WORDS] = { 0 }, others[PLACEMENT_WORDS];
    int cpu = sched_getcpu();
    if (cpu < 0 || cpu >= PLACEMENT_WORDS * 64)
        return;
    /* Where a caller that is not kept may run is its own affair. */
    if (!p->kept && syscall(SYS_sched_getaffinity, 0, sizeof(p->own), p->own) < 0)
        return;
    one[cpu / 64] = UINT64_C(1) << cpu % 64;
    for (unsigned i = 0; i < PLACEMENT_WORDS; i++)
        others[i] = p->own[i] & ~one[i];
    set_both(vm, one);
    /* No other CPU: the kernel refuses a set without one. */
    p->apart = p->apart && set_executor(vm, others);
    p->kept = true;
}

bool placement_set_apart(struct d86_vm *vm, bool apart)
{
    struct placement *p = &vm->placement;
    if (p->apart != apart) {
        p->apart = apart;
        keep(vm);
    }
    return p->apart == apart;
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
