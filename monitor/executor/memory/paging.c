/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Page-table walks in the three modes of the class (none, 32-bit with PSE-36, PAE with NX), with accessed
 * and dirty bits and precise page-fault error codes; and the fetch side of the TLB. Executor side.
 * SDM 3A, "32-Bit Paging", "PAE Paging", "Access Rights", "Page-Fault Exceptions".
 */
#include "paging.h"

#include "news.h"

enum { PA_BITS = 36 };
#define PA_RESERVED    (0x7fffffffffffffffull & ~((1ull << PA_BITS) - 1)) /* bits 62..36 of a PAE entry */
#define PSE36_RESERVED (0x1fu << 17) /* bits 21..17 of a 4 MiB entry, with 36 address bits */

/* ---- Guest-physical memory ------------------------------------------------------------------------------
 */

const struct region *phys_region(const struct vcpu *v, guest_pa pa)
{
    for (unsigned i = 0; i < v->map.count; i++) {
        const struct region *r = &v->map.region[i];
        if (pa - r->pa < r->size)
            return r;
    }
    return NULL;
}

/* Page tables outside memory read as an idle bus. */
static uint64_t entry_read(const struct vcpu *v, guest_pa pa, unsigned size)
{
    pa &= v->pa_mask;
    const struct region *r = phys_region(v, pa);
    if (!r)
        return ~0ull;
    const uint8_t *p = v->map.ram + r->offset + (pa - r->pa);
    return size == 4 ? *(const uint32_t *)p : *(const uint64_t *)p;
}

/* Set accessed or dirty bits, as the processor does with a locked cycle. */
static void entry_set(struct vcpu *v, guest_pa pa, uint32_t bits)
{
    pa &= v->pa_mask;
    const struct region *r = phys_region(v, pa);
    if (!r || r->read_only)
        return;
    uint64_t offset = r->offset + (pa - r->pa);
    uint32_t *entry = (uint32_t *)(v->map.ram + offset);
    if ((*entry & bits) == bits)
        return;
    *entry |= bits;
    frame_written(v, offset >> 12, offset & 0xfff, 4);
}

/* ---- Walks
 * ------------------------------------------------------------------------------------------------- */

/* Rights gathered along a walk against what the access needs; fills in w->error on refusal. */
static bool rights_allow(const struct vcpu *v, unsigned access, uint32_t rights, bool nx, struct walk *w)
{
    bool user = access & ACCESS_USER, write = access & ACCESS_WRITE, wp = v->cr0 & X86_CR0_WP;
    w->writable = (rights & X86_PTE_W) || (!user && !wp);
    if ((user && !(rights & X86_PTE_U)) || (write && !w->writable) || ((access & ACCESS_FETCH) && nx)) {
        w->error |= X86_PF_P;
        return false;
    }
    return true;
}

static bool walk_32(struct vcpu *v, guest_la la, unsigned access, struct walk *w)
{
    guest_pa pde_pa = (v->cr3 & 0xfffff000u) | (la >> 22 << 2);
    uint32_t pde = (uint32_t)entry_read(v, pde_pa, 4);
    if (!(pde & X86_PTE_P))
        return false;
    if ((pde & X86_PTE_PS) && (v->cr4 & X86_CR4_PSE)) {
        if (pde & PSE36_RESERVED) {
            w->error |= X86_PF_P | X86_PF_RSVD;
            return false;
        }
        if (!rights_allow(v, access, pde, false, w))
            return false;
        entry_set(v, pde_pa, X86_PTE_A | (access & ACCESS_WRITE ? X86_PTE_D : 0));
        w->dirty = (access & ACCESS_WRITE) || (pde & X86_PTE_D);
        w->pa = (pde & 0xffc00000u) | (guest_pa)(pde >> 13 & 0xf) << 32 | (la & 0x3fffff);
        return true;
    }
    guest_pa pte_pa = (pde & 0xfffff000u) | (la >> 10 & 0xffc);
    uint32_t pte = (uint32_t)entry_read(v, pte_pa, 4);
    if (!(pte & X86_PTE_P) || !rights_allow(v, access, pde & pte, false, w))
        return false;
    entry_set(v, pde_pa, X86_PTE_A);
    entry_set(v, pte_pa, X86_PTE_A | (access & ACCESS_WRITE ? X86_PTE_D : 0));
    w->dirty = (access & ACCESS_WRITE) || (pte & X86_PTE_D);
    w->pa = (pte & 0xfffff000u) | (la & 0xfff);
    return true;
}

