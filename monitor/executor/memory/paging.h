/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Private to the memory side of the executor: page walks and guest-physical look-up.
 */
#pragma once

#include "executor.h"

enum access { ACCESS_WRITE = 1, ACCESS_USER = 2, ACCESS_FETCH = 4 };

struct walk {
    guest_pa pa;
    uint32_t error; /* #PF error code when the walk fails */
    bool writable;  /* the rights allow this kind of access to write */
    bool dirty;     /* the entry's D bit is set (now), so later writes need no walk */
};

/* Translate; sets A and D bits when the access is allowed, else fills in w->error. Does not raise. */
bool paging_walk(struct vcpu *v, guest_la la, unsigned access, struct walk *w);
NORETURN void paging_fault(struct vcpu *v, const struct uop *u, guest_la la, uint32_t error);

/* The RAM or ROM region that holds a guest-physical address, or NULL. */
const struct region *phys_region(const struct vcpu *v, guest_pa pa);

/* Load the PDPTEs for CR3 = cr3; false: a reserved bit is set, nothing changed (the instruction is #GP). */
bool paging_load_pdptes(struct vcpu *v, uint32_t cr3);
/* Frame of the code at la for the current CPL; raises #PF. FRAME_NONE: no memory there. */
uint64_t paging_fetch(struct vcpu *v, guest_la la);

/* ---- Looking without touching ------------------------------------------------------------------------ */

/*
 * A stretch of linear memory whose translation one directory entry decides (or the absence of paging), looked
 * up once for its many pages: what the tables say, with nothing set in them.
 */
struct paging_span {
    guest_la first, last;
    bool no_execute;      /* the directory entry's NX */
    bool global;          /* without a table: its G */
    uint8_t entry_size;   /* of the page table: 4 or 8; 0: consecutive memory from `pa` on, or nothing */
    const uint8_t *table; /* NULL: outside memory, its entries read as all ones */
    uint32_t rights;      /* X86_PTE_P, W, U, A of the directory entry; D too without a table */
    guest_pa pa;
    uint64_t reserved; /* bits that must be clear in entries of the table */
};

void paging_span(const struct vcpu *v, guest_la la, struct paging_span *s);

/*
 * The page of the span that holds la: the bits X86_PTE_P, W, U and A that are set at all levels, and D.
 * Without P there is no translation; otherwise *pa is the page's address.
 */
static inline uint32_t paging_span_page(const struct vcpu *v, const struct paging_span *s, guest_la la,
                                        guest_pa *pa)
{
    uint64_t entry = ~0ull;
    if (s->entry_size == 0) {
        *pa = (s->pa + ((la - s->first) & ~0xfffu)) & v->pa_mask;
        return s->rights;
    }
    if (s->table && s->entry_size == 4)
        entry = ((const uint32_t *)s->table)[la >> 12 & 1023];
    else if (s->table)
        entry = ((const uint64_t *)s->table)[la >> 12 & 511];
    if (entry & s->reserved)
        return 0;
    *pa = entry & (s->entry_size == 4 ? 0xfffff000ull : 0xffffff000ull) & v->pa_mask;
    return (uint32_t)entry & s->rights & X86_PTE_P ? (uint32_t)entry & (s->rights | X86_PTE_D) : 0;
}

/*
 * Does the page directory let CPL 3 have memory in [first, last], now or with no more than changes of page
 * tables? Without paging: is there memory?
 */
bool paging_user_reaches(const struct vcpu *v, guest_la first, guest_la last);

/* Is the page of the span that holds la marked global? Whether that means something is CR4.PGE's to say. */
static inline bool paging_span_global(const struct paging_span *s, guest_la la)
{
    if (s->entry_size == 0)
        return s->global;
    if (!s->table)
        return false;
    uint64_t entry = s->entry_size == 4 ? ((const uint32_t *)s->table)[la >> 12 & 1023]
                                        : ((const uint64_t *)s->table)[la >> 12 & 511];
    return (entry & (X86_PTE_P | X86_PTE_G)) == (X86_PTE_P | X86_PTE_G);
}

/* May a page of the span that has a translation be fetched from, as far as NX goes? */
static inline bool paging_span_executable(const struct paging_span *s, guest_la la)
{
    if (s->table && s->entry_size == 8 && ((const uint64_t *)s->table)[la >> 12 & 511] & X86_PTE_NX)
        return false;
    return !s->no_execute;
}
