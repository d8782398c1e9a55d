/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Handlers of the decimal adjustments, which 64-bit mode does not have, so here the SDM's algorithms are
 * written out. Executor side. SDM 2A, "AAA", "AAS", "DAA", "DAS"; SALC is in SDM 3B's opcode notes.
 */
#include "integer.h"

enum { AL = X86_EAX * 4, AH = X86_EAX * 4 + 1 };

static void set_flags(struct vcpu *v, bool carry, bool adjust)
{
    /* SF, ZF, PF by AL; OF, undefined, clear as OR leaves it. */
    (void)alu_binary(ALU_OR, 1, v->gpr.b[AL], 0, &v->arith);
    v->arith =
        (uint16_t)((v->arith & ~(ARITH_CF | ARITH_AF)) | (carry ? ARITH_CF : 0) | (adjust ? ARITH_AF : 0));
}

static void decimal_adjust(struct vcpu *v, bool subtract)
{
    uint8_t al = v->gpr.b[AL];
    bool adjust = (al & 0xf) > 9 || (v->arith & ARITH_AF);
    bool carry = al > 0x99 || (v->arith & ARITH_CF);
    uint8_t by = (uint8_t)((adjust ? 0x06 : 0) + (carry ? 0x60 : 0));
    /* DAS also carries when the low adjustment itself borrows. */
    bool borrow = subtract && adjust && al < 6;
    v->gpr.b[AL] = (uint8_t)(subtract ? al - by : al + by);
    set_flags(v, carry || borrow, adjust);
}

HANDLER(daa)
{
    decimal_adjust(v, false);
    NEXT(v, u);
}

HANDLER(das)
{
    decimal_adjust(v, true);
    NEXT(v, u);
}

static void ascii_adjust(struct vcpu *v, bool subtract)
{
    bool adjust = (v->gpr.b[AL] & 0xf) > 9 || (v->arith & ARITH_AF);
    if (adjust) {
        uint16_t ax = v->gpr.w[X86_EAX * 2];
        v->gpr.w[X86_EAX * 2] = (uint16_t)(subtract ? ax - 0x106 : ax + 0x106);
    }
    v->gpr.b[AL] &= 0xf;
    set_flags(v, adjust, adjust);
}

HANDLER(aaa)
{
    ascii_adjust(v, false);
    NEXT(v, u);
}

HANDLER(aas)
{
    ascii_adjust(v, true);
    NEXT(v, u);
}

HANDLER(salc)
{
    v->gpr.b[AL] = v->arith & ARITH_CF ? 0xff : 0;
    NEXT(v, u);
}

bool bind_bcd(const struct insn *in, unsigned mode, struct uop *u)
{
    (void)mode;
    switch (in->op) {
    case X86_DAA:
        u->run = daa;
        return true;
    case X86_DAS:
        u->run = das;
        return true;
    case X86_AAA:
        u->run = aaa;
        return true;
    case X86_AAS:
        u->run = aas;
        return true;
    case X86_SALC:
        u->run = salc;
        return true;
    default:
        return false;
    }
}