/* Reserved bits of a present PAE entry; NX is one of them while EFER.NXE is clear. */
static bool pae_reserved(const struct vcpu *v, uint64_t entry, uint64_t more)
{
    uint64_t reserved = PA_RESERVED | more;
    if (!(v->efer & X86_EFER_NXE))
        reserved |= X86_PTE_NX;
    return entry & reserved;
}

static bool walk_pae(struct vcpu *v, guest_la la, unsigned access, struct walk *w)
{
    uint64_t pdpte = v->pdpte[la >> 30];
    if (!(pdpte & X86_PTE_P))
        return false;
    guest_pa pde_pa = (pdpte & 0xffffff000ull) | (la >> 18 & 0xff8);
    uint64_t pde = entry_read(v, pde_pa, 8);
    if (!(pde & X86_PTE_P))
        return false;
    bool large = pde & X86_PTE_PS;
    if (pae_reserved(v, pde, large ? 0x1fe000 : 0)) {
        w->error |= X86_PF_P | X86_PF_RSVD;
        return false;
    }
    if (large) {
        if (!rights_allow(v, access, (uint32_t)pde, pde >> 63, w))
            return false;
        entry_set(v, pde_pa, X86_PTE_A | (access & ACCESS_WRITE ? X86_PTE_D : 0));
        w->dirty = (access & ACCESS_WRITE) || (pde & X86_PTE_D);
        w->pa = (pde & 0xfffe00000ull) | (la & 0x1fffff);
        return true;
    }
    guest_pa pte_pa = (pde & 0xffffff000ull) | (la >> 9 & 0xff8);
    uint64_t pte = entry_read(v, pte_pa, 8);
    if (!(pte & X86_PTE_P))
        return false;
    if (pae_reserved(v, pte, 0)) {
        w->error |= X86_PF_P | X86_PF_RSVD;
        return false;
    }
    if (!rights_allow(v, access, (uint32_t)(pde & pte), (pde | pte) >> 63, w))
        return false;
    entry_set(v, pde_pa, X86_PTE_A);
    entry_set(v, pte_pa, X86_PTE_A | (access & ACCESS_WRITE ? X86_PTE_D : 0));
    w->dirty = (access & ACCESS_WRITE) || (pte & X86_PTE_D);
    w->pa = (pte & 0xffffff000ull) | (la & 0xfff);
    return true;
}

bool paging_walk(struct vcpu *v, guest_la la, unsigned access, struct walk *w)
{
    bool ok;
    *w = (struct walk){ .writable = true, .dirty = true, .pa = la };
    if (v->cr0 & X86_CR0_PG) {
        bool pae = v->cr4 & X86_CR4_PAE;
        /* The walkers add P and RSVD; the I bit exists only with execute-disable. */
        if (access & ACCESS_WRITE)
            w->error |= X86_PF_W;
        if (access & ACCESS_USER)
            w->error |= X86_PF_U;
        if ((access & ACCESS_FETCH) && pae && (v->efer & X86_EFER_NXE))
            w->error |= X86_PF_I;
        ok = pae ? walk_pae(v, la, access, w) : walk_32(v, la, access, w);
        if (!ok)
            return false;
    }
    w->pa &= v->pa_mask;
    return true;
}

/* ---- Looking without touching ------------------------------------------------------------------------ */

