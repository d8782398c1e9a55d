/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The native side: a child process that runs cases as 32-bit code on the host processor.
 * Cases travel in batches through shared memory; the child that hangs or dies is replaced and the case
 * gets an outcome that says so.
 */
#pragma once

#include "oracle.h"
#include "translated.h"

enum { BATCH_MAX = 64 };

/* Shared with the child, which writes outcomes and the words marked so. */
struct native_ring {
    uint32_t go;        /* number of the batch to run */
    uint32_t done;      /* child: number of the batch finished last */
    uint32_t next;      /* child: the case it runs now */
    uint32_t count;     /* cases in the batch */
    bool may_translate; /* the child is to map what translated code needs */
    bool translate;     /* run the batch as translated code */
    struct translated_stats stats;
    struct test_case test[BATCH_MAX];
    struct outcome outcome[BATCH_MAX];
};

/* NULL if this host can run 32-bit code in a 64-bit process, else a sentence that says what is missing. */
const char *native_unavailable(void);

/* NULL if it has 16-bit and other odd segments, too (modify_ldt), else a sentence. */
const char *native_no_ldt(void);

/* Create the ring and the first child; NULL with a message to stderr. The ring belongs to native.c. */
struct native_ring *native_create(bool may_translate);
void native_destroy(struct native_ring *ring);

/* Run ring->test[0..count-1]; native_wait() returns when all of ring->outcome[] is there. */
void native_start(struct native_ring *ring, unsigned count);
void native_wait(struct native_ring *ring);

/* One case, at once. */
void native_run(struct native_ring *ring, const struct test_case *c, struct outcome *o);
