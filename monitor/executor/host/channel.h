/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How the library and the executor process take turns. The vCPU belongs to one of them at a time; `turn`
 * says to whom, and is the futex the other one sleeps on. The library writes here and to the vCPU; what it
 * reads it does not believe (library/mirror.c, library/exit_record.c). Both sides.
 */
#pragma once

#include <stdint.h>

#include "cpu.h"

enum channel_turn {
    CHANNEL_STARTING, /* the executor has not come up yet */
    CHANNEL_LIBRARY,  /* stopped: the library may read and write everything */
    CHANNEL_EXECUTOR, /* run: only `pending` may be touched from outside; + n: the executor's process n */
};

/*
 * Files the executor process is born with; everything else is closed. The first two stay open for mapping
 * them below 4 GiB; one that will not do that closes them.
 */
enum { CHANNEL_FD_ARENA = 3, CHANNEL_FD_RAM = 4, CHANNEL_FD_LIFELINE = 5 };
/* And one that it opens itself, for the split `tlb` alone: the ring-0 helper's device. */
enum { CHANNEL_FD_TLB = 6 };

/* Exit statuses of an executor that could not come up. */
enum { CHANNEL_STATUS_MAP = 65, CHANNEL_STATUS_SIGNALS = 66, CHANNEL_STATUS_SECCOMP = 67 };

/* Code written by the library (DMA): what the executor must drop before it runs. */
struct channel_write {
    uint64_t frame;
    uint16_t offset, size;
};

enum { CHANNEL_WRITES_MAX = 1024 }; /* pages that a disk fills in a few transfers, and some more */

/* What the library changed besides: the executor brings up to date what is made from it before it runs. */
enum channel_change {
    CHANNEL_MODE = 1 << 0,         /* registers */
    CHANNEL_TRANSLATIONS = 1 << 1, /* what linear addresses mean: control registers, the memory map */
    CHANNEL_A20 = 1 << 2,          /* ... A20 alone: what was made from memory that stays where it was is right */
};

/*
 * What an executor does at its next turn, when a test wants to see the confinement hold: something nobody
 * allows it, from its own text and by raw system calls, as code that took it over would. It ought to die of
 * SIGSYS; if it survives, it runs the guest as if nothing had happened.
 */
enum channel_subversion {
    CHANNEL_LOYAL,
    CHANNEL_OPEN_FILE,     /* openat("/etc/passwd") */
    CHANNEL_SOCKET,        /* socket(AF_INET, SOCK_STREAM) */
    CHANNEL_EXECVE,        /* execve("/bin/true") */
    CHANNEL_FORK,          /* clone(SIGCHLD) */
    CHANNEL_KILL,          /* kill(parent, 0) */
    CHANNEL_PTRACE,        /* ptrace(PTRACE_ATTACH, parent) */
    CHANNEL_READ_PROCESS,  /* process_vm_readv(parent) */
    CHANNEL_MEMFD,         /* memfd_create("x") */
    CHANNEL_READ_LIFELINE, /* read(CHANNEL_FD_LIFELINE) */
    CHANNEL_INT80,         /* getpid() by INT 80h, the 32-bit way in */
    CHANNEL_FOREIGN_TEXT,  /* futex(), which is allowed, by an instruction in the arena's executable part */
    CHANNEL_LIE, /* none of these, and not taken back: it runs nothing, and has the library believe what the
                    test has put into the arena */
};

struct vcpu;

struct channel {
    /*
     * enum channel_turn. With an engine that runs natively or translates, to set vcpu.pending is not enough
     * while it is the executor's: it needs CHANNEL_KICK_SIGNAL too. Who kicks sets `pending` and then looks
     * at this; the executor sees this change and then looks at `pending`; all sequentially consistent, so one
     * of them sees the other.
     */
    uint32_t turn;
    /*
     * Who waits sets its own and then looks at `turn` once more before it sleeps; who gives the turn sets
     * that and then looks whether it has to wake somebody. All sequentially consistent. The library sleeps on
     * `turn`, an executor process on its own word, which is taken back to wake it.
     */
    uint32_t library_sleeps, executor_sleeps[EXECUTORS_MAX]; /* executors sleep on the latter */
    uint64_t look; /* by the library: for how many ticks the executor looks at `turn` before it sleeps */

    /* By the library before the start: enum d86_split, and whether to do as if there were keys. The engine is
     * the vCPU's. */
    uint32_t split_wanted;
    uint32_t simulate_keys;
    /*
     * By the executor before its first turn: why the engine or the split cannot be used here, one sentence
     * without a full stop; "" if it can, and then the vCPU's `split` says which was chosen. With an engine
     * that never runs natively both are left alone.
     */
    char start_error[160];
    uint32_t native;  /* 1 while the executor is in native code: for who has to report that it died there */
    uint32_t subvert; /* enum channel_subversion; by tests, taken back by the executor */

    uint32_t changed;     /* CHANNEL_MODE and so on, by the library; taken back by the executor */
    uint32_t write_count; /* over CHANNEL_WRITES_MAX: too many to keep, drop everything */
    struct channel_write write[CHANNEL_WRITES_MAX];
};

/* SIGUSR1. It may arrive where nothing has to be ended: then it says nothing. */
enum { CHANNEL_KICK_SIGNAL = 10 };

/* exec.c. Run the vCPU until an exit; its exit record is filled in. */
void exec_run(struct vcpu *v);
/*
 * exec.c. The same, in the middle of a run which another executor process began: this one, `member`, has the
 * turn now.
 */
void exec_go_on(struct vcpu *v, uint32_t member);
/* exec.c. Make good for what the library changed: what follows from it, what is cached from there. */
void exec_take_changes(struct vcpu *v, struct channel *c);