enum { SPAN_RIGHTS = X86_PTE_P | X86_PTE_W | X86_PTE_U | X86_PTE_A };

/* The page table at pa; its entries are of this size and lead on from a directory entry. */
static void span_table(const struct vcpu *v, struct paging_span *s, guest_pa pa, unsigned entry_size)
{
    pa &= v->pa_mask;
    const struct region *r = phys_region(v, pa);
    s->table = r ? v->map.ram + r->offset + (pa - r->pa) : NULL;
    s->entry_size = (uint8_t)entry_size;
}

static void span_32(const struct vcpu *v, guest_la la, struct paging_span *s)
{
    uint32_t pde = (uint32_t)entry_read(v, (v->cr3 & 0xfffff000u) | (la >> 22 << 2), 4);
    bool large = (pde & X86_PTE_PS) && (v->cr4 & X86_CR4_PSE);
    s->first = la & 0xffc00000u;
    s->last = s->first | 0x3fffff;
    if (!(pde & X86_PTE_P) || (large && (pde & PSE36_RESERVED)))
        return;
    s->rights = pde & (large ? SPAN_RIGHTS | X86_PTE_D : SPAN_RIGHTS);
    s->global = pde & X86_PTE_G;
    if (large)
        s->pa = (pde & 0xffc00000u) | (guest_pa)(pde >> 13 & 0xf) << 32;
    else
        span_table(v, s, pde & 0xfffff000u, 4);
}

static void span_pae(const struct vcpu *v, guest_la la, struct paging_span *s)
{
    uint64_t pdpte = v->pdpte[la >> 30];
    s->first = la & 0xffe00000u;
    s->last = s->first | 0x1fffff;
    if (!(pdpte & X86_PTE_P))
        return;
    uint64_t pde = entry_read(v, (pdpte & 0xffffff000ull) | (la >> 18 & 0xff8), 8);
    bool large = pde & X86_PTE_PS;
    if (!(pde & X86_PTE_P) || pae_reserved(v, pde, large ? 0x1fe000 : 0))
        return;
    s->rights = (uint32_t)pde & (large ? SPAN_RIGHTS | X86_PTE_D : SPAN_RIGHTS);
    s->global = pde & X86_PTE_G;
    s->reserved = PA_RESERVED | (v->efer & X86_EFER_NXE ? 0 : X86_PTE_NX);
    s->no_execute = pde & X86_PTE_NX;
    if (large)
        s->pa = pde & 0xfffe00000ull;
    else
        span_table(v, s, pde & 0xffffff000ull, 8);
}

void paging_span(const struct vcpu *v, guest_la la, struct paging_span *s)
{
    *s = (struct paging_span){ .last = ~0u };
    if (!(v->cr0 & X86_CR0_PG))
        s->rights = SPAN_RIGHTS | X86_PTE_D;
    else if (v->cr4 & X86_CR4_PAE)
        span_pae(v, la, s);
    else
        span_32(v, la, s);
}

/* Is there memory in [pa, pa + size)? */
static bool phys_has_memory(const struct vcpu *v, guest_pa pa, guest_pa size)
{
    bool found = false;
    for (unsigned i = 0; i < v->map.count; i++) {
        const struct region *r = &v->map.region[i];
        found |= pa < r->pa + r->size && r->pa < pa + size;
    }
    return found;
}

/* Large pages of nothing do not count, nor do addresses beyond all memory while there is no paging. */
static bool span_reaches(const struct vcpu *v, const struct paging_span *s, guest_la first, guest_la last)
{
    if (~s->rights & (X86_PTE_P | X86_PTE_U))
        return false;
    if (s->entry_size)
        return true;
    if (first < s->first)
        first = s->first;
    if (last > s->last)
        last = s->last;
    return phys_has_memory(v, (s->pa + (first - s->first)) & v->pa_mask, (guest_pa)(last - first) + 1);
}

