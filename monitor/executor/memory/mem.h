/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Guest memory access as handlers use it: effective address, segment check, TLB hit; all inline. What
 * misses goes to mem.c. Executor side.
 *
 * A TLB entry is found by the page of the first byte and compared with the page of the last one, so an
 * access that crosses a page misses without a test of its own.
 */
#pragma once

#include "executor.h"

/* ---- mem.c: what misses, and the TLBs ------------------------------------------------------------ */

/* Slow paths behind the inline accessors below. size 1, 2, 4 or 8; the value is zero-extended. */
uint64_t mem_read_slow(struct vcpu *v, const struct uop *u, guest_la la, unsigned size);
void mem_write_slow(struct vcpu *v, const struct uop *u, guest_la la, unsigned size, uint64_t value);
/* Fault as a read would, but read nothing; the TLB has the page afterwards, if it may. */
void mem_probe_read(struct vcpu *v, const struct uop *u, guest_la la, unsigned size);
/* Read-modify-write: fault as a write would before anything is read; then use mem_read and mem_write. */
void mem_probe_write(struct vcpu *v, const struct uop *u, guest_la la, unsigned size);
/* Up to 512 bytes, any alignment; all pages are checked before the first byte is written. */
void mem_read_bytes(struct vcpu *v, const struct uop *u, guest_la la, void *to, unsigned size);
void mem_write_bytes(struct vcpu *v, const struct uop *u, guest_la la, const void *from, unsigned size);
/* With supervisor rights whatever the CPL (descriptor tables, TSS, gates). v is synced. */
uint64_t mem_system_read(struct vcpu *v, guest_la la, unsigned size);
void mem_system_write(struct vcpu *v, guest_la la, unsigned size, uint64_t value);
void mem_system_probe_write(struct vcpu *v, guest_la la, unsigned size);

/* Forget every cached translation (CR0, CR4, EFER change), or those of one page (INVLPG). */
void tlb_flush(struct vcpu *v);
/* A load of CR3: forget all but those of global pages, which may be forgotten, too. */
void tlb_flush_space(struct vcpu *v);
void tlb_flush_page(struct vcpu *v, guest_la la);
/* What the jump cache holds is no longer valid. */
void tlb_new_generation(struct vcpu *v);
/* A RAM-file frame became code, or stopped being: cached write permission for it must go. */
void tlb_forbid_writes(struct vcpu *v, uint64_t frame);

/* ---- processor/segment.c ----------------------------------------------------------------------------- */

/* An access outside the segment: raise #GP(0) or #SS(0). */
NORETURN void seg_fault(struct vcpu *v, const struct uop *u, unsigned sreg);

/* ---- inline accessors -------------------------------------------------------------------------------- */

typedef uint16_t __attribute__((may_alias, aligned(1))) mem_u16;
typedef uint32_t __attribute__((may_alias, aligned(1))) mem_u32;
typedef uint64_t __attribute__((may_alias, aligned(1))) mem_u64;

/* Host address of a linear address whose page the entry maps; the compiler learns that it is not NULL. */
static ALWAYS_INLINE uint8_t *tlb_host(const struct tlb_entry *t, guest_la la)
{
    uint8_t *p = (uint8_t *)(uintptr_t)(la + t->addend);
    if (!p)
        __builtin_unreachable();
    return p;
}

/* Host address of guest bytes [la, la+size) when the TLB allows a read (or write), else NULL. */
static ALWAYS_INLINE uint8_t *mem_hit_read(const struct vcpu *v, guest_la la, unsigned size)
{
    const struct tlb_entry *t = &v->tlb[la >> 12 & (TLB_SIZE - 1)];
    if (likely(((la + (size - 1)) & ~0xfffu) == t->read_tag))
        return tlb_host(t, la);
    return NULL;
}

static ALWAYS_INLINE uint8_t *mem_hit_write(const struct vcpu *v, guest_la la, unsigned size)
{
    const struct tlb_entry *t = &v->tlb[la >> 12 & (TLB_SIZE - 1)];
    if (likely(((la + (size - 1)) & ~0xfffu) == t->write_tag))
        return tlb_host(t, la);
    return NULL;
}

/* 1, 2, 4 or 8 bytes at a host address, whatever its alignment. */
static ALWAYS_INLINE uint64_t mem_load(const uint8_t *p, unsigned size)
{
    switch (size) {
    case 1:
        return *p;
    case 2:
        return *(const mem_u16 *)p;
    case 4:
        return *(const mem_u32 *)p;
    default:
        return *(const mem_u64 *)p;
    }
}

