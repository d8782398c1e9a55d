/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Disassembly for listings and reports. Capstone has the words, the project's decoder the facts: versions of
 * capstone differ in branch targets and far transfers, and in what they know at all.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct disassembler;

/*
 * `offsets`: addresses are offsets in the code segment, so that a branch of 16-bit operand size goes to 16
 * bits of offset. Without it they are linear ones, and as the segment's base is not known, such a target is
 * not cut. NULL if capstone does not work here.
 */
struct disassembler *disassembler_new(bool code32, bool offsets);
void disassembler_free(struct disassembler *disassembler);

/*
 * One instruction into `text`; its length, or 0 and "(bad)" if nobody knows it. What capstone does not know,
 * or takes for longer or shorter than it is, the decoder names.
 */
unsigned disassembler_print(struct disassembler *disassembler, const uint8_t *bytes, size_t count,
                            uint32_t address, char *text, size_t size);
