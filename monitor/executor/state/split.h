/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Split views: how the processor can fetch a private page while the guest reads the original. A provider is
 * nothing but this description, made once at the start (split_choose()); code pages and data pages are mapped
 * by it. docs/scan-before-execute.md, "Two faces of a page".
 *
 *   segment  Code is mapped at its linear address, data `data_base` bytes further on, and the guest's data
 *            segments get host descriptors with that base. Any x86-64 host that lets a process have an LDT.
 *   pku      Both at the linear address; a private page has a protection key that forbids data accesses, so
 *            that they fault and are emulated.
 *   none     Both at the linear address, and the guest reads its patches. For comparison.
 *   tlb      Both at the linear address: the processor keeps the private page's table entry for fetches,
 * while data accesses find the original's. Needs a kernel module, and a processor that does so
 * (docs/split-tlb.md).
 *
 * Host linear addresses below 4 GiB, of code and data, are `host_la` in names; 32-bit sums wrap as the
 * processor's do.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "duplex86/duplex86.h"

struct split {
    uint8_t provider;   /* enum d86_split, never AUTO */
    bool visible;       /* the guest reads private pages: provider none */
    bool code_key_used; /* private pages have protection key `code_key` ... */
    bool doors;         /* far jumps from guest code to 64-bit code work, so private pages may have doors */
    bool primed;        /* private pages are shown by the ring-0 helper (space_map_faces()) */
    bool key_simulated; /* ... which is none: the engine lockstep sees to what it would do */
    int code_key;
    uint32_t data_base;  /* host_la of data = guest la + data_base */
    uint32_t data_limit; /* offsets in flat data segments beyond it fault: they would reach code */
};

/* Host linear address of a guest data address, and back. */
static inline uint32_t split_data(const struct split *s, uint32_t la)
{
    return la + s->data_base;
}

static inline uint32_t split_guest(const struct split *s, uint32_t host_la)
{
    return host_la - s->data_base;
}

struct vcpu;

/*
 * Choose how to split, by what this host has and by trying it: two pages at one guest address, one fetched
 * and one read. wanted: enum d86_split; simulate_keys: as if the host had keys. False: not possible, *why is
 * a sentence without a full stop. Before the executor confines itself; uses v's registers as it likes.
 * split.c
 */
bool split_choose(struct vcpu *v, unsigned wanted, bool simulate_keys, const char **why);
