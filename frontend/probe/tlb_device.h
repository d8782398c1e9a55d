/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The ring-0 helper's device as a program uses it: one page of two faces, primed and asked what it shows.
 * include/helper/duplex86_tlb.h has the rules, docs/split-tlb.md the reasons.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "helper/duplex86_tlb.h"

enum tlb_answer {
    TLB_FAULT,    /* SIGSEGV */
    TLB_PRIVATE,  /* the private page's word, or code */
    TLB_ORIGINAL, /* the original's */
    TLB_STRANGE,  /* none of these */
};

enum tlb_how { TLB_RING3, TLB_RING3_SUPERVISOR, TLB_RING0 };

/* Open the device and set up pages. 0, or -errno and *why: a sentence without a full stop. For one process.
 */
int tlb_device_open(const char **why);
/* What the helper knows of the host (D86_TLB_HOST_*). */
uint32_t tlb_device_features(void);

/* Prime page n (any number) and settle it. False: the helper refused. */
bool tlb_device_prime(unsigned n, enum tlb_how how);
/* What a fetch and a read there meet. */
enum tlb_answer tlb_device_fetch(unsigned n);
enum tlb_answer tlb_device_read(unsigned n);
/* D86_TLB_CR3_KEEP or _FLUSH. */
void tlb_device_reload_cr3(unsigned what);
