/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Linear memory accesses that miss the TLB: fill it, split what crosses a page, send device accesses to the
 * bus, notice writes to cached code, watchpoints and misaligned accesses. Executor side.
 * The TLB caches less than the architecture allows, never more: a write permission only when the D bit is
 * set and no code is cached from the frame.
 */
#include "mem.h"

#include "breakpoint.h"
#include "bus.h"
#include "lockstep_notes.h"
#include "news.h"
#include "paging.h"

/* ---- TLB
 * --------------------------------------------------------------------------------------------------- */

void tlb_new_generation(struct vcpu *v)
{
    /* The tag has room for so many generations only: forget all that have one before it repeats. */
    if (++v->tlb_generation == 1u << (32 - MODE_BITS)) {
        block_flush(v);
        v->tlb_generation = 1;
    }
    v->fetch_tag = v->tlb_generation << MODE_BITS | v->mode;
}

/* Most flushes find few entries, and come often: a kernel that switches address spaces does little between.
 */
static void forget_all(struct vcpu *v)
{
    static const struct tlb_entry invalid = { .read_tag = TLB_INVALID, .write_tag = TLB_INVALID };
    v->stats.tlb_flushes++;
    for (unsigned word = 0; word < TLB_SIZE / 64; word++) {
        for (uint64_t left = ~v->tlb_empty[word]; left; left &= left - 1) {
            unsigned i = word * 64 + (unsigned)__builtin_ctzll(left);
            v->tlb_system[i] = v->tlb_user[i] = invalid;
        }
        v->tlb_empty[word] = UINT64_MAX;
    }
    for (unsigned word = 0; word < ITLB_SIZE / 64; word++) {
        for (uint64_t left = ~v->itlb_empty[word]; left; left &= left - 1)
            v->itlb[word * 64 + (unsigned)__builtin_ctzll(left)].tag = TLB_INVALID;
        v->itlb_empty[word] = UINT64_MAX;
    }
    tlb_new_generation(v);
}

static void forget_page(struct vcpu *v, guest_la la)
{
    struct tlb_entry invalid = { .read_tag = TLB_INVALID, .write_tag = TLB_INVALID };
    unsigned i = la >> 12 & (TLB_SIZE - 1);
    v->tlb_system[i] = invalid;
    v->tlb_user[i] = invalid;
    v->itlb[la >> 12 & (ITLB_SIZE - 1)].tag = TLB_INVALID;
    tlb_new_generation(v);
}

void tlb_flush(struct vcpu *v)
{
    forget_all(v);
    sbe_translations_changed(v, true);
}

void tlb_flush_space(struct vcpu *v)
{
    forget_all(v);
    sbe_translations_changed(v, false);
}

void tlb_flush_page(struct vcpu *v, guest_la la)
{
    /* Large pages are cached 4 KiB at a time: only a full flush finds all their pieces. */
    if (v->cr4 & (X86_CR4_PSE | X86_CR4_PAE))
        forget_all(v);
    else
        forget_page(v, la);
    sbe_page_changed(v, la);
}

void tlb_forbid_writes(struct vcpu *v, uint64_t frame)
{
    const uint8_t *page = v->map.ram + (frame << 12);
    for (unsigned i = 0; i < 2 * TLB_SIZE; i++) {
        struct tlb_entry *t = i < TLB_SIZE ? &v->tlb_system[i] : &v->tlb_user[i - TLB_SIZE];
        if (t->write_tag != TLB_INVALID && tlb_host(t, t->write_tag) == page)
            t->write_tag = TLB_INVALID;
    }
}

/* ---- One page
 * ------------------------------------------------------------------------------------------------ */

/* Where a piece of linear memory is. */
struct place {
    uint8_t *host; /* NULL: a device, at pa */
    guest_pa pa;
    uint64_t frame; /* RAM-file frame, when host is set */
};

/* Translate one access within one page and remember it in `tlb`; raises #PF. */
static struct place place_of(struct vcpu *v, const struct uop *u, guest_la la, unsigned access,
                             struct tlb_entry *tlb)
{
    struct walk w;
    if (!paging_walk(v, la, access, &w))
        paging_fault(v, u, la, w.error);
    const struct region *r = phys_region(v, w.pa);
    if (!r || ((access & ACCESS_WRITE) && r->read_only))
        return (struct place){ .pa = w.pa };
    uint64_t offset = r->offset + (w.pa - r->pa);
    struct place place = { .host = v->map.ram + offset, .pa = w.pa, .frame = offset >> 12 };
    v->stats.tlb_fills++;
    if (tlb == v->tlb_none) {
        if (v->lockstep && v->lockstep->recording)
            lockstep_note_access(v, la, access & ACCESS_WRITE);
        return place;
    }
    unsigned i = la >> 12 & (TLB_SIZE - 1);
    struct tlb_entry *t = &tlb[i];
    uint32_t page = la & ~0xfffu;
    v->tlb_empty[i / 64] &= ~(1ull << (i % 64));
    bool writable = w.writable && w.dirty && !r->read_only && !frame_has_code(v, place.frame);
    t->read_tag = page;
    t->write_tag = writable ? page : TLB_INVALID;
    t->addend = (uint64_t)(uintptr_t)(place.host - (la & 0xfff)) - page;
    return place;
}

