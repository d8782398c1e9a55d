/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The opcode lists made into tables: four maps of 256 forms, and one array that holds everything a map's
 * row may point on to (prefix cells, groups, ModRM.rm rows). Nothing here but expansions of the lists.
 */
#include "opcodes.h"

#include "opcode_groups.h"

/* The method of each operand code as a constant, so that a row knows by itself whether it has a ModRM. */
#define METHOD_CONSTANT(code, method, reg_bytes, mem_bytes) METHOD_OF_##code = METHOD_##method,
enum { X86_OPERAND_CODES(METHOD_CONSTANT) };
#undef METHOD_CONSTANT

#define HAS(code)         ((int)METHOD_OF_##code <= METHOD_LAST_MODRM)
#define IGNORES_MOD(code) ((int)METHOD_OF_##code == METHOD_MOV_RM)
#define MODRM(a, b, c)                                                                                       \
    ((IGNORES_MOD(a) || IGNORES_MOD(b)) ? FORM_MODRM_IGNORES_MOD                                             \
     : (HAS(a) || HAS(b) || HAS(c))     ? FORM_MODRM                                                         \
                                        : FORM_NO_MODRM)

/* clang-format off */

#define INSN(kind_, name, a, b, c, class, isa_) \
    { .kind = (kind_), .op = X86_##name, .class_ = X86_##class, .isa = X86_ISA_##isa_, \
      .modrm = MODRM(a, b, c), .operand = { OPERAND_##a, OPERAND_##b, OPERAND_##c } }
#define FORM(name, a, b, c, class, isa) INSN(FORM_INSN, name, a, b, c, class, isa)
#define CHOICE(kind_, member) { .kind = (kind_), .next = SUBTABLE(member) }

/* Cells of SIMD rows. */
#define F(name, a, b, c, isa) FORM(name, a, b, c, KEEP, isa)
#define L(name, a, b, c) FORM(name, a, b, c, INVALID, LATER)
#define MODS(pair) CHOICE(FORM_BY_MOD, mods_##pair)
#define UD FORM(BAD, xx, xx, xx, INVALID, BASE)

/* Rows of groups: eight for memory, then eight for registers. */
#define BOTH(reg, ...) [(reg)] = FORM(__VA_ARGS__), [8 + (reg)] = FORM(__VA_ARGS__),
#define MEM(reg, ...)  [(reg)] = FORM(__VA_ARGS__),
#define REG(reg, ...)  [8 + (reg)] = FORM(__VA_ARGS__),
#define RMS(reg, list) [8 + (reg)] = CHOICE(FORM_BY_RM, rms_##list),
#define BY_RM(rm, ...) [(rm)] = FORM(__VA_ARGS__),

/*
 * The subtables: a struct of arrays of forms, so that the compiler lays them out and gives their places.
 * First the members each map needs, then everything in one struct.
 */
#define SIMD(opcode, ...) struct form cells_##opcode[4];
#define GROUP(opcode, ...) struct form regs_##opcode[16];
#define GROUPS(opcode, ...) struct form cells_##opcode[4]; struct form regs_##opcode[4][16];
struct subtables_one_byte {
#include "opcodes_one_byte.inc"
};

#define SIMD(opcode, ...) struct form cells_##opcode[4];
#define GROUP(opcode, ...) struct form regs_##opcode[16];
#define GROUPS(opcode, ...) struct form cells_##opcode[4]; struct form regs_##opcode[4][16];
struct subtables_0f {
#include "opcodes_0f.inc"
};

#define SIMD(opcode, ...) struct form cells_##opcode[4];
struct subtables_0f38 {
#include "opcodes_0f38.inc"
};

#define SIMD(opcode, ...) struct form cells_##opcode[4];
struct subtables_0f3a {
#include "opcodes_0f3a.inc"
};

#define RM_MEMBER(name, rows) struct form rms_##name[8];
#define MOD_MEMBER(name, mem, reg) struct form mods_##name[2];
struct subtables {
    struct subtables_one_byte one_byte;
    struct subtables_0f map_0f;
    struct subtables_0f38 map_0f38;
    struct subtables_0f3a map_0f3a;
    X86_RM_LISTS(RM_MEMBER)
    X86_MOD_PAIRS(MOD_MEMBER)
};
#undef RM_MEMBER
#undef MOD_MEMBER

#define SUBTABLE(member) (offsetof(struct subtables, member) / sizeof(struct form))
_Static_assert(sizeof(struct subtables) / sizeof(struct form) <= UINT16_MAX, "form.next is 16 bits wide");
_Static_assert(sizeof(struct subtables) % sizeof(struct form) == 0, "subtables are one array of forms");

#define RM_ROWS(name, rows) .rms_##name = { rows },
#define MOD_ROWS(name, mem, reg) .mods_##name = { mem, reg },

static const struct subtables subtables = {
    .one_byte = {
#define SIMD(opcode, ...) .cells_##opcode = { __VA_ARGS__ },
#define GROUP(opcode, list, a, b) .regs_##opcode = { list(a, b) },
#include "opcodes_one_byte.inc"
    },
    .map_0f = {
#define SIMD(opcode, ...) .cells_##opcode = { __VA_ARGS__ },
#define GROUP(opcode, list, a, b) .regs_##opcode = { list(a, b) },
#define GROUPS(opcode, none, p66, pf3, pf2) \
    .cells_##opcode = { CHOICE(FORM_BY_REG, map_0f.regs_##opcode[0]), \
                        CHOICE(FORM_BY_REG, map_0f.regs_##opcode[1]), \
                        CHOICE(FORM_BY_REG, map_0f.regs_##opcode[2]), \
                        CHOICE(FORM_BY_REG, map_0f.regs_##opcode[3]) }, \
    .regs_##opcode = { { none(xx, xx) }, { p66(xx, xx) }, { pf3(xx, xx) }, { pf2(xx, xx) } },
#include "opcodes_0f.inc"
    },
    .map_0f38 = {
#define SIMD(opcode, ...) .cells_##opcode = { __VA_ARGS__ },
#include "opcodes_0f38.inc"
    },
    .map_0f3a = {
#define SIMD(opcode, ...) .cells_##opcode = { __VA_ARGS__ },
#include "opcodes_0f3a.inc"
    },
    X86_RM_LISTS(RM_ROWS)
    X86_MOD_PAIRS(MOD_ROWS)
};

const struct form *const opcodes_subtable = (const struct form *)&subtables;

/* The maps. */
#define ROW_OP(opcode, name, a, b, c, class) [(opcode)] = FORM(name, a, b, c, class, BASE),
#define ROW_EXT(opcode, ...) [(opcode)] = FORM(__VA_ARGS__),
#define ROW_VEX(opcode, name, a, b, c, class) [(opcode)] = INSN(FORM_VEX, name, a, b, c, class, BASE),
#define ROW_PREFIX(opcode, prefix, segment) \
    [(opcode)] = { .kind = FORM_PREFIX, .op = X86_PFX_##prefix, .operand = { (segment) } },
#define ROW_ESCAPE(opcode) [(opcode)] = { .kind = FORM_ESCAPE },
#define ROW_NONE(opcode) [(opcode)] = UD,

const struct form opcodes_map[OPCODE_MAP_COUNT][OPCODE_MAP_ROWS] = {
    {
#define OP ROW_OP
#define EXT ROW_EXT
#define VEX ROW_VEX
#define PREFIX ROW_PREFIX
#define ESCAPE ROW_ESCAPE
#define NONE ROW_NONE
#define SIMD(opcode, ...) [(opcode)] = CHOICE(FORM_BY_PREFIX, one_byte.cells_##opcode),
#define GROUP(opcode, ...) [(opcode)] = CHOICE(FORM_BY_REG, one_byte.regs_##opcode),
#include "opcodes_one_byte.inc"
    },
    {
#define OP ROW_OP
#define EXT ROW_EXT
#define ESCAPE ROW_ESCAPE
#define NONE ROW_NONE
#define SIMD(opcode, ...) [(opcode)] = CHOICE(FORM_BY_PREFIX, map_0f.cells_##opcode),
#define GROUP(opcode, ...) [(opcode)] = CHOICE(FORM_BY_REG, map_0f.regs_##opcode),
#define GROUPS(opcode, ...) [(opcode)] = CHOICE(FORM_BY_PREFIX, map_0f.cells_##opcode),
#include "opcodes_0f.inc"
    },
    {
#define NONE ROW_NONE
#define SIMD(opcode, ...) [(opcode)] = CHOICE(FORM_BY_PREFIX, map_0f38.cells_##opcode),
#include "opcodes_0f38.inc"
    },
    {
#define NONE ROW_NONE
#define SIMD(opcode, ...) [(opcode)] = CHOICE(FORM_BY_PREFIX, map_0f3a.cells_##opcode),
#include "opcodes_0f3a.inc"
    },
};

/*
 * The lists are whole and in order: the rows of a map number themselves, and each number must be the
 * opcode the row states. (-Woverride-init refuses an opcode given twice.)
 */
#define EVERY_ROW(opcode) NUMBER_ONE_BYTE_##opcode,
enum {
#include "opcodes_one_byte.inc"
    NUMBER_ONE_BYTE_ROWS
};
#define EVERY_ROW(opcode) NUMBER_0F_##opcode,
enum {
#include "opcodes_0f.inc"
    NUMBER_0F_ROWS
};
#define EVERY_ROW(opcode) NUMBER_0F38_##opcode,
enum {
#include "opcodes_0f38.inc"
    NUMBER_0F38_ROWS
};
#define EVERY_ROW(opcode) NUMBER_0F3A_##opcode,
enum {
#include "opcodes_0f3a.inc"
    NUMBER_0F3A_ROWS
};
_Static_assert(NUMBER_ONE_BYTE_ROWS == (int)OPCODE_MAP_ROWS, "the one-byte map has 256 rows");
_Static_assert(NUMBER_0F_ROWS == (int)OPCODE_MAP_ROWS, "the 0F map has 256 rows");
_Static_assert(NUMBER_0F38_ROWS == (int)OPCODE_MAP_ROWS, "the 0F 38 map has 256 rows");
_Static_assert(NUMBER_0F3A_ROWS == (int)OPCODE_MAP_ROWS, "the 0F 3A map has 256 rows");

#define EVERY_ROW(opcode) _Static_assert(NUMBER_ONE_BYTE_##opcode == (opcode), "rows stand in order");
#include "opcodes_one_byte.inc"
#define EVERY_ROW(opcode) _Static_assert(NUMBER_0F_##opcode == (opcode), "rows stand in order");
#include "opcodes_0f.inc"
#define EVERY_ROW(opcode) _Static_assert(NUMBER_0F38_##opcode == (opcode), "rows stand in order");
#include "opcodes_0f38.inc"
#define EVERY_ROW(opcode) _Static_assert(NUMBER_0F3A_##opcode == (opcode), "rows stand in order");
#include "opcodes_0f3a.inc"

/* Groups have eight rows for memory and eight for registers, ModRM.rm lists eight. */
#undef BOTH
#undef MEM
#undef REG
#undef RMS
#undef BY_RM
#define BOTH(reg, ...) +0x0101
#define MEM(reg, ...)  +0x0001
#define REG(reg, ...)  +0x0100
#define RMS(reg, list) +0x0100
#define BY_RM(rm, ...) +1
#define WHOLE(list, a, b) _Static_assert((0 list(a, b)) == 0x0808, "a group has eight rows of each kind");
#define WHOLE_RM(name, rows) _Static_assert((0 rows) == 8, "a ModRM.rm list has eight rows");

#define GROUP(opcode, list, a, b) WHOLE(list, a, b)
#include "opcodes_one_byte.inc"
#define GROUP(opcode, list, a, b) WHOLE(list, a, b)
#define GROUPS(opcode, none, p66, pf3, pf2) \
    WHOLE(none, xx, xx) WHOLE(p66, xx, xx) WHOLE(pf3, xx, xx) WHOLE(pf2, xx, xx)
#include "opcodes_0f.inc"
X86_RM_LISTS(WHOLE_RM)

/* clang-format on */
