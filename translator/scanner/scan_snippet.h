/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Snippets: equivalents of guest instructions, and their place in the snippet page. For the files of the
 * scanner only.
 */
#pragma once

#include "emit.h"

struct guest_insn {
    struct insn insn;
    const uint8_t *bytes;
    uint32_t eip; /* linear */
};

/* ---- scan_equivalent.c --------------------------------------------------------------------------- */

/*
 * Append code that does what the guest's instruction does and in which the guard finds nothing, seen by
 * itself. Afterwards e->now is the state of the next guest instruction, unless control never gets there.
 * False: there is none, and nothing was appended.
 */
bool equivalent_emit(struct emit *e, const struct guest_insn *guest, enum scan_guard guard);

/* Does the guard object to the code from a byte on, by itself, wherever its jumps go? */
bool equivalent_is_objected(const struct emit *e, unsigned first, enum scan_guard guard);

/* For the ways to make an equivalent, in the files below. */
enum {
    EQUIVALENT_SHIFTS = 20, /* sums that take a bad byte out of a constant */
    EQUIVALENT_TEMP_VARIANTS = 2 * EQUIVALENT_SHIFTS,
    EQUIVALENT_FLOW_VARIANTS = 2 * EQUIVALENT_SHIFTS,
};

extern const uint32_t equivalent_shifts[EQUIVALENT_SHIFTS];

static inline uint32_t equivalent_next(const struct guest_insn *guest)
{
    return guest->eip + guest->insn.length;
}

/* MOVS, STOS, CMPS, SCAS: the instructions that use ES unasked. */
bool equivalent_uses_es(const struct insn *insn);

/* General registers an instruction names, and those it uses without naming them; a bit each. */
uint8_t equivalent_named(const struct insn *insn);
uint8_t equivalent_implied(const struct insn *insn);
/* A register's name where a and b have exchanged theirs. */
unsigned equivalent_swapped(unsigned reg, unsigned a, unsigned b);
bool equivalent_has_kind(const struct insn *insn, unsigned kind);
/* The `choice`-th register of `among` the instruction does not use; -1: none. */
int equivalent_temp(const struct insn *insn, uint8_t among, unsigned choice);

/* Is what was appended since `start` the one instruction `expected`? */
bool equivalent_is_written(const struct emit *e, unsigned start, const struct insn *expected);
/* Append an instruction from its fields; false (and nothing appended) if they do not make `expected`. */
bool equivalent_emit_shape(struct emit *e, const struct shape *shape, const struct insn *expected);
/* lea reg, [reg + by] */
void equivalent_add(struct emit *e, unsigned reg, uint32_t by);

/*
 * Each way appends one variant of an equivalent, from 0 up to its number of variants; false: not this one,
 * and the caller takes back what was appended.
 *
 * scan_equivalent_flow.c, scan_equivalent_fpu.c, scan_equivalent_scratch.c, scan_equivalent_string.c
 */
bool equivalent_flow(struct emit *e, const struct guest_insn *guest, unsigned variant);
bool equivalent_string(struct emit *e, const struct guest_insn *guest, unsigned variant);
bool equivalent_turned_fpu(struct emit *e, const struct guest_insn *guest, unsigned variant);
bool equivalent_vector_in_scratch(struct emit *e, const struct guest_insn *guest, unsigned variant);
bool equivalent_address_in_temp(struct emit *e, const struct guest_insn *guest, unsigned variant);
bool equivalent_constant_in_temp(struct emit *e, const struct guest_insn *guest, unsigned variant);
bool equivalent_factor_in_temp(struct emit *e, const struct guest_insn *guest, unsigned variant);

/* ---- scan_promote.c ------------------------------------------------------------------------------ */

enum { RUN_MAX = 24 };

/* Neighbouring instructions, in order, each falling into the next. */
struct run {
    unsigned first, end, count;
    uint16_t start[RUN_MAX];
};

/* May the instruction at `offset` run in a snippet? Then *guest is what it is. */
bool run_takes(const struct scan_page *page, unsigned offset, struct guest_insn *guest);
/* May the run go on with what begins at `offset`, as far as others come there? */
bool run_may_go_on(const struct scan_page *page, unsigned offset);
/* Nothing else that was scanned shares bytes with the run, but traps that begin before it. */
bool run_is_alone(const struct scan_page *page, const struct run *run);

/* ---- scan_loop.c --------------------------------------------------------------------------------- */

enum { LOOP_SWAPS = 56, LOOP_VARIANTS }; /* the last one exchanges nothing */

/* The innermost loop around the instruction at `offset`, if it is short and straight. */
bool loop_find(const struct scan_page *page, unsigned offset, struct run *run);
/* Code for all of it. False: not in this variant. */
bool loop_emit(const struct scan_page *page, const struct run *run, unsigned variant, struct emit *e);

/* ---- scan_snippet.c ------------------------------------------------------------------------------ */

enum { PATCH_MAX = 128 };

/* What a range of the private page becomes. */
struct patch {
    unsigned first, size;
    unsigned jump; /* bytes up to the end of the jump or branch; behind it, traps */
    unsigned rel;  /* where its rel32 is */
    unsigned start_count;
    uint8_t starts[PATCH_MAX]; /* instructions that begin in it: these must trap when jumped to */
    uint8_t bytes[PATCH_MAX];
};

/* Find a place for the code where neither it nor the patch hides anything. False: there is none. */
bool snippet_place(const struct scan_page *page, struct emit *e, struct patch *patch, unsigned *at);
/* Copy it there, and its steps into the page's table. */
void snippet_commit(struct scan_page *page, const struct emit *e, unsigned at);
/* Is there room for its steps? */
bool snippet_fits(const struct scan_page *page, const struct emit *e);

/* A processor that fetches this byte first traps or faults at CPL 3, whatever follows. */
bool snippet_byte_traps(uint8_t byte);
