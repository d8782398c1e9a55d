/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ROL in the place of ROR. `C1 CA 06` is ror edx, 6 and hides a far return; `C1 C2 1A` is rol edx, 26, has
 * the same length and result, hides nothing, and leaves another CF (and OF). So it is a twin only where the
 * instructions right behind it write these flags before anyone reads them. Until then the flags are owed:
 * whoever stops there, for a fault or an interrupt, computes them from the rotated register, which those
 * instructions leave alone. Hash functions are full of this. SDM 2B, "RCL/RCR/ROL/ROR".
 */
#include "scan_private.h"

enum {
    ROTATE_OPCODE = 0xc1,
    MODRM_ROL = 0xc0, /* with the register in the low bits */
    MODRM_ROR = 0xc8,
    WINDOW_MAX = 6, /* instructions that may owe */
    WINDOW_BYTES = WINDOW_MAX * X86_INSN_MAX,
    FLAG_CF = 1 << 0,
    FLAG_OF = 1 << 11,
};

bool rotate_is_ror(const struct insn *insn)
{
    return insn->map == 0 && insn->opcode == ROTATE_OPCODE && insn->op_size == 4 && insn->length == 3 &&
           (insn->modrm & 0xf8) == MODRM_ROR && (insn->imm & 31);
}

/* ---- The instructions behind it ------------------------------------------------------------------ */

enum effect {
    READS_OR_UNKNOWN,
    LEAVES, /* neither the flags nor the register */
    WRITES, /* CF and OF, without reading them */
};

static bool writes_register(const struct insn *insn, unsigned reg)
{
    const struct x86_operand *to = &insn->opnd[0];

    if (to->kind != X86_OPND_GPR)
        return false;
    return (to->size == 1 ? to->reg & 3 : to->reg) == reg;
}

static enum effect effect_on_flags(const struct insn *insn, unsigned reg)
{
    switch (insn->op) {
    case X86_MOV:
    case X86_MOVZX:
    case X86_MOVSX:
    case X86_LEA:
    case X86_BSWAP:
        return writes_register(insn, reg) ? READS_OR_UNKNOWN : LEAVES;
    case X86_ADD:
    case X86_SUB:
    case X86_AND:
    case X86_OR:
    case X86_XOR:
    case X86_CMP:
    case X86_TEST:
    case X86_NEG:
        return WRITES;
    case X86_ROL:
    case X86_ROR:
    case X86_SHL:
    case X86_SHR:
    case X86_SAR: /* by zero they leave the flags alone */
        return insn->opnd[1].kind == X86_OPND_IMM && (insn->imm & 31) ? WRITES : READS_OR_UNKNOWN;
    default:
        return READS_OR_UNKNOWN;
    }
}

/*
 * Walk from behind the rotation at `start` to the instruction that writes the flags; *passes says whether
 * `offset` is the start of one of those walked over, that one included. False: nobody is known to write them
 * in time, or some branch leads in between.
 */
static bool walk(const struct scan_page *page, unsigned start, unsigned reg, unsigned offset, bool *passes)
{
    unsigned at = start + 3;

    *passes = false;
    for (unsigned i = 0; i < WINDOW_MAX && at + X86_INSN_MAX <= SCAN_PAGE_SIZE; i++) {
        struct insn insn;

        if (bitmap_has(page->entry, at) ||
            x86_decode(page->original + at, X86_INSN_MAX, true, &insn) != X86_DECODE_OK)
            return false;
        *passes |= at == offset;
        switch (effect_on_flags(&insn, reg)) {
        case WRITES:
            return true;
        case LEAVES:
            at += insn.length;
            break;
        default:
            return false;
        }
    }
    return false;
}

bool rotate_may_be_rol(const struct scan_page *page, unsigned offset, const struct insn *insn)
{
    bool passes;

    return (page->mode.bits & SCAN_CODE32) && scan_mode_guard(&page->mode) != SCAN_GUARD_STRICT &&
           rotate_is_ror(insn) && walk(page, offset, insn->modrm & 7, offset, &passes);
}

void rotate_twin(const struct insn *insn, uint8_t twin[X86_INSN_MAX])
{
    twin[0] = ROTATE_OPCODE;
    twin[1] = (uint8_t)(MODRM_ROL | (insn->modrm & 7));
    twin[2] = (uint8_t)(32 - (insn->imm & 31));
}

/* ---- Who owes ------------------------------------------------------------------------------------ */

static bool is_rol_for_ror(const struct scan_page *page, unsigned start)
{
    const uint8_t *original = page->original + start, *twin = page->private_page + start;

    return mark_state(page, start) == MARK_TWIN && mark_end(page, start) == start + 3 &&
           original[0] == ROTATE_OPCODE && (original[1] & 0xf8) == MODRM_ROR && (twin[1] & 0xf8) == MODRM_ROL;
}

bool scan_flags_owed(const struct scan_page *page, unsigned offset, struct scan_owed *owed)
{
    unsigned first = offset > WINDOW_BYTES ? offset - WINDOW_BYTES : 0;

    if (!page->rotates)
        return false;
    for (unsigned start = first; start + 3 <= offset; start++) {
        unsigned reg = page->original[start + 1] & 7;
        bool passes;

        if (!is_rol_for_ror(page, start) || !walk(page, start, reg, offset, &passes) || !passes)
            continue;
        *owed = (struct scan_owed){
            .offset = (uint16_t)start,
            .reg = (uint8_t)reg,
            .count = page->original[start + 2] & 31,
        };
        return true;
    }
    return false;
}

/* Undo the rotation, and let the processor do it as the guest meant it. */
uint32_t scan_flags_paid(const struct scan_owed *owed, const uint32_t regs[8], uint32_t eflags)
{
    uint32_t result = regs[owed->reg], before = result << owed->count | result >> (32 - owed->count);
    bool carry, overflow;

    __asm__("rorl %%cl, %0" : "+r"(before), "=@ccc"(carry), "=@cco"(overflow) : "c"(owed->count));
    return (eflags & ~(FLAG_CF | FLAG_OF)) | (carry ? FLAG_CF : 0) | (overflow ? FLAG_OF : 0);
}

/* Before `target` becomes an entry: a rotation whose debt whoever comes there would meet has to do without.
 */
void rotate_entered(struct scan_page *page, unsigned target)
{
    struct scan_owed owed;

    while (scan_flags_owed(page, target, &owed))
        rules_demote(page, owed.offset, SCAN_HIDDEN, 1);
}
