/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * EFLAGS put together and taken apart: the arithmetic six live in v->arith as LAHF and SETO give them.
 * SDM 1, "EFLAGS Register". Executor side.
 */
#include "flags.h"

#include "transfer.h"

#define AH_FLAGS (X86_SF | X86_ZF | X86_AF | X86_PF | X86_CF)

uint32_t flags_get(const struct vcpu *v)
{
    uint32_t rf = v->repeating ? X86_RF : 0;

    return v->eflags | rf | (v->arith >> 8 & AH_FLAGS) | (v->arith & ARITH_OF ? X86_OF : 0);
}

void flags_set(struct vcpu *v, uint32_t eflags)
{
    v->repeating = false;
    v->eflags = (eflags & X86_FLAGS_ALL & ~X86_ARITH) | X86_FLAGS_ONE;
    v->arith = (uint16_t)((eflags & AH_FLAGS) << 8 | (eflags & X86_OF ? ARITH_OF : 0));
}

uint32_t flags_writable(const struct vcpu *v, unsigned opsize)
{
    uint32_t mask = X86_ARITH | X86_TF | X86_DF | X86_NT;

    if (opsize == 4)
        mask |= X86_AC | X86_ID;
    if (v->cpl == 0)
        mask |= X86_IOPL;
    if (v->cpl <= cpu_iopl(v))
        mask |= X86_IF;
    return mask;
}
