/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The bytes of a private page: originals, traps, and twin encodings. Later forms (jumps to snippets) belong
 * here too. Encodings: SDM 2A, "Instruction Format" and SDM 2D, "Opcode Map".
 */
#include "scan_private.h"

#include "policy.h"
#include "prefix.h"

static void widen(struct scan_range *range, unsigned offset)
{
    if (range->first == range->end)
        *range = (struct scan_range){ (uint16_t)offset, (uint16_t)(offset + 1) };
    else if (offset < range->first)
        range->first = (uint16_t)offset;
    else if (offset >= range->end)
        range->end = (uint16_t)(offset + 1);
}

void emit_byte(struct scan_page *page, unsigned offset, uint8_t byte)
{
    if (page->private_page[offset] == byte)
        return;
    page->private_page[offset] = byte;
    widen(&page->dirty, offset);
    widen(&page->changed, offset);
}

void emit_original(struct scan_page *page, unsigned offset)
{
    emit_byte(page, offset, page->original[offset]);
}

void emit_trap(struct scan_page *page, unsigned offset)
{
    emit_byte(page, offset, SCAN_TRAP_BYTE);
}

/* ---- Twins --------------------------------------------------------------------------------------- */

static uint8_t swap_reg_and_rm(uint8_t modrm)
{
    return (uint8_t)(0xc0 | (modrm & 7) << 3 | (modrm >> 3 & 7));
}

/*
 * The other opcode of an instruction between two registers, whose ModRM names them in the other order; -1 if
 * there is none. Bit 1 of ADD ... CMP and MOV is the direction; TEST and XCHG do not care.
 */
static int other_direction(const struct insn *insn)
{
    if (!insn->has_modrm || insn->modrm >> 6 != 3)
        return -1;
    if (insn->map == 0) {
        if ((insn->opcode < 0x40 && (insn->opcode & 7) < 4) || (insn->opcode & 0xfc) == 0x88)
            return insn->opcode ^ 2;
        return (insn->opcode & 0xfc) == 0x84 ? insn->opcode : -1;
    }
    if (insn->map != 1)
        return -1;
    switch (insn->opcode) {
    case 0x10: /* MOVUPS, MOVUPD, MOVSS, MOVSD: load and store forms */
    case 0x11:
    case 0x28: /* MOVAPS, MOVAPD */
    case 0x29:
        return insn->opcode ^ 1;
    case 0x6f: /* MOVQ (MMX), MOVDQA, MOVDQU */
    case 0x7f:
        return insn->opcode ^ 0x10;
    default:
        return -1;
    }
}

/* Prefixes, then the opcode of map 0 or 1, then ModRM: where the opcode byte is. */
static unsigned opcode_position(const struct insn *insn, const uint8_t *original)
{
    unsigned at = 0;

    while (x86_is_prefix(original[at]))
        at++;
    return at + insn->map;
}

static bool twin_by_direction(const struct insn *insn, const uint8_t *original, uint8_t *twin)
{
    unsigned at = opcode_position(insn, original);
    int opcode = other_direction(insn);

    if (opcode < 0)
        return false;
    twin[at] = (uint8_t)opcode;
    twin[at + 1] = swap_reg_and_rm(insn->modrm);
    return true;
}

/*
 * BSF, BSR with F2 or F3, which the guest's processor ignores: a segment prefix instead, the one that is in
 * force anyway.
 */
static bool twin_by_prefix(const struct insn *insn, const uint8_t *original, uint8_t *twin)
{
    static const uint8_t override[X86_SREG_COUNT] = {
        [X86_ES] = 0x26, [X86_CS] = 0x2e, [X86_SS] = 0x36, [X86_DS] = 0x3e, [X86_FS] = 0x64, [X86_GS] = 0x65,
    };

    if (insn->op != X86_BSF && insn->op != X86_BSR)
        return false;
    for (unsigned i = 0; x86_is_prefix(original[i]); i++)
        if (original[i] == 0xf2 || original[i] == 0xf3)
            twin[i] = override[insn->seg];
    return true;
}

bool emit_twin(const struct insn *insn, const uint8_t *original, uint8_t twin[X86_INSN_MAX])
{
    __builtin_memcpy(twin, original, insn->length);
    if (insn->prefixes & (X86_PFX_REP | X86_PFX_REPNE) && twin_by_prefix(insn, original, twin))
        return true;
    return twin_by_direction(insn, original, twin);
}
