/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The executor process: maps the arena and the guest's RAM where the library has them, shuts itself in, and
 * then takes turns with the library, and with others of its kind, running the vCPU. It has no libc, and
 * everything below 4 GiB is the guest's. Executor process.
 */
#include <asm/unistd.h>
#include <linux/auxvec.h>
#include <linux/fcntl.h>
#include <linux/futex.h>
#include <linux/mman.h>

#include "../../library/arena.h"
#include "channel.h"
#include "confine.h"
#include "deadline.h"
#include "executor.h"
#include "host.h"
#include "host_segments.h"
#include "native.h"
#include "pool.h"
#include "space.h"
#include "translated.h"

NORETURN static void quit(int status)
{
    for (;;)
        host_call(__NR_exit_group, status, 0, 0, 0, 0, 0);
}

/* ---- Coming up -------------------------------------------------------------------------------------------
 */

static void map_at(uint64_t at, uint64_t size, int protection, int fd, uint64_t offset)
{
    long result = host_call(__NR_mmap, (long)at, (long)size, protection,
                            MAP_SHARED | MAP_FIXED | MAP_NORESERVE, fd, (long)offset);
    if (result != (long)at)
        quit(CHANNEL_STATUS_MAP);
}

static struct arena *map_everything(uint64_t slot)
{
    uint64_t base = ARENA_BASE + slot * ARENA_SLOT_SIZE;
    map_at(base, sizeof(struct arena), PROT_READ | PROT_WRITE, CHANNEL_FD_ARENA, 0);
    map_at(base + ARENA_TEXT_OFFSET, sizeof(((struct arena *)0)->native_code), PROT_READ | PROT_EXEC,
           CHANNEL_FD_ARENA, offsetof(struct arena, native_code));
    map_at(base + ARENA_TRANSLATED_OFFSET, TRANSLATION_CODE, PROT_READ | PROT_EXEC, CHANNEL_FD_ARENA,
           offsetof(struct arena, translated_code));
    /* The RAM file grows later; pages past its end come into being with it. */
    map_at(base + ARENA_RAM_OFFSET, ARENA_RAM_MAX, PROT_READ | PROT_WRITE, CHANNEL_FD_RAM, 0);
    return (struct arena *)(uintptr_t)base;
}

/*
 * The library holds the other end of a pipe and never writes: when it dies, however it dies, the kernel
 * signals SIGIO, whose default action ends this process.
 */
static void tie_to_library(void)
{
    int pid = host_call_int(__NR_getpid, 0, 0, 0, 0, 0, 0);
    if (host_call_int(__NR_fcntl, CHANNEL_FD_LIFELINE, F_SETOWN, pid, 0, 0, 0) < 0 ||
        host_call_int(__NR_fcntl, CHANNEL_FD_LIFELINE, F_SETFL, FASYNC | O_NONBLOCK, 0, 0, 0) < 0)
        quit(CHANNEL_STATUS_SIGNALS);
    /* It may have died before this took effect: then there is end-of-file already. */
    char byte;
    if (host_call(__NR_read, CHANNEL_FD_LIFELINE, (long)&byte, 1, 0, 0, 0) == 0)
        quit(0);
}

/* ---- Native code ----------------------------------------------------------------------------------------
 */

static void start_error(struct channel *c, const char *text)
{
    unsigned i;
    for (i = 0; text[i] && i < sizeof(c->start_error) - 1; i++)
        c->start_error[i] = text[i];
    c->start_error[i] = 0;
}

/* SDM 3A, "FS and GS": WRFSBASE where the kernel allows it; AT_HWCAP2 of the auxiliary vector says so. */
static bool host_sets_bases(const uint64_t *stack)
{
    const uint64_t *p = stack + 1 + stack[0] + 1; /* past argc, argv and its NULL */
    while (*p)
        p++;
    for (p++; p[0] != AT_NULL; p += 2) {
        if (p[0] == AT_HWCAP2)
            return p[1] & 2; /* HWCAP2_FSGSBASE */
    }
    return false;
}

/*
 * The first process chooses, and the others have to find the same: what is made by one is used by all. Keys
 * are handed out in order, so they agree.
 */
static void choose_split(struct vcpu *v, const struct channel *c, uint32_t self, const char **why)
{
    const struct split first = v->split;
    if (!split_choose(v, self ? first.provider : c->split_wanted, c->simulate_keys, why) || !self)
        return;
    if (v->split.provider != first.provider || v->split.data_base != first.data_base ||
        v->split.data_limit != first.data_limit || v->split.doors != first.doors ||
        v->split.code_key_used != first.code_key_used || v->split.code_key != first.code_key)
        *why = "its processes do not find the same on this host";
}