static ALWAYS_INLINE void mem_store(uint8_t *p, unsigned size, uint64_t value)
{
    switch (size) {
    case 1:
        *p = (uint8_t)value;
        break;
    case 2:
        *(mem_u16 *)p = (uint16_t)value;
        break;
    case 4:
        *(mem_u32 *)p = (uint32_t)value;
        break;
    default:
        *(mem_u64 *)p = value;
        break;
    }
}

/* Read or write 1, 2, 4 or 8 bytes at a linear address with the rights of the CPL. size is a constant. */
static ALWAYS_INLINE uint64_t mem_read(struct vcpu *v, const struct uop *u, guest_la la, unsigned size)
{
    const uint8_t *p = mem_hit_read(v, la, size);
    return likely(p) ? mem_load(p, size) : mem_read_slow(v, u, la, size);
}

static ALWAYS_INLINE void mem_write(struct vcpu *v, const struct uop *u, guest_la la, unsigned size,
                                    uint64_t value)
{
    uint8_t *p = mem_hit_write(v, la, size);
    if (likely(p))
        mem_store(p, size, value);
    else
        mem_write_slow(v, u, la, size, value);
}

/*
 * Hot handlers come in pairs stamped out from one template: the fast one makes no calls but tail calls, so
 * it needs no stack frame; when an access misses the TLB it hands the whole instruction to its slow twin,
 * which uses mem_read() and mem_write(). These two return false on a miss when `slow` is not NULL.
 */
static ALWAYS_INLINE bool mem_try_read(struct vcpu *v, const struct uop *u, guest_la la, unsigned size,
                                       uop_fn *slow, uint32_t *value)
{
    const uint8_t *p = mem_hit_read(v, la, size);
    if (unlikely(!p)) {
        if (slow)
            return false;
        *value = (uint32_t)mem_read_slow(v, u, la, size);
        return true;
    }
    *value = (uint32_t)mem_load(p, size);
    return true;
}

static ALWAYS_INLINE bool mem_try_write(struct vcpu *v, const struct uop *u, guest_la la, unsigned size,
                                        uop_fn *slow, uint32_t value)
{
    uint8_t *p = mem_hit_write(v, la, size);
    if (unlikely(!p)) {
        if (slow)
            return false;
        mem_write_slow(v, u, la, size, value);
        return true;
    }
    mem_store(p, size, value);
    return true;
}

#define SLOW_HANDLER(name)                                                                                   \
    static DECLARE_UOP(name);                                                                                \
    static __attribute__((noinline, cold)) const struct uop *name(struct vcpu *v, const struct uop *u)

