/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Handlers of far JMP, CALL and RET, of IRET and of the software interrupts; the work is in transfer.c,
 * return.c and event.c. Executor side.
 */
#include "delivery.h"
#include "event.h"
#include "system.h"

HANDLER(jmp_far)
{
    cpu_sync(v, u);
    far_jump(v, (uint16_t)u->extra, u->imm, operand_size(u));
    return exec_end(v);
}

HANDLER(jmp_far_ind)
{
    uint16_t selector;
    uint32_t offset = read_far_pointer(v, u, &selector);

    cpu_sync(v, u);
    far_jump(v, selector, offset, operand_size(u));
    return exec_end(v);
}

HANDLER(call_far)
{
    cpu_sync(v, u);
    far_call(v, (uint16_t)u->extra, u->imm, operand_size(u));
    return exec_end(v);
}

HANDLER(call_far_ind)
{
    uint16_t selector;
    uint32_t offset = read_far_pointer(v, u, &selector);

    cpu_sync(v, u);
    far_call(v, selector, offset, operand_size(u));
    return exec_end(v);
}

/* RETF with and without a number of bytes to release; without, the decoder leaves imm 0. */
HANDLER(retf)
{
    cpu_sync(v, u);
    far_return(v, u->imm & 0xffff, operand_size(u));
    return exec_end(v);
}

HANDLER(iret)
{
    cpu_sync(v, u);
    far_iret(v, operand_size(u));
    return exec_end(v);
}

HANDLER(int_n)
{
    cpu_sync(v, u);
    event_software(v, (uint8_t)u->imm);
    return exec_end(v);
}

/* The caller may want to see breakpoints instead of the guest: exit before the instruction. */
static void show_breakpoint(struct vcpu *v)
{
    v->exit->reason = D86_EXIT_DEBUG;
    v->exit->debug.cause = D86_DEBUG_INT3;
    v->exit->debug.linear = v->seg[X86_CS].base + v->eip;
    exec_exit(v);
}

HANDLER(int3)
{
    cpu_sync(v, u);
    if (v->debug_causes & D86_DEBUG_INT3)
        show_breakpoint(v);
    event_software_trap(v, X86_BP);
    return exec_end(v);
}

HANDLER(int1)
{
    cpu_sync(v, u);
    event_icebp(v);
    return exec_end(v);
}

HANDLER(into)
{
    if (!(v->arith & ARITH_OF))
        NEXT(v, u);
    cpu_sync(v, u);
    event_software_trap(v, X86_VEC_OF);
    return exec_end(v);
}

static const struct system_row rows[] = {
    { X86_JMP_FAR, true, jmp_far },   { X86_JMP_FAR_IND, true, jmp_far_ind },
    { X86_CALL_FAR, true, call_far }, { X86_CALL_FAR_IND, true, call_far_ind },
    { X86_RETF, true, retf },         { X86_IRET, true, iret },
    { X86_INT, true, int_n },         { X86_INT3, true, int3 },
    { X86_INT1, true, int1 },         { X86_INTO, false, into },
};

const struct system_table system_far_table = SYSTEM_TABLE(rows);
