/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The decoded-instruction cache: blocks of uops keyed by the RAM-file frame, offset and mode of their first
 * instruction. Keys are physical, so page-table changes drop nothing; the jump cache in front of it is
 * linear and is forgotten by the fetch tag. Memory is a pool, filled front to back and forgotten whole.
 * A write to cached bytes makes every uop of the block return to the run loop, so a store into the
 * running block takes effect with the next instruction, as on the processors modelled.
 * Executor side. SDM 3A, "Self-Modifying Code".
 */
#include "block.h"

#include "bind.h"
#include "flow.h"
#include "fpu_state.h"
#include "news.h"
#include "paging.h"

/* ---- Special uops
 * --------------------------------------------------------------------------------------------- */

HANDLER(block_invalid_opcode)
{
    raise_exception(v, u, X86_UD);
}

HANDLER(block_too_long)
{
    raise_error(v, u, X86_GP, 0);
}

/* Closing uop: fall through to what follows the block. imm: size of the block; n counts it as one more. */
HANDLER(block_fall)
{
    v->eip += u->imm;
    v->icount += u->n - 1u;
    return flow_goto_checked(v);
}

HANDLER(block_fall_link)
{
    v->eip += u->imm;
    v->icount += u->n - 1u;
    return flow_link(v, u);
}

/* In a block whose bytes were written. */
HANDLER(block_stale)
{
    v->eip += u->eip_off;
    v->icount += u->n - 1u;
    if (u->eip_off == 0)
        v->blocks->stale_entry = (struct uop *)(uintptr_t)u;
    return NULL;
}

/* First uop of a stale block whose place another one took: links to the old one still work. */
HANDLER(block_redirect)
{
    const struct uop *target = u->link;
    /* Halve chains of replaced blocks as they are walked. */
    if (target->run == block_redirect)
        ((struct uop *)(uintptr_t)u)->link = target->link;
    DISPATCH(v, target);
}

/* No memory at CS:EIP: an idle bus reads FF FF, which is no instruction. */
static const struct uop open_bus[] = { { .run = block_invalid_opcode, .n = 1, .len = 2 } };

/* ---- Keys and lists
 * ---------------------------------------------------------------------------------------------- */

static unsigned bucket_of(uint64_t frame, unsigned offset, unsigned mode)
{
    uint64_t key = (frame << 12 | offset) ^ (uint64_t)mode << 50;
    return (unsigned)(key * 0x9e3779b97f4a7c15ull >> 48) & (BLOCK_BUCKETS - 1);
}

static struct block *find(struct vcpu *v, uint64_t frame, unsigned offset, unsigned mode)
{
    for (struct block *b = v->blocks->bucket[bucket_of(frame, offset, mode)]; b; b = b->bucket_next) {
        if (b->frame == frame && b->offset == offset && b->mode == mode)
            return b;
    }
    return NULL;
}

static uint64_t granules_of(unsigned offset, unsigned size)
{
    unsigned first = offset / 64, last = (offset + size - 1) / 64;
    return (~0ull << first) & (~0ull >> (63 - last));
}

/* Bytes of the block that lie in `frame`. */
static void extent_in(const struct block *b, uint64_t frame, unsigned *offset, unsigned *size)
{
    unsigned first = 4096 - b->offset;
    bool second = frame == b->frame2 && frame != b->frame;
    *offset = second ? 0 : b->offset;
    *size = second ? b->size - first : b->size < first ? b->size : first;
}

static void add_ref(struct vcpu *v, uint64_t frame, struct block *b, struct code_ref *ref)
{
    struct code_frame *f = &v->code_frame[frame];
    unsigned offset, size;
    extent_in(b, frame, &offset, &size);
    if (!frame_has_code(v, frame))
        sbe_frame_is_code(v, frame);
    f->granules |= granules_of(offset, size);
    ref->block = b;
    ref->next = f->refs;
    f->refs = ref;
}

static void insert(struct vcpu *v, struct block *b)
{
    struct block **bucket = &v->blocks->bucket[bucket_of(b->frame, b->offset, b->mode)];
    b->bucket_next = *bucket;
    *bucket = b;
    add_ref(v, b->frame, b, &b->ref);
    if (b->frame2 != FRAME_NONE && b->frame2 != b->frame)
        add_ref(v, b->frame2, b, &b->ref2);
}

static void unlink_ref(struct vcpu *v, uint64_t frame, struct block *b)
{
    struct code_frame *f = &v->code_frame[frame];
    uint64_t granules = 0;
    struct code_ref **at = &f->refs;
    while (*at) {
        struct code_ref *ref = *at;
        if (ref->block == b) {
            *at = ref->next;
            continue;
        }
        unsigned offset, size;
        extent_in(ref->block, frame, &offset, &size);
        granules |= granules_of(offset, size);
        at = &ref->next;
    }
    f->granules = granules;
}

