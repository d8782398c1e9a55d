/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How the caller and the executor process hand the vCPU to each other. Usually both are on one CPU, and who
 * waits sleeps: that costs an idle guest least, and an exit two switches of processes, some 5 us. While exits
 * come one upon the other, each gets a CPU of its own, and who waits looks at the turn, for a while, before
 * it sleeps: then an exit is a fraction of a microsecond. Library side; the other half is in
 * executor/process/main.c.
 */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "arena.h"

/*
 * Exits are counted in windows. With many in one, half the time goes into switches at least; with few of them
 * there is not enough to save, and what the other CPU does meanwhile is to look. Few they are, too, or
 * looking is in vain too often, if somebody else wants the CPU: then each hand-over waits for the scheduler.
 * So a stay that was short was not worth it, whatever ended it, and the next has to wait, each time longer.
 */
enum {
    WINDOW_US = 1000,
    MANY = 64,
    FEW = 24,
    LOOK_US = 20,
    IN_VAIN_MAX = 8, /* in a window */
    SHORT_US = 100000,
    WAIT_MIN_MS = 20,
    WAIT_MAX_MS = 2000,
};

static uint64_t us_to_ticks(uint64_t us)
{
    uint32_t khz = tsc_khz();
    return us * (khz ? khz : TSC_GUESSED_KHZ) / 1000;
}

static void set_apart(struct d86_vm *vm, bool apart)
{
    struct handover *h = &vm->handover;
    h->apart = apart && placement_set_apart(vm, true);
    if (!h->apart)
        placement_set_apart(vm, false);
    h->look = h->apart ? us_to_ticks(LOOK_US) : 0;
    vm->arena->channel.look = h->look;
}

static uint32_t next_wait_ms(uint32_t last)
{
    return last < WAIT_MIN_MS ? WAIT_MIN_MS : last >= WAIT_MAX_MS / 2 ? WAIT_MAX_MS : last * 2;
}

static void end_stay(struct d86_vm *vm, uint64_t now)
{
    struct handover *h = &vm->handover;
    h->wait_ms = now - h->since < us_to_ticks(SHORT_US) ? next_wait_ms(h->wait_ms) : 0;
    h->not_before = now + us_to_ticks(h->wait_ms * UINT64_C(1000));
    set_apart(vm, false);
}

/* A window is over: are the two where they ought to be? */
static void judge(struct d86_vm *vm, uint64_t now)
{
    struct handover *h = &vm->handover;
    uint64_t windows = (now - h->window) / us_to_ticks(WINDOW_US);
    uint64_t exits = h->exits / windows;
    if (h->apart && (exits < FEW || h->in_vain > IN_VAIN_MAX)) {
        end_stay(vm, now);
    } else if (!h->apart && exits >= MANY && now >= h->not_before) {
        h->since = now;
        set_apart(vm, true);
    }
    h->window = now;
    h->exits = h->in_vain = 0;
}

void handover_before_run(struct d86_vm *vm)
{
    struct handover *h = &vm->handover;
    uint64_t now = __builtin_ia32_rdtsc();
    h->exits++;
    if (now - h->window >= us_to_ticks(WINDOW_US))
        judge(vm, now);
    placement_before_run(vm);
}

void handover_end(struct d86_vm *vm)
{
    placement_end(vm);
    vm->handover = (struct handover){ .apart = false };
    vm->arena->channel.look = 0;
}

void handover_give(struct d86_vm *vm)
{
    struct channel *c = &vm->arena->channel;
    uint32_t to = __atomic_load_n(&vm->arena->executors.current, __ATOMIC_RELAXED);
    if (to >= vm->executor_count)
        to = 0; /* the arena may say what it likes */
    __atomic_store_n(&c->turn, CHANNEL_EXECUTOR + to, __ATOMIC_SEQ_CST);
    if (!__atomic_load_n(&c->executor_sleeps[to], __ATOMIC_SEQ_CST))
        return;
    __atomic_store_n(&c->executor_sleeps[to], 0, __ATOMIC_SEQ_CST);
    syscall(SYS_futex, &c->executor_sleeps[to], FUTEX_WAKE, 1, NULL, NULL, 0);
}

static bool has_turn(const struct channel *c)
{
    return __atomic_load_n(&c->turn, __ATOMIC_SEQ_CST) == CHANNEL_LIBRARY;
}

bool handover_look(struct d86_vm *vm)
{
    const struct channel *c = &vm->arena->channel;
    uint64_t since = __builtin_ia32_rdtsc();
    do {
        if (has_turn(c))
            return true;
        __builtin_ia32_pause();
    } while (__builtin_ia32_rdtsc() - since < vm->handover.look);
    vm->handover.in_vain++;
    return false;
}

bool handover_sleep(struct d86_vm *vm, long ns)
{
    struct channel *c = &vm->arena->channel;
    const struct timespec patience = { .tv_nsec = ns };
    uint32_t turn;
    __atomic_store_n(&c->library_sleeps, 1, __ATOMIC_SEQ_CST);
    turn = __atomic_load_n(&c->turn, __ATOMIC_SEQ_CST);
    if (turn != CHANNEL_LIBRARY)
        syscall(SYS_futex, &c->turn, FUTEX_WAIT, turn, &patience, NULL, 0);
    __atomic_store_n(&c->library_sleeps, 0, __ATOMIC_SEQ_CST);
    return has_turn(c);
}
