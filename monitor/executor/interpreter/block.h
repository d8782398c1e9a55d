/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The decoded-instruction cache: its layout, shared with the library side, which provides its memory, and what
 * the run loop asks of it.
 */
#pragma once

#include "cpu.h"

enum {
    BLOCK_INSNS_MAX = 48,
    BLOCK_SIZE_MAX = BLOCK_INSNS_MAX * X86_INSN_MAX, /* bytes */
    BLOCK_BUCKETS = 1 << 16,
};

/* A block's membership in the list of one frame; the second is for a block that crosses into another page. */
struct code_ref {
    struct block *block;
    struct code_ref *next;
};

/*
 * Instructions that follow each other in one page, decoded for one mode. A block holding one instruction
 * that crosses the page's end lies in two frames; it is never linked to, so that the second page's
 * translation is looked at every time.
 */
struct block {
    uint64_t frame;  /* RAM-file frame of the first byte */
    uint64_t frame2; /* of the bytes beyond the page's end, or FRAME_NONE */
    struct block *bucket_next;
    struct code_ref ref, ref2;
    uint16_t offset; /* of the first byte in its page */
    uint16_t size;   /* bytes in all */
    uint8_t mode;    /* MODE_* */
    bool stale;      /* its bytes were written: every uop leads back to the run loop */
    uint16_t count;  /* uops, the closing one included */
    struct uop uop[];
};

struct block_cache {
    uint8_t *pool;
    uint64_t pool_size, pool_used;
    struct uop *stale_entry; /* first uop of the stale block just run: to be redirected to its successor */
    uint32_t built;          /* blocks since the last flush ... */
    uint64_t built_at;       /* ... and icount when the newest was built */
    struct block *bucket[BLOCK_BUCKETS];
};

/* ---- block.c -------------------------------------------------------------------------------- */

/* The block to execute at CS:EIP in the current mode (plus MODE_STEP if step); builds it if needed. May
 * raise. */
const struct uop *block_lookup(struct vcpu *v, bool step);
/* Choose the handler of a decoded instruction for a uop by itself: with eip_off, n and len set already. Not
 * for branches, whose handlers would go on in blocks. */
void block_bind_alone(struct vcpu *v, const struct insn *in, unsigned mode, struct uop *u);
/* Between two runs: begin the cache anew if what is in use lies among much that is not. */
void block_renew(struct vcpu *v);
