/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Equivalents of string instructions where ES has base 0 and the guest's data lies higher (SCAN_ES_AT_ZERO).
 * With a segment base other than 0, REP MOVS and REP STOS are slow on some processors: 50 ns and more to
 * begin with, and a byte a cycle (docs/measurements.md). So the base goes into the index registers, and the
 * source is taken through ES too.
 */
#include "scan_snippet.h"

bool equivalent_uses_es(const struct insn *insn)
{
    return insn->op == X86_MOVS || insn->op == X86_STOS || insn->op == X86_CMPS || insn->op == X86_SCAS;
}

/* The prefixes but segment overrides, and the opcode. */
static void emit_string(struct emit *e, const struct guest_insn *guest, bool through_es)
{
    emit_begin(e);
    if (through_es)
        emit_u8(e, 0x26);
    for (unsigned i = 0; i < guest->insn.length; i++) {
        uint8_t byte = guest->bytes[i];
        bool override =
            byte == 0x26 || byte == 0x2e || byte == 0x36 || byte == 0x3e || byte == 0x64 || byte == 0x65;

        if (!override)
            emit_u8(e, byte);
    }
}

/*
 *     lea edi, [edi + data_base]
 *     lea esi, [esi + data_base]      MOVS, CMPS
 *     es rep movs
 *     lea esi, [esi - data_base]
 *     lea edi, [edi - data_base]
 */
bool equivalent_string(struct emit *e, const struct guest_insn *guest, unsigned variant)
{
    const struct insn *insn = &guest->insn;
    const uint32_t by = e->data_base, eip = guest->eip, next = equivalent_next(guest);
    bool source = insn->op == X86_MOVS || insn->op == X86_CMPS;
    bool data = insn->seg == X86_DS || insn->seg == X86_SS || insn->seg == X86_ES;

    (void)variant;
    if (insn->addr_size != 4 || (source && !data))
        return false;
    emit_guest(e, eip);
    equivalent_add(e, EDI, by);
    emit_guest_add(e, eip, EDI, -by);
    if (source) {
        equivalent_add(e, ESI, by);
        emit_guest_add_two(e, eip, ESI, EDI, -by);
    }
    emit_string(e, guest, source);
    if (source) {
        emit_guest_add_two(e, next, ESI, EDI, -by);
        equivalent_add(e, ESI, -by);
    }
    emit_guest_add(e, next, EDI, -by);
    equivalent_add(e, EDI, -by);
    emit_guest(e, next);
    return true;
}
