/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Private to the handlers of system instructions: who binds what, and what several of them use.
 * bind_system() in system.c asks the files in turn. Their uops keep operand registers as plain register
 * numbers, not register-file indices (see system_bind()). Executor side.
 */
#pragma once

#include "mem.h"
#include "segment.h"

/* A row of a file's table. `ends`: the block ends after the instruction, always. */
struct system_row {
    uint16_t op; /* enum x86_op */
    bool ends;
    uop_fn *run;
};

struct system_table {
    const struct system_row *row;
    unsigned count;
};

#define SYSTEM_TABLE(rows)                                                                                   \
    {                                                                                                        \
        (rows), sizeof(rows) / sizeof((rows)[0])                                                             \
    }

extern const struct system_table system_tables_table;  /* LGDT .. ARPL: system_tables.c */
extern const struct system_table system_control_table; /* MOV CR, DR, CLTS, HLT ..: system_control.c */
extern const struct system_table system_msr_table;     /* RDMSR .. SYSEXIT, CPUID: system_msr.c */
extern const struct system_table system_far_table;     /* far transfers, INT: system_far.c */

/* Files whose handler depends on more than the operation. false: not mine. */
bool bind_sreg(const struct insn *in, struct uop *u, bool *ends); /* system_sreg.c */
bool bind_flags(const struct insn *in, struct uop *u);            /* system_flags.c */
bool bind_io(const struct insn *in, struct uop *u);               /* system_io.c */

static ALWAYS_INLINE unsigned operand_size(const struct uop *u)
{
    return u->flags & UOP_O16 ? 2 : 4;
}

/* An instruction that is over: go on at the next one through the run loop. v is synced. */
static ALWAYS_INLINE const struct uop *finish(struct vcpu *v)
{
    v->eip = v->next_eip;
    return exec_end(v);
}

/*
 * A synced instruction that could have changed the mode: stay in the block when it did not. `mode` is the
 * mode before.
 */
static ALWAYS_INLINE const struct uop *finish_in_mode(struct vcpu *v, const struct uop *u, uint8_t mode)
{
    if (unlikely(v->mode != mode))
        return finish(v);
    cpu_unsync(v, u);
    NEXT(v, u);
}

/* Privileged instructions: SDM 3A, "Privileged Instructions". */
static ALWAYS_INLINE void require_cpl0(struct vcpu *v, const struct uop *u)
{
    if (unlikely(v->cpl != 0))
        raise_error(v, u, X86_GP, 0);
}

/* Instructions that exist in protected mode only: #UD in real and virtual-8086 mode. */
static ALWAYS_INLINE void require_protected(struct vcpu *v, const struct uop *u)
{
    if (unlikely(cpu_real_segments(v)))
        raise_exception(v, u, X86_UD);
}

/* A 16-bit operand that is memory or the register in u->dst (or in u->src). */
static inline uint16_t read_rm16(struct vcpu *v, const struct uop *u, unsigned reg)
{
    if (u->flags & UOP_MEM)
        return (uint16_t)mem_read(v, u, ea_checked(v, u, 2, false), 2);
    return v->gpr.w[reg * 2];
}

/* A selector or the like: 16 bits to memory, zero-extended to a register of the operand size. */
static inline void write_rm16(struct vcpu *v, const struct uop *u, uint16_t value)
{
    if (u->flags & UOP_MEM)
        mem_write(v, u, ea_checked(v, u, 2, true), 2, value);
    else if (operand_size(u) == 4)
        v->gpr.d[u->dst] = value;
    else
        v->gpr.w[u->dst * 2] = value;
}

/* Read an offset of the operand size and the selector after it. */
static inline uint32_t read_far_pointer(struct vcpu *v, const struct uop *u, uint16_t *selector)
{
    unsigned size = operand_size(u);
    uint32_t at = ea_offset(v, u), next = at + size;

    if (u->flags & UOP_A16)
        next &= 0xffff; /* two operands, each with an address of its own */
    guest_la la = seg_linear(v, u, u->seg, at, size, false);
    uint32_t offset = size == 4 ? (uint32_t)mem_read(v, u, la, 4) : (uint32_t)mem_read(v, u, la, 2);
    *selector = (uint16_t)mem_read(v, u, seg_linear(v, u, u->seg, next, 2, false), 2);
    return offset;
}