static void drop(struct vcpu *v, struct block *b)
{
    struct block **at = &v->blocks->bucket[bucket_of(b->frame, b->offset, b->mode)];
    while (*at && *at != b)
        at = &(*at)->bucket_next;
    if (*at)
        *at = b->bucket_next;
    unlink_ref(v, b->frame, b);
    if (b->frame2 != FRAME_NONE && b->frame2 != b->frame)
        unlink_ref(v, b->frame2, b);
    b->stale = true;
    for (unsigned i = 0; i < b->count; i++)
        b->uop[i].run = block_stale;
    v->stats.blocks_dropped++;
}

void block_written(struct vcpu *v, uint64_t frame, unsigned offset, unsigned size)
{
    struct code_frame *f = &v->code_frame[frame];
    if (!(f->granules & granules_of(offset, size)))
        return;
    struct code_ref *next;
    for (struct code_ref *ref = f->refs; ref; ref = next) {
        unsigned start, length;
        next = ref->next;
        extent_in(ref->block, frame, &start, &length);
        if (start < offset + size && offset < start + length)
            drop(v, ref->block);
    }
}

/* The frame's private pages, if any, are not ours to forget. */
static void forget_refs(struct code_frame *f)
{
    f->granules = 0;
    f->refs = NULL;
}

void block_flush(struct vcpu *v)
{
    struct block_cache *c = v->blocks;
    for (unsigned i = 0; i < BLOCK_BUCKETS; i++) {
        for (struct block *b = c->bucket[i]; b; b = b->bucket_next) {
            forget_refs(&v->code_frame[b->frame]);
            if (b->frame2 != FRAME_NONE)
                forget_refs(&v->code_frame[b->frame2]);
        }
        c->bucket[i] = NULL;
    }
    for (unsigned i = 0; i < JUMP_CACHE_SIZE; i++)
        v->jump[i] = (struct jump_entry){ .target = NULL };
    for (unsigned i = 0; i < RETURNS; i++)
        v->returns[i] = (struct return_entry){ .landing = NULL };
    c->pool_used = 0;
    c->built = 0;
    c->stale_entry = NULL;
    fpu_pool_reset(v);
    v->stats.cache_flushes++;
}

/*
 * Blocks lie in the order in which they were built, so those in use are scattered among those that a boot, or
 * a program that has ended, left behind; and when the caches are cold, as at a timer tick that meets a busy
 * program, every page of them costs a walk of the host's tables. Decoded once more they lie in the order of
 * their execution.
 */
enum {
    RENEW_BLOCKS = 8192,       /* what decoding twice costs at most is one more of these for each */
    RENEW_QUIET = 4000 * 1000, /* instructions without a new block: what is in use has been built */
};

void block_renew(struct vcpu *v)
{
    const struct block_cache *c = v->blocks;
    if (c->built < RENEW_BLOCKS || v->icount - c->built_at < RENEW_QUIET)
        return;
    block_flush(v);
    v->counts.renewals++;
}

/* ---- Building
 * ------------------------------------------------------------------------------------------------------ */

static uint8_t opnd_index(const struct x86_operand *o)
{
    return o->kind == X86_OPND_GPR ? gpr_index(o->reg, o->size) : o->reg;
}

/* What every handler finds in its uop. */
static void fill(const struct insn *in, struct uop *u)
{
    static const struct {
        uint8_t prefix, flag;
    } flags[] = { { X86_PFX_REP, UOP_REP }, { X86_PFX_REPNE, UOP_REPNE }, { X86_PFX_LOCK, UOP_LOCK } };
    u->imm = in->imm;
    u->disp = in->disp;
    u->extra = in->imm2;
    u->len = in->length;
    u->dst = opnd_index(&in->opnd[0]);
    u->src = opnd_index(&in->opnd[1]);
    u->base = in->base;
    u->index = in->index;
    u->scale = in->scale;
    u->seg = in->seg;
    u->flags = (uint8_t)((in->addr_size == 2 ? UOP_A16 : 0) | (in->op_size == 2 ? UOP_O16 : 0));
    for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        if (in->prefixes & flags[i].prefix)
            u->flags |= flags[i].flag;
    }
    if (in->opnd[0].kind == X86_OPND_MEM)
        u->flags |= UOP_MEM | UOP_DST_MEM;
    else if (in->opnd[1].kind == X86_OPND_MEM || in->opnd[2].kind == X86_OPND_MEM)
        u->flags |= UOP_MEM;
    u->aux = 0;
}

