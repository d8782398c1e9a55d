/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The engine "lockstep": every instruction the engine sbe would run natively runs twice from the same state,
 * first by the interpreter, whose stores are taken back, then by the processor, single-stepped. The first
 * difference in registers, flags, FP state or stored memory is an exit. Executor process.
 */
#pragma once

#include "cpu.h"

struct native_segments;
struct native_trap;

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

enum lockstep_answer {
    LOCKSTEP_SAME, /* the instruction is done */
    LOCKSTEP_STEP, /* not one to compare: let the interpreter do it */
    LOCKSTEP_TRAP, /* native execution trapped: *trap; nothing has changed */
};

/* The instruction at CS:EIP, which is visible in a mapped private page. Exits at a difference; may unwind. */
enum lockstep_answer lockstep_run(struct vcpu *v, const struct native_segments *segments,
                                  struct native_trap *trap);