/* Is one of `count` directory entries from pa on, of this size, for CPL 3? They lie in one page. */
static bool entries_for_user(const struct vcpu *v, guest_pa pa, uint32_t count, unsigned size)
{
    const uint64_t wanted = X86_PTE_P | X86_PTE_U;
    pa &= v->pa_mask;
    const struct region *r = phys_region(v, pa);
    if (!r)
        return true; /* entries of ones */
    const uint8_t *entry = v->map.ram + r->offset + (pa - r->pa);
    uint32_t found = 0;
    for (uint32_t i = 0; i < count; i++)
        found |= (*(const uint32_t *)(entry + i * size) & wanted) == wanted;
    return found;
}

static bool pae_directory_for_user(const struct vcpu *v, guest_la first, guest_la last)
{
    bool found = false;
    for (uint32_t i = first >> 30; i <= last >> 30; i++) {
        uint32_t from = i == first >> 30 ? first >> 21 & 511 : 0,
                 to = i == last >> 30 ? last >> 21 & 511 : 511;
        if (v->pdpte[i] & X86_PTE_P)
            found |= entries_for_user(v, (v->pdpte[i] & 0xffffff000ull) + from * 8, to - from + 1, 8);
    }
    return found;
}

/* Quick, for what is asked before many a native entry: false is certain. */
static bool directory_for_user(const struct vcpu *v, guest_la first, guest_la last)
{
    if (!(v->cr0 & X86_CR0_PG))
        return true;
    if (v->cr4 & X86_CR4_PAE)
        return pae_directory_for_user(v, first, last);
    return entries_for_user(v, (v->cr3 & 0xfffff000u) + (first >> 22) * 4, (last >> 22) - (first >> 22) + 1,
                            4);
}

bool paging_user_reaches(const struct vcpu *v, guest_la first, guest_la last)
{
    if (likely(!directory_for_user(v, first, last)))
        return false;
    struct paging_span s;
    for (guest_la la = first;;) {
        paging_span(v, la, &s);
        if (span_reaches(v, &s, first, last))
            return true;
        if (s.last >= last)
            return false;
        la = s.last + 1;
    }
}

bool paging_load_pdptes(struct vcpu *v, uint32_t cr3)
{
    uint64_t pdpte[4];
    for (unsigned i = 0; i < 4; i++) {
        pdpte[i] = entry_read(v, (cr3 & 0xffffffe0u) + i * 8, 8);
        /* Reserved: bits 2..1, 8..5 and above the address width. */
        if ((pdpte[i] & X86_PTE_P) && (pdpte[i] & (0x1e6ull | PA_RESERVED | X86_PTE_NX)))
            return false;
    }
    for (unsigned i = 0; i < 4; i++)
        v->pdpte[i] = pdpte[i];
    return true;
}

NORETURN void paging_fault(struct vcpu *v, const struct uop *u, guest_la la, uint32_t error)
{
    v->cr2 = la;
    raise_error(v, u, X86_VEC_PF, error);
}

/* ---- Fetch
 * ------------------------------------------------------------------------------------------------- */

uint64_t paging_fetch(struct vcpu *v, guest_la la)
{
    uint32_t page = la & ~0xfffu, user = v->cpl == 3;
    unsigned i = la >> 12 & (ITLB_SIZE - 1);
    struct itlb_entry *t = &v->itlb[i];
    if (t->tag == page && t->user == user)
        return t->frame;
    struct walk w;
    if (!paging_walk(v, la, ACCESS_FETCH | (user ? ACCESS_USER : 0), &w))
        paging_fault(v, NULL, la, w.error);
    const struct region *r = phys_region(v, w.pa);
    v->itlb_empty[i / 64] &= ~(1ull << (i % 64));
    t->tag = page;
    t->user = user;
    t->frame = r ? (r->offset + (w.pa - r->pa)) >> 12 : FRAME_NONE;
    return t->frame;
}