/* Choose the handler; an instruction nobody takes does not exist on this processor. */
static void bind(struct vcpu *v, const struct insn *in, unsigned mode, unsigned block_offset, struct uop *u,
                 bool *ends)
{
    fill(in, u);
    if (!(in->prefixes & X86_PFX_LOCK) || in->lockable) {
        if (in->class_ != X86_INVALID &&
            (bind_integer(in, mode, u, ends) || bind_branch(in, mode, u, block_offset, ends) ||
             bind_stack(in, mode, u, ends) || bind_string(in, mode, u, ends) ||
             bind_system(in, mode, u, ends) || bind_fpu(v, in, mode, u, ends)))
            return;
    }
    u->run = block_invalid_opcode;
    *ends = true;
}

void block_bind_alone(struct vcpu *v, const struct insn *in, unsigned mode, struct uop *u)
{
    bool ends = false;
    bind(v, in, mode, 0, u, &ends);
}

struct source {
    const uint8_t *bytes;
    unsigned size;
};

/* Decode from `source` into b->uop until the line ends. Returns whether the last instruction ends it for
 * good. */
static bool decode_line(struct vcpu *v, struct block *b, struct source source, unsigned max)
{
    unsigned at = 0, n = 0;
    bool ends = false;
    while (!ends && n < max && at < source.size) {
        struct insn in;
        struct uop *u = &b->uop[n];
        enum x86_decode_status status =
            x86_decode(source.bytes + at, source.size - at, b->mode & MODE_CODE32, &in);
        if (status == X86_DECODE_MORE)
            break;
        *u = (struct uop){ .eip_off = (uint16_t)at, .n = (uint8_t)(n + 1), .len = in.length };
        if (status == X86_DECODE_OK) {
            bind(v, &in, b->mode & ~MODE_STEP, b->offset, u, &ends);
        } else {
            u->run = status == X86_DECODE_TOO_LONG ? block_too_long : block_invalid_opcode;
            u->len = status == X86_DECODE_TOO_LONG ? X86_INSN_MAX : in.length;
            ends = true;
        }
        at += u->len;
        n++;
    }
    b->size = (uint16_t)at;
    b->count = (uint16_t)n;
    return ends;
}

static void close_line(struct block *b)
{
    struct uop *u = &b->uop[b->count];
    bool in_page = b->offset + b->size < 4096u && (b->mode & MODE_FLAT);
    *u = (struct uop){ .run = in_page ? block_fall_link : block_fall,
                       .eip_off = b->size,
                       .imm = b->size,
                       .n = (uint8_t)(b->count + 1) };
    b->count++;
}

static bool pool_has_room(const struct vcpu *v)
{
    return v->blocks->pool_size - v->blocks->pool_used >=
           sizeof(struct block) + (BLOCK_INSNS_MAX + 1) * sizeof(struct uop);
}

/*
 * An instruction that crosses into the next page: fetched in two parts; the second page's fault is reported
 * at its first byte, but the segment's limit comes first (SDM 3A, "Priority Among Concurrent Events").
 */
static unsigned gather(struct vcpu *v, guest_la la, uint64_t frame, unsigned offset, uint8_t *bytes,
                       uint64_t *frame2)
{
    unsigned first = 4096 - offset;
    if (v->seg[X86_CS].limit - v->eip < first)
        raise_error(v, NULL, X86_GP, 0);
    __builtin_memcpy(bytes, v->map.ram + (frame << 12) + offset, first);
    *frame2 = paging_fetch(v, la + first);
    for (unsigned i = first; i < X86_INSN_MAX; i++)
        bytes[i] = *frame2 == FRAME_NONE ? 0xff : v->map.ram[(*frame2 << 12) + i - first];
    return X86_INSN_MAX;
}

static struct block *build(struct vcpu *v, guest_la la, uint64_t frame, unsigned offset, unsigned mode)
{
    struct block_cache *c = v->blocks;
    if (!pool_has_room(v))
        block_flush(v);
    struct block *b = (struct block *)(c->pool + c->pool_used);
    *b = (struct block){
        .frame = frame, .frame2 = FRAME_NONE, .offset = (uint16_t)offset, .mode = (uint8_t)mode
    };
    struct source source = { v->map.ram + (frame << 12) + offset, 4096 - offset };
    unsigned max = mode & MODE_STEP ? 1 : BLOCK_INSNS_MAX;
    bool ends = decode_line(v, b, source, max);
    if (b->count == 0) {
        uint8_t bytes[X86_INSN_MAX];
        source = (struct source){ bytes, gather(v, la, frame, offset, bytes, &b->frame2) };
        ends = decode_line(v, b, source, 1);
    }
    if (v->native->full) {
        /* Out of native code slots: start over with everything empty. */
        block_flush(v);
        return build(v, la, frame, offset, mode);
    }
    if (!ends || (b->uop[b->count - 1].flags & UOP_LANDING))
        close_line(b);
    uint64_t size = sizeof(*b) + b->count * sizeof(struct uop);
    c->pool_used += (size + 63) & ~63ull;
    insert(v, b);
    v->stats.blocks_built++;
    c->built++;
    c->built_at = v->icount;
    return b;
}

