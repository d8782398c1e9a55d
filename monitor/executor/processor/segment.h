/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Descriptors and the checks that loading a segment register makes, for the files that transfer control.
 * SDM 3A, "Protection" and "Segment Descriptors". Everything here works on a synced processor and raises
 * its faults at the current instruction. Executor side.
 */
#pragma once

#include "executor.h"

/* Raw descriptor fields. */
struct descriptor {
    uint32_t low, high;
    guest_la la; /* where it was read, for the accessed and busy bits */
};

/* ---- Fields of descriptors ---------------------------------------------------------------------------- */

/* Type with the S flag above it: code and data are 16..31, the rest is enum x86_system_type. */
static inline unsigned desc_type(const struct descriptor *d)
{
    return d->high >> 8 & 0x1f;
}

static inline uint16_t desc_attr(const struct descriptor *d)
{
    return (uint16_t)(d->high >> 8 & 0xf0ff);
}

static inline unsigned desc_dpl(const struct descriptor *d)
{
    return d->high >> 13 & 3;
}

static inline bool desc_present(const struct descriptor *d)
{
    return d->high & X86_SEG_P << 8;
}

static inline bool desc_is_code(const struct descriptor *d)
{
    return (d->high >> 8 & (X86_SEG_S | X86_SEG_CODE)) == (X86_SEG_S | X86_SEG_CODE);
}

static inline bool desc_is_conforming(const struct descriptor *d)
{
    return d->high >> 8 & X86_SEG_C;
}

static inline bool desc_is_writable_data(const struct descriptor *d)
{
    return (d->high >> 8 & (X86_SEG_S | X86_SEG_CODE | X86_SEG_W)) == (X86_SEG_S | X86_SEG_W);
}

/* Data, or code that may be read. */
static inline bool desc_is_readable(const struct descriptor *d)
{
    uint32_t attr = d->high >> 8;
    return (attr & X86_SEG_S) && (!(attr & X86_SEG_CODE) || (attr & X86_SEG_R));
}

static inline uint32_t desc_base(const struct descriptor *d)
{
    return d->low >> 16 | (d->high & 0xff) << 16 | (d->high & 0xff000000);
}

static inline uint32_t desc_limit(const struct descriptor *d)
{
    uint32_t limit = (d->low & 0xffff) | (d->high & 0xf0000);
    return d->high >> 8 & X86_SEG_G ? limit << 12 | 0xfff : limit;
}

/* Gates: where they lead. */
static inline uint16_t gate_selector(const struct descriptor *d)
{
    return (uint16_t)(d->low >> 16);
}

/* Gates and TSSs: 32-bit type? */
static inline bool desc_is_32(const struct descriptor *d)
{
    return d->high >> 8 & 8;
}

static inline uint32_t gate_offset(const struct descriptor *d)
{
    return (d->low & 0xffff) | (desc_is_32(d) ? d->high & 0xffff0000 : 0);
}

static inline bool selector_is_null(uint16_t selector)
{
    return !(selector & ~X86_SEL_RPL);
}

static inline unsigned selector_rpl(uint16_t selector)
{
    return selector & X86_SEL_RPL;
}

/* ---- Reading and loading (segment.c) ---------------------------------------------------------------------
 */

/* Error code that names a selector: SDM 3A, "Error Code"; EXT while an event from outside is delivered. */
uint32_t selector_error(const struct vcpu *v, uint16_t selector);
NORETURN void raise_selector(struct vcpu *v, uint8_t vector, uint16_t selector);

/* Read the descriptor; false: the selector is outside its table (or there is no LDT). */
bool desc_lookup(struct vcpu *v, uint16_t selector, struct descriptor *d);
/* The same, but raise `vector` with the selector when it is outside. */
void desc_fetch(struct vcpu *v, uint16_t selector, uint8_t vector, struct descriptor *d);
/* Set the accessed flag in the table if it is clear. May raise #PF. */
void desc_mark_accessed(struct vcpu *v, struct descriptor *d);

/* Fill a segment from a descriptor, with its derived fields. */
void seg_fill(struct vcpu *v, struct segment *s, uint16_t selector, const struct descriptor *d);
void seg_make_null(struct segment *s, uint16_t selector);
/* The segment the fast system call instructions load: flat, 32-bit, with this DPL. */
void seg_fill_flat(struct vcpu *v, struct segment *s, uint16_t selector, bool code, unsigned dpl);

/*
 * All checks of loading a stack segment for privilege level `cpl`, and of loading a data segment at the
 * current one; selector errors are raised with `vector` (#GP, or #TS inside task and stack switches).
 */
void seg_check_stack(struct vcpu *v, uint16_t selector, unsigned cpl, uint8_t vector, struct segment *s);
void seg_check_data(struct vcpu *v, uint16_t selector, unsigned cpl, uint8_t vector, struct segment *s);

/* Real-mode style, into a segment that is not a register yet: what V86 has at `selector`. */
void seg_fill_v86(struct vcpu *v, struct segment *s, uint16_t selector);

/* Data segments a less privileged level may not keep become null: SDM 2B, "RET",
 * RETURN-TO-OUTER-PRIVILEGE-LEVEL. */
void seg_drop_privileged(struct vcpu *v, unsigned cpl);
/* Derived fields of all registers again, after CR0.PE changed. */
void seg_derive_all(struct vcpu *v);

/* Are [offset, offset + size) inside the segment? Says nothing about its type. */
static inline bool seg_contains(const struct segment *s, uint32_t offset, uint32_t size)
{
    return offset >= s->min && offset <= s->max && size - 1 <= s->max - offset;
}

/* ---- I/O permission and interrupt redirection bitmaps of the TSS (tss.c)
 * --------------------------------------- */

/* IN, OUT, INS, OUTS: raise #GP(0) unless IOPL or the I/O permission bitmap allows the ports. */
void tss_check_io(struct vcpu *v, const struct uop *u, uint16_t port, unsigned size);
/* VME: does INT n go to the 8086 program's own handler (bit clear)? */
bool tss_int_redirected(struct vcpu *v, uint8_t vector);
/* Stack for privilege level `dpl` as the current TSS has it; checked and loadable. */
void tss_inner_stack(struct vcpu *v, unsigned dpl, struct segment *ss, uint32_t *esp);

/* Offsets in a 32-bit TSS: SDM 3A, "Task-State Segment (TSS)". */
enum { TSS32_IOMAP = 0x66, TSS32_LIMIT = 0x67, TSS16_LIMIT = 0x2b };

static inline bool tss_is_32(const struct segment *tr)
{
    return tr->attr & 8;
}

/* ---- Segment registers, for instructions ------------------------------------------------------------ */

/* Recompute the derived fields after base, limit, attr or selector changed. */
void seg_derive(struct vcpu *v, struct segment *s);
/* MOV/POP/LxS to a data segment register, any mode: all checks, faults at the current (synced) instruction.
 */
void seg_load(struct vcpu *v, enum x86_sreg sreg, uint16_t selector);
/* Real-mode style: base = selector * 16; limit and attributes as the mode has it. */
void seg_load_real(struct vcpu *v, enum x86_sreg sreg, uint16_t selector);
