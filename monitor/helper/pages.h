/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who uses the device, and the pages it has primed. All of it is called by the owner's own threads;
 * the mmap lock is taken before owner->lock.
 */
#ifndef D86_TLB_PAGES_H
#define D86_TLB_PAGES_H

#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/types.h>

#include "helper/duplex86_tlb.h"

/* Files whose frames may be shown. */
enum { D86_TLB_RAM, D86_TLB_ARENA, D86_TLB_FILES };

/* One opening of the device. */
struct d86_tlb_owner {
	struct mutex lock; /* all below, and the state of pages; `mm` does not change once set */
	struct mm_struct
		*mm; /* who registered; only compared, and used while it is the caller's own */
	struct file *file[D86_TLB_FILES];
	struct d86_tlb_counters counters;
};

struct d86_tlb_owner *d86_tlb_owner_new(void);
/* All its mappings of the device are gone: each of them keeps the opening alive. */
void d86_tlb_owner_free(struct d86_tlb_owner *owner);

int d86_tlb_register(struct d86_tlb_owner *owner, const struct d86_tlb_register *r);
int d86_tlb_mmap(struct d86_tlb_owner *owner, struct vm_area_struct *vma);
int d86_tlb_prime(struct d86_tlb_owner *owner, const struct d86_tlb_prime *r);
int d86_tlb_settle(struct d86_tlb_owner *owner, const struct d86_tlb_page *r);
int d86_tlb_unprime(struct d86_tlb_owner *owner, const struct d86_tlb_page *r);
void d86_tlb_count(struct d86_tlb_owner *owner, struct d86_tlb_counters *counters);

/* How many pages are primed or settled, of all owners. */
unsigned int d86_tlb_pages(void);
extern unsigned int d86_tlb_max_pages;

/* ring0.c: is there such a page, and may ring 0 execute it where ring 3 may, too? */
bool d86_tlb_ring0_possible(void);
struct page *d86_tlb_ring0_page(void);
/* Execute the RET at `address`, whose entry leads to that page; preemption is off, and the address
 * was flushed. */
void d86_tlb_ring0_execute(unsigned long address);

#endif
