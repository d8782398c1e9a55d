/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The parts of duplex86-probe: each adds a section or two to the facts. And how a trial is made that may go
 * wrong in any way a host can think of: in a child.
 */
#pragma once

#include <stdbool.h>

#include "facts.h"

/* processor.c: who the host is, and what processor and kernel offer a program. */
void probe_host(struct facts *f);
void probe_features(struct facts *f);
/* tlbs.c: a fact more about the host. */
void probe_tlbs(struct facts *f);
/* costs.c: what traps and mappings cost. */
void probe_costs(struct facts *f);
/* splits.c: what the library says to each way of keeping the two faces of a page apart. */
void probe_splits(struct facts *f);
/* tlb.c: what the ring-0 helper measures, if it is there. */
void probe_tlb_helper(struct facts *f);

/* ---- trial.c ----------------------------------------------------------------------------------------- */

struct trial {
    double ns;     /* what was measured, per round; negative: nothing */
    char why[160]; /* and why nothing was */
};

/*
 * Have `run` fill in a trial, in a child of its own. When that dies, or is not done after half a minute, the
 * trial says so.
 */
struct trial trial_run(void (*run)(struct trial *t));
/* For `run`: there is nothing to measure, since ... (a sentence without a full stop). */
void trial_refuse(struct trial *t, const char *why);

/* CLOCK_MONOTONIC in ns. */
double trial_now(void);

/* ---- code32.c ---------------------------------------------------------------------------------------- */

enum {
    CODE32_SIZE = 4096,         /* bytes that fit */
    CODE32_ABSENT = 0x30000000, /* where nothing is mapped */
};

/*
 * Set up a page of 32-bit code: `body`, to be executed `rounds` times. False: this host has no place for it.
 */
bool code32_load(const unsigned char *body, unsigned size, unsigned rounds);
/* Execute it. ESI, EDI and EBP are the body's to change; the counter is ECX. */
void code32_run(void);