/* What the engine sbe needs of the host; leaves the reason in the channel where it is lacking. */
static void prepare_native(struct arena *arena, const uint64_t *stack, uint32_t self)
{
    struct channel *c = &arena->channel;
    struct vcpu *v = &arena->vcpu;
    const char *why = NULL;
    member_act_as(v, self);
    if (!host_sets_bases(stack))
        why = "this host's kernel does not let programs set FS and GS bases (Linux 5.9 does, see nofsgsbase)";
    else if (native_init(&c->native) < 0)
        why = "this host gives no signal stack";
    else if (host_segments_unguarded())
        why = "this host shows programs a 64-bit code segment the scanner does not know";
    else
        choose_split(v, c, self, &why);
    if (!why && v->translated.enabled && translated_init(v) < 0)
        why = "this host does not let a process protect a page of its stack";
    if (why)
        start_error(c, why);
    member_act_as(v, 0);
}

/* ---- Taking turns
 * ------------------------------------------------------------------------------------------ */

/* To the library, or to one of the executor's processes. */
static void give_turn(struct channel *c, uint32_t to)
{
    uint32_t *sleeps =
        to == CHANNEL_LIBRARY ? &c->library_sleeps : &c->executor_sleeps[to - CHANNEL_EXECUTOR];
    __atomic_store_n(&c->turn, to, __ATOMIC_SEQ_CST);
    if (!__atomic_load_n(sleeps, __ATOMIC_SEQ_CST))
        return;
    if (to == CHANNEL_LIBRARY) {
        host_call(__NR_futex, (long)&c->turn, FUTEX_WAKE, 1, 0, 0, 0);
    } else {
        __atomic_store_n(sleeps, 0, __ATOMIC_SEQ_CST);
        host_call(__NR_futex, (long)sleeps, FUTEX_WAKE, 1, 0, 0, 0);
    }
}

static bool has_turn(const struct channel *c, uint32_t self)
{
    return __atomic_load_n(&c->turn, __ATOMIC_SEQ_CST) == CHANNEL_EXECUTOR + self;
}

/* When to look and when to sleep is for the library to say (library/handover.c). */
static bool look(const struct channel *c, uint32_t self)
{
    uint64_t since = host_ticks(), ticks = c->look;
    /* Another process of the executor's has the CPU that this one would look from. */
    bool alone = __atomic_load_n(&c->turn, __ATOMIC_SEQ_CST) == CHANNEL_LIBRARY;
    do {
        if (has_turn(c, self))
            return true;
        __builtin_ia32_pause();
    } while (alone && host_ticks() - since < ticks);
    return false;
}

static void await_turn(struct channel *c, uint32_t self)
{
    uint32_t *sleeps = &c->executor_sleeps[self];
    if (look(c, self))
        return;
    for (;;) {
        __atomic_store_n(sleeps, 1, __ATOMIC_SEQ_CST);
        if (has_turn(c, self))
            break;
        host_call(__NR_futex, (long)sleeps, FUTEX_WAIT, 1, 0, 0, 0);
    }
    __atomic_store_n(sleeps, 0, __ATOMIC_SEQ_CST);
}

static void subvert(struct arena *arena)
{
    unsigned what = arena->channel.subvert;
    arena->channel.subvert = CHANNEL_LOYAL;
    confine_subvert(arena, what);
}

static void take_turn(struct arena *arena, uint32_t self)
{
    struct channel *c = &arena->channel;
    if (arena->executors.moving) {
        exec_go_on(&arena->vcpu, self);
        return;
    }
    if (unlikely(c->subvert == CHANNEL_LIE))
        return;
    if (unlikely(c->subvert))
        subvert(arena);
    exec_take_changes(&arena->vcpu, c);
    exec_run(&arena->vcpu);
}

NORETURN void executor_main(const uint64_t *stack);

/*
 * stack: as the kernel lays it out: argc, argv[]. argv[1] is two characters, the slot and which of the
 * executor's processes this is.
 */
void executor_main(const uint64_t *stack)
{
    const char *argument = (const char *)(uintptr_t)stack[2];
    struct arena *arena = map_everything((uint64_t)(argument[0] - '0'));
    uint32_t self = (uint32_t)(argument[1] - '0');
    struct channel *c = &arena->channel;
    bool native = arena->vcpu.engine != D86_ENGINE_INTERP;
    space_init(self);
    tie_to_library();
    if (native) {
        prepare_native(arena, stack, self);
    } else {
        host_call(__NR_close, CHANNEL_FD_ARENA, 0, 0, 0, 0, 0);
        host_call(__NR_close, CHANNEL_FD_RAM, 0, 0, 0, 0, 0);
    }
    if (native_handle(DEADLINE_SIGNAL) < 0 || deadline_init(&arena->vcpu) < 0)
        quit(CHANNEL_STATUS_SIGNALS);
    if (confine(native, arena->vcpu.split.primed) < 0)
        quit(CHANNEL_STATUS_SECCOMP);
    give_turn(c, CHANNEL_LIBRARY);
    for (;;) {
        await_turn(c, self);
        take_turn(arena, self);
        give_turn(c, arena->executors.moving ? CHANNEL_EXECUTOR + arena->executors.current : CHANNEL_LIBRARY);
    }
}