/* Defines handler `name` and its slow twin from `call`, an expression in v, u and slow. */
#define HANDLER_PAIR(name, call)                                                                             \
    SLOW_HANDLER(name##_slow)                                                                                \
    {                                                                                                        \
        uop_fn *const slow = NULL;                                                                           \
        return call;                                                                                         \
    }                                                                                                        \
    HANDLER(name)                                                                                            \
    {                                                                                                        \
        uop_fn *const slow = name##_slow;                                                                    \
        return call;                                                                                         \
    }

/* The same with a slow twin of another kind: it needs locals in memory, and `work` is what it does. */
#define HANDLER_PAIR_APART(name, call, work)                                                                 \
    static __attribute__((noinline, cold)) void name##_work(struct vcpu *v, const struct uop *u)             \
    {                                                                                                        \
        work;                                                                                                \
    }                                                                                                        \
    SLOW_HANDLER(name##_slow)                                                                                \
    {                                                                                                        \
        name##_work(v, u);                                                                                   \
        NEXT(v, u);                                                                                          \
    }                                                                                                        \
    HANDLER(name)                                                                                            \
    {                                                                                                        \
        uop_fn *const slow = name##_slow;                                                                    \
        return call;                                                                                         \
    }

/* ---- Effective addresses ------------------------------------------------------------------------- */

/* Offset of the memory operand within its segment, 32-bit addressing. */
static ALWAYS_INLINE uint32_t ea_offset32(const struct vcpu *v, const struct uop *u)
{
    return v->gpr.d[u->base] + (v->gpr.d[u->index] << u->scale) + u->disp;
}

static ALWAYS_INLINE uint32_t ea_offset(const struct vcpu *v, const struct uop *u)
{
    uint32_t offset = ea_offset32(v, u);
    return u->flags & UOP_A16 ? offset & 0xffff : offset;
}

/*
 * Check an access of `size` bytes at `offset` of segment `sreg` and return its linear address; raises
 * #GP(0) or #SS(0).
 */
static ALWAYS_INLINE guest_la seg_linear(struct vcpu *v, const struct uop *u, unsigned sreg, uint32_t offset,
                                         unsigned size, bool write)
{
    const struct segment *s = &v->seg[sreg];
    bool ok = (write ? s->writable : s->readable) && offset >= s->min && offset <= s->max &&
              size - 1 <= s->max - offset;
    if (unlikely(!ok))
        seg_fault(v, u, sreg);
    return s->base + offset;
}

/* Linear address of the uop's memory operand, segment-checked for an access of `size` bytes. */
static ALWAYS_INLINE guest_la ea_checked(struct vcpu *v, const struct uop *u, unsigned size, bool write)
{
    return seg_linear(v, u, u->seg, ea_offset(v, u), size, write);
}

/*
 * Handlers come in two forms: flat ones for 32-bit addressing through a segment that MODE_FLAT vouches
 * for, where offset and linear address are the same and nothing needs checking; and checked ones.
 */
enum ea_form { EA_FLAT, EA_CHECKED };

static ALWAYS_INLINE guest_la ea_linear(struct vcpu *v, const struct uop *u, enum ea_form form, unsigned size,
                                        bool write)
{
    return form == EA_FLAT ? ea_offset32(v, u) : ea_checked(v, u, size, write);
}

/* May the flat form serve this memory operand? Not through CS, which is never writable and perhaps not
 * readable. */
static inline bool ea_is_flat(const struct uop *u, unsigned mode)
{
    return (mode & MODE_FLAT) && !(u->flags & UOP_A16) && u->seg != X86_CS && u->seg != X86_FS &&
           u->seg != X86_GS;
}

/* ---- Operands of handlers that are not worth a form of their own --------------------------------------- */

/* Read operand 0 or 1 (register file or memory); size is 1, 2 or 4. */
static inline uint32_t opnd_read_dst(struct vcpu *v, const struct uop *u, unsigned size)
{
    if (u->flags & UOP_DST_MEM)
        return (uint32_t)mem_read(v, u, ea_checked(v, u, size, false), size);
    return gpr_read(v, u->dst, size);
}

static inline uint32_t opnd_read_src(struct vcpu *v, const struct uop *u, unsigned size)
{
    if ((u->flags & (UOP_MEM | UOP_DST_MEM)) == UOP_MEM)
        return (uint32_t)mem_read(v, u, ea_checked(v, u, size, false), size);
    return gpr_read(v, u->src, size);
}

static inline void opnd_write_dst(struct vcpu *v, const struct uop *u, unsigned size, uint32_t value)
{
    if (u->flags & UOP_DST_MEM)
        mem_write(v, u, ea_checked(v, u, size, true), size, value);
    else
        gpr_write(v, u->dst, size, value);
}

/* ---- Stack, any SS --------------------------------------------------------------------------------------
 */

static inline uint32_t stack_mask(const struct vcpu *v)
{
    return v->mode & MODE_STACK32 ? 0xffffffffu : 0xffffu;
}

/* Set ESP or SP. */
static inline void stack_set(struct vcpu *v, uint32_t esp)
{
    uint32_t mask = stack_mask(v);
    v->gpr.d[X86_ESP] = (v->gpr.d[X86_ESP] & ~mask) | (esp & mask);
}

/* Value `depth` bytes above the top of the stack; ESP is not changed. */
static inline uint32_t stack_peek(struct vcpu *v, const struct uop *u, uint32_t depth, unsigned size)
{
    uint32_t offset = (v->gpr.d[X86_ESP] + depth) & stack_mask(v);
    return (uint32_t)mem_read(v, u, seg_linear(v, u, X86_SS, offset, size, false), size);
}

/* Store at `depth` bytes below the top of the stack; ESP is not changed. */
static inline void stack_poke(struct vcpu *v, const struct uop *u, uint32_t depth, unsigned size,
                              uint32_t value)
{
    uint32_t offset = (v->gpr.d[X86_ESP] - depth) & stack_mask(v);
    mem_write(v, u, seg_linear(v, u, X86_SS, offset, size, true), size, value);
}
