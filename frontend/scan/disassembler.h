/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Disassembly for listings, by capstone.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct disassembler;

struct disassembler *disassembler_new(bool code32, GError **error);
void disassembler_free(struct disassembler *disassembler);

/*
 * One instruction into `text`. What capstone does not know is named by the project's own decoder, and
 * what neither does is "(bad)".
 */
void disassembler_print(struct disassembler *disassembler, const uint8_t *bytes, size_t count,
                        uint32_t address, char *text, size_t size);
