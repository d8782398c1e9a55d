/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How the library and the executor process take turns. The vCPU belongs to one of them at a time; `turn`
 * says to whom, and is the futex the other one sleeps on. Both sides.
 */
#pragma once

#include <stdint.h>

enum channel_turn {
    CHANNEL_STARTING, /* the executor has not come up yet */
    CHANNEL_LIBRARY,  /* stopped: the library may read and write everything */
    CHANNEL_EXECUTOR, /* run: only `pending` may be touched from outside */
};

/* Files the executor process is born with; everything else is closed. */
enum { CHANNEL_FD_ARENA = 3, CHANNEL_FD_RAM = 4, CHANNEL_FD_LIFELINE = 5 };

/* Exit statuses of an executor that could not come up. */
enum { CHANNEL_STATUS_MAP = 65, CHANNEL_STATUS_SIGNALS = 66, CHANNEL_STATUS_SECCOMP = 67 };

/* Code written by the library (DMA): what the executor must drop before it runs. */
struct channel_write {
    uint64_t frame;
    uint16_t offset, size;
};

enum { CHANNEL_WRITES_MAX = 64 };

struct vcpu;

struct channel {
    uint32_t turn;        /* enum channel_turn */
    uint32_t write_count; /* over CHANNEL_WRITES_MAX: too many to keep, drop everything */
    struct channel_write write[CHANNEL_WRITES_MAX];
};

/* exec.c. Run the vCPU until an exit; its exit record is filled in. */
void exec_run(struct vcpu *v);
/* exec.c. Drop what is cached from memory the library wrote to. */
void exec_take_writes(struct vcpu *v, struct channel *c);