static unsigned cpl_access(const struct vcpu *v)
{
    return v->cpl == 3 ? ACCESS_USER : 0;
}

static bool crosses_page(guest_la la, unsigned size)
{
    return (la & 0xfff) + size > 4096;
}

static uint64_t place_read(struct vcpu *v, const struct uop *u, struct place place, unsigned size)
{
    return place.host ? mem_load(place.host, size) : bus_read(v, u, place.pa, size);
}

static void place_write(struct vcpu *v, const struct uop *u, struct place place, unsigned size,
                        uint64_t value)
{
    if (!place.host) {
        bus_write(v, u, place.pa, size, value);
        return;
    }
    if (unlikely(v->lockstep && v->lockstep->recording))
        lockstep_note_store(v, place.host, size);
    mem_store(place.host, size, value);
    if (frame_has_code(v, place.frame))
        frame_written(v, place.frame, (unsigned)(place.pa & 0xfff), size);
}

/* ---- Any access
 * ------------------------------------------------------------------------------------------------- */

/* An access of 3, 5, 6 or 7 bytes is one piece of a split one: done in bytes. */
static uint64_t piece_read(struct vcpu *v, const struct uop *u, struct place place, unsigned size)
{
    if ((size & (size - 1)) == 0)
        return place_read(v, u, place, size);
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++) {
        value |= place_read(v, u, place, 1) << (8 * i);
        place.pa++;
        place.host += place.host != NULL;
    }
    return value;
}

static void piece_write(struct vcpu *v, const struct uop *u, struct place place, unsigned size,
                        uint64_t value)
{
    if ((size & (size - 1)) == 0) {
        place_write(v, u, place, size, value);
        return;
    }
    for (unsigned i = 0; i < size; i++) {
        place_write(v, u, place, 1, value >> (8 * i) & 0xff);
        place.pa++;
        place.host += place.host != NULL;
    }
}

static uint64_t read_in(struct vcpu *v, const struct uop *u, guest_la la, unsigned size, unsigned access,
                        struct tlb_entry *tlb)
{
    if (!crosses_page(la, size))
        return place_read(v, u, place_of(v, u, la, access, tlb), size);
    unsigned first = 4096 - (la & 0xfff);
    struct place low = place_of(v, u, la, access, tlb), high = place_of(v, u, la + first, access, tlb);
    uint64_t value = piece_read(v, u, low, first);
    return value | piece_read(v, u, high, size - first) << (8 * first);
}

static void write_in(struct vcpu *v, const struct uop *u, guest_la la, unsigned size, uint64_t value,
                     unsigned access, struct tlb_entry *tlb)
{
    access |= ACCESS_WRITE;
    if (!crosses_page(la, size)) {
        place_write(v, u, place_of(v, u, la, access, tlb), size, value);
        return;
    }
    unsigned first = 4096 - (la & 0xfff);
    struct place low = place_of(v, u, la, access, tlb), high = place_of(v, u, la + first, access, tlb);
    /* A device first: until it has answered the instruction may start over, and must find memory unchanged.
     */
    if (!low.host)
        piece_write(v, u, low, first, value);
    piece_write(v, u, high, size - first, value >> (8 * first));
    if (low.host)
        piece_write(v, u, low, first, value);
}

/* ---- Watchpoints and alignment
 * -------------------------------------------------------------------------------------- */

/* What must be looked at besides the translation. */
static void check_access(struct vcpu *v, const struct uop *u, guest_la la, unsigned size, bool write)
{
    bool aligned_only = v->cpl == 3 && (v->cr0 & X86_CR0_AM) && (v->eflags & X86_AC);
    if (aligned_only && (la & (size - 1)))
        raise_error(v, u, X86_VEC_AC, 0);
    if (v->debug.active)
        breakpoint_data(v, la, size, write);
}

