/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How handlers go on at another address: by the link to a block in the same page, or by the jump cache.
 * Both stop at a block boundary when vcpu.pending asks for it. Executor side.
 */
#pragma once

#include "block.h"
#include "executor.h"

static ALWAYS_INLINE unsigned jump_slot(guest_la la)
{
    return (la ^ la >> 12) & (JUMP_CACHE_SIZE - 1);
}

/* Continue at v->eip (set, counted). Back to the run loop when the target is not known or it is asked for. */
static ALWAYS_INLINE const struct uop *flow_goto(struct vcpu *v)
{
    guest_la la = v->seg[X86_CS].base + v->eip;
    const struct jump_entry *j = &v->jump[jump_slot(la)];
    if (unlikely(j->la != la || j->tag != v->fetch_tag || v->pending))
        return NULL;
    DISPATCH(v, j->target);
}

/*
 * Might a block at v->eip reach beyond the CS limit? The jump cache knows linear addresses only, and what it
 * holds may have been looked up with another base. A flat CS need not ask.
 */
static ALWAYS_INLINE bool flow_near_limit(const struct vcpu *v)
{
    uint32_t limit = v->seg[X86_CS].limit;
    return v->eip > limit || limit - v->eip < BLOCK_SIZE_MAX;
}

/* The same as flow_goto() for a CS that need not be flat. */
static ALWAYS_INLINE const struct uop *flow_goto_checked(struct vcpu *v)
{
    if (unlikely(flow_near_limit(v)))
        return NULL;
    return flow_goto(v);
}

/* Slow half of flow_link(): find the block and remember it if it lies in the same page. block.c */
DECLARE_UOP(flow_link_slow);

/* Slow half of flow_far(). block.c */
DECLARE_UOP(flow_far_slow);

/*
 * Continue at v->eip, which is where uop u's taken path leads, to another page; CS is flat. The page may have
 * been mapped elsewhere since u was there last, and so may u's own.
 */
static ALWAYS_INLINE const struct uop *flow_far(struct vcpu *v, const struct uop *u)
{
    if (unlikely(u->link_tag != v->fetch_tag || u->link_la != v->eip || v->pending))
        return flow_far_slow(v, u);
    DISPATCH(v, u->link);
}

/*
 * Continue at v->eip, which is where uop u's taken path leads. Only uops bound as linkable use this: the
 * target lies in the page of the block itself, and CS is flat, so nothing but the block's end can change
 * what is there.
 */
static ALWAYS_INLINE const struct uop *flow_link(struct vcpu *v, const struct uop *u)
{
    if (unlikely(v->pending))
        return NULL;
    if (unlikely(!u->link))
        return flow_link_slow(v, u);
    DISPATCH(v, u->link);
}

/* A call with a flat CS goes on, at a target yet to be set: note where it returns to. */
static ALWAYS_INLINE void flow_note_return(struct vcpu *v, const struct uop *u, guest_la la)
{
    struct return_entry *e = &v->returns[v->return_top++ % RETURNS];
    e->la = la;
    e->tag = u->flags & UOP_LANDING ? v->fetch_tag : 0;
    e->landing = u + 1;
}

/* Continue at v->eip, which a RET has taken from the stack; CS is flat. */
static ALWAYS_INLINE const struct uop *flow_return(struct vcpu *v)
{
    const struct return_entry *e = &v->returns[--v->return_top % RETURNS];
    if (unlikely(e->la != v->eip || e->tag != v->fetch_tag))
        return flow_goto(v);
    return flow_link(v, e->landing);
}
