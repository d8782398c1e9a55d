/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Equivalents of x87 instructions between two stack registers, where the second one is ST(2), ST(3) or ST(7):
 * their ModRM is CA, CB or CF. The stack is turned by FINCSTP, which moves no value and no tag, until ST(i)
 * is on top; ST(0) is then ST(8 - i), and the instruction with its operands in the other roles is the same.
 * SDM 2A, "FINCSTP", "FMUL", "FXCH". Differs from hardware: C1 is 0 after a multiplication, and not whether
 * it was rounded up.
 */
#include "scan_snippet.h"

enum turned_op { TURNED_NONE, TURNED_XCHG, TURNED_MUL_TOP, TURNED_MUL, TURNED_MUL_POP };

static enum turned_op turned_op(const struct insn *insn)
{
    if (insn->map != 0 || !insn->has_modrm || (insn->modrm & 0xf8) != 0xc8)
        return TURNED_NONE;
    switch (insn->opcode) {
    case 0xd8:
        return TURNED_MUL_TOP;
    case 0xd9:
        return TURNED_XCHG;
    case 0xdc:
        return TURNED_MUL;
    case 0xde:
        return TURNED_MUL_POP;
    default:
        return TURNED_NONE;
    }
}

/* Turn the stack from `from` to `to` registers beyond the guest's top; `eip` and `pop` say what the guest's
 * state is. */
static void turn(struct emit *e, uint32_t eip, int from, int to, bool pop)
{
    int by = to > from ? 1 : -1;

    for (int at = from; at != to; at += by) {
        emit_guest_turned(e, eip, at, pop);
        emit_turn(e, by > 0);
    }
    emit_guest_turned(e, eip, to, pop);
}

/*
 *     fincstp          i times, or fdecstp 8 - i times
 *     op  with ST(0) for ST(i), and ST(8 - i) for ST(0)
 *     fdecstp          i times, or fincstp 8 - i times
 *     ffree st(0)      FMULP only: a pop that leaves the register as it is
 *     fincstp
 */
bool equivalent_turned_fpu(struct emit *e, const struct guest_insn *guest, unsigned variant)
{
    enum turned_op op = turned_op(&guest->insn);
    int i = guest->insn.modrm & 7, turns = i <= 4 ? i : i - 8;
    unsigned other = (unsigned)(8 - i) & 7;

    (void)variant;
    if (!e->turns_fpu || op == TURNED_NONE || i == 0)
        return false;
    turn(e, guest->eip, 0, turns, false);
    if (op == TURNED_XCHG)
        emit_fxch(e, other);
    else if (op == TURNED_MUL_TOP)
        emit_fmul_sti_st0(e, other);
    else
        emit_fmul_st0_sti(e, other);
    turn(e, equivalent_next(guest), turns, 0, op == TURNED_MUL_POP);
    if (op == TURNED_MUL_POP) {
        emit_ffree_st0(e);
        turn(e, equivalent_next(guest), -1, 0, false);
    }
    emit_guest(e, equivalent_next(guest));
    return true;
}
