/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the guest's tables said when something was last compared with them, so that the next comparison is one
 * of memory with memory: per 2 MiB of linear addresses how they are translated, and the entries of the page
 * table for those pages that somebody has. An address space that comes back, and the kernel's half of every
 * other one, are hardly ever different. Plain data in the arena. Executor side.
 */
#pragma once

#include "paging.h"

enum {
    SEEN_HALVES = 2048, /* of 2 MiB each: what an entry of PAE's directories stands for */
    SEEN_HALF_PAGES = 512,
    SEEN_WORD_PAGES = 64, /* pages that are compared at a time */
};

/* All zero: nothing is known. */
struct paging_seen {
    uint64_t how[SEEN_HALVES]; /* a number for the directory's part; 0: not known */
    /* Entries of page tables, those of a half one behind the other, of 4 or 8 bytes as `how` has it. */
    uint8_t entry[SEEN_HALVES * SEEN_HALF_PAGES * 8];
};

/* The directory's part of the 2 MiB at la, which the span has; 0: there is no translation, or no memory with
 * the page table. */
uint64_t paging_seen_how(const struct vcpu *v, const struct paging_span *span, guest_la la);

/*
 * With paging_seen_how() what was noted for the half: those of 64 pages, page & ~63 on, whose entries are
 * not as they were noted; they are now.
 */
uint64_t paging_seen_changes(struct paging_seen *seen, const struct paging_span *span, uint32_t page);

/* The half of the page was compared as a whole. */
void paging_seen_note_half(const struct vcpu *v, struct paging_seen *seen, const struct paging_span *span,
                           uint32_t page);
/*
 * Pages were made as the tables are now. Where those beside them were made by another directory entry, all
 * of that half is unknown.
 */
void paging_seen_note_pages(const struct vcpu *v, struct paging_seen *seen, uint32_t page, uint32_t count);
/* Nothing is known of the half of the page. */
void paging_seen_forget(struct paging_seen *seen, uint32_t page);
void paging_seen_forget_all(struct paging_seen *seen);