uint64_t mem_read_slow(struct vcpu *v, const struct uop *u, guest_la la, unsigned size)
{
    check_access(v, u, la, size, false);
    return read_in(v, u, la, size, cpl_access(v), v->tlb);
}

void mem_write_slow(struct vcpu *v, const struct uop *u, guest_la la, unsigned size, uint64_t value)
{
    check_access(v, u, la, size, true);
    write_in(v, u, la, size, value, cpl_access(v), v->tlb);
}

static void probe_in(struct vcpu *v, const struct uop *u, guest_la la, unsigned size, unsigned access,
                     struct tlb_entry *tlb)
{
    access |= ACCESS_WRITE;
    (void)place_of(v, u, la, access, tlb);
    if (crosses_page(la, size))
        (void)place_of(v, u, (la + size - 1) & ~0xfffu, access, tlb);
}

void mem_probe_read(struct vcpu *v, const struct uop *u, guest_la la, unsigned size)
{
    if (mem_hit_read(v, la, size))
        return;
    check_access(v, u, la, size, false);
    (void)place_of(v, u, la, cpl_access(v), v->tlb);
    if (crosses_page(la, size))
        (void)place_of(v, u, (la + size - 1) & ~0xfffu, cpl_access(v), v->tlb);
}

void mem_probe_write(struct vcpu *v, const struct uop *u, guest_la la, unsigned size)
{
    if (mem_hit_write(v, la, size))
        return;
    check_access(v, u, la, size, true);
    probe_in(v, u, la, size, cpl_access(v), v->tlb);
}

/* ---- Blocks of bytes
 * ---------------------------------------------------------------------------------------------------- */

/* Next piece of a block access: naturally aligned, so that it never crosses a page. */
static unsigned piece_size(guest_la la, unsigned left)
{
    unsigned size = 8;
    while ((la & (size - 1)) || size > left)
        size >>= 1;
    return size;
}

void mem_read_bytes(struct vcpu *v, const struct uop *u, guest_la la, void *to, unsigned size)
{
    uint8_t *out = to;
    while (size) {
        unsigned n = piece_size(la, size);
        const uint8_t *p = mem_hit_read(v, la, n);
        if (!p && v->debug.active)
            breakpoint_data(v, la, n, false);
        mem_store(out, n, p ? mem_load(p, n) : read_in(v, u, la, n, cpl_access(v), v->tlb));
        la += n, out += n, size -= n;
    }
}

void mem_write_bytes(struct vcpu *v, const struct uop *u, guest_la la, const void *from, unsigned size)
{
    const uint8_t *in = from;
    for (guest_la page = la & ~0xfffu, last = (la + size - 1) & ~0xfffu;; page += 4096) {
        guest_la at = page == (la & ~0xfffu) ? la : page;
        if (!mem_hit_write(v, at, 1))
            probe_in(v, u, at, 1, cpl_access(v), v->tlb);
        if (page == last)
            break;
    }
    while (size) {
        unsigned n = piece_size(la, size);
        uint8_t *p = mem_hit_write(v, la, n);
        if (p) {
            mem_store(p, n, mem_load(in, n));
        } else {
            if (v->debug.active)
                breakpoint_data(v, la, n, true);
            write_in(v, u, la, n, mem_load(in, n), cpl_access(v), v->tlb);
        }
        la += n, in += n, size -= n;
    }
}

/* ---- Supervisor accesses of the processor itself
 * ----------------------------------------------------------------------------- */

/* Descriptors, gates and stacks are read and written at every interrupt: a hit saves the walk. */
uint64_t mem_system_read(struct vcpu *v, guest_la la, unsigned size)
{
    const struct tlb_entry *t = &v->tlb_system[la >> 12 & (TLB_SIZE - 1)];
    if (likely(((la + (size - 1)) & ~0xfffu) == t->read_tag))
        return mem_load(tlb_host(t, la), size);
    return read_in(v, NULL, la, size, 0, v->tlb_system);
}

void mem_system_write(struct vcpu *v, guest_la la, unsigned size, uint64_t value)
{
    const struct tlb_entry *t = &v->tlb_system[la >> 12 & (TLB_SIZE - 1)];
    /* Without a TLB, somebody looks at each store (lockstep). */
    if (likely(((la + (size - 1)) & ~0xfffu) == t->write_tag && v->tlb != v->tlb_none)) {
        mem_store(tlb_host(t, la), size, value);
        return;
    }
    write_in(v, NULL, la, size, value, 0, v->tlb_system);
}

void mem_system_probe_write(struct vcpu *v, guest_la la, unsigned size)
{
    probe_in(v, NULL, la, size, 0, v->tlb_system);
}
