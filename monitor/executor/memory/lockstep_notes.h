/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the engine lockstep (engine/lockstep.c) has to know of the interpreter's accesses: the record, and who
 * keeps it. Declared in this room, whose mem.c notes them, defined in that. Executor side.
 */
#pragma once

#include "cpu.h"

/* Stores of the instruction being interpreted, to be taken back and compared; in the arena. */
enum { LOCKSTEP_STORES_MAX = 128 };

struct lockstep_store {
    uint8_t *host;
    uint8_t size;
    uint8_t before[8], after[8];
};

struct lockstep {
    bool recording;
    bool met_code;     /* with simulated keys: it accessed a private page as data ... */
    bool met_by_write; /* ... */
    guest_la met_at;   /* ... here, first */
    unsigned count;    /* more than fit: the instruction is not compared */
    struct lockstep_store store[LOCKSTEP_STORES_MAX];
    struct d86_difference difference;
};

/* mem.c: `size` bytes at `host` are about to be written. */
void lockstep_note_store(struct vcpu *v, uint8_t *host, unsigned size);
/* mem.c: an access by the guest's code, within one page, that is allowed. */
void lockstep_note_access(struct vcpu *v, guest_la la, bool write);