/* ---- Look-up
 * -----------------------------------------------------------------------------------------------------------
 */

/* Does the second page still hold what the block was decoded from? */
static bool second_page_holds(struct vcpu *v, guest_la la, const struct block *b)
{
    return b->frame2 == FRAME_NONE || paging_fetch(v, la + (4096 - b->offset)) == b->frame2;
}

static struct block *find_or_build(struct vcpu *v, guest_la la, unsigned mode)
{
    uint64_t frame = paging_fetch(v, la);
    unsigned offset = la & 0xfff;
    if (frame == FRAME_NONE)
        return NULL;
    struct block *b = find(v, frame, offset, mode);
    if (b && !second_page_holds(v, la, b)) {
        drop(v, b);
        b = NULL;
    }
    return b ? b : build(v, la, frame, offset, mode);
}

/* The block must lie inside CS; one that reaches beyond is run an instruction at a time. */
static struct block *within_limit(struct vcpu *v, guest_la la, struct block *b)
{
    uint32_t limit = v->seg[X86_CS].limit;
    if (b->size - 1u <= limit - v->eip)
        return b;
    b = find_or_build(v, la, v->mode | MODE_STEP);
    if (b && b->size - 1u > limit - v->eip)
        raise_error(v, NULL, X86_GP, 0);
    return b;
}

static struct block *block_of_entry(const struct uop *first)
{
    return (struct block *)((uintptr_t)first - offsetof(struct block, uop));
}

/*
 * The stale block that was entered last leads to its successor from now on. An interrupt may have come in
 * between, so that b is another one; after a flush the entry's memory may be something else by now.
 */
static void redirect_stale(struct uop *entry, const struct block *b)
{
    const struct block *old = block_of_entry(entry);
    if (entry->run != block_stale || old == b || old->frame != b->frame || old->offset != b->offset ||
        old->mode != b->mode)
        return;
    entry->link = b->uop;
    entry->run = block_redirect;
}

const struct uop *block_lookup(struct vcpu *v, bool step)
{
    guest_la la = v->seg[X86_CS].base + v->eip;
    struct jump_entry *j = &v->jump[jump_slot(la)];
    struct uop *stale = v->blocks->stale_entry;
    if (!step && !stale && j->la == la && j->tag == v->fetch_tag && j->target->run != block_stale &&
        !flow_near_limit(v))
        return j->target;
    v->blocks->stale_entry = NULL;
    if (v->eip > v->seg[X86_CS].limit)
        raise_error(v, NULL, X86_GP, 0);
    struct block *b = find_or_build(v, la, v->mode | (step ? MODE_STEP : 0));
    if (b)
        b = within_limit(v, la, b);
    if (!b)
        return open_bus;
    if (!step && !(b->mode & MODE_STEP))
        *j = (struct jump_entry){ .la = la, .tag = v->fetch_tag, .target = b->uop };
    if (stale)
        redirect_stale(stale, b);
    return b->uop;
}

/* Blocks that a link may lead to: not those that are for one entry only. */
static bool can_be_linked(const struct uop *target)
{
    const struct block *b = block_of_entry(target);
    return b->frame2 == FRAME_NONE && !(b->mode & MODE_STEP);
}

const struct uop *flow_far_slow(struct vcpu *v, const struct uop *u)
{
    if (v->pending)
        return NULL;
    uint64_t flushes = v->stats.cache_flushes;
    const struct uop *target = block_lookup(v, false);
    if (target == open_bus)
        return target;
    /* After a flush u's memory may be another block's. */
    if (can_be_linked(target) && v->stats.cache_flushes == flushes) {
        struct uop *from = (struct uop *)(uintptr_t)u;
        from->link = target;
        from->link_tag = v->fetch_tag;
        from->link_la = v->eip;
    }
    DISPATCH(v, target);
}

const struct uop *flow_link_slow(struct vcpu *v, const struct uop *u)
{
    uint64_t flushes = v->stats.cache_flushes;
    guest_la la = v->seg[X86_CS].base + v->eip;
    const struct uop *target = block_lookup(v, false);
    if (target == open_bus)
        return target;
    bool here = block_of_entry(target)->offset == (la & 0xfff) && can_be_linked(target);
    /* After a flush u's memory may be another block's. */
    if (here && v->stats.cache_flushes == flushes)
        ((struct uop *)(uintptr_t)u)->link = target;
    DISPATCH(v, target);
}
