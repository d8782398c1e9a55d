/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Binding: decoded instruction to handler. false: not mine. Executor side.
 */
#pragma once

#include "executor.h"

/*
 * u has all fields filled in from the instruction but run (and link/native/extra beyond imm2). Sets u->run.
 * *ends is set when the instruction always leaves the straight line or may change the mode.
 */
bool bind_integer(const struct insn *in, unsigned mode, struct uop *u,
                  bool *ends);                                                     /* integer.c, alu.c, ... */
bool bind_string(const struct insn *in, unsigned mode, struct uop *u, bool *ends); /* string.c */
/* string.c. Are these the bytes, in 32-bit code, of a repeated string instruction without ports? */
bool string_repeats(const uint8_t *bytes, unsigned size);
/* branch.c; block_offset: of the block's first byte in its page, to tell which targets lie there too */
bool bind_branch(const struct insn *in, unsigned mode, struct uop *u, unsigned block_offset, bool *ends);
bool bind_stack(const struct insn *in, unsigned mode, struct uop *u, bool *ends);  /* stack.c */
bool bind_system(const struct insn *in, unsigned mode, struct uop *u, bool *ends); /* system.c and friends */
bool bind_fpu(struct vcpu *v, const struct insn *in, unsigned mode, struct uop *u,
              bool *ends); /* fpu.c, simd.c */
