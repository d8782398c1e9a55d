/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Guest segments as the host's: flat ones by selectors that are always there, others by LDT entries made on
 * demand and kept by their contents. Data segments get the split's base added. Executor process only.
 */
#pragma once

#include "native.h"

/* The flat data segment of the split, entry 1 of the LDT. 0 or -errno: the host gives no LDT. */
int host_segments_init(struct vcpu *v);

/* Selectors to run v's segments with. False: they cannot be had natively (a 16-bit stack, no LDT entry). */
bool host_segments(struct vcpu *v, struct native_segments *out);

/*
 * Changes whenever an LDT entry does, which loaded segment registers do not notice: FS and GS at least, which
 * Linux does not load anew. Never 0.
 */
uint64_t host_segments_written(void);

/*
 * Is a 64-bit code segment visible to CPL 3 besides those the scanner's guard knows (docs/scanning.md)? A far
 * transfer to it would leave compatibility mode unseen.
 */
bool host_segments_unguarded(void);
