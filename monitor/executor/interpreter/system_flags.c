/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Handlers of CLI, STI, PUSHF and POPF: the real IF where IOPL allows, the virtual one (VIF) where CR4.VME or
 * CR4.PVI says so, #GP otherwise. They stay in the block when nothing the run loop must see changed.
 * SDM 2A, "CLI"; SDM 2B, "STI", "PUSHF", "POPF"; SDM 3B, "Protected-Mode Virtual Interrupts". Executor side.
 */
#include "flags.h"
#include "mode.h"
#include "system.h"
#include "transfer.h"

/* ---- CLI, STI ---------------------------------------------------------------------------------------------
 */

enum if_access { IF_REAL, IF_VIRTUAL, IF_FAULT };

/* What CLI and STI work on here. */
static ALWAYS_INLINE enum if_access if_access(const struct vcpu *v)
{
    if (likely(v->cpl <= cpu_iopl(v)))
        return IF_REAL;
    bool virtual_if = cpu_v86(v) ? v->cr4 & X86_CR4_VME : v->cpl == 3 && (v->cr4 & X86_CR4_PVI);
    return virtual_if ? IF_VIRTUAL : IF_FAULT;
}

HANDLER(cli)
{
    switch (if_access(v)) {
    case IF_REAL:
        v->eflags &= ~X86_IF;
        break;
    case IF_VIRTUAL:
        v->eflags &= ~X86_VIF;
        break;
    default:
        raise_error(v, u, X86_GP, 0);
    }
    NEXT(v, u);
}

HANDLER(sti)
{
    enum if_access access = if_access(v);

    if (access == IF_FAULT || (access == IF_VIRTUAL && (v->eflags & X86_VIP)))
        raise_error(v, u, X86_GP, 0);
    if (access == IF_VIRTUAL) {
        v->eflags |= X86_VIF;
        NEXT(v, u);
    }
    if (v->eflags & X86_IF)
        NEXT(v, u);
    cpu_sync(v, u);
    v->eflags |= X86_IF;
    v->int_shadow = true; /* until the next instruction is over */
    return finish(v);
}

/* ---- PUSHF
 * ---------------------------------------------------------------------------------------------------- */

/* What an 8086 program with IOPL below 3 sees: its virtual IF, and IOPL 3. */
static uint32_t flags_for_v86(struct vcpu *v, const struct uop *u, uint32_t flags, unsigned size)
{
    if (!(v->cr4 & X86_CR4_VME) || size == 4)
        raise_error(v, u, X86_GP, 0);
    return (flags & ~X86_IF) | X86_IOPL | (flags & X86_VIF ? X86_IF : 0);
}

static ALWAYS_INLINE const struct uop *pushf(struct vcpu *v, const struct uop *u, unsigned size)
{
    uint32_t flags = flags_get(v) & ~(X86_VM | X86_RF);

    if (unlikely(cpu_v86(v) && cpu_iopl(v) < 3))
        flags = flags_for_v86(v, u, flags, size);
    stack_poke(v, u, size, size, flags);
    stack_set(v, v->gpr.d[X86_ESP] - size);
    NEXT(v, u);
}

HANDLER(pushf_2)
{
    return pushf(v, u, 2);
}

HANDLER(pushf_4)
{
    return pushf(v, u, 4);
}

/* ---- POPF
 * ------------------------------------------------------------------------------------------------------- */

/* The same for POPF: IF goes to VIF, unless that would let a pending interrupt in or single-step. */
static uint32_t flags_from_v86(struct vcpu *v, const struct uop *u, uint32_t image, unsigned size)
{
    bool pending = (v->eflags & X86_VIP) && (image & X86_IF);

    if (!(v->cr4 & X86_CR4_VME) || size == 4 || pending || (image & X86_TF))
        raise_error(v, u, X86_GP, 0);
    return image | (image & X86_IF ? X86_VIF : 0);
}

static ALWAYS_INLINE const struct uop *popf(struct vcpu *v, const struct uop *u, unsigned size)
{
    uint32_t image = stack_peek(v, u, 0, size);
    uint32_t mask = flags_writable(v, size) | X86_RF;

    image &= ~X86_RF;
    if (unlikely(cpu_v86(v) && cpu_iopl(v) < 3)) {
        image = flags_from_v86(v, u, image, size);
        mask |= X86_VIF;
    }
    uint32_t old = v->eflags;
    stack_set(v, v->gpr.d[X86_ESP] + size);
    flags_set(v, (flags_get(v) & ~mask) | (image & mask));

    bool opens = v->eflags & ~old & X86_IF;
    if (likely(!opens && !((v->eflags | old) & X86_TF) && !((v->eflags ^ old) & X86_AC)))
        NEXT(v, u);
    cpu_sync(v, u);
    exec_mode_changed(v);
    return finish(v);
}

HANDLER(popf_2)
{
    return popf(v, u, 2);
}

HANDLER(popf_4)
{
    return popf(v, u, 4);
}

bool bind_flags(const struct insn *in, struct uop *u)
{
    bool wide = in->op_size == 4;

    switch (in->op) {
    case X86_CLI:
        u->run = cli;
        return true;
    case X86_STI:
        u->run = sti;
        return true;
    case X86_PUSHF:
        u->run = wide ? pushf_4 : pushf_2;
        return true;
    case X86_POPF:
        u->run = wide ? popf_4 : popf_2;
        return true;
    default:
        return false;
    }
}
