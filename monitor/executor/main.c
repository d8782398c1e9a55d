/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The executor process: maps the arena and the guest's RAM where the library has them, shuts itself in, and
 * then takes turns with the library running the vCPU. It has no libc, owns nothing below 4 GiB yet, and
 * after host_confine() can make three system calls. Executor side.
 */
#include <asm/unistd.h>
#include <linux/audit.h>
#include <linux/fcntl.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>

#include "../library/arena.h"
#include "channel.h"
#include "executor.h"
#include "host.h"

/* Start of the image's text and its end: executor.lds order, from the linker. */
extern const char __executable_start[], etext[];

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
    /* The RAM file grows later; pages past its end come into being with it. */
    map_at(base + ARENA_RAM_OFFSET, ARENA_RAM_MAX, PROT_READ | PROT_WRITE, CHANNEL_FD_RAM, 0);
    host_call(__NR_close, CHANNEL_FD_ARENA, 0, 0, 0, 0, 0);
    host_call(__NR_close, CHANNEL_FD_RAM, 0, 0, 0, 0, 0);
    return (struct arena *)(uintptr_t)base;
}

/*
 * The library holds the other end of a pipe and never writes: when it dies, however it dies, the kernel
 * signals SIGIO, whose default action ends this process.
 */
static void tie_to_library(void)
{
    long pid = host_call(__NR_getpid, 0, 0, 0, 0, 0, 0);
    if (host_call(__NR_fcntl, CHANNEL_FD_LIFELINE, F_SETOWN, pid, 0, 0, 0) < 0 ||
        host_call(__NR_fcntl, CHANNEL_FD_LIFELINE, F_SETFL, FASYNC | O_NONBLOCK, 0, 0, 0) < 0)
        quit(CHANNEL_STATUS_SIGNALS);
    /* It may have died before this took effect: then there is end-of-file already. */
    char byte;
    if (host_call(__NR_read, CHANNEL_FD_LIFELINE, (long)&byte, 1, 0, 0, 0) == 0)
        quit(0);
}

/*
 * Allow what taking turns needs, from this image's own text; anything else ends the process. Addresses are
 * compared by their upper halves (the image is smaller than 4 GiB and does not cross such a boundary) and
 * then by the lower ones.
 */
static void confine(void)
{
    uint64_t start = (uint64_t)(uintptr_t)__executable_start, end = (uint64_t)(uintptr_t)etext;
    const struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 8),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer) + 4),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(start >> 32), 0, 6),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer)),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (uint32_t)start, 0, 4),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (uint32_t)end, 3, 0),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_futex, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_exit_group, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]),
                                        (struct sock_filter *)(uintptr_t)filter };
    if (host_call(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0) < 0 ||
        host_call(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, (long)&program, 0, 0, 0) < 0)
        quit(CHANNEL_STATUS_SECCOMP);
}

/* ---- Taking turns
 * ------------------------------------------------------------------------------------------ */

static void give_turn(struct channel *c, enum channel_turn to)
{
    __atomic_store_n(&c->turn, to, __ATOMIC_SEQ_CST);
    host_call(__NR_futex, (long)&c->turn, FUTEX_WAKE, 1, 0, 0, 0);
}

/*
 * No polling: both sides share a CPU (carrier.c says why), where it would only keep the other one from its
 * turn.
 */
static void await_turn(struct channel *c)
{
    while (__atomic_load_n(&c->turn, __ATOMIC_SEQ_CST) != CHANNEL_EXECUTOR)
        host_call(__NR_futex, (long)&c->turn, FUTEX_WAIT, CHANNEL_LIBRARY, 0, 0, 0);
}

NORETURN void executor_main(const uint64_t *stack);

/* stack: as the kernel lays it out: argc, argv[]. argv[1] is one character, the slot. */
void executor_main(const uint64_t *stack)
{
    const char *slot = (const char *)(uintptr_t)stack[2];
    struct arena *arena = map_everything((uint64_t)(slot[0] - '0'));
    tie_to_library();
    confine();
    give_turn(&arena->channel, CHANNEL_LIBRARY);
    for (;;) {
        await_turn(&arena->channel);
        exec_take_writes(&arena->vcpu, &arena->channel);
        exec_run(&arena->vcpu);
        give_turn(&arena->channel, CHANNEL_LIBRARY);
    }
}
