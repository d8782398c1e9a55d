/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A stack that is being written or read by a transfer of control before anything is committed.
 * event.c, transfer.c and return.c gather everything that may fault first, and change registers last, so a
 * fault in the middle leaves the processor as it was. Executor side.
 */
#pragma once

#include "segment.h"

struct frame {
    struct segment ss;
    uint32_t esp;
    uint32_t error; /* of #SS when there is no room */
    bool inner;     /* a more privileged stack: written with supervisor rights */
};

/* Push on the current stack, or on the one the TSS has for privilege level `dpl`. */
void frame_open_same(struct vcpu *v, struct frame *f);
void frame_open_inner(struct vcpu *v, struct frame *f, unsigned dpl);
void frame_push(struct vcpu *v, struct frame *f, unsigned size, uint32_t value);
/* SS and ESP become the frame's. */
void frame_commit(struct vcpu *v, const struct frame *f);

/* Top of the stack `depth` bytes up, with the rights of the CPL (memory/mem.h has the same for 1 uop). */
uint32_t frame_peek(struct vcpu *v, uint32_t depth, unsigned size);

/*
 * CS:EIP become these, `cpl` the privilege level. The mode is recomputed, so SS must be committed before.
 */
void transfer_commit(struct vcpu *v, const struct segment *cs, uint32_t eip, unsigned cpl);
/* Raise #GP(0) unless eip is inside cs. */
void transfer_check_eip(struct vcpu *v, const struct segment *cs, uint32_t eip);

/* ---- transfer.c, return.c: instructions ------------------------------------------------------------ */

/* v is synced; each sets v->eip and everything else, or raises. opsize: 2 or 4. */
void far_jump(struct vcpu *v, uint16_t selector, uint32_t offset, unsigned opsize);
void far_call(struct vcpu *v, uint16_t selector, uint32_t offset, unsigned opsize);
void far_return(struct vcpu *v, uint32_t release, unsigned opsize);
void far_iret(struct vcpu *v, unsigned opsize);
