/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The opcode tables: what a row of the lists says, and the form it becomes. The lists are
 *   opcodes_one_byte.inc, opcodes_0f.inc, opcodes_0f38.inc, opcodes_0f3a.inc   the maps, 256 rows each
 *   opcode_groups.h                                                          ModRM.reg and x87 rows
 *   operand_codes.h                                                          what Ev, Gv, Jz ... mean
 * docs/decoding.md explains how to read and extend them.
 *
 * Rows of a map (an includer defines those it cares about and then includes the map):
 *   OP(opcode, name, a, b, c, class)        an instruction, operands destination first
 *   EXT(opcode, name, a, b, c, class, isa)  the same, with the CPUID feature it came with
 *   SIMD(opcode, none, 66, f3, f2)          one cell for each mandatory prefix: F(name, a, b, c, isa);
 * L(name, a, b, c), of a later processor; MODS(pair); or UD GROUP(opcode, list, E, I)               ModRM.reg
 * decides; E and I are operands the list may use GROUPS(opcode, none, 66, f3, f2)        a mandatory prefix
 * chooses the list first VEX(opcode, name, a, b, c, class)       an instruction, unless the next byte makes
 * it VEX, EVEX or XOP PREFIX(opcode, prefix, segment)         ESCAPE(opcode)          NONE(opcode) A
 * mandatory prefix without a cell is no instruction: processors raise #UD, they do not ignore it.
 */
#pragma once

#include "operand_codes.h"

enum form_kind {
    FORM_INSN,      /* a whole instruction */
    FORM_BY_PREFIX, /* four forms: no prefix, 66, F3, F2 */
    FORM_BY_REG,    /* sixteen: by ModRM.reg for memory, then for registers */
    FORM_BY_RM,     /* eight: by ModRM.rm */
    FORM_BY_MOD,    /* two: memory, register */
    FORM_VEX,       /* as FORM_INSN, unless VEX, EVEX or XOP */
    FORM_PREFIX,    /* op is the enum x86_prefix, operand[0] the segment */
    FORM_ESCAPE,    /* never looked up: the decoder handles escapes before the tables */
};

enum form_modrm {
    FORM_NO_MODRM,
    FORM_MODRM,
    FORM_MODRM_IGNORES_MOD, /* MOV to and from CR, DR, TR */
};

struct form {
    uint8_t kind;  /* enum form_kind */
    uint8_t modrm; /* enum form_modrm: what the operands need */
    uint16_t op;   /* enum x86_op */
    uint16_t next; /* where in opcodes_subtable the forms to choose from begin */
    uint8_t class_;
    uint8_t isa;
    uint8_t operand[3]; /* enum operand_code */
};

enum { OPCODE_MAP_COUNT = 4, OPCODE_MAP_ROWS = 256 };

extern const struct form opcodes_map[OPCODE_MAP_COUNT][OPCODE_MAP_ROWS];
extern const struct form *const opcodes_subtable;
