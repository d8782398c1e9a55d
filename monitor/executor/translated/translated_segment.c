/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The cache of descriptors. An entry says what loading a selector at CPL 0 came to, and for which eight
 * bytes; whoever uses it compares them with memory, so the guest may write its tables as it likes. Which
 * linear address they are at depends on GDTR alone; LDTs are not cached. Executor process.
 */
#include "translated_segment.h"

#include "mem.h"
#include "segment.h"
#include "translated_offsets.h"

#define CHECK_OFFSET(name, type, member)                                                                     \
    _Static_assert(offsetof(struct type, member) == (name), "translated_offsets.h")
CHECK_OFFSET(T_FS_BASE, vcpu, translated.fs_base);
CHECK_OFFSET(T_NOTHING, vcpu, translated.nothing);
CHECK_OFFSET(T_SEGMENTS, vcpu, seg);
CHECK_OFFSET(T_CACHED, vcpu, cached);
CHECK_OFFSET(T_CACHED_DESCRIPTOR, cached_descriptor, descriptor);
CHECK_OFFSET(T_CACHED_SEGMENT, cached_descriptor, segment);
CHECK_OFFSET(T_CACHED_TLB, cached_descriptor, tlb);
CHECK_OFFSET(T_CACHED_PAGE, cached_descriptor, page);
CHECK_OFFSET(T_CACHED_LA, cached_descriptor, la);
CHECK_OFFSET(T_CACHED_SELECTOR, cached_descriptor, selector);
CHECK_OFFSET(T_CACHED_FLAT, cached_descriptor, flat);
CHECK_OFFSET(T_CACHED_OPEN, cached_descriptor, open);
CHECK_OFFSET(T_TLB_READ_TAG, tlb_entry, read_tag);
CHECK_OFFSET(T_TLB_ADDEND, tlb_entry, addend);
_Static_assert(sizeof(struct segment) == T_SEGMENT_SIZE && offsetof(struct segment, base) == 0 &&
                   offsetof(struct segment, limit) == 4 && offsetof(struct segment, selector) == 8 &&
                   offsetof(struct segment, attr) == 10 && offsetof(struct segment, unusable) == 12,
               "translated_segment.S");
_Static_assert(sizeof(struct cached_descriptor) == 64, "translated_segment.S");
_Static_assert(X86_ES == 0 && X86_DS == 3 && X86_FS == 4 && X86_GS == 5, "translated_segment.S");

extern const char translated_load_es[], translated_pop_es[], translated_load_ds[], translated_pop_ds[],
    translated_load_fs[], translated_pop_fs[], translated_load_gs[], translated_pop_gs[];

static void set_way(struct vcpu *v, enum x86_sreg sreg, const char *load, const char *pop)
{
    v->translated.load_segment[sreg] = (uint64_t)(uintptr_t)load;
    v->translated.pop_segment[sreg] = (uint64_t)(uintptr_t)pop;
}

void translated_segment_init(struct vcpu *v)
{
    set_way(v, X86_ES, translated_load_es, translated_pop_es);
    set_way(v, X86_DS, translated_load_ds, translated_pop_ds);
    set_way(v, X86_FS, translated_load_fs, translated_pop_fs);
    set_way(v, X86_GS, translated_load_gs, translated_pop_gs);
}

void translated_segment_prepare(struct vcpu *v)
{
    if (likely(v->cached_from.base == v->gdt.base && v->cached_from.limit == v->gdt.limit))
        return;
    for (unsigned i = 0; i < CACHED_DESCRIPTORS; i++)
        v->cached[i].selector = 0;
    v->cached_from = v->gdt;
}

/* The descriptor's bytes by the TLB, if it has them in one page of memory; NULL: it has not. */
static const uint8_t *find(const struct vcpu *v, guest_la la, const struct tlb_entry **tlb)
{
    const struct tlb_entry *t = &v->tlb_system[la >> 12 & (TLB_SIZE - 1)];
    *tlb = t;
    return t->read_tag == ((la + 7) & ~0xfffu) ? tlb_host(t, la) : NULL;
}

void translated_segment_note(struct vcpu *v, enum x86_sreg sreg)
{
    const struct segment *s = &v->seg[sreg];
    struct cached_descriptor *c = &v->cached[s->selector >> 3 & (CACHED_DESCRIPTORS - 1)];
    guest_la la = v->gdt.base + (s->selector & ~7u);
    const struct tlb_entry *tlb;
    const uint8_t *bytes = find(v, la, &tlb);
    translated_segment_prepare(v);
    if (s->unusable || (s->selector & X86_SEL_TI) || !bytes || cpu_real_segments(v) || v->cpl != 0)
        return;
    *c = (struct cached_descriptor){ .descriptor = mem_load(bytes, 8),
                                     .tlb = tlb,
                                     .page = tlb->read_tag,
                                     .la = la,
                                     .selector = s->selector,
                                     .open =
                                         s->readable && s->writable && s->min == 0 && s->max == UINT32_MAX };
    c->flat = c->open && s->base == 0;
    __builtin_memcpy(c->segment, s, sizeof(c->segment));
    /* What the guest's memory has may be another one by now, or lack the accessed bit. */
    struct descriptor d = { .low = (uint32_t)c->descriptor, .high = (uint32_t)(c->descriptor >> 32) };
    if (desc_base(&d) != s->base || desc_limit(&d) != s->limit || desc_attr(&d) != s->attr ||
        !(s->attr & X86_SEG_A))
        c->selector = 0;
}
